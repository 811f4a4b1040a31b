/* Decides whether a SUBMIT may wait for its turn: the sender's share per minute, and the room there
 * is for waiting bytes. What it lets through becomes a verify job; what it does not is answered at
 * once, unverified, with a time to come back. While the log is
 * refilled members are heard for what may be missing in it (hole.h). It refuses to know what the
 * statements say. */
#include "broker/handle.h"

#include <string.h>

static enum err
refuse_all(struct dispatch_call *call, enum err code, uint32_t retry_ms)
{
    const struct message_submit *submit = &call->message->as.submit;
    struct message_receipts *receipts = &call->broker->sessions.scratch.as.receipts;
    receipts->n = submit->n;
    receipts->proved = (struct message_head){.present = false};
    for (size_t i = 0; i < submit->n; i++) {
        receipts->receipts[i] = (struct receipt){
            .id = verify_job_id(submit->envelopes[i]),
            .result = RECEIPT_REFUSED,
            .refusal = code,
            .retry_ms = retry_ms,
        };
        refusals_count(call->broker, call->session, code);
    }
    session_send_receipts(&call->broker->sessions, call->session);
    return ERR_OK;
}

/* By number in a minute, and by what is stored of it in a day: else one member could fill the disk
 * of all. */
static bool
is_within_share(struct dispatch_call *call, int64_t statements, uint32_t *retry_ms_out)
{
    const struct broker *broker = call->broker;
    struct session *session = call->session;
    const struct session_share by_number = {broker->statements_per_minute, SESSION_MINUTE_MS};
    const struct session_share by_size = {broker->bytes_per_day, SESSION_DAY_MS};
    int64_t boot_ms = call->now.boot_ms;
    return session_charge(&session->statements, by_number, statements, boot_ms, retry_ms_out) &&
           (by_size.limit == 0 ||
            session_charge(&session->stored, by_size, 0, boot_ms, retry_ms_out));
}

static bool
is_crowded(const struct broker *broker, const struct session *session)
{
    /* A few that send much leave room for who sends something now and then. */
    size_t room = session->pending_jobs == 0 ? 2 * STATE_PENDING_BYTES : STATE_PENDING_BYTES;
    return session->pending_jobs >= SESSION_PENDING_JOBS || broker->queue.bytes >= room;
}

/* The key of an invite that a newer one has replaced: its signing key is not kept, so that nothing
 * it signed could be checked. */
static bool
is_replaced(const struct dispatch_call *call)
{
    return call->who == WHO_SPENT &&
           memcmp(&call->member->once_curve, &call->session->key, sizeof(call->session->key)) != 0;
}

enum err
handle_submit(struct dispatch_call *call)
{
    struct broker *broker = call->broker;
    struct session *session = call->session;
    const struct message_submit *submit = &call->message->as.submit;
    uint32_t retry_ms = 0;
    if (submit->n == 0) {
        refusals_count(broker, session, ERR_MALFORMED);
        session_refuse(&broker->sessions, session, ERR_MALFORMED, 0);
        return ERR_OK;
    }
    if (!is_within_share(call, (int64_t)submit->n, &retry_ms)) {
        return refuse_all(call, ERR_QUOTA, retry_ms);
    }
    if (broker->recover.active && call->who != WHO_MEMBER) {
        return refuse_all(call, ERR_BUSY, STATE_BUSY_RETRY_MS);
    }
    if (is_replaced(call)) {
        return refuse_all(call, ERR_TOKEN_SPENT, 0);
    }
    if (is_crowded(broker, session)) {
        return refuse_all(call, ERR_BUSY, STATE_CROWDED_RETRY_MS);
    }
    struct verify_job *job = verify_job_new(submit);
    if (job == NULL) {
        return refuse_all(call, ERR_BUSY, STATE_CROWDED_RETRY_MS);
    }
    job->peer = session->key;
    job->network = broker->network;
    job->signer = call->who == WHO_MEMBER ? call->member->keys.sign : call->member->once_sign;
    job->memory = session->memory;
    if (verify_queue_push(&broker->queue, job) != ERR_OK) {
        verify_job_free(job);
        return refuse_all(call, ERR_BUSY, STATE_CROWDED_RETRY_MS);
    }
    session->pending_jobs++;
    return ERR_OK;
}
