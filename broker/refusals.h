/* Who was refused what, how often and when, since the start: so that the administrator sees which
 * member it is. Bounded by the number of members. */
#ifndef REFLOOP_BROKER_REFUSALS_H
#define REFLOOP_BROKER_REFUSALS_H

#include <stddef.h>
#include <stdint.h>

#include "lib/base/err.h"
#include "lib/base/map.h"

struct broker;
struct session;

enum { REFUSALS_CODES = 32 }; /* the codes of PEER class are below it */

struct refusals_reason {
    uint64_t n;
    int64_t first_ms, last_ms; /* wall */
};

/* Of one organization, whichever of its keys it used. */
struct refusals_member {
    uint64_t handle;
    struct refusals_reason reasons[REFUSALS_CODES];
};

struct refusals {
    uint64_t totals[REFUSALS_CODES];
    struct map *by_handle;         /* NULL before the first */
    struct refusals_member **list; /* owned, in order of their first refusal */
    size_t n, capacity;
};

void refusals_done(struct refusals *refusals);
/* Counts one refusal of what `session` said last; NULL when there is none. A key that is no
 * organization's counts in the totals only, and so does everything when there is no memory. */
void refusals_count(struct broker *broker, const struct session *session, enum err code);

#endif
