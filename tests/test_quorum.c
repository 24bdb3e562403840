#include "core/quorum.h"

#include <stdio.h>
#include <stdlib.h>

#include "check.h"

#define IDS_MAX 32

/* One case: two sets of ids, and what each id said or reached, in the order of
 * the ids. */
struct sample {
    raft_id sets[2][IDS_MAX];
    size_t counts[2];
    struct raft_config config;
    int64_t values[IDS_MAX]; /* of config.members */
    size_t value_count;
};

static int64_t value_at(const void *context, raft_id id)
{
    const struct sample *sample = context;
    for (size_t i = 0; i < sample->config.count; i++) {
        if (sample->config.members[i].id == id) {
            return i < sample->value_count ? sample->values[i] : 0;
        }
    }
    return 0;
}

static int vote_of(const void *context, raft_id id)
{
    return (int)value_at(context, id);
}

static uint64_t index_of(const void *context, raft_id id)
{
    return (uint64_t)value_at(context, id);
}

static void make_config(struct sample *sample)
{
    for (int set = 0; set < 2; set++) {
        for (size_t i = 0; i < sample->counts[set]; i++) {
            struct raft_member member = {.id = sample->sets[set][i]};
            raft_config_add(&sample->config, &member);
        }
    }
    for (int set = 0; set < 2; set++) {
        for (size_t i = 0; i < sample->counts[set]; i++) {
            for (size_t m = 0; m < sample->config.count; m++) {
                struct raft_member *member = &sample->config.members[m];
                if (member->id != sample->sets[set][i]) {
                    continue;
                }
                if (set == 0) {
                    member->role = RAFT_MEMBER_VOTER;
                } else {
                    member->next = RAFT_MEMBER_VOTER;
                }
            }
        }
    }
}

static uint64_t commit(size_t count, const int64_t *values)
{
    struct sample sample = {.counts = {count, 0}, .value_count = count};
    for (size_t i = 0; i < count; i++) {
        sample.sets[0][i] = (raft_id)i;
        sample.values[i] = values[i];
    }
    make_config(&sample);
    return raft_quorum_value(&sample.config, index_of, &sample);
}

static void a_majority_is_more_than_half(void **state)
{
    (void)state;
    assert_int_equal(commit(1, (int64_t[]){5}), 5);
    assert_int_equal(commit(2, (int64_t[]){5, 9}), 5);
    assert_int_equal(commit(3, (int64_t[]){5, 9, 0}), 5);
    assert_int_equal(commit(4, (int64_t[]){5, 9, 9, 0}), 5);
    assert_int_equal(commit(5, (int64_t[]){1, 2, 3, 4, 5}), 3);
    assert_int_equal(commit(6, (int64_t[]){1, 2, 3, 4, 5, 6}), 3);
    assert_true(commit(0, NULL) == UINT64_MAX);
}

static void learners_count_for_nothing(void **state)
{
    (void)state;
    struct sample sample = {
        .counts = {1, 0}, .values = {7, 100}, .value_count = 2};
    struct raft_member learner = {
        .id = 1, .role = RAFT_MEMBER_LEARNER, .next = RAFT_MEMBER_LEARNER};
    make_config(&sample);
    raft_config_add(&sample.config, &learner);
    assert_int_equal(raft_quorum_value(&sample.config, index_of, &sample), 7);
}

/* ---- cases from elsewhere ----------------------------------------------- */

/* "(1,2,3)" into a set; "zero" and nothing are empty. */
static void parse_set(const char *at, raft_id *ids, size_t *count)
{
    *count = 0;
    if (*at != '(') {
        return;
    }
    for (at++; *at != ')' && *count < IDS_MAX; at += *at == ',') {
        char *end;
        ids[(*count)++] = (raft_id)strtoul(at, &end, 10);
        at = end;
    }
}

static void parse_values(const char *at, struct sample *sample)
{
    for (at++; *at != ')' && *at != '\0'; at += *at == ',' || *at == ' ') {
        int64_t value = 0;
        char *end = NULL;
        if (*at == ',' || *at == ' ') {
            continue;
        }
        if (*at == 'y' || *at == 'n' || *at == '_') {
            value = *at == 'y' ? 1 : *at == 'n' ? -1 : 0;
            at++;
        } else {
            value = strtoll(at, &end, 10);
            at = end;
        }
        sample->values[sample->value_count++] = value;
    }
}

static struct sample parse_case(const char *line)
{
    struct sample sample = {0};
    const char *cfg = strstr(line, "cfg=");
    const char *cfgj = strstr(line, "cfgj=");
    const char *idx = strstr(line, "idx=");
    const char *votes = strstr(line, "votes=");
    if (cfg != NULL) {
        parse_set(cfg + 4, sample.sets[0], &sample.counts[0]);
    }
    if (cfgj != NULL) {
        parse_set(cfgj + 5, sample.sets[1], &sample.counts[1]);
    }
    make_config(&sample);
    if (idx != NULL || votes != NULL) {
        parse_values(idx != NULL ? idx + 4 : votes + 6, &sample);
    }
    return sample;
}

/* The last line of an answer is the verdict. */
static void check_case(const char *line, const char *verdict)
{
    struct sample sample = parse_case(line);
    if (strncmp(line, "vote", 4) == 0) {
        static const char *const words[] = {"VotePending", "VoteWon",
                                            "VoteLost"};
        assert_string_equal(
            words[raft_quorum_vote(&sample.config, vote_of, &sample)], verdict);
        return;
    }
    uint64_t value = raft_quorum_value(&sample.config, index_of, &sample);
    char text[32];
    snprintf(text, sizeof(text), "%llu", (unsigned long long)value);
    const char *note = strchr(verdict, '>'); /* "<empty majority quorum>∞" */
    verdict = note == NULL ? verdict : note + 1;
    assert_string_equal(value == UINT64_MAX ? "∞" : text, verdict);
}

static size_t check_file(const char *path)
{
    FILE *stream = fopen(path, "re");
    char line[512];
    char question[512] = "";
    char last[512] = "";
    size_t count = 0;
    if (stream == NULL) {
        return 0;
    }
    while (fgets(line, sizeof(line), stream) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        if (strncmp(line, "vote", 4) == 0 ||
            strncmp(line, "committed", 9) == 0) {
            strcpy(question, line);
        } else if (line[0] == '\0' && question[0] != '\0') {
            check_case(question, last);
            question[0] = '\0';
            count++;
        } else {
            strcpy(last, line);
        }
    }
    if (question[0] != '\0') {
        check_case(question, last);
        count++;
    }
    fclose(stream);
    return count;
}

static void cases_from_elsewhere_give_the_same(void **state)
{
    (void)state;
    static const char *const files[] = {"joint_commit", "joint_vote",
                                        "majority_commit", "majority_vote"};
    const char *vectors = getenv("RAFTSC_VECTORS");
    const char *source = getenv("srcdir");
    char path[4096];
    size_t count = 0;
    for (size_t i = 0; i < 4; i++) {
        if (vectors != NULL) {
            snprintf(path, sizeof(path), "%s/etcd-raft/quorum/%s.txt", vectors,
                     files[i]);
        } else {
            snprintf(path, sizeof(path),
                     "%s/../shared/vectors/etcd-raft/quorum/%s.txt",
                     source == NULL ? "." : source, files[i]);
        }
        count += check_file(path);
    }
    if (count == 0) {
        skip();
    }
    assert_true(count > 50);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_majority_is_more_than_half),
        cmocka_unit_test(learners_count_for_nothing),
        cmocka_unit_test(cases_from_elsewhere_give_the_same),
    };
    return RUN(tests);
}
