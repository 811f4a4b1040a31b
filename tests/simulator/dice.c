/* One seed for everything. Keys, ids, nonces and jitter of the cores come from libsodium's
 * generator, which is replaced here; the world has dice of its own, so that one more nonce in the
 * product does not change the weather. */
#include <sodium.h>
#include <stdlib.h>

#include "tests/simulator/sim.h"

static uint64_t sodium_dice;

static const char *
name(void)
{
    return "simulator";
}

static uint32_t
roll(void)
{
    return (uint32_t)(fault_random(&sodium_dice) >> 32);
}

static void
fill(void *const out, const size_t len)
{
    uint8_t *bytes = out;
    for (size_t i = 0; i < len; i++) {
        bytes[i] = (uint8_t)(fault_random(&sodium_dice) >> 56);
    }
}

static struct randombytes_implementation dice = {
    .implementation_name = name, .random = roll, .buf = fill};

void
dice_rule_the_world(uint64_t seed)
{
    sodium_dice = seed ^ UINT64_C(0x9e3779b97f4a7c15);
    sodium_dice = sodium_dice == 0 ? 1 : sodium_dice;
    if (randombytes_set_implementation(&dice) != 0) {
        abort();
    }
}

uint32_t
sim_dice(struct sim *sim, uint32_t bound)
{
    return (uint32_t)(fault_random(&sim->dice) >> 32) % bound;
}

bool
sim_chance(struct sim *sim, uint32_t per_mille)
{
    return sim_dice(sim, 1000) < per_mille;
}

int64_t
sim_around(struct sim *sim, int64_t mean_ms)
{
    return mean_ms / 2 + (int64_t)(fault_random(&sim->dice) % (uint64_t)(mean_ms + 1));
}
