/* Decides whose job is next: the lanes of the peers go round, one job each, both to be checked and
 * to be judged. Within a lane nothing passes anything. Two queues of lanes: those with a job that
 * nobody has taken, and those whose first job is done. It refuses to know what is in a job. */
#include <assert.h>
#include <stdlib.h>

#include "broker/verify_job.h"

enum place { PLACE_TODO, PLACE_READY, PLACES };

struct verify_lane {
    struct verify_lane *next[PLACES];
    bool in[PLACES];
    struct curve_public peer;
    struct verify_job *first;
    struct verify_job **last;   /* where the next one is hung */
    struct verify_job *waiting; /* first that nobody has taken */
    size_t taken;               /* statements, not done yet */
};

static struct verify_lanes *
lanes_at(struct verify_queue *queue, enum place place)
{
    return place == PLACE_TODO ? &queue->todo : &queue->ready;
}

static void
line_up(struct verify_queue *queue, struct verify_lane *lane, enum place place)
{
    struct verify_lanes *lanes = lanes_at(queue, place);
    if (!lane->in[place]) {
        lane->in[place] = true;
        lane->next[place] = NULL;
        *lanes->last = lane;
        lanes->last = &lane->next[place];
    }
}

/* Who has enough with the threads comes back when some of it is done: the other threads are for
 * the other peers. */
static void
line_up_to_be_taken(struct verify_queue *queue, struct verify_lane *lane)
{
    if (lane->waiting != NULL && lane->taken < VERIFY_AHEAD_OF_PEER) {
        line_up(queue, lane, PLACE_TODO);
    }
}

static struct verify_lane *
step_out(struct verify_queue *queue, enum place place)
{
    struct verify_lanes *lanes = lanes_at(queue, place);
    struct verify_lane *lane = lanes->first;
    if (lane != NULL) {
        lanes->first = lane->next[place];
        lane->in[place] = false;
        if (lanes->first == NULL) {
            lanes->last = &lanes->first;
        }
    }
    return lane;
}

enum err
verify_queue_init(struct verify_queue *queue)
{
    *queue = (struct verify_queue){.lanes = map_new(sizeof(struct curve_public))};
    queue->todo.last = &queue->todo.first;
    queue->ready.last = &queue->ready.first;
    return queue->lanes == NULL ? ERR_MEMORY : ERR_OK;
}

void
verify_queue_done(struct verify_queue *queue)
{
    const void *key;
    void *value;
    size_t cursor = 0;
    while (queue->lanes != NULL && map_next(queue->lanes, &cursor, &key, &value)) {
        struct verify_lane *lane = value;
        while (lane->first != NULL) {
            struct verify_job *job = lane->first;
            lane->first = job->next;
            verify_job_free(job);
        }
        free(lane);
    }
    map_free(queue->lanes);
    queue->lanes = NULL;
}

static struct verify_lane *
find_or_make(struct verify_queue *queue, const struct curve_public *peer)
{
    struct verify_lane *lane = map_find(queue->lanes, peer->bytes);
    if (lane != NULL) {
        return lane;
    }
    lane = calloc(1, sizeof(*lane));
    if (lane == NULL) {
        return NULL;
    }
    lane->peer = *peer;
    lane->last = &lane->first;
    if (map_put(queue->lanes, peer->bytes, lane) != ERR_OK) {
        free(lane);
        return NULL;
    }
    return lane;
}

/* Many small envelopes weigh more as jobs than as bytes. */
static size_t
bytes_held(const struct verify_job *job)
{
    return job->data.len + job->n * sizeof(struct verified);
}

enum err
verify_queue_push(struct verify_queue *queue, struct verify_job *job)
{
    struct verify_lane *lane = find_or_make(queue, &job->peer);
    if (lane == NULL) {
        return ERR_MEMORY;
    }
    *lane->last = job;
    lane->last = &job->next;
    lane->waiting = lane->waiting == NULL ? job : lane->waiting;
    queue->bytes += bytes_held(job);
    queue->unverified++;
    line_up_to_be_taken(queue, lane);
    return ERR_OK;
}

struct verify_job *
verify_queue_take(struct verify_queue *queue)
{
    struct verify_lane *lane =
        queue->ahead >= VERIFY_AHEAD_STATEMENTS ? NULL : step_out(queue, PLACE_TODO);
    if (lane == NULL) {
        return NULL;
    }
    struct verify_job *job = lane->waiting;
    assert(job != NULL && job->stage == VERIFY_WAITING);
    job->stage = VERIFY_TAKEN;
    queue->ahead += job->n;
    lane->taken += job->n;
    lane->waiting = job->next;
    line_up_to_be_taken(queue, lane);
    return job;
}

void
verify_queue_done_with(struct verify_queue *queue, struct verify_job *job)
{
    struct verify_lane *lane = map_find(queue->lanes, job->peer.bytes);
    assert(lane != NULL && job->stage == VERIFY_TAKEN);
    job->stage = VERIFY_DONE;
    queue->unverified--;
    queue->ahead -= job->n;
    queue->done += job->n;
    lane->taken -= job->n;
    line_up_to_be_taken(queue, lane);
    if (lane->first == job) {
        line_up(queue, lane, PLACE_READY);
    }
}

struct verify_job *
verify_queue_ready(const struct verify_queue *queue)
{
    return queue->ready.first == NULL ? NULL : queue->ready.first->first;
}

struct verify_job *
verify_queue_pop(struct verify_queue *queue)
{
    struct verify_lane *lane = step_out(queue, PLACE_READY);
    if (lane == NULL) {
        return NULL;
    }
    struct verify_job *job = lane->first;
    assert(job != NULL && job->stage == VERIFY_DONE);
    queue->bytes -= bytes_held(job);
    queue->done -= job->n;
    lane->first = job->next;
    job->next = NULL;
    if (lane->first == NULL) {
        (void)map_remove(queue->lanes, lane->peer.bytes); /* it returns the lane itself */
        free(lane);
    } else if (lane->first->stage == VERIFY_DONE) {
        line_up(queue, lane, PLACE_READY);
    }
    return job;
}
