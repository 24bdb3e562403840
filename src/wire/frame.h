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
    FRAME_FORWARD_ANSWER = 5,
    FRAME_OFFER =
        6, /* a base that the other end needs (FRAME_PURPOSE_INSTALL) */
    FRAME_WANT = 7,     /* how much of it is there */
    FRAME_CHUNK = 8,    /* some bytes of it */
    FRAME_CONTROL = 10, /* an order about the members, for the leader */
    FRAME_CONTROL_ANSWER = 11
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
    uint64_t process; /* random, drawn at each start; 0: not told */
};

enum frame_purpose {
    FRAME_PURPOSE_PEER = 0,   /* messages and proposals */
    FRAME_PURPOSE_INSTALL = 1 /* a base, so that nothing else waits behind it */
};

enum frame_refusal_code {
    FRAME_REFUSED_VERSION = 1,  /* no common protocol version */
    FRAME_REFUSED_CLUSTER = 2,  /* another cluster's name, id or epoch */
    FRAME_REFUSED_IDENTITY = 3, /* not the node that was meant */
    FRAME_REFUSED_INSTANCE = 4, /* this id's disk was another one */
    FRAME_REFUSED_STRANGER = 5, /* not a member */
    FRAME_REFUSED_BUSY = 6,     /* too many strangers */
    FRAME_REFUSED_SELF = 7,     /* the node has dialled itself */
    FRAME_REFUSED_REMOVED = 8,  /* no member any more since entry `index` */
    FRAME_REFUSED_COPY = 9      /* its data directory runs twice, or is old */
};

struct frame_refusal {
    uint16_t code;  /* enum frame_refusal_code; another version may have more */
    char text[256]; /* for people */
    raft_index index; /* of REMOVED; else 0 */
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

/* What the members are asked to become, and by which way. */
enum frame_control_what {
    FRAME_CONTROL_CHANGE = 1,
    FRAME_CONTROL_ADD = 2,
    FRAME_CONTROL_REMOVE = 3,
    FRAME_CONTROL_PROMOTE = 4,
    FRAME_CONTROL_DEMOTE = 5,
    FRAME_CONTROL_REPLACE = 6,
    FRAME_CONTROL_PLAN = 7,
    FRAME_CONTROL_ABORT = 8,
    FRAME_CONTROL_TRANSFER = 9
};

/* The words of one order are members or ids, as the app wrote them. */
#define FRAME_CONTROL_WORDS_MAX 128
#define FRAME_CONTROL_WORD_MAX (TEXT_ADDRESS_SIZE + 32)
#define FRAME_CONTROL_TEXT_MAX ((size_t)65536)

/* An order, or its answer, borrows its words and its text. */
struct frame_control {
    uint64_t number; /* the asker's; ascending on one connection */
    uint8_t what; /* enum frame_control_what; another version may have more */
    bool force;
    size_t count;
    struct {
        const char *text;
        size_t size;
    } words[FRAME_CONTROL_WORDS_MAX];
};

enum frame_control_result {
    FRAME_CONTROL_DONE = 0,       /* `index` is the configuration in force */
    FRAME_CONTROL_OK = 1,         /* done, and there is no index to tell */
    FRAME_CONTROL_LINES = 2,      /* the text is lines of a plan */
    FRAME_CONTROL_ERROR = 3,      /* the text is an error, its code first */
    FRAME_CONTROL_NOT_LEADER = 4, /* nothing has been begun */
    FRAME_CONTROL_LOST = 5 /* the next leader decides: the text is the bytes of
                              the configuration wanted, `base` the index of the
                              one before, `index` of the newest on the way */
};

struct frame_control_answer {
    uint64_t number;
    uint8_t result; /* enum frame_control_result */
    raft_index index;
    raft_index base;
    const void *text;
    size_t text_size;
};

/* A base at `index`: its record (core/base.c), and behind it the app's snapshot
 * where there is one.  Offsets count through both. */
struct frame_offer {
    raft_index index;
    raft_term term;
    uint64_t record_size;
    struct digest record_digest;
    uint64_t snapshot_size;
    uint8_t snapshot_sha256[32]; /* zeros: there is no snapshot */
};

/* All before `offset` is there, and as much behind it as FRAME_INSTALL_WINDOW
 * may be sent.  Said again now and then, though nothing is new. */
struct frame_want {
    raft_index index; /* of the offer that it speaks of */
    uint64_t offset;
    bool done; /* the whole log up to `index` is durable: nothing is wanted */
    uint8_t decline; /* enum frame_decline; another version may have more */
};

/* Why it cannot be taken now.  What was said of it before is over: it is
 * offered again later, on a new connection. */
enum frame_decline {
    FRAME_DECLINE_NOT,
    FRAME_DECLINE_HASH, /* it came whole, and has not the hash of its offer */
    FRAME_DECLINE_NO_ROOM, /* the disk is full */
    FRAME_DECLINE_DISK,    /* the disk does not take it */
    FRAME_DECLINE_RECORD   /* its record cannot be read */
};
#define FRAME_INSTALL_WINDOW ((uint64_t)4 * 1024 * 1024)
#define FRAME_CHUNK_MAX ((size_t)256 * 1024)

/* Borrows its bytes. */
struct frame_chunk {
    raft_index index;
    uint64_t offset;
    const uint8_t *bytes;
    size_t size;
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
void frame_write_control(struct out *out, uint8_t version,
                         const struct frame_control *control);
void frame_write_control_answer(struct out *out, uint8_t version,
                                const struct frame_control_answer *answer);
void frame_write_offer(struct out *out, uint8_t version,
                       const struct frame_offer *offer);
void frame_write_want(struct out *out, uint8_t version,
                      const struct frame_want *want);
void frame_write_chunk(struct out *out, uint8_t version,
                       const struct frame_chunk *chunk);
/* The body alone, and back: how an order is kept until it can be sent. */
void frame_pack_control(struct buf *body, const struct frame_control *control);
bool frame_unpack_control(const void *body, size_t size,
                          struct frame_control *control);

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

bool frame_read_offer(const struct frame *frame, struct frame_offer *offer);
bool frame_read_want(const struct frame *frame, struct frame_want *want);
/* What these borrow is in the frame. */
bool frame_read_chunk(const struct frame *frame, struct frame_chunk *chunk);
bool frame_read_control(const struct frame *frame,
                        struct frame_control *control);
bool frame_read_control_answer(const struct frame *frame,
                               struct frame_control_answer *answer);

#endif
