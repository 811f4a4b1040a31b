/* A target with a fault of each kind in it, for the test of the search itself: whoever says in
 * REFLOOP_FUZZ_PLANT which one it is to be must be told of it. */
#include <string.h>
#include <unistd.h>

#include "tests/fuzz/fuzz.h"

static void
fall(const char *which, const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size);
    FUZZ_HOLDS(copy != NULL);
    memcpy(copy, data, size);
    if (strcmp(which, "crash") == 0) {
        FUZZ_HOLDS(copy[size] != 0x5a); /* one past the end */
    } else if (strcmp(which, "leak") == 0) {
        copy = NULL;
    } else if (strcmp(which, "hang") == 0) {
        for (;;) {
            (void)pause();
        }
    } else if (strcmp(which, "promise") == 0) {
        FUZZ_HOLDS(copy[0] == 0);
    }
    free(copy);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *which = getenv("REFLOOP_FUZZ_PLANT");
    fuzz_start();
    if (which != NULL && size > 2 && data[0] == 'n' && data[1] == 'o' && data[2] == 'w') {
        fall(which, data, size);
    }
    return 0;
}
