/* struct broker itself: shared by the files of this directory, opaque to everybody else. */
#ifndef REFLOOP_BROKER_STATE_H
#define REFLOOP_BROKER_STATE_H

#include "broker/broker.h"
#include "broker/journal.h"
#include "broker/ledger.h"
#include "broker/recover.h"
#include "broker/refusals.h"
#include "broker/session.h"
#include "broker/verify_job.h"

enum {
    STATE_BUSY_RETRY_MS = 5 * 1000,       /* disk full */
    STATE_CROWDED_RETRY_MS = 250,         /* too much is waiting for its turn */
    STATE_WATERMARK_RETRY_MS = 60 * 1000, /* store nearly full */
    STATE_PENDING_BYTES = 64 * 1024 * 1024,
    STATE_MEASURE_BYTES = 4 * 1024 * 1024, /* appended between two looks at the fill of the store */
};

struct state_counters {
    uint64_t accepted, superseded, duplicates;
};

/* The consistency proof asked for last: most sessions stand at the same size. */
struct state_consistency {
    uint64_t from, size; /* none while size is 0 */
    struct proof proof;
};

/* Invariants: `head` is what is committed, never what is staged; `directory` is the fold of the
 * entries below head.entries. */
struct broker {
    struct kv *kv;
    struct directory *directory;
    struct network_id network;
    const struct sign_secret *log_secret;
    int64_t gather_ms, gather_statements, admit_below_percent, statements_per_minute, bytes_per_day;
    uint8_t incarnation[INCARNATION_BYTES];
    struct journal_head head;
    struct sessions sessions;
    struct verify_queue queue;
    struct message received; /* the one being handled: too large for a stack */
    bool read_only;
    unsigned fill_percent; /* when last looked at */
    uint64_t unmeasured_bytes;
    struct state_counters counters;
    struct refusals refusals;
    struct ledger ledger; /* what is committed, as head */
    struct state_consistency consistency;
    int64_t witness_ms;
    int64_t witness_round_ms; /* boot time the present round began; 0: before the start */
    uint64_t witnessed_size;  /* its checkpoint; 0: none */
    size_t n_cosignatures;
    struct buffer witnessed; /* its note */
    size_t n_cosignatures_kept;
    bool has_unkept; /* cosignatures that the store does not have */
    struct state_consistency witness_consistency;
    struct logging_limit witness_lines;
    struct recover recover;
};

/* The log's present time, for people and for the expiry of invites. */
static inline int64_t
state_log_time(const struct broker *broker, struct instant now)
{
    return now.wall_ms > broker->head.log_time_ms ? now.wall_ms : broker->head.log_time_ms;
}

#endif
