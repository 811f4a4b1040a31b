/* Telling a session where the log stands, so that it can prove for itself that it goes on from what
 * it was told before. Heads follow one another in order of sending: told_size of the session moves
 * with each, and a session whose frames were dropped begins again with its next Hello. */
#ifndef REFLOOP_BROKER_TELL_H
#define REFLOOP_BROKER_TELL_H

#include "broker/dispatch.h"

/* Fills `head_out` with the last checkpoint and the consistency proof from session->told_size, and
 * moves that. The proof is written to `space` (the view points there); all views last until the
 * next turn. The message it is for must be sent next: session_send takes the move back when it
 * cannot. ERR_NOT_FOUND before the first checkpoint, and while the broker is being refilled. */
enum err tell_head(struct broker *broker, struct kv_txn *txn, struct session *session,
                   struct proof *space, struct message_head *head_out) MUST_CHECK;
/* The inclusion proof of an entry in the tree of the last checkpoint, as bytes in `space`. */
enum err tell_inclusion(struct broker *broker, struct kv_txn *txn, uint64_t index,
                        struct proof *space, struct bytes *inclusion_out) MUST_CHECK;
/* Answers Prove. */
enum err handle_prove(struct dispatch_call *call) MUST_CHECK;

#endif
