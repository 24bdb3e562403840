/* What inspect and verify show, as JSON, and a few words that the text form
 * shares with it. */
#ifndef RAFTSC_CTL_INSPECT_H
#define RAFTSC_CTL_INSPECT_H

#include "base/buf.h"
#include "store/offline.h"

struct look {
    struct offline_about about;
    const struct node_start *start;
    const char *path;
};

/* Each of these prints one line. */
void inspect_json(const struct look *look);
void inspect_entry_json(const struct offline_entry *row);
void inspect_verdict_json(const struct offline_verdict *verdict);

/* "app", "config", "noop", "unknown". */
const char *inspect_kind(uint8_t kind);
/* The members, as CONFIG shows them. */
void inspect_config_text(const struct raft_config_entry *entry,
                         struct buf *text);
/* What a blob holds; NULL holds nothing. */
const char *inspect_blob(const struct blob *blob);
size_t inspect_blob_size(const struct blob *blob);

#endif
