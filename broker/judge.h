/* The judge: may this verified statement enter the log now, and what becomes of it? Reads and
 * stages in the turn's transaction; memory changes only after the commit, elsewhere. */
#ifndef REFLOOP_BROKER_JUDGE_H
#define REFLOOP_BROKER_JUDGE_H

#include "broker/dispatch.h"

/* The statements of one transaction. */
struct judge_stage {
    struct broker *broker;
    struct kv_txn *txn;
    struct instant now;
    struct journal_head head; /* with what is staged */
    bool read_only;           /* a read transaction: nothing new is taken */
    uint64_t staged_bytes;
    struct tree tree; /* with what is staged */
};

/* Who the author may be: the organization behind the connection, or the administrator's root key.
 */
enum judge_source { JUDGE_PEER, JUDGE_ROOT };

struct judge_case {
    enum judge_source source;
    struct curve_public peer;         /* of a peer */
    const struct sign_public *signer; /* of a peer: the key its statements were checked with */
    const struct verified *verified;
};

struct judge_result {
    struct receipt receipt;
    bool logged; /* staged in this transaction */
    bool duplicate;
    bool spurned;     /* the peer itself is not to be heard (revoked) */
    size_t n_members; /* whom a staged entry concerns: handles; none means everybody */
    uint64_t members[1 + LIMIT_READERS];
};

/* Errors are the store's or our own; every refusal is in the receipt. */
enum err judge_statement(struct judge_stage *stage, const struct judge_case *judged,
                         struct judge_result *result_out) MUST_CHECK;
/* True for statements that change the directory: each is the only new one of its transaction. */
bool judge_is_alone(const struct verified *verified);

#endif
