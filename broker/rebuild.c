/* Decides nothing: drops the projections and folds them again from the log, in one transaction, so
 * that there is never a store without them. Each entry is verified on the way as the check does it.
 */
#include "broker/fold.h"
#include "broker/state.h"

enum { GROW_ATTEMPTS = 24 };

static enum err
clear(struct kv_txn *txn)
{
    static const enum table projections[] = {TABLE_IDS, TABLE_MAILBOX, TABLE_DIRECTORY,
                                             TABLE_LOOPS};
    enum err err = ERR_OK;
    for (size_t i = 0; err == ERR_OK && i < ARRAY_LEN(projections); i++) {
        err = kv_clear(txn, projections[i]);
    }
    return err;
}

static enum err
step(struct kv_txn *txn, const struct fold_entry *entry, struct track *track,
     struct journal_verdict *verdict_out)
{
    const struct statement *statement = &entry->statement;
    const struct statement_loop *loop = &statement->as.loop;
    struct track_verdict verdict;
    enum loop_role role;
    enum err err = journal_load_track(txn, &loop->loop, track);
    if (err == ERR_NOT_FOUND && loop->event == EVENT_REQUEST && loop->n_readers > 0) {
        track_init(track, &loop->loop, statement->author, loop->readers[0].org);
        err = ERR_OK;
    }
    if (err != ERR_OK) {
        return err == ERR_NOT_FOUND ? ERR_CORRUPT : err;
    }
    if (!journal_find_role(track, statement->author, &role)) {
        return ERR_CORRUPT;
    }
    struct track_step track_step = journal_step(loop, &entry->id, role);
    err = track_apply(track, &track_step, entry->entry.index, entry->entry.log_time_ms, &verdict);
    if (err != ERR_OK) {
        return err_is_peer(err) ? ERR_CORRUPT : err;
    }
    *verdict_out = (struct journal_verdict){
        .result = verdict.superseded ? RECEIPT_SUPERSEDED : RECEIPT_ACCEPTED,
        .state = verdict.position.state,
        .superseded_by = verdict.superseded_by,
    };
    return ERR_OK;
}

static enum err
project(struct fold *fold, uint64_t index, struct complaint *complaint)
{
    CLEANUP(track_done) struct track track = {0};
    struct fold_entry entry;
    struct journal_draft draft;
    struct journal_verdict verdict = {.result = RECEIPT_ACCEPTED};
    enum err err = fold_read(fold, index, &entry, complaint);
    if (err == ERR_OK) {
        err = fold_apply(fold, &entry, complaint);
    }
    if (err != ERR_OK) {
        return err;
    }
    bool is_loop = entry.statement.kind == STATEMENT_LOOP;
    if (is_loop) {
        err = step(fold->txn, &entry, &track, &verdict);
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
    return journal_project(fold->txn, &draft, is_loop ? &track : NULL);
}

static enum err
project_all(struct broker *broker, struct kv_txn *txn, struct directory *directory,
            struct complaint *complaint)
{
    struct fold fold = {.txn = txn, .directory = directory};
    enum err err = clear(txn);
    for (uint64_t i = 0; err == ERR_OK && i < broker->head.entries; i++) {
        err = project(&fold, i, complaint);
    }
    return err;
}

static enum err
try_rebuild(struct broker *broker, struct complaint *complaint)
{
    CLEANUP(kv_abort) struct kv_txn *txn = NULL;
    CLEANUP(directory_freep) struct directory *directory = NULL;
    enum err err = directory_new(&broker->network, &directory);
    if (err == ERR_OK) {
        err = kv_begin(broker->kv, &txn);
    }
    if (err == ERR_OK) {
        err = project_all(broker, txn, directory, complaint);
    }
    bool is_of_room = err == ERR_TOO_LARGE || err == ERR_DISK_FULL;
    if (err != ERR_OK && !is_of_room) {
        return err;
    }
    uint64_t loops = err == ERR_OK ? kv_count(txn, TABLE_LOOPS) : 0;
    enum err committed = kv_commit(&txn);
    if (committed != ERR_OK) {
        return committed;
    }
    struct directory *before = broker->directory;
    broker->directory = directory;
    broker->head.loops = loops;
    directory = before;
    return ERR_OK;
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
