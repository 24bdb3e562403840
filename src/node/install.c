#include "node/install.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"

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

static void drop_record(struct sending *sending)
{
    blob_free(sending->record);
    sending->record = NULL;
    sending->wanted = false;
}

static void end(struct node *node, struct sending *sending)
{
    hang_up(node, sending);
    drop_record(sending);
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
        end(node, list_entry(at, struct sending, in_node));
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

/* ---- the record --------------------------------------------------------- */

static void make_record(struct node *node, struct sending *sending,
                        const struct raft_base *base)
{
    struct buf buf = {0};
    raft_base_pack(node->raft, base->index, base->chain, base->unix_ms, &buf);
    drop_record(sending);
    sending->record = blob_copy(buf.data, buf.size);
    sending->offer =
        (struct frame_offer){.index = base->index,
                             .term = raft_term_at(node->raft, base->index),
                             .record_size = buf.size,
                             .record_digest = digest_of(buf.data, buf.size)};
    buf_free(&buf);
}

static void say_offer(struct sending *sending)
{
    if (sending->link != NULL && sending->link->greeted) {
        frame_write_offer(&sending->link->out, sending->link->version,
                          &sending->offer);
    }
}

/* A base that has moved on is sent anew, once it stands still: what the old one
 * leads to is gone. */
static void prepare(struct node *node, struct sending *sending)
{
    const struct raft_base *base = raft_base_now(node->raft);
    bool stale = sending->record == NULL || sending->offer.index < base->index;
    if (stale && compact_rests(node)) {
        make_record(node, sending, base);
        say_offer(sending);
    }
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

static void dial(struct node *node, struct sending *sending)
{
    const char *address = peers_address(node, sending->peer);
    struct link *link = link_new(node, node->next_dial, true);
    node->next_dial += 2;
    link->purpose = FRAME_PURPOSE_INSTALL;
    link->from = sending->peer;
    sending->link = link;
    wheel_set(&node->wheel, &sending->silence,
              node->now.mono_us + INSTALL_SILENCE_US, fire_silence);
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
        say_offer(sending);
    }
}

/* ---- chunks ------------------------------------------------------------- */

static uint64_t total_of(const struct frame_offer *offer)
{
    return offer->record_size + offer->snapshot_size;
}

static void fire_send_due(struct node *node, struct wheel_timer *timer)
{
    (void)node;
    (void)timer; /* the pump of this turn goes on */
}

/* False: not before the timer fires. */
static bool rate_allows(struct node *node)
{
    struct install *install = node->install;
    if (node->settings.send_rate == 0 ||
        install->send_due_us <= node->now.mono_us) {
        return true;
    }
    wheel_set(&node->wheel, &install->send_due, install->send_due_us,
              fire_send_due);
    return false;
}

static void count_sent(struct node *node, size_t size)
{
    struct install *install = node->install;
    uint64_t rate = node->settings.send_rate;
    install->sent_bytes += size;
    if (rate != 0) {
        uint64_t from_us = install->send_due_us > node->now.mono_us
                               ? install->send_due_us
                               : node->now.mono_us;
        install->send_due_us = from_us + size * 1000000 / rate;
    }
}

static void send_chunk(struct node *node, struct sending *sending)
{
    const struct frame_offer *offer = &sending->offer;
    uint64_t left = offer->record_size - sending->sent;
    struct frame_chunk chunk = {
        .index = offer->index,
        .offset = sending->sent,
        .bytes = sending->record->data + sending->sent,
        .size = left < FRAME_CHUNK_MAX ? (size_t)left : FRAME_CHUNK_MAX};
    frame_write_chunk(&sending->link->out, sending->link->version, &chunk);
    sending->sent += chunk.size;
    count_sent(node, chunk.size);
}

static void send_some(struct node *node, struct sending *sending)
{
    while (sending->wanted && sending->sent < total_of(&sending->offer) &&
           sending->sent < sending->want + FRAME_INSTALL_WINDOW &&
           !link_full(sending->link) && rate_allows(node)) {
        send_chunk(node, sending);
    }
}

static void tell_core(struct node *node, raft_id peer, raft_index index)
{
    struct raft_event event = {.type = RAFT_EVENT_INSTALLED};
    event.installed.peer = peer;
    event.installed.index = index;
    driver_note(node, &event);
}

static const char *take_want(struct node *node, struct sending *sending,
                             const struct frame *frame)
{
    struct frame_want want;
    if (!frame_read_want(frame, &want)) {
        return "what it wants is malformed";
    }
    wheel_set(&node->wheel, &sending->silence,
              node->now.mono_us + INSTALL_SILENCE_US, fire_silence);
    if (want.index != sending->offer.index) {
        return NULL; /* of an offer before this one */
    }
    if (want.done) {
        tell_core(node, sending->peer, want.index);
        end(node, sending);
        return NULL;
    }
    if (want.offset > total_of(&sending->offer) ||
        (sending->wanted && want.offset > sending->sent)) {
        return "it wants what is behind the end";
    }
    if (!sending->wanted) {
        sending->sent = want.offset;
    } else if (want.offset > sending->want) {
        sending->backoff_us = 0;
        tell_core(node, sending->peer, 0);
    }
    sending->wanted = true;
    sending->want = want.offset;
    return NULL;
}

const char *install_frame(struct node *node, struct link *link,
                          const struct frame *frame)
{
    struct sending *sending = sending_of(node, link);
    if (sending != NULL) {
        return frame->type == FRAME_WANT
                   ? take_want(node, sending, frame)
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
        end(node, sending);
        return;
    }
    prepare(node, sending);
    if (sending->link == NULL && sending->redial.at_us == 0) {
        dial(node, sending);
    }
    if (sending->link != NULL) {
        send_some(node, sending);
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
    buf_printf(buf, "install_bytes:%zu\r\n", install->taking.record.size);
    buf_printf(buf, "installs:%llu\r\n", (unsigned long long)install->taken);
}
