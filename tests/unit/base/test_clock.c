/* Time written and read back: strict, without locale or zone of the machine. */
#include "lib/base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

static void
times_are_written_in_utc(void **state)
{
    (void)state;
    static const struct {
        int64_t wall_ms;
        const char *text;
    } cases[] = {
        {0, "1970-01-01T00:00:00Z"},
        {INT64_C(1795253400000), "2026-11-21T09:30:00Z"},
        {INT64_C(1795253400999), "2026-11-21T09:30:00Z"},
        {-1, "1969-12-31T23:59:59Z"},
        {INT64_C(253402300799999), "9999-12-31T23:59:59Z"},
        {INT64_C(253402300800000), "unknown-time"},
        {INT64_MAX, "unknown-time"},
        {INT64_MIN, "unknown-time"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char out[CLOCK_TEXT_BYTES];
        clock_format_utc(cases[i].wall_ms, out);
        assert_string_equal(out, cases[i].text);
    }
}

static void
valid_times_are_read(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t wall_ms;
    } cases[] = {
        {"1970-01-01T00:00:00Z", 0},
        {"2026-11-21T09:30:00Z", INT64_C(1795253400000)},
        {"2026-11-21t09:30:00z", INT64_C(1795253400000)},
        {"2026-11-21T09:30:00.25Z", INT64_C(1795253400250)},
        {"2026-11-21T09:30:00.1239999Z", INT64_C(1795253400123)},
        {"2026-11-21T10:30:00+01:00", INT64_C(1795253400000)},
        {"2026-11-21T04:00:00-05:30", INT64_C(1795253400000)},
        {"2026-11-22T00:30:00+15:00", INT64_C(1795253400000)},
        {"2024-02-29", INT64_C(1709164800000)},
        {"2000-02-29", INT64_C(951782400000)},
        {"1969-12-31T23:59:59.999Z", -1},
        {"2016-12-31T23:59:60Z", INT64_C(1483228800000)},
        {"0000-03-01", INT64_C(-62162035200000)},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        int64_t wall_ms = 42;
        assert_int_equal(clock_parse(cases[i].text, false, &wall_ms), ERR_OK);
        assert_true(wall_ms == cases[i].wall_ms);
    }
}

static void
everything_else_is_refused(void **state)
{
    (void)state;
    static const char *const cases[] = {
        "",
        "tomorrow",
        "2026",
        "2026-11",
        "2026-13-01",
        "2026-00-10",
        "2026-11-31",
        "2023-02-29",
        "1900-02-29",
        "2026-11-00",
        "26-11-21",
        "2026-11-21T",
        "2026-11-21T09:30Z",
        "2026-11-21T09:30:00",
        "2026-11-21T24:00:00Z",
        "2026-11-21T09:60:00Z",
        "2026-11-21T09:30:61Z",
        "2026-11-21T09:30:00.Z",
        "2026-11-21T09:30:00+0100",
        "2026-11-21T09:30:00+24:00",
        "2026-11-21T09:30:00Z ",
        " 2026-11-21",
        "2026-11-21x",
        "+026-11-21",
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        int64_t wall_ms = 42;
        assert_int_equal(clock_parse(cases[i], false, &wall_ms), ERR_INVALID);
        assert_true(wall_ms == 42);
    }
}

static void
a_bare_date_is_the_start_or_the_end_of_its_day(void **state)
{
    (void)state;
    int64_t start = 0;
    int64_t end = 0;
    char out[CLOCK_TEXT_BYTES];
    assert_int_equal(clock_parse("2026-11-21", false, &start), ERR_OK);
    clock_format_utc(start, out);
    assert_string_equal(out, "2026-11-21T00:00:00Z");
    assert_int_equal(clock_parse("2026-11-21", true, &end), ERR_OK);
    clock_format_utc(end, out);
    assert_string_equal(out, "2026-11-21T23:59:59Z");
    /* A full time is what it says, whatever is asked for dates. */
    assert_int_equal(clock_parse("2026-11-21T00:00:00Z", true, &end), ERR_OK);
    assert_true(end == start);
}

static void
what_is_written_reads_back(void **state)
{
    (void)state;
    const int64_t step = INT64_C(86400000) * 97 + 3661000;
    for (int64_t at = INT64_C(-62135596800000); at < INT64_C(253402300799000); at += step) {
        char out[CLOCK_TEXT_BYTES];
        int64_t back = 0;
        clock_format_utc(at, out);
        assert_int_equal(clock_parse(out, false, &back), ERR_OK);
        assert_true(back == at);
    }
}

static void
spans_are_said_as_people_say_them(void **state)
{
    (void)state;
    static const struct {
        int64_t span_ms;
        const char *text;
    } cases[] = {
        {-5000, "just now"},
        {0, "just now"},
        {59999, "just now"},
        {60000, "1 min"},
        {240000, "4 min"},
        {3599999, "59 min"},
        {3600000, "1 h"},
        {10800000, "3 h"},
        {172799999, "47 h"},
        {172800000, "2 days"},
        {INT64_C(86400000) * 400, "400 days"},
        {INT64_MIN, "just now"},
        {INT64_MAX, "106751991167 days"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char out[CLOCK_TEXT_BYTES];
        clock_format_span(cases[i].span_ms, out);
        assert_string_equal(out, cases[i].text);
    }
}

static void
both_clocks_run(void **state)
{
    (void)state;
    struct instant first = clock_now();
    struct instant second = clock_now();
    assert_true(second.boot_ms >= first.boot_ms);
    assert_true(first.boot_ms > 0);
    assert_true(first.wall_ms / 1000 - (int64_t)time(NULL) <= 1);
    assert_true((int64_t)time(NULL) - first.wall_ms / 1000 <= 1);
}

int
main(void)
{
    /* A zone far from UTC: nothing may depend on it. */
    (void)setenv("TZ", "ABC+11", 1);
    tzset();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(times_are_written_in_utc),
        cmocka_unit_test(valid_times_are_read),
        cmocka_unit_test(everything_else_is_refused),
        cmocka_unit_test(a_bare_date_is_the_start_or_the_end_of_its_day),
        cmocka_unit_test(what_is_written_reads_back),
        cmocka_unit_test(spans_are_said_as_people_say_them),
        cmocka_unit_test(both_clocks_run),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
