/* Decides whether a loop statement is addressed as it must be and whether its step may be taken.
 * What a step does is the track's to say (lib/loop); this file says who the sides are, that a
 * delivery receipt is for something its author was sent, and that a nearly full store takes no new
 * loops, so that the open ones can end. */
#include "broker/judge_loop.h"

#include <string.h>

/* Steps that end a loop may still name a partner that has been revoked: else the loop would stay
 * open for ever. It must confirm none of them, and it gets none of them. */
static const bool ends_alone[EVENT_COUNT] = {
    [EVENT_ACKNOWLEDGE] = true,
    [EVENT_WITHDRAW] = true,
    [EVENT_VOID] = true,
};

static bool
may_be_revoked(const struct statement_loop *loop, size_t place)
{
    return place == 0 && (unsigned)loop->event < EVENT_COUNT && ends_alone[loop->event];
}

static enum err
check_reader(const struct directory *directory, const struct statement *statement, size_t place)
{
    const struct statement_reader *reader = &statement->as.loop.readers[place];
    if (strcmp(reader->org, statement->author) == 0) {
        return ERR_SELF_ADDRESSED;
    }
    for (size_t i = 0; i < place; i++) {
        if (strcmp(statement->as.loop.readers[i].org, reader->org) == 0) {
            return ERR_MALFORMED;
        }
    }
    const struct member *member = directory_find(directory, reader->org);
    if (member == NULL || member->state == MEMBER_INVITED) {
        return ERR_UNKNOWN_MEMBER;
    }
    if (member->state == MEMBER_REVOKED && !may_be_revoked(&statement->as.loop, place)) {
        return ERR_REVOKED;
    }
    return memcmp(&reader->key, &member->key_id, sizeof(reader->key)) == 0 ? ERR_OK
                                                                           : ERR_READER_KEY;
}

enum err
judge_loop_author(const struct judge_stage *stage, const struct member *member,
                  const struct statement *statement)
{
    const struct statement_loop *loop = &statement->as.loop;
    if (memcmp(&statement->author_key, &member->key_id, sizeof(member->key_id)) != 0) {
        return ERR_NOT_PERMITTED;
    }
    if (loop->n_readers == 0 || loop->n_readers > LIMIT_READERS) {
        return ERR_MALFORMED;
    }
    enum err err = ERR_OK;
    for (size_t i = 0; err == ERR_OK && i < loop->n_readers; i++) {
        err = check_reader(stage->broker->directory, statement, i);
    }
    return err;
}

static bool
has_reader(const struct statement_loop *loop, const char *org)
{
    for (size_t i = 0; i < loop->n_readers && i < LIMIT_READERS; i++) {
        if (strcmp(loop->readers[i].org, org) == 0) {
            return true;
        }
    }
    return false;
}

/* The statement named by a delivery receipt: of this loop, by the other side, to this author, and
 * no receipt itself. */
static enum err
check_delivered(struct judge_stage *stage, const struct statement *statement,
                const char *other_side, enum err *refusal_out)
{
    const struct statement_loop *loop = &statement->as.loop;
    struct receipt receipt;
    struct journal_entry entry;
    struct statement named;
    *refusal_out = ERR_UNKNOWN_REFERENCE;
    enum err err = journal_find_receipt(stage->txn, &loop->delivered, &receipt);
    if (err == ERR_OK) {
        err = journal_load(stage->txn, receipt.index, &entry);
    }
    if (err != ERR_OK) {
        return err == ERR_NOT_FOUND ? ERR_OK : err;
    }
    err = statement_decode(entry.envelope.statement, &named);
    if (err != ERR_OK) {
        return err_is_peer(err) ? ERR_CORRUPT : err;
    }
    if (named.kind == STATEMENT_LOOP && named.as.loop.event != EVENT_DELIVERED &&
        memcmp(&named.as.loop.loop, &loop->loop, sizeof(loop->loop)) == 0 &&
        strcmp(named.author, other_side) == 0 && has_reader(&named.as.loop, statement->author)) {
        *refusal_out = ERR_OK;
    }
    return ERR_OK;
}

/* Finds the loop, or begins it for a request. */
static enum err
open_track(struct judge_stage *stage, const struct statement *statement, struct track *track,
           bool *is_new_out, enum err *refusal_out)
{
    const struct statement_loop *loop = &statement->as.loop;
    enum err err = journal_load_track(stage->txn, &loop->loop, track);
    if (err != ERR_NOT_FOUND) {
        return err;
    }
    *is_new_out = loop->event == EVENT_REQUEST;
    if (!*is_new_out) {
        *refusal_out = ERR_UNKNOWN_LOOP;
    } else if (stage->broker->fill_percent >= (unsigned)stage->broker->admit_below_percent) {
        *refusal_out = ERR_BUSY;
    } else {
        track_init(track, &loop->loop, statement->author, loop->readers[0].org);
    }
    return ERR_OK;
}

static enum err
take_step(struct judge_stage *stage, const struct opened_envelope *opened, enum loop_role role,
          struct track *track, struct journal_verdict *verdict_out, enum err *refusal_out)
{
    struct track_step step = journal_step(&opened->statement.as.loop, &opened->id, role);
    struct track_verdict verdict;
    int64_t log_time_ms = journal_next_time(&stage->head, stage->now.wall_ms);
    enum err err = track_apply(track, &step, stage->head.entries, log_time_ms, &verdict);
    if (err != ERR_OK) {
        *refusal_out = err_is_peer(err) ? err : ERR_OK;
        return err_is_peer(err) ? ERR_OK : err;
    }
    *verdict_out = (struct journal_verdict){
        .result = verdict.superseded ? RECEIPT_SUPERSEDED : RECEIPT_ACCEPTED,
        .state = verdict.position.state,
        .superseded_by = verdict.superseded_by,
    };
    return ERR_OK;
}

enum err
judge_loop_step(struct judge_stage *stage, const struct opened_envelope *opened,
                struct track *track, struct journal_verdict *verdict_out, bool *is_new_out,
                enum err *refusal_out)
{
    const struct statement *statement = &opened->statement;
    const struct statement_loop *loop = &statement->as.loop;
    enum loop_role role;
    enum err err = open_track(stage, statement, track, is_new_out, refusal_out);
    if (err != ERR_OK || *refusal_out != ERR_OK) {
        return err;
    }
    if (!journal_find_role(track, statement->author, &role)) {
        *refusal_out = ERR_NOT_PERMITTED;
        return ERR_OK;
    }
    const char *other_side = track->side[role == LOOP_SOURCE ? LOOP_TARGET : LOOP_SOURCE].org;
    verdict_out->state = track->position.state;
    if (strcmp(loop->readers[0].org, other_side) != 0) {
        *refusal_out = loop->event == EVENT_REQUEST ? ERR_LOOP_EXISTS : ERR_NOT_PERMITTED;
        return ERR_OK;
    }
    if (loop->event == EVENT_DELIVERED) {
        err = check_delivered(stage, statement, other_side, refusal_out);
        if (err != ERR_OK || *refusal_out != ERR_OK) {
            return err;
        }
    }
    return take_step(stage, opened, role, track, verdict_out, refusal_out);
}
