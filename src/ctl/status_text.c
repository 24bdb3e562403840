/* The status for people: read in 80 columns, and without colours. */
#include "ctl/status.h"

#include <inttypes.h>
#include <string.h>

static const char *text_or(const struct status *status, const char *section,
                           const char *key, const char *instead)
{
    const char *value = info_get(&status->info, section, key);

    return value == NULL || value[0] == 0 ? instead : value;
}

static void print_label(const struct screen *screen, const char *label)
{
    char text[16];

    snprintf(text, sizeof(text), "%-9s", label);
    screen_text(screen, STYLE_TITLE, text);
}

static void print_cluster(const struct status *status,
                          const struct screen *screen)
{
    const char *id = text_or(status, "Server", "cluster_id", "");
    bool has_id = strspn(id, "0") != strlen(id);

    print_label(screen, "cluster");
    fputs(text_or(status, "Server", "cluster", "?"), screen->file);
    /* Enough of it to tell two clusters apart; JSON has all. */
    if (has_id)
        fprintf(screen->file, ", id %.12s, epoch %s", id,
                text_or(status, "Server", "epoch", "0"));
    fputc('\n', screen->file);
}

static void print_node(const struct status *status, const struct screen *screen)
{
    const char *role = text_or(status, "Raft", "role", "?");

    print_label(screen, "node");
    fprintf(screen->file, "%s, ", text_or(status, "Server", "node_id", "?"));
    screen_text(screen, strcmp(role, "leader") == 0 ? STYLE_GOOD : STYLE_PLAIN,
                role);
    fprintf(screen->file, ", term %s, raftsc %s, up %s s\n",
            text_or(status, "Raft", "term", "?"),
            text_or(status, "Server", "version", "?"),
            text_or(status, "Server", "uptime_in_seconds", "?"));
}

/* In a joint configuration there are two sets of voters: those that stay are
 * in both, and `moving` names those that are in one of them alone. */
static void print_majority(const struct status *status, const char *moving,
                           const char *of, FILE *file)
{
    size_t voters = 0;
    size_t up = 0;

    for (size_t i = 0; i < status->count; i++) {
        const struct status_member *row = &status->members[i];
        bool votes = strcmp(row->member.role, "voter") == 0 ||
                     strcmp(row->member.role, moving) == 0;

        if (!row->configured || !votes)
            continue;
        voters++;
        up += row->self || strcmp(row->link, "up") == 0;
    }
    if (voters > 0)
        fprintf(file, "; %zu of %zu %svoters in touch, %zu needed", up, voters,
                of, voters / 2 + 1);
}

static bool is_joint(const struct status *status)
{
    for (size_t i = 0; i < status->count; i++) {
        const char *role = status->members[i].member.role;

        if (strcmp(role, "incoming") == 0 || strcmp(role, "outgoing") == 0)
            return true;
    }
    return false;
}

static void print_no_leader(const struct status *status,
                            const struct screen *screen)
{
    screen_text(screen, STYLE_BAD, "none");
    if (is_joint(status)) {
        print_majority(status, "outgoing", "old ", screen->file);
        print_majority(status, "incoming", "new ", screen->file);
    } else {
        print_majority(status, "voter", "", screen->file);
    }
    fputc('\n', screen->file);
}

static void print_leader(const struct status *status,
                         const struct screen *screen)
{
    const char *leader = text_or(status, "Raft", "leader", "-1");
    const char *address = text_or(status, "Raft", "leader_address", "");

    print_label(screen, "leader");
    if (strcmp(leader, "-1") == 0) {
        print_no_leader(status, screen);
        return;
    }
    fprintf(screen->file, "%s%s%s\n", leader, address[0] == 0 ? "" : " at ",
            address);
}

static void print_waiting(const struct status *status,
                          const struct screen *screen)
{
    const char *waiting = text_or(status, "Raft", "waiting_for", NULL);

    if (waiting != NULL) {
        print_label(screen, "note");
        fprintf(screen->file, "%s\n", waiting);
        return;
    }
    if (strcmp(text_or(status, "Raft", "role", ""), "idle") != 0)
        return;
    print_label(screen, "note");
    fputs("waits for its first configuration: see raftctl help bootstrap\n",
          screen->file);
}

static void print_log(const struct status *status, const struct screen *screen)
{
    print_label(screen, "log");
    fprintf(screen->file,
            "commit %s, last %s, first %s, applied by the app %s\n",
            text_or(status, "Raft", "commit_index", "?"),
            text_or(status, "Raft", "last_index", "?"),
            text_or(status, "Raft", "first_index", "?"),
            text_or(status, "Raft", "applied_index", "?"));
}

/* A node that leads tells of the change that it carries out. */
static void print_change(const struct status *status,
                         const struct screen *screen)
{
    static const char prefix[] = "catch_up_";
    const char *stage = text_or(status, "Change", "change_stage", "none");

    if (strcmp(stage, "none") == 0)
        return;
    print_label(screen, "change");
    fprintf(screen->file, "under way: %s", stage);
    for (size_t i = 0; i < status->info.count; i++) {
        const struct info_line *line = &status->info.lines[i];
        char match[CTL_NUMBER_SIZE];
        char target[CTL_NUMBER_SIZE];

        if (strcmp(line->section, "Change") == 0 &&
            strncmp(line->key, prefix, sizeof(prefix) - 1) == 0 &&
            info_field(line->value, "match", match, sizeof(match)) &&
            info_field(line->value, "target", target, sizeof(target)))
            fprintf(screen->file, "; node %s has %s of %s entries",
                    line->key + sizeof(prefix) - 1, match, target);
    }
    fputc('\n', screen->file);
}

/* A time as short as it is useful. */
static void contact_text(const char *ms_text, char out[24])
{
    uint64_t ms;

    if (strcmp(ms_text, "-1") == 0)
        snprintf(out, 24, "never");
    else if (!text_to_u64(ms_text, strlen(ms_text), &ms))
        snprintf(out, 24, "-");
    else if (ms < 1000)
        snprintf(out, 24, "%" PRIu64 " ms", ms);
    else if (ms < 100000)
        snprintf(out, 24, "%" PRIu64 ".%" PRIu64 " s", ms / 1000,
                 ms % 1000 / 100);
    else
        snprintf(out, 24, "%" PRIu64 " min", ms / 60000);
}

static const char *or_dash(const char *text)
{
    return text[0] == 0 ? "-" : text;
}

/* Match and lag mean something only on the leader. */
static void add_progress(struct table *table, const struct status *status,
                         const struct status_member *row, bool leads)
{
    const char *match = row->match;
    const char *lag = row->lag;

    if (row->self) {
        match = text_or(status, "Raft", "saved_index", "");
        lag = "";
    }
    table_add(table, STYLE_PLAIN, leads ? or_dash(match) : "-");
    table_add(table, STYLE_PLAIN, leads ? or_dash(lag) : "-");
}

static void add_row(struct table *table, const struct status *status,
                    const struct status_member *row, bool leads)
{
    char id[CTL_NUMBER_SIZE];
    char contact[24];
    bool up = strcmp(row->link, "up") == 0;
    const char *leader = text_or(status, "Raft", "leader", "-1");
    const char *link = row->self ? "self" : or_dash(row->link);

    snprintf(id, sizeof(id), "%" PRIu64, row->member.id);
    contact_text(row->last_contact_ms, contact);
    table_add(table, STYLE_PLAIN, id);
    table_add(table, STYLE_PLAIN, or_dash(row->member.address));
    table_add(table, STYLE_PLAIN, or_dash(row->member.role));
    table_add(table, STYLE_GOOD, strcmp(leader, id) == 0 ? "leader" : "");
    table_add(table, up || row->self ? STYLE_PLAIN : STYLE_BAD, link);
    add_progress(table, status, row, leads);
    table_add(table, STYLE_PLAIN, row->self ? "-" : contact);
}

static void print_members(const struct status *status,
                          const struct screen *screen)
{
    static const struct table_column columns[] = {
        {"ID", true, false},  {"ADDRESS", false, true}, {"ROLE", false, false},
        {"", false, false},   {"LINK", false, false},   {"MATCH", true, false},
        {"LAG", true, false}, {"CONTACT", true, false},
    };
    bool leads = strcmp(text_or(status, "Raft", "role", ""), "leader") == 0;
    struct table *table =
        table_new(columns, sizeof(columns) / sizeof(columns[0]));

    for (size_t i = 0; i < status->count; i++)
        add_row(table, status, &status->members[i], leads);
    fputc('\n', screen->file);
    table_print(table, screen);
    table_free(table);
}

void status_print(const struct status *status, const struct screen *screen)
{
    print_cluster(status, screen);
    print_node(status, screen);
    print_leader(status, screen);
    print_waiting(status, screen);
    print_log(status, screen);
    print_change(status, screen);
    if (status->count > 0)
        print_members(status, screen);
}
