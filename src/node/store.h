/* What node asks of a store, whichever it is: the shipped one on SQLite
 * (store/), or the simulator's model.
 *
 * Every request is noted and answered later, never from inside the call, and
 * in the loop's thread: the answer is an input of the node.  One save is under
 * way at a time; reads may be many. */
#ifndef RAFTSC_NODE_STORE_H
#define RAFTSC_NODE_STORE_H

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

/* What a store found when it was opened.  Owned by the store until
 * node_new() has returned. */
struct node_start {
    struct node_identity identity;
    struct raft_start raft;
    raft_index ack; /* the app has applied up to here */
};

/* One transaction: all of it is durable, or nothing. */
struct node_save {
    struct raft_save log;
    bool ack_dirty;
    raft_index ack;
    bool cluster_dirty; /* the node became a part of a cluster */
    struct digest cluster_id;
    uint64_t epoch;
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
    void (*stats)(void *context, struct node_store_stats *stats);
};

#endif
