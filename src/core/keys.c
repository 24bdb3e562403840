#include "core/keys.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/digest.h"
#include "base/mem.h"

#define RING_MIN ((uint32_t)64)
#define BYTES_MIN ((uint32_t)4096)
#define BYTES_MAX ((uint32_t)1 << 31)

/* ---- places ------------------------------------------------------------- */

void keys_open(struct raft_keys *keys, size_t window, uint64_t seed)
{
    assert(window >= 1 && window <= RAFT_KEY_WINDOW_MAX);
    *keys = (struct raft_keys){.window = window, .seed = seed, .first = 1};
}

void keys_close(struct raft_keys *keys)
{
    free(keys->ring);
    free(keys->heads);
    free(keys->bytes);
    *keys = (struct raft_keys){0};
}

static struct keyed *at(const struct raft_keys *keys, uint32_t position)
{
    return &keys->ring[position & (keys->capacity - 1)];
}

static bool is_held(const struct raft_keys *keys, uint32_t position)
{
    return position - keys->first < keys->count;
}

static uint32_t *head(const struct raft_keys *keys, uint32_t hash)
{
    return &keys->heads[hash & (keys->capacity - 1)];
}

static uint8_t *bytes_of(const struct raft_keys *keys,
                         const struct keyed *keyed)
{
    return &keys->bytes[keyed->at & (keys->bytes_capacity - 1)];
}

static struct keyed *newest(const struct raft_keys *keys)
{
    return at(keys, keys->first + keys->count - 1);
}

/* ---- growing ------------------------------------------------------------ */

/* A chain begins at its newest key.  A head that nobody has cleared names a
 * position that is not held, or, 2^32 keys later, one of another chain: keys
 * are compared whole, so that is only a longer way to nothing. */
static void enchain(struct raft_keys *keys, uint32_t position)
{
    struct keyed *keyed = at(keys, position);
    keyed->older = *head(keys, keyed->hash);
    *head(keys, keyed->hash) = position;
}

static void grow_ring(struct raft_keys *keys)
{
    struct raft_keys old = *keys;
    keys->capacity = old.capacity == 0 ? RING_MIN : old.capacity * 2;
    keys->ring = x_calloc(keys->capacity, sizeof(*keys->ring));
    keys->heads = x_calloc(keys->capacity, sizeof(*keys->heads));
    /* Positions from 0 on would be what the empty heads name. */
    keys->first = 1;
    for (uint32_t i = 0; i < old.count; i++) {
        *at(keys, keys->first + i) = *at(&old, old.first + i);
        enchain(keys, keys->first + i);
    }
    free(old.ring);
    free(old.heads);
}

/* Where `size` bytes go: in one piece, so not over the end of the ring. */
static uint32_t place(const struct raft_keys *keys, uint32_t end, size_t size)
{
    uint32_t offset = end & (keys->bytes_capacity - 1);
    bool fits = offset + size <= keys->bytes_capacity;
    return fits ? end : end + (keys->bytes_capacity - offset);
}

static bool bytes_fit(const struct raft_keys *keys, size_t size)
{
    if (keys->bytes_capacity == 0) {
        return false;
    }
    uint32_t begin =
        keys->count == 0 ? keys->bytes_end : at(keys, keys->first)->at;
    uint32_t end = place(keys, keys->bytes_end, size) + (uint32_t)size;
    return end - begin <= keys->bytes_capacity;
}

static void grow_bytes(struct raft_keys *keys)
{
    struct raft_keys old = *keys;
    assert(old.bytes_capacity < BYTES_MAX);
    keys->bytes_capacity =
        old.bytes_capacity == 0 ? BYTES_MIN : old.bytes_capacity * 2;
    keys->bytes = x_malloc(keys->bytes_capacity);
    keys->bytes_end = 0;
    for (uint32_t i = 0; i < keys->count; i++) {
        struct keyed *keyed = at(keys, keys->first + i);
        const uint8_t *from = bytes_of(&old, keyed);
        keyed->at = place(keys, keys->bytes_end, keyed->size);
        memcpy(bytes_of(keys, keyed), from, keyed->size);
        keys->bytes_end = keyed->at + keyed->size;
    }
    free(old.bytes);
}

/* ---- coming and going --------------------------------------------------- */

static void add(struct raft_keys *keys, raft_index index, const void *key,
                size_t size)
{
    assert(size >= 1 && size <= RAFT_KEY_MAX);
    assert(keys->count == 0 || index > newest(keys)->index);
    if (keys->count == keys->capacity) {
        grow_ring(keys);
    }
    if (!bytes_fit(keys, size)) {
        grow_bytes(keys);
    }
    uint32_t position = keys->first + keys->count;
    struct keyed *keyed = at(keys, position);
    *keyed = (struct keyed){.index = index,
                            .at = place(keys, keys->bytes_end, size),
                            .hash = digest_short(key, size, keys->seed),
                            .size = (uint8_t)size};
    memcpy(bytes_of(keys, keyed), key, size);
    keys->bytes_end = keyed->at + (uint32_t)size;
    enchain(keys, position);
    keys->count++;
}

void keys_add(struct raft_keys *keys, const struct raft_entry *entry)
{
    if (entry->kind == RAFT_KIND_APP && entry->key != NULL &&
        entry->key->size > 0) {
        add(keys, entry->index, entry->key->data, entry->key->size);
    }
}

/* The newest of all is the newest of its chain. */
void keys_truncate(struct raft_keys *keys, raft_index from)
{
    while (keys->count > 0 && newest(keys)->index >= from) {
        const struct keyed *keyed = newest(keys);
        *head(keys, keyed->hash) = keyed->older;
        keys->count--;
        keys->bytes_end = keys->count == 0
                              ? keyed->at
                              : newest(keys)->at + newest(keys)->size;
    }
    assert(keys->committed <= keys->count);
}

/* The oldest of all is the oldest of its chain, which now ends before it. */
static void drop_first(struct raft_keys *keys)
{
    keys->forgotten = at(keys, keys->first)->index;
    keys->first++;
    keys->count--;
    keys->committed--;
}

void keys_commit(struct raft_keys *keys, raft_index commit)
{
    while (keys->committed < keys->count &&
           at(keys, keys->first + keys->committed)->index <= commit) {
        keys->committed++;
    }
    while (keys->committed > keys->window) {
        drop_first(keys);
    }
}

/* ---- looking up --------------------------------------------------------- */

raft_index keys_find_upto(const struct raft_keys *keys, const struct blob *key,
                          raft_index upto)
{
    if (keys->count == 0) {
        return 0;
    }
    uint32_t hash = digest_short(key->data, key->size, keys->seed);
    uint32_t position = *head(keys, hash);
    while (is_held(keys, position)) {
        const struct keyed *keyed = at(keys, position);
        if (keyed->hash == hash && keyed->index <= upto &&
            keyed->size == key->size &&
            memcmp(bytes_of(keys, keyed), key->data, key->size) == 0) {
            return keyed->index;
        }
        position = keyed->older;
    }
    return 0;
}

raft_index keys_forgotten(const struct raft_keys *keys)
{
    if (keys->count <= keys->window) {
        return keys->forgotten;
    }
    uint32_t over = keys->count - (uint32_t)keys->window;
    return at(keys, keys->first + over - 1)->index;
}

raft_index keys_find(const struct raft_keys *keys, const struct blob *key)
{
    raft_index index = keys_find_upto(keys, key, UINT64_MAX);
    return index > keys_forgotten(keys) ? index : 0;
}

size_t keys_memory(const struct raft_keys *keys)
{
    return keys->capacity * (sizeof(*keys->ring) + sizeof(*keys->heads)) +
           keys->bytes_capacity;
}

/* ---- packed ------------------------------------------------------------- */

void keys_pack_begin(struct buf *buf, raft_index forgotten)
{
    buf_append_u16(buf, 8);
    buf_append_u64(buf, forgotten);
}

void keys_pack_add(struct buf *buf, raft_index index, const void *key,
                   size_t size)
{
    buf_append_u16(buf, (uint16_t)(8 + size));
    buf_append_u64(buf, index);
    buf_append(buf, key, size);
}

void keys_pack(const struct raft_keys *keys, raft_index upto, struct buf *buf)
{
    keys_pack_begin(buf, keys->forgotten < upto ? keys->forgotten : upto);
    for (uint32_t i = 0; i < keys->count; i++) {
        const struct keyed *keyed = at(keys, keys->first + i);
        if (keyed->index > upto) {
            break;
        }
        keys_pack_add(buf, keyed->index, bytes_of(keys, keyed), keyed->size);
    }
}

const char *keys_unpack(struct raft_keys *keys, const void *data, size_t size,
                        raft_index end)
{
    struct cursor cursor = cursor_of(data, size);
    struct cursor fixed = cursor_part(&cursor, cursor_u16(&cursor));
    raft_index before = cursor_u64(&fixed);
    if (fixed.bad || before >= end) {
        return "the keys do not begin as they should";
    }
    keys->forgotten = before;
    while (cursor_left(&cursor) > 0) {
        struct cursor part = cursor_part(&cursor, cursor_u16(&cursor));
        raft_index index = cursor_u64(&part);
        size_t key_size = cursor_left(&part);
        if (part.bad || key_size < 1 || key_size > RAFT_KEY_MAX) {
            return "a key is not one to 128 bytes";
        }
        if (index <= before || index >= end) {
            return "the keys are out of order";
        }
        add(keys, index, part.at, key_size);
        before = index;
    }
    return NULL;
}

const char *keys_rebase(struct raft_keys *keys, const void *data, size_t size,
                        raft_index base)
{
    struct raft_keys fresh;
    keys_open(&fresh, keys->window, keys->seed);
    const char *why = keys_unpack(&fresh, data, size, base + 1);
    if (why != NULL) {
        keys_close(&fresh);
        return why;
    }
    keys_commit(&fresh, base);
    for (uint32_t i = 0; i < keys->count; i++) {
        const struct keyed *keyed = at(keys, keys->first + i);
        if (keyed->index > base) {
            add(&fresh, keyed->index, bytes_of(keys, keyed), keyed->size);
            fresh.committed += i < keys->committed;
        }
    }
    keys_close(keys);
    *keys = fresh;
    return NULL;
}
