#include "core/config.h"

#include <stdio.h>
#include <string.h>

#define FORMAT 1
#define FLAG_JOINT 1
/* id, instance, role, next, priority, address size */
#define MEMBER_FIXED (4 + 8 + 1 + 1 + 1 + 2)

bool raft_config_add(struct raft_config *config,
                     const struct raft_member *member)
{
    if (config->count == RAFT_MEMBERS_MAX ||
        raft_config_find(config, member->id) != NULL) {
        return false;
    }
    size_t at = config->count++;
    while (at > 0 && config->members[at - 1].id > member->id) {
        config->members[at] = config->members[at - 1];
        at--;
    }
    config->members[at] = *member;
    return true;
}

const struct raft_member *raft_config_find(const struct raft_config *config,
                                           raft_id id)
{
    for (size_t i = 0; i < config->count; i++) {
        if (config->members[i].id == id) {
            return &config->members[i];
        }
    }
    return NULL;
}

bool raft_config_votes(const struct raft_config *config, raft_id id)
{
    const struct raft_member *member = raft_config_find(config, id);
    return member != NULL && (member->role == RAFT_MEMBER_VOTER ||
                              member->next == RAFT_MEMBER_VOTER);
}

size_t raft_config_voters(const struct raft_config *config, bool next)
{
    size_t count = 0;
    for (size_t i = 0; i < config->count; i++) {
        const struct raft_member *member = &config->members[i];
        count += (next ? member->next : member->role) == RAFT_MEMBER_VOTER;
    }
    return count;
}

/* ---- from one to another ------------------------------------------------ */

bool raft_config_join(const struct raft_config *from,
                      const struct raft_config *to, struct raft_config *joint)
{
    *joint = (struct raft_config){.joint = true};
    for (size_t i = 0; i < to->count; i++) {
        struct raft_member member = to->members[i];
        const struct raft_member *old = raft_config_find(from, member.id);
        member.role = old == NULL ? RAFT_MEMBER_NONE : old->role;
        raft_config_add(joint, &member);
    }
    for (size_t i = 0; i < from->count; i++) {
        struct raft_member member = from->members[i];
        member.next = RAFT_MEMBER_NONE;
        if (raft_config_find(to, member.id) == NULL &&
            !raft_config_add(joint, &member)) {
            return false;
        }
    }
    return true;
}

void raft_config_side(const struct raft_config *joint, bool next,
                      struct raft_config *simple)
{
    *simple = (struct raft_config){0};
    for (size_t i = 0; i < joint->count; i++) {
        struct raft_member member = joint->members[i];
        member.role = next ? member.next : member.role;
        member.next = member.role;
        if (member.role != RAFT_MEMBER_NONE) {
            raft_config_add(simple, &member);
        }
    }
}

static bool votes_too(const struct raft_config *a, const struct raft_config *b)
{
    for (size_t i = 0; i < a->count; i++) {
        if (a->members[i].role == RAFT_MEMBER_VOTER &&
            !raft_config_votes(b, a->members[i].id)) {
            return false;
        }
    }
    return true;
}

bool raft_config_same_voters(const struct raft_config *a,
                             const struct raft_config *b)
{
    return votes_too(a, b) && votes_too(b, a);
}

bool raft_config_equal(const struct raft_config *a, const struct raft_config *b)
{
    struct buf left = {0};
    struct buf right = {0};
    raft_config_encode(a, &left);
    raft_config_encode(b, &right);
    bool equal = left.size == right.size &&
                 memcmp(left.data, right.data, left.size) == 0;
    buf_free(&left);
    buf_free(&right);
    return equal;
}

/* ---- bytes -------------------------------------------------------------- */

void raft_config_encode(const struct raft_config *config, struct buf *buf)
{
    buf_append_u16(buf, FORMAT);
    buf_append_u16(buf, config->joint ? FLAG_JOINT : 0);
    buf_append_u16(buf, (uint16_t)config->count);
    for (size_t i = 0; i < config->count; i++) {
        const struct raft_member *member = &config->members[i];
        uint16_t size = (uint16_t)strlen(member->address);
        buf_append_u16(buf, (uint16_t)(MEMBER_FIXED + size));
        buf_append_u32(buf, member->id);
        buf_append_u64(buf, member->instance);
        buf_append_u8(buf, member->role);
        buf_append_u8(buf, member->next);
        buf_append_u8(buf, member->priority);
        buf_append_u16(buf, size);
        buf_append(buf, member->address, size);
    }
}

static bool decode_member(struct cursor *all, struct raft_member *member)
{
    struct cursor part = cursor_part(all, cursor_u16(all));
    *member = (struct raft_member){.id = cursor_u32(&part)};
    member->instance = cursor_u64(&part);
    member->role = cursor_u8(&part);
    member->next = cursor_u8(&part);
    member->priority = cursor_u8(&part);
    uint16_t size = cursor_u16(&part);
    const uint8_t *address = cursor_bytes(&part, size);
    if (part.bad || size >= sizeof(member->address)) {
        return false;
    }
    memcpy(member->address, address, size);
    member->address[size] = '\0';
    size_t host_size;
    uint16_t port;
    return text_is_address(member->address, size, false, &host_size, &port);
}

static bool is_lawful(const struct raft_config *config)
{
    for (size_t i = 0; i < config->count; i++) {
        const struct raft_member *member = &config->members[i];
        bool roles = member->role <= RAFT_MEMBER_VOTER &&
                     member->next <= RAFT_MEMBER_VOTER;
        bool simple =
            member->role == member->next && member->role != RAFT_MEMBER_NONE;
        bool joint = member->role != RAFT_MEMBER_NONE ||
                     member->next != RAFT_MEMBER_NONE;
        if (member->id == RAFT_ID_NONE || !roles ||
            !(config->joint ? joint : simple) ||
            (i > 0 && config->members[i - 1].id >= member->id)) {
            return false;
        }
    }
    return raft_config_voters(config, false) > 0 &&
           raft_config_voters(config, true) > 0;
}

bool raft_config_decode(const void *data, size_t size,
                        struct raft_config *config)
{
    struct cursor all = cursor_of(data, size);
    uint16_t format = cursor_u16(&all);
    uint16_t flags = cursor_u16(&all);
    *config = (struct raft_config){.joint = (flags & FLAG_JOINT) != 0};
    size_t count = cursor_u16(&all);
    if (format != FORMAT || (flags & ~FLAG_JOINT) != 0 ||
        count > RAFT_MEMBERS_MAX) {
        return false;
    }
    for (config->count = 0; config->count < count; config->count++) {
        if (!decode_member(&all, &config->members[config->count])) {
            return false;
        }
    }
    return !all.bad && cursor_left(&all) == 0 && is_lawful(config);
}

/* ---- text --------------------------------------------------------------- */

const char *raft_member_word(const struct raft_config *config,
                             const struct raft_member *member)
{
    bool old = member->role == RAFT_MEMBER_VOTER;
    bool next = member->next == RAFT_MEMBER_VOTER;
    if (!config->joint || old == next) {
        return old ? "voter" : "learner";
    }
    return next ? "incoming" : "outgoing";
}

void raft_config_text(const struct raft_config *config, struct buf *buf)
{
    for (size_t i = 0; i < config->count; i++) {
        const struct raft_member *member = &config->members[i];
        buf_printf(buf, "%s%lu=%s %s", i == 0 ? "" : ", ",
                   (unsigned long)member->id, member->address,
                   raft_member_word(config, member));
    }
}

static bool no_member(const char **why, const char *what)
{
    *why = what;
    return false;
}

bool raft_member_parse(const char *text, size_t size,
                       struct raft_member *member, const char **why)
{
    static const char learner[] = "/learner";
    size_t tail = sizeof(learner) - 1;
    const char *equals = memchr(text, '=', size);
    uint64_t id;
    if (equals == NULL || !text_to_u64(text, (size_t)(equals - text), &id) ||
        id >= RAFT_ID_NONE) {
        return no_member(why, "a member is id=host:port, with an id of 0 to "
                              "4294967294");
    }
    bool learns =
        size >= tail && memcmp(text + size - tail, learner, tail) == 0;
    const char *address = equals + 1;
    size_t length = size - (size_t)(address - text) - (learns ? tail : 0);
    size_t host_size;
    uint16_t port;
    if (length >= TEXT_ADDRESS_SIZE || (size_t)(address - text) > size ||
        !text_is_address(address, length, false, &host_size, &port)) {
        return no_member(why, "a member's address is host:port or "
                              "[v6]:port, with /learner behind it for one "
                              "that does not vote");
    }
    *member = (struct raft_member){
        .id = (raft_id)id,
        .role = learns ? RAFT_MEMBER_LEARNER : RAFT_MEMBER_VOTER,
        .next = learns ? RAFT_MEMBER_LEARNER : RAFT_MEMBER_VOTER,
        .priority = RAFT_PRIORITY_DEFAULT};
    memcpy(member->address, address, length);
    return true;
}

static bool add_parsed(struct raft_config *config, const char *text,
                       size_t size, char *why, size_t why_size)
{
    struct raft_member member;
    const char *what = NULL;
    if (!raft_member_parse(text, size, &member, &what)) {
        snprintf(why, why_size, "'%.*s': %s", (int)size, text, what);
        return false;
    }
    if (!raft_config_add(config, &member)) {
        snprintf(why, why_size,
                 "'%.*s': the id is named twice, or there are "
                 "more than %d members",
                 (int)size, text, RAFT_MEMBERS_MAX);
        return false;
    }
    return true;
}

bool raft_config_parse(const char *text, struct raft_config *config, char *why,
                       size_t why_size)
{
    static const char between[] = ", \t\r\n";
    *config = (struct raft_config){0};
    text += strspn(text, between);
    while (*text != '\0') {
        size_t size = strcspn(text, between);
        if (!add_parsed(config, text, size, why, why_size)) {
            return false;
        }
        text += size;
        text += strspn(text, between);
    }
    if (raft_config_voters(config, false) == 0) {
        snprintf(why, why_size, "there is no voter among the members");
        return false;
    }
    return true;
}
