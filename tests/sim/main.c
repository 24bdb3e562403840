/* sim: runs seeds.
 *
 *   sim --seed=N [--trace]          one seed, with all that happens
 *   sim [--first=N] [--seeds=N] [--twice]
 *                                   that many from the first on; --twice runs
 *                                   each a second time and compares
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim.h"

static bool number(const char *text, const char *name, uint64_t *value)
{
    size_t length = strlen(name);
    if (strncmp(text, name, length) != 0) {
        return false;
    }
    *value = strtoull(text + length, NULL, 10);
    return true;
}

static void add(struct sim_result *sum, const struct sim_result *one)
{
    sum->simulated_us += one->simulated_us;
    sum->elections += one->elections;
    sum->crashes += one->crashes;
    sum->lost_saves += one->lost_saves;
    sum->truncations += one->truncations;
    sum->store_reads += one->store_reads;
    sum->acked += one->acked;
    sum->refused += one->refused;
    sum->uncertain += one->uncertain;
    sum->barriers += one->barriers;
    sum->followed += one->followed;
}

static bool show(const char *name, uint64_t value, bool wanted)
{
    printf("  %-12s %10llu%s\n", name, (unsigned long long)value,
           wanted && value == 0 ? "  never happened" : "");
    return wanted && value == 0;
}

/* True where something that is meant to happen never did. */
static bool show_sum(const struct sim_result *sum, bool wanted)
{
    bool missing = show("seconds", sum->simulated_us / 1000000, false);
    missing |= show("elections", sum->elections, wanted);
    missing |= show("crashes", sum->crashes, wanted);
    missing |= show("lost saves", sum->lost_saves, wanted);
    missing |= show("truncations", sum->truncations, wanted);
    missing |= show("store reads", sum->store_reads, wanted);
    missing |= show("acknowledged", sum->acked, wanted);
    missing |= show("refused", sum->refused, wanted);
    missing |= show("uncertain", sum->uncertain, wanted);
    missing |= show("barriers", sum->barriers, wanted);
    missing |= show("followed", sum->followed, wanted);
    return missing;
}

int main(int argc, char **argv)
{
    uint64_t seed = 0;
    uint64_t first = 1;
    uint64_t seeds = 100;
    bool one = false;
    bool trace = false;
    bool twice = false;
    for (int i = 1; i < argc; i++) {
        if (number(argv[i], "--seed=", &seed)) {
            one = true;
        } else if (strcmp(argv[i], "--trace") == 0) {
            trace = true;
        } else if (strcmp(argv[i], "--twice") == 0) {
            twice = true;
        } else if (!number(argv[i], "--first=", &first) &&
                   !number(argv[i], "--seeds=", &seeds)) {
            fprintf(stderr, "usage: sim --seed=N [--trace]\n"
                            "       sim [--first=N] [--seeds=N] [--twice]\n");
            return 2;
        }
    }
    if (one) {
        first = seed;
        seeds = 1;
    }
    struct sim_result sum = {0};
    for (uint64_t at = first; at < first + seeds; at++) {
        struct sim_result result = sim_run(at, trace);
        if (twice && !digest_equal(result.digest, sim_run(at, false).digest)) {
            printf("FAIL seed=%llu: two runs differ\n", (unsigned long long)at);
            return 1;
        }
        add(&sum, &result);
    }
    bool missing = show_sum(&sum, seeds >= 50);
    printf("%llu passed, %d failed\n", (unsigned long long)seeds, missing);
    return missing;
}
