/* Reading the log as a stranger would: every entry is believed only for its signature, by the key
 * the directory gives its author at that place. Used at start, by the check and by the rebuild. */
#ifndef REFLOOP_BROKER_FOLD_H
#define REFLOOP_BROKER_FOLD_H

#include "broker/journal.h"

struct fold {
    struct kv_txn *txn;
    struct directory *directory; /* of the entries read so far; the caller's */
    struct verified_root memory;
    int64_t log_time_ms; /* of the last entry read */
};

/* One entry, verified. Views into the transaction. */
struct fold_entry {
    struct journal_entry entry;
    struct statement statement;
    struct digest id;
};

/* Reads and verifies entry `index`. ERR_CORRUPT with the reason in the complaint. */
enum err fold_read(struct fold *fold, uint64_t index, struct fold_entry *entry_out,
                   struct complaint *complaint) MUST_CHECK;
/* Lets the directory take the entry when it concerns it. */
enum err fold_apply(struct fold *fold, const struct fold_entry *entry,
                    struct complaint *complaint) MUST_CHECK;
/* A directory from the entries that TABLE_DIRECTORY names. */
enum err fold_directory(struct kv_txn *txn, const struct network_id *network,
                        struct directory **directory_out, struct complaint *complaint) MUST_CHECK;

#endif
