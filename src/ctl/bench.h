/* A load generator: many connections, each with some requests under way, in
 * one thread.
 *
 *     commands_bench.c   the command line, the question, the status
 *     bench.c            the loop: when to send, when it is over
 *     bench_channel.c    one connection: requests out, answers in
 *     bench_report.c     the figures, for people and as JSON
 *
 * Without a rate each connection sends its next request when an answer comes,
 * so that a slow node is asked less: its latencies are those of requests that
 * were sent.  With a rate each request has a time at which it is due, and its
 * latency counts from then, also where it had to wait for room: what users who
 * come by themselves would see. */
#ifndef RAFTSC_CTL_BENCH_H
#define RAFTSC_CTL_BENCH_H

#include <stdbool.h>
#include <stdio.h>

#include "base/buf.h"
#include "base/prng.h"
#include "ctl/histogram.h"
#include "ctl/table.h"
#include "wire/resp.h"

enum bench_kind { BENCH_SUBMIT, BENCH_BARRIER, BENCH_READ, BENCH_KINDS };

#define BENCH_CLIENTS_MAX 10000
#define BENCH_DEPTH_MAX 10000
#define BENCH_SHARE_MAX 1000000
#define BENCH_ERRORS_MAX 16
#define BENCH_CODE_SIZE 24

struct bench_plan {
    const char *socket;
    uint64_t timeout_us; /* of a connection, and of the last answers; 0: none */
    uint64_t clients;
    uint64_t depth;
    uint64_t payload_bytes;
    uint64_t duration_us; /* 0: until `requests` are done */
    uint64_t requests;    /* 0: any number */
    uint64_t rate;        /* a second, of all clients; 0: as many as go */
    uint64_t shares[BENCH_KINDS];
    bool keys;           /* each submit has one of its own */
    uint64_t read_first; /* READ asks for one of these indexes */
    uint64_t read_last;
};

struct bench_error {
    char code[BENCH_CODE_SIZE];
    char text[256]; /* the first one, whole and printable */
    uint64_t count;
};

struct bench_result {
    struct histogram answered[BENCH_KINDS]; /* without the errors */
    uint64_t errors[BENCH_KINDS];
    struct bench_error codes[BENCH_ERRORS_MAX]; /* empty code: no more */
    uint64_t sent;
    uint64_t unanswered; /* in time, at the end */
    uint64_t elapsed_us; /* from the first request to the last answer */
    bool interrupted;
    char trouble[320]; /* why it ended early; empty: it did not */
};

extern const char *const bench_names[BENCH_KINDS];

/* Runs it to its end, or to ^C.  False: no connection could be made, and
 * result->trouble says why. */
bool bench_run(const struct bench_plan *plan, struct bench_result *result);

/* ---- bench_channel.c ---------------------------------------------------- */

/* What all connections send, made once. */
struct bench_requests {
    struct buf submit; /* with keys: all but the key */
    bool keys;
    uint64_t run; /* of a key: others than in any other run */
    struct buf barrier;
};

void bench_requests_make(struct bench_requests *requests,
                         const struct bench_plan *plan);
void bench_requests_free(struct bench_requests *requests);

struct channel;

/* Takes `fd`, which does not block. */
struct channel *channel_new(int fd, size_t depth,
                            const struct bench_requests *requests);
void channel_free(struct channel *channel);
int channel_descriptor(const struct channel *channel);

bool channel_has_room(const struct channel *channel);
size_t channel_under_way(const struct channel *channel);
/* One more request, due at `due_us`; channel_has_room().  `number` is the index
 * that READ asks for, or that of a submit's key.  Nothing is sent yet. */
void channel_add(struct channel *channel, enum bench_kind kind, uint64_t due_us,
                 uint64_t number);

/* Sends what can be sent.  False: the rest has to wait until it is writable. */
bool channel_send(struct channel *channel);
/* Takes what has come.  False: the connection is of no use any more, and
 * result->trouble says why. */
bool channel_receive(struct channel *channel, struct bench_result *result);

/* ---- bench_report.c ----------------------------------------------------- */

void bench_print(const struct bench_plan *plan,
                 const struct bench_result *result,
                 const struct screen *screen);
void bench_print_json(const struct bench_plan *plan,
                      const struct bench_result *result, FILE *file);
/* "1.25": milliseconds with three digits that count. */
#define BENCH_TIME_SIZE 32
char *bench_time(char out[BENCH_TIME_SIZE], uint64_t us);

#endif
