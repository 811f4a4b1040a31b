/* Decides of each loop whether its statements are steps it could take, in their sequence, and
 * whether what is stored of it (the loop's row, the receipts) is what follows from them. The rules
 * are the track's (lib/loop), the ones by which the broker took the statements.
 *
 * A verification that begins from a checkpoint believes what is stored of a loop below it, as far
 * as that is in the log, and goes on from there. */
#include <stdlib.h>
#include <string.h>

#include "broker/audit/verify.h"

/* One loop being folded. */
struct folding {
    struct verify_worker *worker;
    const struct spill_record *records;
    size_t n;
    struct loop_id loop;
    struct track track;
    bool goes_on; /* it began below the checkpoint */
};

static const char *
org_of(const struct verify_worker *worker, uint64_t handle)
{
    const struct keyring_org *org = keyring_find_handle(&worker->verify->audit->keyring, handle);
    return org != NULL ? org->org : "";
}

static bool
bad(const struct folding *folding, const struct spill_record *record, const char *what)
{
    finding_entry(&folding->worker->verify->finding, spill_index(record), "%s", what);
    return false;
}

static void
bad_loop(const struct folding *folding, const char *what)
{
    char text[LOOP_ID_TEXT];
    ident_format(&folding->loop, text);
    finding_other(&folding->worker->verify->finding, "loop %s: %s", text, what);
}

/* False when there is none; found, when it cannot be read. */
static bool
load_stored(struct folding *folding, struct bytes *value_out)
{
    enum err err =
        kv_get(folding->worker->txn, TABLE_LOOPS, tables_loop_key(&folding->loop), value_out);
    if (err == ERR_CORRUPT) {
        bad_loop(folding, "what is stored of it is damaged");
    } else if (err != ERR_OK && err != ERR_NOT_FOUND) {
        finding_break(&folding->worker->verify->finding, err, "the store cannot be read: %s",
                      err_text(err));
    }
    return err == ERR_OK;
}

/* ---- what is believed of a loop below the checkpoint ---- */

/* The index that the receipt of a statement names; UINT64_MAX when there is none. */
static uint64_t
index_of(const struct folding *folding, const struct digest *id)
{
    struct bytes value;
    struct bytes key = bytes_of(id->bytes, sizeof(id->bytes));
    if (kv_get(folding->worker->txn, TABLE_IDS, key, &value) != ERR_OK) {
        return UINT64_MAX;
    }
    struct reader reader = reader_of(value);
    uint64_t index = reader_u64(&reader);
    return reader.bad ? UINT64_MAX : index;
}

/* Takes back the marks from the checkpoint on. */
static bool
rewind_marks(struct folding *folding)
{
    struct track *track = &folding->track;
    struct loop_position position = {LOOP_NONE, LOOP_NONE};
    size_t n = 0;
    for (; n < track->n_marks && track->marks[n].index < folding->worker->verify->from; n++) {
        const struct track_mark *mark = &track->marks[n];
        if (index_of(folding, &mark->id) != mark->index) {
            bad_loop(folding, "what is stored of it names a statement that is not in the log");
            return false;
        }
        if (!mark->superseded) {
            (void)lifecycle_step(position, mark->event, mark->role, &position);
        }
    }
    track->n_marks = n;
    track->position = position;
    return true;
}

/* The statement a side's first new one follows is of this loop, by that side, one before it. */
static bool
is_chained(const struct folding *folding, const struct spill_record *record, const char *org)
{
    struct journal_entry entry;
    struct statement before;
    if (record->seq <= 1) {
        return record->seq == 1 && digest_is_zero(&record->previous);
    }
    uint64_t index = index_of(folding, &record->previous);
    if (index >= folding->worker->verify->from ||
        journal_load(folding->worker->txn, index, &entry) != ERR_OK ||
        statement_decode(entry.envelope.statement, &before) != ERR_OK) {
        return false;
    }
    struct digest id = statement_id(entry.envelope.statement);
    return before.kind == STATEMENT_LOOP && digest_equal(&id, &record->previous) &&
           memcmp(&before.as.loop.loop, &folding->loop, sizeof(folding->loop)) == 0 &&
           strcmp(before.author, org) == 0 && before.as.loop.seq == record->seq - 1;
}

/* Where each side's sequence stood. A side that says nothing new is left as it is stored. */
static bool
rewind_sides(struct folding *folding)
{
    bool seen[LOOP_ROLE_COUNT] = {false};
    for (size_t i = 0; i < folding->n; i++) {
        const struct spill_record *record = &folding->records[i];
        const char *org = org_of(folding->worker, record->author);
        enum loop_role role;
        if (!journal_find_role(&folding->track, org, &role) || seen[role]) {
            continue;
        }
        seen[role] = true;
        if (!is_chained(folding, record, org)) {
            return bad(folding, record, "it does not follow its author's statement before it");
        }
        folding->track.side[role].last_seq = record->seq - 1;
        folding->track.side[role].last_id = record->previous;
    }
    return true;
}

static bool
begin_from_stored(struct folding *folding)
{
    struct bytes value;
    if (!load_stored(folding, &value)) {
        return true; /* then it must begin with its request */
    }
    enum err err = track_decode(value, &folding->track);
    if (err != ERR_OK) {
        folding->track = (struct track){.marks = NULL};
        bad_loop(folding, "what is stored of it is damaged");
        return false;
    }
    folding->goes_on =
        folding->track.n_marks > 0 && folding->track.marks[0].index < folding->worker->verify->from;
    if (!folding->goes_on) {
        track_done(&folding->track);
        return true;
    }
    return rewind_marks(folding) && rewind_sides(folding);
}

/* ---- folding ---- */

static bool
begin(struct folding *folding)
{
    const struct spill_record *first = &folding->records[0];
    if (folding->worker->verify->from > 0 && !begin_from_stored(folding)) {
        return false;
    }
    if (folding->goes_on) {
        return true;
    }
    if (first->event != EVENT_REQUEST) {
        return bad(folding, first, "it is about a loop that nobody has requested");
    }
    track_init(&folding->track, &folding->loop, org_of(folding->worker, first->author),
               org_of(folding->worker, first->reader));
    return true;
}

/* A delivery receipt is for something the other side has said in this loop. */
static bool
is_delivery_right(const struct folding *folding, const struct spill_record *record,
                  enum loop_role other)
{
    const struct track *track = &folding->track;
    for (size_t i = track->n_marks; i > 0; i--) {
        const struct track_mark *mark = &track->marks[i - 1];
        if (mark->role == other && digest_equal(&mark->id, &record->delivered)) {
            return true;
        }
    }
    return false;
}

static bool
check_receipt(const struct folding *folding, const struct spill_record *record,
              const struct track_verdict *verdict)
{
    struct verify_row row = {
        .worker = folding->worker, .index = spill_index(record), .only_receipt = true};
    const struct journal_draft draft = {
        .index = row.index,
        .id = record->id,
        .n_members = 1,
        .verdict = {.result = verdict->superseded ? RECEIPT_SUPERSEDED : RECEIPT_ACCEPTED,
                    .state = verdict->position.state,
                    .superseded_by = verdict->superseded_by},
    };
    return journal_rows(&draft, verify_row_compare, &row) == ERR_OK;
}

static bool
step(struct folding *folding, const struct spill_record *record)
{
    const struct verify_worker *worker = folding->worker;
    struct track_verdict verdict;
    enum loop_role role;
    if (!journal_find_role(&folding->track, org_of(worker, record->author), &role)) {
        return bad(folding, record, "its author is no side of its loop");
    }
    enum loop_role other = role == LOOP_SOURCE ? LOOP_TARGET : LOOP_SOURCE;
    if (strcmp(org_of(worker, record->reader), folding->track.side[other].org) != 0) {
        return bad(folding, record, "it is not addressed to the other side of its loop");
    }
    if (record->event == EVENT_DELIVERED && !is_delivery_right(folding, record, other)) {
        return bad(folding, record, "it confirms a statement that the other side has not made");
    }
    const struct track_step said = {
        .role = role,
        .event = (enum loop_event)record->event,
        .seq = record->seq,
        .previous = record->previous,
        .heard = record->heard,
        .id = record->id,
    };
    enum err err =
        track_apply(&folding->track, &said, spill_index(record), record->log_time_ms, &verdict);
    if (err == ERR_MEMORY) {
        finding_break(&worker->verify->finding, err, "%s", err_text(err));
        return false;
    }
    if (err != ERR_OK) {
        finding_entry(&worker->verify->finding, spill_index(record),
                      "it is no step that its loop could take then: %s", err_text(err));
        return false;
    }
    return check_receipt(folding, record, &verdict);
}

static void
check_stored(struct folding *folding)
{
    struct buffer *expected = &folding->worker->scratch;
    struct bytes value = bytes_of(NULL, 0);
    buffer_clear(expected);
    track_encode(&folding->track, expected);
    if (buffer_err(expected) != ERR_OK) {
        finding_break(&folding->worker->verify->finding, ERR_MEMORY, "%s", err_text(ERR_MEMORY));
    } else if (!load_stored(folding, &value)) {
        bad_loop(folding, "its row is missing");
    } else if (!bytes_equal(value, buffer_view(expected))) {
        bad_loop(folding, "what is stored of it is not what its statements say");
    }
}

static void
folding_done(struct folding *folding)
{
    track_done(&folding->track);
}

/* Nothing from a bad entry on is looked at: it cannot be the first. */
static void
fold(struct verify_worker *worker, const struct spill_record *records, size_t n)
{
    CLEANUP(folding_done)
    struct folding folding = {.worker = worker, .records = records, .n = n};
    const struct finding *finding = &worker->verify->finding;
    memcpy(folding.loop.bytes, records[0].loop, LOOP_ID_BYTES);
    if (finding_is_before(finding, spill_index(&records[0])) || !begin(&folding)) {
        return;
    }
    worker->counts.loops++;
    for (size_t i = 0; i < n; i++) {
        if (finding_is_before(finding, spill_index(&records[i])) || !step(&folding, &records[i])) {
            return;
        }
    }
    check_stored(&folding);
}

/* ---- buckets ---- */

static void
free_records(struct spill_record **records)
{
    free(*records);
}

static enum err
fold_bucket(struct verify_worker *worker, const struct spill *spill, size_t bucket)
{
    uint64_t n = spill->buckets[bucket].n;
    CLEANUP(free_records) struct spill_record *records = calloc(n, sizeof(*records));
    enum err err = records == NULL ? ERR_MEMORY : spill_load(spill, bucket, records);
    for (size_t i = 0; err == ERR_OK && i < n;) {
        size_t end = i + 1;
        while (end < n && memcmp(records[end].loop, records[i].loop, LOOP_ID_BYTES) == 0) {
            end++;
        }
        fold(worker, &records[i], end - i);
        i = end;
    }
    return err;
}

static enum err
spread(const struct spill *spill, size_t bucket, struct spill *into)
{
    CLEANUP(spill_writer_done) struct spill_writer writer = {.spill = NULL};
    struct spill_block block;
    uint64_t at = spill->buckets[bucket].last;
    enum err err = spill_writer_init(&writer, into);
    while (err == ERR_OK && at != 0) {
        err = spill_read_block(spill, &at, &block);
        for (size_t i = 0; err == ERR_OK && i < block.n; i++) {
            err = spill_add(&writer, &block.records[i]);
        }
    }
    return err == ERR_OK ? spill_flush(&writer) : err;
}

/* A bucket too large for the memory is spread out by the next byte of the ids; that ends at the
 * last but one, so that this cannot go on for ever. */
static enum err
take_bucket(struct verify_worker *worker, const struct spill *spill, size_t bucket)
{
    CLEANUP(spill_freep) struct spill *finer = NULL;
    uint64_t n = spill->buckets[bucket].n;
    if (n == 0) {
        return ERR_OK;
    }
    if (n * sizeof(struct spill_record) <= worker->verify->bucket_bytes ||
        spill->byte + 1 >= LOOP_ID_BYTES) {
        return fold_bucket(worker, spill, bucket);
    }
    enum err err = spill_new(spill->byte + 1, &finer);
    if (err == ERR_OK) {
        err = spread(spill, bucket, finer);
    }
    for (size_t i = 0; err == ERR_OK && i < SPILL_BUCKETS; i++) {
        err = take_bucket(worker, finer, i);
    }
    return err;
}

void
verify_loops_run(struct verify_worker *worker)
{
    struct verify *verify = worker->verify;
    enum err err = ERR_OK;
    spill_writer_done(&worker->writer);
    while (err == ERR_OK) {
        uint64_t bucket = atomic_fetch_add(&verify->next, 1);
        if (bucket >= SPILL_BUCKETS) {
            return;
        }
        err = take_bucket(worker, verify->spill, bucket);
        atomic_fetch_add(&verify->done, 1);
    }
    finding_break(&verify->finding, err, "a temporary file cannot be used (see TMPDIR): %s",
                  err_text(err));
}
