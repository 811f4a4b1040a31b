/* Sealing: one compartment of content for a few readers, unreadable to everybody else, the broker
 * first.
 *
 * A random content key (XChaCha20-Poly1305) encrypts the padded content; the content key is wrapped
 * to each reader's X25519 key (libsodium sealed box). XChaCha20-Poly1305 does not commit to its
 * key, so `commitment` is BLAKE2b of the content key and every reader checks it before opening: one
 * ciphertext cannot show two readers two texts. The caller's associated data ties it to its
 * statement. Padding to size classes hides the true length. */
#ifndef REFLOOP_LIB_CRYPTO_SEAL_H
#define REFLOOP_LIB_CRYPTO_SEAL_H

#include "lib/base/bytes.h"
#include "lib/base/digest.h"

enum {
    SEAL_PUBLIC_BYTES = 32,
    SEAL_SECRET_BYTES = 32,
    SEAL_NONCE_BYTES = 24,
    SEAL_WRAP_BYTES = 80, /* 32-byte content key in a sealed box: 32 + 48 */
    SEAL_READERS_MAX = 8,
    SEAL_OVERHEAD_BYTES = 16 + 4, /* authenticator and length prefix, inside the size class + 16 */
};

/* Size classes of the padded plaintext, in KiB: 1, 4, 16, 64, 192. */
enum seal_class { SEAL_1K, SEAL_4K, SEAL_16K, SEAL_64K, SEAL_192K, SEAL_CLASS_COUNT };

struct seal_public {
    uint8_t bytes[SEAL_PUBLIC_BYTES];
};
struct seal_secret {
    uint8_t bytes[SEAL_SECRET_BYTES];
}; /* lives in secret_alloc memory */

struct seal_compartment {
    struct digest commitment;
    uint8_t nonce[SEAL_NONCE_BYTES];
    size_t n_wraps;
    uint8_t wraps[SEAL_READERS_MAX][SEAL_WRAP_BYTES]; /* in the order of the readers given */
    struct buffer ciphertext;                         /* owned */
};

void seal_new_pair(struct seal_public *public_out, struct seal_secret *secret_out);
/* False for keys of small order, to which nothing can be sealed. Checked at enrolment. */
bool seal_public_is_sound(const struct seal_public *public_key);

/* The smallest class that holds `content_bytes` (with its 4-byte length); false when none does. */
bool seal_class_for(size_t content_bytes, enum seal_class *class_out);
size_t seal_class_bytes(enum seal_class size_class); /* of the padded plaintext */

/* Seals content for readers[0..n_readers). ERR_TOO_LARGE when no class (or not min_class) holds it;
 * ERR_KEY when a reader's key is not sound; ERR_MEMORY. The compartment is the caller's, released
 * by seal_done. */
enum err seal_make(struct bytes content, struct bytes associated, enum seal_class min_class,
                   const struct seal_public *readers, size_t n_readers,
                   struct seal_compartment *compartment_out) MUST_CHECK;

/* Opens wrap number `which` with the reader's pair; appends the content to `content_out` (wipe it
 * with buffer_wipe). ERR_KEY when the wrap is not for this pair; ERR_SIGNATURE when commitment,
 * associated data or ciphertext do not fit; ERR_MALFORMED when the padding is not of a size class.
 */
enum err seal_open(const struct seal_compartment *compartment, size_t which,
                   struct bytes associated, const struct seal_public *public_key,
                   const struct seal_secret *secret, struct buffer *content_out) MUST_CHECK;

/* The content key of a compartment, for showing it to an outsider: whoever has it can check the
 * commitment and read this compartment, and nothing else. */
enum { SEAL_CONTENT_KEY_BYTES = 32 };
struct seal_content_key {
    uint8_t bytes[SEAL_CONTENT_KEY_BYTES];
}; /* lives in secret_alloc memory, until it is shown on purpose */
/* Errors as seal_open. */
enum err seal_reveal(const struct seal_compartment *compartment, size_t which,
                     const struct seal_public *public_key, const struct seal_secret *secret,
                     struct seal_content_key *key_out) MUST_CHECK;
enum err seal_open_revealed(const struct seal_compartment *compartment, struct bytes associated,
                            const struct seal_content_key *key,
                            struct buffer *content_out) MUST_CHECK;
void seal_done(struct seal_compartment *compartment);

#endif
