/* What the broker may answer, and what becomes of the steps: waiting, making again, giving up; and
 * that a lost receipt is no loss. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/agent/fake_rig.h"

enum { CLINIC = 0, PANTRY = 1, SHELTER = 2 };

static struct fake_rig *
begin(struct loop_id *loop)
{
    struct fake_rig *fake = fake_rig_new(2);

    rig_settle(&fake->rig);
    (void)rig_start(&fake->rig, CLINIC, PANTRY, loop);
    rig_settle(&fake->rig);
    return fake;
}

static void
refuse(struct fake_rig *fake, enum err code, size_t n, enum loop_event event, uint32_t retry_ms)
{
    fake->broker.refuse_next = code;
    fake->broker.n_refuse_next = n;
    fake->broker.refuse_event = event;
    fake->broker.refuse_retry_ms = retry_ms;
}

static void
a_lost_receipt_is_found_in_the_log(void **state)
{
    struct loop_id loop;
    struct fake_rig *fake = begin(&loop);
    struct rig *rig = &fake->rig;
    struct agent_queue_status queue;

    (void)state;
    fake->broker.swallow_receipts = true;
    (void)rig_say(rig, CLINIC, &loop, EVENT_WITHDRAW);
    size_t logged = fake->broker.n_log;
    rig_settle(rig);
    agent_get_queue_status(rig->peer[CLINIC].agent, &queue);
    assert_int_equal(queue.waiting, 0);
    assert_int_equal(fake->broker.n_log, logged + 2);
    assert_int_equal(rig_view(rig, PANTRY, &loop).position.state, LOOP_WITHDRAWN);
    rig_check_agreement(rig);
    fake_rig_free(fake);
}

static void
refused_in_the_middle_the_rest_goes_on(void **state)
{
    struct loop_id loop;
    struct fake_rig *fake = begin(&loop);
    struct rig *rig = &fake->rig;
    static struct rig_steps steps;

    (void)state;
    rig_down(rig, CLINIC);
    (void)rig_say(rig, CLINIC, &loop, EVENT_NOTE);
    (void)rig_say(rig, CLINIC, &loop, EVENT_WITHDRAW);
    (void)rig_say(rig, CLINIC, &loop, EVENT_NOTE);
    (void)rig_say(rig, CLINIC, &loop, EVENT_NOTE);
    refuse(fake, ERR_WRONG_STATE, 1, EVENT_WITHDRAW, 0);
    rig_settle(rig);
    rig_read_steps(rig, CLINIC, &loop, &steps);
    assert_int_equal(steps.n, 5);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(steps.view[i].stage, STAGE_DELIVERED);
    assert_int_equal(steps.view[4].event, EVENT_WITHDRAW);
    assert_int_equal(steps.view[4].stage, STAGE_REFUSED);
    assert_int_equal(steps.view[4].refusal, ERR_WRONG_STATE);
    assert_string_equal(steps.facts[1], "serial=2");
    assert_string_equal(steps.facts[2], "serial=4");
    assert_string_equal(steps.facts[3], "serial=5");
    assert_int_equal(rig_view(rig, CLINIC, &loop).n_refused, 1);
    assert_int_equal(rig_view(rig, CLINIC, &loop).queued_position.state, LOOP_REQUESTED);
    rig_check_agreement(rig);
    fake_rig_free(fake);
}

static void
a_refused_request_takes_its_loop_with_it(void **state)
{
    struct fake_rig *fake = fake_rig_new(2);
    struct rig *rig = &fake->rig;
    struct loop_id loop;
    const struct agent_content content = {.facts = bytes_of_text("{}")};
    struct complaint complaint = {""};

    (void)state;
    rig_settle(rig);
    (void)rig_start(rig, CLINIC, PANTRY, &loop);
    (void)rig_say(rig, CLINIC, &loop, EVENT_NOTE);
    refuse(fake, ERR_LOOP_EXISTS, 1, EVENT_REQUEST, 0);
    rig_settle(rig);
    assert_int_equal(rig_view(rig, CLINIC, &loop).n_refused, 2);
    assert_int_equal(agent_say(rig->peer[CLINIC].agent, &loop, EVENT_NOTE, 0, false, &content,
                               rig->now, &complaint),
                     ERR_WRONG_STATE);
    assert_non_null(strstr(complaint.text, "possible now: withdraw, void"));
    assert_int_equal(rig_view(rig, CLINIC, &loop).queued_position.state, LOOP_NONE);
    rig_check_agreement(rig);
    fake_rig_free(fake);
}

/* Nobody else knows of it, so nothing is said: it is ended here, for good, and stays so. */
static void
a_refused_request_can_be_ended_here(void **state)
{
    static const enum loop_event ends[] = {EVENT_VOID, EVENT_WITHDRAW};
    struct fake_rig *fake = fake_rig_new(2);
    struct rig *rig = &fake->rig;
    struct complaint complaint = {""};
    struct loop_id loop;

    (void)state;
    rig_settle(rig);
    for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
        (void)rig_start(rig, CLINIC, PANTRY, &loop);
        refuse(fake, ERR_REVOKED, 1, EVENT_REQUEST, 0);
        rig_settle(rig);
        size_t logged = fake->broker.n_log;
        (void)rig_say(rig, CLINIC, &loop, ends[i]);
        assert_int_equal(rig->last, ERR_OK);
        rig_settle(rig);
        rig_restart(rig, CLINIC);
        assert_int_equal(fake->broker.n_log, logged);
        struct loop_view view = rig_view(rig, CLINIC, &loop);
        assert_true(view.dropped);
        assert_int_equal(view.position.state, LOOP_VOID);
        assert_int_equal(view.queued_position.state, LOOP_VOID);
        assert_int_equal(view.n_steps, 1);
        (void)rig_say(rig, CLINIC, &loop, EVENT_VOID);
        assert_int_equal(rig->last, ERR_WRONG_STATE);
        assert_int_equal(agent_check_store(rig->peer[CLINIC].agent, &complaint), ERR_OK);
    }
    rig_settle(rig);
    rig_check_agreement(rig);
    fake_rig_free(fake);
}

/* A refusal promises nothing: the statement may have got into the log all the same. */
static void
ended_here_and_logged_all_the_same(void **state)
{
    struct fake_rig *fake = fake_rig_new(2);
    struct rig *rig = &fake->rig;
    struct loop_id loop;

    (void)state;
    rig_settle(rig);
    (void)rig_start(rig, CLINIC, PANTRY, &loop);
    fake->broker.refuse_but_log = true;
    fake->broker.session[CLINIC].fetching = false; /* the refusal comes first */
    refuse(fake, ERR_WRONG_STATE, 1, EVENT_REQUEST, 0);
    rig_move(rig, CLINIC);
    assert_int_equal(rig_view(rig, CLINIC, &loop).n_refused, 1);
    (void)rig_say(rig, CLINIC, &loop, EVENT_VOID);
    assert_int_equal(rig_view(rig, CLINIC, &loop).position.state, LOOP_VOID);
    rig_settle(rig);
    struct loop_view view = rig_view(rig, CLINIC, &loop);
    assert_false(view.dropped);
    assert_int_equal(view.position.state, LOOP_REQUESTED);
    assert_int_equal(view.n_refused, 0);
    (void)rig_say(rig, CLINIC, &loop, EVENT_VOID);
    rig_settle(rig);
    assert_int_equal(rig_view(rig, PANTRY, &loop).position.state, LOOP_VOID);
    rig_check_agreement(rig);
    fake_rig_free(fake);
}

/* A key that nothing can be sealed for would stop whoever writes to its owner: it is not believed,
 * even when the broker has logged it, and the one before stays. */
static void
a_partners_useless_key_is_not_believed(void **state)
{
    struct fake_rig *fake = fake_rig_new(3);
    struct rig *rig = &fake->rig;
    struct loop_id bad, good;
    struct key_set keys;
    struct sign_secret sign;
    struct curve_secret curve;
    struct buffer rotate;
    struct agent_link_status status;

    (void)state;
    rig_settle(rig);
    memset(&keys, 0, sizeof(keys));
    keys.seal.bytes[0] = 1; /* a point of low order: no shared secret comes of it */
    sign_new_pair(&keys.sign, &sign);
    curve_new_pair(&keys.curve, &curve);
    fixture_rotate(&rig->fixture, PANTRY, &keys, &sign, &rotate);
    fake_log(&fake->broker, buffer_view(&rotate));
    buffer_done(&rotate);
    rig_settle(rig);
    (void)rig_start(rig, CLINIC, PANTRY, &bad);
    (void)rig_start(rig, CLINIC, SHELTER, &good);
    rig_settle(rig);
    agent_get_link_status(rig->peer[CLINIC].agent, &status);
    assert_int_equal(status.bad_entries, 1);
    assert_int_equal(rig_view(rig, PANTRY, &bad).position.state, LOOP_REQUESTED);
    assert_int_equal(rig_view(rig, SHELTER, &good).position.state, LOOP_REQUESTED);
    fake_rig_free(fake);
}

/* Refused requests are held; what belongs to running loops is not held with them. */
static void
busy_holds_one_loop_and_quota_all(void **state)
{
    struct loop_id loop, fresh;
    struct fake_rig *fake = begin(&loop);
    struct rig *rig = &fake->rig;
    struct agent_queue_status queue;
    int64_t start_ms = rig->now.boot_ms;

    (void)state;
    refuse(fake, ERR_BUSY, 1, EVENT_REQUEST, 60000);
    (void)rig_start(rig, CLINIC, PANTRY, &fresh);
    rig_move(rig, CLINIC);
    (void)rig_say(rig, CLINIC, &loop, EVENT_NOTE);
    for (unsigned i = 0; i < 10; i++)
        rig_move(rig, CLINIC);
    agent_get_queue_status(rig->peer[CLINIC].agent, &queue);
    assert_int_equal(queue.waiting, 1);
    rig_settle(rig);
    assert_true(rig->now.boot_ms >= start_ms + 60000);
    agent_get_queue_status(rig->peer[CLINIC].agent, &queue);
    assert_int_equal(queue.waiting, 0);

    refuse(fake, ERR_QUOTA, 1, EVENT_COUNT, 60000);
    start_ms = rig->now.boot_ms;
    (void)rig_start(rig, CLINIC, PANTRY, &fresh);
    for (unsigned i = 0; i < 4; i++)
        rig_move(rig, CLINIC);
    (void)rig_say(rig, CLINIC, &loop, EVENT_NOTE);
    size_t submitted = fake->broker.n_submitted;
    for (unsigned i = 0; i < 10; i++)
        rig_move(rig, CLINIC);
    assert_int_equal(fake->broker.n_submitted, submitted);
    rig_settle(rig);
    assert_true(rig->now.boot_ms >= start_ms + 60000);
    rig_check_agreement(rig);
    fake_rig_free(fake);
}

static void
made_again_after_reading(void **state)
{
    static const enum err codes[] = {ERR_READER_KEY, ERR_EQUIVOCATION, ERR_SEQUENCE};
    struct loop_id loop;
    struct fake_rig *fake = begin(&loop);
    struct rig *rig = &fake->rig;
    static struct rig_steps steps;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(codes); i++) {
        refuse(fake, codes[i], 2, EVENT_NOTE, 0);
        (void)rig_say(rig, CLINIC, &loop, EVENT_NOTE);
        (void)rig_say(rig, CLINIC, &loop, EVENT_NOTE);
        rig_settle(rig);
    }
    rig_read_steps(rig, CLINIC, &loop, &steps);
    assert_int_equal(steps.n, 7);
    rig_check_agreement(rig);
    fake_rig_free(fake);
}

/* A broker that never stops refusing costs little: ever longer pauses, no spinning. */
static void
endless_refusals_are_slowed_down(void **state)
{
    struct loop_id loop;
    struct fake_rig *fake = begin(&loop);
    struct rig *rig = &fake->rig;

    (void)state;
    refuse(fake, ERR_SEQUENCE, SIZE_MAX, EVENT_NOTE, 0);
    (void)rig_say(rig, CLINIC, &loop, EVENT_NOTE);
    size_t submitted = fake->broker.n_submitted;
    int64_t end_ms = rig->now.boot_ms + 3600 * 1000;
    while (rig->now.boot_ms < end_ms) {
        rig_move(rig, CLINIC);
        rig->now.boot_ms += 500;
    }
    assert_true(fake->broker.n_submitted - submitted > 5);
    assert_true(fake->broker.n_submitted - submitted < 40);
    fake_rig_free(fake);
}

static void
silence_after_a_question_is_doubt(void **state)
{
    struct loop_id loop;
    struct fake_rig *fake = begin(&loop);
    struct rig *rig = &fake->rig;
    struct agent *clinic = rig->peer[CLINIC].agent;
    struct buffer frame = BUFFER_INIT(LIMIT_FRAME_BYTES);
    bool none = false;

    (void)state;
    rig_move(rig, CLINIC); /* nothing is left to say, and everything asked is answered */
    assert_int_equal(agent_next_frame(clinic, rig->now, &frame, &none), ERR_OK);
    assert_true(none);
    /* Long after the last word: a ping is due first, and doubt comes only when it is not answered.
     */
    rig->now.boot_ms += 100000;
    assert_false(agent_link_doubt(clinic, rig->now));
    none = false;
    assert_int_equal(agent_next_frame(clinic, rig->now, &frame, &none), ERR_OK);
    assert_false(none);
    rig->now.boot_ms += 2999;
    assert_false(agent_link_doubt(clinic, rig->now));
    assert_int_equal(agent_next_deadline_ms(clinic), rig->now.boot_ms + 1);
    rig->now.boot_ms += 1;
    assert_true(agent_link_doubt(clinic, rig->now));
    agent_link_down(clinic, rig->now);
    rig->peer[CLINIC].up = false;
    assert_false(agent_link_doubt(clinic, rig->now));
    assert_true(agent_next_deadline_ms(clinic) == INT64_MAX);
    buffer_done(&frame);
    fake_rig_free(fake);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_lost_receipt_is_found_in_the_log),
        cmocka_unit_test(refused_in_the_middle_the_rest_goes_on),
        cmocka_unit_test(a_refused_request_takes_its_loop_with_it),
        cmocka_unit_test(a_refused_request_can_be_ended_here),
        cmocka_unit_test(ended_here_and_logged_all_the_same),
        cmocka_unit_test(a_partners_useless_key_is_not_believed),
        cmocka_unit_test(busy_holds_one_loop_and_quota_all),
        cmocka_unit_test(made_again_after_reading),
        cmocka_unit_test(endless_refusals_are_slowed_down),
        cmocka_unit_test(silence_after_a_question_is_doubt),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
