/* What is going to happen, in order of time; what falls on one moment, in order of planning. */
#ifndef REFLOOP_TESTS_SIMULATOR_EVENTS_H
#define REFLOOP_TESTS_SIMULATOR_EVENTS_H

#include "lib/base/bytes.h"

enum event_kind {
    HAPPENS_SITE_TURN,
    HAPPENS_SITE_START,
    HAPPENS_SITE_DEATH,  /* what: of which life */
    HAPPENS_SITE_PERSON, /* somebody does something */
    HAPPENS_SITE_LINK,   /* what: enum link_event, number: of which connection */
    HAPPENS_TO_SITE,     /* a frame; number: over which connection */
    HAPPENS_TO_HUB,
    HAPPENS_HUB_TURN,
    HAPPENS_HUB_START,
    HAPPENS_HUB_DEATH,
    HAPPENS_FAULT, /* what: which */
    HAPPENS_RELIEF,
};

struct event {
    int64_t at_ms;
    uint64_t order;
    enum event_kind kind;
    uint32_t site, what, number;
    struct buffer frame; /* owned */
};

struct events {
    struct event *heap;
    size_t n, room;
    uint64_t n_planned;
};

/* Takes over the frame. */
void events_plan(struct events *events, const struct event *event);
/* The next one not after `to_ms`; its frame is the caller's. */
bool events_take(struct events *events, int64_t to_ms, struct event *event_out);
void events_done(struct events *events);

#endif
