/* Whoever can say what is in a log: heads, proofs and cosignatures over the fake broker's entries,
 * worked out from all of its leaves each time. Told to be wrong, it is. */
#ifndef REFLOOP_TESTS_UNIT_AGENT_NOTARY_H
#define REFLOOP_TESTS_UNIT_AGENT_NOTARY_H

#include "lib/proof/checkpoint.h"
#include "lib/proof/view.h"
#include "tests/unit/agent/fake_rig.h"

struct notary {
    const struct fixture *fixture;
    struct merkle_hash *leaves;
    size_t n;
};

/* The log as it is now; `forked` leaves out nothing, but has one other leaf at the start. */
void notary_init(struct notary *notary, const struct fake_broker *broker, bool forked);
void notary_done(struct notary *notary);
struct checkpoint notary_head(const struct notary *notary, size_t size);
/* Appends a note signed by the log key. */
void notary_sign(const struct notary *notary, size_t size, struct buffer *note);
void notary_inclusion(const struct notary *notary, size_t index, size_t size, struct proof *out);
void notary_consistency(const struct notary *notary, size_t old, size_t size, struct proof *out);
/* Member `which` vouches for the note. */
void notary_cosign(const struct notary *notary, struct buffer *note, size_t which, uint64_t time_s);
/* The agent believes in this log from now on, whatever it believed before. */
void notary_convince(const struct notary *notary, struct agent *agent, size_t size);

#endif
