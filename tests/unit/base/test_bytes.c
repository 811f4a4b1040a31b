/* Buffers never pass their maximum, readers never pass their end, and failure changes nothing. */
#include "lib/base/bytes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void
views_compare_by_content(void **state)
{
    (void)state;
    assert_true(bytes_equal(bytes_of("abc", 3), bytes_of_text("abc")));
    assert_false(bytes_equal(bytes_of("abc", 3), bytes_of("abd", 3)));
    assert_false(bytes_equal(bytes_of("abc", 3), bytes_of("abc", 2)));
    assert_true(bytes_equal(bytes_of(NULL, 0), bytes_of("", 0)));
    assert_int_equal(bytes_of_text(NULL).len, 0);
    assert_true(bytes_all_zero(bytes_of("\0\0", 2)));
    assert_true(bytes_all_zero(bytes_of(NULL, 0)));
    assert_false(bytes_all_zero(bytes_of("\0\1", 2)));
}

static void
integers_are_big_endian(void **state)
{
    (void)state;
    static const uint8_t expected[] = {0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08,
                                       0x09, 0x0a, 0x0b, 0x0c, 0x0d, 0x0e, 0x0f, 0xff,
                                       0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe};
    CLEANUP(buffer_done) struct buffer buffer = BUFFER_INIT(100);
    buffer_put_u8(&buffer, 0x01);
    buffer_put_u16(&buffer, 0x0203);
    buffer_put_u32(&buffer, 0x04050607);
    buffer_put_u64(&buffer, UINT64_C(0x08090a0b0c0d0e0f));
    buffer_put_i64(&buffer, -2);
    assert_int_equal(buffer_err(&buffer), ERR_OK);
    assert_int_equal(buffer.len, sizeof(expected));
    assert_memory_equal(buffer.data, expected, sizeof(expected));

    struct reader reader = reader_of(buffer_view(&buffer));
    assert_int_equal(reader_u8(&reader), 0x01);
    assert_int_equal(reader_u16(&reader), 0x0203);
    assert_int_equal(reader_u32(&reader), 0x04050607);
    assert_true(reader_u64(&reader) == UINT64_C(0x08090a0b0c0d0e0f));
    assert_true(reader_i64(&reader) == -2);
    assert_int_equal(reader_err(&reader), ERR_OK);
}

static void
a_buffer_takes_exactly_its_maximum(void **state)
{
    (void)state;
    CLEANUP(buffer_done) struct buffer buffer = BUFFER_INIT(100);
    uint8_t block[99] = {7};
    buffer_put(&buffer, block, sizeof(block));
    buffer_put_u8(&buffer, 1);
    assert_int_equal(buffer_err(&buffer), ERR_OK);
    assert_int_equal(buffer.len, 100);
    buffer_put_u8(&buffer, 2);
    assert_int_equal(buffer_err(&buffer), ERR_TOO_LARGE);
    assert_int_equal(buffer.len, 100);
    assert_true(buffer.capacity <= 100);
}

static void
after_a_failure_nothing_more_is_added(void **state)
{
    (void)state;
    CLEANUP(buffer_done) struct buffer buffer = BUFFER_INIT(10);
    buffer_put(&buffer, "abcdefghijk", 11);
    assert_int_equal(buffer.len, 0);
    buffer_put(&buffer, "a", 1);
    assert_int_equal(buffer.len, 0);
    assert_int_equal(buffer_err(&buffer), ERR_TOO_LARGE);
    assert_null(buffer_extend(&buffer, 1));
    buffer_clear(&buffer);
    buffer_put(&buffer, "a", 1);
    assert_int_equal(buffer_err(&buffer), ERR_OK);
    assert_int_equal(buffer.len, 1);
}

static void
a_blob_is_added_whole_or_not_at_all(void **state)
{
    (void)state;
    CLEANUP(buffer_done) struct buffer buffer = BUFFER_INIT(6);
    buffer_put_text(&buffer, "abc");
    assert_int_equal(buffer_err(&buffer), ERR_TOO_LARGE);
    assert_int_equal(buffer.len, 0);
    buffer_clear(&buffer);
    buffer_put_text(&buffer, "ab");
    assert_int_equal(buffer_err(&buffer), ERR_OK);
    assert_memory_equal(buffer.data, "\0\0\0\2ab", 6);
}

static void
an_impossible_length_is_refused(void **state)
{
    (void)state;
    CLEANUP(buffer_done) struct buffer buffer = BUFFER_INIT(SIZE_MAX);
    buffer_put_u8(&buffer, 1);
    assert_null(buffer_extend(&buffer, SIZE_MAX));
    assert_int_equal(buffer_err(&buffer), ERR_TOO_LARGE);
    buffer_clear(&buffer);
    buffer_put_blob(&buffer, bytes_of("x", (size_t)UINT32_MAX + 1));
    assert_int_equal(buffer_err(&buffer), ERR_TOO_LARGE);
}

static void
an_empty_extension_succeeds(void **state)
{
    (void)state;
    CLEANUP(buffer_done) struct buffer buffer = BUFFER_INIT(0);
    assert_non_null(buffer_extend(&buffer, 0));
    buffer_put(&buffer, NULL, 0);
    assert_int_equal(buffer_err(&buffer), ERR_OK);
    buffer_put_u8(&buffer, 1);
    assert_int_equal(buffer_err(&buffer), ERR_TOO_LARGE);
}

static void
growth_keeps_the_content(void **state)
{
    (void)state;
    CLEANUP(buffer_wipe) struct buffer buffer = BUFFER_INIT(4000);
    for (unsigned i = 0; i < 2000; i++) {
        buffer_put_u16(&buffer, (uint16_t)i);
    }
    assert_int_equal(buffer_err(&buffer), ERR_OK);
    struct reader reader = reader_of(buffer_view(&buffer));
    for (unsigned i = 0; i < 2000; i++) {
        assert_int_equal(reader_u16(&reader), i);
    }
    assert_int_equal(reader_err(&reader), ERR_OK);
    buffer_done(&buffer);
    assert_null(buffer.data);
    assert_int_equal(buffer.max, 4000);
    buffer_put_u8(&buffer, 9);
    assert_int_equal(buffer.len, 1);
}

static void
a_reader_stops_at_the_end_and_stays_bad(void **state)
{
    (void)state;
    struct reader reader = reader_of(bytes_of("\1\2\3", 3));
    assert_int_equal(reader_u32(&reader), 0);
    assert_true(reader.bad);
    assert_int_equal(reader_u8(&reader), 0);
    assert_int_equal(reader_take(&reader, 0).len, 0);
    assert_int_equal(reader_err(&reader), ERR_CORRUPT);
}

static void
bytes_left_over_are_an_error(void **state)
{
    (void)state;
    struct reader reader = reader_of(bytes_of("\1\2", 2));
    assert_int_equal(reader_u8(&reader), 1);
    assert_int_equal(reader_err(&reader), ERR_CORRUPT);
    assert_int_equal(reader_u8(&reader), 2);
    assert_int_equal(reader_err(&reader), ERR_OK);
}

static void
a_copy_that_fails_is_zeroed(void **state)
{
    (void)state;
    uint8_t out[4] = {9, 9, 9, 9};
    struct reader reader = reader_of(bytes_of("\1\2\3", 3));
    reader_copy(&reader, out, sizeof(out));
    assert_true(reader.bad);
    assert_true(bytes_all_zero(bytes_of(out, sizeof(out))));

    reader = reader_of(bytes_of("\1\2\3\4", 4));
    reader_copy(&reader, out, sizeof(out));
    assert_memory_equal(out, "\1\2\3\4", 4);
    assert_int_equal(reader_err(&reader), ERR_OK);
}

static void
a_blob_longer_than_the_rest_is_refused(void **state)
{
    (void)state;
    struct reader reader = reader_of(bytes_of("\0\0\0\3ab", 6));
    assert_int_equal(reader_blob(&reader).len, 0);
    assert_int_equal(reader_err(&reader), ERR_CORRUPT);
    reader = reader_of(bytes_of("\xff\xff\xff\xff", 4));
    assert_int_equal(reader_blob(&reader).len, 0);
    assert_true(reader.bad);
    reader = reader_of(bytes_of("\0\0\0\2ab", 6));
    assert_true(bytes_equal(reader_blob(&reader), bytes_of_text("ab")));
    assert_int_equal(reader_err(&reader), ERR_OK);
}

static void
text_must_fit_and_hold_no_nul(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t len, size;
        const char *text;
        bool bad;
    } cases[] = {
        {"\0\0\0\2ab", 6, 3, "ab", false}, {"\0\0\0\2ab", 6, 2, "", true},
        {"\0\0\0\0", 4, 1, "", false},     {"\0\0\0\2a\0", 6, 8, "", true},
        {"\0\0\0\4ab", 6, 8, "", true},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char out[8] = "old";
        struct reader reader = reader_of(bytes_of(cases[i].bytes, cases[i].len));
        reader_text(&reader, out, cases[i].size);
        assert_string_equal(out, cases[i].text);
        assert_int_equal(reader.bad, cases[i].bad);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(views_compare_by_content),
        cmocka_unit_test(integers_are_big_endian),
        cmocka_unit_test(a_buffer_takes_exactly_its_maximum),
        cmocka_unit_test(after_a_failure_nothing_more_is_added),
        cmocka_unit_test(a_blob_is_added_whole_or_not_at_all),
        cmocka_unit_test(an_impossible_length_is_refused),
        cmocka_unit_test(an_empty_extension_succeeds),
        cmocka_unit_test(growth_keeps_the_content),
        cmocka_unit_test(a_reader_stops_at_the_end_and_stays_bad),
        cmocka_unit_test(bytes_left_over_are_an_error),
        cmocka_unit_test(a_copy_that_fails_is_zeroed),
        cmocka_unit_test(a_blob_longer_than_the_rest_is_refused),
        cmocka_unit_test(text_must_fit_and_hold_no_nul),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
