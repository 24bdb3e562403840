/* The threads: one writes and checkpoints, another one reads old entries, the
 * third has the bytes of snapshots, which neither of the two may wait for.
 *
 * At the end the last of them puts the files away: a disk that hangs keeps a
 * thread, never the loop. */
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
#define THREADS 3

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

/* Whoever is woken wants the mutex at once, and is woken twice where it is
 * still held: all of these are done without it. */
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
    pthread_mutex_unlock(&store->mutex);
    wake_loop(store);
    pthread_mutex_lock(&store->mutex);
}

/* A sync that failed in it is as final as a save's: the kernel tells it once,
 * and the next sync would succeed without what was lost. */
static void put_wal_away(struct store *store)
{
    int code = schema_checkpoint(store, SQLITE_CHECKPOINT_PASSIVE);
    int kind = code & 0xff;
    if (code != SQLITE_OK && kind != SQLITE_BUSY && kind != SQLITE_LOCKED) {
        rows_must_be_room(store, code);
    }
}

static void checkpoint(struct store *store)
{
    pthread_mutex_unlock(&store->mutex);
    put_wal_away(store);
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

/* ---- the threads -------------------------------------------------------- */

/* As of an end that is no crash. */
static void put_away(struct store *store)
{
    snapshot_close(store);
    schema_checkpoint(store, SQLITE_CHECKPOINT_PASSIVE);
    schema_close(store);
}

/* Of a thread, which holds the mutex and does nothing more. */
static void leave(struct store *store)
{
    if (store->running == 1) {
        pthread_mutex_unlock(&store->mutex);
        put_away(store);
        pthread_mutex_lock(&store->mutex);
    }
    store->running--;
    pthread_cond_signal(&store->thread_ended);
    pthread_mutex_unlock(&store->mutex);
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
    leave(store);
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
        pthread_mutex_unlock(&store->mutex);
        wake_loop(store);
        pthread_mutex_lock(&store->mutex);
    }
    leave(store);
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
        pthread_mutex_unlock(&store->mutex);
        wake_loop(store);
        pthread_mutex_lock(&store->mutex);
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
    leave(store);
    return NULL;
}

/* ---- start and end ------------------------------------------------------ */

static void init(struct store *store)
{
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_mutex_init(&store->mutex, NULL);
    pthread_cond_init(&store->writer_wakes, &attributes);
    pthread_cond_init(&store->reader_wakes, NULL);
    pthread_cond_init(&store->filer_wakes, NULL);
    pthread_cond_init(&store->thread_ended, &attributes);
    pthread_condattr_destroy(&attributes);
}

static pthread_t *thread_of(struct store *store, unsigned number)
{
    pthread_t *threads[] = {&store->writer_thread, &store->reader_thread,
                            &store->filer_thread};
    return threads[number];
}

/* All three, or none and what the system says. */
static int start_threads(struct store *store)
{
    static void *(*const bodies[THREADS])(void *) = {write_thread, read_thread,
                                                     file_thread};
    int code = 0;
    pthread_mutex_lock(&store->mutex);
    for (unsigned i = 0; i < THREADS && code == 0; i++) {
        code = pthread_create(thread_of(store, i), NULL, bodies[i], store);
        store->running += code == 0;
    }
    store->started = store->running;
    pthread_mutex_unlock(&store->mutex);
    return code;
}

bool worker_start(struct store *store, struct store_error *error)
{
    init(store);
    if (!store->options.threads) {
        return true;
    }
    /* Signals are for the loop's thread. */
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int code = start_threads(store);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (code == 0) {
        return true;
    }
    worker_stop(store, UINT64_MAX);
    worker_free(store);
    error->status = EXIT_STATUS_SOFTWARE;
    snprintf(error->text, sizeof(error->text),
             "the store's thread cannot be started: %s", strerror(code));
    return false;
}

/* The mutex is held, but not meanwhile.  False: it is `by_us`. */
static bool wait_for_end(struct store *store, uint64_t by_us)
{
    if (by_us == UINT64_MAX) {
        pthread_cond_wait(&store->thread_ended, &store->mutex);
        return true;
    }
    struct timespec at = timespec_of(by_us);
    return pthread_cond_timedwait(&store->thread_ended, &store->mutex, &at) !=
           ETIMEDOUT;
}

bool worker_stop(struct store *store, uint64_t by_us)
{
    pthread_mutex_lock(&store->mutex);
    store->stopping = true;
    pthread_cond_signal(&store->writer_wakes);
    pthread_cond_signal(&store->reader_wakes);
    pthread_cond_signal(&store->filer_wakes);
    while (store->running > 0 && wait_for_end(store, by_us)) {
    }
    bool ended = store->running == 0;
    pthread_mutex_unlock(&store->mutex);
    while (ended && store->started > 0) {
        store->started--;
        pthread_join(*thread_of(store, store->started), NULL);
    }
    if (ended && store->writer != NULL) {
        put_away(store); /* there were no threads */
    }
    return ended;
}

void worker_free(struct store *store)
{
    pthread_cond_destroy(&store->writer_wakes);
    pthread_cond_destroy(&store->reader_wakes);
    pthread_cond_destroy(&store->filer_wakes);
    pthread_cond_destroy(&store->thread_ended);
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
