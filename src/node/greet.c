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
static bool check_meant(const struct node *node,
                        const struct frame_hello *hello,
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
        return refuse(refusal, FRAME_REFUSED_INSTANCE,
                      "node %lu has another data directory than the one that "
                      "the cluster knows (a wiped or new disk)",
                      (unsigned long)own->id);
    }
    return true;
}

/* Who the other end is, against what this node knows of that id. */
static bool check_known(const struct node *node,
                        const struct frame_hello *hello,
                        const struct peer *expected,
                        struct frame_refusal *refusal)
{
    if (expected != NULL && expected->id != hello->id) {
        return refuse(refusal, FRAME_REFUSED_IDENTITY,
                      "at %s answers node %lu, not node %lu", expected->address,
                      (unsigned long)hello->id, (unsigned long)expected->id);
    }
    const struct peer *peer = peers_find(node, hello->id);
    bool closed =
        raft_config_now(node->raft, NULL) != NULL || node->birth.count > 0;
    if (peer == NULL && closed) {
        return refuse(refusal, FRAME_REFUSED_STRANGER,
                      "node %lu is not a member", (unsigned long)hello->id);
    }
    bool born = raft_config_now(node->raft, NULL) != NULL;
    if (born && peer->instance != 0 && peer->instance != hello->instance) {
        return refuse(refusal, FRAME_REFUSED_INSTANCE,
                      "node %lu comes with another data directory than the "
                      "one that the cluster knows (a wiped or new disk)",
                      (unsigned long)hello->id);
    }
    return true;
}

bool greet_check(struct node *node, const struct frame_hello *hello,
                 const struct peer *expected, struct frame_refusal *refusal)
{
    return check_version(hello, refusal) &&
           check_cluster(node, hello, refusal) &&
           check_meant(node, hello, refusal) &&
           check_known(node, hello, expected, refusal);
}
