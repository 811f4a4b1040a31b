/* A process killed at any moment has lost nothing that it said was committed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <signal.h>
#include <sys/wait.h>

#include "tests/unit/store/scratch.h"

enum { N_ROUNDS = 30, ACKS_MAX = 60, VALUE_MAX = 3000 };

static size_t
value_bytes(uint64_t number)
{
    return (size_t)(number * 131 % VALUE_MAX);
}

/* Never returns: commits one record after the other, and says each number once it is on disk. */
static void
write_until_killed(struct scratch *s, uint64_t number, int acks)
{
    static uint8_t bytes[VALUE_MAX];
    if (scratch_open(s) != ERR_OK) {
        _exit(1);
    }
    for (;; number++) {
        memset(bytes, (int)(number & 0xff), sizeof(bytes));
        enum err err = scratch_put(s->kv, number, bytes_of(bytes, value_bytes(number)));
        if (err == ERR_OK && write(acks, &number, sizeof(number)) != sizeof(number)) {
            _exit(1);
        }
        if (err == ERR_TOO_LARGE) {
            number--; /* the map has grown: the same turn again */
        } else if (err != ERR_OK) {
            _exit(1);
        }
    }
}

/* How many numbers the child had said when it was gone; `first` when it said none. */
static uint64_t
kill_after(struct scratch *s, uint64_t first, unsigned n_acks)
{
    int ends[2];
    uint64_t acked = first;
    uint64_t number;
    int status;
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        close(ends[0]);
        write_until_killed(s, first, ends[1]);
    }
    close(ends[1]);
    for (unsigned i = 0; i < n_acks && read(ends[0], &number, sizeof(number)) > 0; i++) {
        acked = number + 1;
    }
    assert_int_equal(kill(child, SIGKILL), 0);
    while (read(ends[0], &number, sizeof(number)) > 0) {
        acked = number + 1;
    }
    close(ends[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    return acked;
}

/* The records are 0..n-1 without a hole, and n is `acked`, or one more that was not said in time.
 */
static uint64_t
count_records(struct scratch *s, uint64_t acked)
{
    struct kv_txn *txn = NULL;
    assert_int_equal(scratch_open(s), ERR_OK);
    assert_int_equal(kv_begin_read(s->kv, &txn), ERR_OK);
    uint64_t n = kv_count(txn, ROWS);
    assert_in_range(n, acked, acked + 1);
    for (uint64_t i = 0; i < n; i++) {
        uint8_t key[8];
        struct bytes found;
        assert_int_equal(kv_get(txn, ROWS, kv_key_u64(i, key), &found), ERR_OK);
        assert_int_equal(found.len, value_bytes(i));
        assert_true(found.len == 0 || found.data[found.len - 1] == (uint8_t)(i & 0xff));
    }
    kv_abort(&txn);
    kv_closep(&s->kv);
    return n;
}

static void
nothing_said_is_lost(void **state)
{
    (void)state;
    CLEANUP(scratch_done) struct scratch s;
    uint64_t n = 0;
    uint32_t random = 1;
    scratch_init(&s);
    for (unsigned round = 0; round < N_ROUNDS; round++) {
        random = random * 1664525 + 1013904223;
        n = count_records(&s, kill_after(&s, n, random % ACKS_MAX));
    }
    assert_true(n > N_ROUNDS);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_said_is_lost),
    };
    (void)signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
