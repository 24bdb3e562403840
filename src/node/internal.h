/* What the files of node/ share: the struct, and who calls whom.
 *
 *   node.c     inputs are noted, the turn is driven
 *   driver.c   the only caller of raft_step(); save, send, tell
 *   trace.c    what it is fed and what comes of it, as text
 *   submit.c   proposals: queued, appended here or forwarded, answered
 *   pending.c  who waits for which index: SUBMIT, WAIT, BARRIER
 *   link.c     one connection with a peer; peers.c who is to be reached
 *   control.c  orders about the members, to the leader and back
 *   change.c   the leader carries them out; target.c what they ask for;
 *              plan.c what would happen
 *   contacts.c who is to be reached, and who may stay
 *   moved.c    members that are at another address are recorded
 *   progress.c how far a change is, for EVENTS, INFO and WHY
 *   compact.c  the log is cut
 *   install.c  what lies under it goes to a peer: install_offer.c says what,
 *              install_send.c sends it; install_take.c takes it from one;
 *              install_tell.c tells of both
 *   birth.c    the first configuration (raftsc(8), "Birth of a cluster")
 *   session.c  an app's connection; request.c its reply slots, in order
 *   command.c  the table of commands; command_*.c a function for each
 *   snapshot.c which snapshots there are; upload.c, download.c the app's
 *   feed.c     entries to READ and FOLLOW; events.c EVENTS; info.c INFO
 *   why.c      WHY: who is missing, and what to do */
#ifndef RAFTSC_NODE_INTERNAL_H
#define RAFTSC_NODE_INTERNAL_H

#include "base/list.h"
#include "base/map.h"
#include "base/prng.h"
#include "node/change.h"
#include "node/compact.h"
#include "node/events.h"
#include "node/latency.h"
#include "node/moved.h"
#include "node/node.h"
#include "node/pending.h"
#include "node/request.h"
#include "node/snapshot.h"
#include "node/wheel.h"

struct install;
struct frame_control;
struct frame_control_answer;
struct frame_forward;
struct frame_forward_answer;
struct session;
struct peer;
struct link;

/* Counters for INFO; they never go down. */
struct node_counters {
    uint64_t submits;  /* SUBMITs taken from apps here */
    uint64_t commits;  /* entries told here */
    uint64_t reads;    /* READs answered */
    uint64_t barriers; /* BARRIERs answered */
    uint64_t app_bytes_in;
    uint64_t app_bytes_out;
    uint64_t peer_bytes_in;
    uint64_t peer_bytes_out;
    uint64_t connections;         /* app connections accepted */
    uint64_t errors[ERROR_CODES]; /* by code */
    struct latency submit;        /* of SUBMITs that were acknowledged: from
                                     the handing over to the answer */
};

struct node {
    struct node_settings settings; /* texts are owned */
    struct node_identity identity;
    struct node_store store;
    struct node_net net;
    struct node_parameters parameters;
    struct raft *raft;
    struct raft_now now; /* of this turn, or of the last one */
    uint64_t started_us;
    struct prng prng;
    struct wheel wheel;
    struct node_counters counters;
    bool stopping; /* NODE_INPUT_SHUTDOWN */

    /* driver.c: the inbox of events, and the save under way. */
    struct raft_event *inbox;
    size_t inbox_count;
    size_t inbox_capacity;
    struct list inbox_messages; /* what the inbox borrows, owned here */
    struct list inbox_fetched;
    struct list fetches; /* reads of the store for peers */
    bool saving;
    struct node_save save;
    bool no_room; /* the last save found no room: DISK at the door */
    struct wheel_timer save_retry;
    uint64_t save_begun_us; /* at its first try; 0: none is under way */
    struct wheel_timer stall;
    bool stalled; /* the save takes longer than disk-stall-timeout */
    struct wheel_timer commit_save; /* saves a commit index when idle */
    raft_index saved_commit;
    raft_index ack;        /* durable */
    raft_index ack_wanted; /* to be saved with the next save … */
    bool ack_dirty;
    struct list ack_waiting; /* requests whose ACK the next save carries … */
    struct list ack_saving;  /* … and those of the save under way */
    bool cluster_dirty;
    raft_index told;    /* what apps may see, as the last turn left it */
    uint64_t next_read; /* number of the next node_read */
    struct buf traced;  /* the state as it was last traced */

    struct compact compact;
    struct install *install;

    /* submit.c */
    struct list submit_queue;   /* not handed to any leader yet */
    struct list submit_refused; /* refused, to be queued again in order */
    struct list submit_handed;  /* with a leader that has not answered yet */
    size_t submit_open;         /* SUBMITs that are not answered yet */
    size_t submit_inflight;     /* handed over, not yet accepted or refused */
    size_t submit_bytes;        /* payload of all that is not answered yet */
    struct wheel_timer submit_hold; /* on: a refusal is fresh … */
    raft_id submit_held_by;     /* … of this node, taken for the leader … */
    raft_term submit_held_term; /* … of this term */
    uint64_t next_forward;      /* begins anew, higher, with each boot */
    struct map forwards;        /* number -> request, while handed to a peer */
    struct list forward_answers; /* to peers, gathered in this turn */

    /* pending.c */
    struct pending pending;

    /* peers.c, link.c */
    struct list peers;
    struct map links;      /* node_conn -> struct link */
    struct list strangers; /* accepted links without a handshake */
    size_t stranger_count;
    char stranger_why[256]; /* the last complaint about one, and when */
    uint64_t stranger_us;
    node_conn next_dial;    /* even */
    uint64_t peers_changed; /* counts what `waiting` depends on */
    uint64_t waiting_made;  /* … and what it was when `waiting` was made */
    char waiting[512];      /* why no app is served; "": nothing */

    raft_index removed;  /* a member says: no member since this entry, which
                            is not told here yet; 0: nobody … */
    char unwelcome[256]; /* … or: with another data directory; "": nobody */
    struct raft_config bootstrap; /* the key: addresses to try; may be empty */
    uint64_t process;             /* random: which run of the program it is */

    /* control.c, change.c */
    struct list controls; /* orders of apps here, not answered yet */
    size_t control_count;
    uint64_t next_control; /* begins anew, higher, with each boot */
    struct change change;
    struct moved moved;

    /* birth.c */
    struct raft_config birth;   /* the list; count 0: none, or born */
    struct list birth_requests; /* of CONFIG BOOTSTRAP */
    uint64_t birth_met;         /* how many instances of peers were heard of */
    bool birth_noted; /* the first configuration is on its way to core */

    /* session.c, request.c */
    struct map sessions; /* node_conn -> struct session */
    struct list session_list;
    struct list touched; /* sessions to be looked at before the turn ends */
    struct map requests; /* ticket number -> struct request */
    struct list request_pool; /* finished ones, to be used again */
    uint64_t next_ticket;
    uint64_t next_client; /* CLIENT ID */

    /* feed.c, events.c */
    struct list feeds;      /* streams that may go on at once */
    struct list feeds_idle; /* streams that wait for the next entry */
    uint64_t feeds_us; /* until then the streams have had their share of time */
    struct wheel_timer feeds_due; /* on: it is up, and some of them wait */
    struct list readers;          /* requests: READ … BLOCK that waits */
    struct map reads;             /* node_read number -> struct feed_read */
    struct map digests; /* node_read number -> struct request: DIGEST */
    size_t follower_count;
    size_t watcher_count;
    struct list watchers;            /* sessions with EVENTS */
    struct events_seen events_seen;  /* what they were told last */
    struct wheel_timer events_timer; /* on: a catch-up is told again then */

    /* snapshot.c, upload.c */
    struct snapshot *snapshot;          /* the present one; NULL: none */
    struct list snapshots;              /* it, and older ones that are pinned */
    struct node_snapshot snapshot_next; /* to be named; index 0: none */
    struct upload upload;
    struct map file_asks; /* number -> struct file_ask */
    uint64_t next_file_ask;
};

/* ---- driver.c ----------------------------------------------------------- */

/* Notes an event for this turn's step.  Message events: the driver takes
 * *message (and clears it after the step); propose: it shares the blobs. */
void driver_note_message(struct node *node, struct raft_message *message);
void driver_note(struct node *node, const struct raft_event *event);
/* Frees the entries of an answer; it has none afterwards. */
void driver_read_clear(struct node_read_answer *answer);

/* The app has applied up to `index` (checked by the caller): `request` is
 * answered +OK once that is durable. */
void driver_ack(struct node *node, struct request *request, raft_index index);

/* Step, carry out, and again while there is something noted. */
void driver_run(struct node *node);
void driver_saved(struct node *node, enum node_save_result result);
/* A node_read is answered: true if it was the driver's, which takes it. */
bool driver_fetched(struct node *node, struct node_read_answer *answer);
void driver_init(struct node *node);
void driver_free(struct node *node);

/* ---- trace.c: notes of level trace, where the settings want them -------- */

/* What the step is about to take; what is handed to the store; a message that
 * leaves; the state, if it is another one. */
void trace_inbox(struct node *node);
void trace_save(struct node *node);
void trace_message(struct node *node, const struct raft_message *message);
void trace_state(struct node *node);

/* ---- submit.c ----------------------------------------------------------- */

/* Takes a SUBMIT that passed the door, whose key, since, fence, after and
 * payload are set: it is answered with its index, or an error of
 * raftsc-app(7). */
void submit_add(struct node *node, struct request *request,
                uint64_t timeout_us);
/* Hands what is queued to the leader, if there is one to be reached. */
void submit_pump(struct node *node);
/* What core decided about one: ACCEPTED, FOUND or REFUSED. */
void submit_decided(struct node *node, const struct raft_tell *tell);
/* The link to `peer` is gone: what it was handed has an unknown end. */
void submit_link_lost(struct node *node, raft_id peer);
/* It was handed a SUBMIT that it has not answered. */
bool submit_waits_for(const struct node *node, raft_id peer);
/* `request`, a SUBMIT, is about to be answered: it no longer counts. */
void submit_done(struct node *node, struct request *request);
/* What `peer` forwarded to this node, and its answers to what was forwarded
 * there.  Borrows the items. */
void submit_forwarded(struct node *node, raft_id peer,
                      const struct frame_forward *items, size_t count);
void submit_answered(struct node *node, raft_id peer,
                     const struct frame_forward_answer *items, size_t count);
/* Sends the gathered answers to what peers forwarded. */
void submit_flush(struct node *node);
/* The node stops: what was never handed over is answered NOLEADER. */
void submit_stop(struct node *node);
void submit_init(struct node *node);
void submit_free(struct node *node);

/* ---- peers.c, link.c ---------------------------------------------------- */

void peers_init(struct node *node);
void peers_free(struct node *node);
/* The configuration, or the birth list, is another one: dial and drop. */
void peers_update(struct node *node);
/* This node became a part of a cluster: what was agreed on before with any
 * peer must be agreed on again, with the cluster's id. */
void peers_greet_again(struct node *node);
/* It is to say once more who it is, on a connection that was dialled when
 * node->birth_met had come to `met`.  This may free its link. */
void peers_ask_again(struct node *node, struct peer *peer, uint64_t met);
/* Makes node->waiting, if anything that it depends on has changed. */
void peers_waiting(struct node *node);
/* The instance that a peer of the birth list has; 0: not heard yet. */
uint64_t peers_instance(const struct node *node, raft_id id);
/* A linked peer that is a part of a cluster already; NULL: none. */
const struct peer *peers_of_cluster(const struct node *node);
/* Why it could not be reached the last time; "": nothing. */
const char *peers_why(const struct node *node, raft_id id);
void peers_input(struct node *node, const struct node_input *input);
bool peers_owns(const struct node *node, node_conn conn);
/* To the peer, if there is a link with it; else the message is lost. */
void peers_send(struct node *node, const struct raft_message *message);
/* At the end of a turn: what was written goes to the net. */
void peers_flush(struct node *node);
/* NULL: no peer of that id is known here. */
struct peer *peers_find(const struct node *node, raft_id id);
bool peers_up(const struct node *node, raft_id id);
/* Where the peer was last seen; "" if unknown.  Borrowed. */
const char *peers_address(const struct node *node, raft_id id);
/* The version of the protocol that is spoken with it; 0: none now. */
unsigned peers_version(const struct node *node, raft_id id);
/* Its `peer_N:` line's end for INFO: link state. */
const char *peers_link_word(const struct node *node, raft_id id);

/* False: no link, nothing was sent. */
bool peers_forward(struct node *node, raft_id to,
                   const struct frame_forward *items, size_t count);
void peers_forward_answer(struct node *node, raft_id to,
                          const struct frame_forward_answer *items,
                          size_t count);

bool peers_control(struct node *node, raft_id to,
                   const struct frame_control *control);
void peers_control_answer(struct node *node, raft_id to,
                          const struct frame_control_answer *answer);

/* ---- control.c, for peers.c --------------------------------------------- */

/* The link to `peer` is gone: what it was handed has an unknown end. */
void control_link_lost(struct node *node, raft_id peer);
/* It was handed an order that it has not answered. */
bool control_waits_for(const struct node *node, raft_id peer);

/* ---- install.c, for driver.c and node.c ---------------------------------- */

void install_init(struct node *node);
void install_free(struct node *node);
/* RAFT_TELL_INSTALL. */
void install_needed(struct node *node, raft_id peer);
/* Each round of a turn: chunks go out, what is whole is noted for core, and
 * what is no longer needed ends. */
void install_pump(struct node *node);
/* True: the answer was for a sending, which takes it. */
bool install_read(struct node *node, struct node_read_answer *answer);
/* What was written goes to the net. */
void install_flush(struct node *node);
/* Whoever is sent a base will need the log behind this entry. */
raft_index install_holds(const struct node *node);

/* ---- install_tell.c ------------------------------------------------------ */

/* Its lines for INFO, and for WHY. */
void install_info(const struct node *node, struct buf *buf);
void install_why(const struct node *node, struct buf *buf);
/* For the line of a peer that is sent a base. */
void install_peer_info(const struct node *node, raft_id id, struct buf *buf);

/* The same, for the metrics. */
struct install_numbers {
    uint64_t sending;    /* nodes that are sent a base */
    uint64_t sent_bytes; /* since the start */
    uint64_t taken;      /* bases, since the start */
    uint64_t have;       /* bytes of the one that comes … */
    uint64_t size;       /* … of so many; 0: none comes … */
    uint64_t rate;       /* … and so many a second */
};
void install_numbers(const struct node *node, struct install_numbers *numbers);

/* ---- birth.c ------------------------------------------------------------ */

/* False: `why` says what is wrong with the bootstrap list. */
bool birth_init(struct node *node, char *why, size_t why_size);
/* An instance was heard in a handshake: if all are known now, the first
 * configuration is noted for the step. */
void birth_check(struct node *node);
/* An instance of this peer was heard of for the first time. */
void birth_met(struct node *node, struct peer *peer);
/* Whom the birth waits for, appended; nothing where it waits for nobody. */
void birth_waiting(struct node *node, struct buf *buf);
/* CONFIG BOOTSTRAP: takes over the request, or answers it with an error. */
void birth_bootstrap(struct node *node, struct request *request,
                     const struct raft_config *config);
void birth_told(struct node *node);
/* In greet.c: node->told has moved up: what others say of it is no news. */
void greet_told(struct node *node);

/* A setting of which 0 means what is best.  (node.c) */
size_t node_or_best(uint64_t limit, size_t best);

/* ---- session.c, feed.c, events.c (apps) --------------------------------- */

void session_input(struct node *node, const struct node_input *input);
bool session_owns(const struct node *node, node_conn conn);
void session_free_all(struct node *node);
/* max-payload is another one. */
void session_limits(struct node *node);
/* At the end of a turn: replies go to the net, and sessions go on reading
 * what they had put off. */
void session_flush_all(struct node *node);

void feed_init(struct node *node);
void feed_free(struct node *node);
/* READ, FOLLOW: the arguments are sound, index is not below the first. */
void feed_read(struct node *node, struct request *request);
void feed_follow(struct node *node, struct session *session, raft_index next);
void feed_end(struct node *node, struct session *session);
/* The session's app has read: what had no room goes on. */
void feed_resume(struct node *node, struct session *session);
/* node->told has moved on: FOLLOW and READ … BLOCK go on. */
void feed_wake(struct node *node);
/* Streams produce what their readers have room for, before the flush. */
void feed_run(struct node *node);
/* There are some, and a turn would serve them. */
bool feed_wants_turn(const struct node *node);
/* A node_read of the feed's is answered; it takes the entries. */
void feed_read_done(struct node *node, struct node_read_answer *answer);
/* Role, leader, term or configuration may have changed. */
void events_wake(struct node *node);
void events_watch(struct node *node, struct session *session);
void events_end(struct node *node, struct session *session);
/* Writes what this watcher has not been told yet. */
void events_push(struct node *node, struct session *session);
void events_init(struct node *node);
void session_init(struct node *node);

/* ---- why.c -------------------------------------------------------------- */

/* A message of `from` is here: WHY may tell of it. */
void why_note(struct node *node, raft_id from,
              const struct raft_message *message);

/* ---- everybody ---------------------------------------------------------- */

/* A line for the operator's log. */
void node_note(struct node *node, enum log_level level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* False, and the request is answered: this node is not a member of any
 * cluster (NOCONFIG) and cannot take commands for the log. */
bool node_door(struct node *node, struct request *request);

#endif
