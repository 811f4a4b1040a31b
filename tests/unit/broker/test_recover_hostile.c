/* Members that help a recovery on in bad faith: what they leave out comes back from others, what
 * they fill is no obstacle to the next entry, and what they make the broker do for nothing they pay
 * for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "broker/state.h"
#include "tests/unit/broker/lost.h"

enum { FLOOD = 100 };

static uint64_t
asked_from(struct lost *lost, const struct rig_org *org)
{
    lost_forget_frames(lost);
    rig_hello(lost->rig, org);
    assert_true(rig_take(lost->rig, &org->route));
    assert_int_equal(lost->rig->heard.kind, MESSAGE_WELCOME);
    return lost->rig->heard.as.welcome.recall_from;
}

/* The pantry is first, and gives every entry without what was sealed in it. The others are asked
 * for all of it again, and it does not end before they have said what they have. */
static void
test_contents_left_out(void **state)
{
    struct lost *lost = *state;
    struct rig *rig = lost->rig;
    lost_restore(lost, true);
    rig_hello(rig, &rig->pantry);
    lost_send(lost, &rig->pantry, lost->n_kept, lost->n, LOST_WITHOUT_SEALED);
    assert_int_equal(rig_status(rig).entries, lost->n);
    assert_int_equal(asked_from(lost, &rig->shelter), lost->n_kept);
    assert_int_equal(asked_from(lost, &rig->clinic), lost->n_kept);
    assert_true(rig_status(rig).recovering);
    assert_int_equal(rig_status(rig).recover_missing, 2);
    lost_send(lost, &rig->clinic, lost->n_kept, lost->n_kept + 1, LOST_MORE);
    assert_true(rig_take(rig, &rig->clinic.route));
    assert_int_equal(rig->heard.kind, MESSAGE_RECALL);
    assert_int_equal(rig->heard.as.recall.from, lost->n_kept + 1);
    rig_reopen(rig);
    lost_keep_heads(lost);
    assert_int_equal(asked_from(lost, &rig->pantry), lost->n_kept);
    lost_send(lost, &rig->pantry, lost->n, lost->n, LOST_ALL);
    lost_bring(lost, &rig->clinic);
    assert_true(rig_status(rig).recovering);
    lost_bring(lost, &rig->shelter);
    lost_expect_whole(lost);
    lost_expect_works(rig);
}

/* Contents that nobody has any more are not waited for when all have said so. */
static void
test_contents_gone(void **state)
{
    struct lost *lost = *state;
    struct rig *rig = lost->rig;
    lost_restore(lost, true);
    rig_hello(rig, &rig->pantry);
    lost_send(lost, &rig->pantry, lost->n_kept, lost->n, LOST_WITHOUT_SEALED);
    for (size_t i = 0; i < LOST_MEMBERS; i++) {
        assert_true(rig_status(rig).recovering);
        assert_int_equal(asked_from(lost, lost->members[i]), lost->n_kept);
        lost_send(lost, lost->members[i], lost->n, lost->n, LOST_ALL);
    }
    assert_false(rig_status(rig).recovering);
    assert_int_equal(rig_status(rig).entries, lost->n);
    assert_int_equal(lost_check(rig), ERR_OK);
}

/* One that never says that it has no more is waived like one that never comes. */
static void
test_never_done(void **state)
{
    struct lost *lost = *state;
    struct rig *rig = lost->rig;
    lost_restore(lost, true);
    rig_hello(rig, &rig->pantry);
    lost_send(lost, &rig->pantry, lost->n_kept, lost->n, LOST_WITHOUT_SEALED);
    lost_bring(lost, &rig->clinic);
    rig_hello(rig, &rig->shelter);
    assert_true(rig_status(rig).recovering);
    assert_false(broker_recover_has_heard(rig->broker, rig->shelter.org));
    assert_int_equal(broker_recover_waive(rig->broker, rig->now), ERR_OK);
    assert_false(rig_status(rig).recovering);
}

/* A table full of true copies from far ahead: who holds the next entry is still asked for it. */
static void
test_full_table(void **state)
{
    struct lost *lost = *state;
    struct rig *rig = lost->rig;
    lost_restore(lost, true);
    rig_hello(rig, &rig->clinic);
    rig_hello(rig, &rig->pantry);
    rig->broker->recover.n_held = RECOVER_HELD_MAX;
    lost_send(lost, &rig->clinic, lost->n_kept + 1, lost->n_kept + 3, LOST_MORE);
    lost_forget_frames(lost);
    lost_send(lost, &rig->pantry, lost->n_kept, lost->n_kept + 1, LOST_ALL);
    assert_int_equal(rig_status(rig).entries, lost->n_kept + 1);
    assert_int_equal(rig->broker->recover.n_held, RECOVER_HELD_MAX);
    assert_true(rig_take(rig, &rig->clinic.route));
    assert_int_equal(rig->heard.kind, MESSAGE_RECALL);
    assert_int_equal(rig->heard.as.recall.from, lost->n_kept + 1);
}

/* What is there already, sent again and again, is not written again and again. */
static void
test_known_copies_cost_no_commit(void **state)
{
    struct lost *lost = *state;
    struct rig *rig = lost->rig;
    CLEANUP(kv_abort) struct kv_txn *before = NULL;
    CLEANUP(kv_abort) struct kv_txn *after = NULL;
    lost_restore(lost, true);
    rig_hello(rig, &rig->clinic);
    lost_send(lost, &rig->clinic, lost->n_kept, lost->n_kept + 2, LOST_ALL);
    lost_send(lost, &rig->clinic, lost->n_kept + 4, lost->n_kept + 5, LOST_ALL);
    assert_int_equal(kv_begin_read(rig->broker->kv, &before), ERR_OK);
    uint64_t snapshot = kv_snapshot(before);
    kv_abort(&before);
    lost_send(lost, &rig->clinic, lost->n_kept, lost->n_kept + 2, LOST_ALL);
    lost_send(lost, &rig->clinic, lost->n_kept + 4, lost->n_kept + 5, LOST_ALL);
    assert_int_equal(kv_begin_read(rig->broker->kv, &after), ERR_OK);
    bool same = kv_snapshot(after) == snapshot;
    kv_abort(&after);
    assert_true(same);
}

/* 63 true copies and a false one are 64 signatures to check and nothing gained: whoever does that
 * soon has no share of messages left. */
static void
test_false_copies_are_charged(void **state)
{
    struct lost *lost = *state;
    struct rig *rig = lost->rig;
    rig->options.statements_per_minute = 64;
    lost_restore(lost, true);
    rig_hello(rig, &rig->pantry);
    for (int i = 0; i < FLOOD; i++) {
        lost_send_lie(lost, &rig->pantry, LOST_LIE_PROOF);
    }
    assert_true(rig_status(rig).refused[ERR_QUOTA] > 0);
    lost_bring(lost, &rig->clinic); /* others do not notice */
    assert_true(rig_status(rig).entries > lost->n_kept);
}

/* Every refusal is counted. */
static void
test_refusal_is_counted(void **state)
{
    struct lost *lost = *state;
    struct rig *rig = lost->rig;
    lost_restore(lost, true);
    uint64_t refused = rig_status(rig).refused[ERR_BUSY];
    lost_send(lost, &rig->clinic, lost->n_kept, lost->n, LOST_ALL);
    assert_int_equal(rig_status(rig).refused[ERR_BUSY], refused + 1);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_contents_left_out, lost_start, lost_stop),
        cmocka_unit_test_setup_teardown(test_contents_gone, lost_start, lost_stop),
        cmocka_unit_test_setup_teardown(test_never_done, lost_start, lost_stop),
        cmocka_unit_test_setup_teardown(test_full_table, lost_start, lost_stop),
        cmocka_unit_test_setup_teardown(test_known_copies_cost_no_commit, lost_start, lost_stop),
        cmocka_unit_test_setup_teardown(test_false_copies_are_charged, lost_start, lost_stop),
        cmocka_unit_test_setup_teardown(test_refusal_is_counted, lost_start, lost_stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
