/* Proofs from tiles. It decides which nodes prove what, where in the tiles they are, and what is
 * kept of them: tiles with all their inner nodes, and the hashes of the right edge for the size
 * asked about last, as a broker makes its proofs for one head at a time. It does not know how tiles
 * are stored.
 *
 * A node (level, index) is the root of the 2^level leaves from index * 2^level on. It is complete
 * when the tree holds all of them; then it never changes. At every level at most one node is begun
 * and not complete: the ragged one, which depends on the size. */
#include "lib/log/tree.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum {
    TILE_NODES = 2 * TREE_TILE_WIDTH - 1,
    LEVELS = 64 /* of a tree of TREE_SIZE_MAX leaves: 63 */
};

/* A tile worked out: nodes of its lowest level first. */
struct tile {
    unsigned row;
    uint64_t column;
    size_t n; /* hashes it was read with; 0 in a free slot */
    struct merkle_hash nodes[TILE_NODES];
};

struct tree_cache {
    size_t n_tiles;
    struct tile *tiles;
    uint64_t ragged_size; /* what `ragged` is for; 0 when it holds nothing */
    struct merkle_hash ragged[LEVELS];
};

struct tree_cache *
tree_cache_new(size_t n_tiles)
{
    struct tree_cache *cache = calloc(1, sizeof(*cache));
    if (cache == NULL) {
        return NULL;
    }
    cache->n_tiles = n_tiles > 0 ? n_tiles : 1;
    cache->tiles = calloc(cache->n_tiles, sizeof(cache->tiles[0]));
    if (cache->tiles == NULL) {
        free(cache);
        return NULL;
    }
    return cache;
}

void
tree_cache_free(struct tree_cache *cache)
{
    if (cache != NULL) {
        free(cache->tiles);
        free(cache);
    }
}

void
tree_cache_freep(struct tree_cache **cache)
{
    tree_cache_free(*cache);
    *cache = NULL;
}

void
tree_cache_clear(struct tree_cache *cache)
{
    for (size_t i = 0; i < cache->n_tiles; i++) {
        cache->tiles[i].n = 0;
    }
    cache->ragged_size = 0;
}

/* Where a level of a tile begins among its nodes. */
static size_t
level_start(unsigned level)
{
    return 2 * TREE_TILE_WIDTH - ((size_t)2 * TREE_TILE_WIDTH >> level);
}

/* Joins whatever nodes became complete since the tile held `had` hashes. */
static void
work_out(struct tile *tile, size_t had)
{
    for (unsigned level = 1; level <= TREE_TILE_LEVELS; level++) {
        const struct merkle_hash *below = tile->nodes + level_start(level - 1);
        struct merkle_hash *here = tile->nodes + level_start(level);
        for (size_t i = had >> level; i < tile->n >> level; i++) {
            merkle_join(&below[2 * i], &below[2 * i + 1], &here[i]);
        }
    }
}

/* Direct-mapped. The columns in use lie side by side and a row has 32 times fewer of them than the
 * one below: rows are kept apart by a stride that shares no pattern with that. */
static struct tile *
slot_of(struct tree_cache *cache, unsigned row, uint64_t column)
{
    enum { ROW_STRIDE = 7919 };
    return &cache->tiles[(column + (uint64_t)row * ROW_STRIDE) % cache->n_tiles];
}

/* The tile in its slot, holding at least `need` hashes. */
static enum err
fetch_tile(const struct tree_reader *reader, unsigned row, uint64_t column, size_t need,
           const struct tile **tile_out)
{
    struct tile *tile = slot_of(reader->cache, row, column);
    bool known = tile->n > 0 && tile->row == row && tile->column == column;
    if (known && tile->n >= need) {
        *tile_out = tile;
        return ERR_OK;
    }
    struct merkle_hash hashes[TREE_TILE_WIDTH];
    size_t n = 0;
    enum err err = reader->read(reader->context, row, column, hashes, &n);
    if (err != ERR_OK) {
        return err == ERR_NOT_FOUND ? ERR_CORRUPT : err;
    }
    if (n < need || n > TREE_TILE_WIDTH) {
        return ERR_CORRUPT;
    }
    size_t had = known ? tile->n : 0;
    tile->row = row;
    tile->column = column;
    tile->n = n;
    memcpy(tile->nodes, hashes, n * sizeof(hashes[0]));
    work_out(tile, had);
    *tile_out = tile;
    return ERR_OK;
}

/* A complete node. */
static enum err
fetch_node(const struct tree_reader *reader, unsigned level, uint64_t index,
           struct merkle_hash *node_out)
{
    unsigned inner = level % TREE_TILE_LEVELS;
    uint64_t column = index >> (TREE_TILE_LEVELS - inner);
    size_t place = (size_t)(index & ((TREE_TILE_WIDTH - 1U) >> inner));
    const struct tile *tile = NULL;
    enum err err =
        fetch_tile(reader, level / TREE_TILE_LEVELS, column, (place + 1) << inner, &tile);
    if (err == ERR_OK) {
        *node_out = tile->nodes[level_start(inner) + place];
    }
    return err;
}

/* Levels of a tree: the first at which one node holds all of it. */
static unsigned
height(uint64_t size)
{
    return size > 1 ? 64U - (unsigned)__builtin_clzll(size - 1) : 0;
}

/* ragged[level] is the hash of the leaves from the last multiple of 2^level up to the size; where
 * there are none it is left as it was, and never asked for. The left part of each is a complete
 * node wherever the size has a bit, the right part is the one below. */
static enum err
fill_ragged(const struct tree_reader *reader, uint64_t size)
{
    struct tree_cache *cache = reader->cache;
    bool begun = false;
    cache->ragged_size = 0;
    for (unsigned level = 0; level < LEVELS - 1 && size >> level != 0; level++) {
        struct merkle_hash *next = &cache->ragged[level + 1];
        struct merkle_hash node;
        if ((size >> level & 1) == 0) {
            *next = cache->ragged[level];
            continue;
        }
        enum err err = fetch_node(reader, level, (size >> level) - 1, &node);
        if (err != ERR_OK) {
            return err;
        }
        if (begun) {
            merkle_join(&node, &cache->ragged[level], next);
        } else {
            *next = node;
        }
        begun = true;
    }
    cache->ragged_size = size;
    return ERR_OK;
}

static enum err
want_ragged(const struct tree_reader *reader, uint64_t size)
{
    assert(reader->cache != NULL);
    if (size > TREE_SIZE_MAX) {
        return ERR_INVALID;
    }
    return reader->cache->ragged_size == size ? ERR_OK : fill_ragged(reader, size);
}

enum err
tree_root_at(const struct tree_reader *reader, uint64_t size, struct merkle_hash *root_out)
{
    enum err err = want_ragged(reader, size);
    if (err != ERR_OK) {
        return err;
    }
    if (size == 0) {
        merkle_root(NULL, 0, root_out);
    } else {
        *root_out = reader->cache->ragged[64 - __builtin_clzll(size)];
    }
    return ERR_OK;
}

/* Appends the siblings met on the way from the node at `level` that holds leaf `index` up to the
 * root of the tree of `size` leaves, whose ragged hashes are there. */
static enum err
climb(const struct tree_reader *reader, unsigned level, uint64_t index, uint64_t size,
      struct proof *proof)
{
    for (; level < height(size); level++) {
        uint64_t sibling = (index >> level) ^ 1;
        uint64_t complete = size >> level;
        uint64_t begun = complete + (size != complete << level);
        if (sibling < complete) {
            enum err err = fetch_node(reader, level, sibling, &proof->hashes[proof->n]);
            if (err != ERR_OK) {
                return err;
            }
            proof->n++;
        } else if (sibling < begun) {
            proof->hashes[proof->n++] = reader->cache->ragged[level];
        }
    }
    return ERR_OK;
}

enum err
tree_inclusion(const struct tree_reader *reader, uint64_t index, uint64_t size,
               struct proof *proof_out)
{
    if (index >= size) {
        return ERR_INVALID;
    }
    struct proof proof;
    proof.n = 0;
    enum err err = want_ragged(reader, size);
    if (err == ERR_OK) {
        err = climb(reader, 0, index, size, &proof);
    }
    if (err == ERR_OK) {
        proof_out->n = proof.n;
        memcpy(proof_out->hashes, proof.hashes, proof.n * sizeof(proof.hashes[0]));
    }
    return err;
}

/* The way starts at the last complete subtree of the old tree: its hash comes first, unless it is
 * the whole old tree, which the other side knows. */
static enum err
climb_from(const struct tree_reader *reader, uint64_t old, uint64_t size, struct proof *proof)
{
    unsigned level = (unsigned)__builtin_ctzll(old);
    bool is_whole = old >> level == 1;
    if (!is_whole) {
        enum err err = fetch_node(reader, level, (old >> level) - 1, &proof->hashes[0]);
        if (err != ERR_OK) {
            return err;
        }
        proof->n = 1;
    }
    return climb(reader, level, old - 1, size, proof);
}

enum err
tree_consistency(const struct tree_reader *reader, uint64_t old, uint64_t size,
                 struct proof *proof_out)
{
    if (old > size) {
        return ERR_INVALID;
    }
    struct proof proof;
    proof.n = 0;
    enum err err = want_ragged(reader, size);
    if (err == ERR_OK && old > 0 && old < size) {
        err = climb_from(reader, old, size, &proof);
    }
    if (err == ERR_OK) {
        proof_out->n = proof.n;
        memcpy(proof_out->hashes, proof.hashes, proof.n * sizeof(proof.hashes[0]));
    }
    return err;
}
