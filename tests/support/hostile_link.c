/* What a peer can do to the broker with sockets and frames alone, before or beside anything it
 * says: the hostile end of tests/integration/26_hostile_link.py. It prints what it did and what it
 * heard, one line each, and judges nothing. Modes that hold something end when their standard input
 * does.
 *
 * usage: hostile-link HOME MODE [ARGUMENT]
 *
 * HOME is the home of an agent that has joined and is not running. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <zmq.h>

#include "lib/base/clock.h"
#include "lib/base/secret.h"
#include "tests/support/raw_member.h"

enum {
    PATIENCE_MS = 20 * 1000,
    SILENCE_MS = 500,
    SOCKETS_MAX = 200,
    DECIMAL = 10,
    MEDIUM_FRAME = 200 * 1024,
    SMALL_HIGH_WATER = 4,
};

struct attack {
    struct identity identity;
    void *context;
    const char *argument;
};

static struct message said, heard; /* large */
static struct buffer frame;
static uint8_t filler[2 * LIMIT_FRAME_BYTES];

static long
number(const struct attack *attack)
{
    return strtol(attack->argument, NULL, DECIMAL);
}

static void
hold(void)
{
    (void)fflush(stdout);
    (void)getchar(); /* the test says when */
}

static const char *
answer(void *socket, long patience_ms)
{
    return raw_hear(socket, patience_ms, &frame, &heard) ? message_name(heard.kind) : "silence";
}

static void
ping(void *socket)
{
    said.kind = MESSAGE_PING;
    said.as.ping = (struct message_ping){.nonce = 1};
    raw_say(socket, &said);
}

/* --- routing ids ------------------------------------------------------------------------------ */

/* Of a member whose live routing id we know, by whatever means. */
static void
steal(struct attack *attack)
{
    static const uint8_t route[RAW_ROUTE_BYTES] = "the victim's one";
    struct identity victim;
    raw_load(attack->argument, &victim);
    void *sockets[2];
    const struct identity *owners[] = {&victim, &attack->identity};
    const char *const names[] = {"victim", "thief"};
    for (size_t i = 0; i < ARRAY_LEN(sockets); i++) {
        sockets[i] = raw_socket(attack->context, owners[i], &owners[i]->keys.curve,
                                &owners[i]->secrets->curve);
        raw_must_zmq(zmq_setsockopt(sockets[i], ZMQ_ROUTING_ID, route, sizeof(route)), "route");
        raw_connect(owners[i], sockets[i]);
        raw_hello(owners[i], sockets[i]);
        (void)printf("%s: %s\n", names[i], answer(sockets[i], i == 0 ? PATIENCE_MS : SILENCE_MS));
    }
    ping(sockets[0]);
    (void)printf("victim again: %s\n", answer(sockets[0], PATIENCE_MS));
    (void)printf("thief again: %s\n", answer(sockets[1], SILENCE_MS));
    (void)zmq_close(sockets[0]);
    (void)zmq_close(sockets[1]);
    identity_done(&victim);
}

/* Ids that might collide with those ZeroMQ makes itself, by one that the broker does not know. */
static void
stranger_ids(struct attack *attack)
{
    static const uint8_t ids[][5] = {
        {0, 0x6b, 0x8b, 0x45, 0x67}, {0, 0x6b, 0x8b, 0x45, 0x68}, {0, 0, 0, 0, 0}, {0, 0, 0, 0, 1}};
    size_t n_heard = 0;
    for (size_t i = 0; i < ARRAY_LEN(ids); i++) {
        struct curve_public key;
        struct curve_secret secret;
        curve_new_pair(&key, &secret);
        void *socket = raw_socket(attack->context, &attack->identity, &key, &secret);
        raw_must_zmq(zmq_setsockopt(socket, ZMQ_ROUTING_ID, ids[i], sizeof(ids[i])), "route");
        raw_connect(&attack->identity, socket);
        raw_hello(&attack->identity, socket);
        n_heard += raw_hear(socket, SILENCE_MS, &frame, &heard) ? 1 : 0;
        (void)zmq_close(socket);
    }
    (void)printf("answered: %zu\n", n_heard);
}

/* No routing id at all, leading zeros, and of other lengths than ours. */
static void
odd_ids(struct attack *attack)
{
    static const size_t lengths[] = {0, 1, 15, 17, 255};
    for (size_t i = 0; i < ARRAY_LEN(lengths); i++) {
        uint8_t route[255] = {0};
        const struct identity *self = &attack->identity;
        secret_random(route + 1, sizeof(route) - 1);
        void *socket = raw_socket(attack->context, self, &self->keys.curve, &self->secrets->curve);
        if (lengths[i] > 0) {
            raw_must_zmq(zmq_setsockopt(socket, ZMQ_ROUTING_ID, route, lengths[i]), "route");
        }
        raw_connect(self, socket);
        raw_hello(self, socket);
        (void)printf("id of %zu: %s\n", lengths[i], answer(socket, SILENCE_MS));
        (void)zmq_close(socket);
    }
}

/* --- frames ----------------------------------------------------------------------------------- */

static void
sizes(struct attack *attack)
{
    static const struct {
        const char *name;
        size_t size;
    } frames[] = {{"largest", LIMIT_FRAME_BYTES},
                  {"one over", LIMIT_FRAME_BYTES + 1},
                  {"far over", LIMIT_FRAME_BYTES + 2048}};
    for (size_t i = 0; i < ARRAY_LEN(frames); i++) {
        void *socket = raw_open(attack->context, &attack->identity);
        raw_hello(&attack->identity, socket);
        (void)printf("hello: %s\n", answer(socket, PATIENCE_MS));
        raw_must_zmq(zmq_send(socket, filler, frames[i].size, 0), "send");
        (void)printf("%s: %s\n", frames[i].name, answer(socket, 2 * SILENCE_MS));
        (void)zmq_close(socket);
    }
}

static void
tiny(struct attack *attack)
{
    void *socket = raw_open(attack->context, &attack->identity);
    long n = number(attack);
    for (long i = 0; i < n; i++) {
        raw_must_zmq(zmq_send(socket, filler, (size_t)(i % 2), 0), "send");
    }
    (void)printf("sent: %ld\n", n);
    hold();
    (void)zmq_close(socket);
}

/* So many MiB in one message. */
static void
endless(struct attack *attack)
{
    const int patience_ms = 2000;
    void *socket = raw_open(attack->context, &attack->identity);
    raw_must_zmq(zmq_setsockopt(socket, ZMQ_SNDTIMEO, &patience_ms, sizeof(patience_ms)), "wait");
    raw_hello(&attack->identity, socket);
    (void)printf("hello: %s\n", answer(socket, PATIENCE_MS));
    long n = number(attack) * 1024 * 1024 / MEDIUM_FRAME;
    for (long i = 0; i < n; i++) {
        raw_must_zmq(zmq_send(socket, filler, MEDIUM_FRAME, ZMQ_SNDMORE), "send");
    }
    /* Only now ZeroMQ begins to send. On the other side it is without an end for as long. */
    raw_must_zmq(zmq_send(socket, filler, 1, 0), "send");
    (void)printf("sent: %ld\n", n);
    hold();
    (void)zmq_close(socket);
}

/* Asks and asks, and reads nothing of what it is told. */
static void
deaf(struct attack *attack)
{
    const int small = SMALL_HIGH_WATER;
    const int bytes = 4096;
    const struct identity *self = &attack->identity;
    uint8_t route[RAW_ROUTE_BYTES];
    void *socket = raw_socket(attack->context, self, &self->keys.curve, &self->secrets->curve);
    secret_random(route, sizeof(route));
    route[0] |= 1;
    raw_must_zmq(zmq_setsockopt(socket, ZMQ_ROUTING_ID, route, sizeof(route)), "route");
    raw_must_zmq(zmq_setsockopt(socket, ZMQ_RCVHWM, &small, sizeof(small)), "high water");
    raw_must_zmq(zmq_setsockopt(socket, ZMQ_RCVBUF, &bytes, sizeof(bytes)), "buffer");
    raw_connect(self, socket);
    raw_hello(self, socket);
    long n = number(attack);
    for (long i = 0; i < n; i++) {
        said.kind = i % 2 == 0 ? MESSAGE_PING : MESSAGE_FETCH;
        if (i % 2 == 0) {
            said.as.ping = (struct message_ping){.nonce = 1};
        } else {
            said.as.fetch = (struct message_fetch){.credit_bytes = LIMIT_FRAME_BYTES};
        }
        raw_say(socket, &said);
    }
    (void)printf("asked: %ld\n", n);
    hold();
    (void)zmq_close(socket);
}

/* --- connections ------------------------------------------------------------------------------ */

/* Many with one key; each says hello, or none says anything. */
static void
open_many(struct attack *attack, bool speaks)
{
    static void *sockets[SOCKETS_MAX];
    long n = number(attack);
    size_t n_welcomed = 0;
    for (long i = 0; i < n && i < SOCKETS_MAX; i++) {
        const int never = -1;
        const struct identity *self = &attack->identity;
        uint8_t route[RAW_ROUTE_BYTES];
        sockets[i] = raw_socket(attack->context, self, &self->keys.curve, &self->secrets->curve);
        secret_random(route, sizeof(route));
        route[0] |= 1;
        raw_must_zmq(zmq_setsockopt(sockets[i], ZMQ_ROUTING_ID, route, sizeof(route)), "route");
        raw_must_zmq(zmq_setsockopt(sockets[i], ZMQ_RECONNECT_IVL, &never, sizeof(never)), "never");
        raw_connect(self, sockets[i]);
        if (speaks) {
            raw_hello(self, sockets[i]);
            n_welcomed += raw_hear(sockets[i], PATIENCE_MS, &frame, &heard) ? 1 : 0;
        }
    }
    (void)printf("welcomed: %zu\n", n_welcomed);
    hold();
    for (long i = 0; i < n && i < SOCKETS_MAX; i++) {
        (void)zmq_close(sockets[i]);
    }
}

static void
many(struct attack *attack)
{
    open_many(attack, true);
}

static void
mute(struct attack *attack)
{
    open_many(attack, false);
}

/* Connections one after the other for so many milliseconds: `prepare` makes what is tried. */
static void
again_and_again(struct attack *attack, void *(*prepare)(struct attack *attack))
{
    int64_t end_ms = clock_now().boot_ms + number(attack);
    size_t n = 0;
    void *sockets[32] = {NULL}; /* some at a time: who waits for each would not be a storm */
    while (clock_now().boot_ms < end_ms) {
        void **place = &sockets[n++ % ARRAY_LEN(sockets)];
        if (*place != NULL) {
            (void)raw_hear(*place, 1, &frame, &heard);
            (void)zmq_close(*place);
        }
        *place = prepare(attack);
        raw_connect(&attack->identity, *place);
    }
    for (size_t i = 0; i < ARRAY_LEN(sockets); i++) {
        if (sockets[i] != NULL) {
            (void)zmq_close(sockets[i]);
        }
    }
    (void)printf("connections: %zu\n", n);
}

static void *
prepare_member(struct attack *attack)
{
    const struct identity *self = &attack->identity;
    return raw_socket(attack->context, self, &self->keys.curve, &self->secrets->curve);
}

static void *
prepare_stranger(struct attack *attack)
{
    struct curve_public key;
    struct curve_secret secret;
    curve_new_pair(&key, &secret);
    return raw_socket(attack->context, &attack->identity, &key, &secret);
}

static void *
prepare_plain(struct attack *attack)
{
    const int no_linger = 0;
    void *socket = zmq_socket(attack->context, ZMQ_DEALER);
    raw_must_zmq(zmq_setsockopt(socket, ZMQ_LINGER, &no_linger, sizeof(no_linger)), "linger");
    raw_must_zmq(zmq_setsockopt(socket, ZMQ_PLAIN_USERNAME, "oak", 3), "name");
    raw_must_zmq(zmq_setsockopt(socket, ZMQ_PLAIN_PASSWORD, "elm", 3), "password");
    return socket;
}

static void
member_storm(struct attack *attack)
{
    again_and_again(attack, prepare_member);
}

static void
stranger_storm(struct attack *attack)
{
    again_and_again(attack, prepare_stranger);
}

static void
plain_storm(struct attack *attack)
{
    again_and_again(attack, prepare_plain);
}

/* Another mechanism than CURVE, or none. */
static void
mechanisms(struct attack *attack)
{
    void *sockets[] = {prepare_plain(attack), zmq_socket(attack->context, ZMQ_DEALER)};
    const char *const names[] = {"plain", "null"};
    for (size_t i = 0; i < ARRAY_LEN(sockets); i++) {
        const int no_linger = 0;
        raw_must_zmq(zmq_setsockopt(sockets[i], ZMQ_LINGER, &no_linger, sizeof(no_linger)), "none");
        raw_connect(&attack->identity, sockets[i]);
        raw_hello(&attack->identity, sockets[i]);
        (void)printf("%s: %s\n", names[i], answer(sockets[i], 2 * SILENCE_MS));
        (void)zmq_close(sockets[i]);
    }
}

int
main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*run)(struct attack *attack);
    } modes[] = {
        {"steal", steal},
        {"stranger-ids", stranger_ids},
        {"odd-ids", odd_ids},
        {"sizes", sizes},
        {"tiny", tiny},
        {"endless", endless},
        {"deaf", deaf},
        {"many", many},
        {"mute", mute},
        {"member-storm", member_storm},
        {"stranger-storm", stranger_storm},
        {"plain-storm", plain_storm},
        {"mechanisms", mechanisms},
    };
    struct attack attack = {.argument = argc > 3 ? argv[3] : "0"};
    bool locked;
    if (argc < 3) {
        raw_die("usage: hostile-link HOME MODE [ARGUMENT]");
    }
    raw_must(secret_start(&locked), "start");
    raw_load(argv[1], &attack.identity);
    attack.context = zmq_ctx_new();
    for (size_t i = 0; i < ARRAY_LEN(modes); i++) {
        if (strcmp(modes[i].name, argv[2]) == 0) {
            modes[i].run(&attack);
            (void)zmq_ctx_term(attack.context);
            buffer_done(&frame);
            identity_done(&attack.identity);
            return 0;
        }
    }
    raw_die("no such mode");
    return 1;
}
