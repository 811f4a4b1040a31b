/* The daemon's end of the control socket. Decides who may connect, how much a connection may ask,
 * hold back and leave unread, and when it is dropped. Knows no command: a handler answers.
 *
 * A connection has one request or one answer in hand, never both: while an answer is unsent nothing
 * more is read, so that the memory of a connection is bounded by one of each. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/edge/control_frame.h"

enum {
    LISTEN_BACKLOG = 16,
    READ_CHUNK_BYTES = 16 * 1024,
    SUBSCRIBER_BACKLOG_BYTES = 1024 * 1024, /* unsent, before a subscriber counts as not reading */
    ANSWER_FRAME_BYTES = CONTROL_ANSWER_BYTES + CONTROL_FRAME_HEADER,
};

struct connection {
    int fd; /* -1: free place */
    struct buffer in;
    struct buffer out;
    size_t sent; /* of out */
    bool subscribed;
    bool closing;      /* once out is sent */
    int64_t active_ms; /* boot, of the last byte that moved */
};

struct control_server {
    int home_fd; /* holds the lock on the directory */
    int listen_fd;
    control_handler handler;
    void *context;
    struct connection connections[CONTROL_CONNECTIONS_MAX];
};

static void
close_fd(const int *fd)
{
    if (*fd >= 0) {
        (void)close(*fd); /* a socket or directory: nothing is lost */
    }
}

static void
decref(json_t **json)
{
    json_decref(*json);
}

static bool
has_unsent(const struct connection *connection)
{
    return connection->sent < connection->out.len;
}

static void
drop(struct connection *connection)
{
    close_fd(&connection->fd);
    /* Requests and answers hold personal content. */
    buffer_wipe(&connection->in);
    buffer_wipe(&connection->out);
    *connection = (struct connection){
        .fd = -1,
        .in = BUFFER_INIT(CONTROL_REQUEST_BYTES + CONTROL_FRAME_HEADER),
        .out = BUFFER_INIT(ANSWER_FRAME_BYTES + SUBSCRIBER_BACKLOG_BYTES),
    };
}

/* --- opening --------------------------------------------------------------------------------- */

static enum err
open_home(const char *home, int *home_out, struct complaint *complaint)
{
    CLEANUP(close_fd) int fd = open(home, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct stat status;
    if (fd < 0 || fstat(fd, &status) != 0) {
        return complain(complaint, ERR_IO, "%s cannot be opened as a directory", home);
    }
    if ((status.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
        return complain(complaint, ERR_PERMISSION, "%s may be written to by others; chmod 700 %s",
                        home, home);
    }
    /* Two daemons that start at once would both find the old socket dead. Where the file system
     * cannot lock a directory the look at the socket must do. */
    if (flock(fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
        return complain(complaint, ERR_LOCKED, "another daemon already runs on %s", home);
    }
    *home_out = fd;
    fd = -1;
    return ERR_OK;
}

/* ERR_LOCKED when somebody answers, ERR_OK when nothing is there (any more). */
static enum err
remove_stale(const char *home, int home_fd, struct complaint *complaint)
{
    struct stat status;
    if (fstatat(home_fd, CONTROL_SOCKET_NAME, &status, AT_SYMLINK_NOFOLLOW) != 0) {
        return ERR_OK;
    }
    if (!S_ISSOCK(status.st_mode)) {
        return complain(complaint, ERR_IO, "%s/%s exists and is not a socket", home,
                        CONTROL_SOCKET_NAME);
    }
    CLEANUP(close_fd) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    struct sockaddr_un address;
    socklen_t len = 0;
    control_frame_address(home, home_fd, &address, &len);
    if (fd < 0) {
        return complain(complaint, ERR_IO, "no socket could be made: %s", strerror(errno));
    }
    /* EAGAIN: the listener's queue is full, so there is one. */
    if (connect(fd, (const struct sockaddr *)&address, len) == 0 || errno == EAGAIN) {
        return complain(complaint, ERR_LOCKED, "another daemon already runs on %s", home);
    }
    if (unlinkat(home_fd, CONTROL_SOCKET_NAME, 0) != 0 && errno != ENOENT) {
        return complain(complaint, ERR_IO, "%s/%s cannot be removed: %s", home, CONTROL_SOCKET_NAME,
                        strerror(errno));
    }
    return ERR_OK;
}

static enum err
open_listener(const char *home, int home_fd, int *listen_out, struct complaint *complaint)
{
    CLEANUP(close_fd) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    struct sockaddr_un address;
    socklen_t len = 0;
    control_frame_address(home, home_fd, &address, &len);
    /* By umask, so that there is no moment at which the socket exists with a wider mode. */
    mode_t before = umask(S_IXUSR | S_IRWXG | S_IRWXO);
    bool bound = fd >= 0 && bind(fd, (const struct sockaddr *)&address, len) == 0;
    int bind_errno = errno;
    (void)umask(before); /* cannot fail */
    if (!bound || listen(fd, LISTEN_BACKLOG) != 0) {
        return complain(complaint, ERR_IO, "%s/%s cannot be made: %s", home, CONTROL_SOCKET_NAME,
                        strerror(bound ? errno : bind_errno));
    }
    *listen_out = fd;
    fd = -1;
    return ERR_OK;
}

enum err
control_server_open(const char *home, control_handler handler, void *context,
                    struct control_server **server_out, struct complaint *complaint)
{
    CLEANUP(close_fd) int home_fd = -1;
    CLEANUP(close_fd) int listen_fd = -1;
    enum err err = open_home(home, &home_fd, complaint);
    if (err == ERR_OK) {
        err = remove_stale(home, home_fd, complaint);
    }
    if (err == ERR_OK) {
        err = open_listener(home, home_fd, &listen_fd, complaint);
    }
    if (err != ERR_OK) {
        return err;
    }
    struct control_server *server = calloc(1, sizeof(*server));
    if (server == NULL) {
        (void)unlinkat(home_fd, CONTROL_SOCKET_NAME, 0); /* ours; a leftover would be stale */
        return complain(complaint, ERR_MEMORY, "%s", err_text(ERR_MEMORY));
    }
    *server = (struct control_server){
        .home_fd = home_fd, .listen_fd = listen_fd, .handler = handler, .context = context};
    home_fd = listen_fd = -1;
    for (size_t i = 0; i < CONTROL_CONNECTIONS_MAX; i++) {
        server->connections[i].fd = -1;
        drop(&server->connections[i]);
    }
    *server_out = server;
    return ERR_OK;
}

void
control_server_close(struct control_server *server)
{
    if (server == NULL) {
        return;
    }
    for (size_t i = 0; i < CONTROL_CONNECTIONS_MAX; i++) {
        drop(&server->connections[i]);
    }
    close_fd(&server->listen_fd);
    (void)unlinkat(server->home_fd, CONTROL_SOCKET_NAME, 0); /* a leftover is found stale */
    close_fd(&server->home_fd);
    free(server);
}

/* --- one connection -------------------------------------------------------------------------- */

static void
flush(struct connection *connection, int64_t boot_ms)
{
    while (has_unsent(connection)) {
        ssize_t sent = send(connection->fd, connection->out.data + connection->sent,
                            connection->out.len - connection->sent, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0 && errno == EINTR) {
            continue;
        }
        if (sent < 0 && errno == EAGAIN) {
            return;
        }
        if (sent < 0) {
            drop(connection);
            return;
        }
        connection->sent += (size_t)sent;
        connection->active_ms = boot_ms;
    }
    buffer_wipe(&connection->out);
    connection->sent = 0;
    if (connection->closing) {
        drop(connection);
    }
}

/* Else a reader that is always a little behind would fill the buffer with what it has read. */
static void
forget_sent(struct connection *connection)
{
    size_t left = connection->out.len - connection->sent;
    if (connection->sent > 0 && left > 0) {
        memmove(connection->out.data, connection->out.data + connection->sent, left);
    }
    connection->out.len = left;
    connection->sent = 0;
}

/* Queues an answer; one that is too large becomes an error that says so. */
static void
answer(struct connection *connection, const json_t *message)
{
    enum err err = message == NULL
                       ? ERR_MEMORY
                       : control_frame_put(&connection->out, message, CONTROL_ANSWER_BYTES);
    if (err == ERR_OK) {
        return;
    }
    CLEANUP(decref) json_t *refusal = control_error(err, NULL);
    if (refusal == NULL ||
        control_frame_put(&connection->out, refusal, CONTROL_ANSWER_BYTES) != ERR_OK) {
        connection->closing = true;
    }
}

static void
refuse_and_close(struct connection *connection, enum err err, const char *sentence)
{
    CLEANUP(decref) json_t *refusal = control_error(err, sentence);
    connection->closing = true;
    buffer_wipe(&connection->in);
    answer(connection, refusal);
}

static void
handle_request(struct control_server *server, struct connection *connection)
{
    CLEANUP(decref) json_t *request = control_frame_parse(buffer_view(&connection->in));
    buffer_wipe(&connection->in);
    if (request == NULL) {
        refuse_and_close(connection, ERR_MALFORMED, "the request is not a JSON object");
        return;
    }
    bool keep_open = false;
    CLEANUP(decref) json_t *reply = server->handler(server->context, request, &keep_open);
    if (connection->fd < 0) {
        return; /* the handler published, and this one was not reading */
    }
    connection->subscribed = connection->subscribed || keep_open;
    answer(connection, reply);
}

/* Reads until one request is complete or nothing more is there. True when one is complete. */
static bool
read_request(struct connection *connection, int64_t boot_ms)
{
    for (;;) {
        size_t missing = 0;
        enum err err =
            control_frame_missing(buffer_view(&connection->in), CONTROL_REQUEST_BYTES, &missing);
        if (err != ERR_OK) {
            refuse_and_close(connection, err, NULL);
            return false;
        }
        if (missing == 0) {
            return true;
        }
        /* Through a chunk: memory follows what has arrived, not what was announced. */
        uint8_t chunk[READ_CHUNK_BYTES];
        ssize_t got = recv(connection->fd, chunk, missing < sizeof(chunk) ? missing : sizeof(chunk),
                           MSG_DONTWAIT);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0 && errno == EAGAIN) {
            return false;
        }
        if (got > 0) {
            buffer_put(&connection->in, chunk, (size_t)got);
            explicit_bzero(chunk, (size_t)got);
            connection->active_ms = boot_ms;
        }
        if (got <= 0 || buffer_err(&connection->in) != ERR_OK) {
            drop(connection);
            return false;
        }
    }
}

static void
serve(struct control_server *server, struct connection *connection, short events, int64_t boot_ms)
{
    if ((events & POLLOUT) != 0) {
        flush(connection, boot_ms);
    }
    /* One request per turn: a connection that asks without a pause must not starve the loop. */
    bool readable = (events & (POLLIN | POLLHUP | POLLERR)) != 0;
    if (connection->fd >= 0 && !has_unsent(connection) && readable &&
        read_request(connection, boot_ms)) {
        handle_request(server, connection);
    }
    if (connection->fd >= 0 && has_unsent(connection)) {
        flush(connection, boot_ms);
    }
    /* Whoever hung up with an answer unsent will not come back for it. */
    if (connection->fd >= 0 && (events & (POLLHUP | POLLERR)) != 0 && has_unsent(connection)) {
        drop(connection);
    }
}

/* --- the whole ------------------------------------------------------------------------------- */

static struct connection *
find_connection(struct control_server *server, int fd)
{
    for (size_t i = 0; i < CONTROL_CONNECTIONS_MAX; i++) {
        if (server->connections[i].fd == fd) {
            return &server->connections[i];
        }
    }
    return NULL;
}

static bool
is_permitted(int fd)
{
    struct ucred peer;
    socklen_t len = sizeof(peer);
    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 &&
           (peer.uid == geteuid() || peer.uid == 0);
}

/* Said in one write or not at all: there is no place to keep what does not fit. */
static void
turn_away(int fd)
{
    CLEANUP(decref)
    json_t *refusal = control_error(ERR_BUSY, "too many programs are connected to this daemon");
    CLEANUP(buffer_done) struct buffer frame = BUFFER_INIT(READ_CHUNK_BYTES);
    if (refusal != NULL && control_frame_put(&frame, refusal, READ_CHUNK_BYTES) == ERR_OK) {
        (void)!send(fd, frame.data, frame.len, MSG_NOSIGNAL | MSG_DONTWAIT);
    }
}

static void
accept_all(struct control_server *server, int64_t boot_ms)
{
    for (unsigned i = 0; i < LISTEN_BACKLOG; i++) {
        CLEANUP(close_fd)
        int fd = accept4(server->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) {
            return;
        }
        if (!is_permitted(fd)) {
            continue;
        }
        struct connection *free_place = find_connection(server, -1);
        if (free_place == NULL) {
            turn_away(fd);
            continue;
        }
        free_place->fd = fd;
        free_place->active_ms = boot_ms;
        fd = -1;
    }
}

static void
drop_idle(struct control_server *server, int64_t boot_ms)
{
    for (size_t i = 0; i < CONTROL_CONNECTIONS_MAX; i++) {
        struct connection *connection = &server->connections[i];
        bool may_wait = connection->subscribed && !has_unsent(connection);
        if (connection->fd >= 0 && !may_wait &&
            boot_ms - connection->active_ms >= CONTROL_IDLE_MS) {
            drop(connection);
        }
    }
}

size_t
control_server_poll(struct control_server *server, struct pollfd *fds, size_t max)
{
    size_t n = 0;
    if (max > 0) {
        fds[n++] = (struct pollfd){.fd = server->listen_fd, .events = POLLIN};
    }
    for (size_t i = 0; i < CONTROL_CONNECTIONS_MAX && n < max; i++) {
        const struct connection *connection = &server->connections[i];
        if (connection->fd >= 0) {
            short events = has_unsent(connection) ? POLLOUT : POLLIN;
            fds[n++] = (struct pollfd){.fd = connection->fd, .events = events};
        }
    }
    return n;
}

void
control_server_turn(struct control_server *server, const struct pollfd *fds, size_t n,
                    int64_t boot_ms)
{
    bool knocked = false;
    for (size_t i = 0; i < n; i++) {
        if (fds[i].revents == 0 || fds[i].fd < 0) {
            continue;
        }
        struct connection *connection = find_connection(server, fds[i].fd);
        if (fds[i].fd == server->listen_fd) {
            knocked = true;
        } else if (connection != NULL) {
            serve(server, connection, fds[i].revents, boot_ms);
        }
    }
    drop_idle(server, boot_ms);
    /* Last: a new connection may get the number of one that was just dropped. */
    if (knocked) {
        accept_all(server, boot_ms);
    }
}

void
control_server_publish(struct control_server *server, json_t *message)
{
    for (size_t i = 0; i < CONTROL_CONNECTIONS_MAX; i++) {
        struct connection *connection = &server->connections[i];
        if (connection->fd < 0 || !connection->subscribed || connection->closing) {
            continue;
        }
        forget_sent(connection);
        bool stuck = connection->out.len > SUBSCRIBER_BACKLOG_BYTES;
        if (stuck || control_frame_put(&connection->out, message, CONTROL_ANSWER_BYTES) != ERR_OK) {
            drop(connection);
            continue;
        }
        flush(connection, connection->active_ms);
    }
}

size_t
control_server_subscribers(const struct control_server *server)
{
    size_t n = 0;
    for (size_t i = 0; i < CONTROL_CONNECTIONS_MAX; i++) {
        n += server->connections[i].fd >= 0 && server->connections[i].subscribed ? 1 : 0;
    }
    return n;
}
