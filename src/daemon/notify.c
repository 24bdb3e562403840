#include "daemon/notify.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/text.h"

/* systemd kills a service that is silent for as long as it says; twice in that
 * time is what it advises. */
static uint64_t watchdog_us(void)
{
    const char *usec = getenv("WATCHDOG_USEC");
    const char *pid = getenv("WATCHDOG_PID");
    uint64_t us;
    uint64_t wanted;
    if (usec == NULL || !text_to_u64(usec, strlen(usec), &us)) {
        return 0;
    }
    if (pid != NULL && text_to_u64(pid, strlen(pid), &wanted) &&
        wanted != (uint64_t)getpid()) {
        return 0;
    }
    return us / 2;
}

static int connect_to(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t size = path == NULL ? 0 : strlen(path);
    if (size < 2 || size >= sizeof(address.sun_path)) {
        return -1;
    }
    memcpy(address.sun_path, path, size);
    if (address.sun_path[0] == '@') {
        address.sun_path[0] = '\0'; /* an abstract one */
    }
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    socklen_t length =
        (socklen_t)(offsetof(struct sockaddr_un, sun_path) + size);
    if (fd >= 0 &&
        connect(fd, (const struct sockaddr *)&address, length) != 0) {
        close(fd);
        fd = -1;
    }
    return fd;
}

void notify_open(struct notify *notify)
{
    *notify = (struct notify){.fd = connect_to(getenv("NOTIFY_SOCKET"))};
    if (notify->fd >= 0) {
        notify->watchdog_us = watchdog_us();
    }
    unsetenv("NOTIFY_SOCKET");
    unsetenv("WATCHDOG_USEC");
    unsetenv("WATCHDOG_PID");
}

void notify_close(struct notify *notify)
{
    if (notify->fd >= 0) {
        close(notify->fd);
        notify->fd = -1;
    }
}

enum message { READY, STATUS, STOPPING, WATCHDOG, MESSAGES };

/* False: there is no room for it now. */
static bool tell(const struct notify *notify, enum message which)
{
    static const char *const words[MESSAGES] = {
        "READY=1", "STATUS=", "STOPPING=1", "WATCHDOG=1"};
    char text[160];
    int size = snprintf(text, sizeof(text), "%s%s", words[which],
                        which == STATUS ? notify->status : "");
    /* Whoever does not listen does not want to know. */
    return send(notify->fd, text, (size_t)size, MSG_NOSIGNAL) >= 0 ||
           (errno != EAGAIN && errno != ENOBUFS && errno != EINTR);
}

bool notify_flush(struct notify *notify)
{
    for (int i = 0; notify->fd >= 0 && i < MESSAGES; i++) {
        if (notify->due[i] && !tell(notify, (enum message)i)) {
            return false;
        }
        notify->due[i] = false;
    }
    return true;
}

static void note(struct notify *notify, enum message which)
{
    if (notify->fd >= 0) {
        notify->due[which] = true;
        notify_flush(notify);
    }
}

void notify_ready(struct notify *notify)
{
    note(notify, READY);
}

void notify_stopping(struct notify *notify)
{
    note(notify, STOPPING);
}

void notify_alive(struct notify *notify)
{
    note(notify, WATCHDOG);
}

void notify_status(struct notify *notify, const char *status)
{
    if (notify->fd >= 0 && strcmp(status, notify->status) != 0) {
        snprintf(notify->status, sizeof(notify->status), "%s", status);
        note(notify, STATUS);
    }
}
