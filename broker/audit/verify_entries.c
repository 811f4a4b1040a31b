/* Decides of each entry by itself whether it is what it claims: in its place, after the one before
 * it, by an author who had that key then, to readers who had theirs, with the sealed part that was
 * signed, in the mailboxes it belongs in. Entries are taken in chunks, in the order of the log, so
 * that when one is bad every lower one is still looked at. What a statement does to its loop is put
 * aside for verify_loops.c.
 *
 * The entries that make the directory were verified when it was folded, in their order: here only
 * their places and rows are left. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "broker/audit/verify.h"
#include "lib/wire/sealed.h"

enum { INDEX_BYTES = 8 };

struct reading {
    uint64_t index;
    struct bytes row;
    int64_t log_time_ms;
    struct envelope envelope; /* sealed: empty when there is none (any more) */
    struct statement statement;
    struct digest id;
};

/* Two walks beside one another: every entry, and the sealed parts that are still there. */
struct walk {
    struct kv_cursor *log, *sealed;
    enum err sealed_err; /* of the sealed part that comes next */
    uint64_t sealed_index;
    struct bytes sealed_bytes;
    int64_t log_time_ms; /* of the entry before */
};

static void
break_off(struct verify_worker *worker, enum err err)
{
    finding_break(&worker->verify->finding, err, "the log cannot be read: %s", err_text(err));
}

static bool
is_damaged(struct verify_worker *worker, enum table table, uint64_t index)
{
    uint8_t key[INDEX_BYTES];
    struct bytes value;
    return kv_get(worker->txn, table, kv_key_u64(index, key), &value) == ERR_CORRUPT;
}

void
verify_entries_bad(struct verify_worker *worker, uint64_t index, const char *format, ...)
{
    char text[COMPLAINT_MAX_BYTES];
    struct finding *finding = &worker->verify->finding;
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    if (is_damaged(worker, TABLE_LOG, index)) {
        finding_entry(finding, index,
                      "its record is damaged: these are not the bytes once written");
    } else if (verify_signatures_find_forgery(worker, index)) {
        return; /* found, and the reason of all others */
    } else if (is_damaged(worker, TABLE_SEALED, index)) {
        finding_entry(finding, index, "the record of its sealed part is damaged");
    } else {
        finding_entry(finding, index, "%s", text);
    }
}

static bool
bad(struct verify_worker *worker, uint64_t index, const char *what)
{
    verify_entries_bad(worker, index, "%s", what);
    return false;
}

/* ---- walking ---- */

static void
walk_done(struct walk *walk)
{
    kv_cursor_close(walk->log);
    kv_cursor_close(walk->sealed);
}

static void
next_sealed(struct verify_worker *worker, struct walk *walk)
{
    struct bytes key;
    walk->sealed_err = kv_cursor_next_unchecked(walk->sealed, &key, &walk->sealed_bytes);
    if (walk->sealed_err != ERR_OK) {
        return;
    }
    if (key.len != INDEX_BYTES) {
        walk->sealed_err = ERR_NOT_FOUND;
        finding_other(&worker->verify->finding, "table sealed: a key is damaged");
        return;
    }
    walk->sealed_index = kv_u64_of_key(key);
}

/* A first entry that cannot be read is found by whoever has it in his chunk. */
static int64_t
time_before(struct verify_worker *worker, uint64_t index)
{
    struct journal_entry entry;
    return index > 0 && journal_load(worker->txn, index - 1, &entry) == ERR_OK ? entry.log_time_ms
                                                                               : INT64_MIN;
}

static enum err
walk_init(struct walk *walk, struct verify_worker *worker, uint64_t from)
{
    uint8_t key[INDEX_BYTES];
    struct bytes start = kv_key_u64(from, key);
    *walk = (struct walk){.log_time_ms = time_before(worker, from)};
    enum err err = kv_cursor_open(worker->txn, TABLE_LOG, start, &walk->log);
    if (err == ERR_OK) {
        err = kv_cursor_open(worker->txn, TABLE_SEALED, start, &walk->sealed);
    }
    if (err == ERR_OK) {
        next_sealed(worker, walk);
    }
    return err;
}

static bool
next_row(struct verify_worker *worker, struct walk *walk, uint64_t index, struct bytes *row_out)
{
    uint8_t wanted[INDEX_BYTES];
    struct bytes key;
    enum err err = kv_cursor_next_unchecked(walk->log, &key, row_out);
    if (err == ERR_OK && bytes_equal(key, kv_key_u64(index, wanted))) {
        return true;
    }
    if (err == ERR_OK || err == ERR_CORRUPT || err == ERR_NOT_FOUND) {
        return bad(worker, index, "it is missing");
    }
    break_off(worker, err);
    return false;
}

/* The sealed part of an entry, if there is one. */
static bool
take_sealed(struct verify_worker *worker, struct walk *walk, struct reading *entry)
{
    uint8_t key[INDEX_BYTES];
    if (walk->sealed_err == ERR_OK && walk->sealed_index == entry->index) {
        entry->envelope.sealed = walk->sealed_bytes;
        worker->counts.sealed++;
        next_sealed(worker, walk);
        return true;
    }
    if (walk->sealed_err == ERR_CORRUPT &&
        kv_has(worker->txn, TABLE_SEALED, kv_key_u64(entry->index, key))) {
        return bad(worker, entry->index, "its sealed part is no record");
    }
    if (walk->sealed_err != ERR_OK && walk->sealed_err != ERR_CORRUPT &&
        walk->sealed_err != ERR_NOT_FOUND) {
        break_off(worker, walk->sealed_err);
        return false;
    }
    return true;
}

/* ---- one entry ---- */

static bool
parse(struct verify_worker *worker, struct bytes row, struct reading *entry)
{
    struct reader reader = reader_of(row);
    entry->row = row;
    entry->log_time_ms = reader_i64(&reader);
    if (reader.bad || envelope_from_leaf(reader.rest, &entry->envelope) != ERR_OK) {
        return bad(worker, entry->index, "it is not a statement with a signature");
    }
    enum err err = statement_decode(entry->envelope.statement, &entry->statement);
    if (err == ERR_MEMORY) {
        break_off(worker, err);
        return false;
    }
    if (err != ERR_OK) {
        return bad(worker, entry->index, "it is not a statement");
    }
    if (memcmp(&entry->statement.network, &worker->verify->audit->network,
               sizeof(entry->statement.network)) != 0) {
        return bad(worker, entry->index, "it belongs to another network");
    }
    entry->id = statement_id(entry->envelope.statement);
    return true;
}

static bool
check_sealed(struct verify_worker *worker, const struct reading *entry)
{
    const struct statement *statement = &entry->statement;
    struct bytes sealed = entry->envelope.sealed;
    if (sealed.len == 0) {
        return true; /* there never was one, or it has been erased */
    }
    if (statement->kind != STATEMENT_LOOP || !statement->as.loop.has_sealed) {
        return bad(worker, entry->index, "it has a sealed part that nobody has signed");
    }
    struct digest digest = sealed_digest(sealed);
    return digest_equal(&digest, &statement->as.loop.sealed_digest) ||
           bad(worker, entry->index, "its sealed part is not the one that was signed");
}

/* What an organization was then; NULL, and found, when it was no member with this key. `whom` is a
 * word for it. */
static const struct keyring_org *
find_then(struct verify_worker *worker, uint64_t index, const char *whom, const char *name,
          const struct key_id *key, const struct keyring_span **span_out)
{
    const struct keyring_org *org = keyring_find(&worker->verify->audit->keyring, name);
    const struct keyring_span *span = org != NULL ? keyring_at(org, index) : NULL;
    if (span == NULL || span->state == MEMBER_INVITED) {
        verify_entries_bad(worker, index, "its %s, %s, was no member then", whom, name);
        return NULL;
    }
    if (memcmp(&span->key_id, key, sizeof(*key)) != 0) {
        verify_entries_bad(worker, index, "it names a key that its %s, %s, did not have then", whom,
                           name);
        return NULL;
    }
    *span_out = span;
    return org;
}

static bool
check_author(struct verify_worker *worker, const struct reading *entry,
             const struct keyring_org **author_out)
{
    const struct statement *statement = &entry->statement;
    const struct keyring_span *span = NULL;
    const struct keyring_org *author =
        find_then(worker, entry->index, "author", statement->author, &statement->author_key, &span);
    if (author == NULL) {
        return false;
    }
    if (span->state == MEMBER_REVOKED) {
        verify_entries_bad(worker, entry->index, "its author, %s, had been revoked then",
                           statement->author);
        return false;
    }
    verify_signatures_add(worker, entry->index, entry->row, author, span);
    *author_out = author;
    return true;
}

/* A step that ends a loop may name a reader that has been revoked, with its last key. */
static bool
check_readers(struct verify_worker *worker, const struct reading *entry,
              struct journal_draft *draft)
{
    const struct statement_loop *loop = &entry->statement.as.loop;
    const struct keyring_span *span = NULL;
    for (size_t i = 0; i < loop->n_readers && i < LIMIT_READERS; i++) {
        const struct statement_reader *reader = &loop->readers[i];
        const struct keyring_org *org =
            find_then(worker, entry->index, "reader", reader->org, &reader->key, &span);
        if (org == NULL) {
            return false;
        }
        for (size_t k = 0; k < draft->n_members; k++) {
            if (draft->members[k] == org->handle) {
                return bad(worker, entry->index, "it names an organization twice");
            }
        }
        draft->members[draft->n_members++] = org->handle;
    }
    return draft->n_members > 1 || bad(worker, entry->index, "it is addressed to nobody");
}

static bool
put_aside(struct verify_worker *worker, const struct reading *entry,
          const struct journal_draft *draft)
{
    const struct statement_loop *loop = &entry->statement.as.loop;
    struct spill_record record = {
        .log_time_ms = entry->log_time_ms,
        .author = draft->members[0],
        .reader = draft->members[1],
        .id = entry->id,
        .previous = loop->previous,
        .heard = loop->heard,
        .delivered = loop->delivered,
        .seq = loop->seq,
        .event = loop->event,
    };
    memcpy(record.loop, loop->loop.bytes, sizeof(record.loop));
    (void)kv_key_u64(entry->index, record.index);
    enum err err = spill_add(&worker->writer, &record);
    if (err != ERR_OK) {
        finding_break(&worker->verify->finding, err,
                      "a temporary file cannot be written (see TMPDIR): %s", err_text(err));
    }
    return err == ERR_OK;
}

static bool
check_loop_entry(struct verify_worker *worker, const struct reading *entry)
{
    struct verify_row row = {.worker = worker, .index = entry->index};
    struct journal_draft draft = {.index = entry->index, .id = entry->id, .n_members = 1};
    const struct keyring_org *author = NULL;
    if (!check_author(worker, entry, &author)) {
        return false;
    }
    draft.members[0] = author->handle;
    worker->counts.statements++;
    return check_readers(worker, entry, &draft) && check_sealed(worker, entry) &&
           journal_rows(&draft, verify_mail_expect, &row) == ERR_OK &&
           put_aside(worker, entry, &draft);
}

/* One whose row is missing has not been folded: the keys it brings are nobody's. */
static bool
check_directory_entry(struct verify_worker *worker, const struct reading *entry)
{
    struct verify_row row = {.worker = worker, .index = entry->index};
    const struct journal_draft draft = {
        .index = entry->index, .id = entry->id, .verdict.result = RECEIPT_ACCEPTED};
    worker->counts.statements++;
    return check_sealed(worker, entry) && journal_rows(&draft, verify_row_compare, &row) == ERR_OK;
}

static bool
check_entry(struct verify_worker *worker, struct walk *walk, uint64_t index,
            struct merkle_hash *leaf_out)
{
    struct reading entry;
    struct bytes row;
    if (!next_row(worker, walk, index, &row)) {
        return false;
    }
    entry.index = index;
    merkle_leaf(row, leaf_out);
    if (!parse(worker, row, &entry) || !take_sealed(worker, walk, &entry)) {
        return false;
    }
    bool right = entry.statement.kind == STATEMENT_LOOP ? check_loop_entry(worker, &entry)
                                                        : check_directory_entry(worker, &entry);
    if (right && entry.log_time_ms <= walk->log_time_ms && index > 0) {
        right = bad(worker, index, "its time is not after that of the entry before it");
    }
    walk->log_time_ms = entry.log_time_ms;
    return right;
}

/* ---- chunks ---- */

static void
check_chunk(struct verify_worker *worker, uint64_t from, uint64_t to)
{
    CLEANUP(walk_done) struct walk walk = {.log = NULL};
    const struct finding *finding = &worker->verify->finding;
    uint64_t at = from;
    enum err err = walk_init(&walk, worker, from);
    if (err != ERR_OK) {
        break_off(worker, err);
        return;
    }
    while (at < to && !finding_is_before(finding, at) &&
           check_entry(worker, &walk, at, &worker->leaves[at - from])) {
        at++;
    }
    verify_signatures_run(worker);
    verify_mail_run(worker);
    /* Also those below a bad one: a changed time shows nowhere else. */
    if (at > from) {
        verify_tree_chunk(worker, from, at, worker->leaves);
    }
    atomic_fetch_add(&worker->verify->done, to - from);
}

void
verify_entries_run(struct verify_worker *worker)
{
    struct verify *verify = worker->verify;
    uint64_t first_chunk = verify->from / VERIFY_CHUNK;
    for (;;) {
        uint64_t chunk = first_chunk + atomic_fetch_add(&verify->next, 1);
        uint64_t from = chunk * VERIFY_CHUNK;
        uint64_t to = from + VERIFY_CHUNK < verify->to ? from + VERIFY_CHUNK : verify->to;
        from = from > verify->from ? from : verify->from;
        if (from >= to || finding_is_before(&verify->finding, from)) {
            break;
        }
        check_chunk(worker, from, to);
    }
    enum err err = spill_flush(&worker->writer);
    if (err != ERR_OK) {
        finding_break(&verify->finding, err, "a temporary file cannot be written (see TMPDIR): %s",
                      err_text(err));
    }
}
