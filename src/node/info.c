/* INFO: the state of the node as lines of key:value, in sections. */
#include <strings.h>

#include "node/internal.h"
#include "node/progress.h"

typedef void info_section(const struct node *node, struct buf *buf);

static void line(struct buf *buf, const char *name, uint64_t value)
{
    buf_printf(buf, "%s:%llu\r\n", name, (unsigned long long)value);
}

static void id_line(struct buf *buf, const char *name, raft_id id)
{
    if (id == RAFT_ID_NONE) {
        buf_printf(buf, "%s:-1\r\n", name);
    } else {
        line(buf, name, id);
    }
}

static void server(const struct node *node, struct buf *buf)
{
    char hex[DIGEST_SIZE * 2 + 1];
    digest_to_hex(node->identity.cluster_id, hex);
    buf_printf(buf, "version:%s\r\n", node->settings.version);
    line(buf, "process_id", node->settings.process_id);
    line(buf, "uptime_in_seconds",
         (node->now.mono_us - node->started_us) / 1000000);
    line(buf, "node_id", node->identity.id);
    buf_printf(buf, "cluster:%s\r\n", node->settings.cluster);
    buf_printf(buf, "cluster_id:%s\r\n", hex);
    buf_printf(buf, "instance:%016llx\r\n",
               (unsigned long long)node->identity.instance);
    line(buf, "epoch", node->identity.epoch);
    line(buf, "boot", node->identity.boot);
}

static void raft(const struct node *node, struct buf *buf)
{
    struct raft_status status;
    raft_status(node->raft, &status);
    buf_printf(buf, "role:%s\r\n", node_role_word(node));
    line(buf, "term", status.term);
    id_line(buf, "voted_for", status.vote);
    id_line(buf, "leader", status.leader);
    buf_printf(buf, "leader_address:%s\r\n",
               status.leader == RAFT_ID_NONE
                   ? ""
                   : peers_address(node, status.leader));
    line(buf, "commit_index", status.told);
    line(buf, "applied_index", node->ack);
    line(buf, "last_index", status.last);
    line(buf, "saved_index", status.saved);
    line(buf, "first_index", status.first);
    line(buf, "needed_index", status.needed);
    install_info(node, buf);
    line(buf, "snapshot_index",
         node->snapshot == NULL ? 0 : node->snapshot->what.index);
    line(buf, "snapshot_bytes",
         node->snapshot == NULL ? 0 : node->snapshot->what.size);
    line(buf, "snapshot_damaged",
         node->snapshot != NULL && node->snapshot->damaged);
    if (node->upload.state != UPLOAD_NONE) {
        line(buf, "upload_index", node->upload.index);
        line(buf, "upload_bytes", node->upload.bytes);
    }
    line(buf, "keys", status.keys_held);
    line(buf, "keys_bytes", status.keys_bytes);
    line(buf, "keys_forgotten_index", status.keys_forgotten);
    if (node->waiting[0] != '\0') {
        buf_printf(buf, "waiting_for:%s\r\n", node->waiting);
    }
}

static void progress_fields(const struct raft_peer_status *peer,
                            raft_index last, struct buf *buf)
{
    static const char *const states[] = {"probe", "pipeline", "fetch",
                                         "snapshot"};
    buf_printf(buf, ",state=%s,match=%llu,next=%llu", states[peer->state],
               (unsigned long long)peer->match, (unsigned long long)peer->next);
    buf_printf(buf, ",inflight=%zu,inflight_bytes=%zu,lag=%llu",
               peer->inflight_messages, peer->inflight_bytes,
               (unsigned long long)(last - peer->match));
}

static void peer_line(const struct node *node, const struct raft_config *config,
                      const struct raft_member *member,
                      const struct raft_status *status, struct buf *buf)
{
    struct raft_peer_status peer = {0};
    bool leads = raft_peer_status(node->raft, member->id, &peer);
    uint64_t heard_us = leads ? peer.heard_us : status->leader_heard_us;
    buf_printf(buf, "peer_%lu:address=%s,role=%s,link=%s",
               (unsigned long)member->id, member->address,
               raft_member_word(config, member),
               peers_link_word(node, member->id));
    if (leads) { /* nobody else knows these, and 0 would be an answer */
        progress_fields(&peer, status->last, buf);
    }
    /* Followers do not talk to each other: there is nothing to tell. */
    if (leads || member->id == status->leader) {
        long long ago_ms = (long long)(node->now.mono_us - heard_us) / 1000;
        buf_printf(buf, ",last_contact_ms=%lld", heard_us == 0 ? -1 : ago_ms);
    }
    install_peer_info(node, member->id, buf);
    unsigned version = peers_version(node, member->id);
    if (version > 0) {
        buf_printf(buf, ",protocol=%u", version);
    }
    buf_append_text(buf, "\r\n");
}

static void peers(const struct node *node, struct buf *buf)
{
    const struct raft_config *config = raft_config_now(node->raft, NULL);
    struct raft_status status;
    raft_status(node->raft, &status);
    for (size_t i = 0; config != NULL && i < config->count; i++) {
        if (config->members[i].id != node->identity.id) {
            peer_line(node, config, &config->members[i], &status, buf);
        }
    }
}

static void change(const struct node *node, struct buf *buf)
{
    struct progress list[RAFT_MEMBERS_MAX];
    size_t count = progress_list(node, list, RAFT_MEMBERS_MAX);
    raft_index index;
    const char *stage = progress_stage(node, &index);
    buf_printf(buf, "change_stage:%s\r\n", stage);
    line(buf, "config_index", index);
    for (size_t i = 0; i < count; i++) {
        buf_printf(
            buf,
            "catch_up_%lu:address=%s,match=%llu,target=%llu,round=%u,"
            "done=%s,progress_ms=%llu\r\n",
            (unsigned long)list[i].member->id, list[i].member->address,
            (unsigned long long)list[i].match,
            (unsigned long long)list[i].target, list[i].way.round,
            list[i].way.done ? "yes" : "no",
            (unsigned long long)(node->now.mono_us - list[i].way.progress_us) /
                1000);
    }
}

static void storage(const struct node *node, struct buf *buf)
{
    struct node_store_stats stats;
    node->store.stats(node->store.context, &stats);
    if (node->settings.data_dir != NULL) {
        buf_printf(buf, "data_dir:%s\r\n", node->settings.data_dir);
    }
    buf_printf(buf, "disk:%s\r\n", node->no_room ? "full" : "ok");
    line(buf, "db_bytes", stats.db_bytes);
    line(buf, "free_bytes", stats.free_bytes);
    line(buf, "saves", stats.saves);
    line(buf, "rows", stats.rows);
    line(buf, "save_p50_us", stats.save_p50_us);
    line(buf, "save_p99_us", stats.save_p99_us);
    line(buf, "save_max_us", stats.save_max_us);
}

static void clients(const struct node *node, struct buf *buf)
{
    line(buf, "connected_clients", node->sessions.count);
    line(buf, "followers", node->follower_count);
    line(buf, "events_listeners", node->watcher_count);
}

static void stats(const struct node *node, struct buf *buf)
{
    const struct node_counters *counters = &node->counters;
    struct raft_status status;
    raft_status(node->raft, &status);
    line(buf, "submits", counters->submits);
    line(buf, "commits", counters->commits);
    line(buf, "reads", counters->reads);
    line(buf, "barriers", counters->barriers);
    line(buf, "elections", status.elections);
    line(buf, "connections", counters->connections);
    line(buf, "bytes_in", counters->app_bytes_in);
    line(buf, "bytes_out", counters->app_bytes_out);
    line(buf, "peer_bytes_in", counters->peer_bytes_in);
    line(buf, "peer_bytes_out", counters->peer_bytes_out);
    for (int code = 0; code < ERROR_CODES; code++) {
        const char *word = error_code_word((enum error_code)code);
        buf_append_text(buf, "errors_");
        for (; *word != '\0'; word++) {
            buf_append_u8(buf, (uint8_t)(*word + 'a' - 'A'));
        }
        buf_printf(buf, ":%llu\r\n",
                   (unsigned long long)counters->errors[code]);
    }
}

static void memory(const struct node *node, struct buf *buf)
{
    struct raft_status status;
    raft_status(node->raft, &status);
    line(buf, "blob_bytes", blob_bytes_total());
    line(buf, "window_bytes", status.window_bytes);
    line(buf, "pending_bytes", node->submit_bytes);
}

static void latency(const struct node *node, struct buf *buf)
{
    const struct latency *submit = &node->counters.submit;
    line(buf, "submit_count", submit->count);
    line(buf, "submit_p50_us", latency_percentile_us(submit, 50));
    line(buf, "submit_p90_us", latency_percentile_us(submit, 90));
    line(buf, "submit_p99_us", latency_percentile_us(submit, 99));
    line(buf, "submit_p999_us", latency_percentile_us(submit, 99.9));
    line(buf, "submit_max_us", submit->max_us);
}

static const struct {
    const char *name;
    info_section *write;
} sections[] = {
    {"Server", server}, {"Raft", raft},       {"Peers", peers},
    {"Change", change}, {"Storage", storage}, {"Clients", clients},
    {"Stats", stats},   {"Latency", latency}, {"Memory", memory},
};

/* NULL, "all", "default" and "everything": all of it. */
void node_info(const struct node *node, const char *section, struct buf *buf)
{
    bool all = section == NULL || strcasecmp(section, "all") == 0 ||
               strcasecmp(section, "default") == 0 ||
               strcasecmp(section, "everything") == 0;
    for (size_t i = 0; i < sizeof(sections) / sizeof(sections[0]); i++) {
        if (all || strcasecmp(section, sections[i].name) == 0) {
            buf_printf(buf, "%s# %s\r\n", buf->size == 0 ? "" : "\r\n",
                       sections[i].name);
            sections[i].write(node, buf);
        }
    }
}
