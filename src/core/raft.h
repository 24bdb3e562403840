/* Raft: the front door of core.
 *
 * A struct raft is one member's view of the consensus.  It is a pure function
 * of its inputs: it reads no clock, draws chance only from its seed, does no
 * input or output, and never calls back.  The driver (node/) feeds it events,
 * all of a turn as one batch, and carries out the effects:
 *
 *     raft_step(raft, now, events, count);
 *     effects = raft_effects(raft);
 *     1. save: if no save is under way and raft_take_save() gives one, hand it
 *        to the store; its end comes back as RAFT_EVENT_SAVED.
 *     2. send effects->messages, all at once: whatever must be durable before
 *        a message may leave was durable before it became an effect.  A
 *        message may be lost, but not altered or reordered on its link.
 *     3. tell: effects->tells, in their order.
 *     raft_effects_clear(raft);
 *
 * What is durable first: a RequestVote leaves once its term and the own vote
 * are saved; every answer once the term that it names is; an answer to an
 * append once its last entry is.  A pre-vote waits for nothing; a leader's
 * append goes out beside its own save, and the leader counts itself for a
 * commit only once it has saved (thesis 10.2.1).  A message that waits is
 * dropped when its term is over.
 *
 * What comes from peers is checked and never asserted; a message that cannot
 * be is ignored, with a note.  The driver's own mistakes are asserted. */
#ifndef RAFTSC_CORE_RAFT_H
#define RAFTSC_CORE_RAFT_H

#include "base/buf.h"
#include "base/log.h"
#include "core/change.h"
#include "core/config.h"
#include "core/types.h"

struct raft;

/*                 +----------- no configuration: idle ----------+
 *                 v                                             |
 *   start --> FOLLOWER --time-out--> PRE_CANDIDATE --quorum--> CANDIDATE
 *               ^  ^                     |                      |   |
 *               |  +---leader, term------+----------------------+   | quorum
 *               +------ higher term, no quorum heard ---- LEADER <--+
 *
 * A learner, and a node that is in no configuration, stays FOLLOWER; the
 * words for people are raft_role_word()'s. */
enum raft_role {
    RAFT_ROLE_FOLLOWER,
    RAFT_ROLE_PRE_CANDIDATE, /* asks whether an election would be won (9.6) */
    RAFT_ROLE_CANDIDATE,
    RAFT_ROLE_LEADER
};

/* ---- making one --------------------------------------------------------- */

struct raft_settings {
    raft_id id;
    uint64_t instance; /* of the data directory; 0: any that has the id */
    uint64_t seed;
    uint64_t election_timeout_us; /* drawn anew in [t, 2t) */
    uint64_t heartbeat_us;        /* at most a third of it */
    uint64_t catch_up_us;         /* a new voter's time without progress */
    size_t append_bytes_max;      /* entries of one append; one always goes */
    size_t append_entries_max;
    size_t inflight_messages_max; /* appends not answered, for each peer */
    size_t inflight_bytes_max;
    size_t uncommitted_bytes_max; /* a leader's; above it RAFT_REFUSED_BUSY */
    uint64_t batch_hold_us;  /* how long a proposal waits for the ones before it
                                to be committed; up to four times as long while
                                they are being saved, and again for others to
                                join it, where that lets more of them through;
                                0: not at all */
    size_t window_bytes_max; /* saved and told entries kept in memory */
    size_t key_window;       /* keys remembered: 1 .. RAFT_KEY_WINDOW_MAX */
};

/* A run of entries of one term: it ends where the next one begins. */
struct raft_run {
    raft_index first;
    raft_term term;
};

/* One configuration of the log, committed or not. */
struct raft_config_entry {
    raft_index index;
    raft_term term;
    uint64_t unix_ms;
    struct blob *payload; /* its bytes, see core/config.h */
};

/* What lies under a log whose first entries are gone: the state that they left.
 * All zeros for a log that is whole.  The configuration in force at `index` and
 * the keys of the entries up to there belong to it too, and are kept beside it
 * (struct raft_start, core/keys.h). */
struct raft_base {
    raft_index index; /* of the last entry that is gone */
    raft_term term;
    struct digest chain;
    uint64_t unix_ms;
    raft_index last_app; /* the last entry of RAFT_KIND_APP up to `index` */
};

/* Configurations that a record of a base holds: the newest so many. */
#define RAFT_BASE_CONFIGS_MAX ((size_t)1024)

/* The whole of another node's base. */
struct raft_install {
    struct raft_base base;
    struct raft_config_entry *configs; /* owned; ascending, at least one */
    size_t config_count;
    struct blob *keys; /* packed as in core/keys.h */
};
void raft_install_clear(struct raft_install *install);

/* As bytes, drawn in base.c.  NULL: read, and the caller owns what is in
 * *install; else what is wrong with it, a constant. */
const char *raft_base_unpack(const void *data, size_t size,
                             struct raft_install *install);

/* What was on disk.  All borrowed; raft_new() shares what it keeps. */
struct raft_start {
    raft_term term;
    raft_id vote;      /* RAFT_ID_NONE: none in this term */
    raft_index commit; /* the commit index known when it was last saved */
    struct raft_base base;
    raft_index last;             /* base.index where the log is empty */
    const struct raft_run *runs; /* all entries base.index + 1 .. last */
    size_t run_count;
    const struct raft_config_entry *configs; /* ascending; also those of entries
                                                that are gone */
    size_t config_count;
    const raft_index *others; /* ascending: all that are not RAFT_KIND_APP */
    size_t other_count;
    /* The newest entries, without a gap, up to `last`: at least from `commit`
     * (or from base.index + 1, if that is later) on, because what is not known
     * to be committed can be truncated.  The rest is fetched when needed. */
    const struct raft_entry *tail;
    size_t tail_count;
    /* The keys of all entries before the tail that are remembered, those of
     * the base too, packed as in core/keys.h; size 0: there are none.  Those
     * of the tail are in it. */
    const void *keys;
    size_t keys_size;
};

/* NULL where `start` contradicts itself (a vote without a term, runs that do
 * not ascend, a configuration that cannot be read, a commit index past the
 * log): *why says how, a constant. */
struct raft *raft_new(const struct raft_settings *settings,
                      const struct raft_start *start, struct raft_now now,
                      const char **why);
void raft_free(struct raft *raft);

/* New time-outs or limits; id, instance and seed stay as they were. */
void raft_set(struct raft *raft, const struct raft_settings *settings);
/* Whether nobody here waits for entries to be committed: then a leader may let
 * this node know of it a little later, with what comes next.  False at first.
 */
void raft_set_patient(struct raft *raft, bool patient);
/* Whether the configuration in force names this node: under its id an older one
 * may name a data directory that was lost. */
bool raft_is_member(const struct raft *raft);

/* ---- messages ----------------------------------------------------------- */

enum raft_message_type {
    RAFT_MESSAGE_VOTE = 1, /* RequestVote and pre-vote (5.2, 9.6) */
    RAFT_MESSAGE_VOTE_ANSWER = 2,
    RAFT_MESSAGE_APPEND = 3, /* AppendEntries (5.3); no entries: a heartbeat */
    RAFT_MESSAGE_APPEND_ANSWER = 4,
    RAFT_MESSAGE_READ = 5, /* a follower asks for a read index */
    RAFT_MESSAGE_READ_ANSWER = 6,
    RAFT_MESSAGE_TIMEOUT_NOW = 7 /* campaign at once (thesis 3.10) */
};

struct raft_message {
    enum raft_message_type type;
    raft_id from;
    raft_id to;
    raft_term term; /* the sender's; of a pre-vote, the term it would have,
                       as of a pre-vote's yes */
    union {
        struct {
            raft_index last_index; /* the end of the candidate's log */
            raft_term last_term;
            bool pre;
            bool transfer; /* the leader asked for it: do not withhold */
        } vote;
        struct {
            bool pre;
            bool granted;
        } vote_answer;
        struct {
            raft_index prev_index;
            raft_term prev_term;
            struct digest prev_chain; /* zeros where the sender knows none */
            raft_index commit;
            raft_index needed; /* as in struct raft_status */
            uint64_t round;    /* of heartbeats: echoed by the answer (6.4) */
            struct raft_entry *entries; /* owned by the message */
            size_t entry_count;
            bool quiet; /* it only tells the commit index: success needs no
                           answer */
        } append;
        struct {
            bool ok;
            raft_index match;      /* ok: the last entry known to be equal */
            raft_index hint_index; /* not ok: where to try next … */
            raft_term
                hint_term; /* … and the term of the answerer's entry there */
            raft_index last; /* the end of the answerer's log */
            uint64_t round;
            bool patient; /* nobody here waits for what is committed */
        } append_answer;
        struct {
            uint64_t context; /* the asker's number for this question */
        } read;
        struct {
            uint64_t context;
            raft_index index; /* the read index */
            bool ok;          /* no: I do not lead */
        } read_answer;
    };
};

/* Frees what the message owns. */
void raft_message_clear(struct raft_message *message);

/* ---- events ------------------------------------------------------------- */

enum raft_event_type {
    RAFT_EVENT_MESSAGE, /* from a peer whose identity the link has proved */
    RAFT_EVENT_PROPOSE, /* append an app's entry, if this node leads */
    RAFT_EVENT_READ,    /* a read index, from here or from the leader (6.4) */
    RAFT_EVENT_SAVED,   /* the end of the save under way */
    RAFT_EVENT_FETCHED, /* old entries for a peer */
    RAFT_EVENT_LINK,    /* the way to a peer is there, or gone */
    RAFT_EVENT_BIRTH,   /* the first configuration (only on an empty log) */
    RAFT_EVENT_FORGET_READ, /* nobody waits for this ticket's read any more */
    RAFT_EVENT_DISK,     /* the save under way takes too long, or has ended */
    RAFT_EVENT_CHANGE,   /* to another configuration (core/change.h) */
    RAFT_EVENT_ABORT,    /* turn the open change back */
    RAFT_EVENT_TRANSFER, /* hand leadership over (thesis 3.10) */
    RAFT_EVENT_GONE,     /* a peer cannot be reached: if it led, who is next? */
    RAFT_EVENT_COMPACT,  /* drop the oldest entries: the base moves up */
    RAFT_EVENT_INSTALL,  /* another node's base is here, whole */
    RAFT_EVENT_INSTALLED /* how far a peer is with the base it is sent */
};

/* Borrowed for the step; core shares what it keeps. */
struct raft_event {
    enum raft_event_type type;
    union {
        const struct raft_message *message;
        struct {
            struct raft_ticket ticket;
            struct blob *key; /* NULL: none; else only where no entry that
                                 is remembered has it … */
            raft_index since; /* … nor one behind `since` that is forgotten;
                                 RAFT_INDEX_NONE: that does not matter */
            raft_term fence;  /* 0: none; else only in this very term */
            raft_index after; /* only if no app's entry is behind this one;
                                 RAFT_INDEX_NONE: wherever */
            struct blob *payload;
        } propose;
        struct {
            struct raft_ticket ticket;
        } read;
        struct {
            uint64_t state;   /* as the save had them */
            raft_index index; /* its last entry; 0: it had none */
            raft_term term;
        } saved;
        struct {
            raft_id peer;
            raft_index first;         /* as the fetch asked */
            struct digest prev_chain; /* of entry first - 1 */
            const struct raft_entry *entries;
            size_t entry_count; /* 0: it failed; asked again later */
        } fetched;
        struct {
            raft_id peer;
            bool up;
        } link;
        struct {
            struct blob *payload; /* the configuration's bytes */
        } birth;
        struct {
            /* A leader hands over or steps down, in its term and in memory,
             * and nobody campaigns, until the disk is heard of again. */
            bool stalls;
        } disk;
        struct {
            struct raft_ticket ticket; /* zeros: nobody asks */
            struct blob *payload;      /* a simple configuration's bytes, all of
                                          its instances known */
            bool force;                /* though the new voters are not alive */
        } change;
        struct {
            struct raft_ticket ticket;
        } abort;
        struct {
            struct raft_ticket ticket; /* zeros: nobody asks */
            raft_id peer; /* RAFT_ID_NONE: the most up-to-date voter */
        } transfer;
        struct {
            raft_id peer;
        } gone;
        struct {
            raft_index index;    /* the last one to go; at most the told one */
            struct digest chain; /* of that entry, which may not be in memory */
            uint64_t unix_ms;
        } compact;
        /* Ignored where this node does not follow, or knows already that so
         * much is committed; whether it took effect is in raft_status(). */
        const struct raft_install *install;
        struct {
            raft_id peer;
            raft_index index; /* it has entries up to here; 0: only part of
                                 the base so far, but more than before */
        } installed;
    };
};

/* Take all events, in their order, and let time pass until `now`, which never
 * goes back. */
void raft_step(struct raft *raft, struct raft_now now,
               const struct raft_event *events, size_t count);

/* The monotonic time at which raft_step() is wanted again, events or not. */
uint64_t raft_deadline_us(const struct raft *raft);

/* ---- effects ------------------------------------------------------------ */

enum raft_refusal {
    RAFT_REFUSED_NOT_LEADER, /* `leader` may know more */
    RAFT_REFUSED_BUSY,       /* too much is uncommitted */
    RAFT_REFUSED_FENCED,     /* `term` is the present one */
    RAFT_REFUSED_STALE,      /* entry `index` of `term` is an app's, behind
                                `after`: the last one; `term` as below */
    RAFT_REFUSED_FORGOTTEN   /* keys up to `index`, which is behind `since`,
                                are forgotten */
};

enum raft_tell_type {
    RAFT_TELL_ACCEPTED, /* a proposal is entry `index` of `term` */
    RAFT_TELL_FOUND,    /* nothing was appended: entry `index` of `term` has
                           the key; term 0: it is committed */
    RAFT_TELL_REFUSED,  /* a proposal never entered the log */
    RAFT_TELL_READ,     /* a read may go on once `index` is told here */
    RAFT_TELL_COMMIT,   /* entries up to `index` are committed and saved here */
    RAFT_TELL_ROLE,     /* raft_status(): role, term or leader changed */
    RAFT_TELL_CONFIG,   /* the configuration in force, or raft_contacts() */
    RAFT_TELL_CHANGE,   /* a change, or an order to turn back, ended */
    RAFT_TELL_TRANSFER, /* a transfer ended */
    RAFT_TELL_INSTALL   /* `peer` needs this node's base: it is in
                           RAFT_PEER_SNAPSHOT */
};

struct raft_tell {
    enum raft_tell_type type;
    struct raft_ticket ticket;
    enum raft_refusal refusal;
    enum raft_change_end change;
    enum raft_transfer_end transfer;
    raft_id peer; /* CHANGE: at whom it failed; TRANSFER: to whom it went;
                     INSTALL: who needs it */
    raft_index index;
    raft_term term;
};

/* Read entries first .. at most last, about bytes_max of them but at least
 * one, for `peer`; the answer is RAFT_EVENT_FETCHED.  At most one is open for
 * each peer. */
struct raft_fetch {
    raft_id peer;
    raft_index first;
    raft_index last;
    size_t bytes_max;
};

/* For the operator: the daemon logs it, the simulator traces it. */
struct raft_note {
    enum log_level level;
    char text[200];
};

struct raft_effects {
    struct raft_message *messages;
    size_t message_count;
    struct raft_tell *tells;
    size_t tell_count;
    struct raft_fetch *fetches;
    size_t fetch_count;
    struct raft_note *notes;
    size_t note_count;
};

/* What the last steps brought about since the last clear.  Borrowed. */
const struct raft_effects *raft_effects(const struct raft *raft);
void raft_effects_clear(struct raft *raft);

/* What is to be made durable, all in one transaction and in this order. */
struct raft_save {
    uint64_t state;   /* number of the newest term and vote in it */
    bool state_dirty; /* term and vote are new */
    raft_term term;
    raft_id vote;
    raft_index commit; /* rides in the rows, and in the state */
    bool base_dirty;   /* the base is new: entries up to it may go */
    struct raft_base base;
    struct raft_install *install; /* owned; the base is another node's: all
                                     entries that are on disk are of no log any
                                     more.  NULL: it is this log's own */
    raft_index truncate_from;     /* drop this entry and all behind; 0: none */
    struct raft_entry *entries;   /* owned */
    size_t entry_count;
};

/* Gives the next save: term and vote first, then at most `bytes_max` of
 * entries (one always goes).  False: nothing is to be saved (with `commit_too`,
 * a commit index that is newer than the last save's is enough).  The caller
 * owns what is in *save: raft_save_clear().  One at a time, the same one again
 * until it succeeds: an index that was sent is never used again in its term,
 * whatever the disk says. */
bool raft_take_save(struct raft *raft, size_t bytes_max, bool commit_too,
                    struct raft_save *save);
void raft_save_clear(struct raft_save *save);

/* ---- looking in --------------------------------------------------------- */

struct raft_status {
    enum raft_role role;
    raft_term term;
    raft_id vote;
    raft_id leader;    /* RAFT_ID_NONE: none known */
    raft_index commit; /* may be ahead of what is saved here */
    raft_index told;   /* committed and saved: what apps may see */
    raft_index saved;  /* durable here */
    raft_index last;
    raft_index first;    /* base + 1 */
    raft_index needed;   /* every member has the entries up to here: as a leader
                            sees it, or was told by the one of its term */
    raft_index last_app; /* the last told entry of RAFT_KIND_APP; 0: none */
    bool term_committed; /* a leader's: an entry of its term is told */
    uint64_t
        leader_heard_us; /* mono; when the leader was last heard; 0: never */
    size_t uncommitted_bytes;
    uint64_t elections; /* campaigns begun here, since the start */
    uint64_t window_bytes;
    size_t keys_held; /* keys in memory */
    size_t keys_bytes;
    raft_index keys_forgotten; /* the newest entry whose key is not; 0: none */
};

void raft_status(const struct raft *raft, struct raft_status *status);

/* "leader", "follower", "candidate", "learner", "idle": as ROLE says it. */
const char *raft_role_word(const struct raft *raft);

/* The configuration in force: that of the newest entry of its kind, committed
 * or not (section 6).  Borrowed until the next step; NULL: none.  *index is
 * its entry's, where not NULL. */
const struct raft_config *raft_config_now(const struct raft *raft,
                                          raft_index *index);

/* The nodes that this one wants a link with: the members of its configuration,
 * and, while it leads, whom it catches up and whom it still lets know that
 * they are no longer members.  None where it is no member, does not lead and
 * cannot campaign: those who need it find it.  At most `max` are written to
 * `members`, whose address and instance are those to be used; never this node
 * itself. */
#define RAFT_CONTACTS_MAX ((size_t)RAFT_MEMBERS_MAX * 2)
size_t raft_contacts(const struct raft *raft, struct raft_member *members,
                     size_t max);

void raft_change_status(const struct raft *raft,
                        struct raft_change_status *status);
/* False: `id` is not being caught up. */
bool raft_catch_up(const struct raft *raft, raft_id id,
                   struct raft_catch_up *catch_up);
/* Whether, as this leader sees it, a majority of each set of voters was heard
 * within an election time-out (a node that is new here: has a link). */
bool raft_config_alive(const struct raft *raft,
                       const struct raft_config *config);
/* The same of one node. */
bool raft_is_alive(const struct raft *raft, raft_id id);

/* All configurations, oldest first.  Borrowed until the next step. */
const struct raft_config_entry *raft_config_history(const struct raft *raft,
                                                    size_t *count);

/* The entry, borrowed until the next step; NULL where it is not in memory. */
const struct raft_entry *raft_entry_at(const struct raft *raft,
                                       raft_index index);

/* The term of an entry base .. last, from memory, always known; 0 elsewhere. */
raft_term raft_term_at(const struct raft *raft, raft_index index);

/* The digest of the log up to entry `index`, where it is in memory. */
bool raft_chain_at(const struct raft *raft, raft_index index,
                   struct digest *chain);

/* The newest told entry that carries `key` (1 .. RAFT_KEY_MAX bytes), of those
 * remembered; 0: none. */
raft_index raft_key_index(const struct raft *raft, const struct blob *key);

/* Appended to `buf`, packed as in core/keys.h: the keys that a base at `upto`,
 * which must be told, carries. */
void raft_keys_pack(const struct raft *raft, raft_index upto, struct buf *buf);

/* Appended to `buf`: what would lie under the log if it were cut at `index`,
 * which is told and not below the present base.  Chain and time are that
 * entry's. */
void raft_base_pack(const struct raft *raft, raft_index index,
                    struct digest chain, uint64_t unix_ms, struct buf *buf);
/* What lies under it now. */
const struct raft_base *raft_base_now(const struct raft *raft);

/* The last entry of RAFT_KIND_APP at or before `index`, of those told; it is
 * kept exact for every index that a read can ask for.  0: none. */
raft_index raft_last_app_at(const struct raft *raft, raft_index index);

enum raft_peer_state {
    RAFT_PEER_PROBE,    /* one append at a time, until the logs agree */
    RAFT_PEER_PIPELINE, /* several in flight, nextIndex runs ahead */
    RAFT_PEER_FETCH,    /* waits for old entries from the store */
    RAFT_PEER_SNAPSHOT /* what it needs is gone: it gets the base (section 7) */
};

struct raft_peer_status {
    enum raft_peer_state state;
    raft_index match;
    raft_index next;
    size_t inflight_messages;
    size_t inflight_bytes;
    uint64_t heard_us; /* mono; 0: never */
    bool up;
    bool lost; /* it lacks entries that it had acknowledged: not counted on */
};

/* False where nothing is replicated to `id` from here. */
bool raft_peer_status(const struct raft *raft, raft_id id,
                      struct raft_peer_status *status);

/* All of it as text, for traces: one line. */
void raft_show(const struct raft *raft, struct buf *buf);
/* A message as text: "append n1 t4 7:3 +2 commit 7 round 9". */
void raft_message_show(const struct raft_message *message, struct buf *buf);

#endif
