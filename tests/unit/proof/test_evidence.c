/* Files of evidence that are true: each reads as what happened, is small, and has no byte to spare.
 */
#include "tests/unit/proof/scene.h"

/* ---- true files ---- */

static void
a_true_file_tells_what_happened(void **state)
{
    (void)state;
    CLEANUP(scene_done) struct scene scene = {.log = true_log_new(200, 3)};
    CLEANUP(evidence_reading_done) struct evidence_reading reading = {0};
    char loop[LOOP_ID_TEXT];
    true_log_found(scene.log, 2);
    true_log_whole_story(scene.log);
    set(&scene, false);
    expect_true(buffer_view(&scene.file), &reading);
    ident_format(&reading.loop, loop);
    assert_string_equal(loop, "77777777777777777777777777777777");
    assert_string_equal(reading.network_name, "Example County");
    assert_string_equal(reading.org[LOOP_SOURCE], "hill-clinic");
    assert_string_equal(reading.name[LOOP_SOURCE], "Hill Clinic");
    assert_string_equal(reading.org[LOOP_TARGET], "elm-pantry");
    assert_int_equal(reading.state, LOOP_CLOSED);
    assert_int_equal(reading.size, 200);
    assert_int_equal(reading.n_entries, scene.log->n);
    assert_int_equal(reading.n_checkpoints, 1);
    assert_int_equal(reading.n_steps, 22);
    assert_int_equal(reading.as_of_ms, scene.log->entries[scene.log->n - 1].log_time_ms);
    const struct evidence_step *request = &reading.steps[0];
    assert_int_equal(request->index, 27);
    assert_int_equal(request->role, LOOP_SOURCE);
    assert_int_equal(request->event, EVENT_REQUEST);
    assert_int_equal(request->state_after, LOOP_REQUESTED);
    assert_int_equal(request->due_ms, INT64_C(1764547199000));
    assert_int_equal(request->authored_ms, request->log_time_ms - 400);
    assert_int_equal(request->confirms, SIZE_MAX);
    assert_int_equal(request->body.len, 0);
    assert_int_equal(reading.steps[1].event, EVENT_DELIVERED);
    assert_int_equal(reading.steps[1].confirms, 0);
    assert_int_equal(reading.steps[21].confirms, 20);
    assert_int_equal(reading.n_cosigners, 2);
    assert_string_equal(reading.cosigners[0].name, "River Shelter");
    assert_string_equal(reading.cosigners[1].org, "org-8");
    assert_int_equal(reading.cosigners[1].size, 200);
    assert_int_equal(reading.cosigners[1].time_s, TRUE_LOG_TIME / 1000 + 201);
}

static void
shown_contents_are_read_and_others_not(void **state)
{
    (void)state;
    CLEANUP(scene_done) struct scene scene = short_scene(true);
    CLEANUP(evidence_reading_done) struct evidence_reading all = {0};
    CLEANUP(evidence_reading_done) struct evidence_reading facts = {0};
    CLEANUP(evidence_reading_done) struct evidence_reading none = {0};
    expect_true(buffer_view(&scene.file), &all);
    assert_non_null(memmem(all.steps[0].body.data, all.steps[0].body.len, "Ana Example", 11));
    assert_non_null(memmem(all.steps[0].facts.data, all.steps[0].facts.len, "food-insec", 10));
    assert_int_equal(all.steps[2].body.len, 7);
    assert_int_equal(all.steps[1].body.len, 0);

    /* Only the facts, as an auditor shows them. */
    for (size_t i = 0; i < scene.parts.n_entries; i++) {
        scene.parts.entries[i].has_body_key = false;
    }
    true_log_wrap(&scene.parts, &scene.changed);
    expect_true(buffer_view(&scene.changed), &facts);
    assert_int_equal(facts.steps[0].body.len, 0);
    assert_non_null(memmem(facts.steps[0].facts.data, facts.steps[0].facts.len, "food-insec", 10));

    CLEANUP(buffer_done) struct buffer bare = BUFFER_INIT(0);
    true_log_evidence(scene.log, false, &bare);
    expect_true(buffer_view(&bare), &none);
    assert_int_equal(none.steps[0].body.len + none.steps[0].facts.len, 0);
    assert_true(bare.len < scene.file.len - 6000);
}

static void
a_closed_loop_in_a_log_of_a_million_is_small(void **state)
{
    (void)state;
    CLEANUP(scene_done) struct scene scene = {.log = true_log_new(MILLION, 30000)};
    CLEANUP(evidence_reading_done) struct evidence_reading reading = {0};
    true_log_found(scene.log, 2);
    true_log_whole_story(scene.log);
    set(&scene, false);
    expect_true(buffer_view(&scene.file), &reading);
    assert_int_equal(scene.parts.entries[0].inclusion.len, 20 * MERKLE_HASH_BYTES);
    assert_int_equal(reading.n_cosigners, 2);
    assert_int_equal(reading.state, LOOP_CLOSED);
    print_message("%zu bytes\n", scene.file.len);
    assert_true(scene.file.len < 64 * 1024);
}

static void
a_step_that_crossed_is_told_as_such(void **state)
{
    (void)state;
    CLEANUP(scene_done) struct scene scene = {.log = true_log_new(100, 2)};
    CLEANUP(evidence_reading_done) struct evidence_reading reading = {0};
    true_log_found(scene.log, 0);
    (void)true_log_step(scene.log, LOOP_SOURCE, EVENT_REQUEST, NULL, NULL);
    (void)true_log_step_unheard(scene.log, LOOP_TARGET, EVENT_ACCEPT);
    (void)true_log_step_unheard(scene.log, LOOP_SOURCE, EVENT_WITHDRAW);
    set(&scene, false);
    expect_true(buffer_view(&scene.file), &reading);
    assert_int_equal(reading.n_steps, 4);
    assert_false(reading.steps[2].superseded);
    assert_true(reading.steps[3].superseded);
    assert_int_equal(reading.steps[3].state_after, LOOP_ACCEPTED);
    assert_int_equal(reading.n_cosigners, 0); /* the file does not know them */
}

/* Rotation and a new invite in the middle of a loop, and the old key's cosignature. */
static void
keys_are_those_of_their_time(void **state)
{
    (void)state;
    static const unsigned cosigners[] = {SHELTER, PANTRY};
    CLEANUP(scene_done) struct scene scene = {.log = true_log_new(100, 2)};
    CLEANUP(evidence_reading_done) struct evidence_reading reading = {0};
    CLEANUP(buffer_done) struct buffer note = BUFFER_INIT(0);
    true_log_found(scene.log, 2);
    true_log_short_story(scene.log);
    (void)true_log_say(scene.log, fixture_rotate(SHELTER, NEW_KEYS), SHELTER, NULL, NULL);
    (void)true_log_say(scene.log, fixture_revoke("elm-pantry"), ROOT, NULL, NULL);
    set(&scene, false);
    true_log_note(scene.log, 100, BROKER, cosigners, 2, &note);
    scene.parts.checkpoints[0] = buffer_view(&note);
    true_log_wrap(&scene.parts, &scene.changed);
    expect_true(buffer_view(&scene.changed), &reading);
    assert_int_equal(reading.n_cosigners, 1); /* whoever was revoked vouches for nothing */
    assert_string_equal(reading.cosigners[0].org, "river-shelter");
}

static void
several_checkpoints_prove_one_loop(void **state)
{
    (void)state;
    static const unsigned cosigners[] = {SHELTER};
    CLEANUP(scene_done) struct scene scene = short_scene(false);
    CLEANUP(evidence_reading_done) struct evidence_reading reading = {0};
    CLEANUP(buffer_done) struct buffer note = BUFFER_INIT(0);
    struct bytes notes[2] = {scene.parts.checkpoints[0]};
    struct proof proof = true_log_inclusion(scene.log, 0, 21);
    struct bytes *owned = scene.parts.checkpoints;
    true_log_note(scene.log, 21, BROKER, cosigners, 1, &note);
    notes[1] = buffer_view(&note);
    scene.parts.checkpoints = notes;
    scene.parts.n_checkpoints = 2;
    scene.parts.entries[0].checkpoint = 1;
    scene.parts.entries[0].inclusion = proof_bytes(&proof);
    true_log_wrap(&scene.parts, &scene.changed);
    expect_true(buffer_view(&scene.changed), &reading);
    assert_int_equal(reading.size, SMALL);
    assert_int_equal(reading.n_checkpoints, 2);
    assert_int_equal(reading.n_cosigners, 2);
    assert_int_equal(reading.cosigners[0].size, SMALL);

    /* One that proves nothing vouches for nothing. */
    scene.parts.entries[0].checkpoint = 0;
    scene.parts.entries[0].inclusion = bytes_of(NULL, 0);
    expect_lie(&scene, ERR_MALFORMED,
               "entry 0: it does not stand at this place of the log, as it is here");
    proof = true_log_inclusion(scene.log, 0, SMALL);
    scene.parts.entries[0].inclusion = proof_bytes(&proof);
    expect_lie(&scene, ERR_MALFORMED, "checkpoint 2: no entry of the file rests on it");

    /* Two logs of one size. */
    scene.log->entries[7].leaf.bytes[0] ^= 1;
    buffer_done(&note);
    true_log_note(scene.log, SMALL, BROKER, NULL, 0, &note);
    notes[1] = buffer_view(&note);
    expect_lie(&scene, ERR_EQUIVOCATION,
               "checkpoints 1 and 2: the broker has signed two different logs of 40 entries");
    scene.parts.checkpoints = owned;
}

/* ---- every byte ---- */

static void
show_only_the_request(struct scene *scene)
{
    for (size_t i = FOUNDED + 1; i < scene->log->n; i++) {
        buffer_clear(&scene->log->entries[i].sealed);
        scene->log->entries[i].envelope.sealed = bytes_of(NULL, 0);
    }
    set(scene, true);
}

static void
every_flipped_byte_is_refused(void **state)
{
    (void)state;
    static const unsigned cosigner = PANTRY;
    CLEANUP(scene_done) struct scene scene = {.log = true_log_new(12, 1)};
    CLEANUP(evidence_reading_done) struct evidence_reading whole = {0};
    CLEANUP(buffer_done) struct buffer note = BUFFER_INIT(0);
    const size_t magic = strlen(EVIDENCE_MAGIC);
    true_log_found(scene.log, 0);
    true_log_short_story(scene.log);
    show_only_the_request(&scene); /* so that the file is small enough to try every byte */
    true_log_note(scene.log, 12, BROKER, &cosigner, 1, &note);
    scene.parts.checkpoints[0] = buffer_view(&note);
    true_log_wrap(&scene.parts, &scene.changed);
    struct buffer *file = &scene.changed;
    expect_true(buffer_view(file), &whole);
    assert_int_equal(whole.n_cosigners, 1);
    assert_true(whole.steps[0].body.len > 0);

    for (size_t i = 0; i < file->len; i++) {
        struct evidence_reading reading;
        const uint8_t flip = (uint8_t)(1u << (i * 5 % 8));
        uint8_t hash[SHA256_BYTES];
        file->data[i] ^= flip;
        assert_err(read_file(buffer_view(file), &reading, NULL), ERR_MALFORMED);
        memcpy(hash, file->data + file->len - sizeof(hash), sizeof(hash));
        if (i >= magic && i < file->len - sizeof(hash)) {
            sha256_of(bytes_of(file->data, file->len - sizeof(hash)),
                      file->data + file->len - sizeof(hash));
            if (read_file(buffer_view(file), &reading, NULL) == ERR_OK) {
                fail_msg("byte %zu of %zu is free", i, file->len);
            }
        }
        memcpy(file->data + file->len - sizeof(hash), hash, sizeof(hash));
        file->data[i] ^= flip;
    }
}

/* ---- writing ---- */

static void
the_writer_refuses_what_nobody_could_read(void **state)
{
    (void)state;
    CLEANUP(scene_done) struct scene scene = short_scene(false);
    CLEANUP(evidence_writer_freep) struct evidence_writer *writer = NULL;
    CLEANUP(buffer_done) struct buffer file = BUFFER_INIT(TRUE_FILE_ROOM);
    CLEANUP(buffer_done) struct buffer second = BUFFER_INIT(0);
    struct network_id network = fixture_network();
    struct loop_id loop = scene.parts.loop;
    struct evidence_entry entry = {.index = 2, .envelope = scene.log->entries[1].envelope};
    size_t first = 9;
    size_t again = 9;
    assert_ok(evidence_writer_new(&network, &loop, &writer));
    assert_err(evidence_add_checkpoint(writer, bytes_of_text("words"), &first), ERR_MALFORMED);
    assert_err(evidence_add_entry(writer, &entry), ERR_INVALID); /* no such checkpoint */
    assert_ok(evidence_add_checkpoint(writer, scene.parts.checkpoints[0], &first));
    assert_ok(evidence_add_checkpoint(writer, scene.parts.checkpoints[0], &again));
    assert_int_equal(first, 0);
    assert_int_equal(again, 0);
    assert_err(evidence_finish(writer, &file), ERR_INVALID); /* no entry */
    assert_ok(evidence_add_entry(writer, &entry));
    assert_err(evidence_add_entry(writer, &entry), ERR_INVALID); /* twice */
    entry.index = 1;
    assert_err(evidence_add_entry(writer, &entry), ERR_INVALID); /* going back */
    assert_err(evidence_finish(writer, &file), ERR_INVALID);     /* no genesis */
    evidence_writer_freep(&writer);

    assert_ok(evidence_writer_new(&network, &loop, &writer));
    assert_ok(evidence_add_checkpoint(writer, scene.parts.checkpoints[0], &first));
    true_log_note(scene.log, 9, BROKER, NULL, 0, &second);
    assert_ok(evidence_add_checkpoint(writer, buffer_view(&second), &again));
    assert_int_equal(again, 1);
    entry.index = 0;
    entry.envelope = scene.log->entries[0].envelope;
    assert_ok(evidence_add_entry(writer, &entry));
    assert_err(evidence_finish(writer, &file), ERR_INVALID); /* the second proves nothing */
    entry.index = 20;
    entry.shown = true;
    entry.envelope = scene.log->entries[10].envelope; /* a receipt has no contents */
    assert_err(evidence_add_entry(writer, &entry), ERR_INVALID);
    assert_int_equal(file.len, 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_true_file_tells_what_happened),
        cmocka_unit_test(shown_contents_are_read_and_others_not),
        cmocka_unit_test(a_closed_loop_in_a_log_of_a_million_is_small),
        cmocka_unit_test(a_step_that_crossed_is_told_as_such),
        cmocka_unit_test(keys_are_those_of_their_time),
        cmocka_unit_test(several_checkpoints_prove_one_loop),
        cmocka_unit_test(every_flipped_byte_is_refused),
        cmocka_unit_test(the_writer_refuses_what_nobody_could_read),
    };
    return cmocka_run_group_tests(tests, start_secrets, NULL);
}
