/* What must always hold, looked at from outside after every turn. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "world.h"

#define TERMS_MAX 65536

static void check_leader(struct host *host, const struct raft_status *status)
{
    struct checks *checks = &host->world->checks;
    if (status->role != RAFT_ROLE_LEADER || status->term >= TERMS_MAX) {
        return;
    }
    raft_id *leader = &checks->leaders[status->term];
    if (*leader == 0) {
        *leader = host->id + 1;
        checks->elections++;
        world_trace(host->world, host, "leads term %llu",
                    (unsigned long long)status->term);
    } else if (*leader != host->id + 1) {
        world_fail(host->world, "term %llu has two leaders: n%u and n%u",
                   (unsigned long long)status->term, *leader - 1, host->id);
    }
}

uint64_t check_payload_number(const void *data, size_t size)
{
    char text[24];
    size_t length = size < 20 ? size : 20;
    memcpy(text, data, length);
    text[length] = '\0';
    return strtoull(text, NULL, 10);
}

/* Read from the disks, not from anybody's counters. */
static void check_on_quorum(struct world *world, raft_index index,
                            raft_term term)
{
    unsigned have = 0;
    for (unsigned i = 0; i < world->mix.hosts; i++) {
        const struct disk *disk = &world->hosts[i].disk;
        if (disk->count >= index && disk->entries[index - 1].term == term) {
            have++;
        }
    }
    if (have * 2 <= world->mix.hosts) {
        world_fail(world, "entry %llu is told, but on %u of %u disks",
                   (unsigned long long)index, have, world->mix.hosts);
    }
}

static void add_committed(struct world *world, const struct raft_entry *entry)
{
    struct checks *checks = &world->checks;
    checks->log = x_grow(checks->log, &checks->capacity, checks->count + 1,
                         sizeof(*checks->log));
    struct committed *committed = &checks->log[checks->count++];
    *committed = (struct committed){
        .term = entry->term, .kind = entry->kind, .chain = entry->chain};
    if (entry->kind == RAFT_KIND_APP) {
        committed->submit =
            check_payload_number(entry->payload->data, entry->payload->size);
    }
    check_on_quorum(world, entry->index, entry->term);
}

static void check_told(struct host *host, raft_index told)
{
    struct world *world = host->world;
    struct checks *checks = &world->checks;
    if (told > host->disk.count) {
        world_fail(world, "n%u tells %llu, with %zu entries on its disk",
                   host->id, (unsigned long long)told, host->disk.count);
    }
    for (raft_index at = host->checked + 1; at <= told; at++) {
        const struct raft_entry *entry = &host->disk.entries[at - 1];
        if (at > checks->count) {
            add_committed(world, entry);
        }
        const struct committed *known = &checks->log[at - 1];
        if (known->term != entry->term ||
            !digest_equal(known->chain, entry->chain)) {
            world_fail(world,
                       "entry %llu is committed as t%llu, and on n%u as t%llu",
                       (unsigned long long)at, (unsigned long long)known->term,
                       host->id, (unsigned long long)entry->term);
        }
    }
    host->checked = told;
}

void check_turn(struct host *host)
{
    struct raft_status status;
    raft_status(node_raft(host->node), &status);
    check_leader(host, &status);
    if (status.told < host->checked) {
        world_fail(host->world, "n%u goes back from told %llu to %llu",
                   host->id, (unsigned long long)host->checked,
                   (unsigned long long)status.told);
    }
    if (status.told > host->checked) {
        check_told(host, status.told);
    }
}

/* ---- what apps did ------------------------------------------------------ */

uint64_t check_submit_new(struct world *world, size_t size)
{
    struct checks *checks = &world->checks;
    checks->submits =
        x_grow(checks->submits, &checks->submit_capacity,
               checks->submit_count + 2, sizeof(*checks->submits));
    checks->submit_count++;
    checks->submits[checks->submit_count] =
        (struct submit){.fate = FATE_OPEN, .size = size};
    return checks->submit_count;
}

void check_acked(struct world *world, uint64_t number, raft_index index,
                 raft_index acked_before)
{
    struct checks *checks = &world->checks;
    if (index == 0 || index > checks->count ||
        checks->log[index - 1].submit != number) {
        world_fail(world,
                   "SUBMIT %llu is acknowledged as entry %llu, which is not "
                   "it",
                   (unsigned long long)number, (unsigned long long)index);
    }
    if (index <= acked_before) {
        world_fail(world,
                   "SUBMIT %llu is entry %llu, but %llu was acknowledged "
                   "before it was asked",
                   (unsigned long long)number, (unsigned long long)index,
                   (unsigned long long)acked_before);
    }
    checks->submits[number].fate = FATE_ACKED;
    checks->submits[number].index = index;
    if (index > checks->acked_max) {
        checks->acked_max = index;
    }
    checks->acked++;
}

/* Each SUBMIT is in the log at most once; never if it was refused; and where
 * it was acknowledged. */
static void check_fates(struct world *world)
{
    struct checks *checks = &world->checks;
    raft_index *found = x_calloc(checks->submit_count + 1, sizeof(*found));
    for (size_t i = 0; i < checks->count; i++) {
        uint64_t number = checks->log[i].submit;
        if (number == 0) {
            continue;
        }
        if (number > checks->submit_count || found[number] != 0) {
            world_fail(world, "SUBMIT %llu is in the log at %llu and at %zu",
                       (unsigned long long)number,
                       (unsigned long long)found[number], i + 1);
        }
        found[number] = i + 1;
        if (checks->submits[number].fate == FATE_REFUSED) {
            world_fail(world, "SUBMIT %llu was refused, and is entry %zu",
                       (unsigned long long)number, i + 1);
        }
    }
    for (uint64_t number = 1; number <= checks->submit_count; number++) {
        const struct submit *submit = &checks->submits[number];
        if (submit->fate == FATE_ACKED && found[number] != submit->index) {
            world_fail(world,
                       "SUBMIT %llu was acknowledged at %llu, and is "
                       "at %llu",
                       (unsigned long long)number,
                       (unsigned long long)submit->index,
                       (unsigned long long)found[number]);
        }
    }
    free(found);
}

void check_end(struct world *world)
{
    struct checks *checks = &world->checks;
    for (unsigned i = 0; i < world->mix.hosts; i++) {
        const struct host *host = &world->hosts[i];
        struct raft_status status;
        raft_status(node_raft(host->node), &status);
        if (status.told != checks->count || status.last != checks->count) {
            world_fail(world,
                       "n%u has told %llu and has %llu entries; committed "
                       "are %zu",
                       host->id, (unsigned long long)status.told,
                       (unsigned long long)status.last, checks->count);
        }
    }
    raft_index last_app = 0;
    for (size_t i = 0; i < checks->count; i++) {
        if (checks->log[i].kind == RAFT_KIND_APP) {
            last_app = i + 1;
        }
    }
    for (unsigned i = 0; i < world->mix.apps; i++) {
        if (app_followed(world->apps[i]) != last_app) {
            world_fail(world, "app %u has followed up to %llu, not %llu", i,
                       (unsigned long long)app_followed(world->apps[i]),
                       (unsigned long long)last_app);
        }
    }
    check_fates(world);
}
