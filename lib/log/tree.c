/* The growing side of the log's tree. It decides when a tile is written and what must be held in
 * memory to go on: the unfinished tile of each row and nothing else, so that a log of any length is
 * opened by reading a handful of tiles. It does not know what a leaf is, where tiles are kept, or
 * when a commit happens. */
#include "lib/log/tree.h"

#include <assert.h>
#include <string.h>

/* Hashes of a row in a tree of `size` leaves. */
static uint64_t
row_width(uint64_t size, unsigned row)
{
    return size >> (TREE_TILE_LEVELS * row);
}

static enum err
load_edge(uint64_t column, unsigned row, tree_read_tile read, void *context, struct tree_edge *edge)
{
    struct merkle_hash hashes[TREE_TILE_WIDTH];
    size_t n = 0;
    enum err err = read(context, row, column, hashes, &n);
    if (err != ERR_OK) {
        return err == ERR_NOT_FOUND ? ERR_CORRUPT : err;
    }
    /* More than are wanted are no fault: the tile was written when the log was longer. */
    if (n < edge->n || n > TREE_TILE_WIDTH) {
        return ERR_CORRUPT;
    }
    memcpy(edge->hashes, hashes, edge->n * sizeof(hashes[0]));
    return ERR_OK;
}

/* The complete subtrees within the unfinished tile of a row, from the right: the smallest first. */
static void
find_peaks(struct tree *tree, unsigned row)
{
    size_t left = tree->edge[row].n;
    for (unsigned level = 0; level < TREE_TILE_LEVELS; level++) {
        size_t width = (size_t)1 << level;
        if ((left & width) != 0) {
            left -= width;
            merkle_root(tree->edge[row].hashes + left, width,
                        &tree->peaks[TREE_TILE_LEVELS * row + level]);
        }
    }
}

enum err
tree_load(uint64_t size, tree_read_tile read, void *context, struct tree *tree_out)
{
    if (size > TREE_SIZE_MAX) {
        return ERR_CORRUPT;
    }
    struct tree tree = {.size = size, .flushed = size};
    for (unsigned row = 0; row < TREE_ROWS; row++) {
        uint64_t width = row_width(size, row);
        tree.edge[row].n = width % TREE_TILE_WIDTH;
        if (tree.edge[row].n == 0) {
            continue;
        }
        enum err err = load_edge(width / TREE_TILE_WIDTH, row, read, context, &tree.edge[row]);
        if (err != ERR_OK) {
            return err;
        }
        find_peaks(&tree, row);
    }
    *tree_out = tree;
    return ERR_OK;
}

/* A hash has come into a row; its tile is written when that fills it. */
static enum err
enter_row(struct tree *tree, unsigned row, const struct merkle_hash *hash, tree_write_tile write,
          void *context)
{
    struct tree_edge *edge = &tree->edge[row];
    edge->hashes[edge->n++] = *hash;
    if (edge->n < TREE_TILE_WIDTH) {
        return ERR_OK;
    }
    edge->n = 0;
    return write(context, row, row_width(tree->size, row) / TREE_TILE_WIDTH, edge->hashes,
                 TREE_TILE_WIDTH);
}

/* As in binary addition: the new leaf is joined to every complete subtree it completes, and on its
 * way up it passes the rows. One join an append on average. */
enum err
tree_append(struct tree *tree, const struct merkle_hash *leaf, tree_write_tile write, void *context)
{
    assert(tree->size < TREE_SIZE_MAX);
    struct merkle_hash carry = *leaf;
    enum err err = ERR_OK;
    unsigned level = 0;
    for (;; level++) {
        if (level % TREE_TILE_LEVELS == 0) {
            err = enter_row(tree, level / TREE_TILE_LEVELS, &carry, write, context);
        }
        if (err != ERR_OK || (tree->size >> level & 1) == 0) {
            break;
        }
        merkle_join(&tree->peaks[level], &carry, &carry);
    }
    tree->peaks[level] = carry;
    tree->size++;
    return err;
}

enum err
tree_flush(struct tree *tree, tree_write_tile write, void *context)
{
    for (unsigned row = 0; row < TREE_ROWS; row++) {
        const struct tree_edge *edge = &tree->edge[row];
        uint64_t width = row_width(tree->size, row);
        if (edge->n == 0 || width == row_width(tree->flushed, row)) {
            continue;
        }
        enum err err = write(context, row, width / TREE_TILE_WIDTH, edge->hashes, edge->n);
        if (err != ERR_OK) {
            return err;
        }
    }
    tree->flushed = tree->size;
    return ERR_OK;
}

/* The smallest subtrees are rightmost and lie deepest, so the root grows from the right. */
void
tree_root(const struct tree *tree, struct merkle_hash *root_out)
{
    struct merkle_hash root;
    bool begun = false;
    merkle_root(NULL, 0, &root);
    for (unsigned level = 0; tree->size >> level > 0; level++) {
        if ((tree->size >> level & 1) == 0) {
            continue;
        }
        if (begun) {
            merkle_join(&tree->peaks[level], &root, &root);
        } else {
            root = tree->peaks[level];
        }
        begun = true;
    }
    *root_out = root;
}
