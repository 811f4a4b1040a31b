/* Verify jobs: one SUBMIT frame each, waiting in order of arrival for its signatures to be checked
 * and then for its turn. */
#ifndef REFLOOP_BROKER_VERIFY_JOB_H
#define REFLOOP_BROKER_VERIFY_JOB_H

#include "broker/broker.h"

enum verify_stage { VERIFY_WAITING, VERIFY_TAKEN, VERIFY_DONE };

/* One envelope of a job. `opened` may be read only when err is ERR_OK; id is zero when not even the
 * outer form could be read. */
struct verified {
    struct bytes bytes;
    enum err err;
    struct digest id;
    struct opened_envelope opened;
};

struct verify_job {
    struct verify_job *next;
    enum verify_stage stage;
    struct curve_public peer;
    struct network_id network;
    struct sign_public signer;   /* the key this connection must sign with */
    struct verified_root memory; /* of the session: in with the job, back with it */
    int64_t done_boot_ms;
    struct buffer data; /* owned copies, one after the other */
    size_t n;
    struct verified items[];
};

/* Copies the envelopes. NULL when out of memory. */
struct verify_job *verify_job_new(const struct message_submit *submit);
void verify_job_free(struct verify_job *job);

/* What can be said of bytes without any key: the statement's id, zero when there is none. */
struct digest verify_job_id(struct bytes envelope);
/* Opens one envelope and holds it to its shape. */
void verify_job_open(struct bytes bytes, const struct network_id *network,
                     const struct sign_public *signer, struct verified_root *memory,
                     struct verified *verified_out);

/* In order of arrival. Owns every job in it, also those taken to another thread. */
struct verify_queue {
    struct verify_job *first;
    struct verify_job **last;   /* where the next one is hung */
    struct verify_job *waiting; /* first that nobody has taken */
    size_t bytes;
    size_t unverified; /* not done yet */
};

void verify_queue_init(struct verify_queue *queue);
void verify_queue_done(struct verify_queue *queue);
void verify_queue_push(struct verify_queue *queue, struct verify_job *job);
struct verify_job *verify_queue_take(struct verify_queue *queue);
/* Notes that a job taken before is done. */
void verify_queue_done_with(struct verify_queue *queue, struct verify_job *job);
/* The first job when it is done, NULL otherwise: a later one never passes an earlier one. */
struct verify_job *verify_queue_ready(const struct verify_queue *queue);
struct verify_job *verify_queue_pop(struct verify_queue *queue);

#endif
