/* Each seed has its own kind of bad weather (swarm testing): most kinds of
 * faults are left out of most runs, so that the others come together. */
#include "world.h"

static unsigned weight(struct prng *prng)
{
    return prng_chance(prng, 2) ? 0 : (unsigned)prng_range(prng, 1, 10);
}

static unsigned per_mille(struct prng *prng, unsigned most)
{
    return prng_chance(prng, 3) ? (unsigned)prng_range(prng, 1, most) : 0;
}

static void draw_cluster(struct mix *mix, struct prng *prng)
{
    static const unsigned sizes[] = {1, 2, 2, 3, 3, 3, 3, 3,
                                     4, 4, 5, 5, 5, 5, 6, 7};
    mix->voters = sizes[prng_below(prng, 16)];
    mix->listed = mix->voters;
    if (prng_chance(prng, 4)) {
        mix->listed += (unsigned)prng_range(prng, 1, 2);
    }
    mix->hosts = mix->listed;
    mix->forward = !prng_chance(prng, 5);
    static const uint64_t windows[] = {1, 2, 3, 7, 20, 262144, 262144, 262144};
    mix->key_window = windows[prng_below(prng, 8)];
    mix->key_windows = prng_chance(prng, 4);
    mix->cache_bytes = prng_chance(prng, 2) ? 4096 : (uint64_t)1024 * 1024;
    mix->sqlite = prng_chance(prng, 8);
    if (prng_chance(prng, 3)) {
        mix->append_entries_max = prng_range(prng, 1, 4);
        mix->inflight_messages_max = prng_range(prng, 1, 3);
    }
    mix->save_bytes_max = prng_chance(prng, 3) ? prng_range(prng, 1, 2000) : 0;
    static const uint64_t saves_us[] = {1000, 1000,  1000,  1000,
                                        1000, 20000, 20000, 300000};
    mix->save_us = saves_us[prng_below(prng, 8)];
    mix->save_crash =
        prng_chance(prng, 2) ? 0 : (unsigned)prng_range(prng, 20, 2000);
}

static void draw_faults(struct mix *mix, struct prng *prng)
{
    mix->faults_us = prng_range(prng, 60, 120) * 1000000;
    mix->fault_gap_us = prng_range(prng, 200, 4000) * 1000;
    static const uint64_t drifts_ppm[] = {0, 0, 0, 50000, 400000, 400000};
    mix->drift_ppm = drifts_ppm[prng_below(prng, 6)];
    mix->aim = prng_chance(prng, 2) ? (unsigned)prng_range(prng, 1, 4) : 0;
    for (int i = 0; i < FAULTS; i++) {
        mix->weights[i] = weight(prng);
    }
    mix->delay_us = prng_chance(prng, 3) ? 40000 : 1000;
    mix->lost = per_mille(prng, 300);
    mix->doubled = per_mille(prng, 500);
    mix->reordered = per_mille(prng, 300);
    mix->late = per_mille(prng, 300);
    mix->fall = prng_chance(prng, 2) ? (unsigned)prng_range(prng, 1, 4) : 0;
}

static void draw_apps(struct mix *mix, struct prng *prng)
{
    mix->apps = (unsigned)prng_range(prng, 1, 4);
    if (prng_chance(prng, 10)) {
        mix->apps = (unsigned)prng_range(prng, 5, APPS_MAX);
    }
    mix->ask_gap_us = prng_range(prng, 100, 1500) * 1000;
    mix->burst = (unsigned)prng_range(prng, 1, 16);
    mix->large = prng_chance(prng, 10);
    mix->keyed = prng_chance(prng, 3) ? 0 : (unsigned)prng_range(prng, 50, 900);
    static const enum compaction compacts[] = {COMPACT_NEVER, COMPACT_KEEPS,
                                               COMPACT_FORCES};
    mix->compact = compacts[prng_below(prng, 3)];
    mix->snapshots = prng_chance(prng, 2);
    mix->snapshot_tail = prng_chance(prng, 2) ? 0 : prng_range(prng, 1, 50);
    mix->snapshot_hold_us = prng_range(prng, 1, 20) * 1000000;
    mix->keep_unacked = prng_chance(prng, 3) ? 5 : 1000000;
    if (mix->compact == COMPACT_FORCES && prng_chance(prng, 2)) {
        mix->cut = (unsigned)prng_range(prng, 2, 10);
        mix->keep_unacked = prng_below(prng, 6);
    }
    mix->after = prng_chance(prng, 2) ? 0 : (unsigned)prng_range(prng, 20, 400);
}

/* In one run of three the members change. */
static void draw_members(struct mix *mix, struct prng *prng)
{
    if (!prng_chance(prng, 3)) {
        mix->weights[FAULT_WIPE] = 0;
        mix->weights[FAULT_OLD_DISK] = 0;
        mix->weights[FAULT_MOVE] = 0;
        return;
    }
    mix->operators = (unsigned)prng_range(prng, 1, OPERATORS_MAX);
    mix->order_gap_us = prng_range(prng, 200, 5000) * 1000;
    if (prng_chance(prng, 8)) {
        mix->alone = true;
        mix->voters = 1;
        mix->listed = 0;
        mix->hosts = (unsigned)prng_range(prng, 2, 6);
    } else {
        unsigned room = HOSTS_MAX - mix->listed;
        unsigned most = room < 4 ? room : 4;
        mix->hosts += most == 0 ? 0 : (unsigned)prng_range(prng, 1, most);
    }
    mix->forgetful = prng_chance(prng, 2);
    mix->stumble = prng_chance(prng, 2) ? (unsigned)prng_range(prng, 2, 20) : 0;
}

/* What came later draws from a seed of its own. */
static void draw_late(struct mix *mix, uint64_t seed)
{
    struct prng prng;
    prng_seed(&prng, seed * UINT64_C(1000003) + 999983);
    mix->curious = prng_chance(&prng, 3);
    mix->moody = prng_chance(&prng, 4);
    mix->rots = prng_chance(&prng, 5);
}

void mix_draw(struct mix *mix, struct prng *prng,
              const struct sim_options *options)
{
    *mix = (struct mix){0};
    draw_late(mix, options->seed);
    draw_cluster(mix, prng);
    draw_faults(mix, prng);
    draw_apps(mix, prng);
    draw_members(mix, prng);
    if (options->faults_s > 0 &&
        options->faults_s * 1e6 < (double)mix->faults_us) {
        mix->faults_us = (uint64_t)(options->faults_s * 1e6);
    }
    if (options->apps > 0 && options->apps < mix->apps) {
        mix->apps = options->apps;
    }
    /* Where one node is told to begin somebody has to tell it. */
    unsigned least = mix->alone ? 1 : 0;
    if (options->operators >= 0 &&
        (unsigned)options->operators < mix->operators) {
        mix->operators = (unsigned)options->operators > least
                             ? (unsigned)options->operators
                             : least;
    }
    if (options->store != SIM_STORE_DRAWN) {
        mix->sqlite = options->store == SIM_STORE_SQLITE;
    }
}

void mix_play(struct mix *mix, const struct sim_options *options)
{
    *mix = (struct mix){.voters = 3,
                        .listed = 3,
                        .hosts = 3,
                        .sqlite = options->store == SIM_STORE_SQLITE,
                        .delay_us = 1000,
                        .save_us = 1000,
                        .cache_bytes = 4096,
                        .key_window = 3,
                        .forward = true,
                        .keep_unacked = 1000000,
                        .snapshot_hold_us = 1000000,
                        .operators = 1,
                        .apps = play_apps(options->play),
                        .ask_gap_us = 10000,
                        .burst = 3,
                        .order_gap_us = 10000};
}

void mix_show(const struct world *world)
{
    const struct mix *mix = &world->mix;
    world_show(world, NULL,
               "mix: %u nodes, %u voters, %u in the list%s, %u apps, %u "
               "operators, %s store, faults for %.0f s, one in %.1f s",
               mix->hosts, mix->voters, mix->listed,
               mix->forgetful ? " while they have their disk" : "", mix->apps,
               mix->operators, mix->sqlite ? "SQLite" : "model",
               (double)mix->faults_us / 1e6, (double)mix->fault_gap_us / 1e6);
    world_show(
        world, NULL,
        "mix: delay %.0f ms, lost %u, doubled %u, reordered %u, late %u "
        "per mille, save %.0f ms, of %llu bytes, cache %llu, forward %s, "
        "appends of %llu, "
        "%llu in flight, drift %llu ppm, aim %u, fall %u, keys %u per mille, "
        "%llu remembered%s, %s%s%s%s%s",
        (double)mix->delay_us / 1e3, mix->lost, mix->doubled, mix->reordered,
        mix->late, (double)mix->save_us / 1e3,
        (unsigned long long)mix->save_bytes_max,
        (unsigned long long)mix->cache_bytes, mix->forward ? "yes" : "no",
        (unsigned long long)mix->append_entries_max,
        (unsigned long long)mix->inflight_messages_max,
        (unsigned long long)mix->drift_ppm, mix->aim, mix->fall, mix->keyed,
        (unsigned long long)mix->key_window, mix->key_windows ? " or more" : "",
        mix->compact == COMPACT_NEVER
            ? "not compacted"
            : (mix->compact == COMPACT_KEEPS ? "compacted" : "cut by force"),
        mix->snapshots ? ", snapshots" : "",
        mix->curious ? ", curious apps" : "",
        mix->moody ? ", settings that change" : "",
        mix->rots ? ", disks that rot" : "");
}
