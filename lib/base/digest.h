/* BLAKE2b-256 under a domain tag: ids, record checks, key ids. The tag is hashed first, with its
 * terminating NUL, so no two uses can be mistaken for one another. (RFC 7693.) */
#ifndef REFLOOP_LIB_BASE_DIGEST_H
#define REFLOOP_LIB_BASE_DIGEST_H

#include "lib/base/bytes.h"

enum { DIGEST_BYTES = 32 };

struct digest {
    uint8_t bytes[DIGEST_BYTES];
};

/* digest = BLAKE2b-256(tag NUL part[0] part[1] …). */
void
digest_parts(const char *tag, const struct bytes *parts, size_t n_parts, struct digest *digest_out);
void digest_one(const char *tag, struct bytes bytes, struct digest *digest_out);
bool digest_equal(const struct digest *a, const struct digest *b);
bool digest_is_zero(const struct digest *digest);

#endif
