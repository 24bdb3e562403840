/* What is durable, and the requests that make it so.  The model: what was
 * saved is there after a crash, the save that was under way is there as a
 * whole or not at all.  With a shelf the shipped store does the work. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "core/keys.h"
#include "world.h"

void disk_truncate(struct disk *disk, size_t count)
{
    while (disk->count > count) {
        raft_entry_clear(&disk->entries[--disk->count]);
    }
}

void disk_add(struct disk *disk, const struct raft_entry *entry)
{
    disk->entries = x_grow(disk->entries, &disk->capacity, disk->count + 1,
                           sizeof(*disk->entries));
    disk->entries[disk->count++] = raft_entry_share(entry);
}

static void apply_state(struct host *host, const struct raft_save *log)
{
    struct disk *disk = &host->disk;
    if (log->term < disk->term ||
        (log->term == disk->term && disk->vote != RAFT_ID_NONE &&
         log->vote != disk->vote)) {
        world_fail(host->world, "term and vote on disk",
                   "t%llu v%lu is overwritten by t%llu v%lu",
                   (unsigned long long)disk->term, (unsigned long)disk->vote,
                   (unsigned long long)log->term, (unsigned long)log->vote);
    }
    disk->term = log->term;
    disk->vote = log->vote;
}

void disk_apply(struct host *host, const struct node_save *save)
{
    struct disk *disk = &host->disk;
    const struct raft_save *log = &save->log;
    base_apply(host, log);
    if (log->truncate_from != 0) {
        check_truncated(host, log->truncate_from);
        disk_truncate(disk, (size_t)log->truncate_from - 1);
    }
    if (log->state_dirty) { /* what goes is judged by the term before it */
        apply_state(host, log);
    }
    for (size_t i = 0; i < log->entry_count; i++) {
        const struct raft_entry *entry = &log->entries[i];
        if (entry->index != disk->count + 1) {
            world_fail(host->world, "saves leave no gap",
                       "n%lu saves entry %llu behind entry %zu",
                       (unsigned long)host->id,
                       (unsigned long long)entry->index, disk->count);
        }
        disk_add(disk, entry);
        check_saved(host, entry);
    }
    if (log->commit > disk->count) {
        world_fail(host->world, "commit on disk",
                   "n%lu saves commit %llu with %zu entries",
                   (unsigned long)host->id, (unsigned long long)log->commit,
                   disk->count);
    }
    if (log->commit > disk->commit) {
        disk->commit = log->commit;
    }
    files_apply(host, save);
    if (save->ack_dirty) {
        disk->ack = save->ack;
        host->acks_saved++;
    }
    if (save->cluster_dirty) {
        disk->identity.cluster_id = save->cluster_id;
        disk->identity.epoch = save->epoch;
    }
}

/* ---- saving ------------------------------------------------------------- */

/* A disk that works, however slowly. */
#define SAVE_MAX_US ((uint64_t)3000000)
#define SAVE_CALM_US ((uint64_t)20000)

static void crash_in_save(struct world *world, void *subject, uint64_t life)
{
    struct host *host = subject;
    if (host->life != life || world->calm) {
        return;
    }
    world_happened(world, HAPPENED_CRASH_IN_SAVE);
    host_crash(host);
    host_restart_later(host, 4000000);
}

static enum node_save_result carry_out(struct host *host)
{
    if (host->shelf != NULL) {
        return shelf_save(host, host->saving, host->disk.full);
    }
    return host->disk.full ? NODE_SAVE_NO_ROOM : NODE_SAVE_OK;
}

static void save_done(struct world *world, void *subject, uint64_t life)
{
    struct host *host = subject;
    if (host->life != life) {
        return;
    }
    if (host->disk.hangs) {
        host->save_waits = true;
        return;
    }
    if (host->disk.write_fails && !world->calm) {
        host->disk.write_fails = false;
        world_happened(world, HAPPENED_WRITE_FAILED);
        crash_in_save(world, host, life);
        return;
    }
    struct node_input input = {.type = NODE_INPUT_SAVED,
                               .saved = carry_out(host)};
    if (input.saved == NODE_SAVE_OK) {
        if (host->saving->log.truncate_from != 0) {
            world_happened(world, HAPPENED_TRUNCATION);
        }
        disk_apply(host, host->saving);
    } else {
        world_happened(world, HAPPENED_REFUSED_SAVE);
    }
    host->saving = NULL;
    node_input(host->node, &input);
    host_wake(host);
}

void disk_wake(struct host *host)
{
    if (host->save_waits && !host->disk.hangs) {
        host->save_waits = false;
        world_in(host->world, 1, save_done, host, host->life);
    }
}

/* The moment that matters most: what was sent beside the save, or in the belief
 * that it was done, is out; the save is not. */
static bool draws_crash(struct world *world, const struct node_save *save)
{
    unsigned one_in = world->mix.save_crash;
    if (world->calm || one_in == 0) {
        return false;
    }
    /* A vote, above all. */
    return prng_chance(&world->prng, save->log.state_dirty ? 6 : one_in);
}

/* … or a configuration. */
static bool stumbles(struct world *world, const struct node_save *save)
{
    for (size_t i = 0; i < save->log.entry_count; i++) {
        if (save->log.entries[i].kind == RAFT_KIND_CONFIG &&
            save->log.entries[i].index > 1) {
            return !world->calm &&
                   prng_chance(&world->prng, world->mix.stumble);
        }
    }
    return false;
}

static void disk_save(void *context, const struct node_save *save)
{
    struct host *host = context;
    struct world *world = host->world;
    assert(host->saving == NULL);
    host->saving = save;
    uint64_t most = world->mix.save_us * (host->disk.slow ? 50 : 1);
    uint64_t limit = world->calm ? SAVE_CALM_US : SAVE_MAX_US;
    most = most < limit ? most : limit;
    uint64_t takes_us = prng_range(&world->prng, 50, most);
    world_in(world, takes_us, save_done, host, host->life);
    bool stumble = stumbles(world, save);
    if (stumble) {
        world_happened(world, HAPPENED_STUMBLE_IN_SAVE);
    }
    if (stumble || draws_crash(world, save)) {
        world_in(world, prng_range(&world->prng, 1, takes_us), crash_in_save,
                 host, host->life);
    }
}

static void model_crash(struct host *host, const struct node_save *save)
{
    struct world *world = host->world;
    if (save != NULL && prng_chance(&world->prng, 2)) {
        disk_apply(host, save);
    } else if (save != NULL) {
        world_happened(world, HAPPENED_LOST_SAVE);
    }
}

void disk_crash(struct host *host)
{
    const struct node_save *save = host->disk.full ? NULL : host->saving;
    if (host->shelf != NULL) {
        shelf_crash(host, save);
    } else {
        model_crash(host, save);
    }
    files_crash(host);
}

/* ---- reading ------------------------------------------------------------ */

struct read_job {
    struct host *host;
    struct node_read read;
};

static void model_read(const struct disk *disk, const struct node_read *read,
                       struct node_read_answer *answer)
{
    size_t count = 0;
    size_t bytes = 0;
    if (read->first <= disk->base.index) {
        answer->result = NODE_READ_GONE;
        return;
    }
    answer->entries = x_calloc(disk->count + 1, sizeof(*answer->entries));
    raft_index rotten = disk->rotten > disk->base.index ? disk->rotten : 0;
    /* What is before the first one is read, too: its digest proves that. */
    if (rotten != 0 && rotten + 1 >= read->first && rotten <= read->last &&
        rotten <= disk->count) {
        answer->result = NODE_READ_CORRUPT;
        answer->index = rotten;
    }
    for (raft_index at = read->first; at <= read->last && at <= disk->count;
         at++) {
        const struct raft_entry *entry = &disk->entries[at - 1];
        bytes += raft_entry_weight(entry);
        if (count > 0 && bytes > read->bytes_max) {
            answer->result = NODE_READ_OK; /* what is damaged lies behind it */
            break;
        }
        if (answer->result == NODE_READ_CORRUPT && at >= rotten) {
            break;
        }
        answer->entries[count++] = raft_entry_share(entry);
    }
    if (read->first > 1 && read->first - 1 <= disk->count) {
        answer->prev_chain = disk->entries[read->first - 2].chain;
    }
    answer->entry_count = count;
}

static void read_done(struct world *world, void *subject, uint64_t life)
{
    struct read_job *job = subject;
    struct host *host = job->host;
    if (host->life == life && host->disk.hangs) {
        world_give(world, 100000, read_done, job, life);
        return;
    }
    if (host->life == life) {
        bool fails = host->disk.read_fails;
        struct node_read_answer answer = {.request = job->read.request,
                                          .result = NODE_READ_OK,
                                          .first = job->read.first};
        if (host->shelf != NULL) {
            shelf_read(host, &job->read, fails, &answer);
        } else if (fails) {
            answer.result = NODE_READ_FAILED;
        } else {
            model_read(&host->disk, &job->read, &answer);
        }
        if (answer.result == NODE_READ_CORRUPT) {
            world_happened(world, HAPPENED_ROT);
        }
        world_happened(world,
                       fails ? HAPPENED_READ_FAILED : HAPPENED_STORE_READ);
        struct node_input input = {.type = NODE_INPUT_READ, .read = &answer};
        node_input(host->node, &input);
        host_wake(host);
    }
    free(job);
}

static void disk_read(void *context, const struct node_read *read)
{
    struct host *host = context;
    struct world *world = host->world;
    struct read_job *job = x_malloc(sizeof(*job));
    *job = (struct read_job){.host = host, .read = *read};
    world_give(world, prng_range(&world->prng, 10, 3000), read_done, job,
               host->life);
}

static void disk_stats(void *context, struct node_store_stats *stats)
{
    (void)context;
    *stats = (struct node_store_stats){0};
}

struct node_store disk_store(struct host *host)
{
    return (struct node_store){.context = host,
                               .save = disk_save,
                               .read = disk_read,
                               .file = files_ask,
                               .stats = disk_stats};
}

/* ---- opening ------------------------------------------------------------ */

static void make_identity(struct disk *disk, struct host *host)
{
    disk->made = true;
    disk->vote = RAFT_ID_NONE;
    disk->identity.id = host->id;
    disk->identity.instance = prng_u64(&host->world->prng) | 1;
}

static void show_log(struct disk *disk, struct raft_start *raft)
{
    for (size_t i = 0; i < disk->count; i++) {
        const struct raft_entry *entry = &disk->entries[i];
        bool gone = entry->index <= disk->base.index;
        if (!gone && (i == disk->base.index ||
                      entry->term != disk->entries[i - 1].term)) {
            disk->runs[raft->run_count++] =
                (struct raft_run){.first = entry->index, .term = entry->term};
        }
        if (entry->kind == RAFT_KIND_CONFIG) {
            disk->configs[raft->config_count++] =
                (struct raft_config_entry){.index = entry->index,
                                           .term = entry->term,
                                           .unix_ms = entry->unix_ms,
                                           .payload = entry->payload};
        }
        if (!gone && entry->kind != RAFT_KIND_APP) {
            disk->others[raft->other_count++] = entry->index;
        }
    }
}

/* The keys of entries before the tail, those that are remembered: as many as
 * a store would find, or some more. */
static void show_keys(struct host *host, struct raft_start *raft)
{
    struct disk *disk = &host->disk;
    size_t before = disk->count - raft->tail_count;
    size_t left = host->key_window + prng_below(&host->world->prng, 3);
    raft_index base = disk->base.index;
    raft_index forgotten = disk->commit < before ? disk->commit : before;
    for (; forgotten > base && left > 0; forgotten--) {
        left -= disk->entries[forgotten - 1].key != NULL;
    }
    while (forgotten > base && disk->entries[forgotten - 1].key == NULL) {
        forgotten--;
    }
    if (forgotten > base) {
        keys_pack_begin(&disk->keys, forgotten);
    } else {
        base_pack_keys(disk, &disk->keys);
    }
    for (raft_index at = (forgotten > base ? forgotten : base) + 1;
         at <= before; at++) {
        const struct blob *key = disk->entries[at - 1].key;
        if (key != NULL) {
            keys_pack_add(&disk->keys, at, key->data, key->size);
        }
    }
    raft->keys = disk->keys.data;
    raft->keys_size = disk->keys.size;
}

static void model_start(struct host *host, struct node_start *start)
{
    struct disk *disk = &host->disk;
    struct prng *prng = &host->world->prng;
    disk->runs = x_calloc(disk->count + 1, sizeof(*disk->runs));
    disk->configs = x_calloc(disk->count + 1, sizeof(*disk->configs));
    disk->others = x_calloc(disk->count + 1, sizeof(*disk->others));
    *start = (struct node_start){.identity = disk->identity,
                                 .ack = disk->ack,
                                 .snapshot = disk->snapshot};
    struct raft_start *raft = &start->raft;
    raft->term = disk->term;
    raft->vote = disk->vote;
    raft->commit = disk->commit;
    raft->base = disk->base;
    raft->last = disk->count;
    show_log(disk, raft);
    raft->runs = disk->runs;
    raft->configs = disk->configs;
    raft->others = disk->others;
    /* At least from the commit index on; the more, the better. */
    size_t most = disk->count - (size_t)disk->base.index;
    size_t least = disk->count - (disk->commit > 0 ? disk->commit - 1 : 0);
    least = least < most ? least : most;
    size_t tail = (size_t)prng_range(prng, least, most);
    raft->tail = tail == 0 ? NULL : &disk->entries[disk->count - tail];
    raft->tail_count = tail;
    show_keys(host, raft);
}

void disk_start(struct host *host, struct node_start *start)
{
    struct disk *disk = &host->disk;
    if (!disk->made) {
        make_identity(disk, host);
    }
    disk->identity.boot++;
    disk->file_rotted = false;
    if (host->world->mix.sqlite) {
        *start = *shelf_open(host);
    } else {
        model_start(host, start);
    }
}

void disk_started(struct host *host)
{
    struct disk *disk = &host->disk;
    if (host->shelf != NULL) {
        shelf_started(host);
    }
    free(disk->runs);
    free(disk->configs);
    free(disk->others);
    disk->runs = NULL;
    disk->configs = NULL;
    disk->others = NULL;
    buf_free(&disk->keys);
}

void disk_repair(struct disk *disk)
{
    disk->full = false;
    disk->slow = false;
    disk->hangs = false;
    disk->read_fails = false;
    disk->write_fails = false;
    disk->rotten = 0;
    disk->file_rots = false;
}

void disk_change(struct host *host, bool fresh)
{
    struct disk disk = fresh ? (struct disk){0} : host->other_disk;
    struct shelf *shelf = fresh ? NULL : host->other_shelf;
    if (fresh) {
        disk_free(&host->other_disk);
        shelf_close(&host->other_shelf);
    }
    host->other_disk = host->disk;
    disk_repair(&host->other_disk);
    host->other_shelf = host->shelf;
    host->disk = disk;
    host->shelf = shelf;
}

void disk_free(struct disk *disk)
{
    disk_truncate(disk, 0);
    free(disk->entries);
    base_free(disk);
    files_free(disk);
}
