/* What apps were promised, against what is committed. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "world.h"

uint64_t history_number(const void *data, size_t size)
{
    char text[24];
    size_t length = size < 20 ? size : 20;
    memcpy(text, data, length);
    text[length] = '\0';
    return strtoull(text, NULL, 10);
}

uint64_t history_submit(struct world *world, size_t size)
{
    struct checks *checks = &world->checks;
    checks->submits =
        x_grow(checks->submits, &checks->submit_capacity,
               checks->submit_count + 2, sizeof(*checks->submits));
    checks->submit_count++;
    checks->submits[checks->submit_count] =
        (struct submit){.size = size, .after = RAFT_INDEX_NONE};
    return checks->submit_count;
}

/* BARRIER answers with entries of apps only: so only those count. */
void history_known(struct world *world, raft_index index)
{
    struct checks *checks = &world->checks;
    while (index > checks->known_max &&
           checks->log[index - 1].kind != RAFT_KIND_APP) {
        index--;
    }
    if (index > checks->known_max) {
        checks->known_max = index;
    }
}

void history_acked(struct world *world, uint64_t number, raft_index index,
                   raft_index known_before)
{
    struct checks *checks = &world->checks;
    if (index == 0 || index > checks->count ||
        checks->log[index - 1].submit != number) {
        world_fail(world, "acknowledged is committed",
                   "SUBMIT %llu is acknowledged as entry %llu, which is not it",
                   (unsigned long long)number, (unsigned long long)index);
    }
    if (index <= known_before) {
        world_fail(world, "real-time order",
                   "SUBMIT %llu is entry %llu, but %llu was known to be "
                   "committed before it was asked",
                   (unsigned long long)number, (unsigned long long)index,
                   (unsigned long long)known_before);
    }
    checks->submits[number].fate = FATE_ACKED;
    checks->submits[number].index = index;
    history_known(world, index);
    keys_known(checks, index);
    world_happened(world, HAPPENED_ACKED);
}

void history_found(struct world *world, uint64_t number, raft_index index)
{
    struct checks *checks = &world->checks;
    if (keys_at(checks, index) != checks->submits[number].key) {
        world_fail(world, "acknowledged is committed",
                   "SUBMIT %llu is acknowledged as entry %llu, which has "
                   "another key",
                   (unsigned long long)number, (unsigned long long)index);
    }
    checks->submits[number].fate = FATE_FOUND;
    history_known(world, index);
    keys_known(checks, index);
    world_happened(world, HAPPENED_FOUND);
}

void history_committed(struct world *world, const struct raft_entry *entry)
{
    struct checks *checks = &world->checks;
    uint64_t number = checks->log[entry->index - 1].submit;
    if (number == 0 || number > checks->submit_count) {
        world_fail(world, "only what was asked is in the log",
                   "entry %llu is nobody's", (unsigned long long)entry->index);
    }
    const struct submit *submit = &checks->submits[number];
    if (submit->fence != 0 && entry->term != submit->fence) {
        world_fail(world, "fencing", "SUBMIT TERM %llu is entry %llu of t%llu",
                   (unsigned long long)submit->fence,
                   (unsigned long long)entry->index,
                   (unsigned long long)entry->term);
    }
    if (checks->last_app > submit->after) {
        world_fail(world, "compare and append",
                   "SUBMIT AFTER %llu is entry %llu, and %llu is between them",
                   (unsigned long long)submit->after,
                   (unsigned long long)entry->index,
                   (unsigned long long)checks->last_app);
    }
    keys_committed(world, entry);
    checks->last_app = entry->index;
}

/* Each SUBMIT is in the log at most once; never if it was refused; and where
 * it was acknowledged. */
void history_end(struct world *world)
{
    struct checks *checks = &world->checks;
    raft_index *found = x_calloc(checks->submit_count + 1, sizeof(*found));
    for (size_t i = 0; i < checks->count; i++) {
        uint64_t number = checks->log[i].submit;
        if (checks->log[i].kind != RAFT_KIND_APP) {
            continue;
        }
        if (found[number] != 0) {
            world_fail(world, "nothing is in the log twice",
                       "SUBMIT %llu is at %llu and at %zu",
                       (unsigned long long)number,
                       (unsigned long long)found[number], i + 1);
        }
        found[number] = i + 1;
        if (checks->submits[number].fate == FATE_REFUSED ||
            checks->submits[number].fate == FATE_FOUND) {
            world_fail(world, "what was refused is not in the log",
                       "SUBMIT %llu is entry %zu", (unsigned long long)number,
                       i + 1);
        }
    }
    for (uint64_t number = 1; number <= checks->submit_count; number++) {
        const struct submit *submit = &checks->submits[number];
        if (submit->fate == FATE_ACKED && found[number] != submit->index) {
            world_fail(world, "what was acknowledged stays where it is",
                       "SUBMIT %llu was acknowledged at %llu, and is at %llu",
                       (unsigned long long)number,
                       (unsigned long long)submit->index,
                       (unsigned long long)found[number]);
        }
    }
    free(found);
}
