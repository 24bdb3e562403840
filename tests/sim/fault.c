/* What breaks.  Each fault draws from a seed of its own, so that a run with
 * some of them left out has the same others: that is how a run is shrunk. */
#include <assert.h>
#include <string.h>

#include "world.h"

/* The daemon waits so long for what is under way, when it is told to stop. */
#define STOP_US ((uint64_t)3 * 1000 * 1000)

/* ---- hosts -------------------------------------------------------------- */

static struct host *leader_now(struct world *world)
{
    struct host *leader = NULL;
    for (unsigned i = 0; i < world->mix.hosts; i++) {
        struct host *host = &world->hosts[i];
        if (host->led && (leader == NULL || host->term > leader->term)) {
            leader = host;
        }
    }
    return leader;
}

/* Who leads has most to lose. */
static struct host *some_host(struct world *world, struct prng *prng)
{
    struct host *any = &world->hosts[prng_below(prng, world->mix.hosts)];
    if (!prng_chance(prng, world->mix.aim)) {
        return any;
    }
    struct host *leader = leader_now(world);
    return leader == NULL ? any : leader;
}

static void crash(struct world *world, struct host *host, struct prng *prng)
{
    if (host->node == NULL) {
        return;
    }
    host_crash(host);
    bool late = prng_chance(prng, 3);
    if (late) {
        world_happened(world, HAPPENED_LATE_RESTART);
    }
    host_restart_later(host, late ? 20000000 : 2000000);
}

static void fault_crash(struct world *world, struct prng *prng)
{
    crash(world, some_host(world, prng), prng);
}

static void fault_crash_all(struct world *world, struct prng *prng)
{
    world_happened(world, HAPPENED_CRASH_OF_ALL);
    for (unsigned i = 0; i < world->mix.hosts; i++) {
        crash(world, &world->hosts[i], prng);
    }
}

/* As the daemon does: when nothing is under way any more, or it took too long.
 */
static void stopping(struct world *world, void *subject, uint64_t life)
{
    struct host *host = subject;
    if (host->life != life) {
        return;
    }
    bool idle = node_idle(host->node);
    bool paused = host->paused_until_us > world->now_us;
    if (paused || (!idle && world->now_us < host->stops_by_us)) {
        world_in(world, 20000, stopping, host, life);
        return;
    }
    world_happened(world, idle ? HAPPENED_STOPPED : HAPPENED_STOPPED_AT_LAST);
    host_crash(host);
    host_restart_later(host, 4000000);
}

/* Its process is told to end, as by a system that restarts it. */
static void fault_stop(struct world *world, struct prng *prng)
{
    struct host *host = some_host(world, prng);
    if (host->node == NULL || host->stops_by_us > 0) {
        return;
    }
    struct node_input stop = {.type = NODE_INPUT_SHUTDOWN};
    world_trace(world, host, "!  is told to stop");
    host->stops_by_us = world->now_us + STOP_US;
    node_input(host->node, &stop);
    host_wake(host);
    world_in(world, 20000, stopping, host, host->life);
}

static void fault_pause(struct world *world, struct prng *prng)
{
    struct host *host = some_host(world, prng);
    if (host->node == NULL) {
        return;
    }
    host->paused_until_us = world->now_us + prng_range(prng, 10000, 6000000);
    world_happened(world, HAPPENED_PAUSE);
    world_trace(world, host, "!  pauses");
}

/* The wall clock: forward or back by up to a day. */
static void fault_clock(struct world *world, struct prng *prng)
{
    struct host *host = some_host(world, prng);
    host->wall_us = prng_below(prng, UINT64_C(86400000000));
    world_happened(world, HAPPENED_CLOCK_JUMP);
    world_trace(world, host, "!  its clock jumps");
}

/* ---- partitions --------------------------------------------------------- */

void fault_cut(struct world *world, unsigned from, unsigned to)
{
    if (from != to) {
        world->parted[from] |= UINT64_C(1) << to;
    }
}

static void heal(struct world *world, void *subject, uint64_t life)
{
    (void)subject;
    if (world->parting == life && !world->calm) {
        memset(world->parted, 0, sizeof(world->parted));
        world_trace(world, NULL, "!  the network is whole");
    }
}

static void part(struct world *world, struct prng *prng, enum happening what)
{
    world_happened(world, what);
    world_trace(world, NULL, "!  partition: %s", happened_names[what]);
    world_in(world, prng_range(prng, 100000, 10000000), heal, NULL,
             ++world->parting);
}

static void cut_halves(struct world *world, uint64_t side, bool both_ways)
{
    for (unsigned i = 0; i < world->mix.hosts; i++) {
        for (unsigned j = 0; j < world->mix.hosts; j++) {
            bool a = (side >> i & 1) != 0;
            bool b = (side >> j & 1) != 0;
            if (a != b && (both_ways || a)) {
                fault_cut(world, i, j);
            }
        }
    }
}

static void fault_halves(struct world *world, struct prng *prng)
{
    cut_halves(world, prng_u64(prng), true);
    part(world, prng, HAPPENED_HALVES);
}

static void fault_one_way(struct world *world, struct prng *prng)
{
    cut_halves(world, prng_u64(prng), false);
    part(world, prng, HAPPENED_ONE_WAY);
}

static void fault_isolate(struct world *world, struct prng *prng)
{
    cut_halves(world, UINT64_C(1) << some_host(world, prng)->id, true);
    part(world, prng, HAPPENED_ISOLATED);
}

/* Two halves, and one that both of them reach. */
static void fault_bridge(struct world *world, struct prng *prng)
{
    unsigned bridge = (unsigned)prng_below(prng, world->mix.hosts);
    cut_halves(world, prng_u64(prng), true);
    for (unsigned i = 0; i < world->mix.hosts; i++) {
        world->parted[i] &= ~(UINT64_C(1) << bridge);
    }
    world->parted[bridge] = 0;
    part(world, prng, HAPPENED_BRIDGE);
}

/* Each reaches its two neighbours only. */
static void fault_ring(struct world *world, struct prng *prng)
{
    unsigned count = world->mix.hosts;
    for (unsigned i = 0; i < count; i++) {
        for (unsigned j = 0; j < count; j++) {
            unsigned apart = (i + count - j) % count;
            if (apart != 1 && apart != count - 1) {
                fault_cut(world, i, j);
            }
        }
    }
    part(world, prng, HAPPENED_RING);
}

static void fault_pattern(struct world *world, struct prng *prng)
{
    for (unsigned i = 0; i < world->mix.hosts; i++) {
        for (unsigned j = 0; j < world->mix.hosts; j++) {
            if (prng_chance(prng, 3)) {
                fault_cut(world, i, j);
            }
        }
    }
    part(world, prng, HAPPENED_PATTERN);
}

/* Its host dies, or nobody hears it any more. */
static void fall(struct world *world, void *subject, uint64_t life)
{
    struct host *host = subject;
    if (world->calm || host->life != life) {
        return;
    }
    world_happened(world, HAPPENED_FALL);
    if (prng_chance(&world->prng, 2)) {
        cut_halves(world, UINT64_C(1) << host->id, true);
        part(world, &world->prng, HAPPENED_ISOLATED);
        return;
    }
    host_crash(host);
    host_restart_later(host, 4000000);
}

/* Who falls just after its election leaves behind what nobody else has. */
void fault_elected(struct host *host)
{
    struct world *world = host->world;
    struct prng *prng = &world->prng;
    if (!world->calm && prng_chance(prng, world->mix.fall)) {
        world_in(world, prng_range(prng, 1, 100000), fall, host, host->life);
    }
}

static void stumble(struct world *world, void *subject, uint64_t life)
{
    struct host *host = subject;
    if (!world->calm && host->life == life && host->node != NULL) {
        world_happened(world, HAPPENED_STUMBLE);
        host_crash(host);
        host_restart_later(host, 4000000);
    }
}

/* The one that shows it, or any other one: just then, or a little later. */
void fault_step(struct host *host)
{
    struct world *world = host->world;
    struct prng *prng = &world->prng;
    if (world->calm || !prng_chance(prng, world->mix.stumble)) {
        return;
    }
    if (prng_chance(prng, 3)) {
        host = &world->hosts[prng_below(prng, world->mix.hosts)];
    }
    uint64_t most = prng_chance(prng, 2) ? 1000 : 100000;
    world_in(world, prng_range(prng, 1, most), stumble, host, host->life);
}

/* ---- connections -------------------------------------------------------- */

static bool between_hosts(const struct wire *wire)
{
    return !wire->is_free && wire->connected && wire->end[0].host != NULL &&
           wire->end[1].host != NULL;
}

static void fault_break(struct world *world, struct prng *prng)
{
    for (struct wire *wire = world->wires; wire != NULL; wire = wire->next) {
        if (!wire->is_free && wire->connected && prng_chance(prng, 3)) {
            world_happened(world, HAPPENED_BROKEN);
            net_break(wire);
        }
    }
}

static void fault_half_open(struct world *world, struct prng *prng)
{
    for (struct wire *wire = world->wires; wire != NULL; wire = wire->next) {
        if (between_hosts(wire) && prng_chance(prng, 4)) {
            world_happened(world, HAPPENED_HALF_OPEN);
            net_half_open(wire);
        }
    }
}

static void fault_clog(struct world *world, struct prng *prng)
{
    for (struct wire *wire = world->wires; wire != NULL; wire = wire->next) {
        if (between_hosts(wire) && prng_chance(prng, 3)) {
            world_happened(world, HAPPENED_CLOG);
            wire->clogged_until_us =
                world->now_us + prng_range(prng, 100000, 5000000);
        }
    }
}

/* ---- disks -------------------------------------------------------------- */

static void disk_well(struct world *world, void *subject, uint64_t life)
{
    (void)life;
    struct host *host = subject;
    if (host->left) {
        return;
    }
    host->disk.full = false;
    host->disk.slow = false;
    host->disk.hangs = false;
    host->disk.read_fails = false;
    world_trace(world, host, "!  its disk is well");
    disk_wake(host);
}

static void disk_ill(struct world *world, struct host *host, struct prng *prng,
                     enum happening what, uint64_t most_us)
{
    world_happened(world, what);
    world_trace(world, host, "!  %s", happened_names[what]);
    world_in(world, prng_range(prng, 100000, most_us), disk_well, host, 0);
}

static void fault_disk_full(struct world *world, struct prng *prng)
{
    struct host *host = some_host(world, prng);
    host->disk.full = true;
    disk_ill(world, host, prng, HAPPENED_DISK_FULL, 12000000);
}

static void fault_disk_slow(struct world *world, struct prng *prng)
{
    struct host *host = some_host(world, prng);
    host->disk.slow = true;
    disk_ill(world, host, prng, HAPPENED_DISK_SLOW, 5000000);
}

static void fault_disk_hangs(struct world *world, struct prng *prng)
{
    struct host *host = some_host(world, prng);
    host->disk.hangs = true;
    disk_ill(world, host, prng, HAPPENED_DISK_HANGS, 15000000);
}

/* After a failed write or sync the process exits. */
static void fault_write(struct world *world, struct prng *prng)
{
    struct host *host = some_host(world, prng);
    host->disk.write_fails = true;
    world_trace(world, host, "!  its next write fails");
}

static void fault_read(struct world *world, struct prng *prng)
{
    struct host *host = some_host(world, prng);
    host->disk.read_fails = true;
    world_trace(world, host, "!  its reads fail");
    world_in(world, prng_range(prng, 100000, 3000000), disk_well, host, 0);
}

static void rot_ends(struct world *world, void *subject, uint64_t life)
{
    (void)life;
    struct host *host = subject;
    host->disk.rotten = 0;
    host->disk.file_rots = false;
    world_trace(world, host, "!  its disk rots no more");
}

/* An entry that most likely somebody needs, or the snapshot. */
static void rot(struct world *world, struct host *host, struct prng *prng)
{
    struct disk *disk = &host->disk;
    raft_index tail = prng_below(prng, prng_chance(prng, 2) ? 10 : 1000);
    disk->file_rots = prng_chance(prng, 2);
    if (disk->count > tail) {
        disk->rotten = disk->count - tail;
        disk->were_rotten[disk->were_rotten_count++ % ROTTEN_MAX] =
            disk->rotten;
    }
    world_trace(world, host, "!  entry %llu%s rots on its disk",
                (unsigned long long)disk->rotten,
                disk->file_rots ? ", and the snapshot," : "");
    world_in(world, prng_range(prng, 100000, 8000000), rot_ends, host, 0);
}

void fault_rot(struct world *world, void *subject, uint64_t life)
{
    if (world->calm) {
        return;
    }
    struct prng prng;
    prng_seed(&prng, world->seed * UINT64_C(1000033) + life);
    rot(world, some_host(world, &prng), &prng);
    world_in(world, prng_range(&prng, 1, world->mix.fault_gap_us * 2),
             fault_rot, subject, life + 1);
}

/* ---- one after the other ------------------------------------------------ */

static fault_run *const faults[FAULTS] = {
    [FAULT_CRASH] = fault_crash,         [FAULT_CRASH_ALL] = fault_crash_all,
    [FAULT_PAUSE] = fault_pause,         [FAULT_CLOCK] = fault_clock,
    [FAULT_HALVES] = fault_halves,       [FAULT_ONE_WAY] = fault_one_way,
    [FAULT_ISOLATE] = fault_isolate,     [FAULT_BRIDGE] = fault_bridge,
    [FAULT_RING] = fault_ring,           [FAULT_PATTERN] = fault_pattern,
    [FAULT_BREAK] = fault_break,         [FAULT_HALF_OPEN] = fault_half_open,
    [FAULT_CLOG] = fault_clog,           [FAULT_DISK_FULL] = fault_disk_full,
    [FAULT_DISK_SLOW] = fault_disk_slow, [FAULT_DISK_HANGS] = fault_disk_hangs,
    [FAULT_WRITE] = fault_write,         [FAULT_READ] = fault_read,
    [FAULT_WIPE] = place_wipe,           [FAULT_OLD_DISK] = place_old_disk,
    [FAULT_MOVE] = place_move,           [FAULT_STOP] = fault_stop,
};

static fault_run *draw(const struct mix *mix, struct prng *prng)
{
    unsigned sum = 0;
    for (int i = 0; i < FAULTS; i++) {
        sum += mix->weights[i];
    }
    if (sum == 0) {
        return NULL;
    }
    uint64_t drawn = prng_below(prng, sum);
    int kind = 0;
    while (drawn >= mix->weights[kind]) {
        drawn -= mix->weights[kind++];
    }
    return faults[kind];
}

static bool skipped(const struct sim_options *options, uint64_t number)
{
    for (unsigned i = 0; i < options->skip_count; i++) {
        if (number >= options->skips[i].first &&
            number <= options->skips[i].last) {
            return true;
        }
    }
    return false;
}

void fault_next(struct world *world, void *subject, uint64_t life)
{
    if (world->calm) {
        return;
    }
    struct prng prng;
    uint64_t number = ++world->fault_number;
    prng_seed(&prng, world->seed * UINT64_C(1000003) + number);
    uint64_t gap_us = prng_range(&prng, 1, world->mix.fault_gap_us * 2);
    fault_run *run = draw(&world->mix, &prng);
    if (run != NULL && !skipped(world->options, number)) {
        world_trace(world, NULL, "!  fault %llu", (unsigned long long)number);
        run(world, &prng);
    }
    world_in(world, gap_us, fault_next, subject, life);
}
