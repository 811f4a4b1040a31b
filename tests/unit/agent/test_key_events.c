/* The key events of the network, one line's worth each, as every member has them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/secret.h"
#include "tests/unit/agent/fake_rig.h"

enum { CLINIC = 0, PANTRY = 1, EVENTS_MAX = 32 };

struct events {
    struct key_event event[EVENTS_MAX];
    size_t n, max;
    struct agent *agent; /* asked again from within, when there is one */
};

static bool
keep(void *context, const struct key_event *event)
{
    struct events *events = context;
    struct events again = {.max = 1};

    assert_true(events->n < events->max);
    events->event[events->n++] = *event;
    if (events->agent != NULL)
        assert_int_equal(agent_each_key_event(events->agent, keep, &again), ERR_OK);
    return events->n < events->max;
}

static void
expect(const struct key_event *event, size_t index, enum statement_kind kind, const char *org,
       const char *name)
{
    assert_int_equal(event->index, index);
    assert_int_equal(event->kind, kind);
    assert_string_equal(event->org, org);
    assert_string_equal(event->name, name);
    assert_true(event->log_time_ms > 0);
}

static void
every_entry_is_one_line(void **state)
{
    struct fake_rig *fake = fake_rig_new(2);
    struct rig *rig = &fake->rig;
    struct events events = {.max = EVENTS_MAX, .agent = rig->peer[CLINIC].agent};
    struct key_set keys;
    struct sign_secret sign;
    struct seal_secret seal;
    struct curve_secret curve;
    struct buffer rotate, revoke;

    (void)state;
    sign_new_pair(&keys.sign, &sign);
    seal_new_pair(&keys.seal, &seal);
    curve_new_pair(&keys.curve, &curve);
    fixture_rotate(&rig->fixture, PANTRY, &keys, &sign, &rotate);
    fixture_revoke(&rig->fixture, PANTRY, &revoke);
    fake_log(&fake->broker, buffer_view(&rotate));
    fake_log(&fake->broker, buffer_view(&revoke));
    rig_settle(rig);
    assert_int_equal(agent_each_key_event(rig->peer[CLINIC].agent, keep, &events), ERR_OK);
    assert_int_equal(events.n, 7);
    expect(&events.event[0], 0, STATEMENT_GENESIS, "county-office", "Test County");
    expect(&events.event[1], 1, STATEMENT_INVITE, "maple-clinic", "Maple Clinic");
    expect(&events.event[2], 2, STATEMENT_JOIN, "maple-clinic", "Maple Clinic");
    assert_memory_equal(&events.event[2].key, &rig->fixture.member[CLINIC].identity.key_id,
                        KEY_ID_BYTES);
    expect(&events.event[4], 4, STATEMENT_JOIN, "elm-pantry", "Elm Street Pantry");
    expect(&events.event[5], 5, STATEMENT_ROTATE, "elm-pantry", "Elm Street Pantry");
    struct key_id key = key_set_id(&keys);
    assert_memory_equal(&events.event[5].key, &key, KEY_ID_BYTES);
    expect(&events.event[6], 6, STATEMENT_REVOKE, "elm-pantry", "Elm Street Pantry");
    assert_string_equal(events.event[6].reason, "left the network");
    for (size_t i = 0; i < events.n; i++)
        assert_false(events.event[i].replaces);
    buffer_done(&rotate);
    buffer_done(&revoke);
    fake_rig_free(fake);
}

static void
a_lost_machine_is_told_from_a_new_member(void **state)
{
    struct fake_rig *fake = fake_rig_new(2);
    struct rig *rig = &fake->rig;
    struct events events = {.max = EVENTS_MAX};
    struct fixture_member replacement;

    (void)state;
    rig_settle(rig);
    fixture_replace(&rig->fixture, PANTRY, "Elm Street Food Pantry", &replacement);
    fake_log(&fake->broker, buffer_view(&replacement.invite));
    fake_log(&fake->broker, buffer_view(&replacement.join));
    rig_up(rig, CLINIC);
    for (unsigned i = 0; i < 6; i++)
        rig_move(rig, CLINIC);
    assert_int_equal(agent_each_key_event(rig->peer[CLINIC].agent, keep, &events), ERR_OK);
    assert_int_equal(events.n, 7);
    expect(&events.event[5], 5, STATEMENT_INVITE, "elm-pantry", "Elm Street Food Pantry");
    expect(&events.event[6], 6, STATEMENT_JOIN, "elm-pantry", "Elm Street Food Pantry");
    assert_true(events.event[5].replaces);
    assert_true(events.event[6].replaces);
    assert_string_equal(events.event[4].name, "Elm Street Pantry"); /* as it was then */
    assert_false(events.event[4].replaces);
    fixture_member_done(&replacement);
    fake_rig_free(fake);
}

static void
it_ends_when_told(void **state)
{
    struct fake_rig *fake = fake_rig_new(2);
    struct events events = {.max = 2};

    (void)state;
    rig_settle(&fake->rig);
    assert_int_equal(agent_each_key_event(fake->rig.peer[CLINIC].agent, keep, &events), ERR_OK);
    assert_int_equal(events.n, 2);
    fake_rig_free(fake);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_entry_is_one_line),
        cmocka_unit_test(a_lost_machine_is_told_from_a_new_member),
        cmocka_unit_test(it_ends_when_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
