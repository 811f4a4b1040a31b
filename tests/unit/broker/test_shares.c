/* What a member may cause, and no more: shares of messages, bytes, key changes and waiting room;
 * and what is left for one that has been revoked, and for its partners. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/broker/rig.h"

static void
test_quota(void **state)
{
    struct rig *rig = *state;
    rig_close(rig);
    rig->options.statements_per_minute = 3;
    rig_open(rig);
    struct rig_loop loop = rig_loop_new(&rig->clinic, &rig->pantry);
    assert_int_equal(rig_step(rig, &loop, LOOP_SOURCE, EVENT_REQUEST).result, RECEIPT_ACCEPTED);
    assert_int_equal(rig_step(rig, &loop, LOOP_SOURCE, EVENT_NOTE).result, RECEIPT_ACCEPTED);
    assert_int_equal(rig_step(rig, &loop, LOOP_SOURCE, EVENT_NOTE).result, RECEIPT_ACCEPTED);
    struct receipt receipt = rig_step(rig, &loop, LOOP_SOURCE, EVENT_NOTE);
    rig_expect_refused(receipt, ERR_QUOTA);
    assert_in_range(receipt.retry_ms, 1, 60000);
    /* Others are not concerned, and the time it was given is right. */
    assert_int_equal(rig_step(rig, &loop, LOOP_TARGET, EVENT_ACCEPT).result, RECEIPT_ACCEPTED);
    rig->now.boot_ms += receipt.retry_ms;
    assert_int_equal(rig_step(rig, &loop, LOOP_SOURCE, EVENT_NOTE).result, RECEIPT_ACCEPTED);
}

/* Frames that nobody verifies yet: a few wait, the rest is told to come back. */
static void
test_crowded(void **state)
{
    struct rig *rig = *state;
    CLEANUP(buffer_done) struct buffer envelope = BUFFER_INIT(LIMIT_ENVELOPE_BYTES);
    struct rig_loop loop = rig_loop_new(&rig->clinic, &rig->pantry);
    struct statement statement = rig_statement(rig, &loop, LOOP_SOURCE, EVENT_REQUEST);
    (void)rig_seal(rig, &statement, 10, &rig->clinic, &envelope);
    while (rig_take(rig, &rig->clinic.route)) {
    }
    for (int i = 0; i < 80; i++) {
        rig_submit_only(rig, &rig->clinic.keys.curve, &rig->clinic.route, &envelope, 1);
    }
    assert_int_equal(rig_count(rig, &rig->clinic.route), 16);
    assert_true(rig_take(rig, &rig->clinic.route));
    rig_expect_refused(rig->heard.as.receipts.receipts[0], ERR_BUSY);
    assert_true(rig->heard.as.receipts.receipts[0].retry_ms > 0);
    rig_turn(rig);
    assert_int_equal(rig_status(rig).entries, 6);
}

/* An agent that asks and never takes its answers loses them, not the broker its memory. */
static void
test_unread_answers(void **state)
{
    struct rig *rig = *state;
    while (rig_take(rig, &rig->clinic.route)) {
    }
    rig->said.kind = MESSAGE_PING;
    rig->said.as.ping.nonce = 1;
    for (int i = 0; i < 129; i++) {
        rig_send(rig, &rig->clinic.keys.curve, &rig->clinic.route, &rig->said);
    }
    assert_int_equal(rig_count(rig, &rig->clinic.route), 0);
    rig_send(rig, &rig->clinic.keys.curve, &rig->clinic.route, &rig->said);
    assert_int_equal(rig_count(rig, &rig->clinic.route), 1);
}

/* Signing key changed, connection's key kept: what was signed with the old key and claims the new
 * one came in the same frame, so it was checked with the old. Logged, it would be an entry that
 * nobody who folds the log believes, the broker itself at its next start included. */
static void
test_rotate_signing_key_only(void **state)
{
    struct rig *rig = *state;
    struct buffer frame[3] = {BUFFER_INIT(LIMIT_ENVELOPE_BYTES), BUFFER_INIT(LIMIT_ENVELOPE_BYTES),
                              BUFFER_INIT(LIMIT_ENVELOPE_BYTES)};
    struct rig_org next;
    struct rig_org third;
    struct rig_loop loop = rig_loop_new(&rig->clinic, &rig->pantry);
    rig_org_new(&next, rig->clinic.org);
    next.keys.curve = rig->clinic.keys.curve;
    next.key_id = key_set_id(&next.keys);
    rig_rotate_envelope(rig, &rig->clinic, &next, &frame[0]);
    rig_org_new(&third, rig->clinic.org);
    next.sign = rig->clinic.sign; /* the lie: new name, old signature */
    rig_rotate_envelope(rig, &next, &third, &frame[1]);
    struct statement statement = rig_statement(rig, &loop, LOOP_SOURCE, EVENT_REQUEST);
    statement.author_key = next.key_id;
    (void)rig_seal(rig, &statement, 1, &next, &frame[2]);
    rig_submit_only(rig, &rig->clinic.keys.curve, &rig->clinic.route, frame, 3);
    rig_turn(rig);
    assert_true(rig_take(rig, &rig->clinic.route));
    const struct message_receipts *receipts = &rig->heard.as.receipts;
    assert_int_equal(receipts->receipts[0].result, RECEIPT_ACCEPTED);
    rig_expect_refused(receipts->receipts[1], ERR_SIGNATURE);
    rig_expect_refused(receipts->receipts[2], ERR_SIGNATURE);
    struct complaint complaint = {.text = ""};
    assert_int_equal(broker_check_store(rig->broker, &complaint), ERR_OK);
    rig_reopen(rig);
    for (size_t i = 0; i < ARRAY_LEN(frame); i++) {
        buffer_done(&frame[i]);
    }
}

/* New keys reach every member and are kept for ever: few in an hour, and the share goes with the
 * member, not with the key. */
static void
test_rotate_too_often(void **state)
{
    struct rig *rig = *state;
    struct rig_org now = rig->clinic;
    struct receipt receipt = {.result = RECEIPT_ACCEPTED};
    size_t n = 0;
    while (receipt.result == RECEIPT_ACCEPTED && n < 20) {
        CLEANUP(buffer_done) struct buffer envelope = BUFFER_INIT(LIMIT_ENVELOPE_BYTES);
        struct rig_org next;
        rig_org_new(&next, now.org);
        rig_rotate_envelope(rig, &now, &next, &envelope);
        receipt = rig_submit_as(rig, &now, &envelope);
        if (receipt.result == RECEIPT_ACCEPTED) {
            now = next;
            n++;
        }
    }
    rig_expect_refused(receipt, ERR_QUOTA);
    assert_true(receipt.retry_ms > 0);
    assert_int_equal(n, 8);
    /* What the old keys left behind is forgotten soon. */
    size_t sessions = rig_status(rig).sessions;
    rig->now.boot_ms += 6000;
    broker_tend(rig->broker, rig->now);
    assert_int_equal(rig_status(rig).sessions, sessions - 8);
    rig->now.boot_ms += 3600 * 1000;
    CLEANUP(buffer_done) struct buffer envelope = BUFFER_INIT(LIMIT_ENVELOPE_BYTES);
    struct rig_org next;
    rig_org_new(&next, now.org);
    rig_rotate_envelope(rig, &now, &next, &envelope);
    assert_int_equal(rig_submit_as(rig, &now, &envelope).result, RECEIPT_ACCEPTED);
}

/* Also what was queued, and what a waiting fetch would have brought. */
static void
test_revoked_gets_nothing_more(void **state)
{
    struct rig *rig = *state;
    struct rig_loop loop = rig_loop_new(&rig->clinic, &rig->pantry);
    CLEANUP(buffer_done) struct buffer request = BUFFER_INIT(LIMIT_ENVELOPE_BYTES);
    struct statement statement = rig_statement(rig, &loop, LOOP_SOURCE, EVENT_REQUEST);
    (void)rig_seal(rig, &statement, 10, &rig->clinic, &request);
    while (rig_take(rig, &rig->pantry.route) || rig_take(rig, &rig->clinic.route)) {
    }
    /* Its answer is queued when the revocation comes. */
    rig_fetch(rig, &rig->pantry, 0, 100000, false);
    assert_int_equal(rig_revoke(rig, rig->pantry.org).result, RECEIPT_ACCEPTED);
    assert_int_equal(rig_count(rig, &rig->pantry.route), 0);
    rig_submit_only(rig, &rig->clinic.keys.curve, &rig->clinic.route, &request, 1);
    rig_turn(rig);
    assert_int_equal(rig_count(rig, &rig->pantry.route), 0);
    rig_fetch(rig, &rig->pantry, 0, 100000, false);
    rig_expect_only_refused(rig, &rig->pantry.route, ERR_REVOKED);
}

/* The side that is left can end the loop, by what needs no confirmation; nothing else is said to a
 * revoked member, and it gets none of it. */
static void
test_loops_of_the_revoked(void **state)
{
    struct rig *rig = *state;
    struct rig_loop asked = rig_loop_new(&rig->clinic, &rig->pantry);
    struct rig_loop taken = rig_loop_new(&rig->clinic, &rig->pantry);
    struct rig_loop done = rig_loop_new(&rig->clinic, &rig->pantry);
    struct rig_loop fresh = rig_loop_new(&rig->clinic, &rig->pantry);
    (void)rig_step(rig, &asked, LOOP_SOURCE, EVENT_REQUEST);
    (void)rig_step(rig, &taken, LOOP_SOURCE, EVENT_REQUEST);
    (void)rig_step(rig, &taken, LOOP_TARGET, EVENT_ACCEPT);
    (void)rig_step(rig, &done, LOOP_SOURCE, EVENT_REQUEST);
    (void)rig_step(rig, &done, LOOP_TARGET, EVENT_DECLINE);
    assert_int_equal(rig_revoke(rig, rig->pantry.org).result, RECEIPT_ACCEPTED);
    while (rig_take(rig, &rig->pantry.route)) {
    }
    rig_expect_refused(rig_step(rig, &fresh, LOOP_SOURCE, EVENT_REQUEST), ERR_REVOKED);
    rig_expect_refused(rig_step(rig, &asked, LOOP_SOURCE, EVENT_NOTE), ERR_REVOKED);
    rig_expect_refused(rig_step(rig, &taken, LOOP_SOURCE, EVENT_CANCEL), ERR_REVOKED);
    rig_expect_refused(rig_step(rig, &taken, LOOP_SOURCE, EVENT_WITHDRAW), ERR_WRONG_STATE);
    /* Named with another key than its last one. */
    CLEANUP(buffer_done) struct buffer envelope = BUFFER_INIT(LIMIT_ENVELOPE_BYTES);
    struct statement statement = rig_statement(rig, &taken, LOOP_SOURCE, EVENT_VOID);
    statement.as.loop.readers[0].key = rig->admin.key_id;
    (void)rig_seal(rig, &statement, 1, &rig->clinic, &envelope);
    rig_expect_refused(rig_submit_as(rig, &rig->clinic, &envelope), ERR_READER_KEY);
    /* A second reader that has been revoked is no partner. */
    CLEANUP(buffer_done) struct buffer other = BUFFER_INIT(LIMIT_ENVELOPE_BYTES);
    struct rig_loop kept = rig_loop_new(&rig->clinic, &rig->admin);
    (void)rig_step(rig, &kept, LOOP_SOURCE, EVENT_REQUEST);
    statement = rig_statement(rig, &kept, LOOP_SOURCE, EVENT_VOID);
    statement.as.loop.readers[statement.as.loop.n_readers++] =
        rig_statement(rig, &taken, LOOP_SOURCE, EVENT_VOID).as.loop.readers[0];
    (void)rig_seal(rig, &statement, 1, &rig->clinic, &other);
    rig_expect_refused(rig_submit_as(rig, &rig->clinic, &other), ERR_REVOKED);

    assert_int_equal(rig_step(rig, &asked, LOOP_SOURCE, EVENT_WITHDRAW).state, LOOP_WITHDRAWN);
    assert_int_equal(rig_step(rig, &asked, LOOP_SOURCE, EVENT_ACKNOWLEDGE).state, LOOP_CLOSED);
    assert_int_equal(rig_step(rig, &done, LOOP_SOURCE, EVENT_ACKNOWLEDGE).state, LOOP_CLOSED);
    assert_int_equal(rig_step(rig, &taken, LOOP_SOURCE, EVENT_VOID).state, LOOP_VOID);
    assert_int_equal(rig_count(rig, &rig->pantry.route), 0);
    struct complaint complaint = {.text = ""};
    assert_int_equal(broker_check_store(rig->broker, &complaint), ERR_OK);
}

/* What one member adds to the store in a day is bounded; what was refused is not counted, and a
 * receipt given again neither. */
static void
test_quota_of_bytes(void **state)
{
    struct rig *rig = *state;
    CLEANUP(buffer_done) struct buffer envelope = BUFFER_INIT(LIMIT_ENVELOPE_BYTES);
    struct rig_loop loop = rig_loop_new(&rig->clinic, &rig->pantry);
    struct statement statement = rig_statement(rig, &loop, LOOP_SOURCE, EVENT_REQUEST);
    struct digest id = rig_seal(rig, &statement, 10, &rig->clinic, &envelope);
    rig_close(rig);
    rig->options.bytes_per_day = (int64_t)envelope.len;
    rig_open(rig);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(rig_submit_as(rig, &rig->clinic, &envelope).result, RECEIPT_ACCEPTED);
    }
    rig_took(&loop, LOOP_SOURCE, &id, EVENT_REQUEST);
    assert_int_equal(rig_step(rig, &loop, LOOP_SOURCE, EVENT_NOTE).result, RECEIPT_ACCEPTED);
    struct receipt receipt = rig_step(rig, &loop, LOOP_SOURCE, EVENT_NOTE);
    rig_expect_refused(receipt, ERR_QUOTA);
    assert_in_range(receipt.retry_ms, 1, 24 * 3600 * 1000);
    assert_int_equal(rig_step(rig, &loop, LOOP_TARGET, EVENT_ACCEPT).result, RECEIPT_ACCEPTED);
    rig->now.boot_ms += receipt.retry_ms;
    assert_int_equal(rig_step(rig, &loop, LOOP_SOURCE, EVENT_NOTE).result, RECEIPT_ACCEPTED);
}

int
main(void)
{
#define RIG_TEST(test) cmocka_unit_test_setup_teardown(test, rig_start, rig_stop)
    const struct CMUnitTest tests[] = {
        RIG_TEST(test_quota),
        RIG_TEST(test_quota_of_bytes),
        RIG_TEST(test_crowded),
        RIG_TEST(test_unread_answers),
        RIG_TEST(test_rotate_signing_key_only),
        RIG_TEST(test_rotate_too_often),
        RIG_TEST(test_revoked_gets_nothing_more),
        RIG_TEST(test_loops_of_the_revoked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
