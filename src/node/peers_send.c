/* What is said to peers, and whose answers count. */
#include "node/peers.h"

static struct link *way_to(const struct node *node, raft_id id)
{
    const struct peer *peer = peers_find(node, id);
    if (peer == NULL || peer->state != PEER_UP || link_full(peer->link)) {
        return NULL;
    }
    return peer->link;
}

/* Where an answer is wanted: it comes on the connection that the other one has
 * dialled, once that one knows that it stands.  NULL: there is no way there, or
 * none back. */
static struct link *way_and_back(const struct node *node, raft_id id)
{
    const struct peer *peer = peers_find(node, id);
    bool back = peer != NULL && peer->heard != NULL && peer->heard->spoke;
    return back ? way_to(node, id) : NULL;
}

/* Also where much waits: they are small, and no more than was asked; whoever
 * waits for one has perhaps no time limit.  Without a link it has heard that
 * the answer is lost. */
static struct link *way_of_answers(const struct node *node, raft_id id)
{
    const struct peer *peer = peers_find(node, id);
    return peer != NULL && peer->state == PEER_UP ? peer->link : NULL;
}

static bool is_answer(const struct raft_message *message)
{
    switch (message->type) {
    case RAFT_MESSAGE_VOTE:
    case RAFT_MESSAGE_APPEND:
    case RAFT_MESSAGE_READ:
    case RAFT_MESSAGE_TIMEOUT_NOW:
        return false;
    case RAFT_MESSAGE_VOTE_ANSWER:
    case RAFT_MESSAGE_APPEND_ANSWER:
    case RAFT_MESSAGE_READ_ANSWER:
        return true;
    }
    return false;
}

/* Core names nodes by their ids.  Under the id of a member another data
 * directory may answer, of which a newer configuration knows more than this
 * node's: its votes are not the member's. */
static bool is_member(const struct peer *peer, uint64_t instance)
{
    return (peer->named == 0 || peer->named == instance) &&
           (!peer->reached || peer->sworn);
}

bool peers_hears(const struct node *node, const struct link *link,
                 const struct raft_message *message)
{
    const struct peer *peer = peers_find(node, link->from);
    return !is_answer(message) ||
           (peer != NULL && is_member(peer, link->instance));
}

void peers_send(struct node *node, const struct raft_message *message)
{
    struct link *link = way_to(node, message->to);
    if (link != NULL &&
        (is_answer(message) || is_member(link->peer, link->instance))) {
        frame_write_message(&link->out, link->version, message);
    }
}

bool peers_forward(struct node *node, raft_id to,
                   const struct frame_forward *items, size_t count)
{
    struct link *link = way_and_back(node, to);
    if (link != NULL) {
        frame_write_forwards(&link->out, link->version, items, count);
    }
    return link != NULL;
}

void peers_forward_answer(struct node *node, raft_id to,
                          const struct frame_forward_answer *items,
                          size_t count)
{
    struct link *link = way_of_answers(node, to);
    if (link != NULL) {
        frame_write_forward_answers(&link->out, link->version, items, count);
    }
}

bool peers_control(struct node *node, raft_id to,
                   const struct frame_control *control)
{
    struct link *link = way_and_back(node, to);
    if (link != NULL) {
        frame_write_control(&link->out, link->version, control);
    }
    return link != NULL;
}

void peers_control_answer(struct node *node, raft_id to,
                          const struct frame_control_answer *answer)
{
    struct link *link = way_of_answers(node, to);
    if (link != NULL) {
        frame_write_control_answer(&link->out, link->version, answer);
    }
}

void peers_flush(struct node *node)
{
    list_each(at, following, &node->peers)
    {
        struct peer *peer = list_entry(at, struct peer, in_node);
        if (peer->link != NULL) {
            link_flush(node, peer->link);
        }
    }
}
