#include "base/blob.h"
#include "base/buf.h"

#include "check.h"

static void a_copy_has_the_bytes_and_one_reference(void **state)
{
    (void)state;
    size_t before = blob_bytes_total();
    struct blob *blob = blob_copy("hello", 5);
    assert_int_equal(blob->size, 5);
    assert_memory_equal(blob->data, "hello", 5);
    assert_true(blob_bytes_total() > before);
    blob_free(blob);
    assert_int_equal(blob_bytes_total(), before);
}

static void a_large_slice_shares_and_keeps_its_parent(void **state)
{
    (void)state;
    uint8_t *data;
    struct blob *parent = blob_new(10000, &data);
    memset(data, 'x', 10000);
    data[5000] = 'y';
    struct blob *slice = blob_slice(parent, 5000, 4000);
    assert_ptr_equal(slice->data, parent->data + 5000);
    blob_free(parent);
    assert_int_equal(slice->data[0], 'y');
    blob_free(slice);
}

static void a_small_slice_is_a_copy(void **state)
{
    (void)state;
    struct blob *parent = blob_copy("0123456789", 10);
    struct blob *slice = blob_slice(parent, 3, 4);
    blob_free(parent);
    assert_memory_equal(slice->data, "3456", 4);
    blob_free(slice);
}

static void a_buffer_is_taken_and_not_copied(void **state)
{
    (void)state;
    size_t before = blob_bytes_total();
    struct buf buf = {0};
    buf_append_text(&buf, "a buffer's bytes");
    struct blob *blob = blob_take(&buf);
    assert_null(buf.data);
    assert_int_equal(buf.size, 0);
    assert_int_equal(blob->size, 16);
    assert_memory_equal(blob->data, "a buffer's bytes", 16);
    blob_free(blob);
    blob = blob_take(&buf);
    assert_int_equal(blob->size, 0);
    blob_free(blob);
    assert_int_equal(blob_bytes_total(), before);
}

static void it_lives_until_the_last_holder_lets_go(void **state)
{
    (void)state;
    struct blob *blob = blob_copy("a", 1);
    assert_ptr_equal(blob_share(blob), blob);
    blob_free(blob);
    assert_int_equal(blob->data[0], 'a');
    blob_free(blob);
    blob_free(NULL);
    assert_null(blob_share(NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_copy_has_the_bytes_and_one_reference),
        cmocka_unit_test(a_large_slice_shares_and_keeps_its_parent),
        cmocka_unit_test(a_small_slice_is_a_copy),
        cmocka_unit_test(a_buffer_is_taken_and_not_copied),
        cmocka_unit_test(it_lives_until_the_last_holder_lets_go),
    };
    return RUN(tests);
}
