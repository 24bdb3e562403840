/* All of it as text, for traces. */
#include "core/internal.h"

static const char *const roles[] = {"F", "P", "C", "L"};

static const char *const states[] = {"probe", "pipeline", "fetch", "snapshot"};

static void show_id(struct buf *buf, const char *before, raft_id id)
{
    if (id == RAFT_ID_NONE) {
        buf_printf(buf, "%s-", before);
    } else {
        buf_printf(buf, "%sn%lu", before, (unsigned long)id);
    }
}

static void show_peer(const struct raft *raft, const struct peer *peer,
                      struct buf *buf)
{
    buf_printf(buf, " [n%lu %s", (unsigned long)peer->id,
               peer->up ? "up" : "down");
    if (raft->role == RAFT_ROLE_LEADER) {
        buf_printf(buf, " %s match %llu next %llu flights %zu",
                   states[peer->state], (unsigned long long)peer->match,
                   (unsigned long long)peer->next, peer->flight_count);
    } else if (peer->vote != 0) {
        buf_printf(buf, " %s", peer->vote > 0 ? "yes" : "no");
    }
    buf_append_text(buf, "]");
}

void raft_show(const struct raft *raft, struct buf *buf)
{
    buf_printf(buf, "%s t%llu", roles[raft->role],
               (unsigned long long)raft->term);
    show_id(buf, " vote ", raft->vote);
    show_id(buf, " leader ", raft->leader);
    buf_printf(buf, " log %llu:%llu saved %llu commit %llu told %llu",
               (unsigned long long)raft->log.last,
               (unsigned long long)log_last_term(&raft->log),
               (unsigned long long)raft->saved,
               (unsigned long long)raft->commit,
               (unsigned long long)raft->told);
    if (raft->log.base.index > 0) {
        buf_printf(buf, " base %llu:%llu",
                   (unsigned long long)raft->log.base.index,
                   (unsigned long long)raft->log.base.term);
    }
    if (raft->keys.count > 0 || raft->keys.forgotten > 0) {
        buf_printf(buf, " keys %lu", (unsigned long)raft->keys.count);
    }
    if (keys_forgotten(&raft->keys) > 0) {
        buf_printf(buf, " forgotten ..%llu",
                   (unsigned long long)keys_forgotten(&raft->keys));
    }
    if (raft->read_count > 0) {
        buf_printf(buf, " reads %zu", raft->read_count);
    }
    if (raft->held_count > 0) {
        buf_printf(buf, " held %zu", raft->held_count);
    }
    for (size_t i = 0; i < raft->peer_count; i++) {
        show_peer(raft, &raft->peers[i], buf);
    }
}

static void show_append(const struct raft_message *message, struct buf *buf)
{
    buf_printf(buf, " %llu:%llu +%zu commit %llu round %llu%s",
               (unsigned long long)message->append.prev_index,
               (unsigned long long)message->append.prev_term,
               message->append.entry_count,
               (unsigned long long)message->append.commit,
               (unsigned long long)message->append.round,
               message->append.quiet ? " quiet" : "");
}

static void show_append_answer(const struct raft_message *message,
                               struct buf *buf)
{
    if (message->append_answer.ok) {
        buf_printf(buf, " ok ..%llu",
                   (unsigned long long)message->append_answer.match);
    } else {
        buf_printf(buf, " no %llu hint %llu:%llu",
                   (unsigned long long)message->append_answer.match,
                   (unsigned long long)message->append_answer.hint_index,
                   (unsigned long long)message->append_answer.hint_term);
    }
    buf_printf(buf, " last %llu round %llu%s",
               (unsigned long long)message->append_answer.last,
               (unsigned long long)message->append_answer.round,
               message->append_answer.patient ? " patient" : "");
}

void raft_message_show(const struct raft_message *message, struct buf *buf)
{
    static const char *const names[] = {
        "?",    "vote",        "vote_answer", "append", "append_answer",
        "read", "read_answer", "timeout_now"};
    buf_printf(buf, "%s n%lu t%llu", names[message->type],
               (unsigned long)message->from, (unsigned long long)message->term);
    switch (message->type) {
    case RAFT_MESSAGE_VOTE:
        buf_printf(buf, "%s%s log %llu:%llu", message->vote.pre ? " pre" : "",
                   message->vote.transfer ? " transfer" : "",
                   (unsigned long long)message->vote.last_index,
                   (unsigned long long)message->vote.last_term);
        break;
    case RAFT_MESSAGE_VOTE_ANSWER:
        buf_printf(buf, "%s %s", message->vote_answer.pre ? " pre" : "",
                   message->vote_answer.granted ? "yes" : "no");
        break;
    case RAFT_MESSAGE_APPEND:
        show_append(message, buf);
        break;
    case RAFT_MESSAGE_APPEND_ANSWER:
        show_append_answer(message, buf);
        break;
    case RAFT_MESSAGE_READ:
        buf_printf(buf, " context %llu",
                   (unsigned long long)message->read.context);
        break;
    case RAFT_MESSAGE_READ_ANSWER:
        buf_printf(buf, " context %llu index %llu %s",
                   (unsigned long long)message->read_answer.context,
                   (unsigned long long)message->read_answer.index,
                   message->read_answer.ok ? "ok" : "no");
        break;
    case RAFT_MESSAGE_TIMEOUT_NOW:
        break;
    }
}
