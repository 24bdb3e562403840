#include "node/command.h"

#include <stdio.h>

#include "base/text.h"
#include "node/commands.h"

static const struct command table[] = {
    {"ACK", "index", "The app has applied the log up to index.", 2, 2, true,
     command_ack},
    {"BARRIER", "[timeout-ms]",
     "Wait until a read of the app's state is linearizable.", 1, 2, false,
     command_barrier},
    {"CLIENT",
     "ID | GETNAME | SETNAME name | SETINFO attribute value | INFO | LIST",
     "About this connection, and all.", 2, -1, false, command_client},
    {"COMMAND", "[COUNT | LIST | DOCS [name …] | INFO [name …]]",
     "The commands there are.", 1, -1, false, command_command},
    {"COMPACT", "index [FORCE]",
     "Drop this node's log up to index, without a snapshot.", 2, 3, false,
     command_compact},
    {"CONFIG",
     "[HISTORY | BOOTSTRAP member … | CHANGE member … | ADD member … | "
     "REMOVE id … | PROMOTE id … | DEMOTE id … | REPLACE id[=host:port] | "
     "PLAN member … | ABORT | GET pattern … | SET key value …]",
     "The members, changes of them, and run-time parameters.", 1, -1, false,
     command_config},
    {"DIGEST", "[index]", "The digest of the log up to a committed index.", 1,
     2, false, command_digest},
    {"ECHO", "message", "Reply with the message.", 2, 2, false, command_echo},
    {"EVENTS", "", "Stream changes of role, leader, members, cluster.", 1, 1,
     true, command_events},
    {"FOLLOW", "[from]", "Stream committed entries.", 1, 2, true,
     command_follow},
    {"HELLO", "[2 | 3 [SETNAME name]]", "Choose the protocol version.", 1, -1,
     false, command_hello},
    {"INFO", "[section …]", "The state of the node, as text.", 1, -1, false,
     command_info},
    {"OUTCOME", "key [SINCE index]",
     "The index of the committed entry that carries a key.", 2, 4, false,
     command_outcome},
    {"PING", "[message]", "Reply PONG, or the message.", 1, 2, true,
     command_ping},
    {"QUIT", "", "Answer what was asked, and close.", 1, 1, true, command_quit},
    {"READ", "from [COUNT n] [BLOCK ms]", "Committed entries from an index.", 2,
     6, false, command_read},
    {"RESET", "", "Forget what this connection has set.", 1, 1, false,
     command_reset},
    {"ROLE", "", "Role, term, leader, commit index.", 1, 1, false,
     command_role},
    {"SELECT", "0", "For clients that select a database.", 2, 2, false,
     command_select},
    {"SNAPSHOT",
     "INFO | READ offset count [INDEX index] | BEGIN index | WRITE bytes | "
     "END | ABORT",
     "Download or upload a snapshot of the app's state.", 2, 6, false,
     command_snapshot},
    {"SUBMIT",
     "payload [KEY key [SINCE index]] [TERM term] [AFTER index] [TIMEOUT ms]",
     "Append a payload to the log; reply with its index once committed.", 2, 12,
     false, command_submit},
    {"TRANSFER", "[id]", "Hand leadership over to a voter.", 1, 2, false,
     command_transfer},
    {"WAIT", "index [timeout-ms]", "Wait until an index is committed here.", 2,
     3, false, command_wait},
    {"WHY", "", "What is wrong, as text for people, and the next step.", 1, 1,
     false, command_why},
};

const struct command *command_table(size_t *count)
{
    *count = sizeof(table) / sizeof(table[0]);
    return table;
}

const struct command *command_find(const struct resp_word *name)
{
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        if (name->data != NULL &&
            text_is((const char *)name->data, name->size, table[i].name)) {
            return &table[i];
        }
    }
    return NULL;
}

static void no_such(struct node *node, struct request *request,
                    const struct resp_word *name)
{
    char shown[65] = "";
    if (name->data != NULL) {
        text_printable(shown, sizeof(shown), name->data, name->size);
    }
    request_error(node, request, ERROR_ERR,
                  "unknown command '%s': COMMAND LIST names those there are",
                  shown);
}

static bool right_count(const struct command *command, size_t count)
{
    return count >= (size_t)command->words_min &&
           (command->words_max < 0 || count <= (size_t)command->words_max);
}

void command_dispatch(struct node *node, struct session *session,
                      const struct resp_request *args)
{
    struct request *request = request_new(node, session);
    const struct command *command = command_find(&args->words[0]);
    if (command == NULL) {
        no_such(node, request, &args->words[0]);
    } else if (!right_count(command, args->count)) {
        request_error(node, request, ERROR_ERR,
                      "wrong number of arguments: expected %s%s%s",
                      command->name, command->arguments[0] == '\0' ? "" : " ",
                      command->arguments);
    } else if (session_streams(session) && !command->streaming) {
        request_error(node, request, ERROR_ERR,
                      "%s cannot be asked on a connection that streams: only "
                      "FOLLOW, EVENTS, ACK, PING and QUIT can",
                      command->name);
    } else {
        command->run(node, session, request, args);
    }
}

/* ---- arguments ---------------------------------------------------------- */

bool command_is(const struct resp_word *word, const char *name)
{
    return word->data != NULL &&
           text_is((const char *)word->data, word->size, name);
}

bool command_number(struct node *node, struct request *request,
                    const struct resp_word *word, const char *what,
                    uint64_t *value)
{
    if (word->data != NULL &&
        text_to_u64((const char *)word->data, word->size, value) &&
        *value <= INT64_MAX) {
        return true;
    }
    char shown[33] = "";
    if (word->data != NULL) {
        text_printable(shown, sizeof(shown), word->data, word->size);
    }
    request_error(node, request, ERROR_ERR,
                  "%s is '%s': expected a number from 0 to "
                  "9223372036854775807",
                  what, shown);
    return false;
}

struct blob *command_key(struct node *node, struct request *request,
                         const struct resp_word *word)
{
    if (word->data == NULL || word->size < 1 || word->size > RAFT_KEY_MAX) {
        request_error(node, request, ERROR_ERR,
                      "the key has %zu bytes: expected 1 to %zu", word->size,
                      RAFT_KEY_MAX);
        return NULL;
    }
    return blob_copy(word->data, word->size);
}

bool command_timeout(struct node *node, struct request *request,
                     const struct resp_word *word, uint64_t *timeout_us)
{
    uint64_t ms;
    if (!command_number(node, request, word, "the time-out", &ms)) {
        return false;
    }
    /* Ten years are as good as for ever, and can be counted. */
    uint64_t most = UINT64_C(315360000000);
    *timeout_us = (ms < most ? ms : most) * 1000;
    return true;
}

void command_syntax(struct node *node, struct request *request,
                    const struct resp_word *word, const char *expected)
{
    char shown[33] = "";
    if (word->data != NULL) {
        text_printable(shown, sizeof(shown), word->data, word->size);
    }
    request_error(node, request, ERROR_ERR, "syntax error at '%s': expected %s",
                  shown, expected);
}
