#include "ctl/change.h"

#include <inttypes.h>
#include <stdio.h>

#include "ctl/catchup.h"
#include "ctl/interrupt.h"
#include "ctl/progress.h"

#define LINE_SIZE 256
/* The clock on the line goes on where nothing comes. */
#define REDRAW_US ((uint64_t)500000)

struct watch {
    struct client *client; /* NULL: there is nothing to be seen */
    struct catchup catchup;
    struct progress progress;
};

/* ---- the second connection ---------------------------------------------- */

/* Only for a terminal.  Where it cannot be had the change goes its way. */
static void watch_begin(struct watch *watch, const struct ctl *ctl)
{
    static const struct client_word events = {"EVENTS", 6};
    int error;

    progress_start(&watch->progress, 0);
    watch->catchup = (struct catchup){.started_us = watch->progress.started_us,
                                      .leader = -1};
    if (!watch->progress.enabled)
        return;
    watch->client =
        client_open(ctl->options.socket, ctl->options.timeout_us, &error);
    if (watch->client != NULL)
        client_queue(watch->client, &events, 1);
}

static void watch_end(struct watch *watch)
{
    progress_hide(&watch->progress);
    client_close(watch->client);
    watch->client = NULL;
}

/* Takes what has come, and waits for nothing. */
static void watch_read(struct watch *watch)
{
    enum client_result result;
    struct resp_value push;

    if (watch->client == NULL)
        return;
    result = client_turn(watch->client, -1, NULL, client_now_us());
    while (client_take(watch->client, &push) == CLIENT_OK) {
        catchup_note(&watch->catchup, &push, client_now_us());
        resp_value_clear(&push);
    }
    if (result == CLIENT_LOST) {
        client_close(watch->client);
        watch->client = NULL;
    }
}

static void watch_draw(struct watch *watch)
{
    char line[LINE_SIZE];

    if (!progress_due(&watch->progress))
        return;
    catchup_line(&watch->catchup, line, sizeof(line), progress_width(),
                 client_now_us());
    progress_show(&watch->progress, line);
}

/* ---- the answer --------------------------------------------------------- */

static uint64_t earlier(uint64_t deadline_us, uint64_t redraw_us)
{
    return deadline_us != 0 && deadline_us < redraw_us ? deadline_us
                                                       : redraw_us;
}

static enum client_result await(struct ctl *ctl, struct watch *watch,
                                struct resp_value *reply)
{
    uint64_t deadline_us = ctl_deadline_us(ctl);
    enum client_result result = CLIENT_EMPTY;

    while (result == CLIENT_EMPTY) {
        uint64_t until_us = deadline_us;

        watch_read(watch);
        watch_draw(watch);
        if (watch->progress.enabled)
            until_us = earlier(deadline_us, client_now_us() + REDRAW_US);
        result = client_turn(
            ctl->client,
            watch->client == NULL ? -1 : client_descriptor(watch->client), NULL,
            until_us);
        if (result == CLIENT_TIMEOUT && until_us != deadline_us)
            result = CLIENT_OK;
        if (result == CLIENT_OK)
            result = client_take(ctl->client, reply);
    }
    return result;
}

static enum ctl_status print_index(const struct ctl *ctl,
                                   const struct resp_value *reply)
{
    if (reply->type == RESP_ERROR)
        return ctl_refused(reply);
    if (reply->type != RESP_INTEGER)
        return ctl_strange(CTL_CHANGES);
    printf(ctl->options.json ? "{\"index\":%" PRId64 "}\n" : "%" PRId64 "\n",
           reply->integer);
    return CTL_DONE;
}

/* There is no answer, and what was asked for goes on without us. */
static enum ctl_status leave(struct ctl *ctl, enum client_result result,
                             const char *goes_on)
{
    bool sent = client_written(ctl->client) == client_queued(ctl->client);

    if (sent && (result == CLIENT_INTERRUPTED || result == CLIENT_TIMEOUT))
        ctl_complain("%s; %s", ctl_lost_text(ctl, result), goes_on);
    else if (sent)
        ctl_complain("%s; it may have been done, or may still be: raftctl "
                     "members tells, also of another node",
                     ctl_lost_text(ctl, result));
    else
        ctl_complain("%s; nothing was asked for", ctl_lost_text(ctl, result));
    if (result == CLIENT_INTERRUPTED)
        interrupt_die();
    return sent ? CTL_UNCERTAIN : CTL_UNREACHABLE;
}

enum ctl_status change_ask(struct ctl *ctl, const char *const *words,
                           const char *goes_on)
{
    struct watch watch = {0};
    struct resp_value reply;
    enum client_result result;
    enum ctl_status answer;

    interrupt_catch();
    answer = ctl_connect(ctl);
    if (answer != CTL_DONE)
        return answer;
    ctl_queue_text(ctl, words);
    watch_begin(&watch, ctl);
    result = await(ctl, &watch, &reply);
    watch_end(&watch);
    if (result != CLIENT_OK)
        return leave(ctl, result, goes_on);
    answer = print_index(ctl, &reply);
    resp_value_clear(&reply);
    return answer;
}
