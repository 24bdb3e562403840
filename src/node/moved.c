#include "node/moved.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "node/change.h"
#include "node/peers.h"

/* Core's ticket of an entry that records addresses. */
#define OWNER_MOVED ((uint64_t)1 << 61)
/* A leader looks so often whether somebody has moved. */
#define LOOK_US ((uint64_t)500 * 1000)

/* ---- orders that wait --------------------------------------------------- */

struct waiting {
    struct list in_node;
    struct raft_ticket ticket;
    struct blob *order; /* as a frame's body */
};

void moved_init(struct node *node)
{
    list_init(&node->moved.waiting);
}

static struct waiting *first_of(struct node *node)
{
    return list_entry(node->moved.waiting.next, struct waiting, in_node);
}

static void drop(struct waiting *waiting)
{
    list_remove(&waiting->in_node);
    blob_free(waiting->order);
    free(waiting);
}

void moved_free(struct node *node)
{
    while (!list_empty(&node->moved.waiting)) {
        drop(first_of(node));
    }
}

bool moved_defers(struct node *node, struct raft_ticket ticket,
                  const struct frame_control *order)
{
    if (!node->moved.open) {
        return false;
    }
    struct buf body = {0};
    frame_pack_control(&body, order);
    struct waiting *waiting = x_calloc(1, sizeof(*waiting));
    waiting->ticket = ticket;
    waiting->order = blob_copy(body.data, body.size);
    list_push_back(&node->moved.waiting, &waiting->in_node);
    buf_free(&body);
    return true;
}

static void go_on(struct node *node)
{
    while (!list_empty(&node->moved.waiting)) {
        struct waiting *waiting = first_of(node);
        struct frame_control order;
        bool sound = frame_unpack_control(waiting->order->data,
                                          waiting->order->size, &order);
        assert(sound);
        change_order(node, waiting->ticket, &order);
        drop(waiting);
    }
}

/* ---- recording ---------------------------------------------------------- */

/* Where the member is now, as far as this node has found out itself. */
static const char *place_of(struct node *node, const struct raft_member *member,
                            uint64_t **recorded_us)
{
    if (member->id == node->identity.id) {
        *recorded_us = &node->moved.own_recorded_us;
        return node->settings.advertise;
    }
    struct peer *peer = peers_find(node, member->id);
    if (peer == NULL || peer->state != PEER_UP || contacts_foreign(peer) ||
        strcmp(peer->address, peer->announced) != 0) {
        return member->address;
    }
    *recorded_us = &peer->recorded_us;
    return peer->announced;
}

/* False: all are where the configuration has them, or were recorded just
 * now. */
static bool update(struct node *node, struct raft_config *config)
{
    bool any = false;
    for (size_t i = 0; i < config->count; i++) {
        struct raft_member *member = &config->members[i];
        uint64_t *recorded_us = NULL;
        const char *place = place_of(node, member, &recorded_us);
        if (strcmp(place, member->address) == 0 ||
            (*recorded_us != 0 &&
             node->now.mono_us - *recorded_us < MOVED_EVERY_US)) {
            continue;
        }
        node_note(node, LOG_LEVEL_INFO, "node %lu has moved from %s to %s",
                  (unsigned long)member->id, member->address, place);
        snprintf(member->address, sizeof(member->address), "%s", place);
        *recorded_us = node->now.mono_us;
        any = true;
    }
    return any;
}

static void record(struct node *node)
{
    raft_index index = 0;
    struct buf open = {0};
    bool busy = node->moved.open || node->stopping ||
                node->change.stage != CHANGE_CLOSED ||
                change_open_text(node, &open);
    buf_free(&open);
    struct raft_config config = *raft_config_now(node->raft, &index);
    if (busy || config.joint || index > node->told || !update(node, &config)) {
        return;
    }
    struct buf bytes = {0};
    raft_config_encode(&config, &bytes);
    struct raft_event event = {.type = RAFT_EVENT_CHANGE};
    event.change.ticket.owner = OWNER_MOVED;
    event.change.ticket.number = ++node->moved.serial;
    event.change.payload = blob_copy(bytes.data, bytes.size);
    driver_note(node, &event);
    blob_free(event.change.payload);
    buf_free(&bytes);
    node->moved.open = true;
}

static bool leads(const struct node *node)
{
    struct raft_status status;
    raft_status(node->raft, &status);
    return status.role == RAFT_ROLE_LEADER;
}

static void fire_look(struct node *node, struct wheel_timer *timer)
{
    if (leads(node)) {
        record(node);
        wheel_set(&node->wheel, timer, node->now.mono_us + LOOK_US, fire_look);
    }
}

void moved_role(struct node *node)
{
    if (node->moved.look.at_us == 0 && leads(node)) {
        wheel_set(&node->wheel, &node->moved.look, node->now.mono_us + LOOK_US,
                  fire_look);
    }
}

/* Whatever came of it: what differs still is looked at again. */
bool moved_told(struct node *node, const struct raft_tell *tell)
{
    if (tell->ticket.owner != OWNER_MOVED) {
        return false;
    }
    assert(tell->ticket.number == node->moved.serial);
    node->moved.open = false;
    go_on(node);
    return true;
}
