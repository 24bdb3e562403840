/* Settings at run time: CONFIG GET, CONFIG SET, SIGHUP. */
#ifndef RAFTSC_DAEMON_PARAMETERS_H
#define RAFTSC_DAEMON_PARAMETERS_H

#include "daemon/loop.h"

/* What the node needs of the loop's settings, whose texts it has.  Where the
 * system does not let it have as many clients as they say, the log is told. */
struct node_settings parameters_for_node(struct loop *loop);

struct node_parameters parameters_of(struct loop *loop);

/* Reads the file again: what can change does, what cannot is named in the
 * log; a file with an error changes nothing. */
void parameters_reload(struct loop *loop);

#endif
