/* inspect, verify: a data directory that no node uses, or a backup. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/text.h"
#include "ctl/command.h"
#include "ctl/escape.h"
#include "ctl/inspect.h"
#include "ctl/json.h"

enum ctl_status ctl_store_failed(const struct store_error *error)
{
    ctl_complain("%s", error->text);
    return CTL_REFUSED;
}

/* ---- what it is --------------------------------------------------------- */

static void print_size(const char *name, uint64_t bytes)
{
    printf("%s%" PRIu64 " bytes", name, bytes);
}

static void print_node(const struct look *look)
{
    const struct node_identity *identity = &look->start->identity;

    if (look->about.is_backup) {
        puts("node       none: this is a backup");
        return;
    }
    if (identity->id == RAFT_ID_NONE)
        printf("node       none yet: restored, for the node that starts first");
    else
        printf("node       %" PRIu32, identity->id);
    printf(", instance %016" PRIx64 ", started %" PRIu64 " times\n",
           identity->instance, identity->boot);
}

static void print_state(const struct look *look)
{
    const struct node_start *start = look->start;
    char hex[DIGEST_SIZE * 2 + 1];

    digest_to_hex(start->identity.cluster_id, hex);
    printf("cluster    id %s, epoch %" PRIu64 "\n", hex, start->identity.epoch);
    printf("term       %" PRIu64, start->raft.term);
    if (start->raft.vote != RAFT_ID_NONE)
        printf(", voted for %" PRIu32, start->raft.vote);
    printf("\nlog        ");
    if (start->raft.last == start->raft.base.index)
        printf("no entries");
    else
        printf("entries %" PRIu64 "..%" PRIu64, start->raft.base.index + 1,
               start->raft.last);
    if (start->raft.base.index > 0)
        printf(", base at %" PRIu64 " of term %" PRIu64, start->raft.base.index,
               start->raft.base.term);
    printf("\ncommit     %" PRIu64 " at least, applied by the app %" PRIu64
           "\n",
           start->raft.commit, start->ack);
}

/* The newest ones; inspect --json has them all. */
#define RUNS_SHOWN ((size_t)8)

static void print_terms(const struct raft_start *raft)
{
    size_t first =
        raft->run_count > RUNS_SHOWN ? raft->run_count - RUNS_SHOWN : 0;

    printf("terms      %s", first > 0 ? "... " : "");
    for (size_t i = first; i < raft->run_count; i++) {
        raft_index end =
            i + 1 < raft->run_count ? raft->runs[i + 1].first - 1 : raft->last;

        printf("%s%" PRIu64 " (%" PRIu64 "..%" PRIu64 ")",
               i == first ? "" : ", ", raft->runs[i].term, raft->runs[i].first,
               end);
    }
    puts(raft->run_count == 0 ? "none" : "");
}

static void print_snapshot(const struct look *look)
{
    const struct node_snapshot *snapshot = &look->start->snapshot;
    char hex[SHA256_HEX_SIZE];

    if (snapshot->index == 0) {
        puts("snapshot   none of the app");
        return;
    }
    sha256_to_hex(snapshot->sha256, hex);
    printf("snapshot   of entry %" PRIu64 ", term %" PRIu64 ", %" PRIu64
           " bytes",
           snapshot->index, snapshot->term, snapshot->size);
    if (!look->about.is_backup)
        printf(", in snapshot-%" PRIu64 ".db", snapshot->file);
    printf("\n           sha256 %s\n", hex);
}

static void print_config(const struct raft_start *raft)
{
    struct buf text = {0};

    if (raft->config_count == 0) {
        puts("members    none: there is no configuration");
        return;
    }
    inspect_config_text(&raft->configs[raft->config_count - 1], &text);
    printf("members    %.*s (entry %" PRIu64 ", of %zu configurations)\n",
           (int)text.size, (const char *)text.data,
           raft->configs[raft->config_count - 1].index, raft->config_count);
    buf_free(&text);
}

static void print_look(const struct look *look)
{
    printf("path       %s\n", look->path);
    printf("schema     version %d, last used by raftsc %s\n",
           look->about.schema_version, look->about.written_by);
    print_size("size       database ", look->about.file_bytes);
    print_size(", WAL ", look->about.wal_bytes);
    putchar('\n');
    print_node(look);
    print_state(look);
    print_terms(&look->start->raft);
    print_snapshot(look);
    print_config(&look->start->raft);
    if (look->about.is_restored)
        printf("restored   not started since; members: %s\n",
               look->about.restored[0] == 0 ? "only the node that starts"
                                            : look->about.restored);
}

/* ---- entries ------------------------------------------------------------ */

struct printing {
    bool json;
    uint64_t damaged;
};

static void print_entry_text(const struct offline_entry *row)
{
    const struct raft_entry *entry = &row->entry;
    struct buf text = {0};
    struct raft_config config;

    buf_printf(&text, "%" PRIu64 " %" PRIu64 " %s ", entry->index, entry->term,
               inspect_kind(entry->kind));
    if (!row->sound)
        buf_append_text(&text, "DAMAGED ");
    if (entry->key != NULL) {
        buf_append_text(&text, "key=");
        escape_bytes(&text, inspect_blob(entry->key),
                     inspect_blob_size(entry->key));
        buf_append_u8(&text, ' ');
    }
    if (entry->kind == RAFT_KIND_CONFIG && entry->payload != NULL &&
        raft_config_decode(entry->payload->data, entry->payload->size, &config))
        raft_config_text(&config, &text);
    else
        escape_bytes(&text, inspect_blob(entry->payload),
                     inspect_blob_size(entry->payload));
    buf_append_u8(&text, '\n');
    fwrite(text.data, 1, text.size, stdout);
    buf_free(&text);
}

static bool print_entry(void *context, const struct offline_entry *row)
{
    struct printing *printing = context;

    if (printing->json)
        inspect_entry_json(row);
    else
        print_entry_text(row);
    printing->damaged += !row->sound;
    return ferror(stdout) == 0;
}

/* "5..7", "5..", "..7", "5".  False: it is no range; printed. */
static bool read_range(const char *text, uint64_t *first, uint64_t *last)
{
    const char *dots = strstr(text, "..");
    size_t size = dots == NULL ? strlen(text) : (size_t)(dots - text);
    const char *end = dots == NULL ? text : dots + 2;

    *first = 0;
    *last = UINT64_MAX;
    if ((size == 0 && dots != NULL) || text_to_u64(text, size, first)) {
        if (*end == 0 && dots != NULL)
            return true;
        if (text_to_u64(end, strlen(end), last))
            return true;
    }
    ctl_complain("--entries: expected FIRST..LAST, not '%s'", text);
    return false;
}

static enum ctl_status inspect_entries(struct ctl *ctl, struct offline *offline)
{
    struct printing printing = {.json = ctl->options.json};
    struct store_error error;
    uint64_t first, last;

    if (!read_range(ctl->options.entries, &first, &last))
        return CTL_USAGE;
    if (!offline_entries(offline, first, last, print_entry, &printing, &error))
        return ctl_store_failed(&error);
    if (printing.damaged == 0)
        return CTL_DONE;
    ctl_complain("%" PRIu64 " of these entries are damaged", printing.damaged);
    return CTL_REFUSED;
}

static enum ctl_status inspect_all(struct ctl *ctl, struct offline *offline,
                                   const char *path)
{
    struct store_error error;
    struct look look = {.path = path, .start = offline_start(offline, &error)};

    if (look.start == NULL || !offline_about(offline, &look.about, &error))
        return ctl_store_failed(&error);
    if (ctl->options.json)
        inspect_json(&look);
    else
        print_look(&look);
    /* It was told all the same: whoever looks may have nothing better. */
    return offline_is_sound(offline, &error) ? CTL_DONE
                                             : ctl_store_failed(&error);
}

enum ctl_status run_inspect(struct ctl *ctl, char **arguments, size_t count)
{
    struct store_error error;
    struct offline *offline = offline_open(arguments[0], &error);
    enum ctl_status status;

    (void)count;
    if (offline == NULL)
        return ctl_store_failed(&error);
    if (ctl->options.entries != NULL)
        status = inspect_entries(ctl, offline);
    else
        status = inspect_all(ctl, offline, arguments[0]);
    offline_close(offline);
    return status;
}

/* ---- verify ------------------------------------------------------------- */

static void print_problem(void *context, const char *text)
{
    const struct ctl *ctl = context;
    struct json json = {0};

    if (!ctl->options.json) {
        puts(text);
        return;
    }
    json_open(&json, '{');
    json_named_text(&json, "problem", text);
    json_close(&json, '}');
    json_print(&json, stdout);
    json_free(&json);
}

static void print_verdict(const struct offline_verdict *verdict)
{
    char hex[DIGEST_SIZE * 2 + 1];

    digest_to_hex(verdict->chain, hex);
    if (verdict->problems > OFFLINE_PROBLEMS_TOLD)
        printf("and %" PRIu64 " more\n",
               verdict->problems - OFFLINE_PROBLEMS_TOLD);
    if (verdict->problems > 0)
        printf("damaged: %" PRIu64 " problems in %" PRIu64 " rows\n",
               verdict->problems, verdict->rows);
    else
        printf("sound: %" PRIu64 " rows, digest %s at entry %" PRIu64 "\n",
               verdict->rows, hex, verdict->last);
}

enum ctl_status run_verify(struct ctl *ctl, char **arguments, size_t count)
{
    struct store_error error;
    struct offline_verdict verdict;
    struct offline *offline = offline_open(arguments[0], &error);
    bool done;

    (void)count;
    if (offline == NULL)
        return ctl_store_failed(&error);
    done = offline_verify(offline, print_problem, ctl, &verdict, &error);
    offline_close(offline);
    if (!done)
        return ctl_store_failed(&error);
    if (ctl->options.json)
        inspect_verdict_json(&verdict);
    else
        print_verdict(&verdict);
    return verdict.problems == 0 ? CTL_DONE : CTL_REFUSED;
}
