/* What node asks of a store, whichever it is: the shipped one on SQLite
 * (store/), or the simulator's model.
 *
 * Every request is noted and answered later, never from inside the call, and
 * in the loop's thread: the answer is an input of the node.  One save is under
 * way at a time; reads may be many. */
#ifndef RAFTSC_NODE_STORE_H
#define RAFTSC_NODE_STORE_H

#include "base/sha256.h"
#include "core/raft.h"

/* Who a data directory is.  Made with it, except for the cluster's id, which
 * is zeros until the node is a part of one. */
struct node_identity {
    raft_id id;
    uint64_t instance;        /* random, never 0, made with the directory */
    uint64_t boot;            /* how often it was opened, this time included */
    struct digest cluster_id; /* hash of entry 1's configuration */
    uint64_t epoch;           /* 0, until a cluster is recovered by force */
};

/* An app's state as of an index, in a file of its own. */
struct node_snapshot {
    raft_index index; /* 0: there is none */
    raft_term term;   /* of the entry there */
    uint64_t size;
    uint8_t sha256[SHA256_SIZE];
    uint64_t file; /* which one: snapshot-FILE.db, never used again */
};

/* What a store found when it was opened.  Owned by the store until
 * node_new() has returned. */
struct node_start {
    struct node_identity identity;
    struct raft_start raft;
    raft_index ack;                /* the app has applied up to here */
    struct node_snapshot snapshot; /* the valid one */
};

/* One transaction: all of it is durable, or nothing. */
struct node_save {
    struct raft_save log;
    bool ack_dirty;
    raft_index ack;
    bool cluster_dirty; /* the node became a part of a cluster */
    struct digest cluster_id;
    uint64_t epoch;
    bool snapshot_dirty; /* a file that is whole and synced is the valid one
                            from now on; index 0: none is */
    struct node_snapshot snapshot;
};

enum node_save_result {
    NODE_SAVE_OK,
    NODE_SAVE_NO_ROOM /* nothing of it is durable; the same save again later */
    /* Anything worse ends the process: after a failed sync nobody knows what
     * is on disk. */
};

enum node_read_result {
    NODE_READ_OK,
    NODE_READ_CORRUPT, /* `index` is damaged on disk: nothing from it on */
    NODE_READ_GONE,    /* the base is above `first`: the log was cut */
    NODE_READ_FAILED   /* the disk said no; may be asked again */
};

/* Entries first .. last as far as they go: what is not durable is not given.
 * At most about `bytes_max` by raft_entry_weight(), but one always. */
struct node_read {
    uint64_t request; /* the node's number for it */
    raft_index first;
    raft_index last;
    size_t bytes_max;
};

struct node_read_answer {
    uint64_t request;
    enum node_read_result result;
    raft_index index;           /* NODE_READ_CORRUPT: the damaged entry */
    raft_index first;           /* as asked */
    struct digest prev_chain;   /* of entry first - 1 */
    struct raft_entry *entries; /* owned by the answer */
    size_t entry_count;         /* of the sound ones before a damaged one */
};

/* ---- snapshots ---------------------------------------------------------- */

/* Bytes of snapshots are worked on beside saves and reads of the log, one
 * request after the other, in the order asked.
 *
 * Two files may be in the making, an upload of the app's and one that another
 * node sends.  Each is begun, written from its start to its end, and ended:
 * then it is whole and synced, and the next save may name it the valid one. */
enum node_file_work {
    NODE_FILE_BEGIN, /* one in the making of the same kind is dropped, or, if
                        it is `received` and of the very same snapshot, gone on
                        with, also after a restart */
    NODE_FILE_WRITE, /* `bytes` come behind what it has */
    NODE_FILE_END,
    NODE_FILE_ABORT,  /* what was begun is dropped; not answered */
    NODE_FILE_READ,   /* of a whole one: at most `size` bytes from `offset` */
    NODE_FILE_VERIFY, /* a whole one is read to its end: has it the size and
                         the hash that `snapshot` says? */
    NODE_FILE_DROP    /* a whole one goes; not answered */
};

#define NODE_FILE_READ_MAX ((size_t)16 * 1024 * 1024)

struct node_file_request {
    uint64_t request; /* the node's number for it */
    enum node_file_work work;
    bool received; /* BEGIN, WRITE, END, ABORT: from a node, not from the app */
    /* BEGIN: its index and term, with `received` also its size and hash.
     * READ, VERIFY, DROP: its number. */
    struct node_snapshot snapshot;
    uint64_t offset;
    size_t size;
    const struct blob *bytes; /* borrowed until the answer */
};

enum node_file_result {
    NODE_FILE_OK,
    NODE_FILE_NO_ROOM,  /* the disk is full, or too full for what is to come */
    NODE_FILE_CORRUPT,  /* READ, VERIFY: its bytes are not what was written */
    NODE_FILE_MISMATCH, /* END: it has not the size and hash that BEGIN said */
    NODE_FILE_FAILED    /* the disk said no, or nothing was begun */
};

/* Where BEGIN, WRITE or END do not end well, nothing is in the making. */
struct node_file_answer {
    uint64_t request;
    enum node_file_result result;
    uint64_t have;                 /* BEGIN, WRITE: bytes that it has now */
    struct node_snapshot snapshot; /* BEGIN: with its number; END: all of it */
    struct blob *bytes;            /* READ: the node's; fewer at the end */
};

struct node_store_stats {
    uint64_t db_bytes;    /* raft.db and its WAL */
    uint64_t saves;       /* transactions */
    uint64_t rows;        /* log rows written */
    uint64_t free_bytes;  /* of them: room that rows which are gone have left */
    uint64_t save_p50_us; /* from the request to the end, the last 1024 */
    uint64_t save_p99_us;
    uint64_t save_max_us;
};

struct node_store {
    void *context;
    /* Borrows *save, all of it, until the answer. */
    void (*save)(void *context, const struct node_save *save);
    void (*read)(void *context, const struct node_read *read);
    /* Copies *request. */
    void (*file)(void *context, const struct node_file_request *request);
    void (*stats)(void *context, struct node_store_stats *stats);
};

#endif
