/* Decides which connections are too many, and closes them. A member's key may be used by a few
 * connections at a time, the newest; one that never says a word goes after a while, and soon when
 * room is needed; one that sends and sends and finishes no message goes before it fills the memory.
 * Connections belong to ZeroMQ: we look at its descriptors from outside, and end one as its peer
 * would, by shutting it down. It refuses to know messages and members.
 *
 * ZeroMQ closes descriptors in another thread, and the kernel gives their numbers away again. So a
 * number alone is nothing: who is at the other end is compared first, on a copy of the descriptor,
 * which cannot change its meaning meanwhile. */
#include "broker/server/connections.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/logging.h"

enum { ROWS_MAX = 1024 * 1024, LINES = 8, LINES_WINDOW_MS = 60 * 1000, PAUSE_MAX_MS = 1000 };

/* Both families; the rest is zero. */
struct peer {
    struct sockaddr_in6 address;
};

struct row {
    bool present, heard;
    bool ended; /* by us; ZeroMQ has not closed it yet */
    struct peer peer;
    struct curve_public key;     /* when heard */
    int64_t since_ms;            /* by `age_ms` */
    uint64_t order;              /* of the first message: who came when */
    uint64_t messages, finished; /* so far, and at the last look */
    uint64_t bytes;              /* received when the last message had come, as far as known */
};

/* Rows are found by the number of the descriptor. */
struct connections {
    in_port_t port;
    struct row *rows;
    size_t n_rows, n_room;
    size_t at; /* the next look begins here */
    size_t n_open, n_unheard;
    uint64_t order;
    int64_t looked_ms, age_ms; /* boot time; and time in which we have looked */
    bool is_short;
    int idle_fd, hand_fd; /* so that a copy can be made when no descriptor is left */
    uint64_t closed[CONNECTIONS_REASONS];
    struct logging_limit lines;
};

static const char *const reason_names[CONNECTIONS_REASONS] = {
    [CONNECTIONS_CROWDED] = "crowded",
    [CONNECTIONS_SILENT] = "silent",
    [CONNECTIONS_UNFINISHED] = "unfinished",
    [CONNECTIONS_SHORT] = "short",
};

const char *
connections_reason_name(enum connections_reason reason)
{
    return reason_names[reason];
}

static bool
open_spares(struct connections *connections)
{
    connections->hand_fd = -1;
    connections->idle_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (connections->idle_fd >= 0) {
        connections->hand_fd = fcntl(connections->idle_fd, F_DUPFD_CLOEXEC, 0);
    }
    return connections->hand_fd >= 0;
}

enum err
connections_new(uint16_t port, struct connections **connections_out)
{
    struct connections *connections = calloc(1, sizeof(*connections));
    if (connections == NULL) {
        return ERR_MEMORY;
    }
    connections->port = htons(port);
    if (!open_spares(connections)) {
        connections_free(connections);
        return ERR_IO;
    }
    *connections_out = connections;
    return ERR_OK;
}

static void
close_fd(int fd)
{
    if (fd >= 0) {
        (void)close(fd); /* nothing of ours is written through it */
    }
}

void
connections_free(struct connections *connections)
{
    if (connections != NULL) {
        close_fd(connections->hand_fd);
        close_fd(connections->idle_fd);
        free(connections->rows);
        free(connections);
    }
}

void
connections_freep(struct connections **connections)
{
    connections_free(*connections);
    *connections = NULL;
}

/* --- one descriptor --------------------------------------------------------------------------- */

/* False when it is no connection. */
static bool
find_peer(int fd, struct peer *peer_out)
{
    socklen_t len = sizeof(peer_out->address);
    memset(peer_out, 0, sizeof(*peer_out));
    if (getpeername(fd, (void *)&peer_out->address, &len) != 0) {
        return false;
    }
    return peer_out->address.sin6_family == AF_INET || peer_out->address.sin6_family == AF_INET6;
}

/* The port is at the same place in both families. */
static bool
arrived_here(int fd, in_port_t port)
{
    struct sockaddr_in6 address = {.sin6_port = 0};
    socklen_t len = sizeof(address);
    return getsockname(fd, (void *)&address, &len) == 0 && address.sin6_port == port;
}

static bool
count_bytes(int fd, uint64_t *bytes_out)
{
    struct tcp_info info;
    socklen_t len = sizeof(info);
    memset(&info, 0, sizeof(info));
    if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) != 0) {
        return false;
    }
    *bytes_out = info.tcpi_bytes_received;
    return true;
}

static bool
has_room(struct connections *connections, size_t fd)
{
    if (fd < connections->n_room) {
        return true;
    }
    size_t n_room = 2 * fd + CONNECTIONS_LOOK_FDS;
    struct row *rows =
        fd < ROWS_MAX ? realloc(connections->rows, n_room * sizeof(struct row)) : NULL;
    if (rows == NULL) {
        return false;
    }
    memset(rows + connections->n_room, 0, (n_room - connections->n_room) * sizeof(*rows));
    connections->rows = rows;
    connections->n_room = n_room;
    return true;
}

static void
forget(struct connections *connections, struct row *row)
{
    if (row->present) {
        connections->n_open--;
        connections->n_unheard -= row->heard ? 0 : 1;
        *row = (struct row){.present = false};
    }
}

/* The row of what this number means now; NULL when it is none of ours, or there is no memory. */
static struct row *
see(struct connections *connections, int fd)
{
    struct peer peer;
    size_t place = (size_t)fd;
    bool found = find_peer(fd, &peer);
    struct row *row = place < connections->n_rows ? &connections->rows[place] : NULL;
    if (row != NULL && row->present && found && memcmp(&row->peer, &peer, sizeof(peer)) == 0) {
        return row;
    }
    if (row != NULL) {
        forget(connections, row);
    }
    if (!found || !arrived_here(fd, connections->port) || !has_room(connections, place)) {
        return NULL;
    }
    row = &connections->rows[place];
    *row = (struct row){.present = true, .peer = peer, .since_ms = connections->age_ms};
    connections->n_rows = place < connections->n_rows ? connections->n_rows : place + 1;
    connections->n_open++;
    connections->n_unheard++;
    return row;
}

/* --- closing ---------------------------------------------------------------------------------- */

static void
end(struct connections *connections, struct row *row, enum connections_reason reason,
    int64_t boot_ms)
{
    struct peer peer;
    unsigned dropped = 0;
    int fd = (int)(row - connections->rows);
    if (dup3(fd, connections->hand_fd, O_CLOEXEC) >= 0) {
        if (find_peer(connections->hand_fd, &peer) &&
            memcmp(&row->peer, &peer, sizeof(peer)) == 0) {
            (void)shutdown(connections->hand_fd, SHUT_RDWR); /* it may be over already */
            connections->closed[reason]++;
        }
        (void)dup3(connections->idle_fd, connections->hand_fd, O_CLOEXEC); /* both are open */
    }
    connections->n_unheard -= row->heard ? 0 : 1;
    row->heard = row->ended = true;
    if (logging_allowed(&connections->lines, boot_ms, LINES, LINES_WINDOW_MS, &dropped)) {
        logging_line(LOGGING_WARNING, "connection.closed", "reason=%s open=%zu not_logged=%u",
                     reason_names[reason], connections->n_open, dropped);
    }
}

/* --- who says something ----------------------------------------------------------------------- */

static bool
has_key(const struct row *row, const struct curve_public *key)
{
    return row->present && row->heard && !row->ended && memcmp(&row->key, key, sizeof(*key)) == 0;
}

static void
thin(struct connections *connections, const struct curve_public *key, int64_t boot_ms)
{
    struct row *oldest = NULL;
    size_t n = 0;
    for (size_t i = 0; i < connections->n_rows; i++) {
        struct row *row = &connections->rows[i];
        if (has_key(row, key)) {
            n++;
            oldest = oldest == NULL || row->order < oldest->order ? row : oldest;
        }
    }
    if (n > CONNECTIONS_PER_KEY) {
        end(connections, oldest, CONNECTIONS_CROWDED, boot_ms);
    }
}

void
connections_heard(struct connections *connections, int fd, const struct curve_public *key,
                  int64_t boot_ms)
{
    size_t place = (size_t)fd;
    struct row *row = NULL;
    if (fd < 0) {
        return;
    }
    if (place < connections->n_rows && has_key(&connections->rows[place], key)) {
        connections->rows[place].messages++;
        return;
    }
    row = see(connections, fd);
    if (row == NULL || row->ended) {
        return; /* gone, or as good as gone */
    }
    connections->n_unheard -= row->heard ? 0 : 1;
    row->heard = true;
    row->key = *key;
    row->order = ++connections->order;
    row->messages++;
    thin(connections, key, boot_ms);
}

/* --- looking ---------------------------------------------------------------------------------- */

static enum connections_reason
judge(const struct connections *connections, struct row *row, uint64_t bytes)
{
    int64_t age_ms = connections->age_ms - row->since_ms;
    if (row->messages != row->finished) {
        row->finished = row->messages;
        row->bytes = bytes;
    }
    uint64_t most = row->heard ? CONNECTIONS_UNFINISHED_BYTES : CONNECTIONS_FIRST_BYTES;
    if (bytes - row->bytes > most) {
        return CONNECTIONS_UNFINISHED;
    }
    if (row->heard || age_ms < CONNECTIONS_HASTE_MS) {
        return CONNECTIONS_REASONS;
    }
    if (connections->is_short) {
        return CONNECTIONS_SHORT;
    }
    return age_ms < CONNECTIONS_SILENT_MS ? CONNECTIONS_REASONS : CONNECTIONS_SILENT;
}

/* Is there no room for what else the process must open, and for members that come? */
static bool
is_short(const struct connections *connections)
{
    int fds[CONNECTIONS_SPARE];
    bool room = true;
    for (size_t i = 0; i < CONNECTIONS_SPARE; i++) {
        fds[i] = fcntl(connections->idle_fd, F_DUPFD_CLOEXEC, 0);
        room = room && fds[i] >= 0;
    }
    for (size_t i = 0; i < CONNECTIONS_SPARE; i++) {
        close_fd(fds[i]);
    }
    return !room || connections->n_unheard > CONNECTIONS_UNHEARD_MAX;
}

static void
look_at(struct connections *connections, int fd, int64_t boot_ms)
{
    uint64_t bytes = 0;
    struct row *row = see(connections, fd);
    if (row == NULL || row->ended || !count_bytes(fd, &bytes)) {
        return;
    }
    enum connections_reason reason = judge(connections, row, bytes);
    if (reason != CONNECTIONS_REASONS) {
        end(connections, row, reason, boot_ms);
    }
}

void
connections_look(struct connections *connections, int64_t boot_ms)
{
    int64_t pause_ms = boot_ms - connections->looked_ms;
    if (pause_ms < CONNECTIONS_LOOK_MS) {
        return;
    }
    /* While we did not run nobody was heard: that time does not count against them. */
    connections->age_ms += pause_ms < PAUSE_MAX_MS ? pause_ms : PAUSE_MAX_MS;
    connections->looked_ms = boot_ms;
    connections->is_short = is_short(connections);
    /* The kernel gives out the lowest free number, so there is nothing far above the highest seen.
     */
    size_t end_at = connections->n_rows + CONNECTIONS_LOOK_FDS;
    for (size_t i = 0; i < CONNECTIONS_LOOK_FDS; i++) {
        look_at(connections, (int)connections->at, boot_ms);
        connections->at = connections->at + 1 < end_at ? connections->at + 1 : 0;
    }
    while (connections->n_rows > 0 && !connections->rows[connections->n_rows - 1].present) {
        connections->n_rows--;
    }
}

int64_t
connections_wait_ms(const struct connections *connections, int64_t boot_ms)
{
    int64_t left_ms = connections->looked_ms + CONNECTIONS_LOOK_MS - boot_ms;
    return left_ms > 0 ? left_ms : 0;
}

size_t
connections_open(const struct connections *connections)
{
    return connections->n_open;
}

uint64_t
connections_closed(const struct connections *connections, enum connections_reason reason)
{
    return connections->closed[reason];
}

size_t
connections_raise_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) {
        return 0;
    }
    if (limit.rlim_cur < limit.rlim_max) {
        struct rlimit raised = {limit.rlim_max, limit.rlim_max};
        limit = setrlimit(RLIMIT_NOFILE, &raised) == 0 ? raised : limit;
    }
    return limit.rlim_cur < ROWS_MAX ? (size_t)limit.rlim_cur : ROWS_MAX;
}
