/* What the files of core share.  Nobody outside includes this. */
#ifndef RAFTSC_CORE_INTERNAL_H
#define RAFTSC_CORE_INTERNAL_H

#include "base/prng.h"
#include "core/keys.h"
#include "core/log.h"
#include "core/quorum.h"
#include "core/raft.h"

#define PEERS_MAX (RAFT_MEMBERS_MAX * 2)
/* Questions of followers that a leader holds; above it they ask again. */
#define READS_MAX 4096
/* Messages that wait for the disk; above it they are lost, as on a network. */
#define HELD_MAX 4096
/* A disk holds numbers with a sign: no honest node comes near to it. */
#define TERM_MAX ((raft_term)INT64_MAX)

/* An append that is not answered yet. */
struct flight {
    raft_index last;
    size_t bytes;
};

/* A pre-vote that was asked for while this node still heard a leader. */
struct early_ask {
    raft_term term; /* 0: none was */
    raft_term last_term;
    raft_index last_index;
    uint64_t until_us; /* nobody waits for the answer any more */
};

/* Another node, as this one sees it.  The link is known in every role; the
 * rest belongs to the present leadership or candidature. */
struct peer {
    raft_id id;
    bool up;
    int vote; /* what it said to this candidate: 1, -1, 0 nothing yet */
    struct early_ask early;
    enum raft_peer_state state;
    bool agreed;   /* RAFT_PEER_FETCH: the logs agree below `next` */
    bool fetching; /* a fetch is open */
    bool probed;   /* RAFT_PEER_PROBE: one is under way */
    raft_index match;
    raft_index next;
    raft_index sent;   /* the last entry that any append of this term proved */
    raft_index commit; /* what it was told of, as far as its log goes */
    uint64_t round;    /* of heartbeats, acknowledged */
    uint64_t heard_us;
    /* Whoever answers this round, or a later one, has acknowledged so much … */
    uint64_t proof_round;
    raft_index proof_match;
    bool lost;        /* … and does not have it any more: not counted on */
    bool patient;     /* nobody there waits for what is committed */
    uint64_t owed_us; /* since then it does not know all; 0: it does, or the
                         link is down */
    struct flight *flights; /* a ring of inflight_messages_max */
    size_t flight_first;
    size_t flight_count;
    size_t flight_bytes;
};

/* A message that waits for what must be durable before it leaves. */
struct held {
    struct raft_message message;
    raft_term term;   /* of this node when it was made: dropped in another */
    uint64_t state;   /* this term and vote … */
    raft_index index; /* … and the log up to here */
};

/* A read index that somebody waits for. */
struct read {
    raft_id peer; /* RAFT_ID_NONE: a ticket of this node */
    struct raft_ticket ticket;
    uint64_t context; /* the peer's number, or a follower's own */
    raft_index index;
    uint64_t round; /* confirmed by this one; 0: not begun */
};

/* A voter to be, on its way to the end of the log (thesis 4.2.1). */
struct catching {
    raft_id id;
    struct raft_catch_up way;
    uint64_t round_begun_us;
    raft_index match;
};

/* The change that a leader carries out; the stages are core/change.h's. */
struct change {
    enum raft_change_stage stage;
    struct raft_ticket ticket;
    struct raft_ticket abort_ticket;
    bool force;
    bool own;
    bool back;
    raft_index index;
    uint64_t begun_us;
    uint64_t coming_us; /* JOINT: when a majority of the coming set was heard */
    struct raft_config target;
    struct catching catching[RAFT_MEMBERS_MAX];
    size_t catching_count;
};

/* A change that is committed, but not saved here yet: its end is told then. */
struct change_ended {
    bool open;
    bool back;
    struct raft_ticket ticket;
    struct raft_ticket abort_ticket;
    raft_index index;
};

/* A node that is no member any more since entry `index`: it is let know. */
struct leaver {
    struct raft_member member;
    raft_index index;
    uint64_t until_us;
    uint64_t round; /* acknowledged: it knows; 0: not begun */
};

enum transfer_stage {
    TRANSFER_NONE,
    TRANSFER_WAIT, /* until the other one has the whole log */
    TRANSFER_SENT, /* TimeoutNow is on its way */
    TRANSFER_WATCH /* this node no longer leads: who does? */
};

struct transfer {
    enum transfer_stage stage;
    struct raft_ticket ticket;
    raft_id to;
    bool any;   /* whoever is most up to date */
    bool leave; /* this node ceases to lead, whatever becomes of it */
    uint64_t until_us;
    struct raft_event *held; /* proposals, owned; appended if it fails */
    size_t held_count;
    size_t held_capacity;
    size_t held_bytes;
};

/* A leader's group commit. */
struct batch {
    raft_index last;    /* entries up to here may leave … */
    raft_index count;   /* … so many of them with the last release … */
    uint64_t left_us;   /* … which was then … */
    size_t bytes;       /* … and so much waits behind them */
    bool answered;      /* they are committed, and saved here: … */
    raft_index company; /* … the next one leaves once the log ends here … */
    uint64_t until_us;  /* … or then */
};

/* Whether batches are to wait for company, and how that was found: trial.c. */
struct trial {
    bool waits;          /* they do … */
    bool chosen;         /* … and are to where nothing is being tried */
    unsigned phase;      /* of the trial under way; the last one: of none */
    uint64_t since_us;   /* this phase, or the rest, has begun then … */
    raft_index since;    /* … with a log up to here … */
    uint64_t batches;    /* … and so many have left since */
    uint64_t complete;   /* of those that waited in its phases: with all … */
    uint64_t waited;     /* … of so many */
    uint64_t rest_us;    /* until the next trial, or look … */
    uint64_t tried_us;   /* … and as the last trial left it */
    uint64_t entries[2]; /* that left in its phases, by `waits` … */
    uint64_t took_us[2]; /* … and how long those took */
};

/* What the last step left, against which the next one is checked. */
struct checked {
    raft_term term;
    raft_id vote;
    enum raft_role role;
    raft_index commit;
    raft_index told;
    raft_index last;
};

struct raft {
    struct raft_settings settings;
    struct prng prng;
    struct raft_now now;

    raft_term term;
    raft_id vote;
    uint64_t state;        /* counts changes of term and vote … */
    uint64_t state_handed; /* … those given to the store … */
    uint64_t state_saved;  /* … and those that are durable */
    struct raft_log log;
    struct raft_keys keys;
    raft_index commit;
    raft_index told;
    raft_index saved;         /* the log is durable up to here */
    raft_index handed;        /* … and given to the store up to here */
    raft_index truncate_from; /* the store has more than the log; 0: no */
    bool base_dirty;          /* … or the log's base is not the store's … */
    struct raft_install *install; /* … but was another node's; NULL: no */
    raft_index commit_handed;

    enum raft_role role;
    raft_id leader;
    uint64_t heard_us;     /* the leader; 0: never, in this term */
    raft_index needed;     /* a follower's: as this term's leader told it */
    uint64_t election_us;  /* when this node would campaign */
    uint64_t way_until_us; /* another one campaigns; 0: none, in this term */
    uint64_t elections;
    bool was_voter; /* … in the configuration before the one in force */
    bool asked;     /* the campaign was asked for by the leader */
    bool patient;   /* nobody here waits for what is committed */
    bool stalled;   /* the disk takes too long: no campaign, no leadership */

    struct peer peers[PEERS_MAX];
    size_t peer_count;

    /* RAFT_ROLE_LEADER */
    raft_index term_first; /* the no-op of its term */
    uint64_t heartbeat_due_us;
    uint64_t round;
    size_t uncommitted_bytes;
    struct batch batch;
    struct trial trial;

    struct change change;
    struct leaver leavers[RAFT_MEMBERS_MAX];
    size_t leaver_count;
    /* Any role: */
    struct change_ended change_ended;
    struct transfer transfer;

    struct read *reads;
    size_t read_count;
    size_t read_capacity;
    uint64_t read_context;  /* of the last question … */
    uint64_t read_origin;   /* … and what was before this node's first */
    uint64_t read_retry_us; /* a follower asks again; 0: nothing is asked */
    bool reads_new;         /* of this step */

    struct held *held;
    size_t held_count;
    size_t held_capacity;

    struct raft_effects effects;
    size_t message_capacity;
    size_t tell_capacity;
    size_t fetch_capacity;
    size_t note_capacity;

    struct checked checked;
};

/* ---- effects.c ----------------------------------------------------------- */

/* Takes the message. */
void raft_send(struct raft *raft, const struct raft_message *message);
/* The same, once term and vote as they are now, and the log up to `index`
 * (0: nothing of it), are durable. */
void raft_send_saved(struct raft *raft, const struct raft_message *message,
                     raft_index index);
void raft_tell(struct raft *raft, const struct raft_tell *tell);
void raft_note(struct raft *raft, enum log_level level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
struct raft_message raft_message_to(const struct raft *raft,
                                    enum raft_message_type type, raft_id to);

/* ---- raft.c: the log and what hangs on it ------------------------------- */

/* Appends; takes the references of *entry, whose chain is filled in. */
void raft_append(struct raft *raft, struct raft_entry *entry);
void raft_truncate(struct raft *raft, raft_index from);
void raft_set_commit(struct raft *raft, raft_index commit);
/* The configuration in force is another one. */
void raft_config_changed(struct raft *raft);
const struct raft_config *raft_config_of(const struct raft *raft);
bool raft_is_voter(const struct raft *raft);
/* A voter, or one that was a voter until an entry that is not known to be
 * committed: its log may be the longest, and the others wait for it (thesis
 * 4.2.2). */
bool raft_may_campaign(const struct raft *raft);
/* This node in the configuration; NULL: it is not in it. */
const struct raft_member *raft_self(const struct raft *raft,
                                    const struct raft_config *config);
struct peer *raft_peer(struct raft *raft, raft_id id); /* NULL: not known */
struct peer *raft_peer_add(struct raft *raft, raft_id id);

/* ---- base.c ------------------------------------------------------------- */

void base_install(struct raft *raft, const struct raft_install *install);
/* NULL is fine. */
void base_drop(struct raft_install *install);

/* ---- save.c ------------------------------------------------------------- */

void raft_saved(struct raft *raft, const struct raft_event *event);

/* ---- election.c --------------------------------------------------------- */

void election_reset(struct raft *raft);
void become_follower(struct raft *raft, raft_term term, raft_id leader);
void election_tick(struct raft *raft);
void election_saved(struct raft *raft);
void election_vote(struct raft *raft, const struct raft_message *message);
/* A vote is asked for, and withheld: the answer may be another one soon. */
void election_withhold(struct raft *raft, const struct raft_message *message);
/* When the next step is due for the sake of an election, unless this leads. */
uint64_t election_deadline_us(const struct raft *raft);
void election_answer(struct raft *raft, const struct raft_message *message);
void election_now(struct raft *raft, const struct raft_message *message);
void election_stall(struct raft *raft, bool stalls);
/* `peer` cannot be reached. */
void election_gone(struct raft *raft, raft_id peer);
/* A leader was heard so lately that nobody is helped to another one. */
bool election_withheld(const struct raft *raft);

/* ---- follow.c ----------------------------------------------------------- */

void follow_append(struct raft *raft, struct raft_message *message);
void follow_refuse(struct raft *raft, const struct raft_message *message);

/* ---- lead.c ------------------------------------------------------------- */

void become_leader(struct raft *raft);
void lead_end(struct raft *raft);
void lead_reset_peer(struct raft *raft, struct peer *peer);
void lead_propose(struct raft *raft, const struct raft_event *event);
void lead_refuse(struct raft *raft, const struct raft_event *event,
                 enum raft_refusal refusal);
void lead_answer(struct raft *raft, const struct raft_message *message);
void lead_fetched(struct raft *raft, const struct raft_event *event);
void lead_installed(struct raft *raft, const struct raft_event *event);
void lead_tick(struct raft *raft);
void lead_commit(struct raft *raft);
/* What every member has, and who is being caught up (raft_status). */
raft_index lead_needed(const struct raft *raft);
/* Sends what there is to be sent; a new round first, where one is wanted. */
void lead_flush(struct raft *raft);

/* ---- batch.c ------------------------------------------------------------ */

/* Entries up to this one may be sent and saved. */
raft_index batch_last(const struct raft *raft);
/* All that this leader has may leave. */
void batch_release(struct raft *raft);
/* The same, if it is time. */
void batch_tick(struct raft *raft);
/* Whether `peer` is to be told now, by a message of its own, that entries up to
 * `commit` are committed. */
bool batch_notice(struct raft *raft, struct peer *peer, raft_index commit);
uint64_t batch_deadline_us(const struct raft *raft);

/* ---- trial.c ------------------------------------------------------------ */

/* This node leads now. */
void trial_lead(struct raft *raft);
/* A batch leaves, with as many as were waited for, or without. */
void trial_batch_left(struct raft *raft, bool complete);

/* ---- propose.c ---------------------------------------------------------- */

/* True: nothing is to be appended for this proposal, and *tell says why. */
bool propose_decided(const struct raft *raft, const struct raft_event *event,
                     struct raft_tell *tell);

/* Sends heartbeats now, as a new round. */
void lead_heartbeat(struct raft *raft);
/* Fills in index, term and time, and appends; takes the references. */
raft_index lead_append(struct raft *raft, struct raft_entry *entry);

/* ---- member.c ----------------------------------------------------------- */

void member_change(struct raft *raft, const struct raft_event *event);
void member_abort(struct raft *raft, const struct raft_event *event);
/* This node begins, or ceases, to lead. */
void member_lead(struct raft *raft);
void member_end(struct raft *raft);
void member_tick(struct raft *raft);
/* Entries are told up to raft->told. */
void member_told(struct raft *raft);
/* A node that is being caught up got further, though its match did not. */
void member_progress(struct raft *raft, raft_id id);
/* Check-quorum asks the old set alone (see member.c). */
bool member_counts_old(const struct raft *raft);
/* When this voter was last heard; for raft_quorum_value(). */
uint64_t lead_heard_of(const void *context, raft_id id);

/* ---- contact.c ---------------------------------------------------------- */

/* What it acknowledges may count, now or once it is a member. */
bool contact_counts(const struct raft *raft, raft_id id);
/* Whether this leader replicates to `id`. */
bool contact_wants(const struct raft *raft, raft_id id);
/* NULL: `id` is not being caught up. */
const struct catching *contact_catching(const struct raft *raft, raft_id id);
/* raft_contacts() gives others than before. */
void contact_changed(struct raft *raft);
/* Entry `index` leaves out who is in `before` and not in `after`. */
void contact_left(struct raft *raft, const struct raft_config *before,
                  const struct raft_config *after, raft_index index);
/* `id` is to be a member again. */
void contact_back(struct raft *raft, raft_id id);
/* Those who know that they have left are let alone. */
void contact_tick(struct raft *raft);

/* ---- transfer.c --------------------------------------------------------- */

void transfer_ask(struct raft *raft, const struct raft_event *event);
/* This leader ceases to lead: by a transfer if it can. */
void transfer_leave(struct raft *raft);
/* A transfer is open: proposals are held back. */
bool transfer_open(const struct raft *raft);
void transfer_hold(struct raft *raft, const struct raft_event *event);
void transfer_link(struct raft *raft, raft_id peer);
void transfer_end(struct raft *raft);
void transfer_tick(struct raft *raft);
uint64_t transfer_deadline_us(const struct raft *raft);
void transfer_free(struct raft *raft);

/* ---- read.c ------------------------------------------------------------- */

void read_ask(struct raft *raft, struct raft_ticket ticket);
void read_forget(struct raft *raft, struct raft_ticket ticket);
void read_message(struct raft *raft, const struct raft_message *message);
void read_answer(struct raft *raft, const struct raft_message *message);
/* A quorum may have acknowledged a round, or the term has its first commit. */
void read_confirm(struct raft *raft);
/* The role, the term or the leader is another one. */
void read_role(struct raft *raft);
/* The way to `peer` is another one, and so may be who asked. */
void read_drop(struct raft *raft, raft_id peer);
void read_init(struct raft *raft);
void read_flush(struct raft *raft);

/* ---- check.c ------------------------------------------------------------ */

void raft_check(struct raft *raft);

#endif
