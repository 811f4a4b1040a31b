/* Signatures: which bytes stand for which use, and nothing about what the bytes say.
 *
 * The message handed to Ed25519 is tag NUL parts, joined in one array on the stack: plain Ed25519
 * and not its pre-hashed form, so that any other implementation can check it. Signing must not be
 * able to run out of memory, hence the fixed maximum: whoever has more to sign signs its hash.
 * Notes are the one thing signed without a tag, since their format is not ours to change.
 *
 * libsodium refuses small-order keys and S outside the group order by itself. It may say no where a
 * laxer verifier says yes, never the other way round for keys an honest member makes. */
#include "lib/crypto/sign.h"

#include <assert.h>
#include <string.h>

#include <sodium.h>

static const char *const tags[SIGN_USE_COUNT] = {
    [SIGN_STATEMENTS] = "refloop.sign.statements.v1",
    [SIGN_RECEIPTS] = "refloop.sign.receipts.v1",
    [SIGN_POSSESSION] = "refloop.sign.possession.v1",
};

_Static_assert((int)SIGN_PUBLIC_BYTES == (int)crypto_sign_PUBLICKEYBYTES, "public key size");
_Static_assert((int)SIGN_SECRET_BYTES == (int)crypto_sign_SECRETKEYBYTES, "secret key size");
_Static_assert((int)SIGN_SEED_BYTES == (int)crypto_sign_SEEDBYTES, "seed size");
_Static_assert((int)SIGN_BYTES == (int)crypto_sign_BYTES, "signature size");

const char *
sign_use_tag(enum sign_use use)
{
    assert(use < SIGN_USE_COUNT);
    return tags[use];
}

void
sign_new_pair(struct sign_public *public_out, struct sign_secret *secret_out)
{
    crypto_sign_keypair(public_out->bytes, secret_out->bytes);
}

void
sign_pair_from_seed(const uint8_t seed[SIGN_SEED_BYTES], struct sign_public *public_out,
                    struct sign_secret *secret_out)
{
    crypto_sign_seed_keypair(public_out->bytes, secret_out->bytes, seed);
}

void
sign_public_of(const struct sign_secret *secret, struct sign_public *public_out)
{
    crypto_sign_ed25519_sk_to_pk(public_out->bytes, secret->bytes);
}

bool
sign_public_is_sound(const struct sign_public *public_key)
{
    return crypto_core_ed25519_is_valid_point(public_key->bytes) == 1;
}

/* The length of the whole message; 0 when it is more than `message` holds. */
static size_t
join(enum sign_use use, const struct bytes *parts, size_t n_parts,
     uint8_t message[SIGN_MESSAGE_MAX])
{
    const char *tag = sign_use_tag(use);
    size_t used = strlen(tag) + 1;
    memcpy(message, tag, used);
    for (size_t i = 0; i < n_parts; i++) {
        if (parts[i].len > SIGN_MESSAGE_MAX - used) {
            return 0;
        }
        if (parts[i].len > 0) {
            memcpy(message + used, parts[i].data, parts[i].len);
        }
        used += parts[i].len;
    }
    return used;
}

void
sign_make(enum sign_use use, const struct bytes *parts, size_t n_parts,
          const struct sign_secret *secret, uint8_t signature_out[SIGN_BYTES])
{
    uint8_t message[SIGN_MESSAGE_MAX];
    size_t len = join(use, parts, n_parts, message);
    assert(len > 0);
    crypto_sign_detached(signature_out, NULL, message, len, secret->bytes);
}

enum err
sign_check(enum sign_use use, const struct bytes *parts, size_t n_parts,
           const struct sign_public *public_key, const uint8_t signature[SIGN_BYTES])
{
    uint8_t message[SIGN_MESSAGE_MAX];
    size_t len = join(use, parts, n_parts, message);
    /* Nobody can have signed what is too long to be signed. */
    if (len == 0 || crypto_sign_verify_detached(signature, message, len, public_key->bytes) != 0) {
        return ERR_SIGNATURE;
    }
    return ERR_OK;
}

void
sign_note(struct bytes text, const struct sign_secret *secret, uint8_t signature_out[SIGN_BYTES])
{
    crypto_sign_detached(signature_out, NULL, text.data, text.len, secret->bytes);
}

enum err
sign_note_check(struct bytes text, const struct sign_public *public_key,
                const uint8_t signature[SIGN_BYTES])
{
    int rc = crypto_sign_verify_detached(signature, text.data, text.len, public_key->bytes);
    return rc == 0 ? ERR_OK : ERR_SIGNATURE;
}
