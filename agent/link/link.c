/* The only file of the agent that speaks ZeroMQ. Decides how a socket is set up so that nothing in
 * it acts on its own: no reconnection, no heartbeat, no lingering, no memory beyond its limits.
 * Knows neither what frames mean nor when to try again. */
#include "agent/link/link.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <czmq.h>

#include "lib/base/secret.h"
#include "lib/base/text.h"
#include "lib/wire/limits.h"

enum {
    ROUTING_ID_BYTES = 16,
    QUEUE_FRAMES = 64,
    FRAME_SLACK_BYTES = 1024, /* MAXMSGSIZE breaks the connection: only for what is far off */
    CONNECT_TIMEOUT_MS = 10000,
    TCP_SILENCE_MS = 30000,
    POLL_FDS_MAX = 64,
};

struct link {
    zsock_t *dealer;  /* NULL: not open */
    zsock_t *monitor; /* our end */
    uint64_t dropped;
};

enum err
link_new(struct link **link_out)
{
    if (zsys_init() == NULL) {
        return ERR_MEMORY;
    }
    /* Signals are ours (signalfd); czmq's handler would make every receive return at once. */
    zsys_handler_set(NULL);
    /* ZeroMQ draws jitter and ids from random(), which starts the same in every process. */
    unsigned seed = 0;
    secret_random(&seed, sizeof(seed));
    srandom(seed);
    struct link *link = calloc(1, sizeof(*link));
    if (link == NULL) {
        return ERR_MEMORY;
    }
    *link_out = link;
    return ERR_OK;
}

void
link_free(struct link *link)
{
    if (link != NULL) {
        link_close(link);
        free(link);
    }
}

void
link_freep(struct link **link)
{
    link_free(*link);
    *link = NULL;
}

bool
link_is_open(const struct link *link)
{
    return link->dealer != NULL;
}

uint64_t
link_dropped(const struct link *link)
{
    return link->dropped;
}

void
link_close(struct link *link)
{
    if (link->dealer != NULL) {
        (void)zmq_socket_monitor(zsock_resolve(link->dealer), NULL, 0); /* ends with it anyway */
    }
    zsock_destroy(&link->monitor);
    zsock_destroy(&link->dealer);
}

/* --- opening --------------------------------------------------------------------------------- */

static bool
set_number(void *socket, int option, int64_t value)
{
    if (option == ZMQ_MAXMSGSIZE) {
        return zmq_setsockopt(socket, option, &value, sizeof(value)) == 0;
    }
    int number = (int)value;
    return zmq_setsockopt(socket, option, &number, sizeof(number)) == 0;
}

static const struct {
    int option;
    int value;
} settings[] = {
    {ZMQ_LINGER, 0},         /* what is unsent is in the outbox */
    {ZMQ_RECONNECT_IVL, -1}, /* the supervisor's business */
    {ZMQ_SNDHWM, QUEUE_FRAMES},
    {ZMQ_RCVHWM, QUEUE_FRAMES},
    {ZMQ_MAXMSGSIZE, LIMIT_FRAME_BYTES + FRAME_SLACK_BYTES},
    {ZMQ_CONNECT_TIMEOUT, CONNECT_TIMEOUT_MS},
    {ZMQ_IPV6, 1},
    {ZMQ_TCP_KEEPALIVE, 1},
    {ZMQ_TCP_KEEPALIVE_IDLE, 30},
    {ZMQ_TCP_KEEPALIVE_INTVL, 10},
    {ZMQ_TCP_KEEPALIVE_CNT, 3},
    {ZMQ_TCP_MAXRT, TCP_SILENCE_MS},
    /* Never ZMQ_HEARTBEAT_*: it can abort the process when a queue is full. */
};

static bool
set_up(void *socket, const struct link_options *options)
{
    for (size_t i = 0; i < ARRAY_LEN(settings); i++) {
        if (!set_number(socket, settings[i].option, settings[i].value)) {
            return false;
        }
    }
    /* Longer than the supervisor's patience, so that an end by our own clock is never taken for
     * the other side hanging up. */
    if (!set_number(socket, ZMQ_HANDSHAKE_IVL, 2 * options->ready_within_ms)) {
        return false;
    }
    uint8_t routing_id[ROUTING_ID_BYTES];
    secret_random(routing_id, sizeof(routing_id));
    routing_id[0] |= 1; /* a leading zero byte belongs to ids that a ROUTER makes itself */
    return zmq_setsockopt(socket, ZMQ_ROUTING_ID, routing_id, sizeof(routing_id)) == 0 &&
           zmq_setsockopt(socket, ZMQ_CURVE_SERVERKEY, options->broker->bytes, CURVE_KEY_BYTES) ==
               0 &&
           zmq_setsockopt(socket, ZMQ_CURVE_PUBLICKEY, options->own_public->bytes,
                          CURVE_KEY_BYTES) == 0 &&
           zmq_setsockopt(socket, ZMQ_CURVE_SECRETKEY, options->own_secret->bytes,
                          CURVE_KEY_BYTES) == 0;
}

static bool
watch(struct link *link, void *socket)
{
    const int events = ZMQ_EVENT_CONNECTED | ZMQ_EVENT_CLOSED | ZMQ_EVENT_DISCONNECTED |
                       ZMQ_EVENT_CONNECT_RETRIED | ZMQ_EVENT_HANDSHAKE_SUCCEEDED |
                       ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL | ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL |
                       ZMQ_EVENT_HANDSHAKE_FAILED_AUTH;
    uint8_t place[ROUTING_ID_BYTES];
    char hex[2 * ROUTING_ID_BYTES + 1], name[64];
    /* Never a name again: the one of a socket just closed is taken until ZeroMQ gets round to it.
     */
    secret_random(place, sizeof(place));
    text_hex(bytes_of(place, sizeof(place)), hex);
    link->monitor = zsock_new(ZMQ_PAIR);
    return text_format(name, sizeof(name), "inproc://link-monitor-%s", hex) &&
           link->monitor != NULL && zmq_socket_monitor(socket, name, events) == 0 &&
           zmq_connect(zsock_resolve(link->monitor), name) == 0;
}

enum err
link_open(struct link *link, const struct link_options *options)
{
    link_close(link);
    link->dealer = zsock_new(ZMQ_DEALER);
    if (link->dealer == NULL) {
        return ERR_MEMORY;
    }
    void *socket = zsock_resolve(link->dealer);
    if (!set_up(socket, options) || !watch(link, socket)) {
        link_close(link);
        return ERR_MEMORY;
    }
    if (zmq_connect(socket, options->endpoint) != 0) {
        link_close(link);
        return ERR_CONFIG;
    }
    return ERR_OK;
}

/* --- frames ---------------------------------------------------------------------------------- */

enum err
link_send(struct link *link, struct bytes frame)
{
    if (link->dealer == NULL) {
        return ERR_UNREACHABLE;
    }
    int sent = -1;
    do {
        sent = zmq_send(zsock_resolve(link->dealer), frame.data, frame.len, ZMQ_DONTWAIT);
    } while (sent < 0 && errno == EINTR);
    return sent >= 0 ? ERR_OK : ERR_BUSY;
}

/* One part into `message`. False when there is none. */
static bool
take_part(zsock_t *socket, zmq_msg_t *message)
{
    int got = -1;
    do {
        got = zmq_msg_recv(message, zsock_resolve(socket), ZMQ_DONTWAIT);
    } while (got < 0 && errno == EINTR);
    return got >= 0;
}

static void
close_message(zmq_msg_t *message)
{
    (void)zmq_msg_close(message); /* fails only for one that was never opened */
}

/* The parts after the first of a message nobody should send. */
static unsigned
skip_parts(zsock_t *socket, bool more)
{
    unsigned skipped = 0;
    while (more) {
        CLEANUP(close_message) zmq_msg_t part;
        (void)zmq_msg_init(&part); /* cannot fail */
        more = take_part(socket, &part) && zmq_msg_more(&part) != 0;
        skipped++;
    }
    return skipped;
}

enum err
link_receive(struct link *link, struct buffer *frame, bool *none_out)
{
    while (link->dealer != NULL) {
        CLEANUP(close_message) zmq_msg_t message;
        (void)zmq_msg_init(&message); /* cannot fail */
        if (!take_part(link->dealer, &message)) {
            break;
        }
        size_t len = zmq_msg_size(&message);
        if (skip_parts(link->dealer, zmq_msg_more(&message) != 0) > 0 || len == 0 ||
            len > LIMIT_FRAME_BYTES) {
            link->dropped++;
            continue;
        }
        buffer_put(frame, zmq_msg_data(&message), len);
        *none_out = false;
        return buffer_err(frame);
    }
    *none_out = true;
    return ERR_OK;
}

/* --- events ---------------------------------------------------------------------------------- */

enum { AUTH_REFUSED = 400 };

static const struct {
    uint16_t zmq;
    enum link_event event;
} event_names[] = {
    {ZMQ_EVENT_CONNECTED, LINK_TCP_CONNECTED},
    {ZMQ_EVENT_CLOSED, LINK_TCP_FAILED},
    {ZMQ_EVENT_CONNECT_RETRIED, LINK_TCP_FAILED},
    {ZMQ_EVENT_DISCONNECTED, LINK_CLOSED},
    {ZMQ_EVENT_HANDSHAKE_SUCCEEDED, LINK_HANDSHAKE_DONE},
    {ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL, LINK_HANDSHAKE_FAILED},
    {ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL, LINK_HANDSHAKE_FAILED},
    {ZMQ_EVENT_HANDSHAKE_FAILED_AUTH, LINK_HANDSHAKE_FAILED},
};

/* The first frame of a monitor message: u16 event, u32 value, in the byte order of this machine. */
static bool
translate(zmq_msg_t *message, enum link_event *event_out)
{
    uint16_t number = 0;
    uint32_t value = 0;
    if (zmq_msg_size(message) != sizeof(number) + sizeof(value)) {
        return false;
    }
    const uint8_t *data = zmq_msg_data(message);
    memcpy(&number, data, sizeof(number));
    memcpy(&value, data + sizeof(number), sizeof(value));
    if (number == ZMQ_EVENT_HANDSHAKE_FAILED_AUTH && value == AUTH_REFUSED) {
        *event_out = LINK_HANDSHAKE_REFUSED;
        return true;
    }
    for (size_t i = 0; i < ARRAY_LEN(event_names); i++) {
        if (event_names[i].zmq == number) {
            *event_out = event_names[i].event;
            return true;
        }
    }
    return false;
}

bool
link_next_event(struct link *link, enum link_event *event_out)
{
    bool known = false;
    while (link->monitor != NULL && !known) {
        CLEANUP(close_message) zmq_msg_t message;
        (void)zmq_msg_init(&message); /* cannot fail */
        if (!take_part(link->monitor, &message)) {
            return false;
        }
        known = translate(&message, event_out);
        (void)skip_parts(link->monitor, zmq_msg_more(&message) != 0); /* the address */
    }
    return known;
}

/* --- waiting --------------------------------------------------------------------------------- */

/* ZeroMQ's own descriptor is edge triggered and easy to miss: zmq_poll knows how to use it. */
enum err
link_wait(struct link *link, bool want_room, struct pollfd *fds, size_t n, int timeout_ms)
{
    zmq_pollitem_t items[POLL_FDS_MAX + 2] = {0};
    size_t n_fds = n < POLL_FDS_MAX ? n : POLL_FDS_MAX;
    for (size_t i = 0; i < n_fds; i++) {
        items[i].fd = fds[i].fd;
        items[i].events = (short)((fds[i].events & POLLIN ? ZMQ_POLLIN : 0) |
                                  (fds[i].events & POLLOUT ? ZMQ_POLLOUT : 0));
        fds[i].revents = 0;
    }
    size_t n_items = n_fds;
    if (link->dealer != NULL) {
        items[n_items].socket = zsock_resolve(link->dealer);
        items[n_items++].events = (short)(ZMQ_POLLIN | (want_room ? ZMQ_POLLOUT : 0));
        items[n_items].socket = zsock_resolve(link->monitor);
        items[n_items++].events = ZMQ_POLLIN;
    }
    if (zmq_poll(items, (int)n_items, timeout_ms) < 0) {
        return errno == EINTR ? ERR_OK : ERR_IO;
    }
    for (size_t i = 0; i < n_fds; i++) {
        short seen = items[i].revents;
        fds[i].revents =
            (short)((seen & ZMQ_POLLIN ? POLLIN : 0) | (seen & ZMQ_POLLOUT ? POLLOUT : 0) |
                    (seen & ZMQ_POLLERR ? POLLERR : 0));
    }
    return ERR_OK;
}
