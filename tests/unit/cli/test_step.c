/* Each step asks the agent for exactly what the words on the command line mean. */
#include "agent/cli/cmd.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/cli/commands.h"
#include "lib/base/file.h"
#include "printed.h"

static char text_path[] = "/tmp/refloop-step-XXXXXX";

static int
make_file(void **state)
{
    (void)state;
    int fd = mkstemp(text_path);
    return fd >= 0 && close(fd) == 0 &&
                   file_replace(text_path, bytes_of_text("Pat Sample\r\n555-0101\n"), 0600) ==
                       ERR_OK
               ? 0
               : -1;
}

static int
remove_file(void **state)
{
    (void)state;
    return unlink(text_path);
}

static json_t *
request_of(const char *command, const char *code, struct cli_options options,
           struct complaint *complaint)
{
    char loop[] = "3f2a";
    char word[64];
    char *words[] = {loop, word};
    (void)snprintf(word, sizeof(word), "%s", code != NULL ? code : "");
    const struct cli cli = {
        .command = commands_find(command),
        .options = options,
        .words = words,
        .n_words = code != NULL ? 2 : 1,
    };
    assert_non_null(cli.command);
    return cmd_step_request(&cli, complaint);
}

static void
words_become_the_fields_of_the_step(void **state)
{
    (void)state;
    static const struct {
        const char *command, *code, *fields;
    } cases[] = {
        {"accept", NULL, ""},
        {"decline", "no-capacity", ", 'reason': 'no-capacity'"},
        {"hold", "waitlist", ", 'reason': 'waitlist'"},
        {"fail", "moved", ", 'reason': 'moved'"},
        {"progress", "outreach", ", 'kind': 'outreach'"},
        {"cancel", "no-longer-needed", ", 'reason': 'no-longer-needed'"},
        {"withdraw", "no-longer-needed", ", 'reason': 'no-longer-needed'"},
        {"release", "source-cancelled", ", 'reason': 'source-cancelled'"},
        {"void", "test", ", 'reason': 'test'"},
        {"retract", NULL, ""},
        {"complete", "service-provided", ", 'outcome': 'service-provided'"},
        {"acknowledge", NULL, ", 'next': 'none'"},
        {"acknowledge", "other", ", 'next': 'other'"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char expected[256];
        struct complaint complaint = {0};
        (void)snprintf(expected, sizeof(expected),
                       "{'command': 'step', 'loop': '3f2a', 'event': '%s'%s}", cases[i].command,
                       cases[i].fields);
        json_auto_t *wanted = printed_json(expected);
        json_auto_t *request =
            request_of(cases[i].command, cases[i].code, (struct cli_options){0}, &complaint);
        assert_int_equal(json_equal(wanted, request), 1);
    }
}

static void
options_become_fields_too(void **state)
{
    (void)state;
    struct complaint complaint = {0};
    const struct cli_options accept = {
        .due = "2026-12-01", .contact = text_path, .text = text_path};
    const struct cli_options acknowledge = {.next_loop = "4f2a"};
    const struct cli_options progress = {.at = "2026-12-01 14:30"};
    json_auto_t *wanted = printed_json("{'command': 'step', 'loop': '3f2a', 'event': 'accept', "
                                       "'due': '2026-12-01', 'contact_name': 'Pat Sample', "
                                       "'contact_phone': '555-0101', 'text': 'Pat "
                                       "Sample\\n555-0101'}");
    json_auto_t *request = request_of("accept", NULL, accept, &complaint);
    assert_int_equal(json_equal(wanted, request), 1);
    json_auto_t *last = request_of("acknowledge", "re-referred", acknowledge, &complaint);
    assert_string_equal(json_string_value(json_object_get(last, "next_loop")), "4f2a");
    json_auto_t *scheduled = request_of("progress", "scheduled", progress, &complaint);
    assert_string_equal(json_string_value(json_object_get(scheduled, "appointment")),
                        "2026-12-01T14:30:00Z");
}

/* The agent would name its own fields and its own form of a time: a person typed an option. */
static void
a_time_is_refused_by_the_name_of_its_option(void **state)
{
    (void)state;
    static const struct {
        struct cli_options options;
        const char *says;
    } cases[] = {
        {{.due = "tomorrow"}, "--due takes a date like 2026-12-01"},
        {{.at = "2026-12-01"}, "--at takes a time like \"2026-12-01 14:30\""},
        {{.at = "half past two"}, "--at takes a time like \"2026-12-01 14:30\""},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct complaint complaint = {0};
        assert_null(request_of("progress", "scheduled", cases[i].options, &complaint));
        assert_string_equal(complaint.text, cases[i].says);
    }
}

static void
a_contact_of_three_lines_is_refused(void **state)
{
    (void)state;
    struct complaint complaint = {0};
    assert_int_equal(file_replace(text_path, bytes_of_text("a\nb\nc\n"), 0600), ERR_OK);
    const struct cli_options options = {.contact = text_path};
    assert_null(request_of("accept", NULL, options, &complaint));
    assert_non_null(strstr(complaint.text, "two lines"));
}

static void
standard_input_is_read_once(void **state)
{
    (void)state;
    struct complaint complaint = {0};
    const struct cli_options options = {.contact = "-", .text = "-"};
    assert_null(request_of("accept", NULL, options, &complaint));
    assert_non_null(strstr(complaint.text, "only one"));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_become_the_fields_of_the_step),
        cmocka_unit_test(options_become_fields_too),
        cmocka_unit_test(a_time_is_refused_by_the_name_of_its_option),
        cmocka_unit_test(a_contact_of_three_lines_is_refused),
        cmocka_unit_test(standard_input_is_read_once),
    };
    printed_use_utc();
    return cmocka_run_group_tests(tests, make_file, remove_file);
}
