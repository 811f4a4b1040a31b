/* One signature over many statements: each proves itself, none proves another, memory only saves
 * work. */
#include "tests/unit/wire/case.h"

#include <stdlib.h>
#include <string.h>

#include "tests/unit/wire/fixture.h"

enum { TURN_MAX = 1000 };

static struct bytes leaves[LIMIT_TURN_STATEMENTS + 1];
static uint8_t texts[LIMIT_TURN_STATEMENTS + 1][8];
static struct turn_signature signatures[LIMIT_TURN_STATEMENTS];

static int
make_leaves(void **state)
{
    for (size_t i = 0; i < ARRAY_LEN(leaves); i++) {
        memcpy(texts[i], "leaf", 4);
        texts[i][4] = (uint8_t)(i >> 8);
        texts[i][5] = (uint8_t)i;
        leaves[i] = bytes_of(texts[i], 6);
    }
    return start_secrets(state);
}

static enum err
check(const struct fixture_org *org, size_t leaf, size_t signature, struct verified_root *memory)
{
    struct network_id network = fixture_network();
    return turn_check(SIGN_STATEMENTS, &network, leaves[leaf], &signatures[signature],
                      &org->keys.sign, memory);
}

static void
sign(const struct fixture_org *org, size_t n)
{
    struct network_id network = fixture_network();
    assert_ok(turn_sign(SIGN_STATEMENTS, &network, leaves, n, &org->sign, signatures));
}

static void
each_verifies_and_no_other_path_does(void **state)
{
    (void)state;
    static const size_t sizes[] = {1, 2, 3, 5, 64, TURN_MAX};
    struct fixture_org clinic = fixture_org(CLINIC);
    for (size_t s = 0; s < ARRAY_LEN(sizes); s++) {
        size_t n = sizes[s];
        struct verified_root memory = {0};
        sign(&clinic, n);
        assert_int_equal(
            memcmp(signatures[0].root_signature, signatures[n - 1].root_signature, SIGN_BYTES), 0);
        for (size_t i = 0; i < n; i++) {
            assert_ok(check(&clinic, i, i, n > 64 ? &memory : NULL));
            if (n > 1) {
                assert_err(check(&clinic, i, (i + 1) % n, &memory), ERR_SIGNATURE);
            }
        }
    }
}

/* The path built level by level is the RFC's, and the one the log's own code gives. */
static void
paths_are_the_rfc_s(void **state)
{
    (void)state;
    struct fixture_org clinic = fixture_org(CLINIC);
    static struct merkle_hash hashes[130];
    for (size_t n = 1; n <= ARRAY_LEN(hashes); n++) {
        sign(&clinic, n);
        for (size_t i = 0; i < n; i++) {
            merkle_leaf(leaves[i], &hashes[i]);
        }
        for (size_t i = 0; i < n; i++) {
            struct merkle_hash path[MERKLE_PATH_MAX];
            size_t n_path = merkle_path(hashes, n, i, path);
            assert_int_equal(signatures[i].n_path, n_path);
            assert_memory_equal(signatures[i].path, path, n_path * sizeof(path[0]));
        }
    }
}

static void
memory_skips_the_signature_only(void **state)
{
    (void)state;
    struct fixture_org clinic = fixture_org(CLINIC);
    struct verified_root memory = {0};
    sign(&clinic, 8);
    assert_ok(check(&clinic, 0, 0, &memory));
    assert_true(memory.filled);

    /* What is remembered is believed without Ed25519: a memory with a false root signature shows
     * it. */
    struct verified_root forged = memory;
    memset(forged.root_signature, 0, SIGN_BYTES);
    memset(signatures[1].root_signature, 0, SIGN_BYTES);
    assert_ok(check(&clinic, 1, 1, &forged));
    /* And what differs in anything is not. */
    assert_err(check(&clinic, 1, 1, &memory), ERR_SIGNATURE);
    assert_true(memory.filled);
    assert_ok(check(&clinic, 2, 2, &memory));
}

static void
memory_refuses_what_differs(void **state)
{
    (void)state;
    struct fixture_org clinic = fixture_org(CLINIC);
    struct fixture_org pantry = fixture_org(PANTRY);
    struct network_id network = fixture_network();
    struct network_id other = network;
    struct verified_root memory = {0};
    other.bytes[3] ^= 1;
    sign(&clinic, 4);
    assert_ok(check(&clinic, 0, 0, &memory));
    assert_err(check(&pantry, 0, 0, &memory), ERR_SIGNATURE);
    assert_err(check(&clinic, 1, 0, &memory), ERR_SIGNATURE);
    assert_err(
        turn_check(SIGN_RECEIPTS, &network, leaves[0], &signatures[0], &clinic.keys.sign, &memory),
        ERR_SIGNATURE);
    assert_err(
        turn_check(SIGN_STATEMENTS, &other, leaves[0], &signatures[0], &clinic.keys.sign, &memory),
        ERR_SIGNATURE);
    struct turn_signature larger = signatures[0];
    larger.size = 3; /* the same path fits three leaves: the size is signed */
    assert_err(
        turn_check(SIGN_STATEMENTS, &network, leaves[0], &larger, &clinic.keys.sign, &memory),
        ERR_SIGNATURE);
    assert_ok(check(&clinic, 3, 3, &memory));
}

static void
paths_out_of_bounds(void **state)
{
    (void)state;
    struct fixture_org clinic = fixture_org(CLINIC);
    struct network_id network = fixture_network();
    sign(&clinic, 4);
    struct turn_signature wrong[6];
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        wrong[i] = signatures[1];
    }
    wrong[0].size = 0;
    wrong[1].index = 4;
    wrong[2].n_path = 1;
    wrong[3].n_path = 3;
    wrong[4].size = LIMIT_TURN_STATEMENTS + 1;
    wrong[4].n_path = 13; /* the length that would fit */
    wrong[5].n_path = MERKLE_PATH_MAX + 1;
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        assert_err(
            turn_check(SIGN_STATEMENTS, &network, leaves[1], &wrong[i], &clinic.keys.sign, NULL),
            ERR_MALFORMED);
    }
}

static void
turn_bounds(void **state)
{
    (void)state;
    struct fixture_org clinic = fixture_org(CLINIC);
    struct network_id network = fixture_network();
    assert_err(turn_sign(SIGN_STATEMENTS, &network, leaves, LIMIT_TURN_STATEMENTS + 1, &clinic.sign,
                         signatures),
               ERR_TOO_LARGE);
    sign(&clinic, LIMIT_TURN_STATEMENTS);
    assert_ok(check(&clinic, LIMIT_TURN_STATEMENTS - 1, LIMIT_TURN_STATEMENTS - 1, NULL));
    sign(&clinic, 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_verifies_and_no_other_path_does),
        cmocka_unit_test(paths_are_the_rfc_s),
        cmocka_unit_test(memory_skips_the_signature_only),
        cmocka_unit_test(memory_refuses_what_differs),
        cmocka_unit_test(paths_out_of_bounds),
        cmocka_unit_test(turn_bounds),
    };
    return cmocka_run_group_tests(tests, make_leaves, NULL);
}
