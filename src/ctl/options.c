#include "ctl/options.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"

#define LONG_ONLY 256 /* letters above it are no letters */

enum option_letter {
    LETTER_JSON = LONG_ONLY,
    LETTER_TIMEOUT,
    LETTER_RAW,
    LETTER_ENTRIES,
    LETTER_YES,
    LETTER_MEMBERS,
    LETTER_FORCE,
    LETTER_DURATION,
    LETTER_REQUESTS,
    LETTER_RATE,
    LETTER_MIX,
    LETTER_KEY,
    LETTER_SINCE,
    LETTER_AFTER,
    LETTER_TERM,
    LETTER_KEYS
};

struct option_row {
    int letter;
    const char *name;
    const char *argument; /* NULL: takes none */
    unsigned bit;         /* 0: every command takes it */
    const char *help;
};

static const struct option_row rows[] = {
    {'s', "socket", "SOCKET", 0,
     "the node's app socket (default: $" OPTIONS_SOCKET_VARIABLE
     ",\n                          then " OPTIONS_SOCKET_DEFAULT ")"},
    {LETTER_JSON, "json", NULL, 0, "one JSON object a line"},
    {LETTER_TIMEOUT, "timeout", "SECONDS", 0, "wait no longer for an answer"},
    {'h', "help", NULL, 0, "this text, or that of a command"},
    {'V', "version", NULL, 0, "the version of raftctl"},
    {'f', "file", "FILE", OPTION_FILE, "the payload is what FILE holds"},
    {'q', "quiet", NULL, OPTION_QUIET, "print no indexes"},
    {LETTER_KEY, "key", "KEY", OPTION_KEY, "once, however often it is sent"},
    {LETTER_SINCE, "since", "INDEX", OPTION_SINCE,
     "only if keys after that are remembered"},
    {LETTER_AFTER, "after", "INDEX", OPTION_AFTER,
     "only if no entry came after that one"},
    {LETTER_TERM, "term", "TERM", OPTION_TERM, "only in this term"},
    {LETTER_RAW, "raw", NULL, OPTION_RAW, "only payloads, byte for byte"},
    {'n', "interval", "SECONDS", OPTION_INTERVAL, "time between two looks"},
    {LETTER_ENTRIES, "entries", "FIRST..LAST", OPTION_ENTRIES,
     "only these entries"},
    {LETTER_YES, "yes", NULL, OPTION_YES, "do it without asking"},
    {LETTER_MEMBERS, "members", "MEMBERS", OPTION_MEMBERS, "id=host:port, ..."},
    {LETTER_FORCE, "force", NULL, OPTION_FORCE,
     "also against what speaks against it"},
    {'c', "clients", "N", OPTION_CLIENTS, "connections (64)"},
    {'P', "depth", "N", OPTION_DEPTH,
     "requests under way on each connection (1)"},
    {'d', "payload", "BYTES", OPTION_PAYLOAD, "of a submit (128)"},
    {LETTER_DURATION, "duration", "SECONDS", OPTION_DURATION,
     "of the whole (10)"},
    {LETTER_REQUESTS, "requests", "N", OPTION_REQUESTS,
     "end after so many requests"},
    {LETTER_RATE, "rate", "N", OPTION_RATE, "requests a second, and no more"},
    {LETTER_MIX, "mix", "WHAT=SHARE,...", OPTION_MIX,
     "shares of submit, barrier and read (submit=1)"},
    {LETTER_KEYS, "keys", NULL, OPTION_KEYS,
     "each submit has a key of its own"},
};

#define ROW_COUNT (sizeof(rows) / sizeof(rows[0]))

static const struct option_row *row_of(int letter)
{
    for (size_t i = 0; i < ROW_COUNT; i++) {
        if (rows[i].letter == letter)
            return &rows[i];
    }
    return NULL;
}

/* The tables of getopt_long(3), made of our own. */
static void getopt_tables(char *letters, struct option *names)
{
    *letters++ = '-'; /* arguments come as they stand, in their place */
    *letters++ = ':'; /* a missing one is told from an unknown option */
    for (size_t i = 0; i < ROW_COUNT; i++) {
        names[i].name = rows[i].name;
        names[i].has_arg =
            rows[i].argument == NULL ? no_argument : required_argument;
        names[i].flag = NULL;
        names[i].val = rows[i].letter;
        if (rows[i].letter >= LONG_ONLY)
            continue;
        *letters++ = (char)rows[i].letter;
        if (rows[i].argument != NULL)
            *letters++ = ':';
    }
    *letters = 0;
    memset(&names[ROW_COUNT], 0, sizeof(names[ROW_COUNT]));
}

/* Seconds, or a duration with a unit; more than nothing. */
static bool seconds_read(const char *text, uint64_t *value_us)
{
    char with_unit[64];
    size_t length = strlen(text);

    if (text_to_duration_us(text, length, value_us))
        return *value_us > 0;
    if (length + 2 > sizeof(with_unit))
        return false;
    snprintf(with_unit, sizeof(with_unit), "%ss", text);
    return text_to_duration_us(with_unit, length + 1, value_us) &&
           *value_us > 0;
}

/* A whole number, more than nothing. */
static bool count_read(const char *text, uint64_t *value)
{
    return text_to_u64(text, strlen(text), value) && *value > 0;
}

/* The log knows keys of 1 to 128 bytes. */
static bool key_read(const char *text, const char **key)
{
    *key = text;
    return text[0] != 0 && strlen(text) <= OPTIONS_KEY_MAX;
}

/* What its value has to be: NULL where it is. */
static const char *option_set_entry(struct options_entry *entry,
                                    const struct option_row *row,
                                    const char *value)
{
    static const char index[] = "an index";

    switch (row->letter) {
    case LETTER_KEY:
        return key_read(value, &entry->key) ? NULL : "1 to 128 bytes";
    case LETTER_SINCE:
        return text_to_u64(value, strlen(value), &entry->since) ? NULL : index;
    case LETTER_AFTER:
        return text_to_u64(value, strlen(value), &entry->after) ? NULL : index;
    case LETTER_TERM:
        return count_read(value, &entry->term) ? NULL : "a term";
    default: /* what is noted in `given` and has no value */
        return NULL;
    }
}

/* The same, of those of bench. */
static const char *option_set_bench(struct options *options,
                                    const struct option_row *row,
                                    const char *value)
{
    static const char count[] = "a number above 0";
    struct options_bench *bench = &options->bench;

    switch (row->letter) {
    case 'c':
        return count_read(value, &bench->clients) ? NULL : count;
    case 'P':
        return count_read(value, &bench->depth) ? NULL : count;
    case LETTER_REQUESTS:
        return count_read(value, &bench->requests) ? NULL : count;
    case LETTER_RATE:
        return count_read(value, &bench->rate) ? NULL : count;
    case 'd':
        return text_to_size_bytes(value, strlen(value), &bench->payload_bytes)
                   ? NULL
                   : "a number of bytes";
    case LETTER_DURATION:
        return seconds_read(value, &bench->duration_us) ? NULL
                                                        : "a number of seconds";
    case LETTER_MIX:
        bench->mix = value;
        return NULL;
    default:
        return option_set_entry(&options->entry, row, value);
    }
}

/* The same, of all options. */
static const char *option_set(struct options *options,
                              const struct option_row *row, const char *value)
{
    static const char seconds[] = "a number of seconds";

    options->given |= row->bit;
    switch (row->letter) {
    case 's':
        options->socket = value;
        return NULL;
    case 'f':
        options->file = value;
        return NULL;
    case LETTER_ENTRIES:
        options->entries = value;
        return NULL;
    case LETTER_MEMBERS:
        options->members = value;
        return NULL;
    case 'n':
        return seconds_read(value, &options->interval_us) ? NULL : seconds;
    case LETTER_TIMEOUT:
        return seconds_read(value, &options->timeout_us) ? NULL : seconds;
    case LETTER_JSON:
        options->json = true;
        return NULL;
    case 'h':
        options->help = true;
        return NULL;
    case 'V':
        options->version = true;
        return NULL;
    default:
        return option_set_bench(options, row, value);
    }
}

static void options_defaults(struct options *options, int argc)
{
    *options = (struct options){.interval_us = 1000000};
    options->socket = getenv(OPTIONS_SOCKET_VARIABLE);
    if (options->socket == NULL || options->socket[0] == 0)
        options->socket = OPTIONS_SOCKET_DEFAULT;
    options->words = x_calloc((size_t)argc + 1, sizeof(*options->words));
}

/* One answer of getopt_long().  False: it is an error. */
static bool option_take(struct options *options, int letter, char **argv,
                        char *why, size_t why_size)
{
    const struct option_row *row;
    const char *expected;

    if (letter == 1) {
        options->words[options->word_count++] = optarg;
        return true;
    }
    if (letter == ':') {
        snprintf(why, why_size, "option '%s' needs a value", argv[optind - 1]);
        return false;
    }
    row = row_of(letter);
    if (row == NULL) {
        if (optopt > 0 && optopt < LONG_ONLY)
            snprintf(why, why_size, "there is no option '-%c'", optopt);
        else
            snprintf(why, why_size, "there is no option '%s'",
                     argv[optind - 1]);
        return false;
    }
    expected = option_set(options, row, optarg);
    if (expected != NULL) {
        snprintf(why, why_size, "option --%s: expected %s, not '%s'", row->name,
                 expected, optarg);
        return false;
    }
    return true;
}

bool options_read(struct options *options, int argc, char **argv, char *why,
                  size_t why_size)
{
    char letters[2 * ROW_COUNT + 3];
    struct option names[ROW_COUNT + 1];
    int letter;

    options_defaults(options, argc);
    getopt_tables(letters, names);
    opterr = 0;
    optind = 0; /* glibc: start over */
    while ((letter = getopt_long(argc, argv, letters, names, NULL)) != -1) {
        if (!option_take(options, letter, argv, why, why_size))
            return false;
    }
    while (optind < argc)
        options->words[options->word_count++] = argv[optind++];
    return true;
}

void options_clear(struct options *options)
{
    free(options->words);
    options->words = NULL;
}

const char *options_name(unsigned bits)
{
    for (size_t i = 0; i < ROW_COUNT; i++) {
        if ((rows[i].bit & bits) != 0)
            return rows[i].name;
    }
    return "";
}

void options_help(FILE *file, unsigned bits)
{
    for (size_t i = 0; i < ROW_COUNT; i++) {
        const struct option_row *row = &rows[i];
        char text[64];

        if (bits == 0 ? row->bit != 0 : (row->bit & bits) == 0)
            continue;
        snprintf(text, sizeof(text), "%s%c%s--%s%s%s",
                 row->letter < LONG_ONLY ? "-" : " ",
                 row->letter < LONG_ONLY ? row->letter : ' ',
                 row->letter < LONG_ONLY ? ", " : "  ", row->name,
                 row->argument == NULL ? "" : " ",
                 row->argument == NULL ? "" : row->argument);
        fprintf(file, "  %-22s  %s\n", text, row->help);
    }
}
