/* One network's life: founded, lived in with faults for some days, then left in peace. What waits
 * must arrive then, what is open must be closable, and more than a year must pass without anything
 * moving. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "tests/simulator/bugs.h"
#include "tests/simulator/sim.h"

enum { SETTLE_MS = DAY_MS, LOOK_MS = 5 * MINUTE_MS, ROUNDS_MAX = 30, QUIET_DAYS = 400 };

static const struct {
    const char *word, *sentence;
} rules[RULE_COUNT] = {[RULE_NONE] = {"none", ""},
#define RULE_ROW(symbol, word, sentence) [symbol] = {word, sentence},
                       RULE_TABLE(RULE_ROW)
#undef RULE_ROW
};

const char *
rule_word(enum rule rule)
{
    return rules[rule].word;
}

const char *
rule_sentence(enum rule rule)
{
    return rules[rule].sentence;
}

void
sim_break(struct sim *sim, enum rule rule, const char *format, ...)
{
    va_list args;
    if (sim->broken != RULE_NONE) {
        return;
    }
    sim->broken = rule;
    int n = snprintf(sim->what, sizeof(sim->what),
                     "at %lld ms: ", (long long)(sim->now_ms % (1000 * INT64_C(1) * DAY_MS)));
    va_start(args, format);
    (void)vsnprintf(sim->what + n, sizeof(sim->what) - (size_t)n, format, args);
    va_end(args);
}

void
sim_trace(const struct sim *sim, const char *format, ...)
{
    va_list args;
    if (!sim->talks) {
        return;
    }
    fprintf(stderr, "%lld ", (long long)(sim->now_ms % (1000 * INT64_C(1) * DAY_MS)));
    va_start(args, format);
    (void)vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
}

static void
die_if_meant(struct sim *sim, const struct event *event)
{
    struct site *site = &sim->sites[event->site];
    const struct machine *machine =
        event->kind == HAPPENS_HUB_DEATH ? &sim->hub.machine : &site->machine;
    if (machine->life != event->what || (sim->calm && !machine->doomed)) {
        return;
    }
    if (event->kind == HAPPENS_HUB_DEATH && sim->hub.broker != NULL) {
        hub_crash(sim);
    } else if (event->kind == HAPPENS_SITE_DEATH && site->agent != NULL) {
        site_crash(sim, site);
    }
}

static void
happen(struct sim *sim, struct event *event)
{
    struct site *site = &sim->sites[event->site];
    switch (event->kind) {
    case HAPPENS_SITE_TURN:
        site_turn(sim, site, event->at_ms);
        break;
    case HAPPENS_SITE_START:
        site_start(sim, site);
        break;
    case HAPPENS_SITE_PERSON:
        people_act(sim, site);
        break;
    case HAPPENS_SITE_LINK:
        site_hear_link(sim, site, event);
        break;
    case HAPPENS_TO_SITE:
        site_take(sim, site, event);
        break;
    case HAPPENS_TO_HUB:
        hub_take(sim, event);
        break;
    case HAPPENS_HUB_TURN:
        hub_turn(sim, event->at_ms);
        break;
    case HAPPENS_HUB_START:
        hub_start(sim);
        break;
    case HAPPENS_HUB_DEATH:
    case HAPPENS_SITE_DEATH:
        die_if_meant(sim, event);
        break;
    case HAPPENS_FAULT:
        faults_strike(sim, event->what);
        break;
    case HAPPENS_RELIEF:
        faults_lift(sim, event);
        break;
    }
    buffer_done(&event->frame);
}

void
sim_go_on(struct sim *sim, int64_t to_ms)
{
    struct event event;
    while (sim->broken == RULE_NONE && events_take(&sim->events, to_ms, &event)) {
        sim->now_ms = event.at_ms > sim->now_ms ? event.at_ms : sim->now_ms;
        happen(sim, &event);
    }
    sim->now_ms = to_ms;
}

/* Long enough for every pause between attempts that an agent may make. */
static void
settle(struct sim *sim)
{
    unsigned quiet = 0;
    for (int64_t end_ms = sim->now_ms + SETTLE_MS; sim->now_ms < end_ms && quiet < 2;) {
        sim_go_on(sim, sim->now_ms + LOOK_MS);
        if (sim->broken != RULE_NONE) {
            return;
        }
        quiet = check_is_settled(sim, false) ? quiet + 1 : 0;
    }
    (void)check_is_settled(sim, true);
}

static void
check_closed(struct sim *sim)
{
    for (uint32_t i = 0; i < sim->account.n_loops; i++) {
        const struct sim_loop *loop = &sim->account.loops[i];
        struct loop_view view;
        if (loop->dropped ||
            agent_get_loop(sim->sites[loop->source].agent, &loop->id, &view) != ERR_OK) {
            continue;
        }
        sim->counts.loops++;
        sim->counts.closed += view.position.state == LOOP_CLOSED;
        if (lifecycle_is_open(view.position.state)) {
            sim_break(sim, RULE_STUCK, "a loop of %s is %s, and nobody can end it",
                      sim->sites[loop->source].identity.org,
                      lifecycle_state_name(view.position.state));
        }
    }
}

/* Nobody acts, all clocks go on, and some jump. */
static void
pass_quiet_time(struct sim *sim)
{
    CLEANUP(buffer_done) struct buffer before = BUFFER_INIT(64 << 20);
    CLEANUP(buffer_done) struct buffer after = BUFFER_INIT(64 << 20);
    check_note(sim, &before);
    sim->now_ms += QUIET_DAYS * INT64_C(1) * DAY_MS;
    for (size_t i = 0; i < sim->n_sites; i++) {
        sim->sites[i].machine.wall_ahead_ms += sim_around(sim, 100 * INT64_C(1) * DAY_MS);
        site_wake(sim, &sim->sites[i]);
    }
    sim->hub.turn_ms = 0;
    hub_plan(sim, sim->now_ms);
    settle(sim);
    if (sim->broken != RULE_NONE) {
        return;
    }
    check_note(sim, &after);
    if (!bytes_equal(buffer_view(&before), buffer_view(&after))) {
        sim_break(sim, RULE_TIME, "something moved while nobody did anything");
    }
}

static void
live(struct sim *sim, unsigned days)
{
    settle(sim); /* everybody has read who there is */
    faults_begin(sim);
    people_begin(sim);
    for (unsigned day = 0; day < days && sim->broken == RULE_NONE; day++) {
        sim_go_on(sim, sim->now_ms + DAY_MS);
        for (size_t i = 0; i < sim->n_sites; i++) {
            check_alarms(sim, &sim->sites[i]);
        }
    }
}

static void
end_in_peace(struct sim *sim)
{
    faults_end(sim);
    settle(sim);
    if (sim->broken == RULE_NONE) {
        check_all(sim);
    }
    for (unsigned n = 1, round = 0; n > 0 && round < ROUNDS_MAX && sim->broken == RULE_NONE;
         round++) {
        n = people_finish(sim);
        if (sim->broken == RULE_NONE) {
            settle(sim);
        }
    }
    if (sim->broken == RULE_NONE) {
        check_closed(sim);
    }
    if (sim->broken == RULE_NONE) {
        pass_quiet_time(sim);
    }
    if (sim->broken == RULE_NONE) {
        check_all(sim);
    }
}

static void
fingerprint(struct sim *sim, uint8_t out[16])
{
    CLEANUP(buffer_done) struct buffer all = BUFFER_INIT(64 << 20);
    struct digest digest;
    struct bytes note = broker_checkpoint(sim->hub.broker);
    buffer_put(&all, note.data, note.len);
    buffer_put(&all, &sim->counts, sizeof(sim->counts));
    check_note(sim, &all);
    for (uint32_t serial = 1; serial < sim->account.n_said; serial++) {
        buffer_put(&all, sim->account.said[serial].id.bytes, DIGEST_BYTES);
    }
    digest_one("simulator", buffer_view(&all), &digest);
    memcpy(out, digest.bytes, 16);
}

void
sim_run(uint64_t seed, unsigned agents, unsigned days, bool talks, struct result *result_out)
{
    struct sim sim;
    bugs_enter(BUGS_AT_NOBODY);
    world_make(&sim, seed, agents);
    sim.talks = talks;
    faults_draw(&sim);
    hub_start(&sim);
    world_enrol(&sim);
    for (size_t i = 0; i < sim.n_sites; i++) {
        site_start(&sim, &sim.sites[i]);
    }
    live(&sim, days);
    if (sim.broken == RULE_NONE) {
        end_in_peace(&sim);
    }
    *result_out = (struct result){.broken = sim.broken, .counts = sim.counts};
    memcpy(result_out->what, sim.what, sizeof(sim.what));
    if (sim.broken == RULE_NONE) {
        fingerprint(&sim, result_out->digest);
        result_out->counts = sim.counts;
    }
    world_end(&sim);
}
