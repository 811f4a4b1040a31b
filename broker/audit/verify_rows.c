/* Decides whether the stored projections are what the log calls for: each row that an entry calls
 * for is there as it must be, and then the numbers of rows say that there is no other. Only when
 * they do not, the odd row is looked for, and named by its entry if it has one.
 *
 * What rows an entry calls for is defined in one place, journal_rows. */
#include <string.h>

#include "broker/audit/verify.h"

enum { INDEX_BYTES = 8 };

/* ---- rows that must be there ---- */

static void
find_row(const struct verify_row *row, enum table table, const char *what)
{
    struct finding *finding = &row->worker->verify->finding;
    if (table == TABLE_IDS) {
        finding_entry(finding, row->index, "the receipt stored for it is %s", what);
    } else {
        finding_entry(finding, row->index, "its row in the list of what concerns everybody is %s",
                      what);
    }
}

enum err
verify_row_compare(void *context, enum table table, struct bytes key, struct bytes expected)
{
    const struct verify_row *row = context;
    struct bytes value;
    if (table != TABLE_IDS && row->only_receipt) {
        return ERR_OK;
    }
    enum err err = kv_get(row->worker->txn, table, key, &value);
    if (err == ERR_NOT_FOUND) {
        find_row(row, table, "missing");
    } else if (err == ERR_CORRUPT) {
        find_row(row, table, "damaged");
    } else if (err == ERR_OK && !bytes_equal(value, expected)) {
        find_row(row, table, "not what the log says");
    } else if (err != ERR_OK) {
        finding_break(&row->worker->verify->finding, err, "the store cannot be read: %s",
                      err_text(err));
        return err;
    }
    return ERR_OK;
}

/* ---- rows that must not be there ---- */

static bool
load(const struct verify *verify, uint64_t index, struct statement *statement_out,
     struct digest *id_out)
{
    struct journal_entry entry;
    if (journal_load(verify->audit->txn, index, &entry) != ERR_OK ||
        statement_decode(entry.envelope.statement, statement_out) != ERR_OK) {
        return false;
    }
    *id_out = statement_id(entry.envelope.statement);
    return true;
}

static bool
is_receipt_right(struct verify *verify, struct bytes key, struct bytes value)
{
    struct reader reader = reader_of(value);
    struct statement statement;
    struct digest id;
    if (load(verify, reader_u64(&reader), &statement, &id) &&
        bytes_equal(key, bytes_of(id.bytes, sizeof(id.bytes)))) {
        return true;
    }
    finding_other(&verify->finding, "a receipt is stored for a statement that is not in the log");
    return false;
}

static bool
concerns(const struct statement *statement, const char *org)
{
    const struct statement_loop *loop = &statement->as.loop;
    bool is_its = strcmp(statement->author, org) == 0;
    for (size_t i = 0; !is_its && i < loop->n_readers; i++) {
        is_its = strcmp(loop->readers[i].org, org) == 0;
    }
    return is_its;
}

static uint64_t
handle_of(struct bytes mailbox_key)
{
    return kv_u64_of_key(bytes_of(mailbox_key.data, INDEX_BYTES));
}

static const char *
name_of(const struct verify *verify, uint64_t handle)
{
    const struct keyring_org *org = keyring_find_handle(&verify->audit->keyring, handle);
    return org != NULL ? org->org : "nobody";
}

static bool
is_mail_right(struct verify *verify, struct bytes key, struct bytes value)
{
    struct statement statement;
    struct digest id;
    (void)value; /* compared already, if the entry calls for the row */
    if (key.len != MAILBOX_KEY_BYTES) {
        finding_other(&verify->finding, "table mailbox: a key is damaged");
        return false;
    }
    uint64_t index = kv_u64_of_key(bytes_of(key.data + INDEX_BYTES, INDEX_BYTES));
    const char *org = name_of(verify, handle_of(key));
    if (load(verify, index, &statement, &id) && statement.kind == STATEMENT_LOOP &&
        concerns(&statement, org)) {
        return true;
    }
    finding_entry(&verify->finding, index,
                  "it stands in the mailbox of %s, whom it does not concern", org);
    return false;
}

static bool
is_loop_right(struct verify *verify, struct bytes key, struct bytes value)
{
    CLEANUP(track_done) struct track track = {0};
    struct statement statement;
    struct digest id;
    if (track_decode(value, &track) == ERR_OK && track.n_marks > 0 &&
        load(verify, track.marks[0].index, &statement, &id) && statement.kind == STATEMENT_LOOP &&
        bytes_equal(key, bytes_of(statement.as.loop.loop.bytes, LOOP_ID_BYTES))) {
        return true;
    }
    finding_other(&verify->finding, "a loop is stored that nobody has requested");
    return false;
}

static bool
is_sealed_right(struct verify *verify, struct bytes key, struct bytes value)
{
    (void)value;
    if (key.len == INDEX_BYTES && kv_u64_of_key(key) < verify->audit->entries) {
        return true; /* compared with its entry */
    }
    finding_other(&verify->finding, "a sealed part is stored for an entry that is not in the log");
    return false;
}

static bool
is_listing_right(struct verify *verify, struct bytes key, struct bytes value)
{
    (void)value;
    if (key.len == INDEX_BYTES && kv_u64_of_key(key) != verify->audit->keyring.stray) {
        return true;
    }
    finding_entry(&verify->finding, verify->audit->keyring.stray,
                  "it is listed as one that concerns everybody, and does not");
    return false;
}

typedef bool (*is_row_right)(struct verify *verify, struct bytes key, struct bytes value);

struct expectation {
    enum table table;
    uint64_t rows;
    is_row_right is_right;
};

static void
look_for_odd_row(struct verify *verify, const struct expectation *expected)
{
    CLEANUP(kv_cursor_closep) struct kv_cursor *cursor = NULL;
    struct bytes key;
    struct bytes value;
    bool right = expected->is_right != NULL;
    enum err err = kv_cursor_open(verify->audit->txn, expected->table, bytes_of(NULL, 0), &cursor);
    while (right && err == ERR_OK && (err = kv_cursor_next(cursor, &key, &value)) == ERR_OK) {
        right = expected->is_right(verify, key, value);
    }
    /* Counts after the odd row itself, which says more. */
    finding_other(&verify->finding, "table %s: %llu rows, the log calls for %llu",
                  tables_names[expected->table],
                  (unsigned long long)kv_count(verify->audit->txn, expected->table),
                  (unsigned long long)expected->rows);
}

void
verify_rows_count(struct verify *verify, const struct verify_counts *sum)
{
    const struct audit *audit = verify->audit;
    const struct expectation expectations[] = {
        {TABLE_LOG, audit->entries, NULL},
        {TABLE_DIRECTORY, audit->keyring.n_entries, is_listing_right},
        {TABLE_IDS, audit->entries, is_receipt_right},
        /* Only whoever has read all entries can say of these how many there must be. */
        {TABLE_MAILBOX, sum->mailbox, is_mail_right},
        {TABLE_LOOPS, sum->loops, is_loop_right},
        {TABLE_SEALED, sum->sealed, is_sealed_right},
    };
    enum { ALWAYS = 3 };
    size_t n = verify->from == 0 ? ARRAY_LEN(expectations) : ALWAYS;
    for (size_t i = 0; i < n; i++) {
        if (kv_count(audit->txn, expectations[i].table) != expectations[i].rows) {
            look_for_odd_row(verify, &expectations[i]);
        }
    }
}
