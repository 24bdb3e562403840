/* The second phase: a majority is healed for good, everything else stays as it
 * fell, or falls. */
#include "world.h"

static void make_well(struct host *host)
{
    struct world *world = host->world;
    disk_repair(&host->disk);
    host->paused_until_us = 0;
    if ((host->stops_by_us > 0 || host->disk.file_rotted) &&
        host->node != NULL) {
        host_crash(host); /* an operator does not wait for it */
    }
    if (host->node == NULL) {
        host_start(host);
    }
    host_set(host);
    disk_wake(host);
    host_wake(host);
    for (unsigned i = 0; i < world->mix.hosts; i++) {
        if (!world->hosts[i].left) {
            world->parted[host->id] &= ~(UINT64_C(1) << i);
            world->parted[i] &= ~(UINT64_C(1) << host->id);
        }
    }
}

static void leave_cut_off(struct host *host, bool hears, bool is_heard)
{
    struct world *world = host->world;
    for (unsigned i = 0; i < world->mix.hosts; i++) {
        if (!hears) {
            fault_cut(world, i, host->id);
        }
        if (!is_heard) {
            fault_cut(world, host->id, i);
        }
    }
}

static void leave(struct host *host)
{
    struct world *world = host->world;
    static const enum happening kinds[] = {
        HAPPENED_LEFT_DEAD,   HAPPENED_LEFT_ALONE,  HAPPENED_LEFT_DEAF,
        HAPPENED_LEFT_MUTE,   HAPPENED_LEFT_PAUSED, HAPPENED_LEFT_FULL,
        HAPPENED_LEFT_HANGING};
    enum happening kind = kinds[prng_below(&world->prng, 7)];
    bool hears = kind != HAPPENED_LEFT_ALONE && kind != HAPPENED_LEFT_DEAF;
    bool heard = kind != HAPPENED_LEFT_ALONE && kind != HAPPENED_LEFT_MUTE;
    world_happened(world, kind);
    world_trace(world, host, "!  %s", happened_names[kind]);
    if (kind == HAPPENED_LEFT_FULL || kind == HAPPENED_LEFT_HANGING) {
        make_well(host);
        host->disk.full = kind == HAPPENED_LEFT_FULL;
        host->disk.hangs = kind == HAPPENED_LEFT_HANGING;
        return;
    }
    host->cut_off = true;
    leave_cut_off(host, hears, heard);
    host->may_start =
        kind != HAPPENED_LEFT_DEAD && kind != HAPPENED_LEFT_PAUSED;
    if (kind == HAPPENED_LEFT_DEAD && host->node != NULL) {
        host_crash(host);
    }
    if (kind == HAPPENED_LEFT_PAUSED && host->node != NULL) {
        host->paused_until_us = UINT64_MAX;
    }
}

/* ---- who is left -------------------------------------------------------- */

static bool is_well(const struct host *host, const void *context)
{
    (void)context;
    return !host->left;
}

/* A disk that was exchanged while a change went on unseen can be one too many:
 * then it is found again. */
static void find_disks(struct world *world)
{
    for (unsigned i = 0; i < world->mix.hosts; i++) {
        if (!force_holds(world, is_well, NULL)) {
            place_recover(&world->hosts[i]);
        }
    }
}

/* A majority of every set of voters that may be in force stays: exactly one,
 * or a few more. */
static void choose_left(struct world *world)
{
    struct prng *prng = &world->prng;
    if (config_newest(world) == NULL) { /* not born: all are needed */
        return;
    }
    find_disks(world);
    unsigned hosts = world->mix.hosts;
    unsigned go = (unsigned)prng_below(prng, hosts + 1);
    for (unsigned tries = 0; tries < hosts * 2 && go > 0; tries++) {
        struct host *host = &world->hosts[prng_below(prng, hosts)];
        if (host->left) {
            continue;
        }
        host->left = true;
        if (force_holds(world, is_well, NULL)) {
            go--;
        } else {
            host->left = false;
        }
    }
}

/* ---- who finds whom ----------------------------------------------------- */

/* It is not where the newest configuration has it, and nobody recorded yet
 * where it is. */
static bool is_astray(struct world *world, const struct raft_member *member)
{
    const struct host *host = &world->hosts[member->id];
    return !host->left && host_at(world, member->address) != host;
}

static bool any_astray(struct world *world)
{
    const struct config_seen *newest = config_newest(world);
    for (size_t i = 0; newest != NULL && i < newest->config.count; i++) {
        if (is_astray(world, &newest->config.members[i])) {
            return true;
        }
    }
    return false;
}

/* One that moved while it was alone knows nothing of who joined meanwhile, who
 * has no list of names to look for it; those that could bring them together
 * are left.  An operator gives all of them the list. */
static void tell_names(struct world *world)
{
    if (!any_astray(world)) {
        return;
    }
    for (unsigned i = 0; i < world->mix.hosts; i++) {
        struct host *host = &world->hosts[i];
        if (!host->left && !host->listed && !host->named &&
            host->node != NULL && host->config_index > 0) {
            world_trace(world, host, "!  is told the names of the list");
            host->named = true;
            host_crash(host);
            host_start(host);
        }
    }
}

/* ---- more of them ------------------------------------------------------- */

static void heal(struct host *host)
{
    host->left = false;
    host->cut_off = false;
    host->may_start = true;
    make_well(host);
}

/* What was under way may lead to a configuration of which nobody knew: an
 * operator brings its nodes back. */
void settle_more(struct world *world)
{
    for (unsigned i = 0; i < world->mix.hosts; i++) {
        if (force_holds(world, is_well, NULL)) {
            return;
        }
        struct host *host = &world->hosts[i];
        if (host->left) {
            world_trace(world, host, "!  is healed, too");
            heal(host);
        }
    }
    find_disks(world);
    for (unsigned i = 0; i < world->mix.hosts; i++) {
        if (world->hosts[i].node == NULL && !world->hosts[i].left) {
            host_start(&world->hosts[i]);
        }
    }
    tell_names(world);
}

void fault_settle(struct world *world)
{
    world->calm = true;
    world->calm_us = world->now_us;
    world_trace(world, NULL, "!  a majority is healed for good");
    choose_left(world);
    for (unsigned i = 0; i < world->mix.hosts; i++) {
        if (!world->hosts[i].left) {
            make_well(&world->hosts[i]);
        }
    }
    for (unsigned i = 0; i < world->mix.hosts; i++) {
        if (world->hosts[i].left) {
            leave(&world->hosts[i]);
        }
    }
    for (struct wire *wire = world->wires; wire != NULL; wire = wire->next) {
        wire->clogged_until_us = 0;
    }
    tell_names(world);
    for (unsigned i = 0; i < world->mix.apps; i++) {
        app_flee(world->apps[i]);
    }
    for (unsigned i = 0; i < world->mix.operators; i++) {
        app_flee(world->operators[i]);
    }
}
