/* submit: one payload.  Lines of standard input are in submit_lines.c. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "ctl/command.h"
#include "ctl/lines.h"
#include "ctl/submit.h"

#define FILE_READ_SIZE ((size_t)64 * 1024)

static enum ctl_status submit_one(struct ctl *ctl, const void *payload,
                                  size_t size)
{
    struct submit_request request;
    struct resp_value reply;
    enum ctl_status answer;

    submit_request_make(&request, ctl, payload, size, 0);
    answer = ctl_ask(ctl, CTL_SUBMITS, request.words, request.count, &reply);
    if (answer != CTL_DONE)
        return answer;
    if (reply.type != RESP_INTEGER)
        answer = ctl_strange(CTL_SUBMITS);
    else if ((ctl->options.given & OPTION_QUIET) != 0)
        answer = CTL_DONE;
    else if (ctl->options.json)
        printf("{\"index\":%" PRId64 "}\n", reply.integer);
    else
        printf("%" PRId64 "\n", reply.integer);
    resp_value_clear(&reply);
    return answer;
}

/* All of a file.  False: an error, or more than any node takes; printed. */
static bool read_all(int fd, const char *name, struct buf *data)
{
    while (true) {
        uint8_t *space = buf_reserve(data, FILE_READ_SIZE);
        ssize_t got = read(fd, space, FILE_READ_SIZE);

        if (got == 0)
            return true;
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0) {
            ctl_complain("%s: %s", name, strerror(errno));
            return false;
        }
        data->size += (size_t)got;
        if (data->size > LINES_SIZE_MAX) {
            ctl_complain("%s: over 64 MiB, more than any node takes", name);
            return false;
        }
    }
}

static enum ctl_status submit_file(struct ctl *ctl, const char *name)
{
    bool standard = strcmp(name, "-") == 0;
    int fd = standard ? STDIN_FILENO : open(name, O_RDONLY | O_CLOEXEC);
    struct buf data = {0};
    enum ctl_status answer = CTL_REFUSED;

    if (fd < 0) {
        ctl_complain("%s: %s", name, strerror(errno));
        return CTL_REFUSED;
    }
    if (read_all(fd, standard ? "standard input" : name, &data))
        answer = submit_one(ctl, data.data, data.size);
    buf_free(&data);
    if (!standard)
        close(fd);
    return answer;
}

/* False: printed. */
static bool options_fit(const struct ctl *ctl, bool lines)
{
    unsigned given = ctl->options.given;

    if ((given & OPTION_SINCE) != 0 && (given & OPTION_KEY) == 0) {
        ctl_complain("option --since is about a key: expected --key too");
        return false;
    }
    if (lines && (given & OPTION_AFTER) != 0) {
        ctl_complain("option --after is for one payload: each line comes "
                     "after the one before it");
        return false;
    }
    if (lines && (given & OPTION_KEY) != 0 &&
        strlen(ctl->options.entry.key) > SUBMIT_LINES_KEY_MAX) {
        ctl_complain("option --key: at most %zu bytes with lines, whose "
                     "numbers stand behind it",
                     SUBMIT_LINES_KEY_MAX);
        return false;
    }
    return true;
}

enum ctl_status run_submit(struct ctl *ctl, char **arguments, size_t count)
{
    const char *file = ctl->options.file;
    bool lines = count > 0 && strcmp(arguments[0], "-") == 0;

    if ((count == 0) == (file == NULL)) {
        ctl_complain("submit: expected a payload, or -f FILE%s",
                     file == NULL ? "" : ", not both");
        return CTL_USAGE;
    }
    if (!options_fit(ctl, lines))
        return CTL_USAGE;
    if (file != NULL)
        return submit_file(ctl, file);
    if (lines)
        return submit_lines(ctl);
    return submit_one(ctl, arguments[0], strlen(arguments[0]));
}
