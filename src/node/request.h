/* Requests: the reply slots of apps' connections.
 *
 * A request is made when a session has read it, waits in its session in the
 * order asked, and is finished once its reply is written; replies leave in
 * that order, whichever is finished first.  Others name it by its ticket: it
 * may be gone by then, together with its app. */
#ifndef RAFTSC_NODE_REQUEST_H
#define RAFTSC_NODE_REQUEST_H

#include "base/list.h"
#include "base/out.h"
#include "core/types.h"
#include "node/wheel.h"

struct node;
struct session;
struct request;

/* The codes of errors, as apps see them: raftsc-app(7) says what each means,
 * and whether the entry may be in the log. */
enum error_code {
    ERROR_ERR,
    ERROR_NOTLEADER,
    ERROR_NOLEADER,
    ERROR_BUSY,
    ERROR_TOOBIG,
    ERROR_DISK,
    ERROR_UNCERTAIN,
    ERROR_TIMEOUT,
    ERROR_COMPACTED,
    ERROR_CONFLICT,
    ERROR_NOCONFIG,
    ERROR_FENCED,
    ERROR_STALE,
    ERROR_FORGOTTEN,
    ERROR_CORRUPT,
    ERROR_CODES /* how many there are */
};

const char *error_code_word(enum error_code code);

/* Called when a request's session is gone before the request was finished, so
 * that whoever holds it lets go of it.  It must not touch the session. */
typedef void request_dropped(struct node *node, struct request *request);

/* How far a SUBMIT has come: only submit.c and pending.c care. */
enum request_stage {
    REQUEST_NEW,
    REQUEST_QUEUED,   /* in the queue: surely not in any log */
    REQUEST_HANDED,   /* with a leader that has not answered: perhaps */
    REQUEST_REFUSED,  /* surely not in the log, waits for its turn again */
    REQUEST_ACCEPTED, /* it is entry `index` of `term` (or has its key; term 0:
                         whichever stands there), not told yet */
    REQUEST_STALE,    /* surely not in the log, to be answered once the app's
                         entry `index` of `term` is told */
    REQUEST_WAITING,  /* WAIT: for `index` to be told */
    REQUEST_READING,  /* BARRIER, OUTCOME: for the read index … */
    REQUEST_BARRIER   /* … and then for that `index` to be told */
};

struct request {
    struct list in_session;
    struct session *session;
    struct raft_ticket ticket; /* owner: the session's connection */
    struct out reply;
    bool finished;

    /* For whoever works on it.  `held` is in one list at a time. */
    struct list held;
    struct wheel_timer timer;
    request_dropped *dropped; /* NULL: nobody needs to know */
    enum request_stage stage;
    raft_index index;
    raft_term term;
    raft_term fence;
    raft_index since;  /* RAFT_INDEX_NONE: none */
    raft_index after;  /* RAFT_INDEX_NONE: none */
    uint64_t begun_us; /* mono; when it was handed over; 0: not yet */
    raft_id peer;      /* REQUEST_HANDED: to whom; RAFT_ID_NONE: to core here */
    uint64_t forward;  /* its number on that link; DIGEST: of its read */
    struct blob *key;
    struct blob *payload;
    size_t heap_at;    /* pending.c */
    uint64_t count;    /* READ: at most so many entries; SNAPSHOT: bytes */
    uint64_t offset;   /* SNAPSHOT READ */
    bool blocks;       /* READ: waits for the first one … */
    uint64_t block_us; /* … for so long; 0: for ever */
};

/* A new request at the end of `session`, all zeros but for the list heads,
 * its session and its ticket. */
struct request *request_new(struct node *node, struct session *session);

/* NULL: it is finished, or its session is gone. */
struct request *request_find(struct node *node, struct raft_ticket ticket);

/* All that were asked before it on its connection are answered. */
bool request_is_first(const struct request *request);

/* Where its reply is written; then request_finish().  For the first request of
 * a session this is the session's own queue: no copy is made. */
struct out *request_out(struct request *request);

/* The reply is whole: it leaves when all before it have left.  Cancels the
 * timer, takes it out of `held`, frees key and payload, forgets the request. */
void request_finish(struct node *node, struct request *request);

/* Its session is gone: whoever holds it is told, nobody is answered. */
void request_drop(struct node *node, struct request *request);

/* Short forms of out and finish. */
void request_ok(struct node *node, struct request *request);
void request_integer(struct node *node, struct request *request,
                     uint64_t value);
/* "CODE text": counted by code. */
void request_error(struct node *node, struct request *request,
                   enum error_code code, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

#endif
