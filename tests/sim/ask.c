/* What apps ask, and what the answers must be. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app.h"
#include "base/mem.h"

static struct asked *note(struct app *app, answer_check *check)
{
    struct asked *asked = &app->open[app->open_count++];
    *asked = (struct asked){.check = check,
                            .asked_us = app->world->now_us,
                            .acked_before = app->world->checks.acked_max};
    return asked;
}

static bool is_error(const struct resp_value *value, const char *word)
{
    size_t length = strlen(word);
    return value->type == RESP_ERROR && value->size > length &&
           memcmp(value->data, word, length) == 0 && value->data[length] == ' ';
}

static void wrong(struct app *app, const char *what,
                  const struct resp_value *value)
{
    world_fail(app->world, "answers", "app %u: %s is answered %lld %.*s",
               app->number, what, (long long)value->integer,
               value->data == NULL ? 0 : (int)value->size,
               value->data == NULL ? "" : value->data);
}

/* ---- SUBMIT ------------------------------------------------------------- */

/* An error that says 'no' must be true: raftsc-app(7). */
static const struct {
    const char *word;
    bool says_no;
    enum happening counts;
} errors[] = {
    {"NOTLEADER", true, HAPPENED_NOT_LEADER},
    {"NOLEADER", true, HAPPENED_NO_LEADER},
    {"BUSY", true, HAPPENED_BUSY},
    {"TOOBIG", true, HAPPENED_TOO_BIG},
    {"DISK", true, HAPPENED_DISK},
    {"FENCED", true, HAPPENED_FENCED},
    {"NOCONFIG", true, HAPPENED_NO_CONFIG},
    {"UNCERTAIN", false, HAPPENED_UNCERTAIN},
};

static void refused(struct app *app, const struct asked *asked,
                    const struct resp_value *value)
{
    struct submit *submit = &app->world->checks.submits[asked->number];
    for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
        if (is_error(value, errors[i].word)) {
            submit->fate = errors[i].says_no ? FATE_REFUSED : FATE_UNKNOWN;
            world_happened(app->world, errors[i].counts);
            return;
        }
    }
    wrong(app, "SUBMIT", value);
}

static void submit_answered(struct app *app, const struct asked *asked,
                            const struct resp_value *value)
{
    if (value->type != RESP_INTEGER) {
        unsigned leader;
        if (is_error(value, "NOTLEADER") &&
            sscanf(value->data, "NOTLEADER %u ", &leader) == 1) {
            app->told = &app->world->hosts[leader];
        }
        refused(app, asked, value);
        return;
    }
    raft_index index = (raft_index)value->integer;
    history_acked(app->world, asked->number, index, asked->acked_before);
    if (index <= app->last_of_connection) {
        world_fail(app->world, "order of one connection",
                   "app %u: a later SUBMIT is entry %llu, an earlier one %llu",
                   app->number, (unsigned long long)index,
                   (unsigned long long)app->last_of_connection);
    }
    raft_term term = app->world->checks.log[index - 1].term;
    if (asked->fence != 0 && term != asked->fence) {
        world_fail(app->world, "fencing",
                   "app %u: SUBMIT TERM %llu is entry %llu of t%llu",
                   app->number, (unsigned long long)asked->fence,
                   (unsigned long long)index, (unsigned long long)term);
    }
    if (asked->fence != 0) {
        world_happened(app->world, HAPPENED_ACKED_IN_TERM);
    }
    app->last_of_connection = index;
    app->acknowledged++;
}

static void too_big_answered(struct app *app, const struct asked *asked,
                             const struct resp_value *value)
{
    if (!is_error(value, "TOOBIG")) {
        wrong(app, "a payload that is too large", value);
    }
    refused(app, asked, value);
}

static size_t some_size(const struct app *app)
{
    struct prng *prng = &app->world->prng;
    bool large = prng_chance(prng, app->world->mix.large ? 3 : 50);
    return (size_t)prng_range(prng, 24, large ? MAX_PAYLOAD : 300);
}

static void add_payload(struct buf *buf, uint64_t number, size_t size)
{
    char *payload = x_malloc(size + 1);
    memset(payload, '.', size);
    int length = snprintf(payload, size, "%020llu", (unsigned long long)number);
    payload[length] = ' ';
    buf_printf(buf, "$%zu\r\n", size);
    buf_append(buf, payload, size);
    buf_append_text(buf, "\r\n");
    free(payload);
}

static void add_submit(struct app *app, struct buf *buf, size_t size,
                       answer_check *check)
{
    struct prng *prng = &app->world->prng;
    struct asked *asked = note(app, check);
    asked->number = history_submit(app->world, size);
    bool timed = prng_chance(prng, 10);
    bool fenced = app->token != 0 && prng_chance(prng, 4);
    buf_printf(buf, "*%d\r\n$6\r\nSUBMIT\r\n", 2 + 2 * timed + 2 * fenced);
    add_payload(buf, asked->number, size);
    if (timed) {
        buf_append_text(buf, "$7\r\nTIMEOUT\r\n$3\r\n500\r\n");
    }
    if (fenced) {
        char term[24];
        int length = snprintf(term, sizeof(term), "%llu",
                              (unsigned long long)app->token);
        asked->fence = app->token;
        buf_printf(buf, "$4\r\nTERM\r\n$%d\r\n%s\r\n", length, term);
    }
}

static void ask_submit(struct app *app, struct buf *buf)
{
    add_submit(app, buf, some_size(app), submit_answered);
}

static void ask_too_big(struct app *app, struct buf *buf)
{
    add_submit(app, buf, MAX_PAYLOAD + 1, too_big_answered);
}

/* ---- BARRIER, WAIT ------------------------------------------------------ */

static void timed_out(struct app *app, const char *what,
                      const struct resp_value *value)
{
    static const char *const words[] = {"TIMEOUT", "NOLEADER", "NOTLEADER",
                                        "NOCONFIG", "BUSY"};
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (is_error(value, words[i])) {
            world_happened(app->world, HAPPENED_TIMEOUT);
            return;
        }
    }
    wrong(app, what, value);
}

static void barrier_answered(struct app *app, const struct asked *asked,
                             const struct resp_value *value)
{
    if (value->type != RESP_INTEGER) {
        timed_out(app, "BARRIER", value);
        return;
    }
    if ((raft_index)value->integer < asked->acked_before) {
        world_fail(app->world, "BARRIER is linearizable",
                   "app %u gets %lld, but %llu was acknowledged before it "
                   "asked",
                   app->number, (long long)value->integer,
                   (unsigned long long)asked->acked_before);
    }
    world_happened(app->world, HAPPENED_BARRIER);
}

static void ask_barrier(struct app *app, struct buf *buf)
{
    note(app, barrier_answered);
    buf_append_text(buf, "BARRIER\r\n");
}

static void wait_answered(struct app *app, const struct asked *asked,
                          const struct resp_value *value)
{
    if (value->type != RESP_INTEGER) {
        timed_out(app, "WAIT", value);
        return;
    }
    raft_index index = (raft_index)value->integer;
    if (index < asked->argument || index > app->world->checks.count) {
        wrong(app, "WAIT", value);
    }
    world_happened(app->world, HAPPENED_WAIT);
}

static void ask_wait(struct app *app, struct buf *buf)
{
    struct asked *asked = note(app, wait_answered);
    asked->argument =
        app->world->checks.count + prng_below(&app->world->prng, 3);
    buf_printf(buf, "WAIT %llu 1000\n", (unsigned long long)asked->argument);
}

/* ---- entries ------------------------------------------------------------ */

/* [index, term, payload] against what is committed. */
static void check_entry(struct app *app, const struct resp_value *fields)
{
    const struct checks *checks = &app->world->checks;
    raft_index index = (raft_index)fields[0].integer;
    if (index == 0 || index > checks->count) {
        world_fail(app->world, "delivered is committed",
                   "app %u got entry %llu, which is not", app->number,
                   (unsigned long long)index);
    }
    const struct committed *committed = &checks->log[index - 1];
    uint64_t number = history_number(fields[2].data, fields[2].size);
    if (committed->submit != number ||
        committed->term != (raft_term)fields[1].integer ||
        checks->submits[number].size != fields[2].size) {
        world_fail(app->world, "delivered is committed",
                   "app %u got another entry %llu", app->number,
                   (unsigned long long)index);
    }
}

/* No app entry lies between `after` and `index`. */
static void check_no_gap(struct app *app, raft_index after, raft_index index)
{
    const struct checks *checks = &app->world->checks;
    for (raft_index at = after + 1; at < index; at++) {
        if (checks->log[at - 1].kind == RAFT_KIND_APP) {
            world_fail(app->world, "no gap and no repeat",
                       "app %u got entry %llu after %llu: %llu is missing",
                       app->number, (unsigned long long)index,
                       (unsigned long long)after, (unsigned long long)at);
        }
    }
    if (index <= after) {
        world_fail(app->world, "no gap and no repeat",
                   "app %u got entry %llu after %llu", app->number,
                   (unsigned long long)index, (unsigned long long)after);
    }
}

static void read_answered(struct app *app, const struct asked *asked,
                          const struct resp_value *value)
{
    raft_index after = asked->argument - 1;
    if (value->type != RESP_ARRAY) {
        if (!is_error(value, "ERR") && !is_error(value, "DISK")) {
            wrong(app, "READ", value);
        }
        return;
    }
    for (size_t i = 0; i < value->count; i++) {
        const struct resp_value *fields = value->children[i].children;
        check_entry(app, fields);
        raft_index index = (raft_index)fields[0].integer;
        check_no_gap(app, after, index);
        after = index;
        world_happened(app->world, HAPPENED_READ);
    }
}

static void ask_read(struct app *app, struct buf *buf)
{
    struct prng *prng = &app->world->prng;
    struct asked *asked = note(app, read_answered);
    asked->argument = prng_range(prng, 1, app->world->checks.count + 2);
    buf_printf(buf, "READ %llu COUNT %llu BLOCK 300\r\n",
               (unsigned long long)asked->argument,
               (unsigned long long)prng_range(prng, 1, 50));
}

void ask_followed(struct app *app, const struct resp_value *value)
{
    bool error = value->type == RESP_ERROR; /* not committed here yet */
    if (is_error(value, "DISK")) {
        app->follow.ended = true;
        return;
    }
    if (app->acks_open > 0 && (error || value->type == RESP_SIMPLE)) {
        app->acks_open--;
        world_happened(app->world, HAPPENED_ACK);
        return;
    }
    if (value->count < 4) {
        wrong(app, "FOLLOW", value);
    }
    check_entry(app, &value->children[1]);
    raft_index index = (raft_index)value->children[1].integer;
    check_no_gap(app, app->followed, index);
    app->followed = index;
    world_happened(app->world, HAPPENED_FOLLOWED);
}

/* ---- EVENTS ------------------------------------------------------------- */

static bool is_text(const struct resp_value *value, const char *text)
{
    return value->size == strlen(text) &&
           memcmp(value->data, text, value->size) == 0;
}

static void leader_event(struct app *app, const struct resp_value *fields)
{
    raft_term term = (raft_term)fields[3].integer;
    const struct host *leader = check_leader_of(app->world, term);
    if (fields[1].integer >= 0 &&
        (leader == NULL || leader->id != (raft_id)fields[1].integer)) {
        world_fail(app->world, "events",
                   "app %u hears that n%lld leads term %llu", app->number,
                   (long long)fields[1].integer, (unsigned long long)term);
    }
}

static void role_event(struct app *app, const struct resp_value *fields)
{
    raft_term term = (raft_term)fields[2].integer;
    if (term < app->event_term) {
        world_fail(app->world, "events",
                   "app %u hears of term %llu after term %llu", app->number,
                   (unsigned long long)term,
                   (unsigned long long)app->event_term);
    }
    app->event_term = term;
    if (!is_text(&fields[1], "leader")) {
        return;
    }
    if (check_leader_of(app->world, term) != app->host) {
        world_fail(app->world, "events",
                   "app %u hears that its node leads term %llu", app->number,
                   (unsigned long long)term);
    }
    app->token = term;
}

void ask_event(struct app *app, const struct resp_value *value)
{
    if (value->count < 3) {
        wrong(app, "EVENTS", value);
    }
    world_happened(app->world, HAPPENED_EVENT);
    if (is_text(&value->children[0], "role")) {
        role_event(app, value->children);
    } else if (is_text(&value->children[0], "leader")) {
        leader_event(app, value->children);
    }
}

/* ---- the node ----------------------------------------------------------- */

static void ping_answered(struct app *app, const struct asked *asked,
                          const struct resp_value *value)
{
    (void)asked;
    if (value->type != RESP_SIMPLE || !is_text(value, "PONG")) {
        wrong(app, "PING", value);
    }
}

static void ask_ping(struct app *app, struct buf *buf)
{
    note(app, ping_answered);
    buf_append_text(buf, "PING\r\n");
}

static void echo_answered(struct app *app, const struct asked *asked,
                          const struct resp_value *value)
{
    char text[24];
    snprintf(text, sizeof(text), "%llu", (unsigned long long)asked->argument);
    if (value->type != RESP_BULK || !is_text(value, text)) {
        wrong(app, "ECHO", value);
    }
}

static void ask_echo(struct app *app, struct buf *buf)
{
    struct asked *asked = note(app, echo_answered);
    asked->argument = prng_u64(&app->world->prng);
    buf_printf(buf, "echo %llu\n", (unsigned long long)asked->argument);
}

static void role_answered(struct app *app, const struct asked *asked,
                          const struct resp_value *value)
{
    (void)asked;
    if (value->type != RESP_ARRAY || value->count < 4 ||
        (raft_index)value->children[3].integer > app->world->checks.count) {
        wrong(app, "ROLE", value);
    }
}

static void ask_role(struct app *app, struct buf *buf)
{
    note(app, role_answered);
    buf_append_text(buf, "ROLE\r\n");
}

static void text_answered(struct app *app, const struct asked *asked,
                          const struct resp_value *value)
{
    (void)asked;
    if (value->type == RESP_ERROR) {
        wrong(app, "a question about the node", value);
    }
}

/* They change nothing: what is known is that they are answered. */
static void ask_about(struct app *app, struct buf *buf)
{
    static const char *const questions[] = {
        "INFO",        "CONFIG",  "CONFIG HISTORY", "CONFIG GET *", "COMMAND",
        "CLIENT LIST", "HELLO 3", "HELLO 2",        "SELECT 0",     "WHY"};
    note(app, text_answered);
    buf_printf(buf, "%s\r\n", questions[prng_below(&app->world->prng, 10)]);
}

/* ---- any of them -------------------------------------------------------- */

static const struct {
    unsigned weight; /* of a hundred */
    void (*ask)(struct app *app, struct buf *buf);
} asks[] = {{58, ask_submit}, {15, ask_barrier}, {8, ask_wait},
            {7, ask_read},    {3, ask_ping},     {3, ask_echo},
            {3, ask_role},    {2, ask_about},    {1, ask_too_big}};

void ask_one(struct app *app, struct buf *buf)
{
    uint64_t drawn = prng_below(&app->world->prng, 100);
    size_t kind = 0;
    while (drawn >= asks[kind].weight) {
        drawn -= asks[kind++].weight;
    }
    asks[kind].ask(app, buf);
}

static void garbage_answered(struct app *app, const struct asked *asked,
                             const struct resp_value *value)
{
    (void)asked;
    if (!is_error(value, "ERR")) {
        wrong(app, "a malformed request", value);
    }
}

void ask_garbage(struct app *app, struct buf *buf)
{
    static const char *const garbage[] = {"*1\r\n$x\r\n", "*1\r\n:3\r\n",
                                          "PING \"open\r\n",
                                          "*1\r\n$999999999999\r\n"};
    note(app, garbage_answered);
    app->spoilt = true;
    world_happened(app->world, HAPPENED_GARBAGE);
    buf_append_text(buf, garbage[prng_below(&app->world->prng, 4)]);
}

void ask_answered(struct app *app, const struct resp_value *value)
{
    if (app->open_count == 0) {
        world_fail(app->world, "one reply to each request",
                   "app %u got a reply to nothing", app->number);
    }
    struct asked asked = app->open[0];
    app->open_count--;
    memmove(&app->open[0], &app->open[1],
            app->open_count * sizeof(app->open[0]));
    bool error = value->type == RESP_ERROR;
    world_trace(app->world, app->host, "app %u: %llu -> %d %lld %.*s",
                app->number, (unsigned long long)asked.number, (int)value->type,
                (long long)value->integer, error ? (int)value->size : 0,
                error ? value->data : "");
    asked.check(app, &asked, value);
}

void ask_forget(struct app *app)
{
    for (size_t i = 0; i < app->open_count; i++) {
        if (app->open[i].number != 0) {
            app->world->checks.submits[app->open[i].number].fate = FATE_UNKNOWN;
        }
    }
    app->open_count = 0;
}
