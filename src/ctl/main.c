/* raftctl: the operator's and the script writer's tool. */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include <stdio.h>

#include "base/standard.h"
#include "ctl/command.h"

#ifndef PACKAGE_VERSION
#define PACKAGE_VERSION "0"
#endif

/* What --help and --version ask for; false: neither. */
static bool answered_at_once(const struct options *options)
{
    if (options->version) {
        puts("raftctl " PACKAGE_VERSION);
        return true;
    }
    if (!options->help)
        return false;
    if (options->word_count == 0 ||
        !command_help(stdout, options->words, options->word_count))
        command_help_all(stdout);
    return true;
}

static enum ctl_status dispatch(struct ctl *ctl)
{
    char **words = ctl->options.words;
    size_t count = ctl->options.word_count;
    const struct command *command;
    size_t used = 0;

    if (count == 0) {
        command_help_all(stderr);
        return CTL_USAGE;
    }
    command = command_find(words, count, &used);
    if (command != NULL)
        return command_run(command, ctl, words + used, count - used);
    if (command_help(stderr, words, 1))
        return CTL_USAGE;
    ctl_complain("there is no command '%s'; raftctl help lists them", words[0]);
    return CTL_USAGE;
}

int main(int argc, char **argv)
{
    struct ctl ctl = {0};
    enum ctl_status status = CTL_DONE;
    char why[256];

    standard_reserve();
    if (!options_read(&ctl.options, argc, argv, why, sizeof(why))) {
        ctl_complain("%s; raftctl help lists them all", why);
        status = CTL_USAGE;
    } else if (!answered_at_once(&ctl.options)) {
        status = dispatch(&ctl);
    }
    client_close(ctl.client);
    options_clear(&ctl.options);
    if (!ctl_flush() && status == CTL_DONE)
        status = CTL_REFUSED;
    return (int)status;
}
