/* Identifiers: text and back, short forms as ranges, names of organizations. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/attr.h"
#include "lib/loop/ident.h"

static const char text[] = "00ff10a9b8c7d6e5f4031221304f5e6d";

static void
text_and_back(void **state)
{
    struct loop_id id;
    char out[LOOP_ID_TEXT];

    (void)state;
    assert_true(ident_parse(text, &id));
    assert_int_equal(id.bytes[1], 0xff);
    assert_int_equal(id.bytes[15], 0x6d);
    ident_format(&id, out);
    assert_string_equal(out, text);
}

static void
anything_else_is_no_loop_id(void **state)
{
    static const char *const bad[] = {
        "",
        "00ff",
        "00ff10a9b8c7d6e5f4031221304f5e6",
        "00ff10a9b8c7d6e5f4031221304f5e6d0",
        "00ff10a9b8c7d6e5f4031221304f5e6g",
        " 0ff10a9b8c7d6e5f4031221304f5e6d",
        "00ff10a9-b8c7-d6e5-f403-1221304f5e6d",
        "0x00ff10a9b8c7d6e5f4031221304f5e",
    };
    struct loop_id id;

    (void)state;
    memset(&id, 7, sizeof(id));
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_false(ident_parse(bad[i], &id));
    assert_int_equal(id.bytes[0], 7);
    assert_int_equal(id.bytes[15], 7);
}

static void
short_form_is_a_range(void **state)
{
    struct loop_id first;
    struct loop_id last;
    char out[LOOP_ID_TEXT];

    (void)state;
    assert_true(ident_prefix_range("a1B2", &first, &last));
    ident_format(&first, out);
    assert_string_equal(out, "a1b20000000000000000000000000000");
    ident_format(&last, out);
    assert_string_equal(out, "a1b2ffffffffffffffffffffffffffff");
    assert_true(ident_prefix_range("a1b2c", &first, &last));
    ident_format(&first, out);
    assert_string_equal(out, "a1b2c000000000000000000000000000");
    ident_format(&last, out);
    assert_string_equal(out, "a1b2cfffffffffffffffffffffffffff");
    assert_true(ident_prefix_range(text, &first, &last));
    assert_memory_equal(&first, &last, sizeof(first));
}

static void
anything_else_is_no_short_form(void **state)
{
    static const char *const bad[] = {"", "a1b", "a1bg", "a1b2 ",
                                      "00ff10a9b8c7d6e5f4031221304f5e6d0"};
    struct loop_id first = {{1}};
    struct loop_id last = {{2}};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_false(ident_prefix_range(bad[i], &first, &last));
    assert_int_equal(first.bytes[0], 1);
    assert_int_equal(last.bytes[0], 2);
}

static void
names_of_organizations(void **state)
{
    static const char *const good[] = {
        "ab",       "a1",    "riverside-clinic",
        "pantry-2", "a-b-c", "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuv",
    };
    static const char *const bad[] = {
        "",
        "a",
        "1a",
        "-ab",
        "ab-",
        "a--b",
        "Ab",
        "a_b",
        "a b",
        "a.b",
        "ab\n",
        "caf\xc3\xa9",
        "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvw",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(good); i++)
        assert_true(ident_is_org(good[i]));
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_false(ident_is_org(bad[i]));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_and_back),          cmocka_unit_test(anything_else_is_no_loop_id),
        cmocka_unit_test(short_form_is_a_range),  cmocka_unit_test(anything_else_is_no_short_form),
        cmocka_unit_test(names_of_organizations),
    };
    return cmocka_run_group_tests_name("ident", tests, NULL, NULL);
}
