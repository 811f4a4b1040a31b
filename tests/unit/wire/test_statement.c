/* Statements: round trips, every bound of every field, and every way a wire form can be wrong. */
#include "tests/unit/wire/case.h"

#include <stdio.h>
#include <string.h>

#include "tests/unit/wire/fixture.h"
#include "tests/unit/wire/raw.h"

static void
encode(const struct statement *statement, struct buffer *out)
{
    buffer_clear(out);
    assert_ok(statement_encode(statement, out));
}

static void
every_kind_comes_back(void **state)
{
    (void)state;
    struct statement all[8];
    size_t n = fixture_statements(all);
    for (size_t i = 0; i < n; i++) {
        CLEANUP(buffer_done) struct buffer first = BUFFER_INIT(LIMIT_STATEMENT_BYTES);
        CLEANUP(buffer_done) struct buffer second = BUFFER_INIT(LIMIT_STATEMENT_BYTES);
        struct statement back;
        memset(&back, 0xaa, sizeof(back));
        encode(&all[i], &first);
        assert_ok(statement_decode(buffer_view(&first), &back));
        encode(&back, &second);
        assert_int_equal(back.kind, all[i].kind);
        assert_int_equal(first.len, second.len);
        assert_memory_equal(first.data, second.data, first.len);
    }
}

static void
fields_come_back(void **state)
{
    (void)state;
    CLEANUP(buffer_done) struct buffer bytes = BUFFER_INIT(LIMIT_STATEMENT_BYTES);
    struct statement all[8];
    struct statement back;
    (void)fixture_statements(all);
    const struct statement_loop *loop = &all[6].as.loop;
    encode(&all[6], &bytes);
    assert_ok(statement_decode(buffer_view(&bytes), &back));
    assert_string_equal(back.author, "hill-clinic");
    assert_int_equal(back.authored_ms, FIXTURE_TIME_MS);
    assert_int_equal(back.as.loop.event, EVENT_NOTE);
    assert_int_equal(back.as.loop.seq, loop->seq);
    assert_int_equal(back.as.loop.due_ms, loop->due_ms);
    assert_int_equal(back.as.loop.n_readers, LIMIT_READERS);
    assert_string_equal(back.as.loop.readers[3].org, loop->readers[3].org);
    assert_memory_equal(&back.as.loop.readers[3].key, &loop->readers[3].key, KEY_ID_BYTES);
    assert_true(digest_equal(&back.as.loop.previous, &loop->previous));
    assert_true(digest_equal(&back.as.loop.heard, &loop->heard));
    assert_true(digest_equal(&back.as.loop.sealed_digest, &loop->sealed_digest));
    assert_true(back.as.loop.automatic && back.as.loop.has_sealed);
    assert_int_equal(back.as.loop.body_class, SEAL_192K);
    assert_int_equal(back.as.loop.priority, PRIORITY_ROUTINE);
}

/* The nested messages of all kinds, by path. */
static const char *const nested[] = {"16", "16.6", "17", "18",   "18.3", "19",
                                     "20", "20.7", "21", "21.1", NULL};

/* What may be changed in one field and still be a statement, though another one. Everything else
 * that raw_spoil does must be refused. */
static const char *const harmless[] = {
    "5 longer",                                        /* another time */
    "16.1 shorter",  "16.1 longer",                    /* another name */
    "16.5 shorter",  "16.5 longer",                    /* another organization */
    "16.2 shorter",                                    /* another port */
    "17.1 shorter",  "17.1 longer",    "17.2 shorter", /* as above */
    "17.2 longer",   "17.5 longer",    "17.6 left out",  "18.1 shorter",
    "18.1 longer",   "19.1 shorter",   "19.1 longer",    "19.2 shorter",
    "19.2 longer",   "19.2 left out",  "3 shorter",      "3 longer", /* another author */
    "20.5 left out",                                                 /* nothing heard */
    "20.7 left out", "20.7.1 shorter", "20.7.1 longer",              /* another reader */
    "20.9 left out", "20.9 longer",    "20.10 left out", /* another due time, by a person */
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

struct tally {
    unsigned refused;
};

static void
must_be_refused(struct bytes changed, const char *words, void *context)
{
    struct tally *tally = context;
    struct statement back = {.authored_ms = -5};
    enum err err = statement_decode(changed, &back);
    if (err == ERR_OK && is_harmless(words)) {
        return;
    }
    if (err == ERR_OK) {
        fail_msg("taken: %s", words);
    }
    assert_true(err_is_peer(err));
    assert_int_equal(back.authored_ms, -5);
    tally->refused++;
}

static void
every_spoiled_field_is_refused(void **state)
{
    (void)state;
    struct statement all[8];
    size_t n = fixture_statements(all);
    struct tally tally = {0};
    for (size_t i = 0; i < n; i++) {
        CLEANUP(buffer_done) struct buffer bytes = BUFFER_INIT(LIMIT_STATEMENT_BYTES);
        encode(&all[i], &bytes);
        raw_spoil(buffer_view(&bytes), nested, must_be_refused, &tally);
    }
    assert_true(tally.refused > 500);
    for (size_t i = 0; i < ARRAY_LEN(harmless); i++) {
        if (!was_taken[i]) {
            fail_msg("refused, though harmless: %s", harmless[i]);
        }
    }
}

/* Replaces the content of a text field, at a path of one or two numbers, and expects a refusal. */
static void
expect_text_refused(const struct statement *statement, uint32_t part, uint32_t number,
                    struct bytes text)
{
    CLEANUP(buffer_done) struct buffer bytes = BUFFER_INIT(LIMIT_STATEMENT_BYTES);
    CLEANUP(buffer_done) struct buffer inner = BUFFER_INIT(LIMIT_STATEMENT_BYTES);
    CLEANUP(buffer_done) struct buffer outer = BUFFER_INIT(LIMIT_STATEMENT_BYTES);
    struct raw_field fields[RAW_FIELDS_MAX], parts[RAW_FIELDS_MAX];
    struct statement back;
    encode(statement, &bytes);
    size_t n = raw_split(buffer_view(&bytes), fields);
    bool found = false;
    for (size_t i = 0; i < n; i++) {
        if (part == 0 && fields[i].number == number) {
            raw_put_content(&outer, number, text);
            found = true;
        } else if (part != 0 && fields[i].number == part) {
            size_t n_parts = raw_split(fields[i].content, parts);
            for (size_t k = 0; k < n_parts; k++) {
                if (parts[k].number == number) {
                    raw_put_content(&inner, number, text);
                    found = true;
                } else {
                    buffer_put(&inner, parts[k].whole.data, parts[k].whole.len);
                }
            }
            raw_put_content(&outer, part, buffer_view(&inner));
        } else {
            buffer_put(&outer, fields[i].whole.data, fields[i].whole.len);
        }
    }
    assert_true(found);
    enum err err = statement_decode(buffer_view(&outer), &back);
    if (!err_is_peer(err)) {
        fail_msg("taken: field %u.%u, %zu bytes", part, number, text.len);
    }
}

static void
every_text_is_clean(void **state)
{
    (void)state;
    static const struct {
        size_t which; /* of fixture_statements */
        uint32_t part, number;
    } texts[] = {{0, 16, 1}, {0, 16, 2}, {0, 16, 5}, {1, 17, 1}, {1, 17, 2},
                 {2, 18, 1}, {3, 19, 1}, {3, 19, 2}, {5, 0, 3}};
    static const struct bytes dirty[] = {
        {(const uint8_t *)"a\0b", 3},         {(const uint8_t *)"\0", 1},
        {(const uint8_t *)"a\nb", 3},         {(const uint8_t *)"a\tb", 3},
        {(const uint8_t *)"a\x1b[31m", 6},    {(const uint8_t *)"a\x7f", 2},
        {(const uint8_t *)"\xc3", 1},         {(const uint8_t *)"\xc0\x80", 2},
        {(const uint8_t *)"\xed\xa0\x80", 3}, {(const uint8_t *)"\xff", 1},
        {(const uint8_t *)"\xc2\x9b", 2},     {(const uint8_t *)"\xf4\x90\x80\x80", 4},
    };
    struct statement all[8];
    uint8_t giant[400];
    memset(giant, 'a', sizeof(giant));
    (void)fixture_statements(all);
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        for (size_t k = 0; k < ARRAY_LEN(dirty); k++) {
            expect_text_refused(&all[texts[i].which], texts[i].part, texts[i].number, dirty[k]);
        }
        expect_text_refused(&all[texts[i].which], texts[i].part, texts[i].number,
                            bytes_of(giant, sizeof(giant)));
    }
}

static void
endpoints(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum err expected;
    } rows[] = {
        {"tcp://broker.example.org:7443", ERR_OK},
        {"tcp://192.0.2.1:1", ERR_OK},
        {"tcp://[2001:db8::1]:65535", ERR_OK},
        {"tcp://h:7", ERR_OK},
        {"", ERR_INVALID},
        {"broker:7443", ERR_INVALID},
        {"tcp://", ERR_INVALID},
        {"tcp://:7443", ERR_INVALID},
        {"tcp://host", ERR_INVALID},
        {"tcp://host:", ERR_INVALID},
        {"tcp://host:0", ERR_INVALID},
        {"tcp://host:65536", ERR_INVALID},
        {"tcp://host:007", ERR_INVALID},
        {"tcp://host:1x", ERR_INVALID},
        {"tcp://ho st:1", ERR_INVALID},
        {"tcp://*:1", ERR_INVALID},
        {"tcp://[::1:1", ERR_INVALID},
        {"tcp://[]:1", ERR_INVALID},
        {"ipc:///tmp/x", ERR_INVALID},
        {"tcp://host:1;tcp://b:2", ERR_INVALID},
        {"tcp://host:123456", ERR_INVALID},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        CLEANUP(buffer_done) struct buffer bytes = BUFFER_INIT(LIMIT_STATEMENT_BYTES);
        struct statement statement = fixture_genesis();
        (void)snprintf(statement.as.genesis.endpoint, sizeof(statement.as.genesis.endpoint), "%s",
                       rows[i].text);
        assert_err(statement_encode(&statement, &bytes), rows[i].expected);
    }
}

/* One wrong thing about a sound loop statement at a time. */
static void
wrong_suite(struct statement *s)
{
    s->suite = 2;
}
static void
wrong_kind(struct statement *s)
{
    s->kind = (enum statement_kind)9;
}
static void
no_kind(struct statement *s)
{
    s->kind = (enum statement_kind)0;
}
static void
no_network(struct statement *s)
{
    memset(&s->network, 0, sizeof(s->network));
}
static void
no_author(struct statement *s)
{
    s->author[0] = '\0';
}
static void
bad_author(struct statement *s)
{
    s->author[0] = 'H';
}
static void
endless_author(struct statement *s)
{
    memset(s->author, 'a', sizeof(s->author));
}
static void
no_author_key(struct statement *s)
{
    memset(&s->author_key, 0, KEY_ID_BYTES);
}
static void
before_time(struct statement *s)
{
    s->authored_ms = -1;
}
static void
no_loop(struct statement *s)
{
    memset(&s->as.loop.loop, 0, LOOP_ID_BYTES);
}
static void
wild_event(struct statement *s)
{
    s->as.loop.event = EVENT_COUNT;
}
static void
no_seq(struct statement *s)
{
    s->as.loop.seq = 0;
}
static void
no_previous(struct statement *s)
{
    memset(&s->as.loop.previous, 0, DIGEST_BYTES);
}
static void
first_with_previous(struct statement *s)
{
    s->as.loop.seq = 1;
}
static void
no_readers(struct statement *s)
{
    s->as.loop.n_readers = 0;
}
static void
many_readers(struct statement *s)
{
    s->as.loop.n_readers = LIMIT_READERS + 1;
}
static void
no_reader_key(struct statement *s)
{
    memset(&s->as.loop.readers[1].key, 0, KEY_ID_BYTES);
}
static void
reader_twice(struct statement *s)
{
    s->as.loop.readers[3] = s->as.loop.readers[1];
}
static void
reader_is_author(struct statement *s)
{
    memcpy(s->as.loop.readers[2].org, s->author, ORG_ID_BYTES);
}
static void
wild_priority(struct statement *s)
{
    s->as.loop.priority = (enum statement_priority)3;
}
static void
no_priority(struct statement *s)
{
    s->as.loop.priority = (enum statement_priority)0;
}
static void
due_before_time(struct statement *s)
{
    s->as.loop.due_ms = -1;
}
static void
not_sealed(struct statement *s)
{
    s->as.loop.has_sealed = false;
}
static void
no_sealed_digest(struct statement *s)
{
    memset(&s->as.loop.sealed_digest, 0, DIGEST_BYTES);
}
static void
wild_class(struct statement *s)
{
    s->as.loop.body_class = SEAL_CLASS_COUNT;
}
static void
delivered_beside(struct statement *s)
{
    s->as.loop.delivered.bytes[0] = 1;
}
static void
sealed_delivered(struct statement *s)
{
    s->as.loop.event = EVENT_DELIVERED;
    s->as.loop.delivered.bytes[0] = 1;
}

static void
out_of_bounds_is_not_written(void **state)
{
    (void)state;
    void (*const wrongs[])(struct statement *) = {
        wrong_suite,      wrong_kind,       no_kind,       no_network,          no_author,
        bad_author,       endless_author,   no_author_key, before_time,         no_loop,
        wild_event,       no_seq,           no_previous,   first_with_previous, no_readers,
        many_readers,     no_reader_key,    reader_twice,  reader_is_author,    wild_priority,
        no_priority,      due_before_time,  not_sealed,    no_sealed_digest,    wild_class,
        delivered_beside, sealed_delivered,
    };
    struct statement all[8];
    (void)fixture_statements(all);
    for (size_t i = 0; i < ARRAY_LEN(wrongs); i++) {
        CLEANUP(buffer_done) struct buffer bytes = BUFFER_INIT(LIMIT_STATEMENT_BYTES);
        struct statement wrong = all[6];
        wrongs[i](&wrong);
        enum err err = statement_encode(&wrong, &bytes);
        if (err != ERR_INVALID) {
            fail_msg("wrong thing %zu was written", i);
        }
        assert_int_equal(bytes.len, 0);
    }
}

static void
numbers_are_in_range(void **state)
{
    (void)state;
    static const struct {
        uint32_t number;
        uint64_t value;
    } rows[] = {{2, EVENT_COUNT}, {2, 1000}, {2, UINT64_MAX}, {2, (uint64_t)1 << 32}, {8, 0},
                {8, 3},           {12, 5},   {10, 2},         {3, (uint64_t)1 << 32}, {9, 0},
                {9, UINT64_MAX},  {3, 0}};
    struct statement all[8];
    (void)fixture_statements(all);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        CLEANUP(buffer_done) struct buffer bytes = BUFFER_INIT(LIMIT_STATEMENT_BYTES);
        CLEANUP(buffer_done) struct buffer inner = BUFFER_INIT(LIMIT_STATEMENT_BYTES);
        CLEANUP(buffer_done) struct buffer outer = BUFFER_INIT(LIMIT_STATEMENT_BYTES);
        struct raw_field fields[RAW_FIELDS_MAX], parts[RAW_FIELDS_MAX];
        struct statement back;
        encode(&all[6], &bytes);
        size_t n = raw_split(buffer_view(&bytes), fields);
        for (size_t f = 0; f + 1 < n; f++) {
            buffer_put(&outer, fields[f].whole.data, fields[f].whole.len);
        }
        assert_int_equal(fields[n - 1].number, 20);
        size_t n_parts = raw_split(fields[n - 1].content, parts);
        for (size_t p = 0; p < n_parts; p++) {
            if (parts[p].number == rows[i].number) {
                raw_put_number(&inner, rows[i].number, rows[i].value);
            } else {
                buffer_put(&inner, parts[p].whole.data, parts[p].whole.len);
            }
        }
        raw_put_content(&outer, 20, buffer_view(&inner));
        assert_err(statement_decode(buffer_view(&outer), &back), ERR_MALFORMED);
    }
}

static void
other_suite_is_a_version(void **state)
{
    (void)state;
    CLEANUP(buffer_done) struct buffer bytes = BUFFER_INIT(LIMIT_STATEMENT_BYTES);
    struct statement back;
    raw_put_number(&bytes, 1, 2);
    raw_put_content(&bytes, 555, bytes_of("fields of a later time", 22));
    assert_err(statement_decode(buffer_view(&bytes), &back), ERR_VERSION);
}

static void
exactly_one_kind(void **state)
{
    (void)state;
    CLEANUP(buffer_done) struct buffer bytes = BUFFER_INIT(LIMIT_STATEMENT_BYTES);
    CLEANUP(buffer_done) struct buffer none = BUFFER_INIT(LIMIT_STATEMENT_BYTES);
    struct raw_field fields[RAW_FIELDS_MAX];
    struct statement back;
    struct statement revoke = fixture_revoke("elm-pantry");
    struct statement invite = fixture_invite("elm-pantry", ONCE);
    encode(&revoke, &bytes);
    size_t n = raw_split(buffer_view(&bytes), fields);
    for (size_t i = 0; i + 1 < n; i++) {
        buffer_put(&none, fields[i].whole.data, fields[i].whole.len);
    }
    assert_err(statement_decode(buffer_view(&none), &back), ERR_MALFORMED);
    CLEANUP(buffer_done) struct buffer other = BUFFER_INIT(LIMIT_STATEMENT_BYTES);
    encode(&invite, &other);
    n = raw_split(buffer_view(&other), fields);
    buffer_put(&bytes, fields[n - 1].whole.data, fields[n - 1].whole.len);
    assert_err(statement_decode(buffer_view(&bytes), &back), ERR_MALFORMED);
}

static void
too_large(void **state)
{
    (void)state;
    static const uint8_t zeros[LIMIT_STATEMENT_BYTES + 1];
    struct statement back;
    assert_err(statement_decode(bytes_of(zeros, sizeof(zeros)), &back), ERR_TOO_LARGE);
    assert_err(statement_decode(bytes_of(NULL, 0), &back), ERR_MALFORMED);
}

static void
cut_and_flipped_never_crash(void **state)
{
    (void)state;
    struct statement all[8];
    size_t n = fixture_statements(all);
    for (size_t i = 0; i < n; i++) {
        CLEANUP(buffer_done) struct buffer bytes = BUFFER_INIT(LIMIT_STATEMENT_BYTES);
        struct statement back;
        encode(&all[i], &bytes);
        for (size_t len = 0; len < bytes.len; len++) {
            assert_true(err_is_peer(statement_decode(bytes_of(bytes.data, len), &back)));
        }
        for (size_t bit = 0; bit < 8 * bytes.len; bit++) {
            bytes.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
            enum err err = statement_decode(buffer_view(&bytes), &back);
            assert_true(err == ERR_OK || err_is_peer(err));
            bytes.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
        }
    }
}

static void
ids_tell_keys_apart(void **state)
{
    (void)state;
    struct fixture_org clinic = fixture_org(CLINIC);
    struct key_set turned = clinic.keys;
    memcpy(&turned.seal, &clinic.keys.curve, sizeof(turned.seal));
    memcpy(&turned.curve, &clinic.keys.seal, sizeof(turned.curve));
    struct key_id other = key_set_id(&turned);
    struct key_id alone = key_id_of_signer(&clinic.keys.sign);
    assert_memory_not_equal(&clinic.key_id, &other, KEY_ID_BYTES);
    assert_memory_not_equal(&clinic.key_id, &alone, KEY_ID_BYTES);
    struct digest a = statement_id(bytes_of("a", 1));
    struct digest b = statement_id(bytes_of("b", 1));
    struct digest sealed = sealed_digest(bytes_of("a", 1));
    assert_false(digest_equal(&a, &b));
    assert_false(digest_equal(&a, &sealed));
}

static void
possession_is_framed(void **state)
{
    (void)state;
    CLEANUP(buffer_done) struct buffer bytes = BUFFER_INIT(512);
    struct network_id network = fixture_network();
    struct fixture_org clinic = fixture_org(CLINIC);
    statement_possession_bytes(&network, clinic.org, &clinic.keys, &bytes);
    assert_int_equal(bytes.len, 32 + 4 + strlen(clinic.org) + 3 * 32);
    assert_memory_equal(bytes.data + 32, "\0\0\0\x0bhill-clinic", 15);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_comes_back),
        cmocka_unit_test(fields_come_back),
        cmocka_unit_test(every_spoiled_field_is_refused),
        cmocka_unit_test(every_text_is_clean),
        cmocka_unit_test(endpoints),
        cmocka_unit_test(out_of_bounds_is_not_written),
        cmocka_unit_test(numbers_are_in_range),
        cmocka_unit_test(other_suite_is_a_version),
        cmocka_unit_test(exactly_one_kind),
        cmocka_unit_test(too_large),
        cmocka_unit_test(cut_and_flipped_never_crash),
        cmocka_unit_test(ids_tell_keys_apart),
        cmocka_unit_test(possession_is_framed),
    };
    return cmocka_run_group_tests(tests, start_secrets, NULL);
}
