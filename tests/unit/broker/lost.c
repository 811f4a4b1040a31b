/* What the tests of a recovery take for granted: a copy of the store, and members that hold the
 * entries which concern them with proofs, as agents do. */
#include "tests/unit/broker/lost.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "broker/state.h"
#include "lib/base/file.h"

enum { HOUR_MS = 3600 * 1000, DATA_MAX = 64 * 1024 * 1024, EARLY = 3, AT_A_TIME = 3 };

static void
copy_file(const char *to, const char *from)
{
    CLEANUP(buffer_done) struct buffer bytes = BUFFER_INIT(DATA_MAX);
    assert_int_equal(file_read(from, &bytes), ERR_OK);
    assert_int_equal(file_replace(to, buffer_view(&bytes), 0600), ERR_OK);
}

static void
data_path(const struct lost *lost, char path[RIG_PATH_MAX])
{
    int len = snprintf(path, RIG_PATH_MAX, "%.200s/data.mdb", lost->rig->dir);
    assert_true(len > 0 && len < RIG_PATH_MAX);
}

static void
put(struct buffer *buffer, struct bytes bytes)
{
    buffer_clear(buffer);
    buffer_put(buffer, bytes.data, bytes.len);
    assert_int_equal(buffer_err(buffer), ERR_OK);
}

/* --- reading --- */

static void
read_entry(struct lost *lost, struct kv_txn *txn, uint64_t index)
{
    struct lost_entry *entry = &lost->entries[index];
    struct journal_entry read;
    struct tree_reader reader = ledger_reader(txn, lost->rig->broker->ledger.cache);
    assert_int_equal(journal_load(txn, index, &read), ERR_OK);
    assert_int_equal(journal_load_sealed(txn, &read), ERR_OK);
    entry->log_time_ms = read.log_time_ms;
    entry->sealed_len = read.envelope.sealed.len;
    put(&entry->statement_leaf, read.leaf);
    put(&entry->sealed, read.envelope.sealed);
    assert_int_equal(tree_inclusion(&reader, index, lost->n, &entry->inclusion), ERR_OK);
    if (index < lost->n_kept + EARLY) {
        assert_int_equal(
            tree_inclusion(&reader, index, lost->n_kept + EARLY, &entry->early_inclusion), ERR_OK);
    }
    for (size_t i = 0; i < LOST_MEMBERS; i++) {
        uint8_t key[MAILBOX_KEY_BYTES];
        const struct member *member =
            directory_find(lost->rig->broker->directory, lost->members[i]->org);
        entry->held_by[i] =
            kv_has(txn, TABLE_DIRECTORY, kv_key_u64(index, key)) ||
            kv_has(txn, TABLE_MAILBOX, tables_mailbox_key(member->handle, index, key));
    }
}

void
lost_read(struct lost *lost)
{
    CLEANUP(kv_abort) struct kv_txn *txn = NULL;
    struct broker *broker = lost->rig->broker;
    lost->n = broker->head.entries;
    lost->loops = broker->head.loops;
    assert_true(lost->n <= LOST_ENTRIES_MAX);
    put(&lost->note, broker_checkpoint(broker));
    assert_int_equal(kv_begin_read(broker->kv, &txn), ERR_OK);
    for (uint64_t i = 0; i < lost->n; i++) {
        read_entry(lost, txn, i);
    }
}

bool
lost_has_sealed(struct lost *lost, uint64_t index)
{
    CLEANUP(kv_abort) struct kv_txn *txn = NULL;
    uint8_t key[8];
    assert_int_equal(kv_begin_read(lost->rig->broker->kv, &txn), ERR_OK);
    return kv_has(txn, TABLE_SEALED, kv_key_u64(index, key));
}

/* --- the story --- */

static void
work(struct rig *rig, struct rig_org *source, struct rig_org *target)
{
    struct rig_loop loop = rig_loop_new(source, target);
    assert_int_equal(rig_step(rig, &loop, LOOP_SOURCE, EVENT_REQUEST).result, RECEIPT_ACCEPTED);
    assert_int_equal(rig_step(rig, &loop, LOOP_TARGET, EVENT_DELIVERED).result, RECEIPT_ACCEPTED);
    assert_int_equal(rig_step(rig, &loop, LOOP_TARGET, EVENT_ACCEPT).result, RECEIPT_ACCEPTED);
}

int
lost_start(void **state)
{
    void *started = NULL;
    char path[RIG_PATH_MAX];
    struct lost *lost = calloc(1, sizeof(*lost));
    assert_non_null(lost);
    assert_int_equal(rig_start(&started), 0);
    struct rig *rig = lost->rig = started;
    rig->options.witness_ms = HOUR_MS;
    rig_reopen(rig);
    lost->members[0] = &rig->clinic;
    lost->members[1] = &rig->pantry;
    lost->members[2] = &rig->shelter;
    lost->note = lost->early_note = BUFFER_INIT(LIMIT_CHECKPOINT_BYTES);
    for (size_t i = 0; i < LOST_ENTRIES_MAX; i++) {
        lost->entries[i].statement_leaf = BUFFER_INIT(LIMIT_FRAME_BYTES);
        lost->entries[i].sealed = BUFFER_INIT(LIMIT_FRAME_BYTES);
    }
    rig_org_new(&lost->elder, "yew-legal");
    assert_int_equal(rig_invite(rig, &lost->elder, rig->now.wall_ms + HOUR_MS, false).result,
                     RECEIPT_ACCEPTED);
    work(rig, &rig->clinic, &rig->pantry);
    rig_close(rig);
    assert_true(snprintf(lost->copy, sizeof(lost->copy), "%.200s.copy", rig->dir) > 0);
    data_path(lost, path);
    copy_file(lost->copy, path);
    rig_open(rig);
    lost->n_kept = rig_status(rig).entries;
    work(rig, &rig->clinic, &rig->pantry);
    put(&lost->early_note, broker_checkpoint(rig->broker));
    rig_add(rig, &rig->shelter);
    work(rig, &rig->shelter, &rig->clinic);
    work(rig, &rig->pantry, &rig->shelter);
    work(rig, &rig->clinic, &rig->pantry);
    for (size_t i = 0; i < LOST_MEMBERS; i++) {
        rig_hello(rig, lost->members[i]); /* all know the last head */
        assert_true(rig_count(rig, &lost->members[i]->route) > 0);
    }
    lost_read(lost);
    *state = lost;
    return 0;
}

int
lost_stop(void **state)
{
    struct lost *lost = *state;
    void *rig = lost->rig;
    (void)unlink(lost->copy);
    for (size_t i = 0; i < LOST_ENTRIES_MAX; i++) {
        buffer_done(&lost->entries[i].statement_leaf);
        buffer_done(&lost->entries[i].sealed);
    }
    buffer_done(&lost->note);
    buffer_done(&lost->early_note);
    free(lost);
    return rig_stop(&rig);
}

void
lost_forget_frames(struct lost *lost)
{
    struct rig *rig = lost->rig;
    (void)rig_count(rig, &rig->clinic.route);
    for (size_t i = 0; i < rig->n_frames; i++) {
        buffer_done(&rig->frames[i].bytes);
    }
    rig->n_frames = 0;
}

void
lost_keep_heads(struct lost *lost)
{
    struct rig *rig = lost->rig;
    for (size_t i = 0; i < LOST_MEMBERS; i++) {
        struct rig_peer *peer = rig_peer_of(rig, &lost->members[i]->keys.curve);
        put(&peer->note, buffer_view(&lost->note));
        peer->view.has = true;
        peer->view.note = buffer_view(&peer->note);
        assert_int_equal(
            checkpoint_open(peer->view.note, &rig->network, &rig->log_public, &peer->view.last),
            ERR_OK);
    }
}

void
lost_forget_heads(struct lost *lost)
{
    for (size_t i = 0; i < LOST_MEMBERS; i++) {
        struct rig_peer *peer = rig_peer_of(lost->rig, &lost->members[i]->keys.curve);
        buffer_clear(&peer->note);
        peer->view.has = false;
    }
}

static void
mark(struct lost *lost)
{
    static const uint8_t any = 1;
    struct kv_txn *txn = NULL;
    struct kv *kv = rig_open_store(lost->rig);
    assert_int_equal(kv_begin(kv, &txn), ERR_OK);
    assert_int_equal(kv_put(txn, TABLE_META, bytes_of_text(RECOVER_MARK), bytes_of(&any, 1)),
                     ERR_OK);
    assert_int_equal(kv_commit(&txn), ERR_OK);
    kv_close(kv);
}

void
lost_restore(struct lost *lost, bool marked)
{
    char path[RIG_PATH_MAX];
    lost_forget_frames(lost);
    rig_close(lost->rig);
    data_path(lost, path);
    copy_file(path, lost->copy);
    if (marked) {
        mark(lost);
    }
    rig_open(lost->rig);
    lost_keep_heads(lost);
}

void
lost_mark_present(struct lost *lost)
{
    rig_close(lost->rig);
    mark(lost);
    rig_open(lost->rig);
}

/* --- members --- */

void
lost_hello_with(struct lost *lost, const struct rig_org *org, struct bytes note)
{
    struct rig *rig = lost->rig;
    rig->said.kind = MESSAGE_HELLO;
    rig->said.as.hello = (struct message_hello){.protocol = MESSAGE_PROTOCOL,
                                                .network = rig->network,
                                                .version = "0.1.0",
                                                .checkpoint = note};
    rig_send(rig, &org->keys.curve, &org->route, &rig->said);
}

void
lost_hello_from_nothing(struct lost *lost, const struct rig_org *org)
{
    lost_hello_with(lost, org, bytes_of(NULL, 0));
}

void
lost_hello_raw(struct lost *lost, const struct rig_org *org, struct bytes note)
{
    static uint8_t frame[LIMIT_FRAME_BYTES]; /* rig->heard is a view of it */
    struct rig *rig = lost->rig;
    struct route route;
    struct buffer bytes;
    bool heard = false;
    lost_hello_with(lost, org, note);
    while (broker_take_output(rig->broker, &route, &bytes)) {
        if (memcmp(&route, &org->route, sizeof(route)) == 0) {
            memcpy(frame, bytes.data, bytes.len);
            assert_int_equal(message_decode(bytes_of(frame, bytes.len), &rig->heard), ERR_OK);
            heard = true;
        }
        buffer_done(&bytes);
    }
    assert_true(heard);
}

static void
encode(const struct lost_entry *entry, enum lost_how how, struct buffer *out)
{
    CLEANUP(buffer_done) struct buffer sealed = BUFFER_INIT(LIMIT_FRAME_BYTES);
    struct envelope envelope;
    assert_int_equal(envelope_from_leaf(buffer_view(&entry->statement_leaf), &envelope), ERR_OK);
    put(&sealed, buffer_view(&entry->sealed));
    if (how == LOST_WRONG_SEALED && sealed.len > 0) {
        sealed.data[sealed.len / 2] ^= 1;
    }
    envelope.sealed = how == LOST_WITHOUT_SEALED ? bytes_of(NULL, 0) : buffer_view(&sealed);
    assert_int_equal(envelope_encode(&envelope, out), ERR_OK);
}

static void
add_copy(struct lost *lost, uint64_t index, enum lost_how how, struct buffer *envelope)
{
    const struct lost_entry *entry = &lost->entries[index];
    struct message_copies *copies = &lost->copies.as.copies;
    *envelope = BUFFER_INIT(LIMIT_FRAME_BYTES);
    encode(entry, how, envelope);
    copies->copies[copies->n++] =
        (struct message_copy){.index = index,
                              .log_time_ms = entry->log_time_ms,
                              .envelope = buffer_view(envelope),
                              .checkpoint = buffer_view(&lost->note),
                              .inclusion = proof_bytes(&entry->inclusion)};
}

static void
send_copies(struct lost *lost, const struct rig_org *org, struct buffer *envelopes)
{
    struct message_copies *copies = &lost->copies.as.copies;
    rig_send(lost->rig, &org->keys.curve, &org->route, &lost->copies);
    for (size_t i = 0; i < copies->n; i++) {
        buffer_done(&envelopes[i]);
    }
}

void
lost_send(struct lost *lost, const struct rig_org *org, uint64_t from, uint64_t to,
          enum lost_how how)
{
    struct buffer envelopes[LOST_ENTRIES_MAX];
    lost->copies.kind = MESSAGE_COPIES;
    lost->copies.as.copies.n = 0;
    lost->copies.as.copies.more = how == LOST_MORE;
    for (uint64_t i = from; i < to; i++) {
        add_copy(lost, i, how, &envelopes[i - from]);
    }
    send_copies(lost, org, envelopes);
}

void
lost_send_early(struct lost *lost, const struct rig_org *org, uint64_t from, uint64_t to)
{
    struct buffer envelopes[LOST_ENTRIES_MAX];
    struct message_copies *copies = &lost->copies.as.copies;
    lost->copies.kind = MESSAGE_COPIES;
    copies->n = 0;
    copies->more = false;
    for (uint64_t i = from; i < to; i++) {
        add_copy(lost, i, LOST_ALL, &envelopes[i - from]);
        copies->copies[i - from].checkpoint = buffer_view(&lost->early_note);
        copies->copies[i - from].inclusion = proof_bytes(&lost->entries[i].early_inclusion);
    }
    send_copies(lost, org, envelopes);
}

void
lost_make_hole(struct lost *lost, uint64_t index)
{
    for (size_t i = 0; i < LOST_MEMBERS; i++) {
        lost->entries[index].held_by[i] = false;
    }
}

void
lost_say_again(struct lost *lost, const struct rig_org *org, uint64_t index)
{
    CLEANUP(buffer_done) struct buffer envelope = BUFFER_INIT(LIMIT_FRAME_BYTES);
    encode(&lost->entries[index], LOST_ALL, &envelope);
    rig_expect_refused(rig_submit_as(lost->rig, org, &envelope), ERR_BUSY);
}

void
lost_bring(struct lost *lost, const struct rig_org *org)
{
    struct buffer envelopes[AT_A_TIME];
    struct message_copies *copies = &lost->copies.as.copies;
    size_t place = 0;
    while (lost->members[place] != org) {
        place++;
    }
    lost_forget_frames(lost);
    rig_hello(lost->rig, org);
    for (uint64_t i = lost->n_kept; i < lost->n;) {
        lost->copies.kind = MESSAGE_COPIES;
        copies->n = 0;
        for (; i < lost->n && copies->n < AT_A_TIME; i++) {
            if (lost->entries[i].held_by[place]) {
                add_copy(lost, i, LOST_ALL, &envelopes[copies->n]);
            }
        }
        copies->more = i < lost->n;
        send_copies(lost, org, envelopes);
    }
}

/* --- the outcome --- */

enum err
lost_check(struct rig *rig)
{
    struct complaint complaint = {.text = ""};
    enum err err = broker_check_store(rig->broker, &complaint);
    if (err != ERR_OK) {
        print_message("%s\n", complaint.text);
    }
    return err;
}

void
lost_expect_whole(struct lost *lost)
{
    struct broker_status status = rig_status(lost->rig);
    assert_false(status.recovering);
    assert_int_equal(status.entries, lost->n);
    assert_int_equal(status.checkpoint_size, lost->n);
    assert_int_equal(status.loops, lost->loops);
    assert_true(bytes_equal(broker_checkpoint(lost->rig->broker), buffer_view(&lost->note)));
    assert_int_equal(lost_check(lost->rig), ERR_OK);
    for (uint64_t i = 0; i < lost->n; i++) {
        assert_true(lost_has_sealed(lost, i) == (lost->entries[i].sealed_len > 0));
    }
}

void
lost_expect_works(struct rig *rig)
{
    struct rig_loop loop = rig_loop_new(&rig->clinic, &rig->pantry);
    rig_hello(rig, &rig->clinic);
    rig_hello(rig, &rig->pantry);
    assert_int_equal(rig_step(rig, &loop, LOOP_SOURCE, EVENT_REQUEST).refusal, ERR_OK);
    assert_int_equal(rig_step(rig, &loop, LOOP_TARGET, EVENT_ACCEPT).refusal, ERR_OK);
    assert_int_equal(lost_check(rig), ERR_OK);
}

void
lost_bring_back(struct lost *lost, const size_t order[LOST_MEMBERS])
{
    for (int round = 0; round < 3 && rig_status(lost->rig).recovering; round++) {
        for (size_t i = 0; i < LOST_MEMBERS; i++) {
            const struct rig_org *org = lost->members[order[i]];
            if (broker_admits(lost->rig->broker, &org->keys.curve) != ADMIT_STRANGER) {
                lost_bring(lost, org);
            }
        }
    }
}

/* --- lies --- */

static void
sign_other_note(struct lost *lost, enum lost_lie lie, struct buffer *note)
{
    struct sign_public public_key;
    struct sign_secret secret;
    struct checkpoint last;
    assert_int_equal(checkpoint_open(buffer_view(&lost->note), &lost->rig->network,
                                     &lost->rig->log_public, &last),
                     ERR_OK);
    sign_new_pair(&public_key, &secret);
    last.root.bytes[0] ^= lie == LOST_LIE_ROOT ? 1 : 0;
    /* The other root is signed by the broker itself, as a broker with another log would. */
    assert_int_equal(checkpoint_sign(&lost->rig->network, last.size, &last.root,
                                     lie == LOST_LIE_ROOT ? &lost->rig->log : &secret, note),
                     ERR_OK);
}

void
lost_send_lie(struct lost *lost, const struct rig_org *org, enum lost_lie lie)
{
    CLEANUP(buffer_done) struct buffer note = BUFFER_INIT(LIMIT_CHECKPOINT_BYTES);
    struct buffer envelopes[3];
    struct message_copies *copies = &lost->copies.as.copies;
    struct proof proof = lost->entries[lost->n_kept + 1].inclusion;
    lost->copies.kind = MESSAGE_COPIES;
    copies->n = 0;
    copies->more = false;
    add_copy(lost, lost->n_kept, LOST_ALL, &envelopes[0]);
    add_copy(lost, lost->n_kept + 1, LOST_ALL, &envelopes[1]);
    struct message_copy *copy = &copies->copies[1];
    sign_other_note(lost, lie, &note);
    if (lie == LOST_LIE_NOTE || lie == LOST_LIE_ROOT) {
        copy->checkpoint = buffer_view(&note);
    } else if (lie == LOST_LIE_INDEX) {
        copy->index++;
    } else if (lie == LOST_LIE_TIME) {
        copy->log_time_ms++;
    } else if (lie == LOST_LIE_STATEMENT) {
        copy->envelope = copies->copies[0].envelope;
    } else {
        proof.hashes[1].bytes[5] ^= 1;
        proof.n -= lie == LOST_LIE_PROOF_LENGTH ? 1 : 0;
        copy->inclusion = proof_bytes(&proof);
    }
    send_copies(lost, org, envelopes);
}
