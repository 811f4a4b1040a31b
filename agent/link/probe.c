/* What answers at the broker's address? ZeroMQ itself does not tell a portal's web page from a
 * broker with another key: both end as a closed connection. So we connect once by hand, greet as
 * ZMTP 3 does and look at the first bytes. Never more than a guess for people; nothing is
 * authenticated here, nothing of ours is sent. */
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/link/link.h"
#include "lib/base/clock.h"

enum {
    PROBE_MS = 2000,
    RESOLVE_MS = 500,
    SILENT_MS = 1000, /* a broker would have spoken by now */
    GREETING_BYTES = 64,
    SIGNATURE_BYTES = 10,
    MECHANISM_AT = 12,
    MECHANISM_BYTES = 20,
    HOST_MAX = 256,
};

static const char scheme[] = "tcp://";

static void
close_fd(const int *fd)
{
    if (*fd >= 0) {
        (void)close(*fd); /* a socket: nothing is lost */
    }
}

static void
free_addresses(struct addrinfo **addresses)
{
    if (*addresses != NULL) {
        freeaddrinfo(*addresses);
    }
}

/* A name server that does not answer must not hold up the daemon: the look-up may outlive us, so
 * what it writes to lives in the heap and is given up for lost then. */
struct lookup {
    char host[HOST_MAX];
    char port[8];
    struct addrinfo hints;
    struct gaicb request;
};

static bool
split_endpoint(const char *endpoint, struct lookup *lookup)
{
    if (strncmp(endpoint, scheme, sizeof(scheme) - 1) != 0) {
        return false;
    }
    const char *host = endpoint + sizeof(scheme) - 1;
    const char *colon = strrchr(host, ':');
    size_t len = colon != NULL ? (size_t)(colon - host) : 0;
    if (len >= 2 && host[0] == '[' && host[len - 1] == ']') {
        host++;
        len -= 2;
    }
    if (len == 0 || len >= sizeof(lookup->host) || strlen(colon + 1) >= sizeof(lookup->port)) {
        return false;
    }
    memcpy(lookup->host, host, len);
    lookup->host[len] = '\0';
    memcpy(lookup->port, colon + 1, strlen(colon + 1) + 1);
    return true;
}

static struct addrinfo *
resolve(const char *endpoint)
{
    struct lookup *lookup = calloc(1, sizeof(*lookup));
    if (lookup == NULL || !split_endpoint(endpoint, lookup)) {
        free(lookup);
        return NULL;
    }
    lookup->hints = (struct addrinfo){.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    lookup->request = (struct gaicb){
        .ar_name = lookup->host, .ar_service = lookup->port, .ar_request = &lookup->hints};
    struct gaicb *list[] = {&lookup->request};
    struct timespec limit = {.tv_nsec = RESOLVE_MS * 1000000L};
    if (getaddrinfo_a(GAI_NOWAIT, list, 1, NULL) != 0) {
        free(lookup);
        return NULL;
    }
    (void)gai_suspend((const struct gaicb *const *)list, 1, &limit); /* asked again below */
    int state = gai_error(&lookup->request);
    if (state == EAI_INPROGRESS && gai_cancel(&lookup->request) != EAI_CANCELED) {
        state = gai_error(&lookup->request);
        if (state == EAI_INPROGRESS) {
            return NULL; /* still being written to: left behind */
        }
    }
    struct addrinfo *found = state == 0 ? lookup->request.ar_result : NULL;
    free(lookup);
    return found;
}

/* Waits for events until the deadline. */
static bool
wait_for(int fd, short events, int64_t deadline_ms)
{
    struct pollfd entry = {.fd = fd, .events = events};
    int n = -1;
    do {
        int64_t left = deadline_ms - clock_now().boot_ms;
        n = left > 0 ? poll(&entry, 1, (int)left) : 0;
    } while (n < 0 && errno == EINTR);
    return n > 0;
}

static int
dial(const struct addrinfo *addresses, int64_t deadline_ms)
{
    for (const struct addrinfo *to = addresses; to != NULL; to = to->ai_next) {
        CLEANUP(close_fd)
        int fd = socket(to->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (fd < 0 || (connect(fd, to->ai_addr, to->ai_addrlen) != 0 && errno != EINPROGRESS) ||
            !wait_for(fd, POLLOUT, deadline_ms)) {
            continue;
        }
        int failure = 0;
        socklen_t len = sizeof(failure);
        if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &failure, &len) == 0 && failure == 0) {
            int connected = fd;
            fd = -1;
            return connected;
        }
    }
    return -1;
}

static size_t
listen_for(int fd, uint8_t *greeting, size_t have, int64_t deadline_ms)
{
    while (have < GREETING_BYTES && wait_for(fd, POLLIN, deadline_ms)) {
        ssize_t got = recv(fd, greeting + have, GREETING_BYTES - have, MSG_DONTWAIT);
        if (got == 0 || (got < 0 && errno != EINTR && errno != EAGAIN)) {
            break;
        }
        have += got > 0 ? (size_t)got : 0;
    }
    return have;
}

/* The signature and version of ZMTP 3.0, and not the rest: a peer answers the version with its
 * whole greeting, but hangs up on a mechanism that is not its own. */
static void
send_greeting(int fd)
{
    static const uint8_t greeting[] = {0xff, 0, 0, 0, 0, 0, 0, 0, 1, 0x7f, 3, 0};
    (void)!send(fd, greeting, sizeof(greeting), MSG_NOSIGNAL | MSG_DONTWAIT); /* a guess anyway */
}

/* False when too little came to tell. */
static bool
judge(const uint8_t *greeting, size_t len, enum link_event *event_out)
{
    if (len == 0) {
        return false;
    }
    static const char mechanism[MECHANISM_BYTES] = "CURVE";
    bool signature = greeting[0] == 0xff && (len < SIGNATURE_BYTES || greeting[9] == 0x7f);
    if (signature && len < GREETING_BYTES) {
        return false;
    }
    bool broker = signature && memcmp(greeting + MECHANISM_AT, mechanism, MECHANISM_BYTES) == 0;
    *event_out = broker ? LINK_PROBED_BROKER : LINK_PROBED_NOT_BROKER;
    return true;
}

bool
link_probe(const char *endpoint, enum link_event *event_out)
{
    CLEANUP(free_addresses) struct addrinfo *addresses = resolve(endpoint);
    int64_t start_ms = clock_now().boot_ms;
    CLEANUP(close_fd) int fd = dial(addresses, start_ms + PROBE_MS);
    if (fd < 0) {
        return false;
    }
    send_greeting(fd);
    uint8_t greeting[GREETING_BYTES];
    size_t len = listen_for(fd, greeting, 0, start_ms + SILENT_MS);
    if (len == 0) {
        /* A web server may be waiting for the end of what it takes for a request. */
        static const char request[] = "\r\n\r\nGET / HTTP/1.0\r\n\r\n";
        (void)!send(fd, request, sizeof(request) - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
    }
    len = listen_for(fd, greeting, len, start_ms + PROBE_MS);
    return judge(greeting, len, event_out);
}
