/* Private to broker/audit: fixed-size records put aside into a temporary file by the bits of their
 * key, so that all records of one loop come together again without holding the log in memory.
 *
 * The file is gone from its directory as soon as it is open. Blocks of one bucket are chained
 * backwards; in memory are one block for each bucket and writer, and the head of each chain. */
#ifndef REFLOOP_BROKER_AUDIT_SPILL_H
#define REFLOOP_BROKER_AUDIT_SPILL_H

#include <pthread.h>

#include "lib/base/bytes.h"
#include "lib/base/digest.h"
#include "lib/loop/ident.h"

enum { SPILL_BUCKETS = 256, SPILL_BLOCK_BYTES = 4096 };

/* One loop statement as far as the loop's rules ask. The first two fields are the order: a loop's
 * statements as the log has them. */
struct spill_record {
    uint8_t loop[LOOP_ID_BYTES];
    uint8_t index[8]; /* big-endian */
    int64_t log_time_ms;
    uint64_t author, reader; /* handles; the reader is the other side */
    struct digest id, previous, heard, delivered;
    uint32_t seq;
    uint32_t event;
};

enum {
    SPILL_HEAD_BYTES = 16,
    SPILL_BLOCK_RECORDS = (SPILL_BLOCK_BYTES - SPILL_HEAD_BYTES) / (int)sizeof(struct spill_record)
};

struct spill_block {
    uint64_t before; /* block that precedes in the chain, plus one; 0: none */
    uint64_t n;
    struct spill_record records[SPILL_BLOCK_RECORDS];
    uint8_t rest[SPILL_BLOCK_BYTES - SPILL_HEAD_BYTES -
                 SPILL_BLOCK_RECORDS * sizeof(struct spill_record)]; /* whole pages are written */
};

struct spill_bucket {
    uint64_t last; /* block, plus one */
    uint64_t n;    /* records */
};

struct spill {
    int fd;
    unsigned byte; /* of the loop id, that chooses the bucket */
    pthread_mutex_t lock;
    uint64_t n_blocks;
    struct spill_bucket buckets[SPILL_BUCKETS];
};

/* In TMPDIR, else /var/tmp. ERR_IO, ERR_MEMORY. */
enum err spill_new(unsigned byte, struct spill **spill_out) MUST_CHECK;
void spill_free(struct spill *spill);
void spill_freep(struct spill **spill);

/* Each thread that writes has one of its own. */
struct spill_writer {
    struct spill *spill;
    struct spill_block *blocks; /* owned; SPILL_BUCKETS of them */
};
enum err spill_writer_init(struct spill_writer *writer, struct spill *spill) MUST_CHECK;
void spill_writer_done(struct spill_writer *writer);
/* ERR_DISK_FULL, ERR_IO. */
enum err spill_add(struct spill_writer *writer, const struct spill_record *record) MUST_CHECK;
/* What is still in memory goes to the file. */
enum err spill_flush(struct spill_writer *writer) MUST_CHECK;

/* After the last flush. Walks the blocks of a bucket, from the last one back: start with
 * *at = bucket.last; false at the end. */
enum err
spill_read_block(const struct spill *spill, uint64_t *at, struct spill_block *block_out) MUST_CHECK;
/* All records of a bucket, sorted; the array has room for its n. */
enum err
spill_load(const struct spill *spill, size_t bucket, struct spill_record *records_out) MUST_CHECK;

/* Index of the entry a record is about. */
uint64_t spill_index(const struct spill_record *record);

#endif
