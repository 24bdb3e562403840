/* CONFIG: the members, and run-time parameters. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "node/commands.h"
#include "node/control.h"

/* ---- the members -------------------------------------------------------- */

static void list_members(struct node *node, struct request *request)
{
    const struct raft_config *config = raft_config_now(node->raft, NULL);
    struct out *out = request_out(request);
    size_t count = config == NULL ? 0 : config->count;
    resp_write_array(out, count);
    for (size_t i = 0; i < count; i++) {
        const struct raft_member *member = &config->members[i];
        char line[TEXT_ADDRESS_SIZE + 32];
        int size =
            snprintf(line, sizeof(line), "%lu=%s %s", (unsigned long)member->id,
                     member->address, raft_member_word(config, member));
        resp_write_bulk(out, line, (size_t)size);
    }
    request_finish(node, request);
}

static void list_history(struct node *node, struct request *request)
{
    size_t count;
    const struct raft_config_entry *history =
        raft_config_history(node->raft, &count);
    struct out *out = request_out(request);
    size_t told = 0;
    while (told < count && history[told].index <= node->told) {
        told++;
    }
    resp_write_array(out, told);
    for (size_t i = 0; i < told; i++) {
        struct raft_config config;
        struct buf members = {0};
        if (raft_config_decode(history[i].payload->data,
                               history[i].payload->size, &config)) {
            raft_config_text(&config, &members);
        }
        resp_write_array(out, 4);
        resp_write_integer(out, (int64_t)history[i].index);
        resp_write_integer(out, (int64_t)history[i].term);
        resp_write_integer(out, (int64_t)history[i].unix_ms);
        resp_write_bulk(out, members.data, members.size);
        buf_free(&members);
    }
    request_finish(node, request);
}

static void bootstrap(struct node *node, struct request *request,
                      const struct resp_request *args)
{
    struct buf list = {0};
    for (size_t i = 2; i < args->count; i++) {
        const struct resp_word *word = &args->words[i];
        if (word->data == NULL || memchr(word->data, '\0', word->size)) {
            buf_append_text(&list, "? ");
            continue;
        }
        buf_append(&list, word->data, word->size);
        buf_append_u8(&list, ' ');
    }
    buf_append_u8(&list, '\0');
    struct raft_config config;
    char why[512];
    if (raft_config_parse((const char *)list.data, &config, why, sizeof(why))) {
        birth_bootstrap(node, request, &config);
    } else {
        request_error(node, request, ERROR_ERR, "%s", why);
    }
    buf_free(&list);
}

/* ---- changes ------------------------------------------------------------ */

static const struct {
    const char *name;
    uint8_t what; /* enum frame_control_what */
} orders[] = {
    {"CHANGE", FRAME_CONTROL_CHANGE}, {"ADD", FRAME_CONTROL_ADD},
    {"REMOVE", FRAME_CONTROL_REMOVE}, {"PROMOTE", FRAME_CONTROL_PROMOTE},
    {"DEMOTE", FRAME_CONTROL_DEMOTE}, {"REPLACE", FRAME_CONTROL_REPLACE},
    {"PLAN", FRAME_CONTROL_PLAN},
};

/* False: the request is answered. */
static bool take_words(struct node *node, struct request *request,
                       const struct resp_word *words, size_t count,
                       struct frame_control *order)
{
    if (count > FRAME_CONTROL_WORDS_MAX) {
        request_error(node, request, ERROR_ERR, "more than %d words",
                      FRAME_CONTROL_WORDS_MAX);
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        if (words[i].data == NULL || words[i].size > FRAME_CONTROL_WORD_MAX) {
            request_error(node, request, ERROR_ERR,
                          "a member is id=host:port, of at most %d characters",
                          FRAME_CONTROL_WORD_MAX);
            return false;
        }
        order->words[i].text = (const char *)words[i].data;
        order->words[i].size = words[i].size;
    }
    order->count = count;
    return true;
}

static void ask(struct node *node, struct request *request, uint8_t what,
                const struct resp_request *args, size_t skip)
{
    struct frame_control order = {.what = what};
    size_t count = args->count - skip;
    if (what != FRAME_CONTROL_TRANSFER && what != FRAME_CONTROL_PLAN &&
        count > 1 && command_is(&args->words[args->count - 1], "FORCE")) {
        order.force = true;
        count--;
    }
    if (take_words(node, request, &args->words[skip], count, &order) &&
        node_door(node, request)) {
        control_ask(node, request, &order);
    }
}

static bool take_order(struct node *node, struct request *request,
                       const struct resp_request *args)
{
    for (size_t i = 0; i < sizeof(orders) / sizeof(orders[0]); i++) {
        if (args->count > 2 && command_is(&args->words[1], orders[i].name)) {
            ask(node, request, orders[i].what, args, 2);
            return true;
        }
    }
    if (args->count == 2 && command_is(&args->words[1], "ABORT")) {
        ask(node, request, FRAME_CONTROL_ABORT, args, 2);
        return true;
    }
    return false;
}

void command_transfer(struct node *node, struct session *session,
                      struct request *request, const struct resp_request *args)
{
    (void)session;
    ask(node, request, FRAME_CONTROL_TRANSFER, args, 1);
}

/* ---- run-time parameters ------------------------------------------------ */

static bool wanted(const struct resp_request *args, const char *name)
{
    for (size_t i = 2; i < args->count; i++) {
        const struct resp_word *word = &args->words[i];
        if (word->data != NULL &&
            text_matches((const char *)word->data, word->size, name,
                         strlen(name))) {
            return true;
        }
    }
    return false;
}

static void get_parameters(struct node *node, struct session *session,
                           struct request *request,
                           const struct resp_request *args)
{
    const struct node_parameters *parameters = &node->parameters;
    char value[NODE_PARAMETER_MAX];
    size_t found = 0;
    for (size_t i = 0; i < parameters->count; i++) {
        found += wanted(args, parameters->get(parameters->context, i, value,
                                              sizeof(value)));
    }
    struct out *out = request_out(request);
    resp_write_map(out, found, session->resp);
    for (size_t i = 0; i < parameters->count; i++) {
        const char *name =
            parameters->get(parameters->context, i, value, sizeof(value));
        if (wanted(args, name)) {
            resp_write_text(out, name);
            resp_write_text(out, value);
        }
    }
    request_finish(node, request);
}

static char *text_of(const struct resp_word *word)
{
    if (word->data == NULL || memchr(word->data, '\0', word->size) != NULL) {
        return NULL;
    }
    char *text = x_malloc(word->size + 1);
    memcpy(text, word->data, word->size);
    text[word->size] = '\0';
    return text;
}

static void clear_wanted(struct node_parameter *wanted, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free((void *)(uintptr_t)wanted[i].name);
        free((void *)(uintptr_t)wanted[i].value);
    }
    free(wanted);
}

/* All of them, or none. */
static void set_parameters(struct node *node, struct request *request,
                           const struct resp_request *args)
{
    const struct node_parameters *parameters = &node->parameters;
    size_t count = (args->count - 2) / 2;
    struct node_parameter *wanted = x_calloc(count, sizeof(*wanted));
    char why[512] = "a name or a value is not text";
    bool sound = true;
    for (size_t i = 0; i < count; i++) {
        wanted[i].name = text_of(&args->words[2 + i * 2]);
        wanted[i].value = text_of(&args->words[3 + i * 2]);
        sound = sound && wanted[i].name != NULL && wanted[i].value != NULL;
    }
    if (sound &&
        parameters->set(parameters->context, wanted, count, why, sizeof(why))) {
        request_ok(node, request);
    } else {
        request_error(node, request, ERROR_ERR, "%s", why);
    }
    clear_wanted(wanted, count);
}

void command_config(struct node *node, struct session *session,
                    struct request *request, const struct resp_request *args)
{
    const struct resp_word *what = &args->words[1];
    if (args->count == 1) {
        list_members(node, request);
    } else if (command_is(what, "HISTORY") && args->count == 2) {
        list_history(node, request);
    } else if (command_is(what, "BOOTSTRAP") && args->count > 2) {
        bootstrap(node, request, args);
    } else if (command_is(what, "GET") && args->count > 2) {
        get_parameters(node, session, request, args);
    } else if (command_is(what, "SET") && args->count > 2 &&
               args->count % 2 == 0) {
        set_parameters(node, request, args);
    } else if (!take_order(node, request, args)) {
        command_syntax(node, request, what,
                       "CONFIG, CONFIG HISTORY, CONFIG BOOTSTRAP member …, "
                       "CONFIG CHANGE | ADD | REPLACE member … [FORCE], "
                       "CONFIG REMOVE | PROMOTE | DEMOTE id … [FORCE], CONFIG "
                       "PLAN member …, CONFIG ABORT, CONFIG GET pattern …, or "
                       "CONFIG SET key value "
                       "…");
    }
}
