/* The strict reader by itself: depth, counts, budget, number forms, and looking into any bytes. */
#include "tests/unit/wire/case.h"

#include <stdlib.h>
#include <string.h>

#include "lib/wire/codec.h"
#include "lib/wire/limits.h"
#include "proto/session.pb-c.h"
#include "tests/unit/wire/raw.h"

/* A type that contains itself, which no schema of ours does: the depth bound must hold even so. */
static const ProtobufCMessageDescriptor recursive;
static const ProtobufCFieldDescriptor recursive_fields[] = {
    {.name = "inner",
     .id = 1,
     .label = PROTOBUF_C_LABEL_OPTIONAL,
     .type = PROTOBUF_C_TYPE_MESSAGE,
     .descriptor = &recursive},
};
static const ProtobufCIntRange recursive_ranges[] = {{1, 0}, {0, 1}};
static const unsigned recursive_names[] = {0};
static const ProtobufCMessageDescriptor recursive = {
    .magic = PROTOBUF_C__MESSAGE_DESCRIPTOR_MAGIC,
    .name = "Recursive",
    .n_fields = 1,
    .fields = recursive_fields,
    .fields_sorted_by_name = recursive_names,
    .n_field_ranges = 1,
    .field_ranges = recursive_ranges,
};

/* `depth` messages, one in the other. */
static void
put_nested(struct buffer *out, unsigned depth)
{
    struct buffer inner = BUFFER_INIT(1 << 20);
    for (unsigned i = 1; i < depth; i++) {
        struct buffer outer = BUFFER_INIT(1 << 20);
        raw_put_content(&outer, 1, buffer_view(&inner));
        buffer_done(&inner);
        inner = outer;
    }
    buffer_put(out, inner.data, inner.len);
    buffer_done(&inner);
}

static void
depth_is_bounded(void **state)
{
    (void)state;
    const unsigned depths[] = {CODEC_DEPTH_MAX, CODEC_DEPTH_MAX + 1, 1000};
    for (size_t i = 0; i < ARRAY_LEN(depths); i++) {
        CLEANUP(buffer_done) struct buffer bomb = BUFFER_INIT(1 << 20);
        put_nested(&bomb, depths[i]);
        assert_ok(buffer_err(&bomb));
        assert_err(codec_scan(buffer_view(&bomb), &recursive),
                   depths[i] <= CODEC_DEPTH_MAX ? ERR_OK : ERR_MALFORMED);
    }
}

static void
fields_are_counted(void **state)
{
    (void)state;
    CLEANUP(buffer_done) struct buffer inner = BUFFER_INIT(1 << 20);
    CLEANUP(buffer_done) struct buffer frame = BUFFER_INIT(1 << 20);
    for (unsigned i = 0; i < CODEC_FIELDS_MAX - 1; i++) {
        raw_put_content(&inner, 1, bytes_of("e", 1));
    }
    raw_put_content(&frame, 2, buffer_view(&inner));
    assert_ok(codec_scan(buffer_view(&frame), &refloop__session__v1__message__descriptor));
    raw_put_content(&inner, 1, bytes_of("e", 1));
    buffer_clear(&frame);
    raw_put_content(&frame, 2, buffer_view(&inner));
    assert_err(codec_scan(buffer_view(&frame), &refloop__session__v1__message__descriptor),
               ERR_TOO_LARGE);
}

static void
arena_keeps_its_budget(void **state)
{
    (void)state;
    CLEANUP(codec_arena_done) struct codec_arena arena = {0};
    size_t given = 0;
    for (;;) {
        uint8_t *memory = codec_alloc(&arena, 1000);
        if (memory == NULL) {
            break;
        }
        assert_true(codec_is_zero(memory, 1000));
        memset(memory, 0xff, 1000);
        given += 1000;
        assert_true(given <= LIMIT_UNPACK_BYTES);
    }
    assert_int_equal(arena.failed, ERR_TOO_LARGE);
    assert_true(given > LIMIT_UNPACK_BYTES / 2);
    assert_null(codec_alloc(&arena, LIMIT_UNPACK_BYTES + 1));
    assert_null(codec_alloc(&arena, SIZE_MAX));
}

/* Large and small requests in turn must not waste the shared block. */
static void
arena_mixes_sizes(void **state)
{
    (void)state;
    CLEANUP(codec_arena_done) struct codec_arena arena = {0};
    for (unsigned i = 0; i < 100; i++) {
        uint8_t *small = codec_alloc(&arena, 1 + i);
        uint8_t *large = codec_alloc(&arena, 5000);
        assert_non_null(small);
        assert_non_null(large);
        assert_int_equal((uintptr_t)small % 16, 0);
        assert_int_equal((uintptr_t)large % 16, 0);
        memset(small, 1, 1 + i);
        memset(large, 1, 5000);
    }
    assert_true(arena.taken < 100 * 5008 + 3 * 8192);
}

/* 256 KiB of empty parts: a hundred times as much memory with bare protobuf-c. */
static void
amplification_fails_cheaply(void **state)
{
    (void)state;
    const uint32_t kinds[] = {7, 8}; /* receipts, entries */
    const uint32_t fields[] = {1, 3};
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        CLEANUP(buffer_done) struct buffer inner = BUFFER_INIT(1 << 20);
        CLEANUP(buffer_done) struct buffer frame = BUFFER_INIT(1 << 20);
        CLEANUP(codec_arena_done) struct codec_arena arena = {0};
        void *message = NULL;
        while (inner.len < LIMIT_FRAME_BYTES - 16) {
            raw_put_content(&inner, fields[i], bytes_of(NULL, 0));
        }
        raw_put_content(&frame, kinds[i], buffer_view(&inner));
        enum err err = codec_unpack(buffer_view(&frame), &refloop__session__v1__message__descriptor,
                                    &arena, &message);
        assert_true(err == ERR_MALFORMED || err == ERR_TOO_LARGE);
        assert_int_equal(arena.taken, 0);
        assert_null(message);
    }
}

/* The budget by itself, with the recursive type: a few levels of nothing but wide lists cannot be
 * made from it, so the largest frame that passes the scan is unpacked and stays within. */
static void
largest_frame_unpacks_in_budget(void **state)
{
    (void)state;
    CLEANUP(buffer_done) struct buffer inner = BUFFER_INIT(1 << 20);
    CLEANUP(buffer_done) struct buffer frame = BUFFER_INIT(1 << 20);
    CLEANUP(codec_arena_done) struct codec_arena arena = {0};
    Refloop__Session__V1__Message *message = NULL;
    uint8_t text[63] = {1};
    for (unsigned i = 0; i < CODEC_FIELDS_MAX - 1; i++) {
        raw_put_content(&inner, 1, bytes_of(text, sizeof(text) - (i % 4 == 0)));
    }
    raw_put_content(&frame, 2, buffer_view(&inner));
    assert_in_range(frame.len, LIMIT_FRAME_BYTES - 4096, LIMIT_FRAME_BYTES + 8192);
    assert_ok(codec_unpack(buffer_view(&frame), &refloop__session__v1__message__descriptor, &arena,
                           &message));
    assert_int_equal(message->submit->n_envelopes, CODEC_FIELDS_MAX - 1);
    assert_true(arena.taken <= LIMIT_UNPACK_BYTES);
}

static void
number_forms_are_one(void **state)
{
    (void)state;
    /* A ping: field 4, content {field 1: nonce}. */
    static const struct {
        const char *bytes;
        size_t len;
        enum err expected;
    } rows[] = {
        {"\x22\x02\x08\x05", 4, ERR_OK},
        {"\x22\x02\x08\x00", 4, ERR_OK},
        {"\xa2\x00\x02\x08\x05", 5, ERR_MALFORMED}, /* overlong tag */
        {"\x22\x82\x00\x08\x05", 5, ERR_MALFORMED}, /* overlong length */
        {"\x22\x03\x08\x85\x00", 5, ERR_MALFORMED}, /* overlong value */
        {"\x22\x03\x08\x05", 4, ERR_MALFORMED},     /* past the end */
        {"\x22\x02\x09\x05", 4, ERR_MALFORMED},     /* fixed64 */
        {"\x22\x02\x0b\x05", 4, ERR_MALFORMED},     /* group */
        {"\x22\x02\x10\x05", 4, ERR_MALFORMED},     /* unknown field */
        {"\x22\x00", 2, ERR_MALFORMED},             /* nonce missing */
        {"\x22", 1, ERR_MALFORMED},
        {"\x02\x02\x08\x05", 4, ERR_MALFORMED}, /* field 0 */
        {"\x22\x0b\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 13, ERR_OK},
        {"\x22\x0b\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x03", 13, ERR_MALFORMED}, /* 65 bits */
        {"\x22\x0c\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x81\x01", 14, ERR_MALFORMED},
        {"\xa2\x80\x80\x80\x10\x02\x08\x05", 8, ERR_MALFORMED},     /* tag of 33 bits */
        {"\xa2\x80\x80\x80\x80\x01\x02\x08\x05", 9, ERR_MALFORMED}, /* of 36 */
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        assert_err(codec_scan(bytes_of(rows[i].bytes, rows[i].len),
                              &refloop__session__v1__message__descriptor),
                   rows[i].expected);
    }
}

static void
views_are_safe_on_anything(void **state)
{
    (void)state;
    struct bytes views[2];
    uint64_t value = 7;
    const struct bytes message = bytes_of("\x0a\x01"
                                          "a\x0a\x01"
                                          "b\x10\x09\x0a\x7f",
                                          10);
    assert_int_equal(codec_views(message, 1, views, 2), 2);
    assert_memory_equal(views[1].data, "b", 1);
    assert_true(codec_peek_varint(message, 2, &value));
    assert_int_equal(value, 9);
    assert_int_equal(codec_view(message, 3).len, 0);
    assert_false(codec_peek_varint(message, 1, &value));
    assert_int_equal(codec_view(bytes_of(NULL, 0), 1).len, 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(depth_is_bounded),
        cmocka_unit_test(fields_are_counted),
        cmocka_unit_test(arena_keeps_its_budget),
        cmocka_unit_test(arena_mixes_sizes),
        cmocka_unit_test(amplification_fails_cheaply),
        cmocka_unit_test(largest_frame_unpacks_in_budget),
        cmocka_unit_test(number_forms_are_one),
        cmocka_unit_test(views_are_safe_on_anything),
    };
    return cmocka_run_group_tests(tests, start_secrets, NULL);
}
