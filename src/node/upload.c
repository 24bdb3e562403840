/* The app's upload: chunks go to the store as they come, and a connection is
 * read only as fast as the disk takes them. */
#include "node/session.h"

#include "node/commands.h"

/* Chunks that wait for the disk: then the connection is held back. */
#define WAITING_BYTES_MAX ((size_t)8 * 1024 * 1024)

static bool is_of(const struct node *node, const struct session *session)
{
    return node->upload.state != UPLOAD_NONE &&
           node->upload.conn == session->conn;
}

static void over(struct node *node)
{
    struct session *session = session_find(node, node->upload.conn);
    node->upload.state = UPLOAD_NONE;
    if (session != NULL) {
        session->uploads = false;
        session_limit(node, session);
    }
}

/* The store has dropped what it had of it. */
static void failed(struct node *node, const struct file_ask *ask,
                   enum node_file_result result)
{
    struct request *request = request_find(node, ask->ticket);
    if (node->upload.state != UPLOAD_NONE &&
        node->upload.serial == ask->serial) {
        over(node);
    }
    if (request != NULL && result == NODE_FILE_NO_ROOM) {
        request_error(node, request, ERROR_DISK,
                      "the disk is full: the upload is dropped");
    } else if (request != NULL) {
        request_error(node, request, ERROR_DISK,
                      "the disk does not take it: the upload is dropped");
    }
}

static struct file_ask ask_for(const struct node *node,
                               const struct request *request, file_done *done)
{
    return (struct file_ask){
        .done = done, .ticket = request->ticket, .serial = node->upload.serial};
}

/* ---- BEGIN -------------------------------------------------------------- */

static bool may_begin(struct node *node, struct request *request,
                      raft_index index)
{
    struct raft_status status;
    raft_status(node->raft, &status);
    raft_index present =
        node->snapshot == NULL ? 0 : node->snapshot->what.index;
    if (node->upload.state != UPLOAD_NONE) {
        request_error(node, request, ERROR_CONFLICT,
                      "another upload is under way, of entry %llu",
                      (unsigned long long)node->upload.index);
    } else if (index > node->told) {
        request_error(node, request, ERROR_ERR,
                      "%llu is not committed here yet: the commit index is "
                      "%llu",
                      (unsigned long long)index,
                      (unsigned long long)node->told);
    } else if (index <= present || index == 0) {
        request_error(node, request, ERROR_ERR,
                      "the present snapshot is of entry %llu: expected a later "
                      "one",
                      (unsigned long long)present);
    } else if (index + 1 < status.first) {
        request_error(node, request, ERROR_ERR,
                      "%llu is before the log, which begins with %llu",
                      (unsigned long long)index,
                      (unsigned long long)status.first);
    } else if (node->no_room) {
        request_error(node, request, ERROR_DISK,
                      "the disk of this node is full: nothing can be saved");
    } else {
        return true;
    }
    return false;
}

static void begin_done(struct node *node, const struct file_ask *ask,
                       const struct node_file_answer *answer)
{
    struct request *request = request_find(node, ask->ticket);
    if (answer->result != NODE_FILE_OK) {
        failed(node, ask, answer->result);
    } else if (request != NULL) {
        request_ok(node, request);
    }
}

void upload_begin(struct node *node, struct session *session,
                  struct request *request, raft_index index)
{
    if (!may_begin(node, request, index)) {
        return;
    }
    node->upload = (struct upload){.state = UPLOAD_OPEN,
                                   .conn = session->conn,
                                   .serial = node->upload.serial + 1,
                                   .index = index,
                                   .begun_us = node->now.mono_us};
    session->uploads = true;
    session_limit(node, session);
    struct node_file_request begin = {.work = NODE_FILE_BEGIN};
    begin.snapshot.index = index;
    begin.snapshot.term = raft_term_at(node->raft, index);
    struct file_ask ask = ask_for(node, request, begin_done);
    file_ask(node, &begin, &ask);
}

/* ---- WRITE -------------------------------------------------------------- */

static void write_done(struct node *node, const struct file_ask *ask,
                       const struct node_file_answer *answer)
{
    struct request *request = request_find(node, ask->ticket);
    if (request != NULL) {
        /* Its session lives, and may have waited for this. */
        request->session->writing_bytes -= (size_t)request->count;
        session_touch(node, request->session);
    }
    if (answer->result != NODE_FILE_OK) {
        failed(node, ask, answer->result);
        return;
    }
    if (node->upload.serial == ask->serial) {
        node->upload.bytes = answer->have;
    }
    if (request != NULL) {
        request_integer(node, request, answer->have);
    }
}

static bool takes_chunk(struct node *node, const struct session *session,
                        struct request *request, const struct resp_word *chunk)
{
    if (chunk->size > NODE_FILE_READ_MAX) {
        request_error(node, request, ERROR_TOOBIG,
                      "the chunk has %zu bytes: expected at most 16777216",
                      chunk->size);
        return false;
    }
    if (!is_of(node, session) || node->upload.state != UPLOAD_OPEN ||
        chunk->data == NULL) {
        request_error(node, request, ERROR_ERR,
                      "no upload is under way on this connection: expected "
                      "SNAPSHOT BEGIN first");
        return false;
    }
    return true;
}

void upload_write(struct node *node, struct session *session,
                  struct request *request, const struct resp_word *chunk)
{
    if (!takes_chunk(node, session, request, chunk)) {
        return;
    }
    struct blob *bytes = resp_word_blob(chunk);
    struct file_ask ask = ask_for(node, request, write_done);
    struct node_file_request write = {.work = NODE_FILE_WRITE, .bytes = bytes};
    ask.bytes = bytes;
    request->count = chunk->size;
    session->writing_bytes += chunk->size;
    file_ask(node, &write, &ask);
    blob_free(bytes);
}

bool upload_holds_back(const struct session *session)
{
    return session->writing_bytes >= WAITING_BYTES_MAX;
}

/* ---- END, ABORT --------------------------------------------------------- */

static void end_done(struct node *node, const struct file_ask *ask,
                     const struct node_file_answer *answer)
{
    if (answer->result != NODE_FILE_OK) {
        failed(node, ask, answer->result);
        return;
    }
    node->upload.state = UPLOAD_NAMING;
    node->upload.file = answer->snapshot.file;
    snapshot_name(node, &answer->snapshot);
}

void upload_end(struct node *node, struct session *session,
                struct request *request)
{
    if (!is_of(node, session) || node->upload.state != UPLOAD_OPEN) {
        request_error(node, request, ERROR_ERR,
                      "no upload is under way on this connection: expected "
                      "SNAPSHOT BEGIN first");
        return;
    }
    node->upload.state = UPLOAD_ENDING;
    node->upload.ticket = request->ticket;
    struct node_file_request end = {.work = NODE_FILE_END};
    struct file_ask ask = ask_for(node, request, end_done);
    file_ask(node, &end, &ask);
}

static void note_end(struct node *node)
{
    const struct node_snapshot *what = &node->snapshot->what;
    uint64_t took_us = node->now.mono_us - node->upload.begun_us;
    node_note(node, LOG_LEVEL_INFO,
              "the app's snapshot of entry %llu is saved: %llu bytes in %llu "
              "ms",
              (unsigned long long)what->index, (unsigned long long)what->size,
              (unsigned long long)took_us / 1000);
}

/* A later one may have come from another node in the meantime, or the log have
 * been cut behind it: then the save did not name it, and its file is gone. */
void upload_named(struct node *node)
{
    if (node->upload.state != UPLOAD_NAMING ||
        node->snapshot_next.file == node->upload.file) {
        return;
    }
    struct request *request = request_find(node, node->upload.ticket);
    bool valid = node->snapshot != NULL &&
                 node->snapshot->what.file == node->upload.file;
    raft_index index = node->upload.index;
    if (valid) {
        note_end(node);
    }
    over(node);
    if (request != NULL && valid) {
        request_ok(node, request);
    } else if (request != NULL) {
        request_error(node, request, ERROR_ERR,
                      "the snapshot of entry %llu is of no use any more: the "
                      "log has been cut behind it",
                      (unsigned long long)index);
    }
}

void upload_abort(struct node *node, struct session *session)
{
    if (is_of(node, session) && node->upload.state == UPLOAD_OPEN) {
        struct node_file_request abort = {.work = NODE_FILE_ABORT};
        file_ask(node, &abort, NULL);
        over(node);
    }
}
