/* Being a witness: whom it vouches for, once; how many others it wants to see; and that whoever is
 * shown two logs says so. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent/state.h"
#include "agent/witness.h"
#include "tests/unit/agent/notary.h"

enum { CLINIC = 0, PANTRY = 1, SHELTER = 2, MEMBERS = 3 };

struct scene {
    struct fake_rig *fake;
    struct notary notary, forked;
    struct agent *agent; /* of the clinic; believes in all of the log */
    size_t size;
    struct buffer note; /* a checkpoint one entry below, for others to cosign */
    struct proof consistency;
};

static void
on_disk(struct scene *scene)
{
    scene->agent = scene->fake->rig.peer[CLINIC].agent;
    scene->agent->options.witnesses_wanted = 1;
    scene->agent->session.ready = true;
    notary_convince(&scene->notary, scene->agent, scene->size);
}

static struct scene
begin(void)
{
    struct scene scene = {.fake = fake_rig_new(MEMBERS), .note = BUFFER_INIT(NOTE_BYTES_MAX)};

    rig_settle(&scene.fake->rig);
    notary_init(&scene.notary, &scene.fake->broker, false);
    notary_init(&scene.forked, &scene.fake->broker, true);
    scene.size = scene.notary.n;
    on_disk(&scene);
    assert_int_equal(scene.agent->cosign.wanted, false);
    scene.agent->cosign.done_size = 0;
    scene.agent->proof.witnessed_size = 0;
    scene.agent->proof.n_witnesses = 0;
    notary_sign(&scene.notary, scene.size - 1, &scene.note);
    notary_consistency(&scene.notary, scene.size - 1, scene.size, &scene.consistency);
    return scene;
}

static void
end(struct scene *scene)
{
    buffer_done(&scene->note);
    notary_done(&scene->notary);
    notary_done(&scene->forked);
    fake_rig_free(scene->fake);
}

static void
tell(struct scene *scene)
{
    const struct message_witnessed told = {.present = true,
                                           .checkpoint = buffer_view(&scene->note),
                                           .consistency = proof_bytes(&scene->consistency)};

    assert_int_equal(witness_on_told(scene->agent, &told, scene->fake->rig.now), ERR_OK);
}

static void
tell_afresh(struct scene *scene)
{
    buffer_clear(&scene->note);
    notary_sign(&scene->notary, scene->size - 1, &scene->note);
}

static struct agent_proof_status
status_of(const struct scene *scene)
{
    struct agent_proof_status status;

    agent_get_proof_status(scene->agent, &status);
    return status;
}

static void
its_word_is_its_signature_once(void **state)
{
    struct scene scene = begin();
    const struct identity *clinic = &scene.fake->rig.fixture.member[CLINIC].identity;

    (void)state;
    tell(&scene);
    assert_true(witness_next_word(scene.agent, scene.fake->rig.now));
    const struct message_cosign *word = &scene.agent->out.as.cosign;
    assert_int_equal(scene.agent->out.kind, MESSAGE_COSIGN);
    assert_int_equal(word->size, scene.size - 1);
    assert_int_equal(word->time_s, scene.fake->rig.now.wall_ms / 1000);
    assert_int_equal(checkpoint_check_cosignature(buffer_view(&scene.note), word->time_s,
                                                  &clinic->keys.sign, word->signature),
                     ERR_OK);
    assert_false(witness_next_word(scene.agent, scene.fake->rig.now));
    tell(&scene); /* the broker has not put it in yet */
    assert_false(witness_next_word(scene.agent, scene.fake->rig.now));
    end(&scene);
}

static void
what_has_its_signature_is_not_signed_again(void **state)
{
    struct scene scene = begin();

    (void)state;
    notary_cosign(&scene.notary, &scene.note, CLINIC, 1700000000);
    tell(&scene);
    assert_false(witness_next_word(scene.agent, scene.fake->rig.now));
    assert_int_equal(status_of(&scene).n_witnesses, 0); /* its own word counts for nothing here */
    assert_int_equal(status_of(&scene).witnessed_size, 0);
    end(&scene);
}

static void
others_are_counted_against_the_policy(void **state)
{
    struct scene scene = begin();

    (void)state;
    scene.agent->options.witnesses_wanted = 2;
    notary_cosign(&scene.notary, &scene.note, PANTRY, 1700000001);
    tell(&scene);
    assert_int_equal(status_of(&scene).n_witnesses, 1);
    assert_int_equal(status_of(&scene).witnessed_size, 0);
    assert_false(status_of(&scene).stopped); /* too few is shown, no more */
    notary_cosign(&scene.notary, &scene.note, SHELTER, 1700000002);
    tell(&scene);
    assert_int_equal(status_of(&scene).n_witnesses, 2);
    assert_int_equal(status_of(&scene).witnessed_size, scene.size - 1);
    assert_int_equal(status_of(&scene).witnessed_ms, scene.fake->rig.now.wall_ms);
    end(&scene);
}

static void
what_was_witnessed_survives_a_restart(void **state)
{
    struct scene scene = begin();
    struct kv_txn *txn = NULL;
    struct bytes note;

    (void)state;
    notary_cosign(&scene.notary, &scene.note, PANTRY, 1700000001);
    tell(&scene);
    rig_restart(&scene.fake->rig, CLINIC);
    on_disk(&scene);
    assert_int_equal(status_of(&scene).witnessed_size, scene.size - 1);
    assert_int_equal(status_of(&scene).n_witnesses, 1);
    assert_int_equal(kv_begin_read(scene.agent->kv, &txn), ERR_OK);
    assert_int_equal(witness_note(txn, scene.size - 1, &note), ERR_OK);
    assert_true(bytes_equal(note, buffer_view(&scene.note)));
    assert_int_equal(witness_note(txn, scene.size, &note), ERR_NOT_FOUND);
    kv_abort(&txn);
    /* Another with no more on it is not written again; one with more is. */
    notary_cosign(&scene.notary, &scene.note, SHELTER, 1700000001);
    tell(&scene);
    assert_int_equal(kv_begin_read(scene.agent->kv, &txn), ERR_OK);
    assert_int_equal(witness_note(txn, scene.size - 1, &note), ERR_OK);
    assert_true(bytes_equal(note, buffer_view(&scene.note)));
    kv_abort(&txn);
    end(&scene);
}

/* The notary's member is revoked in the agent's directory: its line says nothing any more. */
static void
a_revoked_member_is_no_witness(void **state)
{
    struct scene scene = begin();
    struct buffer revoke;

    (void)state;
    fixture_revoke(&scene.fake->rig.fixture, PANTRY, &revoke);
    fake_log(&scene.fake->broker, buffer_view(&revoke));
    buffer_done(&revoke);
    rig_up(&scene.fake->rig, CLINIC); /* asks anew */
    rig_settle(&scene.fake->rig);
    notary_done(&scene.notary);
    notary_init(&scene.notary, &scene.fake->broker, false);
    scene.size = scene.notary.n;
    on_disk(&scene);
    tell_afresh(&scene);
    notary_consistency(&scene.notary, scene.size - 1, scene.size, &scene.consistency);
    notary_cosign(&scene.notary, &scene.note, PANTRY, 1700000001);
    tell(&scene);
    assert_int_equal(status_of(&scene).n_witnesses, 0);
    end(&scene);
}

static bool
expect_split(void *context, const struct alarm *alarm)
{
    struct buffer *about = context;

    assert_int_equal(alarm->kind, ALARM_SPLIT_VIEW);
    assert_true(alarm->proof.len > 0);
    buffer_put(about, alarm->about, strlen(alarm->about) + 1);
    return true;
}

/* One alarm, which stops, and nothing is signed. `word`: what people read in it. */
static void
expect_caught(struct scene *scene, const char *word)
{
    struct buffer about = BUFFER_INIT(4096);

    assert_int_equal(status_of(scene).n_alarms, 1);
    assert_true(status_of(scene).stopped);
    assert_int_equal(agent_each_alarm(scene->agent, expect_split, &about), ERR_OK);
    assert_non_null(strstr((const char *)about.data, word));
    assert_false(witness_next_word(scene->agent, scene->fake->rig.now));
    assert_int_equal(status_of(scene).witnessed_size, 0);
    buffer_done(&about);
}

static void
a_line_for_another_text_is_a_split_view(void **state)
{
    struct scene scene = begin();
    struct buffer other = BUFFER_INIT(NOTE_BYTES_MAX);
    const struct identity *pantry = &scene.fake->rig.fixture.member[PANTRY].identity;
    uint8_t signature[SIGN_BYTES];

    (void)state;
    notary_sign(&scene.forked, scene.size - 1, &other);
    assert_int_equal(
        checkpoint_cosign(buffer_view(&other), 1700000001, &pantry->secrets->sign, signature),
        ERR_OK);
    assert_int_equal(checkpoint_add_cosignature(&scene.note, &scene.notary.fixture->network,
                                                pantry->org, &pantry->keys.sign, 1700000001,
                                                signature),
                     ERR_OK);
    tell(&scene);
    expect_caught(&scene, "elm-pantry");
    buffer_done(&other);
    end(&scene);
}

static void
another_log_of_our_size_is_a_split_view(void **state)
{
    struct scene scene = begin();

    (void)state;
    buffer_clear(&scene.note);
    notary_sign(&scene.forked, scene.size, &scene.note);
    notary_cosign(&scene.notary, &scene.note, PANTRY, 1700000001);
    scene.consistency.n = 0;
    tell(&scene);
    expect_caught(&scene, "not ours");
    end(&scene);
}

static void
a_past_that_is_not_ours_is_a_split_view(void **state)
{
    struct scene scene = begin();

    (void)state;
    buffer_clear(&scene.note);
    notary_sign(&scene.forked, scene.size - 1, &scene.note);
    notary_cosign(&scene.notary, &scene.note, PANTRY, 1700000001);
    notary_consistency(&scene.forked, scene.size - 1, scene.size, &scene.consistency);
    tell(&scene);
    expect_caught(&scene, "not ours");
    end(&scene);
}

/* Nothing that only somebody else could have signed, or that nobody has proved, says anything. */
static void
what_proves_nothing_changes_nothing(void **state)
{
    struct scene scene = begin();
    struct checkpoint head = notary_head(&scene.forked, scene.size - 1);

    (void)state;
    buffer_clear(&scene.note);
    assert_int_equal(checkpoint_sign(&scene.notary.fixture->network, scene.size - 1, &head.root,
                                     &scene.notary.fixture->root, &scene.note),
                     ERR_OK);
    tell(&scene); /* not the log's key */
    tell_afresh(&scene);
    scene.consistency.n = 0;
    notary_cosign(&scene.notary, &scene.note, PANTRY, 1700000001);
    tell(&scene); /* no proof */
    assert_int_equal(status_of(&scene).n_alarms, 0);
    assert_int_equal(status_of(&scene).n_witnesses, 0);
    assert_false(witness_next_word(scene.agent, scene.fake->rig.now));
    end(&scene);
}

static void
nothing_is_signed_above_its_view_or_while_stopped(void **state)
{
    struct scene scene = begin();

    (void)state;
    notary_convince(&scene.notary, scene.agent, scene.size - 2);
    tell(&scene);
    assert_false(witness_next_word(scene.agent, scene.fake->rig.now));
    notary_convince(&scene.notary, scene.agent, scene.size);
    scene.agent->proof.stopped = true;
    tell(&scene);
    assert_false(witness_next_word(scene.agent, scene.fake->rig.now));
    scene.agent->proof.stopped = false;
    assert_false(witness_next_word(scene.agent, scene.fake->rig.now)); /* nor afterwards */
    tell(&scene);
    scene.agent->proof.stopped = true; /* in between */
    assert_false(witness_next_word(scene.agent, scene.fake->rig.now));
    end(&scene);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(its_word_is_its_signature_once),
        cmocka_unit_test(what_has_its_signature_is_not_signed_again),
        cmocka_unit_test(others_are_counted_against_the_policy),
        cmocka_unit_test(what_was_witnessed_survives_a_restart),
        cmocka_unit_test(a_revoked_member_is_no_witness),
        cmocka_unit_test(a_line_for_another_text_is_a_split_view),
        cmocka_unit_test(another_log_of_our_size_is_a_split_view),
        cmocka_unit_test(a_past_that_is_not_ours_is_a_split_view),
        cmocka_unit_test(what_proves_nothing_changes_nothing),
        cmocka_unit_test(nothing_is_signed_above_its_view_or_while_stopped),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
