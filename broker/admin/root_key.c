/* The root key at rest and at work. Decides what a statement of the root looks like: no author's
 * name, the key id of the root alone, a turn of one. It refuses to know what is stated, and whether
 * the broker will take it. */
#include "broker/admin/root_key.h"

#include <string.h>

#include "lib/base/file.h"
#include "lib/base/secret.h"

static struct sign_public
public_of(const struct root_key *key)
{
    struct sign_public public_key;
    memcpy(public_key.bytes, key->network.bytes, sizeof(public_key.bytes));
    return public_key;
}

static void
set_network(struct root_key *key, const struct sign_public *public_key)
{
    memcpy(key->network.bytes, public_key->bytes, sizeof(key->network.bytes));
}

void
root_key_done(struct root_key *key)
{
    secret_free(key->secret);
    *key = (struct root_key){.secret = NULL};
}

enum err
root_key_make(struct root_key *key_out)
{
    struct root_key key = {.secret = secret_alloc(sizeof(*key.secret))};
    struct sign_public public_key;
    if (key.secret == NULL) {
        return ERR_MEMORY;
    }
    sign_new_pair(&public_key, key.secret);
    set_network(&key, &public_key);
    *key_out = key;
    return ERR_OK;
}

enum err
root_key_close(const struct root_key *key, struct bytes passphrase, enum vault_effort effort,
               struct buffer *out)
{
    return key_file_close(KEY_FILE_ROOT, bytes_of(key->secret->bytes, SIGN_SECRET_BYTES),
                          passphrase, effort, out);
}

enum err
root_key_open(struct bytes text, struct bytes passphrase, struct root_key *key_out)
{
    CLEANUP(root_key_done) struct root_key key = {.secret = secret_alloc(sizeof(*key.secret))};
    CLEANUP(buffer_wipe) struct buffer secret = BUFFER_INIT(KEY_FILE_SECRET_MAX);
    struct sign_public public_key;
    if (key.secret == NULL) {
        return ERR_MEMORY;
    }
    enum err err = key_file_open(KEY_FILE_ROOT, text, passphrase, &secret);
    if (err == ERR_OK && secret.len != SIGN_SECRET_BYTES) {
        err = ERR_MALFORMED;
    }
    if (err != ERR_OK) {
        return err;
    }
    memcpy(key.secret->bytes, secret.data, SIGN_SECRET_BYTES);
    sign_public_of(key.secret, &public_key);
    set_network(&key, &public_key);
    *key_out = key;
    key = (struct root_key){.secret = NULL};
    return ERR_OK;
}

static enum err
read_file(const char *path, bool is_elsewhere, struct buffer *text, struct complaint *complaint)
{
    enum err err = is_elsewhere ? file_read(path, text) : file_read_secret(path, text);
    if (err == ERR_NOT_FOUND) {
        return complain(complaint, err,
                        "there is no root key at %s; say where it is kept with --root-key FILE",
                        path);
    }
    if (err == ERR_PERMISSION) {
        return complain(complaint, err, "%s must be yours and closed to others (chmod 600 %s)",
                        path, path);
    }
    return err == ERR_OK ? ERR_OK
                         : complain(complaint, err, "the root key cannot be read from %s: %s", path,
                                    err_text(err));
}

static enum err
explain_open(enum err err, const char *path, struct complaint *complaint)
{
    if (err == ERR_KEY) {
        return complain(complaint, err, "the passphrase does not open %s", path);
    }
    if (err == ERR_MALFORMED) {
        return complain(complaint, err, "%s holds no root key, or a damaged one", path);
    }
    return complain(complaint, err, "%s cannot be opened: %s", path, err_text(err));
}

enum err
root_key_load(const char *path, bool is_elsewhere, struct bytes passphrase,
              const struct network_id *network, struct root_key *key_out,
              struct complaint *complaint)
{
    CLEANUP(root_key_done) struct root_key key = {.secret = NULL};
    CLEANUP(buffer_done) struct buffer text = BUFFER_INIT(KEY_FILE_TEXT_MAX);
    enum err err = read_file(path, is_elsewhere, &text, complaint);
    if (err != ERR_OK) {
        return err;
    }
    err = root_key_open(buffer_view(&text), passphrase, &key);
    if (err != ERR_OK) {
        return explain_open(err, path, complaint);
    }
    if (memcmp(&key.network, network, sizeof(*network)) != 0) { /* public bytes */
        return complain(complaint, ERR_WRONG_NETWORK, "%s is the root key of another network",
                        path);
    }
    *key_out = key;
    key = (struct root_key){.secret = NULL};
    return ERR_OK;
}

enum err
root_key_sign(const struct root_key *key, struct statement *statement, int64_t now_ms,
              struct buffer *envelope_out)
{
    CLEANUP(buffer_done) struct buffer bytes = BUFFER_INIT(LIMIT_STATEMENT_BYTES);
    struct sign_public public_key = public_of(key);
    statement->suite = STATEMENT_SUITE_1;
    statement->network = key->network;
    statement->author_key = key_id_of_signer(&public_key);
    statement->authored_ms = now_ms;
    enum err err = statement_encode(statement, &bytes);
    if (err != ERR_OK) {
        return err;
    }
    struct envelope envelope = {.statement = buffer_view(&bytes)};
    err = turn_sign(SIGN_STATEMENTS, &key->network, &envelope.statement, 1, key->secret,
                    &envelope.signature);
    return err == ERR_OK ? envelope_encode(&envelope, envelope_out) : err;
}
