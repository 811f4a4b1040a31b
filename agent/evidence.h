/* Asking the broker for proofs of one loop in one checkpoint, and writing evidence of it. The
 * commands are in agent.h. */
#ifndef REFLOOP_AGENT_EVIDENCE_H
#define REFLOOP_AGENT_EVIDENCE_H

#include "agent/proof.h"

/* Fills agent->out with a PROVE that is due; false when none. */
bool evidence_next_word(struct agent *agent, struct instant now);
enum err evidence_on_proofs(struct agent *agent, const struct message *message,
                            struct instant now) MUST_CHECK;

#endif
