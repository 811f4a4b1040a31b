/* Decides whether the records agree with the evidence: every loop's statements, kept as they came
 * out of the log, are folded afresh and compared with its track; every step with its mark, its
 * content and its place in the outbox; every counter with what it counts. What was kept of the log
 * with its proofs is held to check_copies.c. It changes nothing. */
#include <stdlib.h>
#include <string.h>

#include "agent/accuse.h"
#include "agent/alarm_record.h"
#include "agent/check_copies.h"
#include "agent/mirror.h"
#include "agent/state.h"
#include "agent/steps.h"

enum { TRACK_BYTES_MAX = 1024 * 1024 };

struct checking {
    struct agent *agent;
    struct kv_txn *txn;
    struct complaint *complaint;
    uint64_t n_waiting; /* of all loops */
};

static enum err
differs(const struct checking *checking, const struct loop_id *loop, const char *what)
{
    char text[LOOP_ID_TEXT];

    ident_format(loop, text);
    return complain(checking->complaint, ERR_CORRUPT, "referral %.10s: %s", text, what);
}

static enum err
fold_record(const struct mirror *mirror, struct bytes record, uint64_t index, struct track *track)
{
    struct reader reader = reader_of(record);
    int64_t log_time_ms = reader_i64(&reader);
    struct envelope envelope;
    struct statement statement;
    struct track_verdict verdict;
    enum err err = envelope_decode(reader.rest, &envelope);

    if (err == ERR_OK)
        err = statement_decode(envelope.statement, &statement);
    if (err != ERR_OK)
        return err;
    bool by_partner = strcmp(statement.author, mirror_partner(mirror)) == 0;
    const struct track_step step = {
        .role = by_partner ? mirror_other(mirror->role) : mirror->role,
        .event = statement.as.loop.event,
        .seq = statement.as.loop.seq,
        .previous = statement.as.loop.previous,
        .heard = statement.as.loop.heard,
        .id = statement_id(envelope.statement),
    };
    return track_apply(track, &step, index, log_time_ms, &verdict);
}

static enum err
fold(const struct checking *checking, const struct mirror *mirror, struct track *track)
{
    CLEANUP(kv_cursor_closep) struct kv_cursor *cursor = NULL;
    const struct track *stored = &mirror->track;
    struct bytes key, record;
    uint8_t from[LOG_KEY_BYTES];

    track_init(track, &stored->loop, stored->side[LOOP_SOURCE].org, stored->side[LOOP_TARGET].org);
    enum err err =
        kv_cursor_open(checking->txn, TABLE_LOG, table_log_key(&stored->loop, 0, from), &cursor);
    while (err == ERR_OK) {
        err = kv_cursor_next(cursor, &key, &record);
        if (err != ERR_OK || key.len != LOG_KEY_BYTES ||
            memcmp(key.data, stored->loop.bytes, LOOP_ID_BYTES) != 0)
            break;
        uint64_t index = kv_u64_of_key(bytes_of(key.data + LOOP_ID_BYTES, 8));
        if (index >= checking->agent->cursor)
            break; /* receipted, and not yet read */
        err = fold_record(mirror, record, index, track);
        if (err != ERR_OK)
            return err == ERR_MEMORY ? err
                                     : differs(checking, &stored->loop,
                                               "a kept statement does not fit the ones before");
    }
    return err == ERR_NOT_FOUND ? ERR_OK : err;
}

/* People have been told that the broker keeps something of this loop from us: what was receipted
 * behind the hole stands in our copies and not in the track. */
static bool
has_a_hole(const struct checking *checking, const struct loop_id *loop)
{
    char about[LOOP_ID_TEXT];
    bool found = false;

    accuse_name_loop(loop, about);
    return alarm_record_find(checking->txn, ALARM_WITHHELD, about, &found) == ERR_OK && found;
}

static enum err
compare_tracks(const struct checking *checking, const struct track *folded,
               const struct track *stored)
{
    CLEANUP(buffer_done) struct buffer a = BUFFER_INIT(TRACK_BYTES_MAX);
    CLEANUP(buffer_done) struct buffer b = BUFFER_INIT(TRACK_BYTES_MAX);

    track_encode(folded, &a);
    track_encode(stored, &b);
    enum err err = buffer_err(&a);
    if (err == ERR_OK)
        err = buffer_err(&b);
    if (err != ERR_OK)
        return err;
    if (track_check(stored) != ERR_OK || !bytes_equal(buffer_view(&a), buffer_view(&b)))
        return differs(checking, &stored->loop, "its state is not what its statements give");
    return ERR_OK;
}

static bool
has_mark(const struct track *track, const struct step *step)
{
    for (size_t i = 0; i < track->n_marks; i++) {
        const struct track_mark *mark = &track->marks[i];
        if (mark->index == step->index)
            return digest_equal(&mark->id, &step->id) && mark->event == step->event &&
                   mark->role == step->role && mark->superseded == step->superseded &&
                   mark->log_time_ms == step->accepted_ms;
    }
    return false;
}

/* Adds one step to what the loop's counters should say. */
static void
count(const struct mirror *mirror, const struct step *step, struct mirror *counted)
{
    counted->n_steps++;
    if (step->role != mirror->role)
        return;
    if (step->event != EVENT_NOTE)
        counted->newest_own = step->number;
    counted->n_waiting += step->stage <= STAGE_SENT ? 1U : 0U;
    counted->n_undelivered += step->stage == STAGE_ACCEPTED ? 1U : 0U;
    counted->n_refused += step->stage == STAGE_REFUSED ? 1U : 0U;
    counted->n_ahead += !step->logged && step->stage != STAGE_REFUSED ? 1U : 0U;
}

static enum err
check_content(const struct checking *checking, const struct loop_id *loop, uint32_t number)
{
    CLEANUP(buffer_wipe) struct buffer plain = BUFFER_INIT(STEP_CONTENT_MAX);
    struct bytes facts, body;

    return step_open_content(checking->agent, checking->txn, loop, number, &plain, &facts, &body);
}

static enum err
check_step(const struct checking *checking, const struct mirror *mirror, const struct step *step)
{
    const struct loop_id *loop = &mirror->track.loop;
    const struct row *row =
        outbox_find_step(outbox_lane(&checking->agent->outbox, loop), step->number);
    bool waits = step->role == mirror->role && step->stage <= STAGE_SENT;

    enum err err = check_content(checking, loop, step->number);
    if (err != ERR_OK)
        return err == ERR_MEMORY ? err
                                 : differs(checking, loop, "the content of a step does not open");
    if (step->logged && !has_mark(&mirror->track, step))
        return differs(checking, loop, "a step is shown as logged and is not");
    if (waits != (row != NULL))
        return differs(checking, loop, "a step and the outbox disagree");
    if (row != NULL && row->made != (step->stage == STAGE_SENT))
        return differs(checking, loop, "a step and what was made of it disagree");
    return ERR_OK;
}

static enum err
check_steps(const struct checking *checking, const struct mirror *mirror)
{
    struct mirror counted = {.role = mirror->role};
    size_t n_logged = 0;

    for (uint32_t number = 1; number <= mirror->n_steps; number++) {
        struct step step;
        enum err err = step_load(checking->txn, &mirror->track.loop, number, &step);
        if (err == ERR_NOT_FOUND)
            return differs(checking, &mirror->track.loop, "a step is missing");
        if (err == ERR_OK)
            err = check_step(checking, mirror, &step);
        if (err != ERR_OK)
            return err;
        n_logged += step.logged ? 1U : 0U;
        count(mirror, &step, &counted);
    }
    if (n_logged != mirror->track.n_marks || counted.newest_own != mirror->newest_own ||
        counted.n_waiting != mirror->n_waiting || counted.n_ahead != mirror->n_ahead ||
        counted.n_undelivered != mirror->n_undelivered || counted.n_refused != mirror->n_refused)
        return differs(checking, &mirror->track.loop, "its counters are not what they count");
    if (mirror->dropped && (n_logged > 0 || counted.n_ahead > 0 || counted.n_refused == 0))
        return differs(checking, &mirror->track.loop, "it was ended here alone and is not alone");
    return ERR_OK;
}

static enum err
check_loop(struct checking *checking, struct bytes record)
{
    CLEANUP(mirror_done) struct mirror mirror = {.role = LOOP_SOURCE};
    CLEANUP(track_done) struct track folded = {.marks = NULL};
    enum err err = mirror_decode(record, &mirror);

    if (err == ERR_OK && !has_a_hole(checking, &mirror.track.loop)) {
        err = fold(checking, &mirror, &folded);
        if (err == ERR_OK)
            err = compare_tracks(checking, &folded, &mirror.track);
    }
    if (err == ERR_OK)
        err = check_steps(checking, &mirror);
    checking->n_waiting += mirror.n_waiting;
    return err;
}

enum err
agent_check_store(struct agent *agent, struct complaint *complaint)
{
    CLEANUP(kv_abort) struct kv_txn *txn = NULL;
    CLEANUP(kv_cursor_closep) struct kv_cursor *cursor = NULL;
    struct checking checking = {.agent = agent, .complaint = complaint};
    const struct loop_id first = {{0}};
    struct bytes key, record;
    enum err err = kv_begin_read(agent->kv, &txn);

    /* What stands here unless a difference is found: a record that is not even one. */
    (void)complain(complaint, err, "a record of the store is damaged");
    checking.txn = txn;
    if (err == ERR_OK)
        err = kv_cursor_open(txn, TABLE_LOOPS, table_loop_key(&first), &cursor);
    while (err == ERR_OK) {
        err = kv_cursor_next(cursor, &key, &record);
        if (err == ERR_OK)
            err = check_loop(&checking, record);
    }
    if (err != ERR_NOT_FOUND)
        return err == ERR_CORRUPT
                   ? err
                   : complain(complaint, err, "the store cannot be read: %s", err_text(err));
    if (checking.n_waiting != agent->outbox.n_steps)
        return complain(complaint, ERR_CORRUPT,
                        "the outbox holds %zu steps, the referrals wait for %llu",
                        agent->outbox.n_steps, (unsigned long long)checking.n_waiting);
    return check_copies(agent, txn, complaint);
}
