/* The store's contract: what is committed comes back, what is not does not, what is damaged is
 * said. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <sys/stat.h>

#include "tests/unit/store/scratch.h"

enum { BIG = 64 << 10 };

static uint8_t big[1 << 20];

static struct bytes
text(const char *text)
{
    return bytes_of_text(text);
}

static void
scratch_start(struct scratch *s)
{
    scratch_init(s);
    assert_int_equal(scratch_open(s), ERR_OK);
}

static struct kv_txn *
begin(struct kv *kv)
{
    struct kv_txn *txn = NULL;
    assert_int_equal(kv_begin(kv, &txn), ERR_OK);
    return txn;
}

static struct kv_txn *
begin_read(struct kv *kv)
{
    struct kv_txn *txn = NULL;
    assert_int_equal(kv_begin_read(kv, &txn), ERR_OK);
    return txn;
}

static void
put(struct kv_txn *txn, const char *key, const char *value)
{
    assert_int_equal(kv_put(txn, ROWS, text(key), text(value)), ERR_OK);
}

static void
assert_value(struct kv_txn *txn, const char *key, const char *value)
{
    struct bytes found;
    assert_int_equal(kv_get(txn, ROWS, text(key), &found), ERR_OK);
    assert_true(bytes_equal(found, text(value)));
}

/* The keys from `from` on, one after the other. */
static void
assert_keys(struct kv_txn *txn, const char *from, const char *expected)
{
    CLEANUP(kv_cursor_closep) struct kv_cursor *cursor = NULL;
    char keys[200] = "";
    struct bytes key;
    struct bytes value;
    enum err err;
    assert_int_equal(kv_cursor_open(txn, ROWS, text(from), &cursor), ERR_OK);
    while ((err = kv_cursor_next(cursor, &key, &value)) == ERR_OK) {
        (void)snprintf(keys + strlen(keys), sizeof(keys) - strlen(keys), "%.*s ", (int)key.len,
                       (const char *)key.data);
    }
    assert_int_equal(err, ERR_NOT_FOUND);
    assert_int_equal(kv_cursor_next(cursor, &key, &value), ERR_NOT_FOUND);
    assert_string_equal(keys, expected);
}

static void
what_is_committed_comes_back(void **state)
{
    (void)state;
    CLEANUP(scratch_done) struct scratch s;
    scratch_start(&s);
    struct kv_txn *txn = begin(s.kv);
    put(txn, "a", "1");
    put(txn, "b", "");
    put(txn, "a", "one");
    assert_int_equal(kv_put(txn, OTHER, text("a"), text("elsewhere")), ERR_OK);
    assert_value(txn, "a", "one");
    assert_int_equal(kv_commit(&txn), ERR_OK);
    assert_null(txn);
    kv_closep(&s.kv);
    assert_int_equal(scratch_open(&s), ERR_OK);
    struct bytes value = text("untouched");
    txn = begin_read(s.kv);
    assert_value(txn, "a", "one");
    assert_value(txn, "b", "");
    assert_int_equal(kv_get(txn, ROWS, text("c"), &value), ERR_NOT_FOUND);
    assert_true(bytes_equal(value, text("untouched")));
    assert_true(kv_has(txn, ROWS, text("b")));
    assert_false(kv_has(txn, OTHER, text("b")));
    assert_int_equal(kv_count(txn, ROWS), 2);
    assert_int_equal(kv_count(txn, OTHER), 1);
    kv_abort(&txn);
    kv_abort(&txn);
    kv_close(NULL);
}

static void
what_is_aborted_does_not(void **state)
{
    (void)state;
    CLEANUP(scratch_done) struct scratch s;
    scratch_start(&s);
    struct kv_txn *txn = begin(s.kv);
    put(txn, "a", "1");
    kv_abort(&txn);
    assert_null(txn);
    txn = begin_read(s.kv);
    assert_false(kv_has(txn, ROWS, text("a")));
    assert_int_equal(kv_count(txn, ROWS), 0);
    kv_abort(&txn);
}

static void
a_reader_sees_the_state_it_began_with(void **state)
{
    (void)state;
    CLEANUP(scratch_done) struct scratch s;
    scratch_start(&s);
    assert_int_equal(scratch_put(s.kv, 1, text("old")), ERR_OK);
    struct kv_txn *reader = begin_read(s.kv);
    assert_int_equal(scratch_put(s.kv, 1, text("new")), ERR_OK);
    uint8_t key[8];
    struct bytes value;
    assert_int_equal(kv_get(reader, ROWS, kv_key_u64(1, key), &value), ERR_OK);
    assert_true(bytes_equal(value, text("old")));
    kv_abort(&reader);
}

static void
deleting_and_clearing(void **state)
{
    (void)state;
    CLEANUP(scratch_done) struct scratch s;
    scratch_start(&s);
    struct kv_txn *txn = begin(s.kv);
    put(txn, "a", "1");
    put(txn, "b", "2");
    assert_int_equal(kv_put(txn, OTHER, text("a"), text("stays")), ERR_OK);
    assert_int_equal(kv_delete(txn, ROWS, text("a")), ERR_OK);
    assert_int_equal(kv_delete(txn, ROWS, text("a")), ERR_OK);
    assert_keys(txn, "", "b ");
    assert_int_equal(kv_clear(txn, ROWS), ERR_OK);
    assert_int_equal(kv_count(txn, ROWS), 0);
    put(txn, "c", "3");
    assert_int_equal(kv_commit(&txn), ERR_OK);
    txn = begin_read(s.kv);
    assert_keys(txn, "", "c ");
    assert_int_equal(kv_count(txn, OTHER), 1);
    kv_abort(&txn);
}

static void
cursors_walk_in_key_order(void **state)
{
    (void)state;
    CLEANUP(scratch_done) struct scratch s;
    scratch_start(&s);
    struct kv_txn *txn = begin(s.kv);
    struct bytes key;
    struct bytes value;
    assert_keys(txn, "", "");
    assert_int_equal(kv_last(txn, ROWS, &key, &value), ERR_NOT_FOUND);
    put(txn, "c", "3");
    put(txn, "a", "1");
    put(txn, "bb", "2");
    assert_keys(txn, "", "a bb c ");
    assert_keys(txn, "b", "bb c ");
    assert_keys(txn, "bb", "bb c ");
    assert_keys(txn, "d", "");
    assert_int_equal(kv_last(txn, ROWS, &key, &value), ERR_OK);
    assert_true(bytes_equal(key, text("c")) && bytes_equal(value, text("3")));
    assert_int_equal(kv_commit(&txn), ERR_OK);
    txn = begin_read(s.kv);
    assert_keys(txn, "b", "bb c ");
    kv_abort(&txn);
}

/* Deletes behind the cursor and under it, and puts on both sides, while hundreds of records make
 * the tree split and merge. */
static void
a_cursor_survives_writes(void **state)
{
    (void)state;
    enum { N = 600 };
    CLEANUP(scratch_done) struct scratch s;
    scratch_start(&s);
    struct kv_txn *txn = begin(s.kv);
    uint8_t key[8];
    for (uint64_t i = 0; i < N; i++) {
        assert_int_equal(kv_put(txn, ROWS, kv_key_u64(2 * i, key), bytes_of(big, i % 300)), ERR_OK);
    }
    CLEANUP(kv_cursor_closep) struct kv_cursor *cursor = NULL;
    assert_int_equal(kv_cursor_open(txn, ROWS, bytes_of(NULL, 0), &cursor), ERR_OK);
    for (uint64_t i = 0; i < N; i++) {
        struct bytes found;
        struct bytes value;
        assert_int_equal(kv_cursor_next(cursor, &found, &value), ERR_OK);
        uint64_t number = kv_u64_of_key(found);
        assert_int_equal(number, 2 * i);
        assert_int_equal(value.len, i % 300);
        if (i % 3 > 0) {
            assert_int_equal(kv_delete(txn, ROWS, found), ERR_OK);
        }
        if (i % 5 == 0 && number > 0) {
            assert_int_equal(kv_put(txn, ROWS, kv_key_u64(number - 1, key), text("behind")),
                             ERR_OK);
        }
    }
    struct bytes none;
    assert_int_equal(kv_cursor_next(cursor, &none, &none), ERR_NOT_FOUND);
    assert_int_equal(kv_count(txn, ROWS), N / 3 + N / 5 - 1);
    assert_int_equal(kv_commit(&txn), ERR_OK);
    /* The cursor is closed here, after its transaction. */
}

static void
a_cursor_goes_on_behind_its_last_key(void **state)
{
    (void)state;
    CLEANUP(scratch_done) struct scratch s;
    scratch_start(&s);
    struct kv_txn *txn = begin(s.kv);
    struct kv_cursor *cursor = NULL;
    struct bytes key;
    struct bytes value;
    put(txn, "b", "2");
    assert_int_equal(kv_cursor_open(txn, ROWS, text(""), &cursor), ERR_OK);
    assert_int_equal(kv_cursor_next(cursor, &key, &value), ERR_OK);
    assert_int_equal(kv_clear(txn, ROWS), ERR_OK);
    put(txn, "a", "1");
    put(txn, "c", "3");
    assert_int_equal(kv_cursor_next(cursor, &key, &value), ERR_OK);
    assert_true(bytes_equal(key, text("c")));
    put(txn, "d", "4");
    assert_int_equal(kv_cursor_next(cursor, &key, &value), ERR_OK);
    assert_true(bytes_equal(key, text("d")));
    assert_int_equal(kv_cursor_next(cursor, &key, &value), ERR_NOT_FOUND);
    put(txn, "e", "5");
    assert_int_equal(kv_cursor_next(cursor, &key, &value), ERR_OK);
    assert_true(bytes_equal(key, text("e")));
    kv_cursor_closep(&cursor);
    kv_cursor_closep(&cursor);
    assert_keys(txn, "", "a c d e ");
    kv_abort(&txn);
}

/* The record that the key is a view of is rewritten with a longer value, and so moves. */
static void
a_view_can_be_the_key(void **state)
{
    (void)state;
    CLEANUP(scratch_done) struct scratch s;
    scratch_start(&s);
    struct kv_txn *txn = begin(s.kv);
    CLEANUP(kv_cursor_closep) struct kv_cursor *cursor = NULL;
    struct bytes key;
    struct bytes value;
    put(txn, "a", "1");
    put(txn, "b", "2");
    put(txn, "c", "3");
    assert_int_equal(kv_cursor_open(txn, ROWS, text(""), &cursor), ERR_OK);
    assert_int_equal(kv_cursor_next(cursor, &key, &value), ERR_OK);
    assert_int_equal(kv_put(txn, ROWS, key, text("much longer than it was")), ERR_OK);
    assert_keys(txn, "", "a b c ");
    assert_value(txn, "a", "much longer than it was");
    kv_abort(&txn);
}

/* Views of the transaction's own pages as key and value of the next put. */
static void
a_view_can_be_put(void **state)
{
    (void)state;
    CLEANUP(scratch_done) struct scratch s;
    scratch_start(&s);
    struct kv_txn *txn = begin(s.kv);
    uint8_t key[8];
    struct bytes found;
    struct bytes value;
    for (uint64_t i = 0; i < 500; i++) {
        memset(big, (int)i & 0xff, 300);
        assert_int_equal(kv_put(txn, ROWS, kv_key_u64(i, key), bytes_of(big, 300)), ERR_OK);
    }
    for (uint64_t i = 0; i < 500; i++) {
        assert_int_equal(kv_get(txn, ROWS, kv_key_u64(i, key), &value), ERR_OK);
        assert_int_equal(kv_put(txn, ROWS, kv_key_u64(499 - i, key), value), ERR_OK);
        assert_int_equal(kv_last(txn, ROWS, &found, &value), ERR_OK);
        assert_int_equal(kv_put(txn, OTHER, found, value), ERR_OK);
    }
    assert_int_equal(kv_get(txn, ROWS, kv_key_u64(2, key), &value), ERR_OK);
    memset(big, 2, 300);
    assert_true(bytes_equal(value, bytes_of(big, 300)));
    assert_int_equal(kv_get(txn, ROWS, kv_key_u64(497, key), &value), ERR_OK);
    assert_true(bytes_equal(value, bytes_of(big, 300)));
    assert_int_equal(kv_commit(&txn), ERR_OK);
}

/* Fills a transaction until something gives. */
static enum err
fill(struct kv_txn *txn)
{
    enum err err = ERR_OK;
    uint8_t key[8];
    for (uint64_t i = 0; err == ERR_OK && i < 1000; i++) {
        err = kv_put(txn, ROWS, kv_key_u64(i, key), bytes_of(big, BIG));
    }
    return err;
}

static void
a_failed_put_sticks(void **state)
{
    (void)state;
    CLEANUP(scratch_done) struct scratch s;
    scratch_start(&s);
    struct kv_txn *txn = begin(s.kv);
    struct kv_cursor *cursor = NULL;
    struct bytes view;
    put(txn, "first", "1");
    assert_int_equal(fill(txn), ERR_TOO_LARGE);
    assert_int_equal(kv_put(txn, ROWS, text("small"), text("x")), ERR_TOO_LARGE);
    assert_int_equal(kv_delete(txn, ROWS, text("small")), ERR_TOO_LARGE);
    assert_int_equal(kv_clear(txn, ROWS), ERR_TOO_LARGE);
    assert_int_equal(kv_get(txn, ROWS, text("first"), &view), ERR_TOO_LARGE);
    assert_int_equal(kv_last(txn, ROWS, &view, &view), ERR_TOO_LARGE);
    assert_int_equal(kv_cursor_open(txn, ROWS, text(""), &cursor), ERR_TOO_LARGE);
    assert_int_equal(kv_commit(&txn), ERR_TOO_LARGE);
    assert_null(txn);
    txn = begin_read(s.kv);
    assert_int_equal(kv_count(txn, ROWS), 0);
    kv_abort(&txn);
}

static void
a_full_map_grows_and_the_turn_is_run_again(void **state)
{
    (void)state;
    CLEANUP(scratch_done) struct scratch s;
    unsigned n_grown = 0;
    enum err err;
    scratch_start(&s);
    assert_int_equal(scratch_put(s.kv, 1000, text("before")), ERR_OK);
    do {
        struct kv_txn *txn = begin(s.kv);
        uint8_t key[8];
        for (uint64_t i = 0; i < 50; i++) {
            err = kv_put(txn, ROWS, kv_key_u64(i, key), bytes_of(big, BIG));
        }
        err = kv_commit(&txn);
        n_grown += err == ERR_TOO_LARGE;
    } while (err == ERR_TOO_LARGE);
    assert_int_equal(err, ERR_OK);
    assert_int_equal(n_grown, 2); /* 1 MiB to 4 */
    kv_closep(&s.kv);
    assert_int_equal(scratch_open(&s), ERR_OK); /* with the small map of the options */
    struct kv_txn *txn = begin_read(s.kv);
    assert_int_equal(kv_count(txn, ROWS), 51);
    kv_abort(&txn);
}

static void
a_map_does_not_grow_under_a_reader(void **state)
{
    (void)state;
    CLEANUP(scratch_done) struct scratch s;
    scratch_start(&s);
    assert_int_equal(scratch_put(s.kv, 1, text("before")), ERR_OK);
    struct kv_txn *reader = begin_read(s.kv);
    uint8_t key[8];
    struct bytes value;
    assert_int_equal(kv_get(reader, ROWS, kv_key_u64(1, key), &value), ERR_OK);
    assert_int_equal(scratch_put(s.kv, 2, bytes_of(big, sizeof(big))), ERR_TOO_LARGE);
    assert_true(bytes_equal(value, text("before"))); /* still mapped */
    assert_int_equal(scratch_put(s.kv, 2, bytes_of(big, sizeof(big))), ERR_TOO_LARGE);
    kv_abort(&reader);
    assert_int_equal(scratch_put(s.kv, 2, bytes_of(big, sizeof(big))), ERR_OK);
}

static void
a_map_at_its_largest_is_a_full_disk(void **state)
{
    (void)state;
    CLEANUP(scratch_done) struct scratch s;
    scratch_init(&s);
    s.options.map_max_bytes = s.options.map_bytes;
    assert_int_equal(scratch_open(&s), ERR_OK);
    uint64_t n = 0;
    enum err err;
    while ((err = scratch_put(s.kv, n, bytes_of(big, 2000))) == ERR_OK) {
        n++;
        assert_true(n < 1000);
    }
    assert_int_equal(err, ERR_DISK_FULL);
    assert_true(kv_fill_percent(s.kv) > 90);
    struct kv_txn *txn = begin_read(s.kv);
    assert_int_equal(kv_count(txn, ROWS), n);
    kv_abort(&txn);
    /* Below a watermark deletes always fit; room comes back by them. */
    txn = begin(s.kv);
    assert_int_equal(kv_clear(txn, ROWS), ERR_OK);
    assert_int_equal(kv_commit(&txn), ERR_OK);
    assert_true(kv_fill_percent(s.kv) < 20);
    assert_int_equal(scratch_put(s.kv, 0, bytes_of(big, 2000)), ERR_OK);
}

static void
a_store_opens_once(void **state)
{
    (void)state;
    CLEANUP(scratch_done) struct scratch s;
    struct complaint complaint = {""};
    struct kv *second = NULL;
    scratch_start(&s);
    assert_int_equal(kv_open(&s.options, &second, &complaint), ERR_LOCKED);
    assert_null(second);
    assert_non_null(strstr(complaint.text, "another process"));
    assert_int_equal(scratch_put(s.kv, 1, text("x")), ERR_OK);
    kv_closep(&s.kv);
    assert_int_equal(kv_open(&s.options, &second, NULL), ERR_OK);
    kv_closep(&second);
}

static void
a_new_store_has_its_extents(void **state)
{
    (void)state;
    CLEANUP(scratch_done) struct scratch s;
    struct stat status;
    scratch_init(&s);
    s.options.map_bytes = 8 << 20;
    assert_int_equal(scratch_open(&s), ERR_OK);
    assert_int_equal(stat(s.data, &status), 0);
    assert_true(status.st_size > 1 << 20);
    assert_true(status.st_blocks * 512 >= 1 << 20);
    assert_int_equal(status.st_mode & 0777, 0600);
    assert_int_equal(kv_fill_percent(s.kv), 0); /* the ballast is gone */
    for (uint64_t i = 0; i < 100; i++) {
        assert_int_equal(scratch_put(s.kv, i, bytes_of(big, 1000)), ERR_OK);
    }
    off_t before = status.st_size;
    assert_int_equal(stat(s.data, &status), 0);
    assert_true(status.st_size < before + BIG); /* the ballast's pages, but for a few */
}

static void
tending_is_harmless(void **state)
{
    (void)state;
    CLEANUP(scratch_done) struct scratch s;
    scratch_start(&s);
    struct kv_txn *txn = begin_read(s.kv);
    kv_tend(s.kv);
    assert_int_equal(kv_count(txn, ROWS), 0);
    kv_abort(&txn);
}

static void
numbers_sort_as_keys(void **state)
{
    (void)state;
    static const uint64_t numbers[] = {0, 1, 255, 256, 65536, 1ULL << 40, UINT64_MAX};
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
        uint8_t a[8];
        uint8_t b[8];
        struct bytes key = kv_key_u64(numbers[i], a);
        assert_int_equal(key.len, 8);
        assert_true(kv_u64_of_key(key) == numbers[i]);
        if (i > 0) {
            kv_key_u64(numbers[i - 1], b);
            assert_true(memcmp(b, a, 8) < 0);
        }
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_committed_comes_back),
        cmocka_unit_test(what_is_aborted_does_not),
        cmocka_unit_test(a_reader_sees_the_state_it_began_with),
        cmocka_unit_test(deleting_and_clearing),
        cmocka_unit_test(cursors_walk_in_key_order),
        cmocka_unit_test(a_cursor_survives_writes),
        cmocka_unit_test(a_cursor_goes_on_behind_its_last_key),
        cmocka_unit_test(a_view_can_be_put),
        cmocka_unit_test(a_view_can_be_the_key),
        cmocka_unit_test(a_failed_put_sticks),
        cmocka_unit_test(a_full_map_grows_and_the_turn_is_run_again),
        cmocka_unit_test(a_map_does_not_grow_under_a_reader),
        cmocka_unit_test(a_map_at_its_largest_is_a_full_disk),
        cmocka_unit_test(a_store_opens_once),
        cmocka_unit_test(a_new_store_has_its_extents),
        cmocka_unit_test(tending_is_harmless),
        cmocka_unit_test(numbers_sort_as_keys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
