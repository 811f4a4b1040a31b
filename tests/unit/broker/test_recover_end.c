/* The end of a recovery that does not go by itself: members that do not come, and members that hold
 * another log. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "broker/state.h"
#include "lib/base/file.h"
#include "tests/unit/broker/lost.h"

enum { HOUR_MS = 3600 * 1000 };

static void
test_waiver(void **state)
{
    struct lost *lost = *state;
    struct rig *rig = lost->rig;
    rig_expect_code(broker_recover_waive(rig->broker, rig->now), ERR_NOT_PERMITTED);
    lost_restore(lost, true);
    rig_hello(rig, &rig->clinic);
    rig_expect_code(broker_recover_waive(rig->broker, rig->now), ERR_SEQUENCE);
    lost_send(lost, &rig->clinic, lost->n_kept, lost->n - 1, LOST_ALL);
    rig_expect_code(broker_recover_waive(rig->broker, rig->now), ERR_SEQUENCE);
    assert_true(rig_status(rig).recovering);
    lost_send(lost, &rig->clinic, lost->n - 1, lost->n, LOST_ALL);
    assert_true(rig_status(rig).recovering);
    assert_int_equal(broker_recover_waive(rig->broker, rig->now), ERR_OK);
    lost_expect_whole(lost);
    lost_expect_works(rig);
}

/* What was given up with a member does not stop the network when the member comes after all. */
static void
test_given_up(void **state)
{
    struct lost *lost = *state;
    struct rig *rig = lost->rig;
    lost_restore(lost, true);
    lost_hello_with(lost, &rig->clinic, buffer_view(&lost->early_note));
    lost_send_early(lost, &rig->clinic, lost->n_kept, lost->n_kept + 3);
    assert_int_equal(broker_recover_waive(rig->broker, rig->now), ERR_OK);
    assert_false(rig_status(rig).recovering);
    assert_true(bytes_equal(broker_checkpoint(rig->broker), buffer_view(&lost->early_note)));
    rig_reopen(rig);
    lost_hello_raw(lost, &rig->pantry, buffer_view(&lost->note));
    assert_false(rig_status(rig).recovering);
    assert_int_equal(rig->heard.kind, MESSAGE_WELCOME);
    assert_int_equal(rig->heard.as.welcome.recall_from, 0);
    /* It is seen to share our log: from then on its word counts again. */
    lost_hello_raw(lost, &rig->pantry, buffer_view(&lost->early_note));
    rig_reopen(rig);
    lost_hello_raw(lost, &rig->pantry, buffer_view(&lost->note));
    assert_true(rig_status(rig).recovering);
}

static void
test_revoked_is_not_awaited(void **state)
{
    struct lost *lost = *state;
    struct rig *rig = lost->rig;
    assert_int_equal(rig_revoke(rig, rig->pantry.org).result, RECEIPT_ACCEPTED);
    lost_read(lost);
    lost_restore(lost, true);
    assert_int_equal(rig_status(rig).recover_missing, 2); /* it was a member then */
    rig_hello(rig, &rig->clinic);
    lost_send(lost, &rig->clinic, lost->n_kept, lost->n, LOST_ALL);
    assert_int_equal(rig_status(rig).recover_missing, 1);
    rig_hello(rig, &rig->shelter);
    lost_expect_whole(lost);
    assert_int_equal(directory_find(broker_directory(rig->broker), rig->pantry.org)->state,
                     MEMBER_REVOKED);
}

/* --- two logs --- */

/* A copy put in place by hand: new entries are signed before anybody says what there was. */
static void
fork_log(struct lost *lost)
{
    struct rig *rig = lost->rig;
    struct rig_loop loop = rig_loop_new(&rig->clinic, &rig->pantry);
    lost_restore(lost, false);
    lost_forget_heads(lost);
    lost_hello_from_nothing(lost, &rig->clinic);
    assert_int_equal(rig_step(rig, &loop, LOOP_SOURCE, EVENT_REQUEST).result, RECEIPT_ACCEPTED);
    lost_hello_raw(lost, &rig->pantry, buffer_view(&lost->note));
    assert_true(rig_status(rig).recovering);
    assert_int_equal(rig_status(rig).recover_began_at, lost->n_kept + 1);
}

static void
test_fork(void **state)
{
    struct lost *lost = *state;
    struct rig *rig = lost->rig;
    fork_log(lost);
    assert_false(rig_status(rig).recover_forked);
    lost_send(lost, &rig->pantry, lost->n_kept, lost->n, LOST_ALL);
    assert_true(rig_status(rig).recover_forked);
    assert_true(rig_status(rig).recovering);
    assert_int_equal(rig_status(rig).entries, lost->n_kept + 1); /* nothing of it was taken */
    rig_hello(rig, &rig->clinic);
    assert_true(rig_status(rig).recovering);
    assert_int_equal(broker_recover_waive(rig->broker, rig->now), ERR_OK);
    assert_false(rig_status(rig).recovering);
    assert_int_equal(lost_check(rig), ERR_OK);
    rig_reopen(rig);
    lost_hello_raw(lost, &rig->pantry, buffer_view(&lost->note));
    assert_false(rig_status(rig).recovering);
}

/* Two heads of one size: all entries come back, and are not what was signed for that goal. */
static void
test_two_heads(void **state)
{
    struct lost *lost = *state;
    struct rig *rig = lost->rig;
    CLEANUP(buffer_done) struct buffer note = BUFFER_INIT(LIMIT_CHECKPOINT_BYTES);
    struct merkle_hash root = {.bytes = {1}};
    assert_int_equal(checkpoint_sign(&rig->network, lost->n, &root, &rig->log, &note), ERR_OK);
    lost_restore(lost, true);
    lost_hello_with(lost, &rig->clinic, buffer_view(&note));
    lost_bring_back(lost, (const size_t[]){0, 1, 2});
    assert_int_equal(rig_status(rig).entries, lost->n);
    assert_true(rig_status(rig).recover_forked);
    assert_true(rig_status(rig).recovering);
    assert_int_equal(broker_recover_waive(rig->broker, rig->now), ERR_OK);
    lost_expect_whole(lost);
}

/* The drill after that: the backup is put in place again, marked. */
static void
test_fork_healed(void **state)
{
    struct lost *lost = *state;
    fork_log(lost);
    lost_restore(lost, true);
    lost_keep_heads(lost);
    lost_bring_back(lost, (const size_t[]){0, 1, 2});
    lost_expect_whole(lost);
}

/* As many entries or fewer, but not ours: told, and nothing else. */
static void
test_other_log_within(void **state)
{
    struct lost *lost = *state;
    struct rig *rig = lost->rig;
    struct rig_loop loop = rig_loop_new(&rig->clinic, &rig->pantry);
    lost_restore(lost, false);
    lost_forget_heads(lost);
    lost_hello_from_nothing(lost, &rig->clinic);
    for (uint64_t i = lost->n_kept; i <= lost->n; i++) {
        enum loop_event event = i == lost->n_kept ? EVENT_REQUEST : EVENT_NOTE;
        assert_int_equal(rig_step(rig, &loop, LOOP_SOURCE, event).result, RECEIPT_ACCEPTED);
    }
    lost_hello_raw(lost, &rig->pantry, buffer_view(&lost->note));
    assert_false(rig_status(rig).recovering);
    assert_int_equal(rig->heard.kind, MESSAGE_WELCOME);
    struct view view = {.has = true, .note = buffer_view(&lost->note)};
    struct checkpoint told;
    assert_int_equal(checkpoint_open(view.note, &rig->network, &rig->log_public, &view.last),
                     ERR_OK);
    assert_int_equal(view_judge(&view, &rig->network, &rig->log_public,
                                &rig->heard.as.welcome.proved, true, &told),
                     VIEW_REWRITTEN);
}

static void
test_foreign_checkpoint(void **state)
{
    struct lost *lost = *state;
    struct rig *rig = lost->rig;
    CLEANUP(buffer_done) struct buffer note = BUFFER_INIT(LIMIT_CHECKPOINT_BYTES);
    struct sign_public public_key;
    struct sign_secret secret;
    struct merkle_hash root = {.bytes = {1}};
    struct network_id other = rig->network;
    sign_new_pair(&public_key, &secret);
    assert_int_equal(checkpoint_sign(&rig->network, 9999, &root, &secret, &note), ERR_OK);
    lost_hello_raw(lost, &rig->clinic, buffer_view(&note));
    assert_int_equal(rig->heard.kind, MESSAGE_REFUSED);
    rig_expect_code(rig->heard.as.refused.code, ERR_SIGNATURE);
    other.bytes[0] ^= 1;
    buffer_clear(&note);
    assert_int_equal(checkpoint_sign(&other, 9999, &root, &rig->log, &note), ERR_OK);
    lost_hello_raw(lost, &rig->clinic, buffer_view(&note));
    rig_expect_code(rig->heard.as.refused.code, ERR_SIGNATURE);
    lost_hello_raw(lost, &rig->clinic, bytes_of_text("no note at all\n"));
    rig_expect_code(rig->heard.as.refused.code, ERR_MALFORMED);
    assert_false(rig_status(rig).recovering);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_waiver, lost_start, lost_stop),
        cmocka_unit_test_setup_teardown(test_given_up, lost_start, lost_stop),
        cmocka_unit_test_setup_teardown(test_revoked_is_not_awaited, lost_start, lost_stop),
        cmocka_unit_test_setup_teardown(test_fork, lost_start, lost_stop),
        cmocka_unit_test_setup_teardown(test_two_heads, lost_start, lost_stop),
        cmocka_unit_test_setup_teardown(test_fork_healed, lost_start, lost_stop),
        cmocka_unit_test_setup_teardown(test_other_log_within, lost_start, lost_stop),
        cmocka_unit_test_setup_teardown(test_foreign_checkpoint, lost_start, lost_stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
