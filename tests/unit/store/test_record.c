/* A record is the bytes written, under the key and in the table they were written to, or an error.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/text.h"
#include "lib/store/record.h"

enum { PAYLOAD_BYTES = 20, STORED_BYTES = RECORD_HEAD_BYTES + PAYLOAD_BYTES };

struct fixture {
    struct bytes key;
    uint8_t stored[STORED_BYTES];
};

static void
fixture_init(struct fixture *f)
{
    f->key = bytes_of_text("key");
    for (size_t i = 0; i < PAYLOAD_BYTES; i++) {
        f->stored[RECORD_HEAD_BYTES + i] = (uint8_t)i;
    }
    record_head("rows", f->key, bytes_of(f->stored + RECORD_HEAD_BYTES, PAYLOAD_BYTES), f->stored);
}

static enum err
open_as(struct fixture *f, const char *table, const char *key, size_t len)
{
    struct bytes payload = bytes_of("untouched", 9);
    enum err err = record_open(table, bytes_of_text(key), bytes_of(f->stored, len), &payload);
    if (err == ERR_OK) {
        assert_ptr_equal(payload.data, f->stored + RECORD_HEAD_BYTES);
        assert_int_equal(payload.len, len - RECORD_HEAD_BYTES);
    } else {
        assert_int_equal(payload.len, 9);
    }
    return err;
}

static void
a_record_comes_back(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    assert_int_equal(open_as(&f, "rows", "key", STORED_BYTES), ERR_OK);
    record_head("rows", f.key, bytes_of(NULL, 0), f.stored);
    assert_int_equal(open_as(&f, "rows", "key", RECORD_HEAD_BYTES), ERR_OK);
}

static void
another_place_is_corrupt(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    assert_int_equal(open_as(&f, "rows", "kez", STORED_BYTES), ERR_CORRUPT);
    assert_int_equal(open_as(&f, "other", "key", STORED_BYTES), ERR_CORRUPT);
    assert_int_equal(open_as(&f, "rowsk", "ey", STORED_BYTES), ERR_CORRUPT);
    assert_int_equal(open_as(&f, "row", "skey", STORED_BYTES), ERR_CORRUPT);
}

static void
a_key_does_not_run_into_its_payload(void **state)
{
    (void)state;
    uint8_t a[RECORD_HEAD_BYTES];
    uint8_t b[RECORD_HEAD_BYTES];
    record_head("rows", bytes_of_text("ab"), bytes_of_text("c"), a);
    record_head("rows", bytes_of_text("a"), bytes_of_text("bc"), b);
    assert_memory_not_equal(a, b, RECORD_HEAD_BYTES);
}

static void
every_flip_and_every_cut_is_corrupt(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    for (size_t bit = 0; bit < 8 * STORED_BYTES; bit++) {
        f.stored[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_int_equal(open_as(&f, "rows", "key", STORED_BYTES), ERR_CORRUPT);
        f.stored[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    for (size_t len = 0; len < STORED_BYTES; len++) {
        assert_int_equal(open_as(&f, "rows", "key", len), ERR_CORRUPT);
    }
}

/* A store written by an older version must still open. */
static void
the_framing_is_frozen(void **state)
{
    (void)state;
    struct fixture f;
    char hex[2 * RECORD_HEAD_BYTES + 1];
    fixture_init(&f);
    text_hex(bytes_of(f.stored, RECORD_HEAD_BYTES), hex);
    assert_string_equal(hex, "010d7189edc2724761c00a091dfcf7cb98");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_record_comes_back),
        cmocka_unit_test(another_place_is_corrupt),
        cmocka_unit_test(a_key_does_not_run_into_its_payload),
        cmocka_unit_test(every_flip_and_every_cut_is_corrupt),
        cmocka_unit_test(the_framing_is_frozen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
