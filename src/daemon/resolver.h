/* Names into addresses, without waiting.
 *
 * getaddrinfo(3) follows the system's rules (hosts file, nsswitch), but it
 * blocks: each look-up has a thread of its own, so that one that hangs delays
 * no other.  Numeric addresses need none. */
#ifndef RAFTSC_DAEMON_RESOLVER_H
#define RAFTSC_DAEMON_RESOLVER_H

#include <netdb.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Look-ups under way at once; one more fails at once, and is tried again by
 * whoever dials. */
#define RESOLVER_MAX 64

struct resolver;

struct resolved {
    uint64_t number;            /* as asked */
    struct addrinfo *addresses; /* freeaddrinfo(3); NULL: none */
    char why[128];              /* why there are none */
};

struct resolver *resolver_new(void);
/* Look-ups that hang go on, and end by themselves. */
void resolver_free(struct resolver *resolver);

/* Readable when resolver_take() has something. */
int resolver_fd(const struct resolver *resolver);

/* `address` is host:port, as text_is_address() takes it.  For servers that
 * listen (passive) the answer is given at once, in the caller's thread. */
void resolver_ask(struct resolver *resolver, uint64_t number,
                  const char *address);
bool resolver_take(struct resolver *resolver, struct resolved *resolved);

/* Blocking, for the addresses to listen on at the start. */
struct addrinfo *resolver_listen(const char *address, char *why,
                                 size_t why_size);

#endif
