/* JSON from outside: what passes, what is refused and in which words; and back to text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent/content/content.h"

struct refusal {
    const char *text;
    size_t len; /* 0: a C string */
    const char *words;
};

static const struct refusal refusals[] = {
    {"", 0, "too early"},
    {"{\"a\": 1", 0, "too early"},
    {"{\"a\": 1} x", 0, "after the end"},
    {"{\"a\": 1, \"a\": 2}", 0, "twice"},
    {"{\"a\": \"\\u0000\"}", 0, "NUL"},
    {"{\"a\\u0000b\": 1}", 0, "NUL"},
    {"{\"a\": \"x\0y\"}", 13, "line 1"},
    {"{\"a\": \"\xff\"}", 0, "UTF-8"},
    {"{\"a\": \"\xc0\xaf\"}", 0, "UTF-8"},
    {"{\"a\": \"\xed\xa0\x80\"}", 0, "UTF-8"},
    {"{\"a\": 1e999}", 0, "too large"},
    {"{\"a\": 99999999999999999999}", 0, "too large"},
    {"{'a': 1}", 0, "not valid JSON"},
    {"{\"a\": NaN}", 0, "not valid JSON"},
    {"{\"a\": 01}", 0, "not valid JSON"},
    {"17", 0, "not valid JSON"},
    {"\"text\"", 0, "not valid JSON"},
};

static void
bad_json_is_refused_with_its_place(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
        const struct refusal *row = &refusals[i];
        struct content_fault fault = {"", ""};
        json_t *json = NULL;
        size_t len = row->len != 0 ? row->len : strlen(row->text);
        enum err err = content_parse(bytes_of(row->text, len), 1000, &json, &fault);
        if (err != ERR_INVALID || strstr(fault.text, row->words) == NULL)
            print_error("%zu: %s -> %d %s\n", i, row->text, err, fault.text);
        assert_int_equal(err, ERR_INVALID);
        assert_null(json);
        assert_non_null(strstr(fault.text, row->words));
    }
}

static void
a_complaint_never_shows_a_value(void **state)
{
    struct content_fault fault = {"", ""};
    json_t *json = NULL;

    (void)state;
    assert_int_equal(content_parse(bytes_of_text("{\"name\": Ana}"), 1000, &json, &fault),
                     ERR_INVALID);
    assert_null(strstr(fault.text, "Ana"));
    assert_non_null(strstr(fault.text, "line 1, column"));
}

static enum err
parse_nested(size_t depth, char open, char close)
{
    char text[300];
    json_t *json = NULL;

    for (size_t i = 0; i < depth; i++) {
        text[i] = open;
        text[2 * depth - 1 - i] = close;
    }
    enum err err = content_parse(bytes_of(text, 2 * depth), sizeof(text), &json, NULL);
    json_decref(json);
    return err;
}

static void
depth_is_bounded(void **state)
{
    static char bomb[200000];
    struct content_fault fault;
    json_t *json = NULL;

    (void)state;
    assert_int_equal(parse_nested(64, '[', ']'), ERR_OK);
    assert_int_equal(parse_nested(65, '[', ']'), ERR_INVALID);
    memset(bomb, '[', sizeof(bomb));
    assert_int_equal(content_parse(bytes_of(bomb, sizeof(bomb)), sizeof(bomb), &json, &fault),
                     ERR_INVALID);
    assert_non_null(strstr(fault.text, "64"));
    /* Brackets in texts are no depth. */
    memset(bomb, '{', sizeof(bomb));
    memcpy(bomb, "[\"\\\"", 4);
    memcpy(bomb + sizeof(bomb) - 2, "\"]", 2);
    assert_int_equal(content_parse(bytes_of(bomb, sizeof(bomb)), sizeof(bomb), &json, &fault),
                     ERR_OK);
    json_decref(json);
}

static void
size_is_bounded(void **state)
{
    struct content_fault fault;
    json_t *json = NULL;

    (void)state;
    assert_int_equal(content_parse(bytes_of_text("{\"a\":1}"), 7, &json, &fault), ERR_OK);
    json_decref(json);
    json = NULL;
    assert_int_equal(content_parse(bytes_of_text("{\"a\":1}"), 6, &json, &fault), ERR_INVALID);
    assert_null(json);
}

static void
printing_is_compact_and_stable(void **state)
{
    static const char text[] = "{\"b\":[1,0.1,72.0,-1e-7,true,null,\"é\\n\"],\"a\":{}}";
    CLEANUP(buffer_done) struct buffer out = BUFFER_INIT(1000);
    json_t *json = NULL;

    (void)state;
    assert_int_equal(content_parse(bytes_of_text(text), 1000, &json, NULL), ERR_OK);
    assert_int_equal(content_print(json, &out), ERR_OK);
    assert_int_equal(out.len, strlen(text));
    assert_memory_equal(out.data, text, out.len);
    json_decref(json);
}

static void
printing_past_the_limit_says_so(void **state)
{
    CLEANUP(buffer_done) struct buffer out = BUFFER_INIT(5);
    json_auto_t *json = json_pack("{s:s}", "a", "long enough");

    (void)state;
    assert_int_equal(content_print(json, &out), ERR_TOO_LARGE);
}

static void
blame_makes_names_printable(void **state)
{
    struct content_fault fault;

    (void)state;
    assert_int_equal(content_blame(&fault, "a\033[2Jb", "%s", "words"), ERR_INVALID);
    assert_string_equal(fault.field, "a?[2Jb");
    assert_string_equal(fault.text, "words");
    assert_int_equal(content_blame(NULL, "a", "words"), ERR_INVALID);
}

static void
text_of_a_missing_field_is_empty(void **state)
{
    json_auto_t *json = json_pack("{s:s, s:i}", "a", "x", "n", 1);

    (void)state;
    assert_string_equal(content_text(json, "a"), "x");
    assert_string_equal(content_text(json, "n"), "");
    assert_string_equal(content_text(json, "b"), "");
    assert_string_equal(content_text(NULL, "b"), "");
}

static void
changed_decimals_are_counted(void **state)
{
    static const struct {
        const char *json;
        size_t n;
    } cases[] = {
        {"{}", 0},
        {"[1, -2, 10, 1.5, 0.1, -0.25, 98.6, 71.4681835317017]", 0},
        {"{\"value\": 1.50}", 1},
        {"[-71.46818353170166]", 1},
        {"[1.50, 2.0, 2.00, 1e2, 1.5E0]", 4},
        {"[\"1.50\", \"\\\"1.50\", \"\\\\\", 1.50]", 1},
        {"{\"a 1.50\": 1.5, \"b\"", 0},
        {"[1.50.50, -, 1.5e, +1.50]", 0}, /* no numbers: refused elsewhere */
        {"1.50", 1},
        {"", 0},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        assert_int_equal(content_changed_decimals(bytes_of_text(cases[i].json), 100), cases[i].n);
    assert_int_equal(content_changed_decimals(bytes_of_text("[1.50, 1.50, 1.50]"), 2), 2);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bad_json_is_refused_with_its_place),
        cmocka_unit_test(a_complaint_never_shows_a_value),
        cmocka_unit_test(depth_is_bounded),
        cmocka_unit_test(size_is_bounded),
        cmocka_unit_test(printing_is_compact_and_stable),
        cmocka_unit_test(printing_past_the_limit_says_so),
        cmocka_unit_test(blame_makes_names_printable),
        cmocka_unit_test(text_of_a_missing_field_is_empty),
        cmocka_unit_test(changed_decimals_are_counted),
    };

    return cmocka_run_group_tests_name("content", tests, NULL, NULL);
}
