/* A base that comes from a leader. */
#include <stdlib.h>
#include <string.h>

#include "node/install.h"

static void forget(struct node *node)
{
    struct taking *taking = &node->install->taking;
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

static void say_progress(struct node *node)
{
    struct taking *taking = &node->install->taking;
    struct frame_want want = {.index = taking->offer.index,
                              .offset = taking->record.size};
    say_want(node, &want);
}

/* While it is saved, and while the next chunk is long on its way. */
static void fire_again(struct node *node, struct wheel_timer *timer)
{
    (void)timer;
    if (node->install->taking.offer.index != 0) {
        say_progress(node);
    }
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
    link_greet(node, link);
}

static bool is_same(const struct frame_offer *a, const struct frame_offer *b)
{
    return a->index == b->index && a->term == b->term &&
           a->record_size == b->record_size &&
           digest_equal(a->record_digest, b->record_digest) &&
           a->snapshot_size == b->snapshot_size &&
           memcmp(a->snapshot_sha256, b->snapshot_sha256,
                  sizeof(a->snapshot_sha256)) == 0;
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
        forget(node);
        taking->offer = offer;
    }
    if (offer.index > node->told) {
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

static const char *take_chunk(struct node *node, const struct frame *frame)
{
    struct taking *taking = &node->install->taking;
    struct frame_chunk chunk;
    if (!frame_read_chunk(frame, &chunk) || chunk.size == 0 ||
        chunk.size > FRAME_CHUNK_MAX) {
        return "a chunk of a base is malformed";
    }
    if (chunk.index != taking->offer.index || taking->whole) {
        return NULL; /* on its way since before the last offer */
    }
    if (chunk.offset != taking->record.size ||
        chunk.size > taking->offer.record_size - taking->record.size) {
        return "a chunk of a base is not the next one";
    }
    buf_append(&taking->record, chunk.bytes, chunk.size);
    if (taking->record.size == taking->offer.record_size) {
        const char *why = take_record(taking);
        if (why != NULL) {
            node_note(node, LOG_LEVEL_ERROR,
                      "a base from node %lu is refused: %s",
                      (unsigned long)taking->link->from, why);
            forget(node);
            return "its base cannot be read";
        }
    }
    say_progress(node);
    return NULL;
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
    forget(node);
}

void take_pump(struct node *node)
{
    struct taking *taking = &node->install->taking;
    if (taking->offer.index == 0) {
        return;
    }
    if (node->told >= taking->offer.index) {
        say_done(node);
    } else if (taking->whole) {
        note_install(node);
    }
}
