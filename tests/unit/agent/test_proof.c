/* What the agent believes: a checkpoint that is on disk before anything follows from it, and shown
 * in every hello; receipts and entries only with their proofs, which are kept; what has none is
 * unproved, with a reason, and heals; a broker that is being refilled is given copies and what
 * is made already, nothing new. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent/state.h"
#include "tests/unit/agent/fake_rig.h"

enum { CLINIC = 0, PANTRY = 1, STEP_MS = 250 };

static void
pass(struct rig *rig, int64_t span_ms)
{
    int64_t end_ms = rig->now.boot_ms + span_ms;

    while (rig->now.boot_ms < end_ms) {
        for (size_t i = 0; i < rig->fixture.n_members; i++)
            rig_move(rig, i);
        rig->now.boot_ms += STEP_MS;
        rig->now.wall_ms += STEP_MS;
    }
}

static struct fake_rig *
begin(struct loop_id *loop)
{
    struct fake_rig *fake = fake_rig_new(2);

    rig_settle(&fake->rig);
    (void)rig_start(&fake->rig, CLINIC, PANTRY, loop);
    rig_settle(&fake->rig);
    return fake;
}

static struct agent_proof_status
status_of(struct rig *rig, size_t peer)
{
    struct agent_proof_status status;

    agent_get_proof_status(rig->peer[peer].agent, &status);
    return status;
}

static struct agent_link_status
link_of(struct rig *rig, size_t peer)
{
    struct agent_link_status status;

    agent_get_link_status(rig->peer[peer].agent, &status);
    return status;
}

static struct step_view
newest_step(struct rig *rig, size_t peer, const struct loop_id *loop)
{
    static struct rig_steps steps;

    rig_read_steps(rig, peer, loop, &steps);
    return steps.view[steps.n - 1];
}

static void
the_last_checkpoint_is_kept_and_shown(void **state)
{
    struct loop_id loop;
    struct fake_rig *fake = begin(&loop);
    struct rig *rig = &fake->rig;
    struct buffer note = BUFFER_INIT(NOTE_BYTES_MAX);
    struct checkpoint checkpoint;
    struct cosigner cosigners[NOTE_SIGNATURES_MAX];
    char liar[ORG_ID_BYTES];
    size_t n = 0;

    (void)state;
    assert_int_equal(status_of(rig, CLINIC).checkpoint_size, fake->broker.n_log);
    rig_restart(rig, CLINIC);
    struct agent_proof_status status = status_of(rig, CLINIC);
    assert_true(status.has_checkpoint);
    assert_int_equal(status.checkpoint_size, fake->broker.n_log);
    assert_true(status.checkpoint_ms > 1700000000000);
    rig_up(rig, CLINIC);
    rig_move(rig, CLINIC);
    assert_int_equal(fake->broker.shown_size, fake->broker.n_log);
    assert_int_equal(agent_get_checkpoint(rig->peer[CLINIC].agent, &note), ERR_OK);
    assert_int_equal(checkpoint_open(buffer_view(&note), &rig->fixture.network,
                                     &rig->fixture.genesis.broker_log, &checkpoint),
                     ERR_OK);
    assert_int_equal(checkpoint.size, fake->broker.n_log);
    assert_int_equal(checkpoint_cosigners(buffer_view(&note),
                                          agent_directory(rig->peer[CLINIC].agent), cosigners, &n,
                                          liar),
                     ERR_OK);
    assert_int_equal(n, 1);
    assert_string_equal(cosigners[0].org, "maple-clinic");
    buffer_done(&note);
    fake_rig_free(fake);
}

static void
before_the_first_welcome_nothing_is_believed(void **state)
{
    struct fake_rig *fake = fake_rig_new(1);
    struct buffer note = BUFFER_INIT(NOTE_BYTES_MAX);

    (void)state;
    assert_false(status_of(&fake->rig, CLINIC).has_checkpoint);
    assert_int_equal(agent_get_checkpoint(fake->rig.peer[CLINIC].agent, &note), ERR_NOT_FOUND);
    assert_int_equal(agent_settle_alarms(fake->rig.peer[CLINIC].agent, fake->rig.now),
                     ERR_NOT_FOUND);
    fake_rig_free(fake);
}

static bool
is_proved(void *context, const struct step_view *step)
{
    (void)context;
    assert_true(step->proved);
    assert_null(step->unproved);
    return true;
}

static void
proofs_are_kept_with_what_they_prove(void **state)
{
    struct loop_id loop;
    struct fake_rig *fake = begin(&loop);
    struct rig *rig = &fake->rig;

    (void)state;
    (void)rig_say(rig, PANTRY, &loop, EVENT_ACCEPT);
    assert_false(newest_step(rig, PANTRY, &loop).proved);
    rig_settle(rig);
    for (size_t peer = 0; peer < 2; peer++) {
        struct agent *agent = rig->peer[peer].agent;
        struct kv_txn *txn = NULL;
        assert_int_equal(agent_each_step(agent, &loop, is_proved, NULL), ERR_OK);
        assert_int_equal(kv_begin_read(agent->kv, &txn), ERR_OK);
        /* Everything there is concerns both. */
        assert_int_equal(kv_count(txn, TABLE_PROOFS), fake->broker.n_log);
        assert_int_equal(kv_count(txn, TABLE_ORDER), fake->broker.n_log - 5);
        for (uint64_t index = 0; index < fake->broker.n_log; index++) {
            struct bytes inclusion, note;
            uint64_t size = 0;
            assert_int_equal(proof_find(txn, index, &size, &inclusion, &note), ERR_OK);
            assert_true(size > index);
        }
        kv_abort(&txn);
    }
    rig_check_agreement(rig);
    fake_rig_free(fake);
}

/* Ours come back from the log without their sealed part; the copy that is kept has it. */
static void
copies_of_our_own_are_whole(void **state)
{
    struct loop_id loop;
    struct fake_rig *fake = begin(&loop);
    struct rig *rig = &fake->rig;

    (void)state;
    (void)rig_say(rig, CLINIC, &loop, EVENT_NOTE);
    rig_settle(rig);
    fake->broker.swallow_receipts = true;
    (void)rig_say(rig, CLINIC, &loop, EVENT_WITHDRAW);
    rig_settle(rig);
    struct agent *agent = rig->peer[CLINIC].agent;
    for (uint64_t index = 5; index < fake->broker.n_log; index++) {
        struct kv_txn *txn = NULL;
        struct bytes record;
        struct envelope kept, logged;
        uint8_t key[LOG_KEY_BYTES];
        assert_int_equal(kv_begin_read(agent->kv, &txn), ERR_OK);
        assert_int_equal(kv_get(txn, TABLE_LOG, table_log_key(&loop, index, key), &record), ERR_OK);
        assert_int_equal(envelope_decode(bytes_of(record.data + 8, record.len - 8), &kept), ERR_OK);
        assert_int_equal(envelope_decode(buffer_view(&fake->broker.log[index].envelope), &logged),
                         ERR_OK);
        assert_true(bytes_equal(kept.sealed, logged.sealed));
        assert_true(bytes_equal(kept.statement, logged.statement));
        kv_abort(&txn);
    }
    fake_rig_free(fake);
}

/* Sent, not accepted, with the reason; said again, not too often; accepted when it is proved. */
static void
an_unproved_receipt_heals(void **state)
{
    struct loop_id loop;
    struct fake_rig *fake = begin(&loop);
    struct rig *rig = &fake->rig;

    (void)state;
    fake->broker.strip_inclusion = true;
    (void)rig_say(rig, CLINIC, &loop, EVENT_NOTE);
    size_t submitted = fake->broker.n_submitted;
    pass(rig, 300 * 1000);
    assert_in_range(fake->broker.n_submitted - submitted, 3, 30);
    for (unsigned i = 0; i < 2; i++) {
        struct step_view step = newest_step(rig, CLINIC, &loop);
        assert_int_equal(step.stage, STAGE_SENT);
        assert_string_equal(step.unproved, proof_reason_words(PROOF_NO_ENTRY));
        assert_false(step.proved);
        assert_int_equal(status_of(rig, CLINIC).n_unproved, 1);
        assert_int_equal(status_of(rig, CLINIC).n_alarms, 0);
        assert_int_equal(agent_check_store(rig->peer[CLINIC].agent, NULL), ERR_OK);
        rig_restart(rig, CLINIC);
    }
    assert_int_equal(newest_step(rig, PANTRY, &loop).event, EVENT_REQUEST); /* not taken either */
    fake->broker.strip_inclusion = false;
    rig_settle(rig);
    struct step_view step = newest_step(rig, CLINIC, &loop);
    assert_int_equal(step.stage, STAGE_DELIVERED);
    assert_true(step.proved);
    assert_null(step.unproved);
    assert_int_equal(status_of(rig, CLINIC).n_unproved, 0);
    fake_rig_free(fake);
}

/* A head without its proof is asked for again from exactly the checkpoint we have. */
static void
an_unproved_head_is_asked_for_again(void **state)
{
    struct loop_id loop;
    struct fake_rig *fake = begin(&loop);
    struct rig *rig = &fake->rig;

    (void)state;
    uint64_t size = status_of(rig, CLINIC).checkpoint_size;
    fake->broker.strip_consistency = true;
    (void)rig_say(rig, CLINIC, &loop, EVENT_NOTE);
    size_t hellos = fake->broker.n_hellos;
    pass(rig, 60 * 1000);
    assert_string_equal(newest_step(rig, CLINIC, &loop).unproved,
                        proof_reason_words(PROOF_HEAD_UNPROVED));
    assert_int_equal(status_of(rig, CLINIC).checkpoint_size, size);
    assert_int_equal(fake->broker.shown_size, size);
    assert_in_range(fake->broker.n_hellos - hellos, 4, 2 * 62);
    assert_false(link_of(rig, CLINIC).ready);
    assert_non_null(link_of(rig, CLINIC).unproved);
    assert_int_equal(status_of(rig, CLINIC).n_alarms, 0);
    fake->broker.strip_consistency = false;
    rig_settle(rig);
    assert_int_equal(newest_step(rig, CLINIC, &loop).stage, STAGE_DELIVERED);
    assert_int_equal(link_of(rig, CLINIC).refused, ERR_OK);
    assert_null(link_of(rig, CLINIC).unproved);
    rig_check_agreement(rig);
    fake_rig_free(fake);
}

/* As a broker's that began to be refilled: its welcome tells more. */
static void
a_pong_without_a_head_leads_to_a_hello(void **state)
{
    struct loop_id loop;
    struct fake_rig *fake = begin(&loop);
    struct rig *rig = &fake->rig;

    (void)state;
    fake->broker.strip_head = true;
    rig_down(rig, PANTRY);
    size_t hellos = fake->broker.n_hellos;
    for (unsigned i = 0; i < 40 && link_of(rig, CLINIC).unproved == NULL; i++)
        pass(rig, STEP_MS);
    assert_string_equal(link_of(rig, CLINIC).unproved, proof_reason_words(PROOF_NO_HEAD));
    pass(rig, 1500);
    assert_int_equal(fake->broker.n_hellos, hellos + 1);
    fake->broker.strip_head = false;
    rig_settle(rig);
    assert_null(link_of(rig, CLINIC).unproved);
    fake_rig_free(fake);
}

/* Frames that the broker dropped leave a gap between the head we have and the one told next. */
static void
a_lost_frame_is_no_lie(void **state)
{
    struct loop_id loop;
    struct fake_rig *fake = begin(&loop);
    struct rig *rig = &fake->rig;
    struct buffer frame;

    (void)state;
    (void)rig_say(rig, PANTRY, &loop, EVENT_ACCEPT);
    rig_down(rig, CLINIC);
    rig->peer[CLINIC].up = true; /* the agent knows nothing of it */
    agent_link_up(rig->peer[CLINIC].agent, rig->now);
    fake_drop(&fake->broker, CLINIC);
    rig_move(rig, CLINIC);
    rig_move(rig, PANTRY);
    while (fake_take(&fake->broker, CLINIC, &frame))
        buffer_done(&frame);
    rig_settle(rig);
    assert_int_equal(status_of(rig, CLINIC).n_alarms, 0);
    rig_check_agreement(rig);
    fake_rig_free(fake);
}

static void
a_refilled_broker_is_given_copies_only(void **state)
{
    struct loop_id loop;
    struct fake_rig *fake = begin(&loop);
    struct rig *rig = &fake->rig;

    (void)state;
    fake->broker.recall_from = 4;
    rig_down(rig, PANTRY);
    rig_up(rig, CLINIC);
    (void)rig_say(rig, CLINIC, &loop, EVENT_NOTE);
    size_t submitted = fake->broker.n_submitted;
    size_t hellos = fake->broker.n_hellos;
    pass(rig, 30 * 1000);
    struct agent_proof_status status = status_of(rig, CLINIC);
    assert_true(status.broker_recovering);
    assert_int_equal(status.recall_from, 4);
    assert_int_equal(status.n_alarms, 0);
    assert_false(link_of(rig, CLINIC).ready);
    assert_int_equal(link_of(rig, CLINIC).refused, ERR_OK);
    assert_int_equal(fake->broker.n_submitted, submitted);
    assert_int_equal(fake->broker.n_recalls, 1);
    assert_int_equal(fake->broker.n_copies, 3); /* the last join, the request, its confirmation */
    /* Pings keep the connection: there was no doubt about it, and no second hello. */
    assert_in_range(fake->broker.n_hellos - hellos, 1, 2);
    assert_int_equal(newest_step(rig, CLINIC, &loop).stage, STAGE_QUEUED);
    fake->broker.recall_from = 0;
    rig_settle(rig);
    assert_false(status_of(rig, CLINIC).broker_recovering);
    assert_int_equal(newest_step(rig, CLINIC, &loop).stage, STAGE_DELIVERED);
    rig_check_agreement(rig);
    fake_rig_free(fake);
}

/* The next SUBMIT within a while, with one envelope, which is what the oldest row holds. */
static bool
says_oldest_row(struct rig *rig, const struct digest *id)
{
    static struct message message;
    struct agent *agent = rig->peer[CLINIC].agent;
    struct buffer frame = BUFFER_INIT(LIMIT_FRAME_BYTES);
    struct kv_txn *txn = NULL;
    struct bytes stored;
    bool said = false, none = false;

    for (int i = 0; i < 100 && !said; i++, rig->now.boot_ms += STEP_MS) {
        assert_int_equal(agent_next_frame(agent, rig->now, &frame, &none), ERR_OK);
        said = !none && message_decode(buffer_view(&frame), &message) == ERR_OK &&
               message.kind == MESSAGE_SUBMIT;
    }
    if (said) {
        assert_int_equal(message.as.submit.n, 1);
        assert_true(agent->outbox.first->made);
        assert_true(digest_equal(&agent->outbox.first->id, id));
        assert_int_equal(kv_begin_read(agent->kv, &txn), ERR_OK);
        assert_int_equal(outbox_envelope(txn, agent->outbox.first, &stored), ERR_OK);
        assert_true(bytes_equal(message.as.submit.envelopes[0], stored));
        kv_abort(&txn);
    }
    buffer_done(&frame);
    return said;
}

/* It may be in the log, with nobody who knows where. What is not made stays as it is. */
static void
what_is_made_is_said_again_to_a_refilled_broker(void **state)
{
    static const enum err codes[] = {ERR_BUSY, ERR_SEQUENCE, ERR_READER_KEY, ERR_MALFORMED};
    struct loop_id loop, other;
    struct fake_rig *fake = begin(&loop);
    struct rig *rig = &fake->rig;
    struct fake_broker *broker = &fake->broker;
    struct agent *agent = rig->peer[CLINIC].agent;

    (void)state;
    broker->refuse_next = ERR_BUSY;
    broker->refuse_retry_ms = 1000;
    broker->n_refuse_next = SIZE_MAX;
    (void)rig_say(rig, CLINIC, &loop, EVENT_NOTE);
    pass(rig, 3000);
    struct digest id = agent->outbox.first->id;
    assert_true(agent->outbox.first->made);
    rig_down(rig, CLINIC);
    rig_down(rig, PANTRY);
    (void)rig_start(rig, CLINIC, PANTRY, &other);
    broker->recall_from = 4;
    rig_up(rig, CLINIC);
    size_t submitted = broker->n_submitted;
    for (size_t i = 0; i < ARRAY_LEN(codes); i++) {
        broker->refuse_next = codes[i];
        pass(rig, 20 * 1000);
        assert_true(status_of(rig, CLINIC).broker_recovering);
        assert_true(agent->outbox.first->made);
        assert_true(digest_equal(&agent->outbox.first->id, &id));
        assert_false(agent->outbox.last->made);
    }
    assert_true(broker->n_submitted > submitted);
    assert_true(broker->n_copies > 0);
    rig_down(rig, CLINIC);
    broker->refuse_next = ERR_BUSY;
    rig_up(rig, CLINIC);
    rig_move(rig, CLINIC);
    rig_move(rig, CLINIC);
    rig_move(rig, CLINIC);
    assert_true(status_of(rig, CLINIC).broker_recovering);
    agent->outbox.retry_ms = 0;
    outbox_mark_all_unsent(&agent->outbox);
    assert_true(says_oldest_row(rig, &id));
    agent->proof.stopped = true; /* as after an alarm */
    outbox_mark_all_unsent(&agent->outbox);
    assert_false(says_oldest_row(rig, &id));
    agent->proof.stopped = false;

    broker->n_refuse_next = 0;
    broker->recall_from = 0;
    rig_down(rig, CLINIC);
    rig_settle(rig);
    assert_null(agent->outbox.first);
    rig_check_agreement(rig);
    fake_rig_free(fake);
}

/* Somebody else has shown it more than it has while we were connected. */
static void
a_recall_in_the_middle_is_heard(void **state)
{
    static struct message message;
    struct loop_id loop;
    struct fake_rig *fake = begin(&loop);
    struct rig *rig = &fake->rig;
    struct buffer frame = BUFFER_INIT(LIMIT_FRAME_BYTES);

    (void)state;
    fake->broker.recall_from = 6;
    rig_down(rig, PANTRY);
    message.kind = MESSAGE_RECALL;
    message.as.recall.from = 6;
    assert_int_equal(message_encode(&message, &frame), ERR_OK);
    assert_int_equal(agent_receive(rig->peer[CLINIC].agent, buffer_view(&frame), rig->now), ERR_OK);
    buffer_done(&frame);
    assert_true(status_of(rig, CLINIC).broker_recovering);
    pass(rig, 3000);
    assert_int_equal(fake->broker.n_copies, 1);
    fake->broker.recall_from = 0;
    rig_settle(rig);
    assert_true(link_of(rig, CLINIC).ready);
    fake_rig_free(fake);
}

/* Other traffic keeps the link alive; only a pong tells what others have cosigned. */
static void
cosignatures_are_looked_for_in_time(void **state)
{
    struct loop_id loop;
    struct fake_rig *fake = begin(&loop);
    struct rig *rig = &fake->rig;

    (void)state;
    for (size_t i = 0; i < 2; i++)
        rig->peer[i].agent->options.ping_ms = 3600 * 1000;
    pass(rig, 1000);
    size_t before = fake->broker.n_pings;
    pass(rig, 60 * 1000);
    assert_int_equal(fake->broker.n_pings, before);
    rig->peer[CLINIC].agent->options.witness_ms = 10000;
    pass(rig, 60 * 1000);
    assert_in_range(fake->broker.n_pings - before, 5, 7);
    fake_rig_free(fake);
}

static enum err
forget_proofs(struct unit *unit, void *context)
{
    static const char *const words[] = {"checkpoint", "born", "latest"};
    static const enum table tables[] = {TABLE_ORDER, TABLE_PROOFS, TABLE_NOTES};
    enum err err = ERR_OK;

    (void)context;
    for (size_t i = 0; err == ERR_OK && i < ARRAY_LEN(words); i++)
        err = unit_delete(unit, TABLE_META, bytes_of_text(words[i]));
    for (size_t i = 0; err == ERR_OK && i < ARRAY_LEN(tables); i++)
        err = kv_clear(unit->txn, tables[i]);
    return err;
}

static void
a_store_from_before_goes_on(void **state)
{
    struct loop_id loop;
    struct fake_rig *fake = begin(&loop);
    struct rig *rig = &fake->rig;
    uint64_t cursor = link_of(rig, CLINIC).cursor;

    (void)state;
    rig_down(rig, CLINIC);
    assert_int_equal(unit_run(rig->peer[CLINIC].agent, rig->now, forget_proofs, NULL), ERR_OK);
    rig_restart(rig, CLINIC);
    assert_int_equal(rig->peer[CLINIC].agent->born_at, cursor);
    assert_int_equal(rig->peer[CLINIC].agent->proved_from, cursor);
    assert_false(newest_step(rig, CLINIC, &loop).proved);
    (void)rig_say(rig, PANTRY, &loop, EVENT_ACCEPT);
    (void)rig_say(rig, CLINIC, &loop, EVENT_NOTE);
    rig_settle(rig);
    assert_true(newest_step(rig, CLINIC, &loop).proved);
    assert_int_equal(status_of(rig, CLINIC).n_alarms, 0);
    rig_check_agreement(rig);
    rig_restart(rig, CLINIC);
    assert_int_equal(rig->peer[CLINIC].agent->born_at, cursor);
    fake_rig_free(fake);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_last_checkpoint_is_kept_and_shown),
        cmocka_unit_test(before_the_first_welcome_nothing_is_believed),
        cmocka_unit_test(proofs_are_kept_with_what_they_prove),
        cmocka_unit_test(copies_of_our_own_are_whole),
        cmocka_unit_test(an_unproved_receipt_heals),
        cmocka_unit_test(an_unproved_head_is_asked_for_again),
        cmocka_unit_test(a_pong_without_a_head_leads_to_a_hello),
        cmocka_unit_test(a_lost_frame_is_no_lie),
        cmocka_unit_test(a_refilled_broker_is_given_copies_only),
        cmocka_unit_test(what_is_made_is_said_again_to_a_refilled_broker),
        cmocka_unit_test(a_recall_in_the_middle_is_heard),
        cmocka_unit_test(cosignatures_are_looked_for_in_time),
        cmocka_unit_test(a_store_from_before_goes_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
