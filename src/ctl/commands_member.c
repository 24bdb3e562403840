/* add, remove, promote, demote, change, replace, plan, abort, transfer, and
 * bootstrap, whose arguments are members as well.  Arguments are checked
 * before anything is sent. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "core/config.h"
#include "ctl/change.h"
#include "ctl/command.h"
#include "ctl/json.h"

#define MEMBER_TEXT_SIZE (TEXT_ADDRESS_SIZE + 32)

/* What the arguments of a command are. */
enum list_kind {
    LIST_MEMBERS, /* id=host:port[/learner] */
    LIST_VOTERS,  /* the same, one of which votes: a whole configuration */
    LIST_IDS,
    LIST_REPLACEMENT /* an id, or id=host:port */
};

/* A request of CONFIG: a verb, and behind it at most so many members. */
struct list {
    const char *command; /* for complaints */
    enum list_kind kind;
    struct raft_config config; /* each id once */
    char texts[RAFT_MEMBERS_MAX][MEMBER_TEXT_SIZE];
    const char *words[RAFT_MEMBERS_MAX + 4]; /* ends with NULL */
    size_t word_count;
};

/* ---- the arguments ------------------------------------------------------ */

/* NULL: `text` is an id, now in *member; else what was expected. */
static const char *id_read(const char *text, size_t size,
                           struct raft_member *member)
{
    uint64_t id;

    if (!text_to_u64(text, size, &id) || id >= RAFT_ID_NONE)
        return "expected the id of a node, 0 to 4294967294";
    *member = (struct raft_member){.id = (raft_id)id};
    return NULL;
}

static const char *member_check(const char *text, size_t size,
                                enum list_kind kind, struct raft_member *member)
{
    const char *why = NULL;
    bool is_id = kind == LIST_IDS ||
                 (kind == LIST_REPLACEMENT && memchr(text, '=', size) == NULL);

    if (is_id)
        return id_read(text, size, member);
    if (!raft_member_parse(text, size, member, &why))
        return why;
    if (kind == LIST_REPLACEMENT && member->role == RAFT_MEMBER_LEARNER)
        return "a replacement takes the role that the node had, without "
               "/learner";
    return NULL;
}

/* False: printed. */
static bool list_add(struct list *list, const char *text, size_t size)
{
    size_t count = list->config.count;
    struct raft_member member;
    const char *why = NULL;

    if (size < MEMBER_TEXT_SIZE)
        why = member_check(text, size, list->kind, &member);
    else
        why = "longer than any member is";
    if (why == NULL && raft_config_find(&list->config, member.id) != NULL)
        why = "the id is named twice";
    if (why == NULL && !raft_config_add(&list->config, &member))
        why = "no configuration has more than 64 members";
    if (why != NULL) {
        ctl_complain("%s: '%.*s': %s", list->command, (int)size, text, why);
        return false;
    }
    memcpy(list->texts[count], text, size);
    list->texts[count][size] = 0;
    list->words[list->word_count++] = list->texts[count];
    return true;
}

/* Several of them may stand in one argument, separated as in a configuration
 * file.  False: printed. */
static bool list_take(struct list *list, char **arguments, size_t count)
{
    static const char between[] = ", \t\r\n";

    for (size_t i = 0; i < count; i++) {
        const char *at = arguments[i] + strspn(arguments[i], between);

        if (*at == 0) {
            ctl_complain("%s: an argument is empty", list->command);
            return false;
        }
        while (*at != 0) {
            size_t size = strcspn(at, between);

            if (!list_add(list, at, size))
                return false;
            at += size;
            at += strspn(at, between);
        }
    }
    if (list->kind == LIST_VOTERS &&
        raft_config_voters(&list->config, false) == 0) {
        ctl_complain("%s: none of these members votes", list->command);
        return false;
    }
    return true;
}

/* The caller frees it.  NULL: the arguments are wrong; printed. */
static struct list *list_new(const struct ctl *ctl, const char *verb,
                             const char *command, enum list_kind kind,
                             char **arguments, size_t count)
{
    struct list *list = x_calloc(1, sizeof(*list));

    list->command = command;
    list->kind = kind;
    list->words[list->word_count++] = "CONFIG";
    list->words[list->word_count++] = verb;
    if (!list_take(list, arguments, count)) {
        free(list);
        return NULL;
    }
    if ((ctl->options.given & OPTION_FORCE) != 0)
        list->words[list->word_count++] = "FORCE";
    return list;
}

/* ---- changes ------------------------------------------------------------ */

static enum ctl_status list_ask(struct ctl *ctl, const char *verb,
                                const char *command, enum list_kind kind,
                                char **arguments, size_t count)
{
    struct list *list = list_new(ctl, verb, command, kind, arguments, count);
    enum ctl_status answer = CTL_USAGE;

    if (list != NULL)
        answer = change_ask(
            ctl, list->words,
            "the change goes on: raftctl members and raftctl why tell how far "
            "it is, raftctl abort turns it back");
    free(list);
    return answer;
}

enum ctl_status run_add(struct ctl *ctl, char **arguments, size_t count)
{
    return list_ask(ctl, "ADD", "add", LIST_MEMBERS, arguments, count);
}

enum ctl_status run_remove(struct ctl *ctl, char **arguments, size_t count)
{
    return list_ask(ctl, "REMOVE", "remove", LIST_IDS, arguments, count);
}

enum ctl_status run_promote(struct ctl *ctl, char **arguments, size_t count)
{
    return list_ask(ctl, "PROMOTE", "promote", LIST_IDS, arguments, count);
}

enum ctl_status run_demote(struct ctl *ctl, char **arguments, size_t count)
{
    return list_ask(ctl, "DEMOTE", "demote", LIST_IDS, arguments, count);
}

enum ctl_status run_change(struct ctl *ctl, char **arguments, size_t count)
{
    return list_ask(ctl, "CHANGE", "change", LIST_VOTERS, arguments, count);
}

enum ctl_status run_replace(struct ctl *ctl, char **arguments, size_t count)
{
    return list_ask(ctl, "REPLACE", "replace", LIST_REPLACEMENT, arguments,
                    count);
}

enum ctl_status run_abort(struct ctl *ctl, char **arguments, size_t count)
{
    static const char *const words[] = {"CONFIG", "ABORT", NULL};

    (void)arguments;
    (void)count;
    return change_ask(ctl, words,
                      "the order stands: raftctl members and raftctl why tell "
                      "what comes of it");
}

enum ctl_status run_bootstrap(struct ctl *ctl, char **arguments, size_t count)
{
    struct list *list =
        list_new(ctl, "BOOTSTRAP", "bootstrap", LIST_VOTERS, arguments, count);
    enum ctl_status answer = CTL_USAGE;

    if (list == NULL)
        return CTL_USAGE;
    if (list->config.count > 1 && isatty(STDERR_FILENO))
        fputs("raftctl: waiting until all of them have been told and are up\n",
              stderr);
    answer = ctl_ask_number(ctl, CTL_BOOTSTRAP, list->words, "index");
    free(list);
    return answer;
}

/* ---- plan --------------------------------------------------------------- */

/* A line that begins so is a reason for which CHANGE would refuse. */
static bool is_refusal(const struct resp_value *line)
{
    static const char word[] = "refused";

    return line->size >= sizeof(word) - 1 &&
           memcmp(line->data, word, sizeof(word) - 1) == 0;
}

static void plan_print(const struct resp_value *lines, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        ctl_print_text(&lines[i], false);
        putchar('\n');
    }
}

static void plan_print_json(const struct resp_value *lines, size_t count,
                            bool refused)
{
    struct json json = {0};

    json_open(&json, '{');
    json_name(&json, "plan");
    json_open(&json, '[');
    for (size_t i = 0; i < count; i++)
        json_text(&json, lines[i].data, lines[i].size);
    json_close(&json, ']');
    json_name(&json, "refused");
    json_bool(&json, refused);
    json_close(&json, '}');
    json_print(&json, stdout);
    json_free(&json);
}

/* False: the reply has another shape. */
static bool plan_read(const struct resp_value *reply, bool *refused)
{
    *refused = false;
    for (size_t i = 0; i < reply->count; i++) {
        const struct resp_value *line = &reply->children[i];

        if (line->type != RESP_BULK && line->type != RESP_SIMPLE)
            return false;
        *refused = *refused || is_refusal(line);
    }
    return reply->type == RESP_ARRAY;
}

enum ctl_status run_plan(struct ctl *ctl, char **arguments, size_t count)
{
    struct list *list =
        list_new(ctl, "PLAN", "plan", LIST_VOTERS, arguments, count);
    struct resp_value reply;
    enum ctl_status answer = CTL_USAGE;
    bool refused;

    if (list != NULL)
        answer = ctl_ask_text(ctl, CTL_READS, list->words, &reply);
    free(list);
    if (answer != CTL_DONE)
        return answer;
    if (!plan_read(&reply, &refused)) {
        answer = ctl_strange(CTL_READS);
    } else {
        if (ctl->options.json)
            plan_print_json(reply.children, reply.count, refused);
        else
            plan_print(reply.children, reply.count);
        answer = refused ? CTL_REFUSED : CTL_DONE;
    }
    resp_value_clear(&reply);
    return answer;
}

/* ---- transfer ----------------------------------------------------------- */

/* [role, term, leader-id, commit-index]: who leads now, by this node. */
static enum ctl_status print_leader(struct ctl *ctl)
{
    static const char *const words[] = {"ROLE", NULL};
    struct resp_value reply;
    enum ctl_status answer = ctl_ask_text(ctl, CTL_READS, words, &reply);

    if (answer != CTL_DONE)
        return answer;
    if (reply.type != RESP_ARRAY || reply.count < 3 ||
        reply.children[1].type != RESP_INTEGER ||
        reply.children[2].type != RESP_INTEGER)
        answer = ctl_strange(CTL_READS);
    else if (!ctl->options.json)
        printf("%" PRId64 "\n", reply.children[2].integer);
    else
        printf("{\"leader\":%" PRId64 ",\"term\":%" PRId64 "}\n",
               reply.children[2].integer, reply.children[1].integer);
    resp_value_clear(&reply);
    return answer;
}

enum ctl_status run_transfer(struct ctl *ctl, char **arguments, size_t count)
{
    const char *words[] = {"TRANSFER", arguments[0], NULL};
    struct raft_member member;
    struct resp_value reply;
    enum ctl_status answer;
    const char *why = NULL;

    if (count > 0)
        why = id_read(arguments[0], strlen(arguments[0]), &member);
    if (why != NULL) {
        ctl_complain("transfer: '%s': %s", arguments[0], why);
        return CTL_USAGE;
    }
    answer = ctl_ask_text(ctl, CTL_CHANGES, words, &reply);
    if (answer != CTL_DONE)
        return answer;
    answer = ctl_value_is(&reply, "OK") ? CTL_DONE : ctl_strange(CTL_CHANGES);
    resp_value_clear(&reply);
    return answer == CTL_DONE ? print_leader(ctl) : answer;
}
