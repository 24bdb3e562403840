/* What every subcommand of raftctl stands on: the options, the connection,
 * one way to ask, and one way to say that it went wrong. */
#ifndef RAFTSC_CTL_CTL_H
#define RAFTSC_CTL_CTL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ctl/client.h"
#include "ctl/options.h"

/* Exit statuses. */
enum ctl_status {
    CTL_DONE = 0,
    CTL_REFUSED = 1,     /* the node said no, or a file could not be read */
    CTL_USAGE = 2,       /* the command line */
    CTL_UNREACHABLE = 3, /* no node, or no answer */
    CTL_UNCERTAIN = 4    /* it may have happened */
};

struct ctl {
    struct options options;
    struct client *client; /* NULL: not connected */
};

/* What a request does: only after one that changes something is a lost
 * answer uncertain. */
enum ctl_effect {
    CTL_READS,
    CTL_CHANGES,
    CTL_SUBMITS,  /* changes, and the node has been told the time-out */
    CTL_BOOTSTRAP /* changes, and after the node's TIMEOUT it goes on */
};

/* "raftctl: …" on standard error, one line, printable. */
void ctl_complain(const char *format, ...)
    __attribute__((format(printf, 1, 2)));

/* From here on complaints are kept instead of printed (true), the newest one
 * in the end, or printed again (false).  For a picture that owns the screen. */
void ctl_complain_hold(bool hold);
/* The newest one that was kept; empty: none.  A longer one is cut. */
#define CTL_COMPLAINT_SIZE 2048
const char *ctl_complaint(void);

/* Connects where that has not been done.  Anything but CTL_DONE is printed. */
enum ctl_status ctl_connect(struct ctl *ctl);

/* Sends one request and waits for its answer.  CTL_DONE: the caller clears
 * *reply, which is no error.  Anything else is printed. */
enum ctl_status ctl_ask(struct ctl *ctl, enum ctl_effect effect,
                        const struct client_word *words, size_t count,
                        struct resp_value *reply);
/* The same, for words that are text; the list ends with NULL. */
enum ctl_status ctl_ask_text(struct ctl *ctl, enum ctl_effect effect,
                             const char *const *words,
                             struct resp_value *reply);
/* The same, where the answer is a number: prints it, in JSON under `name`. */
enum ctl_status ctl_ask_number(struct ctl *ctl, enum ctl_effect effect,
                               const char *const *words, const char *name);

/* Queues a request of words that are text; the list ends with NULL. */
void ctl_queue_text(struct ctl *ctl, const char *const *words);

/* Prints an error of the node's: refused, or uncertain. */
enum ctl_status ctl_refused(const struct resp_value *error);
/* The same, about one line of the input. */
enum ctl_status ctl_refused_line(const struct resp_value *error, uint64_t line);
/* Prints why there is no answer; `uncertain`: it may have happened. */
enum ctl_status ctl_lost(const struct ctl *ctl, enum client_result result,
                         bool uncertain);
/* The same as words, for a message of the caller's own.  Static memory. */
const char *ctl_lost_text(const struct ctl *ctl, enum client_result result);
/* Prints that the node's answer has an unknown shape: what it was to change may
 * have been changed. */
enum ctl_status ctl_strange(enum ctl_effect effect);

/* When an answer that is asked for now is too late; 0: never. */
uint64_t ctl_deadline_us(const struct ctl *ctl);
/* Where the node is told the time-out, raftctl waits a little longer than
 * that: the node knows better whether the entry may be in the log. */
#define CTL_GRACE_US ((uint64_t)1000000)
#define CTL_NUMBER_SIZE 24
/* The time-out for the node.  False: none was given. */
bool ctl_timeout_ms(const struct ctl *ctl, char text[CTL_NUMBER_SIZE]);

/* Handles one push.  Anything but CTL_DONE ends the stream, and is printed. */
typedef enum ctl_status ctl_push_function(struct ctl *ctl,
                                          const struct resp_value *push);
/* Asks for a stream and hands over each push, until ^C (CTL_DONE) or its
 * end.  In commands_stream.c. */
enum ctl_status ctl_stream(struct ctl *ctl, const char *const *words,
                           ctl_push_function *push);

/* Prints what a data directory, or a backup, was refused for. */
struct store_error;
enum ctl_status ctl_store_failed(const struct store_error *error);

/* A number of the command line.  False: it is none; printed. */
bool ctl_number(const char *name, const char *text, uint64_t *value);

/* True where `word` is the whole text of `value`. */
bool ctl_value_is(const struct resp_value *value, const char *word);

/* Prints a text of the node's on standard output, all of it, printable; line
 * feeds stay where it has `lines`. */
void ctl_print_text(const struct resp_value *text, bool lines);

/* All that was printed has reached standard output; else complains, the first
 * time. */
bool ctl_flush(void);

#endif
