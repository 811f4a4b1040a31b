/* Decides what belongs to the evidence of one loop: its statements, and what gives their authors
 * their keys. Later key entries change nothing in it and are left out. It refuses to know proofs.
 */
#include "agent/evidence_items.h"

#include <stdlib.h>
#include <string.h>

#include "agent/mirror.h"
#include "agent/witness.h"

enum { ITEMS_AT_FIRST = 64, TIME_BYTES = 8, ORGS_MAX = 2 + EVIDENCE_WITNESSES_MAX };

/* Whose keys belong in. */
struct circle {
    char org[ORGS_MAX][ORG_ID_BYTES];
    size_t n;
};

void
evidence_items_done(struct evidence_items *items)
{
    free(items->item);
}

static enum err
add_item(struct evidence_items *items, uint64_t index, bool of_loop)
{
    if (items->n == items->capacity) {
        size_t capacity = items->capacity == 0 ? ITEMS_AT_FIRST : 2 * items->capacity;
        struct evidence_item *grown = realloc(items->item, capacity * sizeof(*grown));
        if (grown == NULL)
            return ERR_MEMORY;
        items->item = grown;
        items->capacity = capacity;
    }
    items->item[items->n++] = (struct evidence_item){.index = index, .of_loop = of_loop};
    return ERR_OK;
}

static enum err
collect_loop(struct kv_txn *txn, const struct loop_id *loop, struct evidence_items *items)
{
    CLEANUP(kv_cursor_closep) struct kv_cursor *cursor = NULL;
    uint8_t from[LOG_KEY_BYTES];
    struct bytes key, record;
    enum err err = kv_cursor_open(txn, TABLE_LOG, table_log_key(loop, 0, from), &cursor);

    while (err == ERR_OK) {
        err = kv_cursor_next(cursor, &key, &record);
        if (err != ERR_OK || key.len != LOG_KEY_BYTES ||
            memcmp(key.data, loop->bytes, LOOP_ID_BYTES) != 0)
            break;
        items->last = kv_u64_of_key(bytes_of(key.data + LOOP_ID_BYTES, 8));
        err = add_item(items, items->last, true);
    }
    return err == ERR_NOT_FOUND ? ERR_OK : err;
}

enum err
evidence_decode_record(struct bytes record, int64_t *log_time_ms_out, struct envelope *envelope_out)
{
    struct reader reader = reader_of(record);

    if (record.len < TIME_BYTES)
        return ERR_CORRUPT;
    *log_time_ms_out = reader_i64(&reader);
    enum err err = envelope_decode(reader.rest, envelope_out);
    return err == ERR_OK || err == ERR_MEMORY ? err : ERR_CORRUPT;
}

static bool
is_about(const struct statement *statement, const char *org)
{
    const char *subject = NULL;

    switch (statement->kind) {
    case STATEMENT_GENESIS:
        return true;
    case STATEMENT_INVITE:
        subject = statement->as.invite.org;
        break;
    case STATEMENT_JOIN:
        subject = statement->as.join.org;
        break;
    case STATEMENT_REVOKE:
        subject = statement->as.revoke.org;
        break;
    case STATEMENT_ROTATE:
        subject = statement->author;
        break;
    case STATEMENT_LOOP:
        return false;
    }
    return subject != NULL && strcmp(subject, org) == 0;
}

static bool
is_about_any(const struct statement *statement, const struct circle *circle)
{
    for (size_t i = 0; i < circle->n; i++) {
        if (is_about(statement, circle->org[i]))
            return true;
    }
    return false;
}

static void
let_in(struct circle *circle, const char *org)
{
    for (size_t i = 0; i < circle->n; i++) {
        if (strcmp(circle->org[i], org) == 0)
            return;
    }
    if (circle->n < ORGS_MAX)
        memcpy(circle->org[circle->n++], org, strnlen(org, ORG_ID_MAX) + 1);
}

static enum err
let_witnesses_in(const struct agent *agent, struct kv_txn *txn, uint64_t witnessed,
                 struct circle *circle)
{
    struct cosigner cosigners[NOTE_SIGNATURES_MAX];
    char liar[ORG_ID_BYTES];
    struct bytes note;
    size_t n = 0;
    enum err err = witness_note(txn, witnessed, &note);

    if (err == ERR_OK)
        err = checkpoint_cosigners(note, agent->directory, cosigners, &n, liar);
    if (err != ERR_OK)
        return err == ERR_NOT_FOUND || err_is_peer(err) ? ERR_OK : err;
    for (size_t i = 0; i < n; i++)
        let_in(circle, cosigners[i].org);
    return ERR_OK;
}

static enum err
collect_keys(struct kv_txn *txn, const struct circle *circle, uint64_t limit,
             struct evidence_items *items)
{
    CLEANUP(kv_cursor_closep) struct kv_cursor *cursor = NULL;
    uint8_t from[8];
    struct bytes key, record;
    enum err err = kv_cursor_open(txn, TABLE_DIRECTORY, kv_key_u64(0, from), &cursor);

    while (err == ERR_OK) {
        struct envelope envelope;
        struct statement statement;
        int64_t log_time_ms = 0;
        err = kv_cursor_next(cursor, &key, &record);
        if (err != ERR_OK || kv_u64_of_key(key) >= limit)
            break;
        err = evidence_decode_record(record, &log_time_ms, &envelope);
        if (err == ERR_OK)
            err = statement_decode(envelope.statement, &statement);
        err = err_is_peer(err) ? ERR_CORRUPT : err;
        if (err == ERR_OK && is_about_any(&statement, circle))
            err = add_item(items, kv_u64_of_key(key), false);
    }
    return err == ERR_NOT_FOUND ? ERR_OK : err;
}

static int
by_index(const void *a, const void *b)
{
    const struct evidence_item *left = a;
    const struct evidence_item *right = b;

    return left->index < right->index ? -1 : left->index > right->index;
}

enum err
evidence_collect(const struct agent *agent, struct kv_txn *txn, const struct loop_id *loop,
                 uint64_t limit, uint64_t witnessed, struct evidence_items *items)
{
    CLEANUP(mirror_done) struct mirror mirror = {.role = LOOP_SOURCE};
    struct circle circle = {.n = 0};
    enum err err = mirror_load(txn, loop, &mirror);

    if (err != ERR_OK)
        return err == ERR_NOT_FOUND ? ERR_UNKNOWN_LOOP : err;
    items->n = 0;
    items->last = 0;
    err = collect_loop(txn, loop, items);
    if (err != ERR_OK || items->n == 0 || limit == 0)
        return err;
    let_in(&circle, agent->identity->org);
    let_in(&circle, mirror_partner(&mirror));
    if (witnessed != 0)
        err = let_witnesses_in(agent, txn, witnessed, &circle);
    if (err == ERR_OK)
        err = collect_keys(txn, &circle, limit, items);
    if (err == ERR_OK)
        qsort(items->item, items->n, sizeof(items->item[0]), by_index);
    return err;
}

enum err
evidence_sizes(struct kv_txn *txn, const struct evidence_items *items, uint64_t *smallest_out,
               uint64_t *largest_out)
{
    uint64_t smallest = UINT64_MAX, largest = 0;

    for (size_t i = 0; i < items->n; i++) {
        struct bytes inclusion, note;
        uint64_t size = 0;
        enum err err = proof_find(txn, items->item[i].index, &size, &inclusion, &note);
        if (err != ERR_OK)
            return err;
        smallest = size < smallest ? size : smallest;
        largest = size > largest ? size : largest;
    }
    *smallest_out = smallest;
    *largest_out = largest;
    return ERR_OK;
}
