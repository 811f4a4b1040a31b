/* One statement on its way from an outbox row to its envelope. For compose.c. */
#ifndef REFLOOP_AGENT_DRAFT_H
#define REFLOOP_AGENT_DRAFT_H

#include "agent/mirror.h"
#include "agent/state.h"

struct draft {
    struct row *row;
    bool fresh;   /* made in this turn */
    bool dropped; /* it can never be made: see draft_make */
    uint32_t seq;
    struct digest id;
    struct buffer statement, sealed; /* fresh only */
    struct turn_signature signature;
    struct buffer envelope;
};

void draft_done(struct draft *draft);
/* What ends a loop may still be said when the partner's keys have been revoked (the broker takes it
 * too), sealed for the last ones known: else the loop would be open for ever. */
bool draft_ends_alone(enum loop_event event);
/* Largest the envelope of this row can become. */
size_t draft_bytes(const struct row *row);
/* Writes and seals the statement; `before` is the draft made just before in the same lane, or NULL.
 * ERR_REVOKED, ERR_UNKNOWN_MEMBER: nobody to seal for. ERR_KEY: nothing can be sealed for the
 * partner's key, or the content does not open any more. */
enum err draft_make(struct unit *unit, struct draft *draft, const struct draft *before) MUST_CHECK;
/* Once signed: the envelope, stored in the row; the step is shown as sent. */
enum err draft_store(struct unit *unit, struct draft *draft) MUST_CHECK;

#endif
