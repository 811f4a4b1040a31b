/* Proofs from tiles are those of RFC 9162, whatever the cache holds; tiles that do not fit are told
 * from questions that make no sense. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <time.h>

#include <cmocka.h>

#include "lib/base/secret.h"
#include "tests/unit/log/tiles.h"

enum { SMALL = 260, PAIRS = 130, MIDDLE = 40000, MANY = 1000000 };

static struct merkle_hash leaves[1 << MERKLE_PATH_MAX];

static void
grow(struct tree *tree, struct tiles *tiles, uint64_t size)
{
    while (tree->size < size) {
        struct merkle_hash leaf = leaf_at(tree->size);
        assert_int_equal(tree_append(tree, &leaf, tiles_write, tiles), ERR_OK);
    }
    assert_int_equal(tree_flush(tree, tiles_write, tiles), ERR_OK);
}

static struct tree_reader
reader_over(struct tiles *tiles, struct tree_cache *cache)
{
    assert_non_null(cache);
    return (struct tree_reader){.read = tiles_read, .context = tiles, .cache = cache};
}

/* SUBPROOF of RFC 9162 section 2.1.4.1, word for word. */
static void
consistency_by_the_book(size_t old, const struct merkle_hash *from, size_t n, bool whole,
                        struct proof *proof)
{
    if (old == n) {
        if (!whole) {
            merkle_root(from, n, &proof->hashes[proof->n++]);
        }
        return;
    }
    size_t k = 1;
    while (2 * k < n) {
        k *= 2;
    }
    if (old <= k) {
        consistency_by_the_book(old, from, k, whole, proof);
        merkle_root(from + k, n - k, &proof->hashes[proof->n++]);
    } else {
        consistency_by_the_book(old - k, from + k, n - k, false, proof);
        merkle_root(from, k, &proof->hashes[proof->n++]);
    }
}

static void
assert_inclusion(const struct tree_reader *reader, size_t index, size_t size)
{
    struct proof proof;
    struct merkle_hash path[MERKLE_PATH_MAX];
    memset(&proof, 0xee, sizeof(proof));
    assert_int_equal(tree_inclusion(reader, index, size, &proof), ERR_OK);
    size_t n = merkle_path(leaves, size, index, path);
    assert_int_equal(proof.n, n);
    assert_memory_equal(proof.hashes, path, n * sizeof(path[0]));
}

static void
assert_consistency(const struct tree_reader *reader, size_t old, size_t size)
{
    struct proof proof;
    struct proof wanted = {0};
    memset(&proof, 0xee, sizeof(proof));
    assert_int_equal(tree_consistency(reader, old, size, &proof), ERR_OK);
    if (old > 0 && old < size) {
        consistency_by_the_book(old, leaves, size, true, &wanted);
    }
    assert_int_equal(proof.n, wanted.n);
    assert_memory_equal(proof.hashes, wanted.hashes, wanted.n * sizeof(wanted.hashes[0]));
}

static void
assert_root(const struct tree_reader *reader, size_t size)
{
    struct merkle_hash root;
    struct merkle_hash wanted;
    assert_int_equal(tree_root_at(reader, size, &root), ERR_OK);
    merkle_root(leaves, size, &wanted);
    assert_memory_equal(&root, &wanted, sizeof(root));
}

static void
leaves_are_proved_at_every_size(void **state)
{
    (void)state;
    struct tree tree = {0};
    CLEANUP(tiles_done) struct tiles tiles = {0};
    CLEANUP(tree_cache_freep) struct tree_cache *cache = tree_cache_new(64);
    struct tree_reader reader = reader_over(&tiles, cache);
    grow(&tree, &tiles, SMALL);
    assert_root(&reader, 0);
    for (size_t size = 1; size <= SMALL; size++) {
        assert_root(&reader, size);
        /* Every leaf at some sizes, and a third of them in turn at the others. */
        size_t step = size <= 70 || size % 64 <= 1 ? 1 : 3;
        for (size_t index = size % step; index < size; index += step) {
            assert_inclusion(&reader, index, size);
        }
    }
}

static void
every_pair_of_sizes_is_consistent(void **state)
{
    (void)state;
    struct tree tree = {0};
    CLEANUP(tiles_done) struct tiles tiles = {0};
    CLEANUP(tree_cache_freep) struct tree_cache *cache = tree_cache_new(64);
    struct tree_reader reader = reader_over(&tiles, cache);
    grow(&tree, &tiles, PAIRS);
    for (size_t old = 0; old <= PAIRS; old++) {
        for (size_t size = old; size <= PAIRS; size++) {
            assert_consistency(&reader, old, size);
        }
    }
}

/* As a broker does: the cache sees every tile while it grows, and proofs are made for old heads and
 * new ones in turn. */
static void
the_cache_grows_with_the_tree(void **state)
{
    (void)state;
    static const size_t cache_sizes[] = {0, 2, 64};
    for (size_t i = 0; i < ARRAY_LEN(cache_sizes); i++) {
        struct tree tree = {0};
        CLEANUP(tiles_done) struct tiles tiles = {0};
        CLEANUP(tree_cache_freep) struct tree_cache *cache = tree_cache_new(cache_sizes[i]);
        struct tree_reader reader = reader_over(&tiles, cache);
        size_t told = 0;
        for (size_t size = 1; size <= 1100; size += 1 + size % 11) {
            grow(&tree, &tiles, size);
            assert_consistency(&reader, told, size);
            assert_inclusion(&reader, size - 1, size);
            assert_inclusion(&reader, told, size);
            assert_inclusion(&reader, size / 2, size);
            assert_root(&reader, size);
            assert_root(&reader, size / 2 + 1);
            told = size;
        }
    }
}

static void
large_trees_too(void **state)
{
    (void)state;
    static const size_t sizes[] = {1023, 1024, 1025, 32767, 32768, 32769, 33000, MIDDLE};
    struct merkle_hash roots[ARRAY_LEN(sizes)];
    struct tree tree = {0};
    CLEANUP(tiles_done) struct tiles tiles = {0};
    CLEANUP(tree_cache_freep) struct tree_cache *cache = tree_cache_new(256);
    struct tree_reader reader = reader_over(&tiles, cache);
    grow(&tree, &tiles, MIDDLE);
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        merkle_root(leaves, sizes[i], &roots[i]);
        assert_root(&reader, sizes[i]);
        assert_inclusion(&reader, sizes[i] / 3, sizes[i]);
        for (size_t k = 0; k <= i; k++) {
            struct proof proof;
            size_t last = sizes[k] - 1;
            assert_int_equal(tree_inclusion(&reader, last, sizes[i], &proof), ERR_OK);
            assert_int_equal(
                proof_check_inclusion(&leaves[last], last, sizes[i], &proof, &roots[i]), ERR_OK);
            assert_int_equal(tree_consistency(&reader, sizes[k], sizes[i], &proof), ERR_OK);
            assert_int_equal(
                proof_check_consistency(sizes[k], sizes[i], &proof, &roots[k], &roots[i]), ERR_OK);
        }
    }
}

static void
a_cache_spares_reading(void **state)
{
    (void)state;
    struct tree tree = {0};
    struct proof proof;
    CLEANUP(tiles_done) struct tiles tiles = {0};
    CLEANUP(tree_cache_freep) struct tree_cache *cache = tree_cache_new(256);
    struct tree_reader reader = reader_over(&tiles, cache);
    grow(&tree, &tiles, MIDDLE);
    assert_int_equal(tree_inclusion(&reader, 5000, MIDDLE, &proof), ERR_OK);
    size_t first = tiles.n_read;
    assert_true(first > 0 && first <= 8);
    assert_int_equal(tree_inclusion(&reader, 5001, MIDDLE, &proof), ERR_OK);
    assert_int_equal(tree_inclusion(&reader, 5000, MIDDLE, &proof), ERR_OK);
    assert_int_equal(tiles.n_read, first);
    tree_cache_clear(cache);
    assert_int_equal(tree_inclusion(&reader, 5000, MIDDLE, &proof), ERR_OK);
    assert_int_equal(tiles.n_read, 2 * first);
}

/* The transaction that held the last leaves is given up, and others come instead. */
static void
a_cleared_cache_has_forgotten(void **state)
{
    (void)state;
    struct tree tree = {0};
    struct tree staged;
    struct merkle_hash other = leaf_at(UINT64_MAX);
    struct merkle_hash root;
    struct merkle_hash wanted;
    CLEANUP(tiles_done) struct tiles tiles = {0};
    CLEANUP(tree_cache_freep) struct tree_cache *cache = tree_cache_new(8);
    struct tree_reader reader = reader_over(&tiles, cache);
    grow(&tree, &tiles, 40);
    staged = tree;
    grow(&staged, &tiles, 41);
    assert_root(&reader, 41);
    assert_int_equal(tree_append(&tree, &other, tiles_write, &tiles), ERR_OK);
    assert_int_equal(tree_flush(&tree, tiles_write, &tiles), ERR_OK);
    tree_cache_clear(cache);
    tree_root(&tree, &wanted);
    assert_int_equal(tree_root_at(&reader, 41, &root), ERR_OK);
    assert_memory_equal(&root, &wanted, sizeof(root));
}

static void
questions_without_sense_are_refused(void **state)
{
    (void)state;
    struct tree tree = {0};
    struct proof proof = {.n = 7};
    struct merkle_hash root = {{1}};
    CLEANUP(tiles_done) struct tiles tiles = {0};
    CLEANUP(tree_cache_freep) struct tree_cache *cache = tree_cache_new(8);
    struct tree_reader reader = reader_over(&tiles, cache);
    grow(&tree, &tiles, 10);
    assert_int_equal(tree_inclusion(&reader, 10, 10, &proof), ERR_INVALID);
    assert_int_equal(tree_inclusion(&reader, 0, 0, &proof), ERR_INVALID);
    assert_int_equal(tree_inclusion(&reader, UINT64_MAX, 10, &proof), ERR_INVALID);
    assert_int_equal(tree_inclusion(&reader, 1, UINT64_MAX, &proof), ERR_INVALID);
    assert_int_equal(tree_consistency(&reader, 10, 9, &proof), ERR_INVALID);
    assert_int_equal(tree_consistency(&reader, 1, UINT64_MAX, &proof), ERR_INVALID);
    assert_int_equal(tree_root_at(&reader, TREE_SIZE_MAX + 1, &root), ERR_INVALID);
    assert_int_equal(proof.n, 7);
    assert_int_equal(root.bytes[0], 1);
}

static void
tiles_that_do_not_fit_are_corrupt(void **state)
{
    (void)state;
    enum { SIZE = 1100 };
    struct tree tree = {0};
    CLEANUP(tiles_done) struct tiles tiles = {0};
    CLEANUP(tree_cache_freep) struct tree_cache *cache = tree_cache_new(64);
    struct tree_reader reader = reader_over(&tiles, cache);
    grow(&tree, &tiles, SIZE);
    for (unsigned row = 0; row < 3; row++) {
        struct proof proof = {.n = 7};
        struct merkle_hash root = {{1}};
        struct kept_tile *last = &tiles.rows[row].tiles[tiles.rows[row].n - 1];
        const size_t wrong[] = {0, last->n - 1, TREE_TILE_WIDTH + 1};
        const size_t n = last->n;
        for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
            tree_cache_clear(cache);
            last->n = wrong[i];
            assert_int_equal(tree_root_at(&reader, SIZE, &root), ERR_CORRUPT);
            assert_int_equal(tree_inclusion(&reader, 3, SIZE, &proof), ERR_CORRUPT);
            assert_int_equal(tree_consistency(&reader, 3, SIZE, &proof), ERR_CORRUPT);
            assert_int_equal(proof.n, 7);
            assert_int_equal(root.bytes[0], 1);
            /* What was begun and failed is not remembered as right. */
            last->n = n;
            assert_root(&reader, SIZE);
        }
    }
    /* The right edge of the larger size was begun over that of the smaller. */
    assert_int_equal(tree_root_at(&reader, SIZE + 4, &(struct merkle_hash){{0}}), ERR_CORRUPT);
    assert_inclusion(&reader, SIZE - 10, SIZE);
    tiles.failing = ERR_IO;
    tree_cache_clear(cache);
    assert_int_equal(tree_root_at(&reader, SIZE, &(struct merkle_hash){{0}}), ERR_IO);
}

static void
an_altered_tile_proves_nothing(void **state)
{
    (void)state;
    struct tree tree = {0};
    struct proof proof;
    struct merkle_hash root;
    struct merkle_hash leaf = leaf_at(70);
    CLEANUP(tiles_done) struct tiles tiles = {0};
    CLEANUP(tree_cache_freep) struct tree_cache *cache = tree_cache_new(64);
    struct tree_reader reader = reader_over(&tiles, cache);
    grow(&tree, &tiles, 100);
    tree_root(&tree, &root);
    tiles.rows[0].tiles[2].hashes[7].bytes[31] ^= 1;
    assert_int_equal(tree_inclusion(&reader, 70, 100, &proof), ERR_OK);
    assert_int_equal(proof_check_inclusion(&leaf, 70, 100, &proof, &root), ERR_SIGNATURE);
}

static double
seconds(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* A broker makes two or three proofs for every statement: generous by ten, so that a slow machine
 * does not fail, and a proof that rebuilds anything does. */
static void
a_million_leaves_are_proved_fast(void **state)
{
    (void)state;
    enum { ROUNDS = 2000 };
    struct tree tree = {0};
    struct merkle_hash root;
    CLEANUP(tiles_done) struct tiles tiles = {0};
    CLEANUP(tree_cache_freep) struct tree_cache *cache = tree_cache_new(4096);
    struct tree_reader reader = reader_over(&tiles, cache);
    grow(&tree, &tiles, MANY - 1);
    tree_root(&tree, &root);
    struct proof proof;
    double start = seconds();
    for (uint64_t i = 0; i < ROUNDS; i++) {
        uint64_t index = MANY - 2 - i * 7;
        assert_int_equal(tree_inclusion(&reader, index, MANY - 1, &proof), ERR_OK);
    }
    double spent = seconds() - start;
    start = seconds();
    for (uint64_t i = 0; i < ROUNDS; i++) {
        assert_int_equal(tree_inclusion(&reader, MANY - 2 - i * 7, MANY - 1, &proof), ERR_OK);
    }
    double spent_warm = seconds() - start;
    print_message("%.1f us a proof, %.1f us with every tile at hand\n", 1e6 * spent / ROUNDS,
                  1e6 * spent_warm / ROUNDS);
    assert_true(1e6 * spent_warm / ROUNDS < 100);
    for (uint64_t i = 0; i < ROUNDS; i++) {
        uint64_t index = i * 499;
        struct merkle_hash leaf = leaf_at(index);
        assert_int_equal(tree_inclusion(&reader, index, MANY - 1, &proof), ERR_OK);
        assert_int_equal(proof_check_inclusion(&leaf, index, MANY - 1, &proof, &root), ERR_OK);
    }
    for (uint64_t old = 1; old < MANY; old += 9973) {
        struct merkle_hash old_root;
        assert_int_equal(tree_root_at(&reader, old, &old_root), ERR_OK);
        assert_int_equal(tree_consistency(&reader, old, MANY - 1, &proof), ERR_OK);
        assert_int_equal(proof_check_consistency(old, MANY - 1, &proof, &old_root, &root), ERR_OK);
    }
}

static void
the_longest_log_is_proved(void **state)
{
    (void)state;
    static const uint64_t sizes[] = {TREE_SIZE_MAX, TREE_SIZE_MAX - 1, TREE_SIZE_MAX / 2 + 1,
                                     ((uint64_t)1 << 60) + 1};
    struct merkle_hash leaf = leaf_at(0);
    CLEANUP(tree_cache_freep) struct tree_cache *cache = tree_cache_new(64);
    struct tree_reader reader = {.read = tiles_read_endless, .cache = cache};
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        const uint64_t olds[] = {1, 2, 3, sizes[i] / 2, sizes[i] / 2 + 1, sizes[i] - 1};
        struct merkle_hash root;
        struct proof proof;
        assert_int_equal(tree_root_at(&reader, sizes[i], &root), ERR_OK);
        for (size_t k = 0; k < ARRAY_LEN(olds); k++) {
            struct merkle_hash old_root;
            assert_int_equal(tree_root_at(&reader, olds[k], &old_root), ERR_OK);
            assert_int_equal(tree_consistency(&reader, olds[k], sizes[i], &proof), ERR_OK);
            assert_int_equal(proof_check_consistency(olds[k], sizes[i], &proof, &old_root, &root),
                             ERR_OK);
            assert_int_equal(tree_inclusion(&reader, olds[k], sizes[i], &proof), ERR_OK);
            assert_int_equal(proof_check_inclusion(&leaf, olds[k], sizes[i], &proof, &root),
                             ERR_OK);
        }
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(leaves_are_proved_at_every_size),
        cmocka_unit_test(every_pair_of_sizes_is_consistent),
        cmocka_unit_test(the_cache_grows_with_the_tree),
        cmocka_unit_test(large_trees_too),
        cmocka_unit_test(a_cache_spares_reading),
        cmocka_unit_test(a_cleared_cache_has_forgotten),
        cmocka_unit_test(questions_without_sense_are_refused),
        cmocka_unit_test(tiles_that_do_not_fit_are_corrupt),
        cmocka_unit_test(an_altered_tile_proves_nothing),
        cmocka_unit_test(a_million_leaves_are_proved_fast),
        cmocka_unit_test(the_longest_log_is_proved),
    };
    bool locked;
    for (size_t i = 0; i < ARRAY_LEN(leaves); i++) {
        leaves[i] = leaf_at(i);
    }
    return secret_start(&locked) == ERR_OK ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
