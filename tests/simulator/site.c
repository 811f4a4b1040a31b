/* An agent's machine: what agent/daemon's loop does with core and supervisor, without sockets. */
#include "tests/simulator/bugs.h"
#include "tests/simulator/sim.h"

#include "lib/base/secret.h"

enum {
    FRAMES_PER_TURN = 64,
    TEND_MS = 60 * 1000,
    FULL_PAUSE_MS = 5000,
    OVERDUE_PAUSE_MS = 20,
    SLOW_MS = 3000,
    RETRY_MS = 20 * 1000,
    CHANGED_MAX = 256,
};

size_t
site_number(const struct sim *sim, const struct site *site)
{
    return (size_t)(site - sim->sites);
}

static struct instant
now_of(const struct sim *sim, const struct site *site)
{
    return machine_now(sim, &site->machine);
}

static void
plan_turn(struct sim *sim, struct site *site, int64_t at_ms)
{
    if (site->turn_ms <= at_ms && site->turn_ms >= sim->now_ms) {
        return;
    }
    const struct event event = {
        .at_ms = at_ms, .kind = HAPPENS_SITE_TURN, .site = (uint32_t)site_number(sim, site)};
    site->turn_ms = at_ms;
    events_plan(&sim->events, &event);
}

static void
plan_start(struct sim *sim, struct site *site, int64_t in_ms)
{
    const struct event event = {.at_ms = sim->now_ms + in_ms,
                                .kind = HAPPENS_SITE_START,
                                .site = (uint32_t)site_number(sim, site)};
    events_plan(&sim->events, &event);
}

static enum err
open_agent(struct sim *sim, struct site *site, struct complaint *complaint)
{
    const struct agent_options options = {
        .store_dir = site->machine.dir,
        .map_bytes = 2 << 20,
        .map_max_bytes = 256 << 20,
        .identity = &site->identity,
        .ping_ms = sim->profile.ping_ms,
        .silence_ms = 45 * 1000,
        .credit_bytes = LIMIT_FRAME_BYTES,
        .window = 64,
        .witnesses_wanted = 1,
        .witness_ms = HOUR_MS,
    };
    return agent_open(&options, &site->agent, complaint);
}

void
site_start(struct sim *sim, struct site *site)
{
    static const struct supervisor_options options = {.backoff_min_ms = 1000,
                                                      .backoff_max_ms = 300 * 1000,
                                                      .ready_within_ms = 20 * 1000,
                                                      .random_below = secret_random_below};
    struct complaint complaint = {""};
    if (site->agent != NULL) {
        return;
    }
    bugs_enter(BUGS_AT_AGENT);
    enum err err = open_agent(sim, site, &complaint);
    if (err == ERR_DISK_FULL && site->machine.full) {
        plan_start(sim, site, RETRY_MS);
        return;
    }
    if (err != ERR_OK) {
        sim_break(sim, RULE_STORE, "the agent of %s does not open: %s: %s", site->identity.org,
                  err_name(err), complaint.text);
        return;
    }
    sim->counts.agent_starts++;
    supervisor_init(&site->supervisor, &options, now_of(sim, site));
    site->changes = agent_change_count(site->agent);
    site->hold_boot_ms = 0;
    site->tend_ms = sim->now_ms + TEND_MS;
    site->turn_ms = 0;
    account_look_at_all(sim, site);
    plan_turn(sim, site, sim->now_ms);
}

void
site_die(struct sim *sim, struct site *site, bool power_lost)
{
    if (site->agent == NULL) {
        return;
    }
    agent_freep(&site->agent);
    if (site->connected) {
        wire_close(sim, site);
    }
    machine_restart(sim, &site->machine, power_lost);
}

void
site_crash(struct sim *sim, struct site *site)
{
    bool power_lost = sim_chance(sim, 500);
    site_die(sim, site, power_lost);
    plan_start(sim, site, sim_around(sim, power_lost ? 10 * MINUTE_MS : 3000));
}

static void
plan_next(struct sim *sim, struct site *site)
{
    const struct supervisor *supervisor = &site->supervisor;
    int64_t link_ms =
        supervisor->deadline_ms > site->hold_boot_ms ? supervisor->deadline_ms : site->hold_boot_ms;
    int64_t core_ms = agent_next_deadline_ms(site->agent);
    int64_t due_ms = machine_true_ms(&site->machine, core_ms < link_ms ? core_ms : link_ms);
    due_ms = due_ms < site->tend_ms ? due_ms : site->tend_ms;
    plan_turn(sim, site, due_ms > sim->now_ms ? due_ms : sim->now_ms + OVERDUE_PAUSE_MS);
}

static void
look_at_changes(struct sim *sim, struct site *site)
{
    struct loop_id loops[CHANGED_MAX];
    uint64_t count = agent_change_count(site->agent);
    if (count == site->changes) {
        return;
    }
    size_t n = agent_changed_since(site->agent, site->changes, loops, CHANGED_MAX);
    site->changes = count;
    for (size_t i = 0; i < n; i++) {
        struct loop_view view;
        if (agent_get_loop(site->agent, &loops[i], &view) == ERR_UNKNOWN_LOOP) {
            continue; /* of a transaction that did not come about */
        }
        uint32_t loop = account_know_loop(sim, site, &loops[i]);
        if (loop == UINT32_MAX) {
            sim_break(sim, RULE_INVENTED, "%s shows a loop that nobody has begun",
                      site->identity.org);
            return;
        }
        account_look(sim, site, loop);
    }
}

bool
site_did(struct sim *sim, struct site *site, enum err err, const char *what)
{
    if (!machine_survives(sim, &site->machine, err, what)) {
        if (sim->broken == RULE_NONE) {
            site_crash(sim, site);
        }
        return false;
    }
    look_at_changes(sim, site);
    plan_next(sim, site);
    return true;
}

/* --- the link, as agent/daemon/loop.c --- */

static void
obey(struct sim *sim, struct site *site, enum supervisor_action action)
{
    switch (action) {
    case SUPERVISOR_OPEN:
        site->supervisor.probe_wanted = false;
        wire_open(sim, site);
        break;
    case SUPERVISOR_CLOSE:
        wire_close(sim, site);
        agent_link_down(site->agent, now_of(sim, site));
        break;
    case SUPERVISOR_NOTHING:
        break;
    }
}

static void
tell(struct sim *sim, struct site *site, enum link_event event)
{
    if (event == LINK_HANDSHAKE_DONE) {
        site->greeted = true;
        agent_link_up(site->agent, now_of(sim, site));
    }
    obey(sim, site, supervisor_event(&site->supervisor, event, now_of(sim, site)));
}

static enum err
ease(struct sim *sim, struct site *site, enum err err)
{
    if (err != ERR_DISK_FULL || fault_disk_is_cut(site->machine.disk)) {
        return err;
    }
    if (!site->machine.full) {
        sim_break(sim, RULE_CONTRACT, "%s calls its disk full, and it is not", site->identity.org);
    }
    site->hold_boot_ms = now_of(sim, site).boot_ms + FULL_PAUSE_MS;
    tell(sim, site, LINK_CLOSED);
    return ERR_OK;
}

static bool
is_welcome(const struct site *site)
{
    struct agent_link_status status;
    struct agent_proof_status proof;
    agent_get_link_status(site->agent, &status);
    if (status.ready) {
        return true;
    }
    agent_get_proof_status(site->agent, &proof);
    return proof.broker_recovering;
}

static enum err
send_frames(struct sim *sim, struct site *site)
{
    struct instant now = now_of(sim, site);
    for (int i = 0; i < FRAMES_PER_TURN && site->greeted; i++) {
        CLEANUP(buffer_done) struct buffer frame = BUFFER_INIT(LIMIT_FRAME_BYTES);
        bool none = true;
        enum err err = agent_next_frame(site->agent, now, &frame, &none);
        if (err != ERR_OK || none) {
            return ease(sim, site, err);
        }
        wire_up(sim, site, &frame);
    }
    return ERR_OK;
}

static void
supervise(struct sim *sim, struct site *site)
{
    struct instant now = now_of(sim, site);
    if (now.boot_ms >= site->hold_boot_ms) {
        enum supervisor_action action = supervisor_turn(&site->supervisor, now);
        obey(sim, site, action);
        if (action == SUPERVISOR_CLOSE) {
            obey(sim, site, supervisor_turn(&site->supervisor, now));
        }
    }
    if (agent_link_doubt(site->agent, now)) {
        tell(sim, site, LINK_DOUBT);
    }
}

void
site_wake(struct sim *sim, struct site *site)
{
    site->turn_ms = 0;
    plan_turn(sim, site, sim->now_ms);
}

void
site_turn(struct sim *sim, struct site *site, int64_t planned_ms)
{
    if (site->agent == NULL || site->turn_ms != planned_ms) {
        return;
    }
    site->turn_ms = 0;
    if (site->machine.busy_to_ms > sim->now_ms) {
        plan_turn(sim, site, site->machine.busy_to_ms);
        return;
    }
    bugs_enter(BUGS_AT_AGENT);
    supervise(sim, site);
    if (sim->now_ms >= site->tend_ms) {
        agent_tend(site->agent, now_of(sim, site));
        site->tend_ms = sim->now_ms + TEND_MS;
    }
    /* Only when the core has asked for it: a deadline that it forgets is a statement that waits. */
    bool due = agent_next_deadline_ms(site->agent) <= now_of(sim, site).boot_ms;
    (void)site_did(sim, site, due ? send_frames(sim, site) : ERR_OK, "next frame");
}

static bool
put_off(struct sim *sim, struct site *site, struct event *event)
{
    if (site->agent == NULL || site->machine.busy_to_ms <= sim->now_ms) {
        return false;
    }
    event->at_ms = site->machine.busy_to_ms;
    events_plan(&sim->events, event);
    event->frame = BUFFER_INIT(LIMIT_FRAME_BYTES);
    return true;
}

void
site_take(struct sim *sim, struct site *site, struct event *event)
{
    if (site->agent == NULL || site->connection != event->number || !site->greeted ||
        put_off(sim, site, event)) {
        return;
    }
    bugs_enter(BUGS_AT_AGENT);
    enum err err = agent_receive(site->agent, buffer_view(&event->frame), now_of(sim, site));
    if (err_is_peer(err)) {
        sim_break(sim, RULE_CONTRACT, "%s: receive: %s", site->identity.org, err_name(err));
        return;
    }
    if (site->machine.slow) {
        site->machine.busy_to_ms = sim->now_ms + sim_around(sim, SLOW_MS);
    }
    err = ease(sim, site, err);
    if (err == ERR_OK && site->supervisor.phase == PHASE_CONNECTING && is_welcome(site)) {
        tell(sim, site, LINK_READY);
    }
    (void)site_did(sim, site, err, "receive");
}

void
site_hear_link(struct sim *sim, struct site *site, const struct event *event)
{
    struct event copy = *event;
    if (site->agent == NULL || site->connection != event->number || !site->connected ||
        put_off(sim, site, &copy)) {
        return;
    }
    bool shakes = event->what == LINK_HANDSHAKE_DONE || event->what == LINK_TCP_CONNECTED;
    if (shakes && (sim->hub.broker == NULL || site->mute || site->deaf ||
                   site->broker_life != sim->hub.machine.life)) {
        return; /* patience will end it */
    }
    bugs_enter(BUGS_AT_AGENT);
    tell(sim, site, (enum link_event)event->what);
    (void)site_did(sim, site, ERR_OK, "link");
}
