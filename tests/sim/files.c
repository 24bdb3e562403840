/* Bytes of snapshots: the model of what a store does with them.
 *
 * A snapshot's bytes say of which entry it is, and the rest follows from that
 * and its size: whoever reads it, anywhere, knows what it must be. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../crash_vfs.h"
#include "base/mem.h"
#include "world.h"

/* ---- bytes -------------------------------------------------------------- */

void files_fill(raft_index index, size_t size, struct buf *buf)
{
    size_t begin = buf->size;
    buf_printf(buf, "%020llu %010zu ", (unsigned long long)index, size);
    assert(size >= buf->size - begin);
    for (size_t at = buf->size - begin; at < size; at++) {
        buf_append_u8(buf, (uint8_t)(index * 31 + at * 7));
    }
}

bool files_are(raft_index index, size_t size, size_t offset, const void *data,
               size_t count)
{
    struct buf buf = {0};
    files_fill(index, size, &buf);
    bool same = offset + count <= size &&
                (count == 0 || memcmp(buf.data + offset, data, count) == 0);
    buf_free(&buf);
    return same;
}

/* ---- files -------------------------------------------------------------- */

static void clear(struct sim_file *file)
{
    buf_free(&file->bytes);
    *file = (struct sim_file){0};
}

static struct sim_file *find(struct disk *disk, uint64_t number)
{
    for (size_t i = 0; i < FILES_MAX; i++) {
        if (disk->files[i].number == number && number != 0) {
            return &disk->files[i];
        }
    }
    return NULL;
}

static struct sim_file *in_making(struct disk *disk, bool received)
{
    for (size_t i = 0; i < FILES_MAX; i++) {
        struct sim_file *file = &disk->files[i];
        if (file->number != 0 && !file->whole && file->received == received) {
            return file;
        }
    }
    return NULL;
}

static void drop(struct sim_file *file)
{
    if (file != NULL) {
        clear(file);
    }
}

static struct sim_file *add(struct host *host)
{
    struct disk *disk = &host->disk;
    for (size_t i = 0; i < FILES_MAX; i++) {
        if (disk->files[i].number == 0) {
            disk->files[i].number = ++disk->file_number;
            return &disk->files[i];
        }
    }
    world_fail(host->world, "snapshots that nobody needs go",
               "n%lu has %d of them", (unsigned long)host->id, FILES_MAX);
}

static bool is_same(const struct node_snapshot *a,
                    const struct node_snapshot *b)
{
    return a->index == b->index && a->term == b->term && a->size == b->size &&
           memcmp(a->sha256, b->sha256, SHA256_SIZE) == 0;
}

static void sum(struct sim_file *file)
{
    struct sha256 *sha = sha256_new();
    sha256_add(sha, file->bytes.data, file->bytes.size);
    sha256_end(sha, file->what.sha256);
    sha256_free(sha);
    file->what.size = file->bytes.size;
}

/* ---- requests ----------------------------------------------------------- */

static void begin(struct host *host, const struct node_file_request *request,
                  struct node_file_answer *answer)
{
    struct sim_file *file = in_making(&host->disk, request->received);
    if (file != NULL &&
        !(request->received && is_same(&file->what, &request->snapshot))) {
        clear(file);
        file = NULL;
    } else if (file != NULL) {
        world_happened(host->world, HAPPENED_FILE_GOES_ON);
    }
    if (file == NULL) {
        file = add(host);
        file->received = request->received;
        file->what = request->snapshot;
        file->what.file = file->number;
    }
    answer->snapshot = file->what;
    answer->have = file->bytes.size;
}

/* What was received is not what was sent, and nobody knows where it went
 * wrong. */
static bool rots(struct world *world, const struct sim_file *file)
{
    return file->received && !world->calm && prng_chance(&world->prng, 10);
}

static void end(struct sim_file *file, struct node_file_answer *answer)
{
    struct node_snapshot said = file->what;
    sum(file);
    if (file->received && !is_same(&said, &file->what)) {
        answer->result = NODE_FILE_MISMATCH;
        clear(file);
        return;
    }
    file->whole = true;
    answer->snapshot = file->what;
}

static void work_on(struct host *host, const struct node_file_request *request,
                    struct node_file_answer *answer)
{
    struct sim_file *file = in_making(&host->disk, request->received);
    if (file == NULL) {
        answer->result = NODE_FILE_FAILED;
    } else if (request->work == NODE_FILE_END && rots(host->world, file)) {
        world_happened(host->world, HAPPENED_HASH_WRONG);
        answer->result = NODE_FILE_MISMATCH;
        clear(file);
    } else if (request->work == NODE_FILE_END) {
        end(file, answer);
    } else {
        buf_append(&file->bytes, request->bytes->data, request->bytes->size);
        answer->have = file->bytes.size;
    }
}

static bool rotten(struct host *host)
{
    struct disk *disk = &host->disk;
    if (disk->file_rots && host->shelf == NULL) {
        disk->file_rotted = true;
        world_happened(host->world, HAPPENED_FILE_ROT);
        return true;
    }
    return false;
}

static void read(struct host *host, const struct node_file_request *request,
                 struct node_file_answer *answer)
{
    const struct sim_file *file = find(&host->disk, request->snapshot.file);
    if (file == NULL || !file->whole) {
        world_fail(host->world, "a snapshot that is read is there",
                   "n%lu reads file %llu, of entry %llu",
                   (unsigned long)host->id,
                   (unsigned long long)request->snapshot.file,
                   (unsigned long long)request->snapshot.index);
    }
    if (host->disk.read_fails) {
        answer->result = NODE_FILE_FAILED;
        return;
    }
    if (rotten(host)) {
        answer->result = NODE_FILE_CORRUPT;
        return;
    }
    size_t size = file->bytes.size;
    size_t offset = request->offset < size ? (size_t)request->offset : size;
    size_t count =
        size - offset < request->size ? size - offset : request->size;
    answer->bytes = blob_copy(file->bytes.data + offset, count);
}

static void verify(struct host *host, const struct node_file_request *request,
                   struct node_file_answer *answer)
{
    struct sim_file *file = find(&host->disk, request->snapshot.file);
    if (file == NULL || !is_same(&file->what, &request->snapshot)) {
        world_fail(host->world, "a snapshot that is verified is there",
                   "n%lu verifies file %llu, of entry %llu",
                   (unsigned long)host->id,
                   (unsigned long long)request->snapshot.file,
                   (unsigned long long)request->snapshot.index);
    }
    world_happened(host->world, HAPPENED_VERIFIED);
    answer->result = host->disk.read_fails ? NODE_FILE_FAILED
                     : rotten(host)        ? NODE_FILE_CORRUPT
                                           : NODE_FILE_OK;
}

/* False: it is not answered. */
static bool carry_out(struct host *host,
                      const struct node_file_request *request,
                      struct node_file_answer *answer)
{
    struct sim_file *making = in_making(&host->disk, request->received);
    bool writes = request->work == NODE_FILE_BEGIN ||
                  request->work == NODE_FILE_WRITE ||
                  request->work == NODE_FILE_END;
    if (writes && host->disk.full) {
        drop(making);
        answer->result = NODE_FILE_NO_ROOM;
        return true;
    }
    if (writes && host->disk.file_rots && prng_chance(&host->world->prng, 3)) {
        drop(making);
        answer->result = NODE_FILE_FAILED;
        world_happened(host->world, HAPPENED_FILE_FAILED);
        return true;
    }
    switch (request->work) {
    case NODE_FILE_BEGIN:
        begin(host, request, answer);
        return true;
    case NODE_FILE_WRITE:
    case NODE_FILE_END:
        work_on(host, request, answer);
        return true;
    case NODE_FILE_READ:
        read(host, request, answer);
        return true;
    case NODE_FILE_VERIFY:
        verify(host, request, answer);
        return true;
    case NODE_FILE_ABORT:
        drop(making);
        return false;
    case NODE_FILE_DROP:
        drop(find(&host->disk, request->snapshot.file));
        return false;
    }
    return false;
}

/* ---- the shipped store -------------------------------------------------- */

static void wrong(struct host *host, const struct node_file_request *request,
                  const struct node_file_answer *answer, const char *what)
{
    world_fail(host->world, "the store keeps what it answered",
               "n%lu, work %d on a file that is %s: result %d, %llu bytes, %s",
               (unsigned long)host->id, (int)request->work,
               request->received ? "sent" : "uploaded", (int)answer->result,
               (unsigned long long)answer->have, what);
}

/* What it says to have of a file that it goes on with was handed to it. */
static void mirror_begin(struct host *host,
                         const struct node_file_request *request,
                         const struct node_file_answer *answer)
{
    struct sim_file *file = in_making(&host->disk, request->received);
    if (answer->have == 0) {
        drop(file);
        /* One that was never synced is gone after a crash, and its number. */
        drop(find(&host->disk, answer->snapshot.file));
        file = add(host);
        file->received = request->received;
        file->what = request->snapshot;
        file->number = answer->snapshot.file;
        file->what.file = file->number;
        return;
    }
    if (file == NULL || !is_same(&file->what, &request->snapshot) ||
        file->number != answer->snapshot.file ||
        file->bytes.size < answer->have) {
        wrong(host, request, answer, "which was never written");
    }
    file->bytes.size = (size_t)answer->have;
    world_happened(host->world, HAPPENED_FILE_GOES_ON);
}

static void mirror_end(struct host *host, struct sim_file *file,
                       const struct node_file_request *request,
                       const struct node_file_answer *answer)
{
    struct node_file_answer wanted = *answer;
    end(file, &wanted);
    if (wanted.result != NODE_FILE_OK ||
        !is_same(&wanted.snapshot, &answer->snapshot)) {
        wrong(host, request, answer, "whole, and not as it was written");
    }
}

static void mirror_read(struct host *host,
                        const struct node_file_request *request,
                        const struct node_file_answer *answer)
{
    struct node_file_answer wanted = {0};
    if (answer->result == NODE_FILE_CORRUPT) {
        wrong(host, request, answer, "damaged");
    }
    if (answer->result != NODE_FILE_OK) {
        return;
    }
    bool fails = host->disk.read_fails;
    host->disk.read_fails = false; /* the chunk before may still be there */
    read(host, request, &wanted);
    host->disk.read_fails = fails;
    if (wanted.bytes->size != answer->bytes->size ||
        memcmp(wanted.bytes->data, answer->bytes->data, wanted.bytes->size) !=
            0) {
        wrong(host, request, answer, "not as it was written");
    }
    blob_free(wanted.bytes);
}

/* The model follows what the store answered, and checks it. */
static void mirror(struct host *host, const struct node_file_request *request,
                   const struct node_file_answer *answer)
{
    struct disk *disk = &host->disk;
    struct sim_file *making = in_making(disk, request->received);
    bool ok = answer->result == NODE_FILE_OK;
    switch (request->work) {
    case NODE_FILE_BEGIN:
        if (ok) {
            mirror_begin(host, request, answer);
        } else {
            drop(making);
        }
        break;
    case NODE_FILE_WRITE:
    case NODE_FILE_END:
        if (ok && making == NULL) {
            wrong(host, request, answer, "not begun");
        } else if (!ok) {
            drop(making);
        } else if (request->work == NODE_FILE_END) {
            mirror_end(host, making, request, answer);
        } else {
            buf_append(&making->bytes, request->bytes->data,
                       request->bytes->size);
        }
        break;
    case NODE_FILE_READ:
        mirror_read(host, request, answer);
        break;
    case NODE_FILE_VERIFY:
        if (answer->result == NODE_FILE_CORRUPT) {
            wrong(host, request, answer, "sound");
        }
        break;
    case NODE_FILE_ABORT:
        drop(making);
        break;
    case NODE_FILE_DROP:
        drop(find(disk, request->snapshot.file));
        break;
    }
}

static bool by_shelf(struct host *host, const struct node_file_request *request,
                     struct node_file_answer *answer)
{
    bool answered = shelf_file(host, request, answer);
    mirror(host, request, answer);
    return answered;
}

static void check_valid(struct host *host)
{
    const struct node_snapshot *valid = &host->disk.snapshot;
    struct node_file_request request = {.work = NODE_FILE_READ,
                                        .snapshot = *valid};
    bool fails = host->disk.read_fails;
    host->disk.read_fails = false;
    while (valid->index != 0 && request.offset < valid->size) {
        struct node_file_answer answer = {0};
        request.size = 100000;
        by_shelf(host, &request, &answer);
        if (answer.result != NODE_FILE_OK || answer.bytes->size == 0) {
            wrong(host, &request, &answer, "valid");
        }
        request.offset += answer.bytes->size;
        blob_free(answer.bytes);
    }
    host->disk.read_fails = fails;
}

/* Files of snapshots in a directory. */
struct listing {
    unsigned count;
    uint64_t looked_for;
    bool found; /* that one is there */
};

static void see_name(void *context, const char *name)
{
    struct listing *listing = context;
    if (strncmp(name, "snapshot-", 9) == 0 && strstr(name, "-j") == NULL) {
        listing->count++;
        listing->found |= strtoull(name + 9, NULL, 10) == listing->looked_for;
    }
}

static bool is_there(const char *directory, uint64_t number)
{
    struct listing listing = {.looked_for = number};
    crash_vfs_list(directory, see_name, &listing);
    return listing.found;
}

void files_opened(struct host *host, const char *directory)
{
    struct disk *disk = &host->disk;
    struct listing listing = {0};
    bool staged = disk->file_begun;
    for (size_t i = 0; i < FILES_MAX; i++) {
        struct sim_file *file = &disk->files[i];
        bool valid =
            disk->snapshot.index != 0 && file->number == disk->snapshot.file;
        if (file->number != 0 && !valid && file->received &&
            is_there(directory, file->number)) {
            file->whole = false; /* it may be gone on with */
            staged = true;
        } else if (!valid) {
            clear(file);
        }
    }
    crash_vfs_list(directory, see_name, &listing);
    unsigned found = listing.count;
    unsigned most = (disk->snapshot.index != 0) + (unsigned)staged;
    if (found > most || (disk->snapshot.index != 0 && found == 0)) {
        world_fail(host->world, "a broken upload leaves nothing behind",
                   "n%lu has %u files of snapshots when it starts",
                   (unsigned long)host->id, found);
    }
    check_valid(host);
}

/* ---- one after the other ------------------------------------------------ */

struct file_job {
    struct file_job *next;
    struct node_file_request request;
};

/* In the midst of what another node sends. */
static bool falls(struct world *world, const struct node_file_request *request)
{
    return request->received && request->work == NODE_FILE_WRITE &&
           !world->calm && prng_chance(&world->prng, 10);
}

/* What another node sends is synced: at its end, and after some of its writes.
 */
static uint64_t some_time(const struct host *host)
{
    struct prng *prng = &host->world->prng;
    const struct node_file_request *request = &host->file_jobs->request;
    bool writes = request->received && (request->work == NODE_FILE_END ||
                                        request->work == NODE_FILE_WRITE);
    return prng_range(prng, 10, writes && prng_chance(prng, 4) ? 500000 : 3000);
}

static void work(struct world *world, void *subject, uint64_t life)
{
    struct host *host = subject;
    struct file_job *job = host->file_jobs;
    if (host->life != life) {
        return;
    }
    if (host->disk.hangs) {
        world_in(world, 100000, work, host, life);
        return;
    }
    if (falls(world, &job->request)) {
        host_crash(host);
        host_restart_later(host, 2000000);
        return;
    }
    struct node_file_answer answer = {.request = job->request.request};
    struct node_input input = {.type = NODE_INPUT_FILE, .file = &answer};
    bool answered = host->shelf != NULL
                        ? by_shelf(host, &job->request, &answer)
                        : carry_out(host, &job->request, &answer);
    if (answered) {
        node_input(host->node, &input);
        host_wake(host);
    }
    host->file_jobs = job->next;
    free(job);
    if (host->file_jobs != NULL) {
        world_in(world, some_time(host), work, host, life);
    }
}

void files_ask(void *context, const struct node_file_request *request)
{
    struct host *host = context;
    if (host->node == NULL) {
        return; /* the last words of a node that has crashed */
    }
    struct file_job **last = &host->file_jobs;
    struct file_job *job = x_calloc(1, sizeof(*job));
    job->request = *request;
    bool alone = *last == NULL;
    while (*last != NULL) {
        last = &(*last)->next;
    }
    *last = job;
    if (alone) {
        world_in(host->world, some_time(host), work, host, host->life);
    }
}

/* ---- crashes ------------------------------------------------------------ */

void files_forget(struct host *host)
{
    while (host->file_jobs != NULL) {
        struct file_job *job = host->file_jobs;
        host->file_jobs = job->next;
        free(job);
    }
}

const struct node_file_request *files_under_way(const struct host *host)
{
    return host->file_jobs == NULL ? NULL : &host->file_jobs->request;
}

static bool goes(const struct host *host, uint64_t number)
{
    const struct file_job *job = host->file_jobs;
    while (job != NULL && (job->request.work != NODE_FILE_DROP ||
                           job->request.snapshot.file != number)) {
        job = job->next;
    }
    return job != NULL;
}

uint64_t files_received(const struct host *host, uint64_t number)
{
    uint64_t found = 0;
    for (size_t i = 0; i < FILES_MAX; i++) {
        const struct sim_file *file = &host->disk.files[i];
        if (file->number > number && file->received && file->whole &&
            (found == 0 || file->number < found) && !goes(host, file->number)) {
            found = file->number;
        }
    }
    return found;
}

/* The store has worked on it, some way: the bytes may be there, and the file
 * of what another node was about to send. */
static void add_under_way(struct host *host)
{
    const struct node_file_request *request = files_under_way(host);
    struct sim_file *file =
        request == NULL ? NULL : in_making(&host->disk, request->received);
    if (request != NULL && request->work == NODE_FILE_BEGIN) {
        host->disk.file_begun |= request->received;
    }
    if (file != NULL && request->work == NODE_FILE_WRITE) {
        buf_append(&file->bytes, request->bytes->data, request->bytes->size);
    }
}

/* The valid one is there, whole; of what another node sends, some.  With the
 * shipped store that is seen when it is opened again. */
void files_crash(struct host *host)
{
    struct prng *prng = &host->world->prng;
    if (host->shelf != NULL) {
        add_under_way(host);
        files_forget(host);
        return;
    }
    files_forget(host);
    for (size_t i = 0; i < FILES_MAX; i++) {
        struct sim_file *file = &host->disk.files[i];
        if (file->number == 0 || file->number == host->disk.snapshot.file) {
            continue;
        }
        if (file->received && !file->whole && prng_chance(prng, 2)) {
            file->bytes.size = (size_t)prng_below(prng, file->bytes.size + 1);
        } else {
            clear(file);
        }
    }
}

void files_free(struct disk *disk)
{
    for (size_t i = 0; i < FILES_MAX; i++) {
        clear(&disk->files[i]);
    }
}

/* ---- which one is valid ------------------------------------------------- */

static void name(struct host *host, const struct node_snapshot *what)
{
    const struct checks *checks = &host->world->checks;
    const struct sim_file *file = find(&host->disk, what->file);
    raft_index index = what->index;
    bool right = file != NULL && file->whole && is_same(&file->what, what) &&
                 index <= checks->count &&
                 checks->log[index - 1].term == what->term &&
                 files_are(index, file->bytes.size, 0, file->bytes.data,
                           file->bytes.size);
    if (!right || index <= host->disk.snapshot.index) {
        world_fail(host->world, "the valid snapshot is whole",
                   "n%lu names file %llu, of entry %llu, behind that of %llu",
                   (unsigned long)host->id, (unsigned long long)what->file,
                   (unsigned long long)index,
                   (unsigned long long)host->disk.snapshot.index);
    }
    host->disk.snapshot = *what;
    world_happened(host->world, file->received ? HAPPENED_SNAPSHOT_INSTALLED
                                               : HAPPENED_SNAPSHOT);
}

/* The log goes on where the snapshot ends.  Where nobody orders COMPACT there
 * is a snapshot over all that is gone: it was cut behind that, or another node
 * sent both. */
static void check_reach(struct host *host)
{
    const struct disk *disk = &host->disk;
    bool gap = disk->snapshot.index > disk->count;
    bool none = disk->snapshot.index == 0 && disk->base.index != 0 &&
                host->world->mix.compact == COMPACT_NEVER;
    if (gap || none) {
        world_fail(host->world, "a snapshot and the log are without a gap",
                   "n%lu: the snapshot is of %llu, the log has %llu to %zu",
                   (unsigned long)host->id,
                   (unsigned long long)disk->snapshot.index,
                   (unsigned long long)disk->base.index + 1, disk->count);
    }
}

void files_apply(struct host *host, const struct node_save *save)
{
    struct disk *disk = &host->disk;
    if (save->snapshot_dirty) {
        name(host, &save->snapshot);
    }
    if (disk->snapshot.index < disk->base.index) {
        disk->snapshot = (struct node_snapshot){0};
    }
    check_reach(host);
}
