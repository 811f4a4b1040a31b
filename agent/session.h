/* The agent's side of the conversation with the broker: what has been asked, what has been
 * answered. */
#ifndef REFLOOP_AGENT_SESSION_H
#define REFLOOP_AGENT_SESSION_H

#include "agent/state.h"

/* The log has been read to its head as of the last word: held rows may be made. */
void session_caught_up(struct agent *agent, uint64_t head);
/* What is to be said now besides statements; fills agent->out and marks it as said. */
bool session_next_word(struct agent *agent, struct instant now);

/* Welcomed, and the broker is whole. */
bool session_takes_statements(const struct agent *agent);

/* Ends the session on this side; hello is said again after `retry_ms`, with the checkpoint we have
 * by then. */
void session_turn_away(struct agent *agent, enum err code, int64_t retry_ms, struct instant now);
/* The same for something that was not believed: ever later, as long as nothing else is. */
void session_doubt(struct agent *agent, const char *why, struct instant now);
/* Something was proved: the next doubt is the first one again. */
void session_trust(struct agent *agent);
/* The same at once, with nobody's fault. */
void session_hello_again(struct agent *agent, struct instant now);

enum err session_on_welcome(struct agent *agent, const struct message *message,
                            struct instant now) MUST_CHECK;
enum err
session_on_pong(struct agent *agent, const struct message *message, struct instant now) MUST_CHECK;
enum err session_on_recall(struct agent *agent, const struct message *message,
                           struct instant now) MUST_CHECK;
enum err session_on_refused(struct agent *agent, const struct message *message,
                            struct instant now) MUST_CHECK;

#endif
