/* What the two ways to submit share: the request for one entry. */
#ifndef RAFTSC_CTL_SUBMIT_H
#define RAFTSC_CTL_SUBMIT_H

#include "ctl/ctl.h"

#define SUBMIT_WORDS_MAX 12
/* Of lines, ":" and the line's number stand behind the key. */
#define SUBMIT_KEY_SIZE (OPTIONS_KEY_MAX + CTL_NUMBER_SIZE)
#define SUBMIT_LINES_KEY_MAX ((size_t)OPTIONS_KEY_MAX - 21)

/* Its words point into itself, and at the payload. */
struct submit_request {
    struct client_word words[SUBMIT_WORDS_MAX];
    size_t count;
    char key[SUBMIT_KEY_SIZE];
    char since[CTL_NUMBER_SIZE];
    char after[CTL_NUMBER_SIZE];
    char term[CTL_NUMBER_SIZE];
    char timeout[CTL_NUMBER_SIZE];
};

/* Of one payload, with the options that were given; borrows it.  `line`
 * counts lines from 1 on; 0: the payload is no line. */
void submit_request_make(struct submit_request *request, const struct ctl *ctl,
                         const void *payload, size_t size, uint64_t line);

/* Each line of standard input as one entry. */
enum ctl_status submit_lines(struct ctl *ctl);

#endif
