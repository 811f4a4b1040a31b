/* Decides how a store gets from one place to another without its owner. Whatever goes wrong ends
 * the test: without its stores it means nothing. */
#include "tests/damage/store_files.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "broker/journal.h"
#include "lib/base/file.h"

enum { MAP_BYTES = 64 << 20 };

static const char *const names[WORLD_STORES] = {"0", "1", "2", "broker"};

static void
must(bool good, const char *what)
{
    if (!good) {
        perror(what);
        abort();
    }
}

static void
path_of(const char *dir, size_t store, const char *file, char out[FILE_PATH_MAX])
{
    must(snprintf(out, FILE_PATH_MAX, "%s/%s%s", dir, names[store], file) < FILE_PATH_MAX, dir);
}

static struct kv *
open_any(const char *path)
{
    /* Every store has it, and LMDB does not ask for the others. */
    static const char *const tables[] = {"meta"};
    const struct kv_options options = {.dir = path,
                                       .tables = tables,
                                       .n_tables = 1,
                                       .map_bytes = MAP_BYTES,
                                       .map_max_bytes = MAP_BYTES};
    struct kv *kv = NULL;
    must(kv_open(&options, &kv, NULL) == ERR_OK, path);
    return kv;
}

/* Two commits: a copy that nobody has written to yet has but one meta page that says something. */
static void
touch(const char *path)
{
    const struct bytes key = bytes_of_text("touched");
    struct kv *kv = open_any(path);
    struct kv_txn *txn = NULL;
    must(kv_begin(kv, &txn) == ERR_OK && kv_put(txn, 0, key, key) == ERR_OK &&
             kv_commit(&txn) == ERR_OK,
         "touch");
    must(kv_begin(kv, &txn) == ERR_OK && kv_delete(txn, 0, key) == ERR_OK &&
             kv_commit(&txn) == ERR_OK,
         "touch");
    kv_close(kv);
}

static void
pack(const char *path, const char *to)
{
    struct kv *kv = open_any(path);
    must(kv_copy(kv, to) == ERR_OK, to);
    kv_close(kv);
    touch(to);
}

void
store_files_take(const char *dir, size_t store, bool packed, struct buffer *out)
{
    char path[FILE_PATH_MAX];
    char other[FILE_PATH_MAX];
    char file[FILE_PATH_MAX];
    path_of(dir, store, "", path);
    path_of(dir, store, ".packed", other);
    if (packed) {
        pack(path, other);
    }
    must(file_path(file, packed ? other : path, "data.mdb") == ERR_OK, path);
    *out = BUFFER_INIT(STORE_FILE_MAX);
    must(file_read(file, out) == ERR_OK, file);
}

void
store_files_put(const char *dir, size_t store, struct bytes image)
{
    char path[FILE_PATH_MAX];
    path_of(dir, store, "", path);
    must(mkdir(path, 0700) == 0, path);
    path_of(dir, store, "/data.mdb", path);
    int fd = open(path, O_CREAT | O_EXCL | O_WRONLY, 0600);
    must(fd >= 0 && write(fd, image.data, image.len) == (ssize_t)image.len, path);
    must(close(fd) == 0, path);
}

void
store_files_remove(const char *dir)
{
    static const char *const files[] = {"/data.mdb", "/lock.mdb", "/lock", ""};
    char path[FILE_PATH_MAX];
    for (size_t i = 0; i < WORLD_STORES; i++) {
        for (size_t k = 0; k < ARRAY_LEN(files); k++) {
            path_of(dir, i, files[k], path);
            (void)remove(path); /* not every store is everywhere */
        }
    }
    (void)rmdir(dir);
}

enum err
store_files_count_false(const char *dir, const struct sight *sight, unsigned *n_out)
{
    CLEANUP(kv_closep) struct kv *kv = NULL;
    CLEANUP(kv_abort) struct kv_txn *txn = NULL;
    char path[FILE_PATH_MAX];
    unsigned n = 0;
    path_of(dir, WORLD_BROKER, "", path);
    enum err err = kv_open_read(path, tables_names, TABLE_COUNT, &kv, NULL);
    if (err == ERR_OK) {
        err = kv_begin_read(kv, &txn);
    }
    for (size_t i = 0; err == ERR_OK && i < sight->n_receipts; i++) {
        const struct sight_receipt *receipt = &sight->receipts[i];
        struct journal_entry entry;
        err = journal_load(txn, receipt->index, &entry);
        struct digest id = {{0}};
        if (err == ERR_OK) {
            id = statement_id(entry.envelope.statement);
        }
        n += err == ERR_NOT_FOUND || (err == ERR_OK && !digest_equal(&id, &receipt->id));
        err = err == ERR_NOT_FOUND || err == ERR_CORRUPT ? ERR_OK : err; /* read on behind it */
    }
    *n_out = n;
    return err;
}
