#include "ctl/ctl.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "ctl/progress.h"

#define ASK_WORDS_MAX 1024

static char complaint[CTL_COMPLAINT_SIZE];
static bool complaints_held;

void ctl_complain(const char *format, ...)
{
    char text[CTL_COMPLAINT_SIZE];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    text_printable(complaint, sizeof(complaint), text, strlen(text));
    if (complaints_held)
        return;
    progress_hide_any();
    fflush(stdout);
    fprintf(stderr, "raftctl: %s\n", complaint);
}

void ctl_complain_hold(bool hold)
{
    complaints_held = hold;
    complaint[0] = 0;
}

const char *ctl_complaint(void)
{
    return complaint;
}

enum ctl_status ctl_connect(struct ctl *ctl)
{
    int error = 0;

    if (ctl->client != NULL)
        return CTL_DONE;
    ctl->client =
        client_open(ctl->options.socket, ctl->options.timeout_us, &error);
    if (ctl->client != NULL)
        return CTL_DONE;
    ctl_complain("cannot reach the node at %s: %s", ctl->options.socket,
                 strerror(error));
    return CTL_UNREACHABLE;
}

/* The code is the first word. */
static bool has_code(const struct resp_value *error, const char *code)
{
    size_t length = strlen(code);

    return error->size >= length && memcmp(error->data, code, length) == 0 &&
           (error->size == length || error->data[length] == ' ');
}

static enum ctl_status refusal_status(const struct resp_value *error)
{
    return has_code(error, "UNCERTAIN") ? CTL_UNCERTAIN : CTL_REFUSED;
}

enum ctl_status ctl_refused(const struct resp_value *error)
{
    ctl_complain("%.*s", (int)error->size, error->data);
    return refusal_status(error);
}

enum ctl_status ctl_refused_line(const struct resp_value *error, uint64_t line)
{
    ctl_complain("line %" PRIu64 ": %.*s", line, (int)error->size, error->data);
    return refusal_status(error);
}

const char *ctl_lost_text(const struct ctl *ctl, enum client_result result)
{
    static char text[256];
    char time[TEXT_UNIT_SIZE];

    switch (result) {
    case CLIENT_OK:
    case CLIENT_EMPTY:
        break;
    case CLIENT_TIMEOUT:
        snprintf(text, sizeof(text), "no answer within %s",
                 text_from_duration_us(ctl->options.timeout_us, time));
        return text;
    case CLIENT_INTERRUPTED:
        return "interrupted";
    case CLIENT_LOST:
        if (client_error(ctl->client) == 0)
            return "the node closed the connection";
        snprintf(text, sizeof(text), "the connection was lost: %s",
                 strerror(client_error(ctl->client)));
        return text;
    case CLIENT_BAD:
        return "what answers is not a raftsc node: its reply is not RESP";
    }
    return "no answer";
}

enum ctl_status ctl_lost(const struct ctl *ctl, enum client_result result,
                         bool uncertain)
{
    ctl_complain("%s%s", ctl_lost_text(ctl, result),
                 uncertain ? "; it may have been done all the same" : "");
    return uncertain ? CTL_UNCERTAIN : CTL_UNREACHABLE;
}

enum ctl_status ctl_strange(enum ctl_effect effect)
{
    bool uncertain = effect != CTL_READS;

    ctl_complain("the node's answer has a shape that raftctl does not know%s",
                 uncertain ? "; it may have been done all the same" : "");
    return uncertain ? CTL_UNCERTAIN : CTL_UNREACHABLE;
}

uint64_t ctl_deadline_us(const struct ctl *ctl)
{
    if (ctl->options.timeout_us == 0)
        return 0;
    return client_now_us() + ctl->options.timeout_us;
}

bool ctl_timeout_ms(const struct ctl *ctl, char text[CTL_NUMBER_SIZE])
{
    uint64_t ms = (ctl->options.timeout_us + 999) / 1000;

    snprintf(text, CTL_NUMBER_SIZE, "%" PRIu64, ms);
    return ms > 0;
}

/* The request is queued; its answer is the next one. */
static enum ctl_status await_answer(struct ctl *ctl, enum ctl_effect effect,
                                    struct resp_value *reply)
{
    uint64_t deadline_us = ctl_deadline_us(ctl);
    enum client_result result;

    if (deadline_us != 0 && effect == CTL_SUBMITS)
        deadline_us += CTL_GRACE_US;
    result = client_reply(ctl->client, reply, deadline_us);
    if (result != CLIENT_OK) {
        bool whole = client_written(ctl->client) == client_queued(ctl->client);

        return ctl_lost(ctl, result, effect != CTL_READS && whole);
    }
    if (reply->type == RESP_ERROR) {
        enum ctl_status status = ctl_refused(reply);

        if (effect == CTL_BOOTSTRAP && has_code(reply, "TIMEOUT"))
            status = CTL_UNCERTAIN;
        resp_value_clear(reply);
        return status;
    }
    return CTL_DONE;
}

enum ctl_status ctl_ask(struct ctl *ctl, enum ctl_effect effect,
                        const struct client_word *words, size_t count,
                        struct resp_value *reply)
{
    enum ctl_status status = ctl_connect(ctl);

    if (status != CTL_DONE)
        return status;
    client_queue(ctl->client, words, count);
    return await_answer(ctl, effect, reply);
}

void ctl_queue_text(struct ctl *ctl, const char *const *words)
{
    struct client_word list[ASK_WORDS_MAX];
    size_t count = 0;

    while (words[count] != NULL && count < ASK_WORDS_MAX) {
        list[count] = (struct client_word){words[count], strlen(words[count])};
        count++;
    }
    client_queue(ctl->client, list, count);
}

enum ctl_status ctl_ask_text(struct ctl *ctl, enum ctl_effect effect,
                             const char *const *words, struct resp_value *reply)
{
    enum ctl_status status = ctl_connect(ctl);

    if (status != CTL_DONE)
        return status;
    ctl_queue_text(ctl, words);
    return await_answer(ctl, effect, reply);
}

enum ctl_status ctl_ask_number(struct ctl *ctl, enum ctl_effect effect,
                               const char *const *words, const char *name)
{
    struct resp_value reply;
    enum ctl_status status = ctl_ask_text(ctl, effect, words, &reply);

    if (status != CTL_DONE)
        return status;
    if (reply.type != RESP_INTEGER)
        status = ctl_strange(effect);
    else if (ctl->options.json)
        printf("{\"%s\":%" PRId64 "}\n", name, reply.integer);
    else
        printf("%" PRId64 "\n", reply.integer);
    resp_value_clear(&reply);
    return status;
}

bool ctl_number(const char *name, const char *text, uint64_t *value)
{
    if (text_to_u64(text, strlen(text), value))
        return true;
    ctl_complain("%s: expected a number, not '%s'", name, text);
    return false;
}

bool ctl_value_is(const struct resp_value *value, const char *word)
{
    if (value->type != RESP_BULK && value->type != RESP_SIMPLE)
        return false;
    return value->size == strlen(word) &&
           memcmp(value->data, word, value->size) == 0;
}

void ctl_print_text(const struct resp_value *text, bool lines)
{
    for (size_t i = 0; i < text->size; i++) {
        unsigned char byte = (unsigned char)text->data[i];
        bool control = byte < 0x20 || byte == 0x7f;

        putchar(control && !(lines && byte == '\n') ? '?' : byte);
    }
}

bool ctl_flush(void)
{
    static bool told;

    if (fflush(stdout) == 0 && ferror(stdout) == 0)
        return true;
    if (!told)
        ctl_complain("cannot write to standard output: %s", strerror(errno));
    told = true;
    return false;
}
