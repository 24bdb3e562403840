/* COMPACT: the operator, or an app that needs only the recent log, cuts it. */
#include "node/commands.h"
#include "node/compact.h"

void command_compact(struct node *node, struct session *session,
                     struct request *request, const struct resp_request *args)
{
    (void)session;
    uint64_t index;
    bool force = args->count == 3;
    if (force && !command_is(&args->words[2], "FORCE")) {
        command_syntax(node, request, &args->words[2], "COMPACT index [FORCE]");
        return;
    }
    if (!command_number(node, request, &args->words[1], "the index", &index)) {
        return;
    }
    if (index > node->told) {
        request_error(node, request, ERROR_ERR,
                      "%llu is not committed here yet: the commit index is "
                      "%llu",
                      (unsigned long long)index,
                      (unsigned long long)node->told);
        return;
    }
    compact_to(node, compact_limit(node, index, force), request);
}
