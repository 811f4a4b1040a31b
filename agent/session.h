/* The agent's side of the conversation with the broker: what has been asked, what has been
 * answered. */
#ifndef REFLOOP_AGENT_SESSION_H
#define REFLOOP_AGENT_SESSION_H

#include "agent/state.h"

/* The log has been read to its head as of the last word: held rows may be made. */
void session_caught_up(struct agent *agent, uint64_t head);
/* What is to be said now besides statements; fills agent->out and marks it as said. */
bool session_next_word(struct agent *agent, struct instant now);

enum err session_on_welcome(struct agent *agent, const struct message *message,
                            struct instant now) MUST_CHECK;
enum err
session_on_pong(struct agent *agent, const struct message *message, struct instant now) MUST_CHECK;
enum err session_on_refused(struct agent *agent, const struct message *message,
                            struct instant now) MUST_CHECK;

#endif
