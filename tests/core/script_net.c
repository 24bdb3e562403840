/* The network: what is on its way, moved by hand. */
#include <assert.h>
#include <string.h>

#include "base/mem.h"
#include "script.h"

static struct raft_message copy_of(const struct raft_message *message)
{
    struct raft_message copy = *message;
    if (message->type == RAFT_MESSAGE_APPEND) {
        size_t count = message->append.entry_count;
        copy.append.entries = x_calloc(count, sizeof(struct raft_entry));
        for (size_t i = 0; i < count; i++) {
            copy.append.entries[i] =
                raft_entry_share(&message->append.entries[i]);
        }
    }
    return copy;
}

static void add(struct raft_message *list, size_t *count,
                const struct raft_message *message)
{
    assert(*count < WAY_MAX);
    list[(*count)++] = copy_of(message);
}

void net_post(struct script *script, const struct raft_message *message)
{
    if (!script->quiet) {
        say_message(script, message);
    }
    add(script->way, &script->way_count, message);
}

static bool matches(const struct raft_message *message, size_t from, size_t to)
{
    return (from == 0 || message->from == from) &&
           (to == 0 || message->to == to);
}

static void arrive(struct script *script, const struct raft_message *message)
{
    if (script->up[message->from][message->to] &&
        script->cores[message->to].raft != NULL) {
        struct raft_event event = {.type = RAFT_EVENT_MESSAGE,
                                   .message = message};
        core_step(script, message->to, &event);
    }
}

bool net_deliver(struct script *script, size_t from, size_t to, bool lose)
{
    static struct raft_message moving[WAY_MAX];
    size_t count = 0;
    size_t kept = 0;
    for (size_t i = 0; i < script->way_count; i++) {
        if (matches(&script->way[i], from, to)) {
            moving[count++] = script->way[i];
        } else {
            script->way[kept++] = script->way[i];
        }
    }
    script->way_count = kept;
    for (size_t i = 0; i < count; i++) {
        if (!lose) {
            arrive(script, &moving[i]);
        }
        raft_message_clear(&moving[i]);
    }
    return count > 0;
}

void net_keep(struct script *script, size_t from, size_t to)
{
    for (size_t i = 0; i < script->way_count; i++) {
        if (matches(&script->way[i], from, to)) {
            add(script->kept, &script->kept_count, &script->way[i]);
        }
    }
}

void net_again(struct script *script)
{
    for (size_t i = 0; i < script->kept_count; i++) {
        add(script->way, &script->way_count, &script->kept[i]);
    }
}

void net_clear(struct script *script)
{
    for (size_t i = 0; i < script->way_count; i++) {
        raft_message_clear(&script->way[i]);
    }
    for (size_t i = 0; i < script->kept_count; i++) {
        raft_message_clear(&script->kept[i]);
    }
}

/* ---- what no honest core sends ------------------------------------------ */

static void forge_answer(struct raft_message *message, bool ok,
                         const unsigned long long *v)
{
    message->type = RAFT_MESSAGE_APPEND_ANSWER;
    message->append_answer.ok = ok;
    message->append_answer.match = ok ? v[1] : v[1] + 1;
    message->append_answer.last = v[1];
    message->append_answer.round = v[2];
}

static void forge_vote(struct raft_message *message, bool transfer,
                       const unsigned long long *v)
{
    message->type = RAFT_MESSAGE_VOTE;
    message->vote.last_index = v[1];
    message->vote.last_term = v[2];
    message->vote.transfer = transfer;
}

/* With one entry, or with two of the same term; without one where that is 0. */
static void forge_append(struct raft_message *message,
                         struct raft_entry entries[2], size_t count,
                         const unsigned long long *v)
{
    for (size_t i = 0; i < count; i++) {
        entries[i] = (struct raft_entry){.index = v[1] + 1 + v[4] + i,
                                         .term = v[3],
                                         .kind = (uint8_t)v[5],
                                         .flags = RAFT_FLAG_REQUIRED};
    }
    message->type = RAFT_MESSAGE_APPEND;
    message->append.prev_index = v[1];
    message->append.prev_term = v[2];
    message->append.commit = v[6];
    message->append.entries = entries;
    message->append.entry_count = v[3] == 0 ? 0 : count;
}

void net_forge(struct script *script, size_t from, size_t to, const char *kind,
               const unsigned long long *v)
{
    struct raft_message message = {
        .from = (raft_id)from, .to = (raft_id)to, .term = v[0]};
    struct raft_entry entries[2];
    if (strcmp(kind, "matched") == 0) {
        forge_answer(&message, true, v);
    } else if (strcmp(kind, "ends") == 0) {
        forge_answer(&message, false, v);
    } else if (strcmp(kind, "vote") == 0) {
        forge_vote(&message, false, v);
    } else if (strcmp(kind, "transferred") == 0) {
        forge_vote(&message, true, v);
    } else if (strcmp(kind, "timeout_now") == 0) {
        message.type = RAFT_MESSAGE_TIMEOUT_NOW;
    } else {
        forge_append(&message, entries, strcmp(kind, "appends") == 0 ? 2 : 1,
                     v);
    }
    struct raft_event event = {.type = RAFT_EVENT_MESSAGE, .message = &message};
    core_step(script, to, &event);
}
