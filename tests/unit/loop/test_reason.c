/* The code lists: written here a second time, in order, because signed statements keep these words
 * for years. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/attr.h"
#include "lib/loop/reason.h"

static const char *const expected[REASON_LIST_COUNT] = {
    [REASON_DECLINE] = "no-capacity out-of-scope out-of-area not-eligible not-authorized "
                       "incomplete-information duplicate safety language-or-access other",
    [REASON_HOLD] = "waitlist awaiting-client awaiting-document awaiting-authorization funding "
                    "seasonal-closure other",
    [REASON_NOT_COMPLETED] = "unable-to-reach no-longer-eligible moved deceased incarcerated "
                             "hospitalized service-discontinued benefit-exhausted other",
    [REASON_WITHDRAW] = "client-declined no-longer-needed consent-revoked sent-in-error-duplicate "
                        "served-elsewhere declined-after-accept source-cancelled other",
    [REASON_VOID] = "wrong-person wrong-recipient duplicate test other",
    [REASON_PROGRESS] = "outreach scheduled no-show appointment-cancelled service-delivered "
                        "interim-note",
    [REASON_OUTCOME] = "service-provided partly-provided enrolled not-enrolled-on-waitlist "
                       "information-given other",
    [REASON_NEXT_STEP] = "none re-referred other",
    [REASON_BASIS] = "consent treatment baa other",
    [REASON_CATEGORY] =
        "sdoh-category-unspecified food-insecurity housing-instability homelessness "
        "inadequate-housing transportation-insecurity financial-insecurity "
        "material-hardship educational-attainment employment-status veteran-status "
        "stress social-connection intimate-partner-violence elder-abuse "
        "personal-health-literacy health-insurance-coverage-status "
        "medical-cost-burden digital-literacy digital-access utility-insecurity "
        "language-access incarceration-status protective-factor",
};

static void
lists_hold_exactly_their_codes(void **state)
{
    (void)state;
    for (unsigned i = 0; i < REASON_LIST_COUNT; i++) {
        char joined[1024] = "";
        size_t n = 0;
        const struct reason *reasons = reason_all((enum reason_list)i, &n);
        for (size_t k = 0; k < n; k++) {
            strcat(joined, k == 0 ? "" : " ");
            strcat(joined, reasons[k].code);
        }
        assert_string_equal(joined, expected[i]);
    }
}

static void
every_code_is_found_and_explained_once(void **state)
{
    (void)state;
    for (unsigned i = 0; i < REASON_LIST_COUNT; i++) {
        size_t n = 0;
        const struct reason *reasons = reason_all((enum reason_list)i, &n);
        for (size_t k = 0; k < n; k++) {
            size_t words = strlen(reasons[k].words);
            assert_ptr_equal(reason_find((enum reason_list)i, reasons[k].code), &reasons[k]);
            assert_true(words > 2 && words < 60);
            assert_int_equal(reasons[k].needs_text, strcmp(reasons[k].code, "other") == 0);
            for (size_t other = 0; other < k; other++)
                assert_string_not_equal(reasons[k].words, reasons[other].words);
        }
    }
    assert_null(reason_find(REASON_DECLINE, "waitlist"));
    assert_null(reason_find(REASON_DECLINE, ""));
    assert_null(reason_find(REASON_DECLINE, "no-capacit"));
    assert_null(reason_find(REASON_LIST_COUNT, "other"));
}

static void
sensitive_codes_are_marked(void **state)
{
    static const struct {
        enum reason_list list;
        const char *code;
    } sensitive[] = {
        {REASON_DECLINE, "safety"},
        {REASON_NOT_COMPLETED, "deceased"},
        {REASON_NOT_COMPLETED, "incarcerated"},
        {REASON_CATEGORY, "intimate-partner-violence"},
        {REASON_CATEGORY, "elder-abuse"},
        {REASON_CATEGORY, "incarceration-status"},
    };
    size_t n_marked = 0;

    (void)state;
    for (unsigned i = 0; i < REASON_LIST_COUNT; i++) {
        size_t n = 0;
        const struct reason *reasons = reason_all((enum reason_list)i, &n);
        for (size_t k = 0; k < n; k++)
            n_marked += reasons[k].sensitive ? 1 : 0;
    }
    assert_int_equal(n_marked, ARRAY_LEN(sensitive));
    for (size_t i = 0; i < ARRAY_LEN(sensitive); i++)
        assert_true(reason_find(sensitive[i].list, sensitive[i].code)->sensitive);
}

static void
events_know_their_list(void **state)
{
    static const int list_of[EVENT_COUNT] = {
        [EVENT_REQUEST] = -1,
        [EVENT_ASK] = -1,
        [EVENT_ANSWER] = -1,
        [EVENT_ACCEPT] = -1,
        [EVENT_DECLINE] = REASON_DECLINE,
        [EVENT_PROGRESS] = REASON_PROGRESS,
        [EVENT_HOLD] = REASON_HOLD,
        [EVENT_CANCEL] = REASON_WITHDRAW,
        [EVENT_RETRACT] = -1,
        [EVENT_RELEASE] = REASON_WITHDRAW,
        [EVENT_COMPLETE] = REASON_OUTCOME,
        [EVENT_FAIL] = REASON_NOT_COMPLETED,
        [EVENT_WITHDRAW] = REASON_WITHDRAW,
        [EVENT_ACKNOWLEDGE] = REASON_NEXT_STEP,
        [EVENT_VOID] = REASON_VOID,
        [EVENT_NOTE] = -1,
        [EVENT_DELIVERED] = -1,
    };

    (void)state;
    for (unsigned i = 0; i < EVENT_COUNT; i++) {
        enum reason_list list = REASON_LIST_COUNT;
        bool carries = reason_list_for((enum loop_event)i, &list);
        assert_int_equal(carries, list_of[i] >= 0);
        assert_int_equal(list, carries ? list_of[i] : REASON_LIST_COUNT);
    }
    enum reason_list list = REASON_HOLD;
    assert_false(reason_list_for(EVENT_COUNT, &list));
    assert_int_equal(list, REASON_HOLD);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists_hold_exactly_their_codes),
        cmocka_unit_test(every_code_is_found_and_explained_once),
        cmocka_unit_test(sensitive_codes_are_marked),
        cmocka_unit_test(events_know_their_list),
    };
    return cmocka_run_group_tests_name("reason", tests, NULL, NULL);
}
