#include "daemon/parameters.h"

#include "config.h"

#include <assert.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/mem.h"

/* raftctl asks for it, and may work in another directory. */
static const char *absolute(const char *path)
{
    static char whole[PATH_MAX];
    return realpath(path, whole) == NULL ? path : whole;
}

/* As many clients as there can be.  Each change of what is wanted in vain is
 * logged once. */
static uint64_t clients_of(struct loop *loop)
{
    uint64_t wanted = loop->settings.max_clients;
    if (wanted <= loop->clients_max) {
        return wanted;
    }
    if (wanted != loop->clients_told) {
        log_line(LOG_LEVEL_WARNING,
                 "max-clients is %llu, but at most %llu apps can connect: the "
                 "system's limit is %llu open files (RLIMIT_NOFILE)",
                 (unsigned long long)wanted,
                 (unsigned long long)loop->clients_max,
                 (unsigned long long)loop->files_max);
    }
    loop->clients_told = wanted;
    return loop->clients_max;
}

struct node_settings parameters_for_node(struct loop *loop)
{
    const struct settings *settings = &loop->settings;
    return (struct node_settings){
        .id = settings->id,
        .cluster = settings->cluster,
        .advertise = settings->peer_advertise,
        .version = PACKAGE_VERSION,
        .process_id = (uint64_t)getpid(),
        .data_dir = absolute(settings->data_dir),
        .bootstrap = settings->bootstrap,
        .election_timeout_us = settings->election_timeout_us,
        .heartbeat_us = settings->heartbeat_us,
        .request_timeout_us = settings->request_timeout_us,
        .catch_up_us = settings->catch_up_us,
        .disk_stall_us = settings->disk_stall_us,
        .max_payload = settings->max_payload,
        .max_clients = clients_of(loop),
        .max_pending_bytes = settings->max_pending,
        .cache_bytes = settings->cache_size,
        .keep_unacked = settings->keep_unacked,
        .send_rate = settings->send_rate,
        .key_window = settings->key_window,
        .snapshot_hold_us = settings->snapshot_hold_us,
        .snapshot_tail = settings->snapshot_tail,
        .forward = settings->forward,
        .trace = settings->log_level == LOG_LEVEL_TRACE,
    };
}

static void apply(struct loop *loop)
{
    struct node_settings settings = parameters_for_node(loop);
    log_set(loop->settings.log_level, loop->settings.log_format);
    node_set(loop->node, &settings);
}

/* ---- CONFIG GET, CONFIG SET --------------------------------------------- */

static const char *get(void *context, size_t at, char *value, size_t size)
{
    struct loop *loop = context;
    size_t count;
    const struct setting *setting = &settings_table(&count)[at];
    settings_show(&loop->settings, setting, value, size);
    return setting->name;
}

/* As in Redis, and as GET matches them: in any case of letters. */
static const struct setting *find_any_case(const char *name)
{
    size_t count;
    const struct setting *table = settings_table(&count);
    for (size_t i = 0; i < count; i++) {
        if (strcasecmp(table[i].name, name) == 0) {
            return &table[i];
        }
    }
    return NULL;
}

/* The key that may be set so; NULL: `why` says why not. */
static const struct setting *find(const struct node_parameter *wanted,
                                  size_t at, char *why, size_t why_size)
{
    const char *name = wanted[at].name;
    const struct setting *setting = find_any_case(name);
    if (setting == NULL) {
        snprintf(why, why_size,
                 "there is no parameter '%.64s': CONFIG GET * "
                 "names those that there are",
                 name);
        return NULL;
    }
    if (!setting->at_run_time) {
        snprintf(why, why_size,
                 "%s cannot change at run time: set it in the file, and start "
                 "the node again",
                 setting->name);
        return NULL;
    }
    for (size_t i = 0; i < at; i++) {
        if (strcasecmp(wanted[i].name, name) == 0) {
            snprintf(why, why_size, "%s is given twice", setting->name);
            return NULL;
        }
    }
    return setting;
}

static bool read_all(struct settings *changed,
                     const struct node_parameter *wanted, size_t count,
                     char *why, size_t why_size)
{
    char what[400];
    const char *key = wanted[0].name;
    for (size_t i = 0; i < count; i++) {
        const struct setting *setting = find(wanted, i, why, why_size);
        if (setting == NULL) {
            return false;
        }
        if (!settings_read(changed, setting, wanted[i].value, what,
                           sizeof(what))) {
            snprintf(why, why_size, "%s: %s", setting->name, what);
            return false;
        }
    }
    if (!settings_check(changed, &key, what, sizeof(what))) {
        snprintf(why, why_size, "%s: %s", key, what);
        return false;
    }
    return true;
}

static bool set(void *context, const struct node_parameter *wanted,
                size_t count, char *why, size_t why_size)
{
    struct loop *loop = context;
    struct settings *changed = x_malloc(sizeof(*changed));
    *changed = loop->settings;
    bool sound = read_all(changed, wanted, count, why, why_size);
    if (sound) {
        loop->settings = *changed;
        apply(loop);
    }
    free(changed);
    return sound;
}

static_assert(SETTINGS_VALUE_MAX <= NODE_PARAMETER_MAX,
              "CONFIG GET gives all of a value");

struct node_parameters parameters_of(struct loop *loop)
{
    struct node_parameters parameters = {
        .context = loop, .get = get, .set = set};
    settings_table(&parameters.count);
    return parameters;
}

/* ---- SIGHUP ------------------------------------------------------------- */

static void reload_one(struct loop *loop, const struct settings *fresh,
                       const struct setting *setting)
{
    static char before[SETTINGS_VALUE_MAX];
    static char after[SETTINGS_VALUE_MAX];
    char why[256];
    settings_show(&loop->settings, setting, before, sizeof(before));
    settings_show(fresh, setting, after, sizeof(after));
    if (strcmp(before, after) == 0) {
        return;
    }
    if (!setting->at_run_time) {
        log_line(LOG_LEVEL_WARNING,
                 "%s cannot change at run time: it stays %.200s until the "
                 "node is started again",
                 setting->name, before);
        return;
    }
    settings_read(&loop->settings, setting, after, why, sizeof(why));
    log_line(LOG_LEVEL_INFO, "%s is %.200s now; it was %.200s", setting->name,
             after, before);
}

void parameters_reload(struct loop *loop)
{
    struct settings *fresh = x_malloc(sizeof(*fresh));
    struct buf errors = {0};
    size_t count;
    const struct setting *table = settings_table(&count);
    if (configfile_read(&loop->file, fresh, &errors)) {
        for (size_t i = 0; i < count; i++) {
            reload_one(loop, fresh, &table[i]);
        }
        apply(loop);
        log_line(LOG_LEVEL_INFO, "the configuration was read again");
    } else {
        log_line(LOG_LEVEL_ERROR,
                 "the configuration stays as it was; the file has errors: "
                 "%.*s",
                 (int)errors.size, (const char *)errors.data);
    }
    buf_free(&errors);
    free(fresh);
}
