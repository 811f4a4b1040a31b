/* What the broker's receipts do to our steps. */
#ifndef REFLOOP_AGENT_RECEIPTS_H
#define REFLOOP_AGENT_RECEIPTS_H

#include "agent/state.h"

enum err
receipts_take(struct agent *agent, const struct message *message, struct instant now) MUST_CHECK;
/* Ends a row for good: the step is shown as refused, and what was made on top of it becomes drafts
 * again. The row is gone afterwards. */
enum err receipts_give_up(struct unit *unit, struct row *row, enum err refusal) MUST_CHECK;

#endif
