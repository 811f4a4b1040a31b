/* The tree when something under it gives way: memory, and tiles that are lost between one hash and
 * the next. Whatever was asked for stays as it was. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "tests/support/fail_alloc.h"
#include "tests/unit/log/tiles.h"

enum { SIZE = 1500 };

/* A reader whose n-th read fails. */
struct failing_tiles {
    struct tiles *tiles;
    unsigned reads_left; /* 0: none fails */
    enum err err;
};

static enum err
read_failing(void *context, unsigned row, uint64_t column,
             struct merkle_hash hashes_out[TREE_TILE_WIDTH], size_t *n_out)
{
    struct failing_tiles *failing = context;
    if (failing->reads_left > 0 && --failing->reads_left == 0) {
        return failing->err;
    }
    return tiles_read(failing->tiles, row, column, hashes_out, n_out);
}

static void
grow(struct tiles *tiles, uint64_t size)
{
    struct tree tree = {0};
    while (tree.size < size) {
        struct merkle_hash leaf = leaf_at(tree.size);
        assert_int_equal(tree_append(&tree, &leaf, tiles_write, tiles), ERR_OK);
    }
    assert_int_equal(tree_flush(&tree, tiles_write, tiles), ERR_OK);
}

typedef enum err (*question)(const struct tree_reader *reader, uint64_t at,
                             struct proof *proof_out);

static enum err
ask_inclusion(const struct tree_reader *reader, uint64_t at, struct proof *proof_out)
{
    return tree_inclusion(reader, at, SIZE, proof_out);
}

static enum err
ask_consistency(const struct tree_reader *reader, uint64_t at, struct proof *proof_out)
{
    return tree_consistency(reader, at, SIZE, proof_out);
}

/* Every read of a proof fails once. Returns how many reads there are. */
static unsigned
fail_each_read(struct tiles *tiles, question ask, uint64_t at)
{
    struct failing_tiles failing = {.tiles = tiles, .err = ERR_IO};
    unsigned n = 0;
    enum err err = ERR_IO;
    while (err != ERR_OK) {
        struct tree_cache *cache = tree_cache_new(64);
        assert_non_null(cache);
        const struct tree_reader reader = {read_failing, &failing, cache};
        struct proof proof = {.n = 4711};
        failing.reads_left = ++n;
        err = ask(&reader, at, &proof);
        if (err != ERR_OK) {
            assert_int_equal(err, ERR_IO);
            assert_int_equal(proof.n, 4711);
            /* What the failed question left in the cache is right: the next one is answered. */
            struct proof again;
            failing.reads_left = 0;
            assert_int_equal(ask(&reader, at, &again), ERR_OK);
        }
        tree_cache_free(cache);
        assert_in_range(n, 1, 100);
    }
    return n - 1;
}

static void
every_read_may_fail(void **state)
{
    struct tiles tiles = {0};
    unsigned reads = 0;
    (void)state;
    grow(&tiles, SIZE);
    const uint64_t places[] = {1, 31, 32, 33, 700, 1023, 1024, 1025, SIZE - 1};
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        unsigned inclusion = fail_each_read(&tiles, ask_inclusion, places[i]);
        unsigned consistency = fail_each_read(&tiles, ask_consistency, places[i]);
        assert_true(inclusion > 0 && consistency > 0);
        reads += inclusion + consistency;
    }
    print_message("%u reads failed, each told unchanged\n", reads);
    tiles_done(&tiles);
}

static void
a_cache_is_whole_or_none(void **state)
{
    (void)state;
    for (unsigned long n = 1; n <= 2; n++) {
        fail_alloc_at(n);
        struct tree_cache *cache = tree_cache_new(8);
        assert_true(fail_alloc_off());
        assert_null(cache);
    }
    fail_alloc_at(3);
    struct tree_cache *cache = tree_cache_new(8);
    assert_false(fail_alloc_off());
    assert_non_null(cache);
    tree_cache_freep(&cache);
    assert_null(cache);
    tree_cache_free(NULL);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_read_may_fail),
        cmocka_unit_test(a_cache_is_whole_or_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
