/* The shipped store, on a VFS in memory that knows what was synced.
 *
 * Beside it struct disk says what was answered.  Whenever the database is
 * opened again it must have just that, or that and the whole save that was
 * under way when the machine died, which may have been at any of its writes
 * and syncs. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "../crash_vfs.h"
#include "store/store.h"
#include "world.h"

/* A crash comes at one of so many operations from the start of a save on. */
#define OPERATIONS_MAX 16

struct shelf {
    unsigned place;
    char directory[2][64]; /* after a crash the other one is used */
    int used;
    struct store *store;
    struct node_save pending; /* shares what it has of a save cut off */
    bool is_pending;
    unsigned crash_at; /* operation of the save under way; 0: no crash */
    unsigned operation;
    bool crashed;
    uint64_t image_seed;
    /* Of the request under way: */
    enum node_save_result saved;
    struct node_read_answer *answer;
    struct node_file_answer *file_answer;
    bool file_answered;
};

/* ---- places ------------------------------------------------------------- */

/* The lock of a store is a real file: it needs a directory, which every run of
 * this process uses again. */
static char root[40];

/* Two of a host's disks are kept, each of them in one place or, after a crash,
 * in another. */
#define PLACES (HOSTS_MAX * 4)

static void remove_root(void)
{
    char path[96];
    for (unsigned i = 0; i < PLACES; i++) {
        snprintf(path, sizeof(path), "%s/%u/lock", root, i);
        unlink(path);
        snprintf(path, sizeof(path), "%s/%u", root, i);
        rmdir(path);
    }
    rmdir(root);
}

static void make_root(void)
{
    if (root[0] != '\0') {
        return;
    }
    const char *memory = "/dev/shm";
    snprintf(root, sizeof(root), "%s/raftsc-sim-XXXXXX",
             access(memory, W_OK) == 0 ? memory : "/tmp");
    if (mkdtemp(root) == NULL) {
        perror(root);
        exit(1);
    }
    atexit(remove_root);
    for (unsigned i = 0; i < PLACES; i++) {
        char path[96];
        snprintf(path, sizeof(path), "%s/%u", root, i);
        mkdir(path, 0700);
    }
    crash_vfs_register();
}

static struct shelf *new_shelf(const struct host *host)
{
    make_root();
    struct shelf *shelf = x_calloc(1, sizeof(*shelf));
    unsigned place = (unsigned)host->id * 4;
    if (host->other_shelf != NULL && host->other_shelf->place == place) {
        place += 2;
    }
    shelf->place = place;
    for (unsigned i = 0; i < 2; i++) {
        snprintf(shelf->directory[i], sizeof(shelf->directory[i]), "%s/%u",
                 root, place + i);
        crash_vfs_forget(shelf->directory[i]);
    }
    return shelf;
}

/* ---- what it must have -------------------------------------------------- */

/* A save may drop the last entry for one of another term, and leave all else
 * as it was. */
static raft_term last_term(const struct raft_start *raft)
{
    return raft->run_count == 0 ? raft->base.term
                                : raft->runs[raft->run_count - 1].term;
}

static bool matches(const struct disk *disk, const struct node_start *start)
{
    const struct raft_start *raft = &start->raft;
    raft_term term = disk->count == disk->base.index
                         ? disk->base.term
                         : disk->entries[disk->count - 1].term;
    return last_term(raft) == term && raft->term == disk->term &&
           raft->vote == disk->vote && raft->base.index == disk->base.index &&
           raft->base.term == disk->base.term &&
           raft->base.unix_ms == disk->base.unix_ms &&
           raft->base.last_app == disk->base.last_app &&
           digest_equal(raft->base.chain, disk->base.chain) &&
           raft->last == disk->count && raft->commit == disk->commit &&
           start->ack == disk->ack &&
           start->snapshot.index == disk->snapshot.index &&
           (start->snapshot.index == 0 ||
            start->snapshot.file == disk->snapshot.file) &&
           digest_equal(start->identity.cluster_id, disk->identity.cluster_id);
}

static void check_entries(struct host *host)
{
    const struct disk *disk = &host->disk;
    raft_index next = disk->base.index + 1;
    while (next <= disk->count) {
        struct node_read read = {
            .first = next, .last = disk->count, .bytes_max = 1024 * 1024};
        struct node_read_answer answer = {0};
        shelf_read(host, &read, false, &answer);
        for (size_t i = 0; i < answer.entry_count; i++, next++) {
            const struct raft_entry *wanted = &disk->entries[next - 1];
            const struct raft_entry *found = &answer.entries[i];
            if (found->term != wanted->term ||
                !digest_equal(found->chain, wanted->chain)) {
                world_fail(host->world, "the store keeps what it answered",
                           "n%lu has another entry %llu",
                           (unsigned long)host->id, (unsigned long long)next);
            }
            raft_entry_clear(&answer.entries[i]);
        }
        free(answer.entries);
        if (answer.entry_count == 0) {
            world_fail(host->world, "the store keeps what it answered",
                       "n%lu does not read entry %llu back",
                       (unsigned long)host->id, (unsigned long long)next);
        }
    }
}

static void clear_pending(struct shelf *shelf)
{
    if (shelf->is_pending) {
        raft_save_clear(&shelf->pending.log);
        shelf->is_pending = false;
    }
}

static void check_opened(struct host *host, const struct node_start *start)
{
    struct shelf *shelf = host->shelf;
    if (!matches(&host->disk, start) && shelf->is_pending) {
        disk_apply(host, &shelf->pending);
    } else if (shelf->is_pending) {
        world_happened(host->world, HAPPENED_LOST_SAVE);
    }
    clear_pending(shelf);
    if (!matches(&host->disk, start)) {
        const struct raft_start *raft = &start->raft;
        world_fail(
            host->world, "the store keeps what it answered",
            "n%lu: t%llu v%lu, %llu entries, commit %llu, ack %llu on "
            "disk; answered were t%llu v%lu, %zu, %llu, %llu",
            (unsigned long)host->id, (unsigned long long)raft->term,
            (unsigned long)raft->vote, (unsigned long long)raft->last,
            (unsigned long long)raft->commit, (unsigned long long)start->ack,
            (unsigned long long)host->disk.term, (unsigned long)host->disk.vote,
            host->disk.count, (unsigned long long)host->disk.commit,
            (unsigned long long)host->disk.ack);
    }
    check_entries(host);
    base_check_keys(host, &start->raft);
}

/* ---- opening and closing ------------------------------------------------ */

const struct node_start *shelf_open(struct host *host)
{
    struct prng *prng = &host->world->prng;
    bool again = host->shelf != NULL;
    if (!again) {
        host->shelf = new_shelf(host);
    }
    struct shelf *shelf = host->shelf;
    assert(shelf->store == NULL);
    struct store_options options = {
        .directory = shelf->directory[shelf->used],
        .id = host->id,
        .version = "sim",
        .tail_bytes_max = (size_t)prng_range(prng, 1000, 100000),
        .key_window = host->key_window,
        .vfs = "crash",
        .checkpoint_pages = (int)prng_range(prng, 10, 300),
        .list = crash_vfs_list,
        .chunk_bytes = (size_t)prng_range(prng, 500, 5000),
        .instance_seed = host->disk.identity.instance};
    struct store_error error = {0};
    shelf->store = store_open(&options, &error);
    if (shelf->store == NULL) {
        world_fail(host->world, "the store opens", "%s", error.text);
    }
    const struct node_start *start = store_start(shelf->store);
    check_opened(host, start);
    files_opened(host, shelf->directory[shelf->used]);
    if (again) {
        world_happened(host->world, HAPPENED_REOPENED);
    }
    return start;
}

void shelf_started(struct host *host)
{
    store_started(host->shelf->store);
}

void shelf_close(struct shelf **closed)
{
    struct shelf *shelf = *closed;
    if (shelf == NULL) {
        return;
    }
    store_close(shelf->store);
    clear_pending(shelf);
    crash_vfs_forget(shelf->directory[0]);
    crash_vfs_forget(shelf->directory[1]);
    free(shelf);
    *closed = NULL;
}

/* ---- requests ----------------------------------------------------------- */

static void on_saved(void *context, enum node_save_result result)
{
    struct shelf *shelf = context;
    shelf->saved = result;
}

static void on_read(void *context, struct node_read_answer *answer)
{
    struct shelf *shelf = context;
    uint64_t request = shelf->answer->request;
    *shelf->answer = *answer;
    shelf->answer->request = request;
}

static void on_file(void *context, struct node_file_answer *answer)
{
    struct shelf *shelf = context;
    if (shelf->file_answer != NULL) {
        *shelf->file_answer = *answer;
    } else {
        blob_free(answer->bytes);
    }
    shelf->file_answered = true;
}

static void poll_store(struct shelf *shelf)
{
    struct store_answers answers = {
        .context = shelf, .saved = on_saved, .read = on_read, .file = on_file};
    store_poll(shelf->store, &answers);
}

enum node_save_result shelf_save(struct host *host,
                                 const struct node_save *save, bool full)
{
    struct shelf *shelf = host->shelf;
    struct node_store store = store_node(shelf->store);
    /* Any write of it may be the one that finds no room. */
    crash_vfs_fill(
        full ? (unsigned)prng_range(&host->world->prng, 1, OPERATIONS_MAX) : 0);
    store.save(store.context, save);
    poll_store(shelf);
    crash_vfs_fill(0);
    return shelf->saved;
}

void shelf_read(struct host *host, const struct node_read *read, bool fails,
                struct node_read_answer *answer)
{
    struct shelf *shelf = host->shelf;
    struct node_store store = store_node(shelf->store);
    shelf->answer = answer;
    answer->request = read->request;
    crash_vfs_fail_reads(fails);
    store.read(store.context, read);
    poll_store(shelf);
    crash_vfs_fail_reads(false);
}

bool shelf_file(struct host *host, const struct node_file_request *request,
                struct node_file_answer *answer)
{
    struct shelf *shelf = host->shelf;
    struct node_store store = store_node(shelf->store);
    bool reads =
        request->work == NODE_FILE_READ || request->work == NODE_FILE_VERIFY;
    shelf->file_answer = answer;
    shelf->file_answered = false;
    crash_vfs_fill(
        host->disk.full && !reads
            ? (unsigned)prng_range(&host->world->prng, 1, OPERATIONS_MAX)
            : 0);
    crash_vfs_fail_reads(host->disk.read_fails && reads);
    store.file(store.context, request);
    poll_store(shelf);
    crash_vfs_fill(0);
    crash_vfs_fail_reads(false);
    shelf->file_answer = NULL;
    return shelf->file_answered;
}

/* ---- crashes ------------------------------------------------------------ */

static void take_image(struct shelf *shelf)
{
    crash_vfs_image(shelf->directory[shelf->used],
                    shelf->directory[1 - shelf->used], shelf->image_seed);
    shelf->crashed = true;
}

static void watch(void *context, unsigned operation)
{
    (void)operation;
    struct shelf *shelf = context;
    if (++shelf->operation == shelf->crash_at) {
        take_image(shelf);
    }
}

static struct raft_install *share_install(const struct raft_install *install)
{
    struct raft_install *shared = x_calloc(1, sizeof(*shared));
    *shared = *install;
    shared->keys = blob_share(install->keys);
    shared->configs = x_calloc(install->config_count, sizeof(*shared->configs));
    for (size_t i = 0; i < install->config_count; i++) {
        shared->configs[i] = install->configs[i];
        blob_share(shared->configs[i].payload);
    }
    return shared;
}

static void note_pending(struct shelf *shelf, const struct node_save *save)
{
    shelf->is_pending = true;
    shelf->pending = *save;
    if (save->log.install != NULL) {
        shelf->pending.log.install = share_install(save->log.install);
    }
    size_t count = save->log.entry_count;
    shelf->pending.log.entries =
        x_calloc(count, sizeof(*shelf->pending.log.entries));
    for (size_t i = 0; i < count; i++) {
        shelf->pending.log.entries[i] = raft_entry_share(&save->log.entries[i]);
    }
}

void shelf_crash(struct host *host, const struct node_save *save)
{
    struct shelf *shelf = host->shelf;
    struct prng *prng = &host->world->prng;
    shelf->crashed = false;
    shelf->operation = 0;
    shelf->image_seed = prng_u64(prng);
    const struct node_file_request *file = files_under_way(host);
    if (save != NULL || file != NULL) {
        shelf->crash_at = (unsigned)prng_range(prng, 1, OPERATIONS_MAX);
        crash_vfs_watcher(shelf->directory[shelf->used], watch, shelf);
        struct node_store store = store_node(shelf->store);
        if (file != NULL) {
            store.file(store.context, file);
        }
        if (save != NULL) {
            note_pending(shelf, save);
            store.save(store.context, save);
        }
        poll_store(shelf);
        crash_vfs_watcher("", NULL, NULL);
        if (shelf->crashed) {
            world_happened(host->world, HAPPENED_TORN_SAVE);
        }
    }
    if (!shelf->crashed) {
        take_image(shelf);
    }
    store_close(shelf->store);
    shelf->store = NULL;
    crash_vfs_forget(shelf->directory[shelf->used]);
    shelf->used = 1 - shelf->used;
}
