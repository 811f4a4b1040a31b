/* Plays the network between the cores. What a program would end with is handed up;
 * what it would ride out (a full disk of an agent) is ridden out here in the same way. Everything
 * that leaves a core is read for its promises first. */
#include "tests/faults/world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "agent/rotate.h"
#include "lib/base/secret.h"

enum {
    SETTLE_ROUNDS = 400,
    TICK_MS = 500,
    REST_MS = 500,
    SUBMIT_ATTEMPTS = 4,
};

void
world_init(struct world *world, const struct fixture *fixture, struct promises *promises,
           const char *dir)
{
    static const char *const homes[WORLD_MEMBERS] = {"clinic", "pantry"};
    memset(world, 0, sizeof(*world));
    world->fixture = fixture;
    world->promises = promises;
    world->now = (struct instant){.wall_ms = 1700000000000, .boot_ms = 5000};
    world->doing = "init";
    assert_true(strlen(dir) < sizeof(world->dir));
    memcpy(world->dir, dir, strlen(dir) + 1);
    assert_int_equal(file_make_dir(dir), ERR_OK);
    assert_int_equal(file_path(world->broker_store, dir, "broker"), ERR_OK);
    for (size_t i = 0; i < WORLD_MEMBERS; i++) {
        struct world_member *member = &world->member[i];
        assert_int_equal(file_path(member->home, dir, homes[i]), ERR_OK);
        assert_int_equal(file_path(member->store, member->home, "store"), ERR_OK);
        assert_int_equal(file_make_dir(member->home), ERR_OK);
    }
}

static void
forget_queue(struct world_member *member)
{
    for (size_t i = 0; i < member->n_queued; i++) {
        buffer_done(&member->queue[i]);
    }
    member->n_queued = 0;
}

static void
link_down(struct world *world, size_t which)
{
    struct world_member *member = &world->member[which];
    if (member->up && member->agent != NULL) {
        agent_link_down(member->agent, world->now);
    }
    member->up = false;
    forget_queue(member);
}

void
world_close_broker(struct world *world)
{
    for (size_t i = 0; i < WORLD_MEMBERS; i++) {
        link_down(world, i);
    }
    broker_freep(&world->broker);
}

void
world_close_agent(struct world *world, size_t which)
{
    struct world_member *member = &world->member[which];
    link_down(world, which);
    agent_freep(&member->agent);
    if (member->has_identity) {
        identity_done(&member->identity);
    }
    member->has_identity = false;
}

void
world_close(struct world *world)
{
    for (size_t i = 0; i < WORLD_MEMBERS; i++) {
        world_close_agent(world, i);
    }
    world_close_broker(world);
}

struct broker_options
world_broker_options(const struct world *world, const char *store)
{
    return (struct broker_options){
        .store_dir = store,
        .map_bytes = 4 << 20,
        .map_max_bytes = 256 << 20,
        .genesis_envelope = buffer_view(&world->fixture->genesis_envelope),
        .network = world->fixture->network,
        .log_secret = &world->fixture->log_secret,
        .gather_ms = 0,
        .gather_statements = 64,
        .admit_below_percent = 90,
        .statements_per_minute = 100000,
        .witness_ms = 1000,
    };
}

struct agent_options
world_agent_options(const struct world *world, size_t which, const char *store)
{
    return (struct agent_options){
        .store_dir = store,
        .map_bytes = 4 << 20,
        .map_max_bytes = 256 << 20,
        .identity = &world->member[which].identity,
        .ping_ms = 1000,
        .silence_ms = 3000,
        .credit_bytes = LIMIT_FRAME_BYTES,
        .window = 64,
        .witnesses_wanted = 1,
        .witness_ms = 2000,
    };
}

enum err
world_open_broker(struct world *world)
{
    const struct broker_options options = world_broker_options(world, world->broker_store);
    world->doing = "broker_open";
    return broker_open(&options, &world->broker, &world->complaint);
}

enum err
world_open_agent(struct world *world, size_t which)
{
    struct world_member *member = &world->member[which];
    world->doing = "identity_load";
    enum err err = identity_load(member->home, &member->identity, &world->complaint);
    if (err != ERR_OK) {
        return err;
    }
    member->has_identity = true;
    const struct agent_options options = world_agent_options(world, which, member->store);
    world->doing = "agent_open";
    return agent_open(&options, &member->agent, &world->complaint);
}

/* --- the network --- */

static void
sort_output(struct world *world)
{
    struct sign_public log_key;
    struct route route;
    struct buffer frame;
    sign_public_of(&world->fixture->log_secret, &log_key);
    while (broker_take_output(world->broker, &route, &frame)) {
        struct world_member *to = NULL;
        promise_hear_broker(world->promises, &world->fixture->network, &log_key,
                            buffer_view(&frame));
        for (size_t i = 0; i < WORLD_MEMBERS; i++) {
            if (memcmp(&route, &world->member[i].route, sizeof(route)) == 0) {
                to = &world->member[i];
            }
        }
        if (to == NULL || to->n_queued == WORLD_QUEUE_MAX) {
            buffer_done(&frame);
        } else {
            to->queue[to->n_queued++] = frame;
        }
    }
}

static enum err
run_broker(struct world *world)
{
    struct verify_job *job;
    enum err err = ERR_OK;
    world->doing = "broker_turn";
    while ((job = broker_take_job(world->broker)) != NULL) {
        verify_job_run(job);
        broker_give_job(world->broker, job, world->now);
    }
    while (err == ERR_OK && broker_turn_wait_ms(world->broker, world->now) == 0) {
        err = broker_turn(world->broker, world->now);
    }
    sort_output(world);
    return err;
}

static void
link_up(struct world *world, size_t which)
{
    struct world_member *member = &world->member[which];
    link_down(world, which);
    secret_random(member->route.bytes, ROUTE_BYTES);
    member->route.bytes[0] |= 1;
    member->up = true;
    agent_link_up(member->agent, world->now);
}

static enum err
agent_speaks(struct world *world, size_t which, bool *moved)
{
    struct world_member *member = &world->member[which];
    for (;;) {
        CLEANUP(buffer_done) struct buffer frame = BUFFER_INIT(LIMIT_FRAME_BYTES);
        bool none = false;
        world->doing = "agent_next_frame";
        enum err err = agent_next_frame(member->agent, world->now, &frame, &none);
        if (err != ERR_OK || none) {
            return err;
        }
        *moved = true;
        promise_hear_agent(world->promises, which, buffer_view(&frame));
        world->doing = "broker_receive";
        err = broker_receive(world->broker, &member->identity.keys.curve, &member->route,
                             buffer_view(&frame), world->now);
        if (err == ERR_OK) {
            err = run_broker(world);
        }
        if (err != ERR_OK) {
            return err == ERR_DISK_FULL ? ERR_INTERNAL : err; /* the broker hands up no such */
        }
    }
}

static enum err
agent_hears(struct world *world, size_t which, bool *moved)
{
    struct world_member *member = &world->member[which];
    enum err err = ERR_OK;
    while (err == ERR_OK && member->n_queued > 0) {
        CLEANUP(buffer_done) struct buffer frame = member->queue[0];
        member->n_queued--;
        memmove(&member->queue[0], &member->queue[1], member->n_queued * sizeof(member->queue[0]));
        *moved = true;
        world->doing = "agent_receive";
        err = agent_receive(member->agent, buffer_view(&frame), world->now);
    }
    return err;
}

static enum err
move(struct world *world, size_t which, bool *moved)
{
    struct world_member *member = &world->member[which];
    if (!member->up || agent_link_doubt(member->agent, world->now)) {
        link_up(world, which);
    }
    enum err err = agent_speaks(world, which, moved);
    if (err == ERR_OK) {
        err = run_broker(world);
    }
    if (err == ERR_OK) {
        err = agent_hears(world, which, moved);
    }
    if (err == ERR_DISK_FULL) {
        link_down(world, which); /* as the daemon does, to try again later */
        return ERR_OK;
    }
    return err;
}

static bool
is_quiet(struct world *world)
{
    for (size_t i = 0; i < WORLD_MEMBERS; i++) {
        struct agent_queue_status queue;
        struct agent_link_status link;
        if (world->member[i].agent == NULL) {
            continue;
        }
        agent_get_queue_status(world->member[i].agent, &queue);
        agent_get_link_status(world->member[i].agent, &link);
        if (queue.waiting > 0 || !link.ready || link.cursor < link.head) {
            return false;
        }
    }
    return true;
}

static void
pass_time(struct world *world)
{
    world->now.boot_ms += TICK_MS;
    world->now.wall_ms += TICK_MS;
    broker_tend(world->broker, world->now);
    for (size_t i = 0; i < WORLD_MEMBERS; i++) {
        if (world->member[i].agent != NULL) {
            agent_tend(world->member[i].agent, world->now);
        }
    }
}

enum err
world_settle(struct world *world)
{
    int64_t quiet_since_ms = INT64_MAX;
    for (unsigned round = 0; round < SETTLE_ROUNDS; round++) {
        bool moved = false;
        for (size_t i = 0; i < WORLD_MEMBERS; i++) {
            enum err err = world->member[i].agent != NULL ? move(world, i, &moved) : ERR_OK;
            if (err != ERR_OK) {
                return err;
            }
        }
        if (!is_quiet(world)) {
            quiet_since_ms = INT64_MAX;
        } else if (quiet_since_ms == INT64_MAX) {
            quiet_since_ms = world->now.boot_ms;
        }
        if (quiet_since_ms < INT64_MAX && world->now.boot_ms - quiet_since_ms >= REST_MS) {
            return ERR_OK;
        }
        if (!moved) {
            pass_time(world);
        }
    }
    world->doing = "settle";
    return complain(&world->complaint, ERR_UNREACHABLE, "it does not come to rest");
}

/* --- joining and changing keys --- */

enum err
world_invite(struct world *world, size_t which)
{
    struct receipt receipt;
    world->doing = "invite";
    enum err err = broker_submit_root(
        world->broker, buffer_view(&world->fixture->member[which].invite), world->now, &receipt);
    if (err == ERR_OK && receipt.result == RECEIPT_REFUSED) {
        err = receipt.refusal;
    }
    return err;
}

static enum err
put_message(struct world *world, const struct curve_public *peer, const struct message *message)
{
    CLEANUP(buffer_done) struct buffer frame = BUFFER_INIT(LIMIT_FRAME_BYTES);
    enum err err = message_encode(message, &frame);
    if (err == ERR_OK) {
        err = broker_receive(world->broker, peer, &world->member[CLINIC].route, buffer_view(&frame),
                             world->now);
    }
    return err == ERR_OK ? run_broker(world) : err;
}

/* What the broker said last: kept in `answer`, where the message has its views. */
static enum err
take_last(struct world *world, struct buffer *answer, struct message *message)
{
    struct world_member *any = &world->member[CLINIC];
    if (any->n_queued == 0) {
        return ERR_UNREACHABLE;
    }
    *answer = any->queue[--any->n_queued];
    return message_decode(buffer_view(answer), message);
}

/* One statement over a connection of its own. */
static enum err
submit_once(struct world *world, const struct curve_public *peer, struct bytes envelope,
            struct buffer *answer, struct message *message)
{
    struct route *route = &world->member[CLINIC].route;
    link_down(world, CLINIC);
    secret_random(route->bytes, ROUTE_BYTES);
    route->bytes[0] |= 1;
    message->kind = MESSAGE_HELLO;
    message->as.hello = (struct message_hello){.protocol = MESSAGE_PROTOCOL,
                                               .network = world->fixture->network,
                                               .version = REFLOOP_VERSION};
    enum err err = put_message(world, peer, message);
    if (err == ERR_OK) {
        message->kind = MESSAGE_SUBMIT;
        message->as.submit.n = 1;
        message->as.submit.envelopes[0] = envelope;
        err = put_message(world, peer, message);
    }
    return err == ERR_OK ? take_last(world, answer, message) : err;
}

/* As the programs do: what is not answered, or with "busy", is said again. */
static enum err
submit(struct world *world, const struct curve_public *peer, struct bytes envelope,
       struct buffer *answer, struct message *message)
{
    for (unsigned i = 0;; i++) {
        enum err err = submit_once(world, peer, envelope, answer, message);
        bool again = message->kind == MESSAGE_WELCOME ||
                     (message->kind == MESSAGE_REFUSED && message->as.refused.code == ERR_BUSY) ||
                     (message->kind == MESSAGE_RECEIPTS &&
                      message->as.receipts.receipts[0].refusal == ERR_BUSY);
        if ((err != ERR_OK && err != ERR_UNREACHABLE) || (err == ERR_OK && !again) ||
            i + 1 == SUBMIT_ATTEMPTS) {
            return err;
        }
        buffer_done(answer);
        pass_time(world);
    }
}

static enum err
prepare_identity(struct world *world, size_t which, struct identity *identity)
{
    struct world_member *member = &world->member[which];
    world->doing = "identity_load";
    enum err err = identity_load(member->home, identity, &world->complaint);
    if (err != ERR_NOT_FOUND) {
        return err;
    }
    world->doing = "identity_new";
    err = identity_new(&world->fixture->member[which].token, identity);
    if (err == ERR_OK) {
        world->doing = "identity_save";
        err = identity_save(identity, member->home, &world->complaint);
    }
    if (err == ERR_OK) {
        world->promises->has_keys[which] = true;
    }
    return err;
}

static enum err
join_with(struct world *world, size_t which, struct identity *identity)
{
    static struct message message;
    CLEANUP(buffer_done) struct buffer join = BUFFER_INIT(LIMIT_ENVELOPE_BYTES);
    CLEANUP(buffer_done) struct buffer answer = BUFFER_INIT(LIMIT_FRAME_BYTES);
    const struct token *token = &world->fixture->member[which].token;
    enum err err = prepare_identity(world, which, identity);
    if (err != ERR_OK || identity->joined) {
        return err;
    }
    world->doing = "join";
    err = identity_join_envelope(identity, token, &join);
    if (err == ERR_OK) {
        err = submit(world, &token->invite.once_curve, buffer_view(&join), &answer, &message);
    }
    if (err != ERR_OK) {
        return err;
    }
    if (message.kind != MESSAGE_RECEIPTS ||
        message.as.receipts.receipts[0].result != RECEIPT_ACCEPTED) {
        return complain(&world->complaint, ERR_NOT_PERMITTED, "the join is refused: %s",
                        message.kind == MESSAGE_RECEIPTS
                            ? err_name(message.as.receipts.receipts[0].refusal)
                            : message_name(message.kind));
    }
    identity->joined = true;
    world->doing = "identity_save";
    return identity_save(identity, world->member[which].home, &world->complaint);
}

enum err
world_join(struct world *world, size_t which)
{
    struct identity identity = {.joined = false};
    enum err err = join_with(world, which, &identity);
    identity_done(&identity);
    return err;
}

/* Whether the log has the next keys, by asking as their owner does. */
static enum err
ask_about_keys(struct world *world, size_t which)
{
    static struct message message;
    CLEANUP(buffer_done) struct buffer rotate = BUFFER_INIT(LIMIT_ENVELOPE_BYTES);
    CLEANUP(buffer_done) struct buffer answer = BUFFER_INIT(LIMIT_FRAME_BYTES);
    struct identity *identity = &world->member[which].identity;
    struct view view = rotate_view(world->member[which].agent);
    const struct key_id next = key_set_id(&identity->next);
    const struct member *listed = directory_find(broker_directory(world->broker), identity->org);
    if (listed != NULL && memcmp(&listed->key_id, &next, sizeof(next)) == 0) {
        return ERR_OK; /* the new keys are let in: what the second knock is told */
    }
    world->doing = "rotate";
    enum err err = rotate_envelope(identity, &rotate);
    if (err == ERR_OK) {
        err = submit(world, &identity->keys.curve, buffer_view(&rotate), &answer, &message);
    }
    if (err == ERR_OK && message.kind != MESSAGE_RECEIPTS) {
        return complain(&world->complaint, ERR_NOT_PERMITTED, "new keys are answered by %s",
                        message_name(message.kind));
    }
    return err == ERR_OK
               ? rotate_take_receipts(identity, &view, buffer_view(&rotate), &message.as.receipts)
               : err;
}

enum err
world_rotate(struct world *world, size_t which)
{
    struct world_member *member = &world->member[which];
    struct identity *identity = &member->identity;
    enum err err = ERR_OK;
    if (identity->n_former > 0) {
        return ERR_OK;
    }
    world->doing = "rotate_begin";
    if (!identity->has_next) {
        err = rotate_begin(identity, world->now.wall_ms);
        if (err == ERR_OK) {
            err = identity_save(identity, member->home, &world->complaint);
        }
    }
    if (err == ERR_OK) {
        err = ask_about_keys(world, which);
    }
    if (err == ERR_OK) {
        rotate_finish(identity);
        world->doing = "identity_save";
        err = identity_save(identity, member->home, &world->complaint);
    }
    if (err == ERR_OK) {
        world_close_agent(world, which);
        err = world_open_agent(world, which);
    }
    return err;
}
