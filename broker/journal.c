/* Decides the stored form of entries and projections. Everything goes into the transaction it is
 * given: nothing here commits, and nothing is kept in memory. It refuses to know who may say what
 * (judge.c) and when turns end (turn.c). */
#include "broker/journal.h"

#include <string.h>

const char *const tables_names[TABLE_COUNT] = {
    [TABLE_META] = "meta",   [TABLE_LOG] = "log",         [TABLE_SEALED] = "sealed",
    [TABLE_IDS] = "ids",     [TABLE_MAILBOX] = "mailbox", [TABLE_DIRECTORY] = "directory",
    [TABLE_LOOPS] = "loops", [TABLE_TREE] = "tree",       [TABLE_COPIES] = "copies",
};

enum { TIME_BYTES = 8, RECEIPT_ROW_BYTES = 8 + 1 + 1 + DIGEST_BYTES };

static struct bytes
id_key(const struct digest *id)
{
    return bytes_of(id->bytes, DIGEST_BYTES);
}

static enum err
add_member(const struct directory *directory, const char *org, struct journal_draft *draft)
{
    const struct member *member = directory_find(directory, org);
    if (member == NULL) {
        return ERR_UNKNOWN_MEMBER;
    }
    draft->members[draft->n_members++] = member->handle;
    return ERR_OK;
}

enum err
journal_draft_init(const struct directory *directory, const struct statement *statement,
                   const struct envelope *envelope, const struct digest *id, uint64_t index,
                   int64_t log_time_ms, struct journal_draft *draft_out)
{
    struct journal_draft draft = {
        .index = index, .log_time_ms = log_time_ms, .id = *id, .envelope = *envelope};
    if (statement->kind == STATEMENT_LOOP) {
        const struct statement_loop *loop = &statement->as.loop;
        enum err err = add_member(directory, statement->author, &draft);
        for (size_t i = 0; err == ERR_OK && i < loop->n_readers && i < LIMIT_READERS; i++) {
            err = add_member(directory, loop->readers[i].org, &draft);
        }
        if (err != ERR_OK) {
            return err;
        }
    }
    *draft_out = draft;
    return ERR_OK;
}

static enum err
receipt_row(const struct journal_draft *draft, journal_row row, void *context)
{
    CLEANUP(buffer_done) struct buffer value = BUFFER_INIT(RECEIPT_ROW_BYTES);
    buffer_put_u64(&value, draft->index);
    buffer_put_u8(&value, (uint8_t)draft->verdict.result);
    buffer_put_u8(&value, (uint8_t)draft->verdict.state);
    buffer_put(&value, draft->verdict.superseded_by.bytes, DIGEST_BYTES);
    if (buffer_err(&value) != ERR_OK) {
        return ERR_MEMORY;
    }
    return row(context, TABLE_IDS, id_key(&draft->id), buffer_view(&value));
}

enum err
journal_rows(const struct journal_draft *draft, journal_row row, void *context)
{
    uint8_t key[MAILBOX_KEY_BYTES];
    enum err err = receipt_row(draft, row, context);
    if (err == ERR_OK && draft->n_members == 0) {
        err = row(context, TABLE_DIRECTORY, kv_key_u64(draft->index, key), bytes_of(NULL, 0));
    }
    for (size_t i = 0; err == ERR_OK && i < draft->n_members; i++) {
        uint8_t part = i == 0 ? JOURNAL_AUTHOR : JOURNAL_READER;
        err = row(context, TABLE_MAILBOX, tables_mailbox_key(draft->members[i], draft->index, key),
                  bytes_of(&part, 1));
    }
    return err;
}

static enum err
put_row(void *context, enum table table, struct bytes key, struct bytes value)
{
    return kv_put(context, table, key, value);
}

static enum err
put_track(struct kv_txn *txn, const struct track *track)
{
    CLEANUP(buffer_done) struct buffer value = BUFFER_INIT(LIMIT_UNPACK_BYTES);
    track_encode(track, &value);
    if (buffer_err(&value) != ERR_OK) {
        return ERR_MEMORY; /* TRACK_MARKS_MAX marks take a fraction of the maximum */
    }
    return kv_put(txn, TABLE_LOOPS, tables_loop_key(&track->loop), buffer_view(&value));
}

enum err
journal_project(struct kv_txn *txn, const struct journal_draft *draft, const struct track *track)
{
    enum err err = journal_rows(draft, put_row, txn);
    return err == ERR_OK && track != NULL ? put_track(txn, track) : err;
}

enum err
journal_append(struct kv_txn *txn, const struct journal_draft *draft, const struct track *track,
               struct merkle_hash *leaf_out)
{
    CLEANUP(buffer_done) struct buffer value = BUFFER_INIT(LIMIT_FRAME_BYTES);
    uint8_t key[8];
    buffer_put_i64(&value, draft->log_time_ms);
    envelope_leaf(&draft->envelope, &value);
    if (buffer_err(&value) != ERR_OK) {
        return ERR_MEMORY; /* an envelope within its limits cannot reach the maximum */
    }
    enum err err = kv_put(txn, TABLE_LOG, kv_key_u64(draft->index, key), buffer_view(&value));
    if (err == ERR_OK && draft->envelope.sealed.len > 0) {
        err = kv_put(txn, TABLE_SEALED, bytes_of(key, sizeof(key)), draft->envelope.sealed);
    }
    if (err == ERR_OK) {
        err = journal_project(txn, draft, track);
    }
    if (err == ERR_OK) {
        merkle_leaf(buffer_view(&value), leaf_out);
    }
    return err;
}

enum err
journal_load(struct kv_txn *txn, uint64_t index, struct journal_entry *entry_out)
{
    struct journal_entry entry = {.index = index};
    struct bytes value;
    uint8_t key[8];
    enum err err = kv_get(txn, TABLE_LOG, kv_key_u64(index, key), &value);
    if (err != ERR_OK) {
        return err;
    }
    if (value.len < TIME_BYTES) {
        return ERR_CORRUPT;
    }
    struct reader reader = reader_of(value);
    entry.row = value;
    entry.log_time_ms = reader_i64(&reader);
    entry.leaf = reader.rest;
    if (envelope_from_leaf(entry.leaf, &entry.envelope) != ERR_OK) {
        return ERR_CORRUPT; /* whatever it says of a leaf: this one is ours */
    }
    *entry_out = entry;
    return ERR_OK;
}

enum err
journal_load_sealed(struct kv_txn *txn, struct journal_entry *entry)
{
    uint8_t key[8];
    enum err err =
        kv_get(txn, TABLE_SEALED, kv_key_u64(entry->index, key), &entry->envelope.sealed);
    return err == ERR_NOT_FOUND ? ERR_OK : err;
}

enum err
journal_find_receipt(struct kv_txn *txn, const struct digest *id, struct receipt *receipt_out)
{
    struct receipt receipt = {.id = *id};
    struct bytes value;
    struct journal_entry entry;
    enum err err = kv_get(txn, TABLE_IDS, id_key(id), &value);
    if (err != ERR_OK) {
        return err;
    }
    struct reader reader = reader_of(value);
    receipt.index = reader_u64(&reader);
    receipt.result = (enum receipt_result)reader_u8(&reader);
    receipt.state = (enum loop_state)reader_u8(&reader);
    reader_copy(&reader, receipt.superseded_by.bytes, DIGEST_BYTES);
    err = reader_err(&reader);
    if (err == ERR_OK) {
        err = journal_load(txn, receipt.index, &entry);
    }
    if (err != ERR_OK) {
        return ERR_CORRUPT; /* an id without its entry */
    }
    receipt.log_time_ms = entry.log_time_ms;
    *receipt_out = receipt;
    return ERR_OK;
}

enum err
journal_read_head(struct kv_txn *txn, struct journal_head *head_out)
{
    struct journal_head head = {.loops = kv_count(txn, TABLE_LOOPS)};
    struct bytes key;
    struct bytes value;
    struct journal_entry entry;
    enum err err = kv_last(txn, TABLE_LOG, &key, &value);
    if (err == ERR_OK) {
        head.entries = kv_u64_of_key(key) + 1;
        err = journal_load(txn, head.entries - 1, &entry);
        head.log_time_ms = err == ERR_OK ? entry.log_time_ms : 0;
    } else if (err == ERR_NOT_FOUND) {
        err = ERR_OK;
    }
    if (err == ERR_OK && head.entries != kv_count(txn, TABLE_LOG)) {
        err = ERR_CORRUPT; /* a gap */
    }
    if (err == ERR_OK) {
        *head_out = head;
    }
    return err;
}

int64_t
journal_next_time(const struct journal_head *head, int64_t wall_ms)
{
    return wall_ms > head->log_time_ms ? wall_ms : head->log_time_ms + 1;
}

enum err
journal_load_track(struct kv_txn *txn, const struct loop_id *loop, struct track *track_out)
{
    struct bytes value;
    enum err err = kv_get(txn, TABLE_LOOPS, tables_loop_key(loop), &value);
    return err == ERR_OK ? track_decode(value, track_out) : err;
}

bool
journal_find_role(const struct track *track, const char *org, enum loop_role *role_out)
{
    for (enum loop_role role = LOOP_SOURCE; role < LOOP_ROLE_COUNT; role++) {
        if (strcmp(track->side[role].org, org) == 0) {
            *role_out = role;
            return true;
        }
    }
    return false;
}

struct track_step
journal_step(const struct statement_loop *loop, const struct digest *id, enum loop_role role)
{
    return (struct track_step){
        .role = role,
        .event = loop->event,
        .seq = loop->seq,
        .previous = loop->previous,
        .heard = loop->heard,
        .id = *id,
    };
}
