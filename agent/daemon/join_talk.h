/* The conversation of a join: connect with the invite's one-time key, submit one statement, check
 * the receipt. */
#ifndef REFLOOP_AGENT_DAEMON_JOIN_TALK_H
#define REFLOOP_AGENT_DAEMON_JOIN_TALK_H

#include "agent/identity.h"

struct join_talk_options {
    const char *endpoint;
    const struct token *token;
    const struct identity *identity;
    int64_t timeout_ms;
    bool again; /* these keys were made by an earlier try, so they may be logged already */
};

/* ERR_OK when the broker has logged the keys. Otherwise the complaint says why in one sentence. */
enum err join_talk(const struct join_talk_options *options, struct complaint *complaint) MUST_CHECK;

#endif
