/* What the two ways to submit share. */
#ifndef RAFTSC_CTL_SUBMIT_H
#define RAFTSC_CTL_SUBMIT_H

#include "ctl/ctl.h"

#define SUBMIT_WORDS_MAX 4

/* The request for one payload; returns how many words it has.  They borrow
 * the payload and `timeout`. */
size_t submit_words(const struct ctl *ctl, const void *payload, size_t size,
                    char timeout[CTL_NUMBER_SIZE],
                    struct client_word words[SUBMIT_WORDS_MAX]);

/* Each line of standard input as one entry. */
enum ctl_status submit_lines(struct ctl *ctl);

#endif
