/* A hash map from fixed-size keys to pointers, keyed with a random secret per map (SipHash), so
 * that a peer cannot choose colliding keys. Holds the pointers, owns nothing. */
#ifndef REFLOOP_LIB_BASE_MAP_H
#define REFLOOP_LIB_BASE_MAP_H

#include "lib/base/bytes.h"

struct map;

/* key_len is 1..64 bytes. NULL when out of memory. */
struct map *map_new(size_t key_len) MUST_CHECK;
void map_free(struct map *map);
void map_freep(struct map **map);
size_t map_count(const struct map *map);
/* NULL when absent. */
void *map_find(const struct map *map, const void *key);
/* Adds or replaces. The key is copied; value must not be NULL. ERR_MEMORY. */
enum err map_put(struct map *map, const void *key, void *value) MUST_CHECK;
/* Returns the removed value, NULL when absent. */
void *map_remove(struct map *map, const void *key);
/* Walks in no order: start with *cursor = 0; false at the end. The map must not change meanwhile.
 */
bool map_next(const struct map *map, size_t *cursor, const void **key_out, void **value_out);

#endif
