/* The keys of the log: which entry carries which (SUBMIT … KEY).
 *
 * Held are the keys of all entries behind `forgotten`: of the newest `window`
 * entries with a key that are committed, and of the uncommitted tail.  What is
 * remembered is a function of the log alone: of the newest `window` of all,
 * the tail included.  The rest of what is held comes back into that when a
 * truncation takes the tail away, so nothing that is not committed ever makes
 * anything be dropped.
 *
 * Keys come and go at the ends only, in the order of their entries: added and
 * truncated behind, dropped in front, each in constant time.  A key costs 24
 * bytes, its own bytes and 4 for a head of the table, and rings that double:
 * at most twice that.
 *
 * An entry's key is what its payload was submitted with; the same key may
 * stand in the log twice, where the first one was forgotten in between. */
#ifndef RAFTSC_CORE_KEYS_H
#define RAFTSC_CORE_KEYS_H

#include "base/buf.h"
#include "core/types.h"

/* More than this nobody may ask to be remembered: the bytes of so many keys
 * stay well below what 32 bits count, with any tail behind them. */
#define RAFT_KEY_WINDOW_MAX ((size_t)4 * 1024 * 1024)

/* The key of one entry. */
struct keyed {
    raft_index index;
    uint32_t at; /* its bytes, counted like positions */
    uint32_t hash;
    uint32_t older; /* position of the one before it in its chain */
    uint8_t size;   /* of its bytes */
};

/* Positions count keys for ever, modulo 2^32; those held are first ..
 * first + count - 1.  Chains go from the newest to the oldest; one ends where
 * a position is not held any more. */
struct raft_keys {
    size_t window;
    uint64_t seed;        /* of the hash; nothing that is told depends on it */
    raft_index forgotten; /* the newest entry whose key is not held; 0: none */
    uint32_t first;
    uint32_t count;
    uint32_t committed; /* so many of them, from the first on */
    uint32_t capacity;  /* of ring and heads, a power of two */
    struct keyed *ring;
    uint32_t *heads; /* position of the newest of each chain */
    uint8_t *bytes;  /* a ring; each key lies in it in one piece */
    uint32_t bytes_capacity;
    uint32_t bytes_end;
};

/* An empty set, of a log without keys; window: 1 .. RAFT_KEY_WINDOW_MAX. */
void keys_open(struct raft_keys *keys, size_t window, uint64_t seed);
void keys_close(struct raft_keys *keys);

/* Adds a packed set (below) to an empty one.  NULL: fine; else what is wrong
 * with it, a constant.  Its entries are before `end`. */
const char *keys_unpack(struct raft_keys *keys, const void *data, size_t size,
                        raft_index end);

/* The entry is in the log now, if it has a key; borrows it. */
void keys_add(struct raft_keys *keys, const struct raft_entry *entry);
/* Entry `from` and all behind it are not in the log any more. */
void keys_truncate(struct raft_keys *keys, raft_index from);
/* Entries up to `commit` are committed: what is old enough is dropped. */
void keys_commit(struct raft_keys *keys, raft_index commit);
/* Another node's base is under the log now: of entries up to `base` is known
 * what the packed set says; those behind it stay.  NULL: fine; else what is
 * wrong with the set, and nothing has changed. */
const char *keys_rebase(struct raft_keys *keys, const void *data, size_t size,
                        raft_index base);

/* The entry that carries the key and is remembered in view of the whole log;
 * 0: none. */
raft_index keys_find(const struct raft_keys *keys, const struct blob *key);
/* The newest entry whose key is not remembered in that view; 0: none. */
raft_index keys_forgotten(const struct raft_keys *keys);
/* The newest entry up to `upto` that carries the key and is held; 0: none. */
raft_index keys_find_upto(const struct raft_keys *keys, const struct blob *key,
                          raft_index upto);

/* Bytes of memory. */
size_t keys_memory(const struct raft_keys *keys);

/* Packed sets: what a base carries, and what a node is started with.
 *
 *     u16 size of the fixed fields: 8
 *     u64 forgotten: keys of entries up to here may be missing
 *     then for each key, ascending by its entry:
 *     u16 size of what follows: 9 to 136
 *     u64 index   1 to 128 bytes: the key
 *
 * Numbers are big-endian. */
void keys_pack_begin(struct buf *buf, raft_index forgotten);
void keys_pack_add(struct buf *buf, raft_index index, const void *key,
                   size_t size);
/* All that is held of entries up to `upto`, which must be committed. */
void keys_pack(const struct raft_keys *keys, raft_index upto, struct buf *buf);

#endif
