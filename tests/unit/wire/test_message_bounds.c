/* The same rules from the writer's side: a message that breaks one is not written, and the largest
 * that keep them fit into a frame and come back. */
#include "tests/unit/wire/case.h"

#include <stdlib.h>
#include <string.h>

#include "tests/unit/wire/fixture.h"

enum { WORK_BYTES = 1 << 20, LONGEST_PROOF = PROOF_MAX * MERKLE_HASH_BYTES };

static struct message back;               /* large, so not on the stack */
static uint8_t filler[LIMIT_FRAME_BYTES]; /* zeros, for contents of any length */

static void
free_message(struct message **message)
{
    free(*message);
}

static struct bytes
content_of(size_t len)
{
    return bytes_of(filler, len);
}

/* ---- messages that break a rule ---- */

static void
headless_welcome(struct message *m)
{
    m->as.welcome.proved.present = m->as.welcome.witnessed.present = false;
}
static void
welcome_with_both(struct message *m)
{
    m->as.welcome.recall_from = 3;
}
static void
witnessed_recall(struct message *m)
{
    m->as.welcome.recall_from = 3;
    m->as.welcome.proved.present = false;
}
static void
witnessed_alone(struct message *m)
{
    m->as.pong.proved.present = false;
}
static void
headless_receipts(struct message *m)
{
    m->as.receipts.proved.present = false;
}
static void
refused_with_head(struct message *m)
{
    m->as.receipts.n = 1;
    m->as.receipts.receipts[0] = m->as.receipts.receipts[2];
}
static void
headless_entries(struct message *m)
{
    m->as.entries.proved.present = false;
}
static void
no_entries_with_head(struct message *m)
{
    m->as.entries.n = 0;
}
static void
no_checkpoint(struct message *m)
{
    m->as.entries.proved.checkpoint.len = 0;
}
static void
long_checkpoint(struct message *m)
{
    m->as.receipts.proved.checkpoint = content_of(LIMIT_CHECKPOINT_BYTES + 1);
}
static void
long_own_checkpoint(struct message *m)
{
    m->as.hello.checkpoint = content_of(LIMIT_CHECKPOINT_BYTES + 1);
}
static void
long_note(struct message *m)
{
    m->as.pong.witnessed.checkpoint = content_of(NOTE_BYTES_MAX + 1);
}
static void
no_note(struct message *m)
{
    m->as.welcome.witnessed.checkpoint.len = 0;
}
static void
from_nothing_with_proof(struct message *m)
{
    m->as.pong.proved.from = 0;
}
static void
half_a_hash(struct message *m)
{
    m->as.entries.entries[2].inclusion.len -= 16;
}
static void
half_a_hash_of_a_head(struct message *m)
{
    m->as.welcome.proved.consistency.len -= 16;
}
static void
half_a_hash_witnessed(struct message *m)
{
    m->as.welcome.witnessed.consistency.len -= 16;
}
static void
half_a_hash_receipted(struct message *m)
{
    m->as.receipts.receipts[0].inclusion.len -= 16;
}
static void
half_a_hash_copied(struct message *m)
{
    m->as.copies.copies[1].inclusion.len -= 16;
}
static void
half_a_hash_proved(struct message *m)
{
    m->as.proofs.inclusions[0].len -= 16;
}
static void
long_proof(struct message *m)
{
    m->as.proofs.inclusions[0] = content_of(LONGEST_PROOF + MERKLE_HASH_BYTES);
}
static void
long_entry(struct message *m)
{
    m->as.entries.entries[0].envelope = content_of(LIMIT_ENVELOPE_BYTES + 1);
}
static void
cosign_of_nothing(struct message *m)
{
    m->as.cosign.size = 0;
}
static void
recall_from_nowhere(struct message *m)
{
    m->as.recall.from = 0;
}
static void
copies_that_stand_still(struct message *m)
{
    m->as.copies.copies[1].index = 0;
}
static void
copy_of_nothing(struct message *m)
{
    m->as.copies.copies[0].envelope.len = 0;
}
static void
copy_without_checkpoint(struct message *m)
{
    m->as.copies.copies[0].checkpoint.len = 0;
}
static void
copy_before_time(struct message *m)
{
    m->as.copies.copies[0].log_time_ms = -1;
}
static void
no_copies_and_more(struct message *m)
{
    m->as.copies.n = 0;
}
static void
prove_past_the_end(struct message *m)
{
    m->as.prove.size = 8;
}
static void
prove_in_nothing(struct message *m)
{
    m->as.prove = (struct message_prove){0};
}
static void
proofs_past_the_end(struct message *m)
{
    m->as.proofs.size = 8;
}
static void
proofs_in_nothing(struct message *m)
{
    m->as.proofs = (struct message_proofs){0};
}
static void
many_copies(struct message *m)
{
    m->as.copies.n = LIMIT_COPIES_PER_FRAME + 1;
}
static void
many_to_prove(struct message *m)
{
    m->as.prove.n = LIMIT_PROOFS_PER_FRAME + 1;
}
static void
many_proofs(struct message *m)
{
    m->as.proofs.n = LIMIT_PROOFS_PER_FRAME + 1;
}
static void
many_entries(struct message *m)
{
    m->as.entries.n = LIMIT_ENTRIES_PER_FRAME + 1;
}
static void
many_receipts(struct message *m)
{
    m->as.receipts.n = LIMIT_ENVELOPES_PER_FRAME + 1;
}

static void
wrong_messages_are_not_written(void **state)
{
    (void)state;
    static const struct {
        enum message_kind kind;
        void (*change)(struct message *);
        enum err expected;
    } rows[] = {
        {MESSAGE_WELCOME, headless_welcome, ERR_INVALID},
        {MESSAGE_WELCOME, welcome_with_both, ERR_INVALID},
        {MESSAGE_WELCOME, witnessed_recall, ERR_INVALID},
        {MESSAGE_PONG, witnessed_alone, ERR_INVALID},
        {MESSAGE_RECEIPTS, headless_receipts, ERR_INVALID},
        {MESSAGE_RECEIPTS, refused_with_head, ERR_INVALID},
        {MESSAGE_ENTRIES, headless_entries, ERR_INVALID},
        {MESSAGE_ENTRIES, no_entries_with_head, ERR_INVALID},
        {MESSAGE_ENTRIES, no_checkpoint, ERR_INVALID},
        {MESSAGE_RECEIPTS, long_checkpoint, ERR_TOO_LARGE},
        {MESSAGE_HELLO, long_own_checkpoint, ERR_TOO_LARGE},
        {MESSAGE_PONG, long_note, ERR_TOO_LARGE},
        {MESSAGE_WELCOME, no_note, ERR_INVALID},
        {MESSAGE_PONG, from_nothing_with_proof, ERR_INVALID},
        {MESSAGE_ENTRIES, half_a_hash, ERR_INVALID},
        {MESSAGE_WELCOME, half_a_hash_of_a_head, ERR_INVALID},
        {MESSAGE_WELCOME, half_a_hash_witnessed, ERR_INVALID},
        {MESSAGE_RECEIPTS, half_a_hash_receipted, ERR_INVALID},
        {MESSAGE_COPIES, half_a_hash_copied, ERR_INVALID},
        {MESSAGE_PROOFS, half_a_hash_proved, ERR_INVALID},
        {MESSAGE_PROOFS, long_proof, ERR_TOO_LARGE},
        {MESSAGE_ENTRIES, long_entry, ERR_TOO_LARGE},
        {MESSAGE_COSIGN, cosign_of_nothing, ERR_INVALID},
        {MESSAGE_RECALL, recall_from_nowhere, ERR_INVALID},
        {MESSAGE_COPIES, copies_that_stand_still, ERR_INVALID},
        {MESSAGE_COPIES, copy_of_nothing, ERR_INVALID},
        {MESSAGE_COPIES, copy_without_checkpoint, ERR_INVALID},
        {MESSAGE_COPIES, copy_before_time, ERR_INVALID},
        {MESSAGE_COPIES, no_copies_and_more, ERR_INVALID},
        {MESSAGE_PROVE, prove_past_the_end, ERR_INVALID},
        {MESSAGE_PROVE, prove_in_nothing, ERR_INVALID},
        {MESSAGE_PROOFS, proofs_past_the_end, ERR_INVALID},
        {MESSAGE_PROOFS, proofs_in_nothing, ERR_INVALID},
        {MESSAGE_COPIES, many_copies, ERR_TOO_LARGE},
        {MESSAGE_PROVE, many_to_prove, ERR_TOO_LARGE},
        {MESSAGE_PROOFS, many_proofs, ERR_TOO_LARGE},
        {MESSAGE_ENTRIES, many_entries, ERR_TOO_LARGE},
        {MESSAGE_RECEIPTS, many_receipts, ERR_TOO_LARGE},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        CLEANUP(buffer_done) struct buffer bytes = BUFFER_INIT(LIMIT_FRAME_BYTES);
        CLEANUP(free_message) struct message *message = fixture_message(rows[i].kind);
        rows[i].change(message);
        enum err err = message_encode(message, &bytes);
        if (err != rows[i].expected || bytes.len != 0) {
            fail_msg("row %zu: %s", i, err_name(err));
        }
    }
}

/* What stands in a receipt that is refused is not written: the reader would refuse it. */
static void
refused_receipts_are_written_bare(void **state)
{
    (void)state;
    CLEANUP(buffer_done) struct buffer bytes = BUFFER_INIT(WORK_BYTES);
    CLEANUP(free_message) struct message *message = fixture_message(MESSAGE_RECEIPTS);
    message->as.receipts.receipts[2].inclusion = content_of(64);
    message->as.receipts.receipts[2].signature = message->as.receipts.receipts[1].signature;
    assert_ok(message_encode(message, &bytes));
    assert_ok(message_decode(buffer_view(&bytes), &back));
    assert_int_equal(back.as.receipts.receipts[2].inclusion.len, 0);
}

static void
bare_hello(struct message *m)
{
    m->as.hello.checkpoint = content_of(0);
    m->as.hello.version[0] = '\0';
}
static void
bare_welcome(struct message *m)
{
    m->as.welcome.proved.consistency = m->as.welcome.witnessed.consistency = content_of(0);
}
static void
bare_pong(struct message *m)
{
    m->as.pong.proved.from = 0;
    m->as.pong.proved.consistency = m->as.pong.witnessed.consistency = content_of(0);
}
static void
bare_receipts(struct message *m)
{
    m->as.receipts.receipts[0].inclusion = content_of(0);
    m->as.receipts.receipts[2].retry_ms = 0;
}
static void
bare_proofs(struct message *m)
{
    m->as.proofs.inclusions[0] = content_of(0);
}

/* An empty field would be refused. */
static void
what_is_empty_is_left_out(void **state)
{
    (void)state;
    static const struct {
        enum message_kind kind;
        void (*change)(struct message *);
    } rows[] = {
        {MESSAGE_HELLO, bare_hello},   {MESSAGE_WELCOME, bare_welcome},
        {MESSAGE_PONG, bare_pong},     {MESSAGE_RECEIPTS, bare_receipts},
        {MESSAGE_PROOFS, bare_proofs},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        CLEANUP(buffer_done) struct buffer bytes = BUFFER_INIT(WORK_BYTES);
        CLEANUP(free_message) struct message *message = fixture_message(rows[i].kind);
        rows[i].change(message);
        assert_ok(message_encode(message, &bytes));
        assert_ok(message_decode(buffer_view(&bytes), &back));
    }
}

/* ---- the largest ---- */

static struct message_head
largest_head(void)
{
    return (struct message_head){.present = true,
                                 .checkpoint = content_of(LIMIT_CHECKPOINT_BYTES),
                                 .from = UINT64_MAX,
                                 .consistency = content_of(LONGEST_PROOF)};
}

static void
fill_largest(struct message *m)
{
    struct message_copies *copies = &m->as.copies;
    struct message_proofs *proofs = &m->as.proofs;
    switch ((int)m->kind) {
    case MESSAGE_RECEIPTS:
        m->as.receipts.n = LIMIT_ENVELOPES_PER_FRAME;
        m->as.receipts.proved = largest_head();
        m->as.receipts.receipts[1].inclusion = content_of(LONGEST_PROOF);
        m->as.receipts.receipts[1].signature.n_path = MERKLE_PATH_MAX;
        for (size_t i = 0; i < LIMIT_ENVELOPES_PER_FRAME; i++) {
            m->as.receipts.receipts[i] = m->as.receipts.receipts[1];
        }
        break;
    case MESSAGE_ENTRIES: /* as a log of a million has them */
        m->as.entries.n = LIMIT_ENTRIES_PER_FRAME;
        m->as.entries.proved = largest_head();
        for (size_t i = 0; i < LIMIT_ENTRIES_PER_FRAME; i++) {
            m->as.entries.entries[i] =
                (struct entry){i, INT64_MAX, content_of(320), content_of(20 * 32)};
        }
        break;
    case MESSAGE_WELCOME:
        m->as.welcome.proved = largest_head();
        m->as.welcome.witnessed =
            (struct message_witnessed){true, content_of(NOTE_BYTES_MAX), content_of(LONGEST_PROOF)};
        break;
    case MESSAGE_COPIES:
        copies->n = LIMIT_COPIES_PER_FRAME;
        for (size_t i = 0; i < LIMIT_COPIES_PER_FRAME; i++) {
            copies->copies[i] = (struct message_copy){i, INT64_MAX, content_of(1024),
                                                      content_of(512), content_of(LONGEST_PROOF)};
        }
        break;
    case MESSAGE_PROOFS:
        proofs->n = LIMIT_PROOFS_PER_FRAME;
        proofs->size = UINT64_MAX;
        for (size_t i = 0; i < LIMIT_PROOFS_PER_FRAME; i++) {
            proofs->indexes[i] = UINT64_MAX - 1;
            proofs->inclusions[i] = content_of(LONGEST_PROOF);
        }
        break;
    default:
        break;
    }
}

static void
largest_messages_fit(void **state)
{
    (void)state;
    static const enum message_kind kinds[] = {MESSAGE_RECEIPTS, MESSAGE_ENTRIES, MESSAGE_WELCOME,
                                              MESSAGE_COPIES, MESSAGE_PROOFS};
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        CLEANUP(buffer_done) struct buffer bytes = BUFFER_INIT(LIMIT_FRAME_BYTES);
        CLEANUP(buffer_done) struct buffer again = BUFFER_INIT(LIMIT_FRAME_BYTES);
        CLEANUP(free_message) struct message *message = fixture_message(kinds[i]);
        fill_largest(message);
        assert_ok(message_encode(message, &bytes));
        assert_ok(message_decode(buffer_view(&bytes), &back));
        assert_ok(message_encode(&back, &again));
        assert_true(bytes_equal(buffer_view(&bytes), buffer_view(&again)));
    }
}

static void
one_byte_past_the_frame_is_refused(void **state)
{
    (void)state;
    CLEANUP(buffer_done) struct buffer bytes = BUFFER_INIT(WORK_BYTES);
    CLEANUP(free_message) struct message *message = fixture_message(MESSAGE_ENTRIES);
    struct message_entries *entries = &message->as.entries;
    entries->n = 1;
    entries->entries[0].envelope = content_of(200000);
    assert_ok(message_encode(message, &bytes));
    size_t room = LIMIT_FRAME_BYTES - bytes.len;
    entries->n = 2;
    entries->entries[1].envelope = content_of(room - 100);
    buffer_clear(&bytes);
    assert_ok(message_encode(message, &bytes));
    entries->entries[1].envelope.len += LIMIT_FRAME_BYTES - bytes.len;
    buffer_clear(&bytes);
    assert_ok(message_encode(message, &bytes));
    assert_int_equal(bytes.len, LIMIT_FRAME_BYTES);
    assert_ok(message_decode(buffer_view(&bytes), &back));
    entries->entries[1].envelope.len++;
    buffer_clear(&bytes);
    assert_err(message_encode(message, &bytes), ERR_TOO_LARGE);
    assert_int_equal(bytes.len, 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wrong_messages_are_not_written),
        cmocka_unit_test(refused_receipts_are_written_bare),
        cmocka_unit_test(what_is_empty_is_left_out),
        cmocka_unit_test(largest_messages_fit),
        cmocka_unit_test(one_byte_past_the_frame_is_refused),
    };
    return cmocka_run_group_tests(tests, start_secrets, NULL);
}
