#include "node/commands.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "node/control.h"
#include "node/peers.h"

/* Limits of replication that nobody has had a reason to change. */
#define APPEND_BYTES_MAX ((size_t)1024 * 1024)
#define APPEND_ENTRIES_MAX ((size_t)4096)
#define INFLIGHT_MESSAGES_MAX ((size_t)64)
#define BATCH_HOLD_US ((uint64_t)1000)
#define INFLIGHT_BYTES_MAX ((size_t)8 * 1024 * 1024)

/* ---- settings ----------------------------------------------------------- */

static void free_settings(struct node_settings *settings)
{
    free((void *)(uintptr_t)settings->cluster);
    free((void *)(uintptr_t)settings->advertise);
    free((void *)(uintptr_t)settings->version);
    free((void *)(uintptr_t)settings->bootstrap);
    free((void *)(uintptr_t)settings->data_dir);
}

static void copy_settings(struct node_settings *to,
                          const struct node_settings *from)
{
    *to = *from;
    to->cluster = x_strdup(from->cluster);
    to->advertise = x_strdup(from->advertise);
    to->version = x_strdup(from->version);
    to->bootstrap = x_strdup(from->bootstrap == NULL ? "" : from->bootstrap);
    to->data_dir = from->data_dir == NULL ? NULL : x_strdup(from->data_dir);
}

size_t node_or_best(uint64_t limit, size_t best)
{
    return limit == 0 ? best : (size_t)limit;
}

static struct raft_settings raft_settings_of(const struct node *node,
                                             uint64_t seed)
{
    return (struct raft_settings){
        .id = node->identity.id,
        .instance = node->identity.instance,
        .seed = seed,
        .election_timeout_us = node->settings.election_timeout_us,
        .heartbeat_us = node->settings.heartbeat_us,
        .catch_up_us = node->settings.catch_up_us,
        .append_bytes_max = APPEND_BYTES_MAX,
        .append_entries_max =
            node_or_best(node->settings.append_entries_max, APPEND_ENTRIES_MAX),
        .inflight_messages_max = node_or_best(
            node->settings.inflight_messages_max, INFLIGHT_MESSAGES_MAX),
        .batch_hold_us = BATCH_HOLD_US,
        .inflight_bytes_max = INFLIGHT_BYTES_MAX,
        .uncommitted_bytes_max = (size_t)node->settings.max_pending_bytes,
        .window_bytes_max = (size_t)node->settings.cache_bytes,
        .key_window = (size_t)node->settings.key_window,
    };
}

void node_set(struct node *node, const struct node_settings *settings)
{
    struct node_settings copy;
    copy_settings(&copy, settings);
    free_settings(&node->settings);
    node->settings = copy;
    struct raft_settings core = raft_settings_of(node, 0);
    raft_set(node->raft, &core);
    session_limits(node);
}

/* ---- life --------------------------------------------------------------- */

static void init_lists(struct node *node)
{
    driver_init(node);
    submit_init(node);
    control_init(node);
    moved_init(node);
    peers_init(node);
    session_init(node);
    feed_init(node);
    events_init(node);
    install_init(node);
}

struct node *node_new(const struct node_settings *settings,
                      const struct node_start *start, struct node_store store,
                      struct node_net net, struct node_parameters parameters,
                      uint64_t seed, struct raft_now now, char *why)
{
    struct node *node = x_calloc(1, sizeof(*node));
    copy_settings(&node->settings, settings);
    node->identity = start->identity;
    node->store = store;
    node->net = net;
    node->parameters = parameters;
    node->now = now;
    node->started_us = now.mono_us;
    node->ack = start->ack;
    node->ack_wanted = start->ack;
    node->next_ticket = 1;
    node->next_client = 1;
    node->next_read = 1;
    node->peers_changed = 1;
    prng_seed(&node->prng, seed);
    node->process = prng_u64(&node->prng) | 1;
    wheel_init(&node->wheel, now.mono_us);
    init_lists(node);
    snapshots_init(node, &start->snapshot);
    struct raft_settings core = raft_settings_of(node, prng_u64(&node->prng));
    const char *wrong = NULL;
    node->raft = raft_new(&core, &start->raft, now, &wrong);
    if (node->raft == NULL || !birth_init(node, why, 256)) {
        if (node->raft == NULL) {
            snprintf(why, 256, "%s", wrong);
        }
        node_free(node);
        return NULL;
    }
    struct raft_status status;
    raft_status(node->raft, &status);
    node->told = status.told;
    compact_init(node);
    peers_update(node);
    birth_check(node);
    return node;
}

void node_free(struct node *node)
{
    if (node == NULL) {
        return;
    }
    session_free_all(node);
    feed_free(node);
    install_free(node);
    if (node->raft != NULL) {
        peers_free(node);
    }
    submit_free(node);
    control_free(node);
    moved_free(node);
    driver_free(node);
    pending_free(&node->pending);
    snapshots_free(node);
    map_free(&node->digests);
    free_settings(&node->settings);
    free(node);
}

/* ---- inputs ------------------------------------------------------------- */

static void take_read(struct node *node, struct node_read_answer *answer)
{
    if (!driver_fetched(node, answer) && !command_digest_read(node, answer) &&
        !compact_read(node, answer) && !install_read(node, answer)) {
        feed_read_done(node, answer);
    }
}

static void take_connection(struct node *node, const struct node_input *input)
{
    if (session_owns(node, input->conn)) {
        session_input(node, input);
    } else if (peers_owns(node, input->conn)) {
        peers_input(node, input);
    }
    /* else: a late word about a connection that this side has closed */
}

/* Whoever leads hands over before it goes, if there is somebody. */
static void hand_over(struct node *node)
{
    struct raft_status status;
    raft_status(node->raft, &status);
    if (status.role == RAFT_ROLE_LEADER) {
        struct raft_event event = {.type = RAFT_EVENT_TRANSFER};
        event.transfer.peer = RAFT_ID_NONE;
        driver_note(node, &event);
    }
}

void node_input(struct node *node, const struct node_input *input)
{
    switch (input->type) {
    case NODE_INPUT_APP_OPEN:
        session_input(node, input);
        break;
    case NODE_INPUT_PEER_OPEN:
        peers_input(node, input);
        break;
    case NODE_INPUT_DIALLED:
    case NODE_INPUT_BYTES:
    case NODE_INPUT_EOF:
    case NODE_INPUT_CLOSED:
    case NODE_INPUT_DRAINED:
        take_connection(node, input);
        break;
    case NODE_INPUT_SAVED:
        driver_saved(node, input->saved);
        break;
    case NODE_INPUT_READ:
        take_read(node, input->read);
        break;
    case NODE_INPUT_FILE:
        file_answered(node, input->file);
        break;
    case NODE_INPUT_SHUTDOWN:
        node->stopping = true;
        submit_stop(node);
        control_stop(node);
        hand_over(node);
        break;
    }
}

/* ---- the turn ----------------------------------------------------------- */

uint64_t node_turn(struct node *node, struct raft_now now)
{
    assert(now.mono_us >= node->now.mono_us);
    node->now = now;
    wheel_run(&node->wheel, node, now.mono_us);
    driver_run(node);
    peers_waiting(node);
    session_flush_all(node);
    peers_flush(node);
    install_flush(node);
    if (node->inbox_count > 0 || !list_empty(&node->submit_queue)) {
        /* Sessions read on where they had been held back. */
        driver_run(node);
        session_flush_all(node);
        peers_flush(node);
        install_flush(node);
    }
    if (node->inbox_count > 0) {
        return now.mono_us;
    }
    uint64_t core = raft_deadline_us(node->raft);
    uint64_t timers = wheel_deadline_us(&node->wheel);
    return core < timers ? core : timers;
}

/* ---- looking in --------------------------------------------------------- */

bool node_wants_turn(const struct node *node)
{
    return node->inbox_count > 0 || !list_empty(&node->touched) ||
           feed_wants_turn(node);
}

static bool reads(const struct node *node)
{
    list_each(at, following, &node->session_list)
    {
        if (session_reads(list_entry(at, struct session, in_node))) {
            return true;
        }
    }
    return false;
}

bool node_idle(const struct node *node)
{
    struct raft_change_status status;
    raft_change_status(node->raft, &status);
    return node->submit_open == 0 && !node->saving && !node->ack_dirty &&
           node->upload.state < UPLOAD_ENDING && node->inbox_count == 0 &&
           !status.transfers && !reads(node);
}

const struct raft *node_raft(const struct node *node)
{
    return node->raft;
}

void node_note(struct node *node, enum log_level level, const char *format, ...)
{
    char text[640];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    node->net.note(node->net.context, level, text);
}

bool node_door(struct node *node, struct request *request)
{
    if (raft_config_now(node->raft, NULL) != NULL &&
        contacts_removed(node) == 0) {
        return true;
    }
    peers_waiting(node);
    request_error(node, request, ERROR_NOCONFIG, "%s", node->waiting);
    return false;
}

const char *node_role_word(const struct node *node)
{
    raft_index index = 0;
    raft_config_now(node->raft, &index);
    return node->removed > index ? "idle" : raft_role_word(node->raft);
}
