/* Decides who speaks and whether that kind of message is theirs to send: one table, an empty cell
 * is a refusal. The frame is the peer's, the key is CURVE's; nothing a message says about its
 * sender is believed. It refuses to know what the messages mean. */
#include "broker/dispatch.h"

#include <string.h>

#include "broker/handle.h"
#include "broker/tell.h"
#include "broker/witness.h"

#define DISPATCH_KINDS (MESSAGE_PROVE + 1) /* those without a row are the broker's own to say */

enum {
    SPARE_MESSAGES_PER_MINUTE = 600,
    MESSAGES_PER_STATEMENT = 4,
    REPLACED_RETRY_MS = 1000,
    REPLACED_SESSIONS_MAX = 4, /* of one member: it may have had keys without end */
};

typedef enum err (*dispatch_handler)(struct dispatch_call *call);

/* Spent and expired one-time keys are greeted and may repeat their JOIN: its receipt may have been
 * lost. What a helper submits is refused as busy, which keeps its connection. */
static const dispatch_handler handlers[DISPATCH_KINDS][WHO_COUNT] = {
    [MESSAGE_HELLO] = {[WHO_MEMBER] = handle_hello,
                       [WHO_ONCE] = handle_hello,
                       [WHO_SPENT] = handle_hello,
                       [WHO_EXPIRED] = handle_hello,
                       [WHO_REPLACED] = handle_hello,
                       [WHO_HELPER] = handle_hello},
    [MESSAGE_SUBMIT] = {[WHO_MEMBER] = handle_submit,
                        [WHO_ONCE] = handle_submit,
                        [WHO_SPENT] = handle_submit,
                        [WHO_EXPIRED] = handle_submit,
                        [WHO_HELPER] = handle_submit},
    [MESSAGE_FETCH] = {[WHO_MEMBER] = handle_fetch},
    [MESSAGE_PING] = {[WHO_MEMBER] = handle_ping,
                      [WHO_ONCE] = handle_ping,
                      [WHO_SPENT] = handle_ping,
                      [WHO_EXPIRED] = handle_ping,
                      [WHO_HELPER] = handle_ping},
    [MESSAGE_BYE] = {[WHO_MEMBER] = handle_bye,
                     [WHO_ONCE] = handle_bye,
                     [WHO_SPENT] = handle_bye,
                     [WHO_EXPIRED] = handle_bye,
                     [WHO_REPLACED] = handle_bye,
                     [WHO_HELPER] = handle_bye},
    [MESSAGE_COSIGN] = {[WHO_MEMBER] = handle_cosign},
    [MESSAGE_COPIES] = {[WHO_MEMBER] = handle_copies, [WHO_HELPER] = handle_copies},
    [MESSAGE_PROVE] = {[WHO_MEMBER] = handle_prove},
};

static const enum err refusals[WHO_COUNT] = {
    [WHO_STRANGER] = ERR_UNKNOWN_MEMBER, [WHO_MEMBER] = ERR_NOT_PERMITTED,
    [WHO_ONCE] = ERR_NOT_PERMITTED,      [WHO_SPENT] = ERR_TOKEN_SPENT,
    [WHO_EXPIRED] = ERR_TOKEN_EXPIRED,   [WHO_REVOKED] = ERR_REVOKED,
    [WHO_REPLACED] = ERR_UNKNOWN_MEMBER, [WHO_HELPER] = ERR_UNKNOWN_MEMBER,
};

enum err
dispatch_refusal(enum who who)
{
    return refusals[who];
}

void
dispatch_refuse(struct broker *broker, struct session *session, enum who who)
{
    enum err code = dispatch_refusal(who);
    refusals_count(broker, session, code);
    session_refuse(&broker->sessions, session, code, who == WHO_REPLACED ? REPLACED_RETRY_MS : 0);
}

/* Whose machine was copied learns here that its keys are no longer its own. */
static enum who
who_was(const struct broker *broker, const struct curve_public *peer,
        const struct member **member_out)
{
    uint64_t replaced_at;
    const struct member *member =
        directory_find_former_curve(broker->directory, peer, &replaced_at);
    *member_out = member;
    if (member == NULL) {
        return WHO_STRANGER;
    }
    return member->state == MEMBER_REVOKED ? WHO_REVOKED : WHO_REPLACED;
}

enum who
dispatch_who(const struct broker *broker, const struct curve_public *peer, int64_t log_time_ms,
             const struct member **member_out)
{
    bool once = false;
    const struct member *member = directory_find_curve(broker->directory, peer, &once);
    *member_out = member;
    if (member == NULL) {
        return who_was(broker, peer, member_out);
    }
    if (!once) {
        return member->state == MEMBER_ACTIVE ? WHO_MEMBER : WHO_REVOKED;
    }
    /* A revocation spends the invite too, so an open one of a revoked member is newer: it may come
     * back. */
    bool is_newest = memcmp(&member->once_curve, peer, sizeof(*peer)) == 0;
    if (member->invite_spent || !is_newest) {
        return member->state == MEMBER_REVOKED ? WHO_REVOKED : WHO_SPENT;
    }
    return log_time_ms > member->invite_expires_ms ? WHO_EXPIRED : WHO_ONCE;
}

/* An unknown key first has to prove that it has to do with this log. */
static bool
may_speak(const struct dispatch_call *call)
{
    return call->who != WHO_HELPER || call->message->kind == MESSAGE_HELLO ||
           recover_find_helper(call->broker, &call->session->key) != NULL;
}

enum err
dispatch_message(struct dispatch_call *call)
{
    enum message_kind kind = call->message->kind;
    dispatch_handler handler = (unsigned)kind < DISPATCH_KINDS ? handlers[kind][call->who] : NULL;
    if (handler == NULL || !may_speak(call)) {
        dispatch_refuse(call->broker, call->session, call->who);
        return ERR_OK;
    }
    return handler(call);
}

/* False when the peer has sent more than its share of messages: it is told so once a window, then
 * not at all. */
static bool
is_within_share(struct broker *broker, struct session *session, struct instant now)
{
    const struct session_share share = {broker->statements_per_minute * MESSAGES_PER_STATEMENT +
                                            SPARE_MESSAGES_PER_MINUTE,
                                        SESSION_MINUTE_MS};
    uint32_t retry_ms = 0;
    if (session_charge(&session->messages, share, 1, now.boot_ms, &retry_ms)) {
        return true;
    }
    refusals_count(broker, session, ERR_QUOTA);
    if (session->messages.used == share.limit) {
        session->messages.used = share.limit + 1;
        session_refuse(&broker->sessions, session, ERR_QUOTA, retry_ms);
    }
    return false;
}

static bool
has_room_for_former(const struct broker *broker, const struct curve_public *peer,
                    const struct member *member)
{
    size_t cursor = 0;
    size_t n = 0;
    struct session *session;
    if (sessions_find(&broker->sessions, peer) != NULL) {
        return true;
    }
    while (n < REPLACED_SESSIONS_MAX && sessions_next(&broker->sessions, &cursor, &session)) {
        n += session->is_former && session->former_of == member->handle;
    }
    return n < REPLACED_SESSIONS_MAX;
}

static struct session *
session_of(const struct dispatch_call *call, const struct curve_public *peer)
{
    struct broker *broker = call->broker;
    bool former = call->who == WHO_REPLACED;
    bool has_room = former                    ? has_room_for_former(broker, peer, call->member)
                    : call->who == WHO_HELPER ? recover_meet(broker, peer)
                                              : true;
    struct session *session = has_room ? sessions_get(&broker->sessions, peer) : NULL;
    if (session != NULL) {
        session->is_former = former;
        session->former_of = former ? call->member->handle : 0;
    }
    return session;
}

enum err
broker_receive(struct broker *broker, const struct curve_public *peer, const struct route *route,
               struct bytes frame, struct instant now)
{
    struct dispatch_call call = {.broker = broker, .now = now};
    call.who = dispatch_who(broker, peer, state_log_time(broker, now), &call.member);
    if (call.who == WHO_STRANGER && broker->recover.active) {
        call.who = WHO_HELPER;
    }
    call.session = session_of(&call, peer);
    if (call.session == NULL) {
        refusals_count(broker, NULL, ERR_BUSY); /* without a session there is nobody to answer */
        return ERR_OK;
    }
    session_hear(call.session, route, now);
    if (!is_within_share(broker, call.session, now)) {
        return ERR_OK;
    }
    if (call.who == WHO_REVOKED || call.who == WHO_STRANGER) {
        /* Nothing of theirs is even looked at. */
        call.session->fetch.waiting = false;
        refusals_count(broker, call.session, dispatch_refusal(call.who));
        session_refuse(&broker->sessions, call.session, dispatch_refusal(call.who), 0);
        return ERR_OK;
    }
    enum err err = message_decode(frame, &broker->received);
    if (err_is_peer(err)) {
        refusals_count(broker, call.session, err);
        session_refuse(&broker->sessions, call.session, err, 0);
        return ERR_OK;
    }
    if (err != ERR_OK) {
        return err;
    }
    call.message = &broker->received;
    return dispatch_message(&call);
}
