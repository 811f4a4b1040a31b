/* Giving a restored broker back what we hold of its log. */
#ifndef REFLOOP_AGENT_COPIES_H
#define REFLOOP_AGENT_COPIES_H

#include "agent/proof.h"

/* The broker asks (Welcome.recall_from, or Recall): the answer goes out with the next words. */
void copies_on_asked(struct agent *agent, uint64_t from);
enum err
copies_on_recall(struct agent *agent, const struct message *message, struct instant now) MUST_CHECK;
/* Encodes the COPIES that are due; *none_out true when none are. */
enum err
copies_next_frame(struct agent *agent, struct buffer *frame_out, bool *none_out) MUST_CHECK;

#endif
