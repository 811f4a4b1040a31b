/* A cosignature is one member's word about one text at one time, and a note is cosigned by the
 * members whose present keys say so. */
#include "tests/unit/proof/small_log.h"

#include "lib/base/text.h"
#include "tests/unit/trust/network.h"

enum { TIME_S = 1679315147, CLINIC_ONCE = 8, PANTRY_NEXT = 9 };

/* A signed head and a network in which county-office, the clinic and the pantry are members. */
struct fixture {
    struct network network;
    struct network_id id;
    struct buffer note;
};

static void
fixture_done(struct fixture *f)
{
    network_done(&f->network);
    buffer_done(&f->note);
}

static void
fixture_init(struct fixture *f)
{
    struct merkle_hash root;
    *f = (struct fixture){.id = fixture_network(), .note = BUFFER_INIT(NOTE_BYTES_MAX)};
    start_joined(&f->network);
    assert_ok(say(&f->network, fixture_invite(fixture_who(CLINIC)->org, CLINIC_ONCE)));
    assert_ok(say(&f->network, fixture_join(CLINIC, CLINIC_ONCE)));
    memset(root.bytes, 7, sizeof(root.bytes));
    assert_ok(checkpoint_sign(&f->id, 1000, &root, &fixture_who(BROKER)->sign, &f->note));
}

/* Adds a line as `org`, signed by and naming the key of `who`. */
static void
add_as(struct fixture *f, const char *org, unsigned who, uint64_t time_s)
{
    uint8_t signature[SIGN_BYTES];
    const struct fixture_org *signer = fixture_who(who);
    assert_ok(checkpoint_cosign(buffer_view(&f->note), time_s, &signer->sign, signature));
    assert_ok(
        checkpoint_add_cosignature(&f->note, &f->id, org, &signer->keys.sign, time_s, signature));
}

static void
add(struct fixture *f, unsigned who, uint64_t time_s)
{
    add_as(f, fixture_who(who)->org, who, time_s);
}

static enum err
cosigners(const struct fixture *f, struct cosigner found[NOTE_SIGNATURES_MAX], size_t *n,
          char liar[ORG_ID_BYTES])
{
    *n = 99;
    memset(liar, 0, ORG_ID_BYTES);
    return checkpoint_cosigners(buffer_view(&f->note), f->network.directory, found, n, liar);
}

static void
assert_none(const struct fixture *f)
{
    struct cosigner found[NOTE_SIGNATURES_MAX];
    char liar[ORG_ID_BYTES];
    size_t n;
    assert_ok(cosigners(f, found, &n, liar));
    assert_int_equal(n, 0);
    assert_string_equal(liar, "");
}

static void
assert_liar(const struct fixture *f, unsigned who)
{
    struct cosigner found[NOTE_SIGNATURES_MAX];
    char liar[ORG_ID_BYTES];
    size_t n;
    assert_err(cosigners(f, found, &n, liar), ERR_SIGNATURE);
    assert_string_equal(liar, fixture_who(who)->org);
    assert_int_equal(n, 99);
}

/* The bytes are those of tlog-cosignature: two lines, then the text of the note. */
static void
what_is_signed_is_the_specified_text(void **state)
{
    (void)state;
    CLEANUP(fixture_done) struct fixture f;
    CLEANUP(buffer_done) struct buffer text = BUFFER_INIT(NOTE_ROOM);
    struct note parsed;
    uint8_t signature[SIGN_BYTES];
    const struct fixture_org *pantry = fixture_who(PANTRY);
    fixture_init(&f);
    assert_ok(note_parse(buffer_view(&f.note), &parsed));
    buffer_put(&text, "cosignature/v1\ntime 1679315147\n", 31);
    buffer_put(&text, parsed.text.data, parsed.text.len);
    assert_ok(checkpoint_cosign(buffer_view(&f.note), TIME_S, &pantry->sign, signature));
    assert_ok(sign_note_check(buffer_view(&text), &pantry->keys.sign, signature));
    assert_ok(
        checkpoint_check_cosignature(buffer_view(&f.note), TIME_S, &pantry->keys.sign, signature));
}

/* Name, key id of type 0x04, time in eight bytes, then the signature. */
static void
the_line_is_the_specified_one(void **state)
{
    (void)state;
    static const uint8_t time_bytes[] = {0, 0, 0, 0, 0x64, 0x18, 0x50, 0xcb};
    CLEANUP(fixture_done) struct fixture f;
    struct note parsed;
    char name[NOTE_NAME_MAX + 1];
    uint8_t key_id[NOTE_KEY_ID_BYTES];
    fixture_init(&f);
    add(&f, PANTRY, TIME_S);
    assert_ok(note_parse(buffer_view(&f.note), &parsed));
    assert_int_equal(parsed.n_signatures, 2);
    const struct note_signature *line = &parsed.signatures[1];
    checkpoint_member_name(&f.id, "elm-pantry", name);
    note_key_id(name, 0x04, bytes_of(fixture_who(PANTRY)->keys.sign.bytes, SIGN_PUBLIC_BYTES),
                key_id);
    assert_true(bytes_equal(line->name, bytes_of_text(name)));
    assert_memory_equal(line->key_id, key_id, sizeof(key_id));
    assert_int_equal(line->len, 8 + SIGN_BYTES);
    assert_memory_equal(line->signature, time_bytes, sizeof(time_bytes));
}

/* A checkpoint of a log run by others, arche2025h1.staging.ct.transparency.dev, and the cosignature
 * of the public witness remora.n621.de, whose published key this is. */
static void
a_cosignature_made_by_others_is_right(void **state)
{
    (void)state;
    static const char note[] =
        "arche2025h1.staging.ct.transparency.dev\n"
        "1432088532\n"
        "U7WM79jrzyhGZ5/GUBTpM7NzwdyfFx61t3RovgcC4Ro=\n"
        "\n"
        "\u2014 arche2025h1.staging.ct.transparency.dev "
        "ui8GwCF1+kWqZrxGdhj4aX3gcw7XUlXQQabg/27lefwh"
        "UkzbC3NygNI75MdhL1bfTW9g8Ei59RA23oHP7Ry1k3ZFWwQ=\n"
        "\u2014 remora.n621.de 2net5wAAAABqEiEgPlfF3V06o0Y+fHM+J5J9s27wgxxcOVSpZ/2g/KSiXCg9DEZI+aVC"
        "IobWX9sXTynk5XeU/zZ0WBxtqB0DrAWfBw==\n";
    struct note parsed;
    struct sign_public key;
    uint8_t key_id[NOTE_KEY_ID_BYTES];
    assert_ok(text_unhex("ebcdeb78e7fdb2ef9227b2c1ef11e94600b55b4d6d9a57877e31ee89e59adc36",
                         key.bytes, sizeof(key.bytes)));
    assert_ok(note_parse(bytes_of_text(note), &parsed));
    assert_int_equal(parsed.n_signatures, 2);
    const struct note_signature *line = &parsed.signatures[1];
    note_key_id("remora.n621.de", NOTE_TYPE_COSIGNATURE, bytes_of(key.bytes, sizeof(key.bytes)),
                key_id);
    assert_memory_equal(line->key_id, key_id, sizeof(key_id));
    assert_int_equal(line->len, 8 + SIGN_BYTES);
    assert_ok(
        checkpoint_check_cosignature(bytes_of_text(note), 0x6a122120, &key, line->signature + 8));
    assert_err(
        checkpoint_check_cosignature(bytes_of_text(note), 0x6a122121, &key, line->signature + 8),
        ERR_SIGNATURE);
}

static void
another_time_text_or_key_is_refused(void **state)
{
    (void)state;
    CLEANUP(fixture_done) struct fixture f;
    CLEANUP(buffer_done) struct buffer other = BUFFER_INIT(NOTE_ROOM);
    uint8_t signature[SIGN_BYTES];
    struct merkle_hash root = {{0}};
    const struct fixture_org *pantry = fixture_who(PANTRY);
    fixture_init(&f);
    struct bytes note = buffer_view(&f.note);
    assert_ok(checkpoint_cosign(note, TIME_S, &pantry->sign, signature));
    assert_ok(checkpoint_sign(&f.id, 1000, &root, &fixture_who(BROKER)->sign, &other));
    assert_err(checkpoint_check_cosignature(note, TIME_S + 1, &pantry->keys.sign, signature),
               ERR_SIGNATURE);
    assert_err(
        checkpoint_check_cosignature(buffer_view(&other), TIME_S, &pantry->keys.sign, signature),
        ERR_SIGNATURE);
    assert_err(
        checkpoint_check_cosignature(note, TIME_S, &fixture_who(CLINIC)->keys.sign, signature),
        ERR_SIGNATURE);
    for (size_t bit = 0; bit < 8 * SIGN_BYTES; bit++) {
        signature[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_err(checkpoint_check_cosignature(note, TIME_S, &pantry->keys.sign, signature),
                   ERR_SIGNATURE);
        signature[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
}

/* The log's own signature is none by a witness, and the other way round. */
static void
a_signature_of_one_type_is_none_of_the_other(void **state)
{
    (void)state;
    CLEANUP(fixture_done) struct fixture f;
    struct note parsed;
    const struct fixture_org *broker = fixture_who(BROKER);
    fixture_init(&f);
    assert_ok(note_parse(buffer_view(&f.note), &parsed));
    for (uint64_t time_s = 0; time_s < 2; time_s++) {
        assert_err(checkpoint_check_cosignature(buffer_view(&f.note), time_s, &broker->keys.sign,
                                                parsed.signatures[0].signature),
                   ERR_SIGNATURE);
    }
}

static void
times_past_the_largest_are_refused(void **state)
{
    (void)state;
    CLEANUP(fixture_done) struct fixture f;
    uint8_t signature[SIGN_BYTES] = {1};
    const struct fixture_org *pantry = fixture_who(PANTRY);
    fixture_init(&f);
    struct bytes note = buffer_view(&f.note);
    assert_ok(checkpoint_cosign(note, INT64_MAX, &pantry->sign, signature));
    assert_ok(checkpoint_check_cosignature(note, INT64_MAX, &pantry->keys.sign, signature));
    assert_err(checkpoint_cosign(note, (uint64_t)INT64_MAX + 1, &pantry->sign, signature),
               ERR_INVALID);
    assert_err(
        checkpoint_check_cosignature(note, (uint64_t)INT64_MAX + 1, &pantry->keys.sign, signature),
        ERR_SIGNATURE);
}

static void
only_heads_are_cosigned(void **state)
{
    (void)state;
    static const char *const notes[] = {
        "",
        "origin\n1\n",
        "Nobody has signed this.\n\n",
        "This is no head.\n\n\u2014 example.org AAAAAAA=\n",
        "example.org\n01\nBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=\n\n\u2014 w AAAAAAA=\n",
    };
    uint8_t signature[SIGN_BYTES];
    for (size_t i = 0; i < ARRAY_LEN(notes); i++) {
        assert_err(checkpoint_cosign(bytes_of_text(notes[i]), TIME_S, &fixture_who(PANTRY)->sign,
                                     signature),
                   ERR_MALFORMED);
    }
}

static void
each_member_counts_once(void **state)
{
    (void)state;
    CLEANUP(fixture_done) struct fixture f;
    struct cosigner found[NOTE_SIGNATURES_MAX];
    struct checkpoint opened;
    char liar[ORG_ID_BYTES];
    size_t n;
    fixture_init(&f);
    assert_none(&f);
    add(&f, PANTRY, 30);
    add(&f, CLINIC, 20);
    add(&f, PANTRY, 40);
    add(&f, PANTRY, 10);
    assert_ok(cosigners(&f, found, &n, liar));
    assert_int_equal(n, 2);
    assert_string_equal(found[0].org, fixture_who(PANTRY)->org);
    assert_int_equal(found[0].time_s, 40);
    assert_string_equal(found[1].org, fixture_who(CLINIC)->org);
    assert_int_equal(found[1].time_s, 20);
    assert_ok(
        checkpoint_open(buffer_view(&f.note), &f.id, &fixture_who(BROKER)->keys.sign, &opened));
}

static void
keys_that_are_not_present_ones_are_ignored(void **state)
{
    (void)state;
    CLEANUP(fixture_done) struct fixture f;
    struct network_id elsewhere;
    fixture_init(&f);
    elsewhere = f.id;
    elsewhere.bytes[0] ^= 1;
    add_as(&f, "nobody-here", PANTRY, TIME_S);
    add_as(&f, "elm-pantry", CLINIC, TIME_S);
    add_as(&f, "elm-pantry", PANTRY_NEXT, TIME_S);
    add_as(&f, "elm-pantry-of-which-the-name-does-not-fit-an-organization", PANTRY, TIME_S);
    struct network_id here = f.id;
    f.id = elsewhere;
    add(&f, PANTRY, TIME_S);
    f.id = here;
    assert_none(&f);
}

static void
only_active_members_count(void **state)
{
    (void)state;
    CLEANUP(fixture_done) struct fixture f;
    struct cosigner found[NOTE_SIGNATURES_MAX];
    char liar[ORG_ID_BYTES];
    size_t n;
    fixture_init(&f);
    assert_ok(say(&f.network, fixture_invite("oak-shelter", SHELTER)));
    add_as(&f, "oak-shelter", SHELTER, TIME_S);
    add(&f, PANTRY, TIME_S);
    assert_ok(cosigners(&f, found, &n, liar));
    assert_int_equal(n, 1);
    assert_ok(say(&f.network, fixture_revoke("elm-pantry")));
    assert_none(&f);
}

static void
a_replaced_key_counts_no_more(void **state)
{
    (void)state;
    CLEANUP(fixture_done) struct fixture f;
    struct cosigner found[NOTE_SIGNATURES_MAX];
    char liar[ORG_ID_BYTES];
    size_t n;
    fixture_init(&f);
    add(&f, PANTRY, 10);
    assert_ok(say(&f.network, fixture_rotate(PANTRY, PANTRY_NEXT)));
    assert_none(&f);
    add_as(&f, "elm-pantry", PANTRY_NEXT, 20);
    assert_ok(cosigners(&f, found, &n, liar));
    assert_int_equal(n, 1);
    assert_int_equal(found[0].time_s, 20);
}

/* A signature of a known key that does not fit is not passed over, be it for another text, at
 * another time or of another length. */
static void
a_line_that_does_not_fit_names_its_member(void **state)
{
    (void)state;
    for (size_t i = 0; i < 4; i++) {
        static const size_t lens[] = {72, 72, 71, 73};
        CLEANUP(fixture_done) struct fixture f;
        uint8_t value[NOTE_SIGNATURE_BYTES_MAX] = {0};
        uint8_t key_id[NOTE_KEY_ID_BYTES];
        char name[NOTE_NAME_MAX + 1];
        const struct fixture_org *pantry = fixture_who(PANTRY);
        fixture_init(&f);
        assert_ok(checkpoint_cosign(buffer_view(&f.note), 0, &pantry->sign, value + 8));
        value[i == 0 ? 7 : 8] ^= i < 2;
        checkpoint_member_name(&f.id, pantry->org, name);
        note_key_id(name, NOTE_TYPE_COSIGNATURE,
                    bytes_of(pantry->keys.sign.bytes, SIGN_PUBLIC_BYTES), key_id);
        add(&f, CLINIC, TIME_S);
        note_put_signature(&f.note, name, key_id, bytes_of(value, lens[i]));
        assert_liar(&f, PANTRY);
    }
}

static void
there_is_room_for_so_many_lines(void **state)
{
    (void)state;
    CLEANUP(fixture_done) struct fixture f;
    uint8_t signature[SIGN_BYTES] = {0};
    const struct sign_public *key = &fixture_who(PANTRY)->keys.sign;
    fixture_init(&f);
    for (uint64_t i = 1; i < NOTE_SIGNATURES_MAX; i++) {
        assert_ok(checkpoint_add_cosignature(&f.note, &f.id, "nobody-here", key, i, signature));
    }
    size_t len = f.note.len;
    assert_err(checkpoint_add_cosignature(&f.note, &f.id, "nobody-here", key, 1, signature),
               ERR_TOO_LARGE);
    assert_int_equal(f.note.len, len);
    assert_none(&f);
}

static void
half_a_line_is_never_added(void **state)
{
    (void)state;
    CLEANUP(fixture_done) struct fixture f;
    uint8_t signature[SIGN_BYTES] = {0};
    const struct sign_public *key = &fixture_who(PANTRY)->keys.sign;
    fixture_init(&f);
    size_t len = f.note.len;
    f.note.max = len + 100;
    assert_err(checkpoint_add_cosignature(&f.note, &f.id, "elm-pantry", key, 1, signature),
               ERR_TOO_LARGE);
    assert_int_equal(f.note.len, len);
    CLEANUP(buffer_done) struct buffer empty = BUFFER_INIT(NOTE_ROOM);
    assert_err(checkpoint_add_cosignature(&empty, &f.id, "elm-pantry", key, 1, signature),
               ERR_MALFORMED);
    assert_int_equal(empty.len, 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_signed_is_the_specified_text),
        cmocka_unit_test(the_line_is_the_specified_one),
        cmocka_unit_test(a_cosignature_made_by_others_is_right),
        cmocka_unit_test(another_time_text_or_key_is_refused),
        cmocka_unit_test(a_signature_of_one_type_is_none_of_the_other),
        cmocka_unit_test(times_past_the_largest_are_refused),
        cmocka_unit_test(only_heads_are_cosigned),
        cmocka_unit_test(each_member_counts_once),
        cmocka_unit_test(keys_that_are_not_present_ones_are_ignored),
        cmocka_unit_test(only_active_members_count),
        cmocka_unit_test(a_replaced_key_counts_no_more),
        cmocka_unit_test(a_line_that_does_not_fit_names_its_member),
        cmocka_unit_test(there_is_room_for_so_many_lines),
        cmocka_unit_test(half_a_line_is_never_added),
    };
    return cmocka_run_group_tests(tests, start_secrets, NULL);
}
