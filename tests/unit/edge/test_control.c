/* The control socket's server: who gets in, and what is too much. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/base/text.h"
#include "tests/unit/edge/control_rig.h"

static void
turn(struct control_rig *rig, int timeout_ms)
{
    struct pollfd fds[CONTROL_CONNECTIONS_MAX + 1];
    size_t n = control_server_poll(rig->server, fds, ARRAY_LEN(fds));
    assert_true(poll(fds, (nfds_t)n, timeout_ms) >= 0);
    control_server_turn(rig->server, fds, n, rig->boot_ms);
}

/* Until nothing is left to do. */
static void
settle(struct control_rig *rig)
{
    for (unsigned i = 0; i < 8; i++) {
        turn(rig, 0);
    }
}

static struct sockaddr_un
address_of(const struct control_rig *rig)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    assert_true(text_format(address.sun_path, sizeof(address.sun_path), "%s/" CONTROL_SOCKET_NAME,
                            rig->home));
    return address;
}

static int
dial(const struct control_rig *rig)
{
    struct sockaddr_un address = address_of(rig);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

static void
say_bytes(int fd, const void *data, size_t len)
{
    assert_int_equal(send(fd, data, len, MSG_NOSIGNAL), (ssize_t)len);
}

static void
say(int fd, const char *text)
{
    size_t len = strlen(text);
    uint8_t header[4] = {0, 0, (uint8_t)(len >> 8), (uint8_t)len};
    say_bytes(fd, header, sizeof(header));
    say_bytes(fd, text, len);
}

/* One answer that is already there; NULL when the connection was closed instead. */
static json_t *
hear(int fd)
{
    uint8_t header[4];
    ssize_t got = recv(fd, header, sizeof(header), 0);
    if (got == 0 || (got < 0 && errno == ECONNRESET)) {
        return NULL;
    }
    assert_int_equal(got, 4);
    size_t len = (size_t)header[2] << 8 | header[3];
    char text[65536];
    assert_int_equal(recv(fd, text, len, 0), (ssize_t)len);
    json_t *answer = json_loadb(text, len, 0, NULL);
    assert_non_null(answer);
    return answer;
}

static void
assert_error(int fd, const char *code)
{
    json_t *answer = hear(fd);
    assert_non_null(answer);
    assert_true(json_is_false(json_object_get(answer, "ok")));
    json_t *error = json_object_get(answer, "error");
    assert_string_equal(json_string_value(json_object_get(error, "code")), code);
    json_decref(answer);
}

static void
assert_echo(int fd, const char *text)
{
    json_t *answer = hear(fd);
    assert_non_null(answer);
    assert_true(json_is_true(json_object_get(answer, "ok")));
    assert_string_equal(json_string_value(json_object_get(answer, "echo")), text);
    json_decref(answer);
}

static void
assert_closed(int fd)
{
    assert_null(hear(fd));
    close(fd);
}

static void
test_socket_is_private(void **state)
{
    struct control_rig *rig = *state;
    char path[FILE_PATH_MAX];
    struct stat status;
    assert_int_equal(file_path(path, rig->home, CONTROL_SOCKET_NAME), ERR_OK);
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
    mode_t mask = umask(0);
    (void)umask(mask);
    assert_int_equal(mask, 0022); /* what other files get is as it was */
}

static void
test_two_requests_in_turn(void **state)
{
    struct control_rig *rig = *state;
    int fd = dial(rig);
    say(fd, "{\"command\":\"a\",\"text\":\"one\"}");
    say(fd, "{\"command\":\"a\",\"text\":\"two\"}"); /* before the first answer */
    settle(rig);
    assert_echo(fd, "one");
    assert_echo(fd, "two");
    say(fd, "{\"command\":\"a\",\"text\":\"three\"}");
    settle(rig);
    assert_echo(fd, "three");
    assert_int_equal(rig->asked, 3);
    close(fd);
}

static void
test_bytes_that_drip(void **state)
{
    struct control_rig *rig = *state;
    int fd = dial(rig);
    const char text[] = "\0\0\0\x1f{\"command\":\"a\",\"text\":\"slowly\"}";
    for (size_t i = 0; i + 1 < sizeof(text); i++) {
        assert_int_equal(rig->asked, 0);
        say_bytes(fd, &text[i], 1);
        settle(rig);
    }
    assert_echo(fd, "slowly");
    close(fd);
}

static void
test_oversize_is_refused(void **state)
{
    struct control_rig *rig = *state;
    int fd = dial(rig);
    uint32_t len = CONTROL_REQUEST_BYTES + 1;
    uint8_t header[4] = {(uint8_t)(len >> 24), (uint8_t)(len >> 16), (uint8_t)(len >> 8),
                         (uint8_t)len};
    say_bytes(fd, header, sizeof(header));
    say_bytes(fd, "more that nobody reads", 22);
    settle(rig);
    assert_error(fd, "too-large");
    assert_closed(fd);
    assert_int_equal(rig->asked, 0);
}

static void
test_garbage_closes(void **state)
{
    struct control_rig *rig = *state;
    const char *const bad[] = {"not json", "[1,2]", "{\"a\":1,\"a\":2}", "{\"a\":1} x"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        int fd = dial(rig);
        say(fd, bad[i]);
        settle(rig);
        assert_error(fd, "malformed");
        assert_closed(fd);
    }
    int fd = dial(rig);
    say(fd, ""); /* a length of nothing */
    settle(rig);
    assert_error(fd, "malformed");
    assert_closed(fd);
    fd = dial(rig);
    say_bytes(fd, "GET / HTTP/1.1\r\n\r\n", 18);
    settle(rig);
    assert_error(fd, "too-large");
    assert_closed(fd);
    assert_int_equal(rig->asked, 0);
}

static void
test_half_a_request_then_gone(void **state)
{
    struct control_rig *rig = *state;
    int fd = dial(rig);
    say_bytes(fd, "\0\0\0\x20{\"comm", 10);
    settle(rig);
    close(fd);
    settle(rig);
    struct pollfd fds[4];
    assert_int_equal(control_server_poll(rig->server, fds, ARRAY_LEN(fds)), 1); /* the listener */
    assert_int_equal(rig->asked, 0);
}

static void
test_other_user_is_closed(void **state)
{
    struct control_rig *rig = *state;
    if (geteuid() != 0) {
        print_message("skipped: only root can pretend to be another user\n");
        skip();
    }
    char path[FILE_PATH_MAX];
    assert_int_equal(file_path(path, rig->home, CONTROL_SOCKET_NAME), ERR_OK);
    /* Wide open, so that only the check of the peer is left. */
    assert_int_equal(chmod(rig->home, 0755), 0);
    assert_int_equal(chmod(path, 0666), 0);
    assert_int_equal(seteuid(NOBODY), 0);
    int fd = dial(rig);
    assert_int_equal(seteuid(0), 0);
    say(fd, "{\"command\":\"a\",\"text\":\"me\"}");
    settle(rig);
    assert_closed(fd);
    assert_int_equal(rig->asked, 0);
}

static void
test_thirty_third_is_turned_away(void **state)
{
    struct control_rig *rig = *state;
    int fds[CONTROL_CONNECTIONS_MAX];
    for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
        fds[i] = dial(rig);
        settle(rig);
    }
    int late = dial(rig);
    settle(rig);
    assert_error(late, "busy");
    assert_closed(late);
    say(fds[31], "{\"command\":\"a\",\"text\":\"last\"}");
    close(fds[0]);
    settle(rig);
    assert_echo(fds[31], "last");
    late = dial(rig); /* one has left, so there is room again */
    settle(rig);
    say(late, "{\"command\":\"a\",\"text\":\"room\"}");
    settle(rig);
    assert_echo(late, "room");
    close(late);
    for (size_t i = 1; i < ARRAY_LEN(fds); i++) {
        close(fds[i]);
    }
}

static void
test_subscriber_hears_until_it_stops_reading(void **state)
{
    struct control_rig *rig = *state;
    int reads = dial(rig);
    int sleeps = dial(rig);
    int asks = dial(rig);
    say(reads, "{\"command\":\"watch\",\"text\":\"r\"}");
    say(sleeps, "{\"command\":\"watch\",\"text\":\"s\"}");
    say(asks, "{\"command\":\"a\",\"text\":\"n\"}");
    settle(rig);
    assert_int_equal(control_server_subscribers(rig->server), 2);
    assert_echo(reads, "r");
    assert_echo(asks, "n");
    char filler[60000];
    memset(filler, 'x', sizeof(filler) - 1);
    filler[sizeof(filler) - 1] = '\0';
    json_t *message = json_pack("{s:b,s:s}", "ok", 1, "echo", filler);
    assert_non_null(message);
    for (unsigned i = 0; i < 100; i++) {
        control_server_publish(rig->server, message);
        settle(rig);
        assert_echo(reads, filler);
    }
    json_decref(message);
    assert_int_equal(control_server_subscribers(rig->server), 1);
    assert_true(recv(asks, filler, 1, 0) < 0 && errno == EAGAIN); /* did not subscribe */
    close(reads);
    close(sleeps);
    close(asks);
}

static void
test_idle_is_dropped_unless_subscribed(void **state)
{
    struct control_rig *rig = *state;
    int idle = dial(rig);
    int watcher = dial(rig);
    say(watcher, "{\"command\":\"watch\",\"text\":\"w\"}");
    settle(rig);
    assert_echo(watcher, "w");
    rig->boot_ms += CONTROL_IDLE_MS - 1;
    settle(rig);
    say(idle, "{\"command\":\"a\",\"text\":\"still here\"}");
    settle(rig);
    assert_echo(idle, "still here");
    rig->boot_ms += CONTROL_IDLE_MS;
    settle(rig);
    assert_closed(idle);
    assert_int_equal(control_server_subscribers(rig->server), 1);
    close(watcher);
}

static void
test_stale_socket_is_replaced(void **state)
{
    struct control_rig *rig = *state;
    control_server_close(rig->server);
    rig->server = NULL;
    struct sockaddr_un address = address_of(rig);
    int dead = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(dead, (const struct sockaddr *)&address, sizeof(address)), 0);
    close(dead); /* the file stays, as after a crash */
    struct complaint complaint;
    assert_int_equal(
        control_server_open(rig->home, control_rig_handle, rig, &rig->server, &complaint), ERR_OK);
    int fd = dial(rig);
    say(fd, "{\"command\":\"a\",\"text\":\"new\"}");
    settle(rig);
    assert_echo(fd, "new");
    close(fd);
}

static void
test_second_daemon_is_refused(void **state)
{
    struct control_rig *rig = *state;
    struct control_server *second = NULL;
    struct complaint complaint;
    assert_int_equal(control_server_open(rig->home, control_rig_handle, rig, &second, &complaint),
                     ERR_LOCKED);
    assert_null(second);
    assert_non_null(strstr(complaint.text, rig->home));
    /* Nor when the socket's name is gone: two of them must never start side by side. */
    struct sockaddr_un address = address_of(rig);
    char aside[FILE_PATH_MAX];
    assert_int_equal(file_path(aside, rig->home, "aside"), ERR_OK);
    assert_int_equal(rename(address.sun_path, aside), 0);
    assert_int_equal(control_server_open(rig->home, control_rig_handle, rig, &second, &complaint),
                     ERR_LOCKED);
    assert_int_equal(rename(aside, address.sun_path), 0);
    int fd = dial(rig); /* the first one is untouched */
    say(fd, "{\"command\":\"a\",\"text\":\"first\"}");
    settle(rig);
    assert_echo(fd, "first");
    close(fd);
}

/* Also where the lock on the directory does not help: somebody listens, so nothing is removed. */
static void
test_listening_stranger_is_respected(void **state)
{
    struct control_rig *rig = *state;
    control_server_close(rig->server);
    rig->server = NULL;
    struct sockaddr_un address = address_of(rig);
    int other = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(other, (const struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(other, 1), 0);
    struct complaint complaint;
    assert_int_equal(
        control_server_open(rig->home, control_rig_handle, rig, &rig->server, &complaint),
        ERR_LOCKED);
    close(other);
    assert_int_equal(unlink(address.sun_path), 0);
}

static void
test_file_in_the_way_is_kept(void **state)
{
    struct control_rig *rig = *state;
    control_server_close(rig->server);
    rig->server = NULL;
    char path[FILE_PATH_MAX];
    assert_int_equal(file_path(path, rig->home, CONTROL_SOCKET_NAME), ERR_OK);
    assert_int_equal(file_create(path, bytes_of_text("precious"), 0600), ERR_OK);
    assert_int_equal(control_server_open(rig->home, control_rig_handle, rig, &rig->server, NULL),
                     ERR_IO);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(chmod(rig->home, 0777), 0);
    assert_int_equal(control_server_open(rig->home, control_rig_handle, rig, &rig->server, NULL),
                     ERR_PERMISSION);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_socket_is_private, control_rig_set_up,
                                        control_rig_tear_down),
        cmocka_unit_test_setup_teardown(test_two_requests_in_turn, control_rig_set_up,
                                        control_rig_tear_down),
        cmocka_unit_test_setup_teardown(test_bytes_that_drip, control_rig_set_up,
                                        control_rig_tear_down),
        cmocka_unit_test_setup_teardown(test_oversize_is_refused, control_rig_set_up,
                                        control_rig_tear_down),
        cmocka_unit_test_setup_teardown(test_garbage_closes, control_rig_set_up,
                                        control_rig_tear_down),
        cmocka_unit_test_setup_teardown(test_half_a_request_then_gone, control_rig_set_up,
                                        control_rig_tear_down),
        cmocka_unit_test_setup_teardown(test_other_user_is_closed, control_rig_set_up,
                                        control_rig_tear_down),
        cmocka_unit_test_setup_teardown(test_thirty_third_is_turned_away, control_rig_set_up,
                                        control_rig_tear_down),
        cmocka_unit_test_setup_teardown(test_subscriber_hears_until_it_stops_reading,
                                        control_rig_set_up, control_rig_tear_down),
        cmocka_unit_test_setup_teardown(test_idle_is_dropped_unless_subscribed, control_rig_set_up,
                                        control_rig_tear_down),
        cmocka_unit_test_setup_teardown(test_stale_socket_is_replaced, control_rig_set_up,
                                        control_rig_tear_down),
        cmocka_unit_test_setup_teardown(test_second_daemon_is_refused, control_rig_set_up,
                                        control_rig_tear_down),
        cmocka_unit_test_setup_teardown(test_listening_stranger_is_respected, control_rig_set_up,
                                        control_rig_tear_down),
        cmocka_unit_test_setup_teardown(test_file_in_the_way_is_kept, control_rig_set_up,
                                        control_rig_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
