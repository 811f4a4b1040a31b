/* Decides which verified jobs make a turn and what their senders are told afterwards; and takes the
 * administrator's root-signed statements, each in a turn of its own. It refuses to know how
 * statements are judged and committed (turn.c). */
#include <stdlib.h>
#include <string.h>

#include "broker/tell.h"
#include "broker/turn.h"

static void
items_of_job(const struct verify_job *job, struct turn_item *items)
{
    for (size_t i = 0; i < job->n; i++) {
        items[i].judged = (struct judge_case){.source = JUDGE_PEER,
                                              .peer = job->peer,
                                              .signer = &job->signer,
                                              .verified = &job->items[i]};
    }
}

/* What one turn judges, in the order of the queue. */
struct batch {
    struct verify_job *jobs[TURN_STATEMENTS_MAX];
    size_t n, statements, bytes;
};

static void
batch_free(struct batch **batch)
{
    for (size_t i = 0; *batch != NULL && i < (*batch)->n; i++) {
        verify_job_free((*batch)->jobs[i]);
    }
    free(*batch);
}

static size_t
count_of_peer(const struct batch *batch, const struct curve_public *peer)
{
    size_t n = 0;
    for (size_t i = 0; i < batch->n; i++) {
        bool same = memcmp(&batch->jobs[i]->peer, peer, sizeof(*peer)) == 0;
        n += same ? batch->jobs[i]->n : 0;
    }
    return n;
}

/* Takes the jobs that are done, within the bounds of a turn. Each peer has had one before any has a
 * second, so that the first who is out of its share is followed by nobody with less. */
static void
fill(struct verify_queue *queue, struct batch *batch)
{
    struct verify_job *job;
    while ((job = verify_queue_ready(queue)) != NULL) {
        bool fits = batch->statements + job->n <= TURN_STATEMENTS_MAX &&
                    batch->bytes + job->data.len <= TURN_BYTES_MAX &&
                    count_of_peer(batch, &job->peer) + job->n <= TURN_PEER_STATEMENTS;
        if (batch->n > 0 && !fits) {
            return;
        }
        batch->jobs[batch->n++] = verify_queue_pop(queue);
        batch->statements += job->n;
        batch->bytes += job->data.len;
    }
}

int64_t
broker_turn_wait_ms(const struct broker *broker, struct instant now)
{
    const struct verify_job *first = verify_queue_ready(&broker->queue);
    if (first == NULL) {
        return -1;
    }
    int64_t age_ms = now.boot_ms - first->done_boot_ms;
    /* With nothing else on its way there is nobody to wait for. */
    if (broker->queue.unverified == 0 || broker->queue.done >= (size_t)broker->gather_statements ||
        age_ms < 0 || age_ms >= broker->gather_ms) {
        return 0;
    }
    return broker->gather_ms - age_ms;
}

/* What the proofs of one answer are written to: large. */
struct answer_space {
    struct proof head;
    struct proof inclusions[LIMIT_ENVELOPES_PER_FRAME];
};

/* In the last head, which may be of a later turn than the entry: duplicates too. */
static enum err
prove_receipts(struct broker *broker, struct kv_txn *txn, struct session *session,
               struct message_receipts *receipts, struct answer_space *space)
{
    enum err err = ERR_OK;
    bool any = false;
    receipts->proved = (struct message_head){.present = false};
    if (!session->has_route) {
        return ERR_OK;
    }
    for (size_t i = 0; err == ERR_OK && i < receipts->n; i++) {
        struct receipt *receipt = &receipts->receipts[i];
        if (receipt->result != RECEIPT_REFUSED) {
            any = true;
            err = tell_inclusion(broker, txn, receipt->index, &space->inclusions[i],
                                 &receipt->inclusion);
        }
    }
    return err == ERR_OK && any ? tell_head(broker, txn, session, &space->head, &receipts->proved)
                                : err;
}

/* A revoked member hears that it is revoked, and nothing else. */
static enum err
answer(struct broker *broker, struct kv_txn *txn, const struct verify_job *job,
       const struct turn_item *items, struct answer_space *space)
{
    struct session *session = sessions_find(&broker->sessions, &job->peer);
    if (session == NULL) {
        return ERR_OK;
    }
    session->pending_jobs -= session->pending_jobs > 0 ? 1 : 0;
    if (items[0].result.spurned) {
        session_refuse(&broker->sessions, session, items[0].result.receipt.refusal, 0);
        return ERR_OK;
    }
    struct message_receipts *receipts = &broker->sessions.scratch.as.receipts;
    receipts->n = job->n;
    for (size_t i = 0; i < job->n; i++) {
        receipts->receipts[i] = items[i].result.receipt;
        session->stored.used += items[i].result.logged ? (int64_t)job->items[i].bytes.len : 0;
    }
    enum err err = prove_receipts(broker, txn, session, receipts, space);
    if (err == ERR_OK) {
        session_send_receipts(&broker->sessions, session);
    }
    return err;
}

static enum err
answer_all(struct broker *broker, const struct turn_item *items, const struct batch *batch)
{
    CLEANUP(kv_abort) struct kv_txn *txn = NULL;
    struct answer_space *space = malloc(sizeof(*space));
    size_t at = 0;
    enum err err = space == NULL ? ERR_MEMORY : kv_begin_read(broker->kv, &txn);
    for (size_t i = 0; err == ERR_OK && i < batch->n; i++) {
        err = answer(broker, txn, batch->jobs[i], items + at, space);
        at += batch->jobs[i]->n;
    }
    free(space);
    return err;
}

enum err
broker_turn(struct broker *broker, struct instant now)
{
    CLEANUP(batch_free) struct batch *batch = NULL;
    if (verify_queue_ready(&broker->queue) == NULL) {
        return ERR_OK;
    }
    batch = calloc(1, sizeof(*batch));
    if (batch == NULL) {
        return ERR_MEMORY;
    }
    fill(&broker->queue, batch);
    struct turn_item *items = calloc(batch->statements, sizeof(*items));
    if (items == NULL) {
        return ERR_MEMORY;
    }
    size_t at = 0;
    for (size_t i = 0; i < batch->n; i++) {
        items_of_job(batch->jobs[i], items + at);
        at += batch->jobs[i]->n;
    }
    enum err err = turn_run(broker, items, batch->statements, now);
    if (err == ERR_OK) {
        err = answer_all(broker, items, batch);
    }
    free(items);
    return err;
}

enum err
broker_submit_root(struct broker *broker, struct bytes envelope, struct instant now,
                   struct receipt *receipt_out)
{
    struct sign_public root;
    struct verified *verified = calloc(1, sizeof(*verified));
    struct turn_item *item = calloc(1, sizeof(*item));
    enum err err = verified == NULL || item == NULL ? ERR_MEMORY : ERR_OK;
    if (err == ERR_OK) {
        memcpy(root.bytes, broker->network.bytes, sizeof(root.bytes));
        verify_job_open(envelope, &broker->network, &root, NULL, verified);
        item->judged = (struct judge_case){.source = JUDGE_ROOT, .verified = verified};
        err = turn_run(broker, item, 1, now);
    }
    if (err == ERR_OK) {
        *receipt_out = item->result.receipt;
    }
    free(verified);
    free(item);
    return err;
}
