/* A cluster of cores under chance: see test_core_random.c. */
#ifndef RAFTSC_TESTS_CORE_RANDOM_H
#define RAFTSC_TESTS_CORE_RANDOM_H

#include "base/prng.h"
#include "core/quorum.h"
#include "core/raft.h"

#define NODES_MAX 7
#define WAY_MAX 2048
#define TERMS_MAX 4096
#define INDEX_MAX 8192
#define TICKETS_MAX 16384

struct packet {
    struct raft_message message;
    uint64_t due_us;
};

struct disk {
    raft_term term;
    raft_id vote;
    raft_index commit;
    struct raft_base base;
    struct raft_entry *entries; /* also those under the base: for the test */
    size_t count;
    size_t capacity;
};

/* A base on its way. */
struct parcel {
    size_t from;
    size_t to;
    raft_index index;
    struct buf record;
    uint64_t due_us;
};

struct machine {
    struct raft *raft; /* NULL: it is down */
    struct disk disk;
    struct raft_save save;
    bool saving;
    uint64_t saved_us;
    struct raft_fetch fetches[NODES_MAX + 1];
    size_t fetch_count;
    uint64_t clock_us;
    uint64_t speed; /* of its clock, in eighths */
    uint64_t back_us;
    uint64_t cut_us;   /* until then nothing comes or goes */
    raft_index commit; /* as last seen */
    raft_index told;
    uint64_t boots;
    bool stalled;
    struct raft_config config; /* in force after its last step */
    raft_index config_seen;
};

/* Who asked for what, and what became of it. */
enum ask_kind { ASK_READ, ASK_PROPOSE, ASK_CHANGE, ASK_ABORT, ASK_TRANSFER };

struct ask {
    enum ask_kind kind;
    size_t at;
    uint64_t boots; /* of that node: a crash forgets */
    bool ended;
    bool unchanged;             /* a change: it was said that nothing changed */
    bool seen;                  /* … and its configuration is in some log */
    raft_index done;            /* … it is this entry */
    struct raft_config *target; /* … with these members */
};

/* What is known of one index: the chain of each term that it ever had. */
struct known {
    struct digest chain;
    raft_term term;
    struct known *next;
};

struct world {
    uint64_t seed;
    struct prng prng;
    uint64_t now_us;
    struct raft_config config;
    size_t count;
    struct machine machines[NODES_MAX + 1]; /* from 1 */
    struct packet way[WAY_MAX];
    size_t way_count;
    struct parcel parcels[16];
    size_t parcel_count;
    size_t compactions;
    size_t installs; /* that took the place of a log */
    bool healed;
    bool members_change;
    bool cuts; /* logs are cut */
    uint64_t boots;
    raft_id leaders[TERMS_MAX];              /* 0: none seen */
    raft_id votes[NODES_MAX + 1][TERMS_MAX]; /* 0: none seen */
    struct known *known[INDEX_MAX];
    raft_term committed[INDEX_MAX];
    raft_index commit; /* of anybody */
    raft_index told;   /* to any app */
    uint64_t tickets;
    raft_index floors[TICKETS_MAX]; /* what a read must at least see */
    struct ask asks[TICKETS_MAX];
    uint64_t changes_done;
    uint64_t transfers_done;
    bool refused[TICKETS_MAX];
    size_t proposals_told;
    size_t reads_told;
    size_t key_window;
    struct raft_event proposed[TICKETS_MAX]; /* with a reference to the key */
    size_t decided[5];                       /* by their enum expected */
};

void fail(const struct world *world, const char *format, ...)
    __attribute__((noreturn, format(printf, 2, 3)));

/* What must hold of an entry on its way to a disk, of a node after a step, of
 * a message that leaves, of what is told. */
void see_entry(struct world *world, const struct raft_entry *entry);
void see_node(struct world *world, size_t at);
void see_message(struct world *world, const struct raft_message *message);
void see_tell(struct world *world, size_t at, const struct raft_tell *tell);
/* What a leader says about proposals, against the whole log that it has. */
void see_decisions(struct world *world, size_t at,
                   const struct raft_effects *effects);
void forget_entries(struct world *world);

/* ---- core_base.c: logs that are cut, and bases that go to others --------- */

/* The disk takes the base of a save. */
void persist_base(struct world *world, struct disk *disk,
                  const struct raft_save *save);
void compact(struct world *world, size_t at);
/* Who needs it is sent a base, sooner or later. */
void send_bases(struct world *world, size_t at);
void deliver_bases(struct world *world);
void forget_bases(struct world *world);

/* ---- core_change.c: other members, another leader ----------------------- */

uint64_t next_ticket(struct world *world, enum ask_kind kind, size_t at);
void step(struct world *world, size_t at, const struct raft_event *event);

/* Any members, as chance has it; to turn back; to hand over. */
void ask_change(struct world *world, size_t at);
void ask_abort(struct world *world, size_t at);
void ask_transfer(struct world *world, size_t at);
/* What each of them was told must be so. */
void end_ask(struct world *world, size_t at, const struct raft_tell *tell);
void see_config_entry(struct world *world, const struct raft_entry *entry);
void check_asks(struct world *world, size_t leader);
void forget_asks(struct world *world);

#endif
