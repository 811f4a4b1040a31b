/* A compartment opens for its readers, whole and in its place, and for nobody else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>
#include <sodium.h>

#include "lib/base/secret.h"
#include "lib/base/text.h"
#include "lib/crypto/seal.h"
#include "lib/crypto/sha256.h"

enum { N_READERS = 3, CONTENT_MAX = 200000 };

static const size_t class_limits[SEAL_CLASS_COUNT] = {1024, 4096, 16384, 65536, 196608};
static uint8_t content_bytes[CONTENT_MAX];

struct fixture {
    struct seal_public publics[N_READERS];
    struct seal_secret secrets[N_READERS];
    struct bytes associated;
    struct seal_compartment compartment;
    struct buffer opened;
};

static void
fixture_init(struct fixture *f, struct bytes content)
{
    for (size_t i = 0; i < N_READERS; i++) {
        seal_new_pair(&f->publics[i], &f->secrets[i]);
    }
    f->associated = bytes_of_text("statement digest fields");
    f->opened = BUFFER_INIT(CONTENT_MAX);
    /* The last pair is nobody's: a stranger. */
    assert_int_equal(
        seal_make(content, f->associated, SEAL_1K, f->publics, N_READERS - 1, &f->compartment),
        ERR_OK);
}

static void
fixture_done(struct fixture *f)
{
    buffer_wipe(&f->opened);
    seal_done(&f->compartment);
}

static enum err
open_as(struct fixture *f, size_t which, size_t reader)
{
    return seal_open(&f->compartment, which, f->associated, &f->publics[reader],
                     &f->secrets[reader], &f->opened);
}

static void
every_reader_opens_his_wrap(void **state)
{
    (void)state;
    struct bytes content = bytes_of_text("needs groceries on Tuesday");
    CLEANUP(fixture_done) struct fixture f;
    fixture_init(&f, content);
    assert_int_equal(f.compartment.n_wraps, 2);
    assert_int_equal(open_as(&f, 0, 0), ERR_OK);
    assert_true(bytes_equal(buffer_view(&f.opened), content));
    assert_int_equal(open_as(&f, 1, 1), ERR_OK);
    assert_int_equal(f.opened.len, 2 * content.len); /* appended */
}

static void
nobody_else_opens_anything(void **state)
{
    (void)state;
    CLEANUP(fixture_done) struct fixture f;
    fixture_init(&f, bytes_of_text("secret"));
    assert_int_equal(open_as(&f, 0, 1), ERR_KEY);
    assert_int_equal(open_as(&f, 0, 2), ERR_KEY);
    assert_int_equal(open_as(&f, 1, 0), ERR_KEY);
    assert_int_equal(open_as(&f, 2, 0), ERR_KEY);
    f.compartment.n_wraps = SIZE_MAX; /* a count that came from outside */
    assert_int_equal(open_as(&f, SEAL_READERS_MAX, 0), ERR_KEY);
    assert_int_equal(open_as(&f, (size_t)1 << 40, 0), ERR_KEY);
    f.compartment.n_wraps = 1;
    assert_int_equal(open_as(&f, 1, 1), ERR_KEY);
    assert_int_equal(f.opened.len, 0);
}

static void
another_statement_is_refused(void **state)
{
    (void)state;
    CLEANUP(fixture_done) struct fixture f;
    fixture_init(&f, bytes_of_text("secret"));
    f.associated = bytes_of_text("statement digest field");
    assert_int_equal(open_as(&f, 0, 0), ERR_SIGNATURE);
    f.associated = bytes_of(NULL, 0);
    assert_int_equal(open_as(&f, 0, 0), ERR_SIGNATURE);
    assert_int_equal(f.opened.len, 0);
}

static void
every_flip_is(struct fixture *f, uint8_t *bytes, size_t len, enum err expected)
{
    for (size_t i = 0; i < len; i++) {
        bytes[i] ^= (uint8_t)(1 << i % 8);
        assert_int_equal(open_as(f, 0, 0), expected);
        bytes[i] ^= (uint8_t)(1 << i % 8);
    }
}

static void
every_flipped_byte_is_refused(void **state)
{
    (void)state;
    CLEANUP(fixture_done) struct fixture f;
    fixture_init(&f, bytes_of_text("secret"));
    struct seal_compartment *c = &f.compartment;
    assert_int_equal(c->ciphertext.len, 1024 + 16);
    every_flip_is(&f, c->ciphertext.data, c->ciphertext.len, ERR_SIGNATURE);
    every_flip_is(&f, c->nonce, sizeof(c->nonce), ERR_SIGNATURE);
    every_flip_is(&f, c->wraps[0], SEAL_WRAP_BYTES, ERR_KEY);
    /* Key, nonce and ciphertext all fit here: only the commitment can refuse. */
    every_flip_is(&f, c->commitment.bytes, DIGEST_BYTES, ERR_SIGNATURE);
    assert_int_equal(f.opened.len, 0);
    assert_int_equal(open_as(&f, 0, 0), ERR_OK);
}

/* An author who wants two readers to see two texts gives the second one another key. */
static void
a_second_key_for_the_same_ciphertext_is_refused(void **state)
{
    (void)state;
    CLEANUP(fixture_done) struct fixture f;
    CLEANUP(seal_done) struct seal_compartment other = {.n_wraps = 0};
    fixture_init(&f, bytes_of_text("for the source"));
    assert_int_equal(
        seal_make(bytes_of_text("for the target"), f.associated, SEAL_1K, f.publics, 2, &other),
        ERR_OK);
    assert_memory_not_equal(other.commitment.bytes, f.compartment.commitment.bytes, DIGEST_BYTES);
    memcpy(f.compartment.wraps[1], other.wraps[1], SEAL_WRAP_BYTES);
    assert_int_equal(open_as(&f, 0, 0), ERR_OK);
    assert_int_equal(open_as(&f, 1, 1), ERR_SIGNATURE);
}

static void
classes_begin_and_end_where_they_should(void **state)
{
    (void)state;
    enum seal_class found = SEAL_CLASS_COUNT;
    for (enum seal_class c = SEAL_1K; c < SEAL_CLASS_COUNT; c++) {
        assert_int_equal(seal_class_bytes(c), class_limits[c]);
        assert_true(seal_class_for(class_limits[c] - 4, &found));
        assert_int_equal(found, c);
        bool next = seal_class_for(class_limits[c] - 3, &found);
        assert_true(next == (c != SEAL_192K));
        assert_int_equal(found, next ? c + 1 : SEAL_192K);
    }
    assert_true(seal_class_for(0, &found));
    assert_int_equal(found, SEAL_1K);
    assert_false(seal_class_for(SIZE_MAX, &found));
}

static void
sizes_within_a_class_are_equal_and_content_comes_back(void **state)
{
    (void)state;
    static const size_t sizes[] = {0,     1,     1019,  1020,  1021,   4092,  4093,
                                   16380, 16381, 65532, 65533, 196603, 196604};
    randombytes_buf(content_bytes, sizeof(content_bytes));
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        CLEANUP(fixture_done) struct fixture f;
        struct bytes content = bytes_of(content_bytes, sizes[i]);
        enum seal_class size_class;
        fixture_init(&f, content);
        assert_true(seal_class_for(sizes[i], &size_class));
        assert_int_equal(f.compartment.ciphertext.len, class_limits[size_class] + 16);
        assert_int_equal(open_as(&f, 1, 1), ERR_OK);
        assert_true(bytes_equal(buffer_view(&f.opened), content));
    }
}

static void
the_smallest_class_can_be_asked_for(void **state)
{
    (void)state;
    CLEANUP(fixture_done) struct fixture f;
    fixture_init(&f, bytes_of_text("short"));
    seal_done(&f.compartment);
    assert_int_equal(
        seal_make(bytes_of_text("short"), f.associated, SEAL_16K, f.publics, 1, &f.compartment),
        ERR_OK);
    assert_int_equal(f.compartment.ciphertext.len, 16384 + 16);
    assert_int_equal(open_as(&f, 0, 0), ERR_OK);
    assert_int_equal(f.opened.len, 5);
}

static void
what_no_class_holds_is_refused(void **state)
{
    (void)state;
    struct seal_public reader;
    struct seal_secret secret;
    struct seal_compartment untouched = {.n_wraps = 77};
    seal_new_pair(&reader, &secret);
    assert_int_equal(seal_make(bytes_of(content_bytes, 196605), bytes_of(NULL, 0), SEAL_1K, &reader,
                               1, &untouched),
                     ERR_TOO_LARGE);
    assert_int_equal(untouched.n_wraps, 77);
}

static void
an_unsound_reader_is_refused(void **state)
{
    (void)state;
    struct seal_public readers[2] = {{{0}}, {{0}}};
    struct seal_secret secret;
    struct seal_compartment untouched = {.n_wraps = 77};
    seal_new_pair(&readers[0], &secret);
    assert_int_equal(
        seal_make(bytes_of_text("x"), bytes_of(NULL, 0), SEAL_1K, readers, 2, &untouched), ERR_KEY);
    readers[1].bytes[0] = 1;
    assert_int_equal(
        seal_make(bytes_of_text("x"), bytes_of(NULL, 0), SEAL_1K, readers, 2, &untouched), ERR_KEY);
    assert_int_equal(untouched.n_wraps, 77);
}

/* What an author with a modified program may send: everything fits but the plaintext's shape. */
static void
make_by_hand(struct fixture *f, const uint8_t *padded, size_t len)
{
    uint8_t key[32] = {7};
    struct seal_compartment *c = &f->compartment;
    buffer_done(&c->ciphertext);
    c->ciphertext = BUFFER_INIT(len + 16);
    uint8_t *to = buffer_extend(&c->ciphertext, len + 16);
    assert_non_null(to);
    crypto_aead_xchacha20poly1305_ietf_encrypt(to, NULL, padded, len, f->associated.data,
                                               f->associated.len, NULL, c->nonce, key);
    digest_one("refloop.seal.commit.v1", bytes_of(key, sizeof(key)), &c->commitment);
    assert_int_equal(crypto_box_seal(c->wraps[0], key, sizeof(key), f->publics[0].bytes), 0);
}

static void
wrong_padding_is_refused(void **state)
{
    (void)state;
    uint8_t padded[1025] = {0, 0, 0, 2, 'h', 'i'};
    CLEANUP(fixture_done) struct fixture f;
    fixture_init(&f, bytes_of_text("x"));
    make_by_hand(&f, padded, 1024);
    assert_int_equal(open_as(&f, 0, 0), ERR_OK);
    assert_int_equal(f.opened.len, 2);
    make_by_hand(&f, padded, 1025);
    assert_int_equal(open_as(&f, 0, 0), ERR_MALFORMED);
    make_by_hand(&f, padded, 0);
    assert_int_equal(open_as(&f, 0, 0), ERR_MALFORMED);
    padded[1023] = 1; /* a word behind the message */
    make_by_hand(&f, padded, 1024);
    assert_int_equal(open_as(&f, 0, 0), ERR_MALFORMED);
    padded[1023] = 0;
    padded[2] = 0x03;
    padded[3] = 0xfd; /* 1021: one more than there is */
    make_by_hand(&f, padded, 1024);
    assert_int_equal(open_as(&f, 0, 0), ERR_MALFORMED);
    padded[0] = 0xff;
    make_by_hand(&f, padded, 1024);
    assert_int_equal(open_as(&f, 0, 0), ERR_MALFORMED);
    assert_int_equal(f.opened.len, 2);
}

static void
a_reader_without_room_gets_nothing(void **state)
{
    (void)state;
    CLEANUP(fixture_done) struct fixture f;
    fixture_init(&f, bytes_of_text("secret"));
    f.opened.max = 5;
    assert_int_equal(open_as(&f, 0, 0), ERR_TOO_LARGE);
    assert_int_equal(f.opened.len, 0);
}

static void
the_same_content_never_looks_the_same(void **state)
{
    (void)state;
    CLEANUP(fixture_done) struct fixture a;
    CLEANUP(fixture_done) struct fixture b;
    fixture_init(&a, bytes_of_text("secret"));
    fixture_init(&b, bytes_of_text("secret"));
    assert_memory_not_equal(a.compartment.nonce, b.compartment.nonce, SEAL_NONCE_BYTES);
    assert_memory_not_equal(a.compartment.ciphertext.data, b.compartment.ciphertext.data, 1040);
    assert_null(memmem(a.compartment.ciphertext.data, 1040, "secret", 6));
    seal_done(NULL);
}

static enum err
open_revealed(struct fixture *f, const struct seal_content_key *key)
{
    return seal_open_revealed(&f->compartment, f->associated, key, &f->opened);
}

static void
a_revealed_key_opens_this_compartment_only(void **state)
{
    (void)state;
    CLEANUP(fixture_done) struct fixture f;
    CLEANUP(fixture_done) struct fixture other;
    struct seal_content_key key;
    struct seal_content_key again;
    fixture_init(&f, bytes_of_text("secret"));
    fixture_init(&other, bytes_of_text("secret"));
    assert_int_equal(seal_reveal(&f.compartment, 0, &f.publics[0], &f.secrets[0], &key), ERR_OK);
    assert_int_equal(seal_reveal(&f.compartment, 1, &f.publics[1], &f.secrets[1], &again), ERR_OK);
    assert_memory_equal(&key, &again, sizeof(key));
    assert_int_equal(open_revealed(&f, &key), ERR_OK);
    assert_true(bytes_equal(buffer_view(&f.opened), bytes_of_text("secret")));
    assert_int_equal(open_revealed(&other, &key), ERR_SIGNATURE);
    f.associated = bytes_of_text("another statement");
    assert_int_equal(open_revealed(&f, &key), ERR_SIGNATURE);
    key.bytes[0] ^= 1;
    assert_int_equal(open_revealed(&f, &key), ERR_SIGNATURE);
    assert_int_equal(f.opened.len, 6);
}

static void
only_readers_reveal_and_only_what_fits(void **state)
{
    (void)state;
    CLEANUP(fixture_done) struct fixture f;
    struct seal_content_key key = {{7}};
    fixture_init(&f, bytes_of_text("secret"));
    assert_int_equal(seal_reveal(&f.compartment, 0, &f.publics[2], &f.secrets[2], &key), ERR_KEY);
    assert_int_equal(seal_reveal(&f.compartment, 2, &f.publics[0], &f.secrets[0], &key), ERR_KEY);
    f.compartment.commitment.bytes[5] ^= 1;
    assert_int_equal(seal_reveal(&f.compartment, 0, &f.publics[0], &f.secrets[0], &key),
                     ERR_SIGNATURE);
    f.compartment.ciphertext.len--;
    assert_int_equal(seal_reveal(&f.compartment, 0, &f.publics[0], &f.secrets[0], &key),
                     ERR_MALFORMED);
    assert_int_equal(open_revealed(&f, &key), ERR_MALFORMED);
    assert_int_equal(key.bytes[0], 7);
    assert_int_equal(f.opened.len, 0);
}

/* FIPS 180-4, appendix B.1 and the empty message. */
static void
sha256_is_the_known_one(void **state)
{
    (void)state;
    uint8_t hash[SHA256_BYTES];
    char hex[2 * SHA256_BYTES + 1];
    sha256_of(bytes_of_text("abc"), hash);
    text_hex(bytes_of(hash, sizeof(hash)), hex);
    assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    sha256_of(bytes_of(NULL, 0), hash);
    text_hex(bytes_of(hash, sizeof(hash)), hex);
    assert_string_equal(hex, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_reader_opens_his_wrap),
        cmocka_unit_test(nobody_else_opens_anything),
        cmocka_unit_test(another_statement_is_refused),
        cmocka_unit_test(every_flipped_byte_is_refused),
        cmocka_unit_test(a_second_key_for_the_same_ciphertext_is_refused),
        cmocka_unit_test(classes_begin_and_end_where_they_should),
        cmocka_unit_test(sizes_within_a_class_are_equal_and_content_comes_back),
        cmocka_unit_test(the_smallest_class_can_be_asked_for),
        cmocka_unit_test(what_no_class_holds_is_refused),
        cmocka_unit_test(an_unsound_reader_is_refused),
        cmocka_unit_test(wrong_padding_is_refused),
        cmocka_unit_test(a_reader_without_room_gets_nothing),
        cmocka_unit_test(the_same_content_never_looks_the_same),
        cmocka_unit_test(a_revealed_key_opens_this_compartment_only),
        cmocka_unit_test(only_readers_reveal_and_only_what_fits),
        cmocka_unit_test(sha256_is_the_known_one),
    };
    bool locked;
    return secret_start(&locked) == ERR_OK ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
