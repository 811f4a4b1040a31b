/* Everything that is refused: by which code, at which field, and never with a word of what the
 * input was about. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent/content/content.h"
#include "tests/unit/command/county.h"

/* Stands where a person's data would; must not come back. */
#define MARKER "ZZMARKERZZ"

/* A request as JSON; LOOP is the id of a loop that is requested, seen from the pantry. */
static const struct {
    unsigned who;
    const char *request, *code, *field, *words;
} cases[] = {
    {PANTRY, "{}", "invalid", "command", "\"command\""},
    {PANTRY, "[]", "invalid", "command", NULL},
    {PANTRY, "{'command': 7}", "invalid", "command", NULL},
    {PANTRY, "{'command': 'shred'}", "invalid", "command", "\"shred\""},
    {PANTRY, "{'command': 'status', 'loop': '" MARKER "'}", "invalid", "loop", "status"},
    {PANTRY, "{'command': 'list', 'limt': 3}", "invalid", "limt", "\"limt\""},
    {PANTRY, "{'command': 'list', 'limit': '" MARKER "'}", "invalid", "limit", "whole number"},
    {PANTRY, "{'command': 'list', 'limit': -1}", "invalid", "limit", "whole number"},
    {PANTRY, "{'command': 'list', 'limit': 1.5}", "invalid", "limit", "whole number"},
    {PANTRY, "{'command': 'list', 'show': '" MARKER "'}", "invalid", "show", "needs-me"},
    {PANTRY, "{'command': 'show'}", "invalid", "loop", "needs the field loop"},
    {PANTRY, "{'command': 'show', 'loop': null}", "invalid", "loop", "needs the field loop"},
    {PANTRY, "{'command': 'show', 'loop': 1234}", "invalid", "loop", "a text"},
    {PANTRY, "{'command': 'show', 'loop': 'abc'}", "invalid", "loop", "four or more"},
    {PANTRY, "{'command': 'show', 'loop': '" MARKER "'}", "invalid", "loop", "four or more"},
    {PANTRY, "{'command': 'show', 'loop': '0000'}", "unknown-loop", "loop", "0000"},
    {PANTRY, "{'command': 'show', 'loop': 'aaaa'}", "ambiguous", "loop", "aaaa000000"},
    {PANTRY, "{'command': 'export', 'loop': 'LOOP', 'format': '" MARKER "'}", "invalid", "format",
     "fhir"},
    {PANTRY, "{'command': 'export', 'loop': '0000'}", "unknown-loop", "loop", NULL},
    {PANTRY, "{'command': 'step', 'event': 'accept'}", "invalid", "loop", NULL},
    {PANTRY, "{'command': 'step', 'loop': 'LOOP'}", "invalid", "event", NULL},
    {PANTRY, "{'command': 'step', 'loop': 'LOOP', 'event': '" MARKER "'}", "invalid", "event",
     NULL},
    {PANTRY, "{'command': 'step', 'loop': 'LOOP', 'event': 'request'}", "invalid", "event", NULL},
    {PANTRY, "{'command': 'step', 'loop': 'LOOP', 'event': 'delivered'}", "invalid", "event", NULL},
    {PANTRY, "{'command': 'step', 'loop': 'LOOP', 'event': 'accept', 'automatic': 'yes'}",
     "invalid", "automatic", "true or false"},
    {PANTRY, "{'command': 'step', 'loop': 'LOOP', 'event': 'accept', 'due': '" MARKER "'}",
     "invalid", "due", "date"},
    {PANTRY, "{'command': 'step', 'loop': 'LOOP', 'event': 'accept', 'due': '2026-11-20'}",
     "invalid", "due", "in the past"},
    {PANTRY, "{'command': 'step', 'loop': 'LOOP', 'event': 'accept', 'reason': 'no-capacity'}",
     "invalid", "reason", "takes no reason"},
    {PANTRY, "{'command': 'step', 'loop': 'LOOP', 'event': 'decline', 'text': '" MARKER "'}",
     "invalid", "reason", "needs a reason"},
    {PANTRY,
     "{'command': 'step', 'loop': 'LOOP', 'event': 'decline', 'reason': 'because', 'text': "
     "'" MARKER "'}",
     "invalid", "reason", "because"},
    {PANTRY, "{'command': 'step', 'loop': 'LOOP', 'event': 'decline', 'reason': 'other'}",
     "invalid", "text", "explains"},
    {PANTRY, "{'command': 'step', 'loop': 'LOOP', 'event': 'ask'}", "invalid", "text", NULL},
    {PANTRY,
     "{'command': 'step', 'loop': 'LOOP', 'event': 'complete', 'outcome': 'enrolled', "
     "'text': '" MARKER "'}",
     "wrong-state", "", "requested; possible now: ask, accept, decline"},
    {CLINIC, "{'command': 'step', 'loop': 'LOOP', 'event': 'accept', 'contact_name': '" MARKER "'}",
     "wrong-state", "", "requested; possible now: withdraw, void"},
    {CLINIC,
     "{'command': 'step', 'loop': 'LOOP', 'event': 'acknowledge', 'next': 're-referred', "
     "'next_loop': '0000'}",
     "unknown-loop", "next_loop", NULL},
    {CLINIC,
     "{'command': 'step', 'loop': 'LOOP', 'event': 'acknowledge', 'next': 're-referred', "
     "'next_loop': '" MARKER "'}",
     "invalid", "next_loop", NULL},
    {CLINIC, "{'command': 'send'}", "invalid", "files", NULL},
    {CLINIC, "{'command': 'send', 'files': []}", "invalid", "files", "at least one"},
    {CLINIC, "{'command': 'send', 'files': ['" MARKER "']}", "invalid", "files", "name"},
    {CLINIC, "{'command': 'send', 'files': [{'name': 'a', 'text': '', 'extra': 1}]}", "invalid",
     "files", NULL},
    {CLINIC, "{'command': 'send', 'files': [{'name': 'a.json', 'text': '{" MARKER "'}]}", "invalid",
     "", "a.json"},
    {CLINIC, "{'command': 'check', 'files': 'a.json'}", "invalid", "files", "a list"},
};

/* Cases are written with ' for ", and LOOP for the id. */
static json_t *
make_request(const char *text, const char *loop)
{
    char out[512];
    size_t n = 0;

    for (const char *p = text; *p != '\0'; p++) {
        if (strncmp(p, "LOOP", 4) == 0) {
            memcpy(out + n, loop, LOOP_ID_TEXT - 1);
            n += LOOP_ID_TEXT - 1;
            p += 3;
        } else {
            out[n++] = *p == '\'' ? '"' : *p;
        }
        assert_true(n < sizeof(out) - LOOP_ID_TEXT);
    }
    json_t *request = json_loadb(out, n, 0, NULL);
    if (request == NULL)
        fail_msg("%s", text);
    return request;
}

static void
check_case(struct county *county, size_t i, const char *loop)
{
    json_t *request = make_request(cases[i].request, loop);
    struct command_context context = county_context(county, cases[i].who);
    bool watched = true;
    json_t *answer = command_run(&context, request, &watched);
    char *text = json_dumps(answer, 0);

    assert_false(watched);
    if (!json_is_false(county_at(answer, "ok")) ||
        strcmp(county_text(answer, "error.code"), cases[i].code) != 0 ||
        strcmp(county_text(answer, "error.field"), cases[i].field) != 0 ||
        strlen(county_text(answer, "error.text")) < 10 || strstr(text, MARKER) != NULL ||
        (cases[i].words != NULL &&
         strstr(county_text(answer, "error.text"), cases[i].words) == NULL))
        fail_msg("%s: %s", cases[i].request, text);
    if (cases[i].field[0] == '\0')
        assert_null(county_at(answer, "error.field"));
    free(text);
    json_decref(answer);
    json_decref(request);
}

static void
test_refusals(void **state)
{
    struct county *county = *state;
    char loop[LOOP_ID_TEXT];

    county_shelter_request(county, "aaaa000000000000000000000000000f", "{}", "{}");
    county_shelter_request(county, "aaaa000000000000000000000000001f", "{}", "{}");
    county_refer(county, MARKER " Example", loop);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        check_case(county, i, loop);
    county_pump(county);
    for (unsigned who = CLINIC; who <= PANTRY; who++) {
        json_t *shown = county_do(county, who, "{s:s, s:s}", "command", "show", "loop", loop);
        assert_int_equal(json_array_size(county_at(shown, "timeline")), 1);
        json_decref(shown);
    }
}

/* A field that is null counts as not given. */
static void
test_null_fields(void **state)
{
    struct county *county = *state;
    char loop[LOOP_ID_TEXT];

    county_refer(county, "Ana Example", loop);
    json_decref(county_do(county, PANTRY, "{s:s, s:s, s:s, s:n, s:n, s:n}", "command", "step",
                          "loop", loop, "event", "accept", "reason", "due", "automatic"));
    json_decref(county_do(county, PANTRY, "{s:s, s:n, s:n}", "command", "list", "show", "limit"));
}

static void
test_members_and_codes(void **state)
{
    struct county *county = *state;
    json_t *answer = county_do(county, PANTRY, "{s:s}", "command", "members");
    static const char *const members[][3] = {
        {"oak-clinic", "Oak Clinic", "active"},
        {"elm-pantry", "Elm Street Pantry", "active"},
        {"river-shelter", "River Shelter \xc3\x89lan", "active"},
        {COUNTY_INVITED, "Late Church", "invited"},
    };
    size_t n = json_array_size(county_at(answer, "members"));
    size_t n_found = 0;
    for (size_t i = 0; i < n; i++) {
        json_t *member = json_array_get(county_at(answer, "members"), i);
        for (size_t k = 0; k < ARRAY_LEN(members); k++) {
            if (strcmp(county_text(member, "org"), members[k][0]) != 0)
                continue;
            assert_string_equal(county_text(member, "name"), members[k][1]);
            assert_string_equal(county_text(member, "state"), members[k][2]);
            assert_int_equal(json_is_true(json_object_get(member, "me")), k == 1);
            n_found++;
        }
    }
    assert_int_equal(n_found, ARRAY_LEN(members));
    json_decref(answer);
    answer = county_do(county, PANTRY, "{s:s}", "command", "codes");
    static const char *const lists[] = {"decline",  "hold",        "fail",     "withdraw",
                                        "cancel",   "release",     "void",     "progress",
                                        "complete", "acknowledge", "category", "basis"};
    for (size_t i = 0; i < ARRAY_LEN(lists); i++)
        assert_true(json_array_size(json_object_get(county_at(answer, "lists"), lists[i])) > 0);
    assert_int_equal(json_object_size(county_at(answer, "lists")), ARRAY_LEN(lists));
    assert_string_equal(county_text(answer, "lists.decline.0.code"), "no-capacity");
    assert_string_equal(county_text(answer, "lists.decline.0.words"), "no room at the moment");
    assert_true(json_is_false(county_at(answer, "lists.decline.0.needs_text")));
    json_decref(answer);
    json_decref(county_do(county, PANTRY, "{s:s}", "command", "verify"));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_refusals, county_setup, county_teardown),
        cmocka_unit_test_setup_teardown(test_null_fields, county_setup, county_teardown),
        cmocka_unit_test_setup_teardown(test_members_and_codes, county_setup, county_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
