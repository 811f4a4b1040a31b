/* Private to lib/trust: every public key that ever had a place in the network, and whose it is. A
 * key has one owner and one use for ever; that is what makes "not used by anybody else" a look-up.
 */
#ifndef REFLOOP_LIB_TRUST_DIRECTORY_KEYS_H
#define REFLOOP_LIB_TRUST_DIRECTORY_KEYS_H

#include "lib/trust/directory.h"

enum key_use {
    KEY_MEMBER_SIGN,
    KEY_MEMBER_SEAL,
    KEY_MEMBER_CURVE,
    KEY_ONCE_SIGN,
    KEY_ONCE_CURVE,
    KEY_NETWORK_SIGN,  /* root, broker's log: no member's, whoever is noted as owner */
    KEY_NETWORK_CURVE, /* the broker's */
    KEY_USE_COUNT
};

enum { KEY_BYTES = 32 };

struct key_owner {
    struct member *member; /* for the network's own keys: the auditor, who came with them */
    enum key_use use;
    uint64_t replaced_at;   /* index of the entry that took it from its member; meant only while the
                               member has another */
    struct key_owner *next; /* in the order of claiming, newest first */
};

/* A key with the use somebody wants it for. */
struct key_claim {
    const uint8_t *key;
    enum key_use use;
};

struct directory_keys {
    struct map *owners; /* of class and key, to struct key_owner */
    struct key_owner *newest;
};

enum err directory_keys_init(struct directory_keys *keys) MUST_CHECK;
void directory_keys_done(struct directory_keys *keys);
/* NULL when nobody ever had it. X25519 keys are one class: seal and curve never share a key. */
const struct key_owner *
directory_keys_find(const struct directory_keys *keys, const uint8_t *key, enum key_use use);
/* Notes that the entry at `index` gives the member of this CURVE key another one. */
void
directory_keys_replace(struct directory_keys *keys, const struct curve_public *key, uint64_t index);
/* True when `member` (NULL: somebody new) may have all of these: each is new, or its own in the
 * same use, and none appears twice among them. */
bool directory_keys_free_for(const struct directory_keys *keys, const struct key_claim *claims,
                             size_t n, const struct member *member);
/* Claims them all or none. ERR_MEMORY. */
enum err directory_keys_claim(struct directory_keys *keys, const struct key_claim *claims, size_t n,
                              struct member *member) MUST_CHECK;

#endif
