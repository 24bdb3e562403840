/* A base that comes from a leader. */
#include <stdlib.h>
#include <string.h>

#include "node/install.h"
#include "node/snapshot.h"

static void drop_whole(struct node *node, const struct node_snapshot *snapshot)
{
    struct node_file_request request = {
        .work = NODE_FILE_DROP, .received = true, .snapshot = *snapshot};
    file_ask(node, &request, NULL);
}

/* What the store has begun of one, now or for an earlier offer or process. */
static void drop_begun(struct node *node)
{
    struct node_file_request request = {.work = NODE_FILE_ABORT,
                                        .received = true};
    file_ask(node, &request, NULL);
}

/* What is here of the app's snapshot goes, unless a save names it.  Of one that
 * ends, the answer says what is to go. */
static void drop_file(struct node *node)
{
    struct taking *taking = &node->install->taking;
    if (taking->file == TAKING_BEGINS || taking->file == TAKING_WRITES) {
        drop_begun(node);
    } else if (taking->file == TAKING_READY && !taking->named) {
        drop_whole(node, &taking->snapshot);
    }
    taking->file = TAKING_NO_FILE;
    taking->given = 0;
    taking->have = 0;
    taking->settles = false;
    taking->named = false;
    taking->serial++;
}

static void forget(struct node *node)
{
    struct taking *taking = &node->install->taking;
    drop_file(node);
    buf_free(&taking->record);
    raft_install_clear(&taking->install);
    taking->whole = false;
    taking->offer = (struct frame_offer){0};
}

void take_end(struct node *node)
{
    struct taking *taking = &node->install->taking;
    wheel_cancel(&node->wheel, &taking->again);
    if (taking->link != NULL) {
        link_free(node, taking->link);
        taking->link = NULL;
    }
    /* What the store has of a snapshot is gone on with after a restart. */
    taking->file = TAKING_NO_FILE;
    forget(node);
}

/* ---- saying what is wanted ---------------------------------------------- */

static void fire_again(struct node *node, struct wheel_timer *timer);

static void say_want(struct node *node, const struct frame_want *want)
{
    struct taking *taking = &node->install->taking;
    if (taking->link != NULL) {
        frame_write_want(&taking->link->out, taking->link->version, want);
        wheel_set(&node->wheel, &taking->again,
                  node->now.mono_us + INSTALL_AGAIN_US, fire_again);
    }
}

/* On a new connection not before its offer is here: nothing may be under way on
 * it while that settles what has come on the one before. */
static void say_progress(struct node *node)
{
    struct taking *taking = &node->install->taking;
    if (!taking->offered) {
        return;
    }
    struct frame_want want = {.index = taking->offer.index,
                              .offset = taking->record.size + taking->have};
    pace_note(&taking->pace, node->now.mono_us, want.offset);
    say_want(node, &want);
}

/* What came before the store says how much it has, and where it is to go on,
 * would be dropped, and not be sent again. */
static bool may_come(const struct taking *taking)
{
    return taking->file != TAKING_BEGINS && !taking->settles;
}

/* While it is saved, and while the next chunk is long on its way. */
static void fire_again(struct node *node, struct wheel_timer *timer)
{
    const struct taking *taking = &node->install->taking;
    (void)timer;
    if (taking->offer.index != 0 && may_come(taking)) {
        say_progress(node);
    }
}

static const char *decline_text(enum frame_decline decline)
{
    switch (decline) {
    case FRAME_DECLINE_HASH:
        return "the snapshot had not the hash that was said";
    case FRAME_DECLINE_NO_ROOM:
        return "this disk is full, or would be";
    case FRAME_DECLINE_DISK:
        return "this disk does not take it";
    case FRAME_DECLINE_RECORD:
        return "its record cannot be read";
    case FRAME_DECLINE_NOT:
        break;
    }
    return "";
}

/* Whoever sends it ends the connection then, and comes again. */
static void decline(struct node *node, enum frame_decline decline)
{
    struct taking *taking = &node->install->taking;
    const char *why = decline_text(decline);
    struct frame_want want = {.index = taking->offer.index,
                              .decline = (uint8_t)decline};
    node_note(node, taking->why == why ? LOG_LEVEL_DEBUG : LOG_LEVEL_ERROR,
              "what node %lu sends of the state as of entry %llu is not taken: "
              "%s",
              (unsigned long)taking->from,
              (unsigned long long)taking->offer.index, why);
    taking->why = why;
    taking->why_index = taking->offer.index;
    say_want(node, &want);
    wheel_cancel(&node->wheel, &taking->again);
    forget(node);
}

/* ---- what comes --------------------------------------------------------- */

void install_accepted(struct node *node, struct link *link, struct peer *peer)
{
    struct taking *taking = &node->install->taking;
    list_remove(&link->in_strangers);
    node->stranger_count--;
    link->from = peer->id;
    if (taking->link != NULL) {
        link_free(node, taking->link); /* half open, or of a leader before */
    }
    taking->link = link;
    taking->offered = false;
    link_greet(node, link);
}

static bool is_same_snapshot(const struct frame_offer *a,
                             const struct frame_offer *b)
{
    return a->index == b->index && a->term == b->term &&
           a->snapshot_size == b->snapshot_size &&
           memcmp(a->snapshot_sha256, b->snapshot_sha256,
                  sizeof(a->snapshot_sha256)) == 0;
}

static bool is_same(const struct frame_offer *a, const struct frame_offer *b)
{
    return is_same_snapshot(a, b) && a->record_size == b->record_size &&
           digest_equal(a->record_digest, b->record_digest);
}

static const char *take_offer(struct node *node, const struct frame *frame)
{
    struct taking *taking = &node->install->taking;
    struct frame_offer offer;
    if (!frame_read_offer(frame, &offer) || offer.index == 0 ||
        offer.record_size == 0 || offer.record_size > INSTALL_RECORD_MAX) {
        return "an offer of a base is malformed";
    }
    if (!is_same(&offer, &taking->offer)) {
        /* Another leader's record may say more or less of what is forgotten. */
        if (is_same_snapshot(&offer, &taking->offer) &&
            (taking->file == TAKING_BEGINS || taking->file == TAKING_WRITES)) {
            taking->file = TAKING_NO_FILE; /* the store goes on with it */
        }
        forget(node);
        taking->offer = offer;
    }
    taking->from = taking->link->from;
    taking->offered = true;
    taking->settles = taking->have < taking->given;
    if (offer.index > node->told && may_come(taking)) {
        say_progress(node);
    } /* else the pump says that nothing is wanted */
    return NULL;
}

static const char *take_record(struct taking *taking)
{
    struct digest digest = digest_of(taking->record.data, taking->record.size);
    const char *why =
        digest_equal(digest, taking->offer.record_digest)
            ? raft_base_unpack(taking->record.data, taking->record.size,
                               &taking->install)
            : "its digest is wrong";
    taking->whole = why == NULL;
    if (taking->whole && (taking->install.base.index != taking->offer.index ||
                          taking->install.base.term != taking->offer.term)) {
        why = "it is of another entry than was said";
    }
    return why;
}

/* ---- the snapshot behind it --------------------------------------------- */

static enum frame_decline decline_of(enum node_file_result result)
{
    return result == NODE_FILE_NO_ROOM    ? FRAME_DECLINE_NO_ROOM
           : result == NODE_FILE_MISMATCH ? FRAME_DECLINE_HASH
                                          : FRAME_DECLINE_DISK;
}

/* True: the answer is about what is coming now. */
static bool is_answer(struct node *node, const struct file_ask *ask,
                      const struct node_file_answer *answer)
{
    struct taking *taking = &node->install->taking;
    if (ask->serial != taking->serial) {
        return false;
    }
    if (answer->result == NODE_FILE_OK) {
        return true;
    }
    taking->file = TAKING_NO_FILE; /* the store has dropped it */
    decline(node, decline_of(answer->result));
    return false;
}

static void end_done(struct node *node, const struct file_ask *ask,
                     const struct node_file_answer *answer)
{
    struct taking *taking = &node->install->taking;
    if (is_answer(node, ask, answer)) {
        taking->snapshot = answer->snapshot;
        taking->file = TAKING_READY;
    } else if (answer->result == NODE_FILE_OK) {
        drop_whole(node, &answer->snapshot); /* forgotten meanwhile */
    }
}

static void end_file(struct node *node)
{
    struct taking *taking = &node->install->taking;
    struct node_file_request request = {.work = NODE_FILE_END,
                                        .received = true};
    struct file_ask ask = {.done = end_done, .serial = taking->serial};
    taking->file = TAKING_ENDS;
    file_ask(node, &request, &ask);
}

/* The store has so much of it. */
static void has_bytes(struct node *node, uint64_t have)
{
    struct taking *taking = &node->install->taking;
    taking->have = have;
    if (have == taking->offer.snapshot_size) {
        end_file(node);
    }
    taking->settles = taking->settles && have < taking->given;
    if (!taking->settles) {
        say_progress(node);
    }
}

static void begin_done(struct node *node, const struct file_ask *ask,
                       const struct node_file_answer *answer)
{
    struct taking *taking = &node->install->taking;
    if (is_answer(node, ask, answer)) {
        taking->file = TAKING_WRITES;
        taking->given = answer->have;
        has_bytes(node, answer->have);
    }
}

static void begin_file(struct node *node)
{
    struct taking *taking = &node->install->taking;
    const struct frame_offer *offer = &taking->offer;
    struct node_file_request request = {
        .work = NODE_FILE_BEGIN,
        .received = true,
        .snapshot = {.index = offer->index,
                     .term = offer->term,
                     .size = offer->snapshot_size}};
    memcpy(request.snapshot.sha256, offer->snapshot_sha256, SHA256_SIZE);
    struct file_ask ask = {.done = begin_done, .serial = taking->serial};
    taking->file = TAKING_BEGINS;
    file_ask(node, &request, &ask);
}

static void write_done(struct node *node, const struct file_ask *ask,
                       const struct node_file_answer *answer)
{
    if (is_answer(node, ask, answer)) {
        has_bytes(node, answer->have);
    }
}

static const char *write_file(struct node *node,
                              const struct frame_chunk *chunk)
{
    struct taking *taking = &node->install->taking;
    if (taking->file != TAKING_WRITES || taking->settles) {
        return NULL; /* asked for before that was so */
    }
    if (chunk->offset != taking->offer.record_size + taking->given ||
        chunk->size > taking->offer.snapshot_size - taking->given) {
        return "a chunk of a snapshot is not the next one";
    }
    struct blob *bytes = blob_copy(chunk->bytes, chunk->size);
    struct node_file_request request = {
        .work = NODE_FILE_WRITE, .received = true, .bytes = bytes};
    struct file_ask ask = {
        .done = write_done, .serial = taking->serial, .bytes = bytes};
    taking->given += chunk->size;
    file_ask(node, &request, &ask);
    blob_free(bytes);
    return NULL;
}

/* ---- chunks ------------------------------------------------------------- */

static const char *add_to_record(struct node *node,
                                 const struct frame_chunk *chunk)
{
    struct taking *taking = &node->install->taking;
    if (chunk->offset != taking->record.size ||
        chunk->size > taking->offer.record_size - taking->record.size) {
        return "a chunk of a base is not the next one";
    }
    buf_append(&taking->record, chunk->bytes, chunk->size);
    if (taking->record.size == taking->offer.record_size) {
        const char *why = take_record(taking);
        if (why != NULL) {
            node_note(node, LOG_LEVEL_ERROR,
                      "the record of a base from node %lu cannot be read: %s",
                      (unsigned long)taking->link->from, why);
            decline(node, FRAME_DECLINE_RECORD);
            return NULL;
        }
        if (offer_has_snapshot(&taking->offer)) {
            begin_file(node); /* its answer says what is wanted */
            return NULL;
        }
    }
    say_progress(node);
    return NULL;
}

static const char *take_chunk(struct node *node, const struct frame *frame)
{
    struct taking *taking = &node->install->taking;
    struct frame_chunk chunk;
    if (!frame_read_chunk(frame, &chunk) || chunk.size == 0 ||
        chunk.size > FRAME_CHUNK_MAX) {
        return "a chunk of a base is malformed";
    }
    if (chunk.index != taking->offer.index) {
        return NULL; /* on its way since before the last offer */
    }
    return taking->whole ? write_file(node, &chunk)
                         : add_to_record(node, &chunk);
}

const char *take_frame_of_base(struct node *node, const struct frame *frame)
{
    if (frame->type == FRAME_OFFER) {
        return take_offer(node, frame);
    }
    return frame->type == FRAME_CHUNK
               ? take_chunk(node, frame)
               : "a frame that whoever sends a base does not send";
}

/* ---- each turn ---------------------------------------------------------- */

static void note_install(struct node *node)
{
    struct taking *taking = &node->install->taking;
    struct raft_status status;
    raft_status(node->raft, &status);
    if (status.role == RAFT_ROLE_FOLLOWER &&
        status.commit < taking->offer.index) {
        if (taking->file == TAKING_READY && !taking->named) {
            snapshot_name(node, &taking->snapshot);
            taking->named = true;
        }
        struct raft_event event = {.type = RAFT_EVENT_INSTALL,
                                   .install = &taking->install};
        driver_note(node, &event);
    }
}

/* However this node came to it: it has what was offered. */
static void say_done(struct node *node)
{
    struct taking *taking = &node->install->taking;
    struct frame_want want = {.index = taking->offer.index, .done = true};
    say_want(node, &want);
    wheel_cancel(&node->wheel, &taking->again);
    node->install->taken += taking->whole;
    if (taking->file == TAKING_NO_FILE) {
        drop_begun(node);
    }
    forget(node);
}

void take_pump(struct node *node)
{
    struct taking *taking = &node->install->taking;
    if (taking->why != NULL && node->told >= taking->why_index) {
        taking->why = NULL;
    }
    if (taking->offer.index == 0) {
        return;
    }
    if (node->told >= taking->offer.index) {
        say_done(node);
    } else if (taking->whole && (taking->file == TAKING_READY ||
                                 !offer_has_snapshot(&taking->offer))) {
        note_install(node);
    }
}
