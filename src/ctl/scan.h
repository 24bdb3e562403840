/* Where does the next reply end?  Looks at each byte of what arrives at most
 * once or twice, so that a reply of many megabytes and many elements is
 * parsed only once, when it is whole.  Knows RESP only as far as its lengths
 * go; resp_reply_parse() reads the reply itself. */
#ifndef RAFTSC_CTL_SCAN_H
#define RAFTSC_CTL_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* All zeros: at the start of a reply. */
struct scan {
    size_t offset;    /* where the next element begins; may lie ahead */
    uint64_t pending; /* elements that are still to come */
};

enum scan_result { SCAN_MORE, SCAN_WHOLE, SCAN_BAD };

/* A reply above it is not one of ours. */
#define SCAN_REPLY_MAX ((size_t)256 * 1024 * 1024)

/* `data` is the reply from its first byte, as far as it has arrived.  Each
 * call goes on where the last one stopped.  SCAN_WHOLE: scan->offset is the
 * size of the reply; set *scan to zeros for the next one. */
enum scan_result scan_reply(struct scan *scan, const char *data, size_t size);

#endif
