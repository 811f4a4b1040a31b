/* Decides when a copy of a store may be called one: complete, synced, reopened and found to hold
 * what was read. Until then it lies under another name, so that half a copy is never taken for a
 * whole one. A running broker goes on meanwhile; the copy is of one moment, not before the audit
 * was opened.
 *
 * Without sealed parts means without their bytes: pages that were freed still hold them, so the
 * store is copied once more after they were taken out. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "broker/audit/state.h"
#include "broker/keys.h"
#include "broker/recover.h"
#include "lib/store/place.h"

#define COPY_CHECKPOINT_NAME "checkpoint"
#define COPY_FULL_NAME "store.full" /* before the sealed parts are taken out */
#define COPY_SUFFIX ".partial"

enum {
    COPY_MODE = 0644,
    COPY_SAMPLES = 1000,
    COPY_MAP_SPARE = 64 * 1024 * 1024,
    COPY_CACHE_TILES = 64,
};

struct copying {
    struct audit *audit;
    const struct audit_copy_options *options;
    char final[FILE_PATH_MAX], parent[FILE_PATH_MAX];
    char dir[FILE_PATH_MAX]; /* under its other name; empty once it has been removed or renamed */
    struct complaint *complaint;
};

/* ---- names ---- */

static void
remove_in(const char *dir, const char *name)
{
    static const char *const files[] = {"data.mdb", "lock.mdb", "lock"};
    char store[FILE_PATH_MAX];
    char path[FILE_PATH_MAX];
    if (file_path(store, dir, name) != ERR_OK) {
        return;
    }
    for (size_t i = 0; i < ARRAY_LEN(files); i++) {
        if (file_path(path, store, files[i]) == ERR_OK) {
            (void)unlink(path);
        }
    }
    (void)rmdir(store);
}

/* Only what this file makes. Whatever else is there keeps the directory in place. */
static void
remove_partial(const char *dir)
{
    static const char *const files[] = {KEYS_GENESIS_NAME, COPY_CHECKPOINT_NAME};
    char path[FILE_PATH_MAX];
    remove_in(dir, KEYS_STORE_NAME);
    remove_in(dir, COPY_FULL_NAME);
    for (size_t i = 0; i < ARRAY_LEN(files); i++) {
        if (file_path(path, dir, files[i]) == ERR_OK) {
            (void)unlink(path);
        }
    }
    (void)rmdir(dir);
}

static void
copying_done(struct copying *copying)
{
    if (copying->dir[0] != '\0') {
        remove_partial(copying->dir);
    }
}

static enum err
set_paths(struct copying *copying, const char *dir)
{
    size_t len = strlen(dir);
    while (len > 1 && dir[len - 1] == '/') {
        len--;
    }
    if (len == 0 || len + sizeof(COPY_SUFFIX) > FILE_PATH_MAX) {
        return complain(copying->complaint, ERR_INVALID, "%s is no name for a directory", dir);
    }
    memcpy(copying->final, dir, len);
    memcpy(copying->dir, dir, len);
    memcpy(copying->dir + len, COPY_SUFFIX, sizeof(COPY_SUFFIX));
    const char *slash = strrchr(copying->final, '/');
    size_t parent_len = slash == NULL ? 0 : (size_t)(slash - copying->final);
    memcpy(copying->parent,
           slash == NULL             ? "."
           : slash == copying->final ? "/"
                                     : copying->final,
           parent_len > 0 ? parent_len : 1);
    return ERR_OK;
}

/* The place must be free: nothing that is there already is ever written over. */
static enum err
make_place(struct copying *copying, const char *dir)
{
    struct stat status;
    enum err err = set_paths(copying, dir);
    if (err == ERR_OK && lstat(copying->final, &status) == 0) {
        err = S_ISDIR(status.st_mode) ? place_make_empty(copying->final) : ERR_EXISTS;
        if (err != ERR_OK) {
            copying->dir[0] = '\0';
            return complain(copying->complaint, err, "%s is there already, and not empty",
                            copying->final);
        }
    }
    if (err != ERR_OK) {
        copying->dir[0] = '\0';
        return err;
    }
    remove_partial(copying->dir); /* of a copy that was broken off */
    err = file_make_dir(copying->dir);
    if (err == ERR_OK) {
        err = place_make_empty(copying->dir);
    }
    if (err != ERR_OK) {
        char path[FILE_PATH_MAX];
        memcpy(path, copying->dir, sizeof(path));
        copying->dir[0] = '\0'; /* whatever is there is not ours */
        return complain(copying->complaint, err, "%s cannot be made: %s", path, err_text(err));
    }
    return ERR_OK;
}

/* ---- the store ---- */

static enum err
open_for_writing(const char *store, struct kv **kv_out, struct complaint *complaint)
{
    char path[FILE_PATH_MAX];
    struct stat status;
    enum err err = file_path(path, store, "data.mdb");
    if (err != ERR_OK || stat(path, &status) != 0) {
        return ERR_IO;
    }
    size_t bytes = (size_t)status.st_size + COPY_MAP_SPARE;
    const struct kv_options options = {.dir = store,
                                       .tables = tables_names,
                                       .n_tables = TABLE_COUNT,
                                       .map_bytes = bytes,
                                       .map_max_bytes = 2 * bytes};
    return kv_open(&options, kv_out, complaint);
}

/* The value says nothing: which head to reach is told by the members. */
static enum err
alter(struct kv *kv, const struct audit_copy_options *options)
{
    CLEANUP(kv_abort) struct kv_txn *txn = NULL;
    static const uint8_t mark = 1;
    enum err err = kv_begin(kv, &txn);
    if (err == ERR_OK && options->mark_as_backup) {
        err = kv_put(txn, TABLE_META, bytes_of_text(RECOVER_MARK), bytes_of(&mark, 1));
    }
    if (err == ERR_OK && options->without_sealed) {
        err = kv_clear(txn, TABLE_SEALED);
    }
    if (err == ERR_OK && options->without_sealed) {
        err = kv_clear(txn, TABLE_COPIES); /* these have sealed parts in them */
    }
    return err == ERR_OK ? kv_commit(&txn) : err;
}

static enum err
alter_store(struct copying *copying, const char *store, const char *again)
{
    CLEANUP(kv_closep) struct kv *kv = NULL;
    enum err err = open_for_writing(store, &kv, copying->complaint);
    if (err == ERR_OK) {
        err = alter(kv, copying->options);
    }
    return err == ERR_OK && again != NULL ? kv_copy(kv, again) : err;
}

/* What whoever opens a store leaves beside the data, and a copy has no use for. */
static void
remove_locks(const char *store)
{
    static const char *const files[] = {"lock.mdb", "lock"};
    char path[FILE_PATH_MAX];
    for (size_t i = 0; i < ARRAY_LEN(files); i++) {
        if (file_path(path, store, files[i]) == ERR_OK) {
            (void)unlink(path);
        }
    }
}

static enum err
copy_store(struct copying *copying)
{
    char store[FILE_PATH_MAX];
    char full[FILE_PATH_MAX];
    bool twice = copying->options->without_sealed;
    enum err err = file_path(store, copying->dir, KEYS_STORE_NAME);
    if (err == ERR_OK) {
        err = file_path(full, copying->dir, COPY_FULL_NAME);
    }
    if (err == ERR_OK) {
        err = kv_copy(copying->audit->kv, twice ? full : store);
    }
    if (err == ERR_OK && (twice || copying->options->mark_as_backup)) {
        err = alter_store(copying, twice ? full : store, twice ? store : NULL);
    }
    if (err == ERR_OK) {
        remove_in(copying->dir, COPY_FULL_NAME);
        remove_locks(store);
        err = place_sync(store);
    }
    return err;
}

/* ---- what it holds ---- */

static enum err
check_root(const struct audit *copy, const struct checkpoint *checkpoint)
{
    CLEANUP(tree_cache_freep) struct tree_cache *cache = tree_cache_new(COPY_CACHE_TILES);
    struct merkle_hash root;
    if (cache == NULL) {
        return ERR_MEMORY;
    }
    const struct tree_reader reader = ledger_reader(copy->txn, cache);
    enum err err = tree_root_at(&reader, checkpoint->size, &root);
    if (err == ERR_OK && memcmp(&root, &checkpoint->root, sizeof(root)) != 0) {
        err = ERR_CORRUPT;
    }
    return err_is_peer(err) || err == ERR_NOT_FOUND ? ERR_CORRUPT : err;
}

/* The same row in both, or in neither. */
static enum err
compare_row(const struct audit *original, const struct audit *copy, enum table table,
            uint64_t index)
{
    uint8_t key[8];
    struct bytes a = bytes_of(NULL, 0);
    struct bytes b = bytes_of(NULL, 0);
    enum err err_a = kv_get(original->txn, table, kv_key_u64(index, key), &a);
    enum err err_b = kv_get(copy->txn, table, kv_key_u64(index, key), &b);
    if (err_a != err_b) {
        return ERR_CORRUPT;
    }
    if (err_a != ERR_OK) {
        return err_a == ERR_NOT_FOUND && table == TABLE_SEALED ? ERR_OK : err_a;
    }
    return bytes_equal(a, b) ? ERR_OK : ERR_CORRUPT;
}

/* All of a small log; of a large one the first, the last, and so many between. */
static enum err
compare_sample(const struct audit *original, const struct audit *copy, bool with_sealed)
{
    uint64_t entries = original->entries;
    uint64_t n = entries < COPY_SAMPLES ? entries : COPY_SAMPLES;
    enum err err = ERR_OK;
    for (uint64_t i = 0; err == ERR_OK && i < n; i++) {
        /* Divided before it is multiplied: the product could be too large. */
        uint64_t index = n == entries ? i : i + 1 == n ? entries - 1 : entries / n * i;
        err = compare_row(original, copy, TABLE_LOG, index);
        if (err == ERR_OK && with_sealed) {
            err = compare_row(original, copy, TABLE_SEALED, index);
        }
    }
    return err;
}

/* Only a copy of the very state that was read has the same numbers of rows. */
static bool
has_same_rows(const struct audit *original, const struct audit *copy, bool with_sealed)
{
    bool same = true;
    for (enum table table = TABLE_LOG; table < TABLE_COPIES; table++) {
        size_t wanted = table == TABLE_SEALED && !with_sealed ? 0 : kv_count(original->txn, table);
        same = same && kv_count(copy->txn, table) == wanted;
    }
    return same;
}

static enum err
check_copy(struct copying *copying, struct audit *copy, const struct audit_summary *summary)
{
    struct audit *original = copying->audit;
    struct audit_summary before;
    bool with_sealed = !copying->options->without_sealed;
    enum err err = check_root(copy, &summary->checkpoint);
    if (err == ERR_OK && audit_get_summary(original, &before) == ERR_OK) {
        err = check_root(copy, &before.checkpoint);
    }
    if (err == ERR_OK &&
        (copy->entries < original->entries ||
         (copy->entries == original->entries && !has_same_rows(original, copy, with_sealed)))) {
        err = ERR_CORRUPT;
    }
    if (err == ERR_OK && copying->options->mark_as_backup && !summary->is_copy) {
        err = ERR_CORRUPT;
    }
    return err == ERR_OK ? compare_sample(original, copy, with_sealed) : err;
}

/* ---- the files beside the store ---- */

static enum err
put_file(const struct copying *copying, const char *name, struct bytes content)
{
    char path[FILE_PATH_MAX];
    enum err err = file_path(path, copying->dir, name);
    return err == ERR_OK ? file_create(path, content, COPY_MODE) : err;
}

/* The note that members have cosigned is the better one, when it is of the same head. */
static enum err
put_checkpoint(const struct copying *copying, const struct audit *copy,
               const struct audit_summary *summary)
{
    struct checkpoint cosigned;
    const struct sign_public *log_key = &directory_genesis(copy->directory)->broker_log;
    bool same =
        summary->witnessed_note.len > 0 &&
        checkpoint_open(summary->witnessed_note, &copy->network, log_key, &cosigned) == ERR_OK &&
        cosigned.size == summary->checkpoint.size &&
        memcmp(&cosigned.root, &summary->checkpoint.root, sizeof(cosigned.root)) == 0;
    return put_file(copying, COPY_CHECKPOINT_NAME,
                    same ? summary->witnessed_note : summary->checkpoint_note);
}

static enum err
reopen(struct copying *copying)
{
    CLEANUP(audit_closep) struct audit *copy = NULL;
    struct audit_summary summary;
    struct complaint said = {.text = ""};
    enum err err = audit_open(copying->dir, &copying->audit->network, &copy, &said);
    if (err != ERR_OK) {
        return complain(copying->complaint, err, "the copy cannot be read again: %s", said.text);
    }
    err = audit_get_summary(copy, &summary);
    if (err == ERR_OK) {
        err = check_copy(copying, copy, &summary);
    }
    if (err != ERR_OK) {
        return complain(copying->complaint, err, "the copy does not hold what was read: %s",
                        err_text(err));
    }
    return put_checkpoint(copying, copy, &summary);
}

static enum err
finish(struct copying *copying)
{
    char store[FILE_PATH_MAX];
    enum err err = file_path(store, copying->dir, KEYS_STORE_NAME);
    if (err == ERR_OK) {
        remove_locks(store);
        err = place_sync(store);
    }
    if (err == ERR_OK) {
        err = place_sync(copying->dir);
    }
    if (err != ERR_OK) {
        return err;
    }
    if (rename(copying->dir, copying->final) != 0) {
        return errno == ENOTEMPTY || errno == EEXIST ? ERR_EXISTS : ERR_IO;
    }
    copying->dir[0] = '\0';
    return place_sync(copying->parent);
}

enum err
audit_copy(struct audit *audit, const char *dir, const struct audit_copy_options *options,
           struct complaint *complaint)
{
    struct complaint said = {.text = ""};
    CLEANUP(copying_done)
    struct copying copying = {.audit = audit, .options = options, .complaint = &said};
    enum err err = make_place(&copying, dir);
    if (err == ERR_OK) {
        err = copy_store(&copying);
    }
    if (err == ERR_OK) {
        err = put_file(&copying, KEYS_GENESIS_NAME, buffer_view(&audit->genesis));
    }
    if (err == ERR_OK) {
        err = reopen(&copying);
    }
    if (err == ERR_OK) {
        err = finish(&copying);
    }
    if (err == ERR_OK) {
        return ERR_OK;
    }
    return said.text[0] != '\0' ? complain(complaint, err, "%s", said.text)
                                : complain(complaint, err, "%s cannot be copied to %s: %s",
                                           audit->dir, dir, err_text(err));
}
