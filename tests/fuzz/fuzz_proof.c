/* Any bytes as a proof. Alone they prove nothing about hashes nobody has joined; as a proof in a
 * small log they hold only when they are the very proof that the log gives. Input: two places (a
 * byte each, below SIZES; then eight bytes each, of any size), then the hashes. An odd first byte
 * asks for the changes to be made to the right proof instead. */
#include <string.h>

#include "tests/fuzz/fuzz.h"
#include "tests/unit/log/tiles.h"

enum { SIZES = 70 };

static struct tiles tiles;
static struct merkle_hash roots[SIZES + 1];
static struct tree_cache *cache;

static struct tree_reader
small_log(void)
{
    struct tree_reader reader = {.read = tiles_read, .context = &tiles};
    if (cache == NULL) {
        struct tree tree = {0};
        cache = tree_cache_new(8);
        FUZZ_HOLDS(cache != NULL);
        tree_root(&tree, &roots[0]);
        while (tree.size < SIZES) {
            struct merkle_hash leaf = leaf_at(tree.size);
            FUZZ_HOLDS(tree_append(&tree, &leaf, tiles_write, &tiles) == ERR_OK);
            tree_root(&tree, &roots[tree.size]);
        }
        FUZZ_HOLDS(tree_flush(&tree, tiles_write, &tiles) == ERR_OK);
    }
    reader.cache = cache;
    return reader;
}

static bool
is_refusal(enum err err)
{
    return err == ERR_MALFORMED || err == ERR_SIGNATURE;
}

/* Places of any size: hashes that nobody made lead nowhere. */
static void
check_alone(uint64_t first, uint64_t size, const struct proof *proof)
{
    struct merkle_hash leaf = leaf_at(1);
    struct merkle_hash root = leaf_at(2);
    FUZZ_HOLDS(is_refusal(proof_check_inclusion(&leaf, first, size, proof, &root)));
    FUZZ_HOLDS(is_refusal(proof_check_consistency(first, size, proof, &leaf, &root)));
}

/* Lays the bytes of one over the other. */
static void
change(struct proof *proof, const struct proof *by)
{
    uint8_t *bytes = (uint8_t *)proof->hashes;
    const uint8_t *with = (const uint8_t *)by->hashes;
    for (size_t i = 0; i < by->n * sizeof(by->hashes[0]); i++) {
        bytes[i] ^= with[i];
    }
    proof->n = by->n > proof->n ? by->n : proof->n;
}

static bool
same(const struct proof *a, const struct proof *b)
{
    return bytes_equal(proof_bytes(a), proof_bytes(b));
}

static void
check_in_log(uint64_t first, uint64_t size, bool changes, const struct proof *given)
{
    struct tree_reader reader = small_log();
    struct merkle_hash leaf = leaf_at(first);
    struct proof right = {0};
    struct proof tried = *given;
    if (first < size) {
        FUZZ_HOLDS(tree_inclusion(&reader, first, size, &right) == ERR_OK);
        tried = changes ? right : *given;
        if (changes) {
            change(&tried, given);
        }
    }
    enum err err = proof_check_inclusion(&leaf, first, size, &tried, &roots[size]);
    FUZZ_HOLDS(err == ERR_OK ? first < size && same(&tried, &right) : is_refusal(err));
    FUZZ_HOLDS(first >= size || err == ERR_OK || !same(&tried, &right));

    right = (struct proof){0};
    tried = *given;
    bool has_proof = first > 0 && first <= size;
    if (has_proof) {
        FUZZ_HOLDS(tree_consistency(&reader, first, size, &right) == ERR_OK);
        tried = changes ? right : *given;
        if (changes) {
            change(&tried, given);
        }
    }
    err = proof_check_consistency(first, size, &tried, &roots[first], &roots[size]);
    FUZZ_HOLDS(err == ERR_OK ? has_proof && same(&tried, &right) : is_refusal(err));
    FUZZ_HOLDS(!has_proof || err == ERR_OK || !same(&tried, &right));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct reader reader = reader_of(bytes_of(data, size));
    fuzz_start();
    uint8_t near_first = reader_u8(&reader);
    uint8_t near_size = reader_u8(&reader);
    uint64_t far_first = reader_u64(&reader);
    uint64_t far_size = reader_u64(&reader);
    struct proof proof = {.n = PROOF_MAX + 1};
    if (reader.bad || proof_of_bytes(reader.rest, &proof) != ERR_OK) {
        FUZZ_HOLDS(proof.n == PROOF_MAX + 1);
        return 0;
    }
    FUZZ_HOLDS(bytes_equal(proof_bytes(&proof), reader.rest));
    check_alone(far_first, far_size, &proof);
    check_in_log((near_first >> 1) % (SIZES + 1), near_size % (SIZES + 1), (near_first & 1) != 0,
                 &proof);
    return 0;
}
