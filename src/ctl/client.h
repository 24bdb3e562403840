/* The connection to a node's app socket.  Blocking, as a tool's is: a call
 * waits until there is something to do, for as long as its deadline allows.
 *
 * Requests may be queued far ahead of their replies.  Both directions are
 * served at once, so that two full sockets never wait for each other. */
#ifndef RAFTSC_CTL_CLIENT_H
#define RAFTSC_CTL_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/resp.h"

struct client;

struct client_word {
    const void *data;
    size_t size;
};

enum client_result {
    CLIENT_OK,
    CLIENT_EMPTY,       /* client_take() only: no whole reply has come yet */
    CLIENT_TIMEOUT,     /* the deadline has passed */
    CLIENT_INTERRUPTED, /* see interrupt.h */
    CLIENT_LOST,        /* the connection is gone: client_error() */
    CLIENT_BAD          /* what came is not RESP */
};

/* Microseconds of a clock that never goes back. */
uint64_t client_now_us(void);

/* A connection and no more: a descriptor that does not block.  -1: cannot
 * connect, as for client_open(). */
int client_connect(const char *path, uint64_t timeout_us, int *error);

/* NULL: cannot connect; *error is an errno.  timeout_us 0: waits as long as
 * it takes. */
struct client *client_open(const char *path, uint64_t timeout_us, int *error);
void client_close(struct client *client);

/* Queues one request; nothing is sent yet.  Copies the words. */
void client_queue(struct client *client, const struct client_word *words,
                  size_t count);
/* Bytes queued, and bytes handed to the kernel, since the connection began:
 * a request whose end was never handed over was never seen by the node. */
uint64_t client_queued(const struct client *client);
uint64_t client_written(const struct client *client);

/* The next whole reply that has already come.  CLIENT_OK: the caller clears
 * *value, whose text is good until the next client_turn() or client_reply(). */
enum client_result client_take(struct client *client, struct resp_value *value);

/* Send and receive what is possible now, or wait for it, or for `also` (a
 * descriptor; -1: none) to be readable, which *also_ready then says.  A
 * connection that ends is CLIENT_LOST only once all that came before it has
 * been received.  deadline_us 0: none. */
enum client_result client_turn(struct client *client, int also,
                               bool *also_ready, uint64_t deadline_us);

/* Sends all that is queued and waits for the next reply. */
enum client_result client_reply(struct client *client, struct resp_value *value,
                                uint64_t deadline_us);

/* For poll(2), beside others. */
int client_descriptor(const struct client *client);

/* Why it was lost; 0: the node closed it. */
int client_error(const struct client *client);

#endif
