/* The picture of a loop: every step is in it, nothing can be smuggled into it, and it needs nothing
 * from outside. */
#include "tests/unit/wire/case.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tests/unit/proof/true_log.h"

enum { SVG_ROOM = 256 * 1024 };

static size_t
count(const struct buffer *svg, const char *text)
{
    size_t n = 0;
    struct bytes rest = buffer_view(svg);
    const uint8_t *found;
    while ((found = memmem(rest.data, rest.len, text, strlen(text))) != NULL) {
        size_t after = (size_t)(found - rest.data) + strlen(text);
        rest = bytes_of(rest.data + after, rest.len - after);
        n++;
    }
    return n;
}

static void
read_log(const struct true_log *log, struct evidence_reading *reading)
{
    CLEANUP(buffer_done) struct buffer file = BUFFER_INIT(0);
    struct network_id root = fixture_network();
    true_log_evidence(log, true, &file);
    assert_ok(evidence_read(buffer_view(&file), &root, reading, NULL));
}

static void
every_step_is_drawn(void **state)
{
    (void)state;
    CLEANUP(true_log_freep) struct true_log *log = true_log_new(100, 2);
    CLEANUP(evidence_reading_done) struct evidence_reading reading = {0};
    CLEANUP(buffer_done) struct buffer svg = BUFFER_INIT(SVG_ROOM);
    true_log_found(log, 0);
    true_log_whole_story(log);
    read_log(log, &reading);
    assert_ok(picture_draw(&reading, &svg));
    assert_int_equal(count(&svg, "<circle"), 11);
    assert_int_equal(count(&svg, "class=\"say\""), 22); /* to the broker, and on */
    assert_int_equal(count(&svg, "class=\"got\""), 22);
    assert_int_equal(count(&svg, "class=\"past\""), 0);
    assert_int_equal(count(&svg, ">accepted the referral, outcome expected by 2025-11-30<"), 1);
    assert_int_equal(count(&svg, ">reported progress<"), 3);
    assert_int_equal(count(&svg, ">received entry 10<"), 1);
    assert_int_equal(count(&svg, ">2025-11-20 00:5"), 22);
    /* One band for each time the loop stayed in a state. */
    assert_int_equal(count(&svg, "class=\"state\""), 9);
    assert_int_equal(count(&svg, "class=\"state\">on hold<"), 1);
    assert_int_equal(count(&svg, "class=\"state\">in progress<"), 2);
    assert_int_equal(count(&svg, "Hill Clinic"), 1);
    assert_int_equal(count(&svg, "</svg>"), 1);
    /* As high as what is in it. */
    assert_int_equal(count(&svg, "viewBox=\"0 0 980 1088\""), 1);
}

static void
nothing_foreign_gets_in(void **state)
{
    (void)state;
    CLEANUP(true_log_freep) struct true_log *log = true_log_new(100, 2);
    CLEANUP(evidence_reading_done) struct evidence_reading reading = {0};
    CLEANUP(buffer_done) struct buffer svg = BUFFER_INIT(SVG_ROOM);
    true_log_found(log, 0);
    true_log_short_story(log);
    read_log(log, &reading);
    assert_true(reading.steps[0].body.len > 0);
    assert_ok(picture_draw(&reading, &svg));
    assert_int_equal(count(&svg, "Elm Street Pantry &amp; Kitchen &lt;\u00c9\u2026"), 1);
    assert_int_equal(count(&svg, "Ana Example"), 0);
    assert_int_equal(count(&svg, "food-insecurity"), 0);
    static const char *const never[] = {"<script", "href",    "url(http",
                                        "<image",  "@import", "onload"};
    for (size_t i = 0; i < ARRAY_LEN(never); i++) {
        assert_int_equal(count(&svg, never[i]), 0);
    }
    assert_int_equal(count(&svg, "http"), 1); /* the name of SVG itself */
    memcpy(reading.name[LOOP_TARGET], "\"'&<>", 6);
    reading.name[LOOP_TARGET][1] = '\x1b';
    buffer_clear(&svg);
    assert_ok(picture_draw(&reading, &svg));
    assert_int_equal(count(&svg, "&quot;?&amp;&lt;&gt;<"), 1);
    CLEANUP(buffer_done) struct buffer narrow = BUFFER_INIT(100);
    assert_err(picture_draw(&reading, &narrow), ERR_TOO_LARGE);
}

static void
a_superseded_step_is_grey_and_says_so(void **state)
{
    (void)state;
    CLEANUP(true_log_freep) struct true_log *log = true_log_new(100, 2);
    CLEANUP(evidence_reading_done) struct evidence_reading reading = {0};
    CLEANUP(buffer_done) struct buffer svg = BUFFER_INIT(SVG_ROOM);
    true_log_found(log, 0);
    (void)true_log_step(log, LOOP_SOURCE, EVENT_REQUEST, NULL, NULL);
    (void)true_log_step_unheard(log, LOOP_TARGET, EVENT_ACCEPT);
    (void)true_log_step_unheard(log, LOOP_SOURCE, EVENT_WITHDRAW);
    read_log(log, &reading);
    assert_ok(picture_draw(&reading, &svg));
    assert_int_equal(count(&svg, "class=\"past\""), 2);
    assert_int_equal(count(&svg, ">withdrew it \u2013 superseded, changed nothing<"), 1);
}

static void
words_and_times_are_for_people(void **state)
{
    (void)state;
    char text[EVIDENCE_TIME_TEXT];
    for (unsigned event = 0; event < EVENT_COUNT; event++) {
        assert_true(strlen(evidence_words_event((enum loop_event)event)) > 5);
    }
    for (unsigned number = 0; number < LOOP_STATE_COUNT; number++) {
        assert_true(strlen(evidence_words_state((enum loop_state)number)) > 3);
    }
    assert_null(evidence_words_due(EVENT_NOTE));
    assert_string_equal(evidence_words_due(EVENT_HOLD), "to be looked at again by");
    evidence_words_time(INT64_C(1763600000000), text);
    assert_string_equal(text, "2025-11-20 00:53");
    evidence_words_date(INT64_C(1764547199000), text);
    assert_string_equal(text, "2025-11-30");
    evidence_words_date(INT64_C(1764547199000) - 3600000, text);
    assert_string_equal(text, "2025-11-30 22:59");
    evidence_words_time(INT64_MAX, text);
    assert_string_equal(text, "no date");
    evidence_words_time(-1, text);
    assert_string_equal(text, "1969-12-31 23:59");
    evidence_words_zone(0, 0, text);
    assert_string_equal(text, "UTC");
    assert_int_equal(setenv("TZ", "EST5EDT,M3.2.0,M11.1.0", 1), 0);
    tzset();
    evidence_words_time(INT64_C(1763600000000), text);
    assert_string_equal(text, "2025-11-19 19:53");
    evidence_words_date(INT64_C(1764547199000), text);
    assert_string_equal(text, "2025-11-30"); /* a day is that day everywhere */
    evidence_words_zone(INT64_C(1753600000000), INT64_C(1763600000000), text);
    assert_string_equal(text, "EDT/EST");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_step_is_drawn),
        cmocka_unit_test(nothing_foreign_gets_in),
        cmocka_unit_test(a_superseded_step_is_grey_and_says_so),
        cmocka_unit_test(words_and_times_are_for_people),
    };
    if (setenv("TZ", "UTC", 1) != 0) {
        return EXIT_FAILURE;
    }
    tzset();
    return cmocka_run_group_tests(tests, start_secrets, NULL);
}
