/* What plays are made of (play.c), for those in files of their own. */
#ifndef RAFTSC_TESTS_SIM_PLAY_H
#define RAFTSC_TESTS_SIM_PLAY_H

#include "world.h"

/* Of a frame: what it is; and what message, in one of those. */
#define TYPE_AT 8
#define MESSAGE_AT (FRAME_HEAD_SIZE + 2)

/* Much less than an election time-out, which is a second at least. */
#define SOON_US ((uint64_t)300000)
#define LONG_US ((uint64_t)20000000)

typedef bool play_holds(struct world *world, const struct host *host);

/* The play fails where that does not become so in time. */
void play_await(struct world *world, play_holds *wanted,
                const struct host *host, uint64_t most_us, const char *what);
/* Another one than `host`, which may be NULL. */
play_holds play_other_leads;
/* A frame has been lost; `host` was sent a base; what the operator wished has
 * an answer. */
play_holds play_has_lost, play_has_base, play_is_answered;
/* All are there, one of them leads, and nothing is under way: who leads. */
struct host *play_begin(struct world *world);
struct host *play_another(const struct host *host);
/* NULL: nobody leads. */
struct host *play_leader(struct world *world);
/* The connections that one has dialled to the other break. */
void play_cut(struct host *from, struct host *to);
/* Whom a frame on this connection is for, and what it is (RAFT_MESSAGE_…). */
struct host *play_receiver(const struct wire *wire, const struct host *from);
bool play_is_message(const uint8_t *frame, uint8_t type);

/* ---- in play_peer.c ----------------------------------------------------- */

play_run play_purpose, play_stranger, play_slander, play_offered;

/* ---- in play_log.c ------------------------------------------------------ */

play_run play_counted, play_dropped, play_ahead, play_kept;

/* ---- in play_app.c ------------------------------------------------------ */

play_run play_behind;

#endif
