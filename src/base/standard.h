/* Descriptors 0, 1 and 2. */
#ifndef RAFTSC_BASE_STANDARD_H
#define RAFTSC_BASE_STANDARD_H

/* Whoever started this process may have closed one of them: the next socket or
 * database would get its number, and what is printed would go there.  Takes the
 * place of each one that is closed, so that reading 0, or writing to 1 or 2, is
 * the error that it was.  First thing in main(). */
void standard_reserve(void);

#endif
