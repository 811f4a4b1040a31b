/* Decides when new keys may take the place of the old: when the broker's receipt is signed, and
 * proved to be in the very log this agent has known all along. Statements made under the old keys
 * that the log does not have are made again; a broker refuses them for ever. It refuses to know
 * connections and files. */
#include "agent/rotate.h"

#include <string.h>

#include "agent/state.h"
#include "lib/base/secret.h"

enum { POSSESSION_BYTES_MAX = 512 };

enum err
rotate_begin(struct identity *identity, int64_t now_ms)
{
    struct identity_secrets *secrets = identity->secrets;

    if (!identity->joined)
        return ERR_NOT_PERMITTED;
    if (identity->has_next)
        return ERR_EXISTS;
    sign_new_pair(&identity->next.sign, &secrets->next_sign);
    seal_new_pair(&identity->next.seal, &secrets->next_seal);
    curve_new_pair(&identity->next.curve, &secrets->next_curve);
    identity->next_made_ms = now_ms;
    identity->has_next = true;
    return ERR_OK;
}

static enum err
prove_possession(const struct identity *identity, struct statement_rotate *rotate)
{
    CLEANUP(buffer_done) struct buffer bytes = BUFFER_INIT(POSSESSION_BYTES_MAX);

    statement_possession_bytes(&identity->network, identity->org, &identity->next, &bytes);
    enum err err = buffer_err(&bytes);
    if (err != ERR_OK)
        return err;
    struct bytes part = buffer_view(&bytes);
    sign_make(SIGN_POSSESSION, &part, 1, &identity->secrets->next_sign, rotate->possession);
    return ERR_OK;
}

enum err
rotate_envelope(const struct identity *identity, struct buffer *out)
{
    CLEANUP(buffer_done) struct buffer bytes = BUFFER_INIT(LIMIT_STATEMENT_BYTES);
    struct statement statement = {
        .suite = STATEMENT_SUITE_1,
        .kind = STATEMENT_ROTATE,
        .network = identity->network,
        .author_key = identity->key_id,
        .authored_ms = identity->next_made_ms,
        .as.rotate.keys = identity->next,
    };
    struct envelope envelope = {.sealed = bytes_of(NULL, 0)};

    if (!identity->has_next)
        return ERR_NOT_FOUND;
    memcpy(statement.author, identity->org, sizeof(statement.author));
    enum err err = prove_possession(identity, &statement.as.rotate);
    if (err == ERR_OK)
        err = statement_encode(&statement, &bytes);
    envelope.statement = buffer_view(&bytes);
    if (err == ERR_OK)
        err = turn_sign(SIGN_STATEMENTS, &identity->network, &envelope.statement, 1,
                        &identity->secrets->sign, &envelope.signature);
    return err == ERR_OK ? envelope_encode(&envelope, out) : err;
}

/* ---- what the broker answers ---- */

struct view
rotate_view(const struct agent *agent)
{
    return agent->proof.view;
}

enum err
rotate_take_head(const struct identity *identity, struct view *view,
                 const struct message_head *head, bool answers_ours)
{
    struct checkpoint told;

    if (!head->present)
        return ERR_KEY;
    enum view_finding finding = view_judge(view, &identity->network, &identity->genesis.broker_log,
                                           head, answers_ours, &told);
    if (finding != VIEW_SAME && finding != VIEW_GOES_ON)
        return ERR_KEY;
    view->has = true;
    view->last = told;
    view->note = bytes_of(NULL, 0); /* the frame's, which goes away */
    return ERR_OK;
}

static enum err
check_signature(const struct identity *identity, const struct receipt *receipt)
{
    CLEANUP(buffer_done) struct buffer leaf = BUFFER_INIT(RECEIPT_BYTES_MAX);

    receipt_signed_bytes(receipt, &leaf);
    enum err err = buffer_err(&leaf);
    return err != ERR_OK ? err
                         : turn_check(SIGN_RECEIPTS, &identity->network, buffer_view(&leaf),
                                      &receipt->signature, &identity->genesis.broker_log, NULL);
}

static enum err
check_accepted(const struct identity *identity, struct view *view, const struct envelope *envelope,
               const struct receipt *receipt, const struct message_head *head)
{
    struct merkle_hash leaf;
    enum err err = check_signature(identity, receipt);

    if (err == ERR_OK)
        err = rotate_take_head(identity, view, head, false);
    if (err == ERR_OK)
        err = envelope_log_leaf(envelope, receipt->log_time_ms, &leaf);
    if (err == ERR_OK)
        err = view_check_entry(view, &leaf, receipt->index, receipt->inclusion);
    return err == ERR_OK || err == ERR_MEMORY ? err : ERR_KEY;
}

enum err
rotate_take_receipts(const struct identity *identity, struct view *view, struct bytes envelope,
                     const struct message_receipts *receipts)
{
    struct envelope decoded;
    enum err err = envelope_decode(envelope, &decoded);

    if (err != ERR_OK)
        return err;
    struct digest id = statement_id(decoded.statement);
    for (size_t i = 0; i < receipts->n; i++) {
        const struct receipt *receipt = &receipts->receipts[i];
        if (!digest_equal(&receipt->id, &id))
            continue;
        if (receipt->result == RECEIPT_REFUSED)
            return receipt->refusal;
        return check_accepted(identity, view, &decoded, receipt, &receipts->proved);
    }
    return ERR_NOT_FOUND;
}

/* ---- taking over ---- */

static void
keep_former(struct identity *identity)
{
    struct identity_secrets *secrets = identity->secrets;
    enum { KEPT = IDENTITY_FORMER_MAX - 1 };

    if (identity->n_former == IDENTITY_FORMER_MAX) {
        memmove(&identity->former[0], &identity->former[1], KEPT * sizeof(identity->former[0]));
        memmove(&secrets->former[0], &secrets->former[1], KEPT * sizeof(secrets->former[0]));
        identity->n_former = KEPT;
    }
    identity->former[identity->n_former] =
        (struct identity_former){.key = identity->key_id, .seal = identity->keys.seal};
    secrets->former[identity->n_former] = secrets->seal;
    identity->n_former++;
}

void
rotate_finish(struct identity *identity)
{
    struct identity_secrets *secrets = identity->secrets;

    if (!identity->has_next)
        return;
    keep_former(identity);
    secrets->sign = secrets->next_sign;
    secrets->seal = secrets->next_seal;
    secrets->curve = secrets->next_curve;
    identity->keys = identity->next;
    identity->key_id = key_set_id(&identity->keys);
    secret_wipe(&secrets->next_sign, sizeof(secrets->next_sign));
    secret_wipe(&secrets->next_seal, sizeof(secrets->next_seal));
    secret_wipe(&secrets->next_curve, sizeof(secrets->next_curve));
    memset(&identity->next, 0, sizeof(identity->next));
    identity->next_made_ms = 0;
    identity->has_next = false;
}

/* ---- what is left of the old keys in the outbox ---- */

static enum err
is_former(const struct agent *agent, struct kv_txn *txn, const struct row *row, bool *former_out)
{
    struct bytes bytes;
    struct envelope envelope;
    struct statement statement;
    enum err err = outbox_envelope(txn, row, &bytes);

    if (err == ERR_OK)
        err = envelope_decode(bytes, &envelope);
    if (err == ERR_OK)
        err = statement_decode(envelope.statement, &statement);
    if (err != ERR_OK)
        return err == ERR_MEMORY ? err : ERR_CORRUPT;
    *former_out =
        memcmp(statement.author_key.bytes, agent->identity->key_id.bytes, KEY_ID_BYTES) != 0;
    return ERR_OK;
}

/* The first row from `row` on that was made under other keys; NULL when there is none. */
static enum err
find_former(const struct agent *agent, struct kv_txn *txn, struct row *row, struct row **found_out)
{
    bool former = false;

    for (; row != NULL; row = row->next) {
        enum err err = row->made ? is_former(agent, txn, row, &former) : ERR_OK;
        if (err != ERR_OK)
            return err;
        if (former)
            break;
    }
    *found_out = row;
    return ERR_OK;
}

static enum err
remake_all(struct unit *unit, void *context)
{
    struct row *row = unit->agent->outbox.first;
    enum err err = ERR_OK;

    (void)context; /* the agent says it all */
    while (err == ERR_OK && row != NULL) {
        err = find_former(unit->agent, unit->txn, row, &row);
        if (err == ERR_OK && row != NULL)
            err = outbox_unmake(unit, row);
    }
    return err;
}

enum err
rotate_remake(struct agent *agent, struct instant now)
{
    struct kv_txn *txn = NULL;
    struct row *found = NULL;
    enum err err = kv_begin_read(agent->kv, &txn);

    if (err == ERR_OK)
        err = find_former(agent, txn, agent->outbox.first, &found);
    kv_abort(&txn);
    return err == ERR_OK && found != NULL ? unit_run(agent, now, remake_all, NULL) : err;
}
