/* Decides what a receipt means for a row of the outbox. Accepted and superseded receipts are the
 * broker's promise: they count only with its signature, and with the proof that our very bytes are
 * in the log we believe in. Without that the statement stays sent, and is said again. A refusal
 * promises nothing, and what it leads to (wait, make again, give up) is one table. Whatever a
 * refusal says, a statement that turns up in the log was accepted: inbox.c has the last word. */
#include "agent/receipts.h"

#include "agent/accuse.h"
#include "agent/holding.h"
#include "agent/mirror.h"
#include "agent/session.h"
#include "agent/steps.h"

enum { CLOCK_SPAN_MS = 3600 * 1000, RECORD_BYTES_MAX = LIMIT_ENVELOPE_BYTES };
enum { REMAKE_MS = 1000, REMAKE_MAX_MS = 300 * 1000, REMAKE_DOUBLINGS = 9, RETRY_MIN_MS = 100 };

enum after_refusal {
    GIVE_UP,          /* for good; people are told */
    HOLD_ALL,         /* the same bytes later; nothing else either */
    HOLD_LANE,        /* the same bytes later; other loops go on */
    MAKE_AGAIN,       /* not in the log, so its place in the chain is free or was never right */
    READ_THEN_REMAKE, /* the log knows something that we do not */
};

static enum after_refusal
after(enum err refusal)
{
    static const struct {
        enum err refusal;
        enum after_refusal after;
    } rows[] = {
        {ERR_QUOTA, HOLD_ALL},
        {ERR_BUSY, HOLD_LANE},
        {ERR_SEQUENCE, MAKE_AGAIN},
        {ERR_READER_KEY, READ_THEN_REMAKE},
        {ERR_EQUIVOCATION, READ_THEN_REMAKE},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (rows[i].refusal == refusal)
            return rows[i].after;
    }
    return GIVE_UP;
}

static enum err
show_as_refused(struct unit *unit, struct mirror *mirror, uint32_t number, enum err refusal)
{
    const struct loop_id *loop = &mirror->track.loop;
    struct step step;
    enum err err = step_load(unit->txn, loop, number, &step);

    if (err != ERR_OK || step.stage > STAGE_SENT)
        return err;
    step.stage = STAGE_REFUSED;
    step.refusal = refusal;
    mirror->n_waiting--;
    mirror->n_refused++;
    mirror_ahead_remove(mirror, number);
    err = step_store(unit, loop, &step);
    return err == ERR_OK ? mirror_store(unit, mirror) : err;
}

enum err
receipts_give_up(struct unit *unit, struct row *row, enum err refusal)
{
    CLEANUP(mirror_done) struct mirror mirror = {.role = LOOP_SOURCE};
    enum err err = mirror_load(unit->txn, &row->lane->loop, &mirror);

    if (err == ERR_OK && row->kind == ROW_STEP)
        err = show_as_refused(unit, &mirror, row->number, refusal);
    if (err == ERR_OK)
        err = outbox_unmake(unit, row->next_in_lane);
    return err == ERR_OK ? outbox_remove(unit, row) : err;
}

static enum err
show_as_accepted(struct unit *unit, struct mirror *mirror, uint32_t number,
                 const struct receipt *receipt)
{
    const struct loop_id *loop = &mirror->track.loop;
    struct step step;
    enum err err = step_load(unit->txn, loop, number, &step);

    if (err != ERR_OK || step.stage > STAGE_SENT)
        return err;
    step.stage = STAGE_ACCEPTED;
    step.unproved = PROOF_GOOD;
    step.id = receipt->id;
    step.index = receipt->index;
    step.accepted_ms = receipt->log_time_ms;
    step.state_after = receipt->state < LOOP_STATE_COUNT ? receipt->state : LOOP_NONE;
    step.superseded = receipt->result == RECEIPT_SUPERSEDED;
    mirror->n_waiting--;
    mirror->n_undelivered++;
    if (step.superseded)
        mirror_ahead_supersede(mirror, number);
    if (number == mirror->newest_own)
        mirror->last_superseded = step.superseded;
    return step_store(unit, loop, &step);
}

static enum err
accept(struct unit *unit, struct row *row, const struct receipt *receipt)
{
    CLEANUP(mirror_done) struct mirror mirror = {.role = LOOP_SOURCE};
    enum err err = mirror_load(unit->txn, &row->lane->loop, &mirror);

    if (err == ERR_OK && row->kind == ROW_STEP)
        err = show_as_accepted(unit, &mirror, row->number, receipt);
    if (err != ERR_OK)
        return err;
    if (row->seq > mirror.own_seq) {
        mirror.own_seq = row->seq;
        mirror.own_id = row->id;
    }
    err = mirror_store(unit, &mirror);
    return err == ERR_OK ? outbox_remove(unit, row) : err;
}

/* The first time at once; a broker that keeps refusing is asked ever more slowly. */
static enum err
make_again(struct unit *unit, struct row *row)
{
    struct lane *lane = row->lane;
    unsigned doublings = lane->remakes < REMAKE_DOUBLINGS ? lane->remakes : REMAKE_DOUBLINGS;
    int64_t wait_ms = lane->remakes == 0 ? 0 : (int64_t)REMAKE_MS << doublings;

    lane->remakes++;
    outbox_hold_lane(&unit->agent->outbox, lane,
                     unit->now.boot_ms + (wait_ms < REMAKE_MAX_MS ? wait_ms : REMAKE_MAX_MS));
    return outbox_unmake(unit, row);
}

static enum err
read_then_remake(struct unit *unit, struct row *row)
{
    outbox_wait_for_log(&unit->agent->outbox, row->lane);
    unit->agent->session.ping_wanted = true;
    return make_again(unit, row);
}

/* The chain is whole, only out of step: the row before is still waiting, and the broker does not
 * have it yet. Both keep their bytes. */
static bool
stands_on_waiting_row(const struct row *row)
{
    return row->previous_in_lane != NULL && row->previous_in_lane->made;
}

static void
say_lane_again(struct unit *unit, struct lane *lane)
{
    struct outbox *outbox = &unit->agent->outbox;

    for (struct row *row = lane->first; row != NULL; row = row->next_in_lane)
        outbox_mark_unsent(outbox, row);
    outbox_hold_lane(outbox, lane, unit->now.boot_ms + RETRY_MIN_MS);
}

static enum err
refuse(struct unit *unit, struct row *row, const struct receipt *receipt)
{
    struct outbox *outbox = &unit->agent->outbox;
    int64_t retry_ms = receipt->retry_ms < RETRY_MIN_MS ? RETRY_MIN_MS : receipt->retry_ms;

    unit->touched = true;
    outbox_mark_unsent(outbox, row);
    switch (after(receipt->refusal)) {
    case HOLD_ALL:
        outbox->held_until_ms = unit->now.boot_ms + retry_ms;
        return ERR_OK;
    case HOLD_LANE:
        outbox_hold_lane(outbox, row->lane, unit->now.boot_ms + retry_ms);
        return ERR_OK;
    case MAKE_AGAIN:
        if (!stands_on_waiting_row(row))
            return make_again(unit, row);
        say_lane_again(unit, row->lane);
        return ERR_OK;
    case READ_THEN_REMAKE:
        return read_then_remake(unit, row);
    case GIVE_UP:
        break;
    }
    return receipts_give_up(unit, row, receipt->refusal);
}

/* ---- what stands behind a receipt ---- */

/* One frame of receipts on its way through its transaction. */
struct taking {
    const struct message_receipts *receipts;
    bool believed; /* the head beside them */
    bool claims;   /* one of them says more than no */
    const char *why;
};

/* The bytes stay as they are and go out again; people see what is missing. */
static enum err
leave_unproved(struct unit *unit, struct row *row, const char *why)
{
    const struct loop_id *loop = &row->lane->loop;
    struct step step;

    unit->touched = true;
    outbox_mark_unsent(&unit->agent->outbox, row);
    if (row->kind != ROW_STEP)
        return ERR_OK;
    enum err err = step_load(unit->txn, loop, row->number, &step);
    if (err != ERR_OK || step.stage != STAGE_SENT || step.unproved == proof_reason_of(why))
        return err;
    step.unproved = proof_reason_of(why);
    changes_add(&unit->agent->changes, loop);
    return step_store(unit, loop, &step);
}

/* A row waits for days when nobody could be reached, so an old receipt is as old as its row. */
bool
receipts_is_far_off(const struct unit *unit, const struct row *row, int64_t log_time_ms)
{
    return log_time_ms > unit->now.wall_ms + CLOCK_SPAN_MS ||
           (row != NULL && log_time_ms < row->queued_ms - CLOCK_SPAN_MS);
}

/* It is in the log; what is wrong with where it is. */
static enum err
look_at_place(struct unit *unit, const struct row *row, const struct receipt *receipt)
{
    const struct loop_id *loop = &row->lane->loop;
    const struct latest_entry *latest = &unit->agent->latest;
    enum err err = ERR_OK;

    if (latest->known && receipt->index > latest->index &&
        receipt->log_time_ms <= latest->log_time_ms)
        err = accuse_receipt(unit, ALARM_BACKDATED, loop, receipt);
    if (err == ERR_OK && receipt->index < unit->agent->cursor)
        err = accuse_withheld(unit, loop, receipt->index); /* we have read past it */
    if (err == ERR_OK && receipts_is_far_off(unit, row, receipt->log_time_ms))
        err = accuse_receipt(unit, ALARM_CLOCK, loop, receipt);
    return err;
}

static enum err
accept_proved(struct unit *unit, struct row *row, const struct receipt *receipt,
              struct bytes encoded, const struct envelope *envelope)
{
    bool proved = false;
    enum err err = look_at_place(unit, row, receipt);

    if (err == ERR_OK)
        err = holding_put(unit, &row->lane->loop, receipt->index, receipt->log_time_ms, encoded);
    if (err == ERR_OK)
        err = proof_take_entry(unit, receipt->index, receipt->log_time_ms, envelope,
                               receipt->inclusion, &proved);
    return err == ERR_OK ? accept(unit, row, receipt) : err;
}

/* Our own bytes, copied: the views of a transaction do not outlive its next write. */
static enum err
copy_made(struct unit *unit, const struct row *row, struct buffer *copy, struct envelope *envelope)
{
    struct bytes stored;
    enum err err = outbox_envelope(unit->txn, row, &stored);

    if (err != ERR_OK)
        return err;
    buffer_put(copy, stored.data, stored.len);
    err = buffer_err(copy);
    if (err == ERR_OK)
        err = envelope_decode(buffer_view(copy), envelope);
    return err_is_peer(err) ? ERR_CORRUPT : err;
}

static enum err
take_claim(struct unit *unit, struct taking *taking, struct row *row, const struct receipt *receipt)
{
    CLEANUP(buffer_done) struct buffer copy = BUFFER_INIT(RECORD_BYTES_MAX);
    struct envelope envelope;

    if (!taking->believed)
        return leave_unproved(unit, row, taking->why);
    enum err err = copy_made(unit, row, &copy, &envelope);
    if (err != ERR_OK)
        return err;
    err = proof_judge_entry(unit->agent, receipt->index, receipt->log_time_ms, &envelope,
                            receipt->inclusion);
    if (err == ERR_OK)
        return accept_proved(unit, row, receipt, buffer_view(&copy), &envelope);
    if (!err_is_peer(err))
        return err;
    bool lie = err == ERR_SIGNATURE;
    taking->why = proof_reason_words(lie ? PROOF_NOT_IN_LOG : PROOF_NO_ENTRY);
    err = lie ? accuse_receipt(unit, ALARM_NOT_LOGGED, &row->lane->loop, receipt) : ERR_OK;
    return err == ERR_OK ? leave_unproved(unit, row, taking->why) : err;
}

static enum err
take_one(struct unit *unit, struct taking *taking, const struct receipt *receipt)
{
    struct row *row = outbox_find_made(&unit->agent->outbox, &receipt->id);

    if (row == NULL)
        return ERR_OK; /* an answer we have had before */
    if (receipt->result == RECEIPT_REFUSED)
        return refuse(unit, row, receipt);
    return take_claim(unit, taking, row, receipt);
}

static enum err
take_all(struct unit *unit, void *context)
{
    struct taking *taking = context;
    const struct message_receipts *receipts = taking->receipts;
    enum err err = ERR_OK;

    taking->claims = taking->believed = false;
    taking->why = NULL;
    for (size_t i = 0; i < receipts->n; i++)
        taking->claims |= receipts->receipts[i].result != RECEIPT_REFUSED;
    if (taking->claims)
        err = proof_take_head(unit, &receipts->proved, false, &taking->believed, &taking->why);
    for (size_t i = 0; err == ERR_OK && i < receipts->n; i++)
        err = take_one(unit, taking, &receipts->receipts[i]);
    return err;
}

static bool
is_signed(struct agent *agent, const struct receipt *receipt)
{
    CLEANUP(buffer_done) struct buffer leaf = BUFFER_INIT(RECEIPT_BYTES_MAX);

    if (receipt->result == RECEIPT_REFUSED)
        return true; /* promises nothing */
    receipt_signed_bytes(receipt, &leaf);
    return buffer_err(&leaf) == ERR_OK &&
           turn_check(SIGN_RECEIPTS, &agent->identity->network, buffer_view(&leaf),
                      &receipt->signature, &agent->identity->genesis.broker_log,
                      &agent->receipts_root) == ERR_OK;
}

/* A broker that is being refilled knows neither what is in the log nor what fits into it. */
static bool
may_heed(const struct agent *agent, const struct receipt *receipt)
{
    return session_takes_statements(agent) ||
           (receipt->result == RECEIPT_REFUSED &&
            (receipt->refusal == ERR_BUSY || receipt->refusal == ERR_QUOTA));
}

enum err
receipts_take(struct agent *agent, const struct message *message, struct instant now)
{
    struct message_receipts *receipts = &agent->in.as.receipts;
    struct taking taking = {.receipts = receipts};
    size_t n_good = 0;

    (void)message; /* is agent->in: thinned out in place, as the message is large */
    if (!agent->session.ready)
        return ERR_OK;
    agent->session.receipts_ms = now.boot_ms;
    for (size_t i = 0; i < receipts->n; i++) {
        if (!may_heed(agent, &receipts->receipts[i]))
            continue;
        if (is_signed(agent, &receipts->receipts[i]))
            receipts->receipts[n_good++] = receipts->receipts[i];
        else
            agent->session.status.bad_frames++;
    }
    receipts->n = n_good;
    enum err err = n_good > 0 ? unit_run(agent, now, take_all, &taking) : ERR_OK;
    if (err != ERR_OK)
        return err;
    if (taking.why != NULL)
        session_doubt(agent, taking.why, now);
    else if (taking.claims)
        session_trust(agent);
    return ERR_OK;
}
