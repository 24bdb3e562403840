/* Entries for READ and FOLLOW.
 *
 * Recent entries come from memory, older ones from the store, asked for in
 * pieces.  A stream is in one of these places: in `feeds`, where it may go on
 * at once; in `feeds_idle`, where it waits for the next entry; or in neither,
 * where it waits for its reader or for the store. */
#include "node/feed.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "node/session.h"

/* About what one READ answers, at most. */
#define READ_BYTES_MAX ((size_t)16 * 1024 * 1024)
/* What the store is asked for in one piece. */
#define PIECE_BYTES_MAX ((size_t)256 * 1024)

/* Serving one stream counts as so much time, whether it gets one entry or a
 * thousand; and so much of it may be used ahead.  A thousand streams have their
 * turn every 40 ms, then, and take what was committed meanwhile in one piece:
 * commits do not wait until each of them was written to. */
#define STREAM_US ((uint64_t)40)
#define AHEAD_US (128 * STREAM_US)

/* Who waits for a node_read. */
struct feed_read {
    node_conn conn;
    bool stream;
};

void feed_init(struct node *node)
{
    list_init(&node->feeds);
    list_init(&node->feeds_idle);
    list_init(&node->readers);
}

/* The answers of the store that are still to come find nobody. */
void feed_free(struct node *node)
{
    for (uint64_t at = 1; node->reads.count > 0 && at < node->next_read; at++) {
        free(map_remove(&node->reads, at));
    }
    map_free(&node->reads);
}

/* At most up to `last`, which is told. */
static void ask_store(struct node *node, struct session *session, bool stream,
                      raft_index first, raft_index last)
{
    struct feed_read *waiter = x_malloc(sizeof(*waiter));
    *waiter = (struct feed_read){.conn = session->conn, .stream = stream};
    struct node_read read = {.request = node->next_read++,
                             .first = first,
                             .last = last,
                             .bytes_max = PIECE_BYTES_MAX};
    map_put(&node->reads, read.request, waiter);
    node->store.read(node->store.context, &read);
}

static raft_index first_index(const struct node *node)
{
    struct raft_status status;
    raft_status(node->raft, &status);
    return status.first;
}

/* ---- FOLLOW ------------------------------------------------------------- */

void feed_follow(struct node *node, struct session *session, raft_index next)
{
    struct feed *feed = &session->feed;
    if (!feed->on) {
        node->follower_count++;
    }
    download_stream_end(node, session);
    feed->on = true;
    feed->next = next;
    list_remove(&feed->in_list);
    list_push_back(&node->feeds, &feed->in_list);
}

void feed_end(struct node *node, struct session *session)
{
    struct feed *feed = &session->feed;
    if (feed->on) {
        node->follower_count--;
    }
    feed->on = false;
    download_stream_end(node, session);
    list_remove(&feed->in_list);
}

/* False: no snapshot covers what is gone. */
static bool push_snapshot(struct node *node, struct session *session,
                          raft_index first)
{
    const struct node_snapshot *snapshot =
        download_announce(node, session, first);
    if (snapshot == NULL) {
        return false;
    }
    struct out *out = &session->out;
    resp_write_push(out, 3, session->resp);
    resp_write_bulk(out, "snapshot", 8);
    resp_write_integer(out, (int64_t)snapshot->index);
    resp_write_integer(out, (int64_t)snapshot->size);
    session->feed.next = snapshot->index + 1;
    return true;
}

static void end_with_error(struct node *node, struct session *session,
                           enum error_code code, raft_index index,
                           const char *words)
{
    char text[128];
    snprintf(text, sizeof(text), "%s %llu %s", error_code_word(code),
             (unsigned long long)index, words);
    node->counters.errors[code]++;
    resp_write_error(&session->out, text);
    feed_end(node, session);
    session_touch(node, session);
}

static void push_entry(struct session *session, const struct raft_entry *entry)
{
    if (entry->kind != RAFT_KIND_APP) {
        return;
    }
    struct out *out = &session->out;
    resp_write_push(out, 4, session->resp);
    resp_write_bulk(out, "entry", 5);
    resp_write_integer(out, (int64_t)entry->index);
    resp_write_integer(out, (int64_t)entry->term);
    resp_write_blob(out, entry->payload);
}

/* Where the stream waits now that it cannot go on. */
static void stream_on(struct node *node, struct session *session)
{
    struct feed *feed = &session->feed;
    while (feed->next <= node->told && session_may_push(session)) {
        const struct raft_entry *entry = raft_entry_at(node->raft, feed->next);
        if (entry == NULL) {
            feed->reading = true;
            ask_store(node, session, true, feed->next, node->told);
            return;
        }
        push_entry(session, entry);
        feed->next++;
    }
    if (feed->next > node->told) {
        list_push_back(&node->feeds_idle, &feed->in_list);
    }
}

static void serve(struct node *node, struct session *session)
{
    raft_index first = first_index(node);
    if (session->feed.next < first && first > node->told + 1) {
        /* A base that is being saved, and perhaps a snapshot with it. */
        list_push_back(&node->feeds_idle, &session->feed.in_list);
        return;
    }
    if (session->feed.next < first && !session_may_push(session)) {
        return; /* feed_resume() takes it up again */
    }
    if (session->feed.next < first && !push_snapshot(node, session, first)) {
        end_with_error(node, session, ERROR_COMPACTED, first,
                       "is the first entry that the log still has");
        return;
    }
    stream_on(node, session);
    session_touch(node, session);
}

static bool share_is_up(const struct node *node)
{
    return node->feeds_us >= node->now.mono_us + AHEAD_US;
}

bool feed_wants_turn(const struct node *node)
{
    return !list_empty(&node->feeds) && !share_is_up(node);
}

void feed_run(struct node *node)
{
    uint64_t now_us = node->now.mono_us;
    node->feeds_us = node->feeds_us > now_us ? node->feeds_us : now_us;
    while (feed_wants_turn(node)) {
        struct session *session =
            list_entry(node->feeds.next, struct session, feed.in_list);
        list_remove(&session->feed.in_list);
        if (!session->feed.reading) { /* else its answer takes it up again */
            node->feeds_us += STREAM_US;
            serve(node, session);
        }
    }
    if (!list_empty(&node->feeds) && node->feeds_due.at_us == 0) {
        wheel_set(&node->wheel, &node->feeds_due, now_us + AHEAD_US / 2,
                  wheel_fire_nothing);
    }
}

static void stream_read(struct node *node, struct session *session,
                        const struct node_read_answer *answer)
{
    struct feed *feed = &session->feed;
    feed->reading = false;
    if (!feed->on) {
        return;
    }
    for (size_t i = 0; i < answer->entry_count; i++) {
        if (answer->entries[i].index == feed->next) {
            push_entry(session, &answer->entries[i]);
            feed->next++;
        }
    }
    /* Damaged is the next one, or the one before it, which proves it: then
     * nothing has come. */
    bool stuck = feed->next == answer->index || feed->next == answer->first;
    if (answer->result == NODE_READ_CORRUPT && stuck) {
        end_with_error(node, session, ERROR_CORRUPT, answer->index,
                       "is damaged on this node's disk");
    } else if (answer->result == NODE_READ_FAILED) {
        end_with_error(node, session, ERROR_DISK, feed->next,
                       "cannot be read now");
    } else {
        list_remove(&feed->in_list);
        list_push_back(&node->feeds, &feed->in_list);
    }
    session_touch(node, session);
}

/* ---- READ --------------------------------------------------------------- */

static void clear_job(struct read_job *job)
{
    for (size_t i = 0; i < job->count; i++) {
        raft_entry_clear(&job->entries[i]);
    }
    free(job->entries);
    /* An answer of the store that is still to come is told apart by this. */
    *job = (struct read_job){.reading = job->reading};
}

static void answer_job(struct node *node, struct session *session,
                       struct request *request)
{
    struct read_job *job = &session->job;
    struct out *out = request_out(request);
    resp_write_array(out, job->count);
    for (size_t i = 0; i < job->count; i++) {
        resp_write_array(out, 3);
        resp_write_integer(out, (int64_t)job->entries[i].index);
        resp_write_integer(out, (int64_t)job->entries[i].term);
        resp_write_blob(out, job->entries[i].payload);
    }
    clear_job(job);
    node->counters.reads++;
    request_finish(node, request);
}

static bool job_is_full(const struct read_job *job)
{
    return job->count == job->wanted || job->bytes >= READ_BYTES_MAX;
}

static void add_to_job(struct read_job *job, const struct raft_entry *entry)
{
    job->next = entry->index + 1;
    if (entry->kind == RAFT_KIND_APP) {
        job->entries = x_grow(job->entries, &job->capacity, job->count + 1,
                              sizeof(*job->entries));
        job->entries[job->count++] = raft_entry_share(entry);
        job->bytes += entry->payload == NULL ? 0 : entry->payload->size;
    }
}

static void compacted(struct node *node, struct request *request)
{
    request_error(node, request, ERROR_COMPACTED,
                  "%llu is the first entry that the log still has",
                  (unsigned long long)first_index(node));
}

static void fire_block(struct node *node, struct wheel_timer *timer)
{
    struct request *request = list_entry(timer, struct request, timer);
    list_remove(&request->held);
    resp_write_array(request_out(request), 0);
    node->counters.reads++;
    request_finish(node, request);
}

/* What it lacks, and no more: entries that are not the app's may lie between,
 * and it asks once more then. */
static raft_index last_wanted(const struct node *node,
                              const struct read_job *job)
{
    uint64_t more = job->wanted - job->count;
    return more <= node->told - job->next ? job->next + more - 1 : node->told;
}

/* Nothing is there yet: the request waits outside the queue of its session,
 * so that READs behind it are worked on. */
static void park(struct node *node, struct session *session,
                 struct request *request)
{
    request->index = session->job.next;
    clear_job(&session->job);
    list_push_back(&node->readers, &request->held);
    if (request->block_us != 0 && request->timer.at_us == 0) {
        wheel_set(&node->wheel, &request->timer,
                  node->now.mono_us + request->block_us, fire_block);
    }
}

/* True once the job is done, one way or the other. */
static bool run_job(struct node *node, struct session *session)
{
    struct read_job *job = &session->job;
    struct request *request = request_find(node, job->ticket);
    if (request == NULL) {
        clear_job(job);
        return true;
    }
    while (!job_is_full(job) && job->next <= node->told) {
        const struct raft_entry *entry = raft_entry_at(node->raft, job->next);
        if (entry == NULL) {
            job->reading = true;
            ask_store(node, session, false, job->next, last_wanted(node, job));
            return false;
        }
        add_to_job(job, entry);
    }
    if (job->count == 0 && request->blocks) {
        park(node, session, request);
    } else {
        answer_job(node, session, request);
    }
    return true;
}

static void begin_job(struct node *node, struct session *session,
                      struct request *request)
{
    list_remove(&request->held);
    if (request->index < first_index(node)) {
        compacted(node, request);
        return;
    }
    session->job.active = true;
    session->job.ticket = request->ticket;
    session->job.next = request->index;
    session->job.wanted = (size_t)request->count;
}

/* NULL: none, for now. */
static struct request *next_read(struct session *session)
{
    list_each(at, following, &session->reads)
    {
        struct request *request = list_entry(at, struct request, held);
        if (session_has_room(session, request)) {
            return request;
        }
    }
    return NULL;
}

/* One READ of a session at a time gathers entries, so that a client that asks
 * for a thousand at once costs no more memory than one. */
static void run_reads(struct node *node, struct session *session)
{
    struct read_job *job = &session->job;
    while (!job->reading) {
        if (job->active && !run_job(node, session)) {
            return;
        }
        struct request *next = next_read(session);
        if (next == NULL) {
            return;
        }
        begin_job(node, session, next);
    }
}

static void drop_read(struct node *node, struct request *request)
{
    (void)node;
    list_remove(&request->held);
}

void feed_read(struct node *node, struct request *request)
{
    request->dropped = drop_read;
    list_push_back(&request->session->reads, &request->held);
    run_reads(node, request->session);
}

static void job_read(struct node *node, struct session *session,
                     const struct node_read_answer *answer)
{
    struct read_job *job = &session->job;
    job->reading = false;
    struct request *request =
        job->active ? request_find(node, job->ticket) : NULL;
    for (size_t i = 0; job->active && i < answer->entry_count; i++) {
        if (answer->entries[i].index == job->next && !job_is_full(job)) {
            add_to_job(job, &answer->entries[i]);
        }
    }
    /* What is sound before a damaged entry is answered first. */
    bool stuck = answer->result != NODE_READ_OK && job->count == 0;
    if (request != NULL && stuck) {
        clear_job(job);
        if (answer->result == NODE_READ_CORRUPT) {
            request_error(node, request, ERROR_CORRUPT,
                          "%llu is damaged on this node's disk",
                          (unsigned long long)answer->index);
        } else if (answer->result == NODE_READ_GONE) {
            compacted(node, request);
        } else {
            request_error(node, request, ERROR_DISK,
                          "the log cannot be read now");
        }
    } else if (request != NULL && answer->result != NODE_READ_OK) {
        answer_job(node, session, request);
    }
    run_reads(node, session);
}

/* ---- what wakes them ---------------------------------------------------- */

void feed_wake(struct node *node)
{
    list_move_all(&node->feeds, &node->feeds_idle);
    struct list woken;
    list_init(&woken);
    list_move_all(&woken, &node->readers);
    while (!list_empty(&woken)) {
        struct request *request = list_entry(woken.next, struct request, held);
        list_remove(&request->held);
        list_push_back(&request->session->reads, &request->held);
        run_reads(node, request->session);
    }
}

void feed_resume(struct node *node, struct session *session)
{
    struct feed *feed = &session->feed;
    run_reads(node, session);
    if (feed->on && !feed->reading && list_empty(&feed->in_list) &&
        session_may_push(session)) {
        list_push_back(&node->feeds, &feed->in_list);
    }
}

void feed_read_done(struct node *node, struct node_read_answer *answer)
{
    struct feed_read *waiter = map_remove(&node->reads, answer->request);
    struct session *session =
        waiter == NULL ? NULL : session_find(node, waiter->conn);
    if (session != NULL && waiter->stream) {
        stream_read(node, session, answer);
    } else if (session != NULL) {
        job_read(node, session, answer);
    }
    driver_read_clear(answer);
    free(waiter);
}
