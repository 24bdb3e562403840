/* Whether this node works, and whether its app can be served: for probes. */
#include <stdio.h>

#include "node/peers.h"

/* A node that lacks more of what is committed is not ready for its app. */
#define BEHIND_MAX 10000

/* One line for each check; false where one of them failed. */
static bool check(struct buf *buf, bool good, const char *name, const char *yes,
                  const char *no)
{
    buf_printf(buf, "%s %s: %s\n", good ? "ok  " : "FAIL", name,
               good ? yes : no);
    return good;
}

bool node_healthy(const struct node *node, struct buf *buf)
{
    /* Who asks is answered by the loop: it turns. */
    check(buf, true, "loop", "it turns", "");
    return check(buf, !node->stalled, "disk",
                 node->no_room ? "full, but it answers" : "it saves",
                 "a save takes longer than disk-stall-timeout");
}

static bool is_member(const struct node *node)
{
    return raft_config_now(node->raft, NULL) != NULL &&
           contacts_removed(node) == 0;
}

static bool has_leader(const struct node *node,
                       const struct raft_status *status)
{
    if (status->role == RAFT_ROLE_LEADER) {
        return status->term_committed; /* and it hears a quorum, or stops */
    }
    return status->leader != RAFT_ID_NONE &&
           node->now.mono_us - status->leader_heard_us <=
               2 * node->settings.election_timeout_us;
}

/* What the leader says is committed, where this node is not it. */
static raft_index behind(const struct node *node,
                         const struct raft_status *status)
{
    const struct peer *leader = peers_find(node, status->leader);
    raft_index known = leader == NULL ? 0 : leader->seen.commit;
    return known > status->told ? known - status->told : 0;
}

bool node_ready(const struct node *node, struct buf *buf)
{
    struct raft_status status;
    char yes[96];
    char no[128];
    raft_status(node->raft, &status);
    raft_index lacks = behind(node, &status);
    snprintf(yes, sizeof(yes), "%llu committed entries are to come",
             (unsigned long long)lacks);
    snprintf(no, sizeof(no), "%s: more than %d", yes, BEHIND_MAX);
    bool ready = node_healthy(node, buf);
    ready &=
        check(buf, is_member(node), "member", "of a configuration",
              node->waiting[0] == '\0' ? "of no configuration" : node->waiting);
    ready &= check(buf, has_leader(node, &status), "leader", "one is there",
                   "none is known, or heard");
    ready &= check(buf, lacks <= BEHIND_MAX, "log", yes, no);
    ready &= check(buf, !node->stopping, "running", "it is not stopping",
                   "it is stopping");
    return ready;
}
