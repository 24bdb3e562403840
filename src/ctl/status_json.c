/* The status for programs.  Names and types are documented in raftctl(1):
 * they stay, and others may be added. */
#include "ctl/status.h"

#include <ctype.h>
#include <string.h>

/* How a value of INFO is written. */
enum json_kind {
    JSON_NUMBER,   /* null where it is none */
    JSON_OPTIONAL, /* the same, and -1 is null */
    JSON_WORD      /* a string; null where it is empty */
};

struct json_row {
    const char *name;
    const char *section;
    const char *key;
    enum json_kind kind;
};

static const struct json_row rows[] = {
    {"node", "Server", "node_id", JSON_NUMBER},
    {"version", "Server", "version", JSON_WORD},
    {"process_id", "Server", "process_id", JSON_NUMBER},
    {"uptime_s", "Server", "uptime_in_seconds", JSON_NUMBER},
    {"cluster", "Server", "cluster", JSON_WORD},
    {"cluster_id", "Server", "cluster_id", JSON_WORD},
    {"instance", "Server", "instance", JSON_WORD},
    {"epoch", "Server", "epoch", JSON_WORD},
    {"role", "Raft", "role", JSON_WORD},
    {"term", "Raft", "term", JSON_NUMBER},
    {"voted_for", "Raft", "voted_for", JSON_OPTIONAL},
    {"leader", "Raft", "leader", JSON_OPTIONAL},
    {"leader_address", "Raft", "leader_address", JSON_WORD},
    {"commit_index", "Raft", "commit_index", JSON_NUMBER},
    {"applied_index", "Raft", "applied_index", JSON_NUMBER},
    {"last_index", "Raft", "last_index", JSON_NUMBER},
    {"saved_index", "Raft", "saved_index", JSON_NUMBER},
    {"first_index", "Raft", "first_index", JSON_NUMBER},
    {"waiting_for", "Raft", "waiting_for", JSON_WORD},
};

static void write_number(struct json *json, const char *text, bool optional)
{
    int64_t value;

    if (!text_to_i64(text, strlen(text), &value) || (optional && value == -1))
        json_null(json);
    else
        json_i64(json, value);
}

static void write_row(struct json *json, const struct status *status,
                      const struct json_row *row)
{
    const char *text = info_get(&status->info, row->section, row->key);

    json_name(json, row->name);
    if (text == NULL || text[0] == 0)
        json_null(json);
    else if (row->kind == JSON_WORD)
        json_text(json, text, strlen(text));
    else
        write_number(json, text, row->kind == JSON_OPTIONAL);
}

static void write_named_number(struct json *json, const char *name,
                               const char *text)
{
    json_name(json, name);
    write_number(json, text, true);
}

static void write_member(struct json *json, const struct status_member *row)
{
    json_open(json, '{');
    json_named_u64(json, "id", row->member.id);
    json_named_text(json, "address", row->member.address);
    json_named_text(json, "role", row->member.role);
    json_name(json, "configured");
    json_bool(json, row->configured);
    json_name(json, "self");
    json_bool(json, row->self);
    json_named_text(json, "link", row->link[0] == 0 ? NULL : row->link);
    json_named_text(json, "state", row->state[0] == 0 ? NULL : row->state);
    write_named_number(json, "match", row->match);
    write_named_number(json, "next", row->next);
    write_named_number(json, "inflight", row->inflight);
    write_named_number(json, "inflight_bytes", row->inflight_bytes);
    write_named_number(json, "lag", row->lag);
    write_named_number(json, "last_contact_ms", row->last_contact_ms);
    json_close(json, '}');
}

/* Sections that are written above, key by key. */
static bool is_known_section(const char *section)
{
    return section[0] == 0 || strcmp(section, "Server") == 0 ||
           strcmp(section, "Raft") == 0 || strcmp(section, "Peers") == 0;
}

static void write_value(struct json *json, const char *text)
{
    int64_t value;

    if (text_to_i64(text, strlen(text), &value))
        json_i64(json, value);
    else
        json_text(json, text, strlen(text));
}

/* "storage": {"db_bytes": …}: all that the node says of a section. */
static void write_section(struct json *json, const struct status *status,
                          size_t first)
{
    const char *section = status->info.lines[first].section;
    char name[64];
    size_t i;

    for (i = 0; section[i] != 0 && i + 1 < sizeof(name); i++) {
        unsigned char letter = (unsigned char)section[i];

        name[i] = isalnum(letter) ? (char)tolower(letter) : '_';
    }
    name[i] = 0;
    json_name(json, name);
    json_open(json, '{');
    for (i = first; i < status->info.count; i++) {
        const struct info_line *line = &status->info.lines[i];

        if (line->section != section)
            break;
        json_name(json, line->key);
        write_value(json, line->value);
    }
    json_close(json, '}');
}

void status_print_json(const struct status *status, FILE *file)
{
    const char *before = NULL;
    struct json json = {0};

    json_open(&json, '{');
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        write_row(&json, status, &rows[i]);
    json_name(&json, "members");
    json_open(&json, '[');
    for (size_t i = 0; i < status->count; i++)
        write_member(&json, &status->members[i]);
    json_close(&json, ']');
    for (size_t i = 0; i < status->info.count; i++) {
        const char *section = status->info.lines[i].section;

        if (section != before && !is_known_section(section))
            write_section(&json, status, i);
        before = section;
    }
    json_close(&json, '}');
    json_print(&json, file);
    json_free(&json);
}
