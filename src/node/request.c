#include "node/request.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "node/session.h"
#include "wire/resp.h"

static const char *const words[ERROR_CODES] = {
    [ERROR_ERR] = "ERR",
    [ERROR_NOTLEADER] = "NOTLEADER",
    [ERROR_NOLEADER] = "NOLEADER",
    [ERROR_BUSY] = "BUSY",
    [ERROR_TOOBIG] = "TOOBIG",
    [ERROR_DISK] = "DISK",
    [ERROR_UNCERTAIN] = "UNCERTAIN",
    [ERROR_TIMEOUT] = "TIMEOUT",
    [ERROR_COMPACTED] = "COMPACTED",
    [ERROR_CONFLICT] = "CONFLICT",
    [ERROR_NOCONFIG] = "NOCONFIG",
    [ERROR_FENCED] = "FENCED",
    [ERROR_STALE] = "STALE",
    [ERROR_FORGOTTEN] = "FORGOTTEN",
    [ERROR_CORRUPT] = "CORRUPT",
};

const char *error_code_word(enum error_code code)
{
    return words[code];
}

static struct request *request_of(struct list *in_session)
{
    return list_entry(in_session, struct request, in_session);
}

struct request *request_new(struct node *node, struct session *session)
{
    struct request *request;
    if (list_empty(&node->request_pool)) {
        request = x_malloc(sizeof(*request));
    } else {
        struct list *first = node->request_pool.next;
        list_remove(first);
        request = request_of(first);
    }
    *request = (struct request){.session = session, .peer = RAFT_ID_NONE};
    request->ticket.owner = session->conn;
    request->ticket.number = node->next_ticket++;
    list_init(&request->held);
    list_push_back(&session->requests, &request->in_session);
    session->request_count++;
    map_put(&node->requests, request->ticket.number, request);
    return request;
}

struct request *request_find(struct node *node, struct raft_ticket ticket)
{
    return map_get(&node->requests, ticket.number);
}

bool request_is_first(const struct request *request)
{
    return request->session->requests.next == &request->in_session;
}

struct out *request_out(struct request *request)
{
    return request_is_first(request) ? &request->session->out : &request->reply;
}

/* Nobody finds it any more; its place in the session is left to the caller. */
static void let_go(struct node *node, struct request *request)
{
    wheel_cancel(&node->wheel, &request->timer);
    list_remove(&request->held);
    blob_free(request->key);
    blob_free(request->payload);
    request->key = NULL;
    request->payload = NULL;
    request->dropped = NULL;
    map_remove(&node->requests, request->ticket.number);
}

static void recycle(struct node *node, struct request *request)
{
    struct session *session = request->session;
    list_remove(&request->in_session);
    session->request_count--;
    out_free(&request->reply);
    list_push_front(&node->request_pool, &request->in_session);
}

void request_finish(struct node *node, struct request *request)
{
    struct session *session = request->session;
    assert(!request->finished);
    request->finished = true;
    session->reply_bytes += request->reply.size;
    let_go(node, request);
    while (!list_empty(&session->requests)) {
        struct request *first = request_of(session->requests.next);
        if (!first->finished) {
            break;
        }
        session->reply_bytes -= first->reply.size;
        out_move(&session->out, &first->reply);
        recycle(node, first);
    }
    session_touch(node, session);
}

void request_drop(struct node *node, struct request *request)
{
    if (!request->finished) {
        if (request->dropped != NULL) {
            request->dropped(node, request);
        }
        let_go(node, request);
    }
    recycle(node, request);
}

void request_ok(struct node *node, struct request *request)
{
    resp_write_ok(request_out(request));
    request_finish(node, request);
}

void request_integer(struct node *node, struct request *request, uint64_t value)
{
    resp_write_integer(request_out(request), (int64_t)value);
    request_finish(node, request);
}

void request_error(struct node *node, struct request *request,
                   enum error_code code, const char *format, ...)
{
    char text[768];
    int used = snprintf(text, sizeof(text), "%s ", words[code]);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text + used, sizeof(text) - (size_t)used, format, arguments);
    va_end(arguments);
    node->counters.errors[code]++;
    resp_write_error(request_out(request), text);
    request_finish(node, request);
}
