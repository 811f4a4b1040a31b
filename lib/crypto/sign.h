/* Ed25519 signatures (RFC 8032, by libsodium), each bound to one use by a domain tag, so that no
 * signature can be taken for another. A key is never converted into one of another kind. */
#ifndef REFLOOP_LIB_CRYPTO_SIGN_H
#define REFLOOP_LIB_CRYPTO_SIGN_H

#include "lib/base/bytes.h"

enum {
    SIGN_PUBLIC_BYTES = 32,
    SIGN_SECRET_BYTES = 64,
    SIGN_BYTES = 64,
    SIGN_SEED_BYTES = 32,
    SIGN_MESSAGE_MAX = 16384
};

/* What is being signed. The tag of each use is distinct (a test says so). */
enum sign_use {
    SIGN_STATEMENTS, /* the root over an author's statements of one turn */
    SIGN_RECEIPTS,   /* the root over the broker's receipts of one turn */
    SIGN_POSSESSION, /* a new member proves that it holds the key it brings */
    SIGN_USE_COUNT
};

struct sign_public {
    uint8_t bytes[SIGN_PUBLIC_BYTES];
};
/* Lives in secret_alloc memory. */
struct sign_secret {
    uint8_t bytes[SIGN_SECRET_BYTES];
};

void sign_new_pair(struct sign_public *public_out, struct sign_secret *secret_out);
void sign_pair_from_seed(const uint8_t seed[SIGN_SEED_BYTES], struct sign_public *public_out,
                         struct sign_secret *secret_out);
void sign_public_of(const struct sign_secret *secret, struct sign_public *public_out);

/* Signs tag NUL part[0] part[1] …; parts of variable length must be framed by the caller. All of it
 * is at most SIGN_MESSAGE_MAX bytes (a mistake of the caller otherwise): sign the hash of anything
 * larger. */
void sign_make(enum sign_use use, const struct bytes *parts, size_t n_parts,
               const struct sign_secret *secret, uint8_t signature_out[SIGN_BYTES]);
/* ERR_OK or ERR_SIGNATURE. */
enum err sign_check(enum sign_use use, const struct bytes *parts, size_t n_parts,
                    const struct sign_public *public_key,
                    const uint8_t signature[SIGN_BYTES]) MUST_CHECK;
/* Ed25519 over the text of a note as it stands, as C2SP signed-note and tlog-cosignature want it:
 * no tag. The text says what it is by its first line, which is an origin or "cosignature/v1"; no
 * tag of the uses above is one, since each holds a NUL. */
void
sign_note(struct bytes text, const struct sign_secret *secret, uint8_t signature_out[SIGN_BYTES]);
enum err sign_note_check(struct bytes text, const struct sign_public *public_key,
                         const uint8_t signature[SIGN_BYTES]) MUST_CHECK;
/* False for keys no honest member makes (small order, not on the curve). Checked at enrolment. */
bool sign_public_is_sound(const struct sign_public *public_key);
const char *sign_use_tag(enum sign_use use);

#endif
