/* What plays are made of (play.c), for those in files of their own. */
#ifndef RAFTSC_TESTS_SIM_PLAY_H
#define RAFTSC_TESTS_SIM_PLAY_H

#include "world.h"

#define TYPE_AT 8 /* of a frame */

/* Much less than an election time-out, which is a second at least. */
#define SOON_US ((uint64_t)300000)
#define LONG_US ((uint64_t)20000000)

typedef bool play_holds(struct world *world, const struct host *host);

/* The play fails where that does not become so in time. */
void play_await(struct world *world, play_holds *wanted,
                const struct host *host, uint64_t most_us, const char *what);
/* Another one than `host`, which may be NULL. */
play_holds play_other_leads;
/* All are there, one of them leads, and nothing is under way: who leads. */
struct host *play_begin(struct world *world);
struct host *play_another(const struct host *host);
/* The connections that one has dialled to the other break. */
void play_cut(struct host *from, struct host *to);

/* ---- in play_peer.c ----------------------------------------------------- */

play_run play_purpose, play_stranger, play_slander, play_offered;

#endif
