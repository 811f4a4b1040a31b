/* The roll: every loop with the few things that lists are chosen, sorted and counted by. No content
 * is opened for it. */
#ifndef REFLOOP_AGENT_COMMAND_ROLL_H
#define REFLOOP_AGENT_COMMAND_ROLL_H

#include "agent/command/command.h"

struct roll_entry {
    struct loop_id loop;
    int64_t since_ms;
    bool open, needs_me;
    bool waiting, undelivered, refused; /* has such steps of ours */
};

struct roll {
    struct roll_entry *entries; /* owned */
    size_t n, capacity;
};

/* Fills a zeroed roll, newest loop first. roll_done in any case. */
enum err roll_load(struct command_context *context, struct roll *roll) MUST_CHECK;
void roll_done(struct roll *roll);

#endif
