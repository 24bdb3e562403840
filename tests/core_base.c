/* Logs that are cut, and bases that go to whoever needs what is gone.
 *
 * The disks of the test keep what lies under a base, so that everything can be
 * checked against whole logs; an install copies it from another disk. */
#include "core_random.h"

#include <stdlib.h>

#include "base/mem.h"

static raft_index last_app(const struct disk *disk, raft_index index)
{
    while (index > 0 && disk->entries[index - 1].kind != RAFT_KIND_APP) {
        index--;
    }
    return index;
}

/* Log matching: whoever has the entry has all before it. */
static const struct disk *disk_with(const struct world *world,
                                    const struct raft_base *base)
{
    for (size_t at = 1; at <= world->count; at++) {
        const struct disk *disk = &world->machines[at].disk;
        if (disk->count >= base->index &&
            disk->entries[base->index - 1].term == base->term) {
            return disk;
        }
    }
    return NULL;
}

static void copy_entries(struct disk *disk, const struct disk *from,
                         raft_index count)
{
    struct raft_entry *entries = x_calloc((size_t)count, sizeof(*entries));
    for (raft_index i = 0; i < count; i++) {
        entries[i] = raft_entry_share(&from->entries[i]);
    }
    while (disk->count > 0) {
        raft_entry_clear(&disk->entries[--disk->count]);
    }
    free(disk->entries);
    disk->entries = entries;
    disk->count = (size_t)count;
    disk->capacity = (size_t)count;
}

void persist_base(struct world *world, struct disk *disk,
                  const struct raft_save *save)
{
    const struct raft_base *base = &save->base;
    const struct disk *whole = disk_with(world, base);
    if (base->index <= disk->base.index || whole == NULL) {
        fail(world, "a base at %llu:%llu is saved over one at %llu",
             (unsigned long long)base->index, (unsigned long long)base->term,
             (unsigned long long)disk->base.index);
    }
    const struct raft_entry *entry = &whole->entries[base->index - 1];
    if (world->committed[base->index] != base->term ||
        !digest_equal(entry->chain, base->chain) ||
        entry->unix_ms != base->unix_ms ||
        last_app(whole, base->index) != base->last_app) {
        fail(world, "the base at %llu:%llu is not that of the log",
             (unsigned long long)base->index, (unsigned long long)base->term);
    }
    if (save->install != NULL) {
        if (disk->count >= base->index &&
            disk->entries[base->index - 1].term == base->term) {
            fail(world, "a log that goes on behind the base is dropped");
        }
        copy_entries(disk, whole, base->index);
        world->installs++;
    }
    disk->base = *base;
}

void compact(struct world *world, size_t at)
{
    struct machine *machine = &world->machines[at];
    struct raft_status status;
    raft_status(machine->raft, &status);
    raft_index most = status.told;
    if (prng_chance(&world->prng, 2) && status.needed < most) {
        most = status.needed;
    }
    if (most < status.first) {
        return;
    }
    struct raft_event event = {.type = RAFT_EVENT_COMPACT};
    raft_index index = prng_range(&world->prng, status.first, most);
    event.compact.index = index;
    event.compact.chain = machine->disk.entries[index - 1].chain;
    event.compact.unix_ms = machine->disk.entries[index - 1].unix_ms;
    world->compactions++;
    step(world, at, &event);
}

/* ---- to others ---------------------------------------------------------- */

static bool is_sent(const struct world *world, size_t from, size_t to)
{
    for (size_t i = 0; i < world->parcel_count; i++) {
        if (world->parcels[i].from == from && world->parcels[i].to == to) {
            return true;
        }
    }
    return false;
}

static void send_base(struct world *world, size_t from, size_t to)
{
    const struct machine *machine = &world->machines[from];
    const struct disk *disk = &machine->disk;
    const struct raft_base *base = raft_base_now(machine->raft);
    struct raft_status status;
    raft_status(machine->raft, &status);
    if (world->parcel_count == 16 || status.told < base->index) {
        return;
    }
    struct parcel *parcel = &world->parcels[world->parcel_count++];
    *parcel = (struct parcel){.from = from, .to = to};
    parcel->index = prng_range(&world->prng, base->index, status.told);
    const struct raft_entry *entry = &disk->entries[parcel->index - 1];
    raft_base_pack(machine->raft, parcel->index, entry->chain, entry->unix_ms,
                   &parcel->record);
    parcel->due_us = world->now_us + prng_below(&world->prng, 60000);
}

void send_bases(struct world *world, size_t at)
{
    for (size_t to = 1; to <= world->count; to++) {
        struct raft_peer_status peer;
        if (raft_peer_status(world->machines[at].raft, (raft_id)to, &peer) &&
            peer.state == RAFT_PEER_SNAPSHOT && !is_sent(world, at, to)) {
            send_base(world, at, to);
        }
    }
}

static void tell_sender(struct world *world, const struct parcel *parcel)
{
    struct raft_event event = {.type = RAFT_EVENT_INSTALLED};
    event.installed.peer = (raft_id)parcel->to;
    event.installed.index = prng_chance(&world->prng, 3) ? 0 : parcel->index;
    if (world->machines[parcel->from].raft != NULL &&
        (world->healed || prng_chance(&world->prng, 2))) {
        step(world, parcel->from, &event);
    }
}

static void deliver_base(struct world *world, const struct parcel *parcel)
{
    struct raft_install install;
    struct raft_status status;
    const char *why =
        raft_base_unpack(parcel->record.data, parcel->record.size, &install);
    if (why != NULL) {
        fail(world, "a base cannot be read: %s", why);
    }
    if (world->machines[parcel->to].raft != NULL) {
        struct raft_event event = {.type = RAFT_EVENT_INSTALL,
                                   .install = &install};
        step(world, parcel->to, &event);
        raft_status(world->machines[parcel->to].raft, &status);
        if (status.told >= parcel->index) {
            tell_sender(world, parcel);
        }
    }
    raft_install_clear(&install);
}

void deliver_bases(struct world *world)
{
    for (size_t i = 0; i < world->parcel_count;) {
        if (world->parcels[i].due_us > world->now_us) {
            i++;
            continue;
        }
        struct parcel parcel = world->parcels[i];
        world->parcels[i] = world->parcels[--world->parcel_count];
        bool lost = !world->healed && prng_chance(&world->prng, 4);
        if (!lost) {
            deliver_base(world, &parcel);
        }
        buf_free(&parcel.record);
    }
}

void forget_bases(struct world *world)
{
    for (size_t i = 0; i < world->parcel_count; i++) {
        buf_free(&world->parcels[i].record);
    }
}
