/* A statement: the one kind of thing said in a network, and one entry of its log. This struct is
 * the decoded, validated clear part; proto/envelope.proto is the wire form. Bytes are verified
 * first, parsed after, and never serialized again: ids, signatures and the log are over the exact
 * bytes received. */
#ifndef REFLOOP_LIB_WIRE_STATEMENT_H
#define REFLOOP_LIB_WIRE_STATEMENT_H

#include "lib/base/bytes.h"
#include "lib/base/digest.h"
#include "lib/crypto/curve.h"
#include "lib/crypto/seal.h"
#include "lib/crypto/sign.h"
#include "lib/loop/ident.h"
#include "lib/loop/lifecycle.h"
#include "lib/wire/limits.h"

enum {
    STATEMENT_SUITE_1 = 1
}; /* Ed25519, X25519 sealed box, XChaCha20-Poly1305, BLAKE2b, SHA-256 */
enum { KEY_ID_BYTES = 16 };

/* Numbers are sent: never reused. */
enum statement_kind {
    STATEMENT_GENESIS = 1, /* root: this network exists; entry 0 */
    STATEMENT_INVITE = 2,  /* root: this organization may join with these one-time keys */
    STATEMENT_JOIN = 3,    /* invite key: here are the organization's own keys */
    STATEMENT_REVOKE = 4,  /* root: this organization's keys end here */
    STATEMENT_LOOP = 5,    /* member: an event in a loop */
    STATEMENT_ROTATE = 6,  /* member: new keys, signed by the old ones */
};

/* First 16 bytes of BLAKE2b("refloop.key.v1" ‖ sign ‖ seal ‖ curve). */
struct key_id {
    uint8_t bytes[KEY_ID_BYTES];
};

/* The three public keys of an organization. */
struct key_set {
    struct sign_public sign;
    struct seal_public seal;
    struct curve_public curve;
};
struct key_id key_set_id(const struct key_set *keys);
/* The key id of a signing key that stands alone (root, invite): seal and curve taken as zero. */
struct key_id key_id_of_signer(const struct sign_public *key);

/* The network's name to machines: its root public key. */
struct network_id {
    uint8_t bytes[SIGN_PUBLIC_BYTES];
};

struct statement_genesis {
    char network_name[LIMIT_NAME_BYTES + 1];
    char endpoint[LIMIT_ENDPOINT_BYTES + 1]; /* where members connect: tcp://host:port */
    struct curve_public broker_curve;
    struct sign_public broker_log;  /* signs receipts and checkpoints */
    char auditor_org[ORG_ID_BYTES]; /* the administrator's own member id */
    struct key_set auditor;         /* facts are sealed to it too */
};

struct statement_invite {
    char org[ORG_ID_BYTES];
    char name[LIMIT_NAME_BYTES + 1];
    struct sign_public once_sign; /* one-time keys */
    struct curve_public once_curve;
    int64_t expires_ms; /* by the log's time */
    bool replaces; /* a new invite for an organization that is a member already (lost machine) */
};

struct statement_join {
    char org[ORG_ID_BYTES];
    struct key_id invite; /* key_id_of_signer(once_sign) */
    struct key_set keys;
    uint8_t possession[SIGN_BYTES]; /* SIGN_POSSESSION by keys.sign over network ‖ org ‖ sign ‖ seal
                                       ‖ curve */
};

struct statement_revoke {
    char org[ORG_ID_BYTES];
    char reason[LIMIT_REVOKE_REASON_BYTES + 1];
};

struct statement_rotate {
    struct key_set keys;
    uint8_t possession[SIGN_BYTES];
};

enum statement_priority { PRIORITY_ROUTINE = 1, PRIORITY_URGENT = 2 };

struct statement_reader {
    char org[ORG_ID_BYTES];
    struct key_id key;
};

/* One event in a loop. The other side of the loop is reader[0]; the author's role follows from the
 * loop (source: the author of the request). A sealed part is present for every event but
 * EVENT_DELIVERED. */
struct statement_loop {
    struct loop_id loop;
    enum loop_event event;
    uint32_t seq;
    struct digest previous; /* author's previous statement in this loop, zero for the first */
    struct digest
        heard; /* last statement (not a receipt) heard from the other side, zero when none */
    struct digest delivered; /* EVENT_DELIVERED: the statement that is now on the reader's disk;
                                zero otherwise */
    size_t n_readers;
    struct statement_reader readers[LIMIT_READERS];
    enum statement_priority priority; /* of the request; repeated by later statements */
    int64_t due_ms; /* request: needed by; accept: expected by; hold: review by; 0 when none */
    bool automatic; /* made by a machine's rule, not by a person */
    bool has_sealed;
    struct digest sealed_digest; /* BLAKE2b("refloop.sealed.v1" ‖ sealed bytes) */
    enum seal_class body_class;
};

struct statement {
    uint32_t suite;
    enum statement_kind kind;
    struct network_id network;
    char author[ORG_ID_BYTES]; /* "" for the root */
    struct key_id author_key;
    int64_t authored_ms; /* the author's own clock: display only */
    union {
        struct statement_genesis genesis;
        struct statement_invite invite;
        struct statement_join join;
        struct statement_revoke revoke;
        struct statement_loop loop;
        struct statement_rotate rotate;
    } as;
};

/* Serializes a new statement (the only place one is ever serialized). ERR_INVALID when a field is
 * out of its bounds. */
enum err statement_encode(const struct statement *statement, struct buffer *out) MUST_CHECK;
/* Parses and validates every field. ERR_MALFORMED, ERR_VERSION (suite), ERR_TOO_LARGE. */
enum err statement_decode(struct bytes bytes, struct statement *statement_out) MUST_CHECK;
/* BLAKE2b("refloop.id.v1" ‖ bytes). */
struct digest statement_id(struct bytes statement_bytes);
/* The bytes a new member signs to prove possession. Appends to out. */
void statement_possession_bytes(const struct network_id *network, const char *org,
                                const struct key_set *keys, struct buffer *out);

#endif
