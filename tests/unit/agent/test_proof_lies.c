/* A broker that lies once, in each way there is: which alarm it is, whether it stops sending, that
 * it is still there after a restart, what of the lie was taken, and whether the agent goes on once
 * the broker is honest again and people have looked. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent/alarm.h"
#include "tests/unit/agent/fake_rig.h"

enum { CLINIC = 0, PANTRY = 1, SHELTER = 2, MEMBERS = 3, STEP_MS = 250 };

/* Everybody in turn for so long, by the clock of the rig. */
static void
pass(struct rig *rig, int64_t span_ms)
{
    int64_t end_ms = rig->now.boot_ms + span_ms;

    while (rig->now.boot_ms < end_ms) {
        for (size_t i = 0; i < rig->fixture.n_members; i++)
            rig_move(rig, i);
        rig->now.boot_ms += STEP_MS;
        rig->now.wall_ms += STEP_MS;
    }
}

static void
fork_the_view(struct fake_rig *fake, const struct loop_id *loop)
{
    (void)loop;
    fake->broker.fork_view = true;
    rig_up(&fake->rig, CLINIC);
}

static void
rewrite(struct fake_rig *fake, const struct loop_id *loop)
{
    fake->broker.fork_view = true;
    (void)rig_say(&fake->rig, PANTRY, loop, EVENT_ACCEPT);
}

static void
roll_back(struct fake_rig *fake, const struct loop_id *loop)
{
    (void)loop;
    fake->broker.proved_size = fake->broker.n_log - 1;
    rig_up(&fake->rig, CLINIC);
}

static void
receipt_what_is_not_there(struct fake_rig *fake, const struct loop_id *loop)
{
    fake->broker.falsify_receipts = true;
    fake->broker.hide_entry = fake->broker.n_log; /* so that the log does not tell */
    (void)rig_say(&fake->rig, CLINIC, loop, EVENT_NOTE);
}

static void
deliver_what_is_not_there(struct fake_rig *fake, const struct loop_id *loop)
{
    fake->broker.falsify_entries = true;
    (void)rig_say(&fake->rig, PANTRY, loop, EVENT_ACCEPT);
}

static void
alter_an_entry(struct fake_rig *fake, const struct loop_id *loop)
{
    fake->broker.spoil_entry = fake->broker.n_log;
    (void)rig_say(&fake->rig, PANTRY, loop, EVENT_ACCEPT);
}

static void
forge_a_signature(struct fake_rig *fake, const struct loop_id *loop)
{
    size_t index = fake->broker.n_log;

    (void)rig_say(&fake->rig, PANTRY, loop, EVENT_ACCEPT);
    rig_settle(&fake->rig);
    fake_log_forged(&fake->broker, index);
}

static void
deliver_to_all(struct fake_rig *fake, const struct loop_id *loop)
{
    struct loop_id other;

    (void)loop;
    fake->broker.show_everything = true;
    (void)rig_start(&fake->rig, PANTRY, SHELTER, &other);
}

static void
backdate(struct fake_rig *fake, const struct loop_id *loop)
{
    fake->broker.time_shift_ms = -1000;
    (void)rig_say(&fake->rig, PANTRY, loop, EVENT_ACCEPT);
}

static void
backdate_a_receipt(struct fake_rig *fake, const struct loop_id *loop)
{
    fake->broker.time_shift_ms = -1000;
    fake->broker.hide_entry = fake->broker.n_log; /* so that the log does not tell */
    (void)rig_say(&fake->rig, CLINIC, loop, EVENT_NOTE);
}

static void
replay(struct fake_rig *fake, const struct loop_id *loop)
{
    size_t index = fake->broker.n_log;

    (void)rig_say(&fake->rig, PANTRY, loop, EVENT_ACCEPT);
    rig_settle(&fake->rig);
    fake_log_again(&fake->broker, index);
}

/* The delivery receipt of the request. */
static void
replay_a_confirmation(struct fake_rig *fake, const struct loop_id *loop)
{
    (void)loop;
    fake_log_again(&fake->broker, fake->broker.n_log - 1);
}

static void
withhold(struct fake_rig *fake, const struct loop_id *loop)
{
    fake->broker.hide_entry = fake->broker.n_log;
    (void)rig_say(&fake->rig, PANTRY, loop, EVENT_ACCEPT);
    rig_move(&fake->rig, PANTRY);
    (void)rig_say(&fake->rig, PANTRY, loop, EVENT_PROGRESS);
}

/* Ours, receipted and proved, and then not delivered. */
static void
withhold_our_own(struct fake_rig *fake, const struct loop_id *loop)
{
    fake->broker.hide_entry = fake->broker.n_log;
    (void)rig_say(&fake->rig, CLINIC, loop, EVENT_NOTE);
    rig_move(&fake->rig, CLINIC);
    (void)rig_say(&fake->rig, PANTRY, loop, EVENT_ACCEPT);
}

static void
swap_a_key(struct fake_rig *fake, const struct loop_id *loop)
{
    struct key_set keys;
    struct sign_secret sign;
    struct seal_secret seal;
    struct curve_secret curve;
    struct envelope envelope;
    struct buffer rotate, forged = BUFFER_INIT(LIMIT_ENVELOPE_BYTES);

    (void)loop;
    sign_new_pair(&keys.sign, &sign);
    seal_new_pair(&keys.seal, &seal);
    curve_new_pair(&keys.curve, &curve);
    fixture_rotate(&fake->rig.fixture, PANTRY, &keys, &sign, &rotate);
    assert_int_equal(envelope_decode(buffer_view(&rotate), &envelope), ERR_OK);
    assert_int_equal(turn_sign(SIGN_STATEMENTS, &fake->rig.fixture.network, &envelope.statement, 1,
                               &sign, &envelope.signature),
                     ERR_OK);
    assert_int_equal(envelope_encode(&envelope, &forged), ERR_OK);
    fake_log(&fake->broker, buffer_view(&forged));
    buffer_done(&rotate);
    buffer_done(&forged);
}

/* By somebody who has our keys. */
static void
change_our_keys(struct fake_rig *fake, const struct loop_id *loop)
{
    struct key_set keys;
    struct sign_secret sign;
    struct seal_secret seal;
    struct curve_secret curve;
    struct buffer rotate;

    (void)loop;
    sign_new_pair(&keys.sign, &sign);
    seal_new_pair(&keys.seal, &seal);
    curve_new_pair(&keys.curve, &curve);
    fixture_rotate(&fake->rig.fixture, CLINIC, &keys, &sign, &rotate);
    fake_log(&fake->broker, buffer_view(&rotate));
    buffer_done(&rotate);
}

static void
invite_another_in_our_place(struct fake_rig *fake, const struct loop_id *loop)
{
    static struct fixture_member other;

    (void)loop;
    fixture_replace(&fake->rig.fixture, CLINIC, "Maple Clinic", &other);
    fake_log(&fake->broker, buffer_view(&other.invite));
    fixture_member_done(&other);
}

/* A second machine with our keys says something. */
static void
speak_in_our_name(struct fake_rig *fake, const struct loop_id *loop)
{
    struct rig *rig = &fake->rig;

    rig_down(rig, CLINIC);
    agent_free(rig->peer[CLINIC].agent);
    rig->peer[CLINIC].agent = fixture_open_agent(&rig->fixture, CLINIC, "thief");
    rig_settle(rig);
    (void)rig_say(rig, CLINIC, loop, EVENT_WITHDRAW);
    rig_settle(rig);
    rig_down(rig, CLINIC);
    agent_free(rig->peer[CLINIC].agent);
    rig->peer[CLINIC].agent = fixture_open_agent(&rig->fixture, CLINIC, rig->peer[CLINIC].store);
    rig_up(rig, CLINIC);
}

static void
show_another_log(struct fake_rig *fake, const struct loop_id *loop)
{
    (void)loop;
    fake->broker.incarnation[5] ^= 1;
    rig_up(&fake->rig, CLINIC);
}

static void
be_hours_ahead(struct fake_rig *fake, const struct loop_id *loop)
{
    fake->broker.time_shift_ms = 3 * 3600 * 1000;
    (void)rig_say(&fake->rig, CLINIC, loop, EVENT_NOTE);
}

static const struct lie {
    const char *name;
    void (*tell)(struct fake_rig *fake, const struct loop_id *loop);
    size_t victim;
    enum alarm_kind alarm;
    bool stops;
    size_t n_steps; /* the victim has of the loop afterwards; the request is one */
    bool heals;     /* once the broker is honest and people have looked, all is as it should be */
} lies[] = {
    {"fork the view", fork_the_view, CLINIC, ALARM_SPLIT_VIEW, true, 1, true},
    {"rewrite history", rewrite, CLINIC, ALARM_REWRITTEN, true, 1, true},
    {"roll back", roll_back, CLINIC, ALARM_ROLLED_BACK, true, 1, true},
    {"receipt, not log", receipt_what_is_not_there, CLINIC, ALARM_NOT_LOGGED, true, 2, true},
    {"deliver, not log", deliver_what_is_not_there, CLINIC, ALARM_FORGED_ENTRY, true, 1, true},
    {"alter an entry", alter_an_entry, CLINIC, ALARM_FORGED_ENTRY, true, 1, true},
    {"forge a signature", forge_a_signature, CLINIC, ALARM_FORGED_ENTRY, true, 2, true},
    {"deliver to the wrong one", deliver_to_all, CLINIC, ALARM_MISDELIVERED, false, 1, true},
    {"backdate", backdate, CLINIC, ALARM_BACKDATED, true, 2, true},
    {"backdate, to the author", backdate, PANTRY, ALARM_BACKDATED, true, 2, true},
    {"backdate a receipt", backdate_a_receipt, CLINIC, ALARM_BACKDATED, true, 2, false},
    {"replay", replay, CLINIC, ALARM_REPLAYED, true, 2, true},
    {"replay, to the author", replay, PANTRY, ALARM_REPLAYED, true, 2, true},
    {"replay a confirmation", replay_a_confirmation, CLINIC, ALARM_REPLAYED, true, 1, true},
    {"withhold", withhold, CLINIC, ALARM_WITHHELD, true, 1, false},
    {"withhold our own", withhold_our_own, CLINIC, ALARM_WITHHELD, true, 3, false},
    {"swap a key", swap_a_key, CLINIC, ALARM_FALSE_KEY, true, 1, false},
    {"change our keys", change_our_keys, CLINIC, ALARM_NOT_OURS, false, 1, false},
    {"a new invite", invite_another_in_our_place, CLINIC, ALARM_NOT_OURS, false, 1, true},
    {"speak in our name", speak_in_our_name, CLINIC, ALARM_NOT_OURS, false, 2, true},
    {"another log", show_another_log, CLINIC, ALARM_OTHER_LOG, true, 1, true},
    {"a wrong clock", be_hours_ahead, CLINIC, ALARM_CLOCK, false, 2, false},
};

static void
be_honest(struct fake_rig *fake)
{
    struct fake_broker *broker = &fake->broker;

    broker->fork_view = broker->falsify_receipts = broker->falsify_entries = false;
    broker->show_everything = false;
    broker->proved_size = 0;
    broker->spoil_entry = broker->hide_entry = 0;
}

struct seen {
    enum alarm_kind kind;
    bool stops;
    unsigned n;
};

static bool
check_alarm(void *context, const struct alarm *alarm)
{
    struct seen *seen = context;

    if (alarm->kind != seen->kind)
        fail_msg("alarm %s about %s instead of %s", alarm_word(alarm->kind), alarm->about,
                 alarm_word(seen->kind));
    assert_int_equal(alarm_stops(alarm->kind), seen->stops);
    assert_int_equal(alarm->settled_ms, 0);
    assert_true(alarm->raised_ms >= 1700000000000);
    assert_true(alarm->proof.len > 0);
    seen->n++;
    return true;
}

static void
check_alarms(struct rig *rig, const struct lie *lie)
{
    struct agent *agent = rig->peer[lie->victim].agent;
    struct seen seen = {.kind = lie->alarm, .stops = lie->stops};
    struct agent_proof_status status;

    assert_int_equal(agent_each_alarm(agent, check_alarm, &seen), ERR_OK);
    assert_true(seen.n > 0);
    agent_get_proof_status(agent, &status);
    assert_int_equal(status.n_alarms, seen.n);
    assert_int_equal(status.stopped, lie->stops);
}

static size_t
n_steps_of(struct rig *rig, size_t peer, const struct loop_id *loop)
{
    static struct rig_steps steps;

    rig_read_steps(rig, peer, loop, &steps);
    return steps.n;
}

static enum step_stage
newest_stage(struct rig *rig, size_t peer, const struct loop_id *loop)
{
    static struct rig_steps steps;

    rig_read_steps(rig, peer, loop, &steps);
    return steps.view[steps.n - 1].stage;
}

/* Nothing is sent, the queue is kept. */
static void
check_stop(struct rig *rig, const struct lie *lie, const struct loop_id *loop)
{
    assert_true(rig_say(rig, lie->victim, loop, EVENT_NOTE) > 0);
    pass(rig, 10000);
    assert_int_equal(newest_stage(rig, lie->victim, loop), STAGE_QUEUED);
}

static void
check_healing(struct fake_rig *fake, const struct lie *lie, const struct loop_id *loop)
{
    struct rig *rig = &fake->rig;
    struct agent *agent = rig->peer[lie->victim].agent;
    struct agent_proof_status status;

    be_honest(fake);
    if (lie->alarm == ALARM_OTHER_LOG)
        fake->broker.incarnation[5] ^= 1;
    for (size_t i = 0; i < MEMBERS; i++) {
        enum err err = agent_settle_alarms(rig->peer[i].agent, rig->now);
        assert_true(err == ERR_OK || (err == ERR_NOT_FOUND && i != lie->victim));
    }
    assert_int_equal(agent_settle_alarms(agent, rig->now), ERR_NOT_FOUND);
    if (!lie->heals)
        return;
    assert_true(lie->stops || rig_say(rig, lie->victim, loop, EVENT_NOTE) > 0);
    rig_settle(rig);
    assert_int_equal(newest_stage(rig, lie->victim, loop), STAGE_DELIVERED);
    agent_get_proof_status(agent, &status);
    assert_int_equal(status.n_alarms, 0);
    assert_int_equal(status.n_unproved, 0);
    assert_false(status.stopped);
    assert_int_equal(n_steps_of(rig, CLINIC, loop), n_steps_of(rig, PANTRY, loop));
}

static void
try_lie(const struct lie *lie)
{
    struct fake_rig *fake = fake_rig_new(MEMBERS);
    struct rig *rig = &fake->rig;
    struct loop_id loop;
    struct complaint complaint = {""};

    rig_settle(rig);
    (void)rig_start(rig, CLINIC, PANTRY, &loop);
    rig_settle(rig);
    lie->tell(fake, &loop);
    pass(rig, 8000);
    if (getenv("REFLOOP_TEST_STATS") != NULL)
        print_message("%s\n", lie->name);
    check_alarms(rig, lie);
    assert_int_equal(n_steps_of(rig, lie->victim, &loop), lie->n_steps);
    rig_restart(rig, lie->victim);
    check_alarms(rig, lie);
    rig_up(rig, lie->victim);
    if (lie->stops)
        check_stop(rig, lie, &loop);
    check_alarms(rig, lie); /* said once, however often it is shown */
    if (agent_check_store(rig->peer[lie->victim].agent, &complaint) != ERR_OK)
        fail_msg("%s: %s", lie->name, complaint.text);
    check_healing(fake, lie, &loop);
    fake_rig_free(fake);
}

static void
every_lie_is_caught(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(lies); i++)
        try_lie(&lies[i]);
}

/* It was the only one of its kind at its place, and stays so until people have looked; then it is
 * raised again. */
static void
a_lie_is_told_again_after_it_was_settled(void **state)
{
    struct fake_rig *fake = fake_rig_new(MEMBERS);
    struct rig *rig = &fake->rig;
    struct agent_proof_status status;

    (void)state;
    rig_settle(rig);
    fork_the_view(fake, NULL);
    pass(rig, 5000);
    agent_get_proof_status(rig->peer[CLINIC].agent, &status);
    assert_int_equal(status.n_alarms, 1);
    size_t hellos = fake->broker.n_hellos;
    assert_int_equal(agent_settle_alarms(rig->peer[CLINIC].agent, rig->now), ERR_OK);
    rig_move(rig, CLINIC);
    assert_int_equal(fake->broker.n_hellos, hellos + 1); /* at once */
    agent_get_proof_status(rig->peer[CLINIC].agent, &status);
    assert_int_equal(status.n_alarms, 1);
    assert_true(status.stopped);
    fake_rig_free(fake);
}

static bool
keep_index(void *context, const struct alarm *alarm)
{
    *(uint64_t *)context = alarm->index; /* of the oldest in the end */
    return true;
}

/* What was receipted is missed as soon as the log is read past it, not only when the next of ours
 * shows the gap. */
static void
a_hole_is_seen_where_it_is(void **state)
{
    struct fake_rig *fake = fake_rig_new(MEMBERS);
    struct rig *rig = &fake->rig;
    struct loop_id loop;
    uint64_t index = 0;

    (void)state;
    rig_settle(rig);
    (void)rig_start(rig, CLINIC, PANTRY, &loop);
    rig_settle(rig);
    uint64_t hidden = fake->broker.n_log;
    withhold_our_own(fake, &loop);
    pass(rig, 8000);
    assert_int_equal(agent_each_alarm(rig->peer[CLINIC].agent, keep_index, &index), ERR_OK);
    assert_int_equal(index, hidden);
    fake_rig_free(fake);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_lie_is_caught),
        cmocka_unit_test(a_lie_is_told_again_after_it_was_settled),
        cmocka_unit_test(a_hole_is_seen_where_it_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
