/* CONFIG PLAN: what CHANGE would do, and what speaks against it.
 *
 * Nothing is changed.  Whether a new member is there can only be found out by
 * dialling it: that is done as for a change, but for an election time-out at
 * most, and an order that comes meanwhile ends it. */
#include "node/change.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "node/control.h"
#include "node/peers.h"
#include "node/target.h"

struct plan {
    const struct node *node;
    const struct raft_config *now;
    const struct raft_config *target;
    unsigned steps; /* written so far */
    struct buf out; /* lines, each ended by '\n' */
};

/* ---- lists of ids ------------------------------------------------------- */

typedef bool wanted_of(const struct plan *plan,
                       const struct raft_member *member);

static void add_id(struct buf *list, raft_id id)
{
    buf_printf(list, "%s%lu", list->size == 0 ? "" : ", ", (unsigned long)id);
}

static struct buf list_of(const struct plan *plan,
                          const struct raft_config *config, wanted_of *wanted)
{
    struct buf list = {0};
    for (size_t i = 0; i < config->count; i++) {
        if (wanted(plan, &config->members[i])) {
            add_id(&list, config->members[i].id);
        }
    }
    return list;
}

static bool votes(const struct plan *plan, const struct raft_member *member)
{
    (void)plan;
    return member->next == RAFT_MEMBER_VOTER;
}

/* Whom this node has not taken in yet answers if the link with it stands. */
static bool is_alive(const struct plan *plan, const struct raft_member *member)
{
    return raft_config_find(plan->now, member->id) == NULL
               ? peers_up(plan->node, member->id)
               : raft_is_alive(plan->node->raft, member->id);
}

static bool is_alive_voter(const struct plan *plan,
                           const struct raft_member *member)
{
    return votes(plan, member) && is_alive(plan, member);
}

static bool is_missing_voter(const struct plan *plan,
                             const struct raft_member *member)
{
    return votes(plan, member) && !is_alive(plan, member);
}

static bool is_new_voter(const struct plan *plan,
                         const struct raft_member *member)
{
    return votes(plan, member) && !raft_config_votes(plan->now, member->id);
}

static bool is_leaver(const struct plan *plan, const struct raft_member *member)
{
    return raft_config_find(plan->target, member->id) == NULL;
}

static bool is_demoted(const struct plan *plan,
                       const struct raft_member *member)
{
    return votes(plan, member) && !is_leaver(plan, member) &&
           !raft_config_votes(plan->target, member->id);
}

static size_t count_of(const struct plan *plan,
                       const struct raft_config *config, wanted_of *wanted)
{
    size_t count = 0;
    for (size_t i = 0; i < config->count; i++) {
        count += wanted(plan, &config->members[i]);
    }
    return count;
}

/* ---- the steps ---------------------------------------------------------- */

static struct buf *step(struct plan *plan)
{
    buf_printf(&plan->out, "step %u: ", ++plan->steps);
    return &plan->out;
}

/* "step 2: nodes 3, 4 are …": nothing where nobody is wanted. */
static void step_for(struct plan *plan, const struct raft_config *config,
                     wanted_of *wanted, const char *what)
{
    struct buf list = list_of(plan, config, wanted);
    if (list.size > 0) {
        size_t count = count_of(plan, config, wanted);
        buf_printf(step(plan), "node%s %.*s %s %s\n", count == 1 ? "" : "s",
                   (int)list.size, (const char *)list.data,
                   count == 1 ? "is" : "are", what);
    }
    buf_free(&list);
}

static void arrivals(struct plan *plan)
{
    const struct change *change = &plan->node->change;
    for (size_t i = 0; i < change->comer_count; i++) {
        buf_printf(
            step(plan), "node %lu is dialled at %s, and says who it is\n",
            (unsigned long)change->comers[i].id, change->comers[i].address);
    }
    struct raft_status status;
    char what[160];
    raft_status(plan->node->raft, &status);
    snprintf(what, sizeof(what),
             "caught up before anything changes, with a log of %llu entries",
             (unsigned long long)(status.last - status.first + 1));
    step_for(plan, plan->target, is_new_voter, what);
}

static void moves(struct plan *plan)
{
    for (size_t i = 0; i < plan->target->count; i++) {
        const struct raft_member *member = &plan->target->members[i];
        const struct raft_member *old = raft_config_find(plan->now, member->id);
        if (old != NULL && strcmp(old->address, member->address) != 0) {
            buf_printf(step(plan), "node %lu moves from %s to %s\n",
                       (unsigned long)member->id, old->address,
                       member->address);
        }
    }
}

static void entries(struct plan *plan)
{
    if (raft_config_same_voters(plan->now, plan->target)) {
        buf_append_text(step(plan), "the new configuration is appended: the "
                                    "voters stay the same\n");
        return;
    }
    buf_append_text(step(plan), "the joint configuration is appended: it takes "
                                "a majority of the old and one of the new "
                                "voters\n");
    buf_append_text(step(plan), "the new configuration is appended: from there "
                                "on the new voters decide alone\n");
}

static void departures(struct plan *plan)
{
    raft_id self = plan->node->identity.id;
    if (!raft_config_votes(plan->target, self)) {
        buf_printf(step(plan), "node %lu, which leads, hands leadership over\n",
                   (unsigned long)self);
    }
    step_for(plan, plan->now, is_demoted, "without a vote from then on");
    step_for(plan, plan->now, is_leaver, "out, and idle from then on");
}

/* ---- the quorums -------------------------------------------------------- */

static size_t majority(const struct raft_config *config)
{
    return raft_config_voters(config, true) / 2 + 1;
}

static void quorum(struct plan *plan, const char *when,
                   const struct raft_config *config)
{
    struct buf alive = list_of(plan, config, is_alive_voter);
    struct buf missing = list_of(plan, config, is_missing_voter);
    size_t there = count_of(plan, config, is_alive_voter);
    buf_printf(&plan->out,
               "quorum %s: %zu of %zu voters are needed; alive: %.*s; "
               "missing: %.*s; ",
               when, majority(config), raft_config_voters(config, true),
               alive.size == 0 ? 4 : (int)alive.size,
               alive.size == 0 ? "none" : (const char *)alive.data,
               missing.size == 0 ? 4 : (int)missing.size,
               missing.size == 0 ? "none" : (const char *)missing.data);
    if (there >= majority(config)) {
        buf_printf(&plan->out, "%zu more can be lost\n",
                   there - majority(config));
    } else {
        buf_printf(&plan->out, "%zu too few\n", majority(config) - there);
    }
    buf_free(&alive);
    buf_free(&missing);
}

/* What a member says of itself is recorded again (moved.h). */
static void notes(struct plan *plan)
{
    for (size_t i = 0; i < plan->target->count; i++) {
        const struct raft_member *member = &plan->target->members[i];
        const struct peer *peer = peers_find(plan->node, member->id);
        const char *announced =
            member->id == plan->node->identity.id
                ? plan->node->settings.advertise
                : (peer == NULL || peer->state != PEER_UP ? ""
                                                          : peer->announced);
        if (announced[0] != '\0' && strcmp(announced, member->address) != 0) {
            buf_printf(&plan->out,
                       "note: node %lu announces %s, and is recorded there "
                       "while it answers there\n",
                       (unsigned long)member->id, announced);
        }
    }
}

static void quorums(struct plan *plan)
{
    if (raft_config_equal(plan->now, plan->target)) {
        quorum(plan, "now", plan->now);
        return;
    }
    quorum(plan, "before", plan->now);
    if (!raft_config_same_voters(plan->now, plan->target)) {
        buf_printf(&plan->out,
                   "quorum during: %zu of the %zu old and %zu of the %zu new "
                   "voters, both\n",
                   majority(plan->now), raft_config_voters(plan->now, true),
                   majority(plan->target),
                   raft_config_voters(plan->target, true));
    }
    quorum(plan, "after", plan->target);
    size_t count = raft_config_voters(plan->target, true);
    if (count % 2 == 0) {
        buf_printf(&plan->out,
                   "note: with %zu voters no more can be lost than with %zu\n",
                   count, count - 1);
    }
}

/* ---- what speaks against it --------------------------------------------- */

static void refusals(struct plan *plan)
{
    const struct change *change = &plan->node->change;
    struct raft_config joint;
    if (!raft_config_join(plan->now, plan->target, &joint)) {
        buf_printf(&plan->out,
                   "refused: there would be more than %d members, old and new "
                   "together\n",
                   RAFT_MEMBERS_MAX);
    }
    for (size_t i = 0; i < change->comer_count; i++) {
        const char *why = change_missing_why(plan->node, &change->comers[i]);
        if (why != NULL) {
            buf_printf(&plan->out,
                       "refused: node %lu at %s cannot be reached: %s\n",
                       (unsigned long)change->comers[i].id,
                       change->comers[i].address, why);
        }
    }
    if (!raft_config_same_voters(plan->now, plan->target) &&
        count_of(plan, plan->target, is_alive_voter) < majority(plan->target)) {
        struct buf missing = list_of(plan, plan->target, is_missing_voter);
        buf_printf(&plan->out,
                   "refused: no majority of the new voters is alive: %.*s "
                   "missing\n",
                   (int)missing.size, (const char *)missing.data);
        buf_free(&missing);
    }
}

/* ---- asking and answering ----------------------------------------------- */

static void answer_lines(struct node *node, struct raft_ticket ticket,
                         const struct buf *lines)
{
    struct frame_control_answer answer = {.result = FRAME_CONTROL_LINES,
                                          .text = lines->data,
                                          .text_size = lines->size};
    control_answer(node, ticket, &answer);
}

static void answer_refused(struct node *node, struct raft_ticket ticket,
                           const char *why, size_t size)
{
    struct buf lines = {0};
    buf_printf(&lines, "refused: %.*s\n", (int)size, why);
    answer_lines(node, ticket, &lines);
    buf_free(&lines);
}

void plan_end(struct node *node)
{
    struct change *change = &node->change;
    struct raft_ticket asker = change->asker;
    struct plan plan = {.node = node,
                        .now = raft_config_now(node->raft, NULL),
                        .target = &change->target};
    if (raft_config_equal(plan.now, plan.target)) {
        buf_append_text(&plan.out, "nothing to be done: these are the members "
                                   "already\n");
    } else {
        arrivals(&plan);
        moves(&plan);
        entries(&plan);
        departures(&plan);
    }
    quorums(&plan);
    notes(&plan);
    refusals(&plan);
    change_close(node);
    answer_lines(node, asker, &plan.out);
    buf_free(&plan.out);
}

static void fire_plan(struct node *node, struct wheel_timer *timer)
{
    (void)timer;
    plan_end(node);
}

/* All have answered, or were dialled in vain; a leadership that has ended, or
 * a change that has begun, leaves nothing to be planned. */
void plan_tick(struct node *node)
{
    struct change *change = &node->change;
    if (change_lost(node)) {
        return;
    }
    for (size_t i = 0; i < change->comer_count; i++) {
        const struct peer *peer = peers_find(node, change->comers[i].id);
        if (peer == NULL || (peer->state != PEER_UP && peer->why[0] == '\0')) {
            return;
        }
    }
    plan_end(node);
}

void plan_order(struct node *node, struct raft_ticket ticket,
                const struct frame_control *order)
{
    struct change *change = &node->change;
    struct frame_control wanted = *order;
    struct buf open = {0};
    char why[512];
    if (change->stage == CHANGE_PLANNING) {
        plan_end(node);
    }
    wanted.what = FRAME_CONTROL_CHANGE;
    if (change_open_text(node, &open)) {
        char text[512];
        int size =
            snprintf(text, sizeof(text), "another change is under way: %.*s",
                     (int)open.size, (const char *)open.data);
        answer_refused(node, ticket, text, (size_t)size);
    } else if (!target_make(raft_config_now(node->raft, NULL), &wanted,
                            &change->target, why, sizeof(why))) {
        answer_refused(node, ticket, why, strlen(why));
    } else {
        change_find_comers(node);
        change->asker = ticket;
        change->stage = CHANGE_PLANNING;
        wheel_set(&node->wheel, &change->timer,
                  node->now.mono_us + node->settings.election_timeout_us,
                  fire_plan);
        peers_update(node);
    }
    buf_free(&open);
}
