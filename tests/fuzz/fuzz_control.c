/* Any bytes on a broker's control socket: a real socket, the daemon's own server and commands, a
 * whole broker core behind. Every complete request has one answer, an object with `ok`; what is no
 * request ends the connection; memory and descriptors are given back. Input: a byte that says how
 * many bytes arrive at once and whether lines are to be framed, then the bytes. */
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "broker/server/connections.h"
#include "broker/server/control.h"
#include "lib/edge/control_frame.h"
#include "tests/fuzz/town.h"

enum { TURNS_MAX = 4096, ANSWERS_ROOM = 8 << 20 };

struct desk {
    struct town *town;
    struct control_view view;
    struct connections *connections;
    struct control_server *server;
    char home[FILE_PATH_MAX];
    int home_fd;
    size_t n_asked; /* requests that reached a command */
};

static json_t *
count_and_answer(void *context, json_t *request, bool *keep_open)
{
    struct desk *desk = context;
    FUZZ_HOLDS(json_is_object(request));
    desk->n_asked++;
    json_t *answer = control_answer(&desk->view, request, keep_open);
    FUZZ_HOLDS(json_is_object(answer) && json_is_boolean(json_object_get(answer, "ok")));
    FUZZ_HOLDS(!desk->view.broken);
    return answer;
}

static struct desk *
open_desk(void)
{
    static struct desk desk;
    struct complaint complaint = {.text = ""};
    if (desk.town == NULL) {
        desk.town = town_new();
        stage_path("desk/x", desk.home);
        *strrchr(desk.home, '/') = '\0';
        desk.home_fd = -1;
        FUZZ_HOLDS(control_server_open(desk.home, count_and_answer, &desk, &desk.server,
                                       &complaint) == ERR_OK);
        FUZZ_HOLDS(connections_new(1, &desk.connections) == ERR_OK);
        town_open(desk.town);
    }
    desk.view = (struct control_view){
        .broker = desk.town->rig->broker, .listen = "tcp://*:1", .connections = desk.connections};
    desk.n_asked = 0;
    return &desk;
}

static int
connect_to(const struct desk *desk)
{
    struct sockaddr_un address;
    socklen_t len = 0;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    control_frame_address(desk->home, desk->home_fd, &address, &len);
    FUZZ_HOLDS(fd >= 0 && connect(fd, (const struct sockaddr *)&address, len) == 0);
    return fd;
}

/* Turns of the server until it has nothing to do. */
static void
serve(const struct desk *desk, int64_t boot_ms)
{
    struct pollfd fds[CONTROL_CONNECTIONS_MAX + 1];
    for (unsigned i = 0; i < TURNS_MAX; i++) {
        size_t n = control_server_poll(desk->server, fds, ARRAY_LEN(fds));
        if (poll(fds, (nfds_t)n, 0) <= 0) {
            return;
        }
        control_server_turn(desk->server, fds, n, boot_ms);
    }
    fuzz_broken("a server that has no end of things to do");
}

/* False when the server has hung up. */
static bool
take_answers(int fd, struct buffer *answers)
{
    uint8_t chunk[4096];
    for (;;) {
        ssize_t n = recv(fd, chunk, sizeof(chunk), MSG_DONTWAIT);
        if (n <= 0) {
            return n != 0;
        }
        buffer_put(answers, chunk, (size_t)n);
    }
}

static size_t
count_answers(struct bytes answers)
{
    size_t n = 0;
    while (answers.len > 0) {
        struct reader reader = reader_of(answers);
        struct bytes text = reader_blob(&reader);
        FUZZ_HOLDS(!reader.bad);
        json_t *answer = control_frame_parse(bytes_of(answers.data, text.len + 4));
        FUZZ_HOLDS(answer != NULL && json_is_boolean(json_object_get(answer, "ok")));
        json_decref(answer);
        answers = reader.rest;
        n++;
    }
    return n;
}

/* A frame for each line. */
static void
frame_lines(struct bytes lines, struct buffer *out)
{
    while (lines.len > 0) {
        const uint8_t *end = memchr(lines.data, '\n', lines.len);
        size_t len = end != NULL ? (size_t)(end - lines.data) : lines.len;
        buffer_put_blob(out, bytes_of(lines.data, len));
        len += end != NULL ? 1 : 0;
        lines = bytes_of(lines.data + len, lines.len - len);
    }
}

static void
converse(struct desk *desk, struct bytes bytes, size_t at_once)
{
    CLEANUP(buffer_done) struct buffer answers = BUFFER_INIT(ANSWERS_ROOM);
    int fd = connect_to(desk);
    bool open = true;
    serve(desk, 0);
    for (size_t at = 0; open && at < bytes.len;) {
        size_t len = bytes.len - at < at_once ? bytes.len - at : at_once;
        ssize_t n = send(fd, bytes.data + at, len, MSG_NOSIGNAL | MSG_DONTWAIT);
        at += n > 0 ? (size_t)n : 0;
        serve(desk, 0);
        open = take_answers(fd, &answers) && n > 0;
    }
    /* Whoever says no more is dropped in the end. */
    serve(desk, 0);
    open = open && take_answers(fd, &answers);
    FUZZ_HOLDS(buffer_err(&answers) == ERR_OK);
    size_t n_answers = count_answers(buffer_view(&answers));
    FUZZ_HOLDS(open ? n_answers == desk->n_asked : n_answers <= desk->n_asked + 1);
    struct pollfd unused;
    control_server_turn(desk->server, &unused, 0, CONTROL_IDLE_MS);
    FUZZ_HOLDS(!take_answers(fd, &answers));
    FUZZ_HOLDS(close(fd) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP(buffer_done) struct buffer framed = BUFFER_INIT(1 << 20);
    struct desk *desk = open_desk();
    uint64_t entries = rig_status(desk->town->rig).entries;
    if (size == 0) {
        return 0;
    }
    struct bytes bytes = bytes_of(data + 1, size - 1);
    if ((data[0] & 1) != 0) {
        frame_lines(bytes, &framed);
        bytes = buffer_view(&framed);
    }
    converse(desk, bytes, (data[0] & 2) != 0 ? 1u + (data[0] >> 2) : 1 << 16);
    FUZZ_HOLDS(rig_status(desk->town->rig).entries == entries); /* nobody has the root's key */
    return 0;
}
