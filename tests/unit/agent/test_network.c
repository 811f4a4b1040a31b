/* A network that loses, doubles and delays frames, links that come and go, agents that are closed
 * and opened again at any moment: in the end nothing is lost, nothing is there twice, and everybody
 * agrees. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/agent/fake_rig.h"

enum { ROUNDS = 2000 };

struct weather {
    bool restarts;
    bool moods; /* the broker refuses now and then, for no good reason */
    size_t n_members;
};

static const enum err moods[] = {ERR_QUOTA,      ERR_BUSY,         ERR_SEQUENCE,
                                 ERR_READER_KEY, ERR_EQUIVOCATION, ERR_WRONG_STATE};

static void
round_of(struct fake_rig *fake, const struct weather *weather)
{
    struct rig *rig = &fake->rig;
    size_t peer = rig_random(rig, (uint32_t)rig->fixture.n_members);
    uint32_t what = rig_random(rig, 100);

    rig->now.boot_ms += rig_random(rig, 300);
    rig->now.wall_ms += rig_random(rig, 300);
    if (what < 5)
        rig_up(rig, peer);
    else if (what < 8)
        rig_down(rig, peer);
    else if (what < 10 && weather->restarts)
        rig_restart(rig, peer);
    else if (what < 35)
        rig_act(rig, peer);
    else
        rig_move(rig, peer);
    if (weather->moods && rig_random(rig, 20) == 0) {
        fake->broker.refuse_next = moods[rig_random(rig, ARRAY_LEN(moods))];
        fake->broker.n_refuse_next = 1 + rig_random(rig, 3);
        fake->broker.refuse_retry_ms = rig_random(rig, 1000);
    }
}

static void
run(uint64_t seed, struct weather weather)
{
    struct fake_rig *fake = fake_rig_new(weather.n_members);
    struct rig *rig = &fake->rig;

    rig_settle(rig);
    rig->random = seed;
    rig->trouble = 15;
    for (unsigned i = 0; i < ROUNDS; i++)
        round_of(fake, &weather);
    fake->broker.n_refuse_next = 0;
    rig_settle(rig);
    rig_check_agreement(rig);
    /* It was a bad network indeed, and much was said in it. */
    assert_true(rig->peer[0].said > 20 && rig->peer[1].said > 20);
    assert_true(rig->n_troubled > 50);
    if (getenv("REFLOOP_TEST_STATS") != NULL)
        print_message("said %u+%u log %zu submitted %zu\n", rig->peer[0].said, rig->peer[1].said,
                      fake->broker.n_log, fake->broker.n_submitted);
    fake_rig_free(fake);
}

static void
survives_a_bad_network(void **state)
{
    (void)state;
    run(0x1234567890abcdefULL, (struct weather){.n_members = 2});
}

static void
survives_restarts_too(void **state)
{
    (void)state;
    run(0x0fedcba987654321ULL, (struct weather){.n_members = 2, .restarts = true});
}

static void
survives_a_moody_broker_and_three_members(void **state)
{
    (void)state;
    run(0x5555aaaa5555aaaaULL, (struct weather){.n_members = 3, .restarts = true, .moods = true});
}

/* By hand: as many further seeds as REFLOOP_TEST_SEEDS says. */
static void
survives_further_seeds(void **state)
{
    const char *text = getenv("REFLOOP_TEST_SEEDS");
    uint64_t n = text == NULL ? 1 : strtoull(text, NULL, 10);

    (void)state;
    for (uint64_t seed = 1; seed <= n; seed++) {
        if (n > 1)
            print_message("seed %llu\n", (unsigned long long)seed);
        run(seed * 0x9E3779B97F4A7C15ULL,
            (struct weather){.n_members = 2 + seed % 2, .restarts = true, .moods = seed % 3 != 0});
    }
}

static void
a_wiped_agent_recovers_its_loops(void **state)
{
    struct fake_rig *fake = fake_rig_new(2);
    struct rig *rig = &fake->rig;
    struct loop_id loop;
    static struct rig_steps before, after;

    (void)state;
    rig_settle(rig);
    (void)rig_start(rig, 0, 1, &loop);
    rig_settle(rig);
    (void)rig_say(rig, 1, &loop, EVENT_ACCEPT);
    rig_settle(rig);
    (void)rig_say(rig, 0, &loop, EVENT_NOTE);
    rig_settle(rig);
    rig_read_steps(rig, 0, &loop, &before);
    size_t logged = fake->broker.n_log;
    rig_wipe(rig, 0);
    rig_settle(rig);
    assert_int_equal(fake->broker.n_log, logged); /* nothing is confirmed or said again */
    rig_read_steps(rig, 0, &loop, &after);
    assert_int_equal(after.n, before.n);
    for (size_t i = 0; i < after.n; i++) {
        assert_string_equal(after.facts[i], before.facts[i]);
        assert_int_equal(after.view[i].stage, before.view[i].stage);
        assert_int_equal(after.view[i].role, before.view[i].role);
        assert_false(after.view[i].unreadable);
    }
    (void)rig_say(rig, 0, &loop, EVENT_CANCEL); /* and goes on where it was */
    rig_settle(rig);
    assert_int_equal(rig_view(rig, 1, &loop).position.state, LOOP_CANCEL_REQUESTED);
    struct agent_proof_status status;
    agent_get_proof_status(rig->peer[0].agent, &status);
    assert_int_equal(status.n_alarms, 0); /* what was said before it was wiped is its own */
    fake_rig_free(fake);
}

static void
copy_store(struct rig *rig, const char *from, const char *to)
{
    char command[512], a[128], b[128];

    fixture_path(&rig->fixture, from, a, sizeof(a));
    fixture_path(&rig->fixture, to, b, sizeof(b));
    (void)snprintf(command, sizeof(command), "cp -r '%s' '%s'", a, b);
    assert_int_equal(system(command), 0);
}

/* The draft stands in the old copy as not yet said; the log knows better. */
static void
an_old_copy_of_the_store_says_nothing_twice(void **state)
{
    struct fake_rig *fake = fake_rig_new(2);
    struct rig *rig = &fake->rig;
    struct loop_id loop;
    static struct rig_steps steps;

    (void)state;
    rig_settle(rig);
    rig_down(rig, 0);
    (void)rig_start(rig, 0, 1, &loop);
    (void)rig_say(rig, 0, &loop, EVENT_NOTE);
    rig_restart(rig, 0);
    copy_store(rig, "store0", "older0");
    rig_settle(rig);
    (void)rig_say(rig, 0, &loop, EVENT_WITHDRAW);
    rig_settle(rig);
    rig_down(rig, 0);
    (void)strcpy(rig->peer[0].store, "older0");
    rig_restart(rig, 0);
    rig_settle(rig);
    rig_read_steps(rig, 1, &loop, &steps);
    assert_int_equal(steps.n, 3);
    rig_read_steps(rig, 0, &loop, &steps);
    assert_int_equal(steps.n, 3);
    /* The withdrawal was said by the newer copy: this one has not made it, and says so. */
    struct agent_proof_status status;
    agent_get_proof_status(rig->peer[0].agent, &status);
    assert_true(status.n_alarms == 1 && !status.stopped);
    assert_int_equal(agent_settle_alarms(rig->peer[0].agent, rig->now), ERR_OK);
    rig_settle(rig);
    rig_check_agreement(rig);
    fake_rig_free(fake);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(survives_a_bad_network),
        cmocka_unit_test(survives_restarts_too),
        cmocka_unit_test(survives_a_moody_broker_and_three_members),
        cmocka_unit_test(survives_further_seeds),
        cmocka_unit_test(a_wiped_agent_recovers_its_loops),
        cmocka_unit_test(an_old_copy_of_the_store_says_nothing_twice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
