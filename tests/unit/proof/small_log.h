/* A log of a few leaves in memory, its heads signed, and a second one that is the same up to a
 * fork: what a lying broker would keep. */
#ifndef REFLOOP_TESTS_UNIT_PROOF_SMALL_LOG_H
#define REFLOOP_TESTS_UNIT_PROOF_SMALL_LOG_H

#include "tests/unit/wire/case.h"

#include <string.h>

#include "lib/log/tree.h"
#include "lib/proof/checkpoint.h"
#include "tests/unit/wire/fixture.h"

enum {
    SMALL_LOG_MAX = 128,
    SMALL_LOG_TILES = SMALL_LOG_MAX / TREE_TILE_WIDTH,
    SMALL_LOG_ROWS = 2,
    NOTE_ROOM = 4096
};

struct small_log {
    struct tree tree;
    size_t n[SMALL_LOG_ROWS][SMALL_LOG_TILES];
    struct merkle_hash tiles[SMALL_LOG_ROWS][SMALL_LOG_TILES][TREE_TILE_WIDTH];
};

static inline enum err
small_log_read(void *context, unsigned row, uint64_t column,
               struct merkle_hash hashes_out[TREE_TILE_WIDTH], size_t *n_out)
{
    const struct small_log *log = context;
    if (row >= SMALL_LOG_ROWS || column >= SMALL_LOG_TILES || log->n[row][column] == 0) {
        return ERR_NOT_FOUND;
    }
    memcpy(hashes_out, log->tiles[row][column], sizeof(log->tiles[row][column]));
    *n_out = log->n[row][column];
    return ERR_OK;
}

static inline enum err
small_log_write(void *context, unsigned row, uint64_t column, const struct merkle_hash *hashes,
                size_t n)
{
    struct small_log *log = context;
    if (row >= SMALL_LOG_ROWS || column >= SMALL_LOG_TILES) {
        return ERR_TOO_LARGE;
    }
    memcpy(log->tiles[row][column], hashes, n * sizeof(*hashes));
    log->n[row][column] = n;
    return ERR_OK;
}

static inline void
small_log_leaf(uint64_t index, uint64_t fork, struct merkle_hash *leaf_out)
{
    uint8_t bytes[] = {(uint8_t)index, index >= fork};
    merkle_leaf(bytes_of(bytes, sizeof(bytes)), leaf_out);
}

/* Leaves from `fork` on differ from those of a log that never forks. */
static inline void
small_log_fill(struct small_log *log, uint64_t size, uint64_t fork)
{
    *log = (struct small_log){0};
    for (uint64_t i = 0; i < size; i++) {
        struct merkle_hash leaf;
        small_log_leaf(i, fork, &leaf);
        assert_ok(tree_append(&log->tree, &leaf, small_log_write, log));
    }
    assert_ok(tree_flush(&log->tree, small_log_write, log));
}

static inline struct tree_reader
small_log_reader(struct small_log *log)
{
    static struct tree_cache *cache;
    if (cache == NULL) {
        cache = tree_cache_new(8);
        assert_non_null(cache);
    }
    tree_cache_clear(cache);
    return (struct tree_reader){.read = small_log_read, .context = log, .cache = cache};
}

static inline struct merkle_hash
small_log_root(struct small_log *log, uint64_t size)
{
    struct merkle_hash root;
    struct tree_reader reader = small_log_reader(log);
    merkle_root(NULL, 0, &root);
    if (size > 0) {
        assert_ok(tree_root_at(&reader, size, &root));
    }
    return root;
}

static inline struct proof
small_log_consistency(struct small_log *log, uint64_t old, uint64_t size)
{
    struct proof proof;
    struct tree_reader reader = small_log_reader(log);
    assert_ok(tree_consistency(&reader, old, size, &proof));
    return proof;
}

static inline struct proof
small_log_inclusion(struct small_log *log, uint64_t index, uint64_t size)
{
    struct proof proof;
    struct tree_reader reader = small_log_reader(log);
    assert_ok(tree_inclusion(&reader, index, size, &proof));
    return proof;
}

/* A checkpoint of the fixture's network, signed by `signer`. */
static inline void
small_log_note(struct small_log *log, uint64_t size, unsigned signer, struct buffer *note)
{
    struct network_id network = fixture_network();
    struct merkle_hash root = small_log_root(log, size);
    *note = BUFFER_INIT(NOTE_ROOM);
    assert_ok(checkpoint_sign(&network, size, &root, &fixture_who(signer)->sign, note));
}

#endif
