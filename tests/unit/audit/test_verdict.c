/* What an auditor says of loops: each verdict, at each side of its clock. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/audit/rig.h"
#include "tests/unit/audit/saying.h"

#define HOURS(n) ((int64_t)(n)*3600000)
#define DAYS(n) (24 * HOURS(n))

enum { STEPS_MAX = 6, CASE_DAYS = 100 };

/* Hours are counted from the beginning of the case. */
struct case_step {
    enum loop_role role;
    enum loop_event event;
    int hour;
    int due_hour; /* 0: none */
    bool lost;    /* the other side does not confirm it */
    bool stale;
};
struct verdict_case {
    const char *what;
    bool urgent;
    size_t n_steps;
    struct case_step steps[STEPS_MAX];
    int now_hour;
    enum verdict verdict;
    uint32_t n_undelivered;
    int due_hour;
};

#define S LOOP_SOURCE
#define T LOOP_TARGET
static const struct verdict_case cases[] = {
    {"asked, in time", false, 1, {{S, EVENT_REQUEST, 0}}, 5 * 24, VERDICT_OPEN, 0, 0},
    {"asked, five days", false, 1, {{S, EVENT_REQUEST, 0}}, 5 * 24 + 1, VERDICT_SILENT, 0, 0},
    {"urgent, in time", true, 1, {{S, EVENT_REQUEST, 0}}, 24, VERDICT_OPEN, 0, 0},
    {"urgent, a day", true, 1, {{S, EVENT_REQUEST, 0}}, 25, VERDICT_SILENT, 0, 0},
    {"not arrived yet", false, 1, {{S, EVENT_REQUEST, 0, 0, true}}, 24, VERDICT_OPEN, 1, 0},
    {"not arrived", false, 1, {{S, EVENT_REQUEST, 0, 0, true}}, 25, VERDICT_BROKEN, 1, 0},
    /* Who has heard nothing cannot be silent. */
    {"not arrived, long", true, 1, {{S, EVENT_REQUEST, 0, 0, true}}, 999, VERDICT_BROKEN, 1, 0},
    {"needed by, not yet", false, 1, {{S, EVENT_REQUEST, 0, 48}}, 48, VERDICT_OPEN, 0, 48},
    {"needed by", false, 1, {{S, EVENT_REQUEST, 0, 48}}, 49, VERDICT_OVERDUE, 0, 48},
    {"the target's date counts",
     false,
     2,
     {{S, EVENT_REQUEST, 0, 48}, {T, EVENT_ACCEPT, 1, 96}},
     49,
     VERDICT_OPEN,
     0,
     96},
    {"the target's date has passed",
     false,
     2,
     {{S, EVENT_REQUEST, 0, 48}, {T, EVENT_ACCEPT, 1, 96}},
     97,
     VERDICT_OVERDUE,
     0,
     96},
    {"answer did not arrive",
     false,
     2,
     {{S, EVENT_REQUEST, 0}, {T, EVENT_ACCEPT, 1, 0, true}},
     26,
     VERDICT_BROKEN,
     1,
     0},
    {"and then silence",
     false,
     2,
     {{S, EVENT_REQUEST, 0}, {T, EVENT_ACCEPT, 1, 0, true}},
     11 * 24,
     VERDICT_SILENT,
     1,
     0},
    {"a note is a word",
     false,
     3,
     {{S, EVENT_REQUEST, 0}, {T, EVENT_ACCEPT, 1}, {T, EVENT_NOTE, 9 * 24}},
     19 * 24,
     VERDICT_OPEN,
     0,
     0},
    {"but not the other side's",
     false,
     3,
     {{S, EVENT_REQUEST, 0}, {T, EVENT_ACCEPT, 1}, {S, EVENT_NOTE, 9 * 24}},
     11 * 24,
     VERDICT_SILENT,
     0,
     0},
    {"the source owes an answer",
     false,
     2,
     {{S, EVENT_REQUEST, 0}, {T, EVENT_ASK, 1}},
     6 * 24,
     VERDICT_SILENT,
     0,
     0},
    {"on hold, its review is to come",
     false,
     3,
     {{S, EVENT_REQUEST, 0}, {T, EVENT_ACCEPT, 1, 48}, {T, EVENT_HOLD, 2, 20 * 24}},
     10 * 24,
     VERDICT_OPEN,
     0,
     20 * 24},
    {"on hold, its review is due",
     false,
     3,
     {{S, EVENT_REQUEST, 0}, {T, EVENT_ACCEPT, 1, 48}, {T, EVENT_HOLD, 2, 20 * 24}},
     21 * 24,
     VERDICT_OVERDUE,
     0,
     20 * 24},
    {"taken up again: the review does not count",
     false,
     4,
     {{S, EVENT_REQUEST, 0},
      {T, EVENT_ACCEPT, 1, 9 * 24},
      {T, EVENT_HOLD, 2, 48},
      {T, EVENT_PROGRESS, 24}},
     72,
     VERDICT_OPEN,
     0,
     9 * 24},
    {"cancel asked for on hold",
     false,
     4,
     {{S, EVENT_REQUEST, 0},
      {T, EVENT_ACCEPT, 1, 24},
      {T, EVENT_HOLD, 2, 96},
      {S, EVENT_CANCEL, 3}},
     72,
     VERDICT_OPEN,
     0,
     96},
    {"cancel not answered",
     false,
     3,
     {{S, EVENT_REQUEST, 0}, {T, EVENT_ACCEPT, 1}, {S, EVENT_CANCEL, 2}},
     6 * 24,
     VERDICT_SILENT,
     0,
     0},
    {"half-closed at once",
     false,
     3,
     {{S, EVENT_REQUEST, 0, 24}, {T, EVENT_ACCEPT, 1}, {T, EVENT_COMPLETE, 2, 0, true}},
     99 * 24,
     VERDICT_HALF_CLOSED,
     1,
     0},
    {"an accept that came too late",
     false,
     3,
     {{S, EVENT_REQUEST, 0, 48},
      {S, EVENT_WITHDRAW, 1, 0, true},
      {T, EVENT_ACCEPT, 2, 9, false, true}},
     5,
     VERDICT_HALF_CLOSED,
     1,
     0},
    {"met",
     false,
     4,
     {{S, EVENT_REQUEST, 0, 24},
      {T, EVENT_ACCEPT, 1},
      {T, EVENT_COMPLETE, 2},
      {S, EVENT_ACKNOWLEDGE, 3, 0, true}},
     99 * 24,
     VERDICT_CLOSED_MET,
     0,
     0},
    {"not met",
     false,
     3,
     {{S, EVENT_REQUEST, 0}, {T, EVENT_DECLINE, 1}, {S, EVENT_ACKNOWLEDGE, 2}},
     99 * 24,
     VERDICT_CLOSED_UNMET,
     0,
     0},
    {"void", false, 2, {{S, EVENT_REQUEST, 0}, {S, EVENT_VOID, 1}}, 99 * 24, VERDICT_VOID, 0, 0},
};
#undef S
#undef T

static struct made {
    struct rig *rig;
    struct loop_id loop[ARRAY_LEN(cases)];
    int64_t begin_ms[ARRAY_LEN(cases)];
    struct loop_id told; /* with facts */
    struct seal_public seal_public;
    struct seal_secret seal_secret;
    struct key_id auditor;
} made;

static void
add_case(struct make_log *log, size_t which)
{
    const struct verdict_case *wanted = &cases[which];
    struct saying_loop loop;
    int64_t begin_ms = log->head.log_time_ms + DAYS(CASE_DAYS);
    saying_begin(&loop, log, 0, 1);
    loop.priority = wanted->urgent ? PRIORITY_URGENT : PRIORITY_ROUTINE;
    made.loop[which] = loop.track.loop;
    made.begin_ms[which] = begin_ms;
    for (size_t i = 0; i < wanted->n_steps; i++) {
        const struct case_step *step = &wanted->steps[i];
        struct saying said = {
            .role = step->role,
            .event = step->event,
            .at_ms = begin_ms + HOURS(step->hour),
            .due_ms = step->due_hour == 0 ? 0 : begin_ms + HOURS(step->due_hour),
            .stale = step->stale,
        };
        if (step->lost) {
            (void)saying_add(&loop, &said);
        } else {
            saying_heard(&loop, &said);
        }
    }
    saying_end(&loop);
}

static void
add_told(struct make_log *log)
{
    static const struct sealed_reader none = {.key = {{0}}};
    struct sealed_reader auditor = none;
    struct saying_loop loop;
    int64_t at_ms = log->head.log_time_ms;
    seal_new_pair(&made.seal_public, &made.seal_secret);
    memset(made.auditor.bytes, 7, sizeof(made.auditor.bytes));
    auditor.key = made.auditor;
    auditor.seal = made.seal_public;
    saying_begin(&loop, log, 1, 2);
    loop.auditor = &auditor;
    made.told = loop.track.loop;
    static const struct {
        enum loop_role role;
        enum loop_event event;
        const char *facts;
    } steps[] = {
        {LOOP_SOURCE, EVENT_REQUEST, "{\"category\":\"food-insecurity\"}"},
        {LOOP_TARGET, EVENT_ACCEPT, "{}"},
        {LOOP_TARGET, EVENT_COMPLETE, "{\"outcome\":\"service-provided\"}"},
        {LOOP_TARGET, EVENT_NOTE, "{}"},
        {LOOP_SOURCE, EVENT_ACKNOWLEDGE, "{\"next\":\"none\"}"},
    };
    for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
        at_ms += HOURS(1);
        saying_heard(&loop, &(struct saying){.role = steps[i].role,
                                             .event = steps[i].event,
                                             .at_ms = at_ms,
                                             .facts = steps[i].facts});
    }
    saying_end(&loop);
}

static int
start(void **state)
{
    (void)state;
    made.rig = rig_new();
    struct make_log *log = make_log_new(
        &(struct make_log_options){.home = made.rig->home, .n_members = 3, .sealed_bytes = 100});
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        add_case(log, i);
    }
    add_told(log);
    make_log_free(log);
    return 0;
}

static int
stop(void **state)
{
    (void)state;
    rig_free(made.rig);
    return 0;
}

/* ---- looking ---- */

struct wanted {
    struct loop_id loop;
    size_t n_seen, n_found;
    struct audit_loop found; /* its texts are not kept */
    char facts[256], asked[256], source[ORG_ID_BYTES];
};

static void
keep(struct bytes text, char out[256])
{
    assert_true(text.len < 256);
    memset(out, 0, 256);
    if (text.len > 0) {
        memcpy(out, text.data, text.len);
    }
}

static bool
take(void *context, const struct audit_loop *loop)
{
    struct wanted *wanted = context;
    wanted->n_seen++;
    if (memcmp(&loop->loop, &wanted->loop, sizeof(loop->loop)) == 0) {
        wanted->n_found++;
        wanted->found = *loop;
        keep(loop->facts, wanted->facts);
        keep(loop->asked, wanted->asked);
        memcpy(wanted->source, loop->source, sizeof(wanted->source));
    }
    return true;
}

static struct wanted
find(const struct loop_id *id, const struct audit_loops_options *options)
{
    CLEANUP(audit_closep) struct audit *audit = NULL;
    struct complaint complaint = {.text = ""};
    struct wanted wanted = {.loop = *id};
    assert_int_equal(audit_open(made.rig->home, NULL, &audit, &complaint), ERR_OK);
    assert_int_equal(audit_each_loop(audit, options, take, &wanted), ERR_OK);
    assert_int_equal(wanted.n_seen, ARRAY_LEN(cases) + 1);
    assert_int_equal(wanted.n_found, 1);
    return wanted;
}

static void
test_verdicts(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct verdict_case *wanted = &cases[i];
        struct audit_loops_options options = {.now_ms = made.begin_ms[i] + HOURS(wanted->now_hour)};
        struct wanted seen = find(&made.loop[i], &options);
        int64_t due_ms = wanted->due_hour == 0 ? 0 : made.begin_ms[i] + HOURS(wanted->due_hour);
        if (seen.found.verdict != wanted->verdict) {
            print_message("%s: %s\n", wanted->what, verdict_name(seen.found.verdict));
        }
        assert_int_equal(seen.found.verdict, wanted->verdict);
        assert_int_equal(seen.found.n_undelivered, wanted->n_undelivered);
        assert_int_equal(seen.found.due_ms, due_ms);
        assert_int_equal(seen.found.priority, wanted->urgent ? PRIORITY_URGENT : PRIORITY_ROUTINE);
        assert_int_equal(seen.found.requested_ms, made.begin_ms[i]);
        assert_string_equal(seen.source, "example-0");
        assert_int_equal(seen.found.facts.len, 0);
        assert_int_equal(seen.found.asked.len, 0);
    }
}

/* The option takes the place of every clock, also for urgent ones. */
static void
test_own_clocks(void **state)
{
    (void)state;
    struct audit_loops_options options = {.now_ms = made.begin_ms[2] + DAYS(3),
                                          .silent_after_ms = DAYS(3)};
    assert_int_equal(find(&made.loop[2], &options).found.verdict, VERDICT_OPEN);
    options.now_ms += HOURS(1);
    assert_int_equal(find(&made.loop[2], &options).found.verdict, VERDICT_SILENT);
    options = (struct audit_loops_options){.now_ms = made.begin_ms[5] + HOURS(25),
                                           .undelivered_after_ms = HOURS(25)};
    assert_int_equal(find(&made.loop[5], &options).found.verdict, VERDICT_OPEN);
    options.now_ms += 1;
    assert_int_equal(find(&made.loop[5], &options).found.verdict, VERDICT_BROKEN);
}

static void
test_who_owes(void **state)
{
    (void)state;
    const struct audit_loops_options options = {.now_ms = made.begin_ms[0]};
    struct wanted asked = find(&made.loop[0], &options);
    assert_true(asked.found.owes);
    assert_false(asked.found.waits_on_source);
    assert_int_equal(asked.found.n_statements, 2);
    struct wanted closed = find(&made.told, &options);
    assert_false(closed.found.owes);
    assert_int_equal(closed.found.n_statements, 10);
}

static void
test_facts(void **state)
{
    (void)state;
    struct audit_loops_options options = {.now_ms = made.begin_ms[0],
                                          .key = &made.auditor,
                                          .seal_public = &made.seal_public,
                                          .seal_secret = &made.seal_secret};
    struct wanted told = find(&made.told, &options);
    assert_string_equal(told.asked, "{\"category\":\"food-insecurity\"}");
    assert_string_equal(told.facts, "{\"outcome\":\"service-provided\"}");
    /* A key that nothing was sealed to opens nothing, and that is no failure. */
    struct key_id other = made.auditor;
    other.bytes[0] ^= 1;
    options.key = &other;
    told = find(&made.told, &options);
    assert_string_equal(told.asked, "");
    assert_string_equal(told.facts, "");
}

/* The statements of an open loop no longer hang together: it is broken, the others are listed. */
static void
test_torn(void **state)
{
    (void)state;
    struct rig *rig = made.rig;
    struct track track;
    rig_begin(rig);
    assert_int_equal(journal_load_track(rig->txn, &made.loop[0], &track), ERR_OK);
    rig_delete(rig, TABLE_IDS, bytes_of(track.side[LOOP_TARGET].last_id.bytes, DIGEST_BYTES));
    rig_commit(rig);
    track_done(&track);
    const struct audit_loops_options options = {.now_ms = made.begin_ms[0]};
    assert_int_equal(find(&made.loop[0], &options).found.verdict, VERDICT_BROKEN);
    assert_int_equal(find(&made.loop[1], &options).found.verdict, VERDICT_OPEN);
}

static void
test_names(void **state)
{
    (void)state;
    for (enum verdict verdict = VERDICT_HALF_CLOSED; verdict < VERDICT_COUNT; verdict++) {
        assert_true(strlen(verdict_name(verdict)) > 0);
        assert_true(strlen(verdict_words(verdict)) > 0);
        for (enum verdict other = VERDICT_HALF_CLOSED; other < verdict; other++) {
            assert_string_not_equal(verdict_name(verdict), verdict_name(other));
        }
    }
    assert_string_equal(verdict_name(VERDICT_COUNT), "");
    assert_string_equal(verdict_words(VERDICT_COUNT), "");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_verdicts), cmocka_unit_test(test_own_clocks),
        cmocka_unit_test(test_who_owes), cmocka_unit_test(test_facts),
        cmocka_unit_test(test_torn),     cmocka_unit_test(test_names),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
