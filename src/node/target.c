#include "node/target.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

struct target {
    struct raft_config *config;
    char *why;
    size_t why_size;
};

static bool refuse(struct target *target, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static bool refuse(struct target *target, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(target->why, target->why_size, format, arguments);
    va_end(arguments);
    return false;
}

/* ---- words -------------------------------------------------------------- */

static bool read_id(struct target *target, const char *text, size_t size,
                    raft_id *id)
{
    uint64_t value;
    if (!text_to_u64(text, size, &value) || value >= RAFT_ID_NONE) {
        char shown[65];
        return refuse(target, "'%s': expected the id of a member, 0 to %lu",
                      text_printable(shown, sizeof(shown), text, size),
                      (unsigned long)RAFT_ID_NONE - 1);
    }
    *id = (raft_id)value;
    return true;
}

static bool read_member(struct target *target, const char *text, size_t size,
                        struct raft_member *member)
{
    const char *what = NULL;
    if (!raft_member_parse(text, size, member, &what)) {
        char shown[TEXT_ADDRESS_SIZE];
        return refuse(target, "'%s': %s",
                      text_printable(shown, sizeof(shown), text, size), what);
    }
    return true;
}

static struct raft_member *member_of(struct raft_config *config, raft_id id)
{
    for (size_t i = 0; i < config->count; i++) {
        if (config->members[i].id == id) {
            return &config->members[i];
        }
    }
    return NULL;
}

static void take_out(struct raft_config *config, raft_id id)
{
    size_t kept = 0;
    for (size_t i = 0; i < config->count; i++) {
        if (config->members[i].id != id) {
            config->members[kept++] = config->members[i];
        }
    }
    config->count = kept;
}

/* ---- one word of each order --------------------------------------------- */

typedef bool word_of(struct target *target, const struct raft_config *now,
                     const char *text, size_t size);

/* Who stays keeps instance and priority, at the address and in the role that
 * is asked for. */
static bool change(struct target *target, const struct raft_config *now,
                   const char *text, size_t size)
{
    struct raft_member member;
    if (!read_member(target, text, size, &member)) {
        return false;
    }
    const struct raft_member *old = raft_config_find(now, member.id);
    if (old != NULL) {
        member.instance = old->instance;
        member.priority = old->priority;
    }
    return raft_config_add(target->config, &member) ||
           refuse(target, "%s", "there are too many members");
}

static bool add(struct target *target, const struct raft_config *now,
                const char *text, size_t size)
{
    struct raft_member member;
    if (!read_member(target, text, size, &member)) {
        return false;
    }
    const struct raft_member *old = raft_config_find(now, member.id);
    if (old == NULL) {
        return raft_config_add(target->config, &member) ||
               refuse(target, "there would be more than %d members",
                      RAFT_MEMBERS_MAX);
    }
    if (old->role != member.role || strcmp(old->address, member.address) != 0) {
        return refuse(target,
                      "node %lu is a member already, %s at %s: PROMOTE, "
                      "DEMOTE or CHANGE make it another one",
                      (unsigned long)old->id, raft_member_word(now, old),
                      old->address);
    }
    return true;
}

static struct raft_member *named(struct target *target, const char *text,
                                 size_t size)
{
    raft_id id = RAFT_ID_NONE;
    if (!read_id(target, text, size, &id)) {
        return NULL;
    }
    struct raft_member *member = member_of(target->config, id);
    if (member == NULL) {
        refuse(target, "node %lu is not a member", (unsigned long)id);
    }
    return member;
}

static bool take_away(struct target *target, const struct raft_config *now,
                      const char *text, size_t size)
{
    (void)now;
    struct raft_member *member = named(target, text, size);
    if (member != NULL) {
        take_out(target->config, member->id);
    }
    return member != NULL;
}

static bool set_role(struct target *target, const char *text, size_t size,
                     uint8_t role)
{
    struct raft_member *member = named(target, text, size);
    if (member != NULL) {
        member->role = role;
        member->next = role;
    }
    return member != NULL;
}

static bool promote(struct target *target, const struct raft_config *now,
                    const char *text, size_t size)
{
    (void)now;
    return set_role(target, text, size, RAFT_MEMBER_VOTER);
}

static bool demote(struct target *target, const struct raft_config *now,
                   const char *text, size_t size)
{
    (void)now;
    return set_role(target, text, size, RAFT_MEMBER_LEARNER);
}

/* NULL: the order is none of these. */
static word_of *function_of(uint8_t what)
{
    switch (what) {
    case FRAME_CONTROL_CHANGE:
        return change;
    case FRAME_CONTROL_ADD:
        return add;
    case FRAME_CONTROL_REMOVE:
        return take_away;
    case FRAME_CONTROL_PROMOTE:
        return promote;
    case FRAME_CONTROL_DEMOTE:
        return demote;
    default:
        return NULL;
    }
}

/* ---- orders ------------------------------------------------------------- */

/* The id that a word begins with; two words that name the same one are an
 * order that contradicts itself. */
static bool id_of(const char *text, size_t size, uint64_t *id)
{
    const char *equals = memchr(text, '=', size);
    return text_to_u64(text, equals == NULL ? size : (size_t)(equals - text),
                       id);
}

static bool names_twice(const struct frame_control *order, uint64_t *id)
{
    for (size_t i = 0; i < order->count; i++) {
        for (size_t j = 0; j < i; j++) {
            uint64_t other;
            if (id_of(order->words[i].text, order->words[i].size, id) &&
                id_of(order->words[j].text, order->words[j].size, &other) &&
                *id == other) {
                return true;
            }
        }
    }
    return false;
}

static bool is_whole(struct target *target)
{
    return raft_config_voters(target->config, false) > 0 ||
           refuse(target, "%s", "no voter would be left");
}

bool target_make(const struct raft_config *now,
                 const struct frame_control *order, struct raft_config *config,
                 char *why, size_t why_size)
{
    struct target target = {.config = config, .why = why, .why_size = why_size};
    word_of *word = function_of(order->what);
    uint64_t id;
    if (word == NULL) {
        return refuse(&target, "%s", "this leader does not know that order");
    }
    if (order->count == 0) {
        return refuse(&target, "%s", "no member is named");
    }
    if (names_twice(order, &id)) {
        return refuse(&target, "node %llu is named twice",
                      (unsigned long long)id);
    }
    *config = *now;
    if (order->what == FRAME_CONTROL_CHANGE) {
        config->count = 0;
    }
    for (size_t i = 0; i < order->count; i++) {
        if (!word(&target, now, order->words[i].text, order->words[i].size)) {
            return false;
        }
    }
    return is_whole(&target);
}

bool target_replace(const struct raft_config *now,
                    const struct frame_control *order,
                    struct raft_config *config, struct raft_member *comer,
                    char *why, size_t why_size)
{
    struct target target = {.config = config, .why = why, .why_size = why_size};
    if (order->count != 1) {
        return refuse(&target, "%s", "expected one member: id or id=host:port");
    }
    const char *text = order->words[0].text;
    size_t size = order->words[0].size;
    const char *equals = memchr(text, '=', size);
    raft_id id = RAFT_ID_NONE;
    *comer = (struct raft_member){0};
    if (equals != NULL ? !read_member(&target, text, size, comer)
                       : !read_id(&target, text, size, &id)) {
        return false;
    }
    id = equals != NULL ? comer->id : id;
    const struct raft_member *old = raft_config_find(now, id);
    if (old == NULL) {
        return refuse(&target, "node %lu is not a member: ADD takes it in",
                      (unsigned long)id);
    }
    struct raft_member next = *old;
    next.instance = 0;
    if (equals != NULL) {
        snprintf(next.address, sizeof(next.address), "%s", comer->address);
    }
    *comer = next;
    *config = *now;
    take_out(config, id);
    return is_whole(&target);
}

bool target_id(const struct frame_control *order, raft_id *id, char *why,
               size_t why_size)
{
    struct target target = {.why = why, .why_size = why_size};
    if (order->count != 1) {
        return refuse(&target, "%s", "expected the id of one member");
    }
    return read_id(&target, order->words[0].text, order->words[0].size, id);
}
