/* Decides whether the bytes of a SUBMIT are statements signed by the key of their connection. Pure,
 * so it may run in any thread: a job owns copies of all it reads and writes only into itself. It
 * refuses to know whether the author may say it: that is judged later, in the turn, against what is
 * true then. */
#include "broker/verify_job.h"

#include <stdlib.h>

#include "lib/wire/sealed.h"

struct verify_job *
verify_job_new(const struct message_submit *submit)
{
    size_t size = sizeof(struct verify_job) + submit->n * sizeof(struct verified);
    struct verify_job *job = calloc(1, size);
    if (job == NULL) {
        return NULL;
    }
    job->n = submit->n;
    job->data = BUFFER_INIT(LIMIT_FRAME_BYTES);
    for (size_t i = 0; i < submit->n; i++) {
        buffer_put(&job->data, submit->envelopes[i].data, submit->envelopes[i].len);
    }
    if (buffer_err(&job->data) != ERR_OK) {
        verify_job_free(job);
        return NULL;
    }
    size_t at = 0;
    for (size_t i = 0; i < submit->n; i++) {
        size_t len = submit->envelopes[i].len;
        job->items[i].bytes = len == 0 ? bytes_of(NULL, 0) : bytes_of(job->data.data + at, len);
        at += len;
    }
    return job;
}

void
verify_job_free(struct verify_job *job)
{
    if (job != NULL) {
        buffer_done(&job->data);
        free(job);
    }
}

struct digest
verify_job_id(struct bytes envelope)
{
    struct envelope outer;
    if (envelope_decode(envelope, &outer) != ERR_OK) {
        return (struct digest){{0}};
    }
    return statement_id(outer.statement);
}

/* The sealed part belongs to loop statements that say they have one, and to nothing else. */
static enum err
check_shape(const struct opened_envelope *opened)
{
    const struct statement *statement = &opened->statement;
    bool wants_sealed = statement->kind == STATEMENT_LOOP && statement->as.loop.has_sealed;
    if (!wants_sealed) {
        return opened->envelope.sealed.len == 0 ? ERR_OK : ERR_MALFORMED;
    }
    return sealed_check_shape(statement, opened->envelope.sealed);
}

void
verify_job_open(struct bytes bytes, const struct network_id *network,
                const struct sign_public *signer, struct verified_root *memory,
                struct verified *verified_out)
{
    *verified_out = (struct verified){.bytes = bytes};
    verified_out->err = envelope_open(bytes, network, signer, false, memory, &verified_out->opened);
    if (verified_out->err == ERR_OK) {
        verified_out->id = verified_out->opened.id;
        verified_out->err = check_shape(&verified_out->opened);
    } else {
        verified_out->id = verify_job_id(bytes);
    }
}

void
verify_job_run(struct verify_job *job)
{
    for (size_t i = 0; i < job->n; i++) {
        struct bytes bytes = job->items[i].bytes;
        verify_job_open(bytes, &job->network, &job->signer, &job->memory, &job->items[i]);
    }
}
