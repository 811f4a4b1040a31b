/* Decides how a broker changes what it has signed: it rewrites its log, grows a new tree over it,
 * folds everything that follows from it afresh, and waits with a new head until the log is longer
 * than the one its members know. Nothing in its store tells of the old one afterwards. */
#include <stdlib.h>
#include <string.h>

#include "broker/witness.h"
#include "tests/support/liar.h"
#include "tests/support/liar_forge.h"

enum { TIME_BYTES = 8, NOWHERE = -1 };

/* One row of the log, its time left where it stands. */
struct line {
    struct buffer row, sealed;
    struct statement statement;
};

struct history {
    struct kv_txn *txn;
    size_t n;
    struct line *lines;
};

static void
history_done(struct history *history)
{
    for (size_t i = 0; history->lines != NULL && i < history->n; i++) {
        buffer_done(&history->lines[i].row);
        buffer_done(&history->lines[i].sealed);
    }
    free(history->lines);
    kv_abort(&history->txn);
}

static enum err
read_line(struct kv_txn *txn, uint64_t index, struct line *line)
{
    struct journal_entry entry;
    enum err err = journal_load(txn, index, &entry);
    if (err == ERR_OK) {
        err = journal_load_sealed(txn, &entry);
    }
    if (err == ERR_OK) {
        err = statement_decode(entry.envelope.statement, &line->statement);
    }
    if (err != ERR_OK) {
        return err;
    }
    line->row = BUFFER_INIT(LIMIT_FRAME_BYTES);
    line->sealed = BUFFER_INIT(LIMIT_FRAME_BYTES);
    buffer_put(&line->row, entry.row.data, entry.row.len);
    buffer_put(&line->sealed, entry.envelope.sealed.data, entry.envelope.sealed.len);
    return ERR_OK;
}

static enum err
read_all(struct broker *broker, struct history *history)
{
    size_t n = (size_t)broker->head.entries;
    enum err err = kv_begin(broker->kv, &history->txn);
    history->lines = calloc(n, sizeof(*history->lines));
    if (err == ERR_OK && history->lines == NULL) {
        err = ERR_MEMORY;
    }
    for (; err == ERR_OK && history->n < n; history->n++) {
        err = read_line(history->txn, history->n, &history->lines[history->n]);
        if (err != ERR_OK) {
            break;
        }
    }
    return err;
}

static bool
is_step(const struct line *line)
{
    return line->statement.kind == STATEMENT_LOOP;
}

/* The newest place where nobody's chain is broken by it. */
static long
find_pair(const struct history *history)
{
    for (size_t i = history->n - 1; i > 0; i--) {
        const struct line *first = &history->lines[i - 1];
        const struct line *second = &history->lines[i];
        if (is_step(first) && is_step(second) &&
            memcmp(&first->statement.as.loop.loop, &second->statement.as.loop.loop,
                   LOOP_ID_BYTES) != 0) {
            return (long)i - 1;
        }
    }
    return NOWHERE;
}

static bool
reorder(struct history *history)
{
    uint8_t time[TIME_BYTES];
    long place = find_pair(history);
    if (place == NOWHERE) {
        return false;
    }
    struct line *first = &history->lines[place];
    struct line *second = &history->lines[place + 1];
    struct line swapped = *first;
    memcpy(time, first->row.data, TIME_BYTES);
    memcpy(first->row.data, second->row.data, TIME_BYTES);
    memcpy(second->row.data, time, TIME_BYTES);
    *first = *second;
    *second = swapped;
    return true;
}

static bool
drop(struct history *history)
{
    struct line *last = &history->lines[history->n - 1];
    if (!is_step(last)) {
        return false;
    }
    buffer_done(&last->row);
    buffer_done(&last->sealed);
    history->n--;
    return true;
}

static bool
alter(struct history *history)
{
    CLEANUP(buffer_done) struct buffer words = BUFFER_INIT(LIMIT_STATEMENT_BYTES);
    struct envelope envelope;
    struct line *last = &history->lines[history->n - 1];
    struct bytes leaf = bytes_of(last->row.data + TIME_BYTES, last->row.len - TIME_BYTES);
    struct buffer row = BUFFER_INIT(LIMIT_FRAME_BYTES);
    if (envelope_from_leaf(leaf, &envelope) != ERR_OK ||
        forge_other_words(&envelope, &words, &envelope) != ERR_OK) {
        return false;
    }
    buffer_put(&row, last->row.data, TIME_BYTES);
    envelope_leaf(&envelope, &row);
    buffer_done(&last->row);
    last->row = row;
    return true;
}

static enum err
write_line(struct history *history, size_t place, struct tree *tree)
{
    const struct line *line = &history->lines[place];
    struct bytes row = buffer_view(&line->row);
    struct merkle_hash leaf;
    uint8_t key[8];
    enum err err = kv_put(history->txn, TABLE_LOG, kv_key_u64(place, key), row);
    if (err == ERR_OK && line->sealed.len > 0) {
        err = kv_put(history->txn, TABLE_SEALED, bytes_of(key, sizeof(key)),
                     buffer_view(&line->sealed));
    }
    merkle_leaf(row, &leaf);
    return err == ERR_OK ? ledger_append(history->txn, tree, &leaf) : err;
}

static enum err
write_all(struct broker *broker, struct history *history, struct tree *tree)
{
    CLEANUP(buffer_done) struct buffer note = BUFFER_INIT(LIMIT_CHECKPOINT_BYTES);
    struct merkle_hash root;
    struct kv_txn *txn = history->txn;
    enum err err = kv_clear(txn, TABLE_LOG);
    if (err == ERR_OK) {
        err = kv_clear(txn, TABLE_SEALED);
    }
    if (err == ERR_OK) {
        err = kv_clear(txn, TABLE_TREE);
    }
    for (size_t i = 0; err == ERR_OK && i < history->n; i++) {
        err = write_line(history, i, tree);
    }
    if (err == ERR_OK) {
        err = ledger_flush(txn, tree);
    }
    tree_root(tree, &root);
    if (err == ERR_OK) {
        err = checkpoint_sign(&broker->network, tree->size, &root, broker->log_secret, &note);
    }
    if (err == ERR_OK) {
        err = kv_put(txn, TABLE_META, bytes_of_text(META_CHECKPOINT), buffer_view(&note));
    }
    if (err == ERR_OK) {
        err = kv_delete(txn, TABLE_META, bytes_of_text(META_WITNESSED));
    }
    return err == ERR_OK ? kv_commit(&history->txn) : err;
}

/* In memory the old note stays the last one until there is a longer log to be signed. */
static enum err
forget(struct broker *broker, const struct tree *tree, bool is_sound)
{
    struct complaint complaint = {.text = ""};
    broker->ledger.tree = *tree;
    broker->head.entries = tree->size;
    tree_cache_clear(broker->ledger.cache);
    broker->consistency.size = broker->witness_consistency.size = 0;
    buffer_done(&broker->witnessed);
    broker->witnessed_size = 0;
    broker->n_cosignatures = broker->n_cosignatures_kept = 0;
    broker->has_unkept = false;
    enum err err = is_sound ? broker_rebuild(broker, &complaint) : ERR_OK;
    if (err != ERR_OK) {
        logging_line(LOGGING_ERROR, "liar.rebuild", "reason=%s", complaint.text);
    }
    return err;
}

static enum err
rewrite(struct broker *broker)
{
    CLEANUP(history_done) struct history history = {.n = 0};
    static struct tree tree;
    enum err err = read_all(broker, &history);
    if (err != ERR_OK) {
        return err;
    }
    size_t before = history.n;
    bool done = liar.lie == LIE_REORDER        ? reorder(&history)
                : liar.lie == LIE_DROP_HISTORY ? drop(&history)
                                               : alter(&history);
    if (!done) {
        return ERR_NOT_FOUND; /* there will be more to choose from */
    }
    err = write_all(broker, &history, &tree);
    history.n = before; /* what was dropped is released already, and released again as nothing */
    if (err == ERR_OK) {
        err = forget(broker, &tree, liar.lie != LIE_ALTER_HISTORY);
    }
    if (err == ERR_OK) {
        liar_told();
    }
    return err;
}

void __real_broker_tend(struct broker *broker, struct instant now);
void __wrap_broker_tend(struct broker *broker, struct instant now);

void
__wrap_broker_tend(struct broker *broker, struct instant now)
{
    bool rewrites =
        liar_tells(LIE_REORDER) || liar_tells(LIE_DROP_HISTORY) || liar_tells(LIE_ALTER_HISTORY);
    if (rewrites && !liar.told) {
        enum err err = rewrite(broker);
        if (err != ERR_OK && err != ERR_NOT_FOUND) {
            logging_line(LOGGING_ERROR, "liar.failed", "reason=%s", err_name(err));
        }
    }
    __real_broker_tend(broker, now);
}
