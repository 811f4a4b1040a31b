/* Decides how frames reach the broker and leave it. One thread, one loop, no blocking call: a
 * ROUTER under CURVE for the agents, our own ZAP handler, the pool's descriptor, signals, and the
 * control socket. Who a message is from is the key that CURVE proved, read from the body frame (the
 * id frame may come without it); nothing else about a connection is believed. It refuses to know
 * what frames mean.
 *
 * Hazards of libzmq that shape this file: a ROUTER without ZAP lets everybody in, so the ZAP socket
 * is bound first and a stranger is tried before we say ready; sends never wait; a multipart message
 * is handed up only as a whole, so more than two frames are dropped unread; heartbeats can abort
 * the process, so agents ping in the application; with ROUTER_HANDOVER whoever knows a routing id
 * takes its owner's messages, so a second one with the same is left unheard. */
#include "broker/server/server.h"

#include <czmq.h>
#include <string.h>
#include <zmq.h>

#include "broker/server/connections.h"
#include "broker/server/control.h"
#include "broker/server/endpoint.h"
#include "broker/server/upkeep.h"
#include "broker/server/verify_pool.h"
#include "broker/zap.h"
#include "lib/base/secret.h"
#include "lib/base/text.h"
#include "lib/edge/daemon.h"

#define ZAP_ENDPOINT "inproc://zeromq.zap.01"
#define EVENTS_ENDPOINT "inproc://refloop.events"
#define TEST_ENDPOINT "inproc://refloop.self-test.%d" /* one for each attempt */

enum {
    ENFORCE_ZAP_DOMAIN =
        93, /* ZMQ_ZAP_ENFORCE_DOMAIN: works in the stable library, its name is hidden */
    SEND_HIGH_WATER = 128,
    FRAME_SLACK_BYTES = 1024, /* for what CURVE adds: the largest frame must still come through */
    HANDSHAKE_MS = 10 * 1000,
    KEEPALIVE_IDLE_S = 30,
    KEEPALIVE_INTERVAL_S = 10,
    KEEPALIVE_COUNT = 3,
    FRAMES_PER_TURN = 256,
    RECEIVE_MS = 1, /* then what has come is written, so that one cannot keep all others waiting */
    HANDSHAKES_PER_TURN = 32,
    SELF_TEST_MS = 2000,
    SELF_TEST_ATTEMPTS = 5,
    FIXED_ITEMS = 4,
};

enum item { ITEM_ROUTER, ITEM_ZAP, ITEM_POOL, ITEM_SIGNAL };

struct server {
    struct setup *setup;
    struct broker *broker;
    zsock_t *router, *zap;
    void *events; /* of the router: who came, and who shook hands */
    struct verify_pool *pool;
    struct control_server *control;
    struct control_view view;
    int signal_fd;
    char endpoint[LIMIT_ENDPOINT_BYTES + 1];
    struct upkeep upkeep;
    bool serves; /* the self-test is behind us: until then nobody unknown is let in at all */
};

static void
server_done(struct server *server)
{
    control_server_close(server->control);
    verify_pool_free(server->pool);
    connections_free(server->upkeep.connections);
    if (server->events != NULL) {
        (void)zmq_close(server->events); /* a socket we made */
    }
    zsock_destroy(&server->router);
    zsock_destroy(&server->zap);
}

/* --- ZAP --- */

static bool
admits(const void *context, const struct curve_public *key)
{
    const struct server *server = context;
    enum admission admission = broker_admits(server->broker, key);
    return admission == ADMIT_KNOWN || (admission == ADMIT_HELPER && server->serves);
}

static void
close_messages(zmq_msg_t *messages, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        (void)zmq_msg_close(&messages[i]); /* fails only for what is no message */
    }
}

/* Reads one message of any number of frames and keeps the first `max`. Returns how many there were,
 * 0 when there is no message. */
static size_t
receive(void *socket, zmq_msg_t *messages, size_t max)
{
    size_t n = 0;
    bool more = true;
    while (more) {
        zmq_msg_t spare;
        /* cppcheck-suppress uninitvar ; zmq_msg_init below is what initializes it */
        zmq_msg_t *message = n < max ? &messages[n] : &spare;
        (void)zmq_msg_init(message); /* cannot fail */
        if (zmq_msg_recv(message, socket, ZMQ_DONTWAIT) < 0) {
            close_messages(message, 1);
            close_messages(messages, n < max ? n : max);
            return 0;
        }
        more = zmq_msg_more(message) != 0;
        if (n >= max) {
            close_messages(message, 1);
        }
        n++;
    }
    return n;
}

/* zmq_msg_data wants a pointer to non-const, and so gets one. */
static struct bytes
message_bytes(zmq_msg_t *message)
{
    return bytes_of(zmq_msg_data(message), zmq_msg_size(message));
}

static bool
answer_zap(struct server *server)
{
    zmq_msg_t messages[ZAP_REQUEST_FRAMES_MAX];
    struct bytes frames[ZAP_REQUEST_FRAMES_MAX];
    struct zap_answer answer;
    void *socket = zsock_resolve(server->zap);
    size_t n = receive(socket, messages, ZAP_REQUEST_FRAMES_MAX);
    if (n == 0) {
        return false;
    }
    size_t kept = n < ZAP_REQUEST_FRAMES_MAX ? n : ZAP_REQUEST_FRAMES_MAX;
    for (size_t i = 0; i < kept; i++) {
        frames[i] = message_bytes(&messages[i]);
    }
    zap_decide(frames, kept, admits, server, &answer);
    server->view.handshakes_refused += answer.admitted ? 0 : 1;
    for (size_t i = 0; i < ZAP_ANSWER_FRAMES; i++) {
        int flags = ZMQ_DONTWAIT | (i + 1 < ZAP_ANSWER_FRAMES ? ZMQ_SNDMORE : 0);
        /* A peer that is gone already needs no answer. */
        (void)zmq_send(socket, answer.frames[i].data, answer.frames[i].len, flags);
    }
    close_messages(messages, kept);
    return true;
}

/* --- sockets --- */

static enum err
open_zap(struct server *server, struct complaint *complaint)
{
    uint32_t seed;
    zsys_handler_set(NULL); /* signals are ours */
    server->zap = zsock_new(ZMQ_REP);
    if (server->zap == NULL || zsock_bind(server->zap, "%s", ZAP_ENDPOINT) != 0) {
        return complain(complaint, ERR_IO, "the ZAP handler cannot be bound");
    }
    /* libzmq draws the ids of peers without one from random(), which czmq has just seeded with the
     * time; a peer that can guess them can make it abort. */
    secret_random(&seed, sizeof(seed));
    srandom(seed);
    return ERR_OK;
}

static void
set_options(zsock_t *router, const struct setup *setup)
{
    int enforce = 1;
    zsock_set_curve_server(router, 1);
    zsock_set_curve_secretkey_bin(router, setup->keys.curve->bytes);
    zsock_set_zap_domain(router, ZAP_DOMAIN);
    (void)zmq_setsockopt(zsock_resolve(router), ENFORCE_ZAP_DOMAIN, &enforce, sizeof(enforce));
    zsock_set_router_mandatory(router, 1);
    zsock_set_maxmsgsize(router, LIMIT_FRAME_BYTES + FRAME_SLACK_BYTES);
    zsock_set_sndhwm(router, SEND_HIGH_WATER);
    zsock_set_rcvhwm(router, CONNECTIONS_WAITING_FRAMES);
    zsock_set_handshake_ivl(router, HANDSHAKE_MS);
    zsock_set_tcp_keepalive(router, 1);
    zsock_set_tcp_keepalive_idle(router, KEEPALIVE_IDLE_S);
    zsock_set_tcp_keepalive_intvl(router, KEEPALIVE_INTERVAL_S);
    zsock_set_tcp_keepalive_cnt(router, KEEPALIVE_COUNT);
    zsock_set_ipv6(router, setup->config.ipv6 ? 1 : 0);
    zsock_set_linger(router, 0);
}

/* ZeroMQ waits with everything else when its events find no room, so there is room without end. */
static bool
open_events(struct server *server)
{
    const int events = ZMQ_EVENT_ACCEPTED | ZMQ_EVENT_ACCEPT_FAILED | ZMQ_EVENT_HANDSHAKE_SUCCEEDED;
    const int no_limit = 0;
    server->events = zmq_socket(zsys_init(), ZMQ_PAIR);
    return server->events != NULL &&
           zmq_setsockopt(server->events, ZMQ_RCVHWM, &no_limit, sizeof(no_limit)) == 0 &&
           zmq_socket_monitor(zsock_resolve(server->router), EVENTS_ENDPOINT, events) == 0 &&
           zmq_connect(server->events, EVENTS_ENDPOINT) == 0;
}

static enum err
open_router(struct server *server, struct complaint *complaint)
{
    const char *listen = server->setup->config.listen;
    server->router = zsock_new(ZMQ_ROUTER);
    if (server->router == NULL) {
        return complain(complaint, ERR_IO, "no socket could be made");
    }
    set_options(server->router, server->setup);
    if (!open_events(server)) {
        return complain(complaint, ERR_IO, "the router's events cannot be watched");
    }
    if (!endpoint_is_tcp(listen)) {
        return complain(complaint, ERR_CONFIG, "listen must be tcp://address:port, not %s", listen);
    }
    if (zsock_bind(server->router, "%s", listen) < 0) {
        return complain(complaint, ERR_IO, "cannot listen on %s: %s", listen,
                        zmq_strerror(zmq_errno()));
    }
    const char *bound = zsock_endpoint(server->router);
    size_t len = bound == NULL ? 0 : strnlen(bound, sizeof(server->endpoint));
    if (len == 0 || len == sizeof(server->endpoint)) {
        return complain(complaint, ERR_IO, "cannot listen on %s", listen);
    }
    memcpy(server->endpoint, bound, len + 1);
    server->view.listen = server->endpoint;
    enum err err = connections_new(endpoint_port(server->endpoint), &server->upkeep.connections);
    server->view.connections = server->upkeep.connections;
    return err == ERR_OK ? endpoint_write(server->setup->home, server->endpoint, complaint)
                         : complain(complaint, err, "connections cannot be watched");
}

/* --- the self-test: a key that nobody knows must not get in --- */

struct self_test {
    zsock_t *client;
    void *monitor;
    struct curve_secret secret;
};

static void
self_test_done(struct self_test *test)
{
    if (test->monitor != NULL) {
        (void)zmq_close(test->monitor); /* a socket we made */
    }
    zsock_destroy(&test->client);
    secret_wipe(&test->secret, sizeof(test->secret));
}

static bool
self_test_connect(const struct server *server, int attempt, struct self_test *test)
{
    char endpoint[LIMIT_ENDPOINT_BYTES + 1];
    char events_at[sizeof(TEST_ENDPOINT) + 8];
    struct curve_public public_key;
    int events = ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_HANDSHAKE_FAILED_AUTH;
    int ipv6 = server->setup->config.ipv6 ? 1 : 0;
    endpoint_reachable(server->endpoint, endpoint);
    (void)text_format(events_at, sizeof(events_at), TEST_ENDPOINT, attempt); /* it fits */
    curve_new_pair(&public_key, &test->secret);
    test->client = zsock_new(ZMQ_DEALER);
    if (test->client == NULL) {
        return false;
    }
    zsock_set_ipv6(test->client, ipv6);
    zsock_set_linger(test->client, 0);
    zsock_set_curve_secretkey_bin(test->client, test->secret.bytes);
    zsock_set_curve_publickey_bin(test->client, public_key.bytes);
    zsock_set_curve_serverkey_bin(test->client, server->setup->keys.curve_public.bytes);
    void *client = zsock_resolve(test->client);
    if (zmq_socket_monitor(client, events_at, events) != 0) {
        return false;
    }
    /* In the context of its peer: czmq keeps one for the process. */
    test->monitor = zmq_socket(zsys_init(), ZMQ_PAIR);
    return test->monitor != NULL && zmq_connect(test->monitor, events_at) == 0 &&
           zsock_connect(test->client, "%s", endpoint) == 0;
}

/* The monitor's event, 0 when there is none yet. */
static int
monitor_event(void *monitor)
{
    zmq_msg_t messages[2];
    uint16_t event = 0;
    size_t n = receive(monitor, messages, ARRAY_LEN(messages));
    if (n == 0) {
        return 0;
    }
    struct bytes body = message_bytes(&messages[0]);
    if (body.len >= sizeof(event)) {
        memcpy(&event, body.data, sizeof(event));
    }
    close_messages(messages, n < ARRAY_LEN(messages) ? n : ARRAY_LEN(messages));
    return event;
}

static void
count_events(struct server *server)
{
    for (int event; (event = monitor_event(server->events)) != 0;) {
        server->view.connected += event == ZMQ_EVENT_ACCEPTED ? 1 : 0;
        server->view.not_accepted += event == ZMQ_EVENT_ACCEPT_FAILED ? 1 : 0;
        server->view.handshakes += event == ZMQ_EVENT_HANDSHAKE_SUCCEEDED ? 1 : 0;
    }
}

enum verdict { KEPT_OUT, LET_IN, UNANSWERED };

static enum verdict
self_test_wait(struct server *server, const struct self_test *test)
{
    int64_t end_ms = clock_now().boot_ms + SELF_TEST_MS;
    for (int64_t left_ms = SELF_TEST_MS; left_ms > 0; left_ms = end_ms - clock_now().boot_ms) {
        zmq_pollitem_t items[] = {{.socket = zsock_resolve(server->zap), .events = ZMQ_POLLIN},
                                  {.socket = test->monitor, .events = ZMQ_POLLIN}};
        (void)zmq_poll(items, ARRAY_LEN(items), (long)left_ms); /* a signal only shortens it */
        while (answer_zap(server)) {
        }
        switch (monitor_event(test->monitor)) {
        case ZMQ_EVENT_HANDSHAKE_FAILED_AUTH:
            return KEPT_OUT;
        case ZMQ_EVENT_HANDSHAKE_SUCCEEDED:
            return LET_IN;
        default:
            break;
        }
    }
    return UNANSWERED;
}

/* What is not proved is not assumed: without an answer there is no service. */
static enum err
self_test(struct server *server, struct complaint *complaint)
{
    enum verdict verdict = UNANSWERED;
    for (int attempt = 0; verdict == UNANSWERED && attempt < SELF_TEST_ATTEMPTS; attempt++) {
        CLEANUP(self_test_done) struct self_test test = {.client = NULL};
        if (!self_test_connect(server, attempt, &test)) {
            return complain(complaint, ERR_IO, "the self-test cannot connect to %s",
                            server->endpoint);
        }
        verdict = self_test_wait(server, &test);
    }
    if (verdict == LET_IN) {
        return complain(complaint, ERR_INTERNAL,
                        "a stranger's key was let in by the self-test: not serving");
    }
    return verdict == KEPT_OUT
               ? ERR_OK
               : complain(complaint, ERR_IO,
                          "it could not be proved that strangers are kept out: the self-test had "
                          "no answer from %s for %d s. Is that address reachable from this "
                          "machine itself?",
                          server->endpoint, SELF_TEST_ATTEMPTS * SELF_TEST_MS / 1000);
}

/* --- the loop --- */

static bool
find_peer(zmq_msg_t *body, struct curve_public *peer_out)
{
    const char *user_id = zmq_msg_gets(body, "User-Id");
    return user_id != NULL && curve_from_z85(user_id, peer_out->bytes);
}

/* False when there is no message. */
static bool
receive_one(struct server *server, struct instant now, enum err *err_out)
{
    zmq_msg_t messages[2];
    struct curve_public peer;
    struct route route;
    size_t n = receive(zsock_resolve(server->router), messages, ARRAY_LEN(messages));
    if (n == 0) {
        return false;
    }
    bool has_shape = n == 2 && zmq_msg_size(&messages[0]) == ROUTE_BYTES;
    bool has_peer = n > 1 && find_peer(&messages[1], &peer);
    if (has_peer) {
        int fd = zmq_msg_get(&messages[1], ZMQ_SRCFD);
        connections_heard(server->upkeep.connections, fd, &peer, now.boot_ms);
    }
    if (has_shape && has_peer) {
        memcpy(route.bytes, zmq_msg_data(&messages[0]), sizeof(route.bytes));
        *err_out = broker_receive(server->broker, &peer, &route, message_bytes(&messages[1]), now);
    } else {
        server->view.dropped++;
    }
    close_messages(messages, n < ARRAY_LEN(messages) ? n : ARRAY_LEN(messages));
    return true;
}

static void
move_jobs(struct server *server, struct instant now)
{
    struct verify_job *job;
    while ((job = verify_pool_pop(server->pool)) != NULL) {
        broker_give_job(server->broker, job, now);
    }
    while (verify_pool_has_room(server->pool) && (job = broker_take_job(server->broker)) != NULL) {
        verify_pool_push(server->pool, job);
    }
}

static enum err
receive_some(struct server *server, struct instant now)
{
    enum err err = ERR_OK;
    int64_t end_ms = now.boot_ms + RECEIVE_MS;
    for (int i = 0; i < FRAMES_PER_TURN && err == ERR_OK; i++) {
        if (clock_now().boot_ms > end_ms || !receive_one(server, now, &err)) {
            break;
        }
        move_jobs(server, now); /* so that signatures are checked meanwhile */
    }
    return err;
}

static void
send_all(struct server *server)
{
    void *router = zsock_resolve(server->router);
    struct route route;
    struct buffer frame;
    while (broker_take_output(server->broker, &route, &frame)) {
        if (zmq_send(router, route.bytes, sizeof(route.bytes), ZMQ_SNDMORE | ZMQ_DONTWAIT) < 0 ||
            zmq_send(router, frame.data, frame.len, ZMQ_DONTWAIT) < 0) {
            broker_route_lost(server->broker, &route);
        }
        buffer_done(&frame);
    }
}

static enum err
work(struct server *server, struct instant now)
{
    enum err err = receive_some(server, now);
    move_jobs(server, now);
    if (err == ERR_OK && broker_turn_wait_ms(server->broker, now) == 0) {
        err = broker_turn(server->broker, now);
    }
    if (err == ERR_OK) {
        upkeep_turn(&server->upkeep, now);
        send_all(server);
    }
    return err;
}

/* The control socket's descriptors are poll(2)'s; zmq_poll has its own struct for the same. */
static size_t
add_control_items(struct server *server, struct pollfd *fds, zmq_pollitem_t *items)
{
    size_t n = control_server_poll(server->control, fds, CONTROL_CONNECTIONS_MAX + 1);
    for (size_t i = 0; i < n; i++) {
        bool in = (fds[i].events & POLLIN) != 0;
        bool out = (fds[i].events & POLLOUT) != 0;
        short events = (short)((in ? ZMQ_POLLIN : 0) | (out ? ZMQ_POLLOUT : 0));
        items[i] = (zmq_pollitem_t){.fd = fds[i].fd, .events = events};
    }
    return n;
}

static void
turn_control(struct server *server, struct pollfd *fds, const zmq_pollitem_t *items, size_t n,
             struct instant now)
{
    for (size_t i = 0; i < n; i++) {
        bool in = (items[i].revents & ZMQ_POLLIN) != 0;
        bool out = (items[i].revents & ZMQ_POLLOUT) != 0;
        bool bad = (items[i].revents & ZMQ_POLLERR) != 0;
        fds[i].revents = (short)((in ? POLLIN : 0) | (out ? POLLOUT : 0) | (bad ? POLLERR : 0));
    }
    control_server_turn(server->control, fds, n, now.boot_ms);
}

static enum err
loop(struct server *server)
{
    zmq_pollitem_t items[FIXED_ITEMS + CONTROL_CONNECTIONS_MAX + 1] = {
        [ITEM_ROUTER] = {.socket = zsock_resolve(server->router), .events = ZMQ_POLLIN},
        [ITEM_ZAP] = {.socket = zsock_resolve(server->zap), .events = ZMQ_POLLIN},
        [ITEM_POOL] = {.fd = verify_pool_fd(server->pool), .events = ZMQ_POLLIN},
        [ITEM_SIGNAL] = {.fd = server->signal_fd, .events = ZMQ_POLLIN},
    };
    struct pollfd fds[CONTROL_CONNECTIONS_MAX + 1];
    for (;;) {
        size_t n = add_control_items(server, fds, items + FIXED_ITEMS);
        int rc =
            zmq_poll(items, (int)(FIXED_ITEMS + n), upkeep_wait_ms(&server->upkeep, clock_now()));
        if (rc < 0 && zmq_errno() != EINTR) {
            return ERR_IO;
        }
        struct instant now = clock_now();
        if (daemon_signals_take(server->signal_fd) == DAEMON_SIGNAL_STOP) {
            return ERR_OK;
        }
        for (int i = 0; i < HANDSHAKES_PER_TURN && answer_zap(server); i++) {
        }
        count_events(server);
        enum err err = work(server, now);
        if (err == ERR_OK && rc >= 0) {
            turn_control(server, fds, items + FIXED_ITEMS, n, now);
            send_all(server); /* what the administrator's statements woke */
            err = server->view.broken ? server->view.failure : ERR_OK;
        }
        if (err != ERR_OK) {
            return err;
        }
    }
}

/* What is verified already is still committed and answered; the rest was promised nothing. */
static enum err
finish(struct server *server)
{
    struct instant now = clock_now();
    move_jobs(server, now);
    enum err err = broker_turn(server->broker, now);
    send_all(server);
    return err;
}

static enum err
open_all(struct server *server, struct complaint *complaint)
{
    enum err err = open_zap(server, complaint);
    if (err == ERR_OK) {
        err = verify_pool_new((size_t)server->setup->config.verify_threads, &server->pool);
        if (err != ERR_OK) {
            return complain(complaint, err, "the threads that check signatures cannot be made");
        }
    }
    if (err == ERR_OK) {
        err = open_router(server, complaint);
    }
    if (err == ERR_OK) {
        err = self_test(server, complaint);
    }
    return err == ERR_OK ? control_server_open(server->setup->home, control_answer, &server->view,
                                               &server->control, complaint)
                         : err;
}

enum err
server_run(struct setup *setup, int signal_fd, struct complaint *complaint)
{
    CLEANUP(server_done)
    struct server server = {.setup = setup,
                            .broker = setup->broker,
                            .upkeep = {.broker = setup->broker},
                            .view = {.broker = setup->broker, .started_ms = clock_now().wall_ms},
                            .signal_fd = signal_fd};
    struct broker_status status;
    upkeep_check_limit(&server.upkeep);
    enum err err = open_all(&server, complaint);
    if (err != ERR_OK) {
        return err;
    }
    count_events(&server);
    server.view.handshakes_refused = server.view.connected = 0; /* the self-test's own */
    server.serves = true;
    broker_get_status(setup->broker, &status);
    logging_line(LOGGING_INFO, "broker.ready", "endpoint=%s entries=%llu", server.endpoint,
                 (unsigned long long)status.entries);
    daemon_notify("READY=1");
    err = loop(&server);
    daemon_notify("STOPPING=1");
    if (err == ERR_OK) {
        err = finish(&server);
    }
    return err == ERR_OK ? ERR_OK
                         : complain(complaint, err, "the broker stopped: %s", err_text(err));
}
