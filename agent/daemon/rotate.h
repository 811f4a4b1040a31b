/* `refloop-agent rotate`: new keys for the organization. Takes the daemon's place while it talks to
 * the broker; asking again at any point is harmless. */
#ifndef REFLOOP_AGENT_DAEMON_ROTATE_H
#define REFLOOP_AGENT_DAEMON_ROTATE_H

#include "agent/daemon/loop.h"

struct rotate_options {
    const char *home;
    const struct config *config;
    struct identity *identity; /* joined; has the new keys afterwards */
    int64_t timeout_ms;
};

/* Begins a change of keys, or goes on with one that was begun, and prints what a person should see
 * to standard output. ERR_LOCKED: the daemon is running. */
enum err rotate_run(const struct rotate_options *options, struct complaint *complaint) MUST_CHECK;

/* At start of the daemon: what became of a change that was begun? Goes on with it as far as the
 * broker can be reached within the time; logs what came of it. *open_out true when that is still
 * not known: then the broker may refuse the keys that stand as the present ones, and this should be
 * asked again. */
enum err rotate_resume(const struct rotate_options *options, bool *open_out,
                       struct complaint *complaint) MUST_CHECK;

#endif
