/* Stands in for libsodium's source of randomness. Decides nothing else: keys made with it are as
 * good as any to the code under test. It is the one file of the fuzz targets that knows libsodium.
 */
#include "tests/fuzz/fixed_random.h"

#include <sodium.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

static uint64_t state = 1;

/* splitmix64 */
static uint64_t
draw(void)
{
    state += UINT64_C(0x9e3779b97f4a7c15);
    uint64_t z = state;
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static const char *
name(void)
{
    return "fixed";
}

static uint32_t
draw_u32(void)
{
    return (uint32_t)draw();
}

static void
fill(void *const out, const size_t len)
{
    uint8_t *bytes = out;
    for (size_t at = 0; at < len; at += sizeof(uint64_t)) {
        uint64_t word = draw();
        size_t n = len - at < sizeof(word) ? len - at : sizeof(word);
        memcpy(bytes + at, &word, n);
    }
}

void
fixed_random_start(uint64_t seed)
{
    static randombytes_implementation fixed = {
        .implementation_name = name, .random = draw_u32, .buf = fill};
    static bool is_set;
    state = seed;
    if (!is_set) {
        (void)randombytes_set_implementation(&fixed); /* never fails */
        is_set = true;
    }
}
