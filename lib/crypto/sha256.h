/* SHA-256 of bytes, plain: for what people check with tools of their own. Ids and records use
 * lib/base/digest, the log's tree lib/log. */
#ifndef REFLOOP_LIB_CRYPTO_SHA256_H
#define REFLOOP_LIB_CRYPTO_SHA256_H

#include "lib/base/bytes.h"

enum { SHA256_BYTES = 32 };

void sha256_of(struct bytes bytes, uint8_t hash_out[SHA256_BYTES]);

#endif
