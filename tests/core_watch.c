/* The promises of Figure 3, seen from the outside. */
#include "core_random.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

void fail(const struct world *world, const char *format, ...)
{
    fprintf(stderr,
            "FAIL seed=%llu at %.3f s: ", (unsigned long long)world->seed,
            (double)world->now_us / 1e6);
    va_list arguments;
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fprintf(stderr, "\n");
    for (size_t at = 1; at <= world->count; at++) {
        if (world->machines[at].raft != NULL) {
            struct buf text = {0};
            buf_printf(&text, "n%zu ", at);
            raft_show(world->machines[at].raft, &text);
            buf_append_text(&text, "  config ");
            const struct raft_config *now =
                raft_config_now(world->machines[at].raft, NULL);
            raft_config_text(now == NULL ? &world->config : now, &text);
            fprintf(stderr, "%.*s\n", (int)text.size, (char *)text.data);
            buf_free(&text);
        }
    }
    fprintf(stderr, "again: test_core_random --seed=%llu\n",
            (unsigned long long)world->seed);
    exit(1);
}

void see_entry(struct world *world, const struct raft_entry *entry)
{
    if (entry->index >= INDEX_MAX || entry->term >= TERMS_MAX) {
        fail(world, "the test is too small for entry %llu:%llu",
             (unsigned long long)entry->index, (unsigned long long)entry->term);
    }
    see_config_entry(world, entry);
    struct known *known = world->known[entry->index];
    while (known != NULL && known->term != entry->term) {
        known = known->next;
    }
    if (known == NULL) {
        known = x_calloc(1, sizeof(*known));
        known->term = entry->term;
        known->chain = entry->chain;
        known->next = world->known[entry->index];
        world->known[entry->index] = known;
    } else if (memcmp(&known->chain, &entry->chain, sizeof(entry->chain)) !=
               0) {
        fail(world, "two logs have entry %llu:%llu and differ before it",
             (unsigned long long)entry->index, (unsigned long long)entry->term);
    }
}

struct durable {
    const struct world *world;
    raft_index index;
    raft_term term;
};

static uint64_t durable_of(const void *context, raft_id id)
{
    const struct durable *durable = context;
    const struct disk *disk = &durable->world->machines[id].disk;
    return disk->count >= durable->index &&
           disk->entries[durable->index - 1].term == durable->term;
}

static void see_commit(struct world *world, size_t at, raft_index index)
{
    const struct raft *raft = world->machines[at].raft;
    raft_term term = raft_term_at(raft, index);
    const struct raft_entry *entry = raft_entry_at(raft, index);
    if (index > world->commit) {
        /* A step may commit by one configuration and then append the next. */
        struct durable durable = {world, index, term};
        const struct raft_config *now = raft_config_now(raft, NULL);
        if (raft_quorum_value(now, durable_of, &durable) == 0 &&
            raft_quorum_value(&world->machines[at].config, durable_of,
                              &durable) == 0) {
            fail(world, "n%zu commits %llu:%llu, which no quorum has saved", at,
                 (unsigned long long)index, (unsigned long long)term);
        }
        world->committed[index] = term;
        world->commit = index;
    } else if (world->committed[index] != term) {
        fail(world, "entry %llu is committed as t%llu, and on n%zu as t%llu",
             (unsigned long long)index,
             (unsigned long long)world->committed[index], at,
             (unsigned long long)term);
    }
    if (entry != NULL && entry->kind == RAFT_KIND_APP) {
        uint64_t ticket;
        memcpy(&ticket, entry->payload->data, sizeof(ticket));
        if (world->refused[ticket]) {
            fail(world, "#%llu was refused, and is committed",
                 (unsigned long long)ticket);
        }
    }
}

static void see_leader(struct world *world, size_t at,
                       const struct raft_status *status)
{
    if (status->term >= TERMS_MAX) {
        fail(world, "the test is too small for its terms");
    }
    if (world->leaders[status->term] == (raft_id)at) {
        return;
    }
    if (world->leaders[status->term] != 0) {
        fail(world, "n%lu and n%zu both lead t%llu",
             (unsigned long)world->leaders[status->term], at,
             (unsigned long long)status->term);
    }
    world->leaders[status->term] = (raft_id)at;
    for (raft_index i = raft_base_now(world->machines[at].raft)->index;
         i <= world->commit; i++) {
        if (raft_term_at(world->machines[at].raft, i) != world->committed[i]) {
            fail(world, "n%zu leads t%llu without the committed entry %llu", at,
                 (unsigned long long)status->term, (unsigned long long)i);
        }
    }
}

/* What may follow a configuration in a log (section 6): a joint one whose old
 * side it is, one with the same voters, or either side of a joint one. */
static bool may_follow(const struct raft_config *before,
                       const struct raft_config *after)
{
    struct raft_config side;
    if (before->joint && after->joint) {
        return false;
    }
    if (!before->joint && !after->joint) {
        return raft_config_same_voters(before, after);
    }
    raft_config_side(after->joint ? after : before, false, &side);
    if (after->joint) {
        return raft_config_same_voters(before, &side);
    }
    struct raft_config next;
    raft_config_side(before, true, &next);
    return raft_config_same_voters(after, &side) ||
           raft_config_same_voters(after, &next);
}

static void see_config(struct world *world, size_t at)
{
    struct machine *machine = &world->machines[at];
    size_t count = 0;
    const struct raft_config_entry *history =
        raft_config_history(machine->raft, &count);
    for (size_t i = 1; i < count; i++) {
        struct raft_config before;
        struct raft_config after;
        const struct blob *old = history[i - 1].payload;
        const struct blob *new = history[i].payload;
        if (history[i].index <= machine->config_seen ||
            !raft_config_decode(old->data, old->size, &before) ||
            !raft_config_decode(new->data, new->size, &after)) {
            continue;
        }
        if (!may_follow(&before, &after)) {
            fail(world, "n%zu: configuration %llu may not follow %llu", at,
                 (unsigned long long)history[i].index,
                 (unsigned long long)history[i - 1].index);
        }
    }
    if (count > 0) {
        machine->config_seen = machine->commit < history[count - 1].index
                                   ? machine->commit
                                   : history[count - 1].index;
        machine->config = *raft_config_now(machine->raft, NULL);
    }
}

/* What every member has is on every member's disk. */
static void see_needed(const struct world *world, size_t at,
                       const struct raft_status *status)
{
    const struct raft_config *config =
        raft_config_now(world->machines[at].raft, NULL);
    for (size_t i = 0; i < config->count; i++) {
        raft_id id = config->members[i].id;
        if (world->machines[id].disk.count < status->needed) {
            fail(world, "n%zu says that all have entry %llu, and n%lu has not",
                 at, (unsigned long long)status->needed, (unsigned long)id);
        }
    }
}

void see_node(struct world *world, size_t at)
{
    struct machine *machine = &world->machines[at];
    struct raft_status status;
    raft_status(machine->raft, &status);
    bool leads = status.role == RAFT_ROLE_LEADER;
    if (leads) {
        see_leader(world, at, &status);
        see_needed(world, at, &status);
    }
    if (leads && status.commit > machine->commit &&
        raft_term_at(machine->raft, status.commit) != status.term) {
        fail(world, "n%zu commits up to entry %llu, of an older term", at,
             (unsigned long long)status.commit);
    }
    raft_index first = machine->commit + 1;
    first = first < status.first - 1 ? status.first - 1 : first;
    for (raft_index i = first; i <= status.commit; i++) {
        see_commit(world, at, i);
    }
    machine->commit = status.commit;
    see_config(world, at);
}

/* A vote that has left is on the disk, and stays cast: one for each term. */
void see_message(struct world *world, const struct raft_message *message)
{
    raft_id vote = message->to;
    if (message->type == RAFT_MESSAGE_VOTE && !message->vote.pre) {
        vote = message->from;
    } else if (message->type != RAFT_MESSAGE_VOTE_ANSWER ||
               message->vote_answer.pre || !message->vote_answer.granted) {
        return;
    }
    if (message->term >= TERMS_MAX) {
        fail(world, "the test is too small for its terms");
    }
    raft_id *seen = &world->votes[message->from][message->term];
    if (*seen != 0 && *seen != vote) {
        fail(world, "n%lu votes for n%lu and n%lu in t%llu",
             (unsigned long)message->from, (unsigned long)*seen,
             (unsigned long)vote, (unsigned long long)message->term);
    }
    *seen = vote;
    const struct disk *disk = &world->machines[message->from].disk;
    if (disk->term != message->term || disk->vote != vote) {
        fail(world, "n%lu votes for n%lu in t%llu before that is saved",
             (unsigned long)message->from, (unsigned long)vote,
             (unsigned long long)message->term);
    }
}

void see_tell(struct world *world, size_t at, const struct raft_tell *tell)
{
    struct machine *machine = &world->machines[at];
    switch (tell->type) {
    case RAFT_TELL_REFUSED:
        world->refused[tell->ticket.number] = true;
        end_ask(world, at, tell);
        break;
    case RAFT_TELL_READ:
        world->reads_told++;
        end_ask(world, at, tell);
        if (tell->index < world->floors[tell->ticket.number]) {
            fail(world, "n%zu reads at %llu when %llu had been told", at,
                 (unsigned long long)tell->index,
                 (unsigned long long)world->floors[tell->ticket.number]);
        }
        break;
    case RAFT_TELL_COMMIT:
        if (tell->index <= machine->told || machine->disk.count < tell->index) {
            fail(world, "n%zu tells %llu after %llu, with %zu saved", at,
                 (unsigned long long)tell->index,
                 (unsigned long long)machine->told, machine->disk.count);
        }
        machine->told = tell->index;
        world->told = tell->index > world->told ? tell->index : world->told;
        break;
    case RAFT_TELL_ACCEPTED:
        world->proposals_told++;
        end_ask(world, at, tell);
        break;
    case RAFT_TELL_FOUND:
        end_ask(world, at, tell);
        break;
    case RAFT_TELL_ROLE:
    case RAFT_TELL_CONFIG:
    case RAFT_TELL_INSTALL:
        break;
    case RAFT_TELL_CHANGE:
    case RAFT_TELL_TRANSFER:
        end_ask(world, at, tell);
        break;
    }
}

/* ---- decisions ---------------------------------------------------------- */

enum expected {
    EXPECTED_APPENDED,
    EXPECTED_FOUND,
    EXPECTED_FORGOTTEN,
    EXPECTED_FENCED,
    EXPECTED_STALE
};

/* What is not in memory is told, and so on the disk. */
static const struct raft_entry *entry_of(const struct machine *machine,
                                         raft_index index)
{
    const struct raft_entry *entry = raft_entry_at(machine->raft, index);
    return entry != NULL ? entry : &machine->disk.entries[index - 1];
}

static bool same_key(const struct blob *a, const struct blob *b)
{
    return a->size == b->size && memcmp(a->data, b->data, a->size) == 0;
}

/* The rules of SUBMIT's options, over all of the log up to `last`, read
 * backward. */
static enum expected expect(const struct world *world, size_t at,
                            const struct raft_event *event, raft_index last,
                            raft_index *index)
{
    const struct machine *machine = &world->machines[at];
    raft_index last_app = 0;
    raft_index forgotten = 0;
    size_t keys = 0;
    for (*index = last; *index > 0; (*index)--) {
        const struct raft_entry *entry = entry_of(machine, *index);
        last_app =
            last_app == 0 && entry->kind == RAFT_KIND_APP ? *index : last_app;
        if (entry->key == NULL) {
            continue;
        }
        if (++keys > world->key_window) {
            forgotten = *index;
            break;
        }
        if (event->propose.key != NULL &&
            same_key(entry->key, event->propose.key)) {
            return EXPECTED_FOUND;
        }
    }
    *index = forgotten;
    if (event->propose.key != NULL && forgotten > event->propose.since) {
        return EXPECTED_FORGOTTEN;
    }
    if (event->propose.fence != 0 &&
        event->propose.fence != raft_term_at(machine->raft, last)) {
        return EXPECTED_FENCED;
    }
    *index = last_app;
    return last_app > event->propose.after ? EXPECTED_STALE : EXPECTED_APPENDED;
}

static enum expected said(const struct raft_tell *tell)
{
    if (tell->type == RAFT_TELL_ACCEPTED) {
        return EXPECTED_APPENDED;
    }
    if (tell->type == RAFT_TELL_FOUND) {
        return EXPECTED_FOUND;
    }
    return tell->refusal == RAFT_REFUSED_FENCED      ? EXPECTED_FENCED
           : tell->refusal == RAFT_REFUSED_FORGOTTEN ? EXPECTED_FORGOTTEN
                                                     : EXPECTED_STALE;
}

/* Whoever waits for an index compares the term there, unless it is 0. */
static void see_term(const struct world *world, size_t at,
                     const struct raft_tell *tell)
{
    const struct machine *machine = &world->machines[at];
    struct raft_status status;
    raft_status(machine->raft, &status);
    raft_term term = tell->index <= status.commit
                         ? 0
                         : raft_term_at(machine->raft, tell->index);
    if (tell->term != term && (term == 0 || tell->term == 0)) {
        /* It may have been committed in the same step, after that. */
        term = raft_term_at(machine->raft, tell->index);
    }
    if (tell->term != term) {
        fail(world, "n%zu names entry %llu as of t%llu, not t%llu", at,
             (unsigned long long)tell->index, (unsigned long long)tell->term,
             (unsigned long long)term);
    }
}

static void see_decision(struct world *world, size_t at, raft_index last,
                         const struct raft_tell *tell)
{
    raft_index index;
    enum expected wanted =
        expect(world, at, &world->proposed[tell->ticket.number], last, &index);
    if (said(tell) != wanted) {
        fail(world, "n%zu decides %d where %d is right", at, said(tell),
             wanted);
    }
    world->decided[wanted]++;
    if (wanted == EXPECTED_APPENDED || wanted == EXPECTED_FENCED) {
        return;
    }
    if (tell->index != index) {
        fail(world, "n%zu decides %d by entry %llu, not by %llu", at, wanted,
             (unsigned long long)tell->index, (unsigned long long)index);
    }
    if (wanted != EXPECTED_FORGOTTEN) {
        see_term(world, at, tell);
    }
}

static bool is_decision(const struct raft_tell *tell)
{
    return tell->type == RAFT_TELL_ACCEPTED || tell->type == RAFT_TELL_FOUND ||
           (tell->type == RAFT_TELL_REFUSED &&
            tell->refusal != RAFT_REFUSED_BUSY &&
            tell->refusal != RAFT_REFUSED_NOT_LEADER);
}

/* Backward: what was appended after a decision was not in the log for it. */
void see_decisions(struct world *world, size_t at,
                   const struct raft_effects *effects)
{
    struct raft_status status;
    raft_status(world->machines[at].raft, &status);
    raft_index last = status.last;
    for (size_t i = effects->tell_count; i > 0; i--) {
        const struct raft_tell *tell = &effects->tells[i - 1];
        if (tell->type == RAFT_TELL_ACCEPTED) {
            last = tell->index - 1;
        }
        if (is_decision(tell)) {
            see_decision(world, at, last, tell);
        }
    }
}

void forget_entries(struct world *world)
{
    for (size_t i = 0; i < INDEX_MAX; i++) {
        while (world->known[i] != NULL) {
            struct known *known = world->known[i];
            world->known[i] = known->next;
            free(known);
        }
    }
}
