/* Guessing the log times and the order of entries that nobody knows the place of: from the root
 * behind them alone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "broker/hole_search.h"

enum {
    PIECES_MAX = 300,
    ROW_BYTES = 40,
    BEFORE = 1000, /* entries before the hole */
    WORK = 200 * 1000,
};
static const int64_t noon = 1795000000000;

struct scene {
    struct hole_question question;
    uint8_t rows[PIECES_MAX][ROW_BYTES];
    struct hole_piece pieces[PIECES_MAX];
    size_t n_pieces;
    struct hole_edge behind; /* the log as it was, with the hole in it */
};

static enum err
write_nothing(void *context, unsigned row, uint64_t column, const struct merkle_hash *hashes,
              size_t n)
{
    (void)context;
    (void)row;
    (void)column;
    (void)hashes;
    (void)n;
    return ERR_OK;
}

static struct scene *
scene_new(uint64_t n_before, int64_t after_ms, int64_t before_ms)
{
    struct scene *scene = calloc(1, sizeof(*scene));
    struct tree *tree = calloc(1, sizeof(*tree));
    assert_non_null(scene);
    assert_non_null(tree);
    for (uint64_t i = 0; i < n_before; i++) {
        struct merkle_hash leaf;
        merkle_leaf(bytes_of(&i, sizeof(i)), &leaf);
        assert_int_equal(tree_append(tree, &leaf, write_nothing, NULL), ERR_OK);
    }
    hole_edge_of(tree, &scene->question.edge);
    free(tree);
    scene->question.after_ms = after_ms;
    scene->question.before_ms = before_ms;
    scene->behind = scene->question.edge;
    return scene;
}

static size_t
piece(struct scene *scene, uint64_t author, int64_t authored_ms)
{
    size_t at = scene->n_pieces++;
    assert_true(at < PIECES_MAX);
    memset(scene->rows[at], (int)(at % 251) + 1, ROW_BYTES);
    memcpy(scene->rows[at] + 8, &at, sizeof(at));
    scene->pieces[at] = (struct hole_piece){.row = bytes_of(scene->rows[at], ROW_BYTES),
                                            .author = author,
                                            .authored_ms = authored_ms,
                                            .stands = true,
                                            .after = HOLE_NONE};
    return at;
}

/* So it was: this piece stood next in the hole. */
static void
was(struct scene *scene, size_t at, int64_t log_time_ms)
{
    uint8_t row[ROW_BYTES];
    struct merkle_hash leaf;
    uint64_t rest = (uint64_t)log_time_ms;
    memcpy(row, scene->rows[at], ROW_BYTES);
    for (size_t i = 8; i-- > 0; rest >>= 8) {
        row[i] = (uint8_t)rest;
    }
    merkle_leaf(bytes_of(row, ROW_BYTES), &leaf);
    (void)hole_edge_push(&scene->behind, &leaf);
    (void)hole_edge_root(&scene->behind, &scene->question.root);
    scene->question.n++;
}

/* Runs to the end, at most `runs` times, each within its bound; frees the scene. */
static enum hole_outcome
search(struct scene *scene, size_t runs, struct hole_entry *found)
{
    struct hole_search *search = hole_search_new(&scene->question, scene->pieces, scene->n_pieces);
    enum hole_outcome outcome = HOLE_LATER;
    assert_non_null(search);
    for (size_t i = 0; outcome == HOLE_LATER && i < runs; i++) {
        outcome = hole_search_run(search, WORK);
        assert_in_range(hole_search_spent(search), 0, WORK + WORK / 100);
    }
    if (outcome == HOLE_FOUND && found != NULL) {
        memcpy(found, hole_search_found(search), scene->question.n * sizeof(*found));
    }
    hole_search_free(search);
    free(scene);
    return outcome;
}

static void
test_the_edge_is_the_tree(void **state)
{
    (void)state;
    struct tree *tree = calloc(1, sizeof(*tree));
    struct hole_edge edge = {.size = 0};
    assert_non_null(tree);
    for (uint64_t i = 0; i < 3000; i++) {
        struct merkle_hash leaf;
        struct merkle_hash expected;
        struct merkle_hash root;
        struct hole_edge taken;
        merkle_leaf(bytes_of(&i, sizeof(i)), &leaf);
        assert_int_equal(tree_append(tree, &leaf, write_nothing, NULL), ERR_OK);
        (void)hole_edge_push(&edge, &leaf);
        hole_edge_of(tree, &taken);
        tree_root(tree, &expected);
        (void)hole_edge_root(&edge, &root);
        assert_memory_equal(&root, &expected, sizeof(root));
        (void)hole_edge_root(&taken, &root);
        assert_memory_equal(&root, &expected, sizeof(root));
    }
    free(tree);
}

/* One entry, wherever it stands in a turn, or on its own, in logs of many sizes. */
static void
test_one(void **state)
{
    static const int64_t times[] = {1, 59999, 30000, 20001, 19000, 35000};
    (void)state;
    for (uint64_t size = 1; size < 130; size += 7) {
        for (size_t i = 0; i < ARRAY_LEN(times); i++) {
            struct hole_entry found[1];
            struct merkle_hash root;
            struct scene *scene = scene_new(size, noon, noon + 60000);
            (void)hole_edge_root(&scene->question.edge, &root);
            was(scene, piece(scene, 1, noon + 20000), noon + times[i]);
            assert_int_equal(search(scene, 10, found), HOLE_FOUND);
            assert_int_equal(found[0].log_time_ms, noon + times[i]);
            assert_memory_equal(&found[0].before, &root, sizeof(root));
        }
    }
}

/* Nobody holds anything behind it; the root is a checkpoint's. */
static void
test_at_the_end(void **state)
{
    struct hole_entry found[3];
    struct scene *scene = scene_new(BEFORE, noon, INT64_MAX);
    (void)state;
    size_t a = piece(scene, 1, noon + 5000);
    size_t b = piece(scene, 1, noon + 5000);
    size_t c = piece(scene, 2, noon + 4000);
    was(scene, a, noon + 5020);
    was(scene, b, noon + 5021);
    was(scene, c, noon + 5022);
    assert_int_equal(search(scene, 2, found), HOLE_FOUND);
    assert_int_equal(found[2].piece, c);
    assert_int_equal(found[2].log_time_ms, noon + 5022);

    scene = scene_new(BEFORE, noon, INT64_MAX);
    was(scene, piece(scene, 1, noon - 90000), noon + 1);
    assert_int_equal(search(scene, 1, NULL), HOLE_FOUND);
}

/* Some go on from before, some lead up to what is behind, some are a turn of their own. */
static void
test_times(void **state)
{
    static const int64_t times[][4] = {
        {1, 2, 3, 4},           {59996, 59997, 59998, 59999},
        {1, 2, 3, 59999},       {1, 59997, 59998, 59999},
        {30, 31, 32, 33},       {1, 30, 31, 32},
        {30, 31, 59998, 59999}, {1, 30, 31, 59999},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(times); i++) {
        struct hole_entry found[4];
        struct scene *scene = scene_new(BEFORE, noon, noon + 60000);
        for (size_t k = 0; k < 4; k++) {
            was(scene, piece(scene, 1, noon + 25), noon + times[i][k]);
        }
        assert_int_equal(search(scene, 3, found), HOLE_FOUND);
        for (size_t k = 0; k < 4; k++) {
            assert_int_equal(found[k].piece, k);
            assert_int_equal(found[k].log_time_ms, noon + times[i][k]);
        }
    }
}

/* Others that never came into the log, before, between and behind, of the same authors and of
 * others. */
static void
test_among_others(void **state)
{
    struct hole_entry found[4];
    struct scene *scene = scene_new(BEFORE, noon, noon + 60000);
    size_t own[6];
    size_t other[6];
    (void)state;
    for (size_t i = 0; i < 6; i++) {
        own[i] = piece(scene, 1, noon);
    }
    for (size_t i = 0; i < 20; i++) {
        (void)piece(scene, 2, noon);
    }
    for (size_t i = 0; i < 6; i++) {
        other[i] = piece(scene, 3, noon);
    }
    was(scene, other[2], noon + 1);
    was(scene, own[3], noon + 2);
    was(scene, own[5], noon + 3);
    was(scene, other[5], noon + 4);
    assert_int_equal(search(scene, 40, found), HOLE_FOUND);
    assert_int_equal(found[0].piece, other[2]);
    assert_int_equal(found[3].piece, other[5]);
}

/* A whole frame of one author, in the order in which it was written. */
static void
test_long_run(void **state)
{
    struct hole_entry found[HOLE_GAP_MAX];
    struct scene *scene = scene_new(BEFORE, noon, noon + 60000);
    (void)state;
    for (size_t i = 0; i < HOLE_GAP_MAX + 20; i++) {
        (void)piece(scene, 7, noon);
    }
    for (size_t i = 0; i < HOLE_GAP_MAX; i++) {
        was(scene, i, noon + 60000 - HOLE_GAP_MAX + (int64_t)i);
    }
    assert_int_equal(search(scene, 1, found), HOLE_FOUND);
    assert_int_equal(found[HOLE_GAP_MAX - 1].piece, HOLE_GAP_MAX - 1);
}

/* Three authors; two of them not in the order in which they say that they wrote. */
static void
test_out_of_order(void **state)
{
    struct scene *scene = scene_new(BEFORE, noon, noon + 60000);
    (void)state;
    size_t a = piece(scene, 1, noon);
    size_t b = piece(scene, 1, noon);
    size_t c = piece(scene, 2, noon);
    size_t d = piece(scene, 2, noon);
    size_t e = piece(scene, 3, noon);
    was(scene, d, noon + 59995);
    was(scene, b, noon + 59996);
    was(scene, e, noon + 59997);
    was(scene, a, noon + 59998);
    was(scene, c, noon + 59999);
    assert_int_equal(search(scene, 20, NULL), HOLE_FOUND);
}

/* What stands on another one comes behind it, or not at all. */
static void
test_chains(void **state)
{
    struct scene *scene = scene_new(BEFORE, noon, noon + 60000);
    (void)state;
    size_t a = piece(scene, 1, noon);
    size_t b = piece(scene, 1, noon);
    scene->pieces[b].stands = false;
    scene->pieces[b].after = a;
    was(scene, a, noon + 1);
    was(scene, b, noon + 2);
    assert_int_equal(search(scene, 1, NULL), HOLE_FOUND);

    scene = scene_new(BEFORE, noon, noon + 20);
    a = piece(scene, 1, noon);
    scene->pieces[a].stands = false;
    was(scene, a, noon + 1);
    assert_int_equal(search(scene, 3, NULL), HOLE_GIVEN_UP);
}

/* No candidate, no time, no right one: it ends. */
static void
test_given_up(void **state)
{
    struct scene *scene = scene_new(BEFORE, noon, noon + 60000);
    (void)state;
    was(scene, piece(scene, 1, noon), noon + 1);
    scene->n_pieces = 0;
    assert_int_equal(search(scene, 1, NULL), HOLE_GIVEN_UP);

    scene = scene_new(BEFORE, noon, noon + 2);
    was(scene, piece(scene, 1, noon), noon + 1);
    was(scene, piece(scene, 1, noon), noon + 2);
    assert_int_equal(search(scene, 1, NULL), HOLE_GIVEN_UP);

    scene = scene_new(BEFORE, noon, noon + 10);
    was(scene, piece(scene, 1, noon), noon + 1);
    scene->question.root.bytes[4] ^= 1;
    assert_int_equal(search(scene, 3, NULL), HOLE_GIVEN_UP);

    scene = scene_new(BEFORE, noon, noon + 10);
    (void)piece(scene, 1, INT64_MAX);
    (void)piece(scene, 1, INT64_MIN);
    was(scene, piece(scene, 1, 0), noon + 1);
    scene->question.root.bytes[4] ^= 1;
    assert_int_equal(search(scene, 3, NULL), HOLE_GIVEN_UP);
}

/* One with very many statements takes no more than its turn. */
static void
test_crowd(void **state)
{
    struct hole_entry found[3];
    struct scene *scene = scene_new(BEFORE, noon, noon + 60000);
    (void)state;
    for (size_t i = 0; i < 256; i++) {
        (void)piece(scene, 1, noon);
    }
    size_t a = piece(scene, 2, noon);
    for (size_t i = 0; i < 3; i++) {
        was(scene, i == 0 ? a : piece(scene, 2, noon), noon + 59997 + (int64_t)i);
    }
    assert_int_equal(search(scene, 4, found), HOLE_FOUND);
    assert_int_equal(found[0].piece, a);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_edge_is_the_tree),
        cmocka_unit_test(test_one),
        cmocka_unit_test(test_at_the_end),
        cmocka_unit_test(test_times),
        cmocka_unit_test(test_among_others),
        cmocka_unit_test(test_long_run),
        cmocka_unit_test(test_out_of_order),
        cmocka_unit_test(test_chains),
        cmocka_unit_test(test_given_up),
        cmocka_unit_test(test_crowd),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
