/* What must always hold, looked at from outside after every turn.
 *
 * The names of the rules are those of Figure 3 of the paper where it has them.
 * Nothing here trusts a counter of the code that it checks where the disks can
 * be read instead. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "world.h"

/* ---- leaders ------------------------------------------------------------ */

const struct host *check_leader_of(const struct world *world, raft_term term)
{
    return map_get(&world->checks.leaders, term);
}

/* A leader has all that was committed in earlier terms: one that is elected
 * late, when the next one has led already, knows nothing of that. */
static void check_complete(struct host *host)
{
    const struct checks *checks = &host->world->checks;
    const struct raft *raft = node_raft(host->node);
    /* What is under the base was looked at when it came there. */
    for (raft_index at = raft_base_now(raft)->index + 1; at <= checks->count;
         at++) {
        if (checks->log[at - 1].during < host->term &&
            raft_term_at(raft, at) != checks->log[at - 1].term) {
            world_fail(host->world, "leader completeness",
                       "n%lu leads term %llu with entry %llu of t%llu; "
                       "committed is t%llu",
                       (unsigned long)host->id, (unsigned long long)host->term,
                       (unsigned long long)at,
                       (unsigned long long)raft_term_at(raft, at),
                       (unsigned long long)checks->log[at - 1].term);
        }
    }
}

static void check_leader(struct host *host, const struct raft_status *status)
{
    struct world *world = host->world;
    const struct host *leader = check_leader_of(world, status->term);
    if (leader == NULL) {
        map_put(&world->checks.leaders, status->term, host);
        world_happened(world, HAPPENED_ELECTION);
        world_trace(world, host, "leads term %llu",
                    (unsigned long long)status->term);
        check_complete(host);
        fault_elected(host);
    } else if (leader != host) {
        world_fail(world, "election safety",
                   "term %llu has two leaders: n%lu and n%lu",
                   (unsigned long long)status->term, (unsigned long)leader->id,
                   (unsigned long)host->id);
    }
}

/* ---- logs --------------------------------------------------------------- */

static size_t *first_seen(struct checks *checks, raft_index index)
{
    checks->seen_first =
        x_grow(checks->seen_first, &checks->seen_first_capacity, (size_t)index,
               sizeof(*checks->seen_first));
    while (checks->seen_first_count < index) {
        checks->seen_first[checks->seen_first_count++] = 0;
    }
    return &checks->seen_first[index - 1];
}

/* Log matching: an index and a term name one entry, and all before it. */
void check_saved(struct host *host, const struct raft_entry *entry)
{
    struct checks *checks = &host->world->checks;
    size_t *first = first_seen(checks, entry->index);
    for (size_t at = *first; at != 0; at = checks->seen[at].next) {
        const struct seen *seen = &checks->seen[at];
        if (seen->term != entry->term) {
            continue;
        }
        if (!digest_equal(seen->chain, entry->chain)) {
            world_fail(host->world, "log matching",
                       "n%lu has another entry %llu of t%llu",
                       (unsigned long)host->id,
                       (unsigned long long)entry->index,
                       (unsigned long long)entry->term);
        }
        return;
    }
    checks->seen = x_grow(checks->seen, &checks->seen_capacity,
                          checks->seen_count + 2, sizeof(*checks->seen));
    size_t number = ++checks->seen_count;
    checks->seen[number] = (struct seen){
        .term = entry->term, .chain = entry->chain, .next = *first};
    *first = number;
}

/* The digest as raftsc-db(5) defines it, of all that is committed. */
static void check_chain(struct world *world, const struct raft_entry *entry)
{
    const struct checks *checks = &world->checks;
    size_t key_size = entry->key == NULL ? 0 : entry->key->size;
    size_t size = entry->payload == NULL ? 0 : entry->payload->size;
    struct digest zeros = {{0}};
    struct buf buf = {0};
    buf_append(&buf,
               entry->index == 1 ? zeros.bytes
                                 : checks->log[entry->index - 2].chain.bytes,
               DIGEST_SIZE);
    buf_append_u64(&buf, entry->index);
    buf_append_u64(&buf, entry->term);
    buf_append_u64(&buf, entry->unix_ms);
    buf_append_u8(&buf, entry->kind);
    buf_append_u8(&buf, entry->flags);
    buf_append_u16(&buf, (uint16_t)key_size);
    buf_append_u64(&buf, size);
    buf_append(&buf, key_size == 0 ? "" : (const void *)entry->key->data,
               key_size);
    buf_append(&buf, size == 0 ? "" : (const void *)entry->payload->data, size);
    if (!digest_equal(digest_of(buf.data, buf.size), entry->chain)) {
        world_fail(world, "the digest is that of the log",
                   "entry %llu has another one",
                   (unsigned long long)entry->index);
    }
    buf_free(&buf);
}

static void add_committed(struct world *world, raft_term during,
                          const struct raft_entry *entry)
{
    struct checks *checks = &world->checks;
    checks->log = x_grow(checks->log, &checks->capacity, checks->count + 1,
                         sizeof(*checks->log));
    struct committed *committed = &checks->log[checks->count++];
    *committed = (struct committed){.term = entry->term,
                                    .during = during,
                                    .kind = entry->kind,
                                    .chain = entry->chain,
                                    .entry = raft_entry_share(entry)};
    check_chain(world, entry);
    if (entry->kind == RAFT_KIND_APP) {
        committed->submit =
            history_number(entry->payload->data, entry->payload->size);
        history_committed(world, entry);
    }
    if (entry->kind == RAFT_KIND_CONFIG) {
        config_committed(world, entry);
    } else if (entry->index == 1) {
        world_fail(world, "configurations",
                   "the first entry does not name the members");
    }
    if (world->mix.operators == 0 && world->mix.weights[FAULT_MOVE] == 0 &&
        checks->config_count > 1) {
        world_fail(world, "configurations",
                   "entry %llu is another one, and nobody changed them",
                   (unsigned long long)entry->index);
    }
}

/* What a node takes for committed is so, whether it has told anybody or not. */
static void check_commit(struct host *host, raft_index commit)
{
    struct world *world = host->world;
    if (commit < host->commit) {
        world_fail(world, "commit only grows",
                   "n%lu goes back from %llu to %llu", (unsigned long)host->id,
                   (unsigned long long)host->commit,
                   (unsigned long long)commit);
    }
    const struct raft *raft = node_raft(host->node);
    raft_index from = host->commit + 1;
    raft_index base = raft_base_now(raft)->index;
    for (raft_index at = from > base ? from : base; at <= commit; at++) {
        if (at == 0) {
            continue;
        }
        raft_term term = raft_term_at(raft, at);
        if (at > world->checks.count) {
            add_committed(world, host->term, config_on_quorum(host, at, term));
        } else if (world->checks.log[at - 1].term != term) {
            world_fail(world, "state machine safety",
                       "entry %llu is committed as t%llu, and on n%lu as t%llu",
                       (unsigned long long)at,
                       (unsigned long long)world->checks.log[at - 1].term,
                       (unsigned long)host->id, (unsigned long long)term);
        }
    }
    host->commit = commit;
}

/* Who knows the term that it was committed in has it for good.  A disk that
 * is not counted among the majority, and knows no term so late, may lose it to
 * what an earlier leader said before it fell, and get it again. */
void check_truncated(struct host *host, raft_index from)
{
    const struct checks *checks = &host->world->checks;
    const struct disk *disk = &host->disk;
    for (raft_index at = from; at <= disk->count && at <= checks->count; at++) {
        if (disk->entries[at - 1].term == checks->log[at - 1].term &&
            disk->term >= checks->log[at - 1].during) {
            world_fail(host->world, "committed never changes",
                       "n%lu drops entry %llu of t%llu, which is committed",
                       (unsigned long)host->id, (unsigned long long)at,
                       (unsigned long long)checks->log[at - 1].term);
        }
    }
}

/* State machine safety: what is told is what was told anywhere before. */
static void check_told(struct host *host, raft_index told)
{
    struct world *world = host->world;
    struct checks *checks = &world->checks;
    if (told > host->disk.count) {
        world_fail(world, "told is saved",
                   "n%lu tells %llu, with %zu entries on its disk",
                   (unsigned long)host->id, (unsigned long long)told,
                   host->disk.count);
    }
    for (raft_index at = host->checked + 1; at <= told; at++) {
        const struct raft_entry *entry = &host->disk.entries[at - 1];
        const struct committed *known = &checks->log[at - 1];
        if (known->term != entry->term ||
            !digest_equal(known->chain, entry->chain)) {
            world_fail(world, "state machine safety",
                       "entry %llu is committed as t%llu, and on n%lu as t%llu",
                       (unsigned long long)at, (unsigned long long)known->term,
                       (unsigned long)host->id,
                       (unsigned long long)entry->term);
        }
    }
    host->checked = told;
}

/* ---- one node ----------------------------------------------------------- */

static void check_forward(struct host *host, const struct raft_status *status)
{
    if (status->term < host->term ||
        (status->term == host->term && host->vote != RAFT_ID_NONE &&
         status->vote != host->vote)) {
        world_fail(host->world, "term and vote",
                   "n%lu goes from t%llu v%lu to t%llu v%lu",
                   (unsigned long)host->id, (unsigned long long)host->term,
                   (unsigned long)host->vote, (unsigned long long)status->term,
                   (unsigned long)status->vote);
    }
    host->term = status->term;
    host->vote = status->vote;
    if (status->told < host->checked) {
        world_fail(host->world, "told only grows",
                   "n%lu goes back from %llu to %llu", (unsigned long)host->id,
                   (unsigned long long)host->checked,
                   (unsigned long long)status->told);
    }
}

static void check_order(struct host *host, const struct raft_status *status)
{
    /* A base that was installed is told once it is saved. */
    if (status->first > status->commit + 1 || status->told > status->commit ||
        status->commit > status->last || status->saved > status->last) {
        world_fail(host->world, "the order of indexes",
                   "n%lu: first %llu, told %llu, commit %llu, saved %llu, last "
                   "%llu",
                   (unsigned long)host->id, (unsigned long long)status->first,
                   (unsigned long long)status->told,
                   (unsigned long long)status->commit,
                   (unsigned long long)status->saved,
                   (unsigned long long)status->last);
    }
}

void check_turn(struct host *host)
{
    struct raft_status status;
    raft_status(node_raft(host->node), &status);
    bool leads = status.role == RAFT_ROLE_LEADER;
    raft_term before = host->term;
    check_forward(host, &status);
    check_order(host, &status);
    check_limits(host);
    check_commit(host, status.commit);
    if (status.told > host->checked) {
        check_told(host, status.told);
    }
    config_turn(host, &status, before);
    if (leads) {
        check_leader(host, &status);
    }
    if (leads || host->led) { /* it may have led until this very turn */
        host->led_us = host->world->now_us;
    }
    host->led = leads;
}

/* ---- the end ------------------------------------------------------------ */

static bool is_ready(const struct host *host, char *why, size_t size)
{
    struct buf text = {0};
    bool ready = node_ready(host->node, &text);
    if (!ready) {
        snprintf(why, size, "n%lu is not ready: %.*s", (unsigned long)host->id,
                 (int)text.size, (const char *)text.data);
    }
    buf_free(&text);
    return ready;
}

bool check_converged(struct world *world, char *why, size_t size)
{
    const struct checks *checks = &world->checks;
    for (unsigned i = 0; i < world->mix.hosts; i++) {
        const struct host *host = &world->hosts[i];
        if (host->left || !force_member(world, host)) {
            continue;
        }
        struct raft_status status;
        raft_status(node_raft(host->node), &status);
        if (status.told != checks->count || status.last != checks->count) {
            snprintf(why, size,
                     "n%lu has told %llu and has %llu entries; committed are "
                     "%zu",
                     (unsigned long)host->id, (unsigned long long)status.told,
                     (unsigned long long)status.last, checks->count);
            return false;
        }
        if (!is_ready(host, why, size)) {
            return false;
        }
    }
    if (config_newest(world)->config.joint) {
        snprintf(why, size, "the configuration is still joint");
        return false;
    }
    raft_index last_app = checks->last_app;
    for (unsigned i = 0; i < world->mix.apps; i++) {
        /* A stream that begins behind a base begins anywhere. */
        if (app_followed(world->apps[i]) < last_app) {
            snprintf(why, size, "app %u has followed up to %llu, not %llu", i,
                     (unsigned long long)app_followed(world->apps[i]),
                     (unsigned long long)last_app);
            return false;
        }
    }
    return true;
}

/* The disks of all, also of those that are broken, agree with what is
 * committed as far as they know it to be. */
void check_end(struct world *world)
{
    const struct checks *checks = &world->checks;
    for (unsigned i = 0; i < world->mix.hosts; i++) {
        const struct disk *disk = &world->hosts[i].disk;
        for (raft_index at = 1; at <= disk->commit; at++) {
            if (at > checks->count ||
                !digest_equal(disk->entries[at - 1].chain,
                              checks->log[at - 1].chain)) {
                world_fail(world, "state machine safety",
                           "n%u has another entry %llu on its disk, below its "
                           "commit index",
                           i, (unsigned long long)at);
            }
        }
    }
}

void check_free(struct checks *checks)
{
    for (size_t i = 0; i < checks->count; i++) {
        raft_entry_clear(&checks->log[i].entry);
    }
    free(checks->log);
    free(checks->submits);
    free(checks->keys);
    free(checks->keyed);
    free(checks->seen);
    free(checks->seen_first);
    free(checks->configs);
    free(checks->orders);
    map_free(&checks->leaders);
}
