/* Clusters of cores under chance, watched from the outside.
 *
 *   test_core_random [--seed=N] [--seeds=N]
 *
 * Messages are lost, doubled, late and out of order; nodes crash and lose what
 * was not saved; clocks run at different speeds; old entries are read back
 * from disk.  After each step the promises of Figure 3 are checked, and that
 * every read is as new as what anybody was told when it was asked.  In the end
 * everything heals, and the cluster must get on. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "core/keys.h"
#include "core_random.h"

#define STEPS 3000
#define HEAL_STEPS 4000

static volatile uint64_t running;

static void on_abort(int number)
{
    (void)number;
    char text[64];
    int size = snprintf(text, sizeof(text), "the seed was %llu\n",
                        (unsigned long long)running);
    ssize_t written = write(2, text, (size_t)size);
    (void)written;
}

static bool one_in(struct world *world, uint64_t count)
{
    return prng_chance(&world->prng, count);
}

/* ---- network ------------------------------------------------------------ */

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

static void post(struct world *world, const struct raft_message *message)
{
    see_message(world, message);
    bool cut = world->machines[message->from].cut_us > world->now_us ||
               world->machines[message->to].cut_us > world->now_us;
    if (world->way_count == WAY_MAX ||
        (!world->healed && (cut || one_in(world, 12)))) {
        return;
    }
    uint64_t late_us = prng_below(&world->prng, 3000);
    if (!world->healed && one_in(world, 10)) {
        late_us += prng_below(&world->prng, 80000);
    }
    struct packet *packet = &world->way[world->way_count++];
    packet->message = copy_of(message);
    packet->due_us = world->now_us + late_us;
    if (!world->healed && one_in(world, 15) && world->way_count < WAY_MAX) {
        struct packet *again = &world->way[world->way_count++];
        again->message = copy_of(message);
        again->due_us = packet->due_us + prng_below(&world->prng, 60000);
    }
}

/* ---- a node ------------------------------------------------------------- */

void step(struct world *world, size_t at, const struct raft_event *event)
{
    struct machine *machine = &world->machines[at];
    struct raft_now now = {.mono_us = machine->clock_us,
                           .unix_ms = machine->clock_us / 1000};
    raft_set_patient(machine->raft, one_in(world, 2));
    raft_step(machine->raft, now, event, event == NULL ? 0 : 1);
    if (!machine->saving) {
        machine->saving = raft_take_save(machine->raft, 400, one_in(world, 5),
                                         &machine->save);
        uint64_t slow_us = one_in(world, 8) ? 60000 : 3000;
        machine->saved_us = world->now_us + prng_below(&world->prng, slow_us);
        for (size_t i = 0; machine->saving && i < machine->save.entry_count;
             i++) {
            see_entry(world, &machine->save.entries[i]);
        }
    }
    const struct raft_effects *effects = raft_effects(machine->raft);
    for (size_t i = 0; i < effects->message_count; i++) {
        post(world, &effects->messages[i]);
    }
    see_node(world, at);
    for (size_t i = 0; i < effects->tell_count; i++) {
        see_tell(world, at, &effects->tells[i]);
    }
    see_decisions(world, at, effects);
    for (size_t i = 0; i < effects->fetch_count; i++) {
        for (size_t k = 0; k < machine->fetch_count; k++) {
            if (machine->fetches[k].peer == effects->fetches[i].peer) {
                fail(world, "n%zu has two fetches open for one peer", at);
            }
        }
        machine->fetches[machine->fetch_count++] = effects->fetches[i];
    }
    for (size_t i = 0; i < effects->note_count; i++) {
        if (effects->notes[i].level == LOG_LEVEL_ERROR) {
            fail(world, "n%zu: %s", at, effects->notes[i].text);
        }
    }
    raft_effects_clear(machine->raft);
}

static void persist(struct world *world, struct disk *disk,
                    const struct raft_save *save)
{
    if (save->base_dirty) {
        persist_base(world, disk, save);
    }
    if (save->state_dirty) {
        disk->term = save->term;
        disk->vote = save->vote;
    }
    while (save->truncate_from != 0 && disk->count >= save->truncate_from) {
        raft_entry_clear(&disk->entries[--disk->count]);
    }
    for (size_t i = 0; i < save->entry_count; i++) {
        disk->entries = x_grow(disk->entries, &disk->capacity, disk->count + 1,
                               sizeof(*disk->entries));
        disk->entries[disk->count++] = raft_entry_share(&save->entries[i]);
    }
    disk->commit = save->commit;
}

static void end_save(struct world *world, size_t at)
{
    struct machine *machine = &world->machines[at];
    struct raft_save *save = &machine->save;
    if (save->entry_count > 0 && save->truncate_from == 0 &&
        save->install == NULL &&
        save->entries[0].index != machine->disk.count + 1) {
        fail(world, "n%zu saves entry %llu behind %zu", at,
             (unsigned long long)save->entries[0].index, machine->disk.count);
    }
    persist(world, &machine->disk, save);
    struct raft_event event = {.type = RAFT_EVENT_SAVED};
    event.saved.state = save->state;
    if (save->entry_count > 0) {
        event.saved.index = save->entries[save->entry_count - 1].index;
        event.saved.term = save->entries[save->entry_count - 1].term;
    } else if (save->install != NULL) {
        event.saved.index = save->base.index;
        event.saved.term = save->base.term;
    }
    raft_save_clear(save);
    machine->saving = false;
    step(world, at, &event);
}

static void end_fetch(struct world *world, size_t at)
{
    struct machine *machine = &world->machines[at];
    struct raft_fetch fetch = machine->fetches[--machine->fetch_count];
    struct raft_event event = {.type = RAFT_EVENT_FETCHED};
    event.fetched.peer = fetch.peer;
    event.fetched.first = fetch.first;
    event.fetched.entries = &machine->disk.entries[fetch.first - 1];
    event.fetched.entry_count = (size_t)(fetch.last - fetch.first + 1);
    if (event.fetched.entry_count > 3) {
        event.fetched.entry_count = 3;
    }
    if ((!world->healed && one_in(world, 6)) ||
        fetch.first <= machine->disk.base.index) {
        event.fetched.entry_count = 0;
    }
    step(world, at, &event);
}

static void link_event(struct world *world, size_t at, size_t peer, bool up)
{
    struct raft_event event = {.type = RAFT_EVENT_LINK};
    event.link.peer = (raft_id)peer;
    event.link.up = up;
    if (world->machines[at].raft != NULL && at != peer) {
        step(world, at, &event);
    }
}

static void boot(struct world *world, size_t at)
{
    struct machine *machine = &world->machines[at];
    const struct disk *disk = &machine->disk;
    struct raft_run *runs = x_calloc(disk->count, sizeof(*runs));
    raft_index *others = x_calloc(disk->count, sizeof(*others));
    struct raft_config_entry *configs =
        x_calloc(disk->count + 1, sizeof(*configs));
    struct raft_start start = {.term = disk->term,
                               .vote = disk->vote,
                               .commit = disk->commit,
                               .base = disk->base,
                               .last = disk->count,
                               .runs = runs,
                               .configs = configs,
                               .others = others};
    for (size_t i = 0; i < disk->count; i++) {
        const struct raft_entry *entry = &disk->entries[i];
        bool gone = i < disk->base.index;
        if (!gone && (i == disk->base.index ||
                      entry->term != disk->entries[i - 1].term)) {
            runs[start.run_count++] =
                (struct raft_run){.first = i + 1, .term = entry->term};
        }
        if (entry->kind == RAFT_KIND_CONFIG) {
            configs[start.config_count++] =
                (struct raft_config_entry){.index = entry->index,
                                           .term = entry->term,
                                           .payload = entry->payload};
        }
        if (!gone && entry->kind != RAFT_KIND_APP) {
            others[start.other_count++] = i + 1;
        }
    }
    size_t least = (size_t)disk->base.index + 1;
    size_t first = disk->commit < least ? least : (size_t)disk->commit;
    first -= (size_t)prng_below(&world->prng, first - least + 1);
    if (disk->count >= least) {
        start.tail = &disk->entries[first - 1];
        start.tail_count = disk->count - first + 1;
    }
    struct buf keys = {0};
    keys_pack_begin(&keys, 0);
    for (size_t i = 0; i + 1 < first; i++) {
        const struct blob *key = disk->entries[i].key;
        if (key != NULL) {
            keys_pack_add(&keys, i + 1, key->data, key->size);
        }
    }
    start.keys = keys.data;
    start.keys_size = keys.size;
    struct raft_settings settings = {.id = (raft_id)at,
                                     .seed = world->seed * 4096 + world->boots,
                                     .election_timeout_us = 50000,
                                     .heartbeat_us = 10000,
                                     .append_bytes_max = 400,
                                     .append_entries_max = 4,
                                     .inflight_messages_max = 3,
                                     .inflight_bytes_max = 1000,
                                     .catch_up_us = 300000,
                                     .batch_hold_us = world->seed % 3 * 700,
                                     .uncommitted_bytes_max = 1500,
                                     .window_bytes_max = 700,
                                     .key_window = world->key_window};
    world->boots++;
    machine->boots++;
    machine->stalled = false;
    const char *why = NULL;
    struct raft_now now = {.mono_us = machine->clock_us};
    machine->raft = raft_new(&settings, &start, now, &why);
    if (machine->raft == NULL) {
        fail(world, "n%zu cannot start: %s", at, why);
    }
    machine->commit = disk->commit;
    machine->told = disk->commit;
    machine->config_seen = 0;
    machine->config = (struct raft_config){0};
    if (start.config_count > 0) {
        machine->config = *raft_config_now(machine->raft, NULL);
    }
    buf_free(&keys);
    free(runs);
    free(others);
    free(configs);
    for (size_t i = 1; i <= world->count; i++) {
        link_event(world, at, i, true);
        link_event(world, i, at, true);
    }
}

static void crash(struct world *world, size_t at)
{
    struct machine *machine = &world->machines[at];
    if (machine->saving && one_in(world, 2)) {
        persist(world, &machine->disk,
                &machine->save); /* done, but never heard of */
    }
    raft_save_clear(&machine->save);
    machine->saving = false;
    machine->fetch_count = 0;
    raft_free(machine->raft);
    machine->raft = NULL;
    machine->back_us =
        world->now_us +
        prng_below(&world->prng, one_in(world, 2) ? 5000 : 100000);
}

/* ---- chance ------------------------------------------------------------- */

/* Few keys, so that they are met again; indexes around the end of the log. */
static void choose_options(struct world *world, size_t at,
                           struct raft_event *event)
{
    struct raft_status status;
    raft_status(world->machines[at].raft, &status);
    uint64_t back = prng_below(&world->prng, 12);
    raft_index near = status.last > back ? status.last - back : 0;
    if (one_in(world, 2)) {
        uint8_t key[RAFT_KEY_MAX] = {(uint8_t)prng_below(&world->prng, 9)};
        size_t size = key[0] == 0 ? RAFT_KEY_MAX : (size_t)1 + key[0] % 3;
        event->propose.key = blob_copy(key, size);
        event->propose.since = one_in(world, 2) ? RAFT_INDEX_NONE : near;
    }
    if (one_in(world, 10)) {
        event->propose.fence = one_in(world, 2) ? status.term : near + 1;
    }
    if (one_in(world, 6)) {
        event->propose.after = near;
    }
}

static uint64_t propose(struct world *world, size_t at, bool options)
{
    struct raft_event event = {.type = RAFT_EVENT_PROPOSE};
    uint64_t ticket = next_ticket(world, ASK_PROPOSE, at);
    event.propose.ticket.number = ticket;
    uint8_t payload[64] = {0};
    memcpy(payload, &ticket, sizeof(ticket));
    event.propose.payload =
        blob_copy(payload, 8 + (size_t)prng_below(&world->prng, 56));
    event.propose.since = RAFT_INDEX_NONE;
    event.propose.after = RAFT_INDEX_NONE;
    if (options) {
        choose_options(world, at, &event);
    }
    world->proposed[ticket] = event;
    blob_share(event.propose.key);
    step(world, at, &event);
    blob_free(event.propose.key);
    blob_free(event.propose.payload);
    return ticket;
}

static void read_now(struct world *world, size_t at)
{
    struct raft_event event = {.type = RAFT_EVENT_READ};
    event.read.ticket.number = next_ticket(world, ASK_READ, at);
    world->floors[event.read.ticket.number] = world->told;
    step(world, at, &event);
}

static void deliver(struct world *world)
{
    for (size_t i = 0; i < world->way_count;) {
        if (world->way[i].due_us > world->now_us) {
            i++;
            continue;
        }
        struct raft_message message = world->way[i].message;
        world->way[i] = world->way[--world->way_count];
        if (world->machines[message.to].raft != NULL) {
            struct raft_event event = {.type = RAFT_EVENT_MESSAGE};
            event.message = &message;
            step(world, message.to, &event);
        }
        raft_message_clear(&message);
    }
}

static void pass_time(struct world *world)
{
    uint64_t passed_us = prng_below(&world->prng, 2000);
    world->now_us += passed_us;
    for (size_t at = 1; at <= world->count; at++) {
        struct machine *machine = &world->machines[at];
        machine->clock_us += passed_us * machine->speed / 8;
        if (machine->raft == NULL) {
            if (world->now_us >= machine->back_us) {
                boot(world, at);
            }
            continue;
        }
        if (machine->saving && world->now_us >= machine->saved_us) {
            end_save(world, at);
        }
        if (machine->fetch_count > 0 && one_in(world, 3)) {
            end_fetch(world, at);
        }
        if (machine->clock_us >= raft_deadline_us(machine->raft)) {
            step(world, at, NULL);
        }
        send_bases(world, at);
    }
    deliver(world);
    deliver_bases(world);
}

static void stall(struct world *world, size_t at, bool stalls)
{
    struct raft_event event = {.type = RAFT_EVENT_DISK};
    event.disk.stalls = stalls;
    world->machines[at].stalled = stalls;
    step(world, at, &event);
}

/* Of one who leads, mostly: the others refuse. */
static void disturb_members(struct world *world)
{
    size_t at = 1 + (size_t)prng_below(&world->prng, world->count);
    for (size_t i = 1; i <= world->count; i++) {
        struct raft_status status = {0};
        if (world->machines[i].raft != NULL) {
            raft_status(world->machines[i].raft, &status);
        }
        if (status.role == RAFT_ROLE_LEADER && !one_in(world, 8)) {
            at = i;
        }
    }
    if (world->machines[at].raft == NULL) {
        return;
    }
    if (one_in(world, 60)) {
        ask_change(world, at);
    }
    if (one_in(world, 200)) {
        ask_abort(world, at);
    }
    if (one_in(world, 150)) {
        ask_transfer(world, at);
    }
    if (one_in(world, 300)) {
        stall(world, at, !world->machines[at].stalled);
    }
}

static void disturb(struct world *world)
{
    size_t at = 1 + (size_t)prng_below(&world->prng, world->count);
    size_t peer = 1 + (size_t)prng_below(&world->prng, world->count);
    struct machine *machine = &world->machines[at];
    if (machine->raft == NULL) {
        return;
    }
    if (one_in(world, 250)) {
        crash(world, at);
        return;
    }
    if (one_in(world, 150)) {
        machine->speed = one_in(world, 2) ? 8 : prng_range(&world->prng, 1, 16);
    }
    if (one_in(world, 60)) {
        link_event(world, at, peer, one_in(world, 2));
    }
    if (one_in(world, 200)) {
        struct raft_event event = {.type = RAFT_EVENT_GONE};
        event.gone.peer = (raft_id)peer; /* or so it seems */
        step(world, at, &event);
    }
    if (one_in(world, 200)) {
        /* An island for a while, whose clock may be slow: a leader there does
         * not learn that another one was elected. */
        machine->cut_us = world->now_us + prng_below(&world->prng, 300000);
        machine->speed = prng_range(&world->prng, 1, 8);
    }
    if (one_in(world, 3)) {
        propose(world, at, true);
    }
    if (one_in(world, 4)) {
        read_now(world, at);
    }
    if (world->cuts && one_in(world, 30)) {
        compact(world, at);
    }
}

/* ---- the end ------------------------------------------------------------ */

static void heal(struct world *world)
{
    world->healed = true;
    for (size_t at = 1; at <= world->count; at++) {
        world->machines[at].speed = 8;
        if (world->machines[at].raft == NULL) {
            boot(world, at);
        }
        stall(world, at, false);
        for (size_t peer = 1; peer <= world->count; peer++) {
            link_event(world, at, peer, true);
        }
    }
}

static size_t find_leader(const struct world *world)
{
    for (size_t at = 1; at <= world->count; at++) {
        struct raft_status status;
        raft_status(world->machines[at].raft, &status);
        if (status.term_committed) {
            return at;
        }
    }
    return 0;
}

static bool is_member(const struct world *world, size_t leader, size_t at)
{
    const struct raft_config *config =
        raft_config_now(world->machines[leader].raft, NULL);
    return raft_config_find(config, (raft_id)at) != NULL;
}

static raft_term highest_term(const struct world *world)
{
    raft_term term = 0;
    for (size_t at = 1; at <= world->count; at++) {
        struct raft_status status;
        raft_status(world->machines[at].raft, &status);
        term = status.term > term ? status.term : term;
    }
    return term;
}

/* With all well again, one more entry reaches everybody, and all can read. */
static void check_progress(struct world *world)
{
    for (size_t i = 0; i < HEAL_STEPS; i++) {
        pass_time(world);
    }
    raft_term term = highest_term(world);
    for (size_t i = 0; i < HEAL_STEPS; i++) {
        pass_time(world);
    }
    if (highest_term(world) != term) {
        fail(world, "somebody disturbs: t%llu has become t%llu",
             (unsigned long long)term, (unsigned long long)highest_term(world));
    }
    size_t leader = find_leader(world);
    if (leader == 0) {
        fail(world, "nobody leads, though all is well");
    }
    uint64_t ticket = propose(world, leader, false);
    size_t reads = world->reads_told;
    for (size_t at = 1; at <= world->count; at++) {
        if (is_member(world, leader, at)) {
            read_now(world, at);
            reads++;
        }
    }
    for (size_t i = 0; i < 500; i++) {
        pass_time(world);
    }
    if (world->refused[ticket] || world->reads_told < reads) {
        fail(world, "n%zu leads, and does not get on: %zu reads wait", leader,
             reads - world->reads_told);
    }
    struct raft_status last;
    raft_status(world->machines[leader].raft, &last);
    for (size_t at = 1; at <= world->count; at++) {
        struct raft_status status;
        raft_status(world->machines[at].raft, &status);
        if (is_member(world, leader, at) &&
            (status.told != last.last || status.last != last.last)) {
            fail(world, "n%zu has told %llu of %llu entries", at,
                 (unsigned long long)status.told,
                 (unsigned long long)last.last);
        }
    }
    if (raft_config_now(world->machines[leader].raft, NULL)->joint) {
        fail(world, "n%zu leads a joint configuration for ever", leader);
    }
    check_asks(world, leader);
}

/* ---- a run -------------------------------------------------------------- */

/* Three to five voters; or, with five, a joint configuration of three and
 * three; or four voters and a learner. */
static void make_config(struct world *world)
{
    uint64_t form = prng_below(&world->prng, 5);
    world->count = form < 3 ? 3 + (size_t)form : 5;
    world->config.joint = form == 3;
    for (size_t i = 1; i <= world->count; i++) {
        struct raft_member member = {.id = (raft_id)i};
        member.role = RAFT_MEMBER_VOTER;
        member.next = RAFT_MEMBER_VOTER;
        if (form == 3 && i > 3) {
            member.role = RAFT_MEMBER_NONE;
        }
        if (form == 3 && i < 3) {
            member.next = RAFT_MEMBER_NONE;
        }
        if (form == 4 && i == 5) {
            member.role = RAFT_MEMBER_LEARNER;
            member.next = RAFT_MEMBER_LEARNER;
        }
        snprintf(member.address, sizeof(member.address), "n%zu:1", i);
        raft_config_add(&world->config, &member);
    }
    world->members_change = one_in(world, 2);
    world->cuts = one_in(world, 2);
    if (world->members_change) {
        /* Some who know of nothing yet. */
        world->count += (size_t)prng_below(&world->prng, 3);
    }
}

static void make_disks(struct world *world)
{
    struct buf bytes = {0};
    raft_config_encode(&world->config, &bytes);
    struct raft_entry entry = {.index = 1,
                               .term = 1,
                               .kind = RAFT_KIND_CONFIG,
                               .flags = RAFT_FLAG_REQUIRED,
                               .payload = blob_copy(bytes.data, bytes.size)};
    entry.chain = raft_entry_chain((struct digest){{0}}, &entry);
    buf_free(&bytes);
    for (size_t at = 1; at <= world->count; at++) {
        struct machine *machine = &world->machines[at];
        machine->speed = 8;
        machine->disk.vote = RAFT_ID_NONE;
        if (at > world->config.count) {
            continue;
        }
        struct raft_save save = {.state_dirty = true,
                                 .term = 1,
                                 .vote = RAFT_ID_NONE,
                                 .entries = &entry,
                                 .entry_count = 1};
        persist(world, &machine->disk, &save);
    }
    raft_entry_clear(&entry);
}

static void free_world(struct world *world)
{
    for (size_t at = 1; at <= world->count; at++) {
        struct machine *machine = &world->machines[at];
        raft_save_clear(&machine->save);
        raft_free(machine->raft);
        while (machine->disk.count > 0) {
            raft_entry_clear(&machine->disk.entries[--machine->disk.count]);
        }
        free(machine->disk.entries);
    }
    for (size_t i = 0; i < world->way_count; i++) {
        raft_message_clear(&world->way[i].message);
    }
    for (size_t i = 0; i <= world->tickets; i++) {
        blob_free(world->proposed[i].propose.key);
    }
    forget_bases(world);
    forget_entries(world);
    forget_asks(world);
    free(world);
}

static size_t compactions;
static size_t installs;
static size_t decided[5]; /* of all seeds: none may be missing */

static void run(uint64_t seed, bool verbose)
{
    struct world *world = x_calloc(1, sizeof(*world));
    running = seed;
    world->seed = seed;
    prng_seed(&world->prng, seed);
    world->key_window = 1 + (size_t)prng_below(&world->prng, 8);
    make_config(world);
    make_disks(world);
    for (size_t at = 1; at <= world->count; at++) {
        boot(world, at);
    }
    for (size_t i = 0; i < STEPS; i++) {
        pass_time(world);
        disturb(world);
        if (world->members_change) {
            disturb_members(world);
        }
    }
    heal(world);
    check_progress(world);
    if (verbose) {
        printf("seed %llu: %zu nodes, %llu entries committed, %zu proposals, "
               "%zu reads, %llu boots, %llu changes, %llu transfers, "
               "%zu cuts, %zu bases\n",
               (unsigned long long)seed, world->count,
               (unsigned long long)world->commit, world->proposals_told,
               world->reads_told, (unsigned long long)world->boots,
               (unsigned long long)world->changes_done,
               (unsigned long long)world->transfers_done, world->compactions,
               world->installs);
    }
    compactions += world->compactions;
    installs += world->installs;
    for (size_t i = 0; i < 5; i++) {
        decided[i] += world->decided[i];
    }
    free_world(world);
}

int main(int argc, char **argv)
{
    uint64_t seeds = 200;
    signal(SIGABRT, on_abort);
    for (int i = 1; i < argc; i++) {
        unsigned long long number;
        if (sscanf(argv[i], "--seed=%llu", &number) == 1) {
            run(number, true);
            return 0;
        }
        if (sscanf(argv[i], "--seeds=%llu", &number) == 1) {
            seeds = number;
        }
    }
    for (uint64_t seed = 1; seed <= seeds; seed++) {
        run(seed, false);
    }
    printf("proposals: %zu appended, %zu found, %zu forgotten, %zu fenced, "
           "%zu stale\n",
           decided[0], decided[1], decided[2], decided[3], decided[4]);
    printf("logs: %zu cut, %zu replaced by a base\n", compactions, installs);
    if (compactions == 0 || installs == 0) {
        printf("no log was cut, or none was replaced\n");
        return 1;
    }
    for (size_t i = 0; i < 5; i++) {
        if (decided[i] == 0) {
            printf("a kind of decision was never made\n");
            return 1;
        }
    }
    printf("%llu passed, 0 failed\n", (unsigned long long)seeds);
    return 0;
}
