/* RFC 6962 tree hashing. It decides how hashes are joined and which paths prove which place; it
 * does not know what a leaf is, and keeps nothing.
 *
 * A root by itself does not name its size: the same root and path may fit two sizes. Whoever signs
 * a root signs the size with it. */
#include "lib/log/merkle.h"

#include <assert.h>
#include <string.h>

#include <sodium.h>

enum { LEAVES_MAX = 1 << MERKLE_PATH_MAX };

static const uint8_t leaf_prefix = 0x00;
static const uint8_t node_prefix = 0x01;

_Static_assert((int)MERKLE_HASH_BYTES == (int)crypto_hash_sha256_BYTES, "hash size");

void
merkle_leaf(struct bytes leaf, struct merkle_hash *hash_out)
{
    crypto_hash_sha256_state state;
    crypto_hash_sha256_init(&state);
    crypto_hash_sha256_update(&state, &leaf_prefix, 1);
    if (leaf.len > 0) {
        crypto_hash_sha256_update(&state, leaf.data, leaf.len);
    }
    crypto_hash_sha256_final(&state, hash_out->bytes);
}

void
merkle_join(const struct merkle_hash *left, const struct merkle_hash *right,
            struct merkle_hash *out)
{
    crypto_hash_sha256_state state;
    crypto_hash_sha256_init(&state);
    crypto_hash_sha256_update(&state, &node_prefix, 1);
    crypto_hash_sha256_update(&state, left->bytes, MERKLE_HASH_BYTES);
    crypto_hash_sha256_update(&state, right->bytes, MERKLE_HASH_BYTES);
    crypto_hash_sha256_final(&state, out->bytes);
}

/* Keeps the roots of the complete subtrees seen so far, largest first: after n leaves there is one
 * for each bit set in n. No recursion, and memory for the height of the tree only. */
void
merkle_root(const struct merkle_hash *leaves, size_t n_leaves, struct merkle_hash *root_out)
{
    assert(n_leaves <= LEAVES_MAX);
    struct merkle_hash stack[MERKLE_PATH_MAX + 1];
    size_t depth = 0;
    if (n_leaves == 0) {
        crypto_hash_sha256(root_out->bytes, NULL, 0);
        return;
    }
    for (size_t i = 0; i < n_leaves; i++) {
        struct merkle_hash carry = leaves[i];
        for (size_t bits = i; bits & 1; bits >>= 1) {
            merkle_join(&stack[--depth], &carry, &carry);
        }
        stack[depth++] = carry;
    }
    while (depth > 1) {
        depth--;
        merkle_join(&stack[depth - 1], &stack[depth], &stack[depth - 1]);
    }
    *root_out = stack[0];
}

/* The largest power of two below n, for n > 1. */
static size_t
split(size_t n)
{
    size_t k = 1;
    while (k * 2 < n) {
        k *= 2;
    }
    return k;
}

size_t
merkle_path(const struct merkle_hash *leaves, size_t n_leaves, size_t index,
            struct merkle_hash path_out[MERKLE_PATH_MAX])
{
    assert(index < n_leaves && n_leaves <= LEAVES_MAX);
    struct merkle_hash down[MERKLE_PATH_MAX]; /* from the root to the leaf; a path is the reverse */
    size_t n_path = 0;
    size_t first = 0;
    size_t n = n_leaves;
    while (n > 1) {
        size_t k = split(n);
        if (index - first < k) {
            merkle_root(leaves + first + k, n - k, &down[n_path++]);
            n = k;
        } else {
            merkle_root(leaves + first, k, &down[n_path++]);
            first += k;
            n -= k;
        }
    }
    for (size_t i = 0; i < n_path; i++) {
        path_out[i] = down[n_path - 1 - i];
    }
    return n_path;
}

/* RFC 9162 section 2.1.3.2, whose last step (the top must be reached exactly) makes the length of
 * the path part of what is checked. */
enum err
merkle_root_from_path(const struct merkle_hash *leaf, uint64_t index, uint64_t size,
                      const struct merkle_hash *path, size_t n_path, struct merkle_hash *root_out)
{
    if (index >= size) {
        return ERR_MALFORMED;
    }
    struct merkle_hash hash = *leaf;
    uint64_t last = size - 1;
    for (size_t i = 0; i < n_path; i++) {
        if (last == 0) {
            return ERR_MALFORMED;
        }
        if ((index & 1) != 0 || index == last) {
            merkle_join(&path[i], &hash, &hash);
            /* Ends: index is odd, or it is last, which is not 0 here. */
            while ((index & 1) == 0) {
                index >>= 1;
                last >>= 1;
            }
        } else {
            merkle_join(&hash, &path[i], &hash);
        }
        index >>= 1;
        last >>= 1;
    }
    if (last != 0) {
        return ERR_MALFORMED;
    }
    *root_out = hash;
    return ERR_OK;
}
