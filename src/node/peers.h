/* Peers and links: the other nodes, and the TCP connections with them.
 *
 * Each node dials every other one and speaks only on the connection that it
 * dialled; the other end of it answers the HELLO and then only listens.  Two
 * nodes that both live thus have two connections, one for each direction.
 *
 *   peer:  IDLE --dial--> DIALLING --connected--> GREETING --HELLO--> UP
 *            ^               |                        |               |
 *            '---back-off----'------------------------'-----lost------'
 */
#ifndef RAFTSC_NODE_PEERS_H
#define RAFTSC_NODE_PEERS_H

#include "node/internal.h"
#include "wire/frame.h"

/* A link that its peer does not read: above it messages are lost, which Raft
 * repairs.  One frame more than this can be held. */
#define LINK_OUTPUT_MAX ((size_t)16 * 1024 * 1024)
/* Accepted connections that have not said who they are. */
#define STRANGERS_MAX 32
#define HELLO_TIMEOUT_US ((uint64_t)10 * 1000 * 1000)
/* The same of a dial where there is another address to be tried: a host that is
 * gone may swallow all that is sent to it. */
#define TRY_TIMEOUT_US ((uint64_t)2 * 1000 * 1000)
/* Between two dials of one peer, doubled each time, with jitter. */
#define DIAL_BACKOFF_MIN_US ((uint64_t)20 * 1000)
#define DIAL_BACKOFF_MAX_US ((uint64_t)1000 * 1000)

enum peer_state { PEER_IDLE, PEER_DIALLING, PEER_GREETING, PEER_UP };

/* What its messages have told: for WHY. */
struct peer_seen {
    uint64_t heard_us; /* mono, of the last one; 0: none */
    raft_term term;
    raft_index last;     /* the end of its log, or of what it has sent */
    raft_term last_term; /* 0: not known */
    raft_index commit;   /* the last that it named as a leader */
};

struct peer {
    struct list in_node;
    raft_id id;
    uint64_t instance;       /* of its data directory; 0: not known yet */
    uint64_t named;          /* that of the member of this id; 0: none is
                                known, or the id is no member's */
    uint64_t met;            /* node->birth_met when it was first heard */
    uint64_t said;           /* … and when the connection was dialled on which
                                it last said who it is; 0: on none */
    raft_index config_index; /* of its last HELLO … */
    uint64_t boot;           /* … how often it was started … */
    uint64_t process;        /* … and which process it is; 0: not known */
    struct digest cluster_id;        /* of its last HELLO; zeros: of none … */
    uint64_t epoch;                  /* … and the epoch of that cluster */
    char address[TEXT_ADDRESS_SIZE]; /* that is dialled: one of these … */
    char announced[TEXT_ADDRESS_SIZE]; /* by its HELLO; "": not heard */
    char recorded[TEXT_ADDRESS_SIZE];  /* by the configuration; "": by none */
    bool announced_fails;              /* nobody answers there */
    uint64_t recorded_us; /* when `announced` was last recorded; 0: never */
    enum peer_state state;
    struct link *link;  /* the one that was dialled; NULL: none */
    struct link *heard; /* the one that it dialled; NULL: none */
    struct wheel_timer redial;
    struct wheel_timer doubt; /* on: its link broke, and it is dialled anew */
    bool doubt_new;  /* … since the last turn, whose time is not now's */
    bool unanswered; /* … in vain */
    bool speaks;     /* something came from it meanwhile */
    uint64_t backoff_us;
    bool wanted;     /* used while the list is made anew */
    bool guest;      /* not wanted: it dialled us */
    bool reached;    /* a change is about to make it a member … */
    bool sworn;      /* … and core knows that it is this instance */
    bool noted;      /* core was told that there is a link */
    bool complained; /* its failure is in the log already */
    bool refused;    /* by it, or by us: `why` says why */
    bool final;      /* … and waiting changes nothing about that */
    bool wiped;      /* … as it has another data directory than the member */
    char why[256];   /* of its last failure; "": none */
    struct peer_seen seen;
};

struct link {
    node_conn conn;
    bool dialled;
    uint32_t purpose;         /* enum frame_purpose; INSTALL: see install.h */
    struct list in_strangers; /* accepted, no HELLO yet; oldest first */
    struct peer *peer;        /* dialled: whose; NULL: accepted */
    uint64_t met;             /* dialled: node->birth_met then */
    raft_id from;             /* accepted: who it is, after the HELLO;
                                 of INSTALL, also dialled: who it is */
    uint64_t instance;        /* of the other end, after the HELLO … */
    uint64_t process;         /* … and which process it is; 0: not known */
    bool greeted;             /* the HELLO of the other end is here … */
    uint8_t version;          /* … and frames are of this version */
    bool spoke;               /* accepted: it has said more than that */
    bool dead;                /* the net has closed it already */
    struct frame_parser *parser;
    struct out out;
    uint64_t unsent_bytes;    /* given to the net, not drained yet */
    struct wheel_timer greet; /* closes it where no HELLO comes */
};

/* ---- link.c ------------------------------------------------------------- */

struct link *link_new(struct node *node, node_conn conn, bool dialled);
/* Frees it; the net is told to close it unless it is dead. */
void link_free(struct node *node, struct link *link);
/* Our HELLO, as the first frame. */
void link_greet(struct node *node, struct link *link);
/* Bytes from the other end: frames are taken apart and passed on. */
void link_bytes(struct node *node, struct link *link, const uint8_t *data,
                size_t size);
/* Gives what was written to the net. */
void link_flush(struct node *node, struct link *link);
/* True where nothing more should be written to it now. */
bool link_full(const struct link *link);

/* ---- greet.c: who may talk to whom -------------------------------------- */

/* Whether this HELLO is from a node that this one can talk to; else *refusal
 * is filled.  `expected` is the peer that was dialled, NULL for one that
 * dialled us. */
bool greet_check(struct node *node, const struct frame_hello *hello,
                 const struct peer *expected, struct frame_refusal *refusal);

/* The other end has refused this node. */
void greet_refused(struct node *node, const struct frame_refusal *refusal);

/* ---- contacts.c: who is to be reached, and who may stay ----------------- */

/* Nodes that dialled this one, and that it has no reason to dial. */
#define GUESTS_MAX ((size_t)RAFT_MEMBERS_MAX)

/* A member of the configuration in force, or of one that may be in force
 * again: back to the last one that is committed. */
bool contacts_know(const struct node *node, raft_id id, uint64_t instance);
/* A configuration of this index is newer than all that are committed here: one
 * that is not may have to make way for it, though its index is higher. */
bool contacts_newer(const struct node *node, raft_index config_index);
/* The index of the committed configuration since which the data directory
 * `instance` is no member's any more; 0: it is one's, or never was. */
raft_index contacts_left(const struct node *node, raft_id id,
                         uint64_t instance);
/* The same of this node, or what a member has said of it: the entry since which
 * it is no member; 0: it is one, or never was.  In waiting.c. */
raft_index contacts_removed(const struct node *node);
/* It is another data directory than that of the member with its id: it may
 * ask, and is answered; nothing that it answers counts. */
bool contacts_foreign(const struct peer *peer);

/* ---- doubt.c: does a peer whose link broke still live? ------------------- */

/* The link with it broke, and it is dialled again now: where that fails, or
 * takes longer than DOUBT_US, core is told that the peer is gone.  A process
 * that died is found out so at once, by the refused dial; a host or a network
 * that did, by the silence.  Either way all that the peer has sent is heard
 * first: what it said as a leader would be taken for a sign of life. */
#define DOUBT_US ((uint64_t)50 * 1000)
void doubt_begin(struct node *node, struct peer *peer);
/* Nobody answers there. */
void doubt_confirm(struct node *node, struct peer *peer);
/* Bytes of it have come. */
void doubt_heard(struct node *node, raft_id id);
/* Nothing more will be heard of it. */
void doubt_unheard(struct node *node, struct peer *peer);
/* This node talks with it no longer: if it led, it was removed, and somebody
 * else is to follow it without a time-out. */
void doubt_dropped(struct node *node, struct peer *peer);
/* It lives, or nobody asks any more. */
void doubt_end(struct node *node, struct peer *peer);

/* ---- peers.c, for contacts.c -------------------------------------------- */

struct peer *peers_add(struct node *node, raft_id id);
void peers_remove(struct node *node, struct peer *peer);
/* Dials it at `address` now, whatever was under way. */
void peers_dial(struct node *node, struct peer *peer, const char *address);
/* Core is told whether there is a link, if that is another answer now. */
void peers_note(struct node *node, struct peer *peer);
/* Ends the links with another instance than `instance`. */
void peers_cut(struct node *node, struct peer *peer, uint64_t instance);

/* ---- peers.c, for link.c ------------------------------------------------ */

/* Whether this message, which came over `link`, may be heard. */
bool peers_hears(const struct node *node, const struct link *link,
                 const struct raft_message *message);

/* The HELLO of the other end is here and sound. */
void peers_greeted(struct node *node, struct link *link,
                   const struct frame_hello *hello);
/* The link has failed: closed, refused, malformed.  Frees it. */
void peers_failed(struct node *node, struct link *link, bool refused,
                  const char *why);
/* The same, as it was refused, by either end. */
void peers_refused(struct node *node, struct link *link,
                   const struct frame_refusal *refusal);
#endif
