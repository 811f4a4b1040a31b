/* For the track tests: the two organizations of a fixture, ids counted up, and steps written short.
 */
#ifndef REFLOOP_TESTS_UNIT_LOOP_SAID_H
#define REFLOOP_TESTS_UNIT_LOOP_SAID_H

#include <string.h>

#include "lib/loop/track.h"

static const struct loop_id said_loop = {{0xa1, 0xb2, 0xc3}};

/* The n-th id; 0 is the zero digest, "none". */
static inline struct digest
said_id(unsigned n)
{
    struct digest id = {{0}};

    memcpy(id.bytes, &n, sizeof(n));
    return id;
}

static inline void
said_begin(struct track *track)
{
    track_init(track, &said_loop, "riverside-clinic", "corner-pantry");
}

/* The step `role` would write next in its place of the track, with the `n`-th id, having heard the
 * `heard`-th. */
static inline struct track_step
said_step(const struct track *track, enum loop_role role, enum loop_event event, unsigned n,
          unsigned heard)
{
    return (struct track_step){
        .role = role,
        .event = event,
        .seq = track->side[role].last_seq + 1,
        .previous = track->side[role].last_id,
        .heard = said_id(heard),
        .id = said_id(n),
    };
}

/* The same, put into the log: at index 10 n, time 1000 n. */
static inline enum err
said(struct track *track, enum loop_role role, enum loop_event event, unsigned n, unsigned heard,
     struct track_verdict *verdict)
{
    struct track_step step = said_step(track, role, event, n, heard);

    return track_apply(track, &step, 10 * (uint64_t)n, 1000 * (int64_t)n, verdict);
}

#endif
