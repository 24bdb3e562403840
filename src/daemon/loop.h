/* The loop: libevent's callbacks note inputs, then the node has its turn, then
 * what it wrote is sent. */
#ifndef RAFTSC_DAEMON_LOOP_H
#define RAFTSC_DAEMON_LOOP_H

#include "base/buf.h"
#include "daemon/configfile.h"
#include "daemon/connection.h"
#include "daemon/notify.h"
#include "daemon/resolver.h"
#include "store/store.h"

struct http;
struct listener;

struct loop {
    struct event_base *base;
    struct event *deadline; /* the node wants a turn */
    struct event *store_event;
    struct event *resolver_event;
    struct event *signals[3]; /* SIGTERM, SIGINT, SIGHUP */
    struct event *watchdog;
    struct settings settings;
    struct configfile file;
    struct store *store;
    struct node *node;
    struct resolver *resolver;
    struct notify notify;
    struct listener *app_listener;
    struct listener *peer_listener;
    struct http *http;
    struct map connections; /* number -> struct connection */
    struct list connection_list;
    struct list dirty;
    struct list dead;
    struct map dials; /* number -> struct dial */
    struct list failed_dials;
    node_conn next_number; /* odd */
    uint8_t *buffer;       /* CONNECTION_READ_MAX bytes, for every read */
    uint64_t files_max;    /* descriptors that the system allows … */
    uint64_t clients_max;  /* … and how many of them are for apps */
    uint64_t clients_told; /* the max-clients that is known to be too many */
    bool stopping;
    uint64_t stop_by_us;
};

struct raft_now loop_now(void);

/* Opens everything and runs until the node is stopped.  Returns the exit
 * status. */
int loop_run(const struct configfile *file, const struct settings *settings);

/* ---- dial.c, listener.c ------------------------------------------------- */

void dial_start(struct loop *loop, node_conn number, const char *address);
/* The node has closed a connection that is not there yet: true if so. */
bool dial_cancel(struct loop *loop, node_conn number);
/* Addresses that were looked up: connect. */
void dial_resolved(struct loop *loop);
/* Tell the node of dials that failed. */
void dial_tell_failed(struct loop *loop);
void dial_free(struct loop *loop);
/* The connect of a dialled connection has ended. */
void dial_connected(struct connection *connection);

/* NULL: `why` says what was wrong. */
struct listener *listener_app(struct loop *loop, char *why, size_t why_size);
struct listener *listener_peers(struct loop *loop, char *why, size_t why_size);
void listener_free(struct listener *listener);
/* A socket that listens at host:port, the value of `key`; -1: `why`. */
int listener_tcp(const char *key, const char *text, char *why, size_t why_size);

/* What a TCP connection between nodes needs to notice that it is dead. */
void peer_socket_options(const struct settings *settings, int fd);

#endif
