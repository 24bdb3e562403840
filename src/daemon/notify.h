/* systemd's notify protocol: a datagram to $NOTIFY_SOCKET, sd_notify(3).
 *
 * Nobody waits for systemd: what finds its queue full is due until it is sent
 * by a later notify_flush(). */
#ifndef RAFTSC_DAEMON_NOTIFY_H
#define RAFTSC_DAEMON_NOTIFY_H

#include <stdbool.h>
#include <stdint.h>

struct notify {
    int fd;               /* -1: nobody wants to know */
    uint64_t watchdog_us; /* how often WATCHDOG=1 is due; 0: never */
    bool due[4];          /* to be sent: READY, STATUS, STOPPING, WATCHDOG */
    char status[128];     /* the last STATUS= */
};

/* Reads the environment, and takes its variables out of it. */
void notify_open(struct notify *notify);
void notify_close(struct notify *notify);

void notify_ready(struct notify *notify);
void notify_stopping(struct notify *notify);
void notify_alive(struct notify *notify);
/* Sends it if it is another one than before. */
void notify_status(struct notify *notify, const char *status);
/* What is due.  False: some of it still is. */
bool notify_flush(struct notify *notify);

#endif
