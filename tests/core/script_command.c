/* A line of a script, and what is done. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "script.h"

/* ---- words -------------------------------------------------------------- */

/* The next number of a line, of which it is taken; 0: there is none. */
static unsigned long long take_number(char **rest)
{
    return strtoull(*rest, rest, 10);
}

static size_t take_core(char **rest)
{
    size_t core = take_number(rest);
    return core <= CORES_MAX ? core : 0;
}

/* The next word; "": there is none. */
static const char *take_word(char **rest)
{
    *rest += strspn(*rest, " ");
    char *word = *rest;
    *rest += strcspn(word, " ");
    if (**rest != '\0') {
        *(*rest)++ = '\0';
    }
    return word;
}

static struct raft_ticket next_ticket(struct script *script)
{
    return (struct raft_ticket){.number = ++script->next_ticket};
}

/* ---- before `nodes` ----------------------------------------------------- */

static uint8_t role_of(char c)
{
    return c == 'v'   ? RAFT_MEMBER_VOTER
           : c == 'l' ? RAFT_MEMBER_LEARNER
                      : RAFT_MEMBER_NONE;
}

/* 1=v 2=l 3=-v: the role, or the old one and the coming one. */
static void take_config(struct raft_config *config, char **rest)
{
    *config = (struct raft_config){0};
    for (const char *word = take_word(rest); *word != '\0';
         word = take_word(rest)) {
        const char *roles = word + strcspn(word, "=") + 1;
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

static void do_config(struct script *script, char *rest)
{
    take_config(&script->config, &rest);
}

static void do_log(struct script *script, char *rest)
{
    size_t core = take_core(&rest);
    for (const char *word = take_word(&rest); *word != '\0';
         word = take_word(&rest)) {
        script->logs[core][script->log_counts[core]++] =
            strtoull(word, NULL, 10);
    }
}

static void do_term(struct script *script, char *rest)
{
    size_t core = take_core(&rest);
    script->terms[core] = take_number(&rest);
}

static void do_patient(struct script *script, char *rest)
{
    raft_set_patient(script->cores[take_core(&rest)].raft, true);
}

static void do_limit(struct script *script, char *rest)
{
    struct raft_settings *settings = &script->settings;
    const struct {
        const char *name;
        size_t *value;
    } limits[] = {
        {"append_entries", &settings->append_entries_max},
        {"inflight_messages", &settings->inflight_messages_max},
        {"key_window", &settings->key_window},
        {"uncommitted_bytes", &settings->uncommitted_bytes_max},
        {"window_bytes", &settings->window_bytes_max},
    };
    const char *name = take_word(&rest);
    if (strcmp(name, "hold_us") == 0) {
        settings->batch_hold_us = take_number(&rest);
        return;
    }
    for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
        if (strcmp(name, limits[i].name) == 0) {
            *limits[i].value = take_number(&rest);
            return;
        }
    }
    say(script, 0, "no such limit");
}

static void do_nodes(struct script *script, char *rest)
{
    size_t count = take_core(&rest);
    core_make_all(script, count, take_core(&rest));
}

/* ---- time, lives, disks ------------------------------------------------- */

static void do_time(struct script *script, char *rest)
{
    core_pass_time(script, script->now_us + take_number(&rest) * 1000);
}

static void do_wait(struct script *script, char *rest)
{
    size_t core = take_core(&rest);
    script->now_us = core_deadline_us(script, core);
    core_step(script, core, NULL);
}

static void do_campaign(struct script *script, char *rest)
{
    size_t core = take_core(&rest);
    script->cores[core].ahead_us +=
        core_deadline_us(script, core) - script->now_us;
    core_step(script, core, NULL);
}

static void do_hurry(struct script *script, char *rest)
{
    size_t core = take_core(&rest);
    script->cores[core].ahead_us += take_number(&rest) * 1000;
    core_step(script, core, NULL);
}

static void do_crash(struct script *script, char *rest)
{
    core_crash(script, take_core(&rest));
}

static void do_start(struct script *script, char *rest)
{
    core_start(script, take_core(&rest));
}

static void do_disk(struct script *script, char *rest)
{
    size_t core = take_core(&rest);
    struct raft_event event = {.type = RAFT_EVENT_DISK};
    event.disk.stalls = strcmp(take_word(&rest), "stalls") == 0;
    core_step(script, core, &event);
}

static bool save(struct script *script, size_t only)
{
    bool some = false;
    for (size_t i = 1; i <= script->count; i++) {
        if (only == 0 || i == only) {
            some |= core_end_save(script, i);
        }
    }
    return some;
}

static void do_save(struct script *script, char *rest)
{
    save(script, take_core(&rest));
}

/* ---- the network -------------------------------------------------------- */

static void do_deliver(struct script *script, char *rest)
{
    size_t from = take_core(&rest);
    net_deliver(script, from, take_core(&rest), false);
}

static void do_drop(struct script *script, char *rest)
{
    size_t from = take_core(&rest);
    net_deliver(script, from, take_core(&rest), true);
}

static void do_keep(struct script *script, char *rest)
{
    size_t from = take_core(&rest);
    net_keep(script, from, take_core(&rest));
}

static void do_again(struct script *script, char *rest)
{
    (void)rest;
    net_again(script);
}

static void do_link(struct script *script, char *rest)
{
    size_t a = take_core(&rest);
    size_t b = take_core(&rest);
    core_link(script, a, b, strcmp(take_word(&rest), "up") == 0);
}

static void do_run(struct script *script, char *rest)
{
    (void)rest;
    for (int round = 0; round < 1000; round++) {
        bool saved = save(script, 0);
        bool delivered = net_deliver(script, 0, 0, false);
        if (!saved && !delivered) {
            return;
        }
    }
    say(script, 0, "never comes to rest");
}

static bool has(const size_t *cores, size_t count, raft_id id)
{
    for (size_t i = 0; i < count; i++) {
        if (cores[i] == id) {
            return true;
        }
    }
    return false;
}

/* As `run`, but of what goes on among these cores only. */
static void do_among(struct script *script, char *rest)
{
    size_t cores[CORES_MAX];
    size_t count = 0;
    while (count < CORES_MAX && (cores[count] = take_core(&rest)) != 0) {
        count++;
    }
    for (int round = 0; round < 1000; round++) {
        bool some = false;
        for (size_t i = 0; i < count; i++) {
            some |= core_end_save(script, cores[i]);
        }
        for (size_t i = 0; i < script->way_count; i++) {
            raft_id from = script->way[i].from;
            raft_id to = script->way[i].to;
            if (has(cores, count, from) && has(cores, count, to)) {
                some |= net_deliver(script, from, to, false);
                break; /* what is on its way is another list now */
            }
        }
        if (!some) {
            return;
        }
    }
    say(script, 0, "never comes to rest");
}

static void do_forge(struct script *script, char *rest)
{
    unsigned long long v[7] = {0};
    size_t from = take_core(&rest);
    size_t to = take_core(&rest);
    const char *kind = take_word(&rest);
    for (size_t i = 0; i < 7; i++) {
        v[i] = take_number(&rest);
    }
    net_forge(script, from, to, kind, v);
}

/* ---- requests ----------------------------------------------------------- */

static void do_propose(struct script *script, char *rest)
{
    size_t core = take_core(&rest);
    struct raft_event event = {.type = RAFT_EVENT_PROPOSE};
    event.propose.ticket = next_ticket(script);
    event.propose.since = RAFT_INDEX_NONE;
    event.propose.after = RAFT_INDEX_NONE;
    const char *word = take_word(&rest);
    event.propose.payload = blob_copy(word, strlen(word));
    for (word = take_word(&rest); *word != '\0'; word = take_word(&rest)) {
        const char *value = take_word(&rest);
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
    core_step(script, core, &event);
    blob_free(event.propose.key);
    blob_free(event.propose.payload);
}

static void do_read(struct script *script, char *rest)
{
    struct raft_event event = {.type = RAFT_EVENT_READ};
    event.read.ticket = next_ticket(script);
    core_step(script, take_core(&rest), &event);
}

static void change(struct script *script, char *rest, bool force)
{
    size_t core = take_core(&rest);
    struct raft_config config;
    take_config(&config, &rest);
    struct buf bytes = {0};
    raft_config_encode(&config, &bytes);
    struct raft_event event = {.type = RAFT_EVENT_CHANGE};
    event.change.ticket = next_ticket(script);
    event.change.payload = blob_copy(bytes.data, bytes.size);
    event.change.force = force;
    core_step(script, core, &event);
    blob_free(event.change.payload);
    buf_free(&bytes);
}

static void do_change(struct script *script, char *rest)
{
    change(script, rest, false);
}

static void do_insist(struct script *script, char *rest)
{
    change(script, rest, true);
}

static void do_abort(struct script *script, char *rest)
{
    struct raft_event event = {.type = RAFT_EVENT_ABORT};
    event.abort.ticket = next_ticket(script);
    core_step(script, take_core(&rest), &event);
}

static void do_transfer(struct script *script, char *rest)
{
    size_t core = take_core(&rest);
    unsigned long long to = take_number(&rest);
    struct raft_event event = {.type = RAFT_EVENT_TRANSFER};
    event.transfer.ticket = next_ticket(script);
    event.transfer.peer = to == 0 ? RAFT_ID_NONE : (raft_id)to;
    core_step(script, core, &event);
}

static void do_cut(struct script *script, char *rest)
{
    size_t core = take_core(&rest);
    core_cut(script, core, take_number(&rest));
}

static void do_base(struct script *script, char *rest)
{
    size_t from = take_core(&rest);
    size_t to = take_core(&rest);
    core_install(script, from, to, take_number(&rest));
}

static void do_installed(struct script *script, char *rest)
{
    size_t core = take_core(&rest);
    struct raft_event event = {.type = RAFT_EVENT_INSTALLED};
    event.installed.peer = (raft_id)take_core(&rest);
    event.installed.index = take_number(&rest);
    core_step(script, core, &event);
}

static void do_gone(struct script *script, char *rest)
{
    size_t core = take_core(&rest);
    struct raft_event event = {.type = RAFT_EVENT_GONE};
    event.gone.peer = (raft_id)take_core(&rest);
    core_step(script, core, &event);
}

/* ---- the trace ---------------------------------------------------------- */

static void each(struct script *script, size_t only,
                 void (*tell)(struct script *script, size_t core))
{
    for (size_t i = 1; i <= script->count; i++) {
        if ((only == 0 || i == only) && script->cores[i].raft != NULL) {
            tell(script, i);
        }
    }
}

static void do_show(struct script *script, char *rest)
{
    each(script, take_core(&rest), say_state);
}

static void do_logs(struct script *script, char *rest)
{
    each(script, take_core(&rest), say_log);
}

static void do_members(struct script *script, char *rest)
{
    each(script, take_core(&rest), say_members);
}

static void do_contacts(struct script *script, char *rest)
{
    each(script, take_core(&rest), say_contacts);
}

static void say_needed(struct script *script, size_t core)
{
    struct raft_status status;
    char text[64];
    raft_status(script->cores[core].raft, &status);
    snprintf(text, sizeof(text), "knows that all have ..%llu",
             (unsigned long long)status.needed);
    say(script, core, text);
}

static void do_needed(struct script *script, char *rest)
{
    each(script, take_core(&rest), say_needed);
}

static void do_quiet(struct script *script, char *rest)
{
    (void)rest;
    script->quiet = true;
}

static void do_loud(struct script *script, char *rest)
{
    (void)rest;
    script->quiet = false;
}

static void do_roles(struct script *script, char *rest)
{
    (void)rest;
    script->roles = true;
}

/* ---- all of them -------------------------------------------------------- */

static const struct {
    const char *name;
    void (*carry_out)(struct script *script, char *rest);
} commands[] = {
    /* clang-format off: one a line, so that new ones disturb nobody */
    {"abort", do_abort},       {"again", do_again},
    {"among", do_among},       {"base", do_base},
    {"cut", do_cut},           {"installed", do_installed},
    {"needed", do_needed},     {"campaign", do_campaign},
    {"change", do_change},     {"config", do_config},
    {"contacts", do_contacts}, {"crash", do_crash},
    {"deliver", do_deliver},   {"disk", do_disk},
    {"drop", do_drop},         {"forge", do_forge},
    {"gone", do_gone},         {"hurry", do_hurry},
    {"insist", do_insist},     {"keep", do_keep},
    {"limit", do_limit},       {"link", do_link},
    {"log", do_log},           {"logs", do_logs},
    {"loud", do_loud},         {"members", do_members},
    {"nodes", do_nodes},       {"patient", do_patient},
    {"propose", do_propose},   {"quiet", do_quiet},
    {"read", do_read},         {"roles", do_roles},
    {"run", do_run},           {"save", do_save},
    {"show", do_show},         {"start", do_start},
    {"term", do_term},         {"time", do_time},
    {"transfer", do_transfer}, {"wait", do_wait},
    /* clang-format on */
};

void script_command(struct script *script, char *line)
{
    char *rest = line;
    const char *word = take_word(&rest);
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        if (strcmp(word, commands[i].name) == 0) {
            commands[i].carry_out(script, rest);
            return;
        }
    }
    buf_printf(&script->out, "? %s\n", word);
}
