/* A small agent in a thread: a real control socket in a temporary home, canned answers. */
#ifndef REFLOOP_TESTS_UNIT_CLI_FAKE_AGENT_H
#define REFLOOP_TESTS_UNIT_CLI_FAKE_AGENT_H

#include <jansson.h>

#include "lib/base/file.h"

struct fake_agent;

/* `answers` maps a command to its answer; `changes` (may be NULL) is a list that a watcher gets
 * before the agent goes away. References are not taken. */
struct fake_agent *fake_agent_start(json_t *answers, json_t *changes);
const char *fake_agent_home(const struct fake_agent *agent);
/* The newest request of a command, NULL when there was none. Valid until the next call. */
const json_t *fake_agent_request(struct fake_agent *agent, const char *command);
void fake_agent_stop(struct fake_agent *agent);

#endif
