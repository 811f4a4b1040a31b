/* Decides whether a step may enter a loop, and what it does there: applied, superseded because it
 * crossed with the other side's, or refused. The lifecycle table says what is possible; this file
 * says what the author could have known.
 *
 * It refuses to know who may speak for an organization (signatures are checked before), what time
 * it is, and where tracks are kept. A statement that comes twice is the caller's to notice, by its
 * id: here it would be a second statement in a place already taken. */
#include "lib/loop/track.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { MARKS_AT_FIRST = 8 };

/* Steps that bring a loop nearer to closed or void. At most three of them can take effect after one
 * another, so the reserved places cannot run out. */
static const bool leads_to_end[EVENT_COUNT] = {
    [EVENT_DECLINE] = true, [EVENT_RELEASE] = true,  [EVENT_COMPLETE] = true,
    [EVENT_FAIL] = true,    [EVENT_WITHDRAW] = true, [EVENT_ACKNOWLEDGE] = true,
    [EVENT_VOID] = true,
};

/* All the positions an author may have thought the loop was in. The table has twelve positions
 * beside the three of a pending cancel, so the array cannot overflow. */
struct beliefs {
    struct loop_position at[LOOP_STATE_COUNT + 3];
    size_t n;
};

static void
beliefs_add(struct beliefs *beliefs, struct loop_position position)
{
    for (size_t i = 0; i < beliefs->n; i++) {
        if (beliefs->at[i].state == position.state && beliefs->at[i].under == position.under)
            return;
    }
    assert(beliefs->n < sizeof(beliefs->at) / sizeof(beliefs->at[0]));
    beliefs->at[beliefs->n++] = position;
}

/* Adds one of the author's own marks. A superseded one is followed both ways: before the author
 * read what it had crossed with, it believed it had taken effect and may have said the next thing
 * on top of it (accept, then complete, in one sending). */
static void
beliefs_follow(struct beliefs *beliefs, const struct track_mark *mark)
{
    struct beliefs after = {.n = 0};

    for (size_t i = 0; i < beliefs->n; i++) {
        struct loop_position next;
        bool possible = lifecycle_step(beliefs->at[i], mark->event, mark->role, &next);
        if (possible)
            beliefs_add(&after, next);
        if (!possible || mark->superseded)
            beliefs_add(&after, beliefs->at[i]);
    }
    *beliefs = after;
}

static bool
is_possible(struct loop_position position, const struct track_step *step)
{
    struct loop_position next;

    return lifecycle_step(position, step->event, step->role, &next);
}

static void
follow(struct loop_position *position, const struct track_mark *mark)
{
    if (!mark->superseded)
        (void)lifecycle_step(*position, mark->event, mark->role, position); /* it did when logged */
}

static struct loop_position
position_after(const struct track *track, size_t n_marks)
{
    struct loop_position position = {LOOP_NONE, LOOP_NONE};

    for (size_t i = 0; i < n_marks; i++)
        follow(&position, &track->marks[i]);
    return position;
}

/* Was the step possible as far as its author had heard, that is, up to `n_heard` marks and its own?
 */
static bool
was_possible_for_author(const struct track *track, const struct track_step *step, size_t n_heard)
{
    struct beliefs beliefs = {.at = {position_after(track, n_heard)}, .n = 1};

    for (size_t i = n_heard; i < track->n_marks; i++) {
        if (track->marks[i].role == step->role)
            beliefs_follow(&beliefs, &track->marks[i]);
    }
    for (size_t i = 0; i < beliefs.n; i++) {
        if (is_possible(beliefs.at[i], step))
            return true;
    }
    return false;
}

/* The mark to name as the one that came first: the first unheard one after which the step is not
 * possible, so that a cancel is said to have met the outcome and not the progress report before it.
 * When a step built on a superseded one was possible all along, simply the first. NULL when nothing
 * crossed. */
static const struct track_mark *
find_crossing(const struct track *track, const struct track_step *step, size_t n_heard)
{
    struct loop_position position = position_after(track, n_heard);
    const struct track_mark *first = NULL;

    for (size_t i = n_heard; i < track->n_marks; i++) {
        const struct track_mark *mark = &track->marks[i];
        follow(&position, mark);
        if (mark->role == step->role || mark->superseded || mark->event == EVENT_NOTE)
            continue;
        if (!is_possible(position, step))
            return mark;
        if (first == NULL)
            first = mark;
    }
    return first;
}

/* How many marks the author had before it when it wrote: those up to the one it names. From the
 * newest back, as it mostly is the newest. */
static bool
find_heard(const struct track *track, const struct track_step *step, size_t *n_heard_out)
{
    if (digest_is_zero(&step->heard)) {
        *n_heard_out = 0;
        return true;
    }
    for (size_t i = track->n_marks; i > 0; i--) {
        const struct track_mark *mark = &track->marks[i - 1];
        if (mark->role != step->role && digest_equal(&mark->id, &step->heard)) {
            *n_heard_out = i;
            return true;
        }
    }
    return false;
}

static enum err
judge_place(const struct track *track, const struct track_step *step)
{
    const struct track_side *side = &track->side[step->role];

    if (step->seq <= side->last_seq)
        return ERR_EQUIVOCATION;
    if (step->seq - side->last_seq > 1)
        return ERR_SEQUENCE;
    return digest_equal(&step->previous, &side->last_id) ? ERR_OK : ERR_EQUIVOCATION;
}

/* The outcome an acknowledgement would sign for without its author having heard it; NULL when there
 * is none. The table alone would let it close the loop: a withdraw that came too late and the
 * acknowledgement queued behind it must not sign for a completion nobody there has read. */
static const struct track_mark *
find_unheard_answer(const struct track *track, const struct track_step *step, size_t n_heard)
{
    if (step->event != EVENT_ACKNOWLEDGE)
        return NULL;
    for (size_t i = track->n_marks; i > n_heard; i--) {
        const struct track_mark *mark = &track->marks[i - 1];
        if (mark->role != step->role && !mark->superseded && leads_to_end[mark->event])
            return mark;
    }
    return NULL;
}

static enum err
judge_state(const struct track *track, const struct track_step *step, size_t n_heard,
            struct track_verdict *verdict)
{
    const struct track_mark *crossing = find_unheard_answer(track, step, n_heard);

    verdict->position = track->position;
    if (crossing == NULL &&
        lifecycle_step(track->position, step->event, step->role, &verdict->position))
        return ERR_OK;
    if (!was_possible_for_author(track, step, n_heard))
        return ERR_WRONG_STATE;
    if (crossing == NULL)
        crossing = find_crossing(track, step, n_heard);
    if (crossing == NULL)
        return ERR_WRONG_STATE;
    verdict->superseded = true;
    verdict->superseded_by = crossing->id;
    return ERR_OK;
}

/* A superseded step gets no reserved place: a side could send them without end, and the loop could
 * then not be ended by the other. */
static bool
has_room(const struct track *track, enum loop_event event, bool superseded)
{
    if (event == EVENT_DELIVERED)
        return true;
    if (track->n_marks < TRACK_MARKS_MAX - TRACK_MARKS_RESERVED)
        return true;
    return track->n_marks < TRACK_MARKS_MAX && leads_to_end[event] && !superseded;
}

void
track_init(struct track *track, const struct loop_id *loop, const char *source_org,
           const char *target_org)
{
    const char *const orgs[LOOP_ROLE_COUNT] = {source_org, target_org};

    *track = (struct track){.loop = *loop};
    for (unsigned i = 0; i < LOOP_ROLE_COUNT; i++) {
        size_t len = strlen(orgs[i]);
        assert(len <= ORG_ID_MAX);
        memcpy(track->side[i].org, orgs[i], len + 1);
    }
}

void
track_done(struct track *track)
{
    if (track == NULL)
        return;
    free(track->marks);
    track->marks = NULL;
    track->n_marks = 0;
    track->marks_capacity = 0;
}

enum err
track_judge(const struct track *track, const struct track_step *step,
            struct track_verdict *verdict_out)
{
    struct track_verdict verdict = {.superseded = false};
    size_t n_heard;

    if (step->role >= LOOP_ROLE_COUNT || step->event >= EVENT_COUNT)
        return ERR_WRONG_STATE;
    if (step->event == EVENT_REQUEST && track->position.state != LOOP_NONE)
        return ERR_LOOP_EXISTS;
    enum err err = judge_place(track, step);
    if (err != ERR_OK)
        return err;
    if (!find_heard(track, step, &n_heard))
        return ERR_UNKNOWN_REFERENCE;
    err = judge_state(track, step, n_heard, &verdict);
    if (err != ERR_OK)
        return err;
    if (!has_room(track, step->event, verdict.superseded))
        return ERR_LOOP_FULL;
    *verdict_out = verdict;
    return ERR_OK;
}

static enum err
reserve_mark(struct track *track)
{
    if (track->n_marks < track->marks_capacity)
        return ERR_OK;
    size_t capacity = track->marks_capacity == 0 ? MARKS_AT_FIRST : track->marks_capacity * 2;
    struct track_mark *marks = reallocarray(track->marks, capacity, sizeof(*marks));
    if (marks == NULL)
        return ERR_MEMORY;
    track->marks = marks;
    track->marks_capacity = capacity;
    return ERR_OK;
}

static enum err
add_mark(struct track *track, const struct track_step *step, uint64_t index, int64_t log_time_ms,
         bool superseded)
{
    if (track->n_marks > 0 && index <= track->marks[track->n_marks - 1].index)
        return ERR_INTERNAL;
    enum err err = reserve_mark(track);
    if (err != ERR_OK)
        return err;
    track->marks[track->n_marks++] = (struct track_mark){
        .id = step->id,
        .index = index,
        .log_time_ms = log_time_ms,
        .role = step->role,
        .event = step->event,
        .superseded = superseded,
    };
    return ERR_OK;
}

enum err
track_apply(struct track *track, const struct track_step *step, uint64_t index, int64_t log_time_ms,
            struct track_verdict *verdict_out)
{
    struct track_verdict verdict;

    enum err err = track_judge(track, step, &verdict);
    if (err != ERR_OK)
        return err;
    if (step->event != EVENT_DELIVERED) {
        err = add_mark(track, step, index, log_time_ms, verdict.superseded);
        if (err != ERR_OK)
            return err;
    }
    track->position = verdict.position;
    track->side[step->role].last_seq = step->seq;
    track->side[step->role].last_id = step->id;
    *verdict_out = verdict;
    return ERR_OK;
}

struct digest
track_last_mark(const struct track *track, enum loop_role role)
{
    for (size_t i = track->n_marks; i > 0; i--) {
        if (track->marks[i - 1].role == role)
            return track->marks[i - 1].id;
    }
    return (struct digest){{0}};
}

int64_t
track_since_ms(const struct track *track)
{
    struct loop_position position = {LOOP_NONE, LOOP_NONE};
    int64_t since_ms = 0;

    for (size_t i = 0; i < track->n_marks; i++) {
        enum loop_state before = position.state;
        follow(&position, &track->marks[i]);
        if (position.state != before)
            since_ms = track->marks[i].log_time_ms;
    }
    return since_ms;
}
