/* Decides nothing: drops the projections and the tree and makes them again from the log, in one
 * transaction, so that there is never a store without them. Each entry is verified on the way as
 * the check does it; and a log whose root is not the one that was signed is left as it is, since
 * nothing made from it could be proved to anybody. */
#include "broker/fold.h"
#include "broker/replay.h"
#include "broker/state.h"

enum { GROW_ATTEMPTS = 24 };

struct rebuild {
    struct fold fold;
    struct tree tree; /* over the entries read so far */
    struct checkpoint signed_head;
    struct complaint *complaint;
};

static enum err
clear(struct kv_txn *txn)
{
    static const enum table projections[] = {TABLE_IDS, TABLE_MAILBOX, TABLE_DIRECTORY, TABLE_LOOPS,
                                             TABLE_TREE};
    enum err err = ERR_OK;
    for (size_t i = 0; err == ERR_OK && i < ARRAY_LEN(projections); i++) {
        err = kv_clear(txn, projections[i]);
    }
    return err;
}

static enum err
add_leaf(struct rebuild *rebuild, const struct merkle_hash *leaf)
{
    enum err err = ledger_append(rebuild->fold.txn, &rebuild->tree, leaf);
    return err == ERR_OK ? ledger_compare(&rebuild->tree, &rebuild->signed_head, rebuild->complaint)
                         : err;
}

static enum err
project(struct rebuild *rebuild, uint64_t index)
{
    struct fold *fold = &rebuild->fold;
    struct complaint *complaint = rebuild->complaint;
    CLEANUP(track_done) struct track track = {0};
    struct fold_entry entry;
    struct journal_draft draft;
    struct journal_verdict verdict = {.result = RECEIPT_ACCEPTED};
    struct merkle_hash leaf;
    enum err err = fold_read(fold, index, &entry, complaint);
    if (err == ERR_OK) {
        err = fold_apply(fold, &entry, complaint);
    }
    if (err != ERR_OK) {
        return err;
    }
    merkle_leaf(entry.entry.row, &leaf);
    bool is_loop = entry.statement.kind == STATEMENT_LOOP;
    if (is_loop) {
        err = replay_step(fold->txn, &entry.statement, &entry.id, index, entry.entry.log_time_ms,
                          &track, &verdict);
    }
    if (err == ERR_OK) {
        err = journal_draft_init(fold->directory, &entry.statement, &entry.entry.envelope,
                                 &entry.id, index, entry.entry.log_time_ms, &draft);
        err = err_is_peer(err) ? ERR_CORRUPT : err;
    }
    if (err != ERR_OK) {
        return complain(complaint, err, "entry %llu of the log: %s", (unsigned long long)index,
                        err_text(err));
    }
    draft.verdict = verdict;
    err = journal_project(fold->txn, &draft, is_loop ? &track : NULL);
    return err == ERR_OK ? add_leaf(rebuild, &leaf) : err;
}

static enum err
project_all(struct rebuild *rebuild, const struct broker *broker)
{
    struct sign_public log_key;
    struct bytes note;
    struct kv_txn *txn = rebuild->fold.txn;
    uint64_t entries = broker->head.entries;
    sign_public_of(broker->log_secret, &log_key);
    enum err err =
        ledger_read_checkpoint(txn, &broker->network, &log_key, &rebuild->signed_head, &note);
    if (err != ERR_OK || rebuild->signed_head.size > entries ||
        (rebuild->signed_head.size < entries && !broker->recover.active)) {
        return complain(rebuild->complaint, err == ERR_OK ? ERR_CORRUPT : err,
                        "the store has no checkpoint signed for all of the log");
    }
    err = clear(txn);
    for (uint64_t i = 0; err == ERR_OK && i < entries; i++) {
        err = project(rebuild, i);
    }
    return err == ERR_OK ? ledger_flush(txn, &rebuild->tree) : err;
}

/* The rebuild's directory becomes the broker's. */
static void
settle(struct broker *broker, struct rebuild *rebuild, uint64_t loops)
{
    struct directory *before = broker->directory;
    broker->directory = rebuild->fold.directory;
    rebuild->fold.directory = before;
    broker->head.loops = loops;
    ledger_take(&broker->ledger, &rebuild->tree, bytes_of(NULL, 0));
    tree_cache_clear(broker->ledger.cache); /* it may have kept what was damaged */
    broker->consistency.size = 0;
}

static void
rebuild_done(struct rebuild *rebuild)
{
    kv_abort(&rebuild->fold.txn);
    directory_free(rebuild->fold.directory);
}

static enum err
try_rebuild(struct broker *broker, struct complaint *complaint)
{
    CLEANUP(rebuild_done) struct rebuild rebuild = {.complaint = complaint};
    enum err err = directory_new(&broker->network, &rebuild.fold.directory);
    if (err == ERR_OK) {
        err = kv_begin(broker->kv, &rebuild.fold.txn);
    }
    if (err == ERR_OK) {
        err = project_all(&rebuild, broker);
    }
    bool is_of_room = err == ERR_TOO_LARGE || err == ERR_DISK_FULL;
    if ((err != ERR_OK && !is_of_room) || rebuild.fold.txn == NULL) {
        return err;
    }
    uint64_t loops = err == ERR_OK ? kv_count(rebuild.fold.txn, TABLE_LOOPS) : 0;
    enum err committed = kv_commit(&rebuild.fold.txn);
    if (committed == ERR_OK) {
        settle(broker, &rebuild, loops);
    }
    return committed;
}

enum err
broker_rebuild(struct broker *broker, struct complaint *complaint)
{
    enum err err = ERR_TOO_LARGE;
    for (int i = 0; err == ERR_TOO_LARGE && i < GROW_ATTEMPTS; i++) {
        err = try_rebuild(broker, complaint);
    }
    return err == ERR_TOO_LARGE ? ERR_INTERNAL : err;
}
