/* The store as its users see it: transactions over checked records. It does not know what is
 * stored.
 *
 * What LMDB leaves to its caller and is kept here: one process per store, one write transaction at
 * a time, no growing of the map under an open transaction, the first failure standing for the whole
 * turn. One thread owns the store; one that is only read may have several readers. */
#include "lib/store/kv.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/file.h"
#include "lib/store/kv_env.h"
#include "lib/store/place.h"
#include "lib/store/record.h"

/* Whether there is nothing yet in the file of the store. */
static bool
is_unborn(const char *path)
{
    struct stat status;
    return stat(path, &status) != 0 || status.st_size == 0;
}

/* A file that was begun here and is half written could never be opened again; and it holds nothing.
 */
static enum err
open_env(struct kv *kv, const struct kv_options *options)
{
    char path[FILE_PATH_MAX];
    enum err err = file_path(path, options->dir, "data.mdb");
    if (err != ERR_OK) {
        return err;
    }
    bool unborn = is_unborn(path);
    err = kv_env_open(kv, options->dir, options->map_bytes, 0);
    if (err != ERR_OK && unborn) {
        (void)unlink(path); /* if it stays, the next start says so */
    }
    return err;
}

enum err
kv_open(const struct kv_options *options, struct kv **kv_out, struct complaint *complaint)
{
    assert(options->map_bytes > 0 && options->map_bytes <= options->map_max_bytes);
    CLEANUP(kv_closep) struct kv *kv = NULL;
    enum err err = kv_env_new(options->tables, options->n_tables, &kv);
    if (err != ERR_OK) {
        return complain(complaint, err, "%s", err_text(err));
    }
    kv->map_max_bytes = options->map_max_bytes;
    err = place_take(options->dir, &kv->lock_fd, complaint);
    if (err != ERR_OK) {
        return err;
    }
    err = open_env(kv, options);
    if (err == ERR_OK) {
        kv_tend(kv);
        err = kv_env_set_up(kv);
    }
    if (err == ERR_OK) {
        err = place_sync(options->dir); /* LMDB does not: its files could be without a name */
    }
    if (err != ERR_OK) {
        return complain(complaint, err, "the store in %s cannot be opened: %s", options->dir,
                        err_text(err));
    }
    *kv_out = kv;
    kv = NULL;
    return ERR_OK;
}

static void
must(int rc)
{
    assert(rc == 0); /* a mutex that is neither broken nor locked twice */
    (void)rc;
}

void
kv_close(struct kv *kv)
{
    if (kv == NULL) {
        return;
    }
    assert(!kv->writing && kv->n_reading == 0);
    if (kv->env != NULL) {
        mdb_env_close(kv->env);
    }
    /* Last: whoever gets the lock finds the environment closed. */
    if (kv->lock_fd >= 0) {
        close(kv->lock_fd);
    }
    for (size_t i = 0; i < kv->n_tables; i++) {
        free(kv->names[i]);
    }
    buffer_wipe(&kv->scratch);
    must(pthread_mutex_destroy(&kv->begin));
    free(kv);
}

void
kv_closep(struct kv **kv)
{
    kv_close(*kv);
    *kv = NULL;
}

/* Counted within the lock: the map must not move between a transaction's begin and its count. */
static enum err
begin_reading(struct kv *kv, MDB_txn **txn_out)
{
    must(pthread_mutex_lock(&kv->begin));
    enum err err = kv_env_begin(kv, MDB_RDONLY, txn_out);
    if (err == ERR_OK) {
        kv->n_reading++;
    }
    must(pthread_mutex_unlock(&kv->begin));
    return err;
}

static void
end_reading(struct kv *kv, MDB_txn *txn)
{
    must(pthread_mutex_lock(&kv->begin));
    mdb_txn_abort(txn);
    kv->n_reading--;
    must(pthread_mutex_unlock(&kv->begin));
}

static enum err
begin(struct kv *kv, bool write, struct kv_txn **txn_out)
{
    struct kv_txn *txn = calloc(1, sizeof(*txn));
    if (txn == NULL) {
        return ERR_MEMORY;
    }
    enum err err = write ? kv_env_begin(kv, 0, &txn->txn) : begin_reading(kv, &txn->txn);
    if (err != ERR_OK) {
        free(txn);
        return err;
    }
    txn->kv = kv;
    txn->write = write;
    if (write) {
        kv->writing = true;
    }
    *txn_out = txn;
    return ERR_OK;
}

enum err
kv_begin(struct kv *kv, struct kv_txn **txn_out)
{
    assert(!kv->writing && !kv->read_only);
    if (kv->must_grow && kv->n_reading == 0) {
        enum err err = kv_env_grow(kv);
        if (err != ERR_TOO_LARGE) {
            return err;
        }
    }
    return begin(kv, true, txn_out);
}

enum err
kv_begin_read(struct kv *kv, struct kv_txn **txn_out)
{
    return begin(kv, false, txn_out);
}

static enum err
end(struct kv_txn **txn_at, bool commit)
{
    struct kv_txn *txn = *txn_at;
    struct kv *kv = txn->kv;
    enum err err = ERR_OK;
    *txn_at = NULL;
    kv_cursor_end_all(txn);
    if (!txn->write) {
        end_reading(kv, txn->txn);
    } else if (commit) {
        int rc = mdb_txn_commit(txn->txn);
        err = kv_env_err_of_write(kv, rc);
    } else {
        mdb_txn_abort(txn->txn);
    }
    if (txn->write) {
        kv->writing = false;
    }
    free(txn);
    return err;
}

enum err
kv_commit(struct kv_txn **txn)
{
    assert((*txn)->write);
    struct kv *kv = (*txn)->kv;
    enum err sticky = (*txn)->sticky;
    enum err err = end(txn, sticky == ERR_OK);
    if (sticky != ERR_OK) {
        err = sticky;
    }
    return err == ERR_TOO_LARGE ? kv_env_grow(kv) : err;
}

void
kv_abort(struct kv_txn **txn)
{
    if (*txn != NULL) {
        (void)end(txn, false); /* there is nothing that aborting could fail at */
    }
}

static MDB_dbi
dbi_of(const struct kv_txn *txn, size_t table)
{
    assert(table < txn->kv->n_tables);
    return txn->kv->dbis[table];
}

static MDB_val
key_of(struct bytes key)
{
    assert(key.len > 0 && key.len <= KV_KEY_MAX);
    return kv_env_val(key);
}

enum err
kv_get(struct kv_txn *txn, size_t table, struct bytes key, struct bytes *value_out)
{
    MDB_val wanted = key_of(key);
    MDB_val found;
    /* LMDB would answer "bad transaction", which sounds like a sick disk. */
    if (txn->sticky != ERR_OK) {
        return txn->sticky;
    }
    int rc = mdb_get(txn->txn, dbi_of(txn, table), &wanted, &found);
    if (rc != 0) {
        return kv_env_err(rc);
    }
    return record_open(txn->kv->names[table], key, kv_env_bytes(found), value_out);
}

bool
kv_has(struct kv_txn *txn, size_t table, struct bytes key)
{
    MDB_val wanted = key_of(key);
    MDB_val found;
    return mdb_get(txn->txn, dbi_of(txn, table), &wanted, &found) == 0;
}

/* Every write comes through here: the first failure stands for the whole transaction. */
static enum err
wrote(struct kv_txn *txn, int rc)
{
    txn->n_writes++;
    txn->sticky = kv_env_err_of_write(txn->kv, rc);
    return txn->sticky;
}

enum err
kv_put(struct kv_txn *txn, size_t table, struct bytes key, struct bytes value)
{
    assert(txn->write);
    MDB_dbi dbi = dbi_of(txn, table);
    MDB_val at = key_of(key);
    if (txn->sticky != ERR_OK) {
        return txn->sticky;
    }
    /* Built apart, not in place: key and value may be views into the very page that moves. */
    struct buffer *record = &txn->kv->scratch;
    uint8_t key_copy[KV_KEY_MAX];
    uint8_t head[RECORD_HEAD_BYTES];
    memcpy(key_copy, key.data, key.len);
    at.mv_data = key_copy;
    record_head(txn->kv->names[table], key, value, head);
    buffer_clear(record);
    buffer_put(record, head, sizeof(head));
    buffer_put(record, value.data, value.len);
    if (buffer_err(record) != ERR_OK) {
        txn->sticky = ERR_MEMORY;
        return ERR_MEMORY;
    }
    MDB_val stored = kv_env_val(buffer_view(record));
    return wrote(txn, mdb_put(txn->txn, dbi, &at, &stored, 0));
}

enum err
kv_delete(struct kv_txn *txn, size_t table, struct bytes key)
{
    assert(txn->write);
    MDB_dbi dbi = dbi_of(txn, table);
    MDB_val at = key_of(key);
    if (txn->sticky != ERR_OK) {
        return txn->sticky;
    }
    int rc = mdb_del(txn->txn, dbi, &at, NULL);
    return wrote(txn, rc == MDB_NOTFOUND ? 0 : rc);
}

enum err
kv_clear(struct kv_txn *txn, size_t table)
{
    assert(txn->write);
    MDB_dbi dbi = dbi_of(txn, table);
    if (txn->sticky != ERR_OK) {
        return txn->sticky;
    }
    return wrote(txn, mdb_drop(txn->txn, dbi, 0));
}

size_t
kv_count(struct kv_txn *txn, size_t table)
{
    MDB_stat stat = {0};
    (void)mdb_stat(txn->txn, dbi_of(txn, table), &stat); /* fails for a bad transaction only */
    return stat.ms_entries;
}

uint64_t
kv_snapshot(const struct kv_txn *txn)
{
    return mdb_txn_id(txn->txn);
}

enum err
kv_last(struct kv_txn *txn, size_t table, struct bytes *key_out, struct bytes *value_out)
{
    MDB_cursor *cursor;
    MDB_val key;
    MDB_val stored;
    if (txn->sticky != ERR_OK) {
        return txn->sticky;
    }
    int rc = mdb_cursor_open(txn->txn, dbi_of(txn, table), &cursor);
    if (rc != 0) {
        return kv_env_err(rc);
    }
    rc = mdb_cursor_get(cursor, &key, &stored, MDB_LAST);
    mdb_cursor_close(cursor);
    return rc != 0 ? kv_env_err(rc)
                   : kv_cursor_hand_out(txn->kv->names[table], key, stored, key_out, value_out);
}

unsigned
kv_fill_percent(struct kv *kv)
{
    CLEANUP(kv_abort) struct kv_txn *txn = NULL;
    MDB_envinfo info;
    MDB_stat stat;
    size_t n_free;
    /* Whoever cannot look must not be told that there is room. */
    if (begin(kv, false, &txn) != ERR_OK || mdb_env_info(kv->env, &info) != 0 ||
        mdb_env_stat(kv->env, &stat) != 0 || kv_env_count_free_pages(txn->txn, &n_free) != ERR_OK ||
        n_free > info.me_last_pgno) {
        return 100;
    }
    double used = (double)(info.me_last_pgno + 1 - n_free) * (double)stat.ms_psize;
    double percent = used * 100.0 / (double)kv->map_max_bytes;
    return percent < 100.0 ? (unsigned)percent : 100;
}

void
kv_tend(struct kv *kv)
{
    int n_dead;
    (void)mdb_reader_check(kv->env, &n_dead); /* a slot kept too long costs room, nothing else */
}

struct bytes
kv_key_u64(uint64_t value, uint8_t out[8])
{
    for (size_t i = 8; i-- > 0; value >>= 8) {
        out[i] = (uint8_t)(value & 0xff);
    }
    return bytes_of(out, 8);
}

uint64_t
kv_u64_of_key(struct bytes key)
{
    assert(key.len == 8);
    uint64_t value = 0;
    for (size_t i = 0; i < key.len; i++) {
        value = value << 8 | key.data[i];
    }
    return value;
}
