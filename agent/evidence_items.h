/* Private to agent/evidence*.c: the entries that prove one loop. */
#ifndef REFLOOP_AGENT_EVIDENCE_ITEMS_H
#define REFLOOP_AGENT_EVIDENCE_ITEMS_H

#include "agent/state.h"

enum { EVIDENCE_WITNESSES_MAX = 6 }; /* whose keys go along: a file stays small */

struct evidence_item {
    uint64_t index;
    bool of_loop; /* in TABLE_LOG; else in TABLE_DIRECTORY */
};
/* In order of the log: the genesis, the key entries of both organizations and of witnesses, the
 * loop's statements. None: the loop is not in the log yet. */
struct evidence_items {
    struct evidence_item *item; /* owned */
    size_t n, capacity;
    uint64_t last; /* index of the loop's newest */
};
void evidence_items_done(struct evidence_items *items);
/* Key entries below `limit` (0: the loop's statements alone), those of witnesses when the note that
 * others have cosigned is of the size `witnessed`. Starts afresh. ERR_UNKNOWN_LOOP. */
enum err evidence_collect(const struct agent *agent, struct kv_txn *txn, const struct loop_id *loop,
                          uint64_t limit, uint64_t witnessed,
                          struct evidence_items *items_out) MUST_CHECK;
/* Smallest and largest checkpoint the items are proved in; ERR_NOT_FOUND when one is not. */
enum err evidence_sizes(struct kv_txn *txn, const struct evidence_items *items,
                        uint64_t *smallest_out, uint64_t *largest_out) MUST_CHECK;
/* A record of TABLE_LOG or TABLE_DIRECTORY. Views. */
enum err evidence_decode_record(struct bytes record, int64_t *log_time_ms_out,
                                struct envelope *envelope_out) MUST_CHECK;

#endif
