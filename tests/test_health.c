/* A node whose disk hangs, or does not read: what its probes and its app are
 * told.  The store is one of the test's own, which answers when it is told. */
#include "check.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "node/node.h"

#define STALL_US ((uint64_t)5000000)

static struct node *node;
static uint64_t now_us;
static bool save_waits; /* a save has no answer yet */
static bool hangs;
static struct node_read read_asked;
static bool read_waits;
static struct buf heard; /* by the app */

/* ---- the outside -------------------------------------------------------- */

static void store_save(void *context, const struct node_save *save)
{
    (void)context;
    (void)save;
    save_waits = true;
}

static void store_read(void *context, const struct node_read *read)
{
    (void)context;
    read_asked = *read;
    read_waits = true;
}

static void store_file(void *context, const struct node_file_request *request)
{
    (void)context;
    (void)request;
    fail();
}

static void store_stats(void *context, struct node_store_stats *stats)
{
    (void)context;
    *stats = (struct node_store_stats){0};
}

static void net_send(void *context, node_conn conn, struct out *out)
{
    struct out_cursor cursor = out_begin(out);
    struct out_span span;
    (void)context;
    (void)conn;
    while (out_next(&cursor, &span)) {
        buf_append(&heard, span.data, span.size);
    }
    out_free(out);
}

static void net_close(void *context, node_conn conn, bool flush)
{
    (void)context;
    (void)conn;
    (void)flush;
}

static void net_dial(void *context, node_conn conn, const char *address)
{
    (void)context;
    (void)conn;
    (void)address;
}

static void net_note(void *context, enum log_level level, const char *text)
{
    (void)context;
    (void)level;
    (void)text;
}

static struct raft_now now(void)
{
    return (struct raft_now){.mono_us = now_us, .unix_ms = now_us / 1000};
}

static void step(uint64_t us)
{
    now_us += us;
    if (save_waits && !hangs) {
        struct node_input input = {.type = NODE_INPUT_SAVED,
                                   .saved = NODE_SAVE_OK};
        save_waits = false;
        node_input(node, &input);
    }
    node_turn(node, now());
}

/* An app says this on its one connection. */
static void say(const char *line)
{
    struct node_input input = {.type = NODE_INPUT_BYTES,
                               .conn = 1,
                               .data = (const uint8_t *)line,
                               .size = strlen(line)};
    buf_clear(&heard);
    node_input(node, &input);
    for (int i = 0; i < 20; i++) {
        step(1000);
    }
}

static bool hears(const char *text)
{
    buf_append_u8(&heard, 0);
    bool found = strstr((const char *)heard.data, text) != NULL;
    heard.size--;
    return found;
}

/* ---- a node that leads alone -------------------------------------------- */

static int setup(void **state)
{
    (void)state;
    char why[256];
    struct node_settings settings = {.id = 1,
                                     .cluster = "health",
                                     .advertise = "h1:1",
                                     .version = "test",
                                     .bootstrap = "1=h1:1",
                                     .election_timeout_us = 1000000,
                                     .heartbeat_us = 100000,
                                     .request_timeout_us = 3000000,
                                     .catch_up_us = 10000000,
                                     .disk_stall_us = STALL_US,
                                     .max_payload = 100000,
                                     .max_clients = 10,
                                     .max_pending_bytes = 1000000,
                                     .cache_bytes = 1,
                                     .key_window = 100,
                                     .forward = true};
    struct node_store store = {.save = store_save,
                               .read = store_read,
                               .file = store_file,
                               .stats = store_stats};
    struct node_net net = {.send = net_send,
                           .close = net_close,
                           .dial = net_dial,
                           .note = net_note};
    struct node_parameters none = {0};
    struct node_start start = {.identity = {.id = 1, .instance = 7, .boot = 1}};
    start.raft.vote = RAFT_ID_NONE;
    now_us = 1000;
    hangs = false;
    save_waits = false;
    read_waits = false;
    node = node_new(&settings, &start, store, net, none, 1, now(), why);
    if (node == NULL) {
        return 1;
    }
    for (int i = 0; i < 400; i++) {
        step(10000);
    }
    struct node_input open = {.type = NODE_INPUT_APP_OPEN, .conn = 1};
    node_input(node, &open);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    node_free(node);
    buf_free(&heard);
    return 0;
}

#define WITH_NODE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

/* What a probe is told has this in it, and it is well or not. */
static bool probe(bool (*ask)(const struct node *asked, struct buf *text),
                  const char *word)
{
    struct buf text = {0};
    bool well = ask(node, &text);
    buf_append_u8(&text, 0);
    if (strstr((const char *)text.data, word) == NULL) {
        fail_msg("no '%s' in: %s", word, (const char *)text.data);
    }
    buf_free(&text);
    return well;
}

/* ---- tests -------------------------------------------------------------- */

static void a_disk_that_hangs_is_told_until_it_saves_again(void **state)
{
    (void)state;
    say("SUBMIT one\r\n");
    assert_true(hears(":3\r\n"));
    assert_true(probe(node_healthy, "ok   disk: it saves"));
    assert_true(probe(node_ready, "ok   leader: one is there"));
    hangs = true;
    say("SUBMIT two\r\n");
    assert_true(save_waits);
    assert_false(hears(":"));
    step(STALL_US / 2);
    assert_true(probe(node_healthy, "ok   disk: it saves"));
    step(STALL_US);
    assert_false(probe(node_healthy, "FAIL disk: a save takes longer than "
                                     "disk-stall-timeout"));
    assert_false(probe(node_ready, "FAIL disk"));
    hangs = false;
    step(1000);
    assert_true(probe(node_healthy, "ok   disk: it saves"));
}

static void a_read_that_fails_is_told_and_may_be_asked_again(void **state)
{
    (void)state;
    for (int i = 0; i < 30; i++) {
        say("SUBMIT x\r\n");
    }
    say("READ 3 COUNT 1\r\n");
    assert_true(read_waits);
    assert_int_equal(read_asked.first, 3);
    struct node_read_answer answer = {.request = read_asked.request,
                                      .result = NODE_READ_FAILED,
                                      .first = read_asked.first};
    struct node_input input = {.type = NODE_INPUT_READ, .read = &answer};
    node_input(node, &input);
    step(1000);
    assert_true(hears("-DISK "));
    read_waits = false;
    say("READ 3 COUNT 1\r\n");
    assert_true(read_waits);
}

static void a_stream_ends_where_the_disk_does_not_read(void **state)
{
    (void)state;
    for (int i = 0; i < 30; i++) {
        say("SUBMIT x\r\n");
    }
    say("FOLLOW 3\r\n");
    assert_true(read_waits);
    struct node_read_answer answer = {.request = read_asked.request,
                                      .result = NODE_READ_FAILED,
                                      .first = read_asked.first};
    struct node_input input = {.type = NODE_INPUT_READ, .read = &answer};
    node_input(node, &input);
    step(1000);
    assert_true(hears("-DISK "));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_NODE(a_disk_that_hangs_is_told_until_it_saves_again),
        WITH_NODE(a_read_that_fails_is_told_and_may_be_asked_again),
        WITH_NODE(a_stream_ends_where_the_disk_does_not_read),
    };
    return RUN(tests);
}
