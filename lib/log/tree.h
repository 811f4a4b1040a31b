/* The tree over the log: RFC 6962 over leaves that are appended for ever. It is kept as tiles of 32
 * hashes: row 0 holds leaf hashes, row r+1 the roots of the full tiles of row r. A tile is written
 * when it is full, the last one of each row also at every commit, so an append costs a put for
 * every 32 leaves and one or two for the commit, and nothing is ever rebuilt. In memory: the last
 * tile of each row (struct tree), and a cache for proofs.
 *
 * Pure: where tiles are kept is the caller's business. */
#ifndef REFLOOP_LIB_LOG_TREE_H
#define REFLOOP_LIB_LOG_TREE_H

#include "lib/log/merkle.h"

enum {
    TREE_TILE_LEVELS = 5,
    TREE_TILE_WIDTH = 1 << TREE_TILE_LEVELS,
    TREE_ROWS = 13, /* 65 levels: more than there are sizes */
    PROOF_MAX = 63  /* hashes of one proof */
};
#define TREE_SIZE_MAX ((uint64_t)1 << 62)

/* An inclusion proof (bottom up) or a consistency proof, as RFC 9162 sections 2.1.3 and 2.1.4 have
 * them. */
struct proof {
    size_t n;
    struct merkle_hash hashes[PROOF_MAX];
};

/* Reads a tile: writes its hashes (1 to TREE_TILE_WIDTH of them) and their number. ERR_NOT_FOUND
 * when there is none; other errors go through to the caller unchanged. */
typedef enum err (*tree_read_tile)(void *context, unsigned row, uint64_t column,
                                   struct merkle_hash hashes_out[TREE_TILE_WIDTH], size_t *n_out);
typedef enum err (*tree_write_tile)(void *context, unsigned row, uint64_t column,
                                    const struct merkle_hash *hashes, size_t n);

struct tree_edge {
    size_t n; /* hashes in the row's last tile; 0 when the next one begins a tile */
    struct merkle_hash hashes[TREE_TILE_WIDTH];
};
/* The growing side. All zero is the empty tree. Copy it to stage a transaction. */
struct tree {
    uint64_t size;
    uint64_t flushed; /* size when last written */
    struct tree_edge edge[TREE_ROWS];
    /* Roots of the complete subtrees the leaves make, one at each level whose bit is set in size:
     * what the root is joined from. The other places mean nothing. */
    struct merkle_hash peaks[TREE_TILE_LEVELS * TREE_ROWS];
};

/* From the tiles of a tree of `size` leaves: reads one tile a row. ERR_CORRUPT when they are not
 * there or do not hold so many hashes. */
enum err
tree_load(uint64_t size, tree_read_tile read, void *context, struct tree *tree_out) MUST_CHECK;
/* Appends; tiles that become full are written. On an error the tree must be thrown away. */
enum err tree_append(struct tree *tree, const struct merkle_hash *leaf, tree_write_tile write,
                     void *context) MUST_CHECK;
/* Writes the unfinished tiles that changed since the last time. */
enum err tree_flush(struct tree *tree, tree_write_tile write, void *context) MUST_CHECK;
void tree_root(const struct tree *tree, struct merkle_hash *root_out);

/* Proofs from tiles. The cache keeps tiles worked out (all nodes of a tile) in memory, at most
 * `n_tiles` of 2 KiB; it is valid for every size of the same growing tree, and must be cleared when
 * tiles it may have seen are taken back (a transaction that was given up). NULL when out of memory.
 */
struct tree_cache;
struct tree_cache *tree_cache_new(size_t n_tiles);
void tree_cache_free(struct tree_cache *cache);
void tree_cache_freep(struct tree_cache **cache);
void tree_cache_clear(struct tree_cache *cache);

struct tree_reader {
    tree_read_tile read;
    void *context;
    struct tree_cache *cache; /* never NULL */
};
/* The root as it was at `size`: reads a logarithmic number of tiles. This and both proofs answer
 * ERR_CORRUPT when the tiles do not hold `size` leaves, ERR_INVALID past TREE_SIZE_MAX. */
enum err tree_root_at(const struct tree_reader *reader, uint64_t size,
                      struct merkle_hash *root_out) MUST_CHECK;
/* ERR_INVALID unless index < size. */
enum err tree_inclusion(const struct tree_reader *reader, uint64_t index, uint64_t size,
                        struct proof *proof_out) MUST_CHECK;
/* Empty when old is 0 or equals size. ERR_INVALID unless old <= size. */
enum err tree_consistency(const struct tree_reader *reader, uint64_t old, uint64_t size,
                          struct proof *proof_out) MUST_CHECK;

/* The other side, for whoever holds only roots. ERR_OK; ERR_MALFORMED when the proof has not the
 * length for these places (an index beyond the size, a proof for equal sizes that is not empty, an
 * old size above the new one) and for an old size of 0, from which nothing can be proved: whoever
 * knows only the empty tree knows nothing and takes any; ERR_SIGNATURE when it leads to other
 * roots. */
enum err proof_check_inclusion(const struct merkle_hash *leaf, uint64_t index, uint64_t size,
                               const struct proof *proof,
                               const struct merkle_hash *root) MUST_CHECK;
enum err proof_check_consistency(uint64_t old, uint64_t size, const struct proof *proof,
                                 const struct merkle_hash *old_root,
                                 const struct merkle_hash *root) MUST_CHECK;
/* Bytes of a proof as they are sent and stored: the hashes one after another. ERR_MALFORMED when
 * the length is no multiple of 32, or past PROOF_MAX hashes. */
struct bytes proof_bytes(const struct proof *proof);
enum err proof_of_bytes(struct bytes bytes, struct proof *proof_out) MUST_CHECK;

#endif
