/* Decides how a step is kept on disk. What identifies a person (facts and body) stands only in the
 * content table, sealed under the store key and tied to its place; the step record beside it
 * changes with every receipt and stays small. It refuses to know what the content means. */
#include "agent/steps.h"

#include <string.h>

#include "agent/state.h"

/* Version 1 knew no proofs. */
enum {
    STEP_VERSION_FIRST = 1,
    STEP_VERSION = 2,
    STEP_BYTES_MAX = 256,
    SEALED_CONTENT_MAX = STEP_CONTENT_MAX + 256
};

static void
encode(const struct step *step, struct buffer *out)
{
    buffer_put_u8(out, STEP_VERSION);
    buffer_put_u32(out, step->number);
    buffer_put_u8(out, (uint8_t)step->role);
    buffer_put_u8(out, (uint8_t)step->event);
    buffer_put_u8(out, (uint8_t)step->stage);
    buffer_put_u8(out, (uint8_t)step->refusal);
    buffer_put_i64(out, step->authored_ms);
    buffer_put_i64(out, step->accepted_ms);
    buffer_put_i64(out, step->delivered_ms);
    buffer_put_i64(out, step->due_ms);
    buffer_put_u64(out, step->index);
    buffer_put_u8(out, step->logged);
    buffer_put_u8(out, step->superseded);
    buffer_put_u8(out, step->automatic);
    buffer_put_u8(out, step->unreadable);
    buffer_put_u8(out, (uint8_t)step->state_after);
    buffer_put(out, step->id.bytes, DIGEST_BYTES);
    buffer_put_u8(out, (uint8_t)step->unproved);
}

enum err
step_decode(struct bytes record, struct step *step_out)
{
    struct reader reader = reader_of(record);
    struct step step = {0};
    uint8_t version = reader_u8(&reader);

    if (version != STEP_VERSION && version != STEP_VERSION_FIRST)
        return ERR_CORRUPT;
    step.number = reader_u32(&reader);
    step.role = (enum loop_role)reader_u8(&reader);
    step.event = (enum loop_event)reader_u8(&reader);
    step.stage = (enum step_stage)reader_u8(&reader);
    step.refusal = (enum err)reader_u8(&reader);
    step.authored_ms = reader_i64(&reader);
    step.accepted_ms = reader_i64(&reader);
    step.delivered_ms = reader_i64(&reader);
    step.due_ms = reader_i64(&reader);
    step.index = reader_u64(&reader);
    step.logged = reader_u8(&reader) != 0;
    step.superseded = reader_u8(&reader) != 0;
    step.automatic = reader_u8(&reader) != 0;
    step.unreadable = reader_u8(&reader) != 0;
    step.state_after = (enum loop_state)reader_u8(&reader);
    reader_copy(&reader, step.id.bytes, DIGEST_BYTES);
    if (version != STEP_VERSION_FIRST)
        step.unproved = (enum proof_reason)reader_u8(&reader);
    if (reader_err(&reader) != ERR_OK || step.role >= LOOP_ROLE_COUNT ||
        step.event >= EVENT_COUNT || step.stage > STAGE_REFUSED ||
        step.state_after >= LOOP_STATE_COUNT ||
        (step.unproved != PROOF_GOOD && proof_reason_words(step.unproved) == NULL))
        return ERR_CORRUPT;
    *step_out = step;
    return ERR_OK;
}

enum err
step_load(struct kv_txn *txn, const struct loop_id *loop, uint32_t number, struct step *step_out)
{
    uint8_t key[STEP_KEY_BYTES];
    struct bytes record;
    enum err err = kv_get(txn, TABLE_STEPS, table_step_key(loop, number, key), &record);

    return err == ERR_OK ? step_decode(record, step_out) : err;
}

enum err
step_store(struct unit *unit, const struct loop_id *loop, const struct step *step)
{
    CLEANUP(buffer_done) struct buffer record = BUFFER_INIT(STEP_BYTES_MAX);
    uint8_t key[STEP_KEY_BYTES];

    encode(step, &record);
    return unit_put_record(unit, TABLE_STEPS, table_step_key(loop, step->number, key), &record);
}

enum err
step_close_content(struct unit *unit, const struct loop_id *loop, uint32_t number,
                   struct bytes facts, struct bytes body)
{
    CLEANUP(buffer_wipe) struct buffer plain = BUFFER_INIT(STEP_CONTENT_MAX);
    CLEANUP(buffer_done) struct buffer sealed = BUFFER_INIT(SEALED_CONTENT_MAX);
    uint8_t key[STEP_KEY_BYTES];
    struct bytes place = table_step_key(loop, number, key);

    buffer_put_blob(&plain, facts);
    buffer_put_blob(&plain, body);
    enum err err = buffer_err(&plain);
    if (err == ERR_OK)
        err = vault_close(&unit->agent->identity->secrets->store, place, buffer_view(&plain),
                          &sealed);
    return err == ERR_OK ? unit_put_record(unit, TABLE_CONTENT, place, &sealed) : err;
}

enum err
step_open_content(const struct agent *agent, struct kv_txn *txn, const struct loop_id *loop,
                  uint32_t number, struct buffer *plain, struct bytes *facts_out,
                  struct bytes *body_out)
{
    uint8_t key[STEP_KEY_BYTES];
    struct bytes place = table_step_key(loop, number, key);
    struct bytes sealed;
    enum err err = kv_get(txn, TABLE_CONTENT, place, &sealed);

    if (err == ERR_OK)
        err = vault_open(&agent->identity->secrets->store, place, sealed, plain);
    if (err != ERR_OK)
        return err == ERR_NOT_FOUND ? ERR_CORRUPT : err;
    struct reader reader = reader_of(buffer_view(plain));
    struct bytes facts = reader_blob(&reader);
    struct bytes body = reader_blob(&reader);
    err = reader_err(&reader);
    if (err == ERR_OK) {
        *facts_out = facts;
        *body_out = body;
    }
    return err;
}

enum err
step_name(struct unit *unit, const struct digest *id, const struct loop_id *loop, uint32_t number)
{
    uint8_t key[STEP_KEY_BYTES];

    return unit_put(unit, TABLE_IDS, table_id_key(id), table_step_key(loop, number, key));
}

enum err
step_find(struct kv_txn *txn, const struct digest *id, const struct loop_id *loop,
          uint32_t *number_out)
{
    struct bytes record;
    enum err err = kv_get(txn, TABLE_IDS, table_id_key(id), &record);

    if (err != ERR_OK)
        return err;
    struct reader reader = reader_of(record);
    struct bytes in_loop = reader_take(&reader, LOOP_ID_BYTES);
    uint32_t number = reader_u32(&reader);
    if (reader_err(&reader) != ERR_OK)
        return ERR_CORRUPT;
    if (!bytes_equal(in_loop, table_loop_key(loop)))
        return ERR_NOT_FOUND;
    *number_out = number;
    return ERR_OK;
}
