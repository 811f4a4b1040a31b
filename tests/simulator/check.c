/* What must hold once the faults have stopped: everything has arrived, both sides show the same,
 * nobody accuses anybody, every store passes its own check, and every loop that is not closed says
 * what is missing. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/alarm.h"
#include "agent/state.h"
#include "tests/simulator/sim.h"

enum { STEPS_MAX = 512 };

static bool
is_site_settled(struct sim *sim, struct site *site, bool name)
{
    struct agent_link_status link;
    if (site->agent == NULL) {
        return false;
    }
    agent_get_link_status(site->agent, &link);
    bool settled =
        link.ready && site->agent->outbox.first == NULL && !site->agent->proof.broker_recovering;
    if (!settled && name) {
        sim_break(sim, RULE_STUCK,
                  "%s: ready %d, read %llu of %llu, waiting %d, refused %s, unproved %s, bad "
                  "entries %llu",
                  site->identity.org, link.ready, (unsigned long long)link.cursor,
                  (unsigned long long)link.head, site->agent->outbox.first != NULL,
                  err_name(link.refused), link.unproved == NULL ? "-" : link.unproved,
                  (unsigned long long)link.bad_entries);
    }
    return settled;
}

static bool
is_hub_settled(struct sim *sim, bool name)
{
    struct broker_status status;
    if (sim->hub.broker == NULL) {
        return false;
    }
    broker_get_status(sim->hub.broker, &status);
    if (!status.recovering && !status.read_only) {
        return true;
    }
    if (name) {
        sim_break(sim, RULE_STUCK, "the broker is %s, %zu members not heard",
                  status.recovering ? "still being refilled" : "still read-only",
                  status.recover_missing);
    }
    return false;
}

/* Whether anything is still to become of it. */
static bool
is_done(const struct sim *sim, const struct said *said)
{
    bool exists = said->seen_by_author || (said->sure && !sim->account.loops[said->loop].dropped);
    return !exists || said->refused || (said->receipted && said->delivered && said->seen_by_reader);
}

static void
name_statement(struct sim *sim, uint32_t serial)
{
    const struct said *said = &sim->account.said[serial];
    bool gone = said->receipted && !logbook_holds(sim, said->index, &said->id);
    sim_break(sim, gone ? RULE_LOST : RULE_STUCK, "statement %u (%s of %s) has %s", serial,
              lifecycle_event_name(said->event), sim->sites[said->author].identity.org,
              !said->receipted        ? "no receipt"
              : !said->seen_by_reader ? "not come to its reader"
                                      : "not been confirmed");
}

bool
check_is_settled(struct sim *sim, bool name)
{
    if (!is_hub_settled(sim, name)) {
        return false;
    }
    for (size_t i = 0; i < sim->n_sites; i++) {
        if (!is_site_settled(sim, &sim->sites[i], name)) {
            return false;
        }
    }
    for (uint32_t serial = 1; serial < sim->account.n_said; serial++) {
        if (!is_done(sim, &sim->account.said[serial])) {
            if (name) {
                name_statement(sim, serial);
            }
            return false;
        }
    }
    return true;
}

/* --- alarms --- */

struct accusing {
    struct sim *sim;
    struct site *site;
};

static bool
see_alarm(void *context, const struct alarm *alarm)
{
    const struct accusing *accusing = context;
    if (alarm->kind != ALARM_CLOCK) { /* which is true: clocks do jump here */
        sim_break(accusing->sim, RULE_ALARM, "%s raises %s at entry %llu, %s",
                  accusing->site->identity.org, alarm_word(alarm->kind),
                  (unsigned long long)alarm->index, alarm->about);
    }
    return true;
}

void
check_alarms(struct sim *sim, struct site *site)
{
    struct accusing accusing = {sim, site};
    if (site->agent != NULL && agent_each_alarm(site->agent, see_alarm, &accusing) != ERR_OK) {
        sim_break(sim, RULE_STORE, "%s cannot read its alarms", site->identity.org);
    }
}

/* --- loops --- */

struct timeline {
    struct digest id[STEPS_MAX];
    uint64_t index[STEPS_MAX];
    enum loop_state state_after[STEPS_MAX];
    bool superseded[STEPS_MAX];
    size_t n;
};

static bool
keep_step(void *context, const struct step_view *step)
{
    struct timeline *timeline = context;
    if (step->stage != STAGE_REFUSED && timeline->n < STEPS_MAX) {
        timeline->id[timeline->n] = step->id;
        timeline->index[timeline->n] = step->index;
        timeline->state_after[timeline->n] = step->state_after;
        timeline->superseded[timeline->n] = step->superseded;
        timeline->n++;
    }
    return true;
}

static bool
is_same_step(const struct timeline *a, const struct timeline *b, size_t i)
{
    return digest_equal(&a->id[i], &b->id[i]) && a->index[i] == b->index[i] &&
           a->state_after[i] == b->state_after[i] && a->superseded[i] == b->superseded[i] &&
           (i == 0 || a->index[i] > a->index[i - 1]);
}

static void
compare_sides(struct sim *sim, uint32_t which)
{
    static struct timeline mine;
    static struct timeline theirs;
    const struct sim_loop *loop = &sim->account.loops[which];
    const struct site *source = &sim->sites[loop->source];
    const struct site *target = &sim->sites[loop->target];
    mine.n = theirs.n = 0;
    if (agent_each_step(source->agent, &loop->id, keep_step, &mine) != ERR_OK || mine.n == 0) {
        return; /* never begun; what was promised is looked at elsewhere */
    }
    if (agent_each_step(target->agent, &loop->id, keep_step, &theirs) != ERR_OK ||
        mine.n != theirs.n) {
        sim_break(sim, RULE_AGREE, "%s shows %zu steps of a loop, %s %zu", source->identity.org,
                  mine.n, target->identity.org, theirs.n);
        return;
    }
    for (size_t i = 0; i < mine.n; i++) {
        if (!is_same_step(&mine, &theirs, i)) {
            sim_break(sim, RULE_AGREE, "%s and %s differ in step %zu of a loop",
                      source->identity.org, target->identity.org, i + 1);
            return;
        }
    }
}

static void
check_said(struct sim *sim, uint32_t serial)
{
    const struct said *said = &sim->account.said[serial];
    sim->counts.refused += said->refused;
    sim->counts.receipted += said->receipted;
    sim->counts.delivered += said->delivered;
    if (!is_done(sim, said)) {
        name_statement(sim, serial);
    }
}

struct listing {
    struct sim *sim;
    struct site *site;
    size_t n;
};

static bool
list_loop(void *context, const struct loop_view *view)
{
    struct listing *listing = context;
    enum loop_role role;
    bool open = lifecycle_is_open(view->position.state);
    listing->n++;
    if (open && (!lifecycle_next_actor(view->position.state, &role) ||
                 lifecycle_next_step(view->position.state)[0] == '\0' || view->since_ms == 0)) {
        sim_break(listing->sim, RULE_OPEN, "%s lists a loop that is %s without what is missing",
                  listing->site->identity.org, lifecycle_state_name(view->position.state));
    }
    if (view->n_waiting > 0 || view->n_undelivered > 0) {
        sim_break(listing->sim, RULE_STUCK, "%s: %u steps wait and %u are not delivered",
                  listing->site->identity.org, view->n_waiting, view->n_undelivered);
    }
    return true;
}

static void
check_site(struct sim *sim, struct site *site)
{
    struct listing listing = {.sim = sim, .site = site};
    struct complaint complaint = {""};
    uint32_t self = (uint32_t)site_number(sim, site);
    size_t n = 0;
    account_look_at_all(sim, site);
    check_alarms(sim, site);
    if (agent_each_loop(site->agent, list_loop, &listing) != ERR_OK) {
        sim_break(sim, RULE_STORE, "%s cannot list its loops", site->identity.org);
    }
    for (uint32_t i = 0; i < sim->account.n_loops; i++) {
        const struct sim_loop *loop = &sim->account.loops[i];
        struct loop_view view;
        n += (loop->source == self || loop->target == self) &&
             agent_get_loop(site->agent, &loop->id, &view) == ERR_OK;
    }
    if (n != listing.n) {
        sim_break(sim, RULE_OPEN, "%s lists %zu loops and has %zu", site->identity.org, listing.n,
                  n);
    }
    if (agent_check_store(site->agent, &complaint) != ERR_OK) {
        sim_break(sim, RULE_STORE, "%s: %s", site->identity.org, complaint.text);
    }
}

void
check_all(struct sim *sim)
{
    struct complaint complaint = {""};
    sim->counts.receipted = sim->counts.delivered = sim->counts.refused = 0;
    for (size_t i = 0; i < sim->n_sites && sim->broken == RULE_NONE; i++) {
        check_site(sim, &sim->sites[i]);
    }
    for (uint32_t serial = 1; serial < sim->account.n_said; serial++) {
        check_said(sim, serial);
    }
    for (uint32_t i = 0; i < sim->account.n_loops && sim->broken == RULE_NONE; i++) {
        compare_sides(sim, i);
    }
    logbook_check_receipted(sim);
    logbook_check(sim, 0);
    logbook_check(sim, 3650 * INT64_C(1) * DAY_MS);
    if (sim->broken == RULE_NONE && broker_check_store(sim->hub.broker, &complaint) != ERR_OK) {
        sim_break(sim, RULE_STORE, "the broker: %s", complaint.text);
    }
}

static bool
note_loop(void *context, const struct loop_view *view)
{
    struct buffer *note = context;
    buffer_put(note, view->loop.bytes, LOOP_ID_BYTES);
    buffer_put_u8(note, (uint8_t)view->position.state);
    buffer_put_u8(note, (uint8_t)view->position.under);
    buffer_put_u8(note, (uint8_t)view->queued_position.state);
    buffer_put_u32(note, view->n_steps);
    return true;
}

void
check_note(struct sim *sim, struct buffer *note)
{
    struct broker_status status;
    broker_get_status(sim->hub.broker, &status);
    buffer_put_u64(note, status.entries);
    for (size_t i = 0; i < sim->n_sites; i++) {
        if (agent_each_loop(sim->sites[i].agent, note_loop, note) != ERR_OK) {
            sim_break(sim, RULE_STORE, "%s cannot list its loops", sim->sites[i].identity.org);
        }
    }
}
