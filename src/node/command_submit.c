/* SUBMIT: what goes into the log. */
#include "node/commands.h"

static const char usage[] =
    "SUBMIT payload [KEY key [SINCE index]] [TERM term] [AFTER index] "
    "[TIMEOUT ms]";

/* ---- options ------------------------------------------------------------ */

enum { OPTION_KEY, OPTION_SINCE, OPTION_TERM, OPTION_AFTER, OPTION_TIMEOUT };

static const char *const options[] = {"KEY", "SINCE", "TERM", "AFTER",
                                      "TIMEOUT"};
#define OPTIONS (sizeof(options) / sizeof(options[0]))

static size_t option_of(const struct resp_word *word)
{
    size_t at = 0;
    while (at < OPTIONS && !command_is(word, options[at])) {
        at++;
    }
    return at;
}

static bool read_term(struct node *node, struct request *request,
                      const struct resp_word *word)
{
    if (!command_number(node, request, word, "the term", &request->fence)) {
        return false;
    }
    if (request->fence == 0) {
        request_error(node, request, ERROR_ERR,
                      "the term is 0: expected the one in which this app was "
                      "told that it leads");
        return false;
    }
    return true;
}

static bool read_option(struct node *node, struct request *request,
                        size_t option, const struct resp_word *value,
                        uint64_t *timeout_us)
{
    switch (option) {
    case OPTION_KEY:
        request->key = command_key(node, request, value);
        return request->key != NULL;
    case OPTION_SINCE:
        return command_number(node, request, value, "SINCE", &request->since);
    case OPTION_TERM:
        return read_term(node, request, value);
    case OPTION_AFTER:
        return command_number(node, request, value, "AFTER", &request->after);
    default:
        return command_timeout(node, request, value, timeout_us);
    }
}

static bool parse_submit(struct node *node, struct request *request,
                         const struct resp_request *args, uint64_t *timeout_us)
{
    unsigned seen = 0;
    for (size_t i = 2; i < args->count; i += 2) {
        const struct resp_word *word = &args->words[i];
        size_t option = option_of(word);
        if (option == OPTIONS || i + 1 == args->count) {
            command_syntax(node, request, word, usage);
            return false;
        }
        if ((seen & 1u << option) != 0) {
            request_error(node, request, ERROR_ERR, "%s is given twice",
                          options[option]);
            return false;
        }
        seen |= 1u << option;
        if (!read_option(node, request, option, word + 1, timeout_us)) {
            return false;
        }
    }
    if (request->since != RAFT_INDEX_NONE && request->key == NULL) {
        request_error(node, request, ERROR_ERR,
                      "SINCE is about a key: expected KEY too");
        return false;
    }
    return true;
}

/* ---- the door ----------------------------------------------------------- */

bool command_not_leader(struct node *node, struct request *request)
{
    struct raft_status status;
    raft_status(node->raft, &status);
    if (node->settings.forward || status.role == RAFT_ROLE_LEADER ||
        status.leader == RAFT_ID_NONE) {
        return false;
    }
    request_error(node, request, ERROR_NOTLEADER, "%lu %s",
                  (unsigned long)status.leader,
                  peers_address(node, status.leader));
    return true;
}

/* What is refused here has not been handed to anybody. */
static bool submit_door(struct node *node, struct request *request,
                        const struct resp_word *payload)
{
    if (payload->data == NULL || payload->size > node->settings.max_payload) {
        request_error(node, request, ERROR_TOOBIG,
                      "the payload has %zu bytes: expected at most %llu "
                      "(max-payload)",
                      payload->size,
                      (unsigned long long)node->settings.max_payload);
        return false;
    }
    if (!node_door(node, request) || command_not_leader(node, request)) {
        return false;
    }
    if (node->stopping) {
        request_error(node, request, ERROR_NOLEADER,
                      "this node is stopping: ask another one");
        return false;
    }
    if (node->no_room) {
        request_error(node, request, ERROR_DISK,
                      "the disk of this node is full: nothing can be saved");
        return false;
    }
    if (node->submit_bytes > 0 &&
        node->submit_bytes + payload->size > node->settings.max_pending_bytes) {
        request_error(node, request, ERROR_BUSY,
                      "%zu bytes wait to be committed: at most %llu do "
                      "(max-pending)",
                      node->submit_bytes,
                      (unsigned long long)node->settings.max_pending_bytes);
        return false;
    }
    return true;
}

void command_submit(struct node *node, struct session *session,
                    struct request *request, const struct resp_request *args)
{
    (void)session;
    const struct resp_word *payload = &args->words[1];
    uint64_t timeout_us = node->settings.request_timeout_us;
    request->since = RAFT_INDEX_NONE;
    request->after = RAFT_INDEX_NONE;
    if (parse_submit(node, request, args, &timeout_us) &&
        submit_door(node, request, payload)) {
        request->payload = resp_word_blob(payload);
        submit_add(node, request, timeout_us);
    }
}
