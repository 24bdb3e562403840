/* Commands about the connection and the node: what Redis clients expect. */
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "node/commands.h"

/* ---- small ones --------------------------------------------------------- */

static void answer_word(struct node *node, struct request *request,
                        const struct resp_word *word)
{
    if (word->data == NULL) {
        request_error(node, request, ERROR_TOOBIG,
                      "the message has %zu bytes: too many to be sent back",
                      word->size);
        return;
    }
    resp_write_bulk(request_out(request), word->data, word->size);
    request_finish(node, request);
}

void command_ping(struct node *node, struct session *session,
                  struct request *request, const struct resp_request *args)
{
    (void)session;
    if (args->count > 1) {
        answer_word(node, request, &args->words[1]);
        return;
    }
    resp_write_simple(request_out(request), "PONG");
    request_finish(node, request);
}

void command_echo(struct node *node, struct session *session,
                  struct request *request, const struct resp_request *args)
{
    (void)session;
    answer_word(node, request, &args->words[1]);
}

void command_select(struct node *node, struct session *session,
                    struct request *request, const struct resp_request *args)
{
    (void)session;
    uint64_t number;
    if (!command_number(node, request, &args->words[1], "the database",
                        &number)) {
        return;
    }
    if (number != 0) {
        request_error(node, request, ERROR_ERR,
                      "DB index is out of range: there is only 0");
        return;
    }
    request_ok(node, request);
}

void command_quit(struct node *node, struct session *session,
                  struct request *request, const struct resp_request *args)
{
    (void)args;
    session->closing = true;
    request_ok(node, request);
}

void command_reset(struct node *node, struct session *session,
                   struct request *request, const struct resp_request *args)
{
    (void)args;
    session->resp = 2;
    session->name[0] = '\0';
    upload_abort(node, session);
    download_end(node, session);
    resp_write_simple(request_out(request), "RESET");
    request_finish(node, request);
}

void command_role(struct node *node, struct session *session,
                  struct request *request, const struct resp_request *args)
{
    (void)session;
    (void)args;
    struct raft_status status;
    raft_status(node->raft, &status);
    struct out *out = request_out(request);
    resp_write_array(out, 4);
    resp_write_text(out, node_role_word(node));
    resp_write_integer(out, (int64_t)status.term);
    resp_write_integer(
        out, status.leader == RAFT_ID_NONE ? -1 : (int64_t)status.leader);
    resp_write_integer(out, (int64_t)node->told);
    request_finish(node, request);
}

void command_info(struct node *node, struct session *session,
                  struct request *request, const struct resp_request *args)
{
    (void)session;
    struct buf text = {0};
    if (args->count == 1) {
        node_info(node, NULL, &text);
    }
    for (size_t i = 1; i < args->count; i++) {
        char section[33] = "";
        if (args->words[i].data != NULL) {
            text_printable(section, sizeof(section), args->words[i].data,
                           args->words[i].size);
        }
        node_info(node, section, &text);
    }
    resp_write_bulk(request_out(request), text.data, text.size);
    buf_free(&text);
    request_finish(node, request);
}

void command_why(struct node *node, struct session *session,
                 struct request *request, const struct resp_request *args)
{
    (void)session;
    (void)args;
    struct buf text = {0};
    node_why(node, &text);
    resp_write_bulk(request_out(request), text.data, text.size);
    buf_free(&text);
    request_finish(node, request);
}

/* ---- HELLO -------------------------------------------------------------- */

static bool set_name(struct node *node, struct session *session,
                     struct request *request, const struct resp_word *word)
{
    bool plain = word->data != NULL && word->size < sizeof(session->name);
    for (size_t i = 0; plain && i < word->size; i++) {
        plain = word->data[i] > ' ' && word->data[i] < 0x7f;
    }
    if (!plain) {
        request_error(node, request, ERROR_ERR,
                      "a client's name is at most %zu characters, with no "
                      "space and nothing that cannot be printed",
                      sizeof(session->name) - 1);
        return false;
    }
    memcpy(session->name, word->data, word->size);
    session->name[word->size] = '\0';
    return true;
}

static bool hello_options(struct node *node, struct session *session,
                          struct request *request,
                          const struct resp_request *args)
{
    for (size_t i = 2; i < args->count; i += 2) {
        if (!command_is(&args->words[i], "SETNAME") || i + 1 == args->count) {
            command_syntax(node, request, &args->words[i],
                           "HELLO [2 | 3 [SETNAME name]]; there is no AUTH: "
                           "the socket's permissions decide who may connect");
            return false;
        }
        if (!set_name(node, session, request, &args->words[i + 1])) {
            return false;
        }
    }
    return true;
}

static void write_hello(struct node *node, const struct session *session,
                        struct out *out)
{
    resp_write_map(out, 7, session->resp);
    resp_write_text(out, "server");
    resp_write_text(out, "raftsc");
    resp_write_text(out, "version");
    resp_write_text(out, node->settings.version);
    resp_write_text(out, "proto");
    resp_write_integer(out, session->resp);
    resp_write_text(out, "id");
    resp_write_integer(out, (int64_t)session->client_id);
    resp_write_text(out, "mode");
    resp_write_text(out, "standalone");
    resp_write_text(out, "role");
    resp_write_text(out, node_role_word(node));
    resp_write_text(out, "modules");
    resp_write_array(out, 0);
}

void command_hello(struct node *node, struct session *session,
                   struct request *request, const struct resp_request *args)
{
    int version = session->resp;
    if (args->count > 1) {
        const struct resp_word *word = &args->words[1];
        if (!command_is(word, "2") && !command_is(word, "3")) {
            resp_write_error(request_out(request),
                             "NOPROTO unsupported protocol version: expected "
                             "2 or 3");
            request_finish(node, request);
            return;
        }
        version = word->data[0] - '0';
        if (!hello_options(node, session, request, args)) {
            return;
        }
    }
    session->resp = version;
    write_hello(node, session, request_out(request));
    request_finish(node, request);
}

/* ---- CLIENT ------------------------------------------------------------- */

static void client_line(const struct node *node, const struct session *session,
                        struct buf *buf)
{
    buf_printf(
        buf,
        "id=%llu name=%s age=%llu resp=%d requests=%zu out=%llu "
        "stream=%s%s\n",
        (unsigned long long)session->client_id, session->name,
        (unsigned long long)(node->now.mono_us - session->opened_us) / 1000000,
        session->resp, session->request_count,
        (unsigned long long)(session->unsent_bytes + session->out.size +
                             session->reply_bytes),
        session->feed.on ? "entries" : "", session->events.on ? "events" : "");
}

static void client_list(struct node *node, struct request *request)
{
    struct buf text = {0};
    list_each(at, following, &node->session_list)
    {
        client_line(node, list_entry(at, struct session, in_node), &text);
    }
    resp_write_bulk(request_out(request), text.data, text.size);
    buf_free(&text);
    request_finish(node, request);
}

static void client_info(struct node *node, struct session *session,
                        struct request *request)
{
    struct buf text = {0};
    client_line(node, session, &text);
    resp_write_bulk(request_out(request), text.data, text.size);
    buf_free(&text);
    request_finish(node, request);
}

void command_client(struct node *node, struct session *session,
                    struct request *request, const struct resp_request *args)
{
    const struct resp_word *what = &args->words[1];
    size_t count = args->count;
    if (command_is(what, "ID") && count == 2) {
        request_integer(node, request, session->client_id);
    } else if (command_is(what, "GETNAME") && count == 2) {
        resp_write_text(request_out(request), session->name);
        request_finish(node, request);
    } else if (command_is(what, "SETNAME") && count == 3) {
        if (set_name(node, session, request, &args->words[2])) {
            request_ok(node, request);
        }
    } else if (command_is(what, "SETINFO") && count == 4) {
        request_ok(node, request); /* a library tells its name and version */
    } else if (command_is(what, "INFO") && count == 2) {
        client_info(node, session, request);
    } else if (command_is(what, "LIST") && count == 2) {
        client_list(node, request);
    } else {
        command_syntax(node, request, what,
                       "CLIENT ID, GETNAME, SETNAME name, SETINFO attribute "
                       "value, INFO, or LIST");
    }
}

/* ---- COMMAND ------------------------------------------------------------ */

/* A name in lower case, as clients expect them. */
static void write_name(struct out *out, const char *name)
{
    char lower[32];
    size_t size = 0;
    for (; name[size] != '\0' && size < sizeof(lower) - 1; size++) {
        bool upper = name[size] >= 'A' && name[size] <= 'Z';
        lower[size] = (char)(name[size] + (upper ? 'a' - 'A' : 0));
    }
    resp_write_bulk(out, lower, size);
}

/* The first six fields of Redis: name, arity, flags, and no keys. */
static void write_info(struct out *out, const struct command *command)
{
    bool exact = command->words_min == command->words_max;
    resp_write_array(out, 6);
    write_name(out, command->name);
    resp_write_integer(out, exact ? command->words_min : -command->words_min);
    resp_write_array(out, 0);
    resp_write_integer(out, 0);
    resp_write_integer(out, 0);
    resp_write_integer(out, 0);
}

static void write_docs(struct out *out, const struct command *command,
                       int version)
{
    write_name(out, command->name);
    resp_write_map(out, 3, version);
    resp_write_text(out, "summary");
    resp_write_text(out, command->summary);
    resp_write_text(out, "since");
    resp_write_text(out, "0.1.0");
    resp_write_text(out, "group");
    resp_write_text(out, "generic");
}

/* Without names, all of them. */
static bool is_named(const struct resp_request *args,
                     const struct command *command)
{
    if (args->count <= 2) {
        return true;
    }
    for (size_t i = 2; i < args->count; i++) {
        if (command_is(&args->words[i], command->name)) {
            return true;
        }
    }
    return false;
}

/* INFO with names: a nil for each that there is not, as in Redis. */
static void info_of_named(struct node *node, struct session *session,
                          struct request *request,
                          const struct resp_request *args)
{
    struct out *out = request_out(request);
    resp_write_array(out, args->count - 2);
    for (size_t i = 2; i < args->count; i++) {
        const struct command *command = command_find(&args->words[i]);
        if (command == NULL) {
            resp_write_nil(out, session->resp);
        } else {
            write_info(out, command);
        }
    }
    request_finish(node, request);
}

static void list_commands(struct node *node, struct session *session,
                          struct request *request,
                          const struct resp_request *args, bool docs)
{
    size_t count;
    const struct command *table = command_table(&count);
    size_t named = 0;
    for (size_t i = 0; i < count; i++) {
        named += is_named(args, &table[i]);
    }
    struct out *out = request_out(request);
    if (docs) {
        resp_write_map(out, named, session->resp);
    } else {
        resp_write_array(out, named);
    }
    for (size_t i = 0; i < count; i++) {
        if (is_named(args, &table[i]) && docs) {
            write_docs(out, &table[i], session->resp);
        } else if (is_named(args, &table[i])) {
            write_info(out, &table[i]);
        }
    }
    request_finish(node, request);
}

static void list_names(struct node *node, struct request *request)
{
    size_t count;
    const struct command *table = command_table(&count);
    resp_write_array(request_out(request), count);
    for (size_t i = 0; i < count; i++) {
        write_name(request_out(request), table[i].name);
    }
    request_finish(node, request);
}

void command_command(struct node *node, struct session *session,
                     struct request *request, const struct resp_request *args)
{
    size_t count;
    command_table(&count);
    if (args->count > 2 && command_is(&args->words[1], "INFO")) {
        info_of_named(node, session, request, args);
    } else if (args->count == 1 || command_is(&args->words[1], "INFO")) {
        list_commands(node, session, request, args, false);
    } else if (command_is(&args->words[1], "COUNT") && args->count == 2) {
        request_integer(node, request, count);
    } else if (command_is(&args->words[1], "LIST") && args->count == 2) {
        list_names(node, request);
    } else if (command_is(&args->words[1], "DOCS")) {
        list_commands(node, session, request, args, true);
    } else {
        command_syntax(node, request, &args->words[1],
                       "COMMAND [COUNT | LIST | DOCS [name …] | INFO "
                       "[name …]]");
    }
}
