/* Decides where true copies of lost entries go: into the log when they are the next, else into a
 * table until they are. Projections follow in the same transaction, the directory after it. An
 * entry is appended only to the log that it followed; one that followed another shows that this log
 * was grown on its own since the copy of the store was made. */
#include <stdlib.h>

#include "broker/dispatch.h"
#include "broker/recover.h"
#include "broker/replay.h"

enum {
    INDEX_BYTES = 8,
    GROW_ATTEMPTS = 24,
    APPEND_AT_ONCE = 4096, /* in one call: the others wait meanwhile */
    APPEND_IN_ONE = 512,   /* in one transaction */
    PROGRESS_EVERY = 1000,
    ROW_HEAD_BYTES = 8 + MERKLE_HASH_BYTES,
    ROW_BYTES_MAX = ROW_HEAD_BYTES + LIMIT_ENVELOPE_BYTES + 1024,
};

/* What is staged in one transaction. */
struct stage {
    struct broker *broker;
    struct kv_txn *txn;
    struct journal_head head;
    struct tree tree;
    size_t n_held, held_bytes, n_bare;
    struct statement directory_change; /* of the last entry appended, when has_change */
    bool has_change;
    bool forked;
    bool changed;  /* there is something to commit */
    size_t n_kept; /* of the copies that came, how many found their place */
};

/* --- into the store --- */

static enum err
encode_row(const struct recover_copy *copy, struct buffer *out)
{
    buffer_put_i64(out, copy->log_time_ms);
    buffer_put(out, copy->before.bytes, sizeof(copy->before.bytes));
    enum err err = envelope_encode(&copy->envelope, out);
    return err == ERR_OK ? buffer_err(out) : err;
}

enum err
recover_decode_held(struct bytes row, struct recover_copy *copy_out)
{
    struct reader reader = reader_of(row);
    copy_out->log_time_ms = reader_i64(&reader);
    reader_copy(&reader, copy_out->before.bytes, sizeof(copy_out->before.bytes));
    enum err err = reader.bad ? ERR_CORRUPT : envelope_decode(reader.rest, &copy_out->envelope);
    return err_is_peer(err) ? ERR_CORRUPT : err;
}

static enum err
delete_row(struct stage *stage, uint64_t index, size_t row_len)
{
    uint8_t key[INDEX_BYTES];
    stage->n_held--;
    stage->held_bytes -= row_len;
    stage->changed = true;
    return kv_delete(stage->txn, TABLE_COPIES, kv_key_u64(index, key));
}

/* The log has it, but perhaps came by it from somebody who no longer had its sealed part. */
static enum err
add_sealed(struct stage *stage, const struct recover_copy *copy)
{
    struct journal_entry entry;
    struct merkle_hash leaf;
    uint8_t key[INDEX_BYTES];
    if (copy->envelope.sealed.len == 0 || copy->index < stage->broker->recover.began_at ||
        kv_has(stage->txn, TABLE_SEALED, kv_key_u64(copy->index, key))) {
        return ERR_OK;
    }
    enum err err = journal_load(stage->txn, copy->index, &entry);
    if (err != ERR_OK) {
        return err == ERR_NOT_FOUND ? ERR_CORRUPT : err;
    }
    merkle_leaf(entry.row, &leaf);
    if (memcmp(&leaf, &copy->leaf, sizeof(leaf)) != 0) {
        return ERR_OK;
    }
    stage->n_bare -= stage->n_bare > 0 ? 1 : 0;
    stage->changed = true;
    return kv_put(stage->txn, TABLE_SEALED, bytes_of(key, sizeof(key)), copy->envelope.sealed);
}

/* What is held already is as true as what comes; only a sealed part makes it better. */
static enum err
is_better(const struct stage *stage, struct bytes key, const struct recover_copy *copy,
          bool *better_out, size_t *held_len_out)
{
    struct bytes row;
    struct recover_copy held;
    enum err err = kv_get(stage->txn, TABLE_COPIES, key, &row);
    *better_out = err == ERR_NOT_FOUND;
    *held_len_out = 0;
    if (err != ERR_OK) {
        return err == ERR_NOT_FOUND ? ERR_OK : err;
    }
    err = recover_decode_held(row, &held);
    if (err != ERR_OK) {
        return err;
    }
    *better_out = held.envelope.sealed.len == 0 && copy->envelope.sealed.len > 0;
    *held_len_out = row.len;
    return ERR_OK;
}

/* The next entry always has a place; what comes before its turn has one while there is room. */
static enum err
place(struct stage *stage, const struct recover_copy *copy, bool *placed_out)
{
    CLEANUP(buffer_done) struct buffer row = BUFFER_INIT(ROW_BYTES_MAX);
    uint8_t key[INDEX_BYTES];
    bool better = false;
    size_t held_len = 0;
    *placed_out = true;
    if (copy->index < stage->head.entries) {
        return add_sealed(stage, copy);
    }
    enum err err = is_better(stage, kv_key_u64(copy->index, key), copy, &better, &held_len);
    if (err == ERR_OK && better) {
        err = encode_row(copy, &row);
    }
    if (err != ERR_OK || !better) {
        return err;
    }
    bool room = stage->n_held < RECOVER_HELD_MAX &&
                stage->held_bytes + row.len - held_len <= RECOVER_HELD_BYTES;
    if (!room && copy->index != stage->head.entries) {
        *placed_out = false;
        return ERR_OK;
    }
    stage->n_held += held_len == 0 ? 1 : 0;
    stage->held_bytes += row.len - held_len;
    stage->changed = true;
    return kv_put(stage->txn, TABLE_COPIES, bytes_of(key, sizeof(key)), buffer_view(&row));
}

static enum err
place_all(struct stage *stage, const struct recover_copy *copies, size_t n)
{
    bool placed = true;
    enum err err = ERR_OK;
    for (size_t i = 0; err == ERR_OK && placed && i < n; i++) {
        err = place(stage, &copies[i], &placed);
        stage->n_kept += err == ERR_OK && placed ? 1 : 0;
    }
    return err;
}

/* --- into the log --- */

static bool
is_sealed(const struct statement *statement)
{
    return statement->kind == STATEMENT_LOOP && statement->as.loop.has_sealed;
}

enum err
recover_count_bare(struct broker *broker, struct kv_txn *txn)
{
    struct recover *recover = &broker->recover;
    enum err err = ERR_OK;
    for (uint64_t i = recover->began_at; err == ERR_OK && i < broker->head.entries; i++) {
        struct journal_entry entry;
        struct statement statement;
        uint8_t key[INDEX_BYTES];
        err = journal_load(txn, i, &entry);
        if (err == ERR_OK) {
            err = statement_decode(entry.envelope.statement, &statement);
        }
        if (err == ERR_OK && is_sealed(&statement) &&
            !kv_has(txn, TABLE_SEALED, kv_key_u64(i, key))) {
            recover->n_bare++;
        }
    }
    return err_is_peer(err) || err == ERR_NOT_FOUND ? ERR_CORRUPT : err;
}

/* Projections follow from the entry as in a rebuild. */
static enum err
append(struct stage *stage, const struct recover_copy *copy, const struct statement *statement)
{
    CLEANUP(track_done) struct track track = {0};
    struct journal_draft draft;
    struct journal_verdict verdict = {.result = RECEIPT_ACCEPTED};
    struct merkle_hash leaf;
    struct digest id = statement_id(copy->envelope.statement);
    uint64_t index = stage->head.entries;
    bool is_loop = statement->kind == STATEMENT_LOOP;
    enum err err = ERR_OK;
    if (is_loop) {
        bool is_new = !kv_has(stage->txn, TABLE_LOOPS, tables_loop_key(&statement->as.loop.loop));
        stage->head.loops += is_new ? 1 : 0;
        err = replay_step(stage->txn, statement, &id, index, copy->log_time_ms, &track, &verdict);
    }
    if (err == ERR_OK) {
        err = journal_draft_init(stage->broker->directory, statement, &copy->envelope, &id, index,
                                 copy->log_time_ms, &draft);
    }
    if (err == ERR_OK) {
        draft.verdict = verdict;
        err = journal_append(stage->txn, &draft, is_loop ? &track : NULL, &leaf);
    }
    if (err == ERR_OK) {
        err = ledger_append(stage->txn, &stage->tree, &leaf);
    }
    if (err == ERR_OK) {
        stage->n_bare += is_sealed(statement) && copy->envelope.sealed.len == 0 ? 1 : 0;
        stage->head.entries++;
        stage->head.log_time_ms = copy->log_time_ms;
    }
    return err;
}

/* False when the log that the copy followed is not ours. */
static bool
follows(const struct stage *stage, const struct recover_copy *copy)
{
    struct merkle_hash root;
    tree_root(&stage->tree, &root);
    return memcmp(&root, &copy->before, sizeof(root)) == 0;
}

/* *more_out tells whether there may be another one now. `space` keeps the row: views into the store
 * do not outlive a write. */
static enum err
append_next(struct stage *stage, struct buffer *space, bool *more_out)
{
    struct bytes row;
    struct recover_copy copy = {.index = stage->head.entries};
    struct statement statement;
    uint8_t key[INDEX_BYTES];
    *more_out = false;
    enum err err = kv_get(stage->txn, TABLE_COPIES, kv_key_u64(copy.index, key), &row);
    if (err != ERR_OK) {
        return err == ERR_NOT_FOUND ? ERR_OK : err;
    }
    buffer_clear(space);
    buffer_put(space, row.data, row.len);
    err = buffer_err(space);
    if (err == ERR_OK) {
        err = recover_decode_held(buffer_view(space), &copy);
    }
    if (err == ERR_OK) {
        err = delete_row(stage, copy.index, space->len);
    }
    if (err == ERR_OK && !follows(stage, &copy)) {
        stage->forked = true;
        return ERR_OK;
    }
    if (err == ERR_OK) {
        err = statement_decode(copy.envelope.statement, &statement);
    }
    if (err == ERR_OK) {
        err = append(stage, &copy, &statement);
    }
    if (err != ERR_OK) {
        return err_is_peer(err) && err != ERR_TOO_LARGE ? ERR_CORRUPT
                                                        : err; /* it was judged once */
    }
    stage->has_change = directory_concerns(statement.kind);
    if (stage->has_change) {
        stage->directory_change = statement;
    }
    *more_out = !stage->has_change;
    return ERR_OK;
}

static enum err
append_some(struct stage *stage)
{
    CLEANUP(buffer_done) struct buffer space = BUFFER_INIT(ROW_BYTES_MAX);
    uint64_t before = stage->head.entries;
    bool more = true;
    enum err err = ERR_OK;
    while (err == ERR_OK && more && stage->head.entries - before < APPEND_IN_ONE) {
        err = append_next(stage, &space, &more);
    }
    return err == ERR_OK && stage->head.entries > before ? ledger_flush(stage->txn, &stage->tree)
                                                         : err;
}

/* --- after the commit --- */

static enum err
apply_change(struct broker *broker, const struct stage *stage)
{
    const struct statement *statement = &stage->directory_change;
    const char *org =
        statement->kind == STATEMENT_REVOKE ? statement->as.revoke.org : statement->author;
    const struct member *member = directory_find(broker->directory, org);
    struct session *session =
        member == NULL ? NULL : sessions_find(&broker->sessions, &member->keys.curve);
    enum err err = directory_apply(broker->directory, statement, stage->head.entries - 1,
                                   stage->head.log_time_ms);
    if (err != ERR_OK) {
        return err_is_peer(err) ? ERR_CORRUPT : err;
    }
    member = directory_find(broker->directory, org);
    if (member != NULL && member->state == MEMBER_ACTIVE) {
        recover_helper_is_known(broker, &member->keys.curve);
    }
    if (session != NULL && member != NULL && member->state != MEMBER_ACTIVE) {
        session_drop_queue(&broker->sessions, session);
        session->fetch.waiting = false;
    }
    return ERR_OK;
}

static enum err
settle(struct broker *broker, const struct stage *stage)
{
    struct recover *recover = &broker->recover;
    uint64_t before = broker->head.entries;
    broker->head = stage->head;
    recover->n_held = stage->n_held;
    recover->held_bytes = stage->held_bytes;
    recover->n_bare = stage->n_bare;
    ledger_take(&broker->ledger, &stage->tree, bytes_of(NULL, 0));
    if (stage->forked) {
        recover_found_fork(broker, stage->head.entries);
    }
    if (before / PROGRESS_EVERY != stage->head.entries / PROGRESS_EVERY) {
        logging_line(LOGGING_INFO, "recovery.progress", "entries=%llu goal=%llu",
                     (unsigned long long)stage->head.entries, (unsigned long long)recover->goal);
    }
    return stage->has_change ? apply_change(broker, stage) : ERR_OK;
}

/* The goal may have been raised by the copies that are being taken. */
static enum err
stage_mark(struct stage *stage)
{
    const struct recover *recover = &stage->broker->recover;
    struct bytes mark;
    enum err err = kv_get(stage->txn, TABLE_META, bytes_of_text(RECOVER_MARK), &mark);
    if (err == ERR_OK &&
        (recover->goal == 0 || bytes_equal(mark, buffer_view(&recover->goal_note)))) {
        return ERR_OK;
    }
    if (err != ERR_OK && err != ERR_NOT_FOUND) {
        return err;
    }
    stage->changed = true;
    return recover_put_mark(stage->broker, stage->txn);
}

/* ERR_TOO_LARGE: the map has grown, do it again. */
static enum err
try_take(struct broker *broker, const struct recover_copy *copies, size_t n, size_t *kept_out)
{
    CLEANUP(kv_abort) struct kv_txn *txn = NULL;
    struct stage *stage = calloc(1, sizeof(*stage));
    enum err err = stage == NULL ? ERR_MEMORY : kv_begin(broker->kv, &txn);
    if (err == ERR_OK) {
        *stage = (struct stage){.broker = broker,
                                .txn = txn,
                                .head = broker->head,
                                .tree = broker->ledger.tree,
                                .n_held = broker->recover.n_held,
                                .held_bytes = broker->recover.held_bytes,
                                .n_bare = broker->recover.n_bare};
        err = stage_mark(stage);
    }
    if (err == ERR_OK) {
        err = place_all(stage, copies, n);
    }
    if (err == ERR_OK) {
        err = append_some(stage);
    }
    bool is_of_room = err == ERR_TOO_LARGE || err == ERR_DISK_FULL;
    if (is_of_room || (err == ERR_OK && stage->changed)) {
        enum err committed = txn == NULL ? err : kv_commit(&txn);
        err = committed == ERR_OK ? err : committed;
    }
    if (err == ERR_OK) {
        *kept_out = stage->n_kept;
        err = settle(broker, stage);
    }
    free(stage);
    return err;
}

enum err
recover_take(struct broker *broker, const struct recover_copy *copies, size_t n, size_t *kept_out)
{
    enum err err = ERR_TOO_LARGE;
    *kept_out = 0;
    if (broker->read_only) {
        return ERR_OK;
    }
    for (int i = 0; err == ERR_TOO_LARGE && i < GROW_ATTEMPTS; i++) {
        err = try_take(broker, copies, n, kept_out);
    }
    if (err == ERR_DISK_FULL) {
        broker->read_only = true;
        return ERR_OK;
    }
    if (err != ERR_OK) {
        logging_line(LOGGING_ERROR, "recovery.failed", "entries=%llu reason=%s",
                     (unsigned long long)broker->head.entries, err_name(err));
    }
    return err == ERR_TOO_LARGE ? ERR_INTERNAL : err;
}

static enum err
has_next(const struct broker *broker, bool *has_out)
{
    CLEANUP(kv_abort) struct kv_txn *txn = NULL;
    uint8_t key[INDEX_BYTES];
    *has_out = false;
    if (broker->recover.n_held == 0) {
        return ERR_OK;
    }
    enum err err = kv_begin_read(broker->kv, &txn);
    if (err == ERR_OK) {
        *has_out = kv_has(txn, TABLE_COPIES, kv_key_u64(broker->head.entries, key));
    }
    return err;
}

enum err
recover_append_held(struct broker *broker)
{
    uint64_t before = broker->head.entries;
    bool more = true;
    size_t unused;
    enum err err = ERR_OK;
    while (err == ERR_OK && more && !broker->read_only &&
           broker->head.entries - before < APPEND_AT_ONCE) {
        err = has_next(broker, &more);
        if (err == ERR_OK && more) {
            err = recover_take(broker, NULL, 0, &unused);
        }
    }
    return err;
}
