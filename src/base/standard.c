#include "base/standard.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"

void standard_reserve(void)
{
    /* For what nobody does with it. */
    static const int modes[] = {O_WRONLY, O_RDONLY, O_RDONLY};
    for (int fd = 0; fd < 3; fd++) {
        if (fcntl(fd, F_GETFD) >= 0) {
            continue;
        }
        /* Those below are taken: the lowest free number is this one. */
        if (open("/dev/null", modes[fd]) != fd) {
            die(EXIT_STATUS_SOFTWARE,
                "descriptor %d is closed, and /dev/null cannot be opened: %s",
                fd, strerror(errno));
        }
    }
}
