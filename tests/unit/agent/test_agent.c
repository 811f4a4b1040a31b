/* What people see of one loop between two agents: stages, states, crossing, judging, short ids; and
 * that a queue built up without a link arrives once and in order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/agent/fake_rig.h"

enum { CLINIC = 0, PANTRY = 1 };

/* The next SUBMIT of an agent; what it says before is delivered. */
static struct buffer
next_submit(struct fake_rig *fake, size_t peer)
{
    static struct message message;

    for (;;) {
        struct buffer frame = BUFFER_INIT(LIMIT_FRAME_BYTES);
        bool none = true;
        assert_int_equal(agent_next_frame(fake->rig.peer[peer].agent, fake->rig.now, &frame, &none),
                         ERR_OK);
        assert_false(none);
        assert_int_equal(message_decode(buffer_view(&frame), &message), ERR_OK);
        if (message.kind == MESSAGE_SUBMIT)
            return frame;
        fake_receive(&fake->broker, peer, buffer_view(&frame), fake->rig.now);
        buffer_done(&frame);
    }
}

/* Delivers to an agent what the broker says up to the next receipts. */
static void
deliver_receipts(struct fake_rig *fake, size_t peer)
{
    static struct message message;
    struct buffer frame;

    do {
        assert_true(fake_take(&fake->broker, peer, &frame));
        assert_int_equal(message_decode(buffer_view(&frame), &message), ERR_OK);
        enum message_kind kind = message.kind;
        assert_int_equal(
            agent_receive(fake->rig.peer[peer].agent, buffer_view(&frame), fake->rig.now), ERR_OK);
        buffer_done(&frame);
        if (kind == MESSAGE_RECEIPTS)
            return;
    } while (true);
}

static enum step_stage
stage_of(struct rig *rig, size_t peer, const struct loop_id *loop, size_t i)
{
    static struct rig_steps steps;

    rig_read_steps(rig, peer, loop, &steps);
    assert_true(i < steps.n);
    return steps.view[i].stage;
}

static void
goes_from_request_to_closed(void **state)
{
    struct fake_rig *fake = fake_rig_new(2);
    struct rig *rig = &fake->rig;
    struct loop_id loop;
    static struct rig_steps steps;

    (void)state;
    rig_settle(rig); /* the directory arrives */
    assert_true(rig_start(rig, CLINIC, PANTRY, &loop) > 0);
    assert_int_equal(stage_of(rig, CLINIC, &loop, 0), STAGE_QUEUED);
    assert_int_equal(rig_view(rig, CLINIC, &loop).position.state, LOOP_NONE);
    assert_int_equal(rig_view(rig, CLINIC, &loop).queued_position.state, LOOP_REQUESTED);
    assert_int_equal(rig_view(rig, CLINIC, &loop).n_waiting, 1);

    struct buffer frame = next_submit(fake, CLINIC);
    assert_int_equal(stage_of(rig, CLINIC, &loop, 0), STAGE_SENT);

    fake_receive(&fake->broker, CLINIC, buffer_view(&frame), rig->now);
    buffer_done(&frame);
    deliver_receipts(fake, CLINIC); /* and not yet the log */
    assert_int_equal(agent_check_store(rig->peer[CLINIC].agent, NULL), ERR_OK);
    assert_int_equal(stage_of(rig, CLINIC, &loop, 0), STAGE_ACCEPTED);
    assert_int_equal(rig_view(rig, CLINIC, &loop).position.state, LOOP_NONE);
    assert_int_equal(rig_view(rig, CLINIC, &loop).queued_position.state, LOOP_REQUESTED);
    assert_int_equal(rig_view(rig, CLINIC, &loop).n_undelivered, 1);

    rig_settle(rig);
    assert_int_equal(stage_of(rig, CLINIC, &loop, 0), STAGE_DELIVERED);
    assert_int_equal(rig_view(rig, CLINIC, &loop).position.state, LOOP_REQUESTED);
    assert_int_equal(rig_view(rig, PANTRY, &loop).role, LOOP_TARGET);
    assert_string_equal(rig_view(rig, PANTRY, &loop).partner_name, "Maple Clinic");
    assert_true(rig_say(rig, PANTRY, &loop, EVENT_ACCEPT) > 0);
    assert_true(rig_say(rig, PANTRY, &loop, EVENT_PROGRESS) > 0);
    assert_true(rig_say(rig, PANTRY, &loop, EVENT_COMPLETE) > 0);
    rig_settle(rig);
    assert_int_equal(rig_view(rig, CLINIC, &loop).position.state, LOOP_COMPLETED);
    assert_true(rig_say(rig, CLINIC, &loop, EVENT_ACKNOWLEDGE) > 0);
    rig_settle(rig);
    assert_int_equal(rig_view(rig, PANTRY, &loop).position.state, LOOP_CLOSED);
    rig_read_steps(rig, PANTRY, &loop, &steps);
    assert_int_equal(steps.n, 5);
    assert_string_equal(steps.facts[0], "serial=1");
    assert_string_equal(steps.facts[4], "serial=5");
    rig_check_agreement(rig);
    fake_rig_free(fake);
}

struct listing {
    unsigned n;
    int64_t created_ms;
};

static bool
no_waiting(void *context, const struct loop_view *loop)
{
    struct listing *listing = context;

    assert_true(loop->created_ms < listing->created_ms); /* newest first */
    listing->created_ms = loop->created_ms;
    assert_int_equal(loop->n_waiting, 0);
    assert_int_equal(loop->position.state, LOOP_WITHDRAWN);
    listing->n++;
    return true;
}

static void
fifty_referrals_wait_for_the_link(void **state)
{
    struct fake_rig *fake = fake_rig_new(2);
    struct rig *rig = &fake->rig;
    struct agent_queue_status queue;
    struct loop_id loop;
    struct listing listing = {.created_ms = INT64_MAX};

    (void)state;
    rig_settle(rig);
    rig_down(rig, CLINIC);
    for (unsigned i = 0; i < 50; i++) {
        rig->now.wall_ms += 1000;
        assert_true(rig_start(rig, CLINIC, PANTRY, &loop) > 0);
        assert_true(rig_say(rig, CLINIC, &loop, EVENT_NOTE) > 0);
        assert_true(rig_say(rig, CLINIC, &loop, EVENT_WITHDRAW) > 0);
    }
    agent_get_queue_status(rig->peer[CLINIC].agent, &queue);
    assert_int_equal(queue.waiting, 150);
    assert_int_equal(queue.oldest_ms, rig->now.wall_ms - 49000);
    rig_settle(rig);
    assert_int_equal(agent_each_loop(rig->peer[PANTRY].agent, no_waiting, &listing), ERR_OK);
    assert_int_equal(listing.n, 50);
    /* 150 and their 150 delivery receipts, and nobody said anything twice. */
    assert_int_equal(fake->broker.n_log, 5 + 300);
    assert_int_equal(fake->broker.n_submitted, 300);
    rig_check_agreement(rig);
    fake_rig_free(fake);
}

static void
crossing_is_shown_on_both_sides(void **state)
{
    struct fake_rig *fake = fake_rig_new(2);
    struct rig *rig = &fake->rig;
    struct loop_id loop;
    static struct rig_steps steps;

    (void)state;
    rig_settle(rig);
    (void)rig_start(rig, CLINIC, PANTRY, &loop);
    rig_settle(rig);
    /* Both make theirs before either has heard the other: the pantry's is logged first. */
    (void)rig_say(rig, CLINIC, &loop, EVENT_WITHDRAW);
    (void)rig_say(rig, PANTRY, &loop, EVENT_ACCEPT);
    struct buffer frame[2];
    frame[CLINIC] = next_submit(fake, CLINIC);
    frame[PANTRY] = next_submit(fake, PANTRY);
    fake->broker.session[CLINIC].fetching = false; /* so that the receipt is all it has at first */
    fake_receive(&fake->broker, PANTRY, buffer_view(&frame[PANTRY]), rig->now);
    fake_receive(&fake->broker, CLINIC, buffer_view(&frame[CLINIC]), rig->now);
    buffer_done(&frame[0]);
    buffer_done(&frame[1]);
    assert_int_equal(rig_view(rig, CLINIC, &loop).queued_position.state, LOOP_WITHDRAWN);
    deliver_receipts(fake, CLINIC);
    assert_int_equal(rig_view(rig, CLINIC, &loop).queued_position.state, LOOP_REQUESTED);
    assert_true(rig_view(rig, CLINIC, &loop).last_superseded);
    rig_settle(rig);
    assert_int_equal(rig_view(rig, CLINIC, &loop).position.state, LOOP_ACCEPTED);
    assert_true(rig_view(rig, CLINIC, &loop).last_superseded);
    assert_false(rig_view(rig, PANTRY, &loop).last_superseded);
    for (size_t peer = 0; peer < 2; peer++) {
        rig_read_steps(rig, peer, &loop, &steps);
        assert_int_equal(steps.n, 3);
        assert_int_equal(steps.view[2].event, EVENT_WITHDRAW);
        assert_true(steps.view[2].superseded);
        assert_false(steps.view[1].superseded);
    }
    (void)rig_say(rig, CLINIC, &loop, EVENT_CANCEL);
    assert_false(rig_view(rig, CLINIC, &loop).last_superseded);
    rig_settle(rig);
    rig_check_agreement(rig);
    fake_rig_free(fake);
}

static void
judges_against_what_is_queued(void **state)
{
    struct fake_rig *fake = fake_rig_new(2);
    struct rig *rig = &fake->rig;
    struct agent *clinic = rig->peer[CLINIC].agent;
    const struct agent_content content = {.facts = bytes_of_text("{}")};
    struct complaint complaint = {""};
    struct loop_id loop;

    (void)state;
    assert_int_equal(agent_start_loop(clinic, "elm-pantry", PRIORITY_URGENT, 0, &content, rig->now,
                                      &loop, &complaint),
                     ERR_UNKNOWN_MEMBER);
    assert_non_null(strstr(complaint.text, "has not reached the broker"));
    rig_settle(rig);
    assert_int_equal(agent_start_loop(clinic, "maple-clinic", PRIORITY_URGENT, 0, &content,
                                      rig->now, &loop, &complaint),
                     ERR_SELF_ADDRESSED);
    assert_int_equal(agent_start_loop(clinic, "birch-hall", PRIORITY_URGENT, 0, &content, rig->now,
                                      &loop, &complaint),
                     ERR_UNKNOWN_MEMBER);
    (void)rig_start(rig, CLINIC, PANTRY, &loop);
    assert_int_equal(
        agent_say(clinic, &loop, EVENT_ANSWER, 0, false, &content, rig->now, &complaint),
        ERR_WRONG_STATE);
    assert_string_equal(complaint.text, "this referral is requested; possible now: withdraw, void");
    assert_true(rig_say(rig, CLINIC, &loop, EVENT_WITHDRAW) > 0);
    assert_int_equal(
        agent_say(clinic, &loop, EVENT_WITHDRAW, 0, false, &content, rig->now, &complaint),
        ERR_WRONG_STATE);
    assert_string_equal(complaint.text,
                        "this referral is withdrawn; possible now: acknowledge, void");
    assert_int_equal(agent_say(clinic, &loop, EVENT_DELIVERED, 0, false, &content, rig->now, NULL),
                     ERR_INVALID);
    const struct agent_content large = {.facts = bytes_of(complaint.text, LIMIT_FACTS_BYTES + 1)};
    assert_int_equal(agent_say(clinic, &loop, EVENT_NOTE, 0, false, &large, rig->now, NULL),
                     ERR_TOO_LARGE);
    memset(loop.bytes, 7, sizeof(loop.bytes));
    assert_int_equal(agent_say(clinic, &loop, EVENT_NOTE, 0, false, &content, rig->now, NULL),
                     ERR_UNKNOWN_LOOP);
    fake_rig_free(fake);
}

static void
short_ids_are_unique_or_refused(void **state)
{
    struct fake_rig *fake = fake_rig_new(2);
    struct rig *rig = &fake->rig;
    struct agent *clinic = rig->peer[CLINIC].agent;
    struct complaint complaint = {""};
    struct loop_id loop, found;
    char text[LOOP_ID_TEXT], prefix[5];
    bool ambiguous = false;

    (void)state;
    rig_settle(rig);
    for (unsigned i = 0; i < 1500; i++) /* 65,536 short forms: two are alike surely */
        (void)rig_start(rig, CLINIC, PANTRY, &loop);
    ident_format(&loop, text);
    assert_int_equal(agent_find_loop(clinic, text, &found, &complaint), ERR_OK);
    assert_memory_equal(found.bytes, loop.bytes, LOOP_ID_BYTES);
    assert_int_equal(agent_find_loop(clinic, "xyz", &found, &complaint), ERR_INVALID);
    for (unsigned i = 0; i < 65536; i++) {
        (void)snprintf(prefix, sizeof(prefix), "%04x", i);
        enum err err = agent_find_loop(clinic, prefix, &found, &complaint);
        assert_true(err == ERR_OK || err == ERR_UNKNOWN_LOOP || err == ERR_AMBIGUOUS);
        if (err == ERR_AMBIGUOUS) {
            char begin[64];
            (void)snprintf(begin, sizeof(begin), "%s fits more than one referral: %s", prefix,
                           prefix);
            assert_ptr_equal(strstr(complaint.text, begin), complaint.text);
            ambiguous = true;
            break;
        }
    }
    assert_true(ambiguous);
    fake_rig_free(fake);
}

static void
watchers_hear_of_changed_loops(void **state)
{
    struct fake_rig *fake = fake_rig_new(2);
    struct rig *rig = &fake->rig;
    struct loop_id loop, changed[4];

    (void)state;
    rig_settle(rig);
    uint64_t before = agent_change_count(rig->peer[PANTRY].agent);
    assert_int_equal(agent_changed_since(rig->peer[PANTRY].agent, before, changed, 4), 0);
    (void)rig_start(rig, CLINIC, PANTRY, &loop);
    rig_settle(rig);
    assert_true(agent_change_count(rig->peer[PANTRY].agent) > before);
    assert_int_equal(agent_changed_since(rig->peer[PANTRY].agent, before, changed, 4), 1);
    assert_memory_equal(changed[0].bytes, loop.bytes, LOOP_ID_BYTES);
    fake_rig_free(fake);
}

/* What waits for it is refused, but for what ends the loop: that goes out, and closes it. */
static void
a_loop_with_a_revoked_partner_can_be_ended(void **state)
{
    struct fake_rig *fake = fake_rig_new(2);
    struct rig *rig = &fake->rig;
    struct buffer revoke;
    struct loop_id loop, theirs, late;
    static struct rig_steps steps;

    (void)state;
    rig_settle(rig);
    (void)rig_start(rig, CLINIC, PANTRY, &loop);
    (void)rig_start(rig, PANTRY, CLINIC, &theirs);
    rig_settle(rig);
    rig_down(rig, CLINIC);
    (void)rig_start(rig, CLINIC, PANTRY, &late); /* queued before it is known */
    (void)rig_say(rig, CLINIC, &loop, EVENT_NOTE);
    (void)rig_say(rig, CLINIC, &loop, EVENT_WITHDRAW);
    (void)rig_say(rig, CLINIC, &theirs, EVENT_ACCEPT);
    fixture_revoke(&rig->fixture, PANTRY, &revoke);
    fake_log(&fake->broker, buffer_view(&revoke));
    buffer_done(&revoke);
    size_t logged = fake->broker.n_log;
    rig_settle(rig);
    assert_int_equal(fake->broker.n_log - logged, 1); /* the withdraw; the pantry says no more */
    rig_read_steps(rig, CLINIC, &loop, &steps);
    assert_int_equal(steps.view[1].event, EVENT_WITHDRAW);
    assert_int_equal(steps.view[1].state_after, LOOP_WITHDRAWN);
    assert_int_equal(steps.view[2].stage, STAGE_REFUSED);
    assert_int_equal(steps.view[2].refusal, ERR_REVOKED);
    assert_true(rig_view(rig, CLINIC, &loop).partner_revoked);
    assert_int_equal(rig_view(rig, CLINIC, &late).n_refused, 1);

    (void)rig_say(rig, CLINIC, &loop, EVENT_NOTE);
    assert_int_equal(rig->last, ERR_REVOKED);
    assert_non_null(strstr(rig->complaint.text, "possible now: acknowledge, void"));
    (void)rig_say(rig, CLINIC, &theirs, EVENT_DECLINE);
    assert_int_equal(rig->last, ERR_REVOKED);
    assert_non_null(strstr(rig->complaint.text, "possible now: nothing"));
    (void)rig_start(rig, CLINIC, PANTRY, &late);
    assert_int_equal(rig->last, ERR_REVOKED);
    (void)rig_say(rig, CLINIC, &loop, EVENT_ACKNOWLEDGE);
    assert_int_equal(rig->last, ERR_OK);
    rig_settle(rig);
    assert_int_equal(rig_view(rig, CLINIC, &loop).position.state, LOOP_CLOSED);
    assert_int_equal(agent_check_store(rig->peer[CLINIC].agent, NULL), ERR_OK);
    fake_rig_free(fake);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(goes_from_request_to_closed),
        cmocka_unit_test(fifty_referrals_wait_for_the_link),
        cmocka_unit_test(crossing_is_shown_on_both_sides),
        cmocka_unit_test(judges_against_what_is_queued),
        cmocka_unit_test(short_ids_are_unique_or_refused),
        cmocka_unit_test(watchers_hear_of_changed_loops),
        cmocka_unit_test(a_loop_with_a_revoked_partner_can_be_ended),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
