#include "node/install.h"

#include <stdlib.h>

#include "base/mem.h"
#include "node/snapshot.h"

void install_init(struct node *node)
{
    node->install = x_calloc(1, sizeof(*node->install));
    list_init(&node->install->sendings);
}

/* ---- coming and going --------------------------------------------------- */

static struct sending *find(const struct node *node, raft_id peer)
{
    list_each(at, following, &node->install->sendings)
    {
        struct sending *sending = list_entry(at, struct sending, in_node);
        if (sending->peer == peer) {
            return sending;
        }
    }
    return NULL;
}

static void hang_up(struct node *node, struct sending *sending)
{
    wheel_cancel(&node->wheel, &sending->silence);
    if (sending->link != NULL) {
        link_free(node, sending->link);
        sending->link = NULL;
    }
    sending->wanted = false;
}

void install_end(struct node *node, struct sending *sending)
{
    hang_up(node, sending);
    offer_drop(node, sending);
    wheel_cancel(&node->wheel, &sending->redial);
    list_remove(&sending->in_node);
    free(sending);
}

void install_needed(struct node *node, raft_id peer)
{
    if (find(node, peer) == NULL) {
        struct sending *sending = x_calloc(1, sizeof(*sending));
        sending->peer = peer;
        list_push_back(&node->install->sendings, &sending->in_node);
        node_note(node, LOG_LEVEL_INFO,
                  "node %lu needs entries that are gone: it is sent what lies "
                  "under the log",
                  (unsigned long)peer);
    }
}

void install_free(struct node *node)
{
    list_each(at, following, &node->install->sendings)
    {
        install_end(node, list_entry(at, struct sending, in_node));
    }
    take_end(node);
    wheel_cancel(&node->wheel, &node->install->send_due);
    free(node->install);
}

static bool is_needed(const struct node *node, const struct sending *sending)
{
    struct raft_peer_status status;
    return raft_peer_status(node->raft, sending->peer, &status) &&
           status.state == RAFT_PEER_SNAPSHOT &&
           peers_find(node, sending->peer) != NULL;
}

/* ---- the connection ----------------------------------------------------- */

static void fire_redial(struct node *node, struct wheel_timer *timer)
{
    (void)node;
    (void)timer; /* the pump of this turn dials */
}

static void fire_silence(struct node *node, struct wheel_timer *timer)
{
    struct sending *sending = list_entry(timer, struct sending, silence);
    install_failed(node, sending->link, "nothing was heard for 10 s");
}

void install_heard(struct node *node, struct sending *sending)
{
    wheel_set(&node->wheel, &sending->silence,
              node->now.mono_us + INSTALL_SILENCE_US, fire_silence);
}

static void dial(struct node *node, struct sending *sending)
{
    const char *address = peers_address(node, sending->peer);
    struct link *link = link_new(node, node->next_dial, true);
    node->next_dial += 2;
    link->purpose = FRAME_PURPOSE_INSTALL;
    link->from = sending->peer;
    sending->link = link;
    install_heard(node, sending);
    node->net.dial(node->net.context, link->conn, address);
}

static struct sending *sending_of(const struct node *node,
                                  const struct link *link)
{
    struct sending *sending = find(node, link->from);
    return sending != NULL && sending->link == link ? sending : NULL;
}

void install_failed(struct node *node, struct link *link, const char *why)
{
    struct sending *sending = sending_of(node, link);
    if (node->install->taking.link == link) {
        node->install->taking.link = NULL;
        wheel_cancel(&node->wheel, &node->install->taking.again);
    }
    if (sending == NULL) {
        link_free(node, link);
        return;
    }
    node_note(node, sending->backoff_us == 0 ? LOG_LEVEL_INFO : LOG_LEVEL_DEBUG,
              "the connection that sends node %lu what lies under the log "
              "ended, and is made again: %s",
              (unsigned long)sending->peer, why);
    hang_up(node, sending);
    sending->backoff_us = sending->backoff_us == 0 ? DIAL_BACKOFF_MIN_US
                                                   : sending->backoff_us * 2;
    if (sending->backoff_us > DIAL_BACKOFF_MAX_US) {
        sending->backoff_us = DIAL_BACKOFF_MAX_US;
    }
    wheel_set(&node->wheel, &sending->redial,
              node->now.mono_us + prng_range(&node->prng,
                                             sending->backoff_us / 2,
                                             sending->backoff_us),
              fire_redial);
}

void install_greeted(struct node *node, struct link *link)
{
    struct sending *sending = sending_of(node, link);
    if (sending == NULL) {
        link_free(node, link);
        return;
    }
    if (sending->record != NULL) {
        offer_say(sending);
    }
}

const char *install_frame(struct node *node, struct link *link,
                          const struct frame *frame)
{
    struct sending *sending = sending_of(node, link);
    if (sending != NULL) {
        return frame->type == FRAME_WANT
                   ? send_wanted(node, sending, frame)
                   : "a frame that whoever gets a base does not send";
    }
    return node->install->taking.link == link
               ? take_frame_of_base(node, frame)
               : "another connection has taken its place";
}

/* ---- each turn ---------------------------------------------------------- */

static void pump(struct node *node, struct sending *sending)
{
    if (!is_needed(node, sending)) {
        install_end(node, sending);
        return;
    }
    offer_prepare(node, sending);
    if (sending->link == NULL && sending->redial.at_us == 0) {
        dial(node, sending);
    }
    if (sending->link != NULL) {
        send_pump(node, sending);
    }
}

void install_pump(struct node *node)
{
    list_each(at, following, &node->install->sendings)
    {
        pump(node, list_entry(at, struct sending, in_node));
    }
    take_pump(node);
}

void install_flush(struct node *node)
{
    list_each(at, following, &node->install->sendings)
    {
        struct sending *sending = list_entry(at, struct sending, in_node);
        if (sending->link != NULL) {
            link_flush(node, sending->link);
        }
    }
    if (node->install->taking.link != NULL) {
        link_flush(node, node->install->taking.link);
    }
}

raft_index install_holds(const struct node *node)
{
    raft_index index = RAFT_INDEX_NONE;
    list_each(at, following, &node->install->sendings)
    {
        const struct sending *sending = list_entry(at, struct sending, in_node);
        if (sending->record != NULL && sending->offer.index < index) {
            index = sending->offer.index;
        }
    }
    return index;
}

void install_peer_info(const struct node *node, raft_id id, struct buf *buf)
{
    const struct sending *sending = find(node, id);
    if (sending != NULL && sending->record != NULL) {
        buf_printf(buf,
                   ",install_index=%llu,install_have=%llu,install_size=%llu",
                   (unsigned long long)sending->offer.index,
                   (unsigned long long)sending->want,
                   (unsigned long long)offer_total(&sending->offer));
    }
}

void install_info(const struct node *node, struct buf *buf)
{
    const struct install *install = node->install;
    size_t count = 0;
    list_each(at, following, &install->sendings)
    {
        count++;
    }
    buf_printf(buf, "installs_sending:%zu\r\n", count);
    buf_printf(buf, "installs_sent_bytes:%llu\r\n",
               (unsigned long long)install->sent_bytes);
    buf_printf(buf, "install_bytes:%llu\r\n",
               (unsigned long long)(install->taking.record.size +
                                    install->taking.have));
    buf_printf(buf, "installs:%llu\r\n", (unsigned long long)install->taken);
}
