/* A peer whose link broke: dead, or only cut off? */
#include "node/peers.h"

void doubt_end(struct node *node, struct peer *peer)
{
    wheel_cancel(&node->wheel, &peer->doubt);
}

static void tell_core(struct node *node, struct peer *peer)
{
    struct raft_event event = {.type = RAFT_EVENT_GONE};
    event.gone.peer = peer->id;
    driver_note(node, &event);
}

static void fire_doubt(struct node *node, struct wheel_timer *timer)
{
    struct peer *peer = list_entry(timer, struct peer, doubt);
    if (peer->doubt_new || (peer->heard != NULL && peer->speaks)) {
        peer->doubt_new = false;
        peer->speaks = false;
        wheel_set(&node->wheel, timer, node->now.mono_us + DOUBT_US,
                  fire_doubt);
    } else {
        tell_core(node, peer);
    }
}

void doubt_dropped(struct node *node, struct peer *peer)
{
    struct raft_status status;
    raft_status(node->raft, &status);
    doubt_end(node, peer);
    if (status.leader == peer->id) {
        tell_core(node, peer);
    }
}

void doubt_begin(struct node *node, struct peer *peer)
{
    peer->unanswered = false;
    peer->doubt_new = true;
    wheel_set(&node->wheel, &peer->doubt, node->now.mono_us, fire_doubt);
}

static void settle(struct node *node, struct peer *peer)
{
    if (peer->doubt.at_us != 0 && peer->unanswered && peer->heard == NULL) {
        doubt_end(node, peer);
        tell_core(node, peer);
    }
}

void doubt_confirm(struct node *node, struct peer *peer)
{
    peer->unanswered = true;
    settle(node, peer);
}

void doubt_heard(struct node *node, raft_id id)
{
    struct peer *peer = peers_find(node, id);
    if (peer != NULL) {
        peer->speaks = true;
    }
}

void doubt_unheard(struct node *node, struct peer *peer)
{
    settle(node, peer);
}
