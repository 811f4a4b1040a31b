/* The list: readable at every width, what needs the reader stands out, the end says how much. */
#include "agent/cli/cmd.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "printed.h"

#define ROW(loop, person, state, queued, who, needs, more)                                         \
    "{'loop': '" loop "77de0b14a2f56c8e01d2b3c4', 'role': 'source', 'partner': {'org': "           \
    "'elm-pantry', 'name': 'Elm Street Pantry', 'revoked': false}, 'person': '" person             \
    "', 'category': 'food-insecurity', 'service': '', 'need': 'groceries for three', 'priority': " \
    "'routine', 'state': '" state "', 'queued_state': '" queued                                    \
    "', 'open': true, 'created': '2026-11-20T16:02:11Z', 'since': '2026-11-20T11:00:00Z', "        \
    "'needed_by': null, 'due': '2026-11-25T23:59:59Z', 'next': {'who': '" who                      \
    "', 'org': 'x', 'step': 'do it', 'since': '2026-11-20T11:00:00Z'}, 'needs_me': " needs more    \
    "}"

/* clang-format off */
static const char three[] =
    "{'ok': true, 'total': 9, 'matched': 3, 'loops': ["
    ROW("3f2a91c0", "Ana Example", "completed", "completed", "source", "true",
        ", 'notice': 'your cancel crossed with their complete: theirs came first and counts'")
    ","
    ROW("4f2a91c0", "Bo Example the Very Long Named Person", "accepted", "accepted", "target",
        "false", ", 'no_contact': true, 'notice': 'This person must not be contacted.'")
    ","
    ROW("5f2a91c0", "Zo\xc3\xab Example", "requested", "withdrawn", "target", "false", "")
    "]}";
/* clang-format on */

static void
print(struct printed *printed, const char *json, const char *filter, size_t width)
{
    json_auto_t *answer = printed_json(json);
    printed_begin(printed, width);
    cmd_print_list(&printed->screen, answer, filter);
}

static void
it_fits_every_width(void **state)
{
    (void)state;
    static const size_t widths[] = {60, 80, 200};
    for (size_t i = 0; i < ARRAY_LEN(widths); i++) {
        struct printed printed;
        print(&printed, three, "open", widths[i]);
        const char *text = printed_text(&printed);
        assert_in_range(printed_width(text), 20, widths[i]);
        assert_non_null(strstr(text, "3f2a91c0  Ana "));
        assert_non_null(strstr(text, "you, 2 days"));
        assert_non_null(strstr(text, "STATE"));
        printed_assert_harmless(text);
        printed_end(&printed);
    }
}

static void
a_wide_list_says_everything(void **state)
{
    (void)state;
    struct printed printed;
    print(&printed, three, "open", 200);
    const char *text = printed_text(&printed);
    assert_non_null(strstr(text, "!  3f2a91c0  Ana Example                            food  Elm "
                                 "Street Pantry  completed   you, 2 days   Nov 25\n"));
    assert_non_null(strstr(text, "them, 2 days"));
    assert_non_null(strstr(text, "withdrawn*"));
    assert_non_null(strstr(text, "\n* on this machine, not on the broker's disk yet\n"));
    assert_non_null(strstr(text, "\n! 3f2a91c0  your cancel crossed with their complete"));
    assert_non_null(strstr(text, "\n! 4f2a91c0  do not contact this person\n"));
    assert_null(strstr(text, "must not be contacted"));
    assert_non_null(strstr(text, "\n3 open referrals, 1 needs you\n"));
    printed_end(&printed);
}

static void
a_narrow_list_leaves_columns_out(void **state)
{
    (void)state;
    struct printed printed;
    print(&printed, three, "open", 56);
    assert_null(strstr(printed_text(&printed), "DUE"));
    assert_null(strstr(printed_text(&printed), "WHAT"));
    printed_end(&printed);
    print(&printed, three, "open", 80);
    assert_non_null(strstr(printed_text(&printed), "DUE"));
    assert_non_null(strstr(printed_text(&printed), "food"));
    printed_end(&printed);
}

/* Who receives is not told the partner first, who sends not the need: the column that matters less
 * to the reader goes when there is no room for both. */
static void
a_full_list_keeps_what_the_reader_wants(void **state)
{
    (void)state;
    static const struct {
        const char *role, *kept, *dropped;
    } cases[] = {{"source", "PARTNER", "WHAT"}, {"target", "WHAT", "PARTNER"}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char json[2048];
        struct printed printed;
        (void)snprintf(
            json, sizeof(json),
            "{'ok': true, 'matched': 1, 'loops': [{'loop': '3f2a91c077de0b14a2f56c8e01d2b3c4', "
            "'person': 'Maria-Magdalena Example', 'category': 'inadequate-housing', 'state': "
            "'info-requested', 'role': '%s', 'priority': 'urgent', 'due': "
            "'2026-12-24T23:59:59Z', 'notice': 'x', 'partner': {'name': 'Elm Street Pantry'}, "
            "'next': {'who': 'z', 'since': '2026-11-22T11:59:59Z'}}]}",
            cases[i].role);
        print(&printed, json, "open", 80);
        const char *text = printed_text(&printed);
        assert_non_null(strstr(text, cases[i].kept));
        assert_null(strstr(text, cases[i].dropped));
        assert_non_null(strstr(text, "Maria-Magda"));
        assert_non_null(strstr(text, "Dec 24"));
        assert_in_range(printed_width(text), 60, 80);
        printed_end(&printed);
    }
}

static void
a_cut_list_counts_no_more_than_it_knows(void **state)
{
    (void)state;
    struct printed printed;
    print(&printed,
          "{'ok': true, 'total': 70, 'matched': 61, 'loops': [" ROW(
              "3f2a91c0", "Ana Example", "accepted", "accepted", "source", "true", "") "]}",
          "open", 80);
    assert_non_null(strstr(printed_text(&printed), "61 open referrals, 1 or more need you\n"));
    printed_end(&printed);
}

static void
an_empty_list_says_what_to_do(void **state)
{
    (void)state;
    static const char *const filters[] = {"open", "needs-me", "closed", "all"};
    for (size_t i = 0; i < ARRAY_LEN(filters); i++) {
        struct printed printed;
        print(&printed, "{'ok': true, 'total': 0, 'matched': 0, 'loops': []}", filters[i], 80);
        const char *text = printed_text(&printed);
        assert_non_null(strstr(text, "'refloop "));
        assert_null(strstr(text, "LOOP"));
        printed_end(&printed);
    }
}

static void
a_cut_list_says_so(void **state)
{
    (void)state;
    struct printed printed;
    print(&printed,
          "{'ok': true, 'total': 70, 'matched': 61, 'loops': [" ROW(
              "3f2a91c0", "Ana Example", "accepted", "accepted", "target", "false", "") "]}",
          "all", 80);
    const char *text = printed_text(&printed);
    assert_non_null(strstr(text, "61 referrals, none needs you\n"));
    assert_non_null(strstr(text, "Shown: 1 of 61; --limit 61 shows all.\n"));
    assert_null(strstr(text, "!"));
    printed_end(&printed);
}

static void
a_closed_and_nameless_loop_is_shown(void **state)
{
    (void)state;
    struct printed printed;
    print(&printed,
          "{'ok': true, 'matched': 1, 'loops': [{'loop': '3f2a91c077de0b14a2f56c8e01d2b3c4', "
          "'person': '', 'category': '', 'need': '', 'state': 'closed', 'partner': {'org': "
          "'elm-pantry'}, 'next': null, 'priority': 'urgent'}, 7]}",
          "closed", 80);
    const char *text = printed_text(&printed);
    assert_non_null(strstr(text, "3f2a91c0  (no name)  urgent  elm-pantry  closed\n"));
    printed_end(&printed);
}

static void
a_partner_cannot_steer_the_terminal(void **state)
{
    (void)state;
    struct printed printed;
    print(&printed,
          "{'ok': true, 'matched': 1, 'loops': [" ROW(
              "3f2a91c0", "\\u001b[2JAna\\u009b31m", "\\u001b]0;x\\u0007", "accepted", "target",
              "false", ", 'notice': '\\u001b[8mhidden\\r\\n\\u202edesrever'") "]}",
          "all", 200);
    printed_assert_harmless(printed_text(&printed));
    assert_non_null(strstr(printed_text(&printed), "?[2JAna?31m"));
    printed_end(&printed);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_fits_every_width),
        cmocka_unit_test(a_wide_list_says_everything),
        cmocka_unit_test(a_narrow_list_leaves_columns_out),
        cmocka_unit_test(a_full_list_keeps_what_the_reader_wants),
        cmocka_unit_test(a_cut_list_counts_no_more_than_it_knows),
        cmocka_unit_test(an_empty_list_says_what_to_do),
        cmocka_unit_test(a_cut_list_says_so),
        cmocka_unit_test(a_closed_and_nameless_loop_is_shown),
        cmocka_unit_test(a_partner_cannot_steer_the_terminal),
    };
    printed_use_utc();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
