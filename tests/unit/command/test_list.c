/* Which loops a list shows, in which order, and how the status counts them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/command/county.h"

/* Three referrals: one untouched, one accepted, one closed. */
static void
fill(struct county *county, char loops[3][LOOP_ID_TEXT])
{
    static const char *const people[] = {"Ana Example", "Bo Example", "Cy Example"};

    for (size_t i = 0; i < 3; i++)
        county_refer(county, people[i], loops[i]);
    json_decref(county_do(county, PANTRY, "{s:s, s:s, s:s}", "command", "step", "loop", loops[1],
                          "event", "accept"));
    json_decref(county_do(county, PANTRY, "{s:s, s:s, s:s, s:s}", "command", "step", "loop",
                          loops[2], "event", "decline", "reason", "duplicate"));
    json_decref(county_do(county, CLINIC, "{s:s, s:s, s:s, s:s}", "command", "step", "loop",
                          loops[2], "event", "acknowledge", "next", "none"));
}

static const struct {
    unsigned who;
    const char *show;
    json_int_t limit;   /* below 0: not given */
    const char *people; /* in order */
    json_int_t matched;
} cases[] = {
    {PANTRY, NULL, -1, "Ana Bo ", 2},
    {PANTRY, "open", -1, "Ana Bo ", 2},
    {PANTRY, "needs-me", -1, "Ana Bo ", 2},
    {PANTRY, "closed", -1, "Cy ", 1},
    {PANTRY, "all", -1, "Ana Bo Cy ", 3},
    {PANTRY, "all", 2, "Ana Bo ", 3},
    {PANTRY, "all", 0, "", 3},
    {CLINIC, "needs-me", -1, "", 0},
    {CLINIC, "open", -1, "Ana Bo ", 2},
    {CLINIC, "all", 100, "Ana Bo Cy ", 3},
};

static void
test_filters(void **state)
{
    struct county *county = *state;
    char loops[3][LOOP_ID_TEXT];

    fill(county, loops);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char people[64] = "";
        json_t *answer = cases[i].limit < 0
                             ? county_do(county, cases[i].who, "{s:s, s:s*}", "command", "list",
                                         "show", cases[i].show)
                             : county_do(county, cases[i].who, "{s:s, s:s*, s:I}", "command",
                                         "list", "show", cases[i].show, "limit", cases[i].limit);
        json_t *loop;
        size_t k;
        json_array_foreach(county_at(answer, "loops"), k, loop)
        {
            const char *person = county_text(loop, "person");
            strncat(people, person, strcspn(person, " ") + 1);
        }
        assert_string_equal(people, cases[i].people);
        assert_int_equal(county_number(answer, "total"), 3);
        assert_int_equal(county_number(answer, "matched"), cases[i].matched);
        json_decref(answer);
    }
}

/* What needs us comes first, however old the rest is. */
static void
test_order(void **state)
{
    struct county *county = *state;
    char loops[3][LOOP_ID_TEXT];

    for (size_t i = 0; i < 3; i++)
        county_refer(county, "Ana Example", loops[i]);
    json_decref(county_do(county, PANTRY, "{s:s, s:s, s:s, s:s}", "command", "step", "loop",
                          loops[2], "event", "ask", "text", "Which day?"));
    json_t *answer = county_do(county, CLINIC, "{s:s}", "command", "list");
    assert_string_equal(county_text(answer, "loops.0.loop"), loops[2]);
    assert_true(json_is_true(county_at(answer, "loops.0.needs_me")));
    assert_string_equal(county_text(answer, "loops.1.loop"), loops[0]);
    assert_string_equal(county_text(answer, "loops.2.loop"), loops[1]);
    json_decref(answer);
    answer = county_do(county, PANTRY, "{s:s}", "command", "list");
    assert_string_equal(county_text(answer, "loops.0.loop"), loops[0]);
    assert_string_equal(county_text(answer, "loops.2.loop"), loops[2]);
    json_decref(answer);
}

static void
test_row(void **state)
{
    struct county *county = *state;
    char loop[LOOP_ID_TEXT];

    county_refer(county, "Ana Example", loop);
    json_t *answer = county_do(county, PANTRY, "{s:s}", "command", "list");
    static const struct {
        const char *path, *text;
    } expected[] = {
        {"role", "target"},
        {"partner.org", "oak-clinic"},
        {"partner.name", "Oak Clinic"},
        {"person", "Ana Example"},
        {"category", "food-insecurity"},
        {"service", ""},
        {"need", "groceries for three"},
        {"priority", "routine"},
        {"state", "requested"},
        {"queued_state", "requested"},
        {"created", COUNTY_NOW_PUMPED},
        {"since", COUNTY_NOW_PUMPED},
        {"needed_by", "2026-12-01T23:59:59Z"},
        {"next.who", "target"},
        {"next.org", "elm-pantry"},
        {"next.step", "accept, decline or ask"},
        {"next.since", COUNTY_NOW_PUMPED},
        {"notice", ""},
    };
    json_t *row = county_at(answer, "loops.0");
    for (size_t i = 0; i < ARRAY_LEN(expected); i++) {
        assert_true(json_is_string(county_at(row, expected[i].path)));
        assert_string_equal(county_text(row, expected[i].path), expected[i].text);
    }
    assert_true(json_is_null(json_object_get(row, "due")));
    assert_true(json_is_true(json_object_get(row, "open")));
    assert_true(json_is_false(json_object_get(row, "no_contact")));
    assert_true(json_is_false(county_at(row, "partner.revoked")));
    assert_int_equal(json_object_size(row), 22);
    json_decref(answer);
}

/* Once our answer is on its way, nobody here is asked for it again. */
static void
test_answered_offline(void **state)
{
    struct county *county = *state;
    char loop[LOOP_ID_TEXT];

    county_refer(county, "Ana Example", loop);
    county_link(county, PANTRY, false);
    json_decref(county_do(county, PANTRY, "{s:s, s:s, s:s, s:s}", "command", "step", "loop", loop,
                          "event", "decline", "reason", "no-capacity"));
    json_t *answer = county_do(county, PANTRY, "{s:s, s:s}", "command", "list", "show", "needs-me");
    assert_int_equal(county_number(answer, "matched"), 0);
    json_decref(answer);
    answer = county_do(county, PANTRY, "{s:s, s:s}", "command", "list", "show", "open");
    assert_string_equal(county_text(answer, "loops.0.state"), "requested");
    assert_string_equal(county_text(answer, "loops.0.queued_state"), "declined");
    assert_string_equal(county_text(answer, "loops.0.next.who"), "source");
    assert_int_equal(county_number(answer, "loops.0.waiting"), 1);
    json_decref(answer);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_filters, county_setup, county_teardown),
        cmocka_unit_test_setup_teardown(test_order, county_setup, county_teardown),
        cmocka_unit_test_setup_teardown(test_row, county_setup, county_teardown),
        cmocka_unit_test_setup_teardown(test_answered_offline, county_setup, county_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
