#include "ctl/command.h"

#include <string.h>

#define ARGUMENTS_ANY ((size_t)1000) /* what one request can hold, about */

static enum ctl_status run_help(struct ctl *ctl, char **arguments,
                                size_t count);

#define CHANGES_HELP                                                           \
    "On a terminal a line shows how far the new voters are.  Refused, "        \
    "unless\n"                                                                 \
    "forced, where a majority of the new voters is not alive; refused in "     \
    "any\n"                                                                    \
    "case while another change is open, and where a new voter cannot be\n"     \
    "caught up in time: then nothing has changed.  When raftctl is\n"          \
    "interrupted, or --timeout passes, the change goes on: raftctl members\n"  \
    "and raftctl why tell how far it is, raftctl abort turns it back.\n"

static const struct command commands[] = {
    {"status", "", 0, 0, 0, "the cluster, as this node sees it",
     "A table of all members: their role, whether this node is connected to\n"
     "them, and, on the leader, how far each has the log (MATCH), how many\n"
     "entries it lacks (LAG), and when it was last heard.  Above it the\n"
     "node's own role, term and indexes, and, where there is no leader or no\n"
     "configuration, for what or whom the node waits.\n",
     run_status},
    {"watch", "", 0, 0, OPTION_INTERVAL, "status, again and again",
     "A live view of status on a terminal, until ^C; elsewhere it prints the\n"
     "status once per interval (1 second).  A node that goes away is waited\n"
     "for, unless it was never there.  ^C ends it with status 0.\n",
     run_watch},
    {"why", "", 0, 0, 0, "what is wrong, and what to do next",
     "The node in words, with or without a leader: who is missing from which\n"
     "quorum, when each node was last heard, terms and logs compared, the\n"
     "disk, a change that is under way, and the next safe step.\n",
     run_why},
    {"members", "", 0, 0, 0, "the members of the configuration",
     "Id, address and role of each member: voter, learner, and while a change\n"
     "is under way incoming, for one that will vote and does not yet, or\n"
     "outgoing, for one that votes and will not.  On a node that has no\n"
     "configuration nothing is listed.\n",
     run_members},
    {"bootstrap", "MEMBER...", 1, ARGUMENTS_ANY, 0,
     "make the first configuration",
     "Each MEMBER is id=host:port, with /learner behind it for one that does\n"
     "not vote; the node itself must be among them, and must have no\n"
     "configuration.  With several members each of them must be told the\n"
     "same, and the answer comes once all of them have been up together:\n"
     "status says for whom the node waits.  Where that takes longer than the\n"
     "node's request-timeout the exit status is 4, and the node goes on\n"
     "waiting, until it ends; the same command waits for it once more.\n"
     "Prints the index of the configuration.\n",
     run_bootstrap},
    {"add", "MEMBER...", 1, ARGUMENTS_ANY, OPTION_FORCE, "add members",
     "Each MEMBER is id=host:port, with /learner behind it for one that does\n"
     "not vote.  A new voter is first caught up, while nothing has changed\n"
     "yet; then the change is made as one.  Prints the index of the new\n"
     "configuration once it is committed.\n"
     "\n" CHANGES_HELP,
     run_add},
    {"remove", "ID...", 1, ARGUMENTS_ANY, OPTION_FORCE, "remove members",
     "Removes these members, in one change.  A leader that is removed hands\n"
     "leadership over once the change is committed.  Prints the index of the\n"
     "new configuration.  See raftctl help add for what all changes share.\n",
     run_remove},
    {"promote", "ID...", 1, ARGUMENTS_ANY, OPTION_FORCE,
     "make voters of learners",
     "These members vote from now on.  Prints the index of the new\n"
     "configuration.  See raftctl help add for what all changes share.\n",
     run_promote},
    {"demote", "ID...", 1, ARGUMENTS_ANY, OPTION_FORCE,
     "make learners of voters",
     "These members stay, and no longer vote.  Prints the index of the new\n"
     "configuration.  See raftctl help add for what all changes share.\n",
     run_demote},
    {"change", "MEMBER...", 1, ARGUMENTS_ANY, OPTION_FORCE,
     "make these the members",
     "From now on exactly these are the members, whatever they are today: any\n"
     "number of them comes, goes, or has another role or address, in one\n"
     "change.  Each MEMBER is as for add.  raftctl plan tells beforehand what\n"
     "would happen.  Prints the index of the new configuration.  See raftctl\n"
     "help add for what all changes share.\n",
     run_change},
    {"replace", "ID[=HOST:PORT]", 1, 1, OPTION_FORCE,
     "let a member in with a new disk",
     "For a member whose data directory is lost: under its old id with a new\n"
     "directory it is refused, because it may have forgotten a vote.  This\n"
     "removes the old one and then admits the new one, caught up first, in\n"
     "two changes; if the second one fails the removal stands.  Prints the\n"
     "index of the last configuration.  See raftctl help add for what all\n"
     "changes share.\n",
     run_replace},
    {"plan", "MEMBER...", 1, ARGUMENTS_ANY, 0, "what change would do",
     "Changes nothing.  Prints the steps that change would take with the same\n"
     "arguments, the quorum before, during and after it against the nodes\n"
     "that are alive now, and every reason to refuse.  The exit status is 1\n"
     "where there is such a reason.\n",
     run_plan},
    {"abort", "", 0, 0, 0, "turn a change back",
     "Ends a change that is under way.  Before the joint configuration it "
     "ends\n"
     "the catch-up; after that it turns back to the old configuration, by the\n"
     "old majority alone, and is refused where that would not be safe: the\n"
     "error names the nodes to bring back.  Prints the index of the\n"
     "configuration in force.\n",
     run_abort},
    {"transfer", "[ID]", 0, 1, 0, "hand leadership over",
     "To the voter ID, or to the most up-to-date one.  Writes are held back\n"
     "meanwhile, and not refused; after an election time-out without success\n"
     "the old leader goes on.  Prints who leads then.\n",
     run_transfer},
    {"history", "", 0, 0, 0, "every configuration there has been",
     "Index, term, time (UTC) and members of each configuration, the oldest\n"
     "first.\n",
     run_history},
    {"submit", "[PAYLOAD | -]", 0, 1, OPTION_FILE | OPTION_QUIET | OPTION_ENTRY,
     "put an entry into the log",
     "Submits PAYLOAD, or with -f what FILE holds (- is standard input), as\n"
     "one entry, and prints its index once it is committed.  With - as\n"
     "payload each line of standard input, without its line end, is one\n"
     "entry; up to 256 of them are under way at a time, in order, and a bar\n"
     "on a terminal shows how far it is.  The first line that is refused\n"
     "stops the reading; each line that failed, or may have, is named with\n"
     "the reason.\n"
     "\n"
     "With --key it may be sent again, here or at any other node, as often\n"
     "as needed: the entry is in the log once, and its index is printed.  Of\n"
     "lines, KEY:1, KEY:2 and so on are the keys, so that the same command\n"
     "with the same input may be run again.  --since takes a commit index\n"
     "that was seen before the first attempt: refused (FORGOTTEN) where keys\n"
     "after it are not remembered any more.  --term refuses (FENCED) in any\n"
     "other term.  --after refuses (STALE) where another entry came after\n"
     "that index; it is for one payload, not for lines.\n",
     run_submit},
    {"outcome", "KEY", 1, 1, OPTION_SINCE, "what became of a key",
     "Prints the index of the entry that was submitted with KEY, or none\n"
     "where no committed entry carries it as of now; one may still be under\n"
     "way.  Refused (FORGOTTEN) where the key may be one that is not\n"
     "remembered any more; with --since, a commit index that was seen before\n"
     "the first attempt, only keys after that count.\n",
     run_outcome},
    {"digest", "[INDEX]", 0, 1, 0, "of the log up to INDEX",
     "Prints an index and the digest of the log from its first entry up to\n"
     "there: equal on every node whose log is.  Without INDEX it is that of\n"
     "the last committed entry that this node knows of.\n",
     run_digest},
    {"wait", "INDEX [TIMEOUT-MS]", 1, 2, 0, "wait until INDEX is committed",
     "Prints the commit index once this node knows that INDEX is committed.\n"
     "Without TIMEOUT-MS (milliseconds) it waits for ever.\n",
     run_wait},
    {"barrier", "", 0, 0, 0, "make the next local read linearizable",
     "Asks the leader for a read index and waits until it can be delivered\n"
     "here.  Prints the index of the last entry that a reader must have\n"
     "applied.\n",
     run_barrier},
    {"compact", "INDEX", 1, 1, OPTION_FORCE, "drop the oldest entries",
     "Drops this node's log up to INDEX, with no snapshot, for apps that need\n"
     "only the recent log.  What a member of the configuration still needs is\n"
     "kept, unless --force, and what this node's app has not acknowledged\n"
     "while it follows (compact-keep-unacked).  Prints the index of the first\n"
     "entry that is left.  Each node's log is its own: the others keep\n"
     "theirs.\n",
     run_compact},
    {"read", "FROM [COUNT]", 1, 2, OPTION_RAW, "print committed entries",
     "Prints up to COUNT (100) committed entries from index FROM on, one a\n"
     "line: index, term, payload.  Bytes that are not printable ASCII are\n"
     "shown as redis-cli shows them (\\n, \\xff, and \\\\ for a backslash).\n"
     "What is not committed yet is not waited for.\n",
     run_read},
    {"follow", "[FROM]", 0, 1, OPTION_RAW,
     "print entries as they are committed",
     "Prints each committed entry from index FROM on, as read does, and goes\n"
     "on with those to come, with no gap and none twice.  Without FROM it\n"
     "begins behind the app's last ACK.  Where the log begins later it begins\n"
     "behind the app's snapshot, and standard error says so; without a\n"
     "snapshot it is refused (COMPACTED).  ^C ends it with status 0.\n",
     run_follow},
    {"events", "", 0, 0, 0, "print changes of role, leader, configuration",
     "The present state of each first, then each change as it happens.  ^C\n"
     "ends it with status 0.\n",
     run_events},
    {"config get", "PATTERN", 1, 1, 0, "show run-time parameters",
     "Prints key = value for each key that matches PATTERN, with *, ? and\n"
     "[a-z] as in Redis; quote them from the shell.\n",
     run_config_get},
    {"config set", "KEY VALUE", 2, 2, 0, "change a run-time parameter",
     "Takes effect at once and is not written to the configuration file: it\n"
     "holds until the node ends, or SIGHUP makes it read that file again.\n",
     run_config_set},
    {"bench", "", 0, 0, OPTION_BENCH, "load, and how long answers take",
     "Sends requests on many connections and prints how many were answered a\n"
     "second, how long the answers took, and a histogram of that.  Each\n"
     "connection sends the next request when an answer comes; with --rate\n"
     "requests are due at fixed times, from which their latency counts.\n"
     "submits are entries like others, which every app is told: it asks\n"
     "first, unless --yes.  ^C ends it early, with the figures so far.\n",
     run_bench},
    {"snapshot save", "FILE", 1, 1, 0, "download the app's snapshot",
     "Writes the node's snapshot of the app's state into FILE ('-': standard\n"
     "output) and checks its SHA-256.  FILE is replaced once all of it is "
     "there\n"
     "and synced; else it stays as it was.\n",
     run_snapshot_save},
    {"snapshot load", "INDEX FILE", 2, 2, 0, "upload a snapshot for the app",
     "Makes FILE ('-': standard input) the node's snapshot: the app's state "
     "as\n"
     "of entry INDEX, which is behind that of the present snapshot and at "
     "most\n"
     "the commit index.  The node then drops the log up to there, but for a\n"
     "tail.  A load that ends early changes nothing.\n",
     run_snapshot_load},
    {"snapshot info", "", 0, 0, 0, "which snapshot the node has",
     "Entry, term, size and SHA-256 of the node's snapshot.\n",
     run_snapshot_info},
    {"inspect", "DIR", 1, 1, OPTION_ENTRIES, "what is in a data directory",
     "Looks into a data directory that no node uses, or into a backup: who it\n"
     "is, its terms, its range of entries, its members, its size.  With\n"
     "--entries only those entries, one a line: index, term, kind, payload;\n"
     "either end may be left out.  Nothing is changed.\n",
     run_inspect},
    {"verify", "DIR", 1, 1, 0, "check a data directory",
     "Checks all that is in a data directory that no node uses, or in a\n"
     "backup: SQLite's own structures, every entry's checksum and its place "
     "in\n"
     "the chain of digests, and that the tables say the same.  Each problem "
     "is\n"
     "a line; the status is 1 if there is one.  The digest at the end is "
     "equal\n"
     "on every node whose log is.  Nothing is changed.\n",
     run_verify},
    {"backup", "[DIR] FILE", 1, 2, OPTION_YES, "copy the log into a file",
     "Writes the log into FILE, which must not exist yet: of the running node\n"
     "up to its commit index, or of DIR, which no node uses, all that is\n"
     "there.  The copy has nothing of the node's identity, is checked row by\n"
     "row, and can be read with sqlite3.  The directory is not changed, and\n"
     "nothing is asked; a running node is asked where its directory is, which\n"
     "must be within reach.\n",
     run_backup},
    {"restore", "FILE DIR", 2, 2, OPTION_MEMBERS | OPTION_YES,
     "make a new cluster from a backup",
     "Makes DIR, which must be empty, the data directory of the first node of\n"
     "a new cluster that has the log of the backup FILE.  Whichever node\n"
     "starts on it takes it, and is its only voter, in a new epoch and a term\n"
     "far above: nodes of the old cluster are refused.  With --members that\n"
     "node must be among them, and the others are its learners.  They start\n"
     "on empty directories; make them voters once they have caught up.\n"
     "Restore once only: two restored directories are two clusters.  FILE is\n"
     "verified first.  Nothing is asked, as there is nothing to be lost.\n",
     run_restore},
    {"recover", "DIR...", 1, ARGUMENTS_ANY, OPTION_MEMBERS | OPTION_YES,
     "begin anew when a quorum is lost for good",
     "Compares the data directories, which no node may use, picks the one\n"
     "with the most complete log (last term, then last index), and makes its\n"
     "node, which must be among --members, the only voter of the cluster, in\n"
     "a new epoch and a term far above any that was found.  The others of\n"
     "--members are its learners: start them on empty directories, and make\n"
     "them voters once they have caught up.  The old nodes are refused for\n"
     "ever.  Says what may be lost, and asks before it does it.\n",
     run_recover},
    {"help", "[COMMAND]", 0, 2, 0, "this list, or the help of one command", "",
     run_help},
};

#define COMMAND_COUNT (sizeof(commands) / sizeof(commands[0]))

/* How many of the words are the whole name; 0: they are another's. */
static size_t name_match(const char *name, char **words, size_t count)
{
    const char *space = strchr(name, ' ');
    size_t first = space == NULL ? strlen(name) : (size_t)(space - name);

    if (count == 0 || strlen(words[0]) != first ||
        memcmp(words[0], name, first) != 0)
        return 0;
    if (space == NULL)
        return 1;
    return count > 1 && strcmp(words[1], space + 1) == 0 ? 2 : 0;
}

const struct command *command_find(char **words, size_t count, size_t *used)
{
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        *used = name_match(commands[i].name, words, count);
        if (*used > 0)
            return &commands[i];
    }
    return NULL;
}

static void command_usage(FILE *file, const struct command *command)
{
    fprintf(file, "usage: raftctl [OPTION...] %s%s%s\n", command->name,
            command->arguments[0] == 0 ? "" : " ", command->arguments);
}

enum ctl_status command_run(const struct command *command, struct ctl *ctl,
                            char **arguments, size_t count)
{
    unsigned foreign = ctl->options.given & ~command->options;

    if (foreign != 0) {
        ctl_complain("%s takes no option --%s", command->name,
                     options_name(foreign));
        command_usage(stderr, command);
        return CTL_USAGE;
    }
    if (count < command->arguments_min || count > command->arguments_max) {
        ctl_complain("%s: too %s arguments", command->name,
                     count < command->arguments_min ? "few" : "many");
        command_usage(stderr, command);
        return CTL_USAGE;
    }
    return command->run(ctl, arguments, count);
}

void command_help_all(FILE *file)
{
    fputs("usage: raftctl [OPTION...] COMMAND [ARGUMENT...]\n\nCommands:\n",
          file);
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        char text[64];

        snprintf(text, sizeof(text), "%s %s", commands[i].name,
                 commands[i].arguments);
        fprintf(file, "  %-24s  %s\n", text, commands[i].summary);
    }
    fputs("\nOptions:\n", file);
    options_help(file, 0);
    fputs("\nraftctl help COMMAND says more.  Exit status: 0 done, 1 refused, "
          "2 usage,\n3 cannot reach the node, 4 uncertain: it may have "
          "happened.\n",
          file);
}

static bool name_begins(const char *name, char **words, size_t count)
{
    size_t length = strlen(words[0]);

    if (count > 1)
        return name_match(name, words, count) == 2;
    return strncmp(name, words[0], length) == 0 &&
           (name[length] == 0 || name[length] == ' ');
}

bool command_help(FILE *file, char **words, size_t count)
{
    bool found = false;

    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        const struct command *command = &commands[i];

        if (!name_begins(command->name, words, count))
            continue;
        if (found)
            fputc('\n', file);
        found = true;
        command_usage(file, command);
        fprintf(file, "\n%s%s%s", command->help,
                command->help[0] == 0 ? command->summary : "",
                command->help[0] == 0 ? "\n" : "");
        if (command->options != 0) {
            fputs("\nOptions:\n", file);
            options_help(file, command->options);
        }
    }
    return found;
}

static enum ctl_status run_help(struct ctl *ctl, char **arguments, size_t count)
{
    (void)ctl;
    if (count == 0) {
        command_help_all(stdout);
        return CTL_DONE;
    }
    if (command_help(stdout, arguments, count))
        return CTL_DONE;
    ctl_complain("there is no command '%s'; raftctl help lists them",
                 arguments[0]);
    return CTL_USAGE;
}
