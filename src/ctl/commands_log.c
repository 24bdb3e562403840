/* wait, barrier, read, follow: what is in the log. */
#include <inttypes.h>
#include <stdio.h>

#include "ctl/command.h"
#include "ctl/entry.h"

#define READ_COUNT_DEFAULT 100 /* as the node's own */
#define READ_CHUNK 1000        /* entries asked for at a time */

enum ctl_status run_wait(struct ctl *ctl, char **arguments, size_t count)
{
    const char *words[] = {"WAIT", arguments[0],
                           count > 1 ? arguments[1] : NULL, NULL};
    uint64_t value;

    if (!ctl_number("INDEX", arguments[0], &value) ||
        (count > 1 && !ctl_number("TIMEOUT-MS", arguments[1], &value)))
        return CTL_USAGE;
    return ctl_ask_number(ctl, CTL_READS, words, "commit_index");
}

enum ctl_status run_barrier(struct ctl *ctl, char **arguments, size_t count)
{
    static const char *const words[] = {"BARRIER", NULL};

    (void)arguments;
    (void)count;
    return ctl_ask_number(ctl, CTL_READS, words, "index");
}

enum ctl_status run_compact(struct ctl *ctl, char **arguments, size_t count)
{
    bool force = (ctl->options.given & OPTION_FORCE) != 0;
    const char *const words[] = {"COMPACT", arguments[0],
                                 force ? "FORCE" : NULL, NULL};
    uint64_t index;

    (void)count;
    if (!ctl_number("INDEX", arguments[0], &index))
        return CTL_USAGE;
    return ctl_ask_number(ctl, CTL_CHANGES, words, "first_index");
}

/* --raw and --json are two answers to one question. */
static bool form_is_clear(const struct ctl *ctl)
{
    if (!ctl->options.json || (ctl->options.given & OPTION_RAW) == 0)
        return true;
    ctl_complain("--raw and --json exclude each other");
    return false;
}

static enum ctl_status
read_print(struct ctl *ctl, const struct resp_value *reply, uint64_t *from)
{
    if (reply->type != RESP_ARRAY)
        return ctl_strange(CTL_READS);
    for (size_t i = 0; i < reply->count; i++) {
        const struct resp_value *item = &reply->children[i];
        struct entry entry;

        if (item->type != RESP_ARRAY ||
            !entry_read(item->children, item->count, &entry))
            return ctl_strange(CTL_READS);
        entry_print(&entry, &ctl->options);
        *from = (uint64_t)entry.index + 1;
    }
    return CTL_DONE;
}

/* One READ.  *got is how many entries came, 0 at the end of what there is. */
static enum ctl_status read_chunk(struct ctl *ctl, uint64_t *from,
                                  uint64_t want, uint64_t *got)
{
    char from_text[CTL_NUMBER_SIZE], count_text[CTL_NUMBER_SIZE];
    const char *words[] = {"READ", from_text, "COUNT", count_text, NULL};
    struct resp_value reply;
    enum ctl_status answer;

    snprintf(from_text, sizeof(from_text), "%" PRIu64, *from);
    snprintf(count_text, sizeof(count_text), "%" PRIu64,
             want < READ_CHUNK ? want : READ_CHUNK);
    answer = ctl_ask_text(ctl, CTL_READS, words, &reply);
    if (answer != CTL_DONE)
        return answer;
    *got = reply.count;
    answer = read_print(ctl, &reply, from);
    resp_value_clear(&reply);
    return answer;
}

enum ctl_status run_read(struct ctl *ctl, char **arguments, size_t count)
{
    uint64_t left = READ_COUNT_DEFAULT;
    uint64_t from;

    if (!form_is_clear(ctl) || !ctl_number("FROM", arguments[0], &from) ||
        (count > 1 && !ctl_number("COUNT", arguments[1], &left)))
        return CTL_USAGE;
    if (left == 0) {
        ctl_complain("COUNT: expected at least 1");
        return CTL_USAGE;
    }
    while (left > 0) {
        uint64_t got = 0;
        enum ctl_status answer = read_chunk(ctl, &from, left, &got);

        if (answer != CTL_DONE || got == 0)
            return answer;
        if (!ctl_flush())
            return CTL_REFUSED;
        left -= got < left ? got : left;
    }
    return CTL_DONE;
}

/* False: it is another push.  Entries are printed without a gap, or whoever
 * reads them is told of it. */
static bool follow_snapshot(const struct resp_value *push)
{
    const struct resp_value *fields = push->children;

    if (!ctl_value_is(&fields[0], "snapshot") || push->count < 3 ||
        fields[1].type != RESP_INTEGER || fields[2].type != RESP_INTEGER)
        return false;
    ctl_complain("the log up to entry %" PRId64 " is gone; the app's snapshot "
                 "of it (%" PRId64 " bytes: raftctl snapshot save) comes "
                 "first, and entries follow from %" PRId64 " on",
                 fields[1].integer, fields[2].integer, fields[1].integer + 1);
    return true;
}

static enum ctl_status follow_push(struct ctl *ctl,
                                   const struct resp_value *push)
{
    const struct resp_value *fields = push->children;
    struct entry entry;

    if (push->type == RESP_ERROR)
        return ctl_refused(push);
    if ((push->type != RESP_ARRAY && push->type != RESP_PUSH) ||
        push->count == 0 || fields[0].type != RESP_BULK)
        return ctl_strange(CTL_READS);
    if (follow_snapshot(push))
        return CTL_DONE;
    if (!ctl_value_is(&fields[0], "entry")) {
        ctl_complain("passed over a push of the kind '%.*s'",
                     (int)fields[0].size, fields[0].data);
        return CTL_DONE;
    }
    if (!entry_read(fields + 1, push->count - 1, &entry))
        return ctl_strange(CTL_READS);
    entry_print(&entry, &ctl->options);
    return CTL_DONE;
}

enum ctl_status run_follow(struct ctl *ctl, char **arguments, size_t count)
{
    const char *words[] = {"FOLLOW", count > 0 ? arguments[0] : NULL, NULL};
    uint64_t from;

    if (!form_is_clear(ctl) ||
        (count > 0 && !ctl_number("FROM", arguments[0], &from)))
        return CTL_USAGE;
    return ctl_stream(ctl, words, follow_push);
}
