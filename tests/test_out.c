#include "base/out.h"

#include <stdlib.h>

#include "base/buf.h"
#include "base/prng.h"
#include "check.h"

static void take_all(struct out *out, struct buf *into, struct prng *prng)
{
    while (out->size > 0) {
        struct out_span spans[3];
        size_t count = out_spans(out, spans, 3);
        assert_true(count > 0);
        size_t wanted = (size_t)prng_range(prng, 1, out->size);
        size_t taken = 0;
        for (size_t i = 0; i < count && taken < wanted; i++) {
            size_t part =
                spans[i].size < wanted - taken ? spans[i].size : wanted - taken;
            buf_append(into, spans[i].data, part);
            taken += part;
        }
        out_drain(out, taken);
    }
}

static void what_goes_in_comes_out_in_order(void **state)
{
    (void)state;
    struct prng prng;
    prng_seed(&prng, 3);
    for (int round = 0; round < 200; round++) {
        struct out out = {0};
        struct out other = {0};
        struct buf expected = {0};
        struct buf got = {0};
        for (int i = 0; i < 20; i++) {
            char data[3000];
            size_t size = (size_t)prng_below(&prng, sizeof(data));
            memset(data, 'a' + i, size);
            buf_append(&expected, data, size);
            if (prng_chance(&prng, 2)) {
                struct blob *blob = blob_copy(data, size);
                out_append_blob(&other, blob);
                blob_free(blob);
                out_move(&out, &other);
            } else {
                out_append(&out, data, size);
            }
        }
        assert_int_equal(out.size, expected.size);
        take_all(&out, &got, &prng);
        assert_int_equal(got.size, expected.size);
        assert_memory_equal(got.data, expected.data, got.size);
        buf_free(&expected);
        buf_free(&got);
        out_free(&out);
    }
}

static void a_large_blob_is_shared_and_let_go(void **state)
{
    (void)state;
    uint8_t *data;
    struct blob *blob = blob_new(100000, &data);
    struct out out = {0};
    out_append_blob(&out, blob);
    assert_int_equal(blob->references, 2);
    out_drain(&out, 99999);
    assert_int_equal(blob->references, 2);
    out_drain(&out, 1);
    assert_int_equal(blob->references, 1);
    blob_free(blob);
}

static void reserved_bytes_and_printed_ones_are_in_place(void **state)
{
    (void)state;
    struct out out = {0};
    memcpy(out_reserve(&out, 5), "abcde", 5);
    out_commit(&out, 3);
    out_printf(&out, "%d-%s", 42, "x");
    struct out_span span;
    assert_int_equal(out_spans(&out, &span, 1), 1);
    assert_int_equal(span.size, 7);
    assert_memory_equal(span.data, "abc42-x", 7);
    out_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_goes_in_comes_out_in_order),
        cmocka_unit_test(a_large_blob_is_shared_and_let_go),
        cmocka_unit_test(reserved_bytes_and_printed_ones_are_in_place),
    };
    return RUN(tests);
}
