/* Cursors: walking a table in key order, without knowing what is in it.
 *
 * They are more forgiving than LMDB's own: writes may happen between two steps, and a cursor may be
 * closed after its transaction. Both fall out naturally where scopes own things. */
#include "lib/store/kv_env.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "lib/store/record.h"

struct kv_cursor {
    struct kv_txn *txn; /* NULL once that has ended */
    struct kv_cursor *next;
    MDB_cursor *at;
    size_t table;
    bool placed;       /* `at` stands on `key`, as long as nothing was written since */
    uint64_t n_writes; /* of the transaction, when placed */
    bool passed;       /* `key` has been handed out; otherwise it is where to start */
    size_t key_len;
    uint8_t key[KV_KEY_MAX];
};

/* Cursors of a write transaction die with it inside LMDB, and a second close would be a double
 * free; the scope that owns one may well end after the commit. */
void
kv_cursor_end_all(struct kv_txn *txn)
{
    for (struct kv_cursor *cursor = txn->cursors; cursor != NULL; cursor = cursor->next) {
        mdb_cursor_close(cursor->at);
        cursor->at = NULL;
        cursor->txn = NULL;
    }
}

enum err
kv_cursor_open(struct kv_txn *txn, size_t table, struct bytes from, struct kv_cursor **cursor_out)
{
    assert(table < txn->kv->n_tables && from.len <= KV_KEY_MAX);
    if (txn->sticky != ERR_OK) {
        return txn->sticky;
    }
    struct kv_cursor *cursor = calloc(1, sizeof(*cursor));
    if (cursor == NULL) {
        return ERR_MEMORY;
    }
    int rc = mdb_cursor_open(txn->txn, txn->kv->dbis[table], &cursor->at);
    if (rc != 0) {
        free(cursor);
        return kv_env_err(rc);
    }
    cursor->txn = txn;
    cursor->table = table;
    cursor->key_len = from.len;
    if (from.len > 0) {
        memcpy(cursor->key, from.data, from.len);
    }
    cursor->next = txn->cursors;
    txn->cursors = cursor;
    *cursor_out = cursor;
    return ERR_OK;
}

/* After a write the place is found again by its key: what LMDB does to cursors when pages below
 * them split, merge or go has had bugs in the version we build on. */
static int
move_on(struct kv_cursor *cursor, MDB_val *key, MDB_val *value)
{
    if (cursor->placed && cursor->n_writes == cursor->txn->n_writes) {
        return mdb_cursor_get(cursor->at, key, value, MDB_NEXT);
    }
    struct bytes from = bytes_of(cursor->key, cursor->key_len);
    *key = kv_env_val(from);
    int rc = mdb_cursor_get(cursor->at, key, value, from.len > 0 ? MDB_SET_RANGE : MDB_FIRST);
    if (rc == 0 && cursor->passed && bytes_equal(kv_env_bytes(*key), from)) {
        rc = mdb_cursor_get(cursor->at, key, value, MDB_NEXT);
    }
    return rc;
}

/* A key of a length we never write comes from a damaged page. */
enum err
kv_cursor_hand_out(const char *table, MDB_val key, MDB_val stored, struct bytes *key_out,
                   struct bytes *value_out)
{
    if (key.mv_size == 0 || key.mv_size > KV_KEY_MAX) {
        return ERR_CORRUPT;
    }
    enum err err = record_open(table, kv_env_bytes(key), kv_env_bytes(stored), value_out);
    if (err == ERR_OK) {
        *key_out = kv_env_bytes(key);
    }
    return err;
}

/* The next record as LMDB has it. */
static enum err
next_stored(struct kv_cursor *cursor, MDB_val *key, MDB_val *stored)
{
    assert(cursor->txn != NULL);
    if (cursor->txn->sticky != ERR_OK) {
        return cursor->txn->sticky;
    }
    int rc = move_on(cursor, key, stored);
    cursor->placed = rc == 0;
    cursor->n_writes = cursor->txn->n_writes;
    if (rc != 0) {
        return kv_env_err(rc);
    }
    if (key->mv_size <= KV_KEY_MAX) {
        memcpy(cursor->key, key->mv_data, key->mv_size);
        cursor->key_len = key->mv_size;
        cursor->passed = true;
    }
    return ERR_OK;
}

enum err
kv_cursor_next(struct kv_cursor *cursor, struct bytes *key_out, struct bytes *value_out)
{
    MDB_val key;
    MDB_val stored;
    enum err err = next_stored(cursor, &key, &stored);
    return err != ERR_OK ? err
                         : kv_cursor_hand_out(cursor->txn->kv->names[cursor->table], key, stored,
                                              key_out, value_out);
}

enum err
kv_cursor_next_unchecked(struct kv_cursor *cursor, struct bytes *key_out, struct bytes *value_out)
{
    MDB_val key;
    MDB_val stored;
    enum err err = next_stored(cursor, &key, &stored);
    if (err == ERR_OK && (key.mv_size == 0 || key.mv_size > KV_KEY_MAX)) {
        err = ERR_CORRUPT;
    }
    if (err == ERR_OK) {
        err = record_open_unchecked(kv_env_bytes(stored), value_out);
    }
    if (err == ERR_OK) {
        *key_out = kv_env_bytes(key);
    }
    return err;
}

void
kv_cursor_close(struct kv_cursor *cursor)
{
    if (cursor == NULL) {
        return;
    }
    if (cursor->txn != NULL) {
        struct kv_cursor **at = &cursor->txn->cursors;
        while (*at != cursor) {
            at = &(*at)->next;
        }
        *at = cursor->next;
        mdb_cursor_close(cursor->at);
    }
    free(cursor);
}

void
kv_cursor_closep(struct kv_cursor **cursor)
{
    kv_cursor_close(*cursor);
    *cursor = NULL;
}
