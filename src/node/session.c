#include "node/session.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "node/command.h"

/* Words other than the payload are small; they always come through, so that a
 * request whose payload is too large can be answered. */
#define WORD_MIN ((size_t)64 * 1024)

/* ---- life --------------------------------------------------------------- */

void session_init(struct node *node)
{
    list_init(&node->session_list);
    list_init(&node->touched);
    list_init(&node->request_pool);
}

struct session *session_find(const struct node *node, node_conn conn)
{
    return map_get(&node->sessions, conn);
}

bool session_owns(const struct node *node, node_conn conn)
{
    return session_find(node, conn) != NULL;
}

void session_touch(struct node *node, struct session *session)
{
    if (list_empty(&session->in_touched)) {
        list_push_back(&node->touched, &session->in_touched);
    }
}

static size_t word_max(const struct node *node)
{
    return node->settings.max_payload > WORD_MIN
               ? (size_t)node->settings.max_payload
               : WORD_MIN;
}

void session_limit(const struct node *node, struct session *session)
{
    size_t most = word_max(node);
    if (session->uploads && most < NODE_FILE_READ_MAX) {
        most = NODE_FILE_READ_MAX;
    }
    resp_parser_limit(session->parser, most, most * 2);
}

void session_limits(struct node *node)
{
    list_each(at, following, &node->session_list)
    {
        session_limit(node, list_entry(at, struct session, in_node));
    }
}

static void refuse_client(struct node *node, node_conn conn)
{
    struct out out = {0};
    resp_write_error(&out, "ERR max number of clients reached");
    node->counters.errors[ERROR_ERR]++;
    node->net.send(node->net.context, conn, &out);
    node->net.close(node->net.context, conn, true);
}

static void open_session(struct node *node, node_conn conn)
{
    if (node->sessions.count >= node->settings.max_clients) {
        refuse_client(node, conn);
        return;
    }
    struct session *session = x_calloc(1, sizeof(*session));
    session->conn = conn;
    session->client_id = node->next_client++;
    session->opened_us = node->now.mono_us;
    session->resp = 2;
    session->parser = resp_parser_new(word_max(node), word_max(node) * 2);
    list_init(&session->in_touched);
    list_init(&session->requests);
    list_init(&session->reads);
    list_init(&session->downloads);
    list_init(&session->feed.in_list);
    list_init(&session->events.in_list);
    list_push_back(&node->session_list, &session->in_node);
    map_put(&node->sessions, conn, session);
    node->counters.connections++;
}

void session_free(struct node *node, struct session *session)
{
    while (!list_empty(&session->requests)) {
        request_drop(node, list_entry(session->requests.next, struct request,
                                      in_session));
    }
    upload_abort(node, session);
    feed_end(node, session);
    download_end(node, session);
    events_end(node, session);
    for (size_t i = 0; i < session->job.count; i++) {
        raft_entry_clear(&session->job.entries[i]);
    }
    free(session->job.entries);
    map_remove(&node->sessions, session->conn);
    list_remove(&session->in_node);
    list_remove(&session->in_touched);
    resp_parser_free(session->parser);
    buf_free(&session->unread);
    out_free(&session->out);
    free(session);
}

void session_free_all(struct node *node)
{
    list_each(at, following, &node->session_list)
    {
        session_free(node, list_entry(at, struct session, in_node));
    }
    list_each(at, following, &node->request_pool)
    {
        free(list_entry(at, struct request, in_session));
    }
    map_free(&node->sessions);
    map_free(&node->requests);
}

/* ---- limits ------------------------------------------------------------- */

bool session_streams(const struct session *session)
{
    return session->feed.on || session->events.on;
}

bool session_reads(const struct session *session)
{
    return session->job.active || !list_empty(&session->reads) ||
           session->downloading || !list_empty(&session->downloads);
}

static size_t room_beside(uint64_t waiting)
{
    return waiting < SESSION_OUTPUT_MAX ? SESSION_OUTPUT_MAX - (size_t)waiting
                                        : 0;
}

size_t session_room(const struct session *session)
{
    return room_beside(session->unsent_bytes + session->out.size +
                       session->reply_bytes);
}

bool session_has_room(const struct session *session,
                      const struct request *request)
{
    uint64_t leaving = session->unsent_bytes + session->out.size;
    return session_room(session) > 0 ||
           (request_is_first(request) && room_beside(leaving) > 0);
}

bool session_may_push(const struct session *session)
{
    if (session_room(session) == 0 || session->closing) {
        return false;
    }
    if (list_empty(&session->requests)) {
        return true;
    }
    const struct request *first =
        list_entry(session->requests.next, struct request, in_session);
    return first->ticket.number > session->stream_ticket;
}

static bool held_back(const struct session *session)
{
    return session->request_count >= SESSION_REQUESTS_MAX ||
           session_room(session) == 0 || upload_holds_back(session);
}

/* ---- requests ----------------------------------------------------------- */

static void protocol_error(struct node *node, struct session *session)
{
    struct request *request = request_new(node, session);
    session->closing = true;
    request_error(node, request, ERROR_ERR, "%s",
                  resp_parser_error(session->parser));
}

/* Works on requests until the input is used up or the session is held back;
 * returns how many bytes were used. */
static size_t work(struct node *node, struct session *session,
                   const uint8_t *data, size_t size)
{
    const uint8_t *at = data;
    while (!session->closing && !held_back(session)) {
        struct resp_request request;
        enum resp_result result =
            resp_parser_next(session->parser, &at, &size, &request);
        if (result == RESP_MORE) {
            break;
        }
        if (result == RESP_BAD) {
            protocol_error(node, session);
            break;
        }
        command_dispatch(node, session, &request);
    }
    return (size_t)(at - data);
}

static void set_paused(struct node *node, struct session *session, bool paused)
{
    if (session->paused != paused) {
        session->paused = paused;
        node->net.pause(node->net.context, session->conn, paused);
    }
}

static void take_bytes(struct node *node, struct session *session,
                       const uint8_t *data, size_t size)
{
    node->counters.app_bytes_in += size;
    if (session->closing) {
        return;
    }
    session_touch(node, session);
    size_t used = 0;
    if (session->unread.size == 0) {
        used = work(node, session, data, size);
    }
    if (used < size && !session->closing) {
        buf_append(&session->unread, data + used, size - used);
        set_paused(node, session, true);
    }
}

/* What was put off, now that there may be room. */
static void work_on_unread(struct node *node, struct session *session)
{
    if (session->unread.size == 0 || held_back(session)) {
        return;
    }
    /* Words of a request may lie in `unread` itself: it must stay in place
     * while they are worked on. */
    struct buf unread = session->unread;
    session->unread = (struct buf){0};
    size_t used = work(node, session, unread.data, unread.size);
    buf_consume(&unread, used);
    buf_free(&session->unread);
    session->unread = unread;
    if (unread.size == 0 || session->closing) {
        buf_free(&session->unread);
        set_paused(node, session, false);
    }
}

/* ---- the end of a turn -------------------------------------------------- */

static bool is_over(const struct session *session)
{
    if (!list_empty(&session->requests)) {
        return false;
    }
    if (session->closing) {
        return true;
    }
    /* Half closed: what was asked is answered; a stream goes on. */
    return session->eof && session->unread.size == 0 &&
           !session_streams(session);
}

static void send_out(struct node *node, struct session *session)
{
    if (session->out.size > 0) {
        session->unsent_bytes += session->out.size;
        node->counters.app_bytes_out += session->out.size;
        node->net.send(node->net.context, session->conn, &session->out);
    }
}

/* Work that was put off goes on, and pushes are written. */
static void go_on(struct node *node, struct session *session)
{
    work_on_unread(node, session);
    events_push(node, session);
    feed_resume(node, session);
    download_resume(node, session);
    if (session->unread.size == 0 && !held_back(session)) {
        set_paused(node, session, false);
    }
}

static void flush(struct node *node, struct session *session)
{
    send_out(node, session);
    if (is_over(session)) {
        node->net.close(node->net.context, session->conn, true);
        session_free(node, session);
    }
}

static struct session *take_first(struct list *list)
{
    struct session *session =
        list_entry(list->next, struct session, in_touched);
    list_remove(&session->in_touched);
    return session;
}

void session_flush_all(struct node *node)
{
    struct list ready;
    list_init(&ready);
    while (!list_empty(&node->touched)) {
        struct session *session = take_first(&node->touched);
        list_push_back(&ready, &session->in_touched);
        go_on(node, session);
    }
    feed_run(node);
    while (!list_empty(&ready)) {
        flush(node, take_first(&ready));
    }
    while (!list_empty(&node->touched)) {
        flush(node, take_first(&node->touched));
    }
}

/* ---- inputs ------------------------------------------------------------- */

static void drained(struct node *node, struct session *session, size_t size)
{
    assert(session->unsent_bytes >= size);
    bool was_full = session_room(session) == 0;
    session->unsent_bytes -= size;
    if (was_full || session->unread.size > 0) {
        session_touch(node, session);
    }
}

void session_input(struct node *node, const struct node_input *input)
{
    if (input->type == NODE_INPUT_APP_OPEN) {
        open_session(node, input->conn);
        return;
    }
    struct session *session = session_find(node, input->conn);
    assert(session != NULL);
    if (input->type == NODE_INPUT_BYTES) {
        take_bytes(node, session, input->data, input->size);
    } else if (input->type == NODE_INPUT_EOF) {
        session->eof = true;
        session_touch(node, session);
    } else if (input->type == NODE_INPUT_DRAINED) {
        drained(node, session, input->size);
    } else {
        session_free(node, session);
    }
}
