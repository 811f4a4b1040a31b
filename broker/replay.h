/* One loop statement of the log, replayed: what it did to its loop and what its receipt said. The
 * log was judged once; here nothing is refused, what does not fit is ERR_CORRUPT. */
#ifndef REFLOOP_BROKER_REPLAY_H
#define REFLOOP_BROKER_REPLAY_H

#include "broker/journal.h"

/* Loads the loop's track (a fresh one for its request), applies the statement and tells the
 * verdict. The track is the caller's to release; it must be zero before. */
enum err replay_step(struct kv_txn *txn, const struct statement *statement, const struct digest *id,
                     uint64_t index, int64_t log_time_ms, struct track *track,
                     struct journal_verdict *verdict_out) MUST_CHECK;

#endif
