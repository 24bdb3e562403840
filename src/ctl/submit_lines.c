/* Lines of standard input, one entry each, many of them under way.
 *
 *     standard input -> lines -> [ at most 256, and 4 MiB ] -> the node
 *                                        |
 *                              answers, in their order
 *
 * The first line that fails stops the reading; the lines that are under way
 * by then are still heard out, for each of them is in the log or not.  At the
 * end every line is known: in the log, refused, uncertain, or never sent. */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ctl/interrupt.h"
#include "ctl/lines.h"
#include "ctl/progress.h"
#include "ctl/submit.h"

#define FLIGHTS_MAX 256
#define FLIGHTS_BYTES_MAX ((size_t)4 * 1024 * 1024)
#define INPUT_READ_SIZE ((size_t)64 * 1024)

/* One line that has no answer yet. */
struct flight {
    uint64_t end; /* of its request, in the bytes queued on the connection */
    size_t size;
};

struct submission {
    struct ctl *ctl;
    struct lines lines;
    struct progress progress;
    struct flight flights[FLIGHTS_MAX]; /* a ring: the oldest is answered */
    size_t first;
    size_t count;
    size_t bytes;       /* of the payloads under way */
    uint64_t taken;     /* lines taken from the input */
    uint64_t committed; /* lines that are in the log */
    uint64_t done_bytes;
    uint64_t deadline_us; /* for the next answer; 0: none */
    bool stopped;         /* no more lines are taken */
    bool interrupted;
    bool mute; /* standard output takes no more */
    enum ctl_status status;
};

static uint64_t input_size(void)
{
    struct stat info;
    off_t at;

    if (fstat(STDIN_FILENO, &info) != 0 || !S_ISREG(info.st_mode))
        return 0;
    at = lseek(STDIN_FILENO, 0, SEEK_CUR);
    return at < 0 || at > info.st_size ? 0 : (uint64_t)(info.st_size - at);
}

/* What counts most is told: uncertain before unreachable before refused. */
static void fail(struct submission *s, enum ctl_status status)
{
    s->stopped = true;
    if (status > s->status)
        s->status = status;
}

/* The line of the oldest answer that is missing. */
static uint64_t oldest_line(const struct submission *s)
{
    return s->taken - s->count + 1;
}

static void restart_deadline(struct submission *s)
{
    s->deadline_us = ctl_deadline_us(s->ctl);
    if (s->deadline_us != 0)
        s->deadline_us += CTL_GRACE_US;
}

static void send_line(struct submission *s, const char *data, size_t size)
{
    struct submit_request request;
    struct flight *flight = &s->flights[(s->first + s->count) % FLIGHTS_MAX];

    if (s->count == 0)
        restart_deadline(s);
    submit_request_make(&request, s->ctl, data, size, s->taken + 1);
    client_queue(s->ctl->client, request.words, request.count);
    *flight = (struct flight){client_queued(s->ctl->client), size};
    s->count++;
    s->bytes += size;
    s->taken++;
}

static bool window_has_room(const struct submission *s)
{
    return s->count < FLIGHTS_MAX && s->bytes < FLIGHTS_BYTES_MAX;
}

static void send_lines(struct submission *s)
{
    const char *data;
    size_t size;

    while (!s->stopped && window_has_room(s)) {
        switch (lines_next(&s->lines, &data, &size)) {
        case LINES_ONE:
            send_line(s, data, size);
            break;
        case LINES_NONE:
            s->stopped = s->lines.ended;
            return;
        case LINES_LONG:
            progress_hide(&s->progress);
            ctl_complain("line %" PRIu64 ": over 64 MiB, more than any node "
                         "takes",
                         s->taken + 1);
            fail(s, CTL_REFUSED);
            return;
        }
    }
}

static void print_index(struct submission *s, uint64_t line, int64_t index)
{
    if ((s->ctl->options.given & OPTION_QUIET) != 0)
        return;
    progress_hide(&s->progress);
    if (s->ctl->options.json)
        printf("{\"line\":%" PRIu64 ",\"index\":%" PRId64 "}\n", line, index);
    else
        printf("%" PRId64 "\n", index);
}

/* The answer of the oldest line. */
static void settle(struct submission *s, const struct resp_value *reply)
{
    uint64_t line = oldest_line(s);
    struct flight flight = s->flights[s->first];

    s->first = (s->first + 1) % FLIGHTS_MAX;
    s->count--;
    s->bytes -= flight.size;
    s->done_bytes += flight.size + 1;
    restart_deadline(s);
    if (reply->type == RESP_INTEGER) {
        s->committed++;
        print_index(s, line, reply->integer);
        return;
    }
    progress_hide(&s->progress);
    if (reply->type != RESP_ERROR) {
        fail(s, ctl_strange(CTL_SUBMITS));
        return;
    }
    fail(s, ctl_refused_line(reply, line));
}

/* There will be no more answers: says what is not known now. */
static void give_up(struct submission *s, enum client_result result)
{
    uint64_t written = client_written(s->ctl->client);
    uint64_t first = oldest_line(s);
    uint64_t sent = 0;

    while (sent < s->count &&
           s->flights[(s->first + sent) % FLIGHTS_MAX].end <= written)
        sent++;
    progress_hide(&s->progress);
    ctl_complain("%s", ctl_lost_text(s->ctl, result));
    if (sent == 1)
        ctl_complain("line %" PRIu64 " has no answer: it may be in the log",
                     first);
    if (sent > 1)
        ctl_complain("lines %" PRIu64 " to %" PRIu64
                     " have no answer: they may be in the log",
                     first, first + sent - 1);
    s->taken = first + sent - 1;
    s->count = 0;
    fail(s, sent > 0 ? CTL_UNCERTAIN : CTL_UNREACHABLE);
}

static void read_input(struct submission *s)
{
    uint8_t *room = lines_room(&s->lines, INPUT_READ_SIZE);
    ssize_t got = read(STDIN_FILENO, room, INPUT_READ_SIZE);

    if (got >= 0) {
        lines_came(&s->lines, (size_t)got);
    } else if (errno != EINTR && errno != EAGAIN) {
        progress_hide(&s->progress);
        ctl_complain("standard input: %s", strerror(errno));
        fail(s, CTL_REFUSED);
    }
}

static enum client_result take_answers(struct submission *s)
{
    enum client_result result = CLIENT_EMPTY;
    struct resp_value reply;

    while (s->count > 0) {
        result = client_take(s->ctl->client, &reply);
        if (result != CLIENT_OK)
            return result;
        settle(s, &reply);
        resp_value_clear(&reply);
    }
    return CLIENT_EMPTY;
}

/* Waits for an answer, or for input where there is room for it. */
static enum client_result wait_for_more(struct submission *s)
{
    bool wants_input = !s->stopped && !s->lines.ended && window_has_room(s);
    bool input_ready = false;
    enum client_result result =
        client_turn(s->ctl->client, wants_input ? STDIN_FILENO : -1,
                    &input_ready, s->count > 0 ? s->deadline_us : 0);

    if (input_ready)
        read_input(s);
    return result;
}

/* ^C: what is under way is heard out; a second one ends the process. */
static enum client_result accept_interrupt(struct submission *s)
{
    interrupt_accept();
    s->interrupted = true;
    s->stopped = true;
    return CLIENT_OK;
}

static void submission_run(struct submission *s)
{
    while (true) {
        enum client_result result;

        send_lines(s);
        progress_draw(&s->progress, s->done_bytes, s->committed);
        if (s->stopped && s->count == 0)
            return;
        if (!s->mute && !ctl_flush()) {
            s->mute = true;
            fail(s, CTL_REFUSED);
        }
        result = wait_for_more(s);
        if (result == CLIENT_INTERRUPTED)
            result = accept_interrupt(s);
        if (result == CLIENT_OK)
            result = take_answers(s);
        if (result != CLIENT_OK && result != CLIENT_EMPTY) {
            give_up(s, result);
            return;
        }
    }
}

enum ctl_status submit_lines(struct ctl *ctl)
{
    struct submission s = {.ctl = ctl, .status = CTL_DONE};
    enum ctl_status answer = ctl_connect(ctl);

    if (answer != CTL_DONE)
        return answer;
    interrupt_catch();
    /* Nobody reads the indexes any more: what is under way is told all the
     * same. */
    signal(SIGPIPE, SIG_IGN);
    progress_start(&s.progress, input_size());
    submission_run(&s);
    progress_hide(&s.progress);
    if (s.status != CTL_DONE || s.interrupted)
        ctl_complain("%" PRIu64 " %s in the log; nothing after line %" PRIu64
                     " was sent",
                     s.committed, s.committed == 1 ? "line is" : "lines are",
                     s.taken);
    lines_free(&s.lines);
    if (s.interrupted && s.status == CTL_DONE) {
        ctl_flush();
        interrupt_die();
    }
    return s.status;
}
