/* Reading from a cursor: who gets what, in which order, within which credit, and when one waits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/broker/rig.h"

enum { PLENTY = 200000 };

static void
drop_all(struct rig *rig, const struct route *route)
{
    while (rig_take(rig, route)) {
    }
}

static const struct message_entries *
take_entries(struct rig *rig, const struct rig_org *org)
{
    assert_true(rig_take(rig, &org->route));
    assert_int_equal(rig->heard.kind, MESSAGE_ENTRIES);
    return &rig->heard.as.entries;
}

static const struct message_entries *
fetch(struct rig *rig, const struct rig_org *org, uint64_t cursor, uint32_t credit, bool with_own)
{
    rig_fetch(rig, org, cursor, credit, with_own);
    return take_entries(rig, org);
}

static struct envelope
decode(const struct entry *entry)
{
    struct envelope envelope;
    assert_int_equal(envelope_decode(entry->envelope, &envelope), ERR_OK);
    return envelope;
}

static void
test_directory_for_all(void **state)
{
    struct rig *rig = *state;
    drop_all(rig, &rig->pantry.route);
    const struct message_entries *entries = fetch(rig, &rig->pantry, 0, PLENTY, false);
    assert_int_equal(entries->n, 5); /* genesis, two invites, two joins */
    assert_int_equal(entries->next, 5);
    assert_int_equal(entries->head, 5);
    for (size_t i = 0; i < entries->n; i++) {
        assert_int_equal(entries->entries[i].index, i);
    }
    assert_true(bytes_equal(entries->entries[0].envelope, buffer_view(&rig->genesis)));
}

/* Both sides get the statement, with the sealed part for its reader only, and nobody else gets it.
 */
static void
test_mailbox(void **state)
{
    struct rig *rig = *state;
    struct rig_loop loop = rig_loop_new(&rig->clinic, &rig->pantry);
    rig_add(rig, &rig->shelter);
    struct receipt receipt = rig_step(rig, &loop, LOOP_SOURCE, EVENT_REQUEST);
    drop_all(rig, &rig->clinic.route);
    drop_all(rig, &rig->pantry.route);
    drop_all(rig, &rig->shelter.route);
    const struct message_entries *entries = fetch(rig, &rig->pantry, receipt.index, PLENTY, false);
    assert_int_equal(entries->n, 1);
    assert_int_equal(entries->entries[0].index, receipt.index);
    assert_int_equal(entries->entries[0].log_time_ms, receipt.log_time_ms);
    assert_true(decode(&entries->entries[0]).sealed.len > 1024);
    entries = fetch(rig, &rig->clinic, receipt.index, PLENTY, false);
    assert_int_equal(entries->n, 1);
    assert_int_equal(decode(&entries->entries[0]).sealed.len, 0);
    entries = fetch(rig, &rig->clinic, receipt.index, PLENTY, true);
    assert_true(decode(&entries->entries[0]).sealed.len > 1024);
    rig_fetch(rig, &rig->shelter, receipt.index, PLENTY, false);
    assert_int_equal(rig_count(rig, &rig->shelter.route), 0);
    rig_fetch(rig, &rig->admin, receipt.index, PLENTY, false);
    assert_int_equal(rig_count(rig, &rig->admin.route), 0);
}

/* In pieces no larger than the credit, each at least one entry, nothing twice and nothing left out.
 */
static void
test_credit_and_cursor(void **state)
{
    struct rig *rig = *state;
    enum { N = 12 };
    uint64_t cursor = 5;
    size_t n = 0;
    size_t frames = 0;
    for (int i = 0; i < N; i++) {
        struct rig_loop loop = rig_loop_new(&rig->clinic, &rig->pantry);
        (void)rig_step(rig, &loop, LOOP_SOURCE, EVENT_REQUEST);
    }
    drop_all(rig, &rig->pantry.route);
    while (cursor < 5 + N) {
        const struct message_entries *entries = fetch(rig, &rig->pantry, cursor, 8000, false);
        size_t bytes = 0;
        for (size_t i = 0; i < entries->n; i++) {
            assert_int_equal(entries->entries[i].index, 5 + n++);
            bytes += entries->entries[i].envelope.len;
        }
        assert_true(bytes <= 8000);
        assert_int_equal(entries->head, 5 + N);
        assert_true(entries->next > cursor);
        cursor = entries->next;
        frames++;
        if (frames == 2) {
            rig_reopen(rig); /* the cursor is the reader's */
        }
    }
    assert_int_equal(n, N);
    assert_true(frames > 2 && frames < N);
    const struct message_entries *entries = fetch(rig, &rig->pantry, 5, 1, false);
    assert_int_equal(entries->n, 1);
    assert_int_equal(entries->next, 6);
    /* Asking again with the same cursor is harmless. */
    entries = fetch(rig, &rig->pantry, 5, 1, false);
    assert_int_equal(entries->entries[0].index, 5);
}

/* A frame never passes its limit, whatever the credit. */
static void
test_large_frames(void **state)
{
    struct rig *rig = *state;
    struct rig_loop loop = rig_loop_new(&rig->clinic, &rig->pantry);
    (void)rig_step(rig, &loop, LOOP_SOURCE, EVENT_REQUEST);
    for (int i = 0; i < 3; i++) {
        CLEANUP(buffer_done) struct buffer envelope = BUFFER_INIT(LIMIT_ENVELOPE_BYTES);
        struct statement statement = rig_statement(rig, &loop, LOOP_SOURCE, EVENT_NOTE);
        struct digest id = rig_seal(rig, &statement, 100000, &rig->clinic, &envelope);
        assert_int_equal(rig_submit_as(rig, &rig->clinic, &envelope).result, RECEIPT_ACCEPTED);
        rig_took(&loop, LOOP_SOURCE, &id, EVENT_NOTE);
    }
    drop_all(rig, &rig->pantry.route);
    uint64_t cursor = 5;
    for (size_t n = 0; n < 4;) {
        const struct message_entries *entries = fetch(rig, &rig->pantry, cursor, UINT32_MAX, false);
        n += entries->n;
        cursor = entries->next;
    }
    for (size_t i = 0; i < rig->n_frames; i++) {
        assert_true(rig->frames[i].bytes.len <= LIMIT_FRAME_BYTES);
    }
}

/* Waits; is answered once by the commit that brings something, not by one that does not concern it.
 */
static void
test_waiting(void **state)
{
    struct rig *rig = *state;
    struct rig_loop other = rig_loop_new(&rig->clinic, &rig->shelter);
    struct rig_loop loop = rig_loop_new(&rig->clinic, &rig->pantry);
    rig_add(rig, &rig->shelter);
    drop_all(rig, &rig->pantry.route);
    rig_fetch(rig, &rig->pantry, 7, PLENTY, false);
    assert_int_equal(rig_count(rig, &rig->pantry.route), 0);
    rig->said.kind = MESSAGE_PING;
    rig->said.as.ping.nonce = 42;
    rig_send(rig, &rig->pantry.keys.curve, &rig->pantry.route, &rig->said);
    assert_true(rig_take(rig, &rig->pantry.route));
    assert_int_equal(rig->heard.kind, MESSAGE_PONG);
    assert_int_equal(rig->heard.as.pong.nonce, 42);
    assert_true(rig->heard.as.pong.fetch_waiting);
    (void)rig_step(rig, &other, LOOP_SOURCE, EVENT_REQUEST);
    assert_int_equal(rig_count(rig, &rig->pantry.route), 0);
    (void)rig_step(rig, &loop, LOOP_SOURCE, EVENT_REQUEST);
    assert_int_equal(rig_count(rig, &rig->pantry.route), 1);
    const struct message_entries *entries = take_entries(rig, &rig->pantry);
    assert_int_equal(entries->n, 1);
    assert_int_equal(entries->entries[0].index, 8);
    assert_int_equal(entries->next, 9);
    (void)rig_step(rig, &loop, LOOP_SOURCE, EVENT_NOTE);
    assert_int_equal(rig_count(rig, &rig->pantry.route), 0); /* it had its one answer */
}

/* The news of a new member wakes everybody. */
static void
test_directory_wakes(void **state)
{
    struct rig *rig = *state;
    drop_all(rig, &rig->pantry.route);
    drop_all(rig, &rig->clinic.route);
    rig_fetch(rig, &rig->pantry, 5, PLENTY, false);
    rig_fetch(rig, &rig->clinic, 5, PLENTY, false);
    (void)rig_invite(rig, &rig->shelter, rig->now.wall_ms + 1000, false);
    assert_int_equal(take_entries(rig, &rig->pantry)->entries[0].index, 5);
    assert_int_equal(take_entries(rig, &rig->clinic)->entries[0].index, 5);
}

/* What does not concern the reader is passed over: next is the head, not the last entry given. */
static void
test_next_passes_over(void **state)
{
    struct rig *rig = *state;
    struct rig_loop loop = rig_loop_new(&rig->clinic, &rig->pantry);
    rig_add(rig, &rig->shelter);
    (void)rig_step(rig, &loop, LOOP_SOURCE, EVENT_REQUEST);
    drop_all(rig, &rig->shelter.route);
    const struct message_entries *entries = fetch(rig, &rig->shelter, 0, PLENTY, false);
    assert_int_equal(entries->n, 7);
    assert_int_equal(entries->next, 8);
}

/* A reader ahead of a restored log misses nothing that is logged from now on. */
static void
test_cursor_past_the_end(void **state)
{
    struct rig *rig = *state;
    struct rig_loop loop = rig_loop_new(&rig->clinic, &rig->pantry);
    drop_all(rig, &rig->pantry.route);
    rig_fetch(rig, &rig->pantry, 1000, PLENTY, false);
    (void)rig_step(rig, &loop, LOOP_SOURCE, EVENT_REQUEST);
    assert_int_equal(take_entries(rig, &rig->pantry)->entries[0].index, 5);
}

/* A route that is gone takes its waiting fetch along; the agent asks again on its next connection.
 */
static void
test_lost_route(void **state)
{
    struct rig *rig = *state;
    struct rig_loop loop = rig_loop_new(&rig->clinic, &rig->pantry);
    drop_all(rig, &rig->pantry.route);
    rig_fetch(rig, &rig->pantry, 5, PLENTY, false);
    broker_route_lost(rig->broker, &rig->pantry.route);
    (void)rig_step(rig, &loop, LOOP_SOURCE, EVENT_REQUEST);
    assert_int_equal(rig_count(rig, &rig->pantry.route), 0);
    rig->pantry.route.bytes[0] ^= 1;
    assert_int_equal(fetch(rig, &rig->pantry, 5, PLENTY, false)->n, 1);
}

/* The newest message says where answers go. */
static void
test_new_route(void **state)
{
    struct rig *rig = *state;
    struct rig_loop loop = rig_loop_new(&rig->clinic, &rig->pantry);
    struct route old = rig->pantry.route;
    drop_all(rig, &old);
    rig_fetch(rig, &rig->pantry, 5, PLENTY, false);
    rig->pantry.route.bytes[0] ^= 1;
    rig_hello(rig, &rig->pantry);
    drop_all(rig, &rig->pantry.route);
    rig_fetch(rig, &rig->pantry, 5, PLENTY, false);
    (void)rig_step(rig, &loop, LOOP_SOURCE, EVENT_REQUEST);
    assert_int_equal(rig_count(rig, &old), 0);
    assert_int_equal(rig_count(rig, &rig->pantry.route), 1);
}

/* A greeting begins anew: what was asked or queued on the connection before it is gone. */
static void
test_hello_begins_anew(void **state)
{
    struct rig *rig = *state;
    struct rig_loop loop = rig_loop_new(&rig->clinic, &rig->pantry);
    drop_all(rig, &rig->pantry.route);
    rig_fetch(rig, &rig->pantry, 0, PLENTY, false); /* answered, and not taken */
    rig_hello(rig, &rig->pantry);
    assert_int_equal(rig_count(rig, &rig->pantry.route), 1);
    assert_true(rig_take(rig, &rig->pantry.route));
    assert_int_equal(rig->heard.kind, MESSAGE_WELCOME);
    rig_fetch(rig, &rig->pantry, 5, PLENTY, false);
    rig_hello(rig, &rig->pantry);
    drop_all(rig, &rig->pantry.route);
    (void)rig_step(rig, &loop, LOOP_SOURCE, EVENT_REQUEST);
    assert_int_equal(rig_count(rig, &rig->pantry.route), 0);
}

/* Silence: after a while the broker lets go of what it keeps for a connection, and knows when it
 * was last heard. */
static void
test_silence(void **state)
{
    struct rig *rig = *state;
    struct rig_loop loop = rig_loop_new(&rig->clinic, &rig->pantry);
    rig_fetch(rig, &rig->pantry, 5, PLENTY, false);
    drop_all(rig, &rig->pantry.route);
    int64_t heard_ms = rig->now.wall_ms;
    size_t sessions = rig_status(rig).sessions;
    rig->now.wall_ms += 3600000;
    rig->now.boot_ms += 3600000;
    broker_tend(rig->broker, rig->now);
    assert_int_equal(rig_status(rig).sessions, sessions - 2); /* the two one-time keys */
    assert_int_equal(broker_last_heard_ms(rig->broker, rig->pantry.org), heard_ms);
    (void)rig_step(rig, &loop, LOOP_SOURCE, EVENT_REQUEST);
    assert_int_equal(rig_count(rig, &rig->pantry.route), 0);
}

/* Who reads the log over and over is told to come back, at the cost of nobody else. */
static void
test_reading_without_end(void **state)
{
    struct rig *rig = *state;
    enum { ROUNDS = 400 };
    CLEANUP(buffer_done) struct buffer envelope = BUFFER_INIT(LIMIT_ENVELOPE_BYTES);
    struct rig_loop loop = rig_loop_new(&rig->clinic, &rig->pantry);
    struct statement statement = rig_statement(rig, &loop, LOOP_SOURCE, EVENT_REQUEST);
    (void)rig_seal(rig, &statement, LIMIT_BODY_BYTES, &rig->clinic, &envelope);
    struct receipt receipt = rig_submit_as(rig, &rig->clinic, &envelope);
    assert_int_equal(receipt.result, RECEIPT_ACCEPTED);
    drop_all(rig, &rig->pantry.route);
    int n = 0;
    do {
        rig_fetch(rig, &rig->pantry, receipt.index, LIMIT_FRAME_BYTES, false);
        assert_true(rig_take(rig, &rig->pantry.route));
        buffer_done(&rig->frames[--rig->n_frames].bytes);
        n++;
    } while (rig->heard.kind == MESSAGE_ENTRIES && n < 10 * ROUNDS);
    assert_int_equal(rig->heard.kind, MESSAGE_REFUSED);
    assert_int_equal(rig->heard.as.refused.code, ERR_QUOTA);
    assert_in_range(rig->heard.as.refused.retry_ms, 1, 60000);
    assert_true(n > ROUNDS);
    uint32_t retry_ms = rig->heard.as.refused.retry_ms;
    (void)fetch(rig, &rig->clinic, receipt.index, PLENTY, false);
    rig->now.boot_ms += retry_ms;
    (void)fetch(rig, &rig->pantry, receipt.index, PLENTY, false);
}

int
main(void)
{
#define RIG_TEST(test) cmocka_unit_test_setup_teardown(test, rig_start, rig_stop)
    const struct CMUnitTest tests[] = {
        RIG_TEST(test_directory_for_all),
        RIG_TEST(test_mailbox),
        RIG_TEST(test_credit_and_cursor),
        RIG_TEST(test_large_frames),
        RIG_TEST(test_waiting),
        RIG_TEST(test_directory_wakes),
        RIG_TEST(test_next_passes_over),
        RIG_TEST(test_cursor_past_the_end),
        RIG_TEST(test_lost_route),
        RIG_TEST(test_new_route),
        RIG_TEST(test_hello_begins_anew),
        RIG_TEST(test_silence),
        RIG_TEST(test_reading_without_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
