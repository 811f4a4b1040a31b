/* The vault: content at rest under one local key (XChaCha20-Poly1305, random nonce in front), tied
 * to the place it is stored at by associated data; and the passphrase wrapping of the root key
 * (Argon2id). */
#ifndef REFLOOP_LIB_CRYPTO_VAULT_H
#define REFLOOP_LIB_CRYPTO_VAULT_H

#include "lib/base/bytes.h"

enum { VAULT_KEY_BYTES = 32 };
struct vault_key {
    uint8_t bytes[VAULT_KEY_BYTES];
}; /* lives in secret_alloc memory */

void vault_new_key(struct vault_key *key_out);
/* Appends the sealed form of `content` to `out`. */
enum err vault_close(const struct vault_key *key, struct bytes place, struct bytes content,
                     struct buffer *out) MUST_CHECK;
/* Appends the content to `out`; ERR_CORRUPT when key, place or bytes do not fit. */
enum err vault_open(const struct vault_key *key, struct bytes place, struct bytes sealed,
                    struct buffer *out) MUST_CHECK;

/* Wraps a secret under a passphrase: Argon2id with `effort`, its parameters stored in front.
 * VAULT_EFFORT_TEST is for tests and throw-away demo networks only. */
enum vault_effort { VAULT_EFFORT_TEST, VAULT_EFFORT_INTERACTIVE, VAULT_EFFORT_MODERATE };
enum err vault_wrap(struct bytes passphrase, enum vault_effort effort, struct bytes secret,
                    struct buffer *out) MUST_CHECK;
/* ERR_KEY when the passphrase is wrong or the bytes are changed; ERR_MALFORMED when they are no
 * wrapped secret at all or ask for more than 1 GiB of memory. */
enum err
vault_unwrap(struct bytes passphrase, struct bytes wrapped, struct buffer *secret_out) MUST_CHECK;

#endif
