/* Session messages between agent and broker: one body frame each (proto/session.proto). Unsigned:
 * CURVE authenticates the peer, statements inside are signed by themselves.
 *
 * The agent says: HELLO, SUBMIT, FETCH, PING, BYE, COSIGN, COPIES, PROVE. The broker says: WELCOME,
 * RECEIPTS, ENTRIES, PONG, REFUSED, RECALL, PROOFS. Every FETCH is answered by exactly one ENTRIES,
 * at once when there is something after the cursor, else as soon as there is; asking again with the
 * same cursor is harmless. */
#ifndef REFLOOP_LIB_WIRE_MESSAGE_H
#define REFLOOP_LIB_WIRE_MESSAGE_H

#include "lib/log/note.h"
#include "lib/log/tree.h"
#include "lib/wire/envelope.h"

enum { MESSAGE_PROTOCOL = 2, INCARNATION_BYTES = 16, RECEIPT_BYTES_MAX = 512 };

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
    MESSAGE_COSIGN = 11,
    MESSAGE_RECALL = 12,
    MESSAGE_COPIES = 13,
    MESSAGE_PROVE = 14,
    MESSAGE_PROOFS = 15,
};

enum receipt_result { RECEIPT_ACCEPTED = 1, RECEIPT_SUPERSEDED = 2, RECEIPT_REFUSED = 3 };

/* A head of the log and why to believe that it goes on from the one told before. Views. */
struct message_head {
    bool present;
    struct bytes checkpoint;  /* note signed by the broker, at most LIMIT_CHECKPOINT_BYTES */
    uint64_t from;            /* size it goes on from, 0 when there was none */
    struct bytes consistency; /* as proof_bytes */
};
/* A cosigned checkpoint, not larger than the head beside it. Views. */
struct message_witnessed {
    bool present;
    struct bytes checkpoint;  /* note with cosignatures, at most NOTE_BYTES_MAX */
    struct bytes consistency; /* from it to the head */
};

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
    struct bytes inclusion;          /* view: proof in the head beside it; unused when refused */
};
void receipt_signed_bytes(const struct receipt *receipt, struct buffer *out);

struct entry {
    uint64_t index;
    int64_t log_time_ms;
    struct bytes
        envelope; /* view; encoded envelope, sealed part left out for its author unless asked for */
    struct bytes inclusion; /* view: proof in the head beside it */
};

struct message_hello {
    uint32_t protocol;
    struct network_id network;
    uint64_t cursor;
    char version[24];
    struct bytes checkpoint; /* the last one verified; empty when none */
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
    int64_t broker_clock_ms;
    char version[24];
    struct message_head proved;
    struct message_witnessed witnessed;
    uint64_t recall_from; /* 0: the broker is whole */
};
struct message_receipts {
    size_t n;
    struct receipt receipts[LIMIT_ENVELOPES_PER_FRAME];
    struct message_head proved;
};
struct message_entries {
    uint64_t next; /* cursor after these */
    uint64_t head;
    size_t n;
    struct entry entries[LIMIT_ENTRIES_PER_FRAME];
    struct message_head proved;
};
struct message_pong {
    uint64_t nonce;
    uint64_t head;
    int64_t broker_clock_ms;
    bool fetch_waiting;
    struct message_head proved;
    struct message_witnessed witnessed;
};
struct message_cosign {
    uint64_t size;
    uint64_t time_s;
    uint8_t signature[SIGN_BYTES];
};
struct message_recall {
    uint64_t from;
};
/* Views. */
struct message_copy {
    uint64_t index;
    int64_t log_time_ms;
    struct bytes envelope, checkpoint, inclusion;
};
struct message_copies {
    size_t n;
    struct message_copy copies[LIMIT_COPIES_PER_FRAME];
    bool more;
};
struct message_prove {
    uint64_t size;
    size_t n;
    uint64_t indexes[LIMIT_PROOFS_PER_FRAME];
};
struct message_proofs {
    uint64_t size;
    size_t n;
    uint64_t indexes[LIMIT_PROOFS_PER_FRAME];
    struct bytes inclusions[LIMIT_PROOFS_PER_FRAME]; /* views */
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
        struct message_cosign cosign;
        struct message_recall recall;
        struct message_copies copies;
        struct message_prove prove;
        struct message_proofs proofs;
    } as;
};

enum err message_encode(const struct message *message, struct buffer *out) MUST_CHECK;
/* ERR_MALFORMED, ERR_TOO_LARGE, ERR_VERSION. */
enum err message_decode(struct bytes bytes, struct message *message_out) MUST_CHECK;
const char *message_name(enum message_kind kind);

#endif
