/* Who has, or ever had, which public key. Nothing is ever forgotten here: a revoked or replaced key
 * stays its old owner's, so that nobody else can take it up and whoever still shows it can be told
 * why not. */
#include "lib/trust/directory_keys.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/map.h"

enum { CLASS_ED25519 = 1, CLASS_X25519 = 2, MAP_KEY_BYTES = 1 + KEY_BYTES };

static const uint8_t classes[KEY_USE_COUNT] = {
    [KEY_MEMBER_SIGN] = CLASS_ED25519,  [KEY_MEMBER_SEAL] = CLASS_X25519,
    [KEY_MEMBER_CURVE] = CLASS_X25519,  [KEY_ONCE_SIGN] = CLASS_ED25519,
    [KEY_ONCE_CURVE] = CLASS_X25519,    [KEY_NETWORK_SIGN] = CLASS_ED25519,
    [KEY_NETWORK_CURVE] = CLASS_X25519,
};

enum err
directory_keys_init(struct directory_keys *keys)
{
    keys->newest = NULL;
    keys->owners = map_new(MAP_KEY_BYTES);
    return keys->owners != NULL ? ERR_OK : ERR_MEMORY;
}

void
directory_keys_done(struct directory_keys *keys)
{
    map_free(keys->owners);
    while (keys->newest != NULL) {
        struct key_owner *next = keys->newest->next;
        free(keys->newest);
        keys->newest = next;
    }
}

static void
map_key_of(const uint8_t *key, enum key_use use, uint8_t out[MAP_KEY_BYTES])
{
    out[0] = classes[use];
    memcpy(out + 1, key, KEY_BYTES);
}

const struct key_owner *
directory_keys_find(const struct directory_keys *keys, const uint8_t *key, enum key_use use)
{
    uint8_t map_key[MAP_KEY_BYTES];
    map_key_of(key, use, map_key);
    return map_find(keys->owners, map_key);
}

void
directory_keys_replace(struct directory_keys *keys, const struct curve_public *key, uint64_t index)
{
    uint8_t map_key[MAP_KEY_BYTES];
    map_key_of(key->bytes, KEY_MEMBER_CURVE, map_key);
    struct key_owner *owner = map_find(keys->owners, map_key);
    if (owner != NULL) {
        owner->replaced_at = index;
    }
}

static bool
clash(const struct key_claim *a, const struct key_claim *b)
{
    return classes[a->use] == classes[b->use] && memcmp(a->key, b->key, KEY_BYTES) == 0;
}

bool
directory_keys_free_for(const struct directory_keys *keys, const struct key_claim *claims, size_t n,
                        const struct member *member)
{
    for (size_t i = 0; i < n; i++) {
        const struct key_owner *owner = directory_keys_find(keys, claims[i].key, claims[i].use);
        if (owner != NULL &&
            (member == NULL || owner->member != member || owner->use != claims[i].use)) {
            return false;
        }
        for (size_t k = 0; k < i; k++) {
            if (clash(&claims[i], &claims[k])) {
                return false;
            }
        }
    }
    return true;
}

static enum err
claim_one(struct directory_keys *keys, const struct key_claim *claim, struct member *member)
{
    uint8_t map_key[MAP_KEY_BYTES];
    if (directory_keys_find(keys, claim->key, claim->use) != NULL) {
        return ERR_OK; /* its own already, or directory_keys_free_for had said no */
    }
    struct key_owner *owner = malloc(sizeof(*owner));
    if (owner == NULL) {
        return ERR_MEMORY;
    }
    *owner = (struct key_owner){.member = member, .use = claim->use, .next = keys->newest};
    map_key_of(claim->key, claim->use, map_key);
    enum err err = map_put(keys->owners, map_key, owner);
    if (err != ERR_OK) {
        free(owner);
        return err;
    }
    keys->newest = owner;
    return ERR_OK;
}

/* Takes back what was claimed since `mark`; those owners are exactly the newest of the list. */
static void
unclaim(struct directory_keys *keys, const struct key_claim *claims, size_t n,
        const struct key_owner *mark)
{
    uint8_t map_key[MAP_KEY_BYTES];
    while (keys->newest != mark) {
        struct key_owner *owner = keys->newest;
        for (size_t i = 0; i < n; i++) {
            if (directory_keys_find(keys, claims[i].key, claims[i].use) == owner) {
                map_key_of(claims[i].key, claims[i].use, map_key);
                (void)map_remove(keys->owners, map_key); /* gives back `owner` */
            }
        }
        keys->newest = owner->next;
        free(owner);
    }
}

enum err
directory_keys_claim(struct directory_keys *keys, const struct key_claim *claims, size_t n,
                     struct member *member)
{
    const struct key_owner *mark = keys->newest;
    for (size_t i = 0; i < n; i++) {
        enum err err = claim_one(keys, &claims[i], member);
        if (err != ERR_OK) {
            unclaim(keys, claims, n, mark);
            return err;
        }
    }
    return ERR_OK;
}
