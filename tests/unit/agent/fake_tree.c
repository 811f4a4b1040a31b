/* The real tree over tiles in an array. */
#include "tests/unit/agent/fake_tree.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { ROWS = 3, COLUMNS = FAKE_TREE_LEAVES / TREE_TILE_WIDTH + 1, CACHED = 64 };

struct tile {
    size_t n;
    struct merkle_hash hashes[TREE_TILE_WIDTH];
};

struct fake_tree {
    const struct network_id *network;
    const struct sign_secret *secret;
    struct tree tree;
    struct tree_cache *cache;
    struct tile tiles[ROWS][COLUMNS];
    struct buffer note;
    uint64_t note_size;
    bool note_forked;
};

static enum err
read_tile(void *context, unsigned row, uint64_t column,
          struct merkle_hash hashes_out[TREE_TILE_WIDTH], size_t *n_out)
{
    const struct fake_tree *tree = context;

    if (row >= ROWS || column >= COLUMNS || tree->tiles[row][column].n == 0)
        return ERR_NOT_FOUND;
    *n_out = tree->tiles[row][column].n;
    memcpy(hashes_out, tree->tiles[row][column].hashes, *n_out * sizeof(hashes_out[0]));
    return ERR_OK;
}

static enum err
write_tile(void *context, unsigned row, uint64_t column, const struct merkle_hash *hashes, size_t n)
{
    struct fake_tree *tree = context;

    assert_true(row < ROWS && column < COLUMNS);
    tree->tiles[row][column].n = n;
    memcpy(tree->tiles[row][column].hashes, hashes, n * sizeof(hashes[0]));
    return ERR_OK;
}

struct fake_tree *
fake_tree_new(const struct network_id *network, const struct sign_secret *secret)
{
    struct fake_tree *tree = calloc(1, sizeof(*tree));

    assert_non_null(tree);
    tree->network = network;
    tree->secret = secret;
    tree->note = BUFFER_INIT(NOTE_BYTES_MAX);
    tree->cache = tree_cache_new(CACHED);
    assert_non_null(tree->cache);
    return tree;
}

void
fake_tree_free(struct fake_tree *tree)
{
    tree_cache_free(tree->cache);
    buffer_done(&tree->note);
    free(tree);
}

void
fake_tree_append(struct fake_tree *tree, struct bytes bytes, int64_t log_time_ms)
{
    struct envelope envelope;
    struct merkle_hash leaf;

    assert_int_equal(envelope_decode(bytes, &envelope), ERR_OK);
    assert_int_equal(envelope_log_leaf(&envelope, log_time_ms, &leaf), ERR_OK);
    assert_int_equal(tree_append(&tree->tree, &leaf, write_tile, tree), ERR_OK);
    assert_int_equal(tree_flush(&tree->tree, write_tile, tree), ERR_OK);
}

struct bytes
fake_tree_note(struct fake_tree *tree, uint64_t size, bool forked)
{
    const struct tree_reader reader = {read_tile, tree, tree->cache};
    struct merkle_hash root;

    if (tree->note.len > 0 && tree->note_size == size && tree->note_forked == forked)
        return buffer_view(&tree->note);
    assert_int_equal(tree_root_at(&reader, size, &root), ERR_OK);
    root.bytes[0] ^= forked ? 1 : 0;
    buffer_clear(&tree->note);
    assert_int_equal(checkpoint_sign(tree->network, size, &root, tree->secret, &tree->note),
                     ERR_OK);
    tree->note_size = size;
    tree->note_forked = forked;
    return buffer_view(&tree->note);
}

void
fake_tree_inclusion(struct fake_tree *tree, uint64_t index, uint64_t size, struct proof *proof_out)
{
    const struct tree_reader reader = {read_tile, tree, tree->cache};

    assert_int_equal(tree_inclusion(&reader, index, size, proof_out), ERR_OK);
}

void
fake_tree_consistency(struct fake_tree *tree, uint64_t old, uint64_t size, struct proof *proof_out)
{
    const struct tree_reader reader = {read_tile, tree, tree->cache};

    assert_int_equal(tree_consistency(&reader, old, size, proof_out), ERR_OK);
}
