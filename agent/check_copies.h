/* Part of agent_check_store. */
#ifndef REFLOOP_AGENT_CHECK_COPIES_H
#define REFLOOP_AGENT_CHECK_COPIES_H

#include "agent/state.h"

/* Every copy of an entry has its place in the order of the log and a proof that proves it, and
 * there are no places and proofs of anything else. ERR_CORRUPT with the first difference. */
enum err
check_copies(const struct agent *agent, struct kv_txn *txn, struct complaint *complaint) MUST_CHECK;

#endif
