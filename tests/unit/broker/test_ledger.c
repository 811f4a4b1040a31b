/* The tree over the log and its signed heads: in the store, over restarts, crashes and damage. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "broker/ledger.h"
#include "lib/base/clock.h"
#include "tests/unit/broker/rig.h"

enum { NOTES = 100 };

/* The newest head, which must be right. */
static struct checkpoint
head(const struct rig *rig)
{
    struct checkpoint checkpoint;
    assert_int_equal(checkpoint_open(broker_checkpoint(rig->broker), &rig->network,
                                     &rig->log_public, &checkpoint),
                     ERR_OK);
    return checkpoint;
}

static struct rig_loop
begin_loop(struct rig *rig)
{
    struct rig_loop loop = rig_loop_new(&rig->clinic, &rig->pantry);
    assert_int_equal(rig_step(rig, &loop, LOOP_SOURCE, EVENT_REQUEST).result, RECEIPT_ACCEPTED);
    return loop;
}

static void
add_notes(struct rig *rig, size_t n)
{
    struct rig_loop loop = begin_loop(rig);
    for (size_t i = 1; i < n; i++) {
        assert_int_equal(rig_step(rig, &loop, LOOP_SOURCE, EVENT_NOTE).result, RECEIPT_ACCEPTED);
    }
}

static void
expect_refused_open(struct rig *rig, const char *word)
{
    struct complaint complaint = {.text = ""};
    assert_int_equal(broker_open(&rig->options, &rig->broker, &complaint), ERR_CORRUPT);
    if (strstr(complaint.text, word) == NULL) {
        fail_msg("it does not say %s: %s", word, complaint.text);
    }
}

/* One change of a row of a closed store; no value: removes it. */
static void
change(struct rig *rig, enum table table, struct bytes key, struct bytes value)
{
    struct kv_txn *txn = NULL;
    struct kv *kv = rig_open_store(rig);
    assert_int_equal(kv_begin(kv, &txn), ERR_OK);
    assert_int_equal(
        value.data == NULL ? kv_delete(txn, table, key) : kv_put(txn, table, key, value), ERR_OK);
    assert_int_equal(kv_commit(&txn), ERR_OK);
    kv_close(kv);
}

static void
copy_row(struct rig *rig, enum table table, struct bytes key, struct buffer *out)
{
    struct kv_txn *txn = NULL;
    struct bytes value;
    struct kv *kv = rig_open_store(rig);
    assert_int_equal(kv_begin_read(kv, &txn), ERR_OK);
    assert_int_equal(kv_get(txn, table, key, &value), ERR_OK);
    buffer_clear(out);
    buffer_put(out, value.data, value.len);
    assert_int_equal(buffer_err(out), ERR_OK);
    kv_abort(&txn);
    kv_close(kv);
}

/* The root over the rows of the log, worked out in the plainest way. */
static void
plain_root(struct rig *rig, struct merkle_hash *root_out)
{
    enum { MOST = 512 };
    static struct merkle_hash leaves[MOST];
    CLEANUP(kv_cursor_closep) struct kv_cursor *cursor = NULL;
    struct kv_txn *txn = NULL;
    struct bytes key;
    struct bytes row;
    size_t n = 0;
    struct kv *kv = rig_open_store(rig);
    assert_int_equal(kv_begin_read(kv, &txn), ERR_OK);
    assert_int_equal(kv_cursor_open(txn, TABLE_LOG, bytes_of(NULL, 0), &cursor), ERR_OK);
    while (kv_cursor_next(cursor, &key, &row) == ERR_OK) {
        assert_true(n < MOST);
        merkle_leaf(row, &leaves[n++]);
    }
    merkle_root(leaves, n, root_out);
    kv_abort(&txn);
    kv_close(kv);
}

/* Every size has its head, and a restart at any of them finds the tree as it was: the next entry
 * is proved on it. */
static void
test_restart_at_every_size(void **state)
{
    struct rig *rig = *state;
    struct complaint complaint = {.text = ""};
    struct merkle_hash root;
    struct rig_loop loop = begin_loop(rig);
    for (size_t i = 0; i < NOTES; i++) {
        struct checkpoint before = head(rig);
        assert_int_equal(before.size, rig_status(rig).entries);
        rig_close(rig);
        plain_root(rig, &root);
        assert_memory_equal(&root, &before.root, sizeof(root));
        rig_open(rig);
        struct checkpoint after = head(rig);
        assert_memory_equal(&after, &before, sizeof(after));
        assert_int_equal(rig_step(rig, &loop, LOOP_SOURCE, EVENT_NOTE).result, RECEIPT_ACCEPTED);
    }
    assert_true(rig->n_proofs >= NOTES);
    assert_int_equal(broker_check_store(rig->broker, &complaint), ERR_OK);
}

/* The commit has happened and nobody heard of it: the head is the one that was signed then, and
 * whoever asks again is proved in it. */
static void
test_crash_before_publication(void **state)
{
    struct rig *rig = *state;
    CLEANUP(buffer_done) struct buffer envelope = BUFFER_INIT(LIMIT_ENVELOPE_BYTES);
    CLEANUP(buffer_done) struct buffer note = BUFFER_INIT(LIMIT_CHECKPOINT_BYTES);
    struct rig_loop loop = rig_loop_new(&rig->clinic, &rig->pantry);
    struct statement statement = rig_statement(rig, &loop, LOOP_SOURCE, EVENT_REQUEST);
    (void)rig_seal(rig, &statement, 1, &rig->clinic, &envelope);
    rig_submit_only(rig, &rig->clinic.keys.curve, &rig->clinic.route, &envelope, 1);
    rig_turn(rig);
    struct bytes before = broker_checkpoint(rig->broker);
    buffer_put(&note, before.data, before.len);
    rig_reopen(rig); /* what it had to say is lost */
    assert_true(bytes_equal(broker_checkpoint(rig->broker), buffer_view(&note)));
    size_t proofs = rig->n_proofs;
    struct receipt receipt = rig_submit_as(rig, &rig->clinic, &envelope);
    assert_int_equal(receipt.result, RECEIPT_ACCEPTED);
    assert_int_equal(receipt.index, head(rig).size - 1);
    assert_int_equal(rig->n_proofs, proofs + 1);
    assert_true(bytes_equal(broker_checkpoint(rig->broker), buffer_view(&note)));
}

/* Nothing new, no new head. */
static void
test_one_head_of_a_size(void **state)
{
    struct rig *rig = *state;
    struct tree tree = {.size = 0};
    struct kv_txn *txn = NULL;
    CLEANUP(buffer_done) struct buffer note = BUFFER_INIT(LIMIT_CHECKPOINT_BYTES);
    struct merkle_hash leaf;
    uint64_t size = head(rig).size;
    merkle_leaf(bytes_of_text("another entry"), &leaf);
    rig_close(rig);
    struct kv *kv = rig_open_store(rig);
    for (uint64_t i = 0; i <= size; i++) {
        assert_int_equal(kv_begin(kv, &txn), ERR_OK);
        struct tree staged = tree;
        enum err expected = i <= size && i > 0 ? ERR_CORRUPT : ERR_OK;
        if (i > 0) {
            assert_int_equal(ledger_seal(txn, &staged, &rig->network, &rig->log, &note), expected);
            assert_int_equal(note.len, 0);
        }
        assert_int_equal(ledger_append(txn, &tree, &leaf), ERR_OK);
        kv_abort(&txn);
    }
    assert_int_equal(kv_begin(kv, &txn), ERR_OK);
    assert_int_equal(tree.size, size + 1);
    assert_int_equal(ledger_seal(txn, &tree, &rig->network, &rig->log, &note), ERR_OK);
    assert_true(note.len > 0);
    kv_abort(&txn);
    kv_close(kv);
    rig_open(rig);
}

/* What was signed, what the tiles say and how long the log is must be one. */
static void
test_damaged_edge(void **state)
{
    struct rig *rig = *state;
    CLEANUP(buffer_done) struct buffer row = BUFFER_INIT(LIMIT_FRAME_BYTES);
    uint8_t key[TREE_KEY_BYTES];
    add_notes(rig, 40);
    rig_close(rig);
    struct bytes name = tables_tree_key(0, 1, key);
    copy_row(rig, TABLE_TREE, name, &row);
    change(rig, TABLE_TREE, name, bytes_of(NULL, 0));
    expect_refused_open(rig, "tree");
    change(rig, TABLE_TREE, name, bytes_of(row.data, row.len - MERKLE_HASH_BYTES));
    expect_refused_open(rig, "tree");
    change(rig, TABLE_TREE, name, bytes_of(row.data, row.len - 1));
    expect_refused_open(rig, "tree");
    row.data[3] ^= 1;
    change(rig, TABLE_TREE, name, buffer_view(&row));
    expect_refused_open(rig, "signed");
    row.data[3] ^= 1;
    change(rig, TABLE_TREE, name, buffer_view(&row));
    rig_open(rig);
    add_notes(rig, 1);
}

static void
test_damaged_checkpoint(void **state)
{
    struct rig *rig = *state;
    CLEANUP(buffer_done) struct buffer old = BUFFER_INIT(LIMIT_CHECKPOINT_BYTES);
    CLEANUP(buffer_done) struct buffer row = BUFFER_INIT(LIMIT_CHECKPOINT_BYTES);
    CLEANUP(buffer_done) struct buffer forged = BUFFER_INIT(LIMIT_CHECKPOINT_BYTES);
    const struct bytes name = bytes_of_text(META_CHECKPOINT);
    struct sign_public other_public;
    struct sign_secret other;
    add_notes(rig, 3);
    struct checkpoint now = head(rig);
    struct bytes note = broker_checkpoint(rig->broker);
    buffer_put(&old, note.data, note.len);
    add_notes(rig, 1);
    rig_close(rig);
    copy_row(rig, TABLE_META, name, &row);
    change(rig, TABLE_META, name, bytes_of(NULL, 0));
    expect_refused_open(rig, "checkpoint");
    change(rig, TABLE_META, name, buffer_view(&old)); /* a true one, of before */
    expect_refused_open(rig, "checkpoint");
    sign_new_pair(&other_public, &other);
    assert_int_equal(checkpoint_sign(&rig->network, now.size + 1, &now.root, &other, &forged),
                     ERR_OK);
    change(rig, TABLE_META, name, buffer_view(&forged));
    expect_refused_open(rig, "checkpoint");
    buffer_clear(&forged);
    assert_int_equal(checkpoint_sign(&rig->network, now.size + 1, &now.root, &rig->log, &forged),
                     ERR_OK);
    change(rig, TABLE_META, name, buffer_view(&forged)); /* of this size, with another root */
    expect_refused_open(rig, "signed");
    change(rig, TABLE_META, name, buffer_view(&row));
    rig_open(rig);
    add_notes(rig, 1);
}

/* Deep in the tree, where a start does not look: the check finds it, a rebuild mends it. */
static void
test_damaged_tile(void **state)
{
    struct rig *rig = *state;
    struct complaint complaint = {.text = ""};
    CLEANUP(buffer_done) struct buffer row = BUFFER_INIT(LIMIT_FRAME_BYTES);
    uint8_t key[TREE_KEY_BYTES];
    add_notes(rig, 70);
    rig_close(rig);
    copy_row(rig, TABLE_TREE, tables_tree_key(0, 0, key), &row);
    row.data[40] ^= 1;
    change(rig, TABLE_TREE, tables_tree_key(0, 0, key), buffer_view(&row));
    rig_open(rig);
    assert_int_equal(broker_check_store(rig->broker, &complaint), ERR_CORRUPT);
    assert_non_null(strstr(complaint.text, "tree"));
    assert_int_equal(broker_rebuild(rig->broker, &complaint), ERR_OK);
    assert_int_equal(broker_check_store(rig->broker, &complaint), ERR_OK);
    rig_fetch(rig, &rig->pantry, 0, LIMIT_FRAME_BYTES, false); /* and all of it is proved */
    assert_true(rig_count(rig, &rig->pantry.route) > 0);
    add_notes(rig, 1);
}

/* A tile that nothing calls for. */
static void
test_tile_too_many(void **state)
{
    struct rig *rig = *state;
    struct complaint complaint = {.text = ""};
    uint8_t key[TREE_KEY_BYTES];
    rig_close(rig);
    change(rig, TABLE_TREE, tables_tree_key(3, 7, key), bytes_of(rig->network.bytes, 32));
    rig_open(rig);
    assert_int_equal(broker_check_store(rig->broker, &complaint), ERR_CORRUPT);
    assert_non_null(strstr(complaint.text, "tree"));
}

/* An entry given another time, with its digest on disk put right: no signature of a member is over
 * that, and the broker's own is. Nothing is mended, and nothing is changed. */
static void
test_altered_log(void **state)
{
    struct rig *rig = *state;
    struct complaint complaint = {.text = ""};
    CLEANUP(buffer_done) struct buffer row = BUFFER_INIT(LIMIT_FRAME_BYTES);
    CLEANUP(buffer_done) struct buffer tile = BUFFER_INIT(LIMIT_FRAME_BYTES);
    CLEANUP(buffer_done) struct buffer after = BUFFER_INIT(LIMIT_FRAME_BYTES);
    uint8_t key[TREE_KEY_BYTES];
    add_notes(rig, 5);
    rig_close(rig);
    copy_row(rig, TABLE_LOG, kv_key_u64(6, key), &row);
    row.data[7] ^= 1;
    change(rig, TABLE_LOG, kv_key_u64(6, key), buffer_view(&row));
    copy_row(rig, TABLE_TREE, tables_tree_key(0, 0, key), &tile);
    rig_open(rig);
    assert_int_equal(broker_check_store(rig->broker, &complaint), ERR_CORRUPT);
    assert_non_null(strstr(complaint.text, "tree"));
    assert_int_equal(broker_rebuild(rig->broker, &complaint), ERR_CORRUPT);
    assert_non_null(strstr(complaint.text, "signed"));
    rig_close(rig);
    copy_row(rig, TABLE_TREE, tables_tree_key(0, 0, key), &after);
    assert_true(bytes_equal(buffer_view(&tile), buffer_view(&after)));
    row.data[7] ^= 1;
    change(rig, TABLE_LOG, kv_key_u64(6, key), buffer_view(&row));
    rig_open(rig);
    assert_int_equal(broker_check_store(rig->broker, &complaint), ERR_OK);
}

/* As the first version wrote it: no tree, no head. */
static void
make_format_1(struct rig *rig)
{
    static const uint8_t format = 1;
    struct kv_txn *txn = NULL;
    struct kv *kv = rig_open_store(rig);
    assert_int_equal(kv_begin(kv, &txn), ERR_OK);
    assert_int_equal(kv_clear(txn, TABLE_TREE), ERR_OK);
    assert_int_equal(kv_delete(txn, TABLE_META, bytes_of_text(META_CHECKPOINT)), ERR_OK);
    assert_int_equal(kv_put(txn, TABLE_META, bytes_of_text(META_FORMAT), bytes_of(&format, 1)),
                     ERR_OK);
    assert_int_equal(kv_commit(&txn), ERR_OK);
    kv_close(kv);
}

static void
test_upgrade(void **state)
{
    struct rig *rig = *state;
    struct complaint complaint = {.text = ""};
    add_notes(rig, 70);
    struct checkpoint before = head(rig);
    rig_close(rig);
    make_format_1(rig);
    for (int i = 0; i < 2; i++) {
        rig_open(rig);
        struct checkpoint after = head(rig);
        assert_memory_equal(&after, &before, sizeof(after));
        assert_int_equal(broker_check_store(rig->broker, &complaint), ERR_OK);
        rig_close(rig);
    }
    rig_open(rig);
    add_notes(rig, 1);
}

/* The log of another network gets no head of ours. */
static void
test_upgrade_of_another(void **state)
{
    struct rig *rig = *state;
    struct complaint complaint = {.text = ""};
    struct broker *broker = NULL;
    void *other_state = NULL;
    assert_int_equal(rig_start(&other_state), 0);
    struct rig *other = other_state;
    rig_close(rig);
    make_format_1(rig);
    struct broker_options options = other->options;
    options.store_dir = rig->dir;
    assert_int_equal(broker_open(&options, &broker, &complaint), ERR_WRONG_NETWORK);
    assert_int_equal(rig_stop(&other_state), 0);
    rig_open(rig);
    add_notes(rig, 1);
}

static void
test_unknown_format(void **state)
{
    struct rig *rig = *state;
    static const uint8_t newer = TABLES_FORMAT + 1;
    static const uint8_t ours = TABLES_FORMAT;
    struct complaint complaint = {.text = ""};
    rig_close(rig);
    change(rig, TABLE_META, bytes_of_text(META_FORMAT), bytes_of(&newer, 1));
    /* Not damaged: nobody is to be told to restore a backup. */
    assert_int_equal(broker_open(&rig->options, &rig->broker, &complaint), ERR_CONFIG);
    assert_non_null(strstr(complaint.text, "version"));
    change(rig, TABLE_META, bytes_of_text(META_FORMAT), bytes_of(&ours, 1));
    rig_open(rig);
}

int
main(void)
{
#define RIG_TEST(test) cmocka_unit_test_setup_teardown(test, rig_start, rig_stop)
    const struct CMUnitTest tests[] = {
        RIG_TEST(test_restart_at_every_size),
        RIG_TEST(test_crash_before_publication),
        RIG_TEST(test_one_head_of_a_size),
        RIG_TEST(test_damaged_edge),
        RIG_TEST(test_damaged_checkpoint),
        RIG_TEST(test_damaged_tile),
        RIG_TEST(test_tile_too_many),
        RIG_TEST(test_altered_log),
        RIG_TEST(test_upgrade),
        RIG_TEST(test_upgrade_of_another),
        RIG_TEST(test_unknown_format),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
