/* Session messages between agent and broker: one body frame each (proto/session.proto). Unsigned:
 * CURVE authenticates the peer, statements inside are signed by themselves.
 *
 * The agent says: HELLO, SUBMIT, FETCH, PING, BYE. The broker says: WELCOME, RECEIPTS, ENTRIES,
 * PONG, REFUSED. Every FETCH is answered by exactly one ENTRIES, at once when there is something
 * after the cursor, else as soon as there is; asking again with the same cursor is harmless. */
#ifndef REFLOOP_LIB_WIRE_MESSAGE_H
#define REFLOOP_LIB_WIRE_MESSAGE_H

#include "lib/wire/envelope.h"

enum { MESSAGE_PROTOCOL = 1, INCARNATION_BYTES = 16, RECEIPT_BYTES_MAX = 512 };

/* Numbers are sent: never reused. */
enum message_kind {
    MESSAGE_HELLO = 1,
    MESSAGE_SUBMIT = 2,
    MESSAGE_FETCH = 3,
    MESSAGE_PING = 4,
    MESSAGE_BYE = 5,
    MESSAGE_WELCOME = 6,
    MESSAGE_RECEIPTS = 7,
    MESSAGE_ENTRIES = 8,
    MESSAGE_PONG = 9,
    MESSAGE_REFUSED = 10,
};

enum receipt_result { RECEIPT_ACCEPTED = 1, RECEIPT_SUPERSEDED = 2, RECEIPT_REFUSED = 3 };

/* What a receipt says. Accepted and superseded receipts are signed by the broker's log key and
 * stand for: on the broker's disk. */
struct receipt {
    struct digest id; /* of the statement */
    enum receipt_result result;
    enum err refusal; /* RECEIPT_REFUSED: a PEER code */
    enum loop_state
        state;      /* the loop's state after it (or now, when refused), LOOP_NONE when no loop */
    uint64_t index; /* accepted, superseded */
    int64_t log_time_ms;
    struct digest superseded_by;
    uint32_t retry_ms;               /* refused for quota or busy: not before */
    struct turn_signature signature; /* over receipt_signed_bytes; unused when refused */
};
void receipt_signed_bytes(const struct receipt *receipt, struct buffer *out);

struct entry {
    uint64_t index;
    int64_t log_time_ms;
    struct bytes
        envelope; /* view; encoded envelope, sealed part left out for its author unless asked for */
};

struct message_hello {
    uint32_t protocol;
    struct network_id network;
    uint64_t cursor;
    char version[24];
};
struct message_submit {
    size_t n;
    struct bytes envelopes[LIMIT_ENVELOPES_PER_FRAME];
};
struct message_fetch {
    uint64_t cursor; /* first index wanted */
    uint32_t credit_bytes;
    bool with_own_sealed;
};
struct message_ping {
    uint64_t nonce;
};
struct message_welcome {
    uint8_t incarnation[INCARNATION_BYTES];
    uint64_t head; /* entries in the log */
    int64_t log_time_ms;
    char version[24];
};
struct message_receipts {
    size_t n;
    struct receipt receipts[LIMIT_ENVELOPES_PER_FRAME];
};
struct message_entries {
    uint64_t next; /* cursor after these */
    uint64_t head;
    size_t n;
    struct entry entries[LIMIT_ENTRIES_PER_FRAME];
};
struct message_pong {
    uint64_t nonce;
    uint64_t head;
    int64_t log_time_ms;
    bool fetch_waiting;
};
struct message_refused {
    enum err code;
    uint32_t retry_ms;
};

/* Large (entries, receipts): keep it in the heap or static, not on small stacks. Views point into
 * the decoded bytes. */
struct message {
    enum message_kind kind;
    union {
        struct message_hello hello;
        struct message_submit submit;
        struct message_fetch fetch;
        struct message_ping ping;
        struct message_welcome welcome;
        struct message_receipts receipts;
        struct message_entries entries;
        struct message_pong pong;
        struct message_refused refused;
    } as;
};

enum err message_encode(const struct message *message, struct buffer *out) MUST_CHECK;
/* ERR_MALFORMED, ERR_TOO_LARGE, ERR_VERSION. */
enum err message_decode(struct bytes bytes, struct message *message_out) MUST_CHECK;
const char *message_name(enum message_kind kind);

#endif
