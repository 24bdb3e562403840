#include "small.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

/* ---- connections -------------------------------------------------------- */

static struct pipe *find_pipe(struct member *member, node_conn conn, int *at)
{
    for (size_t i = 0; i < PIPES_MAX; i++) {
        struct pipe *pipe = &member->small->pipes[i];
        for (int end = 0; pipe->used && end < 2; end++) {
            if (pipe->end[end] == member && pipe->conn[end] == conn) {
                *at = end;
                return pipe;
            }
        }
    }
    return NULL;
}

static struct pipe *new_pipe(struct small *small)
{
    for (size_t i = 0; i < PIPES_MAX; i++) {
        struct pipe *pipe = &small->pipes[i];
        if (!pipe->used) {
            buf_free(&pipe->bytes[0]);
            buf_free(&pipe->bytes[1]);
            *pipe = (struct pipe){.used = true};
            return pipe;
        }
    }
    assert(false);
    return NULL;
}

static void take_bytes(struct buf *to, const struct out *out)
{
    struct out_cursor cursor = out_begin(out);
    struct out_span span;
    while (out_next(&cursor, &span)) {
        buf_append(to, span.data, span.size);
    }
}

static void net_send(void *context, node_conn conn, struct out *out)
{
    struct member *member = context;
    int at;
    struct pipe *pipe = find_pipe(member, conn, &at);
    if (conn == member->app) {
        take_bytes(&member->heard, out);
    } else if (pipe != NULL) {
        take_bytes(&pipe->bytes[1 - at], out);
        pipe->drained[at] += out->size;
    }
    out_free(out);
}

static void net_close(void *context, node_conn conn, bool flush)
{
    struct member *member = context;
    int at;
    struct pipe *pipe = find_pipe(member, conn, &at);
    (void)flush;
    if (conn == member->app) {
        member->app = 0;
    } else if (pipe != NULL) {
        pipe->closed[at] = true;
    }
}

static void net_pause(void *context, node_conn conn, bool paused)
{
    (void)context;
    (void)conn;
    (void)paused; /* so little is sent here that none is ever needed */
}

static void net_dial(void *context, node_conn conn, const char *address)
{
    struct member *member = context;
    struct small *small = member->small;
    struct pipe *pipe = new_pipe(small);
    pipe->end[0] = member;
    pipe->conn[0] = conn;
    for (size_t i = 0; i < small->member_count; i++) {
        struct member *other = &small->members[i];
        /* Where several have the address, any of them answers. */
        if (other->node != NULL && (other->side & member->side) != 0 &&
            strcmp(other->address, address) == 0 &&
            (pipe->end[1] == NULL || prng_chance(&small->prng, 2))) {
            pipe->end[1] = other;
        }
    }
}

static void net_note(void *context, enum log_level level, const char *text)
{
    (void)context;
    (void)level;
    (void)text;
}

static void tell(struct member *member, enum node_input_type type,
                 node_conn conn, bool ok)
{
    struct node_input input = {
        .type = type, .conn = conn, .ok = ok, .text = "refused"};
    node_input(member->node, &input);
}

static void connect_pipe(struct pipe *pipe)
{
    struct member *to = pipe->end[1];
    bool ok = to != NULL && to->node != NULL && !pipe->closed[0];
    if (!pipe->closed[0]) {
        tell(pipe->end[0], NODE_INPUT_DIALLED, pipe->conn[0], ok);
    }
    pipe->open = ok;
    pipe->used = ok;
    if (ok) {
        pipe->conn[1] = to->next_odd;
        to->next_odd += 2;
        tell(to, NODE_INPUT_PEER_OPEN, pipe->conn[1], true);
    }
}

static void move_bytes(struct pipe *pipe, int to)
{
    struct member *member = pipe->end[to];
    if (pipe->closed[to]) {
        return;
    }
    if (pipe->drained[to] > 0) {
        struct node_input input = {.type = NODE_INPUT_DRAINED,
                                   .conn = pipe->conn[to],
                                   .size = (size_t)pipe->drained[to]};
        pipe->drained[to] = 0;
        node_input(member->node, &input);
    }
    if (pipe->bytes[to].size > 0) {
        struct node_input input = {.type = NODE_INPUT_BYTES,
                                   .conn = pipe->conn[to],
                                   .data = pipe->bytes[to].data,
                                   .size = pipe->bytes[to].size};
        node_input(member->node, &input);
        buf_clear(&pipe->bytes[to]);
    }
}

static void cut_pipe(struct pipe *pipe)
{
    for (int end = 0; end < 2; end++) {
        if (!pipe->closed[end] && pipe->end[end]->node != NULL) {
            tell(pipe->end[end], NODE_INPUT_CLOSED, pipe->conn[end], false);
        }
    }
    pipe->used = false;
}

static void move_pipe(struct pipe *pipe)
{
    if (!pipe->open) {
        connect_pipe(pipe);
        return;
    }
    bool closed = pipe->closed[0] || pipe->closed[1];
    move_bytes(pipe, 0);
    move_bytes(pipe, 1);
    if (closed || (pipe->end[0]->side & pipe->end[1]->side) == 0) {
        cut_pipe(pipe);
    }
}

/* ---- apps --------------------------------------------------------------- */

static void hear(struct member *member)
{
    struct small *small = member->small;
    char line[256];
    char *end;
    while (member->heard.size > 0 &&
           (end = memchr(member->heard.data, '\n', member->heard.size)) !=
               NULL) {
        size_t size = (size_t)(end - (char *)member->heard.data) + 1;
        snprintf(line, sizeof(line), "%.*s", (int)size - 2,
                 (const char *)member->heard.data);
        buf_consume(&member->heard, size);
        assert(member->asked_count > 0);
        uint64_t number = member->asked[0];
        memmove(member->asked, member->asked + 1,
                --member->asked_count * sizeof(member->asked[0]));
        small->answered(small->context, member, number, line);
    }
}

void small_ask(struct member *member, uint64_t number, const char *line)
{
    if (member->node == NULL || member->asked_count == ASKED_MAX) {
        return;
    }
    if (member->app == 0) {
        member->app = member->next_odd;
        member->next_odd += 2;
        tell(member, NODE_INPUT_APP_OPEN, member->app, true);
    }
    member->asked[member->asked_count++] = number;
    struct node_input input = {.type = NODE_INPUT_BYTES,
                               .conn = member->app,
                               .data = (const uint8_t *)line,
                               .size = strlen(line)};
    node_input(member->node, &input);
}

/* ---- life --------------------------------------------------------------- */

static const char *no_parameter(void *context, size_t at, char *value,
                                size_t size)
{
    (void)context;
    (void)at;
    snprintf(value, size, "%s", "");
    return "";
}

static bool set_nothing(void *context, const struct node_parameter *wanted,
                        size_t count, char *why, size_t why_size)
{
    (void)context;
    (void)wanted;
    (void)count;
    snprintf(why, why_size, "there are no parameters here");
    return false;
}

struct member *small_member(struct small *small, raft_id id,
                            const char *directory, const char *address,
                            const char *bootstrap)
{
    assert(small->member_count < MEMBERS_MAX);
    struct member *member = &small->members[small->member_count++];
    *member = (struct member){.small = small,
                              .id = id,
                              .bootstrap = bootstrap,
                              .side = 1,
                              .next_odd = 1};
    snprintf(member->directory, sizeof(member->directory), "%s", directory);
    snprintf(member->address, sizeof(member->address), "%s", address);
    return member;
}

static struct raft_now now_of(const struct small *small)
{
    return (struct raft_now){.mono_us = small->now_us,
                             .unix_ms = 1700000000000 + small->now_us / 1000};
}

void small_start(struct member *member)
{
    struct small *small = member->small;
    assert(member->node == NULL);
    struct store_options options = {.directory = member->directory,
                                    .id = member->id,
                                    .address = member->address,
                                    .version = "small",
                                    .tail_bytes_max = 2000,
                                    .key_window = 1000,
                                    .instance_seed = prng_u64(&small->prng)};
    struct node_settings settings = {.id = member->id,
                                     .cluster = "small",
                                     .advertise = member->address,
                                     .version = "small",
                                     .bootstrap = member->bootstrap,
                                     .election_timeout_us = 1000000,
                                     .heartbeat_us = 100000,
                                     .request_timeout_us = 3000000,
                                     .catch_up_us = 10000000,
                                     .disk_stall_us = 5000000,
                                     .max_payload = 100000,
                                     .max_clients = 10,
                                     .max_pending_bytes = 1000000,
                                     .cache_bytes = 1000,
                                     .key_window = 1000,
                                     .forward = true};
    struct node_net net = {.context = member,
                           .send = net_send,
                           .close = net_close,
                           .pause = net_pause,
                           .dial = net_dial,
                           .note = net_note};
    struct node_parameters none = {.get = no_parameter, .set = set_nothing};
    struct store_error error = {0};
    char why[256] = "";
    member->store = store_open(&options, &error);
    if (member->store != NULL) {
        member->node = node_new(&settings, store_start(member->store),
                                store_node(member->store), net, none,
                                prng_u64(&small->prng), now_of(small), why);
        store_started(member->store);
    }
    if (member->node == NULL) {
        printf("node %lu does not start: %s%s\n", (unsigned long)member->id,
               error.text, why);
        exit(1);
    }
}

void small_kill(struct member *member)
{
    struct small *small = member->small;
    struct node *node = member->node;
    if (node == NULL) {
        return;
    }
    member->node = NULL;
    for (size_t i = 0; i < PIPES_MAX; i++) {
        struct pipe *pipe = &small->pipes[i];
        if (pipe->used && (pipe->end[0] == member || pipe->end[1] == member)) {
            int other = pipe->end[0] == member ? 1 : 0;
            bool knows = pipe->open || other == 0;
            if (knows && !pipe->closed[other] &&
                pipe->end[other]->node != NULL) {
                tell(pipe->end[other],
                     pipe->open ? NODE_INPUT_CLOSED : NODE_INPUT_DIALLED,
                     pipe->conn[other], false);
            }
            pipe->used = false;
        }
    }
    node_free(node);
    store_close(member->store);
    member->store = NULL;
    member->app = 0;
    member->asked_count = 0;
    buf_clear(&member->heard);
}

static void on_saved(void *context, enum node_save_result result)
{
    struct member *member = context;
    struct node_input input = {.type = NODE_INPUT_SAVED, .saved = result};
    node_input(member->node, &input);
}

static void on_read(void *context, struct node_read_answer *answer)
{
    struct member *member = context;
    struct node_input input = {.type = NODE_INPUT_READ, .read = answer};
    node_input(member->node, &input);
}

static void on_file(void *context, struct node_file_answer *answer)
{
    struct member *member = context;
    struct node_input input = {.type = NODE_INPUT_FILE, .file = answer};
    node_input(member->node, &input);
}

void small_step(struct small *small)
{
    small->now_us += prng_range(&small->prng, 500, 20000);
    for (size_t i = 0; i < PIPES_MAX; i++) {
        if (small->pipes[i].used && !prng_chance(&small->prng, 4)) {
            move_pipe(&small->pipes[i]);
        }
    }
    for (size_t i = 0; i < small->member_count; i++) {
        struct member *member = &small->members[i];
        if (member->node == NULL) {
            continue;
        }
        struct store_answers answers = {.context = member,
                                        .saved = on_saved,
                                        .read = on_read,
                                        .file = on_file};
        store_poll(member->store, &answers);
        node_turn(member->node, now_of(small));
        hear(member);
    }
}

void small_free(struct small *small)
{
    for (size_t i = 0; i < small->member_count; i++) {
        small_kill(&small->members[i]);
        buf_free(&small->members[i].heard);
    }
    for (size_t i = 0; i < PIPES_MAX; i++) {
        buf_free(&small->pipes[i].bytes[0]);
        buf_free(&small->pipes[i].bytes[1]);
    }
}
