/* A row of saves for tests of the store, and what must be on disk after each
 * of them. */
#ifndef RAFTSC_TESTS_STORE_MODEL_H
#define RAFTSC_TESTS_STORE_MODEL_H

#include "base/prng.h"
#include "store/store.h"

#define MODEL_ENTRIES_MAX 4096

/* What is durable after some save. */
struct model {
    raft_term term;
    raft_id vote;
    raft_index commit;
    raft_index ack;
    struct digest cluster_id;
    size_t count;
    struct digest chains[MODEL_ENTRIES_MAX]; /* of entries 1 .. count */
    raft_term terms[MODEL_ENTRIES_MAX];
    uint8_t kinds[MODEL_ENTRIES_MAX];
    struct raft_base base;
    bool cuts;     /* asked for: the base moves up now and then … */
    bool installs; /* … or another node's takes the place of the whole log */
};

/* Makes the next save at random, and *model what it is after it.  The caller
 * clears save->log. */
void model_next(struct prng *prng, struct model *model, struct node_save *save);

/* Does a save through a store without threads, and returns its answer. */
enum node_save_result model_save(struct store *store,
                                 const struct node_save *save);

/* Whether the store holds exactly this: state, and every entry read back. */
bool model_matches(struct store *store, const struct model *model);

/* How a read of one entry ends. */
enum node_read_result model_read_one(struct store *store, raft_index index);

#endif
