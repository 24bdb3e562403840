/* Counted, immutable bytes.
 *
 * A payload is made once, where it enters the process, and shared from there
 * to the log, the store, every peer and every reader; nobody copies it.
 *
 * Threads: a blob's count belongs to the loop's thread.  Another thread may
 * make blobs, and may read blobs that the loop's thread keeps alive for it;
 * it never shares or frees one. */
#ifndef RAFTSC_BASE_BLOB_H
#define RAFTSC_BASE_BLOB_H

#include <stddef.h>
#include <stdint.h>

struct blob {
    const uint8_t *data;
    size_t size;
    uint32_t references;
    struct blob *parent; /* whose bytes these are; NULL: its own */
};

/* A new blob of `size` bytes with one reference, which the caller owns.
 * *data is where to write them, before the blob is first shared. */
struct blob *blob_new(size_t size, uint8_t **data);

/* The same, filled with a copy of `data`. */
struct blob *blob_copy(const void *data, size_t size);

/* One of all bytes of *buf, which it takes: *buf is empty then. */
struct buf;
struct blob *blob_take(struct buf *buf);

/* A blob of the bytes offset .. offset + size - 1 of `parent`, with one
 * reference.  Keeps `parent` alive, or copies where the part is small. */
struct blob *blob_slice(struct blob *parent, size_t offset, size_t size);

/* One reference more: returns `blob`.  NULL gives NULL. */
struct blob *blob_share(struct blob *blob);

/* One reference less; the last one frees.  NULL is fine. */
void blob_free(struct blob *blob);

/* Bytes that all blobs of this process hold now, their headers included. */
size_t blob_bytes_total(void);

#endif
