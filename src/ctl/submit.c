#include "ctl/submit.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static void add_word(struct submit_request *request, const void *data,
                     size_t size)
{
    assert(request->count < SUBMIT_WORDS_MAX);
    request->words[request->count++] = (struct client_word){data, size};
}

static void add_option(struct submit_request *request, const char *name,
                       const char *value)
{
    add_word(request, name, strlen(name));
    add_word(request, value, strlen(value));
}

static void add_number(struct submit_request *request, const char *name,
                       char text[CTL_NUMBER_SIZE], uint64_t value)
{
    snprintf(text, CTL_NUMBER_SIZE, "%" PRIu64, value);
    add_option(request, name, text);
}

void submit_request_make(struct submit_request *request, const struct ctl *ctl,
                         const void *payload, size_t size, uint64_t line)
{
    const struct options_entry *entry = &ctl->options.entry;
    unsigned given = ctl->options.given;

    request->count = 0;
    add_word(request, "SUBMIT", 6);
    add_word(request, payload, size);
    if ((given & OPTION_KEY) != 0) {
        if (line == 0)
            snprintf(request->key, SUBMIT_KEY_SIZE, "%s", entry->key);
        else
            snprintf(request->key, SUBMIT_KEY_SIZE, "%s:%" PRIu64, entry->key,
                     line);
        add_option(request, "KEY", request->key);
    }
    if ((given & OPTION_SINCE) != 0)
        add_number(request, "SINCE", request->since, entry->since);
    if ((given & OPTION_TERM) != 0)
        add_number(request, "TERM", request->term, entry->term);
    if ((given & OPTION_AFTER) != 0)
        add_number(request, "AFTER", request->after, entry->after);
    if (ctl_timeout_ms(ctl, request->timeout))
        add_option(request, "TIMEOUT", request->timeout);
}
