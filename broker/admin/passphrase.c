/* Asking for the passphrase. Decides that a new one has a minimum length and is typed twice, and
 * that no copy stays outside locked memory. It refuses to know what it protects. */
#include "broker/admin/passphrase.h"

#include <string.h>

#include "lib/base/secret.h"
#include "lib/edge/terminal.h"

void
passphrase_freep(struct passphrase **passphrase)
{
    secret_free(*passphrase);
    *passphrase = NULL;
}

struct bytes
passphrase_view(const struct passphrase *passphrase)
{
    return bytes_of_text(passphrase->text);
}

enum err
passphrase_ask(const char *prompt, const char *file, struct passphrase **passphrase_out,
               struct complaint *complaint)
{
    CLEANUP(passphrase_freep) struct passphrase *made = secret_alloc(sizeof(*made));
    if (made == NULL) {
        return complain(complaint, ERR_MEMORY, "%s", err_text(ERR_MEMORY));
    }
    enum err err =
        terminal_read_passphrase(prompt, file, made->text, sizeof(made->text), complaint);
    if (err == ERR_OK) {
        *passphrase_out = made;
        made = NULL;
    }
    return err;
}

/* Of UTF-8, every byte that does not continue a character begins one. */
static size_t
count_characters(const char *text)
{
    size_t n = 0;
    for (; *text != '\0'; text++) {
        n += ((unsigned char)*text & 0xc0U) != 0x80U ? 1 : 0;
    }
    return n;
}

enum err
passphrase_choose(const char *file, struct passphrase **passphrase_out, struct complaint *complaint)
{
    CLEANUP(passphrase_freep) struct passphrase *made = NULL;
    CLEANUP(passphrase_freep) struct passphrase *again = NULL;
    enum err err = passphrase_ask("New passphrase for the root key: ", file, &made, complaint);
    if (err != ERR_OK) {
        return err;
    }
    if (count_characters(made->text) < PASSPHRASE_CHARACTERS_MIN) {
        return complain(complaint, ERR_INVALID,
                        "the passphrase must have at least %d characters; several words are best",
                        PASSPHRASE_CHARACTERS_MIN);
    }
    if (file == NULL) {
        err = passphrase_ask("The same again: ", NULL, &again, complaint);
        if (err != ERR_OK) {
            return err;
        }
        if (!secret_equal(made->text, again->text, sizeof(made->text))) {
            return complain(complaint, ERR_INVALID, "the two are not the same; nothing was made");
        }
    }
    *passphrase_out = made;
    made = NULL;
    return ERR_OK;
}
