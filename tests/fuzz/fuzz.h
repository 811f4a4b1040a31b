/* What every fuzz target wants: libsodium started once, and a way to say that a promise was broken.
 */
#ifndef REFLOOP_TESTS_FUZZ_FUZZ_H
#define REFLOOP_TESTS_FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/base/bytes.h"
#include "lib/base/secret.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static inline void
fuzz_start(void)
{
    static bool started;
    bool locked = false;
    if (!started && secret_start(&locked) != ERR_OK) {
        abort();
    }
    started = true;
}

static inline void
fuzz_broken(const char *promise)
{
    fprintf(stderr, "broken promise: %s\n", promise);
    abort();
}

/* Not assert: it must hold in every build. */
#define FUZZ_HOLDS(condition)                                                                      \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fuzz_broken(#condition);                                                               \
        }                                                                                          \
    } while (0)

#endif
