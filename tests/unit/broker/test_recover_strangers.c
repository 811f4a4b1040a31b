/* Members that the restored copy does not know: who changed keys or joined since it was made. They
 * may hold what nobody else has, and are heard for that and for nothing else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "broker/state.h"
#include "tests/unit/broker/lost.h"

enum { SILENT_MS = SESSION_SILENT_MS + 1000 };

/* The organization goes on with new keys; `lost` has it under the same pointer. */
static void
change_keys(struct lost *lost, struct rig_org *org)
{
    struct rig *rig = lost->rig;
    CLEANUP(buffer_done) struct buffer envelope = BUFFER_INIT(LIMIT_ENVELOPE_BYTES);
    struct rig_org next;
    rig_org_new(&next, org->org);
    next.route = org->route;
    rig_rotate_envelope(rig, org, &next, &envelope);
    assert_int_equal(rig_submit_as(rig, org, &envelope).result, RECEIPT_ACCEPTED);
    *org = next;
    rig_hello(rig, org);
    assert_int_equal(broker_admits(rig->broker, &org->keys.curve), ADMIT_KNOWN);
}

static void
expect_unknown(struct lost *lost, const struct rig_org *org)
{
    rig_expect_only_refused(lost->rig, &org->route, ERR_UNKNOWN_MEMBER);
}

static void
change_all_keys(struct lost *lost)
{
    change_keys(lost, &lost->rig->clinic);
    change_keys(lost, &lost->rig->pantry);
    lost_read(lost);
}

/* Nobody that the copy knows is left. */
static void
test_all_have_new_keys(void **state)
{
    struct lost *lost = *state;
    struct rig *rig = lost->rig;
    change_all_keys(lost);
    lost_restore(lost, true);
    assert_int_equal(rig_status(rig).recover_missing, 2);
    assert_int_equal(broker_admits(rig->broker, &rig->clinic.keys.curve), ADMIT_HELPER);
    lost_forget_frames(lost);
    rig_hello(rig, &rig->clinic);
    assert_true(rig_take(rig, &rig->clinic.route));
    assert_int_equal(rig->heard.kind, MESSAGE_WELCOME);
    assert_int_equal(rig->heard.as.welcome.recall_from, lost->n_kept);
    assert_int_equal(rig_status(rig).recover_goal, lost->n);
    assert_int_equal(rig_status(rig).recover_helpers, 1);
    assert_int_equal(rig_status(rig).recover_missing, 2); /* it has no voice */
    assert_false(broker_recover_has_heard(rig->broker, rig->clinic.org));
    rig_expect_code(broker_recover_waive(rig->broker, rig->now), ERR_SEQUENCE);

    /* All is back, and with it the keys: whoever helped says hello again. */
    lost_send(lost, &rig->clinic, lost->n_kept, lost->n, LOST_ALL);
    assert_int_equal(rig_status(rig).entries, lost->n);
    assert_int_equal(rig_status(rig).recover_helpers, 0);
    assert_int_equal(broker_admits(rig->broker, &rig->clinic.keys.curve), ADMIT_KNOWN);
    rig_expect_only_refused(rig, &rig->clinic.route, ERR_BUSY);
    assert_false(broker_recover_has_heard(rig->broker, rig->clinic.org));
    lost_bring_back(lost, (const size_t[]){0, 1, 2});
    lost_expect_whole(lost);
    lost_expect_works(rig);
}

/* A few at a time, each asked for by the broker, with an end in between: what was shown stays. */
static void
test_goal_is_kept(void **state)
{
    struct lost *lost = *state;
    struct rig *rig = lost->rig;
    change_all_keys(lost);
    lost_restore(lost, true);
    rig_hello(rig, &rig->pantry);
    lost_forget_frames(lost);
    lost_send(lost, &rig->pantry, lost->n_kept, lost->n_kept + 2, LOST_MORE);
    assert_true(rig_take(rig, &rig->pantry.route));
    assert_int_equal(rig->heard.kind, MESSAGE_RECALL);
    assert_int_equal(rig->heard.as.recall.from, lost->n_kept + 2);
    rig_reopen(rig);
    assert_int_equal(rig_status(rig).recover_goal, lost->n);
    lost_keep_heads(lost);
    lost_bring_back(lost, (const size_t[]){1, 2, 0});
    lost_expect_whole(lost);
}

/* The one that joined last is the only one that has the newest entries. */
static void
test_newcomer_alone(void **state)
{
    struct lost *lost = *state;
    struct rig *rig = lost->rig;
    uint64_t early = lost->n_kept + 3;
    lost_restore(lost, true);
    rig_hello(rig, &rig->shelter);
    assert_int_equal(rig_status(rig).recover_goal, lost->n);
    lost_hello_with(lost, &rig->clinic, buffer_view(&lost->early_note));
    lost_send_early(lost, &rig->clinic, lost->n_kept, early);
    lost_hello_with(lost, &rig->pantry, buffer_view(&lost->early_note));
    lost_send_early(lost, &rig->pantry, lost->n_kept, early);
    assert_true(rig_status(rig).recovering);
    rig_expect_code(broker_recover_waive(rig->broker, rig->now), ERR_SEQUENCE);
    lost_send(lost, &rig->shelter, early, lost->n, LOST_ALL);
    assert_int_equal(rig_status(rig).entries, lost->n);
    assert_true(rig_status(rig).recovering); /* its next hello counts */
    assert_int_equal(rig_status(rig).recover_missing, 1);
    rig_hello(rig, &rig->shelter);
    lost_expect_whole(lost);
    lost_expect_works(rig);
}

/* --- strangers --- */

static void
say(struct lost *lost, const struct rig_org *org, enum message_kind kind)
{
    struct message *said = &lost->rig->said;
    memset(said, 0, sizeof(*said));
    said->kind = kind;
    if (kind == MESSAGE_FETCH) {
        said->as.fetch.credit_bytes = LIMIT_FRAME_BYTES;
    } else if (kind == MESSAGE_PROVE) {
        said->as.prove.n = 1;
        said->as.prove.size = 5;
    }
    rig_send(lost->rig, &org->keys.curve, &org->route, said);
}

static void
test_stranger(void **state)
{
    static const enum message_kind kinds[] = {MESSAGE_PING, MESSAGE_BYE, MESSAGE_FETCH,
                                              MESSAGE_PROVE};
    struct lost *lost = *state;
    struct rig *rig = lost->rig;
    CLEANUP(buffer_done) struct buffer note = BUFFER_INIT(LIMIT_CHECKPOINT_BYTES);
    CLEANUP(buffer_done) struct buffer old = BUFFER_INIT(LIMIT_CHECKPOINT_BYTES);
    const struct merkle_hash root = {.bytes = {1}};
    struct sign_public public_key;
    struct sign_secret secret;
    struct rig_org guest;
    rig_org_new(&guest, "oak-guest");
    sign_new_pair(&public_key, &secret);
    assert_int_equal(checkpoint_sign(&rig->network, lost->n, &root, &secret, &note), ERR_OK);
    assert_int_equal(broker_admits(rig->broker, &guest.keys.curve), ADMIT_STRANGER);
    lost_restore(lost, true);
    assert_int_equal(broker_admits(rig->broker, &guest.keys.curve), ADMIT_HELPER);
    lost_forget_frames(lost);
    lost_hello_from_nothing(lost, &guest);
    expect_unknown(lost, &guest);
    lost_hello_with(lost, &guest, buffer_view(&note));
    expect_unknown(lost, &guest);
    lost_hello_with(lost, &guest, bytes_of_text("no note at all\n"));
    expect_unknown(lost, &guest);
    struct bytes known = broker_checkpoint(rig->broker); /* of as many entries as there are */
    buffer_put(&old, known.data, known.len);
    lost_hello_with(lost, &guest, buffer_view(&old));
    expect_unknown(lost, &guest);
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        say(lost, &guest, kinds[i]);
        expect_unknown(lost, &guest);
    }
    lost_send(lost, &guest, lost->n_kept, lost->n, LOST_ALL);
    expect_unknown(lost, &guest);
    assert_int_equal(rig_status(rig).recover_goal, 0);
    assert_int_equal(rig_status(rig).entries, lost->n_kept);
    assert_int_equal(rig_status(rig).recover_helpers, 0);
    lost_bring_back(lost, (const size_t[]){0, 1, 2});
    lost_expect_whole(lost);
}

/* Greeting and copies, nothing else: what it submits is not remembered either. */
static void
test_nothing_else(void **state)
{
    struct lost *lost = *state;
    struct rig *rig = lost->rig;
    change_all_keys(lost);
    lost_restore(lost, true);
    rig_hello(rig, &rig->clinic);
    lost_forget_frames(lost);
    say(lost, &rig->clinic, MESSAGE_PING);
    assert_true(rig_take(rig, &rig->clinic.route));
    assert_int_equal(rig->heard.kind, MESSAGE_PONG);
    lost_say_again(lost, &rig->clinic, lost->n_kept);
    assert_null(rig->broker->recover.hole);
    say(lost, &rig->clinic, MESSAGE_FETCH);
    expect_unknown(lost, &rig->clinic);
    say(lost, &rig->clinic, MESSAGE_PROVE);
    expect_unknown(lost, &rig->clinic);
    assert_int_equal(rig_status(rig).recover_helpers, 1);
    say(lost, &rig->clinic, MESSAGE_BYE);
    assert_int_equal(rig_status(rig).recover_helpers, 0);
}

static void
test_lies(void **state)
{
    struct lost *lost = *state;
    struct rig *rig = lost->rig;
    lost_restore(lost, true);
    for (size_t i = 0; i < LOST_LIES; i++) {
        rig_hello(rig, &rig->shelter);
        lost_forget_frames(lost);
        lost_send_lie(lost, &rig->shelter, (enum lost_lie)i);
        assert_true(rig_take(rig, &rig->shelter.route));
        assert_int_equal(rig->heard.kind, MESSAGE_REFUSED);
        assert_int_equal(rig_status(rig).entries, lost->n_kept);
    }
    lost_bring_back(lost, (const size_t[]){0, 1, 2});
    lost_expect_whole(lost);
}

/* --- bounds --- */

static void
stranger(struct lost *lost, size_t number, struct bytes note)
{
    struct rig_org guest = {.route = {.bytes = {1, (uint8_t)(number / 256), (uint8_t)number}}};
    guest.keys.curve = (struct curve_public){{9, (uint8_t)(number / 256), (uint8_t)number}};
    lost_hello_with(lost, &guest, note);
}

/* Who proves nothing takes no place from who does; who proves something takes one of so many. */
static void
test_bounded(void **state)
{
    struct lost *lost = *state;
    struct rig *rig = lost->rig;
    struct rig_org guest;
    rig_org_new(&guest, "oak-guest");
    lost_restore(lost, true);
    for (size_t i = 0; i < 3 * (size_t)RECOVER_HELPERS_MAX; i++) {
        stranger(lost, i, bytes_of(NULL, 0));
    }
    assert_true(rig_status(rig).sessions <= RECOVER_HELPERS_MAX);
    assert_int_equal(broker_admits(rig->broker, &guest.keys.curve), ADMIT_HELPER);
    lost_forget_frames(lost);
    for (size_t i = 0; i < 3 * (size_t)RECOVER_HELPERS_MAX; i++) {
        stranger(lost, 1000 + i, buffer_view(&lost->note));
    }
    assert_int_equal(rig_status(rig).recover_helpers, RECOVER_HELPERS_MAX);
    assert_int_equal(rig_status(rig).sessions, RECOVER_HELPERS_MAX);
    assert_int_equal(broker_admits(rig->broker, &guest.keys.curve), ADMIT_STRANGER);
    lost_forget_frames(lost);
    /* Known keys are not concerned, and the silent are forgotten. */
    assert_int_equal(broker_admits(rig->broker, &rig->clinic.keys.curve), ADMIT_KNOWN);
    rig->now.boot_ms += SILENT_MS;
    broker_tend(rig->broker, rig->now);
    assert_int_equal(rig_status(rig).sessions, 0);
    assert_int_equal(rig_status(rig).recover_helpers, 0);
    assert_int_equal(broker_admits(rig->broker, &guest.keys.curve), ADMIT_HELPER);
    lost_bring_back(lost, (const size_t[]){0, 1, 2});
    lost_expect_whole(lost);
}

/* A helper is not forgotten between two of its pings. */
static void
test_patience(void **state)
{
    struct lost *lost = *state;
    struct rig *rig = lost->rig;
    lost_restore(lost, true);
    rig_hello(rig, &rig->shelter);
    rig->now.boot_ms += SESSION_STRANGE_MS * 4;
    broker_tend(rig->broker, rig->now);
    lost_forget_frames(lost);
    say(lost, &rig->shelter, MESSAGE_PING);
    assert_true(rig_take(rig, &rig->shelter.route));
    assert_int_equal(rig->heard.kind, MESSAGE_PONG);
}

/* The end: who is unknown still is forgotten, and strangers are refused as ever. */
static void
test_strict_again(void **state)
{
    struct lost *lost = *state;
    struct rig *rig = lost->rig;
    struct rig_org guest;
    rig_org_new(&guest, "oak-guest");
    lost_restore(lost, true);
    lost_hello_with(lost, &guest, buffer_view(&lost->note)); /* got it from a member */
    assert_int_equal(rig_status(rig).recover_helpers, 1);
    lost_bring_back(lost, (const size_t[]){0, 1, 2});
    lost_expect_whole(lost);
    assert_int_equal(rig_status(rig).recover_helpers, 0);
    assert_null(sessions_find(&rig->broker->sessions, &guest.keys.curve));
    assert_int_equal(broker_admits(rig->broker, &guest.keys.curve), ADMIT_STRANGER);
    lost_forget_frames(lost);
    say(lost, &guest, MESSAGE_PING);
    expect_unknown(lost, &guest);
    lost_hello_with(lost, &guest, buffer_view(&lost->note));
    expect_unknown(lost, &guest);
    lost_send(lost, &guest, lost->n_kept, lost->n, LOST_ALL);
    expect_unknown(lost, &guest);
    lost_expect_works(rig);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_all_have_new_keys, lost_start, lost_stop),
        cmocka_unit_test_setup_teardown(test_goal_is_kept, lost_start, lost_stop),
        cmocka_unit_test_setup_teardown(test_newcomer_alone, lost_start, lost_stop),
        cmocka_unit_test_setup_teardown(test_stranger, lost_start, lost_stop),
        cmocka_unit_test_setup_teardown(test_nothing_else, lost_start, lost_stop),
        cmocka_unit_test_setup_teardown(test_lies, lost_start, lost_stop),
        cmocka_unit_test_setup_teardown(test_bounded, lost_start, lost_stop),
        cmocka_unit_test_setup_teardown(test_patience, lost_start, lost_stop),
        cmocka_unit_test_setup_teardown(test_strict_again, lost_start, lost_stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
