/* Peers as others see them. */
#include "node/peers.h"

struct peer *peers_find(const struct node *node, raft_id id)
{
    list_each(at, following, &node->peers)
    {
        struct peer *peer = list_entry(at, struct peer, in_node);
        if (peer->id == id) {
            return peer;
        }
    }
    return NULL;
}

bool peers_up(const struct node *node, raft_id id)
{
    const struct peer *peer = peers_find(node, id);
    return peer != NULL && peer->state == PEER_UP;
}

const char *peers_address(const struct node *node, raft_id id)
{
    if (id == node->identity.id) {
        return node->settings.advertise;
    }
    const struct peer *peer = peers_find(node, id);
    return peer == NULL ? "" : peer->address;
}

unsigned peers_version(const struct node *node, raft_id id)
{
    const struct peer *peer = peers_find(node, id);
    return peer != NULL && peer->state == PEER_UP ? peer->link->version : 0;
}

const char *peers_link_word(const struct node *node, raft_id id)
{
    const struct peer *peer = peers_find(node, id);
    if (peer != NULL && peer->state == PEER_UP) {
        return "up";
    }
    return peer != NULL && peer->refused ? "refused" : "down";
}

uint64_t peers_instance(const struct node *node, raft_id id)
{
    const struct peer *peer = peers_find(node, id);
    return peer == NULL ? 0 : peer->instance;
}

const char *peers_why(const struct node *node, raft_id id)
{
    const struct peer *peer = peers_find(node, id);
    return peer == NULL ? "" : peer->why;
}

const struct peer *peers_of_cluster(const struct node *node)
{
    list_each(at, following, &node->peers)
    {
        const struct peer *peer = list_entry(at, struct peer, in_node);
        bool linked = peer->state == PEER_UP || peer->heard != NULL;
        if (linked && !digest_is_zero(peer->cluster_id)) {
            return peer;
        }
    }
    return NULL;
}

bool peers_owns(const struct node *node, node_conn conn)
{
    return map_get(&node->links, conn) != NULL;
}
