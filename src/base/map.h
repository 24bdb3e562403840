/* A map from numbers to pointers: open addressing, grows, never shrinks. */
#ifndef RAFTSC_BASE_MAP_H
#define RAFTSC_BASE_MAP_H

#include <stddef.h>
#include <stdint.h>

struct map_slot; /* private */

struct map {
    struct map_slot *slots;
    size_t capacity; /* a power of two, or 0 */
    size_t count;
};

/* All zeros is an empty map.  Frees the map, not what the values point to. */
void map_free(struct map *map);

/* `value` is not NULL and `key` not in the map. */
void map_put(struct map *map, uint64_t key, void *value);
/* NULL: not there. */
void *map_get(const struct map *map, uint64_t key);
/* Returns what was there; NULL: nothing. */
void *map_remove(struct map *map, uint64_t key);

#endif
