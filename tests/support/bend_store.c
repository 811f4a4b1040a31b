/* Changes one byte of one row of a copied store, behind everybody's back: the row's own digest is
 * made right again, so that only what the log proves can tell. For tests/integration/36_proof.py.
 *
 * usage: bend-store STORE-DIR TABLE ROW OFFSET     ROW: counted from 0, in order of the keys */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "broker/tables.h"

enum { MAP_BYTES = 1 << 30, ROW_BYTES_MAX = 1 << 20 };

static void
must(enum err err, const char *what)
{
    if (err != ERR_OK) {
        (void)fprintf(stderr, "bend-store: %s: %s\n", what, err_text(err));
        exit(1);
    }
}

static size_t
find_table(const char *name)
{
    for (size_t i = 0; i < TABLE_COUNT; i++) {
        if (strcmp(tables_names[i], name) == 0) {
            return i;
        }
    }
    must(ERR_NOT_FOUND, name);
    return TABLE_COUNT;
}

/* Views of the store do not outlive a write, so key and value are kept. */
static void
find_row(struct kv_txn *txn, size_t table, unsigned long row, struct buffer *key_out,
         struct buffer *value_out)
{
    CLEANUP(kv_cursor_closep) struct kv_cursor *cursor = NULL;
    struct bytes key;
    struct bytes value;
    must(kv_cursor_open(txn, table, bytes_of(NULL, 0), &cursor), "cursor");
    for (unsigned long i = 0; i <= row; i++) {
        must(kv_cursor_next(cursor, &key, &value), "no such row");
    }
    buffer_put(key_out, key.data, key.len);
    buffer_put(value_out, value.data, value.len);
    must(buffer_err(value_out), "row");
}

int
main(int argc, char **argv)
{
    CLEANUP(buffer_done) struct buffer key = BUFFER_INIT(ROW_BYTES_MAX);
    CLEANUP(buffer_done) struct buffer value = BUFFER_INIT(ROW_BYTES_MAX);
    struct complaint complaint = {.text = ""};
    struct kv *kv = NULL;
    struct kv_txn *txn = NULL;
    if (argc != 5) {
        must(ERR_INVALID, "STORE-DIR TABLE ROW OFFSET");
    }
    size_t table = find_table(argv[2]);
    unsigned long offset = strtoul(argv[4], NULL, 10);
    const struct kv_options options = {.dir = argv[1],
                                       .tables = tables_names,
                                       .n_tables = TABLE_COUNT,
                                       .map_bytes = MAP_BYTES,
                                       .map_max_bytes = MAP_BYTES};
    must(kv_open(&options, &kv, &complaint), complaint.text);
    must(kv_begin(kv, &txn), "begin");
    find_row(txn, table, strtoul(argv[3], NULL, 10), &key, &value);
    if (offset >= value.len) {
        must(ERR_INVALID, "the row is shorter");
    }
    value.data[offset] ^= 1;
    must(kv_put(txn, table, buffer_view(&key), buffer_view(&value)), "put");
    must(kv_commit(&txn), "commit");
    kv_close(kv);
    return 0;
}
