/* Decides when statements become durable: judged and staged in one transaction, committed, and only
 * then counted, applied to memory, signed for and delivered. Whatever fails before the commit has
 * left no trace, here or on disk. It refuses to know the rules (judge.c) and the network. */
#include "broker/turn.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "broker/handle.h"
#include "broker/hole.h"

enum { GROW_ATTEMPTS = 24 }; /* doublings of the map from a mebibyte to its largest */

/* Items in one transaction. */
struct span {
    struct turn_item *items;
    size_t n;
};

static enum err
judge_span(struct judge_stage *stage, struct span span)
{
    enum err err = ERR_OK;
    for (size_t i = 0; err == ERR_OK && i < span.n; i++) {
        err = judge_statement(stage, &span.items[i].judged, &span.items[i].result);
    }
    return err;
}

/* The session of the member whose keys or state the statement changes; NULL when it has none. */
static struct session *
session_concerned(const struct broker *broker, const char *org)
{
    const struct member *member = directory_find(broker->directory, org);
    return member == NULL ? NULL : sessions_find(&broker->sessions, &member->keys.curve);
}

/* What is open follows what is logged: nothing more leaves for a revoked member, not even what was
 * queued, and new keys come without a new share. */
static void
follow_directory(struct broker *broker, const char *org, struct session *session,
                 struct instant now)
{
    const struct member *member = directory_find(broker->directory, org);
    uint32_t retry_ms = 0;
    if (session == NULL || member == NULL) {
        return;
    }
    if (member->state != MEMBER_ACTIVE) {
        session_drop_queue(&broker->sessions, session);
        session->fetch.waiting = false;
        return;
    }
    (void)session_charge(&session->rotations, session_rotations, 1, now.boot_ms, &retry_ms);
    session_follow(&broker->sessions, session, &member->keys.curve);
}

static enum err
apply_directory(struct broker *broker, const struct turn_item *item, struct instant now)
{
    const struct statement *statement = &item->judged.verified->opened.statement;
    const struct receipt *receipt = &item->result.receipt;
    if (!item->result.logged || !directory_concerns(statement->kind)) {
        return ERR_OK;
    }
    const char *org =
        statement->kind == STATEMENT_REVOKE ? statement->as.revoke.org : statement->author;
    struct session *session = session_concerned(broker, org);
    enum err err =
        directory_apply(broker->directory, statement, receipt->index, receipt->log_time_ms);
    if (err != ERR_OK) {
        return err_is_peer(err) ? ERR_INTERNAL : err; /* it was judged before the commit */
    }
    follow_directory(broker, org, session, now);
    return ERR_OK;
}

/* The commit has happened: memory follows. */
static enum err
settle(struct broker *broker, const struct judge_stage *stage, struct bytes note, struct span span)
{
    enum err err = ERR_OK;
    broker->head = stage->head;
    ledger_take(&broker->ledger, &stage->tree, note);
    broker->unmeasured_bytes += stage->staged_bytes;
    if (broker->unmeasured_bytes >= STATE_MEASURE_BYTES) {
        broker->unmeasured_bytes = 0;
        broker->fill_percent = kv_fill_percent(broker->kv);
    }
    for (size_t i = 0; err == ERR_OK && i < span.n; i++) {
        err = apply_directory(broker, &span.items[i], stage->now);
    }
    return err;
}

/* ERR_TOO_LARGE: the map has grown, do it again. */
static enum err
try_span(struct broker *broker, struct span span, struct instant now)
{
    CLEANUP(kv_abort) struct kv_txn *txn = NULL;
    CLEANUP(buffer_done) struct buffer note = BUFFER_INIT(LIMIT_CHECKPOINT_BYTES);
    enum err err = broker->read_only ? kv_begin_read(broker->kv, &txn) : kv_begin(broker->kv, &txn);
    if (err != ERR_OK) {
        return err;
    }
    struct judge_stage stage = {
        .broker = broker,
        .txn = txn,
        .now = now,
        .head = broker->head,
        .read_only = broker->read_only,
        .tree = broker->ledger.tree,
    };
    err = judge_span(&stage, span);
    if (err == ERR_OK && stage.head.entries == broker->head.entries) {
        return ERR_OK; /* nothing new: nothing to commit */
    }
    if (err == ERR_OK) {
        err = ledger_seal(txn, &stage.tree, &broker->network, broker->log_secret, &note);
    }
    bool is_of_room = err == ERR_TOO_LARGE || err == ERR_DISK_FULL;
    if (err != ERR_OK && !is_of_room) {
        return err;
    }
    enum err committed = kv_commit(&txn); /* also after a failed put: it makes the room */
    if (committed != ERR_OK) {
        return committed;
    }
    return err == ERR_OK ? settle(broker, &stage, buffer_view(&note), span) : ERR_INTERNAL;
}

static enum err
run_span(struct broker *broker, struct span span, struct instant now)
{
    enum err err = ERR_TOO_LARGE;
    for (int i = 0; err == ERR_TOO_LARGE && i < GROW_ATTEMPTS; i++) {
        err = try_span(broker, span, now);
    }
    if (err == ERR_DISK_FULL) {
        /* Nothing of it happened. Judged again by a store that takes nothing: what is logged
         * already still gets its receipt. */
        broker->read_only = true;
        err = try_span(broker, span, now);
    }
    return err == ERR_TOO_LARGE ? ERR_INTERNAL : err;
}

/* The items up to the next one that changes the directory, or that one alone. */
static size_t
span_length(const struct turn_item *items, size_t n)
{
    size_t length = 0;
    while (length < n && !judge_is_alone(items[length].judged.verified)) {
        length++;
    }
    return length > 0 ? length : 1;
}

static void
count(struct broker *broker, const struct turn_item *item)
{
    const struct judge_result *result = &item->result;
    const struct judge_case *judged = &item->judged;
    struct state_counters *counters = &broker->counters;
    switch (result->receipt.result) {
    case RECEIPT_ACCEPTED:
        *(result->duplicate ? &counters->duplicates : &counters->accepted) += 1;
        break;
    case RECEIPT_SUPERSEDED:
        *(result->duplicate ? &counters->duplicates : &counters->superseded) += 1;
        break;
    case RECEIPT_REFUSED:
        refusals_count(
            broker,
            judged->source == JUDGE_PEER ? sessions_find(&broker->sessions, &judged->peer) : NULL,
            result->receipt.refusal);
        break;
    default:
        break;
    }
}

static enum err
wake_everybody(struct broker *broker, struct kv_txn *txn, struct instant now)
{
    size_t cursor = 0;
    struct session *session;
    enum err err = ERR_OK;
    while (err == ERR_OK && sessions_next(&broker->sessions, &cursor, &session)) {
        err = handle_fetch_wake(broker, txn, session, now);
    }
    return err;
}

static enum err
wake_members(struct broker *broker, struct kv_txn *txn, const struct judge_result *result,
             struct instant now)
{
    enum err err = ERR_OK;
    for (size_t i = 0; err == ERR_OK && i < result->n_members; i++) {
        const struct member *member = directory_find_handle(broker->directory, result->members[i]);
        struct session *session =
            member == NULL ? NULL : sessions_find(&broker->sessions, &member->keys.curve);
        if (session != NULL) {
            err = handle_fetch_wake(broker, txn, session, now);
        }
    }
    return err;
}

static enum err
wake(struct broker *broker, const struct turn_item *items, size_t n, struct instant now)
{
    CLEANUP(kv_abort) struct kv_txn *txn = NULL;
    enum err err = kv_begin_read(broker->kv, &txn);
    for (size_t i = 0; err == ERR_OK && i < n; i++) {
        const struct judge_result *result = &items[i].result;
        if (result->logged) {
            err = result->n_members == 0 ? wake_everybody(broker, txn, now)
                                         : wake_members(broker, txn, result, now);
        }
    }
    return err;
}

/* One signature for all receipts of the turn. */
static enum err
sign_receipts(struct broker *broker, struct turn_item **logged, size_t n)
{
    CLEANUP(buffer_done) struct buffer text = BUFFER_INIT(n * RECEIPT_BYTES_MAX);
    struct bytes *leaves = calloc(n, sizeof(*leaves));
    size_t *ends = calloc(n, sizeof(*ends));
    struct turn_signature *signatures = calloc(n, sizeof(*signatures));
    enum err err = leaves == NULL || ends == NULL || signatures == NULL ? ERR_MEMORY : ERR_OK;
    for (size_t i = 0; err == ERR_OK && i < n; i++) {
        receipt_signed_bytes(&logged[i]->result.receipt, &text);
        ends[i] = text.len;
        err = buffer_err(&text);
    }
    for (size_t i = 0; err == ERR_OK && i < n; i++) {
        size_t start = i == 0 ? 0 : ends[i - 1];
        leaves[i] = bytes_of(text.data + start, ends[i] - start);
    }
    if (err == ERR_OK) {
        err = turn_sign(SIGN_RECEIPTS, &broker->network, leaves, n, broker->log_secret, signatures);
    }
    for (size_t i = 0; err == ERR_OK && i < n; i++) {
        logged[i]->result.receipt.signature = signatures[i];
    }
    free(leaves);
    free(ends);
    free(signatures);
    return err;
}

static enum err
sign(struct broker *broker, struct turn_item *items, size_t n)
{
    struct turn_item **logged = calloc(n, sizeof(struct turn_item *));
    size_t n_logged = 0;
    if (logged == NULL) {
        return ERR_MEMORY;
    }
    for (size_t i = 0; i < n; i++) {
        if (items[i].result.receipt.result != RECEIPT_REFUSED) {
            logged[n_logged++] = &items[i];
        }
    }
    enum err err = n_logged == 0 ? ERR_OK : sign_receipts(broker, logged, n_logged);
    free(logged);
    return err;
}

/* Not even what is logged already gets its receipt: its place may not be the one it had. But
 * it may be what is missing. */
static enum err
refuse_all(struct broker *broker, struct turn_item *items, size_t n)
{
    enum err err = ERR_OK;
    for (size_t i = 0; err == ERR_OK && i < n; i++) {
        const struct judge_case *judged = &items[i].judged;
        items[i].result = (struct judge_result){.receipt = {.id = items[i].judged.verified->id,
                                                            .result = RECEIPT_REFUSED,
                                                            .refusal = ERR_BUSY,
                                                            .retry_ms = STATE_BUSY_RETRY_MS}};
        count(broker, &items[i]);
        if (judged->source == JUDGE_PEER) {
            err = hole_remember(broker, &judged->peer, judged->verified);
        }
    }
    return err;
}

enum err
turn_run(struct broker *broker, struct turn_item *items, size_t n, struct instant now)
{
    assert(n > 0 && n <= LIMIT_TURN_STATEMENTS);
    enum err err = ERR_OK;
    if (broker->recover.active) {
        return refuse_all(broker, items, n);
    }
    for (size_t at = 0; err == ERR_OK && at < n;) {
        struct span span = {items + at, span_length(items + at, n - at)};
        err = run_span(broker, span, now);
        at += span.n;
    }
    if (err != ERR_OK) {
        return err;
    }
    for (size_t i = 0; i < n; i++) {
        count(broker, &items[i]);
    }
    err = sign(broker, items, n);
    return err == ERR_OK ? wake(broker, items, n, now) : err;
}
