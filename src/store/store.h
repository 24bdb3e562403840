/* The store that ships: one SQLite database, raft.db, in a data directory.
 *
 * All writes and all checkpoints go through one connection, in a thread of
 * its own; old entries are read through a second, read-only one in another
 * thread, in transactions of at most 10 ms; the bytes of snapshots, which are
 * files of their own, are written and read in a third one.  The loop's thread
 * only passes requests and takes answers: it never waits for the disk.
 *
 * A failed write or sync, other than for want of room, ends the process
 * (EXIT_STATUS_DISK).  The format is in raftsc-db(5) and above the schema. */
#ifndef RAFTSC_STORE_STORE_H
#define RAFTSC_STORE_STORE_H

#include "base/mem.h"
#include "node/store.h"

struct store;

struct store_options {
    const char *directory; /* must exist; raft.db is made in it */
    raft_id id;            /* of this node: another one's data is refused */
    const char *address;   /* where other nodes dial this one: written into
                              the first configuration of a restored one */
    const char *version;   /* of the program; kept for whoever comes later */
    size_t tail_bytes_max; /* newest entries that store_start() loads */
    size_t key_window;     /* newest keys that are remembered */
    bool threads;          /* false: the work is done in store_poll(), by the
                              caller's thread, so that a run repeats itself */
    const char *vfs;       /* NULL: SQLite's own */
    int checkpoint_pages;  /* a WAL so long is put into the database; 0: as
                              measured to be best */
    size_t chunk_bytes;    /* of a row of a snapshot; 0: what is best */
    /* Calls `each` for the names in a directory; NULL: of the file system. */
    void (*list)(const char *directory,
                 void (*each)(void *context, const char *name), void *context);
    uint64_t instance_seed; /* 0: a new directory's instance is random */
};

struct store_error {
    enum exit_status status; /* IN_USE, DISK, DAMAGED, CONFIG */
    char text[512];          /* what, where, and what to do about it */
};

/* Opens or makes the database, takes the directory for this process (a second
 * one is told who holds it), checks all that must be sound, writes the boot
 * counter, and checkpoints and syncs the whole WAL, so that nothing is
 * trusted that only the page cache has.  NULL: *error says why. */
struct store *store_open(const struct store_options *options,
                         struct store_error *error);

/* What is on disk, borrowed from the store until store_started(). */
const struct node_start *store_start(const struct store *store);
/* Frees what store_start() showed. */
void store_started(struct store *store);

/* Readable when store_poll() has something to do; -1 without threads. */
int store_fd(const struct store *store);

/* The ends of requests, in the caller's thread, from inside store_poll(). */
struct store_answers {
    void *context;
    void (*saved)(void *context, enum node_save_result result);
    /* The callee owns the entries of *answer. */
    void (*read)(void *context, struct node_read_answer *answer);
    /* The callee owns the bytes of *answer. */
    void (*file)(void *context, struct node_file_answer *answer);
};
void store_poll(struct store *store, const struct store_answers *answers);

/* For node_new(). */
struct node_store store_node(struct store *store);

/* Ends the threads: what was asked for is not borrowed any more, and nothing is
 * answered.  A save that was asked for is done before.  False: the disk has not
 * let them end within `within_us`, and nothing may be freed that they use.
 * Requests may still be made; they come to nothing. */
bool store_stop(struct store *store, uint64_t within_us);

/* The same, however long it takes, and frees.  NULL is fine. */
void store_close(struct store *store);

#endif
