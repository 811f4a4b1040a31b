/* An agent's core and the broker it talks with, which can be told to lie (fake_broker.h). The agent
 * is member 0, the partner that is played by hand member 1. */
#ifndef REFLOOP_TESTS_FUZZ_OFFICE_H
#define REFLOOP_TESTS_FUZZ_OFFICE_H

#include "tests/fuzz/stage.h"
#include "tests/unit/agent/fake_broker.h"

enum { OFFICE_SELF, OFFICE_PARTNER, OFFICE_MEMBERS, OFFICE_QUEUE = 64 };

struct office {
    struct fixture fixture;
    struct fake_broker broker;
    struct agent *agent;
    struct instant start, now;
    struct message said;
    char store[FILE_PATH_MAX];
    struct buffer empty; /* a store nobody has written to */
};

/* The office of this process; its broker and agent closed. */
struct office *office_new(void);
/* A fresh log, and an agent that knows nothing of it. */
void office_open(struct office *office);
void office_close(struct office *office);
void office_open_agent(struct office *office);
enum err office_try_open(struct office *office, struct complaint *complaint) MUST_CHECK;

/* Everything the agent wants to say goes to the broker, everything the broker says to the agent,
 * until both are quiet. */
void office_settle(struct office *office);
/* True when a frame went out. The agent may not have something to say for ever. */
bool office_carry_out(struct office *office);

/* A step of the partner's: false when there is nothing to say it in. */
struct office_step {
    const struct loop_id *loop;
    enum loop_event event;
    struct bytes facts, body;
};
/* Makes it as an honest partner would: it may be changed before it is sealed. */
struct statement office_statement(struct office *office, const struct office_step *step);
/* Seals and signs; false when what it says cannot be sealed or written. */
bool office_seal(struct office *office, struct statement *statement, struct bytes facts,
                 struct bytes body, struct buffer *envelope_out);
/* Signs bytes that claim to be a statement of the partner's. */
bool office_sign(struct office *office, struct bytes statement, struct bytes sealed,
                 struct buffer *envelope_out);
/* The partner submits; the broker's answer to it is thrown away. */
void office_submit(struct office *office, struct bytes envelope);

#endif
