#include "daemon/http.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "daemon/loop.h"

/* From a request to its answer; what is read after it is thrown away.
 *
 *   READING --blank line, or too much--> ANSWERING --all sent--> gone
 */
struct visit {
    struct list in_http;
    struct http *http;
    struct bufferevent *stream;
    struct event *deadline;
    char method[8];
    char path[64];
    size_t taken; /* bytes of the head */
    bool begun;   /* its first line is read */
    bool answered;
};

struct http {
    struct loop *loop;
    int fd; /* -1: nothing is listened on */
    struct event *event;
    struct event *rested;
    struct list visits; /* the oldest first */
    size_t visit_count;
};

static void end_visit(struct visit *visit)
{
    list_remove(&visit->in_http);
    visit->http->visit_count--;
    event_free(visit->deadline);
    bufferevent_free(visit->stream);
    free(visit);
}

/* ---- answers ------------------------------------------------------------ */

static const char *status_text(int status)
{
    switch (status) {
    case 200:
        return "OK";
    case 400:
        return "Bad Request";
    case 404:
        return "Not Found";
    case 405:
        return "Method Not Allowed";
    case 431:
        return "Request Header Fields Too Large";
    default:
        return "Service Unavailable";
    }
}

static void answer(struct visit *visit, int status, const char *type,
                   const struct buf *body)
{
    struct evbuffer *out = bufferevent_get_output(visit->stream);
    evbuffer_add_printf(
        out,
        "HTTP/1.1 %d %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n"
        "Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n"
        "%sConnection: close\r\n\r\n",
        status, status_text(status), type, body->size,
        status == 405 ? "Allow: GET, HEAD\r\n" : "");
    if (strcmp(visit->method, "HEAD") != 0) {
        evbuffer_add(out, body->data, body->size);
    }
    visit->answered = true;
}

static void answer_text(struct visit *visit, int status, const char *text)
{
    struct buf body = {0};
    buf_append_text(&body, text);
    answer(visit, status, "text/plain; charset=utf-8", &body);
    buf_free(&body);
}

static int write_health(struct node *node, struct buf *body)
{
    return node_healthy(node, body) ? 200 : 503;
}

static int write_ready(struct node *node, struct buf *body)
{
    return node_ready(node, body) ? 200 : 503;
}

static int write_metrics(struct node *node, struct buf *body)
{
    node_metrics(node, body);
    return 200;
}

static int write_status(struct node *node, struct buf *body)
{
    node_status_json(node, body);
    return 200;
}

static int write_page(struct node *node, struct buf *body)
{
    (void)node;
    buf_append_text(body, http_page);
    return 200;
}

static const struct {
    const char *path;
    const char *type;
    int (*write)(struct node *node, struct buf *body); /* gives the status */
} paths[] = {
    {"/", "text/html; charset=utf-8", write_page},
    {"/healthz", "text/plain; charset=utf-8", write_health},
    {"/readyz", "text/plain; charset=utf-8", write_ready},
    {"/metrics", "text/plain; version=0.0.4; charset=utf-8", write_metrics},
    {"/status.json", "application/json", write_status},
};

static void serve(struct visit *visit)
{
    if (strcmp(visit->method, "GET") != 0 &&
        strcmp(visit->method, "HEAD") != 0) {
        answer_text(visit, 405, "only GET and HEAD\n");
        return;
    }
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        if (strcmp(visit->path, paths[i].path) == 0) {
            struct buf body = {0};
            int status = paths[i].write(visit->http->loop->node, &body);
            answer(visit, status, paths[i].type, &body);
            buf_free(&body);
            return;
        }
    }
    answer_text(visit, 404,
                "there is /, /healthz, /readyz, /metrics, /status.json\n");
}

/* ---- requests ----------------------------------------------------------- */

/* "GET /path?query HTTP/1.1" */
static bool read_first_line(struct visit *visit, const char *line)
{
    const char *space = strchr(line, ' ');
    const char *path = space == NULL ? NULL : space + 1;
    const char *end = path == NULL ? NULL : strchr(path, ' ');
    if (end == NULL || strncmp(end + 1, "HTTP/1.", 7) != 0 || path[0] != '/' ||
        (size_t)(space - line) >= sizeof(visit->method)) {
        return false;
    }
    size_t size = strcspn(path, "? ");
    /* What is longer than any path that there is, is none of them. */
    snprintf(visit->path, sizeof(visit->path), "%.*s",
             (int)(size < sizeof(visit->path) ? size : 0), path);
    snprintf(visit->method, sizeof(visit->method), "%.*s", (int)(space - line),
             line);
    visit->begun = true;
    return true;
}

static void take_line(struct visit *visit, const char *line)
{
    if (visit->begun && line[0] == '\0') {
        serve(visit);
    } else if (!visit->begun && !read_first_line(visit, line)) {
        answer_text(visit, 400, "this is not HTTP/1\n");
    }
}

static void on_request(struct bufferevent *stream, void *context)
{
    struct visit *visit = context;
    struct evbuffer *in = bufferevent_get_input(stream);
    while (!visit->answered) {
        size_t size;
        char *line = evbuffer_readln(in, &size, EVBUFFER_EOL_CRLF);
        visit->taken += line == NULL ? 0 : size + 1;
        size_t waiting = line == NULL ? evbuffer_get_length(in) : 0;
        if (visit->taken + waiting > HTTP_REQUEST_MAX) {
            answer_text(visit, 431, "the request is larger than 8 KiB\n");
        } else if (line == NULL) {
            return;
        } else {
            take_line(visit, line);
        }
        free(line);
    }
    evbuffer_drain(in, evbuffer_get_length(in));
}

/* All that was answered has left. */
static void on_sent(struct bufferevent *stream, void *context)
{
    struct visit *visit = context;
    if (visit->answered) {
        /* The other end reads what is left of it before it hears of the end;
         * then its end, or the deadline, ends the visit. */
        shutdown(bufferevent_getfd(stream), SHUT_WR);
    }
}

static void on_end(struct bufferevent *stream, short what, void *context)
{
    (void)stream;
    struct visit *visit = context;
    bool half = (what & BEV_EVENT_EOF) != 0 && (what & BEV_EVENT_READING) != 0;
    size_t unsent = evbuffer_get_length(bufferevent_get_output(visit->stream));
    if (!half || unsent == 0) {
        end_visit(visit);
    }
}

/* ---- visits ------------------------------------------------------------- */

static void on_deadline(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    end_visit(context);
}

static void end_oldest(struct http *http)
{
    end_visit(list_entry(http->visits.next, struct visit, in_http));
}

static void new_visit(struct http *http, int fd)
{
    struct timeval patience = {.tv_sec = HTTP_PATIENCE_S};
    struct visit *visit = x_calloc(1, sizeof(*visit));
    visit->http = http;
    visit->stream =
        bufferevent_socket_new(http->loop->base, fd, BEV_OPT_CLOSE_ON_FREE);
    visit->deadline = evtimer_new(http->loop->base, on_deadline, visit);
    if (visit->stream == NULL || visit->deadline == NULL) {
        die(EXIT_STATUS_SOFTWARE, "a stream cannot be made");
    }
    list_push_back(&http->visits, &visit->in_http);
    http->visit_count++;
    evtimer_add(visit->deadline, &patience);
    bufferevent_setcb(visit->stream, on_request, on_sent, on_end, visit);
    bufferevent_setwatermark(visit->stream, EV_READ, 0, HTTP_REQUEST_MAX * 2);
    bufferevent_enable(visit->stream, EV_READ | EV_WRITE);
}

static void on_rested(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    struct http *http = context;
    event_add(http->event, NULL);
}

static void on_visit(evutil_socket_t fd, short what, void *context)
{
    (void)what;
    struct http *http = context;
    int accepted = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (accepted < 0) {
        struct timeval while_us = {.tv_usec = HTTP_REST_US};
        event_del(http->event);
        evtimer_add(http->rested, &while_us);
        return;
    }
    if (http->visit_count == HTTP_CONNECTIONS_MAX) {
        end_oldest(http);
    }
    new_visit(http, accepted);
}

struct http *http_new(struct loop *loop, char *why, size_t why_size)
{
    const char *address = loop->settings.http_listen;
    struct http *http = x_calloc(1, sizeof(*http));
    http->loop = loop;
    http->fd = -1;
    list_init(&http->visits);
    if (address[0] == '\0') {
        return http;
    }
    http->fd = listener_tcp("http-listen", address, why, why_size);
    if (http->fd < 0) {
        http_free(http);
        return NULL;
    }
    http->event =
        event_new(loop->base, http->fd, EV_READ | EV_PERSIST, on_visit, http);
    http->rested = evtimer_new(loop->base, on_rested, http);
    if (http->event == NULL || http->rested == NULL ||
        event_add(http->event, NULL) != 0) {
        die(EXIT_STATUS_SOFTWARE, "an event cannot be made");
    }
    return http;
}

void http_free(struct http *http)
{
    if (http == NULL) {
        return;
    }
    while (!list_empty(&http->visits)) {
        end_oldest(http);
    }
    if (http->rested != NULL) {
        event_free(http->rested);
    }
    if (http->event != NULL) {
        event_free(http->event);
    }
    if (http->fd >= 0) {
        close(http->fd);
    }
    free(http);
}
