/* Secret memory is zeroed, writable to its last byte and wiped; numbers stay below their bound. */
#include "lib/base/secret.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

static void
starting_turns_core_dumps_off(void **state)
{
    (void)state;
    bool locked = false;
    assert_int_equal(secret_start(&locked), ERR_OK);
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_CORE, &limit), 0);
    assert_int_equal(limit.rlim_cur, 0);
    assert_int_equal(limit.rlim_max, 0);
    assert_int_equal(secret_start(&locked), ERR_OK);
}

/* Run last: it takes the lock limit away from this process for good. The expected answer is asked
 * of the kernel, since sanitizers turn locking into nothing. Root may lock beyond any limit and so
 * steps down for a moment, after which the leak checker needs the process dumpable as it was. */
static void
memory_that_cannot_be_locked_is_reported(void **state)
{
    (void)state;
    static uint8_t page[4096];
    const struct rlimit none = {0, 0};
    uid_t user = geteuid();
    int dumpable = prctl(PR_GET_DUMPABLE, 0, 0, 0, 0);
    assert_int_equal(setrlimit(RLIMIT_MEMLOCK, &none), 0);
    assert_int_equal(seteuid(user == 0 ? 65534 : user), 0);
    bool can_lock = mlock(page, sizeof(page)) == 0;
    bool locked = !can_lock;
    enum err err = secret_start(&locked);
    assert_int_equal(seteuid(user), 0);
    assert_int_equal(prctl(PR_SET_DUMPABLE, (unsigned long)dumpable, 0, 0, 0), 0);
    assert_int_equal(err, ERR_OK);
    assert_int_equal(locked, can_lock);
    uint8_t *secret = secret_alloc(32);
    assert_non_null(secret);
    secret_free(secret);
}

static void
allocated_memory_is_zero_and_ours_to_the_end(void **state)
{
    (void)state;
    static const size_t sizes[] = {1, 32, 64, 4096, 4097, 100000};
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        uint8_t *secret = secret_alloc(sizes[i]);
        assert_non_null(secret);
        assert_true(bytes_all_zero(bytes_of(secret, sizes[i])));
        memset(secret, 0x5a, sizes[i]);
        secret_free(secret);
    }
    secret_free(NULL);
}

static void
the_cleanup_form_frees_any_pointer(void **state)
{
    (void)state;
    struct pair {
        uint64_t a, b;
    };
    CLEANUP(secret_freep) struct pair *never = NULL;
    struct pair *pair = secret_alloc(sizeof(*pair));
    assert_non_null(pair);
    pair->b = 1;
    secret_freep(&pair);
    assert_null(pair);
    assert_null(never);
}

static void
wiping_and_comparing(void **state)
{
    (void)state;
    uint8_t a[5] = "abcd";
    uint8_t b[5] = "abcd";
    assert_true(secret_equal(a, b, sizeof(a)));
    b[4] ^= 1;
    assert_false(secret_equal(a, b, sizeof(a)));
    assert_true(secret_equal(a, b, 4));
    assert_true(secret_equal(NULL, NULL, 0));
    secret_wipe(a, sizeof(a));
    assert_true(bytes_all_zero(bytes_of(a, sizeof(a))));
    secret_wipe(NULL, 0);
}

static void
random_bytes_differ_and_numbers_stay_below(void **state)
{
    (void)state;
    uint8_t a[16] = {0};
    uint8_t b[16] = {0};
    secret_random(a, sizeof(a));
    secret_random(b, sizeof(b));
    assert_false(bytes_equal(bytes_of(a, sizeof(a)), bytes_of(b, sizeof(b))));
    unsigned seen = 0;
    for (int i = 0; i < 500; i++) {
        uint32_t number = secret_random_below(3);
        assert_true(number < 3);
        seen |= 1U << number;
    }
    assert_int_equal(seen, 7);
    assert_int_equal(secret_random_below(1), 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(starting_turns_core_dumps_off),
        cmocka_unit_test(allocated_memory_is_zero_and_ours_to_the_end),
        cmocka_unit_test(the_cleanup_form_frees_any_pointer),
        cmocka_unit_test(wiping_and_comparing),
        cmocka_unit_test(random_bytes_differ_and_numbers_stay_below),
        cmocka_unit_test(memory_that_cannot_be_locked_is_reported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
