/* What apps ask, and what the answers must be. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app.h"
#include "base/mem.h"

struct asked *ask_note(struct app *app, answer_check *check)
{
    struct asked *asked = &app->open[app->open_count++];
    *asked = (struct asked){.check = check,
                            .asked_us = app->world->now_us,
                            .known_before = app->world->checks.known_max};
    return asked;
}

bool ask_is_error(const struct resp_value *value, const char *word)
{
    size_t length = strlen(word);
    return value->type == RESP_ERROR && value->size > length &&
           memcmp(value->data, word, length) == 0 && value->data[length] == ' ';
}

const char *ask_text(const struct resp_value *value)
{
    static char text[512];
    snprintf(text, sizeof(text), "%.*s", (int)value->size, value->data);
    return text;
}

void ask_wrong(struct app *app, const char *what,
               const struct resp_value *value)
{
    world_fail(app->world, "answers", "app %u: %s is answered %lld %.*s",
               app->number, what, (long long)value->integer,
               value->data == NULL ? 0 : (int)value->size,
               value->data == NULL ? "" : value->data);
}

bool ask_is_text(const struct resp_value *value, const char *text)
{
    return value->size == strlen(text) &&
           memcmp(value->data, text, value->size) == 0;
}

/* ---- any of them -------------------------------------------------------- */

/* A new command joins here, in a file of its own. */
static const struct {
    unsigned weight;
    ask_command *ask;
} asks[] = {{58, ask_submit}, {15, ask_barrier}, {8, ask_wait},
            {7, ask_read},    {6, ask_outcome},  {3, ask_digest},
            {3, ask_ping},    {3, ask_echo},     {3, ask_role},
            {2, ask_about},   {2, ask_compact},  {4, ask_snapshot},
            {1, ask_too_big}, {1, ask_history}};

void ask_one(struct app *app, struct buf *buf)
{
    if (app->world->mix.curious && prng_chance(&app->world->prng, 8)) {
        ask_other(app, buf);
        return;
    }
    unsigned sum = 0;
    for (size_t i = 0; i < sizeof(asks) / sizeof(asks[0]); i++) {
        sum += asks[i].weight;
    }
    uint64_t drawn = prng_below(&app->world->prng, sum);
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
    if (!ask_is_error(value, "ERR")) {
        ask_wrong(app, "a malformed request", value);
    }
}

void ask_garbage(struct app *app, struct buf *buf)
{
    static const char *const garbage[] = {"*1\r\n$x\r\n", "*1\r\n:3\r\n",
                                          "PING \"open\r\n",
                                          "*1\r\n$999999999999\r\n"};
    ask_note(app, garbage_answered);
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
            struct submit *submit =
                &app->world->checks.submits[app->open[i].number];
            submit->fate = FATE_UNKNOWN;
            app->again = submit->key;
        }
    }
    app->open_count = 0;
}
