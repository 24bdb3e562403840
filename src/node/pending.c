#include "node/pending.h"

#include <assert.h>
#include <stdlib.h>

#include "base/mem.h"
#include "node/commands.h"
#include "node/internal.h"

/* ---- the heap ----------------------------------------------------------- */

void pending_free(struct pending *pending)
{
    free(pending->heap);
    *pending = (struct pending){0};
}

static void place(struct pending *pending, size_t at, struct request *request)
{
    pending->heap[at] = request;
    request->heap_at = at;
}

/* Two requests of one index keep the order of their tickets, so that a run
 * repeats itself. */
static bool before(const struct request *a, const struct request *b)
{
    return a->index != b->index ? a->index < b->index
                                : a->ticket.number < b->ticket.number;
}

static void sift_up(struct pending *pending, size_t at)
{
    struct request *request = pending->heap[at];
    while (at > 0 && before(request, pending->heap[(at - 1) / 2])) {
        place(pending, at, pending->heap[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
    place(pending, at, request);
}

static void sift_down(struct pending *pending, size_t at)
{
    struct request *request = pending->heap[at];
    for (;;) {
        size_t child = at * 2 + 1;
        if (child + 1 < pending->count &&
            before(pending->heap[child + 1], pending->heap[child])) {
            child++;
        }
        if (child >= pending->count || !before(pending->heap[child], request)) {
            break;
        }
        place(pending, at, pending->heap[child]);
        at = child;
    }
    place(pending, at, request);
}

void pending_add(struct node *node, struct request *request)
{
    struct pending *pending = &node->pending;
    pending->heap = x_grow(pending->heap, &pending->capacity,
                           pending->count + 1, sizeof(struct request *));
    place(pending, pending->count, request);
    pending->count++;
    sift_up(pending, pending->count - 1);
}

void pending_remove(struct node *node, struct request *request)
{
    struct pending *pending = &node->pending;
    size_t at = request->heap_at;
    assert(at < pending->count && pending->heap[at] == request);
    struct request *last = pending->heap[--pending->count];
    if (last == request) {
        return;
    }
    place(pending, at, last);
    sift_up(pending, at);
    sift_down(pending, last->heap_at);
}

/* ---- answering ---------------------------------------------------------- */

enum verdict { VERDICT_SAME, VERDICT_OTHER, VERDICT_UNKNOWN };

/* What stands at the index now is final: if it is of the term that the leader
 * named it is that very entry (5.3, log matching); else another leader's entry
 * took its place, and it is in no log that will ever commit.  Unless the log
 * here begins later by now. */
static enum verdict judge(const struct node *node,
                          const struct request *request)
{
    raft_term term = raft_term_at(node->raft, request->index);
    if (request->term == 0 || term == request->term) {
        return VERDICT_SAME;
    }
    return term == 0 ? VERDICT_UNKNOWN : VERDICT_OTHER;
}

static void answer_submit(struct node *node, struct request *request)
{
    switch (judge(node, request)) {
    case VERDICT_SAME:
        latency_add(&node->counters.submit,
                    node->now.mono_us - request->begun_us);
        request_integer(node, request, request->index);
        break;
    case VERDICT_UNKNOWN:
        request_error(node, request, ERROR_UNCERTAIN,
                      "this node has got past entry %llu without seeing it: "
                      "the payload may be in the log",
                      (unsigned long long)request->index);
        break;
    case VERDICT_OTHER:
        request_error(node, request, ERROR_NOLEADER,
                      "the leader was lost before it committed this entry, "
                      "which is not in the log");
        break;
    }
}

static void answer_stale(struct node *node, struct request *request)
{
    if (judge(node, request) == VERDICT_SAME) {
        request_error(node, request, ERROR_STALE,
                      "%llu is the last app entry, not %llu",
                      (unsigned long long)request->index,
                      (unsigned long long)request->after);
    } else {
        request_error(node, request, ERROR_NOLEADER,
                      "the leader was lost before it committed what came "
                      "before this entry, which is not in the log");
    }
}

/* BARRIER, or with a key OUTCOME. */
static void answer_read(struct node *node, struct request *request)
{
    if (request->key != NULL) {
        command_outcome_told(node, request);
        return;
    }
    node->counters.barriers++;
    request_integer(node, request,
                    raft_last_app_at(node->raft, request->index));
}

static void answer(struct node *node, struct request *request)
{
    switch (request->stage) {
    case REQUEST_ACCEPTED:
        submit_done(node, request);
        answer_submit(node, request);
        break;
    case REQUEST_STALE:
        submit_done(node, request);
        answer_stale(node, request);
        break;
    case REQUEST_WAITING:
        request_integer(node, request, node->told);
        break;
    case REQUEST_BARRIER:
        answer_read(node, request);
        break;
    case REQUEST_NEW:
    case REQUEST_QUEUED:
    case REQUEST_HANDED:
    case REQUEST_REFUSED:
    case REQUEST_READING:
        assert(false); /* a request of this stage is never in the heap */
    }
}

void pending_told(struct node *node)
{
    struct pending *pending = &node->pending;
    while (pending->count > 0 && pending->heap[0]->index <= node->told) {
        struct request *request = pending->heap[0];
        pending_remove(node, request);
        answer(node, request);
    }
}

/* ---- WAIT --------------------------------------------------------------- */

static struct request *timed(struct wheel_timer *timer)
{
    return list_entry(timer, struct request, timer);
}

static void fire_wait(struct node *node, struct wheel_timer *timer)
{
    struct request *request = timed(timer);
    pending_remove(node, request);
    request_error(node, request, ERROR_TIMEOUT,
                  "index %llu is not known to be committed here; %llu is",
                  (unsigned long long)request->index,
                  (unsigned long long)node->told);
}

void pending_wait(struct node *node, struct request *request, raft_index index,
                  uint64_t timeout_us)
{
    if (index <= node->told) {
        request_integer(node, request, node->told);
        return;
    }
    request->stage = REQUEST_WAITING;
    request->index = index;
    request->dropped = pending_remove;
    pending_add(node, request);
    if (timeout_us != 0) {
        wheel_set(&node->wheel, &request->timer, node->now.mono_us + timeout_us,
                  fire_wait);
    }
}

/* ---- BARRIER ------------------------------------------------------------ */

static void forget_read(struct node *node, struct request *request)
{
    struct raft_event event = {.type = RAFT_EVENT_FORGET_READ};
    event.read.ticket = request->ticket;
    driver_note(node, &event);
}

static void drop_barrier(struct node *node, struct request *request)
{
    if (request->stage == REQUEST_BARRIER) {
        pending_remove(node, request);
    } else {
        forget_read(node, request);
    }
}

static void fire_barrier(struct node *node, struct wheel_timer *timer)
{
    struct request *request = timed(timer);
    drop_barrier(node, request);
    struct raft_status status;
    raft_status(node->raft, &status);
    if (status.leader == RAFT_ID_NONE) {
        request_error(node, request, ERROR_NOLEADER,
                      "no leader confirmed a read index in time");
    } else {
        request_error(node, request, ERROR_TIMEOUT,
                      "the leader, node %lu, did not confirm a read index in "
                      "time, or this node is behind it",
                      (unsigned long)status.leader);
    }
}

void pending_barrier(struct node *node, struct request *request,
                     uint64_t timeout_us)
{
    request->stage = REQUEST_READING;
    request->dropped = drop_barrier;
    struct raft_event event = {.type = RAFT_EVENT_READ};
    event.read.ticket = request->ticket;
    driver_note(node, &event);
    if (timeout_us != 0) {
        wheel_set(&node->wheel, &request->timer, node->now.mono_us + timeout_us,
                  fire_barrier);
    }
}

void pending_read(struct node *node, struct raft_ticket ticket,
                  raft_index index)
{
    struct request *request = request_find(node, ticket);
    if (request == NULL) {
        return;
    }
    assert(request->stage == REQUEST_READING);
    request->stage = REQUEST_BARRIER;
    request->index = index;
    if (index <= node->told) {
        answer(node, request);
    } else {
        pending_add(node, request);
    }
}
