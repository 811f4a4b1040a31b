/* The commands of an agent's control socket: JSON in, JSON out (docs/json.md). Neither socket nor
 * clock: agent/daemon brings both, and tells what it knows of the link. */
#ifndef REFLOOP_AGENT_COMMAND_COMMAND_H
#define REFLOOP_AGENT_COMMAND_COMMAND_H

#include <jansson.h>

#include "agent/agent.h"
#include "agent/supervise/supervisor.h"

struct command_link {
    enum link_trouble trouble;
    int64_t trouble_since_ms; /* wall */
    char endpoint[LIMIT_ENDPOINT_BYTES + 1];
};

struct command_context {
    struct agent *agent;
    struct command_link link;
    struct instant now;
    bool stopped; /* an alarm stops sending: as of the last command_run or command_status */
};

/* Answers one request; never NULL. *watch_out is set when the caller asked to watch. */
json_t *command_run(struct command_context *context, json_t *request, bool *watch_out);
/* The message `watch` gets for one changed loop; `status` is command_status's of the same context.
 * New reference. */
json_t *
command_watch_message(struct command_context *context, const struct loop_id *loop, json_t *status);
/* The `status` object. New reference. */
json_t *command_status(struct command_context *context);

#endif
