/* The growing tree has the roots of RFC 6962 at every size, goes on from its tiles as if it had
 * never stopped, and writes few of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "lib/base/secret.h"
#include "tests/unit/log/tiles.h"

enum { SIZE_MAX_SMALL = 1100, MANY = 1000000 };

static struct merkle_hash leaves[1 << MERKLE_PATH_MAX];

static void
append(struct tree *tree, struct tiles *tiles, uint64_t n)
{
    for (uint64_t i = 0; i < n; i++) {
        struct merkle_hash leaf = leaf_at(tree->size);
        assert_int_equal(tree_append(tree, &leaf, tiles_write, tiles), ERR_OK);
    }
}

static void
assert_root(const struct tree *tree)
{
    struct merkle_hash root;
    struct merkle_hash wanted;
    tree_root(tree, &root);
    merkle_root(leaves, (size_t)tree->size, &wanted);
    assert_memory_equal(&root, &wanted, sizeof(root));
}

static void
every_size_has_its_root(void **state)
{
    (void)state;
    static const uint64_t large[] = {2047, 2048, 32767, 32768, 32769, 33792, 65536};
    struct tree tree = {0};
    CLEANUP(tiles_done) struct tiles tiles = {0};
    assert_root(&tree);
    while (tree.size < SIZE_MAX_SMALL) {
        append(&tree, &tiles, 1);
        assert_root(&tree);
    }
    for (size_t i = 0; i < ARRAY_LEN(large); i++) {
        append(&tree, &tiles, large[i] - tree.size);
        assert_root(&tree);
    }
}

/* The tiles hold every hash of each row, and every row is the roots of the tiles under it. */
static void
assert_tiles(const struct tiles *tiles, uint64_t size)
{
    for (unsigned row = 0; row < TREE_ROWS; row++) {
        size_t width = (size_t)(size >> (TREE_TILE_LEVELS * row));
        for (size_t i = 0; i < width; i++) {
            struct merkle_hash wanted;
            size_t span = (size_t)1 << (TREE_TILE_LEVELS * row);
            merkle_root(leaves + i * span, span, &wanted);
            const struct kept_tile *tile = tiles_find(tiles, row, i / TREE_TILE_WIDTH);
            assert_non_null(tile);
            assert_true(i % TREE_TILE_WIDTH < tile->n);
            assert_memory_equal(&tile->hashes[i % TREE_TILE_WIDTH], &wanted, sizeof(wanted));
        }
        size_t n_tiles = (width + TREE_TILE_WIDTH - 1) / TREE_TILE_WIDTH;
        assert_int_equal(tiles->rows[row].n, n_tiles);
        assert_true(width == 0 ||
                    tiles->rows[row].tiles[n_tiles - 1].n == (width - 1) % TREE_TILE_WIDTH + 1);
    }
}

static void
a_flush_leaves_nothing_out(void **state)
{
    (void)state;
    static const uint64_t batches[] = {1, 1, 2, 27, 1, 1, 30, 1, 64, 5, 700, 190, 1, 1, 1024, 3};
    struct tree tree = {0};
    CLEANUP(tiles_done) struct tiles tiles = {0};
    for (size_t i = 0; i < ARRAY_LEN(batches); i++) {
        append(&tree, &tiles, batches[i]);
        assert_int_equal(tree_flush(&tree, tiles_write, &tiles), ERR_OK);
        assert_tiles(&tiles, tree.size);
    }
}

static void
it_goes_on_from_its_tiles_at_every_size(void **state)
{
    (void)state;
    struct tree tree = {0};
    CLEANUP(tiles_done) struct tiles tiles = {0};
    for (uint64_t size = 0; size < 1100; size++) {
        struct tree loaded;
        memset(&loaded, 0xee, sizeof(loaded));
        size_t n_read = tiles.n_read;
        assert_int_equal(tree_load(size, tiles_read, &tiles, &loaded), ERR_OK);
        assert_true(tiles.n_read - n_read <= 3);
        assert_int_equal(loaded.size, size);
        assert_root(&loaded);
        tree = loaded;
        append(&tree, &tiles, 1);
        assert_int_equal(tree_flush(&tree, tiles_write, &tiles), ERR_OK);
    }
    assert_tiles(&tiles, tree.size);
}

/* As when a transaction is given up: the tiles are longer than what is asked for. */
static void
it_goes_back_to_every_smaller_size(void **state)
{
    (void)state;
    struct tree tree = {0};
    CLEANUP(tiles_done) struct tiles tiles = {0};
    append(&tree, &tiles, 1100);
    assert_int_equal(tree_flush(&tree, tiles_write, &tiles), ERR_OK);
    for (uint64_t size = 0; size <= 1100; size++) {
        struct tree loaded;
        assert_int_equal(tree_load(size, tiles_read, &tiles, &loaded), ERR_OK);
        assert_root(&loaded);
    }
}

static void
few_tiles_are_written(void **state)
{
    (void)state;
    struct tree tree = {0};
    CLEANUP(tiles_done) struct tiles tiles = {0};
    assert_int_equal(tree_flush(&tree, tiles_write, &tiles), ERR_OK);
    assert_int_equal(tiles.n_written, 0);
    append(&tree, &tiles, 31);
    assert_int_equal(tiles.n_written, 0);
    append(&tree, &tiles, 1);
    assert_int_equal(tiles.n_written, 1);
    assert_int_equal(tree_flush(&tree, tiles_write, &tiles), ERR_OK);
    assert_int_equal(tiles.n_written, 2); /* the row above has its first hash */
    append(&tree, &tiles, 1);
    assert_int_equal(tree_flush(&tree, tiles_write, &tiles), ERR_OK);
    assert_int_equal(tiles.n_written, 3); /* the row above has not changed */
    assert_int_equal(tree_flush(&tree, tiles_write, &tiles), ERR_OK);
    assert_int_equal(tiles.n_written, 3);
    append(&tree, &tiles, 32767 - 33);
    assert_int_equal(tiles.n_written, 3 + 1022 + 31);
    append(&tree, &tiles, 1); /* a full tile in every one of three rows */
    assert_int_equal(tiles.n_written, 3 + 1023 + 32 + 1);
    assert_int_equal(tree_flush(&tree, tiles_write, &tiles), ERR_OK);
    assert_int_equal(tiles.n_written, 3 + 1023 + 32 + 1 + 1);
}

static void
an_error_goes_through(void **state)
{
    (void)state;
    struct tree tree = {0};
    struct tree loaded = {.size = 77};
    CLEANUP(tiles_done) struct tiles tiles = {0};
    append(&tree, &tiles, 40);
    assert_int_equal(tree_flush(&tree, tiles_write, &tiles), ERR_OK);
    tiles.failing = ERR_IO;
    assert_int_equal(tree_load(40, tiles_read, &tiles, &loaded), ERR_IO);
    assert_int_equal(loaded.size, 77);
    tiles.failing = ERR_DISK_FULL;
    struct merkle_hash leaf = leaf_at(40);
    assert_int_equal(tree_append(&tree, &leaf, tiles_write, &tiles), ERR_OK);
    assert_int_equal(tree_flush(&tree, tiles_write, &tiles), ERR_DISK_FULL);
    assert_int_equal(tree.flushed, 40);
    while (tree.size % TREE_TILE_WIDTH != TREE_TILE_WIDTH - 1) {
        assert_int_equal(tree_append(&tree, &leaf, tiles_write, &tiles), ERR_OK);
    }
    assert_int_equal(tree_append(&tree, &leaf, tiles_write, &tiles), ERR_DISK_FULL);
}

static void
tiles_that_are_not_there_are_corrupt(void **state)
{
    (void)state;
    struct tree tree = {0};
    struct tree loaded = {.size = 77};
    CLEANUP(tiles_done) struct tiles tiles = {0};
    append(&tree, &tiles, 1100);
    assert_int_equal(tree_flush(&tree, tiles_write, &tiles), ERR_OK);
    for (unsigned row = 0; row < 3; row++) {
        struct kept_tile *last = &tiles.rows[row].tiles[tiles.rows[row].n - 1];
        const size_t n = last->n;
        static const size_t wrong[] = {0, SIZE_MAX, TREE_TILE_WIDTH + 1};
        for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
            last->n = wrong[i];
            assert_int_equal(tree_load(1100, tiles_read, &tiles, &loaded), ERR_CORRUPT);
        }
        last->n = n - 1;
        assert_int_equal(tree_load(1100, tiles_read, &tiles, &loaded), ERR_CORRUPT);
        last->n = n;
    }
    assert_int_equal(tree_load(1101, tiles_read, &tiles, &loaded), ERR_CORRUPT);
    assert_int_equal(tree_load(TREE_SIZE_MAX + 1, tiles_read_endless, NULL, &loaded), ERR_CORRUPT);
    assert_int_equal(loaded.size, 77);
    assert_int_equal(tree_load(1100, tiles_read, &tiles, &loaded), ERR_OK);
}

static void
a_million_leaves(void **state)
{
    (void)state;
    struct tree tree = {0};
    struct merkle_hash root;
    struct merkle_hash left[2]; /* a million is 15625 times 64: joined by hand from that level */
    CLEANUP(tiles_done) struct tiles tiles = {0};
    append(&tree, &tiles, MANY);
    assert_int_equal(tree_flush(&tree, tiles_write, &tiles), ERR_OK);
    assert_int_equal(tiles.n_written, 31250 + 977 + 31 + 1);
    tree_root(&tree, &root);
    static struct merkle_hash nodes[MANY / 64];
    for (size_t i = 0; i < ARRAY_LEN(nodes); i++) {
        left[0] = tiles.rows[1].tiles[2 * i / TREE_TILE_WIDTH].hashes[2 * i % TREE_TILE_WIDTH];
        left[1] = tiles.rows[1].tiles[2 * i / TREE_TILE_WIDTH].hashes[2 * i % TREE_TILE_WIDTH + 1];
        merkle_root(left, 2, &nodes[i]);
    }
    struct merkle_hash wanted;
    merkle_root(nodes, ARRAY_LEN(nodes), &wanted);
    assert_memory_equal(&root, &wanted, sizeof(root));
}

static void
the_longest_log_is_reached(void **state)
{
    (void)state;
    struct tree tree;
    struct merkle_hash leaf = leaf_at(0);
    struct merkle_hash node = leaf;
    struct merkle_hash root;
    for (unsigned level = 0; level < 62; level++) {
        merkle_join(&node, &node, &node);
    }
    assert_int_equal(tree_load(TREE_SIZE_MAX, tiles_read_endless, NULL, &tree), ERR_OK);
    tree_root(&tree, &root);
    assert_memory_equal(&root, &node, sizeof(root));
    assert_int_equal(tree_load(TREE_SIZE_MAX - 1, tiles_read_endless, NULL, &tree), ERR_OK);
    for (unsigned row = 0; row < TREE_ROWS - 1; row++) {
        assert_int_equal(tree.edge[row].n, TREE_TILE_WIDTH - 1);
    }
    tree_root(&tree, &root);
    assert_memory_not_equal(&root, &node, sizeof(root));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_size_has_its_root),
        cmocka_unit_test(a_flush_leaves_nothing_out),
        cmocka_unit_test(it_goes_on_from_its_tiles_at_every_size),
        cmocka_unit_test(it_goes_back_to_every_smaller_size),
        cmocka_unit_test(few_tiles_are_written),
        cmocka_unit_test(an_error_goes_through),
        cmocka_unit_test(tiles_that_are_not_there_are_corrupt),
        cmocka_unit_test(a_million_leaves),
        cmocka_unit_test(the_longest_log_is_reached),
    };
    bool locked;
    for (size_t i = 0; i < ARRAY_LEN(leaves); i++) {
        leaves[i] = leaf_at(i);
    }
    return secret_start(&locked) == ERR_OK ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
