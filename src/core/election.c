/* Terms, votes and elections: sections 5.2, 5.4.1 and 9.6. */
#include "core/internal.h"

#include <assert.h>

/* Between two voters' attempts to follow a leader that is gone: long enough for
 * the first one's election. */
#define TURN_US ((uint64_t)50 * 1000)

static void set_state(struct raft *raft, raft_term term, raft_id vote)
{
    assert(term >= raft->term);
    raft->term = term;
    raft->vote = vote;
    raft->state++;
}

void election_reset(struct raft *raft)
{
    uint64_t timeout_us = raft->settings.election_timeout_us;
    raft->election_us =
        raft->now.mono_us + timeout_us + prng_below(&raft->prng, timeout_us);
}

static void set_role(struct raft *raft, enum raft_role role, raft_id leader)
{
    bool led = raft->role == RAFT_ROLE_LEADER && role != RAFT_ROLE_LEADER;
    bool changed = raft->role != role || raft->leader != leader;
    raft->role = role;
    raft->leader = leader;
    if (led) {
        lead_end(raft);
    }
    if (changed) {
        raft_tell(raft, &(struct raft_tell){.type = RAFT_TELL_ROLE});
        read_role(raft);
    }
}

void become_follower(struct raft *raft, raft_term term, raft_id leader)
{
    if (term > raft->term) {
        set_state(raft, term, RAFT_ID_NONE);
        raft->heard_us = 0;
        raft->needed = 0;
        raft_tell(raft, &(struct raft_tell){.type = RAFT_TELL_ROLE});
    }
    if (leader == RAFT_ID_NONE || raft->role != RAFT_ROLE_FOLLOWER) {
        election_reset(raft);
    }
    raft->asked = false;
    set_role(raft, RAFT_ROLE_FOLLOWER, leader);
}

bool election_withheld(const struct raft *raft)
{
    if (raft->role == RAFT_ROLE_LEADER) {
        return true; /* it steps down by itself when no quorum hears it */
    }
    return raft->leader != RAFT_ID_NONE && raft->heard_us != 0 &&
           raft->now.mono_us - raft->heard_us <
               raft->settings.election_timeout_us;
}

/* How many voters are asked to go first: those of a lower id. */
static uint64_t rank_without(const struct raft *raft, raft_id leader)
{
    const struct raft_config *config = raft_config_of(raft);
    uint64_t rank = 0;
    for (size_t i = 0; i < config->count; i++) {
        raft_id id = config->members[i].id;
        rank += id != leader && id < raft->settings.id &&
                raft_config_votes(config, id);
    }
    return rank;
}

/* The leader's process is dead, or its way to here: no time-out is waited for.
 * This node withholds its vote no longer, and asks for others' when it is its
 * turn; those who still hear the leader withhold theirs. */
void election_gone(struct raft *raft, raft_id peer)
{
    if (raft->role != RAFT_ROLE_FOLLOWER || raft->leader != peer ||
        !raft_may_campaign(raft)) {
        return;
    }
    raft->heard_us = 0;
    uint64_t turn_us = raft->now.mono_us + rank_without(raft, peer) * TURN_US;
    if (turn_us < raft->election_us) {
        raft->election_us = turn_us;
    }
}

/* ---- campaigning -------------------------------------------------------- */

static int vote_of(const void *context, raft_id id)
{
    const struct raft *raft = context;
    if (id == raft->settings.id) {
        /* A vote counts once it is durable, one's own too. */
        return raft->role == RAFT_ROLE_PRE_CANDIDATE ||
                       raft->state_saved >= raft->state
                   ? 1
                   : 0;
    }
    for (size_t i = 0; i < raft->peer_count; i++) {
        if (raft->peers[i].id == id) {
            return raft->peers[i].vote;
        }
    }
    return 0;
}

static void ask_votes(struct raft *raft, bool pre)
{
    for (size_t i = 0; i < raft->peer_count; i++) {
        struct peer *peer = &raft->peers[i];
        peer->vote = 0;
        if (!raft_config_votes(raft_config_of(raft), peer->id)) {
            continue;
        }
        struct raft_message ask =
            raft_message_to(raft, RAFT_MESSAGE_VOTE, peer->id);
        ask.term += pre;
        ask.vote.pre = pre;
        ask.vote.transfer = raft->asked;
        ask.vote.last_index = raft->log.last;
        ask.vote.last_term = log_last_term(&raft->log);
        if (pre) {
            raft_send(raft, &ask);
        } else {
            raft_send_saved(raft, &ask, 0);
        }
    }
}

static void become_candidate(struct raft *raft)
{
    raft->elections++;
    set_state(raft, raft->term + 1, raft->settings.id);
    set_role(raft, RAFT_ROLE_CANDIDATE, RAFT_ID_NONE);
    election_reset(raft);
    ask_votes(raft, false);
}

static void count_votes(struct raft *raft)
{
    enum raft_vote_result result =
        raft_quorum_vote(raft_config_of(raft), vote_of, raft);
    switch (result) {
    case RAFT_VOTE_PENDING:
        break;
    case RAFT_VOTE_LOST:
        become_follower(raft, raft->term, RAFT_ID_NONE);
        break;
    case RAFT_VOTE_WON:
        if (raft->role == RAFT_ROLE_PRE_CANDIDATE) {
            become_candidate(raft);
        } else {
            become_leader(raft);
        }
        break;
    }
}

static void become_pre_candidate(struct raft *raft)
{
    raft->asked = false;
    set_role(raft, RAFT_ROLE_PRE_CANDIDATE, RAFT_ID_NONE);
    election_reset(raft);
    ask_votes(raft, true);
    count_votes(raft); /* a single voter has won already */
}

void election_tick(struct raft *raft)
{
    if (raft->role == RAFT_ROLE_LEADER ||
        raft->now.mono_us < raft->election_us) {
        return;
    }
    if (!raft_may_campaign(raft)) {
        if (raft->leader != RAFT_ID_NONE) { /* it is believed in no longer */
            become_follower(raft, raft->term, RAFT_ID_NONE);
        }
        return;
    }
    if (raft->stalled) {
        election_reset(raft);
        return;
    }
    become_pre_candidate(raft);
}

void election_stall(struct raft *raft, bool stalls)
{
    raft->stalled = stalls;
    if (stalls && raft->role == RAFT_ROLE_LEADER) {
        transfer_leave(raft);
    } else if (stalls && raft->role != RAFT_ROLE_FOLLOWER) {
        become_follower(raft, raft->term, RAFT_ID_NONE);
    }
}

void election_saved(struct raft *raft)
{
    if (raft->role == RAFT_ROLE_CANDIDATE) {
        count_votes(raft);
    }
}

void election_now(struct raft *raft, const struct raft_message *message)
{
    if (message->from != raft->leader || !raft_is_voter(raft) ||
        raft->role != RAFT_ROLE_FOLLOWER || raft->stalled) {
        return;
    }
    raft->asked = true;
    become_candidate(raft);
}

/* ---- voting ------------------------------------------------------------- */

/* Section 5.4.1: a candidate's log must hold all that may be committed. */
static bool up_to_date(const struct raft *raft,
                       const struct raft_message *message)
{
    raft_term term = log_last_term(&raft->log);
    if (message->vote.last_term != term) {
        return message->vote.last_term > term;
    }
    return message->vote.last_index >= raft->log.last;
}

void election_vote(struct raft *raft, const struct raft_message *message)
{
    bool pre = message->vote.pre;
    bool granted = up_to_date(raft, message);
    if (pre) {
        granted = granted && message->term > raft->term;
    } else {
        granted = granted && raft->leader == RAFT_ID_NONE &&
                  (raft->vote == RAFT_ID_NONE || raft->vote == message->from);
    }
    if (granted && !pre) {
        if (raft->vote != message->from) {
            set_state(raft, raft->term, message->from);
        }
        election_reset(raft);
    }
    struct raft_message answer =
        raft_message_to(raft, RAFT_MESSAGE_VOTE_ANSWER, message->from);
    answer.vote_answer.pre = pre;
    answer.vote_answer.granted = granted;
    if (pre && granted) {
        answer.term = message->term;
    }
    raft_send_saved(raft, &answer, 0);
}

void election_answer(struct raft *raft, const struct raft_message *message)
{
    bool pre = message->vote_answer.pre;
    bool granted = message->vote_answer.granted;
    struct peer *peer = raft_peer(raft, message->from);
    enum raft_role asks = pre ? RAFT_ROLE_PRE_CANDIDATE : RAFT_ROLE_CANDIDATE;
    raft_term term = raft->term + (pre && granted);
    if (peer == NULL || raft->role != asks || message->term != term ||
        !raft_may_campaign(raft)) {
        return; /* of an election that is over */
    }
    peer->vote = granted ? 1 : -1;
    count_votes(raft);
}
