/* The people: they refer, answer, ask, forget, change their mind and cross each other. How loops
 * end follows what is published of real networks: a quarter silent, some unreachable, a tenth
 * declined, a third served. They do what they do whether or not the link is up. */
#include <stdio.h>
#include <string.h>

#include "tests/simulator/bugs.h"
#include "tests/simulator/sim.h"

enum {
    ACT_PAUSE_MS = 5 * HOUR_MS + 30 * MINUTE_MS,
    SHORT_BODY = 700,
    LOOKED_AT = 6, /* loops somebody looks at before finding something to do */
    SILENT_BELOW = 25,
    UNREACHABLE_BELOW = 42,
    DECLINED_BELOW = 52,
    SERVED_BELOW = 85, /* the rest: anything */
};

static void
plan_next(struct sim *sim, const struct site *site)
{
    struct event event = {.at_ms = sim->now_ms + sim_around(sim, ACT_PAUSE_MS),
                          .kind = HAPPENS_SITE_PERSON,
                          .site = (uint32_t)site_number(sim, site)};
    int64_t of_day_ms = event.at_ms % DAY_MS;
    if (sim->profile.office_hours && (of_day_ms < 8 * HOUR_MS || of_day_ms > 18 * HOUR_MS)) {
        event.at_ms += (32 * HOUR_MS - of_day_ms) % DAY_MS;
    }
    events_plan(&sim->events, &event);
}

void
people_begin(struct sim *sim)
{
    for (size_t i = 0; i < sim->n_sites; i++) {
        plan_next(sim, &sim->sites[i]);
    }
}

static struct agent_content
make_content(struct sim *sim, uint32_t serial, char *space)
{
    struct said *said = &sim->account.said[serial];
    uint32_t most = sim_chance(sim, 15) ? CONTENT_BYTES_MAX : SHORT_BODY;
    said->body_bytes = 32 + sim_dice(sim, most - 32);
    account_content(serial, said->body_bytes, space);
    return (struct agent_content){.facts = bytes_of(space, 20),
                                  .body = bytes_of(space, said->body_bytes)};
}

/* ERR_OK is a promise; an error while the disk was going may have come after the commit. */
static bool
note_answer(struct sim *sim, struct site *site, uint32_t serial, enum err err, const char *what)
{
    static const enum err expected[] = {ERR_WRONG_STATE, ERR_UNKNOWN_MEMBER, ERR_UNKNOWN_LOOP,
                                        ERR_LOOP_FULL};
    sim->account.said[serial].sure = err == ERR_OK;
    if (err == ERR_DISK_FULL && site->machine.full) {
        return site_did(sim, site, ERR_OK, what);
    }
    bool known = !err_is_peer(err);
    for (size_t i = 0; i < ARRAY_LEN(expected); i++) {
        known = known || err == expected[i];
    }
    if (!known) {
        sim_break(sim, RULE_CONTRACT, "%s: %s: %s", site->identity.org, what, err_name(err));
        return false;
    }
    sim->counts.statements += err == ERR_OK;
    return site_did(sim, site, err, what);
}

static void
refer(struct sim *sim, struct site *site)
{
    static char space[CONTENT_BYTES_MAX];
    struct complaint complaint;
    uint32_t self = (uint32_t)site_number(sim, site);
    uint32_t target =
        (self + 1 + sim_dice(sim, (uint32_t)sim->n_sites - 1)) % (uint32_t)sim->n_sites;
    uint32_t loop = account_add_loop(&sim->account, self, target, sim_dice(sim, 100));
    uint32_t serial = account_begin(&sim->account, loop, self, EVENT_REQUEST);
    struct agent_content content = make_content(sim, serial, space);
    struct instant now = machine_now(sim, &site->machine);
    enum err err = agent_start_loop(site->agent, sim->sites[target].identity.org,
                                    sim_chance(sim, 200) ? PRIORITY_URGENT : PRIORITY_ROUTINE,
                                    now.wall_ms + DAY_MS, &content, now,
                                    &sim->account.loops[loop].id, &complaint);
    sim->account.loops[loop].dropped = err != ERR_OK;
    (void)note_answer(sim, site, serial, err, "start loop");
}

static bool
say(struct sim *sim, struct site *site, uint32_t loop, enum loop_event event)
{
    static char space[CONTENT_BYTES_MAX];
    struct complaint complaint;
    struct loop_view view;
    const struct loop_id id = sim->account.loops[loop].id;
    uint32_t serial = account_begin(&sim->account, loop, (uint32_t)site_number(sim, site), event);
    struct agent_content content = make_content(sim, serial, space);
    struct instant now = machine_now(sim, &site->machine);
    enum err err = agent_say(site->agent, &id, event, event == EVENT_HOLD ? now.wall_ms : 0, false,
                             &content, now, &complaint);
    if (err == ERR_OK && agent_get_loop(site->agent, &id, &view) == ERR_OK && view.dropped) {
        sim->account.loops[loop].dropped = true; /* it ends here, and nothing is said */
        return site_did(sim, site, ERR_OK, "drop");
    }
    (void)note_answer(sim, site, serial, err, "say");
    return err == ERR_OK;
}

/* --- what somebody might do next --- */

static enum loop_event
target_wants(struct sim *sim, const struct sim_loop *loop, enum loop_state state)
{
    bool fresh = state == LOOP_REQUESTED;
    if (loop->plan < SILENT_BELOW) {
        return EVENT_COUNT;
    }
    if (fresh && sim_chance(sim, 120)) {
        return EVENT_ASK;
    }
    if (fresh) {
        return loop->plan >= UNREACHABLE_BELOW && loop->plan < DECLINED_BELOW ? EVENT_DECLINE
                                                                              : EVENT_ACCEPT;
    }
    if (state == LOOP_CANCEL_REQUESTED) {
        return sim_chance(sim, 700) ? EVENT_RELEASE : EVENT_COMPLETE;
    }
    if (sim_chance(sim, 350)) {
        return sim_chance(sim, 800) ? EVENT_PROGRESS : EVENT_HOLD;
    }
    return loop->plan < UNREACHABLE_BELOW ? EVENT_FAIL : EVENT_COMPLETE;
}

static enum loop_event
source_wants(struct sim *sim, enum loop_state state)
{
    if (lifecycle_is_answered(state)) {
        return sim_chance(sim, 900) ? EVENT_ACKNOWLEDGE : EVENT_COUNT; /* some forget */
    }
    if (state == LOOP_INFO_REQUESTED) {
        return sim_chance(sim, 850) ? EVENT_ANSWER : EVENT_WITHDRAW;
    }
    if (!sim_chance(sim, 120)) {
        return EVENT_COUNT;
    }
    return state == LOOP_REQUESTED          ? EVENT_WITHDRAW
           : state == LOOP_CANCEL_REQUESTED ? EVENT_RETRACT
           : sim_chance(sim, 900)           ? EVENT_CANCEL
                                            : EVENT_VOID;
}

static enum loop_event
somebody_wants(struct sim *sim, const struct sim_loop *loop, const struct loop_view *view)
{
    enum loop_state state = view->queued_position.state;
    if (loop->plan >= SERVED_BELOW && sim_chance(sim, 400)) {
        return (enum loop_event)sim_dice(sim, EVENT_DELIVERED); /* also what cannot be */
    }
    if (sim_chance(sim, 60)) {
        return EVENT_NOTE;
    }
    if (!lifecycle_is_open(state)) {
        return EVENT_COUNT;
    }
    return view->role == LOOP_TARGET ? target_wants(sim, loop, state) : source_wants(sim, state);
}

static bool
is_of(const struct sim_loop *loop, uint32_t self)
{
    return (loop->source == self || loop->target == self) && !loop->dropped;
}

static void
answer(struct sim *sim, struct site *site)
{
    uint32_t self = (uint32_t)site_number(sim, site);
    uint32_t n = sim->account.n_loops;
    unsigned looked = 0;
    uint32_t at = n > 0 ? sim_dice(sim, n) : 0;
    for (uint32_t i = 0; i < n && looked < LOOKED_AT; i++) {
        uint32_t which = (at + i) % n;
        struct loop_view view;
        if (!is_of(&sim->account.loops[which], self) ||
            agent_get_loop(site->agent, &sim->account.loops[which].id, &view) != ERR_OK) {
            continue;
        }
        looked++;
        enum loop_event event = somebody_wants(sim, &sim->account.loops[which], &view);
        if (event != EVENT_COUNT) {
            (void)say(sim, site, which, event);
            return;
        }
    }
}

void
people_act(struct sim *sim, struct site *site)
{
    if (sim->calm) {
        return;
    }
    if (site->agent != NULL && site->machine.busy_to_ms <= sim->now_ms) {
        bugs_enter(BUGS_AT_AGENT);
        if (sim_chance(sim, 280)) {
            refer(sim, site);
        } else {
            answer(sim, site);
        }
    }
    plan_next(sim, site);
}

/* --- the end: who can end something does --- */

static bool
finish_one(struct sim *sim, struct site *site, uint32_t loop)
{
    static const enum loop_event endings[] = {EVENT_ACKNOWLEDGE, EVENT_DECLINE, EVENT_COMPLETE,
                                              EVENT_WITHDRAW,    EVENT_ANSWER,  EVENT_RETRACT};
    struct loop_view view;
    struct loop_position next;
    if (agent_get_loop(site->agent, &sim->account.loops[loop].id, &view) != ERR_OK ||
        (!lifecycle_is_open(view.queued_position.state) &&
         !(view.n_refused > 0 && view.queued_position.state == LOOP_NONE && !view.dropped))) {
        return false;
    }
    if (view.queued_position.state == LOOP_NONE) {
        return say(sim, site, loop, EVENT_VOID);
    }
    for (size_t i = 0; i < ARRAY_LEN(endings); i++) {
        if (lifecycle_step(view.queued_position, endings[i], view.role, &next)) {
            return say(sim, site, loop, endings[i]);
        }
    }
    return false;
}

unsigned
people_finish(struct sim *sim)
{
    unsigned n = 0;
    bugs_enter(BUGS_AT_AGENT);
    for (uint32_t i = 0; i < sim->account.n_loops && sim->broken == RULE_NONE; i++) {
        if (sim->account.loops[i].dropped) {
            continue;
        }
        n += finish_one(sim, &sim->sites[sim->account.loops[i].target], i);
        n += finish_one(sim, &sim->sites[sim->account.loops[i].source], i);
    }
    return n;
}
