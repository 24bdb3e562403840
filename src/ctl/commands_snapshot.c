/* snapshot save, load, info. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "ctl/command.h"
#include "ctl/json.h"
#include "ctl/snapshot.h"

static const char *const info_words[] = {"SNAPSHOT", "INFO", NULL};

/* ---- what there is ------------------------------------------------------ */

static bool read_description(const struct resp_value *reply,
                             struct snapshot_description *found)
{
    const struct resp_value *fields = reply->children;

    if (reply->type != RESP_ARRAY || reply->count < 4 ||
        fields[3].size >= sizeof(found->sha256))
        return false;
    found->index = (uint64_t)fields[0].integer;
    found->term = (uint64_t)fields[1].integer;
    found->size = (uint64_t)fields[2].integer;
    text_printable(found->sha256, sizeof(found->sha256), fields[3].data,
                   fields[3].size);
    return true;
}

/* Index 0: there is none. */
static enum ctl_status ask_description(struct ctl *ctl,
                                       struct snapshot_description *found)
{
    struct resp_value reply;
    enum ctl_status status = ctl_ask_text(ctl, CTL_READS, info_words, &reply);

    *found = (struct snapshot_description){0};
    if (status != CTL_DONE)
        return status;
    if (reply.type != RESP_NIL && !read_description(&reply, found))
        status = ctl_strange(CTL_READS);
    resp_value_clear(&reply);
    return status;
}

static void print_description(const struct ctl *ctl,
                              const struct snapshot_description *found)
{
    struct json json = {0};

    if (!ctl->options.json) {
        printf("index   %" PRIu64 "\nterm    %" PRIu64 "\nsize    %" PRIu64
               "\nsha256  %s\n",
               found->index, found->term, found->size, found->sha256);
        return;
    }
    json_open(&json, '{');
    json_named_u64(&json, "index", found->index);
    json_named_u64(&json, "term", found->term);
    json_named_u64(&json, "size", found->size);
    json_named_text(&json, "sha256", found->sha256);
    json_close(&json, '}');
    json_print(&json, stdout);
    json_free(&json);
}

enum ctl_status run_snapshot_info(struct ctl *ctl, char **arguments,
                                  size_t count)
{
    struct snapshot_description found;
    enum ctl_status status = ask_description(ctl, &found);

    (void)arguments;
    (void)count;
    if (status != CTL_DONE)
        return status;
    if (found.index != 0)
        print_description(ctl, &found);
    else
        puts(ctl->options.json ? "null" : "no snapshot");
    return CTL_DONE;
}

/* ---- save --------------------------------------------------------------- */

/* The node keeps for this connection what it has begun to read, so that what
 * INFO tells then is about the bytes that will come. */
static enum ctl_status pin(struct ctl *ctl, struct snapshot_description *found)
{
    static const char *const words[] = {"SNAPSHOT", "READ", "0", "0", NULL};
    struct resp_value reply;
    enum ctl_status status = ctl_ask_text(ctl, CTL_READS, words, &reply);

    if (status != CTL_DONE)
        return status;
    resp_value_clear(&reply);
    return ask_description(ctl, found);
}

enum ctl_status run_snapshot_save(struct ctl *ctl, char **arguments,
                                  size_t count)
{
    struct snapshot_description found;
    enum ctl_status status = pin(ctl, &found);

    (void)count;
    if (status == CTL_DONE)
        status = snapshot_bytes_save(ctl, &found, arguments[0]);
    /* Standard output may be the snapshot itself. */
    if (status == CTL_DONE && strcmp(arguments[0], "-") != 0)
        print_description(ctl, &found);
    return status;
}

/* ---- load --------------------------------------------------------------- */

static enum ctl_status check_loaded(struct ctl *ctl, uint64_t index,
                                    const char *sha256)
{
    struct snapshot_description found;
    enum ctl_status status = ask_description(ctl, &found);

    if (status != CTL_DONE)
        return status;
    if (found.index == index && strcmp(found.sha256, sha256) != 0) {
        ctl_complain("the node has another SHA-256, %s, than what was sent, %s",
                     found.sha256, sha256);
        return CTL_REFUSED;
    }
    /* A newer one may have taken its place already. */
    if (found.index == index)
        print_description(ctl, &found);
    return CTL_DONE;
}

enum ctl_status run_snapshot_load(struct ctl *ctl, char **arguments,
                                  size_t count)
{
    char sha256[SHA256_HEX_SIZE];
    enum ctl_status status;
    uint64_t index;

    (void)count;
    if (!ctl_number("INDEX", arguments[0], &index))
        return CTL_USAGE;
    status = snapshot_bytes_load(ctl, index, arguments[1], sha256);
    return status == CTL_DONE ? check_loaded(ctl, index, sha256) : status;
}
