/* Frames in: whole ones out of a stream of bytes, and structs out of their
 * bodies.  The bodies are drawn in frame_write.c. */
#include "wire/frame.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/crc32c.h"
#include "base/mem.h"

/* ---- frames ------------------------------------------------------------- */

struct frame_parser {
    size_t size_max;
    struct buf held;    /* the beginning of a frame that is not whole */
    struct blob *whole; /* the frame that the last call gave */
    char error[128];    /* "": none */
};

struct frame_parser *frame_parser_new(size_t size_max)
{
    struct frame_parser *parser = x_calloc(1, sizeof(*parser));
    parser->size_max = size_max;
    return parser;
}

void frame_parser_free(struct frame_parser *parser)
{
    if (parser != NULL) {
        buf_free(&parser->held);
        blob_free(parser->whole);
        free(parser);
    }
}

void frame_parser_limit(struct frame_parser *parser, size_t size_max)
{
    parser->size_max = size_max;
}

const char *frame_parser_error(const struct frame_parser *parser)
{
    return parser->error;
}

size_t frame_parser_held(const struct frame_parser *parser)
{
    return parser->held.size;
}

/* `size` as the frame's head tells it: what follows the u32 itself. */
static bool size_is_sound(struct frame_parser *parser, size_t size)
{
    if (size >= FRAME_HEAD_SIZE - 4 &&
        size <= parser->size_max + FRAME_HEAD_SIZE - 4) {
        return true;
    }
    snprintf(parser->error, sizeof(parser->error),
             "a frame of %zu bytes: expected %d to %zu", size,
             FRAME_HEAD_SIZE - 4, parser->size_max + FRAME_HEAD_SIZE - 4);
    return false;
}

static enum frame_result give(struct frame_parser *parser, const uint8_t *data,
                              size_t size, struct frame *frame)
{
    uint32_t crc = crc32c(0, data + 8, size - 8);
    if (crc != be_get_u32(data + 4)) {
        snprintf(parser->error, sizeof(parser->error),
                 "a frame whose checksum is wrong");
        return FRAME_BAD;
    }
    *frame = (struct frame){.type = data[8],
                            .version = data[9],
                            .body = data + FRAME_HEAD_SIZE,
                            .size = size - FRAME_HEAD_SIZE};
    return FRAME_WHOLE;
}

/* The rest of a frame whose beginning is held. */
static enum frame_result next_held(struct frame_parser *parser,
                                   const uint8_t **data, size_t *size,
                                   struct frame *frame)
{
    size_t wanted = 4;
    for (;;) {
        size_t held = parser->held.size;
        if (held >= 4) {
            size_t told = be_get_u32(parser->held.data);
            if (!size_is_sound(parser, told)) {
                return FRAME_BAD;
            }
            wanted = told + 4;
        }
        if (held >= 4 && held == wanted) {
            break;
        }
        size_t part = wanted - held < *size ? wanted - held : *size;
        if (part == 0) {
            return FRAME_MORE;
        }
        buf_append(&parser->held, *data, part);
        *data += part;
        *size -= part;
    }
    /* Payloads will share the blob: no byte is copied once more. */
    parser->whole = blob_copy(parser->held.data, parser->held.size);
    if (parser->held.capacity > 65536) {
        buf_free(&parser->held);
    }
    buf_clear(&parser->held);
    enum frame_result result =
        give(parser, parser->whole->data, parser->whole->size, frame);
    frame->blob = parser->whole;
    return result;
}

enum frame_result frame_parser_next(struct frame_parser *parser,
                                    const uint8_t **data, size_t *size,
                                    struct frame *frame)
{
    if (parser->error[0] != '\0') {
        return FRAME_BAD;
    }
    blob_free(parser->whole);
    parser->whole = NULL;
    if (parser->held.size == 0 && *size >= 4) {
        size_t told = be_get_u32(*data);
        if (!size_is_sound(parser, told)) {
            return FRAME_BAD;
        }
        if (*size - 4 >= told) {
            const uint8_t *start = *data;
            *data += told + 4;
            *size -= told + 4;
            return give(parser, start, told + 4, frame);
        }
    }
    return next_held(parser, data, size, frame);
}

/* ---- fields ------------------------------------------------------------- */

static struct cursor fixed_of(struct cursor *body)
{
    return cursor_part(body, cursor_u16(body));
}

static struct cursor body_of(const struct frame *frame)
{
    return cursor_of(frame->body, frame->size);
}

/* Text of a peer goes to logs and to other people: printable, and it fits. */
static bool read_text(struct cursor *cursor, char *text, size_t text_size)
{
    size_t size = cursor_u16(cursor);
    const uint8_t *bytes = cursor_bytes(cursor, size);
    if (bytes == NULL || size >= text_size) {
        return false;
    }
    for (size_t i = 0; i < size; i++) {
        if (bytes[i] < ' ' || bytes[i] == 0x7f) {
            return false;
        }
    }
    memcpy(text, bytes, size);
    text[size] = '\0';
    return true;
}

static struct digest read_digest(struct cursor *cursor)
{
    struct digest digest = {{0}};
    const uint8_t *bytes = cursor_bytes(cursor, DIGEST_SIZE);
    if (bytes != NULL) {
        memcpy(digest.bytes, bytes, DIGEST_SIZE);
    }
    return digest;
}

/* NULL for no bytes: an empty payload is no blob. */
static struct blob *read_blob(const struct frame *frame, const uint8_t *at,
                              size_t size)
{
    if (size == 0) {
        return NULL;
    }
    return frame->blob == NULL
               ? blob_copy(at, size)
               : blob_slice(frame->blob, (size_t)(at - frame->blob->data),
                            size);
}

/* The sizes of key and payload are fixed fields of a record, their bytes are
 * behind all of these.  False: the record is malformed, and nothing is
 * owned. */
static bool read_blobs(const struct frame *frame, struct cursor *record,
                       struct cursor *fixed, struct blob **key,
                       struct blob **payload)
{
    size_t key_size = cursor_u16(fixed);
    size_t payload_size = cursor_u32(fixed);
    const uint8_t *key_at = cursor_bytes(record, key_size);
    const uint8_t *payload_at = cursor_bytes(record, payload_size);
    if (fixed->bad || record->bad || key_size > RAFT_KEY_MAX ||
        payload_size > RAFT_PAYLOAD_MAX) {
        return false;
    }
    *key = read_blob(frame, key_at, key_size);
    *payload = read_blob(frame, payload_at, payload_size);
    return true;
}

bool frame_read_hello(const struct frame *frame, struct frame_hello *hello)
{
    struct cursor body = body_of(frame);
    struct cursor fixed = fixed_of(&body);
    *hello = (struct frame_hello){.version_min = cursor_u16(&fixed)};
    hello->version_max = cursor_u16(&fixed);
    hello->features = cursor_u64(&fixed);
    hello->cluster_id = read_digest(&fixed);
    hello->epoch = cursor_u64(&fixed);
    hello->id = cursor_u32(&fixed);
    hello->instance = cursor_u64(&fixed);
    hello->boot = cursor_u64(&fixed);
    hello->config_index = cursor_u64(&fixed);
    hello->peer_id = cursor_u32(&fixed);
    hello->peer_instance = cursor_u64(&fixed);
    hello->election_timeout_us = cursor_u64(&fixed);
    hello->heartbeat_us = cursor_u64(&fixed);
    hello->purpose = cursor_u32(&fixed);
    bool texts = read_text(&fixed, hello->cluster, sizeof(hello->cluster)) &&
                 read_text(&fixed, hello->address, sizeof(hello->address));
    hello->process = cursor_left(&fixed) < 8 ? 0 : cursor_u64(&fixed);
    size_t host_size;
    uint16_t port;
    return texts && !fixed.bad && hello->id != RAFT_ID_NONE &&
           hello->instance != 0 && hello->version_min <= hello->version_max &&
           hello->purpose <= FRAME_PURPOSE_INSTALL &&
           text_is_address(hello->address, strlen(hello->address), false,
                           &host_size, &port);
}

bool frame_read_refusal(const struct frame *frame,
                        struct frame_refusal *refusal)
{
    struct cursor body = body_of(frame);
    struct cursor fixed = fixed_of(&body);
    *refusal = (struct frame_refusal){.code = cursor_u16(&fixed)};
    bool text = read_text(&fixed, refusal->text, sizeof(refusal->text));
    refusal->index = cursor_left(&fixed) < 8 ? 0 : cursor_u64(&fixed);
    return text && !fixed.bad && refusal->index <= UINT64_MAX / 2;
}

/* ---- messages ----------------------------------------------------------- */

/* Smaller than any entry: more entries than this allows are not believed. */
#define ENTRY_MIN ((size_t)4 + 2 + 24)

static bool read_entry(const struct frame *frame, struct cursor *body,
                       struct raft_entry *entry)
{
    struct cursor part = cursor_part(body, cursor_u32(body));
    struct cursor fixed = fixed_of(&part);
    entry->term = cursor_u64(&fixed);
    entry->unix_ms = cursor_u64(&fixed);
    entry->kind = cursor_u8(&fixed);
    entry->flags = cursor_u8(&fixed);
    return read_blobs(frame, &part, &fixed, &entry->key, &entry->payload);
}

static bool read_entries(const struct frame *frame, struct cursor *body,
                         size_t count, struct raft_message *message)
{
    if (count > cursor_left(body) / ENTRY_MIN) {
        return false;
    }
    message->append.entries = x_calloc(count, sizeof(*message->append.entries));
    for (size_t i = 0; i < count; i++) {
        struct raft_entry *entry = &message->append.entries[i];
        message->append.entry_count = i + 1;
        entry->index = message->append.prev_index + 1 + i;
        if (!read_entry(frame, body, entry)) {
            return false;
        }
    }
    return true;
}

static bool read_append(const struct frame *frame, struct cursor *body,
                        struct cursor *fixed, struct raft_message *message)
{
    message->append.prev_index = cursor_u64(fixed);
    message->append.prev_term = cursor_u64(fixed);
    message->append.prev_chain = read_digest(fixed);
    message->append.commit = cursor_u64(fixed);
    message->append.round = cursor_u64(fixed);
    message->append.quiet = (cursor_u8(fixed) & 1) != 0;
    size_t count = cursor_u32(fixed);
    /* A field that the first frames did not have. */
    message->append.needed = cursor_left(fixed) < 8 ? 0 : cursor_u64(fixed);
    /* No index of this log is anywhere near the end of the numbers. */
    if (fixed->bad || message->append.prev_index > UINT64_MAX / 2) {
        return false;
    }
    return read_entries(frame, body, count, message);
}

static void read_append_answer(struct cursor *fixed,
                               struct raft_message *message)
{
    message->append_answer.match = cursor_u64(fixed);
    message->append_answer.hint_index = cursor_u64(fixed);
    message->append_answer.hint_term = cursor_u64(fixed);
    message->append_answer.last = cursor_u64(fixed);
    message->append_answer.round = cursor_u64(fixed);
    unsigned bits = cursor_u8(fixed);
    message->append_answer.ok = (bits & 1) != 0;
    message->append_answer.patient = (bits & 2) != 0;
}

static bool read_fields(const struct frame *frame, struct cursor *body,
                        struct cursor *fixed, struct raft_message *message)
{
    uint8_t bits;
    switch (message->type) {
    case RAFT_MESSAGE_VOTE:
        message->vote.last_index = cursor_u64(fixed);
        message->vote.last_term = cursor_u64(fixed);
        bits = cursor_u8(fixed);
        message->vote.pre = (bits & 1) != 0;
        message->vote.transfer = (bits & 2) != 0;
        break;
    case RAFT_MESSAGE_VOTE_ANSWER:
        bits = cursor_u8(fixed);
        message->vote_answer.pre = (bits & 1) != 0;
        message->vote_answer.granted = (bits & 2) != 0;
        break;
    case RAFT_MESSAGE_APPEND:
        return read_append(frame, body, fixed, message);
    case RAFT_MESSAGE_APPEND_ANSWER:
        read_append_answer(fixed, message);
        break;
    case RAFT_MESSAGE_READ:
        message->read.context = cursor_u64(fixed);
        break;
    case RAFT_MESSAGE_READ_ANSWER:
        message->read_answer.context = cursor_u64(fixed);
        message->read_answer.index = cursor_u64(fixed);
        message->read_answer.ok = (cursor_u8(fixed) & 1) != 0;
        break;
    case RAFT_MESSAGE_TIMEOUT_NOW:
        break;
    }
    return !fixed->bad;
}

bool frame_read_message(const struct frame *frame, raft_id from, raft_id to,
                        struct raft_message *message)
{
    struct cursor body = body_of(frame);
    struct cursor fixed = fixed_of(&body);
    uint8_t type = cursor_u8(&fixed);
    *message = (struct raft_message){
        .from = from, .to = to, .term = cursor_u64(&fixed)};
    if (fixed.bad || type < RAFT_MESSAGE_VOTE ||
        type > RAFT_MESSAGE_TIMEOUT_NOW) {
        return false;
    }
    message->type = (enum raft_message_type)type;
    if (!read_fields(frame, &body, &fixed, message)) {
        raft_message_clear(message);
        return false;
    }
    return true;
}

/* ---- proposals ---------------------------------------------------------- */

#define FORWARD_MIN ((size_t)4 + 2 + 22)
#define ANSWER_MIN ((size_t)2 + 26)

static bool read_count(struct cursor *body, size_t max, size_t size_min,
                       size_t *count)
{
    struct cursor fixed = fixed_of(body);
    *count = cursor_u32(&fixed);
    return !fixed.bad && *count <= max &&
           *count <= cursor_left(body) / size_min;
}

/* A field that the first frames did not have. */
static raft_index read_index(struct cursor *fixed)
{
    return cursor_left(fixed) < 8 ? RAFT_INDEX_NONE : cursor_u64(fixed);
}

static bool read_forward(const struct frame *frame, struct cursor *body,
                         struct frame_forward *item)
{
    struct cursor part = cursor_part(body, cursor_u32(body));
    struct cursor fixed = fixed_of(&part);
    item->number = cursor_u64(&fixed);
    item->fence = cursor_u64(&fixed);
    if (!read_blobs(frame, &part, &fixed, &item->key, &item->payload)) {
        return false;
    }
    item->since = read_index(&fixed);
    item->after = read_index(&fixed);
    return true;
}

bool frame_read_forwards(const struct frame *frame, size_t max,
                         struct frame_forward **items, size_t *count)
{
    struct cursor body = body_of(frame);
    if (!read_count(&body, max, FORWARD_MIN, count)) {
        return false;
    }
    struct frame_forward *all = x_calloc(*count, sizeof(*all));
    for (size_t i = 0; i < *count; i++) {
        if (!read_forward(frame, &body, &all[i])) {
            for (size_t j = 0; j < i; j++) {
                blob_free(all[j].key);
                blob_free(all[j].payload);
            }
            free(all);
            return false;
        }
    }
    *items = all;
    return true;
}

bool frame_read_forward_answers(const struct frame *frame, size_t max,
                                struct frame_forward_answer **items,
                                size_t *count)
{
    struct cursor body = body_of(frame);
    if (!read_count(&body, max, ANSWER_MIN, count)) {
        return false;
    }
    struct frame_forward_answer *all = x_calloc(*count, sizeof(*all));
    for (size_t i = 0; i < *count; i++) {
        struct cursor part = cursor_part(&body, cursor_u16(&body));
        all[i].number = cursor_u64(&part);
        all[i].result = cursor_u16(&part);
        all[i].index = cursor_u64(&part);
        all[i].term = cursor_u64(&part);
        if (part.bad) {
            free(all);
            return false;
        }
    }
    *items = all;
    return true;
}
