/* Asking before something is done that cannot be undone. */
#ifndef RAFTSC_CTL_CONFIRM_H
#define RAFTSC_CTL_CONFIRM_H

#include "ctl/ctl.h"

/* Asks on standard error and reads a line from standard input, wherever that
 * comes from; only "yes" is a yes.  With --yes nothing is asked.  False: no,
 * printed. */
bool confirm(const struct ctl *ctl);

#endif
