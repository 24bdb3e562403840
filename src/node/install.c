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

static void drop_record(struct node *node, struct sending *sending)
{
    snapshot_unpin(node, sending->snapshot);
    blob_free(sending->record);
    sending->snapshot = NULL;
    sending->record = NULL;
    sending->reading = 0;
    sending->wanted = false;
    sending->asked = false;
    sending->serial = ++node->install->serial;
}

static void end(struct node *node, struct sending *sending)
{
    hang_up(node, sending);
    drop_record(node, sending);
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

static void say_offer(struct sending *sending)
{
    if (sending->link != NULL && sending->link->greeted) {
        frame_write_offer(&sending->link->out, sending->link->version,
                          &sending->offer);
    }
}

/* Chain and time are those of entry `index`. */
static void make_record(struct node *node, struct sending *sending,
                        raft_index index, struct digest chain, uint64_t unix_ms)
{
    struct buf buf = {0};
    raft_base_pack(node->raft, index, chain, unix_ms, &buf);
    sending->record = blob_copy(buf.data, buf.size);
    sending->offer =
        (struct frame_offer){.index = index,
                             .term = raft_term_at(node->raft, index),
                             .record_size = buf.size,
                             .record_digest = digest_of(buf.data, buf.size)};
    if (sending->snapshot != NULL) {
        const struct node_snapshot *snapshot = &sending->snapshot->what;
        sending->offer.snapshot_size = snapshot->size;
        memcpy(sending->offer.snapshot_sha256, snapshot->sha256, SHA256_SIZE);
    }
    buf_free(&buf);
    say_offer(sending);
}

/* What lies under the app's snapshot, where there is one: it begins before the
 * log does, or with it. */
static void begin_record(struct node *node, struct sending *sending)
{
    const struct raft_base *base = raft_base_now(node->raft);
    raft_index index = base->index;
    if (node->snapshot != NULL && node->snapshot->what.index >= index) {
        sending->snapshot = snapshot_pin(node->snapshot);
        index = node->snapshot->what.index;
    }
    const struct raft_entry *entry = raft_entry_at(node->raft, index);
    if (index == base->index) {
        make_record(node, sending, index, base->chain, base->unix_ms);
    } else if (entry != NULL) {
        make_record(node, sending, index, entry->chain, entry->unix_ms);
    } else {
        struct node_read read = {
            .request = node->next_read++, .first = index, .last = index};
        sending->reading = read.request;
        node->store.read(node->store.context, &read);
    }
}

static void take_entry(struct node *node, struct sending *sending,
                       const struct node_read_answer *answer)
{
    const struct raft_base *base = raft_base_now(node->raft);
    sending->reading = 0;
    if (answer->entry_count == 1 && answer->first >= base->index) {
        make_record(node, sending, answer->first, answer->entries[0].chain,
                    answer->entries[0].unix_ms);
    } else {
        drop_record(node, sending); /* the next turn begins it anew */
    }
}

bool install_read(struct node *node, struct node_read_answer *answer)
{
    list_each(at, following, &node->install->sendings)
    {
        struct sending *sending = list_entry(at, struct sending, in_node);
        if (sending->reading == 0 || sending->reading != answer->request) {
            continue;
        }
        take_entry(node, sending, answer);
        for (size_t i = 0; i < answer->entry_count; i++) {
            raft_entry_clear(&answer->entries[i]);
        }
        free(answer->entries);
        answer->entries = NULL;
        answer->entry_count = 0;
        return true;
    }
    return false;
}

/* Where the base has moved past what is sent, it is begun anew, once the base
 * stands still: what the old one leads to is gone. */
static void prepare(struct node *node, struct sending *sending)
{
    const struct raft_base *base = raft_base_now(node->raft);
    if (sending->reading != 0 || !compact_rests(node)) {
        return;
    }
    if (sending->record != NULL && sending->offer.index < base->index) {
        drop_record(node, sending);
    }
    if (sending->record == NULL) {
        begin_record(node, sending);
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

static void send_chunk(struct node *node, struct sending *sending,
                       const uint8_t *bytes, size_t size)
{
    struct frame_chunk chunk = {.index = sending->offer.index,
                                .offset = sending->sent,
                                .bytes = bytes,
                                .size = size};
    frame_write_chunk(&sending->link->out, sending->link->version, &chunk);
    sending->sent += size;
    count_sent(node, size);
}

static struct sending *of_serial(const struct node *node, uint64_t serial)
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

static void take_piece(struct node *node, const struct file_ask *ask,
                       const struct node_file_answer *answer)
{
    struct sending *sending = of_serial(node, ask->serial);
    if (sending == NULL || sending->link == NULL || !sending->wanted) {
        return; /* asked for another place, or connection */
    }
    sending->asked = false;
    if (answer->result == NODE_FILE_OK && answer->bytes != NULL &&
        answer->bytes->size > 0) {
        send_chunk(node, sending, answer->bytes->data, answer->bytes->size);
        return;
    }
    node_note(
        node, sending->complained ? LOG_LEVEL_DEBUG : LOG_LEVEL_ERROR,
        "node %lu cannot be sent the snapshot: this disk does not give it",
        (unsigned long)sending->peer);
    sending->complained = true;
    install_failed(node, sending->link, "the snapshot cannot be read");
}

/* One piece at a time is read; it is sent when it is here. */
static void ask_piece(struct node *node, struct sending *sending)
{
    struct node_file_request request = {.work = NODE_FILE_READ,
                                        .snapshot = sending->snapshot->what,
                                        .offset = sending->sent -
                                                  sending->offer.record_size,
                                        .size = FRAME_CHUNK_MAX};
    struct file_ask ask = {.done = take_piece, .serial = sending->serial};
    sending->asked = true;
    file_ask(node, &request, &ask);
}

static void send_next(struct node *node, struct sending *sending)
{
    uint64_t size = sending->offer.record_size;
    if (sending->sent < size) {
        uint64_t left = size - sending->sent;
        send_chunk(node, sending, sending->record->data + sending->sent,
                   left < FRAME_CHUNK_MAX ? (size_t)left : FRAME_CHUNK_MAX);
    } else {
        ask_piece(node, sending);
    }
}

/* How far the peer is ready to be sent.  How much of the snapshot it has it
 * knows once it has the record. */
static uint64_t limit_of(const struct sending *sending)
{
    uint64_t record = sending->offer.record_size;
    uint64_t limit = sending->want + FRAME_INSTALL_WINDOW;
    uint64_t total = total_of(&sending->offer);
    if (sending->want < record && limit > record) {
        return record;
    }
    return limit < total ? limit : total;
}

static void send_some(struct node *node, struct sending *sending)
{
    while (sending->wanted && !sending->asked &&
           sending->sent < limit_of(sending) && !link_full(sending->link) &&
           rate_allows(node)) {
        send_next(node, sending);
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
    bool skips = want.offset > sending->sent &&
                 sending->sent == sending->offer.record_size;
    if (want.offset > total_of(&sending->offer) ||
        (sending->wanted && !skips && want.offset > sending->sent)) {
        return "it wants what is behind the end";
    }
    if (!sending->wanted || skips) {
        sending->sent = want.offset;
        sending->asked = false;
        sending->serial = ++node->install->serial;
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
                   (unsigned long long)total_of(&sending->offer));
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
