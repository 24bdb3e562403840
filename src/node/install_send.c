/* The bytes of a record and a snapshot on their way to a peer: as far as it is
 * ready for them, as fast as snapshot-send-rate allows. */
#include "node/install.h"
#include "node/snapshot.h"

/* False: not before the timer fires. */
static bool rate_allows(struct node *node)
{
    struct install *install = node->install;
    if (node->settings.send_rate == 0 ||
        install->send_due_us <= node->now.mono_us) {
        return true;
    }
    wheel_set(&node->wheel, &install->send_due, install->send_due_us,
              wheel_fire_nothing);
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

static void take_piece(struct node *node, const struct file_ask *ask,
                       const struct node_file_answer *answer)
{
    struct sending *sending = install_of_serial(node, ask->serial);
    if (sending == NULL || sending->link == NULL || !sending->wanted) {
        return; /* asked for another place, or connection */
    }
    sending->asked = false;
    if (answer->result == NODE_FILE_OK && answer->bytes != NULL &&
        answer->bytes->size > 0) {
        send_chunk(node, sending, answer->bytes->data, answer->bytes->size);
        return;
    }
    if (answer->result == NODE_FILE_CORRUPT) {
        snapshot_damaged(node, sending->snapshot->what.index);
    }
    install_put_off(node, sending, INSTALL_OFF_MAX_US,
                    answer->result == NODE_FILE_CORRUPT
                        ? "the snapshot is damaged on this disk"
                        : "this disk does not give the snapshot");
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
    uint64_t total = offer_total(&sending->offer);
    if (sending->want < record && limit > record) {
        return record;
    }
    return limit < total ? limit : total;
}

void send_pump(struct node *node, struct sending *sending)
{
    while (sending->wanted && !sending->asked &&
           sending->sent < limit_of(sending) && !link_full(sending->link) &&
           rate_allows(node)) {
        send_next(node, sending);
    }
}

/* Whether it counts that the peer has all before `want` now.  Records come into
 * its memory only, one after the other where the base moves up, though its disk
 * may hang: only the first one counts, and whatever its store has taken of the
 * app's bytes. */
static bool is_progress(struct sending *sending, uint64_t want)
{
    uint64_t record = sending->offer.record_size;
    bool counts = want > record || !sending->recorded;
    sending->recorded = sending->recorded || want >= record;
    return counts;
}

static void tell_core(struct node *node, raft_id peer, raft_index index)
{
    struct raft_event event = {.type = RAFT_EVENT_INSTALLED};
    event.installed.peer = peer;
    event.installed.index = index;
    driver_note(node, &event);
}

const char *send_wanted(struct node *node, struct sending *sending,
                        const struct frame *frame)
{
    struct frame_want want;
    if (!frame_read_want(frame, &want)) {
        return "what it wants is malformed";
    }
    install_heard(node, sending);
    if (sending->record == NULL || want.index != sending->offer.index) {
        return NULL; /* of an offer before the next or the present one */
    }
    if (want.decline != FRAME_DECLINE_NOT) {
        install_declined(node, sending, want.decline);
        return NULL;
    }
    if (want.done) {
        tell_core(node, sending->peer, want.index);
        install_end(node, sending);
        return NULL;
    }
    bool skips = want.offset > sending->sent &&
                 sending->sent == sending->offer.record_size;
    if (want.offset > offer_total(&sending->offer) ||
        (sending->wanted && !skips && want.offset > sending->sent)) {
        return "it wants what is behind the end";
    }
    if (!sending->wanted || skips) {
        sending->sent = want.offset;
        sending->asked = false;
        sending->serial = ++node->install->serial;
    } else if (want.offset > sending->want) {
        sending->backoff_us = 0;
        sending->why[0] = '\0';
        if (is_progress(sending, want.offset)) {
            tell_core(node, sending->peer, 0);
        }
    }
    sending->wanted = true;
    sending->want = want.offset;
    pace_note(&sending->pace, node->now.mono_us, want.offset);
    return NULL;
}
