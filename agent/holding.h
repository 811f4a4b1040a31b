/* Our copies of logged statements of loops, sealed part and all, as they are needed for evidence
 * and to refill a broker that was restored. */
#ifndef REFLOOP_AGENT_HOLDING_H
#define REFLOOP_AGENT_HOLDING_H

#include "agent/state.h"

/* `envelope` is encoded. */
enum err holding_put(struct unit *unit, const struct loop_id *loop, uint64_t index,
                     int64_t log_time_ms, struct bytes envelope) MUST_CHECK;
bool holding_has(struct kv_txn *txn, uint64_t index);
/* The first copy at `from` or above. ERR_NOT_FOUND. */
enum err holding_next(struct kv_txn *txn, uint64_t from, uint64_t *index_out,
                      struct loop_id *loop_out, int64_t *log_time_ms_out) MUST_CHECK;
/* Whether the loop has a copy of this statement at another index. */
enum err holding_find_twin(struct kv_txn *txn, const struct loop_id *loop, const struct digest *id,
                           uint64_t index, bool *found_out) MUST_CHECK;
/* Whether this statement stands among the key events already: reads all of them. */
enum err
holding_find_key_event(struct kv_txn *txn, const struct digest *id, bool *found_out) MUST_CHECK;

#endif
