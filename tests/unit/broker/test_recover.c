/* Coming back from an old copy: a store is put back as it was some entries ago, and the members
 * bring the rest, in every order, honestly or not. The rig judges every head on the way: whoever
 * was told one before the loss must be able to go on from it afterwards. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "broker/state.h"
#include "lib/base/file.h"
#include "tests/unit/broker/lost.h"

enum { HOUR_MS = 3600 * 1000 };

/* Says hello and is told from where on copies are wanted, and nothing that is proved. */
static void
expect_recall(struct lost *lost, const struct rig_org *org, uint64_t from)
{
    lost_forget_frames(lost);
    rig_hello(lost->rig, org);
    assert_true(rig_take(lost->rig, &org->route));
    assert_int_equal(lost->rig->heard.kind, MESSAGE_WELCOME);
    assert_int_equal(lost->rig->heard.as.welcome.recall_from, from);
    assert_false(lost->rig->heard.as.welcome.proved.present);
    assert_false(lost->rig->heard.as.welcome.witnessed.present);
}

static void
expect_whole_welcome(struct lost *lost, const struct rig_org *org)
{
    lost_forget_frames(lost);
    rig_hello(lost->rig, org);
    assert_true(rig_take(lost->rig, &org->route));
    assert_int_equal(lost->rig->heard.kind, MESSAGE_WELCOME);
    assert_int_equal(lost->rig->heard.as.welcome.recall_from, 0);
    assert_true(lost->rig->heard.as.welcome.proved.present);
}

static void
test_every_order(void **state)
{
    static const size_t orders[][LOST_MEMBERS] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2},
                                                  {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
    struct lost *lost = *state;
    for (size_t i = 0; i < ARRAY_LEN(orders); i++) {
        lost_restore(lost, true);
        assert_true(rig_status(lost->rig).recovering);
        assert_int_equal(rig_status(lost->rig).recover_began_at, lost->n_kept);
        lost_bring_back(lost, orders[i]);
        lost_expect_whole(lost);
    }
    lost_expect_works(lost->rig);
}

/* What is said when it ends, and to whom. */
static void
test_conversation(void **state)
{
    struct lost *lost = *state;
    struct rig *rig = lost->rig;
    lost_restore(lost, true);
    expect_recall(lost, &rig->pantry, lost->n_kept);
    expect_recall(lost, &rig->clinic, lost->n_kept);
    lost_send(lost, &rig->clinic, lost->n_kept, lost->n_kept + 2, LOST_MORE);
    assert_true(rig_take(rig, &rig->clinic.route));
    assert_int_equal(rig->heard.kind, MESSAGE_RECALL);
    assert_int_equal(rig->heard.as.recall.from, rig_status(rig).entries);
    lost_send(lost, &rig->clinic, lost->n_kept + 2, lost->n, LOST_ALL);
    assert_int_equal(rig_status(rig).entries, lost->n);
    assert_true(rig_status(rig).recovering); /* the shelter has not been heard */
    assert_int_equal(rig_status(rig).recover_missing, 1);
    assert_false(broker_recover_has_heard(rig->broker, rig->shelter.org));
    assert_true(broker_recover_has_heard(rig->broker, rig->clinic.org));
    assert_int_equal(rig_count(rig, &rig->clinic.route), 0);
    expect_whole_welcome(lost, &rig->shelter);
    rig_expect_only_refused(rig, &rig->clinic.route, ERR_BUSY);
    rig_expect_only_refused(rig, &rig->pantry.route, ERR_BUSY);
    lost_expect_whole(lost);
    lost_expect_works(rig);
}

/* A member that brings its last entry first: it waits for its turn, also over a restart. */
static void
test_backwards_with_restarts(void **state)
{
    struct lost *lost = *state;
    struct rig *rig = lost->rig;
    struct broker_gap gaps[4];
    size_t n = 0;
    lost_restore(lost, true);
    for (uint64_t i = lost->n; i-- > lost->n_kept;) {
        rig_hello(rig, &rig->clinic);
        lost_send(lost, &rig->clinic, i, i + 1, LOST_ALL);
        bool last = i == lost->n_kept;
        assert_int_equal(rig_status(rig).entries, last ? lost->n : lost->n_kept);
        assert_int_equal(broker_recover_gaps(rig->broker, gaps, ARRAY_LEN(gaps), &n), ERR_OK);
        assert_int_equal(n, last ? 0 : 1);
        assert_true(last || (gaps[0].first == lost->n_kept && gaps[0].last == i - 1));
        rig_reopen(rig);
        assert_true(rig_status(rig).recovering);
        assert_int_equal(rig_status(rig).recover_goal, lost->n);
        assert_int_equal(rig_status(rig).recover_began_at, lost->n_kept);
    }
    assert_false(broker_recover_has_heard(rig->broker, rig->clinic.org)); /* they say hello again */
    lost_bring_back(lost, (const size_t[]){0, 1, 2});
    lost_expect_whole(lost);
}

static void
test_gaps(void **state)
{
    struct lost *lost = *state;
    struct rig *rig = lost->rig;
    struct broker_gap gaps[4];
    size_t n = 0;
    uint64_t from = lost->n_kept;
    lost_restore(lost, true);
    rig_hello(rig, &rig->clinic);
    lost_send(lost, &rig->clinic, from + 1, from + 2, LOST_ALL);
    lost_send(lost, &rig->clinic, from + 4, from + 6, LOST_ALL);
    assert_int_equal(rig_status(rig).entries, from);
    assert_int_equal(broker_recover_gaps(rig->broker, gaps, ARRAY_LEN(gaps), &n), ERR_OK);
    assert_int_equal(n, 3);
    assert_true(gaps[0].first == from && gaps[0].last == from);
    assert_true(gaps[1].first == from + 2 && gaps[1].last == from + 3);
    assert_true(gaps[2].first == from + 6 && gaps[2].last == lost->n - 1);
    assert_int_equal(broker_recover_gaps(rig->broker, gaps, 1, &n), ERR_OK);
    assert_int_equal(n, 1);
    lost_send(lost, &rig->clinic, from, from + 1, LOST_ALL);
    assert_int_equal(rig_status(rig).entries, from + 2);
}

/* From when it is known until it is whole: nothing signed, nothing taken, nothing told as proved.
 */
static void
test_nothing_signed(void **state)
{
    struct lost *lost = *state;
    struct rig *rig = lost->rig;
    CLEANUP(buffer_done) struct buffer before = BUFFER_INIT(LIMIT_CHECKPOINT_BYTES);
    lost_restore(lost, true);
    struct bytes note = broker_checkpoint(rig->broker);
    buffer_put(&before, note.data, note.len);
    expect_recall(lost, &rig->clinic, lost->n_kept);
    rig_fetch(rig, &rig->clinic, 0, 100000, false);
    rig->said.kind = MESSAGE_PING;
    rig->said.as.ping.nonce = 7;
    rig_send(rig, &rig->clinic.keys.curve, &rig->clinic.route, &rig->said);
    assert_true(rig_take(rig, &rig->clinic.route));
    assert_int_equal(rig->heard.kind, MESSAGE_PONG);
    assert_false(rig->heard.as.pong.proved.present);
    assert_int_equal(rig_count(rig, &rig->clinic.route), 0); /* the fetch waits */

    struct rig_loop loop = rig_loop_new(&rig->clinic, &rig->pantry);
    rig_expect_refused(rig_step(rig, &loop, LOOP_SOURCE, EVENT_REQUEST), ERR_BUSY);
    rig_expect_refused(rig_revoke(rig, rig->pantry.org), ERR_BUSY);
    lost_send(lost, &rig->clinic, lost->n_kept, lost->n_kept + 3, LOST_ALL);
    assert_int_equal(rig_status(rig).entries, lost->n_kept + 3);
    rig->now.boot_ms += HOUR_MS;
    broker_tend(rig->broker, rig->now);
    assert_int_equal(rig_status(rig).witnessed_size, 0);
    rig_reopen(rig);
    assert_true(bytes_equal(broker_checkpoint(rig->broker), buffer_view(&before)));
    assert_int_equal(rig_status(rig).checkpoint_size, lost->n_kept);
}

/* Nobody can join meanwhile, and is told to come back. */
static void
test_joining(void **state)
{
    struct lost *lost = *state;
    struct rig *rig = lost->rig;
    const struct rig_org *elder = &lost->elder; /* invited before the copy was made */
    lost_restore(lost, true);
    rig->said.kind = MESSAGE_HELLO;
    rig->said.as.hello = (struct message_hello){
        .protocol = MESSAGE_PROTOCOL, .network = rig->network, .version = "0.1.0"};
    lost_forget_frames(lost);
    rig_send(rig, &elder->once_curve, &elder->route, &rig->said);
    assert_true(rig_take(rig, &elder->route));
    assert_int_equal(rig->heard.kind, MESSAGE_REFUSED);
    rig_expect_code(rig->heard.as.refused.code, ERR_BUSY);
    assert_true(rig->heard.as.refused.retry_ms > 0);
}

/* Without the mark: the first member that shows more than there is stops everything. */
static void
test_found_by_hello(void **state)
{
    struct lost *lost = *state;
    struct rig *rig = lost->rig;
    lost_restore(lost, false);
    assert_false(rig_status(rig).recovering);
    lost_hello_raw(lost, &rig->pantry, bytes_of(NULL, 0));
    assert_int_equal(rig->heard.kind, MESSAGE_WELCOME);
    assert_int_equal(rig->heard.as.welcome.recall_from, 0);
    expect_recall(lost, &rig->clinic, lost->n_kept);
    assert_true(rig_status(rig).recovering);
    assert_int_equal(rig_status(rig).recover_goal, lost->n);
    rig_expect_only_refused(rig, &rig->pantry.route, ERR_BUSY);
    rig_reopen(rig); /* the mark is there now */
    assert_true(rig_status(rig).recovering);
    assert_int_equal(rig_status(rig).recover_goal, lost->n);
    lost_keep_heads(lost);
    lost_bring_back(lost, (const size_t[]){1, 0, 2});
    lost_expect_whole(lost);
    lost_expect_works(rig);
}

/* The copy was up to date: it ends as soon as all have said so. */
static void
test_nothing_lost(void **state)
{
    struct lost *lost = *state;
    struct rig *rig = lost->rig;
    lost_mark_present(lost);
    assert_true(rig_status(rig).recovering);
    for (size_t i = 0; i < LOST_MEMBERS; i++) {
        assert_true(rig_status(rig).recovering);
        rig_hello(rig, lost->members[i]);
    }
    lost_expect_whole(lost);
    rig_reopen(rig);
    lost_expect_whole(lost);
    lost_expect_works(rig);
}

/* A member that shows an old checkpoint first, and one with a larger one later. */
static void
test_goal_raised_late(void **state)
{
    struct lost *lost = *state;
    struct rig *rig = lost->rig;
    uint64_t early = lost->n_kept + 3;
    lost_restore(lost, true);
    lost_hello_with(lost, &rig->clinic, buffer_view(&lost->early_note));
    assert_int_equal(rig_status(rig).recover_goal, early);
    lost_send_early(lost, &rig->clinic, lost->n_kept, early);
    assert_int_equal(rig_status(rig).entries, early);
    assert_true(rig_status(rig).recovering);
    rig_hello(rig, &rig->pantry);
    assert_int_equal(rig_status(rig).recover_goal, lost->n);
    rig_reopen(rig);
    assert_int_equal(rig_status(rig).recover_goal, lost->n);
    lost_bring_back(lost, (const size_t[]){0, 1, 2});
    lost_expect_whole(lost);
}

/* A copy's own checkpoint counts too, when its owner does not show it. */
static void
test_goal_from_copies(void **state)
{
    struct lost *lost = *state;
    struct rig *rig = lost->rig;
    lost_restore(lost, true);
    lost_hello_from_nothing(lost, &rig->clinic);
    assert_int_equal(rig_status(rig).recover_goal, 0);
    lost_send(lost, &rig->clinic, lost->n_kept, lost->n_kept + 1, LOST_ALL);
    assert_int_equal(rig_status(rig).recover_goal, lost->n);
    rig_reopen(rig);
    assert_int_equal(rig_status(rig).recover_goal, lost->n);
}

/* --- lies --- */

struct lie {
    const char *name;
    enum err code;
};
static const struct lie lies[LOST_LIES] = {
    [LOST_LIE_NOTE] = {"a note that somebody else signed", ERR_SIGNATURE},
    [LOST_LIE_ROOT] = {"a note with another root", ERR_SIGNATURE},
    [LOST_LIE_PROOF] = {"a proof with one hash changed", ERR_SIGNATURE},
    [LOST_LIE_PROOF_LENGTH] = {"a proof that is too short", ERR_MALFORMED},
    [LOST_LIE_INDEX] = {"another index", ERR_SIGNATURE},
    [LOST_LIE_TIME] = {"another time", ERR_SIGNATURE},
    [LOST_LIE_STATEMENT] = {"another statement", ERR_SIGNATURE},
};

static void
test_lies(void **state)
{
    struct lost *lost = *state;
    struct rig *rig = lost->rig;
    lost_restore(lost, true);
    for (size_t i = 0; i < LOST_LIES; i++) {
        uint64_t refused = rig_status(rig).refused[lies[i].code];
        lost_forget_frames(lost);
        rig_hello(rig, &rig->pantry);
        assert_true(rig_take(rig, &rig->pantry.route));
        lost_send_lie(lost, &rig->pantry, (enum lost_lie)i);
        if (!rig_take(rig, &rig->pantry.route) || rig->heard.kind != MESSAGE_REFUSED) {
            fail_msg("%s was not refused", lies[i].name);
        }
        if (rig->heard.as.refused.code != lies[i].code &&
            rig->heard.as.refused.code != ERR_MALFORMED) {
            fail_msg("%s was refused as %s", lies[i].name, err_name(rig->heard.as.refused.code));
        }
        assert_true(rig_status(rig).refused[rig->heard.as.refused.code] > 0);
        assert_true(rig_status(rig).refused[lies[i].code] >= refused);
        assert_int_equal(rig_status(rig).entries, lost->n_kept);
    }
    lost_bring_back(lost, (const size_t[]){1, 0, 2});
    lost_expect_whole(lost);
}

/* The sealed part is not in the leaf: a wrong one is left out, and the right one taken when it
 * comes, before or after the entry's turn. */
static void
test_sealed_parts(void **state)
{
    struct lost *lost = *state;
    struct rig *rig = lost->rig;
    uint64_t sealed = lost->n_kept;
    while (lost->entries[sealed].sealed_len == 0) {
        sealed++;
    }
    lost_restore(lost, true);
    rig_hello(rig, &rig->clinic);
    lost_send(lost, &rig->clinic, sealed, sealed + 1, LOST_WRONG_SEALED);
    lost_send(lost, &rig->clinic, sealed, sealed + 1, LOST_WITHOUT_SEALED);
    lost_send(lost, &rig->clinic, lost->n_kept, lost->n, LOST_WITHOUT_SEALED);
    assert_int_equal(rig_status(rig).entries, lost->n);
    assert_false(lost_has_sealed(lost, sealed));
    lost_send(lost, &rig->clinic, sealed, sealed + 1, LOST_WRONG_SEALED);
    assert_false(lost_has_sealed(lost, sealed));
    lost_send(lost, &rig->clinic, sealed, sealed + 1, LOST_ALL);
    assert_true(lost_has_sealed(lost, sealed));
    lost_bring_back(lost, (const size_t[]){0, 1, 2});
    lost_expect_whole(lost);

    lost_restore(lost, true);
    rig_hello(rig, &rig->clinic);
    lost_send(lost, &rig->clinic, lost->n - 1, lost->n, LOST_WITHOUT_SEALED);
    lost_send(lost, &rig->clinic, lost->n - 1, lost->n, LOST_ALL);
    lost_send(lost, &rig->clinic, lost->n_kept, lost->n - 1, LOST_ALL);
    assert_true(lost_has_sealed(lost, lost->n - 1) == (lost->entries[lost->n - 1].sealed_len > 0));
}

/* A stranger's signature lines in a checkpoint do not become the broker's. */
static void
test_foreign_lines(void **state)
{
    struct lost *lost = *state;
    struct rig *rig = lost->rig;
    CLEANUP(buffer_done) struct buffer note = BUFFER_INIT(LIMIT_CHECKPOINT_BYTES);
    static const uint8_t no_signature[SIGN_BYTES] = {1};
    buffer_put(&note, lost->note.data, lost->note.len);
    assert_int_equal(checkpoint_add_cosignature(&note, &rig->network, rig->pantry.org,
                                                &rig->pantry.keys.sign, 1795000000, no_signature),
                     ERR_OK);
    lost_restore(lost, true);
    lost_hello_with(lost, &rig->clinic, buffer_view(&note));
    lost_bring_back(lost, (const size_t[]){0, 1, 2});
    lost_expect_whole(lost);
}

static void
test_copies_out_of_place(void **state)
{
    struct lost *lost = *state;
    struct rig *rig = lost->rig;
    lost_forget_frames(lost);
    lost_send(lost, &rig->clinic, lost->n - 2, lost->n, LOST_ALL);
    assert_int_equal(rig_count(rig, &rig->clinic.route), 0); /* nobody asked: passed over */
    lost_restore(lost, true);
    lost_forget_frames(lost);
    lost_send(lost, &rig->clinic, lost->n_kept, lost->n, LOST_ALL);
    rig_expect_only_refused(rig, &rig->clinic.route, ERR_BUSY); /* hello comes first */
    assert_int_equal(rig_status(rig).entries, lost->n_kept);
    rig_hello(rig, &rig->clinic);
    assert_true(rig_take(rig, &rig->clinic.route));
    lost_send(lost, &rig->clinic, 0, lost->n_kept, LOST_ALL); /* known already */
    assert_int_equal(rig_count(rig, &rig->clinic.route), 0);
    assert_int_equal(rig_status(rig).entries, lost->n_kept);
}

/* No room for what comes before its turn: it is asked for again when there is. */
static void
test_no_room(void **state)
{
    struct lost *lost = *state;
    struct rig *rig = lost->rig;
    lost_restore(lost, true);
    rig_hello(rig, &rig->clinic);
    lost_forget_frames(lost);
    rig->broker->recover.n_held = RECOVER_HELD_MAX;
    lost_send(lost, &rig->clinic, lost->n_kept + 2, lost->n_kept + 4, LOST_MORE);
    broker_tend(rig->broker, rig->now);
    assert_int_equal(rig_count(rig, &rig->clinic.route), 0);
    lost_send(lost, &rig->clinic, lost->n_kept, lost->n_kept + 1, LOST_ALL); /* its turn: taken */
    assert_int_equal(rig_status(rig).entries, lost->n_kept + 1);
    rig->broker->recover.n_held = 0;
    broker_tend(rig->broker, rig->now);
    assert_true(rig_take(rig, &rig->clinic.route));
    assert_int_equal(rig->heard.kind, MESSAGE_RECALL);
    assert_int_equal(rig->heard.as.recall.from, lost->n_kept + 2);
    assert_int_equal(rig_count(rig, &rig->clinic.route), 0);
    broker_tend(rig->broker, rig->now);
    assert_int_equal(rig_count(rig, &rig->clinic.route), 0); /* once is enough */

    rig->broker->read_only = true; /* the disk is full, for a while */
    lost_send(lost, &rig->clinic, lost->n_kept + 1, lost->n_kept + 2, LOST_ALL);
    assert_int_equal(rig_status(rig).entries, lost->n_kept + 1);
    broker_tend(rig->broker, rig->now);
    assert_true(rig_take(rig, &rig->clinic.route));
    assert_int_equal(rig->heard.kind, MESSAGE_RECALL);
    assert_int_equal(rig->heard.as.recall.from, lost->n_kept + 1);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_every_order, lost_start, lost_stop),
        cmocka_unit_test_setup_teardown(test_conversation, lost_start, lost_stop),
        cmocka_unit_test_setup_teardown(test_backwards_with_restarts, lost_start, lost_stop),
        cmocka_unit_test_setup_teardown(test_gaps, lost_start, lost_stop),
        cmocka_unit_test_setup_teardown(test_nothing_signed, lost_start, lost_stop),
        cmocka_unit_test_setup_teardown(test_joining, lost_start, lost_stop),
        cmocka_unit_test_setup_teardown(test_found_by_hello, lost_start, lost_stop),
        cmocka_unit_test_setup_teardown(test_nothing_lost, lost_start, lost_stop),
        cmocka_unit_test_setup_teardown(test_goal_raised_late, lost_start, lost_stop),
        cmocka_unit_test_setup_teardown(test_goal_from_copies, lost_start, lost_stop),
        cmocka_unit_test_setup_teardown(test_lies, lost_start, lost_stop),
        cmocka_unit_test_setup_teardown(test_sealed_parts, lost_start, lost_stop),
        cmocka_unit_test_setup_teardown(test_foreign_lines, lost_start, lost_stop),
        cmocka_unit_test_setup_teardown(test_copies_out_of_place, lost_start, lost_stop),
        cmocka_unit_test_setup_teardown(test_no_room, lost_start, lost_stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
