/* The bytes of a snapshot between a node and a file: in pieces, several on
 * their way at a time, with a progress bar on a terminal. */
#ifndef RAFTSC_CTL_SNAPSHOT_H
#define RAFTSC_CTL_SNAPSHOT_H

#include "base/sha256.h"
#include "ctl/ctl.h"

struct snapshot_description {
    uint64_t index; /* 0: there is none */
    uint64_t term;
    uint64_t size;
    char sha256[SHA256_HEX_SIZE];
};

/* Downloads the snapshot that the connection has pinned, which is `what`, into
 * `file` ("-": standard output).  The file is replaced once all bytes are
 * there, have that hash, and are synced; else it stays as it was. */
enum ctl_status snapshot_bytes_save(struct ctl *ctl,
                                    const struct snapshot_description *what,
                                    const char *file);

/* Uploads `file` ("-": standard input) as the app's state as of `index`.
 * CTL_DONE: it is durable, and `sha256` that of what was sent. */
enum ctl_status snapshot_bytes_load(struct ctl *ctl, uint64_t index,
                                    const char *file,
                                    char sha256[SHA256_HEX_SIZE]);

#endif
