#include "daemon/settings.h"

#include <arpa/inet.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/config.h"
#include "core/keys.h"

#define MIB (UINT64_C(1) << 20)
#define SECOND UINT64_C(1000000)

#define AT(field) offsetof(struct settings, field)
#define SIZE(field) sizeof(((struct settings *)NULL)->field)

static const struct setting table[] = {
    {"app-socket", SETTING_PATH, AT(app_socket), SIZE(app_socket),
     "/run/raft.sock", 0, 0, false},
    {"app-socket-group", SETTING_GROUP, AT(app_socket_group),
     SIZE(app_socket_group), "", 0, 0, false},
    {"app-socket-mode", SETTING_MODE, AT(app_socket_mode), 0, "0660", 0, 0777,
     false},
    {"bootstrap", SETTING_MEMBERS, AT(bootstrap), SIZE(bootstrap), "", 0, 0,
     false},
    {"cache-size", SETTING_SIZE, AT(cache_size), 0, "12MiB", 4096, MIB * 65536,
     true},
    {"catch-up-timeout", SETTING_DURATION, AT(catch_up_us), 0, "60s", 10000,
     SECOND * 3600, true},
    {"cluster", SETTING_NAME, AT(cluster), SIZE(cluster), "raftsc", 0, 0,
     false},
    {"compact-keep-unacked", SETTING_NUMBER, AT(keep_unacked), 0, "1000000", 0,
     INT64_MAX, true},
    {"data-dir", SETTING_PATH, AT(data_dir), SIZE(data_dir), NULL, 0, 0, false},
    {"disk-stall-timeout", SETTING_DURATION, AT(disk_stall_us), 0, "5s", 10000,
     SECOND * 3600, true},
    {"election-timeout", SETTING_DURATION, AT(election_timeout_us), 0, "1000ms",
     10000, SECOND * 60, true},
    {"forward", SETTING_BOOL, AT(forward), 0, "yes", 0, 0, true},
    {"heartbeat-interval", SETTING_DURATION, AT(heartbeat_us), 0, "100ms", 1000,
     SECOND * 20, true},
    {"http-listen", SETTING_ADDRESS, AT(http_listen), SIZE(http_listen), "", 0,
     0, false},
    {"id", SETTING_ID, AT(id), 0, NULL, 0, RAFT_ID_NONE - 1, false},
    {"key-window", SETTING_NUMBER, AT(key_window), 0, "262144", 1,
     RAFT_KEY_WINDOW_MAX, false},
    {"log-format", SETTING_FORMAT, AT(log_format), 0, "text", 0, 0, true},
    {"log-level", SETTING_LEVEL, AT(log_level), 0, "info", 0, 0, true},
    {"max-clients", SETTING_NUMBER, AT(max_clients), 0, "1024", 1, 100000,
     true},
    {"max-payload", SETTING_SIZE, AT(max_payload), 0, "1MiB", 1, MIB * 64,
     true},
    {"max-pending", SETTING_SIZE, AT(max_pending), 0, "64MiB", 4096, MIB * 1024,
     true},
    {"peer-advertise", SETTING_ADDRESS, AT(peer_advertise),
     SIZE(peer_advertise), "", 0, 0, false},
    {"peer-listen", SETTING_ADDRESS, AT(peer_listen), SIZE(peer_listen), NULL,
     0, 0, false},
    {"request-timeout", SETTING_DURATION, AT(request_timeout_us), 0, "5s", 1000,
     SECOND * 3600, true},
    {"snapshot-hold", SETTING_DURATION, AT(snapshot_hold_us), 0, "10m", 1000,
     SECOND * 86400, true},
    {"snapshot-send-rate", SETTING_SIZE, AT(send_rate), 0, "0", 0,
     MIB * 1024 * 1024, true},
    {"snapshot-tail", SETTING_NUMBER, AT(snapshot_tail), 0, "10000", 0,
     UINT64_C(1) << 40, true},
};

const struct setting *settings_table(size_t *count)
{
    *count = sizeof(table) / sizeof(table[0]);
    return table;
}

const struct setting *settings_find(const char *name)
{
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        if (strcmp(table[i].name, name) == 0) {
            return &table[i];
        }
    }
    return NULL;
}

void settings_defaults(struct settings *settings)
{
    char why[128];
    *settings = (struct settings){.id = RAFT_ID_NONE};
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        if (table[i].fallback != NULL && table[i].fallback[0] != '\0') {
            settings_read(settings, &table[i], table[i].fallback, why,
                          sizeof(why));
        }
    }
}

/* ---- reading ------------------------------------------------------------ */

static void *place(struct settings *settings, const struct setting *setting)
{
    return (char *)settings + setting->offset;
}

/* raft-2 is 2. */
static bool id_of_host(uint64_t *id, char *why, size_t why_size)
{
    char host[256] = "";
    gethostname(host, sizeof(host) - 1);
    size_t end = strlen(host);
    size_t at = end;
    while (at > 0 && host[at - 1] >= '0' && host[at - 1] <= '9') {
        at--;
    }
    if (!text_to_u64(host + at, end - at, id) || *id >= RAFT_ID_NONE) {
        snprintf(why, why_size,
                 "auto takes the number at the end of the host name, and '%s' "
                 "has none up to 4294967294",
                 host);
        return false;
    }
    return true;
}

static bool read_id(const char *value, void *to, char *why, size_t why_size)
{
    uint64_t id;
    if (strcmp(value, "auto") == 0) {
        if (!id_of_host(&id, why, why_size)) {
            return false;
        }
    } else if (!text_to_u64(value, strlen(value), &id) || id >= RAFT_ID_NONE) {
        snprintf(why, why_size,
                 "'%s': expected a number from 0 to 4294967294, or auto",
                 value);
        return false;
    }
    *(raft_id *)to = (raft_id)id;
    return true;
}

static bool read_text(const struct setting *setting, const char *value,
                      char *to, char *why, size_t why_size)
{
    if (strlen(value) >= setting->size) {
        snprintf(why, why_size, "it has %zu characters: expected at most %zu",
                 strlen(value), setting->size - 1);
        return false;
    }
    memcpy(to, value, strlen(value) + 1);
    return true;
}

static bool is_name(const char *value)
{
    return value[0] != '\0' && value[strspn(value, "abcdefghijklmnopqrstuvwxyz"
                                                   "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                                   "0123456789._-")] == '\0';
}

static bool read_name(const struct setting *setting, const char *value,
                      char *to, char *why, size_t why_size)
{
    if (!is_name(value)) {
        snprintf(why, why_size,
                 "'%s': expected letters, digits, '.', '_' and '-'", value);
        return false;
    }
    return read_text(setting, value, to, why, why_size);
}

static bool read_group(const struct setting *setting, const char *value,
                       char *to, char *why, size_t why_size)
{
    if (getgrnam(value) == NULL) {
        snprintf(why, why_size,
                 "'%s': expected the name of a group that this system knows",
                 value);
        return false;
    }
    return read_text(setting, value, to, why, why_size);
}

static bool read_address(const struct setting *setting, const char *value,
                         char *to, char *why, size_t why_size)
{
    size_t host_size;
    uint16_t port;
    if (!text_is_address(value, strlen(value), false, &host_size, &port)) {
        snprintf(why, why_size,
                 "'%s': expected host:port or [v6]:port, with a port from 1 "
                 "to 65535",
                 value);
        return false;
    }
    return read_text(setting, value, to, why, why_size);
}

static bool read_members(const struct setting *setting, const char *value,
                         char *to, char *why, size_t why_size)
{
    struct raft_config config;
    return raft_config_parse(value, &config, why, why_size) &&
           read_text(setting, value, to, why, why_size);
}

static bool read_mode(const char *value, uint32_t *mode, char *why,
                      size_t why_size)
{
    size_t size = strlen(value);
    if (size < 3 || size > 4 || strspn(value, "01234567") != size ||
        (size == 4 && value[0] != '0')) {
        snprintf(why, why_size,
                 "'%s': expected permissions in octal, such as 0660", value);
        return false;
    }
    *mode = (uint32_t)strtoul(value, NULL, 8);
    return true;
}

static bool read_amount(const struct setting *setting, const char *value,
                        uint64_t *to, char *why, size_t why_size)
{
    char first[TEXT_UNIT_SIZE];
    char last[TEXT_UNIT_SIZE];
    uint64_t amount = 0;
    size_t size = strlen(value);
    bool sound;
    const char *unit;
    if (setting->type == SETTING_DURATION) {
        sound = text_to_duration_us(value, size, &amount);
        text_from_duration_us(setting->first, first);
        text_from_duration_us(setting->last, last);
        unit = "a duration (us, ms, s, m)";
    } else if (setting->type == SETTING_SIZE) {
        sound = text_to_size_bytes(value, size, &amount);
        text_from_size_bytes(setting->first, first);
        text_from_size_bytes(setting->last, last);
        unit = "a size (bytes, KiB, MiB, GiB)";
    } else {
        sound = text_to_u64(value, size, &amount);
        snprintf(first, sizeof(first), "%llu",
                 (unsigned long long)setting->first);
        snprintf(last, sizeof(last), "%llu", (unsigned long long)setting->last);
        unit = "a number";
    }
    if (!sound || amount < setting->first || amount > setting->last) {
        snprintf(why, why_size, "'%s': expected %s from %s to %s", value, unit,
                 first, last);
        return false;
    }
    *to = amount;
    return true;
}

static bool read_bool(const char *value, bool *to, char *why, size_t why_size)
{
    if (strcmp(value, "yes") != 0 && strcmp(value, "no") != 0) {
        snprintf(why, why_size, "'%s': expected yes or no", value);
        return false;
    }
    *to = strcmp(value, "yes") == 0;
    return true;
}

static bool read_level(const char *value, enum log_level *to, char *why,
                       size_t why_size)
{
    if (!log_level_from_name(value, to)) {
        snprintf(why, why_size,
                 "'%s': expected error, warning, info, debug or trace", value);
        return false;
    }
    return true;
}

static bool read_format(const char *value, enum log_format *to, char *why,
                        size_t why_size)
{
    if (strcmp(value, "text") != 0 && strcmp(value, "json") != 0) {
        snprintf(why, why_size, "'%s': expected text or json", value);
        return false;
    }
    *to = value[0] == 't' ? LOG_FORMAT_TEXT : LOG_FORMAT_JSON;
    return true;
}

bool settings_read(struct settings *settings, const struct setting *setting,
                   const char *value, char *why, size_t why_size)
{
    void *to = place(settings, setting);
    bool may_be_missing =
        setting->fallback != NULL && setting->fallback[0] == '\0';
    if (value[0] == '\0' && may_be_missing) {
        *(char *)to = '\0'; /* all of these are texts */
        return true;
    }
    if (value[0] == '\0') {
        snprintf(why, why_size, "it has no value");
        return false;
    }
    switch (setting->type) {
    case SETTING_ID:
        return read_id(value, to, why, why_size);
    case SETTING_NAME:
        return read_name(setting, value, to, why, why_size);
    case SETTING_PATH:
        return read_text(setting, value, to, why, why_size);
    case SETTING_GROUP:
        return read_group(setting, value, to, why, why_size);
    case SETTING_ADDRESS:
        return read_address(setting, value, to, why, why_size);
    case SETTING_MODE:
        return read_mode(value, to, why, why_size);
    case SETTING_MEMBERS:
        return read_members(setting, value, to, why, why_size);
    case SETTING_DURATION:
    case SETTING_SIZE:
    case SETTING_NUMBER:
        return read_amount(setting, value, to, why, why_size);
    case SETTING_BOOL:
        return read_bool(value, to, why, why_size);
    case SETTING_LEVEL:
        return read_level(value, to, why, why_size);
    case SETTING_FORMAT:
        return read_format(value, to, why, why_size);
    }
    return false;
}

/* ---- showing ------------------------------------------------------------ */

void settings_show(const struct settings *settings,
                   const struct setting *setting, char *value, size_t size)
{
    const void *at = (const char *)settings + setting->offset;
    char unit[TEXT_UNIT_SIZE];
    switch (setting->type) {
    case SETTING_ID:
        snprintf(value, size, "%lu", (unsigned long)*(const raft_id *)at);
        break;
    case SETTING_NAME:
    case SETTING_PATH:
    case SETTING_GROUP:
    case SETTING_ADDRESS:
    case SETTING_MEMBERS:
        snprintf(value, size, "%s", (const char *)at);
        break;
    case SETTING_MODE:
        snprintf(value, size, "%04o", (unsigned)*(const uint32_t *)at);
        break;
    case SETTING_DURATION:
        snprintf(value, size, "%s",
                 text_from_duration_us(*(const uint64_t *)at, unit));
        break;
    case SETTING_SIZE:
        snprintf(value, size, "%s",
                 text_from_size_bytes(*(const uint64_t *)at, unit));
        break;
    case SETTING_NUMBER:
        snprintf(value, size, "%llu",
                 (unsigned long long)*(const uint64_t *)at);
        break;
    case SETTING_BOOL:
        snprintf(value, size, "%s", *(const bool *)at ? "yes" : "no");
        break;
    case SETTING_LEVEL:
        snprintf(value, size, "%s",
                 log_level_name(*(const enum log_level *)at));
        break;
    case SETTING_FORMAT:
        snprintf(value, size, "%s",
                 *(const enum log_format *)at == LOG_FORMAT_TEXT ? "text"
                                                                 : "json");
        break;
    }
}

/* ---- between keys ------------------------------------------------------- */

/* All that getaddrinfo() takes for it: 0.0.0.0, [::], 0, [0::0], * … */
static bool is_any_address(const char *address)
{
    char host[TEXT_ADDRESS_SIZE];
    struct in_addr four;
    struct in6_addr six;
    const char *port = strrchr(address, ':');
    size_t size = port == NULL ? 0 : (size_t)(port - address);
    if (size == 0 || size >= sizeof(host)) {
        return false;
    }
    memcpy(host, address, size);
    host[size] = '\0';
    if (host[0] == '[') {
        host[size - 1] = '\0';
        return inet_pton(AF_INET6, host + 1, &six) == 1 &&
               IN6_IS_ADDR_UNSPECIFIED(&six);
    }
    return strcmp(host, "*") == 0 ||
           (inet_aton(host, &four) != 0 && four.s_addr == INADDR_ANY);
}

bool settings_check(const struct settings *settings, const char **key,
                    char *why, size_t why_size)
{
    char timeout[TEXT_UNIT_SIZE];
    if (settings->heartbeat_us > settings->election_timeout_us / 3) {
        *key = "heartbeat-interval";
        snprintf(why, why_size,
                 "expected at most a third of election-timeout, which is %s",
                 text_from_duration_us(settings->election_timeout_us, timeout));
        return false;
    }
    if (is_any_address(settings->peer_advertise)) {
        *key = "peer-advertise";
        snprintf(why, why_size,
                 "'%s' is every address: expected the one that the other "
                 "nodes dial",
                 settings->peer_advertise);
        return false;
    }
    struct raft_config config;
    if (settings->bootstrap[0] != '\0' &&
        raft_config_parse(settings->bootstrap, &config, why, why_size) &&
        raft_config_find(&config, settings->id) == NULL) {
        *key = "bootstrap";
        snprintf(why, why_size,
                 "this node, %lu, is not in its own list: expected "
                 "%lu=host:port in it",
                 (unsigned long)settings->id, (unsigned long)settings->id);
        return false;
    }
    return true;
}
