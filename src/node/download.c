/* SNAPSHOT READ and INFO, and the snapshots that streams announce.
 *
 * One READ of a session at a time is worked on, as with READ of the log. */
#include "node/session.h"

#include "node/commands.h"

/* ---- which one ---------------------------------------------------------- */

/* The one that a stream announced last and still waits for is what an app
 * means that says no index; else it is the present one. */
static struct snapshot *choose(const struct node *node, raft_index index)
{
    struct snapshot *announced = NULL;
    if (index != 0) {
        return snapshot_find(node, index);
    }
    list_each(at, following, &node->session_list)
    {
        struct session *session = list_entry(at, struct session, in_node);
        struct snapshot *candidate = session->announced;
        if (candidate != NULL &&
            (announced == NULL ||
             candidate->what.index > announced->what.index)) {
            announced = candidate;
        }
    }
    return announced != NULL ? announced : node->snapshot;
}

static bool fits(const struct snapshot *pinned, const struct request *request)
{
    return pinned != NULL && request->offset != 0 &&
           (request->index == 0 || request->index == pinned->what.index);
}

/* False: the request is answered, there is none. */
static bool pin(struct node *node, struct session *session,
                struct request *request)
{
    if (fits(session->pinned, request)) {
        return true;
    }
    struct snapshot *chosen = choose(node, request->index);
    if (chosen != NULL) {
        snapshot_pin(chosen);
    }
    snapshot_unpin(node, session->pinned);
    session->pinned = chosen;
    if (chosen == NULL && request->index != 0) {
        request_error(node, request, ERROR_ERR,
                      "there is no snapshot of entry %llu here",
                      (unsigned long long)request->index);
    } else if (chosen == NULL) {
        request_error(node, request, ERROR_ERR, "there is no snapshot here");
    }
    return chosen != NULL;
}

/* ---- READ --------------------------------------------------------------- */

static void drop_read(struct node *node, struct request *request)
{
    (void)node;
    list_remove(&request->held);
}

static void read_done(struct node *node, const struct file_ask *ask,
                      const struct node_file_answer *answer)
{
    struct request *request = request_find(node, ask->ticket);
    if (request == NULL) {
        return;
    }
    struct session *session = request->session;
    session->downloading = false;
    switch (answer->result) {
    case NODE_FILE_OK:
        resp_write_blob(request_out(request), answer->bytes);
        request_finish(node, request);
        break;
    case NODE_FILE_CORRUPT:
        snapshot_damaged(node, ask->serial);
        request_error(node, request, ERROR_CORRUPT,
                      "%llu is the entry of a snapshot that is damaged on this "
                      "node's disk",
                      (unsigned long long)ask->serial);
        break;
    case NODE_FILE_NO_ROOM:
    case NODE_FILE_MISMATCH:
    case NODE_FILE_FAILED:
        request_error(node, request, ERROR_DISK,
                      "the snapshot cannot be read now");
        break;
    }
    session_touch(node, session);
}

void download_resume(struct node *node, struct session *session)
{
    while (!session->downloading && !list_empty(&session->downloads)) {
        struct request *request =
            list_entry(session->downloads.next, struct request, held);
        if (!session_has_room(session, request)) {
            return;
        }
        list_remove(&request->held);
        if (!pin(node, session, request)) {
            continue;
        }
        session->downloading = true;
        struct node_file_request read = {.work = NODE_FILE_READ,
                                         .snapshot = session->pinned->what,
                                         .offset = request->offset,
                                         .size = (size_t)request->count};
        struct file_ask ask = {.done = read_done,
                               .ticket = request->ticket,
                               .serial = session->pinned->what.index};
        file_ask(node, &read, &ask);
    }
}

void download_read(struct node *node, struct request *request)
{
    request->dropped = drop_read;
    list_push_back(&request->session->downloads, &request->held);
    download_resume(node, request->session);
}

/* ---- INFO --------------------------------------------------------------- */

void download_info(struct node *node, struct session *session,
                   struct request *request)
{
    const struct snapshot *snapshot =
        session->pinned != NULL ? session->pinned : node->snapshot;
    struct out *out = request_out(request);
    if (snapshot == NULL) {
        resp_write_nil(out, session->resp);
    } else {
        char hex[SHA256_HEX_SIZE];
        sha256_to_hex(snapshot->what.sha256, hex);
        resp_write_array(out, 4);
        resp_write_integer(out, (int64_t)snapshot->what.index);
        resp_write_integer(out, (int64_t)snapshot->what.term);
        resp_write_integer(out, (int64_t)snapshot->what.size);
        resp_write_text(out, hex);
    }
    request_finish(node, request);
}

/* ---- streams ------------------------------------------------------------ */

void download_stream_end(struct node *node, struct session *session)
{
    wheel_cancel(&node->wheel, &session->announced_timer);
    snapshot_unpin(node, session->announced);
    session->announced = NULL;
}

static void fire_announced(struct node *node, struct wheel_timer *timer)
{
    struct session *session =
        list_entry(timer, struct session, announced_timer);
    node_note(node, LOG_LEVEL_WARNING,
              "the snapshot of entry %llu was announced to an app that has not "
              "acknowledged it within snapshot-hold: it is no longer kept",
              (unsigned long long)session->announced->what.index);
    download_stream_end(node, session);
}

const struct node_snapshot *
download_announce(struct node *node, struct session *session, raft_index first)
{
    struct snapshot *snapshot = node->snapshot;
    if (snapshot == NULL || snapshot->what.index + 1 < first) {
        return NULL;
    }
    snapshot_pin(snapshot);
    download_stream_end(node, session);
    session->announced = snapshot;
    wheel_set(&node->wheel, &session->announced_timer,
              node->now.mono_us + node->settings.snapshot_hold_us,
              fire_announced);
    return &snapshot->what;
}

void download_acked(struct node *node, struct session *session,
                    raft_index index)
{
    if (session->announced != NULL && index >= session->announced->what.index) {
        download_stream_end(node, session);
    }
}

void download_end(struct node *node, struct session *session)
{
    download_stream_end(node, session);
    snapshot_unpin(node, session->pinned);
    session->pinned = NULL;
}
