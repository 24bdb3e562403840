/* What the files of tests/core/script share; script.c says what a script is.
 *
 *   script.c          files, blocks, main
 *   script_command.c  a line of a script -> what is done
 *   script_core.c     the cores: their steps, disks, lives and clocks
 *   script_net.c      what is on its way between them
 *   script_say.c      what comes of it, as lines of the trace */
#ifndef RAFTSC_TESTS_CORE_SCRIPT_H
#define RAFTSC_TESTS_CORE_SCRIPT_H

#include "core/raft.h"

#define CORES_MAX 8
#define WAY_MAX 4096

struct core {
    struct raft *raft;
    uint64_t ahead_us; /* its clock, of everybody's */
    bool saving;
    struct raft_save save;
    /* What is durable: */
    raft_term term;
    raft_id vote;
    raft_index commit;
    struct raft_base base;
    struct raft_entry *entries; /* those under the base too */
    size_t count;
    size_t capacity;
};

struct script {
    struct buf out; /* the trace of this block */
    uint64_t now_us;
    struct raft_settings settings;
    struct raft_config config;
    raft_term logs[CORES_MAX + 1][32];
    size_t log_counts[CORES_MAX + 1];
    raft_term terms[CORES_MAX + 1];
    size_t count;
    struct core cores[CORES_MAX + 1]; /* from 1 */
    struct raft_message way[WAY_MAX];
    size_t way_count;
    struct raft_message kept[WAY_MAX];
    size_t kept_count;
    bool up[CORES_MAX + 1][CORES_MAX + 1];
    bool quiet; /* no messages in the trace */
    bool roles; /* changes of role, term and leader in the trace */
    uint64_t next_ticket;
};

/* ---- script_command.c --------------------------------------------------- */

/* Does what a line says, which it takes apart. */
void script_command(struct script *script, char *line);

/* ---- script_core.c ------------------------------------------------------ */

/* As the lines before `nodes` said; `count` of them know of one another. */
void core_make_all(struct script *script, size_t count, size_t all);
void core_start(struct script *script, size_t at);
void core_crash(struct script *script, size_t at);
void core_free(struct core *core);
/* `from` packs what would lie under its log at `index` (0: at its base), and
 * `to` has it whole. */
void core_install(struct script *script, size_t from, size_t to,
                  raft_index index);
void core_cut(struct script *script, size_t at, raft_index index);

/* NULL: only time passes. */
void core_step(struct script *script, size_t at,
               const struct raft_event *event);
/* False: no save was under way. */
bool core_end_save(struct script *script, size_t at);
/* When this core acts by itself, on everybody's clock. */
uint64_t core_deadline_us(const struct script *script, size_t at);
void core_pass_time(struct script *script, uint64_t until_us);
void core_link(struct script *script, size_t a, size_t b, bool up);

/* ---- script_net.c ------------------------------------------------------- */

void net_post(struct script *script, const struct raft_message *message);
/* What is on its way now, from `from` (0: from all) to `to` (0: to all),
 * arrives, or is lost; what comes of it is on its way later.  False: nothing
 * was. */
bool net_deliver(struct script *script, size_t from, size_t to, bool lose);
void net_keep(struct script *script, size_t from, size_t to);
void net_again(struct script *script);
/* A message that no honest core sends. */
void net_forge(struct script *script, size_t from, size_t to, const char *kind,
               const unsigned long long *v);
void net_clear(struct script *script);

/* ---- script_say.c ------------------------------------------------------- */

void say(struct script *script, size_t core, const char *text);
/* The same, of what is in `text`, which it frees. */
void say_buf(struct script *script, size_t core, struct buf *text);
void say_message(struct script *script, const struct raft_message *message);
void say_save(struct script *script, size_t core, const struct raft_save *save);
void say_tell(struct script *script, size_t core, const struct raft_tell *tell);
void say_state(struct script *script, size_t core);
void say_log(struct script *script, size_t core);
void say_members(struct script *script, size_t core);
void say_contacts(struct script *script, size_t core);

#endif
