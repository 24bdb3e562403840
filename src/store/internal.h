/* What the files of the store share.
 *
 *   store.c    opening, closing, and the loop's side of requests
 *   worker.c   the writer thread and the reader thread
 *   schema.c   the database: its pragmas, its version, its statements
 *   upgrade.c  its tables, and the way from each version to the next
 *   state.c    rows of `state`
 *   checksum.c the checksum of a row that no peer can make good
 *   rot.c      whether those rows are what was saved
 *   rows.c     a save into rows, rows into entries
 *   given.c    the entries of a save as a table, for one INSERT
 *   sweep.c    rows under the base go
 *   load.c     what was on disk, for the start
 *   stage.c    snapshots in the making
 *   snapshot.c those that are whole, and what a start finds of them; reader.c
 *              reads them
 *   carry.c    rows and snapshots from one database into another
 *   kept.c     keys: of rows, and those that outlive their rows
 *   place.c    the directory: who holds it, and whether it is fit
 *   offline.c  a directory or a backup at rest, for raftctl; check.c verifies
 *              it, backup.c copies it, restore.c and recover.c make it the
 *              beginning of a new cluster */
#ifndef RAFTSC_STORE_INTERNAL_H
#define RAFTSC_STORE_INTERNAL_H

#include <pthread.h>
#include <sqlite3.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/list.h"
#include "base/hasher.h"
#include "store/offline.h"
#include "store/store.h"

#define SCHEMA_VERSION 3
#define APPLICATION_ID "1918985844" /* "raft" */
#define LATENCIES 1024
#define KEPT_NOT_COUNTED (-1)
#define PLACE_FILES 3

enum statement {
    STATEMENT_BEGIN,
    STATEMENT_COMMIT,
    STATEMENT_ROLLBACK,
    STATEMENT_INSERT,
    STATEMENT_TRUNCATE,
    STATEMENT_CONFIG,
    STATEMENT_CONFIG_TRUNCATE,
    STATEMENT_CONFIG_COUNT,
    STATEMENT_STATE,
    STATEMENTS
};

struct read_request {
    struct list in_queue;
    struct node_read read;
    struct node_read_answer answer;
};

/* A request about the bytes of snapshots, and its answer. */
struct file_job {
    struct list in_queue;
    struct node_file_request request;
    struct node_file_answer answer;
    struct sha256 *sha; /* VERIFY: of the chunks before … */
    uint64_t seq;       /* … this one */
    bool goes_on;       /* BEGIN: what is there already is being read */
};

/* A snapshot in the making: see stage.c. */
struct stage {
    sqlite3 *db; /* NULL: there is none */
    sqlite3_stmt *insert;
    struct node_snapshot snapshot;
    bool received;
    size_t chunk_bytes;    /* of a row */
    uint64_t have;         /* bytes */
    uint64_t seq;          /* of the next row */
    struct buf chunk;      /* what has not filled a row yet */
    struct hasher *hasher; /* of the first `hashed` rows, or of all bytes */
    uint64_t hashed;
    int fd;             /* of the same file, to push its pages out; or -1 */
    uint64_t pushed;    /* its bytes before were on their way to the disk … */
    uint64_t pushed_by; /* … by the last step, from here on */
};

/* Which file a name meant when it was opened. */
struct place_file {
    dev_t device;
    ino_t inode;
    bool known;
};

struct store {
    struct store_options options;
    char *directory;
    char *path; /* of raft.db */
    int lock_fd;
    struct place_file opened[PLACE_FILES]; /* by the start */
    uint64_t looked_us; /* whether they are still where they were */
    int event_fd;       /* readable: there are answers; -1 without threads */
    sqlite3 *writer;
    sqlite3 *reader;
    sqlite3_stmt *statements[STATEMENTS];
    sqlite3_stmt *select;          /* reader: rows of a range */
    sqlite3_stmt *select_chain;    /* reader: the chain of one row */
    sqlite3_stmt *select_base;     /* reader: index and chain of the base */
    const struct raft_save *given; /* the rows of given.c; NULL: none */
    int wal_pages;                 /* as the last commit left it */
    int failure; /* the system's errno of the last statement that failed */
    int64_t kept_count;    /* rows of `keys`, or KEPT_NOT_COUNTED: the state's
                              keys_count is */
    raft_index sweep_upto; /* rows up to here are to go … */
    bool sweep_due;        /* … and some are still there */
    bool sweep_halted;     /* … but the last slice found no room */
    uint64_t sweep_at_us;  /* the next slice is due … */
    uint64_t sweep_rows;   /* … or when `rows` has grown so far from this */

    /* What store_start() shows; its arrays are owned. */
    struct node_start start;

    /* For the thread of files alone, once it runs. */
    struct stage stages[2]; /* the app's upload; what another node sends */
    struct node_snapshot leftover; /* of a transfer; file 0: none */
    struct list readers;
    uint64_t next_file;

    pthread_mutex_t mutex; /* of all that follows */
    pthread_cond_t writer_wakes;
    pthread_cond_t reader_wakes;
    pthread_cond_t filer_wakes;
    pthread_cond_t thread_ended;
    pthread_t writer_thread;
    pthread_t reader_thread;
    pthread_t filer_thread;
    unsigned running; /* threads: the last one puts the files away */
    unsigned started; /* … and have to be joined */
    bool stopping;
    const struct node_save *save; /* asked for; NULL: none */
    uint64_t save_asked_us;
    bool save_done;
    enum node_save_result save_result;
    struct list reads;                /* asked for */
    struct list answered;             /* to be passed on */
    struct list files;                /* asked for */
    struct list files_answered;       /* to be passed on */
    uint64_t latencies_us[LATENCIES]; /* a ring */
    uint64_t saves;
    uint64_t rows;
    int64_t free_pages;
    int64_t page_bytes;
};

/* ---- place.c ------------------------------------------------------------ */

bool place_take(struct store *store, struct store_error *error);
void place_release(struct store *store);
bool place_sync(const struct store *store, struct store_error *error);
/* Notes which files are open. */
void place_note(struct store *store);
/* The first of them whose name means another file now, or none; NULL: they
 * are all where they were. */
const char *place_lost(const struct store *store);
/* The size of a file; 0 where there is none. */
uint64_t place_bytes(const char *path, const char *suffix);
/* The disk has room for so many bytes more, as far as is known. */
bool place_has_room(const struct store *store, uint64_t bytes);
/* SQLite's code and the system's errno mean that the disk is full. */
bool place_want_of_room(int code, int system);

/* ---- schema.c ----------------------------------------------------------- */

bool schema_open(struct store *store, struct store_error *error);
/* The version of what is in the file; 0: nothing.  False: it is not a database
 * of this program, or of a newer one. */
bool schema_version(struct store *store, int64_t *version,
                    struct store_error *error);
void schema_close(struct store *store);
/* Leaves the writer's connection alone with the file. */
void schema_alone(struct store *store);
/* SQLite's own words and where they were said, into *error. */
bool schema_failed(const struct store *store, sqlite3 *db,
                   struct store_error *error, const char *what);
/* What was saved is not there any more, or is not what was saved: exit 65. */
bool schema_damaged(const struct store *store, struct store_error *error,
                    const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* The same where the connection says whether a read failed. */
bool schema_unread(const struct store *store, struct store_error *error);
sqlite3_stmt *schema_prepare(sqlite3 *db, const char *sql);
/* What a query of one number gives; `none` where it gives no row, or no
 * number.  SQLite's code. */
int schema_number(sqlite3 *db, const char *sql, int64_t none, int64_t *value);
/* One of the writer's statements, with what is bound to it; SQLite's code. */
int schema_run(struct store *store, enum statement which);
/* All frames of the WAL into the database, synced; SQLite's code.  SQLITE_OK:
 * all of them; SQLITE_BUSY: not all, for somebody reads. */
int schema_checkpoint(struct store *store, int mode);

/* ---- upgrade.c ---------------------------------------------------------- */

/* From `version`, 0 for a new database, to SCHEMA_VERSION, in one transaction.
 * False: the connection says why, and closing it undoes what was done. */
bool upgrade_run(sqlite3 *db, int version);
/* The same to an older version. */
bool upgrade_to(sqlite3 *db, int from, int to);
/* The same along another list of steps, for tests: step i leads from version
 * i to i + 1. */
bool upgrade_along(sqlite3 *db, int version, const char *const *list,
                   int count);

/* ---- checksum.c --------------------------------------------------------- */

/* SQL's raft_checksum(), for the statements of a connection. */
bool checksum_define(sqlite3 *db);

/* ---- state.c ------------------------------------------------------------ */

/* A statement that sets rows of the state: "('name', value), …". */
#define STATE_PUT(rows)                                                        \
    "INSERT OR REPLACE INTO state SELECT column1, column2,"                    \
    " raft_checksum(column1, column2) FROM (VALUES " rows ");"

/* A text, "" where there is none.  False, here and below: it cannot be read,
 * or is not what must be there, and *error says which. */
bool state_text(struct store *store, const char *name, char *text, size_t size,
                bool *there, struct store_error *error);
/* What must be there: a number, or `none` where that is not 0 and NULL is
 * there; bytes in hexadecimal; a number in hexadecimal. */
bool state_number(struct store *store, const char *name, uint64_t none,
                  uint64_t *value, struct store_error *error);
bool state_hex(struct store *store, const char *name, uint8_t *bytes,
               size_t size, struct store_error *error);
bool state_hex_number(struct store *store, const char *name, uint64_t *value,
                      struct store_error *error);
/* A number, long after the start: one that is not what was saved any more ends
 * the process. */
uint64_t state_still(struct store *store, const char *name);
/* Of its hex digits; false: they are not that. */
bool state_digest(const char *text, struct digest *digest);
/* All give SQLite's code, and belong into a transaction of the writer's. */
int state_set_number(struct store *store, const char *name, uint64_t value);
int state_set_text(struct store *store, const char *name, const char *value);
int state_set_null(struct store *store, const char *name);
/* The first rows of a database that has none. */
bool state_begin(struct store *store, struct store_error *error);
bool state_count_boot(struct store *store, struct store_error *error);
/* Random, never 0; or what the options say. */
uint64_t state_new_instance(const struct store *store);

/* ---- rot.c -------------------------------------------------------------- */

/* Looks at every row of `state`, `keys` and `config_history`, and at which are
 * missing; tells each that is not what was saved, and how many those are.
 * False: not all of it can be read, and *error says why. */
typedef void rot_tell(void *context, const char *text);
bool rot_find(struct store *store, rot_tell *tell, void *context, size_t *found,
              struct store_error *error);
/* True: all is what was saved.  Else *error has the first that is not. */
bool rot_refuse(struct store *store, struct store_error *error);

/* ---- rows.c ------------------------------------------------------------- */

/* The columns that a SELECT of rows gives, in this order. */
#define ROW_COLUMNS                                                            \
    "idx, term, kind, flags, unix_ms, key, payload, checksum, chain, "         \
    "commit_idx"
/* From here on the checksum of a row is also of its commit_idx: 2^32 and the
 * CRC32C.  A smaller one is of the entry alone, and what commit_idx says then
 * does not count: the state's commit index is not below it. */
#define ROW_CHECKSUM_OF_ALL ((int64_t)1 << 32)
#define ROW_COMMIT "CASE WHEN checksum >= 1 << 32 THEN commit_idx ELSE 0 END"

/* One transaction.  Anything but want of room ends the process. */
enum node_save_result rows_save(struct store *store,
                                const struct node_save *save);
/* The checksum of the row of *entry with this commit_idx. */
int64_t rows_checksum(const struct raft_entry *entry, raft_index commit);
void rows_read(struct store *store, struct read_request *request);
/* `code` ended a statement or a checkpoint of the writer: it was want of room,
 * or the process ends. */
void rows_must_be_room(struct store *store, int code);
/* Takes the row of `statement`; false: its checksum is wrong.  The caller
 * owns what is in *entry, in either case. */
bool rows_entry(sqlite3_stmt *statement, struct raft_entry *entry);
uint64_t store_now_us(void);

/* ---- given.c ------------------------------------------------------------ */

/* Makes the table `given` known to the writer's connection: its rows are the
 * entries of store->given. */
bool given_register(struct store *store);

/* ---- sweep.c ------------------------------------------------------------ */

/* About a millisecond. */
#define SWEEP_SLICE_ROWS 256
/* At the start, when the base is known. */
void sweep_begin(struct store *store);
/* The base is durable. */
void sweep_moved(struct store *store, raft_index base);
/* While sweep_due: some rows go. */
void sweep_slice(struct store *store);
/* What a query of one number gives, for those to whom a failure is as good as
 * 0. */
int64_t sweep_number(sqlite3 *db, const char *sql);

/* ---- load.c ------------------------------------------------------------- */

bool load_start(struct store *store, struct store_error *error);
/* The same through a connection that only reads, without the newest entries;
 * whoever's it is. */
bool load_look(struct store *store, bool is_backup, struct store_error *error);
void load_clear(struct store *store);

/* ---- offline.c ---------------------------------------------------------- */

/* `store` has no threads and no statements, and only reads: its `writer` is
 * the one connection. */
struct offline {
    struct store store;
    bool is_backup;
    bool is_live;     /* a node uses it, and no lock is held */
    bool no_snapshot; /* the app's is elsewhere: it is not looked at */
};

/* ---- snapshot.c --------------------------------------------------------- */

#define SNAPSHOT_PATH_SIZE 4096
void snapshot_path(const struct store *store, uint64_t file,
                   char path[SNAPSHOT_PATH_SIZE]);
void snapshot_unlink(const struct store *store, uint64_t file);
void snapshot_unlink_journal(const struct store *store, uint64_t file);
/* The number that a query of one value gives; 0: none, or it cannot be read. */
uint64_t snapshot_number(sqlite3 *db, const char *sql);
/* A file that is whole, to be read; the caller closes it, whatever came of it.
 * Gives SQLite's code. */
int snapshot_open(const struct store *store, uint64_t file, sqlite3 **db);
/* A number of its table `snapshot`; 0: none.  Gives SQLite's code. */
int snapshot_named(sqlite3 *db, const char *name, uint64_t *value);
/* What it says that it is; index 0 where it says nothing.  Gives SQLite's
 * code. */
int snapshot_describe(sqlite3 *db, struct node_snapshot *snapshot);
/* Which one raft.db names, into store->start. */
bool snapshot_load(struct store *store, struct store_error *error);
/* Whatever is neither valid nor to be gone on with is removed. */
bool snapshot_tidy(struct store *store, struct store_error *error);
/* False: there is more to do, later, behind what else was asked for. */
bool snapshot_work(struct store *store, struct file_job *job);
bool snapshot_is_answered(const struct file_job *job);
void snapshot_close(struct store *store);
/* The names in a directory. */
void snapshot_list(const char *directory,
                   void (*each)(void *context, const char *name),
                   void *context);

/* ---- reader.c ----------------------------------------------------------- */

void reader_read(struct store *store, struct file_job *job);
/* False: there is more to do, later. */
bool reader_verify(struct store *store, struct file_job *job);
/* Nobody will read it any more. */
void reader_close(struct store *store, uint64_t file);
void reader_close_all(struct store *store);

/* ---- stage.c ------------------------------------------------------------ */

/* Its tables, and what says whose file it is. */
extern const char snapshot_schema[];
extern const char snapshot_version[];

bool stage_begin(struct store *store, struct stage *stage,
                 struct file_job *job);
void stage_write(struct store *store, struct stage *stage,
                 struct file_job *job);
void stage_end(struct store *store, struct stage *stage, struct file_job *job);
/* With its file, or without. */
void stage_drop(struct store *store, struct stage *stage);
void stage_leave(struct stage *stage);
/* What an earlier process has left of one that another node sent. */
void stage_drop_leftover(struct store *store);

/* ---- kept.c ------------------------------------------------------------- */

/* Packs the keys of all entries before `before` for the start. */
bool kept_load(struct store *store, raft_index before,
               struct store_error *error);
/* Both give SQLite's code, and belong into a transaction: rows up to `upto` are
 * about to go, and the keys of those that are of this log are kept; and a base
 * at `upto` came from another node, with the keys that it carries (packed as
 * in core/keys.h, and sound). */
int kept_add(struct store *store, raft_index upto);
int kept_replace(struct store *store, raft_index upto, const void *packed,
                 size_t size);
/* The transaction is undone. */
void kept_rolled_back(struct store *store);

/* ---- recover.c ---------------------------------------------------------- */

/* The directory was restored, and this node is the first to start on it: it
 * gets its id, and the configuration that makes it the only voter. */
bool recover_restored(struct store *store, struct store_error *error);

/* ---- worker.c ----------------------------------------------------------- */

bool worker_start(struct store *store, struct store_error *error);
/* The save that was asked for is done, then the threads end, and the last one
 * checkpoints and closes the files; requests that come later are never
 * answered.  Waits for that until `by_us` (store_now_us()); false: a thread is
 * still at work.  May be called again. */
bool worker_stop(struct store *store, uint64_t by_us);
/* Once worker_stop() gave true. */
void worker_free(struct store *store);
/* Without threads: what was asked for, in the caller's thread. */
void worker_run(struct store *store);

#endif
