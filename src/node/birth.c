/* The birth of a cluster.
 *
 * A bootstrap list names ids and addresses.  It takes effect once this node
 * has exchanged instances with every node on it: the map of both, ids and
 * instances, is entry 1, with the same bytes on each of them, and its hash is
 * the cluster's id.  A vote is bound to an instance by that map, so a node
 * whose disk was wiped can never vote a second time under its old id.
 *
 * What a node said when it was met may be long ago: it may have been born
 * meanwhile, with others whose disks were lost since, and with whose new disks
 * this one would be born a second time.  So every node of the list has to say
 * that it is unborn after this one has met all the others, as they are now, and
 * on a connection that was dialled after that.
 *
 * Two nodes with different maps have different cluster ids, and refuse each
 * other: nothing is decided twice, and an operator is told.  A node on the list
 * that is a part of a cluster with another id, or of a recovered one, shows
 * that this cluster was born long ago: then this node waits to be taken into
 * it, or the nodes with new disks would be born as a second one. */
#include "node/internal.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "node/peers.h"

static bool unborn(const struct node *node)
{
    return raft_config_now(node->raft, NULL) == NULL;
}

bool birth_init(struct node *node, char *why, size_t why_size)
{
    list_init(&node->birth_requests);
    const char *list = node->settings.bootstrap;
    if (list == NULL || list[0] == '\0') {
        return true;
    }
    if (!raft_config_parse(list, &node->bootstrap, why, why_size)) {
        return false;
    }
    if (!unborn(node)) {
        return true;
    }
    node->birth = node->bootstrap;
    if (raft_config_find(&node->birth, node->identity.id) == NULL) {
        snprintf(why, why_size, "node %lu is not in its own bootstrap list",
                 (unsigned long)node->identity.id);
        return false;
    }
    return true;
}

/* Fills in the instances; false while one is not known. */
static bool make_map(const struct node *node, struct raft_config *map)
{
    *map = node->birth;
    for (size_t i = 0; i < map->count; i++) {
        struct raft_member *member = &map->members[i];
        member->instance = member->id == node->identity.id
                               ? node->identity.instance
                               : peers_instance(node, member->id);
        if (member->instance == 0) {
            return false;
        }
    }
    return true;
}

/* One on the list that was a part of a cluster when it was last heard, though
 * it may be gone again: its instance counts, and so does what came with it. */
static const struct peer *someone_born(const struct node *node)
{
    for (size_t i = 0; i < node->birth.count; i++) {
        const struct peer *peer = peers_find(node, node->birth.members[i].id);
        if (peer != NULL && !digest_is_zero(peer->cluster_id)) {
            return peer;
        }
    }
    return peers_of_cluster(node);
}

/* Whether the birth of this map is the one of the cluster that the others on
 * the list are a part of, where they are. */
static bool is_present_birth(const struct node *node, const struct buf *map)
{
    const struct peer *other = someone_born(node);
    return other == NULL ||
           (other->epoch == 0 &&
            digest_equal(other->cluster_id, digest_of(map->data, map->size)));
}

/* When the last one of the others was met. */
static uint64_t others_met(const struct node *node, raft_id id)
{
    uint64_t met = 0;
    for (size_t i = 0; i < node->birth.count; i++) {
        const struct peer *peer = peers_find(node, node->birth.members[i].id);
        if (peer != NULL && peer->id != id && peer->met > met) {
            met = peer->met;
        }
    }
    return met;
}

/* It has said who it is since the others were met. */
static bool has_said(const struct node *node, raft_id id)
{
    const struct peer *peer = peers_find(node, id);
    return id == node->identity.id ||
           (peer != NULL && peer->said >= others_met(node, id));
}

/* Whoever has not is asked; false: somebody was, or is to be. */
static bool have_said(struct node *node)
{
    bool all = true;
    for (size_t i = 0; i < node->birth.count; i++) {
        raft_id id = node->birth.members[i].id;
        if (!has_said(node, id)) {
            all = false;
            peers_ask_again(node, peers_find(node, id), others_met(node, id));
        }
    }
    return all;
}

void birth_met(struct node *node, struct peer *peer)
{
    peer->met = ++node->birth_met;
    peer->said = 0;
}

void birth_check(struct node *node)
{
    struct raft_config map;
    if (!unborn(node) || node->birth.count == 0 || node->birth_noted ||
        !make_map(node, &map)) {
        return;
    }
    struct buf bytes = {0};
    raft_config_encode(&map, &bytes);
    if (is_present_birth(node, &bytes) &&
        (someone_born(node) != NULL || have_said(node))) {
        struct raft_event event = {.type = RAFT_EVENT_BIRTH};
        event.birth.payload = blob_copy(bytes.data, bytes.size);
        driver_note(node, &event);
        blob_free(event.birth.payload);
        node->birth_noted = true;
    }
    buf_free(&bytes);
}

void birth_waiting(struct node *node, struct buf *buf)
{
    if (!unborn(node)) {
        return;
    }
    if (node->unwelcome[0] != '\0') {
        buf_append_text(buf, node->unwelcome);
        return;
    }
    if (node->birth.count == 0) {
        buf_append_text(buf, "this node has no configuration and no bootstrap "
                             "list: CONFIG BOOTSTRAP gives it one");
        return;
    }
    struct raft_config map;
    const struct peer *other = someone_born(node);
    if (other != NULL && make_map(node, &map)) {
        buf_printf(buf,
                   "the cluster was born without this node's data directory: "
                   "node %lu is a part of it; waiting to be added to it",
                   (unsigned long)other->id);
        return;
    }
    const char *before = "the cluster is not born yet: waiting for ";
    for (size_t i = 0; i < node->birth.count; i++) {
        const struct raft_member *member = &node->birth.members[i];
        if (member->id == node->identity.id ||
            (peers_instance(node, member->id) != 0 &&
             has_said(node, member->id))) {
            continue;
        }
        const char *why = peers_why(node, member->id);
        buf_printf(buf, "%snode %lu at %s%s%s%s", before,
                   (unsigned long)member->id, member->address,
                   why[0] == '\0' ? "" : " (", why, why[0] == '\0' ? "" : ")");
        before = ", ";
    }
}

/* ---- CONFIG BOOTSTRAP --------------------------------------------------- */

static void drop_bootstrap(struct node *node, struct request *request)
{
    (void)node;
    list_remove(&request->held);
}

static void fire_bootstrap(struct node *node, struct wheel_timer *timer)
{
    struct request *request = list_entry(timer, struct request, timer);
    list_remove(&request->held);
    peers_waiting(node);
    request_error(node, request, ERROR_TIMEOUT, "%s; the bootstrap goes on",
                  node->waiting[0] == '\0' ? "not committed yet"
                                           : node->waiting);
}

/* The same list again only waits once more. */
static bool may_bootstrap(struct node *node, struct request *request,
                          const struct raft_config *config)
{
    if (!unborn(node)) {
        request_error(node, request, ERROR_ERR,
                      "this node has a configuration already: see CONFIG");
        return false;
    }
    if (raft_config_find(config, node->identity.id) == NULL) {
        request_error(node, request, ERROR_ERR,
                      "this node, %lu, is not in the list: it must name "
                      "itself",
                      (unsigned long)node->identity.id);
        return false;
    }
    if (node->birth.count > 0 && !raft_config_equal(&node->birth, config)) {
        request_error(node, request, ERROR_CONFLICT,
                      "this node waits for the birth of another list of "
                      "members");
        return false;
    }
    return true;
}

void birth_bootstrap(struct node *node, struct request *request,
                     const struct raft_config *config)
{
    if (!may_bootstrap(node, request, config)) {
        return;
    }
    if (node->birth.count == 0) {
        node->birth = *config;
        peers_update(node);
    }
    request->dropped = drop_bootstrap;
    list_push_back(&node->birth_requests, &request->held);
    wheel_set(&node->wheel, &request->timer,
              node->now.mono_us + node->settings.request_timeout_us,
              fire_bootstrap);
    birth_check(node);
}

void birth_told(struct node *node)
{
    while (!list_empty(&node->birth_requests)) {
        struct request *request =
            list_entry(node->birth_requests.next, struct request, held);
        list_remove(&request->held);
        request_integer(node, request, 1); /* the first entry */
    }
}
