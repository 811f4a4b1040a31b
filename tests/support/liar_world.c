/* Decides how heads and proofs of a made-up log are worked out: from all of its leaves each time,
 * as RFC 6962 defines them, and not by the code under test. It refuses to know whom they are for.
 */
#include "tests/support/liar_world.h"

#include <string.h>

enum err
world_load(struct world *world, struct broker *broker)
{
    CLEANUP(kv_abort) struct kv_txn *txn = NULL;
    struct journal_entry entry;
    enum err err = kv_begin_read(broker->kv, &txn);
    world->n = 0;
    for (uint64_t i = 0; err == ERR_OK && i < broker->head.entries && i < WORLD_MAX; i++) {
        struct merkle_hash leaf;
        err = journal_load(txn, i, &entry);
        if (err == ERR_OK) {
            merkle_leaf(entry.row, &leaf);
            world_set(world, i, &leaf);
        }
    }
    return err;
}

void
world_set(struct world *world, uint64_t index, const struct merkle_hash *leaf)
{
    if (index < WORLD_MAX) {
        world->leaves[index] = *leaf;
        world->n = index + 1 > world->n ? (size_t)index + 1 : world->n;
    }
}

enum err
world_sign(const struct world *world, uint64_t size, const struct broker *broker,
           struct buffer *note_out)
{
    struct merkle_hash root;
    merkle_root(world->leaves, (size_t)size, &root);
    return checkpoint_sign(&broker->network, size, &root, broker->log_secret, note_out);
}

void
world_inclusion(const struct world *world, uint64_t index, uint64_t size, struct proof *out)
{
    out->n = merkle_path(world->leaves, (size_t)size, (size_t)index, out->hashes);
}

static size_t
half(size_t n)
{
    size_t k = 1;
    while (2 * k < n) {
        k *= 2;
    }
    return k;
}

/* SUBPROOF of RFC 6962 section 2.1.2. */
static void
add_subproof(const struct merkle_hash *leaves, size_t n, size_t old, bool whole, struct proof *out)
{
    if (old == n) {
        if (!whole) {
            merkle_root(leaves, n, &out->hashes[out->n++]);
        }
        return;
    }
    size_t k = half(n);
    if (old <= k) {
        add_subproof(leaves, k, old, whole, out);
        merkle_root(leaves + k, n - k, &out->hashes[out->n++]);
    } else {
        add_subproof(leaves + k, n - k, old - k, false, out);
        merkle_root(leaves, k, &out->hashes[out->n++]);
    }
}

void
world_consistency(const struct world *world, uint64_t old, uint64_t size, struct proof *out)
{
    out->n = 0;
    if (old > 0 && old < size) {
        add_subproof(world->leaves, (size_t)size, (size_t)old, true, out);
    }
}
