/* Terms, votes and elections: sections 5.2, 5.4.1 and 9.6. */
#include "core/internal.h"

#include <assert.h>

/* Between two voters' attempts to follow a leader that is gone: long enough for
 * the first one's election. */
#define TURN_US ((uint64_t)50 * 1000)
/* Whoever asks before this node has lost the leader, too, is answered then, if
 * that is within this part of an election time-out: late, but not so late that
 * what others have answered meanwhile is no longer true. */
#define EARLY_PART 4

static void set_state(struct raft *raft, raft_term term, raft_id vote)
{
    assert(term >= raft->term);
    raft->term = term;
    raft->vote = vote;
    raft->state++;
    raft->way_until_us = 0;
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

/* How many voters are asked to go first: those of a lower id, if there is a way
 * to them. */
static uint64_t rank_without(const struct raft *raft, raft_id leader)
{
    const struct raft_config *config = raft_config_of(raft);
    uint64_t rank = 0;
    for (size_t i = 0; i < raft->peer_count; i++) {
        const struct peer *peer = &raft->peers[i];
        rank += peer->id != leader && peer->id < raft->settings.id &&
                peer->up && raft_config_votes(config, peer->id);
    }
    return rank;
}

/* The leader's process is dead, or its way to here, or the process of whom this
 * node has just helped to lead: no time-out is waited for.  This node withholds
 * its vote no longer, and asks for others' when it is its turn; those who still
 * hear the leader withhold theirs, until they have lost it, too. */
void election_gone(struct raft *raft, raft_id peer)
{
    bool led = raft->leader == peer ||
               (raft->leader == RAFT_ID_NONE && raft->vote == peer);
    if (raft->role != RAFT_ROLE_FOLLOWER || !led || !raft_may_campaign(raft)) {
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

/* Somebody else is about to be elected, and an attempt of this node would only
 * split the votes: it waits a little, but so little that nobody who asks in
 * vain, once in an election time-out, keeps it from asking.  Of two that ask at
 * once the one with more in its log goes on, or the one with the lower id.
 * What that one asks is here before its answer is, so they do not both win. */
static void make_way(struct raft *raft, const struct raft_message *message)
{
    uint64_t part_us = raft->settings.election_timeout_us / EARLY_PART;
    uint64_t turn_us =
        raft->now.mono_us + (part_us < TURN_US ? part_us : TURN_US);
    bool level = message->vote.last_term == log_last_term(&raft->log) &&
                 message->vote.last_index == raft->log.last;
    if (raft->role == RAFT_ROLE_PRE_CANDIDATE &&
        (!level || message->from < raft->settings.id)) {
        become_follower(raft, raft->term, RAFT_ID_NONE);
    }
    if (raft->role == RAFT_ROLE_FOLLOWER && raft->election_us < turn_us) {
        raft->election_us = turn_us;
    }
    raft->way_until_us = turn_us;
}

/* Neither this node nor whoever asks hears the leader any more, and this one
 * has more in its log: it asks before its own time-out. */
static void go_first(struct raft *raft)
{
    if (raft->role == RAFT_ROLE_FOLLOWER && raft->leader != RAFT_ID_NONE &&
        !election_withheld(raft) && raft_may_campaign(raft)) {
        raft->election_us = raft->now.mono_us;
    }
}

static bool grants(const struct raft *raft, const struct raft_message *message)
{
    if (!up_to_date(raft, message)) {
        return false;
    }
    if (message->vote.pre) {
        return message->term > raft->term;
    }
    return raft->leader == RAFT_ID_NONE &&
           (raft->vote == RAFT_ID_NONE || raft->vote == message->from);
}

void election_vote(struct raft *raft, const struct raft_message *message)
{
    bool pre = message->vote.pre;
    bool granted = grants(raft, message);
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
        make_way(raft, message);
    } else if (pre && message->term > raft->term) {
        go_first(raft);
    }
    raft_send_saved(raft, &answer, 0);
}

void election_withhold(struct raft *raft, const struct raft_message *message)
{
    struct peer *peer = raft_peer(raft, message->from);
    if (peer == NULL || !message->vote.pre || raft->role == RAFT_ROLE_LEADER) {
        return;
    }
    peer->early = (struct early_ask){
        .term = message->term,
        .last_term = message->vote.last_term,
        .last_index = message->vote.last_index,
        .until_us = raft->now.mono_us +
                    raft->settings.election_timeout_us / EARLY_PART};
}

/* This node hears no leader any more, either: what it was asked before is as
 * good as asked now. */
static void answer_early(struct raft *raft)
{
    if (election_withheld(raft)) {
        return;
    }
    for (size_t i = 0; i < raft->peer_count; i++) {
        struct early_ask early = raft->peers[i].early;
        raft->peers[i].early.term = 0;
        if (early.term <= raft->term || raft->now.mono_us >= early.until_us) {
            continue;
        }
        struct raft_message ask = {.type = RAFT_MESSAGE_VOTE,
                                   .from = raft->peers[i].id,
                                   .to = raft->settings.id,
                                   .term = early.term};
        ask.vote.pre = true;
        ask.vote.last_index = early.last_index;
        ask.vote.last_term = early.last_term;
        election_vote(raft, &ask);
    }
}

/* ---- time --------------------------------------------------------------- */

void election_tick(struct raft *raft)
{
    if (raft->role == RAFT_ROLE_LEADER) {
        return;
    }
    answer_early(raft);
    if (raft->now.mono_us < raft->election_us) {
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

uint64_t election_deadline_us(const struct raft *raft)
{
    uint64_t deadline_us = UINT64_MAX;
    uint64_t free_us = raft->heard_us + raft->settings.election_timeout_us;
    if (raft_may_campaign(raft) || raft->leader != RAFT_ID_NONE) {
        deadline_us = raft->election_us;
    }
    for (size_t i = 0; i < raft->peer_count && election_withheld(raft); i++) {
        const struct early_ask *early = &raft->peers[i].early;
        if (early->term > raft->term && free_us < early->until_us &&
            free_us < deadline_us) {
            deadline_us = free_us;
        }
    }
    return deadline_us;
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
    /* A leader whose connections broke as it handed over may ask a second one
     * after the first has begun by itself: that would split the votes. */
    if (raft->now.mono_us < raft->way_until_us) {
        return;
    }
    raft->asked = true;
    become_candidate(raft);
}
