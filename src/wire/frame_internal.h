/* What the files that write frames share.  Nobody outside includes this. */
#ifndef RAFTSC_WIRE_FRAME_INTERNAL_H
#define RAFTSC_WIRE_FRAME_INTERNAL_H

#include "wire/frame.h"

/* Puts the head before `body`, whose bytes move to `out`. */
void frame_finish(struct out *out, enum frame_type type, uint8_t version,
                  struct out *body);

#endif
