/* A follower's log: sections 5.3 and 5.4.2. */
#include "core/internal.h"

#include <assert.h>

/* No entry of an honest leader fails here; what does is named and ignored. */
static const char *check_entry(const struct raft_message *message, size_t at)
{
    const struct raft_entry *entry = &message->append.entries[at];
    raft_term before = at == 0 ? message->append.prev_term
                               : message->append.entries[at - 1].term;
    if (entry->index != message->append.prev_index + 1 + at) {
        return "its index leaves a gap";
    }
    if (entry->term == 0 || entry->term < before ||
        entry->term > message->term) {
        return "its term is out of order";
    }
    if (entry->payload != NULL && entry->payload->size > RAFT_PAYLOAD_MAX) {
        return "its payload is too large";
    }
    if (entry->key != NULL && entry->key->size > RAFT_KEY_MAX) {
        return "its key is too long";
    }
    if (entry->kind > RAFT_KIND_CONFIG &&
        (entry->flags & RAFT_FLAG_REQUIRED) != 0) {
        return "it is of a kind that this version does not know";
    }
    if (entry->kind == RAFT_KIND_CONFIG) {
        struct raft_config config;
        if (entry->payload == NULL ||
            !raft_config_decode(entry->payload->data, entry->payload->size,
                                &config)) {
            return "it is a configuration that cannot be read";
        }
    }
    return NULL;
}

static bool is_sound(struct raft *raft, const struct raft_message *message)
{
    for (size_t i = 0; i < message->append.entry_count; i++) {
        const char *why = check_entry(message, i);
        if (why != NULL) {
            raft_note(raft, LOG_LEVEL_ERROR,
                      "entry %llu (kind %u) from node %lu is refused: %s",
                      (unsigned long long)(message->append.prev_index + 1 + i),
                      message->append.entries[i].kind,
                      (unsigned long)message->from, why);
            return false;
        }
    }
    return true;
}

/* Not ok: in this term, or because the term is over, or because the entry
 * before is not the same.  The hint is the last entry here that can be in the
 * leader's log, going by its term (the end of 5.3). */
void follow_refuse(struct raft *raft, const struct raft_message *message)
{
    struct raft_message answer =
        raft_message_to(raft, RAFT_MESSAGE_APPEND_ANSWER, message->from);
    raft_index prev = message->append.prev_index;
    answer.append_answer.match = prev;
    answer.append_answer.hint_index =
        log_last_of(&raft->log, prev, message->append.prev_term);
    answer.append_answer.hint_term =
        log_term(&raft->log, answer.append_answer.hint_index);
    answer.append_answer.last = raft->log.last;
    /* Whoever asked in a term that is over may lead the present one too, and
     * count its rounds anew: an old number must not pass for one of them. */
    answer.append_answer.round =
        message->term == raft->term ? message->append.round : 0;
    raft_send_saved(raft, &answer, 0);
}

/* Ok: equal up to `match`, and durable up to there once this leaves. */
static void confirm(struct raft *raft, const struct raft_message *message,
                    raft_index match)
{
    if (message->append.quiet && message->append.entry_count == 0) {
        return;
    }
    /* A heartbeat is answered at once, for what is durable already: a slow
     * disk must not look like a dead node. */
    if (message->append.entry_count == 0 && match > raft->saved) {
        match = raft->saved;
    }
    struct raft_message answer =
        raft_message_to(raft, RAFT_MESSAGE_APPEND_ANSWER, message->from);
    answer.append_answer.ok = true;
    answer.append_answer.patient = raft->patient;
    answer.append_answer.match = match;
    answer.append_answer.last = raft->log.last;
    answer.append_answer.round = message->append.round;
    raft_send_saved(raft, &answer, match);
}

static void note_other(struct raft *raft, const struct raft_message *message,
                       raft_index index)
{
    raft_note(raft, LOG_LEVEL_ERROR,
              "node %lu sends another entry %llu than the one that is "
              "committed: ignored",
              (unsigned long)message->from, (unsigned long long)index);
}

/* The last of the message's entries, with the one before them, that lies in the
 * base may be in there: it is the base's last one, or of no later term. */
static bool fits_base(struct raft *raft, const struct raft_message *message)
{
    const struct raft_base *base = &raft->log.base;
    raft_index prev = message->append.prev_index;
    raft_index at = prev + message->append.entry_count;
    if (prev > base->index) {
        return true;
    }
    at = at < base->index ? at : base->index;
    raft_term term = at == prev ? message->append.prev_term
                                : message->append.entries[at - prev - 1].term;
    if (at < base->index ? term <= base->term : term == base->term) {
        return true;
    }
    note_other(raft, message, at);
    return false;
}

/* What is in the base was committed, so it is the same. */
static bool is_known(const struct raft *raft, const struct raft_entry *entry)
{
    return entry->index <= raft->log.base.index ||
           (entry->index <= raft->log.last &&
            log_term(&raft->log, entry->index) == entry->term);
}

/* Where the message's entries and the log part: an index in the log whose term
 * is another one, or the first one behind its end. */
static size_t skip_known(const struct raft *raft,
                         const struct raft_message *message)
{
    size_t at = 0;
    while (at < message->append.entry_count &&
           is_known(raft, &message->append.entries[at])) {
        at++;
    }
    return at;
}

static bool take_entries(struct raft *raft, const struct raft_message *message)
{
    size_t at = skip_known(raft, message);
    if (at == message->append.entry_count) {
        return true; /* nothing new: a late append never truncates */
    }
    raft_index first = message->append.entries[at].index;
    if (first <= raft->commit) {
        note_other(raft, message, first);
        return false;
    }
    if (first <= raft->log.last) {
        raft_truncate(raft, first);
    }
    for (; at < message->append.entry_count; at++) {
        struct raft_entry entry =
            raft_entry_share(&message->append.entries[at]);
        raft_append(raft, &entry);
    }
    return true;
}

void follow_append(struct raft *raft, struct raft_message *message)
{
    if (raft->leader != RAFT_ID_NONE && raft->leader != message->from) {
        raft_note(raft, LOG_LEVEL_ERROR,
                  "node %lu says that it leads term %llu, as node %lu does",
                  (unsigned long)message->from,
                  (unsigned long long)message->term,
                  (unsigned long)raft->leader);
        return;
    }
    become_follower(raft, message->term, message->from);
    raft->heard_us = raft->now.mono_us;
    raft->needed = message->append.needed;
    election_reset(raft);
    if (!is_sound(raft, message) || !fits_base(raft, message)) {
        return;
    }
    raft_index prev = message->append.prev_index;
    raft_index match = prev + message->append.entry_count;
    if (match <= raft->log.base.index) {
        confirm(raft, message, match);
        return;
    }
    bool below = prev < raft->log.base.index; /* committed, so equal */
    if (!below && (prev > raft->log.last ||
                   log_term(&raft->log, prev) != message->append.prev_term)) {
        follow_refuse(raft, message);
        return;
    }
    if (!take_entries(raft, message)) {
        return;
    }
    raft_index commit = message->append.commit;
    raft_set_commit(raft, commit < match ? commit : match);
    confirm(raft, message, match);
}
