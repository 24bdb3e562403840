#include "node/peers.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

/* The same complaint about strangers is not logged again for so long. */
#define STRANGER_QUIET_US ((uint64_t)60 * 1000 * 1000)

static void dial(struct node *node, struct peer *peer);

/* ---- looking up --------------------------------------------------------- */

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

/* ---- the list of peers -------------------------------------------------- */

void peers_init(struct node *node)
{
    list_init(&node->peers);
    list_init(&node->strangers);
    node->next_dial = 2;
}

static struct peer *add_peer(struct node *node, raft_id id, const char *address)
{
    struct peer *peer = x_calloc(1, sizeof(*peer));
    peer->id = id;
    snprintf(peer->address, sizeof(peer->address), "%s", address);
    list_push_back(&node->peers, &peer->in_node);
    node->peers_changed++;
    return peer;
}

static void note_link(struct node *node, const struct peer *peer)
{
    struct raft_event event = {.type = RAFT_EVENT_LINK};
    event.link.peer = peer->id;
    event.link.up = peer->state == PEER_UP;
    driver_note(node, &event);
}

/* Whatever the link was doing is over; core and the submitters hear of it. */
static void lose_link(struct node *node, struct peer *peer)
{
    bool was_up = peer->state == PEER_UP;
    if (peer->link != NULL) {
        link_free(node, peer->link);
        peer->link = NULL;
    }
    peer->state = PEER_IDLE;
    node->peers_changed++;
    if (was_up) {
        note_link(node, peer);
        submit_link_lost(node, peer->id);
    }
}

static void stop_hearing(struct node *node, struct peer *peer)
{
    if (peer->heard != NULL) {
        link_free(node, peer->heard);
        peer->heard = NULL;
    }
}

static void remove_peer(struct node *node, struct peer *peer)
{
    lose_link(node, peer);
    stop_hearing(node, peer);
    wheel_cancel(&node->wheel, &peer->redial);
    list_remove(&peer->in_node);
    free(peer);
}

void peers_free(struct node *node)
{
    list_each(at, following, &node->peers)
    {
        remove_peer(node, list_entry(at, struct peer, in_node));
    }
    list_each(at, following, &node->strangers)
    {
        link_free(node, list_entry(at, struct link, in_strangers));
    }
    map_free(&node->links);
}

static void want_member(struct node *node, const struct raft_member *member)
{
    if (member->id == node->identity.id) {
        return;
    }
    struct peer *peer = peers_find(node, member->id);
    bool moved = peer == NULL || strcmp(peer->address, member->address) != 0;
    if (peer == NULL) {
        peer = add_peer(node, member->id, member->address);
    }
    peer->wanted = true;
    peer->guest = false;
    if (member->instance != 0) {
        peer->instance = member->instance;
    }
    if (moved) {
        snprintf(peer->address, sizeof(peer->address), "%s", member->address);
    }
    if (moved && peer->state == PEER_IDLE) {
        dial(node, peer);
    } else if (peer->state == PEER_UP) {
        note_link(node,
                  peer); /* core may meet this member for the first time */
    }
}

void peers_update(struct node *node)
{
    const struct raft_config *config = raft_config_now(node->raft, NULL);
    if (config == NULL && node->birth.count > 0) {
        config = &node->birth;
    }
    list_each(at, following, &node->peers)
    {
        struct peer *peer = list_entry(at, struct peer, in_node);
        peer->wanted = config == NULL && peer->guest;
    }
    for (size_t i = 0; config != NULL && i < config->count; i++) {
        want_member(node, &config->members[i]);
    }
    list_each(at, following, &node->peers)
    {
        struct peer *peer = list_entry(at, struct peer, in_node);
        if (!peer->wanted) {
            remove_peer(node, peer);
        }
    }
    node->peers_changed++;
}

/* ---- dialling ----------------------------------------------------------- */

static void fire_redial(struct node *node, struct wheel_timer *timer)
{
    dial(node, list_entry(timer, struct peer, redial));
}

static void fire_greet(struct node *node, struct wheel_timer *timer)
{
    struct link *link = list_entry(timer, struct link, greet);
    peers_failed(node, link, false,
                 link->dialled ? "no connection and HELLO within 10 s"
                               : "no HELLO within 10 s");
}

static void dial(struct node *node, struct peer *peer)
{
    assert(peer->link == NULL);
    wheel_cancel(&node->wheel, &peer->redial);
    peer->state = PEER_DIALLING;
    peer->link = link_new(node, node->next_dial, true);
    peer->link->peer = peer;
    node->next_dial += 2;
    wheel_set(&node->wheel, &peer->link->greet,
              node->now.mono_us + HELLO_TIMEOUT_US, fire_greet);
    node->net.dial(node->net.context, peer->link->conn, peer->address);
}

/* Twice as long as the last time, and somewhere in the upper half of that, so
 * that nodes that lost each other at once do not dial in step. */
static void dial_later(struct node *node, struct peer *peer)
{
    peer->backoff_us =
        peer->backoff_us == 0 ? DIAL_BACKOFF_MIN_US : peer->backoff_us * 2;
    if (peer->backoff_us > DIAL_BACKOFF_MAX_US) {
        peer->backoff_us = DIAL_BACKOFF_MAX_US;
    }
    uint64_t wait_us =
        prng_range(&node->prng, peer->backoff_us / 2, peer->backoff_us);
    wheel_set(&node->wheel, &peer->redial, node->now.mono_us + wait_us,
              fire_redial);
}

static void complain(struct node *node, struct peer *peer, bool refused,
                     const char *why)
{
    if (peer->complained && strcmp(peer->why, why) == 0) {
        return;
    }
    peer->complained = true;
    snprintf(peer->why, sizeof(peer->why), "%s", why);
    node_note(node, LOG_LEVEL_WARNING, "node %lu at %s %s: %s",
              (unsigned long)peer->id, peer->address,
              refused ? "cannot be talked to" : "is not connected", why);
}

static void complain_of_stranger(struct node *node, const struct link *link,
                                 const char *why)
{
    bool same = strcmp(node->stranger_why, why) == 0;
    if (same && node->now.mono_us - node->stranger_us < STRANGER_QUIET_US) {
        return;
    }
    snprintf(node->stranger_why, sizeof(node->stranger_why), "%s", why);
    node->stranger_us = node->now.mono_us;
    if (link->from == RAFT_ID_NONE) {
        node_note(node, LOG_LEVEL_WARNING,
                  "a connection to the peer port is closed: %s", why);
    } else {
        node_note(node, LOG_LEVEL_WARNING,
                  "the connection that node %lu made is closed: %s",
                  (unsigned long)link->from, why);
    }
}

static void forget_accepted(struct node *node, struct link *link)
{
    struct peer *speaker = peers_find(node, link->from);
    if (speaker != NULL && speaker->heard == link) {
        speaker->heard = NULL;
    }
    link_free(node, link);
}

void peers_failed(struct node *node, struct link *link, bool refused,
                  const char *why)
{
    struct peer *peer = link->peer;
    if (peer != NULL) {
        complain(node, peer, refused, why);
        peer->refused = refused;
        lose_link(node, peer);
        dial_later(node, peer);
        return;
    }
    complain_of_stranger(node, link, why);
    forget_accepted(node, link);
}

void peers_greet_again(struct node *node)
{
    list_each(at, following, &node->peers)
    {
        struct peer *peer = list_entry(at, struct peer, in_node);
        lose_link(node, peer);
        stop_hearing(node, peer);
        peer->backoff_us = 0;
        dial_later(node, peer);
    }
}

/* ---- the handshake ------------------------------------------------------ */

/* With different time-outs the nodes work, but not as anybody meant. */
static void compare_timeouts(struct node *node, const struct frame_hello *hello)
{
    if (hello->election_timeout_us != node->settings.election_timeout_us ||
        hello->heartbeat_us != node->settings.heartbeat_us) {
        node_note(node, LOG_LEVEL_WARNING,
                  "node %lu has other time-outs: election-timeout %llu ms and "
                  "heartbeat-interval %llu ms there",
                  (unsigned long)hello->id,
                  (unsigned long long)hello->election_timeout_us / 1000,
                  (unsigned long long)hello->heartbeat_us / 1000);
    }
}

static void greeted_dialled(struct node *node, struct link *link,
                            const struct frame_hello *hello)
{
    struct peer *peer = link->peer;
    peer->state = PEER_UP;
    peer->backoff_us = 0;
    peer->complained = false;
    peer->refused = false;
    peer->why[0] = '\0';
    node_note(node, LOG_LEVEL_INFO, "connected to node %lu at %s",
              (unsigned long)peer->id, peer->address);
    compare_timeouts(node, hello);
    note_link(node, peer);
}

static void greeted_accepted(struct node *node, struct link *link,
                             struct peer *peer)
{
    list_remove(&link->in_strangers);
    node->stranger_count--;
    link->from = peer->id;
    stop_hearing(node, peer); /* an older connection is half open, or stale */
    peer->heard = link;
    link_greet(node, link);
    link_flush(node, link);
    /* It lives: there is no reason to wait with the way back. */
    if (peer->state == PEER_IDLE && !peer->refused) {
        dial(node, peer);
    }
}

void peers_greeted(struct node *node, struct link *link,
                   const struct frame_hello *hello)
{
    link->greeted = true;
    wheel_cancel(&node->wheel, &link->greet);
    struct peer *peer = peers_find(node, hello->id);
    if (peer == NULL) {
        /* Only a node without a configuration and a list gets here: whoever
         * knows it must be answered. */
        peer = add_peer(node, hello->id, hello->address);
        peer->guest = true;
    }
    if (raft_config_now(node->raft, NULL) == NULL || peer->instance == 0) {
        peer->instance = hello->instance;
    }
    peer->cluster_id = hello->cluster_id;
    peer->epoch = hello->epoch;
    node->peers_changed++;
    if (link->dialled) {
        greeted_dialled(node, link, hello);
    } else {
        greeted_accepted(node, link, peer);
    }
    birth_check(node);
}

/* ---- inputs ------------------------------------------------------------- */

static void open_link(struct node *node, node_conn conn)
{
    if (node->stranger_count == STRANGERS_MAX) {
        struct link *oldest =
            list_entry(node->strangers.next, struct link, in_strangers);
        peers_failed(node, oldest, false,
                     "too many connections that have not said who they are");
    }
    struct link *link = link_new(node, conn, false);
    list_push_back(&node->strangers, &link->in_strangers);
    node->stranger_count++;
    wheel_set(&node->wheel, &link->greet, node->now.mono_us + HELLO_TIMEOUT_US,
              fire_greet);
}

static void dialled(struct node *node, struct link *link,
                    const struct node_input *input)
{
    if (!input->ok) {
        link->dead = true;
        peers_failed(node, link, false,
                     input->text == NULL ? "no connection" : input->text);
        return;
    }
    link->peer->state = PEER_GREETING;
    link_greet(node, link);
}

/* That a peer went away is told by the link that this node dialled; the other
 * one, and a stranger that leaves again, end without a word. */
static void ended(struct node *node, struct link *link,
                  const struct node_input *input)
{
    link->dead = input->type == NODE_INPUT_CLOSED;
    if (link->dialled) {
        peers_failed(node, link, false,
                     input->text == NULL ? "the other end closed the connection"
                                         : input->text);
    } else {
        forget_accepted(node, link);
    }
}

void peers_input(struct node *node, const struct node_input *input)
{
    if (input->type == NODE_INPUT_PEER_OPEN) {
        open_link(node, input->conn);
        return;
    }
    struct link *link = map_get(&node->links, input->conn);
    assert(link != NULL);
    if (input->type == NODE_INPUT_DIALLED) {
        dialled(node, link, input);
    } else if (input->type == NODE_INPUT_BYTES) {
        link_bytes(node, link, input->data, input->size);
    } else if (input->type == NODE_INPUT_DRAINED) {
        assert(link->unsent_bytes >= input->size);
        link->unsent_bytes -= input->size;
    } else {
        ended(node, link, input);
    }
}

/* ---- sending ------------------------------------------------------------ */

static struct link *way_to(const struct node *node, raft_id id)
{
    const struct peer *peer = peers_find(node, id);
    if (peer == NULL || peer->state != PEER_UP || link_full(peer->link)) {
        return NULL;
    }
    return peer->link;
}

void peers_send(struct node *node, const struct raft_message *message)
{
    struct link *link = way_to(node, message->to);
    if (link != NULL) {
        frame_write_message(&link->out, link->version, message);
    }
}

bool peers_forward(struct node *node, raft_id to,
                   const struct frame_forward *items, size_t count)
{
    struct link *link = way_to(node, to);
    if (link != NULL) {
        frame_write_forwards(&link->out, link->version, items, count);
    }
    return link != NULL;
}

void peers_forward_answer(struct node *node, raft_id to,
                          const struct frame_forward_answer *items,
                          size_t count)
{
    struct link *link = way_to(node, to);
    if (link != NULL) {
        frame_write_forward_answers(&link->out, link->version, items, count);
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

/* ---- why it cannot serve ------------------------------------------------ */

static void refused_text(struct node *node, struct buf *buf)
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
    birth_waiting(node, &buf);
    refused_text(node, &buf);
    snprintf(node->waiting, sizeof(node->waiting), "%.*s", (int)buf.size,
             buf.size == 0 ? "" : (const char *)buf.data);
    buf_free(&buf);
}
