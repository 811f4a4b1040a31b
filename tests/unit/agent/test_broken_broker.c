/* A broken or hostile broker is not believed: forged receipts, altered and foreign entries, missing
 * sealed parts, a log from an old backup, bytes that are no message. What proves it a liar is in
 * test_proof.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/secret.h"
#include "tests/unit/agent/fake_rig.h"

enum { CLINIC = 0, PANTRY = 1, SHELTER = 2 };

static struct agent_link_status
status_of(struct rig *rig, size_t peer)
{
    struct agent_link_status status;

    agent_get_link_status(rig->peer[peer].agent, &status);
    return status;
}

static void
a_forged_receipt_is_nothing(void **state)
{
    struct fake_rig *fake = fake_rig_new(2);
    struct rig *rig = &fake->rig;
    struct loop_id loop;
    static struct rig_steps steps;

    (void)state;
    rig_settle(rig);
    rig_move(rig, CLINIC);
    fake->broker.forge_receipts = true;
    (void)rig_start(rig, CLINIC, PANTRY, &loop);
    fake->broker.session[CLINIC].fetching = false; /* so that the log does not tell */
    rig_move(rig, CLINIC);
    rig_read_steps(rig, CLINIC, &loop, &steps);
    assert_int_equal(steps.view[0].stage, STAGE_SENT);
    assert_true(status_of(rig, CLINIC).bad_frames > 0);
    fake->broker.forge_receipts = false;
    rig_up(rig, CLINIC);
    rig_settle(rig);
    rig_read_steps(rig, CLINIC, &loop, &steps);
    assert_int_equal(steps.view[0].stage, STAGE_DELIVERED);
    fake_rig_free(fake);
}

/* Nothing of the frame is taken, and it is asked for again, not too often; when the right bytes
 * come, they are. */
static void
an_altered_entry_is_not_taken(void **state)
{
    struct fake_rig *fake = fake_rig_new(2);
    struct rig *rig = &fake->rig;
    struct loop_id spoilt, sound;
    struct loop_view view;

    (void)state;
    rig_settle(rig);
    uint64_t cursor = status_of(rig, PANTRY).cursor;
    fake->broker.spoil_entry = fake->broker.n_log;
    (void)rig_start(rig, CLINIC, PANTRY, &spoilt);
    rig_move(rig, CLINIC);
    int64_t end_ms = rig->now.boot_ms + 600 * 1000;
    size_t before = fake->broker.n_hellos;
    while (rig->now.boot_ms < end_ms) {
        rig_move(rig, PANTRY);
        rig->now.boot_ms += 250;
    }
    assert_int_equal(agent_get_loop(rig->peer[PANTRY].agent, &spoilt, &view), ERR_UNKNOWN_LOOP);
    assert_true(status_of(rig, PANTRY).bad_entries > 0);
    assert_int_equal(status_of(rig, PANTRY).cursor, cursor);
    assert_non_null(status_of(rig, PANTRY).unproved);
    assert_in_range(fake->broker.n_hellos - before, 10, 40);
    fake->broker.spoil_entry = 0;
    rig_settle(rig);
    assert_int_equal(rig_view(rig, PANTRY, &spoilt).position.state, LOOP_REQUESTED);
    assert_int_equal(agent_settle_alarms(rig->peer[PANTRY].agent, rig->now), ERR_OK);
    (void)rig_start(rig, CLINIC, PANTRY, &sound);
    rig_settle(rig);
    assert_int_equal(rig_view(rig, CLINIC, &spoilt).n_undelivered, 0);
    assert_int_equal(rig_view(rig, CLINIC, &sound).n_undelivered, 0);
    assert_null(status_of(rig, PANTRY).unproved);
    assert_int_equal(agent_check_store(rig->peer[PANTRY].agent, NULL), ERR_OK);
    fake_rig_free(fake);
}

static unsigned n_seen;

static bool
count_loop(void *context, const struct loop_view *loop)
{
    (void)context;
    (void)loop;
    n_seen++;
    return true;
}

static void
other_peoples_entries_are_not_taken(void **state)
{
    struct fake_rig *fake = fake_rig_new(3);
    struct rig *rig = &fake->rig;
    struct loop_id loop;

    (void)state;
    rig_settle(rig);
    fake->broker.show_everything = true;
    (void)rig_start(rig, CLINIC, PANTRY, &loop);
    rig_settle(rig);
    n_seen = 0;
    assert_int_equal(agent_each_loop(rig->peer[SHELTER].agent, count_loop, NULL), ERR_OK);
    assert_int_equal(n_seen, 0);
    assert_true(status_of(rig, SHELTER).bad_entries > 0);
    assert_int_equal(rig_view(rig, PANTRY, &loop).position.state, LOOP_REQUESTED);
    fake_rig_free(fake);
}

/* The step counts, as its author signed it; but it is not confirmed, because its content never
 * came. */
static void
a_missing_sealed_part_is_not_confirmed(void **state)
{
    struct fake_rig *fake = fake_rig_new(2);
    struct rig *rig = &fake->rig;
    struct loop_id loop;
    static struct rig_steps steps;

    (void)state;
    rig_settle(rig);
    fake->broker.strip_sealed = true;
    (void)rig_start(rig, CLINIC, PANTRY, &loop);
    rig_settle(rig);
    rig_read_steps(rig, PANTRY, &loop, &steps);
    assert_true(steps.view[0].unreadable);
    assert_string_equal(steps.facts[0], "{}");
    assert_int_equal(rig_view(rig, CLINIC, &loop).n_undelivered, 1);
    assert_true(status_of(rig, PANTRY).bad_entries > 0);
    assert_int_equal(agent_check_store(rig->peer[PANTRY].agent, NULL), ERR_OK);
    fake_rig_free(fake);
}

static void
another_log_is_refused(void **state)
{
    struct fake_rig *fake = fake_rig_new(2);
    struct rig *rig = &fake->rig;
    struct loop_id loop;
    uint8_t right[INCARNATION_BYTES];

    (void)state;
    rig_settle(rig);
    memcpy(right, fake->broker.incarnation, sizeof(right));
    fake->broker.incarnation[3] ^= 1;
    rig_down(rig, CLINIC);
    (void)rig_start(rig, CLINIC, PANTRY, &loop);
    rig_up(rig, CLINIC);
    size_t submitted = fake->broker.n_submitted;
    for (unsigned i = 0; i < 8; i++) {
        rig_move(rig, CLINIC);
        rig->now.boot_ms += 500;
    }
    assert_int_equal(status_of(rig, CLINIC).refused, ERR_CORRUPT);
    assert_false(status_of(rig, CLINIC).ready);
    assert_int_equal(fake->broker.n_submitted, submitted);

    /* The same when the log is the right one but shorter than what we have read. */
    memcpy(fake->broker.incarnation, right, sizeof(right));
    fake->broker.head_shown = 2;
    rig_up(rig, CLINIC);
    for (unsigned i = 0; i < 8; i++)
        rig_move(rig, CLINIC);
    assert_int_equal(status_of(rig, CLINIC).refused, ERR_CORRUPT);
    assert_int_equal(fake->broker.n_submitted, submitted);

    fake->broker.head_shown = 0;
    rig_settle(rig); /* it asks again by itself, and says nothing until people have looked */
    assert_int_equal(status_of(rig, CLINIC).refused, ERR_OK);
    assert_int_equal(fake->broker.n_submitted, submitted);
    assert_int_equal(agent_settle_alarms(rig->peer[CLINIC].agent, rig->now), ERR_OK);
    rig_settle(rig);
    assert_int_equal(rig_view(rig, PANTRY, &loop).position.state, LOOP_REQUESTED);
    fake_rig_free(fake);
}

static void
noise_is_counted(void **state)
{
    struct fake_rig *fake = fake_rig_new(2);
    struct rig *rig = &fake->rig;
    struct agent *clinic = rig->peer[CLINIC].agent;
    static struct message message;
    uint8_t noise[300];

    (void)state;
    rig_settle(rig);
    uint64_t before = status_of(rig, CLINIC).bad_frames;
    for (unsigned i = 0; i < 200; i++) {
        secret_random(noise, sizeof(noise));
        assert_int_equal(agent_receive(clinic, bytes_of(noise, i), rig->now), ERR_OK);
    }
    assert_true(status_of(rig, CLINIC).bad_frames >= before + 199);
    /* What only an agent says, and entries that contradict themselves. */
    struct buffer frame = BUFFER_INIT(LIMIT_FRAME_BYTES);
    message.kind = MESSAGE_PING;
    assert_int_equal(message_encode(&message, &frame), ERR_OK);
    before = status_of(rig, CLINIC).bad_frames;
    assert_int_equal(agent_receive(clinic, buffer_view(&frame), rig->now), ERR_OK);
    assert_int_equal(status_of(rig, CLINIC).bad_frames, before + 1);
    buffer_clear(&frame);
    message.kind = MESSAGE_ENTRIES;
    message.as.entries.next = 1000;
    message.as.entries.head = 10;
    message.as.entries.n = 0;
    if (message_encode(&message, &frame) == ERR_OK) {
        assert_int_equal(agent_receive(clinic, buffer_view(&frame), rig->now), ERR_OK);
        assert_true(status_of(rig, CLINIC).cursor < 1000);
    }
    buffer_done(&frame);
    rig_settle(rig);
    assert_true(status_of(rig, CLINIC).ready);
    fake_rig_free(fake);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_forged_receipt_is_nothing),
        cmocka_unit_test(an_altered_entry_is_not_taken),
        cmocka_unit_test(other_peoples_entries_are_not_taken),
        cmocka_unit_test(a_missing_sealed_part_is_not_confirmed),
        cmocka_unit_test(another_log_is_refused),
        cmocka_unit_test(noise_is_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
