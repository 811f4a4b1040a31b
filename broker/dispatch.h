/* Who a peer is to the network at this moment, and which of its messages are heard. */
#ifndef REFLOOP_BROKER_DISPATCH_H
#define REFLOOP_BROKER_DISPATCH_H

#include "broker/state.h"

enum who {
    WHO_STRANGER, /* no such key */
    WHO_MEMBER,   /* a member's present key */
    WHO_ONCE,     /* the one-time key of an open invite */
    WHO_SPENT,
    WHO_EXPIRED,
    WHO_REVOKED,
    WHO_REPLACED, /* a key that its member has replaced, or that somebody else has replaced */
    WHO_HELPER,   /* no such key, while the log is being refilled */
    WHO_COUNT
};

/* Looked up afresh for every message and again when a statement is judged. *member_out is NULL for
 * a stranger. */
enum who dispatch_who(const struct broker *broker, const struct curve_public *peer,
                      int64_t log_time_ms, const struct member **member_out);
/* What somebody is told whose message is not heard. */
enum err dispatch_refusal(enum who who);
/* Refuses, counts, and says when to come back: a replaced key soon, as its next hello is told. */
void dispatch_refuse(struct broker *broker, struct session *session, enum who who);

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
