/* Configurations: how they follow one another, and what is a majority.
 *
 * What is committed is looked at from outside: the configuration that a leader
 * counts by is the newest of its log, and the disks of its members are read.
 * A disk is a member's if it has the instance that the configuration names, in
 * the host or in the drawer: who has lost it votes for nobody any more, so that
 * a majority for anything includes another one of those that had the entry. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "world.h"

/* The committed configuration leaves a member out for so long: it cannot be
 * that an answer from before is still under way. */
#define OUT_FOR_LONG_US ((uint64_t)10000000)
/* A candidate's round is over by then, whatever its clock does. */
#define ROUND_US ((uint64_t)4000000)

/* ---- reading ------------------------------------------------------------ */

const struct config_seen *config_newest(const struct world *world)
{
    const struct checks *checks = &world->checks;
    return checks->config_count == 0
               ? NULL
               : &checks->configs[checks->config_count - 1];
}

static struct config_seen *find(const struct world *world, raft_index index)
{
    const struct checks *checks = &world->checks;
    for (size_t i = 0; i < checks->config_count; i++) {
        if (checks->configs[i].index == index) {
            return &checks->configs[i];
        }
    }
    return NULL;
}

const struct config_seen *config_find(const struct world *world,
                                      raft_index index)
{
    return find(world, index);
}

static void decode(struct world *world, const struct blob *payload,
                   struct raft_config *config)
{
    if (!raft_config_decode(payload->data, payload->size, config)) {
        world_fail(world, "configurations", "one cannot be read");
    }
}

/* Of the same members, in the same roles; an address may be another one. */
static bool same_members(const struct raft_config *a,
                         const struct raft_config *b)
{
    for (size_t i = 0; i < a->count && a->count == b->count; i++) {
        if (a->members[i].id != b->members[i].id ||
            a->members[i].instance != b->members[i].instance ||
            a->members[i].role != b->members[i].role) {
            return false;
        }
    }
    return a->count == b->count;
}

static bool is_side(const struct raft_config *joint, bool next,
                    const struct raft_config *simple)
{
    struct raft_config side;
    raft_config_side(joint, next, &side);
    return same_members(&side, simple);
}

/* ---- what is a majority ------------------------------------------------- */

static const struct raft_entry *on_disk(const struct world *world,
                                        const struct raft_member *member,
                                        raft_index index, raft_term term)
{
    if (member->id >= world->mix.hosts) {
        return NULL;
    }
    const struct host *host = &world->hosts[member->id];
    const struct disk *disk = host->disk.identity.instance == member->instance
                                  ? &host->disk
                                  : &host->other_disk;
    if (disk->identity.instance != member->instance || disk->count < index ||
        disk->entries[index - 1].term != term) {
        return NULL;
    }
    return &disk->entries[index - 1];
}

static bool on_side(const struct world *world, const struct raft_config *config,
                    bool next, const struct raft_entry *wanted)
{
    unsigned voters = 0;
    unsigned have = 0;
    for (size_t i = 0; i < config->count; i++) {
        const struct raft_member *member = &config->members[i];
        if ((next ? member->next : member->role) == RAFT_MEMBER_VOTER) {
            voters++;
            have += on_disk(world, member, wanted->index, wanted->term) != NULL;
        }
    }
    return have * 2 > voters;
}

static bool on_sides(const struct world *world,
                     const struct raft_config *config,
                     const struct raft_entry *wanted)
{
    return on_side(world, config, false, wanted) &&
           on_side(world, config, true, wanted);
}

static const struct raft_entry *on_any_disk(const struct world *world,
                                            raft_index index, raft_term term)
{
    for (unsigned i = 0; i < world->mix.hosts; i++) {
        const struct disk *disk = &world->hosts[i].disk;
        if (disk->count >= index && disk->entries[index - 1].term == term) {
            return &disk->entries[index - 1];
        }
    }
    return NULL;
}

/* The configuration by which a node counted in its last turn: the newest that
 * it had before.  One that is appended because something is committed comes
 * after that; only an order to turn back comes before, and its configuration
 * counts at once. */
static bool in_force(struct host *host, const struct raft_entry *wanted)
{
    size_t count;
    const struct raft_config_entry *entries =
        raft_config_history(node_raft(host->node), &count);
    struct raft_config newest;
    decode(host->world, entries[count - 1].payload, &newest);
    size_t at = count - 1;
    while (at > 0 && entries[at].index > host->config_index) {
        at--;
    }
    struct raft_config before = newest;
    if (at != count - 1) {
        decode(host->world, entries[at].payload, &before);
    }
    bool back =
        before.joint && !newest.joint && is_side(&before, false, &newest);
    return on_sides(host->world, &before, wanted) ||
           (back && on_sides(host->world, &newest, wanted));
}

const struct raft_entry *config_on_quorum(struct host *host, raft_index index,
                                          raft_term term)
{
    struct world *world = host->world;
    const struct raft_entry *entry = on_any_disk(world, index, term);
    if (entry == NULL || !in_force(host, entry)) {
        world_fail(world, "committed is on a majority's disks",
                   "entry %llu of t%llu, as n%lu has it, is not",
                   (unsigned long long)index, (unsigned long long)term,
                   (unsigned long)host->id);
    }
    return entry;
}

/* ---- how they follow one another ---------------------------------------- */

/* An id keeps its instance from one to the next. */
static bool keeps_instances(const struct raft_config *before,
                            const struct raft_config *after)
{
    for (size_t i = 0; i < after->count; i++) {
        const struct raft_member *member = &after->members[i];
        const struct raft_member *old = raft_config_find(before, member->id);
        if (member->instance == 0 ||
            (old != NULL && old->instance != member->instance)) {
            return false;
        }
    }
    return true;
}

/* NULL: it may. */
static const char *why_not(const struct raft_config *before,
                           const struct raft_config *after)
{
    if (!keeps_instances(before, after)) {
        return "a member has another instance";
    }
    if (before->joint) {
        return !after->joint && (is_side(before, true, after) ||
                                 is_side(before, false, after))
                   ? NULL
                   : "a joint one is followed by neither of its sides";
    }
    if (after->joint) {
        return is_side(after, false, before) ? NULL
                                             : "it joins from another one";
    }
    return raft_config_same_voters(before, after)
               ? NULL
               : "other voters without a joint one between";
}

static bool share_voters(const struct raft_config *joint)
{
    for (size_t i = 0; i < joint->count; i++) {
        if (joint->members[i].role == RAFT_MEMBER_VOTER &&
            joint->members[i].next == RAFT_MEMBER_VOTER) {
            return true;
        }
    }
    return false;
}

static void count_committed(struct world *world,
                            const struct raft_config *before,
                            const struct raft_config *after)
{
    if (after->joint) {
        world_happened(world, HAPPENED_JOINT);
        if (!share_voters(after)) {
            world_happened(world, HAPPENED_OTHER_VOTERS);
        }
    } else if (!before->joint) {
        world_happened(world, HAPPENED_SAME_VOTERS);
    } else if (is_side(before, true, after)) {
        world_happened(world, HAPPENED_NEW_CONFIG);
    } else {
        world_happened(world, HAPPENED_TURNED_BACK);
    }
}

void config_committed(struct world *world, const struct raft_entry *entry)
{
    struct checks *checks = &world->checks;
    checks->configs =
        x_grow(checks->configs, &checks->config_capacity,
               checks->config_count + 1, sizeof(*checks->configs));
    struct config_seen *seen = &checks->configs[checks->config_count];
    *seen = (struct config_seen){
        .index = entry->index, .term = entry->term, .at_us = world->now_us};
    decode(world, entry->payload, &seen->config);
    if (checks->config_count > 0) {
        const struct raft_config *before = &(seen - 1)->config;
        const char *why = why_not(before, &seen->config);
        if (why != NULL) {
            world_fail(world, "configurations follow one another",
                       "entry %llu: %s", (unsigned long long)entry->index, why);
        }
        count_committed(world, before, &seen->config);
    } else if (seen->config.joint || entry->index != 1) {
        world_fail(world, "configurations follow one another",
                   "the first one is entry %llu",
                   (unsigned long long)entry->index);
    }
    checks->config_count++;
}

/* ---- what a leader appends ---------------------------------------------- */

/* An entry of the leader's own term is committed: section 6 says nothing of
 * it, but what an earlier leader began may be in force elsewhere until then. */
static bool has_own(const struct raft *raft, const struct raft_status *status)
{
    return raft_term_at(raft, status->commit) == status->term;
}

/* NULL: it may append `after` (at an index of its own term) behind `before`. */
static const char *may_append(const struct raft *raft,
                              const struct raft_status *status,
                              const struct raft_config_entry *entry,
                              const struct raft_config *before,
                              const struct raft_config *after)
{
    const char *why = why_not(before, after);
    if (why != NULL) {
        return why;
    }
    bool back = before->joint && !is_side(before, true, after);
    if (back) {
        return entry->term == status->term || has_own(raft, status)
                   ? NULL
                   : "turned back, and the new one may be in force elsewhere";
    }
    if (!has_own(raft, status)) {
        return "nothing of this term is committed yet";
    }
    return entry->index <= status->commit ? NULL
                                          : "the one before is not committed";
}

static void check_append(struct host *host, const struct raft_status *status,
                         const struct raft_config_entry *entries)
{
    const struct raft *raft = node_raft(host->node);
    struct raft_config before;
    struct raft_config after;
    decode(host->world, entries[0].payload, &before);
    decode(host->world, entries[1].payload, &after);
    const char *why = may_append(raft, status, &entries[0], &before, &after);
    if (why != NULL) {
        world_fail(host->world, "configurations follow one another",
                   "n%lu appends entry %llu: %s", (unsigned long)host->id,
                   (unsigned long long)entries[1].index, why);
    }
}

/* ---- who has left ------------------------------------------------------- */

/* A node that was removed long ago, and never heard of it, cannot win what
 * comes before an election: a majority of what it takes for the voters has the
 * entry that removed it, or one that comes before that.  So it raises no term,
 * unless an answer that was given long ago has only now arrived. */
static void check_candidate(struct host *host, const struct raft_status *status,
                            raft_term before)
{
    struct world *world = host->world;
    const struct config_seen *newest = config_newest(world);
    if (status->term == before || status->role != RAFT_ROLE_CANDIDATE ||
        newest == NULL || newest->at_us + OUT_FOR_LONG_US > world->now_us ||
        raft_config_find(&newest->config, host->id) != NULL ||
        newest->index < status->first ||
        (host->old_us != 0 && host->old_us + ROUND_US > world->now_us) ||
        raft_term_at(node_raft(host->node), newest->index) == newest->term) {
        return;
    }
    world_fail(world, "who was removed does not disturb",
               "n%lu campaigns in t%llu, and is no member since entry %llu",
               (unsigned long)host->id, (unsigned long long)status->term,
               (unsigned long long)newest->index);
}

static void note_prepared(struct world *world, raft_index index)
{
    struct config_seen *seen = find(world, index);
    if (seen != NULL) {
        seen->prepared_us = world->now_us;
    }
}

/* Any that was its newest in this turn may be the one that was in force while
 * the change was prepared: the one that it had before, and what came since. */
static void note_all_prepared(struct host *host,
                              const struct raft_config_entry *entries,
                              size_t count)
{
    note_prepared(host->world, host->config_index);
    for (size_t i = 0; i < count; i++) {
        if (entries[i].index > host->config_index) {
            note_prepared(host->world, entries[i].index);
        }
    }
}

void config_turn(struct host *host, const struct raft_status *status,
                 raft_term before)
{
    struct world *world = host->world;
    size_t count;
    const struct raft_config_entry *entries =
        raft_config_history(node_raft(host->node), &count);
    check_candidate(host, status, before);
    bool leads = status->role == RAFT_ROLE_LEADER;
    for (size_t i = 1; i < count && leads; i++) {
        if (entries[i].index > host->config_index &&
            entries[i].term == status->term) {
            check_append(host, status, &entries[i - 1]);
        }
    }
    if (world->mix.operators > 0 && check_prepares(host)) {
        note_all_prepared(host, entries, count);
    }
    raft_index newest = count == 0 ? 0 : entries[count - 1].index;
    if (newest < host->config_index) {
        world_happened(world, HAPPENED_CONFIG_LOST);
    }
    bool step = newest != host->config_index;
    host->config_index = newest;
    if (host->led && !leads && count > 0 && newest <= status->commit) {
        struct raft_config config;
        decode(world, entries[count - 1].payload, &config);
        if (raft_config_find(&config, host->id) == NULL) {
            world_happened(world, HAPPENED_LEADER_LEFT);
        }
    }
    if (step && newest > 1) {
        fault_step(host);
    }
}
