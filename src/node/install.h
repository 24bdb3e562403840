/* InstallSnapshot (section 7): what lies under a leader's log goes to a peer
 * that needs entries which are gone.
 *
 * The leader dials the peer once more, so that heartbeats never wait behind a
 * chunk, and offers what it has.  The peer says from which offset on it wants
 * it; chunks follow, as many at a time as the window allows.  Whatever breaks,
 * the leader dials again and offers again, and the peer says how much it has of
 * just that.  What is whole is taken over in one save (core/base.c).
 *
 *   sending:  IDLE --> DIALLING --HELLO--> OFFERED --WANT--> (chunks) --> done
 *              ^           |                  |
 *              '-back-off--'------lost--------'
 *
 * What the peer cannot take (its disk is full; the hash is wrong) it declines:
 * then it is offered again after a longer while, whatever is present then.
 * Where a hash was wrong, the leader reads its own file to its end first.  A
 * snapshot that is damaged here is offered to nobody: who needs it waits until
 * the app has taken a new one, or another node leads.  The base alone is never
 * sent in its stead: an app would begin there without what came before. */
#ifndef RAFTSC_NODE_INSTALL_H
#define RAFTSC_NODE_INSTALL_H

#include "node/pace.h"
#include "node/peers.h"

/* Nothing was heard for so long: the connection is given up. */
#define INSTALL_SILENCE_US ((uint64_t)10 * 1000 * 1000)
/* A receiver says what it wants at least so often. */
#define INSTALL_AGAIN_US ((uint64_t)1000 * 1000)
/* What could not be taken, or given, is offered again after so long at first,
 * doubled each time; the more so where it came whole each time. */
#define INSTALL_OFF_MIN_US ((uint64_t)1000 * 1000)
#define INSTALL_OFF_MAX_US ((uint64_t)8 * 1000 * 1000)
#define INSTALL_OFF_WHOLE_MAX_US ((uint64_t)300 * 1000 * 1000)
/* A record of 4 million of the longest keys. */
#define INSTALL_RECORD_MAX ((uint64_t)1024 * 1024 * 1024)

/* At the leader: one for each peer in RAFT_PEER_SNAPSHOT. */
struct sending {
    struct list in_node;
    raft_id peer;
    struct link *link; /* NULL: none now */
    uint64_t serial;   /* tells the store's answers for it apart */
    uint64_t backoff_us;
    const char *off_why; /* it was put off: why, a constant; NULL: it was not */
    uint64_t off_us;     /* … for so long */
    char why[160];       /* that, or why its connection failed; "": neither */
    struct snapshot *suspect; /* pinned, while the store verifies it */
    struct wheel_timer redial;
    struct wheel_timer silence;
    struct snapshot *snapshot; /* pinned, for the record; NULL: there is none */
    uint64_t reading;    /* node_read of its entry, for the record; 0: none */
    bool asked;          /* the store reads a piece of the snapshot */
    struct blob *record; /* NULL: not made yet */
    struct frame_offer offer;
    bool wanted;   /* the peer has said what it wants: */
    uint64_t want; /* it has all before … */
    uint64_t sent; /* … and all before was sent */
    bool recorded; /* it had the whole record, of this offer or of another */
    struct pace pace;
    uint64_t heard_us;
};

/* The app's snapshot behind the record, at the receiver. */
enum taking_file {
    TAKING_NO_FILE,
    TAKING_BEGINS, /* the store says how much of it is there already */
    TAKING_WRITES,
    TAKING_ENDS, /* it is synced, and its hash looked at */
    TAKING_READY /* whole */
};

/* At the receiver: what is coming, from one leader at a time.  What is here of
 * it outlives its connection. */
struct taking {
    struct link *link; /* NULL: none now */
    bool offered;      /* something was, on this connection */
    struct frame_offer offer;
    struct buf record;
    bool whole; /* `install` is filled */
    struct raft_install install;
    enum taking_file file;
    uint64_t given; /* bytes of it that the store was given … */
    uint64_t have;  /* … and that it has */
    bool settles;   /* nothing is wanted until it has all that it was given */
    struct pace pace;
    raft_id from;         /* who offered it, or what came last */
    const char *why;      /* that could not be taken; NULL: it could … */
    raft_index why_index; /* … which is of no interest behind this entry */
    bool named;           /* a save is to name it valid */
    struct node_snapshot snapshot; /* READY */
    uint64_t serial;               /* tells the store's answers apart */
    struct wheel_timer again;
};

struct install {
    struct list sendings;
    struct taking taking;
    uint64_t send_due_us;        /* snapshot-send-rate allows no byte before */
    struct wheel_timer send_due; /* … and wakes the pump */
    uint64_t serial;
    uint64_t sent_bytes; /* for INFO */
    uint64_t taken;
};

/* ---- for peers.c and link.c: links of FRAME_PURPOSE_INSTALL -------------- */

/* One that was dialled, or accepted from `peer`, is greeted. */
void install_greeted(struct node *node, struct link *link);
void install_accepted(struct node *node, struct link *link, struct peer *peer);
/* Frees the link. */
void install_failed(struct node *node, struct link *link, const char *why);
/* NULL, or what is wrong: the link then ends. */
const char *install_frame(struct node *node, struct link *link,
                          const struct frame *frame);

/* ---- among the files of sendings ----------------------------------------- */

/* install.c: something was heard from the peer. */
void install_heard(struct node *node, struct sending *sending);
/* The peer has it, or needs it no longer: frees it. */
void install_end(struct node *node, struct sending *sending);
/* It cannot be gone on with, and is begun anew later, after at most `max_us`;
 * why is in the log once. */
void install_put_off(struct node *node, struct sending *sending,
                     uint64_t max_us, const char *why);
/* The peer says what it cannot take (enum frame_decline). */
void install_declined(struct node *node, struct sending *sending,
                      uint8_t decline);
struct sending *install_of_serial(const struct node *node, uint64_t serial);
struct sending *install_to(const struct node *node, raft_id peer);

/* install_offer.c: once a round; `offer` and `record` may be there then. */
void offer_prepare(struct node *node, struct sending *sending);
void offer_drop(struct node *node, struct sending *sending);
/* Nothing can be offered: the snapshot that would be is damaged. */
bool offer_blocked(const struct node *node);
/* To the peer, if there is a connection. */
void offer_say(struct sending *sending);
uint64_t offer_total(const struct frame_offer *offer);

/* install_send.c: once a round; and the peer's WANT: NULL, or what is wrong. */
void send_pump(struct node *node, struct sending *sending);
const char *send_wanted(struct node *node, struct sending *sending,
                        const struct frame *frame);

/* ---- install_take.c, for install.c --------------------------------------- */

const char *take_frame_of_base(struct node *node, const struct frame *frame);
void take_pump(struct node *node);
void take_end(struct node *node);
/* The offer has a snapshot of the app, be it empty. */
bool offer_has_snapshot(const struct frame_offer *offer);

#endif
