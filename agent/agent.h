/* The agent's core: one organization's keys, queue and records; no socket, no clock. The link gives
 * it frames and takes frames from it; commands call the functions below. Content (facts, body) is
 * opaque bytes here: agent/content knows what is in them.
 *
 * Two rules make it safe to stop at any moment. A statement is put in the outbox in the same
 * transaction as everything that follows from it; and what arrives is recorded, folded and
 * confirmed (its delivery receipt queued) in one transaction with the moved cursor. The state of a
 * loop moves only with the broker's log: until then a step is "queued" or "sent" and shown as such.
 */
#ifndef REFLOOP_AGENT_AGENT_H
#define REFLOOP_AGENT_AGENT_H

#include "agent/identity.h"
#include "lib/base/clock.h"
#include "lib/loop/track.h"
#include "lib/trust/directory.h"
#include "lib/wire/message.h"

struct agent_options {
    const char *store_dir;
    int64_t map_bytes, map_max_bytes;
    const struct identity *identity; /* outlives the agent */
    int64_t ping_ms;                 /* a ping after so long without a word from the broker */
    int64_t silence_ms;              /* no answer for so long: the link is in doubt */
    int64_t credit_bytes;            /* asked for with each fetch */
    int64_t window;                  /* statements sent and not yet receipted */
    int64_t witnesses_wanted;        /* cosignatures of other members we want to see */
    int64_t witness_ms;              /* look for a new cosigned checkpoint at least so often */
};

struct agent;

enum err agent_open(const struct agent_options *options, struct agent **agent_out,
                    struct complaint *complaint) MUST_CHECK;
void agent_free(struct agent *agent);
void agent_freep(struct agent **agent);
const struct identity *agent_identity(const struct agent *agent);
const struct directory *agent_directory(const struct agent *agent);

/* --- link side
 * ---------------------------------------------------------------------------------------------------------------
 */

/* A fresh connection exists (a new socket): everything unreceipted will be said again. */
void agent_link_up(struct agent *agent, struct instant now);
void agent_link_down(struct agent *agent, struct instant now);
/* A frame from the broker. ERR_DISK_FULL: nothing was taken in, the link should be dropped and
 * tried again later. Other errors are our own. What a broken broker sends is refused and counted,
 * never an error. */
enum err agent_receive(struct agent *agent, struct bytes frame, struct instant now) MUST_CHECK;
/* The next frame to send now; *none_out true when there is none. Statements are made (sequence,
 * seal, signature) and stored here, just before they are first sent. */
enum err agent_next_frame(struct agent *agent, struct instant now, struct buffer *frame_out,
                          bool *none_out) MUST_CHECK;
/* Boot time at which agent_next_frame or agent_link_doubt has something new, INT64_MAX when never.
 */
int64_t agent_next_deadline_ms(const struct agent *agent);
/* True when the broker has been silent for too long although it was asked: destroy the socket, make
 * a new one. */
bool agent_link_doubt(const struct agent *agent, struct instant now);

struct agent_link_status {
    bool ready;             /* welcomed on the present connection */
    int64_t ready_since_ms; /* wall */
    int64_t heard_ms;       /* wall time of the last word from the broker, 0 never */
    enum err refused;       /* what the broker said when it refused the session, ERR_OK otherwise
                               (revoked, busy, version) */
    int64_t refused_since_ms;
    const char *unproved;  /* why this agent itself does not go on with what the broker told, in
                              words;  NULL when it does. A hello is said again by and by */
    uint64_t cursor, head; /* of the log: how far we have read, how far it goes */
    int64_t broker_clock_ahead_ms;    /* the broker's clock minus ours, as last told */
    uint64_t bad_frames, bad_entries; /* refused from the broker, since start */
};
void agent_get_link_status(const struct agent *agent, struct agent_link_status *status_out);

/* --- staff side
 * --------------------------------------------------------------------------------------------------------------
 */

struct agent_content {
    struct bytes facts; /* codes only, at most LIMIT_FACTS_BYTES */
    struct bytes body;  /* may be empty: then an empty object is sealed */
};

/* Starts a loop: queues its request. ERR_UNKNOWN_MEMBER, ERR_REVOKED, ERR_SELF_ADDRESSED,
 * ERR_TOO_LARGE, ERR_DISK_FULL; nothing is queued then. */
enum err agent_start_loop(struct agent *agent, const char *target_org,
                          enum statement_priority priority, int64_t due_ms,
                          const struct agent_content *content, struct instant now,
                          struct loop_id *loop_out, struct complaint *complaint) MUST_CHECK;
/* Queues a further step. Judged against the loop as it will be once what is queued has arrived:
 * ERR_WRONG_STATE names that state and what is possible now. ERR_UNKNOWN_LOOP, ERR_REVOKED (the
 * partner: only what ends the loop can still be said then), ERR_TOO_LARGE, ERR_DISK_FULL.
 *
 * A loop whose request was refused for good is known to nobody else: void or withdraw ends it here,
 * and queues nothing. */
enum err agent_say(struct agent *agent, const struct loop_id *loop, enum loop_event event,
                   int64_t due_ms, bool automatic, const struct agent_content *content,
                   struct instant now, struct complaint *complaint) MUST_CHECK;

/* How far a step has come. Each stage includes the ones before. */
enum step_stage {
    STAGE_QUEUED,    /* on this agent's disk */
    STAGE_SENT,      /* made, signed and sent; no receipt yet */
    STAGE_ACCEPTED,  /* on the broker's disk */
    STAGE_DELIVERED, /* on the other side's disk */
    STAGE_REFUSED,   /* by the broker, for good */
};

/* One step in a loop's timeline. */
struct step_view {
    uint32_t number; /* 1.. in the order this agent came to know of it; receipts are not steps */
    enum loop_role role;
    enum loop_event event;
    enum step_stage stage;
    enum err refusal;     /* STAGE_REFUSED */
    int64_t authored_ms;  /* the author's clock */
    int64_t accepted_ms;  /* the broker's log time, 0 when not yet */
    uint64_t index;       /* in the log, when accepted */
    int64_t delivered_ms; /* log time of the delivery receipt, 0 when not yet */
    int64_t due_ms;
    const char *unproved; /* STAGE_SENT: why the broker's receipt proves nothing; NULL otherwise */
    bool proved;          /* logged or receipted, with an inclusion proof we have checked */
    bool superseded;      /* crossed with a step of the other side and changed nothing */
    bool automatic;
    bool unreadable; /* it could not be opened, here or when it came: say so to people */
    enum loop_state state_after; /* once accepted */
    struct digest id;            /* zero until made */
    struct bytes facts, body;    /* opened content; valid during the callback only */
};

struct loop_view {
    struct loop_id loop;
    enum loop_role role; /* ours */
    const char *partner_org;
    const char *partner_name;             /* from the directory */
    struct loop_position position;        /* by the log */
    struct loop_position queued_position; /* once our queue has arrived */
    int64_t since_ms; /* log time (or local time while only queued) of the step that made the
                         present state */
    int64_t created_ms;
    enum statement_priority priority;
    int64_t needed_by_ms, due_ms; /* request's needed-by; the newest due of accept or hold */
    uint32_t n_steps;
    uint32_t n_waiting;     /* our steps without a broker receipt */
    uint32_t n_undelivered; /* our steps accepted but not yet on the other side's disk */
    uint32_t n_refused;
    bool last_superseded; /* our newest step but for notes crossed and changed nothing: somebody
                             should look */
    bool dropped; /* it never reached the log, and was ended here: `void` for us, unknown to others
                   */
    bool partner_revoked;
};

/* Walks all loops, newest first. The callback returns false to stop. */
typedef bool (*agent_loop_callback)(void *context, const struct loop_view *loop);
enum err
agent_each_loop(struct agent *agent, agent_loop_callback callback, void *context) MUST_CHECK;
/* Loops whose id starts with the short form; ERR_UNKNOWN_LOOP, ERR_AMBIGUOUS (with examples in the
 * complaint), ERR_INVALID. */
enum err agent_find_loop(struct agent *agent, const char *short_form, struct loop_id *loop_out,
                         struct complaint *complaint) MUST_CHECK;
enum err agent_get_loop(struct agent *agent, const struct loop_id *loop,
                        struct loop_view *view_out) MUST_CHECK;
/* The steps in the order of the log, those not yet logged last. Strings and bytes are valid during
 * the callback. */
typedef bool (*agent_step_callback)(void *context, const struct step_view *step);
enum err agent_each_step(struct agent *agent, const struct loop_id *loop,
                         agent_step_callback callback, void *context) MUST_CHECK;

/* --- proofs and alarms
 * ----------------------------------------------------------------------------------------------------------
 */

struct agent_proof_status {
    bool has_checkpoint;
    uint64_t checkpoint_size; /* of the log we believe in */
    int64_t checkpoint_ms;    /* wall time it was verified */
    uint64_t witnessed_size;  /* largest checkpoint that enough others have cosigned; 0 none */
    int64_t unconfirmed_ms;  /* wall time since which fewer than wanted have confirmed the newest of
                                it, on this run; 0 when they have */
    int64_t witnessed_ms;    /* wall time we saw that */
    size_t n_witnesses;      /* others who cosigned the newest one we saw */
    size_t witnesses_wanted; /* our policy */
    bool broker_recovering;  /* it was restored and is being refilled from its members */
    uint64_t recall_from;
    uint32_t n_alarms;   /* standing */
    bool stopped;        /* an alarm stops sending */
    uint32_t n_unproved; /* own statements whose receipt proved nothing */
};
void agent_get_proof_status(struct agent *agent, struct agent_proof_status *status_out);
/* Our last checkpoint as a note, with our own cosignature and those seen; appended. ERR_NOT_FOUND.
 */
enum err agent_get_checkpoint(struct agent *agent, struct buffer *note_out) MUST_CHECK;
/* Alarms, newest first; the callback returns false to stop. */
struct alarm;
typedef bool (*agent_alarm_callback)(void *context, const struct alarm *alarm);
enum err
agent_each_alarm(struct agent *agent, agent_alarm_callback callback, void *context) MUST_CHECK;
/* People have looked: every standing alarm is settled, and sending goes on. ERR_NOT_FOUND when none
 * stands. */
enum err agent_settle_alarms(struct agent *agent, struct instant now) MUST_CHECK;

/* One key event of the network, in order of the log. */
struct key_event {
    uint64_t index;
    int64_t log_time_ms;
    enum statement_kind kind; /* genesis, invite, join, rotate, revoke */
    bool replaces;            /* an invite for a lost machine, or the join with it */
    char org[ORG_ID_BYTES];
    char name[LIMIT_NAME_BYTES + 1];
    char reason[LIMIT_REVOKE_REASON_BYTES + 1];
    struct key_id key; /* of join and rotate */
};
typedef bool (*agent_key_event_callback)(void *context, const struct key_event *event);
enum err agent_each_key_event(struct agent *agent, agent_key_event_callback callback,
                              void *context) MUST_CHECK;

/* Evidence of one loop from our own records; with bodies and facts shown when `with_body`. Proofs
 * are the newest we hold: agent_want_proofs asks the broker for all of them in one cosigned
 * checkpoint, *ready_out says that they are there (or that the broker cannot be asked just now). */
enum err agent_want_proofs(struct agent *agent, const struct loop_id *loop, struct instant now,
                           bool *ready_out) MUST_CHECK;
enum err agent_evidence(struct agent *agent, const struct loop_id *loop, bool with_body,
                        struct buffer *file_out, struct complaint *complaint) MUST_CHECK;

struct agent_queue_status {
    uint64_t waiting;  /* steps without a broker receipt */
    int64_t oldest_ms; /* wall time the oldest was queued */
    bool disk_full;
    int64_t disk_full_since_ms;
    unsigned fill_percent;
};
void agent_get_queue_status(struct agent *agent, struct agent_queue_status *status_out);
/* Rises with every visible change: what `watch` waits for. */
uint64_t agent_change_count(const struct agent *agent);
/* The loop of the newest changes, for `watch`: copies up to `max` ids changed since `count`;
 * returns how many. */
size_t agent_changed_since(const struct agent *agent, uint64_t count, struct loop_id *loops_out,
                           size_t max);
/* Once a minute: store upkeep, retry after a full disk. */
void agent_tend(struct agent *agent, struct instant now);
/* Folds the stored statements afresh and compares every loop: ERR_CORRUPT with the first
 * difference. */
enum err agent_check_store(struct agent *agent, struct complaint *complaint) MUST_CHECK;

#endif
