/* Decides how a record can be spoilt: bytes changed, cut, replaced, moved to another key, gone, or
 * another beside it. Knows of no record what it means. */
#include "tests/fuzz/store_damage.h"

#include <string.h>

enum { VALUE_ROOM = 1 << 20 };

struct damage {
    struct kv_txn *txn;
    size_t table;
    struct buffer key, value;
};

/* The n-th record of the table, counted around. */
static bool
find_record(struct damage *damage, size_t n)
{
    CLEANUP(kv_cursor_closep) struct kv_cursor *cursor = NULL;
    struct bytes key, value;
    size_t count = kv_count(damage->txn, damage->table);
    if (count == 0 ||
        kv_cursor_open(damage->txn, damage->table, bytes_of(NULL, 0), &cursor) != ERR_OK) {
        return false;
    }
    for (size_t i = 0; i <= n % count; i++) {
        FUZZ_HOLDS(kv_cursor_next(cursor, &key, &value) == ERR_OK);
    }
    buffer_put(&damage->key, key.data, key.len);
    buffer_put(&damage->value, value.data, value.len);
    return true;
}

static bool
spoil(struct damage *damage, struct reader *input)
{
    CLEANUP(buffer_done) struct buffer before = BUFFER_INIT(VALUE_ROOM);
    struct bytes key = buffer_view(&damage->key);
    uint8_t how = reader_u8(input);
    buffer_put(&before, damage->value.data, damage->value.len);
    if (how % 6 == 0) {
        return kv_delete(damage->txn, damage->table, key) == ERR_OK;
    }
    if (how % 6 == 1) { /* the same under another key */
        stage_splice(input, damage->key.data, damage->key.len);
        if (kv_has(damage->txn, damage->table, key)) {
            return false;
        }
        return kv_put(damage->txn, damage->table, key, buffer_view(&damage->value)) == ERR_OK;
    }
    if (how % 6 == 2) {
        size_t len = reader_u16(input);
        damage->value.len = len < damage->value.len ? len : damage->value.len;
    } else if (how % 6 == 3) {
        struct bytes more = reader_take(input, reader_u8(input));
        buffer_put(&damage->value, more.data, more.len);
    } else {
        stage_splice(input, damage->value.data, damage->value.len);
        stage_splice(input, damage->value.data, damage->value.len);
    }
    if (bytes_equal(buffer_view(&before), buffer_view(&damage->value))) {
        return false;
    }
    return kv_put(damage->txn, damage->table, key, buffer_view(&damage->value)) == ERR_OK;
}

void
store_damage(const struct kv_options *options, struct reader *input, unsigned *tables_out)
{
    CLEANUP(kv_closep) struct kv *kv = NULL;
    CLEANUP(kv_abort) struct kv_txn *txn = NULL;
    struct complaint complaint = {.text = ""};
    unsigned n = 1 + reader_u8(input) % 3;
    *tables_out = 0;
    FUZZ_HOLDS(kv_open(options, &kv, &complaint) == ERR_OK);
    FUZZ_HOLDS(kv_begin(kv, &txn) == ERR_OK);
    for (unsigned i = 0; i < n && !input->bad; i++) {
        struct damage damage = {.txn = txn,
                                .table = reader_u8(input) % options->n_tables,
                                .key = BUFFER_INIT(KV_KEY_MAX),
                                .value = BUFFER_INIT(VALUE_ROOM)};
        if (find_record(&damage, reader_u8(input)) && spoil(&damage, input)) {
            *tables_out |= 1u << damage.table;
        }
        buffer_done(&damage.key);
        buffer_done(&damage.value);
    }
    FUZZ_HOLDS(kv_commit(&txn) == ERR_OK);
}
