/* Decides the small talk: greeting, ping, good-bye. It tells an agent where the log stands and
 * proves it, so that the agent can see by itself that nothing was taken back. The agent's own last
 * checkpoint is our signature on our past: it tells us whether we have lost a part of it
 * (recover.c). One that we did not sign belongs to somebody else's log, and is refused. */
#include <stdio.h>
#include <string.h>

#include "broker/handle.h"
#include "broker/tell.h"
#include "broker/witness.h"

static enum err
refuse(struct dispatch_call *call, enum err code, uint32_t retry_ms)
{
    if (call->who == WHO_HELPER) {
        code = dispatch_refusal(WHO_HELPER); /* as if it were no time to help */
    }
    refusals_count(call->broker, call->session, code);
    session_refuse(&call->broker->sessions, call->session, code, retry_ms);
    return ERR_OK;
}

/* Size 0 when it shows none. */
static enum err
open_shown(const struct dispatch_call *call, struct checkpoint *shown_out)
{
    const struct broker *broker = call->broker;
    struct bytes note = call->message->as.hello.checkpoint;
    struct sign_public key;
    if (note.len == 0) {
        shown_out->size = 0;
        return ERR_OK;
    }
    sign_public_of(broker->log_secret, &key);
    enum err err = checkpoint_open(note, &broker->network, &key, shown_out);
    return err == ERR_WRONG_NETWORK ? ERR_SIGNATURE : err;
}

/* Head and cosigned checkpoint, as far as there are any: nothing is proved while the broker is
 * being refilled. */
static enum err
tell(struct dispatch_call *call, struct proof *space, struct message_head *head_out,
     struct message_witnessed *witnessed_out)
{
    struct broker *broker = call->broker;
    CLEANUP(kv_abort) struct kv_txn *txn = NULL;
    *head_out = (struct message_head){.present = false};
    *witnessed_out = (struct message_witnessed){.present = false};
    enum err err = kv_begin_read(broker->kv, &txn);
    if (err == ERR_OK) {
        err = tell_head(broker, txn, call->session, space, head_out);
    }
    if (err == ERR_OK) {
        err = witness_tell(broker, txn, broker->ledger.tree.size, witnessed_out);
    }
    return err == ERR_NOT_FOUND ? ERR_OK : err;
}

static enum err
welcome(struct dispatch_call *call)
{
    struct broker *broker = call->broker;
    struct message *answer = &broker->sessions.scratch;
    struct message_welcome *welcome = &answer->as.welcome;
    struct proof space;
    answer->kind = MESSAGE_WELCOME;
    *welcome = (struct message_welcome){
        .head = broker->head.entries,
        .broker_clock_ms = call->now.wall_ms,
        .recall_from = broker->recover.active ? recover_from(broker) : 0,
    };
    memcpy(welcome->incarnation, broker->incarnation, INCARNATION_BYTES);
    (void)snprintf(welcome->version, sizeof(welcome->version), "%s", REFLOOP_VERSION);
    enum err err = tell(call, &space, &welcome->proved, &welcome->witnessed);
    if (err == ERR_OK) {
        session_send(&broker->sessions, call->session, answer);
    }
    return err;
}

enum err
handle_hello(struct dispatch_call *call)
{
    struct broker *broker = call->broker;
    const struct message_hello *hello = &call->message->as.hello;
    struct checkpoint shown;
    bool taken = true;
    bool is_member = call->who == WHO_MEMBER;
    if (hello->protocol != MESSAGE_PROTOCOL) {
        return refuse(call, ERR_VERSION, 0);
    }
    if (memcmp(&hello->network, &broker->network, sizeof(broker->network)) != 0) {
        return refuse(call, ERR_WRONG_NETWORK, 0);
    }
    enum err err = open_shown(call, &shown);
    if (err != ERR_OK) {
        return err_is_peer(err) ? refuse(call, err, 0) : err;
    }
    if (call->who == WHO_HELPER) {
        err = recover_offer(broker, &call->session->key, &shown, hello->checkpoint, &taken);
        if (err != ERR_OK || !taken) {
            return err == ERR_OK ? refuse(call, ERR_UNKNOWN_MEMBER, 0) : err;
        }
    } else if (!is_member && broker->recover.active) {
        return refuse(call, ERR_BUSY, RECOVER_JOIN_RETRY_MS); /* nobody can join just now */
    }
    /* What was queued or asked for belongs to the connection before this one. */
    session_drop_queue(&broker->sessions, call->session);
    call->session->fetch.waiting = false;
    call->session->told_size = shown.size;
    if (call->who == WHO_REPLACED) {
        return handle_replaced(call);
    }
    if (is_member) {
        err = recover_hear(broker, call->member, shown.size > 0 ? &shown : NULL, hello->checkpoint,
                           call->now);
    }
    return err == ERR_OK ? welcome(call) : err;
}

enum err
handle_ping(struct dispatch_call *call)
{
    struct broker *broker = call->broker;
    struct message *answer = &broker->sessions.scratch;
    struct message_pong *pong = &answer->as.pong;
    struct proof space;
    answer->kind = MESSAGE_PONG;
    *pong = (struct message_pong){
        .nonce = call->message->as.ping.nonce,
        .head = broker->head.entries,
        .broker_clock_ms = call->now.wall_ms,
        .fetch_waiting = call->session->fetch.waiting,
    };
    enum err err = tell(call, &space, &pong->proved, &pong->witnessed);
    if (err == ERR_OK) {
        session_send(&broker->sessions, call->session, answer);
    }
    return err;
}

enum err
handle_bye(struct dispatch_call *call)
{
    session_drop(&call->broker->sessions, call->session);
    call->session->left = true;
    return ERR_OK;
}
