/* Frozen bytes: what was written once must be read for ever, and signed parts that
 * hold nothing random must be written the same again. tests/vectors/README.md says what each file
 * is. */
#include "tests/unit/wire/case.h"

#include <string.h>

#include "lib/base/file.h"
#include "lib/base/text.h"
#include "lib/trust/token.h"
#include "tests/unit/wire/fixture.h"
#include "tests/unit/wire/vectors.h"

static void
load(const char *name, struct buffer *out)
{
    char path[FILE_PATH_MAX];
    assert_ok(file_path(path, VECTORS_DIR, name));
    assert_ok(file_read(path, out));
}

static void
load_hex(const char *name, struct buffer *out)
{
    CLEANUP(buffer_done) struct buffer text = BUFFER_INIT(1 << 20);
    load(name, &text);
    assert_true(text.len > 1 && text.data[text.len - 1] == '\n');
    text.data[text.len - 1] = '\0';
    size_t len = (text.len - 1) / 2;
    uint8_t *bytes = buffer_extend(out, len);
    assert_non_null(bytes);
    assert_ok(text_unhex((const char *)text.data, bytes, len));
}

static void
open_by(struct bytes bytes, unsigned author, struct opened_envelope *opened_out)
{
    struct network_id network = fixture_network();
    struct fixture_org org = fixture_org(author);
    assert_ok(envelope_open(bytes, &network, &org.keys.sign, false, NULL, opened_out));
}

static void
assert_digest(const struct digest *digest, const char *expected)
{
    char text[2 * DIGEST_BYTES + 1];
    text_hex(bytes_of(digest->bytes, DIGEST_BYTES), text);
    assert_string_equal(text, expected);
}

static void
genesis(void **state)
{
    (void)state;
    CLEANUP(buffer_done) struct buffer bytes = BUFFER_INIT(1 << 20);
    CLEANUP(buffer_done) struct buffer again = BUFFER_INIT(1 << 20);
    struct opened_envelope opened;
    struct fixture_org root = fixture_org(ROOT);
    struct statement said = fixture_genesis();
    load_hex(VECTOR_GENESIS, &bytes);
    open_by(buffer_view(&bytes), ROOT, &opened);
    assert_string_equal(opened.statement.as.genesis.network_name, "Example County");
    fixture_envelope(&said, &root.sign, bytes_of(NULL, 0), &again);
    assert_true(bytes_equal(buffer_view(&bytes), buffer_view(&again)));
}

static void
sealed_request(void **state)
{
    (void)state;
    CLEANUP(buffer_done) struct buffer bytes = BUFFER_INIT(1 << 20);
    CLEANUP(buffer_done) struct buffer body = BUFFER_INIT(LIMIT_BODY_BYTES);
    CLEANUP(buffer_done) struct buffer facts = BUFFER_INIT(LIMIT_FACTS_BYTES);
    struct fixture_org pantry = fixture_org(PANTRY);
    struct opened_envelope opened;
    struct sealed_opened flags;
    load_hex(VECTOR_ENVELOPE, &bytes);
    open_by(buffer_view(&bytes), CLINIC, &opened);
    assert_int_equal(opened.statement.as.loop.event, EVENT_REQUEST);
    assert_int_equal(opened.statement.as.loop.priority, PRIORITY_URGENT);
    assert_int_equal(opened.statement.as.loop.due_ms, 900000);
    assert_digest(&opened.id, VECTOR_ENVELOPE_ID);
    assert_ok(sealed_open(&opened.statement, opened.envelope.sealed, &pantry.key_id,
                          &pantry.keys.seal, &pantry.seal, &body, &facts, &flags));
    assert_true(flags.has_body && flags.has_facts);
    assert_true(bytes_equal(buffer_view(&body), bytes_of_text(VECTOR_BODY)));
    assert_true(bytes_equal(buffer_view(&facts), bytes_of_text(VECTOR_FACTS)));
}

static void
third_of_a_turn(void **state)
{
    (void)state;
    CLEANUP(buffer_done) struct buffer bytes = BUFFER_INIT(1 << 20);
    CLEANUP(buffer_done) struct buffer leaf = BUFFER_INIT(1 << 20);
    CLEANUP(buffer_done) struct buffer frozen_leaf = BUFFER_INIT(1 << 20);
    struct opened_envelope opened;
    load_hex(VECTOR_TURN, &bytes);
    load_hex(VECTOR_LEAF, &frozen_leaf);
    open_by(buffer_view(&bytes), PANTRY, &opened);
    assert_int_equal(opened.statement.as.loop.event, EVENT_DELIVERED);
    assert_int_equal(opened.envelope.signature.index, 2);
    assert_int_equal(opened.envelope.signature.size, 3);
    assert_digest(&opened.id, VECTOR_TURN_ID);
    envelope_leaf(&opened.envelope, &leaf);
    assert_true(bytes_equal(buffer_view(&leaf), buffer_view(&frozen_leaf)));
}

/* What the tree over the log hashes: neither the sealed part nor the outer form has a part in it,
 * the log time has. */
static void
leaf_of_the_log(void **state)
{
    (void)state;
    CLEANUP(buffer_done) struct buffer bytes = BUFFER_INIT(1 << 20);
    struct envelope envelope;
    struct merkle_hash hash, later, sealed;
    struct digest digest;
    load_hex(VECTOR_TURN, &bytes);
    assert_ok(envelope_decode(buffer_view(&bytes), &envelope));
    assert_ok(envelope_log_leaf(&envelope, VECTOR_LOG_TIME_MS, &hash));
    memcpy(digest.bytes, hash.bytes, sizeof(digest.bytes));
    assert_digest(&digest, VECTOR_LOG_LEAF);
    assert_ok(envelope_log_leaf(&envelope, VECTOR_LOG_TIME_MS + 1, &later));
    assert_memory_not_equal(&hash, &later, sizeof(hash));
    envelope.sealed = buffer_view(&bytes);
    assert_ok(envelope_log_leaf(&envelope, VECTOR_LOG_TIME_MS, &sealed));
    assert_memory_equal(&hash, &sealed, sizeof(hash));
}

/* The largest envelope there is has one too, and no larger statement has. */
static void
largest_leaf_of_the_log(void **state)
{
    (void)state;
    static const uint8_t statement[LIMIT_STATEMENT_BYTES + 1];
    struct envelope envelope = {.statement = bytes_of(statement, LIMIT_STATEMENT_BYTES)};
    struct merkle_hash hash, again;
    envelope.signature.size = LIMIT_TURN_STATEMENTS;
    envelope.signature.n_path = MERKLE_PATH_MAX;
    assert_ok(envelope_log_leaf(&envelope, INT64_MAX, &hash));
    again = hash;
    envelope.statement.len++;
    assert_err(envelope_log_leaf(&envelope, INT64_MAX, &again), ERR_TOO_LARGE);
    assert_memory_equal(&hash, &again, sizeof(hash));
}

static void
messages(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        enum message_kind kind;
    } rows[] = {{VECTOR_RECEIPTS, MESSAGE_RECEIPTS},
                {VECTOR_ENTRIES, MESSAGE_ENTRIES},
                {VECTOR_WELCOME, MESSAGE_WELCOME}};
    static struct message back;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        CLEANUP(buffer_done) struct buffer bytes = BUFFER_INIT(1 << 20);
        CLEANUP(buffer_done) struct buffer again = BUFFER_INIT(1 << 20);
        load_hex(rows[i].name, &bytes);
        assert_ok(message_decode(buffer_view(&bytes), &back));
        assert_int_equal(back.kind, rows[i].kind);
        assert_ok(message_encode(&back, &again));
        assert_true(bytes_equal(buffer_view(&bytes), buffer_view(&again)));
    }
}

/* They prove nothing: no head, no inclusion. */
static void
messages_of_protocol_1(void **state)
{
    (void)state;
    static const char *const names[] = {VECTOR_RECEIPTS_1, VECTOR_ENTRIES_1};
    static struct message back;
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        CLEANUP(buffer_done) struct buffer bytes = BUFFER_INIT(1 << 20);
        load_hex(names[i], &bytes);
        assert_err(message_decode(buffer_view(&bytes), &back), ERR_MALFORMED);
    }
}

static void
token(void **state)
{
    (void)state;
    CLEANUP(buffer_done) struct buffer text = BUFFER_INIT(1 << 20);
    CLEANUP(token_done) struct token parsed = {0};
    char fingerprint[FINGERPRINT_TEXT];
    load(VECTOR_TOKEN, &text);
    assert_ok(token_parse(buffer_view(&text), &parsed));
    assert_string_equal(parsed.invite.org, "elm-pantry");
    token_fingerprint(&parsed.network, fingerprint);
    assert_string_equal(fingerprint, VECTOR_FINGERPRINT);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(genesis),
        cmocka_unit_test(sealed_request),
        cmocka_unit_test(third_of_a_turn),
        cmocka_unit_test(messages),
        cmocka_unit_test(token),
        cmocka_unit_test(leaf_of_the_log),
        cmocka_unit_test(largest_leaf_of_the_log),
        cmocka_unit_test(messages_of_protocol_1),
    };
    return cmocka_run_group_tests(tests, start_secrets, NULL);
}
