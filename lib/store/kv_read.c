/* Reading a store that is another process's, or nobody's (a copy): how to open it without harm to
 * the one who writes it. It does not know what is stored.
 *
 * The reader enters itself in LMDB's lock file, so that the writer leaves alone the pages being
 * read. Where there is none it is made, and given to the owner of the data: one of ours would keep
 * the owner out. Only where it can neither be found nor made (a read-only medium, a directory not
 * ours to write) do we read without: nobody writes such a store.
 *
 * The owner may let the file grow past our map. Then the map is made anew, which moves every page:
 * only while nobody reads through this handle. So that this is rare the map has room for the file
 * to double, which costs address space only. */
#include "lib/store/kv_env.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/file.h"

#define DATA_NAME "data.mdb"
#define LOCK_NAME "lock.mdb"

static enum err
find_data(const char *dir, struct stat *data_out, struct complaint *complaint)
{
    char path[FILE_PATH_MAX];
    if (file_path(path, dir, DATA_NAME) != ERR_OK) {
        return complain(complaint, ERR_CONFIG, "the name of the directory %s is too long", dir);
    }
    int rc = stat(path, data_out);
    if (rc != 0 && errno == EACCES) {
        return complain(complaint, ERR_PERMISSION, "the store in %s may not be read by this user",
                        dir);
    }
    if (rc != 0 && errno != ENOENT && errno != ENOTDIR) {
        return complain(complaint, ERR_IO, "%s cannot be looked at: %s", path, strerror(errno));
    }
    /* An empty file is one whose owner has not come to write it. */
    if (rc != 0 || data_out->st_size == 0) {
        return complain(complaint, ERR_NOT_FOUND, "there is no store in %s", dir);
    }
    return ERR_OK;
}

/* In vain for anybody but root, who is the one who has to. */
static void
give_to_owner(const char *path, const struct stat *data)
{
    struct stat lock;
    if (lstat(path, &lock) == 0 && lock.st_uid != data->st_uid) {
        int rc = lchown(path, data->st_uid, data->st_gid);
        (void)rc;
    }
}

static enum err
open_env(struct kv **kv, const char *const *tables, size_t n_tables, const char *dir,
         const struct stat *data)
{
    char lock[FILE_PATH_MAX];
    enum err err = file_path(lock, dir, LOCK_NAME);
    bool had_lock = access(lock, F_OK) == 0;
    if (err == ERR_OK) {
        err = kv_env_open(*kv, dir, 0, MDB_RDONLY);
    }
    if (err == ERR_PERMISSION && !had_lock) {
        /* An environment that failed to open is good for nothing but closing. */
        kv_closep(kv);
        err = kv_env_new(tables, n_tables, kv);
        return err == ERR_OK ? kv_env_open(*kv, dir, 0, MDB_RDONLY | MDB_NOLOCK) : err;
    }
    if (!had_lock) {
        give_to_owner(lock, data);
    }
    return err;
}

/* Handles opened in a transaction outlive it only when it commits, even one that wrote nothing. */
static enum err
open_tables(struct kv *kv, const char *dir, struct complaint *complaint)
{
    MDB_txn *txn;
    enum err err = kv_env_begin(kv, MDB_RDONLY, &txn);
    if (err != ERR_OK) {
        return complain(complaint, err, "the store in %s cannot be read: %s", dir, err_text(err));
    }
    err = kv_env_open_tables(kv, txn);
    if (err == ERR_OK) {
        err = kv_env_err(mdb_txn_commit(txn));
    } else {
        mdb_txn_abort(txn);
    }
    if (err == ERR_OK) {
        return err;
    }
    return err == ERR_NOT_FOUND
               ? complain(complaint, ERR_CONFIG,
                          "the store in %s lacks tables that this version reads: it was written by "
                          "an older version or by another program",
                          dir)
               : complain(complaint, err, "the store in %s cannot be read: %s", dir, err_text(err));
}

enum err
kv_open_read(const char *dir, const char *const *tables, size_t n_tables, struct kv **kv_out,
             struct complaint *complaint)
{
    CLEANUP(kv_closep) struct kv *kv = NULL;
    struct stat data;
    enum err err = find_data(dir, &data, complaint);
    if (err != ERR_OK) {
        return err;
    }
    err = kv_env_new(tables, n_tables, &kv);
    if (err == ERR_OK) {
        err = open_env(&kv, tables, n_tables, dir, &data);
    }
    if (err == ERR_OK) {
        err = kv_env_follow(kv);
    }
    if (err != ERR_OK) {
        return complain(complaint, err, "the store in %s cannot be read: %s", dir, err_text(err));
    }
    err = open_tables(kv, dir, complaint);
    if (err == ERR_OK) {
        *kv_out = kv;
        kv = NULL;
    }
    return err;
}
