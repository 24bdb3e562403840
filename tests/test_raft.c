/* What the scripts cannot bring about: birth, a rolled back configuration, an
 * order to campaign, limits. */
#include "core/raft.h"

#include <assert.h>

#include "check.h"

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
                                              .key_window = 100};

static struct blob *config_bytes(const char *text)
{
    struct raft_config config;
    char why[256];
    struct buf bytes = {0};
    assert_true(raft_config_parse(text, &config, why, sizeof(why)));
    raft_config_encode(&config, &bytes);
    struct blob *blob = blob_copy(bytes.data, bytes.size);
    buf_free(&bytes);
    return blob;
}

static struct raft *empty(void)
{
    struct raft_start start = {.vote = RAFT_ID_NONE};
    struct raft_now now = {.mono_us = 1};
    const char *why;
    struct raft *raft = raft_new(&settings, &start, now, &why);
    assert_non_null(raft);
    return raft;
}

static void step(struct raft *raft, uint64_t mono_us, struct raft_event *event)
{
    struct raft_now now = {.mono_us = mono_us};
    raft_step(raft, now, event, event == NULL ? 0 : 1);
}

/* All that there is to be saved is saved. */
static void save(struct raft *raft, uint64_t mono_us)
{
    struct raft_save save;
    while (raft_take_save(raft, 1 << 20, false, &save)) {
        struct raft_event event = {.type = RAFT_EVENT_SAVED};
        event.saved.state = save.state;
        if (save.entry_count > 0) {
            event.saved.index = save.entries[save.entry_count - 1].index;
            event.saved.term = save.entries[save.entry_count - 1].term;
        }
        raft_save_clear(&save);
        step(raft, mono_us, &event);
    }
}

static void bear(struct raft *raft, uint64_t mono_us, const char *text)
{
    struct raft_event event = {.type = RAFT_EVENT_BIRTH};
    event.birth.payload = config_bytes(text);
    step(raft, mono_us, &event);
    blob_free(event.birth.payload);
    save(raft, mono_us);
}

static struct raft_status status_of(const struct raft *raft)
{
    struct raft_status status;
    raft_status(raft, &status);
    return status;
}

static const struct raft_message *find(const struct raft *raft,
                                       enum raft_message_type type)
{
    const struct raft_effects *effects = raft_effects(raft);
    for (size_t i = 0; i < effects->message_count; i++) {
        if (effects->messages[i].type == type) {
            return &effects->messages[i];
        }
    }
    return NULL;
}

static void take(struct raft *raft, uint64_t mono_us,
                 const struct raft_message *message)
{
    struct raft_event event = {.type = RAFT_EVENT_MESSAGE, .message = message};
    step(raft, mono_us, &event);
}

static void a_node_without_a_configuration_waits_for_ever(void **state)
{
    (void)state;
    struct raft *raft = empty();
    assert_int_equal(raft_deadline_us(raft), UINT64_MAX);
    step(raft, 100000000, NULL);
    assert_string_equal(raft_role_word(raft), "idle");
    assert_int_equal(raft_effects(raft)->message_count, 0);
    raft_free(raft);
}

static void birth_is_entry_one_of_term_one_and_then_life_begins(void **state)
{
    (void)state;
    struct raft *raft = empty();
    bear(raft, 5000000, "1=a:1, 2=b:1, 3=c:1/learner");
    struct raft_status status = status_of(raft);
    assert_int_equal(status.term, 1);
    assert_int_equal(status.saved, 1);
    assert_int_equal(status.commit, 0);
    const struct raft_entry *entry = raft_entry_at(raft, 1);
    assert_int_equal(entry->term, 1);
    assert_int_equal(entry->unix_ms, 0);
    assert_int_equal(entry->flags, RAFT_FLAG_REQUIRED);
    assert_string_equal(raft_role_word(raft), "follower");
    /* However long it waited, its time-out begins now. */
    assert_true(raft_deadline_us(raft) >= 6000000);
    bear(raft, 5000001, "2=b:1"); /* ignored */
    assert_int_equal(status_of(raft).last, 1);
    raft_free(raft);
}

static void a_single_voter_leads_and_commits_alone(void **state)
{
    (void)state;
    struct raft *raft = empty();
    bear(raft, 2, "2=b:1");
    uint64_t now_us = raft_deadline_us(raft);
    step(raft, now_us, NULL);
    assert_int_not_equal(status_of(raft).role, RAFT_ROLE_LEADER);
    save(raft, now_us); /* its vote, and then the first entry of its term */
    struct raft_status status = status_of(raft);
    assert_int_equal(status.role, RAFT_ROLE_LEADER);
    assert_int_equal(status.told, 2);
    assert_true(status.term_committed);
    raft_free(raft);
}

static struct raft_message append_of(raft_term term, struct raft_entry *entry,
                                     raft_index prev, raft_term prev_term)
{
    struct raft_message message = {
        .type = RAFT_MESSAGE_APPEND, .from = 1, .to = 2, .term = term};
    message.append.prev_index = prev;
    message.append.prev_term = prev_term;
    message.append.entries = entry;
    message.append.entry_count = 1;
    return message;
}

static void a_configuration_counts_from_its_append_and_can_be_lost(void **state)
{
    (void)state;
    struct raft *raft = empty();
    bear(raft, 2, "1=a:1, 2=b:1, 3=c:1");
    struct raft_entry config = {.index = 2,
                                .term = 2,
                                .kind = RAFT_KIND_CONFIG,
                                .flags = RAFT_FLAG_REQUIRED,
                                .payload = config_bytes("1=a:1, 3=c:1")};
    struct raft_message message = append_of(2, &config, 1, 1);
    take(raft, 3, &message);
    raft_index index;
    assert_int_equal(raft_config_now(raft, &index)->count, 2);
    assert_int_equal(index, 2);
    assert_string_equal(raft_role_word(raft), "idle");
    struct raft_entry other = {.index = 2, .term = 3, .kind = RAFT_KIND_NOOP};
    message = append_of(3, &other, 1, 1);
    take(raft, 4, &message);
    assert_int_equal(raft_config_now(raft, &index)->count, 3);
    assert_int_equal(index, 1);
    assert_string_equal(raft_role_word(raft), "follower");
    size_t count;
    raft_config_history(raft, &count);
    assert_int_equal(count, 1);
    raft_entry_clear(&config);
    raft_free(raft);
}

static void only_the_leader_can_order_a_campaign(void **state)
{
    (void)state;
    struct raft *raft = empty();
    bear(raft, 2, "1=a:1, 2=b:1, 3=c:1");
    struct raft_entry noop = {.index = 2, .term = 2, .kind = RAFT_KIND_NOOP};
    struct raft_message message = append_of(2, &noop, 1, 1);
    take(raft, 3, &message);
    save(raft, 3);
    raft_effects_clear(raft);
    struct raft_message order = {
        .type = RAFT_MESSAGE_TIMEOUT_NOW, .from = 3, .to = 2, .term = 2};
    take(raft, 4, &order);
    assert_int_equal(status_of(raft).term, 2);
    order.from = 1;
    take(raft, 5, &order);
    assert_null(find(raft, RAFT_MESSAGE_VOTE)); /* the own vote is not saved */
    save(raft, 5);
    const struct raft_message *vote = find(raft, RAFT_MESSAGE_VOTE);
    assert(vote != NULL);
    assert_int_equal(vote->term, 3);
    assert_true(vote->vote.transfer);
    assert_false(vote->vote.pre);
    raft_free(raft);
}

/* A single node once began a cluster; its disk was lost since, and it is taken
 * in again: its log begins with a configuration in which its id is alone. */
static void a_new_disk_has_no_vote_of_the_old_one(void **state)
{
    (void)state;
    struct raft_settings fresh = settings;
    struct raft_start start = {.vote = RAFT_ID_NONE};
    struct raft_config config;
    struct buf bytes = {0};
    const char *why;
    char text[256];
    assert_true(raft_config_parse("2=b:1", &config, text, sizeof(text)));
    config.members[0].instance = 7;
    raft_config_encode(&config, &bytes);
    struct raft_entry entry = {.index = 1,
                               .term = 1,
                               .kind = RAFT_KIND_CONFIG,
                               .flags = RAFT_FLAG_REQUIRED,
                               .payload = blob_copy(bytes.data, bytes.size)};
    for (uint64_t instance = 7; instance <= 8; instance++) {
        fresh.instance = instance;
        struct raft *raft =
            raft_new(&fresh, &start, (struct raft_now){.mono_us = 1}, &why);
        struct raft_message message = append_of(3, &entry, 0, 0);
        take(raft, 2, &message);
        save(raft, 2);
        step(raft, 10000000, NULL);
        save(raft, 10000000);
        bool old = instance == 7;
        assert_int_equal(status_of(raft).term, old ? 4 : 3);
        assert_int_equal(status_of(raft).role,
                         old ? RAFT_ROLE_LEADER : RAFT_ROLE_FOLLOWER);
        assert_string_equal(raft_role_word(raft), old ? "leader" : "idle");
        raft_free(raft);
    }
    blob_free(entry.payload);
    buf_free(&bytes);
}

static void no_term_is_too_large_for_a_disk(void **state)
{
    (void)state;
    struct raft *raft = empty();
    bear(raft, 2, "1=a:1, 2=b:1, 3=c:1");
    struct raft_message vote = {
        .type = RAFT_MESSAGE_VOTE, .from = 1, .to = 2, .term = UINT64_MAX};
    take(raft, 3, &vote);
    assert_int_equal(status_of(raft).term, 1);
    raft_free(raft);
}

/* Node 2 is asked by `first` to hand over to node 3, and loses its leadership.
 */
static struct raft *handed_over(uint64_t now_us, uint64_t first)
{
    struct raft *raft = empty();
    bear(raft, 2, "2=b:1, 3=c:1");
    struct raft_event link = {.type = RAFT_EVENT_LINK};
    link.link.peer = 3;
    link.link.up = true;
    step(raft, now_us, &link);
    struct raft_message yes = {
        .type = RAFT_MESSAGE_VOTE_ANSWER, .from = 3, .to = 2, .term = 2};
    yes.vote_answer.granted = true;
    yes.vote_answer.pre = true;
    take(raft, now_us, &yes);
    save(raft, now_us);
    yes.vote_answer.pre = false;
    take(raft, now_us, &yes);
    save(raft, now_us);
    assert_int_equal(status_of(raft).role, RAFT_ROLE_LEADER);
    struct raft_event ask = {.type = RAFT_EVENT_TRANSFER};
    ask.transfer.ticket.number = first;
    ask.transfer.peer = 3;
    step(raft, now_us, &ask);
    struct raft_message vote = {
        .type = RAFT_MESSAGE_VOTE, .from = 3, .to = 2, .term = 3};
    vote.vote.transfer = true;
    take(raft, now_us, &vote);
    assert_int_equal(status_of(raft).role, RAFT_ROLE_FOLLOWER);
    return raft;
}

static void a_transfer_is_answered_though_another_begins_at_once(void **state)
{
    (void)state;
    struct raft *raft = handed_over(4000000, 1);
    save(raft, 4000000);
    uint64_t now_us = raft_deadline_us(raft);
    assert_true(now_us < 6000000); /* it is still waited for */
    step(raft, now_us, NULL);
    struct raft_message yes = {
        .type = RAFT_MESSAGE_VOTE_ANSWER, .from = 3, .to = 2, .term = 4};
    yes.vote_answer.granted = true;
    yes.vote_answer.pre = true;
    take(raft, now_us, &yes);
    save(raft, now_us);
    yes.vote_answer.pre = false;
    raft_effects_clear(raft);
    struct raft_event both[] = {
        {.type = RAFT_EVENT_MESSAGE, .message = &yes},
        {.type = RAFT_EVENT_TRANSFER,
         .transfer = {.ticket = {.number = 2}, .peer = 3}}};
    raft_step(raft, (struct raft_now){.mono_us = now_us}, both, 2);
    assert_int_equal(status_of(raft).role, RAFT_ROLE_LEADER);
    const struct raft_effects *effects = raft_effects(raft);
    const struct raft_tell *end = NULL;
    for (size_t i = 0; i < effects->tell_count; i++) {
        if (effects->tells[i].type == RAFT_TELL_TRANSFER) {
            end = &effects->tells[i];
        }
    }
    assert(end != NULL);
    assert_int_equal(end->ticket.number, 1);
    assert_int_equal(end->transfer, RAFT_TRANSFER_LOST);
    raft_free(raft);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_node_without_a_configuration_waits_for_ever),
        cmocka_unit_test(birth_is_entry_one_of_term_one_and_then_life_begins),
        cmocka_unit_test(a_single_voter_leads_and_commits_alone),
        cmocka_unit_test(
            a_configuration_counts_from_its_append_and_can_be_lost),
        cmocka_unit_test(only_the_leader_can_order_a_campaign),
        cmocka_unit_test(a_new_disk_has_no_vote_of_the_old_one),
        cmocka_unit_test(no_term_is_too_large_for_a_disk),
        cmocka_unit_test(a_transfer_is_answered_though_another_begins_at_once)};
    return RUN(tests);
}
