/* What sessions are told of the log: heads that go on from one another, proofs of old entries in
 * new heads, answers to Prove, and the silence while the log is being refilled. That every head,
 * receipt and entry is right is held by the rig itself. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "broker/state.h"
#include "tests/unit/broker/rig.h"

enum { PLENTY = 200000 };

static uint64_t
told(struct rig *rig, const struct rig_org *org)
{
    const struct rig_peer *peer = rig_peer_of(rig, &org->keys.curve);
    return peer->view.has ? peer->view.last.size : 0;
}

static void
hear_all(struct rig *rig, const struct route *route)
{
    while (rig_take(rig, route)) {
    }
}

static struct rig_loop
begin_loop(struct rig *rig)
{
    struct rig_loop loop = rig_loop_new(&rig->clinic, &rig->pantry);
    assert_int_equal(rig_step(rig, &loop, LOOP_SOURCE, EVENT_REQUEST).result, RECEIPT_ACCEPTED);
    return loop;
}

/* Members come and go at their own pace, greet anew, and are told of one log. */
static void
test_heads_go_on(void **state)
{
    struct rig *rig = *state;
    rig_add(rig, &rig->shelter);
    struct rig_org *members[] = {&rig->clinic, &rig->pantry, &rig->shelter};
    struct rig_loop loop = begin_loop(rig);
    size_t before = rig->n_heads;
    for (unsigned i = 0; i < 90; i++) {
        struct rig_org *member = members[i % 3];
        enum loop_role role = i % 2 == 0 ? LOOP_SOURCE : LOOP_TARGET;
        assert_int_equal(rig_step(rig, &loop, role, EVENT_NOTE).result, RECEIPT_ACCEPTED);
        if (i % 7 == 0) {
            rig_hello(rig, member);
        }
        if (i % 4 == 0) {
            rig_fetch(rig, member, i, PLENTY, false);
        }
        if (i % 30 == 0) {
            rig_reopen(rig);
        }
        hear_all(rig, &member->route);
    }
    assert_true(rig->n_heads > before + 90);
    for (size_t i = 0; i < ARRAY_LEN(members); i++) {
        rig_hello(rig, members[i]);
        assert_true(rig_count(rig, &members[i]->route) > 0);
        assert_int_equal(told(rig, members[i]), rig_status(rig).entries);
    }
}

/* The same bytes sent again are proved in the head of now. */
static void
test_duplicate_in_a_later_head(void **state)
{
    struct rig *rig = *state;
    CLEANUP(buffer_done) struct buffer envelope = BUFFER_INIT(LIMIT_ENVELOPE_BYTES);
    struct rig_loop loop = rig_loop_new(&rig->clinic, &rig->pantry);
    struct statement statement = rig_statement(rig, &loop, LOOP_SOURCE, EVENT_REQUEST);
    struct digest id = rig_seal(rig, &statement, 1, &rig->clinic, &envelope);
    struct receipt first = rig_submit_as(rig, &rig->clinic, &envelope);
    size_t short_proof = first.inclusion.len;
    rig_took(&loop, LOOP_SOURCE, &id, EVENT_REQUEST);
    for (int i = 0; i < 60; i++) {
        assert_int_equal(rig_step(rig, &loop, LOOP_TARGET, EVENT_NOTE).result, RECEIPT_ACCEPTED);
    }
    size_t proofs = rig->n_proofs;
    struct receipt again = rig_submit_as(rig, &rig->clinic, &envelope);
    assert_int_equal(again.index, first.index);
    assert_true(again.inclusion.len > short_proof);
    assert_int_equal(rig->n_proofs, proofs + 1);
    assert_int_equal(told(rig, &rig->clinic), rig_status(rig).entries);
    assert_int_equal(rig_status(rig).duplicates, 1);
}

/* Receipts of refusals only tell no head; one of several does. */
static void
test_refusals_tell_nothing(void **state)
{
    struct rig *rig = *state;
    struct rig_loop loop = rig_loop_new(&rig->clinic, &rig->pantry);
    assert_int_equal(rig_step(rig, &loop, LOOP_SOURCE, EVENT_NOTE).result, RECEIPT_REFUSED);
    assert_false(rig->heard.as.receipts.proved.present);
    assert_int_equal(rig_step(rig, &loop, LOOP_SOURCE, EVENT_REQUEST).result, RECEIPT_ACCEPTED);
    assert_true(rig->heard.as.receipts.proved.present);
    assert_int_equal(rig_step(rig, &loop, LOOP_SOURCE, EVENT_ACCEPT).result, RECEIPT_REFUSED);
    assert_false(rig->heard.as.receipts.proved.present);
}

/* Frames that were thrown away with the route were never told: who goes on without a greeting still
 * hears heads that go on from what it knows. */
static void
test_dropped_frames(void **state)
{
    struct rig *rig = *state;
    struct rig_loop loop = begin_loop(rig);
    rig_hello(rig, &rig->pantry);
    hear_all(rig, &rig->pantry.route);
    uint64_t known = told(rig, &rig->pantry);
    for (int i = 0; i < 3; i++) {
        rig_fetch(rig, &rig->pantry, rig_status(rig).entries, PLENTY, false);
        assert_int_equal(rig_step(rig, &loop, LOOP_SOURCE, EVENT_NOTE).result, RECEIPT_ACCEPTED);
        hear_all(rig, &rig->pantry.route);
    }
    assert_true(told(rig, &rig->pantry) > known);
    known = told(rig, &rig->pantry);
    for (int i = 0; i < 3; i++) {
        CLEANUP(buffer_done) struct buffer envelope = BUFFER_INIT(LIMIT_ENVELOPE_BYTES);
        struct statement statement = rig_statement(rig, &loop, LOOP_SOURCE, EVENT_NOTE);
        struct digest id = rig_seal(rig, &statement, 1, &rig->clinic, &envelope);
        rig_took(&loop, LOOP_SOURCE, &id, EVENT_NOTE);
        rig_fetch(rig, &rig->pantry, rig_status(rig).entries, PLENTY, false);
        rig_submit_only(rig, &rig->clinic.keys.curve, &rig->clinic.route, &envelope, 1);
        rig_turn(rig);
    }
    broker_route_lost(rig->broker, &rig->pantry.route);
    hear_all(rig, &rig->pantry.route);
    assert_int_equal(told(rig, &rig->pantry), known);
    rig_fetch(rig, &rig->pantry, 0, PLENTY, false);
    hear_all(rig, &rig->pantry.route);
    assert_int_equal(told(rig, &rig->pantry), rig_status(rig).entries);
}

static void
ask(struct rig *rig, uint64_t size, const uint64_t *indexes, size_t n)
{
    rig->said.kind = MESSAGE_PROVE;
    rig->said.as.prove.size = size;
    rig->said.as.prove.n = n;
    memcpy(rig->said.as.prove.indexes, indexes, n * sizeof(*indexes));
    rig_send(rig, &rig->pantry.keys.curve, &rig->pantry.route, &rig->said);
}

static void
leaf_of(struct rig *rig, uint64_t index, struct merkle_hash *leaf_out)
{
    struct kv_txn *txn = NULL;
    struct journal_entry entry;
    assert_int_equal(kv_begin_read(rig->broker->kv, &txn), ERR_OK);
    assert_int_equal(journal_load(txn, index, &entry), ERR_OK);
    merkle_leaf(entry.row, leaf_out);
    kv_abort(&txn);
}

/* Any entry in any size there has been. */
static void
test_prove(void **state)
{
    struct rig *rig = *state;
    struct checkpoint then;
    struct rig_loop loop = begin_loop(rig);
    for (int i = 0; i < 40; i++) {
        assert_int_equal(rig_step(rig, &loop, LOOP_SOURCE, EVENT_NOTE).result, RECEIPT_ACCEPTED);
    }
    assert_int_equal(
        checkpoint_open(broker_checkpoint(rig->broker), &rig->network, &rig->log_public, &then),
        ERR_OK);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(rig_step(rig, &loop, LOOP_SOURCE, EVENT_NOTE).result, RECEIPT_ACCEPTED);
    }
    hear_all(rig, &rig->pantry.route);
    const uint64_t indexes[] = {0, 7, then.size - 1, 31, 32};
    ask(rig, then.size, indexes, ARRAY_LEN(indexes));
    assert_true(rig_take(rig, &rig->pantry.route));
    assert_int_equal(rig->heard.kind, MESSAGE_PROOFS);
    const struct message_proofs *proofs = &rig->heard.as.proofs;
    assert_int_equal(proofs->size, then.size);
    assert_int_equal(proofs->n, ARRAY_LEN(indexes));
    const struct view view = {.has = true, .last = then};
    for (size_t i = 0; i < proofs->n; i++) {
        struct merkle_hash leaf;
        assert_int_equal(proofs->indexes[i], indexes[i]);
        leaf_of(rig, indexes[i], &leaf);
        assert_int_equal(view_check_entry(&view, &leaf, indexes[i], proofs->inclusions[i]), ERR_OK);
    }
}

static void
test_prove_refused(void **state)
{
    struct rig *rig = *state;
    uint64_t entries = rig_status(rig).entries;
    hear_all(rig, &rig->pantry.route);
    ask(rig, entries + 1, &(uint64_t){0}, 1);
    rig_expect_only_refused(rig, &rig->pantry.route, ERR_INVALID);
    rig->broker->recover.active = true;
    ask(rig, entries, &(uint64_t){0}, 1);
    rig_expect_only_refused(rig, &rig->pantry.route, ERR_BUSY);
    rig->broker->recover.active = false;
    /* It is reading like any other, and has its share. */
    const struct curve_public *key = &rig->pantry.keys.curve;
    struct session *session = sessions_find(&rig->broker->sessions, key);
    int64_t used = session->served.used;
    ask(rig, entries, &(uint64_t){0}, 1);
    assert_true(rig_take(rig, &rig->pantry.route));
    assert_int_equal(rig->heard.kind, MESSAGE_PROOFS);
    assert_true(session->served.used > used);
    session->served = (struct session_window){rig->now.boot_ms, session_served.limit + 1};
    ask(rig, entries, &(uint64_t){0}, 1);
    rig_expect_only_refused(rig, &rig->pantry.route, ERR_QUOTA);
}

/* While the log is being refilled nothing is judged, logged, signed or delivered. */
static void
test_nothing_while_refilled(void **state)
{
    struct rig *rig = *state;
    CLEANUP(buffer_done) struct buffer envelope = BUFFER_INIT(LIMIT_ENVELOPE_BYTES);
    struct rig_loop loop = begin_loop(rig);
    struct statement statement = rig_statement(rig, &loop, LOOP_SOURCE, EVENT_NOTE);
    (void)rig_seal(rig, &statement, 1, &rig->clinic, &envelope);
    hear_all(rig, &rig->pantry.route);
    uint64_t entries = rig_status(rig).entries;
    /* One that waits for its turn when it begins, and one after. */
    rig_submit_only(rig, &rig->clinic.keys.curve, &rig->clinic.route, &envelope, 1);
    rig->broker->recover.active = true;
    rig_turn(rig);
    assert_true(rig_take(rig, &rig->clinic.route));
    rig_expect_refused(rig->heard.as.receipts.receipts[0], ERR_BUSY);
    assert_true(rig->heard.as.receipts.receipts[0].retry_ms > 0);
    rig_expect_refused(rig_submit_as(rig, &rig->clinic, &envelope), ERR_BUSY);
    rig_expect_refused(rig_invite(rig, &rig->shelter, rig->now.wall_ms + 1000, false), ERR_BUSY);
    rig_fetch(rig, &rig->pantry, 0, PLENTY, false);
    assert_int_equal(rig_count(rig, &rig->pantry.route), 0);
    assert_int_equal(rig_status(rig).entries, entries);
    rig->broker->recover.active = false;
    assert_int_equal(rig_submit_as(rig, &rig->clinic, &envelope).result, RECEIPT_ACCEPTED);
    assert_true(rig_take(rig, &rig->pantry.route));
    assert_int_equal(rig->heard.kind, MESSAGE_ENTRIES);
}

/* The largest envelopes with their proofs stay within a frame. */
static void
test_large_entries(void **state)
{
    struct rig *rig = *state;
    struct rig_loop loop = begin_loop(rig);
    for (int i = 0; i < 3; i++) {
        CLEANUP(buffer_done) struct buffer envelope = BUFFER_INIT(LIMIT_ENVELOPE_BYTES);
        struct statement statement = rig_statement(rig, &loop, LOOP_SOURCE, EVENT_NOTE);
        struct digest id = rig_seal(rig, &statement, LIMIT_BODY_BYTES, &rig->clinic, &envelope);
        assert_int_equal(rig_submit_as(rig, &rig->clinic, &envelope).result, RECEIPT_ACCEPTED);
        rig_took(&loop, LOOP_SOURCE, &id, EVENT_NOTE);
    }
    for (int i = 0; i < 300; i++) {
        assert_int_equal(rig_step(rig, &loop, LOOP_TARGET, EVENT_NOTE).result, RECEIPT_ACCEPTED);
    }
    uint64_t cursor = 0;
    size_t n = 0;
    while (cursor < rig_status(rig).entries) {
        hear_all(rig, &rig->pantry.route);
        rig_fetch(rig, &rig->pantry, cursor, UINT32_MAX, true);
        assert_true(rig_take(rig, &rig->pantry.route));
        assert_int_equal(rig->heard.kind, MESSAGE_ENTRIES);
        cursor = rig->heard.as.entries.next;
        n += rig->heard.as.entries.n;
    }
    assert_int_equal(n, rig_status(rig).entries);
    for (size_t i = 0; i < rig->n_frames; i++) {
        assert_true(rig->frames[i].bytes.len <= LIMIT_FRAME_BYTES);
    }
}

int
main(void)
{
#define RIG_TEST(test) cmocka_unit_test_setup_teardown(test, rig_start, rig_stop)
    const struct CMUnitTest tests[] = {
        RIG_TEST(test_heads_go_on),
        RIG_TEST(test_duplicate_in_a_later_head),
        RIG_TEST(test_refusals_tell_nothing),
        RIG_TEST(test_dropped_frames),
        RIG_TEST(test_prove),
        RIG_TEST(test_prove_refused),
        RIG_TEST(test_nothing_while_refilled),
        RIG_TEST(test_large_entries),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
