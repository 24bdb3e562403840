/* A smaller run that violates the same rule: fewer faults, a shorter first
 * phase, fewer apps and operators.
 *
 * Each trial is a process of its own, for a violation ends it.  Whatever is
 * left out changes what comes after it; what is kept is any run that still
 * fails in the same way. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sim.h"

struct outcome {
    bool failed;
    double at_s;
    char rule[64];
};

/* "FAIL seed=1 at 2.345 s: rule: text" */
static void parse(const char *line, struct outcome *outcome)
{
    const char *at = strstr(line, " at ");
    const char *rule = strstr(line, " s: ");
    if (strncmp(line, "FAIL ", 5) != 0 || at == NULL || rule == NULL) {
        return;
    }
    outcome->failed = true;
    outcome->at_s = strtod(at + 4, NULL);
    snprintf(outcome->rule, sizeof(outcome->rule), "%.*s",
             (int)strcspn(rule + 4, ":"), rule + 4);
}

static struct outcome try_run(const struct sim_options *options)
{
    struct outcome outcome = {0};
    int ends[2];
    if (pipe(ends) != 0) {
        return outcome;
    }
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        dup2(ends[1], STDOUT_FILENO);
        if (freopen("/dev/null", "w", stderr) == NULL) {
            _exit(2);
        }
        close(ends[0]);
        sim_run(options);
        _exit(0);
    }
    close(ends[1]);
    FILE *output = fdopen(ends[0], "r");
    char line[2048];
    while (output != NULL && fgets(line, sizeof(line), output) != NULL) {
        parse(line, &outcome);
    }
    if (output != NULL) {
        fclose(output);
    }
    waitpid(child, NULL, 0);
    return outcome;
}

/* What was found so far. */
struct search {
    struct sim_options best;
    struct outcome outcome;
    unsigned trials;
};

static bool improve(struct search *search, const struct sim_options *smaller)
{
    struct outcome outcome = try_run(smaller);
    search->trials++;
    if (!outcome.failed || strcmp(outcome.rule, search->outcome.rule) != 0) {
        return false;
    }
    search->best = *smaller;
    search->outcome = outcome;
    char arguments[1024];
    sim_arguments(smaller, arguments, sizeof(arguments));
    printf("%4u: fails at %.3f s:%s\n", search->trials, outcome.at_s,
           arguments);
    return true;
}

static void fewer_apps(struct search *search)
{
    for (unsigned apps = 1; apps <= 4; apps++) {
        struct sim_options smaller = search->best;
        smaller.apps = apps;
        if (improve(search, &smaller)) {
            return;
        }
    }
}

static void fewer_operators(struct search *search)
{
    for (int operators = 0; operators < 2; operators++) {
        struct sim_options smaller = search->best;
        smaller.operators = operators;
        if (improve(search, &smaller)) {
            return;
        }
    }
}

static void shorter(struct search *search)
{
    for (;;) {
        struct sim_options smaller = search->best;
        double now_s = search->outcome.at_s;
        if (smaller.faults_s > 0 && smaller.faults_s < now_s) {
            now_s = smaller.faults_s;
        }
        smaller.faults_s = now_s * 0.7;
        if (smaller.faults_s < 1 || !improve(search, &smaller)) {
            return;
        }
    }
}

static bool has_skip(const struct sim_options *options, uint64_t number)
{
    for (unsigned i = 0; i < options->skip_count; i++) {
        if (number >= options->skips[i].first &&
            number <= options->skips[i].last) {
            return true;
        }
    }
    return false;
}

/* Half of the faults, then a quarter, and so on down to single ones. */
static void fewer_faults(struct search *search, uint64_t faults)
{
    for (uint64_t size = (faults + 1) / 2; size > 0; size /= 2) {
        for (uint64_t at = 1; at <= faults; at += size) {
            struct sim_options smaller = search->best;
            if (has_skip(&smaller, at) || smaller.skip_count == SIM_SKIPS_MAX) {
                continue;
            }
            smaller.skips[smaller.skip_count++] =
                (struct sim_skip){.first = at, .last = at + size - 1};
            improve(search, &smaller);
        }
    }
}

/* Faults come at least this far apart on average: more of them there are not.
 */
#define FAULTS_PER_SECOND 5

int sim_shrink(const struct sim_options *options)
{
    struct search search = {.best = *options};
    search.best.trace = false;
    search.outcome = try_run(&search.best);
    if (!search.outcome.failed) {
        printf("seed %llu does not fail\n", (unsigned long long)options->seed);
        return 2;
    }
    printf("fails at %.3f s: %s\n", search.outcome.at_s, search.outcome.rule);
    fewer_apps(&search);
    fewer_operators(&search);
    shorter(&search);
    fewer_faults(&search,
                 (uint64_t)(search.outcome.at_s * FAULTS_PER_SECOND) + 1);
    shorter(&search);
    char arguments[1024];
    sim_arguments(&search.best, arguments, sizeof(arguments));
    printf("smallest of %u runs, fails at %.3f s: tests/sim/sim%s\n",
           search.trials, search.outcome.at_s, arguments);
    return 1;
}
