/* Scripts: clusters of cores on a network that is driven by hand.
 *
 *   script [--rewrite] FILE...
 *
 * A file is a row of blocks.  A block is commands, a line ----, and the trace
 * that they must give, up to an empty line:
 *
 *   nodes N [ALL]         N cores that have met: entry 1 names them all; up to
 *                         ALL, others that know of no configuration
 *   config LIST           before `nodes`: the members, e.g. 1=v 2=v 3=l; a
 *                         joint one as 1=vv 2=v- 3=-v (old and coming role)
 *   log N T T T ...       before `nodes`: terms of the entries behind entry 1
 *   term N T              before `nodes`: the term that N knows of
 *   limit NAME VALUE      before `nodes`: a field of struct raft_settings
 *   time MS               time passes for everybody
 *   wait N                time passes until N acts by itself; the others find
 *                         out when something comes to them
 *   campaign N            N's own clock runs ahead until it acts by itself
 *   hurry N MS            … by so much
 *   deliver [A [B]]       what is on its way arrives (all; from A; from A to B;
 *                         0 stands for all)
 *   drop [A [B]]          … is lost
 *   keep A B / again A B  notes what is on its way; brings it a second time
 *   save [N]              saves end (of all, or of N)
 *   run                   deliver and save until nothing is left
 *   among N N ...         the same, of these cores only
 *   propose N TEXT [key K] [since I] [term T] [after I]
 *   read N, link A B up|down, crash N, start N
 *   show [N]              what a core is; logs [N]: what its log holds;
 *   members [N]           the configuration in force there
 *   change N LIST         N is asked for these members, e.g. 1=v 4=l
 *   insist N LIST         … though they are not alive
 *   abort N, transfer N [TO], contacts N
 *   cut N I               N drops its log up to entry I
 *   base A B [I]          what lies under A's log, or would if it were cut at
 *                         I, is at B, whole
 *   installed A B I       … and A is told that B has entries up to I
 *   needed [N]            what every member has, as N knows it
 *   patient N             nobody waits at N for what is committed
 *   gone N PEER           N cannot reach PEER
 *   disk N stalls|well    its saves take too long, or end again
 *   forge A B KIND ARGS   a message that no honest core would send
 *   quiet / loud          leaves messages out of the trace, or not
 *   roles                 … takes in what is told of role, term and leader
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "script.h"

/* ---- files -------------------------------------------------------------- */

static void clear_script(struct script *script)
{
    net_clear(script);
    for (size_t i = 1; i <= script->count; i++) {
        core_free(&script->cores[i]);
    }
    buf_free(&script->out);
    free(script);
}

static struct script *new_script(void)
{
    struct script *script = x_calloc(1, sizeof(*script));
    script->now_us = 1000000;
    script->settings = (struct raft_settings){
        .election_timeout_us = 1000000,
        .heartbeat_us = 100000,
        .catch_up_us = 5000000,
        .append_bytes_max = 1 << 20,
        .append_entries_max = 64,
        .inflight_messages_max = 8,
        .inflight_bytes_max = 1 << 20,
        .uncommitted_bytes_max = 1 << 20,
        .window_bytes_max = 1 << 20,
        .key_window = 100,
    };
    return script;
}

/* A block ends: its trace against the expected one, and into `fresh`. */
static bool end_block(struct script *script, struct buf *expected,
                      struct buf *fresh)
{
    bool same = expected->size == script->out.size &&
                (expected->size == 0 ||
                 memcmp(expected->data, script->out.data, expected->size) == 0);
    buf_append(fresh, script->out.data, script->out.size);
    buf_clear(&script->out);
    buf_clear(expected);
    return same;
}

/* Runs a file's text, which it takes apart; what it gives goes to `fresh`.
 * False: a block gave another trace than it must. */
static bool run_text(struct script *script, char *text, struct buf *fresh)
{
    struct buf expected = {0};
    bool same = true;
    bool trace = false;
    char *next = NULL;
    for (char *line = text; line != NULL && *line != '\0'; line = next) {
        next = strchr(line, '\n');
        if (next != NULL) {
            *next++ = '\0';
        }
        if (trace && *line != '\0') {
            buf_printf(&expected, "%s\n", line);
            continue;
        }
        if (trace) {
            same = end_block(script, &expected, fresh) && same;
            trace = false;
        }
        buf_printf(fresh, "%s\n", line);
        if (strcmp(line, "----") == 0) {
            trace = true;
        } else if (*line != '\0' && *line != '#') {
            script_command(script, line);
        }
    }
    if (trace) {
        same = end_block(script, &expected, fresh) && same;
    }
    buf_free(&expected);
    return same;
}

static char *read_file(const char *path)
{
    FILE *stream = fopen(path, "re");
    if (stream == NULL) {
        die(EXIT_STATUS_USAGE, "%s cannot be opened", path);
    }
    struct buf text = {0};
    size_t got;
    while ((got = fread(buf_reserve(&text, 4096), 1, 4096, stream)) > 0) {
        text.size += got;
    }
    fclose(stream);
    buf_append_u8(&text, '\0');
    return (char *)text.data;
}

static void write_file(const char *path, const struct buf *text)
{
    FILE *stream = fopen(path, "we");
    if (stream == NULL ||
        fwrite(text->data, 1, text->size, stream) != text->size ||
        fclose(stream) != 0) {
        die(EXIT_STATUS_DISK, "%s cannot be written", path);
    }
}

int main(int argc, char **argv)
{
    int passed = 0;
    int failed = 0;
    bool rewrite = argc > 1 && strcmp(argv[1], "--rewrite") == 0;
    for (int i = 1 + rewrite; i < argc; i++) {
        struct script *script = new_script();
        struct buf fresh = {0};
        char *text = read_file(argv[i]);
        bool same = run_text(script, text, &fresh);
        if (rewrite) {
            write_file(argv[i], &fresh);
        } else if (!same) {
            printf("FAIL %s: another trace than expected:\n%.*s\n", argv[i],
                   (int)fresh.size, (char *)fresh.data);
        }
        passed += same || rewrite;
        failed += !same && !rewrite;
        free(text);
        buf_free(&fresh);
        clear_script(script);
    }
    printf("%d passed, %d failed\n", passed, failed);
    return failed > 0;
}
