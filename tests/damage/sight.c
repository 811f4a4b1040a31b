/* Decides what of a member's records is wrong in itself. Whether something is missing only a
 * comparison with an undamaged network can tell: sight_equal. */
#include "tests/damage/sight.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "agent/alarm.h"

struct looking {
    struct world *world;
    struct sight *sight;
    size_t which, loop;
    enum loop_role role;
};

static void PRINTF_LIKE(2, 3) note_wrong(struct sight *sight, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    if (sight->n_wrong++ == 0) {
        (void)vsnprintf(sight->wrong, SIGHT_TEXT, format, args);
    }
    va_end(args);
}

static size_t
number_of(struct bytes facts)
{
    char text[64] = "";
    size_t number = WORLD_STEPS;
    if (facts.len < sizeof(text)) {
        memcpy(text, facts.data, facts.len);
    }
    return sscanf(text, "step %zu of this network", &number) == 1 ? number : WORLD_STEPS;
}

static bool
on_step(void *context, const struct step_view *step)
{
    struct looking *looking = context;
    struct sight *sight = looking->sight;
    const struct world *world = looking->world;
    size_t number = number_of(step->facts);
    if (step->unreadable || step->unproved != NULL || step->stage == STAGE_REFUSED) {
        sight->n_told++;
        return true;
    }
    if (number >= world->n_said || !bytes_equal(step->facts, step->body)) {
        note_wrong(sight, "member %zu, loop %zu: a content that nobody wrote", looking->which,
                   looking->loop);
        return true;
    }
    const struct world_said *said = &world->said[number];
    bool by_us = step->role == looking->role;
    if (said->loop != looking->loop || said->event != step->event ||
        (said->by == looking->which) != by_us) {
        note_wrong(sight, "member %zu, loop %zu: step %zu is not what was said", looking->which,
                   looking->loop, number);
    }
    if (sight->stage[looking->which][number] != 0) {
        note_wrong(sight, "member %zu, loop %zu: step %zu is there twice", looking->which,
                   looking->loop, number);
    }
    sight->stage[looking->which][number] = (uint8_t)(1 + step->stage);
    if (by_us && step->proved && step->stage >= STAGE_ACCEPTED && step->index >= world->entries &&
        sight->n_receipts < WORLD_STEPS) {
        sight->receipts[sight->n_receipts++] = (struct sight_receipt){step->index, step->id};
    }
    return true;
}

static size_t
find_loop(const struct world *world, const struct loop_id *id)
{
    size_t i = 0;
    while (i < world->n_loops && memcmp(&world->loops[i].id, id, sizeof(*id)) != 0) {
        i++;
    }
    return i;
}

static bool
on_loop(void *context, const struct loop_view *loop)
{
    struct looking *looking = context;
    const struct world *world = looking->world;
    size_t at = find_loop(world, &loop->loop);
    if (at == world->n_loops) {
        note_wrong(looking->sight, "member %zu: a loop that nobody began", looking->which);
        return true;
    }
    const struct world_loop *known = &world->loops[at];
    bool is_source = known->source == looking->which;
    size_t partner = is_source ? known->target : known->source;
    if ((loop->role == LOOP_SOURCE) != is_source ||
        strcmp(loop->partner_org, fixture_orgs[partner]) != 0) {
        note_wrong(looking->sight, "member %zu, loop %zu: another partner", looking->which, at);
    }
    looking->sight->state[looking->which][at] = (uint8_t)(1 + loop->position.state);
    return true;
}

static bool
on_alarm(void *context, const struct alarm *alarm)
{
    struct sight *sight = context;
    sight->n_told += alarm->settled_ms == 0;
    return true;
}

enum err
sight_look(struct world *world, size_t which, struct sight *sight)
{
    struct agent *agent = world->peer[which].agent;
    struct looking looking = {.world = world, .sight = sight, .which = which};
    struct agent_link_status link;
    enum err err = agent_each_loop(agent, on_loop, &looking);
    for (size_t i = 0; err == ERR_OK && i < world->n_loops; i++) {
        if (sight->state[which][i] != 0) {
            looking.loop = i;
            looking.role = world->loops[i].source == which ? LOOP_SOURCE : LOOP_TARGET;
            err = agent_each_step(agent, &world->loops[i].id, on_step, &looking);
            err = err == ERR_UNKNOWN_LOOP ? ERR_OK : err; /* its steps are missing, then */
        }
    }
    if (err == ERR_OK) {
        err = agent_each_alarm(agent, on_alarm, sight);
    }
    agent_get_link_status(agent, &link);
    sight->n_told += (unsigned)(link.bad_entries + link.bad_frames) + (link.unproved != NULL) +
                     (link.refused != ERR_OK && link.refused != ERR_BUSY);
    return err;
}

bool
sight_equal(const struct sight *a, const struct sight *b, char text_out[SIGHT_TEXT])
{
    for (size_t i = 0; i < WORLD_MEMBERS; i++) {
        for (size_t k = 0; k < WORLD_STEPS; k++) {
            if (a->stage[i][k] != b->stage[i][k]) {
                (void)snprintf(text_out, SIGHT_TEXT, "member %zu sees step %zu at stage %d, not %d",
                               i, k, b->stage[i][k] - 1, a->stage[i][k] - 1);
                return false;
            }
        }
        for (size_t k = 0; k < WORLD_LOOPS + 2; k++) {
            if (a->state[i][k] != b->state[i][k]) {
                (void)snprintf(text_out, SIGHT_TEXT, "member %zu sees loop %zu in state %d, not %d",
                               i, k, b->state[i][k] - 1, a->state[i][k] - 1);
                return false;
            }
        }
    }
    return true;
}
