#include "ctl/recover.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "ctl/confirm.h"
#include "ctl/json.h"
#include "ctl/table.h"
#include "store/offline.h"

/* One of the directories that were given, locked until it is over. */
struct candidate {
    const char *path;
    struct offline *offline;
    const struct node_start *start;
    raft_id id;
    raft_index last;
    raft_term last_term; /* of its last entry */
};

struct recovery {
    struct candidate *candidates;
    size_t count;
    const struct candidate *picked;
    raft_term term; /* in which the new history begins */
};

static raft_term term_of_last(const struct raft_start *raft)
{
    return raft->run_count == 0 ? raft->base.term
                                : raft->runs[raft->run_count - 1].term;
}

/* ---- looking ------------------------------------------------------------ */

static bool refuse(const struct candidate *candidate, const char *why)
{
    ctl_complain("%s %s", candidate->path, why);
    return false;
}

static bool look_at(struct candidate *candidate)
{
    struct store_error error;
    struct offline_about about;

    candidate->offline = offline_open(candidate->path, &error);
    if (candidate->offline != NULL)
        candidate->start = offline_start(candidate->offline, &error);
    if (candidate->start == NULL ||
        !offline_about(candidate->offline, &about, &error)) {
        ctl_complain("%s", error.text);
        return false;
    }
    if (about.is_backup)
        return refuse(candidate, "is a backup: restore makes a directory of "
                                 "it");
    if (about.is_restored)
        return refuse(candidate, "was restored, and no node has started on it: "
                                 "it needs no recovery");
    if (candidate->start->raft.config_count == 0)
        return refuse(candidate, "is not a part of any cluster yet");
    candidate->id = candidate->start->identity.id;
    candidate->last = candidate->start->raft.last;
    candidate->last_term = term_of_last(&candidate->start->raft);
    return true;
}

static void keep_first(void *context, const char *text)
{
    char *first = context;

    if (first[0] == 0)
        snprintf(first, 512, "%s", text);
}

/* Each is, not only the one that is picked: with a wrong term or a row less, a
 * log that was the most complete one would be passed over. */
static bool is_sound(const struct candidate *candidate)
{
    char first[512] = "";
    struct offline_verdict verdict;
    struct store_error error;

    if (!offline_verify(candidate->offline, keep_first, first, &verdict,
                        &error)) {
        ctl_complain("%s", error.text);
        return false;
    }
    if (verdict.problems == 0)
        return true;
    ctl_complain("%s is damaged: %s; leave it out, and its log does not count",
                 candidate->path, first);
    return false;
}

/* Directories of different clusters, or histories, cannot be compared. */
static bool are_of_one_cluster(const struct recovery *recovery)
{
    const struct node_identity *first =
        &recovery->candidates[0].start->identity;

    for (size_t i = 1; i < recovery->count; i++) {
        const struct candidate *candidate = &recovery->candidates[i];
        const struct node_identity *identity = &candidate->start->identity;

        if (!digest_equal(identity->cluster_id, first->cluster_id))
            return refuse(candidate, "is of another cluster than the first");
        if (identity->epoch != first->epoch)
            return refuse(candidate, "is of another epoch than the first: one "
                                     "of them is from before a recovery");
    }
    return true;
}

static bool is_more_complete(const struct candidate *a,
                             const struct candidate *b)
{
    if (a->last_term != b->last_term)
        return a->last_term > b->last_term;
    return a->last > b->last;
}

static void pick(struct recovery *recovery)
{
    recovery->picked = &recovery->candidates[0];
    for (size_t i = 0; i < recovery->count; i++) {
        const struct candidate *candidate = &recovery->candidates[i];

        if (is_more_complete(candidate, recovery->picked))
            recovery->picked = candidate;
        if (candidate->start->raft.term > recovery->term)
            recovery->term = candidate->start->raft.term;
    }
    recovery->term += OFFLINE_TERM_LEAP;
}

static bool picked_is_member(const struct candidate *picked,
                             const struct raft_config *members)
{
    const struct raft_member *member = raft_config_find(members, picked->id);

    if (member != NULL && member->role == RAFT_MEMBER_VOTER)
        return true;
    ctl_complain("%s has the most complete log, and its node %" PRIu32
                 " is not %s: --members must name it",
                 picked->path, picked->id,
                 member == NULL ? "among the members" : "a voter");
    return false;
}

/* ---- telling ------------------------------------------------------------ */

static void add_number(struct table *table, uint64_t number)
{
    char text[CTL_NUMBER_SIZE];

    snprintf(text, sizeof(text), "%" PRIu64, number);
    table_add(table, STYLE_PLAIN, text);
}

static void print_table(const struct recovery *recovery,
                        const struct screen *screen)
{
    static const struct table_column columns[] = {
        {"DIRECTORY", false, true}, {"NODE", true, false},
        {"LAST TERM", true, false}, {"LAST", true, false},
        {"COMMIT", true, false},    {"", false, false}};
    struct table *table = table_new(columns, 6);

    for (size_t i = 0; i < recovery->count; i++) {
        const struct candidate *candidate = &recovery->candidates[i];

        table_add(table, STYLE_PLAIN, candidate->path);
        add_number(table, candidate->id);
        add_number(table, candidate->last_term);
        add_number(table, candidate->last);
        add_number(table, candidate->start->raft.commit);
        table_add(table, STYLE_PLAIN,
                  candidate == recovery->picked ? "picked" : "");
    }
    table_print(table, screen);
    table_free(table);
}

static bool was_given(const struct recovery *recovery, raft_id id,
                      uint64_t instance)
{
    for (size_t i = 0; i < recovery->count; i++) {
        const struct node_identity *identity =
            &recovery->candidates[i].start->identity;

        if (identity->id == id &&
            (instance == 0 || identity->instance == instance))
            return true;
    }
    return false;
}

/* Of one of the sets of a configuration. */
static bool is_majority(const struct recovery *recovery,
                        const struct raft_config *config, bool next)
{
    size_t given = 0;

    for (size_t i = 0; i < config->count; i++) {
        const struct raft_member *member = &config->members[i];

        if ((next ? member->next : member->role) == RAFT_MEMBER_VOTER)
            given += was_given(recovery, member->id, member->instance);
    }
    return given * 2 > raft_config_voters(config, next);
}

static void print_losses(const struct recovery *recovery, FILE *file)
{
    const struct raft_start *raft = &recovery->picked->start->raft;
    const struct blob *newest = raft->configs[raft->config_count - 1].payload;
    struct raft_config config;

    if (!raft_config_decode(newest->data, newest->size, &config))
        return; /* offline_start() has read it before */
    if (is_majority(recovery, &config, false) &&
        is_majority(recovery, &config, true)) {
        fputs("These directories are a majority: nothing that was committed "
              "is lost, and\nstarting these nodes would do.\n",
              file);
        return;
    }
    fprintf(file,
            "May be lost: every entry behind %" PRIu64
            " that only these nodes had:",
            raft->last);
    for (size_t i = 0; i < config.count; i++) {
        const struct raft_member *member = &config.members[i];

        if (raft_config_votes(&config, member->id) &&
            !was_given(recovery, member->id, member->instance))
            fprintf(file, " %" PRIu32 "=%s", member->id, member->address);
    }
    fputc('\n', file);
}

/* With --json standard output is for one object: who is asked sees the plan
 * where the question is. */
static void print_plan(const struct recovery *recovery,
                       const struct raft_config *members, bool json)
{
    struct screen screen =
        json ? (struct screen){.file = stderr} : screen_of_stdout();
    FILE *file = screen.file;
    const struct raft_start *raft = &recovery->picked->start->raft;

    print_table(recovery, &screen);
    fputc('\n', file);
    print_losses(recovery, file);
    if (raft->last > raft->commit)
        fprintf(file,
                "Entries %" PRIu64 "..%" PRIu64
                " may never have been committed; they will be.\n",
                raft->commit + 1, raft->last);
    fprintf(file,
            "Node %" PRIu32 " begins a new epoch in term %" PRIu64
            ", as the only voter%s.\n"
            "The old nodes, and their directories, are refused for ever: "
            "delete those.\n",
            recovery->picked->id, recovery->term,
            members->count > 1 ? "; the other members are its learners" : "");
}

static void print_done(const struct ctl *ctl, const struct recovery *recovery,
                       const struct raft_config *members, uint64_t epoch)
{
    const struct candidate *picked = recovery->picked;
    struct json json = {0};
    char text[CTL_NUMBER_SIZE];

    if (!ctl->options.json) {
        printf("Done: start node %" PRIu32 " on %s.\n", picked->id,
               picked->path);
        if (members->count > 1)
            puts("Start the others on empty directories; they catch up as "
                 "learners.\nThen make them voters: raftctl promote ID...");
        return;
    }
    snprintf(text, sizeof(text), "%" PRIu64, epoch);
    json_open(&json, '{');
    json_named_text(&json, "directory", picked->path);
    json_named_u64(&json, "node_id", picked->id);
    json_named_u64(&json, "last_index", picked->last);
    json_named_u64(&json, "term", recovery->term);
    json_named_text(&json, "epoch", text);
    json_close(&json, '}');
    json_print(&json, stdout);
    json_free(&json);
}

/* ---- doing it ----------------------------------------------------------- */

static bool choose(struct recovery *recovery, const struct raft_config *members)
{
    for (size_t i = 0; i < recovery->count; i++) {
        if (!look_at(&recovery->candidates[i]) ||
            !is_sound(&recovery->candidates[i]))
            return false;
    }
    if (!are_of_one_cluster(recovery))
        return false;
    pick(recovery);
    return picked_is_member(recovery->picked, members);
}

/* The lock is let go and taken again, as a daemon would take it. */
static enum ctl_status change(struct ctl *ctl, struct recovery *recovery,
                              const struct raft_config *members,
                              const char *version)
{
    size_t at = (size_t)(recovery->picked - recovery->candidates);
    struct candidate *picked = &recovery->candidates[at];
    uint64_t epoch = offline_new_epoch();
    struct store_error error;

    offline_close(picked->offline);
    picked->offline = NULL;
    picked->start = NULL;
    if (!offline_recover(picked->path, picked->id, members, recovery->term,
                         epoch, version, &error))
        return ctl_store_failed(&error);
    print_done(ctl, recovery, members, epoch);
    return CTL_DONE;
}

enum ctl_status recover(struct ctl *ctl, const struct raft_config *members,
                        char **directories, size_t count, const char *version)
{
    struct recovery recovery = {.count = count};
    enum ctl_status status = CTL_REFUSED;

    recovery.candidates = x_calloc(count, sizeof(*recovery.candidates));
    for (size_t i = 0; i < count; i++)
        recovery.candidates[i].path = directories[i];
    if (choose(&recovery, members)) {
        bool asks = (ctl->options.given & OPTION_YES) == 0;

        if (!ctl->options.json || asks)
            print_plan(&recovery, members, ctl->options.json);
        if (confirm(ctl))
            status = change(ctl, &recovery, members, version);
    }
    for (size_t i = 0; i < count; i++)
        offline_close(recovery.candidates[i].offline);
    free(recovery.candidates);
    return status;
}
