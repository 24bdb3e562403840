/* What lies under a log, as one record; and another node's, taken over.
 *
 *     u16 size of the fixed fields
 *     u64 index   u64 term   16 bytes chain   u64 unix_ms   u64 last_app
 *     u32 configurations   u32 size of the keys
 *     then for each configuration, ascending by its entry:
 *     u32 size of what follows
 *     u64 index   u64 term   u64 unix_ms   the bytes (core/config.h)
 *     then the keys, packed as in core/keys.h
 *
 * Numbers are big-endian.  The newest configuration is the one in force. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "core/internal.h"

#define CONFIG_FIXED ((size_t)24)

/* ---- writing ------------------------------------------------------------ */

static void pack_config(struct buf *buf, const struct raft_config_entry *config)
{
    buf_append_u32(buf, (uint32_t)(CONFIG_FIXED + config->payload->size));
    buf_append_u64(buf, config->index);
    buf_append_u64(buf, config->term);
    buf_append_u64(buf, config->unix_ms);
    buf_append(buf, config->payload->data, config->payload->size);
}

void raft_base_pack(const struct raft *raft, raft_index index,
                    struct digest chain, uint64_t unix_ms, struct buf *buf)
{
    const struct raft_log *log = &raft->log;
    struct buf keys = {0};
    size_t end = 0;
    assert(index >= log->base.index);
    assert(index <= raft->told);
    while (end < log->config_count && log->configs[end].index <= index) {
        end++;
    }
    size_t count = end < RAFT_BASE_CONFIGS_MAX ? end : RAFT_BASE_CONFIGS_MAX;
    keys_pack(&raft->keys, index, &keys);
    buf_append_u16(buf, 8 + 8 + DIGEST_SIZE + 8 + 8 + 4 + 4);
    buf_append_u64(buf, index);
    buf_append_u64(buf, log_term(log, index));
    buf_append(buf, chain.bytes, DIGEST_SIZE);
    buf_append_u64(buf, unix_ms);
    buf_append_u64(buf, log_last_app(log, index));
    buf_append_u32(buf, (uint32_t)count);
    buf_append_u32(buf, (uint32_t)keys.size);
    for (size_t i = end - count; i < end; i++) {
        pack_config(buf, &log->configs[i]);
    }
    buf_append(buf, keys.data, keys.size);
    buf_free(&keys);
}

/* ---- reading ------------------------------------------------------------ */

void raft_install_clear(struct raft_install *install)
{
    for (size_t i = 0; i < install->config_count; i++) {
        blob_free(install->configs[i].payload);
    }
    free(install->configs);
    blob_free(install->keys);
    *install = (struct raft_install){0};
}

static const char *unpack_config(struct cursor *cursor,
                                 struct raft_install *install)
{
    struct raft_config decoded;
    struct cursor part = cursor_part(cursor, cursor_u32(cursor));
    struct raft_config_entry config = {.index = cursor_u64(&part),
                                       .term = cursor_u64(&part),
                                       .unix_ms = cursor_u64(&part)};
    size_t count = install->config_count;
    raft_index before = count == 0 ? 0 : install->configs[count - 1].index;
    if (part.bad || config.index <= before ||
        config.index > install->base.index ||
        !raft_config_decode(part.at, cursor_left(&part), &decoded)) {
        return "a configuration in it cannot be read";
    }
    config.payload = blob_copy(part.at, cursor_left(&part));
    install->configs[install->config_count++] = config;
    return NULL;
}

static const char *unpack_keys(struct cursor *cursor, size_t size,
                               struct raft_install *install)
{
    const uint8_t *bytes = cursor_bytes(cursor, size);
    if (bytes == NULL) {
        return "it ends in its keys";
    }
    install->keys = blob_copy(bytes, size);
    struct raft_keys keys;
    keys_open(&keys, RAFT_KEY_WINDOW_MAX, 0);
    const char *why = keys_unpack(&keys, bytes, size, install->base.index + 1);
    keys_close(&keys);
    return why;
}

static const char *unpack(struct cursor *cursor, struct raft_install *install)
{
    struct cursor fixed = cursor_part(cursor, cursor_u16(cursor));
    struct raft_base *base = &install->base;
    base->index = cursor_u64(&fixed);
    base->term = cursor_u64(&fixed);
    const uint8_t *chain = cursor_bytes(&fixed, DIGEST_SIZE);
    base->unix_ms = cursor_u64(&fixed);
    base->last_app = cursor_u64(&fixed);
    size_t count = cursor_u32(&fixed);
    size_t keys_size = cursor_u32(&fixed);
    if (chain == NULL || fixed.bad) {
        return "its fixed fields are too short";
    }
    memcpy(base->chain.bytes, chain, DIGEST_SIZE);
    if (base->index == 0 || base->index > (raft_index)INT64_MAX ||
        base->term == 0 || base->term > TERM_MAX ||
        base->last_app > base->index || count == 0 ||
        count > RAFT_BASE_CONFIGS_MAX) {
        return "its fixed fields contradict each other";
    }
    install->configs = x_calloc(count, sizeof(*install->configs));
    for (size_t i = 0; i < count; i++) {
        const char *why = unpack_config(cursor, install);
        if (why != NULL) {
            return why;
        }
    }
    return unpack_keys(cursor, keys_size, install);
}

const char *raft_base_unpack(const void *data, size_t size,
                             struct raft_install *install)
{
    struct cursor cursor = cursor_of(data, size);
    *install = (struct raft_install){0};
    const char *why = unpack(&cursor, install);
    if (why != NULL) {
        raft_install_clear(install);
    }
    return why;
}

/* ---- taking over -------------------------------------------------------- */

static struct raft_install *share(const struct raft_install *from)
{
    struct raft_install *install = x_calloc(1, sizeof(*install));
    install->base = from->base;
    install->keys = blob_share(from->keys);
    install->config_count = from->config_count;
    install->configs = x_calloc(from->config_count, sizeof(*install->configs));
    for (size_t i = 0; i < from->config_count; i++) {
        install->configs[i] = from->configs[i];
        blob_share(install->configs[i].payload);
    }
    return install;
}

void base_drop(struct raft_install *install)
{
    if (install != NULL) {
        raft_install_clear(install);
        free(install);
    }
}

/* The whole log gives way: its end is not in the log that is committed.  What
 * was durable of it no longer counts, but what was told is as it was. */
static void replace(struct raft *raft, const struct raft_install *install)
{
    const struct raft_base *base = &install->base;
    if (base->term > raft->term) {
        become_follower(raft, base->term, RAFT_ID_NONE);
    }
    keys_truncate(&raft->keys, base->index + 1);
    const char *why = keys_rebase(&raft->keys, install->keys->data,
                                  install->keys->size, base->index);
    assert(why == NULL); /* raft_base_unpack() has read them */
    log_install(&raft->log, install);
    raft->commit = base->index;
    keys_commit(&raft->keys, base->index);
    raft->saved = raft->told;
    raft->handed = base->index;
    raft->truncate_from = 0;
    raft->base_dirty = true;
    base_drop(raft->install);
    raft->install = share(install);
    raft_config_changed(raft);
    raft_note(raft, LOG_LEVEL_INFO,
              "the log begins anew behind entry %llu, with another node's base",
              (unsigned long long)base->index);
}

/* Section 7, the receiver.  A log that has the base's last entry has all that
 * is before it, and what is behind stays: then all there is to be learnt is
 * that it is committed. */
void base_install(struct raft *raft, const struct raft_install *install)
{
    const struct raft_base *base = &install->base;
    if (base->index <= raft->commit || raft->role != RAFT_ROLE_FOLLOWER) {
        return;
    }
    if (log_term(&raft->log, base->index) == base->term) {
        raft_set_commit(raft, base->index);
    } else {
        replace(raft, install);
    }
}
