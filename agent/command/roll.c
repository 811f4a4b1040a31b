/* Decides what is remembered of each loop while all are walked. Whether our newest step was refused
 * stands in the steps, which cannot be read during the walk: those few loops are looked at again
 * afterwards. */
#include "agent/command/roll.h"

#include <stdlib.h>

#include "agent/command/view.h"

struct walk {
    struct roll *roll;
    enum err err;
};

static enum err
make_room(struct roll *roll)
{
    if (roll->n < roll->capacity)
        return ERR_OK;
    size_t capacity = roll->capacity == 0 ? 64 : 2 * roll->capacity;
    struct roll_entry *grown = reallocarray(roll->entries, capacity, sizeof(*grown));
    if (grown == NULL)
        return ERR_MEMORY;
    roll->entries = grown;
    roll->capacity = capacity;
    return ERR_OK;
}

static bool
add(void *context, const struct loop_view *loop)
{
    struct walk *walk = context;

    walk->err = make_room(walk->roll);
    if (walk->err != ERR_OK)
        return false;
    walk->roll->entries[walk->roll->n++] = (struct roll_entry){
        .loop = loop->loop,
        .since_ms = loop->since_ms,
        .open = view_is_open(loop),
        .needs_me = view_needs_me(loop, false),
        .waiting = loop->n_waiting > 0,
        /* What went to somebody whose keys are revoked will never be confirmed. */
        .undelivered = loop->n_undelivered > 0 && !loop->partner_revoked,
        .refused = loop->n_refused > 0,
    };
    return true;
}

static enum err
look_again(struct command_context *context, struct roll_entry *entry)
{
    struct loop_view view;
    bool refused = false;
    enum err err = agent_get_loop(context->agent, &entry->loop, &view);

    if (err == ERR_OK)
        err = view_newest_refused(context, &view, &refused);
    if (err == ERR_OK)
        entry->needs_me = view_needs_me(&view, refused);
    return err;
}

enum err
roll_load(struct command_context *context, struct roll *roll)
{
    struct walk walk = {.roll = roll};
    enum err err = agent_each_loop(context->agent, add, &walk);

    if (err == ERR_OK)
        err = walk.err;
    for (size_t i = 0; i < roll->n && err == ERR_OK; i++) {
        if (roll->entries[i].refused && !roll->entries[i].needs_me)
            err = look_again(context, &roll->entries[i]);
    }
    return err;
}

void
roll_done(struct roll *roll)
{
    free(roll->entries);
    *roll = (struct roll){.n = 0};
}
