/* The subcommands: one table, which also makes the help.  The man page says
 * the same, and a test compares the two. */
#ifndef RAFTSC_CTL_COMMAND_H
#define RAFTSC_CTL_COMMAND_H

#include <stddef.h>
#include <stdio.h>

#include "ctl/ctl.h"

struct command {
    const char *name;      /* one word, or two: "config get" */
    const char *arguments; /* as help shows them */
    size_t arguments_min;
    size_t arguments_max;
    unsigned options; /* enum option_bit: those that it takes */
    const char *summary;
    const char *help;
    /* The list of arguments ends with NULL. */
    enum ctl_status (*run)(struct ctl *ctl, char **arguments, size_t count);
};

/* The one that the first words name; NULL: none.  *used is how many of them
 * are its name. */
const struct command *command_find(char **words, size_t count, size_t *used);

/* Runs it, with the words behind its name.  Wrong arguments, or an option
 * that is not its own: CTL_USAGE, printed. */
enum ctl_status command_run(const struct command *command, struct ctl *ctl,
                            char **arguments, size_t count);

/* Usage, all commands, all global options. */
void command_help_all(FILE *file);
/* The help of each command whose name begins with these words.  False: none
 * does. */
bool command_help(FILE *file, char **words, size_t count);

/* In commands_*.c, a file a group. */
enum ctl_status run_status(struct ctl *ctl, char **arguments, size_t count);
enum ctl_status run_why(struct ctl *ctl, char **arguments, size_t count);
enum ctl_status run_watch(struct ctl *ctl, char **arguments, size_t count);
enum ctl_status run_members(struct ctl *ctl, char **arguments, size_t count);
enum ctl_status run_bootstrap(struct ctl *ctl, char **arguments, size_t count);
enum ctl_status run_add(struct ctl *ctl, char **arguments, size_t count);
enum ctl_status run_remove(struct ctl *ctl, char **arguments, size_t count);
enum ctl_status run_promote(struct ctl *ctl, char **arguments, size_t count);
enum ctl_status run_demote(struct ctl *ctl, char **arguments, size_t count);
enum ctl_status run_change(struct ctl *ctl, char **arguments, size_t count);
enum ctl_status run_replace(struct ctl *ctl, char **arguments, size_t count);
enum ctl_status run_plan(struct ctl *ctl, char **arguments, size_t count);
enum ctl_status run_abort(struct ctl *ctl, char **arguments, size_t count);
enum ctl_status run_transfer(struct ctl *ctl, char **arguments, size_t count);
enum ctl_status run_history(struct ctl *ctl, char **arguments, size_t count);
enum ctl_status run_config_get(struct ctl *ctl, char **arguments, size_t count);
enum ctl_status run_config_set(struct ctl *ctl, char **arguments, size_t count);
enum ctl_status run_submit(struct ctl *ctl, char **arguments, size_t count);
enum ctl_status run_outcome(struct ctl *ctl, char **arguments, size_t count);
enum ctl_status run_digest(struct ctl *ctl, char **arguments, size_t count);
enum ctl_status run_wait(struct ctl *ctl, char **arguments, size_t count);
enum ctl_status run_compact(struct ctl *ctl, char **arguments, size_t count);
enum ctl_status run_barrier(struct ctl *ctl, char **arguments, size_t count);
enum ctl_status run_read(struct ctl *ctl, char **arguments, size_t count);
enum ctl_status run_follow(struct ctl *ctl, char **arguments, size_t count);
enum ctl_status run_events(struct ctl *ctl, char **arguments, size_t count);
enum ctl_status run_bench(struct ctl *ctl, char **arguments, size_t count);
enum ctl_status run_snapshot_save(struct ctl *ctl, char **arguments,
                                  size_t count);
enum ctl_status run_snapshot_load(struct ctl *ctl, char **arguments,
                                  size_t count);
enum ctl_status run_snapshot_info(struct ctl *ctl, char **arguments,
                                  size_t count);
enum ctl_status run_inspect(struct ctl *ctl, char **arguments, size_t count);
enum ctl_status run_verify(struct ctl *ctl, char **arguments, size_t count);
enum ctl_status run_backup(struct ctl *ctl, char **arguments, size_t count);
enum ctl_status run_restore(struct ctl *ctl, char **arguments, size_t count);
enum ctl_status run_recover(struct ctl *ctl, char **arguments, size_t count);

#endif
