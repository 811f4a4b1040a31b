/* A binary heap. The order of planning breaks ties, or two runs of one seed could differ. */
#include "tests/simulator/events.h"

#include <stdlib.h>

static bool
is_before(const struct event *a, const struct event *b)
{
    return a->at_ms != b->at_ms ? a->at_ms < b->at_ms : a->order < b->order;
}

static void
swap(struct event *a, struct event *b)
{
    struct event kept = *a;
    *a = *b;
    *b = kept;
}

void
events_plan(struct events *events, const struct event *event)
{
    if (events->n == events->room) {
        events->room = events->room == 0 ? 256 : events->room * 2;
        events->heap = realloc(events->heap, events->room * sizeof(*events->heap));
        if (events->heap == NULL) {
            abort();
        }
    }
    size_t at = events->n++;
    events->heap[at] = *event;
    events->heap[at].order = events->n_planned++;
    while (at > 0 && is_before(&events->heap[at], &events->heap[(at - 1) / 2])) {
        swap(&events->heap[at], &events->heap[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
}

static void
sink(struct events *events)
{
    size_t at = 0;
    for (;;) {
        size_t least = at;
        for (size_t child = 2 * at + 1; child <= 2 * at + 2 && child < events->n; child++) {
            if (is_before(&events->heap[child], &events->heap[least])) {
                least = child;
            }
        }
        if (least == at) {
            return;
        }
        swap(&events->heap[at], &events->heap[least]);
        at = least;
    }
}

bool
events_take(struct events *events, int64_t to_ms, struct event *event_out)
{
    if (events->n == 0 || events->heap[0].at_ms > to_ms) {
        return false;
    }
    *event_out = events->heap[0];
    events->heap[0] = events->heap[--events->n];
    sink(events);
    return true;
}

void
events_done(struct events *events)
{
    for (size_t i = 0; i < events->n; i++) {
        buffer_done(&events->heap[i].frame);
    }
    free(events->heap);
    *events = (struct events){.n = 0};
}
