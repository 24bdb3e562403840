/* What curious apps ask beside: every command in every form, and parameters
 * that change while the node runs.  And probes, as HTTP asks them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app.h"

static void ask_some(struct app *app, struct buf *buf, const char *const *words,
                     size_t count, answer_check *check)
{
    ask_note(app, check);
    buf_printf(buf, "%s\r\n", words[prng_below(&app->world->prng, count)]);
}

/* ---- what is no request ------------------------------------------------- */

static void bad_answered(struct app *app, const struct asked *asked,
                         const struct resp_value *value)
{
    (void)asked;
    if (!ask_is_error(value, "ERR")) {
        ask_wrong(app, "what cannot be asked", value);
    }
    world_happened(app->world, HAPPENED_BAD);
}

static void ask_bad(struct app *app, struct buf *buf)
{
    static const char *const words[] = {"NOSUCH thing",
                                        "SUBMIT",
                                        "SUBMIT x KEY",
                                        "SUBMIT x KEY \"\"",
                                        "SUBMIT x SINCE 1",
                                        "SUBMIT x TERM t",
                                        "SUBMIT x AFTER 1 AFTER 1",
                                        "SUBMIT x WHENEVER 1",
                                        "OUTCOME k SINCE",
                                        "OUTCOME k UNTIL 1",
                                        "READ 1 COUNT 0",
                                        "READ 1 BLOCK",
                                        "READ -1",
                                        "WAIT soon",
                                        "BARRIER soon",
                                        "DIGEST x",
                                        "ACK x",
                                        "COMPACT 1 PLEASE",
                                        "SNAPSHOT",
                                        "SNAPSHOT BEGIN x",
                                        "CONFIG SET mood",
                                        "CONFIG SET nothing 1",
                                        "CONFIG WHAT",
                                        "CLIENT WHAT",
                                        "COMMAND WHAT",
                                        "SELECT 1"};
    ask_some(app, buf, words, sizeof(words) / sizeof(words[0]), bad_answered);
}

/* ---- what changes nothing ----------------------------------------------- */

static void any_answered(struct app *app, const struct asked *asked,
                         const struct resp_value *value)
{
    (void)asked;
    if (value->type == RESP_ERROR) {
        ask_wrong(app, "a question about the node", value);
    }
}

static void ask_text_of(struct app *app, struct buf *buf)
{
    static const char *const words[] = {"PING hello",
                                        "INFO raft peers",
                                        "INFO everything",
                                        "COMMAND COUNT",
                                        "COMMAND LIST",
                                        "COMMAND DOCS",
                                        "COMMAND DOCS ping",
                                        "COMMAND INFO",
                                        "COMMAND INFO get ping",
                                        "CLIENT ID",
                                        "CLIENT GETNAME",
                                        "CLIENT SETNAME sim",
                                        "CLIENT INFO",
                                        "CLIENT SETINFO lib-name sim",
                                        "HELLO 3 SETNAME a",
                                        "HELLO 2 SETNAME b"};
    ask_some(app, buf, words, sizeof(words) / sizeof(words[0]), any_answered);
}

/* ---- parameters --------------------------------------------------------- */

static void set_answered(struct app *app, const struct asked *asked,
                         const struct resp_value *value)
{
    (void)asked;
    if (value->type != RESP_SIMPLE || !ask_is_text(value, "OK")) {
        ask_wrong(app, "CONFIG SET", value);
    }
    world_happened(app->world, HAPPENED_SET);
}

static void get_answered(struct app *app, const struct asked *asked,
                         const struct resp_value *value)
{
    (void)asked;
    if ((value->type != RESP_ARRAY && value->type != RESP_MAP) ||
        value->count != 2 || !ask_is_text(&value->children[0], "mood")) {
        ask_wrong(app, "CONFIG GET", value);
    }
}

static void ask_parameters(struct app *app, struct buf *buf)
{
    struct world *world = app->world;
    if (!world->mix.moody || world->calm || prng_chance(&world->prng, 3)) {
        ask_note(app, get_answered);
        buf_append_text(buf, "CONFIG GET mo*\r\n");
        return;
    }
    ask_note(app, set_answered);
    buf_printf(buf, "CONFIG SET mood %llu\r\n",
               (unsigned long long)prng_below(&world->prng, 1000000));
}

/* ---- of the log --------------------------------------------------------- */

static void ack_answered(struct app *app, const struct asked *asked,
                         const struct resp_value *value)
{
    bool ok = value->type == RESP_SIMPLE && ask_is_text(value, "OK");
    if (!ok && !ask_is_error(value, "ERR") && !ask_is_error(value, "DISK") &&
        !ask_is_error(value, "COMPACTED")) {
        ask_wrong(app, "ACK", value);
    }
    if (ok && app->host->life == app->ask.life &&
        app->host->acks_saved == asked->argument) {
        ask_wrong(app, "an ACK that is not saved", value);
    }
}

static void ask_ack(struct app *app, struct buf *buf)
{
    raft_index index =
        prng_below(&app->world->prng, app->world->checks.known_max + 2);
    ask_note(app, ack_answered)->argument = app->host->acks_saved;
    buf_printf(buf, "ACK %llu\r\n", (unsigned long long)index);
    if (index > app->host->acked) {
        app->host->acked = index;
    }
}

/* ---- the connection ----------------------------------------------------- */

static void reset_answered(struct app *app, const struct asked *asked,
                           const struct resp_value *value)
{
    (void)asked;
    if (value->type != RESP_SIMPLE || !ask_is_text(value, "RESET")) {
        ask_wrong(app, "RESET", value);
    }
    app->uploads = false;
    app->reads_index = 0;
}

/* What was asked before is answered, whatever it was. */
static void ask_reset(struct app *app, struct buf *buf)
{
    ask_note(app, reset_answered)->resets = true;
    buf_append_text(buf, "RESET\r\n");
}

static void quit_answered(struct app *app, const struct asked *asked,
                          const struct resp_value *value)
{
    (void)asked;
    if (value->type != RESP_SIMPLE || !ask_is_text(value, "OK")) {
        ask_wrong(app, "QUIT", value);
    }
    world_happened(app->world, HAPPENED_QUIT);
}

void ask_quit(struct app *app, struct buf *buf)
{
    ask_note(app, quit_answered);
    app->spoilt = true; /* nothing is answered behind it */
    buf_append_text(buf, "QUIT\r\n");
}

/* ---- probes ------------------------------------------------------------- */

static void probe_fails(const struct host *host, const char *what,
                        const struct buf *text)
{
    world_fail(host->world, "probes", "n%lu: %s: %.*s", (unsigned long)host->id,
               what, (int)text->size, (const char *)text->data);
}

/* As a monitor asks for them, at any time. */
static void probe(const struct host *host)
{
    struct buf text = {0};
    bool healthy = node_healthy(host->node, &text);
    bool ready = node_ready(host->node, &text);
    if (ready && !healthy) {
        probe_fails(host, "ready, and not healthy", &text);
    }
    buf_clear(&text);
    node_status_json(host->node, &text);
    if (text.size < 2 || text.data[0] != '{') {
        probe_fails(host, "no JSON", &text);
    }
    buf_clear(&text);
    node_metrics(host->node, &text);
    if (text.size == 0 || text.data[text.size - 1] != '\n') {
        probe_fails(host, "no metrics", &text);
    }
    buf_free(&text);
    world_happened(host->world, ready ? HAPPENED_READY : HAPPENED_NOT_READY);
}

/* ---- any of them -------------------------------------------------------- */

void ask_other(struct app *app, struct buf *buf)
{
    static ask_command *const asks[] = {ask_bad, ask_text_of, ask_parameters,
                                        ask_ack, ask_reset};
    struct prng *prng = &app->world->prng;
    if (app->host->node != NULL && prng_chance(prng, 4)) {
        probe(app->host);
    }
    asks[prng_below(prng, sizeof(asks) / sizeof(asks[0]))](app, buf);
}
