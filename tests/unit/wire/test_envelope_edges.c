/* Envelopes and leaves at every limit of theirs, one at a time, and without memory: the refusal is
 * named and the output stays as it was. */
#include "tests/unit/wire/case.h"

#include <stdlib.h>
#include <string.h>

#include "tests/support/fail_alloc.h"
#include "tests/unit/wire/fixture.h"
#include "tests/unit/wire/raw.h"

enum { FIELD_STATEMENT = 1, FIELD_SIGNATURE = 2, FIELD_SEALED = 3 };

static const uint8_t zeros[LIMIT_ENVELOPE_BYTES + 1];

/* A sound envelope of the clinic's; its bytes go to `out`, which it points into. */
static struct envelope
sound(struct buffer *out)
{
    struct statement statement = fixture_revoke("elm-pantry");
    struct fixture_org root = fixture_org(ROOT);
    struct envelope envelope;
    fixture_envelope(&statement, &root.sign, bytes_of(NULL, 0), out);
    assert_ok(envelope_decode(buffer_view(out), &envelope));
    return envelope;
}

static void
assert_untouched(const struct envelope *envelope)
{
    static const struct envelope never = {.signature = {.size = 4711}};
    assert_memory_equal(envelope, &never, sizeof(never));
}

static void
expect_decode(struct bytes bytes, enum err expected)
{
    struct envelope out = {.signature = {.size = 4711}};
    assert_err(envelope_decode(bytes, &out), expected);
    assert_untouched(&out);
}

static void
expect_encode(const struct envelope *envelope, enum err expected)
{
    CLEANUP(buffer_done) struct buffer out = BUFFER_INIT(LIMIT_ENVELOPE_BYTES);
    assert_err(envelope_encode(envelope, &out), expected);
    assert_int_equal(out.len, 0);
}

static void
what_is_too_large_is_told(void **state)
{
    CLEANUP(buffer_done) struct buffer bytes = BUFFER_INIT(LIMIT_ENVELOPE_BYTES);
    (void)state;
    const struct envelope good = sound(&bytes);
    struct raw_field fields[RAW_FIELDS_MAX];
    assert_int_equal(raw_split(buffer_view(&bytes), fields), 2);
    const struct bytes signature = fields[1].content;
    struct {
        size_t statement, sealed;
        enum err err;
    } const cases[] = {
        {LIMIT_STATEMENT_BYTES + 1, 0, ERR_TOO_LARGE},
        {1, LIMIT_SEALED_BYTES + 1, ERR_TOO_LARGE},
        {LIMIT_STATEMENT_BYTES + 1, LIMIT_SEALED_BYTES + 1, ERR_TOO_LARGE},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP(buffer_done) struct buffer raw = BUFFER_INIT(LIMIT_ENVELOPE_BYTES + 1);
        struct envelope envelope = good;
        envelope.statement = bytes_of(zeros, cases[i].statement);
        envelope.sealed = bytes_of(zeros, cases[i].sealed);
        expect_encode(&envelope, cases[i].err);
        raw_put_content(&raw, FIELD_STATEMENT, envelope.statement);
        raw_put_content(&raw, FIELD_SIGNATURE, signature);
        if (envelope.sealed.len > 0) {
            raw_put_content(&raw, FIELD_SEALED, envelope.sealed);
        }
        expect_decode(buffer_view(&raw), cases[i].err);
    }
    expect_decode(bytes_of(zeros, LIMIT_ENVELOPE_BYTES + 1), ERR_TOO_LARGE);
}

/* Each field of a signature that is out of its bounds. */
static size_t
bad_signatures(const struct turn_signature *good, struct turn_signature out[4])
{
    for (size_t i = 0; i < 4; i++) {
        out[i] = *good;
    }
    out[0].size = 0;
    out[1].size = LIMIT_TURN_STATEMENTS + 1;
    out[2].index = good->size;
    out[3].n_path = MERKLE_PATH_MAX + 1;
    return 4;
}

static void
what_cannot_be_signed_is_not_written(void **state)
{
    CLEANUP(buffer_done) struct buffer bytes = BUFFER_INIT(LIMIT_ENVELOPE_BYTES);
    struct turn_signature bad[4];
    (void)state;
    const struct envelope good = sound(&bytes);
    size_t n = bad_signatures(&good.signature, bad);
    for (size_t i = 0; i < n; i++) {
        struct envelope envelope = good;
        envelope.signature = bad[i];
        expect_encode(&envelope, ERR_INVALID);
    }
    struct envelope envelope = good;
    envelope.statement.len = 0;
    expect_encode(&envelope, ERR_INVALID);
}

/* The leaf's framing, field by field. */
static void
put_leaf(const struct envelope *envelope, uint8_t version, size_t path_bytes, struct buffer *out)
{
    buffer_put_u8(out, version);
    buffer_put_blob(out, envelope->statement);
    buffer_put(out, envelope->signature.root_signature, SIGN_BYTES);
    buffer_put_u32(out, envelope->signature.size);
    buffer_put_u32(out, envelope->signature.index);
    buffer_put_blob(out, bytes_of(zeros, path_bytes));
}

static void
expect_leaf(const struct envelope *envelope, uint8_t version, size_t path_bytes, enum err expected)
{
    CLEANUP(buffer_done) struct buffer leaf = BUFFER_INIT(LIMIT_ENVELOPE_BYTES);
    struct envelope out = {.signature = {.size = 4711}};
    put_leaf(envelope, version, path_bytes, &leaf);
    assert_ok(buffer_err(&leaf));
    assert_err(envelope_from_leaf(buffer_view(&leaf), &out), expected);
    if (expected != ERR_OK) {
        assert_untouched(&out);
    } else {
        assert_true(bytes_equal(out.statement, envelope->statement));
        assert_int_equal(out.signature.n_path, path_bytes / MERKLE_HASH_BYTES);
    }
}

static void
leaves_hold_to_every_limit(void **state)
{
    CLEANUP(buffer_done) struct buffer bytes = BUFFER_INIT(LIMIT_ENVELOPE_BYTES);
    struct turn_signature bad[4];
    (void)state;
    const struct envelope good = sound(&bytes);
    const size_t path_max = MERKLE_PATH_MAX * MERKLE_HASH_BYTES;
    expect_leaf(&good, 1, 0, ERR_OK);
    expect_leaf(&good, 1, path_max, ERR_OK);
    expect_leaf(&good, 0, 0, ERR_MALFORMED);
    expect_leaf(&good, 2, 0, ERR_MALFORMED);
    expect_leaf(&good, 1, 1, ERR_MALFORMED);
    expect_leaf(&good, 1, path_max - 1, ERR_MALFORMED);
    expect_leaf(&good, 1, path_max + MERKLE_HASH_BYTES, ERR_MALFORMED);
    struct envelope envelope = good;
    envelope.statement.len = 0;
    expect_leaf(&envelope, 1, 0, ERR_MALFORMED);
    envelope.statement = bytes_of(zeros, LIMIT_STATEMENT_BYTES + 1);
    expect_leaf(&envelope, 1, 0, ERR_MALFORMED);
    envelope = good;
    size_t n = bad_signatures(&good.signature, bad);
    for (size_t i = 0; i + 1 < n; i++) { /* the last one has no place in a leaf */
        envelope.signature = bad[i];
        expect_leaf(&envelope, 1, 0, ERR_MALFORMED);
    }
}

/* Opening fails once at every allocation, then does not. */
static void
without_memory_nothing_opens(void **state)
{
    CLEANUP(buffer_done) struct buffer bytes = BUFFER_INIT(LIMIT_ENVELOPE_BYTES);
    struct fixture_org root = fixture_org(ROOT);
    struct network_id network = fixture_network();
    unsigned long n = 1;
    bool failed = true;
    (void)state;
    (void)sound(&bytes);
    for (; failed; n++) {
        struct opened_envelope out;
        memset(&out, 0x5a, sizeof(out));
        struct opened_envelope before = out;
        fail_alloc_at(n);
        enum err err =
            envelope_open(buffer_view(&bytes), &network, &root.keys.sign, false, NULL, &out);
        failed = fail_alloc_off();
        assert_err(err, failed ? ERR_MEMORY : ERR_OK);
        assert_true((memcmp(&out, &before, sizeof(out)) == 0) == failed);
    }
    assert_true(n > 3);
}

static void
without_memory_nothing_is_written(void **state)
{
    CLEANUP(buffer_done) struct buffer bytes = BUFFER_INIT(LIMIT_ENVELOPE_BYTES);
    (void)state;
    const struct envelope good = sound(&bytes);
    CLEANUP(buffer_done) struct buffer out = BUFFER_INIT(LIMIT_ENVELOPE_BYTES);
    fail_alloc_at(1);
    assert_err(envelope_encode(&good, &out), ERR_MEMORY);
    assert_true(fail_alloc_off());
    assert_int_equal(out.len, 0);
    struct merkle_hash leaf = {.bytes = {0x5a}};
    struct merkle_hash untouched = leaf;
    fail_alloc_at(1);
    assert_err(envelope_log_leaf(&good, FIXTURE_TIME_MS, &leaf), ERR_MEMORY);
    assert_true(fail_alloc_off());
    assert_memory_equal(&leaf, &untouched, sizeof(leaf));
    assert_ok(envelope_log_leaf(&good, FIXTURE_TIME_MS, &leaf));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_too_large_is_told),
        cmocka_unit_test(what_cannot_be_signed_is_not_written),
        cmocka_unit_test(leaves_hold_to_every_limit),
        cmocka_unit_test(without_memory_nothing_opens),
        cmocka_unit_test(without_memory_nothing_is_written),
    };
    return cmocka_run_group_tests(tests, start_secrets, NULL);
}
