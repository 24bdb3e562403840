#include "node/pace.h"

/* What is older than two of these no longer counts. */
#define SPAN_US ((uint64_t)2 * 1000 * 1000)

void pace_note(struct pace *pace, uint64_t now_us, uint64_t bytes)
{
    if (pace->from_us == 0 || bytes < pace->bytes) {
        *pace = (struct pace){.from_us = now_us,
                              .from_bytes = bytes,
                              .next_us = now_us,
                              .next_bytes = bytes,
                              .moved_us = now_us,
                              .bytes = bytes};
        return;
    }
    if (now_us - pace->next_us >= SPAN_US) {
        pace->from_us = pace->next_us;
        pace->from_bytes = pace->next_bytes;
        pace->next_us = now_us;
        pace->next_bytes = bytes;
    }
    if (bytes > pace->bytes) {
        pace->moved_us = now_us;
        pace->bytes = bytes;
    }
}

uint64_t pace_rate(const struct pace *pace, uint64_t now_us)
{
    if (pace->from_us == 0 || now_us == pace->from_us ||
        pace_still_us(pace, now_us) > 2 * SPAN_US) {
        return 0;
    }
    return (pace->bytes - pace->from_bytes) * 1000000 /
           (now_us - pace->from_us);
}

uint64_t pace_still_us(const struct pace *pace, uint64_t now_us)
{
    return pace->from_us == 0 ? 0 : now_us - pace->moved_us;
}
