#include "node/peers.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "node/control.h"
#include "node/install.h"

/* Proposals of one frame that are accepted: more than any version sends. */
#define FORWARDS_MAX ((size_t)65536)

struct link *link_new(struct node *node, node_conn conn, bool dialled)
{
    struct link *link = x_calloc(1, sizeof(*link));
    link->conn = conn;
    link->dialled = dialled;
    link->from = RAFT_ID_NONE;
    link->parser = frame_parser_new(FRAME_HELLO_MAX);
    list_init(&link->in_strangers);
    map_put(&node->links, conn, link);
    return link;
}

void link_free(struct node *node, struct link *link)
{
    if (!link->dead) {
        link_flush(node, link);
        node->net.close(node->net.context, link->conn, true);
    }
    if (!list_empty(&link->in_strangers)) {
        list_remove(&link->in_strangers);
        node->stranger_count--;
    }
    wheel_cancel(&node->wheel, &link->greet);
    map_remove(&node->links, link->conn);
    frame_parser_free(link->parser);
    out_free(&link->out);
    free(link);
}

bool link_full(const struct link *link)
{
    return link->unsent_bytes + link->out.size > LINK_OUTPUT_MAX;
}

void link_flush(struct node *node, struct link *link)
{
    if (link->out.size > 0) {
        link->unsent_bytes += link->out.size;
        node->counters.peer_bytes_out += link->out.size;
        node->net.send(node->net.context, link->conn, &link->out);
    }
}

void link_greet(struct node *node, struct link *link)
{
    raft_index config_index = 0;
    raft_config_now(node->raft, &config_index);
    const struct peer *peer =
        link->peer != NULL ? link->peer : peers_find(node, link->from);
    struct frame_hello hello = {
        .version_min = FRAME_VERSION_MIN,
        .version_max = FRAME_VERSION_MAX,
        .cluster_id = node->identity.cluster_id,
        .epoch = node->identity.epoch,
        .id = node->identity.id,
        .instance = node->identity.instance,
        .boot = node->identity.boot,
        .config_index = config_index,
        .peer_id = peer == NULL ? RAFT_ID_NONE : peer->id,
        .peer_instance = peer == NULL ? 0 : peer->instance,
        .election_timeout_us = node->settings.election_timeout_us,
        .heartbeat_us = node->settings.heartbeat_us,
        .purpose = link->purpose,
        .process = node->process,
    };
    snprintf(hello.cluster, sizeof(hello.cluster), "%s",
             node->settings.cluster);
    snprintf(hello.address, sizeof(hello.address), "%s",
             node->settings.advertise);
    frame_write_hello(&link->out, &hello);
}

/* ---- what arrives ------------------------------------------------------- */

/* Each of these returns NULL, or what is wrong: the link then ends. */

static const char *take_hello(struct node *node, struct link *link,
                              const struct frame *frame)
{
    struct frame_hello hello;
    if (!frame_read_hello(frame, &hello)) {
        return "its HELLO is malformed";
    }
    struct frame_refusal refusal = {0};
    const struct peer *expected =
        link->dialled ? peers_find(node, link->from) : NULL;
    expected = link->peer != NULL ? link->peer : expected;
    if (!greet_check(node, &hello, expected, &refusal)) {
        frame_write_refusal(&link->out, &refusal);
        peers_refused(node, link, &refusal);
        return NULL;
    }
    frame_parser_limit(link->parser, FRAME_SIZE_MAX);
    link->version =
        (uint8_t)(hello.version_max < FRAME_VERSION_MAX ? hello.version_max
                                                        : FRAME_VERSION_MAX);
    peers_greeted(node, link, &hello);
    return NULL;
}

static const char *take_refusal(struct node *node, struct link *link,
                                const struct frame *frame)
{
    struct frame_refusal refusal;
    if (!frame_read_refusal(frame, &refusal)) {
        return "its refusal is malformed";
    }
    greet_refused(node, &refusal);
    peers_refused(node, link, &refusal);
    return NULL;
}

static const char *take_message(struct node *node, struct link *link,
                                const struct frame *frame)
{
    struct raft_message message;
    if (!frame_read_message(frame, link->from, node->identity.id, &message)) {
        return "a message is malformed";
    }
    if (!peers_hears(node, link, &message)) {
        raft_message_clear(&message);
        return NULL;
    }
    why_note(node, link->from, &message);
    driver_note_message(node, &message);
    return NULL;
}

static const char *take_forwards(struct node *node, struct link *link,
                                 const struct frame *frame)
{
    struct frame_forward *items = NULL;
    size_t count = 0;
    if (!frame_read_forwards(frame, FORWARDS_MAX, &items, &count)) {
        return "forwarded proposals are malformed";
    }
    submit_forwarded(node, link->from, items, count);
    for (size_t i = 0; i < count; i++) {
        blob_free(items[i].key);
        blob_free(items[i].payload);
    }
    free(items);
    return NULL;
}

static const char *take_answers(struct node *node, struct link *link,
                                const struct frame *frame)
{
    struct frame_forward_answer *items = NULL;
    size_t count = 0;
    if (!frame_read_forward_answers(frame, FORWARDS_MAX, &items, &count)) {
        return "answers to proposals are malformed";
    }
    submit_answered(node, link->from, items, count);
    free(items);
    return NULL;
}

static const char *take_control(struct node *node, struct link *link,
                                const struct frame *frame)
{
    struct frame_control order;
    if (!frame_read_control(frame, &order)) {
        return "an order about the members is malformed";
    }
    control_forwarded(node, link->from, &order);
    return NULL;
}

static const char *take_control_answer(struct node *node, struct link *link,
                                       const struct frame *frame)
{
    struct frame_control_answer answer;
    if (!frame_read_control_answer(frame, &answer)) {
        return "an answer about the members is malformed";
    }
    control_answered(node, link->from, &answer);
    return NULL;
}

/* A dialled link hears a HELLO or a refusal, and nothing else; an accepted one
 * hears a HELLO first, and never again: what a stranger refuses is nothing to
 * this node. */
static const char *take_frame(struct node *node, struct link *link,
                              const struct frame *frame)
{
    if (frame->type == FRAME_REFUSAL && (link->dialled || link->greeted)) {
        return take_refusal(node, link, frame);
    }
    if (!link->greeted) {
        return frame->type == FRAME_HELLO ? take_hello(node, link, frame)
                                          : "its first frame is not a HELLO";
    }
    if (link->purpose == FRAME_PURPOSE_INSTALL) {
        return install_frame(node, link, frame);
    }
    if (link->dialled) {
        return "it speaks on a connection that this node dialled";
    }
    if (frame->version > link->version) {
        return "a frame of a later version than was agreed on";
    }
    link->spoke = true;
    switch ((enum frame_type)frame->type) {
    case FRAME_MESSAGE:
        return take_message(node, link, frame);
    case FRAME_FORWARD:
        return take_forwards(node, link, frame);
    case FRAME_FORWARD_ANSWER:
        return take_answers(node, link, frame);
    case FRAME_CONTROL:
        return take_control(node, link, frame);
    case FRAME_CONTROL_ANSWER:
        return take_control_answer(node, link, frame);
    case FRAME_OFFER:
    case FRAME_WANT:
    case FRAME_CHUNK:
        return "a frame that belongs on another connection";
    case FRAME_HELLO:
        return "a second HELLO";
    case FRAME_REFUSAL:
        break;
    }
    return "a frame of a type that this version does not know";
}

void link_bytes(struct node *node, struct link *link, const uint8_t *data,
                size_t size)
{
    node_conn conn = link->conn;
    node->counters.peer_bytes_in += size;
    for (;;) {
        struct frame frame;
        enum frame_result result =
            frame_parser_next(link->parser, &data, &size, &frame);
        if (result == FRAME_MORE) {
            return;
        }
        const char *wrong = result == FRAME_BAD
                                ? frame_parser_error(link->parser)
                                : take_frame(node, link, &frame);
        /* A frame can end its link: look before it is touched again. */
        if (map_get(&node->links, conn) == NULL) {
            return;
        }
        if (wrong != NULL) {
            char why[256];
            snprintf(why, sizeof(why), "%s", wrong);
            peers_failed(node, link, false, why);
            return;
        }
    }
}
