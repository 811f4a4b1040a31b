/* Decides whether the projections and the tree are what the log says. The log is folded afresh in
 * memory; every row it calls for must be there, byte for byte, and there must be no other; and the
 * root over its leaves must be the one that was signed. Reads only, and stops at the first
 * difference. */
#include <stdlib.h>
#include <string.h>

#include "broker/fold.h"
#include "broker/state.h"

struct check {
    struct fold fold;
    struct map *tracks; /* loop id → struct track, owned */
    struct tree tree;   /* over the entries read so far */
    struct checkpoint signed_head;
    size_t rows[TABLE_COUNT]; /* called for so far */
    struct complaint *complaint;
};

static void
check_done(struct check *check)
{
    size_t cursor = 0;
    const void *key;
    void *value;
    while (check->tracks != NULL && map_next(check->tracks, &cursor, &key, &value)) {
        track_done(value);
        free(value);
    }
    map_free(check->tracks);
    directory_free(check->fold.directory);
}

static enum err
compare_row(void *context, enum table table, struct bytes key, struct bytes expected)
{
    struct check *check = context;
    struct bytes value;
    enum err err = kv_get(check->fold.txn, table, key, &value);
    check->rows[table]++;
    if (err == ERR_NOT_FOUND || err == ERR_CORRUPT) {
        return complain(check->complaint, ERR_CORRUPT, "table %s: a row is %s", tables_names[table],
                        err == ERR_CORRUPT ? "damaged" : "missing");
    }
    if (err == ERR_OK && !bytes_equal(value, expected)) {
        return complain(check->complaint, ERR_CORRUPT, "table %s: a row is not what the log says",
                        tables_names[table]);
    }
    return err;
}

static enum err
compare_tile(void *context, unsigned row, uint64_t column, const struct merkle_hash *hashes,
             size_t n)
{
    uint8_t key[TREE_KEY_BYTES];
    return compare_row(context, TABLE_TREE, tables_tree_key(row, column, key),
                       bytes_of(hashes, n * sizeof(*hashes)));
}

static enum err
check_leaf(struct check *check, struct bytes row)
{
    struct merkle_hash leaf;
    merkle_leaf(row, &leaf);
    enum err err = tree_append(&check->tree, &leaf, compare_tile, check);
    return err == ERR_OK ? ledger_compare(&check->tree, &check->signed_head, check->complaint)
                         : err;
}

static enum err
read_signed(struct check *check, const struct broker *broker)
{
    struct sign_public log_key;
    struct bytes note;
    sign_public_of(broker->log_secret, &log_key);
    enum err err = ledger_read_checkpoint(check->fold.txn, &broker->network, &log_key,
                                          &check->signed_head, &note);
    if (err == ERR_OK && !bytes_equal(note, broker_checkpoint(broker))) {
        err = ERR_CORRUPT;
    }
    return err == ERR_OK ? ERR_OK
                         : complain(check->complaint, err,
                                    "the stored checkpoint is not the one that was signed last");
}

/* All entries are read: the unfinished tiles, and what memory holds of them. */
static enum err
check_ledger(struct check *check, const struct broker *broker)
{
    struct merkle_hash root;
    struct merkle_hash live;
    enum err err = tree_flush(&check->tree, compare_tile, check);
    if (err != ERR_OK) {
        return err;
    }
    tree_root(&check->tree, &root);
    tree_root(&broker->ledger.tree, &live);
    if (broker->ledger.tree.size != check->tree.size || memcmp(&root, &live, sizeof(root)) != 0) {
        return complain(check->complaint, ERR_CORRUPT,
                        "the tree in memory is not what the log says");
    }
    return check->signed_head.size == check->tree.size || broker->recover.active
               ? ERR_OK
               : complain(check->complaint, ERR_CORRUPT,
                          "the last checkpoint is not of the whole log");
}

static enum err
get_track(struct check *check, const struct statement *statement, struct track **track_out)
{
    const struct statement_loop *loop = &statement->as.loop;
    struct track *track = map_find(check->tracks, loop->loop.bytes);
    if (track == NULL && loop->event == EVENT_REQUEST && loop->n_readers > 0) {
        track = calloc(1, sizeof(*track));
        if (track == NULL) {
            return ERR_MEMORY;
        }
        track_init(track, &loop->loop, statement->author, loop->readers[0].org);
        if (map_put(check->tracks, loop->loop.bytes, track) != ERR_OK) {
            free(track);
            return ERR_MEMORY;
        }
    }
    *track_out = track;
    return track != NULL ? ERR_OK : ERR_UNKNOWN_LOOP;
}

/* Takes the entry's step; also what its receipt must have said. */
static enum err
step_track(struct check *check, const struct fold_entry *entry, struct journal_verdict *verdict_out)
{
    const struct statement_loop *loop = &entry->statement.as.loop;
    struct track *track;
    struct track_verdict verdict;
    enum loop_role role;
    enum err err = get_track(check, &entry->statement, &track);
    if (err != ERR_OK) {
        return err;
    }
    if (!journal_find_role(track, entry->statement.author, &role)) {
        return ERR_NOT_PERMITTED;
    }
    struct track_step step = journal_step(loop, &entry->id, role);
    err = track_apply(track, &step, entry->entry.index, entry->entry.log_time_ms, &verdict);
    if (err == ERR_OK) {
        *verdict_out = (struct journal_verdict){
            .result = verdict.superseded ? RECEIPT_SUPERSEDED : RECEIPT_ACCEPTED,
            .state = verdict.position.state,
            .superseded_by = verdict.superseded_by,
        };
    }
    return err;
}

static enum err
check_entry(struct check *check, uint64_t index)
{
    struct fold_entry entry;
    struct journal_draft draft;
    struct journal_verdict verdict = {.result = RECEIPT_ACCEPTED};
    enum err err = fold_read(&check->fold, index, &entry, check->complaint);
    if (err == ERR_OK) {
        err = check_leaf(check, entry.entry.row);
    }
    if (err == ERR_OK) {
        err = fold_apply(&check->fold, &entry, check->complaint);
    }
    if (err != ERR_OK) {
        return err;
    }
    if (entry.statement.kind == STATEMENT_LOOP) {
        err = step_track(check, &entry, &verdict);
    }
    if (err == ERR_OK) {
        err = journal_draft_init(check->fold.directory, &entry.statement, &entry.entry.envelope,
                                 &entry.id, index, entry.entry.log_time_ms, &draft);
    }
    if (err_is_peer(err)) {
        return complain(check->complaint, ERR_CORRUPT, "entry %llu of the log: %s",
                        (unsigned long long)index, err_text(err));
    }
    if (err != ERR_OK) {
        return err;
    }
    draft.verdict = verdict;
    return journal_rows(&draft, compare_row, check);
}

static enum err
check_loops(struct check *check)
{
    size_t cursor = 0;
    const void *key;
    void *value;
    enum err err = ERR_OK;
    while (err == ERR_OK && map_next(check->tracks, &cursor, &key, &value)) {
        CLEANUP(buffer_done) struct buffer expected = BUFFER_INIT(LIMIT_UNPACK_BYTES);
        const struct track *track = value;
        err = track_check(track);
        track_encode(track, &expected);
        if (err == ERR_OK) {
            err = buffer_err(&expected);
        }
        if (err == ERR_OK) {
            err = compare_row(check, TABLE_LOOPS, tables_loop_key(&track->loop),
                              buffer_view(&expected));
        }
    }
    return err;
}

static enum err
check_counts(const struct check *check)
{
    static const enum table projections[] = {TABLE_IDS, TABLE_MAILBOX, TABLE_DIRECTORY, TABLE_LOOPS,
                                             TABLE_TREE};
    for (size_t i = 0; i < ARRAY_LEN(projections); i++) {
        enum table table = projections[i];
        size_t rows = kv_count(check->fold.txn, table);
        if (rows != check->rows[table]) {
            return complain(check->complaint, ERR_CORRUPT, "table %s: %zu rows, the log says %zu",
                            tables_names[table], rows, check->rows[table]);
        }
    }
    return ERR_OK;
}

/* The directory in memory is a projection too. */
static enum err
check_directory(const struct check *check, const struct directory *live)
{
    size_t n = directory_count(live);
    bool same = n == directory_count(check->fold.directory);
    for (size_t i = 0; same && i < n; i++) {
        const struct member *a = directory_at(live, i);
        const struct member *b = directory_at(check->fold.directory, i);
        same = strcmp(a->org, b->org) == 0 && a->state == b->state && a->handle == b->handle &&
               a->since_index == b->since_index && a->invite_spent == b->invite_spent &&
               memcmp(&a->keys, &b->keys, sizeof(a->keys)) == 0;
    }
    return same ? ERR_OK
                : complain(check->complaint, ERR_CORRUPT,
                           "the directory in memory is not what the log says");
}

enum err
broker_check_store(struct broker *broker, struct complaint *complaint)
{
    CLEANUP(kv_abort) struct kv_txn *txn = NULL;
    CLEANUP(check_done) struct check check = {.complaint = complaint};
    struct journal_head head = {.entries = 0};
    enum err err = kv_begin_read(broker->kv, &txn);
    check.fold.txn = txn;
    check.tracks = map_new(LOOP_ID_BYTES);
    if (err == ERR_OK && check.tracks == NULL) {
        err = ERR_MEMORY;
    }
    if (err == ERR_OK) {
        err = directory_new(&broker->network, &check.fold.directory);
    }
    if (err == ERR_OK) {
        err = journal_read_head(txn, &head);
    }
    if (err == ERR_OK) {
        err = read_signed(&check, broker);
    }
    if (err == ERR_OK && head.entries != broker->head.entries) {
        err = complain(complaint, ERR_CORRUPT, "the log has %llu entries and should have %llu",
                       (unsigned long long)head.entries, (unsigned long long)broker->head.entries);
    }
    for (uint64_t i = 0; err == ERR_OK && i < broker->head.entries; i++) {
        err = check_entry(&check, i);
    }
    if (err == ERR_OK) {
        err = check_ledger(&check, broker);
    }
    if (err == ERR_OK) {
        err = check_loops(&check);
    }
    if (err == ERR_OK) {
        err = check_counts(&check);
    }
    return err == ERR_OK ? check_directory(&check, broker->directory) : err;
}
