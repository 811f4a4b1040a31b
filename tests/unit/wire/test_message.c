/* Session messages: round trips, strictness, bounds, and receipts that prove what they say. */
#include "tests/unit/wire/case.h"

#include <stdlib.h>
#include <string.h>

#include "tests/unit/wire/fixture.h"
#include "tests/unit/wire/raw.h"

enum { FIRST_KIND = MESSAGE_HELLO, LAST_KIND = MESSAGE_PROOFS };

static struct message back; /* large, so not on the stack */

static void
free_message(struct message **message)
{
    free(*message);
}

static void
every_kind_comes_back(void **state)
{
    (void)state;
    for (int kind = FIRST_KIND; kind <= LAST_KIND; kind++) {
        CLEANUP(free_message) struct message *message = fixture_message((enum message_kind)kind);
        CLEANUP(buffer_done) struct buffer first = BUFFER_INIT(LIMIT_FRAME_BYTES);
        CLEANUP(buffer_done) struct buffer second = BUFFER_INIT(LIMIT_FRAME_BYTES);
        assert_ok(message_encode(message, &first));
        memset(&back, 0xaa, sizeof(back));
        assert_ok(message_decode(buffer_view(&first), &back));
        assert_int_equal(back.kind, kind);
        assert_ok(message_encode(&back, &second));
        assert_true(bytes_equal(buffer_view(&first), buffer_view(&second)));
        assert_string_not_equal(message_name((enum message_kind)kind), "unknown");
    }
    assert_string_equal(message_name((enum message_kind)0), "unknown");
    assert_string_equal(message_name((enum message_kind)(LAST_KIND + 1)), "unknown");
}

static void
decode_kind(enum message_kind kind, struct buffer *bytes)
{
    CLEANUP(free_message) struct message *message = fixture_message(kind);
    assert_ok(message_encode(message, bytes));
    assert_ok(message_decode(buffer_view(bytes), &back));
}

static void
fields_come_back(void **state)
{
    (void)state;
    CLEANUP(buffer_done) struct buffer bytes = BUFFER_INIT(1 << 20);
    decode_kind(MESSAGE_HELLO, &bytes);
    assert_int_equal(back.as.hello.cursor, 12);
    assert_string_equal(back.as.hello.version, "0.1.0");
    buffer_clear(&bytes);
    decode_kind(MESSAGE_FETCH, &bytes);
    assert_int_equal(back.as.fetch.cursor, 5);
    assert_int_equal(back.as.fetch.credit_bytes, 65536);
    assert_true(back.as.fetch.with_own_sealed);
    buffer_clear(&bytes);
    decode_kind(MESSAGE_PONG, &bytes);
    assert_int_equal(back.as.pong.nonce, 3);
    assert_int_equal(back.as.pong.head, 9);
    assert_int_equal(back.as.pong.broker_clock_ms, 78);
    assert_true(back.as.pong.fetch_waiting);
    buffer_clear(&bytes);
    decode_kind(MESSAGE_REFUSED, &bytes);
    assert_int_equal(back.as.refused.code, ERR_BUSY);
    assert_int_equal(back.as.refused.retry_ms, 250);
    buffer_clear(&bytes);
    decode_kind(MESSAGE_WELCOME, &bytes);
    assert_int_equal(back.as.welcome.incarnation[2], 3);
    assert_int_equal(back.as.welcome.head, 9);
}

static void
envelopes_are_views(void **state)
{
    (void)state;
    CLEANUP(buffer_done) struct buffer bytes = BUFFER_INIT(1 << 20);
    decode_kind(MESSAGE_SUBMIT, &bytes);
    assert_int_equal(back.as.submit.n, 2);
    assert_int_equal(back.as.submit.envelopes[1].len, 1);
    assert_true(back.as.submit.envelopes[0].data > bytes.data &&
                back.as.submit.envelopes[1].data < bytes.data + bytes.len);
    buffer_clear(&bytes);
    decode_kind(MESSAGE_ENTRIES, &bytes);
    assert_int_equal(back.as.entries.n, 3);
    assert_int_equal(back.as.entries.next, 300);
    assert_int_equal(back.as.entries.head, 301);
    assert_int_equal(back.as.entries.entries[2].index, 14);
    assert_int_equal(back.as.entries.entries[2].log_time_ms, 2000);
    assert_true(back.as.entries.entries[2].envelope.data > bytes.data &&
                back.as.entries.entries[2].envelope.data < bytes.data + bytes.len);
    assert_memory_equal(back.as.entries.entries[2].envelope.data, "an envelope", 11);
}

static void
receipts_prove_themselves(void **state)
{
    (void)state;
    CLEANUP(buffer_done) struct buffer bytes = BUFFER_INIT(1 << 20);
    struct network_id network = fixture_network();
    struct fixture_org broker = fixture_org(BROKER);
    struct verified_root memory = {0};
    decode_kind(MESSAGE_RECEIPTS, &bytes);
    const struct message_receipts *receipts = &back.as.receipts;
    assert_int_equal(receipts->n, 3);
    for (size_t i = 0; i < 2; i++) {
        CLEANUP(buffer_done) struct buffer leaf = BUFFER_INIT(RECEIPT_BYTES_MAX);
        receipt_signed_bytes(&receipts->receipts[i], &leaf);
        assert_ok(buffer_err(&leaf));
        assert_ok(turn_check(SIGN_RECEIPTS, &network, buffer_view(&leaf),
                             &receipts->receipts[i].signature, &broker.keys.sign, &memory));
        leaf.data[leaf.len - 1] ^= 1;
        assert_err(turn_check(SIGN_RECEIPTS, &network, buffer_view(&leaf),
                              &receipts->receipts[i].signature, &broker.keys.sign, &memory),
                   ERR_SIGNATURE);
    }
    assert_int_equal(receipts->receipts[2].refusal, ERR_QUOTA);
    assert_int_equal(receipts->receipts[2].retry_ms, 1500);
}

/* No two receipts that differ have the same signed bytes. */
static void
receipt_bytes_cover_every_field(void **state)
{
    (void)state;
    CLEANUP(buffer_done) struct buffer plain = BUFFER_INIT(RECEIPT_BYTES_MAX);
    const struct receipt base = {.result = RECEIPT_ACCEPTED, .state = LOOP_REQUESTED};
    struct receipt changed[6];
    for (size_t i = 0; i < ARRAY_LEN(changed); i++) {
        changed[i] = base;
    }
    changed[0].id.bytes[31] = 1;
    changed[1].result = RECEIPT_SUPERSEDED;
    changed[2].state = LOOP_ACCEPTED;
    changed[3].index = (uint64_t)1 << 63;
    changed[4].log_time_ms = 1;
    changed[5].superseded_by.bytes[0] = 1;
    receipt_signed_bytes(&base, &plain);
    for (size_t i = 0; i < ARRAY_LEN(changed); i++) {
        CLEANUP(buffer_done) struct buffer other = BUFFER_INIT(RECEIPT_BYTES_MAX);
        receipt_signed_bytes(&changed[i], &other);
        assert_int_equal(other.len, plain.len);
        assert_false(bytes_equal(buffer_view(&plain), buffer_view(&other)));
    }
}

static const char *const nested[] = {"1",   "2",   "3",   "4",    "5",    "6",     "7",
                                     "8",   "9",   "10",  "11",   "12",   "13",    "14",
                                     "15",  "6.5", "6.6", "7.1",  "7.2",  "7.1.9", "8.3",
                                     "8.4", "9.5", "9.6", "13.1", "15.2", NULL};

/* As in the statements' test: another message, but a message. */
static const char *const harmless[] = {
    "1.3 shorter",    "1.3 longer",     "1.4 left out",    "1.4 shorter",      "1.4 longer",
    "2.1 left out",   "2.1 twice",      "2.1 shorter",     "2.1 longer",       "3.1 shorter",
    "3.1 longer",     "3.3 left out",   "4.1 shorter",     "4.1 longer",       "5 empty",
    "5 shorter",      "6.2 shorter",    "6.2 longer",      "6.3 longer",       "6.4 left out",
    "6.4 shorter",    "6.4 longer",     "7.1 left out",    "7.1 twice",        "7.1.5 shorter",
    "7.1.5 longer",   "7.1.6 longer",   "7.1.8 left out",  "7.1.9.4 left out", /* of the right
                                                                                  length; whether it
                                                                                  proves anything is
                                                                                  turn_check's */
    "8.1 shorter",    "8.1 longer",     "8.2 shorter",     "8.2 longer",       "8.3 left out",
    "8.3.2 longer",   "8.3.3 shorter",  "8.3.3 longer",    "9.1 shorter",      "9.1 longer",
    "9.2 shorter",    "9.2 longer",     "9.3 longer",      "9.4 left out",     "10.2 left out",
    "1.5 left out",   "1.5 longer",     "1.5 shorter",     "6.5.1 longer",     "6.5.1 shorter",
    "6.5.2 longer",   "6.5.2 shorter",  "6.5.3 left out",  "6.6 left out",     "6.6.1 longer",
    "6.6.1 shorter",  "6.6.2 left out", "7.1.10 left out", "7.2.1 longer",     "7.2.1 shorter",
    "7.2.2 longer",   "7.2.2 shorter",  "7.2.3 left out",  "8.3.4 left out",   "8.4.1 longer",
    "8.4.1 shorter",  "8.4.2 longer",   "8.4.2 shorter",   "8.4.3 left out",   "9.5.1 longer",
    "9.5.1 shorter",  "9.5.2 longer",   "9.5.2 shorter",   "9.5.3 left out",   "9.6 left out",
    "9.6.1 longer",   "9.6.1 shorter",  "9.6.2 left out",  "11.1 longer",      "11.1 shorter",
    "11.2 longer",    "11.2 shorter",   "12.1 longer",     "12.1 shorter",     "13 empty",
    "13.1 left out",  "13.1.1 longer",  "13.1.1 shorter",  "13.1.2 longer",    "13.1.3 longer",
    "13.1.3 shorter", "13.1.4 longer",  "13.1.4 shorter",  "13.1.5 left out",  "13.2 left out",
    "14.1 longer",    "14.1 shorter",   "14.2 left out",   "14.2 twice",       "15.1 longer",
    "15.1 shorter",   "15.2 left out",  "15.2 twice",      "15.2.2 left out",
};

static bool was_taken[ARRAY_LEN(harmless)];

static bool
is_harmless(const char *words)
{
    for (size_t i = 0; i < ARRAY_LEN(harmless); i++) {
        if (strcmp(harmless[i], words) == 0) {
            was_taken[i] = true;
            return true;
        }
    }
    return false;
}

static void
must_be_refused(struct bytes changed, const char *words, void *context)
{
    unsigned *refused = context;
    back.kind = MESSAGE_BYE;
    enum err err = message_decode(changed, &back);
    if (err == ERR_OK && !is_harmless(words)) {
        fail_msg("taken: %s", words);
    }
    assert_true(err == ERR_OK || (err_is_peer(err) && back.kind == MESSAGE_BYE));
    *refused += err != ERR_OK;
}

static void
every_spoiled_field_is_refused(void **state)
{
    (void)state;
    unsigned refused = 0;
    for (int kind = FIRST_KIND; kind <= LAST_KIND; kind++) {
        CLEANUP(free_message) struct message *message = fixture_message((enum message_kind)kind);
        CLEANUP(buffer_done) struct buffer bytes = BUFFER_INIT(LIMIT_FRAME_BYTES);
        assert_ok(message_encode(message, &bytes));
        raw_spoil(buffer_view(&bytes), nested, must_be_refused, &refused);
    }
    assert_true(refused > 300);
    for (size_t i = 0; i < ARRAY_LEN(harmless); i++) {
        if (!was_taken[i]) {
            fail_msg("refused, though harmless: %s", harmless[i]);
        }
    }
}

static void
cut_and_flipped_never_crash(void **state)
{
    (void)state;
    for (int kind = FIRST_KIND; kind <= LAST_KIND; kind++) {
        CLEANUP(free_message) struct message *message = fixture_message((enum message_kind)kind);
        CLEANUP(buffer_done) struct buffer bytes = BUFFER_INIT(LIMIT_FRAME_BYTES);
        assert_ok(message_encode(message, &bytes));
        for (size_t len = 0; len < bytes.len; len++) {
            assert_true(err_is_peer(message_decode(bytes_of(bytes.data, len), &back)));
        }
        for (size_t bit = 0; bit < 8 * bytes.len; bit++) {
            bytes.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
            enum err err = message_decode(buffer_view(&bytes), &back);
            assert_true(err == ERR_OK || err_is_peer(err));
            bytes.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
        }
    }
}

static void
other_protocol_is_a_version(void **state)
{
    (void)state;
    CLEANUP(buffer_done) struct buffer inner = BUFFER_INIT(256);
    CLEANUP(buffer_done) struct buffer bytes = BUFFER_INIT(256);
    raw_put_number(&inner, 1, MESSAGE_PROTOCOL + 1);
    raw_put_content(&inner, 77, bytes_of("later", 5));
    raw_put_content(&bytes, 1, buffer_view(&inner));
    assert_err(message_decode(buffer_view(&bytes), &back), ERR_VERSION);
}

static void
exactly_one_kind(void **state)
{
    (void)state;
    CLEANUP(buffer_done) struct buffer bytes = BUFFER_INIT(1 << 20);
    CLEANUP(free_message) struct message *ping = fixture_message(MESSAGE_PING);
    decode_kind(MESSAGE_PONG, &bytes);
    assert_ok(message_encode(ping, &bytes));
    assert_err(message_decode(buffer_view(&bytes), &back), ERR_MALFORMED);
    assert_err(message_decode(bytes_of(NULL, 0), &back), ERR_MALFORMED);
    buffer_clear(&bytes);
    raw_put_content(&bytes, LAST_KIND + 1, bytes_of("\x08\x01", 2));
    assert_err(message_decode(buffer_view(&bytes), &back), ERR_MALFORMED);
    buffer_clear(&bytes);
    raw_put_number(&bytes, MESSAGE_BYE, 1);
    assert_err(message_decode(buffer_view(&bytes), &back), ERR_MALFORMED);
}

/* Lists one longer than they may be, hand-made: the encoder would not write them. */
static void
lists_are_bounded(void **state)
{
    (void)state;
    CLEANUP(buffer_done) struct buffer inner = BUFFER_INIT(1 << 20);
    CLEANUP(buffer_done) struct buffer bytes = BUFFER_INIT(1 << 20);
    for (unsigned i = 0; i <= LIMIT_ENVELOPES_PER_FRAME; i++) {
        raw_put_content(&inner, 1, bytes_of("e", 1));
    }
    raw_put_content(&bytes, MESSAGE_SUBMIT, buffer_view(&inner));
    assert_err(message_decode(buffer_view(&bytes), &back), ERR_TOO_LARGE);
    buffer_clear(&inner);
    buffer_clear(&bytes);
    raw_put_number(&inner, 1, 1000);
    raw_put_number(&inner, 2, 1000);
    for (unsigned i = 0; i <= LIMIT_ENTRIES_PER_FRAME; i++) {
        CLEANUP(buffer_done) struct buffer entry = BUFFER_INIT(64);
        raw_put_number(&entry, 1, i);
        raw_put_number(&entry, 2, 0);
        raw_put_content(&entry, 3, bytes_of("e", 1));
        raw_put_content(&inner, 3, buffer_view(&entry));
    }
    raw_put_content(&bytes, MESSAGE_ENTRIES, buffer_view(&inner));
    assert_err(message_decode(buffer_view(&bytes), &back), ERR_TOO_LARGE);
}

static struct bytes
a_signature(struct buffer *out)
{
    static const uint8_t root_signature[SIGN_BYTES] = {1};
    raw_put_content(out, 1, bytes_of(root_signature, sizeof(root_signature)));
    raw_put_number(out, 2, 1);
    raw_put_number(out, 3, 0);
    return buffer_view(out);
}

/* A refused receipt carries nothing that only logged ones have. */
static void
refused_receipts_are_bare(void **state)
{
    (void)state;
    static const uint8_t id[DIGEST_BYTES] = {1};
    for (uint32_t extra = 4; extra <= 10; extra++) {
        CLEANUP(buffer_done) struct buffer signature = BUFFER_INIT(256);
        CLEANUP(buffer_done) struct buffer receipt = BUFFER_INIT(256);
        CLEANUP(buffer_done) struct buffer inner = BUFFER_INIT(256);
        CLEANUP(buffer_done) struct buffer bytes = BUFFER_INIT(256);
        raw_put_content(&receipt, 1, bytes_of(id, sizeof(id)));
        raw_put_number(&receipt, 2, RECEIPT_REFUSED);
        raw_put_number(&receipt, 3, ERR_QUOTA);
        raw_put_number(&receipt, 4, LOOP_NONE);
        if (extra == 5 || extra == 6 || extra == 8) {
            raw_put_number(&receipt, extra, 1);
        } else if (extra == 7 || extra == 10) {
            raw_put_content(&receipt, extra, bytes_of(id, sizeof(id)));
        } else if (extra == 9) {
            raw_put_content(&receipt, extra, a_signature(&signature));
        }
        raw_put_content(&inner, 1, buffer_view(&receipt));
        raw_put_content(&bytes, MESSAGE_RECEIPTS, buffer_view(&inner));
        assert_err(message_decode(buffer_view(&bytes), &back),
                   extra == 4 || extra == 8 ? ERR_OK : ERR_MALFORMED);
    }
}

static void
largest_lists_fit(void **state)
{
    (void)state;
    CLEANUP(buffer_done) struct buffer bytes = BUFFER_INIT(LIMIT_FRAME_BYTES);
    CLEANUP(free_message) struct message *message = fixture_message(MESSAGE_ENTRIES);
    static uint8_t envelope[960];
    struct message_entries *entries = &message->as.entries;
    entries->n = LIMIT_ENTRIES_PER_FRAME;
    for (size_t i = 0; i < entries->n; i++) {
        entries->entries[i] = (struct entry){i, 1, bytes_of(envelope, sizeof(envelope)), {0}};
    }
    assert_ok(message_encode(message, &bytes));
    assert_ok(message_decode(buffer_view(&bytes), &back));
    assert_int_equal(back.as.entries.n, LIMIT_ENTRIES_PER_FRAME);

    CLEANUP(free_message) struct message *receipts = fixture_message(MESSAGE_RECEIPTS);
    receipts->as.receipts.n = LIMIT_ENVELOPES_PER_FRAME;
    for (size_t i = 3; i < LIMIT_ENVELOPES_PER_FRAME; i++) {
        receipts->as.receipts.receipts[i] = receipts->as.receipts.receipts[1];
        receipts->as.receipts.receipts[i].signature.n_path = 12;
    }
    buffer_clear(&bytes);
    assert_ok(message_encode(receipts, &bytes));
    assert_ok(message_decode(buffer_view(&bytes), &back));
    assert_int_equal(back.as.receipts.n, LIMIT_ENVELOPES_PER_FRAME);
}

static void
frames_are_bounded(void **state)
{
    (void)state;
    static uint8_t giant[LIMIT_FRAME_BYTES + 1];
    CLEANUP(buffer_done) struct buffer bytes = BUFFER_INIT(1 << 20);
    CLEANUP(buffer_done) struct buffer inner = BUFFER_INIT(1 << 20);
    CLEANUP(free_message) struct message *message = fixture_message(MESSAGE_SUBMIT);
    assert_err(message_decode(bytes_of(giant, sizeof(giant)), &back), ERR_TOO_LARGE);
    message->as.submit.envelopes[0] = bytes_of(giant, LIMIT_ENVELOPE_BYTES);
    message->as.submit.envelopes[1] = bytes_of(giant, LIMIT_ENVELOPE_BYTES);
    assert_err(message_encode(message, &bytes), ERR_TOO_LARGE);
    message->as.submit.n = LIMIT_ENVELOPES_PER_FRAME + 1;
    assert_err(message_encode(message, &bytes), ERR_TOO_LARGE);
    message->as.submit.n = 1;
    assert_ok(message_encode(message, &bytes));
    raw_put_content(&inner, 1, bytes_of(giant, LIMIT_ENVELOPE_BYTES + 1));
    buffer_clear(&bytes);
    raw_put_content(&bytes, MESSAGE_SUBMIT, buffer_view(&inner));
    assert_err(message_decode(buffer_view(&bytes), &back), ERR_TOO_LARGE);
}

/* One wrong thing about a sound message at a time. */
struct wrong {
    enum message_kind kind;
    void (*change)(struct message *);
};

static void
no_network(struct message *m)
{
    memset(&m->as.hello.network, 0, SIGN_PUBLIC_BYTES);
}
static void
dirty_version(struct message *m)
{
    m->as.hello.version[0] = '\n';
}
static void
endless_version(struct message *m)
{
    memset(m->as.hello.version, 'v', 24);
}
static void
no_envelopes(struct message *m)
{
    m->as.submit.n = 0;
}
static void
empty_envelope(struct message *m)
{
    m->as.submit.envelopes[1].len = 0;
}
static void
no_incarnation(struct message *m)
{
    memset(m->as.welcome.incarnation, 0, INCARNATION_BYTES);
}
static void
welcome_before_time(struct message *m)
{
    m->as.welcome.broker_clock_ms = -1;
}
static void
no_receipts(struct message *m)
{
    m->as.receipts.n = 0;
}
static void
wild_result(struct message *m)
{
    m->as.receipts.receipts[0].result = (enum receipt_result)4;
}
static void
own_refusal(struct message *m)
{
    m->as.receipts.receipts[2].refusal = ERR_IO;
}
static void
no_refusal(struct message *m)
{
    m->as.receipts.receipts[2].refusal = ERR_OK;
}
static void
accepted_refusal(struct message *m)
{
    m->as.receipts.receipts[0].refusal = ERR_BUSY;
}
static void
wild_state(struct message *m)
{
    m->as.receipts.receipts[0].state = LOOP_STATE_COUNT;
}
static void
no_superseder(struct message *m)
{
    memset(&m->as.receipts.receipts[1].superseded_by, 0, DIGEST_BYTES);
}
static void
no_signature(struct message *m)
{
    m->as.receipts.receipts[0].signature.size = 0;
}
static void
no_id(struct message *m)
{
    memset(&m->as.receipts.receipts[0].id, 0, DIGEST_BYTES);
}
static void
falling(struct message *m)
{
    m->as.entries.entries[2].index = 7;
}
static void
past_next(struct message *m)
{
    m->as.entries.next = 14;
}
static void
empty_entry(struct message *m)
{
    m->as.entries.entries[0].envelope.len = 0;
}
static void
entry_before_time(struct message *m)
{
    m->as.entries.entries[0].log_time_ms = -1;
}
static void
pong_before_time(struct message *m)
{
    m->as.pong.broker_clock_ms = -1;
}
static void
own_code(struct message *m)
{
    m->as.refused.code = ERR_DISK_FULL;
}
static void
wild_kind(struct message *m)
{
    m->kind = (enum message_kind)(LAST_KIND + 1);
}

static void
out_of_bounds_is_not_written(void **state)
{
    (void)state;
    static const struct wrong wrongs[] = {
        {MESSAGE_HELLO, no_network},
        {MESSAGE_HELLO, dirty_version},
        {MESSAGE_HELLO, endless_version},
        {MESSAGE_SUBMIT, no_envelopes},
        {MESSAGE_SUBMIT, empty_envelope},
        {MESSAGE_WELCOME, no_incarnation},
        {MESSAGE_WELCOME, welcome_before_time},
        {MESSAGE_RECEIPTS, no_receipts},
        {MESSAGE_RECEIPTS, wild_result},
        {MESSAGE_RECEIPTS, own_refusal},
        {MESSAGE_RECEIPTS, no_refusal},
        {MESSAGE_RECEIPTS, accepted_refusal},
        {MESSAGE_RECEIPTS, wild_state},
        {MESSAGE_RECEIPTS, no_superseder},
        {MESSAGE_RECEIPTS, no_signature},
        {MESSAGE_RECEIPTS, no_id},
        {MESSAGE_ENTRIES, falling},
        {MESSAGE_ENTRIES, past_next},
        {MESSAGE_ENTRIES, empty_entry},
        {MESSAGE_ENTRIES, entry_before_time},
        {MESSAGE_PONG, pong_before_time},
        {MESSAGE_REFUSED, own_code},
        {MESSAGE_PING, wild_kind},
    };
    for (size_t i = 0; i < ARRAY_LEN(wrongs); i++) {
        CLEANUP(buffer_done) struct buffer bytes = BUFFER_INIT(LIMIT_FRAME_BYTES);
        CLEANUP(free_message) struct message *message = fixture_message(wrongs[i].kind);
        wrongs[i].change(message);
        if (message_encode(message, &bytes) != ERR_INVALID) {
            fail_msg("wrong thing %zu was written", i);
        }
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_comes_back),
        cmocka_unit_test(fields_come_back),
        cmocka_unit_test(envelopes_are_views),
        cmocka_unit_test(receipts_prove_themselves),
        cmocka_unit_test(receipt_bytes_cover_every_field),
        cmocka_unit_test(every_spoiled_field_is_refused),
        cmocka_unit_test(cut_and_flipped_never_crash),
        cmocka_unit_test(other_protocol_is_a_version),
        cmocka_unit_test(exactly_one_kind),
        cmocka_unit_test(lists_are_bounded),
        cmocka_unit_test(refused_receipts_are_bare),
        cmocka_unit_test(largest_lists_fit),
        cmocka_unit_test(frames_are_bounded),
        cmocka_unit_test(out_of_bounds_is_not_written),
    };
    return cmocka_run_group_tests(tests, start_secrets, NULL);
}
