/* The pool alone, under load: every job comes back once, checked, and the descriptor says so. Meant
 * to be run under ThreadSanitizer as well (-Db_sanitize=thread). */
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "broker/server/verify_pool.h"
#include "broker/verify_job.h"
#include "lib/base/secret.h"

enum { THREADS = 4, JOBS = 600, PATIENCE_MS = 30 * 1000 };

struct signer {
    struct sign_secret secret;
    struct sign_public public_key;
    struct network_id network;
    struct buffer envelope;
};

/* A REVOKE: the smallest statement; only its signature matters here. */
static void
make_envelope(struct signer *signer)
{
    CLEANUP(buffer_done) struct buffer bytes = BUFFER_INIT(LIMIT_STATEMENT_BYTES);
    struct statement statement = {
        .suite = STATEMENT_SUITE_1, .kind = STATEMENT_REVOKE, .network = signer->network};
    struct envelope envelope = {.sealed = {NULL, 0}};
    statement.authored_ms = 1795000000000;
    statement.author_key = key_id_of_signer(&signer->public_key);
    memcpy(statement.as.revoke.org, "elm-pantry", sizeof("elm-pantry"));
    memcpy(statement.as.revoke.reason, "test", sizeof("test"));
    assert_int_equal(statement_encode(&statement, &bytes), ERR_OK);
    envelope.statement = buffer_view(&bytes);
    assert_int_equal(turn_sign(SIGN_STATEMENTS, &signer->network, &envelope.statement, 1,
                               &signer->secret, &envelope.signature),
                     ERR_OK);
    assert_int_equal(envelope_encode(&envelope, &signer->envelope), ERR_OK);
}

static void
make_signer(struct signer *signer)
{
    bool locked;
    *signer = (struct signer){.envelope = BUFFER_INIT(LIMIT_ENVELOPE_BYTES)};
    assert_int_equal(secret_start(&locked), ERR_OK);
    sign_new_pair(&signer->public_key, &signer->secret);
    memcpy(signer->network.bytes, signer->public_key.bytes, sizeof(signer->network.bytes));
    make_envelope(signer);
}

/* Two envelopes: a good one, and one with a flipped bit. */
static struct verify_job *
make_job(const struct signer *signer, size_t number)
{
    CLEANUP(buffer_done) struct buffer bad = BUFFER_INIT(LIMIT_ENVELOPE_BYTES);
    struct message_submit submit = {.n = 2};
    buffer_put(&bad, signer->envelope.data, signer->envelope.len);
    bad.data[bad.len / 2] ^= 1;
    submit.envelopes[0] = buffer_view(&signer->envelope);
    submit.envelopes[1] = buffer_view(&bad);
    struct verify_job *job = verify_job_new(&submit);
    assert_non_null(job);
    job->network = signer->network;
    job->signer = signer->public_key;
    job->done_boot_ms = (int64_t)number;
    return job;
}

static void
wait_readable(const struct verify_pool *pool)
{
    struct pollfd fd = {.fd = verify_pool_fd(pool), .events = POLLIN};
    assert_int_equal(poll(&fd, 1, PATIENCE_MS), 1);
}

static bool
is_readable(const struct verify_pool *pool)
{
    struct pollfd fd = {.fd = verify_pool_fd(pool), .events = POLLIN};
    return poll(&fd, 1, 0) == 1;
}

static void
check_job(struct verify_job *job, unsigned char seen[JOBS])
{
    size_t number = (size_t)job->done_boot_ms;
    assert_true(number < JOBS);
    assert_int_equal(seen[number]++, 0);
    assert_int_equal(job->items[0].err, ERR_OK);
    assert_int_not_equal(job->items[1].err, ERR_OK);
    assert_true(job->memory.filled);
    verify_job_free(job);
}

static void
test_all_come_back_once(void **state)
{
    (void)state;
    CLEANUP(verify_pool_freep) struct verify_pool *pool = NULL;
    unsigned char seen[JOBS] = {0};
    struct signer signer;
    size_t pushed = 0;
    size_t popped = 0;
    make_signer(&signer);
    assert_int_equal(verify_pool_new(THREADS, &pool), ERR_OK);
    while (popped < JOBS) {
        struct verify_job *job;
        while (pushed < JOBS && verify_pool_has_room(pool)) {
            verify_pool_push(pool, make_job(&signer, pushed++));
        }
        wait_readable(pool);
        while ((job = verify_pool_pop(pool)) != NULL) {
            check_job(job, seen);
            popped++;
        }
    }
    assert_null(verify_pool_pop(pool));
    assert_false(is_readable(pool));
    buffer_done(&signer.envelope);
}

/* One at a time: the descriptor is the only word the loop hears, so none may be missed. */
static void
test_no_wakeup_is_lost(void **state)
{
    (void)state;
    CLEANUP(verify_pool_freep) struct verify_pool *pool = NULL;
    unsigned char seen[JOBS] = {0};
    struct signer signer;
    make_signer(&signer);
    assert_int_equal(verify_pool_new(2, &pool), ERR_OK);
    for (size_t i = 0; i < JOBS; i++) {
        struct verify_job *job;
        verify_pool_push(pool, make_job(&signer, i));
        do {
            wait_readable(pool);
            job = verify_pool_pop(pool);
        } while (job == NULL);
        check_job(job, seen);
    }
    buffer_done(&signer.envelope);
}

static void
test_room_is_bounded(void **state)
{
    (void)state;
    CLEANUP(verify_pool_freep) struct verify_pool *pool = NULL;
    unsigned char seen[JOBS] = {0};
    struct signer signer;
    size_t pushed = 0;
    make_signer(&signer);
    assert_int_equal(verify_pool_new(1, &pool), ERR_OK);
    while (verify_pool_has_room(pool)) {
        verify_pool_push(pool, make_job(&signer, pushed++));
    }
    /* Checked or not, they count until they are taken out. */
    assert_int_equal(pushed, VERIFY_POOL_JOBS_MAX);
    for (size_t popped = 0; popped < pushed;) {
        struct verify_job *job = verify_pool_pop(pool);
        if (job == NULL) {
            wait_readable(pool);
            continue;
        }
        check_job(job, seen);
        popped++;
    }
    assert_true(verify_pool_has_room(pool));
    buffer_done(&signer.envelope);
}

/* A stop with work inside: the threads end, and the jobs are still whole and their owner's. */
static void
test_stop_with_work_inside(void **state)
{
    (void)state;
    struct verify_job *jobs[VERIFY_POOL_JOBS_MAX];
    struct verify_pool *pool = NULL;
    struct signer signer;
    make_signer(&signer);
    assert_int_equal(verify_pool_new(THREADS, &pool), ERR_OK);
    for (size_t i = 0; i < VERIFY_POOL_JOBS_MAX; i++) {
        jobs[i] = make_job(&signer, i);
        verify_pool_push(pool, jobs[i]);
    }
    verify_pool_free(pool);
    for (size_t i = 0; i < VERIFY_POOL_JOBS_MAX; i++) {
        assert_int_equal(jobs[i]->done_boot_ms, i);
        verify_job_free(jobs[i]);
    }
    buffer_done(&signer.envelope);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_come_back_once),
        cmocka_unit_test(test_no_wakeup_is_lost),
        cmocka_unit_test(test_room_is_bounded),
        cmocka_unit_test(test_stop_with_work_inside),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
