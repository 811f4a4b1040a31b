/* Sealing one compartment: how content becomes bytes that only its readers can open. It does not
 * know what the content is, who the readers are, or what the associated data says.
 *
 * Plaintext, always exactly one size class long: u32 length, content, zeros. It is laid out and
 * encrypted in the same memory, so that no clear copy is left behind to wipe.
 *
 * The order of the checks in seal_open_revealed matters: the commitment is compared before anything
 * is decrypted, because XChaCha20-Poly1305 alone lets a dishonest author make one ciphertext that
 * opens to two texts under two keys. */
#include "lib/crypto/seal.h"

#include <assert.h>
#include <string.h>

#include <sodium.h>

#define COMMIT_TAG "refloop.seal.commit.v1"

enum {
    KEY_BYTES = crypto_aead_xchacha20poly1305_ietf_KEYBYTES,
    AUTH_BYTES = crypto_aead_xchacha20poly1305_ietf_ABYTES,
    LENGTH_BYTES = 4,
};

_Static_assert((int)SEAL_PUBLIC_BYTES == (int)crypto_box_PUBLICKEYBYTES, "public key size");
_Static_assert((int)SEAL_SECRET_BYTES == (int)crypto_box_SECRETKEYBYTES, "secret key size");
_Static_assert((int)SEAL_CONTENT_KEY_BYTES == (int)KEY_BYTES, "content key size");
_Static_assert((int)SEAL_NONCE_BYTES == (int)crypto_aead_xchacha20poly1305_ietf_NPUBBYTES, "nonce");
_Static_assert((int)SEAL_WRAP_BYTES == (int)KEY_BYTES + (int)crypto_box_SEALBYTES, "wrap size");
_Static_assert((int)SEAL_OVERHEAD_BYTES == (int)AUTH_BYTES + (int)LENGTH_BYTES, "overhead");

static const size_t class_bytes[SEAL_CLASS_COUNT] = {
    [SEAL_1K] = 1024,   [SEAL_4K] = 4096,     [SEAL_16K] = 16384,
    [SEAL_64K] = 65536, [SEAL_192K] = 196608,
};

static void
content_key_wipe(struct seal_content_key *key)
{
    sodium_memzero(key, sizeof(*key));
}

void
seal_new_pair(struct seal_public *public_out, struct seal_secret *secret_out)
{
    crypto_box_keypair(public_out->bytes, secret_out->bytes);
}

bool
seal_public_is_sound(const struct seal_public *public_key)
{
    /* Any scalar does: clamped, it is a multiple of the cofactor and sends a point of small order
     * to zero, which libsodium refuses. */
    static const uint8_t scalar[crypto_scalarmult_SCALARBYTES] = {8};
    uint8_t shared[crypto_scalarmult_BYTES];
    return crypto_scalarmult(shared, scalar, public_key->bytes) == 0;
}

bool
seal_class_for(size_t content_bytes, enum seal_class *class_out)
{
    for (enum seal_class c = SEAL_1K; c < SEAL_CLASS_COUNT; c++) {
        if (content_bytes <= class_bytes[c] - LENGTH_BYTES) {
            *class_out = c;
            return true;
        }
    }
    return false;
}

size_t
seal_class_bytes(enum seal_class size_class)
{
    assert(size_class < SEAL_CLASS_COUNT);
    return class_bytes[size_class];
}

void
seal_done(struct seal_compartment *compartment)
{
    if (compartment != NULL) {
        buffer_done(&compartment->ciphertext);
        compartment->n_wraps = 0;
    }
}

static enum err
wrap_for_all(const struct seal_content_key *key, const struct seal_public *readers,
             size_t n_readers, struct seal_compartment *compartment)
{
    for (size_t i = 0; i < n_readers; i++) {
        if (crypto_box_seal(compartment->wraps[i], key->bytes, KEY_BYTES, readers[i].bytes) != 0) {
            return ERR_KEY;
        }
    }
    compartment->n_wraps = n_readers;
    return ERR_OK;
}

static enum err
encrypt(const struct seal_content_key *key, struct bytes content, struct bytes associated,
        size_t padded_bytes, struct seal_compartment *compartment)
{
    compartment->ciphertext = BUFFER_INIT(padded_bytes + AUTH_BYTES);
    uint8_t *text = buffer_extend(&compartment->ciphertext, padded_bytes + AUTH_BYTES);
    if (text == NULL) {
        return ERR_MEMORY;
    }
    memset(text, 0, padded_bytes);
    text[0] = (uint8_t)(content.len >> 24);
    text[1] = (uint8_t)(content.len >> 16);
    text[2] = (uint8_t)(content.len >> 8);
    text[3] = (uint8_t)content.len;
    if (content.len > 0) {
        memcpy(text + LENGTH_BYTES, content.data, content.len);
    }
    randombytes_buf(compartment->nonce, SEAL_NONCE_BYTES);
    crypto_aead_xchacha20poly1305_ietf_encrypt(text, NULL, text, padded_bytes, associated.data,
                                               associated.len, NULL, compartment->nonce,
                                               key->bytes);
    return ERR_OK;
}

enum err
seal_make(struct bytes content, struct bytes associated, enum seal_class min_class,
          const struct seal_public *readers, size_t n_readers,
          struct seal_compartment *compartment_out)
{
    assert(n_readers > 0 && n_readers <= SEAL_READERS_MAX && min_class < SEAL_CLASS_COUNT);
    CLEANUP(content_key_wipe) struct seal_content_key key;
    CLEANUP(seal_done) struct seal_compartment made = {.n_wraps = 0};
    enum seal_class size_class;
    if (!seal_class_for(content.len, &size_class)) {
        return ERR_TOO_LARGE;
    }
    if (size_class < min_class) {
        size_class = min_class;
    }
    randombytes_buf(key.bytes, sizeof(key.bytes));
    digest_one(COMMIT_TAG, bytes_of(key.bytes, sizeof(key.bytes)), &made.commitment);
    enum err err = wrap_for_all(&key, readers, n_readers, &made);
    if (err == ERR_OK) {
        err = encrypt(&key, content, associated, class_bytes[size_class], &made);
    }
    if (err == ERR_OK) {
        *compartment_out = made;
        made.ciphertext = BUFFER_INIT(0);
    }
    return err;
}

static bool
is_class_sized(size_t ciphertext_bytes)
{
    for (enum seal_class c = SEAL_1K; c < SEAL_CLASS_COUNT; c++) {
        if (ciphertext_bytes == class_bytes[c] + AUTH_BYTES) {
            return true;
        }
    }
    return false;
}

/* Hidden data in the padding would be a second message that only some readers look at. */
static enum err
strip_padding(struct bytes padded, struct bytes *content_out)
{
    struct reader reader = reader_of(padded);
    uint32_t len = reader_u32(&reader);
    struct bytes content = reader_take(&reader, len);
    if (reader.bad || !bytes_all_zero(reader.rest)) {
        return ERR_MALFORMED;
    }
    *content_out = content;
    return ERR_OK;
}

static enum err
decrypt(const struct seal_compartment *compartment, const struct seal_content_key *key,
        struct bytes associated, struct buffer *content_out)
{
    const struct buffer *sealed = &compartment->ciphertext;
    size_t padded_bytes = sealed->len - AUTH_BYTES;
    CLEANUP(buffer_wipe) struct buffer padded = BUFFER_INIT(padded_bytes);
    uint8_t *text = buffer_extend(&padded, padded_bytes);
    if (text == NULL) {
        return ERR_MEMORY;
    }
    if (crypto_aead_xchacha20poly1305_ietf_decrypt(text, NULL, NULL, sealed->data, sealed->len,
                                                   associated.data, associated.len,
                                                   compartment->nonce, key->bytes) != 0) {
        return ERR_SIGNATURE;
    }
    struct bytes content;
    enum err err = strip_padding(buffer_view(&padded), &content);
    if (err == ERR_OK) {
        buffer_put(content_out, content.data, content.len);
        err = buffer_err(content_out);
    }
    return err;
}

static enum err
check_commitment(const struct seal_compartment *compartment, const struct seal_content_key *key)
{
    struct digest commitment;
    digest_one(COMMIT_TAG, bytes_of(key->bytes, sizeof(key->bytes)), &commitment);
    return digest_equal(&commitment, &compartment->commitment) ? ERR_OK : ERR_SIGNATURE;
}

enum err
seal_reveal(const struct seal_compartment *compartment, size_t which,
            const struct seal_public *public_key, const struct seal_secret *secret,
            struct seal_content_key *key_out)
{
    CLEANUP(content_key_wipe) struct seal_content_key key = {{0}};
    if (!is_class_sized(compartment->ciphertext.len)) {
        return ERR_MALFORMED;
    }
    if (which >= compartment->n_wraps || which >= SEAL_READERS_MAX ||
        crypto_box_seal_open(key.bytes, compartment->wraps[which], SEAL_WRAP_BYTES,
                             public_key->bytes, secret->bytes) != 0) {
        return ERR_KEY;
    }
    enum err err = check_commitment(compartment, &key);
    if (err == ERR_OK) {
        *key_out = key;
    }
    return err;
}

enum err
seal_open_revealed(const struct seal_compartment *compartment, struct bytes associated,
                   const struct seal_content_key *key, struct buffer *content_out)
{
    if (!is_class_sized(compartment->ciphertext.len)) {
        return ERR_MALFORMED;
    }
    enum err err = check_commitment(compartment, key);
    return err == ERR_OK ? decrypt(compartment, key, associated, content_out) : err;
}

enum err
seal_open(const struct seal_compartment *compartment, size_t which, struct bytes associated,
          const struct seal_public *public_key, const struct seal_secret *secret,
          struct buffer *content_out)
{
    CLEANUP(content_key_wipe) struct seal_content_key key = {{0}};
    enum err err = seal_reveal(compartment, which, public_key, secret, &key);
    return err == ERR_OK ? seal_open_revealed(compartment, associated, &key, content_out) : err;
}
