/* The broker's side of witnessing: which checkpoint is put before the members, whose cosignature is
 * taken, what is told and what is kept. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "broker/state.h"
#include "broker/witness.h"
#include "tests/unit/broker/rig.h"

enum { ROUND_MS = 60 * 1000, TIME_S = 1795000100 };

static int
start(void **state)
{
    int failed = rig_start(state);
    struct rig *rig = *state;
    rig->options.witness_ms = ROUND_MS;
    rig_reopen(rig);
    return failed;
}

static void
grow(struct rig *rig)
{
    struct rig_loop loop = rig_loop_new(&rig->clinic, &rig->pantry);
    assert_int_equal(rig_step(rig, &loop, LOOP_SOURCE, EVENT_REQUEST).result, RECEIPT_ACCEPTED);
}

static void
tend(struct rig *rig, int64_t later_ms)
{
    rig->now.boot_ms += later_ms;
    rig->now.wall_ms += later_ms;
    broker_tend(rig->broker, rig->now);
}

/* What a pong tells as cosigned; NULL when nothing. */
static const struct message_witnessed *
told(struct rig *rig, const struct rig_org *org)
{
    while (rig_take(rig, &org->route)) {
    }
    rig->said.kind = MESSAGE_PING;
    rig->said.as.ping.nonce = 1;
    rig_send(rig, &org->keys.curve, &org->route, &rig->said);
    assert_true(rig_take(rig, &org->route));
    assert_int_equal(rig->heard.kind, MESSAGE_PONG);
    assert_true(rig->heard.as.pong.proved.present);
    return rig->heard.as.pong.witnessed.present ? &rig->heard.as.pong.witnessed : NULL;
}

static void
send_cosign(struct rig *rig, const struct rig_org *org, uint64_t size,
            const uint8_t signature[SIGN_BYTES])
{
    rig->said.kind = MESSAGE_COSIGN;
    rig->said.as.cosign = (struct message_cosign){.size = size, .time_s = TIME_S};
    memcpy(rig->said.as.cosign.signature, signature, SIGN_BYTES);
    rig_send(rig, &org->keys.curve, &org->route, &rig->said);
}

/* Cosigns what the broker tells, as `signer`, over the connection of `org`. */
static void
cosign_as(struct rig *rig, const struct rig_org *org, const struct rig_org *signer)
{
    uint8_t signature[SIGN_BYTES];
    struct checkpoint checkpoint;
    const struct message_witnessed *witnessed = told(rig, org);
    assert_non_null(witnessed);
    assert_int_equal(
        checkpoint_open(witnessed->checkpoint, &rig->network, &rig->log_public, &checkpoint),
        ERR_OK);
    assert_int_equal(checkpoint_cosign(witnessed->checkpoint, TIME_S, &signer->sign, signature),
                     ERR_OK);
    send_cosign(rig, org, checkpoint.size, signature);
}

static void
cosign(struct rig *rig, const struct rig_org *org)
{
    cosign_as(rig, org, org);
}

/* How many cosignatures of members `note` holds; all lines are right. */
static size_t
cosigners(struct rig *rig, struct bytes note)
{
    struct cosigner found[NOTE_SIGNATURES_MAX];
    char liar[ORG_ID_BYTES];
    size_t n = 0;
    assert_int_equal(checkpoint_cosigners(note, broker_directory(rig->broker), found, &n, liar),
                     ERR_OK);
    return n;
}

/* What is kept in the store: its size, 0 for none, and how many have cosigned it. */
static uint64_t
kept(struct rig *rig, size_t *n_out)
{
    CLEANUP(kv_abort) struct kv_txn *txn = NULL;
    struct bytes note;
    struct checkpoint checkpoint;
    assert_int_equal(kv_begin_read(rig->broker->kv, &txn), ERR_OK);
    *n_out = 0;
    if (kv_get(txn, TABLE_META, bytes_of_text(META_WITNESSED), &note) != ERR_OK) {
        return 0;
    }
    *n_out = cosigners(rig, note);
    assert_int_equal(checkpoint_open(note, &rig->network, &rig->log_public, &checkpoint), ERR_OK);
    return checkpoint.size;
}

static void
test_round(void **state)
{
    struct rig *rig = *state;
    uint64_t size = rig_status(rig).entries;
    assert_null(told(rig, &rig->clinic));
    tend(rig, 1000);
    assert_non_null(told(rig, &rig->clinic)); /* seen before anybody has cosigned it */
    assert_int_equal(cosigners(rig, told(rig, &rig->clinic)->checkpoint), 0);
    assert_int_equal(rig_status(rig).witnessed_size, size);
    cosign(rig, &rig->clinic);
    assert_int_equal(cosigners(rig, told(rig, &rig->pantry)->checkpoint), 1);
    cosign(rig, &rig->pantry);
    assert_int_equal(cosigners(rig, told(rig, &rig->clinic)->checkpoint), 2);
    assert_int_equal(rig_status(rig).n_cosignatures, 2);
    rig_hello(rig, &rig->clinic);
    assert_true(rig_take(rig, &rig->clinic.route));
    assert_int_equal(rig->heard.kind, MESSAGE_WELCOME);
    assert_int_equal(cosigners(rig, rig->heard.as.welcome.witnessed.checkpoint), 2);
}

/* A round lasts its time, and there is none about the same log again. */
static void
test_rounds(void **state)
{
    struct rig *rig = *state;
    tend(rig, 1000);
    uint64_t first = rig_status(rig).witnessed_size;
    grow(rig);
    tend(rig, ROUND_MS - 2000);
    assert_int_equal(rig_status(rig).witnessed_size, first);
    assert_non_null(told(rig, &rig->clinic)); /* with the proof that the head goes on from it */
    tend(rig, 2000);
    assert_int_equal(rig_status(rig).witnessed_size, first + 1);
    assert_int_equal(rig_status(rig).n_cosignatures, 0);
    int64_t began_ms = rig_status(rig).witness_round_ms;
    tend(rig, 2 * ROUND_MS);
    assert_int_equal(rig_status(rig).witness_round_ms, began_ms);
}

static void
test_once_each(void **state)
{
    struct rig *rig = *state;
    tend(rig, 1000);
    cosign(rig, &rig->clinic);
    cosign(rig, &rig->clinic);
    assert_int_equal(rig_status(rig).n_cosignatures, 1);
    tend(rig, 1000);
    rig_reopen(rig);
    rig_hello(rig, &rig->clinic);
    cosign(rig, &rig->clinic); /* also when it was before a restart */
    assert_int_equal(rig_status(rig).n_cosignatures, 1);
    cosign(rig, &rig->pantry);
    assert_int_equal(rig_status(rig).n_cosignatures, 2);
}

static void
test_wrong(void **state)
{
    struct rig *rig = *state;
    uint8_t signature[SIGN_BYTES] = {1};
    tend(rig, 1000);
    uint64_t size = rig_status(rig).witnessed_size;
    uint64_t refused = rig_status(rig).refused[ERR_SIGNATURE];
    cosign_as(rig, &rig->clinic, &rig->pantry); /* somebody else's key */
    rig_expect_only_refused(rig, &rig->clinic.route, ERR_SIGNATURE);
    send_cosign(rig, &rig->clinic, size, signature);
    rig_expect_only_refused(rig, &rig->clinic.route, ERR_SIGNATURE);
    assert_int_equal(rig_status(rig).refused[ERR_SIGNATURE], refused + 2);
    send_cosign(rig, &rig->clinic, size - 1, signature); /* of another round: passed over */
    send_cosign(rig, &rig->clinic, size + 1, signature);
    assert_int_equal(rig_count(rig, &rig->clinic.route), 0);
    assert_int_equal(rig_status(rig).n_cosignatures, 0);
    send_cosign(rig, &rig->shelter, size, signature); /* no member */
    rig_expect_only_refused(rig, &rig->shelter.route, ERR_UNKNOWN_MEMBER);
}

/* All cosignatures since the last time are written at once. */
static void
test_kept(void **state)
{
    struct rig *rig = *state;
    size_t n;
    tend(rig, 1000);
    uint64_t first = rig_status(rig).witnessed_size;
    cosign(rig, &rig->clinic);
    cosign(rig, &rig->pantry);
    assert_int_equal(kept(rig, &n), 0);
    tend(rig, 1000);
    assert_int_equal(kept(rig, &n), first);
    assert_int_equal(n, 2);
    grow(rig);
    tend(rig, ROUND_MS);
    assert_int_equal(rig_status(rig).witnessed_size, first + 1);
    assert_int_equal(kept(rig, &n), first); /* nobody has cosigned the new one */
    cosign(rig, &rig->clinic);
    tend(rig, 1000);
    assert_int_equal(kept(rig, &n), first); /* not as well cosigned yet */
    assert_int_equal(n, 2);
    cosign(rig, &rig->pantry);
    tend(rig, 1000);
    assert_int_equal(kept(rig, &n), first + 1);
    assert_int_equal(n, 2);
}

/* One that had its time is kept with what it has. */
static void
test_kept_at_the_end(void **state)
{
    struct rig *rig = *state;
    size_t n;
    tend(rig, 1000);
    uint64_t first = rig_status(rig).witnessed_size;
    cosign(rig, &rig->clinic);
    cosign(rig, &rig->pantry);
    grow(rig);
    tend(rig, ROUND_MS);
    assert_int_equal(kept(rig, &n), first);
    cosign(rig, &rig->clinic);
    grow(rig);
    tend(rig, ROUND_MS);
    assert_int_equal(kept(rig, &n), first + 1);
    assert_int_equal(n, 1);
    assert_int_equal(rig_status(rig).witnessed_size, first + 2);
    grow(rig);
    tend(rig, ROUND_MS); /* nobody cosigned that one: it is never kept */
    assert_int_equal(kept(rig, &n), first + 1);
}

static void
test_restart(void **state)
{
    struct rig *rig = *state;
    tend(rig, 1000);
    uint64_t size = rig_status(rig).witnessed_size;
    size_t n;
    cosign(rig, &rig->clinic);
    cosign(rig, &rig->pantry);
    tend(rig, 1000);
    grow(rig);
    rig_reopen(rig);
    assert_int_equal(rig_status(rig).witnessed_size, size);
    assert_int_equal(rig_status(rig).n_cosignatures, 2);
    assert_int_equal(rig_status(rig).witness_round_ms, 0);
    rig_hello(rig, &rig->pantry);
    assert_int_equal(cosigners(rig, told(rig, &rig->pantry)->checkpoint), 2);
    tend(rig, 1000); /* it is of before the start, and so old enough */
    assert_int_equal(rig_status(rig).witnessed_size, size + 1);
    cosign(rig, &rig->pantry);
    tend(rig, 1000);
    assert_int_equal(kept(rig, &n), size); /* still the better one */
    assert_int_equal(n, 2);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_round, start, rig_stop),
        cmocka_unit_test_setup_teardown(test_rounds, start, rig_stop),
        cmocka_unit_test_setup_teardown(test_once_each, start, rig_stop),
        cmocka_unit_test_setup_teardown(test_wrong, start, rig_stop),
        cmocka_unit_test_setup_teardown(test_kept, start, rig_stop),
        cmocka_unit_test_setup_teardown(test_kept_at_the_end, start, rig_stop),
        cmocka_unit_test_setup_teardown(test_restart, start, rig_stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
