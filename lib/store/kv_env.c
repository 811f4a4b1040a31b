/* The environment: which failures of LMDB mean what, how the map grows, how a store is made. It
 * does not know what is stored.
 *
 * Three failures of a write are foreseen and harmless, because a transaction that did not commit
 * left nothing: a full map (grow it, run the turn again), a full disk (stop writing, read on), and
 * no memory. Any other means that the disk can no longer be believed. */
#include "lib/store/kv_env.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BALLAST_NAME "ballast"

enum {
    FILE_MODE = 0600,
    BALLAST_BYTES = 1 << 20,
    PROBE_BYTES = 64 << 10,
    FREE_LIST = 0, /* LMDB's own table of free pages */
};

static const struct {
    int rc;
    enum err err;
} meanings[] = {
    {MDB_SUCCESS, ERR_OK},
    {MDB_NOTFOUND, ERR_NOT_FOUND},
    {MDB_MAP_FULL, ERR_TOO_LARGE},
    {MDB_CORRUPTED, ERR_CORRUPT},
    {MDB_PAGE_NOTFOUND, ERR_CORRUPT},
    {MDB_INVALID, ERR_CORRUPT},
    {MDB_VERSION_MISMATCH, ERR_CORRUPT},
    {MDB_INCOMPATIBLE, ERR_CORRUPT},
    {MDB_CURSOR_FULL, ERR_CORRUPT}, /* pages that lead in a circle */
    {MDB_BAD_TXN, ERR_CORRUPT},     /* of a read that goes on after the one that met the damage */
    {MDB_BAD_VALSIZE, ERR_INTERNAL},
    {MDB_DBS_FULL, ERR_INTERNAL},
    {ENOSPC, ERR_DISK_FULL},
    {EDQUOT, ERR_DISK_FULL},
    {EFBIG, ERR_DISK_FULL},
    {ENOMEM, ERR_MEMORY},
    {EACCES, ERR_PERMISSION},
};

enum err
kv_env_err(int rc)
{
    for (size_t i = 0; i < ARRAY_LEN(meanings); i++) {
        if (meanings[i].rc == rc) {
            return meanings[i].err;
        }
    }
    return ERR_IO;
}

/* LMDB calls a short write EIO, and a short write is how a full disk often looks first. So ask
 * again, past the end of the file, where no page of the store lies. */
static bool
disk_is_full(const struct kv *kv)
{
    static const uint8_t zeros[PROBE_BYTES];
    struct stat status;
    int fd;
    if (mdb_env_get_fd(kv->env, &fd) != 0 || fstat(fd, &status) != 0) {
        return false;
    }
    ssize_t written = pwrite(fd, zeros, sizeof(zeros), status.st_size);
    return written < 0 ? kv_env_err(errno) == ERR_DISK_FULL : (size_t)written < sizeof(zeros);
}

enum err
kv_env_err_of_write(const struct kv *kv, int rc)
{
    if (rc == MDB_MAP_FULL && kv->map_bytes >= kv->map_max_bytes) {
        return ERR_DISK_FULL;
    }
    if (rc == EIO && disk_is_full(kv)) {
        return ERR_DISK_FULL;
    }
    return kv_env_err(rc);
}

/* LMDB takes pointers to non-const for what it only reads. */
MDB_val
kv_env_val(struct bytes bytes)
{
    return (MDB_val){.mv_size = bytes.len, .mv_data = (void *)(uintptr_t)bytes.data};
}

struct bytes
kv_env_bytes(MDB_val val)
{
    return bytes_of(val.mv_data, val.mv_size);
}

enum err
kv_env_grow(struct kv *kv)
{
    if (kv->map_bytes >= kv->map_max_bytes) {
        return ERR_DISK_FULL;
    }
    kv->must_grow = kv->n_reading > 0;
    if (kv->must_grow) {
        return ERR_TOO_LARGE;
    }
    size_t bytes = kv->map_bytes > kv->map_max_bytes / 2 ? kv->map_max_bytes : kv->map_bytes * 2;
    int rc = mdb_env_set_mapsize(kv->env, bytes);
    if (rc != 0) {
        return kv_env_err(rc);
    }
    kv->map_bytes = bytes;
    return ERR_TOO_LARGE;
}

enum err
kv_env_new(const char *const *tables, size_t n_tables, struct kv **kv_out)
{
    assert(n_tables > 0 && n_tables <= KV_TABLES_MAX);
    CLEANUP(kv_closep) struct kv *kv = calloc(1, sizeof(*kv));
    if (kv == NULL) {
        return ERR_MEMORY;
    }
    if (pthread_mutex_init(&kv->begin, NULL) != 0) {
        free(kv);
        kv = NULL;
        return ERR_MEMORY;
    }
    kv->lock_fd = -1;
    kv->n_tables = n_tables;
    kv->scratch = BUFFER_INIT(SIZE_MAX / 2);
    for (size_t i = 0; i < n_tables; i++) {
        kv->names[i] = strdup(tables[i]);
        if (kv->names[i] == NULL) {
            return ERR_MEMORY;
        }
    }
    *kv_out = kv;
    kv = NULL;
    return ERR_OK;
}

enum err
kv_env_open(struct kv *kv, const char *dir, size_t map_bytes, unsigned flags)
{
    MDB_envinfo info;
    int rc = mdb_env_create(&kv->env);
    if (rc == 0 && map_bytes > 0) {
        rc = mdb_env_set_mapsize(kv->env, map_bytes);
    }
    if (rc == 0) {
        rc = mdb_env_set_maxdbs(kv->env, KV_TABLES_MAX);
    }
    if (rc == 0) {
        rc = mdb_env_open(kv->env, dir, flags | MDB_NOTLS, FILE_MODE);
    }
    if (rc == 0) {
        rc = mdb_env_info(kv->env, &info);
    }
    if (rc == 0) {
        kv->map_bytes = info.me_mapsize; /* more than asked for when the data need it */
    }
    return kv_env_err(rc);
}

/* The size that the owner has given the map, and room for it to double once. */
static int
follow_size(struct kv *kv)
{
    MDB_envinfo info;
    int rc = mdb_env_set_mapsize(kv->env, 0);
    if (rc == 0) {
        rc = mdb_env_info(kv->env, &info);
    }
    if (rc == 0) {
        kv->map_max_bytes = info.me_mapsize;
        kv->map_bytes = info.me_mapsize * 2;
        rc = mdb_env_set_mapsize(kv->env, kv->map_bytes);
    }
    return rc;
}

enum err
kv_env_follow(struct kv *kv)
{
    kv->read_only = true;
    return kv_env_err(follow_size(kv));
}

enum err
kv_env_begin(struct kv *kv, unsigned flags, MDB_txn **txn_out)
{
    int rc = mdb_txn_begin(kv->env, NULL, flags, txn_out);
    if (rc == MDB_MAP_RESIZED && kv->read_only) {
        if (kv->n_reading > 0) {
            return ERR_TOO_LARGE;
        }
        rc = follow_size(kv);
        if (rc == 0) {
            rc = mdb_txn_begin(kv->env, NULL, flags, txn_out);
        }
    }
    return kv_env_err(rc);
}

static int
open_dbis(struct kv *kv, MDB_txn *txn, unsigned flags)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < kv->n_tables; i++) {
        rc = mdb_dbi_open(txn, kv->names[i], flags, &kv->dbis[i]);
    }
    return rc;
}

enum err
kv_env_open_tables(struct kv *kv, MDB_txn *txn)
{
    return kv_env_err(open_dbis(kv, txn, 0));
}

static int
drop_ballast(MDB_txn *txn)
{
    MDB_dbi root;
    MDB_val key = kv_env_val(bytes_of_text(BALLAST_NAME));
    int rc = mdb_dbi_open(txn, NULL, 0, &root);
    if (rc == 0) {
        rc = mdb_del(txn, root, &key, NULL);
    }
    return rc == MDB_NOTFOUND ? 0 : rc;
}

static int
take_ballast(MDB_txn *txn, size_t bytes)
{
    MDB_dbi root;
    MDB_val key = kv_env_val(bytes_of_text(BALLAST_NAME));
    MDB_val value = {.mv_size = bytes};
    int rc = mdb_dbi_open(txn, NULL, 0, &root);
    if (rc == 0) {
        rc = mdb_put(txn, root, &key, &value, MDB_RESERVE);
    }
    if (rc == 0) {
        memset(value.mv_data, 0, bytes);
    }
    return rc;
}

/* Opens the tables; with ballast_bytes > 0 takes ballast too, otherwise drops it: a run that died
 * between the two left it. It stands beside the tables, so no table ever shows it. */
static int
set_up(struct kv *kv, size_t ballast_bytes)
{
    MDB_txn *txn;
    int rc = mdb_txn_begin(kv->env, NULL, 0, &txn);
    if (rc != 0) {
        return rc;
    }
    rc = open_dbis(kv, txn, MDB_CREATE);
    if (rc == 0) {
        rc = ballast_bytes > 0 ? take_ballast(txn, ballast_bytes) : drop_ballast(txn);
    }
    if (rc != 0) {
        mdb_txn_abort(txn);
        return rc;
    }
    return mdb_txn_commit(txn);
}

/* A file that grows is the one thing that fdatasync has been caught to get wrong: so a new store
 * writes its first mebibyte at once and then lives in pages that the file already has. */
static int
set_up_new(struct kv *kv)
{
    size_t bytes = kv->map_bytes / 4 < BALLAST_BYTES ? kv->map_bytes / 4 : BALLAST_BYTES;
    int rc = set_up(kv, bytes);
    return rc != 0 ? rc : set_up(kv, 0);
}

enum err
kv_env_set_up(struct kv *kv)
{
    MDB_envinfo info;
    int rc = mdb_env_info(kv->env, &info);
    if (rc != 0) {
        return kv_env_err(rc);
    }
    for (;;) {
        rc = info.me_last_txnid == 0 ? set_up_new(kv) : set_up(kv, 0);
        enum err err = kv_env_err_of_write(kv, rc);
        if (err == ERR_TOO_LARGE) {
            err = kv_env_grow(kv);
        }
        if (err != ERR_TOO_LARGE) {
            return err;
        }
    }
}

/* Each entry of the free list starts with the number of pages in it. */
enum err
kv_env_count_free_pages(MDB_txn *txn, size_t *pages_out)
{
    MDB_cursor *cursor;
    MDB_val key;
    MDB_val entry;
    size_t pages = 0;
    int rc = mdb_cursor_open(txn, FREE_LIST, &cursor);
    if (rc != 0) {
        return kv_env_err(rc);
    }
    while ((rc = mdb_cursor_get(cursor, &key, &entry, MDB_NEXT)) == 0) {
        size_t n;
        memcpy(&n, entry.mv_data, sizeof(n));
        pages += n;
    }
    mdb_cursor_close(cursor);
    if (rc != MDB_NOTFOUND) {
        return kv_env_err(rc);
    }
    *pages_out = pages;
    return ERR_OK;
}
