/* The agent's one loop: link, control socket, signals and timers around the core. */
#ifndef REFLOOP_AGENT_DAEMON_LOOP_H
#define REFLOOP_AGENT_DAEMON_LOOP_H

#include "agent/agent.h"
#include "agent/daemon/config.h"

struct loop_options {
    const char *home;
    const struct config *config;
    const struct identity *identity; /* joined */
    int signal_fd;
    bool leave_when_refused; /* other keys may hold instead: a refused handshake ends the loop */
};

/* Opens HOME/store. */
enum err loop_open_store(const struct loop_options *options, struct agent **agent_out,
                         struct complaint *complaint) MUST_CHECK;
/* Runs until it is told to stop (ERR_OK) or something of our own fails. ERR_KEY, without a
 * complaint: the broker does not let these keys in, and leave_when_refused was set. */
enum err loop_run(const struct loop_options *options, struct complaint *complaint) MUST_CHECK;

#endif
