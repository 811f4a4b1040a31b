/* Plays the people: what they are told was taken is a promise, and what they say next follows from
 * what they see. */
#include <string.h>

#include "tests/faults/world.h"

enum { FINISH_ROUNDS = 24, LOOPS_MAX = 512 };

/* After a full disk or a lack of memory nothing has happened; after a failed write nobody knows. */
static void
note_said(struct promise_said *said, enum err err)
{
    said->kind = err == ERR_OK                               ? PROMISE_KEPT
                 : err == ERR_DISK_FULL || err == ERR_MEMORY ? PROMISE_REFUSED
                                                             : PROMISE_UNKNOWN;
}

enum err
world_start(struct world *world, size_t from, struct loop_id *loop_out)
{
    struct promise_said *said = promise_next_said(world->promises, from);
    const struct agent_content content = {.facts = bytes_of_text(said->text),
                                          .body = bytes_of_text(said->text)};
    world->doing = "agent_start_loop";
    enum err err =
        agent_start_loop(world->member[from].agent, fixture_orgs[1 - from], PRIORITY_ROUTINE, 0,
                         &content, world->now, loop_out, &world->complaint);
    note_said(said, err);
    if (err == ERR_OK) {
        said->loop = *loop_out;
        said->has_loop = true;
    }
    return err;
}

enum err
world_say(struct world *world, size_t who, const struct loop_id *loop, enum loop_event event)
{
    struct promise_said *said = promise_next_said(world->promises, who);
    const struct agent_content content = {.facts = bytes_of_text(said->text),
                                          .body = bytes_of_text(said->text)};
    said->loop = *loop;
    said->has_loop = true;
    world->doing = "agent_say";
    enum err err = agent_say(world->member[who].agent, loop, event, 0, false, &content, world->now,
                             &world->complaint);
    note_said(said, err);
    return err;
}

struct finding {
    struct loop_id loops[LOOPS_MAX];
    size_t n;
};

static bool
collect(void *context, const struct loop_view *loop)
{
    struct finding *finding = context;
    if (loop->role == LOOP_SOURCE && finding->n < LOOPS_MAX) {
        finding->loops[finding->n++] = loop->loop;
    }
    return true;
}

bool
world_find_loop(struct world *world, size_t n, struct loop_id *loop_out)
{
    static struct finding finding;
    finding.n = 0;
    if (agent_each_loop(world->member[CLINIC].agent, collect, &finding) != ERR_OK ||
        n >= finding.n) {
        return false;
    }
    *loop_out = finding.loops[finding.n - 1 - n]; /* newest first */
    return true;
}

/* Who says what next in each state, with its queue counted in. */
static const struct {
    enum loop_state state;
    size_t who;
    enum loop_event event;
} story[] = {
    {LOOP_REQUESTED, PANTRY, EVENT_ACCEPT},
    {LOOP_ACCEPTED, PANTRY, EVENT_PROGRESS},
    {LOOP_IN_PROGRESS, PANTRY, EVENT_COMPLETE},
    {LOOP_COMPLETED, CLINIC, EVENT_ACKNOWLEDGE},
};

static enum err
take_next_step(struct world *world, const struct loop_id *loop, bool *closed_out)
{
    for (size_t who = 0; who < WORLD_MEMBERS; who++) {
        struct loop_view view;
        world->doing = "agent_get_loop";
        enum err err = agent_get_loop(world->member[who].agent, loop, &view);
        if (err != ERR_OK) {
            return err == ERR_UNKNOWN_LOOP ? ERR_OK : err; /* not there yet */
        }
        *closed_out = view.position.state == LOOP_CLOSED;
        for (size_t i = 0; i < ARRAY_LEN(story); i++) {
            if (story[i].who == who && story[i].state == view.queued_position.state) {
                return world_say(world, who, loop, story[i].event);
            }
        }
    }
    return ERR_OK;
}

enum err
world_finish_loop(struct world *world, size_t n)
{
    struct loop_id loop;
    bool closed = false;
    enum err err = world_settle(world);
    if (err == ERR_OK && !world_find_loop(world, n, &loop)) {
        err = world_start(world, CLINIC, &loop);
    }
    for (unsigned round = 0; err == ERR_OK && !closed && round < FINISH_ROUNDS; round++) {
        err = world_settle(world);
        if (err == ERR_OK) {
            err = take_next_step(world, &loop, &closed);
        }
        if (err == ERR_DISK_FULL) {
            err = ERR_OK; /* people try again */
        }
    }
    return err == ERR_OK && !closed ? ERR_WRONG_STATE : err;
}
