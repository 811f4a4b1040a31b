/* The message of an evidence file: comes back as it was, and has one form. */
#include "tests/unit/wire/case.h"

#include <stdlib.h>
#include <string.h>

#include "lib/wire/evidence_parts.h"
#include "tests/unit/wire/fixture.h"

enum { ROOM = 4 * 1024 * 1024 };

static const uint8_t hashes[64] = {1, 2, 3};
static struct bytes notes[2];
static struct evidence_part entries[3];

static struct evidence_parts
sample(void)
{
    struct evidence_parts parts = {.network = fixture_network(),
                                   .n_checkpoints = 2,
                                   .checkpoints = notes,
                                   .n_entries = 3,
                                   .entries = entries};
    memset(parts.loop.bytes, 0x77, sizeof(parts.loop.bytes));
    notes[0] = bytes_of_text("one note");
    notes[1] = bytes_of_text("another");
    memset(entries, 0, sizeof(entries));
    entries[0].envelope = bytes_of_text("genesis");
    entries[1] = (struct evidence_part){.index = UINT64_MAX,
                                        .log_time_ms = INT64_MIN,
                                        .envelope = bytes_of_text("statement"),
                                        .checkpoint = UINT32_MAX,
                                        .inclusion = bytes_of(hashes, sizeof(hashes)),
                                        .has_body_key = true};
    memset(entries[1].keys.body.bytes, 0x31, SEAL_CONTENT_KEY_BYTES);
    entries[2] = entries[1];
    entries[2].has_facts_key = true;
    memset(entries[2].keys.facts.bytes, 0x32, SEAL_CONTENT_KEY_BYTES);
    return parts;
}

static void
assert_same(const struct evidence_part *a, const struct evidence_part *b)
{
    assert_true(a->index == b->index && a->log_time_ms == b->log_time_ms);
    assert_true(a->checkpoint == b->checkpoint);
    assert_true(bytes_equal(a->envelope, b->envelope));
    assert_true(bytes_equal(a->inclusion, b->inclusion));
    assert_int_equal(a->has_body_key, b->has_body_key);
    assert_int_equal(a->has_facts_key, b->has_facts_key);
    assert_memory_equal(&a->keys, &b->keys, sizeof(a->keys));
}

static void
parts_come_back(void **state)
{
    (void)state;
    CLEANUP(buffer_done) struct buffer bytes = BUFFER_INIT(ROOM);
    CLEANUP(evidence_parts_done) struct evidence_parts read = {0};
    struct evidence_parts parts = sample();
    assert_ok(evidence_parts_encode(&parts, &bytes));
    assert_ok(evidence_parts_decode(buffer_view(&bytes), &read));
    assert_memory_equal(&read.network, &parts.network, sizeof(read.network));
    assert_memory_equal(&read.loop, &parts.loop, sizeof(read.loop));
    assert_int_equal(read.n_checkpoints, 2);
    assert_true(bytes_equal(read.checkpoints[1], notes[1]));
    assert_int_equal(read.n_entries, 3);
    for (size_t i = 0; i < 3; i++) {
        assert_same(&read.entries[i], &entries[i]);
    }
    /* Views, no copies. */
    assert_true(read.entries[0].envelope.data > bytes.data &&
                read.entries[0].envelope.data < bytes.data + bytes.len);
}

/* More than the reader of one frame would take. */
static void
as_many_as_there_may_be(void **state)
{
    (void)state;
    CLEANUP(buffer_done) struct buffer bytes = BUFFER_INIT(ROOM);
    CLEANUP(evidence_parts_done) struct evidence_parts read = {0};
    struct evidence_parts parts = sample();
    struct evidence_part *many = calloc(EVIDENCE_ENTRIES_MAX + 1, sizeof(*many));
    assert_non_null(many);
    for (size_t i = 0; i <= EVIDENCE_ENTRIES_MAX; i++) {
        many[i] = entries[1];
    }
    parts.entries = many;
    parts.n_entries = EVIDENCE_ENTRIES_MAX;
    assert_ok(evidence_parts_encode(&parts, &bytes));
    assert_ok(evidence_parts_decode(buffer_view(&bytes), &read));
    assert_int_equal(read.n_entries, EVIDENCE_ENTRIES_MAX);
    assert_same(&read.entries[EVIDENCE_ENTRIES_MAX - 1], &entries[1]);
    /* One more: refused by the writer, and by the reader of what another writer made. */
    parts.n_entries++;
    buffer_clear(&bytes);
    assert_err(evidence_parts_encode(&parts, &bytes), ERR_TOO_LARGE);
    assert_int_equal(bytes.len, 0);
    free(many);
    static const uint8_t empty_entry[] = {4 << 3 | 2, 0};
    parts = sample();
    assert_ok(evidence_parts_encode(&parts, &bytes));
    for (size_t i = 3; i <= EVIDENCE_ENTRIES_MAX; i++) {
        buffer_put(&bytes, empty_entry, sizeof(empty_entry));
    }
    assert_err(evidence_parts_decode(buffer_view(&bytes), &read), ERR_TOO_LARGE);
}

static void
the_writer_refuses_half_parts(void **state)
{
    (void)state;
    CLEANUP(buffer_done) struct buffer bytes = BUFFER_INIT(ROOM);
    struct evidence_parts parts = sample();
    parts.n_checkpoints = 0;
    assert_err(evidence_parts_encode(&parts, &bytes), ERR_INVALID);
    parts = sample();
    parts.n_entries = 0;
    assert_err(evidence_parts_encode(&parts, &bytes), ERR_INVALID);
    parts = sample();
    notes[1].len = 0;
    assert_err(evidence_parts_encode(&parts, &bytes), ERR_INVALID);
    parts = sample();
    entries[2].envelope.len = 0;
    assert_err(evidence_parts_encode(&parts, &bytes), ERR_INVALID);
    parts = sample();
    memset(&entries[1].keys.body, 0, sizeof(entries[1].keys.body));
    assert_err(evidence_parts_encode(&parts, &bytes), ERR_INVALID);
    parts = sample();
    memset(&entries[2].keys.facts, 0, sizeof(entries[2].keys.facts));
    assert_err(evidence_parts_encode(&parts, &bytes), ERR_INVALID);
    parts = sample();
    parts.n_checkpoints = EVIDENCE_CHECKPOINTS_MAX + 1;
    assert_err(evidence_parts_encode(&parts, &bytes), ERR_TOO_LARGE);
    assert_int_equal(bytes.len, 0);
}

static void
expect_malformed(struct bytes bytes)
{
    struct evidence_parts read = {.n_entries = 9};
    assert_err(evidence_parts_decode(bytes, &read), ERR_MALFORMED);
    assert_int_equal(read.n_entries, 9);
}

static void
other_forms_are_refused(void **state)
{
    (void)state;
    CLEANUP(buffer_done) struct buffer bytes = BUFFER_INIT(ROOM);
    CLEANUP(buffer_done) struct buffer other = BUFFER_INIT(ROOM);
    struct evidence_parts parts = sample();
    assert_ok(evidence_parts_encode(&parts, &bytes));
    for (size_t len = 0; len < bytes.len; len++) {
        struct evidence_parts read = {0};
        if (evidence_parts_decode(bytes_of(bytes.data, len), &read) == ERR_OK) {
            assert_true(read.n_entries < 3); /* cut between entries: a shorter list is a list */
            evidence_parts_done(&read);
        }
    }
    /* The loop before the network: the same to any reader of protobuf. */
    const size_t network = 2 + SIGN_PUBLIC_BYTES;
    const size_t loop = 2 + LOOP_ID_BYTES;
    buffer_put(&other, bytes.data + network, loop);
    buffer_put(&other, bytes.data, network);
    buffer_put(&other, bytes.data + network + loop, bytes.len - network - loop);
    expect_malformed(buffer_view(&other));
    /* A second network, an unknown field, a field that is no bytes, a zero that is no length. */
    static const uint8_t unknown[] = {5 << 3 | 2, 1, 'x'};
    static const uint8_t zero[] = {0x02, 1, 'x'};
    static const uint8_t number[] = {3 << 3, 1};
    static const struct {
        const uint8_t *bytes;
        size_t len;
    } more[] = {{unknown, sizeof(unknown)}, {zero, sizeof(zero)}, {number, sizeof(number)}};
    for (size_t i = 0; i < ARRAY_LEN(more); i++) {
        buffer_clear(&other);
        buffer_put(&other, bytes.data, bytes.len);
        buffer_put(&other, more[i].bytes, more[i].len);
        expect_malformed(buffer_view(&other));
    }
    buffer_clear(&other);
    buffer_put(&other, bytes.data, network);
    buffer_put(&other, bytes.data, bytes.len);
    expect_malformed(buffer_view(&other));
    /* A network of 31 bytes. */
    buffer_clear(&other);
    buffer_put(&other, bytes.data, bytes.len);
    memmove(other.data + network - 1, other.data + network, other.len - network);
    other.len--;
    other.data[1]--;
    expect_malformed(buffer_view(&other));
}

/* An entry's own fields: order, lengths of keys, what must be there. */
static void
entries_have_one_form(void **state)
{
    (void)state;
    static const uint8_t good[] = {0x08, 0, 0x10, 5, 0x1a, 1, 'e', 0x20, 0};
    static const uint8_t turned[] = {0x10, 5, 0x08, 0, 0x1a, 1, 'e', 0x20, 0};
    static const uint8_t no_time[] = {0x08, 0, 0x1a, 1, 'e', 0x20, 0};
    static const uint8_t short_key[] = {0x08, 0, 0x10, 5, 0x1a, 1, 'e', 0x20, 0, 0x32, 1, 'k'};
    static const uint8_t long_number[] = {0x08, 0x80, 0, 0x10, 5, 0x1a, 1, 'e', 0x20, 0};
    static const uint8_t no_inclusion[] = {0x08, 0, 0x10, 5, 0x1a, 1, 'e', 0x20, 0, 0x2a, 0};
    static const struct {
        const uint8_t *bytes;
        size_t len;
        enum err expected;
    } tries[] = {
        {good, sizeof(good), ERR_OK},
        {turned, sizeof(turned), ERR_MALFORMED},
        {no_time, sizeof(no_time), ERR_MALFORMED},
        {short_key, sizeof(short_key), ERR_MALFORMED},
        {long_number, sizeof(long_number), ERR_MALFORMED},
        {no_inclusion, sizeof(no_inclusion), ERR_MALFORMED},
    };
    for (size_t i = 0; i < ARRAY_LEN(tries); i++) {
        CLEANUP(buffer_done) struct buffer bytes = BUFFER_INIT(ROOM);
        CLEANUP(evidence_parts_done) struct evidence_parts read = {0};
        struct evidence_parts parts = sample();
        assert_ok(evidence_parts_encode(&parts, &bytes));
        buffer_put_u8(&bytes, 4 << 3 | 2);
        buffer_put_u8(&bytes, (uint8_t)tries[i].len);
        buffer_put(&bytes, tries[i].bytes, tries[i].len);
        assert_err(evidence_parts_decode(buffer_view(&bytes), &read), tries[i].expected);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parts_come_back),
        cmocka_unit_test(as_many_as_there_may_be),
        cmocka_unit_test(the_writer_refuses_half_parts),
        cmocka_unit_test(other_forms_are_refused),
        cmocka_unit_test(entries_have_one_form),
    };
    return cmocka_run_group_tests(tests, start_secrets, NULL);
}
