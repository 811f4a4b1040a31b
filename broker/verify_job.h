/* Verify jobs: one SUBMIT frame each, waiting for its signatures to be checked and then for its
 * turn. */
#ifndef REFLOOP_BROKER_VERIFY_JOB_H
#define REFLOOP_BROKER_VERIFY_JOB_H

#include "broker/broker.h"
#include "lib/base/map.h"

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

/* Jobs waiting, being checked and done. Each peer has a lane of its own, in order of arrival; the
 * lanes are served in turn, so that who says much waits for itself and not before others. Owns
 * every job in it, also those taken to another thread. */
enum {
    VERIFY_AHEAD_STATEMENTS = 128, /* taken and not done: what a newcomer waits for at most */
    /* Of a peer that has so many with the threads no further job is taken, so that one frame full
     * of statements keeps one thread and not all. */
    VERIFY_AHEAD_OF_PEER = 32,
};

struct verify_lane;

struct verify_lanes {
    struct verify_lane *first, **last;
};

struct verify_queue {
    struct map *lanes; /* by peer */
    struct verify_lanes todo, ready;
    size_t bytes;
    size_t unverified; /* jobs not done yet */
    size_t ahead;      /* statements taken and not done */
    size_t done;       /* statements done */
};

enum err verify_queue_init(struct verify_queue *queue) MUST_CHECK;
void verify_queue_done(struct verify_queue *queue);
/* ERR_MEMORY: the job is still the caller's. */
enum err verify_queue_push(struct verify_queue *queue, struct verify_job *job) MUST_CHECK;
/* NULL when there is none, or enough are taken already. */
struct verify_job *verify_queue_take(struct verify_queue *queue);
/* Notes that a job taken before is done. */
void verify_queue_done_with(struct verify_queue *queue, struct verify_job *job);
/* The job whose turn it is, when it is done: a later one of a peer never passes its earlier one.
 * NULL when there is none. */
struct verify_job *verify_queue_ready(const struct verify_queue *queue);
/* The same, which is the caller's from here on. */
struct verify_job *verify_queue_pop(struct verify_queue *queue);

#endif
