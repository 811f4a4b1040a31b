/* Connections, and what becomes of the frames on them. A connection keeps the order and comes up in
 * steps, as TCP and CURVE do; the weather decides the rest: frames are lost, doubled, late or out
 * of turn, a side may be mute or deaf, and a connection may look alive long after it has died. */
#include <stdlib.h>
#include <string.h>

#include "tests/simulator/sim.h"

enum { CONNECT_PATIENCE_MS = 8000, LATE_MS = 90 * 1000, SHUFFLE_MS = 3000 };

static void
plan_link(struct sim *sim, struct site *site, enum link_event what, int64_t in_ms)
{
    const struct event event = {.at_ms = sim->now_ms + in_ms,
                                .kind = HAPPENS_SITE_LINK,
                                .site = (uint32_t)site_number(sim, site),
                                .what = (uint32_t)what,
                                .number = site->connection};
    events_plan(&sim->events, &event);
}

void
wire_open(struct sim *sim, struct site *site)
{
    int64_t latency_ms = sim_around(sim, sim->profile.latency_ms);
    site->connection++;
    site->connected = true;
    site->greeted = false;
    site->last_in_ms = site->last_out_ms = 0;
    site->broker_life = sim->hub.machine.life;
    if (site->mute || site->deaf) {
        plan_link(sim, site, LINK_TCP_FAILED, sim_around(sim, CONNECT_PATIENCE_MS));
    } else if (sim->hub.broker == NULL) {
        plan_link(sim, site, LINK_TCP_FAILED, latency_ms);
    } else {
        plan_link(sim, site, LINK_TCP_CONNECTED, latency_ms);
        plan_link(sim, site, LINK_HANDSHAKE_DONE, latency_ms * 3);
    }
}

void
wire_close(struct sim *sim, struct site *site)
{
    struct route route;
    wire_route(sim, site, &route);
    /* The broker may hear of it, or find out when it sends, or not at all. */
    if (sim->hub.broker != NULL && sim_chance(sim, 400)) {
        broker_route_lost(sim->hub.broker, &route);
    }
    site->connected = site->greeted = false;
}

void
wire_reset(struct sim *sim, struct site *site)
{
    if (site->connected) {
        plan_link(sim, site, LINK_CLOSED, sim_around(sim, sim->profile.latency_ms));
    }
}

void
wire_route(const struct sim *sim, const struct site *site, struct route *route_out)
{
    uint32_t number = (uint32_t)site_number(sim, site);
    memset(route_out, 0, sizeof(*route_out));
    route_out->bytes[0] = 1;
    memcpy(route_out->bytes + 4, &number, sizeof(number));
    memcpy(route_out->bytes + 8, &site->connection, sizeof(site->connection));
}

/* TCP and CURVE let no frame through twice or out of turn, and the greeting of a connection relies
 * on that: a welcome that answers an earlier hello of the same connection cannot be told from one
 * that shows a shorter log. All others are to bear it. */
static bool
is_greeting(const struct buffer *frame)
{
    enum { TAG_HELLO = 1, TAG_WELCOME = 6, TAG_SHIFT = 3 };
    unsigned tag = frame->len > 0 ? frame->data[0] >> TAG_SHIFT : 0;
    return tag == TAG_HELLO || tag == TAG_WELCOME;
}

static struct buffer
copy_of(const struct buffer *frame)
{
    struct buffer copy = BUFFER_INIT(LIMIT_FRAME_BYTES);
    buffer_put(&copy, frame->data, frame->len);
    return copy;
}

/* Takes the frame over. */
static void
carry(struct sim *sim, struct site *site, enum event_kind kind, struct buffer *frame)
{
    const struct profile *profile = &sim->profile;
    bool up = kind == HAPPENS_TO_HUB;
    int64_t *last_ms = up ? &site->last_out_ms : &site->last_in_ms;
    struct event event = {.kind = kind,
                          .site = (uint32_t)site_number(sim, site),
                          .number = site->connection,
                          .frame = *frame};
    *frame = BUFFER_INIT(LIMIT_FRAME_BYTES);
    sim->counts.frames++;
    if ((up ? site->mute : site->deaf) || sim_chance(sim, profile->lost)) {
        buffer_done(&event.frame);
        return;
    }
    event.at_ms = sim->now_ms + sim_around(sim, profile->latency_ms);
    if (sim_chance(sim, profile->late)) {
        event.at_ms += sim_around(sim, LATE_MS);
    }
    bool greets = is_greeting(&event.frame);
    if (sim_chance(sim, profile->shuffled) && !greets) {
        event.at_ms += sim_around(sim, SHUFFLE_MS); /* and nothing waits for it */
    } else {
        event.at_ms = event.at_ms > *last_ms ? event.at_ms : *last_ms;
        *last_ms = event.at_ms;
    }
    if (sim_chance(sim, profile->doubled) && !greets) {
        struct event again = event;
        again.at_ms += sim_around(sim, SHUFFLE_MS);
        again.frame = copy_of(&event.frame);
        events_plan(&sim->events, &again);
    }
    events_plan(&sim->events, &event);
}

void
wire_up(struct sim *sim, struct site *site, struct buffer *frame)
{
    carry(sim, site, HAPPENS_TO_HUB, frame);
}

bool
wire_down(struct sim *sim, const struct route *route, struct buffer *frame)
{
    uint32_t number;
    uint32_t connection;
    memcpy(&number, route->bytes + 4, sizeof(number));
    memcpy(&connection, route->bytes + 8, sizeof(connection));
    if (route->bytes[0] != 1 || number >= sim->n_sites) {
        return true; /* of the time before the first day */
    }
    struct site *site = &sim->sites[number];
    if (!site->connected || site->connection != connection) {
        return sim_chance(sim, 500); /* or it goes where nobody is */
    }
    carry(sim, site, HAPPENS_TO_SITE, frame);
    return true;
}
