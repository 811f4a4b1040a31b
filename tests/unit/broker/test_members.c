/* Who may speak: strangers, invited, members, revoked; and what becomes of their keys. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/broker/rig.h"

static const struct route stranger_route = {{9, 9, 9}};

static void
test_admission(void **state)
{
    struct rig *rig = *state;
    struct rig_org guest;
    rig_org_new(&guest, "fir-library");
    assert_int_equal(broker_admits(rig->broker, &rig->clinic.keys.curve), ADMIT_KNOWN);
    assert_int_equal(broker_admits(rig->broker, &rig->clinic.once_curve), ADMIT_KNOWN);
    assert_int_equal(broker_admits(rig->broker, &guest.keys.curve), ADMIT_STRANGER);
    assert_int_equal(rig_invite(rig, &guest, rig->now.wall_ms + 1000, false).result,
                     RECEIPT_ACCEPTED);
    assert_int_equal(broker_admits(rig->broker, &guest.once_curve), ADMIT_KNOWN);
    assert_int_equal(broker_admits(rig->broker, &guest.keys.curve), ADMIT_STRANGER);
}

/* Should one ever get past ZAP, it gets nothing. */
static void
test_stranger(void **state)
{
    struct rig *rig = *state;
    const struct curve_public stranger = {{1, 2, 3}};
    rig->said.kind = MESSAGE_FETCH;
    rig->said.as.fetch = (struct message_fetch){.cursor = 0, .credit_bytes = 100000};
    rig_send(rig, &stranger, &stranger_route, &rig->said);
    rig_expect_only_refused(rig, &stranger_route, ERR_UNKNOWN_MEMBER);
    assert_int_equal(rig_status(rig).refused[ERR_UNKNOWN_MEMBER], 1);
}

static void
test_hello(void **state)
{
    struct rig *rig = *state;
    rig_hello(rig, &rig->clinic);
    while (rig_take(rig, &rig->clinic.route) && rig->heard.kind != MESSAGE_WELCOME) {
    }
    assert_int_equal(rig->heard.kind, MESSAGE_WELCOME);
    assert_int_equal(rig->heard.as.welcome.head, 5);
    struct broker_status status = rig_status(rig);
    assert_memory_equal(rig->heard.as.welcome.incarnation, status.incarnation, INCARNATION_BYTES);
    assert_true(broker_is_online(rig->broker, rig->clinic.org, rig->now));
    assert_int_equal(broker_last_heard_ms(rig->broker, rig->clinic.org), rig->now.wall_ms);
    rig->said.kind = MESSAGE_BYE;
    rig_send(rig, &rig->clinic.keys.curve, &rig->clinic.route, &rig->said);
    assert_false(broker_is_online(rig->broker, rig->clinic.org, rig->now));
    rig_hello(rig, &rig->clinic);
    rig->now.boot_ms += 61000;
    assert_false(broker_is_online(rig->broker, rig->clinic.org, rig->now));
}

static void
test_hello_refused(void **state)
{
    struct rig *rig = *state;
    (void)rig_count(rig, &rig->clinic.route);
    while (rig_take(rig, &rig->clinic.route)) {
    }
    rig->said.kind = MESSAGE_HELLO;
    rig->said.as.hello =
        (struct message_hello){.protocol = 99, .network = rig->network, .version = "9"};
    rig_send(rig, &rig->clinic.keys.curve, &rig->clinic.route, &rig->said);
    rig_expect_only_refused(rig, &rig->clinic.route, ERR_VERSION);
    rig->said.as.hello.protocol = MESSAGE_PROTOCOL;
    rig->said.as.hello.network.bytes[0] ^= 1;
    rig_send(rig, &rig->clinic.keys.curve, &rig->clinic.route, &rig->said);
    rig_expect_only_refused(rig, &rig->clinic.route, ERR_WRONG_NETWORK);
}

/* What only the broker says is not for members to say. */
static void
test_kind_not_permitted(void **state)
{
    struct rig *rig = *state;
    while (rig_take(rig, &rig->clinic.route)) {
    }
    rig->said.kind = MESSAGE_PONG;
    rig->said.as.pong = (struct message_pong){.nonce = 1};
    rig_send(rig, &rig->clinic.keys.curve, &rig->clinic.route, &rig->said);
    rig_expect_only_refused(rig, &rig->clinic.route, ERR_NOT_PERMITTED);
    rig_fetch(rig, &rig->shelter, 0, 1000, false);
    rig_expect_only_refused(rig, &rig->shelter.route, ERR_UNKNOWN_MEMBER);
}

static void
test_join_spent(void **state)
{
    struct rig *rig = *state;
    CLEANUP(buffer_done) struct buffer join = BUFFER_INIT(LIMIT_ENVELOPE_BYTES);
    CLEANUP(buffer_done) struct buffer second = BUFFER_INIT(LIMIT_ENVELOPE_BYTES);
    struct rig_org thief = rig->shelter;
    struct receipt receipt = rig_invite(rig, &rig->shelter, rig->now.wall_ms + 60000, false);
    assert_int_equal(receipt.result, RECEIPT_ACCEPTED);
    rig_join_envelope(rig, &rig->shelter, &join);
    struct receipt first = rig_submit(rig, &rig->shelter.once_curve, &rig->shelter.route, &join);
    assert_int_equal(first.result, RECEIPT_ACCEPTED);
    /* The very same bytes: the receipt was lost, say. */
    struct receipt again = rig_submit(rig, &rig->shelter.once_curve, &rig->shelter.route, &join);
    assert_int_equal(again.result, RECEIPT_ACCEPTED);
    assert_int_equal(again.index, first.index);
    /* Other keys with the same token. */
    rig_org_new(&thief, rig->shelter.org);
    thief.once_sign = rig->shelter.once_sign;
    thief.once_sign_public = rig->shelter.once_sign_public;
    thief.once_curve = rig->shelter.once_curve;
    rig_join_envelope(rig, &thief, &second);
    rig_expect_refused(rig_submit(rig, &thief.once_curve, &thief.route, &second), ERR_TOKEN_SPENT);
    const struct member *member = directory_find(broker_directory(rig->broker), "ash-shelter");
    assert_memory_equal(&member->keys, &rig->shelter.keys, sizeof(member->keys));
}

static void
test_join_expired(void **state)
{
    struct rig *rig = *state;
    CLEANUP(buffer_done) struct buffer join = BUFFER_INIT(LIMIT_ENVELOPE_BYTES);
    (void)rig_invite(rig, &rig->shelter, rig->now.wall_ms + 60000, false);
    rig_join_envelope(rig, &rig->shelter, &join);
    rig->now.wall_ms += 120000;
    rig_expect_refused(rig_submit(rig, &rig->shelter.once_curve, &rig->shelter.route, &join),
                       ERR_TOKEN_EXPIRED);
    assert_int_equal(directory_find(broker_directory(rig->broker), "ash-shelter")->state,
                     MEMBER_INVITED);
}

/* A token that a newer one has replaced is as good as spent. */
static void
test_join_replaced(void **state)
{
    struct rig *rig = *state;
    CLEANUP(buffer_done) struct buffer join = BUFFER_INIT(LIMIT_ENVELOPE_BYTES);
    struct rig_org first;
    rig_org_new(&first, rig->shelter.org);
    (void)rig_invite(rig, &first, rig->now.wall_ms + 60000, false);
    (void)rig_invite(rig, &rig->shelter, rig->now.wall_ms + 60000, false);
    rig_join_envelope(rig, &first, &join);
    rig_submit_only(rig, &first.once_curve, &first.route, &join, 1);
    rig_turn(rig);
    assert_true(rig_take(rig, &first.route));
    assert_int_equal(rig->heard.kind, MESSAGE_RECEIPTS);
    assert_int_equal(rig->heard.as.receipts.receipts[0].result, RECEIPT_REFUSED);
    rig->said.kind = MESSAGE_FETCH;
    rig->said.as.fetch = (struct message_fetch){.credit_bytes = 1000};
    rig_send(rig, &first.once_curve, &first.route, &rig->said);
    rig_expect_only_refused(rig, &first.route, ERR_TOKEN_SPENT);
}

/* A changed JOIN, and one for another organization than the invite's. */
static void
test_join_altered(void **state)
{
    struct rig *rig = *state;
    CLEANUP(buffer_done) struct buffer join = BUFFER_INIT(LIMIT_ENVELOPE_BYTES);
    CLEANUP(buffer_done) struct buffer other = BUFFER_INIT(LIMIT_ENVELOPE_BYTES);
    struct rig_org wrong;
    (void)rig_invite(rig, &rig->shelter, rig->now.wall_ms + 60000, false);
    rig_join_envelope(rig, &rig->shelter, &join);
    join.data[join.len / 2] ^= 1;
    rig_submit_only(rig, &rig->shelter.once_curve, &rig->shelter.route, &join, 1);
    rig_turn(rig);
    assert_true(rig_take(rig, &rig->shelter.route));
    assert_int_equal(rig_status(rig).entries, 6);

    rig_org_new(&wrong, "elm-pantry");
    wrong.once_sign = rig->shelter.once_sign;
    wrong.once_sign_public = rig->shelter.once_sign_public;
    rig_join_envelope(rig, &wrong, &other);
    rig_expect_refused(rig_submit(rig, &rig->shelter.once_curve, &rig->shelter.route, &other),
                       ERR_NOT_PERMITTED);
    assert_int_equal(rig_status(rig).entries, 6);
}

/* A member's own key does not take a JOIN, and a one-time key takes nothing else. */
static void
test_join_by_wrong_connection(void **state)
{
    struct rig *rig = *state;
    CLEANUP(buffer_done) struct buffer join = BUFFER_INIT(LIMIT_ENVELOPE_BYTES);
    (void)rig_invite(rig, &rig->shelter, rig->now.wall_ms + 60000, false);
    rig_join_envelope(rig, &rig->shelter, &join);
    rig_expect_refused(rig_submit_as(rig, &rig->clinic, &join), ERR_SIGNATURE);
    rig->said.kind = MESSAGE_FETCH;
    rig->said.as.fetch = (struct message_fetch){.credit_bytes = 1000};
    rig_send(rig, &rig->shelter.once_curve, &rig->shelter.route, &rig->said);
    rig_expect_only_refused(rig, &rig->shelter.route, ERR_NOT_PERMITTED);
}

static void
test_root_only(void **state)
{
    struct rig *rig = *state;
    CLEANUP(buffer_done) struct buffer garbage = BUFFER_INIT(16);
    CLEANUP(buffer_done) struct buffer request = BUFFER_INIT(LIMIT_ENVELOPE_BYTES);
    struct receipt receipt;
    buffer_put_u64(&garbage, 1);
    assert_int_equal(broker_submit_root(rig->broker, buffer_view(&garbage), rig->now, &receipt),
                     ERR_OK);
    rig_expect_refused(receipt, ERR_MALFORMED);
    rig_expect_refused(rig_invite(rig, &rig->clinic, rig->now.wall_ms + 1, false),
                       ERR_MEMBER_EXISTS);
    rig_expect_refused(rig_revoke(rig, "nobody-here"), ERR_UNKNOWN_MEMBER);
    /* A member's statement through the administrator's door. */
    struct rig_loop loop = rig_loop_new(&rig->clinic, &rig->pantry);
    struct statement statement = rig_statement(rig, &loop, LOOP_SOURCE, EVENT_REQUEST);
    (void)rig_seal(rig, &statement, 1, &rig->clinic, &request);
    assert_int_equal(broker_submit_root(rig->broker, buffer_view(&request), rig->now, &receipt),
                     ERR_OK);
    rig_expect_refused(receipt, ERR_SIGNATURE);
    /* The genesis again is what it was. */
    assert_int_equal(
        broker_submit_root(rig->broker, buffer_view(&rig->genesis), rig->now, &receipt), ERR_OK);
    assert_int_equal(receipt.result, RECEIPT_ACCEPTED);
    assert_int_equal(receipt.index, 0);
    assert_int_equal(rig_status(rig).entries, 5);
}

/* Revoked while connected: the next message is refused, and what was on its way too. */
static void
test_revoked(void **state)
{
    struct rig *rig = *state;
    CLEANUP(buffer_done) struct buffer envelope = BUFFER_INIT(LIMIT_ENVELOPE_BYTES);
    struct rig_loop loop = rig_loop_new(&rig->clinic, &rig->pantry);
    assert_int_equal(rig_step(rig, &loop, LOOP_SOURCE, EVENT_REQUEST).result, RECEIPT_ACCEPTED);
    struct statement statement = rig_statement(rig, &loop, LOOP_SOURCE, EVENT_NOTE);
    (void)rig_seal(rig, &statement, 10, &rig->clinic, &envelope);
    rig_fetch(rig, &rig->clinic, 100, 100000, false);
    while (rig_take(rig, &rig->clinic.route)) {
    }
    rig_submit_only(rig, &rig->clinic.keys.curve, &rig->clinic.route, &envelope, 1);
    assert_int_equal(rig_revoke(rig, rig->clinic.org).result, RECEIPT_ACCEPTED);
    rig_turn(rig);
    rig_expect_only_refused(rig, &rig->clinic.route, ERR_REVOKED);
    rig_hello(rig, &rig->clinic);
    rig_expect_only_refused(rig, &rig->clinic.route, ERR_REVOKED);
    rig_fetch(rig, &rig->clinic, 0, 100000, false);
    rig_expect_only_refused(rig, &rig->clinic.route, ERR_REVOKED);
    rig_submit_only(rig, &rig->clinic.keys.curve, &rig->clinic.route, &envelope, 1);
    rig_expect_only_refused(rig, &rig->clinic.route, ERR_REVOKED);
    assert_int_equal(rig_status(rig).refused[ERR_REVOKED], 4);
    assert_int_equal(broker_receive(rig->broker, &rig->clinic.keys.curve, &rig->clinic.route,
                                    bytes_of_text("garbage"), rig->now),
                     ERR_OK);
    rig_expect_only_refused(rig, &rig->clinic.route, ERR_REVOKED);
    assert_int_equal(broker_admits(rig->broker, &rig->clinic.keys.curve), ADMIT_KNOWN);
    assert_false(broker_is_online(rig->broker, rig->clinic.org, rig->now));
    /* And nobody may write to it. */
    struct statement answer = rig_statement(rig, &loop, LOOP_TARGET, EVENT_ACCEPT);
    CLEANUP(buffer_done) struct buffer late = BUFFER_INIT(LIMIT_ENVELOPE_BYTES);
    (void)rig_seal(rig, &answer, 10, &rig->pantry, &late);
    rig_expect_refused(rig_submit_as(rig, &rig->pantry, &late), ERR_REVOKED);
    rig_reopen(rig);
    rig_hello(rig, &rig->clinic);
    rig_expect_only_refused(rig, &rig->clinic.route, ERR_REVOKED);
}

/* A new invite brings a revoked organization back, with new keys. */
static void
test_return_after_revocation(void **state)
{
    struct rig *rig = *state;
    CLEANUP(buffer_done) struct buffer join = BUFFER_INIT(LIMIT_ENVELOPE_BYTES);
    struct rig_org fresh;
    assert_int_equal(rig_revoke(rig, rig->clinic.org).result, RECEIPT_ACCEPTED);
    rig_org_new(&fresh, rig->clinic.org);
    assert_int_equal(rig_invite(rig, &fresh, rig->now.wall_ms + 60000, true).result,
                     RECEIPT_ACCEPTED);
    rig_join_envelope(rig, &fresh, &join);
    struct receipt receipt = rig_submit(rig, &fresh.once_curve, &fresh.route, &join);
    rig_expect_code(receipt.refusal, ERR_OK);
    assert_int_equal(receipt.result, RECEIPT_ACCEPTED);
    assert_int_equal(broker_admits(rig->broker, &fresh.keys.curve), ADMIT_KNOWN);
    rig_fetch(rig, &rig->clinic, 0, 1000, false);
    while (rig_take(rig, &rig->clinic.route)) {
    }
    assert_int_equal(rig->heard.kind, MESSAGE_REFUSED); /* the old key stays out */
}

/* A statement, a rotation and another statement in one frame: each is judged by the keys of its
 * place. */
static void
test_rotate(void **state)
{
    struct rig *rig = *state;
    struct buffer frame[3] = {BUFFER_INIT(LIMIT_ENVELOPE_BYTES), BUFFER_INIT(LIMIT_ENVELOPE_BYTES),
                              BUFFER_INIT(LIMIT_ENVELOPE_BYTES)};
    struct rig_org next;
    struct rig_loop loop = rig_loop_new(&rig->clinic, &rig->pantry);
    struct rig_loop late = rig_loop_new(&rig->clinic, &rig->pantry);
    struct statement statement = rig_statement(rig, &loop, LOOP_SOURCE, EVENT_REQUEST);
    struct digest id = rig_seal(rig, &statement, 1, &rig->clinic, &frame[0]);
    rig_org_new(&next, rig->clinic.org);
    rig_rotate_envelope(rig, &rig->clinic, &next, &frame[1]);
    statement = rig_statement(rig, &late, LOOP_SOURCE, EVENT_REQUEST);
    (void)rig_seal(rig, &statement, 1, &rig->clinic, &frame[2]);
    rig_submit_only(rig, &rig->clinic.keys.curve, &rig->clinic.route, frame, 3);
    rig_turn(rig);
    assert_true(rig_take(rig, &rig->clinic.route));
    const struct message_receipts *receipts = &rig->heard.as.receipts;
    assert_int_equal(receipts->n, 3);
    assert_int_equal(receipts->receipts[0].result, RECEIPT_ACCEPTED);
    assert_int_equal(receipts->receipts[1].result, RECEIPT_ACCEPTED);
    rig_expect_refused(receipts->receipts[2],
                       ERR_UNKNOWN_MEMBER); /* the connection's key is nobody's now */
    /* With the new key: what was logged under the old one is still receipted, the rest must be said
     * again. */
    next.route = rig->clinic.route;
    struct receipt again = rig_submit_as(rig, &next, &frame[0]);
    assert_int_equal(again.result, RECEIPT_ACCEPTED);
    rig_expect_refused(rig_submit_as(rig, &next, &frame[2]), ERR_SIGNATURE);
    /* The partner still writes to the old key, and is told so. */
    CLEANUP(buffer_done) struct buffer answer = BUFFER_INIT(LIMIT_ENVELOPE_BYTES);
    rig_took(&loop, LOOP_SOURCE, &id, EVENT_REQUEST);
    statement = rig_statement(rig, &loop, LOOP_TARGET, EVENT_ACCEPT);
    (void)rig_seal(rig, &statement, 1, &rig->pantry, &answer);
    rig_expect_refused(rig_submit_as(rig, &rig->pantry, &answer), ERR_READER_KEY);
    struct complaint complaint = {.text = ""};
    assert_int_equal(broker_check_store(rig->broker, &complaint), ERR_OK);
    for (size_t i = 0; i < ARRAY_LEN(frame); i++) {
        buffer_done(&frame[i]);
    }
}

/* The clinic's keys are replaced behind its back. */
static void
steal(struct rig *rig, struct rig_org *thief)
{
    CLEANUP(buffer_done) struct buffer rotate = BUFFER_INIT(LIMIT_ENVELOPE_BYTES);
    rig_org_new(thief, rig->clinic.org);
    rig_rotate_envelope(rig, &rig->clinic, thief, &rotate);
    assert_int_equal(rig_submit_as(rig, &rig->clinic, &rotate).result, RECEIPT_ACCEPTED);
}

/* Replaced keys are told by what, and read, say and count for nothing any more. */
static void
test_replaced(void **state)
{
    struct rig *rig = *state;
    struct rig_org thief;
    struct statement statement;
    struct envelope envelope;
    struct rig_loop loop = rig_loop_new(&rig->pantry, &rig->clinic);
    assert_int_equal(rig_step(rig, &loop, LOOP_SOURCE, EVENT_REQUEST).result, RECEIPT_ACCEPTED);
    steal(rig, &thief);
    uint64_t at = rig_status(rig).entries - 1;
    assert_int_equal(rig_step(rig, &loop, LOOP_SOURCE, EVENT_NOTE).refusal, ERR_READER_KEY);
    assert_int_equal(broker_admits(rig->broker, &rig->clinic.keys.curve), ADMIT_KNOWN);
    while (rig_take(rig, &rig->clinic.route)) {
    }
    for (unsigned i = 0; i < 2; i++) {
        rig_hello(rig, &rig->clinic);
        assert_int_equal(rig_count(rig, &rig->clinic.route), 1);
        assert_true(rig_take(rig, &rig->clinic.route));
        assert_int_equal(rig->heard.kind, MESSAGE_ENTRIES);
        const struct message_entries *told = &rig->heard.as.entries;
        assert_true(told->n == 1 && told->entries[0].index == at && told->proved.present);
        assert_int_equal(envelope_decode(told->entries[0].envelope, &envelope), ERR_OK);
        assert_int_equal(statement_decode(envelope.statement, &statement), ERR_OK);
        assert_int_equal(statement.kind, STATEMENT_ROTATE);
    }
    rig_fetch(rig, &rig->clinic, 0, 100000, false);
    rig_expect_only_refused(rig, &rig->clinic.route, ERR_UNKNOWN_MEMBER);
    rig->said.kind = MESSAGE_PING;
    rig->said.as.ping = (struct message_ping){.nonce = 1};
    rig_send(rig, &rig->clinic.keys.curve, &rig->clinic.route, &rig->said);
    rig_expect_only_refused(rig, &rig->clinic.route, ERR_UNKNOWN_MEMBER);
    CLEANUP(buffer_done) struct buffer late = BUFFER_INIT(LIMIT_ENVELOPE_BYTES);
    statement = rig_statement(rig, &loop, LOOP_TARGET, EVENT_ACCEPT);
    (void)rig_seal(rig, &statement, 10, &rig->clinic, &late);
    rig_submit_only(rig, &rig->clinic.keys.curve, &rig->clinic.route, &late, 1);
    rig_expect_only_refused(rig, &rig->clinic.route, ERR_UNKNOWN_MEMBER);
    assert_false(broker_is_online(rig->broker, rig->clinic.org, rig->now));
    assert_int_equal(rig_revoke(rig, rig->clinic.org).result, RECEIPT_ACCEPTED);
    rig_hello(rig, &rig->clinic);
    rig_expect_only_refused(rig, &rig->clinic.route, ERR_REVOKED);
}

/* Who waits for news hears at once that there is something wrong. */
static void
test_replaced_while_waiting(void **state)
{
    struct rig *rig = *state;
    struct rig_org thief;
    while (rig_take(rig, &rig->clinic.route)) {
    }
    rig_fetch(rig, &rig->clinic, rig_status(rig).entries, 100000, false);
    CLEANUP(buffer_done) struct buffer rotate = BUFFER_INIT(LIMIT_ENVELOPE_BYTES);
    rig_org_new(&thief, rig->clinic.org);
    rig_rotate_envelope(rig, &rig->clinic, &thief, &rotate);
    rig_submit_only(rig, &rig->clinic.keys.curve, &rig->clinic.route, &rotate, 1);
    rig_turn(rig);
    bool refused = false;
    while (rig_take(rig, &rig->clinic.route)) {
        assert_int_not_equal(rig->heard.kind, MESSAGE_ENTRIES);
        refused |= rig->heard.kind == MESSAGE_REFUSED &&
                   rig->heard.as.refused.code == ERR_UNKNOWN_MEMBER &&
                   rig->heard.as.refused.retry_ms > 0;
    }
    assert_true(refused);
}

/* A member may have replaced keys without end; only a few of them hold a place at a time. */
static void
test_replaced_are_few(void **state)
{
    enum { KEYS = 8, PLACES = 4 };
    struct rig *rig = *state;
    struct rig_org old[KEYS];
    unsigned n = 0;
    for (unsigned i = 0; i < KEYS; i++) {
        struct rig_org next;
        old[i] = rig->clinic;
        steal(rig, &next);
        rig->clinic = next;
    }
    rig_reopen(rig); /* no sessions */
    for (unsigned i = 0; i < KEYS; i++) {
        rig_hello(rig, &old[i]);
        n += rig_take(rig, &old[i].route);
    }
    assert_int_equal(n, PLACES);
    rig_hello(rig, &rig->clinic);
    assert_true(rig_take(rig, &rig->clinic.route));
    assert_int_equal(rig->heard.kind, MESSAGE_WELCOME);
}

/* Another member sends a member's bytes: to the log they are that member's, and it gets nothing for
 * them. */
static void
test_replay_by_another(void **state)
{
    struct rig *rig = *state;
    CLEANUP(buffer_done) struct buffer envelope = BUFFER_INIT(LIMIT_ENVELOPE_BYTES);
    struct rig_loop loop = rig_loop_new(&rig->clinic, &rig->pantry);
    struct statement statement = rig_statement(rig, &loop, LOOP_SOURCE, EVENT_REQUEST);
    (void)rig_seal(rig, &statement, 10, &rig->clinic, &envelope);
    rig_expect_refused(rig_submit_as(rig, &rig->pantry, &envelope), ERR_SIGNATURE);
    assert_int_equal(rig_submit_as(rig, &rig->clinic, &envelope).result, RECEIPT_ACCEPTED);
    uint64_t entries = rig_status(rig).entries;
    rig_expect_refused(rig_submit_as(rig, &rig->pantry, &envelope), ERR_SIGNATURE);
    assert_int_equal(rig_status(rig).entries, entries);
}

int
main(void)
{
#define RIG_TEST(test) cmocka_unit_test_setup_teardown(test, rig_start, rig_stop)
    const struct CMUnitTest tests[] = {
        RIG_TEST(test_admission),
        RIG_TEST(test_stranger),
        RIG_TEST(test_hello),
        RIG_TEST(test_hello_refused),
        RIG_TEST(test_kind_not_permitted),
        RIG_TEST(test_join_spent),
        RIG_TEST(test_join_expired),
        RIG_TEST(test_join_replaced),
        RIG_TEST(test_join_altered),
        RIG_TEST(test_join_by_wrong_connection),
        RIG_TEST(test_root_only),
        RIG_TEST(test_revoked),
        RIG_TEST(test_return_after_revocation),
        RIG_TEST(test_rotate),
        RIG_TEST(test_replaced),
        RIG_TEST(test_replaced_while_waiting),
        RIG_TEST(test_replaced_are_few),
        RIG_TEST(test_replay_by_another),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
