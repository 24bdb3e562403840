/* events, and what it shares with follow: the loop over a stream of pushes. */
#include <inttypes.h>
#include <stdio.h>

#include "ctl/command.h"
#include "ctl/interrupt.h"
#include "ctl/json.h"
#include "ctl/members.h"

/* All pushes that have come.  CTL_DONE: go on. */
static enum ctl_status stream_drain(struct ctl *ctl, ctl_push_function *push,
                                    enum client_result *result)
{
    struct resp_value value;

    while ((*result = client_take(ctl->client, &value)) == CLIENT_OK) {
        enum ctl_status answer = push(ctl, &value);

        resp_value_clear(&value);
        if (answer != CTL_DONE)
            return answer;
    }
    return ctl_flush() ? CTL_DONE : CTL_REFUSED;
}

enum ctl_status ctl_stream(struct ctl *ctl, const char *const *words,
                           ctl_push_function *push)
{
    enum ctl_status answer;

    interrupt_catch();
    answer = ctl_connect(ctl);
    if (answer != CTL_DONE)
        return answer;
    ctl_queue_text(ctl, words);
    while (true) {
        enum client_result result;

        answer = stream_drain(ctl, push, &result);
        if (answer != CTL_DONE)
            return answer;
        if (result == CLIENT_EMPTY)
            result = client_turn(ctl->client, -1, NULL, 0);
        if (result == CLIENT_INTERRUPTED)
            return CTL_DONE;
        if (result != CLIENT_OK)
            return ctl_lost(ctl, result, false);
    }
}

/* True where the push is `kind` with these types behind it: 'i' an integer,
 * 't' a text. */
static bool event_is(const struct resp_value *push, const char *kind,
                     const char *types)
{
    if (!ctl_value_is(&push->children[0], kind))
        return false;
    for (size_t i = 0; types[i] != 0; i++) {
        const struct resp_value *field;

        if (i + 1 >= push->count)
            return false;
        field = &push->children[i + 1];
        if (types[i] == 'i' && field->type != RESP_INTEGER)
            return false;
        if (types[i] == 't' && field->type != RESP_BULK &&
            field->type != RESP_SIMPLE)
            return false;
    }
    return true;
}

/* "role " and then a text. */
static void event_begin(const char *words, const struct resp_value *text)
{
    fputs(words, stdout);
    ctl_print_text(text, false);
}

static void event_leader(const struct resp_value *fields)
{
    if (fields[1].integer < 0) {
        fputs("leader none", stdout);
    } else {
        printf("leader %" PRId64, fields[1].integer);
        event_begin(" ", &fields[2]);
    }
    printf(" term %" PRId64 "\n", fields[3].integer);
}

/* False: it is none that raftctl knows. */
static bool event_print(const struct resp_value *push)
{
    const struct resp_value *fields = push->children;

    if (event_is(push, "role", "ti")) {
        event_begin("role ", &fields[1]);
        printf(" term %" PRId64 "\n", fields[2].integer);
    } else if (event_is(push, "leader", "iti")) {
        event_leader(fields);
    } else if (event_is(push, "config", "it")) {
        printf("config %" PRId64, fields[1].integer);
        event_begin(" ", &fields[2]);
        putchar('\n');
    } else if (event_is(push, "cluster", "ti")) {
        event_begin("cluster ", &fields[1]);
        printf(" epoch %" PRIu64 "\n", (uint64_t)fields[2].integer);
    } else if (event_is(push, "change", "ti")) {
        event_begin("change ", &fields[1]);
        printf(" index %" PRId64 "\n", fields[2].integer);
    } else if (event_is(push, "catch-up", "iiii")) {
        printf("catch-up %" PRId64 " match %" PRId64 " of %" PRId64
               " round %" PRId64 "\n",
               fields[1].integer, fields[2].integer, fields[3].integer,
               fields[4].integer);
    } else {
        return false;
    }
    return true;
}

static void event_json_leader(struct json *json,
                              const struct resp_value *fields)
{
    bool known = fields[1].integer >= 0;

    json_name(json, "leader");
    if (known)
        json_i64(json, fields[1].integer);
    else
        json_null(json);
    json_name(json, "address");
    if (known)
        json_text(json, fields[2].data, fields[2].size);
    else
        json_null(json);
    json_named_i64(json, "term", fields[3].integer);
}

/* The fields behind {"event":…; false: none that raftctl knows. */
static bool event_json(struct json *json, const struct resp_value *push)
{
    const struct resp_value *fields = push->children;
    char epoch[CTL_NUMBER_SIZE];

    if (event_is(push, "role", "ti")) {
        json_name(json, "role");
        json_text(json, fields[1].data, fields[1].size);
        json_named_i64(json, "term", fields[2].integer);
    } else if (event_is(push, "leader", "iti")) {
        event_json_leader(json, fields);
    } else if (event_is(push, "config", "it")) {
        json_named_i64(json, "index", fields[1].integer);
        json_name(json, "members");
        members_json(json, fields[2].data, fields[2].size);
    } else if (event_is(push, "cluster", "ti")) {
        /* Epochs use all 64 bits: more than a number in JSON can hold. */
        snprintf(epoch, sizeof(epoch), "%" PRIu64, (uint64_t)fields[2].integer);
        json_name(json, "cluster_id");
        json_text(json, fields[1].data, fields[1].size);
        json_named_text(json, "epoch", epoch);
    } else if (event_is(push, "change", "ti")) {
        json_name(json, "stage");
        json_text(json, fields[1].data, fields[1].size);
        json_named_i64(json, "index", fields[2].integer);
    } else if (event_is(push, "catch-up", "iiii")) {
        json_named_i64(json, "id", fields[1].integer);
        json_named_i64(json, "match", fields[2].integer);
        json_named_i64(json, "target", fields[3].integer);
        json_named_i64(json, "round", fields[4].integer);
    } else {
        return false;
    }
    return true;
}

static bool event_print_json(const struct resp_value *push)
{
    struct json json = {0};
    bool known;

    json_open(&json, '{');
    json_name(&json, "event");
    json_text(&json, push->children[0].data, push->children[0].size);
    known = event_json(&json, push);
    json_close(&json, '}');
    if (known)
        json_print(&json, stdout);
    json_free(&json);
    return known;
}

static enum ctl_status events_push(struct ctl *ctl,
                                   const struct resp_value *push)
{
    bool known;

    if (push->type == RESP_ERROR)
        return ctl_refused(push);
    if ((push->type != RESP_ARRAY && push->type != RESP_PUSH) ||
        push->count == 0 || push->children[0].type != RESP_BULK)
        return ctl_strange(CTL_READS);
    known = ctl->options.json ? event_print_json(push) : event_print(push);
    if (!known)
        ctl_complain("passed over an event of the kind '%.*s'",
                     (int)push->children[0].size, push->children[0].data);
    return CTL_DONE;
}

enum ctl_status run_events(struct ctl *ctl, char **arguments, size_t count)
{
    static const char *const words[] = {"EVENTS", NULL};

    (void)arguments;
    (void)count;
    return ctl_stream(ctl, words, events_push);
}
