/* What is sent to a peer, as it is told before: the record of what lies under
 * the log, and the app's snapshot behind it. */
#include <stdlib.h>
#include <string.h>

#include "node/install.h"
#include "node/snapshot.h"

uint64_t offer_total(const struct frame_offer *offer)
{
    return offer->record_size + offer->snapshot_size;
}

void offer_drop(struct node *node, struct sending *sending)
{
    snapshot_unpin(node, sending->snapshot);
    blob_free(sending->record);
    sending->snapshot = NULL;
    sending->record = NULL;
    sending->reading = 0;
    sending->wanted = false;
    sending->asked = false;
    sending->serial = ++node->install->serial;
}

void offer_say(struct sending *sending)
{
    if (sending->link != NULL && sending->link->greeted) {
        frame_write_offer(&sending->link->out, sending->link->version,
                          &sending->offer);
    }
}

/* Chain and time are those of entry `index`. */
static void make_record(struct node *node, struct sending *sending,
                        raft_index index, struct digest chain, uint64_t unix_ms)
{
    struct buf buf = {0};
    raft_base_pack(node->raft, index, chain, unix_ms, &buf);
    sending->record = blob_copy(buf.data, buf.size);
    sending->offer =
        (struct frame_offer){.index = index,
                             .term = raft_term_at(node->raft, index),
                             .record_size = buf.size,
                             .record_digest = digest_of(buf.data, buf.size)};
    if (sending->snapshot != NULL) {
        const struct node_snapshot *snapshot = &sending->snapshot->what;
        sending->offer.snapshot_size = snapshot->size;
        memcpy(sending->offer.snapshot_sha256, snapshot->sha256, SHA256_SIZE);
    }
    buf_free(&buf);
    offer_say(sending);
}

static struct snapshot *present(const struct node *node)
{
    const struct raft_base *base = raft_base_now(node->raft);
    return node->snapshot != NULL && node->snapshot->what.index >= base->index
               ? node->snapshot
               : NULL;
}

bool offer_blocked(const struct node *node)
{
    const struct snapshot *snapshot = present(node);
    return snapshot != NULL && snapshot->damaged;
}

/* What lies under the app's snapshot, where there is one: it begins before the
 * log does, or with it. */
static void begin_record(struct node *node, struct sending *sending)
{
    const struct raft_base *base = raft_base_now(node->raft);
    raft_index index = base->index;
    if (present(node) != NULL) {
        sending->snapshot = snapshot_pin(present(node));
        index = sending->snapshot->what.index;
    }
    const struct raft_entry *entry = raft_entry_at(node->raft, index);
    if (index == base->index) {
        make_record(node, sending, index, base->chain, base->unix_ms);
    } else if (entry != NULL) {
        make_record(node, sending, index, entry->chain, entry->unix_ms);
    } else {
        struct node_read read = {
            .request = node->next_read++, .first = index, .last = index};
        sending->reading = read.request;
        node->store.read(node->store.context, &read);
    }
}

static void take_entry(struct node *node, struct sending *sending,
                       const struct node_read_answer *answer)
{
    const struct raft_base *base = raft_base_now(node->raft);
    sending->reading = 0;
    if (answer->entry_count == 1 && answer->first >= base->index) {
        make_record(node, sending, answer->first, answer->entries[0].chain,
                    answer->entries[0].unix_ms);
    } else {
        offer_drop(node, sending); /* the next turn begins it anew */
    }
}

bool install_read(struct node *node, struct node_read_answer *answer)
{
    list_each(at, following, &node->install->sendings)
    {
        struct sending *sending = list_entry(at, struct sending, in_node);
        if (sending->reading == 0 || sending->reading != answer->request) {
            continue;
        }
        take_entry(node, sending, answer);
        driver_read_clear(answer);
        return true;
    }
    return false;
}

/* Where the base has moved past what is sent, it is begun anew, once the base
 * stands still: what the old one leads to is gone. */
void offer_prepare(struct node *node, struct sending *sending)
{
    const struct raft_base *base = raft_base_now(node->raft);
    if (sending->reading != 0 || !compact_rests(node)) {
        return;
    }
    if (sending->record != NULL && sending->offer.index < base->index) {
        offer_drop(node, sending);
    }
    if (sending->record == NULL && !offer_blocked(node)) {
        begin_record(node, sending);
    }
}

bool offer_has_snapshot(const struct frame_offer *offer)
{
    static const uint8_t none[SHA256_SIZE];
    return memcmp(offer->snapshot_sha256, none, SHA256_SIZE) != 0;
}
