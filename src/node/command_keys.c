/* OUTCOME and DIGEST: what the log says, without reading entries. */

#include "node/commands.h"

/* ---- OUTCOME ------------------------------------------------------------ */

/* A read index is told here: what the log says of the key up to now is what
 * it said at some moment since the question came. */
void command_outcome_told(struct node *node, struct request *request)
{
    raft_index index = raft_key_index(node->raft, request->key);
    struct raft_status status;
    raft_status(node->raft, &status);
    if (index != 0) {
        request_integer(node, request, index);
    } else if (status.keys_forgotten > request->since) {
        request_error(node, request, ERROR_FORGOTTEN,
                      "keys of entries up to %llu are forgotten: whether this "
                      "one was among them, nobody knows",
                      (unsigned long long)status.keys_forgotten);
    } else {
        resp_write_nil(request_out(request), request->session->resp);
        request_finish(node, request);
    }
}

/* Without SINCE any forgotten key may be this one: nil must be true. */
void command_outcome(struct node *node, struct session *session,
                     struct request *request, const struct resp_request *args)
{
    (void)session;
    if (args->count == 3 ||
        (args->count == 4 && !command_is(&args->words[2], "SINCE"))) {
        command_syntax(node, request, &args->words[2],
                       "OUTCOME key [SINCE index]");
        return;
    }
    if (args->count == 4 && !command_number(node, request, &args->words[3],
                                            "SINCE", &request->since)) {
        return;
    }
    request->key = command_key(node, request, &args->words[1]);
    if (request->key != NULL && node_door(node, request) &&
        !command_not_leader(node, request)) {
        pending_barrier(node, request, node->settings.request_timeout_us);
    }
}

/* ---- DIGEST ------------------------------------------------------------- */

static void answer_digest(struct node *node, struct request *request,
                          struct digest chain)
{
    char hex[DIGEST_SIZE * 2 + 1];
    digest_to_hex(chain, hex);
    struct out *out = request_out(request);
    resp_write_array(out, 2);
    resp_write_integer(out, (int64_t)request->index);
    resp_write_bulk(out, hex, DIGEST_SIZE * 2);
    request_finish(node, request);
}

static void drop_digest(struct node *node, struct request *request)
{
    map_remove(&node->digests, request->forward);
}

static void ask_store(struct node *node, struct request *request)
{
    request->forward = node->next_read++;
    request->dropped = drop_digest;
    map_put(&node->digests, request->forward, request);
    struct node_read read = {.request = request->forward,
                             .first = request->index,
                             .last = request->index};
    node->store.read(node->store.context, &read);
}

static void compacted(struct node *node, struct request *request)
{
    struct raft_status status;
    raft_status(node->raft, &status);
    request_error(node, request, ERROR_COMPACTED,
                  "%llu is the first entry that the log still has",
                  (unsigned long long)status.first);
}

/* The log was cut while the store was asked: perhaps just there. */
static void answer_gone(struct node *node, struct request *request)
{
    struct digest chain;
    if (raft_chain_at(node->raft, request->index, &chain)) {
        answer_digest(node, request, chain);
    } else {
        compacted(node, request);
    }
}

static void answer_read(struct node *node, struct request *request,
                        const struct node_read_answer *answer)
{
    if (answer->entry_count > 0) {
        answer_digest(node, request, answer->entries[0].chain);
    } else if (answer->result == NODE_READ_CORRUPT) {
        request_error(node, request, ERROR_CORRUPT,
                      "%llu is damaged on this node's disk",
                      (unsigned long long)answer->index);
    } else if (answer->result == NODE_READ_GONE) {
        answer_gone(node, request);
    } else {
        request_error(node, request, ERROR_DISK, "the log cannot be read now");
    }
}

bool command_digest_read(struct node *node, struct node_read_answer *answer)
{
    struct request *request = map_remove(&node->digests, answer->request);
    if (request == NULL) {
        return false;
    }
    answer_read(node, request, answer);
    driver_read_clear(answer);
    return true;
}

void command_digest(struct node *node, struct session *session,
                    struct request *request, const struct resp_request *args)
{
    (void)session;
    struct raft_status status;
    struct digest chain;
    raft_status(node->raft, &status);
    request->index = node->told;
    if (args->count > 1 && !command_number(node, request, &args->words[1],
                                           "the index", &request->index)) {
        return;
    }
    if (request->index > node->told) {
        request_error(node, request, ERROR_ERR,
                      "%llu is not committed here yet: the commit index is "
                      "%llu",
                      (unsigned long long)request->index,
                      (unsigned long long)node->told);
    } else if (request->index + 1 < status.first) {
        compacted(node, request);
    } else if (raft_chain_at(node->raft, request->index, &chain)) {
        answer_digest(node, request, chain);
    } else {
        ask_store(node, request);
    }
}
