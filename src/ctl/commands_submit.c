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

size_t submit_words(const struct ctl *ctl, const void *payload, size_t size,
                    char timeout[CTL_NUMBER_SIZE],
                    struct client_word words[SUBMIT_WORDS_MAX])
{
    words[0] = (struct client_word){"SUBMIT", 6};
    words[1] = (struct client_word){payload, size};
    if (!ctl_timeout_ms(ctl, timeout))
        return 2;
    words[2] = (struct client_word){"TIMEOUT", 7};
    words[3] = (struct client_word){timeout, strlen(timeout)};
    return 4;
}

static enum ctl_status submit_one(struct ctl *ctl, const void *payload,
                                  size_t size)
{
    struct client_word words[SUBMIT_WORDS_MAX];
    char timeout[CTL_NUMBER_SIZE];
    size_t count = submit_words(ctl, payload, size, timeout, words);
    struct resp_value reply;
    enum ctl_status answer = ctl_ask(ctl, CTL_SUBMITS, words, count, &reply);

    if (answer != CTL_DONE)
        return answer;
    if (reply.type != RESP_INTEGER)
        answer = ctl_strange();
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

enum ctl_status run_submit(struct ctl *ctl, char **arguments, size_t count)
{
    const char *file = ctl->options.file;

    if ((count == 0) == (file == NULL)) {
        ctl_complain("submit: expected a payload, or -f FILE%s",
                     file == NULL ? "" : ", not both");
        return CTL_USAGE;
    }
    if (file != NULL)
        return submit_file(ctl, file);
    if (strcmp(arguments[0], "-") == 0)
        return submit_lines(ctl);
    return submit_one(ctl, arguments[0], strlen(arguments[0]));
}
