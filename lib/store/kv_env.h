/* What the files of the store share and nobody else sees: the only file that includes lmdb.h. */
#ifndef REFLOOP_LIB_STORE_KV_ENV_H
#define REFLOOP_LIB_STORE_KV_ENV_H

#include <lmdb.h>
#include <pthread.h>

#include "lib/store/kv.h"

struct kv {
    MDB_env *env;
    int lock_fd; /* -1: not ours to lock, a copy being checked */
    size_t map_bytes;
    size_t map_max_bytes;
    size_t n_tables;
    char *names[KV_TABLES_MAX];
    MDB_dbi dbis[KV_TABLES_MAX];
    struct buffer scratch; /* the record being put */
    bool writing;
    bool read_only;        /* another process owns the store */
    pthread_mutex_t begin; /* read transactions of several threads: begin, end, and n_reading */
    unsigned n_reading;
    bool must_grow; /* the map was full while a reader forbade growing it */
};

struct kv_txn {
    struct kv *kv;
    MDB_txn *txn;
    bool write;
    enum err sticky;
    uint64_t n_writes;
    struct kv_cursor *cursors; /* open ones */
};

/* The meaning of an LMDB result; of a failed write, which may have to look whether the disk is
 * full. */
enum err kv_env_err(int rc);
enum err kv_env_err_of_write(const struct kv *kv, int rc);
MDB_val kv_env_val(struct bytes bytes);
struct bytes kv_env_bytes(MDB_val val);

/* Half-built objects are the caller's as well: kv_close releases them. */
enum err kv_env_new(const char *const *tables, size_t n_tables, struct kv **kv_out) MUST_CHECK;
/* map_bytes 0: as large as the file says. */
enum err kv_env_open(struct kv *kv, const char *dir, size_t map_bytes, unsigned flags) MUST_CHECK;
/* After opening a store of another process: its map is ours to follow, with some room ahead. */
enum err kv_env_follow(struct kv *kv) MUST_CHECK;
/* A transaction of LMDB. A map that has become too small for a reader is made anew while nobody
 * reads through this handle (its mutex is held, or no other thread knows it); otherwise
 * ERR_TOO_LARGE. */
enum err kv_env_begin(struct kv *kv, unsigned flags, MDB_txn **txn_out) MUST_CHECK;
/* Opens the tables of an existing store inside a transaction, for that transaction. */
enum err kv_env_open_tables(struct kv *kv, MDB_txn *txn) MUST_CHECK;
/* Makes or opens the tables; a new store writes its ballast first. */
enum err kv_env_set_up(struct kv *kv) MUST_CHECK;
/* ERR_TOO_LARGE, the answer of a commit that made room, unless there is no more to be had. */
enum err kv_env_grow(struct kv *kv) MUST_CHECK;
enum err kv_env_count_free_pages(MDB_txn *txn, size_t *pages_out) MUST_CHECK;

/* Ends the cursors of a transaction that is about to end. */
void kv_cursor_end_all(struct kv_txn *txn);
/* A key and a checked payload out of what LMDB found. */
enum err kv_cursor_hand_out(const char *table, MDB_val key, MDB_val stored, struct bytes *key_out,
                            struct bytes *value_out) MUST_CHECK;

#endif
