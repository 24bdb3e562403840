/* A node: Raft, its app's conversations and its peers', with no system call.
 *
 * Bytes in, bytes out.  The daemon and the simulator both run this code: they
 * differ in a struct node_store, a struct node_net, one argument (now) and one
 * number (the seed).  Every input passes node_input(), which only notes it;
 * node_turn() does the work and carries out what comes of it, in a fixed
 * order: save, send, tell.  No function of node_net or node_store calls back
 * into the node: what comes of it is a later input. */
#ifndef RAFTSC_NODE_NODE_H
#define RAFTSC_NODE_NODE_H

#include "base/out.h"
#include "core/raft.h"
#include "node/store.h"

struct node;

/* ---- settings ----------------------------------------------------------- */

#define NODE_CLUSTER_MAX 63 /* characters of a cluster's name */

/* Texts are borrowed until node_set() or node_free(). */
struct node_settings {
    raft_id id;
    const char *cluster;
    const char *advertise; /* host:port that the other nodes dial */
    const char *version;   /* of the program, for INFO */
    uint64_t process_id;   /* for INFO */
    const char *data_dir;  /* for INFO; NULL: not said */
    const char *bootstrap; /* members as in raftsc.conf; "" or NULL: none */
    uint64_t election_timeout_us;
    uint64_t heartbeat_us;
    uint64_t request_timeout_us;
    uint64_t catch_up_us;   /* a new member's time without progress */
    uint64_t disk_stall_us; /* a save that takes longer ends a leadership */
    uint64_t max_payload;
    uint64_t max_clients;
    uint64_t max_pending_bytes;
    uint64_t cache_bytes;      /* recent entries kept in memory */
    uint64_t keep_unacked;     /* entries that a following app has not ACKed and
                                  that no compaction drops, the newest so many */
    uint64_t snapshot_tail;    /* entries that are kept behind a new snapshot */
    uint64_t snapshot_hold_us; /* an announced snapshot is kept for an app */
    uint64_t send_rate;        /* bytes a second of a base on its way; 0: any */
    uint64_t key_window;       /* newest keys of SUBMIT that are remembered */
    /* 0: what is best.  The simulator makes them small. */
    uint64_t append_entries_max;
    uint64_t inflight_messages_max;
    uint64_t save_bytes_max; /* entries of one save; one always goes */
    bool forward;
    bool trace; /* notes of LOG_LEVEL_TRACE are wanted: many */
};

struct node_parameter {
    const char *name;
    const char *value;
};

/* No value is longer, with its NUL. */
#define NODE_PARAMETER_MAX ((size_t)20480)

/* Run-time parameters (CONFIG GET, CONFIG SET): the daemon's table of keys. */
struct node_parameters {
    void *context;
    size_t count;
    /* Name and effective value of key number `at`, in the order of names; the
     * value is copied into `value` (cut at `size`, ended by NUL). */
    const char *(*get)(void *context, size_t at, char *value, size_t size);
    /* Sets all of them, which have to make sense together, and calls node_set()
     * before it returns.  False: none is changed, `why` says what was wrong
     * and what was expected. */
    bool (*set)(void *context, const struct node_parameter *wanted,
                size_t count, char *why, size_t why_size);
};

/* ---- the outside -------------------------------------------------------- */

/* A connection is a number that whoever opens it makes, never used twice:
 * the daemon numbers those that it accepts, the node those that it dials
 * (even: node; odd: daemon). */
typedef uint64_t node_conn;

struct node_net {
    void *context;
    /* All bytes of *out move to the connection; nothing is sent before the
     * turn is over.  The bytes that left come back as NODE_INPUT_DRAINED. */
    void (*send)(void *context, node_conn conn, struct out *out);
    /* Close it; with `flush` once all is sent, or after 5 s.  The number is
     * dead at once: no input names it any more. */
    void (*close)(void *context, node_conn conn, bool flush);
    /* Stop or go on reading from it (bytes read before may still come). */
    void (*pause)(void *context, node_conn conn, bool paused);
    /* Look up host:port and connect: NODE_INPUT_DIALLED, later. */
    void (*dial)(void *context, node_conn conn, const char *address);
    /* For the operator's log. */
    void (*note)(void *context, enum log_level level, const char *text);
};

enum node_input_type {
    NODE_INPUT_APP_OPEN,  /* an app connected */
    NODE_INPUT_PEER_OPEN, /* a peer (or a stranger) connected */
    NODE_INPUT_DIALLED,   /* the end of a dial: `ok`; not ok: the number is
                             dead, `text` says why */
    NODE_INPUT_BYTES,     /* `data`, borrowed for the call */
    NODE_INPUT_EOF,       /* the other end has shut down its sending half */
    NODE_INPUT_CLOSED,    /* the connection is gone; `text` says why, or NULL */
    NODE_INPUT_DRAINED,   /* `size` bytes of what was sent have left */
    NODE_INPUT_SAVED,     /* `saved` */
    NODE_INPUT_READ,      /* `read`: the node takes the entries */
    NODE_INPUT_FILE,      /* `file`: the node takes the bytes */
    NODE_INPUT_SHUTDOWN   /* finish what is under way, refuse what is new */
};

struct node_input {
    enum node_input_type type;
    node_conn conn;
    const uint8_t *data;
    size_t size;
    bool ok;
    const char *text;
    enum node_save_result saved;
    struct node_read_answer *read;
    struct node_file_answer *file;
};

/* ---- life --------------------------------------------------------------- */

/* Copies what it keeps of *start.  NULL: what is on disk contradicts itself
 * (`why`, at least 256 bytes, says how). */
struct node *node_new(const struct node_settings *settings,
                      const struct node_start *start, struct node_store store,
                      struct node_net net, struct node_parameters parameters,
                      uint64_t seed, struct raft_now now, char *why);
void node_free(struct node *node);

/* New settings, from CONFIG SET or a reload. */
void node_set(struct node *node, const struct node_settings *settings);

void node_input(struct node *node, const struct node_input *input);

/* Work on all that was noted, at `now`, which never goes back.  Returns the
 * monotonic time at which it is wanted again, input or not. */
uint64_t node_turn(struct node *node, struct raft_now now);

/* An input since the last turn wants one now: not only when its time comes. */
bool node_wants_turn(const struct node *node);

/* After NODE_INPUT_SHUTDOWN: nothing is under way any more. */
bool node_idle(const struct node *node);

/* For the daemon's STATUS= and the simulator's checks.  Borrowed. */
const struct raft *node_raft(const struct node *node);
/* "leader", "follower", "candidate", "learner", "idle": as ROLE says it. */
const char *node_role_word(const struct node *node);

/* The whole of INFO's text, appended. */
void node_info(const struct node *node, const char *section, struct buf *buf);

/* What keeps the cluster from working, and the next step, as text for people,
 * appended: who is missing from which quorum, logs compared, the disk, a
 * pending change. */
void node_why(struct node *node, struct buf *buf);

/* For probes and monitors (raftsc(8), HTTP); all append text.  Healthy: the
 * disk does not hang.  Ready: the node can serve its app.  Both write a line
 * for each check. */
bool node_healthy(const struct node *node, struct buf *buf);
bool node_ready(const struct node *node, struct buf *buf);
void node_metrics(const struct node *node, struct buf *buf);
/* INFO and WHY as one JSON object. */
void node_status_json(struct node *node, struct buf *buf);

#endif
