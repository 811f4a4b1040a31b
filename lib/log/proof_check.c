/* The checking side of proofs, for whoever holds only roots. It decides whether a proof leads where
 * it should, by the steps of RFC 9162 sections 2.1.3.2 and 2.1.4.2, which leave no freedom in its
 * length. It does not know whose roots they are, nor what follows when they do not fit. */
#include "lib/log/tree.h"

#include <string.h>

static enum err
same_root(const struct merkle_hash *found, const struct merkle_hash *wanted)
{
    return memcmp(found, wanted, sizeof(*found)) == 0 ? ERR_OK : ERR_SIGNATURE;
}

enum err
proof_check_inclusion(const struct merkle_hash *leaf, uint64_t index, uint64_t size,
                      const struct proof *proof, const struct merkle_hash *root)
{
    struct merkle_hash found;
    if (proof->n > PROOF_MAX) {
        return ERR_MALFORMED;
    }
    enum err err = merkle_root_from_path(leaf, index, size, proof->hashes, proof->n, &found);
    return err != ERR_OK ? err : same_root(&found, root);
}

/* Both roots are worked out at once: the nodes left of the old tree's last subtree belong to both,
 * those right of it only to the new one. */
struct climb {
    uint64_t old_last, last; /* indexes of the last nodes at this level */
    struct merkle_hash old_root, root;
};

static void
climb_level(struct climb *climb)
{
    climb->old_last >>= 1;
    climb->last >>= 1;
}

static bool
climb_step(struct climb *climb, const struct merkle_hash *hash)
{
    if (climb->last == 0) {
        return false;
    }
    if ((climb->old_last & 1) != 0 || climb->old_last == climb->last) {
        merkle_join(hash, &climb->old_root, &climb->old_root);
        merkle_join(hash, &climb->root, &climb->root);
        /* Ends: old_last is odd, or it is last, which is not 0 here. */
        while ((climb->old_last & 1) == 0) {
            climb_level(climb);
        }
    } else {
        merkle_join(&climb->root, hash, &climb->root);
    }
    climb_level(climb);
    return true;
}

static enum err
check_growth(uint64_t old, uint64_t size, const struct proof *proof,
             const struct merkle_hash *old_root, const struct merkle_hash *root)
{
    struct climb climb = {.old_last = old - 1, .last = size - 1};
    size_t next = 0;
    while ((climb.old_last & 1) != 0) {
        climb_level(&climb);
    }
    /* An old tree that is one complete subtree is its own first hash, and is not sent. */
    climb.old_root = (old & (old - 1)) == 0 ? *old_root : proof->hashes[next++];
    climb.root = climb.old_root;
    while (next < proof->n) {
        if (!climb_step(&climb, &proof->hashes[next++])) {
            return ERR_MALFORMED;
        }
    }
    if (climb.last != 0) {
        return ERR_MALFORMED;
    }
    enum err err = same_root(&climb.old_root, old_root);
    return err != ERR_OK ? err : same_root(&climb.root, root);
}

enum err
proof_check_consistency(uint64_t old, uint64_t size, const struct proof *proof,
                        const struct merkle_hash *old_root, const struct merkle_hash *root)
{
    bool wants_proof = old != size;
    if (old == 0 || old > size || proof->n > PROOF_MAX || (proof->n > 0) != wants_proof) {
        return ERR_MALFORMED;
    }
    return wants_proof ? check_growth(old, size, proof, old_root, root) : same_root(old_root, root);
}

struct bytes
proof_bytes(const struct proof *proof)
{
    return bytes_of(proof->hashes, proof->n * sizeof(proof->hashes[0]));
}

enum err
proof_of_bytes(struct bytes bytes, struct proof *proof_out)
{
    if (bytes.len % MERKLE_HASH_BYTES != 0 || bytes.len > sizeof(proof_out->hashes)) {
        return ERR_MALFORMED;
    }
    proof_out->n = bytes.len / MERKLE_HASH_BYTES;
    if (bytes.len > 0) {
        memcpy(proof_out->hashes, bytes.data, bytes.len);
    }
    return ERR_OK;
}
