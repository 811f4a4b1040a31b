/* Every word of the protocol has plain words, and times are told in local time. */
#include "agent/cli/words.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "printed.h"

static void
every_state_and_event_has_words(void **state)
{
    (void)state;
    for (int i = 0; i < LOOP_STATE_COUNT; i++) {
        const char *words = words_state(lifecycle_state_name((enum loop_state)i));
        assert_non_null(words);
        assert_null(strchr(words, '-'));
    }
    for (int i = 0; i < EVENT_COUNT; i++) {
        const char *words = words_event(lifecycle_event_name((enum loop_event)i));
        assert_non_null(words);
        assert_int_not_equal(words[0], '\0');
        assert_true(strlen(words) <= 22); /* its column in the timeline */
    }
    assert_string_equal(words_state("paused"), "paused");
    assert_string_equal(words_event("transfer"), "transfer");
}

static void
only_steps_that_ask_expect_an_answer(void **state)
{
    (void)state;
    assert_true(words_event_expects("request"));
    assert_true(words_event_expects("complete"));
    assert_false(words_event_expects("note"));
    assert_false(words_event_expects("acknowledge"));
    assert_false(words_event_expects("nonsense"));
}

static void
codes_are_told_in_words(void **state)
{
    (void)state;
    static const struct {
        const char *event, *facts, *words;
    } cases[] = {
        {"decline", "{'reason': 'no-capacity'}", "no room at the moment"},
        {"decline", "{'reason': 'other'}", "other"},
        {"decline", "{'reason': 'brand-new'}", "brand-new"},
        {"progress", "{'kind': 'no-show'}", "did not come to the appointment"},
        {"complete", "{'outcome': 'enrolled'}", "signed up for the program"},
        {"acknowledge", "{'next': 're-referred'}", "sent to somebody else"},
        {"hold", "{'reason': 'waitlist'}", "on the waiting list"},
        {"cancel", "{'reason': 'no-longer-needed'}", "no longer needed"},
        {"accept", "{'reason': 'no-capacity'}", ""},
        {"decline", "{}", ""},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        json_auto_t *facts = printed_json(cases[i].facts);
        assert_string_equal(words_step_code(cases[i].event, facts), cases[i].words);
    }
}

static void
the_field_of_a_code_follows_its_list(void **state)
{
    (void)state;
    assert_string_equal(words_code_field(EVENT_PROGRESS), "kind");
    assert_string_equal(words_code_field(EVENT_COMPLETE), "outcome");
    assert_string_equal(words_code_field(EVENT_ACKNOWLEDGE), "next");
    assert_string_equal(words_code_field(EVENT_VOID), "reason");
    assert_null(words_code_field(EVENT_ACCEPT));
}

static void
times_are_local(void **state)
{
    (void)state;
    char out[WORDS_BYTES];
    int64_t evening = PRINTED_NOW_MS + 11 * 3600000; /* 23:00 UTC */
    words_moment(evening, PRINTED_NOW_MS, out);
    assert_string_equal(out, "Nov 22 23:00");
    assert_int_equal(setenv("TZ", "EAST-3", 1), 0);
    tzset();
    words_moment(evening, PRINTED_NOW_MS, out);
    assert_string_equal(out, "Nov 23 02:00");
    words_moment(INT64_C(1700000000000), PRINTED_NOW_MS, out);
    assert_string_equal(out, "Nov 15 2023 01:13");
    printed_use_utc();
}

static void
a_day_given_as_a_date_is_that_day_everywhere(void **state)
{
    (void)state;
    static const char *const zones[] = {"UTC", "EAST-13", "WEST11"};
    json_auto_t *loop = printed_json("{'due': '2026-11-25T23:59:59Z', 'none': null}");
    char out[WORDS_BYTES];
    for (size_t i = 0; i < ARRAY_LEN(zones); i++) {
        assert_int_equal(setenv("TZ", zones[i], 1), 0);
        tzset();
        words_field_day(loop, "due", PRINTED_NOW_MS, out);
        assert_string_equal(out, "Nov 25");
    }
    printed_use_utc();
    words_field_day(loop, "none", PRINTED_NOW_MS, out);
    assert_string_equal(out, "");
}

static void
stages_never_claim_that_somebody_has_read_it(void **state)
{
    (void)state;
#define TIMES                                                                                      \
    "'authored': '2026-11-21T10:01:00Z', 'accepted': '2026-11-21T10:02:00Z', "                     \
    "'delivered': '2026-11-22T10:03:00Z'}"
    static const struct {
        const char *step, *words;
    } cases[] = {
        {"{'mine': true, 'stage': 'queued', 'accepted': null}", "on this machine"},
        {"{'mine': true, 'stage': 'sent'}", "sent"},
        {"{'mine': true, 'stage': 'accepted', " TIMES, "on the broker's disk 10:02"},
        {"{'mine': true, 'stage': 'delivered', " TIMES, "on their disk Nov 22 10:03"},
        {"{'mine': true, 'stage': 'refused', " TIMES, "refused"},
        {"{'mine': false, 'stage': 'accepted', " TIMES, ""},
        {"{'mine': false, 'stage': 'delivered', " TIMES, "reached us Nov 22 10:03"},
        {"{'mine': false, 'stage': 'delivered', 'accepted': '2026-11-21T10:02:00Z', "
         "'delivered': '2026-11-21T10:06:59Z'}",
         ""},
        {"{'mine': false, 'stage': 'delivered'}", ""},
        {"{'mine': true, 'stage': 'teleported'}", "teleported"},
    };
    char out[WORDS_BYTES];
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        json_auto_t *step = printed_json(cases[i].step);
        words_stage(step, PRINTED_NOW_MS, out);
        assert_string_equal(out, cases[i].words);
    }
}

static void
an_appointment_is_taken_in_local_time(void **state)
{
    (void)state;
    char out[WORDS_BYTES];
    assert_int_equal(setenv("TZ", "WEST5", 1), 0);
    tzset();
    words_to_utc("2026-12-01 14:30", out);
    assert_string_equal(out, "2026-12-01T19:30:00Z");
    words_to_utc("2026-12-01T14:30", out);
    assert_string_equal(out, "2026-12-01T19:30:00Z");
    printed_use_utc();
    words_to_utc("2026-12-01T14:30:00Z", out);
    assert_string_equal(out, "2026-12-01T14:30:00Z");
    words_to_utc("tomorrow", out);
    assert_string_equal(out, "tomorrow");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_state_and_event_has_words),
        cmocka_unit_test(only_steps_that_ask_expect_an_answer),
        cmocka_unit_test(codes_are_told_in_words),
        cmocka_unit_test(the_field_of_a_code_follows_its_list),
        cmocka_unit_test(times_are_local),
        cmocka_unit_test(a_day_given_as_a_date_is_that_day_everywhere),
        cmocka_unit_test(stages_never_claim_that_somebody_has_read_it),
        cmocka_unit_test(an_appointment_is_taken_in_local_time),
    };
    printed_use_utc();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
