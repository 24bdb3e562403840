/* ^C and SIGTERM as something that a loop can wait for.
 *
 * The first signal is only noted, so that the work at hand ends in order; a
 * second one ends the process as it would without us. */
#ifndef RAFTSC_CTL_INTERRUPT_H
#define RAFTSC_CTL_INTERRUPT_H

#include <stdbool.h>

/* From here on SIGINT and SIGTERM are noted. */
void interrupt_catch(void);

/* Readable once a signal has come; -1 before interrupt_catch(). */
int interrupt_descriptor(void);
bool interrupt_seen(void);

/* The signal is dealt with: the descriptor is quiet again and the next one
 * ends the process. */
void interrupt_accept(void);

/* End the process by the last signal that came. */
void interrupt_die(void) __attribute__((noreturn));

#endif
