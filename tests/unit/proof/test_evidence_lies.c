/* Every way of lying with a file of evidence is refused, with its own sentence. */
#include "tests/unit/proof/scene.h"

/* ---- the file's form ---- */

static void
what_is_no_file_of_evidence_is_refused(void **state)
{
    (void)state;
    CLEANUP(scene_done) struct scene scene = short_scene(false);
    struct bytes file = buffer_view(&scene.file);
    expect_refusal(bytes_of(NULL, 0), ERR_MALFORMED, "it is no file of evidence");
    expect_refusal(bytes_of_text("refloop-evidence-2\n"), ERR_MALFORMED,
                   "it is no file of evidence");
    expect_refusal(bytes_of(file.data, strlen(EVIDENCE_MAGIC) + 31), ERR_MALFORMED,
                   "it is damaged: it ends too early");
    expect_refusal(bytes_of(file.data, file.len - 1), ERR_MALFORMED,
                   "it is damaged: some of it was lost or changed after it was written");
    true_log_wrap_bytes(bytes_of_text("any words"), &scene.changed);
    expect_refusal(buffer_view(&scene.changed), ERR_MALFORMED, "it is not written as evidence is");
    struct network_id claimed = {{0}};
    struct network_id network = fixture_network();
    assert_ok(evidence_claimed_network(file, &claimed, NULL));
    assert_memory_equal(&claimed, &network, sizeof(network));
}

static void
another_network_is_refused(void **state)
{
    (void)state;
    CLEANUP(scene_done) struct scene scene = short_scene(false);
    struct evidence_reading reading;
    struct complaint complaint;
    struct network_id root = fixture_network();
    root.bytes[31] ^= 1;
    assert_err(evidence_read(buffer_view(&scene.file), &root, &reading, &complaint),
               ERR_WRONG_NETWORK);
    assert_string_equal(complaint.text,
                        "it is of another network than the one whose root key was given");
}

/* ---- where entries stand ---- */

static void
the_genesis_comes_first(void **state)
{
    (void)state;
    CLEANUP(scene_done) struct scene scene = short_scene(false);
    drop(&scene, 0);
    expect_lie(&scene, ERR_MALFORMED,
               "entry 2: the file does not begin with the network's first entry");
}

static void
entries_stand_where_the_log_has_them(void **state)
{
    (void)state;
    CLEANUP(scene_done) struct scene scene = short_scene(false);
    struct evidence_part *part = &scene.parts.entries[FOUNDED];
    struct evidence_part kept = *part;
    static const char misplaced[] =
        "entry 11: it does not stand at this place of the log, as it is here";
    part->index = 11;
    expect_lie(&scene, ERR_SIGNATURE, misplaced);
    *part = kept;
    part->log_time_ms--;
    expect_lie(&scene, ERR_SIGNATURE,
               "entry 10: it does not stand at this place of the log, as it is here");
    *part = kept;
    part->checkpoint = 1;
    expect_lie(&scene, ERR_MALFORMED, "entry 10: it names a checkpoint that is not in the file");
    *part = kept;
    part[1] = kept;
    expect_lie(&scene, ERR_MALFORMED, "entry 10: it is not in the order of the log");
    part[1].index++;
    expect_lie(&scene, ERR_MALFORMED,
               "entry 11: its time is not after that of the entry before it");
}

static void
an_envelope_has_one_form(void **state)
{
    (void)state;
    CLEANUP(scene_done) struct scene scene = short_scene(false);
    struct evidence_part *part = &scene.parts.entries[FOUNDED];
    CLEANUP(buffer_done) struct buffer turned = BUFFER_INIT(LIMIT_ENVELOPE_BYTES);
    struct envelope envelope;
    assert_ok(envelope_decode(part->envelope, &envelope));
    /* The signature before the statement: the same to any reader of protobuf. */
    size_t head = (size_t)(envelope.statement.data - part->envelope.data) + envelope.statement.len;
    buffer_put(&turned, part->envelope.data + head, part->envelope.len - head);
    buffer_put(&turned, part->envelope.data, head);
    part->envelope = buffer_view(&turned);
    assert_ok(envelope_decode(part->envelope, &envelope));
    expect_lie(&scene, ERR_MALFORMED, "entry 10: it is no envelope as it should be written");
}

/* ---- lies in the log itself: a broker that logs what it should not ---- */

/* `lie` changes the statement or the signer of entry number `at` of an otherwise true log. */
static void
expect_lie_in_log(size_t at, void (*lie)(struct statement *, unsigned *), enum err expected,
                  const char *sentence)
{
    CLEANUP(true_log_freep) struct true_log *log = true_log_new(SMALL, 1);
    CLEANUP(buffer_done) struct buffer file = BUFFER_INIT(0);
    log->lie_at = at;
    log->lie = lie;
    true_log_found(log, 0);
    true_log_short_story(log);
    true_log_evidence(log, false, &file);
    expect_refusal(buffer_view(&file), expected, sentence);
}

static void
signed_by_pantry(struct statement *statement, unsigned *signer)
{
    (void)statement;
    *signer = PANTRY;
}

static void
of_other_network(struct statement *statement, unsigned *signer)
{
    (void)signer;
    statement->network.bytes[0] ^= 1;
}

static void
with_old_key_id(struct statement *statement, unsigned *signer)
{
    (void)signer;
    statement->author_key.bytes[0] ^= 1;
}

static void
of_other_loop(struct statement *statement, unsigned *signer)
{
    (void)signer;
    statement->as.loop.loop.bytes[0] ^= 1;
}

static void
to_somebody_else(struct statement *statement, unsigned *signer)
{
    (void)signer;
    memcpy(statement->as.loop.readers[0].org, fixture_who(SHELTER)->org, ORG_ID_BYTES);
}

static void
to_old_key(struct statement *statement, unsigned *signer)
{
    (void)signer;
    statement->as.loop.readers[0].key.bytes[0] ^= 1;
}

static void
of_nothing(struct statement *statement, unsigned *signer)
{
    (void)signer;
    statement->as.loop.delivered.bytes[0] ^= 1;
}

static void
second_in_its_place(struct statement *statement, unsigned *signer)
{
    (void)signer;
    statement->as.loop.seq--;
}

static void
after_something_else(struct statement *statement, unsigned *signer)
{
    (void)signer;
    statement->as.loop.previous.bytes[0] ^= 1;
}

static void
with_gap(struct statement *statement, unsigned *signer)
{
    (void)signer;
    statement->as.loop.seq++;
}

static void
heard_of_nothing(struct statement *statement, unsigned *signer)
{
    (void)signer;
    statement->as.loop.heard.bytes[0] ^= 1;
}

static void
as_answer(struct statement *statement, unsigned *signer)
{
    (void)signer;
    statement->as.loop.event = EVENT_ANSWER;
    statement->as.loop.due_ms = 0;
}

static void
as_complete(struct statement *statement, unsigned *signer)
{
    (void)signer;
    statement->as.loop.event = EVENT_COMPLETE;
}

/* A lying broker with an organization's old, revoked or stolen keys has no more luck. */
static void
lies_in_the_log_are_found(void **state)
{
    (void)state;
    static const struct {
        size_t at;
        void (*lie)(struct statement *, unsigned *);
        enum err err;
        const char *sentence;
    } lies[] = {
        {0, signed_by_pantry, ERR_SIGNATURE, "entry 0: the network's root key did not sign it"},
        {1, signed_by_pantry, ERR_SIGNATURE,
         "entry 1: its signature does not match its author's key"},
        {2, signed_by_pantry, ERR_SIGNATURE,
         "entry 2: its signature does not match its author's key"},
        {5, signed_by_pantry, ERR_SIGNATURE,
         "entry 5: its signature does not match its author's key"},
        {5, of_other_network, ERR_WRONG_NETWORK, "entry 5: it belongs to another network"},
        {6, with_old_key_id, ERR_UNKNOWN_MEMBER, "entry 6: its author was no member with this key"},
        {7, of_other_loop, ERR_UNKNOWN_LOOP, "entry 7: it belongs to another loop"},
        {7, to_somebody_else, ERR_NOT_PERMITTED,
         "entry 7: it is not addressed to the loop's other side"},
        {6, to_old_key, ERR_READER_KEY, "entry 6: its reader had another key by then"},
        {5, as_answer, ERR_SEQUENCE, "entry 5: the referral itself is not before it"},
        {7, as_complete, ERR_WRONG_STATE, "entry 7: the loop's state does not allow this step"},
        {6, of_nothing, ERR_UNKNOWN_REFERENCE,
         "entry 6: it confirms the delivery of nothing that the other side said before it"},
        {9, second_in_its_place, ERR_EQUIVOCATION,
         "entry 9: a different statement already has this place"},
        {9, after_something_else, ERR_EQUIVOCATION,
         "entry 9: a different statement already has this place"},
        {9, with_gap, ERR_SEQUENCE, "entry 9: a statement before this one is missing"},
        {9, heard_of_nothing, ERR_UNKNOWN_REFERENCE,
         "entry 9: it refers to a statement not logged"},
    };
    for (size_t i = 0; i < ARRAY_LEN(lies); i++) {
        expect_lie_in_log(lies[i].at, lies[i].lie, lies[i].err, lies[i].sentence);
    }
}

static void
what_was_left_out_is_missed(void **state)
{
    (void)state;
    static const struct {
        size_t at;
        enum err err;
        const char *sentence;
    } drops[] = {
        {1, ERR_UNKNOWN_MEMBER, "entry 4: its author was no member with this key"},
        {4, ERR_UNKNOWN_MEMBER, "entry 18: its reader was no member"},
        {9, ERR_SEQUENCE, "entry 20: the referral itself is not before it"},
        {10, ERR_SEQUENCE, "entry 22: a statement before this one is missing"},
        {11, ERR_UNKNOWN_REFERENCE,
         "entry 24: it confirms the delivery of nothing that the other side said before it"},
    };
    for (size_t i = 0; i < ARRAY_LEN(drops); i++) {
        CLEANUP(scene_done) struct scene scene = short_scene(false);
        drop(&scene, drops[i].at);
        expect_lie(&scene, drops[i].err, drops[i].sentence);
    }
    CLEANUP(scene_done) struct scene scene = short_scene(false);
    scene.parts.n_entries = 9;
    expect_lie(&scene, ERR_UNKNOWN_LOOP, "it holds no statement of its loop");
}

static void
a_revoked_author_is_refused(void **state)
{
    (void)state;
    CLEANUP(true_log_freep) struct true_log *log = true_log_new(SMALL, 1);
    CLEANUP(buffer_done) struct buffer file = BUFFER_INIT(0);
    true_log_found(log, 0);
    (void)true_log_step(log, LOOP_SOURCE, EVENT_REQUEST, NULL, NULL);
    (void)true_log_say(log, fixture_revoke("elm-pantry"), ROOT, NULL, NULL);
    (void)true_log_step(log, LOOP_TARGET, EVENT_ACCEPT, NULL, NULL);
    true_log_evidence(log, false, &file);
    expect_refusal(buffer_view(&file), ERR_REVOKED, "entry 8: its author's keys had been revoked");
}

static void
nobody_confirms_its_own_statement(void **state)
{
    (void)state;
    CLEANUP(true_log_freep) struct true_log *log = true_log_new(SMALL, 1);
    CLEANUP(buffer_done) struct buffer file = BUFFER_INIT(0);
    true_log_found(log, 0);
    (void)true_log_step_unheard(log, LOOP_SOURCE, EVENT_REQUEST);
    true_log_deliver(log, LOOP_SOURCE);
    true_log_evidence(log, false, &file);
    expect_refusal(
        buffer_view(&file), ERR_UNKNOWN_REFERENCE,
        "entry 6: it confirms the delivery of nothing that the other side said before it");
}

static void
a_third_organization_has_no_say(void **state)
{
    (void)state;
    CLEANUP(true_log_freep) struct true_log *log = true_log_new(SMALL, 1);
    CLEANUP(buffer_done) struct buffer file = BUFFER_INIT(0);
    struct statement note = fixture_delivered(&(struct digest){{1}});
    true_log_found(log, 2);
    (void)true_log_step(log, LOOP_SOURCE, EVENT_REQUEST, NULL, NULL);
    memcpy(note.author, fixture_who(SHELTER)->org, ORG_ID_BYTES);
    note.author_key = fixture_who(SHELTER)->key_id;
    (void)true_log_say(log, note, SHELTER, NULL, NULL);
    true_log_evidence(log, false, &file);
    expect_refusal(buffer_view(&file), ERR_NOT_PERMITTED,
                   "entry 11: its author is no side of the loop");
}

/* ---- checkpoints ---- */

static void
checkpoints_are_the_brokers(void **state)
{
    (void)state;
    CLEANUP(scene_done) struct scene scene = short_scene(false);
    CLEANUP(buffer_done) struct buffer note = BUFFER_INIT(0);
    CLEANUP(buffer_done) struct buffer foreign = BUFFER_INIT(TRUE_NOTE_ROOM);
    struct network_id other = fixture_network();
    struct merkle_hash root = true_log_root(scene.log, SMALL);
    true_log_note(scene.log, SMALL, PANTRY, NULL, 0, &note);
    scene.parts.checkpoints[0] = buffer_view(&note);
    expect_lie(&scene, ERR_SIGNATURE, "checkpoint 1: the broker's key did not sign it");
    other.bytes[0] ^= 1;
    assert_ok(checkpoint_sign(&other, SMALL, &root, &fixture_who(BROKER)->sign, &foreign));
    scene.parts.checkpoints[0] = buffer_view(&foreign);
    expect_lie(&scene, ERR_WRONG_NETWORK, "checkpoint 1: it is of another log");
    scene.parts.checkpoints[0] = bytes_of_text("words");
    expect_lie(&scene, ERR_MALFORMED, "checkpoint 1: it is not written as one");
}

static void
signatures_on_a_checkpoint_are_all_known_and_right(void **state)
{
    (void)state;
    static const unsigned cosigners[] = {SHELTER, NEW_KEYS};
    CLEANUP(scene_done) struct scene scene = short_scene(false);
    CLEANUP(buffer_done) struct buffer note = BUFFER_INIT(0);
    CLEANUP(buffer_done) struct buffer twice = BUFFER_INIT(TRUE_NOTE_ROOM);
    CLEANUP(buffer_done) struct buffer wrong = BUFFER_INIT(TRUE_NOTE_ROOM);
    struct network_id network = fixture_network();
    const struct fixture_org *shelter = fixture_who(SHELTER);
    uint8_t signature[SIGN_BYTES];
    true_log_note(scene.log, SMALL, BROKER, cosigners, 2, &note);
    scene.parts.checkpoints[0] = buffer_view(&note);
    expect_lie(&scene, ERR_MALFORMED,
               "checkpoint 1: one of its signatures is by a key that no entry of the file speaks "
               "of");

    CLEANUP(buffer_done) struct buffer bare = BUFFER_INIT(0);
    true_log_note(scene.log, SMALL, BROKER, NULL, 0, &bare);
    const uint8_t *line = memmem(bare.data, bare.len, "\n\n", 2);
    assert_non_null(line);
    line += 2;
    buffer_put(&twice, bare.data, bare.len);
    buffer_put(&twice, line, bare.len - (size_t)(line - bare.data));
    scene.parts.checkpoints[0] = buffer_view(&twice);
    expect_lie(&scene, ERR_MALFORMED, "checkpoint 1: the broker's signature is in it twice");

    /* A cosignature of another head. */
    CLEANUP(buffer_done) struct buffer other = BUFFER_INIT(0);
    true_log_note(scene.log, SMALL - 1, BROKER, NULL, 0, &other);
    assert_ok(checkpoint_cosign(buffer_view(&other), 5, &shelter->sign, signature));
    buffer_put(&wrong, bare.data, bare.len);
    assert_ok(checkpoint_add_cosignature(&wrong, &network, shelter->org, &shelter->keys.sign, 5,
                                         signature));
    scene.parts.checkpoints[0] = buffer_view(&wrong);
    expect_lie(&scene, ERR_SIGNATURE,
               "checkpoint 1: the cosignature of river-shelter does not fit it");
}

/* ---- what is shown ---- */

static void
shown_contents_are_those_that_were_sealed(void **state)
{
    (void)state;
    CLEANUP(scene_done) struct scene scene = short_scene(true);
    struct evidence_part *request = &scene.parts.entries[9];
    struct evidence_part kept = *request;
    static const char not_it[] = "entry 18: what is shown of its contents is not what was sealed";
    request->keys.body.bytes[0] ^= 1;
    expect_lie(&scene, ERR_SIGNATURE, not_it);
    *request = kept;
    request->keys.facts = request->keys.body;
    expect_lie(&scene, ERR_SIGNATURE, not_it);
    *request = kept;
    request->has_body_key = request->has_facts_key = false;
    expect_lie(&scene, ERR_MALFORMED, "entry 18: its sealed part is there, and no key to it");
    *request = kept;
    scene.file.data[request->envelope.data + request->envelope.len - 40 - scene.file.data] ^= 1;
    expect_lie(&scene, ERR_SIGNATURE, not_it);

    CLEANUP(scene_done) struct scene bare = short_scene(false);
    bare.parts.entries[9].has_body_key = true;
    bare.parts.entries[9].keys.body.bytes[3] = 1;
    expect_lie(&bare, ERR_MALFORMED, "entry 18: a key is there, and no sealed part for it");
    bare.parts.entries[9].has_body_key = false;
    bare.parts.entries[2].has_facts_key = true;
    bare.parts.entries[2].keys.facts.bytes[3] = 1;
    expect_lie(&bare, ERR_MALFORMED,
               "entry 4: a sealed part or a key to one does not belong to it");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_no_file_of_evidence_is_refused),
        cmocka_unit_test(another_network_is_refused),
        cmocka_unit_test(the_genesis_comes_first),
        cmocka_unit_test(entries_stand_where_the_log_has_them),
        cmocka_unit_test(an_envelope_has_one_form),
        cmocka_unit_test(lies_in_the_log_are_found),
        cmocka_unit_test(what_was_left_out_is_missed),
        cmocka_unit_test(a_revoked_author_is_refused),
        cmocka_unit_test(nobody_confirms_its_own_statement),
        cmocka_unit_test(a_third_organization_has_no_say),
        cmocka_unit_test(checkpoints_are_the_brokers),
        cmocka_unit_test(signatures_on_a_checkpoint_are_all_known_and_right),
        cmocka_unit_test(shown_contents_are_those_that_were_sealed),
    };
    return cmocka_run_group_tests(tests, start_secrets, NULL);
}
