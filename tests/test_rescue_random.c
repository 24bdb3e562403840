/* Backups of running nodes, quorums that are lost for good, and what comes of
 * both, at random: three nodes are killed and started, cut their logs and are
 * backed up; then two of them are lost, what is left is recovered, one of the
 * lost comes back, and a backup is restored as a cluster of its own.
 *
 *   test_rescue_random [--seed=N] [--seeds=N]
 *
 * What must hold: a backup is sound and holds what was committed, and nothing
 * else; what lies in the recovered directory stays; a node of the old epoch
 * never has any part in the new one, and acknowledges nothing. */
#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "rescue/small.h"
#include "store/offline.h"

#define ENTRIES_MAX 8192
#define NUMBERS_MAX 8192
#define BACKUPS_MAX 8
#define KEYS_MAX 900 /* fewer than are remembered */
/* Answers to these are looked at where they were asked. */
#define ASKED_OTHER 0
#define ASKED_PROMOTE (NUMBERS_MAX + 1)
#define ASKED_OUTCOME (NUMBERS_MAX + 2)

struct backup {
    char file[64];
    raft_index last;
    struct digest chain;
};

struct run {
    struct small small;
    uint64_t seed;
    char root[40];
    struct member *first[3]; /* those of the first epoch */
    struct member *member[3];
    struct member *old; /* of the old epoch, back again; NULL: none yet */
    raft_index old_last;
    struct digest chain[ENTRIES_MAX]; /* of what was committed, by index … */
    bool known[ENTRIES_MAX];
    raft_index acked[NUMBERS_MAX]; /* by number of a SUBMIT; 0: not */
    uint64_t numbers;
    uint64_t ack_count;
    raft_index recovered; /* the last entry before the new epoch; 0: no yet */
    struct backup backups[BACKUPS_MAX];
    size_t backup_count;
    bool promoted;
    raft_index outcome;
    size_t directories;
};

/* What happened in all runs: none may be missing. */
static struct {
    uint64_t compared; /* entries that were known before */
    uint64_t acked;
    uint64_t backups;
    uint64_t bases; /* … of a log that was cut */
    uint64_t lost;  /* entries that were acknowledged, and not recovered */
    uint64_t olds;  /* nodes of the old epoch that came back */
    uint64_t outcomes;
} seen;

static void fail(const struct run *run, const char *format, ...)
    __attribute__((noreturn, format(printf, 2, 3)));

static void fail(const struct run *run, const char *format, ...)
{
    va_list arguments;
    printf("FAIL seed=%llu at %.3f s: ", (unsigned long long)run->seed,
           (double)run->small.now_us / 1e6);
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    printf("\nagain: tests/test_rescue_random --seed=%llu\nfiles: %s\n",
           (unsigned long long)run->seed, run->root);
    exit(1);
}

/* ---- apps --------------------------------------------------------------- */

static void answered(void *context, struct member *member, uint64_t number,
                     const char *line)
{
    struct run *run = context;
    raft_index index = line[0] == ':' ? strtoull(line + 1, NULL, 10) : 0;
    if (number == ASKED_PROMOTE) {
        run->promoted = run->promoted || index > 0;
    } else if (number == ASKED_OUTCOME) {
        run->outcome = index;
    } else if (number != ASKED_OTHER && index > 0) {
        if (member == run->old) {
            fail(run, "a node of the old epoch acknowledged: %s", line);
        }
        run->acked[number] = index;
        run->ack_count++;
        seen.acked++;
    }
}

static void submit(struct run *run, struct member *member)
{
    char line[96];
    if (member->node == NULL || member->asked_count > 10 ||
        run->numbers + 1 >= KEYS_MAX) {
        return;
    }
    uint64_t number = ++run->numbers;
    snprintf(line, sizeof(line), "SUBMIT e%llu KEY k%llu\r\n",
             (unsigned long long)number, (unsigned long long)number);
    small_ask(member, number, line);
}

/* ---- what is committed -------------------------------------------------- */

static void check_entry(struct run *run, const struct raft_entry *entry,
                        const char *where)
{
    raft_index index = entry->index;
    if (run->known[index] && !digest_equal(run->chain[index], entry->chain)) {
        fail(run, "%s has another entry %llu than was committed", where,
             (unsigned long long)index);
    }
    seen.compared += run->known[index];
}

static void check_member(struct run *run, struct member *member)
{
    struct raft_status status;
    raft_status(node_raft(member->node), &status);
    if (member == run->old) {
        if (status.role == RAFT_ROLE_LEADER || status.told > run->old_last) {
            fail(run, "a node of the old epoch leads, or commits");
        }
        return;
    }
    for (raft_index i = status.told; i > 0; i--) {
        const struct raft_entry *entry =
            raft_entry_at(node_raft(member->node), i);
        if (entry == NULL) {
            break;
        }
        check_entry(run, entry, "a node");
        run->known[i] = true;
        run->chain[i] = entry->chain;
    }
}

static void step(struct run *run)
{
    struct small *small = &run->small;
    small_step(small);
    for (size_t i = 0; i < small->member_count; i++) {
        if (small->members[i].node != NULL) {
            check_member(run, &small->members[i]);
        }
    }
    if (prng_chance(&small->prng, 4)) {
        submit(run,
               &small->members[prng_below(&small->prng, small->member_count)]);
    }
}

/* ---- directories -------------------------------------------------------- */

static void make_directory(struct run *run, char *path, size_t size)
{
    char command[160];
    snprintf(path, size, "%s/d%zu", run->root, run->directories++);
    snprintf(command, sizeof(command), "mkdir %s", path);
    if (system(command) != 0) {
        fail(run, "%s", command);
    }
}

struct look {
    struct run *run;
    const char *where;
    raft_index base;
    raft_index last;
    bool commits; /* all that is in it counts from now on */
};

static void hear_problem(void *context, const char *text)
{
    struct look *look = context;
    fail(look->run, "%s: %s", look->where, text);
}

static bool see_entry(void *context, const struct offline_entry *row)
{
    struct look *look = context;
    struct run *run = look->run;
    raft_index index = row->entry.index;
    check_entry(run, &row->entry, look->where);
    if (look->commits) {
        run->known[index] = true;
        run->chain[index] = row->entry.chain;
    }
    return true;
}

/* Sound, and of one mind with what was committed, up to `last`. */
static struct digest check_place(struct run *run, struct look *look)
{
    struct store_error error = {0};
    struct offline_verdict verdict = {0};
    struct offline *offline = offline_open(look->where, &error);
    const struct node_start *start =
        offline == NULL ? NULL : offline_start(offline, &error);
    if (start == NULL) {
        fail(run, "%s", error.text);
    }
    look->run = run;
    look->base = start->raft.base.index;
    look->last = look->last == 0 ? start->raft.last : look->last;
    if (!offline_verify(offline, hear_problem, look, &verdict, &error) ||
        !offline_entries(offline, 1, look->last, see_entry, look, &error)) {
        fail(run, "%s", error.text);
    }
    offline_close(offline);
    return verdict.chain;
}

/* ---- the first epoch ---------------------------------------------------- */

static void back_up(struct run *run, struct member *member)
{
    struct backup *backup = &run->backups[run->backup_count];
    struct raft_status status;
    struct store_error error = {0};
    raft_index written = 0;
    raft_status(node_raft(member->node), &status);
    if (run->backup_count == BACKUPS_MAX || status.told == 0) {
        return;
    }
    snprintf(backup->file, sizeof(backup->file), "%s/b%zu", run->root,
             run->backup_count);
    struct offline *offline = offline_open_live(member->directory, &error);
    if (offline == NULL || !offline_backup(offline, status.told, backup->file,
                                           "small", &written, &error)) {
        fail(run, "no backup: %s", error.text);
    }
    offline_close(offline);
    struct look look = {.where = backup->file};
    backup->chain = check_place(run, &look);
    backup->last = written;
    if (look.last != status.told || written != status.told) {
        fail(run, "a backup up to %llu ends at %llu",
             (unsigned long long)status.told, (unsigned long long)look.last);
    }
    run->backup_count++;
    seen.backups++;
    seen.bases += look.base > 0;
}

static void compact(struct run *run, struct member *member)
{
    struct raft_status status;
    char line[64];
    raft_status(node_raft(member->node), &status);
    if (status.told > status.first) {
        snprintf(line, sizeof(line), "COMPACT %llu FORCE\r\n",
                 (unsigned long long)prng_range(&run->small.prng, status.first,
                                                status.told));
        small_ask(member, ASKED_OTHER, line);
    }
}

/* Something that happens to one of three now and then. */
static void stir(struct run *run, bool back_ups)
{
    struct prng *prng = &run->small.prng;
    struct member *member = run->member[prng_below(prng, 3)];
    if (member->node == NULL) {
        if (prng_chance(prng, 50)) {
            small_start(member);
        }
        return;
    }
    switch (prng_below(prng, 400)) {
    case 0:
        small_kill(member);
        break;
    case 1:
    case 2:
        compact(run, member);
        break;
    case 3:
    case 4:
    case 5:
        if (back_ups) {
            back_up(run, member);
        }
        break;
    default:
        break;
    }
}

static void begin(struct run *run)
{
    static const char list[] = "1=h1:1, 2=h2:1, 3=h3:1";
    for (raft_id id = 1; id <= 3; id++) {
        char directory[80];
        char address[16];
        make_directory(run, directory, sizeof(directory));
        snprintf(address, sizeof(address), "h%lu:1", (unsigned long)id);
        run->first[id - 1] =
            small_member(&run->small, id, directory, address, list);
        run->member[id - 1] = run->first[id - 1];
        small_start(run->first[id - 1]);
    }
    for (int i = 0; run->ack_count < 5; i++) {
        if (i > 3000) {
            fail(run, "no cluster is born");
        }
        step(run);
    }
}

/* ---- a lost quorum ------------------------------------------------------ */

static raft_term last_term(const struct raft_start *raft)
{
    return raft->run_count == 0 ? raft->base.term
                                : raft->runs[raft->run_count - 1].term;
}

/* Of one or two directories the one with the most complete log, as raftctl
 * picks it. */
static struct member *pick(struct run *run, raft_term *term)
{
    struct prng *prng = &run->small.prng;
    struct member *best = NULL;
    raft_index best_last = 0;
    raft_term best_term = 0;
    uint64_t from = prng_below(prng, 3);
    uint64_t count = prng_range(prng, 1, 2);
    *term = 0;
    for (uint64_t i = from; i < from + count; i++) {
        struct store_error error = {0};
        struct member *member = run->first[i % 3];
        struct offline *offline = offline_open(member->directory, &error);
        const struct node_start *start = offline_start(offline, &error);
        raft_term found = last_term(&start->raft);
        if (best == NULL || found > best_term ||
            (found == best_term && start->raft.last > best_last)) {
            best = member;
            best_term = found;
            best_last = start->raft.last;
        }
        *term = start->raft.term > *term ? start->raft.term : *term;
        offline_close(offline);
    }
    return best;
}

/* From now on all that the directory has was committed, and what was not in it
 * was not. */
static void take_over(struct run *run, struct member *picked)
{
    struct look look = {.where = picked->directory, .commits = true};
    struct store_error error = {0};
    struct offline *offline = offline_open(picked->directory, &error);
    raft_index last = offline_start(offline, &error)->raft.last;
    offline_close(offline);
    for (raft_index i = last + 1; i < ENTRIES_MAX; i++) {
        run->known[i] = false;
    }
    check_place(run, &look);
    run->recovered = last;
    for (uint64_t i = 1; i <= run->numbers; i++) {
        seen.lost += run->acked[i] > last;
        run->acked[i] = run->acked[i] > last ? 0 : run->acked[i];
    }
}

static void recover(struct run *run)
{
    struct store_error error = {0};
    struct raft_config members;
    char why[256];
    raft_term term;
    for (int i = 0; i < 3; i++) {
        small_kill(run->first[i]);
    }
    struct member *picked = pick(run, &term);
    take_over(run, picked);
    if (!raft_config_parse("1=h1:1, 2=h2:1, 3=h3:1", &members, why,
                           sizeof(why)) ||
        !offline_recover(
            picked->directory, picked->id, &members, term + OFFLINE_TERM_LEAP,
            prng_range(&run->small.prng, 1, 1u << 30), "small", &error)) {
        fail(run, "no recovery: %s%s", why, error.text);
    }
    for (int i = 0; i < 3; i++) {
        if (run->first[i] != picked) {
            char directory[80];
            make_directory(run, directory, sizeof(directory));
            run->member[i] =
                small_member(&run->small, run->first[i]->id, directory,
                             run->first[i]->address, picked->bootstrap);
        }
        small_start(run->member[i]);
    }
}

/* One alone: two of three could go on as the cluster that they were. */
static void bring_back(struct run *run)
{
    struct store_error error = {0};
    struct member *old = run->first[prng_below(&run->small.prng, 3)];
    for (int i = 0; i < 3; i++) {
        if (run->member[i] == old) {
            return;
        }
    }
    struct offline *offline = offline_open(old->directory, &error);
    run->old_last = offline_start(offline, &error)->raft.last;
    offline_close(offline);
    run->old = old;
    seen.olds++;
    small_start(old);
}

static void promote(struct run *run)
{
    for (int i = 0; i < 3; i++) {
        char line[64];
        struct member *member = run->member[i];
        if (member->node != NULL && member->asked_count < 3) {
            snprintf(line, sizeof(line),
                     "CONFIG CHANGE 1=h1:1 2=h2:1 3=h3:1\r\n");
            small_ask(member, ASKED_PROMOTE, line);
        }
    }
}

static void go_on(struct run *run)
{
    bring_back(run);
    for (int i = 0; !run->promoted; i++) {
        if (i > 6000) {
            fail(run, "the recovered node does not get its members");
        }
        if (i % 200 == 199) {
            promote(run);
        }
        step(run);
    }
    uint64_t wanted = run->ack_count + 20;
    for (int i = 0; i < 6000 && run->ack_count < wanted; i++) {
        step(run);
        if (i < 400) {
            stir(run, false);
        }
        for (int j = 0; j < 3 && i > 400; j++) {
            if (run->member[j]->node == NULL) {
                small_start(run->member[j]);
            }
        }
    }
    if (run->ack_count < wanted) {
        fail(run, "the recovered cluster does not go on");
    }
    for (size_t i = 0; i < run->small.member_count; i++) {
        small_kill(&run->small.members[i]);
    }
    for (int i = 0; i < 3; i++) {
        struct look look = {.where = run->member[i]->directory};
        check_place(run, &look);
        if (look.last < run->recovered) {
            fail(run, "%s has lost what was recovered", look.where);
        }
    }
}

/* ---- a restored backup -------------------------------------------------- */

static void check_restored(struct run *run, struct member *member,
                           const struct backup *backup)
{
    for (uint64_t i = 1; i <= run->numbers; i++) {
        raft_index index = run->acked[i];
        char line[64];
        if (index == 0 || index > backup->last || index > run->recovered ||
            !prng_chance(&run->small.prng, 10)) {
            continue;
        }
        snprintf(line, sizeof(line), "OUTCOME k%llu\r\n",
                 (unsigned long long)i);
        run->outcome = 0;
        small_ask(member, ASKED_OUTCOME, line);
        for (int j = 0; j < 200 && run->outcome == 0; j++) {
            small_step(&run->small);
        }
        seen.outcomes++;
        if (run->outcome != index) {
            fail(run, "the restored node has key %llu at %llu, not %llu",
                 (unsigned long long)i, (unsigned long long)run->outcome,
                 (unsigned long long)index);
        }
    }
}

static void restore(struct run *run)
{
    struct store_error error = {0};
    char directory[80];
    if (run->backup_count == 0) {
        return;
    }
    const struct backup *backup =
        &run->backups[prng_below(&run->small.prng, run->backup_count)];
    /* It may have what the recovered log had not. */
    for (raft_index i = run->recovered + 1; i < ENTRIES_MAX; i++) {
        run->known[i] = false;
    }
    snprintf(directory, sizeof(directory), "%s/restored", run->root);
    if (!offline_restore(backup->file, directory, "", "small", &error)) {
        fail(run, "no restore: %s", error.text);
    }
    struct look look = {.where = directory};
    if (!digest_equal(check_place(run, &look), backup->chain)) {
        fail(run, "what is restored is not what was backed up");
    }
    struct member *member = small_member(&run->small, 9, directory, "h9:1", "");
    small_start(member);
    struct raft_status status = {0};
    for (int i = 0; i < 2000 && status.told < backup->last + 2; i++) {
        small_step(&run->small);
        raft_status(node_raft(member->node), &status);
    }
    if (status.told < backup->last + 2) {
        fail(run, "the restored node does not lead");
    }
    check_restored(run, member, backup);
    small_kill(member);
    look.last = backup->last;
    check_place(run, &look);
}

/* ---- all of it ---------------------------------------------------------- */

static void remove_root(const struct run *run)
{
    char command[80];
    snprintf(command, sizeof(command), "rm -rf %s", run->root);
    if (system(command) != 0) {
        exit(1);
    }
}

static void run_seed(uint64_t seed)
{
    static struct run run;
    run = (struct run){.seed = seed};
    prng_seed(&run.small.prng, seed);
    run.small.now_us = 1000;
    run.small.answered = answered;
    run.small.context = &run;
    snprintf(run.root, sizeof(run.root), "%s/raftsc-rescue-XXXXXX",
             access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    if (mkdtemp(run.root) == NULL) {
        perror(run.root);
        exit(1);
    }
    begin(&run);
    uint64_t steps = prng_range(&run.small.prng, 50, 1200);
    for (uint64_t i = 0; i < steps; i++) {
        step(&run);
        stir(&run, true);
    }
    recover(&run);
    go_on(&run);
    restore(&run);
    small_free(&run.small);
    remove_root(&run);
}

int main(int argc, char **argv)
{
    unsigned long long seeds = 10;
    unsigned long long number;
    for (int i = 1; i < argc; i++) {
        if (sscanf(argv[i], "--seed=%llu", &number) == 1) {
            run_seed(number);
            return 0;
        }
        if (sscanf(argv[i], "--seeds=%llu", &number) == 1) {
            seeds = number;
        }
    }
    for (unsigned long long seed = 1; seed <= seeds; seed++) {
        run_seed(seed);
    }
    printf("%llu seeds passed: %llu acknowledged, %llu of them lost with the "
           "quorum, %llu backups, %llu of cut logs, %llu old nodes came back, "
           "%llu keys found in restored logs, %llu entries compared\n",
           seeds, (unsigned long long)seen.acked, (unsigned long long)seen.lost,
           (unsigned long long)seen.backups, (unsigned long long)seen.bases,
           (unsigned long long)seen.olds, (unsigned long long)seen.outcomes,
           (unsigned long long)seen.compared);
    assert(seeds < 10 || (seen.backups > 0 && seen.bases > 0));
    assert(seeds < 10 || (seen.olds > 0 && seen.outcomes > 0));
    return 0;
}
