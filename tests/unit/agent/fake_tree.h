/* The tree over a log in memory, and signed heads of it. Told to, it lies. */
#ifndef REFLOOP_TESTS_UNIT_AGENT_FAKE_TREE_H
#define REFLOOP_TESTS_UNIT_AGENT_FAKE_TREE_H

#include "lib/log/tree.h"
#include "lib/proof/checkpoint.h"

enum { FAKE_TREE_LEAVES = 20000 };

struct fake_tree;

struct fake_tree *fake_tree_new(const struct network_id *network, const struct sign_secret *secret);
void fake_tree_free(struct fake_tree *tree);
void fake_tree_append(struct fake_tree *tree, struct bytes envelope, int64_t log_time_ms);
/* A note over the first `size` entries; with another root when `forked`. Valid until the next. */
struct bytes fake_tree_note(struct fake_tree *tree, uint64_t size, bool forked);
void
fake_tree_inclusion(struct fake_tree *tree, uint64_t index, uint64_t size, struct proof *proof_out);
void
fake_tree_consistency(struct fake_tree *tree, uint64_t old, uint64_t size, struct proof *proof_out);

#endif
