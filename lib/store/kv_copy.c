/* A copy of a running store: complete, on disk and readable to the last record, or not there at
 * all. */
#include "lib/store/kv_env.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/file.h"
#include "lib/store/place.h"

#define DATA_NAME "data.mdb"

enum { FILE_MODE = 0600 };

static enum err
check_table(struct kv_txn *txn, size_t table)
{
    CLEANUP(kv_cursor_closep) struct kv_cursor *cursor = NULL;
    struct bytes key;
    struct bytes value;
    enum err err = kv_cursor_open(txn, table, bytes_of(NULL, 0), &cursor);
    while (err == ERR_OK) {
        err = kv_cursor_next(cursor, &key, &value);
    }
    return err == ERR_NOT_FOUND ? ERR_OK : err;
}

/* Reads every record of a copy, as whoever restores it will. */
static enum err
check_copy(const struct kv *original, const char *dir)
{
    CLEANUP(kv_closep) struct kv *copy = NULL;
    CLEANUP(kv_abort) struct kv_txn *txn = NULL;
    const char *names[KV_TABLES_MAX];
    for (size_t i = 0; i < original->n_tables; i++) {
        names[i] = original->names[i];
    }
    enum err err = kv_env_new(names, original->n_tables, &copy);
    if (err == ERR_OK) {
        err = kv_env_open(copy, dir, 0, MDB_RDONLY | MDB_NOLOCK);
    }
    if (err == ERR_OK) {
        err = kv_begin_read(copy, &txn);
    }
    if (err == ERR_OK) {
        err = kv_env_open_tables(copy, txn->txn);
    }
    for (size_t i = 0; err == ERR_OK && i < copy->n_tables; i++) {
        err = check_table(txn, i);
    }
    return err == ERR_NOT_FOUND ? ERR_CORRUPT : err;
}

static enum err
sync_copy(const char *path, const char *dir)
{
    int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) {
        return ERR_IO;
    }
    bool synced = fchmod(fd, FILE_MODE) == 0 && fsync(fd) == 0;
    close(fd);
    return synced ? place_sync(dir) : ERR_IO;
}

enum err
kv_copy(struct kv *kv, const char *dir)
{
    CLEANUP(kv_abort) struct kv_txn *held = NULL;
    char path[FILE_PATH_MAX];
    enum err err = file_path(path, dir, DATA_NAME);
    if (err == ERR_OK) {
        err = place_make_empty(dir);
    }
    /* LMDB reads in a transaction of its own, which must find a map of the right size. */
    if (err == ERR_OK) {
        err = kv_begin_read(kv, &held);
    }
    if (err != ERR_OK) {
        return err;
    }
    err = kv_env_err(mdb_env_copy2(kv->env, dir, MDB_CP_COMPACT));
    if (err == ERR_OK) {
        err = sync_copy(path, dir);
    }
    if (err == ERR_OK) {
        err = check_copy(kv, dir);
    }
    if (err != ERR_OK) {
        (void)unlink(path); /* half a copy must not pass for one; the error says the rest */
    }
    return err;
}
