/* Loop statements through the broker: what is taken, what is refused, and that it happens once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/broker/rig.h"

static void
assert_accepted(struct receipt receipt, enum loop_state state)
{
    assert_string_equal(err_name(receipt.refusal), "ok");
    assert_int_equal(receipt.result, RECEIPT_ACCEPTED);
    assert_int_equal(receipt.state, state);
}

static void
assert_sound(struct rig *rig)
{
    struct complaint complaint = {.text = ""};
    enum err err = broker_check_store(rig->broker, &complaint);
    if (err != ERR_OK) {
        fail_msg("%s: %s", err_name(err), complaint.text);
    }
}

static void
test_full_loop(void **state)
{
    struct rig *rig = *state;
    struct rig_loop loop = rig_loop_new(&rig->clinic, &rig->pantry);
    assert_accepted(rig_step(rig, &loop, LOOP_SOURCE, EVENT_REQUEST), LOOP_REQUESTED);
    assert_accepted(rig_step(rig, &loop, LOOP_TARGET, EVENT_DELIVERED), LOOP_REQUESTED);
    assert_accepted(rig_step(rig, &loop, LOOP_TARGET, EVENT_ASK), LOOP_INFO_REQUESTED);
    assert_accepted(rig_step(rig, &loop, LOOP_SOURCE, EVENT_ANSWER), LOOP_REQUESTED);
    assert_accepted(rig_step(rig, &loop, LOOP_TARGET, EVENT_ACCEPT), LOOP_ACCEPTED);
    assert_accepted(rig_step(rig, &loop, LOOP_TARGET, EVENT_PROGRESS), LOOP_IN_PROGRESS);
    assert_accepted(rig_step(rig, &loop, LOOP_TARGET, EVENT_COMPLETE), LOOP_COMPLETED);
    assert_accepted(rig_step(rig, &loop, LOOP_SOURCE, EVENT_DELIVERED), LOOP_COMPLETED);
    assert_accepted(rig_step(rig, &loop, LOOP_SOURCE, EVENT_ACKNOWLEDGE), LOOP_CLOSED);
    struct broker_status status = rig_status(rig);
    assert_int_equal(status.entries, 5 + 9);
    assert_int_equal(status.loops, 1);
    assert_sound(rig);
}

static void
test_receipt_is_signed(void **state)
{
    struct rig *rig = *state;
    CLEANUP(buffer_done) struct buffer text = BUFFER_INIT(RECEIPT_BYTES_MAX);
    struct rig_loop loop = rig_loop_new(&rig->clinic, &rig->pantry);
    struct receipt receipt = rig_step(rig, &loop, LOOP_SOURCE, EVENT_REQUEST);
    receipt_signed_bytes(&receipt, &text);
    assert_int_equal(turn_check(SIGN_RECEIPTS, &rig->network, buffer_view(&text),
                                &receipt.signature, &rig->log_public, NULL),
                     ERR_OK);
}

/* The same bytes again: the same receipt, one entry, also after a restart. */
static void
test_duplicate(void **state)
{
    struct rig *rig = *state;
    CLEANUP(buffer_done) struct buffer envelope = BUFFER_INIT(LIMIT_ENVELOPE_BYTES);
    struct rig_loop loop = rig_loop_new(&rig->clinic, &rig->pantry);
    struct statement statement = rig_statement(rig, &loop, LOOP_SOURCE, EVENT_REQUEST);
    struct digest id = rig_seal(rig, &statement, 10, &rig->clinic, &envelope);
    struct receipt first = rig_submit_as(rig, &rig->clinic, &envelope);
    assert_accepted(first, LOOP_REQUESTED);
    rig_took(&loop, LOOP_SOURCE, &id, EVENT_REQUEST);
    assert_accepted(rig_step(rig, &loop, LOOP_TARGET, EVENT_ACCEPT), LOOP_ACCEPTED);
    for (int i = 0; i < 2; i++) {
        struct broker_status before = rig_status(rig);
        struct receipt again = rig_submit_as(rig, &rig->clinic, &envelope);
        struct broker_status after = rig_status(rig);
        assert_accepted(again, LOOP_REQUESTED); /* the stored receipt, not the present state */
        assert_int_equal(again.index, first.index);
        assert_int_equal(again.log_time_ms, first.log_time_ms);
        assert_int_equal(after.entries, before.entries);
        assert_int_equal(after.duplicates, before.duplicates + 1);
        assert_int_equal(after.accepted, before.accepted);
        rig_reopen(rig);
    }
    assert_sound(rig);
}

/* Twice in one frame, before anything is committed. */
static void
test_duplicate_in_one_turn(void **state)
{
    struct rig *rig = *state;
    struct buffer envelopes[2] = {BUFFER_INIT(LIMIT_ENVELOPE_BYTES),
                                  BUFFER_INIT(LIMIT_ENVELOPE_BYTES)};
    struct rig_loop loop = rig_loop_new(&rig->clinic, &rig->pantry);
    struct statement statement = rig_statement(rig, &loop, LOOP_SOURCE, EVENT_REQUEST);
    (void)rig_seal(rig, &statement, 10, &rig->clinic, &envelopes[0]);
    buffer_put(&envelopes[1], envelopes[0].data, envelopes[0].len);
    uint64_t before = rig_status(rig).entries;
    rig_submit_only(rig, &rig->clinic.keys.curve, &rig->clinic.route, envelopes, 2);
    rig_turn(rig);
    while (rig_take(rig, &rig->clinic.route) && rig->heard.kind != MESSAGE_RECEIPTS) {
    }
    const struct message_receipts *receipts = &rig->heard.as.receipts;
    assert_int_equal(receipts->n, 2);
    assert_int_equal(receipts->receipts[0].result, RECEIPT_ACCEPTED);
    assert_int_equal(receipts->receipts[1].result, RECEIPT_ACCEPTED);
    assert_int_equal(receipts->receipts[0].index, receipts->receipts[1].index);
    assert_int_equal(rig_status(rig).entries, before + 1);
    buffer_done(&envelopes[0]);
    buffer_done(&envelopes[1]);
}

/* A withdrawal and an acceptance cross: the log's order decides, the loser is kept and told. */
static void
test_crossing(void **state)
{
    struct rig *rig = *state;
    CLEANUP(buffer_done) struct buffer late = BUFFER_INIT(LIMIT_ENVELOPE_BYTES);
    struct rig_loop loop = rig_loop_new(&rig->clinic, &rig->pantry);
    assert_accepted(rig_step(rig, &loop, LOOP_SOURCE, EVENT_REQUEST), LOOP_REQUESTED);
    struct statement statement = rig_statement(rig, &loop, LOOP_TARGET, EVENT_ACCEPT);
    (void)rig_seal(rig, &statement, 10, &rig->pantry, &late);
    struct receipt winner = rig_step(rig, &loop, LOOP_SOURCE, EVENT_WITHDRAW);
    assert_accepted(winner, LOOP_WITHDRAWN);
    struct receipt loser = rig_submit_as(rig, &rig->pantry, &late);
    assert_int_equal(loser.result, RECEIPT_SUPERSEDED);
    assert_int_equal(loser.state, LOOP_WITHDRAWN);
    assert_true(digest_equal(&loser.superseded_by, &winner.id));
    struct receipt again = rig_submit_as(rig, &rig->pantry, &late);
    assert_int_equal(again.result, RECEIPT_SUPERSEDED);
    assert_int_equal(again.index, loser.index);
    assert_true(digest_equal(&again.superseded_by, &winner.id));
    assert_int_equal(rig_status(rig).superseded, 1);
    assert_sound(rig);
}

static void
test_illegal(void **state)
{
    struct rig *rig = *state;
    struct rig_loop loop = rig_loop_new(&rig->clinic, &rig->pantry);
    assert_accepted(rig_step(rig, &loop, LOOP_SOURCE, EVENT_REQUEST), LOOP_REQUESTED);
    uint64_t before = rig_status(rig).entries;
    struct receipt receipt = rig_step(rig, &loop, LOOP_SOURCE, EVENT_ACKNOWLEDGE);
    rig_expect_refused(receipt, ERR_WRONG_STATE);
    assert_int_equal(receipt.state, LOOP_REQUESTED);
    assert_int_equal(rig_status(rig).entries, before);
    assert_int_equal(rig_status(rig).refused[ERR_WRONG_STATE], 1);
}

/* Everything a statement can get wrong, one change at a time; nothing of it may reach the log. */
typedef void (*change_statement)(struct rig *rig, struct rig_loop *loop,
                                 struct statement *statement);

static void
submit_changed(struct rig *rig, struct rig_loop *loop, enum loop_role role, enum loop_event event,
               change_statement change, enum err code)
{
    CLEANUP(buffer_done) struct buffer envelope = BUFFER_INIT(LIMIT_ENVELOPE_BYTES);
    struct statement statement = rig_statement(rig, loop, role, event);
    uint64_t before = rig_status(rig).entries;
    uint64_t refused = rig_status(rig).refused[code];
    change(rig, loop, &statement);
    (void)rig_seal(rig, &statement, 10, loop->side[role], &envelope);
    rig_expect_refused(rig_submit_as(rig, loop->side[role], &envelope), code);
    assert_int_equal(rig_status(rig).entries, before);
    assert_int_equal(rig_status(rig).refused[code], refused + 1);
}

static void
change_author(struct rig *rig, struct rig_loop *loop, struct statement *statement)
{
    (void)loop;
    memcpy(statement->author, rig->pantry.org, sizeof(statement->author));
    statement->author_key = rig->pantry.key_id;
    memcpy(statement->as.loop.readers[0].org, rig->clinic.org, ORG_ID_BYTES);
    statement->as.loop.readers[0].key = rig->clinic.key_id;
}

static void
change_author_key(struct rig *rig, struct rig_loop *loop, struct statement *statement)
{
    (void)rig;
    (void)loop;
    statement->author_key.bytes[0] ^= 1;
}

static void
change_reader(struct rig *rig, struct rig_loop *loop, struct statement *statement)
{
    (void)loop;
    memcpy(statement->as.loop.readers[0].org, rig->admin.org, ORG_ID_BYTES);
    statement->as.loop.readers[0].key = rig->admin.key_id;
}

static void
change_reader_unknown(struct rig *rig, struct rig_loop *loop, struct statement *statement)
{
    (void)loop;
    memcpy(statement->as.loop.readers[0].org, rig->shelter.org, ORG_ID_BYTES);
}

static void
change_reader_key(struct rig *rig, struct rig_loop *loop, struct statement *statement)
{
    (void)rig;
    (void)loop;
    statement->as.loop.readers[0].key.bytes[3] ^= 1;
}

static void
change_loop(struct rig *rig, struct rig_loop *loop, struct statement *statement)
{
    (void)rig;
    (void)loop;
    statement->as.loop.loop.bytes[0] ^= 1;
}

static void
change_gap(struct rig *rig, struct rig_loop *loop, struct statement *statement)
{
    (void)rig;
    (void)loop;
    statement->as.loop.seq++;
    statement->as.loop.previous.bytes[0] |= 1; /* a first statement has none, and this is not one */
}

static void
change_seq_back(struct rig *rig, struct rig_loop *loop, struct statement *statement)
{
    (void)rig;
    (void)loop;
    statement->as.loop.seq--;
    statement->as.loop.previous = (struct digest){{0}};
}

static void
change_previous(struct rig *rig, struct rig_loop *loop, struct statement *statement)
{
    (void)rig;
    (void)loop;
    statement->as.loop.previous.bytes[0] ^= 1;
}

static void
change_heard(struct rig *rig, struct rig_loop *loop, struct statement *statement)
{
    (void)rig;
    (void)loop;
    statement->as.loop.heard.bytes[0] ^= 1;
}

static void
change_request_again(struct rig *rig, struct rig_loop *loop, struct statement *statement)
{
    (void)rig;
    (void)loop;
    statement->as.loop.event = EVENT_REQUEST;
}

static void
test_wrong_statements(void **state)
{
    struct rig *rig = *state;
    struct rig_loop loop = rig_loop_new(&rig->clinic, &rig->pantry);
    const enum loop_role source = LOOP_SOURCE;
    submit_changed(rig, &loop, source, EVENT_REQUEST, change_author, ERR_NOT_PERMITTED);
    submit_changed(rig, &loop, source, EVENT_REQUEST, change_author_key, ERR_NOT_PERMITTED);
    submit_changed(rig, &loop, source, EVENT_REQUEST, change_reader_unknown, ERR_UNKNOWN_MEMBER);
    submit_changed(rig, &loop, source, EVENT_REQUEST, change_reader_key, ERR_READER_KEY);
    submit_changed(rig, &loop, source, EVENT_REQUEST, change_gap, ERR_SEQUENCE);
    assert_accepted(rig_step(rig, &loop, source, EVENT_REQUEST), LOOP_REQUESTED);
    assert_accepted(rig_step(rig, &loop, LOOP_TARGET, EVENT_ACCEPT), LOOP_ACCEPTED);
    submit_changed(rig, &loop, source, EVENT_NOTE, change_reader, ERR_NOT_PERMITTED);
    submit_changed(rig, &loop, source, EVENT_NOTE, change_loop, ERR_UNKNOWN_LOOP);
    submit_changed(rig, &loop, source, EVENT_NOTE, change_gap, ERR_SEQUENCE);
    submit_changed(rig, &loop, source, EVENT_NOTE, change_seq_back, ERR_EQUIVOCATION);
    submit_changed(rig, &loop, source, EVENT_NOTE, change_previous, ERR_EQUIVOCATION);
    submit_changed(rig, &loop, source, EVENT_NOTE, change_heard, ERR_UNKNOWN_REFERENCE);
    submit_changed(rig, &loop, source, EVENT_NOTE, change_request_again, ERR_LOOP_EXISTS);
    assert_sound(rig);
}

/* A third organization that knows the loop's id can say nothing in it. */
static void
test_foreign_author(void **state)
{
    struct rig *rig = *state;
    CLEANUP(buffer_done) struct buffer envelope = BUFFER_INIT(LIMIT_ENVELOPE_BYTES);
    struct rig_loop loop = rig_loop_new(&rig->clinic, &rig->pantry);
    rig_add(rig, &rig->shelter);
    assert_accepted(rig_step(rig, &loop, LOOP_SOURCE, EVENT_REQUEST), LOOP_REQUESTED);
    struct rig_loop foreign = loop;
    foreign.side[LOOP_TARGET] = &rig->shelter;
    struct statement statement = rig_statement(rig, &foreign, LOOP_TARGET, EVENT_ACCEPT);
    (void)rig_seal(rig, &statement, 10, &rig->shelter, &envelope);
    rig_expect_refused(rig_submit_as(rig, &rig->shelter, &envelope), ERR_NOT_PERMITTED);
}

/* A delivery receipt must be for what its author was sent, in that loop. */
static void
test_false_delivery(void **state)
{
    struct rig *rig = *state;
    struct rig_loop loop = rig_loop_new(&rig->clinic, &rig->pantry);
    struct rig_loop other = rig_loop_new(&rig->clinic, &rig->pantry);
    struct receipt request = rig_step(rig, &loop, LOOP_SOURCE, EVENT_REQUEST);
    struct receipt elsewhere = rig_step(rig, &other, LOOP_SOURCE, EVENT_REQUEST);
    struct receipt receipt = rig_step(rig, &loop, LOOP_TARGET, EVENT_DELIVERED);
    assert_accepted(receipt, LOOP_REQUESTED);
    const struct digest unknown = {{7}};
    const struct digest *named[] = {&elsewhere.id, &receipt.id, &unknown};
    for (size_t i = 0; i < ARRAY_LEN(named); i++) {
        CLEANUP(buffer_done) struct buffer envelope = BUFFER_INIT(LIMIT_ENVELOPE_BYTES);
        struct statement statement = rig_statement(rig, &loop, LOOP_TARGET, EVENT_DELIVERED);
        statement.as.loop.delivered = *named[i];
        (void)rig_seal(rig, &statement, 0, &rig->pantry, &envelope);
        rig_expect_refused(rig_submit_as(rig, &rig->pantry, &envelope), ERR_UNKNOWN_REFERENCE);
    }
    /* A receipt for a receipt. */
    CLEANUP(buffer_done) struct buffer echo = BUFFER_INIT(LIMIT_ENVELOPE_BYTES);
    struct statement of_receipt = rig_statement(rig, &loop, LOOP_SOURCE, EVENT_DELIVERED);
    of_receipt.as.loop.delivered = receipt.id;
    (void)rig_seal(rig, &of_receipt, 0, &rig->clinic, &echo);
    rig_expect_refused(rig_submit_as(rig, &rig->clinic, &echo), ERR_UNKNOWN_REFERENCE);
    CLEANUP(buffer_done) struct buffer own = BUFFER_INIT(LIMIT_ENVELOPE_BYTES);
    struct statement statement = rig_statement(rig, &loop, LOOP_SOURCE, EVENT_DELIVERED);
    statement.as.loop.delivered = request.id; /* the author's own */
    (void)rig_seal(rig, &statement, 0, &rig->clinic, &own);
    rig_expect_refused(rig_submit_as(rig, &rig->clinic, &own), ERR_UNKNOWN_REFERENCE);
}

static void
test_self_addressed(void **state)
{
    struct rig *rig = *state;
    struct rig_loop loop = rig_loop_new(&rig->clinic, &rig->clinic);
    CLEANUP(buffer_done) struct buffer bytes = BUFFER_INIT(LIMIT_STATEMENT_BYTES);
    struct statement statement = rig_statement(rig, &loop, LOOP_SOURCE, EVENT_REQUEST);
    statement.as.loop.has_sealed = true;
    enum err err = statement_encode(&statement, &bytes);
    if (err == ERR_OK) {
        rig_expect_refused(rig_step(rig, &loop, LOOP_SOURCE, EVENT_REQUEST), ERR_SELF_ADDRESSED);
    } else {
        assert_true(err_is_peer(err)); /* it cannot even be said */
    }
}

/* Garbage and flipped bits: refused, counted, and the next good statement is taken. */
static void
test_garbage(void **state)
{
    struct rig *rig = *state;
    CLEANUP(buffer_done) struct buffer envelope = BUFFER_INIT(LIMIT_ENVELOPE_BYTES);
    CLEANUP(buffer_done) struct buffer garbage = BUFFER_INIT(64);
    struct rig_loop loop = rig_loop_new(&rig->clinic, &rig->pantry);
    struct statement statement = rig_statement(rig, &loop, LOOP_SOURCE, EVENT_REQUEST);
    (void)rig_seal(rig, &statement, 10, &rig->clinic, &envelope);
    buffer_put_text(&garbage, "nothing of the kind");
    rig_submit_only(rig, &rig->clinic.keys.curve, &rig->clinic.route, &garbage, 1);
    rig_turn(rig);
    assert_true(rig_take(rig, &rig->clinic.route)); /* it has no id that a receipt could name */
    assert_int_equal(rig->heard.kind, MESSAGE_REFUSED);
    assert_int_equal(rig->heard.as.refused.code, ERR_MALFORMED);
    uint64_t before = rig_status(rig).entries;
    for (size_t i = 0; i < envelope.len; i += 97) {
        envelope.data[i] ^= 0x10;
        rig_submit_only(rig, &rig->clinic.keys.curve, &rig->clinic.route, &envelope, 1);
        rig_turn(rig);
        assert_true(rig_take(rig, &rig->clinic.route));
        assert_true(rig->heard.kind == MESSAGE_REFUSED ||
                    rig->heard.as.receipts.receipts[0].result == RECEIPT_REFUSED);
        envelope.data[i] ^= 0x10;
    }
    assert_int_equal(rig_status(rig).entries, before);
    assert_accepted(rig_submit_as(rig, &rig->clinic, &envelope), LOOP_REQUESTED);
    assert_int_equal(broker_receive(rig->broker, &rig->clinic.keys.curve, &rig->clinic.route,
                                    buffer_view(&garbage), rig->now),
                     ERR_OK);
    assert_true(rig_take(rig, &rig->clinic.route));
    assert_int_equal(rig->heard.kind, MESSAGE_REFUSED);
}

/* Many loops, random steps by either side, right and wrong ones: the store is what the log says,
 * and a rebuild changes nothing. */
static void
test_random_workload(void **state)
{
    struct rig *rig = *state;
    enum { LOOPS = 6, STEPS = 150 };
    struct rig_loop loops[LOOPS];
    struct complaint complaint = {.text = ""};
    uint32_t random = 12345;
    for (size_t i = 0; i < LOOPS; i++) {
        bool turned = i % 2 == 1;
        loops[i] = rig_loop_new(turned ? &rig->pantry : &rig->clinic,
                                turned ? &rig->clinic : &rig->pantry);
        assert_accepted(rig_step(rig, &loops[i], LOOP_SOURCE, EVENT_REQUEST), LOOP_REQUESTED);
    }
    for (int i = 0; i < STEPS; i++) {
        random = random * 1664525u + 1013904223u;
        enum loop_event event = (enum loop_event)((random >> 8) % EVENT_COUNT);
        enum loop_role role = (random >> 20) % 2 == 0 ? LOOP_SOURCE : LOOP_TARGET;
        struct rig_loop *loop = &loops[(random >> 16) % LOOPS];
        bool has_heard =
            !digest_is_zero(&loop->mark[role == LOOP_SOURCE ? LOOP_TARGET : LOOP_SOURCE]);
        if (event != EVENT_DELIVERED || has_heard) {
            (void)rig_step(rig, loop, role, event);
        }
    }
    assert_sound(rig);
    uint64_t entries = rig_status(rig).entries;
    assert_true(entries > 5 + LOOPS + 5);
    assert_int_equal(broker_rebuild(rig->broker, &complaint), ERR_OK);
    assert_sound(rig);
    rig_reopen(rig);
    assert_sound(rig);
    assert_int_equal(rig_status(rig).entries, entries);
    assert_int_equal(rig_status(rig).loops, LOOPS);
}

int
main(void)
{
#define RIG_TEST(test) cmocka_unit_test_setup_teardown(test, rig_start, rig_stop)
    const struct CMUnitTest tests[] = {
        RIG_TEST(test_full_loop),        RIG_TEST(test_receipt_is_signed),
        RIG_TEST(test_duplicate),        RIG_TEST(test_duplicate_in_one_turn),
        RIG_TEST(test_crossing),         RIG_TEST(test_illegal),
        RIG_TEST(test_wrong_statements), RIG_TEST(test_foreign_author),
        RIG_TEST(test_false_delivery),   RIG_TEST(test_self_addressed),
        RIG_TEST(test_garbage),          RIG_TEST(test_random_workload),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
