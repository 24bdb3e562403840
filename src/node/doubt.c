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
    tell_core(node, list_entry(timer, struct peer, doubt));
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
    wheel_set(&node->wheel, &peer->doubt, node->now.mono_us + DOUBT_US,
              fire_doubt);
}

void doubt_confirm(struct node *node, struct peer *peer)
{
    if (peer->doubt.at_us != 0) {
        doubt_end(node, peer);
        tell_core(node, peer);
    }
}
