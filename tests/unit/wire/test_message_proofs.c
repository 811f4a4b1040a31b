/* What session messages carry so that the log can be proved: heads, inclusion proofs, cosignatures
 * and copies. Each rule is held to from both sides: a frame that breaks it is refused, and a
 * message that breaks it is not written. */
#include "tests/unit/wire/case.h"

#include <stdlib.h>
#include <string.h>

#include "tests/unit/wire/fixture.h"
#include "tests/unit/wire/raw.h"

enum {
    WORK_BYTES = 1 << 20,
    PATH_PARTS = 4,
    CHANGES_MAX = 4,
    LONGEST_PROOF = PROOF_MAX * MERKLE_HASH_BYTES
};

static struct message back;               /* large, so not on the stack */
static uint8_t filler[LIMIT_FRAME_BYTES]; /* zeros, for contents of any length */

static void
free_message(struct message **message)
{
    free(*message);
}

static struct bytes
content_of(size_t len)
{
    return bytes_of(filler, len);
}

static void
encode_kind(enum message_kind kind, struct buffer *out)
{
    CLEANUP(free_message) struct message *message = fixture_message(kind);
    buffer_clear(out);
    assert_ok(message_encode(message, out));
}

/* ---- changing one field of a frame ---- */

/* A field by its path, the kind's number first: {6, 5, 1} is the checkpoint of a Welcome's Head.
 * Ends with 0. */
struct change {
    uint32_t path[PATH_PARTS + 1];
    enum { REMOVE, CONTENT, NUMBER } what;
    uint64_t value; /* the number, or the content's length */
};

static void
put_changed(const struct change *change, uint32_t number, struct buffer *out)
{
    if (change->what == CONTENT) {
        raw_put_content(out, number, content_of((size_t)change->value));
    } else if (change->what == NUMBER) {
        raw_put_number(out, number, change->value);
    }
}

/* Changes the first field at the path, or adds it with what it stands in. */
static void
put_change(struct bytes message, const struct change *change, size_t depth, struct buffer *out)
{
    struct raw_field fields[RAW_FIELDS_MAX];
    size_t n = raw_split(message, fields);
    uint32_t number = change->path[depth];
    bool is_last = change->path[depth + 1] == 0;
    bool found = false;
    for (size_t i = 0; i < n; i++) {
        CLEANUP(buffer_done) struct buffer inner = BUFFER_INIT(WORK_BYTES);
        if (found || fields[i].number != number) {
            buffer_put(out, fields[i].whole.data, fields[i].whole.len);
        } else if (is_last) {
            put_changed(change, number, out);
        } else {
            put_change(fields[i].content, change, depth + 1, &inner);
            raw_put_content(out, number, buffer_view(&inner));
        }
        found |= fields[i].number == number;
    }
    if (!found && is_last) {
        put_changed(change, number, out);
    } else if (!found) {
        CLEANUP(buffer_done) struct buffer inner = BUFFER_INIT(WORK_BYTES);
        put_change(bytes_of(NULL, 0), change, depth + 1, &inner);
        raw_put_content(out, number, buffer_view(&inner));
    }
}

static enum err
decode_changed(const struct change *changes, size_t n)
{
    CLEANUP(buffer_done) struct buffer bytes = BUFFER_INIT(WORK_BYTES);
    encode_kind((enum message_kind)changes[0].path[0], &bytes);
    for (size_t i = 0; i < n; i++) {
        CLEANUP(buffer_done) struct buffer changed = BUFFER_INIT(WORK_BYTES);
        put_change(buffer_view(&bytes), &changes[i], 0, &changed);
        buffer_clear(&bytes);
        buffer_put(&bytes, changed.data, changed.len);
    }
    back.kind = MESSAGE_BYE;
    enum err err = message_decode(buffer_view(&bytes), &back);
    assert_true(err == ERR_OK || back.kind == MESSAGE_BYE);
    return err;
}

struct case_row {
    const char *words;
    enum err expected;
    struct change changes[CHANGES_MAX]; /* as many as have a path */
};

static void
check_rows(const struct case_row *rows, size_t n_rows)
{
    for (size_t i = 0; i < n_rows; i++) {
        size_t n = 0;
        while (n < ARRAY_LEN(rows[i].changes) && rows[i].changes[n].path[0] != 0) {
            n++;
        }
        enum err err = decode_changed(rows[i].changes, n);
        if (err != rows[i].expected) {
            fail_msg("%s: %s", rows[i].words, err_name(err));
        }
    }
}

/* ---- what comes back ---- */

static void
assert_inside(struct bytes view, const struct buffer *frame)
{
    assert_true(view.len > 0);
    assert_true(view.data > frame->data && view.data + view.len <= frame->data + frame->len);
}

static void
assert_head(const struct message_head *head, const struct buffer *frame)
{
    assert_true(head->present);
    assert_int_equal(head->from, 7);
    assert_inside(head->checkpoint, frame);
    assert_inside(head->consistency, frame);
    assert_memory_equal(head->checkpoint.data, "broker.example.org/log\n9\n", 25);
    assert_int_equal(head->consistency.len, 3 * MERKLE_HASH_BYTES);
    assert_int_equal(head->consistency.data[0], 0x81);
}

static void
assert_witnessed(const struct message_witnessed *witnessed, const struct buffer *frame)
{
    assert_true(witnessed->present);
    assert_inside(witnessed->checkpoint, frame);
    assert_inside(witnessed->consistency, frame);
    assert_int_equal(witnessed->consistency.len, 2 * MERKLE_HASH_BYTES);
}

static void
decode_kind(enum message_kind kind, struct buffer *bytes)
{
    encode_kind(kind, bytes);
    memset(&back, 0xaa, sizeof(back));
    assert_ok(message_decode(buffer_view(bytes), &back));
    assert_int_equal(back.kind, kind);
}

static void
heads_come_back_as_views(void **state)
{
    (void)state;
    CLEANUP(buffer_done) struct buffer bytes = BUFFER_INIT(WORK_BYTES);
    decode_kind(MESSAGE_HELLO, &bytes);
    assert_inside(back.as.hello.checkpoint, &bytes);
    assert_int_equal(back.as.hello.protocol, 2);
    decode_kind(MESSAGE_WELCOME, &bytes);
    assert_head(&back.as.welcome.proved, &bytes);
    assert_witnessed(&back.as.welcome.witnessed, &bytes);
    assert_int_equal(back.as.welcome.recall_from, 0);
    decode_kind(MESSAGE_PONG, &bytes);
    assert_head(&back.as.pong.proved, &bytes);
    assert_witnessed(&back.as.pong.witnessed, &bytes);
    decode_kind(MESSAGE_RECEIPTS, &bytes);
    assert_head(&back.as.receipts.proved, &bytes);
    assert_inside(back.as.receipts.receipts[0].inclusion, &bytes);
    assert_int_equal(back.as.receipts.receipts[0].inclusion.len, 4 * MERKLE_HASH_BYTES);
    assert_int_equal(back.as.receipts.receipts[1].inclusion.len, 0);
    decode_kind(MESSAGE_ENTRIES, &bytes);
    assert_head(&back.as.entries.proved, &bytes);
    assert_int_equal(back.as.entries.entries[0].inclusion.len, 0);
    assert_inside(back.as.entries.entries[2].inclusion, &bytes);
    assert_int_equal(back.as.entries.entries[2].inclusion.len, 2 * MERKLE_HASH_BYTES);
}

static void
new_kinds_come_back(void **state)
{
    (void)state;
    CLEANUP(buffer_done) struct buffer bytes = BUFFER_INIT(WORK_BYTES);
    decode_kind(MESSAGE_COSIGN, &bytes);
    assert_int_equal(back.as.cosign.size, 9);
    assert_int_equal(back.as.cosign.time_s, 1700000000);
    assert_int_equal(back.as.cosign.signature[SIGN_BYTES - 1], 0x91);
    decode_kind(MESSAGE_RECALL, &bytes);
    assert_int_equal(back.as.recall.from, 6);
    decode_kind(MESSAGE_COPIES, &bytes);
    const struct message_copy *copy = &back.as.copies.copies[1];
    assert_int_equal(back.as.copies.n, 2);
    assert_true(back.as.copies.more);
    assert_int_equal(copy->index, 5);
    assert_int_equal(copy->log_time_ms, 1000);
    assert_inside(copy->envelope, &bytes);
    assert_inside(copy->checkpoint, &bytes);
    assert_inside(copy->inclusion, &bytes);
    assert_int_equal(copy->inclusion.len, 3 * MERKLE_HASH_BYTES);
    assert_memory_equal(copy->envelope.data, "an envelope", 11);
    decode_kind(MESSAGE_PROVE, &bytes);
    assert_int_equal(back.as.prove.size, 9);
    assert_int_equal(back.as.prove.n, 2);
    assert_int_equal(back.as.prove.indexes[0], 8);
    assert_int_equal(back.as.prove.indexes[1], 0);
    decode_kind(MESSAGE_PROOFS, &bytes);
    assert_int_equal(back.as.proofs.size, 9);
    assert_int_equal(back.as.proofs.n, 2);
    assert_int_equal(back.as.proofs.indexes[0], 8);
    assert_inside(back.as.proofs.inclusions[0], &bytes);
    assert_int_equal(back.as.proofs.inclusions[1].len, 0);
}

/* ---- frames that break a rule ---- */

static void
proofs_are_whole_hashes_and_bounded(void **state)
{
    (void)state;
    static const uint32_t places[][PATH_PARTS + 1] = {
        {MESSAGE_WELCOME, 5, 3}, {MESSAGE_WELCOME, 6, 2},   {MESSAGE_RECEIPTS, 2, 3},
        {MESSAGE_PONG, 5, 3},    {MESSAGE_PONG, 6, 2},      {MESSAGE_ENTRIES, 4, 3},
        {MESSAGE_COPIES, 1, 5},  {MESSAGE_RECEIPTS, 1, 10}, {MESSAGE_ENTRIES, 3, 4},
        {MESSAGE_PROOFS, 2, 2},
    };
    static const struct {
        size_t len;
        enum err expected;
    } lengths[] = {
        {0, ERR_MALFORMED},
        {1, ERR_MALFORMED},
        {31, ERR_MALFORMED},
        {32, ERR_OK},
        {33, ERR_MALFORMED},
        {LONGEST_PROOF - 1, ERR_MALFORMED},
        {LONGEST_PROOF, ERR_OK},
        {LONGEST_PROOF + 1, ERR_TOO_LARGE},
        {LONGEST_PROOF + MERKLE_HASH_BYTES, ERR_TOO_LARGE},
    };
    for (size_t i = 0; i < ARRAY_LEN(places); i++) {
        for (size_t j = 0; j < ARRAY_LEN(lengths); j++) {
            struct change change = {.what = CONTENT, .value = lengths[j].len};
            memcpy(change.path, places[i], sizeof(change.path));
            enum err err = decode_changed(&change, 1);
            if (err != lengths[j].expected) {
                fail_msg("place %zu, %zu bytes: %s", i, lengths[j].len, err_name(err));
            }
        }
    }
}

static void
contents_are_bounded(void **state)
{
    (void)state;
    static const struct {
        uint32_t path[PATH_PARTS + 1];
        size_t max;
    } places[] = {
        {{MESSAGE_HELLO, 5}, LIMIT_CHECKPOINT_BYTES},
        {{MESSAGE_WELCOME, 5, 1}, LIMIT_CHECKPOINT_BYTES},
        {{MESSAGE_WELCOME, 6, 1}, NOTE_BYTES_MAX},
        {{MESSAGE_RECEIPTS, 2, 1}, LIMIT_CHECKPOINT_BYTES},
        {{MESSAGE_ENTRIES, 4, 1}, LIMIT_CHECKPOINT_BYTES},
        {{MESSAGE_PONG, 5, 1}, LIMIT_CHECKPOINT_BYTES},
        {{MESSAGE_PONG, 6, 1}, NOTE_BYTES_MAX},
        {{MESSAGE_COPIES, 1, 4}, LIMIT_CHECKPOINT_BYTES},
        {{MESSAGE_COPIES, 1, 3}, LIMIT_ENVELOPE_BYTES},
        {{MESSAGE_ENTRIES, 3, 3}, LIMIT_ENVELOPE_BYTES},
        {{MESSAGE_SUBMIT, 1}, LIMIT_ENVELOPE_BYTES},
    };
    for (size_t i = 0; i < ARRAY_LEN(places); i++) {
        const size_t lengths[] = {0, 1, places[i].max, places[i].max + 1};
        static const enum err expected[] = {ERR_MALFORMED, ERR_OK, ERR_OK, ERR_TOO_LARGE};
        for (size_t j = 0; j < ARRAY_LEN(lengths); j++) {
            struct change change = {.what = CONTENT, .value = lengths[j]};
            memcpy(change.path, places[i].path, sizeof(change.path));
            enum err err = decode_changed(&change, 1);
            if (err != expected[j]) {
                fail_msg("place %zu, %zu bytes: %s", i, lengths[j], err_name(err));
            }
        }
    }
}

static void
welcome_has_a_head_or_a_recall(void **state)
{
    (void)state;
    static const struct case_row rows[] = {
        {"neither", ERR_MALFORMED, {{{6, 5}, REMOVE, 0}, {{6, 6}, REMOVE, 0}}},
        {"both", ERR_MALFORMED, {{{6, 7}, NUMBER, 3}}},
        {"a recall alone", ERR_OK, {{{6, 5}, REMOVE, 0}, {{6, 6}, REMOVE, 0}, {{6, 7}, NUMBER, 3}}},
        {"a recall from nowhere",
         ERR_MALFORMED,
         {{{6, 5}, REMOVE, 0}, {{6, 6}, REMOVE, 0}, {{6, 7}, NUMBER, 0}}},
        {"a head and a recall from nowhere", ERR_MALFORMED, {{{6, 7}, NUMBER, 0}}},
        {"witnessed beside a recall", ERR_MALFORMED, {{{6, 5}, REMOVE, 0}, {{6, 7}, NUMBER, 3}}},
        {"nothing witnessed", ERR_OK, {{{6, 6}, REMOVE, 0}}},
        {"at the beginning of time", ERR_OK, {{{6, 3}, NUMBER, 0}}},
    };
    check_rows(rows, ARRAY_LEN(rows));
    assert_int_equal(decode_changed(rows[2].changes, 3), ERR_OK);
    assert_int_equal(back.as.welcome.recall_from, 3);
    assert_false(back.as.welcome.proved.present || back.as.welcome.witnessed.present);
}

static void
heads_stand_where_they_must(void **state)
{
    (void)state;
    static const struct case_row rows[] = {
        {"pong of a broker being refilled", ERR_OK, {{{9, 5}, REMOVE, 0}, {{9, 6}, REMOVE, 0}}},
        {"pong with witnessed alone", ERR_MALFORMED, {{{9, 5}, REMOVE, 0}}},
        {"pong with nothing witnessed", ERR_OK, {{{9, 6}, REMOVE, 0}}},
        {"pong at the beginning of time", ERR_OK, {{{9, 3}, NUMBER, 0}}},
        {"accepted without a head", ERR_MALFORMED, {{{7, 2}, REMOVE, 0}}},
        {"entries without a head", ERR_MALFORMED, {{{8, 4}, REMOVE, 0}}},
        {"from nothing, with a proof", ERR_MALFORMED, {{{8, 4, 2}, REMOVE, 0}}},
        {"from a written zero", ERR_MALFORMED, {{{8, 4, 2}, NUMBER, 0}, {{8, 4, 3}, REMOVE, 0}}},
        {"the first head ever", ERR_OK, {{{8, 4, 2}, REMOVE, 0}, {{8, 4, 3}, REMOVE, 0}}},
        {"the same head again", ERR_OK, {{{8, 4, 3}, REMOVE, 0}}},
        {"a head without a checkpoint", ERR_MALFORMED, {{{9, 5, 1}, REMOVE, 0}}},
        {"an empty head", ERR_MALFORMED, {{{7, 2}, CONTENT, 0}}},
        {"only refused, with a head", ERR_MALFORMED, {{{7, 1}, REMOVE, 0}, {{7, 1}, REMOVE, 0}}},
        {"only refused, without a head",
         ERR_OK,
         {{{7, 1}, REMOVE, 0}, {{7, 1}, REMOVE, 0}, {{7, 2}, REMOVE, 0}}},
        {"no entries, with a head",
         ERR_MALFORMED,
         {{{8, 3}, REMOVE, 0}, {{8, 3}, REMOVE, 0}, {{8, 3}, REMOVE, 0}}},
        {"no entries, without a head",
         ERR_OK,
         {{{8, 3}, REMOVE, 0}, {{8, 3}, REMOVE, 0}, {{8, 3}, REMOVE, 0}, {{8, 4}, REMOVE, 0}}},
        {"witnessed without a checkpoint", ERR_MALFORMED, {{{9, 6, 1}, REMOVE, 0}}},
    };
    check_rows(rows, ARRAY_LEN(rows));
}

static void
other_rules_are_kept(void **state)
{
    (void)state;
    static const struct case_row rows[] = {
        {"accepted, to be sent again", ERR_MALFORMED, {{{7, 1, 8}, NUMBER, 1}}},
        {"refused, at once again",
         ERR_MALFORMED,
         {{{7, 1}, REMOVE, 0}, {{7, 1}, REMOVE, 0}, {{7, 2}, REMOVE, 0}, {{7, 1, 8}, NUMBER, 0}}},
        {"all refused, at once again", ERR_MALFORMED, {{{10, 2}, NUMBER, 0}}},
        {"cosign of nothing", ERR_MALFORMED, {{{11, 1}, NUMBER, 0}}},
        {"cosign of the first entry", ERR_OK, {{{11, 1}, NUMBER, 1}}},
        {"cosign, short signature", ERR_MALFORMED, {{{11, 3}, CONTENT, SIGN_BYTES - 1}}},
        {"recall from nowhere", ERR_MALFORMED, {{{12, 1}, NUMBER, 0}}},
        {"copies of one index", ERR_MALFORMED, {{{13, 1, 1}, NUMBER, 5}}},
        {"copies falling", ERR_MALFORMED, {{{13, 1, 1}, NUMBER, 6}}},
        {"copies rising", ERR_OK, {{{13, 1, 1}, NUMBER, 4}}},
        {"a copy before time", ERR_MALFORMED, {{{13, 1, 2}, NUMBER, UINT64_MAX}}},
        {"no copies", ERR_OK, {{{13, 1}, REMOVE, 0}, {{13, 1}, REMOVE, 0}, {{13, 2}, REMOVE, 0}}},
        {"no copies, and more", ERR_MALFORMED, {{{13, 1}, REMOVE, 0}, {{13, 1}, REMOVE, 0}}},
        {"prove in nothing",
         ERR_MALFORMED,
         {{{14, 1}, NUMBER, 0}, {{14, 2}, REMOVE, 0}, {{14, 2}, REMOVE, 0}}},
        {"prove past the end", ERR_MALFORMED, {{{14, 2}, NUMBER, 9}}},
        {"prove with packed numbers", ERR_MALFORMED, {{{14, 2}, CONTENT, 2}}},
        {"proofs in nothing",
         ERR_MALFORMED,
         {{{15, 1}, NUMBER, 0}, {{15, 2}, REMOVE, 0}, {{15, 2}, REMOVE, 0}}},
        {"proofs past the end", ERR_MALFORMED, {{{15, 2, 1}, NUMBER, 9}}},
    };
    check_rows(rows, ARRAY_LEN(rows));
}

static void
put_refusal(struct buffer *list, unsigned i)
{
    CLEANUP(buffer_done) struct buffer receipt = BUFFER_INIT(256);
    static const uint8_t id[DIGEST_BYTES] = {1};
    (void)i;
    raw_put_content(&receipt, 1, bytes_of(id, sizeof(id)));
    raw_put_number(&receipt, 2, RECEIPT_REFUSED);
    raw_put_number(&receipt, 3, ERR_BUSY);
    raw_put_number(&receipt, 4, LOOP_NONE);
    raw_put_content(list, 1, buffer_view(&receipt));
}

static void
put_copy(struct buffer *list, unsigned i)
{
    CLEANUP(buffer_done) struct buffer copy = BUFFER_INIT(256);
    raw_put_number(&copy, 1, i);
    raw_put_number(&copy, 2, 0);
    raw_put_content(&copy, 3, content_of(1));
    raw_put_content(&copy, 4, content_of(1));
    raw_put_content(list, 1, buffer_view(&copy));
}

static void
put_prove(struct buffer *list, unsigned i)
{
    if (i == 0) {
        raw_put_number(list, 1, 1000);
    }
    raw_put_number(list, 2, i);
}

static void
put_proof(struct buffer *list, unsigned i)
{
    CLEANUP(buffer_done) struct buffer proof = BUFFER_INIT(256);
    if (i == 0) {
        raw_put_number(list, 1, 1000);
    }
    raw_put_number(&proof, 1, i);
    raw_put_content(list, 2, buffer_view(&proof));
}

/* Lists of as many as there may be, and one more, hand-made: the encoder would not write them. */
static void
lists_are_bounded(void **state)
{
    (void)state;
    static const struct {
        enum message_kind kind;
        void (*put)(struct buffer *, unsigned);
        unsigned max;
    } rows[] = {
        {MESSAGE_RECEIPTS, put_refusal, LIMIT_ENVELOPES_PER_FRAME},
        {MESSAGE_COPIES, put_copy, LIMIT_COPIES_PER_FRAME},
        {MESSAGE_PROVE, put_prove, LIMIT_PROOFS_PER_FRAME},
        {MESSAGE_PROOFS, put_proof, LIMIT_PROOFS_PER_FRAME},
    };
    for (size_t i = 0; i < 2 * ARRAY_LEN(rows); i++) {
        CLEANUP(buffer_done) struct buffer list = BUFFER_INIT(WORK_BYTES);
        CLEANUP(buffer_done) struct buffer bytes = BUFFER_INIT(WORK_BYTES);
        bool too_many = i % 2 == 1;
        for (unsigned at = 0; at < rows[i / 2].max + too_many; at++) {
            rows[i / 2].put(&list, at);
        }
        raw_put_content(&bytes, (uint32_t)rows[i / 2].kind, buffer_view(&list));
        assert_err(message_decode(buffer_view(&bytes), &back), too_many ? ERR_TOO_LARGE : ERR_OK);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(heads_come_back_as_views),
        cmocka_unit_test(new_kinds_come_back),
        cmocka_unit_test(proofs_are_whole_hashes_and_bounded),
        cmocka_unit_test(contents_are_bounded),
        cmocka_unit_test(welcome_has_a_head_or_a_recall),
        cmocka_unit_test(heads_stand_where_they_must),
        cmocka_unit_test(other_rules_are_kept),
        cmocka_unit_test(lists_are_bounded),
    };
    return cmocka_run_group_tests(tests, start_secrets, NULL);
}
