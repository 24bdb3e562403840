#include "core/types.h"

#include <string.h>

#include "base/buf.h"

static size_t size_of(const struct blob *blob)
{
    return blob == NULL ? 0 : blob->size;
}

void raft_entry_head(const struct raft_entry *entry,
                     uint8_t head[RAFT_ENTRY_HEAD])
{
    be_put_u64(head, entry->index);
    be_put_u64(head + 8, entry->term);
    be_put_u64(head + 16, entry->unix_ms);
    head[24] = entry->kind;
    head[25] = entry->flags;
    be_put_u16(head + 26, (uint16_t)size_of(entry->key));
    be_put_u64(head + 28, size_of(entry->payload));
}

struct digest raft_entry_chain(struct digest before,
                               const struct raft_entry *entry)
{
    uint8_t head[RAFT_ENTRY_HEAD];
    raft_entry_head(entry, head);
    return digest_chain(before, head, sizeof(head),
                        entry->key == NULL ? NULL : entry->key->data,
                        size_of(entry->key),
                        entry->payload == NULL ? NULL : entry->payload->data,
                        size_of(entry->payload));
}

size_t raft_entry_weight(const struct raft_entry *entry)
{
    return 64 + size_of(entry->key) + size_of(entry->payload);
}

struct raft_entry raft_entry_share(const struct raft_entry *entry)
{
    blob_share(entry->key);
    blob_share(entry->payload);
    return *entry;
}

void raft_entry_clear(struct raft_entry *entry)
{
    blob_free(entry->key);
    blob_free(entry->payload);
    *entry = (struct raft_entry){0};
}
