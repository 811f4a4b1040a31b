/* Decides the form of the broker's key file. Secrets stay in locked memory or in buffers that are
 * wiped; the file is created once and never overwritten. It refuses to know what the keys are for.
 */
#include "broker/keys.h"

#include <stdio.h>
#include <string.h>

#include "lib/base/conf.h"
#include "lib/base/file.h"
#include "lib/base/secret.h"
#include "lib/base/text.h"

enum { KEY_FILE_MAX = 4096, HEX_MAX = 2 * SIGN_SECRET_BYTES + 1 };

struct key_file {
    char curve[CONF_TEXT_MAX];
    char log[CONF_TEXT_MAX];
};

static const struct conf_key table[] = {
    {"curve", CONF_TEXT, 2 * CURVE_KEY_BYTES, 2 * CURVE_KEY_BYTES, NULL, "",
     "secret CURVE key, hex", offsetof(struct key_file, curve)},
    {"log", CONF_TEXT, 2 * SIGN_SECRET_BYTES, 2 * SIGN_SECRET_BYTES, NULL, "",
     "secret key that signs receipts, hex", offsetof(struct key_file, log)},
};

static enum err
alloc(struct keys *keys)
{
    keys->curve = secret_alloc(sizeof(*keys->curve));
    keys->log = secret_alloc(sizeof(*keys->log));
    return keys->curve != NULL && keys->log != NULL ? ERR_OK : ERR_MEMORY;
}

void
keys_done(struct keys *keys)
{
    secret_free(keys->curve);
    secret_free(keys->log);
    *keys = (struct keys){0};
}

enum err
keys_make(struct keys *keys_out)
{
    CLEANUP(keys_done) struct keys keys = {0};
    enum err err = alloc(&keys);
    if (err != ERR_OK) {
        return err;
    }
    curve_new_pair(&keys.curve_public, keys.curve);
    sign_new_pair(&keys.log_public, keys.log);
    *keys_out = keys;
    keys = (struct keys){0};
    return ERR_OK;
}

static void
put_line(struct buffer *out, const char *name, const uint8_t *secret, size_t len)
{
    char hex[HEX_MAX];
    text_hex(bytes_of(secret, len), hex);
    buffer_put(out, name, strlen(name));
    buffer_put(out, " = ", 3);
    buffer_put(out, hex, 2 * len);
    buffer_put(out, "\n", 1);
    secret_wipe(hex, sizeof(hex));
}

static enum err
key_path(const char *home, char dir[FILE_PATH_MAX], char path[FILE_PATH_MAX])
{
    enum err err = file_path(dir, home, KEYS_DIR_NAME);
    return err == ERR_OK ? file_path(path, dir, KEYS_FILE_NAME) : err;
}

enum err
keys_save(const struct keys *keys, const char *home, struct complaint *complaint)
{
    CLEANUP(buffer_wipe) struct buffer text = BUFFER_INIT(KEY_FILE_MAX);
    char dir[FILE_PATH_MAX];
    char path[FILE_PATH_MAX];
    enum err err = key_path(home, dir, path);
    if (err == ERR_OK) {
        err = file_make_dir(dir);
    }
    put_line(&text, "curve", keys->curve->bytes, sizeof(keys->curve->bytes));
    put_line(&text, "log", keys->log->bytes, sizeof(keys->log->bytes));
    if (err == ERR_OK) {
        err = buffer_err(&text);
    }
    if (err == ERR_OK) {
        err = file_create(path, buffer_view(&text), 0600);
    }
    return err == ERR_OK ? ERR_OK
                         : complain(complaint, err, "the keys cannot be written to %s/%s: %s", home,
                                    KEYS_DIR_NAME "/" KEYS_FILE_NAME, err_text(err));
}

static enum err
parse(struct bytes text, const char *path, struct keys *keys)
{
    struct key_file file = {0};
    /* Its complaint would quote the line, and the line is the key. */
    enum err err = conf_parse(table, ARRAY_LEN(table), path, text, &file, sizeof(file), NULL);
    if (err == ERR_OK) {
        err = alloc(keys);
    }
    if (err == ERR_OK) {
        err = text_unhex(file.curve, keys->curve->bytes, sizeof(keys->curve->bytes));
    }
    if (err == ERR_OK) {
        err = text_unhex(file.log, keys->log->bytes, sizeof(keys->log->bytes));
    }
    secret_wipe(&file, sizeof(file));
    return err;
}

enum err
keys_load(const char *home, struct keys *keys_out, struct complaint *complaint)
{
    CLEANUP(keys_done) struct keys keys = {0};
    CLEANUP(buffer_wipe) struct buffer text = BUFFER_INIT(KEY_FILE_MAX);
    char dir[FILE_PATH_MAX];
    char path[FILE_PATH_MAX];
    enum err err = key_path(home, dir, path);
    if (err == ERR_OK) {
        err = file_read_secret(path, &text);
    }
    if (err != ERR_OK) {
        return complain(complaint, err == ERR_NOT_FOUND ? ERR_KEY : err, "%s: %s",
                        err == ERR_INVALID ? home : path, err_text(err));
    }
    err = parse(buffer_view(&text), path, &keys);
    if (err != ERR_OK) {
        return complain(complaint, err == ERR_MEMORY ? err : ERR_KEY,
                        "%s does not hold the broker's two keys", path);
    }
    curve_public_of(keys.curve, &keys.curve_public);
    sign_public_of(keys.log, &keys.log_public);
    *keys_out = keys;
    keys = (struct keys){0};
    return ERR_OK;
}
