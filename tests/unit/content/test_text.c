/* Texts of people: limits, lines, blanks; strict from the keyboard, gentle from another record. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent/content/content_text.h"

static enum err
take(const char *name, const char *text, json_t **out, struct content_fault *fault)
{
    json_auto_t *value = json_string(text);

    assert_non_null(value);
    return content_take(name, "label", value, out, fault);
}

static void
check_taken(const char *name, const char *text, const char *expected)
{
    struct content_fault fault;
    json_t *out = NULL;

    assert_int_equal(take(name, text, &out, &fault), ERR_OK);
    if (expected == NULL)
        assert_null(out);
    else
        assert_string_equal(json_string_value(out), expected);
    json_decref(out);
}

static void
lines_and_blanks_are_put_in_order(void **state)
{
    (void)state;
    check_taken("need", " \t food\r\nand shelter \r\n", "food\nand shelter");
    check_taken("need", "a\n\nb", "a\n\nb");
    check_taken("name", "  Ana Example ", "Ana Example");
    check_taken("name", "Ana É. Ünal 李", "Ana É. Ünal 李");
    check_taken("name", " \n ", NULL);
    check_taken("name", "", NULL);
}

static void
check_refused(const char *name, const char *text, const char *words)
{
    struct content_fault fault = {"", ""};
    json_t *out = NULL;

    assert_int_equal(take(name, text, &out, &fault), ERR_INVALID);
    assert_null(out);
    assert_string_equal(fault.field, "label");
    assert_non_null(strstr(fault.text, words));
}

static void
what_is_no_text_is_refused(void **state)
{
    struct content_fault fault;
    json_t *out = NULL;

    (void)state;
    check_refused("name", "Ana\nExample", "more than one line");
    check_refused("name", "Ana\tExample", "more than one line");
    check_refused("need", "a\033[31mb", "no text");
    check_refused("need", "a\rb", "no text");
    check_refused("need",
                  "a\xc2\x9b"
                  "b",
                  "no text");
    assert_int_equal(content_take("name", "label", json_true(), &out, &fault), ERR_INVALID);
    assert_int_equal(content_take("name", "label", json_null(), &out, &fault), ERR_OK);
    assert_null(out);
    assert_int_equal(content_take("name", "label", NULL, &out, &fault), ERR_OK);
    assert_int_equal(content_take("no such field", "label", json_null(), &out, &fault),
                     ERR_INTERNAL);
}

static void
each_limit_holds_to_the_byte(void **state)
{
    static const struct {
        const char *name;
        size_t max;
    } rows[] = {{"name", 200},         {"phone", 40},         {"email", 254},   {"address", 500},
                {"need", 4000},        {"note", 8000},        {"answer", 8000}, {"missing", 8000},
                {"contact_name", 200}, {"contact_phone", 40}, {"covers", 1000}};
    static char text[9000];

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        memset(text, 'x', rows[i].max);
        text[rows[i].max] = '\0';
        check_taken(rows[i].name, text, text);
        text[rows[i].max] = 'x';
        text[rows[i].max + 1] = '\0';
        check_refused(rows[i].name, text, "longer");
    }
}

static void
check_clean(const char *name, const char *text, const char *expected, bool expect_cut)
{
    bool cut = false;
    json_auto_t *out = content_clean(name, text, &cut);

    assert_string_equal(json_string_value(out), expected);
    assert_int_equal(cut, expect_cut);
}

static void
text_of_a_record_is_kept_as_far_as_it_can_be_shown(void **state)
{
    char text[64];
    char expected[64];

    (void)state;
    check_clean("name",
                " Ana\033\xc2\x9b"
                "Example\n",
                "Ana  Example", false);
    check_clean("need", "a\r\nb", "a\nb", false);
    check_clean("name", "", "", false);
    /* A character of two bytes that would cross the limit of 40 is left out whole. */
    memset(text, '5', 39);
    memcpy(text + 39, "é", 3);
    memset(expected, '5', 39);
    expected[39] = '\0';
    check_clean("phone", text, expected, true);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_and_blanks_are_put_in_order),
        cmocka_unit_test(what_is_no_text_is_refused),
        cmocka_unit_test(each_limit_holds_to_the_byte),
        cmocka_unit_test(text_of_a_record_is_kept_as_far_as_it_can_be_shown),
    };

    return cmocka_run_group_tests_name("content_text", tests, NULL, NULL);
}
