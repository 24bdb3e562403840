/* SUBMIT: what an app is promised, and what an error says. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app.h"
#include "base/mem.h"

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
        if (ask_is_error(value, errors[i].word)) {
            submit->fate = errors[i].says_no ? FATE_REFUSED : FATE_UNKNOWN;
            world_happened(app->world, errors[i].counts);
            return;
        }
    }
    ask_wrong(app, "SUBMIT", value);
}

static void submit_answered(struct app *app, const struct asked *asked,
                            const struct resp_value *value)
{
    if (value->type != RESP_INTEGER) {
        unsigned leader;
        if (ask_is_error(value, "NOTLEADER") &&
            sscanf(value->data, "NOTLEADER %u ", &leader) == 1) {
            app->told = &app->world->hosts[leader];
        }
        refused(app, asked, value);
        return;
    }
    raft_index index = (raft_index)value->integer;
    history_acked(app->world, asked->number, index, asked->known_before);
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
    if (!ask_is_error(value, "TOOBIG")) {
        ask_wrong(app, "a payload that is too large", value);
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
    struct asked *asked = ask_note(app, check);
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

void ask_submit(struct app *app, struct buf *buf)
{
    add_submit(app, buf, some_size(app), submit_answered);
}

void ask_too_big(struct app *app, struct buf *buf)
{
    add_submit(app, buf, MAX_PAYLOAD + 1, too_big_answered);
}
