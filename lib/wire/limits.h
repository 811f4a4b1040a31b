/* Every maximum on one page. What a peer may cause is bounded here, before anything is allocated
 * for it. */
#ifndef REFLOOP_LIB_WIRE_LIMITS_H
#define REFLOOP_LIB_WIRE_LIMITS_H

enum {
    LIMIT_FRAME_BYTES = 256 * 1024,    /* one ZeroMQ body frame, and ZMQ_MAXMSGSIZE */
    LIMIT_ENVELOPE_BYTES = 224 * 1024, /* one envelope inside it */
    LIMIT_STATEMENT_BYTES = 4 * 1024,  /* the signed, clear part */
    LIMIT_SEALED_BYTES = 216 * 1024,   /* both compartments with their wraps */
    LIMIT_BODY_BYTES = 192 * 1024 - 4, /* content of the body compartment */
    LIMIT_FACTS_BYTES = 1024 - 4, /* content of the facts compartment, always one 1 KiB class */
    LIMIT_READERS = 4,            /* reader organizations of one statement */
    LIMIT_ENVELOPES_PER_FRAME = 64,
    LIMIT_ENTRIES_PER_FRAME = 256,
    LIMIT_COPIES_PER_FRAME = 64,
    LIMIT_PROOFS_PER_FRAME = 64,
    LIMIT_CHECKPOINT_BYTES = 2 * 1024, /* a checkpoint signed by the broker alone */
    LIMIT_TURN_STATEMENTS = 4096,      /* statements under one signature */
    LIMIT_NAME_BYTES = 120,            /* display name of an organization or network */
    LIMIT_ENDPOINT_BYTES = 200,
    LIMIT_UNPACK_BYTES = 1024 * 1024, /* memory one unpacked frame may take */
    LIMIT_MEMBERS = 10000,
    LIMIT_REVOKE_REASON_BYTES = 200,
    LIMIT_CONTROL_BYTES = 4 * 1024 * 1024, /* one request or answer on the control socket */
};

#endif
