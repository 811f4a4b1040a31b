/* Which bytes of the administrator's key file open facts. Decides whether they are the keys that
 * the network seals to: the genesis says so. */
#include "broker/admin/auditor_key.h"

#include <string.h>

#include "lib/base/secret.h"

void
auditor_key_done(struct auditor_key *key)
{
    secret_free(key->secret);
    key->secret = NULL;
}

/* As found.c wrote it: sign, seal, the public half of seal, curve. */
static enum err
take(struct bytes secret, struct auditor_key *key)
{
    struct reader reader = reader_of(secret);
    (void)reader_take(&reader, SIGN_SECRET_BYTES);
    reader_copy(&reader, key->secret->bytes, sizeof(key->secret->bytes));
    reader_copy(&reader, key->public_key.bytes, sizeof(key->public_key.bytes));
    (void)reader_take(&reader, CURVE_KEY_BYTES);
    return reader_err(&reader) == ERR_OK ? ERR_OK : ERR_MALFORMED;
}

enum err
auditor_key_open(struct bytes text, struct bytes passphrase,
                 const struct statement_genesis *genesis, struct auditor_key *key_out)
{
    CLEANUP(buffer_wipe) struct buffer secret = BUFFER_INIT(KEY_FILE_SECRET_MAX);
    CLEANUP(auditor_key_done)
    struct auditor_key key = {.secret = secret_alloc(sizeof(struct seal_secret))};
    if (key.secret == NULL) {
        return ERR_MEMORY;
    }
    enum err err = key_file_open(KEY_FILE_MEMBER, text, passphrase, &secret);
    if (err == ERR_OK) {
        err = take(buffer_view(&secret), &key);
    }
    if (err == ERR_OK &&
        memcmp(&key.public_key, &genesis->auditor.seal, sizeof(key.public_key)) != 0) {
        err = ERR_WRONG_NETWORK;
    }
    if (err != ERR_OK) {
        return err;
    }
    key.id = key_set_id(&genesis->auditor);
    *key_out = key;
    key.secret = NULL;
    return ERR_OK;
}
