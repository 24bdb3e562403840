/* What app.c and ask.c share: an app and its three connections. */
#ifndef RAFTSC_TESTS_SIM_APP_H
#define RAFTSC_TESTS_SIM_APP_H

#include "wire/resp.h"
#include "world.h"

#define OPEN_MAX 64

struct asked;
typedef void answer_check(struct app *app, const struct asked *asked,
                          const struct resp_value *value);

/* A request that is not answered yet. */
struct asked {
    answer_check *check;
    uint64_t asked_us;
    uint64_t number;         /* of a SUBMIT; 0: it is none */
    raft_index known_before; /* known_max when this was asked */
    raft_index argument;
    uint64_t key;         /* of OUTCOME */
    raft_index key_known; /* … its newest entry known when this was asked */
    uint64_t order;       /* number of an operator's; 0: it is none */
    raft_index snapshot;  /* that is read; 0: any */
    uint64_t count;       /* of READ */
    raft_index told;      /* … by its node, when this was asked */
    bool resets;          /* RESET: what is open of snapshots ends with it */
};

/* What is asked on a stream, and answered there beside the pushes. */
enum stream_word {
    STREAM_ACK,
    STREAM_PING,
    STREAM_AGAIN,  /* a PING behind a FOLLOW that begins again */
    STREAM_HELLO,  /* before it is a stream */
    STREAM_REFUSED /* it is not for streams */
};

struct stream_asked {
    enum stream_word word;
    uint64_t acks_saved; /* of the host, when this was asked */
};

#define STREAM_OPEN_MAX 16

struct channel {
    struct wire *wire; /* NULL: not connected */
    node_conn conn;
    uint64_t life; /* of its host, when it was connected */
    struct buf heard;
    bool ended; /* an error ended the stream: it is to be begun anew */
};

/* One request, added to `buf`. */
typedef void ask_command(struct app *app, struct buf *buf);

struct app {
    ask_command *only; /* it asks nothing else (a play); NULL: anything */
    struct world *world;
    unsigned number;
    struct host *host;
    struct channel ask;
    struct channel follow;
    struct channel events;
    bool watches;  /* it has EVENTS, too */
    bool operates; /* it changes the members, and follows nothing */
    struct asked open[OPEN_MAX];
    size_t open_count;
    bool half_closed;
    bool spoilt; /* it sent garbage: an error, and the end, are to come */
    raft_index last_of_connection; /* SUBMITs of one connection keep order */
    raft_index followed;           /* the last entry that the stream gave */
    struct stream_asked stream_open[STREAM_OPEN_MAX]; /* not answered yet */
    size_t stream_open_count;
    bool flows;             /* it has given an entry */
    bool blind;             /* it begins behind the ACK of its node … */
    uint64_t blind_saved;   /* … of which so many were saved by then */
    bool restarts;          /* it was told to begin again … */
    raft_index restarts_at; /* … here, which is not behind what it gave */
    bool restarted;         /* it has begun again: an entry tells it … */
    bool restarts_unsure;   /* … or a snapshot may have told it */
    enum resp_type push_type;
    bool uploads;           /* all went well since SNAPSHOT BEGIN */
    bool vanishes;          /* once what was asked is on its way */
    raft_index reads_index; /* the snapshot that is read; 0: none */
    size_t reads_size;
    size_t reads_at;
    raft_term event_term; /* of the last `role` of this connection */
    raft_term token;      /* of the last `role leader`; 0: none */
    uint64_t again; /* the key of a SUBMIT whose end is not known; 0: none */
    node_conn next_conn;
    uint64_t acknowledged;
    bool stopping;
    struct host *told; /* NOTLEADER named it: ask there */
    /* Of an operator: */
    unsigned errand; /* orders to be asked, the last of them until it is done */
    enum { WISH_NONE, WISH_NOTED, WISH_ASKED, WISH_ANSWERED } wish;
    struct order wished;
    bool wish_uncertain; /* … is the answer */
};

/* ---- ask.c -------------------------------------------------------------- */

/* One request of any kind is noted as open, and its bytes are added. */
void ask_one(struct app *app, struct buf *buf);
/* Bytes that are no request: an error is the answer, and the end. */
void ask_garbage(struct app *app, struct buf *buf);
/* The reply to the oldest open request. */
void ask_answered(struct app *app, const struct resp_value *value);
/* FOLLOW, on a connection that is new; and what else is asked on it. */
void ask_follow(struct app *app, struct buf *buf);
void ask_on_stream(struct app *app, struct buf *buf);
/* What comes on a stream of FOLLOW, and of EVENTS. */
void ask_followed(struct app *app, const struct resp_value *value);
void ask_event(struct app *app, const struct resp_value *value);
/* The connection is gone: nobody knows what became of what was open. */
void ask_forget(struct app *app);

/* ---- what they share ---------------------------------------------------- */

/* Notes a request as open, all zeros but for when and what was known. */
struct asked *ask_note(struct app *app, answer_check *check);
/* An error whose code is `word`. */
bool ask_is_error(const struct resp_value *value, const char *word);
/* The text of an error, ended by NUL; good until the next call. */
const char *ask_text(const struct resp_value *value);
/* Too late, or nobody leads: an error of what changes nothing. */
void ask_timed_out(struct app *app, const char *what,
                   const struct resp_value *value);
bool ask_is_text(const struct resp_value *value, const char *text);
/* The run fails: `what` was answered in a way that cannot be. */
void ask_wrong(struct app *app, const char *what,
               const struct resp_value *value);
/* The first index of a COMPACTED, said to who asked for `asked`; 0: it is
 * another reply. */
raft_index ask_compacted(struct app *app, const struct channel *channel,
                         const struct resp_value *value, raft_index asked);
/* It says that an entry is damaged, or the snapshot: and so it is. */
bool ask_corrupt(struct app *app, const struct resp_value *value);
/* [index, term, payload] against what is committed. */
void ask_check_entry(struct app *app, const struct resp_value *fields);
/* No app entry lies between `after` and `index`. */
void ask_check_no_gap(struct app *app, raft_index after, raft_index index);

/* ---- the commands, each added to `buf` ---------------------------------- */

ask_command ask_submit, ask_too_big;                 /* ask_submit.c */
ask_command ask_compact, ask_cut;                    /* ask_base.c */
ask_command ask_snapshot, ask_upload;                /* ask_snapshot.c */
ask_command ask_outcome, ask_digest;                 /* ask_key.c */
ask_command ask_barrier, ask_wait, ask_read;         /* ask_log.c */
ask_command ask_read_all, ask_read_next;             /* ask_log.c */
ask_command ask_ping, ask_echo, ask_role, ask_about; /* ask_node.c */
ask_command ask_history;                             /* ask_config.c */
ask_command ask_other, ask_quit;                     /* ask_other.c */

#endif
