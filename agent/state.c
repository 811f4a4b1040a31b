/* Decides what is kept in memory beside the store, and brings it up from disk: at the start, and
 * whenever a transaction that had changed it did not end well. It refuses to know what changes it.
 */
#include "agent/state.h"

#include <string.h>

static const char meta_cursor[] = "cursor";
static const char meta_incarnation[] = "incarnation";
static const char meta_born[] = "born";
static const char meta_proved_from[] = "proved-from";
static const char meta_latest[] = "latest";
enum { LATEST_BYTES = 16 };

static enum err
fold_entry(struct directory *directory, struct bytes key, struct bytes record)
{
    struct reader reader = reader_of(record);
    int64_t log_time_ms = reader_i64(&reader);
    struct envelope envelope;
    struct statement statement;
    enum err err = envelope_decode(reader.rest, &envelope);

    if (err == ERR_OK)
        err = statement_decode(envelope.statement, &statement);
    if (err == ERR_OK)
        err = directory_apply(directory, &statement, kv_u64_of_key(key), log_time_ms);
    /* It was judged when it came; that it does not fit now is our disk's fault, not a member's. */
    return err == ERR_OK || err == ERR_MEMORY ? err : ERR_CORRUPT;
}

static enum err
load_directory(struct agent *agent, struct kv_txn *txn)
{
    CLEANUP(kv_cursor_closep) struct kv_cursor *cursor = NULL;
    CLEANUP(directory_freep) struct directory *directory = NULL;
    struct bytes key, record;
    uint8_t from[8];
    enum err err = directory_new(&agent->identity->network, &directory);

    if (err == ERR_OK)
        err = kv_cursor_open(txn, TABLE_DIRECTORY, kv_key_u64(0, from), &cursor);
    while (err == ERR_OK) {
        err = kv_cursor_next(cursor, &key, &record);
        if (err == ERR_OK)
            err = fold_entry(directory, key, record);
    }
    if (err != ERR_NOT_FOUND)
        return err;
    directory_free(agent->directory);
    agent->directory = directory;
    directory = NULL;
    return ERR_OK;
}

/* 0 when it was never written. */
static enum err
load_number(struct kv_txn *txn, const char *word, uint64_t *number_out)
{
    struct bytes value;
    enum err err = kv_get(txn, TABLE_META, bytes_of_text(word), &value);

    if (err != ERR_OK && err != ERR_NOT_FOUND)
        return err;
    struct reader reader = reader_of(err == ERR_OK ? value : bytes_of(NULL, 0));
    uint64_t number = err == ERR_OK ? reader_u64(&reader) : 0;
    err = reader_err(&reader);
    if (err == ERR_OK)
        *number_out = number;
    return err;
}

static enum err
load_incarnation(struct agent *agent, struct kv_txn *txn)
{
    struct bytes value;
    enum err err = kv_get(txn, TABLE_META, bytes_of_text(meta_incarnation), &value);

    agent->has_incarnation = err == ERR_OK;
    if (err == ERR_NOT_FOUND)
        return ERR_OK;
    if (err == ERR_OK && value.len != sizeof(agent->incarnation))
        return ERR_CORRUPT;
    if (err == ERR_OK)
        memcpy(agent->incarnation, value.data, sizeof(agent->incarnation));
    return err;
}

static enum err
load_latest(struct agent *agent, struct kv_txn *txn)
{
    struct bytes value;
    enum err err = kv_get(txn, TABLE_META, bytes_of_text(meta_latest), &value);

    agent->latest = (struct latest_entry){.known = false};
    if (err != ERR_OK)
        return err == ERR_NOT_FOUND ? ERR_OK : err;
    struct reader reader = reader_of(value);
    struct latest_entry latest = {.known = true};
    latest.index = reader_u64(&reader);
    latest.log_time_ms = reader_i64(&reader);
    err = reader_err(&reader);
    if (err == ERR_OK)
        agent->latest = latest;
    return err;
}

static enum err
load_meta(struct agent *agent, struct kv_txn *txn)
{
    enum err err = load_number(txn, meta_cursor, &agent->cursor);

    if (err == ERR_OK)
        err = load_number(txn, meta_born, &agent->born_at);
    if (err == ERR_OK)
        err = load_number(txn, meta_proved_from, &agent->proved_from);
    if (err == ERR_OK)
        err = load_latest(agent, txn);
    return err == ERR_OK ? load_incarnation(agent, txn) : err;
}

enum err
state_reload(struct agent *agent)
{
    CLEANUP(kv_abort) struct kv_txn *txn = NULL;
    enum err err = kv_begin_read(agent->kv, &txn);

    if (err == ERR_OK)
        err = load_meta(agent, txn);
    if (err == ERR_OK)
        err = load_directory(agent, txn);
    if (err == ERR_OK)
        err = proof_load(agent, txn);
    return err == ERR_OK ? outbox_load(&agent->outbox, txn) : err;
}

enum err
state_put_cursor(struct unit *unit, uint64_t cursor)
{
    uint8_t value[8];

    return unit_put(unit, TABLE_META, bytes_of_text(meta_cursor), kv_key_u64(cursor, value));
}

enum err
state_put_incarnation(struct unit *unit, const uint8_t incarnation[INCARNATION_BYTES])
{
    return unit_put(unit, TABLE_META, bytes_of_text(meta_incarnation),
                    bytes_of(incarnation, INCARNATION_BYTES));
}

static enum err
put_number(struct unit *unit, const char *word, uint64_t number)
{
    uint8_t value[8];

    return unit_put(unit, TABLE_META, bytes_of_text(word), kv_key_u64(number, value));
}

enum err
state_put_birth(struct unit *unit, uint64_t index)
{
    unit->touched = true;
    unit->agent->born_at = index;
    return put_number(unit, meta_born, index);
}

enum err
state_put_latest(struct unit *unit)
{
    CLEANUP(buffer_done) struct buffer value = BUFFER_INIT(LATEST_BYTES);
    const struct latest_entry *latest = &unit->agent->latest;

    if (!latest->known)
        return ERR_OK;
    buffer_put_u64(&value, latest->index);
    buffer_put_i64(&value, latest->log_time_ms);
    return unit_put_record(unit, TABLE_META, bytes_of_text(meta_latest), &value);
}

enum err
state_upgrade(struct unit *unit)
{
    uint64_t cursor = 0;

    if (!kv_has(unit->txn, TABLE_META, bytes_of_text(meta_incarnation)) ||
        kv_has(unit->txn, TABLE_META, bytes_of_text(meta_born)))
        return ERR_OK;
    enum err err = load_number(unit->txn, meta_cursor, &cursor);
    if (err == ERR_OK)
        err = put_number(unit, meta_born, cursor);
    return err == ERR_OK ? put_number(unit, meta_proved_from, cursor) : err;
}
