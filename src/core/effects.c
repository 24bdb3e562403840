/* What a step brings about, until the driver has carried it out. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "core/internal.h"

void raft_send(struct raft *raft, const struct raft_message *message)
{
    struct raft_effects *effects = &raft->effects;
    effects->messages =
        x_grow(effects->messages, &raft->message_capacity,
               effects->message_count + 1, sizeof(*effects->messages));
    effects->messages[effects->message_count++] = *message;
}

void raft_tell(struct raft *raft, const struct raft_tell *tell)
{
    struct raft_effects *effects = &raft->effects;
    effects->tells = x_grow(effects->tells, &raft->tell_capacity,
                            effects->tell_count + 1, sizeof(*effects->tells));
    effects->tells[effects->tell_count++] = *tell;
}

void raft_note(struct raft *raft, enum log_level level, const char *format, ...)
{
    struct raft_effects *effects = &raft->effects;
    effects->notes = x_grow(effects->notes, &raft->note_capacity,
                            effects->note_count + 1, sizeof(*effects->notes));
    struct raft_note *note = &effects->notes[effects->note_count++];
    note->level = level;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(note->text, sizeof(note->text), format, arguments);
    va_end(arguments);
}

struct raft_message raft_message_to(const struct raft *raft,
                                    enum raft_message_type type, raft_id to)
{
    return (struct raft_message){
        .type = type, .from = raft->settings.id, .to = to, .term = raft->term};
}

void raft_message_clear(struct raft_message *message)
{
    if (message->type == RAFT_MESSAGE_APPEND) {
        for (size_t i = 0; i < message->append.entry_count; i++) {
            raft_entry_clear(&message->append.entries[i]);
        }
        free(message->append.entries);
    }
    *message = (struct raft_message){0};
}

const struct raft_effects *raft_effects(const struct raft *raft)
{
    return &raft->effects;
}

void raft_effects_clear(struct raft *raft)
{
    struct raft_effects *effects = &raft->effects;
    for (size_t i = 0; i < effects->message_count; i++) {
        raft_message_clear(&effects->messages[i]);
    }
    effects->message_count = 0;
    effects->tell_count = 0;
    effects->fetch_count = 0;
    effects->note_count = 0;
}
