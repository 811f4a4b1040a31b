/* The one plain sentence about a loop that needs attention. Pure. */
#ifndef REFLOOP_AGENT_COMMAND_NOTICE_H
#define REFLOOP_AGENT_COMMAND_NOTICE_H

#include <stddef.h>

#include "lib/base/err.h"
#include "lib/loop/lifecycle.h"

enum { NOTICE_BYTES = 512 };

struct notice_facts {
    const char *partner; /* display name */
    enum loop_role role; /* ours */
    bool open;
    enum loop_event newest_own;
    bool refused; /* our newest step, by the broker, for good */
    enum err refusal;
    bool superseded; /* our newest step */
    bool has_winner; /* the step of theirs that came first is known */
    enum loop_event winner;
    bool dropped; /* its request was refused for good, and somebody here has ended it */
    bool partner_revoked;
    bool unreadable; /* the request could not be opened or makes no sense */
    bool held;       /* a step of ours waits here, as an alarm stops sending */
    bool no_contact;
};

/* Writes "" when all is well. */
void notice_write(const struct notice_facts *facts, char out[NOTICE_BYTES]);

#endif
