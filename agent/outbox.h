/* The outbox: everything of ours the broker has not receipted, in the order it was queued. On disk
 * one row each; in memory an index of the same rows, grouped by loop (a lane), with what is only
 * true of the present connection (sent) or for the moment (held).
 *
 * A row is a draft until it is made: then it has its place in our chain of statements in the loop,
 * and the exact bytes to send as often as it takes. Within a lane no made row stands behind an
 * unmade one. */
#ifndef REFLOOP_AGENT_OUTBOX_H
#define REFLOOP_AGENT_OUTBOX_H

#include "agent/unit.h"
#include "lib/base/map.h"
#include "lib/wire/envelope.h"

enum row_kind { ROW_STEP = 1, ROW_DELIVERED = 2 };

struct row {
    uint64_t order;
    enum row_kind kind;
    enum loop_event event;
    uint32_t number;        /* ROW_STEP: of the step */
    uint32_t content_bytes; /* ROW_STEP: of facts and body, for guessing the size */
    struct digest heard;    /* ROW_STEP: the other side's last step known when this one was taken */
    struct digest delivered; /* ROW_DELIVERED: what is confirmed */
    int64_t queued_ms;       /* wall */
    bool made;
    uint32_t seq;
    struct digest id;
    uint32_t envelope_bytes;
    /* in memory only */
    struct lane *lane;
    struct row *next, *previous;                 /* all rows, by order */
    struct row *next_in_lane, *previous_in_lane; /* of the loop, by order */
    bool sent;                                   /* on this connection */
    int64_t sent_ms;                             /* boot */
};

/* The rows of one loop. Exists while there are any. */
struct lane {
    struct loop_id loop;
    struct row *first, *last;
    int64_t held_until_ms; /* boot: nothing is sent before */
    bool waits_for_log;    /* nothing is sent until the log has been read to its head */
    unsigned remakes;      /* since the lane exists: makes a broker that refuses for ever cheap */
    uint64_t skipped_in;   /* the scan in which this lane was found not ready */
};

struct outbox {
    struct row *first, *last;
    struct map *lanes;  /* by loop id; owns them */
    struct map *by_id;  /* made rows by statement id */
    size_t n_steps;     /* rows of ROW_STEP */
    size_t n_in_flight; /* sent and unreceipted */
    size_t in_flight_bytes;
    size_t n_waiting_lanes;
    uint64_t next_order;
    uint64_t n_scans;
    int64_t held_until_ms; /* boot: everything waits */
    int64_t retry_ms;      /* boot: a scan before finds nothing; 0 scan at once */
};

/* Reads the index from disk; drops what was in memory. */
enum err outbox_load(struct outbox *outbox, struct kv_txn *txn) MUST_CHECK;
void outbox_done(struct outbox *outbox);

/* NULL when there is none. */
struct lane *outbox_lane(const struct outbox *outbox, const struct loop_id *loop);
struct row *outbox_find_made(const struct outbox *outbox, const struct digest *id);
struct row *outbox_find_step(const struct lane *lane, uint32_t number);
struct row *outbox_find_delivered(const struct lane *lane, const struct digest *delivered);
int64_t outbox_oldest_ms(const struct outbox *outbox);

/* Changes on disk and in memory alike; they mark the unit as touched. `draft` gives kind, event,
 * number, content_bytes, heard and delivered. */
enum err
outbox_add(struct unit *unit, const struct loop_id *loop, const struct row *draft) MUST_CHECK;
enum err outbox_remove(struct unit *unit, struct row *row) MUST_CHECK;
enum err outbox_set_made(struct unit *unit, struct row *row, uint32_t seq, const struct digest *id,
                         struct bytes envelope) MUST_CHECK;
/* Makes drafts of the row and of every made row behind it in its lane (NULL: nothing). The steps
 * are shown as queued again. */
enum err outbox_unmake(struct unit *unit, struct row *row) MUST_CHECK;
/* The view is valid until the transaction's next write. */
enum err
outbox_envelope(struct kv_txn *txn, const struct row *row, struct bytes *envelope_out) MUST_CHECK;

/* Of the connection. */
void outbox_mark_sent(struct outbox *outbox, struct row *row, int64_t boot_ms);
void outbox_mark_unsent(struct outbox *outbox, struct row *row);
void outbox_mark_all_unsent(struct outbox *outbox);
const struct row *outbox_oldest_sent(const struct outbox *outbox);
void outbox_wait_for_log(struct outbox *outbox, struct lane *lane);
void outbox_log_is_read(struct outbox *outbox);
void outbox_hold_lane(struct outbox *outbox, struct lane *lane, int64_t until_boot_ms);

#endif
