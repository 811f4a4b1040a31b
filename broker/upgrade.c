/* Decides how a store of an earlier version becomes one of this version. Format 1 had a log and no
 * tree over it: the tree is made from the log's rows as they stand, and its head signed for the
 * first time. Done once, in one transaction, so that there is never a half of it. */
#include "broker/upgrade.h"

enum { FORMAT_WITHOUT_TREE = 1, GROW_ATTEMPTS = 24 };

static enum err
is_without_tree(struct kv *kv, bool *yes_out)
{
    CLEANUP(kv_abort) struct kv_txn *txn = NULL;
    struct bytes value;
    enum err err = kv_begin_read(kv, &txn);
    if (err == ERR_OK) {
        err = kv_get(txn, TABLE_META, bytes_of_text(META_FORMAT), &value);
    }
    if (err == ERR_OK) {
        *yes_out = value.len == 1 && value.data[0] == FORMAT_WITHOUT_TREE;
    }
    return err == ERR_NOT_FOUND ? ERR_OK : err; /* whoever loads it says what is wrong */
}

static enum err
append_all(struct kv_txn *txn, struct tree *tree)
{
    CLEANUP(kv_cursor_closep) struct kv_cursor *cursor = NULL;
    struct bytes key;
    struct bytes row;
    struct merkle_hash leaf;
    enum err err = kv_clear(txn, TABLE_TREE);
    if (err == ERR_OK) {
        err = kv_cursor_open(txn, TABLE_LOG, bytes_of(NULL, 0), &cursor);
    }
    while (err == ERR_OK && (err = kv_cursor_next(cursor, &key, &row)) == ERR_OK) {
        if (kv_u64_of_key(key) != tree->size) {
            return ERR_CORRUPT; /* a gap */
        }
        merkle_leaf(row, &leaf);
        err = ledger_append(txn, tree, &leaf);
    }
    return err == ERR_NOT_FOUND ? ERR_OK : err;
}

static enum err
add_tree(struct kv *kv, const struct network_id *network, const struct sign_secret *log_secret)
{
    CLEANUP(kv_abort) struct kv_txn *txn = NULL;
    CLEANUP(buffer_done) struct buffer note = BUFFER_INIT(LIMIT_CHECKPOINT_BYTES);
    static const uint8_t format = TABLES_FORMAT;
    struct tree tree = {.size = 0};
    enum err err = kv_begin(kv, &txn);
    if (err == ERR_OK) {
        err = append_all(txn, &tree);
    }
    if (err == ERR_OK) {
        err = ledger_seal(txn, &tree, network, log_secret, &note);
    }
    if (err == ERR_OK) {
        err = kv_put(txn, TABLE_META, bytes_of_text(META_FORMAT), bytes_of(&format, 1));
    }
    if (err != ERR_OK && err != ERR_TOO_LARGE) {
        return err;
    }
    return kv_commit(&txn); /* also after a put that found no room: it makes the room */
}

enum err
upgrade_store(struct kv *kv, const struct network_id *network, const struct sign_secret *log_secret)
{
    bool without_tree = false;
    enum err err = is_without_tree(kv, &without_tree);
    if (err != ERR_OK || !without_tree) {
        return err;
    }
    err = ERR_TOO_LARGE;
    for (int i = 0; err == ERR_TOO_LARGE && i < GROW_ATTEMPTS; i++) {
        err = add_tree(kv, network, log_secret);
    }
    return err == ERR_TOO_LARGE ? ERR_INTERNAL : err;
}
