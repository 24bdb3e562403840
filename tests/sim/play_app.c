/* Plays of apps that ask for more than they wait for. */
#include "app.h"
#include "play.h"

#define SUBMITS_US ((uint64_t)2000000)

/* The first one waits for an entry that is not there yet; and behind it, all
 * that there is, again and again. */
static void ask_behind(struct app *app, struct buf *buf)
{
    if (app->open_count == 0) {
        ask_read_next(app, buf);
    } else {
        ask_read_all(app, buf);
    }
}

static bool is_answered(struct world *world, const struct host *host)
{
    (void)host;
    return app_open_requests(world->apps[1]) == 0;
}

/* Replies that wait for the one before them cost no more memory than those that
 * wait for their reader; and that one finds room when its turn comes. */
void play_behind(struct world *world)
{
    world->mix.large = true;
    world->mix.burst = 16;
    world->apps[0]->only = ask_ping;
    world->apps[1]->only = ask_ping;
    struct host *first = play_begin(world);
    app_go(world->apps[0], first);
    app_go(world->apps[1], first);
    world->apps[0]->only = ask_submit;
    world_run(world, SUBMITS_US);
    world->apps[0]->only = ask_ping;
    world_run(world, SOON_US);
    world->apps[1]->only = ask_behind;
    world_run(world, 2000000); /* limits.c looks at what waits */
    app_stop(world->apps[1]);
    world->apps[0]->only = ask_submit;
    play_await(world, is_answered, first, LONG_US, "all is answered");
}
