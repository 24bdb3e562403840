#include "ctl/client.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"
#include "ctl/interrupt.h"
#include "ctl/scan.h"

#define CLIENT_READ_SIZE ((size_t)256 * 1024)
#define CLIENT_READ_AHEAD ((size_t)16 * 1024 * 1024)
#define CLIENT_TURN_SIZE ((size_t)4 * 1024 * 1024) /* received in one turn */

struct client {
    int fd;
    struct buf out;
    size_t out_start; /* bytes of `out` that are sent */
    uint64_t queued;
    uint64_t written;
    bool deaf;  /* the node takes no more; it may still have answered */
    bool ended; /* nothing more comes */
    int error;  /* why, where it was an error */
    struct buf in;
    size_t in_start; /* bytes of `in` that were taken as replies */
    struct scan scan;
};

uint64_t client_now_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static int connect_unix(const char *path, uint64_t timeout_us)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct timeval limit = {.tv_sec = (time_t)(timeout_us / 1000000),
                            .tv_usec = (suseconds_t)(timeout_us % 1000000)};
    size_t length = strlen(path);
    int fd, saved;

    if (length == 0 || length >= sizeof(address.sun_path)) {
        errno = length == 0 ? ENOENT : ENAMETOOLONG;
        return -1;
    }
    memcpy(address.sun_path, path, length + 1);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    /* A full backlog makes connect(2) wait; this bounds it. */
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
    if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0 &&
        fcntl(fd, F_SETFL, O_NONBLOCK) == 0)
        return fd;
    saved = errno == EAGAIN ? ETIMEDOUT : errno;
    close(fd);
    errno = saved;
    return -1;
}

int client_connect(const char *path, uint64_t timeout_us, int *error)
{
    int fd = connect_unix(path, timeout_us);

    if (fd < 0)
        *error = errno;
    return fd;
}

struct client *client_open(const char *path, uint64_t timeout_us, int *error)
{
    int fd = client_connect(path, timeout_us, error);
    struct client *client;

    if (fd < 0)
        return NULL;
    client = x_calloc(1, sizeof(*client));
    client->fd = fd;
    return client;
}

void client_close(struct client *client)
{
    if (client == NULL)
        return;
    close(client->fd);
    buf_free(&client->out);
    buf_free(&client->in);
    free(client);
}

void client_queue(struct client *client, const struct client_word *words,
                  size_t count)
{
    size_t before = client->out.size;

    buf_printf(&client->out, "*%zu\r\n", count);
    for (size_t i = 0; i < count; i++) {
        buf_printf(&client->out, "$%zu\r\n", words[i].size);
        buf_append(&client->out, words[i].data, words[i].size);
        buf_append_text(&client->out, "\r\n");
    }
    client->queued += client->out.size - before;
}

uint64_t client_queued(const struct client *client)
{
    return client->queued;
}

uint64_t client_written(const struct client *client)
{
    return client->written;
}

int client_error(const struct client *client)
{
    return client->error;
}

int client_descriptor(const struct client *client)
{
    return client->fd;
}

enum client_result client_take(struct client *client, struct resp_value *value)
{
    size_t size = client->in.size - client->in_start;
    const char *data;
    size_t used = 0;

    if (size == 0)
        return CLIENT_EMPTY;
    data = (const char *)client->in.data + client->in_start;
    switch (scan_reply(&client->scan, data, size)) {
    case SCAN_MORE:
        return CLIENT_EMPTY;
    case SCAN_BAD:
        return CLIENT_BAD;
    case SCAN_WHOLE:
        break;
    }
    if (resp_reply_parse(data, size, value, &used) != RESP_REPLY)
        return CLIENT_BAD;
    client->in_start += used;
    client->scan = (struct scan){0};
    return CLIENT_OK;
}

static void client_write(struct client *client)
{
    while (!client->deaf && client->out_start < client->out.size) {
        ssize_t sent = send(client->fd, client->out.data + client->out_start,
                            client->out.size - client->out_start, MSG_NOSIGNAL);

        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0) {
            client->deaf = errno != EAGAIN && errno != EWOULDBLOCK;
            break;
        }
        client->out_start += (size_t)sent;
        client->written += (uint64_t)sent;
    }
    if (client->out_start > client->out.size / 2) {
        buf_consume(&client->out, client->out_start);
        client->out_start = 0;
    }
}

/* Room for the rest of the reply that is coming, as far as it is known. */
static size_t client_room(struct client *client)
{
    size_t have, ahead;

    buf_consume(&client->in, client->in_start);
    client->in_start = 0;
    have = client->in.size;
    ahead = client->scan.offset > have ? client->scan.offset - have : 0;
    if (ahead < CLIENT_READ_SIZE)
        return CLIENT_READ_SIZE;
    return ahead < CLIENT_READ_AHEAD ? ahead : CLIENT_READ_AHEAD;
}

/* False: nothing came, and nothing more will. */
static bool client_read(struct client *client)
{
    size_t total = 0;

    while (!client->ended && total < CLIENT_TURN_SIZE) {
        size_t room = client_room(client);
        uint8_t *space = buf_reserve(&client->in, room);
        ssize_t got = recv(client->fd, space, room, 0);

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            return true;
        if (got <= 0) {
            client->ended = true;
            client->error = got < 0 ? errno : 0;
            break;
        }
        client->in.size += (size_t)got;
        total += (size_t)got;
    }
    return total > 0 || !client->ended;
}

/* Milliseconds for poll(2), rounded up, so that it does not spin at the end. */
static int client_patience(uint64_t deadline_us)
{
    uint64_t now_us, left_ms;

    if (deadline_us == 0)
        return -1;
    now_us = client_now_us();
    if (now_us >= deadline_us)
        return 0;
    left_ms = (deadline_us - now_us + 999) / 1000;
    return left_ms > 3600000 ? 3600000 : (int)left_ms;
}

enum client_result client_turn(struct client *client, int also,
                               bool *also_ready, uint64_t deadline_us)
{
    bool writes = !client->deaf && client->out_start < client->out.size;
    struct pollfd files[3] = {
        {.fd = client->fd, .events = (short)(POLLIN | (writes ? POLLOUT : 0))},
        {.fd = interrupt_descriptor(), .events = POLLIN},
        {.fd = also, .events = POLLIN},
    };
    int ready;

    if (also_ready != NULL)
        *also_ready = false;
    if (client->ended)
        return CLIENT_LOST;
    ready = poll(files, 3, client_patience(deadline_us));
    if (interrupt_seen())
        return CLIENT_INTERRUPTED;
    if (ready < 0 && errno != EINTR)
        die(EXIT_STATUS_SOFTWARE, "poll: %s", strerror(errno));
    if (ready == 0 && deadline_us != 0 && client_now_us() >= deadline_us)
        return CLIENT_TIMEOUT;
    if (ready <= 0)
        return CLIENT_OK;
    if (also_ready != NULL)
        *also_ready = files[2].revents != 0;
    client_write(client);
    return client_read(client) ? CLIENT_OK : CLIENT_LOST;
}

enum client_result client_reply(struct client *client, struct resp_value *value,
                                uint64_t deadline_us)
{
    while (true) {
        enum client_result result = client_take(client, value);

        if (result != CLIENT_EMPTY)
            return result;
        result = client_turn(client, -1, NULL, deadline_us);
        if (result != CLIENT_OK)
            return result;
    }
}
