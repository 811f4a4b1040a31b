/* The wire form of an evidence file's message (proto/evidence.proto), field by field; what it
 * proves is decided in lib/proof. */
#ifndef REFLOOP_LIB_WIRE_EVIDENCE_PARTS_H
#define REFLOOP_LIB_WIRE_EVIDENCE_PARTS_H

#include "lib/wire/sealed.h"

enum {
    EVIDENCE_BYTES_MAX = 64 * 1024 * 1024,
    EVIDENCE_CHECKPOINTS_MAX = 256,
    EVIDENCE_ENTRIES_MAX = 16384
};

struct evidence_part {
    uint64_t index;
    int64_t log_time_ms;
    struct bytes envelope;
    uint32_t checkpoint;
    struct bytes inclusion;
    bool has_body_key, has_facts_key;
    struct sealed_revealed keys; /* zero where there is none */
};
struct evidence_parts {
    struct network_id network;
    struct loop_id loop;
    size_t n_checkpoints;
    struct bytes *checkpoints; /* array owned; views */
    size_t n_entries;
    struct evidence_part *entries; /* array owned; views */
};
/* Appends the message. ERR_TOO_LARGE past the maxima, ERR_INVALID without a checkpoint or an entry,
 * with an empty field, or with a key of zeros. */
enum err evidence_parts_encode(const struct evidence_parts *parts, struct buffer *out) MUST_CHECK;
/* Views point into `bytes`. ERR_MALFORMED also for what is not exactly the bytes that
 * evidence_parts_encode would write: a file has one form. ERR_TOO_LARGE, ERR_MEMORY. */
enum err evidence_parts_decode(struct bytes bytes, struct evidence_parts *parts_out) MUST_CHECK;
void evidence_parts_done(struct evidence_parts *parts);

#endif
