/* A data directory that no process uses, or a backup, for raftctl: looked at,
 * checked, copied, and made the beginning of a new cluster.
 *
 * Looking never writes: the connection is read-only, and does not put the WAL
 * into the database when it closes.  A directory is locked meanwhile, so that
 * no daemon starts on it. */
#ifndef RAFTSC_STORE_OFFLINE_H
#define RAFTSC_STORE_OFFLINE_H

#include "store/store.h"

struct offline;

/* `path` is a data directory, or a file that offline_backup() made.  NULL:
 * *error says why: in use, damaged, of another version, not there. */
struct offline *offline_open(const char *path, struct store_error *error);
/* The same of the data directory that a running node uses: for offline_backup()
 * alone, which reads in transactions so short that the node does not notice. */
struct offline *offline_open_live(const char *path, struct store_error *error);
/* NULL is fine. */
void offline_close(struct offline *offline);

/* What it is, apart from the log. */
struct offline_about {
    bool is_backup;
    char restored[4096]; /* a restored directory that no node has used yet: the
                            members it was given, "" for none */
    bool is_restored;
    int schema_version;
    char written_by[64];
    uint64_t file_bytes; /* of raft.db, or of the backup */
    uint64_t wal_bytes;
};
/* False: that cannot be read. */
bool offline_about(struct offline *offline, struct offline_about *about,
                   struct store_error *error);

/* Identity, state and the shape of the log; the tail is not loaded.  Borrowed
 * until the end.  NULL: what must be sound is not, and *error says what. */
const struct node_start *offline_start(struct offline *offline,
                                       struct store_error *error);

/* Whether what no peer can make good is what was saved: the state, the keys and
 * the configurations.  False: *error says what is not. */
bool offline_is_sound(struct offline *offline, struct store_error *error);

struct offline_entry {
    struct raft_entry entry;
    raft_index commit; /* as its row has it */
    bool sound;        /* its checksum is right */
};

/* Entries first .. last, in order, as far as they are there.  The callee
 * returns false to end it, and borrows.  False: the database cannot be read. */
typedef bool offline_each(void *context, const struct offline_entry *entry);
bool offline_entries(struct offline *offline, raft_index first, raft_index last,
                     offline_each *each, void *context,
                     struct store_error *error);

/* ---- check.c ------------------------------------------------------------ */

struct offline_verdict {
    uint64_t rows;     /* that were looked at */
    uint64_t problems; /* all of them, also those that were not told */
    raft_index last;
    struct digest chain; /* as computed, up to `last` */
};

#define OFFLINE_PROBLEMS_TOLD 100

/* Checks everything: SQLite's own structures, state, each row's checksum and
 * place in the chain, and that the tables say the same.  Each problem is told
 * as one line, the first OFFLINE_PROBLEMS_TOLD of them.  False: it could not
 * be done, *error says why. */
typedef void offline_problem(void *context, const char *text);
bool offline_verify(struct offline *offline, offline_problem *problem,
                    void *context, struct offline_verdict *verdict,
                    struct store_error *error);

/* ---- backup.c ----------------------------------------------------------- */

/* Writes all up to entry `last` (0: all there is) into `file`, which must not
 * exist: a database that sqlite3(1) reads, with the same tables and without
 * this node's identity (id, instance, vote, boot, what its app acknowledged).
 * Each row is checked on its way.  The file appears whole and durable, or not
 * at all.  *written is its last entry. */
bool offline_backup(struct offline *offline, raft_index last, const char *file,
                    const char *version, raft_index *written,
                    struct store_error *error);

/* ---- restore.c ---------------------------------------------------------- */

/* How far a new history begins above every term that was found. */
#define OFFLINE_TERM_LEAP 1000000

/* Makes `directory`, which must be empty or not be there, the data directory
 * of the first node of a new cluster: with the log of a backup, a new instance,
 * a new epoch, and a term far above.  The node that starts on it first takes
 * it, appends a configuration, and votes alone; `members`, where it is not "",
 * must name it then, and the others of them are its learners.  The backup is
 * verified first. */
bool offline_restore(const char *file, const char *directory,
                     const char *members, const char *version,
                     struct store_error *error);

/* ---- recover.c ---------------------------------------------------------- */

/* A number that no other cluster has; 1 .. 2^53 - 1, so that whatever reads
 * JSON can tell it from another one. */
uint64_t offline_new_epoch(void);

/* What makes a node that has `start` the only voter of a new epoch, in `term`:
 * one entry with the configuration.  The others of `members` become learners
 * whose instances are not known yet; a learner does not vote, so whichever disk
 * comes under that id is safe.  False: this node is not among the members, or
 * only as a learner; *save is untouched.  Else raft_save_clear(&save->log). */
bool recover_save(const struct node_start *start,
                  const struct raft_config *members, raft_term term,
                  uint64_t epoch, uint64_t unix_ms, struct node_save *save);

/* Does that to a data directory of node `id`. */
bool offline_recover(const char *directory, raft_id id,
                     const struct raft_config *members, raft_term term,
                     uint64_t epoch, const char *version,
                     struct store_error *error);

#endif
