/* Disks and addresses that are exchanged.  A node that comes back with another
 * disk under its old id may have forgotten a vote: whatever becomes of it, what
 * was committed is on a majority without it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "world.h"

/* ---- disks -------------------------------------------------------------- */

static bool is_other(const struct host *host, const void *context)
{
    return host != context;
}

/* As long as everybody waits for everybody, nothing has begun that could be
 * lost; and where all have begun anew, another cluster is born. */
static bool may_change_disk(struct world *world, const struct host *host,
                            bool fresh)
{
    return config_newest(world) != NULL && host->disk.made &&
           (world->mix.forgetful || host->id != 0) &&
           (!fresh || !force_names(world, &host->other_disk)) &&
           force_holds(world, is_other, host);
}

static void change(struct host *host, bool fresh)
{
    struct world *world = host->world;
    enum happening what = fresh ? HAPPENED_WIPED : HAPPENED_OLD_DISK;
    world_trace(world, host, "!  %s", happened_names[what]);
    world_happened(world, what);
    if (host->node != NULL) {
        host_crash(host);
    }
    disk_change(host, fresh);
    host->life++; /* a start that was noted is for the old one */
    if (world->mix.forgetful) {
        host->listed = false;
    }
}

static struct host *some_host(struct world *world, struct prng *prng)
{
    return &world->hosts[prng_below(prng, world->mix.hosts)];
}

/* Most of all those of members: what a stranger forgets matters less. */
static struct host *some_member(struct world *world, struct prng *prng)
{
    struct host *host = some_host(world, prng);
    for (int i = 0; i < 4 && !force_member(world, host); i++) {
        host = some_host(world, prng);
    }
    return host;
}

void place_wipe(struct world *world, struct prng *prng)
{
    struct host *host = some_member(world, prng);
    if (may_change_disk(world, host, true)) {
        change(host, true);
        host_restart_later(host, 3000000);
    }
}

void place_old_disk(struct world *world, struct prng *prng)
{
    struct host *host = some_host(world, prng);
    if (host->other_disk.made && may_change_disk(world, host, false)) {
        change(host, false);
        host_restart_later(host, 3000000);
    }
}

void place_recover(struct host *host)
{
    if (force_names(host->world, &host->other_disk)) {
        change(host, false);
    }
}

/* ---- addresses ---------------------------------------------------------- */

void host_place(const struct host *host, uint64_t mark, char *text, size_t size)
{
    char marked[32] = "";
    if (mark != 0) {
        snprintf(marked, sizeof(marked), "-%llu", (unsigned long long)mark);
    }
    if (host->place == 0) {
        snprintf(text, size, "host%lu%s:7000", (unsigned long)host->id, marked);
    } else {
        snprintf(text, size, "place%u%s:7000", host->place, marked);
    }
}

/* A host is found by its name wherever it is, as by a name service, and at its
 * place for as long as it is there.  NULL: nobody is there. */
struct host *host_at(struct world *world, const char *address)
{
    unsigned number = 0;
    if (sscanf(address, "host%u", &number) == 1) {
        return number < world->mix.hosts ? &world->hosts[number] : NULL;
    }
    if (sscanf(address, "place%u", &number) != 1) {
        return NULL;
    }
    for (unsigned i = 0; i < world->mix.hosts; i++) {
        if (world->hosts[i].place == number) {
            return &world->hosts[i];
        }
    }
    return NULL;
}

/* Where nobody was yet, or where somebody was who has left. */
static unsigned some_place(struct world *world, struct prng *prng)
{
    char text[32];
    unsigned place = (unsigned)prng_range(prng, 1, world->places + 1);
    snprintf(text, sizeof(text), "place%u", place);
    if (host_at(world, text) != NULL || prng_chance(prng, 2)) {
        place = world->places + 1;
    }
    if (place > world->places) {
        world->places = place;
    }
    return place;
}

/* Who dialled it dials nobody now. */
static void leave_dials(struct host *host)
{
    for (struct wire *wire = host->world->wires; wire != NULL;
         wire = wire->next) {
        if (!wire->is_free && !wire->connected && wire->end[1].host == host) {
            wire->end[1].host = NULL;
        }
    }
}

/* It comes back under another address.  One that has no bootstrap list is left
 * where it is: two of those that move could never find each other again. */
void place_move(struct world *world, struct prng *prng)
{
    struct host *host = some_host(world, prng);
    if (!host->listed || config_newest(world) == NULL) {
        return;
    }
    world_happened(world, HAPPENED_MOVED);
    world_trace(world, host, "!  moves");
    if (host->node != NULL) {
        host_crash(host);
    }
    leave_dials(host);
    host->place = some_place(world, prng);
    host_place(host, 0, host->address, sizeof(host->address));
    host_restart_later(host, 3000000);
}
