/* Open addressing with linear probing, never more than three quarters full, and removal that moves
 * later entries back instead of leaving marks: a map under constant churn does not slow down. The
 * hash is keyed per map; without that a peer who chooses ids could make every lookup walk the
 * table. */
#include "lib/base/map.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

enum { MAP_FIRST_SLOTS = 16, MAP_KEY_MAX = 64 };

_Static_assert(sizeof(uint64_t) == crypto_shorthash_BYTES, "a hash fills one slot field");

struct slot {
    void *value; /* NULL: the slot is free */
    uint64_t hash;
};

/* Invariants: n_slots is a power of two; count <= 3/4 n_slots; between an entry's home slot and the
 * slot it stands in no slot is free. keys[i * key_len] belongs to slots[i]. */
struct map {
    struct slot *slots;
    uint8_t *keys;
    size_t n_slots;
    size_t count;
    size_t key_len;
    uint8_t secret[crypto_shorthash_KEYBYTES];
};

static bool
allocate(size_t n_slots, size_t key_len, struct slot **slots_out, uint8_t **keys_out)
{
    struct slot *slots = calloc(n_slots, sizeof(*slots));
    uint8_t *keys = calloc(n_slots, key_len);
    if (slots == NULL || keys == NULL) {
        free(slots);
        free(keys);
        return false;
    }
    *slots_out = slots;
    *keys_out = keys;
    return true;
}

struct map *
map_new(size_t key_len)
{
    assert(key_len >= 1 && key_len <= MAP_KEY_MAX);
    struct map *map = calloc(1, sizeof(*map));
    if (map == NULL) {
        return NULL;
    }
    if (!allocate(MAP_FIRST_SLOTS, key_len, &map->slots, &map->keys)) {
        free(map);
        return NULL;
    }
    map->n_slots = MAP_FIRST_SLOTS;
    map->key_len = key_len;
    randombytes_buf(map->secret, sizeof(map->secret));
    return map;
}

void
map_free(struct map *map)
{
    if (map != NULL) {
        free(map->slots);
        free(map->keys);
        free(map);
    }
}

void
map_freep(struct map **map)
{
    map_free(*map);
    *map = NULL;
}

size_t
map_count(const struct map *map)
{
    return map->count;
}

static uint64_t
hash_key(const struct map *map, const void *key)
{
    uint8_t out[crypto_shorthash_BYTES];
    (void)crypto_shorthash(out, key, map->key_len, map->secret); /* has no way to fail */
    uint64_t hash = 0;
    memcpy(&hash, out, sizeof(hash));
    return hash;
}

/* The slot that holds the key, else the free slot where it belongs. */
static size_t
locate(const struct map *map, const void *key, uint64_t hash)
{
    size_t mask = map->n_slots - 1;
    size_t i = (size_t)hash & mask;
    while (map->slots[i].value != NULL &&
           (map->slots[i].hash != hash ||
            memcmp(map->keys + i * map->key_len, key, map->key_len) != 0)) {
        i = (i + 1) & mask;
    }
    return i;
}

static void
fill_slot(struct map *map, size_t i, uint64_t hash, const void *key, void *value)
{
    map->slots[i] = (struct slot){.value = value, .hash = hash};
    memcpy(map->keys + i * map->key_len, key, map->key_len);
}

void *
map_find(const struct map *map, const void *key)
{
    return map->slots[locate(map, key, hash_key(map, key))].value;
}

static enum err
grow(struct map *map)
{
    struct map old = *map;
    if (map->n_slots > SIZE_MAX / 2) {
        return ERR_MEMORY;
    }
    if (!allocate(old.n_slots * 2, old.key_len, &map->slots, &map->keys)) {
        return ERR_MEMORY;
    }
    map->n_slots = old.n_slots * 2;
    for (size_t i = 0; i < old.n_slots; i++) {
        if (old.slots[i].value != NULL) {
            const uint8_t *key = old.keys + i * old.key_len;
            size_t to = locate(map, key, old.slots[i].hash);
            fill_slot(map, to, old.slots[i].hash, key, old.slots[i].value);
        }
    }
    free(old.slots);
    free(old.keys);
    return ERR_OK;
}

enum err
map_put(struct map *map, const void *key, void *value)
{
    assert(value != NULL);
    uint64_t hash = hash_key(map, key);
    size_t i = locate(map, key, hash);
    if (map->slots[i].value != NULL) {
        map->slots[i].value = value;
        return ERR_OK;
    }
    if (map->count + 1 > map->n_slots / 4 * 3) {
        enum err err = grow(map);
        if (err != ERR_OK) {
            return err;
        }
        i = locate(map, key, hash);
    }
    fill_slot(map, i, hash, key, value);
    map->count++;
    return ERR_OK;
}

void *
map_remove(struct map *map, const void *key)
{
    size_t mask = map->n_slots - 1;
    size_t hole = locate(map, key, hash_key(map, key));
    void *removed = map->slots[hole].value;
    if (removed == NULL) {
        return NULL;
    }
    for (size_t i = (hole + 1) & mask; map->slots[i].value != NULL; i = (i + 1) & mask) {
        /* An entry may move back to the hole unless that lies before its home slot. */
        size_t home = (size_t)map->slots[i].hash & mask;
        if (((i - home) & mask) >= ((i - hole) & mask)) {
            fill_slot(map, hole, map->slots[i].hash, map->keys + i * map->key_len,
                      map->slots[i].value);
            hole = i;
        }
    }
    map->slots[hole].value = NULL;
    map->count--;
    return removed;
}

bool
map_next(const struct map *map, size_t *cursor, const void **key_out, void **value_out)
{
    while (*cursor < map->n_slots) {
        size_t i = (*cursor)++;
        if (map->slots[i].value != NULL) {
            *key_out = map->keys + i * map->key_len;
            *value_out = map->slots[i].value;
            return true;
        }
    }
    return false;
}
