/* The track of one loop: what a fold over its statements, in log order, gives. Broker and agents
 * keep the same struct and ask the same questions, so they cannot disagree. Pure: no clock, no
 * store; the log position decides.
 *
 * Two sides speak at once now and then. A statement carries the id of the last one its author had
 * heard from the other side. If its step is not possible in the loop's state, but was possible as
 * far as its author had heard, the two crossed: the log keeps the statement, marked superseded, and
 * it changes nothing. If it was not possible even so, it is refused and not logged.
 *
 * What the author had heard: every mark up to `heard`, and its own marks after that. One of these
 * own marks that was superseded counts as either, since nobody but the author knows whether the
 * news had reached it.
 *
 * One step asks for more than the table: an acknowledgement takes effect only when its author has
 * heard the outcome it signs for; else it too has crossed, with that outcome.
 *
 * Invariants (track_check): marks are in rising index order; position is the fold of the marks;
 * each side's last seq is the count of its marks' highest seq; superseded marks changed nothing. */
#ifndef REFLOOP_LIB_LOOP_TRACK_H
#define REFLOOP_LIB_LOOP_TRACK_H

#include "lib/base/bytes.h"
#include "lib/base/digest.h"
#include "lib/loop/ident.h"
#include "lib/loop/lifecycle.h"

enum {
    TRACK_MARKS_MAX = 2048,
    TRACK_MARKS_RESERVED = 16, /* the last places: only for steps that lead to the loop's end */
    TRACK_RECORD_BYTES_MAX = 128 * 1024, /* no encoded track is larger */
};

/* One logged statement of the loop, receipts (EVENT_DELIVERED) left out. */
struct track_mark {
    struct digest id; /* of the statement */
    uint64_t index;   /* in the log */
    int64_t log_time_ms;
    enum loop_role role;
    enum loop_event event;
    bool superseded;
};

struct track_side {
    char org[ORG_ID_BYTES];
    uint32_t last_seq;     /* 0: has said nothing in this loop; receipts count too */
    struct digest last_id; /* all zero when last_seq is 0 */
};

struct track {
    struct loop_id loop;
    struct loop_position position;
    struct track_side side[LOOP_ROLE_COUNT];
    struct track_mark *marks; /* owned */
    size_t n_marks;
    size_t marks_capacity;
};

/* A step as it stands in a statement. */
struct track_step {
    enum loop_role role;
    enum loop_event event;
    uint32_t seq;           /* 1 for the author's first statement in the loop */
    struct digest previous; /* the author's previous statement in the loop; zero for the first */
    struct digest heard;    /* last mark heard from the other side; zero when none */
    struct digest id;       /* the statement's own id */
};

struct track_verdict {
    struct loop_position position; /* after the step; unchanged when superseded */
    bool superseded;
    struct digest superseded_by; /* when superseded: the first mark of the other side, not yet heard
                                    by the author, that stands in its way */
};

/* A fresh track: state LOOP_NONE. The two are valid organization ids, and different. */
void track_init(struct track *track, const struct loop_id *loop, const char *source_org,
                const char *target_org);
void track_done(struct track *track);

/* Judges a step without changing the track. ERR_OK with *verdict_out; ERR_SEQUENCE (seq too high),
 * ERR_EQUIVOCATION (seq already taken, or previous does not match), ERR_UNKNOWN_REFERENCE (heard is
 * no mark of the other side), ERR_WRONG_STATE, ERR_LOOP_FULL, ERR_LOOP_EXISTS (a second request).
 * Receipts take their place in the author's sequence but leave no mark, so no LOOP_FULL. */
enum err track_judge(const struct track *track, const struct track_step *step,
                     struct track_verdict *verdict_out) MUST_CHECK;

/* Judges and applies; index and time are the log's. On any error the track is unchanged (also
 * ERR_MEMORY, and ERR_INTERNAL for an index that is not above the last mark's). */
enum err track_apply(struct track *track, const struct track_step *step, uint64_t index,
                     int64_t log_time_ms, struct track_verdict *verdict_out) MUST_CHECK;

/* The newest mark of `role` (superseded ones too), zero digest when none: what the other side has
 * heard once it has read everything. */
struct digest track_last_mark(const struct track *track, enum loop_role role);
/* The log time of the mark that brought the loop into its present state, 0 when none. */
int64_t track_since_ms(const struct track *track);

/* The stored form (version byte first) and back. decode fills an uninitialized track; on
 * ERR_CORRUPT or ERR_MEMORY nothing is owned. */
void track_encode(const struct track *track, struct buffer *out);
enum err track_decode(struct bytes bytes, struct track *track_out) MUST_CHECK;

/* Executable invariants: ERR_OK or ERR_CORRUPT. */
enum err track_check(const struct track *track) MUST_CHECK;

#endif
