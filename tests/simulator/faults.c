/* The weather and the accidents. Each network gets some kinds of trouble and not others, as the
 * worst mistakes hide behind noise of another kind; how often, the seed says. */
#include "tests/simulator/sim.h"

enum fault {
    FAULT_WEATHER,
    FAULT_RESET,
    FAULT_PARTITION,
    FAULT_BROKER_CRASH,
    FAULT_AGENT_CRASH,
    FAULT_AGENT_CLOCK,
    FAULT_BROKER_CLOCK,
    FAULT_SUSPEND,
    FAULT_SLOW_AGENT,
    FAULT_SLOW_BROKER,
    FAULT_FULL_AGENT,
    FAULT_FULL_BROKER,
    FAULT_NIGHT,
    FAULT_BACKUP,
    FAULT_RESTORE,
    FAULT_COUNT
};

enum { CUT_WITHIN = 40, ARMED_MS = 20 * MINUTE_MS };

static void strike_weather(struct sim *sim);
static void strike_reset(struct sim *sim);
static void strike_partition(struct sim *sim);
static void strike_broker(struct sim *sim);
static void strike_agent(struct sim *sim);
static void strike_agent_clock(struct sim *sim);
static void strike_broker_clock(struct sim *sim);
static void strike_suspend(struct sim *sim);
static void strike_slow_agent(struct sim *sim);
static void strike_slow_broker(struct sim *sim);
static void strike_full_agent(struct sim *sim);
static void strike_full_broker(struct sim *sim);
static void strike_night(struct sim *sim);

static const struct {
    uint32_t share; /* of networks, of a thousand, that have it */
    int64_t pause_ms;
    void (*strike)(struct sim *sim);
} kinds[FAULT_COUNT] = {
    [FAULT_WEATHER] = {800, 4 * HOUR_MS, strike_weather},
    [FAULT_RESET] = {700, HOUR_MS, strike_reset},
    [FAULT_PARTITION] = {600, 8 * HOUR_MS, strike_partition},
    [FAULT_BROKER_CRASH] = {700, 5 * HOUR_MS, strike_broker},
    [FAULT_AGENT_CRASH] = {700, 2 * HOUR_MS, strike_agent},
    [FAULT_AGENT_CLOCK] = {500, 6 * HOUR_MS, strike_agent_clock},
    [FAULT_BROKER_CLOCK] = {300, 24 * HOUR_MS, strike_broker_clock},
    [FAULT_SUSPEND] = {500, 4 * HOUR_MS, strike_suspend},
    [FAULT_SLOW_AGENT] = {400, 6 * HOUR_MS, strike_slow_agent},
    [FAULT_SLOW_BROKER] = {400, 12 * HOUR_MS, strike_slow_broker},
    [FAULT_FULL_AGENT] = {400, 6 * HOUR_MS, strike_full_agent},
    [FAULT_FULL_BROKER] = {400, 12 * HOUR_MS, strike_full_broker},
    [FAULT_NIGHT] = {500, 24 * HOUR_MS, strike_night},
    [FAULT_BACKUP] = {350, 14 * HOUR_MS, hub_back_up},
    [FAULT_RESTORE] = {350, 40 * HOUR_MS, hub_restore_backup},
};

void
faults_draw(struct sim *sim)
{
    _Static_assert(FAULT_COUNT <= ARRAY_LEN(sim->profile.pause_ms), "one place for each");
    sim->profile.latency_ms = sim_chance(sim, 300) ? 600 : 40;
    /* A ping that is rarer than the broker's patience loses what it waits for, each time. */
    sim->profile.ping_ms = sim_chance(sim, 120) ? 150 * 1000 : 20 * MINUTE_MS;
    sim->profile.office_hours = sim_chance(sim, 500);
    for (uint32_t i = 0; i < FAULT_COUNT; i++) {
        bool has = sim_chance(sim, kinds[i].share);
        sim->profile.pause_ms[i] = has ? sim_around(sim, kinds[i].pause_ms) : 0;
    }
    if (sim->profile.pause_ms[FAULT_RESTORE] > 0 && sim->profile.pause_ms[FAULT_BACKUP] == 0) {
        sim->profile.pause_ms[FAULT_BACKUP] = kinds[FAULT_BACKUP].pause_ms;
    }
}

static void
plan_strike(struct sim *sim, uint32_t fault)
{
    const struct event event = {.at_ms =
                                    sim->now_ms + sim_around(sim, sim->profile.pause_ms[fault]),
                                .kind = HAPPENS_FAULT,
                                .what = fault};
    events_plan(&sim->events, &event);
}

void
faults_begin(struct sim *sim)
{
    for (uint32_t i = 0; i < FAULT_COUNT; i++) {
        if (sim->profile.pause_ms[i] > 0) {
            plan_strike(sim, i);
        }
    }
}

void
faults_strike(struct sim *sim, uint32_t fault)
{
    if (sim->calm) {
        return;
    }
    sim->counts.faults++;
    sim_trace(sim, "fault %u", fault);
    kinds[fault].strike(sim);
    plan_strike(sim, fault);
}

static struct site *
draw_site(struct sim *sim)
{
    return &sim->sites[sim_dice(sim, (uint32_t)sim->n_sites)];
}

static void
plan_relief(struct sim *sim, enum fault fault, const struct site *site, int64_t mean_ms)
{
    const struct event event = {.at_ms = sim->now_ms + sim_around(sim, mean_ms),
                                .kind = HAPPENS_RELIEF,
                                .site = site == NULL ? 0 : (uint32_t)site_number(sim, site),
                                .what = (uint32_t)fault};
    events_plan(&sim->events, &event);
}

/* --- the network --- */

static void
strike_weather(struct sim *sim)
{
    struct profile *profile = &sim->profile;
    profile->lost = sim_chance(sim, 500) ? sim_dice(sim, 200) : 0;
    profile->doubled = sim_chance(sim, 500) ? sim_dice(sim, 200) : 0;
    profile->late = sim_chance(sim, 500) ? sim_dice(sim, 150) : 0;
    profile->shuffled = sim_chance(sim, 500) ? sim_dice(sim, 250) : 0;
    plan_relief(sim, FAULT_WEATHER, NULL, 2 * HOUR_MS);
}

static void
strike_reset(struct sim *sim)
{
    for (uint32_t n = 1 + sim_dice(sim, 4); n > 0; n--) {
        wire_reset(sim, draw_site(sim));
    }
}

static void
strike_partition(struct sim *sim)
{
    int64_t mean_ms = sim_chance(sim, 200) ? 20 * HOUR_MS : 40 * MINUTE_MS;
    for (uint32_t n = 1 + sim_dice(sim, (uint32_t)sim->n_sites); n > 0; n--) {
        struct site *site = draw_site(sim);
        site->mute = site->mute || sim_chance(sim, 700);
        site->deaf = site->deaf || sim_chance(sim, 700);
        plan_relief(sim, FAULT_PARTITION, site, mean_ms);
    }
}

/* --- crashes: the disk goes at some operation soon, wherever that is --- */

static void
arm(struct sim *sim, struct machine *machine, enum event_kind death, uint32_t site)
{
    const struct event event = {.at_ms = sim->now_ms + sim_around(sim, ARMED_MS),
                                .kind = death,
                                .site = site,
                                .what = machine->life};
    fault_disk_cut(machine->disk, 1 + sim_dice(sim, CUT_WITHIN));
    events_plan(&sim->events, &event);
}

static void
strike_broker(struct sim *sim)
{
    if (sim->hub.broker != NULL) {
        arm(sim, &sim->hub.machine, HAPPENS_HUB_DEATH, 0);
    }
}

static void
strike_agent(struct sim *sim)
{
    struct site *site = draw_site(sim);
    if (site->agent != NULL) {
        arm(sim, &site->machine, HAPPENS_SITE_DEATH, (uint32_t)site_number(sim, site));
    }
}

/* --- clocks --- */

static void
jump(struct sim *sim, struct machine *machine, bool years)
{
    int64_t span_ms = years && sim_chance(sim, 300) ? 3000 * INT64_C(1) * DAY_MS : 2 * DAY_MS;
    int64_t by_ms = sim_around(sim, span_ms);
    machine->wall_ahead_ms += sim_chance(sim, 500) ? by_ms : -by_ms;
    if (sim_chance(sim, 300)) {
        machine->wall_ahead_ms = 0;
    }
}

static void
strike_agent_clock(struct sim *sim)
{
    jump(sim, &draw_site(sim)->machine, true);
}

static void
strike_broker_clock(struct sim *sim)
{
    jump(sim, &sim->hub.machine, false);
}

/* --- machines that sleep, crawl, or are full --- */

static void
strike_suspend(struct sim *sim)
{
    struct site *site = draw_site(sim);
    site->machine.busy_to_ms =
        sim->now_ms + sim_around(sim, sim_chance(sim, 300) ? 12 * HOUR_MS : 20 * MINUTE_MS);
}

static void
strike_slow_agent(struct sim *sim)
{
    struct site *site = draw_site(sim);
    site->machine.slow = true;
    plan_relief(sim, FAULT_SLOW_AGENT, site, HOUR_MS);
}

static void
strike_slow_broker(struct sim *sim)
{
    sim->hub.machine.slow = true;
    plan_relief(sim, FAULT_SLOW_BROKER, NULL, HOUR_MS);
}

static void
fill(struct machine *machine, bool full)
{
    machine->full = full;
    fault_disk_set_full(machine->disk, full);
}

static void
strike_full_agent(struct sim *sim)
{
    struct site *site = draw_site(sim);
    fill(&site->machine, true);
    plan_relief(sim, FAULT_FULL_AGENT, site, 90 * MINUTE_MS);
}

static void
strike_full_broker(struct sim *sim)
{
    fill(&sim->hub.machine, true);
    plan_relief(sim, FAULT_FULL_BROKER, NULL, 40 * MINUTE_MS);
}

static void
strike_night(struct sim *sim)
{
    for (size_t i = 0; i < sim->n_sites; i++) {
        struct site *site = &sim->sites[i];
        if (site->agent != NULL && sim_chance(sim, 600)) {
            site_die(sim, site, false);
            site->machine.booted_ms = sim->now_ms;
            plan_relief(sim, FAULT_NIGHT, site, 10 * HOUR_MS);
        }
    }
}

void
faults_lift(struct sim *sim, const struct event *event)
{
    struct site *site = &sim->sites[event->site];
    switch ((enum fault)event->what) {
    case FAULT_WEATHER:
        sim->profile.lost = sim->profile.doubled = sim->profile.late = sim->profile.shuffled = 0;
        break;
    case FAULT_PARTITION:
        site->mute = site->deaf = false;
        break;
    case FAULT_SLOW_AGENT:
        site->machine.slow = false;
        break;
    case FAULT_SLOW_BROKER:
        sim->hub.machine.slow = false;
        break;
    case FAULT_FULL_AGENT:
        fill(&site->machine, false);
        break;
    case FAULT_FULL_BROKER:
        fill(&sim->hub.machine, false);
        break;
    case FAULT_NIGHT:
        site_start(sim, site);
        break;
    case FAULT_RESET:
    case FAULT_BROKER_CRASH:
    case FAULT_AGENT_CRASH:
    case FAULT_AGENT_CLOCK:
    case FAULT_BROKER_CLOCK:
    case FAULT_SUSPEND:
    case FAULT_BACKUP:
    case FAULT_RESTORE:
    case FAULT_COUNT:
        break;
    }
}

static void
mend(struct machine *machine, struct sim *sim)
{
    fill(machine, false);
    machine->slow = false;
    machine->busy_to_ms = sim->now_ms;
    if (!fault_disk_is_cut(machine->disk)) {
        fault_disk_restore(machine->disk, false, &sim->disk_dice); /* what was armed is not */
    }
}

void
faults_end(struct sim *sim)
{
    struct profile *profile = &sim->profile;
    sim->calm = true;
    profile->lost = profile->doubled = profile->late = profile->shuffled = 0;
    mend(&sim->hub.machine, sim);
    if (fault_disk_is_cut(sim->hub.machine.disk)) {
        hub_die(sim, true);
    }
    if (sim->hub.broker != NULL) {
        sim->hub.turn_ms = 0;
        hub_plan(sim, sim->now_ms);
    }
    hub_start(sim);
    for (size_t i = 0; i < sim->n_sites && sim->broken == RULE_NONE; i++) {
        struct site *site = &sim->sites[i];
        site->mute = site->deaf = false;
        mend(&site->machine, sim);
        if (fault_disk_is_cut(site->machine.disk)) {
            site_die(sim, site, true);
        }
        if (site->agent != NULL) {
            site_wake(sim, site);
        }
        site_start(sim, site);
    }
    sim_trace(sim, "calm");
}
