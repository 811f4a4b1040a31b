/* The agent as its own files see it. Nothing outside agent/ includes this. */
#ifndef REFLOOP_AGENT_STATE_H
#define REFLOOP_AGENT_STATE_H

#include "agent/agent.h"
#include "agent/changes.h"
#include "agent/outbox.h"
#include "agent/proof.h"
#include "agent/tables.h"

/* The entry read last: the log's time goes on from it. */
struct latest_entry {
    bool known;
    uint64_t index;
    int64_t log_time_ms;
};

/* The conversation over the present connection. Times are boot time unless they say wall. */
struct session {
    bool up;
    bool ready; /* welcomed; while the broker is being refilled (proof.broker_recovering) only to be
                   given copies, and what is made */
    unsigned n_doubts; /* heads and proofs in a row that were not believed: hello waits longer */
    int64_t heard_ms;
    bool hello_waiting; /* said, not answered */
    int64_t hello_ms;   /* when it was said, or is to be said */
    bool fetch_waiting; /* a long poll stands at the broker, as far as we know */
    int64_t fetch_ms;   /* not to be sent before */
    uint64_t n_fetches;
    bool ping_waiting, ping_wanted;
    int64_t ping_ms; /* when it was sent */
    uint64_t ping_nonce;
    uint64_t ping_after_fetches; /* n_fetches when it was sent */
    int64_t receipts_ms;         /* of the last receipts */
    uint64_t welcome_head;       /* of the log when this connection began */
    uint64_t read_to;            /* nothing of ours stands between the cursor and here */
    bool caught_up;              /* everything up to welcome_head has been read */
    struct agent_link_status status;
};

struct agent {
    struct agent_options options; /* store_dir is not kept */
    const struct identity *identity;
    struct kv *kv;
    struct directory *directory;
    struct outbox outbox;
    struct session session;
    struct changes changes;
    uint64_t cursor; /* first index not yet read; as on disk */
    bool has_incarnation;
    uint8_t incarnation[INCARNATION_BYTES];
    bool disk_full;
    int64_t disk_full_since_ms; /* wall */
    struct proof_state proof;
    struct {
        bool wanted; /* a checkpoint is to be cosigned */
        uint64_t size;
        uint64_t done_size; /* the last one cosigned on this run */
        struct message_cosign word;
    } cosign;
    struct {
        bool asked;
        uint64_t from;
    } copies;
    struct {
        bool wanted, waiting;
        struct loop_id loop;
        struct message_prove word;
        int64_t asked_ms; /* boot */
        size_t note_len;  /* of the checkpoint asked about, signed by the broker alone */
        uint8_t note[LIMIT_CHECKPOINT_BYTES];
    } prove;
    uint64_t born_at; /* the log's length when this store first met it: own entries from there on
                         are ours or a thief's */
    uint64_t proved_from; /* entries below were taken before there were proofs; 0 in a store that
                             began with them */
    struct latest_entry latest;
    struct verified_root entries_root, receipts_root;
    struct message in, out; /* large: here rather than on the stack */
};

/* Reads back from disk what is kept in memory: directory, outbox, cursor, incarnation, checkpoint.
 */
enum err state_reload(struct agent *agent) MUST_CHECK;

/* What the meta table holds. */
enum err state_put_cursor(struct unit *unit, uint64_t cursor) MUST_CHECK;
enum err
state_put_incarnation(struct unit *unit, const uint8_t incarnation[INCARNATION_BYTES]) MUST_CHECK;
enum err state_put_birth(struct unit *unit, uint64_t index) MUST_CHECK;
/* agent->latest. */
enum err state_put_latest(struct unit *unit) MUST_CHECK;
/* A store from before there were proofs: everything so far is taken to be ours, and unproved. */
enum err state_upgrade(struct unit *unit) MUST_CHECK;

#endif
