/* status, why and watch. */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "ctl/command.h"
#include "ctl/interrupt.h"
#include "ctl/json.h"
#include "ctl/status.h"

/* A node that says nothing for so long is shown as silent by watch. */
#define WATCH_PATIENCE_US ((uint64_t)5000000)

enum ctl_status run_status(struct ctl *ctl, char **arguments, size_t count)
{
    struct screen screen = screen_of_stdout();
    struct status status;
    enum ctl_status answer = status_ask(ctl, &status);

    (void)arguments;
    (void)count;
    if (answer != CTL_DONE)
        return answer;
    if (ctl->options.json)
        status_print_json(&status, stdout);
    else
        status_print(&status, &screen);
    status_clear(&status);
    return CTL_DONE;
}

static void why_print_json(const struct resp_value *reply)
{
    struct json json = {0};
    const char *at = reply->data;
    const char *end = reply->data + reply->size;

    json_open(&json, '{');
    json_name(&json, "why");
    json_open(&json, '[');
    while (at < end) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        size_t size = (size_t)((stop == NULL ? end : stop) - at);

        json_text(&json, at, size);
        at += size + 1;
    }
    json_close(&json, ']');
    json_close(&json, '}');
    json_print(&json, stdout);
    json_free(&json);
}

enum ctl_status run_why(struct ctl *ctl, char **arguments, size_t count)
{
    static const char *const words[] = {"WHY", NULL};
    struct resp_value reply;
    enum ctl_status answer = ctl_ask_text(ctl, CTL_READS, words, &reply);

    (void)arguments;
    (void)count;
    if (answer != CTL_DONE)
        return answer;
    if (reply.type != RESP_BULK || reply.data == NULL)
        answer = ctl_strange(CTL_READS);
    else if (ctl->options.json)
        why_print_json(&reply);
    else
        ctl_print_text(&reply, true);
    resp_value_clear(&reply);
    return answer;
}

/* One picture over the one before: each line ends with "clear the rest of
 * it", the last one with "clear all below", so that nothing flickers. */
static void paint(const char *text)
{
    fputs("\033[H", stdout);
    while (*text != 0) {
        size_t length = strcspn(text, "\n");

        fwrite(text, 1, length, stdout);
        fputs("\033[K\r\n", stdout);
        text += length;
        if (*text == '\n')
            text++;
    }
    fputs("\033[J", stdout);
}

static void watch_header(const struct ctl *ctl, FILE *file)
{
    time_t now = time(NULL);
    char text[32] = "";
    struct tm parts;

    if (localtime_r(&now, &parts) != NULL)
        strftime(text, sizeof(text), "%H:%M:%S", &parts);
    fprintf(file, "%s  %s   (^C ends)\n\n", text, ctl->options.socket);
}

/* The whole screen: a header, and the status or why there is none. */
static void watch_paint(const struct ctl *ctl, const struct status *status,
                        const char *trouble)
{
    struct screen screen = screen_of_stdout();
    char *text = NULL;
    size_t size = 0;

    screen.file = open_memstream(&text, &size);
    if (screen.file == NULL)
        die(EXIT_STATUS_SOFTWARE, "open_memstream: %s", strerror(errno));
    watch_header(ctl, screen.file);
    if (trouble != NULL) {
        screen_text(&screen, STYLE_BAD, trouble);
        fputc('\n', screen.file);
    } else {
        status_print(status, &screen);
    }
    fclose(screen.file);
    paint(text);
    free(text);
}

static void watch_print(const struct ctl *ctl, const struct status *status)
{
    struct screen screen = screen_of_stdout();

    if (ctl->options.json) {
        status_print_json(status, stdout);
        return;
    }
    status_print(status, &screen);
    fputc('\n', stdout);
}

/* One look.  What went wrong is a complaint that is held. */
static enum ctl_status watch_look(struct ctl *ctl, bool live)
{
    struct status status;
    enum ctl_status answer = status_ask(ctl, &status);

    if (answer != CTL_DONE) {
        client_close(ctl->client);
        ctl->client = NULL;
        return answer;
    }
    if (live)
        watch_paint(ctl, &status, NULL);
    else
        watch_print(ctl, &status);
    status_clear(&status);
    return CTL_DONE;
}

/* The node does not answer, and watch goes on. */
static void watch_trouble(const struct ctl *ctl, bool live)
{
    if (live) {
        watch_paint(ctl, NULL, ctl_complaint());
        return;
    }
    fflush(stdout);
    fprintf(stderr, "raftctl: %s\n", ctl_complaint());
}

/* Sleeps until the next look.  False: ^C. */
static bool watch_sleep(uint64_t until_us)
{
    while (!interrupt_seen()) {
        struct pollfd file = {.fd = interrupt_descriptor(), .events = POLLIN};
        uint64_t now_us = client_now_us();
        uint64_t left_ms;

        if (now_us >= until_us)
            return true;
        left_ms = (until_us - now_us + 999) / 1000;
        poll(&file, 1, left_ms > 60000 ? 60000 : (int)left_ms);
    }
    return false;
}

static enum ctl_status watch_loop(struct ctl *ctl, bool live)
{
    bool first = true;

    while (true) {
        uint64_t next_us = client_now_us() + ctl->options.interval_us;
        enum ctl_status answer = watch_look(ctl, live);

        if (interrupt_seen())
            return CTL_DONE;
        if (answer != CTL_DONE && first)
            return answer;
        if (answer != CTL_DONE)
            watch_trouble(ctl, live);
        if (!ctl_flush())
            return CTL_REFUSED;
        first = false;
        if (!watch_sleep(next_us))
            return CTL_DONE;
    }
}

enum ctl_status run_watch(struct ctl *ctl, char **arguments, size_t count)
{
    bool live = isatty(STDOUT_FILENO) && !ctl->options.json;
    enum ctl_status answer;
    char trouble[CTL_COMPLAINT_SIZE];

    (void)arguments;
    (void)count;
    if (ctl->options.timeout_us == 0)
        ctl->options.timeout_us = WATCH_PATIENCE_US;
    interrupt_catch();
    ctl_complain_hold(true);
    /* The terminal's other screen, without a cursor: what was there before
     * is there again at the end. */
    if (live)
        fputs("\033[?1049h\033[?25l\033[2J", stdout);
    answer = watch_loop(ctl, live);
    if (live)
        fputs("\033[?25h\033[?1049l", stdout);
    snprintf(trouble, sizeof(trouble), "%s", ctl_complaint());
    ctl_complain_hold(false);
    if (answer != CTL_DONE)
        ctl_complain("%s", trouble);
    return answer;
}
