/* What the broker's receipts do to our steps. */
#ifndef REFLOOP_AGENT_RECEIPTS_H
#define REFLOOP_AGENT_RECEIPTS_H

#include "agent/state.h"

enum err
receipts_take(struct agent *agent, const struct message *message, struct instant now) MUST_CHECK;
/* Whether a log time is far from our clock, or from when the row was queued (NULL: no row of ours).
 */
bool receipts_is_far_off(const struct unit *unit, const struct row *row, int64_t log_time_ms);
/* Ends a row for good: the step is shown as refused, and what was made on top of it becomes drafts
 * again. The row is gone afterwards. */
enum err receipts_give_up(struct unit *unit, struct row *row, enum err refusal) MUST_CHECK;

#endif
