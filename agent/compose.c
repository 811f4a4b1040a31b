/* Decides which rows of the outbox go out in the next frame, in which order, and makes those that
 * are still drafts: late, so that they stand on what was heard last and are sealed to keys that are
 * current. All statements made in one turn share one signature. Nothing leaves before its bytes are
 * on disk: sent again after a crash they are the same, and the broker knows them. */
#include "agent/compose.h"

#include <stdlib.h>

#include "agent/draft.h"
#include "agent/receipts.h"

enum {
    FRAME_ROOM_BYTES = LIMIT_FRAME_BYTES - 1024,
    ENVELOPE_FRAMING_BYTES = 16,
    IN_FLIGHT_BYTES_MAX =
        4 * LIMIT_FRAME_BYTES, /* what a slow line carries before silence is doubt */
};

struct shipment {
    size_t n;
    size_t bytes;
    int64_t retry_ms; /* boot: when a row passed over may be tried again */
    struct draft drafts[LIMIT_ENVELOPES_PER_FRAME];
};

static void
empty(struct shipment *shipment)
{
    for (size_t i = 0; i < shipment->n; i++)
        draft_done(&shipment->drafts[i]);
    shipment->n = shipment->bytes = 0;
}

static void
shipment_freep(struct shipment **shipment)
{
    if (*shipment != NULL)
        empty(*shipment);
    free(*shipment);
    *shipment = NULL;
}

static bool
may_go(const struct agent *agent, const struct row *row, struct instant now, int64_t *retry_ms)
{
    const struct lane *lane = row->lane;

    if (lane->held_until_ms > now.boot_ms) {
        if (lane->held_until_ms < *retry_ms)
            *retry_ms = lane->held_until_ms;
        return false;
    }
    if (lane->waits_for_log)
        return false;
    return row->made || (agent->session.caught_up && !agent->disk_full);
}

static bool
has_room(const struct agent *agent, const struct shipment *shipment, size_t bytes)
{
    const struct outbox *outbox = &agent->outbox;
    size_t in_flight = outbox->n_in_flight + shipment->n;

    if (shipment->n == LIMIT_ENVELOPES_PER_FRAME)
        return false;
    if (in_flight == 0)
        return true;
    return in_flight < (size_t)agent->options.window &&
           shipment->bytes + bytes <= FRAME_ROOM_BYTES &&
           outbox->in_flight_bytes + shipment->bytes + bytes <= IN_FLIGHT_BYTES_MAX;
}

/* Passing over a row passes over its whole lane: a chain goes out in order or not at all. */
static void
choose(struct agent *agent, struct instant now, struct shipment *shipment)
{
    struct outbox *outbox = &agent->outbox;

    shipment->retry_ms = INT64_MAX;
    if (outbox->held_until_ms > now.boot_ms) {
        shipment->retry_ms = outbox->held_until_ms;
        return;
    }
    outbox->n_scans++;
    for (struct row *row = outbox->first; row != NULL; row = row->next) {
        if (row->sent || row->lane->skipped_in == outbox->n_scans)
            continue;
        if (!may_go(agent, row, now, &shipment->retry_ms)) {
            row->lane->skipped_in = outbox->n_scans;
            continue;
        }
        size_t bytes = draft_bytes(row) + ENVELOPE_FRAMING_BYTES;
        if (!has_room(agent, shipment, bytes))
            break;
        shipment->drafts[shipment->n++] = (struct draft){.row = row};
        shipment->bytes += bytes;
    }
}

static const struct draft *
made_before(const struct shipment *shipment, size_t i)
{
    for (size_t k = i; k > 0; k--) {
        const struct draft *draft = &shipment->drafts[k - 1];
        if (draft->row != NULL && draft->row->lane == shipment->drafts[i].row->lane)
            return draft->fresh ? draft : NULL;
    }
    return NULL;
}

/* A statement to somebody whose keys have been revoked, or are no good, can never be sealed: the
 * people are told. That must not stop what others wait for. */
static enum err
make_or_drop(struct unit *unit, struct shipment *shipment, size_t i)
{
    struct draft *draft = &shipment->drafts[i];
    enum err err = draft_make(unit, draft, made_before(shipment, i));

    if (err != ERR_REVOKED && err != ERR_UNKNOWN_MEMBER && err != ERR_KEY)
        return err;
    draft->dropped = true;
    err = receipts_give_up(unit, draft->row, err);
    draft->row = NULL;
    return err;
}

static enum err
copy_made(struct unit *unit, struct draft *draft)
{
    struct bytes envelope;
    enum err err = outbox_envelope(unit->txn, draft->row, &envelope);

    if (err != ERR_OK)
        return err;
    draft->envelope = BUFFER_INIT(LIMIT_ENVELOPE_BYTES);
    buffer_put(&draft->envelope, envelope.data, envelope.len);
    return buffer_err(&draft->envelope);
}

static enum err
sign_fresh(struct unit *unit, struct shipment *shipment)
{
    const struct identity *identity = unit->agent->identity;
    struct bytes leaves[LIMIT_ENVELOPES_PER_FRAME];
    struct turn_signature *signatures = NULL;
    size_t n = 0;

    for (size_t i = 0; i < shipment->n; i++) {
        if (shipment->drafts[i].fresh)
            leaves[n++] = buffer_view(&shipment->drafts[i].statement);
    }
    if (n == 0)
        return ERR_OK;
    signatures = calloc(n, sizeof(*signatures));
    if (signatures == NULL)
        return ERR_MEMORY;
    enum err err = turn_sign(SIGN_STATEMENTS, &identity->network, leaves, n,
                             &identity->secrets->sign, signatures);
    for (size_t i = 0, k = 0; err == ERR_OK && i < shipment->n; i++) {
        if (shipment->drafts[i].fresh)
            shipment->drafts[i].signature = signatures[k++];
    }
    free(signatures);
    return err;
}

static enum err
make_all(struct unit *unit, void *context)
{
    struct shipment *shipment = context;
    enum err err = ERR_OK;

    empty(shipment);
    choose(unit->agent, unit->now, shipment);
    for (size_t i = 0; err == ERR_OK && i < shipment->n; i++) {
        struct draft *draft = &shipment->drafts[i];
        err = draft->row->made ? copy_made(unit, draft) : make_or_drop(unit, shipment, i);
    }
    if (err == ERR_OK)
        err = sign_fresh(unit, shipment);
    for (size_t i = 0; err == ERR_OK && i < shipment->n; i++) {
        if (shipment->drafts[i].fresh)
            err = draft_store(unit, &shipment->drafts[i]);
    }
    return err;
}

/* Without anything to make there is nothing to commit. */
static enum err
copy_all(struct agent *agent, struct shipment *shipment)
{
    CLEANUP(kv_abort) struct kv_txn *txn = NULL;
    enum err err = kv_begin_read(agent->kv, &txn);
    struct unit unit = {.agent = agent, .txn = txn};

    for (size_t i = 0; err == ERR_OK && i < shipment->n; i++)
        err = copy_made(&unit, &shipment->drafts[i]);
    return err;
}

static enum err
write_frame(struct agent *agent, struct shipment *shipment, struct instant now,
            struct buffer *frame_out, bool *none_out)
{
    struct message_submit *submit = &agent->out.as.submit;

    agent->out.kind = MESSAGE_SUBMIT;
    submit->n = 0;
    for (size_t i = 0; i < shipment->n; i++) {
        if (!shipment->drafts[i].dropped)
            submit->envelopes[submit->n++] = buffer_view(&shipment->drafts[i].envelope);
    }
    *none_out = submit->n == 0;
    if (submit->n == 0)
        return ERR_OK;
    enum err err = message_encode(&agent->out, frame_out);
    if (err != ERR_OK)
        return err;
    for (size_t i = 0; i < shipment->n; i++) {
        if (!shipment->drafts[i].dropped)
            outbox_mark_sent(&agent->outbox, shipment->drafts[i].row, now.boot_ms);
    }
    return ERR_OK;
}

/* Makes what is chosen and writes the frame. *none_out true when all of it had to be dropped. */
static enum err
ship(struct agent *agent, struct shipment *shipment, struct instant now, struct buffer *frame_out,
     bool *none_out)
{
    bool any_draft = false;

    for (size_t i = 0; i < shipment->n; i++)
        any_draft |= !shipment->drafts[i].row->made;
    enum err err = any_draft ? unit_run(agent, now, make_all, shipment) : copy_all(agent, shipment);
    return err == ERR_OK ? write_frame(agent, shipment, now, frame_out, none_out) : err;
}

enum err
compose_frame(struct agent *agent, struct instant now, struct buffer *frame_out, bool *none_out)
{
    CLEANUP(shipment_freep) struct shipment *shipment = NULL;
    bool none = true;

    if (agent->outbox.retry_ms > now.boot_ms) {
        *none_out = true;
        return ERR_OK;
    }
    shipment = calloc(1, sizeof(*shipment));
    if (shipment == NULL)
        return ERR_MEMORY;
    while (none) {
        empty(shipment);
        choose(agent, now, shipment);
        if (shipment->n == 0) {
            /* With everything in flight only a receipt opens the window, and that scans again. */
            agent->outbox.retry_ms = shipment->retry_ms;
            break;
        }
        enum err err = ship(agent, shipment, now, frame_out, &none);
        /* On a full disk, once more: what is made already can still go. */
        if (err != ERR_OK && err != ERR_DISK_FULL)
            return err;
    }
    *none_out = none;
    return ERR_OK;
}
