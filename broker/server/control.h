/* The commands of the broker's control socket: status, members, submit, check, recover and
 * recover-go-on. */
#ifndef REFLOOP_BROKER_SERVER_CONTROL_H
#define REFLOOP_BROKER_SERVER_CONTROL_H

#include "broker/broker.h"
#include "broker/server/connections.h"
#include "lib/edge/control.h"

/* What the commands answer from. The counters are the server's. */
struct control_view {
    struct broker *broker;
    const char *listen; /* the endpoint that is really bound */
    int64_t started_ms; /* wall */
    const struct connections *connections;
    uint64_t connected, not_accepted; /* connections that came; and that could not be taken */
    uint64_t handshakes, handshakes_refused;
    uint64_t dropped; /* messages without a shape or an identity */
    bool broken;      /* out: the broker has failed and must stop */
    enum err failure;
};

/* A control_handler; context is struct control_view. */
json_t *control_answer(void *context, json_t *request, bool *keep_open);

#endif
