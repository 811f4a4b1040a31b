/* A proof holds for its own places and roots, and no change to any of them holds. The vectors are
 * those other implementations are tested with. */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "lib/base/file.h"
#include "lib/base/secret.h"
#include "lib/base/text.h"
#include "tests/unit/log/tiles.h"

enum { SIZES = 40, VECTORS = 196, VALUES_MAX = 64, FILE_MAX = 1 << 20, WORDS_MAX = 32 };

struct claim {
    uint64_t old, size;
    struct merkle_hash old_root, root;
    struct proof proof;
};

static enum err
check(const struct claim *claim)
{
    enum err err = proof_check_consistency(claim->old, claim->size, &claim->proof, &claim->old_root,
                                           &claim->root);
    assert_true(err == ERR_OK || err == ERR_MALFORMED || err == ERR_SIGNATURE);
    return err;
}

static void
no_change_holds(const struct claim *claim)
{
    struct claim changed;
    for (size_t i = 0; i < claim->proof.n; i++) {
        changed = *claim;
        changed.proof.hashes[i].bytes[i % MERKLE_HASH_BYTES] ^= 1;
        assert_int_equal(check(&changed), ERR_SIGNATURE);
    }
    changed = *claim;
    changed.old_root.bytes[0] ^= 1;
    assert_int_equal(check(&changed), ERR_SIGNATURE);
    changed = *claim;
    changed.root.bytes[31] ^= 1;
    assert_int_equal(check(&changed), ERR_SIGNATURE);
    changed = *claim;
    changed.proof.hashes[changed.proof.n++] = claim->root;
    assert_int_equal(check(&changed), ERR_MALFORMED);
    if (claim->proof.n > 0) {
        changed.proof.n = claim->proof.n - 1;
        assert_int_equal(check(&changed), ERR_MALFORMED);
    }
    changed = *claim;
    changed.old = 0;
    assert_int_equal(check(&changed), ERR_MALFORMED);
    changed.old = claim->size + 1;
    assert_int_equal(check(&changed), ERR_MALFORMED);
    for (changed.old = 1; changed.old <= SIZES; changed.old++) {
        assert_true((check(&changed) == ERR_OK) == (changed.old == claim->old));
    }
}

static void
no_changed_consistency_holds(void **state)
{
    (void)state;
    struct tree tree = {0};
    CLEANUP(tiles_done) struct tiles tiles = {0};
    CLEANUP(tree_cache_freep) struct tree_cache *cache = tree_cache_new(16);
    struct tree_reader reader = {.read = tiles_read, .context = &tiles, .cache = cache};
    for (uint64_t i = 0; i < SIZES; i++) {
        struct merkle_hash leaf = leaf_at(i);
        assert_int_equal(tree_append(&tree, &leaf, tiles_write, &tiles), ERR_OK);
    }
    assert_int_equal(tree_flush(&tree, tiles_write, &tiles), ERR_OK);
    for (uint64_t size = 1; size <= SIZES; size++) {
        for (uint64_t old = 1; old <= size; old++) {
            struct claim claim = {.old = old, .size = size};
            assert_int_equal(tree_root_at(&reader, old, &claim.old_root), ERR_OK);
            assert_int_equal(tree_root_at(&reader, size, &claim.root), ERR_OK);
            assert_int_equal(tree_consistency(&reader, old, size, &claim.proof), ERR_OK);
            assert_int_equal(check(&claim), ERR_OK);
            no_change_holds(&claim);
        }
    }
}

static void
lengths_are_told_from_hashes(void **state)
{
    (void)state;
    struct merkle_hash leaf = leaf_at(1);
    struct merkle_hash other = leaf_at(2);
    struct proof proof = {.n = 0};
    assert_int_equal(proof_check_inclusion(&leaf, 0, 1, &proof, &leaf), ERR_OK);
    assert_int_equal(proof_check_inclusion(&leaf, 0, 1, &proof, &other), ERR_SIGNATURE);
    assert_int_equal(proof_check_inclusion(&leaf, 1, 1, &proof, &leaf), ERR_MALFORMED);
    assert_int_equal(proof_check_inclusion(&leaf, 0, 0, &proof, &leaf), ERR_MALFORMED);
    assert_int_equal(proof_check_inclusion(&leaf, 0, 2, &proof, &leaf), ERR_MALFORMED);
    proof.n = PROOF_MAX + 1;
    assert_int_equal(proof_check_inclusion(&leaf, 0, 2, &proof, &leaf), ERR_MALFORMED);
    assert_int_equal(proof_check_consistency(1, 2, &proof, &leaf, &leaf), ERR_MALFORMED);
}

/* Sizes come from outside and may be any number. */
static void
any_size_ends(void **state)
{
    (void)state;
    static const uint64_t sizes[] = {1, 2, 3, 1ULL << 62, 1ULL << 63, UINT64_MAX - 1, UINT64_MAX};
    struct merkle_hash leaf = leaf_at(1);
    struct proof proof = {.n = 0};
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        for (size_t k = 0; k < ARRAY_LEN(sizes); k++) {
            for (proof.n = 0; proof.n <= PROOF_MAX; proof.n++) {
                bool same = sizes[i] == sizes[k] && proof.n == 0;
                assert_true((proof_check_consistency(sizes[i], sizes[k], &proof, &leaf, &leaf) ==
                             ERR_OK) == same);
                enum err err = proof_check_inclusion(&leaf, sizes[i], sizes[k], &proof, &leaf);
                assert_true(err == ERR_MALFORMED || err == ERR_SIGNATURE);
            }
        }
    }
}

static void
bytes_of_a_proof_go_both_ways(void **state)
{
    (void)state;
    struct proof proof = {.n = 0};
    struct proof back;
    for (size_t i = 0; i < PROOF_MAX; i++) {
        proof.hashes[i] = leaf_at(i);
    }
    for (proof.n = 0; proof.n <= PROOF_MAX; proof.n++) {
        struct bytes bytes = proof_bytes(&proof);
        assert_int_equal(bytes.len, proof.n * MERKLE_HASH_BYTES);
        assert_int_equal(proof_of_bytes(bytes, &back), ERR_OK);
        assert_true(bytes_equal(proof_bytes(&back), bytes));
    }
    uint8_t long_bytes[(PROOF_MAX + 1) * MERKLE_HASH_BYTES] = {0};
    static const size_t wrong[] = {1,
                                   31,
                                   33,
                                   PROOF_MAX * MERKLE_HASH_BYTES - 1,
                                   PROOF_MAX * MERKLE_HASH_BYTES + 1,
                                   sizeof(long_bytes)};
    back.n = 5;
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        assert_int_equal(proof_of_bytes(bytes_of(long_bytes, wrong[i]), &back), ERR_MALFORMED);
    }
    assert_int_equal(back.n, 5);
    assert_int_equal(proof_of_bytes(bytes_of(NULL, 0), &back), ERR_OK);
    assert_int_equal(back.n, 0);
}

/* One value of the vectors. Those that are no hash are there to be refused for their length, which
 * cannot happen to a struct merkle_hash: they are padded, and leaves of that kind are skipped. */
struct value {
    size_t len;
    struct merkle_hash hash;
};

struct vector {
    bool is_inclusion, holds;
    const char *name;
    uint64_t first, size;
    struct value a, b; /* leaf and root, or both roots */
    struct proof proof;
};

static size_t
split_words(char *line, char *words[WORDS_MAX])
{
    size_t n = 0;
    for (char *rest = line; rest != NULL && n < WORDS_MAX;) {
        words[n++] = strsep(&rest, " ");
    }
    return n;
}

static void
read_value(char *const *words, struct value *values)
{
    size_t place = strtoul(words[1], NULL, 10);
    assert_true(place < VALUES_MAX);
    values[place].len = strlen(words[2]) / 2;
    assert_true(values[place].len <= MERKLE_HASH_BYTES);
    assert_int_equal(text_unhex(words[2], values[place].hash.bytes, values[place].len), ERR_OK);
}

static struct value
value_of(const char *word, const struct value *values)
{
    struct value none = {0};
    return strcmp(word, "-") == 0 ? none : values[strtoul(word, NULL, 10)];
}

static void
read_vector(char *const *words, size_t n_words, const struct value *values, struct vector *vector)
{
    assert_true(n_words >= 7);
    *vector = (struct vector){.is_inclusion = strcmp(words[0], "inclusion") == 0,
                              .holds = strcmp(words[1], "holds") == 0,
                              .name = words[2],
                              .first = strtoull(words[3], NULL, 10),
                              .size = strtoull(words[4], NULL, 10),
                              .a = value_of(words[5], values),
                              .b = value_of(words[6], values)};
    for (size_t i = 7; i < n_words; i++) {
        vector->proof.hashes[vector->proof.n++] = value_of(words[i], values).hash;
    }
}

static bool
vector_holds(const struct vector *vector)
{
    if (!vector->is_inclusion) {
        return proof_check_consistency(vector->first, vector->size, &vector->proof, &vector->a.hash,
                                       &vector->b.hash) == ERR_OK;
    }
    return vector->a.len == MERKLE_HASH_BYTES &&
           proof_check_inclusion(&vector->a.hash, vector->first, vector->size, &vector->proof,
                                 &vector->b.hash) == ERR_OK;
}

static void
the_vectors_of_others_are_answered_alike(void **state)
{
    (void)state;
    static struct value values[VALUES_MAX];
    CLEANUP(buffer_done) struct buffer file = BUFFER_INIT(FILE_MAX);
    size_t n_vectors = 0;
    size_t n_holding = 0;
    assert_int_equal(file_read(VECTORS_DIR "/merkle.txt", &file), ERR_OK);
    buffer_put(&file, "", 1);
    assert_int_equal(buffer_err(&file), ERR_OK);
    for (char *rest = (char *)file.data, *line; (line = strsep(&rest, "\n")) != NULL;) {
        char *words[WORDS_MAX];
        struct vector vector;
        if (line[0] == '#' || line[0] == '\0') {
            continue;
        }
        size_t n_words = split_words(line, words);
        if (strcmp(words[0], "value") == 0) {
            read_value(words, values);
            continue;
        }
        read_vector(words, n_words, values, &vector);
        if (vector_holds(&vector) != vector.holds) {
            fail_msg("%s %s should%s hold", words[0], vector.name, vector.holds ? "" : " not");
        }
        n_vectors++;
        n_holding += vector.holds;
    }
    assert_int_equal(n_vectors, VECTORS);
    assert_int_equal(n_holding, 12);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_changed_consistency_holds),
        cmocka_unit_test(lengths_are_told_from_hashes),
        cmocka_unit_test(any_size_ends),
        cmocka_unit_test(bytes_of_a_proof_go_both_ways),
        cmocka_unit_test(the_vectors_of_others_are_answered_alike),
    };
    bool locked;
    return secret_start(&locked) == ERR_OK ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
