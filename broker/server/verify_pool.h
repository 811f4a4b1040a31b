/* A few threads that do nothing but check signatures. */
#ifndef REFLOOP_BROKER_SERVER_VERIFY_POOL_H
#define REFLOOP_BROKER_SERVER_VERIFY_POOL_H

#include "broker/broker.h"

enum { VERIFY_POOL_JOBS_MAX = 256 };

struct verify_pool;

/* Signals must be blocked before. ERR_MEMORY, ERR_IO. */
enum err verify_pool_new(size_t n_threads, struct verify_pool **pool_out) MUST_CHECK;
/* Waits for the threads; jobs inside stay the broker's. */
void verify_pool_free(struct verify_pool *pool);
void verify_pool_freep(struct verify_pool **pool);
/* Readable when a job is done. */
int verify_pool_fd(const struct verify_pool *pool);
bool verify_pool_has_room(struct verify_pool *pool);
/* There must be room. */
void verify_pool_push(struct verify_pool *pool, struct verify_job *job);
/* NULL when none is done. */
struct verify_job *verify_pool_pop(struct verify_pool *pool);

#endif
