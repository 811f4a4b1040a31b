/* Memory that gives out in the middle: whichever allocation fails, the directory is as it was, and
 * the same statement applies as soon as there is memory again. Allocation is replaced by the
 * linker. */
#include "tests/unit/trust/network.h"

#include <stdio.h>
#include <stdlib.h>

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *memory, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *memory, size_t size);

static long fail_at; /* calls left until one fails; 0: none does */
static bool has_failed;

static bool
fails_now(void)
{
    if (fail_at == 0 || --fail_at > 0) {
        return false;
    }
    has_failed = true;
    return true;
}

void *
__wrap_malloc(size_t size)
{
    return fails_now() ? NULL : __real_malloc(size);
}

void *
__wrap_calloc(size_t n, size_t size)
{
    return fails_now() ? NULL : __real_calloc(n, size);
}

void *
__wrap_realloc(void *memory, size_t size)
{
    return fails_now() ? NULL : __real_realloc(memory, size);
}

/* What can be seen of the directory, in one place. */
struct view {
    size_t count;
    bool has_genesis;
    struct member members[8];
    const struct member *by_curve[64];
};

static void
look(const struct network *network, struct view *view)
{
    memset(view, 0, sizeof(*view));
    view->count = directory_count(network->directory);
    view->has_genesis = directory_genesis(network->directory) != NULL;
    for (size_t i = 0; i < view->count; i++) {
        view->members[i] = *directory_at(network->directory, i);
    }
    for (unsigned i = 0; i < ARRAY_LEN(view->by_curve); i++) {
        bool once = false;
        view->by_curve[i] =
            directory_find_curve(network->directory, &fixture_who(i)->keys.curve, &once);
    }
}

/* Applies with the n-th allocation failing, for n = 1, 2, ... until none does. */
static unsigned
sweep(struct network *network, struct statement statement)
{
    static struct view before, after;
    look(network, &before);
    for (unsigned n = 1;; n++) {
        has_failed = false;
        fail_at = (long)n;
        enum err err = directory_apply(network->directory, &statement, network->next, 2000);
        fail_at = 0;
        if (!has_failed) {
            assert_ok(err);
            network->next++;
            return n - 1;
        }
        assert_err(err, ERR_MEMORY);
        look(network, &after);
        assert_memory_equal(&before, &after, sizeof(before));
    }
}

static void
failed_apply_changes_nothing(void **state)
{
    (void)state;
    CLEANUP(network_done) struct network network;
    struct statement again = fixture_invite("elm-pantry", 22);
    again.as.invite.replaces = true;
    start_empty(&network);
    assert_true(sweep(&network, fixture_genesis()) >= 7);
    assert_true(sweep(&network, fixture_invite("elm-pantry", ONCE)) >= 3);
    assert_true(sweep(&network, fixture_join(PANTRY, ONCE)) >= 3);
    assert_true(sweep(&network, again) >= 2);
    assert_true(sweep(&network, fixture_rotate(PANTRY, SHELTER)) >= 3);
    assert_int_equal(sweep(&network, fixture_revoke("elm-pantry")), 0);
    for (unsigned i = 40; i < 45; i++) {
        char org[ORG_ID_BYTES];
        (void)snprintf(org, sizeof(org), "org-%u", i);
        (void)sweep(&network, fixture_invite(org, i));
    }
}

static void
failed_new_gives_nothing(void **state)
{
    (void)state;
    struct network_id root = fixture_network();
    for (unsigned n = 1;; n++) {
        struct directory *directory = NULL;
        has_failed = false;
        fail_at = (long)n;
        enum err err = directory_new(&root, &directory);
        fail_at = 0;
        if (!has_failed) {
            assert_ok(err);
            directory_free(directory);
            return;
        }
        assert_err(err, ERR_MEMORY);
        assert_null(directory);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(failed_apply_changes_nothing),
        cmocka_unit_test(failed_new_gives_nothing),
    };
    return cmocka_run_group_tests(tests, start_secrets, NULL);
}
