/* The configurations that may be in force: the newest that is committed, all
 * that lie behind it in any log, and what a change that is open at a node would
 * lead to. */
#include "world.h"

/* False: no need to see more of them. */
typedef bool visit_config(const struct raft_config *config, void *context);

static bool visit_payload(const struct blob *payload, visit_config *visit,
                          void *context)
{
    struct raft_config config;
    return !raft_config_decode(payload->data, payload->size, &config) ||
           visit(&config, context);
}

static bool visit_disk(const struct disk *disk, raft_index from,
                       visit_config *visit, void *context)
{
    for (raft_index at = from; at <= disk->count; at++) {
        const struct raft_entry *entry = &disk->entries[at - 1];
        if (entry->kind == RAFT_KIND_CONFIG &&
            !visit_payload(entry->payload, visit, context)) {
            return false;
        }
    }
    return true;
}

static bool visit_node(const struct host *host, raft_index from,
                       visit_config *visit, void *context)
{
    size_t count;
    const struct raft_config_entry *entries =
        raft_config_history(node_raft(host->node), &count);
    for (size_t i = 0; i < count; i++) {
        if (entries[i].index >= from &&
            !visit_payload(entries[i].payload, visit, context)) {
            return false;
        }
    }
    struct raft_config targets[2];
    size_t target_count = check_targets(host, targets);
    for (size_t i = 0; i < target_count; i++) {
        if (!visit(&targets[i], context)) {
            return false;
        }
    }
    return true;
}

/* True: all of them were seen. */
static bool visit_all(struct world *world, visit_config *visit, void *context)
{
    const struct config_seen *newest = config_newest(world);
    raft_index from = newest == NULL ? 1 : newest->index;
    for (unsigned i = 0; i < world->mix.hosts; i++) {
        const struct host *host = &world->hosts[i];
        if (!visit_disk(&host->disk, from, visit, context) ||
            (host->node != NULL && !visit_node(host, from, visit, context))) {
            return false;
        }
    }
    return newest == NULL || visit(&newest->config, context);
}

/* ---- majorities --------------------------------------------------------- */

struct look {
    struct world *world;
    force_counts *counts;
    const void *context;
};

static bool is_meant(const struct host *host, const struct raft_member *member)
{
    return host->disk.made && host->disk.identity.instance == member->instance;
}

static bool side_holds(const struct look *look,
                       const struct raft_config *config, bool next)
{
    unsigned voters = 0;
    unsigned have = 0;
    for (size_t i = 0; i < config->count; i++) {
        const struct raft_member *member = &config->members[i];
        if ((next ? member->next : member->role) != RAFT_MEMBER_VOTER) {
            continue;
        }
        voters++;
        const struct host *host = &look->world->hosts[member->id];
        /* Who has not said yet which instance it is may be any. */
        have += (member->instance == 0 || is_meant(host, member)) &&
                look->counts(host, look->context);
    }
    return have * 2 > voters;
}

static bool config_holds(const struct raft_config *config, void *context)
{
    return side_holds(context, config, false) &&
           side_holds(context, config, true);
}

bool force_holds(struct world *world, force_counts *counts, const void *context)
{
    struct look look = {.world = world, .counts = counts, .context = context};
    return visit_all(world, config_holds, &look);
}

/* ---- members ------------------------------------------------------------ */

static bool is_without(const struct raft_config *config, void *context)
{
    const struct node_identity *identity = context;
    const struct raft_member *member = raft_config_find(config, identity->id);
    return member == NULL || member->instance != identity->instance;
}

bool force_names(struct world *world, const struct disk *disk)
{
    struct node_identity identity = disk->identity;
    return disk->made && !visit_all(world, is_without, &identity);
}

bool force_member(const struct world *world, const struct host *host)
{
    const struct config_seen *newest = config_newest(world);
    if (newest == NULL) {
        return true;
    }
    const struct raft_member *member =
        raft_config_find(&newest->config, host->id);
    return member != NULL && is_meant(host, member);
}
