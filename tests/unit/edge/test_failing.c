/* The edge on a machine that gives way: every system call and every allocation of a conversation
 * fails once, and of opening either end. Each time both ends say so or go on, and the next
 * conversation is as if nothing had been. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>
#include <errno.h>
#include <ftw.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/edge/control_frame.h"
#include "lib/edge/daemon.h"
#include "lib/edge/fields.h"
#include "lib/edge/table.h"
#include "lib/edge/terminal.h"
#include "tests/support/fail_alloc.h"
#include "tests/support/fail_call.h"
#include "tests/unit/edge/control_rig.h"

enum { FDS = 80, CALLS_MAX = 400 };

static const int codes[] = {EIO, EINTR, EACCES, ENOMEM, EPIPE};

/* ---- client and server ---- */

struct talk {
    struct control_rig *rig;
    enum err err;
    bool sound; /* an answer or words, never neither */
    bool done;
};

static void *
ask(void *context)
{
    struct talk *talk = context;
    struct complaint complaint = {""};
    CLEANUP(control_client_closep) struct control_client *client = NULL;
    talk->err = control_client_open(talk->rig->home, "refloop-agent", &client, &complaint);
    if (talk->err == ERR_OK) {
        json_t *request = json_pack("{s:s,s:s}", "cmd", "echo", "text", "hello");
        json_t *answer = NULL;
        talk->err = control_client_call(client, request, DEADLINE_MS, &answer, &complaint);
        talk->sound = (answer != NULL) == (talk->err == ERR_OK);
        json_decref(request);
        json_decref(answer);
    }
    talk->sound = talk->sound && (talk->err == ERR_OK || complaint.text[0] != '\0');
    __atomic_store_n(&talk->done, true, __ATOMIC_RELEASE);
    return NULL;
}

static enum err
converse(struct control_rig *rig)
{
    struct talk talk = {.rig = rig, .sound = true};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, ask, &talk), 0);
    while (!__atomic_load_n(&talk.done, __ATOMIC_ACQUIRE)) {
        struct pollfd fds[FDS];
        size_t n = control_server_poll(rig->server, fds, FDS);
        (void)poll(fds, (nfds_t)n, 1);
        control_server_turn(rig->server, fds, n, rig->boot_ms);
    }
    assert_int_equal(pthread_join(thread, NULL), 0);
    if (!talk.sound) {
        fail_msg("%s, and %s failed: told without words", err_name(talk.err), fail_call_where());
    }
    return talk.err;
}

/* Both threads count together, so which call fails may differ from run to run; what must hold does
 * not. */
static void
conversations_survive(void **state)
{
    struct control_rig *rig = *state;
    unsigned n_failed = 0;
    for (size_t i = 0; i < ARRAY_LEN(codes); i++) {
        for (unsigned long n = 1; n < 16; n++) {
            fail_call_at(FAIL_SYSTEM, n, codes[i]);
            n_failed += converse(rig) != ERR_OK;
            (void)fail_call_off();
            if (converse(rig) != ERR_OK) {
                fail_msg("after %s failed with %d, nobody is heard", fail_call_where(), codes[i]);
            }
        }
    }
    for (unsigned long n = 1; n < 12; n++) {
        fail_alloc_at(n);
        n_failed += converse(rig) != ERR_OK;
        (void)fail_alloc_off();
        assert_int_equal(converse(rig), ERR_OK);
    }
    print_message("%u conversations failed\n", n_failed);
    assert_true(n_failed > 10);
}

/* ---- opening ---- */

static enum err
open_server(const char *home)
{
    struct complaint complaint = {""};
    struct control_server *server = NULL;
    enum err err = control_server_open(home, control_rig_handle, NULL, &server, &complaint);
    assert_true((server != NULL) == (err == ERR_OK));
    assert_true(err == ERR_OK || complaint.text[0] != '\0');
    control_server_close(server);
    return err;
}

static enum err
make_home(const char *home)
{
    struct complaint complaint = {""};
    char path[FILE_PATH_MAX];
    (void)snprintf(path, sizeof(path), "%.200s/made", home);
    enum err err = daemon_home_make(path, &complaint);
    assert_true(err == ERR_OK || complaint.text[0] != '\0');
    (void)rmdir(path);
    return err;
}

static enum err
find_home(const char *home)
{
    struct complaint complaint = {""};
    char found[FILE_PATH_MAX] = "untouched";
    (void)home;
    enum err err = daemon_home_find("somewhere", NULL, found, &complaint);
    assert_true((strcmp(found, "untouched") == 0) == (err != ERR_OK));
    return err;
}

static enum err
take_signals(const char *home)
{
    int fd = -1;
    (void)home;
    enum err err = daemon_signals_open(&fd);
    assert_true((fd >= 0) == (err == ERR_OK));
    if (fd >= 0) {
        (void)close(fd);
    }
    return err;
}

static enum err
read_passphrase(const char *home)
{
    struct complaint complaint = {""};
    char path[FILE_PATH_MAX];
    char out[64] = "untouched";
    (void)snprintf(path, sizeof(path), "%.200s/passphrase", home);
    enum err err = terminal_read_passphrase("Passphrase: ", path, out, sizeof(out), &complaint);
    assert_string_equal(out, err == ERR_OK ? "correct horse" : "untouched");
    assert_true(err == ERR_OK || complaint.text[0] != '\0');
    return err;
}

static unsigned
sweep(const char *what, enum err (*attempt)(const char *home), const char *home)
{
    unsigned n_failed = 0;
    for (size_t i = 0; i < ARRAY_LEN(codes); i++) {
        bool has_failed = true;
        for (unsigned long n = 1; has_failed; n++) {
            fail_call_at(FAIL_SYSTEM, n, codes[i]);
            enum err err = attempt(home);
            has_failed = fail_call_off();
            if (n > CALLS_MAX || (!has_failed && err != ERR_OK)) {
                fail_msg("%s, call %lu (%s), errno %d: %s", what, n, fail_call_where(), codes[i],
                         err_name(err));
            }
            n_failed += err != ERR_OK;
        }
    }
    for (bool has_failed = true, first = true; has_failed; first = false) {
        fail_alloc_at(first ? 1 : 2);
        enum err err = attempt(home);
        has_failed = fail_alloc_off() && first;
        assert_true(err == ERR_OK || err == ERR_MEMORY);
    }
    print_message("%s: failed %u times\n", what, n_failed);
    assert_int_equal(attempt(home), ERR_OK);
    return n_failed;
}

static void
opening_fails_with_words(void **state)
{
    struct control_rig *rig = *state;
    char home[FILE_PATH_MAX];
    char path[FILE_PATH_MAX];
    (void)snprintf(home, sizeof(home), "%.200s/other", rig->home);
    (void)snprintf(path, sizeof(path), "%.200s/passphrase", home);
    assert_int_equal(mkdir(home, 0700), 0);
    assert_int_equal(file_create(path, bytes_of_text("correct horse\n"), 0600), ERR_OK);
    assert_true(sweep("control socket", open_server, home) > 10);
    assert_true(sweep("home", make_home, home) > 2);
    assert_true(sweep("name of the home", find_home, home) > 2);
    assert_true(sweep("signals", take_signals, home) > 4);
    assert_true(sweep("passphrase", read_passphrase, home) > 4);
    assert_int_equal(unlink(path), 0);
    (void)snprintf(path, sizeof(path), "%.200s/control.sock", home);
    (void)unlink(path);
    (void)snprintf(path, sizeof(path), "%.200s/control.lock", home);
    (void)unlink(path);
    (void)rmdir(home);
}

/* ---- tables, frames and fields ---- */

static void
a_table_is_whole_or_none(void **state)
{
    static const char *const titles[] = {"name", "state"};
    static const char *const row[] = {"Elm Pantry", NULL};
    (void)state;
    for (unsigned long n = 1; n <= 5; n++) {
        fail_alloc_at(n);
        struct table *table = table_new(titles, 2);
        assert_true(fail_alloc_off() == (table == NULL));
        table_free(table);
    }
    struct table *table = table_new(titles, 2);
    assert_non_null(table);
    unsigned n_failed = 0;
    enum err err = ERR_MEMORY;
    for (unsigned long n = 1; err != ERR_OK; n++) {
        fail_alloc_at(n);
        err = table_add(table, row);
        assert_int_equal(err, fail_alloc_off() ? ERR_MEMORY : ERR_OK);
        n_failed += err != ERR_OK;
    }
    assert_true(n_failed >= 2);
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    assert_non_null(out);
    fail_alloc_at(1);
    assert_int_equal(table_print(table, 0, false, out), ERR_MEMORY);
    assert_true(fail_alloc_off());
    assert_int_equal(table_print(table, 0, false, out), ERR_OK);
    (void)fclose(out);
    assert_string_equal(text, "name        state\nElm Pantry\n");
    free(text);
    FILE *full = fopen("/dev/full", "w");
    assert_non_null(full);
    assert_int_equal(setvbuf(full, NULL, _IONBF, 0), 0);
    assert_int_equal(table_print(table, 0, true, full), ERR_IO);
    (void)fclose(full);
    table_free(table);
}

static void
frames_are_whole_or_none(void **state)
{
    (void)state;
    json_t *message = json_pack("{s:s}", "cmd", "echo");
    CLEANUP(buffer_done) struct buffer out = BUFFER_INIT(20);
    assert_int_equal(control_frame_put(&out, message, 100), ERR_OK);
    size_t len = out.len;
    assert_int_equal(control_frame_put(&out, message, 100), ERR_TOO_LARGE);
    assert_int_equal(control_frame_put(&out, message, 5), ERR_TOO_LARGE);
    assert_int_equal(out.len, len);
    json_t *again = control_frame_parse(buffer_view(&out));
    assert_true(json_equal(message, again));
    json_decref(again);
    assert_null(control_frame_parse(bytes_of(out.data, 4)));
    assert_null(control_frame_parse(bytes_of("\0\0\0\2[]", 6)));
    assert_null(control_frame_parse(bytes_of("\0\0\0\2{{", 6)));
    CLEANUP(buffer_done) struct buffer none = BUFFER_INIT(1000);
    fail_alloc_at(1);
    assert_int_equal(control_frame_put(&none, message, 100), ERR_MEMORY);
    assert_true(fail_alloc_off());
    assert_int_equal(none.len, 0);
    assert_int_equal(control_frame_put(&none, message, 100), ERR_OK);
    json_decref(message);
    json_t *object = json_object();
    assert_int_equal(fields_set(object, "name", NULL), ERR_OK);
    assert_int_equal(json_object_size(object), 0);
    assert_int_equal(fields_set(object, "name", "\xff"), ERR_INVALID);
    assert_int_equal(fields_set(object, "name", "Zo\xc3\xab"), ERR_OK);
    assert_int_equal(json_object_size(object), 1);
    json_decref(object);
}

#define RIG_TEST(test)                                                                             \
    cmocka_unit_test_setup_teardown(test, control_rig_set_up, control_rig_tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(conversations_survive),
        RIG_TEST(opening_fails_with_words),
        cmocka_unit_test(a_table_is_whole_or_none),
        cmocka_unit_test(frames_are_whole_or_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
