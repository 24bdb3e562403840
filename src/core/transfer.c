/* Handing leadership over: thesis 3.10.
 *
 *   NONE --asked--> WAIT --it has the whole log--> SENT --another term--+
 *    ^                |                             |                   v
 *    +---- an election time-out: leads on, or (leave) is a follower   WATCH
 *    +------------------------ who leads is known ---------------------+
 *
 * Meanwhile proposals are held back, not refused, so that the other one's log
 * can be whole; if nothing comes of it they are appended here. */
#include "core/internal.h"

#include <stdlib.h>

#include "base/mem.h"

static void tell_end(struct raft *raft, struct raft_ticket ticket,
                     enum raft_transfer_end end, raft_id peer)
{
    if (ticket.owner == 0 && ticket.number == 0) {
        return; /* nobody asked */
    }
    struct raft_tell tell = {.type = RAFT_TELL_TRANSFER,
                             .ticket = ticket,
                             .transfer = end,
                             .peer = peer};
    raft_tell(raft, &tell);
}

bool transfer_open(const struct raft *raft)
{
    return raft->role == RAFT_ROLE_LEADER &&
           (raft->transfer.stage == TRANSFER_WAIT ||
            raft->transfer.stage == TRANSFER_SENT);
}

/* This node led; who leads now? */
static void watch(struct raft *raft)
{
    struct transfer *transfer = &raft->transfer;
    bool over = raft->now.mono_us >= transfer->until_us;
    if (raft->leader == RAFT_ID_NONE && !over) {
        return;
    }
    transfer->stage = TRANSFER_NONE;
    tell_end(raft, transfer->ticket,
             raft->leader == transfer->to ? RAFT_TRANSFER_DONE
                                          : RAFT_TRANSFER_LOST,
             raft->leader);
}

/* ---- to whom ------------------------------------------------------------ */

static bool may_lead(const struct raft *raft, raft_id id)
{
    const struct raft_member *member =
        raft_config_find(raft_config_of(raft), id);
    return member != NULL && member->next == RAFT_MEMBER_VOTER &&
           id != raft->settings.id && raft_is_alive(raft, id);
}

/* The most up-to-date voter that is alive; NULL: there is none. */
static const struct peer *best_voter(const struct raft *raft)
{
    const struct peer *best = NULL;
    for (size_t i = 0; i < raft->peer_count; i++) {
        const struct peer *peer = &raft->peers[i];
        if (may_lead(raft, peer->id) &&
            (best == NULL || peer->match > best->match)) {
            best = peer;
        }
    }
    return best;
}

/* Nobody waits for the end of an earlier one any more: it is told. */
static void begin(struct raft *raft, struct raft_ticket ticket, raft_id to,
                  bool any)
{
    if (raft->transfer.stage == TRANSFER_WATCH) {
        watch(raft);
    }
    raft->transfer.stage = TRANSFER_WAIT;
    raft->transfer.ticket = ticket;
    raft->transfer.to = to;
    raft->transfer.any = any;
    raft->transfer.until_us =
        raft->now.mono_us + raft->settings.election_timeout_us;
    raft_note(raft, LOG_LEVEL_INFO, "hands leadership over to node %lu",
              (unsigned long)to);
}

void transfer_ask(struct raft *raft, const struct raft_event *event)
{
    struct raft_ticket ticket = event->transfer.ticket;
    raft_id to = event->transfer.peer;
    bool any = to == RAFT_ID_NONE;
    if (raft->role != RAFT_ROLE_LEADER) {
        tell_end(raft, ticket, RAFT_TRANSFER_NOT_LEADER, raft->leader);
        return;
    }
    if (to == raft->settings.id) {
        tell_end(raft, ticket, RAFT_TRANSFER_DONE, to);
        return;
    }
    if (transfer_open(raft)) {
        tell_end(raft, ticket, RAFT_TRANSFER_CONFLICT, raft->transfer.to);
        return;
    }
    const struct peer *best = any ? best_voter(raft) : NULL;
    if (any ? best == NULL : !may_lead(raft, to)) {
        tell_end(raft, ticket, RAFT_TRANSFER_NO_VOTER, to);
        return;
    }
    begin(raft, ticket, any ? best->id : to, any);
}

void transfer_leave(struct raft *raft)
{
    raft->transfer.leave = true;
    if (transfer_open(raft)) {
        return;
    }
    const struct peer *best = best_voter(raft);
    if (best == NULL) {
        become_follower(raft, raft->term, RAFT_ID_NONE);
        return;
    }
    begin(raft, (struct raft_ticket){0}, best->id, true);
}

void transfer_link(struct raft *raft, raft_id peer)
{
    if (raft->transfer.stage == TRANSFER_SENT && raft->transfer.to == peer) {
        raft->transfer.stage = TRANSFER_WAIT; /* it may not have arrived */
    }
}

/* ---- proposals meanwhile ------------------------------------------------ */

void transfer_hold(struct raft *raft, const struct raft_event *event)
{
    struct transfer *transfer = &raft->transfer;
    struct raft_entry entry = {.key = event->propose.key,
                               .payload = event->propose.payload};
    size_t weight = raft_entry_weight(&entry);
    if (transfer->held_bytes + raft->uncommitted_bytes + weight >
        raft->settings.uncommitted_bytes_max) {
        lead_refuse(raft, event, RAFT_REFUSED_BUSY);
        return;
    }
    transfer->held = x_grow(transfer->held, &transfer->held_capacity,
                            transfer->held_count + 1, sizeof(*transfer->held));
    transfer->held[transfer->held_count++] = *event;
    transfer->held_bytes += weight;
    blob_share(event->propose.key);
    blob_share(event->propose.payload);
}

/* As if they came now: appended by a leader, refused by anybody else. */
static void release_held(struct raft *raft)
{
    struct transfer *transfer = &raft->transfer;
    size_t count = transfer->held_count;
    transfer->held_count = 0;
    transfer->held_bytes = 0;
    for (size_t i = 0; i < count; i++) {
        struct raft_event *event = &transfer->held[i];
        lead_propose(raft, event);
        blob_free(event->propose.key);
        blob_free(event->propose.payload);
    }
}

/* ---- going on ----------------------------------------------------------- */

static void send_when_whole(struct raft *raft)
{
    struct transfer *transfer = &raft->transfer;
    const struct peer *peer = raft_peer(raft, transfer->to);
    if (transfer->any) {
        const struct peer *best = best_voter(raft);
        if (best != NULL) {
            peer = best;
            transfer->to = best->id;
        }
    }
    if (peer != NULL && peer->up && peer->match == raft->log.last) {
        struct raft_message now =
            raft_message_to(raft, RAFT_MESSAGE_TIMEOUT_NOW, peer->id);
        raft_send(raft, &now);
        transfer->stage = TRANSFER_SENT;
    }
}

static void give_up(struct raft *raft)
{
    struct transfer *transfer = &raft->transfer;
    raft_note(raft, LOG_LEVEL_WARNING,
              "node %lu has not taken leadership over in time",
              (unsigned long)transfer->to);
    if (transfer->leave) {
        become_follower(raft, raft->term, RAFT_ID_NONE);
        return;
    }
    transfer->stage = TRANSFER_NONE;
    tell_end(raft, transfer->ticket, RAFT_TRANSFER_TIMEOUT, transfer->to);
    release_held(raft);
}

void transfer_tick(struct raft *raft)
{
    switch (raft->transfer.stage) {
    case TRANSFER_NONE:
        return;
    case TRANSFER_WATCH:
        watch(raft);
        return;
    case TRANSFER_WAIT:
        send_when_whole(raft);
        break;
    case TRANSFER_SENT:
        break;
    }
    if (raft->now.mono_us >= raft->transfer.until_us) {
        give_up(raft);
    }
}

/* This node leads no longer: perhaps because the other one does. */
void transfer_end(struct raft *raft)
{
    struct transfer *transfer = &raft->transfer;
    if (transfer->stage != TRANSFER_NONE) {
        transfer->stage = TRANSFER_WATCH;
        transfer->until_us =
            raft->now.mono_us + 2 * raft->settings.election_timeout_us;
    }
    transfer->leave = false;
    release_held(raft);
}

uint64_t transfer_deadline_us(const struct raft *raft)
{
    return raft->transfer.stage == TRANSFER_NONE ? UINT64_MAX
                                                 : raft->transfer.until_us;
}

void transfer_free(struct raft *raft)
{
    for (size_t i = 0; i < raft->transfer.held_count; i++) {
        blob_free(raft->transfer.held[i].propose.key);
        blob_free(raft->transfer.held[i].propose.payload);
    }
    free(raft->transfer.held);
}
