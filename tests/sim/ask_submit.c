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
    {"FORGOTTEN", true, HAPPENED_FORGOTTEN},
    {"STALE", true, HAPPENED_STALE},
    {"UNCERTAIN", false, HAPPENED_UNCERTAIN},
};

/* What the error says beside 'no' must be so, too. */
static void check_reason(struct app *app, const struct submit *submit,
                         const struct resp_value *value)
{
    const struct checks *checks = &app->world->checks;
    const char *text = ask_text(value);
    unsigned long long said = 0;
    if (ask_is_error(value, "FORGOTTEN")) {
        keys_forgotten_by_leader(app->world, text,
                                 checks->keys[submit->key].since);
    } else if (sscanf(text, "STALE %llu ", &said) == 1) {
        if (submit->after == RAFT_INDEX_NONE || said <= submit->after ||
            said > checks->count ||
            checks->log[said - 1].kind != RAFT_KIND_APP) {
            ask_wrong(app, "SUBMIT AFTER", value);
        }
        history_known(app->world, said);
    } else if (sscanf(text, "FENCED %llu ", &said) == 1) {
        if (submit->fence == 0 || said == submit->fence ||
            check_leader_of(app->world, said) == NULL) {
            ask_wrong(app, "SUBMIT TERM", value);
        }
    }
}

static void refused(struct app *app, const struct asked *asked,
                    const struct resp_value *value)
{
    struct submit *submit = &app->world->checks.submits[asked->number];
    for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
        if (ask_is_error(value, errors[i].word)) {
            submit->fate = errors[i].says_no ? FATE_REFUSED : FATE_UNKNOWN;
            world_happened(app->world, errors[i].counts);
            check_reason(app, submit, value);
            app->again = errors[i].says_no ? app->again : submit->key;
            return;
        }
    }
    ask_wrong(app, "SUBMIT", value);
}

static bool is_of_another(const struct app *app, const struct asked *asked,
                          raft_index index)
{
    const struct checks *checks = &app->world->checks;
    return index > 0 && index <= checks->count &&
           checks->log[index - 1].submit != asked->number;
}

static void submit_answered(struct app *app, const struct asked *asked,
                            const struct resp_value *value)
{
    if (value->type != RESP_INTEGER) {
        unsigned leader;
        if (ask_is_error(value, "NOTLEADER") &&
            sscanf(ask_text(value), "NOTLEADER %u ", &leader) == 1) {
            app->told = &app->world->hosts[leader];
        }
        refused(app, asked, value);
        return;
    }
    raft_index index = (raft_index)value->integer;
    const struct submit *submit = &app->world->checks.submits[asked->number];
    app->acknowledged++;
    if (submit->key != 0 && is_of_another(app, asked, index)) {
        history_found(app->world, asked->number, index);
        return;
    }
    history_acked(app->world, asked->number, index, asked->known_before);
    if (index <= app->last_of_connection) {
        world_fail(app->world, "order of one connection",
                   "app %u: a later SUBMIT is entry %llu, an earlier one %llu",
                   app->number, (unsigned long long)index,
                   (unsigned long long)app->last_of_connection);
    }
    if (submit->fence != 0) {
        world_happened(app->world, HAPPENED_ACKED_IN_TERM);
    }
    if (submit->after != RAFT_INDEX_NONE) {
        world_happened(app->world, HAPPENED_ACKED_AFTER);
    }
    app->last_of_connection = index;
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

/* What is asked for beside the payload: as words, an option and its value. */
static unsigned add_option(struct buf *words, const char *name,
                           const char *value)
{
    buf_printf(words, "$%zu\r\n%s\r\n$%zu\r\n%s\r\n", strlen(name), name,
               strlen(value), value);
    return 2;
}

static unsigned add_number(struct buf *words, const char *name, uint64_t value)
{
    char text[24];
    snprintf(text, sizeof(text), "%llu", (unsigned long long)value);
    return add_option(words, name, text);
}

/* A key, most often that of an attempt whose end nobody knows. */
static unsigned add_key(struct app *app, struct submit *submit,
                        struct buf *words)
{
    struct world *world = app->world;
    char text[RAFT_KEY_MAX + 1];
    submit->key = app->again;
    if (submit->key == 0 || prng_chance(&world->prng, 3)) {
        submit->key = keys_some(world);
    }
    app->again = 0;
    keys_text(submit->key, text);
    unsigned count = add_option(words, "KEY", text);
    raft_index since = world->checks.keys[submit->key].since;
    if (since != RAFT_INDEX_NONE) {
        count += add_number(words, "SINCE", since);
    }
    return count;
}

/* After the last entry that is known, mostly. */
static raft_index some_after(struct world *world)
{
    raft_index known = world->checks.known_max;
    return prng_chance(&world->prng, 4) ? prng_below(&world->prng, known + 3)
                                        : known;
}

static unsigned add_options(struct app *app, struct submit *submit,
                            struct buf *words)
{
    struct world *world = app->world;
    struct prng *prng = &world->prng;
    unsigned count = 0;
    if (prng_chance(prng, 10)) {
        count += add_number(words, "TIMEOUT", 500);
    }
    if (app->token != 0 && prng_chance(prng, 4)) {
        submit->fence = app->token;
        count += add_number(words, "TERM", submit->fence);
    }
    if (prng_below(prng, 1000) < world->mix.after) {
        submit->after = some_after(world);
        count += add_number(words, "AFTER", submit->after);
    }
    if (prng_below(prng, 1000) < world->mix.keyed) {
        count += add_key(app, submit, words);
    }
    return count;
}

static void add_submit(struct app *app, struct buf *buf, size_t size,
                       answer_check *check)
{
    struct asked *asked = ask_note(app, check);
    struct buf words = {0};
    asked->number = history_submit(app->world, size);
    struct submit *submit = &app->world->checks.submits[asked->number];
    unsigned count = add_options(app, submit, &words);
    buf_printf(buf, "*%u\r\n$6\r\nSUBMIT\r\n", 2 + count);
    add_payload(buf, asked->number, size);
    buf_append(buf, words.data, words.size);
    buf_free(&words);
}

void ask_submit(struct app *app, struct buf *buf)
{
    add_submit(app, buf, some_size(app), submit_answered);
}

void ask_too_big(struct app *app, struct buf *buf)
{
    add_submit(app, buf, MAX_PAYLOAD + 1, too_big_answered);
}
