/* What each step must carry, may carry and must not: every event with every field. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent/content/content.h"
#include "lib/base/attr.h"

/* A valid value for each field, and which events take it: r required, o optional. One column per
 * event, in the order of the enum. */
static const struct {
    const char *name, *value;
    const char *events;
} fields[] = {
    /*                                 request ask answer accept decline progress hold cancel
       retract release complete fail withdraw acknowledge void note delivered */
    {"reason", NULL, "....r.rr.r.rr.r.."},
    {"kind", "scheduled", ".....r..........."},
    {"outcome", "service-provided", "..........r......"},
    {"next", "re-referred", ".............r..."},
    {"next_loop", "3f2a91c077de0b14a2f56c8e01d2b3c4", ".............o..."},
    {"text", "plain words", ".rroooooooooooor."},
    {"contact_name", "Bo Example", "...o............."},
    {"contact_phone", "555-0123", "...o............."},
    {"appointment", "2026-12-01T14:30:00Z", ".....o..........."},
    {"due", "2026-12-01", "...o..o.........."},
    {"staff", "Cy Example", ".ooooooooooooooo."},
};

static const char *const reasons[EVENT_COUNT] = {
    [EVENT_DECLINE] = "no-capacity",     [EVENT_HOLD] = "waitlist",
    [EVENT_CANCEL] = "no-longer-needed", [EVENT_RELEASE] = "source-cancelled",
    [EVENT_FAIL] = "unable-to-reach",    [EVENT_WITHDRAW] = "served-elsewhere",
    [EVENT_VOID] = "wrong-person",
};

enum { N_FIELDS = sizeof(fields) / sizeof(fields[0]) };

static const char *
value_for(size_t field, enum loop_event event)
{
    if (fields[field].value != NULL)
        return fields[field].value;
    return reasons[event] != NULL ? reasons[event] : "other";
}

/* All fields the event requires, or requires and takes. */
static json_t *
make(enum loop_event event, bool all)
{
    json_t *step = json_object();

    for (size_t i = 0; i < N_FIELDS; i++) {
        char need = fields[i].events[event];
        if (need == 'r' || (all && need == 'o'))
            json_object_set_new(step, fields[i].name, json_string(value_for(i, event)));
    }
    return step;
}

struct outcome {
    enum err err;
    json_t *facts, *body;
    struct content_fault fault;
};

static void
outcome_done(struct outcome *outcome)
{
    json_decref(outcome->facts);
    json_decref(outcome->body);
}

static struct outcome
run(enum loop_event event, json_t *step)
{
    struct outcome outcome = {.facts = NULL};

    outcome.err = content_from_step(event, step, &outcome.facts, &outcome.body, &outcome.fault);
    return outcome;
}

static bool
is_step(enum loop_event event)
{
    return event != EVENT_REQUEST && event != EVENT_DELIVERED;
}

static void
least_and_most_are_taken(void **state)
{
    (void)state;
    for (int event = 0; event < EVENT_COUNT; event++) {
        for (int all = 0; all < 2; all++) {
            json_auto_t *step = make((enum loop_event)event, all != 0);
            CLEANUP(outcome_done) struct outcome outcome = run((enum loop_event)event, step);
            if (!is_step((enum loop_event)event)) {
                assert_int_equal(outcome.err, ERR_INVALID);
                assert_string_equal(outcome.fault.field, "event");
                continue;
            }
            if (outcome.err != ERR_OK)
                print_error("event %d: %s\n", event, outcome.fault.text);
            assert_int_equal(outcome.err, ERR_OK);
            assert_int_equal(json_integer_value(json_object_get(outcome.facts, "v")), 1);
            assert_int_equal(json_integer_value(json_object_get(outcome.body, "v")), 1);
        }
    }
}

static void
a_missing_field_is_named(void **state)
{
    (void)state;
    for (int event = 0; event < EVENT_COUNT; event++) {
        for (size_t i = 0; i < N_FIELDS; i++) {
            if (fields[i].events[event] != 'r')
                continue;
            static const char *const absent[] = {NULL, "", " \n"};
            for (size_t a = 0; a < 3; a++) {
                json_auto_t *step = make((enum loop_event)event, true);
                if (absent[a] == NULL)
                    json_object_del(step, fields[i].name);
                else
                    json_object_set_new(step, fields[i].name, json_string(absent[a]));
                CLEANUP(outcome_done) struct outcome outcome = run((enum loop_event)event, step);
                assert_int_equal(outcome.err, ERR_INVALID);
                assert_string_equal(outcome.fault.field, fields[i].name);
                assert_null(outcome.facts);
                assert_null(outcome.body);
            }
        }
    }
}

static void
a_field_that_does_not_belong_is_named(void **state)
{
    (void)state;
    for (int event = 0; event < EVENT_COUNT; event++) {
        for (size_t i = 0; is_step((enum loop_event)event) && i < N_FIELDS; i++) {
            if (fields[i].events[event] != '.')
                continue;
            json_auto_t *step = make((enum loop_event)event, false);
            json_object_set_new(step, fields[i].name,
                                json_string(value_for(i, (enum loop_event)event)));
            CLEANUP(outcome_done) struct outcome outcome = run((enum loop_event)event, step);
            assert_int_equal(outcome.err, ERR_INVALID);
            assert_string_equal(outcome.fault.field, fields[i].name);
            /* Empty and null are as good as absent. */
            json_object_set_new(step, fields[i].name, json_string(""));
            CLEANUP(outcome_done) struct outcome empty = run((enum loop_event)event, step);
            assert_int_equal(empty.err, ERR_OK);
            json_object_set_new(step, fields[i].name, json_null());
            CLEANUP(outcome_done) struct outcome null = run((enum loop_event)event, step);
            assert_int_equal(null.err, ERR_OK);
        }
    }
}

static void
check_refused(enum loop_event event, const char *text, const char *field)
{
    json_auto_t *step = json_loads(text, 0, NULL);

    assert_non_null(step);
    CLEANUP(outcome_done) struct outcome outcome = run(event, step);
    if (outcome.err != ERR_INVALID)
        print_error("%s\n", text);
    assert_int_equal(outcome.err, ERR_INVALID);
    assert_string_equal(outcome.fault.field, field);
}

static void
wrong_values_are_refused_by_field(void **state)
{
    (void)state;
    check_refused(EVENT_DECLINE, "{\"reason\": \"because\"}", "reason");
    check_refused(EVENT_DECLINE, "{\"reason\": \"waitlist\"}", "reason");
    check_refused(EVENT_DECLINE, "{\"reason\": 7}", "reason");
    check_refused(EVENT_PROGRESS, "{\"kind\": \"maybe\"}", "kind");
    check_refused(EVENT_COMPLETE, "{\"outcome\": \"none\"}", "outcome");
    check_refused(EVENT_ACKNOWLEDGE, "{\"next\": \"later\"}", "next");
    check_refused(EVENT_ACKNOWLEDGE, "{\"next\": \"re-referred\", \"next_loop\": \"3f2a\"}",
                  "next_loop");
    check_refused(EVENT_ACCEPT, "{\"due\": \"next week\"}", "due");
    check_refused(EVENT_ACCEPT, "{\"contact_name\": \"a\\nb\"}", "contact_name");
    check_refused(EVENT_PROGRESS, "{\"kind\": \"scheduled\", \"appointment\": \"14:30\"}",
                  "appointment");
    check_refused(EVENT_NOTE, "{\"text\": \"a\\u001bb\"}", "text");
    check_refused(EVENT_COUNT, "{}", "event");
}

static void
what_depends_on_the_code_is_checked(void **state)
{
    (void)state;
    check_refused(EVENT_DECLINE, "{\"reason\": \"other\"}", "text");
    check_refused(EVENT_HOLD, "{\"reason\": \"other\", \"text\": \"  \"}", "text");
    check_refused(EVENT_FAIL, "{\"reason\": \"other\"}", "text");
    check_refused(EVENT_WITHDRAW, "{\"reason\": \"other\"}", "text");
    check_refused(EVENT_VOID, "{\"reason\": \"other\"}", "text");
    check_refused(EVENT_COMPLETE, "{\"outcome\": \"other\"}", "text");
    check_refused(EVENT_ACKNOWLEDGE, "{\"next\": \"other\"}", "text");
    check_refused(EVENT_PROGRESS,
                  "{\"kind\": \"no-show\", \"appointment\": \"2026-12-01T14:30:00Z\"}",
                  "appointment");
    check_refused(EVENT_ACKNOWLEDGE,
                  "{\"next\": \"none\", \"next_loop\": \"3f2a91c077de0b14a2f56c8e01d2b3c4\"}",
                  "next_loop");
}

static void
texts_go_to_their_place(void **state)
{
    static const struct {
        enum loop_event event;
        const char *name;
    } rows[] = {{EVENT_ASK, "missing"},
                {EVENT_ANSWER, "answer"},
                {EVENT_NOTE, "note"},
                {EVENT_DECLINE, "note"},
                {EVENT_ACCEPT, "note"}};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        json_auto_t *step = make(rows[i].event, true);
        CLEANUP(outcome_done) struct outcome outcome = run(rows[i].event, step);
        assert_int_equal(outcome.err, ERR_OK);
        assert_string_equal(content_text(outcome.body, rows[i].name), "plain words");
        assert_string_equal(content_text(outcome.body, "staff"), "Cy Example");
        assert_null(json_object_get(outcome.facts, rows[i].name));
        /* Carried by the statement itself, not twice. */
        assert_null(json_object_get(outcome.body, "due"));
        assert_null(json_object_get(outcome.facts, "due"));
    }
}

/* Facts are read by the auditor: nothing a person wrote may get there. */
static void
facts_hold_codes_only(void **state)
{
    (void)state;
    for (int event = 0; event < EVENT_COUNT; event++) {
        if (!is_step((enum loop_event)event))
            continue;
        json_auto_t *step = make((enum loop_event)event, true);
        CLEANUP(outcome_done) struct outcome outcome = run((enum loop_event)event, step);
        assert_int_equal(outcome.err, ERR_OK);
        const char *name;
        json_t *value;
        json_object_foreach(outcome.facts, name, value)
        {
            static const char *const codes[] = {"v",       "reason", "kind",
                                                "outcome", "next",   "next_loop"};
            bool known = false;
            for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
                known = known || strcmp(codes[i], name) == 0;
            assert_true(known);
        }
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(least_and_most_are_taken),
        cmocka_unit_test(a_missing_field_is_named),
        cmocka_unit_test(a_field_that_does_not_belong_is_named),
        cmocka_unit_test(wrong_values_are_refused_by_field),
        cmocka_unit_test(what_depends_on_the_code_is_checked),
        cmocka_unit_test(texts_go_to_their_place),
        cmocka_unit_test(facts_hold_codes_only),
    };

    return cmocka_run_group_tests_name("content_step", tests, NULL, NULL);
}
