/* The broker's side of witnessing: one checkpoint at a time is put before the members, their
 * cosignatures are gathered and shown to all. A new round begins when the log has grown and the
 * last round is old enough.
 *
 * What is told and what is kept differ. Told is the present round from its beginning, also while
 * nobody has cosigned it: it must be seen to be cosigned, and each cosignature is passed on with
 * the next Welcome or Pong. Kept in the store (meta META_WITNESSED), for evidence and for the next
 * start, is the newest note that is worth it: the present round's once it has as many cosignatures
 * as the one kept before, or when it has had its time; never one without any. */
#ifndef REFLOOP_BROKER_WITNESS_H
#define REFLOOP_BROKER_WITNESS_H

#include "broker/dispatch.h"

#define META_WITNESSED "witnessed"

/* At start: what was kept is the present round, and an old one. */
enum err witness_open(struct broker *broker, struct kv_txn *txn) MUST_CHECK;
/* Begins a round when it is time to, and writes what is to be kept, all cosignatures since the last
 * time at once; called by broker_tend. Nothing while the broker is being refilled. */
enum err witness_tend(struct broker *broker, struct instant now) MUST_CHECK;
/* Takes a member's cosignature when it is right and for the present round. One for another round
 * came too late, and a second one says nothing new: both are passed over. One that does not fit its
 * text is refused, and told to the operator: that member may have been shown another log. */
enum err handle_cosign(struct dispatch_call *call) MUST_CHECK;
/* Fills what a Welcome or a Pong tells: nothing while there is no round, or none within the head
 * told beside it. `head_size` is the size of that. Views into the broker. */
enum err witness_tell(struct broker *broker, struct kv_txn *txn, uint64_t head_size,
                      struct message_witnessed *witnessed_out) MUST_CHECK;

#endif
