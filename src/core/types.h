/* The words that everything above core shares: indexes, terms, ids, tickets,
 * entries.  Section numbers are those of the Raft paper (extended version);
 * "thesis" is Ongaro's. */
#ifndef RAFTSC_CORE_TYPES_H
#define RAFTSC_CORE_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/blob.h"
#include "base/digest.h"

typedef uint64_t raft_index; /* the first entry is 1; 0 is before all */
typedef uint64_t raft_term;  /* 0 is before the first election */
typedef uint32_t raft_id;    /* 0 .. 2^32 - 2 */

#define RAFT_ID_NONE UINT32_MAX
/* Where an index may be missing and 0 is one. */
#define RAFT_INDEX_NONE UINT64_MAX

/* The largest payload that any node accepts from another one, bytes. */
#define RAFT_PAYLOAD_MAX ((size_t)64 * 1024 * 1024)
#define RAFT_KEY_MAX ((size_t)128)

/* Two clocks, both inputs: one only for differences, which never goes back,
 * and one for people, which may jump. */
struct raft_now {
    uint64_t mono_us;
    uint64_t unix_ms;
};

/* Whom to answer.  Means nothing to core, which hands it back. */
struct raft_ticket {
    uint64_t owner;
    uint64_t number;
};

enum raft_kind {
    RAFT_KIND_NOOP = 0,  /* the first entry of a leader's term (5.4.2, 8) */
    RAFT_KIND_APP = 1,   /* an app's payload: what is delivered */
    RAFT_KIND_CONFIG = 2 /* a configuration: see core/config.h */
};

/* A node that does not know this entry's kind must stop and name it; without
 * the flag it keeps the entry and passes over it. */
#define RAFT_FLAG_REQUIRED 0x01

/* One entry of the log.  `kind` is a number that another version may have
 * made, so it is not of the enum's type.  Whoever holds an entry holds one
 * reference to `key` and `payload`. */
struct raft_entry {
    raft_index index;
    raft_term term;
    uint64_t unix_ms;     /* the leader's clock at append; never decreases */
    struct blob *key;     /* NULL: none */
    struct blob *payload; /* NULL only where it is empty */
    struct digest chain;  /* of the log up to and including this entry */
    uint8_t kind;
    uint8_t flags;
};

/* What checksums and digests cover of an entry besides key and payload, whose
 * sizes it tells, so that no two entries give the same bytes: index, term,
 * unix_ms, kind, flags, u16 key size, u64 payload size, big-endian. */
#define RAFT_ENTRY_HEAD 36
void raft_entry_head(const struct raft_entry *entry,
                     uint8_t head[RAFT_ENTRY_HEAD]);

/* The digest of the log up to `entry`, when `before` is the one up to the
 * entry before it.  Over index, term, unix_ms, kind, flags, key, payload. */
struct digest raft_entry_chain(struct digest before,
                               const struct raft_entry *entry);

/* What an entry weighs against limits in bytes: key, payload, 64 for the rest.
 */
size_t raft_entry_weight(const struct raft_entry *entry);

/* Another holder for the same entry, and the end of one. */
struct raft_entry raft_entry_share(const struct raft_entry *entry);
void raft_entry_clear(struct raft_entry *entry);

#endif
