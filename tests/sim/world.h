/* A simulated world: several nodes with their disks, the network between them
 * and their apps, all of it decided by one seed.
 *
 * The nodes run the code that ships, fed with bytes cut at random places.  The
 * world owns time: events are taken from one queue, ordered by time and then
 * by the order in which they were noted, so that a seed repeats itself to the
 * byte.
 *
 *   world.c     time, the trace, a run and its two phases
 *   mix.c       what a seed draws at first: its own kind of bad weather
 *   host.c      nodes that start, turn, crash and have clocks
 *   fault.c     what breaks; place.c disks and addresses that are exchanged;
 *               settle.c what is left broken for good
 *   net.c       connections; mangle.c the messages on them
 *   disk.c      the model of a store; base.c what is gone of a log; files.c
 *               snapshots; shelf.c the
 *               shipped store on a VFS
 *   app.c       apps and their connections; ask.c, ask_*.c what they ask and
 *               hear
 *   operator.c  who changes the members; order.c whether the answers are true
 *   check.c     what must hold after every turn; config.c the same of
 *               configurations; limits.c what may not grow; history.c what
 *               apps saw; keys.c what is so of keys
 *   force.c     the configurations that may be in force, and who is in them
 *   many.c      many seeds in many processes; shrink.c a smaller run
 *   play.c      runs in which nothing is left to chance but delays; play_peer.c
 *               those of peers that do not keep to the protocol, play_log.c
 *               those of what a log must not lose, play_app.c those of apps
 *
 * A new operation of the node joins with an ask_*.c of its own (or a fault), a
 * row in the table of ask.c (or fault.c), its checks, and a happening for
 * everything that may come of it. */
#ifndef RAFTSC_TESTS_SIM_WORLD_H
#define RAFTSC_TESTS_SIM_WORLD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/map.h"
#include "base/prng.h"
#include "happened.h"
#include "node/node.h"
#include "sim.h"

#define HOSTS_MAX 9
#define APPS_MAX 16
#define OPERATORS_MAX 2
/* Small, so that BUSY and TOOBIG come often. */
#define MAX_PAYLOAD ((size_t)32 * 1024)
#define MAX_PENDING_BYTES ((size_t)256 * 1024)
/* A way that is half open is given up by the kernel after this long. */
#define USER_TIMEOUT_US ((uint64_t)2000000)

struct world;
struct host;
struct wire;
struct app;
struct shelf;
struct file_job;
struct resp_value;

/* ---- time --------------------------------------------------------------- */

typedef void event_run(struct world *world, void *subject, uint64_t life);

/* `life` tells an event that its subject has been replaced since. */
void world_at(struct world *world, uint64_t time_us, event_run *run,
              void *subject, uint64_t life);
void world_in(struct world *world, uint64_t delay_us, event_run *run,
              void *subject, uint64_t life);
/* Takes the subject, which is one piece of memory: `run` frees it, or the end
 * of the world does. */
void world_give(struct world *world, uint64_t delay_us, event_run *run,
                void *subject, uint64_t life);

/* ---- what a seed draws at first (mix.c) --------------------------------- */

enum fault {
    FAULT_CRASH,
    FAULT_CRASH_ALL,
    FAULT_PAUSE,
    FAULT_CLOCK,
    FAULT_HALVES,
    FAULT_ONE_WAY,
    FAULT_ISOLATE,
    FAULT_BRIDGE,
    FAULT_RING,
    FAULT_PATTERN,
    FAULT_BREAK,
    FAULT_HALF_OPEN,
    FAULT_CLOG,
    FAULT_DISK_FULL,
    FAULT_DISK_SLOW,
    FAULT_DISK_HANGS,
    FAULT_WRITE,
    FAULT_READ,
    FAULT_WIPE,
    FAULT_OLD_DISK,
    FAULT_MOVE,
    FAULT_STOP,
    FAULTS
};

enum compaction {
    COMPACT_NEVER,
    COMPACT_KEEPS, /* what members need */
    COMPACT_FORCES
};

struct mix {
    unsigned voters;
    unsigned listed; /* voters, then learners: the bootstrap list */
    unsigned hosts;  /* … then those that wait to be added */
    unsigned apps;
    bool sqlite;           /* the shipped store, on a VFS in memory */
    uint64_t faults_us;    /* the first phase: any fault */
    uint64_t fault_gap_us; /* between two faults, on average */
    unsigned weights[FAULTS];
    unsigned aim;         /* one fault in so many is the leader's; 0: none */
    unsigned fall;        /* one new leader in so many falls at once; 0: none */
    uint64_t drift_ppm;   /* of clocks, at most */
    unsigned save_crash;  /* one save in so many is cut off by a crash */
    uint64_t delay_us;    /* of bytes on the network, at most */
    unsigned lost;        /* messages between nodes, per mille */
    unsigned doubled;     /* … */
    unsigned reordered;   /* … */
    unsigned late;        /* … once more much later, by another way */
    uint64_t save_us;     /* of a save, at most */
    uint64_t cache_bytes; /* of a node: small ones make the store read */
    uint64_t key_window;  /* so many keys are remembered, at least */
    bool key_windows;     /* … and by some nodes more */
    unsigned keyed;       /* SUBMITs with a key, per mille */
    unsigned after;       /* … with AFTER */
    bool forward;
    uint64_t append_entries_max; /* of one message; 0: as it ships */
    uint64_t inflight_messages_max;
    uint64_t save_bytes_max;
    uint64_t ask_gap_us; /* between two bursts of an app */
    unsigned burst;      /* requests in one, at most */
    bool large;          /* payloads that are often large */
    enum compaction compact;
    unsigned cut; /* one burst in so many ends with all that is known cut off
                     by force: who was away is installed; 0: none */
    uint64_t keep_unacked; /* entries that an app has not ACKed */
    bool snapshots;        /* apps upload them */
    uint64_t snapshot_tail;
    uint64_t snapshot_hold_us;
    /* Where the members change (no operators: they do not): */
    unsigned operators;
    uint64_t order_gap_us; /* between two orders of one of them */
    bool alone;            /* node 0 begins, and is told to; the others wait */
    bool forgetful;        /* a node with a new disk has no bootstrap list */
    unsigned stumble;      /* at one step of a change in so many somebody
                              crashes; 0: none */
    /* Drawn by themselves: a seed without them is what it was before. */
    bool curious; /* apps ask whatever there is to be asked */
    bool moody;   /* nodes have other settings, and are given others yet */
    bool rots;    /* disks do not give back what was written, for a time */
};

void mix_draw(struct mix *mix, struct prng *prng,
              const struct sim_options *options);
/* Three nodes and an operator, and nothing that breaks by itself. */
void mix_play(struct mix *mix, const struct sim_options *options);
void mix_show(const struct world *world);

/* ---- disks -------------------------------------------------------------- */

/* The key of an entry that is gone. */
struct kept {
    raft_index index;
    struct blob *key;
};

/* The bytes of a snapshot. */
struct sim_file {
    uint64_t number; /* 0: it is none */
    struct node_snapshot what;
    struct buf bytes;
    bool received; /* from another node */
    bool whole;
};
#define FILES_MAX 24
#define ROTTEN_MAX 256

/* What is durable.  The model of a store is this and no more; beside the
 * shipped store it is what that must have, whenever it is opened again. */
struct disk {
    bool made;
    struct node_identity identity;
    raft_term term;
    raft_id vote;
    raft_index commit;
    raft_index ack;
    struct raft_entry *entries; /* entries[i] is index i + 1 */
    size_t count;
    size_t capacity;
    struct raft_base base; /* up to there they are only for the checks */
    bool installed;        /* … and were another node's, once */
    struct kept *kept;     /* ascending; those of entries that are gone */
    size_t kept_count;
    size_t kept_capacity;
    raft_index kept_forgotten;
    struct node_snapshot snapshot; /* the valid one */
    struct sim_file files[FILES_MAX];
    uint64_t file_number; /* the last one that was given */
    bool file_begun; /* a crash cut off the begin of one that is received */
    /* For node_start: */
    struct raft_run *runs;
    struct raft_config_entry *configs;
    raft_index *others;
    struct buf keys;
    /* Faults: */
    bool full;
    bool slow;
    bool hangs;
    bool write_fails;
    bool read_fails;
    raft_index rotten; /* this entry is damaged where it is read; 0: none */
    raft_index were_rotten[ROTTEN_MAX]; /* … the last ones of them */
    unsigned were_rotten_count;
    bool file_rots;   /* so are the bytes of snapshots … */
    bool file_rotted; /* … and the node knows it, until it is started anew */
};

/* Borrowed until disk_started(). */
void disk_start(struct host *host, struct node_start *start);
void disk_started(struct host *host);
void disk_apply(struct host *host, const struct node_save *save);
/* The process is gone, and perhaps the machine: what becomes of the save under
 * way, and of all that was not synced. */
void disk_crash(struct host *host);
/* Nothing of it fails any more. */
void disk_repair(struct disk *disk);
void disk_free(struct disk *disk);
/* Only `count` entries are left; or one more is there, which is shared. */
void disk_truncate(struct disk *disk, size_t count);
void disk_add(struct disk *disk, const struct raft_entry *entry);
struct node_store disk_store(struct host *host);
/* It hangs no more. */
void disk_wake(struct host *host);
/* The host, which is down, has another disk from now on: a new one, or the one
 * that it had before.  The present one is kept. */
void disk_change(struct host *host, bool fresh);

/* ---- what is gone (base.c) ---------------------------------------------- */

/* The part of a save that moves the base. */
void base_apply(struct host *host, const struct raft_save *log);
/* Appended: the keys up to it, those that are kept. */
void base_pack_keys(const struct disk *disk, struct buf *buf);
/* The shipped store was opened, and brings the keys that disk has. */
void base_check_keys(struct host *host, const struct raft_start *start);
void base_free(struct disk *disk);

/* ---- snapshots (files.c) ------------------------------------------------ */

/* All bytes of one; and whether these are some of them. */
void files_fill(raft_index index, size_t size, struct buf *buf);
bool files_are(raft_index index, size_t size, size_t offset, const void *data,
               size_t count);
/* The part of a save that names one. */
void files_apply(struct host *host, const struct node_save *save);
void files_ask(void *context, const struct node_file_request *request);
/* The request that is worked on now; NULL: none. */
const struct node_file_request *files_under_way(const struct host *host);
/* A whole one that another node sent, and that is not about to be dropped; 0:
 * there is none behind `number`. */
uint64_t files_received(const struct host *host, uint64_t number);
void files_crash(struct host *host);
/* The shipped store is open again: it has the valid one, and no file that
 * nobody needs. */
void files_opened(struct host *host, const char *directory);
void files_free(struct disk *disk);
/* What its node asked for is not done any more. */
void files_forget(struct host *host);

/* ---- the shipped store (shelf.c) ---------------------------------------- */

/* Opens it, and fails the run where it does not have what disk says. */
const struct node_start *shelf_open(struct host *host);
void shelf_started(struct host *host);
enum node_save_result shelf_save(struct host *host,
                                 const struct node_save *save, bool full);
/* Entries as the store reads them back; the caller owns them. */
void shelf_read(struct host *host, const struct node_read *read, bool fails,
                struct node_read_answer *answer);
/* `save`: what was under way; NULL: nothing. */
void shelf_crash(struct host *host, const struct node_save *save);
/* Bytes of snapshots.  False: it is not answered. */
bool shelf_file(struct host *host, const struct node_file_request *request,
                struct node_file_answer *answer);
/* NULL where there is none; it is NULL then. */
void shelf_close(struct shelf **shelf);

/* ---- hosts (host.c) ----------------------------------------------------- */

struct host {
    struct world *world;
    raft_id id;
    char address[32];  /* that it announces */
    unsigned place;    /* where it is now; 0: where it always was */
    bool listed;       /* it has a bootstrap list */
    bool named;        /* … or only to look others up, once it is a member */
    struct node *node; /* NULL: not running */
    uint64_t life;     /* counts starts and crashes */
    uint64_t paused_until_us;
    uint64_t stops_by_us; /* it was told to stop; 0: it was not */
    uint64_t old_us;      /* when it last heard what had waited on its way */
    uint64_t turn_at_us;  /* the next turn that is noted; 0: none */
    uint64_t wall_us;     /* added to the world's time: clocks differ */
    int64_t drift_ppm;    /* its clock is that much too fast */
    uint64_t key_window;  /* of this life */
    raft_index acked;     /* the newest that any app ever acknowledged here */
    uint64_t acks_saved;  /* saves of an acknowledgement */
    uint64_t mood;        /* of its settings; 0: they are as ever */
    bool left;            /* broken for good … */
    bool cut_off;         /* … and not only its disk */
    bool may_start;       /* false: dead for good */
    struct disk disk;
    struct disk other_disk; /* in a drawer, if it was ever made */
    struct shelf *shelf;    /* NULL: the model */
    struct shelf *other_shelf;
    const struct node_save *saving;
    struct file_job *file_jobs; /* the first is worked on */
    bool save_waits;            /* for a disk that hangs */
    struct map wires;           /* node_conn -> struct wire */
    node_conn next_conn;        /* odd */
    /* What the last turn left, for check.c. */
    raft_index checked;
    raft_index commit;
    raft_term term;
    raft_id vote;
    bool led;
    raft_index config_index; /* of its newest configuration */
    bool prepares;           /* a change, of which nothing is in a log */
    uint64_t begun_us;       /* its clock, when it last began one … */
    uint64_t change_serial;  /* … or had core begin it */
    uint64_t led_us;         /* when it last led; 0: never */
};

void host_start(struct host *host);
void host_crash(struct host *host);
void host_restart_later(struct host *host, uint64_t most_us);
void host_set(struct host *host); /* its settings as they are to be now */
/* Where it is now, as others may write it: with a mark, if that is not 0. */
void host_place(const struct host *host, uint64_t mark, char *text,
                size_t size);
struct host *host_at(struct world *world, const char *address);
void host_wake(struct host *host); /* a turn is wanted now */
bool host_paused(const struct host *host);
event_run host_start_again;

/* ---- faults (fault.c) --------------------------------------------------- */

event_run fault_next;
/* Where disks rot: now and then one does, for a time. */
event_run fault_rot;
/* It leads a new term. */
void fault_elected(struct host *host);
/* A step of a change of members shows itself there. */
void fault_step(struct host *host);
/* Nothing gets from one to the other. */
void fault_cut(struct world *world, unsigned from, unsigned to);

/* ---- the second phase (settle.c) ---------------------------------------- */

/* A majority is healed, and for good; all others are left as they fell. */
void fault_settle(struct world *world);
/* Another configuration may be in force since: it gets its majority, too. */
void settle_more(struct world *world);

/* ---- disks and addresses (place.c) -------------------------------------- */

typedef void fault_run(struct world *world, struct prng *prng);

fault_run place_wipe, place_old_disk, place_move;
/* Its old disk is there again after all. */
void place_recover(struct host *host);

/* ---- the configurations that may be in force (force.c) ------------------ */

/* Whether `host`, which has the id of the member, counts. */
typedef bool force_counts(const struct host *host, const void *context);

/* Each set of voters that may be in force, now or later without another order,
 * has a majority of members that are the instance that is meant, and count. */
bool force_holds(struct world *world, force_counts *counts,
                 const void *context);
/* One of them names this disk. */
bool force_names(struct world *world, const struct disk *disk);
/* It is a member, with this disk, of the newest configuration that is
 * committed; or nothing is committed yet. */
bool force_member(const struct world *world, const struct host *host);

/* ---- the network (net.c, mangle.c) -------------------------------------- */

/* One end is a node's connection, or an app's. */
struct wire_end {
    struct host *host; /* NULL: an app's end, or nobody is there */
    struct app *app;
    node_conn conn; /* the app's number for it, at an app's end */
    bool gone;      /* this end is closed: nothing is delivered to it */
    bool shut;      /* this end sends no more */
    bool paused;
    bool told;                /* it knows that the other end is gone */
    struct buf bytes;         /* on their way to this end */
    struct buf unframed;      /* … before what is lost of them is drawn */
    struct buf held;          /* a message that a later one overtakes */
    uint64_t stalls_until_us; /* nothing more arrives here */
    uint64_t waits_us;        /* the bytes wait since then; 0: they move */
    uint64_t owed; /* bytes whose sender was not told yet that they left */
    bool moving;   /* an event will deliver some of them */
};

struct wire {
    struct wire *next;
    struct wire_end end[2];
    bool connected;
    bool is_free;
    bool hangs;                /* half open: nothing moves, nobody knows */
    bool broken;               /* by a fault or a crash */
    bool spoke;                /* a message has passed: both have greeted */
    bool offered;              /* a base was, on this connection */
    uint64_t clogged_until_us; /* little moves */
    uint64_t life;
};

struct node_net net_of(struct host *host);
void net_host_gone(struct host *host); /* it crashed: its wires break */
void net_break(struct wire *wire);
void net_half_open(struct wire *wire);
/* An app connects to a node; NULL: it does not run. */
struct wire *net_connect(struct app *app, struct host *host, node_conn conn);
void net_app_send(struct wire *wire, const void *data, size_t size);
void net_app_close(struct wire *wire, bool half);
void net_app_pause(struct wire *wire, bool paused);
bool net_parted(const struct world *world, const struct host *a,
                const struct host *b);
/* Whether this frame is lost: a play's choice, or else how long the connection
 * stalls with it. */
typedef bool lose_frame(struct world *world, struct wire *wire,
                        const struct host *from, const uint8_t *frame);
/* What is unframed goes on its way: some messages are lost, doubled, late. */
void mangle(struct world *world, struct wire *wire, struct wire_end *to);
/* Bytes are there to be delivered at this end. */
void net_moves(struct world *world, struct wire *wire, struct wire_end *to);
/* What was held back is overtaken by now. */
void mangle_release(struct wire_end *to);

/* ---- apps (app.c) ------------------------------------------------------- */

struct app *app_new(struct world *world, unsigned number);
void app_free(struct app *app);
void app_bytes(struct app *app, node_conn conn, const uint8_t *data,
               size_t size);
/* `by_node`: in order, because the node wanted it so. */
void app_closed(struct app *app, node_conn conn, bool by_node);
void app_start(struct app *app);
/* Nothing new is asked. */
void app_stop(struct app *app);
/* Its host is left broken: it goes to one that is well. */
void app_flee(struct app *app);
void app_go(struct app *app, struct host *host);
/* Requests that are not answered, on connections that are open. */
size_t app_open_requests(const struct app *app);
uint64_t app_acknowledged(const struct app *app);
raft_index app_followed(const struct app *app);

/* ---- operators (operator.c, order.c) ------------------------------------ */

struct app *operator_new(struct world *world, unsigned number);
/* One order, added to `buf`. */
void operator_ask(struct app *app, struct buf *buf);
/* In the second phase it asks nothing but its errand: a few orders of any kind,
 * and then, until it is done, a change to members that are all well. */
void operator_send(struct app *app);
bool operator_is_back(const struct app *app);

enum order_kind {
    ORDER_CHANGE,
    ORDER_ADD,
    ORDER_REMOVE,
    ORDER_PROMOTE,
    ORDER_DEMOTE,
    ORDER_REPLACE,
    ORDER_ABORT,
    ORDER_TRANSFER,
    ORDER_BOOTSTRAP,
    ORDER_PLAN,
    ORDER_KINDS
};

/* What was asked, and what became of it.  The addresses that an order brings
 * carry its number. */
struct order {
    enum order_kind kind;
    raft_id ids[HOSTS_MAX];
    bool learner[HOSTS_MAX];
    size_t count;
    bool untouched; /* it was answered: nothing has been changed … */
    bool undone;    /* … or that it was turned back */
};

/* It asks this, and nothing else, at `host` (a play). */
void operator_wish(struct app *app, struct host *host,
                   const struct order *order);
/* Notes an order; its number, from 1. */
uint64_t order_new(struct world *world, const struct order *order);
void order_answered(struct app *app, uint64_t number, uint64_t asked_us,
                    const struct resp_value *value);
void order_end(struct world *world);

/* ---- checks (check.c, config.c, history.c) ------------------------------ */

enum fate {
    FATE_OPEN,
    FATE_ACKED,
    FATE_FOUND, /* answered with another one of its key */
    FATE_REFUSED,
    FATE_UNKNOWN
};

/* One SUBMIT of any app: its payload begins with its number. */
struct submit {
    enum fate fate;
    raft_index index; /* FATE_ACKED */
    size_t size;
    uint64_t key;     /* its number; 0: it has none */
    raft_index after; /* RAFT_INDEX_NONE: any */
    raft_term fence;  /* 0: any */
};

/* A key that apps submit with. */
struct sim_key {
    raft_index since; /* with each attempt; RAFT_INDEX_NONE: with none */
    raft_index known; /* the newest entry of it that an app was told of */
    raft_index last;  /* the newest committed one; 0: none */
    uint64_t ordinal; /* … counted among all that have a key, from 1 */
};

struct committed {
    raft_term term;
    raft_term during; /* the term in which it was committed, or a later one */
    uint8_t kind;
    struct digest chain;
    uint64_t submit; /* number of the SUBMIT; 0: not an app's */
    struct raft_entry entry;
};

/* An entry that was on some disk once. */
struct seen {
    raft_term term;
    struct digest chain;
    size_t next; /* of the same index; 0: none */
};

/* A configuration that is committed. */
struct config_seen {
    raft_index index;
    raft_term term;
    uint64_t at_us;
    uint64_t prepared_us; /* when a leader that had it as its newest last
                             prepared a change; 0: never */
    struct raft_config config;
};

struct checks {
    struct committed *log; /* log[i] is index i + 1 */
    size_t count;
    size_t capacity;
    struct submit *submits; /* by number, from 1 */
    size_t submit_count;
    size_t submit_capacity;
    raft_index last_app;  /* of those that are committed */
    raft_index known_max; /* committed, as any app was told so far */
    struct sim_key *keys; /* by number, from 1; 0 is nobody's */
    uint64_t key_count;
    size_t key_capacity;
    raft_index *keyed; /* committed entries that have a key */
    size_t keyed_count;
    size_t keyed_capacity;
    struct map leaders; /* term -> struct host */
    struct seen *seen;  /* from 1 */
    size_t seen_count;
    size_t seen_capacity;
    size_t *seen_first; /* by index - 1 */
    size_t seen_first_capacity;
    size_t seen_first_count;
    struct config_seen *configs;
    size_t config_count;
    size_t config_capacity;
    struct order *orders; /* by number, from 1 */
    size_t order_count;
    size_t order_capacity;
};

void check_turn(struct host *host);
/* Nothing is over its stated limit. */
void check_limits(struct host *host);
/* The members that a change which is open at this node would lead to: what
 * core and node know of it.  How many there are. */
size_t check_targets(const struct host *host, struct raft_config targets[2]);
/* At some time since this was last asked a change was being prepared there, of
 * which nothing was in a log yet: it may have begun, or be over, since. */
bool check_prepares(struct host *host);
/* Entry `from` and all behind it are about to leave this disk. */
void check_truncated(struct host *host, raft_index from);
/* It is on this disk now. */
void check_saved(struct host *host, const struct raft_entry *entry);
/* All that is committed is told everywhere, and nothing else is left. */
bool check_converged(struct world *world, char *why, size_t size);
void check_end(struct world *world);
const struct host *check_leader_of(const struct world *world, raft_term term);
void check_free(struct checks *checks);

/* In config.c: an entry that a node takes for committed is on the disks of a
 * majority of each set of voters of the configuration that is in force there;
 * one of those disks' copy of it. */
const struct raft_entry *config_on_quorum(struct host *host, raft_index index,
                                          raft_term term);
/* A configuration is committed, as the first entry of its kind or behind
 * others. */
void config_committed(struct world *world, const struct raft_entry *entry);
/* What this node's log has of them since its last turn, which it left in the
 * term `before`. */
void config_turn(struct host *host, const struct raft_status *status,
                 raft_term before);
/* NULL: none is committed yet. */
const struct config_seen *config_newest(const struct world *world);
/* NULL: entry `index` is no committed configuration. */
const struct config_seen *config_find(const struct world *world,
                                      raft_index index);

uint64_t history_submit(struct world *world, size_t size);
void history_acked(struct world *world, uint64_t number, raft_index index,
                   raft_index known_before);
/* An app was told that this is committed. */
void history_known(struct world *world, raft_index index);
/* It was answered with entry `index`, which another SUBMIT of its key made. */
void history_found(struct world *world, uint64_t number, raft_index index);
/* It was committed, for the first time anywhere: what it asked for is so. */
void history_committed(struct world *world, const struct raft_entry *entry);
/* The payload's number, or 0. */
uint64_t history_number(const void *data, size_t size);
void history_end(struct world *world);

/* ---- keys (keys.c) ------------------------------------------------------ */

/* A new one, or one that was used lately. */
uint64_t keys_some(struct world *world);
size_t keys_text(uint64_t key, char text[RAFT_KEY_MAX + 1]);
/* The key of a committed entry; 0: none. */
uint64_t keys_at(const struct checks *checks, raft_index index);
/* An app was told of this entry. */
void keys_known(struct checks *checks, raft_index index);
void keys_committed(struct world *world, const struct raft_entry *entry);
/* "FORGOTTEN …", said to OUTCOME and to SUBMIT, must be true. */
void keys_forgotten_now(struct world *world, const char *text,
                        raft_index since);
void keys_forgotten_by_leader(struct world *world, const char *text,
                              raft_index since);

/* Ends the run: the seed, the time, which rule was violated, and how. */
void world_fail(struct world *world, const char *rule, const char *format, ...)
    __attribute__((noreturn, format(printf, 3, 4)));
/* What happened: two runs of a seed compare it. */
void world_trace(struct world *world, const struct host *host,
                 const char *format, ...) __attribute__((format(printf, 3, 4)));
/* Only for the eyes of whoever traces. */
void world_show(const struct world *world, const struct host *host,
                const char *format, ...) __attribute__((format(printf, 3, 4)));
bool world_shows(const struct world *world, const struct host *host);
void world_happened(struct world *world, enum happening what);

/* ---- plays (play.c) ----------------------------------------------------- */

typedef void play_run(struct world *world);

/* NULL: there is none of that name. */
play_run *play_find(const char *name);
/* So many apps, which ask as ever, are in it. */
unsigned play_apps(const char *name);

/* ---- the world ---------------------------------------------------------- */

/* Time goes on by so much. */
void world_run(struct world *world, uint64_t us);

struct event;

struct world {
    const struct sim_options *options;
    uint64_t seed;
    struct prng prng;
    struct mix mix;
    uint64_t now_us;
    struct event *events; /* a heap */
    size_t event_count;
    size_t event_capacity;
    uint64_t event_number;
    struct host hosts[HOSTS_MAX];
    struct app *apps[APPS_MAX];
    struct app *operators[OPERATORS_MAX];
    struct wire *wires;
    uint64_t parted[HOSTS_MAX]; /* bit j of [i]: nothing gets from i to j */
    uint64_t parting;           /* counts partitions: each ends by itself */
    uint64_t fault_number;
    unsigned places; /* where hosts were so far */
    char bootstrap[512];
    struct checks checks;
    bool calm;         /* the second phase … */
    uint64_t calm_us;  /* … and when it began */
    lose_frame *loses; /* NULL: nothing that a play wants lost */
    uint64_t happened[HAPPENINGS];
    struct digest digest; /* of the trace */
};

#endif
