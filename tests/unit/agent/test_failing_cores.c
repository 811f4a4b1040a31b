/* Agents and the real broker core in one process, where memory and store give way at random inside
 * any call of theirs. A core that fails for a reason of its own is thrown away and opened again, as
 * the programs do; what a person asked for and was refused is not asked again. Afterwards all agree
 * with each other, and nothing was lost or happened twice. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "broker/broker.h"
#include "lib/base/secret.h"
#include "tests/support/fail_alloc.h"
#include "tests/support/fail_store.h"
#include "tests/unit/agent/rig.h"

#define PLANTED "--planted"

enum { QUEUE_MAX = 64, ROUNDS = 4000, MEMBERS = 3, ALLOC_SPAN = 40, STORE_SPAN = 60 };

struct core_peer {
    struct route route;
    struct buffer queue[QUEUE_MAX];
    size_t n_queued;
    bool is_dead; /* its agent failed, and is to be opened again */
};

static struct {
    struct rig rig;
    struct broker *broker;
    struct core_peer peer[MEMBERS];
    bool broker_is_dead;
    bool broker_met_fault; /* since it was opened: a call without one may tell of it */
    bool armed;
    uint64_t random;
    unsigned n_failed, n_survived; /* calls that met a fault: that failed, that went well */
    unsigned n_broker, n_agent;    /* opened again */
} cores;

/* ---- every call of a core may meet one fault ---- */

static uint32_t
draw(uint32_t bound)
{
    cores.random ^= cores.random << 13;
    cores.random ^= cores.random >> 7;
    cores.random ^= cores.random << 17;
    return (uint32_t)(cores.random >> 32) % bound;
}

/* The planted bug: a core that takes for written what was not. Whoever checks must see it. */
static bool is_planted;

static void
set_trap(void)
{
    static const enum err errors[] = {ERR_IO, ERR_MEMORY, ERR_CORRUPT, ERR_IO};
    if (!cores.armed || draw(4) != 0) {
        return;
    }
    if (is_planted) {
        fail_store_at(1 + draw(STORE_SPAN), ERR_OK);
    } else if (draw(3) == 0) {
        fail_alloc_at(1 + draw(1 + draw(ALLOC_SPAN)));
    } else {
        fail_store_at(1 + draw(1 + draw(STORE_SPAN)), errors[draw(ARRAY_LEN(errors))]);
    }
}

/* Ends what set_trap began. A peer's fault must never come of one of ours. */
static enum err
spring(enum err err, const char *where)
{
    bool has_failed = fail_alloc_off();
    has_failed |= fail_store_off();
    if (has_failed && err_is_peer(err) && err != ERR_WRONG_STATE && err != ERR_UNKNOWN_LOOP) {
        fail_msg("%s: %s was told as %s", where, fail_store_where(), err_name(err));
    }
    bool is_broker = strncmp(where, "broker", 6) == 0;
    cores.broker_met_fault |= is_broker && has_failed;
    if (!has_failed && err != ERR_OK && !err_is_peer(err) &&
        !(is_broker && cores.broker_met_fault)) {
        fail_msg("%s failed by itself: %s", where, err_name(err));
    }
    cores.n_failed += has_failed && err != ERR_OK;
    cores.n_survived += has_failed && err == ERR_OK;
    return err;
}

static struct core_peer *
peer_of(const struct agent *agent)
{
    for (size_t i = 0; i < MEMBERS; i++) {
        if (cores.rig.peer[i].agent == agent) {
            return &cores.peer[i];
        }
    }
    fail_msg("whose agent is it?");
    return NULL;
}

enum err __real_agent_receive(struct agent *agent, struct bytes frame, struct instant now);
enum err __wrap_agent_receive(struct agent *agent, struct bytes frame, struct instant now);
enum err __real_agent_next_frame(struct agent *agent, struct instant now, struct buffer *frame_out,
                                 bool *none_out);
enum err __wrap_agent_next_frame(struct agent *agent, struct instant now, struct buffer *frame_out,
                                 bool *none_out);
int64_t __real_agent_next_deadline_ms(const struct agent *agent);
int64_t __wrap_agent_next_deadline_ms(const struct agent *agent);
enum err __real_agent_say(struct agent *agent, const struct loop_id *loop, enum loop_event event,
                          int64_t due_ms, bool automatic, const struct agent_content *content,
                          struct instant now, struct complaint *complaint);
enum err __wrap_agent_say(struct agent *agent, const struct loop_id *loop, enum loop_event event,
                          int64_t due_ms, bool automatic, const struct agent_content *content,
                          struct instant now, struct complaint *complaint);
enum err __real_agent_start_loop(struct agent *agent, const char *target_org,
                                 enum statement_priority priority, int64_t due_ms,
                                 const struct agent_content *content, struct instant now,
                                 struct loop_id *loop_out, struct complaint *complaint);
enum err __wrap_agent_start_loop(struct agent *agent, const char *target_org,
                                 enum statement_priority priority, int64_t due_ms,
                                 const struct agent_content *content, struct instant now,
                                 struct loop_id *loop_out, struct complaint *complaint);

enum err
__wrap_agent_receive(struct agent *agent, struct bytes frame, struct instant now)
{
    struct core_peer *peer = peer_of(agent);
    if (!peer->is_dead) {
        set_trap();
        if (spring(__real_agent_receive(agent, frame, now), "agent_receive") == ERR_OK) {
            return ERR_OK;
        }
        peer->is_dead = true;
    }
    return ERR_DISK_FULL; /* the rig then drops the connection, and the frame with it */
}

enum err
__wrap_agent_next_frame(struct agent *agent, struct instant now, struct buffer *frame_out,
                        bool *none_out)
{
    struct core_peer *peer = peer_of(agent);
    if (!peer->is_dead) {
        set_trap();
        enum err err =
            spring(__real_agent_next_frame(agent, now, frame_out, none_out), "agent_next_frame");
        if (err == ERR_OK) {
            return err;
        }
        peer->is_dead = true;
    }
    buffer_done(frame_out);
    *none_out = true;
    return ERR_OK;
}

int64_t
__wrap_agent_next_deadline_ms(const struct agent *agent)
{
    return peer_of(agent)->is_dead ? INT64_MAX : __real_agent_next_deadline_ms(agent);
}

/* What people ask for may fail without the agent's being thrown away, as in the program. */
enum err
__wrap_agent_say(struct agent *agent, const struct loop_id *loop, enum loop_event event,
                 int64_t due_ms, bool automatic, const struct agent_content *content,
                 struct instant now, struct complaint *complaint)
{
    set_trap();
    return spring(__real_agent_say(agent, loop, event, due_ms, automatic, content, now, complaint),
                  "agent_say");
}

enum err
__wrap_agent_start_loop(struct agent *agent, const char *target_org,
                        enum statement_priority priority, int64_t due_ms,
                        const struct agent_content *content, struct instant now,
                        struct loop_id *loop_out, struct complaint *complaint)
{
    set_trap();
    return spring(__real_agent_start_loop(agent, target_org, priority, due_ms, content, now,
                                          loop_out, complaint),
                  "agent_start_loop");
}

/* ---- the broker's edge ---- */

static void
open_broker(void)
{
    struct complaint complaint = {""};
    char path[128];
    const struct broker_options options = {
        .store_dir = path,
        .map_bytes = 4 << 20,
        .map_max_bytes = 256 << 20,
        .genesis_envelope = buffer_view(&cores.rig.fixture.genesis_envelope),
        .network = cores.rig.fixture.network,
        .log_secret = &cores.rig.fixture.log_secret,
        .gather_ms = 0,
        .gather_statements = 64,
        .admit_below_percent = 90,
        .statements_per_minute = 100000,
    };
    fixture_path(&cores.rig.fixture, "broker", path, sizeof(path));
    /* Opening may fail too, at any point; the next one must go well. */
    set_trap();
    bool fails = broker_open(&options, &cores.broker, &complaint) != ERR_OK;
    (void)spring(ERR_OK, "broker_open");
    if (fails) {
        assert_true(cores.armed);
        assert_null(cores.broker);
        cores.n_failed++;
        if (broker_open(&options, &cores.broker, &complaint) != ERR_OK) {
            fail_msg("broker_open: %s", complaint.text);
        }
    }
    cores.broker_is_dead = false;
    cores.broker_met_fault = false;
}

static void
on_connect(void *context, size_t which)
{
    struct core_peer *peer = &cores.peer[which];
    (void)context;
    for (size_t i = 0; i < peer->n_queued; i++) {
        buffer_done(&peer->queue[i]);
    }
    peer->n_queued = 0;
    secret_random(peer->route.bytes, ROUTE_BYTES);
    peer->route.bytes[0] |= 1;
}

static void
hear(const struct curve_public *key, const struct route *route, struct bytes frame)
{
    if (!cores.broker_is_dead) {
        set_trap();
        cores.broker_is_dead =
            spring(broker_receive(cores.broker, key, route, frame, cores.rig.now),
                   "broker_receive") != ERR_OK;
    }
}

static void
receive(void *context, size_t which, struct bytes frame, struct instant now)
{
    (void)context;
    (void)now;
    hear(&cores.rig.fixture.member[which].identity.keys.curve, &cores.peer[which].route, frame);
}

static void
run_turns(void)
{
    struct verify_job *job;
    for (;;) {
        set_trap();
        job = broker_take_job(cores.broker);
        if (job == NULL) {
            (void)spring(ERR_OK, "broker_take_job");
            break;
        }
        verify_job_run(job);
        broker_give_job(cores.broker, job, cores.rig.now);
        (void)spring(ERR_OK, "broker_give_job");
    }
    while (!cores.broker_is_dead && broker_turn_wait_ms(cores.broker, cores.rig.now) == 0) {
        set_trap();
        cores.broker_is_dead =
            spring(broker_turn(cores.broker, cores.rig.now), "broker_turn") != ERR_OK;
    }
}

/* What a broker queued before it failed is with its peers, or lost: nobody may depend on which. */
static void
sort_output(void)
{
    struct route route;
    struct buffer frame;
    while (broker_take_output(cores.broker, &route, &frame)) {
        struct core_peer *to = NULL;
        for (size_t i = 0; i < MEMBERS; i++) {
            if (memcmp(route.bytes, cores.peer[i].route.bytes, ROUTE_BYTES) == 0) {
                to = &cores.peer[i];
            }
        }
        if (to == NULL || to->n_queued == QUEUE_MAX) {
            buffer_done(&frame);
        } else {
            to->queue[to->n_queued++] = frame;
        }
    }
}

static void
tick(void *context, struct instant now)
{
    (void)context;
    (void)now;
    if (!cores.broker_is_dead) {
        run_turns();
        set_trap();
        broker_tend(cores.broker, cores.rig.now);
        (void)spring(ERR_OK, "broker_tend");
        sort_output();
    }
    if (cores.broker_is_dead) {
        broker_freep(&cores.broker);
        open_broker();
        cores.n_broker++;
    }
}

static bool
take(void *context, size_t which, struct buffer *frame_out)
{
    struct core_peer *peer = &cores.peer[which];
    (void)context;
    if (peer->n_queued == 0) {
        return false;
    }
    *frame_out = peer->queue[0];
    peer->n_queued--;
    memmove(&peer->queue[0], &peer->queue[1], peer->n_queued * sizeof(peer->queue[0]));
    return true;
}

static void
join(size_t which)
{
    static struct message message;
    const struct fixture_member *member = &cores.rig.fixture.member[which];
    const struct route route = {.bytes = {9}};
    CLEANUP(buffer_done) struct buffer frame = BUFFER_INIT(LIMIT_FRAME_BYTES);
    struct receipt receipt;
    assert_int_equal(
        broker_submit_root(cores.broker, buffer_view(&member->invite), cores.rig.now, &receipt),
        ERR_OK);
    assert_int_equal(receipt.result, RECEIPT_ACCEPTED);
    message.kind = MESSAGE_SUBMIT;
    message.as.submit.n = 1;
    message.as.submit.envelopes[0] = buffer_view(&member->join);
    assert_int_equal(message_encode(&message, &frame), ERR_OK);
    hear(&member->token.invite.once_curve, &route, buffer_view(&frame));
    tick(NULL, cores.rig.now);
}

/* ---- the run ---- */

static void
start(uint64_t seed)
{
    memset(&cores, 0, sizeof(cores));
    cores.random = seed;
    rig_init(&cores.rig, MEMBERS);
    cores.rig.broker = (struct rig_broker){
        .broker = &cores, .receive = receive, .take = take, .connect = on_connect, .tick = tick};
    open_broker();
    for (size_t i = 0; i < MEMBERS; i++) {
        join(i);
    }
    rig_settle(&cores.rig);
    cores.rig.random = seed;
}

static void
stop(void)
{
    for (size_t i = 0; i < MEMBERS; i++) {
        on_connect(NULL, i);
    }
    broker_freep(&cores.broker);
    rig_done(&cores.rig);
}

static void
revive(void)
{
    for (size_t i = 0; i < MEMBERS; i++) {
        if (cores.peer[i].is_dead) {
            cores.peer[i].is_dead = false;
            rig_restart(&cores.rig, i);
            rig_up(&cores.rig, i);
            cores.n_agent++;
        }
    }
}

static void
round_of(void)
{
    struct rig *rig = &cores.rig;
    size_t peer = rig_random(rig, MEMBERS);
    uint32_t what = rig_random(rig, 200);
    rig->now.boot_ms += rig_random(rig, 300);
    rig->now.wall_ms += rig_random(rig, 300);
    if (what < 4) {
        rig_up(rig, peer);
    } else if (what < 50) {
        rig_act(rig, peer);
    } else {
        rig_move(rig, peer);
    }
    revive();
}

static void
run(uint64_t seed, unsigned rounds)
{
    struct complaint complaint = {""};
    struct broker_status status;
    start(seed);
    cores.rig.trouble = 5;
    cores.armed = true;
    for (unsigned i = 0; i < rounds; i++) {
        round_of();
    }
    cores.armed = false;
    rig_settle(&cores.rig);
    rig_check_agreement(&cores.rig);
    if (broker_check_store(cores.broker, &complaint) != ERR_OK) {
        fail_msg("broker: %s", complaint.text);
    }
    broker_get_status(cores.broker, &status);
    print_message("seed %llu: %u rounds, %u calls failed, %u went well in spite of a fault; broker "
                  "opened again %u times, agents %u; %llu entries\n",
                  (unsigned long long)seed, rounds, cores.n_failed, cores.n_survived,
                  cores.n_broker, cores.n_agent, (unsigned long long)status.entries);
    assert_true(cores.n_failed > rounds / 10 && cores.n_broker > rounds / 50);
    assert_true(cores.n_agent > rounds / 50 && status.entries > rounds / 20);
    stop();
}

static void
everybody_agrees_after_faults(void **state)
{
    const char *text = getenv("REFLOOP_TEST_SEEDS");
    uint64_t n = text == NULL ? 1 : strtoull(text, NULL, 10);
    (void)state;
    for (uint64_t seed = 1; seed <= n; seed++) {
        run(seed * 0x9E3779B97F4A7C15ULL, ROUNDS);
    }
}

/* This very program with the bug planted, which must end with a failure and not with a crash. */
static void
a_lost_commit_is_seen(void **state)
{
    int status = 0;
    (void)state;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        (void)execl("/proc/self/exe", "failing-cores", PLANTED, NULL);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 1);
}

int
main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everybody_agrees_after_faults),
        cmocka_unit_test(a_lost_commit_is_seen),
    };
    const struct CMUnitTest planted[] = {cmocka_unit_test(everybody_agrees_after_faults)};
    is_planted = argc > 1 && strcmp(argv[1], PLANTED) == 0;
    return is_planted ? cmocka_run_group_tests(planted, NULL, NULL)
                      : cmocka_run_group_tests(tests, NULL, NULL);
}
