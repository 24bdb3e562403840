/* Changes of members and of leaders by chance, and what must come of them. */
#include "core_random.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

uint64_t next_ticket(struct world *world, enum ask_kind kind, size_t at)
{
    if (++world->tickets == TICKETS_MAX) {
        fail(world, "the test is too small for its tickets");
    }
    world->asks[world->tickets] = (struct ask){
        .kind = kind, .at = at, .boots = world->machines[at].boots};
    return world->tickets;
}

/* ---- asking ------------------------------------------------------------- */

/* A target is known by its addresses: each names the ticket. */
static void make_target(struct world *world, uint64_t ticket,
                        struct raft_config *target)
{
    size_t voters = 0;
    *target = (struct raft_config){0};
    while (voters == 0) {
        *target = (struct raft_config){0};
        for (size_t i = 1; i <= world->count; i++) {
            uint64_t draw = prng_below(&world->prng, 5);
            struct raft_member member = {.id = (raft_id)i};
            member.role = draw == 0 ? RAFT_MEMBER_LEARNER : RAFT_MEMBER_VOTER;
            member.next = member.role;
            snprintf(member.address, sizeof(member.address), "t%llun%zu:1",
                     (unsigned long long)ticket, i);
            if (draw < 3) {
                raft_config_add(target, &member);
                voters += member.role == RAFT_MEMBER_VOTER;
            }
        }
    }
}

void ask_change(struct world *world, size_t at)
{
    struct raft_event event = {.type = RAFT_EVENT_CHANGE};
    uint64_t ticket = next_ticket(world, ASK_CHANGE, at);
    struct raft_config *target = x_calloc(1, sizeof(*target));
    make_target(world, ticket, target);
    world->asks[ticket].target = target;
    struct buf bytes = {0};
    raft_config_encode(target, &bytes);
    event.change.ticket.number = ticket;
    event.change.payload = blob_copy(bytes.data, bytes.size);
    event.change.force = prng_chance(&world->prng, 3);
    step(world, at, &event);
    blob_free(event.change.payload);
    buf_free(&bytes);
}

void ask_abort(struct world *world, size_t at)
{
    struct raft_event event = {.type = RAFT_EVENT_ABORT};
    event.abort.ticket.number = next_ticket(world, ASK_ABORT, at);
    step(world, at, &event);
}

void ask_transfer(struct world *world, size_t at)
{
    struct raft_event event = {.type = RAFT_EVENT_TRANSFER};
    event.transfer.ticket.number = next_ticket(world, ASK_TRANSFER, at);
    event.transfer.peer = RAFT_ID_NONE;
    if (prng_chance(&world->prng, 2)) {
        event.transfer.peer =
            (raft_id)prng_range(&world->prng, 1, world->count);
    }
    step(world, at, &event);
}

/* ---- being told --------------------------------------------------------- */

static bool nothing_changed(const struct raft_tell *tell)
{
    switch (tell->change) {
    case RAFT_CHANGE_NOT_LEADER:
    case RAFT_CHANGE_CONFLICT:
    case RAFT_CHANGE_INSTANCE:
    case RAFT_CHANGE_TOO_MANY:
    case RAFT_CHANGE_DEAD:
    case RAFT_CHANGE_SILENT:
    case RAFT_CHANGE_TOO_SLOW:
        return true;
    case RAFT_CHANGE_DONE:
    case RAFT_CHANGE_ABORTED:
    case RAFT_CHANGE_NONE_OPEN:
    case RAFT_CHANGE_TOO_LATE:
    case RAFT_CHANGE_LOST:
        return false;
    }
    return false;
}

void end_ask(struct world *world, size_t at, const struct raft_tell *tell)
{
    uint64_t ticket = tell->ticket.number;
    struct ask *ask = &world->asks[ticket];
    if (ask->ended || ask->at != at ||
        ask->boots != world->machines[at].boots) {
        fail(world, "n%zu answers #%llu, which is %s", at,
             (unsigned long long)ticket,
             ask->ended ? "answered already" : "not its own");
    }
    ask->ended = true;
    if (tell->type == RAFT_TELL_CHANGE && ask->kind == ASK_CHANGE) {
        ask->unchanged = nothing_changed(tell);
        if (ask->unchanged && ask->seen) {
            fail(world, "#%llu has changed nothing, and is in a log",
                 (unsigned long long)ticket);
        }
        if (tell->change == RAFT_CHANGE_DONE) {
            ask->done = tell->index;
            world->changes_done++;
        }
    }
    if (tell->type == RAFT_TELL_TRANSFER &&
        tell->transfer == RAFT_TRANSFER_DONE) {
        world->transfers_done++;
    }
}

void see_config_entry(struct world *world, const struct raft_entry *entry)
{
    struct raft_config config;
    if (entry->kind != RAFT_KIND_CONFIG ||
        !raft_config_decode(entry->payload->data, entry->payload->size,
                            &config)) {
        return;
    }
    for (size_t i = 0; i < config.count; i++) {
        unsigned long long ticket = 0;
        if (sscanf(config.members[i].address, "t%llun", &ticket) != 1) {
            continue;
        }
        world->asks[ticket].seen = true;
        if (world->asks[ticket].unchanged) {
            fail(world, "#%llu has changed nothing, and is entry %llu", ticket,
                 (unsigned long long)entry->index);
        }
    }
}

/* ---- in the end --------------------------------------------------------- */

static void check_done(struct world *world, const struct ask *ask,
                       uint64_t ticket, const struct disk *disk)
{
    struct raft_config config = {0};
    const struct raft_entry *entry =
        ask->done <= disk->count ? &disk->entries[ask->done - 1] : NULL;
    if (entry == NULL || entry->kind != RAFT_KIND_CONFIG ||
        !raft_config_decode(entry->payload->data, entry->payload->size,
                            &config) ||
        !raft_config_equal(&config, ask->target)) {
        fail(world, "#%llu was told done, and entry %llu is not its own",
             (unsigned long long)ticket, (unsigned long long)ask->done);
    }
}

void check_asks(struct world *world, size_t leader)
{
    const struct disk *disk = &world->machines[leader].disk;
    for (uint64_t ticket = 1; ticket <= world->tickets; ticket++) {
        const struct ask *ask = &world->asks[ticket];
        if (ask->done != 0) {
            check_done(world, ask, ticket, disk);
        }
        if (!ask->ended && ask->kind != ASK_READ &&
            ask->boots == world->machines[ask->at].boots) {
            fail(world, "n%zu never answered #%llu", ask->at,
                 (unsigned long long)ticket);
        }
    }
}

void forget_asks(struct world *world)
{
    for (uint64_t ticket = 1; ticket <= world->tickets; ticket++) {
        free(world->asks[ticket].target);
    }
}
