#include "store/store.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "store/internal.h"

/* ---- opening and closing ------------------------------------------------ */

static struct store *new_store(const struct store_options *options)
{
    struct store *store = x_calloc(1, sizeof(*store));
    size_t size = strlen(options->directory) + sizeof("/raft.db");
    store->options = *options;
    store->directory = x_strdup(options->directory);
    store->path = x_malloc(size);
    snprintf(store->path, size, "%s/raft.db", options->directory);
    store->lock_fd = -1;
    store->event_fd = -1;
    list_init(&store->reads);
    list_init(&store->answered);
    list_init(&store->readers);
    list_init(&store->files);
    list_init(&store->files_answered);
    return store;
}

static void free_store(struct store *store)
{
    load_clear(store);
    schema_close(store);
    place_release(store);
    if (store->event_fd >= 0) {
        close(store->event_fd);
    }
    free(store->directory);
    free(store->path);
    free(store);
}

/* A start trusts nothing that only the page cache has: all that is in the WAL
 * goes into the database, and both are synced. */
static bool settle(struct store *store, struct store_error *error)
{
    return schema_checkpoint(store, SQLITE_CHECKPOINT_FULL) == SQLITE_OK ||
           schema_failed(store, store->writer, error,
                         "its WAL cannot be put into the database");
}

static bool begin(struct store *store)
{
    place_note(store);
    sweep_begin(store);
    return true;
}

static bool open_all(struct store *store, struct store_error *error)
{
    if (store->options.threads) {
        store->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (store->event_fd < 0) {
            error->status = EXIT_STATUS_SOFTWARE;
            snprintf(error->text, sizeof(error->text), "no eventfd");
            return false;
        }
    }
    return place_take(store, error) && schema_open(store, error) &&
           settle(store, error) && load_start(store, error) &&
           snapshot_load(store, error) && settle(store, error) &&
           snapshot_tidy(store, error) && begin(store) &&
           worker_start(store, error);
}

struct store *store_open(const struct store_options *options,
                         struct store_error *error)
{
    struct store *store = new_store(options);
    if (open_all(store, error)) {
        return store;
    }
    free_store(store);
    return NULL;
}

const struct node_start *store_start(const struct store *store)
{
    return &store->start;
}

void store_started(struct store *store)
{
    load_clear(store);
}

static void free_reads(struct list *list)
{
    list_each(at, following, list)
    {
        struct read_request *request =
            list_entry(at, struct read_request, in_queue);
        for (size_t i = 0; i < request->answer.entry_count; i++) {
            raft_entry_clear(&request->answer.entries[i]);
        }
        free(request->answer.entries);
        free(request);
    }
    list_init(list);
}

static void free_files(struct list *list)
{
    list_each(at, following, list)
    {
        struct file_job *job = list_entry(at, struct file_job, in_queue);
        blob_free(job->answer.bytes);
        sha256_free(job->sha);
        free(job);
    }
    list_init(list);
}

bool store_stop(struct store *store, uint64_t within_us)
{
    return worker_stop(store, store_now_us() + within_us);
}

void store_close(struct store *store)
{
    if (store == NULL) {
        return;
    }
    bool stopped = worker_stop(store, UINT64_MAX);
    assert(stopped);
    worker_free(store);
    free_reads(&store->reads);
    free_reads(&store->answered);
    free_files(&store->files);
    free_files(&store->files_answered);
    free_store(store);
}

/* ---- requests ----------------------------------------------------------- */

static void ask_save(void *context, const struct node_save *save)
{
    struct store *store = context;
    pthread_mutex_lock(&store->mutex);
    assert(store->save == NULL);
    store->save = save;
    store->save_asked_us = store_now_us();
    pthread_mutex_unlock(&store->mutex);
    pthread_cond_signal(&store->writer_wakes);
}

static void ask_read(void *context, const struct node_read *read)
{
    struct store *store = context;
    struct read_request *request = x_calloc(1, sizeof(*request));
    request->read = *read;
    pthread_mutex_lock(&store->mutex);
    list_push_back(&store->reads, &request->in_queue);
    pthread_mutex_unlock(&store->mutex);
    pthread_cond_signal(&store->reader_wakes);
}

static void ask_file(void *context, const struct node_file_request *request)
{
    struct store *store = context;
    struct file_job *job = x_calloc(1, sizeof(*job));
    job->request = *request;
    pthread_mutex_lock(&store->mutex);
    list_push_back(&store->files, &job->in_queue);
    pthread_mutex_unlock(&store->mutex);
    pthread_cond_signal(&store->filer_wakes);
}

static int by_value(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a;
    uint64_t right = *(const uint64_t *)b;
    return (left > right) - (left < right);
}

static void ask_stats(void *context, struct node_store_stats *stats)
{
    struct store *store = context;
    uint64_t sorted[LATENCIES];
    pthread_mutex_lock(&store->mutex);
    *stats =
        (struct node_store_stats){.saves = store->saves, .rows = store->rows};
    memcpy(sorted, store->latencies_us, sizeof(sorted));
    uint64_t free_bytes = (uint64_t)(store->free_pages * store->page_bytes);
    pthread_mutex_unlock(&store->mutex);
    size_t count = stats->saves < LATENCIES ? (size_t)stats->saves : LATENCIES;
    qsort(sorted, count, sizeof(sorted[0]), by_value);
    if (count > 0) {
        stats->save_p50_us = sorted[count / 2];
        stats->save_p99_us = sorted[count * 99 / 100];
        stats->save_max_us = sorted[count - 1];
    }
    stats->free_bytes = free_bytes;
    stats->db_bytes =
        place_bytes(store->path, "") + place_bytes(store->path, "-wal");
}

struct node_store store_node(struct store *store)
{
    return (struct node_store){.context = store,
                               .save = ask_save,
                               .read = ask_read,
                               .file = ask_file,
                               .stats = ask_stats};
}

/* ---- answers ------------------------------------------------------------ */

int store_fd(const struct store *store)
{
    return store->event_fd;
}

static bool take_save(struct store *store, enum node_save_result *result)
{
    pthread_mutex_lock(&store->mutex);
    bool done = store->save_done;
    *result = store->save_result;
    store->save_done = false;
    pthread_mutex_unlock(&store->mutex);
    return done;
}

static struct read_request *take_read(struct store *store)
{
    struct read_request *request = NULL;
    pthread_mutex_lock(&store->mutex);
    if (!list_empty(&store->answered)) {
        request =
            list_entry(store->answered.next, struct read_request, in_queue);
        list_remove(&request->in_queue);
    }
    pthread_mutex_unlock(&store->mutex);
    return request;
}

static struct file_job *take_file(struct store *store)
{
    struct file_job *job = NULL;
    pthread_mutex_lock(&store->mutex);
    if (!list_empty(&store->files_answered)) {
        job = list_entry(store->files_answered.next, struct file_job, in_queue);
        list_remove(&job->in_queue);
    }
    pthread_mutex_unlock(&store->mutex);
    return job;
}

void store_poll(struct store *store, const struct store_answers *answers)
{
    uint64_t count;
    if (store->event_fd >= 0) {
        ssize_t got = read(store->event_fd, &count, sizeof(count));
        (void)got; /* nothing there: then there is nothing to take either */
    } else {
        worker_run(store);
    }
    enum node_save_result result;
    if (take_save(store, &result)) {
        answers->saved(answers->context, result);
    }
    struct read_request *request;
    while ((request = take_read(store)) != NULL) {
        answers->read(answers->context, &request->answer);
        free(request);
    }
    struct file_job *job;
    while ((job = take_file(store)) != NULL) {
        answers->file(answers->context, &job->answer);
        free(job);
    }
}
