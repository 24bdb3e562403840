#include "daemon/loop.h"

#include "config.h"

#include <assert.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "daemon/http.h"
#include "daemon/parameters.h"

/* A shutdown waits so long for what is under way. */
#define STOP_US ((uint64_t)3 * 1000 * 1000)
/* … and then for a disk that is at work, which may hang. */
#define STOP_DISK_US ((uint64_t)3 * 1000 * 1000)
/* What systemd had no room for is tried again so soon. */
#define NOTIFY_US ((uint64_t)100 * 1000)
/* Descriptors that are kept from apps, for nodes, strangers, HTTP and files. */
#define OWN_FILES ((uint64_t)256)
/* Turns in a row before the sockets are looked at again. */
#define TURNS_MAX 8

struct raft_now loop_now(void)
{
    struct timespec mono;
    struct timespec real;
    clock_gettime(CLOCK_MONOTONIC, &mono);
    clock_gettime(CLOCK_REALTIME, &real);
    return (struct raft_now){.mono_us = (uint64_t)mono.tv_sec * 1000000 +
                                        (uint64_t)mono.tv_nsec / 1000,
                             .unix_ms = (uint64_t)real.tv_sec * 1000 +
                                        (uint64_t)real.tv_nsec / 1000000};
}

/* ---- what the node asks for --------------------------------------------- */

static void net_send(void *context, node_conn number, struct out *out)
{
    struct loop *loop = context;
    struct connection *connection = map_get(&loop->connections, number);
    assert(connection != NULL);
    connection_send(connection, out);
}

static void net_close(void *context, node_conn number, bool flush)
{
    struct loop *loop = context;
    struct connection *connection = map_get(&loop->connections, number);
    if (connection != NULL) {
        connection_close(connection, flush);
    }
    dial_cancel(loop, number);
}

static void net_pause(void *context, node_conn number, bool paused)
{
    struct loop *loop = context;
    struct connection *connection = map_get(&loop->connections, number);
    assert(connection != NULL);
    connection_pause(connection, paused);
}

static void net_dial(void *context, node_conn number, const char *address)
{
    dial_start(context, number, address);
}

static void net_note(void *context, enum log_level level, const char *text)
{
    (void)context;
    log_line(level, "%s", text);
}

/* ---- the turn ----------------------------------------------------------- */

static void tell_dead(struct loop *loop)
{
    while (!list_empty(&loop->dead)) {
        struct connection *connection =
            list_entry(loop->dead.next, struct connection, in_dead);
        struct node_input input = {.type = NODE_INPUT_CLOSED,
                                   .conn = connection->number,
                                   .text = connection->why};
        node_input(loop->node, &input);
        connection_free(connection);
    }
}

/* Write what the turn has made, and tell the node how much of it left. */
static void flush_all(struct loop *loop)
{
    while (!list_empty(&loop->dirty)) {
        connection_flush(
            list_entry(loop->dirty.next, struct connection, in_dirty));
    }
}

static void set_deadline(struct loop *loop, uint64_t now_us, uint64_t at_us)
{
    if (at_us == UINT64_MAX) {
        event_del(loop->deadline);
        return;
    }
    uint64_t wait_us = at_us > now_us ? at_us - now_us : 0;
    struct timeval wait = {.tv_sec = (time_t)(wait_us / 1000000),
                           .tv_usec = (suseconds_t)(wait_us % 1000000)};
    event_add(loop->deadline, &wait);
}

static void tell_status(struct loop *loop)
{
    struct raft_status status;
    char text[128];
    if (loop->notify.fd < 0) {
        return;
    }
    raft_status(node_raft(loop->node), &status);
    snprintf(text, sizeof(text), "%s of term %llu", node_role_word(loop->node),
             (unsigned long long)status.term);
    notify_status(&loop->notify, text);
}

static void turn(struct loop *loop)
{
    struct raft_now now;
    uint64_t at_us;
    int turns = 0;
    do {
        tell_dead(loop);
        dial_tell_failed(loop);
        now = loop_now();
        at_us = node_turn(loop->node, now);
        flush_all(loop);
        turns++;
    } while (node_wants_turn(loop->node) && turns < TURNS_MAX);
    bool more = node_wants_turn(loop->node) || !list_empty(&loop->dead) ||
                !list_empty(&loop->failed_dials);
    tell_status(loop);
    if (!notify_flush(&loop->notify) && at_us > now.mono_us + NOTIFY_US) {
        at_us = now.mono_us + NOTIFY_US;
    }
    set_deadline(loop, now.mono_us, more ? 0 : at_us);
}

/* ---- callbacks ---------------------------------------------------------- */

static void on_deadline(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    (void)context; /* the turn behind it is what is wanted */
}

static void store_saved(void *context, enum node_save_result result)
{
    struct loop *loop = context;
    struct node_input input = {.type = NODE_INPUT_SAVED, .saved = result};
    node_input(loop->node, &input);
}

static void store_read(void *context, struct node_read_answer *answer)
{
    struct loop *loop = context;
    struct node_input input = {.type = NODE_INPUT_READ, .read = answer};
    node_input(loop->node, &input);
}

static void store_file(void *context, struct node_file_answer *answer)
{
    struct loop *loop = context;
    struct node_input input = {.type = NODE_INPUT_FILE, .file = answer};
    node_input(loop->node, &input);
}

static void on_store(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    struct loop *loop = context;
    struct store_answers answers = {.context = loop,
                                    .saved = store_saved,
                                    .read = store_read,
                                    .file = store_file};
    store_poll(loop->store, &answers);
}

static void on_resolved(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    dial_resolved(context);
}

static void on_stop(evutil_socket_t number, short what, void *context)
{
    (void)what;
    struct loop *loop = context;
    if (loop->stopping) {
        return;
    }
    log_line(LOG_LEVEL_INFO, "stopping on %s",
             number == SIGTERM ? "SIGTERM" : "SIGINT");
    loop->stopping = true;
    loop->stop_by_us = loop_now().mono_us + STOP_US;
    notify_stopping(&loop->notify);
    struct node_input input = {.type = NODE_INPUT_SHUTDOWN};
    node_input(loop->node, &input);
}

static void on_reload(evutil_socket_t number, short what, void *context)
{
    (void)number;
    (void)what;
    parameters_reload(context);
}

static void on_watchdog(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    struct loop *loop = context;
    notify_alive(&loop->notify);
}

/* ---- start and end ------------------------------------------------------ */

static struct event *add_event(struct loop *loop, int fd, short what,
                               event_callback_fn callback)
{
    struct event *event = event_new(loop->base, fd, what, callback, loop);
    if (event == NULL || event_add(event, NULL) != 0) {
        die(EXIT_STATUS_SOFTWARE, "an event cannot be made");
    }
    return event;
}

static void add_events(struct loop *loop)
{
    static const int numbers[] = {SIGTERM, SIGINT, SIGHUP};
    loop->deadline = evtimer_new(loop->base, on_deadline, loop);
    loop->store_event =
        add_event(loop, store_fd(loop->store), EV_READ | EV_PERSIST, on_store);
    loop->resolver_event = add_event(loop, resolver_fd(loop->resolver),
                                     EV_READ | EV_PERSIST, on_resolved);
    for (int i = 0; i < 3; i++) {
        loop->signals[i] =
            add_event(loop, numbers[i], EV_SIGNAL | EV_PERSIST,
                      numbers[i] == SIGHUP ? on_reload : on_stop);
    }
    if (loop->notify.watchdog_us > 0) {
        struct timeval every = {
            .tv_sec = (time_t)(loop->notify.watchdog_us / 1000000),
            .tv_usec = (suseconds_t)(loop->notify.watchdog_us % 1000000)};
        loop->watchdog =
            event_new(loop->base, -1, EV_PERSIST, on_watchdog, loop);
        event_add(loop->watchdog, &every);
    }
}

static bool open_store(struct loop *loop, int *status)
{
    struct store_options options = {
        .directory = loop->settings.data_dir,
        .id = loop->settings.id,
        .address = loop->settings.peer_advertise,
        .version = PACKAGE_VERSION,
        .tail_bytes_max = (size_t)loop->settings.cache_size,
        .key_window = (size_t)loop->settings.key_window,
        .threads = true,
    };
    struct store_error error = {0};
    loop->store = store_open(&options, &error);
    if (loop->store == NULL) {
        log_line(LOG_LEVEL_ERROR, "%s", error.text);
        *status = (int)error.status;
    }
    return loop->store != NULL;
}

static uint64_t random_seed(void)
{
    uint64_t seed;
    if (getrandom(&seed, sizeof(seed), 0) != (ssize_t)sizeof(seed)) {
        die(EXIT_STATUS_SOFTWARE, "the kernel gives no random numbers");
    }
    return seed;
}

static bool make_node(struct loop *loop, int *status)
{
    struct node_net net = {.context = loop,
                           .send = net_send,
                           .close = net_close,
                           .pause = net_pause,
                           .dial = net_dial,
                           .note = net_note};
    struct node_settings settings = parameters_for_node(loop);
    char why[256];
    loop->node =
        node_new(&settings, store_start(loop->store), store_node(loop->store),
                 net, parameters_of(loop), random_seed(), loop_now(), why);
    store_started(loop->store);
    if (loop->node == NULL) {
        log_line(LOG_LEVEL_ERROR, "what is in %s cannot be: %s",
                 loop->settings.data_dir, why);
        *status = EXIT_STATUS_DAMAGED;
    }
    return loop->node != NULL;
}

static bool listen_all(struct loop *loop, int *status)
{
    char why[512];
    loop->peer_listener = listener_peers(loop, why, sizeof(why));
    if (loop->peer_listener != NULL) {
        loop->app_listener = listener_app(loop, why, sizeof(why));
    }
    if (loop->app_listener != NULL) {
        loop->http = http_new(loop, why, sizeof(why));
    }
    if (loop->http == NULL) {
        log_line(LOG_LEVEL_ERROR, "%s", why);
        *status = EXIT_STATUS_ADDRESS;
    }
    return loop->http != NULL;
}

/* As many connections as the system allows; apps that take all that they may
 * have leave enough for the other nodes. */
static void raise_limit(struct loop *loop)
{
    struct rlimit limit = {0};
    loop->files_max = UINT64_MAX;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
        loop->files_max = limit.rlim_cur;
    }
    loop->clients_max = loop->files_max < OWN_FILES * 2
                            ? loop->files_max / 2
                            : loop->files_max - OWN_FILES;
}

static void end_at_once(int number)
{
    (void)number;
    _exit(EXIT_STATUS_OK);
}

/* Opening a large log takes a while, and there is no loop yet.  An end is as
 * after a crash then, which loses nothing; a reload waits. */
static void catch_early_signals(void)
{
    struct sigaction action = {.sa_handler = end_at_once};
    sigset_t reload;
    sigemptyset(&reload);
    sigaddset(&reload, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &reload, NULL);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
}

static void take_reloads(void)
{
    sigset_t reload;
    sigemptyset(&reload);
    sigaddset(&reload, SIGHUP);
    pthread_sigmask(SIG_UNBLOCK, &reload, NULL);
}

/* What libevent says goes into the log, and where it cannot go on it ends the
 * process as everything else here does. */
static void on_event_log(int severity, const char *text)
{
    static const enum log_level levels[] = {[EVENT_LOG_DEBUG] = LOG_LEVEL_DEBUG,
                                            [EVENT_LOG_MSG] = LOG_LEVEL_INFO,
                                            [EVENT_LOG_WARN] =
                                                LOG_LEVEL_WARNING,
                                            [EVENT_LOG_ERR] = LOG_LEVEL_ERROR};
    log_line(levels[severity], "libevent: %s", text);
}

static void on_event_fatal(int code)
{
    (void)code;
    die(EXIT_STATUS_SOFTWARE, "libevent cannot go on");
}

/* A leader's batch waits for less than a millisecond. */
static struct event_base *new_base(void)
{
    event_set_log_callback(on_event_log);
    event_set_fatal_callback(on_event_fatal);
    struct event_config *config = event_config_new();
    if (config == NULL) {
        return NULL;
    }
    event_config_set_flag(config, EVENT_BASE_FLAG_PRECISE_TIMER);
    struct event_base *base = event_base_new_with_config(config);
    event_config_free(config);
    return base;
}

static bool start(struct loop *loop, int *status)
{
    catch_early_signals();
    raise_limit(loop);
    notify_open(&loop->notify);
    loop->base = new_base();
    loop->buffer = x_malloc(CONNECTION_READ_MAX);
    loop->resolver = resolver_new();
    if (loop->base == NULL) {
        die(EXIT_STATUS_SOFTWARE, "libevent cannot start");
    }
    if (!open_store(loop, status)) {
        return false;
    }
    add_events(loop);
    take_reloads();
    if (!make_node(loop, status) || !listen_all(loop, status)) {
        return false;
    }
    log_line(LOG_LEVEL_INFO,
             "raftsc %s, node %lu of cluster %s, apps at %s, peers at %s",
             PACKAGE_VERSION, (unsigned long)loop->settings.id,
             loop->settings.cluster, loop->settings.app_socket,
             loop->settings.peer_listen);
    notify_ready(&loop->notify);
    return true;
}

static void free_events(struct loop *loop)
{
    struct event *all[] = {loop->deadline,       loop->store_event,
                           loop->resolver_event, loop->watchdog,
                           loop->signals[0],     loop->signals[1],
                           loop->signals[2]};
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        if (all[i] != NULL) {
            event_free(all[i]);
        }
    }
}

/* Nothing is freed that a thread of the store's still uses.  Where the disk
 * does not let one end, the process ends as in a crash, which loses nothing. */
static void stop_store(struct loop *loop, int status)
{
    if (loop->store != NULL && !store_stop(loop->store, STOP_DISK_US)) {
        log_line(LOG_LEVEL_WARNING,
                 "the disk does not answer: stopped without waiting for it");
        _exit(status);
    }
}

static void end(struct loop *loop, int status)
{
    http_free(loop->http);
    listener_free(loop->app_listener);
    listener_free(loop->peer_listener);
    stop_store(loop, status);
    /* The last replies leave before the node forgets its sessions. */
    node_free(loop->node);
    loop->node = NULL;
    flush_all(loop);
    while (!list_empty(&loop->connection_list)) {
        connection_free(
            list_entry(loop->connection_list.next, struct connection, in_loop));
    }
    map_free(&loop->connections);
    if (loop->resolver != NULL) {
        dial_free(loop);
    }
    resolver_free(loop->resolver);
    store_close(loop->store);
    free_events(loop);
    if (loop->base != NULL) {
        event_base_free(loop->base);
    }
    notify_close(&loop->notify);
    free(loop->buffer);
}

/* An app has not read all of what it was answered. */
static bool owes_apps(const struct loop *loop)
{
    list_each(at, following, &loop->connection_list)
    {
        const struct connection *connection =
            list_entry(at, struct connection, in_loop);
        if (!connection->peer && connection->out.size > 0) {
            return true;
        }
    }
    return false;
}

static bool is_over(const struct loop *loop)
{
    return loop->stopping && ((node_idle(loop->node) && !owes_apps(loop)) ||
                              loop_now().mono_us >= loop->stop_by_us);
}

int loop_run(const struct configfile *file, const struct settings *settings)
{
    static struct loop loop;
    int status = EXIT_STATUS_OK;
    loop.file = *file;
    loop.settings = *settings;
    loop.next_number = 1;
    list_init(&loop.connection_list);
    list_init(&loop.dirty);
    list_init(&loop.dead);
    list_init(&loop.failed_dials);
    bool started = start(&loop, &status);
    if (started) {
        turn(&loop);
        while (!is_over(&loop)) {
            event_base_loop(loop.base, EVLOOP_ONCE);
            turn(&loop);
            if (loop.stopping) {
                struct timeval soon = {.tv_usec = 20000};
                event_add(loop.deadline, &soon);
            }
        }
    }
    end(&loop, status);
    if (started) {
        log_line(LOG_LEVEL_INFO, "stopped");
    }
    return status;
}
