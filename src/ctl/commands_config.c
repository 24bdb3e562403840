/* members, history, config get and set. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "base/text.h"
#include "ctl/command.h"
#include "ctl/members.h"
#include "ctl/table.h"

static void members_print_json(const struct member *members, size_t count)
{
    struct json json = {0};

    for (size_t i = 0; i < count; i++) {
        member_json(&json, &members[i]);
        json_print(&json, stdout);
    }
    json_free(&json);
}

static bool members_are_joint(const struct member *members, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(members[i].role, "incoming") == 0 ||
            strcmp(members[i].role, "outgoing") == 0)
            return true;
    }
    return false;
}

static void members_print(const struct member *members, size_t count)
{
    static const struct table_column columns[] = {
        {"ID", true, false}, {"ADDRESS", false, true}, {"ROLE", false, false}};
    struct screen screen = screen_of_stdout();
    struct table *table = table_new(columns, 3);

    for (size_t i = 0; i < count; i++) {
        char id[CTL_NUMBER_SIZE];

        snprintf(id, sizeof(id), "%" PRIu64, members[i].id);
        table_add(table, STYLE_PLAIN, id);
        table_add(table, STYLE_PLAIN, members[i].address);
        table_add(table, STYLE_PLAIN, members[i].role);
    }
    table_print(table, &screen);
    table_free(table);
    if (members_are_joint(members, count))
        puts("\nA change is under way, and needs a majority of each of the two "
             "sets of voters:\nraftctl why tells what it waits for.");
}

/* False: the reply has another shape. */
static bool members_read(const struct resp_value *reply, struct member *members)
{
    for (size_t i = 0; i < reply->count; i++) {
        const struct resp_value *item = &reply->children[i];

        if (item->type != RESP_BULK && item->type != RESP_SIMPLE)
            return false;
        if (!member_read(item->data, item->size, &members[i]))
            return false;
    }
    return reply->type == RESP_ARRAY;
}

enum ctl_status run_members(struct ctl *ctl, char **arguments, size_t count)
{
    static const char *const words[] = {"CONFIG", NULL};
    struct resp_value reply;
    struct member *members;
    enum ctl_status answer = ctl_ask_text(ctl, CTL_READS, words, &reply);

    (void)arguments;
    (void)count;
    if (answer != CTL_DONE)
        return answer;
    members = x_calloc(reply.count + 1, sizeof(*members));
    if (!members_read(&reply, members))
        answer = ctl_strange(CTL_READS);
    else if (ctl->options.json)
        members_print_json(members, reply.count);
    else if (reply.count > 0)
        members_print(members, reply.count);
    else
        ctl_complain("this node has no configuration");
    free(members);
    resp_value_clear(&reply);
    return answer;
}

/* One configuration of CONFIG HISTORY. */
static bool history_is_row(const struct resp_value *item)
{
    return item->type == RESP_ARRAY && item->count >= 4 &&
           item->children[0].type == RESP_INTEGER &&
           item->children[1].type == RESP_INTEGER &&
           item->children[2].type == RESP_INTEGER &&
           item->children[3].type == RESP_BULK;
}

static void history_print_json(const struct resp_value *fields)
{
    struct json json = {0};

    json_open(&json, '{');
    json_named_i64(&json, "index", fields[0].integer);
    json_named_i64(&json, "term", fields[1].integer);
    json_named_i64(&json, "unix_ms", fields[2].integer);
    json_name(&json, "members");
    members_json(&json, fields[3].data, fields[3].size);
    json_close(&json, '}');
    json_print(&json, stdout);
    json_free(&json);
}

static void history_add(struct table *table, const struct resp_value *fields)
{
    time_t seconds = (time_t)(fields[2].integer / 1000);
    char *members = x_malloc(fields[3].size + 1);
    char number[CTL_NUMBER_SIZE];
    char text[32] = "-"; /* entry 1 is the same on all: it has no time */
    struct tm parts;

    snprintf(number, sizeof(number), "%" PRId64, fields[0].integer);
    table_add(table, STYLE_PLAIN, number);
    snprintf(number, sizeof(number), "%" PRId64, fields[1].integer);
    table_add(table, STYLE_PLAIN, number);
    if (seconds != 0 && gmtime_r(&seconds, &parts) != NULL)
        strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &parts);
    table_add(table, STYLE_PLAIN, text);
    text_printable(members, fields[3].size + 1, fields[3].data, fields[3].size);
    table_add(table, STYLE_PLAIN, members);
    free(members);
}

/* The last column is as long as its members are: nothing is cut. */
static void history_print(const struct resp_value *reply)
{
    static const struct table_column columns[] = {{"INDEX", true, false},
                                                  {"TERM", true, false},
                                                  {"TIME", false, false},
                                                  {"MEMBERS", false, false}};
    struct screen screen = screen_of_stdout();
    struct table *table = table_new(columns, 4);

    for (size_t i = 0; i < reply->count; i++)
        history_add(table, reply->children[i].children);
    table_print(table, &screen);
    table_free(table);
}

enum ctl_status run_history(struct ctl *ctl, char **arguments, size_t count)
{
    static const char *const words[] = {"CONFIG", "HISTORY", NULL};
    struct resp_value reply;
    enum ctl_status answer = ctl_ask_text(ctl, CTL_READS, words, &reply);
    bool known;

    (void)arguments;
    (void)count;
    if (answer != CTL_DONE)
        return answer;
    known = reply.type == RESP_ARRAY;
    for (size_t i = 0; known && i < reply.count; i++)
        known = history_is_row(&reply.children[i]);
    if (!known)
        answer = ctl_strange(CTL_READS);
    else if (!ctl->options.json)
        history_print(&reply);
    for (size_t i = 0; known && ctl->options.json && i < reply.count; i++)
        history_print_json(reply.children[i].children);
    resp_value_clear(&reply);
    return answer;
}

static void parameter_print(const struct resp_value *pair, bool as_json)
{
    struct json json = {0};

    if (!as_json) {
        ctl_print_text(&pair[0], false);
        fputs(" = ", stdout);
        ctl_print_text(&pair[1], false);
        putchar('\n');
        return;
    }
    json_open(&json, '{');
    json_name(&json, "key");
    json_text(&json, pair[0].data, pair[0].size);
    json_name(&json, "value");
    json_text(&json, pair[1].data, pair[1].size);
    json_close(&json, '}');
    json_print(&json, stdout);
    json_free(&json);
}

enum ctl_status run_config_get(struct ctl *ctl, char **arguments, size_t count)
{
    const char *words[] = {"CONFIG", "GET", arguments[0], NULL};
    struct resp_value reply;
    enum ctl_status answer = ctl_ask_text(ctl, CTL_READS, words, &reply);
    bool known;

    (void)count;
    if (answer != CTL_DONE)
        return answer;
    known = reply.type == RESP_ARRAY && reply.count % 2 == 0;
    for (size_t i = 0; known && i < reply.count; i++)
        known = reply.children[i].type == RESP_BULK;
    if (!known)
        answer = ctl_strange(CTL_READS);
    for (size_t i = 0; known && i < reply.count; i += 2)
        parameter_print(&reply.children[i], ctl->options.json);
    resp_value_clear(&reply);
    return answer;
}

enum ctl_status run_config_set(struct ctl *ctl, char **arguments, size_t count)
{
    const char *words[] = {"CONFIG", "SET", arguments[0], arguments[1], NULL};
    struct resp_value reply;
    enum ctl_status answer = ctl_ask_text(ctl, CTL_CHANGES, words, &reply);

    (void)count;
    if (answer != CTL_DONE)
        return answer;
    if (!ctl_value_is(&reply, "OK"))
        answer = ctl_strange(CTL_CHANGES);
    else if (ctl->options.json)
        puts("{\"ok\":true}");
    resp_value_clear(&reply);
    return answer;
}
