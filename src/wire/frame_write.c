/* Frames out.  Each body is drawn above its writer; `fixed` counts the bytes
 * of the fixed fields behind it. */
#include "wire/frame_internal.h"

#include <assert.h>
#include <string.h>

#include "base/crc32c.h"

/* Puts the head before `body`, whose bytes move to `out`.  The CRC is taken
 * over the pieces as they lie: nothing is flattened. */
void frame_finish(struct out *out, enum frame_type type, uint8_t version,
                  struct out *body)
{
    uint8_t head[FRAME_HEAD_SIZE];
    be_put_u32(head, (uint32_t)(FRAME_HEAD_SIZE - 4 + body->size));
    head[8] = (uint8_t)type;
    head[9] = version;
    be_put_u16(head + 10, 0);
    uint32_t crc = crc32c(0, head + 8, 4);
    struct out_cursor cursor = out_begin(body);
    struct out_span span;
    while (out_next(&cursor, &span)) {
        crc = crc32c(crc, span.data, span.size);
    }
    be_put_u32(head + 4, crc);
    out_append(out, head, sizeof(head));
    out_move(out, body);
}

static void put(struct out *out, const struct buf *buf)
{
    out_append(out, buf->data, buf->size);
}

/* The fixed fields, with their count before them. */
static void put_fixed(struct out *out, const struct buf *fixed)
{
    uint8_t size[2];
    be_put_u16(size, (uint16_t)fixed->size);
    out_append(out, size, sizeof(size));
    put(out, fixed);
}

static void put_text(struct buf *buf, const char *text)
{
    uint16_t size = (uint16_t)strlen(text);
    buf_append_u16(buf, size);
    buf_append(buf, text, size);
}

/* HELLO:  u16 fixed
 *         u16 version_min   u16 version_max   u64 features
 *         16 bytes cluster_id   u64 epoch
 *         u32 id   u64 instance   u64 boot   u64 config_index
 *         u32 peer_id   u64 peer_instance
 *         u64 election_timeout_us   u64 heartbeat_us   u32 purpose
 *         u16 size, cluster's name   u16 size, address   u64 process */
void frame_write_hello(struct out *out, const struct frame_hello *hello)
{
    struct buf buf = {0};
    buf_append_u16(&buf, hello->version_min);
    buf_append_u16(&buf, hello->version_max);
    buf_append_u64(&buf, hello->features);
    buf_append(&buf, hello->cluster_id.bytes, DIGEST_SIZE);
    buf_append_u64(&buf, hello->epoch);
    buf_append_u32(&buf, hello->id);
    buf_append_u64(&buf, hello->instance);
    buf_append_u64(&buf, hello->boot);
    buf_append_u64(&buf, hello->config_index);
    buf_append_u32(&buf, hello->peer_id);
    buf_append_u64(&buf, hello->peer_instance);
    buf_append_u64(&buf, hello->election_timeout_us);
    buf_append_u64(&buf, hello->heartbeat_us);
    buf_append_u32(&buf, hello->purpose);
    put_text(&buf, hello->cluster);
    put_text(&buf, hello->address);
    buf_append_u64(&buf, hello->process);
    struct out body = {0};
    put_fixed(&body, &buf);
    buf_free(&buf);
    frame_finish(out, FRAME_HELLO, FRAME_VERSION_MIN, &body);
}

/* REFUSAL:  u16 fixed   u16 code   u16 size, text   u64 index */
void frame_write_refusal(struct out *out, const struct frame_refusal *refusal)
{
    struct buf buf = {0};
    buf_append_u16(&buf, refusal->code);
    put_text(&buf, refusal->text);
    buf_append_u64(&buf, refusal->index);
    struct out body = {0};
    put_fixed(&body, &buf);
    buf_free(&buf);
    frame_finish(out, FRAME_REFUSAL, FRAME_VERSION_MIN, &body);
}

/* An entry:  u32 size of what follows of it
 *            u16 fixed   u64 term   u64 unix_ms   u8 kind   u8 flags
 *                        u16 key size   u32 payload size
 *            key   payload */
#define ENTRY_FIXED (8 + 8 + 1 + 1 + 2 + 4)

static void put_entry(struct out *out, const struct raft_entry *entry)
{
    size_t key_size = entry->key == NULL ? 0 : entry->key->size;
    size_t payload_size = entry->payload == NULL ? 0 : entry->payload->size;
    uint8_t *at = out_reserve(out, 6 + ENTRY_FIXED);
    be_put_u32(at, (uint32_t)(2 + ENTRY_FIXED + key_size + payload_size));
    be_put_u16(at + 4, ENTRY_FIXED);
    be_put_u64(at + 6, entry->term);
    be_put_u64(at + 14, entry->unix_ms);
    at[22] = entry->kind;
    at[23] = entry->flags;
    be_put_u16(at + 24, (uint16_t)key_size);
    be_put_u32(at + 26, (uint32_t)payload_size);
    out_commit(out, 6 + ENTRY_FIXED);
    if (key_size > 0) {
        out_append_blob(out, entry->key);
    }
    if (payload_size > 0) {
        out_append_blob(out, entry->payload);
    }
}

/* Behind `type` and `term`, for each type of message:
 *   1 VOTE           u64 last_index  u64 last_term  u8 bits (1 pre, 2 transfer)
 *   2 VOTE_ANSWER    u8 bits (1 pre, 2 granted)
 *   3 APPEND         u64 prev_index  u64 prev_term  16 bytes prev_chain
 *                    u64 commit  u64 round  u8 bits (1 quiet)  u32 entries
 *                    u64 needed
 *   4 APPEND_ANSWER  u64 match  u64 hint_index  u64 hint_term  u64 last
 *                    u64 round  u8 bits (1 ok, 2 patient)
 *   5 READ           u64 context
 *   6 READ_ANSWER    u64 context  u64 index  u8 bits (1 ok)
 *   7 TIMEOUT_NOW    nothing */
static void put_message_fields(struct buf *buf,
                               const struct raft_message *message)
{
    switch (message->type) {
    case RAFT_MESSAGE_VOTE:
        buf_append_u64(buf, message->vote.last_index);
        buf_append_u64(buf, message->vote.last_term);
        buf_append_u8(
            buf, (uint8_t)(message->vote.pre | message->vote.transfer << 1));
        break;
    case RAFT_MESSAGE_VOTE_ANSWER:
        buf_append_u8(buf, (uint8_t)(message->vote_answer.pre |
                                     message->vote_answer.granted << 1));
        break;
    case RAFT_MESSAGE_APPEND:
        buf_append_u64(buf, message->append.prev_index);
        buf_append_u64(buf, message->append.prev_term);
        buf_append(buf, message->append.prev_chain.bytes, DIGEST_SIZE);
        buf_append_u64(buf, message->append.commit);
        buf_append_u64(buf, message->append.round);
        buf_append_u8(buf, message->append.quiet);
        buf_append_u32(buf, (uint32_t)message->append.entry_count);
        buf_append_u64(buf, message->append.needed);
        break;
    case RAFT_MESSAGE_APPEND_ANSWER:
        buf_append_u64(buf, message->append_answer.match);
        buf_append_u64(buf, message->append_answer.hint_index);
        buf_append_u64(buf, message->append_answer.hint_term);
        buf_append_u64(buf, message->append_answer.last);
        buf_append_u64(buf, message->append_answer.round);
        buf_append_u8(buf, (uint8_t)(message->append_answer.ok |
                                     message->append_answer.patient << 1));
        break;
    case RAFT_MESSAGE_READ:
        buf_append_u64(buf, message->read.context);
        break;
    case RAFT_MESSAGE_READ_ANSWER:
        buf_append_u64(buf, message->read_answer.context);
        buf_append_u64(buf, message->read_answer.index);
        buf_append_u8(buf, message->read_answer.ok);
        break;
    case RAFT_MESSAGE_TIMEOUT_NOW:
        break;
    }
}

/* MESSAGE:  u16 fixed   u8 type   u64 term   fields as above
 *           and behind an APPEND's fixed fields its entries */
void frame_write_message(struct out *out, uint8_t version,
                         const struct raft_message *message)
{
    struct buf buf = {0};
    buf_append_u8(&buf, (uint8_t)message->type);
    buf_append_u64(&buf, message->term);
    put_message_fields(&buf, message);
    struct out body = {0};
    put_fixed(&body, &buf);
    buf_free(&buf);
    if (message->type == RAFT_MESSAGE_APPEND) {
        for (size_t i = 0; i < message->append.entry_count; i++) {
            put_entry(&body, &message->append.entries[i]);
        }
    }
    frame_finish(out, FRAME_MESSAGE, version, &body);
}

/* The count of the items, as the fixed fields. */
static void put_count(struct out *body, size_t count)
{
    uint8_t *at = out_reserve(body, 6);
    be_put_u16(at, 4);
    be_put_u32(at + 2, (uint32_t)count);
    out_commit(body, 6);
}

/* FORWARD:  u16 fixed   u32 items
 *   an item:  u32 size of what follows of it
 *             u16 fixed   u64 number   u64 fence   u16 key size
 *                         u32 payload size   u64 since   u64 after
 *             key   payload */
#define FORWARD_FIXED (8 + 8 + 2 + 4 + 8 + 8)

void frame_write_forwards(struct out *out, uint8_t version,
                          const struct frame_forward *items, size_t count)
{
    struct out body = {0};
    put_count(&body, count);
    for (size_t i = 0; i < count; i++) {
        const struct frame_forward *item = &items[i];
        size_t key_size = item->key == NULL ? 0 : item->key->size;
        size_t payload_size = item->payload == NULL ? 0 : item->payload->size;
        uint8_t *at = out_reserve(&body, 6 + FORWARD_FIXED);
        be_put_u32(at, (uint32_t)(2 + FORWARD_FIXED + key_size + payload_size));
        be_put_u16(at + 4, FORWARD_FIXED);
        be_put_u64(at + 6, item->number);
        be_put_u64(at + 14, item->fence);
        be_put_u16(at + 22, (uint16_t)key_size);
        be_put_u32(at + 24, (uint32_t)payload_size);
        be_put_u64(at + 28, item->since);
        be_put_u64(at + 36, item->after);
        out_commit(&body, 6 + FORWARD_FIXED);
        if (key_size > 0) {
            out_append_blob(&body, item->key);
        }
        if (payload_size > 0) {
            out_append_blob(&body, item->payload);
        }
    }
    frame_finish(out, FRAME_FORWARD, version, &body);
}

/* FORWARD_ANSWER:  u16 fixed   u32 items
 *   an item:  u16 size of what follows of it
 *             u64 number   u16 result   u64 index   u64 term */
#define ANSWER_SIZE (8 + 2 + 8 + 8)

void frame_write_forward_answers(struct out *out, uint8_t version,
                                 const struct frame_forward_answer *items,
                                 size_t count)
{
    struct out body = {0};
    put_count(&body, count);
    for (size_t i = 0; i < count; i++) {
        uint8_t *at = out_reserve(&body, 2 + ANSWER_SIZE);
        be_put_u16(at, ANSWER_SIZE);
        be_put_u64(at + 2, items[i].number);
        be_put_u16(at + 10, items[i].result);
        be_put_u64(at + 12, items[i].index);
        be_put_u64(at + 20, items[i].term);
        out_commit(&body, 2 + ANSWER_SIZE);
    }
    frame_finish(out, FRAME_FORWARD_ANSWER, version, &body);
}
