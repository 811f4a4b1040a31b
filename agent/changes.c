/* Decides which loops a watcher is told about. It refuses to know what changed in them: whoever
 * watches asks for the loop again. */
#include "agent/changes.h"

#include <stdbool.h>
#include <string.h>

void
changes_add(struct changes *changes, const struct loop_id *loop)
{
    changes->ring[changes->count % CHANGES_KEPT] = *loop;
    changes->count++;
}

static bool
is_listed(const struct loop_id *loops, size_t n, const struct loop_id *loop)
{
    for (size_t i = 0; i < n; i++) {
        if (memcmp(loops[i].bytes, loop->bytes, LOOP_ID_BYTES) == 0)
            return true;
    }
    return false;
}

size_t
changes_get(const struct changes *changes, uint64_t since, struct loop_id *loops_out, size_t max)
{
    size_t n = 0;

    if (changes->count > CHANGES_KEPT && since < changes->count - CHANGES_KEPT)
        since = changes->count - CHANGES_KEPT;
    for (uint64_t at = since; at < changes->count && n < max; at++) {
        const struct loop_id *loop = &changes->ring[at % CHANGES_KEPT];
        if (!is_listed(loops_out, n, loop))
            loops_out[n++] = *loop;
    }
    return n;
}
