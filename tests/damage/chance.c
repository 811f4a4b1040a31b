/* Decides what libsodium takes for random in this program: nothing is secret here, everything can
 * be had again. */
#include "tests/damage/chance.h"

#include <sodium.h>
#include <string.h>

#include "tests/support/fault_disk.h"

static uint64_t state;

static const char *
name(void)
{
    return "seeded";
}

static uint32_t
next(void)
{
    return (uint32_t)(fault_random(&state) >> 16);
}

static void
fill(void *const out, const size_t size)
{
    uint8_t *bytes = out;
    for (size_t i = 0; i < size; i++) {
        bytes[i] = (uint8_t)(fault_random(&state) >> 24);
    }
}

void
chance_seed(uint64_t seed)
{
    static randombytes_implementation seeded = {
        .implementation_name = name, .random = next, .buf = fill};
    state = seed | 1;
    (void)randombytes_set_implementation(&seeded); /* cannot fail */
}
