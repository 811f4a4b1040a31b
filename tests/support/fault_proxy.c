/* A TCP relay that breaks on command: the weather between agents and their broker. Each lane is a
 * port of its own that leads to the one broker, so that every agent can have its own weather.
 *
 * It decides when bytes pass, and knows nothing of what they mean. It never changes one, but for
 * `swallow`, which is there so that the tests can see themselves notice it. What it has done is
 * counted where it was done, not where it was ordered.
 *
 * usage: fault-proxy TO_PORT PORT... ; then lines on standard input, each answered with one line:
 *   LANE FAULT [up|down|both] [N]     LANE counts from 0, or is `all`; up leads to the broker */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "lib/base/bytes.h"
#include "lib/base/clock.h"

enum {
    LANES_MAX = 64,
    CONNECTIONS_MAX = 512,
    CHUNK_BYTES = 32768,
    DRIPS_PER_S = 20,
    LINE_BYTES = 256,
    EVENTS_MAX = 64,
};

enum way { UP, DOWN, WAYS }; /* of bytes; also the side they come from: agent, broker */
enum end { END_NONE, END_CUT, END_RESET, END_SWALLOW };

/* The names are those of the counters; some are also orders (see orders[]). */
enum count {
    COUNT_CONNECTIONS,
    COUNT_BYTES,
    COUNT_DELAY,
    COUNT_DRIP,
    COUNT_STALL,
    COUNT_BLACKHOLE,
    COUNT_CUT,
    COUNT_RESET,
    COUNT_SWALLOW,
    COUNT_HALF_OPEN,
    COUNT_REFUSE,
    COUNT_COUNT,
};

static const char *const count_names[COUNT_COUNT] = {
    "connections", "bytes", "delay",   "drip",      "stall",  "blackhole",
    "cut",         "reset", "swallow", "half-open", "refuse",
};

struct rule {
    int64_t delay_ms, drip_per_s;
    bool stalled, blackhole;
    enum end end; /* after so many more bytes of one connection */
    int64_t end_after;
};

struct lane {
    int listener; /* -1: refusing */
    uint16_t port;
    struct rule rules[WAYS];
    uint64_t counts[COUNT_COUNT];
};

struct flow {
    uint8_t bytes[CHUNK_BYTES];
    size_t start, len;
    int64_t pass_ms, read_ms; /* not before */
    int64_t passed;           /* bytes since the rule began to count */
    bool lost;                /* what comes is thrown away until the connection is gone */
    bool ended;
    enum end end; /* once what is held has gone out */
};

struct connection {
    struct lane *lane;
    int fds[WAYS];
    bool silent[WAYS]; /* hung up while nobody listened: not watched any more */
    struct flow flows[WAYS];
};

struct proxy {
    int epoll;
    uint16_t to_port;
    struct lane lanes[LANES_MAX];
    size_t n_lanes;
    struct connection *connections[CONNECTIONS_MAX];
    size_t n_connections;
    int64_t now_ms;
};

/* --- sockets --------------------------------------------------------------------------------- */

static struct sockaddr_in
local_address(uint16_t port)
{
    return (struct sockaddr_in){
        .sin_family = AF_INET,
        .sin_port = htons(port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
}

static void
watch(struct proxy *proxy, int fd, void *what)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = what};
    (void)epoll_ctl(proxy->epoll, EPOLL_CTL_ADD, fd, &event); /* unwatched it would only stand */
}

static void
open_lane(struct proxy *proxy, struct lane *lane)
{
    struct sockaddr_in address = local_address(lane->port);
    int one = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) != 0 ||
        bind(fd, (struct sockaddr *)&address, sizeof(address)) != 0 || listen(fd, 64) != 0) {
        perror("fault-proxy: listen");
        exit(1);
    }
    lane->listener = fd;
    watch(proxy, fd, lane);
}

static void
close_end(int *fd, bool by_reset)
{
    const struct linger at_once = {.l_onoff = 1, .l_linger = 0};
    if (*fd >= 0 && by_reset) {
        (void)setsockopt(*fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
    }
    if (*fd >= 0) {
        (void)close(*fd);
    }
    *fd = -1;
}

static void
drop(struct connection *connection, bool by_reset)
{
    close_end(&connection->fds[UP], by_reset);
    close_end(&connection->fds[DOWN], by_reset);
}

static void
take_guest(struct proxy *proxy, struct lane *lane)
{
    struct sockaddr_in address = local_address(proxy->to_port);
    int one = 1;
    int near = accept4(lane->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (near < 0) {
        return;
    }
    int far = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct connection *connection = calloc(1, sizeof(*connection));
    if (connection == NULL || far < 0 || proxy->n_connections == CONNECTIONS_MAX ||
        connect(far, (struct sockaddr *)&address, sizeof(address)) != 0 ||
        fcntl(far, F_SETFL, O_NONBLOCK) != 0) {
        close_end(&near, true);
        close_end(&far, true);
        free(connection);
        return;
    }
    (void)setsockopt(near, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)); /* only a matter of time */
    (void)setsockopt(far, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    *connection = (struct connection){.lane = lane, .fds = {[UP] = near, [DOWN] = far}};
    proxy->connections[proxy->n_connections++] = connection;
    lane->counts[COUNT_CONNECTIONS]++;
    watch(proxy, near, connection);
    watch(proxy, far, connection);
}

/* --- bytes ----------------------------------------------------------------------------------- */

/* Where the rule says that this connection ends (or loses a byte) within what was just read. */
static void
meet_end(struct lane *lane, struct rule *rule, struct flow *flow)
{
    int64_t left = rule->end_after - flow->passed;
    flow->passed += (int64_t)flow->len;
    if (rule->end == END_NONE || left >= (int64_t)flow->len) {
        return;
    }
    size_t at = left < 0 ? 0 : (size_t)left;
    if (rule->end == END_SWALLOW) {
        memmove(flow->bytes + at, flow->bytes + at + 1, flow->len - at - 1);
        flow->len--;
        lane->counts[COUNT_SWALLOW]++;
    } else {
        flow->end = rule->end;
        flow->len = at;
    }
    rule->end = END_NONE;
}

static void
fill(struct proxy *proxy, struct connection *connection, enum way way)
{
    struct lane *lane = connection->lane;
    struct rule *rule = &lane->rules[way];
    struct flow *flow = &connection->flows[way];
    int64_t drip = rule->drip_per_s > 0 ? rule->drip_per_s / DRIPS_PER_S + 1 : CHUNK_BYTES;
    size_t most = drip < CHUNK_BYTES ? (size_t)drip : CHUNK_BYTES;
    ssize_t got = recv(connection->fds[way], flow->bytes, most, 0);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    if (got <= 0) {
        flow->ended = true;
        flow->end = flow->lost ? END_RESET : got < 0 ? END_RESET : END_CUT;
        return;
    }
    lane->counts[COUNT_BYTES] += (uint64_t)got;
    flow->lost = flow->lost || rule->blackhole;
    if (flow->lost) {
        lane->counts[COUNT_BLACKHOLE]++;
        return;
    }
    lane->counts[COUNT_DELAY] += rule->delay_ms > 0 ? 1 : 0;
    lane->counts[COUNT_DRIP] += rule->drip_per_s > 0 ? 1 : 0;
    flow->start = 0;
    flow->len = (size_t)got;
    flow->pass_ms = proxy->now_ms + rule->delay_ms;
    flow->read_ms = rule->drip_per_s > 0 ? proxy->now_ms + 1000 / DRIPS_PER_S : 0;
    meet_end(lane, rule, flow);
}

static void
pour(struct connection *connection, enum way way)
{
    struct flow *flow = &connection->flows[way];
    int to = connection->fds[way == UP ? DOWN : UP];
    ssize_t sent = send(to, flow->bytes + flow->start, flow->len, MSG_NOSIGNAL);
    if (sent < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    if (sent < 0) {
        flow->len = 0;
        flow->end = END_RESET;
        return;
    }
    flow->start += (size_t)sent;
    flow->len -= (size_t)sent;
}

static bool
wants_bytes(const struct proxy *proxy, const struct connection *connection, enum way way)
{
    const struct flow *flow = &connection->flows[way];
    return connection->fds[way] >= 0 && !flow->ended && flow->len == 0 && flow->end == END_NONE &&
           !connection->lane->rules[way].stalled && proxy->now_ms >= flow->read_ms;
}

/* False when the connection is over. */
static bool
move(struct proxy *proxy, struct connection *connection)
{
    struct lane *lane = connection->lane;
    for (enum way way = UP; way < WAYS; way++) {
        struct flow *flow = &connection->flows[way];
        if (wants_bytes(proxy, connection, way)) {
            fill(proxy, connection, way);
        }
        if (flow->len > 0 && proxy->now_ms >= flow->pass_ms) {
            pour(connection, way);
        }
        if (flow->len == 0 && flow->end != END_NONE) {
            lane->counts[COUNT_CUT] += !flow->ended && flow->end == END_CUT ? 1 : 0;
            lane->counts[COUNT_RESET] += !flow->ended && flow->end == END_RESET ? 1 : 0;
            drop(connection, flow->end == END_RESET);
            return false;
        }
    }
    return true;
}

/* What to be woken for, and when at the latest. */
static void
rearm(struct proxy *proxy, struct connection *connection, int64_t *due_ms)
{
    for (enum way way = UP; way < WAYS; way++) {
        const struct flow *out = &connection->flows[way == UP ? DOWN : UP];
        const struct flow *in = &connection->flows[way];
        bool holds = out->len > 0;
        bool full = holds && proxy->now_ms >= out->pass_ms;
        bool reads = wants_bytes(proxy, connection, way);
        struct epoll_event event = {.events = (reads ? (uint32_t)EPOLLIN : 0) |
                                              (full ? (uint32_t)EPOLLOUT : 0),
                                    .data.ptr = connection};
        if (connection->fds[way] >= 0 && !connection->silent[way]) {
            (void)epoll_ctl(proxy->epoll, EPOLL_CTL_MOD, connection->fds[way], &event);
        }
        if (reads && connection->silent[way]) {
            *due_ms = proxy->now_ms;
        }
        if (holds && !full && out->pass_ms < *due_ms) {
            *due_ms = out->pass_ms;
        }
        if (in->read_ms > proxy->now_ms && in->read_ms < *due_ms) {
            *due_ms = in->read_ms;
        }
    }
}

/* A hung-up socket would wake us without end while nothing is read from it; and whoever holds back
 * bytes holds back their end too. */
static void
hush(struct proxy *proxy, struct connection *connection)
{
    for (enum way way = UP; way < WAYS; way++) {
        if (connection->fds[way] >= 0 && !wants_bytes(proxy, connection, way)) {
            (void)epoll_ctl(proxy->epoll, EPOLL_CTL_DEL, connection->fds[way], NULL);
            connection->silent[way] = true;
        }
    }
}

/* --- orders ---------------------------------------------------------------------------------- */

struct order {
    const char *name;
    void (*obey)(struct proxy *proxy, struct lane *lane, enum way way, int64_t number);
};

static void
order_pass(struct proxy *proxy, struct lane *lane, enum way way, int64_t number)
{
    (void)number;
    lane->rules[way] = (struct rule){.end = END_NONE};
    if (lane->listener < 0) {
        open_lane(proxy, lane);
    }
}

static void
order_delay(struct proxy *proxy, struct lane *lane, enum way way, int64_t number)
{
    (void)proxy;
    lane->rules[way].delay_ms = number;
}

static void
order_drip(struct proxy *proxy, struct lane *lane, enum way way, int64_t number)
{
    (void)proxy;
    lane->rules[way].drip_per_s = number;
}

static void
order_stall(struct proxy *proxy, struct lane *lane, enum way way, int64_t number)
{
    (void)proxy;
    (void)number;
    lane->rules[way].stalled = true;
    lane->counts[COUNT_STALL]++;
}

static void
order_blackhole(struct proxy *proxy, struct lane *lane, enum way way, int64_t number)
{
    (void)proxy;
    (void)number;
    lane->rules[way].blackhole = true;
}

static void
count_anew(struct proxy *proxy, struct lane *lane, enum way way, enum end end, int64_t number)
{
    lane->rules[way].end = end;
    lane->rules[way].end_after = number;
    for (size_t i = 0; i < proxy->n_connections; i++) {
        if (proxy->connections[i]->lane == lane) {
            proxy->connections[i]->flows[way].passed = 0;
        }
    }
}

static void
order_cut(struct proxy *proxy, struct lane *lane, enum way way, int64_t number)
{
    count_anew(proxy, lane, way, END_CUT, number);
}

static void
order_reset(struct proxy *proxy, struct lane *lane, enum way way, int64_t number)
{
    count_anew(proxy, lane, way, END_RESET, number);
}

static void
order_swallow(struct proxy *proxy, struct lane *lane, enum way way, int64_t number)
{
    count_anew(proxy, lane, way, END_SWALLOW, number);
}

/* `up`: the broker's end is closed and the agent not told; `down`: the other way round. */
static void
order_half_open(struct proxy *proxy, struct lane *lane, enum way way, int64_t number)
{
    enum way closed = way == UP ? DOWN : UP;
    (void)number;
    for (size_t i = 0; i < proxy->n_connections; i++) {
        struct connection *connection = proxy->connections[i];
        if (connection->lane == lane && connection->fds[UP] >= 0 && connection->fds[DOWN] >= 0) {
            close_end(&connection->fds[closed], false);
            connection->flows[way].lost = true;
            connection->flows[UP].len = connection->flows[DOWN].len = 0;
            lane->counts[COUNT_HALF_OPEN]++;
        }
    }
}

static void
order_refuse(struct proxy *proxy, struct lane *lane, enum way way, int64_t number)
{
    (void)proxy;
    (void)way;
    (void)number;
    lane->counts[COUNT_REFUSE] += lane->listener >= 0 ? 1 : 0;
    close_end(&lane->listener, false);
}

static const struct order orders[] = {
    {"pass", order_pass},     {"delay", order_delay},         {"drip", order_drip},
    {"stall", order_stall},   {"blackhole", order_blackhole}, {"cut", order_cut},
    {"reset", order_reset},   {"swallow", order_swallow},     {"half-open", order_half_open},
    {"refuse", order_refuse},
};

static void
tell_counts(const struct proxy *proxy, size_t first, size_t last)
{
    for (size_t i = 0; i < COUNT_COUNT; i++) {
        uint64_t sum = 0;
        for (size_t lane = first; lane < last; lane++) {
            sum += proxy->lanes[lane].counts[i];
        }
        (void)printf("%s%s=%llu", i > 0 ? " " : "", count_names[i], (unsigned long long)sum);
    }
    (void)printf("\n");
}

static void
obey(struct proxy *proxy, const char *line)
{
    char which[16] = "", name[16] = "", word[16] = "both";
    long long number = 0;
    int n = sscanf(line, "%15s %15s %15s %lld", which, name, word, &number);
    bool all = strcmp(which, "all") == 0;
    size_t first = all ? 0 : (size_t)strtoul(which, NULL, 10);
    size_t last = all ? proxy->n_lanes : first + 1;
    bool done = false;
    if (n >= 2 && last <= proxy->n_lanes && strcmp(name, "count") == 0) {
        tell_counts(proxy, first, last);
        return;
    }
    for (size_t i = 0; n >= 2 && last <= proxy->n_lanes && i < ARRAY_LEN(orders); i++) {
        if (strcmp(name, orders[i].name) != 0) {
            continue;
        }
        for (size_t lane = first; lane < last; lane++) {
            for (enum way way = UP; way < WAYS; way++) {
                if (strcmp(word, "both") == 0 || strcmp(word, way == UP ? "up" : "down") == 0) {
                    orders[i].obey(proxy, &proxy->lanes[lane], way, number);
                    done = true;
                }
            }
        }
    }
    (void)printf("%s\n", done ? "ok" : "not understood");
}

/* --- turning --------------------------------------------------------------------------------- */

/* Whole lines only. False at the end of the input: whoever gave the orders is gone. */
static bool
take_orders(struct proxy *proxy)
{
    static char held[LINE_BYTES];
    static size_t len;
    ssize_t got = read(STDIN_FILENO, held + len, sizeof(held) - 1 - len);
    if (got <= 0) {
        return false;
    }
    len += (size_t)got;
    held[len] = '\0';
    char *end;
    while ((end = strchr(held, '\n')) != NULL) {
        *end = '\0';
        obey(proxy, held);
        len -= (size_t)(end + 1 - held);
        memmove(held, end + 1, len + 1);
    }
    return len < sizeof(held) - 1;
}

/* All of them each time: there are few, and what an order changes then needs no telling. */
static int64_t
move_all(struct proxy *proxy)
{
    int64_t due_ms = INT64_MAX;
    size_t kept = 0;
    for (size_t i = 0; i < proxy->n_connections; i++) {
        struct connection *connection = proxy->connections[i];
        if (!move(proxy, connection)) {
            free(connection);
            continue;
        }
        rearm(proxy, connection, &due_ms);
        proxy->connections[kept++] = connection;
    }
    proxy->n_connections = kept;
    return due_ms;
}

static const struct lane *
as_lane(const struct proxy *proxy, const void *what)
{
    for (size_t i = 0; i < proxy->n_lanes; i++) {
        if (what == &proxy->lanes[i]) {
            return &proxy->lanes[i];
        }
    }
    return NULL;
}

static bool
turn(struct proxy *proxy, int64_t due_ms)
{
    struct epoll_event events[EVENTS_MAX];
    int64_t wait_ms = due_ms - proxy->now_ms;
    int timeout = due_ms == INT64_MAX ? -1 : wait_ms < 0 ? 0 : (int)wait_ms + 1;
    int n = epoll_wait(proxy->epoll, events, EVENTS_MAX, timeout);
    bool on = true;
    proxy->now_ms = clock_now().boot_ms;
    for (int i = 0; i < n; i++) {
        void *what = events[i].data.ptr;
        if (what == NULL) {
            on = take_orders(proxy);
        } else if (as_lane(proxy, what) != NULL) {
            take_guest(proxy, what);
        } else if ((events[i].events & (EPOLLHUP | EPOLLERR)) != 0) {
            hush(proxy, what);
        }
    }
    return on;
}

int
main(int argc, char **argv)
{
    static struct proxy proxy;
    if (argc < 3 || argc - 2 > LANES_MAX) {
        (void)fprintf(stderr, "usage: fault-proxy TO_PORT PORT...\n");
        return 2;
    }
    (void)setvbuf(stdout, NULL, _IOLBF, 0);
    proxy.epoll = epoll_create1(EPOLL_CLOEXEC);
    proxy.to_port = (uint16_t)strtoul(argv[1], NULL, 10);
    proxy.n_lanes = (size_t)argc - 2;
    proxy.now_ms = clock_now().boot_ms;
    watch(&proxy, STDIN_FILENO, NULL);
    for (size_t i = 0; i < proxy.n_lanes; i++) {
        proxy.lanes[i].port = (uint16_t)strtoul(argv[i + 2], NULL, 10);
        open_lane(&proxy, &proxy.lanes[i]);
    }
    (void)printf("ready\n");
    int64_t due_ms = INT64_MAX;
    while (turn(&proxy, due_ms)) {
        due_ms = move_all(&proxy);
    }
    for (size_t i = 0; i < proxy.n_connections; i++) {
        drop(proxy.connections[i], true);
        free(proxy.connections[i]);
    }
    return 0;
}
