/* Coming back from an old copy when some entries are with nobody: their authors still waited for
 * the receipts when it happened, and no reader had fetched them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "broker/hole.h"
#include "broker/hole_search.h"
#include "broker/state.h"
#include "tests/unit/broker/lost.h"

enum { HOUR_MS = 3600 * 1000, SECONDS_MAX = 20 };
static const size_t in_order[LOST_MEMBERS] = {0, 1, 2};

/* NULL for an entry that no member wrote. */
static struct rig_org *
author_of(struct lost *lost, uint64_t index)
{
    struct envelope envelope;
    struct statement statement;
    assert_int_equal(
        envelope_from_leaf(buffer_view(&lost->entries[index].statement_leaf), &envelope), ERR_OK);
    assert_int_equal(statement_decode(envelope.statement, &statement), ERR_OK);
    for (size_t i = 0; statement.kind == STATEMENT_LOOP && i < LOST_MEMBERS; i++) {
        if (strcmp(statement.author, lost->members[i]->org) == 0) {
            return lost->members[i];
        }
    }
    return NULL;
}

static void
tend(struct lost *lost)
{
    lost->rig->now.boot_ms += 1000;
    broker_tend(lost->rig->broker, lost->rig->now);
}

static void
tend_until_whole(struct lost *lost)
{
    uint64_t before = rig_status(lost->rig).entries;
    for (int i = 0; i < SECONDS_MAX && rig_status(lost->rig).entries == before; i++) {
        tend(lost);
    }
    lost_bring_back(lost, in_order); /* who joined behind the hole was a stranger until now */
}

static void
say_all_again(struct lost *lost, uint64_t from, uint64_t to)
{
    for (uint64_t i = from; i < to; i++) {
        lost_say_again(lost, author_of(lost, i), i);
    }
}

/* The copy is put in place, and members bring all but the hole, which is as it says. */
static void
restore_with_hole(struct lost *lost, uint64_t from, uint64_t to)
{
    struct broker_gap gaps[2];
    size_t n = 0;
    for (uint64_t i = from; i < to; i++) {
        lost_make_hole(lost, i);
    }
    lost_restore(lost, true);
    lost_bring_back(lost, in_order);
    tend(lost);
    assert_true(rig_status(lost->rig).recovering);
    assert_int_equal(rig_status(lost->rig).entries, from);
    assert_int_equal(broker_recover_gaps(lost->rig->broker, gaps, ARRAY_LEN(gaps), &n), ERR_OK);
    assert_int_equal(n, 1);
    assert_true(gaps[0].first == from && gaps[0].last == to - 1);
    assert_int_equal(broker_recover_waive(lost->rig->broker, lost->rig->now), ERR_SEQUENCE);
    lost_forget_frames(lost);
}

/* --- a turn of several --- */

enum { TURN_MAX = 16 };
struct turn {
    struct rig_loop loops[TURN_MAX];
    size_t n;
};

/* Requests, one frame each, in one turn; then all know the head. Turned: the last one was written
 * first. */
static void
run_turn_as(struct lost *lost, const size_t *sources, size_t n, bool turned, struct turn *turn)
{
    struct rig *rig = lost->rig;
    uint64_t before = rig_status(rig).entries;
    for (turn->n = 0; turn->n < n; turn->n++) {
        CLEANUP(buffer_done) struct buffer envelope = BUFFER_INIT(LIMIT_ENVELOPE_BYTES);
        size_t source = sources[turn->n];
        struct rig_org *author = lost->members[source];
        struct rig_loop *loop = &turn->loops[turn->n];
        *loop = rig_loop_new(author, lost->members[(source + 1) % LOST_MEMBERS]);
        struct statement statement = rig_statement(rig, loop, LOOP_SOURCE, EVENT_REQUEST);
        statement.authored_ms += (int64_t)((turn->n + (turned ? 1 : 0)) % n);
        struct digest id = rig_seal(rig, &statement, 100, author, &envelope);
        rig_submit_only(rig, &author->keys.curve, &author->route, &envelope, 1);
        rig_took(loop, LOOP_SOURCE, &id, EVENT_REQUEST);
    }
    rig_turn(rig);
    assert_int_equal(rig_status(rig).entries, before + n);
    for (size_t i = 0; i < LOST_MEMBERS; i++) {
        rig_hello(rig, lost->members[i]);
    }
    lost_forget_frames(lost);
    lost_read(lost);
}

static void
run_turn(struct lost *lost, const size_t *sources, size_t n, struct turn *turn)
{
    run_turn_as(lost, sources, n, false, turn);
}

/* --- */

/* Every entry that a member wrote, on its own. */
static void
test_one(void **state)
{
    struct lost *lost = *state;
    size_t n = 0;
    for (uint64_t i = lost->n_kept; i < lost->n; i++) {
        struct rig_org *author = author_of(lost, i);
        lost_read(lost);
        if (author == NULL) {
            continue;
        }
        restore_with_hole(lost, i, i + 1);
        lost_say_again(lost, author, i);
        assert_int_equal(hole_count(lost->rig->broker), 1);
        tend_until_whole(lost);
        lost_expect_whole(lost);
        n++;
    }
    assert_true(n > 5);
    lost_expect_works(lost->rig);
}

/* Several in one turn, by one and by several authors, in the middle and at the end. */
static void
test_in_one_turn(void **state)
{
    static const size_t sources[] = {0, 1, 1, 0, 2, 0, 0, 0};
    static const struct {
        uint64_t from, to;
    } holes[] = {{0, 1}, {1, 3}, {0, 4}, {1, 6}, {0, 7}, {5, 8}, {7, 8}, {0, 8}};
    struct lost *lost = *state;
    struct turn *turn = calloc(1, sizeof(*turn));
    assert_non_null(turn);
    uint64_t first = lost->n;
    run_turn(lost, sources, ARRAY_LEN(sources), turn);
    for (size_t i = 0; i < ARRAY_LEN(holes); i++) {
        lost_read(lost);
        restore_with_hole(lost, first + holes[i].from, first + holes[i].to);
        say_all_again(lost, first + holes[i].from, first + holes[i].to);
        tend_until_whole(lost);
        lost_expect_whole(lost);
    }
    lost_expect_works(lost->rig);
    free(turn);
}

/* Two turns, a hole in each: the second one waits for the first. */
static void
test_two_holes(void **state)
{
    struct lost *lost = *state;
    uint64_t last = lost->n - 1;
    struct broker_gap gaps[3];
    size_t n = 0;
    lost_make_hole(lost, lost->n_kept);
    lost_make_hole(lost, last);
    lost_restore(lost, true);
    lost_bring_back(lost, in_order);
    lost_say_again(lost, author_of(lost, lost->n_kept), lost->n_kept);
    tend(lost);
    assert_true(rig_status(lost->rig).recovering);
    /* Who joined behind the first hole was a stranger until now. */
    lost_bring_back(lost, in_order);
    assert_int_equal(broker_recover_gaps(lost->rig->broker, gaps, ARRAY_LEN(gaps), &n), ERR_OK);
    assert_int_equal(n, 1);
    assert_true(gaps[0].first == last && gaps[0].last == last);
    lost_say_again(lost, author_of(lost, last), last);
    tend_until_whole(lost);
    lost_expect_whole(lost);
}

/* What was never logged stays out, and does not hinder. */
static void
test_unrelated(void **state)
{
    static const size_t sources[] = {0, 1, 2, 1};
    struct lost *lost = *state;
    struct rig *rig = lost->rig;
    struct turn *turn = calloc(1, sizeof(*turn));
    assert_non_null(turn);
    uint64_t first = lost->n;
    run_turn(lost, sources, ARRAY_LEN(sources), turn);
    restore_with_hole(lost, first, first + 3);
    for (size_t i = 0; i < 6; i++) {
        struct rig_loop loop = rig_loop_new(lost->members[i % 3], lost->members[(i + 1) % 3]);
        rig_expect_refused(rig_step(rig, &loop, LOOP_SOURCE, EVENT_REQUEST), ERR_BUSY);
    }
    tend(lost);
    assert_int_equal(rig_status(rig).entries, first);
    lost_say_again(lost, author_of(lost, first + 3), first + 3); /* somebody holds it: not in it */
    say_all_again(lost, first, first + 3);
    say_all_again(lost, first, first + 3);
    assert_int_equal(hole_count(rig->broker), 10);
    tend_until_whole(lost);
    lost_expect_whole(lost);
    assert_int_equal(hole_count(rig->broker), 0);
    free(turn);
}

/* What somebody holds behind the hole is not taken to be in it: else a long one would be filled
 * from the wrong end. */
static void
test_held_behind(void **state)
{
    static const size_t sources[HOLE_FREE_MAX + 2] = {0};
    struct lost *lost = *state;
    struct turn *turn = calloc(1, sizeof(*turn));
    assert_non_null(turn);
    uint64_t first = lost->n;
    run_turn_as(lost, sources, ARRAY_LEN(sources), true, turn);
    restore_with_hole(lost, first, lost->n - 1);
    say_all_again(lost, first, lost->n);
    tend_until_whole(lost);
    lost_expect_whole(lost);
    free(turn);
}

/* The author says something else in the same place, with a valid signature. */
static void
test_other_words(void **state)
{
    static const size_t sources[] = {0, 1};
    struct lost *lost = *state;
    struct rig *rig = lost->rig;
    struct turn *turn = calloc(1, sizeof(*turn));
    assert_non_null(turn);
    uint64_t first = lost->n;
    run_turn(lost, sources, ARRAY_LEN(sources), turn);
    struct rig_loop loop = turn->loops[0];
    loop.seq[LOOP_SOURCE] = 0;
    loop.last[LOOP_SOURCE] = loop.mark[LOOP_SOURCE] = (struct digest){{0}};
    restore_with_hole(lost, first, first + 1);
    rig_expect_refused(rig_step(rig, &loop, LOOP_SOURCE, EVENT_REQUEST), ERR_BUSY);
    assert_int_equal(hole_count(rig->broker), 1);
    for (int i = 0; i < 3; i++) {
        tend(lost);
    }
    assert_true(rig_status(rig).recovering);
    assert_int_equal(rig_status(rig).entries, first);
    lost_say_again(lost, &rig->clinic, first);
    tend_until_whole(lost);
    lost_expect_whole(lost);
    free(turn);
}

/* Nothing is signed or receipted, whatever is found. */
static void
test_nothing_signed(void **state)
{
    static const size_t sources[] = {0, 1};
    struct lost *lost = *state;
    struct rig *rig = lost->rig;
    struct turn *turn = calloc(1, sizeof(*turn));
    CLEANUP(buffer_done) struct buffer before = BUFFER_INIT(LIMIT_CHECKPOINT_BYTES);
    assert_non_null(turn);
    uint64_t first = lost->n;
    run_turn(lost, sources, ARRAY_LEN(sources), turn);
    lost_make_hole(lost, first);
    lost_restore(lost, true);
    struct bytes note = broker_checkpoint(rig->broker);
    buffer_put(&before, note.data, note.len);
    lost_bring(lost, &rig->clinic);
    lost_bring(lost, &rig->pantry);
    lost_forget_frames(lost);
    assert_int_equal(rig_status(rig).entries, first);
    lost_say_again(lost, &rig->clinic, first);
    tend(lost);
    assert_int_equal(rig_status(rig).entries, lost->n);
    assert_true(rig_status(rig).recovering); /* the shelter has not been heard */
    assert_int_equal(rig_count(rig, &rig->clinic.route), 0);
    lost_say_again(lost, &rig->clinic, first); /* now that it is in the log */
    assert_true(bytes_equal(broker_checkpoint(rig->broker), buffer_view(&before)));
    rig_reopen(rig);
    assert_true(bytes_equal(broker_checkpoint(rig->broker), buffer_view(&before)));
    lost_keep_heads(lost);
    lost_bring_back(lost, in_order);
    lost_expect_whole(lost);
    free(turn);
}

/* What was remembered is gone with the program; it is said again. */
static void
test_restart(void **state)
{
    struct lost *lost = *state;
    struct rig *rig = lost->rig;
    uint64_t hole = lost->n - 2;
    restore_with_hole(lost, hole, hole + 1);
    lost_say_again(lost, author_of(lost, hole), hole);
    rig_reopen(rig);
    lost_keep_heads(lost);
    lost_bring_back(lost, in_order);
    tend(lost);
    assert_true(rig_status(rig).recovering);
    lost_say_again(lost, author_of(lost, hole), hole);
    tend_until_whole(lost);
    lost_expect_whole(lost);
}

/* A disk that is full for a while. */
static void
test_full_disk(void **state)
{
    struct lost *lost = *state;
    uint64_t hole = lost->n - 2;
    restore_with_hole(lost, hole, hole + 1);
    lost_say_again(lost, author_of(lost, hole), hole);
    lost->rig->broker->read_only = true;
    assert_int_equal(hole_fill(lost->rig->broker), ERR_OK);
    assert_int_equal(rig_status(lost->rig).entries, hole);
    tend_until_whole(lost);
    lost_expect_whole(lost);
}

/* One member has its share of the memory, and no more; who is not a member has none. */
static void
test_shares(void **state)
{
    struct lost *lost = *state;
    struct rig *rig = lost->rig;
    CLEANUP(buffer_done) struct buffer join = BUFFER_INIT(LIMIT_ENVELOPE_BYTES);
    uint64_t hole = lost->n - 2;
    restore_with_hole(lost, hole, hole + 1);
    rig_join_envelope(rig, &lost->elder, &join);
    rig_expect_refused(rig_submit(rig, &lost->elder.once_curve, &lost->elder.route, &join),
                       ERR_BUSY);
    assert_int_equal(hole_count(rig->broker), 0);
    struct rig_org *author = author_of(lost, hole);
    struct rig_org *other = author == &rig->clinic ? &rig->shelter : &rig->clinic;
    for (size_t i = 0; i < HOLE_PER_MEMBER + 5; i++) {
        struct rig_loop loop = rig_loop_new(other, author);
        rig_expect_refused(rig_step(rig, &loop, LOOP_SOURCE, EVENT_REQUEST), ERR_BUSY);
        lost_forget_frames(lost);
    }
    assert_int_equal(hole_count(rig->broker), HOLE_PER_MEMBER);
    lost_say_again(lost, author, hole);
    assert_int_equal(hole_count(rig->broker), HOLE_PER_MEMBER + 1);
    tend_until_whole(lost);
    lost_expect_whole(lost);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_one, lost_start, lost_stop),
        cmocka_unit_test_setup_teardown(test_in_one_turn, lost_start, lost_stop),
        cmocka_unit_test_setup_teardown(test_two_holes, lost_start, lost_stop),
        cmocka_unit_test_setup_teardown(test_unrelated, lost_start, lost_stop),
        cmocka_unit_test_setup_teardown(test_held_behind, lost_start, lost_stop),
        cmocka_unit_test_setup_teardown(test_other_words, lost_start, lost_stop),
        cmocka_unit_test_setup_teardown(test_nothing_signed, lost_start, lost_stop),
        cmocka_unit_test_setup_teardown(test_restart, lost_start, lost_stop),
        cmocka_unit_test_setup_teardown(test_full_disk, lost_start, lost_stop),
        cmocka_unit_test_setup_teardown(test_shares, lost_start, lost_stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
