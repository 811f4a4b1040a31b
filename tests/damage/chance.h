/* Keys, ids and nonces out of a seed, so that a run can be had again. Never outside of tests. */
#ifndef REFLOOP_TESTS_DAMAGE_CHANCE_H
#define REFLOOP_TESTS_DAMAGE_CHANCE_H

#include <stdint.h>

/* Before anything random is made. */
void chance_seed(uint64_t seed);

#endif
