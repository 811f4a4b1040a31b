/* Decides what an auditor says of a loop: who owes a step, since when, and how that compares with
 * the clocks of the network and with the dates the two sides have named. It moves nothing: time
 * gives verdicts, only signed statements change a state.
 *
 * A loop gets one verdict, the one that says best what must be done. Silence is nobody's fault
 * while what they should answer has not reached their disk: that is broken, and comes before
 * silent. */
#include <stdlib.h>
#include <string.h>

#include "broker/audit/walk.h"
#include "lib/loop/reason.h"
#include "lib/wire/sealed.h"

#define DAYS(n) ((n)*INT64_C(86400000))
#define HOURS(n) ((n)*INT64_C(3600000))

enum { MARKS_AT_ONCE = TRACK_MARKS_MAX };

static const int64_t undelivered_default_ms = HOURS(24);

static const struct {
    const char *name, *words;
} verdicts[VERDICT_COUNT] = {
    [VERDICT_HALF_CLOSED] = {"half-closed",
                             "answered by the target, but the source has not signed for it"},
    [VERDICT_SILENT] = {"silent", "whoever owes the next step has said nothing for too long"},
    [VERDICT_BROKEN] = {"broken", "something said has not reached the other side for too long, or "
                                  "what is stored of it does not hang together"},
    [VERDICT_OVERDUE] = {"overdue", "the date that one of the two named has passed"},
    [VERDICT_OPEN] = {"open", "on its way, in time"},
    [VERDICT_CLOSED_MET] = {"closed-met", "completed, and the source has signed for it"},
    [VERDICT_CLOSED_UNMET] = {"closed-unmet", "declined, not completed or withdrawn, and the "
                                              "source has signed for it"},
    [VERDICT_VOID] = {"void", "entered in error: not counted"},
};

/* How long whoever owes a step may take in each state. */
static const struct {
    int64_t urgent_ms, routine_ms;
} clocks[LOOP_STATE_COUNT] = {
    [LOOP_REQUESTED] = {DAYS(1), DAYS(5)},  [LOOP_INFO_REQUESTED] = {DAYS(1), DAYS(5)},
    [LOOP_ACCEPTED] = {DAYS(10), DAYS(10)}, [LOOP_IN_PROGRESS] = {DAYS(10), DAYS(10)},
    [LOOP_ON_HOLD] = {DAYS(30), DAYS(30)},  [LOOP_CANCEL_REQUESTED] = {DAYS(5), DAYS(5)},
};

/* One loop being looked at. */
struct looking {
    struct audit *audit;
    const struct audit_loops_options *options;
    struct track track;
    bool delivered[MARKS_AT_ONCE]; /* of each mark: the other side has confirmed it */
    int64_t
        waits_ms[LOOP_ROLE_COUNT]; /* log time of the oldest that has not reached this side; 0 */
    bool torn;                     /* its statements do not hang together */
    struct buffer facts, asked;
};

const char *
verdict_name(enum verdict verdict)
{
    return (size_t)verdict < VERDICT_COUNT ? verdicts[verdict].name : "";
}

const char *
verdict_words(enum verdict verdict)
{
    return (size_t)verdict < VERDICT_COUNT ? verdicts[verdict].words : "";
}

/* ---- what has arrived ---- */

static enum err
take_receipt(void *context, const struct walk_statement *read)
{
    struct looking *looking = context;
    const struct statement_loop *said = &read->statement.as.loop;
    for (size_t i = 0; said->event == EVENT_DELIVERED && i < looking->track.n_marks; i++) {
        if (digest_equal(&looking->track.marks[i].id, &said->delivered)) {
            looking->delivered[i] = true;
        }
    }
    return ERR_OK;
}

static enum loop_role
other_side(enum loop_role role)
{
    return role == LOOP_SOURCE ? LOOP_TARGET : LOOP_SOURCE;
}

static enum err
find_undelivered(struct looking *looking, struct audit_loop *loop)
{
    const struct track *track = &looking->track;
    enum err err = ERR_OK;
    memset(looking->delivered, 0, sizeof(looking->delivered));
    for (enum loop_role role = LOOP_SOURCE; err == ERR_OK && role < LOOP_ROLE_COUNT; role++) {
        err = walk_side(looking->audit, track, role, take_receipt, looking);
    }
    for (size_t i = 0; err == ERR_OK && i < track->n_marks; i++) {
        int64_t *waits_ms = &looking->waits_ms[other_side(track->marks[i].role)];
        if (!looking->delivered[i]) {
            loop->n_undelivered++;
            *waits_ms = *waits_ms == 0 ? track->marks[i].log_time_ms : *waits_ms;
        }
    }
    looking->torn = err == ERR_CORRUPT;
    return looking->torn ? ERR_OK : err;
}

/* ---- what was promised ---- */

/* The date in the newest step of this kind that took effect; 0 when none. */
static enum err
read_due(struct looking *looking, enum loop_event event, int64_t *due_ms_out)
{
    const struct track *track = &looking->track;
    struct walk_statement read;
    for (size_t i = track->n_marks; i > 0; i--) {
        const struct track_mark *mark = &track->marks[i - 1];
        if (mark->event == event && !mark->superseded) {
            enum err err = walk_read(looking->audit, mark->index, &read);
            bool is_loop = err == ERR_OK && read.statement.kind == STATEMENT_LOOP;
            *due_ms_out = is_loop ? read.statement.as.loop.due_ms : 0;
            return err;
        }
    }
    *due_ms_out = 0;
    return ERR_OK;
}

/* The date that holds in this state: a review while on hold, else what the target has named, else
 * what the source needs. */
static enum err
find_due(struct looking *looking, struct audit_loop *loop)
{
    static const enum loop_event order[] = {EVENT_HOLD, EVENT_ACCEPT, EVENT_REQUEST};
    struct loop_position now = loop->position;
    enum loop_state state = now.state == LOOP_CANCEL_REQUESTED ? now.under : now.state;
    enum err err = ERR_OK;
    for (size_t i = state == LOOP_ON_HOLD ? 0 : 1;
         err == ERR_OK && loop->due_ms == 0 && i < ARRAY_LEN(order); i++) {
        err = read_due(looking, order[i], &loop->due_ms);
    }
    return err;
}

static enum err
read_request(struct looking *looking, struct audit_loop *loop)
{
    struct walk_statement read;
    enum err err = walk_read(looking->audit, looking->track.marks[0].index, &read);
    if (err == ERR_OK && read.statement.kind != STATEMENT_LOOP) {
        err = ERR_CORRUPT;
    }
    loop->priority = err == ERR_OK ? read.statement.as.loop.priority : PRIORITY_ROUTINE;
    looking->torn = looking->torn || err == ERR_CORRUPT;
    return err == ERR_CORRUPT ? ERR_OK : err;
}

/* ---- the verdict ---- */

static enum verdict
judge_closed(const struct track *track)
{
    struct loop_position position = {LOOP_NONE, LOOP_NONE};
    bool met = false;
    for (size_t i = 0; i < track->n_marks; i++) {
        if (!track->marks[i].superseded) {
            (void)lifecycle_step(position, track->marks[i].event, track->marks[i].role, &position);
        }
        if (lifecycle_is_answered(position.state)) {
            met = position.state == LOOP_COMPLETED;
        }
    }
    return met ? VERDICT_CLOSED_MET : VERDICT_CLOSED_UNMET;
}

/* Since when nobody who owes a step has said a word, whatever it was. */
static int64_t
quiet_since(const struct track *track, enum loop_role owing, int64_t since_ms)
{
    for (size_t i = track->n_marks; i > 0; i--) {
        const struct track_mark *mark = &track->marks[i - 1];
        if (mark->role == owing) {
            return mark->log_time_ms > since_ms ? mark->log_time_ms : since_ms;
        }
    }
    return since_ms;
}

static bool
is_silent(const struct looking *looking, const struct audit_loop *loop, enum loop_role owing)
{
    enum loop_state state = loop->position.state;
    int64_t patience_ms = looking->options->silent_after_ms;
    if (patience_ms == 0) {
        patience_ms =
            loop->priority == PRIORITY_URGENT ? clocks[state].urgent_ms : clocks[state].routine_ms;
    }
    int64_t since_ms = quiet_since(&looking->track, owing, loop->since_ms);
    return looking->options->now_ms - since_ms > patience_ms;
}

static bool
is_stuck(const struct looking *looking, enum loop_role reader)
{
    int64_t given_ms = looking->options->undelivered_after_ms;
    int64_t patience_ms = given_ms == 0 ? undelivered_default_ms : given_ms;
    return looking->waits_ms[reader] != 0 &&
           looking->options->now_ms - looking->waits_ms[reader] > patience_ms;
}

static enum verdict
judge_open(const struct looking *looking, const struct audit_loop *loop)
{
    enum loop_role owing = loop->waits_on_source ? LOOP_SOURCE : LOOP_TARGET;
    if (lifecycle_is_answered(loop->position.state)) {
        return VERDICT_HALF_CLOSED;
    }
    if (looking->torn || is_stuck(looking, owing)) {
        return VERDICT_BROKEN;
    }
    if (is_silent(looking, loop, owing)) {
        return VERDICT_SILENT;
    }
    if (is_stuck(looking, other_side(owing))) {
        return VERDICT_BROKEN;
    }
    return loop->due_ms != 0 && looking->options->now_ms > loop->due_ms ? VERDICT_OVERDUE
                                                                        : VERDICT_OPEN;
}

static enum verdict
judge(const struct looking *looking, const struct audit_loop *loop)
{
    if (loop->position.state == LOOP_VOID) {
        return VERDICT_VOID;
    }
    return loop->position.state == LOOP_CLOSED ? judge_closed(&looking->track)
                                               : judge_open(looking, loop);
}

/* ---- the coded facts ---- */

/* Erased, sealed for others or not what its digest says: then there is nothing to be shown, which
 * is no failure. */
static enum err
open_facts(struct looking *looking, uint64_t index, struct buffer *facts_out)
{
    CLEANUP(buffer_wipe) struct buffer body = BUFFER_INIT(LIMIT_BODY_BYTES);
    const struct audit_loops_options *options = looking->options;
    struct walk_statement read;
    struct sealed_opened opened = {false, false};
    buffer_clear(facts_out);
    enum err err = walk_read(looking->audit, index, &read);
    if (err == ERR_OK) {
        err = journal_load_sealed(looking->audit->txn, &read.entry);
    }
    if (err == ERR_OK && read.statement.kind == STATEMENT_LOOP &&
        read.entry.envelope.sealed.len > 0) {
        err = sealed_open(&read.statement, read.entry.envelope.sealed, options->key,
                          options->seal_public, options->seal_secret, &body, facts_out, &opened);
    }
    if (err != ERR_OK || !opened.has_facts) {
        buffer_clear(facts_out);
    }
    return err == ERR_MEMORY || err == ERR_IO ? err : ERR_OK;
}

/* An acknowledgement says only what follows; the outcome it signs for says more. */
static bool
tells_most(const struct track_mark *mark)
{
    enum reason_list list;
    return !mark->superseded && mark->event != EVENT_ACKNOWLEDGE &&
           reason_list_for(mark->event, &list);
}

static enum err
read_facts(struct looking *looking, struct audit_loop *loop)
{
    const struct track *track = &looking->track;
    enum err err = open_facts(looking, track->marks[0].index, &looking->asked);
    buffer_clear(&looking->facts);
    for (size_t i = track->n_marks; err == ERR_OK && looking->facts.len == 0 && i > 0; i--) {
        if (tells_most(&track->marks[i - 1])) {
            err = open_facts(looking, track->marks[i - 1].index, &looking->facts);
        }
    }
    loop->asked = buffer_view(&looking->asked);
    loop->facts = buffer_view(&looking->facts);
    return err;
}

/* ---- all loops ---- */

static enum err
fill(struct looking *looking, struct audit_loop *loop)
{
    const struct track *track = &looking->track;
    enum loop_role owing = LOOP_SOURCE;
    *loop = (struct audit_loop){
        .loop = track->loop,
        .source = track->side[LOOP_SOURCE].org,
        .target = track->side[LOOP_TARGET].org,
        .position = track->position,
        .requested_ms = track->marks[0].log_time_ms,
        .since_ms = track_since_ms(track),
        .n_statements = track->side[LOOP_SOURCE].last_seq + track->side[LOOP_TARGET].last_seq,
        .owes = lifecycle_next_actor(track->position.state, &owing),
    };
    loop->waits_on_source = loop->owes && owing == LOOP_SOURCE;
    looking->torn = false;
    memset(looking->waits_ms, 0, sizeof(looking->waits_ms));
    enum err err = read_request(looking, loop);
    if (err == ERR_OK && lifecycle_is_open(track->position.state)) {
        err = find_undelivered(looking, loop);
        if (err == ERR_OK && !lifecycle_is_answered(track->position.state)) {
            err = find_due(looking, loop);
            looking->torn = looking->torn || err == ERR_CORRUPT;
            err = err == ERR_CORRUPT ? ERR_OK : err;
        }
    }
    if (err == ERR_OK && looking->options->key != NULL) {
        err = read_facts(looking, loop);
    }
    loop->verdict = judge(looking, loop);
    return err;
}

static enum err
look_at(struct looking *looking, struct bytes record, audit_loop_callback callback, void *context,
        bool *go_on)
{
    struct audit_loop loop;
    enum err err = track_decode(record, &looking->track);
    if (err != ERR_OK) {
        return err;
    }
    err = looking->track.n_marks == 0 || looking->track.n_marks > MARKS_AT_ONCE ? ERR_CORRUPT
                                                                                : ERR_OK;
    if (err == ERR_OK) {
        err = fill(looking, &loop);
    }
    if (err == ERR_OK) {
        *go_on = callback(context, &loop);
    }
    track_done(&looking->track);
    return err;
}

static void
looking_free(struct looking **looking)
{
    if (*looking != NULL) {
        buffer_wipe(&(*looking)->facts);
        buffer_wipe(&(*looking)->asked);
        free(*looking);
    }
}

enum err
audit_each_loop(struct audit *audit, const struct audit_loops_options *options,
                audit_loop_callback callback, void *context)
{
    CLEANUP(kv_cursor_closep) struct kv_cursor *cursor = NULL;
    CLEANUP(looking_free) struct looking *looking = calloc(1, sizeof(*looking));
    struct bytes key;
    struct bytes value;
    bool go_on = true;
    if (looking == NULL) {
        return ERR_MEMORY;
    }
    looking->audit = audit;
    looking->options = options;
    looking->facts = BUFFER_INIT(LIMIT_FACTS_BYTES);
    looking->asked = BUFFER_INIT(LIMIT_FACTS_BYTES);
    enum err err = kv_cursor_open(audit->txn, TABLE_LOOPS, bytes_of(NULL, 0), &cursor);
    while (err == ERR_OK && go_on && (err = kv_cursor_next(cursor, &key, &value)) == ERR_OK) {
        err = look_at(looking, value, callback, context, &go_on);
    }
    return err == ERR_NOT_FOUND ? ERR_OK : err;
}
