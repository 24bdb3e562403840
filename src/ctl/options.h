/* The command line.  Options may stand anywhere; "--" ends them. */
#ifndef RAFTSC_CTL_OPTIONS_H
#define RAFTSC_CTL_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define OPTIONS_SOCKET_DEFAULT "/run/raft.sock"
#define OPTIONS_SOCKET_VARIABLE "RAFTSC_SOCKET"

/* Options that only some commands take. */
enum option_bit {
    OPTION_FILE = 1,
    OPTION_QUIET = 2,
    OPTION_RAW = 4,
    OPTION_INTERVAL = 8,
    OPTION_ENTRIES = 16,
    OPTION_YES = 32,
    OPTION_MEMBERS = 64,
    OPTION_FORCE = 128,
    OPTION_CLIENTS = 256,
    OPTION_DEPTH = 512,
    OPTION_PAYLOAD = 1024,
    OPTION_DURATION = 2048,
    OPTION_REQUESTS = 4096,
    OPTION_RATE = 8192,
    OPTION_MIX = 16384,
    OPTION_KEY = 32768,
    OPTION_SINCE = 65536,
    OPTION_AFTER = 131072,
    OPTION_TERM = 262144,
    OPTION_KEYS = 524288
};

/* Those of submit's entries: what `given` has of them counts. */
#define OPTIONS_KEY_MAX 128
#define OPTION_ENTRY (OPTION_KEY | OPTION_SINCE | OPTION_AFTER | OPTION_TERM)
struct options_entry {
    const char *key;
    uint64_t since;
    uint64_t after;
    uint64_t term;
};

/* Those of bench; 0 and NULL where they are not given. */
#define OPTION_BENCH                                                           \
    (OPTION_CLIENTS | OPTION_DEPTH | OPTION_PAYLOAD | OPTION_DURATION |        \
     OPTION_REQUESTS | OPTION_RATE | OPTION_MIX | OPTION_KEYS | OPTION_YES)
struct options_bench {
    uint64_t clients;
    uint64_t depth;
    uint64_t payload_bytes;
    uint64_t duration_us;
    uint64_t requests;
    uint64_t rate;
    const char *mix;
};

struct options {
    const char *socket;
    const char *file;     /* NULL: not given */
    const char *entries;  /* NULL: not given */
    const char *members;  /* NULL: not given */
    uint64_t timeout_us;  /* 0: none */
    uint64_t interval_us; /* 1 s where it is not given */
    struct options_entry entry;
    struct options_bench bench;
    bool json;
    bool help;
    bool version;
    unsigned given; /* enum option_bit, of those that were given */
    char **words;   /* the command and its arguments; borrowed from argv */
    size_t word_count;
};

/* False: *options is undefined and `why` says what is wrong, for people.
 * The caller ends with options_clear() in any case. */
bool options_read(struct options *options, int argc, char **argv, char *why,
                  size_t why_size);
void options_clear(struct options *options);

/* The name of the first of `bits`: "--file". */
const char *options_name(unsigned bits);

/* One line for each option of `bits`, or for each global one where bits is
 * 0. */
void options_help(FILE *file, unsigned bits);

#endif
