/* A program's end of the control socket: one request, one answer, each within a time limit. Decides
 * how a missing daemon is explained. Knows no command.
 *
 * After a call that ran out of time a late answer could be taken for the next one, so the
 * connection counts as broken then. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/edge/control_frame.h"

enum { CONNECT_TIMEOUT_S = 5, READ_CHUNK_BYTES = 64 * 1024, WAIT_SLICE_MS = 3600000 };

struct control_client {
    int fd;
    bool broken;
    struct buffer in; /* the part of an answer that has arrived */
};

static void
close_fd(const int *fd)
{
    if (*fd >= 0) {
        (void)close(*fd); /* a socket: nothing is lost */
    }
}

static enum err
explain_connect(int number, const char *home, const char *daemon, struct complaint *complaint)
{
    if (number == EACCES || number == EPERM) {
        return complain(complaint, ERR_PERMISSION,
                        "%s belongs to another user; run this as the user %s runs as", home,
                        daemon);
    }
    if (number == ENOENT || number == ECONNREFUSED || number == ENOTDIR) {
        return complain(complaint, ERR_UNREACHABLE,
                        "%s is not running for %s; start it with: %s --home %s", daemon, home,
                        daemon, home);
    }
    return complain(complaint, ERR_UNREACHABLE, "%s does not answer on %s: %s", daemon, home,
                    strerror(number));
}

static int
connect_home(const char *home, int *fd_out)
{
    CLEANUP(close_fd) int home_fd = open(home, O_PATH | O_DIRECTORY | O_CLOEXEC);
    CLEANUP(close_fd) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct timeval limit = {.tv_sec = CONNECT_TIMEOUT_S};
    if (home_fd < 0 || fd < 0 ||
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)) != 0) {
        return errno;
    }
    struct sockaddr_un address;
    socklen_t len = 0;
    control_frame_address(home, home_fd, &address, &len);
    if (connect(fd, (const struct sockaddr *)&address, len) != 0) {
        return errno;
    }
    *fd_out = fd;
    fd = -1;
    return 0;
}

enum err
control_client_open(const char *home, const char *daemon, struct control_client **client_out,
                    struct complaint *complaint)
{
    CLEANUP(close_fd) int fd = -1;
    int number = connect_home(home, &fd);
    if (number != 0) {
        return explain_connect(number, home, daemon, complaint);
    }
    struct control_client *client = calloc(1, sizeof(*client));
    if (client == NULL) {
        return complain(complaint, ERR_MEMORY, "%s", err_text(ERR_MEMORY));
    }
    client->fd = fd;
    client->in = BUFFER_INIT((size_t)CONTROL_ANSWER_BYTES + CONTROL_FRAME_HEADER);
    fd = -1;
    *client_out = client;
    return ERR_OK;
}

void
control_client_close(struct control_client *client)
{
    if (client == NULL) {
        return;
    }
    close_fd(&client->fd);
    buffer_wipe(&client->in);
    free(client);
}

void
control_client_closep(struct control_client **client)
{
    control_client_close(*client);
    *client = NULL;
}

/* -1 stays "for ever". */
static int64_t
deadline_after(int timeout_ms)
{
    return timeout_ms < 0 ? INT64_MAX : clock_now().boot_ms + timeout_ms;
}

static enum err
wait_for(const struct control_client *client, short events, int64_t deadline_ms,
         struct complaint *complaint)
{
    for (;;) {
        int64_t left = deadline_ms - clock_now().boot_ms;
        if (left < 0) {
            return complain(complaint, ERR_BUSY, "the daemon did not answer in time");
        }
        struct pollfd entry = {.fd = client->fd, .events = events};
        /* In slices, because poll takes an int and "for ever" is a very late deadline. */
        int n = poll(&entry, 1, left < WAIT_SLICE_MS ? (int)left + 1 : WAIT_SLICE_MS);
        if (n > 0) {
            return ERR_OK;
        }
        if (n < 0 && errno != EINTR) {
            return complain(complaint, ERR_IO, "waiting for the daemon failed: %s",
                            strerror(errno));
        }
    }
}

static enum err
say_gone(struct control_client *client, struct complaint *complaint)
{
    client->broken = true;
    return complain(complaint, ERR_UNREACHABLE, "the daemon closed the connection");
}

static enum err
send_all(struct control_client *client, struct bytes bytes, int64_t deadline_ms,
         struct complaint *complaint)
{
    while (bytes.len > 0) {
        ssize_t sent = send(client->fd, bytes.data, bytes.len, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent >= 0) {
            bytes = bytes_of(bytes.data + sent, bytes.len - (size_t)sent);
            continue;
        }
        if (errno == EAGAIN) {
            enum err err = wait_for(client, POLLOUT, deadline_ms, complaint);
            if (err != ERR_OK) {
                return err;
            }
        } else if (errno == EPIPE || errno == ECONNRESET) {
            /* A daemon that refuses says why before it closes: the answer is still to be read. */
            return ERR_OK;
        } else if (errno != EINTR) {
            return say_gone(client, complaint);
        }
    }
    return ERR_OK;
}

static enum err
receive_frame(struct control_client *client, int64_t deadline_ms, struct complaint *complaint)
{
    for (;;) {
        size_t missing = 0;
        enum err err =
            control_frame_missing(buffer_view(&client->in), CONTROL_ANSWER_BYTES, &missing);
        if (err != ERR_OK) {
            client->broken = true;
            return complain(complaint, err, "the daemon's answer is not one refloop understands");
        }
        if (missing == 0) {
            return ERR_OK;
        }
        uint8_t chunk[READ_CHUNK_BYTES];
        ssize_t got = recv(client->fd, chunk, missing < sizeof(chunk) ? missing : sizeof(chunk),
                           MSG_DONTWAIT);
        if (got > 0) {
            buffer_put(&client->in, chunk, (size_t)got);
            explicit_bzero(chunk, (size_t)got);
            err = buffer_err(&client->in);
            if (err != ERR_OK) {
                return complain(complaint, err, "%s", err_text(err));
            }
        } else if (got < 0 && errno == EAGAIN) {
            err = wait_for(client, POLLIN, deadline_ms, complaint);
        } else if (got == 0 || errno != EINTR) {
            err = say_gone(client, complaint);
        }
        if (err != ERR_OK) {
            return err;
        }
    }
}

static enum err
next_until(struct control_client *client, int64_t deadline_ms, json_t **answer_out,
           struct complaint *complaint)
{
    if (client->broken) {
        return say_gone(client, complaint);
    }
    enum err err = receive_frame(client, deadline_ms, complaint);
    if (err != ERR_OK) {
        return err;
    }
    json_t *answer = control_frame_parse(buffer_view(&client->in));
    buffer_wipe(&client->in);
    if (answer == NULL) {
        client->broken = true;
        return complain(complaint, ERR_MALFORMED,
                        "the daemon's answer is not one refloop understands");
    }
    *answer_out = answer;
    return ERR_OK;
}

enum err
control_client_next(struct control_client *client, int timeout_ms, json_t **answer_out,
                    struct complaint *complaint)
{
    return next_until(client, deadline_after(timeout_ms), answer_out, complaint);
}

enum err
control_client_call(struct control_client *client, json_t *request, int timeout_ms,
                    json_t **answer_out, struct complaint *complaint)
{
    if (client->broken) {
        return say_gone(client, complaint);
    }
    CLEANUP(buffer_wipe)
    struct buffer frame = BUFFER_INIT(CONTROL_REQUEST_BYTES + CONTROL_FRAME_HEADER);
    enum err err = control_frame_put(&frame, request, CONTROL_REQUEST_BYTES);
    if (err == ERR_TOO_LARGE) {
        return complain(complaint, err, "the request is too large (at most %d KiB)",
                        CONTROL_REQUEST_BYTES / 1024);
    }
    if (err != ERR_OK) {
        return complain(complaint, err, "%s", err_text(err));
    }
    int64_t deadline_ms = deadline_after(timeout_ms);
    err = send_all(client, buffer_view(&frame), deadline_ms, complaint);
    if (err == ERR_OK) {
        err = next_until(client, deadline_ms, answer_out, complaint);
    }
    client->broken = client->broken || err != ERR_OK;
    return err;
}
