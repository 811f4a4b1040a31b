/* New keys: both sets on disk until the log has decided; nothing but a proof makes them change
 * places; nothing that was sealed or queued under the old ones is lost. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent/rotate.h"
#include "agent/state.h"
#include "lib/base/file.h"
#include "tests/unit/agent/notary.h"

enum { CLINIC = 0, PANTRY = 1 };

/* ---- the key file ---- */

static void
home_of(const struct fixture *fixture, char home[128])
{
    fixture_path(fixture, "home", home, 128);
    assert_int_equal(file_make_dir(home), ERR_OK);
}

static void
save_and_load(const struct identity *identity, const char *home, struct identity *loaded)
{
    struct complaint complaint = {""};

    assert_int_equal(identity_save(identity, home, &complaint), ERR_OK);
    assert_int_equal(identity_load(home, loaded, &complaint), ERR_OK);
}

static void
expect_same_keys(const struct identity *a, const struct identity *b)
{
    assert_memory_equal(&a->keys, &b->keys, sizeof(a->keys));
    assert_memory_equal(&a->key_id, &b->key_id, sizeof(a->key_id));
    assert_memory_equal(&a->secrets->sign, &b->secrets->sign, sizeof(a->secrets->sign));
    assert_memory_equal(&a->secrets->store, &b->secrets->store, sizeof(a->secrets->store));
    assert_int_equal(a->n_former, b->n_former);
    assert_memory_equal(a->former, b->former, sizeof(a->former));
    assert_memory_equal(a->secrets->former, b->secrets->former, sizeof(a->secrets->former));
    assert_int_equal(a->has_next, b->has_next);
    assert_memory_equal(&a->next, &b->next, sizeof(a->next));
    assert_int_equal(a->next_made_ms, b->next_made_ms);
}

static void
both_sets_are_on_disk(void **state)
{
    struct fixture fixture;
    struct identity loaded = {.joined = false};
    char home[128];

    (void)state;
    fixture_init(&fixture, 1);
    home_of(&fixture, home);
    struct identity *identity = &fixture.member[CLINIC].identity;
    const struct key_id first = identity->key_id;
    identity->joined = false;
    assert_int_equal(rotate_begin(identity, 1), ERR_NOT_PERMITTED);
    identity->joined = true;
    assert_int_equal(rotate_begin(identity, 1700000000123), ERR_OK);
    assert_int_equal(rotate_begin(identity, 1700000000124), ERR_EXISTS);
    struct key_id next = key_set_id(&identity->next);
    assert_memory_not_equal(&next, &first, sizeof(first));
    save_and_load(identity, home, &loaded);
    expect_same_keys(identity, &loaded);
    assert_int_equal(loaded.next_made_ms, 1700000000123);
    assert_memory_equal(&loaded.key_id, &first, sizeof(first)); /* the old ones hold */
    rotate_finish(&loaded);
    assert_memory_equal(&loaded.key_id, &next, sizeof(next));
    assert_false(loaded.has_next);
    assert_int_equal(loaded.n_former, 1);
    assert_memory_equal(&loaded.former[0].key, &first, sizeof(first));
    rotate_finish(&loaded); /* once */
    assert_int_equal(loaded.n_former, 1);
    struct identity again = {.joined = false};
    save_and_load(&loaded, home, &again);
    expect_same_keys(&loaded, &again);
    assert_true(identity_is_own_key(&again, &first) && identity_is_own_key(&again, &next));
    identity_done(&loaded);
    identity_done(&again);
    fixture_done(&fixture);
}

static void
the_newest_former_keys_are_kept(void **state)
{
    struct fixture fixture;
    struct identity loaded = {.joined = false};
    struct key_id last;
    char home[128];

    (void)state;
    fixture_init(&fixture, 1);
    home_of(&fixture, home);
    struct identity *identity = &fixture.member[CLINIC].identity;
    identity->joined = true;
    const struct key_id first = identity->key_id;
    for (unsigned i = 0; i < IDENTITY_FORMER_MAX + 1; i++) {
        last = identity->key_id;
        assert_int_equal(rotate_begin(identity, 1), ERR_OK);
        rotate_finish(identity);
    }
    assert_int_equal(identity->n_former, IDENTITY_FORMER_MAX);
    assert_memory_equal(&identity->former[IDENTITY_FORMER_MAX - 1].key, &last, sizeof(last));
    assert_false(identity_is_own_key(identity, &first));
    save_and_load(identity, home, &loaded);
    expect_same_keys(identity, &loaded);
    identity_done(&loaded);
    fixture_done(&fixture);
}

static bool
ends_seal_line(struct bytes text, size_t end)
{
    static const char *const words[] = {"seal ", "former ", "next-seal "};
    size_t start = end;

    while (start > 0 && text.data[start - 1] != '\n')
        start--;
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        if (memcmp(text.data + start, words[i], strlen(words[i])) == 0)
            return true;
    }
    return false;
}

/* Cut anywhere, or with any line changed, the file is no keys at all: never half of a change. */
static void
a_damaged_key_file_is_refused(void **state)
{
    struct fixture fixture;
    struct identity loaded = {.joined = false};
    struct complaint complaint = {""};
    struct buffer text = BUFFER_INIT(64 * 1024), whole = BUFFER_INIT(64 * 1024);
    char home[128], path[256];

    (void)state;
    fixture_init(&fixture, 1);
    home_of(&fixture, home);
    struct identity *identity = &fixture.member[CLINIC].identity;
    identity->joined = true;
    assert_int_equal(rotate_begin(identity, 1), ERR_OK);
    rotate_finish(identity);
    assert_int_equal(rotate_begin(identity, 1), ERR_OK);
    assert_int_equal(identity_save(identity, home, &complaint), ERR_OK);
    (void)snprintf(path, sizeof(path), "%s/keys/member.key", home);
    assert_int_equal(file_read(path, &text), ERR_OK);
    assert_int_equal(file_read(path, &whole), ERR_OK);
    size_t n_lines = 0, good = 0;
    for (size_t i = 0; i + 1 < text.len; i++) {
        if (text.data[i] != '\n')
            continue;
        n_lines++;
        assert_int_equal(file_replace(path, bytes_of(text.data, i + 1), 0600), ERR_OK);
        if (identity_load(home, &loaded, &complaint) == ERR_OK) {
            good++; /* the present keys, with and without the former ones */
            assert_false(loaded.has_next);
            identity_done(&loaded);
        }
        text.data[i - 1] = (uint8_t)(text.data[i - 1] == '0' ? 'g' : text.data[i - 1] ^ 0x40);
        assert_int_equal(file_replace(path, buffer_view(&text), 0600), ERR_OK);
        assert_int_equal(identity_load(home, &loaded, &complaint), ERR_CORRUPT);
        text.data[i - 1] = (uint8_t)(text.data[i - 1] == 'g' ? '0' : text.data[i - 1] ^ 0x40);
        /* Halves of two pairs are no pair. The others are derived, or their own proof. */
        if (!ends_seal_line(buffer_view(&text), i))
            continue;
        text.data[i - 9] = text.data[i - 9] == '0' ? '1' : '0';
        assert_int_equal(file_replace(path, buffer_view(&text), 0600), ERR_OK);
        assert_int_equal(identity_load(home, &loaded, &complaint), ERR_CORRUPT);
        assert_int_equal(file_replace(path, buffer_view(&whole), 0600), ERR_OK);
        text.data[i - 9] = whole.data[i - 9];
    }
    assert_int_equal(n_lines, 1 + 5 + 1 + 4);
    assert_int_equal(good, 2);
    buffer_done(&text);
    buffer_done(&whole);
    fixture_done(&fixture);
}

/* ---- the statement and its receipt ---- */

struct scene {
    struct fake_rig *fake;
    struct identity *identity; /* of the clinic */
    struct agent *agent;
    struct buffer envelope;
    struct notary notary; /* the log with the rotation at its end */
    struct view view;
    struct message_receipts *receipts;
    struct buffer note;
    struct proof inclusion, consistency;
    size_t before; /* entries before the rotation */
};

static void
sign_receipt(struct scene *scene, const struct sign_secret *secret)
{
    struct buffer leaf = BUFFER_INIT(RECEIPT_BYTES_MAX);
    struct receipt *receipt = &scene->receipts->receipts[0];

    receipt_signed_bytes(receipt, &leaf);
    struct bytes view = buffer_view(&leaf);
    assert_int_equal(
        turn_sign(SIGN_RECEIPTS, &scene->identity->network, &view, 1, secret, &receipt->signature),
        ERR_OK);
    buffer_done(&leaf);
}

/* The clinic has said it, and the broker's answer is as it should be. */
static struct scene
say_rotate(void)
{
    struct scene scene = {.fake = fake_rig_new(2),
                          .envelope = BUFFER_INIT(LIMIT_ENVELOPE_BYTES),
                          .note = BUFFER_INIT(LIMIT_CHECKPOINT_BYTES)};
    struct rig *rig = &scene.fake->rig;
    struct fake_broker *broker = &scene.fake->broker;
    struct envelope envelope;

    rig_settle(rig);
    scene.identity = &rig->fixture.member[CLINIC].identity;
    scene.identity->joined = true;
    scene.agent = rig->peer[CLINIC].agent;
    scene.before = broker->n_log;
    assert_int_equal(rotate_begin(scene.identity, rig->now.wall_ms), ERR_OK);
    assert_int_equal(rotate_envelope(scene.identity, &scene.envelope), ERR_OK);
    fake_log(broker, buffer_view(&scene.envelope));
    notary_init(&scene.notary, broker, false);
    notary_convince(&scene.notary, scene.agent, scene.before);
    scene.view = rotate_view(scene.agent);
    notary_sign(&scene.notary, scene.before + 1, &scene.note);
    notary_inclusion(&scene.notary, scene.before, scene.before + 1, &scene.inclusion);
    notary_consistency(&scene.notary, scene.before, scene.before + 1, &scene.consistency);
    scene.receipts = calloc(1, sizeof(*scene.receipts));
    assert_int_equal(envelope_decode(buffer_view(&scene.envelope), &envelope), ERR_OK);
    scene.receipts->n = 1;
    scene.receipts->receipts[0] =
        (struct receipt){.id = statement_id(envelope.statement),
                         .result = RECEIPT_ACCEPTED,
                         .index = scene.before,
                         .log_time_ms = broker->log[scene.before].log_time_ms,
                         .inclusion = proof_bytes(&scene.inclusion)};
    sign_receipt(&scene, &rig->fixture.log_secret);
    return scene;
}

static void
scene_done(struct scene *scene)
{
    buffer_done(&scene->envelope);
    buffer_done(&scene->note);
    notary_done(&scene->notary);
    free(scene->receipts);
    fake_rig_free(scene->fake);
}

static enum err
hear(struct scene *scene)
{
    scene->receipts->proved =
        (struct message_head){.present = true,
                              .checkpoint = buffer_view(&scene->note),
                              .from = scene->before,
                              .consistency = proof_bytes(&scene->consistency)};
    scene->receipts->receipts[0].inclusion = proof_bytes(&scene->inclusion);
    struct view view = scene->view;
    return rotate_take_receipts(scene->identity, &view, buffer_view(&scene->envelope),
                                scene->receipts);
}

static void
the_directory_takes_it_and_it_is_the_same_twice(void **state)
{
    struct scene scene = say_rotate();
    struct buffer again = BUFFER_INIT(LIMIT_ENVELOPE_BYTES);
    const struct member *clinic = directory_find(scene.fake->broker.directory, "maple-clinic");
    struct key_id next = key_set_id(&scene.identity->next);

    (void)state;
    assert_memory_equal(&clinic->key_id, &next, sizeof(next));
    assert_int_equal(rotate_envelope(scene.identity, &again), ERR_OK);
    assert_true(bytes_equal(buffer_view(&again), buffer_view(&scene.envelope)));
    rotate_finish(scene.identity);
    assert_int_equal(rotate_envelope(scene.identity, &again), ERR_NOT_FOUND);
    buffer_done(&again);
    scene_done(&scene);
}

static void
only_a_proof_is_believed(void **state)
{
    struct scene scene = say_rotate();
    struct receipt *receipt = &scene.receipts->receipts[0];
    struct notary forked;

    (void)state;
    assert_int_equal(hear(&scene), ERR_OK);
    sign_receipt(&scene, &scene.fake->rig.fixture.root); /* not the log's signature */
    assert_int_equal(hear(&scene), ERR_KEY);
    sign_receipt(&scene, &scene.fake->rig.fixture.log_secret);
    scene.inclusion.hashes[0].bytes[0] ^= 1; /* not in that tree */
    assert_int_equal(hear(&scene), ERR_KEY);
    scene.inclusion.hashes[0].bytes[0] ^= 1;
    scene.consistency.hashes[0].bytes[0] ^= 1; /* a tree that does not go on from ours */
    assert_int_equal(hear(&scene), ERR_KEY);
    scene.consistency.hashes[0].bytes[0] ^= 1;
    receipt->log_time_ms++; /* logged at another time than the tree says */
    sign_receipt(&scene, &scene.fake->rig.fixture.log_secret);
    assert_int_equal(hear(&scene), ERR_KEY);
    receipt->log_time_ms--;
    sign_receipt(&scene, &scene.fake->rig.fixture.log_secret);
    assert_int_equal(hear(&scene), ERR_OK);
    notary_init(&forked, &scene.fake->broker, true); /* another log altogether */
    buffer_clear(&scene.note);
    notary_sign(&forked, scene.before + 1, &scene.note);
    notary_inclusion(&forked, scene.before, scene.before + 1, &scene.inclusion);
    notary_consistency(&forked, scene.before, scene.before + 1, &scene.consistency);
    assert_int_equal(hear(&scene), ERR_KEY);
    notary_done(&forked);
    scene_done(&scene);
}

static void
a_refusal_is_told_and_others_are_passed_over(void **state)
{
    struct scene scene = say_rotate();
    struct receipt *receipt = &scene.receipts->receipts[0];

    (void)state;
    receipt->result = RECEIPT_REFUSED;
    receipt->refusal = ERR_QUOTA;
    assert_int_equal(hear(&scene), ERR_QUOTA);
    receipt->id.bytes[0] ^= 1;
    assert_int_equal(hear(&scene), ERR_NOT_FOUND);
    scene_done(&scene);
}

static void
a_welcome_must_go_on_from_what_we_know(void **state)
{
    struct scene scene = say_rotate();
    struct view view = scene.view;
    struct message_head head = {.present = true,
                                .checkpoint = buffer_view(&scene.note),
                                .from = scene.before,
                                .consistency = proof_bytes(&scene.consistency)};
    struct message_head none = {.present = false};

    (void)state;
    assert_int_equal(rotate_take_head(scene.identity, &view, &none, true), ERR_KEY);
    head.from = 0;
    assert_int_equal(rotate_take_head(scene.identity, &view, &head, true), ERR_KEY);
    head.from = scene.before;
    assert_int_equal(view.last.size, scene.before);
    assert_int_equal(rotate_take_head(scene.identity, &view, &head, true), ERR_OK);
    assert_int_equal(view.last.size, scene.before + 1);
    scene_done(&scene);
}

/* ---- the agent afterwards ---- */

/* The log has it, and the clinic's agent is opened with the new keys. */
static void
rotate_clinic(struct fake_rig *fake)
{
    struct rig *rig = &fake->rig;
    struct identity *identity = &rig->fixture.member[CLINIC].identity;
    struct buffer envelope = BUFFER_INIT(LIMIT_ENVELOPE_BYTES);

    identity->joined = true;
    assert_int_equal(rotate_begin(identity, rig->now.wall_ms), ERR_OK);
    assert_int_equal(rotate_envelope(identity, &envelope), ERR_OK);
    fake_log(&fake->broker, buffer_view(&envelope));
    rig_down(rig, CLINIC);
    rotate_finish(identity);
    rig_restart(rig, CLINIC);
    buffer_done(&envelope);
}

static void
expect_no_alarm(struct rig *rig, size_t peer)
{
    struct agent_proof_status status;

    agent_get_proof_status(rig->peer[peer].agent, &status);
    assert_int_equal(status.n_alarms, 0);
}

static void
what_comes_late_for_the_old_key_opens(void **state)
{
    static struct rig_steps steps;
    struct fake_rig *fake = fake_rig_new(2);
    struct rig *rig = &fake->rig;
    struct loop_id loop;

    (void)state;
    rig_settle(rig);
    rig_down(rig, CLINIC);
    unsigned serial = rig_start(rig, PANTRY, CLINIC, &loop);
    for (unsigned i = 0; i < 6; i++)
        rig_move(rig, PANTRY);
    rotate_clinic(fake);
    rig_settle(rig);
    rig_read_steps(rig, CLINIC, &loop, &steps);
    assert_int_equal(steps.n, 1);
    assert_false(steps.view[0].unreadable);
    assert_int_equal(strtoul(steps.facts[0] + strlen("serial="), NULL, 10), serial);
    (void)rig_say(rig, CLINIC, &loop, EVENT_ACCEPT);
    (void)rig_say(rig, PANTRY, &loop, EVENT_NOTE); /* for the new key */
    rig_settle(rig);
    rig_check_agreement(rig);
    expect_no_alarm(rig, CLINIC);
    expect_no_alarm(rig, PANTRY);
    fake_rig_free(fake);
}

/* What the clinic has to say goes out, reaches the broker or not, and no answer comes back. */
static void
say_unheard(struct fake_rig *fake, bool reaches)
{
    for (;;) {
        struct buffer frame = BUFFER_INIT(LIMIT_FRAME_BYTES);
        bool none = false;
        assert_int_equal(
            agent_next_frame(fake->rig.peer[CLINIC].agent, fake->rig.now, &frame, &none), ERR_OK);
        if (none)
            return;
        if (reaches)
            fake_receive(&fake->broker, CLINIC, buffer_view(&frame), fake->rig.now);
        buffer_done(&frame);
    }
}

static size_t
n_made(const struct agent *agent)
{
    size_t n = 0;

    for (const struct row *row = agent->outbox.first; row != NULL; row = row->next)
        n += row->made;
    return n;
}

/* What was made under the old key and is not in the log would be refused for ever: it is made
 * again, and what the broker did log although nobody heard so is not said twice. */
static void
what_was_under_way_arrives_once(void **state)
{
    static struct rig_steps steps;
    struct fake_rig *fake = fake_rig_new(2);
    struct rig *rig = &fake->rig;
    struct loop_id logged, lost;
    struct agent_queue_status queue;

    (void)state;
    rig_settle(rig);
    (void)rig_start(rig, CLINIC, PANTRY, &logged);
    say_unheard(fake, true);
    size_t n_log = fake->broker.n_log;
    (void)rig_say(rig, CLINIC, &logged, EVENT_NOTE);
    (void)rig_start(rig, CLINIC, PANTRY, &lost);
    say_unheard(fake, false);
    assert_int_equal(fake->broker.n_log, n_log);
    assert_int_equal(n_made(rig->peer[CLINIC].agent), 3);
    rotate_clinic(fake);
    assert_int_equal(n_made(rig->peer[CLINIC].agent), 0);
    agent_get_queue_status(rig->peer[CLINIC].agent, &queue);
    assert_int_equal(queue.waiting, 3);
    rig_settle(rig);
    agent_get_queue_status(rig->peer[CLINIC].agent, &queue);
    assert_int_equal(queue.waiting, 0);
    rig_read_steps(rig, PANTRY, &logged, &steps);
    assert_int_equal(steps.n, 2);
    assert_int_equal(steps.view[0].index, n_log - 1);
    rig_read_steps(rig, PANTRY, &lost, &steps);
    assert_int_equal(steps.n, 1);
    rig_check_agreement(rig);
    expect_no_alarm(rig, CLINIC);
    fake_rig_free(fake);
}

static void
a_new_disk_reads_what_was_said_under_all_keys(void **state)
{
    static struct rig_steps steps;
    struct fake_rig *fake = fake_rig_new(2);
    struct rig *rig = &fake->rig;
    struct loop_id loop;

    (void)state;
    rig_settle(rig);
    (void)rig_start(rig, CLINIC, PANTRY, &loop);
    (void)rig_settle(rig);
    (void)rig_say(rig, PANTRY, &loop, EVENT_ACCEPT);
    rig_settle(rig);
    rotate_clinic(fake);
    (void)rig_say(rig, CLINIC, &loop, EVENT_NOTE);
    rig_settle(rig);
    rig_wipe(rig, CLINIC);
    rig_settle(rig);
    rig_read_steps(rig, CLINIC, &loop, &steps);
    assert_int_equal(steps.n, 3);
    for (size_t i = 0; i < steps.n; i++)
        assert_false(steps.view[i].unreadable);
    rig_check_agreement(rig);
    expect_no_alarm(rig, CLINIC);
    fake_rig_free(fake);
}

static void
nothing_is_made_again_without_a_change(void **state)
{
    struct fake_rig *fake = fake_rig_new(2);
    struct rig *rig = &fake->rig;
    struct loop_id loop;

    (void)state;
    rig_settle(rig);
    (void)rig_start(rig, CLINIC, PANTRY, &loop);
    say_unheard(fake, true);
    rig_restart(rig, CLINIC);
    assert_int_equal(n_made(rig->peer[CLINIC].agent), 1);
    rig_settle(rig);
    rig_check_agreement(rig);
    fake_rig_free(fake);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_sets_are_on_disk),
        cmocka_unit_test(the_newest_former_keys_are_kept),
        cmocka_unit_test(a_damaged_key_file_is_refused),
        cmocka_unit_test(the_directory_takes_it_and_it_is_the_same_twice),
        cmocka_unit_test(only_a_proof_is_believed),
        cmocka_unit_test(a_refusal_is_told_and_others_are_passed_over),
        cmocka_unit_test(a_welcome_must_go_on_from_what_we_know),
        cmocka_unit_test(what_comes_late_for_the_old_key_opens),
        cmocka_unit_test(what_was_under_way_arrives_once),
        cmocka_unit_test(a_new_disk_reads_what_was_said_under_all_keys),
        cmocka_unit_test(nothing_is_made_again_without_a_change),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
