/* What people read about how far the log is proved and by whom it is confirmed. Pure. */
#ifndef REFLOOP_AGENT_COMMAND_PROOF_WORDS_H
#define REFLOOP_AGENT_COMMAND_PROOF_WORDS_H

#include "agent/agent.h"

enum { PROOF_WORDS_BYTES = 512 };

/* Returns true when somebody should look: fewer others have confirmed the log than this office
 * wants to see, and for long; or steps of ours are sent and not proved. */
bool proof_words_write(const struct agent_proof_status *status, int64_t now_ms,
                       char out[PROOF_WORDS_BYTES]);

#endif
