/* Plays: runs in which nothing breaks but what the play wants to, each for one
 * promise that chance meets too seldom.  A seed draws the delays only. */
#include <string.h>

#include "play.h"

#include "app.h"
#include "wire/frame.h"

#define LATE_US ((uint64_t)500000)

/* ---- waiting ------------------------------------------------------------ */

void play_await(struct world *world, play_holds *wanted,
                const struct host *host, uint64_t most_us, const char *what)
{
    uint64_t end_us = world->now_us + most_us;
    while (!wanted(world, host)) {
        if (world->now_us >= end_us) {
            world_fail(world, "play", "not within %.1f s: %s",
                       (double)most_us / 1e6, what);
        }
        world_run(world, 1000);
    }
}

struct host *play_leader(struct world *world)
{
    for (unsigned i = 0; i < world->mix.hosts; i++) {
        if (world->hosts[i].node != NULL && world->hosts[i].led) {
            return &world->hosts[i];
        }
    }
    return NULL;
}

bool play_other_leads(struct world *world, const struct host *host)
{
    for (unsigned i = 0; i < world->mix.hosts; i++) {
        const struct host *other = &world->hosts[i];
        if (other != host && other->node != NULL && other->led) {
            return true;
        }
    }
    return false;
}

bool play_has_lost(struct world *world, const struct host *host)
{
    (void)host;
    return world->happened[HAPPENED_LOST_FRAME] > 0;
}

bool play_has_base(struct world *world, const struct host *host)
{
    (void)world;
    return host->disk.installed;
}

bool play_is_answered(struct world *world, const struct host *host)
{
    (void)host;
    return world->operators[0]->wish == WISH_ANSWERED;
}

static bool is_born(const struct host *host)
{
    return host->node != NULL &&
           raft_config_now(node_raft(host->node), NULL) != NULL;
}

struct host *play_begin(struct world *world)
{
    play_await(world, play_other_leads, NULL, LONG_US, "a first leader");
    world_run(world, 3000000);
    return play_leader(world);
}

struct host *play_another(const struct host *host)
{
    struct world *world = host->world;
    return &world->hosts[(host->id + 1) % world->mix.hosts];
}

struct host *play_receiver(const struct wire *wire, const struct host *from)
{
    return wire->end[wire->end[0].host == from ? 1 : 0].host;
}

bool play_is_message(const uint8_t *frame, uint8_t type)
{
    return frame[TYPE_AT] == FRAME_MESSAGE && frame[MESSAGE_AT] == type;
}

/* ---- what is lost ------------------------------------------------------- */

/* The first one. */
static bool lose_timeout_now(struct world *world, struct wire *wire,
                             const struct host *from, const uint8_t *frame)
{
    (void)wire;
    (void)from;
    return !play_has_lost(world, from) &&
           play_is_message(frame, RAFT_MESSAGE_TIMEOUT_NOW);
}

void play_cut(struct host *from, struct host *to)
{
    struct world *world = from->world;
    for (struct wire *wire = world->wires; wire != NULL; wire = wire->next) {
        if (!wire->is_free && wire->end[0].host == from &&
            wire->end[1].host == to) {
            net_break(wire);
        }
    }
}

static bool lose_messages(struct world *world, struct wire *wire,
                          const struct host *from, const uint8_t *frame)
{
    (void)world;
    (void)wire;
    (void)from;
    return frame[TYPE_AT] == FRAME_MESSAGE;
}

/* It is late: what a leader says first where it dials. */
static bool delay_dials(struct world *world, struct wire *wire,
                        const struct host *from, const uint8_t *frame)
{
    if (frame[TYPE_AT] == FRAME_HELLO && from->led &&
        wire->end[0].host == from) {
        wire->end[1].stalls_until_us = world->now_us + LATE_US;
    }
    return false;
}

/* … or what is said first to a leader that has dialled. */
static bool delay_greetings(struct world *world, struct wire *wire,
                            const struct host *from, const uint8_t *frame)
{
    if (frame[TYPE_AT] == FRAME_HELLO && wire->end[0].host->led &&
        wire->end[0].host != from) {
        wire->end[0].stalls_until_us = world->now_us + LATE_US;
    }
    return false;
}

static void cut_off(struct host *host)
{
    for (unsigned i = 0; i < host->world->mix.hosts; i++) {
        play_cut(host, &host->world->hosts[i]);
        play_cut(&host->world->hosts[i], host);
    }
}

/* ---- leaders that go ---------------------------------------------------- */

/* A leader that is removed hands over, and those who drop it may have cut its
 * words short: they do not wait for an election time-out. */
static void play_removed(struct world *world)
{
    struct host *first = play_begin(world);
    struct order order = {.kind = ORDER_REMOVE, .ids = {first->id}, .count = 1};
    world->loses = lose_timeout_now;
    operator_wish(world->operators[0], play_another(first), &order);
    play_await(world, play_has_lost, NULL, LONG_US,
               "leadership is handed over");
    if (prng_chance(&world->prng, 2)) {
        world_run(world, 5000); /* the others know that it is removed */
    }
    cut_off(first);
    play_await(world, play_other_leads, first, SOON_US, "another one leads");
}

/* So does one that is told to stop, and whose process ends at once. */
static void play_stopped(struct world *world)
{
    struct host *first = play_begin(world);
    struct node_input stop = {.type = NODE_INPUT_SHUTDOWN};
    world->loses = lose_timeout_now;
    node_input(first->node, &stop);
    host_wake(first);
    play_await(world, play_has_lost, NULL, LONG_US,
               "leadership is handed over");
    first->may_start = false;
    cut_off(first);
    host_crash(first);
    play_await(world, play_other_leads, first, SOON_US, "another one leads");
}

/* One that is cut off leads on for a while, in its own eyes: the others, whose
 * connections to it broke, have another leader long before it steps down.  What
 * it answers its app must be true all the same. */
static void play_stale(struct world *world)
{
    struct host *first = play_begin(world);
    /* Nothing that waits keeps the answers back. */
    world->apps[0]->only = ask_barrier;
    app_go(world->apps[0], first);
    app_go(world->apps[1], play_another(first));
    for (unsigned i = 0; i < world->mix.hosts; i++) {
        fault_cut(world, i, (unsigned)first->id);
        fault_cut(world, (unsigned)first->id, i);
    }
    cut_off(first);
    play_await(world, play_other_leads, first, SOON_US, "another one leads");
    world_run(world, 2000000);
}

/* One whose disk hangs can commit by the disks of the others, and must not lead
 * on all the same. */
static void play_stuck(struct world *world)
{
    struct host *first = play_begin(world);
    first->disk.hangs = true;
    play_await(world, play_other_leads, first, LONG_US, "another one leads");
}

/* ---- birth -------------------------------------------------------------- */

/* Node 1 has not saved the first configuration, node 2 has lost the disk that
 * has it: both hear of node 0 that there is a cluster, and nothing else. */
static void play_born(struct world *world)
{
    struct host *hosts = world->hosts;
    hosts[1].disk.full = true;
    play_await(world, play_other_leads, NULL, LONG_US, "a first leader");
    host_crash(&hosts[1]);
    hosts[1].disk.full = false;
    bool saved = hosts[1].disk.count > 0; /* a file had room for it */
    host_crash(&hosts[2]);
    disk_change(&hosts[2], true);
    world->loses = lose_messages;
    host_start(&hosts[1]);
    host_start(&hosts[2]);
    world_run(world, 2000000);
    hosts[0].may_start = false;
    host_crash(&hosts[0]);
    world->loses = NULL;
    world_run(world, 1000000);
    play_cut(&hosts[1], &hosts[2]); /* they greet each other again */
    play_cut(&hosts[2], &hosts[1]);
    world_run(world, 5000000);
    if ((is_born(&hosts[1]) && !saved) || is_born(&hosts[2])) {
        world_fail(world, "play", "a second cluster is born");
    }
}

/* What node 2 says first to node 0, and whoever is born already. */
static bool lose_births(struct world *world, struct wire *wire,
                        const struct host *from, const uint8_t *frame)
{
    return frame[TYPE_AT] == FRAME_HELLO &&
           play_receiver(wire, from) == &world->hosts[0] &&
           (from == &world->hosts[2] || is_born(from));
}

/* Node 0 has met node 1, and does not hear that the others were born with it,
 * of whom one loses its disk, and the other one is out of reach.  It is still
 * one of them when that one is back. */
static void play_met(struct world *world)
{
    struct host *hosts = world->hosts;
    world->loses = lose_births;
    play_await(world, play_other_leads, NULL, LONG_US, "a first leader");
    hosts[1].may_start = false;
    host_crash(&hosts[1]);
    host_crash(&hosts[2]);
    disk_change(&hosts[2], true);
    world->loses = NULL;
    host_start(&hosts[2]);
    world_run(world, 5000000);
    if (is_born(&hosts[0]) || is_born(&hosts[2])) {
        world_fail(world, "play", "a second cluster is born");
    }
    host_start(&hosts[1]);
    play_await(world, play_other_leads, NULL, LONG_US, "the first one goes on");
}

/* ---- answers ------------------------------------------------------------ */

/* The leader's connection to a node breaks, and is made anew slowly; the other
 * one is whole. */
static void ask_meanwhile(struct world *world, lose_frame *delays)
{
    struct host *first = play_begin(world);
    struct host *asker = play_another(first);
    struct order order = {.kind = ORDER_ABORT};
    world->loses = delays;
    play_cut(first, asker);
    world_run(world, 20000);
    operator_wish(world->operators[0], asker, &order);
    play_await(world, play_is_answered, NULL, LONG_US, "the order is answered");
    if (world->operators[0]->wish_uncertain) {
        world_fail(world, "play", "it was asked for an answer in vain");
    }
}

/* A leader is asked once it can answer: not before it has dialled … */
static void play_unheard(struct world *world)
{
    ask_meanwhile(world, delay_dials);
}

/* … nor before it knows that it was heard. */
static void play_ungreeted(struct world *world)
{
    ask_meanwhile(world, delay_greetings);
}

/* ---- all of them -------------------------------------------------------- */

static const struct {
    const char *name;
    play_run *run;
    unsigned apps;
} plays[] = {{"removed", play_removed, 0}, {"stopped", play_stopped, 0},
             {"stale", play_stale, 2},     {"stuck", play_stuck, 1},
             {"born", play_born, 0},       {"met", play_met, 0},
             {"unheard", play_unheard, 0}, {"ungreeted", play_ungreeted, 0},
             {"purpose", play_purpose, 0}, {"stranger", play_stranger, 0},
             {"slander", play_slander, 1}, {"offered", play_offered, 2},
             {"counted", play_counted, 1}, {"dropped", play_dropped, 0},
             {"ahead", play_ahead, 1},     {"kept", play_kept, 1},
             {"behind", play_behind, 2}};

#define PLAYS (sizeof(plays) / sizeof(plays[0]))

const char *sim_play_name(unsigned at)
{
    return at < PLAYS ? plays[at].name : NULL;
}

play_run *play_find(const char *name)
{
    for (size_t i = 0; i < PLAYS; i++) {
        if (strcmp(plays[i].name, name) == 0) {
            return plays[i].run;
        }
    }
    return NULL;
}

unsigned play_apps(const char *name)
{
    for (size_t i = 0; i < PLAYS; i++) {
        if (strcmp(plays[i].name, name) == 0) {
            return plays[i].apps;
        }
    }
    return 0;
}
