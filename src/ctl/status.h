/* The state of the cluster as one node tells it: INFO and CONFIG, put
 * together.  Used by status and watch. */
#ifndef RAFTSC_CTL_STATUS_H
#define RAFTSC_CTL_STATUS_H

#include "ctl/ctl.h"
#include "ctl/info.h"
#include "ctl/members.h"
#include "ctl/table.h"

/* What the node says of one member.  Texts, as they came; empty: nothing. */
struct status_member {
    struct member member;
    bool self;
    bool configured; /* it is in the configuration, not only expected */
    char link[16];
    char state[16];
    char match[24];
    char next[24];
    char inflight[24];
    char inflight_bytes[24];
    char lag[24];
    char last_contact_ms[24];
};

struct status {
    struct info info;
    struct status_member *members;
    size_t count;
    size_t capacity;
};

/* Asks the node.  CTL_DONE: the caller ends with status_clear().  Anything
 * else is printed, and there is nothing to clear. */
enum ctl_status status_ask(struct ctl *ctl, struct status *status);

/* Puts the two replies together; borrows them.  False: they have another
 * shape.  The caller ends with status_clear() in both cases. */
bool status_build(struct status *status, const struct resp_value *info,
                  const struct resp_value *config);
void status_clear(struct status *status);

/* For people: lines of what the node is, then a table of the members. */
void status_print(const struct status *status, const struct screen *screen);
/* One JSON object on one line. */
void status_print_json(const struct status *status, FILE *file);

#endif
