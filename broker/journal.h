/* The journal: entries appended to the log inside the turn's transaction, with the rows that say
 * where they are found again. */
#ifndef REFLOOP_BROKER_JOURNAL_H
#define REFLOOP_BROKER_JOURNAL_H

#include "broker/tables.h"
#include "lib/loop/track.h"
#include "lib/trust/directory.h"
#include "lib/wire/message.h"

/* What is in the log so far. */
struct journal_head {
    uint64_t entries;
    int64_t log_time_ms; /* of the last entry */
    uint64_t loops;
};

/* What a member is to an entry in its mailbox. Stored: never reused. */
enum journal_part { JOURNAL_AUTHOR = 1, JOURNAL_READER = 2 };

/* What became of a statement: the durable part of its receipt. */
struct journal_verdict {
    enum receipt_result result; /* accepted or superseded */
    enum loop_state state;
    struct digest superseded_by;
};

/* An entry about to be appended. members[0] is the author, the others read; none for entries that
 * concern everybody. */
struct journal_draft {
    uint64_t index;
    int64_t log_time_ms;
    struct digest id;
    struct envelope envelope;
    struct journal_verdict verdict;
    size_t n_members;
    uint64_t members[1 + LIMIT_READERS];
};

/* An entry as read back: views into the transaction. */
struct journal_entry {
    uint64_t index;
    int64_t log_time_ms;
    struct bytes row; /* as stored: what the tree's leaf is the hash of */
    struct bytes leaf;
    struct envelope envelope; /* sealed is empty until journal_load_sealed */
};

/* Fills all of the draft but the verdict. ERR_UNKNOWN_MEMBER when the author or a reader of a loop
 * statement is not in the directory. */
enum err journal_draft_init(const struct directory *directory, const struct statement *statement,
                            const struct envelope *envelope, const struct digest *id,
                            uint64_t index, int64_t log_time_ms,
                            struct journal_draft *draft_out) MUST_CHECK;

/* Appends to log and sealed, and writes every row of the projections; `track` is the loop's after
 * this entry, NULL for other kinds. *leaf_out is the hash of exactly the bytes of the log's row, to
 * be appended to the tree in the same transaction. */
enum err journal_append(struct kv_txn *txn, const struct journal_draft *draft,
                        const struct track *track, struct merkle_hash *leaf_out) MUST_CHECK;
/* Only the projections (for a rebuild). */
enum err journal_project(struct kv_txn *txn, const struct journal_draft *draft,
                         const struct track *track) MUST_CHECK;

/* Hands every row of the projections to `row`, the loop's track left out: the one definition of
 * what they hold. */
typedef enum err (*journal_row)(void *context, enum table table, struct bytes key,
                                struct bytes value);
enum err journal_rows(const struct journal_draft *draft, journal_row row, void *context) MUST_CHECK;

/* ERR_NOT_FOUND, ERR_CORRUPT. */
enum err
journal_load(struct kv_txn *txn, uint64_t index, struct journal_entry *entry_out) MUST_CHECK;
/* Adds the sealed part; it stays empty when there is none or it was erased. */
enum err journal_load_sealed(struct kv_txn *txn, struct journal_entry *entry) MUST_CHECK;
/* The receipt a statement was given (unsigned), ERR_NOT_FOUND when it is not in the log. */
enum err journal_find_receipt(struct kv_txn *txn, const struct digest *id,
                              struct receipt *receipt_out) MUST_CHECK;
/* Reads the head from the store. */
enum err journal_read_head(struct kv_txn *txn, struct journal_head *head_out) MUST_CHECK;
/* The log time of the next entry: rises always, follows the wall clock when that does. */
int64_t journal_next_time(const struct journal_head *head, int64_t wall_ms);

/* ERR_NOT_FOUND when there is no such loop. */
enum err journal_load_track(struct kv_txn *txn, const struct loop_id *loop,
                            struct track *track_out) MUST_CHECK;
/* False when the organization is neither side of the loop. */
bool journal_find_role(const struct track *track, const char *org, enum loop_role *role_out);
struct track_step
journal_step(const struct statement_loop *loop, const struct digest *id, enum loop_role role);

#endif
