/* The broker's core: rules and durable state, no socket, no clock, no thread. Frames and time go
 * in; frames to send come out of a queue. broker/server moves both to the network; tests and the
 * simulator play the network themselves.
 *
 * One loop turn: frames in (broker_receive) → signatures checked, in any thread (broker_take_job,
 * verify_job_run, broker_give_job) → everything verified is judged, each peer in order of arrival,
 * and staged in one write transaction → commit → only then receipts and new entries go out
 * (broker_turn). A receipt therefore means: on disk. */
#ifndef REFLOOP_BROKER_BROKER_H
#define REFLOOP_BROKER_BROKER_H

#include "lib/base/clock.h"
#include "lib/trust/directory.h"
#include "lib/wire/message.h"

enum { ROUTE_BYTES = 16 };
/* A random handle of one connection (the ROUTER routing id). Says nothing about who is behind it.
 */
struct route {
    uint8_t bytes[ROUTE_BYTES];
};

struct broker_options {
    const char *store_dir;
    int64_t map_bytes, map_max_bytes;
    struct bytes
        genesis_envelope; /* becomes entry 0 of an empty store; must equal entry 0 of any other */
    struct network_id network;
    const struct sign_secret *log_secret; /* signs receipts; must match the genesis */
    int64_t gather_ms;                    /* longest wait for more statements before a commit */
    int64_t gather_statements;            /* commit at once with this many */
    int64_t admit_below_percent; /* of the map: new requests are refused as busy above it, later
                                    steps are not */
    int64_t
        statements_per_minute; /* per member; above: refused with quota and a time to come back */
    int64_t bytes_per_day;     /* per member, of what it adds to the store; 0: no limit */
    int64_t witness_ms;        /* a checkpoint is put before the members at most so often */
};

struct broker;

/* Opens or founds the store, checks entry 0, folds the directory. ERR_CORRUPT, ERR_WRONG_NETWORK,
 * ERR_LOCKED, ... with a sentence. */
enum err broker_open(const struct broker_options *options, struct broker **broker_out,
                     struct complaint *complaint) MUST_CHECK;
void broker_free(struct broker *broker);
void broker_freep(struct broker **broker);

/* May this CURVE key connect? (ZAP) MEMBER and INVITED are let in; so are keys that are known but
 * spent or revoked, to be told so in words: a revoked one has every message refused; a spent or
 * expired one is greeted, and what it submits is refused, unless it is the JOIN that was taken.
 * Strangers are not, but for the
 * time the log is being refilled: then one may be a member that this copy does not know yet, and is
 * heard as far as it proves that (recover.h). */
enum admission { ADMIT_STRANGER, ADMIT_KNOWN, ADMIT_HELPER };
enum admission broker_admits(const struct broker *broker, const struct curve_public *key);

/* One body frame from the connection `route`, authenticated by CURVE as `peer`. Never fails for
 * what the peer sent: that is refused, counted and answered. Errors are our own. */
enum err broker_receive(struct broker *broker, const struct curve_public *peer,
                        const struct route *route, struct bytes frame,
                        struct instant now) MUST_CHECK;

/* Signature checks, to be run anywhere. A job owns copies of all it needs. */
struct verify_job;
struct verify_job *broker_take_job(struct broker *broker); /* NULL when there is none */
void verify_job_run(struct verify_job *job);               /* pure; any thread */
void broker_give_job(struct broker *broker, struct verify_job *job,
                     struct instant now); /* takes ownership */

/* Milliseconds until a turn should run, 0 when now, -1 when there is nothing to commit. */
int64_t broker_turn_wait_ms(const struct broker *broker, struct instant now);
/* Judges, commits, and queues what must be said. ERR_DISK_FULL is handled inside (read-only, peers
 * told busy, tried again later); any other error means: exit and start again. */
enum err broker_turn(struct broker *broker, struct instant now) MUST_CHECK;

/* A root-signed statement from the administrator (invite, revoke): its own turn, answered at once.
 */
enum err broker_submit_root(struct broker *broker, struct bytes envelope, struct instant now,
                            struct receipt *receipt_out) MUST_CHECK;

/* The next frame to send; false when none. `frame_out` is the caller's to release with buffer_done.
 */
bool broker_take_output(struct broker *broker, struct route *route_out, struct buffer *frame_out);
/* The edge could not send to this route (gone or full): forget it; the agent will ask again. */
void broker_route_lost(struct broker *broker, const struct route *route);
/* Once a second or so: forgets silent sessions, retries after a full disk. */
void broker_tend(struct broker *broker, struct instant now);

const struct directory *broker_directory(const struct broker *broker);
/* The last checkpoint signed; empty before the first. A view until the next turn. */
struct bytes broker_checkpoint(const struct broker *broker);
/* Whether a member has told its size since the recovery began. */
bool broker_recover_has_heard(const struct broker *broker, const char *org);
/* Active members that have not. */
size_t broker_recover_unheard(const struct broker *broker);
/* Connections by unknown keys that have shown to hold more than there is. */
size_t broker_recover_helpers(const struct broker *broker);
/* Entries, from first to last, that are still missing below the goal of the recovery: the first
 * `max` such ranges. */
struct broker_gap {
    uint64_t first, last;
};
enum err broker_recover_gaps(struct broker *broker, struct broker_gap *gaps_out, size_t max,
                             size_t *n_out) MUST_CHECK;
/* The administrator: end the recovery without the members not heard. ERR_NOT_PERMITTED when there
 * is none, ERR_SEQUENCE while entries are still missing, unless members hold another log: then the
 * log is left as it is. */
enum err broker_recover_waive(struct broker *broker, struct instant now) MUST_CHECK;

struct broker_status {
    uint64_t entries;
    uint64_t loops;
    int64_t log_time_ms;
    bool read_only; /* the disk is full */
    unsigned fill_percent;
    size_t sessions;
    uint64_t accepted, superseded, duplicates; /* since start */
    uint64_t refused[128];                     /* by enum err, since start */
    uint8_t incarnation[INCARNATION_BYTES];
    uint64_t checkpoint_size;                /* of the last head signed */
    uint64_t witnessed_size;                 /* of the present round; 0 when none */
    size_t n_cosignatures;                   /* in the present round */
    int64_t witness_round_ms;                /* boot time it began; 0: before the start */
    bool recovering;                         /* restored from an old copy: signs nothing */
    uint64_t recover_began_at, recover_goal; /* entries */
    size_t recover_missing;                  /* active members not heard since */
    bool recover_forked;                     /* members hold another log than ours */
    size_t recover_helpers; /* connections by keys that this copy does not know, and that help */
};
void broker_get_status(const struct broker *broker, struct broker_status *status_out);

/* What one organization was refused for one reason, since the start. */
struct broker_refused {
    const char *org; /* a view until the next turn */
    enum err code;
    uint64_t n;
    int64_t first_ms, last_ms; /* wall */
};
/* Walks them, those of one organization after one another: start with *cursor = 0; false at the
 * end. */
bool broker_next_refused(const struct broker *broker, uint64_t *cursor,
                         struct broker_refused *refused_out);

/* When a member was last heard from (any message) on this run; 0 when not. */
int64_t broker_last_heard_ms(const struct broker *broker, const char *org);
bool broker_is_online(const struct broker *broker, const char *org, struct instant now);

/* Folds the whole log afresh in memory and compares every projection with the stored one; also
 * checks every entry's signature, author key and chain. ERR_CORRUPT with the first difference in
 * the complaint. Reads only. */
enum err broker_check_store(struct broker *broker, struct complaint *complaint) MUST_CHECK;
/* Drops all projections and folds them again from the log. */
enum err broker_rebuild(struct broker *broker, struct complaint *complaint) MUST_CHECK;

#endif
