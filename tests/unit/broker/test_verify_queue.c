/* Whose job is next: peers go round, and no job of one peer passes an earlier one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "broker/verify_job.h"
#include "lib/base/secret.h"

enum { MANY = 500, FOREIGN = 64 };

static struct verify_job *
push(struct verify_queue *queue, uint8_t peer, size_t n)
{
    static struct message_submit submit;
    static const uint8_t byte = 1;
    submit.n = n;
    for (size_t i = 0; i < n; i++) {
        submit.envelopes[i] = bytes_of(&byte, 1);
    }
    struct verify_job *job = verify_job_new(&submit);
    assert_non_null(job);
    memset(&job->peer, peer, sizeof(job->peer));
    assert_int_equal(verify_queue_push(queue, job), ERR_OK);
    return job;
}

static void
start(struct verify_queue *queue)
{
    bool locked;
    assert_int_equal(secret_start(&locked), ERR_OK);
    assert_int_equal(verify_queue_init(queue), ERR_OK);
}

static void
pop_and_free(struct verify_queue *queue, const struct verify_job *expected)
{
    struct verify_job *job = verify_queue_pop(queue);
    assert_ptr_equal(job, expected);
    verify_job_free(job);
}

/* Who comes last with one job is second, not five-hundred-and-first. */
static void
test_newcomer_is_next(void **state)
{
    struct verify_queue queue;
    (void)state;
    start(&queue);
    struct verify_job *first = push(&queue, 1, 1);
    for (size_t i = 1; i < MANY; i++) {
        (void)push(&queue, 1, 1);
    }
    struct verify_job *other = push(&queue, 2, 1);
    assert_ptr_equal(verify_queue_take(&queue), first);
    assert_ptr_equal(verify_queue_take(&queue), other);
    verify_queue_done_with(&queue, first);
    verify_queue_done_with(&queue, other);
    pop_and_free(&queue, first);
    pop_and_free(&queue, other);
    assert_null(verify_queue_pop(&queue));
    verify_queue_done(&queue);
}

/* Threads finish when they finish; what is judged keeps each peer's order. */
static void
test_order_of_one_peer(void **state)
{
    struct verify_queue queue;
    (void)state;
    start(&queue);
    struct verify_job *one = push(&queue, 1, 1);
    struct verify_job *two = push(&queue, 1, 1);
    assert_ptr_equal(verify_queue_take(&queue), one);
    assert_ptr_equal(verify_queue_take(&queue), two);
    verify_queue_done_with(&queue, two);
    assert_null(verify_queue_ready(&queue));
    verify_queue_done_with(&queue, one);
    assert_int_equal(queue.unverified, 0);
    pop_and_free(&queue, one);
    pop_and_free(&queue, two);
    assert_int_equal(queue.bytes, 0);
    assert_int_equal(map_count(queue.lanes), 0);
    verify_queue_done(&queue);
}

/* What is taken is what a newcomer must wait for, so only so much is taken. */
static void
test_taken_is_bounded(void **state)
{
    struct verify_queue queue;
    struct verify_job *taken[4];
    size_t n = 0;
    (void)state;
    start(&queue);
    for (size_t i = 0; i < 4; i++) {
        (void)push(&queue, (uint8_t)(i + 1), FOREIGN);
    }
    for (struct verify_job *job; (job = verify_queue_take(&queue)) != NULL;) {
        taken[n++] = job;
    }
    assert_int_equal(n, VERIFY_AHEAD_STATEMENTS / FOREIGN);
    verify_queue_done_with(&queue, taken[0]);
    assert_non_null(verify_queue_take(&queue));
    assert_null(verify_queue_take(&queue));
    verify_queue_done(&queue); /* also what is taken */
}

/* However much one has waiting, a frame full of it keeps one thread only, and who comes then is
 * taken at once. */
static void
test_one_full_frame_of_a_peer(void **state)
{
    struct verify_queue queue;
    (void)state;
    start(&queue);
    struct verify_job *first = push(&queue, 1, FOREIGN);
    struct verify_job *second = push(&queue, 1, FOREIGN);
    (void)push(&queue, 1, FOREIGN);
    assert_ptr_equal(verify_queue_take(&queue), first);
    assert_null(verify_queue_take(&queue));
    struct verify_job *other = push(&queue, 2, 1);
    assert_ptr_equal(verify_queue_take(&queue), other);
    verify_queue_done_with(&queue, first);
    assert_ptr_equal(verify_queue_take(&queue), second);
    assert_null(verify_queue_take(&queue));
    verify_queue_done(&queue);
}

/* Small ones of one peer are for all threads, until they are as many. */
static void
test_small_ones_of_a_peer(void **state)
{
    struct verify_queue queue;
    size_t n = 0;
    (void)state;
    start(&queue);
    for (size_t i = 0; i < MANY; i++) {
        (void)push(&queue, 1, 1);
    }
    while (verify_queue_take(&queue) != NULL) {
        n++;
    }
    assert_int_equal(n, VERIFY_AHEAD_OF_PEER);
    verify_queue_done(&queue);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_newcomer_is_next),
        cmocka_unit_test(test_order_of_one_peer),
        cmocka_unit_test(test_taken_is_bounded),
        cmocka_unit_test(test_one_full_frame_of_a_peer),
        cmocka_unit_test(test_small_ones_of_a_peer),
    };
    return cmocka_run_group_tests_name("verify_queue", tests, NULL, NULL);
}
