/* Tiles kept in memory, for tests of the tree; and leaves that need no hashing. */
#ifndef REFLOOP_TESTS_UNIT_LOG_TILES_H
#define REFLOOP_TESTS_UNIT_LOG_TILES_H

#include <stdlib.h>
#include <string.h>

#include "lib/log/tree.h"

struct kept_tile {
    size_t n;
    struct merkle_hash hashes[TREE_TILE_WIDTH];
};
struct tiles {
    struct {
        size_t n;
        struct kept_tile *tiles;
    } rows[TREE_ROWS];
    size_t n_written, n_read;
    enum err failing; /* what every call answers, when not ERR_OK */
};

static inline struct merkle_hash
leaf_at(uint64_t index)
{
    struct merkle_hash leaf = {.bytes = {0x5a}};
    memcpy(leaf.bytes + 8, &index, sizeof(index));
    return leaf;
}

static inline void
tiles_done(struct tiles *tiles)
{
    for (unsigned row = 0; row < TREE_ROWS; row++) {
        free(tiles->rows[row].tiles);
    }
    memset(tiles, 0, sizeof(*tiles));
}

static inline struct kept_tile *
tiles_find(const struct tiles *tiles, unsigned row, uint64_t column)
{
    return column < tiles->rows[row].n ? &tiles->rows[row].tiles[column] : NULL;
}

static inline enum err
tiles_write(void *context, unsigned row, uint64_t column, const struct merkle_hash *hashes,
            size_t n)
{
    struct tiles *tiles = context;
    if (tiles->failing != ERR_OK) {
        return tiles->failing;
    }
    /* Columns come one after another: anything else is a mistake of the tree. */
    if (row >= TREE_ROWS || column > tiles->rows[row].n || n == 0 || n > TREE_TILE_WIDTH) {
        abort();
    }
    if (column == tiles->rows[row].n) {
        size_t had = tiles->rows[row].n++;
        if ((had & (had - 1)) == 0) {
            struct kept_tile *grown =
                realloc(tiles->rows[row].tiles, (had > 0 ? 2 * had : 1) * sizeof(*grown));
            if (grown == NULL) {
                abort();
            }
            tiles->rows[row].tiles = grown;
        }
    }
    struct kept_tile *tile = &tiles->rows[row].tiles[column];
    tile->n = n;
    memcpy(tile->hashes, hashes, n * sizeof(hashes[0]));
    tiles->n_written++;
    return ERR_OK;
}

static inline enum err
tiles_read(void *context, unsigned row, uint64_t column,
           struct merkle_hash hashes_out[TREE_TILE_WIDTH], size_t *n_out)
{
    struct tiles *tiles = context;
    const struct kept_tile *tile = tiles_find(tiles, row, column);
    if (tiles->failing != ERR_OK) {
        return tiles->failing;
    }
    tiles->n_read++;
    if (tile == NULL || tile->n == 0) {
        return ERR_NOT_FOUND;
    }
    *n_out = tile->n;
    memcpy(hashes_out, tile->hashes,
           (tile->n < TREE_TILE_WIDTH ? tile->n : TREE_TILE_WIDTH) * sizeof(hashes_out[0]));
    return ERR_OK;
}

/* A log without end in which every leaf is leaf_at(0): every tile is full of one hash. Its context
 * is not used. */
static inline enum err
tiles_read_endless(void *context, unsigned row, uint64_t column,
                   struct merkle_hash hashes_out[TREE_TILE_WIDTH], size_t *n_out)
{
    struct merkle_hash node = leaf_at(0);
    (void)context;
    (void)column;
    for (unsigned level = 0; level < TREE_TILE_LEVELS * row; level++) {
        merkle_join(&node, &node, &node);
    }
    for (size_t i = 0; i < TREE_TILE_WIDTH; i++) {
        hashes_out[i] = node;
    }
    *n_out = TREE_TILE_WIDTH;
    return ERR_OK;
}

#endif
