/* The configuration reader refuses with file:line whatever it does not understand. */
#include "lib/base/conf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

struct target {
    int64_t window_ms;
    bool quiet;
    char endpoint[CONF_TEXT_MAX];
    char label[CONF_TEXT_MAX];
    int untouched;
};

static const struct conf_key keys[] = {
    {"window", CONF_INTEGER, -5, 60000, "1000", "ms", "How long to wait.\nTwo lines.",
     offsetof(struct target, window_ms)},
    {"quiet", CONF_BOOLEAN, 0, 0, "no", "", "Say less.", offsetof(struct target, quiet)},
    {"endpoint", CONF_TEXT, 1, 40, NULL, "", "Where to connect.",
     offsetof(struct target, endpoint)},
    {"label", CONF_TEXT, 0, CONF_TEXT_MAX, "", "", "A word for people.",
     offsetof(struct target, label)},
};

static enum err
parse(const char *text, struct target *target, struct complaint *complaint)
{
    return conf_parse(keys, ARRAY_LEN(keys), "x.conf", bytes_of_text(text), target, sizeof(*target),
                      complaint);
}

static void
defaults_hold_where_nothing_is_said(void **state)
{
    (void)state;
    struct target target = {.untouched = 7, .window_ms = 55, .quiet = true};
    struct complaint complaint;
    assert_int_equal(parse("endpoint = tcp://a.example.org:7000", &target, &complaint), ERR_OK);
    assert_int_equal(target.window_ms, 1000);
    assert_false(target.quiet);
    assert_string_equal(target.endpoint, "tcp://a.example.org:7000");
    assert_string_equal(target.label, "");
    assert_int_equal(target.untouched, 7);
}

static void
every_form_of_line_is_read(void **state)
{
    (void)state;
    struct target target = {0};
    struct complaint complaint;
    const char *text = "# a comment\r\n"
                       "\n"
                       "   \t\n"
                       "\twindow=-5   # the least\n"
                       "  endpoint  =  a=b#c  \r\n"
                       "quiet = yes#no\n";
    assert_int_equal(parse(text, &target, &complaint), ERR_CONFIG);
    assert_non_null(strstr(complaint.text, "x.conf:6: "));
    text = "# a comment\r\n\n   \t\n\twindow=-5   # the least\n"
           "  endpoint  =  a=b#c  \r\nquiet = yes #no\nlabel = Jos\xc3\xa9 and others";
    assert_int_equal(parse(text, &target, &complaint), ERR_OK);
    assert_int_equal(target.window_ms, -5);
    assert_true(target.quiet);
    assert_string_equal(target.endpoint, "a=b#c");
    assert_string_equal(target.label, "Jos\xc3\xa9 and others");
}

static void
booleans_have_six_words(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool value;
    } cases[] = {
        {"endpoint = a\nquiet = yes", true},  {"endpoint = a\nquiet = no", false},
        {"endpoint = a\nquiet = true", true}, {"endpoint = a\nquiet = false", false},
        {"endpoint = a\nquiet = on", true},   {"endpoint = a\nquiet = off", false},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct target target = {.quiet = !cases[i].value};
        assert_int_equal(parse(cases[i].text, &target, NULL), ERR_OK);
        assert_int_equal(target.quiet, cases[i].value);
    }
}

static void
what_is_wrong_is_said_with_its_line(void **state)
{
    (void)state;
    static const struct {
        const char *text, *complaint;
    } cases[] = {
        {"endpoint = a\nwindwo = 5\n",
         "x.conf:2: there is no key 'windwo'; perhaps 'window' is meant"},
        {"endpoint = a\n\nsomething = 5\n", "x.conf:3: there is no key 'something'"},
        {"endpoint = a\nWINDOW = 5\n", "x.conf:2: there is no key 'WINDOW'"},
        {"endpoint = a\nwindow = 5\nwindow = 5\n",
         "x.conf:3: 'window' was already given on line 2"},
        {"window = 60001",
         "x.conf:1: 'window' cannot be '60001': it must be a whole number from -5 to 60000 ms "
         "(How long to wait.)"},
        {"window = -6", "x.conf:1: 'window' cannot be '-6': it must be a whole number from -5 to "
                        "60000 ms (How long to wait.)"},
        {"quiet = maybe", "x.conf:1: 'quiet' cannot be 'maybe': it must be yes or no (Say less.)"},
        {"endpoint =", "x.conf:1: 'endpoint' cannot be '': it must be text of 1 to 40 bytes (Where "
                       "to connect.)"},
        {"window = 5\n# end\n", "x.conf:2: 'endpoint' is missing and has no default: it must be "
                                "text of 1 to 40 bytes (Where to connect.)"},
        {"", "x.conf:1: 'endpoint' is missing and has no default: it must be text of 1 to 40 bytes "
             "(Where to connect.)"},
        {"[section]", "x.conf:1: a line must read 'key = value' or start with '#'"},
        {"window = 5\nendpoint =#b\n",
         "x.conf:2: 'endpoint' cannot be '': it must be text of 1 to 40 bytes (Where to connect.)"},
        {"= 5", "x.conf:1: a line must read 'key = value' or start with '#'"},
        {"endpoint = a\x1b[2J", "x.conf:1: the line is not plain UTF-8 text"},
        {"# \xff\n", "x.conf:1: the line is not plain UTF-8 text"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct target target;
        struct target before;
        struct complaint complaint = {""};
        memset(&target, 0x5a, sizeof(target));
        memcpy(&before, &target, sizeof(before));
        assert_int_equal(parse(cases[i].text, &target, &complaint), ERR_CONFIG);
        assert_string_equal(complaint.text, cases[i].complaint);
        assert_memory_equal(&target, &before, sizeof(target));
    }
}

static void
numbers_have_one_form(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "window = ",
        "window = 5 ms",
        "window = +5",
        "window = 0x10",
        "window = 05",
        "window = 5.0",
        "window = --5",
        "window = -",
        "window = 1e3",
        "window = 9223372036854775808",
        "window = 99999999999999999999",
    };
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        struct target target = {0};
        assert_int_equal(parse(wrong[i], &target, NULL), ERR_CONFIG);
    }
}

static void
the_widest_numbers_fit(void **state)
{
    (void)state;
    const struct conf_key wide = {"n", CONF_INTEGER, INT64_MIN,     INT64_MAX,
                                  "0", "",           "Any number.", 0};
    static const struct {
        const char *text;
        int64_t value;
        enum err err;
    } cases[] = {
        {"n = 9223372036854775807", INT64_MAX, ERR_OK},
        {"n = -9223372036854775808", INT64_MIN, ERR_OK},
        {"n = 9223372036854775808", 42, ERR_CONFIG},
        {"n = -9223372036854775809", 42, ERR_CONFIG},
        {"n = 0", 0, ERR_OK},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        int64_t value = 42;
        assert_int_equal(
            conf_parse(&wide, 1, "n", bytes_of_text(cases[i].text), &value, sizeof(value), NULL),
            cases[i].err);
        assert_true(value == cases[i].value);
    }
}

static void
texts_are_limited_to_the_field(void **state)
{
    (void)state;
    char text[CONF_TEXT_MAX + 64];
    struct target target = {0};
    (void)snprintf(text, sizeof(text), "endpoint = a\nlabel = %0255d", 0);
    assert_int_equal(parse(text, &target, NULL), ERR_OK);
    assert_int_equal(strlen(target.label), CONF_TEXT_MAX - 1);
    (void)snprintf(text, sizeof(text), "endpoint = a\nlabel = %0256d", 0);
    assert_int_equal(parse(text, &target, NULL), ERR_CONFIG);
}

static void
a_wrong_default_is_our_mistake(void **state)
{
    (void)state;
    const struct conf_key wrong = {"n", CONF_INTEGER, 1, 5, "6", "", "Help.", 0};
    int64_t value = 0;
    struct complaint complaint = {""};
    assert_int_equal(
        conf_parse(&wrong, 1, "n", bytes_of_text(""), &value, sizeof(value), &complaint),
        ERR_INTERNAL);
    assert_non_null(strstr(complaint.text, "'n'"));
}

static void
words_are_one_of_a_list(void **state)
{
    (void)state;
    static const char *const words[] = {"low", "middle", "high", NULL};
    static const struct conf_key level[] = {
        {"level", CONF_WORD, 0, 0, "middle", "", "How much.", 0, words},
    };
    int64_t value = -1;
    struct complaint complaint;
    assert_int_equal(conf_parse(level, 1, "x.conf", bytes_of_text(""), &value, sizeof(value), NULL),
                     ERR_OK);
    assert_int_equal(value, 1);
    assert_int_equal(
        conf_parse(level, 1, "x.conf", bytes_of_text("level = high"), &value, sizeof(value), NULL),
        ERR_OK);
    assert_int_equal(value, 2);
    assert_int_equal(conf_parse(level, 1, "x.conf", bytes_of_text("\nlevel = hig"), &value,
                                sizeof(value), &complaint),
                     ERR_CONFIG);
    assert_int_equal(value, 2);
    assert_string_equal(complaint.text, "x.conf:2: 'level' cannot be 'hig': it must be low, "
                                        "middle or high (How much.)");
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    conf_print(level, 1, &value, out);
    assert_int_equal(fclose(out), 0);
    assert_string_equal(text,
                        "# How much.\n# Low, middle or high; default middle.\nlevel = high\n");
    free(text);
}

static void
the_line_of_a_key_is_found(void **state)
{
    (void)state;
    struct bytes text = bytes_of_text("# window\nwindows = 3\n\n  window=4 # four\nquiet");
    assert_int_equal(conf_line_of(text, "window"), 4);
    assert_int_equal(conf_line_of(text, "windows"), 2);
    assert_int_equal(conf_line_of(text, "quiet"), 1);
    assert_int_equal(conf_line_of(bytes_of_text(""), "window"), 1);
}

static void
what_is_printed_reads_back(void **state)
{
    (void)state;
    struct target target = {.window_ms = 250, .quiet = true, .endpoint = "tcp://a#b", .label = ""};
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    assert_non_null(out);
    conf_print(keys, ARRAY_LEN(keys), &target, out);
    assert_int_equal(fclose(out), 0);
    assert_non_null(text);
    assert_string_equal(text, "# How long to wait.\n"
                              "# Two lines.\n"
                              "# A whole number from -5 to 60000 ms; default 1000.\n"
                              "window = 250\n"
                              "\n"
                              "# Say less.\n"
                              "# Yes or no; default no.\n"
                              "quiet = yes\n"
                              "\n"
                              "# Where to connect.\n"
                              "# Must be given: text of 1 to 40 bytes.\n"
                              "endpoint = tcp://a#b\n"
                              "\n"
                              "# A word for people.\n"
                              "# Text of 0 to 255 bytes; empty by default.\n"
                              "label =\n");
    struct target back = {0};
    struct complaint complaint = {""};
    assert_int_equal(parse(text, &back, &complaint), ERR_OK);
    assert_int_equal(back.window_ms, target.window_ms);
    assert_int_equal(back.quiet, target.quiet);
    assert_string_equal(back.endpoint, target.endpoint);
    assert_string_equal(back.label, target.label);
    free(text);
}

static void
a_file_is_loaded_and_an_absent_one_is_empty(void **state)
{
    (void)state;
    char path[] = "/tmp/refloop-conf-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "endpoint = a\nwindow = 7\n", 24), 24);
    struct target target = {0};
    struct complaint complaint = {""};
    assert_int_equal(conf_load(keys, ARRAY_LEN(keys), path, &target, sizeof(target), &complaint),
                     ERR_OK);
    assert_int_equal(target.window_ms, 7);
    assert_int_equal(ftruncate(fd, 70000), 0);
    assert_int_equal(conf_load(keys, ARRAY_LEN(keys), path, &target, sizeof(target), &complaint),
                     ERR_CONFIG);
    assert_non_null(strstr(complaint.text, "64 KiB"));
    (void)close(fd);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(conf_load(keys, ARRAY_LEN(keys), path, &target, sizeof(target), &complaint),
                     ERR_CONFIG);
    assert_non_null(strstr(complaint.text, ":1: 'endpoint' is missing"));
    assert_int_equal(conf_load(keys, 2, path, &target, sizeof(target), &complaint), ERR_OK);
    assert_int_equal(conf_load(keys, 2, "/tmp", &target, sizeof(target), &complaint), ERR_IO);
    assert_non_null(strstr(complaint.text, "/tmp cannot be read"));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_hold_where_nothing_is_said),
        cmocka_unit_test(every_form_of_line_is_read),
        cmocka_unit_test(booleans_have_six_words),
        cmocka_unit_test(what_is_wrong_is_said_with_its_line),
        cmocka_unit_test(numbers_have_one_form),
        cmocka_unit_test(the_widest_numbers_fit),
        cmocka_unit_test(texts_are_limited_to_the_field),
        cmocka_unit_test(a_wrong_default_is_our_mistake),
        cmocka_unit_test(words_are_one_of_a_list),
        cmocka_unit_test(the_line_of_a_key_is_found),
        cmocka_unit_test(what_is_printed_reads_back),
        cmocka_unit_test(a_file_is_loaded_and_an_absent_one_is_empty),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
