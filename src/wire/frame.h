/* Frames: what two nodes say to each other over TCP, to the byte.
 *
 *      0        4        8    9    10      12
 *     +--------+--------+----+----+-------+------------- - -
 *     | size   | crc32c |type|ver | flags | body
 *     +--------+--------+----+----+-------+------------- - -
 *
 * All numbers are big-endian.  `size` counts the bytes behind it (8 + body);
 * `crc32c` covers all bytes behind it.  `ver` is the protocol version that the
 * frame is written in: the highest that both ends speak; of a HELLO and a
 * REFUSAL, the lowest that the writer speaks.  `flags` is 0.  A body starts
 * with a u16 that counts its fixed fields, and every record in it (an entry, an
 * item) with a u32 or u16 that counts its own bytes: a reader takes the fields
 * that it knows and passes over the rest, so that later versions can add some.
 *
 * The bodies are drawn in frame.c and in raftsc-peer(7).  Nothing here trusts
 * what it reads: a frame is whole and well-formed, or it is an error. */
#ifndef RAFTSC_WIRE_FRAME_H
#define RAFTSC_WIRE_FRAME_H

#include "base/buf.h"
#include "base/out.h"
#include "core/raft.h"

#define FRAME_VERSION_MIN 1 /* the oldest version that this node speaks */
#ifndef FRAME_VERSION_MAX   /* a test builds a node of the next version */
#define FRAME_VERSION_MAX 1
#endif

#define FRAME_HEAD_SIZE 12
/* Above it a frame is malformed: the largest payload and room for the rest. */
#define FRAME_SIZE_MAX (RAFT_PAYLOAD_MAX + (size_t)1024 * 1024)
/* Before the handshake is done a stranger's frame is no larger than this. */
#define FRAME_HELLO_MAX 4096

#define FRAME_CLUSTER_MAX 63 /* characters of a cluster's name */

enum frame_type {
    FRAME_HELLO = 1,   /* the first frame in both directions */
    FRAME_REFUSAL = 2, /* instead of a HELLO, or later: then the end */
    FRAME_MESSAGE = 3, /* one raft_message */
    FRAME_FORWARD = 4, /* proposals for the leader */
    FRAME_FORWARD_ANSWER = 5
};

/* Who speaks.  The one who dials sends it first. */
struct frame_hello {
    uint16_t version_min;
    uint16_t version_max;
    uint64_t features; /* bits of what this node can do beyond the version */
    char cluster[FRAME_CLUSTER_MAX + 1];
    struct digest cluster_id; /* zeros: not a part of any cluster yet */
    uint64_t epoch;
    raft_id id;
    uint64_t instance;
    uint64_t boot;
    raft_index config_index; /* of the configuration that it has; 0: none */
    raft_id peer_id;         /* whom it means to reach; NONE: not known */
    uint64_t peer_instance;  /* 0: not known */
    uint64_t election_timeout_us;
    uint64_t heartbeat_us;
    uint32_t purpose;                /* enum frame_purpose */
    char address[TEXT_ADDRESS_SIZE]; /* where it can be dialled */
};

enum frame_purpose {
    FRAME_PURPOSE_PEER = 0 /* messages and proposals */
};

enum frame_refusal_code {
    FRAME_REFUSED_VERSION = 1,  /* no common protocol version */
    FRAME_REFUSED_CLUSTER = 2,  /* another cluster's name, id or epoch */
    FRAME_REFUSED_IDENTITY = 3, /* not the node that was meant */
    FRAME_REFUSED_INSTANCE = 4, /* this id's disk was another one */
    FRAME_REFUSED_STRANGER = 5, /* not a member */
    FRAME_REFUSED_BUSY = 6,     /* too many strangers */
    FRAME_REFUSED_SELF = 7      /* the node has dialled itself */
};

struct frame_refusal {
    uint16_t code;  /* enum frame_refusal_code; another version may have more */
    char text[256]; /* for people */
};

/* One proposal on its way to the leader. */
struct frame_forward {
    uint64_t number;  /* the asker's; ascending on one connection */
    raft_term fence;  /* 0: none */
    raft_index since; /* RAFT_INDEX_NONE: none */
    raft_index after; /* RAFT_INDEX_NONE: none */
    struct blob *key;
    struct blob *payload;
};

enum frame_forward_result {
    FRAME_FORWARD_ACCEPTED = 0,   /* it is entry `index` of `term` */
    FRAME_FORWARD_NOT_LEADER = 1, /* it never entered the log */
    FRAME_FORWARD_BUSY = 2,       /* it never entered the log */
    FRAME_FORWARD_FENCED = 3,     /* it never entered; `term` is the present */
    FRAME_FORWARD_DISK = 4,     /* it never entered: the leader cannot write */
    FRAME_FORWARD_FOUND = 5,    /* it never entered: entry `index` of `term` has
                                   its key; term 0: which is committed */
    FRAME_FORWARD_STALE = 6,    /* it never entered: entry `index` of `term`, as
                                   above, is an app's and behind `after` */
    FRAME_FORWARD_FORGOTTEN = 7 /* it never entered: keys up to `index` are
                                   forgotten */
};

struct frame_forward_answer {
    uint64_t number;
    uint16_t result; /* enum frame_forward_result */
    raft_index index;
    raft_term term;
};

/* ---- writing: each appends one whole frame to `out` --------------------- */

void frame_write_hello(struct out *out, const struct frame_hello *hello);
void frame_write_refusal(struct out *out, const struct frame_refusal *refusal);
/* In `version`, which the ends have agreed on.  Shares the entries' keys and
 * payloads. */
void frame_write_message(struct out *out, uint8_t version,
                         const struct raft_message *message);
void frame_write_forwards(struct out *out, uint8_t version,
                          const struct frame_forward *items, size_t count);
void frame_write_forward_answers(struct out *out, uint8_t version,
                                 const struct frame_forward_answer *items,
                                 size_t count);

/* ---- reading ------------------------------------------------------------ */

struct frame {
    uint8_t type; /* enum frame_type; another version may have more */
    uint8_t version;
    const uint8_t *body;
    size_t size;
    struct blob *blob; /* whose bytes `body` are; NULL: the caller's input */
};

enum frame_result {
    FRAME_MORE, /* all input is taken; there is no whole frame yet */
    FRAME_WHOLE,
    FRAME_BAD /* too long, or a wrong CRC: frame_parser_error() */
};

struct frame_parser;

struct frame_parser *frame_parser_new(size_t size_max);
void frame_parser_free(struct frame_parser *parser);
void frame_parser_limit(struct frame_parser *parser, size_t size_max);

/* As resp_parser_next(): call it until FRAME_MORE; *frame is valid until the
 * next call.  Memory grows with what arrives, not with what is announced. */
enum frame_result frame_parser_next(struct frame_parser *parser,
                                    const uint8_t **data, size_t *size,
                                    struct frame *frame);
const char *frame_parser_error(const struct frame_parser *parser);
size_t frame_parser_held(const struct frame_parser *parser);

/* False: the body is malformed.  Text is checked to be printable. */
bool frame_read_hello(const struct frame *frame, struct frame_hello *hello);
bool frame_read_refusal(const struct frame *frame,
                        struct frame_refusal *refusal);
/* The caller owns *message: raft_message_clear().  from and to are set to
 * those given.  An entry's index follows from prev_index; its chain is zeros.
 */
bool frame_read_message(const struct frame *frame, raft_id from, raft_id to,
                        struct raft_message *message);
/* At most `max` items are accepted; the caller owns their blobs, and free(3)s
 * the array. */
bool frame_read_forwards(const struct frame *frame, size_t max,
                         struct frame_forward **items, size_t *count);
bool frame_read_forward_answers(const struct frame *frame, size_t max,
                                struct frame_forward_answer **items,
                                size_t *count);

#endif
