#include "node/change.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "node/control.h"
#include "node/peers.h"
#include "node/progress.h"
#include "node/target.h"

/* Core's ticket of the change that is open here. */
#define OWNER_CHANGE ((uint64_t)1 << 62)

const struct raft_member *change_comer(const struct node *node, raft_id id)
{
    for (size_t i = 0; i < node->change.comer_count; i++) {
        if (node->change.comers[i].id == id) {
            return &node->change.comers[i];
        }
    }
    return NULL;
}

void change_close(struct node *node)
{
    struct change *change = &node->change;
    bool had = change->comer_count > 0;
    wheel_cancel(&node->wheel, &change->timer);
    change->stage = CHANGE_CLOSED;
    change->asker = (struct raft_ticket){0};
    change->comer_count = 0;
    change->removed = 0;
    change->replaces = false;
    if (had) {
        peers_update(node);
    }
}

/* ---- the ends ----------------------------------------------------------- */

/* The removal of a REPLACE stands, whatever became of the rest. */
static void fail_comer(struct node *node, enum error_code code, const char *why)
{
    struct change *change = &node->change;
    struct raft_ticket asker = change->asker;
    struct raft_member again = change->again;
    raft_index removed = change->removed;
    change_close(node);
    if (removed == 0) {
        control_error(node, asker, code, "%s", why);
        return;
    }
    control_error(node, asker, code,
                  "%s; the removal of node %lu (entry %llu) stands: CONFIG ADD "
                  "%lu=%s%s takes the new one in",
                  why, (unsigned long)again.id, (unsigned long long)removed,
                  (unsigned long)again.id, again.address,
                  again.role == RAFT_MEMBER_LEARNER ? "/learner" : "");
}

static void not_leader(struct node *node)
{
    if (node->change.removed != 0) {
        fail_comer(node, ERROR_UNCERTAIN, "this node no longer leads");
        return;
    }
    struct raft_ticket asker = node->change.asker;
    struct frame_control_answer answer = {.result = FRAME_CONTROL_NOT_LEADER};
    change_close(node);
    control_answer(node, asker, &answer);
}

static void lost(struct node *node, const struct raft_tell *tell)
{
    struct change *change = &node->change;
    struct raft_ticket asker = change->asker;
    if (change->replaces && change->removed == 0) {
        change_close(node);
        control_error(node, asker, ERROR_UNCERTAIN,
                      "this node no longer leads: the next leader finishes the "
                      "removal or rolls it back, and nobody takes the new one "
                      "in");
        return;
    }
    struct buf wanted = {0};
    raft_config_encode(&change->target, &wanted);
    struct frame_control_answer answer = {.result = FRAME_CONTROL_LOST,
                                          .base = change->base,
                                          .index = tell->index,
                                          .text = wanted.data,
                                          .text_size = wanted.size};
    change_close(node);
    control_answer(node, asker, &answer);
    buf_free(&wanted);
}

/* ---- reaching ----------------------------------------------------------- */

static void hand_to_core(struct node *node)
{
    struct change *change = &node->change;
    struct buf bytes = {0};
    raft_config_encode(&change->target, &bytes);
    struct raft_event event = {.type = RAFT_EVENT_CHANGE};
    event.change.ticket.owner = OWNER_CHANGE;
    event.change.ticket.number = ++change->serial;
    event.change.payload = blob_copy(bytes.data, bytes.size);
    event.change.force = change->force;
    driver_note(node, &event);
    blob_free(event.change.payload);
    buf_free(&bytes);
    change->stage = CHANGE_ASKED;
    wheel_cancel(&node->wheel, &change->timer);
}

const char *change_missing_why(const struct node *node,
                               const struct raft_member *comer)
{
    const struct peer *peer = peers_find(node, comer->id);
    if (peer == NULL || peer->state != PEER_UP) {
        return peer == NULL || peer->why[0] == '\0' ? "no answer yet"
                                                    : peer->why;
    }
    if (node->change.removed != 0 &&
        peer->instance == node->change.again.instance) {
        return "the data directory that is to be replaced answers there";
    }
    return NULL;
}

/* All are met: who they are belongs to what is asked for, and core hears of
 * the links with them and of nothing that was before. */
void change_reached(struct node *node)
{
    struct change *change = &node->change;
    if (change->stage != CHANGE_REACHING) {
        return;
    }
    for (size_t i = 0; i < change->comer_count; i++) {
        if (change_missing_why(node, &change->comers[i]) != NULL) {
            return;
        }
    }
    for (size_t i = 0; i < change->comer_count; i++) {
        struct peer *peer = peers_find(node, change->comers[i].id);
        change->comers[i].instance = peer->instance;
        peer->sworn = true;
        for (size_t j = 0; j < change->target.count; j++) {
            if (change->target.members[j].id == peer->id) {
                change->target.members[j].instance = peer->instance;
            }
        }
    }
    peers_update(node);
    hand_to_core(node);
}

static void fire_reaching(struct node *node, struct wheel_timer *timer)
{
    (void)timer;
    struct change *change = &node->change;
    char why[512] = "";
    size_t used = 0;
    for (size_t i = 0; i < change->comer_count; i++) {
        const struct raft_member *comer = &change->comers[i];
        const char *what = change_missing_why(node, comer);
        if (what != NULL && used < sizeof(why)) {
            used += (size_t)snprintf(
                why + used, sizeof(why) - used,
                "%snode %lu at %s cannot be reached: %s", used == 0 ? "" : "; ",
                (unsigned long)comer->id, comer->address, what);
        }
    }
    fail_comer(node, ERROR_TIMEOUT, why);
}

/* What the other end of a dial said will not change by waiting. */
void change_refused(struct node *node, const struct peer *peer)
{
    if (node->change.stage == CHANGE_REACHING && peer->reached &&
        peer->refused && peer->final) {
        node->change.hopeless = true;
        snprintf(node->change.why, sizeof(node->change.why),
                 "node %lu at %s cannot be a member: %s",
                 (unsigned long)peer->id, peer->address, peer->why);
    }
}

void change_find_comers(struct node *node)
{
    struct change *change = &node->change;
    change->comer_count = 0;
    for (size_t i = 0; i < change->target.count; i++) {
        if (change->target.members[i].instance == 0 &&
            raft_config_find(raft_config_now(node->raft, NULL),
                             change->target.members[i].id) == NULL) {
            change->comers[change->comer_count++] = change->target.members[i];
        }
    }
}

static void begin(struct node *node)
{
    struct change *change = &node->change;
    change->hopeless = false;
    change->begun_us = node->now.mono_us;
    raft_config_now(node->raft, &change->base);
    change_find_comers(node);
    if (change->comer_count == 0) {
        hand_to_core(node);
        return;
    }
    change->stage = CHANGE_REACHING;
    wheel_set(&node->wheel, &change->timer,
              node->now.mono_us + node->settings.catch_up_us, fire_reaching);
    peers_update(node);
    change_reached(node);
}

/* ---- what core tells ---------------------------------------------------- */

/* REPLACE: the old one is gone, the new one may come. */
static void go_on(struct node *node, raft_index index)
{
    struct change *change = &node->change;
    struct raft_member comer = change->again;
    change->removed = index;
    comer.instance = 0;
    change->target = *raft_config_now(node->raft, NULL);
    if (raft_config_find(&change->target, comer.id) != NULL ||
        !raft_config_add(&change->target, &comer)) {
        fail_comer(node, ERROR_CONFLICT, "another change came between");
        return;
    }
    begin(node);
}

static void told_own(struct node *node, const struct raft_tell *tell)
{
    struct change *change = &node->change;
    if (tell->change == RAFT_CHANGE_DONE) {
        if (change->replaces && change->removed == 0) {
            go_on(node, tell->index);
            return;
        }
        struct raft_ticket asker = change->asker;
        change_close(node);
        control_done(node, asker, tell->index);
    } else if (tell->change == RAFT_CHANGE_NOT_LEADER) {
        not_leader(node);
    } else if (tell->change == RAFT_CHANGE_LOST) {
        lost(node, tell);
    } else {
        char why[600];
        enum error_code code =
            change_end_why(node, tell, change, why, sizeof(why));
        fail_comer(node, code, why);
    }
}

void change_told(struct node *node, const struct raft_tell *tell)
{
    if (moved_told(node, tell)) {
        return;
    }
    if (tell->ticket.owner != OWNER_CHANGE) {
        change_abort_ended(node, tell);
    } else if (node->change.stage == CHANGE_ASKED &&
               tell->ticket.number == node->change.serial) {
        told_own(node, tell);
    }
}

/* ---- orders ------------------------------------------------------------- */

static void catch_up_text(const struct node *node, struct buf *buf)
{
    struct progress list[RAFT_MEMBERS_MAX];
    size_t count = progress_list(node, list, RAFT_MEMBERS_MAX);
    for (size_t i = 0; i < count; i++) {
        buf_printf(buf, "%s node %lu has %llu of %llu entries (round %u)",
                   i == 0 ? ":" : ",", (unsigned long)list[i].member->id,
                   (unsigned long long)list[i].match,
                   (unsigned long long)list[i].target, list[i].way.round);
    }
}

bool change_open_text(const struct node *node, struct buf *buf)
{
    const struct change *change = &node->change;
    struct raft_change_status status;
    raft_change_status(node->raft, &status);
    if (status.transfers) {
        buf_printf(buf, "leadership is being handed over to node %lu",
                   (unsigned long)status.transfer_to);
        return true;
    }
    switch (status.stage) {
    case RAFT_CHANGE_NONE:
        break;
    case RAFT_CHANGE_CATCH_UP:
        buf_append_text(buf, "new voters are being caught up");
        catch_up_text(node, buf);
        return true;
    case RAFT_CHANGE_JOINT:
        buf_printf(buf, "the configuration is joint since entry %llu",
                   (unsigned long long)status.index);
        return true;
    case RAFT_CHANGE_LAST:
        buf_printf(buf, "the configuration of entry %llu is not committed yet",
                   (unsigned long long)status.index);
        return true;
    }
    if (change->stage == CHANGE_CLOSED || change->stage == CHANGE_PLANNING) {
        return false;
    }
    for (size_t i = 0; i < change->comer_count; i++) {
        buf_printf(buf, "%snode %lu is being reached at %s", i == 0 ? "" : ", ",
                   (unsigned long)change->comers[i].id,
                   change->comers[i].address);
    }
    if (change->comer_count == 0) {
        buf_append_text(buf, "it has just begun");
    }
    return true;
}

static bool is_closed(struct node *node, struct raft_ticket ticket)
{
    struct buf open = {0};
    bool closed = !change_open_text(node, &open);
    if (!closed) {
        control_error(node, ticket, ERROR_CONFLICT,
                      "another change is under way: %.*s", (int)open.size,
                      (const char *)open.data);
    }
    buf_free(&open);
    return closed;
}

/* Whether nothing speaks for a REPLACE of this member. */
static bool is_well(const struct node *node, const struct raft_member *comer)
{
    const struct raft_member *old =
        raft_config_find(raft_config_now(node->raft, NULL), comer->id);
    return strcmp(old->address, comer->address) == 0 &&
           raft_is_alive(node->raft, comer->id);
}

static bool take_replace(struct node *node, struct raft_ticket ticket,
                         const struct frame_control *order)
{
    struct change *change = &node->change;
    const struct raft_config *now = raft_config_now(node->raft, NULL);
    char why[512];
    if (!target_replace(now, order, &change->target, &change->again, why,
                        sizeof(why))) {
        control_error(node, ticket, ERROR_ERR, "%s", why);
        return false;
    }
    if (change->again.id == node->identity.id) {
        control_error(node, ticket, ERROR_ERR,
                      "node %lu leads, with a data directory that is in "
                      "order: TRANSFER leadership first",
                      (unsigned long)node->identity.id);
        return false;
    }
    if (!order->force && is_well(node, &change->again)) {
        control_error(node, ticket, ERROR_ERR,
                      "node %lu is alive, with the data directory that the "
                      "cluster knows: with FORCE it is replaced all the same",
                      (unsigned long)change->again.id);
        return false;
    }
    change->again.instance = raft_config_find(now, change->again.id)->instance;
    change->replaces = true;
    return true;
}

static void take_change(struct node *node, struct raft_ticket ticket,
                        const struct frame_control *order)
{
    struct change *change = &node->change;
    char why[512];
    if (change->stage == CHANGE_PLANNING) {
        plan_end(node);
    }
    if (!is_closed(node, ticket)) {
        return;
    }
    change->replaces = false;
    change->removed = 0;
    change->aborted = false;
    if (order->what == FRAME_CONTROL_REPLACE) {
        if (!take_replace(node, ticket, order)) {
            return;
        }
    } else if (!target_make(raft_config_now(node->raft, NULL), order,
                            &change->target, why, sizeof(why))) {
        control_error(node, ticket, ERROR_ERR, "%s", why);
        return;
    }
    change->asker = ticket;
    change->force = order->force;
    begin(node);
}

static void take_abort(struct node *node, struct raft_ticket ticket)
{
    struct change *change = &node->change;
    raft_index index = 0;
    raft_config_now(node->raft, &index);
    change->aborted = true;
    if (change->stage == CHANGE_REACHING) {
        fail_comer(node, ERROR_ERR, "the change was given up by CONFIG ABORT");
        control_done(node, ticket, index);
        return;
    }
    struct raft_event event = {.type = RAFT_EVENT_ABORT};
    event.abort.ticket = ticket;
    driver_note(node, &event);
}

static void take_transfer(struct node *node, struct raft_ticket ticket,
                          const struct frame_control *order)
{
    struct raft_event event = {.type = RAFT_EVENT_TRANSFER};
    char why[512];
    event.transfer.ticket = ticket;
    event.transfer.peer = RAFT_ID_NONE;
    if (order->count > 0 &&
        !target_id(order, &event.transfer.peer, why, sizeof(why))) {
        control_error(node, ticket, ERROR_ERR, "%s", why);
        return;
    }
    driver_note(node, &event);
}

void change_order(struct node *node, struct raft_ticket ticket,
                  const struct frame_control *order)
{
    struct raft_status status;
    raft_status(node->raft, &status);
    if (status.role != RAFT_ROLE_LEADER) {
        struct frame_control_answer answer = {.result =
                                                  FRAME_CONTROL_NOT_LEADER};
        control_answer(node, ticket, &answer);
    } else if (moved_defers(node, ticket, order)) {
        return;
    } else if (order->what == FRAME_CONTROL_ABORT) {
        take_abort(node, ticket);
    } else if (order->what == FRAME_CONTROL_TRANSFER) {
        take_transfer(node, ticket, order);
    } else if (order->what == FRAME_CONTROL_PLAN) {
        plan_order(node, ticket, order);
    } else {
        take_change(node, ticket, order);
    }
}

bool change_lost(struct node *node)
{
    struct raft_status status;
    raft_status(node->raft, &status);
    if (status.role == RAFT_ROLE_LEADER) {
        return false;
    }
    not_leader(node);
    return true;
}

void change_tick(struct node *node)
{
    struct change *change = &node->change;
    if (change->stage == CHANGE_PLANNING) {
        plan_tick(node);
    } else if (change->stage == CHANGE_REACHING && !change_lost(node) &&
               change->hopeless) {
        fail_comer(node, ERROR_ERR, change->why);
    }
}
