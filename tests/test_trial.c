/* Whether batches wait for company: one node, a disk that takes its time, and
 * clients of either kind. */
#include "core/raft.h"

#include <assert.h>

#include "check.h"

#define CLIENTS 16
#define TICK_US 10
#define SAVE_US 400
#define SECOND_US 1000000
#define NEVER UINT64_MAX
#define ASKED_MAX 1024 /* at a time */

static const struct raft_settings settings = {.id = 2,
                                              .seed = 1,
                                              .election_timeout_us = 1000000,
                                              .heartbeat_us = 100000,
                                              .append_bytes_max = 1 << 20,
                                              .append_entries_max = 64,
                                              .inflight_messages_max = 8,
                                              .inflight_bytes_max = 1 << 20,
                                              .catch_up_us = 2000000,
                                              .uncommitted_bytes_max = 1 << 20,
                                              .window_bytes_max = 1 << 20,
                                              .key_window = 100,
                                              .batch_hold_us = 1000};

struct load {
    struct raft *raft;
    struct blob *payload;
    uint64_t now_us;
    struct raft_save save; /* under way … */
    uint64_t saved_us;     /* … until then; NEVER: none is */
    raft_index told;
    uint64_t asked_us[ASKED_MAX]; /* by index: when; a ring … */
    size_t asker[ASKED_MAX];      /* … and who */
    raft_index last;
    uint64_t next_us[CLIENTS]; /* asks then; NEVER: waits for an answer */
    bool closed;               /* they ask again when they are answered */
    /* Of the second that is counted: */
    uint64_t answers;
    uint64_t waited_us;
    uint64_t saves;
};

static void on_told(struct load *load, raft_index upto)
{
    while (load->told < upto) {
        load->told++;
        size_t at = load->told % ASKED_MAX;
        size_t client = load->asker[at];
        if (client == CLIENTS) {
            continue; /* nobody's: it is of the beginning */
        }
        load->answers++;
        load->waited_us += load->now_us - load->asked_us[at];
        if (load->closed) {
            load->next_us[client] = load->now_us + client * 30;
        }
    }
}

static void note_entry(struct load *load, raft_index index, size_t client)
{
    while (load->last < index) {
        load->last++;
        load->asked_us[load->last % ASKED_MAX] = load->now_us;
        load->asker[load->last % ASKED_MAX] = CLIENTS;
    }
    load->asker[index % ASKED_MAX] = client;
}

static void step(struct load *load, struct raft_event *event)
{
    struct raft_now now = {.mono_us = load->now_us, .unix_ms = 1};
    raft_step(load->raft, now, event, event == NULL ? 0 : 1);
    const struct raft_effects *effects = raft_effects(load->raft);
    for (size_t i = 0; i < effects->tell_count; i++) {
        const struct raft_tell *tell = &effects->tells[i];
        if (tell->type == RAFT_TELL_ACCEPTED) {
            note_entry(load, tell->index, (size_t)tell->ticket.number);
        }
    }
    struct raft_status status;
    raft_status(load->raft, &status);
    note_entry(load, status.last,
               status.last > load->last ? CLIENTS
                                        : load->asker[status.last % ASKED_MAX]);
    raft_effects_clear(load->raft);
    on_told(load, status.told);
}

static void save(struct load *load)
{
    if (load->saved_us <= load->now_us) {
        struct raft_event event = {.type = RAFT_EVENT_SAVED};
        size_t count = load->save.entry_count;
        event.saved.state = load->save.state;
        if (count > 0) {
            event.saved.index = load->save.entries[count - 1].index;
            event.saved.term = load->save.entries[count - 1].term;
        }
        raft_save_clear(&load->save);
        load->saved_us = NEVER;
        step(load, &event);
    }
    if (load->saved_us == NEVER &&
        raft_take_save(load->raft, 1 << 20, false, &load->save)) {
        load->saved_us = load->now_us + SAVE_US;
        load->saves += load->save.entry_count > 0;
    }
}

static void ask(struct load *load, size_t client)
{
    struct raft_event event = {.type = RAFT_EVENT_PROPOSE};
    event.propose.ticket.number = client;
    event.propose.since = RAFT_INDEX_NONE;
    event.propose.after = RAFT_INDEX_NONE;
    event.propose.payload = load->payload;
    step(load, &event);
}

static void run_until(struct load *load, uint64_t until_us)
{
    for (; load->now_us < until_us; load->now_us += TICK_US) {
        save(load);
        for (size_t i = 0; i < CLIENTS; i++) {
            if (load->next_us[i] <= load->now_us) {
                load->next_us[i] =
                    load->closed ? NEVER : load->next_us[i] + CLIENTS * 50;
                ask(load, i);
            }
        }
        if (raft_deadline_us(load->raft) <= load->now_us) {
            step(load, NULL);
        }
    }
}

/* A leader of its own; clients begin at `from_us`. */
static void open_load(struct load *load, bool closed)
{
    struct raft_start start = {.vote = RAFT_ID_NONE};
    struct raft_now now = {.mono_us = 1};
    struct raft_config config;
    struct buf bytes = {0};
    const char *why;
    char text[256];
    *load = (struct load){.saved_us = NEVER, .now_us = TICK_US};
    load->raft = raft_new(&settings, &start, now, &why);
    assert_non_null(load->raft);
    assert_true(raft_config_parse("2=b:1", &config, text, sizeof(text)));
    raft_config_encode(&config, &bytes);
    struct raft_event event = {.type = RAFT_EVENT_BIRTH};
    event.birth.payload = blob_copy(bytes.data, bytes.size);
    buf_free(&bytes);
    step(load, &event);
    blob_free(event.birth.payload);
    load->payload = blob_copy("x", 1);
    load->closed = closed;
    for (size_t i = 0; i < CLIENTS; i++) {
        load->next_us[i] = NEVER;
    }
    run_until(load, 3 * SECOND_US);
    struct raft_status status;
    raft_status(load->raft, &status);
    assert_int_equal(status.role, RAFT_ROLE_LEADER);
    for (size_t i = 0; i < CLIENTS; i++) {
        load->next_us[i] = load->now_us + i * 50;
    }
}

/* Two seconds of load, and one that is counted. */
static void run_load(struct load *load)
{
    run_until(load, load->now_us + 2 * SECOND_US);
    load->answers = 0;
    load->waited_us = 0;
    load->saves = 0;
    run_until(load, load->now_us + SECOND_US);
    assert_true(load->answers > 0 && load->saves > 0);
}

static void close_load(struct load *load)
{
    raft_save_clear(&load->save);
    blob_free(load->payload);
    raft_free(load->raft);
}

/* They come back within 450 us of an answer: all of them are in one batch,
 * but for the trial of four tenths of a second that the second may hold. */
static void those_who_ask_again_are_waited_for(void **state)
{
    (void)state;
    struct load load;
    open_load(&load, true);
    run_load(&load);
    assert_true(load.answers > load.saves * 12);
    assert_true(load.answers > 15000);
    close_load(&load);
}

/* One in each 50 us, whoever is answered: 20,000 a second come in any case, so
 * each waits for the save under way and its own, and no longer. */
static void those_who_come_anyway_are_not(void **state)
{
    (void)state;
    struct load load;
    open_load(&load, false);
    run_load(&load);
    assert_in_range(load.answers, 19900, 20100);
    assert_true(load.waited_us / load.answers < SAVE_US * 2);
    close_load(&load);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(those_who_ask_again_are_waited_for),
        cmocka_unit_test(those_who_come_anyway_are_not),
    };
    return RUN(tests);
}
