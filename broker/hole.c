/* Decides which statements that members say again may stand in a hole of the log, and puts what was
 * found into its place. It refuses to know how they are guessed (hole_search.c), and appends
 * nothing itself: what is found is a proved copy like any other (recover_copies.c). */
#include "broker/hole.h"

#include <stdlib.h>
#include <string.h>

#include "broker/hole_search.h"
#include "broker/state.h"

enum {
    INDEX_BYTES = 8,
    HELD_LOOKED_AT = 4096, /* copies behind the hole: what is there is not in it */
    ROW_BYTES_MAX = 64 * 1024,
};

struct candidate {
    struct digest id, previous;
    uint64_t author;
    int64_t authored_ms;
    uint32_t place; /* in what its author signed at once */
    bool is_loop;
    struct buffer bytes;      /* the envelope */
    struct envelope envelope; /* a view of it */
    struct buffer row;        /* as in the log, without its time */
    bool is_elsewhere;        /* in the log, or held with its place */
    size_t piece;
};

/* What a search was begun for. */
struct occasion {
    uint64_t from, to;
    struct merkle_hash root;
    uint64_t arrivals;
};

struct hole {
    struct map *by_id;                                 /* → struct candidate */
    struct candidate *candidates[HOLE_CANDIDATES_MAX]; /* in order of author, then its own */
    size_t n, n_bytes;
    uint64_t arrivals;
    struct hole_search *search; /* NULL: none, or given up */
    struct occasion occasion;
    struct candidate *of_piece[HOLE_CANDIDATES_MAX];
};

/* --- what is remembered --- */

static void
candidate_free(struct candidate *candidate)
{
    if (candidate != NULL) {
        buffer_done(&candidate->bytes);
        buffer_done(&candidate->row);
        free(candidate);
    }
}

static void
candidate_freep(struct candidate **candidate)
{
    candidate_free(*candidate);
}

void
hole_free(struct hole *hole)
{
    if (hole == NULL) {
        return;
    }
    for (size_t i = 0; i < hole->n; i++) {
        candidate_free(hole->candidates[i]);
    }
    map_free(hole->by_id);
    hole_search_free(hole->search);
    free(hole);
}

size_t
hole_count(const struct broker *broker)
{
    return broker->recover.hole == NULL ? 0 : broker->recover.hole->n;
}

static enum err
begin(struct broker *broker)
{
    struct hole *hole = calloc(1, sizeof(*hole));
    if (hole == NULL) {
        return ERR_MEMORY;
    }
    hole->by_id = map_new(DIGEST_BYTES);
    if (hole->by_id == NULL) {
        hole_free(hole);
        return ERR_MEMORY;
    }
    broker->recover.hole = hole;
    return ERR_OK;
}

static bool
has_room(const struct hole *hole, uint64_t author, size_t len)
{
    size_t n = 0;
    size_t n_bytes = 0;
    for (size_t i = 0; i < hole->n; i++) {
        bool own = hole->candidates[i]->author == author;
        n += own ? 1 : 0;
        n_bytes += own ? hole->candidates[i]->bytes.len : 0;
    }
    return hole->n < HOLE_CANDIDATES_MAX && hole->n_bytes + len <= HOLE_BYTES_MAX &&
           n < HOLE_PER_MEMBER && n_bytes + len <= HOLE_BYTES_PER_MEMBER;
}

/* Two orders of one author: when it wrote them, and the one in which it signed them at once. */
static bool
comes_before(const struct candidate *a, const struct candidate *b)
{
    if (a->author != b->author) {
        return a->author < b->author;
    }
    if (a->authored_ms != b->authored_ms) {
        return a->authored_ms < b->authored_ms;
    }
    return a->place < b->place;
}

static enum err
add(struct hole *hole, struct candidate *candidate)
{
    enum err err = map_put(hole->by_id, candidate->id.bytes, candidate);
    if (err != ERR_OK) {
        return err;
    }
    size_t at = hole->n++;
    for (; at > 0 && comes_before(candidate, hole->candidates[at - 1]); at--) {
        hole->candidates[at] = hole->candidates[at - 1];
    }
    hole->candidates[at] = candidate;
    hole->n_bytes += candidate->bytes.len;
    hole->arrivals++;
    return ERR_OK;
}

static enum err
make(const struct verified *verified, uint64_t author, struct candidate **candidate_out)
{
    CLEANUP(candidate_freep) struct candidate *candidate = calloc(1, sizeof(*candidate));
    const struct statement *statement = &verified->opened.statement;
    if (candidate == NULL) {
        return ERR_MEMORY;
    }
    candidate->id = verified->id;
    candidate->author = author;
    candidate->authored_ms = statement->authored_ms;
    candidate->place = verified->opened.envelope.signature.index;
    candidate->is_loop = statement->kind == STATEMENT_LOOP;
    if (candidate->is_loop) {
        candidate->previous = statement->as.loop.previous;
    }
    candidate->bytes = BUFFER_INIT(LIMIT_ENVELOPE_BYTES);
    candidate->row = BUFFER_INIT(ROW_BYTES_MAX);
    buffer_put(&candidate->bytes, verified->bytes.data, verified->bytes.len);
    buffer_put_i64(&candidate->row, 0);
    envelope_leaf(&verified->opened.envelope, &candidate->row);
    enum err err = buffer_err(&candidate->bytes);
    if (err == ERR_OK) {
        err = buffer_err(&candidate->row);
    }
    if (err == ERR_OK) {
        err = envelope_decode(buffer_view(&candidate->bytes), &candidate->envelope);
    }
    if (err == ERR_OK) {
        *candidate_out = candidate;
        candidate = NULL;
    }
    return err_is_peer(err) ? ERR_INTERNAL : err; /* it was opened before */
}

enum err
hole_remember(struct broker *broker, const struct curve_public *peer,
              const struct verified *verified)
{
    bool once = false;
    struct candidate *candidate = NULL;
    const struct member *member = directory_find_curve(broker->directory, peer, &once);
    const struct statement *statement = &verified->opened.statement;
    if (verified->err != ERR_OK || member == NULL || once ||
        strcmp(statement->author, member->org) != 0 ||
        (statement->kind != STATEMENT_LOOP && statement->kind != STATEMENT_ROTATE)) {
        return ERR_OK;
    }
    enum err err = broker->recover.hole == NULL ? begin(broker) : ERR_OK;
    if (err != ERR_OK) {
        return err;
    }
    struct hole *hole = broker->recover.hole;
    if (map_find(hole->by_id, verified->id.bytes) != NULL ||
        !has_room(hole, member->handle, verified->bytes.len)) {
        return ERR_OK;
    }
    err = make(verified, member->handle, &candidate);
    if (err == ERR_OK) {
        err = add(hole, candidate);
        if (err != ERR_OK) {
            candidate_free(candidate);
        }
    }
    return err;
}

/* What is in the log makes room. */
static void
forget_logged(struct hole *hole, struct kv_txn *txn)
{
    size_t kept = 0;
    for (size_t i = 0; i < hole->n; i++) {
        struct candidate *candidate = hole->candidates[i];
        candidate->is_elsewhere = false;
        if (kv_has(txn, TABLE_IDS, bytes_of(candidate->id.bytes, DIGEST_BYTES))) {
            (void)map_remove(hole->by_id, candidate->id.bytes);
            hole->n_bytes -= candidate->bytes.len;
            candidate_free(candidate);
        } else {
            hole->candidates[kept++] = candidate;
        }
    }
    hole->n = kept;
}

/* --- what is missing --- */

/* The hole at the end of the log, if it is one that may be filled. The cursor stands behind the
 * first copy held. */
static enum err
find_hole(struct broker *broker, struct kv_cursor *cursor, struct hole_question *question,
          struct occasion *occasion, bool *found_out)
{
    const struct recover *recover = &broker->recover;
    struct recover_copy copy;
    struct bytes key;
    struct bytes row;
    uint64_t to = recover->goal;
    enum err err = kv_cursor_next(cursor, &key, &row);
    question->root = recover->goal_root;
    question->before_ms = INT64_MAX;
    if (err == ERR_OK) {
        err = recover_decode_held(row, &copy);
        if (err != ERR_OK) {
            return err;
        }
        to = kv_u64_of_key(key);
        question->root = copy.before;
        question->before_ms = copy.log_time_ms;
    } else if (err != ERR_NOT_FOUND) {
        return err;
    }
    *found_out = to > broker->head.entries && to - broker->head.entries <= HOLE_GAP_MAX;
    question->after_ms = broker->head.log_time_ms;
    question->n = *found_out ? (size_t)(to - broker->head.entries) : 0;
    *occasion = (struct occasion){.from = broker->head.entries,
                                  .to = to,
                                  .root = question->root,
                                  .arrivals = broker->recover.hole->arrivals};
    return ERR_OK;
}

static bool
is_same(const struct occasion *a, const struct occasion *b)
{
    return a->from == b->from && a->to == b->to && a->arrivals == b->arrivals &&
           memcmp(&a->root, &b->root, sizeof(a->root)) == 0;
}

/* --- what may stand there --- */

static enum err
mark_held(struct hole *hole, struct kv_txn *txn, uint64_t from)
{
    CLEANUP(kv_cursor_closep) struct kv_cursor *cursor = NULL;
    struct recover_copy copy;
    struct bytes key;
    struct bytes row;
    uint8_t first[INDEX_BYTES];
    enum err err = kv_cursor_open(txn, TABLE_COPIES, kv_key_u64(from, first), &cursor);
    for (size_t i = 0; err == ERR_OK && i < HELD_LOOKED_AT; i++) {
        err = kv_cursor_next(cursor, &key, &row);
        if (err == ERR_OK) {
            err = recover_decode_held(row, &copy);
        }
        if (err == ERR_OK) {
            struct digest id = statement_id(copy.envelope.statement);
            struct candidate *candidate = map_find(hole->by_id, id.bytes);
            if (candidate != NULL) {
                candidate->is_elsewhere = true;
            }
        }
    }
    return err == ERR_NOT_FOUND ? ERR_OK : err;
}

/* The next of its author's in its loop, as the log stands. */
static enum err
does_stand(struct kv_txn *txn, const struct candidate *candidate, bool *stands_out)
{
    CLEANUP(track_done) struct track track = {0};
    struct statement statement;
    enum loop_role role;
    if (!candidate->is_loop) {
        *stands_out = true;
        return ERR_OK;
    }
    enum err err = statement_decode(candidate->envelope.statement, &statement);
    if (err != ERR_OK) {
        return err_is_peer(err) ? ERR_INTERNAL : err;
    }
    const struct statement_loop *loop = &statement.as.loop;
    err = journal_load_track(txn, &loop->loop, &track);
    if (err != ERR_OK) {
        *stands_out = digest_is_zero(&loop->previous);
        return err == ERR_NOT_FOUND ? ERR_OK : err;
    }
    *stands_out = journal_find_role(&track, statement.author, &role) &&
                  loop->seq == track.side[role].last_seq + 1 &&
                  digest_equal(&loop->previous, &track.side[role].last_id);
    return ERR_OK;
}

static enum err
make_pieces(struct hole *hole, struct kv_txn *txn, struct hole_piece *pieces, size_t *n_out)
{
    size_t n = 0;
    enum err err = ERR_OK;
    for (size_t i = 0; err == ERR_OK && i < hole->n; i++) {
        struct candidate *candidate = hole->candidates[i];
        candidate->piece = HOLE_NONE;
        if (candidate->is_elsewhere) {
            continue;
        }
        candidate->piece = n;
        hole->of_piece[n] = candidate;
        pieces[n] = (struct hole_piece){.row = buffer_view(&candidate->row),
                                        .author = candidate->author,
                                        .authored_ms = candidate->authored_ms,
                                        .after = HOLE_NONE};
        err = does_stand(txn, candidate, &pieces[n].stands);
        n++;
    }
    for (size_t i = 0; err == ERR_OK && i < n; i++) {
        const struct candidate *previous = map_find(hole->by_id, hole->of_piece[i]->previous.bytes);
        if (previous != NULL) {
            pieces[i].after = previous->piece;
        }
    }
    *n_out = n;
    return err;
}

static enum err
begin_search(struct broker *broker, struct kv_txn *txn, const struct hole_question *question,
             const struct occasion *occasion)
{
    struct hole *hole = broker->recover.hole;
    hole_search_free(hole->search);
    hole->search = NULL;
    forget_logged(hole, txn);
    struct hole_piece *pieces = calloc(hole->n + 1, sizeof(*pieces));
    size_t n = 0;
    enum err err = pieces == NULL ? ERR_MEMORY : mark_held(hole, txn, occasion->to);
    if (err == ERR_OK) {
        err = make_pieces(hole, txn, pieces, &n);
    }
    if (err == ERR_OK && n > 0) {
        hole->search = hole_search_new(question, pieces, n);
        err = hole->search == NULL ? ERR_MEMORY : ERR_OK;
    }
    free(pieces);
    if (err == ERR_OK) {
        hole->occasion = *occasion;
    }
    return err;
}

/* The search for what is missing now: the one that is on, or a new one; NULL when nothing can be
 * done. */
static enum err
find_search(struct broker *broker)
{
    CLEANUP(kv_abort) struct kv_txn *txn = NULL;
    CLEANUP(kv_cursor_closep) struct kv_cursor *cursor = NULL;
    struct hole *hole = broker->recover.hole;
    struct hole_question question;
    struct occasion occasion;
    uint8_t from[INDEX_BYTES];
    bool found = false;
    enum err err = kv_begin_read(broker->kv, &txn);
    if (err == ERR_OK) {
        err = kv_cursor_open(txn, TABLE_COPIES, kv_key_u64(broker->head.entries, from), &cursor);
    }
    if (err == ERR_OK) {
        err = find_hole(broker, cursor, &question, &occasion, &found);
    }
    if (err != ERR_OK || is_same(&occasion, &hole->occasion)) {
        return err;
    }
    if (!found) {
        hole_search_free(hole->search);
        hole->search = NULL;
        return ERR_OK;
    }
    hole_edge_of(&broker->ledger.tree, &question.edge);
    return begin_search(broker, txn, &question, &occasion);
}

/* --- filling --- */

static enum err
take_found(struct broker *broker)
{
    struct hole *hole = broker->recover.hole;
    const struct hole_entry *found = hole_search_found(hole->search);
    size_t n = (size_t)(hole->occasion.to - hole->occasion.from);
    size_t kept = 0;
    struct recover_copy *copies = calloc(n, sizeof(*copies));
    if (copies == NULL) {
        return ERR_MEMORY;
    }
    for (size_t i = 0; i < n; i++) {
        copies[i] = (struct recover_copy){.index = hole->occasion.from + i,
                                          .log_time_ms = found[i].log_time_ms,
                                          .envelope = hole->of_piece[found[i].piece]->envelope,
                                          .leaf = found[i].leaf,
                                          .before = found[i].before};
    }
    logging_line(LOGGING_INFO, "recovery.hole-filled", "first=%llu last=%llu",
                 (unsigned long long)hole->occasion.from,
                 (unsigned long long)hole->occasion.to - 1);
    enum err err = recover_take(broker, copies, n, &kept);
    free(copies);
    return err == ERR_OK ? recover_append_held(broker) : err;
}

static void
end_search(struct hole *hole, enum hole_outcome outcome)
{
    hole_search_free(hole->search);
    hole->search = NULL;
    if (outcome == HOLE_FOUND) {
        hole->occasion = (struct occasion){.to = 0}; /* should it not have been kept: again */
    } else {
        logging_line(LOGGING_WARNING, "recovery.hole", "first=%llu last=%llu statements=%zu",
                     (unsigned long long)hole->occasion.from,
                     (unsigned long long)hole->occasion.to - 1, hole->n);
    }
}

enum err
hole_fill(struct broker *broker)
{
    struct hole *hole = broker->recover.hole;
    if (hole == NULL || hole->n == 0 || broker->read_only) {
        return ERR_OK;
    }
    enum err err = find_search(broker);
    if (err != ERR_OK || hole->search == NULL) {
        return err;
    }
    enum hole_outcome outcome = hole_search_run(hole->search, HOLE_WORK);
    if (outcome == HOLE_FOUND) {
        err = take_found(broker);
    }
    if (outcome != HOLE_LATER) {
        end_search(hole, outcome);
    }
    return err;
}
