/* The way in: what opens, what does not, and that no change to an envelope goes unseen. */
#include "tests/unit/wire/case.h"

#include <string.h>

#include "tests/unit/wire/fixture.h"
#include "tests/unit/wire/raw.h"

/* The clinic's sealed request in its envelope. */
struct posted {
    struct statement statement;
    struct buffer sealed;
    struct buffer bytes;
};

static void
post(struct posted *posted)
{
    struct fixture_org clinic = fixture_org(CLINIC);
    posted->statement = fixture_request();
    posted->sealed = BUFFER_INIT(LIMIT_SEALED_BYTES);
    posted->bytes = BUFFER_INIT(LIMIT_ENVELOPE_BYTES);
    fixture_seal(&posted->statement, "a body", "facts", &posted->sealed);
    fixture_envelope(&posted->statement, &clinic.sign, buffer_view(&posted->sealed),
                     &posted->bytes);
}

static void
posted_done(struct posted *posted)
{
    buffer_done(&posted->sealed);
    buffer_done(&posted->bytes);
}

static enum err
open_as(struct bytes bytes, unsigned author, bool may_miss, struct opened_envelope *opened_out)
{
    struct network_id network = fixture_network();
    struct fixture_org org = fixture_org(author);
    return envelope_open(bytes, &network, &org.keys.sign, may_miss, NULL, opened_out);
}

static void
opens_and_gives_views(void **state)
{
    (void)state;
    CLEANUP(posted_done) struct posted posted;
    struct opened_envelope opened;
    post(&posted);
    assert_ok(open_as(buffer_view(&posted.bytes), CLINIC, false, &opened));
    assert_string_equal(opened.statement.author, "hill-clinic");
    assert_int_equal(opened.statement.as.loop.event, EVENT_REQUEST);
    struct digest id = statement_id(opened.envelope.statement);
    assert_true(digest_equal(&opened.id, &id));
    const uint8_t *start = posted.bytes.data;
    assert_true(opened.envelope.statement.data > start &&
                opened.envelope.statement.data < start + posted.bytes.len);
    assert_true(bytes_equal(opened.envelope.sealed, buffer_view(&posted.sealed)));
}

static void
signature_must_be_the_expected_one_s(void **state)
{
    (void)state;
    CLEANUP(posted_done) struct posted posted;
    struct opened_envelope opened;
    post(&posted);
    assert_err(open_as(buffer_view(&posted.bytes), PANTRY, false, &opened), ERR_SIGNATURE);
}

static void
other_network_is_told(void **state)
{
    (void)state;
    CLEANUP(buffer_done) struct buffer bytes = BUFFER_INIT(LIMIT_ENVELOPE_BYTES);
    CLEANUP(buffer_done) struct buffer encoded = BUFFER_INIT(LIMIT_ENVELOPE_BYTES);
    CLEANUP(buffer_done) struct buffer cross = BUFFER_INIT(LIMIT_ENVELOPE_BYTES);
    struct fixture_org root = fixture_org(ROOT);
    struct statement revoke = fixture_revoke("elm-pantry");
    struct opened_envelope opened;
    revoke.network.bytes[0] ^= 1;
    fixture_envelope(&revoke, &root.sign, bytes_of(NULL, 0), &bytes);
    assert_err(open_as(buffer_view(&bytes), ROOT, false, &opened), ERR_WRONG_NETWORK);

    /* Signed for our network, but naming another inside. */
    struct network_id ours = fixture_network();
    assert_ok(statement_encode(&revoke, &encoded));
    struct envelope envelope = {.statement = buffer_view(&encoded)};
    assert_ok(
        turn_sign(SIGN_STATEMENTS, &ours, &envelope.statement, 1, &root.sign, &envelope.signature));
    assert_ok(envelope_encode(&envelope, &cross));
    assert_err(open_as(buffer_view(&cross), ROOT, false, &opened), ERR_WRONG_NETWORK);
}

static void
repack(const struct envelope *from, struct bytes sealed, struct buffer *out)
{
    struct envelope changed = *from;
    changed.sealed = sealed;
    buffer_clear(out);
    assert_ok(envelope_encode(&changed, out));
}

static void
sealed_part_is_held_to_its_digest(void **state)
{
    (void)state;
    CLEANUP(posted_done) struct posted posted;
    CLEANUP(buffer_done) struct buffer out = BUFFER_INIT(LIMIT_ENVELOPE_BYTES);
    struct opened_envelope opened, again;
    post(&posted);
    assert_ok(open_as(buffer_view(&posted.bytes), CLINIC, false, &opened));
    repack(&opened.envelope, bytes_of(NULL, 0), &out);
    assert_err(open_as(buffer_view(&out), CLINIC, false, &again), ERR_SIGNATURE);
    assert_ok(open_as(buffer_view(&out), CLINIC, true, &again));
    assert_int_equal(again.envelope.sealed.len, 0);
    repack(&opened.envelope, bytes_of("something else", 14), &out);
    assert_err(open_as(buffer_view(&out), CLINIC, true, &again), ERR_SIGNATURE);
}

static void
no_sealed_part_where_none_belongs(void **state)
{
    (void)state;
    CLEANUP(buffer_done) struct buffer bytes = BUFFER_INIT(LIMIT_ENVELOPE_BYTES);
    struct fixture_org pantry = fixture_org(PANTRY);
    struct digest id = statement_id(bytes_of("x", 1));
    struct statement delivered = fixture_delivered(&id);
    struct opened_envelope opened;
    fixture_envelope(&delivered, &pantry.sign, bytes_of("stowaway", 8), &bytes);
    assert_err(open_as(buffer_view(&bytes), PANTRY, true, &opened), ERR_MALFORMED);
    buffer_clear(&bytes);
    fixture_envelope(&delivered, &pantry.sign, bytes_of(NULL, 0), &bytes);
    assert_ok(open_as(buffer_view(&bytes), PANTRY, false, &opened));
}

static const char *const nested[] = {"2", NULL};

/* Fields of an envelope are either signed or optional: the sealed part alone may be left out. */
static void
must_not_decode(struct bytes changed, const char *words, void *context)
{
    struct opened_envelope opened;
    unsigned *n = context;
    enum err err = open_as(changed, CLINIC, false, &opened);
    if (err == ERR_OK) {
        fail_msg("opened: %s", words);
    }
    assert_true(err_is_peer(err));
    (*n)++;
}

static void
every_spoiled_field_is_refused(void **state)
{
    (void)state;
    CLEANUP(posted_done) struct posted posted;
    unsigned n = 0;
    post(&posted);
    raw_spoil(buffer_view(&posted.bytes), nested, must_not_decode, &n);
    assert_true(n >= 6 * 9);
}

static void
cut_and_flipped_never_open(void **state)
{
    (void)state;
    CLEANUP(buffer_done) struct buffer bytes = BUFFER_INIT(LIMIT_ENVELOPE_BYTES);
    struct fixture_org pantry = fixture_org(PANTRY);
    struct digest id = statement_id(bytes_of("x", 1));
    struct statement delivered = fixture_delivered(&id);
    struct opened_envelope opened;
    fixture_envelope(&delivered, &pantry.sign, bytes_of(NULL, 0), &bytes);
    for (size_t len = 0; len < bytes.len; len++) {
        assert_true(err_is_peer(open_as(bytes_of(bytes.data, len), PANTRY, true, &opened)));
    }
    for (size_t bit = 0; bit < 8 * bytes.len; bit++) {
        bytes.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_true(err_is_peer(open_as(buffer_view(&bytes), PANTRY, true, &opened)));
        bytes.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
}

/* The same with a sealed part, which is large: every bit of it, but decoding only where it is
 * cheap. */
static void
flipped_sealed_part_never_opens(void **state)
{
    (void)state;
    CLEANUP(posted_done) struct posted posted;
    struct opened_envelope opened;
    struct verified_root memory = {0};
    struct network_id network = fixture_network();
    struct fixture_org clinic = fixture_org(CLINIC);
    post(&posted);
    for (size_t bit = 0; bit < 8 * posted.bytes.len; bit += 7) {
        posted.bytes.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_true(err_is_peer(envelope_open(buffer_view(&posted.bytes), &network,
                                              &clinic.keys.sign, true, &memory, &opened)));
        posted.bytes.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
}

static void
leaf_comes_back(void **state)
{
    (void)state;
    CLEANUP(buffer_done) struct buffer leaf = BUFFER_INIT(LIMIT_ENVELOPE_BYTES);
    CLEANUP(buffer_done) struct buffer again = BUFFER_INIT(LIMIT_ENVELOPE_BYTES);
    struct bytes statements[3] = {
        {(const uint8_t *)"one", 3}, {(const uint8_t *)"two", 3}, {(const uint8_t *)"three", 5}};
    struct turn_signature signatures[3];
    struct fixture_org clinic = fixture_org(CLINIC);
    struct network_id network = fixture_network();
    struct envelope back;
    assert_ok(turn_sign(SIGN_STATEMENTS, &network, statements, 3, &clinic.sign, signatures));
    struct envelope envelope = {statements[1], signatures[1], bytes_of("sealed", 6)};
    envelope_leaf(&envelope, &leaf);
    assert_ok(envelope_from_leaf(buffer_view(&leaf), &back));
    assert_true(bytes_equal(back.statement, statements[1]));
    assert_int_equal(back.sealed.len, 0); /* it can be erased, and the log still verifies */
    assert_ok(turn_check(SIGN_STATEMENTS, &network, back.statement, &back.signature,
                         &clinic.keys.sign, NULL));
    envelope_leaf(&back, &again);
    assert_true(bytes_equal(buffer_view(&leaf), buffer_view(&again)));
    for (size_t len = 0; len < leaf.len; len++) {
        assert_err(envelope_from_leaf(bytes_of(leaf.data, len), &back), ERR_MALFORMED);
    }
    buffer_put_u8(&leaf, 0);
    assert_err(envelope_from_leaf(buffer_view(&leaf), &back), ERR_MALFORMED);
    leaf.len--;
    leaf.data[0] = 2;
    assert_err(envelope_from_leaf(buffer_view(&leaf), &back), ERR_MALFORMED);
}

static void
sizes_are_bounded(void **state)
{
    (void)state;
    static uint8_t giant[LIMIT_ENVELOPE_BYTES + 1];
    CLEANUP(buffer_done) struct buffer out = BUFFER_INIT(2 * LIMIT_ENVELOPE_BYTES);
    CLEANUP(buffer_done) struct buffer raw = BUFFER_INIT(2 * LIMIT_ENVELOPE_BYTES);
    CLEANUP(posted_done) struct posted posted;
    struct opened_envelope opened;
    struct envelope back;
    post(&posted);
    assert_ok(open_as(buffer_view(&posted.bytes), CLINIC, false, &opened));
    struct envelope large = opened.envelope;
    large.statement = bytes_of(giant, LIMIT_STATEMENT_BYTES + 1);
    assert_err(envelope_encode(&large, &out), ERR_TOO_LARGE);
    large = opened.envelope;
    large.sealed = bytes_of(giant, LIMIT_SEALED_BYTES + 1);
    assert_err(envelope_encode(&large, &out), ERR_TOO_LARGE);
    large.statement = bytes_of(NULL, 0);
    large.sealed = bytes_of(NULL, 0);
    assert_err(envelope_encode(&large, &out), ERR_INVALID);
    assert_int_equal(out.len, 0);
    assert_err(envelope_decode(bytes_of(giant, sizeof(giant)), &back), ERR_TOO_LARGE);
    /* A sealed part over its own limit inside an envelope within its. */
    struct raw_field fields[RAW_FIELDS_MAX];
    size_t n = raw_split(buffer_view(&posted.bytes), fields);
    assert_int_equal(n, 3);
    buffer_put(&raw, fields[0].whole.data, fields[0].whole.len);
    buffer_put(&raw, fields[1].whole.data, fields[1].whole.len);
    raw_put_content(&raw, 3, bytes_of(giant, LIMIT_SEALED_BYTES + 1));
    assert_err(envelope_decode(buffer_view(&raw), &back), ERR_TOO_LARGE);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(opens_and_gives_views),
        cmocka_unit_test(signature_must_be_the_expected_one_s),
        cmocka_unit_test(other_network_is_told),
        cmocka_unit_test(sealed_part_is_held_to_its_digest),
        cmocka_unit_test(no_sealed_part_where_none_belongs),
        cmocka_unit_test(every_spoiled_field_is_refused),
        cmocka_unit_test(cut_and_flipped_never_open),
        cmocka_unit_test(flipped_sealed_part_never_opens),
        cmocka_unit_test(leaf_comes_back),
        cmocka_unit_test(sizes_are_bounded),
    };
    return cmocka_run_group_tests(tests, start_secrets, NULL);
}
