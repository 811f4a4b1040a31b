/* CURVE key pairs (ZeroMQ's transport security, X25519): 32 raw bytes each. The Z85 form is what
 * ZeroMQ's User-Id metadata gives. */
#ifndef REFLOOP_LIB_CRYPTO_CURVE_H
#define REFLOOP_LIB_CRYPTO_CURVE_H

#include "lib/base/bytes.h"

enum { CURVE_KEY_BYTES = 32, CURVE_Z85_BYTES = 41 };
struct curve_public {
    uint8_t bytes[CURVE_KEY_BYTES];
};
struct curve_secret {
    uint8_t bytes[CURVE_KEY_BYTES];
}; /* lives in secret_alloc memory */

void curve_new_pair(struct curve_public *public_out, struct curve_secret *secret_out);
void curve_public_of(const struct curve_secret *secret, struct curve_public *public_out);
/* Z85 (ZeroMQ RFC 32): 40 characters and NUL. */
void curve_to_z85(const uint8_t key[CURVE_KEY_BYTES], char out[CURVE_Z85_BYTES]);
bool curve_from_z85(const char *text, uint8_t key_out[CURVE_KEY_BYTES]);

#endif
