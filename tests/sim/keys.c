/* Keys: which ones apps use, and what must be so of them.
 *
 * A key is tried more than once, with other payloads, by other apps, at other
 * nodes, at the same time and long after.  Nodes may remember as few as one
 * key, so that many are forgotten; all of them remember the newest
 * mix.key_window. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "world.h"

#define RECENT_MAX 24

/* ---- which ------------------------------------------------------------- */

static uint64_t new_key(struct world *world)
{
    struct checks *checks = &world->checks;
    checks->keys = x_grow(checks->keys, &checks->key_capacity,
                          checks->key_count + 2, sizeof(*checks->keys));
    uint64_t key = ++checks->key_count;
    checks->keys[key] = (struct sim_key){.since = RAFT_INDEX_NONE};
    if (prng_chance(&world->prng, 2)) {
        /* Any commit index that an app has seen by now will do. */
        bool old = prng_chance(&world->prng, 4);
        checks->keys[key].since =
            old ? prng_below(&world->prng, checks->known_max + 1)
                : checks->known_max;
    }
    return key;
}

uint64_t keys_some(struct world *world)
{
    uint64_t count = world->checks.key_count;
    if (count == 0 || prng_chance(&world->prng, 2)) {
        return new_key(world);
    }
    uint64_t recent = count < RECENT_MAX ? count : RECENT_MAX;
    return count - prng_below(&world->prng, recent);
}

size_t keys_text(uint64_t key, char text[RAFT_KEY_MAX + 1])
{
    size_t size = (size_t)snprintf(text, RAFT_KEY_MAX + 1, "%llu",
                                   (unsigned long long)key);
    size_t wanted = key % 5 == 0 ? RAFT_KEY_MAX : size;
    memset(text + size, '.', wanted - size);
    text[wanted] = '\0';
    return wanted;
}

/* ---- what is committed -------------------------------------------------- */

uint64_t keys_at(const struct checks *checks, raft_index index)
{
    uint64_t number = checks->log[index - 1].submit;
    return number == 0 ? 0 : checks->submits[number].key;
}

void keys_known(struct checks *checks, raft_index index)
{
    uint64_t key = keys_at(checks, index);
    if (key != 0 && index > checks->keys[key].known) {
        checks->keys[key].known = index;
    }
}

static void check_text(struct world *world, const struct raft_entry *entry,
                       uint64_t key)
{
    char text[RAFT_KEY_MAX + 1];
    size_t size = key == 0 ? 0 : keys_text(key, text);
    size_t found = entry->key == NULL ? 0 : entry->key->size;
    if (size != found ||
        (size > 0 && memcmp(entry->key->data, text, size) != 0)) {
        world_fail(world, "an entry has the key that it was submitted with",
                   "entry %llu has another key",
                   (unsigned long long)entry->index);
    }
}

/* Counted in entries with keys, the last one with this key is too close. */
static bool is_remembered(const struct world *world, const struct sim_key *key)
{
    const struct checks *checks = &world->checks;
    return key->last != 0 &&
           checks->keyed_count + 1 - key->ordinal <= world->mix.key_window;
}

void keys_committed(struct world *world, const struct raft_entry *entry)
{
    struct checks *checks = &world->checks;
    uint64_t number = keys_at(checks, entry->index);
    check_text(world, entry, number);
    if (number == 0) {
        return;
    }
    struct sim_key *key = &checks->keys[number];
    if (is_remembered(world, key)) {
        world_fail(world, "one entry for a key that is remembered",
                   "key %llu is at %llu and at %llu",
                   (unsigned long long)number, (unsigned long long)key->last,
                   (unsigned long long)entry->index);
    }
    if (key->last != 0 && key->since != RAFT_INDEX_NONE) {
        world_fail(world, "with SINCE, one entry for a key",
                   "key %llu, since %llu, is at %llu and at %llu",
                   (unsigned long long)number, (unsigned long long)key->since,
                   (unsigned long long)key->last,
                   (unsigned long long)entry->index);
    }
    checks->keyed = x_grow(checks->keyed, &checks->keyed_capacity,
                           checks->keyed_count + 1, sizeof(*checks->keyed));
    checks->keyed[checks->keyed_count++] = entry->index;
    if (key->last != 0) {
        world_happened(world, HAPPENED_KEY_AGAIN);
    }
    key->last = entry->index;
    key->ordinal = checks->keyed_count;
}

/* ---- what is forgotten -------------------------------------------------- */

/* Committed entries with a key, up to `index`. */
static size_t keyed_upto(const struct checks *checks, raft_index index)
{
    size_t count = checks->keyed_count;
    while (count > 0 && checks->keyed[count - 1] > index) {
        count--;
    }
    return count;
}

/* SUBMITs with a key: whatever became of one, it may have stood in the tail of
 * a leader, which was truncated since. */
static size_t keyed_ever(const struct checks *checks)
{
    size_t count = 0;
    for (uint64_t i = 1; i <= checks->submit_count; i++) {
        count += checks->submits[i].key != 0;
    }
    return count;
}

static raft_index forgotten_of(struct world *world, const char *text,
                               raft_index since)
{
    unsigned long long index = 0;
    if (sscanf(text, "FORGOTTEN keys of entries up to %llu", &index) != 1 ||
        since == RAFT_INDEX_NONE || index <= since) {
        world_fail(world, "FORGOTTEN is true", "since %llu: %s",
                   (unsigned long long)since, text);
    }
    return index;
}

void keys_forgotten_now(struct world *world, const char *text, raft_index since)
{
    const struct checks *checks = &world->checks;
    raft_index index = forgotten_of(world, text, since);
    size_t before = keyed_upto(checks, index);
    if (index > checks->count ||
        checks->keyed_count - before < world->mix.key_window) {
        world_fail(world, "FORGOTTEN is true",
                   "%llu of %zu, with %zu keys behind it",
                   (unsigned long long)index, checks->count,
                   checks->keyed_count - before);
    }
}

/* The leader's own tail counts, and nobody else may ever see that. */
void keys_forgotten_by_leader(struct world *world, const char *text,
                              raft_index since)
{
    const struct checks *checks = &world->checks;
    raft_index index = forgotten_of(world, text, since);
    size_t behind = keyed_ever(checks) - keyed_upto(checks, index);
    if (behind < world->mix.key_window) {
        world_fail(world, "FORGOTTEN is true",
                   "%llu, with %zu keys behind it at most",
                   (unsigned long long)index, behind);
    }
}
