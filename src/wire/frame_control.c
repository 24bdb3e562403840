/* Orders about the members, on their way to the leader, and the answers. */
#include "wire/frame_internal.h"

#include <assert.h>

/* CONTROL:  u16 fixed   u64 number   u8 what   u8 bits (1 force)
 *                       u16 words, which follow
 *   a word: u16 size, bytes */
#define FORCE 1

void frame_pack_control(struct buf *body, const struct frame_control *control)
{
    assert(control->count <= FRAME_CONTROL_WORDS_MAX);
    buf_append_u16(body, 8 + 1 + 1 + 2);
    buf_append_u64(body, control->number);
    buf_append_u8(body, control->what);
    buf_append_u8(body, control->force ? FORCE : 0);
    buf_append_u16(body, (uint16_t)control->count);
    for (size_t i = 0; i < control->count; i++) {
        buf_append_u16(body, (uint16_t)control->words[i].size);
        buf_append(body, control->words[i].text, control->words[i].size);
    }
}

static bool unpack_words(struct cursor *body, struct frame_control *control)
{
    for (size_t i = 0; i < control->count; i++) {
        size_t size = cursor_u16(body);
        const uint8_t *text = cursor_bytes(body, size);
        if (text == NULL || size > FRAME_CONTROL_WORD_MAX) {
            return false;
        }
        control->words[i].text = (const char *)text;
        control->words[i].size = size;
    }
    return !body->bad;
}

bool frame_unpack_control(const void *data, size_t size,
                          struct frame_control *control)
{
    struct cursor body = cursor_of(data, size);
    struct cursor fixed = cursor_part(&body, cursor_u16(&body));
    control->number = cursor_u64(&fixed);
    control->what = cursor_u8(&fixed);
    control->force = (cursor_u8(&fixed) & FORCE) != 0;
    control->count = cursor_u16(&fixed);
    return !fixed.bad && control->count <= FRAME_CONTROL_WORDS_MAX &&
           unpack_words(&body, control);
}

static void finish(struct out *out, enum frame_type type, uint8_t version,
                   struct buf *bytes)
{
    struct out body = {0};
    out_append(&body, bytes->data, bytes->size);
    buf_free(bytes);
    frame_finish(out, type, version, &body);
}

void frame_write_control(struct out *out, uint8_t version,
                         const struct frame_control *control)
{
    struct buf bytes = {0};
    frame_pack_control(&bytes, control);
    finish(out, FRAME_CONTROL, version, &bytes);
}

bool frame_read_control(const struct frame *frame,
                        struct frame_control *control)
{
    return frame_unpack_control(frame->body, frame->size, control);
}

/* CONTROL_ANSWER:  u16 fixed   u64 number   u8 result   u64 index   u64 base
 *                              u32 text size
 *                  text */
void frame_write_control_answer(struct out *out, uint8_t version,
                                const struct frame_control_answer *answer)
{
    struct buf bytes = {0};
    assert(answer->text_size <= FRAME_CONTROL_TEXT_MAX);
    buf_append_u16(&bytes, 8 + 1 + 8 + 8 + 4);
    buf_append_u64(&bytes, answer->number);
    buf_append_u8(&bytes, answer->result);
    buf_append_u64(&bytes, answer->index);
    buf_append_u64(&bytes, answer->base);
    buf_append_u32(&bytes, (uint32_t)answer->text_size);
    buf_append(&bytes, answer->text, answer->text_size);
    finish(out, FRAME_CONTROL_ANSWER, version, &bytes);
}

bool frame_read_control_answer(const struct frame *frame,
                               struct frame_control_answer *answer)
{
    struct cursor body = cursor_of(frame->body, frame->size);
    struct cursor fixed = cursor_part(&body, cursor_u16(&body));
    *answer = (struct frame_control_answer){.number = cursor_u64(&fixed)};
    answer->result = cursor_u8(&fixed);
    answer->index = cursor_u64(&fixed);
    answer->base = cursor_u64(&fixed);
    answer->text_size = cursor_u32(&fixed);
    answer->text = cursor_bytes(&body, answer->text_size);
    return !fixed.bad && !body.bad &&
           answer->text_size <= FRAME_CONTROL_TEXT_MAX;
}
