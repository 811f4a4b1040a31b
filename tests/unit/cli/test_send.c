/* What was sent, what was refused and why; nothing claims more than "safe on this machine". */
#include "agent/cli/cmd.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "printed.h"

static const char mixed[] =
    "{'ok': true, 'sent': [{'loop': '3f2a91c077de0b14a2f56c8e01d2b3c4', 'to': 'elm-pantry', 'row': "
    "2}, {'loop': '4f2a91c077de0b14a2f56c8e01d2b3c4', 'to': 'elm-pantry', 'row': 4}], 'refused': "
    "[{'row': 3, 'field': 'name', 'text': 'a name is needed \\u001b[2J'}], 'notices': ['no time "
    "zone was given'], 'carried': ['Observation/1']}";

static void
a_mixed_batch_is_told_row_by_row(void **state)
{
    (void)state;
    json_auto_t *answer = printed_json(mixed);
    struct printed out;
    struct printed errors;
    printed_begin(&out, 0);
    printed_begin(&errors, 0);
    cmd_print_send(&out.screen, &errors.screen, answer, false);
    assert_string_equal(printed_text(&out),
                        "3f2a91c0  to elm-pantry (row 2)\n4f2a91c0  to elm-pantry (row 4)\n"
                        "notice: no time zone was given\n"
                        "carried along unchanged: Observation/1\n"
                        "2 referrals are safe on this machine and will go out without further "
                        "help.\n");
    assert_string_equal(printed_text(&errors),
                        "row 3 refused: a name is needed ?[2J\n"
                        "1 referral was refused; correct it and send only that one again.\n");
    printed_end(&out);
    printed_end(&errors);
}

static void
a_check_sends_nothing_and_says_so(void **state)
{
    (void)state;
    json_auto_t *answer = printed_json(
        "{'ok': true, 'sent': [{'loop': null, 'to': 'elm-pantry', 'row': 0}], 'refused': []}");
    struct printed out;
    struct printed errors;
    printed_begin(&out, 0);
    printed_begin(&errors, 0);
    cmd_print_send(&out.screen, &errors.screen, answer, true);
    assert_string_equal(printed_text(&out),
                        "would be sent to elm-pantry\nNothing was sent: this was a check.\n");
    assert_string_equal(printed_text(&errors), "");
    printed_end(&out);
    printed_end(&errors);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_mixed_batch_is_told_row_by_row),
        cmocka_unit_test(a_check_sends_nothing_and_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
