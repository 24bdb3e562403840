#include "ctl/snapshot.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/hasher.h"
#include "base/mem.h"
#include "ctl/interrupt.h"
#include "ctl/progress.h"

#define PIECE ((size_t)1024 * 1024)
/* Pieces on their way: so many hide the time that one takes. */
#define WINDOW 8
/* So much goes to the disk in one go. */
#define STEP ((uint64_t)16 * 1024 * 1024)
#define NEW_FILE_MODE 0640

static bool is_standard(const char *file)
{
    return strcmp(file, "-") == 0;
}

static enum ctl_status file_failed(const char *file, const char *what)
{
    ctl_complain("%s: %s: %s", file, what, strerror(errno));
    return CTL_REFUSED;
}

static enum ctl_status lost(const struct ctl *ctl, enum client_result result,
                            const char *left)
{
    ctl_complain("%s: %s", ctl_lost_text(ctl, result), left);
    return CTL_UNREACHABLE;
}

/* The next reply; `left` is what becomes of it all where none comes.  CTL_DONE:
 * the caller clears *reply, which is no error. */
static enum ctl_status next_reply(struct ctl *ctl, const char *left,
                                  struct resp_value *reply)
{
    enum client_result result =
        client_reply(ctl->client, reply, ctl_deadline_us(ctl));

    if (result != CLIENT_OK)
        return lost(ctl, result, left);
    if (reply->type == RESP_ERROR) {
        enum ctl_status status = ctl_refused(reply);

        resp_value_clear(reply);
        return status;
    }
    return CTL_DONE;
}

/* ---- save --------------------------------------------------------------- */

static bool write_all(int fd, const char *data, size_t size)
{
    while (size > 0) {
        ssize_t wrote = write(fd, data, size);

        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote <= 0)
            return false;
        data += wrote;
        size -= (size_t)wrote;
    }
    return true;
}

static void queue_read(struct ctl *ctl, const struct snapshot_description *what,
                       uint64_t *asked)
{
    char offset[CTL_NUMBER_SIZE], count[CTL_NUMBER_SIZE];
    const char *words[] = {"SNAPSHOT", "READ", offset, count, NULL};
    uint64_t left = what->size - *asked;
    uint64_t size = left < PIECE ? left : PIECE;

    snprintf(offset, sizeof(offset), "%" PRIu64, *asked);
    snprintf(count, sizeof(count), "%" PRIu64, size);
    ctl_queue_text(ctl, words);
    *asked += size;
}

static enum ctl_status take_piece(struct ctl *ctl, const char *file, int fd,
                                  struct hasher *hasher, uint64_t *done)
{
    struct resp_value reply;
    enum ctl_status status = next_reply(ctl, "nothing is saved", &reply);

    if (status != CTL_DONE)
        return status;
    if (reply.type != RESP_BULK || reply.size == 0)
        status = ctl_strange(CTL_READS);
    else {
        hasher_add(hasher, reply.data, reply.size);
        if (!write_all(fd, reply.data, reply.size))
            status = file_failed(file, "it cannot be written");
        hasher_wait(hasher);
    }
    *done += reply.size;
    resp_value_clear(&reply);
    return status;
}

/* On its way to the disk already, and what came a step before is there: the
 * sync at the end is short, and the node's own, on the same disk, do not wait
 * behind gigabytes. */
static void push_out(int fd, uint64_t done, uint64_t *pushed)
{
    if (done < *pushed + STEP)
        return;
    sync_file_range(fd, (off_t)*pushed, (off_t)(done - *pushed),
                    SYNC_FILE_RANGE_WRITE);
    if (*pushed >= STEP)
        sync_file_range(fd, (off_t)(*pushed - STEP), (off_t)STEP,
                        SYNC_FILE_RANGE_WAIT_BEFORE);
    *pushed = done;
}

static enum ctl_status take_pieces(struct ctl *ctl,
                                   const struct snapshot_description *what,
                                   const char *file, int fd,
                                   struct hasher *hasher)
{
    struct progress progress;
    enum ctl_status status = CTL_DONE;
    uint64_t asked = 0, done = 0, pushed = 0;

    progress_start(&progress, what->size);
    while (status == CTL_DONE && done < what->size) {
        while (asked < what->size && asked < done + WINDOW * PIECE)
            queue_read(ctl, what, &asked);
        progress_draw_bytes(&progress, done);
        status = take_piece(ctl, file, fd, hasher, &done);
        push_out(fd, done, &pushed);
    }
    progress_hide(&progress);
    return status;
}

static enum ctl_status save_to(struct ctl *ctl,
                               const struct snapshot_description *what,
                               const char *file, int fd)
{
    struct hasher *hasher = hasher_new(true);
    enum ctl_status status = take_pieces(ctl, what, file, fd, hasher);
    uint8_t hash[SHA256_SIZE];
    char hex[SHA256_HEX_SIZE];

    hasher_end(hasher, hash);
    hasher_free(hasher);
    sha256_to_hex(hash, hex);
    if (status == CTL_DONE && strcmp(hex, what->sha256) != 0) {
        ctl_complain("what came has the SHA-256 %s, and not %s as the node "
                     "says: nothing is saved",
                     hex, what->sha256);
        status = CTL_REFUSED;
    }
    return status;
}

static bool sync_directory(const char *file)
{
    char *copy = x_strdup(file);
    int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool done = fd >= 0 && fsync(fd) == 0;

    if (fd >= 0)
        close(fd);
    free(copy);
    return done;
}

/* Where it stopped is known, and nothing of it is left. */
static enum ctl_status ended(enum ctl_status status)
{
    if (status != CTL_DONE && interrupt_seen())
        interrupt_die();
    return status;
}

/* Beside the file, so that it can take its place. */
static enum ctl_status save_beside(struct ctl *ctl,
                                   const struct snapshot_description *what,
                                   const char *file)
{
    size_t size = strlen(file) + sizeof(".XXXXXX");
    char *temporary = x_malloc(size);
    enum ctl_status status;
    int fd;

    interrupt_catch();
    snprintf(temporary, size, "%s.XXXXXX", file);
    fd = mkostemp(temporary, O_CLOEXEC);
    if (fd < 0) {
        status = file_failed(file, "no file can be made beside it");
        free(temporary);
        return status;
    }
    status = save_to(ctl, what, file, fd);
    if (status == CTL_DONE &&
        (fchmod(fd, NEW_FILE_MODE) != 0 || fsync(fd) != 0 ||
         rename(temporary, file) != 0 || !sync_directory(file)))
        status = file_failed(file, "it cannot be saved");
    if (status != CTL_DONE)
        unlink(temporary);
    close(fd);
    free(temporary);
    return ended(status);
}

/* A device or a pipe keeps its place. */
static bool is_no_file(const char *file)
{
    struct stat found;

    return stat(file, &found) == 0 && !S_ISREG(found.st_mode);
}

static enum ctl_status save_into(struct ctl *ctl,
                                 const struct snapshot_description *what,
                                 const char *file)
{
    int fd = open(file, O_WRONLY | O_CLOEXEC);
    enum ctl_status status;

    if (fd < 0)
        return file_failed(file, "it cannot be opened");
    status = save_to(ctl, what, file, fd);
    close(fd);
    return status;
}

enum ctl_status snapshot_bytes_save(struct ctl *ctl,
                                    const struct snapshot_description *what,
                                    const char *file)
{
    if (is_standard(file))
        return save_to(ctl, what, "standard output", STDOUT_FILENO);
    if (is_no_file(file))
        return save_into(ctl, what, file);
    return save_beside(ctl, what, file);
}

/* ---- load --------------------------------------------------------------- */

struct load {
    struct ctl *ctl;
    const char *file;
    int fd;
    struct hasher *hasher;
    struct progress progress;
    uint64_t sent;
    unsigned open; /* pieces that are not answered yet */
};

static ssize_t read_piece(int fd, uint8_t *data)
{
    size_t have = 0;

    while (have < PIECE) {
        ssize_t got = read(fd, data + have, PIECE - have);

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -1;
        if (got == 0)
            break;
        have += (size_t)got;
    }
    return (ssize_t)have;
}

static enum ctl_status take_answer(struct load *load)
{
    struct resp_value reply;
    enum ctl_status status =
        next_reply(load->ctl, "the node drops what it was sent", &reply);

    load->open--;
    if (status != CTL_DONE)
        return status;
    if (reply.type != RESP_INTEGER)
        status = ctl_strange(CTL_READS);
    else
        progress_draw_bytes(&load->progress, (uint64_t)reply.integer);
    resp_value_clear(&reply);
    return status;
}

static void send_piece(struct load *load, const uint8_t *data, size_t size)
{
    const struct client_word words[] = {
        {"SNAPSHOT", 8}, {"WRITE", 5}, {data, size}};

    hasher_add(load->hasher, data, size);
    client_queue(load->ctl->client, words, 3);
    load->sent += size;
    load->open++;
}

static enum ctl_status send_pieces(struct load *load)
{
    /* While one is hashed the next one is read. */
    uint8_t *pieces[2] = {x_malloc(PIECE), x_malloc(PIECE)};
    enum ctl_status status = CTL_DONE;
    unsigned turn = 0;
    ssize_t got = 1;

    while (status == CTL_DONE && got > 0) {
        uint8_t *data = pieces[turn++ % 2];

        got = read_piece(load->fd, data);
        if (got < 0)
            status = file_failed(load->file, "it cannot be read");
        else if (got > 0)
            send_piece(load, data, (size_t)got);
        while (status == CTL_DONE && load->open > (got > 0 ? WINDOW - 1 : 0))
            status = take_answer(load);
    }
    progress_hide(&load->progress);
    hasher_wait(load->hasher);
    free(pieces[0]);
    free(pieces[1]);
    return status;
}

static enum ctl_status ask_ok(struct ctl *ctl, enum ctl_effect effect,
                              const char *const *words)
{
    struct resp_value reply;
    enum ctl_status status = ctl_ask_text(ctl, effect, words, &reply);

    if (status != CTL_DONE)
        return status;
    if (!ctl_value_is(&reply, "OK"))
        status = ctl_strange(effect);
    resp_value_clear(&reply);
    return status;
}

/* Half of an old state and half of a new one is no state. */
static bool has_changed(const struct load *load, const struct stat *before)
{
    struct stat now;

    return fstat(load->fd, &now) != 0 || now.st_size != before->st_size ||
           (uint64_t)now.st_size != load->sent ||
           now.st_mtim.tv_sec != before->st_mtim.tv_sec ||
           now.st_mtim.tv_nsec != before->st_mtim.tv_nsec;
}

/* What ends in between is dropped by the node with the connection. */
static enum ctl_status load_from(struct load *load, uint64_t index)
{
    static const char *const end[] = {"SNAPSHOT", "END", NULL};
    char number[CTL_NUMBER_SIZE];
    const char *begin[] = {"SNAPSHOT", "BEGIN", number, NULL};
    struct stat before = {0};
    bool sized = fstat(load->fd, &before) == 0 && S_ISREG(before.st_mode);
    enum ctl_status status;

    snprintf(number, sizeof(number), "%" PRIu64, index);
    status = ask_ok(load->ctl, CTL_READS, begin);
    if (status != CTL_DONE)
        return status;
    progress_start(&load->progress, sized ? (uint64_t)before.st_size : 0);
    status = send_pieces(load);
    if (status == CTL_DONE && sized && has_changed(load, &before)) {
        ctl_complain("%s: it was changed while it was read: nothing is loaded",
                     load->file);
        return CTL_REFUSED;
    }
    return status == CTL_DONE ? ask_ok(load->ctl, CTL_CHANGES, end) : status;
}

enum ctl_status snapshot_bytes_load(struct ctl *ctl, uint64_t index,
                                    const char *file,
                                    char sha256[SHA256_HEX_SIZE])
{
    bool standard = is_standard(file);
    struct load load = {.ctl = ctl,
                        .file = standard ? "standard input" : file,
                        .fd = STDIN_FILENO};
    uint8_t hash[SHA256_SIZE];
    enum ctl_status status;

    if (!standard) {
        interrupt_catch();
        load.fd = open(file, O_RDONLY | O_CLOEXEC);
    }
    if (load.fd < 0)
        return file_failed(file, "it cannot be opened");
    load.hasher = hasher_new(true);
    status = load_from(&load, index);
    hasher_end(load.hasher, hash);
    sha256_to_hex(hash, sha256);
    hasher_free(load.hasher);
    if (!standard)
        close(load.fd);
    return ended(status);
}
