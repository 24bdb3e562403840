/* A simulated world: several nodes with their disks, the network between them
 * and their apps, all of it decided by one seed.
 *
 * The nodes run the code that ships, fed with bytes cut at random places.  The
 * world owns time: events are taken from one queue, ordered by time and then
 * by the order in which they were noted, so that a seed repeats itself to the
 * byte. */
#ifndef RAFTSC_TESTS_SIM_WORLD_H
#define RAFTSC_TESTS_SIM_WORLD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/map.h"
#include "base/prng.h"
#include "node/node.h"

#define HOSTS_MAX 7
#define APPS_MAX 8

struct world;
struct host;
struct wire;
struct app;

/* ---- time --------------------------------------------------------------- */

typedef void event_run(struct world *world, void *subject, uint64_t life);

/* `life` tells an event that its subject has been replaced since. */
void world_at(struct world *world, uint64_t time_us, event_run *run,
              void *subject, uint64_t life);
void world_in(struct world *world, uint64_t delay_us, event_run *run,
              void *subject, uint64_t life);

/* ---- what a seed draws at first ----------------------------------------- */

struct mix {
    unsigned hosts;
    unsigned apps;
    uint64_t faults_us;    /* the first phase: any fault */
    uint64_t delay_us;     /* of bytes on the network, at most */
    unsigned crash_weight; /* how often each kind of fault is drawn: */
    unsigned part_weight;
    unsigned break_weight;
    unsigned pause_weight;
    unsigned full_weight;
    unsigned slow_weight;
    uint64_t fault_gap_us; /* between two faults, on average */
    uint64_t save_us;      /* of a save, at most */
    uint64_t cache_bytes;  /* of a node: small ones make the store read */
    bool forward;
};

/* ---- disks: a model of the store ---------------------------------------- */

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
    /* For node_start: */
    struct raft_run *runs;
    struct raft_config_entry *configs;
    raft_index *others;
    bool full;
    bool slow;
};

struct host {
    struct world *world;
    raft_id id;
    char address[32];
    struct node *node; /* NULL: not running */
    uint64_t life;     /* counts starts and crashes */
    uint64_t paused_until_us;
    uint64_t turn_at_us; /* the next turn that is noted; 0: none */
    uint64_t clock_us;   /* added to the world's: clocks differ */
    struct disk disk;
    const struct node_save *saving;
    struct map wires;    /* node_conn -> struct wire */
    node_conn next_conn; /* odd */
    raft_index checked;
};

void disk_start(struct disk *disk, struct host *host, struct node_start *start);
void disk_started(struct disk *disk);
void disk_apply(struct disk *disk, const struct node_save *save);
void disk_free(struct disk *disk);
struct node_store disk_store(struct host *host);

/* ---- hosts -------------------------------------------------------------- */

void host_start(struct host *host);
void host_crash(struct host *host);
void host_restart_later(struct host *host);
void host_wake(struct host *host); /* a turn is wanted now */
bool host_paused(const struct host *host);

/* ---- the network -------------------------------------------------------- */

/* One end is a node's connection, or an app's. */
struct wire_end {
    struct host *host; /* NULL: an app's end */
    struct app *app;
    node_conn conn; /* the app's number for it, at an app's end */
    bool gone;      /* this end is closed: nothing is delivered to it */
    bool shut;      /* this end sends no more */
    bool paused;
    bool told;        /* it knows that the other end is gone */
    struct buf bytes; /* on their way to this end */
    bool moving;      /* an event will deliver some of them */
};

struct wire {
    struct wire *next;
    struct wire_end end[2];
    bool connected;
    bool is_free;
    uint64_t life;
};

struct node_net net_of(struct host *host);
void net_host_gone(struct host *host); /* it crashed: its wires break */
void net_break(struct wire *wire);
/* An app connects to a node; NULL: it does not run. */
struct wire *net_connect(struct app *app, struct host *host, node_conn conn);
void net_app_send(struct wire *wire, const void *data, size_t size);
void net_app_close(struct wire *wire, bool half);
bool net_parted(const struct world *world, const struct host *a,
                const struct host *b);

/* ---- apps --------------------------------------------------------------- */

struct app *app_new(struct world *world, unsigned number);
void app_free(struct app *app);
void app_bytes(struct app *app, node_conn conn, const uint8_t *data,
               size_t size);
void app_closed(struct app *app, node_conn conn);
void app_start(struct app *app);
/* Nothing new is asked. */
void app_stop(struct app *app);
/* Requests that are not answered, on connections that are open. */
size_t app_open_requests(const struct app *app);
uint64_t app_acknowledged(const struct app *app);
raft_index app_followed(const struct app *app);

/* ---- checks ------------------------------------------------------------- */

enum fate { FATE_OPEN, FATE_ACKED, FATE_REFUSED, FATE_UNKNOWN };

/* One SUBMIT of any app: its payload begins with its number. */
struct submit {
    enum fate fate;
    raft_index index; /* FATE_ACKED */
    size_t size;
};

struct committed {
    raft_term term;
    uint8_t kind;
    struct digest chain;
    uint64_t submit; /* number of the SUBMIT; 0: not an app's */
};

struct checks {
    struct committed *log; /* log[i] is index i + 1 */
    size_t count;
    size_t capacity;
    struct submit *submits; /* by number, from 1 */
    size_t submit_count;
    size_t submit_capacity;
    raft_index acked_max;   /* of all that were acknowledged so far */
    raft_id leaders[65536]; /* of each term, plus 1 */
    uint64_t elections;
    uint64_t crashes;
    uint64_t lost_saves;
    uint64_t truncations;
    uint64_t store_reads;
    uint64_t acked;
    uint64_t refused;
    uint64_t uncertain;
    uint64_t barriers;
    uint64_t followed;
};

void check_turn(struct host *host);
void check_end(struct world *world);
uint64_t check_submit_new(struct world *world, size_t size);
void check_acked(struct world *world, uint64_t number, raft_index index,
                 raft_index acked_before);
uint64_t check_payload_number(const void *data, size_t size);

/* Ends the run: the seed, the time, what was violated. */
void world_fail(struct world *world, const char *format, ...)
    __attribute__((noreturn, format(printf, 2, 3)));
void world_trace(struct world *world, const struct host *host,
                 const char *format, ...) __attribute__((format(printf, 3, 4)));

/* ---- the world ---------------------------------------------------------- */

struct event;

struct world {
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
    struct wire *wires;
    uint64_t parted[HOSTS_MAX]; /* bit j of [i]: nothing gets from i to j */
    char bootstrap[512];
    struct checks checks;
    bool calm; /* the second phase */
    bool trace;
    struct digest digest; /* of the trace: two runs of a seed compare it */
};

#endif
