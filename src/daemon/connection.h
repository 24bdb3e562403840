/* Connections: a socket that is not waited for, and bytes on their way out.
 *
 * What happens on the socket becomes an input of the node; what the node sends
 * is gathered, and written once at the end of a turn. */
#ifndef RAFTSC_DAEMON_CONNECTION_H
#define RAFTSC_DAEMON_CONNECTION_H

#include <event2/event.h>

#include "base/list.h"
#include "base/map.h"
#include "base/out.h"
#include "node/node.h"

/* What is read from one connection before the others have their turn. */
#define CONNECTION_READ_MAX ((size_t)64 * 1024)
/* How long a connection that is closed may take to send what is left. */
#define CONNECTION_LINGER_S 5
/* How often one that is not read from is looked at. */
#define CONNECTION_LOOK_S 1

struct loop;

struct connection {
    struct list in_loop;
    struct list in_dirty; /* it has something to write at the turn's end */
    struct list in_dead;  /* it failed: the node hears of it before its turn */
    struct loop *loop;
    node_conn number;
    int fd;
    bool peer;
    bool dialling;
    bool reading;  /* the read event is on */
    bool paused;   /* the node wants no more bytes */
    bool ended;    /* the other end sends no more */
    bool closing;  /* the node has closed it: only what is left is written */
    bool writing;  /* the write event is on */
    char why[128]; /* in_dead: what failed */
    struct event *read_event;
    struct event *write_event;
    struct event *timer; /* not read from: looks whether the other end is gone;
                            closing: how long it may linger */
    struct out out;
    uint64_t drained; /* bytes that left since the node was told */
};

struct connection *connection_new(struct loop *loop, int fd, node_conn number,
                                  bool peer);
/* A dial that goes on: `fd` is connecting. */
void connection_dial(struct connection *connection);
void connection_free(struct connection *connection);

void connection_send(struct connection *connection, struct out *out);
void connection_close(struct connection *connection, bool flush);
void connection_pause(struct connection *connection, bool paused);

/* Write what there is, as far as it goes. */
void connection_flush(struct connection *connection);

#endif
