/* Roots are those of RFC 6962; a path proves its leaf in its place and nothing else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/secret.h"
#include "lib/base/text.h"
#include "lib/log/merkle.h"

enum { TREE_MAX = 64, MANY = 1 << MERKLE_PATH_MAX };

static void
assert_hash(const struct merkle_hash *hash, const char *hex)
{
    char found[2 * MERKLE_HASH_BYTES + 1];
    text_hex(bytes_of(hash->bytes, MERKLE_HASH_BYTES), found);
    assert_string_equal(found, hex);
}

static bool
same(const struct merkle_hash *a, const struct merkle_hash *b)
{
    return memcmp(a, b, sizeof(*a)) == 0;
}

static void
make_leaves(struct merkle_hash *leaves, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        char text[32];
        (void)snprintf(text, sizeof(text), "leaf %zu", i);
        merkle_leaf(bytes_of_text(text), &leaves[i]);
    }
}

/* The leaves and roots that the certificate-transparency project tests with. */
static void
roots_are_those_of_certificate_transparency(void **state)
{
    (void)state;
    static const struct {
        const char *leaf;
        const char *root; /* of the tree that ends with this leaf */
    } vectors[] = {
        {"", "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"},
        {"00", "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"},
        {"10", "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77"},
        {"2021", "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7"},
        {"3031", "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4"},
        {"40414243", "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef"},
        {"5051525354555657", "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c"},
        {"606162636465666768696a6b6c6d6e6f",
         "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"},
    };
    struct merkle_hash leaves[ARRAY_LEN(vectors)];
    struct merkle_hash root;
    merkle_root(NULL, 0, &root);
    assert_hash(&root, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    for (size_t i = 0; i < ARRAY_LEN(vectors); i++) {
        uint8_t leaf[16];
        size_t len = strlen(vectors[i].leaf) / 2;
        assert_int_equal(text_unhex(vectors[i].leaf, leaf, len), ERR_OK);
        merkle_leaf(bytes_of(leaf, len), &leaves[i]);
        merkle_root(leaves, i + 1, &root);
        assert_hash(&root, vectors[i].root);
    }
}

/* A tree whose leaf is the inside of another's node must not have that node's hash. */
static void
a_leaf_is_never_a_node(void **state)
{
    (void)state;
    struct merkle_hash leaves[2];
    struct merkle_hash root;
    struct merkle_hash fake;
    make_leaves(leaves, 2);
    merkle_root(leaves, 2, &root);
    merkle_leaf(bytes_of(leaves, sizeof(leaves)), &fake);
    assert_false(same(&root, &fake));
}

static void
every_path_leads_to_the_root(void **state)
{
    (void)state;
    struct merkle_hash leaves[TREE_MAX];
    make_leaves(leaves, TREE_MAX);
    for (size_t n = 1; n <= TREE_MAX; n++) {
        struct merkle_hash root;
        merkle_root(leaves, n, &root);
        for (size_t index = 0; index < n; index++) {
            struct merkle_hash path[MERKLE_PATH_MAX];
            struct merkle_hash found;
            size_t n_path = merkle_path(leaves, n, index, path);
            assert_int_equal(merkle_root_from_path(&leaves[index], index, n, path, n_path, &found),
                             ERR_OK);
            assert_true(same(&found, &root));
        }
    }
}

struct proof {
    struct merkle_hash root;
    struct merkle_hash leaf;
    size_t index;
    size_t size;
    size_t n_path;
    struct merkle_hash path[MERKLE_PATH_MAX + 1];
};

static bool
holds(const struct proof *proof)
{
    struct merkle_hash found;
    memset(&found, 0xee, sizeof(found));
    enum err err = merkle_root_from_path(&proof->leaf, proof->index, proof->size, proof->path,
                                         proof->n_path, &found);
    if (err != ERR_OK) {
        assert_int_equal(err, ERR_MALFORMED);
        assert_int_equal(found.bytes[0], 0xee); /* untouched */
        return false;
    }
    return same(&found, &proof->root);
}

static void
no_change_holds(const struct proof *proof)
{
    struct proof changed = *proof;
    changed.leaf.bytes[proof->index % MERKLE_HASH_BYTES] ^= 1;
    assert_false(holds(&changed));
    for (size_t i = 0; i < proof->n_path; i++) {
        changed = *proof;
        changed.path[i].bytes[i] ^= 0x80;
        assert_false(holds(&changed));
    }
    for (size_t i = 1; i < proof->n_path; i++) {
        changed = *proof;
        changed.path[i] = proof->path[i - 1];
        changed.path[i - 1] = proof->path[i];
        assert_false(holds(&changed));
    }
    for (size_t index = 0; index < proof->size + 2; index++) {
        changed = *proof;
        changed.index = index;
        assert_true(holds(&changed) == (index == proof->index));
    }
    changed = *proof;
    changed.n_path++;
    assert_false(holds(&changed));
    if (proof->n_path > 0) {
        changed.n_path = proof->n_path - 1;
        assert_false(holds(&changed));
    }
    changed = *proof;
    changed.size = 0;
    assert_false(holds(&changed));
    changed.size = SIZE_MAX;
    assert_false(holds(&changed));
}

static void
no_changed_proof_holds(void **state)
{
    (void)state;
    struct merkle_hash leaves[TREE_MAX];
    make_leaves(leaves, TREE_MAX);
    for (size_t n = 1; n <= TREE_MAX; n++) {
        for (size_t index = 0; index < n; index++) {
            struct proof proof = {.leaf = leaves[index], .index = index, .size = n};
            merkle_root(leaves, n, &proof.root);
            proof.n_path = merkle_path(leaves, n, index, proof.path);
            assert_true(holds(&proof));
            no_change_holds(&proof);
        }
    }
}

static void
the_largest_tree_works(void **state)
{
    (void)state;
    static struct merkle_hash leaves[MANY];
    static const size_t indexes[] = {0, 1, 32767, 32768, MANY - 1};
    struct merkle_hash root;
    make_leaves(leaves, MANY);
    merkle_root(leaves, MANY, &root);
    for (size_t i = 0; i < ARRAY_LEN(indexes); i++) {
        struct merkle_hash path[MERKLE_PATH_MAX];
        struct merkle_hash found;
        size_t n_path = merkle_path(leaves, MANY, indexes[i], path);
        assert_int_equal(n_path, MERKLE_PATH_MAX);
        assert_int_equal(
            merkle_root_from_path(&leaves[indexes[i]], indexes[i], MANY, path, n_path, &found),
            ERR_OK);
        assert_true(same(&found, &root));
    }
}

/* A log's size comes from outside and may be any number. */
static void
any_size_ends(void **state)
{
    (void)state;
    static const uint64_t sizes[] = {UINT64_MAX, UINT64_MAX - 1, 1ULL << 63, (1ULL << 63) + 1};
    struct merkle_hash path[65];
    struct merkle_hash leaf;
    struct merkle_hash root;
    make_leaves(&leaf, 1);
    memset(path, 1, sizeof(path));
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        size_t n_right = 0;
        for (size_t n_path = 0; n_path <= ARRAY_LEN(path); n_path++) {
            n_right +=
                merkle_root_from_path(&leaf, sizes[i] - 1, sizes[i], path, n_path, &root) == ERR_OK;
        }
        assert_int_equal(n_right, 1);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(roots_are_those_of_certificate_transparency),
        cmocka_unit_test(a_leaf_is_never_a_node),
        cmocka_unit_test(every_path_leads_to_the_root),
        cmocka_unit_test(no_changed_proof_holds),
        cmocka_unit_test(the_largest_tree_works),
        cmocka_unit_test(any_size_ends),
    };
    bool locked;
    return secret_start(&locked) == ERR_OK ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
