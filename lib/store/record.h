/* What stands in front of every stored payload: one version byte, then the first 16 bytes of a
 * digest over table, key and payload. LMDB has no page checksums; with this a flipped bit, and also
 * a whole page that comes back in another's place, is an error and never data. */
#ifndef REFLOOP_LIB_STORE_RECORD_H
#define REFLOOP_LIB_STORE_RECORD_H

#include "lib/base/bytes.h"

enum { RECORD_VERSION = 1, RECORD_CHECK_BYTES = 16, RECORD_HEAD_BYTES = 1 + RECORD_CHECK_BYTES };

/* Table names and keys are at most 255 bytes long. */
void record_head(const char *table, struct bytes key, struct bytes payload,
                 uint8_t head_out[RECORD_HEAD_BYTES]);
/* A view of the payload inside `stored`; ERR_CORRUPT when version or digest do not fit. */
enum err record_open(const char *table, struct bytes key, struct bytes stored,
                     struct bytes *payload_out) MUST_CHECK;
/* The same without the digest. */
enum err record_open_unchecked(struct bytes stored, struct bytes *payload_out) MUST_CHECK;

#endif
