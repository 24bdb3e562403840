#include "store/offline.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "store/internal.h"

/* How long to wait for a process that has the database for a moment. */
#define BUSY_MS 5000

static bool set_paths(struct offline *offline, const char *path,
                      struct store_error *error)
{
    struct store *store = &offline->store;
    struct stat found;
    bool there = stat(path, &found) == 0;
    offline->is_backup = there && S_ISREG(found.st_mode);
    size_t size = strlen(path) + sizeof("/raft.db");
    store->directory = x_strdup(path);
    store->path = x_malloc(size);
    snprintf(store->path, size, "%s%s", path,
             offline->is_backup ? "" : "/raft.db");
    if (there && stat(store->path, &found) == 0) {
        return true;
    }
    error->status = EXIT_STATUS_DISK;
    snprintf(error->text, sizeof(error->text), "%s: %s", store->path,
             strerror(errno));
    return false;
}

/* Read-only in every respect.  SQLite would put the WAL into the database when
 * the last connection closes: that is for the daemon alone. */
static bool connect_only(struct store *store, struct store_error *error)
{
    sqlite3 **db = &store->writer;
    int flags = SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX;
    if (sqlite3_open_v2(store->path, db, flags, store->options.vfs) !=
            SQLITE_OK ||
        !checksum_define(*db)) {
        return schema_failed(store, *db, error, "it cannot be opened");
    }
    sqlite3_extended_result_codes(*db, 1);
    sqlite3_busy_timeout(*db, BUSY_MS);
    sqlite3_db_config(*db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    if (sqlite3_exec(*db,
                     "PRAGMA query_only = ON;"
                     "PRAGMA trusted_schema = OFF;"
                     "PRAGMA mmap_size = 0;"
                     "SELECT count(*) FROM sqlite_schema",
                     NULL, NULL, NULL) != SQLITE_OK) {
        return schema_failed(store, *db, error, "it cannot be read");
    }
    return true;
}

static bool is_present_version(struct store *store, struct store_error *error)
{
    int64_t version;
    if (!schema_version(store, &version, error)) {
        return false;
    }
    if (version == SCHEMA_VERSION) {
        return true;
    }
    error->status = EXIT_STATUS_DAMAGED;
    snprintf(error->text, sizeof(error->text),
             version == 0 ? "%s is empty: nothing was ever saved in it"
                          : "%s has schema version %lld, an older one: a node "
                            "that starts on it upgrades it",
             store->path, (long long)version);
    return false;
}

static struct offline *open_as(const char *path, bool live,
                               struct store_error *error)
{
    struct offline *offline = x_calloc(1, sizeof(*offline));
    struct store *store = &offline->store;
    store->lock_fd = -1;
    store->event_fd = -1;
    store->options.id = RAFT_ID_NONE;
    offline->is_live = live;
    if (set_paths(offline, path, error) &&
        (offline->is_backup || live || place_take(store, error)) &&
        connect_only(store, error) && is_present_version(store, error)) {
        return offline;
    }
    offline_close(offline);
    return NULL;
}

struct offline *offline_open(const char *path, struct store_error *error)
{
    return open_as(path, false, error);
}

struct offline *offline_open_live(const char *path, struct store_error *error)
{
    return open_as(path, true, error);
}

void offline_close(struct offline *offline)
{
    if (offline == NULL) {
        return;
    }
    load_clear(&offline->store);
    schema_close(&offline->store);
    place_release(&offline->store);
    free(offline->store.directory);
    free(offline->store.path);
    free(offline);
}

/* ---- looking ------------------------------------------------------------ */

bool offline_about(struct offline *offline, struct offline_about *about,
                   struct store_error *error)
{
    struct store *store = &offline->store;
    bool there;
    *about = (struct offline_about){.is_backup = offline->is_backup,
                                    .schema_version = SCHEMA_VERSION};
    about->file_bytes = place_bytes(store->path, "");
    about->wal_bytes = place_bytes(store->path, "-wal");
    return state_text(store, "restored", about->restored,
                      sizeof(about->restored), &about->is_restored, error) &&
           state_text(store, "written_by", about->written_by,
                      sizeof(about->written_by), &there, error);
}

const struct node_start *offline_start(struct offline *offline,
                                       struct store_error *error)
{
    struct store *store = &offline->store;
    load_clear(store);
    store->start = (struct node_start){0};
    return load_look(store, offline->is_backup, error) ? &store->start : NULL;
}

bool offline_is_sound(struct offline *offline, struct store_error *error)
{
    return rot_refuse(&offline->store, error);
}

/* What may still lie below the base is of no log. */
static const char select_rows[] =
    "SELECT " ROW_COLUMNS " FROM log"
    " WHERE idx BETWEEN max(?, 1 + coalesce((SELECT value FROM state"
    " WHERE name = 'base_index'), 0)) AND ? ORDER BY idx";

bool offline_entries(struct offline *offline, raft_index first, raft_index last,
                     offline_each *each, void *context,
                     struct store_error *error)
{
    struct store *store = &offline->store;
    sqlite3_stmt *statement = schema_prepare(store->writer, select_rows);
    bool more = true;
    int code = SQLITE_DONE;
    sqlite3_bind_int64(statement, 1, (int64_t)first);
    sqlite3_bind_int64(statement, 2,
                       (int64_t)(last > INT64_MAX ? INT64_MAX : last));
    while (more && (code = sqlite3_step(statement)) == SQLITE_ROW) {
        struct offline_entry row = {0};
        row.sound = rows_entry(statement, &row.entry);
        row.commit = (raft_index)sqlite3_column_int64(statement, 9);
        more = each(context, &row);
        raft_entry_clear(&row.entry);
    }
    bool done = statement != NULL && (!more || code == SQLITE_DONE);
    sqlite3_finalize(statement);
    return done ||
           schema_failed(store, store->writer, error, "it cannot be read");
}
