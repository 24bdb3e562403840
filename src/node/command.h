/* The table of commands: a row and a function each. */
#ifndef RAFTSC_NODE_COMMAND_H
#define RAFTSC_NODE_COMMAND_H

#include "node/session.h"

/* Works on `request`, whose words are `args` (the command's name is word 0):
 * finishes it now, or leaves it to whoever will. */
typedef void command_run(struct node *node, struct session *session,
                         struct request *request,
                         const struct resp_request *args);

struct command {
    const char *name;
    const char *arguments; /* for people: "payload [TERM term] …" */
    const char *summary;
    int words_min;  /* the name included */
    int words_max;  /* -1: no limit but the protocol's */
    bool streaming; /* allowed on a connection that streams */
    command_run *run;
};

/* NULL: there is none.  Names without case. */
const struct command *command_find(const struct resp_word *name);
const struct command *command_table(size_t *count);

/* Finds, checks the number of words, and runs. */
void command_dispatch(struct node *node, struct session *session,
                      const struct resp_request *args);

#endif
