/* The digest is plain BLAKE2b-256 over tag, NUL and parts, as any other implementation computes it.
 */
#include "lib/base/digest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/text.h"

static void
vectors_from_another_implementation_match(void **state)
{
    (void)state;
    /* python3: hashlib.blake2b(tag + b'\0' + data, digest_size=32) */
    static const struct {
        const char *tag, *data, *hex;
    } cases[] = {
        {"refloop.id", "", "8b095c820e2ba61e1271de40ff2ca4954a28eabf8a5524d62bec43a5dba54778"},
        {"refloop.id", "abc", "16ac4f1b32be4849bdf0c72409a1d7e3054b89520810afd9910465b3ad089be7"},
        {"", "abc", "4b44b5a5f9e6fafead231e4d609a8e88053a6053c087b68e24e31faf0fb8dfe7"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct digest digest;
        char hex[2 * DIGEST_BYTES + 1];
        digest_one(cases[i].tag, bytes_of_text(cases[i].data), &digest);
        text_hex(bytes_of(digest.bytes, DIGEST_BYTES), hex);
        assert_string_equal(hex, cases[i].hex);
    }
}

static void
parts_are_one_input(void **state)
{
    (void)state;
    struct bytes parts[] = {bytes_of_text("ab"), bytes_of(NULL, 0), bytes_of_text("c")};
    struct digest split;
    struct digest whole;
    digest_parts("refloop.test", parts, ARRAY_LEN(parts), &split);
    digest_one("refloop.test", bytes_of_text("abc"), &whole);
    assert_true(digest_equal(&split, &whole));
}

static void
the_tag_ends_before_the_data(void **state)
{
    (void)state;
    struct digest a;
    struct digest b;
    digest_one("a", bytes_of_text("bc"), &a);
    digest_one("ab", bytes_of_text("c"), &b);
    assert_false(digest_equal(&a, &b));
}

static void
zero_is_seen(void **state)
{
    (void)state;
    struct digest digest = {{0}};
    assert_true(digest_is_zero(&digest));
    digest.bytes[DIGEST_BYTES - 1] = 1;
    assert_false(digest_is_zero(&digest));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vectors_from_another_implementation_match),
        cmocka_unit_test(parts_are_one_input),
        cmocka_unit_test(the_tag_ends_before_the_data),
        cmocka_unit_test(zero_is_seen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
