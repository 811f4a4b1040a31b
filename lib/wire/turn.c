/* One signature over many statements: the tree of a turn, and the check of one leaf of it. It
 * decides which bytes Ed25519 signs (network, size, root) and refuses to know what the leaves say.
 *
 * The size is signed with the root because a root alone fits trees of several sizes. The memory of
 * the last verified root compares everything that was verified, so it can only save work. */
#include "lib/wire/turn.h"

#include <stdlib.h>
#include <string.h>

#include "lib/wire/codec.h"

enum { SIZE_BYTES = 4, SIGNED_PARTS = 3 };

_Static_assert(sizeof(struct merkle_hash) == MERKLE_HASH_BYTES, "paths are packed");
_Static_assert(LIMIT_TURN_STATEMENTS <= 1 << MERKLE_PATH_MAX, "a path holds every level");

/* What Ed25519 signs, laid out in `size_bytes` and views. */
static void
signed_parts(const struct network_id *network, uint32_t size, const struct merkle_hash *root,
             uint8_t size_bytes[SIZE_BYTES], struct bytes parts_out[SIGNED_PARTS])
{
    for (size_t i = 0; i < SIZE_BYTES; i++) {
        size_bytes[i] = (uint8_t)(size >> (8 * (SIZE_BYTES - 1 - i)));
    }
    parts_out[0] = bytes_of(network->bytes, sizeof(network->bytes));
    parts_out[1] = bytes_of(size_bytes, SIZE_BYTES);
    parts_out[2] = bytes_of(root->bytes, sizeof(root->bytes));
}

/* Hashes one level into the next: pairs are joined, an odd last one moves up as it is. This is the
 * RFC's tree, built from below. `merkle_root` of two hashes is the RFC's inner node. */
static size_t
raise_level(struct merkle_hash *level, size_t n)
{
    size_t up = 0;
    for (size_t i = 0; i < n; i += 2) {
        if (i + 1 < n) {
            merkle_root(&level[i], 2, &level[up++]);
        } else {
            level[up++] = level[i];
        }
    }
    return up;
}

/* On a level of n, leaf i hangs below node i >> height; its sibling there, if any, joins its path.
 */
static void
note_siblings(const struct merkle_hash *level, size_t n, unsigned height,
              struct turn_signature *signatures, size_t n_leaves)
{
    for (size_t i = 0; i < n_leaves; i++) {
        size_t sibling = (i >> height) ^ 1;
        if (sibling < n) {
            signatures[i].path[signatures[i].n_path++] = level[sibling];
        }
    }
}

/* All paths in one pass over the tree: one by one they would cost n hashes each. */
static struct merkle_hash
build_tree(struct merkle_hash *level, size_t n_leaves, struct turn_signature *signatures)
{
    size_t n = n_leaves;
    for (unsigned height = 0; n > 1; height++) {
        note_siblings(level, n, height, signatures, n_leaves);
        n = raise_level(level, n);
    }
    return level[0];
}

static void
free_hashes(struct merkle_hash **hashes)
{
    free(*hashes);
}

enum err
turn_sign(enum sign_use use, const struct network_id *network, const struct bytes *leaves, size_t n,
          const struct sign_secret *secret, struct turn_signature *signatures_out)
{
    uint8_t size_bytes[SIZE_BYTES];
    uint8_t root_signature[SIGN_BYTES];
    struct bytes parts[SIGNED_PARTS];
    if (n > LIMIT_TURN_STATEMENTS) {
        return ERR_TOO_LARGE;
    }
    if (n == 0) {
        return ERR_OK;
    }
    CLEANUP(free_hashes) struct merkle_hash *hashes = calloc(n, sizeof(*hashes));
    if (hashes == NULL) {
        return ERR_MEMORY;
    }
    for (size_t i = 0; i < n; i++) {
        merkle_leaf(leaves[i], &hashes[i]);
        signatures_out[i] = (struct turn_signature){.size = (uint32_t)n, .index = (uint32_t)i};
    }
    struct merkle_hash root = build_tree(hashes, n, signatures_out);
    signed_parts(network, (uint32_t)n, &root, size_bytes, parts);
    sign_make(use, parts, SIGNED_PARTS, secret, root_signature);
    for (size_t i = 0; i < n; i++) {
        memcpy(signatures_out[i].root_signature, root_signature, SIGN_BYTES);
    }
    return ERR_OK;
}

static bool
is_remembered(const struct verified_root *memory, const struct verified_root *wanted)
{
    return memory != NULL && memory->filled && memory->use == wanted->use &&
           memory->size == wanted->size &&
           memcmp(&memory->network, &wanted->network, sizeof(wanted->network)) == 0 &&
           memcmp(&memory->key, &wanted->key, sizeof(wanted->key)) == 0 &&
           memcmp(&memory->root, &wanted->root, sizeof(wanted->root)) == 0 &&
           memcmp(memory->root_signature, wanted->root_signature, SIGN_BYTES) == 0;
}

enum err
turn_check(enum sign_use use, const struct network_id *network, struct bytes leaf,
           const struct turn_signature *signature, const struct sign_public *key,
           struct verified_root *memory)
{
    uint8_t size_bytes[SIZE_BYTES];
    struct bytes parts[SIGNED_PARTS];
    struct merkle_hash hash;
    struct verified_root wanted = {
        .filled = true, .use = use, .network = *network, .key = *key, .size = signature->size};
    if (!turn_fields_ok(signature)) {
        return ERR_MALFORMED;
    }
    merkle_leaf(leaf, &hash);
    enum err err = merkle_root_from_path(&hash, signature->index, signature->size, signature->path,
                                         signature->n_path, &wanted.root);
    if (err != ERR_OK) {
        return err;
    }
    memcpy(wanted.root_signature, signature->root_signature, SIGN_BYTES);
    if (is_remembered(memory, &wanted)) {
        return ERR_OK;
    }
    signed_parts(network, wanted.size, &wanted.root, size_bytes, parts);
    err = sign_check(use, parts, SIGNED_PARTS, key, signature->root_signature);
    if (err == ERR_OK && memory != NULL) {
        *memory = wanted;
    }
    return err;
}

bool
turn_fields_ok(const struct turn_signature *signature)
{
    return signature->size >= 1 && signature->size <= LIMIT_TURN_STATEMENTS &&
           signature->index < signature->size && signature->n_path <= MERKLE_PATH_MAX;
}

bool
turn_read(const Refloop__Envelope__V1__Signature *from, struct turn_signature *to)
{
    *to = (struct turn_signature){.size = from->size, .index = from->index};
    size_t path_bytes = from->has_path ? from->path.len : 0;
    if (path_bytes > sizeof(to->path) || path_bytes % MERKLE_HASH_BYTES != 0) {
        return false;
    }
    to->n_path = path_bytes / MERKLE_HASH_BYTES;
    if (path_bytes > 0) {
        memcpy(to->path, from->path.data, path_bytes);
    }
    return codec_get(&from->root_signature, to->root_signature, SIGN_BYTES) && turn_fields_ok(to);
}

void
turn_fill(const struct turn_signature *from, Refloop__Envelope__V1__Signature *to)
{
    refloop__envelope__v1__signature__init(to);
    to->root_signature = codec_bytes(from->root_signature, SIGN_BYTES);
    to->size = from->size;
    to->index = from->index;
    to->has_path = from->n_path > 0;
    to->path = codec_bytes(from->path, from->n_path * MERKLE_HASH_BYTES);
}
