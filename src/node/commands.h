/* The functions behind the rows of the table, and what they share. */
#ifndef RAFTSC_NODE_COMMANDS_H
#define RAFTSC_NODE_COMMANDS_H

#include "node/command.h"

/* command_submit.c */
command_run command_submit;
/* True, and the request is answered NOTLEADER: this node does not lead, and
 * passes nothing on. */
bool command_not_leader(struct node *node, struct request *request);

/* command_keys.c */
command_run command_outcome;
command_run command_digest;
/* The read index of an OUTCOME is told. */
void command_outcome_told(struct node *node, struct request *request);
/* The store's answer about a DIGEST: true if it was one's, which takes it. */
bool command_digest_read(struct node *node, struct node_read_answer *answer);

/* command_log.c */
command_run command_wait;
command_run command_barrier;
command_run command_read;
command_run command_follow;
command_run command_ack;
command_run command_events;

/* command_compact.c */
command_run command_compact;

/* command_snapshot.c */
command_run command_snapshot;

/* command_config.c */
command_run command_config;
command_run command_transfer;

/* command_connection.c */
command_run command_client;
command_run command_command;
command_run command_echo;
command_run command_hello;
command_run command_info;
command_run command_ping;
command_run command_quit;
command_run command_reset;
command_run command_role;
command_run command_select;
command_run command_why;

/* ---- command.c: arguments.  False: the request is answered with ERR. ---- */

bool command_is(const struct resp_word *word, const char *name);
bool command_number(struct node *node, struct request *request,
                    const struct resp_word *word, const char *what,
                    uint64_t *value);
/* One to 128 bytes, which the caller owns; NULL: it is answered. */
struct blob *command_key(struct node *node, struct request *request,
                         const struct resp_word *word);
/* Milliseconds; 0 means none. */
bool command_timeout(struct node *node, struct request *request,
                     const struct resp_word *word, uint64_t *timeout_us);
void command_syntax(struct node *node, struct request *request,
                    const struct resp_word *word, const char *expected);

#endif
