/* Decides under which organization a refusal is counted: the one the connection's key belongs to,
 * belonged to, or was made for, never the one a message names. Counting never fails: without memory
 * only the totals grow. It refuses to know why something was refused. */
#include "broker/refusals.h"

#include <stdlib.h>

#include "broker/state.h"

#define STAYS_BELOW(symbol, number, class, name, text)                                             \
    _Static_assert((number) < REFUSALS_CODES || (number) >= 64, name);
ERR_TABLE(STAYS_BELOW)
#undef STAYS_BELOW

enum { MEMBERS_AT_FIRST = 16 };

void
refusals_done(struct refusals *refusals)
{
    for (size_t i = 0; i < refusals->n; i++) {
        free(refusals->list[i]);
    }
    free(refusals->list);
    map_free(refusals->by_handle);
    *refusals = (struct refusals){.n = 0};
}

static bool
reserve(struct refusals *refusals)
{
    if (refusals->by_handle == NULL) {
        refusals->by_handle = map_new(sizeof(uint64_t));
    }
    if (refusals->by_handle != NULL && refusals->n == refusals->capacity) {
        size_t capacity = refusals->capacity == 0 ? MEMBERS_AT_FIRST : refusals->capacity * 2;
        struct refusals_member **list =
            reallocarray(refusals->list, capacity, sizeof(struct refusals_member *));
        if (list != NULL) {
            refusals->list = list;
            refusals->capacity = capacity;
        }
    }
    return refusals->by_handle != NULL && refusals->n < refusals->capacity;
}

/* Finds or makes; NULL when there is no memory. */
static struct refusals_member *
get(struct refusals *refusals, uint64_t handle)
{
    struct refusals_member *found =
        refusals->by_handle == NULL ? NULL : map_find(refusals->by_handle, &handle);
    if (found != NULL || !reserve(refusals)) {
        return found;
    }
    found = calloc(1, sizeof(*found));
    if (found == NULL || map_put(refusals->by_handle, &handle, found) != ERR_OK) {
        free(found);
        return NULL;
    }
    found->handle = handle;
    refusals->list[refusals->n++] = found;
    return found;
}

static const struct member *
find_member(const struct broker *broker, const struct curve_public *key)
{
    bool once = false;
    uint64_t replaced_at = 0;
    const struct member *member = directory_find_curve(broker->directory, key, &once);
    return member != NULL ? member
                          : directory_find_former_curve(broker->directory, key, &replaced_at);
}

void
refusals_count(struct broker *broker, const struct session *session, enum err code)
{
    struct refusals *refusals = &broker->refusals;
    const struct member *member = session == NULL ? NULL : find_member(broker, &session->key);
    if ((unsigned)code >= REFUSALS_CODES) {
        return;
    }
    refusals->totals[code]++;
    struct refusals_member *of = member == NULL ? NULL : get(refusals, member->handle);
    if (of == NULL) {
        return;
    }
    struct refusals_reason *reason = &of->reasons[code];
    reason->first_ms = reason->n == 0 ? session->heard_wall_ms : reason->first_ms;
    reason->last_ms = session->heard_wall_ms;
    reason->n++;
}

bool
broker_next_refused(const struct broker *broker, uint64_t *cursor,
                    struct broker_refused *refused_out)
{
    const struct refusals *refusals = &broker->refusals;
    for (; *cursor < (uint64_t)refusals->n * REFUSALS_CODES; (*cursor)++) {
        const struct refusals_member *of = refusals->list[*cursor / REFUSALS_CODES];
        const struct refusals_reason *reason = &of->reasons[*cursor % REFUSALS_CODES];
        const struct member *member = directory_find_handle(broker->directory, of->handle);
        if (reason->n > 0 && member != NULL) {
            *refused_out = (struct broker_refused){.org = member->org,
                                                   .code = (enum err)(*cursor % REFUSALS_CODES),
                                                   .n = reason->n,
                                                   .first_ms = reason->first_ms,
                                                   .last_ms = reason->last_ms};
            (*cursor)++;
            return true;
        }
    }
    return false;
}
