/* Whether it pays that a batch waits for those who are about to ask again is
 * tried, not guessed.
 *
 * Where clients ask again as soon as they are answered, waiting for them makes
 * one large batch out of several small ones, and more entries go through in the
 * same time.  Where they come by a clock of their own, or over a far network,
 * it only makes each wait longer.  What can be seen of one batch does not tell
 * the two apart; the rate does.  So a trial goes to and fro between waiting and
 * not waiting, lest what disturbs both is taken for a difference, and counts
 * what leaves once the one has become the other; then it stays at what let more
 * leave, and rests, longer each time that the choice remains the same. */
#include "core/internal.h"

/* Two of waiting, or of not waiting, follow one another: only what leaves in
 * the second one counts. */
#define TRIAL_PHASES 8
#define TRIAL_SETTLE_US ((uint64_t)25 * 1000)
#define TRIAL_COUNT_US ((uint64_t)75 * 1000)
#define TRIAL_REST_MIN_US ((uint64_t)2000 * 1000)
#define TRIAL_REST_MAX_US ((uint64_t)16 * 1000 * 1000)
/* Batches of fewer entries, on average, are not worth a trial. */
#define TRIAL_ENTRIES_MIN 4
/* … and it is looked again so soon whether they have more. */
#define TRIAL_LOOK_US ((uint64_t)100 * 1000)

/* From here on entries and time are counted. */
static void mark(struct raft *raft)
{
    struct trial *trial = &raft->trial;
    trial->since_us = raft->now.mono_us;
    trial->since = raft->log.last;
    trial->batches = 0;
}

static void begin(struct raft *raft)
{
    struct trial *trial = &raft->trial;
    for (size_t i = 0; i < 2; i++) {
        trial->entries[i] = 0;
        trial->took_us[i] = 0;
    }
    trial->complete = 0;
    trial->waited = 0;
    trial->phase = 0;
    trial->waits = true;
    mark(raft);
}

static void rest(struct raft *raft, uint64_t rest_us)
{
    struct trial *trial = &raft->trial;
    trial->phase = TRIAL_PHASES;
    trial->rest_us = rest_us;
    trial->waits = trial->chosen;
    mark(raft);
}

/* Where those that were waited for came, mostly, they are the same ones again
 * and again: waiting may even cost a tenth of the rate, for it saves work. Else
 * it has to give a twentieth more. */
static bool waiting_is_better(const struct trial *trial)
{
    uint64_t without = trial->entries[false] * trial->took_us[true];
    uint64_t with = trial->entries[true] * trial->took_us[false];
    bool they_come = trial->complete * 4 >= trial->waited * 3;
    return with * 20 >= without * (they_come ? 18 : 21);
}

static void choose(struct raft *raft)
{
    struct trial *trial = &raft->trial;
    bool better = waiting_is_better(trial);
    uint64_t rest_us = better == trial->chosen ? trial->tried_us * 2 : 0;
    rest_us = rest_us < TRIAL_REST_MIN_US ? TRIAL_REST_MIN_US : rest_us;
    rest_us = rest_us > TRIAL_REST_MAX_US ? TRIAL_REST_MAX_US : rest_us;
    trial->chosen = better;
    trial->tried_us = rest_us;
    rest(raft, rest_us);
}

static bool counts(const struct trial *trial)
{
    return trial->phase % 2 == 1;
}

static uint64_t phase_us(const struct trial *trial)
{
    return counts(trial) ? TRIAL_COUNT_US : TRIAL_SETTLE_US;
}

static void next_phase(struct raft *raft, uint64_t took_us)
{
    struct trial *trial = &raft->trial;
    if (counts(trial)) {
        trial->entries[trial->waits] += raft->log.last - trial->since;
        trial->took_us[trial->waits] += took_us;
    }
    trial->phase++;
    if (trial->phase == TRIAL_PHASES) {
        choose(raft);
        return;
    }
    trial->waits = trial->phase / 2 % 2 == 0;
    mark(raft);
}

void trial_lead(struct raft *raft)
{
    raft->trial = (struct trial){0};
    begin(raft);
}

void trial_batch_left(struct raft *raft, bool complete)
{
    struct trial *trial = &raft->trial;
    uint64_t took_us = raft->now.mono_us - trial->since_us;
    trial->batches++;
    trial->waited += trial->waits;
    trial->complete += trial->waits && complete;
    if (trial->phase == TRIAL_PHASES) {
        if (took_us < trial->rest_us) {
            return;
        }
        if (raft->log.last - trial->since <
            trial->batches * TRIAL_ENTRIES_MIN) {
            trial->chosen = false;
            rest(raft, TRIAL_LOOK_US);
        } else {
            begin(raft);
        }
    } else if (took_us >= 2 * phase_us(trial)) {
        /* Nobody asked for a while: that tells nothing. */
        rest(raft, TRIAL_LOOK_US);
    } else if (took_us >= phase_us(trial)) {
        next_phase(raft, took_us);
    }
}
