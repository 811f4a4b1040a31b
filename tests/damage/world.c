/* Decides what happened in the network whose stores are to be damaged. It knows nothing of damage:
 * errors of the cores are handed on, and only the undamaged history may not fail. */
#include "tests/damage/world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "broker/broker.h"

enum { MAP_BYTES = 8 << 20, MAP_MAX_BYTES = 64 << 20, ROUNDS = 400, STEP_MS = 40 };

static void
must(const struct world *world, enum err err, const char *what)
{
    if (err != ERR_OK) {
        (void)fprintf(stderr, "damage: %s: %s %s\n", what, err_name(err), world->complaint.text);
        abort();
    }
}

static void
path_of(const char *dir, size_t store, char out[128])
{
    const char *const names[WORLD_STORES] = {"0", "1", "2", "broker"};
    (void)snprintf(out, 128, "%s/%s", dir, names[store]);
}

enum err
world_open_broker(struct world *world, const char *dir)
{
    char path[128];
    const struct broker_options options = {
        .store_dir = path,
        .map_bytes = MAP_BYTES,
        .map_max_bytes = MAP_MAX_BYTES,
        .genesis_envelope = buffer_view(&world->fixture.genesis_envelope),
        .network = world->fixture.network,
        .log_secret = &world->fixture.log_secret,
        .gather_statements = 64,
        .admit_below_percent = 100,
        .statements_per_minute = 100000,
        .witness_ms = 60000,
    };
    path_of(dir, WORLD_BROKER, path);
    return broker_open(&options, &world->broker, &world->complaint);
}

enum err
world_open_agent(struct world *world, const char *dir, size_t which)
{
    char path[128];
    const struct agent_options options = {
        .store_dir = path,
        .map_bytes = MAP_BYTES,
        .map_max_bytes = MAP_MAX_BYTES,
        .identity = &world->fixture.member[which].identity,
        .ping_ms = 1000,
        .silence_ms = 3000,
        .credit_bytes = LIMIT_FRAME_BYTES,
        .window = 64,
    };
    path_of(dir, which, path);
    return agent_open(&options, &world->peer[which].agent, &world->complaint);
}

void
world_close(struct world *world)
{
    for (size_t i = 0; i < WORLD_MEMBERS; i++) {
        agent_freep(&world->peer[i].agent);
        world->peer[i].route = 0;
    }
    broker_freep(&world->broker);
}

static struct route
route_of(uint8_t number)
{
    struct route route = {.bytes = {1}};
    route.bytes[1] = number;
    return route;
}

void
world_connect(struct world *world, size_t which)
{
    world->peer[which].route = ++world->last_route;
    agent_link_up(world->peer[which].agent, world->now);
}

void
world_disconnect(struct world *world, size_t which)
{
    world->peer[which].route = 0;
    agent_link_down(world->peer[which].agent, world->now);
}

static enum err
turn_broker(struct world *world)
{
    struct verify_job *job;
    while ((job = broker_take_job(world->broker)) != NULL) {
        verify_job_run(job);
        broker_give_job(world->broker, job, world->now);
    }
    enum err err = ERR_OK;
    while (err == ERR_OK && broker_turn_wait_ms(world->broker, world->now) == 0) {
        err = broker_turn(world->broker, world->now);
    }
    return err;
}

static enum err
hand_out(struct world *world, bool *moved, size_t *of_out)
{
    struct route route;
    struct buffer frame;
    enum err err = ERR_OK;
    while (err == ERR_OK && broker_take_output(world->broker, &route, &frame)) {
        for (size_t i = 0; err == ERR_OK && i < WORLD_MEMBERS; i++) {
            const struct world_peer *peer = &world->peer[i];
            if (peer->route != 0 && peer->route == route.bytes[1]) {
                *of_out = i;
                *moved = true;
                err = agent_receive(peer->agent, buffer_view(&frame), world->now);
            }
        }
        buffer_done(&frame);
    }
    return err;
}

/* What one agent has to say now, to the broker. */
static enum err
hand_in(struct world *world, size_t which, bool *moved, size_t *of_out)
{
    const struct world_peer *peer = &world->peer[which];
    const struct route route = route_of(peer->route);
    for (;;) {
        CLEANUP(buffer_done) struct buffer frame = BUFFER_INIT(LIMIT_FRAME_BYTES);
        bool none = false;
        *of_out = which;
        enum err err = agent_next_frame(peer->agent, world->now, &frame, &none);
        if (err != ERR_OK || none) {
            return err;
        }
        *moved = true;
        *of_out = WORLD_BROKER;
        err = broker_receive(world->broker, &world->fixture.member[which].identity.keys.curve,
                             &route, buffer_view(&frame), world->now);
        if (err == ERR_OK) {
            err = turn_broker(world);
        }
        if (err != ERR_OK) {
            return err;
        }
    }
}

/* Who was told to come again goes on at that time, without waiting for it. */
static bool
pass_time(struct world *world)
{
    int64_t next_ms = INT64_MAX;
    for (size_t i = 0; i < WORLD_MEMBERS; i++) {
        struct agent_queue_status queue;
        if (world->peer[i].route != 0) {
            int64_t deadline_ms = agent_next_deadline_ms(world->peer[i].agent);
            agent_get_queue_status(world->peer[i].agent, &queue);
            next_ms = queue.waiting > 0 && deadline_ms < next_ms ? deadline_ms : next_ms;
        }
    }
    if (next_ms == INT64_MAX) {
        return false;
    }
    int64_t step_ms = next_ms - world->now.boot_ms;
    world->now.boot_ms += step_ms > 0 ? step_ms : 0;
    world->now.wall_ms += step_ms > 0 ? step_ms : 0;
    return true;
}

/* Quiet is when nothing has moved for some rounds, and nobody waits for anything. */
enum err
world_settle(struct world *world, size_t *of_out)
{
    enum { QUIET_ROUNDS = 4, LEAPS_MAX = 40 };
    int quiet = 0;
    int leaps = 0;
    for (int round = 0; round < ROUNDS && quiet < QUIET_ROUNDS; round++) {
        bool moved = false;
        for (size_t i = 0; i < WORLD_MEMBERS; i++) {
            enum err err = world->peer[i].route != 0 ? hand_in(world, i, &moved, of_out) : ERR_OK;
            if (err == ERR_OK) {
                err = hand_out(world, &moved, of_out);
            }
            if (err != ERR_OK) {
                return err;
            }
        }
        quiet = moved ? 0 : quiet + 1;
        if (quiet == QUIET_ROUNDS && leaps++ < LEAPS_MAX && pass_time(world)) {
            quiet = 0;
        }
        world->now.boot_ms += STEP_MS;
        world->now.wall_ms += STEP_MS;
        broker_tend(world->broker, world->now);
    }
    return ERR_OK;
}

enum err
world_start(struct world *world, size_t by, size_t target)
{
    char text[64];
    struct world_loop *loop = &world->loops[world->n_loops];
    (void)snprintf(text, sizeof(text), "step %zu of this network", world->n_said);
    const struct agent_content content = {bytes_of_text(text), bytes_of_text(text)};
    enum err err = agent_start_loop(world->peer[by].agent, fixture_orgs[target], PRIORITY_ROUTINE,
                                    0, &content, world->now, &loop->id, &world->complaint);
    if (err == ERR_OK) {
        loop->source = by;
        loop->target = target;
        world->said[world->n_said++] = (struct world_said){by, world->n_loops, EVENT_REQUEST};
        world->n_loops++;
    }
    return err;
}

enum err
world_say(struct world *world, size_t by, size_t loop, enum loop_event event)
{
    char text[64];
    (void)snprintf(text, sizeof(text), "step %zu of this network", world->n_said);
    const struct agent_content content = {bytes_of_text(text), bytes_of_text(text)};
    enum err err = agent_say(world->peer[by].agent, &world->loops[loop].id, event, 0, false,
                             &content, world->now, &world->complaint);
    if (err == ERR_OK) {
        world->said[world->n_said++] = (struct world_said){by, loop, event};
    }
    return err;
}

static void
join(struct world *world, size_t which)
{
    static struct message message;
    CLEANUP(buffer_done) struct buffer frame = BUFFER_INIT(LIMIT_FRAME_BYTES);
    const struct fixture_member *member = &world->fixture.member[which];
    const struct route route = route_of(255);
    struct receipt receipt;
    must(world,
         broker_submit_root(world->broker, buffer_view(&member->invite), world->now, &receipt),
         "invite");
    message.kind = MESSAGE_SUBMIT;
    message.as.submit.n = 1;
    message.as.submit.envelopes[0] = buffer_view(&member->join);
    must(world, message_encode(&message, &frame), "join");
    must(world,
         broker_receive(world->broker, &member->token.invite.once_curve, &route,
                        buffer_view(&frame), world->now),
         "join");
    must(world, turn_broker(world), "join");
}

void
world_init(struct world *world)
{
    memset(world, 0, sizeof(*world));
    fixture_init(&world->fixture, WORLD_MEMBERS);
    world->now = (struct instant){.wall_ms = 1700000000000, .boot_ms = 5000};
    must(world, world_open_broker(world, world->fixture.dir), "the broker");
    for (size_t i = 0; i < WORLD_MEMBERS; i++) {
        join(world, i);
        must(world, world_open_agent(world, world->fixture.dir, i), "an agent");
    }
}

void
world_done(struct world *world)
{
    world_close(world);
    fixture_done(&world->fixture);
}

static void
settle_all(struct world *world)
{
    size_t of;
    for (size_t i = 0; i < WORLD_MEMBERS; i++) {
        world_connect(world, i);
    }
    must(world, world_settle(world, &of), "settling");
}

/* A loop goes as far as its number says. */
static void
live_loop(struct world *world, size_t number)
{
    static const struct {
        bool by_source;
        enum loop_event event;
    } script[] = {
        {false, EVENT_ACCEPT}, {true, EVENT_NOTE},      {false, EVENT_PROGRESS},
        {false, EVENT_NOTE},   {false, EVENT_COMPLETE}, {true, EVENT_ACKNOWLEDGE},
    };
    size_t source = number % WORLD_MEMBERS;
    size_t target = (number + 1 + number / WORLD_MEMBERS % 2) % WORLD_MEMBERS;
    size_t loop = world->n_loops;
    size_t of;
    must(world, world_start(world, source, target), "a referral");
    for (size_t i = 0; i < number % (ARRAY_LEN(script) + 1); i++) {
        must(world, world_settle(world, &of), "settling");
        must(world, world_say(world, script[i].by_source ? source : target, loop, script[i].event),
             "a step");
    }
}

void
world_live(struct world *world, void (*half)(void *context), void *context)
{
    size_t of;
    struct broker_status status;
    settle_all(world);
    for (size_t i = 0; i < WORLD_LOOPS; i++) {
        live_loop(world, i);
        if (i == WORLD_LOOPS / 2) {
            must(world, world_settle(world, &of), "settling");
            world_close(world);
            half(context);
            must(world, world_open_broker(world, world->fixture.dir), "the broker");
            for (size_t k = 0; k < WORLD_MEMBERS; k++) {
                must(world, world_open_agent(world, world->fixture.dir, k), "an agent");
            }
            settle_all(world);
        }
    }
    must(world, world_settle(world, &of), "settling");
    world_disconnect(world, 0);
    for (size_t i = 0; i < 4; i++) {
        const struct world_loop *loop = &world->loops[i];
        size_t other = loop->source == 0 ? loop->target : loop->source;
        must(world, world_say(world, other, i, EVENT_NOTE), "mail that waits");
        if (loop->source == 0 || loop->target == 0) {
            must(world, world_say(world, 0, i, EVENT_NOTE), "a queue");
        }
    }
    must(world, world_settle(world, &of), "settling");
    broker_get_status(world->broker, &status);
    world->entries = status.entries;
    world_close(world);
}
