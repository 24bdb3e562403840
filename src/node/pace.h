/* How fast something goes on: bytes a second over the last few seconds. */
#ifndef RAFTSC_NODE_PACE_H
#define RAFTSC_NODE_PACE_H

#include <stdint.h>

struct pace {
    uint64_t from_us; /* bytes are counted since then … */
    uint64_t from_bytes;
    uint64_t next_us; /* … and will be since then, once that is old enough */
    uint64_t next_bytes;
    uint64_t moved_us; /* the last time that there were more */
    uint64_t bytes;
};

/* There are so many bytes now.  Fewer than before: it begins anew. */
void pace_note(struct pace *pace, uint64_t now_us, uint64_t bytes);
/* Bytes a second; 0 before the first note, and where nothing moves. */
uint64_t pace_rate(const struct pace *pace, uint64_t now_us);
/* For so long there have been no more; 0 before the first note. */
uint64_t pace_still_us(const struct pace *pace, uint64_t now_us);

#endif
