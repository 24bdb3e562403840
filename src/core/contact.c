/* Whom a leader replicates to besides its members: those who are caught up
 * before they are any, and those who have left and do not know it yet. */
#include "core/internal.h"

const struct catching *contact_catching(const struct raft *raft, raft_id id)
{
    for (size_t i = 0; i < raft->change.catching_count; i++) {
        if (raft->change.catching[i].id == id) {
            return &raft->change.catching[i];
        }
    }
    return NULL;
}

static bool is_leaver(const struct raft *raft, raft_id id)
{
    for (size_t i = 0; i < raft->leaver_count; i++) {
        if (raft->leavers[i].member.id == id) {
            return true;
        }
    }
    return false;
}

bool contact_counts(const struct raft *raft, raft_id id)
{
    const struct raft_config *config = raft_config_of(raft);
    return (config != NULL && raft_config_find(config, id) != NULL) ||
           contact_catching(raft, id) != NULL;
}

bool contact_wants(const struct raft *raft, raft_id id)
{
    return contact_counts(raft, id) || is_leaver(raft, id);
}

void contact_changed(struct raft *raft)
{
    raft_tell(raft, &(struct raft_tell){.type = RAFT_TELL_CONFIG});
}

/* Who was a member and is none any more learns of it, if that can be done. */
void contact_left(struct raft *raft, const struct raft_config *before,
                  const struct raft_config *after, raft_index index)
{
    for (size_t i = 0; i < before->count; i++) {
        const struct raft_member *member = &before->members[i];
        if (member->id == raft->settings.id || is_leaver(raft, member->id) ||
            raft_config_find(after, member->id) != NULL ||
            raft->leaver_count == RAFT_MEMBERS_MAX) {
            continue;
        }
        raft->leavers[raft->leaver_count++] = (struct leaver){
            .member = *member,
            .index = index,
            .until_us = raft->now.mono_us + raft->settings.catch_up_us};
    }
}

/* It knows once it has acknowledged a round that began when it had the entry,
 * and had been told that it is committed. */
static bool knows(const struct raft *raft, struct leaver *leaver)
{
    const struct peer *peer = NULL;
    for (size_t i = 0; i < raft->peer_count; i++) {
        if (raft->peers[i].id == leaver->member.id) {
            peer = &raft->peers[i];
        }
    }
    if (peer == NULL || raft->commit < leaver->index) {
        return false;
    }
    if (leaver->round == 0 && peer->match >= leaver->index &&
        peer->commit >= leaver->index) {
        leaver->round = raft->round + 1;
    }
    return leaver->round != 0 && peer->round >= leaver->round;
}

void contact_tick(struct raft *raft)
{
    size_t kept = 0;
    for (size_t i = 0; i < raft->leaver_count; i++) {
        struct leaver *leaver = &raft->leavers[i];
        if (raft->now.mono_us < leaver->until_us && !knows(raft, leaver)) {
            raft->leavers[kept++] = *leaver;
        }
    }
    if (kept != raft->leaver_count) {
        raft->leaver_count = kept;
        contact_changed(raft);
    }
}

void contact_back(struct raft *raft, raft_id id)
{
    for (size_t i = 0; i < raft->leaver_count; i++) {
        if (raft->leavers[i].member.id == id) {
            raft->leavers[i] = raft->leavers[--raft->leaver_count];
            return;
        }
    }
}

/* ---- looking in --------------------------------------------------------- */

static size_t add_contact(const struct raft *raft, struct raft_member *members,
                          size_t count, size_t max,
                          const struct raft_member *member)
{
    for (size_t i = 0; i < count; i++) {
        if (members[i].id == member->id) {
            return count;
        }
    }
    if (member->id == raft->settings.id || count == max) {
        return count;
    }
    members[count] = *member;
    return count + 1;
}

size_t raft_contacts(const struct raft *raft, struct raft_member *members,
                     size_t max)
{
    const struct raft_config *config = raft_config_of(raft);
    const struct change *change = &raft->change;
    size_t count = 0;
    if (config == NULL || (raft->role != RAFT_ROLE_LEADER &&
                           !raft_may_campaign(raft) && !raft_is_member(raft))) {
        return 0;
    }
    /* Whoever is caught up is where the change says: it may have moved. */
    for (size_t i = 0; i < change->catching_count; i++) {
        const struct raft_member *member =
            raft_config_find(&change->target, change->catching[i].id);
        count = add_contact(raft, members, count, max, member);
    }
    for (size_t i = 0; i < config->count; i++) {
        count = add_contact(raft, members, count, max, &config->members[i]);
    }
    for (size_t i = 0; i < raft->leaver_count; i++) {
        count =
            add_contact(raft, members, count, max, &raft->leavers[i].member);
    }
    return count;
}
