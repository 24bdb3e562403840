/* Commands about the log: what comes out of it, and what is known of it. */
#include "node/commands.h"

/* ---- WAIT, BARRIER ------------------------------------------------------ */

void command_wait(struct node *node, struct session *session,
                  struct request *request, const struct resp_request *args)
{
    (void)session;
    uint64_t index;
    uint64_t timeout_us = 0;
    if (command_number(node, request, &args->words[1], "the index", &index) &&
        (args->count < 3 ||
         command_timeout(node, request, &args->words[2], &timeout_us))) {
        pending_wait(node, request, index, timeout_us);
    }
}

void command_barrier(struct node *node, struct session *session,
                     struct request *request, const struct resp_request *args)
{
    (void)session;
    uint64_t timeout_us = node->settings.request_timeout_us;
    if (args->count > 1 &&
        !command_timeout(node, request, &args->words[1], &timeout_us)) {
        return;
    }
    if (node_door(node, request) && !command_not_leader(node, request)) {
        pending_barrier(node, request, timeout_us);
    }
}

/* ---- READ, FOLLOW, ACK, EVENTS ------------------------------------------ */

static bool parse_read(struct node *node, struct request *request,
                       const struct resp_request *args)
{
    request->count = 100;
    for (size_t i = 2; i < args->count; i += 2) {
        const struct resp_word *word = &args->words[i];
        bool last = i + 1 == args->count;
        if (command_is(word, "COUNT") && !last) {
            if (!command_number(node, request, word + 1, "COUNT",
                                &request->count)) {
                return false;
            }
            if (request->count == 0) {
                request_error(node, request, ERROR_ERR,
                              "COUNT is 0: expected at least 1");
                return false;
            }
        } else if (command_is(word, "BLOCK") && !last) {
            request->blocks = true;
            if (!command_timeout(node, request, word + 1, &request->block_us)) {
                return false;
            }
        } else {
            command_syntax(node, request, word,
                           "READ from [COUNT n] [BLOCK ms]");
            return false;
        }
    }
    return true;
}

/* Index 0 is before the first entry: the same as 1. */
static raft_index at_least_one(uint64_t index)
{
    return index == 0 ? 1 : index;
}

void command_read(struct node *node, struct session *session,
                  struct request *request, const struct resp_request *args)
{
    (void)session;
    uint64_t from;
    if (command_number(node, request, &args->words[1], "the index", &from) &&
        parse_read(node, request, args)) {
        request->index = at_least_one(from);
        feed_read(node, request);
    }
}

void command_follow(struct node *node, struct session *session,
                    struct request *request, const struct resp_request *args)
{
    uint64_t from = node->ack + 1;
    if (args->count > 1 &&
        !command_number(node, request, &args->words[1], "the index", &from)) {
        return;
    }
    /* Pushes begin once everything asked before is answered; the request
     * itself has no reply. */
    session->stream_ticket = request->ticket.number;
    feed_follow(node, session, at_least_one(from));
    request_finish(node, request);
}

void command_events(struct node *node, struct session *session,
                    struct request *request, const struct resp_request *args)
{
    (void)args;
    session->stream_ticket = request->ticket.number;
    events_watch(node, session);
    request_finish(node, request);
}

void command_ack(struct node *node, struct session *session,
                 struct request *request, const struct resp_request *args)
{
    uint64_t index;
    if (!command_number(node, request, &args->words[1], "the index", &index)) {
        return;
    }
    struct raft_status status;
    raft_status(node->raft, &status);
    if (index > node->told) {
        request_error(node, request, ERROR_ERR,
                      "%llu is not committed here yet: the commit index is "
                      "%llu",
                      (unsigned long long)index,
                      (unsigned long long)node->told);
    } else if (index + 1 < status.first) {
        request_error(node, request, ERROR_COMPACTED,
                      "%llu is the first entry that the log still has",
                      (unsigned long long)status.first);
    } else {
        download_acked(node, session, index);
        driver_ack(node, request, index);
    }
}
