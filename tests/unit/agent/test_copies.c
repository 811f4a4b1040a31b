/* What a restored broker is given back: everything a member holds, in order, each proved. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent/copies.h"
#include "agent/state.h"
#include "tests/unit/agent/notary.h"

enum { CLINIC = 0, PANTRY = 1, SHELTER = 2 };

static struct fake_rig *
begin(unsigned n_loops)
{
    struct fake_rig *fake = fake_rig_new(3);
    struct rig *rig = &fake->rig;
    struct loop_id loop;

    rig_settle(rig);
    for (unsigned i = 0; i < n_loops; i++) {
        (void)rig_start(rig, CLINIC, PANTRY, &loop);
        (void)rig_start(rig, PANTRY, SHELTER, &loop); /* not the clinic's to know */
    }
    rig_settle(rig);
    return fake;
}

/* The next frame of copies, checked against the log; returns how many, and the index behind them.
 */
static size_t
take(struct fake_rig *fake, uint64_t *next, bool *more)
{
    static struct message message;
    const struct message_copies *copies = &message.as.copies;
    const struct fixture *fixture = &fake->rig.fixture;
    struct agent *agent = fake->rig.peer[CLINIC].agent;
    struct buffer frame = BUFFER_INIT(LIMIT_FRAME_BYTES);
    bool none = true;

    copies_on_asked(agent, *next);
    assert_int_equal(copies_next_frame(agent, &frame, &none), ERR_OK);
    assert_false(none);
    assert_int_equal(message_decode(buffer_view(&frame), &message), ERR_OK);
    assert_int_equal(message.kind, MESSAGE_COPIES);
    for (size_t i = 0; i < copies->n; i++) {
        const struct message_copy *copy = &copies->copies[i];
        struct envelope envelope, logged;
        struct checkpoint checkpoint;
        struct merkle_hash leaf;
        struct proof proof;
        assert_true(copy->index >= *next && copy->index < fake->broker.n_log);
        *next = copy->index + 1;
        assert_int_equal(copy->log_time_ms, fake->broker.log[copy->index].log_time_ms);
        assert_int_equal(envelope_decode(copy->envelope, &envelope), ERR_OK);
        assert_int_equal(
            envelope_decode(buffer_view(&fake->broker.log[copy->index].envelope), &logged), ERR_OK);
        assert_true(bytes_equal(envelope.statement, logged.statement));
        assert_true(bytes_equal(envelope.sealed, logged.sealed)); /* ours and theirs, whole */
        assert_int_equal(checkpoint_open(copy->checkpoint, &fixture->network,
                                         &fixture->genesis.broker_log, &checkpoint),
                         ERR_OK);
        assert_int_equal(envelope_log_leaf(&envelope, copy->log_time_ms, &leaf), ERR_OK);
        assert_int_equal(proof_of_bytes(copy->inclusion, &proof), ERR_OK);
        assert_int_equal(
            proof_check_inclusion(&leaf, copy->index, checkpoint.size, &proof, &checkpoint.root),
            ERR_OK);
    }
    *more = copies->more;
    buffer_done(&frame);
    assert_int_equal(copies_next_frame(agent, &frame, &none), ERR_OK);
    assert_true(none); /* one answer to one question */
    return copies->n;
}

static size_t
n_concerning(const struct fake_rig *fake, size_t from)
{
    size_t n = 0;

    for (size_t i = from; i < fake->broker.n_log; i++) {
        const struct fake_entry *entry = &fake->broker.log[i];
        n += entry->reader[0] == '\0' || strcmp(entry->author, fixture_orgs[CLINIC]) == 0 ||
             strcmp(entry->reader, fixture_orgs[CLINIC]) == 0;
    }
    return n;
}

static void
everything_held_is_given_back(void **state)
{
    struct fake_rig *fake = begin(3);
    uint64_t next = 0;
    bool more = true;

    (void)state;
    assert_int_equal(take(fake, &next, &more), n_concerning(fake, 0));
    assert_false(more);
    next = 5;
    assert_int_equal(take(fake, &next, &more), n_concerning(fake, 5));
    next = fake->broker.n_log;
    assert_int_equal(take(fake, &next, &more), 0); /* nothing is an answer too */
    assert_false(more);
    fake_rig_free(fake);
}

static void
many_go_in_several_frames(void **state)
{
    struct fake_rig *fake = begin(80);
    uint64_t next = 0;
    bool more = true;
    size_t n = 0, n_frames = 0;

    (void)state;
    while (more) {
        size_t taken = take(fake, &next, &more);
        assert_true(taken > 0 && taken <= LIMIT_COPIES_PER_FRAME);
        n += taken;
        n_frames++;
    }
    assert_true(n_frames > 1);
    assert_int_equal(n, n_concerning(fake, 0));
    fake_rig_free(fake);
}

static void
large_ones_go_alone(void **state)
{
    enum { LARGE = 3, BODY_BYTES = 150 * 1024 };
    struct fake_rig *fake = begin(1);
    struct rig *rig = &fake->rig;
    char *text = calloc(1, BODY_BYTES);
    const struct agent_content content = {.facts = bytes_of_text("{}"),
                                          .body = bytes_of(text, BODY_BYTES)};
    struct loop_id loop;
    uint64_t next = 0;
    bool more = true;
    size_t n = 0, n_frames = 0;

    (void)state;
    for (unsigned i = 0; i < LARGE; i++)
        assert_int_equal(agent_start_loop(rig->peer[CLINIC].agent, fixture_orgs[PANTRY],
                                          PRIORITY_ROUTINE, 0, &content, rig->now, &loop,
                                          &rig->complaint),
                         ERR_OK);
    rig_settle(rig);
    while (more) {
        n += take(fake, &next, &more);
        n_frames++;
    }
    assert_true(n_frames >= LARGE);
    assert_int_equal(n, n_concerning(fake, 0));
    free(text);
    fake_rig_free(fake);
}

static enum err
forget_proof(struct unit *unit, void *context)
{
    uint8_t key[8];

    return unit_delete(unit, TABLE_PROOFS, kv_key_u64(*(const uint64_t *)context, key));
}

static void
what_has_no_proof_is_left_out(void **state)
{
    struct fake_rig *fake = begin(1);
    struct agent *agent = fake->rig.peer[CLINIC].agent;
    uint64_t next = 0, forgotten = 2;
    bool more = true;

    (void)state;
    assert_int_equal(unit_run(agent, fake->rig.now, forget_proof, &forgotten), ERR_OK);
    assert_int_equal(take(fake, &next, &more), n_concerning(fake, 0) - 1);
    assert_false(more);
    fake_rig_free(fake);
}

static void
it_answers_recall_while_there_is_a_session(void **state)
{
    struct fake_rig *fake = begin(0);
    struct agent *agent = fake->rig.peer[CLINIC].agent;
    struct message *message = calloc(1, sizeof(*message));
    struct buffer frame = BUFFER_INIT(LIMIT_FRAME_BYTES);
    bool none = false;

    (void)state;
    message->kind = MESSAGE_RECALL;
    message->as.recall.from = 3;
    assert_int_equal(copies_next_frame(agent, &frame, &none), ERR_OK);
    assert_true(none);
    agent->session.ready = false;
    assert_int_equal(copies_on_recall(agent, message, fake->rig.now), ERR_OK);
    assert_false(agent->copies.asked);
    agent->session.ready = true;
    assert_int_equal(copies_on_recall(agent, message, fake->rig.now), ERR_OK);
    assert_true(agent->copies.asked);
    assert_int_equal(agent->copies.from, 3);
    buffer_done(&frame);
    free(message);
    fake_rig_free(fake);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything_held_is_given_back),
        cmocka_unit_test(many_go_in_several_frames),
        cmocka_unit_test(large_ones_go_alone),
        cmocka_unit_test(what_has_no_proof_is_left_out),
        cmocka_unit_test(it_answers_recall_while_there_is_a_session),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
