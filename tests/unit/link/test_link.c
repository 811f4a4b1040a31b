/* The link heals: whatever sits at the broker's address for a while, once the broker is back the
 * link is up again after few attempts, and meanwhile the trouble has its right name. */
#include "agent/link/link.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "hosts.h"
#include "lib/base/secret.h"
#include "lib/wire/limits.h"

enum { DEADLINE_MS = 20000, READY_WITHIN_MS = 1500, BACKOFF_MIN_MS = 10, BACKOFF_MAX_MS = 100 };

static struct link *link_of_process;

struct rig {
    struct host host;
    struct curve_secret broker_secret;
    struct curve_public broker_key, own_key;
    struct curve_secret own_secret;
    char endpoint[64];
    struct supervisor supervisor;
    unsigned opened;
    char heard[32]; /* the last frame, when it is short */
};

static int
set_up(void **state)
{
    struct rig *rig = calloc(1, sizeof(*rig));
    assert_non_null(rig);
    curve_new_pair(&rig->broker_key, &rig->broker_secret);
    curve_new_pair(&rig->own_key, &rig->own_secret);
    host_start(&rig->host, HOST_BROKER, 0, &rig->broker_secret);
    (void)snprintf(rig->endpoint, sizeof(rig->endpoint), "tcp://127.0.0.1:%d", rig->host.port);
    const struct supervisor_options options = {
        .backoff_min_ms = BACKOFF_MIN_MS,
        .backoff_max_ms = BACKOFF_MAX_MS,
        .ready_within_ms = READY_WITHIN_MS,
        .random_below = secret_random_below,
    };
    supervisor_init(&rig->supervisor, &options, clock_now());
    *state = rig;
    return 0;
}

static int
tear_down(void **state)
{
    struct rig *rig = *state;
    link_close(link_of_process);
    host_stop(&rig->host);
    free(rig);
    return 0;
}

/* Another host at the same address. */
static void
replace_host(struct rig *rig, enum host_kind kind, const struct curve_secret *key)
{
    int port = rig->host.port;
    host_stop(&rig->host);
    host_start(&rig->host, kind, port, key);
}

static void
obey(struct rig *rig, enum supervisor_action action)
{
    if (action == SUPERVISOR_CLOSE) {
        link_close(link_of_process);
    }
    if (action != SUPERVISOR_OPEN) {
        return;
    }
    enum link_event probed = LINK_EVENT_COUNT;
    if (rig->supervisor.probe_wanted && link_probe(rig->endpoint, &probed)) {
        (void)supervisor_event(&rig->supervisor, probed, clock_now());
    }
    const struct link_options options = {
        .endpoint = rig->endpoint,
        .own_public = &rig->own_key,
        .own_secret = &rig->own_secret,
        .broker = &rig->broker_key,
        .ready_within_ms = READY_WITHIN_MS,
    };
    assert_int_equal(link_open(link_of_process, &options), ERR_OK);
    rig->opened++;
}

static void
take_frames(struct rig *rig)
{
    for (;;) {
        CLEANUP(buffer_done) struct buffer frame = BUFFER_INIT(LIMIT_FRAME_BYTES);
        bool none = true;
        assert_int_equal(link_receive(link_of_process, &frame, &none), ERR_OK);
        if (none) {
            return;
        }
        assert_true(frame.len < sizeof(rig->heard));
        memcpy(rig->heard, frame.data, frame.len);
        rig->heard[frame.len] = '\0';
        if (strcmp(rig->heard, "welcome") == 0) {
            obey(rig, supervisor_event(&rig->supervisor, LINK_READY, clock_now()));
        }
    }
}

/* As the daemon does it, one turn. */
static void
turn(struct rig *rig)
{
    obey(rig, supervisor_turn(&rig->supervisor, clock_now()));
    int64_t left = rig->supervisor.deadline_ms - clock_now().boot_ms;
    assert_int_equal(link_wait(link_of_process, false, NULL, 0, left > 0 ? (int)left + 1 : 0),
                     ERR_OK);
    enum link_event event;
    while (link_next_event(link_of_process, &event)) {
        if (event == LINK_HANDSHAKE_DONE) {
            assert_int_equal(link_send(link_of_process, bytes_of_text("hello")), ERR_OK);
        }
        obey(rig, supervisor_event(&rig->supervisor, event, clock_now()));
    }
    take_frames(rig);
}

static void
run_until_trouble(struct rig *rig, enum link_trouble trouble)
{
    int64_t deadline_ms = clock_now().boot_ms + DEADLINE_MS;
    while (rig->supervisor.trouble != trouble) {
        if (clock_now().boot_ms > deadline_ms) {
            fail_msg("waited for '%s', it is '%s'", supervisor_trouble_name(trouble),
                     supervisor_trouble_name(rig->supervisor.trouble));
        }
        turn(rig);
    }
}

static void
run_until_heard(struct rig *rig, const char *text)
{
    int64_t deadline_ms = clock_now().boot_ms + DEADLINE_MS;
    while (strcmp(rig->heard, text) != 0) {
        assert_true(clock_now().boot_ms < deadline_ms);
        turn(rig);
    }
}

static void
assert_works(struct rig *rig)
{
    rig->opened = 0;
    run_until_trouble(rig, TROUBLE_NONE);
    assert_true(rig->opened <= 3);
    assert_int_equal(link_send(link_of_process, bytes_of_text("ping")), ERR_OK);
    run_until_heard(rig, "ping");
}

static void
test_broker_restarts(void **state)
{
    struct rig *rig = *state;
    assert_works(rig);
    for (unsigned i = 0; i < 3; i++) {
        replace_host(rig, HOST_BROKER, &rig->broker_secret);
        run_until_trouble(rig, TROUBLE_INTERRUPTED);
        assert_works(rig);
    }
}

static void
test_broker_is_down(void **state)
{
    struct rig *rig = *state;
    assert_works(rig);
    int port = rig->host.port;
    host_stop(&rig->host);
    rig->opened = 0;
    run_until_trouble(rig, TROUBLE_NO_ANSWER);
    host_start(&rig->host, HOST_BROKER, port, &rig->broker_secret);
    assert_works(rig);
}

/* Each of these makes a bare DEALER give up for good, or hammer. */
static const struct {
    enum host_kind kind;
    enum link_trouble trouble;
} visitors[] = {
    {HOST_PORTAL, TROUBLE_NOT_A_BROKER}, {HOST_PLAIN, TROUBLE_NOT_A_BROKER},
    {HOST_CLOSING, TROUBLE_NO_ANSWER},   {HOST_SILENT, TROUBLE_NO_ANSWER},
    {HOST_WEB, TROUBLE_NOT_A_BROKER},    {HOST_BROKER, TROUBLE_WRONG_KEY}, /* with another key */
    {HOST_REFUSING, TROUBLE_REFUSED},
};

static void
test_visitors_at_the_address(void **state)
{
    struct rig *rig = *state;
    assert_works(rig);
    for (size_t i = 0; i < ARRAY_LEN(visitors); i++) {
        bool keeps_key = visitors[i].kind == HOST_REFUSING;
        replace_host(rig, visitors[i].kind, keeps_key ? &rig->broker_secret : NULL);
        rig->opened = 0;
        run_until_trouble(rig, visitors[i].trouble);
        assert_true(rig->opened <= 6);
        replace_host(rig, HOST_BROKER, &rig->broker_secret);
        run_until_trouble(rig, TROUBLE_NONE);
        assert_works(rig);
    }
}

static void
test_strange_messages_are_dropped(void **state)
{
    struct rig *rig = *state;
    replace_host(rig, HOST_MANY_FRAMES, &rig->broker_secret);
    uint64_t before = link_dropped(link_of_process);
    run_until_trouble(rig, TROUBLE_NONE); /* the good one after them arrived */
    assert_int_equal(link_dropped(link_of_process) - before, 3);
}

static void
test_huge_frame_costs_the_connection_only(void **state)
{
    struct rig *rig = *state;
    assert_works(rig);
    assert_int_equal(link_send(link_of_process, bytes_of_text("huge")), ERR_OK);
    run_until_trouble(rig, TROUBLE_INTERRUPTED);
    assert_works(rig);
}

static void
test_queue_is_bounded(void **state)
{
    struct rig *rig = *state;
    assert_int_equal(link_send(link_of_process, bytes_of_text("x")), ERR_UNREACHABLE);
    int port = rig->host.port;
    host_stop(&rig->host); /* nobody takes anything */
    obey(rig, SUPERVISOR_OPEN);
    unsigned queued = 0;
    while (queued < 1000 && link_send(link_of_process, bytes_of_text("x")) == ERR_OK) {
        queued++;
    }
    assert_in_range(queued, 1, 64);
    assert_int_equal(link_send(link_of_process, bytes_of_text("x")), ERR_BUSY);
    host_start(&rig->host, HOST_BROKER, port, &rig->broker_secret);
}

static void
test_bad_endpoint(void **state)
{
    struct rig *rig = *state;
    const struct link_options options = {.endpoint = "nonsense",
                                         .own_public = &rig->own_key,
                                         .own_secret = &rig->own_secret,
                                         .broker = &rig->broker_key,
                                         .ready_within_ms = READY_WITHIN_MS};
    assert_int_equal(link_open(link_of_process, &options), ERR_CONFIG);
    assert_false(link_is_open(link_of_process));
}

static void
test_wait_reports_other_descriptors(void **state)
{
    (void)state;
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    struct pollfd entry = {.fd = fds[0], .events = POLLIN};
    assert_int_equal(link_wait(link_of_process, false, &entry, 1, 0), ERR_OK);
    assert_int_equal(entry.revents, 0);
    assert_int_equal(write(fds[1], "x", 1), 1);
    assert_int_equal(link_wait(link_of_process, false, &entry, 1, DEADLINE_MS), ERR_OK);
    assert_int_equal(entry.revents, POLLIN);
    close(fds[1]);
    char got = 0;
    assert_int_equal(read(fds[0], &got, 1), 1);
    assert_int_equal(link_wait(link_of_process, false, &entry, 1, DEADLINE_MS), ERR_OK);
    assert_true(entry.revents != 0); /* hung up */
    close(fds[0]);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_broker_restarts, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_broker_is_down, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_visitors_at_the_address, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_strange_messages_are_dropped, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_huge_frame_costs_the_connection_only, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_queue_is_bounded, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_bad_endpoint, set_up, tear_down),
        cmocka_unit_test(test_wait_reports_other_descriptors),
    };
    bool locked = false;
    if (secret_start(&locked) != ERR_OK || link_new(&link_of_process) != ERR_OK) {
        return 1;
    }
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    link_freep(&link_of_process);
    return failed;
}
