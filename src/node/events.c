/* EVENTS: role, leader, configuration and cluster, as they change.
 *
 * A watcher that does not read costs six bits: it is told the newest state of
 * each once it reads again.  While new voters are caught up, how far they are
 * is told again every now and then, for a progress bar. */
#include "node/events.h"

#include <string.h>

#include "node/progress.h"
#include "node/session.h"

#define CATCH_UP_EVERY_US ((uint64_t)200 * 1000)

void events_init(struct node *node)
{
    list_init(&node->watchers);
    node->events_seen = (struct events_seen){
        .role = "", .leader = RAFT_ID_NONE, .change = "none"};
}

/* A leader is one for apps once it can serve: with an entry of its term
 * committed, its term is a fencing token. */
static const char *role_of(const struct node *node,
                           const struct raft_status *status)
{
    if (status->role == RAFT_ROLE_LEADER && !status->term_committed) {
        return "candidate";
    }
    return node_role_word(node);
}

static struct events_seen look(const struct node *node)
{
    struct raft_status status;
    raft_status(node->raft, &status);
    struct events_seen seen = {.role = role_of(node, &status),
                               .term = status.term,
                               .leader = status.leader,
                               .leader_term = status.term,
                               .cluster_id = node->identity.cluster_id,
                               .epoch = node->identity.epoch};
    const struct raft_config *config =
        raft_config_now(node->raft, &seen.config);
    seen.joint = config != NULL && config->joint;
    seen.change = progress_stage(node, &seen.change_index);
    return seen;
}

static unsigned difference(const struct events_seen *a,
                           const struct events_seen *b)
{
    unsigned bits = 0;
    if (strcmp(a->role, b->role) != 0 || a->term != b->term) {
        bits |= EVENT_ROLE;
    }
    if (a->leader != b->leader || a->leader_term != b->leader_term) {
        bits |= EVENT_LEADER;
    }
    if (a->config != b->config || a->joint != b->joint) {
        bits |= EVENT_CONFIG;
    }
    if (!digest_equal(a->cluster_id, b->cluster_id) || a->epoch != b->epoch) {
        bits |= EVENT_CLUSTER;
    }
    bool quiet =
        strcmp(a->change, b->change) == 0 &&
        (strcmp(a->change, "none") == 0 || a->change_index == b->change_index);
    return quiet ? bits : bits | EVENT_CHANGE | EVENT_CATCH_UP;
}

static void touch_all(struct node *node, unsigned bits)
{
    list_each(at, following, &node->watchers)
    {
        struct session *session =
            list_entry(at, struct session, events.in_list);
        session->events.due |= bits;
        session_touch(node, session);
    }
}

static void fire_catch_up(struct node *node, struct wheel_timer *timer);

/* Once there is somebody to be told, and something. */
static void follow_catch_up(struct node *node)
{
    if (node->events_timer.at_us == 0 && !list_empty(&node->watchers) &&
        strcmp(node->events_seen.change, "catch-up") == 0) {
        wheel_set(&node->wheel, &node->events_timer,
                  node->now.mono_us + CATCH_UP_EVERY_US, fire_catch_up);
    }
}

static void fire_catch_up(struct node *node, struct wheel_timer *timer)
{
    (void)timer;
    touch_all(node, EVENT_CATCH_UP);
    follow_catch_up(node);
}

void events_wake(struct node *node)
{
    if (list_empty(&node->watchers)) {
        return;
    }
    struct events_seen now = look(node);
    unsigned bits = difference(&now, &node->events_seen);
    if (bits == 0) {
        return;
    }
    node->events_seen = now;
    touch_all(node, bits);
    follow_catch_up(node);
}

void events_watch(struct node *node, struct session *session)
{
    events_wake(node); /* those who listen already are told what is new, too */
    if (!session->events.on) {
        session->events.on = true;
        list_push_back(&node->watchers, &session->events.in_list);
        node->watcher_count++;
    }
    node->events_seen = look(node);
    session->events.due = EVENT_ALL;
    if (strcmp(node->events_seen.change, "none") != 0) {
        session->events.due |= EVENT_CHANGE | EVENT_CATCH_UP;
    }
    follow_catch_up(node);
    session_touch(node, session);
}

void events_end(struct node *node, struct session *session)
{
    if (session->events.on) {
        session->events.on = false;
        list_remove(&session->events.in_list);
        node->watcher_count--;
    }
}

/* ---- pushes ------------------------------------------------------------- */

static int64_t id_or_none(raft_id id)
{
    return id == RAFT_ID_NONE ? -1 : (int64_t)id;
}

static void push_role(const struct node *node, struct session *session)
{
    resp_write_push(&session->out, 3, session->resp);
    resp_write_text(&session->out, "role");
    resp_write_text(&session->out, node->events_seen.role);
    resp_write_integer(&session->out, (int64_t)node->events_seen.term);
}

static void push_leader(const struct node *node, struct session *session)
{
    raft_id leader = node->events_seen.leader;
    resp_write_push(&session->out, 4, session->resp);
    resp_write_text(&session->out, "leader");
    resp_write_integer(&session->out, id_or_none(leader));
    resp_write_text(&session->out,
                    leader == RAFT_ID_NONE ? "" : peers_address(node, leader));
    resp_write_integer(&session->out, (int64_t)node->events_seen.leader_term);
}

static void push_config(const struct node *node, struct session *session)
{
    struct buf members = {0};
    raft_index index = 0;
    const struct raft_config *config = raft_config_now(node->raft, &index);
    if (config != NULL) {
        raft_config_text(config, &members);
    }
    resp_write_push(&session->out, 3, session->resp);
    resp_write_text(&session->out, "config");
    resp_write_integer(&session->out, (int64_t)index);
    resp_write_bulk(&session->out, members.data, members.size);
    buf_free(&members);
}

static void push_cluster(const struct node *node, struct session *session)
{
    char hex[DIGEST_SIZE * 2 + 1];
    digest_to_hex(node->identity.cluster_id, hex);
    resp_write_push(&session->out, 3, session->resp);
    resp_write_text(&session->out, "cluster");
    resp_write_text(&session->out, hex);
    resp_write_integer(&session->out, (int64_t)node->identity.epoch);
}

static void push_change(const struct node *node, struct session *session)
{
    resp_write_push(&session->out, 3, session->resp);
    resp_write_text(&session->out, "change");
    resp_write_text(&session->out, node->events_seen.change);
    resp_write_integer(&session->out, (int64_t)node->events_seen.change_index);
}

static void push_catch_up(const struct node *node, struct session *session)
{
    struct progress list[RAFT_MEMBERS_MAX];
    size_t count = progress_list(node, list, RAFT_MEMBERS_MAX);
    for (size_t i = 0; i < count; i++) {
        resp_write_push(&session->out, 5, session->resp);
        resp_write_text(&session->out, "catch-up");
        resp_write_integer(&session->out, (int64_t)list[i].member->id);
        resp_write_integer(&session->out, (int64_t)list[i].match);
        resp_write_integer(&session->out, (int64_t)list[i].target);
        resp_write_integer(&session->out, (int64_t)list[i].way.round);
    }
}

void events_push(struct node *node, struct session *session)
{
    unsigned due = session->events.due;
    if (!session->events.on || due == 0 || !session_may_push(session)) {
        return;
    }
    session->events.due = 0;
    if ((due & EVENT_ROLE) != 0) {
        push_role(node, session);
    }
    if ((due & EVENT_LEADER) != 0) {
        push_leader(node, session);
    }
    if ((due & EVENT_CONFIG) != 0) {
        push_config(node, session);
    }
    if ((due & EVENT_CLUSTER) != 0) {
        push_cluster(node, session);
    }
    if ((due & EVENT_CHANGE) != 0) {
        push_change(node, session);
    }
    if ((due & EVENT_CATCH_UP) != 0) {
        push_catch_up(node, session);
    }
}
