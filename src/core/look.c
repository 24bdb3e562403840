/* What a driver may see of a core. */
#include <assert.h>

#include "core/internal.h"

void raft_status(const struct raft *raft, struct raft_status *status)
{
    *status = (struct raft_status){
        .role = raft->role,
        .term = raft->term,
        .vote = raft->vote,
        .leader = raft->leader,
        .commit = raft->commit,
        .told = raft->told,
        .saved = raft->saved,
        .last = raft->log.last,
        .first = raft->log.base.index + 1,
        .needed = lead_needed(raft),
        .last_app = log_last_app(&raft->log, raft->told),
        .term_committed =
            raft->role == RAFT_ROLE_LEADER && raft->told >= raft->term_first,
        .leader_heard_us = raft->heard_us,
        .uncommitted_bytes = raft->uncommitted_bytes,
        .elections = raft->elections,
        .window_bytes = raft->log.window_bytes,
        .keys_held = raft->keys.count,
        .keys_bytes = keys_memory(&raft->keys),
        .keys_forgotten = raft->keys.forgotten,
    };
}

const char *raft_role_word(const struct raft *raft)
{
    if (raft->role == RAFT_ROLE_LEADER) {
        return "leader";
    }
    if (!raft_is_member(raft)) {
        return "idle";
    }
    if (!raft_is_voter(raft)) {
        return "learner";
    }
    return raft->role == RAFT_ROLE_FOLLOWER ? "follower" : "candidate";
}

const struct raft_config *raft_config_now(const struct raft *raft,
                                          raft_index *index)
{
    if (raft->log.config_count > 0 && index != NULL) {
        *index = raft->log.configs[raft->log.config_count - 1].index;
    }
    return raft_config_of(raft);
}

const struct raft_config_entry *raft_config_history(const struct raft *raft,
                                                    size_t *count)
{
    *count = raft->log.config_count;
    return raft->log.configs;
}

const struct raft_base *raft_base_now(const struct raft *raft)
{
    return &raft->log.base;
}

const struct raft_entry *raft_entry_at(const struct raft *raft,
                                       raft_index index)
{
    return log_entry(&raft->log, index);
}

raft_term raft_term_at(const struct raft *raft, raft_index index)
{
    return log_term(&raft->log, index);
}

bool raft_chain_at(const struct raft *raft, raft_index index,
                   struct digest *chain)
{
    *chain = log_chain(&raft->log, index);
    return index == raft->log.base.index ||
           (index <= raft->log.last && !digest_is_zero(*chain));
}

raft_index raft_key_index(const struct raft *raft, const struct blob *key)
{
    return keys_find_upto(&raft->keys, key, raft->told);
}

void raft_keys_pack(const struct raft *raft, raft_index upto, struct buf *buf)
{
    assert(upto <= raft->told);
    keys_pack(&raft->keys, upto, buf);
}

raft_index raft_last_app_at(const struct raft *raft, raft_index index)
{
    return log_last_app(&raft->log, index);
}

bool raft_peer_status(const struct raft *raft, raft_id id,
                      struct raft_peer_status *status)
{
    if (raft->role != RAFT_ROLE_LEADER || !contact_wants(raft, id)) {
        return false;
    }
    for (size_t i = 0; i < raft->peer_count; i++) {
        const struct peer *peer = &raft->peers[i];
        if (peer->id == id) {
            *status = (struct raft_peer_status){
                .state = peer->state,
                .match = peer->match,
                .next = peer->next,
                .inflight_messages = peer->flight_count,
                .inflight_bytes = peer->flight_bytes,
                .heard_us = peer->heard_us,
                .up = peer->up,
                .lost = peer->lost,
            };
            return true;
        }
    }
    return false;
}
