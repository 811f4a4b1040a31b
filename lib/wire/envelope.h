/* The envelope: statement bytes, signature, sealed part.
 *
 * One signature, many statements: an author signs the RFC 6962 root over the statements of one
 * turn; each envelope carries the root's signature with the statement's place and path. A statement
 * alone is a tree of one. Whoever checks verifies a root once and hashes one path per statement
 * (struct verified_root is the memory for that). */
#ifndef REFLOOP_LIB_WIRE_ENVELOPE_H
#define REFLOOP_LIB_WIRE_ENVELOPE_H

#include "lib/log/merkle.h"
#include "lib/wire/statement.h"

struct turn_signature {
    uint8_t root_signature[SIGN_BYTES];
    uint32_t size; /* leaves in the turn's tree, 1 .. LIMIT_TURN_STATEMENTS */
    uint32_t index;
    size_t n_path;
    struct merkle_hash path[MERKLE_PATH_MAX];
};

/* A decoded envelope: views into the bytes it was decoded from. */
struct envelope {
    struct bytes statement;
    struct turn_signature signature;
    struct bytes sealed; /* empty when there is none */
};

/* Decodes the outer form only; nothing in it is trusted yet. ERR_MALFORMED, ERR_TOO_LARGE. */
enum err envelope_decode(struct bytes bytes, struct envelope *envelope_out) MUST_CHECK;
enum err envelope_encode(const struct envelope *envelope, struct buffer *out) MUST_CHECK;

/* Signs one turn: `leaves[i]` are statement bytes (SIGN_STATEMENTS) or receipt bytes
 * (SIGN_RECEIPTS); signatures_out has n places. ERR_TOO_LARGE past LIMIT_TURN_STATEMENTS,
 * ERR_MEMORY. */
enum err turn_sign(enum sign_use use, const struct network_id *network, const struct bytes *leaves,
                   size_t n, const struct sign_secret *secret,
                   struct turn_signature *signatures_out) MUST_CHECK;

/* The last root that verified, under which key, use and network: lets the next envelope of the same
 * turn skip Ed25519. Zero-initialized is empty. */
struct verified_root {
    bool filled;
    enum sign_use use;
    struct network_id network;
    struct sign_public key;
    uint32_t size;
    struct merkle_hash root;
    uint8_t root_signature[SIGN_BYTES];
};

/* Checks a leaf's signature. `memory` may be NULL. ERR_SIGNATURE, ERR_MALFORMED. */
enum err turn_check(enum sign_use use, const struct network_id *network, struct bytes leaf,
                    const struct turn_signature *signature, const struct sign_public *key,
                    struct verified_root *memory) MUST_CHECK;

/* Verify, then parse, then validate: the whole way in for bytes from outside. `expect` is the key
 * the sender must have signed with. Also holds the sealed part to the statement's digest:
 * ERR_SIGNATURE when it differs, unless the sealed part is empty and `sealed_may_be_missing` (it
 * may have been erased, or not been sent back to its author). ERR_WRONG_NETWORK when the statement
 * names another network. */
struct opened_envelope {
    struct envelope envelope;
    struct statement statement;
    struct digest id;
};
enum err envelope_open(struct bytes bytes, const struct network_id *network,
                       const struct sign_public *expect, bool sealed_may_be_missing,
                       struct verified_root *memory, struct opened_envelope *opened_out) MUST_CHECK;

/* The leaf of the tree over the log: log time (i64 big-endian), then envelope_leaf. The sealed part
 * is not in it, so that it can be erased; its digest is in the statement. */
enum err envelope_log_leaf(const struct envelope *envelope, int64_t log_time_ms,
                           struct merkle_hash *leaf_out) MUST_CHECK;
/* Fixed framing of (statement, signature); appended to `out`; and back. */
void envelope_leaf(const struct envelope *envelope, struct buffer *out);
enum err envelope_from_leaf(struct bytes leaf, struct envelope *envelope_out) MUST_CHECK;

#endif
