/* CONFIG HISTORY: it is the same on all nodes, as far as they have told it. */
#include <string.h>

#include "app.h"

static bool is_entry(const struct config_seen *seen,
                     const struct resp_value *value)
{
    struct buf text = {0};
    raft_config_text(&seen->config, &text);
    const struct resp_value *fields = value->children;
    bool same = value->count >= 4 &&
                (raft_index)fields[0].integer == seen->index &&
                (raft_term)fields[1].integer == seen->term &&
                fields[3].size == text.size &&
                memcmp(fields[3].data, text.data, text.size) == 0;
    buf_free(&text);
    return same;
}

static void history_answered(struct app *app, const struct asked *asked,
                             const struct resp_value *value)
{
    (void)asked;
    const struct checks *checks = &app->world->checks;
    bool right =
        value->type == RESP_ARRAY && value->count <= checks->config_count;
    for (size_t i = 0; right && i < value->count; i++) {
        right = is_entry(&checks->configs[i], &value->children[i]);
    }
    if (!right) {
        ask_wrong(app, "CONFIG HISTORY", value);
    }
    world_happened(app->world, HAPPENED_HISTORY);
}

void ask_history(struct app *app, struct buf *buf)
{
    ask_note(app, history_answered);
    buf_append_text(buf, "CONFIG HISTORY\r\n");
}
