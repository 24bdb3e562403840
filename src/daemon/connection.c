#include "daemon/connection.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/mem.h"
#include "daemon/loop.h"

#define SPANS_MAX 64

static void on_readable(evutil_socket_t fd, short what, void *context);
static void on_writable(evutil_socket_t fd, short what, void *context);

/* ---- life --------------------------------------------------------------- */

struct connection *connection_new(struct loop *loop, int fd, node_conn number,
                                  bool peer)
{
    struct connection *connection = x_calloc(1, sizeof(*connection));
    connection->loop = loop;
    connection->fd = fd;
    connection->number = number;
    connection->peer = peer;
    connection->read_event = event_new(loop->base, fd, EV_READ | EV_PERSIST,
                                       on_readable, connection);
    connection->write_event = event_new(loop->base, fd, EV_WRITE | EV_PERSIST,
                                        on_writable, connection);
    if (connection->read_event == NULL || connection->write_event == NULL) {
        die(EXIT_STATUS_SOFTWARE, "an event cannot be made");
    }
    list_init(&connection->in_dirty);
    list_init(&connection->in_dead);
    list_push_back(&loop->connection_list, &connection->in_loop);
    map_put(&loop->connections, number, connection);
    event_add(connection->read_event, NULL);
    connection->reading = true;
    return connection;
}

void connection_dial(struct connection *connection)
{
    connection->dialling = true;
    event_del(connection->read_event);
    connection->reading = false;
    event_add(connection->write_event, NULL);
    connection->writing = true;
}

void connection_free(struct connection *connection)
{
    if (!connection->closing) {
        map_remove(&connection->loop->connections, connection->number);
    }
    list_remove(&connection->in_loop);
    list_remove(&connection->in_dirty);
    list_remove(&connection->in_dead);
    event_free(connection->read_event);
    event_free(connection->write_event);
    if (connection->timer != NULL) {
        event_free(connection->timer);
    }
    close(connection->fd);
    out_free(&connection->out);
    free(connection);
}

/* The node may not be called from inside its own turn, and hears of it before
 * the next one. */
static void fail(struct connection *connection, const char *why)
{
    if (connection->closing) {
        connection_free(connection);
        return;
    }
    if (list_empty(&connection->in_dead)) {
        snprintf(connection->why, sizeof(connection->why), "%s", why);
        list_push_back(&connection->loop->dead, &connection->in_dead);
        event_del(connection->read_event);
        event_del(connection->write_event);
        connection->reading = false;
        connection->writing = false;
        event_active(connection->loop->deadline, EV_TIMEOUT, 1);
    }
}

/* ---- reading ------------------------------------------------------------ */

static void set_reading(struct connection *connection)
{
    bool wanted = !connection->paused && !connection->ended &&
                  !connection->closing && !connection->dialling &&
                  list_empty(&connection->in_dead);
    if (wanted && !connection->reading) {
        event_add(connection->read_event, NULL);
    } else if (!wanted && connection->reading) {
        event_del(connection->read_event);
    }
    connection->reading = wanted;
}

/* One timer at a time: the old one, if there is one, is off. */
static void set_timer(struct connection *connection, short flags,
                      event_callback_fn callback, const struct timeval *time)
{
    if (connection->timer != NULL) {
        event_free(connection->timer);
    }
    connection->timer =
        event_new(connection->loop->base, -1, flags, callback, connection);
    if (connection->timer == NULL) {
        die(EXIT_STATUS_SOFTWARE, "a timer cannot be made");
    }
    event_add(connection->timer, time);
}

/* An app that has shut down its sending half may still listen, and so may one
 * that is not read from for now; one that has closed does not, which nothing
 * tells as long as nothing is sent to it. */
static void on_look(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    struct connection *connection = context;
    struct pollfd look = {.fd = connection->fd};
    if (!connection->paused && !connection->ended) {
        event_del(connection->timer);
        return;
    }
    if (poll(&look, 1, 0) == 1 && (look.revents & (POLLHUP | POLLERR)) != 0) {
        event_del(connection->timer);
        fail(connection, "the other end closed the connection");
    }
}

static void look_from_now_on(struct connection *connection)
{
    struct timeval every = {.tv_sec = CONNECTION_LOOK_S};
    if (connection->timer == NULL) {
        set_timer(connection, EV_PERSIST, on_look, &every);
    } else if (!evtimer_pending(connection->timer, NULL)) {
        event_add(connection->timer, &every);
    }
}

static void take_end(struct connection *connection)
{
    connection->ended = true;
    set_reading(connection);
    look_from_now_on(connection);
    struct node_input input = {.type = NODE_INPUT_EOF,
                               .conn = connection->number};
    node_input(connection->loop->node, &input);
}

static void on_readable(evutil_socket_t fd, short what, void *context)
{
    (void)what;
    struct connection *connection = context;
    struct loop *loop = connection->loop;
    ssize_t got = recv(fd, loop->buffer, CONNECTION_READ_MAX, 0);
    if (got > 0) {
        struct node_input input = {.type = NODE_INPUT_BYTES,
                                   .conn = connection->number,
                                   .data = loop->buffer,
                                   .size = (size_t)got};
        node_input(loop->node, &input);
    } else if (got == 0) {
        take_end(connection);
    } else if (errno != EAGAIN && errno != EINTR) {
        fail(connection, strerror(errno));
    }
}

void connection_pause(struct connection *connection, bool paused)
{
    connection->paused = paused;
    set_reading(connection);
    if (paused && list_empty(&connection->in_dead)) {
        look_from_now_on(connection);
    }
}

/* ---- writing ------------------------------------------------------------ */

static void set_writing(struct connection *connection)
{
    bool wanted = connection->out.size > 0 && list_empty(&connection->in_dead);
    if (wanted && !connection->writing) {
        event_add(connection->write_event, NULL);
    } else if (!wanted && connection->writing) {
        event_del(connection->write_event);
    }
    connection->writing = wanted;
}

void connection_send(struct connection *connection, struct out *out)
{
    out_move(&connection->out, out);
    if (list_empty(&connection->in_dirty)) {
        list_push_back(&connection->loop->dirty, &connection->in_dirty);
    }
}

/* One system call's worth; false: the socket takes no more now. */
static bool write_some(struct connection *connection, ssize_t *wrote)
{
    struct out_span spans[SPANS_MAX];
    struct iovec pieces[SPANS_MAX];
    size_t count = out_spans(&connection->out, spans, SPANS_MAX);
    size_t total = 0;
    for (size_t i = 0; i < count; i++) {
        /* iovec has no const: writev(2) only reads. */
        pieces[i].iov_base = (void *)(uintptr_t)spans[i].data;
        pieces[i].iov_len = spans[i].size;
        total += spans[i].size;
    }
    struct msghdr message = {.msg_iov = pieces, .msg_iovlen = count};
    *wrote = sendmsg(connection->fd, &message, MSG_NOSIGNAL);
    return *wrote == (ssize_t)total;
}

/* The node knows how much of what it sent has left. */
static void tell_drained(struct connection *connection)
{
    struct node *node = connection->loop->node;
    if (connection->drained > 0 && !connection->closing && node != NULL) {
        struct node_input input = {.type = NODE_INPUT_DRAINED,
                                   .conn = connection->number,
                                   .size = (size_t)connection->drained};
        connection->drained = 0;
        node_input(node, &input);
    }
}

void connection_flush(struct connection *connection)
{
    list_remove(&connection->in_dirty);
    if (connection->dialling || !list_empty(&connection->in_dead)) {
        return;
    }
    while (connection->out.size > 0) {
        ssize_t wrote;
        bool all = write_some(connection, &wrote);
        if (wrote > 0) {
            out_drain(&connection->out, (size_t)wrote);
            connection->drained += (uint64_t)wrote;
        }
        if (wrote < 0 && errno != EAGAIN && errno != EINTR) {
            fail(connection, strerror(errno));
            return;
        }
        if (!all) {
            break;
        }
    }
    if (connection->closing && connection->out.size == 0) {
        connection_free(connection);
        return;
    }
    tell_drained(connection);
    set_writing(connection);
}

static void on_writable(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    struct connection *connection = context;
    if (connection->dialling) {
        connection->writing = false;
        event_del(connection->write_event);
        dial_connected(connection);
        return;
    }
    connection_flush(connection);
}

/* ---- closing ------------------------------------------------------------ */

static void on_linger(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    connection_free(context);
}

void connection_close(struct connection *connection, bool flush)
{
    bool dead = !list_empty(&connection->in_dead);
    map_remove(&connection->loop->connections, connection->number);
    connection->closing = true;
    if (!flush || dead || connection->dialling || connection->out.size == 0) {
        connection_free(connection);
        return;
    }
    struct timeval linger = {.tv_sec = CONNECTION_LINGER_S};
    set_reading(connection);
    set_timer(connection, 0, on_linger, &linger);
}
