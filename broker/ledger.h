/* The log as a tree: what the broker signs and proves. Appends and tiles go into the turn's
 * transaction; a checkpoint is signed once per commit and stored with the entries it covers, so no
 * crash can make the broker sign two heads of one size. */
#ifndef REFLOOP_BROKER_LEDGER_H
#define REFLOOP_BROKER_LEDGER_H

#include "broker/tables.h"
#include "lib/proof/checkpoint.h"
#include "lib/wire/message.h"

/* What is committed. Copy the tree to stage a transaction. */
struct ledger {
    struct tree tree;
    struct tree_cache *cache; /* owned */
    uint8_t
        checkpoint[LIMIT_CHECKPOINT_BYTES]; /* last note signed; none while checkpoint_len is 0 */
    size_t checkpoint_len;
};

/* Reads the edge of the tree and the last checkpoint: a logarithmic number of rows. ERR_CORRUPT
 * when tree, checkpoint and log do not belong together: the checkpoint must be of all entries, in a
 * store that is being refilled (recover.h) of as many or fewer. */
enum err ledger_load(struct kv_txn *txn, uint64_t entries, const struct network_id *network,
                     const struct sign_public *log_key, struct ledger *ledger_out,
                     struct complaint *complaint) MUST_CHECK;
void ledger_done(struct ledger *ledger);

enum err
ledger_append(struct kv_txn *txn, struct tree *staged, const struct merkle_hash *leaf) MUST_CHECK;
/* Writes the edge, signs the staged head and stores the note, which is appended to `note_out` (at
 * most LIMIT_CHECKPOINT_BYTES). ERR_CORRUPT when the store has a checkpoint of this size or a
 * larger one: no two heads of one size are ever signed. */
enum err ledger_seal(struct kv_txn *txn, struct tree *staged, const struct network_id *network,
                     const struct sign_secret *log_secret, struct buffer *note_out) MUST_CHECK;

/* Writes the edge and signs nothing: for entries that come back while the broker may not sign. */
enum err ledger_flush(struct kv_txn *txn, struct tree *staged) MUST_CHECK;
/* The commit has happened: memory follows. An empty `note` leaves the last one. */
void ledger_take(struct ledger *ledger, const struct tree *staged, struct bytes note);
/* The checkpoint in the store, its signature checked; `note_out` is a view into the transaction.
 * ERR_CORRUPT when there is none, or not one of this log. */
enum err ledger_read_checkpoint(struct kv_txn *txn, const struct network_id *network,
                                const struct sign_public *log_key,
                                struct checkpoint *checkpoint_out,
                                struct bytes *note_out) MUST_CHECK;

/* A tree that grows up to what was signed: ERR_CORRUPT when it has reached that size with another
 * root. */
enum err ledger_compare(const struct tree *tree, const struct checkpoint *signed_head,
                        struct complaint *complaint) MUST_CHECK;

/* Proofs, in a read transaction. */
struct tree_reader ledger_reader(struct kv_txn *txn, struct tree_cache *cache);

#endif
