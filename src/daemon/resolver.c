#include "daemon/resolver.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/list.h"
#include "base/mem.h"
#include "base/text.h"

struct lookup {
    struct list in_done;
    struct resolver *resolver;
    char host[TEXT_ADDRESS_SIZE];
    char port[8];
    struct resolved resolved;
};

struct resolver {
    pthread_mutex_t mutex;
    struct list done;
    unsigned running; /* threads; the last one frees, once `closed` */
    bool closed;
    int fd;
};

/* ---- life --------------------------------------------------------------- */

struct resolver *resolver_new(void)
{
    struct resolver *resolver = x_calloc(1, sizeof(*resolver));
    pthread_mutex_init(&resolver->mutex, NULL);
    list_init(&resolver->done);
    resolver->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (resolver->fd < 0) {
        die(EXIT_STATUS_SOFTWARE, "no eventfd for the resolver");
    }
    return resolver;
}

static void free_lookup(struct lookup *lookup)
{
    if (lookup->resolved.addresses != NULL) {
        freeaddrinfo(lookup->resolved.addresses);
    }
    free(lookup);
}

static void free_all(struct resolver *resolver)
{
    list_each(at, following, &resolver->done)
    {
        free_lookup(list_entry(at, struct lookup, in_done));
    }
    close(resolver->fd);
    pthread_mutex_destroy(&resolver->mutex);
    free(resolver);
}

void resolver_free(struct resolver *resolver)
{
    if (resolver == NULL) {
        return;
    }
    pthread_mutex_lock(&resolver->mutex);
    resolver->closed = true;
    bool last = resolver->running == 0;
    pthread_mutex_unlock(&resolver->mutex);
    if (last) {
        free_all(resolver);
    }
}

int resolver_fd(const struct resolver *resolver)
{
    return resolver->fd;
}

/* ---- looking up --------------------------------------------------------- */

static void look_up(struct lookup *lookup, int flags)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
                             .ai_flags = AI_NUMERICSERV | flags};
    int code = getaddrinfo(lookup->host, lookup->port, &hints,
                           &lookup->resolved.addresses);
    if (code != 0) {
        lookup->resolved.addresses = NULL;
        snprintf(lookup->resolved.why, sizeof(lookup->resolved.why),
                 "the name '%.64s' has no address: %s", lookup->host,
                 gai_strerror(code));
    }
}

static void deliver(struct lookup *lookup)
{
    struct resolver *resolver = lookup->resolver;
    uint64_t one = 1;
    list_push_back(&resolver->done, &lookup->in_done);
    ssize_t wrote = write(resolver->fd, &one, sizeof(one));
    (void)wrote; /* full: it is readable, which is all that is wanted */
}

static void *look_up_thread(void *context)
{
    struct lookup *lookup = context;
    struct resolver *resolver = lookup->resolver;
    look_up(lookup, 0);
    pthread_mutex_lock(&resolver->mutex);
    deliver(lookup);
    resolver->running--;
    bool last = resolver->closed && resolver->running == 0;
    pthread_mutex_unlock(&resolver->mutex);
    if (last) {
        free_all(resolver);
    }
    return NULL;
}

static bool start_thread(struct lookup *lookup)
{
    pthread_t thread;
    pthread_attr_t attributes;
    sigset_t all;
    sigset_t before;
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int code = pthread_create(&thread, &attributes, look_up_thread, lookup);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    return code == 0;
}

/* Brackets belong to the address, not to the host. */
static struct lookup *new_lookup(const char *address)
{
    struct lookup *lookup = x_calloc(1, sizeof(*lookup));
    size_t host_size = 0;
    uint16_t port = 0;
    text_is_address(address, strlen(address), true, &host_size, &port);
    bool bracketed = address[0] == '[';
    snprintf(lookup->host, sizeof(lookup->host), "%.*s",
             (int)(bracketed ? host_size - 2 : host_size), address + bracketed);
    snprintf(lookup->port, sizeof(lookup->port), "%u", port);
    return lookup;
}

void resolver_ask(struct resolver *resolver, uint64_t number,
                  const char *address)
{
    struct lookup *lookup = new_lookup(address);
    lookup->resolver = resolver;
    lookup->resolved.number = number;
    look_up(lookup, AI_NUMERICHOST);
    bool numeric = lookup->resolved.addresses != NULL;
    pthread_mutex_lock(&resolver->mutex);
    bool room = resolver->running < RESOLVER_MAX;
    if (!numeric && room) {
        resolver->running++;
        if (start_thread(lookup)) {
            pthread_mutex_unlock(&resolver->mutex);
            return;
        }
        resolver->running--;
        room = false;
    }
    if (!numeric && !room) {
        snprintf(lookup->resolved.why, sizeof(lookup->resolved.why),
                 "too many names are being looked up");
    }
    deliver(lookup);
    pthread_mutex_unlock(&resolver->mutex);
}

bool resolver_take(struct resolver *resolver, struct resolved *resolved)
{
    struct lookup *lookup = NULL;
    pthread_mutex_lock(&resolver->mutex);
    if (list_empty(&resolver->done)) {
        uint64_t count;
        ssize_t got = read(resolver->fd, &count, sizeof(count));
        (void)got;
    } else {
        lookup = list_entry(resolver->done.next, struct lookup, in_done);
        list_remove(&lookup->in_done);
    }
    pthread_mutex_unlock(&resolver->mutex);
    if (lookup == NULL) {
        return false;
    }
    *resolved = lookup->resolved;
    free(lookup);
    return true;
}

struct addrinfo *resolver_listen(const char *address, char *why,
                                 size_t why_size)
{
    struct lookup *lookup = new_lookup(address);
    look_up(lookup, AI_PASSIVE);
    struct addrinfo *addresses = lookup->resolved.addresses;
    snprintf(why, why_size, "%s", lookup->resolved.why);
    free(lookup);
    return addresses;
}
