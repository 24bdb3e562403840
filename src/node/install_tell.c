/* What INFO, WHY and the metrics tell of bases that are sent, and that come. */
#include <string.h>

#include "node/install.h"
#include "node/snapshot.h"

/* Nothing has come, or gone, for so long: WHY says what it waits for. */
#define STILL_US ((uint64_t)2 * 1000 * 1000)

/* ---- at the leader ------------------------------------------------------ */

enum stage {
    STAGE_DAMAGED,
    STAGE_VERIFYING,
    STAGE_PUT_OFF,
    STAGE_PREPARING,
    STAGE_CONNECTING,
    STAGE_OFFERED,
    STAGE_SENDING,
    STAGE_TAKING
};

static enum stage stage_of(const struct node *node,
                           const struct sending *sending)
{
    if (sending->suspect != NULL) {
        return STAGE_VERIFYING;
    }
    if (sending->record == NULL) {
        return offer_blocked(node)          ? STAGE_DAMAGED
               : sending->redial.at_us != 0 ? STAGE_PUT_OFF
                                            : STAGE_PREPARING;
    }
    if (sending->link == NULL || !sending->link->greeted) {
        return STAGE_CONNECTING;
    }
    if (!sending->wanted) {
        return STAGE_OFFERED;
    }
    return sending->want < offer_total(&sending->offer) ? STAGE_SENDING
                                                        : STAGE_TAKING;
}

void install_peer_info(const struct node *node, raft_id id, struct buf *buf)
{
    static const char *const words[] = {"damaged",   "verifying",  "put-off",
                                        "preparing", "connecting", "offered",
                                        "sending",   "taking"};
    const struct sending *sending = install_to(node, id);
    if (sending == NULL) {
        return;
    }
    buf_printf(buf, ",install=%s", words[stage_of(node, sending)]);
    if (sending->record != NULL) {
        buf_printf(
            buf,
            ",install_index=%llu,install_have=%llu,install_size=%llu"
            ",install_rate=%llu",
            (unsigned long long)sending->offer.index,
            (unsigned long long)sending->want,
            (unsigned long long)offer_total(&sending->offer),
            (unsigned long long)pace_rate(&sending->pace, node->now.mono_us));
    }
}

#define MIB(bytes) ((double)(bytes) / (1 << 20))

/* "the base at 17 and a snapshot of 3.0 MiB" */
static void what_text(const struct frame_offer *offer, struct buf *buf)
{
    buf_printf(buf, "the base at %llu", (unsigned long long)offer->index);
    if (offer_has_snapshot(offer)) {
        buf_printf(buf, " and a snapshot of %.1f MiB",
                   MIB(offer->snapshot_size));
    }
}

static void pace_text(const struct node *node, const struct pace *pace,
                      const struct frame_offer *offer, uint64_t have,
                      struct buf *buf)
{
    buf_printf(buf, ": %u %% done, %.1f MiB/s",
               (unsigned)((double)have * 100 / (double)offer_total(offer)),
               MIB(pace_rate(pace, node->now.mono_us)));
}

/* What is between two pieces. */
static void between(const struct node *node, const struct sending *sending,
                    struct buf *buf)
{
    unsigned long id = (unsigned long)sending->peer;
    uint64_t now_us = node->now.mono_us;
    if (pace_still_us(&sending->pace, now_us) < STILL_US) {
        return;
    }
    if (sending->asked) {
        buf_append_text(buf, "; waits for this disk to give the next piece");
    } else if (sending->sent > sending->want) {
        buf_printf(buf,
                   "; waits for node %lu to take what was sent, last heard "
                   "%llu ms ago",
                   id, (unsigned long long)(now_us - sending->heard_us) / 1000);
    } else {
        buf_append_text(buf, "; waits for its turn under snapshot-send-rate");
    }
}

static void waits(const struct node *node, const struct sending *sending,
                  struct buf *buf)
{
    unsigned long id = (unsigned long)sending->peer;
    uint64_t left_us = sending->redial.at_us > node->now.mono_us
                           ? sending->redial.at_us - node->now.mono_us
                           : 0;
    switch (stage_of(node, sending)) {
    case STAGE_DAMAGED:
        buf_printf(buf,
                   "; waits for a new snapshot: that of entry %llu is damaged "
                   "on this disk",
                   (unsigned long long)node->snapshot->what.index);
        break;
    case STAGE_VERIFYING:
        buf_printf(buf,
                   "; waits for this disk: the snapshot of entry %llu is read "
                   "to its end, as node %lu found its hash wrong",
                   (unsigned long long)sending->suspect->what.index, id);
        break;
    case STAGE_PUT_OFF:
        buf_printf(buf, "; waits %llu ms, and is offered again: %s",
                   (unsigned long long)left_us / 1000, sending->why);
        break;
    case STAGE_PREPARING:
        buf_append_text(buf, sending->reading != 0
                                 ? "; waits for this disk to give its entry"
                                 : "; waits for a cut of the log to end");
        break;
    case STAGE_CONNECTING:
        buf_printf(buf, "; waits for a connection to node %lu%s%s", id,
                   sending->why[0] == '\0' ? "" : ": ", sending->why);
        break;
    case STAGE_OFFERED:
        buf_printf(buf, "; waits for node %lu to say what it wants", id);
        break;
    case STAGE_SENDING:
        between(node, sending, buf);
        break;
    case STAGE_TAKING:
        buf_printf(buf, "; waits for node %lu to sync it and take it over", id);
        break;
    }
}

static void sending_line(const struct node *node, const struct sending *sending,
                         struct buf *buf)
{
    buf_printf(buf, "install: node %lu ", (unsigned long)sending->peer);
    if (sending->record == NULL) {
        buf_append_text(buf, "needs entries that are gone");
    } else {
        buf_append_text(buf, "is sent ");
        what_text(&sending->offer, buf);
        pace_text(node, &sending->pace, &sending->offer, sending->want, buf);
    }
    waits(node, sending, buf);
    buf_append_u8(buf, '\n');
}

/* ---- at the receiver ---------------------------------------------------- */

static uint64_t have_of(const struct taking *taking)
{
    return taking->record.size + taking->have;
}

static const char *taking_waits(const struct node *node)
{
    const struct taking *taking = &node->install->taking;
    bool still = pace_still_us(&taking->pace, node->now.mono_us) >= STILL_US;
    if (taking->file == TAKING_ENDS) {
        return "; waits for this disk to sync it";
    }
    if (taking->whole &&
        (taking->file == TAKING_READY || !offer_has_snapshot(&taking->offer))) {
        return "; waits for the save that takes it over";
    }
    if (taking->file == TAKING_BEGINS) {
        return "; waits for this disk to say what it has of it";
    }
    if (still && taking->have < taking->given) {
        return "; waits for this disk to take what has come";
    }
    if (taking->link == NULL) {
        return "; waits for that node to connect again";
    }
    return still ? "; waits for that node to send the next piece" : "";
}

static void taking_line(const struct node *node, struct buf *buf)
{
    const struct taking *taking = &node->install->taking;
    if (taking->offer.index != 0) {
        buf_append_text(buf, "install: this node is sent ");
        what_text(&taking->offer, buf);
        buf_printf(buf, " by node %lu", (unsigned long)taking->from);
        pace_text(node, &taking->pace, &taking->offer, have_of(taking), buf);
        buf_printf(buf, "%s\n", taking_waits(node));
    }
    if (taking->why != NULL) {
        buf_printf(buf,
                   "install: what node %lu sent as of entry %llu was not "
                   "taken: %s; it is offered again\n",
                   (unsigned long)taking->from,
                   (unsigned long long)taking->why_index, taking->why);
    }
}

/* ---- both --------------------------------------------------------------- */

void install_why(const struct node *node, struct buf *buf)
{
    list_each(at, following, &node->install->sendings)
    {
        sending_line(node, list_entry(at, struct sending, in_node), buf);
    }
    taking_line(node, buf);
    if (node->snapshot != NULL && node->snapshot->damaged) {
        buf_printf(buf,
                   "snapshot: that of entry %llu is damaged on this disk\n",
                   (unsigned long long)node->snapshot->what.index);
    }
}

void install_numbers(const struct node *node, struct install_numbers *numbers)
{
    const struct install *install = node->install;
    const struct taking *taking = &install->taking;
    *numbers = (struct install_numbers){
        .sent_bytes = install->sent_bytes,
        .taken = install->taken,
        .have = have_of(taking),
        .size = taking->offer.index == 0 ? 0 : offer_total(&taking->offer),
        .rate = taking->offer.index == 0
                    ? 0
                    : pace_rate(&taking->pace, node->now.mono_us)};
    list_each(at, following, &install->sendings)
    {
        numbers->sending++;
    }
}

void install_info(const struct node *node, struct buf *buf)
{
    const struct taking *taking = &node->install->taking;
    struct install_numbers numbers;
    install_numbers(node, &numbers);
    buf_printf(buf,
               "installs_sending:%llu\r\ninstalls_sent_bytes:%llu\r\n"
               "installs:%llu\r\ninstall_bytes:%llu\r\n",
               (unsigned long long)numbers.sending,
               (unsigned long long)numbers.sent_bytes,
               (unsigned long long)numbers.taken,
               (unsigned long long)numbers.have);
    if (taking->offer.index != 0) {
        buf_printf(buf,
                   "install_from:%lu\r\ninstall_index:%llu\r\n"
                   "install_size:%llu\r\ninstall_rate:%llu\r\n",
                   (unsigned long)taking->from,
                   (unsigned long long)taking->offer.index,
                   (unsigned long long)numbers.size,
                   (unsigned long long)numbers.rate);
    }
    if (taking->why != NULL) {
        buf_printf(buf, "install_not_taken:%s\r\n", taking->why);
    }
}
