/* Decides the small talk: greeting, ping, good-bye. It tells an agent where the log stands, so that
 * the agent can see by itself that a broker was restored from a backup or that something waits for
 * it. */
#include <stdio.h>
#include <string.h>

#include "broker/handle.h"

static enum err
refuse(struct dispatch_call *call, enum err code)
{
    state_count_refusal(call->broker, code);
    session_refuse(&call->broker->sessions, call->session, code, 0);
    return ERR_OK;
}

enum err
handle_hello(struct dispatch_call *call)
{
    struct broker *broker = call->broker;
    const struct message_hello *hello = &call->message->as.hello;
    if (hello->protocol != MESSAGE_PROTOCOL) {
        return refuse(call, ERR_VERSION);
    }
    if (memcmp(&hello->network, &broker->network, sizeof(broker->network)) != 0) {
        return refuse(call, ERR_WRONG_NETWORK);
    }
    /* What was queued or asked for belongs to the connection before this one. */
    session_drop_queue(&broker->sessions, call->session);
    call->session->fetch.waiting = false;

    struct message *answer = &broker->sessions.scratch;
    struct message_welcome *welcome = &answer->as.welcome;
    answer->kind = MESSAGE_WELCOME;
    *welcome = (struct message_welcome){
        .head = broker->head.entries,
        .log_time_ms = state_log_time(broker, call->now),
    };
    memcpy(welcome->incarnation, broker->incarnation, INCARNATION_BYTES);
    (void)snprintf(welcome->version, sizeof(welcome->version), "%s", REFLOOP_VERSION);
    session_send(&broker->sessions, call->session, answer);
    return ERR_OK;
}

enum err
handle_ping(struct dispatch_call *call)
{
    struct broker *broker = call->broker;
    struct message *answer = &broker->sessions.scratch;
    answer->kind = MESSAGE_PONG;
    answer->as.pong = (struct message_pong){
        .nonce = call->message->as.ping.nonce,
        .head = broker->head.entries,
        .log_time_ms = state_log_time(broker, call->now),
        .fetch_waiting = call->session->fetch.waiting,
    };
    session_send(&broker->sessions, call->session, answer);
    return ERR_OK;
}

enum err
handle_bye(struct dispatch_call *call)
{
    session_drop(&call->broker->sessions, call->session);
    call->session->left = true;
    return ERR_OK;
}
