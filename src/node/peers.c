#include "node/peers.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "node/install.h"

/* The same complaint about strangers is not logged again for so long. */
#define STRANGER_QUIET_US ((uint64_t)60 * 1000 * 1000)

static void dial(struct node *node, struct peer *peer);

/* ---- the list of peers -------------------------------------------------- */

void peers_init(struct node *node)
{
    list_init(&node->peers);
    list_init(&node->strangers);
    node->next_dial = 2;
}

struct peer *peers_add(struct node *node, raft_id id)
{
    struct peer *peer = x_calloc(1, sizeof(*peer));
    peer->id = id;
    list_push_back(&node->peers, &peer->in_node);
    node->peers_changed++;
    return peer;
}

/* A guest stays what core took it for: nobody asks it anything new. */
static bool counts(const struct peer *peer)
{
    if (peer->state != PEER_UP || contacts_foreign(peer)) {
        return false;
    }
    return peer->guest ? peer->noted : !peer->reached || peer->sworn;
}

void peers_note(struct node *node, struct peer *peer)
{
    if (counts(peer) == peer->noted) {
        return;
    }
    peer->noted = !peer->noted;
    struct raft_event event = {.type = RAFT_EVENT_LINK};
    event.link.peer = peer->id;
    event.link.up = peer->noted;
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
    peers_note(node, peer);
    if (was_up) {
        submit_link_lost(node, peer->id);
        control_link_lost(node, peer->id);
    }
}

/* Answers come on the link that the other one dialled: those that were under
 * way on it are lost, though the way there is whole. */
static void lose_answers(struct node *node, raft_id peer)
{
    submit_link_lost(node, peer);
    control_link_lost(node, peer);
}

static void stop_hearing(struct node *node, struct peer *peer)
{
    if (peer->heard != NULL) {
        link_free(node, peer->heard);
        peer->heard = NULL;
        lose_answers(node, peer->id);
        doubt_unheard(node, peer);
    }
}

void peers_cut(struct node *node, struct peer *peer, uint64_t instance)
{
    if (peer->state == PEER_UP && peer->link->instance != instance) {
        lose_link(node, peer);
    }
    if (peer->heard != NULL && peer->heard->instance != instance) {
        stop_hearing(node, peer);
    }
}

void peers_remove(struct node *node, struct peer *peer)
{
    lose_link(node, peer);
    stop_hearing(node, peer);
    wheel_cancel(&node->wheel, &peer->redial);
    doubt_dropped(node, peer);
    list_remove(&peer->in_node);
    free(peer);
    node->peers_changed++;
}

void peers_free(struct node *node)
{
    list_each(at, following, &node->peers)
    {
        peers_remove(node, list_entry(at, struct peer, in_node));
    }
    list_each(at, following, &node->strangers)
    {
        link_free(node, list_entry(at, struct link, in_strangers));
    }
    map_free(&node->links);
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
                 link->dialled ? "no connection and HELLO in time"
                               : "no HELLO within 10 s");
}

/* Where it is to be tried next, if nobody answers where it is dialled now;
 * NULL: nowhere else. */
static const char *other_way(const struct node *node, const struct peer *peer)
{
    const struct raft_member *listed =
        raft_config_find(&node->bootstrap, peer->id);
    const char *const ways[] = {peer->announced, peer->recorded,
                                listed == NULL ? "" : listed->address};
    size_t at = 0;
    if (peer->reached || peer->guest) {
        return NULL; /* it is meant to be there, and nowhere else */
    }
    while (at < 2 && strcmp(peer->address, ways[at]) != 0) {
        at++;
    }
    for (size_t i = 1; i <= 3; i++) {
        const char *way = ways[(at + i) % 3];
        if (way[0] != '\0' && strcmp(way, peer->address) != 0) {
            return way;
        }
    }
    return NULL;
}

static void dial(struct node *node, struct peer *peer)
{
    assert(peer->link == NULL);
    wheel_cancel(&node->wheel, &peer->redial);
    peer->state = PEER_DIALLING;
    peer->link = link_new(node, node->next_dial, true);
    peer->link->peer = peer;
    peer->link->met = node->birth_met;
    node->next_dial += 2;
    wheel_set(&node->wheel, &peer->link->greet,
              node->now.mono_us + (other_way(node, peer) == NULL
                                       ? HELLO_TIMEOUT_US
                                       : TRY_TIMEOUT_US),
              fire_greet);
    node->net.dial(node->net.context, peer->link->conn, peer->address);
}

void peers_dial(struct node *node, struct peer *peer, const char *address)
{
    lose_link(node, peer);
    if (address != peer->address) {
        snprintf(peer->address, sizeof(peer->address), "%s", address);
    }
    dial(node, peer);
}

/* Nobody answers at this address: the others are tried in turn. */
static void next_address(struct node *node, struct peer *peer)
{
    const char *way = other_way(node, peer);
    if (strcmp(peer->address, peer->announced) == 0) {
        peer->announced_fails = true;
    }
    if (way != NULL) {
        snprintf(peer->address, sizeof(peer->address), "%s", way);
    }
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
    bool heard = speaker != NULL && speaker->heard == link;
    if (heard) {
        speaker->heard = NULL;
    }
    link_free(node, link);
    if (heard) {
        lose_answers(node, speaker->id);
        doubt_unheard(node, speaker);
    }
    if (heard && speaker->guest) {
        peers_remove(node, speaker); /* nobody here wants it back */
    }
}

/* A link that broke is made anew at once: it tells who else is dead. */
static void dial_again(struct node *node, struct peer *peer, bool was_up)
{
    if (peer->state != PEER_IDLE) {
        return; /* somebody has dialled it meanwhile */
    }
    if (was_up && !peer->refused) {
        doubt_begin(node, peer);
        dial(node, peer);
        return;
    }
    doubt_confirm(node, peer);
    if (!was_up) {
        next_address(node, peer);
    }
    dial_later(node, peer);
}

void peers_failed(struct node *node, struct link *link, bool refused,
                  const char *why)
{
    struct peer *peer = link->peer;
    if (link->purpose == FRAME_PURPOSE_INSTALL) {
        install_failed(node, link, why);
        return;
    }
    if (peer != NULL) {
        bool was_up = peer->state == PEER_UP;
        complain(node, peer, refused, why);
        peer->refused = refused;
        peer->final = peer->final && refused;
        peer->wiped = peer->wiped && refused;
        lose_link(node, peer);
        change_refused(node, peer);
        dial_again(node, peer, was_up);
        return;
    }
    complain_of_stranger(node, link, why);
    forget_accepted(node, link);
}

static bool is_final(uint16_t code)
{
    return code == FRAME_REFUSED_VERSION || code == FRAME_REFUSED_CLUSTER ||
           code == FRAME_REFUSED_IDENTITY || code == FRAME_REFUSED_SELF;
}

void peers_refused(struct node *node, struct link *link,
                   const struct frame_refusal *refusal)
{
    if (link->peer != NULL) {
        link->peer->final = is_final(refusal->code);
        link->peer->wiped = refusal->code == FRAME_REFUSED_INSTANCE;
    }
    peers_failed(node, link, true, refusal->text);
}

void peers_greet_again(struct node *node)
{
    list_each(at, following, &node->peers)
    {
        struct peer *peer = list_entry(at, struct peer, in_node);
        if (peer->guest) {
            peers_remove(node, peer);
            continue;
        }
        lose_link(node, peer);
        stop_hearing(node, peer);
        peer->backoff_us = 0;
        dial_later(node, peer);
    }
}

void peers_ask_again(struct node *node, struct peer *peer, uint64_t met)
{
    if (peer->state == PEER_UP && peer->link->met < met) {
        lose_link(node, peer);
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

/* It says that it is to be dialled elsewhere: that is tried, once. */
static bool moves(const struct peer *peer)
{
    return !peer->reached && !peer->announced_fails &&
           strcmp(peer->address, peer->announced) != 0;
}

static void greeted_dialled(struct node *node, struct link *link,
                            const struct frame_hello *hello)
{
    struct peer *peer = link->peer;
    peer->complained = false;
    peer->refused = false;
    peer->wiped = false;
    peer->why[0] = '\0';
    if (moves(peer)) {
        peers_dial(node, peer, peer->announced);
        return;
    }
    peer->state = PEER_UP;
    peer->backoff_us = 0;
    doubt_end(node, peer);
    node_note(node, LOG_LEVEL_INFO, "connected to node %lu at %s",
              (unsigned long)peer->id, peer->address);
    compare_timeouts(node, hello);
    peers_note(node, peer);
    change_reached(node);
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
    if (peer->state == PEER_UP && peer->link->process != link->process) {
        lose_link(node, peer); /* with the run before this one */
    }
    /* It lives: there is no reason to wait with the way back. */
    if (peer->state != PEER_UP && moves(peer)) {
        peers_dial(node, peer, peer->announced);
    } else if (peer->state == PEER_IDLE) {
        dial(node, peer);
    }
}

/* Who it is, as its HELLO says. */
static void remember(struct node *node, struct peer *peer,
                     const struct link *link, const struct frame_hello *hello)
{
    if (peer->instance != hello->instance) {
        peers_cut(node, peer, hello->instance);
        peer->instance = hello->instance;
        birth_met(node, peer);
    }
    if (link->dialled) {
        peer->said = link->met;
    }
    peer->boot = hello->boot;
    peer->process = hello->process;
    peer->config_index = hello->config_index;
    peer->cluster_id = hello->cluster_id;
    peer->epoch = hello->epoch;
    if (strcmp(peer->announced, hello->address) != 0) {
        snprintf(peer->announced, sizeof(peer->announced), "%s",
                 hello->address);
        peer->announced_fails = false;
    }
    peers_note(node, peer);
}

/* Only who is heard on its usual connection may offer anything on another. */
static void greeted_install(struct node *node, struct link *link,
                            struct peer *peer, const struct frame_hello *hello)
{
    link->purpose = FRAME_PURPOSE_INSTALL;
    if (link->dialled) {
        install_greeted(node, link);
    } else if (peer != NULL && peer->heard != NULL &&
               peer->heard->instance == hello->instance) {
        install_accepted(node, link, peer);
    } else {
        peers_failed(node, link, false, "its usual connection is not there");
    }
}

void peers_greeted(struct node *node, struct link *link,
                   const struct frame_hello *hello)
{
    link->greeted = true;
    link->instance = hello->instance;
    link->process = hello->process;
    wheel_cancel(&node->wheel, &link->greet);
    struct peer *peer = peers_find(node, hello->id);
    /* Whoever has dialled says what for. */
    if ((link->dialled ? link->purpose : hello->purpose) ==
        FRAME_PURPOSE_INSTALL) {
        greeted_install(node, link, peer, hello);
        return;
    }
    if (peer == NULL) {
        peer = peers_add(node, hello->id);
        peer->guest = true;
        snprintf(peer->address, sizeof(peer->address), "%s", hello->address);
    }
    remember(node, peer, link, hello);
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
    if (link->peer != NULL) {
        link->peer->state = PEER_GREETING;
    }
    link_greet(node, link);
}

/* That a peer went away is told by the link that this node dialled; the other
 * one, and a stranger that leaves again, end without a word. */
static void ended(struct node *node, struct link *link,
                  const struct node_input *input)
{
    link->dead = input->type == NODE_INPUT_CLOSED;
    if (link->dialled || link->purpose == FRAME_PURPOSE_INSTALL) {
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
        doubt_heard(node, link->from);
        link_bytes(node, link, input->data, input->size);
    } else if (input->type == NODE_INPUT_DRAINED) {
        assert(link->unsent_bytes >= input->size);
        link->unsent_bytes -= input->size;
    } else {
        ended(node, link, input);
    }
}
