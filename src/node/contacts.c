/* Who is to be reached, and who may stay.
 *
 * A node dials those that core names (raft_contacts()), those of its bootstrap
 * list before its birth, and, at a leader, those that a change is about to take
 * in.  Whoever else dials it and passes the handshake is a guest: it is
 * dialled back, so that it can be answered, for as long as it stays connected
 * and there is a reason.  A node that is no member has guests only. */
#include "node/peers.h"

#include <stdio.h>
#include <string.h>

#include "node/change.h"

bool contacts_foreign(const struct peer *peer)
{
    return peer->named != 0 && peer->instance != peer->named;
}

/* ---- what the configurations say ---------------------------------------- */

static bool has(const struct raft_config_entry *entry, raft_id id,
                uint64_t instance)
{
    struct raft_config config;
    if (!raft_config_decode(entry->payload->data, entry->payload->size,
                            &config)) {
        return false;
    }
    const struct raft_member *member = raft_config_find(&config, id);
    return member != NULL &&
           (member->instance == 0 || member->instance == instance);
}

bool contacts_know(const struct node *node, raft_id id, uint64_t instance)
{
    size_t count;
    const struct raft_config_entry *entries =
        raft_config_history(node->raft, &count);
    while (count > 0) {
        count--;
        if (has(&entries[count], id, instance)) {
            return true;
        }
        if (entries[count].index <= node->told) {
            break; /* nothing before it can be in force again */
        }
    }
    return false;
}

/* Those that are committed, the newest one last. */
static const struct raft_config_entry *committed(const struct node *node,
                                                 size_t *count)
{
    const struct raft_config_entry *entries =
        raft_config_history(node->raft, count);
    while (*count > 0 && entries[*count - 1].index > node->told) {
        (*count)--;
    }
    return entries;
}

raft_index contacts_left(const struct node *node, raft_id id, uint64_t instance)
{
    size_t count;
    const struct raft_config_entry *entries = committed(node, &count);
    raft_index since = 0;
    while (count > 0) {
        count--;
        if (has(&entries[count], id, instance)) {
            return since;
        }
        since = entries[count].index;
    }
    return 0;
}

bool contacts_newer(const struct node *node, raft_index config_index)
{
    size_t count;
    const struct raft_config_entry *entries = committed(node, &count);
    return config_index > (count == 0 ? 0 : entries[count - 1].index);
}

/* ---- who may stay ------------------------------------------------------- */

static bool is_passive(const struct node *node)
{
    return !raft_is_member(node->raft);
}

/* The old leader is followed until the configuration without it is committed,
 * and what it was handed is answered by it. */
static bool may_stay(const struct node *node, const struct peer *peer)
{
    struct raft_status status;
    raft_status(node->raft, &status);
    return peer->heard != NULL &&
           (is_passive(node) || status.leader == peer->id ||
            contacts_newer(node, peer->config_index) ||
            contacts_know(node, peer->id, peer->instance) ||
            submit_waits_for(node, peer->id) ||
            control_waits_for(node, peer->id));
}

static void let_go(struct node *node, struct peer *peer)
{
    peer->reached = false;
    peer->sworn = false;
    peer->named = 0;
    peer->recorded[0] = '\0';
    if (may_stay(node, peer)) {
        peer->guest = true;
        peers_note(node, peer);
    } else {
        peers_remove(node, peer);
    }
}

/* ---- who is wanted ------------------------------------------------------ */

/* The member's instance is the one to talk with, unless another one has shown
 * a newer configuration. */
static void name_instance(struct node *node, struct peer *peer,
                          uint64_t instance)
{
    raft_index own = 0;
    raft_config_now(node->raft, &own);
    peer->named = instance;
    if (instance != 0 && peer->instance != instance &&
        peer->config_index <= own) {
        peers_cut(node, peer, instance);
        peer->instance = instance;
        peer->boot = 0;
        peer->process = 0;
        peer->announced[0] = '\0';
        peer->announced_fails = false;
    }
}

static void want(struct node *node, const struct raft_member *member,
                 bool reached)
{
    struct peer *peer = peers_find(node, member->id);
    bool is_new = peer == NULL;
    if (is_new) {
        peer = peers_add(node, member->id);
    }
    bool moved = strcmp(peer->recorded, member->address) != 0;
    peer->wanted = true;
    peer->guest = false;
    if (reached && !peer->reached) {
        peers_cut(node, peer, member->instance); /* all that were */
        peer->instance = member->instance;
    }
    peer->sworn = peer->sworn && reached;
    peer->reached = reached;
    name_instance(node, peer, member->instance);
    snprintf(peer->recorded, sizeof(peer->recorded), "%s", member->address);
    bool idle = peer->state == PEER_IDLE && peer->redial.at_us == 0;
    if (is_new || idle || (moved && peer->state != PEER_UP)) {
        peers_dial(node, peer, peer->recorded);
    } else {
        peers_note(node, peer);
    }
}

static size_t list_contacts(const struct node *node,
                            struct raft_member members[RAFT_CONTACTS_MAX])
{
    if (raft_config_now(node->raft, NULL) != NULL) {
        return raft_contacts(node->raft, members, RAFT_CONTACTS_MAX);
    }
    memcpy(members, node->birth.members,
           node->birth.count * sizeof(members[0]));
    return node->birth.count;
}

void peers_update(struct node *node)
{
    struct raft_member members[RAFT_CONTACTS_MAX];
    size_t count = list_contacts(node, members);
    list_each(at, following, &node->peers)
    {
        list_entry(at, struct peer, in_node)->wanted = false;
    }
    for (size_t i = 0; i < count; i++) {
        if (members[i].id != node->identity.id &&
            change_comer(node, members[i].id) == NULL) {
            want(node, &members[i], false);
        }
    }
    for (size_t i = 0; i < node->change.comer_count; i++) {
        want(node, &node->change.comers[i], true);
    }
    list_each(at, following, &node->peers)
    {
        struct peer *peer = list_entry(at, struct peer, in_node);
        if (!peer->wanted) {
            let_go(node, peer);
        }
    }
    node->peers_changed++;
}
