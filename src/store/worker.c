/* The threads: one writes and checkpoints, another one reads old entries, the
 * third has the bytes of snapshots, which neither of the two may wait for. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "store/internal.h"

/* A WAL of this many pages (4 MiB) is put into the database, after the save
 * that made it so long was answered. */
#define CHECKPOINT_PAGES 1000

static bool wal_is_long(const struct store *store)
{
    int limit = store->options.checkpoint_pages;
    return store->wal_pages >= (limit == 0 ? CHECKPOINT_PAGES : limit);
}

/* A shorter one when nothing was saved for this long. */
#define IDLE_CHECKPOINT_MS 500

/* While something is being saved every now and then, the sweep rests for so
 * many times as long as its slice has taken: what is saved hardly meets it. */
#define SWEEP_REST 4
#define SWEEP_REST_MAX_US ((uint64_t)1000 * 1000)
#define SWEEP_BUSY_US ((uint64_t)100 * 1000)

static void wake_loop(struct store *store)
{
    uint64_t one = 1;
    if (store->event_fd >= 0) {
        ssize_t wrote = write(store->event_fd, &one, sizeof(one));
        (void)wrote; /* full: it is readable, which is all that is wanted */
    }
}

static void note_save(struct store *store, const struct node_save *save)
{
    uint64_t took_us = store_now_us() - store->save_asked_us;
    store->latencies_us[store->saves % LATENCIES] = took_us;
    store->saves++;
    store->rows += save->log.entry_count;
}

/* Does the save that was asked for; the mutex is held, but not meanwhile. */
static void do_save(struct store *store)
{
    const struct node_save *save = store->save;
    store->save = NULL;
    pthread_mutex_unlock(&store->mutex);
    enum node_save_result result = rows_save(store, save);
    pthread_mutex_lock(&store->mutex);
    if (result == NODE_SAVE_OK) {
        note_save(store, save);
    }
    store->save_result = result;
    store->save_done = true;
    wake_loop(store);
}

static void checkpoint(struct store *store)
{
    pthread_mutex_unlock(&store->mutex);
    schema_checkpoint(store, SQLITE_CHECKPOINT_PASSIVE);
    int64_t free_pages = sweep_number(store->writer, "PRAGMA freelist_count");
    pthread_mutex_lock(&store->mutex);
    store->free_pages = free_pages;
}

static void sweep(struct store *store)
{
    pthread_mutex_unlock(&store->mutex);
    sweep_slice(store);
    int64_t free_pages = sweep_number(store->writer, "PRAGMA freelist_count");
    pthread_mutex_lock(&store->mutex);
    store->free_pages = free_pages;
}

/* A slice, the checkpoint that it may call for, and when the next one is due.
 */
static void sweep_and_rest(struct store *store)
{
    uint64_t begun_us = store_now_us();
    sweep(store);
    if (wal_is_long(store)) {
        checkpoint(store);
    }
    uint64_t now_us = store_now_us();
    uint64_t rest_us = (now_us - begun_us) * SWEEP_REST;
    if (now_us >= store->save_asked_us + SWEEP_BUSY_US) {
        rest_us = 0;
    } else if (rest_us > SWEEP_REST_MAX_US) {
        rest_us = SWEEP_REST_MAX_US;
    }
    store->sweep_at_us = now_us + rest_us;
    store->sweep_rows = store->rows;
}

/* As many rows go as come, rest or no rest: the file does not grow while it
 * has rows that are to go. */
static bool sweep_may_go_on(const struct store *store)
{
    return store->sweep_due &&
           (store->rows >= store->sweep_rows + SWEEP_SLICE_ROWS ||
            store_now_us() >= store->sweep_at_us);
}

static struct timespec timespec_of(uint64_t at_us)
{
    return (struct timespec){.tv_sec = (time_t)(at_us / 1000000),
                             .tv_nsec = (long)(at_us % 1000000) * 1000};
}

/* Waits for a save; true: none came, and there is a WAL to be put away. */
static bool wait_for_save(struct store *store)
{
    if (store->sweep_due) {
        struct timespec at = timespec_of(store->sweep_at_us);
        pthread_cond_timedwait(&store->writer_wakes, &store->mutex, &at);
        return false;
    }
    if (store->wal_pages == 0) {
        pthread_cond_wait(&store->writer_wakes, &store->mutex);
        return false;
    }
    struct timespec at =
        timespec_of(store_now_us() + (uint64_t)IDLE_CHECKPOINT_MS * 1000);
    return pthread_cond_timedwait(&store->writer_wakes, &store->mutex, &at) ==
           ETIMEDOUT;
}

static void *write_thread(void *context)
{
    struct store *store = context;
    pthread_mutex_lock(&store->mutex);
    for (;;) {
        if (store->save != NULL) {
            do_save(store);
            if (wal_is_long(store)) {
                checkpoint(store);
            }
        } else if (store->stopping) {
            break;
        } else if (sweep_may_go_on(store)) {
            sweep_and_rest(store);
        } else if (wait_for_save(store)) {
            checkpoint(store);
        }
    }
    pthread_mutex_unlock(&store->mutex);
    return NULL;
}

static struct read_request *next_read(struct store *store)
{
    if (list_empty(&store->reads)) {
        return NULL;
    }
    struct list *first = store->reads.next;
    list_remove(first);
    return list_entry(first, struct read_request, in_queue);
}

static void *read_thread(void *context)
{
    struct store *store = context;
    pthread_mutex_lock(&store->mutex);
    while (!store->stopping) {
        struct read_request *request = next_read(store);
        if (request == NULL) {
            pthread_cond_wait(&store->reader_wakes, &store->mutex);
            continue;
        }
        pthread_mutex_unlock(&store->mutex);
        rows_read(store, request);
        pthread_mutex_lock(&store->mutex);
        list_push_back(&store->answered, &request->in_queue);
        wake_loop(store);
    }
    pthread_mutex_unlock(&store->mutex);
    return NULL;
}

static struct file_job *next_file(struct store *store)
{
    if (list_empty(&store->files)) {
        return NULL;
    }
    struct list *first = store->files.next;
    list_remove(first);
    return list_entry(first, struct file_job, in_queue);
}

/* Does it, or a part of it; the mutex is held, but not meanwhile. */
static void do_file(struct store *store, struct file_job *job)
{
    pthread_mutex_unlock(&store->mutex);
    bool done = snapshot_work(store, job);
    pthread_mutex_lock(&store->mutex);
    if (!done) {
        list_push_back(&store->files, &job->in_queue);
    } else if (snapshot_is_answered(job)) {
        list_push_back(&store->files_answered, &job->in_queue);
        wake_loop(store);
    } else {
        free(job);
    }
}

static void *file_thread(void *context)
{
    struct store *store = context;
    pthread_mutex_lock(&store->mutex);
    while (!store->stopping) {
        struct file_job *job = next_file(store);
        if (job == NULL) {
            pthread_cond_wait(&store->filer_wakes, &store->mutex);
        } else {
            do_file(store, job);
        }
    }
    pthread_mutex_unlock(&store->mutex);
    return NULL;
}

static bool no_thread(struct store_error *error, int code)
{
    error->status = EXIT_STATUS_SOFTWARE;
    snprintf(error->text, sizeof(error->text),
             "the store's thread cannot be started: %s", strerror(code));
    return false;
}

bool worker_start(struct store *store, struct store_error *error)
{
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_mutex_init(&store->mutex, NULL);
    pthread_cond_init(&store->writer_wakes, &attributes);
    pthread_cond_init(&store->reader_wakes, NULL);
    pthread_cond_init(&store->filer_wakes, NULL);
    pthread_condattr_destroy(&attributes);
    if (!store->options.threads) {
        return true;
    }
    /* Signals are for the loop's thread. */
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int code = pthread_create(&store->writer_thread, NULL, write_thread, store);
    if (code == 0) {
        code = pthread_create(&store->reader_thread, NULL, read_thread, store);
    }
    if (code == 0) {
        code = pthread_create(&store->filer_thread, NULL, file_thread, store);
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return code == 0 || no_thread(error, code);
}

void worker_stop(struct store *store)
{
    if (store->options.threads) {
        pthread_mutex_lock(&store->mutex);
        store->stopping = true;
        pthread_cond_broadcast(&store->writer_wakes);
        pthread_cond_broadcast(&store->reader_wakes);
        pthread_cond_broadcast(&store->filer_wakes);
        pthread_mutex_unlock(&store->mutex);
        pthread_join(store->writer_thread, NULL);
        pthread_join(store->reader_thread, NULL);
        pthread_join(store->filer_thread, NULL);
    }
    pthread_cond_destroy(&store->writer_wakes);
    pthread_cond_destroy(&store->reader_wakes);
    pthread_cond_destroy(&store->filer_wakes);
    pthread_mutex_destroy(&store->mutex);
}

void worker_run(struct store *store)
{
    pthread_mutex_lock(&store->mutex);
    if (store->save != NULL) {
        do_save(store);
        if (wal_is_long(store)) {
            checkpoint(store);
        }
        if (store->sweep_due) {
            sweep(store);
        }
    }
    struct read_request *request;
    while ((request = next_read(store)) != NULL) {
        rows_read(store, request);
        list_push_back(&store->answered, &request->in_queue);
    }
    struct file_job *job;
    while ((job = next_file(store)) != NULL) {
        do_file(store, job);
    }
    pthread_mutex_unlock(&store->mutex);
}
