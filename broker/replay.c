/* Decides what an entry of the log did to its loop when it was logged, by letting it happen again
 * to the loop as stored. Used by whoever makes projections from entries: the rebuild, and a broker
 * that is being refilled. It refuses to know where the entry came from. */
#include "broker/replay.h"

static enum err
load_track(struct kv_txn *txn, const struct statement *statement, struct track *track)
{
    const struct statement_loop *loop = &statement->as.loop;
    enum err err = journal_load_track(txn, &loop->loop, track);
    if (err == ERR_NOT_FOUND && loop->event == EVENT_REQUEST && loop->n_readers > 0) {
        track_init(track, &loop->loop, statement->author, loop->readers[0].org);
        return ERR_OK;
    }
    return err == ERR_NOT_FOUND ? ERR_CORRUPT : err;
}

enum err
replay_step(struct kv_txn *txn, const struct statement *statement, const struct digest *id,
            uint64_t index, int64_t log_time_ms, struct track *track,
            struct journal_verdict *verdict_out)
{
    struct track_verdict verdict;
    enum loop_role role;
    enum err err = load_track(txn, statement, track);
    if (err != ERR_OK) {
        return err;
    }
    if (!journal_find_role(track, statement->author, &role)) {
        return ERR_CORRUPT;
    }
    struct track_step step = journal_step(&statement->as.loop, id, role);
    err = track_apply(track, &step, index, log_time_ms, &verdict);
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
