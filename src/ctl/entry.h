/* One committed entry on standard output, as read and follow show it. */
#ifndef RAFTSC_CTL_ENTRY_H
#define RAFTSC_CTL_ENTRY_H

#include "ctl/options.h"
#include "wire/resp.h"

struct entry {
    int64_t index;
    int64_t term;
    const char *payload; /* borrowed from the reply */
    size_t size;
};

/* From index, term and payload, and whatever may follow them.  False: they
 * have another shape. */
bool entry_read(const struct resp_value *fields, size_t count,
                struct entry *entry);

/* "index term payload" with escapes, or JSON, or with --raw the payload; one
 * line in each case, unless a raw payload has its own line ends. */
void entry_print(const struct entry *entry, const struct options *options);

#endif
