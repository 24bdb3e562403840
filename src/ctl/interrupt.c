#include "ctl/interrupt.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"

static int pipe_ends[2] = {-1, -1};
static volatile sig_atomic_t signal_seen; /* 0: none that is not accepted */
static volatile sig_atomic_t signal_last;

static void interrupt_note(int number)
{
    int saved = errno;

    signal_seen = number;
    signal_last = number;
    /* The pipe holds far more than the two signals that can come. */
    if (write(pipe_ends[1], "", 1) < 0)
        signal_last = number;
    errno = saved;
}

void interrupt_catch(void)
{
    struct sigaction action;

    if (pipe_ends[0] >= 0)
        return;
    if (pipe2(pipe_ends, O_CLOEXEC | O_NONBLOCK) != 0)
        die(EXIT_STATUS_SOFTWARE, "cannot make a pipe: %s", strerror(errno));
    memset(&action, 0, sizeof(action));
    action.sa_handler = interrupt_note;
    action.sa_flags = (int)(SA_RESTART | SA_RESETHAND);
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

int interrupt_descriptor(void)
{
    return pipe_ends[0];
}

bool interrupt_seen(void)
{
    return signal_seen != 0;
}

void interrupt_accept(void)
{
    char bytes[4];

    if (read(pipe_ends[0], bytes, sizeof(bytes)) >= 0)
        signal_seen = 0;
}

void interrupt_die(void)
{
    int number = signal_last != 0 ? signal_last : SIGTERM;

    signal(number, SIG_DFL);
    raise(number);
    exit(128 + number);
}
