/* How changes and transfers ended, in words and codes. */
#include "node/change.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/text.h"
#include "node/control.h"

void change_missing(const struct node *node, const struct raft_config *config,
                    bool next, struct buf *buf)
{
    for (size_t i = 0; i < config->count; i++) {
        const struct raft_member *member = &config->members[i];
        uint8_t role = next ? member->next : member->role;
        if (role == RAFT_MEMBER_VOTER &&
            !raft_is_alive(node->raft, member->id)) {
            buf_printf(buf, "%s%lu", buf->size == 0 ? "" : ", ",
                       (unsigned long)member->id);
        }
    }
}

static enum error_code say(char *why, size_t size, enum error_code code,
                           const char *format, ...)
    __attribute__((format(printf, 4, 5)));

static enum error_code say(char *why, size_t size, enum error_code code,
                           const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(why, size, format, arguments);
    va_end(arguments);
    return code;
}

static enum error_code say_dead(const struct node *node,
                                const struct raft_config *target, char *why,
                                size_t size)
{
    struct buf missing = {0};
    change_missing(node, target, true, &missing);
    say(why, size, ERROR_ERR,
        "no majority of the new voters is alive: %.*s missing; with FORCE it "
        "is begun all the same",
        (int)missing.size, missing.size == 0 ? "" : (const char *)missing.data);
    buf_free(&missing);
    return ERROR_ERR;
}

/* Of a change that was turned back: by an order, or for want of the new
 * voters. */
static enum error_code say_back(const struct node *node,
                                const struct raft_tell *tell, bool ordered,
                                char *why, size_t size)
{
    char time[TEXT_UNIT_SIZE];
    if (ordered) {
        return say(why, size, ERROR_ERR,
                   "the change was turned back by CONFIG ABORT: entry %llu "
                   "has the old configuration",
                   (unsigned long long)tell->index);
    }
    return say(why, size, ERROR_TIMEOUT,
               "no majority of the new voters was heard for %s "
               "(catch-up-timeout), and the change was turned back: entry "
               "%llu has the old configuration",
               text_from_duration_us(node->settings.catch_up_us, time),
               (unsigned long long)tell->index);
}

enum error_code change_end_why(const struct node *node,
                               const struct raft_tell *tell,
                               const struct change *change, char *why,
                               size_t size)
{
    unsigned long peer = tell->peer;
    char time[TEXT_UNIT_SIZE];
    struct buf open = {0};
    switch (tell->change) {
    case RAFT_CHANGE_CONFLICT:
        change_open_text(node, &open);
        say(why, size, ERROR_CONFLICT, "another change is under way: %.*s",
            (int)open.size, open.size == 0 ? "" : (const char *)open.data);
        buf_free(&open);
        return ERROR_CONFLICT;
    case RAFT_CHANGE_INSTANCE:
        return say(why, size, ERROR_ERR,
                   "node %lu cannot change its data directory in one change: "
                   "CONFIG REPLACE makes two",
                   peer);
    case RAFT_CHANGE_TOO_MANY:
        return say(why, size, ERROR_ERR,
                   "there would be more than %d members, old and new together",
                   RAFT_MEMBERS_MAX);
    case RAFT_CHANGE_DEAD:
        return say_dead(node, &change->target, why, size);
    case RAFT_CHANGE_SILENT:
        return say(
            why, size, ERROR_TIMEOUT,
            "node %lu made no progress for %s (catch-up-timeout): "
            "%s; nothing has been changed",
            peer, text_from_duration_us(node->settings.catch_up_us, time),
            peers_up(node, tell->peer) ? "it is connected, and does not answer"
                                       : peers_why(node, tell->peer));
    case RAFT_CHANGE_TOO_SLOW:
        return say(why, size, ERROR_TIMEOUT,
                   "node %lu is still behind after many rounds: the log grows "
                   "as fast as it catches up; nothing has been changed",
                   peer);
    case RAFT_CHANGE_ABORTED:
        if (tell->index == change->base) {
            return say(why, size, ERROR_ERR,
                       "the change was given up by CONFIG ABORT; nothing has "
                       "been changed");
        }
        return say_back(node, tell, change->aborted, why, size);
    case RAFT_CHANGE_DONE:
    case RAFT_CHANGE_NOT_LEADER:
    case RAFT_CHANGE_NONE_OPEN:
    case RAFT_CHANGE_TOO_LATE:
    case RAFT_CHANGE_LOST:
        break;
    }
    return say(why, size, ERROR_UNCERTAIN, "it ended in an unknown way");
}

/* ---- CONFIG ABORT ------------------------------------------------------- */

/* Who must come back so that the change can go on to its end. */
static void too_late(struct node *node, struct raft_ticket ticket)
{
    const struct raft_config *config = raft_config_now(node->raft, NULL);
    struct buf missing = {0};
    if (config->joint) {
        change_missing(node, config, false, &missing);
        change_missing(node, config, true, &missing);
    } else {
        change_missing(node, config, true, &missing);
    }
    control_error(node, ticket, ERROR_CONFLICT,
                  "the new configuration may be in force already: the change "
                  "goes on%s%.*s",
                  missing.size == 0 ? "" : "; bring back the nodes ",
                  (int)missing.size,
                  missing.size == 0 ? "" : (const char *)missing.data);
    buf_free(&missing);
}

void change_abort_ended(struct node *node, const struct raft_tell *tell)
{
    struct raft_ticket ticket = tell->ticket;
    struct frame_control_answer answer = {.result = FRAME_CONTROL_NOT_LEADER};
    switch (tell->change) {
    case RAFT_CHANGE_DONE:
        control_done(node, ticket, tell->index);
        return;
    case RAFT_CHANGE_NOT_LEADER:
        control_answer(node, ticket, &answer);
        return;
    case RAFT_CHANGE_NONE_OPEN:
        control_error(node, ticket, ERROR_ERR, "no change is under way");
        return;
    case RAFT_CHANGE_TOO_LATE:
        node->change.aborted = false;
        too_late(node, ticket);
        return;
    case RAFT_CHANGE_CONFLICT:
    case RAFT_CHANGE_INSTANCE:
    case RAFT_CHANGE_TOO_MANY:
    case RAFT_CHANGE_DEAD:
    case RAFT_CHANGE_SILENT:
    case RAFT_CHANGE_TOO_SLOW:
    case RAFT_CHANGE_ABORTED:
    case RAFT_CHANGE_LOST:
        break;
    }
    control_error(node, ticket, ERROR_UNCERTAIN,
                  "this node no longer leads: the next leader turns the change "
                  "back or finishes it");
}

/* ---- TRANSFER ----------------------------------------------------------- */

static void no_voter(struct node *node, const struct raft_tell *tell)
{
    const struct raft_config *config = raft_config_now(node->raft, NULL);
    unsigned long peer = tell->peer;
    if (tell->peer == RAFT_ID_NONE) {
        control_error(node, tell->ticket, ERROR_ERR,
                      "no other voter is alive: node %lu leads on",
                      (unsigned long)node->identity.id);
    } else if (!raft_config_votes(config, tell->peer)) {
        control_error(node, tell->ticket, ERROR_ERR, "node %lu is no voter",
                      peer);
    } else {
        control_error(node, tell->ticket, ERROR_ERR,
                      "node %lu is not alive: node %lu leads on", peer,
                      (unsigned long)node->identity.id);
    }
}

static void transfer_lost(struct node *node, const struct raft_tell *tell)
{
    if (tell->peer == RAFT_ID_NONE) {
        control_error(node, tell->ticket, ERROR_UNCERTAIN,
                      "this node no longer leads, and who does is not known "
                      "yet");
    } else {
        control_error(node, tell->ticket, ERROR_ERR, "node %lu leads instead",
                      (unsigned long)tell->peer);
    }
}

void change_transferred(struct node *node, const struct raft_tell *tell)
{
    struct raft_ticket ticket = tell->ticket;
    struct frame_control_answer answer = {.result = FRAME_CONTROL_OK};
    switch (tell->transfer) {
    case RAFT_TRANSFER_DONE:
        control_answer(node, ticket, &answer);
        break;
    case RAFT_TRANSFER_NOT_LEADER:
        answer.result = FRAME_CONTROL_NOT_LEADER;
        control_answer(node, ticket, &answer);
        break;
    case RAFT_TRANSFER_CONFLICT:
        control_error(node, ticket, ERROR_CONFLICT,
                      "leadership is being handed over to node %lu already",
                      (unsigned long)tell->peer);
        break;
    case RAFT_TRANSFER_NO_VOTER:
        no_voter(node, tell);
        break;
    case RAFT_TRANSFER_TIMEOUT:
        control_error(node, ticket, ERROR_TIMEOUT,
                      "node %lu did not take leadership over within an "
                      "election time-out: node %lu leads on",
                      (unsigned long)tell->peer,
                      (unsigned long)node->identity.id);
        break;
    case RAFT_TRANSFER_LOST:
        transfer_lost(node, tell);
        break;
    }
}
