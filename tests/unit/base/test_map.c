/* The map against a plain array as model: what was put is found, what was removed is not. */
#include "lib/base/map.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void
put_find_replace_remove(void **state)
{
    (void)state;
    CLEANUP(map_freep) struct map *map = map_new(4);
    assert_non_null(map);
    int one = 1;
    int two = 2;
    assert_null(map_find(map, "abcd"));
    assert_null(map_remove(map, "abcd"));
    assert_int_equal(map_put(map, "abcd", &one), ERR_OK);
    assert_ptr_equal(map_find(map, "abcd"), &one);
    assert_null(map_find(map, "abce"));
    assert_int_equal(map_put(map, "abcd", &two), ERR_OK);
    assert_int_equal(map_count(map), 1);
    assert_ptr_equal(map_find(map, "abcd"), &two);
    assert_ptr_equal(map_remove(map, "abcd"), &two);
    assert_null(map_find(map, "abcd"));
    assert_int_equal(map_count(map), 0);
}

static void
the_key_is_copied(void **state)
{
    (void)state;
    CLEANUP(map_freep) struct map *map = map_new(3);
    assert_non_null(map);
    char key[4] = "abc";
    int value = 0;
    assert_int_equal(map_put(map, key, &value), ERR_OK);
    key[0] = 'x';
    assert_ptr_equal(map_find(map, "abc"), &value);
    assert_null(map_find(map, key));
}

static void
keys_of_every_length_work(void **state)
{
    (void)state;
    for (size_t len = 1; len <= 64; len++) {
        uint8_t a[64] = {0};
        uint8_t b[64] = {0};
        b[len - 1] = 1;
        int value_a = 0;
        int value_b = 0;
        CLEANUP(map_freep) struct map *map = map_new(len);
        assert_non_null(map);
        assert_int_equal(map_put(map, a, &value_a), ERR_OK);
        assert_int_equal(map_put(map, b, &value_b), ERR_OK);
        assert_ptr_equal(map_find(map, a), &value_a);
        assert_ptr_equal(map_find(map, b), &value_b);
    }
}

enum { MODEL_KEYS = 512, MODEL_STEPS = 40000 };

static void
check_walk(const struct map *map, uint8_t *const model[MODEL_KEYS], size_t count)
{
    bool seen[MODEL_KEYS] = {false};
    size_t cursor = 0;
    size_t n = 0;
    const void *key = NULL;
    void *value = NULL;
    while (map_next(map, &cursor, &key, &value)) {
        uint32_t i = 0;
        memcpy(&i, key, sizeof(i));
        assert_true(i < MODEL_KEYS);
        assert_false(seen[i]);
        assert_ptr_equal(value, model[i]);
        seen[i] = true;
        n++;
    }
    assert_int_equal(n, count);
    assert_false(map_next(map, &cursor, &key, &value));
}

/* Growth and removal in a fixed mixed order; removal that breaks a probe run shows up as a miss. */
static void
agrees_with_a_plain_array(void **state)
{
    (void)state;
    static uint8_t values[MODEL_KEYS];
    uint8_t *model[MODEL_KEYS] = {NULL};
    size_t count = 0;
    uint32_t number = 12345;
    CLEANUP(map_freep) struct map *map = map_new(sizeof(uint32_t));
    assert_non_null(map);
    for (size_t step = 0; step < MODEL_STEPS; step++) {
        number = number * 1664525U + 1013904223U;
        uint32_t i = (number >> 8) % MODEL_KEYS;
        /* Mostly adding in the first half, mostly removing in the second. */
        bool add = (number >> 24) % 4 != (step < MODEL_STEPS / 2 ? 0U : 1U) &&
                   (step < MODEL_STEPS / 2 || (number >> 26) % 2 == 0);
        assert_ptr_equal(map_find(map, &i), model[i]);
        if (add) {
            count += model[i] == NULL ? 1 : 0;
            model[i] = &values[(i + step) % MODEL_KEYS];
            assert_int_equal(map_put(map, &i, model[i]), ERR_OK);
        } else {
            count -= model[i] != NULL ? 1 : 0;
            assert_ptr_equal(map_remove(map, &i), model[i]);
            model[i] = NULL;
        }
        assert_int_equal(map_count(map), count);
        if (step % 1000 == 0) {
            check_walk(map, model, count);
        }
    }
    for (uint32_t i = 0; i < MODEL_KEYS; i++) {
        assert_ptr_equal(map_find(map, &i), model[i]);
    }
    check_walk(map, model, count);
}

/* The order of a walk follows the hash; two maps with one secret would walk alike. */
static void
every_map_has_its_own_secret(void **state)
{
    (void)state;
    uint8_t order[2][64];
    for (size_t m = 0; m < 2; m++) {
        CLEANUP(map_freep) struct map *map = map_new(1);
        assert_non_null(map);
        for (uint8_t i = 0; i < 64; i++) {
            assert_int_equal(map_put(map, &i, &order[0][i]), ERR_OK);
        }
        size_t cursor = 0;
        const void *key = NULL;
        void *value = NULL;
        for (size_t i = 0; map_next(map, &cursor, &key, &value); i++) {
            memcpy(&order[m][i], key, 1);
        }
    }
    assert_memory_not_equal(order[0], order[1], 64);
}

static void
freeing_nothing_is_allowed(void **state)
{
    (void)state;
    struct map *map = NULL;
    map_free(map);
    map_freep(&map);
    map = map_new(1);
    map_freep(&map);
    assert_null(map);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(put_find_replace_remove),
        cmocka_unit_test(the_key_is_copied),
        cmocka_unit_test(keys_of_every_length_work),
        cmocka_unit_test(agrees_with_a_plain_array),
        cmocka_unit_test(every_map_has_its_own_secret),
        cmocka_unit_test(freeing_nothing_is_allowed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
