/* Settings at run time: CONFIG GET, CONFIG SET, SIGHUP. */
#ifndef RAFTSC_DAEMON_PARAMETERS_H
#define RAFTSC_DAEMON_PARAMETERS_H

#include "daemon/loop.h"

/* What the node needs of them; its texts are those of *settings. */
struct node_settings parameters_for_node(const struct settings *settings);

struct node_parameters parameters_of(struct loop *loop);

/* Reads the file again: what can change does, what cannot is named in the
 * log; a file with an error changes nothing. */
void parameters_reload(struct loop *loop);

#endif
