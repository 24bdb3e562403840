/* What a node hears, saves and says, a line each: for who looks for the reason
 * of something, at log-level trace and in the simulator. */
#include "node/internal.h"

#include <string.h>

/* "L t3": who speaks. */
static void show_self(const struct node *node, struct buf *buf)
{
    static const char *const roles[] = {"F", "P", "C", "L"};
    struct raft_status status;
    raft_status(node->raft, &status);
    buf_printf(buf, "%s t%llu ", roles[status.role],
               (unsigned long long)status.term);
}

static void say(struct node *node, struct buf *buf)
{
    node_note(node, LOG_LEVEL_TRACE, "%.*s", (int)buf->size,
              (const char *)buf->data);
    buf_free(buf);
}

/* False: an event that its answer tells enough of. */
static bool show_event(const struct raft_event *event, struct buf *buf)
{
    if (event->type == RAFT_EVENT_MESSAGE) {
        buf_append_text(buf, "recv ");
        raft_message_show(event->message, buf);
    } else if (event->type == RAFT_EVENT_SAVED) {
        buf_printf(buf, "saved ..%llu", (unsigned long long)event->saved.index);
    } else if (event->type == RAFT_EVENT_LINK) {
        buf_printf(buf, "link to n%lu is %s", (unsigned long)event->link.peer,
                   event->link.up ? "up" : "down");
    } else if (event->type == RAFT_EVENT_DISK) {
        buf_printf(buf, "the disk %s", event->disk.stalls ? "stalls" : "saves");
    } else {
        return false;
    }
    return true;
}

static void trace_event(struct node *node, const struct raft_event *event)
{
    struct buf buf = {0};
    show_self(node, &buf);
    if (show_event(event, &buf)) {
        say(node, &buf);
    }
    buf_free(&buf);
}

void trace_inbox(struct node *node)
{
    for (size_t i = 0; node->settings.trace && i < node->inbox_count; i++) {
        trace_event(node, &node->inbox[i]);
    }
}

void trace_save(struct node *node)
{
    if (!node->settings.trace) {
        return;
    }
    const struct raft_save *save = &node->save.log;
    struct buf buf = {0};
    show_self(node, &buf);
    buf_append_text(&buf, "save");
    if (save->state_dirty) {
        buf_printf(&buf, " t%llu", (unsigned long long)save->term);
        if (save->vote != RAFT_ID_NONE) {
            buf_printf(&buf, " vote n%lu", (unsigned long)save->vote);
        }
    }
    if (save->truncate_from != 0) {
        buf_printf(&buf, " drop %llu..",
                   (unsigned long long)save->truncate_from);
    }
    if (save->entry_count > 0) {
        buf_printf(
            &buf, " %llu..%llu", (unsigned long long)save->entries[0].index,
            (unsigned long long)save->entries[save->entry_count - 1].index);
    }
    buf_printf(&buf, " commit %llu", (unsigned long long)save->commit);
    say(node, &buf);
}

void trace_message(struct node *node, const struct raft_message *message)
{
    if (node->settings.trace) {
        struct buf buf = {0};
        show_self(node, &buf);
        buf_printf(&buf, "send n%lu ", (unsigned long)message->to);
        raft_message_show(message, &buf);
        say(node, &buf);
    }
}

void trace_state(struct node *node)
{
    if (!node->settings.trace) {
        return;
    }
    struct buf now = {0};
    raft_show(node->raft, &now);
    if (now.size == node->traced.size &&
        memcmp(now.data, node->traced.data, now.size) == 0) {
        buf_free(&now);
        return;
    }
    buf_clear(&node->traced);
    buf_append(&node->traced, now.data, now.size);
    say(node, &now);
}
