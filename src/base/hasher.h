/* A SHA-256 whose work is done in a thread of its own, beside what its owner
 * does with the same bytes. */
#ifndef RAFTSC_BASE_HASHER_H
#define RAFTSC_BASE_HASHER_H

#include <stdbool.h>

#include "base/sha256.h"

struct hasher;

/* Without `threaded`, and where no thread is to be had, the caller's thread
 * does it all. */
struct hasher *hasher_new(bool threaded);
void hasher_free(struct hasher *hasher); /* waits; NULL is fine */
/* Waits for what was added before, and then adds these.  Borrows the bytes
 * until hasher_wait(), or any other call, has returned. */
void hasher_add(struct hasher *hasher, const void *data, size_t size);
void hasher_wait(struct hasher *hasher);
/* Of all that was added; the next hasher_add() begins anew. */
void hasher_end(struct hasher *hasher, uint8_t hash[SHA256_SIZE]);

#endif
