/* One connection of bench.
 *
 * A ring of flights, in the order in which they were asked: those before
 * `sent` are on their way, the others are still to be sent.  What is sent is
 * made from the flights when it is sent, and lies in memory once for all
 * connections, so that a large payload at a large depth costs nothing. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/text.h"
#include "ctl/bench.h"
#include "ctl/client.h"
#include "ctl/scan.h"

#define SENT_MAX 64 /* requests in one system call */
#define PIECES 2    /* of one request; the second one may be empty */
#define OWN_SIZE 80 /* what a request has that no other has */
#define KEY_TEXT_SIZE 32
#define RECEIVE_SIZE ((size_t)64 * 1024)

struct flight {
    uint64_t due_us;
    uint64_t number;
    enum bench_kind kind;
};

struct channel {
    int fd;
    const struct bench_requests *requests;
    struct flight *flights; /* a ring of `depth` */
    size_t depth;
    size_t first;
    size_t count;
    size_t sent;       /* flights that are sent whole */
    size_t sent_bytes; /* of the next one */
    struct buf in;
    struct scan scan;
};

/* ---- what is sent ------------------------------------------------------- */

void bench_requests_make(struct bench_requests *requests,
                         const struct bench_plan *plan)
{
    uint8_t *payload;

    *requests = (struct bench_requests){.keys = plan->keys};
    buf_printf(&requests->submit, "*%d\r\n$6\r\nSUBMIT\r\n$%" PRIu64 "\r\n",
               plan->keys ? 4 : 2, plan->payload_bytes);
    payload = buf_reserve(&requests->submit, (size_t)plan->payload_bytes);
    for (uint64_t i = 0; i < plan->payload_bytes; i++)
        payload[i] = (uint8_t)('a' + i % 26);
    requests->submit.size += (size_t)plan->payload_bytes;
    buf_append_text(&requests->submit, "\r\n");
    if (plan->keys)
        buf_printf(&requests->submit, "$3\r\nKEY\r\n$%d\r\n", KEY_TEXT_SIZE);
    if (getrandom(&requests->run, sizeof(requests->run), 0) !=
        (ssize_t)sizeof(requests->run))
        die(EXIT_STATUS_SOFTWARE, "getrandom: %s", strerror(errno));
    buf_append_text(&requests->barrier, "*1\r\n$7\r\nBARRIER\r\n");
}

void bench_requests_free(struct bench_requests *requests)
{
    buf_free(&requests->submit);
    buf_free(&requests->barrier);
}

static struct iovec piece_of(const struct buf *buf)
{
    return (struct iovec){buf->data, buf->size};
}

static size_t write_read(char own[OWN_SIZE], uint64_t number)
{
    char index[24];
    int size = snprintf(index, sizeof(index), "%" PRIu64, number);

    return (size_t)snprintf(own, OWN_SIZE,
                            "*4\r\n$4\r\nREAD\r\n$%d\r\n%s\r\n$5\r\nCOUNT\r\n"
                            "$1\r\n1\r\n",
                            size, index);
}

static size_t write_key(const struct bench_requests *requests,
                        char own[OWN_SIZE], uint64_t number)
{
    if (!requests->keys)
        return 0;
    return (size_t)snprintf(own, OWN_SIZE, "%016" PRIx64 "%016" PRIx64 "\r\n",
                            requests->run, number);
}

/* The bytes of a request; `own` is for those that are made on the spot, always
 * the same for the same flight. */
static void flight_bytes(const struct bench_requests *requests,
                         const struct flight *flight, char own[OWN_SIZE],
                         struct iovec pieces[PIECES])
{
    size_t size = 0;

    pieces[0] = (struct iovec){0};
    switch (flight->kind) {
    case BENCH_SUBMIT:
        pieces[0] = piece_of(&requests->submit);
        size = write_key(requests, own, flight->number);
        break;
    case BENCH_BARRIER:
        pieces[0] = piece_of(&requests->barrier);
        break;
    case BENCH_READ:
        size = write_read(own, flight->number);
        break;
    case BENCH_KINDS:
        break;
    }
    pieces[1] = (struct iovec){own, size};
}

/* ---- one of them -------------------------------------------------------- */

struct channel *channel_new(int fd, size_t depth,
                            const struct bench_requests *requests)
{
    struct channel *channel = x_calloc(1, sizeof(*channel));

    channel->fd = fd;
    channel->depth = depth;
    channel->requests = requests;
    channel->flights = x_calloc(depth, sizeof(*channel->flights));
    return channel;
}

void channel_free(struct channel *channel)
{
    if (channel == NULL)
        return;
    close(channel->fd);
    free(channel->flights);
    buf_free(&channel->in);
    free(channel);
}

int channel_descriptor(const struct channel *channel)
{
    return channel->fd;
}

bool channel_has_room(const struct channel *channel)
{
    return channel->count < channel->depth;
}

size_t channel_under_way(const struct channel *channel)
{
    return channel->count;
}

static struct flight *flight_at(const struct channel *channel, size_t i)
{
    return &channel->flights[(channel->first + i) % channel->depth];
}

void channel_add(struct channel *channel, enum bench_kind kind, uint64_t due_us,
                 uint64_t number)
{
    *flight_at(channel, channel->count) =
        (struct flight){.due_us = due_us, .number = number, .kind = kind};
    channel->count++;
}

/* So many bytes are gone, of this many flights. */
static void note_sent(struct channel *channel, size_t bytes,
                      const struct iovec *pieces, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        size_t size = 0;

        for (size_t j = 0; j < PIECES; j++)
            size += pieces[PIECES * i + j].iov_len;
        if (bytes < size) {
            channel->sent_bytes += bytes;
            return;
        }
        bytes -= size;
        channel->sent++;
        channel->sent_bytes = 0;
    }
}

/* These have been sent before. */
static void skip(struct iovec *pieces, size_t bytes)
{
    for (size_t i = 0; i < PIECES; i++) {
        size_t gone = bytes < pieces[i].iov_len ? bytes : pieces[i].iov_len;

        if (gone == 0) {
            continue; /* a piece of nothing has no address to add to */
        }
        pieces[i].iov_base = (char *)pieces[i].iov_base + gone;
        pieces[i].iov_len -= gone;
        bytes -= gone;
    }
}

bool channel_send(struct channel *channel)
{
    char own[SENT_MAX][OWN_SIZE];
    struct iovec pieces[SENT_MAX * PIECES];

    while (channel->sent < channel->count) {
        struct msghdr message = {.msg_iov = pieces};
        size_t count = 0;
        ssize_t gone;

        while (count < SENT_MAX && channel->sent + count < channel->count) {
            flight_bytes(channel->requests,
                         flight_at(channel, channel->sent + count), own[count],
                         pieces + PIECES * count);
            count++;
        }
        skip(pieces, channel->sent_bytes);
        message.msg_iovlen = PIECES * count;
        gone = sendmsg(channel->fd, &message, MSG_NOSIGNAL);
        if (gone < 0 && errno == EINTR)
            continue;
        if (gone < 0) /* where it is broken, channel_receive() finds out */
            return errno != EAGAIN && errno != EWOULDBLOCK;
        note_sent(channel, (size_t)gone, pieces, count);
    }
    return true;
}

/* ---- what comes --------------------------------------------------------- */

static void count_error(struct bench_result *result, const char *text,
                        size_t size)
{
    char code[BENCH_CODE_SIZE];
    const char *space = memchr(text, ' ', size);
    size_t length = space == NULL ? size : (size_t)(space - text);

    text_printable(code, sizeof(code), text, length);
    for (size_t i = 0; i < BENCH_ERRORS_MAX; i++) {
        struct bench_error *error = &result->codes[i];

        if (error->code[0] == 0) {
            snprintf(error->code, sizeof(error->code), "%s", code);
            text_printable(error->text, sizeof(error->text), text, size);
        }
        if (strcmp(error->code, code) == 0) {
            error->count++;
            return;
        }
    }
}

/* One whole answer.  False: nobody asked for it. */
static bool take_answer(struct channel *channel, const char *data, size_t size,
                        uint64_t now_us, struct bench_result *result)
{
    const struct flight *flight = flight_at(channel, 0);
    size_t text = size > 3 ? size - 3 : 0; /* without '-' and CRLF */

    if (channel->sent == 0) {
        snprintf(result->trouble, sizeof(result->trouble), "%s",
                 "the node says what nobody asked for: ");
        text_printable(result->trouble + strlen(result->trouble), 256, data,
                       size < 200 ? size : 200);
        return false;
    }
    if (data[0] == '-') {
        result->errors[flight->kind]++;
        count_error(result, data + 1, text);
    } else {
        histogram_add(&result->answered[flight->kind],
                      now_us > flight->due_us ? now_us - flight->due_us : 0);
    }
    channel->first = (channel->first + 1) % channel->depth;
    channel->count--;
    channel->sent--;
    return true;
}

static bool take_answers(struct channel *channel, struct bench_result *result)
{
    uint64_t now_us = client_now_us();
    size_t start = 0;
    bool good = true;

    while (good && start < channel->in.size) {
        const char *data = (const char *)channel->in.data + start;
        enum scan_result found =
            scan_reply(&channel->scan, data, channel->in.size - start);

        if (found == SCAN_MORE)
            break;
        if (found == SCAN_BAD) {
            snprintf(result->trouble, sizeof(result->trouble),
                     "what answers is not a raftsc node: its reply is not "
                     "RESP");
            return false;
        }
        good = take_answer(channel, data, channel->scan.offset, now_us, result);
        start += channel->scan.offset;
        channel->scan = (struct scan){0};
    }
    buf_consume(&channel->in, start);
    return good;
}

bool channel_receive(struct channel *channel, struct bench_result *result)
{
    while (true) {
        uint8_t *space = buf_reserve(&channel->in, RECEIVE_SIZE);
        ssize_t got = recv(channel->fd, space, RECEIVE_SIZE, 0);

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            return true;
        if (got <= 0) {
            snprintf(result->trouble, sizeof(result->trouble), "%s",
                     got == 0 ? "the node closed a connection"
                              : strerror(errno));
            return false;
        }
        channel->in.size += (size_t)got;
        if (!take_answers(channel, result))
            return false;
        if ((size_t)got < RECEIVE_SIZE)
            return true;
    }
}
