/* A few nodes that ship, with the store that ships, in one process: for what
 * an operator does to directories, which the simulator has none of.
 *
 * Time is simulated, the directories are real.  A process that dies here has
 * lost nothing that it wrote: machines that die are the simulator's. */
#ifndef RAFTSC_TESTS_RESCUE_SMALL_H
#define RAFTSC_TESTS_RESCUE_SMALL_H

#include "base/buf.h"
#include "base/prng.h"
#include "node/node.h"
#include "store/store.h"

#define MEMBERS_MAX 8
#define PIPES_MAX 256
#define ASKED_MAX 64

struct small;

/* A process, whether it runs or not. */
struct member {
    struct small *small;
    raft_id id;
    char directory[96];
    char address[16];      /* where it is dialled */
    const char *bootstrap; /* "": none */
    unsigned side; /* bits: who shares none with another one is unreachable */
    struct node *node; /* NULL: it does not run */
    struct store *store;
    node_conn next_odd;
    node_conn app; /* the app's connection; 0: none */
    struct buf heard;
    uint64_t asked[ASKED_MAX]; /* requests without an answer, in order */
    size_t asked_count;
};

struct pipe {
    bool used;
    bool open; /* both ends know it */
    bool closed[2];
    struct member *end[2];
    node_conn conn[2];
    struct buf bytes[2]; /* on their way to this end */
    uint64_t drained[2]; /* what left, and this end does not know */
};

struct small {
    struct prng prng;
    uint64_t now_us;
    struct member members[MEMBERS_MAX];
    size_t member_count;
    struct pipe pipes[PIPES_MAX];
    /* A request of this number was answered with one line. */
    void (*answered)(void *context, struct member *member, uint64_t number,
                     const char *line);
    void *context;
};

struct member *small_member(struct small *small, raft_id id,
                            const char *directory, const char *address,
                            const char *bootstrap);
void small_start(struct member *member);
/* kill -9; nothing happens where it does not run. */
void small_kill(struct member *member);
/* One line, whose answer is one line. */
void small_ask(struct member *member, uint64_t number, const char *line);
/* Some milliseconds pass. */
void small_step(struct small *small);
void small_free(struct small *small);

#endif
