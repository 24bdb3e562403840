/* raftsc: the command line. */
#include "config.h"

#include <errno.h>
#include <getopt.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/standard.h"
#include "daemon/loop.h"

#define OVERRIDES_MAX 64

static const char usage[] =
    "usage: raftsc -c FILE [-o KEY=VALUE]... [-t]\n"
    "       raftsc --help | --version\n"
    "\n"
    "  -c, --config FILE       the configuration: see raftsc.conf(5)\n"
    "  -o, --option KEY=VALUE  overrides a key of the file\n"
    "  -t, --test              check the configuration, print every effective\n"
    "                          value, and exit\n"
    "  -h, --help              print this, and exit\n"
    "  -V, --version           print the version, and exit\n";

struct command_line {
    struct configfile file;
    const char *overrides[OVERRIDES_MAX];
    bool test;
};

static int wrong_usage(const char *what)
{
    fprintf(stderr, "raftsc: %s\n%s", what, usage);
    return EXIT_STATUS_USAGE;
}

/* The exit status of what only prints. */
static int printed(void)
{
    if (fflush(stdout) == 0 && ferror(stdout) == 0) {
        return EXIT_STATUS_OK;
    }
    fprintf(stderr, "raftsc: cannot write to standard output: %s\n",
            strerror(errno));
    return EXIT_STATUS_DISK;
}

/* -1: go on; else the exit status. */
static int parse(int argc, char **argv, struct command_line *line)
{
    static const struct option options[] = {
        {"config", required_argument, NULL, 'c'},
        {"option", required_argument, NULL, 'o'},
        {"test", no_argument, NULL, 't'},
        {"help", no_argument, NULL, 'h'},
        {"version", no_argument, NULL, 'V'},
        {NULL, 0, NULL, 0}};
    int option;
    while ((option = getopt_long(argc, argv, "c:o:thV", options, NULL)) != -1) {
        if (option == 'c') {
            line->file.path = optarg;
        } else if (option == 'o') {
            if (line->file.override_count == OVERRIDES_MAX) {
                return wrong_usage("too many -o: at most 64");
            }
            line->overrides[line->file.override_count++] = optarg;
        } else if (option == 't') {
            line->test = true;
        } else if (option == 'h') {
            fputs(usage, stdout);
            return printed();
        } else if (option == 'V') {
            puts("raftsc " PACKAGE_VERSION);
            return printed();
        } else {
            fputs(usage, stderr);
            return EXIT_STATUS_USAGE;
        }
    }
    if (optind < argc) {
        return wrong_usage("there are arguments that are no options");
    }
    line->file.overrides = line->overrides;
    return line->file.path == NULL ? wrong_usage("-c FILE is missing") : -1;
}

static void print_settings(const struct settings *settings)
{
    static char value[SETTINGS_VALUE_MAX];
    size_t count;
    const struct setting *table = settings_table(&count);
    for (size_t i = 0; i < count; i++) {
        settings_show(settings, &table[i], value, sizeof(value));
        printf("%s = %s\n", table[i].name, value);
    }
}

/* READs of 16 MiB come and go: memory that is given back after each of them
 * costs the loop and the reader thread a page fault for every 4 KiB. */
static void keep_freed_memory(void)
{
#ifdef M_TRIM_THRESHOLD
    mallopt(M_TRIM_THRESHOLD, 32 * 1024 * 1024);
#endif
}

int main(int argc, char **argv)
{
    static struct command_line line;
    static struct settings settings;
    standard_reserve();
    int status = parse(argc, argv, &line);
    if (status >= 0) {
        return status;
    }
    struct buf errors = {0};
    if (!configfile_read(&line.file, &settings, &errors)) {
        fprintf(stderr, "%.*s", (int)errors.size, (const char *)errors.data);
        buf_free(&errors);
        return EXIT_STATUS_CONFIG;
    }
    if (line.test) {
        print_settings(&settings);
        return printed();
    }
    keep_freed_memory();
    umask(0027); /* what is in the data directory is not for everybody */
    /* A write past a limit of size is an error to be told, not an end. */
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);
    log_set(settings.log_level, settings.log_format);
    log_never_waits();
    return loop_run(&line.file, &settings);
}
