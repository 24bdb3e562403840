/* No queue, table or buffer of a node is over its stated limit.  The only file
 * of the simulator that looks into the node: so it says, too, which change is
 * open there. */
#include "node/session.h"

#include "node/change.h"
#include "node/install.h"
#include "node/peers.h"
#include "node/snapshot.h"
#include "world.h"

static void over(const struct host *host, const char *what, uint64_t found,
                 uint64_t most)
{
    if (found > most) {
        world_fail(host->world, "limits", "n%lu: %s: %llu, at most %llu",
                   (unsigned long)host->id, what, (unsigned long long)found,
                   (unsigned long long)most);
    }
}

static void check_core(const struct host *host)
{
    struct raft_status status;
    raft_status(node_raft(host->node), &status);
    /* One entry may be over, and those of a term's begin come on top. */
    if (status.role == RAFT_ROLE_LEADER) {
        over(host, "bytes uncommitted", status.uncommitted_bytes,
             MAX_PENDING_BYTES + 2 * MAX_PAYLOAD);
    }
}

static void check_session(const struct host *host,
                          const struct session *session)
{
    /* A protocol error is one more. */
    over(host, "requests of a session", session->request_count,
         SESSION_REQUESTS_MAX + 1);
    uint64_t waiting = 0;
    uint64_t largest = 0;
    list_each(at, following, &session->requests)
    {
        size_t size = list_entry(at, struct request, in_session)->reply.size;
        waiting += size;
        largest = size > largest ? size : largest;
    }
    /* Whoever begins one while there is room may go over. */
    over(host, "bytes of replies that wait for others", waiting - largest,
         SESSION_OUTPUT_MAX);
}

static void check_sessions(const struct host *host)
{
    const struct node *node = host->node;
    over(host, "sessions", node->sessions.count, node->settings.max_clients);
    over(host, "bytes of SUBMITs", node->submit_bytes,
         MAX_PENDING_BYTES + MAX_PAYLOAD); /* it may have been less since */
    list_each(at, following, &node->session_list)
    {
        check_session(host, list_entry(at, struct session, in_node));
    }
}

static void check_links(const struct host *host)
{
    const struct node *node = host->node;
    over(host, "strangers", node->stranger_count, STRANGERS_MAX);
    list_each(at, following, &node->peers)
    {
        const struct peer *peer = list_entry(at, struct peer, in_node);
        if (peer->link != NULL) {
            over(host, "bytes for a peer",
                 peer->link->unsent_bytes + peer->link->out.size,
                 LINK_OUTPUT_MAX + FRAME_SIZE_MAX);
        }
    }
}

/* What came from another node, and is whole, is on its way to a save, or it is
 * pinned, or the valid one. */
static bool needs_file(const struct host *host, uint64_t file)
{
    const struct node *node = host->node;
    const struct taking *taking = &node->install->taking;
    list_each(at, following, &node->snapshots)
    {
        if (list_entry(at, struct snapshot, in_node)->what.file == file) {
            return true;
        }
    }
    return node->snapshot_next.file == file ||
           (taking->file == TAKING_READY && taking->snapshot.file == file) ||
           (host->saving != NULL && host->saving->snapshot.file == file);
}

static void check_files(const struct host *host)
{
    uint64_t file = 0;
    while ((file = files_received(host, file)) != 0) {
        if (!needs_file(host, file)) {
            world_fail(host->world, "snapshots that nobody needs go",
                       "n%lu keeps file %llu", (unsigned long)host->id,
                       (unsigned long long)file);
        }
    }
}

size_t check_targets(const struct host *host, struct raft_config targets[2])
{
    const struct change *change = &host->node->change;
    struct raft_change_status status;
    raft_change_status(node_raft(host->node), &status);
    size_t count = 0;
    if (status.target != NULL) {
        targets[count++] = *status.target;
    }
    /* Nothing comes of a plan. */
    if (change->stage != CHANGE_CLOSED && change->stage != CHANGE_PLANNING) {
        targets[count++] = change->target;
    }
    return count;
}

bool check_prepares(struct host *host)
{
    const struct change *change = &host->node->change;
    struct raft_change_status status;
    raft_change_status(node_raft(host->node), &status);
    bool begun = change->begun_us != host->begun_us ||
                 change->serial != host->change_serial;
    bool was = host->prepares;
    host->begun_us = change->begun_us;
    host->change_serial = change->serial;
    host->prepares =
        change->stage == CHANGE_REACHING ||
        (change->stage == CHANGE_ASKED && status.stage == RAFT_CHANGE_CATCH_UP);
    return was || begun || host->prepares;
}

void check_limits(struct host *host)
{
    check_core(host);
    check_sessions(host);
    check_links(host);
    check_files(host);
}
