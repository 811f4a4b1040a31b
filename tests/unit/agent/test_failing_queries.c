/* What staff ask of an agent while memory or store give way: each question, with a fault at each
 * place in turn, is answered, or refused with an error of our own; and the agent that was asked
 * goes on as if nothing had been. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent/alarm.h"
#include "tests/support/sweep.h"
#include "tests/unit/agent/notary.h"

enum { CLINIC = 0, PANTRY = 1, SHELTER = 2 };

struct scene {
    struct fake_rig *fake;
    struct agent *agent; /* of the clinic */
    struct loop_id loop;
    struct notary notary;
    char store[128]; /* of the pantry, whose agent is closed */
    unsigned n_seen;
};

static int
begin(void **state)
{
    struct scene *scene = calloc(1, sizeof(*scene));
    assert_non_null(scene);
    scene->fake = fake_rig_new(3);
    struct rig *rig = &scene->fake->rig;
    struct loop_id other;
    rig_settle(rig);
    (void)rig_start(rig, CLINIC, PANTRY, &scene->loop);
    rig_settle(rig);
    static const enum loop_event told[] = {EVENT_ASK, EVENT_ACCEPT, EVENT_PROGRESS, EVENT_HOLD,
                                           EVENT_COMPLETE};
    (void)rig_say(rig, PANTRY, &scene->loop, EVENT_ASK);
    rig_settle(rig);
    (void)rig_say(rig, CLINIC, &scene->loop, EVENT_ANSWER);
    rig_settle(rig);
    for (size_t i = 1; i < ARRAY_LEN(told); i++) {
        (void)rig_say(rig, PANTRY, &scene->loop, told[i]);
        rig_settle(rig);
    }
    (void)rig_start(rig, SHELTER, CLINIC, &other);
    rig_settle(rig);
    scene->agent = rig->peer[CLINIC].agent;
    notary_init(&scene->notary, &scene->fake->broker, false);
    notary_convince(&scene->notary, scene->agent, scene->notary.n);
    rig_down(rig, CLINIC);
    (void)rig_start(rig, CLINIC, SHELTER, &other); /* waits */
    (void)rig_say(rig, CLINIC, &scene->loop, EVENT_ACKNOWLEDGE);
    *state = scene;
    return 0;
}

static int
end(void **state)
{
    struct scene *scene = *state;
    notary_done(&scene->notary);
    fake_rig_free(scene->fake);
    free(scene);
    return 0;
}

static bool
see_loop(void *context, const struct loop_view *loop)
{
    struct scene *scene = context;
    assert_true(loop->partner_org[0] != '\0');
    scene->n_seen++;
    return true;
}

static enum err
list_loops(void *context)
{
    return agent_each_loop(((struct scene *)context)->agent, see_loop, context);
}

static bool
see_step(void *context, const struct step_view *step)
{
    struct scene *scene = context;
    assert_in_range(step->number, 1, 20);
    scene->n_seen++;
    return true;
}

static enum err
list_steps(void *context)
{
    struct scene *scene = context;
    return agent_each_step(scene->agent, &scene->loop, see_step, scene);
}

static enum err
get_loop(void *context)
{
    struct scene *scene = context;
    struct loop_view view = {.n_steps = 4711};
    enum err err = agent_get_loop(scene->agent, &scene->loop, &view);
    assert_true((view.n_steps == 4711) == (err != ERR_OK));
    return err;
}

static enum err
find_loop(void *context)
{
    struct scene *scene = context;
    struct complaint complaint = {""};
    struct loop_id found = {{0x5a}};
    char text[LOOP_ID_TEXT];
    ident_format(&scene->loop, text);
    text[8] = '\0';
    enum err err = agent_find_loop(scene->agent, text, &found, &complaint);
    assert_true((memcmp(&found, &scene->loop, sizeof(found)) == 0) == (err == ERR_OK));
    return err;
}

static enum err
get_checkpoint(void *context)
{
    CLEANUP(buffer_done) struct buffer note = BUFFER_INIT(LIMIT_CHECKPOINT_BYTES);
    enum err err = agent_get_checkpoint(((struct scene *)context)->agent, &note);
    return err != ERR_OK ? err : buffer_err(&note);
}

static bool
see_event(void *context, const struct key_event *event)
{
    struct scene *scene = context;
    assert_true(event->kind != STATEMENT_LOOP);
    scene->n_seen++;
    return true;
}

static enum err
list_key_events(void *context)
{
    return agent_each_key_event(((struct scene *)context)->agent, see_event, context);
}

static bool
see_alarm(void *context, const struct alarm *alarm)
{
    struct scene *scene = context;
    assert_true(alarm_word(alarm->kind)[0] != '\0');
    scene->n_seen++;
    return true;
}

static enum err
list_alarms(void *context)
{
    return agent_each_alarm(((struct scene *)context)->agent, see_alarm, context);
}

static enum err
want_proofs(void *context)
{
    struct scene *scene = context;
    bool ready = false;
    return agent_want_proofs(scene->agent, &scene->loop, scene->fake->rig.now, &ready);
}

static enum err
make_evidence(void *context)
{
    struct scene *scene = context;
    struct complaint complaint = {""};
    CLEANUP(buffer_done) struct buffer file = BUFFER_INIT(1 << 20);
    enum err err = agent_evidence(scene->agent, &scene->loop, true, &file, &complaint);
    assert_true((file.len > 0) == (err == ERR_OK));
    return err;
}

static enum err
check(void *context)
{
    struct complaint complaint = {""};
    return agent_check_store(((struct scene *)context)->agent, &complaint);
}

struct question {
    const char *words;
    sweep_try ask;
    unsigned seen; /* by one answer */
    unsigned faults;
};

static void
every_question_with_every_fault(void **state)
{
    static const struct question questions[] = {
        {"list of loops", list_loops, 3, 5},  {"list of steps", list_steps, 8, 5},
        {"one loop", get_loop, 0, 2},         {"short form", find_loop, 0, 2},
        {"checkpoint", get_checkpoint, 0, 1}, {"key events", list_key_events, 7, 5},
        {"alarms", list_alarms, 0, 1},        {"want of proofs", want_proofs, 0, 3},
        {"evidence", make_evidence, 0, 20},   {"check", check, 0, 20},
    };
    struct scene *scene = *state;
    unsigned n = 0;
    for (size_t i = 0; i < ARRAY_LEN(questions); i++) {
        const struct question *question = &questions[i];
        unsigned failed = sweep_memory(question->words, question->ask, scene, 1);
        failed += sweep_store(question->words, question->ask, scene, ERR_IO, 1);
        failed += sweep_store(question->words, question->ask, scene, ERR_CORRUPT, 1);
        if (failed < question->faults) {
            fail_msg("%s failed only %u times", question->words, failed);
        }
        n += failed;
        scene->n_seen = 0;
        assert_int_equal(question->ask(scene), ERR_OK);
        if (scene->n_seen != question->seen) {
            fail_msg("%s: %u seen", question->words, scene->n_seen);
        }
    }
    print_message("%u questions failed\n", n);
    rig_settle(&scene->fake->rig);
    rig_check_agreement(&scene->fake->rig);
}

static enum err
open_again(void *context)
{
    struct scene *scene = context;
    const struct fixture *fixture = &scene->fake->rig.fixture;
    struct complaint complaint = {""};
    CLEANUP(agent_freep) struct agent *agent = NULL;
    const struct agent_options options = {.store_dir = scene->store,
                                          .map_bytes = 4 << 20,
                                          .map_max_bytes = 64 << 20,
                                          .identity = &fixture->member[PANTRY].identity,
                                          .ping_ms = 4000,
                                          .silence_ms = 3000,
                                          .credit_bytes = 100000,
                                          .window = 8};
    enum err err = agent_open(&options, &agent, &complaint);
    assert_true((agent != NULL) == (err == ERR_OK));
    return err;
}

/* An agent opens, or says why not and can be opened next time: with history, and for the first
 * time. */
static void
opening_with_every_fault(void **state)
{
    struct scene *scene = *state;
    struct rig *rig = &scene->fake->rig;
    rig_down(rig, PANTRY);
    agent_freep(&rig->peer[PANTRY].agent);
    fixture_path(&rig->fixture, rig->peer[PANTRY].store, scene->store, sizeof(scene->store));
    unsigned n = sweep_memory("open", open_again, scene, 1);
    n += sweep_store("open", open_again, scene, ERR_IO, 1);
    n += sweep_store("open", open_again, scene, ERR_CORRUPT, 1);
    assert_true(n > 60);
    rig->peer[PANTRY].agent = fixture_open_agent(&rig->fixture, PANTRY, rig->peer[PANTRY].store);
    rig_settle(rig);
    rig_check_agreement(rig);
    fixture_path(&rig->fixture, "fresh", scene->store, sizeof(scene->store));
    unsigned fresh = sweep_store("first open", open_again, scene, ERR_IO, 1);
    fresh += sweep_memory("first open", open_again, scene, 1);
    assert_true(fresh > 20);
    print_message("opening failed %u times\n", n + fresh);
}

/* An alarm that could not be settled stands; once it is, it is settled for good. */
static enum err
settle(void *context)
{
    struct scene *scene = context;
    struct agent_proof_status before;
    struct agent_proof_status after;
    agent_get_proof_status(scene->agent, &before);
    enum err err = agent_settle_alarms(scene->agent, scene->fake->rig.now);
    agent_get_proof_status(scene->agent, &after);
    assert_int_equal(after.n_alarms, err == ERR_OK ? 0 : before.n_alarms);
    return before.n_alarms == 0 && err == ERR_NOT_FOUND ? ERR_OK : err;
}

static void
settling_with_every_fault(void **state)
{
    struct scene *scene = *state;
    struct rig *rig = &scene->fake->rig;
    struct agent_proof_status status;
    scene->fake->broker.fork_view = true;
    rig_up(rig, CLINIC);
    rig_settle(rig);
    agent_get_proof_status(scene->agent, &status);
    assert_true(status.n_alarms > 0);
    scene->n_seen = 0;
    assert_int_equal(list_alarms(scene), ERR_OK);
    assert_true(scene->n_seen > 0);
    unsigned n = sweep_store("alarms", list_alarms, scene, ERR_IO, 1);
    n += sweep_memory("alarms", list_alarms, scene, 1);
    n += sweep_store("settle", settle, scene, ERR_IO, 1);
    assert_true(n > 3);
    agent_get_proof_status(scene->agent, &status);
    assert_int_equal(status.n_alarms, 0);
}

#define SCENE_TEST(test) cmocka_unit_test_setup_teardown(test, begin, end)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        SCENE_TEST(every_question_with_every_fault),
        SCENE_TEST(opening_with_every_fault),
        SCENE_TEST(settling_with_every_fault),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
