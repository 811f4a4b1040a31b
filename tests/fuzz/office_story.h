/* An office with a past: referrals both ways, steps, an alarm; kept as the bytes of its store. */
#ifndef REFLOOP_TESTS_FUZZ_OFFICE_STORY_H
#define REFLOOP_TESTS_FUZZ_OFFICE_STORY_H

#include <jansson.h>

#include "agent/command/command.h"
#include "tests/fuzz/office.h"

struct office_story {
    struct office *office;
    struct buffer store;
    struct loop_id ours, theirs;
    size_t n_loops;
};

/* Of this process; the agent is closed. */
struct office_story *office_story_new(void);
/* The agent on the store as it was made. */
void office_story_open(struct office_story *story);

/* Runs one request as the control socket would, and looks at the answer: an object with `ok`, and
 * an error with code and sentence when that is false. New reference. */
json_t *office_run(struct office *office, json_t *request);
/* The same for a request without fields, or with the loop. */
json_t *office_ask(struct office *office, const char *command, const struct loop_id *loop);

#endif
