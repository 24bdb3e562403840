/* The HTTP of http-listen: probes, metrics, and a page for people.
 *
 * It answers GET and HEAD of five paths and nothing else, takes no body, and
 * closes each connection behind its answer.  Strangers may reach it, so that
 * everything has a limit: connections, the bytes of a request, and time. */
#ifndef RAFTSC_DAEMON_HTTP_H
#define RAFTSC_DAEMON_HTTP_H

#include <stddef.h>

struct http;
struct loop;

/* For one more the oldest is closed. */
#define HTTP_CONNECTIONS_MAX 64
/* The whole head of a request; above it 431. */
#define HTTP_REQUEST_MAX ((size_t)8 * 1024)
/* From the connection to its end, however slow the other end is. */
#define HTTP_PATIENCE_S 10
/* With no descriptor left nothing is accepted for so long. */
#define HTTP_REST_US 100000

/* NULL: `why` says what was wrong.  Nothing is listened on where http-listen
 * is not set: that gives a server that only has to be freed. */
struct http *http_new(struct loop *loop, char *why, size_t why_size);
void http_free(struct http *http);

/* The page at /, in http_page.c. */
extern const char http_page[];

#endif
