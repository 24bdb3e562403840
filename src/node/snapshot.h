/* The app's snapshots on this node: which one is present, who still reads an
 * older one, and requests about their bytes.
 *
 * A snapshot is a file of the store's.  It becomes the present one with the
 * save that names it; the one before goes once nobody has it pinned. */
#ifndef RAFTSC_NODE_SNAPSHOT_H
#define RAFTSC_NODE_SNAPSHOT_H

#include "base/list.h"
#include "node/request.h"
#include "node/node.h"
#include "node/wheel.h"

struct snapshot {
    struct list in_node;
    struct node_snapshot what;
    size_t pins;  /* by whoever reads it; its file stays so long */
    bool damaged; /* its bytes are not what was written: nobody is sent it */
};

void snapshots_init(struct node *node, const struct node_snapshot *present);
void snapshots_free(struct node *node);

/* One pin more; returns `snapshot`. */
struct snapshot *snapshot_pin(struct snapshot *snapshot);
/* One less: it may be gone then.  NULL is fine. */
void snapshot_unpin(struct node *node, struct snapshot *snapshot);
/* NULL: it is not here (any more). */
struct snapshot *snapshot_find(const struct node *node, raft_index index);

/* A reader has found it so: it is in the log, once, and told by WHY and INFO
 * until a newer one takes its place. */
void snapshot_damaged(struct node *node, raft_index index);

/* The next save names this file, which is whole and synced, the valid one.  Of
 * two that wait for a save, and of it and the present one, the older goes. */
void snapshot_name(struct node *node, const struct node_snapshot *what);
/* For the driver: into the save that begins; and what was saved is durable. */
bool snapshot_waits_for_save(const struct node *node);
void snapshot_into_save(struct node *node, struct node_save *save);
void snapshot_saved(struct node *node, const struct node_save *save);
/* The log's base is there: where the present one is older, it is of no use.
 * (The store has forgotten it with the save that moved the base.) */
void snapshot_forget_below(struct node *node, raft_index base);

/* ---- requests to the store ---------------------------------------------- */

struct file_ask;
/* What the store answered.  The bytes of *answer are freed behind it. */
typedef void file_done(struct node *node, const struct file_ask *ask,
                       const struct node_file_answer *answer);

struct file_ask {
    file_done *done;
    struct raft_ticket ticket; /* for the callee: the request it is about … */
    uint64_t serial;           /* … or whatever else tells it apart */
    struct blob *bytes;        /* of a WRITE: kept until the answer */
};

/* Numbers *request, shares its bytes, copies *ask, and asks.  ABORT and DROP
 * have no answer: `ask` may be NULL there. */
void file_ask(struct node *node, struct node_file_request *request,
              const struct file_ask *ask);
void file_answered(struct node *node, struct node_file_answer *answer);

/* ---- the app's upload (upload.c) ---------------------------------------- */

/*     NONE --BEGIN--> OPEN --END--> ENDING --synced--> NAMING --saved--> NONE
 *                       |             |
 *                       '-------------'--> NONE: ABORT, closed, no room     */
enum upload_state {
    UPLOAD_NONE,
    UPLOAD_OPEN,
    UPLOAD_ENDING, /* the store syncs the file */
    UPLOAD_NAMING  /* the next save makes it the valid one */
};

struct upload {
    enum upload_state state;
    node_conn conn;
    uint64_t serial; /* which one of this run */
    raft_index index;
    uint64_t bytes;    /* taken so far */
    uint64_t begun_us; /* mono */
    uint64_t file;     /* NAMING */
    struct raft_ticket ticket;
};

void upload_begin(struct node *node, struct session *session,
                  struct request *request, raft_index index);
struct resp_word;
void upload_write(struct node *node, struct session *session,
                  struct request *request, const struct resp_word *chunk);
void upload_end(struct node *node, struct session *session,
                struct request *request);
/* What the session uploads is dropped; nothing where it uploads nothing. */
void upload_abort(struct node *node, struct session *session);
/* A save has named a file: perhaps the upload's. */
void upload_named(struct node *node);
/* Its chunks wait for the disk: the connection is not read meanwhile. */
bool upload_holds_back(const struct session *session);

/* ---- downloads (download.c) --------------------------------------------- */

/* SNAPSHOT READ: request->index (0: any), request->offset, request->count. */
void download_read(struct node *node, struct request *request);
void download_info(struct node *node, struct session *session,
                   struct request *request);
/* There may be room for the next answer. */
void download_resume(struct node *node, struct session *session);
/* For a stream whose log is gone up to `first`: the snapshot that covers it,
 * kept for a while; NULL: none does. */
const struct node_snapshot *
download_announce(struct node *node, struct session *session, raft_index first);
/* The stream's app has applied up to index. */
void download_acked(struct node *node, struct session *session,
                    raft_index index);
/* The stream, or the connection, is over. */
void download_stream_end(struct node *node, struct session *session);
void download_end(struct node *node, struct session *session);

#endif
