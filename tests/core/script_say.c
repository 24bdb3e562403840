/* The trace: what comes of a step, one line for each thing. */
#include <stdio.h>

#include "script.h"

typedef unsigned long long number;

void say(struct script *script, size_t core, const char *text)
{
    buf_printf(&script->out, "%6.1f n%zu %s\n", (double)script->now_us / 1000.0,
               core, text);
}

void say_buf(struct script *script, size_t core, struct buf *text)
{
    buf_append_u8(text, '\0');
    say(script, core, (const char *)text->data);
    buf_free(text);
}

void say_message(struct script *script, const struct raft_message *message)
{
    struct buf text = {0};
    buf_printf(&text, "-> n%lu ", (unsigned long)message->to);
    raft_message_show(message, &text);
    say_buf(script, message->from, &text);
}

/* ---- saves -------------------------------------------------------------- */

static void add_id(struct buf *text, raft_id id)
{
    if (id == RAFT_ID_NONE) {
        buf_append_text(text, "-");
    } else {
        buf_printf(text, "n%lu", (unsigned long)id);
    }
}

void say_save(struct script *script, size_t core, const struct raft_save *save)
{
    struct buf text = {0};
    buf_append_text(&text, "saving");
    if (save->state_dirty) {
        buf_printf(&text, " t%llu vote ", (number)save->term);
        add_id(&text, save->vote);
    }
    if (save->base_dirty) {
        buf_printf(&text, " %sbase %llu:%llu",
                   save->install == NULL ? "" : "another's ",
                   (number)save->base.index, (number)save->base.term);
    }
    if (save->truncate_from != 0) {
        buf_printf(&text, " from %llu anew", (number)save->truncate_from);
    }
    if (save->entry_count > 0) {
        buf_printf(&text, " %llu..%llu", (number)save->entries[0].index,
                   (number)save->entries[save->entry_count - 1].index);
    }
    say_buf(script, core, &text);
}

/* ---- what is told ------------------------------------------------------- */

static void add_refused(struct buf *text, const struct raft_tell *tell)
{
    static const char *const refusals[] = {"not leader", "busy", "fenced",
                                           "stale", "forgotten"};
    buf_printf(text, "refused #%llu: %s", (number)tell->ticket.number,
               refusals[tell->refusal]);
    if (tell->index != 0) {
        buf_printf(text, " %llu:%llu", (number)tell->index, (number)tell->term);
    }
}

static void add_change(struct buf *text, const struct raft_tell *tell)
{
    static const char *const ends[] = {
        "done",     "not leader", "conflict", "another instance",
        "too many", "dead",       "silent",   "too slow",
        "aborted",  "none open",  "too late", "lost"};
    buf_printf(text, "change #%llu: %s, index %llu",
               (number)tell->ticket.number, ends[tell->change],
               (number)tell->index);
    if (tell->peer != RAFT_ID_NONE) {
        buf_printf(text, ", n%lu", (unsigned long)tell->peer);
    }
}

static void add_transfer(struct buf *text, const struct raft_tell *tell)
{
    static const char *const ends[] = {"done",     "not leader", "conflict",
                                       "no voter", "timeout",    "lost"};
    buf_printf(text, "transfer #%llu: %s, n%ld", (number)tell->ticket.number,
               ends[tell->transfer],
               tell->peer == RAFT_ID_NONE ? -1 : (long)tell->peer);
}

static void add_role(struct buf *text, const struct raft *raft)
{
    struct raft_status status;
    raft_status(raft, &status);
    buf_printf(text, "is %s, t%llu, led by ", raft_role_word(raft),
               (number)status.term);
    add_id(text, status.leader);
}

void say_tell(struct script *script, size_t core, const struct raft_tell *tell)
{
    struct buf text = {0};
    switch (tell->type) {
    case RAFT_TELL_ACCEPTED:
        buf_printf(&text, "accepted #%llu as %llu:%llu",
                   (number)tell->ticket.number, (number)tell->index,
                   (number)tell->term);
        break;
    case RAFT_TELL_FOUND:
        buf_printf(&text, "found #%llu at %llu:%llu",
                   (number)tell->ticket.number, (number)tell->index,
                   (number)tell->term);
        break;
    case RAFT_TELL_REFUSED:
        add_refused(&text, tell);
        break;
    case RAFT_TELL_READ:
        buf_printf(&text, "read #%llu at %llu", (number)tell->ticket.number,
                   (number)tell->index);
        break;
    case RAFT_TELL_COMMIT:
        buf_printf(&text, "tells ..%llu", (number)tell->index);
        break;
    case RAFT_TELL_ROLE:
        if (!script->roles) {
            return; /* the notes say most of it */
        }
        add_role(&text, script->cores[core].raft);
        break;
    case RAFT_TELL_CONFIG:
        buf_append_text(&text, "configuration");
        break;
    case RAFT_TELL_CHANGE:
        add_change(&text, tell);
        break;
    case RAFT_TELL_TRANSFER:
        add_transfer(&text, tell);
        break;
    case RAFT_TELL_INSTALL:
        buf_printf(&text, "n%lu needs the base", (unsigned long)tell->peer);
        break;
    }
    say_buf(script, core, &text);
}

/* ---- a core, when asked ------------------------------------------------- */

void say_state(struct script *script, size_t core)
{
    struct buf text = {0};
    raft_show(script->cores[core].raft, &text);
    say_buf(script, core, &text);
}

/* All that its log holds, one run of a term after the other. */
void say_log(struct script *script, size_t core)
{
    const struct raft *raft = script->cores[core].raft;
    struct raft_status status;
    raft_status(raft, &status);
    struct buf text = {0};
    buf_append_text(&text, "log");
    for (raft_index at = status.first; at <= status.last;) {
        raft_index first = at;
        raft_term term = raft_term_at(raft, at);
        while (at <= status.last && raft_term_at(raft, at) == term) {
            at++;
        }
        buf_printf(&text, " %llu..%llu:%llu", (number)first, (number)(at - 1),
                   (number)term);
    }
    say_buf(script, core, &text);
}

/* The configuration in force there. */
void say_members(struct script *script, size_t core)
{
    raft_index index = 0;
    const struct raft_config *config =
        raft_config_now(script->cores[core].raft, &index);
    struct buf text = {0};
    buf_printf(&text, "configuration %llu:", (number)index);
    for (size_t i = 0; config != NULL && i < config->count; i++) {
        buf_printf(&text, " %lu %s", (unsigned long)config->members[i].id,
                   raft_member_word(config, &config->members[i]));
    }
    say_buf(script, core, &text);
}

void say_contacts(struct script *script, size_t core)
{
    struct raft_member members[RAFT_CONTACTS_MAX];
    size_t count =
        raft_contacts(script->cores[core].raft, members, RAFT_CONTACTS_MAX);
    struct buf text = {0};
    buf_append_text(&text, "contacts");
    for (size_t i = 0; i < count; i++) {
        buf_printf(&text, " n%lu", (unsigned long)members[i].id);
    }
    say_buf(script, core, &text);
}
