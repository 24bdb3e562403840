/* fsync(2) and fdatasync(2) of a disk that hangs while the file that
 * $STUCK_DISK names is there; NAME.hangs says that it does.  Linked into the
 * program, they take the place of libc's, for SQLite too. */
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

int fsync(int fd);
int fdatasync(int fd);

static void hang(void)
{
    const char *name = getenv("STUCK_DISK");
    char mark[4096];
    if (name == NULL || access(name, F_OK) != 0) {
        return;
    }
    snprintf(mark, sizeof(mark), "%s.hangs", name);
    int fd = open(mark, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (fd >= 0) {
        close(fd);
    }
    while (access(name, F_OK) == 0) {
        poll(NULL, 0, 10);
    }
}

int fsync(int fd)
{
    hang();
    return (int)syscall(SYS_fsync, fd);
}

int fdatasync(int fd)
{
    hang();
    return (int)syscall(SYS_fdatasync, fd);
}
