/* The form of a wrapped key file: PREFIX VERSION ":" base64url(wrap(kind ‖ secret)). Decides what a
 * file claims to be and whether that is so. It refuses to know what the keys are for.
 *
 * The text in front of the wrap is for people; only the kind inside it is protected. */
#include "broker/admin/key_file.h"

#include <string.h>

#include "lib/base/text.h"

static const char *const prefixes[] = {
    [KEY_FILE_ROOT] = "refloop-root-key-",
    [KEY_FILE_MEMBER] = "refloop-member-keys-",
};
static const char version[] = "1:";

enum err
key_file_close(enum key_file_kind kind, struct bytes secret, struct bytes passphrase,
               enum vault_effort effort, struct buffer *out)
{
    CLEANUP(buffer_wipe) struct buffer inside = BUFFER_INIT(KEY_FILE_SECRET_MAX);
    CLEANUP(buffer_done) struct buffer wrapped = BUFFER_INIT(KEY_FILE_TEXT_MAX);
    buffer_put_u8(&inside, (uint8_t)kind);
    buffer_put(&inside, secret.data, secret.len);
    enum err err = buffer_err(&inside);
    if (err == ERR_OK) {
        err = vault_wrap(passphrase, effort, buffer_view(&inside), &wrapped);
    }
    if (err != ERR_OK) {
        return err;
    }
    buffer_put(out, prefixes[kind], strlen(prefixes[kind]));
    buffer_put(out, version, sizeof(version) - 1);
    text_base64(buffer_view(&wrapped), out);
    buffer_put_u8(out, '\n');
    return buffer_err(out);
}

static bool
take_start(struct bytes *text, const char *start)
{
    size_t len = strlen(start);
    if (text->len < len || memcmp(text->data, start, len) != 0) { /* public bytes */
        return false;
    }
    *text = bytes_of(text->data + len, text->len - len);
    return true;
}

static bool
is_blank(uint8_t byte)
{
    return byte == ' ' || byte == '\t' || byte == '\r' || byte == '\n';
}

static struct bytes
trim(struct bytes text)
{
    while (text.len > 0 && is_blank(text.data[0])) {
        text = bytes_of(text.data + 1, text.len - 1);
    }
    while (text.len > 0 && is_blank(text.data[text.len - 1])) {
        text.len--;
    }
    return text;
}

enum err
key_file_open(enum key_file_kind kind, struct bytes text, struct bytes passphrase,
              struct buffer *secret_out)
{
    CLEANUP(buffer_done) struct buffer wrapped = BUFFER_INIT(KEY_FILE_TEXT_MAX);
    CLEANUP(buffer_wipe) struct buffer inside = BUFFER_INIT(KEY_FILE_SECRET_MAX);
    text = trim(text);
    if (!take_start(&text, prefixes[kind])) {
        return ERR_MALFORMED;
    }
    if (!take_start(&text, version)) {
        return ERR_VERSION;
    }
    enum err err = text_unbase64(text, &wrapped);
    if (err != ERR_OK) {
        return err == ERR_MEMORY ? err : ERR_MALFORMED;
    }
    err = vault_unwrap(passphrase, buffer_view(&wrapped), &inside);
    if (err != ERR_OK) {
        return err;
    }
    if (inside.len < 1 || inside.data[0] != (uint8_t)kind) {
        return ERR_MALFORMED;
    }
    buffer_put(secret_out, inside.data + 1, inside.len - 1);
    return buffer_err(secret_out);
}
