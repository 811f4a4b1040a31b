/* The handlers of the messages agents send: one file per family. Errors are our own; what a peer
 * does wrong is answered. */
#ifndef REFLOOP_BROKER_HANDLE_H
#define REFLOOP_BROKER_HANDLE_H

#include "broker/dispatch.h"

enum err handle_hello(struct dispatch_call *call) MUST_CHECK;
enum err handle_ping(struct dispatch_call *call) MUST_CHECK;
enum err handle_bye(struct dispatch_call *call) MUST_CHECK;
enum err handle_submit(struct dispatch_call *call) MUST_CHECK;
enum err handle_fetch(struct dispatch_call *call) MUST_CHECK;

/* Answers the hello of a replaced key: with the entry that replaced it, and nothing else. */
enum err handle_replaced(struct dispatch_call *call) MUST_CHECK;

/* Answers a session's waiting fetch when there is something for it. */
enum err handle_fetch_wake(struct broker *broker, struct kv_txn *txn, struct session *session,
                           struct instant now) MUST_CHECK;

#endif
