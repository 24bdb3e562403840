#include "node/progress.h"

#include "node/internal.h"

const char *progress_stage(const struct node *node, raft_index *index)
{
    struct raft_change_status status;
    raft_change_status(node->raft, &status);
    *index = 0;
    raft_config_now(node->raft, index);
    switch (status.stage) {
    case RAFT_CHANGE_NONE:
        break;
    case RAFT_CHANGE_CATCH_UP:
        return "catch-up";
    case RAFT_CHANGE_JOINT:
        return "joint";
    case RAFT_CHANGE_LAST:
        return status.back ? "back" : "new";
    }
    return node->change.stage == CHANGE_REACHING ? "reaching" : "none";
}

size_t progress_list(const struct node *node, struct progress *list, size_t max)
{
    struct raft_change_status change;
    struct raft_status status;
    size_t count = 0;
    raft_change_status(node->raft, &change);
    raft_status(node->raft, &status);
    for (size_t i = 0; change.target != NULL && i < change.target->count; i++) {
        const struct raft_member *member = &change.target->members[i];
        struct progress *at = &list[count];
        struct raft_peer_status peer;
        if (count == max || !raft_catch_up(node->raft, member->id, &at->way) ||
            !raft_peer_status(node->raft, member->id, &peer)) {
            continue;
        }
        at->member = member;
        at->match = peer.match;
        at->target = status.last;
        count++;
    }
    return count;
}
