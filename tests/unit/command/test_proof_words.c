/* The words about proofs and alarms, each from the facts alone. */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "agent/command/alarm_words.h"
#include "agent/command/proof_words.h"

#define NOW INT64_C(1795253400000)
#define MINUTE INT64_C(60000)
#define HOUR (60 * MINUTE)

static const struct {
    struct agent_proof_status status;
    bool problem;
    const char *words;
} cases[] = {
    {{.has_checkpoint = false},
     false,
     "Nothing of the log is proved yet: that begins with the first answer of the broker."},
    {{.has_checkpoint = true, .checkpoint_size = 1, .checkpoint_ms = NOW},
     false,
     "Log proved up to entry 0 (just now); no other organization has confirmed it yet."},
    {{.has_checkpoint = true,
      .checkpoint_size = 1205,
      .checkpoint_ms = NOW - 3 * MINUTE,
      .witnessed_size = 1181,
      .witnessed_ms = NOW - MINUTE,
      .n_witnesses = 3},
     false,
     "Log proved up to entry 1,204 (3 min ago); confirmed by 3 other organizations up to entry "
     "1,180."},
    {{.has_checkpoint = true,
      .checkpoint_size = 1000000,
      .checkpoint_ms = NOW,
      .witnessed_size = 1000000,
      .witnessed_ms = NOW - 600 * MINUTE,
      .n_witnesses = 1,
      .witnesses_wanted = 1},
     false,
     "Log proved up to entry 999,999 (just now); confirmed by 1 other organization up to entry "
     "999,999."},
    {{.has_checkpoint = true,
      .checkpoint_size = 12,
      .checkpoint_ms = NOW,
      .witnessed_size = 11,
      .witnessed_ms = NOW - 24 * HOUR,
      .unconfirmed_ms = NOW - 24 * HOUR + 1,
      .n_witnesses = 1,
      .witnesses_wanted = 2},
     false,
     "Log proved up to entry 11 (just now); confirmed by at least 2 other organizations up to "
     "entry 10."},
    {{.has_checkpoint = true,
      .checkpoint_size = 12,
      .checkpoint_ms = NOW,
      .witnessed_size = 11,
      .witnessed_ms = NOW - 27 * HOUR,
      .unconfirmed_ms = NOW - 24 * HOUR,
      .n_witnesses = 0,
      .witnesses_wanted = 2},
     true,
     "Log proved up to entry 11 (just now); confirmed by at least 2 other organizations up to "
     "entry 10. This office wants 2 to confirm it, which last happened 27 h ago. Sending goes on; "
     "if it stays so, ask your administrator."},
    {{.has_checkpoint = true,
      .checkpoint_size = 12,
      .checkpoint_ms = NOW,
      .unconfirmed_ms = NOW - 23 * HOUR,
      .witnesses_wanted = 1},
     false,
     "Log proved up to entry 11 (just now); no other organization has confirmed it yet."},
    {{.has_checkpoint = true,
      .checkpoint_size = 12,
      .checkpoint_ms = NOW,
      .unconfirmed_ms = NOW - 24 * HOUR,
      .witnesses_wanted = 1},
     true,
     "Log proved up to entry 11 (just now); no other organization has confirmed it yet. This "
     "office wants 1 to confirm it, which has not happened yet. Sending goes on; if it stays so, "
     "ask your administrator."},
    {{.has_checkpoint = true, .checkpoint_size = 12, .checkpoint_ms = NOW, .n_unproved = 1},
     true,
     "Log proved up to entry 11 (just now); no other organization has confirmed it yet. 1 step of "
     "ours was sent, but not proved to be in the log: it is sent again without further help."},
    {{.n_unproved = 2},
     true,
     "Nothing of the log is proved yet: that begins with the first answer of the broker. 2 steps "
     "of ours were sent, but not proved to be in the log: they are sent again without further "
     "help."},
};

static void
test_proof(void **state)
{
    char out[PROOF_WORDS_BYTES];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_int_equal(proof_words_write(&cases[i].status, NOW, out), cases[i].problem);
        assert_string_equal(out, cases[i].words);
    }
}

/* The largest numbers still leave the whole sentence. */
static void
test_proof_fits(void **state)
{
    const struct agent_proof_status status = {
        .has_checkpoint = true,
        .checkpoint_size = UINT64_MAX,
        .checkpoint_ms = 0,
        .witnessed_size = UINT64_MAX - 1,
        .witnessed_ms = 0,
        .unconfirmed_ms = 1,
        .witnesses_wanted = 64,
        .n_unproved = UINT32_MAX,
    };
    char out[PROOF_WORDS_BYTES];

    (void)state;
    assert_true(proof_words_write(&status, NOW, out));
    assert_non_null(strstr(out, "again without further help."));
}

static void
test_warning(void **state)
{
    struct alarm_standing standing = {.n = 0};
    char out[ALARM_WARNING_BYTES];

    (void)state;
    alarm_warning(&standing, out);
    assert_string_equal(out, "");
    alarm_standing_add(&standing, ALARM_CLOCK);
    alarm_standing_add(&standing, ALARM_MISDELIVERED);
    alarm_warning(&standing, out);
    assert_string_equal(out, "ALARM: The broker's log time is far from this machine's clock. (And "
                             "1 more.) Sending goes on. What to do: see 'refloop alarms'.");
    alarm_standing_add(&standing, ALARM_REWRITTEN);
    alarm_standing_add(&standing, ALARM_REPLAYED);
    standing.stopped = true;
    alarm_warning(&standing, out);
    assert_memory_equal(out, "STOPPED: The broker's log no longer contains", 44);
    assert_non_null(strstr(out, "(And 3 more.)"));
    standing = (struct alarm_standing){.stopped = true};
    alarm_warning(&standing, out);
    assert_memory_equal(out, "STOPPED: The broker was caught", 30);
    assert_non_null(strstr(out, "telephone the administrator; see 'refloop alarms'."));
}

static void
test_advice(void **state)
{
    static const enum alarm_kind kinds[] = {
#define KIND(symbol, number, stops, word, sentence) symbol,
        ALARM_TABLE(KIND)
#undef KIND
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        const char *advice = alarm_advice(kinds[i]);
        assert_true(strlen(advice) > 20);
        assert_int_equal(advice[strlen(advice) - 1], '.');
        /* What stops is never for the office alone to judge. */
        if (alarm_stops(kinds[i]))
            assert_non_null(strstr(advice, "administrator"));
    }
    assert_non_null(strstr(alarm_advice((enum alarm_kind)99), "administrator"));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_proof),
        cmocka_unit_test(test_proof_fits),
        cmocka_unit_test(test_warning),
        cmocka_unit_test(test_advice),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
