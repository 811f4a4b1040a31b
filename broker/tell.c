/* Decides what a session is told of the log's head, and proves single entries in it. A session is
 * told heads in order, each with the proof that it goes on from the one before; what it was told
 * last is all that is remembered of it. It refuses to know who may read which entry: a proof says
 * nothing of an entry but that it is there. */
#include "broker/tell.h"

#include <stdlib.h>

enum { PROVE_COST = 256 }; /* bytes charged for a proof beside its own */

/* A tile that is not there, or places that do not fit: the store is not what the ledger says. */
static enum err
own(enum err err)
{
    return err == ERR_NOT_FOUND || err_is_peer(err) ? ERR_CORRUPT : err;
}

static enum err
consistency(struct broker *broker, struct kv_txn *txn, uint64_t from, struct proof *proof_out)
{
    struct state_consistency *last = &broker->consistency;
    uint64_t size = broker->ledger.tree.size;
    if (last->from != from || last->size != size) {
        struct tree_reader reader = ledger_reader(txn, broker->ledger.cache);
        last->size = 0;
        enum err err = tree_consistency(&reader, from, size, &last->proof);
        if (err != ERR_OK) {
            return own(err);
        }
        last->from = from;
        last->size = size;
    }
    *proof_out = last->proof;
    return ERR_OK;
}

enum err
tell_head(struct broker *broker, struct kv_txn *txn, struct session *session, struct proof *space,
          struct message_head *head_out)
{
    const struct ledger *ledger = &broker->ledger;
    uint64_t from = session->told_size;
    if (ledger->checkpoint_len == 0 || broker->recover.active) {
        return ERR_NOT_FOUND;
    }
    space->n = 0;
    /* A peer that has been shown more than there is cannot be proved anything, and sees why. */
    if (from > 0 && from < ledger->tree.size) {
        enum err err = consistency(broker, txn, from, space);
        if (err != ERR_OK) {
            return err;
        }
    }
    *head_out = (struct message_head){
        .present = true,
        .checkpoint = bytes_of(ledger->checkpoint, ledger->checkpoint_len),
        .from = from,
        .consistency = proof_bytes(space),
    };
    session->told_size = ledger->tree.size;
    return ERR_OK;
}

enum err
tell_inclusion(struct broker *broker, struct kv_txn *txn, uint64_t index, struct proof *space,
               struct bytes *inclusion_out)
{
    struct tree_reader reader = ledger_reader(txn, broker->ledger.cache);
    enum err err = tree_inclusion(&reader, index, broker->ledger.tree.size, space);
    if (err != ERR_OK) {
        return own(err);
    }
    *inclusion_out = proof_bytes(space);
    return ERR_OK;
}

static enum err
refuse(struct dispatch_call *call, enum err code, uint32_t retry_ms)
{
    refusals_count(call->broker, call->session, code);
    session_refuse(&call->broker->sessions, call->session, code, retry_ms);
    return ERR_OK;
}

static bool
is_provable(const struct message_prove *prove, uint64_t entries)
{
    bool fits = prove->n > 0 && prove->n <= LIMIT_PROOFS_PER_FRAME && prove->size > 0 &&
                prove->size <= entries;
    for (size_t i = 0; fits && i < prove->n; i++) {
        fits = prove->indexes[i] < prove->size;
    }
    return fits;
}

static enum err
answer_prove(struct dispatch_call *call, struct kv_txn *txn, struct proof *spaces)
{
    const struct message_prove *prove = &call->message->as.prove;
    struct broker *broker = call->broker;
    struct message *answer = &broker->sessions.scratch;
    struct message_proofs *proofs = &answer->as.proofs;
    struct tree_reader reader = ledger_reader(txn, broker->ledger.cache);
    answer->kind = MESSAGE_PROOFS;
    proofs->size = prove->size;
    proofs->n = prove->n;
    for (size_t i = 0; i < prove->n; i++) {
        enum err err = tree_inclusion(&reader, prove->indexes[i], prove->size, &spaces[i]);
        if (err != ERR_OK) {
            return own(err);
        }
        proofs->indexes[i] = prove->indexes[i];
        proofs->inclusions[i] = proof_bytes(&spaces[i]);
        call->session->served.used += (int64_t)proofs->inclusions[i].len + PROVE_COST;
    }
    session_send(&broker->sessions, call->session, answer);
    return ERR_OK;
}

enum err
handle_prove(struct dispatch_call *call)
{
    CLEANUP(kv_abort) struct kv_txn *txn = NULL;
    uint32_t retry_ms = 0;
    if (call->broker->recover.active) {
        return refuse(call, ERR_BUSY, STATE_BUSY_RETRY_MS);
    }
    if (!is_provable(&call->message->as.prove, call->broker->ledger.tree.size)) {
        return refuse(call, ERR_INVALID, 0);
    }
    if (!session_charge(&call->session->served, session_served, 0, call->now.boot_ms, &retry_ms)) {
        return refuse(call, ERR_QUOTA, retry_ms);
    }
    enum err err = kv_begin_read(call->broker->kv, &txn);
    struct proof *spaces = calloc(LIMIT_PROOFS_PER_FRAME, sizeof(*spaces));
    if (err == ERR_OK) {
        err = spaces == NULL ? ERR_MEMORY : answer_prove(call, txn, spaces);
    }
    free(spaces);
    return err;
}
