/* Why this node cannot serve its app: whom it waits for, who refused it, or
 * that it is no member any more. */
#include <stdio.h>

#include "node/peers.h"

raft_index contacts_removed(const struct node *node)
{
    raft_index index = 0;
    const struct raft_config *config = raft_config_now(node->raft, &index);
    if (config == NULL) {
        return 0;
    }
    if (node->removed > index) {
        return node->removed; /* a member has said so */
    }
    if (raft_config_find(config, node->identity.id) != NULL) {
        return 0;
    }
    raft_index since =
        contacts_left(node, node->identity.id, node->identity.instance);
    return since != 0 ? since : index;
}

static void removed_text(raft_index since, struct buf *buf)
{
    buf_printf(buf,
               "this node is not a member of its cluster since entry %llu: it "
               "was removed, or replaced by another data directory",
               (unsigned long long)since);
}

static void refused_text(const struct node *node, struct buf *buf)
{
    list_each(at, following, &node->peers)
    {
        const struct peer *peer = list_entry(at, struct peer, in_node);
        if (peer->refused) {
            buf_printf(buf, "%snode %lu at %s cannot be talked to: %s",
                       buf->size == 0 ? "" : "; ", (unsigned long)peer->id,
                       peer->address, peer->why);
        }
    }
}

void peers_waiting(struct node *node)
{
    if (node->waiting_made == node->peers_changed) {
        return;
    }
    node->waiting_made = node->peers_changed;
    struct buf buf = {0};
    raft_index since = contacts_removed(node);
    if (since != 0) {
        removed_text(since, &buf);
    } else {
        birth_waiting(node, &buf);
        refused_text(node, &buf);
    }
    snprintf(node->waiting, sizeof(node->waiting), "%.*s", (int)buf.size,
             buf.size == 0 ? "" : (const char *)buf.data);
    buf_free(&buf);
}
