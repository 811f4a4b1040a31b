/* Who is heard, case by case: what is left of a revoked organization, more messages than a share,
 * kinds that are the broker's own, keys replaced by different members, and no memory for a frame.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/fail_alloc.h"
#include "tests/unit/broker/rig.h"
#include "tests/unit/wire/fixture.h"

static void
forget_frames(struct rig *rig)
{
    while (rig_take(rig, &rig->clinic.route) || rig_take(rig, &rig->pantry.route)) {
    }
}

static void
ping(struct rig *rig, const struct curve_public *key, const struct route *route)
{
    rig->said.kind = MESSAGE_PING;
    rig->said.as.ping.nonce = 7;
    rig_send(rig, key, route, &rig->said);
}

/* The one-time key of an organization that was sent away. */
static void
test_once_key_of_the_revoked(void **state)
{
    struct rig *rig = *state;
    const struct route route = {.bytes = {9}};
    ping(rig, &rig->pantry.once_curve, &route);
    assert_true(rig_take(rig, &route));
    assert_int_equal(rig->heard.kind, MESSAGE_PONG); /* spent, and greeted */
    assert_int_equal(rig_revoke(rig, rig->pantry.org).result, RECEIPT_ACCEPTED);
    ping(rig, &rig->pantry.once_curve, &route);
    rig_expect_only_refused(rig, &route, ERR_REVOKED);
}

/* Messages that only a broker says are refused, those that are in no table too. */
static void
test_the_broker_s_own_words(void **state)
{
    struct rig *rig = *state;
    static const enum message_kind kinds[] = {MESSAGE_WELCOME, MESSAGE_PONG, MESSAGE_REFUSED,
                                              MESSAGE_RECEIPTS, MESSAGE_PROOFS};
    forget_frames(rig);
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        struct message *message = fixture_message(kinds[i]);
        rig_send(rig, &rig->clinic.keys.curve, &rig->clinic.route, message);
        free(message);
        rig_expect_only_refused(rig, &rig->clinic.route, ERR_NOT_PERMITTED);
        rig_hello(rig, &rig->clinic);
        forget_frames(rig);
    }
    assert_int_equal(rig_status(rig).refused[ERR_NOT_PERMITTED], ARRAY_LEN(kinds));
}

/* More than a share: told once with a time to come back, counted each time, then heard again. */
static void
test_too_many_messages(void **state)
{
    struct rig *rig = *state;
    enum { SHARE = 4 + 600 };
    rig_close(rig);
    rig->options.statements_per_minute = 1;
    rig_open(rig);
    forget_frames(rig);
    unsigned answered = 0;
    for (unsigned i = 0; i < SHARE; i++) {
        ping(rig, &rig->clinic.keys.curve, &rig->clinic.route);
        while (rig_take(rig, &rig->clinic.route)) {
            answered += rig->heard.kind == MESSAGE_PONG;
        }
    }
    assert_int_equal(answered, SHARE);
    ping(rig, &rig->clinic.keys.curve, &rig->clinic.route);
    rig_expect_only_refused(rig, &rig->clinic.route, ERR_QUOTA);
    uint32_t retry_ms = rig->heard.as.refused.retry_ms;
    assert_in_range(retry_ms, 1, 60000);
    for (unsigned i = 0; i < 5; i++) {
        ping(rig, &rig->clinic.keys.curve, &rig->clinic.route);
        assert_int_equal(rig_count(rig, &rig->clinic.route), 0);
    }
    assert_int_equal(rig_status(rig).refused[ERR_QUOTA], 6);
    /* The other member has a share of its own. */
    ping(rig, &rig->pantry.keys.curve, &rig->pantry.route);
    assert_int_equal(rig_count(rig, &rig->pantry.route), 1);
    rig->now.boot_ms += retry_ms;
    ping(rig, &rig->clinic.keys.curve, &rig->clinic.route);
    assert_true(rig_take(rig, &rig->clinic.route));
    assert_int_equal(rig->heard.kind, MESSAGE_PONG);
}

static struct rig_org
replace_keys(struct rig *rig, const struct rig_org *org)
{
    CLEANUP(buffer_done) struct buffer rotate = BUFFER_INIT(LIMIT_ENVELOPE_BYTES);
    struct rig_org next;
    rig_org_new(&next, org->org);
    rig_rotate_envelope(rig, org, &next, &rotate);
    assert_int_equal(rig_submit_as(rig, org, &rotate).result, RECEIPT_ACCEPTED);
    return next;
}

/* How many of the keys get an answer to their hello. */
static unsigned
hellos_heard(struct rig *rig, const struct rig_org *keys, size_t n)
{
    unsigned heard = 0;
    for (size_t i = 0; i < n; i++) {
        rig_hello(rig, &keys[i]);
        heard += rig_count(rig, &keys[i].route) > 0;
    }
    return heard;
}

/* A member that has had keys without end takes no place from another's. */
static void
test_replaced_keys_of_two_members(void **state)
{
    struct rig *rig = *state;
    enum { OLD = 5, PLACES = 4 };
    struct rig_org clinic[OLD + 1] = {rig->clinic};
    struct rig_org pantry[2] = {rig->pantry};
    pantry[1] = replace_keys(rig, &pantry[0]);
    for (size_t i = 0; i < OLD; i++) {
        clinic[i + 1] = replace_keys(rig, &clinic[i]);
    }
    /* What the changes left behind is forgotten first. */
    rig->now.boot_ms += 6000;
    broker_tend(rig->broker, rig->now);
    rig_reopen(rig);
    assert_int_equal(hellos_heard(rig, pantry, 1), 1);
    assert_int_equal(hellos_heard(rig, clinic, OLD), PLACES);
    assert_int_equal(rig_status(rig).refused[ERR_BUSY], OLD - PLACES);
    assert_int_equal(hellos_heard(rig, &pantry[1], 1), 1);
}

/* A frame for which there is no memory is nobody's fault, and heard when it comes again. */
static void
test_no_memory_for_a_frame(void **state)
{
    struct rig *rig = *state;
    CLEANUP(buffer_done) struct buffer frame = BUFFER_INIT(LIMIT_FRAME_BYTES);
    forget_frames(rig);
    rig->said.kind = MESSAGE_PING;
    rig->said.as.ping.nonce = 7;
    assert_int_equal(message_encode(&rig->said, &frame), ERR_OK);
    unsigned n_failed = 0;
    bool has_failed = true;
    for (unsigned long n = 1; has_failed; n++) {
        rig_proof_sent(rig, &rig->clinic.keys.curve, &rig->clinic.route, &rig->said);
        fail_alloc_at(n);
        enum err err = broker_receive(rig->broker, &rig->clinic.keys.curve, &rig->clinic.route,
                                      buffer_view(&frame), rig->now);
        has_failed = fail_alloc_off();
        assert_true(err == ERR_OK || (has_failed && err == ERR_MEMORY));
        n_failed += err == ERR_MEMORY;
        forget_frames(rig);
    }
    assert_true(n_failed > 0);
    /* Whoever has no session yet is told to come back; of anything else nobody is accused. */
    for (size_t code = 0; code < 64; code++) {
        assert_true(code == ERR_BUSY || rig_status(rig).refused[code] == 0);
    }
    ping(rig, &rig->clinic.keys.curve, &rig->clinic.route);
    assert_true(rig_take(rig, &rig->clinic.route));
    assert_int_equal(rig->heard.kind, MESSAGE_PONG);
}

#define RIG_TEST(test) cmocka_unit_test_setup_teardown(test, rig_start, rig_stop)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(test_once_key_of_the_revoked), RIG_TEST(test_the_broker_s_own_words),
        RIG_TEST(test_too_many_messages),       RIG_TEST(test_replaced_keys_of_two_members),
        RIG_TEST(test_no_memory_for_a_frame),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
