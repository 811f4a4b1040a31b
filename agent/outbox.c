/* Decides what a row of the outbox is on disk, and changes disk and index together. It refuses to
 * know when a row is sent (exchange.c), how a statement is made (compose.c) and what a receipt
 * means (receipts.c). */
#include "agent/outbox.h"

#include <stdlib.h>
#include <string.h>

#include "agent/outbox_index.h"
#include "agent/state.h"
#include "agent/steps.h"

enum { ROW_VERSION = 1, ROW_BYTES_MAX = LIMIT_ENVELOPE_BYTES + 512 };

static void
encode(const struct loop_id *loop, const struct row *row, struct bytes envelope, struct buffer *out)
{
    buffer_put_u8(out, ROW_VERSION);
    buffer_put(out, loop->bytes, LOOP_ID_BYTES);
    buffer_put_u8(out, (uint8_t)row->kind);
    buffer_put_u8(out, (uint8_t)row->event);
    buffer_put_u32(out, row->number);
    buffer_put_u32(out, row->content_bytes);
    buffer_put(out, row->heard.bytes, DIGEST_BYTES);
    buffer_put(out, row->delivered.bytes, DIGEST_BYTES);
    buffer_put_i64(out, row->queued_ms);
    buffer_put_u8(out, row->made);
    buffer_put_u32(out, row->seq);
    buffer_put(out, row->id.bytes, DIGEST_BYTES);
    buffer_put_blob(out, envelope);
}

static enum err
decode(struct bytes record, struct loop_id *loop, struct row *row, struct bytes *envelope)
{
    struct reader reader = reader_of(record);

    if (reader_u8(&reader) != ROW_VERSION)
        return ERR_CORRUPT;
    reader_copy(&reader, loop->bytes, LOOP_ID_BYTES);
    row->kind = (enum row_kind)reader_u8(&reader);
    row->event = (enum loop_event)reader_u8(&reader);
    row->number = reader_u32(&reader);
    row->content_bytes = reader_u32(&reader);
    reader_copy(&reader, row->heard.bytes, DIGEST_BYTES);
    reader_copy(&reader, row->delivered.bytes, DIGEST_BYTES);
    row->queued_ms = reader_i64(&reader);
    row->made = reader_u8(&reader) != 0;
    row->seq = reader_u32(&reader);
    reader_copy(&reader, row->id.bytes, DIGEST_BYTES);
    *envelope = reader_blob(&reader);
    row->envelope_bytes = (uint32_t)envelope->len;
    if (reader_err(&reader) != ERR_OK || row->event >= EVENT_COUNT ||
        (row->kind != ROW_STEP && row->kind != ROW_DELIVERED))
        return ERR_CORRUPT;
    return ERR_OK;
}

static enum err
store(struct unit *unit, const struct loop_id *loop, const struct row *row, struct bytes envelope)
{
    CLEANUP(buffer_done) struct buffer record = BUFFER_INIT(ROW_BYTES_MAX);
    uint8_t key[8];

    unit->touched = true;
    encode(loop, row, envelope, &record);
    return unit_put_record(unit, TABLE_OUTBOX, kv_key_u64(row->order, key), &record);
}

static enum err
load_row(struct outbox *outbox, struct bytes key, struct bytes record)
{
    struct row *row = calloc(1, sizeof(*row));
    struct loop_id loop;
    struct bytes envelope;

    if (row == NULL)
        return ERR_MEMORY;
    enum err err = decode(record, &loop, row, &envelope);
    if (err != ERR_OK) {
        free(row);
        return err;
    }
    row->order = kv_u64_of_key(key);
    return outbox_index_link(outbox, &loop, row);
}

enum err
outbox_load(struct outbox *outbox, struct kv_txn *txn)
{
    CLEANUP(kv_cursor_closep) struct kv_cursor *cursor = NULL;
    struct bytes key, record;
    uint8_t from[8];
    int64_t held_until_ms = outbox->held_until_ms;

    outbox_done(outbox);
    outbox->held_until_ms = held_until_ms;
    outbox->next_order = 1;
    outbox->lanes = map_new(LOOP_ID_BYTES);
    outbox->by_id = map_new(DIGEST_BYTES);
    if (outbox->lanes == NULL || outbox->by_id == NULL)
        return ERR_MEMORY;
    enum err err = kv_cursor_open(txn, TABLE_OUTBOX, kv_key_u64(0, from), &cursor);
    while (err == ERR_OK) {
        err = kv_cursor_next(cursor, &key, &record);
        if (err == ERR_OK)
            err = load_row(outbox, key, record);
    }
    return err == ERR_NOT_FOUND ? ERR_OK : err;
}

enum err
outbox_add(struct unit *unit, const struct loop_id *loop, const struct row *draft)
{
    struct outbox *outbox = &unit->agent->outbox;
    struct row *row = calloc(1, sizeof(*row));

    if (row == NULL)
        return ERR_MEMORY;
    row->order = outbox->next_order;
    row->kind = draft->kind;
    row->event = draft->event;
    row->number = draft->number;
    row->content_bytes = draft->content_bytes;
    row->heard = draft->heard;
    row->delivered = draft->delivered;
    row->queued_ms = unit->now.wall_ms;
    enum err err = store(unit, loop, row, bytes_of(NULL, 0));
    if (err != ERR_OK) {
        free(row);
        return err;
    }
    return outbox_index_link(outbox, loop, row);
}

enum err
outbox_remove(struct unit *unit, struct row *row)
{
    uint8_t key[8];

    unit->touched = true;
    enum err err = unit_delete(unit, TABLE_OUTBOX, kv_key_u64(row->order, key));
    if (err == ERR_OK)
        outbox_index_unlink(&unit->agent->outbox, row);
    return err;
}

enum err
outbox_set_made(struct unit *unit, struct row *row, uint32_t seq, const struct digest *id,
                struct bytes envelope)
{
    row->made = true;
    row->seq = seq;
    row->id = *id;
    row->envelope_bytes = (uint32_t)envelope.len;
    enum err err = store(unit, &row->lane->loop, row, envelope);
    return err == ERR_OK ? map_put(unit->agent->outbox.by_id, row->id.bytes, row) : err;
}

static enum err
show_as_queued(struct unit *unit, const struct row *row)
{
    struct step step;
    enum err err = step_load(unit->txn, &row->lane->loop, row->number, &step);

    if (err != ERR_OK || step.stage != STAGE_SENT)
        return err;
    step.stage = STAGE_QUEUED;
    return step_store(unit, &row->lane->loop, &step);
}

/* The old id stays a name of the step (TABLE_IDS): should those bytes turn up in the log after all,
 * the step is known by them. */
static enum err
unmake_one(struct unit *unit, struct row *row)
{
    struct outbox *outbox = &unit->agent->outbox;

    outbox_mark_unsent(outbox, row);
    outbox_index_forget_id(outbox, row);
    row->made = false;
    row->seq = 0;
    row->envelope_bytes = 0;
    memset(row->id.bytes, 0, sizeof(row->id.bytes));
    enum err err = store(unit, &row->lane->loop, row, bytes_of(NULL, 0));
    if (err == ERR_OK && row->kind == ROW_STEP)
        err = show_as_queued(unit, row);
    return err;
}

enum err
outbox_unmake(struct unit *unit, struct row *row)
{
    enum err err = ERR_OK;

    unit->touched = true;
    for (; err == ERR_OK && row != NULL; row = row->next_in_lane) {
        if (row->made)
            err = unmake_one(unit, row);
    }
    return err;
}

enum err
outbox_envelope(struct kv_txn *txn, const struct row *row, struct bytes *envelope_out)
{
    uint8_t key[8];
    struct bytes record, envelope;
    struct loop_id loop;
    struct row stored;
    enum err err = kv_get(txn, TABLE_OUTBOX, kv_key_u64(row->order, key), &record);

    if (err == ERR_OK)
        err = decode(record, &loop, &stored, &envelope);
    if (err == ERR_OK)
        *envelope_out = envelope;
    return err;
}
