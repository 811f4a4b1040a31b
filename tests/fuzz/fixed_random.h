/* Randomness that is none: the same keys, nonces and ids in every run, so that an input does the
 * same again. */
#ifndef REFLOOP_TESTS_FUZZ_FIXED_RANDOM_H
#define REFLOOP_TESTS_FUZZ_FIXED_RANDOM_H

#include <stdint.h>

/* From here on; before libsodium is started for the first time, and again as often as wanted. */
void fixed_random_start(uint64_t seed);

#endif
