/* Text from outside is refused unless it is clean; each value has exactly one written form. */
#include "lib/base/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void
clean_text_is_told_from_the_rest(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t len;
        bool clean, clean_line;
    } cases[] = {
        {"", 0, true, true},
        {"plain", 5, true, true},
        {"two\nlines", 9, true, false},
        {"a\tb", 3, true, false},
        {"a\rb", 3, false, false},
        {"a\0b", 3, false, false},
        {"\x1b[31m", 5, false, false},
        {"\x7f", 1, false, false},
        {"Jos\xc3\xa9", 5, true, true},
        {"\xe2\x82\xac", 3, true, true},
        {"\xf0\x9f\x8d\x9e", 4, true, true},
        {"\xf4\x8f\xbf\xbf", 4, true, true},
        {"\xf4\x90\x80\x80", 4, false, false}, /* above U+10FFFF */
        {"\xed\x9f\xbf", 3, true, true},
        {"\xed\xa0\x80", 3, false, false}, /* surrogates */
        {"\xed\xbf\xbf", 3, false, false},
        {"\xee\x80\x80", 3, true, true},
        {"\xc0\x80", 2, false, false}, /* overlong forms */
        {"\xc1\xbf", 2, false, false},
        {"\xe0\x9f\xbf", 3, false, false},
        {"\xf0\x8f\xbf\xbf", 4, false, false},
        {"\xc2\x9b", 2, false, false}, /* C1: a terminal's CSI */
        {"\xc2\xa0", 2, true, true},
        {"\x80", 1, false, false},
        {"\xc3", 1, false, false}, /* cut short */
        {"\xe2\x82", 2, false, false},
        {"\xc3(", 2, false, false},
        {"\xf8\x88\x80\x80\x80", 5, false, false},
        {"\xff", 1, false, false},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct bytes bytes = bytes_of(cases[i].bytes, cases[i].len);
        assert_int_equal(text_is_clean(bytes, 100), cases[i].clean);
        assert_int_equal(text_is_clean_line(bytes, 100), cases[i].clean_line);
    }
    assert_true(text_is_clean(bytes_of_text("abc"), 3));
    assert_false(text_is_clean(bytes_of_text("abc"), 2));
    assert_false(text_is_clean_line(bytes_of_text("abc"), 2));
}

static void
utf8_may_hold_any_character(void **state)
{
    (void)state;
    assert_true(text_is_utf8(bytes_of(NULL, 0)));
    assert_true(text_is_utf8(bytes_of("a\0\x1b\x7f\n\xc2\x9b\xe2\x82\xac", 10)));
    assert_true(text_is_utf8(bytes_of_text("\xf4\x8f\xbf\xbf")));
    static const char *const wrong[] = {
        "\xf4\x90\x80\x80", "\xed\xa0\x80", "\xc0\x80", "\xff", "a\x80", "\xe2\x82"};
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        assert_false(text_is_utf8(bytes_of_text(wrong[i])));
    }
}

static void
hex_goes_both_ways(void **state)
{
    (void)state;
    const uint8_t bytes[] = {0x00, 0x9f, 0xab, 0xff};
    char hex[9];
    uint8_t back[4] = {0};
    text_hex(bytes_of(bytes, sizeof(bytes)), hex);
    assert_string_equal(hex, "009fabff");
    assert_int_equal(text_unhex("009FabFF", back, sizeof(back)), ERR_OK);
    assert_memory_equal(back, bytes, sizeof(bytes));
    assert_int_equal(text_unhex("", back, 0), ERR_OK);
}

static void
wrong_hex_leaves_the_output_alone(void **state)
{
    (void)state;
    static const char *const cases[] = {"",         "009fab",  "009fabff00",
                                        "009fabfg", "009fabf", "0x9fabff"};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        uint8_t out[4] = {7, 7, 7, 7};
        assert_int_equal(text_unhex(cases[i], out, sizeof(out)), ERR_INVALID);
        assert_memory_equal(out, "\7\7\7\7", 4);
    }
}

static void
base64_matches_the_standard(void **state)
{
    (void)state;
    /* RFC 4648 section 10, without padding, and the two digits that are special to this alphabet.
     */
    static const struct {
        const char *bytes;
        size_t len;
        const char *text;
    } cases[] = {
        {"", 0, ""},
        {"f", 1, "Zg"},
        {"fo", 2, "Zm8"},
        {"foo", 3, "Zm9v"},
        {"foob", 4, "Zm9vYg"},
        {"fooba", 5, "Zm9vYmE"},
        {"foobar", 6, "Zm9vYmFy"},
        {"\xfb\xff\xfe", 3, "-__-"},
        {"\0\0\0\0", 4, "AAAAAA"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP(buffer_done) struct buffer text = BUFFER_INIT(100);
        CLEANUP(buffer_done) struct buffer back = BUFFER_INIT(cases[i].len);
        text_base64(bytes_of(cases[i].bytes, cases[i].len), &text);
        assert_int_equal(buffer_err(&text), ERR_OK);
        assert_true(bytes_equal(buffer_view(&text), bytes_of_text(cases[i].text)));
        assert_int_equal(text_unbase64(bytes_of_text(cases[i].text), &back), ERR_OK);
        assert_true(bytes_equal(buffer_view(&back), bytes_of(cases[i].bytes, cases[i].len)));
    }
}

static void
base64_of_every_length_reads_back(void **state)
{
    (void)state;
    uint8_t bytes[67];
    for (size_t len = 0; len < sizeof(bytes); len++) {
        for (size_t i = 0; i < len; i++) {
            bytes[i] = (uint8_t)(i * 37 + len * 11);
        }
        CLEANUP(buffer_done) struct buffer text = BUFFER_INIT(100);
        CLEANUP(buffer_done) struct buffer back = BUFFER_INIT(100);
        text_base64(bytes_of(bytes, len), &text);
        assert_int_equal(buffer_err(&text), ERR_OK);
        assert_int_equal(text_unbase64(buffer_view(&text), &back), ERR_OK);
        assert_true(bytes_equal(buffer_view(&back), bytes_of(bytes, len)));
    }
}

static void
other_base64_is_refused(void **state)
{
    (void)state;
    static const char *const cases[] = {"A",    "AAAAA", "Zh",   "Zo",    "Zm-",    "Zm9",
                                        "Zg==", "Zm+v",  "Zm/v", "Zm 9v", "Zm9v\n", "Z\xc3g"};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP(buffer_done) struct buffer out = BUFFER_INIT(100);
        assert_int_equal(text_unbase64(bytes_of_text(cases[i]), &out), ERR_INVALID);
        assert_int_equal(out.len, 0);
        assert_int_equal(buffer_err(&out), ERR_OK);
    }
    CLEANUP(buffer_done) struct buffer nul = BUFFER_INIT(100);
    assert_int_equal(text_unbase64(bytes_of("Zm\0v", 4), &nul), ERR_INVALID);
    CLEANUP(buffer_done) struct buffer small = BUFFER_INIT(2);
    assert_int_equal(text_unbase64(bytes_of_text("Zm9v"), &small), ERR_TOO_LARGE);
    assert_int_equal(small.len, 0);
}

static void
unprintable_bytes_become_question_marks(void **state)
{
    (void)state;
    char out[8];
    text_printable(bytes_of("a\n\x1b\xc3\xa9~\0", 7), out, sizeof(out));
    assert_string_equal(out, "a????~?");
    text_printable(bytes_of_text("longer than it"), out, sizeof(out));
    assert_string_equal(out, "longer ");
    out[0] = 'x';
    text_printable(bytes_of_text("abc"), out, 0);
    assert_int_equal(out[0], 'x');
    text_printable(bytes_of(NULL, 0), out, 1);
    assert_string_equal(out, "");
}

static void
a_cut_format_says_so(void **state)
{
    (void)state;
    char out[4] = "xxx";
    assert_true(text_format(out, sizeof(out), "%d", 123));
    assert_string_equal(out, "123");
    assert_false(text_format(out, sizeof(out), "%d", 4567));
    assert_string_equal(out, "456");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(clean_text_is_told_from_the_rest),
        cmocka_unit_test(utf8_may_hold_any_character),
        cmocka_unit_test(hex_goes_both_ways),
        cmocka_unit_test(wrong_hex_leaves_the_output_alone),
        cmocka_unit_test(base64_matches_the_standard),
        cmocka_unit_test(base64_of_every_length_reads_back),
        cmocka_unit_test(other_base64_is_refused),
        cmocka_unit_test(unprintable_bytes_become_question_marks),
        cmocka_unit_test(a_cut_format_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
