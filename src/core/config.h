/* Configurations: who is a member, and who votes.
 *
 * A configuration has one set of voters, or two while it is joint (section 6).
 * A member says what it is in each of the two: `role` in the present (or old)
 * configuration, `next` in the coming one.  In a simple configuration both are
 * the same, for every member.
 *
 * As bytes (the payload of an entry of RAFT_KIND_CONFIG; big-endian):
 *
 *     u16 format (1)   u16 flags (bit 0: joint)   u16 member count
 *     then each member, in ascending order of ids:
 *       u16 size of what follows of this member
 *       u32 id   u64 instance   u8 role   u8 next   u8 priority
 *       u16 address size, address bytes
 *       (a later version may add fields here; a reader passes over them)
 *
 * The same configuration always gives the same bytes. */
#ifndef RAFTSC_CORE_CONFIG_H
#define RAFTSC_CORE_CONFIG_H

#include "base/buf.h"
#include "base/text.h"
#include "core/types.h"

#define RAFT_MEMBERS_MAX 64
#define RAFT_PRIORITY_DEFAULT 100

enum raft_member_role {
    RAFT_MEMBER_NONE = 0, /* not in this one of the two */
    RAFT_MEMBER_LEARNER = 1,
    RAFT_MEMBER_VOTER = 2
};

struct raft_member {
    raft_id id;
    uint64_t instance; /* of its data directory; 0: not known */
    uint8_t role;      /* enum raft_member_role */
    uint8_t next;
    uint8_t priority;
    char address[TEXT_ADDRESS_SIZE]; /* host:port, where it was last seen */
};

struct raft_config {
    bool joint;
    size_t count;
    struct raft_member members[RAFT_MEMBERS_MAX]; /* ascending ids */
};

/* Adds `member` in its place.  False: the id is there, or there is no room. */
bool raft_config_add(struct raft_config *config,
                     const struct raft_member *member);

/* Borrowed; NULL where `id` is no member. */
const struct raft_member *raft_config_find(const struct raft_config *config,
                                           raft_id id);

/* True where `id` votes in either set. */
bool raft_config_votes(const struct raft_config *config, raft_id id);

/* How many voters the old (next = false) or the coming set has. */
size_t raft_config_voters(const struct raft_config *config, bool next);

/* The joint configuration that leads from one simple one to another.  False:
 * it would have too many members. */
bool raft_config_join(const struct raft_config *from,
                      const struct raft_config *to, struct raft_config *joint);
/* The old (next = false) or the coming one of a joint configuration.  An
 * address is the newer of the two. */
void raft_config_side(const struct raft_config *joint, bool next,
                      struct raft_config *simple);
/* Whether two simple configurations have the same voters. */
bool raft_config_same_voters(const struct raft_config *a,
                             const struct raft_config *b);
bool raft_config_equal(const struct raft_config *a,
                       const struct raft_config *b);

void raft_config_encode(const struct raft_config *config, struct buf *buf);

/* False: these bytes are not a configuration (cut, ids not ascending, a role
 * that there is not, no voter, too many members, an address too long); *config
 * is then undefined. */
bool raft_config_decode(const void *data, size_t size,
                        struct raft_config *config);

/* "voter", "learner", "incoming", "outgoing": as CONFIG shows it. */
const char *raft_member_word(const struct raft_config *config,
                             const struct raft_member *member);

/* "0=a:1 voter, 1=b:2 learner": as one text, appended to `buf`. */
void raft_config_text(const struct raft_config *config, struct buf *buf);

/* Reads one `id=host:port[/learner]` of `size` characters.  False: *why is
 * what was wrong, a constant. */
bool raft_member_parse(const char *text, size_t size,
                       struct raft_member *member, const char **why);

/* Reads members separated by commas and white space into a simple
 * configuration, all instances 0.  False: why it is none, in `why`. */
bool raft_config_parse(const char *text, struct raft_config *config, char *why,
                       size_t why_size);

#endif
