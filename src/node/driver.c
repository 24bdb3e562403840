#include "node/internal.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "node/control.h"
#include "node/peers.h"

/* One save is no larger than this, so that term and vote never wait long
 * behind entries. */
#define SAVE_BYTES_MAX ((size_t)4 * 1024 * 1024)
/* How soon a save that found no room is tried again. */
#define SAVE_RETRY_US ((uint64_t)250 * 1000)
/* An idle node's commit index is saved after this long. */
#define COMMIT_SAVE_US ((uint64_t)500 * 1000)
/* Effects can bring about new events in the same turn (a queued SUBMIT that
 * finds a leader): so many rounds, then the loop gets its chance. */
#define ROUNDS_MAX 16

struct inbox_message {
    struct list in_inbox;
    struct raft_message message;
};

/* A read of the store for a peer that needs old entries. */
struct fetch {
    struct list in_list; /* of node->fetches, then of node->inbox_fetched */
    uint64_t request;
    raft_id peer;
    struct node_read_answer answer;
};

/* ---- the inbox ---------------------------------------------------------- */

void driver_init(struct node *node)
{
    list_init(&node->inbox_messages);
    list_init(&node->inbox_fetched);
    list_init(&node->fetches);
    list_init(&node->ack_waiting);
    list_init(&node->ack_saving);
}

void driver_read_clear(struct node_read_answer *answer)
{
    for (size_t i = 0; i < answer->entry_count; i++) {
        raft_entry_clear(&answer->entries[i]);
    }
    free(answer->entries);
    answer->entries = NULL;
    answer->entry_count = 0;
}

static void fetch_free(struct fetch *fetch)
{
    driver_read_clear(&fetch->answer);
    list_remove(&fetch->in_list);
    free(fetch);
}

/* Frees what the events of the inbox own or borrow from here. */
static void inbox_clear(struct node *node)
{
    for (size_t i = 0; i < node->inbox_count; i++) {
        struct raft_event *event = &node->inbox[i];
        if (event->type == RAFT_EVENT_PROPOSE) {
            blob_free(event->propose.key);
            blob_free(event->propose.payload);
        } else if (event->type == RAFT_EVENT_BIRTH) {
            blob_free(event->birth.payload);
        } else if (event->type == RAFT_EVENT_CHANGE) {
            blob_free(event->change.payload);
        }
    }
    node->inbox_count = 0;
    list_each(at, following, &node->inbox_messages)
    {
        struct inbox_message *message =
            list_entry(at, struct inbox_message, in_inbox);
        raft_message_clear(&message->message);
        free(message);
    }
    list_init(&node->inbox_messages);
    list_each(at, following, &node->inbox_fetched)
    {
        fetch_free(list_entry(at, struct fetch, in_list));
    }
}

void driver_free(struct node *node)
{
    buf_free(&node->traced);
    inbox_clear(node);
    list_each(at, following, &node->fetches)
    {
        fetch_free(list_entry(at, struct fetch, in_list));
    }
    free(node->inbox);
    raft_save_clear(&node->save.log);
    raft_free(node->raft);
}

void driver_note(struct node *node, const struct raft_event *event)
{
    node->inbox = x_grow(node->inbox, &node->inbox_capacity,
                         node->inbox_count + 1, sizeof(*node->inbox));
    node->inbox[node->inbox_count++] = *event;
    if (event->type == RAFT_EVENT_PROPOSE) {
        blob_share(event->propose.key);
        blob_share(event->propose.payload);
    } else if (event->type == RAFT_EVENT_BIRTH) {
        blob_share(event->birth.payload);
    } else if (event->type == RAFT_EVENT_CHANGE) {
        blob_share(event->change.payload);
    }
}

void driver_note_message(struct node *node, struct raft_message *message)
{
    struct inbox_message *copy = x_malloc(sizeof(*copy));
    copy->message = *message;
    *message = (struct raft_message){0};
    list_push_back(&node->inbox_messages, &copy->in_inbox);
    struct raft_event event = {.type = RAFT_EVENT_MESSAGE,
                               .message = &copy->message};
    driver_note(node, &event);
}

/* ---- saving ------------------------------------------------------------- */

static void note_stall(struct node *node, bool stalls)
{
    node->stalled = stalls;
    struct raft_event event = {.type = RAFT_EVENT_DISK};
    event.disk.stalls = stalls;
    driver_note(node, &event);
}

/* The timer is not moved with every save: it looks again when it fires. */
static void fire_stall(struct node *node, struct wheel_timer *timer)
{
    uint64_t due_us = node->save_begun_us + node->settings.disk_stall_us;
    if (node->save_begun_us == 0 || node->stalled) {
        return;
    }
    if (node->now.mono_us < due_us) {
        wheel_set(&node->wheel, timer, due_us, fire_stall);
        return;
    }
    node_note(node, LOG_LEVEL_ERROR,
              "the disk has not finished a save within %llu ms "
              "(disk-stall-timeout): leadership is given up until it does",
              (unsigned long long)node->settings.disk_stall_us / 1000);
    note_stall(node, true);
}

/* The save is done, at the first or at a later try. */
static void end_stall(struct node *node)
{
    node->save_begun_us = 0;
    if (node->stalled) {
        node_note(node, LOG_LEVEL_INFO, "the disk saves again");
        note_stall(node, false);
    }
}

static void hand_save(struct node *node)
{
    node->saving = true;
    if (node->save_begun_us == 0) {
        node->save_begun_us = node->now.mono_us;
    }
    if (node->stall.at_us == 0) {
        wheel_set(&node->wheel, &node->stall,
                  node->now.mono_us + node->settings.disk_stall_us, fire_stall);
    }
    trace_save(node);
    node->store.save(node->store.context, &node->save);
}

static void fire_save_retry(struct node *node, struct wheel_timer *timer)
{
    (void)timer;
    hand_save(node);
}

/* One save is under way at a time; what comes meanwhile rides on the next
 * one, so that batches grow with the load. */
static void start_save(struct node *node, bool commit_too)
{
    if (node->saving || node->save_retry.at_us != 0) {
        return;
    }
    struct node_save *save = &node->save;
    *save = (struct node_save){0};
    size_t bytes_max =
        node_or_best(node->settings.save_bytes_max, SAVE_BYTES_MAX);
    bool some = raft_take_save(node->raft, bytes_max, commit_too, &save->log);
    if (!some && !node->ack_dirty && !node->cluster_dirty &&
        !snapshot_waits_for_save(node)) {
        return;
    }
    snapshot_into_save(node, save);
    save->ack_dirty = node->ack_dirty;
    save->ack = node->ack_wanted;
    node->ack_dirty = false;
    while (!list_empty(&node->ack_waiting)) {
        struct list *first = node->ack_waiting.next;
        list_remove(first);
        list_push_back(&node->ack_saving, first);
    }
    save->cluster_dirty = node->cluster_dirty;
    save->cluster_id = node->identity.cluster_id;
    save->epoch = node->identity.epoch;
    node->cluster_dirty = false;
    hand_save(node);
}

static void note_saved(struct node *node)
{
    const struct raft_save *log = &node->save.log;
    struct raft_event event = {.type = RAFT_EVENT_SAVED};
    event.saved.state = log->state;
    if (log->entry_count > 0) {
        event.saved.index = log->entries[log->entry_count - 1].index;
        event.saved.term = log->entries[log->entry_count - 1].term;
    } else if (log->install != NULL) {
        event.saved.index = log->base.index;
        event.saved.term = log->base.term;
    }
    driver_note(node, &event);
}

static void answer_acks(struct node *node, struct list *acks, bool saved)
{
    while (!list_empty(acks)) {
        struct request *request = list_entry(acks->next, struct request, held);
        list_remove(&request->held);
        if (saved) {
            request_ok(node, request);
        } else {
            request_error(node, request, ERROR_DISK,
                          "the disk is full: the acknowledgement is saved "
                          "once there is room");
        }
    }
}

void driver_saved(struct node *node, enum node_save_result result)
{
    assert(node->saving);
    node->saving = false;
    switch (result) {
    case NODE_SAVE_OK:
        if (node->no_room) {
            node->no_room = false;
            node_note(node, LOG_LEVEL_INFO,
                      "the disk has room again: saving goes on");
        }
        end_stall(node);
        note_saved(node);
        if (node->save.ack_dirty) {
            node->ack = node->save.ack;
        }
        answer_acks(node, &node->ack_saving, true);
        snapshot_saved(node, &node->save);
        if (node->save.log.base_dirty) {
            snapshot_forget_below(node, node->save.log.base.index);
            compact_saved(node, node->save.log.base.index);
        }
        raft_save_clear(&node->save.log);
        break;
    case NODE_SAVE_NO_ROOM:
        if (!node->no_room) {
            node->no_room = true;
            node_note(node, LOG_LEVEL_ERROR,
                      "the disk is full: nothing can be saved, SUBMIT is "
                      "answered DISK; free some room, no restart is needed");
        }
        /* Those behind it would wait for this save, for ever perhaps. */
        answer_acks(node, &node->ack_saving, false);
        answer_acks(node, &node->ack_waiting, false);
        compact_no_room(node);
        wheel_set(&node->wheel, &node->save_retry,
                  node->now.mono_us + SAVE_RETRY_US, fire_save_retry);
        break;
    }
}

static void fire_commit_save(struct node *node, struct wheel_timer *timer)
{
    if (node->saving || node->save_retry.at_us != 0) {
        wheel_set(&node->wheel, timer, node->now.mono_us + COMMIT_SAVE_US,
                  fire_commit_save);
        return;
    }
    start_save(node, true);
}

static void drop_ack(struct node *node, struct request *request)
{
    (void)node;
    list_remove(&request->held);
}

void driver_ack(struct node *node, struct request *request, raft_index index)
{
    node->ack_wanted = index;
    node->ack_dirty = true;
    request->dropped = drop_ack;
    list_push_back(&node->ack_waiting, &request->held);
}

/* ---- old entries for peers ---------------------------------------------- */

static void start_fetch(struct node *node, const struct raft_fetch *wanted)
{
    struct fetch *fetch = x_calloc(1, sizeof(*fetch));
    fetch->request = node->next_read++;
    fetch->peer = wanted->peer;
    list_push_back(&node->fetches, &fetch->in_list);
    struct node_read read = {.request = fetch->request,
                             .first = wanted->first,
                             .last = wanted->last,
                             .bytes_max = wanted->bytes_max};
    node->store.read(node->store.context, &read);
}

bool driver_fetched(struct node *node, struct node_read_answer *answer)
{
    struct fetch *fetch = NULL;
    list_each(at, following, &node->fetches)
    {
        struct fetch *candidate = list_entry(at, struct fetch, in_list);
        if (candidate->request == answer->request) {
            fetch = candidate;
        }
    }
    if (fetch == NULL) {
        return false;
    }
    if (answer->result == NODE_READ_CORRUPT) {
        node_note(node, LOG_LEVEL_ERROR,
                  "entry %llu is damaged on disk: node %lu cannot get it from "
                  "here",
                  (unsigned long long)answer->index,
                  (unsigned long)fetch->peer);
    }
    fetch->answer = *answer;
    answer->entries = NULL;
    answer->entry_count = 0;
    list_remove(&fetch->in_list);
    list_push_back(&node->inbox_fetched, &fetch->in_list);
    struct raft_event event = {.type = RAFT_EVENT_FETCHED};
    event.fetched.peer = fetch->peer;
    event.fetched.first = fetch->answer.first;
    event.fetched.prev_chain = fetch->answer.prev_chain;
    event.fetched.entries = fetch->answer.entries;
    event.fetched.entry_count = fetch->answer.entry_count;
    driver_note(node, &event);
    return true;
}

/* ---- telling ------------------------------------------------------------ */

/* A new node takes the name of the cluster from those who brought it in.  At a
 * birth there may be none: entry 1 is the map of members and instances, and its
 * hash is the cluster's id. */
static bool find_cluster(const struct node *node, struct digest *cluster_id,
                         uint64_t *epoch)
{
    size_t count = 0;
    const struct raft_config_entry *configs =
        raft_config_history(node->raft, &count);
    if (count == 0) {
        return false;
    }
    const struct peer *other = peers_of_cluster(node);
    if (other != NULL) {
        *cluster_id = other->cluster_id;
        *epoch = other->epoch;
        return true;
    }
    const struct blob *map = configs[0].payload;
    *cluster_id = digest_of(map->data, map->size);
    *epoch = 0;
    return configs[0].index == 1;
}

static void adopt_cluster(struct node *node)
{
    struct digest cluster_id;
    uint64_t epoch;
    if (!digest_is_zero(node->identity.cluster_id) ||
        !find_cluster(node, &cluster_id, &epoch)) {
        return;
    }
    node->identity.cluster_id = cluster_id;
    node->identity.epoch = epoch;
    node->cluster_dirty = true;
    peers_greet_again(node);
    char hex[DIGEST_SIZE * 2 + 1];
    digest_to_hex(node->identity.cluster_id, hex);
    node_note(node, LOG_LEVEL_INFO, "this node is a part of cluster %s (%s)",
              node->settings.cluster, hex);
}

static void tell_commit(struct node *node, raft_index index)
{
    assert(index > node->told);
    node->counters.commits += index - node->told;
    node->told = index;
    pending_told(node);
    birth_told(node);
    greet_told(node);
    control_told(node);
    feed_wake(node);
    if (node->commit_save.at_us == 0) {
        wheel_set(&node->wheel, &node->commit_save,
                  node->now.mono_us + COMMIT_SAVE_US, fire_commit_save);
    }
}

static void tell(struct node *node, const struct raft_tell *tell)
{
    switch (tell->type) {
    case RAFT_TELL_ACCEPTED:
    case RAFT_TELL_FOUND:
    case RAFT_TELL_REFUSED:
        submit_decided(node, tell);
        break;
    case RAFT_TELL_READ:
        pending_read(node, tell->ticket, tell->index);
        break;
    case RAFT_TELL_COMMIT:
        tell_commit(node, tell->index);
        break;
    case RAFT_TELL_ROLE: /* events_wake() and the pumps see it, each turn */
    case RAFT_TELL_CONFIG:
        peers_update(node);
        moved_role(node);
        break;
    case RAFT_TELL_CHANGE:
        change_told(node, tell);
        break;
    case RAFT_TELL_TRANSFER:
        change_transferred(node, tell);
        break;
    case RAFT_TELL_INSTALL:
        install_needed(node, tell->peer);
        break;
    }
}

/* ---- the turn ----------------------------------------------------------- */

static void carry_out(struct node *node)
{
    const struct raft_effects *effects = raft_effects(node->raft);
    adopt_cluster(node); /* rides on the save of entry 1 */
    start_save(node, false);
    for (size_t i = 0; i < effects->message_count; i++) {
        trace_message(node, &effects->messages[i]);
        peers_send(node, &effects->messages[i]);
    }
    for (size_t i = 0; i < effects->fetch_count; i++) {
        start_fetch(node, &effects->fetches[i]);
    }
    for (size_t i = 0; i < effects->tell_count; i++) {
        tell(node, &effects->tells[i]);
    }
    for (size_t i = 0; i < effects->note_count; i++) {
        node_note(node, effects->notes[i].level, "%s", effects->notes[i].text);
    }
    raft_effects_clear(node->raft);
}

/* An event that comes out of this round's effects waits for the next one:
 * the inbox is taken whole before the step. */
static void step(struct node *node)
{
    trace_inbox(node);
    raft_set_patient(node->raft,
                     node->requests.count == 0 && node->follower_count == 0);
    raft_step(node->raft, node->now, node->inbox, node->inbox_count);
    trace_state(node);
    inbox_clear(node);
    carry_out(node);
}

void driver_run(struct node *node)
{
    for (int round = 0; round < ROUNDS_MAX; round++) {
        submit_pump(node);
        control_pump(node);
        change_tick(node);
        compact_pump(node);
        install_pump(node);
        if (round > 0 && node->inbox_count == 0) {
            break;
        }
        step(node);
    }
    submit_flush(node);
    events_wake(node);
}
