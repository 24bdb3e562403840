#include "node/install.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "node/snapshot.h"

void install_init(struct node *node)
{
    node->install = x_calloc(1, sizeof(*node->install));
    list_init(&node->install->sendings);
}

/* ---- coming and going --------------------------------------------------- */

struct sending *install_to(const struct node *node, raft_id peer)
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

struct sending *install_of_serial(const struct node *node, uint64_t serial)
{
    list_each(at, following, &node->install->sendings)
    {
        struct sending *sending = list_entry(at, struct sending, in_node);
        if (sending->serial == serial) {
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
    snapshot_unpin(node, sending->suspect);
    wheel_cancel(&node->wheel, &sending->redial);
    list_remove(&sending->in_node);
    free(sending);
}

void install_needed(struct node *node, raft_id peer)
{
    if (install_to(node, peer) == NULL) {
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
    sending->heard_us = node->now.mono_us;
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

static uint64_t doubled(uint64_t backoff_us, uint64_t min_us, uint64_t max_us)
{
    uint64_t next_us = backoff_us == 0 ? min_us : backoff_us * 2;
    return next_us < max_us ? next_us : max_us;
}

static void again_later(struct node *node, struct sending *sending,
                        uint64_t backoff_us)
{
    wheel_set(&node->wheel, &sending->redial,
              node->now.mono_us +
                  prng_range(&node->prng, backoff_us / 2, backoff_us),
              fire_redial);
}

static struct sending *sending_of(const struct node *node,
                                  const struct link *link)
{
    struct sending *sending = install_to(node, link->from);
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
    snprintf(sending->why, sizeof(sending->why), "%s", why);
    hang_up(node, sending);
    sending->backoff_us =
        doubled(sending->backoff_us, DIAL_BACKOFF_MIN_US, DIAL_BACKOFF_MAX_US);
    again_later(node, sending, sending->backoff_us);
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

/* ---- not now ------------------------------------------------------------ */

void install_put_off(struct node *node, struct sending *sending,
                     uint64_t max_us, const char *why)
{
    bool again = sending->off_why == why;
    sending->off_us = again ? sending->off_us : 0;
    sending->off_why = why;
    node_note(node, again ? LOG_LEVEL_DEBUG : LOG_LEVEL_WARNING,
              "node %lu is not sent what lies under the log now, but later: %s",
              (unsigned long)sending->peer, why);
    snprintf(sending->why, sizeof(sending->why), "%s", why);
    hang_up(node, sending);
    offer_drop(node, sending);
    sending->off_us = doubled(sending->off_us, INSTALL_OFF_MIN_US, max_us);
    again_later(node, sending, sending->off_us);
}

static void verified(struct node *node, const struct file_ask *ask,
                     const struct node_file_answer *answer)
{
    struct sending *sending = install_of_serial(node, ask->serial);
    if (sending == NULL || sending->suspect == NULL) {
        return;
    }
    raft_index index = sending->suspect->what.index;
    if (answer->result == NODE_FILE_CORRUPT) {
        snapshot_damaged(node, index);
    } else if (answer->result == NODE_FILE_OK) {
        node_note(
            node, LOG_LEVEL_WARNING,
            "the snapshot of entry %llu, whose hash node %lu found wrong, "
            "is sound on this disk: look at the memory and the disk of "
            "that node, and at the network",
            (unsigned long long)index, (unsigned long)sending->peer);
    }
    snapshot_unpin(node, sending->suspect);
    sending->suspect = NULL;
}

static void verify(struct node *node, struct sending *sending,
                   struct snapshot *suspect)
{
    struct node_file_request request = {.work = NODE_FILE_VERIFY,
                                        .snapshot = suspect->what};
    struct file_ask ask = {.done = verified, .serial = sending->serial};
    sending->suspect = suspect;
    file_ask(node, &request, &ask);
}

static const char *decline_text(uint8_t decline)
{
    switch ((enum frame_decline)decline) {
    case FRAME_DECLINE_HASH:
        return "it came whole, and had not the hash that was said";
    case FRAME_DECLINE_NO_ROOM:
        return "its disk is full";
    case FRAME_DECLINE_DISK:
        return "its disk does not take it";
    case FRAME_DECLINE_RECORD:
        return "it cannot read the record";
    case FRAME_DECLINE_NOT:
        break;
    }
    return "it does not take it";
}

void install_declined(struct node *node, struct sending *sending,
                      uint8_t decline)
{
    bool whole = decline == FRAME_DECLINE_HASH;
    struct snapshot *suspect = NULL;
    if (whole && sending->snapshot != NULL) {
        suspect = snapshot_pin(sending->snapshot);
    }
    install_put_off(node, sending,
                    whole ? INSTALL_OFF_WHOLE_MAX_US : INSTALL_OFF_MAX_US,
                    decline_text(decline));
    if (suspect != NULL) {
        verify(node, sending, suspect);
    }
}

/* ---- frames ------------------------------------------------------------- */

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
    if (sending->suspect != NULL ||
        (sending->link == NULL && sending->redial.at_us != 0)) {
        return;
    }
    offer_prepare(node, sending);
    if (sending->record == NULL && offer_blocked(node)) {
        hang_up(node, sending);
    } else if (sending->record != NULL && sending->link == NULL) {
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
