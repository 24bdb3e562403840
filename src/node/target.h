/* What an order about the members asks for: a configuration, as a difference
 * from today's.  Pure functions; nothing is known here of who is alive. */
#ifndef RAFTSC_NODE_TARGET_H
#define RAFTSC_NODE_TARGET_H

#include "core/config.h"
#include "wire/frame.h"

/* CHANGE, ADD, REMOVE, PROMOTE, DEMOTE: the members that there will be; those
 * that are new have the instance 0.  False: why not, in `why`. */
bool target_make(const struct raft_config *now,
                 const struct frame_control *order, struct raft_config *target,
                 char *why, size_t why_size);

/* REPLACE id[=host:port]: the members without that one, and who is to come in
 * its place, with the instance 0. */
bool target_replace(const struct raft_config *now,
                    const struct frame_control *order,
                    struct raft_config *target, struct raft_member *comer,
                    char *why, size_t why_size);

/* The id that is the only word of the order. */
bool target_id(const struct frame_control *order, raft_id *id, char *why,
               size_t why_size);

#endif
