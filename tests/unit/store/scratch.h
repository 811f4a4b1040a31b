/* A directory of its own for each test, and a store in it. */
#ifndef REFLOOP_TESTS_UNIT_STORE_SCRATCH_H
#define REFLOOP_TESTS_UNIT_STORE_SCRATCH_H

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/store/kv.h"

enum {
    SCRATCH_ROOT_MAX = 200,
    SCRATCH_PATH_MAX = 256,
    SCRATCH_MAP_BYTES = 1 << 20,
    SCRATCH_MAP_MAX_BYTES = 8 << 20
};
enum { ROWS, OTHER, SCRATCH_TABLES };

struct scratch {
    char root[SCRATCH_ROOT_MAX];
    char dir[SCRATCH_PATH_MAX];
    char data[SCRATCH_PATH_MAX];
    struct kv_options options;
    struct kv *kv;
};

static inline enum err
scratch_open(struct scratch *scratch)
{
    struct complaint complaint;
    return kv_open(&scratch->options, &scratch->kv, &complaint);
}

static inline void
scratch_init(struct scratch *scratch)
{
    static const char *const tables[SCRATCH_TABLES] = {"rows", "other"};
    const char *tmp = getenv("TMPDIR");
    *scratch = (struct scratch){.kv = NULL};
    (void)snprintf(scratch->root, sizeof(scratch->root), "%s/refloop-store-XXXXXX",
                   tmp != NULL ? tmp : "/tmp");
    assert_non_null(mkdtemp(scratch->root));
    (void)snprintf(scratch->dir, sizeof(scratch->dir), "%s/store", scratch->root);
    (void)snprintf(scratch->data, sizeof(scratch->data), "%s/store/data.mdb", scratch->root);
    scratch->options = (struct kv_options){.dir = scratch->dir,
                                           .tables = tables,
                                           .n_tables = SCRATCH_TABLES,
                                           .map_bytes = SCRATCH_MAP_BYTES,
                                           .map_max_bytes = SCRATCH_MAP_MAX_BYTES};
}

static inline int
scratch_unlink(const char *path, const struct stat *status, int type, struct FTW *ftw)
{
    (void)status;
    (void)type;
    (void)ftw;
    return remove(path);
}

static inline void
scratch_done(struct scratch *scratch)
{
    kv_closep(&scratch->kv);
    (void)nftw(scratch->root, scratch_unlink, 8, FTW_DEPTH | FTW_PHYS);
}

/* One record in a transaction of its own. */
static inline enum err
scratch_put(struct kv *kv, uint64_t number, struct bytes value)
{
    CLEANUP(kv_abort) struct kv_txn *txn = NULL;
    uint8_t key[8];
    enum err err = kv_begin(kv, &txn);
    if (err == ERR_OK) {
        enum err put = kv_put(txn, ROWS, kv_key_u64(number, key), value);
        err = kv_commit(&txn);
        assert_true(put == ERR_OK || put == err);
    }
    return err;
}

#endif
