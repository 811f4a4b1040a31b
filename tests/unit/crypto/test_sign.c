/* Signatures fit one use, one key and one message, bit for bit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/secret.h"
#include "lib/base/text.h"
#include "lib/crypto/sign.h"

static const uint8_t seed[SIGN_SEED_BYTES] = {1, 2, 3, 4, 5};

struct fixture {
    struct sign_public public_key;
    struct sign_secret secret;
    struct bytes parts[2];
    uint8_t signature[SIGN_BYTES];
};

static void
fixture_init(struct fixture *f)
{
    sign_pair_from_seed(seed, &f->public_key, &f->secret);
    f->parts[0] = bytes_of_text("network");
    f->parts[1] = bytes_of_text("root");
    sign_make(SIGN_STATEMENTS, f->parts, 2, &f->secret, f->signature);
}

static void
tags_are_distinct_and_no_prefix_of_one_another(void **state)
{
    (void)state;
    for (enum sign_use a = 0; a < SIGN_USE_COUNT; a++) {
        assert_non_null(strstr(sign_use_tag(a), "refloop.sign."));
        for (enum sign_use b = 0; b < SIGN_USE_COUNT; b++) {
            const char *tag = sign_use_tag(a);
            assert_true(a == b || strncmp(tag, sign_use_tag(b), strlen(tag)) != 0);
        }
    }
    assert_string_equal(sign_use_tag(SIGN_STATEMENTS), "refloop.sign.statements.v1");
}

static void
a_signature_fits(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    assert_int_equal(sign_check(SIGN_STATEMENTS, f.parts, 2, &f.public_key, f.signature), ERR_OK);
    /* Parts are joined: framing them is the caller's work. */
    struct bytes joined = bytes_of_text("networkroot");
    assert_int_equal(sign_check(SIGN_STATEMENTS, &joined, 1, &f.public_key, f.signature), ERR_OK);
}

/* As any other Ed25519 implementation makes it from tag, NUL and parts. */
static void
the_bytes_signed_are_frozen(void **state)
{
    (void)state;
    struct fixture f;
    char hex[2 * SIGN_BYTES + 1];
    fixture_init(&f);
    text_hex(bytes_of(f.signature, SIGN_BYTES), hex);
    assert_string_equal(hex, "e5a8e1ab38e25982437127ac11932c2da34131465c8a79305e41046be9509b7b"
                             "84c7a0a3d3934f9c8c483239588a3f24edb82d9031257fdaf04f49de794f9c0b");
}

static void
another_use_is_refused(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    for (enum sign_use made = 0; made < SIGN_USE_COUNT; made++) {
        uint8_t signature[SIGN_BYTES];
        sign_make(made, f.parts, 2, &f.secret, signature);
        for (enum sign_use read = 0; read < SIGN_USE_COUNT; read++) {
            enum err expected = made == read ? ERR_OK : ERR_SIGNATURE;
            assert_int_equal(sign_check(read, f.parts, 2, &f.public_key, signature), expected);
        }
    }
}

static void
every_flipped_bit_is_refused(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    for (size_t bit = 0; bit < 8 * SIGN_BYTES; bit++) {
        f.signature[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_int_equal(sign_check(SIGN_STATEMENTS, f.parts, 2, &f.public_key, f.signature),
                         ERR_SIGNATURE);
        f.signature[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    for (size_t bit = 0; bit < 8 * SIGN_PUBLIC_BYTES; bit++) {
        struct sign_public other = f.public_key;
        other.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_int_equal(sign_check(SIGN_STATEMENTS, f.parts, 2, &other, f.signature),
                         ERR_SIGNATURE);
    }
    uint8_t text[] = "networkroot";
    for (size_t bit = 0; bit < 8 * (sizeof(text) - 1); bit++) {
        struct bytes joined = bytes_of(text, sizeof(text) - 1);
        text[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_int_equal(sign_check(SIGN_STATEMENTS, &joined, 1, &f.public_key, f.signature),
                         ERR_SIGNATURE);
        text[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
}

static void
nothing_and_the_most_can_be_signed(void **state)
{
    (void)state;
    static const uint8_t zeros[SIGN_MESSAGE_MAX];
    struct fixture f;
    fixture_init(&f);
    size_t most = SIGN_MESSAGE_MAX - strlen(sign_use_tag(SIGN_RECEIPTS)) - 1;
    struct bytes part = bytes_of(zeros, most);
    sign_make(SIGN_RECEIPTS, &part, 1, &f.secret, f.signature);
    assert_int_equal(sign_check(SIGN_RECEIPTS, &part, 1, &f.public_key, f.signature), ERR_OK);
    part.len++;
    assert_int_equal(sign_check(SIGN_RECEIPTS, &part, 1, &f.public_key, f.signature),
                     ERR_SIGNATURE);
    sign_make(SIGN_RECEIPTS, NULL, 0, &f.secret, f.signature);
    assert_int_equal(sign_check(SIGN_RECEIPTS, NULL, 0, &f.public_key, f.signature), ERR_OK);
}

/* A note is plain Ed25519 over its text: no tag, no NUL. RFC 8032 section 7.1, test 3. */
static void
a_note_is_signed_as_it_stands(void **state)
{
    (void)state;
    static const uint8_t text[] = {0xaf, 0x82};
    uint8_t seed_bytes[SIGN_SEED_BYTES];
    uint8_t signature[SIGN_BYTES];
    char hex[2 * SIGN_BYTES + 1];
    struct sign_public key;
    struct sign_secret secret;
    assert_int_equal(text_unhex("c5aa8df43f9f837bedb7442f31dcb7b1"
                                "66d38535076f094b85ce3a2e0b4458f7",
                                seed_bytes, sizeof(seed_bytes)),
                     ERR_OK);
    sign_pair_from_seed(seed_bytes, &key, &secret);
    sign_note(bytes_of(text, sizeof(text)), &secret, signature);
    text_hex(bytes_of(signature, sizeof(signature)), hex);
    assert_string_equal(hex, "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
                             "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a");
    assert_int_equal(sign_note_check(bytes_of(text, sizeof(text)), &key, signature), ERR_OK);
    assert_int_equal(sign_note_check(bytes_of(text, 1), &key, signature), ERR_SIGNATURE);
}

/* Neither passes for the other, although one key signs both. */
static void
a_note_and_a_tagged_signature_are_strangers(void **state)
{
    (void)state;
    struct fixture f;
    uint8_t signature[SIGN_BYTES];
    struct bytes text = bytes_of_text("networkroot");
    fixture_init(&f);
    assert_int_equal(sign_note_check(text, &f.public_key, f.signature), ERR_SIGNATURE);
    sign_note(text, &f.secret, signature);
    assert_int_equal(sign_note_check(text, &f.public_key, signature), ERR_OK);
    for (enum sign_use use = 0; use < SIGN_USE_COUNT; use++) {
        assert_int_equal(sign_check(use, &text, 1, &f.public_key, signature), ERR_SIGNATURE);
    }
    for (size_t bit = 0; bit < 8 * SIGN_BYTES; bit++) {
        signature[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_int_equal(sign_note_check(text, &f.public_key, signature), ERR_SIGNATURE);
        signature[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
}

/* Small order, or not a point at all: with the first kind one signature fits any message for laxer
 * verifiers. */
static void
unsound_keys_are_refused(void **state)
{
    (void)state;
    static const char *const unsound[] = {
        "0100000000000000000000000000000000000000000000000000000000000000",
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0000000000000000000000000000000000000000000000000000000000000080",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "0200000000000000000000000000000000000000000000000000000000000000",
    };
    uint8_t signature[SIGN_BYTES] = {1};
    struct bytes part = bytes_of_text("anything");
    for (size_t i = 0; i < ARRAY_LEN(unsound); i++) {
        struct sign_public key;
        assert_int_equal(text_unhex(unsound[i], key.bytes, sizeof(key.bytes)), ERR_OK);
        assert_false(sign_public_is_sound(&key));
        assert_int_equal(sign_check(SIGN_STATEMENTS, &part, 1, &key, signature), ERR_SIGNATURE);
    }
}

static void
pairs_are_sound_and_differ(void **state)
{
    (void)state;
    struct sign_public a;
    struct sign_public b;
    struct sign_public again;
    struct sign_secret secret;
    sign_new_pair(&a, &secret);
    sign_new_pair(&b, &secret);
    sign_public_of(&secret, &again);
    assert_memory_equal(b.bytes, again.bytes, SIGN_PUBLIC_BYTES);
    assert_memory_not_equal(a.bytes, b.bytes, SIGN_PUBLIC_BYTES);
    assert_true(sign_public_is_sound(&a));
}

/* RFC 8032 section 7.1, tests 1 to 3: the seed's public key. */
static void
keys_are_those_of_rfc_8032(void **state)
{
    (void)state;
    static const char *const vectors[][2] = {
        {"9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
         "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"},
        {"4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
         "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"},
        {"c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
         "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025"},
    };
    for (size_t i = 0; i < ARRAY_LEN(vectors); i++) {
        uint8_t bytes[SIGN_SEED_BYTES];
        struct sign_public key;
        struct sign_secret secret;
        char hex[2 * SIGN_PUBLIC_BYTES + 1];
        assert_int_equal(text_unhex(vectors[i][0], bytes, sizeof(bytes)), ERR_OK);
        sign_pair_from_seed(bytes, &key, &secret);
        text_hex(bytes_of(key.bytes, sizeof(key.bytes)), hex);
        assert_string_equal(hex, vectors[i][1]);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tags_are_distinct_and_no_prefix_of_one_another),
        cmocka_unit_test(a_signature_fits),
        cmocka_unit_test(the_bytes_signed_are_frozen),
        cmocka_unit_test(another_use_is_refused),
        cmocka_unit_test(every_flipped_bit_is_refused),
        cmocka_unit_test(nothing_and_the_most_can_be_signed),
        cmocka_unit_test(a_note_is_signed_as_it_stands),
        cmocka_unit_test(a_note_and_a_tagged_signature_are_strangers),
        cmocka_unit_test(unsound_keys_are_refused),
        cmocka_unit_test(pairs_are_sound_and_differ),
        cmocka_unit_test(keys_are_those_of_rfc_8032),
    };
    bool locked;
    return secret_start(&locked) == ERR_OK ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
