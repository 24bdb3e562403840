#include "wire/frame.h"

#include <stdlib.h>

#include "base/crc32c.h"
#include "base/prng.h"
#include "check.h"

static struct buf flat(struct out *out)
{
    struct buf bytes = {0};
    struct out_cursor cursor = out_begin(out);
    struct out_span span;
    while (out_next(&cursor, &span)) {
        buf_append(&bytes, span.data, span.size);
    }
    out_free(out);
    return bytes;
}

static struct frame_hello some_hello(void)
{
    return (struct frame_hello){.version_min = 1,
                                .version_max = 3,
                                .features = 5,
                                .cluster = "shop",
                                .cluster_id = {{1, 2, 3}},
                                .epoch = 7,
                                .id = 0,
                                .instance = 9,
                                .boot = 2,
                                .config_index = 4,
                                .peer_id = RAFT_ID_NONE,
                                .election_timeout_us = 1000000,
                                .heartbeat_us = 100000,
                                .process = 77,
                                .address = "[::1]:7000"};
}

static struct raft_message some_append(size_t payload_size)
{
    struct raft_message message = {.type = RAFT_MESSAGE_APPEND, .term = 5};
    message.append.prev_index = 41;
    message.append.prev_term = 4;
    message.append.prev_chain.bytes[15] = 1;
    message.append.commit = 40;
    message.append.round = 99;
    message.append.entry_count = 3;
    message.append.entries = calloc(3, sizeof(struct raft_entry));
    for (size_t i = 0; i < 3; i++) {
        uint8_t *data;
        struct raft_entry *entry = &message.append.entries[i];
        entry->index = 42 + i;
        entry->term = 5;
        entry->unix_ms = 1000 + i;
        entry->kind = RAFT_KIND_APP;
        entry->flags = RAFT_FLAG_REQUIRED;
        entry->key = i == 1 ? blob_copy("key", 3) : NULL;
        if (i < 2) { /* the third one is empty */
            entry->payload = blob_new(payload_size, &data);
            memset(data, 'a' + (int)i, payload_size);
        }
    }
    return message;
}

/* One frame of each type, one after the other. */
static struct buf all_frames(void)
{
    struct out out = {0};
    struct frame_hello hello = some_hello();
    struct frame_refusal refusal = {.code = FRAME_REFUSED_INSTANCE,
                                    .text = "another disk"};
    struct raft_message append = some_append(700);
    struct blob *payload = blob_copy("payload", 7);
    struct frame_forward forwards[2] = {
        {.number = 1, .fence = 3, .payload = payload}, {.number = 2}};
    struct frame_forward_answer answers[2] = {
        {.number = 1, .result = FRAME_FORWARD_ACCEPTED, .index = 9, .term = 3},
        {.number = 2, .result = FRAME_FORWARD_BUSY}};
    frame_write_hello(&out, &hello);
    frame_write_refusal(&out, &refusal);
    frame_write_message(&out, FRAME_VERSION_MAX, &append);
    frame_write_forwards(&out, FRAME_VERSION_MAX, forwards, 2);
    frame_write_forward_answers(&out, FRAME_VERSION_MAX, answers, 2);
    struct frame_control order = {.number = 1,
                                  .what = FRAME_CONTROL_TRANSFER,
                                  .count = 1,
                                  .words = {{"2", 1}}};
    struct frame_control_answer done = {.number = 1, .text = "", .index = 4};
    frame_write_control(&out, FRAME_VERSION_MAX, &order);
    frame_write_control_answer(&out, FRAME_VERSION_MAX, &done);
    struct frame_offer offer = {.index = 1, .record_size = 9};
    struct frame_want want = {.index = 1};
    struct frame_chunk chunk = {
        .index = 1, .bytes = (const uint8_t *)"nine more", .size = 9};
    frame_write_offer(&out, FRAME_VERSION_MAX, &offer);
    frame_write_want(&out, FRAME_VERSION_MAX, &want);
    frame_write_chunk(&out, FRAME_VERSION_MAX, &chunk);
    raft_message_clear(&append);
    blob_free(payload);
    return flat(&out);
}

/* Reads a body by its type; true where it was sound. */
static bool read_any(const struct frame *frame)
{
    struct frame_hello hello;
    struct frame_refusal refusal;
    struct raft_message message;
    struct frame_forward *forwards = NULL;
    struct frame_forward_answer *answers = NULL;
    struct frame_control order;
    struct frame_control_answer done;
    struct frame_offer offer;
    struct frame_want want;
    struct frame_chunk chunk;
    size_t count = 0;
    switch (frame->type) {
    case FRAME_OFFER:
        return frame_read_offer(frame, &offer);
    case FRAME_WANT:
        return frame_read_want(frame, &want);
    case FRAME_CHUNK:
        return frame_read_chunk(frame, &chunk);
    case FRAME_CONTROL:
        return frame_read_control(frame, &order);
    case FRAME_CONTROL_ANSWER:
        return frame_read_control_answer(frame, &done);
    case FRAME_HELLO:
        return frame_read_hello(frame, &hello);
    case FRAME_REFUSAL:
        return frame_read_refusal(frame, &refusal);
    case FRAME_MESSAGE:
        if (!frame_read_message(frame, 1, 2, &message)) {
            return false;
        }
        raft_message_clear(&message);
        return true;
    case FRAME_FORWARD:
        if (!frame_read_forwards(frame, 100, &forwards, &count)) {
            return false;
        }
        for (size_t i = 0; i < count; i++) {
            blob_free(forwards[i].key);
            blob_free(forwards[i].payload);
        }
        free(forwards);
        return true;
    case FRAME_FORWARD_ANSWER:
        if (!frame_read_forward_answers(frame, 100, &answers, &count)) {
            return false;
        }
        free(answers);
        return true;
    default:
        return false;
    }
}

/* How many sound frames come out of `bytes`, given in two parts; *bad tells
 * whether the stream was refused. */
static size_t count_frames(const struct buf *bytes, size_t cut, bool *bad)
{
    struct frame_parser *parser = frame_parser_new(FRAME_SIZE_MAX);
    size_t sound = 0;
    size_t parts[] = {cut, bytes->size - cut};
    const uint8_t *at = bytes->data;
    *bad = false;
    for (int i = 0; i < 2; i++) {
        uint8_t *part = malloc(parts[i] + 1);
        memcpy(part, at, parts[i]);
        at += parts[i];
        const uint8_t *data = part;
        size_t size = parts[i];
        struct frame frame;
        enum frame_result result;
        while ((result = frame_parser_next(parser, &data, &size, &frame)) ==
               FRAME_WHOLE) {
            sound += read_any(&frame);
        }
        *bad = *bad || result == FRAME_BAD;
        free(part);
    }
    frame_parser_free(parser);
    return sound;
}

static void every_type_comes_back_wherever_it_is_cut(void **state)
{
    (void)state;
    struct buf bytes = all_frames();
    for (size_t cut = 0; cut <= bytes.size; cut++) {
        bool bad;
        assert_int_equal(count_frames(&bytes, cut, &bad), 10);
        assert_false(bad);
    }
    buf_free(&bytes);
}

static void a_hello_comes_back_as_it_was(void **state)
{
    (void)state;
    struct out out = {0};
    struct frame_hello hello = some_hello();
    struct frame_hello back;
    frame_write_hello(&out, &hello);
    struct buf bytes = flat(&out);
    struct frame_parser *parser = frame_parser_new(FRAME_HELLO_MAX);
    const uint8_t *data = bytes.data;
    size_t size = bytes.size;
    struct frame frame;
    assert_int_equal(frame_parser_next(parser, &data, &size, &frame),
                     FRAME_WHOLE);
    assert_true(frame_read_hello(&frame, &back));
    assert_int_equal(back.version_max, 3);
    assert_string_equal(back.cluster, "shop");
    assert_string_equal(back.address, "[::1]:7000");
    assert_true(digest_equal(back.cluster_id, hello.cluster_id));
    assert_int_equal(back.id, 0);
    assert_true(back.peer_id == RAFT_ID_NONE);
    assert_int_equal(back.heartbeat_us, 100000);
    frame_parser_free(parser);
    buf_free(&bytes);
}

static bool refusal_comes_back(raft_index index)
{
    struct out out = {0};
    struct frame_refusal refusal = {
        .code = FRAME_REFUSED_REMOVED, .text = "removed", .index = index};
    struct frame_refusal back;
    frame_write_refusal(&out, &refusal);
    struct buf bytes = flat(&out);
    struct frame frame = {.body = bytes.data + FRAME_HEAD_SIZE,
                          .size = bytes.size - FRAME_HEAD_SIZE};
    bool sound = frame_read_refusal(&frame, &back);
    assert_true(!sound || back.index == index);
    buf_free(&bytes);
    return sound;
}

static void a_refusal_names_an_index_that_an_entry_can_have(void **state)
{
    (void)state;
    assert_true(refusal_comes_back(17));
    assert_true(refusal_comes_back(INT64_MAX));
    assert_false(refusal_comes_back((raft_index)INT64_MAX + 1));
    assert_false(refusal_comes_back(UINT64_MAX));
}

static void a_proposal_comes_back_with_its_options(void **state)
{
    (void)state;
    struct out out = {0};
    struct blob *key = blob_copy("key", 3);
    struct frame_forward item = {
        .number = 9, .fence = 8, .since = 7, .after = 6, .key = key};
    struct frame_forward *back = NULL;
    size_t count = 0;
    frame_write_forwards(&out, FRAME_VERSION_MAX, &item, 1);
    struct buf bytes = flat(&out);
    struct frame frame = {.body = bytes.data + FRAME_HEAD_SIZE,
                          .size = bytes.size - FRAME_HEAD_SIZE};
    assert_true(frame_read_forwards(&frame, 1, &back, &count));
    assert_int_equal(back->number, 9);
    assert_int_equal(back->fence, 8);
    assert_int_equal(back->since, 7);
    assert_int_equal(back->after, 6);
    assert_memory_equal(back->key->data, "key", 3);
    assert_null(back->payload);
    blob_free(back->key);
    free(back);
    blob_free(key);
    buf_free(&bytes);
}

static void an_append_comes_back_and_shares_large_payloads(void **state)
{
    (void)state;
    struct out out = {0};
    struct raft_message message = some_append(100000);
    struct raft_message back;
    frame_write_message(&out, FRAME_VERSION_MAX, &message);
    struct buf bytes = flat(&out);
    struct frame_parser *parser = frame_parser_new(FRAME_SIZE_MAX);
    const uint8_t *data = bytes.data;
    size_t size = 1000; /* in two parts, so that it is gathered */
    struct frame frame;
    assert_int_equal(frame_parser_next(parser, &data, &size, &frame),
                     FRAME_MORE);
    size = bytes.size - 1000;
    assert_int_equal(frame_parser_next(parser, &data, &size, &frame),
                     FRAME_WHOLE);
    assert_true(frame_read_message(&frame, 7, 8, &back));
    assert_int_equal(back.from, 7);
    assert_int_equal(back.to, 8);
    assert_int_equal(back.append.entry_count, 3);
    for (size_t i = 0; i < 3; i++) {
        const struct raft_entry *entry = &back.append.entries[i];
        assert_int_equal(entry->index, 42 + i);
        assert_int_equal(entry->unix_ms, 1000 + i);
        assert_int_equal(entry->flags, RAFT_FLAG_REQUIRED);
    }
    struct blob *payload = back.append.entries[0].payload;
    assert_int_equal(payload->size, 100000);
    assert_ptr_equal(payload->parent, frame.blob);
    assert_memory_equal(back.append.entries[1].key->data, "key", 3);
    assert_null(back.append.entries[2].payload);
    frame_parser_free(parser);
    assert_int_equal(payload->data[99999], 'a');
    raft_message_clear(&back);
    raft_message_clear(&message);
    buf_free(&bytes);
}

static struct frame one_frame(struct frame_parser *parser, struct buf *bytes)
{
    struct frame frame;
    const uint8_t *data = bytes->data;
    size_t size = bytes->size;
    assert_int_equal(frame_parser_next(parser, &data, &size, &frame),
                     FRAME_WHOLE);
    return frame;
}

static void an_order_about_the_members_comes_back_with_its_words(void **state)
{
    (void)state;
    struct out out = {0};
    struct frame_control order = {.number = 5,
                                  .what = FRAME_CONTROL_ADD,
                                  .force = true,
                                  .count = 2,
                                  .words = {{"3=a:1", 5}, {"4=b:1", 5}}};
    struct frame_control back;
    frame_write_control(&out, 1, &order);
    struct buf bytes = flat(&out);
    struct frame_parser *parser = frame_parser_new(FRAME_SIZE_MAX);
    struct frame frame = one_frame(parser, &bytes);
    assert_int_equal(frame.type, FRAME_CONTROL);
    assert_true(frame_read_control(&frame, &back));
    assert_true(back.number == 5 && back.what == FRAME_CONTROL_ADD &&
                back.force && back.count == 2);
    assert_memory_equal(back.words[1].text, "4=b:1", 5);
    /* The last word is cut. */
    frame.size -= 1;
    assert_false(frame_read_control(&frame, &back));
    buf_free(&bytes);
    frame_parser_free(parser);
}

static void an_answer_about_the_members_comes_back(void **state)
{
    (void)state;
    struct out out = {0};
    struct frame_control_answer answer = {.number = 6,
                                          .result = FRAME_CONTROL_ERROR,
                                          .index = 7,
                                          .base = 3,
                                          .text = "ERR no",
                                          .text_size = 6};
    struct frame_control_answer back;
    frame_write_control_answer(&out, 1, &answer);
    struct buf bytes = flat(&out);
    struct frame_parser *parser = frame_parser_new(FRAME_SIZE_MAX);
    struct frame frame = one_frame(parser, &bytes);
    assert_true(frame_read_control_answer(&frame, &back));
    assert_true(back.number == 6 && back.result == FRAME_CONTROL_ERROR &&
                back.index == 7 && back.base == 3 && back.text_size == 6);
    assert_memory_equal(back.text, "ERR no", 6);
    frame.size -= 1;
    assert_false(frame_read_control_answer(&frame, &back));
    buf_free(&bytes);
    frame_parser_free(parser);
}

/* The only frame in `out`, which must be of this type; the parser owns it. */
static struct frame_parser *only_frame(struct out *out, uint8_t type,
                                       struct buf *bytes, struct frame *frame)
{
    struct frame_parser *parser = frame_parser_new(FRAME_SIZE_MAX);
    *bytes = flat(out);
    const uint8_t *data = bytes->data;
    size_t size = bytes->size;
    assert_int_equal(frame_parser_next(parser, &data, &size, frame),
                     FRAME_WHOLE);
    assert_int_equal(frame->type, type);
    assert_int_equal(size, 0);
    return parser;
}

static void an_offer_and_what_is_wanted_of_it_come_back(void **state)
{
    (void)state;
    struct out out = {0};
    struct buf bytes;
    struct frame frame;
    struct frame_offer offer = {.index = 7,
                                .term = 3,
                                .record_size = 1000,
                                .record_digest = {{1, 2}},
                                .snapshot_size = (uint64_t)1 << 40,
                                .snapshot_sha256 = {3, 4}};
    frame_write_offer(&out, FRAME_VERSION_MAX, &offer);
    struct frame_parser *parser = only_frame(&out, FRAME_OFFER, &bytes, &frame);
    struct frame_offer back;
    memset(&back, 0, sizeof(back));
    assert_true(frame_read_offer(&frame, &back));
    assert_int_equal(back.index, 7);
    assert_int_equal(back.term, 3);
    assert_int_equal(back.record_size, 1000);
    assert_true(digest_equal(back.record_digest, offer.record_digest));
    assert_true(back.snapshot_size == offer.snapshot_size);
    assert_memory_equal(back.snapshot_sha256, offer.snapshot_sha256, 32);
    frame.size -= 1;
    assert_false(frame_read_offer(&frame, &back));
    frame_parser_free(parser);
    buf_free(&bytes);
    struct frame_want want = {.index = 7,
                              .offset = 99,
                              .done = true,
                              .decline = FRAME_DECLINE_NO_ROOM};
    frame_write_want(&out, FRAME_VERSION_MAX, &want);
    parser = only_frame(&out, FRAME_WANT, &bytes, &frame);
    struct frame_want wanted;
    assert_true(frame_read_want(&frame, &wanted));
    assert_int_equal(wanted.index, 7);
    assert_int_equal(wanted.offset, 99);
    assert_true(wanted.done);
    assert_int_equal(wanted.decline, FRAME_DECLINE_NO_ROOM);
    frame_parser_free(parser);
    buf_free(&bytes);
    struct frame_chunk chunk = {.index = 7,
                                .offset = 99,
                                .bytes = (const uint8_t *)"nine more",
                                .size = 9};
    frame_write_chunk(&out, FRAME_VERSION_MAX, &chunk);
    parser = only_frame(&out, FRAME_CHUNK, &bytes, &frame);
    struct frame_chunk some;
    assert_true(frame_read_chunk(&frame, &some));
    assert_int_equal(some.offset, 99);
    assert_int_equal(some.size, 9);
    assert_memory_equal(some.bytes, "nine more", 9);
    frame_parser_free(parser);
    buf_free(&bytes);
}

static void a_flipped_bit_is_always_found(void **state)
{
    (void)state;
    struct buf bytes = all_frames();
    for (size_t bit = 0; bit < bytes.size * 8; bit++) {
        bytes.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
        bool bad;
        size_t sound = count_frames(&bytes, 0, &bad);
        assert_true(bad || sound < 10);
        bytes.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    buf_free(&bytes);
}

/* With the checksum put right, whatever the rest says does no harm. */
static void random_changes_under_a_right_checksum_do_no_harm(void **state)
{
    (void)state;
    struct buf original = all_frames();
    struct prng prng;
    prng_seed(&prng, 5);
    for (int round = 0; round < 20000; round++) {
        struct buf bytes = {0};
        buf_append(&bytes, original.data, original.size);
        size_t at = 0;
        while (at + FRAME_HEAD_SIZE <= bytes.size) {
            size_t size = be_get_u32(bytes.data + at) + 4;
            for (int i = 0; i < 3; i++) {
                size_t where = (size_t)prng_range(&prng, 8, size - 1);
                bytes.data[at + where] = (uint8_t)prng_u64(&prng);
            }
            be_put_u32(bytes.data + at + 4,
                       crc32c(0, bytes.data + at + 8, size - 8));
            at += size;
        }
        bool bad;
        count_frames(&bytes, (size_t)prng_below(&prng, bytes.size), &bad);
        buf_free(&bytes);
    }
    buf_free(&original);
}

static void a_frame_that_is_too_long_or_too_short_ends_the_stream(void **state)
{
    (void)state;
    static const uint32_t sizes[] = {0, 7, 0xffffffff, 5000};
    for (size_t i = 0; i < 4; i++) {
        struct frame_parser *parser = frame_parser_new(FRAME_HELLO_MAX);
        uint8_t head[4];
        be_put_u32(head, sizes[i]);
        for (size_t at = 0; at < 4; at++) {
            const uint8_t *data = head + at;
            size_t size = 1;
            struct frame frame;
            enum frame_result result =
                frame_parser_next(parser, &data, &size, &frame);
            assert_int_equal(result, at == 3 ? FRAME_BAD : FRAME_MORE);
        }
        assert_true(frame_parser_error(parser)[0] != '\0');
        frame_parser_free(parser);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_type_comes_back_wherever_it_is_cut),
        cmocka_unit_test(a_hello_comes_back_as_it_was),
        cmocka_unit_test(an_append_comes_back_and_shares_large_payloads),
        cmocka_unit_test(a_refusal_names_an_index_that_an_entry_can_have),
        cmocka_unit_test(a_proposal_comes_back_with_its_options),
        cmocka_unit_test(an_order_about_the_members_comes_back_with_its_words),
        cmocka_unit_test(an_answer_about_the_members_comes_back),
        cmocka_unit_test(an_offer_and_what_is_wanted_of_it_come_back),
        cmocka_unit_test(a_flipped_bit_is_always_found),
        cmocka_unit_test(random_changes_under_a_right_checksum_do_no_harm),
        cmocka_unit_test(a_frame_that_is_too_long_or_too_short_ends_the_stream),
    };
    return RUN(tests);
}
