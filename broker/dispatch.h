/* Who a peer is to the network at this moment, and which of its messages are heard. */
#ifndef REFLOOP_BROKER_DISPATCH_H
#define REFLOOP_BROKER_DISPATCH_H

#include "broker/state.h"

enum who {
    WHO_STRANGER, /* no such key, or no longer */
    WHO_MEMBER,   /* a member's present key */
    WHO_ONCE,     /* the one-time key of an open invite */
    WHO_SPENT,
    WHO_EXPIRED,
    WHO_REVOKED,
    WHO_COUNT
};

/* Looked up afresh for every message and again when a statement is judged. *member_out is NULL for
 * a stranger. */
enum who dispatch_who(const struct broker *broker, const struct curve_public *peer,
                      int64_t log_time_ms, const struct member **member_out);
/* What somebody is told whose message is not heard. */
enum err dispatch_refusal(enum who who);

/* One message on its way to its handler. */
struct dispatch_call {
    struct broker *broker;
    struct session *session;
    const struct member *member;
    enum who who;
    const struct message *message;
    struct instant now;
};
enum err dispatch_message(struct dispatch_call *call) MUST_CHECK;

#endif
