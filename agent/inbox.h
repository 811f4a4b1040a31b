/* What comes out of the log: folded, recorded and confirmed in one transaction with the moved
 * cursor. */
#ifndef REFLOOP_AGENT_INBOX_H
#define REFLOOP_AGENT_INBOX_H

#include "agent/state.h"

enum err
inbox_take(struct agent *agent, const struct message *message, struct instant now) MUST_CHECK;

#endif
