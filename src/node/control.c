#include "node/control.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "node/change.h"
#include "node/session.h"

/* Orders that are open here; one more is told BUSY. */
#define CONTROLS_MAX 64

/* Tickets of orders that a peer passed on: two bits, and the peer. */
#define OWNER_PEER ((uint64_t)3 << 62)

enum control_stage { CONTROL_QUEUED, CONTROL_HANDED, CONTROL_WATCHING };

struct control {
    struct list in_node;
    struct request *request;
    enum control_stage stage;
    struct blob *order; /* as a frame's body */
    struct wheel_timer timer;
    uint64_t leader_by_us; /* a leader must be found by then */
    raft_id peer;          /* HANDED: to whom; RAFT_ID_NONE: to this node */
    uint64_t number;       /* … as that frame's */
    raft_id refused_by;    /* who has just said that it does not lead … */
    raft_term refused_term;
    raft_index base;     /* WATCHING: the configuration before the change … */
    raft_index index;    /* … the newest one on its way … */
    struct blob *wanted; /* … and the one that was asked for */
};

void control_init(struct node *node)
{
    list_init(&node->controls);
    node->next_control = (node->identity.boot << 40) + 1;
}

static void end(struct node *node, struct control *control)
{
    list_remove(&control->in_node);
    node->control_count--;
    wheel_cancel(&node->wheel, &control->timer);
    blob_free(control->order);
    blob_free(control->wanted);
    free(control);
}

void control_free(struct node *node)
{
    list_each(at, following, &node->controls)
    {
        end(node, list_entry(at, struct control, in_node));
    }
}

static struct control *of_request(struct node *node,
                                  const struct request *request)
{
    list_each(at, following, &node->controls)
    {
        struct control *control = list_entry(at, struct control, in_node);
        if (control->request == request) {
            return control;
        }
    }
    return NULL;
}

/* The change goes on; nobody waits for its end. */
static void drop(struct node *node, struct request *request)
{
    struct control *control = of_request(node, request);
    assert(control != NULL); /* it lives as long as its request */
    end(node, control);
}

static void fail(struct node *node, struct control *control,
                 enum error_code code, const char *text)
{
    struct request *request = control->request;
    end(node, control);
    request_error(node, request, code, "%s", text);
}

static void uncertain(struct node *node, struct control *control,
                      const char *why)
{
    char text[256];
    snprintf(text, sizeof(text),
             "%s: the change may be made, or be made yet; CONFIG and CONFIG "
             "HISTORY tell",
             why);
    fail(node, control, ERROR_UNCERTAIN, text);
}

static void fire(struct node *node, struct wheel_timer *timer)
{
    struct control *control = list_entry(timer, struct control, timer);
    switch (control->stage) {
    case CONTROL_QUEUED:
        fail(node, control, ERROR_NOLEADER,
             "no leader was found in time; nothing has been changed");
        break;
    case CONTROL_HANDED:
        uncertain(node, control, "the leader was lost before it answered");
        break;
    case CONTROL_WATCHING:
        uncertain(node, control,
                  "the leader was lost, and the next one has not decided in "
                  "time");
        break;
    }
}

static void set_timer(struct node *node, struct control *control,
                      uint64_t at_us)
{
    wheel_set(&node->wheel, &control->timer, at_us, fire);
}

/* ---- asking ------------------------------------------------------------- */

void control_ask(struct node *node, struct request *request,
                 const struct frame_control *order)
{
    if (node->control_count == CONTROLS_MAX) {
        request_error(node, request, ERROR_BUSY,
                      "%d orders about the members are open here",
                      CONTROLS_MAX);
        return;
    }
    struct control *control = x_calloc(1, sizeof(*control));
    struct buf body = {0};
    frame_pack_control(&body, order);
    control->order = blob_copy(body.data, body.size);
    buf_free(&body);
    control->request = request;
    control->peer = RAFT_ID_NONE;
    control->refused_by = RAFT_ID_NONE;
    control->leader_by_us =
        node->now.mono_us + node->settings.request_timeout_us;
    request->dropped = drop;
    list_push_back(&node->controls, &control->in_node);
    node->control_count++;
    set_timer(node, control, control->leader_by_us);
}

static void hand_here(struct node *node, struct control *control,
                      const struct frame_control *order)
{
    control->stage = CONTROL_HANDED;
    control->peer = RAFT_ID_NONE;
    wheel_cancel(&node->wheel, &control->timer);
    change_order(node, control->request->ticket, order);
}

/* False: no byte has left. */
static bool hand_to(struct node *node, struct control *control, raft_id leader,
                    struct frame_control *order)
{
    order->number = node->next_control;
    if (!peers_control(node, leader, order)) {
        return false;
    }
    node->next_control++;
    control->stage = CONTROL_HANDED;
    control->peer = leader;
    control->number = order->number;
    wheel_cancel(&node->wheel, &control->timer);
    return true;
}

/* NULL: nobody waits for this leader. */
static struct control *next_queued(struct node *node,
                                   const struct raft_status *status)
{
    list_each(at, following, &node->controls)
    {
        struct control *control = list_entry(at, struct control, in_node);
        bool refused = control->refused_by == status->leader &&
                       control->refused_term == status->term;
        if (control->stage == CONTROL_QUEUED && !refused) {
            return control;
        }
    }
    return NULL;
}

/* False: it stays in the queue. */
static bool hand(struct node *node, struct control *control,
                 const struct raft_status *status)
{
    struct frame_control order;
    bool sound = frame_unpack_control(control->order->data,
                                      control->order->size, &order);
    assert(sound);
    if (status->role == RAFT_ROLE_LEADER) {
        hand_here(node, control, &order);
        return true;
    }
    if (node->settings.forward) {
        return hand_to(node, control, status->leader, &order);
    }
    char text[TEXT_ADDRESS_SIZE + 32];
    snprintf(text, sizeof(text), "%lu %s", (unsigned long)status->leader,
             peers_address(node, status->leader));
    fail(node, control, ERROR_NOTLEADER, text);
    return true;
}

/* The leader that has it may have lost its leadership and be about to say so;
 * it may be gone without a word as well. */
static void pump_handed(struct node *node, struct control *control,
                        const struct raft_status *status)
{
    if (control->peer == RAFT_ID_NONE) {
        return; /* change.c answers */
    }
    if (status->leader == control->peer) {
        wheel_cancel(&node->wheel, &control->timer);
    } else if (control->timer.at_us == 0) {
        set_timer(node, control,
                  node->now.mono_us + node->settings.request_timeout_us);
    }
}

void control_pump(struct node *node)
{
    if (node->control_count == 0) {
        return;
    }
    struct raft_status status;
    raft_status(node->raft, &status);
    list_each(at, following, &node->controls)
    {
        struct control *control = list_entry(at, struct control, in_node);
        if (control->stage == CONTROL_HANDED) {
            pump_handed(node, control, &status);
        }
    }
    /* One order can end another one: each time from the beginning. */
    struct control *control = NULL;
    do {
        control =
            status.leader == RAFT_ID_NONE ? NULL : next_queued(node, &status);
    } while (control != NULL && hand(node, control, &status));
}

void control_stop(struct node *node)
{
    list_each(at, following, &node->controls)
    {
        struct control *control = list_entry(at, struct control, in_node);
        if (control->stage == CONTROL_QUEUED) {
            fail(node, control, ERROR_NOLEADER,
                 "this node is stopping; nothing has been changed");
        }
    }
}

void control_link_lost(struct node *node, raft_id peer)
{
    list_each(at, following, &node->controls)
    {
        struct control *control = list_entry(at, struct control, in_node);
        if (control->stage == CONTROL_HANDED && control->peer == peer) {
            uncertain(node, control,
                      "the connection with the leader was lost before it "
                      "answered");
        }
    }
}

bool control_waits_for(const struct node *node, raft_id peer)
{
    list_each(at, following, &node->controls)
    {
        const struct control *control = list_entry(at, struct control, in_node);
        if (control->stage == CONTROL_HANDED && control->peer == peer) {
            return true;
        }
    }
    return false;
}

/* ---- what becomes of a change whose leader was lost --------------------- */

enum verdict {
    VERDICT_OPEN,
    VERDICT_MADE,
    VERDICT_OTHER, /* the next configuration is another one */
    VERDICT_GONE,  /* what was on its way is in no log */
    VERDICT_UNKNOWN
};

/* The first simple configuration behind the old one decides; what is told is
 * final. */
static enum verdict judge(const struct node *node,
                          const struct control *control, raft_index *index)
{
    size_t count;
    const struct raft_config_entry *entries =
        raft_config_history(node->raft, &count);
    bool begun = false;
    for (size_t i = 0; i < count && entries[i].index <= node->told; i++) {
        struct raft_config config;
        const struct blob *payload = entries[i].payload;
        if (entries[i].index <= control->base ||
            !raft_config_decode(payload->data, payload->size, &config)) {
            continue;
        }
        begun = true;
        *index = entries[i].index;
        if (config.joint) {
            continue;
        }
        if (payload->size == control->wanted->size &&
            memcmp(payload->data, control->wanted->data, payload->size) == 0) {
            return VERDICT_MADE;
        }
        return entries[0].index > control->base ? VERDICT_UNKNOWN
                                                : VERDICT_OTHER;
    }
    return begun || node->told < control->index ? VERDICT_OPEN : VERDICT_GONE;
}

static void judge_one(struct node *node, struct control *control)
{
    raft_index index = 0;
    struct request *request = control->request;
    char text[160];
    switch (judge(node, control, &index)) {
    case VERDICT_OPEN:
        break;
    case VERDICT_MADE:
        end(node, control);
        request_integer(node, request, index);
        break;
    case VERDICT_OTHER:
        snprintf(text, sizeof(text),
                 "the leader was lost, and the change was turned back: entry "
                 "%llu has another configuration",
                 (unsigned long long)index);
        fail(node, control, ERROR_ERR, text);
        break;
    case VERDICT_GONE:
        fail(node, control, ERROR_NOLEADER,
             "the leader was lost, and the change was rolled back: nothing "
             "has been changed");
        break;
    case VERDICT_UNKNOWN:
        uncertain(node, control,
                  "the leader was lost, and this node's log begins later");
        break;
    }
}

void control_told(struct node *node)
{
    list_each(at, following, &node->controls)
    {
        struct control *control = list_entry(at, struct control, in_node);
        if (control->stage == CONTROL_WATCHING) {
            judge_one(node, control);
        }
    }
}

static void watch(struct node *node, struct control *control,
                  const struct frame_control_answer *answer)
{
    control->stage = CONTROL_WATCHING;
    control->base = answer->base;
    control->index = answer->index;
    control->wanted = blob_copy(answer->text, answer->text_size);
    set_timer(node, control,
              node->now.mono_us + node->settings.request_timeout_us);
    judge_one(node, control);
}

/* ---- answers ------------------------------------------------------------ */

/* "CODE text", of this leader or of another version's. */
static void take_error(struct node *node, struct control *control,
                       const struct frame_control_answer *answer)
{
    char text[600];
    text_printable(text, sizeof(text), answer->text, answer->text_size);
    size_t word = strcspn(text, " ");
    const char *rest = text[word] == '\0' ? "" : text + word + 1;
    for (int code = 0; code < ERROR_CODES; code++) {
        if (text_is(text, word, error_code_word((enum error_code)code))) {
            fail(node, control, (enum error_code)code, rest);
            return;
        }
    }
    fail(node, control, ERROR_ERR, text);
}

static void take_lines(struct node *node, struct control *control,
                       const struct frame_control_answer *answer)
{
    struct request *request = control->request;
    const char *text = answer->text;
    const char *stop = text + answer->text_size;
    size_t count = 0;
    for (const char *at = text; at < stop; at++) {
        count += *at == '\n';
    }
    end(node, control);
    struct out *out = request_out(request);
    resp_write_array(out, count);
    for (size_t i = 0; i < count; i++) {
        const char *line_end = memchr(text, '\n', (size_t)(stop - text));
        resp_write_bulk(out, text, (size_t)(line_end - text));
        text = line_end + 1;
    }
    request_finish(node, request);
}

static void refused(struct node *node, struct control *control)
{
    struct raft_status status;
    raft_status(node->raft, &status);
    control->refused_by =
        control->peer == RAFT_ID_NONE ? node->identity.id : control->peer;
    control->refused_term = status.term;
    control->stage = CONTROL_QUEUED;
    set_timer(node, control, control->leader_by_us);
}

static void take(struct node *node, struct control *control,
                 const struct frame_control_answer *answer)
{
    struct request *request = control->request;
    switch ((enum frame_control_result)answer->result) {
    case FRAME_CONTROL_DONE:
        end(node, control);
        request_integer(node, request, answer->index);
        return;
    case FRAME_CONTROL_OK:
        end(node, control);
        request_ok(node, request);
        return;
    case FRAME_CONTROL_LINES:
        take_lines(node, control, answer);
        return;
    case FRAME_CONTROL_ERROR:
        take_error(node, control, answer);
        return;
    case FRAME_CONTROL_NOT_LEADER:
        refused(node, control);
        return;
    case FRAME_CONTROL_LOST:
        watch(node, control, answer);
        return;
    }
    uncertain(node, control, "the leader answered in words of a later version");
}

void control_answered(struct node *node, raft_id peer,
                      const struct frame_control_answer *answer)
{
    list_each(at, following, &node->controls)
    {
        struct control *control = list_entry(at, struct control, in_node);
        if (control->stage == CONTROL_HANDED && control->peer == peer &&
            control->number == answer->number) {
            take(node, control, answer);
            return;
        }
    }
}

void control_answer(struct node *node, struct raft_ticket ticket,
                    struct frame_control_answer *answer)
{
    answer->number = ticket.number;
    if (answer->text_size > FRAME_CONTROL_TEXT_MAX) {
        answer->text_size = FRAME_CONTROL_TEXT_MAX;
    }
    if ((ticket.owner & OWNER_PEER) == OWNER_PEER) {
        peers_control_answer(node, (raft_id)(ticket.owner & UINT32_MAX),
                             answer);
        return;
    }
    struct request *request = request_find(node, ticket);
    struct control *control =
        request == NULL ? NULL : of_request(node, request);
    if (control != NULL && control->stage == CONTROL_HANDED) {
        take(node, control, answer);
    }
}

void control_done(struct node *node, struct raft_ticket ticket,
                  raft_index index)
{
    struct frame_control_answer answer = {.result = FRAME_CONTROL_DONE,
                                          .index = index};
    control_answer(node, ticket, &answer);
}

void control_error(struct node *node, struct raft_ticket ticket,
                   enum error_code code, const char *format, ...)
{
    char text[600];
    int used = snprintf(text, sizeof(text), "%s ", error_code_word(code));
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text + used, sizeof(text) - (size_t)used, format, arguments);
    va_end(arguments);
    struct frame_control_answer answer = {
        .result = FRAME_CONTROL_ERROR, .text = text, .text_size = strlen(text)};
    control_answer(node, ticket, &answer);
}

void control_forwarded(struct node *node, raft_id peer,
                       const struct frame_control *order)
{
    struct raft_ticket ticket = {.owner = OWNER_PEER | peer,
                                 .number = order->number};
    change_order(node, ticket, order);
}
