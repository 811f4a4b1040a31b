/* What the members of a world see of its history, to be compared with what those of an undamaged
 * one see. */
#ifndef REFLOOP_TESTS_DAMAGE_SIGHT_H
#define REFLOOP_TESTS_DAMAGE_SIGHT_H

#include "tests/damage/world.h"

enum { SIGHT_TEXT = 160 };

/* A receipt that a member holds for proved, of what was said since the damage was done. */
struct sight_receipt {
    uint64_t index;
    struct digest id;
};

struct sight {
    uint8_t stage[WORLD_MEMBERS][WORLD_STEPS]; /* 0: not seen, else 1 + enum step_stage */
    uint8_t state[WORLD_MEMBERS][WORLD_LOOPS + 2];
    struct sight_receipt receipts[WORLD_STEPS];
    size_t n_receipts;
    /* What is said to be so and is not: another content, place or author, or twice the same. */
    unsigned n_wrong;
    char wrong[SIGHT_TEXT]; /* the first */
    /* What a member is told to be amiss: an alarm, a refused entry, content that does not open. */
    unsigned n_told;
};

/* Adds what one member sees. An error is one of its own agent's. */
enum err sight_look(struct world *world, size_t which, struct sight *sight);
/* Whether both saw the same history; the first difference in words. */
bool sight_equal(const struct sight *a, const struct sight *b, char text_out[SIGHT_TEXT]);

#endif
