/* `refloop-agent join`: from an invite to a member. Makes the organization's keys, has the broker
 * log them, keeps them. Asking again at any point is harmless. */
#ifndef REFLOOP_AGENT_DAEMON_JOIN_H
#define REFLOOP_AGENT_DAEMON_JOIN_H

#include "agent/daemon/config.h"

struct join_options {
    const char *home;
    const struct config *config;
    const char *token; /* a file, "-", or the invite itself */
    int64_t timeout_ms;
};

/* Prints what a person should see to standard output. */
enum err join_run(const struct join_options *options, struct complaint *complaint) MUST_CHECK;

#endif
