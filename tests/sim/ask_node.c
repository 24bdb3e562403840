/* The node itself: PING, ROLE, and what changes nothing. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app.h"
#include "base/mem.h"

static void ping_answered(struct app *app, const struct asked *asked,
                          const struct resp_value *value)
{
    (void)asked;
    if (value->type != RESP_SIMPLE || !ask_is_text(value, "PONG")) {
        ask_wrong(app, "PING", value);
    }
}

void ask_ping(struct app *app, struct buf *buf)
{
    ask_note(app, ping_answered);
    buf_append_text(buf, "PING\r\n");
}

static void echo_answered(struct app *app, const struct asked *asked,
                          const struct resp_value *value)
{
    char text[24];
    snprintf(text, sizeof(text), "%llu", (unsigned long long)asked->argument);
    if (value->type != RESP_BULK || !ask_is_text(value, text)) {
        ask_wrong(app, "ECHO", value);
    }
}

void ask_echo(struct app *app, struct buf *buf)
{
    struct asked *asked = ask_note(app, echo_answered);
    asked->argument = prng_u64(&app->world->prng);
    buf_printf(buf, "echo %llu\n", (unsigned long long)asked->argument);
}

static void role_answered(struct app *app, const struct asked *asked,
                          const struct resp_value *value)
{
    (void)asked;
    if (value->type != RESP_ARRAY || value->count < 4 ||
        (raft_index)value->children[3].integer > app->world->checks.count) {
        ask_wrong(app, "ROLE", value);
    }
}

void ask_role(struct app *app, struct buf *buf)
{
    ask_note(app, role_answered);
    buf_append_text(buf, "ROLE\r\n");
}

static void text_answered(struct app *app, const struct asked *asked,
                          const struct resp_value *value)
{
    (void)asked;
    if (value->type == RESP_ERROR) {
        ask_wrong(app, "a question about the node", value);
    }
}

/* They change nothing: what is known is that they are answered. */
void ask_about(struct app *app, struct buf *buf)
{
    static const char *const questions[] = {
        "INFO",        "CONFIG",  "PING",    "CONFIG GET *", "COMMAND",
        "CLIENT LIST", "HELLO 3", "HELLO 2", "SELECT 0",     "WHY"};
    ask_note(app, text_answered);
    buf_printf(buf, "%s\r\n", questions[prng_below(&app->world->prng, 10)]);
}
