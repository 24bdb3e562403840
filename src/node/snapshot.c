#include "node/snapshot.h"

#include <assert.h>
#include <stdlib.h>

#include "base/mem.h"
#include "node/internal.h"

/* ---- requests to the store ---------------------------------------------- */

void file_ask(struct node *node, struct node_file_request *request,
              const struct file_ask *ask)
{
    request->request = node->next_file_ask++;
    if (ask != NULL) {
        struct file_ask *copy = x_malloc(sizeof(*copy));
        *copy = *ask;
        copy->bytes = request->bytes == NULL ? NULL : ask->bytes;
        blob_share(copy->bytes);
        map_put(&node->file_asks, request->request, copy);
    }
    node->store.file(node->store.context, request);
}

void file_answered(struct node *node, struct node_file_answer *answer)
{
    struct file_ask *ask = map_remove(&node->file_asks, answer->request);
    assert(ask != NULL);
    blob_free(ask->bytes);
    ask->bytes = NULL;
    ask->done(node, ask, answer);
    blob_free(answer->bytes);
    answer->bytes = NULL;
    free(ask);
}

/* ---- those that are here ------------------------------------------------ */

static struct snapshot *add(struct node *node, const struct node_snapshot *what)
{
    struct snapshot *snapshot = x_calloc(1, sizeof(*snapshot));
    snapshot->what = *what;
    list_push_back(&node->snapshots, &snapshot->in_node);
    return snapshot;
}

void snapshots_init(struct node *node, const struct node_snapshot *present)
{
    list_init(&node->snapshots);
    node->next_file_ask = 1;
    if (present->index != 0) {
        node->snapshot = add(node, present);
    }
}

void snapshots_free(struct node *node)
{
    list_each(at, following, &node->snapshots)
    {
        free(list_entry(at, struct snapshot, in_node));
    }
    /* The answers that are still to come find nobody. */
    for (uint64_t at = 1; node->file_asks.count > 0 && at < node->next_file_ask;
         at++) {
        struct file_ask *ask = map_remove(&node->file_asks, at);
        if (ask != NULL) {
            blob_free(ask->bytes);
            free(ask);
        }
    }
    map_free(&node->file_asks);
}

static void drop_file(struct node *node, uint64_t file)
{
    struct node_file_request request = {.work = NODE_FILE_DROP};
    request.snapshot.file = file;
    file_ask(node, &request, NULL);
}

static void let_go(struct node *node, struct snapshot *snapshot)
{
    if (snapshot->pins == 0 && snapshot != node->snapshot) {
        drop_file(node, snapshot->what.file);
        list_remove(&snapshot->in_node);
        free(snapshot);
    }
}

struct snapshot *snapshot_pin(struct snapshot *snapshot)
{
    snapshot->pins++;
    return snapshot;
}

void snapshot_unpin(struct node *node, struct snapshot *snapshot)
{
    if (snapshot != NULL) {
        assert(snapshot->pins > 0);
        snapshot->pins--;
        let_go(node, snapshot);
    }
}

struct snapshot *snapshot_find(const struct node *node, raft_index index)
{
    list_each(at, following, &node->snapshots)
    {
        struct snapshot *snapshot = list_entry(at, struct snapshot, in_node);
        if (snapshot->what.index == index) {
            return snapshot;
        }
    }
    return NULL;
}

void snapshot_damaged(struct node *node, raft_index index)
{
    struct snapshot *snapshot = snapshot_find(node, index);
    if (snapshot == NULL || snapshot->damaged) {
        return;
    }
    snapshot->damaged = true;
    node_note(node, LOG_LEVEL_ERROR,
              "the snapshot of entry %llu is damaged on this disk: no node is "
              "sent it, and apps cannot read all of it; have the app take a "
              "new one (raftctl snapshot load)",
              (unsigned long long)index);
}

/* ---- which one is valid ------------------------------------------------- */

void snapshot_name(struct node *node, const struct node_snapshot *what)
{
    struct node_snapshot *next = &node->snapshot_next;
    if (next->index != 0 && next->index >= what->index) {
        drop_file(node, what->file);
        return;
    }
    if (next->index != 0) {
        drop_file(node, next->file);
    }
    *next = *what;
}

/* One that came from another node waits until the log on disk reaches it: by
 * entries that are saved, or by the base, which the same save has then. */
bool snapshot_waits_for_save(const struct node *node)
{
    raft_index index = node->snapshot_next.index;
    struct raft_status status;
    raft_status(node->raft, &status);
    return index != 0 && (index <= status.told || index < status.first);
}

static raft_index present_index(const struct node *node)
{
    return node->snapshot == NULL ? 0 : node->snapshot->what.index;
}

void snapshot_into_save(struct node *node, struct node_save *save)
{
    struct node_snapshot *next = &node->snapshot_next;
    struct raft_status status;
    if (!snapshot_waits_for_save(node)) {
        return;
    }
    raft_status(node->raft, &status);
    /* The log may have been cut behind it since it was begun. */
    if (next->index > present_index(node) && next->index + 1 >= status.first) {
        save->snapshot_dirty = true;
        save->snapshot = *next;
    } else {
        drop_file(node, next->file);
    }
    *next = (struct node_snapshot){0};
}

static void replace(struct node *node, struct snapshot *present)
{
    struct snapshot *old = node->snapshot;
    node->snapshot = present;
    if (old != NULL) {
        let_go(node, old);
    }
}

void snapshot_saved(struct node *node, const struct node_save *save)
{
    if (save->snapshot_dirty) {
        replace(node, add(node, &save->snapshot));
        compact_behind(node, save->snapshot.index);
    }
    upload_named(node);
}

void snapshot_forget_below(struct node *node, raft_index base)
{
    if (node->snapshot != NULL && node->snapshot->what.index < base) {
        replace(node, NULL);
    }
}
