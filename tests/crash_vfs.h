/* A file system in memory for SQLite, which knows what was synced.
 *
 * Every write, truncation and sync is an operation with a number.  Before any
 * of them an image can be taken: what a machine that dies at this moment may
 * find on its disk, which is what was synced and any part of the rest, the
 * last write torn at any sector. */
#ifndef RAFTSC_TESTS_CRASH_VFS_H
#define RAFTSC_TESTS_CRASH_VFS_H

#include <stdbool.h>
#include <stdint.h>

/* Called before each operation on a file below `directory`. */
typedef void crash_vfs_watch(void *context, unsigned operation);

/* Registers the VFS "crash", not as the default. */
void crash_vfs_register(void);

void crash_vfs_watcher(const char *directory, crash_vfs_watch *watch,
                       void *context);

/* Copies what a crash now may leave of the files below `from` to `to`, whose
 * files are replaced. */
void crash_vfs_image(const char *from, const char *to, uint64_t seed);

/* The operation of this number from now on, a write, finds no room; 0: none. */
void crash_vfs_fill(unsigned operation);

/* The sync of this number from now on fails, once, and what it was about never
 * gets to the disk: the cache has it, and takes it for written.  0: none.
 * Returns whether one that was asked for before was still to come. */
bool crash_vfs_fail_sync(unsigned sync);

/* Whoever has the files below `directory` open is no more; the files, and what
 * the cache has of them, stay. */
void crash_vfs_end_process(const char *directory);

/* The read of this number from now on fails, once; 0: none.  Returns the same
 * as of a sync. */
bool crash_vfs_fail_read(unsigned read);

/* Every read fails, or none. */
void crash_vfs_fail_reads(bool fail);

/* The names of the files in a directory, as store_options.list gives them. */
void crash_vfs_list(const char *directory,
                    void (*each)(void *context, const char *name),
                    void *context);

void crash_vfs_forget(const char *directory);

#endif
