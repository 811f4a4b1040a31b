/* One logged statement of a loop, on its way into our records. For inbox.c. */
#ifndef REFLOOP_AGENT_ARRIVAL_H
#define REFLOOP_AGENT_ARRIVAL_H

#include "agent/mirror.h"
#include "agent/state.h"

struct arrival {
    uint64_t index;
    int64_t log_time_ms;
    const struct opened_envelope *opened;
    const struct statement_loop *loop;
    bool own;                     /* we are the author */
    bool sealed_missing;          /* it should have come with a sealed part */
    bool receipted;               /* ours, and the broker's receipt for it was proved before */
    struct track_verdict verdict; /* out */
    bool unreadable;              /* out: a new step whose content does not open with our keys */
    bool unknown;                 /* out: in our name, and nothing here has made it */
};

/* Puts the statement on the track, and all that follows into the transaction. Peer errors: it does
 * not fit. */
enum err arrival_take(struct unit *unit, struct arrival *arrival) MUST_CHECK;

#endif
