/* The loop of a file, statement by statement: the same fold over the same rules that the broker and
 * both members keep, so that nobody's word is needed for what became of it. By now each statement
 * is known to be its author's and to stand in the log. */
#include <string.h>

#include "lib/proof/evidence_state.h"

static enum err
refuse(const struct evidence_fold *fold, const struct evidence_said *said, enum err err,
       const char *what)
{
    return evidence_fold_refuse(fold, said->part, err, what);
}

static enum loop_role
other(enum loop_role role)
{
    return role == LOOP_SOURCE ? LOOP_TARGET : LOOP_SOURCE;
}

/* The loop's first statement says who its sides are. A statement has a reader, and never its own
 * author. */
static enum err
begin(struct evidence_fold *fold, const struct evidence_said *said)
{
    const struct statement_loop *loop = &said->statement.as.loop;
    if (loop->event != EVENT_REQUEST) {
        return refuse(fold, said, ERR_SEQUENCE, "the referral itself is not before it");
    }
    track_init(&fold->track, &loop->loop, said->statement.author, loop->readers[0].org);
    return ERR_OK;
}

static bool
find_role(const struct track *track, const char *org, enum loop_role *role_out)
{
    for (unsigned role = 0; role < LOOP_ROLE_COUNT; role++) {
        if (strcmp(track->side[role].org, org) == 0) {
            *role_out = (enum loop_role)role;
            return true;
        }
    }
    return false;
}

/* It goes to the other side, sealed for the key that side had in the log. Readers beyond the two
 * may be unknown here: nothing of theirs is proved. */
static enum err
check_reader(const struct evidence_fold *fold, const struct evidence_said *said,
             enum loop_role role)
{
    const struct statement_loop *loop = &said->statement.as.loop;
    const char *side = fold->track.side[other(role)].org;
    if (strcmp(loop->readers[0].org, side) != 0) {
        return refuse(fold, said, ERR_NOT_PERMITTED,
                      "it is not addressed to the loop's other side");
    }
    const struct member *member = directory_find(fold->directory, side);
    if (member == NULL || member->state == MEMBER_INVITED) {
        return refuse(fold, said, ERR_UNKNOWN_MEMBER, "its reader was no member");
    }
    return memcmp(&loop->readers[0].key, &member->key_id, sizeof(member->key_id)) == 0
               ? ERR_OK
               : refuse(fold, said, ERR_READER_KEY, "its reader had another key by then");
}

/* Most name the newest, so from there back. */
static enum err
find_confirmed(const struct evidence_fold *fold, const struct evidence_said *said,
               enum loop_role role, size_t *step_out)
{
    const struct digest *id = &said->statement.as.loop.delivered;
    for (size_t i = fold->reading.n_steps; i > 0; i--) {
        const struct evidence_step *step = &fold->reading.steps[i - 1];
        if (step->role != role && step->event != EVENT_DELIVERED && digest_equal(&step->id, id)) {
            *step_out = i - 1;
            return ERR_OK;
        }
    }
    return refuse(fold, said, ERR_UNKNOWN_REFERENCE,
                  "it confirms the delivery of nothing that the other side said before it");
}

static enum err
show(struct evidence_fold *fold, const struct evidence_said *said, struct evidence_place *place)
{
    const struct evidence_part *part = said->part;
    struct buffer *shown = &fold->reading.shown;
    CLEANUP(buffer_wipe) struct buffer facts = BUFFER_INIT(LIMIT_FACTS_BYTES);
    bool has_key = part->has_body_key || part->has_facts_key;
    if (!has_key) {
        return said->envelope.sealed.len == 0
                   ? ERR_OK
                   : refuse(fold, said, ERR_MALFORMED,
                            "its sealed part is there, and no key to it");
    }
    if (said->envelope.sealed.len == 0) {
        return refuse(fold, said, ERR_MALFORMED, "a key is there, and no sealed part for it");
    }
    place->body = shown->len;
    enum err err =
        sealed_read_revealed(&said->statement, said->envelope.sealed, &part->keys, shown, &facts);
    place->body_len = shown->len - place->body;
    place->facts = shown->len;
    place->facts_len = facts.len;
    if (err == ERR_OK) {
        buffer_put(shown, facts.data, facts.len);
        err = buffer_err(shown);
    }
    return err_is_peer(err)
               ? refuse(fold, said, err, "what is shown of its contents is not what was sealed")
               : err;
}

enum err
evidence_steps_take(struct evidence_fold *fold, const struct evidence_said *said)
{
    const struct statement_loop *loop = &said->statement.as.loop;
    struct evidence_reading *reading = &fold->reading;
    struct track_verdict verdict = {.superseded = false};
    struct evidence_step step = {.index = said->part->index,
                                 .log_time_ms = said->part->log_time_ms,
                                 .authored_ms = said->statement.authored_ms,
                                 .due_ms = loop->due_ms,
                                 .event = loop->event,
                                 .automatic = loop->automatic,
                                 .id = said->id,
                                 .confirms = SIZE_MAX};
    if (memcmp(&loop->loop, &fold->parts.loop, sizeof(loop->loop)) != 0) {
        return refuse(fold, said, ERR_UNKNOWN_LOOP, "it belongs to another loop");
    }
    enum err err = reading->n_steps == 0 ? begin(fold, said) : ERR_OK;
    if (err == ERR_OK && !find_role(&fold->track, said->statement.author, &step.role)) {
        err = refuse(fold, said, ERR_NOT_PERMITTED, "its author is no side of the loop");
    }
    if (err == ERR_OK) {
        err = check_reader(fold, said, step.role);
    }
    if (err == ERR_OK && loop->event == EVENT_DELIVERED) {
        err = find_confirmed(fold, said, step.role, &step.confirms);
    }
    if (err == ERR_OK) {
        err = show(fold, said, &fold->places[reading->n_steps]);
    }
    if (err != ERR_OK) {
        return err;
    }
    const struct track_step taken = {step.role,      loop->event, loop->seq,
                                     loop->previous, loop->heard, said->id};
    err = track_apply(&fold->track, &taken, step.index, step.log_time_ms, &verdict);
    if (err != ERR_OK) {
        return err_is_peer(err) ? refuse(fold, said, err, err_text(err)) : err;
    }
    step.superseded = verdict.superseded;
    step.state_after = verdict.position.state;
    reading->steps[reading->n_steps++] = step;
    return ERR_OK;
}

static struct bytes
shown_at(const struct buffer *shown, size_t at, size_t len)
{
    return len > 0 ? bytes_of(shown->data + at, len) : bytes_of(NULL, 0);
}

enum err
evidence_steps_end(struct evidence_fold *fold)
{
    struct evidence_reading *reading = &fold->reading;
    if (reading->n_steps == 0) {
        return complain(fold->complaint, ERR_UNKNOWN_LOOP, "it holds no statement of its loop");
    }
    reading->state = fold->track.position.state;
    for (size_t i = 0; i < reading->n_steps; i++) {
        const struct evidence_place *place = &fold->places[i];
        reading->steps[i].body = shown_at(&reading->shown, place->body, place->body_len);
        reading->steps[i].facts = shown_at(&reading->shown, place->facts, place->facts_len);
    }
    for (unsigned role = 0; role < LOOP_ROLE_COUNT; role++) {
        const struct member *member = directory_find(fold->directory, fold->track.side[role].org);
        if (member == NULL) {
            return ERR_INTERNAL; /* it spoke, or was spoken to */
        }
        memcpy(reading->org[role], member->org, sizeof(reading->org[role]));
        memcpy(reading->name[role], member->name, sizeof(reading->name[role]));
    }
    return ERR_OK;
}
