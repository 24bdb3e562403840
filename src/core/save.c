/* What must be durable, and the messages that wait for it. */
#include <stdlib.h>

#include "base/mem.h"
#include "core/internal.h"

static bool is_saved(const struct raft *raft, const struct held *held)
{
    return raft->state_saved >= held->state && raft->saved >= held->index;
}

void raft_send_saved(struct raft *raft, const struct raft_message *message,
                     raft_index index)
{
    struct held held = {.message = *message,
                        .term = raft->term,
                        .state = raft->state,
                        .index = index};
    if (is_saved(raft, &held)) {
        raft_send(raft, message);
        return;
    }
    if (raft->held_count == HELD_MAX) {
        return; /* nothing that is held owns anything */
    }
    raft->held = x_grow(raft->held, &raft->held_capacity, raft->held_count + 1,
                        sizeof(*raft->held));
    raft->held[raft->held_count++] = held;
}

/* Of several answers to appends that may leave at once, the last says it all.
 */
static bool outdone(const struct raft *raft, size_t at)
{
    const struct raft_message *message = &raft->held[at].message;
    if (message->type != RAFT_MESSAGE_APPEND_ANSWER ||
        at + 1 == raft->held_count) {
        return false;
    }
    const struct held *next = &raft->held[at + 1];
    return next->message.type == RAFT_MESSAGE_APPEND_ANSWER &&
           next->message.to == message->to && next->term == raft->term &&
           is_saved(raft, next) && next->message.append_answer.ok &&
           message->append_answer.ok &&
           next->message.append_answer.match >= message->append_answer.match;
}

/* A message of a term that is over must not leave: what it says was durable
 * may have been truncated since.  Nor does a candidate that is none any more
 * ask for votes: it would only bring others into its term. */
static bool is_void(const struct raft *raft, const struct held *held)
{
    return held->term != raft->term ||
           (held->message.type == RAFT_MESSAGE_VOTE &&
            raft->role != RAFT_ROLE_CANDIDATE);
}

static void release_held(struct raft *raft)
{
    size_t kept = 0;
    for (size_t i = 0; i < raft->held_count; i++) {
        struct held *held = &raft->held[i];
        if (is_void(raft, held)) {
            raft_message_clear(&held->message);
        } else if (!is_saved(raft, held)) {
            raft->held[kept++] = *held;
        } else if (!outdone(raft, i)) {
            raft_send(raft, &held->message);
        }
    }
    raft->held_count = kept;
}

/* The completion of a save counts for the log only if its last entry is still
 * the one that was saved: what was overwritten while the save was under way is
 * not what is needed now. */
void raft_saved(struct raft *raft, const struct raft_event *event)
{
    raft_index index = event->saved.index;
    if (event->saved.state > raft->state_saved) {
        raft->state_saved = event->saved.state;
    }
    bool same = log_term(&raft->log, index) == event->saved.term;
    if (index > raft->handed) {
        index = raft->handed; /* what is behind will be written once more */
    }
    if (same && index > raft->saved) {
        raft->saved = index;
    }
    release_held(raft);
    election_saved(raft);
}

static bool gather(struct raft *raft, size_t bytes_max, struct raft_save *save)
{
    raft_index first = raft->handed + 1;
    size_t bytes = 0;
    size_t count = 0;
    while (first + count <= batch_last(raft)) {
        bytes += raft_entry_weight(log_entry(&raft->log, first + count));
        if (count > 0 && bytes > bytes_max) {
            break;
        }
        count++;
    }
    if (count == 0) {
        return false;
    }
    save->entries = x_malloc(count * sizeof(*save->entries));
    for (size_t i = 0; i < count; i++) {
        save->entries[i] = raft_entry_share(log_entry(&raft->log, first + i));
    }
    save->entry_count = count;
    raft->handed += count;
    return true;
}

bool raft_take_save(struct raft *raft, size_t bytes_max, bool commit_too,
                    struct raft_save *save)
{
    *save = (struct raft_save){.state = raft->state,
                               .state_dirty = raft->state != raft->state_handed,
                               .term = raft->term,
                               .vote = raft->vote,
                               .base_dirty = raft->base_dirty,
                               .base = raft->log.base,
                               .install = raft->install,
                               .truncate_from = raft->truncate_from};
    bool some = gather(raft, bytes_max, save);
    /* Never past what is on disk once this is done. */
    save->commit = raft->commit < raft->handed ? raft->commit : raft->handed;
    bool news = commit_too && save->commit > raft->commit_handed;
    if (!some && !save->state_dirty && !save->base_dirty &&
        save->truncate_from == 0 && !news) {
        return false;
    }
    raft->state_handed = raft->state;
    raft->truncate_from = 0;
    raft->base_dirty = false;
    raft->install = NULL;
    raft->commit_handed = save->commit;
    return true;
}

void raft_save_clear(struct raft_save *save)
{
    for (size_t i = 0; i < save->entry_count; i++) {
        raft_entry_clear(&save->entries[i]);
    }
    free(save->entries);
    base_drop(save->install);
    *save = (struct raft_save){0};
}
