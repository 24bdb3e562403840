/* How far a change of members is, put together from the pushes of EVENTS.
 *
 * Only the leader knows it: on other nodes nothing comes but the leader and
 * the configurations.  Of those who are caught up, the one that is furthest
 * behind is shown, because the change waits for it.  Used by change.c. */
#ifndef RAFTSC_CTL_CATCHUP_H
#define RAFTSC_CTL_CATCHUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/resp.h"

#define CATCHUP_MEMBERS_MAX 64

struct catchup_member {
    uint64_t id;
    uint64_t round;
    uint64_t match;
    uint64_t target;    /* the end of the leader's log; match == target: done */
    uint64_t sample_us; /* of the last sample; 0: none yet */
    uint64_t sample_match;
    uint64_t sample_target;
    double rate;    /* entries a second that come, over the last seconds */
    double closing; /* the same, of what is missing: the log grows as well */
};

enum catchup_stage {
    CATCHUP_UNKNOWN,  /* nothing has been heard of the change */
    CATCHUP_REACHING, /* the leader dials the new members */
    CATCHUP_COPIES,
    CATCHUP_JOINT,
    CATCHUP_LAST /* a simple configuration, which is not committed yet */
};

/* All zeros, but for started_us: nothing has been heard. */
struct catchup {
    uint64_t started_us;
    enum catchup_stage stage;
    bool back;      /* CATCHUP_LAST: it is the old one, again */
    uint64_t index; /* CATCHUP_JOINT, CATCHUP_LAST: the configuration's */
    bool leads;     /* the node that is asked */
    int64_t leader; /* -1: none is known */
    size_t count;
    struct catchup_member members[CATCHUP_MEMBERS_MAX];
};

/* Takes one push; those of other kinds and shapes are passed over. */
void catchup_note(struct catchup *catchup, const struct resp_value *push,
                  uint64_t now_us);

/* One line of at most `width` characters. */
void catchup_line(const struct catchup *catchup, char *out, size_t out_size,
                  size_t width, uint64_t now_us);

#endif
