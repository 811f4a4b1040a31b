/* The other ends of the link's tests. */
#include "hosts.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>
#include <zmq.h>

#include "lib/wire/limits.h"

enum { GUESTS_MAX = 64 };

/* --- TCP ------------------------------------------------------------------------------------- */

static const char page[] = "HTTP/1.1 302 Found\r\nLocation: http://portal.example.net/login\r\n"
                           "Content-Length: 0\r\n\r\n";

/* True when the guest is done with. */
static bool
serve_guest(enum host_kind kind, int guest)
{
    char got[256];
    ssize_t len = recv(guest, got, sizeof(got), MSG_DONTWAIT);
    bool asked =
        len > 0 && (kind == HOST_PORTAL || memmem(got, (size_t)len, "\r\n\r\n", 4) != NULL);
    if (asked && kind != HOST_SILENT) {
        (void)!send(guest, page, sizeof(page) - 1, MSG_NOSIGNAL);
        return true;
    }
    return len == 0;
}

static void *
run_tcp(void *argument)
{
    struct host *host = argument;
    struct pollfd fds[GUESTS_MAX + 2] = {{.fd = host->stop[0], .events = POLLIN},
                                         {.fd = host->listener, .events = POLLIN}};
    nfds_t n = 2;
    for (;;) {
        (void)poll(fds, n, -1);
        if (fds[0].revents != 0) {
            break;
        }
        for (nfds_t i = n; i-- > 2;) {
            if (fds[i].revents != 0 && serve_guest(host->kind, fds[i].fd)) {
                close(fds[i].fd);
                fds[i] = fds[--n];
            }
        }
        if (fds[1].revents != 0) {
            int guest = accept(host->listener, NULL, NULL);
            atomic_fetch_add(&host->met, 1);
            if (host->kind == HOST_CLOSING || n == GUESTS_MAX + 2) {
                close(guest);
            } else {
                fds[n++] = (struct pollfd){.fd = guest, .events = POLLIN};
            }
        }
    }
    while (n > 2) {
        close(fds[--n].fd);
    }
    return NULL;
}

static void
start_tcp(struct host *host)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)host->port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int yes = 1;
    socklen_t len = sizeof(address);
    host->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(host->listener >= 0);
    assert_int_equal(setsockopt(host->listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)), 0);
    assert_int_equal(bind(host->listener, (const struct sockaddr *)&address, len), 0);
    assert_int_equal(listen(host->listener, 16), 0);
    assert_int_equal(getsockname(host->listener, (struct sockaddr *)&address, &len), 0);
    host->port = ntohs(address.sin_port);
    assert_int_equal(pthread_create(&host->thread, NULL, run_tcp, host), 0);
}

/* --- ZeroMQ ---------------------------------------------------------------------------------- */

static void
reply(void *socket, const void *route, size_t route_len, const void *body, size_t len, bool more)
{
    (void)!zmq_send(socket, route, route_len, ZMQ_SNDMORE);
    (void)!zmq_send(socket, body, len, more ? ZMQ_SNDMORE : 0);
    if (more) {
        (void)!zmq_send(socket, "second", 6, 0);
    }
}

static void
serve_message(struct host *host)
{
    static uint8_t body[LIMIT_FRAME_BYTES + 4096];
    uint8_t route[256];
    int route_len = zmq_recv(host->socket, route, sizeof(route), ZMQ_DONTWAIT);
    int len = zmq_recv(host->socket, body, sizeof(body), 0);
    if (route_len <= 0 || len < 0) {
        return;
    }
    bool hello = len == 5 && memcmp(body, "hello", 5) == 0;
    if (hello && host->kind == HOST_MANY_FRAMES) {
        reply(host->socket, route, (size_t)route_len, "first", 5, true);
        memset(body, 'x', sizeof(body));
        reply(host->socket, route, (size_t)route_len, body, LIMIT_FRAME_BYTES + 1, false);
        reply(host->socket, route, (size_t)route_len, "", 0, false);
    }
    if (len == 4 && memcmp(body, "huge", 4) == 0) {
        reply(host->socket, route, (size_t)route_len, body, sizeof(body), false);
    } else if (hello) {
        reply(host->socket, route, (size_t)route_len, "welcome", 7, false);
    } else {
        reply(host->socket, route, (size_t)route_len, body, (size_t)len, false);
    }
}

/* RFC 27: version, request id, domain, address, routing id, mechanism, credentials. */
static void
answer_zap(void *zap)
{
    char version[16] = "1.0";
    char id[16];
    int id_len = 0;
    char skipped[256];
    int more = 1;
    size_t size = sizeof(more);
    for (unsigned part = 0; more != 0; part++) {
        int len =
            zmq_recv(zap, part == 1 ? id : skipped, part == 1 ? sizeof(id) : sizeof(skipped), 0);
        id_len = part == 1 ? len : id_len;
        (void)zmq_getsockopt(zap, ZMQ_RCVMORE, &more, &size);
    }
    (void)!zmq_send(zap, version, 3, ZMQ_SNDMORE);
    (void)!zmq_send(zap, id, (size_t)id_len, ZMQ_SNDMORE);
    (void)!zmq_send(zap, "400", 3, ZMQ_SNDMORE);
    (void)!zmq_send(zap, "no", 2, ZMQ_SNDMORE);
    (void)!zmq_send(zap, "", 0, ZMQ_SNDMORE);
    (void)!zmq_send(zap, "", 0, 0);
}

static void *
run_zmq(void *argument)
{
    struct host *host = argument;
    void *zap = NULL;
    if (host->kind == HOST_REFUSING) {
        zap = zmq_socket(host->context, ZMQ_REP);
        (void)zmq_bind(zap, "inproc://zeromq.zap.01");
    }
    for (;;) {
        zmq_pollitem_t items[] = {{.fd = host->stop[0], .events = ZMQ_POLLIN},
                                  {.socket = host->socket, .events = ZMQ_POLLIN},
                                  {.socket = zap, .events = ZMQ_POLLIN}};
        (void)zmq_poll(items, zap != NULL ? 3 : 2, -1);
        if (items[0].revents != 0) {
            break;
        }
        if (items[1].revents != 0) {
            serve_message(host);
        }
        if (zap != NULL && items[2].revents != 0) {
            answer_zap(zap);
        }
    }
    if (zap != NULL) {
        (void)zmq_close(zap);
    }
    (void)zmq_close(host->socket);
    return NULL;
}

static void
start_zmq(struct host *host)
{
    int yes = 1;
    int no_linger = 0;
    char endpoint[64];
    char bound[64];
    size_t len = sizeof(bound);
    host->context = zmq_ctx_new();
    host->socket = zmq_socket(host->context, ZMQ_ROUTER);
    assert_non_null(host->socket);
    (void)zmq_setsockopt(host->socket, ZMQ_LINGER, &no_linger, sizeof(no_linger));
    if (host->kind != HOST_PLAIN) {
        (void)zmq_setsockopt(host->socket, ZMQ_CURVE_SERVER, &yes, sizeof(yes));
        (void)zmq_setsockopt(host->socket, ZMQ_CURVE_SECRETKEY, host->secret.bytes,
                             CURVE_KEY_BYTES);
        (void)zmq_setsockopt(host->socket, ZMQ_ZAP_DOMAIN, "refloop", 7);
    }
    if (host->port == 0) {
        (void)snprintf(endpoint, sizeof(endpoint), "tcp://127.0.0.1:*");
    } else {
        (void)snprintf(endpoint, sizeof(endpoint), "tcp://127.0.0.1:%d", host->port);
    }
    assert_int_equal(zmq_bind(host->socket, endpoint), 0);
    assert_int_equal(zmq_getsockopt(host->socket, ZMQ_LAST_ENDPOINT, bound, &len), 0);
    host->port = atoi(strrchr(bound, ':') + 1);
    assert_int_equal(pthread_create(&host->thread, NULL, run_zmq, host), 0);
}

void
host_start(struct host *host, enum host_kind kind, int port, const struct curve_secret *key)
{
    *host = (struct host){.kind = kind, .port = port, .listener = -1};
    if (key != NULL) {
        host->secret = *key;
        curve_public_of(key, &host->key);
    } else {
        curve_new_pair(&host->key, &host->secret);
    }
    assert_int_equal(pipe2(host->stop, O_CLOEXEC), 0);
    if (kind >= HOST_PORTAL) {
        start_tcp(host);
    } else {
        start_zmq(host);
    }
}

void
host_stop(struct host *host)
{
    close(host->stop[1]);
    assert_int_equal(pthread_join(host->thread, NULL), 0);
    close(host->stop[0]);
    if (host->listener >= 0) {
        close(host->listener);
    }
    if (host->context != NULL) {
        assert_int_equal(zmq_ctx_term(host->context), 0);
    }
}
