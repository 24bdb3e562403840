/* The base of a disk: what of its log is gone, and what is left of that.
 *
 * The model keeps the entries that are gone, for whoever checks; the node is
 * not shown them.  After an install they are those that are committed. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "core/keys.h"
#include "world.h"

/* ---- keys that outlive their entries ------------------------------------ */

static void keep(struct disk *disk, raft_index index, struct blob *key)
{
    disk->kept = x_grow(disk->kept, &disk->kept_capacity, disk->kept_count + 1,
                        sizeof(*disk->kept));
    disk->kept[disk->kept_count++] = (struct kept){.index = index, .key = key};
}

static void forget(struct disk *disk, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        disk->kept_forgotten = disk->kept[i].index;
        blob_free(disk->kept[i].key);
    }
    disk->kept_count -= count;
    if (count > 0) {
        memmove(disk->kept, disk->kept + count,
                disk->kept_count * sizeof(*disk->kept));
    }
}

static void keep_newest(struct disk *disk, uint64_t window)
{
    if (disk->kept_count > window) {
        forget(disk, disk->kept_count - (size_t)window);
    }
}

static void keep_packed(struct disk *disk, const struct blob *packed)
{
    struct cursor cursor = cursor_of(packed->data, packed->size);
    struct cursor fixed = cursor_part(&cursor, cursor_u16(&cursor));
    forget(disk, disk->kept_count);
    disk->kept_forgotten = cursor_u64(&fixed);
    while (cursor_left(&cursor) > 0) {
        struct cursor part = cursor_part(&cursor, cursor_u16(&cursor));
        raft_index index = cursor_u64(&part);
        keep(disk, index, blob_copy(part.at, cursor_left(&part)));
    }
}

void base_pack_keys(const struct disk *disk, struct buf *buf)
{
    keys_pack_begin(buf, disk->kept_forgotten);
    for (size_t i = 0; i < disk->kept_count; i++) {
        const struct kept *kept = &disk->kept[i];
        keys_pack_add(buf, kept->index, kept->key->data, kept->key->size);
    }
}

/* ---- the keys that the shipped store brings ----------------------------- */

static void keys_wrong(struct host *host, raft_index index, const char *what)
{
    world_fail(host->world, "the store keeps what it answered",
               "n%lu: the key of entry %llu %s", (unsigned long)host->id,
               (unsigned long long)index, what);
}

/* What is forgotten had as many newer ones as are remembered, or came so with
 * another node's base. */
static void check_forgotten(struct host *host, raft_index forgotten)
{
    const struct disk *disk = &host->disk;
    uint64_t newer = 0;
    for (raft_index at = forgotten + 1; at <= disk->commit; at++) {
        newer += disk->entries[at - 1].key != NULL;
    }
    if (forgotten > disk->kept_forgotten &&
        newer < host->world->mix.key_window) {
        keys_wrong(host, forgotten, "is forgotten too early");
    }
}

void base_check_keys(struct host *host, const struct raft_start *start)
{
    const struct disk *disk = &host->disk;
    struct cursor cursor = cursor_of(start->keys, start->keys_size);
    struct cursor fixed = cursor_part(&cursor, cursor_u16(&cursor));
    raft_index forgotten = cursor_u64(&fixed);
    check_forgotten(host, forgotten);
    for (raft_index at = forgotten + 1; at <= start->last - start->tail_count;
         at++) {
        const struct blob *key = disk->entries[at - 1].key;
        if (key == NULL) {
            continue;
        }
        struct cursor part = cursor_part(&cursor, cursor_u16(&cursor));
        if (cursor_u64(&part) != at || cursor_left(&part) != key->size ||
            memcmp(part.at, key->data, key->size) != 0) {
            keys_wrong(host, at, "is not there, or another one");
        }
    }
    if (cursor_left(&cursor) > 0) {
        keys_wrong(host, start->last, "has others behind it");
    }
}

/* ---- what it must be ---------------------------------------------------- */

static raft_index last_app(const struct checks *checks, raft_index index)
{
    while (index > 0 && checks->log[index - 1].kind != RAFT_KIND_APP) {
        index--;
    }
    return index;
}

static void check_base(const struct host *host, const struct raft_base *base)
{
    const struct checks *checks = &host->world->checks;
    const struct committed *at = NULL;
    if (base->index > 0 && base->index <= checks->count) {
        at = &checks->log[base->index - 1];
    }
    if (at == NULL || at->term != base->term ||
        !digest_equal(at->chain, base->chain) ||
        at->entry.unix_ms != base->unix_ms ||
        last_app(checks, base->index) != base->last_app) {
        world_fail(host->world, "the base is what its entries left",
                   "n%lu: %llu of t%llu, the last app entry %llu",
                   (unsigned long)host->id, (unsigned long long)base->index,
                   (unsigned long long)base->term,
                   (unsigned long long)base->last_app);
    }
}

/* Where nobody forces anything and nobody comes later, everybody has it. */
static void check_needed(const struct host *host, const struct raft_base *base)
{
    const struct world *world = host->world;
    if (world->mix.compact != COMPACT_KEEPS || world->mix.snapshots ||
        world->mix.operators > 0) {
        return;
    }
    for (unsigned i = 0; i < world->mix.hosts; i++) {
        if (world->hosts[i].disk.count < base->index) {
            world_fail(host->world, "what a member needs is kept",
                       "n%lu drops %llu, and n%u has %zu entries",
                       (unsigned long)host->id, (unsigned long long)base->index,
                       i, world->hosts[i].disk.count);
        }
    }
}

static void check_configs(const struct host *host,
                          const struct raft_install *install)
{
    const struct checks *checks = &host->world->checks;
    size_t count = 0;
    while (count < checks->config_count &&
           checks->configs[count].index <= install->base.index) {
        count++;
    }
    bool same = count == install->config_count;
    for (size_t i = 0; same && i < count; i++) {
        same = install->configs[i].index == checks->configs[i].index &&
               install->configs[i].term == checks->configs[i].term;
    }
    if (!same) {
        world_fail(host->world, "a base has all configurations",
                   "n%lu is given %zu, up to %llu, of %zu",
                   (unsigned long)host->id, install->config_count,
                   (unsigned long long)install->base.index, count);
    }
}

/* Section 7: a log that has the base's last entry goes on behind it. */
static void check_replaced(const struct host *host,
                           const struct raft_base *base)
{
    const struct disk *disk = &host->disk;
    if (base->index <= disk->count &&
        disk->entries[base->index - 1].term == base->term) {
        world_fail(host->world,
                   "an install keeps a log that has its last entry",
                   "n%lu: it is of %llu, and %zu entries are here",
                   (unsigned long)host->id, (unsigned long long)base->index,
                   disk->count);
    }
}

/* ---- it moves ----------------------------------------------------------- */

static void install(struct host *host, const struct raft_save *log)
{
    struct disk *disk = &host->disk;
    raft_index index = log->base.index;
    if (index <= disk->commit) {
        world_fail(host->world, "an install never goes back",
                   "n%lu: to %llu, with %llu committed",
                   (unsigned long)host->id, (unsigned long long)index,
                   (unsigned long long)disk->commit);
    }
    check_replaced(host, &log->base);
    check_configs(host, log->install);
    check_truncated(host, index + 1);
    disk_truncate(disk, 0);
    for (raft_index at = 1; at <= index; at++) {
        disk_add(disk, &host->world->checks.log[at - 1].entry);
    }
    keep_packed(disk, log->install->keys);
    disk->installed = true;
    world_happened(host->world, HAPPENED_INSTALLED);
}

void base_apply(struct host *host, const struct raft_save *log)
{
    struct disk *disk = &host->disk;
    const struct raft_base *base = &log->base;
    if (!log->base_dirty) {
        return;
    }
    check_base(host, base);
    if (base->index < disk->base.index) {
        world_fail(host->world, "the base only moves up",
                   "n%lu: from %llu to %llu", (unsigned long)host->id,
                   (unsigned long long)disk->base.index,
                   (unsigned long long)base->index);
    }
    if (log->install != NULL) {
        install(host, log);
    } else {
        check_needed(host, base);
        for (raft_index at = disk->base.index + 1; at <= base->index; at++) {
            struct blob *key = disk->entries[at - 1].key;
            if (key != NULL) {
                keep(disk, at, blob_share(key));
            }
        }
        world_happened(host->world, HAPPENED_BASE_MOVED);
    }
    keep_newest(disk, host->key_window);
    disk->base = *base;
}

void base_free(struct disk *disk)
{
    forget(disk, disk->kept_count);
    free(disk->kept);
}
