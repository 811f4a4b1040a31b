/* The control socket's client, with a server in a thread of its own: that both ends understand one
 * another, and what people are told when they do not. */
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/base/clock.h"
#include "lib/base/text.h"
#include "tests/unit/edge/control_rig.h"

struct serving {
    struct control_rig *rig;
    int stop[2];
};

static void *
serve(void *argument)
{
    struct serving *serving = argument;
    for (;;) {
        struct pollfd fds[CONTROL_CONNECTIONS_MAX + 2];
        fds[0] = (struct pollfd){.fd = serving->stop[0], .events = POLLIN};
        size_t n = control_server_poll(serving->rig->server, fds + 1, ARRAY_LEN(fds) - 1);
        if (poll(fds, (nfds_t)n + 1, DEADLINE_MS) <= 0 || fds[0].revents != 0) {
            return NULL;
        }
        control_server_turn(serving->rig->server, fds + 1, n, clock_now().boot_ms);
    }
}

static pthread_t
start_serving(struct serving *serving, struct control_rig *rig)
{
    pthread_t thread;
    serving->rig = rig;
    assert_int_equal(pipe2(serving->stop, O_CLOEXEC), 0);
    assert_int_equal(pthread_create(&thread, NULL, serve, serving), 0);
    return thread;
}

static void
stop_serving(struct serving *serving, pthread_t thread)
{
    close(serving->stop[1]);
    assert_int_equal(pthread_join(thread, NULL), 0);
    close(serving->stop[0]);
}

static void
assert_call_echoes(struct control_client *client, size_t len)
{
    char *text = malloc(len + 1);
    assert_non_null(text);
    memset(text, 'e', len);
    text[len] = '\0';
    json_t *request = json_pack("{s:s,s:s}", "command", "a", "text", text);
    json_t *answer = NULL;
    struct complaint complaint;
    assert_int_equal(control_client_call(client, request, DEADLINE_MS, &answer, &complaint),
                     ERR_OK);
    assert_string_equal(json_string_value(json_object_get(answer, "echo")), text);
    json_decref(answer);
    json_decref(request);
    free(text);
}

static void
test_client_round_trip(void **state)
{
    struct serving serving;
    struct control_rig *rig = *state;
    pthread_t thread = start_serving(&serving, rig);
    CLEANUP(control_client_closep) struct control_client *client = NULL;
    struct complaint complaint;
    assert_int_equal(control_client_open(rig->home, "refloop-agent", &client, &complaint), ERR_OK);
    assert_call_echoes(client, 5);
    assert_call_echoes(client, 3 * 1024 * 1024); /* many partial writes and reads */
    json_t *watch = json_pack("{s:s}", "command", "watch");
    json_t *answer = NULL;
    assert_int_equal(control_client_call(client, watch, DEADLINE_MS, &answer, &complaint), ERR_OK);
    json_decref(watch);
    json_decref(answer);
    answer = NULL;
    assert_int_equal(control_client_next(client, 1, &answer, &complaint), ERR_BUSY);
    assert_null(answer);
    stop_serving(&serving, thread);
    json_t *message = control_ok();
    control_server_publish(rig->server, message);
    json_decref(message);
    assert_int_equal(control_client_next(client, -1, &answer, &complaint), ERR_OK);
    json_decref(answer);
}

static void
test_client_says_what_is_wrong(void **state)
{
    struct control_rig *rig = *state;
    CLEANUP(control_client_closep) struct control_client *client = NULL;
    struct complaint complaint;
    /* Nobody turns the server's crank. */
    assert_int_equal(control_client_open(rig->home, "refloop-agent", &client, &complaint), ERR_OK);
    json_t *request = json_pack("{s:s}", "command", "a");
    json_t *answer = NULL;
    assert_int_equal(control_client_call(client, request, 1, &answer, &complaint), ERR_BUSY);
    assert_int_equal(control_client_call(client, request, 1, &answer, &complaint), ERR_UNREACHABLE);
    json_decref(request);
    json_t *huge = json_object();
    char *filler = calloc(1, CONTROL_REQUEST_BYTES + 1);
    memset(filler, 'x', CONTROL_REQUEST_BYTES);
    json_object_set_new(huge, "text", json_string(filler));
    free(filler);
    control_client_closep(&client);
    assert_int_equal(control_client_open(rig->home, "refloop-agent", &client, &complaint), ERR_OK);
    assert_int_equal(control_client_call(client, huge, 1, &answer, &complaint), ERR_TOO_LARGE);
    json_decref(huge);
    control_server_close(rig->server);
    rig->server = NULL;
    struct control_client *none = NULL;
    assert_int_equal(control_client_open(rig->home, "refloop-agent", &none, &complaint),
                     ERR_UNREACHABLE);
    assert_non_null(strstr(complaint.text, "start it with: refloop-agent --home /tmp/"));
    assert_null(none);
}

static void
test_long_home(void **state)
{
    struct control_rig *rig = *state;
    control_server_close(rig->server);
    rig->server = NULL;
    char shorter[FILE_PATH_MAX];
    strcpy(shorter, rig->home);
    char deep[FILE_PATH_MAX];
    assert_true(text_format(deep, sizeof(deep), "%s/%0120d", shorter, 7));
    strcpy(rig->home, deep);
    assert_int_equal(mkdir(rig->home, 0700), 0);
    struct complaint complaint;
    assert_int_equal(
        control_server_open(rig->home, control_rig_handle, rig, &rig->server, &complaint), ERR_OK);
    struct serving serving;
    pthread_t thread = start_serving(&serving, rig);
    CLEANUP(control_client_closep) struct control_client *client = NULL;
    assert_int_equal(control_client_open(rig->home, "refloop-agent", &client, &complaint), ERR_OK);
    assert_call_echoes(client, 9);
    stop_serving(&serving, thread);
    control_server_close(rig->server);
    rig->server = NULL;
    assert_int_equal(rmdir(rig->home), 0);
    strcpy(rig->home, shorter);
}

static void
test_error_shape(void **state)
{
    (void)state;
    json_t *answer = control_error(ERR_WRONG_STATE, NULL);
    json_t *error = json_object_get(answer, "error");
    assert_string_equal(json_string_value(json_object_get(error, "code")), "wrong-state");
    assert_string_equal(json_string_value(json_object_get(error, "text")),
                        err_text(ERR_WRONG_STATE));
    json_decref(answer);
    answer = control_error(ERR_IO, "not UTF-8: \xff");
    assert_non_null(answer);
    json_decref(answer);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_client_round_trip, control_rig_set_up,
                                        control_rig_tear_down),
        cmocka_unit_test_setup_teardown(test_client_says_what_is_wrong, control_rig_set_up,
                                        control_rig_tear_down),
        cmocka_unit_test_setup_teardown(test_long_home, control_rig_set_up, control_rig_tear_down),
        cmocka_unit_test(test_error_shape),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
