#include "ctl/status.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

static void field_copy(const char *fields, const char *name, char *out,
                       size_t out_size)
{
    if (!info_field(fields, name, out, out_size))
        out[0] = 0;
}

static void member_fill(struct status_member *row, const char *fields)
{
    field_copy(fields, "link", row->link, sizeof(row->link));
    field_copy(fields, "state", row->state, sizeof(row->state));
    field_copy(fields, "match", row->match, sizeof(row->match));
    field_copy(fields, "next", row->next, sizeof(row->next));
    field_copy(fields, "inflight", row->inflight, sizeof(row->inflight));
    field_copy(fields, "inflight_bytes", row->inflight_bytes,
               sizeof(row->inflight_bytes));
    field_copy(fields, "lag", row->lag, sizeof(row->lag));
    field_copy(fields, "last_contact_ms", row->last_contact_ms,
               sizeof(row->last_contact_ms));
}

static struct status_member *status_add(struct status *status,
                                        const struct member *member)
{
    struct status_member *row;

    status->members = x_grow(status->members, &status->capacity,
                             status->count + 1, sizeof(*status->members));
    row = &status->members[status->count++];
    *row = (struct status_member){.member = *member};
    return row;
}

static void status_add_configured(struct status *status,
                                  const struct member *member)
{
    struct status_member *row = status_add(status, member);
    const char *fields;
    char key[32];
    uint64_t own;

    row->configured = true;
    row->self =
        info_u64(&status->info, "Server", "node_id", &own) && own == member->id;
    snprintf(key, sizeof(key), "peer_%" PRIu64, member->id);
    fields = info_get(&status->info, "Peers", key);
    if (fields != NULL && !row->self)
        member_fill(row, fields);
}

static bool status_has(const struct status *status, uint64_t id)
{
    for (size_t i = 0; i < status->count; i++) {
        if (status->members[i].member.id == id)
            return true;
    }
    return false;
}

/* Peers that are in no configuration: those that a birth waits for. */
static void status_add_expected(struct status *status)
{
    static const char prefix[] = "peer_";
    size_t length = sizeof(prefix) - 1;

    for (size_t i = 0; i < status->info.count; i++) {
        const struct info_line *line = &status->info.lines[i];
        struct member member = {0};

        if (strcmp(line->section, "Peers") != 0 ||
            strncmp(line->key, prefix, length) != 0 ||
            !text_to_u64(line->key + length, strlen(line->key) - length,
                         &member.id) ||
            status_has(status, member.id))
            continue;
        field_copy(line->value, "address", member.address,
                   sizeof(member.address));
        field_copy(line->value, "role", member.role, sizeof(member.role));
        member_fill(status_add(status, &member), line->value);
    }
}

bool status_build(struct status *status, const struct resp_value *info,
                  const struct resp_value *config)
{
    *status = (struct status){0};
    if (info->type != RESP_BULK || config->type != RESP_ARRAY)
        return false;
    info_read(&status->info, info->data, info->size);
    for (size_t i = 0; i < config->count; i++) {
        const struct resp_value *item = &config->children[i];
        struct member member;

        if (item->type != RESP_BULK && item->type != RESP_SIMPLE)
            return false;
        if (!member_read(item->data, item->size, &member))
            return false;
        status_add_configured(status, &member);
    }
    status_add_expected(status);
    return true;
}

void status_clear(struct status *status)
{
    info_clear(&status->info);
    free(status->members);
    *status = (struct status){0};
}

/* The replies borrow the client's memory, which the next one may move: so
 * the first of the two is copied. */
static enum ctl_status status_receive(struct ctl *ctl, struct status *status,
                                      struct buf *text)
{
    uint64_t deadline_us = ctl_deadline_us(ctl);
    struct resp_value info = {0};
    struct resp_value config = {0};
    enum client_result result;
    enum ctl_status answer = CTL_DONE;

    result = client_reply(ctl->client, &info, deadline_us);
    if (result != CLIENT_OK)
        return ctl_lost(ctl, result, false);
    if (info.type == RESP_BULK && info.size > 0) {
        buf_append(text, info.data, info.size);
        info.data = (const char *)text->data;
    }
    if (info.type == RESP_ERROR) {
        answer = ctl_refused(&info);
        goto out;
    }
    result = client_reply(ctl->client, &config, deadline_us);
    if (result != CLIENT_OK) {
        answer = ctl_lost(ctl, result, false);
        goto out;
    }
    if (config.type == RESP_ERROR) {
        answer = ctl_refused(&config);
    } else if (!status_build(status, &info, &config)) {
        status_clear(status);
        answer = ctl_strange(CTL_READS);
    }
    resp_value_clear(&config);
out:
    resp_value_clear(&info);
    return answer;
}

enum ctl_status status_ask(struct ctl *ctl, struct status *status)
{
    static const char *const info[] = {"INFO", NULL};
    static const char *const config[] = {"CONFIG", NULL};
    enum ctl_status answer = ctl_connect(ctl);
    struct buf text = {0};

    if (answer != CTL_DONE)
        return answer;
    ctl_queue_text(ctl, info);
    ctl_queue_text(ctl, config);
    answer = status_receive(ctl, status, &text);
    buf_free(&text);
    return answer;
}
