/* SNAPSHOT and its subcommands. */
#include "node/commands.h"
#include "node/snapshot.h"

static bool is_form(const struct resp_request *args, const char *name,
                    size_t count)
{
    return args->count == count && command_is(&args->words[1], name);
}

/* READ offset count [INDEX index]. */
static bool parse_read(struct node *node, struct request *request,
                       const struct resp_request *args)
{
    uint64_t index = 0;
    if (!command_number(node, request, &args->words[2], "the offset",
                        &request->offset) ||
        !command_number(node, request, &args->words[3], "the count",
                        &request->count)) {
        return false;
    }
    if (request->count > NODE_FILE_READ_MAX) {
        request_error(node, request, ERROR_ERR,
                      "the count is %llu: expected at most %zu",
                      (unsigned long long)request->count, NODE_FILE_READ_MAX);
        return false;
    }
    if (args->count == 6 &&
        !command_number(node, request, &args->words[5], "INDEX", &index)) {
        return false;
    }
    request->index = index;
    return true;
}

static bool is_read(const struct resp_request *args)
{
    return is_form(args, "READ", 4) ||
           (is_form(args, "READ", 6) && command_is(&args->words[4], "INDEX"));
}

void command_snapshot(struct node *node, struct session *session,
                      struct request *request, const struct resp_request *args)
{
    if (is_form(args, "INFO", 2)) {
        download_info(node, session, request);
    } else if (is_read(args)) {
        if (parse_read(node, request, args)) {
            download_read(node, request);
        }
    } else if (is_form(args, "BEGIN", 3)) {
        uint64_t index;
        if (command_number(node, request, &args->words[2], "the index",
                           &index)) {
            upload_begin(node, session, request, index);
        }
    } else if (is_form(args, "WRITE", 3)) {
        upload_write(node, session, request, &args->words[2]);
    } else if (is_form(args, "END", 2)) {
        upload_end(node, session, request);
    } else if (is_form(args, "ABORT", 2)) {
        upload_abort(node, session);
        request_ok(node, request);
    } else {
        command_syntax(node, request, &args->words[1],
                       "SNAPSHOT INFO, READ offset count [INDEX index], BEGIN "
                       "index, WRITE bytes, END, or ABORT");
    }
}
