/* RFC 6962 tree hashing (SHA-256, 0x00 before leaves, 0x01 before nodes) over leaves held in
 * memory: the tree over what an author says in one turn. */
#ifndef REFLOOP_LIB_LOG_MERKLE_H
#define REFLOOP_LIB_LOG_MERKLE_H

#include "lib/base/bytes.h"

enum { MERKLE_HASH_BYTES = 32, MERKLE_PATH_MAX = 16 /* trees of up to 65,536 leaves */ };
struct merkle_hash {
    uint8_t bytes[MERKLE_HASH_BYTES];
};

/* MTH({}) is SHA-256 of nothing. */
void merkle_leaf(struct bytes leaf, struct merkle_hash *hash_out);
void merkle_root(const struct merkle_hash *leaves, size_t n_leaves, struct merkle_hash *root_out);
/* The audit path of leaf `index` (RFC 6962 section 2.1.1). Returns its length. index < n_leaves <=
 * 65536. */
size_t merkle_path(const struct merkle_hash *leaves, size_t n_leaves, size_t index,
                   struct merkle_hash path_out[MERKLE_PATH_MAX]);
/* One inner node (RFC 6962 section 2.1): `out` may be one of the two. */
void merkle_join(const struct merkle_hash *left, const struct merkle_hash *right,
                 struct merkle_hash *out);
/* The root that a leaf, its place and a path lead to; ERR_MALFORMED when index >= size or the
 * path's length is not the one for (index, size). */
enum err merkle_root_from_path(const struct merkle_hash *leaf, uint64_t index, uint64_t size,
                               const struct merkle_hash *path, size_t n_path,
                               struct merkle_hash *root_out) MUST_CHECK;

#endif
