/* The vault decides how bytes lie on a disk that others may get hold of. It does not know what they
 * are or where its key is kept.
 *
 * Closed form: 24-byte random nonce, ciphertext, authenticator; the place is associated data, so a
 * value moved to another place does not open.
 *
 * Wrapped form: a header that says how to make the key from the passphrase, then a closed form
 * under that key with the header as its place. The header is read before anything is proved, so its
 * costs are bounded first: a changed header may waste a gibibyte and some seconds, never more. */
#include "lib/crypto/vault.h"

#include <assert.h>
#include <string.h>

#include <sodium.h>

enum {
    NONCE_BYTES = crypto_aead_xchacha20poly1305_ietf_NPUBBYTES,
    AUTH_BYTES = crypto_aead_xchacha20poly1305_ietf_ABYTES,
    SALT_BYTES = crypto_pwhash_SALTBYTES,
    MAGIC_BYTES = 4,
    WRAP_VERSION = 1,
    WRAP_ALGORITHM = crypto_pwhash_ALG_ARGON2ID13,
    HEADER_BYTES = MAGIC_BYTES + 1 + 1 + 8 + 8 + SALT_BYTES,
    OPS_MAX = 16,
    MEMORY_MAX_BYTES = 1 << 30,
};

static const uint8_t magic[MAGIC_BYTES] = {'R', 'F', 'L', 'W'};

_Static_assert((int)VAULT_KEY_BYTES == (int)crypto_aead_xchacha20poly1305_ietf_KEYBYTES, "key");

/* What deriving a key costs. */
struct cost {
    uint64_t ops;
    uint64_t memory_bytes;
};

static const struct cost costs[] = {
    [VAULT_EFFORT_TEST] = {crypto_pwhash_OPSLIMIT_MIN, crypto_pwhash_MEMLIMIT_MIN},
    [VAULT_EFFORT_INTERACTIVE] = {crypto_pwhash_OPSLIMIT_INTERACTIVE,
                                  crypto_pwhash_MEMLIMIT_INTERACTIVE},
    [VAULT_EFFORT_MODERATE] = {crypto_pwhash_OPSLIMIT_MODERATE, crypto_pwhash_MEMLIMIT_MODERATE},
};

static void
key_wipe(struct vault_key *key)
{
    sodium_memzero(key, sizeof(*key));
}

void
vault_new_key(struct vault_key *key_out)
{
    randombytes_buf(key_out->bytes, sizeof(key_out->bytes));
}

enum err
vault_close(const struct vault_key *key, struct bytes place, struct bytes content,
            struct buffer *out)
{
    uint8_t *nonce = buffer_extend(out, NONCE_BYTES + content.len + AUTH_BYTES);
    if (nonce == NULL) {
        return buffer_err(out);
    }
    randombytes_buf(nonce, NONCE_BYTES);
    crypto_aead_xchacha20poly1305_ietf_encrypt(nonce + NONCE_BYTES, NULL, content.data, content.len,
                                               place.data, place.len, NULL, nonce, key->bytes);
    return ERR_OK;
}

enum err
vault_open(const struct vault_key *key, struct bytes place, struct bytes sealed, struct buffer *out)
{
    if (sealed.len < NONCE_BYTES + AUTH_BYTES) {
        return ERR_CORRUPT;
    }
    size_t content_bytes = sealed.len - NONCE_BYTES - AUTH_BYTES;
    CLEANUP(buffer_wipe) struct buffer content = BUFFER_INIT(content_bytes);
    uint8_t *text = buffer_extend(&content, content_bytes);
    if (text == NULL) {
        return ERR_MEMORY;
    }
    if (crypto_aead_xchacha20poly1305_ietf_decrypt(text, NULL, NULL, sealed.data + NONCE_BYTES,
                                                   sealed.len - NONCE_BYTES, place.data, place.len,
                                                   sealed.data, key->bytes) != 0) {
        return ERR_CORRUPT;
    }
    buffer_put(out, text, content_bytes);
    return buffer_err(out);
}

static enum err
derive(struct bytes passphrase, const struct cost *cost, const uint8_t salt[SALT_BYTES],
       struct vault_key *key_out)
{
    /* Fails only for want of memory: the costs are within the library's limits. */
    int rc =
        crypto_pwhash(key_out->bytes, sizeof(key_out->bytes), (const char *)passphrase.data,
                      passphrase.len, salt, cost->ops, (size_t)cost->memory_bytes, WRAP_ALGORITHM);
    return rc == 0 ? ERR_OK : ERR_MEMORY;
}

enum err
vault_wrap(struct bytes passphrase, enum vault_effort effort, struct bytes secret,
           struct buffer *out)
{
    assert((size_t)effort < ARRAY_LEN(costs));
    CLEANUP(buffer_done)
    struct buffer made = BUFFER_INIT(HEADER_BYTES + NONCE_BYTES + secret.len + AUTH_BYTES);
    CLEANUP(key_wipe) struct vault_key key = {{0}};
    uint8_t salt[SALT_BYTES];
    randombytes_buf(salt, sizeof(salt));
    buffer_put(&made, magic, sizeof(magic));
    buffer_put_u8(&made, WRAP_VERSION);
    buffer_put_u8(&made, WRAP_ALGORITHM);
    buffer_put_u64(&made, costs[effort].ops);
    buffer_put_u64(&made, costs[effort].memory_bytes);
    buffer_put(&made, salt, sizeof(salt));
    enum err err = buffer_err(&made);
    if (err == ERR_OK) {
        err = derive(passphrase, &costs[effort], salt, &key);
    }
    if (err == ERR_OK) {
        /* A copy: `made` may move while the closed form is appended to it. */
        uint8_t header[HEADER_BYTES];
        memcpy(header, made.data, sizeof(header));
        err = vault_close(&key, bytes_of(header, sizeof(header)), secret, &made);
    }
    if (err == ERR_OK) {
        buffer_put(out, made.data, made.len);
        err = buffer_err(out);
    }
    return err;
}

static enum err
read_header(struct reader *reader, struct cost *cost_out, uint8_t salt_out[SALT_BYTES])
{
    struct bytes found = reader_take(reader, MAGIC_BYTES);
    uint8_t version = reader_u8(reader);
    uint8_t algorithm = reader_u8(reader);
    struct cost cost = {.ops = reader_u64(reader)};
    cost.memory_bytes = reader_u64(reader);
    reader_copy(reader, salt_out, SALT_BYTES);
    if (reader->bad || !bytes_equal(found, bytes_of(magic, sizeof(magic))) ||
        version != WRAP_VERSION || algorithm != WRAP_ALGORITHM) {
        return ERR_MALFORMED;
    }
    if (cost.ops < crypto_pwhash_OPSLIMIT_MIN || cost.ops > OPS_MAX ||
        cost.memory_bytes < crypto_pwhash_MEMLIMIT_MIN || cost.memory_bytes > MEMORY_MAX_BYTES) {
        return ERR_MALFORMED;
    }
    *cost_out = cost;
    return ERR_OK;
}

enum err
vault_unwrap(struct bytes passphrase, struct bytes wrapped, struct buffer *secret_out)
{
    CLEANUP(key_wipe) struct vault_key key = {{0}};
    struct reader reader = reader_of(wrapped);
    struct cost cost;
    uint8_t salt[SALT_BYTES];
    enum err err = read_header(&reader, &cost, salt);
    if (err == ERR_OK && reader.rest.len < NONCE_BYTES + AUTH_BYTES) {
        err = ERR_MALFORMED;
    }
    if (err == ERR_OK) {
        err = derive(passphrase, &cost, salt, &key);
    }
    if (err != ERR_OK) {
        return err;
    }
    err = vault_open(&key, bytes_of(wrapped.data, HEADER_BYTES), reader.rest, secret_out);
    return err == ERR_CORRUPT ? ERR_KEY : err;
}
