/* Members as the node writes them: "id=host:port role", several of them
 * separated by ", ".  Used by status, members, history and events. */
#ifndef RAFTSC_CTL_MEMBERS_H
#define RAFTSC_CTL_MEMBERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/text.h"
#include "ctl/json.h"

#define MEMBER_ROLE_SIZE 24

struct member {
    uint64_t id;
    char address[TEXT_ADDRESS_SIZE];
    char role[MEMBER_ROLE_SIZE]; /* printable; a later node may have more */
};

/* False: this is not a member. */
bool member_read(const char *text, size_t size, struct member *member);

/* The next one of a list, from *text, of *size characters, which both move
 * on.  False: the end, or what follows is not a member (*size is 0 only at
 * the end). */
bool member_next(const char **text, size_t *size, struct member *member);

/* {"id":…,"address":…,"role":…} */
void member_json(struct json *json, const struct member *member);

/* A list as an array of these; as one string where it cannot be read. */
void members_json(struct json *json, const char *text, size_t size);

#endif
