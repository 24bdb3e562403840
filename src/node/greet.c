/* The handshake's rules: who may talk to whom, and why not. */
#include "node/peers.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static bool refuse(struct frame_refusal *refusal, enum frame_refusal_code code,
                   const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static bool refuse(struct frame_refusal *refusal, enum frame_refusal_code code,
                   const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    refusal->code = (uint16_t)code;
    vsnprintf(refusal->text, sizeof(refusal->text), format, arguments);
    va_end(arguments);
    return false;
}

static bool check_version(const struct frame_hello *hello,
                          struct frame_refusal *refusal)
{
    if (hello->version_min <= FRAME_VERSION_MAX &&
        hello->version_max >= FRAME_VERSION_MIN) {
        return true;
    }
    return refuse(refusal, FRAME_REFUSED_VERSION,
                  "node %lu speaks peer protocol %u to %u, this one %u to %u",
                  (unsigned long)hello->id, hello->version_min,
                  hello->version_max, FRAME_VERSION_MIN, FRAME_VERSION_MAX);
}

static bool refuse_cluster(const struct frame_hello *hello, const char *whose,
                           struct digest cluster_id, uint64_t epoch,
                           struct frame_refusal *refusal)
{
    char ours[DIGEST_SIZE * 2 + 1];
    char theirs[DIGEST_SIZE * 2 + 1];
    digest_to_hex(cluster_id, ours);
    digest_to_hex(hello->cluster_id, theirs);
    if (digest_equal(cluster_id, hello->cluster_id)) {
        return refuse(refusal, FRAME_REFUSED_CLUSTER,
                      "node %lu is of another epoch of cluster %s: %llu there, "
                      "%llu %s; the older one ended with a recovery or a "
                      "restore",
                      (unsigned long)hello->id, hello->cluster,
                      (unsigned long long)hello->epoch,
                      (unsigned long long)epoch, whose);
    }
    return refuse(refusal, FRAME_REFUSED_CLUSTER,
                  "node %lu is of another cluster of the name %s: id %s epoch "
                  "%llu there, id %s epoch %llu %s",
                  (unsigned long)hello->id, hello->cluster, theirs,
                  (unsigned long long)hello->epoch, ours,
                  (unsigned long long)epoch, whose);
}

/* A node that is a part of no cluster yet has an id of zeros, and may talk to
 * those of any one that is, but not of two at a time: it would take the log
 * of the one and the name of the other. */
static bool check_cluster(const struct node *node,
                          const struct frame_hello *hello,
                          struct frame_refusal *refusal)
{
    const struct node_identity *own = &node->identity;
    if (strcmp(hello->cluster, node->settings.cluster) != 0) {
        return refuse(refusal, FRAME_REFUSED_CLUSTER,
                      "node %lu is of cluster %s, this one of cluster %s",
                      (unsigned long)hello->id, hello->cluster,
                      node->settings.cluster);
    }
    if (digest_is_zero(hello->cluster_id)) {
        return true;
    }
    if (!digest_is_zero(own->cluster_id)) {
        return (digest_equal(own->cluster_id, hello->cluster_id) &&
                own->epoch == hello->epoch) ||
               refuse_cluster(hello, "here", own->cluster_id, own->epoch,
                              refusal);
    }
    const struct peer *other = peers_of_cluster(node);
    return other == NULL || other->id == hello->id ||
           (digest_equal(other->cluster_id, hello->cluster_id) &&
            other->epoch == hello->epoch) ||
           refuse_cluster(hello, "of the nodes that this one has met first",
                          other->cluster_id, other->epoch, refusal);
}

/* Whom the other end means to reach, against who this node is. */
static bool check_meant(struct node *node, const struct frame_hello *hello,
                        struct frame_refusal *refusal)
{
    const struct node_identity *own = &node->identity;
    if (hello->id == own->id) {
        return refuse(refusal, FRAME_REFUSED_SELF, "both ends are node %lu: %s",
                      (unsigned long)own->id,
                      hello->instance == own->instance
                          ? "it has dialled itself, or its data directory "
                            "was copied"
                          : "two nodes have the same id");
    }
    if (hello->peer_id != RAFT_ID_NONE && hello->peer_id != own->id) {
        return refuse(refusal, FRAME_REFUSED_IDENTITY,
                      "this is node %lu, not node %lu: an address is wrong",
                      (unsigned long)own->id, (unsigned long)hello->peer_id);
    }
    if (hello->peer_instance != 0 && hello->peer_instance != own->instance) {
        snprintf(node->unwelcome, sizeof(node->unwelcome),
                 "node %lu knows node %lu with another data directory than "
                 "this one (a wiped or new disk): raftctl replace %lu, asked "
                 "at a member, takes this one in",
                 (unsigned long)hello->id, (unsigned long)own->id,
                 (unsigned long)own->id);
        node->peers_changed++;
        return refuse(refusal, FRAME_REFUSED_INSTANCE,
                      "node %lu has another data directory than the one that "
                      "the cluster knows (a wiped or new disk): raftctl "
                      "replace %lu[=host:port] takes it in",
                      (unsigned long)own->id, (unsigned long)own->id);
    }
    return true;
}

/* ---- who the other end is ----------------------------------------------- */

static bool refuse_left(const struct node *node,
                        const struct frame_hello *hello, raft_index since,
                        struct frame_refusal *refusal)
{
    const struct raft_config *config = raft_config_now(node->raft, NULL);
    bool replaced = raft_config_find(config, hello->id) != NULL;
    refusal->index = since;
    return refuse(refusal, FRAME_REFUSED_REMOVED,
                  "node %lu with this data directory is not a member since "
                  "entry %llu: it was %s",
                  (unsigned long)hello->id, (unsigned long long)since,
                  replaced ? "replaced by another one" : "removed");
}

static bool refuse_unknown(const struct node *node,
                           const struct frame_hello *hello,
                           struct frame_refusal *refusal)
{
    const struct raft_config *config = raft_config_now(node->raft, NULL);
    unsigned long id = hello->id;
    if (config != NULL && raft_config_find(config, hello->id) != NULL) {
        return refuse(refusal, FRAME_REFUSED_INSTANCE,
                      "node %lu comes with another data directory than the "
                      "one that the cluster knows (a wiped or new disk): "
                      "raftctl replace %lu[=host:port], asked at a member, "
                      "takes it in",
                      id, id);
    }
    return refuse(refusal, FRAME_REFUSED_STRANGER,
                  "node %lu is not a member: raftctl add %lu=%.120s takes it "
                  "in",
                  id, id, hello->address);
}

static bool has_room(const struct node *node)
{
    size_t guests = 0;
    list_each(at, following, &node->peers)
    {
        guests += list_entry(at, struct peer, in_node)->guest;
    }
    return guests < GUESTS_MAX;
}

/* A node that dialled this one, and whose configuration is newer, knows better
 * than this one who the members are.  So does one that this one's configuration
 * does not name, if that is not committed: a newer leader's may be shorter. */
static bool check_caller(const struct node *node,
                         const struct frame_hello *hello,
                         struct frame_refusal *refusal)
{
    const struct peer *peer = peers_find(node, hello->id);
    raft_index own = 0;
    const struct raft_config *config = raft_config_now(node->raft, &own);
    bool listed = config == NULL && (node->birth.count == 0 || peer != NULL);
    bool wanted = peer != NULL && !peer->guest &&
                  (peer->instance == 0 || peer->instance == hello->instance);
    bool newer = hello->config_index > own ||
                 ((peer == NULL || peer->guest) &&
                  contacts_newer(node, hello->config_index));
    if (wanted || listed || newer ||
        contacts_know(node, hello->id, hello->instance)) {
        return peer != NULL || has_room(node) ||
               refuse(refusal, FRAME_REFUSED_BUSY, "there are too many guests");
    }
    raft_index since = contacts_left(node, hello->id, hello->instance);
    return since != 0 ? refuse_left(node, hello, since, refusal)
                      : refuse_unknown(node, hello, refusal);
}

/* Before its birth a node takes whoever answers at an address of its list. */
static bool check_answerer(const struct node *node,
                           const struct frame_hello *hello,
                           const struct peer *expected,
                           struct frame_refusal *refusal)
{
    bool born = raft_config_now(node->raft, NULL) != NULL;
    if (expected->id != hello->id) {
        return refuse(refusal, FRAME_REFUSED_IDENTITY,
                      "at %s answers node %lu, not node %lu", expected->address,
                      (unsigned long)hello->id, (unsigned long)expected->id);
    }
    if (!born || expected->instance == 0 ||
        expected->instance == hello->instance) {
        return true;
    }
    raft_index since = contacts_left(node, hello->id, hello->instance);
    return since != 0 ? refuse_left(node, hello, since, refusal)
                      : refuse_unknown(node, hello, refusal);
}

/* One data directory is one node, and each of its runs has counted one more
 * boot: another process that has not counted further is a copy. */
static bool check_copy(const struct node *node, const struct frame_hello *hello,
                       struct frame_refusal *refusal)
{
    const struct peer *peer = peers_find(node, hello->id);
    if (peer == NULL || peer->instance != hello->instance ||
        peer->process == 0 || hello->process == 0 ||
        peer->process == hello->process || hello->boot > peer->boot) {
        return true;
    }
    return refuse(refusal, FRAME_REFUSED_COPY,
                  "the data directory of node %lu runs twice, or an old copy "
                  "of it runs: start %llu was seen here, and this is another "
                  "process of start %llu",
                  (unsigned long)hello->id, (unsigned long long)peer->boot,
                  (unsigned long long)hello->boot);
}

bool greet_check(struct node *node, const struct frame_hello *hello,
                 const struct peer *expected, struct frame_refusal *refusal)
{
    return check_version(hello, refusal) &&
           check_cluster(node, hello, refusal) &&
           check_meant(node, hello, refusal) &&
           (expected == NULL
                ? check_caller(node, hello, refusal)
                : check_answerer(node, hello, expected, refusal)) &&
           check_copy(node, hello, refusal);
}

/* Of entries that are told here nobody knows better than this node. */
void greet_refused(struct node *node, const struct frame_refusal *refusal)
{
    if (refusal->code == FRAME_REFUSED_REMOVED &&
        refusal->index > node->removed && refusal->index > node->told) {
        node->removed = refusal->index;
        node->peers_changed++;
    }
}

void greet_told(struct node *node)
{
    if (node->removed != 0 && node->removed <= node->told) {
        node->removed = 0;
        node->peers_changed++;
    }
}
