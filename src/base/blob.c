#include "base/blob.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"

/* A part smaller than this is copied: a large parent that is kept alive for a
 * few bytes costs more than they do. */
#define SLICE_MIN 512

static atomic_size_t bytes_total;

size_t blob_bytes_total(void)
{
    return atomic_load_explicit(&bytes_total, memory_order_relaxed);
}

static size_t footprint(const struct blob *blob)
{
    return sizeof(*blob) + (blob->parent == NULL ? blob->size : 0);
}

static struct blob *count(struct blob *blob)
{
    atomic_fetch_add_explicit(&bytes_total, footprint(blob),
                              memory_order_relaxed);
    return blob;
}

struct blob *blob_new(size_t size, uint8_t **data)
{
    struct blob *blob = x_malloc(sizeof(*blob) + size);
    uint8_t *bytes = (uint8_t *)(blob + 1);
    *blob = (struct blob){.data = bytes, .size = size, .references = 1};
    *data = bytes;
    return count(blob);
}

struct blob *blob_copy(const void *data, size_t size)
{
    uint8_t *bytes;
    struct blob *blob = blob_new(size, &bytes);
    if (size > 0) {
        memcpy(bytes, data, size);
    }
    return blob;
}

struct blob *blob_take(struct buf *buf)
{
    if (buf->size == 0) {
        buf_free(buf);
        return blob_copy(NULL, 0);
    }
    struct blob *blob = x_malloc(sizeof(*blob));
    *blob = (struct blob){.data = x_realloc(buf->data, buf->size),
                          .size = buf->size,
                          .references = 1};
    *buf = (struct buf){0};
    return count(blob);
}

struct blob *blob_slice(struct blob *parent, size_t offset, size_t size)
{
    assert(offset <= parent->size);
    assert(size <= parent->size - offset);
    if (size < SLICE_MIN) {
        return blob_copy(parent->data + offset, size);
    }
    struct blob *blob = x_malloc(sizeof(*blob));
    *blob = (struct blob){.data = parent->data + offset,
                          .size = size,
                          .references = 1,
                          .parent = blob_share(parent)};
    return count(blob);
}

struct blob *blob_share(struct blob *blob)
{
    if (blob != NULL) {
        blob->references++;
    }
    return blob;
}

void blob_free(struct blob *blob)
{
    while (blob != NULL && --blob->references == 0) {
        struct blob *parent = blob->parent;
        if (parent == NULL && blob->data != (const uint8_t *)(blob + 1)) {
            free((void *)(uintptr_t)blob->data); /* taken */
        }
        atomic_fetch_sub_explicit(&bytes_total, footprint(blob),
                                  memory_order_relaxed);
        free(blob);
        blob = parent;
    }
}
