/* Reading the clocks and writing time down. Parsing is strict and uses no locale and no time zone
 * of this machine; nothing here decides what a time means. */
#include "lib/base/clock.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "lib/base/text.h"

enum { MS_PER_SECOND = 1000, SECONDS_PER_DAY = 86400 };

static int64_t
read_ms(clockid_t id)
{
    struct timespec now = {0};
    (void)clock_gettime(id, &now); /* cannot fail for the two clocks used here */
    return (int64_t)now.tv_sec * MS_PER_SECOND + now.tv_nsec / 1000000;
}

struct instant
clock_now(void)
{
    return (struct instant){
        .wall_ms = read_ms(CLOCK_REALTIME),
        .boot_ms = read_ms(CLOCK_BOOTTIME),
    };
}

static int64_t
floor_divide(int64_t value, int64_t by)
{
    return value / by - (value % by < 0 ? 1 : 0);
}

void
clock_format_utc(int64_t wall_ms, char out[CLOCK_TEXT_BYTES])
{
    time_t seconds = (time_t)floor_divide(wall_ms, MS_PER_SECOND);
    struct tm tm;
    /* Claimed times come from others: a year of more than four digits must not break the form. */
    if (gmtime_r(&seconds, &tm) == NULL || tm.tm_year < -1900 || tm.tm_year > 9999 - 1900) {
        (void)text_format(out, CLOCK_TEXT_BYTES, "unknown-time");
        return;
    }
    (void)text_format(out, CLOCK_TEXT_BYTES, "%04d-%02d-%02dT%02d:%02d:%02dZ", tm.tm_year + 1900,
                      tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec);
}

/* Takes exactly `width` digits with a value of least..most. */
static bool
take_number(const char **text, size_t width, int least, int most, int *value_out)
{
    int value = 0;
    for (size_t i = 0; i < width; i++) {
        char digit = (*text)[i];
        if (digit < '0' || digit > '9') {
            return false;
        }
        value = value * 10 + (digit - '0');
    }
    if (value < least || value > most) {
        return false;
    }
    *text += width;
    *value_out = value;
    return true;
}

static bool
take_one_of(const char **text, const char *accepted)
{
    if (**text == '\0' || strchr(accepted, **text) == NULL) {
        return false;
    }
    (*text)++;
    return true;
}

static int
days_in_month(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return days[month - 1] + (month == 2 && leap ? 1 : 0);
}

/* Days since 1970-01-01 in the proleptic Gregorian calendar. The year is counted from March, so
 * that the leap day is its last day. */
static int64_t
days_since_epoch(int year, int month, int day)
{
    int64_t y = month > 2 ? year : year - 1;
    int64_t m = month > 2 ? month - 3 : month + 9;
    return 365 * y + floor_divide(y, 4) - floor_divide(y, 100) + floor_divide(y, 400) +
           (153 * m + 2) / 5 + day - 1 - 719468;
}

static bool
take_date(const char **text, int64_t *days_out)
{
    int year = 0;
    int month = 0;
    int day = 0;
    if (!take_number(text, 4, 0, 9999, &year) || !take_one_of(text, "-") ||
        !take_number(text, 2, 1, 12, &month) || !take_one_of(text, "-") ||
        !take_number(text, 2, 1, days_in_month(year, month), &day)) {
        return false;
    }
    *days_out = days_since_epoch(year, month, day);
    return true;
}

/* Digits beyond the third are below our resolution and are dropped. */
static bool
take_fraction(const char **text, int64_t *ms_out)
{
    if (!take_one_of(text, ".")) {
        return true;
    }
    int digit = 0;
    if (!take_number(text, 1, 0, 9, &digit)) {
        return false;
    }
    int64_t ms = 0;
    int64_t scale = 100;
    do {
        ms += digit * scale;
        scale /= 10;
    } while (take_number(text, 1, 0, 9, &digit));
    *ms_out = ms;
    return true;
}

static bool
take_offset(const char **text, int64_t *seconds_out)
{
    if (take_one_of(text, "Zz")) {
        *seconds_out = 0;
        return true;
    }
    int sign = **text == '-' ? -1 : 1;
    int hour = 0;
    int minute = 0;
    if (!take_one_of(text, "+-") || !take_number(text, 2, 0, 23, &hour) ||
        !take_one_of(text, ":") || !take_number(text, 2, 0, 59, &minute)) {
        return false;
    }
    *seconds_out = sign * (hour * 3600 + minute * 60);
    return true;
}

/* The time of day as milliseconds since midnight UTC; below 0 or past the day with an offset. A
 * leap second (60) is allowed by the standard and falls on the second after it. */
static bool
take_time(const char **text, int64_t *ms_out)
{
    int hour = 0;
    int minute = 0;
    int second = 0;
    int64_t fraction_ms = 0;
    int64_t offset = 0;
    if (!take_number(text, 2, 0, 23, &hour) || !take_one_of(text, ":") ||
        !take_number(text, 2, 0, 59, &minute) || !take_one_of(text, ":") ||
        !take_number(text, 2, 0, 60, &second) || !take_fraction(text, &fraction_ms) ||
        !take_offset(text, &offset)) {
        return false;
    }
    *ms_out = (hour * 3600 + minute * 60 + second - offset) * MS_PER_SECOND + fraction_ms;
    return true;
}

enum err
clock_parse(const char *text, bool end_of_day, int64_t *wall_ms_out)
{
    int64_t days = 0;
    int64_t ms = end_of_day ? (int64_t)(SECONDS_PER_DAY - 1) * MS_PER_SECOND : 0;
    if (!take_date(&text, &days)) {
        return ERR_INVALID;
    }
    if (*text != '\0' && (!take_one_of(&text, "Tt ") || !take_time(&text, &ms) || *text != '\0')) {
        return ERR_INVALID;
    }
    *wall_ms_out = days * SECONDS_PER_DAY * MS_PER_SECOND + ms;
    return ERR_OK;
}

void
clock_format_span(int64_t span_ms, char out[CLOCK_TEXT_BYTES])
{
    /* Each row holds below its limit. Days begin at 48 h, so the plural is always right. */
    static const struct {
        int64_t below_ms, unit_ms;
        const char *unit;
    } rows[] = {
        {INT64_C(3600000), INT64_C(60000), "min"},
        {INT64_C(172800000), INT64_C(3600000), "h"},
        {INT64_MAX, INT64_C(86400000), "days"},
    };
    if (span_ms < rows[0].unit_ms) {
        (void)text_format(out, CLOCK_TEXT_BYTES, "just now");
        return;
    }
    size_t i = 0;
    while (i < ARRAY_LEN(rows) - 1 && span_ms >= rows[i].below_ms) {
        i++;
    }
    (void)text_format(out, CLOCK_TEXT_BYTES, "%lld %s", (long long)(span_ms / rows[i].unit_ms),
                      rows[i].unit);
}
