/* WHY: what keeps the cluster from working, in words, and what to do about it.
 * It is asked when something is wrong, so it needs no leader and no quorum: it
 * tells what this node knows, and says so where it cannot know. */
#include <stdio.h>

#include "node/peers.h"

/* Without a leader all that live ask and answer pre-votes, once in at most
 * two election time-outs; one that is silent for so many is missing. */
#define SILENT_TIMEOUTS 4

/* What all lines are made from, and what the next step is decided by. */
struct why {
    struct node *node;
    struct raft_status status;
    const struct raft_config *config; /* NULL: none */
    raft_index config_index;
    raft_index removed; /* no member since this entry; 0: that is not so */
    struct buf missing; /* "1, 2": voters that are not reached */
    struct buf wiped;   /* "2": members with another or an old data directory */
    size_t missing_count;
    size_t lacking; /* so many of them must come back for a quorum */
    size_t spare;   /* so many more can be lost */
    struct buf *out;
};

/* ---- what peers tell ---------------------------------------------------- */

static void note_end(struct peer_seen *seen, raft_index last, raft_term term)
{
    seen->last = last;
    seen->last_term = term;
}

static void note_append(struct peer_seen *seen,
                        const struct raft_message *message)
{
    size_t count = message->append.entry_count;
    seen->commit = message->append.commit;
    note_end(seen, message->append.prev_index + count,
             count == 0 ? message->append.prev_term
                        : message->append.entries[count - 1].term);
}

void why_note(struct node *node, raft_id from,
              const struct raft_message *message)
{
    struct peer *peer = peers_find(node, from);
    if (peer == NULL) {
        return;
    }
    struct peer_seen *seen = &peer->seen;
    seen->heard_us = node->now.mono_us;
    /* A pre-vote, and a yes to one, name a term that nobody is in yet. */
    bool asked = message->type == RAFT_MESSAGE_VOTE && message->vote.pre;
    bool yes = message->type == RAFT_MESSAGE_VOTE_ANSWER &&
               message->vote_answer.pre && message->vote_answer.granted;
    if (!yes && message->term > 0) {
        seen->term = asked ? message->term - 1 : message->term;
    }
    if (message->type == RAFT_MESSAGE_VOTE) {
        note_end(seen, message->vote.last_index, message->vote.last_term);
    } else if (message->type == RAFT_MESSAGE_APPEND) {
        note_append(seen, message);
    } else if (message->type == RAFT_MESSAGE_APPEND_ANSWER) {
        note_end(seen, message->append_answer.last, 0);
    }
}

/* ---- who is there ------------------------------------------------------- */

static uint64_t ago_us(const struct why *why, uint64_t then_us)
{
    return why->node->now.mono_us - then_us;
}

static bool leads(const struct why *why)
{
    return why->status.role == RAFT_ROLE_LEADER;
}

/* Followers of a leader that is heard do not talk to each other: all that
 * they know of each other is whether the connection stands. */
static bool is_reached(const struct why *why, raft_id id)
{
    const struct node *node = why->node;
    uint64_t timeout_us = node->settings.election_timeout_us;
    struct raft_peer_status peer;
    if (id == node->identity.id) {
        return true;
    }
    if (id == why->status.leader) {
        return peers_up(node, id) &&
               ago_us(why, why->status.leader_heard_us) <= timeout_us;
    }
    if (raft_peer_status(node->raft, id, &peer)) {
        return peer.up && !peer.lost &&
               ago_us(why, peer.heard_us) <= timeout_us;
    }
    if (why->status.leader != RAFT_ID_NONE || !peers_up(node, id)) {
        return peers_up(node, id);
    }
    uint64_t heard_us = peers_find(node, id)->seen.heard_us;
    return heard_us != 0 &&
           ago_us(why, heard_us) <= SILENT_TIMEOUTS * timeout_us;
}

static void add_id(struct buf *list, raft_id id)
{
    buf_printf(list, "%s%lu", list->size == 0 ? "" : ", ", (unsigned long)id);
}

static int size_of(const struct buf *list)
{
    return (int)list->size;
}

static const char *text_of(const struct buf *list)
{
    return list->size == 0 ? "" : (const char *)list->data;
}

static bool votes_in(const struct raft_member *member, bool next)
{
    return (next ? member->next : member->role) == RAFT_MEMBER_VOTER;
}

static void count_quorum(struct why *why, size_t voters, size_t reached)
{
    size_t majority = voters / 2 + 1;
    size_t lacking = reached < majority ? majority - reached : 0;
    size_t spare = reached < majority ? 0 : reached - majority;
    why->lacking = lacking > why->lacking ? lacking : why->lacking;
    why->spare = spare < why->spare ? spare : why->spare;
}

/* The line of one of the two sets of voters. */
static void quorum(struct why *why, bool next, const char *name)
{
    struct buf here = {0};
    struct buf gone = {0};
    size_t voters = 0;
    size_t reached = 0;
    for (size_t i = 0; i < why->config->count; i++) {
        const struct raft_member *member = &why->config->members[i];
        if (!votes_in(member, next)) {
            continue;
        }
        bool there = is_reached(why, member->id);
        voters++;
        reached += there;
        add_id(there ? &here : &gone, member->id);
    }
    count_quorum(why, voters, reached);
    buf_printf(why->out,
               "%s: %zu of %zu voters are needed; reached from here: %.*s; "
               "missing: %.*s\n",
               name, voters / 2 + 1, voters, size_of(&here), text_of(&here),
               gone.size == 0 ? 4 : size_of(&gone),
               gone.size == 0 ? "none" : text_of(&gone));
    buf_free(&here);
    buf_free(&gone);
}

static bool has_lost(const struct why *why, raft_id id)
{
    struct raft_peer_status peer;
    return raft_peer_status(why->node->raft, id, &peer) && peer.lost;
}

static void quorums(struct why *why)
{
    why->spare = RAFT_MEMBERS_MAX;
    if (why->config->joint) {
        quorum(why, false, "quorum of the old configuration");
        quorum(why, true, "quorum of the coming configuration");
    } else {
        quorum(why, true, "quorum");
    }
    for (size_t i = 0; i < why->config->count; i++) {
        const struct raft_member *member = &why->config->members[i];
        const struct peer *peer = peers_find(why->node, member->id);
        if ((peer != NULL && peer->wiped) || has_lost(why, member->id)) {
            add_id(&why->wiped, member->id);
        }
        if (raft_config_votes(why->config, member->id) &&
            !is_reached(why, member->id)) {
            add_id(&why->missing, member->id);
            why->missing_count++;
        }
    }
}

/* ---- the lines ---------------------------------------------------------- */

static void own_line(const struct why *why)
{
    const struct raft_status *status = &why->status;
    const struct node *node = why->node;
    buf_printf(why->out, "node %lu: %s of term %llu; ",
               (unsigned long)node->identity.id, node_role_word(node),
               (unsigned long long)status->term);
    if (why->removed != 0) {
        buf_printf(why->out, "no member since entry %llu",
                   (unsigned long long)why->removed);
    } else if (leads(why)) {
        buf_append_text(why->out, status->term_committed
                                      ? "it leads"
                                      : "it leads, and has no entry of its "
                                        "term committed yet");
    } else if (status->leader != RAFT_ID_NONE) {
        buf_printf(
            why->out, "node %lu at %s leads, last heard %llu ms ago",
            (unsigned long)status->leader, peers_address(node, status->leader),
            (unsigned long long)ago_us(why, status->leader_heard_us) / 1000);
    } else {
        buf_append_text(why->out, "no leader is known");
    }
    buf_printf(why->out,
               "\nlog: to entry %llu of term %llu, committed to %llu, saved to "
               "%llu\n",
               (unsigned long long)status->last,
               (unsigned long long)raft_term_at(node->raft, status->last),
               (unsigned long long)status->commit,
               (unsigned long long)status->saved);
}

static const char *compare(const struct why *why, const struct peer_seen *seen)
{
    raft_term term = raft_term_at(why->node->raft, why->status.last);
    if (seen->last_term != term) {
        return seen->last_term > term ? "ahead of" : "behind";
    }
    if (seen->last != why->status.last) {
        return seen->last > why->status.last ? "ahead of" : "behind";
    }
    return "level with";
}

/* What is known of a peer's log: the leader knows, others have heard. */
static void log_of(const struct why *why, const struct peer *peer)
{
    struct raft_peer_status known;
    const struct peer_seen *seen = &peer->seen;
    if (has_lost(why, peer->id)) {
        buf_append_text(why->out, "; has lost entries that it had "
                                  "acknowledged, and is not counted on");
    } else if (raft_peer_status(why->node->raft, peer->id, &known)) {
        buf_printf(why->out, "; has the log to %llu, %llu behind",
                   (unsigned long long)known.match,
                   (unsigned long long)(why->status.last - known.match));
    } else if (seen->heard_us != 0) {
        buf_printf(why->out, "; term %llu", (unsigned long long)seen->term);
    }
    if (!leads(why) && seen->last_term != 0) {
        buf_printf(why->out, ", log to %llu of term %llu, %s this node's",
                   (unsigned long long)seen->last,
                   (unsigned long long)seen->last_term, compare(why, seen));
    }
}

static void contact(const struct why *why, const struct peer *peer)
{
    bool silent = why->status.leader != RAFT_ID_NONE && !leads(why) &&
                  why->status.leader != peer->id;
    if (peer->state == PEER_UP) {
        buf_append_text(why->out, "connected");
    } else {
        buf_printf(why->out, "%s%s%s",
                   peer->refused ? "cannot be talked to" : "not connected",
                   peer->why[0] == '\0' ? "" : ": ", peer->why);
    }
    if (peer->seen.heard_us != 0) {
        buf_printf(why->out, "; last heard %llu ms ago%s",
                   (unsigned long long)ago_us(why, peer->seen.heard_us) / 1000,
                   silent ? " (followers do not talk to each other)" : "");
    } else if (!silent) {
        buf_append_text(why->out, "; never heard since this node started");
    }
}

static void peer_lines(const struct why *why)
{
    list_each(at, following, &why->node->peers)
    {
        const struct peer *peer = list_entry(at, struct peer, in_node);
        const struct raft_member *member =
            why->config == NULL ? NULL
                                : raft_config_find(why->config, peer->id);
        buf_printf(why->out, "node %lu at %s%s%s: ", (unsigned long)peer->id,
                   peer->address, member == NULL ? "" : ", ",
                   member == NULL ? "" : raft_member_word(why->config, member));
        contact(why, peer);
        log_of(why, peer);
        buf_append_u8(why->out, '\n');
    }
}

static void disk_line(const struct why *why)
{
    const struct node *node = why->node;
    struct node_store_stats stats;
    node->store.stats(node->store.context, &stats);
    buf_append_text(why->out, "disk: ");
    if (node->no_room) {
        buf_append_text(why->out, "full: the last save found no room");
    } else if (node->stalled) {
        buf_printf(why->out, "stalled: a save has taken %llu ms so far",
                   (unsigned long long)ago_us(why, node->save_begun_us) / 1000);
    } else {
        buf_append_text(why->out, "ok");
    }
    if (stats.saves > 0) {
        buf_printf(why->out, "; 99 of 100 saves take at most %llu us",
                   (unsigned long long)stats.save_p99_us);
    }
    buf_append_u8(why->out, '\n');
}

static void change_line(const struct why *why)
{
    struct buf members = {0};
    struct buf open = {0};
    if (why->config == NULL) {
        buf_printf(why->out, "change: %s\n", why->node->waiting);
        return;
    }
    raft_config_text(why->config, &members);
    if (why->config->joint) {
        buf_printf(why->out, "change: joint since entry %llu: %.*s\n",
                   (unsigned long long)why->config_index, size_of(&members),
                   text_of(&members));
    } else if (why->config_index > why->status.told) {
        buf_printf(why->out, "change: entry %llu is not committed: %.*s\n",
                   (unsigned long long)why->config_index, size_of(&members),
                   text_of(&members));
    } else if (change_open_text(why->node, &open)) {
        buf_printf(why->out, "change: %.*s\n", size_of(&open), text_of(&open));
    } else {
        buf_printf(why->out, "change: none is %s\n",
                   leads(why) ? "under way" : "in this node's log");
    }
    buf_free(&members);
    buf_free(&open);
}

/* ---- the next step ------------------------------------------------------ */

static bool is_refused(const struct why *why)
{
    list_each(at, following, &why->node->peers)
    {
        if (list_entry(at, struct peer, in_node)->refused) {
            return true;
        }
    }
    return false;
}

/* Of a node that is in no configuration. */
static void next_for_stranger(const struct why *why)
{
    unsigned long id = why->node->identity.id;
    if (why->config != NULL) {
        buf_printf(why->out,
                   "stop this node, or have a member add it again (raftctl "
                   "add %lu=%s); where it was replaced, put the newer data "
                   "directory back\n",
                   id, why->node->settings.advertise);
    } else if (why->node->unwelcome[0] != '\0' || is_refused(why)) {
        buf_printf(why->out,
                   "put this node's own data directory back; if it is lost, "
                   "ask a member to replace it (raftctl replace %lu)\n",
                   id);
    } else if (why->node->birth.count > 0) {
        buf_append_text(why->out, "start the nodes that are waited for; what "
                                  "runs goes on by itself\n");
    } else {
        buf_printf(why->out,
                   "for a new cluster: raftctl bootstrap %lu=%s; else have a "
                   "member add this node\n",
                   id, why->node->settings.advertise);
    }
}

static void next_for_missing(const struct why *why)
{
    const struct node *node = why->node;
    bool stands = why->status.leader != RAFT_ID_NONE;
    if (why->lacking > 0 && leads(why) && why->config->joint) {
        buf_printf(why->out,
                   "bring back %zu of the nodes %.*s, or turn the change back: "
                   "raftctl abort\n",
                   why->lacking, size_of(&why->missing),
                   text_of(&why->missing));
    } else if (why->lacking > 0 && !stands) {
        buf_printf(why->out,
                   "bring back %zu of the nodes %.*s: start raftsc there, or "
                   "mend the network; keep every data directory\n",
                   why->lacking, size_of(&why->missing),
                   text_of(&why->missing));
    } else if (!stands) {
        buf_printf(why->out, "wait: an election takes up to %llu ms a try\n",
                   (unsigned long long)why->node->settings.election_timeout_us *
                       2 / 1000);
    } else if (why->wiped.size > 0) {
        buf_printf(why->out,
                   "put the old data directory of node %.*s back; if it is "
                   "lost: raftctl replace ID takes the new one in\n",
                   size_of(&why->wiped), text_of(&why->wiped));
    } else if (why->missing_count > 0) {
        buf_printf(why->out, "bring back node %.*s: %s\n",
                   size_of(&why->missing), text_of(&why->missing),
                   why->spare == 0 ? "one more loss would stop the cluster"
                                   : "the cluster works without");
    } else if (node->snapshot != NULL && node->snapshot->damaged) {
        buf_append_text(why->out,
                        "have the app take a new snapshot on this node "
                        "(raftctl snapshot load INDEX FILE)\n");
    } else {
        buf_append_text(why->out, "nothing needs to be done\n");
    }
}

static void next_line(const struct why *why)
{
    buf_append_text(why->out, "next: ");
    if (why->node->no_room) {
        buf_append_text(why->out, "make room on the disk of data-dir; the node "
                                  "goes on without a restart\n");
    } else if (why->node->stalled) {
        buf_append_text(why->out, "look at the disk of data-dir (the kernel's "
                                  "log, a full queue); others may lead "
                                  "meanwhile\n");
    } else if (why->config == NULL || why->removed != 0) {
        next_for_stranger(why);
    } else {
        next_for_missing(why);
    }
}

void node_why(struct node *node, struct buf *buf)
{
    struct why why = {.node = node, .out = buf};
    raft_status(node->raft, &why.status);
    why.config = raft_config_now(node->raft, &why.config_index);
    peers_waiting(node);
    why.removed = contacts_removed(node);
    own_line(&why);
    if (why.config != NULL && why.removed == 0) {
        quorums(&why);
    }
    peer_lines(&why);
    install_why(node, buf);
    disk_line(&why);
    change_line(&why);
    next_line(&why);
    buf_free(&why.missing);
    buf_free(&why.wiped);
}
