/* Decides which thread checks which job: whichever is free. Two rings under one lock; a descriptor
 * tells the loop that something is done. It refuses to know what a job is, and owns none: the
 * broker does. */
#include "broker/server/verify_pool.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct ring {
    struct verify_job *jobs[VERIFY_POOL_JOBS_MAX];
    size_t first, n;
};

struct verify_pool {
    pthread_mutex_t lock;
    pthread_cond_t work;
    bool stopping;
    size_t inside; /* pushed and not popped: bounds both rings */
    struct ring todo, done;
    int done_fd;
    size_t n_threads;
    pthread_t threads[];
};

static void
ring_push(struct ring *ring, struct verify_job *job)
{
    assert(ring->n < VERIFY_POOL_JOBS_MAX);
    ring->jobs[(ring->first + ring->n) % VERIFY_POOL_JOBS_MAX] = job;
    ring->n++;
}

static struct verify_job *
ring_pop(struct ring *ring)
{
    if (ring->n == 0) {
        return NULL;
    }
    struct verify_job *job = ring->jobs[ring->first];
    ring->first = (ring->first + 1) % VERIFY_POOL_JOBS_MAX;
    ring->n--;
    return job;
}

static void *
work(void *context)
{
    struct verify_pool *pool = context;
    (void)pthread_mutex_lock(&pool->lock);
    while (!pool->stopping) {
        struct verify_job *job = ring_pop(&pool->todo);
        if (job == NULL) {
            (void)pthread_cond_wait(&pool->work, &pool->lock);
            continue;
        }
        (void)pthread_mutex_unlock(&pool->lock);
        verify_job_run(job);
        (void)pthread_mutex_lock(&pool->lock);
        ring_push(&pool->done, job);
        (void)eventfd_write(pool->done_fd, 1); /* fails only when it is readable already */
    }
    (void)pthread_mutex_unlock(&pool->lock);
    return NULL;
}

enum err
verify_pool_new(size_t n_threads, struct verify_pool **pool_out)
{
    CLEANUP(verify_pool_freep)
    struct verify_pool *pool = calloc(1, sizeof(*pool) + n_threads * sizeof(pthread_t));
    if (pool == NULL) {
        return ERR_MEMORY;
    }
    (void)pthread_mutex_init(&pool->lock, NULL); /* default attributes: these cannot fail here */
    (void)pthread_cond_init(&pool->work, NULL);
    pool->done_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (pool->done_fd < 0) {
        return ERR_IO;
    }
    for (size_t i = 0; i < n_threads; i++) {
        if (pthread_create(&pool->threads[i], NULL, work, pool) != 0) {
            return ERR_MEMORY;
        }
        pool->n_threads++;
    }
    *pool_out = pool;
    pool = NULL;
    return ERR_OK;
}

void
verify_pool_free(struct verify_pool *pool)
{
    if (pool == NULL) {
        return;
    }
    (void)pthread_mutex_lock(&pool->lock);
    pool->stopping = true;
    (void)pthread_cond_broadcast(&pool->work);
    (void)pthread_mutex_unlock(&pool->lock);
    for (size_t i = 0; i < pool->n_threads; i++) {
        (void)pthread_join(pool->threads[i], NULL);
    }
    if (pool->done_fd >= 0) {
        (void)close(pool->done_fd); /* an eventfd: nothing is lost */
    }
    (void)pthread_cond_destroy(&pool->work);
    (void)pthread_mutex_destroy(&pool->lock);
    free(pool);
}

void
verify_pool_freep(struct verify_pool **pool)
{
    verify_pool_free(*pool);
    *pool = NULL;
}

int
verify_pool_fd(const struct verify_pool *pool)
{
    return pool->done_fd;
}

bool
verify_pool_has_room(struct verify_pool *pool)
{
    return pool->inside < VERIFY_POOL_JOBS_MAX; /* only the loop's thread changes it */
}

void
verify_pool_push(struct verify_pool *pool, struct verify_job *job)
{
    assert(pool->inside < VERIFY_POOL_JOBS_MAX);
    pool->inside++;
    (void)pthread_mutex_lock(&pool->lock);
    ring_push(&pool->todo, job);
    (void)pthread_cond_signal(&pool->work);
    (void)pthread_mutex_unlock(&pool->lock);
}

struct verify_job *
verify_pool_pop(struct verify_pool *pool)
{
    eventfd_t n;
    (void)pthread_mutex_lock(&pool->lock);
    struct verify_job *job = ring_pop(&pool->done);
    if (job == NULL) {
        (void)eventfd_read(pool->done_fd, &n); /* under the lock, so no job slips in between */
    }
    (void)pthread_mutex_unlock(&pool->lock);
    if (job != NULL) {
        pool->inside--;
    }
    return job;
}
