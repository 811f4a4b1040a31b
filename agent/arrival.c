/* Decides what a logged statement changes in our records of its loop: the other side's becomes a
 * step and is confirmed; our own tells how far a step of ours has come, or, when we do not know it
 * (this agent was wiped or restored), becomes one; a delivery receipt marks the step it names. It
 * refuses to know the cursor and the frame. */
#include "agent/arrival.h"

#include <string.h>

#include "agent/steps.h"

static const char empty_content[] = "{}";

/* Which deadline of the loop a statement sets. */
static void
note_due(struct mirror *mirror, const struct arrival *arrival)
{
    const struct statement_loop *loop = arrival->loop;

    if (loop->event == EVENT_REQUEST) {
        mirror->created_ms = arrival->log_time_ms;
        mirror->needed_by_ms = loop->due_ms;
        mirror->priority = loop->priority;
    }
    if (!arrival->verdict.superseded && (loop->event == EVENT_ACCEPT || loop->event == EVENT_HOLD))
        mirror->due_ms = loop->due_ms;
}

/* What cannot be opened is kept and shown as such: the step itself is valid, and the loop moves on.
 */
static enum err
store_content(struct unit *unit, struct arrival *arrival, struct step *step)
{
    CLEANUP(buffer_wipe) struct buffer body = BUFFER_INIT(LIMIT_BODY_BYTES);
    CLEANUP(buffer_wipe) struct buffer facts = BUFFER_INIT(LIMIT_FACTS_BYTES);
    struct sealed_opened opened = {false, false};
    struct bytes empty = bytes_of_text(empty_content);
    enum err err = ERR_KEY;

    if (arrival->opened->envelope.sealed.len > 0)
        err = identity_open_sealed(unit->agent->identity, &arrival->opened->statement,
                                   arrival->opened->envelope.sealed, &body, &facts, &opened);
    if (err == ERR_MEMORY)
        return err;
    step->unreadable = err != ERR_OK || !opened.has_body || !opened.has_facts;
    arrival->unreadable = step->unreadable;
    return step_close_content(unit, &arrival->loop->loop, step->number,
                              step->unreadable ? empty : buffer_view(&facts),
                              step->unreadable ? empty : buffer_view(&body));
}

static void
fill_logged(const struct arrival *arrival, struct step *step)
{
    step->logged = true;
    step->index = arrival->index;
    step->accepted_ms = arrival->log_time_ms;
    step->superseded = arrival->verdict.superseded;
    step->state_after = arrival->verdict.position.state;
    step->id = arrival->opened->id;
}

static enum err
add_step(struct unit *unit, struct mirror *mirror, struct arrival *arrival)
{
    const struct statement_loop *loop = arrival->loop;
    struct step step = {
        .number = ++mirror->n_steps,
        .role = arrival->own ? mirror->role : mirror_other(mirror->role),
        .event = loop->event,
        .stage = arrival->own ? STAGE_ACCEPTED : STAGE_DELIVERED, /* we are who it goes to */
        .authored_ms = arrival->opened->statement.authored_ms,
        .due_ms = loop->due_ms,
        .automatic = loop->automatic,
    };

    fill_logged(arrival, &step);
    mirror->n_undelivered += arrival->own;
    if (arrival->own && step.event != EVENT_NOTE) {
        mirror->newest_own = step.number;
        mirror->last_superseded = step.superseded;
    }
    enum err err = store_content(unit, arrival, &step);
    if (err == ERR_OK)
        err = step_store(unit, &loop->loop, &step);
    return err == ERR_OK ? step_name(unit, &step.id, &loop->loop, step.number) : err;
}

/* Confirming what did not come would be a lie; what came but does not open is kept as it came. */
static enum err
take_partners(struct unit *unit, struct mirror *mirror, struct arrival *arrival)
{
    const struct row receipt = {
        .kind = ROW_DELIVERED, .event = EVENT_DELIVERED, .delivered = arrival->opened->id};
    enum err err = add_step(unit, mirror, arrival);

    if (err != ERR_OK || arrival->sealed_missing)
        return err;
    return outbox_add(unit, &arrival->loop->loop, &receipt);
}

/* Which step of ours this is: by any id it was ever made under; else, when an older copy of this
 * store was brought back, the draft that says the same thing at the same moment. */
static enum err
find_own(struct unit *unit, const struct arrival *arrival, uint32_t *number_out)
{
    const struct loop_id *loop = &arrival->loop->loop;
    const struct lane *lane = outbox_lane(&unit->agent->outbox, loop);
    struct step step;
    enum err err = step_find(unit->txn, &arrival->opened->id, loop, number_out);

    for (const struct row *row = lane == NULL ? NULL : lane->first;
         err == ERR_NOT_FOUND && row != NULL; row = row->next_in_lane) {
        if (row->kind != ROW_STEP || row->made || row->event != arrival->loop->event)
            continue;
        enum err loaded = step_load(unit->txn, loop, row->number, &step);
        if (loaded != ERR_OK)
            return loaded;
        if (step.authored_ms != arrival->opened->statement.authored_ms)
            continue;
        *number_out = row->number;
        return step_name(unit, &arrival->opened->id, loop, row->number);
    }
    return err;
}

static void
count_as_accepted(struct mirror *mirror, const struct step *step)
{
    mirror->n_waiting -= step->stage == STAGE_QUEUED || step->stage == STAGE_SENT;
    mirror->n_refused -= step->stage == STAGE_REFUSED;
    mirror->n_undelivered += step->stage != STAGE_ACCEPTED && step->stage != STAGE_DELIVERED;
}

/* Its row is done. Rows made on top of another version of it stand on nothing and become drafts
 * again. */
static enum err
finish_row(struct unit *unit, struct row *row, const struct digest *logged_id)
{
    enum err err = ERR_OK;

    if (row == NULL)
        return ERR_OK;
    if (!row->made || !digest_equal(&row->id, logged_id))
        err = outbox_unmake(unit, row->next_in_lane);
    return err == ERR_OK ? outbox_remove(unit, row) : err;
}

static enum err
take_own(struct unit *unit, struct mirror *mirror, struct arrival *arrival)
{
    const struct loop_id *loop = &arrival->loop->loop;
    struct step step;
    uint32_t number = 0;
    enum err err = find_own(unit, arrival, &number);

    if (err == ERR_NOT_FOUND) {
        arrival->unknown = true;
        return add_step(unit, mirror, arrival);
    }
    if (err == ERR_OK)
        err = step_load(unit->txn, loop, number, &step);
    if (err != ERR_OK)
        return err;
    count_as_accepted(mirror, &step);
    fill_logged(arrival, &step);
    step.stage = STAGE_ACCEPTED;
    step.refusal = ERR_OK;
    step.unproved = PROOF_GOOD;
    mirror_ahead_remove(mirror, number);
    if (number == mirror->newest_own)
        mirror->last_superseded = step.superseded;
    err = step_store(unit, loop, &step);
    if (err != ERR_OK)
        return err;
    return finish_row(unit, outbox_find_step(outbox_lane(&unit->agent->outbox, loop), number),
                      &step.id);
}

static enum err
take_delivered(struct unit *unit, struct mirror *mirror, struct arrival *arrival)
{
    const struct loop_id *loop = &arrival->loop->loop;
    const struct digest *delivered = &arrival->loop->delivered;
    struct step step;
    uint32_t number = 0;
    enum err err = step_find(unit->txn, delivered, loop, &number);

    if (err == ERR_OK)
        err = step_load(unit->txn, loop, number, &step);
    if (err != ERR_OK && err != ERR_NOT_FOUND)
        return err;
    /* A side confirms what the other said, once; anything else confirms nothing. */
    bool confirms = err == ERR_OK && (step.role == mirror->role) != arrival->own && step.logged &&
                    digest_equal(&step.id, delivered) && step.delivered_ms == 0;
    err = ERR_OK;
    if (confirms) {
        mirror->n_undelivered -= step.stage == STAGE_ACCEPTED && !arrival->own;
        step.stage = STAGE_DELIVERED;
        step.delivered_ms = arrival->log_time_ms;
        err = step_store(unit, loop, &step);
    }
    if (err != ERR_OK || !arrival->own)
        return err;
    struct row *row = outbox_find_delivered(outbox_lane(&unit->agent->outbox, loop), delivered);
    if (row != NULL)
        return finish_row(unit, row, &arrival->opened->id);
    err = step_find(unit->txn, &arrival->opened->id, loop, &number);
    arrival->unknown = err == ERR_NOT_FOUND;
    return err == ERR_NOT_FOUND ? ERR_OK : err;
}

static enum err
put_on_track(struct mirror *mirror, struct arrival *arrival)
{
    const struct statement_loop *loop = arrival->loop;
    const struct track_step step = {
        .role = arrival->own ? mirror->role : mirror_other(mirror->role),
        .event = loop->event,
        .seq = loop->seq,
        .previous = loop->previous,
        .heard = loop->heard,
        .id = arrival->opened->id,
    };
    enum err err =
        track_apply(&mirror->track, &step, arrival->index, arrival->log_time_ms, &arrival->verdict);

    if (err == ERR_OK)
        mirror->dropped = false; /* it was logged after all, and is no longer ours alone to end */
    if (err == ERR_OK && arrival->own && loop->seq > mirror->own_seq) {
        mirror->own_seq = loop->seq;
        mirror->own_id = arrival->opened->id;
    }
    return err;
}

/* Only a request makes a loop; whoever says it is the source. */
static enum err
load_or_begin(struct unit *unit, const struct arrival *arrival, struct mirror *mirror)
{
    const char *self = unit->agent->identity->org;
    const char *partner =
        arrival->own ? arrival->loop->readers[0].org : arrival->opened->statement.author;
    enum err err = mirror_load(unit->txn, &arrival->loop->loop, mirror);

    if (err == ERR_NOT_FOUND) {
        if (arrival->loop->event != EVENT_REQUEST)
            return ERR_UNKNOWN_LOOP;
        mirror_init(mirror, &arrival->loop->loop, arrival->own ? LOOP_SOURCE : LOOP_TARGET, self,
                    partner);
        return ERR_OK;
    }
    if (err == ERR_OK && strcmp(mirror_partner(mirror), partner) != 0)
        return ERR_NOT_PERMITTED;
    return err;
}

enum err
arrival_take(struct unit *unit, struct arrival *arrival)
{
    CLEANUP(mirror_done) struct mirror mirror = {.role = LOOP_SOURCE};
    enum err err = load_or_begin(unit, arrival, &mirror);

    if (err == ERR_OK)
        err = put_on_track(&mirror, arrival);
    if (err != ERR_OK)
        return err;
    note_due(&mirror, arrival);
    if (arrival->loop->event == EVENT_DELIVERED)
        err = take_delivered(unit, &mirror, arrival);
    else
        err =
            arrival->own ? take_own(unit, &mirror, arrival) : take_partners(unit, &mirror, arrival);
    return err == ERR_OK ? mirror_store(unit, &mirror) : err;
}
