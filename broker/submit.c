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

/* The jobs from the head of the queue that are done, and how many statements they hold, within the
 * bounds of a turn. */
static size_t
count_ready(const struct broker *broker, size_t *statements_out)
{
    size_t jobs = 0;
    size_t statements = 0;
    size_t bytes = 0;
    const struct verify_job *job = broker->queue.first;
    while (job != NULL && job->stage == VERIFY_DONE) {
        bool fits =
            statements + job->n <= TURN_STATEMENTS_MAX && bytes + job->data.len <= TURN_BYTES_MAX;
        if (jobs > 0 && !fits) {
            break;
        }
        jobs++;
        statements += job->n;
        bytes += job->data.len;
        job = job->next;
    }
    *statements_out = statements;
    return jobs;
}

int64_t
broker_turn_wait_ms(const struct broker *broker, struct instant now)
{
    size_t statements;
    const struct verify_job *first = verify_queue_ready(&broker->queue);
    if (first == NULL) {
        return -1;
    }
    (void)count_ready(broker, &statements);
    int64_t age_ms = now.boot_ms - first->done_boot_ms;
    /* With nothing else on its way there is nobody to wait for. */
    if (broker->queue.unverified == 0 || statements >= (size_t)broker->gather_statements ||
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

/* Answers and lets go of the jobs of the turn. */
static enum err
answer_all(struct broker *broker, const struct turn_item *items, size_t jobs)
{
    CLEANUP(kv_abort) struct kv_txn *txn = NULL;
    struct answer_space *space = malloc(sizeof(*space));
    size_t at = 0;
    enum err err = space == NULL ? ERR_MEMORY : kv_begin_read(broker->kv, &txn);
    for (size_t i = 0; err == ERR_OK && i < jobs; i++) {
        struct verify_job *job = verify_queue_pop(&broker->queue);
        err = answer(broker, txn, job, items + at, space);
        at += job->n;
        verify_job_free(job);
    }
    free(space);
    return err;
}

enum err
broker_turn(struct broker *broker, struct instant now)
{
    size_t n;
    size_t jobs = count_ready(broker, &n);
    if (jobs == 0) {
        return ERR_OK;
    }
    struct turn_item *items = calloc(n, sizeof(*items));
    if (items == NULL) {
        return ERR_MEMORY;
    }
    size_t at = 0;
    struct verify_job *job = broker->queue.first;
    for (size_t i = 0; i < jobs; i++, job = job->next) {
        items_of_job(job, items + at);
        at += job->n;
    }
    enum err err = turn_run(broker, items, n, now);
    if (err == ERR_OK) {
        err = answer_all(broker, items, jobs);
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
