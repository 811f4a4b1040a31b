/* Decides what a receipt means for a row of the outbox. Accepted and superseded receipts are the
 * broker's promise and count only with its signature; a refusal promises nothing, and what it leads
 * to (wait, make again, give up) is one table. Whatever a refusal says, a statement that turns up
 * in the log was accepted: inbox.c has the last word. */
#include "agent/receipts.h"

#include "agent/mirror.h"
#include "agent/steps.h"

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

static enum err
take_one(struct unit *unit, const struct receipt *receipt)
{
    struct row *row = outbox_find_made(&unit->agent->outbox, &receipt->id);

    if (row == NULL)
        return ERR_OK; /* an answer we have had before */
    if (receipt->result == RECEIPT_REFUSED)
        return refuse(unit, row, receipt);
    return accept(unit, row, receipt);
}

static enum err
take_all(struct unit *unit, void *context)
{
    const struct message_receipts *receipts = context;
    enum err err = ERR_OK;

    for (size_t i = 0; err == ERR_OK && i < receipts->n; i++)
        err = take_one(unit, &receipts->receipts[i]);
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

enum err
receipts_take(struct agent *agent, const struct message *message, struct instant now)
{
    struct message_receipts *receipts = &agent->in.as.receipts;
    size_t n_good = 0;

    (void)message; /* is agent->in: thinned out in place, as the message is large */
    if (!agent->session.ready)
        return ERR_OK;
    agent->session.receipts_ms = now.boot_ms;
    for (size_t i = 0; i < receipts->n; i++) {
        if (is_signed(agent, &receipts->receipts[i]))
            receipts->receipts[n_good++] = receipts->receipts[i];
        else
            agent->session.status.bad_frames++;
    }
    receipts->n = n_good;
    return n_good > 0 ? unit_run(agent, now, take_all, receipts) : ERR_OK;
}
