#include "ctl/catchup.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "ctl/progress.h"

/* Rates are averages that forget: a time constant, and the shortest time
 * between two samples. */
#define RATE_MEMORY_US 3e6
#define RATE_SAMPLE_US ((uint64_t)200000)

/* ---- what has been heard ------------------------------------------------ */

static bool value_is(const struct resp_value *value, const char *word)
{
    return (value->type == RESP_BULK || value->type == RESP_SIMPLE) &&
           value->size == strlen(word) &&
           memcmp(value->data, word, value->size) == 0;
}

/* A number of a push; false: it is not there, or is none. */
static bool number_at(const struct resp_value *push, size_t at, uint64_t *value)
{
    if (at >= push->count || push->children[at].type != RESP_INTEGER ||
        push->children[at].integer < 0)
        return false;
    *value = (uint64_t)push->children[at].integer;
    return true;
}

static void note_leader(struct catchup *catchup, const struct resp_value *push)
{
    if (push->count > 1 && push->children[1].type == RESP_INTEGER)
        catchup->leader = push->children[1].integer;
}

/* ["change", stage, index] */
static void note_stage(struct catchup *catchup, const struct resp_value *push)
{
    static const struct {
        const char *word;
        enum catchup_stage stage;
        bool back;
    } stages[] = {
        {"none", CATCHUP_UNKNOWN, false},
        {"reaching", CATCHUP_REACHING, false},
        {"catch-up", CATCHUP_COPIES, false},
        {"joint", CATCHUP_JOINT, false},
        {"new", CATCHUP_LAST, false},
        {"back", CATCHUP_LAST, true},
    };

    for (size_t i = 0; i < sizeof(stages) / sizeof(stages[0]); i++) {
        if (push->count < 2 || !value_is(&push->children[1], stages[i].word))
            continue;
        /* The next one, of those that come in twos, begins anew. */
        if (stages[i].stage == CATCHUP_COPIES &&
            catchup->stage != CATCHUP_COPIES)
            catchup->count = 0;
        catchup->stage = stages[i].stage;
        catchup->back = stages[i].back;
        if (!number_at(push, 2, &catchup->index))
            catchup->index = 0;
    }
}

/* NULL: there are too many. */
static struct catchup_member *member_of(struct catchup *catchup, uint64_t id)
{
    for (size_t i = 0; i < catchup->count; i++) {
        if (catchup->members[i].id == id)
            return &catchup->members[i];
    }
    if (catchup->count == CATCHUP_MEMBERS_MAX)
        return NULL;
    catchup->members[catchup->count] = (struct catchup_member){.id = id};
    return &catchup->members[catchup->count++];
}

static double lag_of(uint64_t match, uint64_t target)
{
    return target > match ? (double)(target - match) : 0;
}

/* The member's numbers have moved on since the last sample. */
static void member_sample(struct catchup_member *member, uint64_t now_us)
{
    double passed_us = (double)(now_us - member->sample_us);
    double weight = passed_us / (passed_us + RATE_MEMORY_US);
    double came = (double)member->match - (double)member->sample_match;
    double closed = lag_of(member->sample_match, member->sample_target) -
                    lag_of(member->match, member->target);

    if (member->rate == 0)
        weight = 1; /* the first one is all there is */
    member->rate += weight * (came * 1e6 / passed_us - member->rate);
    member->closing += weight * (closed * 1e6 / passed_us - member->closing);
}

static void member_sampled(struct catchup_member *member, uint64_t now_us)
{
    member->sample_us = now_us;
    member->sample_match = member->match;
    member->sample_target = member->target;
}

/* ["catch-up", id, match, target, round] */
static void note_member(struct catchup *catchup, const struct resp_value *push,
                        uint64_t now_us)
{
    uint64_t id, match, target, round;
    struct catchup_member *member;

    if (!number_at(push, 1, &id) || !number_at(push, 2, &match) ||
        !number_at(push, 3, &target) || !number_at(push, 4, &round))
        return;
    member = member_of(catchup, id);
    if (member == NULL)
        return;
    if (match < member->match)
        *member = (struct catchup_member){.id = id}; /* a new beginning */
    member->match = match;
    member->target = target;
    member->round = round;
    if (member->sample_us == 0) {
        member_sampled(member, now_us);
    } else if (now_us - member->sample_us >= RATE_SAMPLE_US) {
        member_sample(member, now_us);
        member_sampled(member, now_us);
    }
}

void catchup_note(struct catchup *catchup, const struct resp_value *push,
                  uint64_t now_us)
{
    if ((push->type != RESP_ARRAY && push->type != RESP_PUSH) ||
        push->count == 0)
        return;
    if (value_is(&push->children[0], "leader"))
        note_leader(catchup, push);
    else if (value_is(&push->children[0], "change"))
        note_stage(catchup, push);
    else if (value_is(&push->children[0], "catch-up"))
        note_member(catchup, push, now_us);
    else if (value_is(&push->children[0], "role") && push->count > 1)
        catchup->leads = value_is(&push->children[1], "leader");
}

/* ---- the line ----------------------------------------------------------- */

static bool is_done(const struct catchup_member *member)
{
    return member->match >= member->target;
}

static double left_of(const struct catchup_member *member)
{
    return lag_of(member->match, member->target);
}

/* Whom the change waits for; *done is how many are there already. */
static const struct catchup_member *furthest(const struct catchup *catchup,
                                             size_t *done)
{
    const struct catchup_member *worst = NULL;

    *done = 0;
    for (size_t i = 0; i < catchup->count; i++) {
        const struct catchup_member *member = &catchup->members[i];

        *done += is_done(member);
        if (worst == NULL || left_of(member) > left_of(worst))
            worst = member;
    }
    return worst;
}

static void copies_line(const struct catchup_member *member, char *out,
                        size_t limit, size_t width)
{
    char bar[PROGRESS_BAR_MAX + 3];
    char left[PROGRESS_CLOCK_SIZE] = "-:--";
    uint64_t total = member->target == 0 ? 1 : member->target;
    uint64_t done = member->match < total ? member->match : total;

    if (is_done(member))
        progress_clock(left, 0);
    else if (member->closing >= 1)
        progress_clock(left, (uint64_t)(left_of(member) / member->closing));
    progress_bar(bar, width > 100 ? PROGRESS_BAR_MAX : width / 5, done, total);
    snprintf(out, limit,
             "node %" PRIu64 " %s %3u%%  %" PRIu64 " of %" PRIu64
             "  %.0f/s  %s left",
             member->id, bar, (unsigned)((double)done * 100 / (double)total),
             member->match, member->target, member->rate, left);
}

/* Where there is nothing to measure: what it waits for, in words. */
static void words_line(const struct catchup *catchup, char *out, size_t limit)
{
    switch (catchup->stage) {
    case CATCHUP_JOINT:
        snprintf(out, limit,
                 "joint configuration, entry %" PRIu64
                 ": waits for both majorities",
                 catchup->index);
        return;
    case CATCHUP_LAST:
        snprintf(out, limit,
                 "%s configuration, entry %" PRIu64 ": waits for its majority",
                 catchup->back ? "the old" : "new", catchup->index);
        return;
    case CATCHUP_REACHING:
        snprintf(out, limit, "new members are dialled");
        return;
    case CATCHUP_COPIES:
        snprintf(out, limit, "new voters are caught up");
        return;
    case CATCHUP_UNKNOWN:
        break;
    }
    if (catchup->leads || catchup->leader < 0)
        snprintf(out, limit, "waits for %s",
                 catchup->leads ? "the change" : "a leader");
    else
        snprintf(out, limit,
                 "waits for node %" PRId64
                 ", which leads: there one sees how far it is",
                 catchup->leader);
}

void catchup_line(const struct catchup *catchup, char *out, size_t out_size,
                  size_t width, uint64_t now_us)
{
    size_t limit = width + 1 < out_size ? width + 1 : out_size;
    const struct catchup_member *member;
    char clock[PROGRESS_CLOCK_SIZE];
    size_t done, length;

    member = furthest(catchup, &done);
    if (catchup->stage == CATCHUP_COPIES && member != NULL)
        copies_line(member, out, limit, width);
    else
        words_line(catchup, out, limit);
    length = strlen(out);
    if (catchup->stage == CATCHUP_COPIES && catchup->count > 1) {
        snprintf(out + length, limit - length, "; %zu of %zu are there", done,
                 catchup->count);
        return;
    }
    if (catchup->stage != CATCHUP_COPIES) {
        progress_clock(clock, (now_us - catchup->started_us) / 1000000);
        snprintf(out + length, limit - length, "  %s", clock);
    }
}
