/* systemd's notify protocol: a datagram to $NOTIFY_SOCKET, sd_notify(3). */
#ifndef RAFTSC_DAEMON_NOTIFY_H
#define RAFTSC_DAEMON_NOTIFY_H

#include <stdbool.h>
#include <stdint.h>

struct notify {
    int fd;               /* -1: nobody wants to know */
    uint64_t watchdog_us; /* how often WATCHDOG=1 is due; 0: never */
    char status[128];     /* the last STATUS= that was sent */
};

/* Reads the environment, and takes its variables out of it. */
void notify_open(struct notify *notify);
void notify_close(struct notify *notify);

void notify_ready(struct notify *notify);
void notify_stopping(struct notify *notify);
void notify_alive(struct notify *notify);
/* Sends it if it is another one than before. */
void notify_status(struct notify *notify, const char *status);

#endif
