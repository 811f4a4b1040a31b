/* The link's rules: every outage gets its name, a pause and a new attempt, and never too many. */
#include "agent/supervise/supervisor.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

enum { MIN_MS = 1000, MAX_MS = 300000, READY_MS = 20000, DAY_MS = 24 * 3600 * 1000 };

static uint32_t seed = 1;
static enum { DRAW_LOW, DRAW_HIGH, DRAW_ANY } draw = DRAW_ANY;

static uint32_t
random_below(uint32_t bound)
{
    assert_true(bound > 0);
    if (draw != DRAW_ANY) {
        return draw == DRAW_LOW ? 0 : bound - 1;
    }
    seed = seed * 1664525U + 1013904223U;
    return (uint32_t)((uint64_t)seed * bound >> 32);
}

/* Wall time starts elsewhere, so that nobody takes one for the other. */
static struct instant
at(int64_t ms)
{
    return (struct instant){.wall_ms = 1700000000000 + ms, .boot_ms = ms};
}

static struct supervisor
fresh(int64_t ms)
{
    const struct supervisor_options options = {
        .backoff_min_ms = MIN_MS,
        .backoff_max_ms = MAX_MS,
        .ready_within_ms = READY_MS,
        .random_below = random_below,
    };
    struct supervisor supervisor;
    supervisor_init(&supervisor, &options, at(ms));
    return supervisor;
}

/* Turns at every deadline until the next attempt; gives its time. */
static int64_t
run_to_open(struct supervisor *supervisor, int64_t ms)
{
    for (unsigned i = 0; i < 1000; i++) {
        int64_t due = supervisor->deadline_ms > ms ? supervisor->deadline_ms : ms;
        enum supervisor_action action = supervisor_turn(supervisor, at(due));
        ms = due;
        if (action == SUPERVISOR_OPEN) {
            return ms;
        }
        assert_int_equal(action, SUPERVISOR_NOTHING);
    }
    fail_msg("no attempt came");
    return 0;
}

static void
expect(struct supervisor *supervisor, enum link_event event, int64_t ms,
       enum supervisor_action action)
{
    assert_int_equal(supervisor_event(supervisor, event, at(ms)), action);
}

static int64_t
run_to_ready(struct supervisor *supervisor, int64_t ms)
{
    ms = run_to_open(supervisor, ms);
    expect(supervisor, LINK_TCP_CONNECTED, ms, SUPERVISOR_NOTHING);
    expect(supervisor, LINK_HANDSHAKE_DONE, ms, SUPERVISOR_NOTHING);
    expect(supervisor, LINK_READY, ms, SUPERVISOR_NOTHING);
    assert_int_equal(supervisor->phase, PHASE_READY);
    assert_int_equal(supervisor->trouble, TROUBLE_NONE);
    return ms;
}

static void
test_first_attempt_is_at_once(void **state)
{
    (void)state;
    struct supervisor supervisor = fresh(5000);
    assert_int_equal(supervisor.trouble, TROUBLE_STARTING);
    assert_int_equal(supervisor.deadline_ms, 5000);
    assert_int_equal(supervisor_turn(&supervisor, at(5000)), SUPERVISOR_OPEN);
    assert_int_equal(supervisor_turn(&supervisor, at(5001)), SUPERVISOR_NOTHING);
    assert_int_equal(supervisor.trouble, TROUBLE_STARTING);
}

/* What one attempt shows, and the name it gets. NONE ends a list. */
static const struct {
    const char *what;
    bool was_ready;
    enum link_event events[5]; /* LINK_EVENT_COUNT ends; the last one closes */
    enum link_trouble trouble;
} stories[] = {
    {"refused port", false, {LINK_TCP_FAILED, LINK_EVENT_COUNT}, TROUBLE_NO_ANSWER},
    {"ZAP 400",
     false,
     {LINK_TCP_CONNECTED, LINK_HANDSHAKE_REFUSED, LINK_EVENT_COUNT},
     TROUBLE_REFUSED},
    {"closed before CURVE: not known yet",
     false,
     {LINK_TCP_CONNECTED, LINK_CLOSED, LINK_EVENT_COUNT},
     TROUBLE_STARTING},
    {"protocol error: not known yet",
     false,
     {LINK_TCP_CONNECTED, LINK_HANDSHAKE_FAILED, LINK_EVENT_COUNT},
     TROUBLE_STARTING},
    {"silent before CURVE",
     false,
     {LINK_TCP_CONNECTED, LINK_DOUBT, LINK_EVENT_COUNT},
     TROUBLE_NO_ANSWER},
    {"closed before welcome",
     false,
     {LINK_TCP_CONNECTED, LINK_HANDSHAKE_DONE, LINK_CLOSED, LINK_EVENT_COUNT},
     TROUBLE_INTERRUPTED},
    {"silent before welcome",
     false,
     {LINK_TCP_CONNECTED, LINK_HANDSHAKE_DONE, LINK_DOUBT, LINK_EVENT_COUNT},
     TROUBLE_INTERRUPTED},
    {"connection lost", true, {LINK_CLOSED, LINK_EVENT_COUNT}, TROUBLE_INTERRUPTED},
    {"broker silent", true, {LINK_DOUBT, LINK_EVENT_COUNT}, TROUBLE_INTERRUPTED},
};

static void
test_every_trouble_has_its_name(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(stories); i++) {
        struct supervisor supervisor = fresh(0);
        int64_t ms =
            stories[i].was_ready ? run_to_ready(&supervisor, 0) : run_to_open(&supervisor, 0);
        for (size_t k = 0; stories[i].events[k] != LINK_EVENT_COUNT; k++) {
            bool last = stories[i].events[k + 1] == LINK_EVENT_COUNT;
            expect(&supervisor, stories[i].events[k], ms + 100,
                   last ? SUPERVISOR_CLOSE : SUPERVISOR_NOTHING);
        }
        if (supervisor.trouble != stories[i].trouble) {
            fail_msg("%s: %s", stories[i].what, supervisor_trouble_name(supervisor.trouble));
        }
        assert_int_equal(supervisor.phase, PHASE_WAITING);
        /* What a socket says after it was dropped changes nothing. */
        for (int late = 0; late < LINK_PROBED_NOT_BROKER; late++) {
            struct supervisor before = supervisor;
            expect(&supervisor, (enum link_event)late, ms + 200, SUPERVISOR_NOTHING);
            assert_memory_equal(&before, &supervisor, sizeof(before));
        }
        int64_t next = run_to_open(&supervisor, ms + 100);
        assert_in_range(next - ms - 100, MIN_MS, 4 * MIN_MS);
    }
}

static void
test_patience_ends(void **state)
{
    (void)state;
    struct supervisor supervisor = fresh(0);
    (void)run_to_open(&supervisor, 0);
    assert_int_equal(supervisor_turn(&supervisor, at(READY_MS - 1)), SUPERVISOR_NOTHING);
    assert_int_equal(supervisor_turn(&supervisor, at(READY_MS)), SUPERVISOR_CLOSE);
    assert_int_equal(supervisor.trouble, TROUBLE_NO_ANSWER);
    assert_int_equal(supervisor.phase, PHASE_WAITING);
}

static void
test_ready_stays_ready(void **state)
{
    (void)state;
    struct supervisor supervisor = fresh(0);
    int64_t ms = run_to_ready(&supervisor, 0);
    for (unsigned i = 0; i < 1000; i++) {
        assert_in_range(supervisor.deadline_ms - ms, 1, 15000); /* else a sleep goes unnoticed */
        ms = supervisor.deadline_ms;
        assert_int_equal(supervisor_turn(&supervisor, at(ms)), SUPERVISOR_NOTHING);
    }
    assert_int_equal(supervisor.trouble, TROUBLE_NONE);
    /* An event of the past that comes late. */
    expect(&supervisor, LINK_HANDSHAKE_DONE, ms, SUPERVISOR_NOTHING);
    assert_int_equal(supervisor.phase, PHASE_READY);
}

static void
test_pauses_grow_within_bounds(void **state)
{
    (void)state;
    for (int extreme = DRAW_LOW; extreme <= DRAW_HIGH; extreme++) {
        struct supervisor supervisor = fresh(0);
        draw = extreme == DRAW_LOW ? DRAW_LOW : DRAW_HIGH;
        int64_t ms = run_to_ready(&supervisor, 0);
        expect(&supervisor, LINK_CLOSED, ms, SUPERVISOR_CLOSE);
        int64_t bound = 2 * MIN_MS;
        for (unsigned i = 0; i < 40; i++) {
            int64_t next = run_to_open(&supervisor, ms);
            assert_int_equal(next - ms, extreme == DRAW_LOW ? MIN_MS : bound);
            bound = 2 * bound < MAX_MS ? 2 * bound : MAX_MS;
            ms = next;
            expect(&supervisor, LINK_TCP_FAILED, ms, SUPERVISOR_CLOSE);
        }
        ms = run_to_ready(&supervisor, ms); /* a welcome forgets it all */
        expect(&supervisor, LINK_CLOSED, ms, SUPERVISOR_CLOSE);
        assert_in_range(run_to_open(&supervisor, ms) - ms, MIN_MS, 2 * MIN_MS);
    }
    draw = DRAW_ANY;
}

static void
test_pauses_are_spread(void **state)
{
    (void)state;
    unsigned buckets[10] = {0};
    for (unsigned i = 0; i < 1000; i++) {
        struct supervisor supervisor = fresh(0);
        int64_t ms = run_to_ready(&supervisor, 0);
        expect(&supervisor, LINK_CLOSED, ms, SUPERVISOR_CLOSE);
        int64_t pause = run_to_open(&supervisor, ms) - ms;
        buckets[(pause - MIN_MS) * 10 / (MIN_MS + 1)]++;
    }
    for (size_t i = 0; i < ARRAY_LEN(buckets); i++) {
        assert_in_range(buckets[i], 50, 150);
    }
}

static void
test_since_is_the_beginning(void **state)
{
    (void)state;
    struct supervisor supervisor = fresh(0);
    int64_t ms = run_to_ready(&supervisor, 0);
    int64_t lost = ms + 60000;
    expect(&supervisor, LINK_CLOSED, lost, SUPERVISOR_CLOSE);
    ms = lost;
    for (unsigned i = 0; i < 5; i++) {
        ms = run_to_open(&supervisor, ms);
        expect(&supervisor, LINK_TCP_FAILED, ms, SUPERVISOR_CLOSE);
        assert_int_equal(supervisor.trouble, TROUBLE_NO_ANSWER);
        assert_int_equal(supervisor.trouble_since_ms, at(lost).wall_ms);
    }
    ms = run_to_ready(&supervisor, ms);
    assert_int_equal(supervisor.trouble_since_ms, at(ms).wall_ms);
}

static int64_t
unfinished_attempt(struct supervisor *supervisor, int64_t ms)
{
    ms = run_to_open(supervisor, ms);
    expect(supervisor, LINK_TCP_CONNECTED, ms, SUPERVISOR_NOTHING);
    expect(supervisor, LINK_CLOSED, ms, SUPERVISOR_CLOSE);
    return ms;
}

static void
test_probe_is_wanted_after_two(void **state)
{
    (void)state;
    struct supervisor supervisor = fresh(0);
    int64_t ms = unfinished_attempt(&supervisor, 0);
    assert_false(supervisor.probe_wanted);
    ms = unfinished_attempt(&supervisor, ms);
    assert_true(supervisor.probe_wanted);
    expect(&supervisor, LINK_PROBED_NOT_BROKER, ms, SUPERVISOR_NOTHING);
    assert_int_equal(supervisor.trouble, TROUBLE_NOT_A_BROKER);
    assert_false(supervisor.probe_wanted);
    /* A further attempt without a word keeps the name, and asks again. */
    ms = unfinished_attempt(&supervisor, ms);
    assert_int_equal(supervisor.trouble, TROUBLE_NOT_A_BROKER);
    assert_true(supervisor.probe_wanted);
    expect(&supervisor, LINK_PROBED_BROKER, ms, SUPERVISOR_NOTHING);
    assert_int_equal(supervisor.trouble, TROUBLE_WRONG_KEY);
    ms = unfinished_attempt(&supervisor, ms);
    assert_int_equal(supervisor.trouble, TROUBLE_WRONG_KEY);
    (void)run_to_ready(&supervisor, ms);
    assert_false(supervisor.probe_wanted);
}

static void
test_probe_is_not_wanted_otherwise(void **state)
{
    (void)state;
    struct supervisor supervisor = fresh(0);
    int64_t ms = unfinished_attempt(&supervisor, 0);
    ms = run_to_open(&supervisor, ms);
    expect(&supervisor, LINK_TCP_FAILED, ms, SUPERVISOR_CLOSE); /* breaks the row */
    ms = unfinished_attempt(&supervisor, ms);
    assert_false(supervisor.probe_wanted);
    ms = run_to_open(&supervisor, ms);
    expect(&supervisor, LINK_TCP_CONNECTED, ms, SUPERVISOR_NOTHING);
    expect(&supervisor, LINK_HANDSHAKE_REFUSED, ms, SUPERVISOR_CLOSE);
    assert_false(supervisor.probe_wanted);
}

static void
test_slow_broker_is_no_impostor(void **state)
{
    (void)state;
    struct supervisor supervisor = fresh(0);
    int64_t ms = 0;
    for (unsigned i = 0; i < 2; i++) {
        ms = run_to_open(&supervisor, ms);
        expect(&supervisor, LINK_TCP_CONNECTED, ms, SUPERVISOR_NOTHING);
        assert_int_equal(supervisor_turn(&supervisor, at(ms + READY_MS)), SUPERVISOR_CLOSE);
        ms += READY_MS;
    }
    assert_true(supervisor.probe_wanted);
    expect(&supervisor, LINK_PROBED_BROKER, ms, SUPERVISOR_NOTHING);
    assert_int_equal(supervisor.trouble, TROUBLE_NO_ANSWER);
}

static void
test_silent_probe_ends_as_no_answer(void **state)
{
    (void)state;
    struct supervisor supervisor = fresh(0);
    int64_t ms = 0;
    for (unsigned i = 0; i < 3; i++) { /* accepts and closes, and the probe learns nothing */
        ms = unfinished_attempt(&supervisor, ms);
    }
    assert_int_equal(supervisor.trouble, TROUBLE_NO_ANSWER);
}

static void
test_sleep_is_noticed(void **state)
{
    (void)state;
    struct supervisor supervisor = fresh(0);
    int64_t ms = run_to_ready(&supervisor, 0) + 3600 * 1000;
    assert_int_equal(supervisor_turn(&supervisor, at(ms)), SUPERVISOR_CLOSE);
    assert_int_equal(supervisor.trouble, TROUBLE_SUSPENDED);
    assert_int_equal(supervisor.trouble_since_ms, at(ms).wall_ms);
    assert_int_equal(supervisor_turn(&supervisor, at(ms)), SUPERVISOR_OPEN); /* without a pause */

    supervisor = fresh(0); /* asleep in the middle of a long pause */
    ms = 0;
    for (unsigned i = 0; i < 12; i++) {
        ms = run_to_open(&supervisor, ms);
        draw = DRAW_HIGH;
        expect(&supervisor, LINK_TCP_FAILED, ms, SUPERVISOR_CLOSE);
        draw = DRAW_ANY;
    }
    assert_int_equal(supervisor.due_ms - ms, MAX_MS);
    assert_int_equal(supervisor_turn(&supervisor, at(ms + 60000)), SUPERVISOR_OPEN);
    assert_int_equal(supervisor.trouble, TROUBLE_NO_ANSWER); /* what was known stays known */
    assert_int_equal(supervisor.attempts, 1);
}

static void
test_slow_turn_is_no_sleep(void **state)
{
    (void)state;
    struct supervisor supervisor = fresh(0);
    int64_t ms = run_to_ready(&supervisor, 0);
    for (unsigned i = 0; i < 100; i++) {
        ms += 29000;
        assert_int_equal(supervisor_turn(&supervisor, at(ms)), SUPERVISOR_NOTHING);
    }
}

/* A day with each kind of broken broker: the busiest second has one attempt. */
static const struct {
    const char *what;
    enum link_event events[4];
} broken[] = {
    {"down", {LINK_TCP_FAILED, LINK_EVENT_COUNT}},
    {"portal", {LINK_TCP_CONNECTED, LINK_CLOSED, LINK_EVENT_COUNT}},
    {"wrong key", {LINK_TCP_CONNECTED, LINK_HANDSHAKE_FAILED, LINK_EVENT_COUNT}},
    {"refuses", {LINK_TCP_CONNECTED, LINK_HANDSHAKE_REFUSED, LINK_EVENT_COUNT}},
    {"closes after CURVE",
     {LINK_TCP_CONNECTED, LINK_HANDSHAKE_DONE, LINK_CLOSED, LINK_EVENT_COUNT}},
};

static void
test_a_day_of_trouble(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(broken); i++) {
        struct supervisor supervisor = fresh(0);
        int64_t ms = 0;
        unsigned attempts = 0;
        while (ms < DAY_MS) {
            int64_t next = run_to_open(&supervisor, ms);
            if (attempts > 0) {
                assert_true(next - ms >= MIN_MS);
                assert_true(next - ms <= MAX_MS);
            }
            ms = next;
            attempts++;
            for (size_t k = 0; broken[i].events[k] != LINK_EVENT_COUNT; k++) {
                (void)supervisor_event(&supervisor, broken[i].events[k], at(ms));
            }
        }
        /* About one every 150 s once the pauses have grown. */
        if (attempts > 700 || attempts < 400) {
            fail_msg("%s: %u attempts in a day", broken[i].what, attempts);
        }
    }
}

/* A broker that welcomes and hangs up at once is the worst case: the pauses never grow. */
static void
test_welcome_and_hang_up(void **state)
{
    (void)state;
    struct supervisor supervisor = fresh(0);
    int64_t ms = 0;
    unsigned attempts = 0;
    for (; ms < DAY_MS; attempts++) {
        ms = run_to_ready(&supervisor, ms);
        expect(&supervisor, LINK_CLOSED, ms, SUPERVISOR_CLOSE);
    }
    assert_true(attempts <= DAY_MS / MIN_MS);
}

static void
test_names(void **state)
{
    (void)state;
    for (int i = 0; i < TROUBLE_COUNT; i++) {
        for (int k = 0; k < i; k++) {
            assert_string_not_equal(supervisor_trouble_name((enum link_trouble)i),
                                    supervisor_trouble_name((enum link_trouble)k));
        }
    }
    assert_string_equal(supervisor_trouble_name(TROUBLE_NOT_A_BROKER), "not-a-broker");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_first_attempt_is_at_once),
        cmocka_unit_test(test_every_trouble_has_its_name),
        cmocka_unit_test(test_patience_ends),
        cmocka_unit_test(test_ready_stays_ready),
        cmocka_unit_test(test_pauses_grow_within_bounds),
        cmocka_unit_test(test_pauses_are_spread),
        cmocka_unit_test(test_since_is_the_beginning),
        cmocka_unit_test(test_probe_is_wanted_after_two),
        cmocka_unit_test(test_probe_is_not_wanted_otherwise),
        cmocka_unit_test(test_slow_broker_is_no_impostor),
        cmocka_unit_test(test_silent_probe_ends_as_no_answer),
        cmocka_unit_test(test_sleep_is_noticed),
        cmocka_unit_test(test_slow_turn_is_no_sleep),
        cmocka_unit_test(test_a_day_of_trouble),
        cmocka_unit_test(test_welcome_and_hang_up),
        cmocka_unit_test(test_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
