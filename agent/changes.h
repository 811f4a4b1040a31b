/* Which loops changed lately: a small ring in memory, for those who watch. */
#ifndef REFLOOP_AGENT_CHANGES_H
#define REFLOOP_AGENT_CHANGES_H

#include <stddef.h>
#include <stdint.h>

#include "lib/loop/ident.h"

enum { CHANGES_KEPT = 256 };

struct changes {
    uint64_t count; /* since start */
    struct loop_id ring[CHANGES_KEPT];
};

void changes_add(struct changes *changes, const struct loop_id *loop);
/* The loops changed after `since`, each once, newest last; those that fell out of the ring are
 * missing. At most `max` are written; returns how many. */
size_t
changes_get(const struct changes *changes, uint64_t since, struct loop_id *loops_out, size_t max);

#endif
