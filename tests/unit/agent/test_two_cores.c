/* Agents against the real broker core, in one process: the same bad network, agents and broker
 * closed and opened again at any moment. Afterwards the agents agree with each other, and the
 * broker with them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent/alarm.h"
#include "broker/broker.h"
#include "lib/base/secret.h"
#include "tests/unit/agent/rig.h"

enum { QUEUE_MAX = 64, ROUNDS = 2000 };

struct core_peer {
    struct route route;
    struct buffer queue[QUEUE_MAX];
    size_t n_queued;
};

struct cores {
    struct rig rig;
    struct broker *broker;
    struct core_peer peer[FIXTURE_MEMBERS_MAX];
};

static void
open_broker(struct cores *cores)
{
    struct complaint complaint = {""};
    char path[128];
    const struct broker_options options = {
        .store_dir = path,
        .map_bytes = 4 << 20,
        .map_max_bytes = 256 << 20,
        .genesis_envelope = buffer_view(&cores->rig.fixture.genesis_envelope),
        .network = cores->rig.fixture.network,
        .log_secret = &cores->rig.fixture.log_secret,
        .gather_ms = 0,
        .gather_statements = 64,
        .admit_below_percent = 90,
        .statements_per_minute = 100000,
    };

    fixture_path(&cores->rig.fixture, "broker", path, sizeof(path));
    if (broker_open(&options, &cores->broker, &complaint) != ERR_OK)
        fail_msg("broker_open: %s", complaint.text);
}

static void
forget_queue(struct core_peer *peer)
{
    for (size_t i = 0; i < peer->n_queued; i++)
        buffer_done(&peer->queue[i]);
    peer->n_queued = 0;
}

static void
on_connect(void *context, size_t which)
{
    struct cores *cores = context;

    forget_queue(&cores->peer[which]);
    secret_random(cores->peer[which].route.bytes, ROUTE_BYTES);
    cores->peer[which].route.bytes[0] |= 1;
}

static void
receive(void *context, size_t which, struct bytes frame, struct instant now)
{
    struct cores *cores = context;
    const struct fixture_member *member = &cores->rig.fixture.member[which];

    assert_int_equal(broker_receive(cores->broker, &member->identity.keys.curve,
                                    &cores->peer[which].route, frame, now),
                     ERR_OK);
}

static void
sort_output(struct cores *cores)
{
    struct route route;
    struct buffer frame;

    while (broker_take_output(cores->broker, &route, &frame)) {
        struct core_peer *to = NULL;
        for (size_t i = 0; i < cores->rig.fixture.n_members; i++) {
            if (memcmp(route.bytes, cores->peer[i].route.bytes, ROUTE_BYTES) == 0)
                to = &cores->peer[i];
        }
        if (to == NULL || to->n_queued == QUEUE_MAX)
            buffer_done(&frame); /* a connection that is gone */
        else
            to->queue[to->n_queued++] = frame;
    }
}

static void
tick(void *context, struct instant now)
{
    struct cores *cores = context;
    struct verify_job *job;

    while ((job = broker_take_job(cores->broker)) != NULL) {
        verify_job_run(job);
        broker_give_job(cores->broker, job, now);
    }
    while (broker_turn_wait_ms(cores->broker, now) == 0)
        assert_int_equal(broker_turn(cores->broker, now), ERR_OK);
    sort_output(cores);
}

static bool
take(void *context, size_t which, struct buffer *frame_out)
{
    struct core_peer *peer = &((struct cores *)context)->peer[which];

    if (peer->n_queued == 0)
        return false;
    *frame_out = peer->queue[0];
    peer->n_queued--;
    memmove(&peer->queue[0], &peer->queue[1], peer->n_queued * sizeof(peer->queue[0]));
    return true;
}

static void
join(struct cores *cores, size_t which)
{
    static struct message message;
    const struct fixture_member *member = &cores->rig.fixture.member[which];
    const struct route route = {.bytes = {9}};
    struct buffer frame = BUFFER_INIT(LIMIT_FRAME_BYTES);
    struct receipt receipt;

    assert_int_equal(
        broker_submit_root(cores->broker, buffer_view(&member->invite), cores->rig.now, &receipt),
        ERR_OK);
    assert_int_equal(receipt.result, RECEIPT_ACCEPTED);
    message.kind = MESSAGE_SUBMIT;
    message.as.submit.n = 1;
    message.as.submit.envelopes[0] = buffer_view(&member->join);
    assert_int_equal(message_encode(&message, &frame), ERR_OK);
    assert_int_equal(broker_receive(cores->broker, &member->token.invite.once_curve, &route,
                                    buffer_view(&frame), cores->rig.now),
                     ERR_OK);
    tick(cores, cores->rig.now);
    buffer_done(&frame);
}

static struct cores *
cores_new(size_t n_members)
{
    struct cores *cores = calloc(1, sizeof(*cores));

    assert_non_null(cores);
    rig_init(&cores->rig, n_members);
    cores->rig.broker = (struct rig_broker){
        .broker = cores, .receive = receive, .take = take, .connect = on_connect, .tick = tick};
    open_broker(cores);
    for (size_t i = 0; i < n_members; i++)
        join(cores, i);
    return cores;
}

static void
cores_free(struct cores *cores)
{
    for (size_t i = 0; i < FIXTURE_MEMBERS_MAX; i++)
        forget_queue(&cores->peer[i]);
    broker_free(cores->broker);
    rig_done(&cores->rig);
    free(cores);
}

static void
restart_broker(struct cores *cores)
{
    broker_free(cores->broker);
    cores->broker = NULL;
    open_broker(cores);
}

static void
round_of(struct cores *cores)
{
    struct rig *rig = &cores->rig;
    size_t peer = rig_random(rig, (uint32_t)rig->fixture.n_members);
    uint32_t what = rig_random(rig, 200);

    rig->now.boot_ms += rig_random(rig, 300);
    rig->now.wall_ms += rig_random(rig, 300);
    if (what < 8)
        rig_up(rig, peer);
    else if (what < 12)
        rig_down(rig, peer);
    else if (what < 15)
        rig_restart(rig, peer);
    else if (what < 17)
        restart_broker(cores);
    else if (what < 80)
        rig_act(rig, peer);
    else
        rig_move(rig, peer);
}

static void
run(uint64_t seed, size_t n_members)
{
    struct cores *cores = cores_new(n_members);
    struct rig *rig = &cores->rig;
    struct complaint complaint = {""};
    struct broker_status status;

    rig_settle(rig);
    rig->random = seed;
    rig->trouble = 15;
    for (unsigned i = 0; i < ROUNDS; i++)
        round_of(cores);
    rig_settle(rig);
    rig_check_agreement(rig);
    if (broker_check_store(cores->broker, &complaint) != ERR_OK)
        fail_msg("broker: %s", complaint.text);
    broker_get_status(cores->broker, &status);
    assert_true(rig->peer[0].said > 40 && status.entries > 200 && rig->n_troubled > 50);
    cores_free(cores);
}

static void
one_loop_goes_its_way(void **state)
{
    struct cores *cores = cores_new(2);
    struct rig *rig = &cores->rig;
    struct loop_id loop;
    struct broker_status status;

    (void)state;
    rig_settle(rig);
    (void)rig_start(rig, 0, 1, &loop);
    rig_settle(rig);
    (void)rig_say(rig, 1, &loop, EVENT_ACCEPT);
    (void)rig_say(rig, 1, &loop, EVENT_PROGRESS);
    (void)rig_say(rig, 1, &loop, EVENT_COMPLETE);
    rig_settle(rig);
    (void)rig_say(rig, 0, &loop, EVENT_ACKNOWLEDGE);
    rig_settle(rig);
    assert_int_equal(rig_view(rig, 0, &loop).position.state, LOOP_CLOSED);
    rig_check_agreement(rig);
    broker_get_status(cores->broker, &status);
    assert_int_equal(status.entries, 1 + 2 * 2 + 2 * 5); /* directory; steps and their receipts */
    cores_free(cores);
}

enum { CLINIC, PANTRY };

/* The steps of one side that crossed and changed nothing. */
static size_t
count_superseded(struct rig *rig, size_t peer, const struct loop_id *loop, enum loop_event event)
{
    static struct rig_steps steps;
    size_t n = 0;

    rig_read_steps(rig, peer, loop, &steps);
    for (size_t i = 0; i < steps.n; i++)
        n += steps.view[i].event == event && steps.view[i].superseded;
    return n;
}

static struct cores *
with_a_request(struct loop_id *loop)
{
    struct cores *cores = cores_new(2);

    rig_settle(&cores->rig);
    (void)rig_start(&cores->rig, CLINIC, PANTRY, loop);
    rig_settle(&cores->rig);
    return cores;
}

/* Carries what there is to carry between one agent and the broker, the other one being away. */
static void
settle_one(struct rig *rig, size_t peer)
{
    rig_up(rig, peer);
    for (unsigned i = 0; i < 40; i++) {
        rig_move(rig, peer);
        rig->now.boot_ms += 100;
        rig->now.wall_ms += 100;
    }
}

/* The source withdraws and signs off what it takes for withdrawn, while the target has long
 * completed: nobody there has read that outcome, so nobody there has signed for it. */
static void
nobody_signs_for_an_outcome_unheard(void **state)
{
    struct loop_id loop;
    struct cores *cores = with_a_request(&loop);
    struct rig *rig = &cores->rig;

    (void)state;
    rig_down(rig, CLINIC);
    (void)rig_say(rig, PANTRY, &loop, EVENT_ACCEPT);
    (void)rig_say(rig, PANTRY, &loop, EVENT_COMPLETE);
    settle_one(rig, PANTRY);
    (void)rig_say(rig, CLINIC, &loop, EVENT_WITHDRAW);
    (void)rig_say(rig, CLINIC, &loop, EVENT_ACKNOWLEDGE);
    (void)rig_say(rig, CLINIC, &loop, EVENT_NOTE); /* makes up for nothing */
    assert_int_equal(rig->last, ERR_OK);
    assert_int_equal(rig_view(rig, CLINIC, &loop).queued_position.state, LOOP_CLOSED);
    rig_restart(rig, CLINIC); /* when the people acted is kept on disk */
    rig_settle(rig);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(rig_view(rig, i, &loop).position.state, LOOP_COMPLETED);
        assert_int_equal(count_superseded(rig, i, &loop, EVENT_WITHDRAW), 1);
        assert_int_equal(count_superseded(rig, i, &loop, EVENT_ACKNOWLEDGE), 1);
    }
    assert_true(rig_view(rig, CLINIC, &loop).last_superseded);
    (void)rig_say(rig, CLINIC, &loop, EVENT_ACKNOWLEDGE);
    rig_settle(rig);
    assert_int_equal(rig_view(rig, PANTRY, &loop).position.state, LOOP_CLOSED);
    assert_false(rig_view(rig, CLINIC, &loop).last_superseded);
    rig_check_agreement(rig);
    cores_free(cores);
}

static void
an_outcome_beats_a_cancel(void **state)
{
    struct loop_id loop;
    struct cores *cores = with_a_request(&loop);
    struct rig *rig = &cores->rig;

    (void)state;
    (void)rig_say(rig, PANTRY, &loop, EVENT_ACCEPT);
    rig_settle(rig);
    rig_down(rig, CLINIC);
    (void)rig_say(rig, CLINIC, &loop, EVENT_CANCEL);
    (void)rig_say(rig, PANTRY, &loop, EVENT_COMPLETE);
    settle_one(rig, PANTRY);
    rig_settle(rig);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(rig_view(rig, i, &loop).position.state, LOOP_COMPLETED);
        assert_int_equal(count_superseded(rig, i, &loop, EVENT_CANCEL), 1);
    }
    assert_true(rig_view(rig, CLINIC, &loop).last_superseded);
    assert_false(rig_view(rig, PANTRY, &loop).last_superseded); /* theirs counts */
    rig_check_agreement(rig);
    cores_free(cores);
}

static void
everybody_agrees_after_a_bad_network(void **state)
{
    const char *text = getenv("REFLOOP_TEST_SEEDS");
    uint64_t n = text == NULL ? 1 : strtoull(text, NULL, 10);

    (void)state;
    for (uint64_t seed = 1; seed <= n; seed++)
        run(seed * 0x9E3779B97F4A7C15ULL, 2 + seed % 2);
}

/* Somebody with a copy of member 0's keys gives it new ones; the copy's connection is elsewhere. */
static void
steal(struct cores *cores, struct key_set *keys)
{
    static struct message message;
    const struct route route = {.bytes = {9}};
    struct buffer rotate;
    struct buffer frame = BUFFER_INIT(LIMIT_FRAME_BYTES);
    struct sign_secret sign;
    struct seal_secret seal;
    struct curve_secret curve;
    const struct fixture *fixture = &cores->rig.fixture;

    sign_new_pair(&keys->sign, &sign);
    seal_new_pair(&keys->seal, &seal);
    curve_new_pair(&keys->curve, &curve);
    fixture_rotate(fixture, 0, keys, &sign, &rotate);
    message.kind = MESSAGE_SUBMIT;
    message.as.submit.n = 1;
    message.as.submit.envelopes[0] = buffer_view(&rotate);
    assert_int_equal(message_encode(&message, &frame), ERR_OK);
    assert_int_equal(broker_receive(cores->broker, &fixture->member[0].identity.keys.curve, &route,
                                    buffer_view(&frame), cores->rig.now),
                     ERR_OK);
    tick(cores, cores->rig.now);
    buffer_done(&frame);
    buffer_done(&rotate);
}

static bool
count_not_ours(void *context, const struct alarm *alarm)
{
    unsigned *n = context;

    assert_int_equal(alarm->kind, ALARM_NOT_OURS);
    (*n)++;
    return true;
}

/* Three minutes in which the owner of replaced keys may try as it likes. */
static unsigned
alarms_of_replaced(struct cores *cores)
{
    struct rig *rig = &cores->rig;
    struct agent_link_status status;
    unsigned n = 0;

    rig_up(rig, 0);
    for (unsigned i = 0; i < 1800; i++) {
        rig->now.boot_ms += 100;
        rig->now.wall_ms += 100;
        rig_move(rig, 0);
    }
    agent_get_link_status(rig->peer[0].agent, &status);
    assert_false(status.ready);
    assert_int_equal(status.refused, ERR_UNKNOWN_MEMBER);
    assert_int_equal(status.bad_entries, 0);
    assert_int_equal(agent_each_alarm(rig->peer[0].agent, count_not_ours, &n), ERR_OK);
    return n;
}

/* With a receipted statement not read yet, mail waiting, and something unsent: none of it is called
 * withheld, and nothing is passed over. */
static void
the_owner_of_stolen_keys_is_told_once(void **state)
{
    struct cores *cores = cores_new(2);
    struct rig *rig = &cores->rig;
    struct agent_link_status before;
    struct agent_link_status after;
    struct loop_id loop;
    struct key_set keys;

    (void)state;
    rig_settle(rig);
    (void)rig_start(rig, 0, 1, &loop);
    rig_settle(rig);
    rig_down(rig, 0);
    (void)rig_say(rig, 1, &loop, EVENT_ACCEPT);
    for (unsigned i = 0; i < 20; i++)
        rig_move(rig, 1);
    (void)rig_say(rig, 0, &loop, EVENT_NOTE);
    agent_get_link_status(rig->peer[0].agent, &before);
    steal(cores, &keys);
    assert_int_equal(alarms_of_replaced(cores), 1);
    agent_get_link_status(rig->peer[0].agent, &after);
    assert_int_equal(after.cursor, before.cursor);
    rig_restart(rig, 0);
    assert_int_equal(alarms_of_replaced(cores), 1);
    cores_free(cores);
}

/* Its own change of keys, cut off before it was noted here: no alarm, only no way in. */
static void
an_own_change_of_keys_is_no_alarm(void **state)
{
    struct cores *cores = cores_new(2);
    struct rig *rig = &cores->rig;
    struct identity *identity = &rig->fixture.member[0].identity;
    struct key_set keys;

    (void)state;
    rig_settle(rig);
    rig_down(rig, 0);
    steal(cores, &keys);
    identity->next = keys;
    identity->has_next = true;
    assert_int_equal(alarms_of_replaced(cores), 0);
    identity->has_next = false;
    cores_free(cores);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_loop_goes_its_way),
        cmocka_unit_test(nobody_signs_for_an_outcome_unheard),
        cmocka_unit_test(an_outcome_beats_a_cancel),
        cmocka_unit_test(the_owner_of_stolen_keys_is_told_once),
        cmocka_unit_test(an_own_change_of_keys_is_no_alarm),
        cmocka_unit_test(everybody_agrees_after_a_bad_network),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
