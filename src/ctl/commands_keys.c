/* outcome, digest: what the log says, without reading entries. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "ctl/command.h"
#include "ctl/json.h"

/* ---- outcome ------------------------------------------------------------ */

static enum ctl_status outcome_print(const struct ctl *ctl,
                                     const struct resp_value *reply)
{
    bool none = reply->type == RESP_NIL;

    if (!none && reply->type != RESP_INTEGER)
        return ctl_strange(CTL_READS);
    if (none)
        puts(ctl->options.json ? "{\"index\":null}" : "none");
    else if (ctl->options.json)
        printf("{\"index\":%" PRId64 "}\n", reply->integer);
    else
        printf("%" PRId64 "\n", reply->integer);
    return CTL_DONE;
}

enum ctl_status run_outcome(struct ctl *ctl, char **arguments, size_t count)
{
    char since[CTL_NUMBER_SIZE];
    const char *words[] = {"OUTCOME", arguments[0], NULL, since, NULL};
    struct resp_value reply;
    enum ctl_status answer;

    (void)count;
    if (arguments[0][0] == 0 || strlen(arguments[0]) > OPTIONS_KEY_MAX) {
        ctl_complain("KEY: expected 1 to %d bytes", OPTIONS_KEY_MAX);
        return CTL_USAGE;
    }
    if ((ctl->options.given & OPTION_SINCE) != 0) {
        words[2] = "SINCE";
        snprintf(since, sizeof(since), "%" PRIu64, ctl->options.entry.since);
    }
    answer = ctl_ask_text(ctl, CTL_READS, words, &reply);
    if (answer != CTL_DONE)
        return answer;
    answer = outcome_print(ctl, &reply);
    resp_value_clear(&reply);
    return answer;
}

/* ---- digest ------------------------------------------------------------- */

static enum ctl_status digest_print(const struct ctl *ctl,
                                    const struct resp_value *reply)
{
    const struct resp_value *fields = reply->children;

    if (reply->type != RESP_ARRAY || reply->count < 2 ||
        fields[0].type != RESP_INTEGER || fields[1].type != RESP_BULK)
        return ctl_strange(CTL_READS);
    if (ctl->options.json) {
        struct json json = {0};

        json_open(&json, '{');
        json_named_i64(&json, "index", fields[0].integer);
        json_name(&json, "digest");
        json_text(&json, fields[1].data, fields[1].size);
        json_close(&json, '}');
        json_print(&json, stdout);
        json_free(&json);
    } else {
        printf("%" PRId64 " ", fields[0].integer);
        ctl_print_text(&fields[1], false);
        putchar('\n');
    }
    return CTL_DONE;
}

enum ctl_status run_digest(struct ctl *ctl, char **arguments, size_t count)
{
    const char *words[] = {"DIGEST", count > 0 ? arguments[0] : NULL, NULL};
    struct resp_value reply;
    enum ctl_status answer;
    uint64_t index;

    if (count > 0 && !ctl_number("INDEX", arguments[0], &index))
        return CTL_USAGE;
    answer = ctl_ask_text(ctl, CTL_READS, words, &reply);
    if (answer != CTL_DONE)
        return answer;
    answer = digest_print(ctl, &reply);
    resp_value_clear(&reply);
    return answer;
}
