/* A base on its way to a node that needs what is gone from the log, on a
 * connection of its own that both ends speak on.
 *
 * OFFER:  u16 fixed   u64 index   u64 term   u64 record size
 *                     16 bytes digest of the record
 *                     u64 snapshot size   32 bytes SHA-256 of the snapshot
 *                     (zeros: there is none)
 * WANT:   u16 fixed   u64 index   u64 offset   u8 bits (1 done)
 *                     u8 decline (0: none; older ones end before it)
 * CHUNK:  u16 fixed   u64 index   u64 offset   then the bytes */
#include <string.h>

#include "wire/frame_internal.h"

#define DONE 1

/* The fixed fields, whose count comes before them, and then `bytes`. */
static void finish(struct out *out, enum frame_type type, uint8_t version,
                   struct buf *fixed, const void *bytes, size_t size)
{
    struct out body = {0};
    uint8_t count[2];
    be_put_u16(count, (uint16_t)fixed->size);
    out_append(&body, count, sizeof(count));
    out_append(&body, fixed->data, fixed->size);
    out_append(&body, bytes, size);
    buf_free(fixed);
    frame_finish(out, type, version, &body);
}

void frame_write_offer(struct out *out, uint8_t version,
                       const struct frame_offer *offer)
{
    struct buf buf = {0};
    buf_append_u64(&buf, offer->index);
    buf_append_u64(&buf, offer->term);
    buf_append_u64(&buf, offer->record_size);
    buf_append(&buf, offer->record_digest.bytes, DIGEST_SIZE);
    buf_append_u64(&buf, offer->snapshot_size);
    buf_append(&buf, offer->snapshot_sha256, sizeof(offer->snapshot_sha256));
    finish(out, FRAME_OFFER, version, &buf, NULL, 0);
}

void frame_write_want(struct out *out, uint8_t version,
                      const struct frame_want *want)
{
    struct buf buf = {0};
    buf_append_u64(&buf, want->index);
    buf_append_u64(&buf, want->offset);
    buf_append_u8(&buf, want->done ? DONE : 0);
    buf_append_u8(&buf, want->decline);
    finish(out, FRAME_WANT, version, &buf, NULL, 0);
}

void frame_write_chunk(struct out *out, uint8_t version,
                       const struct frame_chunk *chunk)
{
    struct buf buf = {0};
    buf_append_u64(&buf, chunk->index);
    buf_append_u64(&buf, chunk->offset);
    finish(out, FRAME_CHUNK, version, &buf, chunk->bytes, chunk->size);
}

/* ---- reading ------------------------------------------------------------ */

static struct cursor fixed_of(const struct frame *frame, struct cursor *body)
{
    *body = cursor_of(frame->body, frame->size);
    return cursor_part(body, cursor_u16(body));
}

bool frame_read_offer(const struct frame *frame, struct frame_offer *offer)
{
    struct cursor body;
    struct cursor fixed = fixed_of(frame, &body);
    *offer = (struct frame_offer){.index = cursor_u64(&fixed),
                                  .term = cursor_u64(&fixed),
                                  .record_size = cursor_u64(&fixed)};
    const uint8_t *digest = cursor_bytes(&fixed, DIGEST_SIZE);
    offer->snapshot_size = cursor_u64(&fixed);
    const uint8_t *sha256 =
        cursor_bytes(&fixed, sizeof(offer->snapshot_sha256));
    if (digest == NULL || sha256 == NULL || fixed.bad) {
        return false;
    }
    memcpy(offer->record_digest.bytes, digest, DIGEST_SIZE);
    memcpy(offer->snapshot_sha256, sha256, sizeof(offer->snapshot_sha256));
    return true;
}

bool frame_read_want(const struct frame *frame, struct frame_want *want)
{
    struct cursor body;
    struct cursor fixed = fixed_of(frame, &body);
    *want = (struct frame_want){.index = cursor_u64(&fixed),
                                .offset = cursor_u64(&fixed),
                                .done = (cursor_u8(&fixed) & DONE) != 0};
    want->decline = cursor_left(&fixed) > 0 ? cursor_u8(&fixed) : 0;
    return !fixed.bad;
}

bool frame_read_chunk(const struct frame *frame, struct frame_chunk *chunk)
{
    struct cursor body;
    struct cursor fixed = fixed_of(frame, &body);
    *chunk = (struct frame_chunk){.index = cursor_u64(&fixed),
                                  .offset = cursor_u64(&fixed),
                                  .bytes = body.at,
                                  .size = cursor_left(&body)};
    return !fixed.bad && !body.bad;
}
