#include "node/compact.h"

#include <assert.h>

#include "node/internal.h"

/* Few enough that their keys are copied within some milliseconds. */
#define STEP_ENTRIES 2048
/* While the log grows there is a rest of so many times as long as the step
 * took: each of the others' saves may have to wait for a step's. */
#define STEP_REST 4
#define STEP_REST_MAX_US ((uint64_t)50 * 1000)

void compact_init(struct node *node)
{
    struct raft_status status;
    raft_status(node->raft, &status);
    node->compact.target = status.first - 1;
    node->compact.saved = status.first - 1;
    list_init(&node->compact.waiting);
}

raft_index compact_limit(const struct node *node, raft_index index, bool force)
{
    struct raft_status status;
    raft_status(node->raft, &status);
    raft_index limit = index < node->told ? index : node->told;
    if (!force && limit > status.needed) {
        limit = status.needed;
    }
    if (node->follower_count > 0) {
        uint64_t keep = node->settings.keep_unacked;
        raft_index bound = node->told > keep ? node->told - keep : 0;
        bound = bound > node->ack ? bound : node->ack;
        limit = limit < bound ? limit : bound;
    }
    return limit;
}

bool compact_rests(const struct node *node)
{
    return node->compact.saved >= node->compact.target;
}

/* ---- who waits ---------------------------------------------------------- */

static void drop_waiting(struct node *node, struct request *request)
{
    (void)node;
    list_remove(&request->held);
}

static void answer_done(struct node *node)
{
    struct compact *compact = &node->compact;
    list_each(at, following, &compact->waiting)
    {
        struct request *request = list_entry(at, struct request, held);
        if (request->index <= compact->saved) {
            list_remove(&request->held);
            request_integer(node, request, compact->saved + 1);
        }
    }
}

static void answer_failed(struct node *node, enum error_code code,
                          const char *words)
{
    struct compact *compact = &node->compact;
    while (!list_empty(&compact->waiting)) {
        struct request *request =
            list_entry(compact->waiting.next, struct request, held);
        list_remove(&request->held);
        request_error(node, request, code, "%s", words);
    }
}

void compact_to(struct node *node, raft_index index, struct request *request)
{
    struct compact *compact = &node->compact;
    assert(index <= node->told);
    if (index > compact->target) {
        compact->target = index;
    }
    if (request != NULL) {
        request->index = index;
        request->dropped = drop_waiting;
        list_push_back(&compact->waiting, &request->held);
        answer_done(node);
    }
}

void compact_behind(struct node *node, raft_index index)
{
    uint64_t tail = node->settings.snapshot_tail;
    raft_index upto = index > tail ? index - tail : 0;
    raft_index sent = install_holds(node);
    upto = upto < sent ? upto : sent;
    compact_to(node, compact_limit(node, upto, true), NULL);
}

/* ---- steps -------------------------------------------------------------- */

/* An app has begun to follow since that was decided, and needs what the step
 * would drop: the base stays where it is. */
static bool stopped(struct node *node)
{
    struct compact *compact = &node->compact;
    if (compact->step <= compact_limit(node, compact->step, true)) {
        return false;
    }
    compact->stepping = false;
    compact->reading = 0;
    compact->target = compact->saved;
    while (!list_empty(&compact->waiting)) {
        struct request *request =
            list_entry(compact->waiting.next, struct request, held);
        list_remove(&request->held);
        request_integer(node, request, compact->saved + 1);
    }
    return true;
}

static void note_step(struct node *node, const struct raft_entry *entry)
{
    if (stopped(node)) {
        return;
    }
    struct raft_event event = {.type = RAFT_EVENT_COMPACT};
    event.compact.index = entry->index;
    event.compact.chain = entry->chain;
    event.compact.unix_ms = entry->unix_ms;
    node->compact.reading = 0;
    driver_note(node, &event);
}

static raft_index log_end(const struct node *node)
{
    struct raft_status status;
    raft_status(node->raft, &status);
    return status.last;
}

void compact_pump(struct node *node)
{
    struct compact *compact = &node->compact;
    if (compact->stepping || compact->rest.at_us != 0 ||
        compact->saved >= compact->target) {
        return;
    }
    compact->stepping = true;
    compact->begun_us = node->now.mono_us;
    compact->end = log_end(node);
    compact->step = compact->target - compact->saved > STEP_ENTRIES
                        ? compact->saved + STEP_ENTRIES
                        : compact->target;
    const struct raft_entry *entry = raft_entry_at(node->raft, compact->step);
    if (entry != NULL) {
        note_step(node, entry);
        return;
    }
    compact->reading = node->next_read++;
    struct node_read read = {.request = compact->reading,
                             .first = compact->step,
                             .last = compact->step};
    node->store.read(node->store.context, &read);
}

/* What cannot be read cannot be the base: an order gets its error, and the next
 * one tries again. */
static void give_up(struct node *node, enum node_read_result result)
{
    struct compact *compact = &node->compact;
    compact->stepping = false;
    compact->reading = 0;
    if (result == NODE_READ_GONE) {
        return; /* another node's base is about to be saved: that decides */
    }
    compact->target = compact->saved;
    if (result == NODE_READ_CORRUPT) {
        node_note(node, LOG_LEVEL_ERROR,
                  "the log is not cut: entry %llu is damaged on disk",
                  (unsigned long long)compact->step);
        answer_failed(node, ERROR_CORRUPT,
                      "an entry is damaged on this "
                      "node's disk: the log is not cut");
    } else {
        answer_failed(node, ERROR_DISK, "the log cannot be read now");
    }
}

bool compact_read(struct node *node, struct node_read_answer *answer)
{
    struct compact *compact = &node->compact;
    if (compact->reading == 0 || answer->request != compact->reading) {
        return false;
    }
    if (answer->entry_count == 1) {
        note_step(node, &answer->entries[0]);
    } else {
        give_up(node, answer->result);
    }
    driver_read_clear(answer);
    return true;
}

static void rest(struct node *node)
{
    struct compact *compact = &node->compact;
    uint64_t now_us = node->now.mono_us;
    uint64_t rest_us = (now_us - compact->begun_us) * STEP_REST;
    if (log_end(node) != compact->end) {
        wheel_set(&node->wheel, &compact->rest,
                  now_us +
                      (rest_us < STEP_REST_MAX_US ? rest_us : STEP_REST_MAX_US),
                  wheel_fire_nothing);
    }
}

void compact_saved(struct node *node, raft_index base)
{
    struct compact *compact = &node->compact;
    compact->saved = base;
    if (base >= compact->step) {
        if (compact->stepping) {
            rest(node);
        }
        compact->stepping = false;
        compact->reading = 0; /* another node's base was faster */
    }
    answer_done(node);
}

/* The step itself rides on the save that is tried again. */
void compact_no_room(struct node *node)
{
    answer_failed(node, ERROR_DISK,
                  "the disk is full: the log is cut once there is room");
}
