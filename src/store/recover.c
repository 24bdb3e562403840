/* One node begins a new history of its cluster: after a quorum was lost for
 * good, or from a backup.
 *
 * It votes alone in the configuration that it appends, in a term far above all
 * that were found, so that fencing tokens of the old history are old.  The
 * epoch is new: nodes of the old history refuse this one and are refused, also
 * those that nobody found.  All that is in its log counts from now on, what was
 * not committed too: nobody is left who could tell. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "base/log.h"
#include "store/internal.h"

#define EPOCH_MAX (((uint64_t)1 << 53) - 1)

uint64_t offline_new_epoch(void)
{
    uint64_t epoch = 0;
    while (epoch == 0) {
        if (getrandom(&epoch, sizeof(epoch), 0) != (ssize_t)sizeof(epoch)) {
            epoch = 0;
        }
        epoch &= EPOCH_MAX;
    }
    return epoch;
}

static uint64_t unix_now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* ---- the entry ---------------------------------------------------------- */

/* This node votes; the others learn until somebody promotes them, when their
 * instances are known. */
static bool make_config(const struct node_identity *identity,
                        const struct raft_config *members,
                        struct raft_config *config)
{
    bool found = false;
    *config = *members;
    config->joint = false;
    for (size_t i = 0; i < config->count; i++) {
        struct raft_member *member = &config->members[i];
        bool self = member->id == identity->id;
        found = found || (self && member->role == RAFT_MEMBER_VOTER);
        member->instance = self ? identity->instance : 0;
        member->role = self ? RAFT_MEMBER_VOTER : RAFT_MEMBER_LEARNER;
        member->next = member->role;
    }
    return found;
}

static void make_entry(const struct raft_start *raft,
                       const struct raft_config *config, raft_term term,
                       uint64_t unix_ms, struct raft_entry *entry)
{
    const struct raft_entry *last =
        raft->tail_count == 0 ? NULL : &raft->tail[raft->tail_count - 1];
    uint64_t before_ms = last == NULL ? raft->base.unix_ms : last->unix_ms;
    struct buf bytes = {0};
    raft_config_encode(config, &bytes);
    *entry = (struct raft_entry){.index = raft->last + 1,
                                 .term = term,
                                 .unix_ms =
                                     unix_ms > before_ms ? unix_ms : before_ms,
                                 .kind = RAFT_KIND_CONFIG,
                                 .flags = RAFT_FLAG_REQUIRED,
                                 .payload = blob_copy(bytes.data, bytes.size)};
    entry->chain =
        raft_entry_chain(last == NULL ? raft->base.chain : last->chain, entry);
    buf_free(&bytes);
}

bool recover_save(const struct node_start *start,
                  const struct raft_config *members, raft_term term,
                  uint64_t epoch, uint64_t unix_ms, struct node_save *save)
{
    struct raft_config config;
    if (!make_config(&start->identity, members, &config)) {
        return false;
    }
    *save = (struct node_save){.cluster_dirty = true,
                               .cluster_id = start->identity.cluster_id,
                               .epoch = epoch};
    save->log.state_dirty = true;
    save->log.term = term;
    save->log.vote = RAFT_ID_NONE;
    save->log.commit = start->raft.commit;
    save->log.entries = x_calloc(1, sizeof(*save->log.entries));
    save->log.entry_count = 1;
    make_entry(&start->raft, &config, term, unix_ms, &save->log.entries[0]);
    return true;
}

/* ---- doing it ----------------------------------------------------------- */

static bool no_room(const struct store *store, struct store_error *error)
{
    error->status = EXIT_STATUS_DISK;
    snprintf(error->text, sizeof(error->text), "%s: the disk is full",
             store->path);
    return false;
}

static bool not_a_voter(const struct store *store, raft_id id,
                        struct store_error *error)
{
    error->status = EXIT_STATUS_CONFIG;
    snprintf(error->text, sizeof(error->text),
             "%s: node %lu is not a voter among the members that it was given",
             store->path, (unsigned long)id);
    return false;
}

static bool append(struct store *store, const struct raft_config *members,
                   raft_term term, uint64_t epoch, struct store_error *error)
{
    struct node_save save;
    if (!recover_save(&store->start, members, term, epoch, unix_now_ms(),
                      &save)) {
        return not_a_voter(store, store->start.identity.id, error);
    }
    bool done = rows_save(store, &save) == NODE_SAVE_OK;
    raft_save_clear(&save.log);
    return done || no_room(store, error);
}

bool offline_recover(const char *directory, raft_id id,
                     const struct raft_config *members, raft_term term,
                     uint64_t epoch, const char *version,
                     struct store_error *error)
{
    struct store_options options = {.directory = directory,
                                    .id = id,
                                    .version = version,
                                    .key_window = INT32_MAX};
    struct store *store = store_open(&options, error);
    if (store == NULL) {
        return false;
    }
    bool done = append(store, members, term, epoch, error);
    store_close(store);
    return done;
}

/* ---- after a restore ---------------------------------------------------- */

/* The members that it was given; none: the one that starts. */
static bool read_members(const struct store *store, const char *text,
                         struct raft_config *members, struct store_error *error)
{
    char why[256] = "";
    char alone[TEXT_ADDRESS_SIZE + 32];
    if (text[0] == '\0') {
        snprintf(alone, sizeof(alone), "%lu=%s",
                 (unsigned long)store->options.id, store->options.address);
        text = alone;
    }
    if (raft_config_parse(text, members, why, sizeof(why))) {
        return true;
    }
    error->status = EXIT_STATUS_DAMAGED;
    snprintf(error->text, sizeof(error->text),
             "%s: the members it was restored for: %s", store->path, why);
    return false;
}

/* A crash between the two steps makes the next start append once more. */
bool recover_restored(struct store *store, struct store_error *error)
{
    char text[4096];
    struct raft_config members;
    bool there;
    if (!state_text(store, "restored", text, sizeof(text), &there, error)) {
        return false;
    }
    if (store->options.address == NULL && text[0] == '\0') {
        return not_a_voter(store, store->options.id, error);
    }
    store->start.identity.id = store->options.id;
    if (!read_members(store, text, &members, error) ||
        !append(store, &members, store->start.raft.term,
                store->start.identity.epoch, error)) {
        return false;
    }
    char *sql = sqlite3_mprintf("BEGIN IMMEDIATE;"
                                "%z"
                                "DELETE FROM state WHERE name = 'restored';"
                                "COMMIT;",
                                sqlite3_mprintf(STATE_PUT("('node_id', %lld)"),
                                                (long long)store->options.id));
    bool done = sqlite3_exec(store->writer, sql, NULL, NULL, NULL) == SQLITE_OK;
    sqlite3_free(sql);
    if (done) {
        log_line(LOG_LEVEL_INFO,
                 "%s was restored from a backup: node %lu is the only voter of "
                 "epoch %llu",
                 store->path, (unsigned long)store->options.id,
                 (unsigned long long)store->start.identity.epoch);
    }
    return done || schema_failed(store, store->writer, error,
                                 "its state cannot be written");
}
