#include "base/map.h"

#include <assert.h>
#include <stdlib.h>

#include "base/mem.h"

struct map_slot {
    uint64_t key;
    void *value; /* NULL: the slot is free */
};

/* Keys are mostly ascending numbers: spread them (Fibonacci hashing). */
static size_t place(const struct map *map, uint64_t key)
{
    uint64_t mixed = (key ^ (key >> 32)) * UINT64_C(0x9E3779B97F4A7C15);
    return (size_t)(mixed >> 20) & (map->capacity - 1);
}

static size_t find(const struct map *map, uint64_t key)
{
    size_t at = place(map, key);
    while (map->slots[at].value != NULL && map->slots[at].key != key) {
        at = (at + 1) & (map->capacity - 1);
    }
    return at;
}

static void grow(struct map *map)
{
    struct map old = *map;
    map->capacity = old.capacity == 0 ? 64 : old.capacity * 2;
    map->slots = x_calloc(map->capacity, sizeof(*map->slots));
    for (size_t i = 0; i < old.capacity; i++) {
        if (old.slots[i].value != NULL) {
            map->slots[find(map, old.slots[i].key)] = old.slots[i];
        }
    }
    free(old.slots);
}

void map_free(struct map *map)
{
    free(map->slots);
    *map = (struct map){0};
}

void map_put(struct map *map, uint64_t key, void *value)
{
    assert(value != NULL);
    if (map->count * 2 >= map->capacity) {
        grow(map);
    }
    struct map_slot *slot = &map->slots[find(map, key)];
    assert(slot->value == NULL);
    slot->key = key;
    slot->value = value;
    map->count++;
}

void *map_get(const struct map *map, uint64_t key)
{
    return map->capacity == 0 ? NULL : map->slots[find(map, key)].value;
}

/* Moves what follows back over the gap, so that no search ends too early. */
static void close_gap(struct map *map, size_t gap)
{
    size_t mask = map->capacity - 1;
    for (size_t at = (gap + 1) & mask; map->slots[at].value != NULL;
         at = (at + 1) & mask) {
        size_t home = place(map, map->slots[at].key);
        if (((at - home) & mask) >= ((at - gap) & mask)) {
            map->slots[gap] = map->slots[at];
            map->slots[at].value = NULL;
            gap = at;
        }
    }
}

void *map_remove(struct map *map, uint64_t key)
{
    if (map->capacity == 0) {
        return NULL;
    }
    size_t at = find(map, key);
    void *value = map->slots[at].value;
    if (value != NULL) {
        map->slots[at].value = NULL;
        map->count--;
        close_gap(map, at);
    }
    return value;
}
