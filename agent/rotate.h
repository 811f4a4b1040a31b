/* Changing an organization's keys. The new ones are on disk before anybody hears of them, beside
 * the present ones; the statement that names them is signed by the present ones. They take over
 * only when the broker has proved that its log has them; what was sealed to the old ones can still
 * be opened afterwards. Whoever stops in between finds both sets, and asks the broker which of them
 * it lets in. */
#ifndef REFLOOP_AGENT_ROTATE_H
#define REFLOOP_AGENT_ROTATE_H

#include "agent/agent.h"
#include "lib/proof/view.h"

/* Makes the next keys; to be saved before anything else is done. ERR_EXISTS when there are next
 * keys already, ERR_NOT_PERMITTED before joining. */
enum err rotate_begin(struct identity *identity, int64_t now_ms) MUST_CHECK;
/* The encoded statement that names the next keys. The same bytes each time, so saying it twice is
 * harmless. ERR_NOT_FOUND when there are no next keys. */
enum err rotate_envelope(const struct identity *identity, struct buffer *out) MUST_CHECK;

/* What this agent believes of the log, to be shown in HELLO and held against what is answered. The
 * note is valid while the agent is open. */
struct view rotate_view(const struct agent *agent);
/* Takes a head as an agent does: ERR_KEY when it is not signed by this network's log or does not go
 * on from `view`, which is moved otherwise. */
enum err rotate_take_head(const struct identity *identity, struct view *view,
                          const struct message_head *head, bool answers_ours) MUST_CHECK;
/* ERR_OK: the receipts prove that the log has the statement. ERR_NOT_FOUND: they speak of others.
 * ERR_KEY: they claim it without proof. Else the broker's refusal. */
enum err rotate_take_receipts(const struct identity *identity, struct view *view,
                              struct bytes envelope,
                              const struct message_receipts *receipts) MUST_CHECK;

/* The next keys become the present ones, and the old sealing pair joins the former ones (the oldest
 * goes when there are too many). To be saved. */
void rotate_finish(struct identity *identity);

/* For agent_open: what was made with keys that are no longer the present ones, and is not in the
 * log, never will be: it is made again. It waits for the log to be read, where those may be that
 * were logged before the change. */
enum err rotate_remake(struct agent *agent, struct instant now) MUST_CHECK;

#endif
