/* One thing done again and again, its n-th allocation or its n-th call of the store failing, until
 * no n is left to fail at. Needs fail_alloc_dep and fail_store_dep, and cmocka before it. */
#ifndef REFLOOP_TESTS_SUPPORT_SWEEP_H
#define REFLOOP_TESTS_SUPPORT_SWEEP_H

#include "tests/support/fail_alloc.h"
#include "tests/support/fail_store.h"

enum { SWEEP_MAX = 4000 };

/* Does it once and cleans up; outputs it could not get must be untouched, which it asserts itself.
 * What it allocates besides should be little: it is made to fail too. */
typedef enum err (*sweep_try)(void *context);

/* Ours to be told: never the fault of whoever sent or asked, and never one that nobody made. */
static inline void
sweep_judge(const char *what, unsigned long n, bool has_failed, enum err err)
{
    if ((!has_failed && err != ERR_OK) || err_is_peer(err)) {
        fail_msg("%s, fault %lu (%s): %s", what, n, fail_store_where(), err_name(err));
    }
}

/* Every `step`-th allocation. Returns how many times it failed. */
static inline unsigned
sweep_memory(const char *what, sweep_try attempt, void *context, unsigned long step)
{
    unsigned n_failed = 0;
    bool has_failed = true;
    for (unsigned long n = 1; has_failed && n < SWEEP_MAX * step; n += step) {
        fail_alloc_at(n);
        enum err err = attempt(context);
        has_failed = fail_alloc_off();
        sweep_judge(what, n, has_failed, err);
        n_failed += err != ERR_OK;
    }
    assert_false(has_failed);
    return n_failed;
}

/* Every `step`-th call of the store. */
static inline unsigned
sweep_store(const char *what, sweep_try attempt, void *context, enum err with, unsigned long step)
{
    unsigned n_failed = 0;
    bool has_failed = true;
    for (unsigned long n = 1; has_failed && n < SWEEP_MAX * step; n += step) {
        fail_store_at(n, with);
        enum err err = attempt(context);
        has_failed = fail_store_off();
        sweep_judge(what, n, has_failed, err);
        n_failed += err != ERR_OK;
    }
    assert_false(has_failed);
    return n_failed;
}

#endif
