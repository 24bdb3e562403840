/* /status.json: what INFO knows, made from its text, so that the two are the
 * same.  A section is an object; the peers' lines are an array of objects. */
#include <string.h>

#include "node/internal.h"

/* Keys whose values are text, though they may look like a number. */
static const char *const texts[] = {"version", "cluster", "cluster_id",
                                    "instance", "epoch"};

static void write_text(struct buf *buf, const char *text, size_t size)
{
    buf_append_u8(buf, '"');
    for (size_t i = 0; i < size; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c == '"' || c == '\\') {
            buf_printf(buf, "\\%c", c);
        } else if (c < ' ' || c >= 0x7f) {
            buf_printf(buf, "\\u%04x", c);
        } else {
            buf_append_u8(buf, c);
        }
    }
    buf_append_u8(buf, '"');
}

static bool is_number(const char *key, size_t key_size, const char *value,
                      size_t size)
{
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        if (strlen(texts[i]) == key_size &&
            memcmp(texts[i], key, key_size) == 0) {
            return false;
        }
    }
    size_t at = size > 1 && value[0] == '-' ? 1 : 0;
    size_t digits = 0;
    while (at + digits < size && value[at + digits] >= '0' &&
           value[at + digits] <= '9') {
        digits++;
    }
    return digits > 0 && digits <= 19 && at + digits == size;
}

static void write_pair(struct buf *buf, const char *key, size_t key_size,
                       const char *value, size_t size)
{
    write_text(buf, key, key_size);
    buf_append_u8(buf, ':');
    if (is_number(key, key_size, value, size)) {
        buf_append(buf, value, size);
    } else {
        write_text(buf, value, size);
    }
}

/* "peer_2:address=…,role=…": an object, with the id first. */
static void write_peer(struct buf *buf, const char *line, size_t size)
{
    const char *end = line + size;
    const char *colon = memchr(line, ':', size);
    buf_printf(buf, "{\"id\":%.*s", (int)(colon - line - 5), line + 5);
    for (const char *at = colon + 1; at < end;) {
        const char *stop = memchr(at, ',', (size_t)(end - at));
        stop = stop == NULL ? end : stop;
        const char *equals = memchr(at, '=', (size_t)(stop - at));
        if (equals != NULL) {
            buf_append_u8(buf, ',');
            write_pair(buf, at, (size_t)(equals - at), equals + 1,
                       (size_t)(stop - equals - 1));
        }
        at = stop + 1;
    }
    buf_append_u8(buf, '}');
}

struct writing {
    struct buf *buf;
    bool open;    /* a section is */
    bool peers;   /* it is that of the peers: an array */
    bool follows; /* something stands before in it */
};

static void close_section(struct writing *writing)
{
    if (writing->open) {
        buf_append_text(writing->buf, writing->peers ? "]," : "},");
    }
    writing->open = false;
}

static void open_section(struct writing *writing, const char *name, size_t size)
{
    close_section(writing);
    writing->open = true;
    writing->follows = false;
    writing->peers = size == 5 && memcmp(name, "Peers", 5) == 0;
    buf_printf(writing->buf, "\"%c%.*s\":%c", name[0] + 'a' - 'A',
               (int)size - 1, name + 1, writing->peers ? '[' : '{');
}

static void write_line(struct writing *writing, const char *line, size_t size)
{
    const char *colon = memchr(line, ':', size);
    if (size > 2 && line[0] == '#') {
        open_section(writing, line + 2, size - 2);
        return;
    }
    if (colon == NULL || !writing->open) {
        return;
    }
    if (writing->follows) {
        buf_append_u8(writing->buf, ',');
    }
    writing->follows = true;
    if (writing->peers) {
        write_peer(writing->buf, line, size);
    } else {
        write_pair(writing->buf, line, (size_t)(colon - line), colon + 1,
                   (size_t)(line + size - colon - 1));
    }
}

void node_status_json(struct node *node, struct buf *buf)
{
    struct buf text = {0};
    struct buf why = {0};
    struct writing writing = {.buf = buf};
    node_info(node, NULL, &text);
    buf_append_u8(buf, '{');
    const char *end = (const char *)text.data + text.size;
    for (const char *at = (const char *)text.data; at < end;) {
        const char *stop = memchr(at, '\r', (size_t)(end - at));
        stop = stop == NULL ? end : stop;
        write_line(&writing, at, (size_t)(stop - at));
        at = stop + 2;
    }
    close_section(&writing);
    node_why(node, &why);
    buf_append_text(buf, "\"why\":");
    write_text(buf, (const char *)why.data, why.size);
    buf_append_text(buf, "}\n");
    buf_free(&text);
    buf_free(&why);
}
