#include "store_model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "core/keys.h"

/* ---- making saves ------------------------------------------------------- */

static struct blob *some_config(void)
{
    struct raft_config config;
    struct buf bytes = {0};
    char why[128];
    raft_config_parse("1=a:7000, 2=b:7000", &config, why, sizeof(why));
    raft_config_encode(&config, &bytes);
    struct blob *blob = blob_copy(bytes.data, bytes.size);
    buf_free(&bytes);
    return blob;
}

static struct blob *some_payload(struct prng *prng)
{
    uint8_t *data;
    size_t size = prng_chance(prng, 10) ? (size_t)prng_range(prng, 0, 9000)
                                        : (size_t)prng_below(prng, 200);
    struct blob *blob = blob_new(size, &data);
    for (size_t i = 0; i < size; i++) {
        data[i] = (uint8_t)prng_u64(prng);
    }
    return blob;
}

static void add_entry(struct prng *prng, struct model *model,
                      struct raft_entry *entry)
{
    uint64_t kind = prng_below(prng, 12);
    struct digest before = {{0}};
    if (model->count > 0) {
        before = model->chains[model->count - 1];
    }
    *entry = (struct raft_entry){.index = model->count + 1,
                                 .term = model->term,
                                 .unix_ms = 1000 + model->count,
                                 .kind = RAFT_KIND_APP,
                                 .flags = RAFT_FLAG_REQUIRED};
    if (kind == 0) {
        entry->kind = RAFT_KIND_NOOP;
    } else if (kind == 1) {
        entry->kind = RAFT_KIND_CONFIG;
        entry->payload = some_config();
    } else {
        entry->payload = some_payload(prng);
        entry->key = kind == 2 ? blob_copy("key", 3) : NULL;
    }
    entry->chain = raft_entry_chain(before, entry);
    model->chains[model->count] = entry->chain;
    model->terms[model->count] = entry->term;
    model->kinds[model->count] = entry->kind;
    model->count++;
}

static void add_entries(struct prng *prng, struct model *model,
                        struct raft_save *log)
{
    size_t most = MODEL_ENTRIES_MAX - model->count;
    size_t count = (size_t)prng_range(prng, 1, most < 20 ? most : 20);
    log->entries = x_calloc(count, sizeof(*log->entries));
    for (size_t i = 0; i < count; i++) {
        add_entry(prng, model, &log->entries[i]);
    }
    log->entry_count = count;
}

/* The base moves up to a committed entry. */
static void cut(struct prng *prng, struct model *model, struct raft_save *log)
{
    raft_index index = prng_range(prng, model->base.index + 1, model->commit);
    raft_index app = index;
    while (app > model->base.index && model->kinds[app - 1] != RAFT_KIND_APP) {
        app--;
    }
    model->base = (struct raft_base){
        .index = index,
        .term = model->terms[index - 1],
        .chain = model->chains[index - 1],
        .unix_ms = 999 + index,
        .last_app = app > model->base.index ? app : model->base.last_app};
    log->base_dirty = true;
    log->base = model->base;
}

static struct raft_install *some_install(const struct raft_base *base)
{
    struct raft_install *install = x_calloc(1, sizeof(*install));
    struct buf keys = {0};
    install->base = *base;
    install->configs = x_calloc(1, sizeof(*install->configs));
    install->config_count = 1;
    install->configs[0] = (struct raft_config_entry){
        .index = base->index, .term = base->term, .payload = some_config()};
    keys_pack_begin(&keys, 0);
    keys_pack_add(&keys, base->index, "installed", 9);
    install->keys = blob_copy(keys.data, keys.size);
    buf_free(&keys);
    return install;
}

/* Nothing of the log is left: the base is behind all that is committed. */
static void install(struct prng *prng, struct model *model,
                    struct raft_save *log)
{
    raft_index index = prng_range(prng, model->commit + 1, model->count + 20);
    model->base = (struct raft_base){.index = index,
                                     .term = model->term,
                                     .chain = digest_of(&index, sizeof(index)),
                                     .unix_ms = 999 + index,
                                     .last_app = index};
    model->count = (size_t)index;
    model->commit = index;
    model->terms[index - 1] = model->base.term;
    model->chains[index - 1] = model->base.chain;
    log->base_dirty = true;
    log->base = model->base;
    log->install = some_install(&model->base);
}

void model_next(struct prng *prng, struct model *model, struct node_save *save)
{
    struct raft_save *log = &save->log;
    *save = (struct node_save){0};
    if (model->term == 0 || prng_chance(prng, 5)) {
        model->term += prng_range(prng, 1, 3);
        model->vote = prng_chance(prng, 3) ? RAFT_ID_NONE : 2;
        log->state_dirty = true;
    }
    log->term = model->term;
    log->vote = model->vote;
    bool installs = model->installs && prng_chance(prng, 10) &&
                    model->count + 100 < MODEL_ENTRIES_MAX;
    if (installs) {
        install(prng, model, log);
    } else if (model->cuts && model->commit > model->base.index &&
               prng_chance(prng, 8)) {
        cut(prng, model, log);
    }
    if (!installs && model->count > model->commit && prng_chance(prng, 6)) {
        log->truncate_from = prng_range(prng, model->commit + 1, model->count);
        model->count = (size_t)log->truncate_from - 1;
    }
    if (model->count < MODEL_ENTRIES_MAX - 1 && !prng_chance(prng, 5)) {
        add_entries(prng, model, log);
    }
    model->commit = prng_range(prng, model->commit, model->count);
    log->commit = model->commit;
    if (prng_chance(prng, 4)) {
        save->ack_dirty = true;
        save->ack = prng_range(prng, model->base.index, model->commit);
        model->ack = save->ack;
    }
    if (digest_is_zero(model->cluster_id) && model->count > 0) {
        save->cluster_dirty = true;
        save->cluster_id = digest_of("cluster", 7);
        model->cluster_id = save->cluster_id;
    }
}

/* ---- asking the store --------------------------------------------------- */

struct asked {
    bool saved;
    enum node_save_result result;
    struct node_read_answer *answer;
    struct node_read_answer kept;
};

static void on_saved(void *context, enum node_save_result result)
{
    struct asked *asked = context;
    asked->saved = true;
    asked->result = result;
}

static void on_read(void *context, struct node_read_answer *answer)
{
    struct asked *asked = context;
    asked->kept = *answer;
    asked->answer = &asked->kept;
}

enum node_save_result model_save(struct store *store,
                                 const struct node_save *save)
{
    struct asked asked = {0};
    struct store_answers answers = {
        .context = &asked, .saved = on_saved, .read = on_read};
    struct node_store node = store_node(store);
    node.save(node.context, save);
    store_poll(store, &answers);
    return asked.saved ? asked.result : NODE_SAVE_NO_ROOM;
}

/* Reads entries from `first` on; returns how many were as they should be. */
static size_t read_some(struct store *store, const struct model *model,
                        raft_index first)
{
    struct asked asked = {0};
    struct store_answers answers = {
        .context = &asked, .saved = on_saved, .read = on_read};
    struct node_store node = store_node(store);
    struct node_read read = {
        .request = 1, .first = first, .last = model->count, .bytes_max = 20000};
    size_t good = 0;
    node.read(node.context, &read);
    store_poll(store, &answers);
    for (size_t i = 0; i < asked.kept.entry_count; i++) {
        struct raft_entry *entry = &asked.kept.entries[i];
        good += entry->index == first + i &&
                entry->term == model->terms[entry->index - 1] &&
                digest_equal(entry->chain, model->chains[entry->index - 1]);
        raft_entry_clear(entry);
    }
    free(asked.kept.entries);
    return asked.kept.result == NODE_READ_OK ? good : 0;
}

enum node_read_result model_read_one(struct store *store, raft_index index)
{
    struct asked asked = {0};
    struct store_answers answers = {
        .context = &asked, .saved = on_saved, .read = on_read};
    struct node_store node = store_node(store);
    struct node_read read = {.first = index, .last = index, .bytes_max = 1};
    node.read(node.context, &read);
    store_poll(store, &answers);
    for (size_t i = 0; i < asked.kept.entry_count; i++) {
        raft_entry_clear(&asked.kept.entries[i]);
    }
    free(asked.kept.entries);
    return asked.kept.result;
}

bool model_matches(struct store *store, const struct model *model)
{
    const struct node_start *start = store_start(store);
    const struct raft_start *raft = &start->raft;
    /* The commit index is not part of it: it may ride in later. */
    if (raft->term != model->term || raft->vote != model->vote ||
        raft->last != model->count || raft->commit != model->commit ||
        start->ack != model->ack ||
        !digest_equal(start->identity.cluster_id, model->cluster_id)) {
        return false;
    }
    const struct raft_base *base = &raft->base;
    if (base->index != model->base.index || base->term != model->base.term ||
        base->unix_ms != model->base.unix_ms ||
        base->last_app != model->base.last_app ||
        !digest_equal(base->chain, model->base.chain) ||
        (base->index > 0 &&
         model_read_one(store, base->index) != NODE_READ_GONE)) {
        return false;
    }
    for (raft_index at = base->index + 1; at <= model->count;) {
        size_t good = read_some(store, model, at);
        if (good == 0) {
            return false;
        }
        at += good;
    }
    for (size_t i = 0; i < raft->run_count; i++) {
        raft_index first = raft->runs[i].first;
        if (model->terms[first - 1] != raft->runs[i].term) {
            return false;
        }
    }
    return true;
}
