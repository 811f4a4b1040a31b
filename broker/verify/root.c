/* Which network a file has to be of. The whole root key pins it outright. A fingerprint pins it as
 * far as 96 bits do: another key with the same fingerprint is more work than anybody can do, but
 * the key is the stronger word. */
#include <ctype.h>
#include <string.h>

#include "broker/verify/verify.h"
#include "lib/base/text.h"
#include "lib/trust/token.h"

enum { KEY_HEX = 2 * SIGN_PUBLIC_BYTES };

/* Lower-case digits without what stands between groups; false past `max` of them. */
static bool
squeeze(const char *text, char *out, size_t max)
{
    size_t n = 0;
    for (; *text != '\0'; text++) {
        if (strchr(" \t\n:-", *text) != NULL) {
            continue;
        }
        if (n == max) {
            return false;
        }
        out[n++] = (char)tolower((unsigned char)*text);
    }
    out[n] = '\0';
    return true;
}

enum err
verify_root_parse(const char *text, struct verify_root *root_out)
{
    struct verify_root root = {.is_whole = false};
    char digits[KEY_HEX + 1];
    uint8_t unused[VERIFY_FINGERPRINT_HEX / 2];
    if (!squeeze(text, digits, KEY_HEX)) {
        return ERR_INVALID;
    }
    root.is_whole = strlen(digits) == KEY_HEX;
    enum err err = root.is_whole
                       ? text_unhex(digits, root.network.bytes, sizeof(root.network.bytes))
                       : text_unhex(digits, unused, sizeof(unused));
    if (err != ERR_OK) {
        return ERR_INVALID;
    }
    if (!root.is_whole) {
        memcpy(root.fingerprint, digits, sizeof(root.fingerprint));
    }
    *root_out = root;
    return ERR_OK;
}

enum err
verify_root_find(const struct verify_root *root, struct bytes file, struct network_id *network_out,
                 struct complaint *complaint)
{
    struct network_id claimed;
    char shown[FINGERPRINT_TEXT];
    char digits[VERIFY_FINGERPRINT_HEX + 1];
    if (root->is_whole) {
        *network_out = root->network;
        return ERR_OK;
    }
    enum err err = evidence_claimed_network(file, &claimed, complaint);
    if (err != ERR_OK) {
        return err;
    }
    token_fingerprint(&claimed, shown);
    if (!squeeze(shown, digits, VERIFY_FINGERPRINT_HEX) || strcmp(digits, root->fingerprint) != 0) {
        return complain(complaint, ERR_WRONG_NETWORK,
                        "it is of another network than the one whose fingerprint was given: its "
                        "own is %s",
                        shown);
    }
    *network_out = claimed;
    return ERR_OK;
}
