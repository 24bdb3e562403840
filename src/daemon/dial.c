/* Connections to other nodes: looked up anew each time, for pods move, then
 * each address tried in turn. */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "daemon/loop.h"

struct dial {
    struct list in_failed;
    node_conn number;
    struct addrinfo *addresses;
    struct addrinfo *next; /* to be tried */
    char why[128];
};

static void free_dial(struct dial *dial)
{
    if (dial->addresses != NULL) {
        freeaddrinfo(dial->addresses);
    }
    list_remove(&dial->in_failed);
    free(dial);
}

void dial_start(struct loop *loop, node_conn number, const char *address)
{
    struct dial *dial = x_calloc(1, sizeof(*dial));
    dial->number = number;
    list_init(&dial->in_failed);
    map_put(&loop->dials, number, dial);
    resolver_ask(loop->resolver, number, address);
}

bool dial_cancel(struct loop *loop, node_conn number)
{
    struct dial *dial = map_remove(&loop->dials, number);
    if (dial == NULL) {
        return false;
    }
    free_dial(dial);
    return true;
}

void peer_socket_options(const struct settings *settings, int fd)
{
    int on = 1;
    /* A way that is half open is given up after two election time-outs, but
     * not for a hiccup. */
    uint64_t timeout_ms = settings->election_timeout_us * 2 / 1000;
    int user_timeout_ms = timeout_ms < 1000 ? 1000 : (int)timeout_ms;
    int idle_s = 5;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof(idle_s));
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &idle_s, sizeof(idle_s));
    setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &user_timeout_ms,
               sizeof(user_timeout_ms));
}

/* ---- connecting --------------------------------------------------------- */

/* The node hears of it before its next turn. */
static void give_up(struct loop *loop, struct dial *dial)
{
    list_push_back(&loop->failed_dials, &dial->in_failed);
    event_active(loop->deadline, EV_TIMEOUT, 1);
}

static void try_next(struct loop *loop, struct dial *dial)
{
    while (dial->next != NULL) {
        struct addrinfo *address = dial->next;
        dial->next = address->ai_next;
        int fd = socket(address->ai_family,
                        SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (fd >= 0) {
            peer_socket_options(&loop->settings, fd);
            if (connect(fd, address->ai_addr, address->ai_addrlen) == 0 ||
                errno == EINPROGRESS) {
                connection_dial(connection_new(loop, fd, dial->number, true));
                return;
            }
        }
        snprintf(dial->why, sizeof(dial->why), "%s", strerror(errno));
        if (fd >= 0) {
            close(fd);
        }
    }
    give_up(loop, dial);
}

void dial_resolved(struct loop *loop)
{
    struct resolved resolved;
    while (resolver_take(loop->resolver, &resolved)) {
        struct dial *dial = map_get(&loop->dials, resolved.number);
        if (dial == NULL) {
            if (resolved.addresses != NULL) {
                freeaddrinfo(resolved.addresses);
            }
            continue; /* the node has given it up meanwhile */
        }
        dial->addresses = resolved.addresses;
        dial->next = resolved.addresses;
        memcpy(dial->why, resolved.why, sizeof(dial->why));
        try_next(loop, dial);
    }
}

void dial_connected(struct connection *connection)
{
    struct loop *loop = connection->loop;
    struct dial *dial = map_get(&loop->dials, connection->number);
    int code = 0;
    socklen_t size = sizeof(code);
    getsockopt(connection->fd, SOL_SOCKET, SO_ERROR, &code, &size);
    if (code != 0) {
        snprintf(dial->why, sizeof(dial->why), "%s", strerror(code));
        connection_free(connection);
        try_next(loop, dial);
        return;
    }
    connection->dialling = false;
    connection_pause(connection, false);
    struct node_input input = {
        .type = NODE_INPUT_DIALLED, .conn = connection->number, .ok = true};
    map_remove(&loop->dials, connection->number);
    free_dial(dial);
    node_input(loop->node, &input);
}

void dial_tell_failed(struct loop *loop)
{
    while (!list_empty(&loop->failed_dials)) {
        struct dial *dial =
            list_entry(loop->failed_dials.next, struct dial, in_failed);
        struct node_input input = {.type = NODE_INPUT_DIALLED,
                                   .conn = dial->number,
                                   .ok = false,
                                   .text = dial->why};
        map_remove(&loop->dials, dial->number);
        list_remove(&dial->in_failed);
        node_input(loop->node, &input);
        free_dial(dial);
    }
}

void dial_free(struct loop *loop)
{
    for (node_conn at = 2; loop->dials.count > 0; at += 2) {
        dial_cancel(loop, at);
    }
    map_free(&loop->dials);
}
