#include "daemon/configfile.h"

#include <assert.h>
#include <errno.h>
#include <ini.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

/* A line of the longest value, with its key and a comment. */
#define LINE_MAX_BYTES (2 * (int)SETTINGS_VALUE_MAX)

#define KEYS_MAX 64

/* Where a value came from, and what has been said so far. */
struct reading {
    const struct configfile *file;
    struct settings *settings;
    struct buf *errors;
    bool of_options;           /* of -o, not of the file */
    bool overridden[KEYS_MAX]; /* by key: -o gives it */
    unsigned line;             /* of the file; 0: of none */
    unsigned given[KEYS_MAX];  /* by key: its line; 0: not in the file */
    FILE *stream;              /* while it is read: the file, its last line */
    char *buffer;
    size_t capacity;
};

static void complain(struct reading *reading, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void complain(struct reading *reading, const char *format, ...)
{
    char text[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    if (reading->of_options) {
        buf_printf(reading->errors, "-o: %s\n", text);
    } else if (reading->line > 0) {
        buf_printf(reading->errors, "%s:%u: %s\n", reading->file->path,
                   reading->line, text);
    } else {
        buf_printf(reading->errors, "%s: %s\n", reading->file->path, text);
    }
}

/* ---- values ------------------------------------------------------------- */

/* The value of one ${NAME} whose name begins at `at`; NULL: said why. */
static const char *expand_one(struct reading *reading, const char *key,
                              const char *at, struct buf *out)
{
    const char *end = strchr(at, '}');
    if (end == NULL) {
        complain(reading, "%s: '${' has no '}'", key);
        return NULL;
    }
    char name[256];
    snprintf(name, sizeof(name), "%.*s", (int)(end - at), at);
    const char *value = getenv(name);
    if (value == NULL) {
        complain(reading,
                 "%s: ${%s}: the environment has no variable of that name", key,
                 name);
        return NULL;
    }
    buf_append_text(out, value);
    return end + 1;
}

/* The caller owns what it gets; NULL: said why. */
static char *expand(struct reading *reading, const char *key, const char *value)
{
    struct buf out = {0};
    while (value != NULL && *value != '\0') {
        if (value[0] == '$' && value[1] == '{') {
            value = expand_one(reading, key, value + 2, &out);
        } else {
            buf_append_u8(&out, (uint8_t)*value++);
        }
    }
    buf_append_u8(&out, '\0');
    if (value == NULL) {
        buf_free(&out);
        return NULL;
    }
    return (char *)out.data;
}

/* False: -o has given it, or it is given twice, which is said. */
static bool is_wanted(struct reading *reading, const char *key, size_t at)
{
    if (reading->of_options) {
        reading->overridden[at] = true;
        return true;
    }
    if (reading->given[at] > 0) {
        complain(reading, "%s: it was given before, in line %u", key,
                 reading->given[at]);
        return false;
    }
    reading->given[at] = reading->line;
    return !reading->overridden[at];
}

static void take(struct reading *reading, const char *key, const char *raw)
{
    size_t count;
    const struct setting *setting = settings_find(key);
    if (setting == NULL) {
        complain(reading,
                 "%s: there is no such key: raftsc.conf(5) names those that "
                 "there are",
                 key);
        return;
    }
    size_t at = (size_t)(setting - settings_table(&count));
    if (!is_wanted(reading, key, at)) {
        return;
    }
    char why[512];
    char *value = expand(reading, key, raw);
    if (value != NULL &&
        !settings_read(reading->settings, setting, value, why, sizeof(why))) {
        complain(reading, "%s: %s", key, why);
    }
    free(value);
}

/* ---- lines -------------------------------------------------------------- */

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static char *trim(char *text)
{
    while (is_space(*text)) {
        text++;
    }
    size_t size = strlen(text);
    while (size > 0 && is_space(text[size - 1])) {
        text[--size] = '\0';
    }
    return text;
}

static void take_pair(struct reading *reading, char *pair)
{
    char *equals = strchr(pair, '=');
    if (equals == NULL) {
        char shown[80];
        complain(reading, "'%s': expected key = value",
                 text_printable(shown, sizeof(shown), pair, strlen(pair)));
        return;
    }
    *equals = '\0';
    take(reading, trim(pair), trim(equals + 1));
}

/* inih splits lines into keys and values.  It is given one line at a time by
 * next_line(), which counts them and holds back what inih would take in a way
 * of its own: so every complaint names the right line. */

/* NULL: inih may have it; else what is wrong with it. */
static const char *unfit(const char *line, size_t size, size_t room)
{
    if (size >= room) {
        return "the line is too long";
    }
    if (strlen(line) != size) {
        return "there is a NUL byte in the line";
    }
    const char *at = line + strspn(line, " \t\r\n");
    bool has_pair = at[strcspn(at, "=:#\n")] == '=';
    bool is_pair = has_pair && strchr("[;=", *at) == NULL;
    return is_pair || *at == '\0' || *at == '#' ? NULL : "";
}

/* ini_reader: the next line, or an empty one where it is unfit; the line is
 * named as a whole where that is all that there is to say. */
static char *next_line(char *line, int room, void *context)
{
    struct reading *reading = context;
    ssize_t size =
        getline(&reading->buffer, &reading->capacity, reading->stream);
    if (size < 0) {
        return NULL;
    }
    reading->line++;
    const char *wrong = unfit(reading->buffer, (size_t)size, (size_t)room);
    if (wrong == NULL) {
        memcpy(line, reading->buffer, (size_t)size + 1);
        return line;
    }
    char shown[80];
    char *text = trim(reading->buffer);
    text_printable(shown, sizeof(shown), text, strlen(text));
    complain(reading, "'%s': %s%sexpected key = value", shown, wrong,
             wrong[0] == '\0' ? "" : ": ");
    memcpy(line, "\n", 2);
    return line;
}

/* ini_handler: 0 would be an error of inih's; ours are noted already. */
static int take_inih(void *context, const char *section, const char *key,
                     const char *value)
{
    (void)section;
    take(context, key, value);
    return 1;
}

/* Debian's inih takes its limits at run time; there are no continued lines
 * here, and only # begins a comment. */
static void set_up_inih(void)
{
    static char comments[] = "#";
    ini_allow_multiline = false;
    ini_start_comment_prefixes = comments;
    ini_allow_inline_comments = true;
    ini_inline_comment_prefixes = comments;
    ini_use_stack = false;
    ini_allow_realloc = false;
    ini_max_line = LINE_MAX_BYTES;
    ini_initial_alloc = LINE_MAX_BYTES;
}

static bool read_lines(struct reading *reading)
{
    reading->stream = fopen(reading->file->path, "re");
    if (reading->stream == NULL) {
        complain(reading, "it cannot be opened: %s", strerror(errno));
        return false;
    }
    set_up_inih();
    int result = ini_parse_stream(next_line, reading, take_inih, reading);
    bool sound = !ferror(reading->stream);
    reading->line = 0;
    if (!sound) {
        complain(reading, "it cannot be read: %s", strerror(errno));
    }
    if (result == -2) {
        die(EXIT_STATUS_SOFTWARE, "out of memory");
    }
    free(reading->buffer);
    fclose(reading->stream);
    return sound;
}

/* Before the file: what they give is not even read there. */
static void read_overrides(struct reading *reading)
{
    reading->of_options = true;
    for (size_t i = 0; i < reading->file->override_count; i++) {
        char *pair = x_strdup(reading->file->overrides[i]);
        take_pair(reading, pair);
        free(pair);
    }
    reading->of_options = false;
}

/* ---- the whole ---------------------------------------------------------- */

static void find_missing(struct reading *reading)
{
    size_t count;
    const struct setting *table = settings_table(&count);
    for (size_t i = 0; i < count; i++) {
        if (table[i].fallback == NULL && reading->given[i] == 0 &&
            !reading->overridden[i]) {
            complain(reading, "%s: it is missing, and has no default",
                     table[i].name);
        }
    }
}

static void check(struct reading *reading)
{
    char why[512];
    const char *key = NULL;
    size_t count;
    if (reading->settings->peer_advertise[0] == '\0') {
        memcpy(reading->settings->peer_advertise,
               reading->settings->peer_listen,
               sizeof(reading->settings->peer_advertise));
    }
    if (settings_check(reading->settings, &key, why, sizeof(why))) {
        return;
    }
    size_t at = (size_t)(settings_find(key) - settings_table(&count));
    reading->of_options = reading->overridden[at];
    reading->line = reading->given[at];
    complain(reading, "%s: %s", key, why);
}

bool configfile_read(const struct configfile *file, struct settings *settings,
                     struct buf *errors)
{
    struct reading reading = {
        .file = file, .settings = settings, .errors = errors};
    size_t count;
    settings_table(&count);
    assert(count <= KEYS_MAX);
    settings_defaults(settings);
    read_overrides(&reading);
    if (!read_lines(&reading)) {
        return false;
    }
    find_missing(&reading);
    if (errors->size == 0) {
        check(&reading); /* sense is made only of what is sound */
    }
    return errors->size == 0;
}
