/* backup, restore, recover. */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/text.h"
#include "ctl/command.h"
#include "ctl/confirm.h"
#include "ctl/info.h"
#include "ctl/json.h"
#include "ctl/recover.h"
#include "store/offline.h"

#ifndef PACKAGE_VERSION
#define PACKAGE_VERSION "0"
#endif

/* What is in a backup is not for everybody. */
#define PRIVATE_UMASK 0027

/* ---- backup ------------------------------------------------------------- */

/* What a running node says of itself. */
struct running {
    char directory[4096];
    uint64_t commit;
    uint64_t instance;
};

static bool read_running(const struct info *info, struct running *running)
{
    const char *directory = info_get(info, "Storage", "data_dir");
    const char *instance = info_get(info, "Server", "instance");
    char *end = NULL;

    if (directory == NULL || directory[0] != '/' || instance == NULL ||
        !info_u64(info, "Raft", "commit_index", &running->commit))
        return false;
    snprintf(running->directory, sizeof(running->directory), "%s", directory);
    running->instance = strtoull(instance, &end, 16);
    return *end == 0;
}

static enum ctl_status ask_running(struct ctl *ctl, struct running *running)
{
    static const char *const words[] = {"INFO", NULL};
    struct resp_value reply;
    struct info info = {0};
    enum ctl_status status = ctl_ask_text(ctl, CTL_READS, words, &reply);

    if (status != CTL_DONE)
        return status;
    if (reply.type == RESP_BULK)
        info_read(&info, reply.data, reply.size);
    if (!read_running(&info, running))
        status = ctl_strange(CTL_READS);
    info_clear(&info);
    resp_value_clear(&reply);
    if (status == CTL_DONE && running->commit == 0) {
        ctl_complain("nothing is committed on this node yet");
        return CTL_REFUSED;
    }
    return status;
}

/* The node may run where this path is another directory: in a container. */
static bool is_its_directory(struct offline *offline,
                             const struct running *running)
{
    struct store_error error;
    const struct node_start *start = offline_start(offline, &error);

    if (start == NULL) {
        ctl_complain("%s", error.text);
        return false;
    }
    if (start->identity.instance == running->instance)
        return true;
    ctl_complain("%s is not the directory of the node that answers at the "
                 "socket: run this where the node runs",
                 running->directory);
    return false;
}

static enum ctl_status write_backup(struct ctl *ctl, struct offline *offline,
                                    uint64_t last, const char *file)
{
    struct store_error error;
    struct json json = {0};
    raft_index written;

    umask(PRIVATE_UMASK);
    if (!offline_backup(offline, last, file, PACKAGE_VERSION, &written, &error))
        return ctl_store_failed(&error);
    if (!ctl->options.json) {
        printf("%s has all entries up to %" PRIu64 "\n", file, written);
        return CTL_DONE;
    }
    json_open(&json, '{');
    json_named_text(&json, "file", file);
    json_named_u64(&json, "index", written);
    json_close(&json, '}');
    json_print(&json, stdout);
    json_free(&json);
    return CTL_DONE;
}

static enum ctl_status backup_live(struct ctl *ctl, const char *file)
{
    struct running running = {0};
    struct store_error error;
    enum ctl_status status = ask_running(ctl, &running);
    struct offline *offline;

    if (status != CTL_DONE)
        return status;
    offline = offline_open_live(running.directory, &error);
    if (offline == NULL)
        return ctl_store_failed(&error);
    status = CTL_REFUSED;
    if (is_its_directory(offline, &running))
        status = write_backup(ctl, offline, running.commit, file);
    offline_close(offline);
    return status;
}

static enum ctl_status backup_at_rest(struct ctl *ctl, const char *directory,
                                      const char *file)
{
    struct store_error error;
    struct offline *offline = offline_open(directory, &error);
    enum ctl_status status;

    if (offline == NULL)
        return ctl_store_failed(&error);
    status = write_backup(ctl, offline, 0, file);
    offline_close(offline);
    return status;
}

enum ctl_status run_backup(struct ctl *ctl, char **arguments, size_t count)
{
    if (count == 1)
        return backup_live(ctl, arguments[0]);
    return backup_at_rest(ctl, arguments[0], arguments[1]);
}

/* ---- restore ------------------------------------------------------------ */

static bool members_are_sound(const char *members)
{
    struct raft_config config;
    char why[256];

    if (raft_config_parse(members, &config, why, sizeof(why)))
        return true;
    ctl_complain("--members: %s", why);
    return false;
}

static void print_restored(const struct ctl *ctl, const char *directory,
                           const char *members)
{
    struct json json = {0};

    if (!ctl->options.json) {
        printf("%s is restored, as the beginning of a new cluster:\n"
               "start one node on it, %s; it votes alone.\n"
               "Give the others empty directories, and add%s them to it.\n",
               directory,
               members[0] == 0 ? "whichever its id" : "one of its members",
               members[0] == 0 ? "" : " (or promote)");
        return;
    }
    json_open(&json, '{');
    json_named_text(&json, "directory", directory);
    json_close(&json, '}');
    json_print(&json, stdout);
    json_free(&json);
}

enum ctl_status run_restore(struct ctl *ctl, char **arguments, size_t count)
{
    const char *members = ctl->options.members;
    struct store_error error;

    (void)count;
    if (members == NULL)
        members = "";
    else if (!members_are_sound(members))
        return CTL_USAGE;
    umask(PRIVATE_UMASK);
    if (!offline_restore(arguments[0], arguments[1], members, PACKAGE_VERSION,
                         &error))
        return ctl_store_failed(&error);
    print_restored(ctl, arguments[1], members);
    return CTL_DONE;
}

/* ---- recover ------------------------------------------------------------ */

enum ctl_status run_recover(struct ctl *ctl, char **arguments, size_t count)
{
    struct raft_config members;
    char why[256];

    if (ctl->options.members == NULL) {
        ctl_complain("recover: --members is missing: the members of the new "
                     "cluster, as \"0=host:port, 1=host:port\"");
        return CTL_USAGE;
    }
    if (!raft_config_parse(ctl->options.members, &members, why, sizeof(why))) {
        ctl_complain("--members: %s", why);
        return CTL_USAGE;
    }
    return recover(ctl, &members, arguments, count, PACKAGE_VERSION);
}
