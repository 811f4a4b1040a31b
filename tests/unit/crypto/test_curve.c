/* Transport keys: the text form is ZeroMQ's, one text for each key. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/secret.h"
#include "lib/base/text.h"
#include "lib/crypto/curve.h"

static const struct {
    const char *hex;
    const char *z85;
} vectors[] = {
    /* ZeroMQ RFC 32: the eight bytes of its test case, four times. */
    {"864fd26fb559f75b864fd26fb559f75b864fd26fb559f75b864fd26fb559f75b",
     "HelloWorldHelloWorldHelloWorldHelloWorld"},
    {"8e0bdd697628b91d8f245587ee95c5b04d48963f79259877b49cd9063aead3b7",
     "JTKVSB%%)wK0E.X)V>+}o?pNmC{O&4W4b!Ni{Lh6"},
    {"0000000000000000000000000000000000000000000000000000000000000000",
     "0000000000000000000000000000000000000000"},
    {"ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
     "%nSc0%nSc0%nSc0%nSc0%nSc0%nSc0%nSc0%nSc0"},
};

static void
z85_is_that_of_rfc_32(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(vectors); i++) {
        uint8_t key[CURVE_KEY_BYTES];
        uint8_t back[CURVE_KEY_BYTES];
        char text[CURVE_Z85_BYTES];
        assert_int_equal(text_unhex(vectors[i].hex, key, sizeof(key)), ERR_OK);
        curve_to_z85(key, text);
        assert_string_equal(text, vectors[i].z85);
        assert_true(curve_from_z85(vectors[i].z85, back));
        assert_memory_equal(back, key, sizeof(key));
    }
}

static void
bad_text_is_refused_and_leaves_the_key_alone(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "HelloWorldHelloWorldHelloWorldHelloWorl",
        "HelloWorldHelloWorldHelloWorldHelloWorld0",
        "HelloWorldHelloWorldHelloWorldHelloWorl\"",
        "HelloWorldHelloWorldHelloWorldHelloWorl ",
        "HelloWorldHelloWorldHelloWorldHelloWor\x80\x80",
        "%nSc1%nSc0%nSc0%nSc0%nSc0%nSc0%nSc0%nSc0", /* one more than 32 bits hold */
        "####################%nSc0%nSc0%nSc0%nSc0",
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        uint8_t key[CURVE_KEY_BYTES];
        uint8_t untouched[CURVE_KEY_BYTES];
        memset(key, 0xa5, sizeof(key));
        memset(untouched, 0xa5, sizeof(untouched));
        assert_false(curve_from_z85(bad[i], key));
        assert_memory_equal(key, untouched, sizeof(key));
    }
}

static void
random_keys_come_back(void **state)
{
    (void)state;
    for (int i = 0; i < 200; i++) {
        struct curve_public key;
        struct curve_public again;
        struct curve_secret secret;
        char text[CURVE_Z85_BYTES];
        curve_new_pair(&key, &secret);
        curve_public_of(&secret, &again);
        assert_memory_equal(key.bytes, again.bytes, CURVE_KEY_BYTES);
        curve_to_z85(key.bytes, text);
        assert_int_equal(strlen(text), CURVE_Z85_BYTES - 1);
        assert_true(curve_from_z85(text, again.bytes));
        assert_memory_equal(key.bytes, again.bytes, CURVE_KEY_BYTES);
    }
}

/* The two pairs in ZeroMQ's own manual and tests. */
static void
public_keys_are_those_zeromq_makes(void **state)
{
    (void)state;
    static const char *const pairs[][2] = {
        {"D:)Q[IlAW!ahhC2ac:9*A}h:p?([4%wOTJ%JR%cs", "Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID"},
        {"JTKVSB%%)wK0E.X)V>+}o?pNmC{O&4W4b!Ni{Lh6", "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7"},
    };
    for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
        struct curve_secret secret;
        struct curve_public key;
        char text[CURVE_Z85_BYTES];
        assert_true(curve_from_z85(pairs[i][0], secret.bytes));
        curve_public_of(&secret, &key);
        curve_to_z85(key.bytes, text);
        assert_string_equal(text, pairs[i][1]);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(z85_is_that_of_rfc_32),
        cmocka_unit_test(bad_text_is_refused_and_leaves_the_key_alone),
        cmocka_unit_test(random_keys_come_back),
        cmocka_unit_test(public_keys_are_those_zeromq_makes),
    };
    bool locked;
    return secret_start(&locked) == ERR_OK ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
