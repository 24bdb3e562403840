/* /metrics: the node in Prometheus' text format. */
#include <string.h>

#include "node/peers.h"
#include "node/progress.h"

#define SECONDS(us) ((double)(us) / 1e6)

static void head(struct buf *buf, const char *name, const char *type,
                 const char *help)
{
    buf_printf(buf, "# HELP raftsc_%s %s\n# TYPE raftsc_%s %s\n", name, help,
               name, type);
}

static void value(struct buf *buf, const char *name, const char *type,
                  const char *help, uint64_t number)
{
    head(buf, name, type, help);
    buf_printf(buf, "raftsc_%s %llu\n", name, (unsigned long long)number);
}

static void gauge(struct buf *buf, const char *name, const char *help,
                  uint64_t number)
{
    value(buf, name, "gauge", help, number);
}

static void counter(struct buf *buf, const char *name, const char *help,
                    uint64_t number)
{
    value(buf, name, "counter", help, number);
}

static void server(const struct node *node, struct buf *buf)
{
    struct buf unread = {0};
    head(buf, "info", "gauge", "Always 1: who this is.");
    buf_printf(buf,
               "raftsc_info{version=\"%s\",cluster=\"%s\",node=\"%lu\"} 1\n",
               node->settings.version, node->settings.cluster,
               (unsigned long)node->identity.id);
    gauge(buf, "uptime_seconds", "Since the start of the process.",
          (node->now.mono_us - node->started_us) / 1000000);
    gauge(buf, "healthy", "1: as /healthz.", node_healthy(node, &unread));
    gauge(buf, "ready", "1: as /readyz.", node_ready(node, &unread));
    buf_free(&unread);
}

static void raft(const struct node *node, struct buf *buf)
{
    static const char *const roles[] = {"leader", "follower", "candidate",
                                        "learner", "idle"};
    struct raft_status status;
    raft_status(node->raft, &status);
    head(buf, "role", "gauge", "1 for the role that the node has.");
    for (size_t i = 0; i < sizeof(roles) / sizeof(roles[0]); i++) {
        buf_printf(buf, "raftsc_role{role=\"%s\"} %d\n", roles[i],
                   strcmp(roles[i], node_role_word(node)) == 0);
    }
    gauge(buf, "term", "The present term.", status.term);
    gauge(buf, "leader_known", "1: a leader is known.",
          status.leader != RAFT_ID_NONE);
    raft_index config_index;
    const char *stage = progress_stage(node, &config_index);
    gauge(buf, "change_open", "1: this leader carries out a change of members.",
          strcmp(stage, "none") != 0);
    gauge(buf, "config_index", "The entry of the configuration in force.",
          config_index);
    gauge(buf, "commit_index", "The last entry that apps may see.",
          status.told);
    gauge(buf, "applied_index", "The app's last ACK.", node->ack);
    gauge(buf, "last_index", "The last entry of the log.", status.last);
    gauge(buf, "saved_index", "The last entry that is durable here.",
          status.saved);
    gauge(buf, "first_index", "The first entry of the log.", status.first);
    gauge(buf, "snapshot_index", "The entry of the app's snapshot; 0: none.",
          node->snapshot == NULL ? 0 : node->snapshot->what.index);
    gauge(buf, "snapshot_bytes", "Its size.",
          node->snapshot == NULL ? 0 : node->snapshot->what.size);
    gauge(buf, "snapshot_damaged", "1: it cannot be read from this disk.",
          node->snapshot != NULL && node->snapshot->damaged);
    counter(buf, "elections_total", "Campaigns begun here.", status.elections);
    gauge(buf, "window_bytes", "Recent entries kept in memory.",
          status.window_bytes);
}

/* False: this node does not know, and 0 would be an answer. */
typedef bool peer_number(const struct node *node, const struct peer *peer,
                         uint64_t *number);

static void peer_gauge(const struct node *node, struct buf *buf,
                       const char *name, const char *help, peer_number *of)
{
    uint64_t number;
    head(buf, name, "gauge", help);
    list_each(at, following, &node->peers)
    {
        const struct peer *peer = list_entry(at, struct peer, in_node);
        if (of(node, peer, &number)) {
            buf_printf(buf, "raftsc_%s{peer=\"%lu\"} %llu\n", name,
                       (unsigned long)peer->id, (unsigned long long)number);
        }
    }
}

static bool is_up(const struct node *node, const struct peer *peer,
                  uint64_t *number)
{
    (void)node;
    *number = peer->state == PEER_UP;
    return true;
}

static bool match_of(const struct node *node, const struct peer *peer,
                     uint64_t *number)
{
    struct raft_peer_status known;
    bool leads = raft_peer_status(node->raft, peer->id, &known);
    *number = leads ? known.match : 0;
    return leads;
}

static bool lag_of(const struct node *node, const struct peer *peer,
                   uint64_t *number)
{
    struct raft_status status;
    raft_status(node->raft, &status);
    bool leads = match_of(node, peer, number);
    *number = status.last - *number;
    return leads;
}

static void peers(const struct node *node, struct buf *buf)
{
    peer_gauge(node, buf, "peer_up", "1: the connection stands.", is_up);
    peer_gauge(node, buf, "peer_match_index",
               "How far the peer has the log; only a leader knows.", match_of);
    peer_gauge(node, buf, "peer_lag",
               "Entries that the peer lacks; only a leader knows.", lag_of);
    counter(buf, "peer_bytes_in_total", "Bytes from peers.",
            node->counters.peer_bytes_in);
    counter(buf, "peer_bytes_out_total", "Bytes to peers.",
            node->counters.peer_bytes_out);
}

static void installs(const struct node *node, struct buf *buf)
{
    struct install_numbers numbers;
    install_numbers(node, &numbers);
    gauge(buf, "installs_sending", "Nodes that are sent a base from here.",
          numbers.sending);
    counter(buf, "installs_sent_bytes_total", "Bytes of bases sent.",
            numbers.sent_bytes);
    counter(buf, "installs_total", "Bases taken over here.", numbers.taken);
    gauge(buf, "install_bytes", "Bytes of the base that comes.", numbers.have);
    gauge(buf, "install_size_bytes", "Its size; 0: none comes.", numbers.size);
}

static void storage(const struct node *node, struct buf *buf)
{
    struct node_store_stats stats;
    node->store.stats(node->store.context, &stats);
    gauge(buf, "disk_full", "1: the last save found no room.", node->no_room);
    gauge(buf, "disk_stalled", "1: a save takes too long.", node->stalled);
    gauge(buf, "db_bytes", "The database and its WAL.", stats.db_bytes);
    counter(buf, "saves_total", "Transactions, each synced.", stats.saves);
    counter(buf, "rows_total", "Rows saved.", stats.rows);
    head(buf, "save_seconds", "gauge", "How long recent saves took.");
    buf_printf(buf,
               "raftsc_save_seconds{quantile=\"0.5\"} %g\n"
               "raftsc_save_seconds{quantile=\"0.99\"} %g\n",
               SECONDS(stats.save_p50_us), SECONDS(stats.save_p99_us));
}

static void submit_seconds(const struct latency *latency, struct buf *buf)
{
    static const uint64_t bounds_us[] = {
        250,   500,    1000,   2500,   5000,    10000,   25000,
        50000, 100000, 250000, 500000, 1000000, 2500000, 5000000};
    head(buf, "submit_seconds", "histogram",
         "From the handing over of a SUBMIT to its answer.");
    for (size_t i = 0; i < sizeof(bounds_us) / sizeof(bounds_us[0]); i++) {
        buf_printf(
            buf, "raftsc_submit_seconds_bucket{le=\"%g\"} %llu\n",
            SECONDS(bounds_us[i]),
            (unsigned long long)latency_count_below(latency, bounds_us[i]));
    }
    buf_printf(buf,
               "raftsc_submit_seconds_bucket{le=\"+Inf\"} %llu\n"
               "raftsc_submit_seconds_sum %.6f\n"
               "raftsc_submit_seconds_count %llu\n",
               (unsigned long long)latency->count, SECONDS(latency->sum_us),
               (unsigned long long)latency->count);
}

static void apps(const struct node *node, struct buf *buf)
{
    const struct node_counters *counters = &node->counters;
    gauge(buf, "clients", "Connections of apps.", node->sessions.count);
    gauge(buf, "streams", "Connections that FOLLOW.", node->follower_count);
    gauge(buf, "pending_bytes", "Payload that waits for its answer.",
          node->submit_bytes);
    counter(buf, "submits_total", "SUBMITs taken here.", counters->submits);
    counter(buf, "commits_total", "Entries committed.", counters->commits);
    counter(buf, "reads_total", "READs answered.", counters->reads);
    counter(buf, "barriers_total", "BARRIERs answered.", counters->barriers);
    counter(buf, "app_bytes_in_total", "Bytes from apps.",
            counters->app_bytes_in);
    counter(buf, "app_bytes_out_total", "Bytes to apps.",
            counters->app_bytes_out);
    head(buf, "errors_total", "counter", "Errors answered, by code.");
    for (int code = 0; code < ERROR_CODES; code++) {
        buf_printf(buf, "raftsc_errors_total{code=\"%s\"} %llu\n",
                   error_code_word((enum error_code)code),
                   (unsigned long long)counters->errors[code]);
    }
    submit_seconds(&counters->submit, buf);
}

void node_metrics(const struct node *node, struct buf *buf)
{
    server(node, buf);
    raft(node, buf);
    peers(node, buf);
    installs(node, buf);
    storage(node, buf);
    apps(node, buf);
}
