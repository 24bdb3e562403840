/* Proposals, from the door to the log.
 *
 *   QUEUED --> HANDED --accepted--> ACCEPTED --told--> answered
 *      ^         |  |--another has its key--> ACCEPTED
 *      |         |  |--STALE--> STALE --told--> answered
 *      |         |  \--BUSY, FENCED, FORGOTTEN, DISK--> answered
 *      |         \--not leader--> REFUSED --.
 *      '------- once none is HANDED --------'
 *
 * A SUBMIT is handed to one leader at a time, here or over a link, and a
 * second time only after an explicit refusal.  Those of one session enter the
 * log in the order asked: what was refused waits until nothing is handed over
 * any more, and if a later one of the same session got in meanwhile, the
 * earlier one is answered NOLEADER, for its turn is over. */
#include "node/internal.h"

#include <assert.h>
#include <stdlib.h>

#include "base/mem.h"
#include "wire/frame.h"

/* One frame of forwarded proposals is no larger than these, but one goes. */
#define FORWARD_ITEMS_MAX ((size_t)512)
#define FORWARD_BYTES_MAX ((size_t)1024 * 1024)

/* Tickets of proposals that a peer forwarded: the top bit, and the peer. */
#define OWNER_PEER ((uint64_t)1 << 63)

/* An answer to a peer, gathered until the end of the turn. */
struct forward_reply {
    struct list in_node;
    raft_id peer;
    struct frame_forward_answer answer;
};

void submit_init(struct node *node)
{
    list_init(&node->submit_queue);
    list_init(&node->submit_refused);
    list_init(&node->submit_handed);
    list_init(&node->forward_answers);
    /* A number of an earlier life of this node must not be taken for one of
     * this life, when its answer is still on the way. */
    node->next_forward = (node->identity.boot << 40) + 1;
}

void submit_free(struct node *node)
{
    list_each(at, following, &node->forward_answers)
    {
        free(list_entry(at, struct forward_reply, in_node));
    }
    map_free(&node->forwards);
}

/* ---- leaving a stage ---------------------------------------------------- */

static void leave_handed(struct node *node, struct request *request)
{
    assert(node->submit_inflight > 0);
    node->submit_inflight--;
    if (request->peer != RAFT_ID_NONE) {
        map_remove(&node->forwards, request->forward);
    }
}

static void leave_stage(struct node *node, struct request *request)
{
    switch (request->stage) {
    case REQUEST_QUEUED:
    case REQUEST_REFUSED:
        list_remove(&request->held);
        break;
    case REQUEST_HANDED:
        leave_handed(node, request);
        list_remove(&request->held);
        break;
    case REQUEST_ACCEPTED:
    case REQUEST_STALE:
        pending_remove(node, request);
        break;
    case REQUEST_NEW:
    case REQUEST_WAITING:
    case REQUEST_READING:
    case REQUEST_BARRIER:
        break;
    }
    request->stage = REQUEST_NEW;
}

void submit_done(struct node *node, struct request *request)
{
    size_t size = request->payload == NULL ? 0 : request->payload->size;
    assert(node->submit_open > 0 && node->submit_bytes >= size);
    node->submit_open--;
    node->submit_bytes -= size;
}

/* Nobody waits for it any more, or it is about to be answered. */
static void end_submit(struct node *node, struct request *request)
{
    leave_stage(node, request);
    submit_done(node, request);
}

static void no_leader(struct node *node, struct request *request,
                      const char *why)
{
    end_submit(node, request);
    request_error(node, request, ERROR_NOLEADER,
                  "%s; the payload is not in the log", why);
}

static void uncertain(struct node *node, struct request *request,
                      const char *why)
{
    end_submit(node, request);
    request_error(node, request, ERROR_UNCERTAIN,
                  "%s: the payload may be in the log, or get there", why);
}

static void fire_timeout(struct node *node, struct wheel_timer *timer)
{
    struct request *request = list_entry(timer, struct request, timer);
    switch (request->stage) {
    case REQUEST_QUEUED:
    case REQUEST_REFUSED:
        no_leader(node, request, "no leader was found in time");
        break;
    case REQUEST_HANDED:
        uncertain(node, request, "the leader did not answer in time");
        break;
    case REQUEST_ACCEPTED:
        uncertain(node, request, "it was not committed in time");
        break;
    case REQUEST_STALE:
        no_leader(node, request,
                  "an app's entry came before this one, and was not committed "
                  "in time");
        break;
    case REQUEST_NEW:
    case REQUEST_WAITING:
    case REQUEST_READING:
    case REQUEST_BARRIER:
        assert(false); /* only a SUBMIT under way has this timer */
    }
}

/* ---- the queue ---------------------------------------------------------- */

void submit_add(struct node *node, struct request *request, uint64_t timeout_us)
{
    const struct blob *payload = request->payload;
    request->stage = REQUEST_QUEUED;
    request->dropped = end_submit;
    node->counters.submits++;
    node->submit_open++;
    node->submit_bytes += payload == NULL ? 0 : payload->size;
    list_push_back(&node->submit_queue, &request->held);
    if (timeout_us != 0) {
        wheel_set(&node->wheel, &request->timer, node->now.mono_us + timeout_us,
                  fire_timeout);
    }
}

static struct request *first_of(struct list *list)
{
    return list_entry(list->next, struct request, held);
}

/* What was refused goes back to the front, in the order asked. */
static void requeue_refused(struct node *node)
{
    while (!list_empty(&node->submit_refused)) {
        struct list *last = node->submit_refused.prev;
        list_remove(last);
        list_entry(last, struct request, held)->stage = REQUEST_QUEUED;
        list_push_front(&node->submit_queue, last);
    }
}

static void hand_over(struct node *node, struct request *request, raft_id peer)
{
    list_remove(&request->held);
    list_push_back(&node->submit_handed, &request->held);
    request->stage = REQUEST_HANDED;
    if (request->begun_us == 0) {
        request->begun_us = node->now.mono_us;
    }
    request->peer = peer;
    node->submit_inflight++;
}

static void hand_to_core(struct node *node)
{
    while (!list_empty(&node->submit_queue)) {
        struct request *request = first_of(&node->submit_queue);
        hand_over(node, request, RAFT_ID_NONE);
        struct raft_event event = {.type = RAFT_EVENT_PROPOSE};
        event.propose.ticket = request->ticket;
        event.propose.key = request->key;
        event.propose.since = request->since;
        event.propose.fence = request->fence;
        event.propose.after = request->after;
        event.propose.payload = request->payload;
        driver_note(node, &event);
    }
}

/* Fills `items` from the front of the queue, without taking anything out. */
static size_t gather(struct node *node, struct frame_forward *items)
{
    size_t count = 0;
    size_t bytes = 0;
    list_each(at, following, &node->submit_queue)
    {
        struct request *request = list_entry(at, struct request, held);
        size_t size = request->payload == NULL ? 0 : request->payload->size;
        if (count == FORWARD_ITEMS_MAX ||
            (count > 0 && bytes + size > FORWARD_BYTES_MAX)) {
            break;
        }
        items[count] = (struct frame_forward){
            .number = node->next_forward + count,
            .fence = request->fence,
            .since = request->since,
            .after = request->after,
            .key = request->key,
            .payload = request->payload,
        };
        count++;
        bytes += size;
    }
    return count;
}

static void hand_to_peer(struct node *node, raft_id leader)
{
    struct frame_forward items[FORWARD_ITEMS_MAX];
    while (!list_empty(&node->submit_queue)) {
        size_t count = gather(node, items);
        if (!peers_forward(node, leader, items, count)) {
            return; /* no byte has left: they stay where they are */
        }
        for (size_t i = 0; i < count; i++) {
            struct request *request = first_of(&node->submit_queue);
            hand_over(node, request, leader);
            request->forward = items[i].number;
            map_put(&node->forwards, request->forward, request);
        }
        node->next_forward += count;
    }
}

static void refuse_queue(struct node *node, raft_id leader)
{
    while (!list_empty(&node->submit_queue)) {
        struct request *request = first_of(&node->submit_queue);
        end_submit(node, request);
        request_error(node, request, ERROR_NOTLEADER, "%lu %s",
                      (unsigned long)leader, peers_address(node, leader));
    }
}

/* What was handed to `peer`, or to any other one than `but`, has an unknown
 * end. */
static void lose_handed(struct node *node, raft_id peer, raft_id but,
                        const char *why)
{
    list_each(at, following, &node->submit_handed)
    {
        struct request *request = list_entry(at, struct request, held);
        if (request->peer != RAFT_ID_NONE && request->peer != but &&
            (peer == RAFT_ID_NONE || request->peer == peer)) {
            uncertain(node, request, why);
        }
    }
}

void submit_link_lost(struct node *node, raft_id peer)
{
    lose_handed(node, peer, RAFT_ID_NONE,
                "the connection with the leader was lost before it answered");
}

bool submit_waits_for(const struct node *node, raft_id peer)
{
    list_each(at, following, &node->submit_handed)
    {
        if (list_entry(at, struct request, held)->peer == peer) {
            return true;
        }
    }
    return false;
}

void submit_pump(struct node *node)
{
    if (node->submit_open == 0) {
        return;
    }
    struct raft_status status;
    raft_status(node->raft, &status);
    if (status.leader != RAFT_ID_NONE) {
        /* The old leader may lead again one day, and append then what is on
         * its way to it: what the next leader gets now must not be overtaken
         * by that. */
        lose_handed(node, RAFT_ID_NONE, status.leader,
                    "the leader was lost before it answered");
    }
    if (node->submit_inflight > 0 && !list_empty(&node->submit_refused)) {
        return;
    }
    requeue_refused(node);
    if (list_empty(&node->submit_queue)) {
        return;
    }
    bool held = node->submit_hold.at_us != 0 &&
                node->submit_held_by == status.leader &&
                node->submit_held_term == status.term;
    if (status.role == RAFT_ROLE_LEADER) {
        hand_to_core(node);
    } else if (status.leader == RAFT_ID_NONE || held) {
        return;
    } else if (node->settings.forward) {
        hand_to_peer(node, status.leader);
    } else {
        refuse_queue(node, status.leader);
    }
}

void submit_stop(struct node *node)
{
    struct list *lists[] = {&node->submit_queue, &node->submit_refused};
    for (size_t i = 0; i < 2; i++) {
        while (!list_empty(lists[i])) {
            no_leader(node, first_of(lists[i]), "this node is stopping");
        }
    }
}

/* ---- what became of it -------------------------------------------------- */

static void gather_answer(struct node *node, raft_id peer,
                          const struct frame_forward_answer *answer)
{
    struct forward_reply *reply = x_calloc(1, sizeof(*reply));
    reply->peer = peer;
    reply->answer = *answer;
    list_push_back(&node->forward_answers, &reply->in_node);
}

/* A later SUBMIT of this session is in the log: those before it that were
 * refused have missed their turn. */
static void end_overtaken(struct node *node, const struct request *accepted)
{
    list_each(at, following, &node->submit_refused)
    {
        struct request *request = list_entry(at, struct request, held);
        if (request->session == accepted->session &&
            request->ticket.number < accepted->ticket.number) {
            no_leader(node, request,
                      "the leader was lost, and a later SUBMIT of this "
                      "connection found the next one");
        }
    }
}

/* It is answered once what stands at the index is told here. */
static void await(struct node *node, struct request *request,
                  enum request_stage stage,
                  const struct frame_forward_answer *answer)
{
    leave_stage(node, request);
    request->stage = stage;
    request->index = answer->index;
    request->term = answer->term;
    pending_add(node, request);
}

/* Who was taken for the leader is not: until this node has heard more, asking
 * it again at once would only keep both busy.  Anybody else who leads is asked
 * at once. */
static void hold_off(struct node *node, raft_id peer)
{
    struct raft_status status;
    raft_status(node->raft, &status);
    node->submit_held_by = peer;
    node->submit_held_term = status.term;
    wheel_set(&node->wheel, &node->submit_hold,
              node->now.mono_us + node->settings.heartbeat_us,
              wheel_fire_nothing);
}

/* What the leader, here or elsewhere, has decided about a request. */
static void decide(struct node *node, struct request *request,
                   const struct frame_forward_answer *answer)
{
    switch ((enum frame_forward_result)answer->result) {
    case FRAME_FORWARD_ACCEPTED:
        await(node, request, REQUEST_ACCEPTED, answer);
        end_overtaken(node, request);
        break;
    case FRAME_FORWARD_FOUND:
        /* It does not overtake anything: the entry has been there before. */
        await(node, request, REQUEST_ACCEPTED, answer);
        break;
    case FRAME_FORWARD_STALE:
        await(node, request, REQUEST_STALE, answer);
        break;
    case FRAME_FORWARD_FORGOTTEN:
        end_submit(node, request);
        request_error(node, request, ERROR_FORGOTTEN,
                      "keys of entries up to %llu are forgotten: whether this "
                      "one was among them, nobody knows",
                      (unsigned long long)answer->index);
        break;
    case FRAME_FORWARD_NOT_LEADER:
        hold_off(node, request->peer);
        leave_stage(node, request);
        request->stage = REQUEST_REFUSED;
        list_push_back(&node->submit_refused, &request->held);
        break;
    case FRAME_FORWARD_BUSY:
        end_submit(node, request);
        request_error(node, request, ERROR_BUSY,
                      "the leader has too much that is not committed yet");
        break;
    case FRAME_FORWARD_FENCED:
        end_submit(node, request);
        request_error(node, request, ERROR_FENCED,
                      "%llu is the present term, not %llu",
                      (unsigned long long)answer->term,
                      (unsigned long long)request->fence);
        break;
    case FRAME_FORWARD_DISK:
        end_submit(node, request);
        request_error(node, request, ERROR_DISK,
                      "the leader cannot write: its disk is full");
        break;
    }
}

static enum frame_forward_result result_of(enum raft_refusal refusal)
{
    switch (refusal) {
    case RAFT_REFUSED_NOT_LEADER:
        return FRAME_FORWARD_NOT_LEADER;
    case RAFT_REFUSED_BUSY:
        return FRAME_FORWARD_BUSY;
    case RAFT_REFUSED_FENCED:
        return FRAME_FORWARD_FENCED;
    case RAFT_REFUSED_STALE:
        return FRAME_FORWARD_STALE;
    case RAFT_REFUSED_FORGOTTEN:
        return FRAME_FORWARD_FORGOTTEN;
    }
    return FRAME_FORWARD_NOT_LEADER;
}

/* A request that is handed to core here, and still wants to know. */
static struct request *handed_here(struct node *node, struct raft_ticket ticket)
{
    struct request *request = request_find(node, ticket);
    if (request == NULL || request->stage != REQUEST_HANDED ||
        request->peer != RAFT_ID_NONE) {
        return NULL;
    }
    return request;
}

static enum frame_forward_result result_of_tell(const struct raft_tell *tell)
{
    switch (tell->type) {
    case RAFT_TELL_ACCEPTED:
        return FRAME_FORWARD_ACCEPTED;
    case RAFT_TELL_FOUND:
        return FRAME_FORWARD_FOUND;
    case RAFT_TELL_REFUSED:
        return result_of(tell->refusal);
    case RAFT_TELL_READ:
    case RAFT_TELL_COMMIT:
    case RAFT_TELL_ROLE:
    case RAFT_TELL_CONFIG:
    case RAFT_TELL_CHANGE:
    case RAFT_TELL_TRANSFER:
    case RAFT_TELL_INSTALL:
        break;
    }
    assert(false); /* these say nothing about a proposal */
    return FRAME_FORWARD_NOT_LEADER;
}

void submit_decided(struct node *node, const struct raft_tell *tell)
{
    struct frame_forward_answer answer = {.number = tell->ticket.number,
                                          .result =
                                              (uint16_t)result_of_tell(tell),
                                          .index = tell->index,
                                          .term = tell->term};
    if ((tell->ticket.owner & OWNER_PEER) != 0) {
        gather_answer(node, (raft_id)(tell->ticket.owner & UINT32_MAX),
                      &answer);
        return;
    }
    struct request *request = handed_here(node, tell->ticket);
    if (request != NULL) {
        decide(node, request, &answer);
        pending_told(node); /* what was found may be told long since */
    }
}

/* ---- between nodes ------------------------------------------------------ */

void submit_forwarded(struct node *node, raft_id peer,
                      const struct frame_forward *items, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct raft_ticket ticket = {.owner = OWNER_PEER | peer,
                                     .number = items[i].number};
        if (node->no_room) {
            struct frame_forward_answer answer = {.number = items[i].number,
                                                  .result = FRAME_FORWARD_DISK};
            gather_answer(node, peer, &answer);
            continue;
        }
        struct raft_event event = {.type = RAFT_EVENT_PROPOSE};
        event.propose.ticket = ticket;
        event.propose.key = items[i].key;
        event.propose.since = items[i].since;
        event.propose.fence = items[i].fence;
        event.propose.after = items[i].after;
        event.propose.payload = items[i].payload;
        driver_note(node, &event);
    }
}

void submit_answered(struct node *node, raft_id peer,
                     const struct frame_forward_answer *items, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct request *request = map_get(&node->forwards, items[i].number);
        if (request == NULL || request->peer != peer) {
            continue; /* timed out, or its app is gone */
        }
        if (items[i].result <= FRAME_FORWARD_FORGOTTEN) {
            decide(node, request, &items[i]);
        } else {
            uncertain(node, request, "the leader's answer is not understood");
        }
    }
    pending_told(node); /* it may have been committed before it was accepted */
}

void submit_flush(struct node *node)
{
    struct frame_forward_answer answers[FORWARD_ITEMS_MAX];
    while (!list_empty(&node->forward_answers)) {
        raft_id peer = list_entry(node->forward_answers.next,
                                  struct forward_reply, in_node)
                           ->peer;
        size_t count = 0;
        list_each(at, following, &node->forward_answers)
        {
            struct forward_reply *reply =
                list_entry(at, struct forward_reply, in_node);
            if (reply->peer != peer || count == FORWARD_ITEMS_MAX) {
                continue;
            }
            answers[count++] = reply->answer;
            list_remove(at);
            free(reply);
        }
        peers_forward_answer(node, peer, answers, count);
    }
}
