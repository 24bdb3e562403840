#include "crash_vfs.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/prng.h"

#define SECTOR 512
#define FILES_MAX 512
#define REGIONS_MAX 16

/* Something that was done to a file and not synced yet. */
struct change {
    uint64_t offset; /* of a write; the new size of a truncation */
    size_t size;     /* 0: a truncation */
    uint8_t *data;
};

struct content {
    char path[512]; /* "": free */
    struct buf now;
    struct buf synced;
    struct change *changes;
    size_t change_count;
    size_t change_capacity;
    int handles; /* open connections: only the last one may be exclusive */
    void *regions[REGIONS_MAX]; /* the WAL's index, shared by connections */
};

struct file {
    sqlite3_file base;
    struct content *content;
};

static struct content contents[FILES_MAX];
static char watched[256];
static crash_vfs_watch *watch_now;
static void *watch_context;
static unsigned operations;
static unsigned full_at;
static unsigned sync_fails_in;
static unsigned read_fails_in;
static bool reads_fail;

static struct content *find(const char *path)
{
    for (int i = 0; i < FILES_MAX; i++) {
        if (strcmp(contents[i].path, path) == 0) {
            return &contents[i];
        }
    }
    return NULL;
}

static void clear_changes(struct content *content)
{
    for (size_t i = 0; i < content->change_count; i++) {
        free(content->changes[i].data);
    }
    content->change_count = 0;
}

static void clear_regions(struct content *content)
{
    for (int i = 0; i < REGIONS_MAX; i++) {
        free(content->regions[i]);
        content->regions[i] = NULL;
    }
}

static void clear(struct content *content)
{
    clear_changes(content);
    free(content->changes);
    buf_free(&content->now);
    buf_free(&content->synced);
    clear_regions(content);
    *content = (struct content){0};
}

static bool is_below(const char *path, const char *directory)
{
    size_t size = strlen(directory);
    return path[0] != '\0' && strncmp(path, directory, size) == 0 &&
           path[size] == '/';
}

static void operation(const struct content *content)
{
    operations++;
    if (watch_now != NULL && is_below(content->path, watched)) {
        watch_now(watch_context, operations);
    }
}

static struct change *add_change(struct content *content)
{
    content->changes =
        x_grow(content->changes, &content->change_capacity,
               content->change_count + 1, sizeof(*content->changes));
    return &content->changes[content->change_count++];
}

static void put(struct buf *buf, uint64_t offset, const void *data, size_t size)
{
    size_t end = (size_t)offset + size;
    if (end > buf->size) {
        memset(buf_reserve(buf, end - buf->size), 0, end - buf->size);
        buf->size = end;
    }
    memcpy(buf->data + offset, data, size);
}

static void set_size(struct buf *buf, uint64_t size)
{
    if (size < buf->size) {
        buf->size = (size_t)size;
    }
}

/* ---- crashes ------------------------------------------------------------ */

static void apply_whole(struct buf *buf, const struct change *change)
{
    if (change->size == 0) {
        set_size(buf, change->offset);
    } else {
        put(buf, change->offset, change->data, change->size);
    }
}

/* All of a write, nothing, or some of its sectors. */
static void apply(struct buf *buf, const struct change *change,
                  struct prng *prng)
{
    uint64_t how = prng_below(prng, 4);
    if (how == 0) {
        return;
    }
    if (change->size == 0 || how < 3) {
        apply_whole(buf, change);
    } else {
        for (size_t at = 0; at < change->size; at += SECTOR) {
            size_t part =
                change->size - at < SECTOR ? change->size - at : SECTOR;
            if (prng_chance(prng, 2)) {
                put(buf, change->offset + at, change->data + at, part);
            }
        }
    }
}

void crash_vfs_forget(const char *directory)
{
    for (int i = 0; i < FILES_MAX; i++) {
        if (is_below(contents[i].path, directory)) {
            clear(&contents[i]);
        }
    }
}

void crash_vfs_end_process(const char *directory)
{
    for (int i = 0; i < FILES_MAX; i++) {
        if (is_below(contents[i].path, directory)) {
            contents[i].handles = 0;
            clear_regions(&contents[i]);
        }
    }
}

void crash_vfs_list(const char *directory,
                    void (*each)(void *context, const char *name),
                    void *context)
{
    for (int i = 0; i < FILES_MAX; i++) {
        if (is_below(contents[i].path, directory)) {
            each(context, contents[i].path + strlen(directory) + 1);
        }
    }
}

void crash_vfs_image(const char *from, const char *to, uint64_t seed)
{
    struct prng prng;
    prng_seed(&prng, seed);
    crash_vfs_forget(to);
    for (int i = 0; i < FILES_MAX; i++) {
        const struct content *old = &contents[i];
        if (!is_below(old->path, from)) {
            continue;
        }
        struct content *copy = find("");
        snprintf(copy->path, sizeof(copy->path), "%s%s", to,
                 old->path + strlen(from));
        buf_append(&copy->now, old->synced.data, old->synced.size);
        for (size_t c = 0; c < old->change_count; c++) {
            apply(&copy->now, &old->changes[c], &prng);
        }
        buf_append(&copy->synced, copy->now.data, copy->now.size);
    }
}

void crash_vfs_watcher(const char *directory, crash_vfs_watch *watch,
                       void *context)
{
    snprintf(watched, sizeof(watched), "%s", directory);
    watch_now = watch;
    watch_context = context;
    operations = 0;
}

void crash_vfs_fill(unsigned at)
{
    full_at = at == 0 ? 0 : operations + at;
}

bool crash_vfs_fail_sync(unsigned sync)
{
    bool was_to_come = sync_fails_in != 0;
    sync_fails_in = sync;
    return was_to_come;
}

bool crash_vfs_fail_read(unsigned read)
{
    bool was_to_come = read_fails_in != 0;
    read_fails_in = read;
    return was_to_come;
}

void crash_vfs_fail_reads(bool fail)
{
    reads_fail = fail;
}

/* ---- files -------------------------------------------------------------- */

static struct content *of(sqlite3_file *file)
{
    return ((struct file *)(void *)file)->content;
}

static int x_close(sqlite3_file *file)
{
    of(file)->handles--;
    return SQLITE_OK;
}

static int x_read(sqlite3_file *file, void *to, int amount, sqlite3_int64 at)
{
    bool fails = read_fails_in != 0 && --read_fails_in == 0;
    if (fails || reads_fail) {
        return SQLITE_IOERR_READ;
    }
    const struct content *content = of(file);
    size_t size = content->now.size;
    size_t want = (size_t)amount;
    size_t have = (uint64_t)at >= size ? 0 : size - (size_t)at;
    have = have < want ? have : want;
    memset(to, 0, want);
    if (have > 0) {
        memcpy(to, content->now.data + at, have);
    }
    return have == want ? SQLITE_OK : SQLITE_IOERR_SHORT_READ;
}

static int x_write(sqlite3_file *file, const void *data, int amount,
                   sqlite3_int64 at)
{
    struct content *content = of(file);
    operation(content);
    if (full_at != 0 && operations >= full_at) {
        full_at = 0;
        return SQLITE_FULL;
    }
    struct change *change = add_change(content);
    *change = (struct change){.offset = (uint64_t)at,
                              .size = (size_t)amount,
                              .data = x_malloc((size_t)amount)};
    memcpy(change->data, data, change->size);
    put(&content->now, change->offset, data, change->size);
    return SQLITE_OK;
}

static int x_truncate(sqlite3_file *file, sqlite3_int64 size)
{
    struct content *content = of(file);
    operation(content);
    *add_change(content) = (struct change){.offset = (uint64_t)size};
    set_size(&content->now, (uint64_t)size);
    return SQLITE_OK;
}

static int x_sync(sqlite3_file *file, int flags)
{
    (void)flags;
    struct content *content = of(file);
    operation(content);
    if (sync_fails_in != 0 && --sync_fails_in == 0) {
        clear_changes(content);
        return SQLITE_IOERR_FSYNC;
    }
    for (size_t i = 0; i < content->change_count; i++) {
        apply_whole(&content->synced, &content->changes[i]);
    }
    clear_changes(content);
    return SQLITE_OK;
}

static int x_size(sqlite3_file *file, sqlite3_int64 *size)
{
    *size = (sqlite3_int64)of(file)->now.size;
    return SQLITE_OK;
}

/* One process, one thread, and no transaction inside another: nobody waits for
 * a lock.  But a connection that closes must see that it is not the last. */
static int x_lock(sqlite3_file *file, int level)
{
    return level == SQLITE_LOCK_EXCLUSIVE && of(file)->handles > 1 ? SQLITE_BUSY
                                                                   : SQLITE_OK;
}

static int x_reserved(sqlite3_file *file, int *result)
{
    (void)file;
    *result = 0;
    return SQLITE_OK;
}

static int x_control(sqlite3_file *file, int what, void *argument)
{
    (void)file;
    (void)what;
    (void)argument;
    return SQLITE_NOTFOUND;
}

static int x_sector(sqlite3_file *file)
{
    (void)file;
    return SECTOR;
}

static int x_device(sqlite3_file *file)
{
    (void)file;
    return SQLITE_IOCAP_POWERSAFE_OVERWRITE;
}

static int x_shm_map(sqlite3_file *file, int at, int size, int extend,
                     void volatile **memory)
{
    struct content *content = of(file);
    if (content->regions[at] == NULL && extend) {
        content->regions[at] = x_calloc(1, (size_t)size);
    }
    *memory = content->regions[at];
    return SQLITE_OK;
}

static int x_shm_lock(sqlite3_file *file, int offset, int count, int flags)
{
    (void)file;
    (void)offset;
    (void)count;
    (void)flags;
    return SQLITE_OK;
}

static void x_shm_barrier(sqlite3_file *file)
{
    (void)file;
}

static int x_shm_unmap(sqlite3_file *file, int forget)
{
    struct content *content = of(file);
    if (forget && content->handles <= 1) {
        clear_regions(content);
    }
    return SQLITE_OK;
}

static const sqlite3_io_methods methods = {
    .iVersion = 2,
    .xClose = x_close,
    .xRead = x_read,
    .xWrite = x_write,
    .xTruncate = x_truncate,
    .xSync = x_sync,
    .xFileSize = x_size,
    .xLock = x_lock,
    .xUnlock = x_lock,
    .xCheckReservedLock = x_reserved,
    .xFileControl = x_control,
    .xSectorSize = x_sector,
    .xDeviceCharacteristics = x_device,
    .xShmMap = x_shm_map,
    .xShmLock = x_shm_lock,
    .xShmBarrier = x_shm_barrier,
    .xShmUnmap = x_shm_unmap,
};

/* ---- the file system ---------------------------------------------------- */

static int vfs_open(sqlite3_vfs *vfs, sqlite3_filename path, sqlite3_file *file,
                    int flags, int *out)
{
    (void)vfs;
    struct content *content = find(path);
    if (content == NULL && (flags & SQLITE_OPEN_CREATE) == 0) {
        file->pMethods = NULL;
        return SQLITE_CANTOPEN;
    }
    if (content == NULL) {
        content = find("");
        snprintf(content->path, sizeof(content->path), "%s", path);
    }
    content->handles++;
    ((struct file *)(void *)file)->content = content;
    file->pMethods = &methods;
    if (out != NULL) {
        *out = flags;
    }
    return SQLITE_OK;
}

static int vfs_delete(sqlite3_vfs *vfs, const char *path, int sync)
{
    (void)vfs;
    (void)sync;
    struct content *content = find(path);
    if (content != NULL && content->handles == 0) {
        operation(content);
        clear(content);
    }
    return SQLITE_OK;
}

static int vfs_access(sqlite3_vfs *vfs, const char *path, int flags,
                      int *result)
{
    (void)vfs;
    (void)flags;
    *result = find(path) != NULL;
    return SQLITE_OK;
}

static int vfs_full(sqlite3_vfs *vfs, const char *path, int size, char *out)
{
    (void)vfs;
    snprintf(out, (size_t)size, "%s", path);
    return SQLITE_OK;
}

void crash_vfs_register(void)
{
    static sqlite3_vfs vfs;
    sqlite3_vfs *system = sqlite3_vfs_find(NULL);
    vfs = *system;
    vfs.szOsFile = sizeof(struct file);
    vfs.pNext = NULL;
    vfs.zName = "crash";
    vfs.xOpen = vfs_open;
    vfs.xDelete = vfs_delete;
    vfs.xAccess = vfs_access;
    vfs.xFullPathname = vfs_full;
    sqlite3_vfs_register(&vfs, 0);
}
