/* Scripts: clusters of cores on a network that is driven by hand.
 *
 *   script [--rewrite] FILE...
 *
 * A file is a row of blocks.  A block is commands, a line ----, and the trace
 * that they must give, up to an empty line:
 *
 *   nodes N [ALL]         N cores that have met: entry 1 names them all; up to
 *                         ALL, others that know of no configuration
 *   config LIST           before `nodes`: the members, e.g. 1=v 2=v 3=l; a
 *                         joint one as 1=vv 2=v- 3=-v (old and coming role)
 *   log N T T T ...       before `nodes`: terms of the entries behind entry 1
 *   term N T              before `nodes`: the term that N knows of
 *   limit NAME VALUE      before `nodes`: a field of struct raft_settings
 *   time MS               time passes for everybody
 *   wait N                time passes until N acts by itself; for N alone
 *   deliver [A B]         what is on its way arrives (all, or from A to B)
 *   drop [A B]            … is lost
 *   keep A B / again A B  notes what is on its way; brings it a second time
 *   save [N]              saves end (of all, or of N)
 *   run                   deliver and save until nothing is left
 *   propose N TEXT [key K] [since I] [term T] [after I]
 *   read N, link A B up|down, crash N, start N, show [N]
 *   change N LIST         N is asked for these members, e.g. 1=v 4=l
 *   insist N LIST         … though they are not alive
 *   abort N, transfer N [TO], contacts N
 *   disk N stalls|well    its saves take too long, or end again
 *   forge A B KIND ARGS   a message that no honest core would send
 *   quiet / loud          leaves messages out of the trace, or not
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "core/raft.h"

#define CORES_MAX 8
#define WAY_MAX 4096

struct core {
    struct raft *raft;
    bool saving;
    struct raft_save save;
    /* What is durable: */
    raft_term term;
    raft_id vote;
    raft_index commit;
    struct raft_entry *entries;
    size_t count;
    size_t capacity;
};

struct script {
    struct buf out;
    uint64_t now_us;
    struct raft_settings settings;
    struct raft_config config;
    raft_term logs[CORES_MAX + 1][32];
    size_t log_counts[CORES_MAX + 1];
    raft_term terms[CORES_MAX + 1];
    size_t count;
    struct core cores[CORES_MAX + 1]; /* from 1 */
    struct raft_message way[WAY_MAX];
    size_t way_count;
    struct raft_message kept[WAY_MAX];
    size_t kept_count;
    bool up[CORES_MAX + 1][CORES_MAX + 1];
    bool quiet;
    uint64_t next_ticket;
    const char *file;
};

static void say(struct script *script, size_t core, const char *text)
{
    buf_printf(&script->out, "%6.1f n%zu %s\n", (double)script->now_us / 1000.0,
               core, text);
}

/* ---- effects ------------------------------------------------------------ */

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

static void post(struct script *script, size_t from,
                 const struct raft_message *message)
{
    struct buf text = {0};
    raft_message_show(message, &text);
    char line[256];
    snprintf(line, sizeof(line), "-> n%lu %.*s", (unsigned long)message->to,
             (int)text.size, (char *)text.data);
    buf_free(&text);
    if (!script->quiet) {
        say(script, from, line);
    }
    assert(script->way_count < WAY_MAX);
    script->way[script->way_count++] = copy_of(message);
}

static void say_change(struct script *script, size_t core,
                       const struct raft_tell *tell)
{
    static const char *const ends[] = {
        "done",     "not leader", "conflict", "another instance",
        "too many", "dead",       "silent",   "too slow",
        "aborted",  "none open",  "too late", "lost"};
    char line[128];
    int used = snprintf(line, sizeof(line), "change #%llu: %s, index %llu",
                        (unsigned long long)tell->ticket.number,
                        ends[tell->change], (unsigned long long)tell->index);
    if (tell->peer != RAFT_ID_NONE) {
        snprintf(line + used, sizeof(line) - (size_t)used, ", n%lu",
                 (unsigned long)tell->peer);
    }
    say(script, core, line);
}

static void say_transfer(struct script *script, size_t core,
                         const struct raft_tell *tell)
{
    static const char *const ends[] = {"done",     "not leader", "conflict",
                                       "no voter", "timeout",    "lost"};
    char line[128];
    snprintf(line, sizeof(line), "transfer #%llu: %s, n%ld",
             (unsigned long long)tell->ticket.number, ends[tell->transfer],
             tell->peer == RAFT_ID_NONE ? -1 : (long)tell->peer);
    say(script, core, line);
}

static void say_tell(struct script *script, size_t core,
                     const struct raft_tell *tell)
{
    static const char *const refusals[] = {"not leader", "busy", "fenced",
                                           "stale", "forgotten"};
    char line[128] = "";
    switch (tell->type) {
    case RAFT_TELL_ACCEPTED:
        snprintf(line, sizeof(line), "accepted #%llu as %llu:%llu",
                 (unsigned long long)tell->ticket.number,
                 (unsigned long long)tell->index,
                 (unsigned long long)tell->term);
        break;
    case RAFT_TELL_FOUND:
        snprintf(line, sizeof(line), "found #%llu at %llu:%llu",
                 (unsigned long long)tell->ticket.number,
                 (unsigned long long)tell->index,
                 (unsigned long long)tell->term);
        break;
    case RAFT_TELL_REFUSED:
        snprintf(line, sizeof(line), "refused #%llu: %s",
                 (unsigned long long)tell->ticket.number,
                 refusals[tell->refusal]);
        if (tell->index != 0) {
            snprintf(line, sizeof(line), "refused #%llu: %s %llu:%llu",
                     (unsigned long long)tell->ticket.number,
                     refusals[tell->refusal], (unsigned long long)tell->index,
                     (unsigned long long)tell->term);
        }
        break;
    case RAFT_TELL_READ:
        snprintf(line, sizeof(line), "read #%llu at %llu",
                 (unsigned long long)tell->ticket.number,
                 (unsigned long long)tell->index);
        break;
    case RAFT_TELL_COMMIT:
        snprintf(line, sizeof(line), "tells ..%llu",
                 (unsigned long long)tell->index);
        break;
    case RAFT_TELL_ROLE:
        return;
    case RAFT_TELL_CONFIG:
        snprintf(line, sizeof(line), "configuration");
        break;
    case RAFT_TELL_CHANGE:
        say_change(script, core, tell);
        return;
    case RAFT_TELL_TRANSFER:
        say_transfer(script, core, tell);
        return;
    }
    say(script, core, line);
}

static void start_save(struct script *script, size_t at)
{
    struct core *core = &script->cores[at];
    if (core->saving ||
        !raft_take_save(core->raft, (size_t)1 << 22, false, &core->save)) {
        return;
    }
    core->saving = true;
    const struct raft_save *save = &core->save;
    struct buf text = {0};
    buf_append_text(&text, "saving");
    if (save->state_dirty) {
        buf_printf(&text, " t%llu vote ", (unsigned long long)save->term);
        if (save->vote == RAFT_ID_NONE) {
            buf_append_text(&text, "-");
        } else {
            buf_printf(&text, "n%lu", (unsigned long)save->vote);
        }
    }
    if (save->truncate_from != 0) {
        buf_printf(&text, " from %llu anew",
                   (unsigned long long)save->truncate_from);
    }
    if (save->entry_count > 0) {
        buf_printf(
            &text, " %llu..%llu", (unsigned long long)save->entries[0].index,
            (unsigned long long)save->entries[save->entry_count - 1].index);
    }
    buf_append_u8(&text, '\0');
    say(script, at, (char *)text.data);
    buf_free(&text);
}

static void step(struct script *script, size_t at,
                 const struct raft_event *event);

static void answer_fetch(struct script *script, size_t at,
                         const struct raft_fetch *fetch)
{
    const struct core *core = &script->cores[at];
    struct raft_event event = {.type = RAFT_EVENT_FETCHED};
    event.fetched.peer = fetch->peer;
    event.fetched.first = fetch->first;
    event.fetched.entries = &core->entries[fetch->first - 1];
    size_t last = fetch->last < core->count ? (size_t)fetch->last : core->count;
    event.fetched.entry_count =
        last < fetch->first ? 0 : last - (size_t)fetch->first + 1;
    char line[96];
    snprintf(line, sizeof(line), "fetches %llu..%zu for n%lu",
             (unsigned long long)fetch->first, last,
             (unsigned long)fetch->peer);
    say(script, at, line);
    step(script, at, &event);
}

static void step(struct script *script, size_t at,
                 const struct raft_event *event)
{
    struct core *core = &script->cores[at];
    struct raft_now now = {.mono_us = script->now_us,
                           .unix_ms = script->now_us / 1000};
    struct raft_fetch fetches[8];
    raft_step(core->raft, now, event, event == NULL ? 0 : 1);
    start_save(script, at);
    const struct raft_effects *effects = raft_effects(core->raft);
    for (size_t i = 0; i < effects->message_count; i++) {
        post(script, at, &effects->messages[i]);
    }
    for (size_t i = 0; i < effects->tell_count; i++) {
        say_tell(script, at, &effects->tells[i]);
    }
    for (size_t i = 0; i < effects->note_count; i++) {
        say(script, at, effects->notes[i].text);
    }
    size_t count = effects->fetch_count;
    assert(count <= 8);
    for (size_t i = 0; i < count; i++) {
        fetches[i] = effects->fetches[i];
    }
    raft_effects_clear(core->raft);
    for (size_t i = 0; i < count; i++) {
        answer_fetch(script, at, &fetches[i]);
    }
}

/* ---- disks -------------------------------------------------------------- */

static void persist(struct core *core, const struct raft_save *save)
{
    if (save->state_dirty) {
        core->term = save->term;
        core->vote = save->vote;
    }
    while (save->truncate_from != 0 && core->count >= save->truncate_from) {
        raft_entry_clear(&core->entries[--core->count]);
    }
    for (size_t i = 0; i < save->entry_count; i++) {
        assert(save->entries[i].index == core->count + 1);
        core->entries = x_grow(core->entries, &core->capacity, core->count + 1,
                               sizeof(*core->entries));
        core->entries[core->count++] = raft_entry_share(&save->entries[i]);
    }
    core->commit = save->commit;
}

static bool end_save(struct script *script, size_t at)
{
    struct core *core = &script->cores[at];
    if (core->raft == NULL || !core->saving) {
        return false;
    }
    persist(core, &core->save);
    struct raft_event event = {.type = RAFT_EVENT_SAVED};
    event.saved.state = core->save.state;
    if (core->save.entry_count > 0) {
        const struct raft_entry *last =
            &core->save.entries[core->save.entry_count - 1];
        event.saved.index = last->index;
        event.saved.term = last->term;
    }
    raft_save_clear(&core->save);
    core->saving = false;
    step(script, at, &event);
    return true;
}

/* ---- life --------------------------------------------------------------- */

static void link_all(struct script *script, size_t at)
{
    for (size_t i = 1; i <= script->count; i++) {
        if (i == at || script->cores[i].raft == NULL) {
            continue;
        }
        struct raft_event event = {.type = RAFT_EVENT_LINK};
        event.link.up = true;
        event.link.peer = (raft_id)i;
        step(script, at, &event);
        event.link.peer = (raft_id)at;
        step(script, i, &event);
        script->up[at][i] = true;
        script->up[i][at] = true;
    }
}

static void start_core(struct script *script, size_t at)
{
    struct core *core = &script->cores[at];
    struct raft_run runs[256];
    raft_index others[256];
    struct raft_config_entry configs[16];
    struct raft_start start = {.term = core->term,
                               .vote = core->vote,
                               .commit = core->commit,
                               .last = core->count,
                               .runs = runs,
                               .others = others,
                               .configs = configs,
                               .tail = core->entries,
                               .tail_count = core->count};
    for (size_t i = 0; i < core->count; i++) {
        const struct raft_entry *entry = &core->entries[i];
        if (i == 0 || entry->term != core->entries[i - 1].term) {
            runs[start.run_count++] =
                (struct raft_run){.first = i + 1, .term = entry->term};
        }
        if (entry->kind != RAFT_KIND_APP) {
            others[start.other_count++] = i + 1;
        }
        if (entry->kind == RAFT_KIND_CONFIG) {
            configs[start.config_count++] = (struct raft_config_entry){
                .index = i + 1, .term = entry->term, .payload = entry->payload};
        }
    }
    struct raft_settings settings = script->settings;
    settings.id = (raft_id)at;
    settings.seed = at;
    const char *why = NULL;
    struct raft_now now = {.mono_us = script->now_us};
    core->raft = raft_new(&settings, &start, now, &why);
    if (core->raft == NULL) {
        say(script, at, why);
    }
}

static void add_entry(struct core *core, struct raft_entry entry)
{
    struct digest before = {{0}};
    if (core->count > 0) {
        before = core->entries[core->count - 1].chain;
    }
    entry.index = core->count + 1;
    entry.chain = raft_entry_chain(before, &entry);
    core->entries = x_grow(core->entries, &core->capacity, core->count + 1,
                           sizeof(*core->entries));
    core->entries[core->count++] = entry;
}

static void make_disk(struct script *script, size_t at)
{
    struct core *core = &script->cores[at];
    struct buf bytes = {0};
    raft_config_encode(&script->config, &bytes);
    struct raft_entry first = {.term = 1,
                               .kind = RAFT_KIND_CONFIG,
                               .flags = RAFT_FLAG_REQUIRED,
                               .payload = blob_copy(bytes.data, bytes.size)};
    buf_free(&bytes);
    core->vote = RAFT_ID_NONE;
    core->term = script->terms[at] > 1 ? script->terms[at] : 1;
    add_entry(core, first);
    for (size_t i = 0; i < script->log_counts[at]; i++) {
        raft_term term = script->logs[at][i];
        struct raft_entry entry = {
            .term = term, .kind = RAFT_KIND_APP, .payload = blob_copy("x", 1)};
        add_entry(core, entry);
        core->term = term > core->term ? term : core->term;
    }
}

static void make_nodes(struct script *script, size_t count, size_t all)
{
    script->count = all > count ? all : count;
    for (size_t i = 1; script->config.count < count && i <= count; i++) {
        struct raft_member member = {.id = (raft_id)i,
                                     .instance = i,
                                     .role = RAFT_MEMBER_VOTER,
                                     .next = RAFT_MEMBER_VOTER};
        snprintf(member.address, sizeof(member.address), "host%zu:7000", i);
        raft_config_add(&script->config, &member);
    }
    for (size_t i = 1; i <= script->count; i++) {
        script->cores[i].vote = RAFT_ID_NONE;
        if (i <= count) {
            make_disk(script, i);
        }
        start_core(script, i);
    }
    for (size_t i = 2; i <= script->count; i++) {
        link_all(script, i);
    }
}

static void crash(struct script *script, size_t at)
{
    struct core *core = &script->cores[at];
    raft_free(core->raft);
    core->raft = NULL;
    raft_save_clear(&core->save);
    core->saving = false;
    for (size_t i = 1; i <= script->count; i++) {
        script->up[at][i] = false;
        script->up[i][at] = false;
        if (i != at && script->cores[i].raft != NULL) {
            struct raft_event event = {.type = RAFT_EVENT_LINK};
            event.link.peer = (raft_id)at;
            step(script, i, &event);
        }
    }
}

/* ---- the network -------------------------------------------------------- */

static bool matches(const struct raft_message *message, size_t from, size_t to)
{
    return (from == 0 || message->from == from) &&
           (to == 0 || message->to == to);
}

/* Takes what is on its way now; what comes of it is on its way later. */
static bool deliver(struct script *script, size_t from, size_t to, bool lose)
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
        struct raft_message *message = &moving[i];
        if (!lose && script->up[message->from][message->to] &&
            script->cores[message->to].raft != NULL) {
            struct raft_event event = {.type = RAFT_EVENT_MESSAGE,
                                       .message = message};
            step(script, message->to, &event);
        }
        raft_message_clear(message);
    }
    return count > 0;
}

static bool save_all(struct script *script)
{
    bool some = false;
    for (size_t i = 1; i <= script->count; i++) {
        some |= end_save(script, i);
    }
    return some;
}

static void run(struct script *script)
{
    for (int round = 0; round < 1000; round++) {
        bool saved = save_all(script);
        bool delivered = deliver(script, 0, 0, false);
        if (!saved && !delivered) {
            return;
        }
    }
    say(script, 0, "never comes to rest");
}

/* Messages that no honest core sends. */
static void forge(struct script *script, size_t from, size_t to,
                  const char *kind, const unsigned long long *v)
{
    struct raft_message message = {
        .from = (raft_id)from, .to = (raft_id)to, .term = v[0]};
    struct raft_entry entry = {.index = v[1] + 1 + v[4],
                               .term = v[3],
                               .kind = (uint8_t)v[5],
                               .flags = RAFT_FLAG_REQUIRED};
    if (strcmp(kind, "matched") == 0) {
        message.type = RAFT_MESSAGE_APPEND_ANSWER;
        message.append_answer.ok = true;
        message.append_answer.match = v[1];
        message.append_answer.last = v[1];
        message.append_answer.round = v[2];
    } else if (strcmp(kind, "ends") == 0) {
        message.type = RAFT_MESSAGE_APPEND_ANSWER;
        message.append_answer.match = v[1] + 1;
        message.append_answer.last = v[1];
        message.append_answer.round = v[2];
    } else {
        /* append TERM PREV PREVTERM ENTRYTERM GAP KIND COMMIT */
        message.type = RAFT_MESSAGE_APPEND;
        message.append.prev_index = v[1];
        message.append.prev_term = v[2];
        message.append.commit = v[6];
        message.append.entries = &entry;
        message.append.entry_count = v[3] == 0 ? 0 : 1;
    }
    struct raft_event event = {.type = RAFT_EVENT_MESSAGE, .message = &message};
    step(script, to, &event);
}

/* ---- commands ----------------------------------------------------------- */

static void pass_time(struct script *script, uint64_t until_us)
{
    for (;;) {
        uint64_t next_us = until_us;
        for (size_t i = 1; i <= script->count; i++) {
            if (script->cores[i].raft != NULL &&
                raft_deadline_us(script->cores[i].raft) < next_us) {
                next_us = raft_deadline_us(script->cores[i].raft);
            }
        }
        script->now_us = next_us > script->now_us ? next_us : script->now_us;
        for (size_t i = 1; i <= script->count; i++) {
            if (script->cores[i].raft != NULL) {
                step(script, i, NULL);
            }
        }
        if (script->now_us >= until_us) {
            return;
        }
        script->now_us++;
    }
}

static void show(struct script *script, size_t only)
{
    for (size_t i = 1; i <= script->count; i++) {
        if ((only != 0 && i != only) || script->cores[i].raft == NULL) {
            continue;
        }
        struct buf text = {0};
        raft_show(script->cores[i].raft, &text);
        buf_append_u8(&text, '\0');
        say(script, i, (char *)text.data);
        buf_free(&text);
    }
}

static uint8_t role_of(char c)
{
    return c == 'v'   ? RAFT_MEMBER_VOTER
           : c == 'l' ? RAFT_MEMBER_LEARNER
                      : RAFT_MEMBER_NONE;
}

static void read_config(struct raft_config *config, char *rest)
{
    *config = (struct raft_config){0};
    for (char *word = strtok(rest, " "); word != NULL;
         word = strtok(NULL, " ")) {
        const char *roles = strchr(word, '=') + 1;
        struct raft_member member = {
            .id = (raft_id)strtoul(word, NULL, 10),
            .role = role_of(roles[0]),
            .next = role_of(roles[1] == '\0' ? roles[0] : roles[1])};
        member.instance = member.id;
        snprintf(member.address, sizeof(member.address), "host%lu:7000",
                 (unsigned long)member.id);
        config->joint |= member.role != member.next;
        raft_config_add(config, &member);
    }
}

static void set_limit(struct script *script, const char *name, size_t value)
{
    if (strcmp(name, "inflight_messages") == 0) {
        script->settings.inflight_messages_max = value;
    } else if (strcmp(name, "append_entries") == 0) {
        script->settings.append_entries_max = value;
    } else if (strcmp(name, "uncommitted_bytes") == 0) {
        script->settings.uncommitted_bytes_max = value;
    } else if (strcmp(name, "window_bytes") == 0) {
        script->settings.window_bytes_max = value;
    } else if (strcmp(name, "key_window") == 0) {
        script->settings.key_window = value;
    } else {
        say(script, 0, "no such limit");
    }
}

static void change(struct script *script, size_t at, char *list, bool force)
{
    struct raft_config config;
    read_config(&config, list);
    struct buf bytes = {0};
    raft_config_encode(&config, &bytes);
    struct raft_event event = {.type = RAFT_EVENT_CHANGE};
    event.change.ticket.number = ++script->next_ticket;
    event.change.payload = blob_copy(bytes.data, bytes.size);
    event.change.force = force;
    step(script, at, &event);
    blob_free(event.change.payload);
    buf_free(&bytes);
}

static void turn_back(struct script *script, size_t at)
{
    struct raft_event event = {.type = RAFT_EVENT_ABORT};
    event.abort.ticket.number = ++script->next_ticket;
    step(script, at, &event);
}

static void transfer(struct script *script, size_t at, size_t to)
{
    struct raft_event event = {.type = RAFT_EVENT_TRANSFER};
    event.transfer.ticket.number = ++script->next_ticket;
    event.transfer.peer = to == 0 ? RAFT_ID_NONE : (raft_id)to;
    step(script, at, &event);
}

static void show_contacts(struct script *script, size_t at)
{
    struct raft_member members[RAFT_CONTACTS_MAX];
    size_t count =
        raft_contacts(script->cores[at].raft, members, RAFT_CONTACTS_MAX);
    char line[128];
    int used = snprintf(line, sizeof(line), "contacts");
    for (size_t i = 0; i < count; i++) {
        used += snprintf(line + used, sizeof(line) - (size_t)used, " n%lu",
                         (unsigned long)members[i].id);
    }
    say(script, at, line);
}

static void note_read(struct script *script, size_t at)
{
    struct raft_event event = {.type = RAFT_EVENT_READ};
    event.read.ticket.number = ++script->next_ticket;
    step(script, at, &event);
}

/* TEXT [key K] [since I] [term T] [after I] */
static void propose(struct script *script, size_t at, char *words)
{
    struct raft_event event = {.type = RAFT_EVENT_PROPOSE};
    event.propose.ticket.number = ++script->next_ticket;
    event.propose.since = RAFT_INDEX_NONE;
    event.propose.after = RAFT_INDEX_NONE;
    char *word = strtok(words, " ");
    event.propose.payload = blob_copy(word, strlen(word));
    while ((word = strtok(NULL, " ")) != NULL) {
        const char *value = strtok(NULL, " ");
        unsigned long long number = strtoull(value, NULL, 10);
        if (strcmp(word, "key") == 0) {
            event.propose.key = blob_copy(value, strlen(value));
        } else if (strcmp(word, "since") == 0) {
            event.propose.since = number;
        } else if (strcmp(word, "term") == 0) {
            event.propose.fence = number;
        } else {
            event.propose.after = number;
        }
    }
    step(script, at, &event);
    blob_free(event.propose.key);
    blob_free(event.propose.payload);
}

static void set_link(struct script *script, size_t a, size_t b, bool up)
{
    script->up[a][b] = up;
    struct raft_event event = {.type = RAFT_EVENT_LINK};
    event.link.peer = (raft_id)b;
    event.link.up = up;
    step(script, a, &event);
}

static void keep(struct script *script, size_t from, size_t to)
{
    for (size_t i = 0; i < script->way_count; i++) {
        if (matches(&script->way[i], from, to)) {
            script->kept[script->kept_count++] = copy_of(&script->way[i]);
        }
    }
}

static void again(struct script *script)
{
    for (size_t i = 0; i < script->kept_count; i++) {
        script->way[script->way_count++] = copy_of(&script->kept[i]);
    }
}

static void command(struct script *script, char *line)
{
    char word[32] = "";
    char text[64] = "";
    size_t a = 0;
    size_t b = 0;
    int used = 0;
    unsigned long long v[7] = {0};
    sscanf(line, "%31s%n", word, &used);
    char *rest = line + used;
    int numbers = sscanf(rest, "%zu %zu", &a, &b);
    if (strcmp(word, "nodes") == 0) {
        make_nodes(script, a, b);
    } else if (strcmp(word, "config") == 0) {
        read_config(&script->config, rest);
    } else if (strcmp(word, "log") == 0) {
        char *at = strtok(rest, " ");
        while ((at = strtok(NULL, " ")) != NULL) {
            script->logs[a][script->log_counts[a]++] = strtoull(at, NULL, 10);
        }
    } else if (strcmp(word, "term") == 0) {
        script->terms[a] = b;
    } else if (sscanf(line, "limit %63s %zu", text, &a) == 2) {
        set_limit(script, text, a);
    } else if (strcmp(word, "time") == 0) {
        pass_time(script, script->now_us + a * 1000);
    } else if (strcmp(word, "wait") == 0) {
        script->now_us = raft_deadline_us(script->cores[a].raft);
        step(script, a, NULL);
    } else if (strcmp(word, "deliver") == 0) {
        deliver(script, a, b, false);
    } else if (strcmp(word, "drop") == 0) {
        deliver(script, a, b, true);
    } else if (strcmp(word, "keep") == 0) {
        keep(script, a, b);
    } else if (strcmp(word, "again") == 0) {
        again(script);
    } else if (strcmp(word, "save") == 0) {
        if (numbers == 1) {
            end_save(script, a);
        } else {
            save_all(script);
        }
    } else if (strcmp(word, "run") == 0) {
        run(script);
    } else if (sscanf(line, "propose %zu %n", &a, &used) == 1) {
        propose(script, a, line + used);
    } else if (strcmp(word, "read") == 0) {
        note_read(script, a);
    } else if (sscanf(line, "link %zu %zu %63s", &a, &b, text) == 3) {
        set_link(script, a, b, strcmp(text, "up") == 0);
    } else if (sscanf(line, "disk %zu %63s", &a, text) == 2) {
        struct raft_event event = {.type = RAFT_EVENT_DISK};
        event.disk.stalls = strcmp(text, "stalls") == 0;
        step(script, a, &event);
    } else if (strcmp(word, "change") == 0 || strcmp(word, "insist") == 0) {
        change(script, a, strchr(rest + 1, ' '), word[0] == 'i');
    } else if (strcmp(word, "abort") == 0) {
        turn_back(script, a);
    } else if (strcmp(word, "transfer") == 0) {
        transfer(script, a, b);
    } else if (strcmp(word, "contacts") == 0) {
        show_contacts(script, a);
    } else if (strcmp(word, "crash") == 0) {
        crash(script, a);
    } else if (strcmp(word, "start") == 0) {
        start_core(script, a);
        link_all(script, a);
    } else if (strcmp(word, "show") == 0) {
        show(script, a);
    } else if (strcmp(word, "quiet") == 0) {
        script->quiet = true;
    } else if (strcmp(word, "loud") == 0) {
        script->quiet = false;
    } else if (sscanf(line,
                      "forge %zu %zu %63s %llu %llu %llu %llu %llu "
                      "%llu %llu",
                      &a, &b, text, &v[0], &v[1], &v[2], &v[3], &v[4], &v[5],
                      &v[6]) >= 4) {
        forge(script, a, b, text, v);
    } else {
        buf_printf(&script->out, "? %s\n", line);
    }
}

/* ---- files -------------------------------------------------------------- */

static void clear_script(struct script *script)
{
    for (size_t i = 0; i < script->way_count; i++) {
        raft_message_clear(&script->way[i]);
    }
    for (size_t i = 0; i < script->kept_count; i++) {
        raft_message_clear(&script->kept[i]);
    }
    for (size_t i = 1; i <= script->count; i++) {
        struct core *core = &script->cores[i];
        raft_free(core->raft);
        raft_save_clear(&core->save);
        for (size_t j = 0; j < core->count; j++) {
            raft_entry_clear(&core->entries[j]);
        }
        free(core->entries);
    }
    buf_free(&script->out);
    free(script);
}

static struct script *new_script(const char *file)
{
    struct script *script = x_calloc(1, sizeof(*script));
    script->file = file;
    script->now_us = 1000000;
    script->settings = (struct raft_settings){
        .election_timeout_us = 1000000,
        .heartbeat_us = 100000,
        .catch_up_us = 5000000,
        .append_bytes_max = 1 << 20,
        .append_entries_max = 64,
        .inflight_messages_max = 8,
        .inflight_bytes_max = 1 << 20,
        .uncommitted_bytes_max = 1 << 20,
        .window_bytes_max = 1 << 20,
        .key_window = 100,
    };
    return script;
}

/* A block ends: its trace against the expected one, and into `fresh`. */
static bool end_block(struct script *script, struct buf *expected,
                      struct buf *fresh)
{
    bool same = expected->size == script->out.size &&
                (expected->size == 0 ||
                 memcmp(expected->data, script->out.data, expected->size) == 0);
    buf_append(fresh, script->out.data, script->out.size);
    buf_clear(&script->out);
    buf_clear(expected);
    return same;
}

/* Runs a file's text, which it takes apart; what it gives goes to `fresh`.
 * False: a block gave another trace than it must. */
static bool run_text(struct script *script, char *text, struct buf *fresh)
{
    struct buf expected = {0};
    bool same = true;
    bool trace = false;
    char *next = NULL;
    for (char *line = text; line != NULL && *line != '\0'; line = next) {
        next = strchr(line, '\n');
        if (next != NULL) {
            *next++ = '\0';
        }
        if (trace && *line != '\0') {
            buf_printf(&expected, "%s\n", line);
            continue;
        }
        if (trace) {
            same = end_block(script, &expected, fresh) && same;
            trace = false;
        }
        buf_printf(fresh, "%s\n", line);
        if (strcmp(line, "----") == 0) {
            trace = true;
        } else if (*line != '\0' && *line != '#') {
            command(script, line);
        }
    }
    if (trace) {
        same = end_block(script, &expected, fresh) && same;
    }
    buf_free(&expected);
    return same;
}

static char *read_file(const char *path)
{
    FILE *stream = fopen(path, "re");
    if (stream == NULL) {
        die(EXIT_STATUS_USAGE, "%s cannot be opened", path);
    }
    struct buf text = {0};
    size_t got;
    while ((got = fread(buf_reserve(&text, 4096), 1, 4096, stream)) > 0) {
        text.size += got;
    }
    fclose(stream);
    buf_append_u8(&text, '\0');
    return (char *)text.data;
}

static void write_file(const char *path, const struct buf *text)
{
    FILE *stream = fopen(path, "we");
    if (stream == NULL ||
        fwrite(text->data, 1, text->size, stream) != text->size ||
        fclose(stream) != 0) {
        die(EXIT_STATUS_DISK, "%s cannot be written", path);
    }
}

int main(int argc, char **argv)
{
    int passed = 0;
    int failed = 0;
    bool rewrite = argc > 1 && strcmp(argv[1], "--rewrite") == 0;
    for (int i = 1 + rewrite; i < argc; i++) {
        struct script *script = new_script(argv[i]);
        struct buf fresh = {0};
        char *text = read_file(argv[i]);
        bool same = run_text(script, text, &fresh);
        if (rewrite) {
            write_file(argv[i], &fresh);
        } else if (!same) {
            printf("FAIL %s: another trace than expected:\n%.*s\n", argv[i],
                   (int)fresh.size, (char *)fresh.data);
        }
        passed += same || rewrite;
        failed += !same && !rewrite;
        free(text);
        buf_free(&fresh);
        clear_script(script);
    }
    printf("%d passed, %d failed\n", passed, failed);
    return failed > 0;
}
