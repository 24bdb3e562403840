/* The settings of a node: one table of keys, which also makes what `-t`
 * prints, what CONFIG GET and CONFIG SET see, and the errors. */
#ifndef RAFTSC_DAEMON_SETTINGS_H
#define RAFTSC_DAEMON_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/log.h"
#include "base/text.h"
#include "core/types.h"

/* Room for a bootstrap list of as many members as there can be. */
#define SETTINGS_VALUE_MAX ((size_t)20480)

struct settings {
    raft_id id;
    char cluster[64];
    char data_dir[1024];
    char peer_listen[TEXT_ADDRESS_SIZE];
    char peer_advertise[TEXT_ADDRESS_SIZE];
    char http_listen[TEXT_ADDRESS_SIZE];
    char app_socket[108];
    uint32_t app_socket_mode;
    char app_socket_group[64];
    char bootstrap[SETTINGS_VALUE_MAX];
    uint64_t election_timeout_us;
    uint64_t heartbeat_us;
    bool forward;
    uint64_t max_payload;
    uint64_t max_clients;
    uint64_t request_timeout_us;
    uint64_t catch_up_us;
    uint64_t disk_stall_us;
    uint64_t max_pending;
    uint64_t cache_size;
    uint64_t keep_unacked;
    uint64_t send_rate;
    uint64_t key_window;
    uint64_t snapshot_hold_us;
    uint64_t snapshot_tail;
    enum log_level log_level;
    enum log_format log_format;
};

enum setting_type {
    SETTING_ID,   /* a number, or auto */
    SETTING_NAME, /* letters, digits, dot, dash, underscore */
    SETTING_PATH,
    SETTING_GROUP,    /* that the system knows */
    SETTING_ADDRESS,  /* host:port */
    SETTING_MODE,     /* octal */
    SETTING_MEMBERS,  /* a bootstrap list */
    SETTING_DURATION, /* microseconds; first and last as well */
    SETTING_SIZE,     /* bytes */
    SETTING_NUMBER,
    SETTING_BOOL, /* yes or no */
    SETTING_LEVEL,
    SETTING_FORMAT
};

struct setting {
    const char *name;
    enum setting_type type;
    size_t offset;        /* in struct settings */
    size_t size;          /* of texts, the NUL included */
    const char *fallback; /* NULL: it must be given; "": it may be missing */
    uint64_t first;       /* of numbers, inclusive */
    uint64_t last;
    bool at_run_time; /* CONFIG SET and SIGHUP can change it */
};

/* In the order of names. */
const struct setting *settings_table(size_t *count);
/* NULL: there is none. */
const struct setting *settings_find(const char *name);

/* Everything that has a default gets it. */
void settings_defaults(struct settings *settings);

/* Reads `value` into its place.  False: `why` says what was wrong and what
 * was expected, without the key's name. */
bool settings_read(struct settings *settings, const struct setting *setting,
                   const char *value, char *why, size_t why_size);

/* The value as it would be written in the file. */
void settings_show(const struct settings *settings,
                   const struct setting *setting, char *value, size_t size);

/* What must hold between keys; *key is the one to be named. */
bool settings_check(const struct settings *settings, const char **key,
                    char *why, size_t why_size);

#endif
