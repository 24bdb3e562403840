/* sim: runs seeds.
 *
 *   sim --seed=N [--trace [--from=S] [--to=S] [--node=I]]
 *       one seed; the trace, of a time, and of one node
 *   sim --seed=N --shrink
 *       a seed that fails: finds a smaller run that fails in the same way
 *   sim [--first=N] [--seeds=N] [--jobs=N] [--time=S] [--twice] [--every]
 *       that many seeds, in that many processes, none begun after that many
 *       seconds; --twice runs each a second time and compares, --every fails
 *       where a kind of fault or answer never came about in any of them
 *
 *   sim --play=NAME …, sim --plays
 *       the same of one of the plays in play.c, for which a seed draws delays;
 *       the names of all of them
 *
 * A run is made smaller than its seed draws it with --faults=S (the first
 * phase ends after S seconds), --apps=N, --operators=N, --skip=A-B,C (faults
 * that do not happen) and --store=model|sqlite.
 */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim.h"

/* ---- arguments ---------------------------------------------------------- */

struct arguments {
    struct sim_options options;
    struct sim_many many;
    bool one;
    bool shrink;
    bool plays;
};

static const char *value_of(const char *text, const char *name)
{
    size_t length = strlen(name);
    return strncmp(text, name, length) == 0 ? text + length : NULL;
}

static bool take_skips(struct sim_options *options, const char *text)
{
    while (*text != '\0') {
        char *end;
        struct sim_skip skip = {.first = strtoull(text, &end, 10)};
        skip.last = skip.first;
        if (*end == '-') {
            skip.last = strtoull(end + 1, &end, 10);
        }
        if (end == text || options->skip_count == SIM_SKIPS_MAX) {
            return false;
        }
        options->skips[options->skip_count++] = skip;
        text = *end == ',' ? end + 1 : end;
    }
    return true;
}

static bool take_store(struct sim_options *options, const char *text)
{
    bool model = strcmp(text, "model") == 0;
    options->store = model ? SIM_STORE_MODEL : SIM_STORE_SQLITE;
    return model || strcmp(text, "sqlite") == 0;
}

static bool take_flag(struct arguments *arguments, const char *text)
{
    const struct {
        const char *name;
        bool *flag;
    } flags[] = {{"--trace", &arguments->options.trace},
                 {"--twice", &arguments->many.twice},
                 {"--every", &arguments->many.every},
                 {"--progress", &arguments->many.progress},
                 {"--plays", &arguments->plays},
                 {"--shrink", &arguments->shrink}};
    for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
        if (strcmp(text, flags[i].name) == 0) {
            *flags[i].flag = true;
            return true;
        }
    }
    return false;
}

static bool take_play(struct sim_options *options, const char *name)
{
    const char *play;
    for (unsigned i = 0; (play = sim_play_name(i)) != NULL; i++) {
        if (strcmp(play, name) == 0) {
            options->play = play;
        }
    }
    return options->play != NULL;
}

struct number {
    const char *name;
    uint64_t *whole;
    unsigned *few;
    int *id; /* … and no sign, either */
    double *seconds;
};

/* Nothing but a number, and one that there is room for. */
static bool take_number(const struct number *number, const char *value)
{
    char *end;
    double seconds = strtod(value, &end);
    if (*value < '0' || *value > '9' || *end != '\0') {
        return false;
    }
    if (number->seconds != NULL) {
        *number->seconds = seconds;
        return true;
    }
    uint64_t whole = strtoull(value, &end, 10);
    if (*end != '\0' || (number->whole == NULL && whole > INT_MAX)) {
        return false;
    }
    if (number->whole != NULL) {
        *number->whole = whole;
    } else if (number->few != NULL) {
        *number->few = (unsigned)whole;
    } else {
        *number->id = (int)whole;
    }
    return true;
}

static bool take_argument(struct arguments *arguments, const char *text)
{
    struct sim_options *options = &arguments->options;
    struct sim_many *many = &arguments->many;
    const struct number numbers[] = {
        {.name = "--seed=", .whole = &options->seed},
        {.name = "--first=", .whole = &many->first},
        {.name = "--seeds=", .whole = &many->seeds},
        {.name = "--jobs=", .few = &many->jobs},
        {.name = "--time=", .seconds = &many->seconds},
        {.name = "--from=", .seconds = &options->from_s},
        {.name = "--to=", .seconds = &options->to_s},
        {.name = "--node=", .id = &options->node},
        {.name = "--faults=", .seconds = &options->faults_s},
        {.name = "--apps=", .few = &options->apps},
        {.name = "--operators=", .id = &options->operators}};
    const char *value;
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        if ((value = value_of(text, numbers[i].name)) != NULL) {
            arguments->one |= numbers[i].whole == &options->seed;
            return take_number(&numbers[i], value) && many->jobs >= 1 &&
                   many->jobs <= SIM_JOBS_MAX;
        }
    }
    if ((value = value_of(text, "--play=")) != NULL) {
        return take_play(options, value);
    }
    if ((value = value_of(text, "--skip=")) != NULL) {
        return take_skips(options, value);
    }
    if ((value = value_of(text, "--store=")) != NULL) {
        return take_store(options, value);
    }
    return take_flag(arguments, text);
}

static int usage(void)
{
    fprintf(stderr,
            "usage: sim --seed=N [--trace [--from=S] [--to=S] [--node=I]]\n"
            "       sim --seed=N --shrink\n"
            "       sim [--first=N] [--seeds=N] [--jobs=N] [--time=S] "
            "[--twice] [--every] [--progress]\n"
            "       sim --play=NAME ...; sim --plays\n"
            "smaller: [--faults=S] [--apps=N] [--operators=N] [--skip=A-B,C] "
            "[--store=model|sqlite]\n");
    return 2;
}

void sim_arguments(const struct sim_options *options, char *text, size_t size)
{
    static const char *const stores[] = {"", " --store=model",
                                         " --store=sqlite"};
    size_t used = (size_t)snprintf(text, size, " --seed=%llu",
                                   (unsigned long long)options->seed);
    if (options->play != NULL && used < size) {
        used += (size_t)snprintf(text + used, size - used, " --play=%s",
                                 options->play);
    }
    if (options->faults_s > 0 && used < size) {
        used += (size_t)snprintf(text + used, size - used, " --faults=%.3f",
                                 options->faults_s);
    }
    if (options->apps > 0 && used < size) {
        used += (size_t)snprintf(text + used, size - used, " --apps=%u",
                                 options->apps);
    }
    if (options->operators >= 0 && used < size) {
        used += (size_t)snprintf(text + used, size - used, " --operators=%d",
                                 options->operators);
    }
    if (used < size) {
        used += (size_t)snprintf(text + used, size - used, "%s",
                                 stores[options->store]);
    }
    for (unsigned i = 0; i < options->skip_count && used < size; i++) {
        used += (size_t)snprintf(text + used, size - used, "%s%llu-%llu",
                                 i == 0 ? " --skip=" : ",",
                                 (unsigned long long)options->skips[i].first,
                                 (unsigned long long)options->skips[i].last);
    }
}

int main(int argc, char **argv)
{
    struct arguments arguments = {
        .options = {.node = -1, .operators = -1},
        .many = {.first = 1, .seeds = 100, .jobs = 1}};
    for (int i = 1; i < argc; i++) {
        if (!take_argument(&arguments, argv[i])) {
            return usage();
        }
    }
    const char *play;
    for (unsigned i = 0; arguments.plays; i++) {
        if ((play = sim_play_name(i)) == NULL) {
            return 0;
        }
        puts(play);
    }
    if (arguments.shrink) {
        return arguments.one ? sim_shrink(&arguments.options) : usage();
    }
    if (arguments.one) {
        arguments.many.first = arguments.options.seed;
        arguments.many.seeds = 1;
    }
    arguments.many.options = arguments.options;
    return sim_many(&arguments.many);
}
