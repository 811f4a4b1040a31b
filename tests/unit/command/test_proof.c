/* What is proved, confirmed, caught and changed: the commands behind the log itself. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "agent/state.h"
#include "lib/base/text.h"
#include "lib/proof/evidence.h"
#include "tests/unit/command/county.h"

/* --- alarms --- */

static enum err
raise_one(struct unit *unit, void *context)
{
    const enum alarm_kind *kind = context;

    return alarm_raise(unit, *kind, 7, bytes_of_text("the proof"), "a log of %d entries", 12);
}

static void
raise_alarm(struct county *county, enum alarm_kind kind)
{
    assert_int_equal(unit_run(county->members[CLINIC].agent, county->now, raise_one, &kind),
                     ERR_OK);
}

static void
test_no_alarm(void **state)
{
    struct county *county = *state;
    json_t *answer = county_run(county, CLINIC, "{s:s}", "command", "alarms");

    assert_true(json_is_false(county_at(answer, "stopped")));
    assert_string_equal(county_text(answer, "warning"), "");
    assert_int_equal(json_array_size(county_at(answer, "alarms")), 0);
    json_decref(answer);
    answer = county_run(county, CLINIC, "{s:s, s:i}", "command", "settle", "newest", 0);
    assert_string_equal(county_text(answer, "error.code"), "not-found");
    json_decref(answer);
}

static void
test_alarm_that_goes_on(void **state)
{
    struct county *county = *state;

    raise_alarm(county, ALARM_CLOCK);
    json_t *answer = county_run(county, CLINIC, "{s:s}", "command", "status");
    assert_true(json_is_false(county_at(answer, "stopped")));
    assert_string_equal(county_text(answer, "sentence"), "Online. Nothing needs you.");
    assert_string_equal(county_text(answer, "warning"),
                        "ALARM: The broker's log time is far from this machine's clock. Sending "
                        "goes on. What to do: see 'refloop alarms'.");
    assert_int_equal(json_array_size(county_at(answer, "alarms")), 1);
    json_decref(answer);
}

/* Nothing is sent, people read it everywhere, and it is over only once they have looked. */
static void
test_alarm_that_stops(void **state)
{
    struct county *county = *state;
    char loop[LOOP_ID_TEXT];

    raise_alarm(county, ALARM_CLOCK);
    raise_alarm(county, ALARM_SPLIT_VIEW);
    county_refer(county, "Ana Example", loop);
    json_t *answer = county_run(county, CLINIC, "{s:s}", "command", "status");
    assert_true(json_is_true(county_at(answer, "stopped")));
    assert_true(json_is_true(county_at(answer, "problem")));
    assert_string_equal(county_text(answer, "warning"),
                        "STOPPED: The broker has signed two different logs of the same length. "
                        "(And 1 more.) Nothing is sent. What to do: telephone the administrator; "
                        "see 'refloop alarms'.");
    assert_string_equal(county_text(answer, "sentence"), county_text(answer, "warning"));
    assert_int_equal(county_number(answer, "queue.waiting"), 1);
    json_decref(answer);
    answer = county_run(county, CLINIC, "{s:s, s:s}", "command", "show", "loop", loop);
    assert_string_equal(county_text(answer, "timeline.0.stage"), "queued");
    assert_string_equal(county_text(answer, "loop.notice"),
                        "What was said last waits on this machine, as sending is stopped (see "
                        "'refloop alarms').");
    json_decref(answer);
    answer = county_run(county, CLINIC, "{s:s, s:i}", "command", "settle", "newest", 1);
    assert_string_equal(county_text(answer, "error.code"), "busy");
    json_decref(answer);
    answer = county_do(county, CLINIC, "{s:s, s:i}", "command", "settle", "newest", 2);
    assert_int_equal(county_number(answer, "settled"), 2);
    json_decref(answer);
    answer = county_run(county, CLINIC, "{s:s, s:s}", "command", "show", "loop", loop);
    assert_string_equal(county_text(answer, "loop.notice"), "");
    assert_string_equal(county_text(answer, "timeline.0.stage"), "delivered");
    json_decref(answer);
}

static void
test_alarms_in_full(void **state)
{
    struct county *county = *state;

    raise_alarm(county, ALARM_WITHHELD);
    raise_alarm(county, ALARM_NOT_OURS);
    json_t *answer = county_run(county, CLINIC, "{s:s}", "command", "alarms");
    assert_string_equal(county_text(answer, "alarms.0.kind"), "not-ours");
    assert_string_equal(county_text(answer, "alarms.1.kind"), "withheld");
    assert_string_equal(county_text(answer, "alarms.1.about"), "a log of 12 entries");
    assert_string_equal(county_text(answer, "alarms.1.raised"), COUNTY_NOW_PUMPED);
    assert_true(json_is_null(county_at(answer, "alarms.1.settled")));
    assert_int_equal(county_number(answer, "alarms.1.index"), 7);
    assert_true(json_is_true(county_at(answer, "alarms.1.stops")));
    assert_true(json_is_false(county_at(answer, "alarms.0.stops")));
    assert_non_null(strstr(county_text(answer, "alarms.0.advice"), "administrator"));
    json_decref(answer);
    answer = county_run(county, CLINIC, "{s:s, s:i}", "command", "alarm", "n", 2);
    assert_string_equal(county_text(answer, "alarm.kind"), "not-ours");
    assert_string_equal(county_text(answer, "proof"), "dGhlIHByb29m");
    json_decref(answer);
    answer = county_run(county, CLINIC, "{s:s, s:i}", "command", "alarm", "n", 3);
    assert_string_equal(county_text(answer, "error.code"), "not-found");
    json_decref(answer);
    json_decref(county_do(county, CLINIC, "{s:s, s:i}", "command", "settle", "newest", 2));
    answer = county_run(county, CLINIC, "{s:s, s:b}", "command", "alarms", "standing", 1);
    assert_int_equal(json_array_size(county_at(answer, "alarms")), 0);
    json_decref(answer);
    answer = county_run(county, CLINIC, "{s:s}", "command", "alarms");
    assert_int_equal(json_array_size(county_at(answer, "alarms")), 2);
    assert_true(json_is_string(county_at(answer, "alarms.0.settled")));
    json_decref(answer);
}

/* --- what is proved --- */

static void
test_proved(void **state)
{
    struct county *county = *state;
    char loop[LOOP_ID_TEXT];

    county_refer(county, "Ana Example", loop);
    json_t *answer = county_run(county, CLINIC, "{s:s, s:s}", "command", "show", "loop", loop);
    assert_true(json_is_true(county_at(answer, "timeline.0.proved")));
    assert_true(json_is_null(county_at(answer, "timeline.0.unproved")));
    json_decref(answer);
    answer = county_run(county, CLINIC, "{s:s}", "command", "status");
    assert_true(county_number(answer, "proof.entries") > 0);
    assert_true(county_number(answer, "proof.entries") <= county_number(answer, "log.head"));
    assert_true(json_is_string(county_at(answer, "proof.proved")));
    assert_true(json_is_false(county_at(answer, "proof.recovering")));
    assert_int_equal(county_number(answer, "proof.unproved"), 0);
    assert_memory_equal(county_text(answer, "proof.sentence"), "Log proved up to entry ", 23);
    json_decref(answer);
    county_link(county, CLINIC, false);
    county_refer(county, "Bo Example", loop);
    answer = county_run(county, CLINIC, "{s:s, s:s}", "command", "show", "loop", loop);
    assert_true(json_is_false(county_at(answer, "timeline.0.proved")));
    json_decref(answer);
}

/* --- checkpoints --- */

static void
sign_other(struct county *county, uint64_t size, const struct sign_secret *secret,
           struct buffer *note)
{
    const struct merkle_hash root = {{1}};

    assert_int_equal(checkpoint_sign(&county->network, size, &root, secret, note), ERR_OK);
    buffer_put_u8(note, 0);
}

static json_t *
check(struct county *county, const char *note)
{
    return county_run(county, CLINIC, "{s:s, s:s}", "command", "checkpoint", "check", note);
}

static void
test_checkpoint(void **state)
{
    CLEANUP(buffer_done) struct buffer split = BUFFER_INIT(NOTE_BYTES_MAX);
    CLEANUP(buffer_done) struct buffer larger = BUFFER_INIT(NOTE_BYTES_MAX);
    CLEANUP(buffer_done) struct buffer foreign = BUFFER_INIT(NOTE_BYTES_MAX);
    struct county *county = *state;
    json_t *ours = county_run(county, CLINIC, "{s:s}", "command", "checkpoint");
    uint64_t size = (uint64_t)county_number(ours, "size");

    assert_memory_equal(county_text(ours, "note"), "refloop/", 8);
    assert_int_equal(strlen(county_text(ours, "root")), 64);
    json_t *answer = check(county, county_text(ours, "note"));
    assert_string_equal(county_text(answer, "verdict"), "same");
    assert_string_equal(county_text(answer, "theirs.root"), county_text(ours, "root"));
    json_decref(answer);
    sign_other(county, size, &county->log_secret, &split);
    answer = check(county, (const char *)split.data);
    assert_string_equal(county_text(answer, "verdict"), "split");
    assert_non_null(strstr(county_text(answer, "text"), "two different logs of the same length"));
    json_decref(answer);
    sign_other(county, size + 5, &county->log_secret, &larger);
    answer = check(county, (const char *)larger.data);
    assert_string_equal(county_text(answer, "verdict"), "other-size");
    assert_non_null(strstr(county_text(answer, "text"), "refloop-admin verify --since"));
    json_decref(answer);
    sign_other(county, size, &county->root_secret, &foreign);
    answer = check(county, (const char *)foreign.data);
    assert_string_equal(county_text(answer, "error.code"), "signature");
    json_decref(answer);
    answer = check(county, "hello");
    assert_string_equal(county_text(answer, "error.code"), "malformed");
    assert_non_null(strstr(county_text(answer, "error.text"), "refloop checkpoint"));
    json_decref(answer);
    json_decref(ours);
}

/* --- key events --- */

static void
test_events(void **state)
{
    static const char *const expected[] = {"founded", "invited", "joined",  "invited", "joined",
                                           "invited", "joined",  "invited", "revoked"};
    struct county *county = *state;

    county_revoke(county, "river-shelter");
    county_link(county, CLINIC, false);
    county_link(county, CLINIC, true);
    county_pump(county);
    json_t *answer = county_run(county, CLINIC, "{s:s}", "command", "events");
    json_t *events = county_at(answer, "events");
    assert_int_equal(json_array_size(events), ARRAY_LEN(expected));
    for (size_t i = 0; i < ARRAY_LEN(expected); i++)
        assert_string_equal(county_text(json_array_get(events, i), "event"), expected[i]);
    assert_string_equal(county_text(answer, "events.2.name"), "Oak Clinic");
    assert_string_equal(county_text(answer, "events.2.org"), "oak-clinic");
    assert_true(json_is_string(county_at(answer, "events.2.key")));
    assert_true(json_is_null(county_at(answer, "events.1.key")));
    assert_string_equal(county_text(answer, "events.8.reason"), "left the county");
    json_decref(answer);
    answer = county_run(county, CLINIC, "{s:s, s:i}", "command", "events", "limit", 1);
    assert_int_equal(json_array_size(county_at(answer, "events")), 1);
    assert_string_equal(county_text(answer, "events.0.event"), "revoked");
    assert_int_equal(county_number(answer, "total"), ARRAY_LEN(expected));
    json_decref(answer);
}

/* --- evidence --- */

static json_t *
ask_evidence(struct county *county, const char *loop, bool with_body)
{
    for (unsigned i = 0; i < 10; i++) {
        json_t *answer = county_do(county, CLINIC, "{s:s, s:s, s:b}", "command", "evidence", "loop",
                                   loop, "with_body", with_body);
        if (json_is_true(county_at(answer, "ready")))
            return answer;
        json_decref(answer);
    }
    fail_msg("the proofs never come");
    return NULL;
}

static bool
read_evidence(struct county *county, json_t *answer, bool *shows_person)
{
    CLEANUP(buffer_done) struct buffer file = BUFFER_INIT(EVIDENCE_BYTES_MAX);
    CLEANUP(evidence_reading_done) struct evidence_reading reading = {.n_steps = 0};
    struct complaint complaint = {.text = ""};

    assert_int_equal(text_unbase64(bytes_of_text(county_text(answer, "file")), &file), ERR_OK);
    if (evidence_read(buffer_view(&file), &county->network, &reading, &complaint) != ERR_OK)
        fail_msg("%s", complaint.text);
    *shows_person = false;
    for (size_t i = 0; i < reading.n_steps; i++) {
        struct bytes body = reading.steps[i].body;
        *shows_person |= body.len > 0 && memmem(body.data, body.len, "Ana Example", 11) != NULL;
    }
    return reading.state == LOOP_REQUESTED && strcmp(reading.org[LOOP_SOURCE], "oak-clinic") == 0;
}

static void
test_evidence(void **state)
{
    struct county *county = *state;
    char loop[LOOP_ID_TEXT];
    bool shows_person = true;

    county_refer(county, "Ana Example", loop);
    json_t *answer = ask_evidence(county, loop, false);
    assert_string_equal(county_text(answer, "loop"), loop);
    assert_true(read_evidence(county, answer, &shows_person));
    assert_false(shows_person);
    json_decref(answer);
    answer = ask_evidence(county, loop, true);
    assert_true(read_evidence(county, answer, &shows_person));
    assert_true(shows_person);
    json_decref(answer);
    answer = county_run(county, CLINIC, "{s:s, s:s}", "command", "evidence", "loop", "ffff0000");
    assert_string_equal(county_text(answer, "error.code"), "unknown-loop");
    json_decref(answer);
}

/* Nothing can be proved of what the broker has not got; and nobody waits for a broker that cannot
 * be asked. */
static void
test_evidence_offline(void **state)
{
    struct county *county = *state;
    char known[LOOP_ID_TEXT], queued[LOOP_ID_TEXT];
    bool shows_person;

    county_refer(county, "Ana Example", known);
    county_link(county, CLINIC, false);
    county_refer(county, "Bo Example", queued);
    json_t *answer = county_run(county, CLINIC, "{s:s, s:s}", "command", "evidence", "loop", known);
    assert_true(json_is_true(county_at(answer, "ready")));
    assert_true(read_evidence(county, answer, &shows_person));
    json_decref(answer);
    answer = county_run(county, CLINIC, "{s:s, s:s, s:b}", "command", "evidence", "loop", queued,
                        "now", 1);
    assert_string_equal(county_text(answer, "error.code"), "wrong-state");
    assert_non_null(strstr(county_text(answer, "error.text"), "nothing to prove"));
    json_decref(answer);
}

int
main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, county_setup, county_teardown)
    const struct CMUnitTest tests[] = {
        CASE(test_no_alarm),         CASE(test_alarm_that_goes_on),
        CASE(test_alarm_that_stops), CASE(test_alarms_in_full),
        CASE(test_proved),           CASE(test_checkpoint),
        CASE(test_events),           CASE(test_evidence),
        CASE(test_evidence_offline),
    };

    (void)setenv("TZ", "UTC", 1);
    tzset();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
