/* A member without an agent, for tests and benches that do what no agent does: its keys on a bare
 * DEALER, and statements made by hand. Whatever goes wrong on this side ends the program. */
#ifndef REFLOOP_TESTS_SUPPORT_RAW_MEMBER_H
#define REFLOOP_TESTS_SUPPORT_RAW_MEMBER_H

#include "agent/identity.h"
#include "lib/wire/message.h"

enum { RAW_ROUTE_BYTES = 16 };

void raw_die(const char *what);
void raw_must(enum err err, const char *what);
void raw_must_zmq(int result, const char *what);

/* HOME of an agent that has joined; identity_done ends it. */
void raw_load(const char *home, struct identity *identity_out);
/* A DEALER with these keys for this network's broker, not connected; no linger. */
void *raw_socket(void *context, const struct identity *identity, const struct curve_public *key,
                 const struct curve_secret *secret);
void raw_connect(const struct identity *identity, void *socket);
/* With the member's own keys and a random routing id, connected. */
void *raw_open(void *context, const struct identity *identity);
void raw_say(void *socket, const struct message *message);
void raw_hello(const struct identity *identity, void *socket);
/* The next message, of which `frame` holds the bytes; false when none came in time. */
bool raw_hear(void *socket, long patience_ms, struct buffer *frame, struct message *message_out);
/* `n` requests (at most LIMIT_ENVELOPES_PER_FRAME) to the reader under one signature. */
void raw_requests(const struct identity *author, const struct identity *reader, size_t n,
                  struct buffer *envelopes_out);

#endif
