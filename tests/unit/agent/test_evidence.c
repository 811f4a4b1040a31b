/* Evidence of one loop: all of it proved in one checkpoint when the broker can be asked, with what
 * is at hand otherwise; and a file that an outsider finds true. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent/evidence.h"
#include "agent/rotate.h"
#include "agent/state.h"
#include "agent/witness.h"
#include "lib/proof/evidence.h"
#include "tests/unit/agent/notary.h"

enum { CLINIC = 0, PANTRY = 1, SHELTER = 2 };

struct scene {
    struct fake_rig *fake;
    struct agent *agent; /* of the clinic */
    struct loop_id loop;
    struct notary notary;
    size_t end_of_loop; /* entries of the log when the loop was done */
};

static struct scene
begin(unsigned n_notes)
{
    struct scene scene = {.fake = fake_rig_new(3)};
    struct rig *rig = &scene.fake->rig;
    struct loop_id other;

    rig_settle(rig);
    (void)rig_start(rig, CLINIC, PANTRY, &scene.loop);
    rig_settle(rig);
    (void)rig_say(rig, PANTRY, &scene.loop, EVENT_ACCEPT);
    rig_settle(rig);
    for (unsigned i = 0; i < n_notes; i++)
        (void)rig_say(rig, CLINIC, &scene.loop, EVENT_NOTE);
    rig_settle(rig);
    scene.end_of_loop = scene.fake->broker.n_log;
    (void)rig_start(rig, CLINIC, SHELTER, &other); /* the log goes on */
    rig_settle(rig);
    scene.agent = rig->peer[CLINIC].agent;
    notary_init(&scene.notary, &scene.fake->broker, false);
    notary_convince(&scene.notary, scene.agent, scene.notary.n);
    return scene;
}

static void
scene_done(struct scene *scene)
{
    notary_done(&scene->notary);
    fake_rig_free(scene->fake);
}

static bool
want(struct scene *scene)
{
    bool ready = false;

    assert_int_equal(agent_want_proofs(scene->agent, &scene->loop, scene->fake->rig.now, &ready),
                     ERR_OK);
    return ready;
}

/* What the broker would say to a question; `spoil` changes one hash of it. */
static void
deliver(struct scene *scene, const struct message_prove *asked, bool spoil)
{
    struct message *message = calloc(1, sizeof(*message));
    struct message_proofs *proofs = &message->as.proofs;
    struct proof *space = calloc(LIMIT_PROOFS_PER_FRAME, sizeof(*space));

    message->kind = MESSAGE_PROOFS;
    proofs->size = asked->size;
    proofs->n = asked->n;
    for (size_t i = 0; i < asked->n; i++) {
        proofs->indexes[i] = asked->indexes[i];
        notary_inclusion(&scene->notary, asked->indexes[i], asked->size, &space[i]);
        proofs->inclusions[i] = proof_bytes(&space[i]);
    }
    if (spoil)
        space[asked->n - 1].hashes[0].bytes[7] ^= 1;
    assert_int_equal(evidence_on_proofs(scene->agent, message, scene->fake->rig.now), ERR_OK);
    free(space);
    free(message);
}

static void
answer(struct scene *scene, bool spoil)
{
    assert_true(evidence_next_word(scene->agent, scene->fake->rig.now));
    assert_int_equal(scene->agent->out.kind, MESSAGE_PROVE);
    assert_false(evidence_next_word(scene->agent, scene->fake->rig.now));
    deliver(scene, &scene->agent->out.as.prove, spoil);
}

static bool
is_of_loop(const struct scene *scene, uint64_t index)
{
    struct envelope envelope;
    struct statement statement;

    assert_int_equal(
        envelope_decode(buffer_view(&scene->fake->broker.log[index].envelope), &envelope), ERR_OK);
    assert_int_equal(statement_decode(envelope.statement, &statement), ERR_OK);
    return statement.kind == STATEMENT_LOOP &&
           memcmp(&statement.as.loop.loop, &scene->loop, sizeof(scene->loop)) == 0;
}

/* How many entries of the loop, and keys of its two sides, are proved in a checkpoint of `size`. */
static size_t
n_proved_in(const struct scene *scene, uint64_t size)
{
    struct kv_txn *txn = NULL;
    size_t n = 0;

    assert_int_equal(kv_begin_read(scene->agent->kv, &txn), ERR_OK);
    for (uint64_t i = 0; i < scene->end_of_loop; i++) {
        struct bytes inclusion, note;
        uint64_t proved = 0;
        bool of_loop = i < 5 || is_of_loop(scene, i); /* genesis, two invites, two joins */
        if (of_loop && proof_find(txn, i, &proved, &inclusion, &note) == ERR_OK)
            n += proved == size;
    }
    kv_abort(&txn);
    return n;
}

static size_t
n_entries(const struct scene *scene)
{
    size_t n = 5;

    for (uint64_t i = 5; i < scene->end_of_loop; i++)
        n += is_of_loop(scene, i);
    return n;
}

static size_t
n_in_file(const struct buffer *file)
{
    const size_t head = strlen(EVIDENCE_MAGIC);
    struct evidence_parts parts;

    assert_int_equal(
        evidence_parts_decode(bytes_of(file->data + head, file->len - head - 32), &parts), ERR_OK);
    size_t n = parts.n_entries;
    for (size_t i = 0; i < n; i++) {
        struct envelope envelope;
        assert_int_equal(envelope_decode(parts.entries[i].envelope, &envelope), ERR_OK);
        assert_int_equal(envelope.sealed.len, 0); /* nobody's, even closed, without a reason */
    }
    evidence_parts_done(&parts);
    return n;
}

static void
the_broker_proves_all_of_it_at_once(void **state)
{
    struct scene scene = begin(0);

    (void)state;
    assert_false(want(&scene));
    assert_false(want(&scene)); /* asked once */
    answer(&scene, false);
    assert_int_equal(n_proved_in(&scene, scene.notary.n), n_entries(&scene));
    assert_true(want(&scene));
    assert_false(evidence_next_word(scene.agent, scene.fake->rig.now));
    scene_done(&scene);
}

static void
a_long_loop_takes_several_questions(void **state)
{
    struct scene scene = begin(50);
    size_t size = scene.notary.n;

    (void)state;
    assert_true(n_entries(&scene) > LIMIT_PROOFS_PER_FRAME);
    assert_false(want(&scene));
    answer(&scene, false);
    /* The log goes on in between: the question stays with its checkpoint. */
    struct loop_id other;
    (void)rig_start(&scene.fake->rig, CLINIC, SHELTER, &other);
    for (unsigned i = 0; i < 5; i++)
        rig_move(&scene.fake->rig, CLINIC);
    notary_done(&scene.notary);
    notary_init(&scene.notary, &scene.fake->broker, false);
    assert_true(scene.notary.n > size);
    notary_convince(&scene.notary, scene.agent, scene.notary.n);
    assert_false(want(&scene));
    answer(&scene, false);
    assert_true(want(&scene));
    assert_int_equal(n_proved_in(&scene, size), n_entries(&scene));
    scene_done(&scene);
}

static void
what_others_vouch_for_is_asked_for_first(void **state)
{
    struct scene scene = begin(0);
    struct buffer note = BUFFER_INIT(NOTE_BYTES_MAX);
    struct buffer file = BUFFER_INIT(EVIDENCE_BYTES_MAX);
    struct complaint complaint = {""};
    struct proof consistency;
    struct evidence_reading reading;

    (void)state;
    scene.agent->options.witnesses_wanted = 1;
    notary_sign(&scene.notary, scene.end_of_loop, &note);
    notary_cosign(&scene.notary, &note, PANTRY, 1700000001);
    notary_cosign(&scene.notary, &note, SHELTER, 1700000002);
    notary_consistency(&scene.notary, scene.end_of_loop, scene.notary.n, &consistency);
    const struct message_witnessed told = {.present = true,
                                           .checkpoint = buffer_view(&note),
                                           .consistency = proof_bytes(&consistency)};
    assert_int_equal(witness_on_told(scene.agent, &told, scene.fake->rig.now), ERR_OK);
    assert_false(want(&scene));
    assert_int_equal(scene.agent->prove.word.size, scene.end_of_loop);
    answer(&scene, false);
    assert_true(want(&scene));
    assert_int_equal(n_proved_in(&scene, scene.end_of_loop), n_entries(&scene));
    assert_int_equal(agent_evidence(scene.agent, &scene.loop, false, &file, &complaint), ERR_OK);
    assert_int_equal(
        evidence_read(buffer_view(&file), &scene.fake->rig.fixture.network, &reading, &complaint),
        ERR_OK);
    assert_int_equal(reading.size, scene.end_of_loop);
    assert_int_equal(reading.n_cosigners, 2);
    assert_int_equal(n_in_file(&file), n_entries(&scene) + 2); /* the shelter's keys go along */
    evidence_reading_done(&reading);
    buffer_done(&file);
    buffer_done(&note);
    scene_done(&scene);
}

static void
a_wrong_answer_is_none(void **state)
{
    struct scene scene = begin(0);
    struct agent_link_status before, after;

    (void)state;
    agent_get_link_status(scene.agent, &before);
    assert_false(want(&scene));
    deliver(&scene, &scene.agent->prove.word, true); /* before it was asked: passed over */
    agent_get_link_status(scene.agent, &after);
    assert_int_equal(after.bad_frames, before.bad_frames);
    answer(&scene, true);
    agent_get_link_status(scene.agent, &after);
    assert_int_equal(after.bad_frames, before.bad_frames + 1);
    assert_true(n_proved_in(&scene, scene.notary.n) < n_entries(&scene));
    assert_false(want(&scene));
    scene.fake->rig.now.boot_ms += 5000;
    assert_true(want(&scene)); /* what is at hand must do */
    scene_done(&scene);
}

static void
nobody_waits_for_ever(void **state)
{
    struct scene scene = begin(0);

    (void)state;
    assert_false(want(&scene));
    assert_true(evidence_next_word(scene.agent, scene.fake->rig.now));
    scene.fake->rig.now.boot_ms += 4999;
    assert_false(want(&scene));
    scene.fake->rig.now.boot_ms += 1;
    assert_true(want(&scene));
    rig_down(&scene.fake->rig, CLINIC);
    scene.fake->rig.now.boot_ms += 60000;
    assert_true(want(&scene)); /* at once: there is nobody to ask */
    struct loop_id unknown = {{1}};
    bool ready = false;
    assert_int_equal(agent_want_proofs(scene.agent, &unknown, scene.fake->rig.now, &ready),
                     ERR_UNKNOWN_LOOP);
    scene_done(&scene);
}

/* ---- the file ---- */

static void
an_outsider_finds_it_true(void **state)
{
    struct scene scene = begin(2);
    struct buffer file = BUFFER_INIT(EVIDENCE_BYTES_MAX);
    struct complaint complaint = {""};
    struct evidence_reading reading;
    const struct network_id *root = &scene.fake->rig.fixture.network;

    (void)state;
    if (agent_evidence(scene.agent, &scene.loop, false, &file, &complaint) != ERR_OK)
        fail_msg("%s", complaint.text);
    if (evidence_read(buffer_view(&file), root, &reading, &complaint) != ERR_OK)
        fail_msg("%s", complaint.text);
    assert_string_equal(reading.org[LOOP_SOURCE], "maple-clinic");
    assert_string_equal(reading.org[LOOP_TARGET], "elm-pantry");
    assert_int_equal(reading.state, LOOP_ACCEPTED);
    assert_int_equal(reading.n_steps, n_entries(&scene) - 5);
    for (size_t i = 0; i < reading.n_steps; i++) {
        assert_int_equal(reading.steps[i].body.len, 0);
        assert_int_equal(reading.steps[i].facts.len, 0);
    }
    evidence_reading_done(&reading);
    buffer_done(&file);
    scene_done(&scene);
}

/* A change of keys after the loop's last step belongs in when the checkpoint knows of it. */
static void
keys_belong_in_as_far_as_the_checkpoint_goes(void **state)
{
    struct scene scene = begin(0);
    struct rig *rig = &scene.fake->rig;
    struct buffer before = BUFFER_INIT(EVIDENCE_BYTES_MAX), after = BUFFER_INIT(EVIDENCE_BYTES_MAX);
    struct complaint complaint = {""};
    struct buffer revoke;

    (void)state;
    assert_false(want(&scene));
    answer(&scene, false);
    fixture_revoke(&rig->fixture, PANTRY, &revoke);
    fake_log(&scene.fake->broker, buffer_view(&revoke));
    buffer_done(&revoke);
    rig_up(rig, CLINIC);
    for (unsigned i = 0; i < 8; i++)
        rig_move(rig, CLINIC);
    assert_int_equal(directory_find(scene.agent->directory, fixture_orgs[PANTRY])->state,
                     MEMBER_REVOKED);
    assert_int_equal(agent_evidence(scene.agent, &scene.loop, false, &before, &complaint), ERR_OK);
    assert_int_equal(n_in_file(&before), n_entries(&scene));
    notary_done(&scene.notary);
    notary_init(&scene.notary, &scene.fake->broker, false);
    rig->now.boot_ms += 5000;
    scene.agent->proof.witnessed_size = scene.notary.n; /* a reason to ask again */
    notary_convince(&scene.notary, scene.agent, scene.notary.n);
    assert_false(want(&scene));
    answer(&scene, false);
    assert_int_equal(agent_evidence(scene.agent, &scene.loop, false, &after, &complaint), ERR_OK);
    assert_int_equal(n_in_file(&after), n_entries(&scene) + 1);
    buffer_done(&before);
    buffer_done(&after);
    scene_done(&scene);
}

static void
contents_are_shown_on_purpose_under_all_our_keys(void **state)
{
    struct scene scene = begin(0);
    struct rig *rig = &scene.fake->rig;
    struct identity *identity = &rig->fixture.member[CLINIC].identity;
    struct buffer file = BUFFER_INIT(EVIDENCE_BYTES_MAX);
    struct buffer envelope = BUFFER_INIT(LIMIT_ENVELOPE_BYTES);
    struct complaint complaint = {""};
    struct evidence_reading reading;
    size_t n_shown = 0;

    (void)state;
    identity->joined = true;
    assert_int_equal(rotate_begin(identity, rig->now.wall_ms), ERR_OK);
    assert_int_equal(rotate_envelope(identity, &envelope), ERR_OK);
    fake_log(&scene.fake->broker, buffer_view(&envelope));
    rig_down(rig, CLINIC);
    rotate_finish(identity);
    rig_restart(rig, CLINIC);
    rig_settle(rig);
    (void)rig_say(rig, PANTRY, &scene.loop, EVENT_NOTE);
    (void)rig_say(rig, CLINIC, &scene.loop, EVENT_NOTE);
    rig_settle(rig);
    scene.agent = rig->peer[CLINIC].agent;
    if (agent_evidence(scene.agent, &scene.loop, true, &file, &complaint) != ERR_OK)
        fail_msg("%s", complaint.text);
    if (evidence_read(buffer_view(&file), &rig->fixture.network, &reading, &complaint) != ERR_OK)
        fail_msg("%s", complaint.text);
    for (size_t i = 0; i < reading.n_steps; i++) {
        if (reading.steps[i].event == EVENT_DELIVERED)
            continue;
        n_shown++;
        assert_true(reading.steps[i].body.len > strlen("serial="));
        assert_memory_equal(reading.steps[i].body.data, "serial=", strlen("serial="));
        assert_true(bytes_equal(reading.steps[i].body, reading.steps[i].facts));
    }
    assert_int_equal(n_shown, 4);
    evidence_reading_done(&reading);
    buffer_done(&envelope);
    buffer_done(&file);
    scene_done(&scene);
}

static enum err
forget_proof(struct unit *unit, void *context)
{
    uint8_t key[8];

    return unit_delete(unit, TABLE_PROOFS, kv_key_u64(*(const uint64_t *)context, key));
}

static void
what_cannot_be_proved_is_said(void **state)
{
    struct scene scene = begin(0);
    struct buffer file = BUFFER_INIT(EVIDENCE_BYTES_MAX);
    struct complaint complaint = {""};
    struct loop_id unknown = {{1}}, waiting;
    uint64_t join = 2;

    (void)state;
    assert_int_equal(agent_evidence(scene.agent, &unknown, false, &file, &complaint),
                     ERR_UNKNOWN_LOOP);
    assert_string_equal(complaint.text, "there is no such referral here");
    rig_down(&scene.fake->rig, CLINIC);
    (void)rig_start(&scene.fake->rig, CLINIC, PANTRY, &waiting);
    assert_int_equal(agent_evidence(scene.agent, &waiting, false, &file, &complaint),
                     ERR_WRONG_STATE);
    assert_non_null(strstr(complaint.text, "not in the log yet"));
    assert_int_equal(unit_run(scene.agent, scene.fake->rig.now, forget_proof, &join), ERR_OK);
    assert_int_equal(agent_evidence(scene.agent, &scene.loop, false, &file, &complaint),
                     ERR_UNREACHABLE);
    assert_non_null(strstr(complaint.text, "refloop status"));
    assert_int_equal(file.len, 0);
    /* The broker makes up for it. */
    scene.agent->session.ready = true;
    assert_false(want(&scene));
    answer(&scene, false);
    assert_int_equal(agent_evidence(scene.agent, &scene.loop, false, &file, &complaint), ERR_OK);
    assert_true(file.len > 0);
    buffer_done(&file);
    scene_done(&scene);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_broker_proves_all_of_it_at_once),
        cmocka_unit_test(a_long_loop_takes_several_questions),
        cmocka_unit_test(what_others_vouch_for_is_asked_for_first),
        cmocka_unit_test(a_wrong_answer_is_none),
        cmocka_unit_test(nobody_waits_for_ever),
        cmocka_unit_test(an_outsider_finds_it_true),
        cmocka_unit_test(keys_belong_in_as_far_as_the_checkpoint_goes),
        cmocka_unit_test(contents_are_shown_on_purpose_under_all_our_keys),
        cmocka_unit_test(what_cannot_be_proved_is_said),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
