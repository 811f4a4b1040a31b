/* The table of commands is sound, and wrong usage ends with 2 before anything is asked. */
#include "agent/cli/commands.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/base/file.h"
#include "lib/edge/args.h"
#include "printed.h"

enum { WORDS_MAX = 8 };

static const char *manual_path; /* given as an argument */
static char errors_path[] = "/tmp/refloop-usage-XXXXXX";

/* Runs with standard error in a file, as usage errors go there whatever happens. */
static int
run(const char *const *words, char *said, size_t size)
{
    char *argv[WORDS_MAX + 1] = {strdup("refloop")};
    int argc = 1;
    while (words[argc - 1] != NULL) {
        argv[argc] = strdup(words[argc - 1]);
        argc++;
    }
    int kept = dup(STDERR_FILENO);
    FILE *file = freopen(errors_path, "w", stderr);
    assert_non_null(file);
    int code = commands_run(argc, argv, stdout, stderr);
    assert_int_equal(fflush(stderr), 0);
    assert_true(dup2(kept, STDERR_FILENO) >= 0);
    (void)close(kept); /* was only a copy */
    FILE *saved = fopen(errors_path, "r");
    assert_non_null(saved);
    said[fread(said, 1, size - 1, saved)] = '\0';
    (void)fclose(saved); /* read only */
    for (int i = 0; i < argc; i++) {
        free(argv[i]);
    }
    return code;
}

static void
every_command_is_complete(void **state)
{
    (void)state;
    size_t n = 0;
    const struct command *commands = commands_all(&n);
    assert_int_equal(n, 28);
    for (size_t i = 0; i < n; i++) {
        assert_non_null(commands[i].run);
        assert_in_range(strlen(commands[i].help), 5, 60);
        assert_non_null(strstr(commands[i].options, "home json"));
        assert_ptr_equal(commands_find(commands[i].name), &commands[i]);
    }
    assert_null(commands_find("delete"));
}

static void
every_step_a_person_can_say_is_a_command(void **state)
{
    (void)state;
    for (int i = 0; i < EVENT_COUNT; i++) {
        enum loop_event event = (enum loop_event)i;
        enum reason_list list;
        const struct command *command = commands_find(lifecycle_event_name(event));
        if (event == EVENT_REQUEST || event == EVENT_DELIVERED) {
            assert_null(command); /* `send` makes the one, the agents the other */
            continue;
        }
        assert_non_null(command);
        assert_non_null(strstr(command->options, "text"));
        assert_int_equal(command->list, reason_list_for(event, &list) ? list : REASON_LIST_COUNT);
    }
}

static void
words_are_counted_from_the_table(void **state)
{
    (void)state;
    static const struct {
        const char *arguments;
        size_t min, max;
    } cases[] = {
        {"", 0, 0},       {"LOOP", 1, 1},           {"LOOP REASON", 2, 2},
        {"[LOOP]", 0, 1}, {"FILE...", 1, SIZE_MAX}, {"LOOP [NEXT-STEP]", 1, 2},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        size_t min = 9;
        size_t max = 9;
        commands_count_words(cases[i].arguments, &min, &max);
        assert_int_equal(min, cases[i].min);
        assert_int_equal(max, cases[i].max);
    }
}

static void
wrong_usage_ends_with_2(void **state)
{
    (void)state;
    static const struct {
        const char *words[WORDS_MAX];
        const char *said;
    } cases[] = {
        {{NULL}, "a command is missing"},
        {{"--json", NULL}, "a command is missing"},
        {{"remove", "3f2a", NULL}, "there is no such command"},
        {{"--jsonn", "list", NULL}, "there is no option --jsonn"},
        {{"show", NULL}, "refloop show LOOP"},
        {{"decline", "3f2a", NULL}, "refloop decline LOOP REASON"},
        {{"send", NULL}, "refloop send FILE..."},
        {{"list", "--limit", "0", NULL}, "--limit takes a number"},
        {{"list", "--text", "x", NULL}, "there is no option --text"},
        {{"list", "--open", "--all", NULL}, "only one of"},
        {{"status", "--home", NULL}, "needs a value"},
        {{"note", "3f2a", "Ana needs shoes", NULL}, "--text"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char said[4096];
        assert_int_equal(run(cases[i].words, said, sizeof(said)), CLI_EXIT_USAGE);
        if (strstr(said, cases[i].said) == NULL) {
            fail_msg("\"%s\" is not in: %s", cases[i].said, said);
        }
    }
}

static void
a_text_given_as_an_argument_is_not_repeated(void **state)
{
    (void)state;
    const char *const words[] = {"decline", "3f2a", "other", "Ana Example", NULL};
    char said[4096];
    assert_int_equal(run(words, said, sizeof(said)), CLI_EXIT_USAGE);
    assert_null(strstr(said, "Ana"));
    assert_non_null(strstr(said, "never given as arguments"));
}

static void
an_agent_that_does_not_run_ends_with_3(void **state)
{
    (void)state;
    const char *const words[] = {"list", "--home", "/nonexistent/home", NULL};
    char said[4096];
    assert_int_equal(run(words, said, sizeof(said)), CLI_EXIT_NO_AGENT);
    assert_non_null(strstr(said, "refloop list: refloop-agent is not running"));
    assert_non_null(strstr(said, "start it with"));
}

static void
the_manual_has_every_command_and_option(void **state)
{
    (void)state;
    CLEANUP(buffer_done) struct buffer manual = BUFFER_INIT(256 * 1024);
    size_t n = 0;
    const struct command *commands = commands_all(&n);
    if (manual_path == NULL) {
        skip();
    }
    assert_int_equal(file_read(manual_path, &manual), ERR_OK);
    buffer_put_u8(&manual, 0);
    assert_int_equal(buffer_err(&manual), ERR_OK);
    for (size_t i = 0; i < n; i++) {
        char wanted[64];
        (void)snprintf(wanted, sizeof(wanted), "\n.It Ic %s", commands[i].name);
        if (strstr((const char *)manual.data, wanted) == NULL) {
            fail_msg("%s is missing", commands[i].name);
        }
        for (const char *name = commands[i].options; *name != '\0'; name += strspn(name, " ")) {
            int len = (int)strcspn(name, " ");
            (void)snprintf(wanted, sizeof(wanted), "Fl -%.*s", len, name);
            if (strstr((const char *)manual.data, wanted) == NULL) {
                fail_msg("--%.*s is missing", len, name);
            }
            name += len;
        }
    }
}

static int
make_file(void **state)
{
    (void)state;
    int fd = mkstemp(errors_path);
    return fd >= 0 ? close(fd) : -1;
}

static int
remove_file(void **state)
{
    (void)state;
    return unlink(errors_path);
}

int
main(int argc, char **argv)
{
    manual_path = argc > 1 ? argv[1] : NULL;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_command_is_complete),
        cmocka_unit_test(every_step_a_person_can_say_is_a_command),
        cmocka_unit_test(words_are_counted_from_the_table),
        cmocka_unit_test(wrong_usage_ends_with_2),
        cmocka_unit_test(a_text_given_as_an_argument_is_not_repeated),
        cmocka_unit_test(an_agent_that_does_not_run_ends_with_3),
        cmocka_unit_test(the_manual_has_every_command_and_option),
    };
    return cmocka_run_group_tests(tests, make_file, remove_file);
}
