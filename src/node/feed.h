/* What a session's READ and FOLLOW keep: see feed.c. */
#ifndef RAFTSC_NODE_FEED_H
#define RAFTSC_NODE_FEED_H

#include "base/list.h"
#include "core/types.h"

/* FOLLOW: a stream of entries. */
struct feed {
    struct list in_list; /* of node->feeds, or node->feeds_idle, or alone */
    bool on;
    bool reading;    /* the store is asked for old entries */
    raft_index next; /* the next entry to be looked at */
};

/* The one READ of a session that is worked on. */
struct read_job {
    bool active;
    bool reading; /* the store is asked for old entries */
    struct raft_ticket ticket;
    raft_index next;
    size_t wanted;
    size_t bytes;
    struct raft_entry *entries; /* gathered so far; owned */
    size_t count;
    size_t capacity;
};

#endif
