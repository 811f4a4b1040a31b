/* Decides where a copy of a logged statement lies: under its loop, to be folded and shown, and in
 * order of the log, to be given back. It refuses to know whether it may be believed. */
#include "agent/holding.h"

#include <string.h>

enum { RECORD_BYTES_MAX = LIMIT_ENVELOPE_BYTES + 8 };

enum err
holding_put(struct unit *unit, const struct loop_id *loop, uint64_t index, int64_t log_time_ms,
            struct bytes envelope)
{
    CLEANUP(buffer_done) struct buffer record = BUFFER_INIT(RECORD_BYTES_MAX);
    uint8_t key[LOG_KEY_BYTES], place[8];

    buffer_put_i64(&record, log_time_ms);
    buffer_put(&record, envelope.data, envelope.len);
    enum err err = unit_put_record(unit, TABLE_LOG, table_log_key(loop, index, key), &record);
    return err == ERR_OK ? unit_put(unit, TABLE_ORDER, kv_key_u64(index, place),
                                    bytes_of(loop->bytes, LOOP_ID_BYTES))
                         : err;
}

bool
holding_has(struct kv_txn *txn, uint64_t index)
{
    uint8_t key[8];

    return kv_has(txn, TABLE_ORDER, kv_key_u64(index, key));
}

enum err
holding_next(struct kv_txn *txn, uint64_t from, uint64_t *index_out, struct loop_id *loop_out,
             int64_t *log_time_ms_out)
{
    CLEANUP(kv_cursor_closep) struct kv_cursor *cursor = NULL;
    struct bytes key, value, record;
    struct loop_id loop;
    uint8_t first[8], place[LOG_KEY_BYTES];
    enum err err = kv_cursor_open(txn, TABLE_ORDER, kv_key_u64(from, first), &cursor);

    if (err == ERR_OK)
        err = kv_cursor_next(cursor, &key, &value);
    if (err != ERR_OK)
        return err;
    if (value.len != LOOP_ID_BYTES)
        return ERR_CORRUPT;
    memcpy(loop.bytes, value.data, LOOP_ID_BYTES);
    uint64_t index = kv_u64_of_key(key);
    err = kv_get(txn, TABLE_LOG, table_log_key(&loop, index, place), &record);
    if (err != ERR_OK)
        return err == ERR_NOT_FOUND ? ERR_CORRUPT : err;
    struct reader reader = reader_of(record);
    *log_time_ms_out = reader_i64(&reader);
    *index_out = index;
    *loop_out = loop;
    return ERR_OK;
}

static enum err
has_id(struct bytes record, const struct digest *id, bool *same_out)
{
    struct reader reader = reader_of(record);
    struct envelope envelope;

    (void)reader_i64(&reader); /* the log time */
    enum err err = envelope_decode(reader.rest, &envelope);
    if (err != ERR_OK)
        return err == ERR_MEMORY ? err : ERR_CORRUPT;
    struct digest stored = statement_id(envelope.statement);
    *same_out = digest_equal(&stored, id);
    return ERR_OK;
}

enum err
holding_find_twin(struct kv_txn *txn, const struct loop_id *loop, const struct digest *id,
                  uint64_t index, bool *found_out)
{
    CLEANUP(kv_cursor_closep) struct kv_cursor *cursor = NULL;
    struct bytes key, record;
    uint8_t from[LOG_KEY_BYTES];
    bool found = false;
    enum err err = kv_cursor_open(txn, TABLE_LOG, table_log_key(loop, 0, from), &cursor);

    while (err == ERR_OK && !found) {
        err = kv_cursor_next(cursor, &key, &record);
        if (err != ERR_OK || key.len != LOG_KEY_BYTES ||
            memcmp(key.data, loop->bytes, LOOP_ID_BYTES) != 0)
            break;
        if (kv_u64_of_key(bytes_of(key.data + LOOP_ID_BYTES, 8)) != index)
            err = has_id(record, id, &found);
    }
    if (err != ERR_OK && err != ERR_NOT_FOUND)
        return err;
    *found_out = found;
    return ERR_OK;
}

enum err
holding_find_key_event(struct kv_txn *txn, const struct digest *id, bool *found_out)
{
    CLEANUP(kv_cursor_closep) struct kv_cursor *cursor = NULL;
    struct bytes key, record;
    uint8_t from[8];
    bool found = false;
    enum err err = kv_cursor_open(txn, TABLE_DIRECTORY, kv_key_u64(0, from), &cursor);

    while (err == ERR_OK && !found) {
        err = kv_cursor_next(cursor, &key, &record);
        if (err == ERR_OK)
            err = has_id(record, id, &found);
    }
    if (err != ERR_OK && err != ERR_NOT_FOUND)
        return err;
    *found_out = found;
    return ERR_OK;
}
