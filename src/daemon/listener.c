/* What is listened on: the app's Unix socket, and the peers' TCP port. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/mem.h"
#include "daemon/loop.h"

#define BACKLOG 512
/* With no descriptor left nothing is accepted for so long. */
#define REST_US 100000

struct listener {
    struct loop *loop;
    int fd;
    bool peers;
    bool resting;
    bool told; /* that it rests; once, until it has accepted again */
    struct event *event;
    struct event *rest_event;
    char path[108];   /* of a Unix socket: removed at the end, if … */
    struct stat made; /* … it is still this one */
};

/* ---- accepting ---------------------------------------------------------- */

static void on_rested(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    struct listener *listener = context;
    listener->resting = false;
    event_add(listener->event, NULL);
}

static void rest(struct listener *listener)
{
    struct timeval while_us = {.tv_usec = REST_US};
    if (!listener->told) {
        log_line(LOG_LEVEL_WARNING,
                 "no more connections of %s can be accepted for now: %s",
                 listener->peers ? "nodes" : "apps", strerror(errno));
    }
    listener->told = true;
    listener->resting = true;
    event_del(listener->event);
    evtimer_add(listener->rest_event, &while_us);
}

static void on_connect(evutil_socket_t fd, short what, void *context)
{
    (void)what;
    struct listener *listener = context;
    struct loop *loop = listener->loop;
    int accepted = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (accepted < 0) {
        if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS ||
            errno == ENOMEM) {
            rest(listener);
        }
        return;
    }
    listener->told = false;
    if (listener->peers) {
        peer_socket_options(&loop->settings, accepted);
    }
    node_conn number = loop->next_number;
    loop->next_number += 2;
    connection_new(loop, accepted, number, listener->peers);
    struct node_input input = {.type = listener->peers ? NODE_INPUT_PEER_OPEN
                                                       : NODE_INPUT_APP_OPEN,
                               .conn = number};
    node_input(loop->node, &input);
}

static struct listener *new_listener(struct loop *loop, int fd, bool peers)
{
    struct listener *listener = x_calloc(1, sizeof(*listener));
    listener->loop = loop;
    listener->fd = fd;
    listener->peers = peers;
    listener->event =
        event_new(loop->base, fd, EV_READ | EV_PERSIST, on_connect, listener);
    listener->rest_event = evtimer_new(loop->base, on_rested, listener);
    event_add(listener->event, NULL);
    return listener;
}

/* Somebody may have removed the socket, and another process made its own in
 * its place.  While this one is open nothing else has its inode. */
static void remove_path(const struct listener *listener)
{
    struct stat found;
    if (listener->path[0] != '\0' && lstat(listener->path, &found) == 0 &&
        found.st_ino == listener->made.st_ino &&
        found.st_dev == listener->made.st_dev) {
        unlink(listener->path);
    }
}

void listener_free(struct listener *listener)
{
    if (listener == NULL) {
        return;
    }
    event_free(listener->event);
    event_free(listener->rest_event);
    remove_path(listener);
    close(listener->fd);
    free(listener);
}

/* ---- the app's socket --------------------------------------------------- */

static struct listener *failed(int fd, char *why, size_t why_size,
                               const char *what, const char *where)
{
    snprintf(why, why_size, "app-socket %s: %s: %s", where, what,
             strerror(errno));
    if (fd >= 0) {
        close(fd);
    }
    return NULL;
}

/* 0: a process listens there; else what the system says. */
static int try_connect(const struct sockaddr_un *address)
{
    int code = 0;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 ||
        connect(fd, (const struct sockaddr *)address, sizeof(*address)) != 0) {
        code = errno;
    }
    if (fd >= 0) {
        close(fd);
    }
    return code == EAGAIN ? 0 : code; /* so many wait there already */
}

/* A crash before the socket had its mode, or a mode that leaves out its own
 * user, must not keep that user from finding out. */
static int knock(const struct sockaddr_un *address, const struct stat *found)
{
    const char *path = address->sun_path;
    mode_t mode = found->st_mode & 07777;
    int code = try_connect(address);
    if (code == EACCES && found->st_uid == geteuid() &&
        chmod(path, mode | S_IWUSR) == 0) {
        code = try_connect(address);
        if (code != ECONNREFUSED) {
            chmod(path, mode);
        }
    }
    return code;
}

/* What a crash left behind is removed; what lives, or is no socket, is not. */
static bool make_way(const struct sockaddr_un *address, char *why,
                     size_t why_size)
{
    struct stat found;
    const char *path = address->sun_path;
    if (lstat(path, &found) != 0) {
        return true;
    }
    if (!S_ISSOCK(found.st_mode)) {
        snprintf(why, why_size,
                 "app-socket %s: a file of that name is there, and it is not "
                 "a socket",
                 path);
        return false;
    }
    int code = knock(address, &found);
    if (code == 0) {
        snprintf(why, why_size, "app-socket %s: another process listens on it",
                 path);
    } else if (code != ECONNREFUSED) {
        snprintf(why, why_size,
                 "app-socket %s: a socket of that name is there, and whether "
                 "it is in use cannot be found out: %s",
                 path, strerror(code));
    } else {
        unlink(path);
    }
    return code == ECONNREFUSED;
}

static bool set_group(const struct settings *settings, const char *path,
                      char *why, size_t why_size)
{
    if (settings->app_socket_group[0] == '\0') {
        return true;
    }
    const struct group *group = getgrnam(settings->app_socket_group);
    if (group == NULL) {
        snprintf(why, why_size, "app-socket-group: there is no group '%s'",
                 settings->app_socket_group);
        return false;
    }
    if (chown(path, (uid_t)-1, group->gr_gid) != 0) {
        snprintf(why, why_size, "app-socket %s: group %s: %s", path,
                 settings->app_socket_group, strerror(errno));
        return false;
    }
    return true;
}

struct listener *listener_app(struct loop *loop, char *why, size_t why_size)
{
    const struct settings *settings = &loop->settings;
    const char *path = settings->app_socket;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    memcpy(address.sun_path, path, strlen(path) + 1);
    if (!make_way(&address, why, why_size)) {
        return NULL;
    }
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    /* Nobody may connect before mode and group are what they should be. */
    mode_t before = umask(0777);
    int bound =
        fd < 0 ? -1
               : bind(fd, (const struct sockaddr *)&address, sizeof(address));
    umask(before);
    if (bound != 0) {
        return failed(fd, why, why_size, "it cannot be made", path);
    }
    if (!set_group(settings, path, why, why_size)) {
        close(fd);
        unlink(path);
        return NULL;
    }
    if (chmod(path, settings->app_socket_mode) != 0 ||
        listen(fd, BACKLOG) != 0) {
        return failed(fd, why, why_size, "it cannot be listened on", path);
    }
    struct listener *listener = new_listener(loop, fd, false);
    memcpy(listener->path, path, sizeof(listener->path));
    if (lstat(path, &listener->made) != 0) {
        listener->path[0] = '\0'; /* it is gone already */
    }
    return listener;
}

/* ---- the peers' port ---------------------------------------------------- */

static int listen_on(const struct addrinfo *address)
{
    int on = 1;
    int fd = socket(address->ai_family,
                    SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return -1;
    }
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (bind(fd, address->ai_addr, address->ai_addrlen) != 0 ||
        listen(fd, BACKLOG) != 0) {
        int code = errno;
        close(fd);
        errno = code;
        return -1;
    }
    return fd;
}

int listener_tcp(const char *key, const char *text, char *why, size_t why_size)
{
    char what[128];
    struct addrinfo *addresses = resolver_listen(text, what, sizeof(what));
    if (addresses == NULL) {
        snprintf(why, why_size, "%s %s: %s", key, text, what);
        return -1;
    }
    int fd = -1;
    for (const struct addrinfo *at = addresses; at != NULL && fd < 0;
         at = at->ai_next) {
        fd = listen_on(at);
    }
    if (fd < 0) {
        snprintf(why, why_size, "%s %s: %s", key, text, strerror(errno));
    }
    freeaddrinfo(addresses);
    return fd;
}

struct listener *listener_peers(struct loop *loop, char *why, size_t why_size)
{
    int fd =
        listener_tcp("peer-listen", loop->settings.peer_listen, why, why_size);
    return fd < 0 ? NULL : new_listener(loop, fd, true);
}
