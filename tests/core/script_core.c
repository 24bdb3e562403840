/* The cores: their steps and what comes of them, their disks, their lives and
 * their clocks. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "core/keys.h"
#include "script.h"

/* ---- a step ------------------------------------------------------------- */

static void start_save(struct script *script, size_t at)
{
    struct core *core = &script->cores[at];
    if (!core->saving &&
        raft_take_save(core->raft, (size_t)1 << 22, false, &core->save)) {
        core->saving = true;
        say_save(script, at, &core->save);
    }
}

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
        last < fetch->first || fetch->first <= core->base.index
            ? 0
            : last - (size_t)fetch->first + 1;
    char line[96];
    snprintf(line, sizeof(line), "fetches %llu..%zu for n%lu",
             (unsigned long long)fetch->first, last,
             (unsigned long)fetch->peer);
    say(script, at, line);
    core_step(script, at, &event);
}

/* Save, send, tell: in the driver's order. */
static void carry_out(struct script *script, size_t at)
{
    struct raft *raft = script->cores[at].raft;
    struct raft_fetch fetches[CORES_MAX];
    start_save(script, at);
    const struct raft_effects *effects = raft_effects(raft);
    for (size_t i = 0; i < effects->message_count; i++) {
        net_post(script, &effects->messages[i]);
    }
    for (size_t i = 0; i < effects->tell_count; i++) {
        say_tell(script, at, &effects->tells[i]);
    }
    for (size_t i = 0; i < effects->note_count; i++) {
        say(script, at, effects->notes[i].text);
    }
    size_t count = effects->fetch_count;
    assert(count <= CORES_MAX);
    for (size_t i = 0; i < count; i++) {
        fetches[i] = effects->fetches[i];
    }
    raft_effects_clear(raft);
    for (size_t i = 0; i < count; i++) {
        answer_fetch(script, at, &fetches[i]);
    }
}

static struct raft_now clock_of(const struct script *script, size_t at)
{
    return (struct raft_now){.mono_us =
                                 script->now_us + script->cores[at].ahead_us,
                             .unix_ms = script->now_us / 1000};
}

void core_step(struct script *script, size_t at, const struct raft_event *event)
{
    raft_step(script->cores[at].raft, clock_of(script, at), event,
              event == NULL ? 0 : 1);
    carry_out(script, at);
}

/* ---- clocks ------------------------------------------------------------- */

uint64_t core_deadline_us(const struct script *script, size_t at)
{
    const struct core *core = &script->cores[at];
    uint64_t deadline_us = raft_deadline_us(core->raft);
    return deadline_us == UINT64_MAX ? deadline_us
                                     : deadline_us - core->ahead_us;
}

void core_pass_time(struct script *script, uint64_t until_us)
{
    for (;;) {
        uint64_t next_us = until_us;
        for (size_t i = 1; i <= script->count; i++) {
            if (script->cores[i].raft != NULL &&
                core_deadline_us(script, i) < next_us) {
                next_us = core_deadline_us(script, i);
            }
        }
        script->now_us = next_us > script->now_us ? next_us : script->now_us;
        for (size_t i = 1; i <= script->count; i++) {
            if (script->cores[i].raft != NULL) {
                core_step(script, i, NULL);
            }
        }
        if (script->now_us >= until_us) {
            return;
        }
        script->now_us++;
    }
}

/* ---- disks -------------------------------------------------------------- */

static void add_entry(struct core *core, const struct raft_entry *entry)
{
    assert(entry->index == core->count + 1);
    core->entries = x_grow(core->entries, &core->capacity, core->count + 1,
                           sizeof(*core->entries));
    core->entries[core->count++] = *entry;
}

/* Whoever has the base's last entry has all before it. */
static void copy_under_base(struct script *script, struct core *core,
                            const struct raft_base *base)
{
    size_t from = 1;
    const struct core *other = &script->cores[from];
    while (other == core || other->count < base->index ||
           other->entries[base->index - 1].term != base->term) {
        assert(from < script->count);
        other = &script->cores[++from];
    }
    while (core->count > 0) {
        raft_entry_clear(&core->entries[--core->count]);
    }
    for (raft_index i = 0; i < base->index; i++) {
        struct raft_entry entry = raft_entry_share(&other->entries[i]);
        add_entry(core, &entry);
    }
    assert(digest_equal(core->entries[base->index - 1].chain, base->chain));
}

static void persist(struct script *script, struct core *core,
                    const struct raft_save *save)
{
    if (save->base_dirty) {
        core->base = save->base;
    }
    if (save->install != NULL) {
        copy_under_base(script, core, &save->base);
    }
    if (save->state_dirty) {
        core->term = save->term;
        core->vote = save->vote;
    }
    while (save->truncate_from != 0 && core->count >= save->truncate_from) {
        raft_entry_clear(&core->entries[--core->count]);
    }
    for (size_t i = 0; i < save->entry_count; i++) {
        struct raft_entry entry = raft_entry_share(&save->entries[i]);
        add_entry(core, &entry);
    }
    core->commit = save->commit;
}

bool core_end_save(struct script *script, size_t at)
{
    struct core *core = &script->cores[at];
    if (core->raft == NULL || !core->saving) {
        return false;
    }
    persist(script, core, &core->save);
    struct raft_event event = {.type = RAFT_EVENT_SAVED};
    event.saved.state = core->save.state;
    if (core->save.entry_count > 0) {
        const struct raft_entry *last =
            &core->save.entries[core->save.entry_count - 1];
        event.saved.index = last->index;
        event.saved.term = last->term;
    } else if (core->save.install != NULL) {
        event.saved.index = core->save.base.index;
        event.saved.term = core->save.base.term;
    }
    raft_save_clear(&core->save);
    core->saving = false;
    core_step(script, at, &event);
    return true;
}

static void add_to_disk(struct core *core, struct raft_entry *entry)
{
    struct digest before = {{0}};
    if (core->count > 0) {
        before = core->entries[core->count - 1].chain;
    }
    entry->index = core->count + 1;
    entry->chain = raft_entry_chain(before, entry);
    add_entry(core, entry);
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
    core->term = script->terms[at] > 1 ? script->terms[at] : 1;
    add_to_disk(core, &first);
    for (size_t i = 0; i < script->log_counts[at]; i++) {
        raft_term term = script->logs[at][i];
        struct raft_entry entry = {
            .term = term, .kind = RAFT_KIND_APP, .payload = blob_copy("x", 1)};
        add_to_disk(core, &entry);
        core->term = term > core->term ? term : core->term;
    }
}

/* ---- bases -------------------------------------------------------------- */

void core_cut(struct script *script, size_t at, raft_index index)
{
    const struct raft_entry *entry = &script->cores[at].entries[index - 1];
    struct raft_event event = {.type = RAFT_EVENT_COMPACT};
    event.compact.index = index;
    event.compact.chain = entry->chain;
    event.compact.unix_ms = entry->unix_ms;
    core_step(script, at, &event);
}

void core_install(struct script *script, size_t from, size_t to,
                  raft_index index)
{
    const struct core *core = &script->cores[from];
    struct raft_install install;
    struct buf record = {0};
    index = index == 0 ? core->base.index : index;
    const struct raft_entry *entry = &core->entries[index - 1];
    raft_base_pack(core->raft, index, entry->chain, entry->unix_ms, &record);
    const char *why = raft_base_unpack(record.data, record.size, &install);
    assert(why == NULL);
    struct raft_event event = {.type = RAFT_EVENT_INSTALL, .install = &install};
    core_step(script, to, &event);
    raft_install_clear(&install);
    buf_free(&record);
}

/* ---- life --------------------------------------------------------------- */

void core_link(struct script *script, size_t a, size_t b, bool up)
{
    script->up[a][b] = up;
    struct raft_event event = {.type = RAFT_EVENT_LINK};
    event.link.peer = (raft_id)b;
    event.link.up = up;
    core_step(script, a, &event);
}

static void link_all(struct script *script, size_t at)
{
    for (size_t i = 1; i <= script->count; i++) {
        if (i != at && script->cores[i].raft != NULL) {
            core_link(script, at, i, true);
            core_link(script, i, at, true);
        }
    }
}

/* From what is on its disk; linked with nobody. */
static void load(struct script *script, size_t at)
{
    struct core *core = &script->cores[at];
    struct raft_run runs[256];
    raft_index others[256];
    struct raft_config_entry configs[32];
    struct raft_start start = {.term = core->term,
                               .vote = core->vote,
                               .commit = core->commit,
                               .base = core->base,
                               .last = core->count,
                               .runs = runs,
                               .others = others,
                               .configs = configs,
                               .tail = core->entries,
                               .tail_count = core->count};
    if (core->base.index > 0) {
        start.tail = &core->entries[core->base.index];
        start.tail_count -= (size_t)core->base.index;
    }
    for (size_t i = 0; i < core->count; i++) {
        const struct raft_entry *entry = &core->entries[i];
        bool gone = i < core->base.index;
        if (!gone && (i == core->base.index ||
                      entry->term != core->entries[i - 1].term)) {
            runs[start.run_count++] =
                (struct raft_run){.first = i + 1, .term = entry->term};
        }
        if (!gone && entry->kind != RAFT_KIND_APP) {
            others[start.other_count++] = i + 1;
        }
        if (entry->kind == RAFT_KIND_CONFIG) {
            configs[start.config_count++] = (struct raft_config_entry){
                .index = i + 1, .term = entry->term, .payload = entry->payload};
        }
    }
    struct buf keys = {0};
    keys_pack_begin(&keys, 0);
    for (size_t i = 0; i < core->base.index; i++) {
        const struct blob *key = core->entries[i].key;
        if (key != NULL) {
            keys_pack_add(&keys, i + 1, key->data, key->size);
        }
    }
    start.keys = keys.data;
    start.keys_size = keys.size;
    struct raft_settings settings = script->settings;
    settings.id = (raft_id)at;
    settings.seed = at;
    const char *why = NULL;
    core->raft = raft_new(&settings, &start, clock_of(script, at), &why);
    buf_free(&keys);
    if (core->raft == NULL) {
        say(script, at, why);
    }
}

void core_start(struct script *script, size_t at)
{
    load(script, at);
    link_all(script, at);
}

void core_crash(struct script *script, size_t at)
{
    struct core *core = &script->cores[at];
    raft_free(core->raft);
    core->raft = NULL;
    raft_save_clear(&core->save);
    core->saving = false;
    for (size_t i = 1; i <= script->count; i++) {
        script->up[at][i] = false;
        if (i != at && script->cores[i].raft != NULL) {
            core_link(script, i, at, false);
        }
    }
}

void core_free(struct core *core)
{
    raft_free(core->raft);
    raft_save_clear(&core->save);
    for (size_t i = 0; i < core->count; i++) {
        raft_entry_clear(&core->entries[i]);
    }
    free(core->entries);
}

static void name_members(struct script *script, size_t count)
{
    for (size_t i = 1; i <= count; i++) {
        struct raft_member member = {.id = (raft_id)i,
                                     .instance = i,
                                     .role = RAFT_MEMBER_VOTER,
                                     .next = RAFT_MEMBER_VOTER};
        snprintf(member.address, sizeof(member.address), "host%zu:7000", i);
        raft_config_add(&script->config, &member);
    }
}

void core_make_all(struct script *script, size_t count, size_t all)
{
    script->count = all > count ? all : count;
    assert(script->count <= CORES_MAX);
    if (script->config.count == 0) {
        name_members(script, count);
    }
    for (size_t i = 1; i <= script->count; i++) {
        script->cores[i].vote = RAFT_ID_NONE;
        if (i <= count) {
            make_disk(script, i);
        }
        load(script, i);
    }
    for (size_t i = 2; i <= script->count; i++) {
        link_all(script, i);
    }
}
