/* Two sides that speak at once: the cases by hand, then two thousand loops in which both sides see
 * the log late. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/attr.h"
#include "tests/unit/loop/said.h"

static const enum loop_role S = LOOP_SOURCE;
static const enum loop_role T = LOOP_TARGET;

/* One statement of a case: its id is its place in the list, counted from 1. */
struct line {
    enum loop_role role;
    enum loop_event event;
    unsigned heard;
    unsigned crossed_with; /* 0: applied */
};

static void
play(const struct line *lines, size_t n_lines, enum loop_state end)
{
    CLEANUP(track_done) struct track track;

    said_begin(&track);
    for (size_t i = 0; i < n_lines; i++) {
        const struct line *line = &lines[i];
        struct digest by = said_id(line->crossed_with);
        struct loop_position before = track.position;
        struct track_verdict verdict;
        assert_int_equal(
            said(&track, line->role, line->event, (unsigned)i + 1, line->heard, &verdict), ERR_OK);
        assert_int_equal(verdict.superseded, line->crossed_with != 0);
        if (verdict.superseded) {
            assert_true(digest_equal(&verdict.superseded_by, &by));
            assert_int_equal(track.position.state, before.state);
            assert_int_equal(track.position.under, before.under);
        }
        assert_int_equal(track_check(&track), ERR_OK);
    }
    assert_int_equal(track.position.state, end);
}
#define PLAY(end, ...)                                                                             \
    do {                                                                                           \
        const struct line lines[] = {__VA_ARGS__};                                                 \
        play(lines, ARRAY_LEN(lines), (end));                                                      \
    } while (0)

static void
withdraw_and_accept(void **state)
{
    (void)state;
    PLAY(LOOP_ACCEPTED, {S, EVENT_REQUEST, 0, 0}, {T, EVENT_ACCEPT, 1, 0},
         {S, EVENT_WITHDRAW, 0, 2});
    PLAY(LOOP_WITHDRAWN, {S, EVENT_REQUEST, 0, 0}, {S, EVENT_WITHDRAW, 0, 0},
         {T, EVENT_ACCEPT, 1, 2});
}

static void
cancel_and_complete(void **state)
{
    (void)state;
    /* The outcome first: the cancel comes too late. */
    PLAY(LOOP_COMPLETED, {S, EVENT_REQUEST, 0, 0}, {T, EVENT_ACCEPT, 1, 0},
         {T, EVENT_COMPLETE, 1, 0}, {S, EVENT_CANCEL, 2, 3});
    /* The cancel first: an outcome beats it all the same. */
    PLAY(LOOP_COMPLETED, {S, EVENT_REQUEST, 0, 0}, {T, EVENT_ACCEPT, 1, 0}, {S, EVENT_CANCEL, 2, 0},
         {T, EVENT_COMPLETE, 1, 0});
    /* What is named is what stood in the way, not the progress before it or the note between. */
    PLAY(LOOP_COMPLETED, {S, EVENT_REQUEST, 0, 0}, {T, EVENT_ACCEPT, 1, 0}, {T, EVENT_NOTE, 1, 0},
         {T, EVENT_PROGRESS, 1, 0}, {T, EVENT_COMPLETE, 1, 0}, {S, EVENT_CANCEL, 2, 5});
}

static void
acknowledge_unheard(void **state)
{
    (void)state;
    /* Sent together without having heard the outcome: it must not be signed for. */
    PLAY(LOOP_COMPLETED, {S, EVENT_REQUEST, 0, 0}, {T, EVENT_ACCEPT, 1, 0},
         {T, EVENT_COMPLETE, 1, 0}, {S, EVENT_WITHDRAW, 0, 2}, {S, EVENT_ACKNOWLEDGE, 0, 3});
    /* Read, then said again: closed. */
    PLAY(LOOP_CLOSED, {S, EVENT_REQUEST, 0, 0}, {T, EVENT_DECLINE, 1, 0}, {S, EVENT_WITHDRAW, 0, 2},
         {S, EVENT_ACKNOWLEDGE, 0, 2}, {S, EVENT_ACKNOWLEDGE, 2, 0});
}

static void
hold_and_cancel(void **state)
{
    (void)state;
    PLAY(LOOP_CANCEL_REQUESTED, {S, EVENT_REQUEST, 0, 0}, {T, EVENT_ACCEPT, 1, 0},
         {S, EVENT_CANCEL, 2, 0}, {T, EVENT_HOLD, 1, 3});
    PLAY(LOOP_CANCEL_REQUESTED, {S, EVENT_REQUEST, 0, 0}, {T, EVENT_ACCEPT, 1, 0},
         {T, EVENT_HOLD, 1, 0}, {S, EVENT_CANCEL, 2, 0});
    /* A retract after it goes back to where the loop was, not to where the target thought it was.
     */
    PLAY(LOOP_ACCEPTED, {S, EVENT_REQUEST, 0, 0}, {T, EVENT_ACCEPT, 1, 0}, {S, EVENT_CANCEL, 2, 0},
         {T, EVENT_HOLD, 1, 3}, {S, EVENT_RETRACT, 4, 0});
}

static void
two_on_top_of_each_other(void **state)
{
    (void)state;
    /* Served at once: accept and complete in one sending meet a withdraw. Both are kept, neither
     * counts. */
    PLAY(LOOP_WITHDRAWN, {S, EVENT_REQUEST, 0, 0}, {S, EVENT_WITHDRAW, 0, 0},
         {T, EVENT_ACCEPT, 1, 2}, {T, EVENT_COMPLETE, 1, 2});
    /* The same the other way round. */
    PLAY(LOOP_ACCEPTED, {S, EVENT_REQUEST, 0, 0}, {T, EVENT_ACCEPT, 1, 0},
         {S, EVENT_WITHDRAW, 0, 2}, {S, EVENT_ACKNOWLEDGE, 0, 2});
    /* A note changes nothing, so nothing crosses with it. */
    PLAY(LOOP_ACCEPTED, {S, EVENT_REQUEST, 0, 0}, {T, EVENT_NOTE, 1, 0}, {T, EVENT_ACCEPT, 1, 0},
         {S, EVENT_WITHDRAW, 0, 3}, {S, EVENT_ACKNOWLEDGE, 0, 3});
    /* Told of the crossing, but not yet of what it crossed with, the author may try the same again.
     */
    PLAY(LOOP_ACCEPTED, {S, EVENT_REQUEST, 0, 0}, {T, EVENT_ACCEPT, 1, 0},
         {S, EVENT_WITHDRAW, 0, 2}, {S, EVENT_WITHDRAW, 0, 2});
    /* The first of two is superseded, the second possible anyway. */
    PLAY(LOOP_COMPLETED, {S, EVENT_REQUEST, 0, 0}, {T, EVENT_ACCEPT, 1, 0}, {S, EVENT_CANCEL, 2, 0},
         {T, EVENT_PROGRESS, 1, 3}, {T, EVENT_COMPLETE, 1, 0});
}

static void
anything_crosses_with_a_void(void **state)
{
    (void)state;
    PLAY(LOOP_VOID, {S, EVENT_REQUEST, 0, 0}, {S, EVENT_VOID, 0, 0}, {T, EVENT_NOTE, 1, 2},
         {T, EVENT_ACCEPT, 1, 2}, {T, EVENT_PROGRESS, 1, 2}, {T, EVENT_DELIVERED, 2, 0});
}

static void
what_was_heard_does_not_cross(void **state)
{
    CLEANUP(track_done) struct track track;
    struct track_verdict verdict;

    (void)state;
    said_begin(&track);
    assert_int_equal(said(&track, S, EVENT_REQUEST, 1, 0, &verdict), ERR_OK);
    assert_int_equal(said(&track, T, EVENT_ACCEPT, 2, 1, &verdict), ERR_OK);
    assert_int_equal(said(&track, S, EVENT_WITHDRAW, 3, 2, &verdict), ERR_WRONG_STATE);
    assert_int_equal(said(&track, S, EVENT_WITHDRAW, 3, 0, &verdict), ERR_OK);
    assert_true(verdict.superseded);
    /* The accept heard now: the superseded withdraw no longer carries an acknowledgement. */
    assert_int_equal(said(&track, S, EVENT_ACKNOWLEDGE, 4, 2, &verdict), ERR_WRONG_STATE);
    assert_int_equal(said(&track, S, EVENT_CANCEL, 4, 2, &verdict), ERR_OK);
    assert_false(verdict.superseded);
}

static void
what_nobody_could_think_possible_does_not_cross(void **state)
{
    CLEANUP(track_done) struct track track;
    struct track_verdict verdict;

    (void)state;
    said_begin(&track);
    assert_int_equal(said(&track, S, EVENT_REQUEST, 1, 0, &verdict), ERR_OK);
    assert_int_equal(said(&track, T, EVENT_ACCEPT, 2, 1, &verdict), ERR_OK);
    assert_int_equal(said(&track, S, EVENT_RETRACT, 3, 0, &verdict), ERR_WRONG_STATE);
    assert_int_equal(said(&track, S, EVENT_ACKNOWLEDGE, 3, 0, &verdict), ERR_WRONG_STATE);
    assert_int_equal(track.n_marks, 2);
}

/* --- two thousand loops --- */

enum { LOOPS = 2000, ACTIONS = 60, LOG_MAX = ACTIONS + 2, QUEUE_MAX = ACTIONS + 2 };

static uint64_t random_state;

static unsigned
random_below(unsigned n)
{
    random_state = random_state * 6364136223846793005U + 1442695040888963407U;
    return (unsigned)(random_state >> 33) % n;
}

struct entry {
    struct track_step step;
    bool superseded;
};

/* One side: what it has read of the log, what it has sent that is not logged, and what it thinks.
 */
struct agent {
    enum loop_role role;
    struct track track; /* the log up to n_read */
    size_t n_read;
    size_t n_told; /* own statements up to here in the log: the broker's receipt has come */
    struct track_step sent[QUEUE_MAX];
    size_t n_sent;
    size_t n_logged; /* of sent */
    uint32_t seq;
    struct digest last_id;
};

struct world {
    struct track broker;
    struct entry log[LOG_MAX];
    size_t n_log;
    struct agent agent[LOOP_ROLE_COUNT];
    unsigned n_ids;
    unsigned long n_applied;
    unsigned long n_superseded;
};

static void
try_step(struct loop_position *position, const struct track_step *step)
{
    (void)lifecycle_step(*position, step->event, step->role, position);
}

/* What the agent believes: the log it read, and its own later statements, unless it was told they
 * were superseded. Written without lib/loop/track's idea of it. */
static struct loop_position
believed(const struct world *world, const struct agent *agent)
{
    struct loop_position position = agent->track.position;

    for (size_t i = agent->n_read; i < world->n_log; i++) {
        const struct entry *entry = &world->log[i];
        if (entry->step.role == agent->role && !(entry->superseded && i < agent->n_told))
            try_step(&position, &entry->step);
    }
    for (size_t i = agent->n_logged; i < agent->n_sent; i++)
        try_step(&position, &agent->sent[i]);
    return position;
}

/* How seldom an event is thought of, so that loops live long enough to cross often. */
static const unsigned one_in[EVENT_COUNT] = {1, 2, 1, 1, 3, 1, 1, 2, 1, 4, 4, 4, 3, 6, 60, 6, 4};

static void
agent_speaks(struct world *world, struct agent *agent)
{
    struct loop_position position = believed(world, agent);
    enum loop_event possible[EVENT_COUNT];
    struct loop_position next;
    unsigned n = 0;

    for (unsigned i = 0; i < EVENT_COUNT; i++) {
        enum loop_event event = (enum loop_event)i;
        if (random_below(one_in[event]) == 0 && lifecycle_step(position, event, agent->role, &next))
            possible[n++] = event;
    }
    if (n == 0 || agent->n_sent == QUEUE_MAX)
        return;
    struct track_step step = {
        .role = agent->role,
        .event = possible[random_below(n)],
        .seq = ++agent->seq,
        .previous = agent->last_id,
        .heard = track_last_mark(&agent->track, agent->role == S ? T : S),
        .id = said_id(++world->n_ids),
    };
    agent->last_id = step.id;
    agent->sent[agent->n_sent++] = step;
}

/* Is the mark one of the other side's that the agent had not read? It may have been read since: the
 * step tells. */
static void
check_crossing(const struct world *world, const struct track_step *step, const struct digest *by)
{
    bool after_heard = digest_is_zero(&step->heard);

    for (size_t i = 0; i < world->n_log; i++) {
        const struct entry *entry = &world->log[i];
        if (digest_equal(&entry->step.id, by)) {
            assert_true(after_heard);
            assert_true(entry->step.role != step->role);
            assert_false(entry->superseded);
            return;
        }
        if (digest_equal(&entry->step.id, &step->heard))
            after_heard = true;
    }
    fail_msg("superseded by a statement that is not in the log");
}

static void
broker_takes_one(struct world *world, struct agent *agent)
{
    struct loop_position before = world->broker.position;
    struct track_verdict verdict;
    struct loop_position next;

    if (agent->n_logged == agent->n_sent || world->n_log == LOG_MAX)
        return;
    const struct track_step *step = &agent->sent[agent->n_logged++];
    enum err err = track_apply(&world->broker, step, world->n_log, (int64_t)world->n_log, &verdict);
    assert_int_equal(err, ERR_OK);
    if (!lifecycle_step(before, step->event, step->role, &next))
        assert_true(verdict.superseded);
    else if (verdict.superseded) /* possible, but of an outcome its author had not heard */
        assert_int_equal(step->event, EVENT_ACKNOWLEDGE);
    if (verdict.superseded)
        check_crossing(world, step, &verdict.superseded_by);
    world->log[world->n_log++] = (struct entry){*step, verdict.superseded};
    world->n_superseded += verdict.superseded ? 1 : 0;
    world->n_applied += verdict.superseded ? 0 : 1;
    assert_int_equal(track_check(&world->broker), ERR_OK);
}

static void
agent_reads_one(struct world *world, struct agent *agent)
{
    struct track_verdict verdict;

    if (agent->n_read == world->n_log)
        return;
    const struct entry *entry = &world->log[agent->n_read];
    enum err err =
        track_apply(&agent->track, &entry->step, agent->n_read, (int64_t)agent->n_read, &verdict);
    assert_int_equal(err, ERR_OK);
    assert_int_equal(verdict.superseded, entry->superseded);
    agent->n_read++;
}

static void
act(struct world *world)
{
    struct agent *agent = &world->agent[random_below(LOOP_ROLE_COUNT)];

    switch (random_below(4)) {
    case 0:
        agent_speaks(world, agent);
        break;
    case 1:
        broker_takes_one(world, agent);
        break;
    case 2:
        agent_reads_one(world, agent);
        break;
    default:
        if (random_below(3) == 0)
            agent->n_told = world->n_log;
        break;
    }
}

static void
expect_same_track(const struct track *a, const struct track *b)
{
    CLEANUP(buffer_done) struct buffer left = BUFFER_INIT(TRACK_RECORD_BYTES_MAX);
    CLEANUP(buffer_done) struct buffer right = BUFFER_INIT(TRACK_RECORD_BYTES_MAX);

    track_encode(a, &left);
    track_encode(b, &right);
    assert_int_equal(buffer_err(&left), ERR_OK);
    assert_true(bytes_equal(buffer_view(&left), buffer_view(&right)));
}

static void
run_loop(struct world *world)
{
    said_begin(&world->broker);
    for (unsigned i = 0; i < LOOP_ROLE_COUNT; i++) {
        world->agent[i].role = (enum loop_role)i;
        said_begin(&world->agent[i].track);
    }
    for (unsigned i = 0; i < 4 * ACTIONS; i++)
        act(world);
    for (unsigned i = 0; i < LOOP_ROLE_COUNT; i++) {
        while (world->agent[i].n_logged < world->agent[i].n_sent && world->n_log < LOG_MAX)
            broker_takes_one(world, &world->agent[i]);
    }
    for (unsigned i = 0; i < LOOP_ROLE_COUNT; i++) {
        while (world->agent[i].n_read < world->n_log)
            agent_reads_one(world, &world->agent[i]);
        expect_same_track(&world->broker, &world->agent[i].track);
        track_done(&world->agent[i].track);
    }
    track_done(&world->broker);
}

static void
two_late_sides_and_a_broker_agree(void **state)
{
    static struct world world;
    unsigned long n_applied = 0;
    unsigned long n_superseded = 0;
    unsigned n_ended[LOOP_STATE_COUNT] = {0};

    (void)state;
    random_state = 20240611;
    for (unsigned i = 0; i < LOOPS; i++) {
        memset(&world, 0, sizeof(world));
        run_loop(&world);
        n_applied += world.n_applied;
        n_superseded += world.n_superseded;
        n_ended[world.broker.position.state]++;
    }
    print_message("%lu statements applied, %lu superseded, %u loops ended void\n", n_applied,
                  n_superseded, n_ended[LOOP_VOID]);
    assert_true(n_applied > 10 * LOOPS);
    assert_true(n_superseded > LOOPS);
    assert_true(n_ended[LOOP_CLOSED] > 0 && n_ended[LOOP_COMPLETED] > 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(withdraw_and_accept),
        cmocka_unit_test(cancel_and_complete),
        cmocka_unit_test(acknowledge_unheard),
        cmocka_unit_test(hold_and_cancel),
        cmocka_unit_test(two_on_top_of_each_other),
        cmocka_unit_test(anything_crosses_with_a_void),
        cmocka_unit_test(what_was_heard_does_not_cross),
        cmocka_unit_test(what_nobody_could_think_possible_does_not_cross),
        cmocka_unit_test(two_late_sides_and_a_broker_agree),
    };
    return cmocka_run_group_tests_name("track_crossing", tests, NULL, NULL);
}
