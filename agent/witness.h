/* Being a witness: what the broker shows with cosignatures is checked against our own view,
 * cosigned once per checkpoint, and counted against our policy. */
#ifndef REFLOOP_AGENT_WITNESS_H
#define REFLOOP_AGENT_WITNESS_H

#include "agent/proof.h"

/* Of a Welcome or a Pong, after the head beside it was believed. A cosignature of a known member
 * that does not fit, or a checkpoint that is not part of our log, raises ALARM_SPLIT_VIEW. */
enum err witness_on_told(struct agent *agent, const struct message_witnessed *witnessed,
                         struct instant now) MUST_CHECK;
/* Fills agent->out with a COSIGN that is due; false when none. */
bool witness_next_word(struct agent *agent, struct instant now);
/* Reads back what was witnessed; for proof_load. */
enum err witness_load(struct agent *agent, struct kv_txn *txn) MUST_CHECK;
/* The largest note that enough others have cosigned, with their lines, when it is of this size.
 * ERR_NOT_FOUND. A view. */
enum err witness_note(struct kv_txn *txn, uint64_t size, struct bytes *note_out) MUST_CHECK;

#endif
