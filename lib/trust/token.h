/* The invite token: what an administrator hands to a new organization, one line of text. It carries
 * the genesis and invite statements (both root-signed, so every public part is checked) and the
 * secrets of the two one-time keys. Nothing in it is taken on trust but the root key, and that is
 * shown as a fingerprint to compare. */
#ifndef REFLOOP_LIB_TRUST_TOKEN_H
#define REFLOOP_LIB_TRUST_TOKEN_H

#include "lib/trust/directory.h"

#define TOKEN_PREFIX "refloop-invite-1:"
enum { TOKEN_TEXT_MAX = 8192, FINGERPRINT_TEXT = 48 };

struct token {
    struct network_id network;
    struct statement_genesis genesis;
    struct statement_invite invite;
    struct buffer genesis_envelope; /* owned: the exact bytes */
    struct buffer invite_envelope;  /* owned */
    uint8_t once_sign_seed[SIGN_SEED_BYTES];
    struct curve_secret once_curve;
};

/* Appends the line (no newline) to `out`. */
enum err token_format(struct bytes genesis_envelope, struct bytes invite_envelope,
                      const uint8_t once_sign_seed[SIGN_SEED_BYTES],
                      const struct curve_secret *once_curve, struct buffer *out) MUST_CHECK;
/* Parses and checks everything that can be checked without the broker: ERR_TOKEN_ALTERED (damaged,
 * a changed character, keys that do not match), ERR_VERSION. White space around the line is
 * ignored. */
enum err token_parse(struct bytes text, struct token *token_out) MUST_CHECK;
void token_done(struct token *token); /* wipes */

/* Six groups of hex for people to compare by telephone: "3f2a 91c0 77de 0b14 a2f5 6c8e". */
void token_fingerprint(const struct network_id *network, char out[FINGERPRINT_TEXT]);

#endif
