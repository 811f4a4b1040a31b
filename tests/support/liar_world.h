/* Another log than the one in the store: leaves, and the heads and proofs that go with them. It is
 * what a broker with its own key can make up at will, and it is right in itself. */
#ifndef REFLOOP_TESTS_SUPPORT_LIAR_WORLD_H
#define REFLOOP_TESTS_SUPPORT_LIAR_WORLD_H

#include "broker/state.h"

enum { WORLD_MAX = 4096 };

struct world {
    size_t n;
    struct merkle_hash leaves[WORLD_MAX];
};

/* The leaves of what is stored. */
enum err world_load(struct world *world, struct broker *broker) MUST_CHECK;
void world_set(struct world *world, uint64_t index, const struct merkle_hash *leaf);
/* Appends a signed note of the first `size` leaves. */
enum err world_sign(const struct world *world, uint64_t size, const struct broker *broker,
                    struct buffer *note_out) MUST_CHECK;
void world_inclusion(const struct world *world, uint64_t index, uint64_t size, struct proof *out);
void world_consistency(const struct world *world, uint64_t old, uint64_t size, struct proof *out);

#endif
