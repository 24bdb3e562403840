#include "ctl/entry.h"

#include <inttypes.h>

#include "ctl/escape.h"
#include "ctl/json.h"

bool entry_read(const struct resp_value *fields, size_t count,
                struct entry *entry)
{
    if (count < 3 || fields[0].type != RESP_INTEGER ||
        fields[1].type != RESP_INTEGER || fields[2].type != RESP_BULK)
        return false;
    *entry = (struct entry){.index = fields[0].integer,
                            .term = fields[1].integer,
                            .payload = fields[2].data,
                            .size = fields[2].size};
    return true;
}

static void entry_print_json(const struct entry *entry)
{
    struct json json = {0};

    json_open(&json, '{');
    json_named_i64(&json, "index", entry->index);
    json_named_i64(&json, "term", entry->term);
    json_named_payload(&json, entry->payload, entry->size);
    json_close(&json, '}');
    json_print(&json, stdout);
    json_free(&json);
}

static void entry_print_text(const struct entry *entry)
{
    struct buf text = {0};

    buf_printf(&text, "%" PRId64 " %" PRId64 " ", entry->index, entry->term);
    escape_bytes(&text, entry->payload, entry->size);
    buf_append_u8(&text, '\n');
    fwrite(text.data, 1, text.size, stdout);
    buf_free(&text);
}

void entry_print(const struct entry *entry, const struct options *options)
{
    if ((options->given & OPTION_RAW) != 0) {
        fwrite(entry->payload, 1, entry->size, stdout);
        fputc('\n', stdout);
    } else if (options->json) {
        entry_print_json(entry);
    } else {
        entry_print_text(entry);
    }
}
