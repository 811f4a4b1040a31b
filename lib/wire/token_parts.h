/* The inside of an invite line as bytes (proto/envelope.proto, Token): its form and its check only.
 * What the parts mean, and whether they fit together, is lib/trust/token. */
#ifndef REFLOOP_LIB_WIRE_TOKEN_PARTS_H
#define REFLOOP_LIB_WIRE_TOKEN_PARTS_H

#include "lib/base/bytes.h"

struct token_parts {
    struct bytes genesis_envelope;
    struct bytes invite_envelope;
    struct bytes once_sign_seed; /* secret */
    struct bytes once_curve;     /* secret */
};

/* Appends the wire form, which holds secrets. ERR_TOO_LARGE, ERR_MEMORY. */
enum err token_parts_encode(const struct token_parts *parts, struct buffer *out) MUST_CHECK;
/* Views into `bytes`; the secrets are not copied. ERR_MALFORMED, also when the check does not fit.
 */
enum err token_parts_decode(struct bytes bytes, struct token_parts *parts_out) MUST_CHECK;

#endif
