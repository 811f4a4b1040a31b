/* Decides what an alarm is on disk, and that what stops sending stands there as well: whatever
 * happens next, an agent that has caught its broker lying starts again stopped. A broker that lies
 * without end costs a bounded number of records. It refuses to know what is a lie. */
#include "agent/alarm.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "agent/alarm_record.h"
#include "agent/state.h"

enum { ALARM_VERSION = 1, RECORD_BYTES_MAX = ALARM_PROOF_MAX + 512 };
static const char meta_stopped[] = "stopped";

static const struct {
    bool stops;
    const char *word, *sentence;
} rows[] = {
#define ALARM_ROW(symbol, number, stops, word, sentence) [symbol] = {stops, word, sentence},
    ALARM_TABLE(ALARM_ROW)
#undef ALARM_ROW
};

const char *
alarm_word(enum alarm_kind kind)
{
    size_t place = (size_t)kind;

    return place < ARRAY_LEN(rows) && rows[place].word != NULL ? rows[place].word : "unknown";
}

const char *
alarm_sentence(enum alarm_kind kind)
{
    size_t place = (size_t)kind;

    return place < ARRAY_LEN(rows) && rows[place].sentence != NULL
               ? rows[place].sentence
               : "This program does not know what this alarm means.";
}

bool
alarm_stops(enum alarm_kind kind)
{
    size_t place = (size_t)kind;

    return place < ARRAY_LEN(rows) && rows[place].stops;
}

struct bytes
alarm_record_key(uint32_t number, uint8_t out[ALARM_KEY_BYTES])
{
    for (unsigned i = 0; i < ALARM_KEY_BYTES; i++)
        out[i] = (uint8_t)((number >> (24 - 8 * i)) & 0xffU);
    return bytes_of(out, ALARM_KEY_BYTES);
}

enum err
alarm_record_decode(struct bytes key, struct bytes record, struct alarm *alarm_out)
{
    struct reader number = reader_of(key);
    struct reader reader = reader_of(record);
    struct alarm alarm = {.number = reader_u32(&number)};

    if (reader_u8(&reader) != ALARM_VERSION)
        return ERR_CORRUPT;
    alarm.kind = (enum alarm_kind)reader_u8(&reader);
    alarm.raised_ms = reader_i64(&reader);
    alarm.settled_ms = reader_i64(&reader);
    alarm.index = reader_u64(&reader);
    reader_text(&reader, alarm.about, sizeof(alarm.about));
    alarm.proof = reader_blob(&reader);
    if (reader_err(&reader) != ERR_OK || reader_err(&number) != ERR_OK)
        return ERR_CORRUPT;
    *alarm_out = alarm;
    return ERR_OK;
}

enum err
alarm_record_put(struct unit *unit, const struct alarm *alarm)
{
    CLEANUP(buffer_done) struct buffer record = BUFFER_INIT(RECORD_BYTES_MAX);
    uint8_t key[ALARM_KEY_BYTES];

    buffer_put_u8(&record, ALARM_VERSION);
    buffer_put_u8(&record, (uint8_t)alarm->kind);
    buffer_put_i64(&record, alarm->raised_ms);
    buffer_put_i64(&record, alarm->settled_ms);
    buffer_put_u64(&record, alarm->index);
    buffer_put_text(&record, alarm->about);
    buffer_put_blob(&record, alarm->proof);
    return unit_put_record(unit, TABLE_ALARMS, alarm_record_key(alarm->number, key), &record);
}

enum err
alarm_record_open(struct kv_txn *txn, struct kv_cursor **cursor_out)
{
    uint8_t first[ALARM_KEY_BYTES];

    return kv_cursor_open(txn, TABLE_ALARMS, alarm_record_key(0, first), cursor_out);
}

/* What is on disk already, as seen by a new one. */
struct census {
    size_t n;
    uint32_t newest;         /* number */
    uint32_t oldest_settled; /* number, 0 when none is settled */
    bool known;
};

/* A loop with a hole in it shows the hole with every further statement; people have been told once.
 * A log that is not ours is of another length each time it is shown. What was said in our name in
 * one loop is one story, be it a thief's or that of a store put back from an older copy; each
 * change of our keys is told. */
static bool
says_the_same(const struct alarm *a, const struct alarm *b, const char *self)
{
    if (a->kind != b->kind)
        return false;
    if (a->kind == ALARM_ROLLED_BACK || a->kind == ALARM_REWRITTEN)
        return a->settled_ms == 0;
    if (strcmp(a->about, b->about) != 0)
        return false;
    if (a->kind == ALARM_WITHHELD)
        return true;
    bool of_one_loop = a->kind == ALARM_NOT_OURS && strcmp(a->about, self) != 0;
    return (of_one_loop || a->index == b->index) && a->settled_ms == 0;
}

static enum err
take_census(struct kv_txn *txn, const struct alarm *alarm, const char *self, struct census *census)
{
    CLEANUP(kv_cursor_closep) struct kv_cursor *cursor = NULL;
    struct bytes key, record;
    struct alarm stored;
    enum err err = alarm_record_open(txn, &cursor);

    while (err == ERR_OK) {
        err = kv_cursor_next(cursor, &key, &record);
        if (err == ERR_OK)
            err = alarm_record_decode(key, record, &stored);
        if (err != ERR_OK)
            break;
        census->n++;
        census->newest = stored.number;
        if (stored.settled_ms != 0 && census->oldest_settled == 0)
            census->oldest_settled = stored.number;
        census->known |= says_the_same(&stored, alarm, self);
    }
    return err == ERR_NOT_FOUND ? ERR_OK : err;
}

/* What people have settled makes room; what they have not looked at is never dropped. */
static enum err
store(struct unit *unit, struct alarm *alarm, const struct census *census)
{
    uint8_t key[ALARM_KEY_BYTES];
    enum err err = ERR_OK;

    if (census->n >= ALARMS_KEPT) {
        if (census->oldest_settled == 0)
            return ERR_OK;
        err = unit_delete(unit, TABLE_ALARMS, alarm_record_key(census->oldest_settled, key));
    }
    alarm->number = census->newest + 1;
    if (err == ERR_OK)
        err = alarm_record_put(unit, alarm);
    if (err == ERR_OK)
        unit->agent->proof.n_alarms++;
    return err;
}

static enum err
stop(struct unit *unit)
{
    static const uint8_t one = 1;
    struct proof_state *proof = &unit->agent->proof;

    if (proof->stopped)
        return ERR_OK;
    proof->stopped = true;
    return unit_put(unit, TABLE_META, bytes_of_text(meta_stopped), bytes_of(&one, 1));
}

enum err
alarm_raise(struct unit *unit, enum alarm_kind kind, uint64_t index, struct bytes proof,
            const char *about_format, ...)
{
    struct alarm alarm = {
        .kind = kind, .raised_ms = unit->now.wall_ms, .index = index, .proof = proof};
    struct census census = {.n = 0};
    va_list arguments;

    if (alarm.proof.len > ALARM_PROOF_MAX)
        alarm.proof.len = ALARM_PROOF_MAX;
    va_start(arguments, about_format);
    (void)vsnprintf(alarm.about, sizeof(alarm.about), about_format, arguments); /* may be cut */
    va_end(arguments);
    enum err err = take_census(unit->txn, &alarm, unit->agent->identity->org, &census);
    if (err != ERR_OK || census.known)
        return err;
    unit->touched = true;
    err = store(unit, &alarm, &census);
    return err == ERR_OK && alarm_stops(kind) ? stop(unit) : err;
}

enum err
alarm_load(struct kv_txn *txn, uint32_t *n_standing_out, bool *stopped_out)
{
    CLEANUP(kv_cursor_closep) struct kv_cursor *cursor = NULL;
    struct bytes key, record;
    struct alarm alarm;
    uint32_t n = 0;
    enum err err = alarm_record_open(txn, &cursor);

    while (err == ERR_OK) {
        err = kv_cursor_next(cursor, &key, &record);
        if (err == ERR_OK)
            err = alarm_record_decode(key, record, &alarm);
        if (err == ERR_OK && alarm.settled_ms == 0)
            n++;
    }
    if (err != ERR_NOT_FOUND)
        return err;
    *n_standing_out = n;
    *stopped_out = kv_has(txn, TABLE_META, bytes_of_text(meta_stopped));
    return ERR_OK;
}

enum err
alarm_record_clear_stop(struct unit *unit)
{
    return unit_delete(unit, TABLE_META, bytes_of_text(meta_stopped));
}

enum err
alarm_record_find(struct kv_txn *txn, enum alarm_kind kind, const char *about, bool *found_out)
{
    CLEANUP(kv_cursor_closep) struct kv_cursor *cursor = NULL;
    struct bytes key, record;
    struct alarm alarm;
    bool found = false;
    enum err err = alarm_record_open(txn, &cursor);

    while (err == ERR_OK && !found) {
        err = kv_cursor_next(cursor, &key, &record);
        if (err == ERR_OK)
            err = alarm_record_decode(key, record, &alarm);
        found = err == ERR_OK && alarm.kind == kind && strcmp(alarm.about, about) == 0;
    }
    if (err != ERR_OK && err != ERR_NOT_FOUND)
        return err;
    *found_out = found;
    return ERR_OK;
}
