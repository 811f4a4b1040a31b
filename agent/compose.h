/* From the outbox to one SUBMIT frame. */
#ifndef REFLOOP_AGENT_COMPOSE_H
#define REFLOOP_AGENT_COMPOSE_H

#include "agent/state.h"

/* Takes what may be sent now, makes what is not made yet, stores it, and only then writes the
 * frame. *none_out true when there is nothing to send; a full disk is that too. */
enum err compose_frame(struct agent *agent, struct instant now, struct buffer *frame_out,
                       bool *none_out) MUST_CHECK;

#endif
