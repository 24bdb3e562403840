/* Snapshots in the store, crashed at every write, truncation, sync and unlink
 * of an upload, of its naming, and of a transfer. */
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "check.h"
#include "crash_vfs.h"
#include "store/store.h"

#define CHUNK 250
#define SIZE 40100 /* five steps, and some more: two slices of a hash */

static char live[40];
static char image[64];
static uint8_t bytes[3][SIZE]; /* of the snapshots of entries 1, 2, … */

struct asked {
    bool saved;
    struct node_file_answer file;
};

static void on_saved(void *context, enum node_save_result result)
{
    struct asked *asked = context;
    asked->saved = result == NODE_SAVE_OK;
}

static void on_read(void *context, struct node_read_answer *answer)
{
    (void)context;
    (void)answer;
    fail();
}

static void on_file(void *context, struct node_file_answer *answer)
{
    struct asked *asked = context;
    asked->file = *answer;
}

static struct asked poll_store(struct store *store)
{
    struct asked asked = {0};
    struct store_answers answers = {
        .context = &asked, .saved = on_saved, .read = on_read, .file = on_file};
    store_poll(store, &answers);
    return asked;
}

static struct node_file_answer ask(struct store *store,
                                   struct node_file_request *request)
{
    struct node_store node = store_node(store);
    node.file(node.context, request);
    return poll_store(store).file;
}

static struct store *try_open(const char *directory, struct store_error *error)
{
    struct store_options options = {.directory = directory,
                                    .id = 1,
                                    .address = "here:7000",
                                    .version = "test",
                                    .tail_bytes_max = 5000,
                                    .key_window = 100,
                                    .vfs = "crash",
                                    .list = crash_vfs_list,
                                    .chunk_bytes = CHUNK,
                                    .instance_seed = 77};
    return store_open(&options, error);
}

static struct store *open_in(const char *directory)
{
    struct store_error error = {0};
    struct store *store = try_open(directory, &error);
    if (store == NULL) {
        fprintf(stderr, "%s\n", error.text);
    }
    assert_non_null(store);
    return store;
}

static int setup(void **state)
{
    (void)state;
    snprintf(live, sizeof(live), "/tmp/raftsc-store-XXXXXX");
    assert_non_null(mkdtemp(live));
    snprintf(image, sizeof(image), "%s-image", live);
    assert_int_equal(mkdir(image, 0700), 0);
    crash_vfs_register();
    for (size_t i = 0; i < SIZE; i++) {
        bytes[1][i] = (uint8_t)(i * i >> 3);
        bytes[2][i] = (uint8_t)(i * 7 >> 2);
    }
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    char path[128];
    const char *both[] = {live, image};
    for (int i = 0; i < 2; i++) {
        crash_vfs_forget(both[i]);
        snprintf(path, sizeof(path), "%s/lock", both[i]);
        unlink(path);
        rmdir(both[i]);
    }
    return 0;
}

/* ---- steps -------------------------------------------------------------- */

static struct node_snapshot described(raft_index index)
{
    struct node_snapshot snapshot = {.index = index, .term = 3, .size = SIZE};
    sha256_plain(bytes[index], SIZE, snapshot.sha256);
    return snapshot;
}

static struct node_file_answer begin(struct store *store, raft_index index,
                                     bool received)
{
    struct node_file_request request = {
        .work = NODE_FILE_BEGIN, .received = received, .snapshot = {0}};
    request.snapshot = described(index);
    return ask(store, &request);
}

/* From `from` on, in pieces that are no multiple of anything. */
static void write_from(struct store *store, raft_index index, bool received,
                       size_t from)
{
    for (size_t at = from; at < SIZE; at += 777) {
        size_t size = SIZE - at < 777 ? SIZE - at : 777;
        struct blob *blob = blob_copy(bytes[index] + at, size);
        struct node_file_request request = {
            .work = NODE_FILE_WRITE, .received = received, .bytes = blob};
        struct node_file_answer answer = ask(store, &request);
        assert_int_equal(answer.result, NODE_FILE_OK);
        assert_int_equal(answer.have, at + size);
        blob_free(blob);
    }
}

static struct node_file_answer end(struct store *store, bool received)
{
    struct node_file_request request = {.work = NODE_FILE_END,
                                        .received = received};
    return ask(store, &request);
}

static void name(struct store *store, const struct node_snapshot *snapshot)
{
    struct node_save save = {.snapshot_dirty = true, .snapshot = *snapshot};
    struct node_store node = store_node(store);
    node.save(node.context, &save);
    assert_true(poll_store(store).saved);
}

static void tell(struct store *store, enum node_file_work work, bool received,
                 uint64_t file)
{
    struct node_file_request request = {.work = work, .received = received};
    request.snapshot.file = file;
    ask(store, &request);
}

static struct node_snapshot make(struct store *store, raft_index index,
                                 bool received)
{
    assert_int_equal(begin(store, index, received).result, NODE_FILE_OK);
    write_from(store, index, received, 0);
    struct node_file_answer answer = end(store, received);
    struct node_snapshot wanted = described(index);
    assert_int_equal(answer.result, NODE_FILE_OK);
    assert_int_equal(answer.snapshot.size, SIZE);
    assert_memory_equal(answer.snapshot.sha256, wanted.sha256, SHA256_SIZE);
    return answer.snapshot;
}

/* ---- what must be so ---------------------------------------------------- */

static void check_bytes(struct store *store,
                        const struct node_snapshot *snapshot)
{
    for (size_t at = 0; at < SIZE; at += 3333) {
        struct node_file_request request = {.work = NODE_FILE_READ,
                                            .snapshot = *snapshot,
                                            .offset = at,
                                            .size = 3333};
        struct node_file_answer answer = ask(store, &request);
        size_t size = SIZE - at < 3333 ? SIZE - at : 3333;
        assert_int_equal(answer.result, NODE_FILE_OK);
        assert_int_equal(answer.bytes->size, size);
        assert_memory_equal(answer.bytes->data, bytes[snapshot->index] + at,
                            size);
        blob_free(answer.bytes);
    }
}

struct files {
    unsigned databases;
    unsigned journals;
};

static void count_file(void *context, const char *file)
{
    struct files *files = context;
    if (strncmp(file, "snapshot-", 9) == 0) {
        files->databases += strstr(file, "-journal") == NULL;
        files->journals += strstr(file, "-journal") != NULL;
    }
}

static struct files files_in(const char *directory)
{
    struct files files = {0};
    crash_vfs_list(directory, count_file, &files);
    return files;
}

/* ---- uploads ------------------------------------------------------------ */

struct walk {
    raft_index before; /* the valid one may be this … */
    raft_index after;  /* … or that */
    unsigned images;
    bool inside;
};

/* Whole and valid, or nothing of it. */
static void look(void *context, unsigned operation)
{
    struct walk *walk = context;
    if (walk->inside) {
        return;
    }
    walk->inside = true;
    for (uint64_t i = 0; i < 3; i++) {
        crash_vfs_image(live, image, operation * 3 + i);
        struct store *store = open_in(image);
        struct node_snapshot found = store_start(store)->snapshot;
        assert_true(found.index == walk->before || found.index == walk->after);
        if (found.index != 0) {
            check_bytes(store, &found);
        }
        assert_int_equal(files_in(image).databases, found.index != 0);
        assert_int_equal(files_in(image).journals, 0);
        store_close(store);
        walk->images++;
    }
    walk->inside = false;
}

static void no_crash_leaves_half_an_upload(void **state)
{
    (void)state;
    struct walk walk = {.after = 1};
    struct store *store = open_in(live);
    crash_vfs_watcher(live, look, &walk);
    struct node_snapshot first = make(store, 1, false);
    name(store, &first);
    walk.before = 1;
    assert_int_equal(begin(store, 2, false).result, NODE_FILE_OK);
    write_from(store, 2, false, 0);
    tell(store, NODE_FILE_ABORT, false, 0);
    assert_int_equal(files_in(live).databases, 1);
    walk.after = 2;
    struct node_snapshot second = make(store, 2, false);
    check_bytes(store, &first);
    name(store, &second);
    walk.before = 2;
    check_bytes(store, &first);
    tell(store, NODE_FILE_DROP, false, first.file);
    assert_int_equal(files_in(live).databases, 1);
    check_bytes(store, &second);
    /* One is cut off by the end of the process. */
    begin(store, 1, false);
    write_from(store, 1, false, 0);
    crash_vfs_watcher("", NULL, NULL);
    store_close(store);
    assert_int_equal(files_in(live).databases, 1);
    printf("%u crashes\n", walk.images);
    assert_true(walk.images > 100);
}

static void what_finds_no_room_leaves_nothing(void **state)
{
    (void)state;
    unsigned refused = 0;
    struct store *store = open_in(live);
    for (unsigned at = 1; at < 200; at++) {
        bool failed = false;
        crash_vfs_fill(at);
        failed = begin(store, 1, false).result != NODE_FILE_OK;
        for (size_t i = 0; i < SIZE / CHUNK && !failed; i++) {
            struct blob *blob = blob_copy(bytes[1], CHUNK);
            struct node_file_request request = {.work = NODE_FILE_WRITE,
                                                .bytes = blob};
            struct node_file_answer answer = ask(store, &request);
            failed = answer.result != NODE_FILE_OK;
            assert_true(!failed || answer.result == NODE_FILE_NO_ROOM);
            blob_free(blob);
        }
        failed = failed || end(store, false).result != NODE_FILE_OK;
        crash_vfs_fill(0);
        refused += failed;
        if (!failed) {
            break;
        }
        assert_int_equal(files_in(live).databases, 0);
        assert_int_equal(end(store, false).result, NODE_FILE_FAILED);
    }
    printf("%u times\n", refused);
    assert_true(refused > 5);
    store_close(store);
}

/* ---- transfers ---------------------------------------------------------- */

struct transfer {
    size_t sent;
    unsigned resumed;
    unsigned images;
    bool inside;
};

/* It is gone on with from what is there, which is as it was sent. */
static void look_at_transfer(void *context, unsigned operation)
{
    struct transfer *transfer = context;
    if (transfer->inside) {
        return;
    }
    transfer->inside = true;
    crash_vfs_image(live, image, operation);
    struct store *store = open_in(image);
    assert_int_equal(store_start(store)->snapshot.index, 0);
    struct node_file_answer begun = begin(store, 1, true);
    assert_int_equal(begun.result, NODE_FILE_OK);
    assert_true(begun.have <= SIZE);
    transfer->resumed += begun.have > 0;
    write_from(store, 1, true, (size_t)begun.have);
    struct node_file_answer ended = end(store, true);
    assert_int_equal(ended.result, NODE_FILE_OK);
    check_bytes(store, &ended.snapshot);
    assert_int_equal(files_in(image).databases, 1);
    store_close(store);
    transfer->images++;
    transfer->inside = false;
}

static void a_transfer_goes_on_after_any_crash(void **state)
{
    (void)state;
    struct transfer transfer = {0};
    struct store *store = open_in(live);
    crash_vfs_watcher(live, look_at_transfer, &transfer);
    struct node_snapshot snapshot = make(store, 1, true);
    check_bytes(store, &snapshot);
    crash_vfs_watcher("", NULL, NULL);
    store_close(store);
    printf("%u crashes, %u resumed\n", transfer.images, transfer.resumed);
    assert_true(transfer.resumed > 20);
    assert_true(transfer.images > transfer.resumed);
}

static void a_transfer_of_something_else_begins_anew(void **state)
{
    (void)state;
    struct store *store = open_in(live);
    begin(store, 1, true);
    write_from(store, 1, true, 0);
    /* Still open, the same one goes on; an upload beside it does not matter. */
    assert_int_equal(begin(store, 1, false).result, NODE_FILE_OK);
    assert_int_equal(begin(store, 1, true).have, SIZE);
    tell(store, NODE_FILE_ABORT, false, 0);
    store_close(store);
    assert_int_equal(files_in(live).databases, 1);
    store = open_in(live);
    assert_int_equal(begin(store, 2, true).have, 0);
    assert_int_equal(files_in(live).databases, 1);
    write_from(store, 2, true, 0);
    struct node_file_answer answer = end(store, true);
    check_bytes(store, &answer.snapshot);
    store_close(store);
}

static void what_is_not_as_announced_is_dropped(void **state)
{
    (void)state;
    struct store *store = open_in(live);
    begin(store, 1, true);
    write_from(store, 2, true, 0);
    assert_int_equal(end(store, true).result, NODE_FILE_MISMATCH);
    assert_int_equal(files_in(live).databases, 0);
    begin(store, 1, true);
    assert_int_equal(end(store, true).result, NODE_FILE_MISMATCH);
    assert_int_equal(end(store, true).result, NODE_FILE_FAILED);
    assert_int_equal(files_in(live).databases, 0);
    store_close(store);
}

/* While the store is closed: it has the file for itself. */
static struct store *flip(struct store *store, const char *sql)
{
    char path[60];
    sqlite3 *db;
    store_close(store);
    snprintf(path, sizeof(path), "%s/snapshot-1.db", live);
    assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, "crash"),
                     SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    return open_in(live);
}

static enum node_file_result verify(struct store *store,
                                    const struct node_snapshot *snapshot)
{
    struct node_file_request request = {.work = NODE_FILE_VERIFY,
                                        .snapshot = *snapshot};
    return ask(store, &request).result;
}

static void what_is_damaged_is_found(void **state)
{
    (void)state;
    struct store *store = open_in(live);
    struct node_snapshot snapshot = make(store, 1, false);
    struct node_snapshot other = snapshot;
    name(store, &snapshot);
    assert_int_equal(verify(store, &snapshot), NODE_FILE_OK);
    other.sha256[0] ^= 1;
    assert_int_equal(verify(store, &other), NODE_FILE_CORRUPT);
    other = snapshot;
    other.size++;
    assert_int_equal(verify(store, &other), NODE_FILE_CORRUPT);
    other.file++;
    assert_int_equal(verify(store, &other), NODE_FILE_FAILED);
    /* A row that is not as its checksum says; one that is as it says, and is
     * not what was written; one that is gone. */
    store =
        flip(store, "UPDATE chunk SET checksum = checksum + 1 WHERE seq = 32");
    assert_int_equal(verify(store, &snapshot), NODE_FILE_CORRUPT);
    store =
        flip(store, "UPDATE chunk SET checksum = checksum - 1 WHERE seq = 32");
    assert_int_equal(verify(store, &snapshot), NODE_FILE_OK);
    store = flip(store,
                 "UPDATE chunk SET checksum = (SELECT checksum FROM chunk AS b"
                 " WHERE b.seq = 3), data = (SELECT data FROM chunk AS b"
                 " WHERE b.seq = 3) WHERE seq = 4");
    assert_int_equal(verify(store, &snapshot), NODE_FILE_CORRUPT);
    store = flip(store, "DELETE FROM chunk WHERE seq = 33");
    assert_int_equal(verify(store, &snapshot), NODE_FILE_CORRUPT);
    store_close(store);
}

/* SQLite keeps so few pages of raft.db that it reads most of them more than
 * once. */
static void keep_few_pages(void)
{
    char path[60];
    sqlite3 *db;
    snprintf(path, sizeof(path), "%s/raft.db", live);
    sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE,
                    "crash");
    assert_int_equal(sqlite3_exec(db,
                                  "PRAGMA page_size = 512; VACUUM;"
                                  "PRAGMA default_cache_size = 1",
                                  NULL, NULL, NULL),
                     SQLITE_OK);
    sqlite3_close(db);
}

static void a_read_that_fails_at_a_start_costs_no_snapshot(void **state)
{
    (void)state;
    struct store_error error = {0};
    unsigned read = 0;
    unsigned refused = 0;
    bool failed = true;
    keep_few_pages();
    struct store *store = open_in(live);
    struct node_snapshot snapshot = make(store, 1, false);
    name(store, &snapshot);
    store_close(store);
    while (failed) {
        crash_vfs_fail_read(++read);
        store = try_open(live, &error);
        failed = !crash_vfs_fail_read(0);
        assert_true(store != NULL || error.status == EXIT_STATUS_DISK);
        refused += store == NULL;
        store_close(store);
        assert_int_equal(files_in(live).databases, 1);
        store = open_in(live);
        assert_int_equal(store_start(store)->snapshot.index, 1);
        check_bytes(store, &snapshot);
        store_close(store);
    }
    printf("%u of %u reads\n", refused, read - 1);
    assert_true(refused > 20);
}

static void a_read_that_fails_is_no_damage(void **state)
{
    (void)state;
    unsigned read = 0;
    enum node_file_result result = NODE_FILE_FAILED;
    struct store *store = open_in(live);
    struct node_snapshot snapshot = make(store, 1, false);
    name(store, &snapshot);
    store_close(store);
    while (result == NODE_FILE_FAILED) {
        store = open_in(live);
        crash_vfs_fail_read(++read);
        result = verify(store, &snapshot);
        crash_vfs_fail_read(0);
        store_close(store);
    }
    printf("%u reads\n", read - 1);
    assert_int_equal(result, NODE_FILE_OK);
    assert_true(read > 2);
}

/* Of the real disk, which nobody has to fill for that. */
static void what_will_find_no_room_is_not_begun(void **state)
{
    (void)state;
    struct store_options options = {
        .directory = live, .id = 1, .address = "here:7000", .version = "test"};
    static const char *const names[] = {"raft.db", "raft.db-wal",
                                        "raft.db-shm"};
    struct store_error error;
    struct store *store = store_open(&options, &error);
    char path[80];
    assert_non_null(store);
    struct node_file_request request = {
        .work = NODE_FILE_BEGIN, .received = true, .snapshot = described(1)};
    request.snapshot.size = (uint64_t)1 << 60;
    assert_int_equal(ask(store, &request).result, NODE_FILE_NO_ROOM);
    snprintf(path, sizeof(path), "%s/snapshot-1.db", live);
    assert_int_not_equal(access(path, F_OK), 0);
    request.snapshot.size = SIZE;
    assert_int_equal(ask(store, &request).result, NODE_FILE_OK);
    assert_int_equal(access(path, F_OK), 0);
    tell(store, NODE_FILE_ABORT, true, 0);
    assert_int_not_equal(access(path, F_OK), 0);
    store_close(store);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        snprintf(path, sizeof(path), "%s/%s", live, names[i]);
        unlink(path);
    }
}

static void what_is_left_of_one_that_is_of_no_use_goes(void **state)
{
    (void)state;
    struct store *store = open_in(live);
    begin(store, 1, true);
    write_from(store, 1, true, 0);
    store_close(store);
    assert_int_equal(files_in(live).databases, 1);
    store = open_in(live);
    assert_int_equal(files_in(live).databases, 1);
    tell(store, NODE_FILE_ABORT, true, 0);
    assert_int_equal(files_in(live).databases, 0);
    store_close(store);
}

/* Where much of it is there its begin takes several turns, and what was asked
 * for behind it comes between. */
static void
one_that_is_given_up_while_it_begins_leaves_the_next_alone(void **state)
{
    (void)state;
    struct store *store = open_in(live);
    begin(store, 1, true);
    write_from(store, 1, true, 0);
    store_close(store);
    store = open_in(live);
    struct node_store node = store_node(store);
    struct node_file_request requests[] = {
        {.request = 1, .work = NODE_FILE_BEGIN, .snapshot = described(1)},
        {.request = 2, .work = NODE_FILE_ABORT},
        {.request = 3, .work = NODE_FILE_BEGIN, .snapshot = described(2)}};
    for (size_t i = 0; i < 3; i++) {
        requests[i].received = true;
        node.file(node.context, &requests[i]);
    }
    struct node_file_answer last = poll_store(store).file;
    assert_int_equal(last.request, 1);
    assert_int_equal(last.result, NODE_FILE_FAILED);
    write_from(store, 2, true, 0);
    struct node_file_answer answer = end(store, true);
    assert_int_equal(answer.result, NODE_FILE_OK);
    check_bytes(store, &answer.snapshot);
    store_close(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(no_crash_leaves_half_an_upload, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(what_finds_no_room_leaves_nothing,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(a_transfer_goes_on_after_any_crash,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(
            a_transfer_of_something_else_begins_anew, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_not_as_announced_is_dropped,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_damaged_is_found, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(
            a_read_that_fails_at_a_start_costs_no_snapshot, setup, teardown),
        cmocka_unit_test_setup_teardown(a_read_that_fails_is_no_damage, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(what_will_find_no_room_is_not_begun,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(
            what_is_left_of_one_that_is_of_no_use_goes, setup, teardown),
        cmocka_unit_test_setup_teardown(
            one_that_is_given_up_while_it_begins_leaves_the_next_alone, setup,
            teardown),
    };
    return RUN(tests);
}
