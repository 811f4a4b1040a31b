/* One referral on one page: warnings first, how far each step came, what was said. */
#include "agent/cli/cmd.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "printed.h"

/* clang-format off */
#define LOOP(role, state, queued, more)                                                            \
    "'loop': {'loop': '3f2a91c077de0b14a2f56c8e01d2b3c4', 'role': '" role "', 'partner': {'org': " \
    "'elm-pantry', 'name': 'Elm Street Pantry', 'revoked': false}, 'person': 'Ana Example', "      \
    "'category': 'food-insecurity', 'service': 'weekly-box', 'need': 'groceries', 'priority': "    \
    "'routine', 'state': '" state "', 'queued_state': '" queued "', 'since': "                     \
    "'2026-11-20T12:00:00Z', 'needed_by': '2026-12-01T23:59:59Z', 'due': null, 'next': {'who': "   \
    "'source', 'step': 'acknowledge', 'since': '2026-11-20T12:00:00Z'}, 'notice': ''" more "}"

#define REQUEST                                                                                    \
    "'request': {'v': 1, 'person': {'name': 'Ana Example', 'birth_date': '1980-02-29', 'phone': "  \
    "'555-0100', 'language': 'es', 'address': '1 Sample Street', 'identifiers': [{'system': "      \
    "'urn:example', 'value': 'X1'}]}, 'contact': {'prohibited': false, 'how': 'text message', "    \
    "'when': 'after 5 pm'}, 'need': 'groceries for three, no kitchen', 'consent': {'basis': "      \
    "'consent', 'signed_on': '2026-11-20', 'expires_on': '2027-11-20', 'covers': 'this referral'}}"

#define STEP(event, mine, stage, at, more)                                                         \
    "{'event': '" event "', 'mine': " mine ", 'stage': '" stage "', 'authored': '2026-11-" at      \
    ":00Z', 'accepted': '2026-11-" at ":01Z', 'delivered': '2026-11-" at ":59Z'" more "}"

static const char whole[] =
    "{'ok': true, " LOOP("source", "completed", "closed", "") ", " REQUEST ", 'timeline': ["
    STEP("request", "true", "delivered", "20T10:01",
        ", 'facts': {'replaces': '00112233445566778899aabbccddeeff'}") ","
    STEP("ask", "false", "delivered", "20T10:30",
        ", 'body': {'missing': 'Which day suits?\\nAnd what time?', 'staff': 'Pat Sample'}") ","
    STEP("answer", "true", "delivered", "20T11:00",
        ", 'body': {'answer': 'Tuesday after five.'}") ","
    STEP("accept", "false", "delivered", "20T11:30",
        ", 'due': '2026-11-25T23:59:59Z', 'body': {'contact_name': 'Pat Sample', "
        "'contact_phone': '555-0101'}") ","
    STEP("progress", "false", "delivered", "20T12:00",
        ", 'facts': {'kind': 'scheduled'}, 'body': {'appointment': '2026-11-24T14:30:00Z'}") ","
    STEP("cancel", "true", "delivered", "20T12:01",
        ", 'superseded': true, 'facts': {'reason': 'other'}") ","
    STEP("complete", "false", "delivered", "20T12:00",
        ", 'facts': {'outcome': 'service-provided'}") ","
    STEP("note", "true", "refused", "21T09:00",
        ", 'refusal': {'code': 'loop-full', 'text': 'this loop holds as many statements as a "
        "loop may'}") ","
    STEP("note", "false", "delivered", "21T09:10", ", 'unreadable': true, 'automatic': true") ","
    "{'event': 'acknowledge', 'mine': true, 'stage': 'queued', 'authored': "
    "'2026-11-22T11:59:00Z', 'accepted': null, 'delivered': null, 'facts': {'next': "
    "'re-referred', 'next_loop': 'ffeeddccbbaa99887766554433221100'}}"
    "]}";
/* clang-format on */

static void
print(struct printed *printed, const char *json, size_t width)
{
    json_auto_t *answer = printed_json(json);
    printed_begin(printed, width);
    cmd_print_show(&printed->screen, answer);
}

static void
the_heading_says_who_what_and_what_next(void **state)
{
    (void)state;
    static const char heading[] =
        "Referral 3f2a91c0 to Elm Street Pantry\n"
        "  Person     Ana Example, born 1980-02-29, phone 555-0100, language es\n"
        "  Address    1 Sample Street\n"
        "  Known as   X1 (urn:example)\n"
        "  Contact by text message, after 5 pm\n"
        "  Category   food\n"
        "  Service    weekly-box\n"
        "  Need       groceries for three, no kitchen\n"
        "  Consent    the person agreed to it, signed 2026-11-20, until 2027-11-20, for this\n"
        "             referral\n"
        "  State      completed since Nov 20 12:00\n"
        "             then closed: said here, not on the broker's disk yet\n"
        "  Next       you: acknowledge (for 2 days)\n"
        "  Needed by  Dec 1\n"
        "\n";
    struct printed printed;
    print(&printed, whole, 90);
    const char *text = printed_text(&printed);
    assert_memory_equal(text, heading, strlen(heading));
    printed_end(&printed);
}

static void
the_timeline_says_how_far_each_step_came(void **state)
{
    (void)state;
    static const char *const lines[] = {
        "  Nov 20 10:01  you                 sent the referral       answered 10:30\n",
        "                goes on from 00112233\n",
        "  Nov 20 10:30  Elm Street Pantry   asked a question        answered 11:00\n",
        "                Which day suits?\n                And what time?\n"
        "                said by Pat Sample\n",
        "  Nov 20 11:00  you                 answered                answered 11:30\n",
        "  Nov 20 11:30  Elm Street Pantry   accepted\n"
        "                ask for Pat Sample, phone 555-0101\n                by Nov 25\n",
        "                appointment made\n                appointment on Nov 24 14:30\n",
        "                This crossed with a step of Elm Street Pantry that came first. It is kept "
        "and changed nothing.\n                other\n",
        "  Nov 20 12:00  Elm Street Pantry   completed it            answered Nov 22 11:59\n"
        "                got the help asked for\n",
        "                The broker refused this for good and it changed nothing: this loop holds",
        "                Said automatically, by no person.\n",
        "                What it says cannot be opened with this organization's keys. Ask Elm",
        "  Nov 22 11:59  you                 signed and closed it    on this machine\n"
        "                sent to somebody else\n                goes on as ffeeddcc\n",
    };
    struct printed printed;
    print(&printed, whole, 0);
    const char *text = printed_text(&printed);
    for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
        const char *found = strstr(text, lines[i]);
        if (found == NULL) {
            fail_msg("missing, or not in order: %s\nin:\n%s", lines[i], printed_text(&printed));
        }
        text = found;
    }
    printed_end(&printed);
}

static void
only_a_person_of_the_other_side_answers(void **state)
{
    (void)state;
    static const char *const others[] = {
        STEP("decline", "false", "delivered", "20T11:00", ", 'automatic': true"),
        STEP("decline", "false", "delivered", "20T11:00", ", 'superseded': true"),
        STEP("note", "false", "delivered", "20T11:00", ""),
        STEP("withdraw", "true", "delivered", "20T11:00", ""),
    };
    for (size_t i = 0; i < ARRAY_LEN(others); i++) {
        char json[4096];
        struct printed printed;
        (void)snprintf(json, sizeof(json), "{'ok': true, %s, 'timeline': [%s, %s]}",
                       LOOP("source", "requested", "requested", ""),
                       STEP("request", "true", "delivered", "20T10:00", ""), others[i]);
        print(&printed, json, 0);
        assert_null(strstr(printed_text(&printed), "answered"));
        assert_non_null(strstr(printed_text(&printed), "on their disk 10:00"));
        printed_end(&printed);
    }
}

static void
who_must_not_be_contacted_is_said_first(void **state)
{
    (void)state;
    static const char *const answers[] = {
        "{'ok': true, " LOOP("target", "requested", "requested", ", 'no_contact': true") "}",
        "{'ok': true, " LOOP("target", "requested", "requested", "") ", 'request': {'contact': "
                                                                     "{'prohibited': true}}}",
    };
    for (size_t i = 0; i < ARRAY_LEN(answers); i++) {
        struct printed printed;
        print(&printed, answers[i], 120);
        assert_memory_equal(printed_text(&printed), "[!] DO NOT CONTACT THIS PERSON.", 31);
        assert_non_null(strstr(printed_text(&printed), "Referral 3f2a91c0 from Elm Street Pantry"));
        printed_end(&printed);
    }
}

static void
it_fits_every_width(void **state)
{
    (void)state;
    static const size_t widths[] = {60, 80, 200};
    for (size_t i = 0; i < ARRAY_LEN(widths); i++) {
        struct printed printed;
        print(&printed, whole, widths[i]);
        assert_in_range(printed_width(printed_text(&printed)), 40, widths[i]);
        assert_non_null(strstr(printed_text(&printed), "answered 10:30\n"));
        printed_end(&printed);
    }
}

static void
what_is_missing_leaves_gaps_only(void **state)
{
    (void)state;
    static const char *const answers[] = {
        "{'ok': true}",
        "{'ok': true, 'loop': 7, 'request': 'x', 'timeline': {}}",
        "{'ok': true, 'loop': {}, 'request': null, 'timeline': [null, 7, {}, {'stage': 3}]}",
    };
    for (size_t i = 0; i < ARRAY_LEN(answers); i++) {
        struct printed printed;
        print(&printed, answers[i], 80);
        assert_non_null(strstr(printed_text(&printed), "Referral"));
        printed_end(&printed);
    }
}

static void
a_partner_cannot_steer_the_terminal(void **state)
{
    (void)state;
    struct printed printed;
#define NASTY "\\u001b[2J\\u009b31m\\u0007\\r\\n\\u202e"
    print(&printed,
          "{'ok': true, 'loop': {'loop': '" NASTY "', 'partner': {'name': '" NASTY
          "'}, 'state': '" NASTY "', 'notice': '" NASTY "', 'service': '" NASTY
          "', 'next': {'who': 'x', 'step': '" NASTY "'}}, 'request': {'person': {'name': '" NASTY
          "', 'identifiers': [{'system': '" NASTY "', 'value': '" NASTY "'}]}, 'need': '" NASTY
          "', 'consent': {'basis': '" NASTY "'}}, 'timeline': [{'event': '" NASTY
          "', 'stage': '" NASTY "', 'refusal': {'text': '" NASTY
          "'}, 'facts': {'next_loop': '" NASTY "'}, 'body': {'note': '" NASTY
          "', 'missing': '" NASTY "', 'staff': '" NASTY "', 'contact_name': '" NASTY "'}}]}",
          0);
    printed_assert_harmless(printed_text(&printed));
    printed_end(&printed);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_heading_says_who_what_and_what_next),
        cmocka_unit_test(the_timeline_says_how_far_each_step_came),
        cmocka_unit_test(only_a_person_of_the_other_side_answers),
        cmocka_unit_test(who_must_not_be_contacted_is_said_first),
        cmocka_unit_test(it_fits_every_width),
        cmocka_unit_test(what_is_missing_leaves_gaps_only),
        cmocka_unit_test(a_partner_cannot_steer_the_terminal),
    };
    printed_use_utc();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
