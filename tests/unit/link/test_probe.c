/* The probe tells a broker from anything else, and never takes long. */
#include "agent/link/link.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "hosts.h"
#include "lib/base/secret.h"

enum { PROBE_LIMIT_MS = 2500, SLACK_MS = 1000 };

static const struct {
    enum host_kind kind;
    enum link_event event; /* LINK_EVENT_COUNT: not to be told */
} cases[] = {
    {HOST_BROKER, LINK_PROBED_BROKER},    {HOST_REFUSING, LINK_PROBED_BROKER},
    {HOST_PLAIN, LINK_PROBED_NOT_BROKER}, {HOST_PORTAL, LINK_PROBED_NOT_BROKER},
    {HOST_WEB, LINK_PROBED_NOT_BROKER},   {HOST_CLOSING, LINK_EVENT_COUNT},
    {HOST_SILENT, LINK_EVENT_COUNT},
};

static enum link_event
probe(const char *endpoint)
{
    enum link_event event = LINK_EVENT_COUNT;
    int64_t start_ms = clock_now().boot_ms;
    bool told = link_probe(endpoint, &event);
    assert_true(clock_now().boot_ms - start_ms < PROBE_LIMIT_MS + SLACK_MS);
    assert_int_equal(told, event != LINK_EVENT_COUNT);
    return event;
}

static void
test_hosts(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct host host;
        char endpoint[64];
        host_start(&host, cases[i].kind, 0, NULL);
        (void)snprintf(endpoint, sizeof(endpoint), "tcp://127.0.0.1:%d", host.port);
        enum link_event event = probe(endpoint);
        host_stop(&host);
        if (event != cases[i].event) {
            fail_msg("host %d: %d", (int)cases[i].kind, (int)event);
        }
    }
}

static void
test_nobody(void **state)
{
    (void)state;
    struct host host;
    char endpoint[64];
    host_start(&host, HOST_CLOSING, 0, NULL);
    host_stop(&host);
    (void)snprintf(endpoint, sizeof(endpoint), "tcp://127.0.0.1:%d", host.port);
    assert_int_equal(probe(endpoint), LINK_EVENT_COUNT);
    assert_int_equal(probe("tcp://broker.invalid:7707"), LINK_EVENT_COUNT);
    const char *const bad[] = {"", "tcp://", "tcp://:1", "ipc:///tmp/x", "tcp://a:123456789"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        assert_int_equal(probe(bad[i]), LINK_EVENT_COUNT);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_hosts), cmocka_unit_test(test_nobody)};
    bool locked = false;
    if (secret_start(&locked) != ERR_OK) {
        return 1;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
