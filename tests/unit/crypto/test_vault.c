/* Content at rest opens with its key in its place; a wrapped secret with its passphrase, at a
 * bounded cost. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/secret.h"
#include "lib/crypto/vault.h"

enum { HEADER_BYTES = 38, OPS_AT = 6, MEMORY_AT = 14 };

struct fixture {
    struct vault_key key;
    struct bytes place;
    struct buffer sealed;
    struct buffer opened;
};

static void
fixture_init(struct fixture *f, const char *content)
{
    vault_new_key(&f->key);
    f->place = bytes_of_text("loops/17");
    f->sealed = BUFFER_INIT(1000);
    f->opened = BUFFER_INIT(1000);
    assert_int_equal(vault_close(&f->key, f->place, bytes_of_text(content), &f->sealed), ERR_OK);
}

static void
fixture_done(struct fixture *f)
{
    buffer_wipe(&f->sealed);
    buffer_wipe(&f->opened);
}

static enum err
open_it(struct fixture *f)
{
    return vault_open(&f->key, f->place, buffer_view(&f->sealed), &f->opened);
}

static void
content_comes_back(void **state)
{
    (void)state;
    static const char *const contents[] = {"", "x", "Jo Example, 555-0100"};
    for (size_t i = 0; i < ARRAY_LEN(contents); i++) {
        CLEANUP(fixture_done) struct fixture f;
        fixture_init(&f, contents[i]);
        assert_int_equal(f.sealed.len, strlen(contents[i]) + 24 + 16);
        assert_int_equal(open_it(&f), ERR_OK);
        assert_true(bytes_equal(buffer_view(&f.opened), bytes_of_text(contents[i])));
    }
}

static void
another_place_or_key_is_refused(void **state)
{
    (void)state;
    CLEANUP(fixture_done) struct fixture f;
    fixture_init(&f, "content");
    f.place = bytes_of_text("loops/18");
    assert_int_equal(open_it(&f), ERR_CORRUPT);
    f.place = bytes_of_text("loops/17");
    vault_new_key(&f.key);
    assert_int_equal(open_it(&f), ERR_CORRUPT);
    assert_int_equal(f.opened.len, 0);
}

static void
every_flip_and_every_cut_is_refused(void **state)
{
    (void)state;
    CLEANUP(fixture_done) struct fixture f;
    fixture_init(&f, "");
    for (size_t bit = 0; bit < 8 * f.sealed.len; bit++) {
        f.sealed.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_int_equal(open_it(&f), ERR_CORRUPT);
        f.sealed.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    for (size_t whole = f.sealed.len; f.sealed.len > 0;) {
        f.sealed.len--;
        assert_int_equal(open_it(&f), ERR_CORRUPT);
        assert_true(f.sealed.len < whole);
    }
    assert_int_equal(f.opened.len, 0);
}

static void
no_room_leaves_the_buffers_alone(void **state)
{
    (void)state;
    CLEANUP(fixture_done) struct fixture f;
    fixture_init(&f, "content");
    f.opened.max = 6;
    assert_int_equal(open_it(&f), ERR_TOO_LARGE);
    assert_int_equal(f.opened.len, 0);
    size_t before = f.sealed.len;
    f.sealed.max = before + 7 + 24 + 15;
    assert_int_equal(vault_close(&f.key, f.place, bytes_of_text("content"), &f.sealed),
                     ERR_TOO_LARGE);
    assert_int_equal(f.sealed.len, before);
}

static void
wrap(struct fixture *f, enum vault_effort effort)
{
    fixture_init(f, "");
    buffer_clear(&f->sealed);
    assert_int_equal(vault_wrap(bytes_of_text("four plain words here"), effort,
                                bytes_of_text("root secret"), &f->sealed),
                     ERR_OK);
}

static enum err
unwrap(struct fixture *f, const char *passphrase)
{
    return vault_unwrap(bytes_of_text(passphrase), buffer_view(&f->sealed), &f->opened);
}

static void
the_passphrase_unwraps(void **state)
{
    (void)state;
    static const enum vault_effort efforts[] = {VAULT_EFFORT_TEST, VAULT_EFFORT_INTERACTIVE};
    for (size_t i = 0; i < ARRAY_LEN(efforts); i++) {
        CLEANUP(fixture_done) struct fixture f;
        wrap(&f, efforts[i]);
        assert_int_equal(f.sealed.len, HEADER_BYTES + 24 + 11 + 16);
        assert_int_equal(unwrap(&f, "four plain words here"), ERR_OK);
        assert_true(bytes_equal(buffer_view(&f.opened), bytes_of_text("root secret")));
    }
}

/* Read back from the header, so that a weaker setting cannot slip in. */
static void
efforts_cost_what_they_should(void **state)
{
    (void)state;
    static const struct {
        enum vault_effort effort;
        uint64_t ops;
        uint64_t memory_bytes;
    } expected[] = {
        {VAULT_EFFORT_TEST, 1, 8192},
        {VAULT_EFFORT_INTERACTIVE, 2, 64 << 20},
        {VAULT_EFFORT_MODERATE, 3, 256 << 20},
    };
    for (size_t i = 0; i < ARRAY_LEN(expected); i++) {
        CLEANUP(fixture_done) struct fixture f;
        wrap(&f, expected[i].effort);
        struct reader reader = reader_of(bytes_of(f.sealed.data + OPS_AT, 16));
        assert_int_equal(reader_u64(&reader), expected[i].ops);
        assert_int_equal(reader_u64(&reader), expected[i].memory_bytes);
    }
}

static void
another_passphrase_does_not(void **state)
{
    (void)state;
    static const char *const wrong[] = {"", "four plain words her", "four plain words here ",
                                        "Four plain words here"};
    CLEANUP(fixture_done) struct fixture f;
    wrap(&f, VAULT_EFFORT_TEST);
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        assert_int_equal(unwrap(&f, wrong[i]), ERR_KEY);
    }
    assert_int_equal(f.opened.len, 0);
}

static void
every_change_of_a_wrapped_secret_is_refused(void **state)
{
    (void)state;
    CLEANUP(fixture_done) struct fixture f;
    wrap(&f, VAULT_EFFORT_TEST);
    for (size_t bit = 0; bit < 8 * f.sealed.len; bit++) {
        f.sealed.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
        enum err err = unwrap(&f, "four plain words here");
        assert_true(err == ERR_KEY || (err == ERR_MALFORMED && bit / 8 < HEADER_BYTES));
        f.sealed.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    while (f.sealed.len > 0) {
        f.sealed.len--;
        enum err err = unwrap(&f, "four plain words here");
        assert_true(err == (f.sealed.len < HEADER_BYTES + 24 + 16 ? ERR_MALFORMED : ERR_KEY));
    }
    assert_int_equal(f.opened.len, 0);
}

static void
set_u64(uint8_t *at, uint64_t value)
{
    for (size_t i = 8; i-- > 0; value >>= 8) {
        at[i] = (uint8_t)(value & 0xff);
    }
}

static void
costs_out_of_bounds_are_malformed(void **state)
{
    (void)state;
    static const struct {
        uint64_t ops;
        uint64_t memory_bytes;
    } costs[] = {
        {1, (1 << 30) + 1}, {1, UINT64_MAX}, {1, 8191},          {1, 0},
        {17, 8192},         {0, 8192},       {UINT64_MAX, 8192}, {UINT32_MAX, 8192},
    };
    CLEANUP(fixture_done) struct fixture f;
    wrap(&f, VAULT_EFFORT_TEST);
    for (size_t i = 0; i < ARRAY_LEN(costs); i++) {
        set_u64(f.sealed.data + OPS_AT, costs[i].ops);
        set_u64(f.sealed.data + MEMORY_AT, costs[i].memory_bytes);
        assert_int_equal(unwrap(&f, "four plain words here"), ERR_MALFORMED);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(content_comes_back),
        cmocka_unit_test(another_place_or_key_is_refused),
        cmocka_unit_test(every_flip_and_every_cut_is_refused),
        cmocka_unit_test(no_room_leaves_the_buffers_alone),
        cmocka_unit_test(the_passphrase_unwraps),
        cmocka_unit_test(efforts_cost_what_they_should),
        cmocka_unit_test(another_passphrase_does_not),
        cmocka_unit_test(every_change_of_a_wrapped_secret_is_refused),
        cmocka_unit_test(costs_out_of_bounds_are_malformed),
    };
    bool locked;
    return secret_start(&locked) == ERR_OK ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
