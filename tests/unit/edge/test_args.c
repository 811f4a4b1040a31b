/* The command line: usual forms are taken, mistakes are refused and change nothing. */
#include "lib/edge/args.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

struct options {
    const char *home;
    bool check;
    int64_t seconds;
};

static const struct args_option table[] = {
    {"home", 'H', ARGS_TEXT, "DIR", "where\nthe keys are", offsetof(struct options, home), 0, 0},
    {"check", 0, ARGS_FLAG, NULL, "look and stop", offsetof(struct options, check), 0, 0},
    {"timeout-s", 't', ARGS_INTEGER, "N", "patience", offsetof(struct options, seconds), 1, 600},
};

static struct args_program program = {
    .name = "example",
    .usage = "[options] WORD",
    .description = "Does something.",
    .epilogue = "The end.",
    .options = table,
    .n_options = ARRAY_LEN(table),
};

/* Words of `line`, split at blanks; the result of args_parse. */
static enum args_result
run(const char *line, struct options *options, char *rest)
{
    static char text[256];
    char *argv[16] = {NULL};
    int argc = 0;
    strcpy(text, line);
    for (char *word = strtok(text, " "); word != NULL; word = strtok(NULL, " ")) {
        argv[argc++] = word;
    }
    int first = 0;
    enum args_result result = args_parse(&program, argc, argv, options, sizeof(*options), &first);
    rest[0] = '\0';
    for (int i = first; result == ARGS_RUN && i < argc; i++) {
        strcat(strcat(rest, argv[i]), ";");
    }
    return result;
}

static void
test_usual_forms(void **state)
{
    (void)state;
    char rest[256];
    struct options options = {.home = "none", .seconds = 30};
    assert_int_equal(run("example", &options, rest), ARGS_RUN);
    assert_string_equal(options.home, "none");
    assert_int_equal(options.seconds, 30);
    assert_int_equal(run("example a --home=/x -t 5 b --check c", &options, rest), ARGS_RUN);
    assert_string_equal(options.home, "/x");
    assert_int_equal(options.seconds, 5);
    assert_true(options.check);
    assert_string_equal(rest, "a;b;c;");
    assert_int_equal(run("example -H/y --timeout-s 600 -- --check -", &options, rest), ARGS_RUN);
    assert_string_equal(options.home, "/y");
    assert_string_equal(rest, "--check;-;");
}

static void
test_subcommands(void **state)
{
    (void)state;
    char rest[256];
    struct options options = {0};
    program.stop_at_first = true;
    assert_int_equal(run("example --check send --home x", &options, rest), ARGS_RUN);
    program.stop_at_first = false;
    assert_true(options.check);
    assert_null(options.home);
    assert_string_equal(rest, "send;--home;x;");
}

static void
test_mistakes(void **state)
{
    (void)state;
    const char *const wrong[] = {
        "example --check --nothing",
        "example --check -z",
        "example --check --home",
        "example --check -t 0",
        "example --check -t 601",
        "example --check --timeout-s=5x",
        "example --check -t",
        "example --check=yes",
        "example --check -t 99999999999999999999",
    };
    char rest[256];
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        struct options options = {.home = "none"};
        assert_int_equal(run(wrong[i], &options, rest), ARGS_WRONG);
        assert_false(options.check);
        assert_string_equal(options.home, "none");
    }
    assert_int_equal(args_usage_error(&program, "no %s", "good"), ARGS_EXIT_USAGE);
}

static void
test_help_and_version(void **state)
{
    (void)state;
    char rest[256];
    struct options options = {0};
    assert_int_equal(run("example --check --help --nothing", &options, rest), ARGS_DONE);
    assert_int_equal(run("example -h", &options, rest), ARGS_DONE);
    assert_int_equal(run("example --version", &options, rest), ARGS_DONE);
    assert_false(options.check);
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    args_print_help(&program, out);
    assert_int_equal(fclose(out), 0);
    assert_string_equal(text, "Usage: example [options] WORD\n\nDoes something.\n\nOptions:\n"
                              "  -H, --home DIR          where\n"
                              "                          the keys are\n"
                              "  --check                 look and stop\n"
                              "  -t, --timeout-s N       patience\n"
                              "  -h, --help              print this\n"
                              "  --version               print the version\n"
                              "\nThe end.\n");
    free(text);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_usual_forms),
        cmocka_unit_test(test_subcommands),
        cmocka_unit_test(test_mistakes),
        cmocka_unit_test(test_help_and_version),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
