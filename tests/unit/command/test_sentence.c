/* The sentence table: every trouble, with and without a queue, and how "since" reads near and far.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "agent/command/sentence.h"
#include "lib/base/attr.h"

/* Saturday, 21 November 2026, 09:30 UTC; an hour, a day and three weeks before it. */
static const int64_t now_ms = INT64_C(1795253400000);
#define TODAY (INT64_C(1795253400000) - 3600000)
#define YESTERDAY (INT64_C(1795253400000) - 86400000)
#define LONG_AGO (INT64_C(1795253400000) - INT64_C(21) * 86400000)
#define TOMORROW (INT64_C(1795253400000) + 86400000)

static const struct {
    struct sentence_facts facts;
    bool problem;
    const char *words;
} cases[] = {
    {{.ready = true}, false, "Online. Nothing needs you."},
    {{.ready = true, .n_need_me = 1}, false, "Online. 1 referral needs you."},
    {{.ready = true, .n_need_me = 2, .n_waiting = 3}, false, "Online. 2 referrals need you."},
    {{.ready = true, .read = 100, .head = 150}, false, "Online. Nothing needs you."},
    {{.ready = true, .read = 100, .head = 151},
     false,
     "Online, still reading what happened meanwhile (100 of 151). Nothing needs you."},
    {{.ready = true, .clock_ahead_ms = 119999}, false, "Online. Nothing needs you."},
    {{.ready = true, .clock_ahead_ms = 120000},
     true,
     "Online. Nothing needs you. This machine's clock is 2 min behind the broker's: set it right, "
     "or "
     "tell your administrator if it is."},
    {{.ready = true, .clock_ahead_ms = -7200000, .n_need_me = 1},
     true,
     "Online. 1 referral needs you. This machine's clock is 2 h ahead of the broker's: set it "
     "right, or "
     "tell your administrator if it is."},
    {{.ready = true, .n_bad = 1, .n_need_me = 1},
     true,
     "Online. 1 referral needs you. 1 statement from the broker cannot be believed or read: tell "
     "your administrator."},
    {{.ready = true, .n_bad = 2},
     true,
     "Online. Nothing needs you. 2 statements from the broker cannot be believed or read: tell "
     "your administrator."},
    {{.ready = true, .trouble = TROUBLE_INTERRUPTED}, false, "Online. Nothing needs you."},
    {{.ready = true, .disk_full = true, .disk_full_since_ms = TODAY},
     true,
     "The disk is full since 08:30: nothing new is taken in; free some space."},
    {{.trouble = TROUBLE_NO_ANSWER, .disk_full = true},
     true,
     "The disk is full: nothing new is taken in; free some space."},
    {{.trouble = TROUBLE_NONE}, false, "Connecting to the broker."},
    {{.trouble = TROUBLE_STARTING, .since_ms = TODAY, .n_waiting = 1},
     false,
     "Starting: connecting to the broker; 1 referral waits on this machine and goes out by "
     "itself."},
    {{.trouble = TROUBLE_NO_ANSWER, .since_ms = YESTERDAY, .n_waiting = 3},
     true,
     "Offline since Fri 09:30: nobody answers at the broker's address; 3 referrals wait on this "
     "machine and go out by themselves."},
    {{.trouble = TROUBLE_NO_ANSWER}, true, "Offline: nobody answers at the broker's address."},
    {{.trouble = TROUBLE_NO_ANSWER, .since_ms = LONG_AGO},
     true,
     "Offline since 2026-10-31 09:30: nobody answers at the broker's address."},
    {{.trouble = TROUBLE_NO_ANSWER, .since_ms = TOMORROW},
     true,
     "Offline since 2026-11-22 09:30: nobody answers at the broker's address."},
    {{.trouble = TROUBLE_NOT_A_BROKER, .since_ms = TODAY},
     true,
     "A login page or proxy answers instead of the broker (since 08:30): open a web browser on "
     "this machine and log in to the network."},
    {{.trouble = TROUBLE_NOT_A_BROKER, .n_waiting = 2},
     true,
     "A login page or proxy answers instead of the broker: open a web browser on this machine and "
     "log in to the network; 2 referrals wait on this machine and go out by themselves."},
    {{.trouble = TROUBLE_WRONG_KEY, .since_ms = TODAY, .n_waiting = 2},
     true,
     "The broker answers with a different key than this network's (since 08:30): nothing is sent. "
     "Tell your administrator."},
    {{.trouble = TROUBLE_REFUSED, .since_ms = TODAY, .n_waiting = 2},
     true,
     "The broker does not let this agent in (since 08:30): nothing is sent. Tell your "
     "administrator."},
    {{.trouble = TROUBLE_REFUSED, .refusal = ERR_VERSION},
     true,
     "The broker does not let this agent in: this version of the protocol is not spoken here; "
     "nothing is sent. Tell your administrator."},
    {{.trouble = TROUBLE_INTERRUPTED, .since_ms = TODAY, .n_waiting = 1},
     true,
     "Offline since 08:30: the connection to the broker was lost and is being made anew; 1 "
     "referral waits on this machine and goes out by itself."},
    {{.trouble = TROUBLE_SUSPENDED, .since_ms = TODAY},
     false,
     "This machine slept until 08:30; reconnecting."},
    {{.trouble = SENTENCE_REVOKED, .since_ms = TODAY, .refusal = ERR_REVOKED, .n_waiting = 4},
     true,
     "The administrator has revoked this organization's access (since 08:30): nothing is sent or "
     "received. Call the administrator."},
    {{.trouble = SENTENCE_BUSY, .since_ms = TODAY, .n_waiting = 1},
     true,
     "The broker has no room just now (since 08:30): it is asked again by itself; 1 referral "
     "waits on this machine and goes out by itself."},
    {{.trouble = SENTENCE_ROLLED_BACK, .since_ms = TODAY},
     true,
     "The broker has lost part of what it once confirmed (since 08:30): nothing is sent. Tell "
     "your administrator."},
    {{.trouble = SENTENCE_RECOVERING, .n_waiting = 1},
     true,
     "The broker was restored from a backup and takes back from its members what it has lost: "
     "there is nothing to do, leave this machine on; 1 referral waits on this machine and goes out "
     "by itself."},
    {{.trouble = SENTENCE_UNPROVED, .since_ms = TODAY, .unproved = "it proves nothing"},
     true,
     "The broker answers, but is not believed (since 08:30): it proves nothing; nothing is sent "
     "until it proves its words; it is asked again by itself."},
    {{.trouble = 999}, false, "Connecting to the broker."},
};

static void
test_sentences(void **state)
{
    char out[SENTENCE_BYTES];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct sentence_facts facts = cases[i].facts;
        facts.now_ms = now_ms;
        assert_int_equal(sentence_write(&facts, out), cases[i].problem);
        assert_string_equal(out, cases[i].words);
    }
}

static void
test_local_time(void **state)
{
    const struct sentence_facts facts = {
        .trouble = TROUBLE_NO_ANSWER, .since_ms = YESTERDAY, .now_ms = now_ms};
    char out[SENTENCE_BYTES];

    (void)state;
    assert_int_equal(setenv("TZ", "XXX8", 1), 0);
    tzset();
    (void)sentence_write(&facts, out);
    assert_int_equal(setenv("TZ", "UTC", 1), 0);
    tzset();
    assert_non_null(strstr(out, "since Fri 01:30"));
}

/* Every trouble the supervisor can name has the same word here, and no row of the table is empty.
 */
static void
test_names(void **state)
{
    (void)state;
    for (unsigned i = 0; i < TROUBLE_COUNT; i++)
        assert_string_equal(sentence_trouble_name(i),
                            supervisor_trouble_name((enum link_trouble)i));
    assert_string_equal(sentence_trouble_name(SENTENCE_REVOKED), "revoked");
    assert_string_equal(sentence_trouble_name(SENTENCE_BUSY), "broker-busy");
    assert_string_equal(sentence_trouble_name(SENTENCE_ROLLED_BACK), "broker-rolled-back");
    assert_string_equal(sentence_trouble_name(SENTENCE_RECOVERING), "broker-recovering");
    assert_string_equal(sentence_trouble_name(SENTENCE_UNPROVED), "broker-unproved");
    assert_string_equal(sentence_trouble_name(SENTENCE_TROUBLE_COUNT), "unknown");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sentences),
        cmocka_unit_test(test_local_time),
        cmocka_unit_test(test_names),
    };

    (void)setenv("TZ", "UTC", 1);
    tzset();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
