/* Plays of what is committed, or seems so, and must not be lost or believed. */
#include "app.h"
#include "base/buf.h"
#include "play.h"
#include "wire/frame.h"

#define A_WHILE_US ((uint64_t)100000)
#define PREV_INDEX_AT (MESSAGE_AT + 1 + 8)
#define CHUNK_OFFSET_AT (FRAME_HEAD_SIZE + 2 + 8)

/* It has told all that is committed anywhere. */
static bool has_all(struct world *world, const struct host *host)
{
    return host->node != NULL && host->checked == world->checks.count;
}

/* ---- entries of an earlier term ----------------------------------------- */

static bool lose_appends(struct world *world, struct wire *wire,
                         const struct host *from, const uint8_t *frame)
{
    (void)world;
    (void)wire;
    (void)from;
    return play_is_message(frame, RAFT_MESSAGE_APPEND);
}

/* Whoever has as many entries as the one that is down is sent no more. */
static bool lose_further(struct world *world, struct wire *wire,
                         const struct host *from, const uint8_t *frame)
{
    size_t most = 0;
    for (unsigned i = 0; i < world->mix.hosts; i++) {
        if (world->hosts[i].node == NULL) {
            most = world->hosts[i].disk.count;
        }
    }
    return play_is_message(frame, RAFT_MESSAGE_APPEND) &&
           play_receiver(wire, from)->disk.count >= most;
}

/* It has an entry that is not on the disk of any other node. */
static bool is_longer(struct world *world, const struct host *host)
{
    size_t longer = 0;
    for (unsigned i = 0; i < world->mix.hosts; i++) {
        longer += host->disk.count > world->hosts[i].disk.count;
    }
    return longer == world->mix.hosts - 1;
}

static void fall(struct host *host)
{
    host->may_start = false;
    host_crash(host);
}

static void rise(struct host *host)
{
    host->may_start = true;
    host_start(host);
}

/* Figure 8, with three nodes: an entry of an earlier term is on a majority of
 * the disks, and whoever has another one in its place, of a later term, can
 * still be elected. */
void play_counted(struct world *world)
{
    world->mix.append_entries_max = 1;
    world->mix.inflight_messages_max = 1;
    world->apps[0]->only = ask_ping;
    struct host *first = play_begin(world);
    world->loses = lose_appends;
    world->apps[0]->only = ask_submit;
    app_go(world->apps[0], first);
    play_await(world, is_longer, first, LONG_US, "it alone has an entry");
    world->apps[0]->only = ask_ping;
    fall(first);
    play_await(world, play_other_leads, first, LONG_US, "another one leads");
    struct host *second = play_leader(world);
    struct host *third = play_another(first) == second ? play_another(second)
                                                       : play_another(first);
    size_t shared = third->disk.count;
    world_run(world, A_WHILE_US);
    fall(second);
    world->loses = lose_further;
    rise(first);
    play_await(world, play_other_leads, NULL, LONG_US, "the first leads again");
    world_run(world, A_WHILE_US);
    if (second->disk.count != shared + 1 || third->disk.count != shared + 1) {
        world_fail(world, "play", "not just that entry is on two disks");
    }
    fall(first);
    rise(second);
    play_await(world, play_other_leads, NULL, LONG_US, "the second leads");
    world->loses = NULL;
    rise(first);
    play_await(world, has_all, first, LONG_US, "all is told");
}

/* ---- configurations ----------------------------------------------------- */

/* What another node is sent once somebody beside the leader knows of the joint
 * configuration. */
static bool lose_after_joint(struct world *world, struct wire *wire,
                             const struct host *from, const uint8_t *frame)
{
    (void)wire;
    bool known = false;
    for (unsigned i = 0; i < world->mix.hosts; i++) {
        const struct host *host = &world->hosts[i];
        known = known || (host != from && host->node != NULL &&
                          raft_config_now(node_raft(host->node), NULL)->joint);
    }
    return known && from->led && play_is_message(frame, RAFT_MESSAGE_APPEND);
}

/* Those who are to leave are a majority of the old voters, and do not hear that
 * the new one has committed alone since: they elect nobody without it. */
void play_dropped(struct world *world)
{
    struct host *first = play_begin(world);
    raft_id one = play_another(first)->id;
    struct order order = {.kind = ORDER_REMOVE,
                          .ids = {one, play_another(&world->hosts[one])->id},
                          .count = 2};
    world->loses = lose_after_joint;
    operator_wish(world->operators[0], first, &order);
    play_await(world, play_is_answered, NULL, LONG_US, "the order is answered");
    world_run(world, 5000000);
    if (config_newest(world)->config.count != 1 || !first->led) {
        world_fail(world, "play", "those who left still have a say");
    }
}

/* ---- snapshots ---------------------------------------------------------- */

/* The end of a connection at which nothing arrives until the play lets it;
 * `from` may be NULL, for anybody.  NULL: there is none. */
static struct wire_end *held_up(const struct world *world,
                                const struct host *from, const struct host *to)
{
    for (struct wire *wire = world->wires; wire != NULL; wire = wire->next) {
        for (int i = 0; i < 2 && !wire->is_free; i++) {
            if (wire->end[i].host == to &&
                wire->end[i].stalls_until_us == UINT64_MAX &&
                (from == NULL || wire->end[1 - i].host == from)) {
                return &wire->end[i];
            }
        }
    }
    return NULL;
}

static void let_go(const struct world *world, const struct host *from,
                   const struct host *to)
{
    struct wire_end *end = held_up(world, from, to);
    if (end != NULL) {
        end->stalls_until_us = 0;
    }
}

/* Whoever has all entries of the leader does not hear that they are committed.
 * Held up are the bytes of a snapshot, and then appends of another leader, as
 * wanted. */
static bool hold_up(struct world *world, struct wire *wire,
                    const struct host *from, const uint8_t *frame, bool wanted)
{
    struct host *to = play_receiver(wire, from);
    bool append = play_is_message(frame, RAFT_MESSAGE_APPEND);
    bool bytes = frame[TYPE_AT] == FRAME_CHUNK &&
                 be_get_u64(frame + CHUNK_OFFSET_AT) > 0;
    bool held = held_up(world, NULL, to) != NULL;
    if (bytes || (append && wanted && held)) {
        wire->end[wire->end[0].host == to ? 0 : 1].stalls_until_us = UINT64_MAX;
    }
    return append && !held && to->disk.count == from->disk.count;
}

/* Those that it could take. */
static bool hold_entries(struct world *world, struct wire *wire,
                         const struct host *from, const uint8_t *frame)
{
    const struct host *to = play_receiver(wire, from);
    return hold_up(world, wire, from, frame,
                   be_get_u64(frame + PREV_INDEX_AT) == to->disk.count);
}

/* Those that come once it has all. */
static bool hold_news(struct world *world, struct wire *wire,
                      const struct host *from, const uint8_t *frame)
{
    const struct host *to = play_receiver(wire, from);
    struct raft_status status = {0};
    if (to->node != NULL) {
        raft_status(node_raft(to->node), &status);
    }
    return hold_up(world, wire, from, frame, status.last >= from->disk.count);
}

static bool waits_for_bytes(struct world *world, const struct host *host)
{
    return held_up(world, NULL, host) != NULL;
}

static bool waits_for_other(struct world *world, const struct host *host)
{
    return held_up(world, play_another(host), host) != NULL;
}

static bool ends_snapshot(const struct host *host)
{
    const struct node_file_request *request = files_under_way(host);
    return request != NULL && request->work == NODE_FILE_END;
}

static bool has_entries(struct world *world, const struct host *host)
{
    (void)world;
    return host->disk.count == play_another(host)->disk.count;
}

/* What the base says is committed, which nobody else has said. */
static bool has_told_base(struct world *world, const struct host *host)
{
    raft_index base = 0;
    for (unsigned i = 0; i < world->mix.hosts; i++) {
        raft_index at = world->hosts[i].disk.base.index;
        base = at > base ? at : base;
    }
    return host->checked >= base;
}

static bool is_cut(struct world *world, const struct host *host)
{
    (void)world;
    return host->disk.base.index > 0;
}

/* A node was away, and is sent a snapshot of the last entry, whose last bytes
 * are held up; and another one leads meanwhile, which does not know that this
 * entry is committed. */
static struct host *hold_snapshot(struct world *world, lose_frame *holds)
{
    world->mix.snapshots = true;
    world->mix.keep_unacked = 0;
    world->mix.save_bytes_max = 200;
    world->mix.ask_gap_us = 1000;
    world->mix.cache_bytes = MAX_PENDING_BYTES;
    world->apps[0]->only = ask_ping;
    struct host *first = play_begin(world);
    struct host *host = play_another(first);
    fall(host);
    app_go(world->apps[0], first);
    world->apps[0]->only = ask_submit;
    world_run(world, A_WHILE_US / 4);
    world->loses = holds;
    world->apps[0]->only = ask_ping;
    world_run(world, A_WHILE_US);
    world->apps[0]->only = ask_upload;
    play_await(world, is_cut, first, LONG_US, "the log is cut");
    world->apps[0]->only = ask_ping;
    rise(host);
    play_await(world, waits_for_bytes, host, LONG_US, "it is sent a snapshot");
    first->paused_until_us = UINT64_MAX;
    play_await(world, play_other_leads, first, LONG_US, "another one leads");
    play_await(world, waits_for_other, host, LONG_US, "it is sent entries");
    return first;
}

/* The snapshot is whole at the very moment at which the entries come, many
 * saves of them: it is none of this node's until its entry is on the disk. */
void play_ahead(struct world *world)
{
    struct host *first = hold_snapshot(world, hold_entries);
    struct host *host = play_another(first);
    let_go(world, first, host);
    uint64_t end_us = world->now_us + A_WHILE_US;
    while (!ends_snapshot(host) && world->now_us < end_us) {
        world_run(world, 20);
    }
    host->paused_until_us = world->now_us + A_WHILE_US;
    world->loses = NULL;
    let_go(world, play_another(host), host);
    first->paused_until_us = 0;
    world_run(world, 1000000);
    play_await(world, has_all, host, LONG_US, "it has told all");
}

/* The entries are all on the disk, and counted, when the snapshot is whole: the
 * log has the base's last entry, and stays as it is. */
void play_kept(struct world *world)
{
    struct host *first = hold_snapshot(world, hold_news);
    struct host *host = play_another(first);
    play_await(world, has_entries, host, LONG_US, "it has saved them");
    let_go(world, first, host);
    uint64_t end_us = world->now_us + 5 * A_WHILE_US;
    while (!has_told_base(world, host) && world->now_us < end_us) {
        world_run(world, 1000); /* a large one would need the first to go on */
    }
    world->loses = NULL;
    let_go(world, play_another(host), host);
    first->paused_until_us = 0;
    play_await(world, has_all, host, LONG_US, "it has told all");
}
