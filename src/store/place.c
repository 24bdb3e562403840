/* The data directory: one process at a time, on a disk that can be synced. */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/log.h"
#include "store/internal.h"

static bool failed(struct store_error *error, enum exit_status status,
                   const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static bool failed(struct store_error *error, enum exit_status status,
                   const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    error->status = status;
    vsnprintf(error->text, sizeof(error->text), format, arguments);
    va_end(arguments);
    return false;
}

/* Locks and syncs of a network file system are promises of somebody else. */
static const struct {
    long magic;
    const char *name;
} network[] = {
    {0x6969, "NFS"},      {0x517B, "SMB"},      {0xFF534D42, "CIFS"},
    {0xFE534D42, "SMB2"}, {0x00C36400, "Ceph"}, {0x5346414F, "AFS"},
    {0x01021997, "9P"},
};

#define FUSE_MAGIC 0x65735546

static bool is_local(const struct store *store, struct store_error *error)
{
    struct statfs fs;
    if (statfs(store->directory, &fs) != 0) {
        return failed(error, EXIT_STATUS_DISK,
                      "data-dir %s cannot be looked at: %s", store->directory,
                      strerror(errno));
    }
    for (size_t i = 0; i < sizeof(network) / sizeof(network[0]); i++) {
        if (((long)fs.f_type & 0xFFFFFFFF) == network[i].magic) {
            return failed(error, EXIT_STATUS_CONFIG,
                          "data-dir %s is on a network file system (%s): "
                          "expected a local disk",
                          store->directory, network[i].name);
        }
    }
    if (fs.f_type == FUSE_MAGIC) {
        log_line(LOG_LEVEL_WARNING,
                 "data-dir %s is on FUSE: nothing is durable unless that file "
                 "system syncs when it is told to",
                 store->directory);
    }
    return true;
}

static bool held_by_another(const struct store *store,
                            struct store_error *error)
{
    char holder[128] = "";
    ssize_t size = pread(store->lock_fd, holder, sizeof(holder) - 1, 0);
    if (size > 0) {
        holder[size] = '\0';
        holder[strcspn(holder, "\n")] = '\0';
    }
    return failed(error, EXIT_STATUS_IN_USE, "data-dir %s is in use by %s",
                  store->directory, size > 0 ? holder : "another process");
}

static void write_holder(const struct store *store)
{
    char host[64] = "?";
    char text[128];
    gethostname(host, sizeof(host) - 1);
    int size = snprintf(text, sizeof(text), "process %ld on %s\n",
                        (long)getpid(), host);
    /* For people only: that it cannot be written is no reason to stop. */
    if (ftruncate(store->lock_fd, 0) == 0) {
        ssize_t wrote = pwrite(store->lock_fd, text, (size_t)size, 0);
        (void)wrote;
    }
}

bool place_take(struct store *store, struct store_error *error)
{
    if (!is_local(store, error)) {
        return false;
    }
    char path[4096];
    snprintf(path, sizeof(path), "%s/lock", store->directory);
    store->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0640);
    if (store->lock_fd < 0) {
        return failed(error, EXIT_STATUS_DISK, "%s cannot be opened: %s", path,
                      strerror(errno));
    }
    if (flock(store->lock_fd, LOCK_EX | LOCK_NB) != 0) {
        return errno == EWOULDBLOCK
                   ? held_by_another(store, error)
                   : failed(error, EXIT_STATUS_DISK, "%s cannot be locked: %s",
                            path, strerror(errno));
    }
    write_holder(store);
    return true;
}

/* The file stays: another process may have opened it already, and must meet
 * the next one on the same inode. */
void place_release(struct store *store)
{
    if (store->lock_fd >= 0) {
        close(store->lock_fd);
        store->lock_fd = -1;
    }
}

bool place_sync(const struct store *store, struct store_error *error)
{
    int fd = open(store->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool done = fd >= 0 && fsync(fd) == 0;
    int why = errno;
    if (fd >= 0) {
        close(fd);
    }
    return done ||
           failed(error, EXIT_STATUS_DISK, "data-dir %s cannot be synced: %s",
                  store->directory, strerror(why));
}

/* ---- whether it is still the same --------------------------------------- */

/* SQLite goes on with a file that nobody can open any more, and without the
 * lock another process may open what this one writes. */
static const char *const open_names[PLACE_FILES] = {"raft.db", "raft.db-wal",
                                                    "lock"};

static int look_at(const struct store *store, const char *name,
                   struct stat *found)
{
    char path[4096];
    snprintf(path, sizeof(path), "%s/%s", store->directory, name);
    return stat(path, found) == 0 ? 0 : errno;
}

void place_note(struct store *store)
{
    for (size_t i = 0; i < PLACE_FILES && store->options.vfs == NULL; i++) {
        struct stat found;
        if (look_at(store, open_names[i], &found) == 0) {
            store->opened[i] = (struct place_file){
                .device = found.st_dev, .inode = found.st_ino, .known = true};
        }
    }
}

static bool is_lost(const struct store *store, size_t which)
{
    const struct place_file *opened = &store->opened[which];
    struct stat found;
    if (!opened->known) {
        return false;
    }
    int code = look_at(store, open_names[which], &found);
    /* Any other error says nothing of the file. */
    return code == 0
               ? found.st_ino != opened->inode || found.st_dev != opened->device
               : code == ENOENT || code == ENOTDIR;
}

const char *place_lost(const struct store *store)
{
    for (size_t i = 0; i < PLACE_FILES; i++) {
        if (is_lost(store, i)) {
            return open_names[i];
        }
    }
    return NULL;
}

/* ---- room --------------------------------------------------------------- */

bool place_has_room(const struct store *store, uint64_t bytes)
{
    struct statvfs found;
    return statvfs(store->directory, &found) != 0 ||
           bytes / found.f_frsize < found.f_bavail;
}

bool place_want_of_room(int code, int system)
{
    return (code & 0xff) == SQLITE_FULL ||
           (code == SQLITE_IOERR_WRITE &&
            (system == ENOSPC || system == EDQUOT));
}

uint64_t place_bytes(const char *path, const char *suffix)
{
    char name[4096];
    struct stat found;
    snprintf(name, sizeof(name), "%s%s", path, suffix);
    return stat(name, &found) == 0 ? (uint64_t)found.st_size : 0;
}
