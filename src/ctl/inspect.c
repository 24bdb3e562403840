#include "ctl/inspect.h"

#include <inttypes.h>
#include <stdio.h>

#include "ctl/json.h"
#include "ctl/members.h"

const char *inspect_kind(uint8_t kind)
{
    static const char *const words[] = {"noop", "app", "config"};

    return kind < 3 ? words[kind] : "unknown";
}

const char *inspect_blob(const struct blob *blob)
{
    return blob == NULL ? "" : (const char *)blob->data;
}

size_t inspect_blob_size(const struct blob *blob)
{
    return blob == NULL ? 0 : blob->size;
}

void inspect_config_text(const struct raft_config_entry *entry,
                         struct buf *text)
{
    struct raft_config config;

    if (raft_config_decode(entry->payload->data, entry->payload->size, &config))
        raft_config_text(&config, text);
}

static void json_identity(struct json *json, const struct look *look)
{
    const struct node_identity *identity = &look->start->identity;
    char text[DIGEST_SIZE * 2 + 1];

    if (identity->id != RAFT_ID_NONE)
        json_named_u64(json, "node_id", identity->id);
    if (!look->about.is_backup) {
        snprintf(text, sizeof(text), "%016" PRIx64, identity->instance);
        json_named_text(json, "instance", text);
        json_named_u64(json, "boot", identity->boot);
    }
    digest_to_hex(identity->cluster_id, text);
    json_named_text(json, "cluster_id", text);
    snprintf(text, sizeof(text), "%" PRIu64, identity->epoch);
    json_named_text(json, "epoch", text);
}

static void json_terms(struct json *json, const struct raft_start *raft)
{
    json_name(json, "terms");
    json_open(json, '[');
    for (size_t i = 0; i < raft->run_count; i++) {
        json_open(json, '{');
        json_named_u64(json, "term", raft->runs[i].term);
        json_named_u64(json, "first", raft->runs[i].first);
        json_close(json, '}');
    }
    json_close(json, ']');
}

static void json_configs(struct json *json, const struct raft_start *raft)
{
    json_name(json, "configs");
    json_open(json, '[');
    for (size_t i = 0; i < raft->config_count; i++) {
        struct buf text = {0};

        inspect_config_text(&raft->configs[i], &text);
        json_open(json, '{');
        json_named_u64(json, "index", raft->configs[i].index);
        json_named_u64(json, "term", raft->configs[i].term);
        json_named_u64(json, "unix_ms", raft->configs[i].unix_ms);
        json_name(json, "members");
        members_json(json, (const char *)text.data, text.size);
        json_close(json, '}');
        buf_free(&text);
    }
    json_close(json, ']');
}

static void json_state(struct json *json, const struct node_start *start)
{
    json_named_u64(json, "term", start->raft.term);
    if (start->raft.vote != RAFT_ID_NONE)
        json_named_u64(json, "vote", start->raft.vote);
    json_named_u64(json, "first_index", start->raft.base.index + 1);
    json_named_u64(json, "last_index", start->raft.last);
    json_named_u64(json, "commit_index", start->raft.commit);
    json_named_u64(json, "applied_index", start->ack);
    json_named_u64(json, "base_index", start->raft.base.index);
    json_named_u64(json, "base_term", start->raft.base.term);
}

static void json_snapshot(struct json *json, const struct look *look)
{
    const struct node_snapshot *snapshot = &look->start->snapshot;
    char hex[SHA256_HEX_SIZE];

    json_named_u64(json, "snapshot_index", snapshot->index);
    if (snapshot->index == 0)
        return;
    sha256_to_hex(snapshot->sha256, hex);
    json_named_u64(json, "snapshot_term", snapshot->term);
    json_named_u64(json, "snapshot_size", snapshot->size);
    json_named_text(json, "snapshot_sha256", hex);
    if (!look->about.is_backup)
        json_named_u64(json, "snapshot_file", snapshot->file);
}

void inspect_json(const struct look *look)
{
    struct json json = {0};

    json_open(&json, '{');
    json_named_text(&json, "path", look->path);
    json_named_text(&json, "kind",
                    look->about.is_backup ? "backup" : "directory");
    json_named_u64(&json, "schema_version",
                   (uint64_t)look->about.schema_version);
    json_named_text(&json, "written_by", look->about.written_by);
    json_named_u64(&json, "db_bytes", look->about.file_bytes);
    json_named_u64(&json, "wal_bytes", look->about.wal_bytes);
    json_identity(&json, look);
    json_state(&json, look->start);
    json_snapshot(&json, look);
    json_terms(&json, &look->start->raft);
    json_configs(&json, &look->start->raft);
    if (look->about.is_restored)
        json_named_text(&json, "restored", look->about.restored);
    json_close(&json, '}');
    json_print(&json, stdout);
    json_free(&json);
}

void inspect_entry_json(const struct offline_entry *row)
{
    const struct raft_entry *entry = &row->entry;
    char hex[DIGEST_SIZE * 2 + 1];
    struct json json = {0};

    digest_to_hex(entry->chain, hex);
    json_open(&json, '{');
    json_named_u64(&json, "index", entry->index);
    json_named_u64(&json, "term", entry->term);
    json_named_text(&json, "kind", inspect_kind(entry->kind));
    json_named_u64(&json, "unix_ms", entry->unix_ms);
    if (entry->key != NULL) {
        json_name(&json, "key");
        json_text(&json, inspect_blob(entry->key),
                  inspect_blob_size(entry->key));
    }
    json_named_payload(&json, inspect_blob(entry->payload),
                       inspect_blob_size(entry->payload));
    json_named_text(&json, "digest", hex);
    json_name(&json, "sound");
    json_bool(&json, row->sound);
    json_close(&json, '}');
    json_print(&json, stdout);
    json_free(&json);
}

void inspect_verdict_json(const struct offline_verdict *verdict)
{
    char hex[DIGEST_SIZE * 2 + 1];
    struct json json = {0};

    digest_to_hex(verdict->chain, hex);
    json_open(&json, '{');
    json_name(&json, "sound");
    json_bool(&json, verdict->problems == 0);
    json_named_u64(&json, "problems", verdict->problems);
    json_named_u64(&json, "rows", verdict->rows);
    json_named_u64(&json, "last_index", verdict->last);
    json_named_text(&json, "digest", hex);
    json_close(&json, '}');
    json_print(&json, stdout);
    json_free(&json);
}
