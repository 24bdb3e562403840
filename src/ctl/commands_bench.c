/* bench: the command line, the question, what is measured, the status. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "ctl/bench.h"
#include "ctl/command.h"
#include "ctl/confirm.h"
#include "ctl/lines.h"
#include "ctl/status.h"

/* ---- the command line --------------------------------------------------- */

/* "submit=8": one part of a mix. */
static bool share_read(struct bench_plan *plan, const char *text, size_t size)
{
    const char *equals = memchr(text, '=', size);
    size_t name = equals == NULL ? size : (size_t)(equals - text);
    uint64_t share = 1;

    if (equals != NULL && (!text_to_u64(equals + 1, size - name - 1, &share) ||
                           share > BENCH_SHARE_MAX))
        return false;
    for (unsigned kind = 0; kind < BENCH_KINDS; kind++) {
        if (strlen(bench_names[kind]) == name &&
            memcmp(bench_names[kind], text, name) == 0) {
            plan->shares[kind] = share;
            return true;
        }
    }
    return false;
}

/* False: printed. */
static bool mix_read(struct bench_plan *plan, const char *text)
{
    uint64_t total = 0;

    while (*text != 0) {
        size_t size = strcspn(text, ",");

        if (!share_read(plan, text, size)) {
            ctl_complain("option --mix: expected submit, barrier or read, each "
                         "with =SHARE up to 1000000 behind it, not '%.*s'",
                         (int)size, text);
            return false;
        }
        text += size;
        text += *text == ',';
    }
    for (unsigned kind = 0; kind < BENCH_KINDS; kind++)
        total += plan->shares[kind];
    if (total == 0)
        ctl_complain("option --mix: there is nothing in it");
    return total > 0;
}

static bool too_much(const char *name, uint64_t value, uint64_t max)
{
    if (value <= max)
        return false;
    ctl_complain("option --%s: at most %" PRIu64 ", not %" PRIu64, name, max,
                 value);
    return true;
}

/* False: printed. */
static bool plan_make(const struct ctl *ctl, struct bench_plan *plan)
{
    const struct options_bench *given = &ctl->options.bench;
    unsigned bits = ctl->options.given;

    *plan = (struct bench_plan){
        .socket = ctl->options.socket,
        .timeout_us = ctl->options.timeout_us,
        .clients = (bits & OPTION_CLIENTS) != 0 ? given->clients : 64,
        .depth = (bits & OPTION_DEPTH) != 0 ? given->depth : 1,
        .payload_bytes =
            (bits & OPTION_PAYLOAD) != 0 ? given->payload_bytes : 128,
        .duration_us = given->duration_us,
        .requests = given->requests,
        .rate = given->rate,
        .keys = (bits & OPTION_KEYS) != 0,
    };
    if (plan->duration_us == 0 && plan->requests == 0)
        plan->duration_us = 10000000;
    return !too_much("clients", plan->clients, BENCH_CLIENTS_MAX) &&
           !too_much("depth", plan->depth, BENCH_DEPTH_MAX) &&
           !too_much("payload", plan->payload_bytes, LINES_SIZE_MAX) &&
           !too_much("rate", plan->rate, 100000000) &&
           mix_read(plan, given->mix == NULL ? "submit" : given->mix);
}

/* ---- before ------------------------------------------------------------- */

static const char *said(const struct status *status, const char *section,
                        const char *key)
{
    const char *value = info_get(&status->info, section, key);

    return value == NULL || value[0] == 0 ? "?" : value;
}

static size_t voters_of(const struct status *status)
{
    size_t count = 0;

    for (size_t i = 0; i < status->count; i++)
        count += status->members[i].configured &&
                 strcmp(status->members[i].member.role, "voter") == 0;
    return count;
}

/* What a figure means depends on whom it was measured at. */
static void print_header(const struct status *status,
                         const struct bench_plan *plan, FILE *file)
{
    size_t voters = voters_of(status);
    const char *between = "";

    fprintf(file, "node %s of cluster %s, %s, %zu voter%s, raftsc %s\n",
            said(status, "Server", "node_id"),
            said(status, "Server", "cluster"), said(status, "Raft", "role"),
            voters, voters == 1 ? "" : "s", said(status, "Server", "version"));
    fprintf(file,
            "%" PRIu64 " clients, depth %" PRIu64 ", payload %" PRIu64
            " bytes, ",
            plan->clients, plan->depth, plan->payload_bytes);
    for (unsigned kind = 0; kind < BENCH_KINDS; kind++) {
        if (plan->shares[kind] == 0)
            continue;
        fprintf(file, "%s%" PRIu64 " %s", between, plan->shares[kind],
                bench_names[kind]);
        between = " : ";
    }
    if (plan->keys)
        fputs(", with keys", file);
    if (plan->rate != 0)
        fprintf(file, ", %" PRIu64 " a second", plan->rate);
    fputs("\n\n", file);
}

/* READ asks for entries that are there at the start. */
static bool find_entries(const struct status *status, struct bench_plan *plan)
{
    if (plan->shares[BENCH_READ] == 0)
        return true;
    if (!info_u64(&status->info, "Raft", "first_index", &plan->read_first) ||
        !info_u64(&status->info, "Raft", "commit_index", &plan->read_last) ||
        plan->read_last < plan->read_first) {
        ctl_complain("there are no entries to read yet");
        return false;
    }
    return true;
}

/* Entries of a bench are entries like others: every app is told. */
static bool may_write(const struct ctl *ctl, const struct status *status,
                      const struct bench_plan *plan)
{
    if (plan->shares[BENCH_SUBMIT] == 0)
        return true;
    if ((ctl->options.given & OPTION_YES) == 0)
        fprintf(stderr,
                "This puts entries of %" PRIu64
                " bytes into the log of cluster %s, for good: every\napp of "
                "it is told them.\n",
                plan->payload_bytes, said(status, "Server", "cluster"));
    return confirm(ctl);
}

/* ---- after -------------------------------------------------------------- */

static enum ctl_status verdict(const struct bench_result *result)
{
    uint64_t errors = 0;

    for (unsigned kind = 0; kind < BENCH_KINDS; kind++)
        errors += result->errors[kind];
    if (result->unanswered > 0 && result->trouble[0] == 0)
        ctl_complain("%" PRIu64 " requests have no answer", result->unanswered);
    if (result->trouble[0] != 0)
        ctl_complain("%s", result->trouble);
    if (result->trouble[0] != 0 || result->unanswered > 0)
        return CTL_UNREACHABLE;
    return errors > 0 ? CTL_REFUSED : CTL_DONE;
}

static enum ctl_status measure(const struct ctl *ctl,
                               const struct status *status,
                               const struct bench_plan *plan)
{
    struct screen screen = screen_of_stdout();
    struct bench_result *result;
    enum ctl_status answer;
    bool begun;

    if (!ctl->options.json)
        print_header(status, plan, stdout);
    /* Where nobody can read the figures nothing is measured. */
    if (!ctl_flush())
        return CTL_REFUSED;
    result = x_calloc(1, sizeof(*result));
    begun = bench_run(plan, result);
    if (begun && ctl->options.json)
        bench_print_json(plan, result, stdout);
    else if (begun)
        bench_print(plan, result, &screen);
    answer = verdict(result);
    free(result);
    return answer;
}

enum ctl_status run_bench(struct ctl *ctl, char **arguments, size_t count)
{
    struct bench_plan plan;
    struct status status;
    enum ctl_status answer;

    (void)arguments;
    (void)count;
    if (!plan_make(ctl, &plan))
        return CTL_USAGE;
    answer = status_ask(ctl, &status);
    if (answer != CTL_DONE)
        return answer;
    if (!find_entries(&status, &plan) || !may_write(ctl, &status, &plan))
        answer = CTL_REFUSED;
    else
        answer = measure(ctl, &status, &plan);
    status_clear(&status);
    return answer;
}
