/* A quorum is lost for good: one node begins anew. */
#ifndef RAFTSC_CTL_RECOVER_H
#define RAFTSC_CTL_RECOVER_H

#include "core/config.h"
#include "ctl/ctl.h"

/* Compares the directories, says what it will do and what may be lost, asks,
 * and does it. */
enum ctl_status recover(struct ctl *ctl, const struct raft_config *members,
                        char **directories, size_t count, const char *version);

#endif
