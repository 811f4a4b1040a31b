/* A short conversation with the broker over a link of its own, while no daemon runs: connect, say
 * something, hear the answers, until one of them ends it or the time is up. */
#ifndef REFLOOP_AGENT_DAEMON_TALK_H
#define REFLOOP_AGENT_DAEMON_TALK_H

#include "agent/link/link.h"
#include "lib/wire/message.h"

struct talk;

struct talk_options {
    const char *endpoint;
    const struct curve_public *own_public;
    const struct curve_secret *own_secret;
    const struct curve_public *broker;
    const char *progress; /* shown to a person who waits ("Joining"); NULL for nobody */
    int64_t deadline_ms;  /* boot */
    /* The connection stands: say the first word. */
    void (*on_connected)(void *context, struct talk *talk);
    /* Connected, and nothing was heard for a while: say it again. May be NULL. */
    void (*on_silence)(void *context, struct talk *talk);
    /* Valid until the next word is said. */
    void (*on_message)(void *context, struct talk *talk, const struct message *message);
    void *context;
};

struct talk_result {
    bool ended;                /* by talk_end */
    enum err outcome;          /* its word */
    enum link_trouble trouble; /* otherwise: of the link, as it stood last */
};

/* Errors are our own; whatever the broker does is in the result. ERR_CONFIG: the endpoint is none.
 */
enum err talk_run(const struct talk_options *options, struct talk_result *result_out) MUST_CHECK;
/* For people: what is wrong when nothing has ended it. */
const char *talk_trouble_sentence(enum link_trouble trouble);
/* Waiting cannot help with this one. */
bool talk_trouble_is_final(enum link_trouble trouble);

/* For the two callbacks. */
struct message *talk_message(struct talk *talk); /* to be filled, and said with talk_say */
void talk_say(struct talk *talk);
void talk_welcomed(struct talk *talk);
void talk_again(struct talk *talk); /* the broker has no time now: once more, on a new connection */
void talk_end(struct talk *talk, enum err outcome);

#endif
