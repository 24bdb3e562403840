/* Sessions: an app's connection, from bytes to commands and back.
 *
 * Requests are parsed as they arrive and worked on together; a session stops
 * parsing, and the net stops reading, while it has SESSION_REQUESTS_MAX
 * requests open or more than SESSION_OUTPUT_MAX bytes that its app has not
 * read. */
#ifndef RAFTSC_NODE_SESSION_H
#define RAFTSC_NODE_SESSION_H

#include "node/events.h"
#include "node/feed.h"
#include "node/internal.h"
#include "node/snapshot.h"
#include "wire/resp.h"

#define SESSION_REQUESTS_MAX 4096
#define SESSION_OUTPUT_MAX ((size_t)1024 * 1024)

struct session {
    struct list in_node;
    struct list in_touched; /* it has something to send, or to read on */
    node_conn conn;
    uint64_t client_id;
    uint64_t opened_us;
    struct resp_parser *parser;
    struct buf unread;    /* bytes not parsed yet, while it is held back */
    struct list requests; /* open ones, in the order asked */
    size_t request_count;
    struct out out;          /* for the net, at the end of the turn */
    uint64_t unsent_bytes;   /* given to the net, not drained yet */
    uint64_t reply_bytes;    /* of replies that wait for those before them */
    int resp;                /* 2 or 3 */
    bool paused;             /* the net was told to stop reading */
    bool eof;                /* the app has shut down its sending half */
    bool closing;            /* QUIT, or a protocol error: flush and close */
    char name[64];           /* CLIENT SETNAME */
    uint64_t stream_ticket;  /* pushes come behind the reply to this request */
    struct feed feed;        /* FOLLOW */
    struct events events;    /* EVENTS */
    struct read_job job;     /* the READ that is worked on */
    struct list reads;       /* READs that wait for their turn */
    bool uploads;            /* a snapshot: its words may be longer */
    size_t writing_bytes;    /* chunks that wait for the disk */
    bool downloading;        /* the store is asked for a SNAPSHOT READ */
    struct list downloads;   /* SNAPSHOT READs that wait for their turn */
    struct snapshot *pinned; /* by SNAPSHOT READ; NULL: none */
    struct snapshot *announced;         /* by FOLLOW; NULL: none … */
    struct wheel_timer announced_timer; /* … kept for so long */
};

struct session *session_find(const struct node *node, node_conn conn);

/* It is looked at once more before the turn ends. */
void session_touch(struct node *node, struct session *session);

/* A FOLLOW or EVENTS turned it into a stream. */
bool session_streams(const struct session *session);

/* A push may be written now: nothing older is unanswered, and there is room. */
bool session_may_push(const struct session *session);

/* What its parser takes, after `uploads` has changed. */
void session_limit(const struct node *node, struct session *session);

void session_free(struct node *node, struct session *session);

/* A READ or SNAPSHOT READ is being worked on, or waits for its turn. */
bool session_reads(const struct session *session);

/* How many more bytes may be produced for it now. */
size_t session_room(const struct session *session);
/* Whether the reply to this one may be.  The first of all has the room that
 * replies behind it take: they wait for it. */
bool session_has_room(const struct session *session,
                      const struct request *request);

#endif
