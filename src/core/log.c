#include "core/log.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

/* ---- looking up --------------------------------------------------------- */

static struct raft_entry *slot(const struct raft_log *log, raft_index index)
{
    return &log->ring[index & (log->ring_capacity - 1)];
}

const struct raft_entry *log_entry(const struct raft_log *log, raft_index index)
{
    return index >= log->window && index <= log->last ? slot(log, index) : NULL;
}

/* How many runs begin at or before `index`. */
static size_t runs_before(const struct raft_log *log, raft_index index)
{
    size_t low = 0;
    size_t high = log->run_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (log->runs[middle].first <= index) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

raft_term log_term(const struct raft_log *log, raft_index index)
{
    if (index == log->base.index) {
        return log->base.term;
    }
    if (index < log->base.index || index > log->last) {
        return 0;
    }
    return log->runs[runs_before(log, index) - 1].term;
}

raft_term log_last_term(const struct raft_log *log)
{
    return log_term(log, log->last);
}

struct digest log_chain(const struct raft_log *log, raft_index index)
{
    const struct raft_entry *entry = log_entry(log, index);
    if (entry != NULL) {
        return entry->chain;
    }
    if (index + 1 == log->window) {
        return log->window_chain;
    }
    return index == log->base.index ? log->base.chain : (struct digest){{0}};
}

raft_index log_last_of(const struct raft_log *log, raft_index index,
                       raft_term term)
{
    if (index > log->last) {
        index = log->last;
    }
    size_t run = runs_before(log, index);
    while (index > log->base.index && run > 0 &&
           log->runs[run - 1].term > term) {
        index = log->runs[run - 1].first - 1;
        run--;
    }
    return index;
}

/* Where `index` stands, or would stand, among the others. */
static size_t other_place(const struct raft_log *log, raft_index index)
{
    size_t low = 0;
    size_t high = log->other_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (log->others[middle] < index) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

raft_index log_last_app(const struct raft_log *log, raft_index index)
{
    size_t place = other_place(log, index + 1);
    while (index > log->base.index && place > 0 &&
           log->others[place - 1] == index) {
        index--;
        place--;
    }
    return index > log->base.index ? index : log->base.last_app;
}

/* ---- growing ------------------------------------------------------------ */

static void ring_grow(struct raft_log *log)
{
    size_t held = (size_t)(log->last - log->window) + 1;
    if (held < log->ring_capacity) {
        return;
    }
    size_t capacity = log->ring_capacity == 0 ? 64 : log->ring_capacity * 2;
    struct raft_entry *ring = x_calloc(capacity, sizeof(*ring));
    for (raft_index at = log->window; at <= log->last; at++) {
        ring[at & (capacity - 1)] = *slot(log, at);
    }
    free(log->ring);
    log->ring = ring;
    log->ring_capacity = capacity;
}

static void add_run(struct raft_log *log, const struct raft_entry *entry)
{
    if (log->run_count > 0 &&
        log->runs[log->run_count - 1].term == entry->term) {
        return;
    }
    log->runs = x_grow(log->runs, &log->run_capacity, log->run_count + 1,
                       sizeof(*log->runs));
    log->runs[log->run_count++] =
        (struct raft_run){.first = entry->index, .term = entry->term};
}

static void add_other(struct raft_log *log, raft_index index)
{
    log->others = x_grow(log->others, &log->other_capacity,
                         log->other_count + 1, sizeof(*log->others));
    log->others[log->other_count++] = index;
}

static void add_config(struct raft_log *log,
                       const struct raft_config_entry *config)
{
    log->configs = x_grow(log->configs, &log->config_capacity,
                          log->config_count + 1, sizeof(*log->configs));
    log->configs[log->config_count++] = *config;
    blob_share(config->payload);
}

/* The newest configuration is the one in force. */
static bool decode_config(struct raft_log *log)
{
    if (log->config_count == 0) {
        return true;
    }
    const struct blob *payload = log->configs[log->config_count - 1].payload;
    return raft_config_decode(payload->data, payload->size, &log->config);
}

bool log_append(struct raft_log *log, struct raft_entry *entry)
{
    assert(entry->index == log->last + 1);
    assert(entry->term >= log_last_term(log));
    ring_grow(log);
    log->last = entry->index;
    log->unix_ms = entry->unix_ms;
    *slot(log, entry->index) = *entry;
    log->window_bytes += raft_entry_weight(entry);
    add_run(log, entry);
    if (entry->kind != RAFT_KIND_APP) {
        add_other(log, entry->index);
    }
    if (entry->kind != RAFT_KIND_CONFIG) {
        return false;
    }
    struct raft_config_entry config = {.index = entry->index,
                                       .term = entry->term,
                                       .unix_ms = entry->unix_ms,
                                       .payload = entry->payload};
    add_config(log, &config);
    bool sound = decode_config(log);
    assert(sound);
    return true;
}

/* ---- shrinking ---------------------------------------------------------- */

static bool pop_configs(struct raft_log *log, raft_index from)
{
    bool popped = false;
    while (log->config_count > 0 &&
           log->configs[log->config_count - 1].index >= from) {
        blob_free(log->configs[--log->config_count].payload);
        popped = true;
    }
    if (popped) {
        bool sound = decode_config(log);
        assert(sound);
    }
    return popped;
}

bool log_truncate(struct raft_log *log, raft_index from)
{
    assert(from > log->base.index);
    assert(from >= log->window);
    while (log->last >= from) {
        struct raft_entry *entry = slot(log, log->last);
        log->window_bytes -= raft_entry_weight(entry);
        raft_entry_clear(entry);
        log->last--;
    }
    while (log->run_count > 0 && log->runs[log->run_count - 1].first >= from) {
        log->run_count--;
    }
    log->other_count = other_place(log, from);
    const struct raft_entry *last = log_entry(log, log->last);
    if (last != NULL) {
        log->unix_ms = last->unix_ms;
    }
    return pop_configs(log, from);
}

void log_shrink(struct raft_log *log, raft_index upto, uint64_t bytes_max)
{
    while (log->window <= upto && log->window_bytes > bytes_max) {
        struct raft_entry *entry = slot(log, log->window);
        log->window_bytes -= raft_entry_weight(entry);
        log->window_chain = entry->chain;
        raft_entry_clear(entry);
        log->window++;
    }
}

static void drop_runs(struct raft_log *log, raft_index index)
{
    size_t gone = runs_before(log, index + 1);
    /* The run that entry index + 1 is in stays, and begins there. */
    if (gone > 0 && index < log->last) {
        gone--;
        log->runs[gone].first = index + 1;
    }
    if (gone == 0) {
        return;
    }
    log->run_count -= gone;
    memmove(log->runs, log->runs + gone, log->run_count * sizeof(*log->runs));
}

static void drop_others(struct raft_log *log, raft_index index)
{
    size_t gone = other_place(log, index + 1);
    if (gone == 0) {
        return; /* there may be no array at all */
    }
    log->other_count -= gone;
    memmove(log->others, log->others + gone,
            log->other_count * sizeof(*log->others));
}

void log_compact(struct raft_log *log, raft_index index, struct digest chain,
                 uint64_t unix_ms)
{
    assert(index >= log->base.index);
    assert(index <= log->last);
    struct raft_base base = {.index = index,
                             .term = log_term(log, index),
                             .chain = chain,
                             .unix_ms = unix_ms,
                             .last_app = log_last_app(log, index)};
    log_shrink(log, index, 0); /* every entry weighs something */
    if (log->window == index + 1) {
        log->window_chain = chain;
    }
    drop_runs(log, index);
    drop_others(log, index);
    log->base = base;
}

void log_install(struct raft_log *log, const struct raft_install *install)
{
    log_shrink(log, log->last, 0);
    while (log->config_count > 0) {
        blob_free(log->configs[--log->config_count].payload);
    }
    for (size_t i = 0; i < install->config_count; i++) {
        add_config(log, &install->configs[i]);
    }
    bool sound = decode_config(log);
    assert(sound);
    log->run_count = 0;
    log->other_count = 0;
    log->base = install->base;
    log->last = install->base.index;
    log->window = install->base.index + 1;
    log->window_chain = install->base.chain;
    log->unix_ms = install->base.unix_ms;
}

/* ---- opening ------------------------------------------------------------ */

static const char *check_runs(const struct raft_start *start)
{
    raft_index index = start->base.index;
    raft_term term = start->base.term;
    for (size_t i = 0; i < start->run_count; i++) {
        const struct raft_run *run = &start->runs[i];
        if (i == 0 ? run->first != index + 1 : run->first <= index) {
            return "the terms of the log do not begin where they should";
        }
        if (i == 0 ? run->term < term : run->term <= term) {
            return "the terms of the log go backward";
        }
        index = run->first;
        term = run->term;
    }
    bool empty = start->last == start->base.index;
    if (empty != (start->run_count == 0) || index > start->last) {
        return "the terms of the log do not reach its end";
    }
    return term > start->term ? "the log has a term later than the node's"
                              : NULL;
}

static const char *check_tail(const struct raft_start *start)
{
    /* What can still be truncated must be here, and the entry before it. */
    raft_index needed = start->commit > start->base.index
                            ? start->commit
                            : start->base.index + 1;
    if (start->last >= needed && start->tail_count < start->last - needed + 1) {
        return "the last entries of the log are not there";
    }
    if (start->tail_count > start->last - start->base.index) {
        return "there are more entries than the log has";
    }
    size_t run = 0;
    for (size_t i = 0; i < start->tail_count; i++) {
        const struct raft_entry *entry = &start->tail[i];
        if (entry->index != start->last - (start->tail_count - 1 - i)) {
            return "the last entries of the log have a gap";
        }
        while (run + 1 < start->run_count &&
               start->runs[run + 1].first <= entry->index) {
            run++;
        }
        if (entry->term != start->runs[run].term) {
            return "the last entries of the log are of other terms";
        }
    }
    return NULL;
}

static const char *check_lists(const struct raft_start *start)
{
    raft_index before = start->base.index;
    for (size_t i = 0; i < start->other_count; i++) {
        if (start->others[i] <= before || start->others[i] > start->last) {
            return "the entries that are not an app's are out of order";
        }
        before = start->others[i];
    }
    for (size_t i = 0; i < start->config_count; i++) {
        raft_index index = start->configs[i].index;
        if ((i > 0 && index <= start->configs[i - 1].index) ||
            index > start->last || start->configs[i].payload == NULL) {
            return "the configurations are out of order";
        }
    }
    return NULL;
}

static const char *check_start(const struct raft_start *start)
{
    if (start->last < start->base.index || start->commit > start->last) {
        return "the commit index is past the end of the log";
    }
    if (start->vote != RAFT_ID_NONE && start->term == 0) {
        return "there is a vote without a term";
    }
    const char *why = check_runs(start);
    if (why == NULL) {
        why = check_tail(start);
    }
    return why != NULL ? why : check_lists(start);
}

static struct digest chain_before_tail(const struct raft_start *start)
{
    /* The first entry of the tail proves itself only by the chain before it,
     * which is not at hand unless the tail is the whole log. */
    return start->tail_count == start->last - start->base.index
               ? start->base.chain
               : (struct digest){{0}};
}

static void load_tail(struct raft_log *log, const struct raft_start *start)
{
    log->window = start->last + 1 - start->tail_count;
    log->window_chain = chain_before_tail(start);
    log->last = log->window - 1;
    for (size_t i = 0; i < start->tail_count; i++) {
        ring_grow(log);
        log->last++;
        *slot(log, log->last) = raft_entry_share(&start->tail[i]);
        log->window_bytes += raft_entry_weight(&start->tail[i]);
        log->unix_ms = start->tail[i].unix_ms;
    }
}

const char *log_open(struct raft_log *log, const struct raft_start *start)
{
    const char *why = check_start(start);
    if (why != NULL) {
        return why;
    }
    log->base = start->base;
    log->unix_ms = start->base.unix_ms;
    for (size_t i = 0; i < start->run_count; i++) {
        struct raft_entry first = {.index = start->runs[i].first,
                                   .term = start->runs[i].term};
        add_run(log, &first);
    }
    for (size_t i = 0; i < start->other_count; i++) {
        add_other(log, start->others[i]);
    }
    for (size_t i = 0; i < start->config_count; i++) {
        add_config(log, &start->configs[i]);
    }
    load_tail(log, start);
    return decode_config(log) ? NULL : "the configuration cannot be read";
}

void log_close(struct raft_log *log)
{
    for (raft_index at = log->window; log->ring != NULL && at <= log->last;
         at++) {
        raft_entry_clear(slot(log, at));
    }
    for (size_t i = 0; i < log->config_count; i++) {
        blob_free(log->configs[i].payload);
    }
    free(log->ring);
    free(log->runs);
    free(log->others);
    free(log->configs);
}
