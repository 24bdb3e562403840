/* A change of members: asked on one connection, watched on another.
 *
 *     raftctl --- CONFIG ADD 3=… ------> node      one answer, at the end
 *             <-- EVENTS pushes -------- node      how far it is, meanwhile
 *
 * The answer comes once the change has ended, which takes as long as it takes
 * to copy a log.  It does not depend on us: when raftctl is interrupted, or
 * waits no longer, the change goes on, and it says so. */
#ifndef RAFTSC_CTL_CHANGE_H
#define RAFTSC_CTL_CHANGE_H

#include "ctl/ctl.h"

/* Sends the request, whose list ends with NULL, and prints the index that it
 * is answered with; on a terminal a line tells how far it is.  `goes_on` is
 * what to say where raftctl ends before the answer has come. */
enum ctl_status change_ask(struct ctl *ctl, const char *const *words,
                           const char *goes_on);

#endif
