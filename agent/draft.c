/* Decides what a statement of ours says: its place in our chain, what we had heard, and for whom it
 * is sealed: the partner's key as the directory has it now, our own, and the auditor's for the
 * facts. It refuses to know when it is sent and what the content means. */
#include "agent/draft.h"

#include <string.h>

#include "agent/steps.h"
#include "lib/wire/sealed.h"

/* Statement, signature with its path, wraps, nonces and framing beside the padded contents. */
enum { BESIDE_CONTENT_BYTES = 4096 };

void
draft_done(struct draft *draft)
{
    buffer_done(&draft->statement);
    buffer_done(&draft->sealed);
    buffer_done(&draft->envelope);
}

size_t
draft_bytes(const struct row *row)
{
    enum seal_class body = SEAL_192K;

    if (row->made)
        return row->envelope_bytes;
    if (row->kind == ROW_DELIVERED)
        return BESIDE_CONTENT_BYTES / 4;
    (void)seal_class_for(row->content_bytes, &body); /* else the largest, as set */
    return seal_class_bytes(body) + seal_class_bytes(SEAL_1K) + BESIDE_CONTENT_BYTES;
}

bool
draft_ends_alone(enum loop_event event)
{
    return event == EVENT_ACKNOWLEDGE || event == EVENT_WITHDRAW || event == EVENT_VOID;
}

static enum err
find_partner(const struct agent *agent, const char *org, enum loop_event event,
             const struct member **partner_out)
{
    const struct member *partner = directory_find(agent->directory, org);

    if (partner == NULL || partner->state == MEMBER_INVITED)
        return ERR_UNKNOWN_MEMBER;
    if (partner->state == MEMBER_REVOKED && !draft_ends_alone(event))
        return ERR_REVOKED;
    *partner_out = partner;
    return ERR_OK;
}

/* Behind the last made statement of this loop, receipted or not. The row before may be an older one
 * than the last that was receipted: its own receipt can be lost. */
static void
set_place(const struct mirror *mirror, const struct draft *draft, const struct draft *before,
          struct statement_loop *loop)
{
    const struct row *row = draft->row->previous_in_lane;
    bool on_row = row != NULL && row->made && row->seq > mirror->own_seq;

    loop->seq = 1 + (before != NULL ? before->seq : on_row ? row->seq : mirror->own_seq);
    loop->previous = before != NULL ? before->id : on_row ? row->id : mirror->own_id;
}

static void
fill_statement(const struct agent *agent, const struct mirror *mirror, const struct member *partner,
               const struct row *row, struct statement *statement)
{
    const struct identity *identity = agent->identity;
    struct statement_loop *loop = &statement->as.loop;

    statement->suite = STATEMENT_SUITE_1;
    statement->kind = STATEMENT_LOOP;
    statement->network = identity->network;
    memcpy(statement->author, identity->org, sizeof(statement->author));
    statement->author_key = identity->key_id;
    statement->authored_ms = row->queued_ms;
    loop->loop = mirror->track.loop;
    loop->event = row->event;
    /* As when the person acted, not as now: what has arrived since has crossed with it. */
    loop->heard = row->heard;
    loop->delivered = row->delivered;
    loop->n_readers = 1;
    memcpy(loop->readers[0].org, partner->org, sizeof(loop->readers[0].org));
    loop->readers[0].key = partner->key_id;
    loop->priority = mirror->priority;
}

static struct sealed_reader
auditor_of(const struct agent *agent)
{
    const struct member *auditor = directory_auditor(agent->directory);
    const struct key_set *keys =
        auditor != NULL ? &auditor->keys : &agent->identity->genesis.auditor;

    return (struct sealed_reader){.key = key_set_id(keys), .seal = keys->seal};
}

static enum err
seal(struct unit *unit, const struct member *partner, struct draft *draft,
     struct statement *statement)
{
    CLEANUP(buffer_wipe) struct buffer plain = BUFFER_INIT(STEP_CONTENT_MAX);
    const struct agent *agent = unit->agent;
    const struct sealed_reader sides[] = {
        {.key = partner->key_id, .seal = partner->keys.seal},
        {.key = agent->identity->key_id, .seal = agent->identity->keys.seal},
    };
    const struct sealed_reader auditor = auditor_of(agent);
    struct bytes facts, body;
    enum err err = step_open_content(agent, unit->txn, &draft->row->lane->loop, draft->row->number,
                                     &plain, &facts, &body);

    if (err != ERR_OK)
        return err == ERR_CORRUPT ? ERR_KEY : err; /* of this step alone */
    draft->sealed = BUFFER_INIT(LIMIT_SEALED_BYTES);
    return sealed_make(statement, body, facts, sides, ARRAY_LEN(sides), &auditor, &draft->sealed,
                       NULL);
}

static enum err
add_step_fields(struct unit *unit, const struct member *partner, struct draft *draft,
                struct statement *statement)
{
    struct step step;
    enum err err = step_load(unit->txn, &draft->row->lane->loop, draft->row->number, &step);

    if (err != ERR_OK)
        return err;
    statement->authored_ms = step.authored_ms;
    statement->as.loop.due_ms = step.due_ms;
    statement->as.loop.automatic = step.automatic;
    return seal(unit, partner, draft, statement);
}

/* The same words made again would have the same id under another signature, and the log holds only
 * one of the two: a receipt for it could not be proved. What is sealed never repeats; a
 * confirmation does, and is given another moment. */
static enum err
encode_fresh(struct unit *unit, struct draft *draft, struct statement *statement)
{
    for (;;) {
        buffer_done(&draft->statement);
        draft->statement = BUFFER_INIT(LIMIT_STATEMENT_BYTES);
        enum err err = statement_encode(statement, &draft->statement);
        if (err != ERR_OK)
            return err;
        draft->id = statement_id(buffer_view(&draft->statement));
        if (!kv_has(unit->txn, TABLE_IDS, table_id_key(&draft->id)))
            return ERR_OK;
        statement->authored_ms++;
    }
}

enum err
draft_make(struct unit *unit, struct draft *draft, const struct draft *before)
{
    CLEANUP(mirror_done) struct mirror mirror = {.role = LOOP_SOURCE};
    struct statement statement = {.kind = STATEMENT_LOOP};
    const struct member *partner = NULL;
    enum err err = mirror_load(unit->txn, &draft->row->lane->loop, &mirror);

    if (err == ERR_OK)
        err = find_partner(unit->agent, mirror_partner(&mirror), draft->row->event, &partner);
    if (err != ERR_OK)
        return err;
    fill_statement(unit->agent, &mirror, partner, draft->row, &statement);
    set_place(&mirror, draft, before, &statement.as.loop);
    if (draft->row->kind == ROW_STEP)
        err = add_step_fields(unit, partner, draft, &statement);
    if (err != ERR_OK)
        return err;
    err = encode_fresh(unit, draft, &statement);
    if (err != ERR_OK)
        return err;
    draft->seq = statement.as.loop.seq;
    draft->fresh = true;
    return ERR_OK;
}

static enum err
show_as_sent(struct unit *unit, const struct loop_id *loop, const struct draft *draft)
{
    struct step step;
    enum err err = step_load(unit->txn, loop, draft->row->number, &step);

    if (err != ERR_OK)
        return err;
    step.stage = STAGE_SENT;
    step.id = draft->id;
    err = step_store(unit, loop, &step);
    return err == ERR_OK ? step_name(unit, &draft->id, loop, step.number) : err;
}

enum err
draft_store(struct unit *unit, struct draft *draft)
{
    const struct loop_id *loop = &draft->row->lane->loop;
    const struct envelope envelope = {
        .statement = buffer_view(&draft->statement),
        .signature = draft->signature,
        .sealed = buffer_view(&draft->sealed),
    };

    draft->envelope = BUFFER_INIT(LIMIT_ENVELOPE_BYTES);
    enum err err = envelope_encode(&envelope, &draft->envelope);
    if (err == ERR_OK)
        err = outbox_set_made(unit, draft->row, draft->seq, &draft->id,
                              buffer_view(&draft->envelope));
    if (err == ERR_OK && draft->row->kind == ROW_DELIVERED)
        err = step_name(unit, &draft->id, loop, 0);
    if (err == ERR_OK && draft->row->kind == ROW_STEP) {
        err = show_as_sent(unit, loop, draft);
        changes_add(&unit->agent->changes, loop);
    }
    return err;
}
